# shellcheck shell=bash
# Debian packages that a script needs, on Debian 12 and 13.

# need PACKAGE…: installs those that are missing, without a question.
need() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    command -v apt-get >/dev/null || die "this needs Debian packages (${missing[*]}), and there is no apt-get here"
    [ "$(id -u)" = 0 ] || die "missing Debian packages: ${missing[*]} (run as root, or: apt-get install ${missing[*]})"
    alone packages need_install "${missing[@]}"
}

need_install() {
    local missing=("$@")
    say "installing Debian packages: ${missing[*]}"
    apt_quietly update || die "apt-get update failed: is the Debian archive reachable?"
    apt_quietly install --yes --no-install-recommends "${missing[@]}" || die "cannot install: ${missing[*]}"
}

# apt_quietly ARGUMENT…: apt-get, heard only when it fails. Waits while another apt works.
apt_quietly() {
    local log
    log=$(mktemp)
    if apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 "$@" </dev/null >"$log" 2>&1 9>&-; then
        rm -f "$log"
    else
        tail -n 20 "$log" >&2
        rm -f "$log"
        return 1
    fi
}
