# shellcheck shell=bash
# The kernel and its modules, with OpenZFS built for exactly it: a cache entry
#
#   vmlinuz   version   lib/modules/<version>/…
#
# Debian ships ZFS as source (zfs-dkms, contrib), so this is the one slow step: a throw-away root gets the kernel's
# headers and zfs-dkms, whose installation compiles it (about 6 minutes on 2 cores). The key is the versions of the
# two packages; the flavour (cloud-amd64: virtio only, for virtual machines; amd64: real hardware) is a parameter.

# Raise it when a change below changes the result.
KERNEL_RECIPE=1

kernel_key() {
    local kernel zfs
    kernel=$(version_of "linux-image-$FLAVOUR")
    zfs=$(version_of zfs-dkms)
    key "$FLAVOUR" "$kernel" "$zfs" "$KERNEL_RECIPE"
}

kernel_build() {
    local out=$1 root=$WORK/kernel-root version
    debootstrap "$root" "${SLIM[@]}" --include="linux-image-$FLAVOUR,linux-headers-$FLAVOUR,zfs-dkms,kmod"
    version=$(basename "$root"/lib/modules/*)
    ls "$root/lib/modules/$version/updates/dkms"/zfs.ko* || { echo "DKMS built no zfs module"; return 1; }
    mkdir -p "$out/usr/lib/modules"
    cp -a "$root/lib/modules/$version" "$out/usr/lib/modules/"
    rm -f "$out/usr/lib/modules/$version"/{build,source}
    cp "$root/boot/vmlinuz-$version" "$out/vmlinuz"
    printf '%s\n' "$version" >"$out/version"
    inside "$root" dpkg-query -W -f '${Version}\n' zfs-dkms >"$out/zfs-version"
    rm -rf --one-file-system "$root"
}
