# shellcheck shell=bash
# What every build script of os/ shares: where the cache is, a work directory, steps with their times, and results
# that are either complete or absent.
#
# The cache lies outside the tree, so that a fresh clone and a test run reuse what was built before. An entry is a
# directory CACHE/<kind>/<key>; the key names everything the entry was made from, so an entry is never changed, only
# added and, when three newer ones of its kind exist, removed. Two processes that want the same missing entry: one
# makes it, the other waits.
#
# A crash (or Ctrl-C) in the middle leaves a directory in CACHE/tmp and nothing else: entries appear by rename. Its
# owner held a lock on it, so the next build can tell that it is an orphan, and removes it.

OS_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
TOP_DIR=$(dirname "$OS_DIR")
CACHE=${OSCTL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/vpsadminos}/os

export LC_ALL=C DEBIAN_FRONTEND=noninteractive
umask 022
set -euo pipefail
shopt -s inherit_errexit

say() { printf 'os: %s\n' "$*" >&2; }
die() { printf 'os: error: %s\n' "$*" >&2; exit 1; }

# take_lock: makes WORK, this process's directory for what is under way, locked while it lives. A script started by
# another one works in the other's.
take_lock() {
    local orphan
    [ -z "${WORK:-}" ] || return 0
    mkdir -p "$CACHE/tmp"
    exec 7<"$CACHE/tmp"
    flock 7
    for orphan in "$CACHE"/tmp/*; do
        if [ -e "$orphan" ] && flock --nonblock "$orphan" true; then discard "$orphan"; fi
    done
    WORK=$(mktemp -d "$CACHE/tmp/XXXXXX")
    exec 9<"$WORK"
    flock 9
    exec 7<&-
    export WORK
    trap 'rm -rf --one-file-system "$WORK"' EXIT
}

# discard DIR: removes what a dead build left, with what it may have left mounted below. What cannot be removed costs
# space and no more, so it is said and no build fails for it.
discard() {
    local dir=$1 mounted
    tac /proc/self/mounts | cut -d' ' -f2 | while read -r mounted; do
        if [[ $mounted == "$dir"/* ]]; then umount --lazy "$mounted" || true; fi
    done
    rm -rf --one-file-system "$dir" || say "cannot remove what an earlier build left in $dir"
}

# alone NAME COMMAND…: runs it while nobody else runs something under the same name.
alone() {
    local name=$1 fd
    shift
    mkdir -p "$CACHE"
    exec {fd}>>"$CACHE/$name.lock"
    if ! flock --nonblock "$fd"; then
        say "$name: another build is at it; waiting"
        flock "$fd"
    fi
    "$@"
    exec {fd}>&-
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
    (set -e; "$@") 9<&- </dev/null >"$log" 2>&1
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
    local entry=$CACHE/$1/$2
    if [ ! -d "$entry" ]; then alone "$1" cache_make "$@" >&2; fi
    touch "$entry"
    printf '%s\n' "$entry"
}

cache_make() {
    local kind=$1 name=$2 make=$3 old
    if [ -d "$CACHE/$kind/$name" ]; then return 0; fi
    mkdir -p "$CACHE/$kind" "$WORK/$kind"
    step "$kind $name" "$make" "$WORK/$kind"
    mv -T "$WORK/$kind" "$CACHE/$kind/$name"
    # What was used within the hour may still be in use.
    find "$CACHE/$kind" -mindepth 1 -maxdepth 1 -printf '%T@ %p\n' | sort -rn | tail -n +4 | cut -d' ' -f2- |
        while read -r old; do
            find "$old" -maxdepth 0 -mmin +60 -exec rm -rf --one-file-system {} +
        done
}

# inside ROOT COMMAND…: runs it in ROOT with /proc, in namespaces of its own, so that nothing of it stays behind.
inside() {
    local root=$1
    shift
    unshare --mount --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" "$@"
}
