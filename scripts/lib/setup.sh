# What `npm start` and `npm test` do before anything of ours can run: POSIX sh, and whatever Node the machine has.
#
# Everything here may be run again at any time: it installs what is missing, and only that.

TOP=$(cd "$(dirname "$0")/.." && pwd)
NODE=$TOP/node_modules/.bin/node
MIN_NODE=20

say() { printf '%s\n' "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# step NAME COMMAND…: tells what is done and how long it took; ends the script when it failed.
step() {
    step_name=$1
    shift
    step_began=$(date +%s)
    say "── $step_name"
    "$@" || die "$step_name failed after $(($(date +%s) - step_began)) s (exit status $?)"
    say "── $step_name: $(($(date +%s) - step_began)) s"
}

need_node() {
    command -v node >/dev/null || die "there is no node here: install Node $MIN_NODE or newer (Debian: apt-get install nodejs npm)"
    node -e "process.exit(+process.versions.node.split('.')[0] >= $MIN_NODE ? 0 : 1)" ||
        die "Node $(node --version) is too old: $MIN_NODE or newer is needed to install the rest"
    command -v npm >/dev/null || die 'there is no npm here (Debian: apt-get install npm)'
}

# The project's own Node 24 comes as an npm package, so from here on $NODE is what runs.
need_modules() {
    if ! node "$TOP/scripts/lib/modules.cjs" "$TOP"; then
        step 'npm packages' npm --prefix "$TOP" ci --no-audit --no-fund --loglevel=error
        node "$TOP/scripts/lib/modules.cjs" "$TOP" || die 'npm ci did not install what package-lock.json lists'
    fi
    # npm 9 (Debian's) removes the bin link that the package of the other architecture would have had: the same.
    own_node=$TOP/node_modules/node-linux-$(node -p process.arch)/bin/node
    if [ ! -e "$NODE" ] && [ -x "$own_node" ]; then ln -sf "../${own_node#"$TOP"/node_modules/}" "$NODE"; fi
    [ -x "$NODE" ] || die "npm brought no Node for this machine ($(uname -s) $(uname -m)): Linux on x86-64 or arm64 is needed"
}
