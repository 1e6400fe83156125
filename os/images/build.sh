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
    key "$(version_of busybox-static)" "$(versions_of "${DEBIAN_PACKAGES[@]}")" \
        "$(cd "$OS_DIR" && find images lib/archive.sh -type f -print0 | LC_ALL=C sort -z | xargs -0 cat)"
}

images_build() {
    local repository=$1/repository
    busybox_root "$CACHE/tmp/image-root"
    image_add "$repository" "$CACHE/tmp/image-root" busybox "$(version_of busybox-static | sed 's/^[0-9]*://; s/-.*//')"
    debian_root "$CACHE/tmp/image-root"
    image_add "$repository" "$CACHE/tmp/image-root" debian 13
    repository_index "$repository"
}

need mmdebstrap util-linux gpg
take_lock
archive_open
entry=$(cached images "$(images_key)" images_build)
if [ -n "$OUT" ]; then
    mkdir -p "$OUT"
    cp -rT "$entry/repository" "$OUT"
    say "repository in $OUT"
fi
echo "$entry"
