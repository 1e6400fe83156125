# shellcheck shell=bash
# The last stage: what is ours, as one layer over images, kernel and base, and the squashfs of all four.

base_version() { inside "$BASE" dpkg-query -W -f '${Version}' "$1"; }

SHORTCUTS='ct group healthcheck id-range pool repo user'

# root_stage DIR: the layer. Directories are 0755 root, as an overlay shows the topmost layer's.
root_stage() {
    local stage=$1
    rm -rf "$stage"
    mkdir -p "$stage"
    cp -a "$OS_DIR/root/." "$stage/"
    install -D -m 644 "$OS_DIR/files/apparmor/osctl-ct" "$stage/etc/apparmor.d/osctl-ct"

    if [ -x "$NODE" ]; then
        install -D -m 755 "$NODE" "$stage/usr/bin/node"
    else
        say "no Node binary at ${NODE#"$TOP_DIR"/}: the image will have none (run npm ci first)"
    fi
    if [ -d "$DIST" ]; then
        mkdir -p "$stage/usr/lib/osctl"
        cp -r "$DIST/." "$stage/usr/lib/osctl/"
    fi
    if [ -e "$stage/usr/lib/osctl/osctld.cjs" ]; then
        root_programs "$stage"
    else
        say "no osctld in dist/: the image will have no daemon (run npm run build first)"
    fi

    chown -R 0:0 "$stage"
    chmod -R u=rwX,go=rX "$stage"
}

# The commands: two-line scripts in front of the bundles.
root_programs() {
    local stage=$1 shortcut page
    mkdir -p "$stage/usr/bin"
    printf '#!/bin/sh\nexec /usr/bin/node /usr/lib/osctl/osctl.cjs "$@"\n' >"$stage/usr/bin/osctl"
    printf '#!/bin/sh\nOSCTL_NODE=/usr/bin/node exec /usr/lib/osctl/osctld "$@"\n' >"$stage/usr/bin/osctld"
    for shortcut in $SHORTCUTS; do
        printf '#!/bin/sh\nexec /usr/bin/osctl %s "$@"\n' "$shortcut" >"$stage/usr/bin/$shortcut"
    done
    find "$stage/usr/bin" -maxdepth 1 -type f -exec chmod 755 {} +
    if [ -e "$DIST/completion/osctl.bash" ]; then
        install -D -m 644 "$DIST/completion/osctl.bash" "$stage/usr/share/bash-completion/completions/osctl"
    fi
    for page in "$DIST"/man/*.8; do
        if [ -e "$page" ]; then install -D -m 644 "$page" "$stage/usr/share/man/man8/$(basename "$page")"; fi
    done
}

# A digest of every file's path, mode, link target and content.
root_digest() {
    (cd "$1" && find . -printf '%p %m %l\n' | LC_ALL=C sort && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) |
        sha256sum
}

# What the image says of itself.
root_release() {
    local stage=$1 build_id=$2 version
    version=$(sed -n 's/^ *"version": *"\([^"]*\)".*/\1/p' "$TOP_DIR/package.json" 2>/dev/null | head -n 1)
    version=${version:-0}
    mkdir -p "$stage/usr/lib" "$stage/etc"
    cat >"$stage/usr/lib/os-release" <<END
PRETTY_NAME="vpsAdminOS $version"
NAME="vpsAdminOS"
ID=vpsadminos
ID_LIKE=debian
VERSION="$version"
VERSION_ID="$version"
VERSION_CODENAME=$SUITE
BUILD_ID=$build_id
VARIANT="live, kernel $(cat "$KERNEL/version"), OpenZFS $(cat "$KERNEL/zfs-version")"
END
    printf 'vpsAdminOS %s, build %s. "osctl --help" and "man osctl" help; logs are in /var/log.\n' "$version" "$build_id" >"$stage/etc/motd"
    printf 'vpsAdminOS %s \\n \\l\n\n' "$version" >"$stage/etc/issue"
}

root_pack() {
    local stage=$1 out=$2 merged=$WORK/merged
    mkdir -p "$merged"
    rm -f "$out"
    unshare --mount sh -euc '
        mount -t overlay -o ro,lowerdir="$1:$2:$3:$4" overlay "$5"
        mksquashfs "$5" "$6" -comp zstd -Xcompression-level 9 -noappend -no-progress \
            -wildcards -e "vmlinuz" "version" "zfs-version" "boot/*"
    ' sh "$stage" "$IMAGES" "$KERNEL" "$BASE" "$merged" "$out"
}
