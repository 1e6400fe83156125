# shellcheck shell=bash
# What every build script of os/ shares: where the cache is, one build at a time, steps with their times, and a
# result that is either complete or absent.
#
# The cache lies outside the tree, so that a fresh clone and a test run reuse what was built before. An entry is a
# directory CACHE/<kind>/<key>; the key names everything the entry was made from, so an entry is never changed,
# only added and, when three newer ones of its kind exist, removed.
#
# A crash (or Ctrl-C) in the middle leaves a directory in CACHE/tmp and nothing else: entries appear by rename.
# The next build, which holds the lock and so knows that nobody works there, removes it.

OS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOP_DIR=$(dirname "$OS_DIR")
CACHE=${OSCTL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vpsadminos}/os

export LC_ALL=C DEBIAN_FRONTEND=noninteractive
umask 022
set -euo pipefail
shopt -s inherit_errexit

say() { printf 'os: %s\n' "$*" >&2; }
die() { printf 'os: error: %s\n' "$*" >&2; exit 1; }

# One build at a time on this machine, whichever checkout it comes from. Called first by every entry script; a
# script started by another one inherits the lock (and its file descriptor) and does not take it again.
take_lock() {
    [ -z "${OS_BUILD_LOCKED:-}" ] || return 0
    mkdir -p "$CACHE"
    exec 9>>"$CACHE/lock"
    if ! flock --nonblock 9; then
        say "another build is running; waiting for it"
        flock 9
    fi
    export OS_BUILD_LOCKED=1
    rm -rf --one-file-system "$CACHE/tmp"
    mkdir -p "$CACHE/tmp"
}

# step NAME COMMAND…: runs it with its output in a log, tells how long it took, shows the log's end if it failed.
step() {
    local name=$1 log begin status
    shift
    mkdir -p "$CACHE/log"
    log=$CACHE/log/${name//[^a-zA-Z0-9]/-}.log
    begin=$SECONDS
    say "$name …"
    # Not `if ( … )`: bash ignores `set -e` in what an `if` tests.
    set +e
    (set -e; "$@") 9>&- </dev/null >"$log" 2>&1
    status=$?
    set -e
    if [ "$status" != 0 ]; then
        tail -n 30 "$log" >&2
        die "$name failed after $((SECONDS - begin)) s; the whole log is $log"
    fi
    say "$name: $((SECONDS - begin)) s"
}

# key TEXT…: 16 hex digits that name the inputs.
key() { printf '%s\n' "$@" | sha256sum | cut -c1-16; }

# recipe FUNCTION…: what these functions do, without comments and layout: for a key.
recipe() { declare -f "$@"; }

# cached KIND KEY FUNCTION: prints the entry's path, calling FUNCTION <empty dir> to make it if it is missing.
cached() {
    local kind=$1 name=$2 make=$3 entry=$CACHE/$1/$2 work
    if [ ! -d "$entry" ]; then
        work=$CACHE/tmp/$kind
        mkdir -p "$work" "$CACHE/$kind"
        step "$kind $name" "$make" "$work"
        mv -T "$work" "$entry"
    fi
    touch "$entry"
    # shellcheck disable=SC2012  # names of entries are ours: no newline in them
    ls -dt "$CACHE/$kind"/*/ | tail -n +4 | while read -r old; do rm -rf --one-file-system "$old"; done
    printf '%s\n' "$entry"
}

# inside ROOT COMMAND…: runs it in ROOT with /proc, in namespaces of its own, so that nothing of it stays behind.
inside() {
    local root=$1
    shift
    unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" "$@"
}
