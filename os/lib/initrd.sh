# shellcheck shell=bash
# The initramfs: busybox, the scripts of os/initramfs and the modules that find the root. A cache entry of one file,
# keyed by what goes in. Modules are stored decompressed (the archive is compressed as a whole, and busybox then
# needs nothing to load them).

initrd_key() {
    key "$(basename "$KERNEL")" "$(basename "$BASE")" "$(cat "$OS_DIR"/initramfs/*)" "$(recipe initrd_build initrd_modules)"
}

initrd_build() {
    local out=$1 root=$WORK/initrd-root version
    version=$(cat "$KERNEL/version")
    mkdir -p "$root"/{bin,dev,proc,sys,run,etc,newroot,"usr/lib/modules/$version"}
    ln -s usr/lib "$root/lib"
    cp "$BASE/usr/bin/busybox" "$root/bin/busybox"
    ln -s busybox "$root/bin/sh"
    install -m 755 "$OS_DIR/initramfs/init" "$root/init"
    install -m 755 "$OS_DIR/initramfs/dhcp" "$root/bin/dhcp-script"
    initrd_modules "$KERNEL/usr/lib/modules/$version" "$root/usr/lib/modules/$version"
    depmod -b "$root" "$version"
    (cd "$root" && find . -print0 | LC_ALL=C sort -z | cpio --null --create --format=newc --quiet) |
        zstd -q -T0 -12 >"$out/initrd"
    rm -rf --one-file-system "$root"
}

# initrd_modules FROM TO: copies the listed modules and whatever they depend on. (modprobe looks below lib/ or usr/lib/
# of a root, depending on its version; the links make it one.)
initrd_modules() {
    local from=$1 to=$2 view=$WORK/modules-view version pattern file
    version=$(basename "$from")
    mkdir -p "$view/usr"
    ln -sfn "$KERNEL/usr/lib" "$view/usr/lib"
    ln -sfn "$KERNEL/usr/lib" "$view/lib"
    cp "$from"/modules.{builtin,builtin.modinfo,order} "$to/"
    sed 's/#.*//' "$OS_DIR/initramfs/modules" | while read -r pattern; do
        if [ -n "$pattern" ]; then (cd "$from/kernel" && find . -path "./$pattern*" -name '*.ko*'); fi
    done | sort -u | while read -r file; do
        file=${file##*/}
        modprobe -d "$view" -S "$version" --show-depends "${file%%.ko*}"
    done | awk '$1 == "insmod" { print $2 }' | sort -u >"$view/list"
    while read -r file; do
        file=${file#*"/modules/$version/"}
        install -D -m 644 "$from/$file" "$to/$file"
    done <"$view/list"
    find "$to" -name '*.ko.xz' -exec xz -d {} +
    rm -rf "$view"
}
