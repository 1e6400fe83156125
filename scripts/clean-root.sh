#!/bin/bash
# clean-root.sh COMMAND: runs a shell command in a copy of this tree, in a Debian 13 that has nodejs and npm and
# nothing else. Root only.
#
# The Debian root is a cache entry like those of os/ and is never written to: each run is an overlay on it, in
# memory and in namespaces of its own, so that nothing stays behind however it ends. npm gets this machine's
# registry, certificate file and proxies, and a cache of its own outside the tree.

set -euo pipefail
. "$(dirname "$0")/../os/lib/common.sh"
. "$OS_DIR/lib/need.sh"
. "$OS_DIR/lib/archive.sh"

COMMAND=${1:?usage: clean-root.sh COMMAND}
PACKAGES=(nodejs npm)

clean_build() {
    local include
    printf -v include '%s,' "${PACKAGES[@]}"
    debootstrap "$1" "${SLIM[@]}" --include="${include%,}"
    rm -rf "$1"/var/cache/apt/*.bin "$1"/var/cache/apt/archives/*.deb "$1"/var/lib/apt/lists/*
}

# What npm is configured with here, as environment: the variables' names are npm's own.
npm_environment() {
    local name value
    for name in registry proxy https-proxy; do
        value=$(cd / && npm config get "$name" 2>/dev/null)
        [ -z "$value" ] || [ "$value" = null ] || printf 'npm_config_%s=%s\n' "${name//-/_}" "$value"
    done
    [ ! -e "$1/etc/npm-ca.pem" ] || echo npm_config_cafile=/etc/npm-ca.pem
    env | grep -iE '^(https?_proxy|no_proxy)=' || true
}

# In a mount namespace: puts the run's root together and goes into it.
enter() {
    local base=$1 scratch=$2 root=$2/root cafile
    mount -t tmpfs -o mode=755 tmpfs "$scratch"
    mkdir "$scratch/upper" "$scratch/work" "$root"
    mount -t overlay -o "lowerdir=$base,upperdir=$scratch/upper,workdir=$scratch/work" overlay "$root"
    mount -t proc proc "$root/proc"
    cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
    mkdir -p "$root/tree" "$root/root/.npm" "$CACHE/clean-root-npm"
    mount --bind "$CACHE/clean-root-npm" "$root/root/.npm"
    cafile=$(cd / && npm config get cafile 2>/dev/null)
    if [ -f "$cafile" ]; then cp "$cafile" "$root/etc/npm-ca.pem"; fi
    git -C "$TOP_DIR" ls-files -z --cached --others --exclude-standard |
        (cd "$TOP_DIR" && xargs -0 ls -d 2>/dev/null) | tar -C "$TOP_DIR" -c -T - | tar -C "$root/tree" -x --no-same-owner
    mapfile -t environment < <(npm_environment "$root")
    exec chroot "$root" /usr/bin/env -i HOME=/root LANG=C.UTF-8 CI=true \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${environment[@]}" \
        /bin/sh -c "cd /tree && $COMMAND"
}

if [ "${CLEAN_ROOT_BASE:-}" ]; then enter "$CLEAN_ROOT_BASE" "$CLEAN_ROOT_SCRATCH"; fi

need mmdebstrap util-linux git
# A root that is there already needs no lock, so this does not wait for a build of the image.
base_key() { key "$(versions_of "${PACKAGES[@]}")" "$(declare -f clean_build)"; }
base=
if [ -n "$(find "$CACHE/apt/fetched" -mmin -$LISTS_MAX_AGE_MINUTES 2>/dev/null)" ]; then
    archive_open
    base=$CACHE/clean-root/$(base_key)
fi
if [ ! -d "$base" ]; then
    take_lock
    archive_open
    base=$(cached clean-root "$(base_key)" clean_build)
    exec 9>&-
fi

scratch=$(mktemp -d)
trap 'rmdir "$scratch"' EXIT
CLEAN_ROOT_BASE=$base CLEAN_ROOT_SCRATCH=$scratch \
    unshare --mount --pid --fork --kill-child "$0" "$COMMAND" </dev/null
