# shellcheck shell=bash
# Packs a root filesystem as an image, and writes a repository's index (formats of vpsAdminOS 24.05).
#
#   <repository>/v1/INDEX.json
#   <repository>/v1/vpsadminos/minimal/x86_64/<distribution>/<version>/image-archive.tar
#       metadata.yml  config/container.yml  rootfs/base.tar.gz
#
# INDEX.json carries, beside the original's "image", a "sha256" of each format: our addition, ignored by others.

VENDOR=vpsadminos
VARIANT=minimal
ARCH=x86_64

# The date of the package lists: the same packages give the same archive.
image_epoch() { date -d "$(sed -n 's/^Date: //p' "$CACHE"/apt/state/lists/*_"$SUITE"_InRelease | head -n 1)" +%s; }

# image_add REPOSITORY ROOT DISTRIBUTION VERSION: consumes ROOT.
image_add() {
    local repository=$1 root=$2 distribution=$3 version=$4 epoch work=$WORK/image
    local dir=$repository/v1/$VENDOR/$VARIANT/$ARCH/$distribution/$version
    epoch=$(image_epoch)
    rm -rf "$work"
    mkdir -p "$work/config" "$work/rootfs" "$dir"
    cat >"$work/metadata.yml" <<END
---
type: full
format: tar
user:
group:
container:
datasets: []
exported_at: $epoch
END
    cat >"$work/config/container.yml" <<END
---
distribution: $distribution
version: '$version'
arch: $ARCH
END
    tar -C "$root" --create --sort=name --numeric-owner --one-file-system --clamp-mtime --mtime="@$epoch" \
        --xattrs --xattrs-include=security.capability . | gzip -n -6 >"$work/rootfs/base.tar.gz"
    tar -C "$work" --create --file "$dir/image-archive.tar" --format=gnu --no-recursion --mtime="@$epoch" \
        --owner=root:0 --group=root:0 --mode=u=rwX,go=rX \
        metadata.yml config config/container.yml rootfs rootfs/base.tar.gz
    ln -sfn "$version" "$(dirname "$dir")/stable"
    rm -rf --one-file-system "$work" "$root"
}

# repository_index REPOSITORY: describes what image_add put there.
repository_index() {
    local repository=$1 dir comma=
    ln -sfn "$VARIANT" "$repository/v1/$VENDOR/default"
    ln -sfn "$VENDOR" "$repository/v1/default"
    {
        printf '{\n  "vendors": { "default": "%s", "%s": "%s" },\n  "images": [' "$VENDOR" "$VENDOR" "$VARIANT"
        for dir in "$repository/v1/$VENDOR/$VARIANT/$ARCH"/*/*/; do
            [ ! -L "${dir%/}" ] || continue
            index_entry "$repository/v1" "${dir%/}" "$comma"
            comma=,
        done
        printf '\n  ]\n}\n'
    } >"$repository/v1/INDEX.json"
}

index_entry() {
    local base=$1 dir=$2 comma=$3 file=$2/image-archive.tar
    printf '%s\n    {\n' "$comma"
    printf '      "vendor": "%s", "variant": "%s", "arch": "%s",\n' "$VENDOR" "$VARIANT" "$ARCH"
    printf '      "distribution": "%s", "version": "%s", "tags": ["stable"],\n' \
        "$(basename "$(dirname "$dir")")" "$(basename "$dir")"
    printf '      "image": { "tar": "%s" },\n' "${file#"$base/"}"
    printf '      "sha256": { "tar": "%s" }\n    }' "$(sha256sum "$file" | cut -d' ' -f1)"
}
