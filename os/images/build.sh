#!/bin/bash
# Builds the container images and their repository, in the original's formats.
#
#   os/images/build.sh [--out DIR] [--refresh]
#
# One script per image (busybox.sh, debian.sh) makes a root filesystem from Debian packages; archive.sh packs it as
# the image tar and writes the repository's INDEX.json. The result is a cache entry keyed by the scripts and by the
# versions of the packages; --out copies it (to be served over HTTP, say: `osctl repo add NAME http://…/DIR`).
#
# Everything in it belongs to ids 0..65535 as the container sees them: ids are mapped at mount time, never on disk.

set -euo pipefail
. "$(dirname "$0")/../lib/common.sh"
. "$OS_DIR/lib/need.sh"
. "$OS_DIR/lib/archive.sh"
. "$OS_DIR/images/archive.sh"
. "$OS_DIR/images/busybox.sh"
. "$OS_DIR/images/debian.sh"

# Where the live system has it; the cache entry is a layer of the image's root.
REPOSITORY=/usr/share/osctl/repository

OUT=
while [ $# -gt 0 ]; do
    case $1 in
        --out) OUT=${2:?--out needs a value}; shift ;;
        --refresh) REFRESH=1 ;;
        --print-path) ;; # what it does anyway; os/build.sh says what it wants
        --help | -h) sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown argument: $1" ;;
    esac
    shift
done

images_key() {
    local busybox debian
    busybox=$(version_of busybox-static)
    debian=$(versions_of "${DEBIAN_PACKAGES[@]}")
    key "$busybox" "$debian" "$(mirrors)" \
        "${DEBIAN_MASKED[@]}" "$VENDOR/$VARIANT/$ARCH" \
        "$(cd "$OS_DIR/images/busybox" && find . -type f | LC_ALL=C sort | xargs tail -n +1)" \
        "$(recipe images_build debootstrap busybox_root debian_root image_epoch image_add repository_index index_entry)"
}

images_build() {
    local repository=$1$REPOSITORY
    busybox_root "$WORK/image-root"
    image_add "$repository" "$WORK/image-root" busybox "$(version_of busybox-static | sed 's/^[0-9]*://; s/-.*//')"
    debian_root "$WORK/image-root"
    image_add "$repository" "$WORK/image-root" debian 13
    repository_index "$repository"
}

need mmdebstrap util-linux gpg
take_lock
archive_open
id=$(images_key)
entry=$(cached images "$id" images_build)
if [ -n "$OUT" ]; then
    mkdir -p "$OUT"
    cp -rT "$entry$REPOSITORY" "$OUT"
    say "repository in $OUT"
fi
echo "$entry"
