# shellcheck shell=bash
# The image "debian" 13: systemd as init, a login prompt on the console, and what one expects to find in a server.

DEBIAN_PACKAGES=(
    systemd-sysv dbus libpam-systemd login passwd
    ifupdown iproute2 iputils-ping netbase isc-dhcp-client
    procps less nano ca-certificates tzdata
)

# Units that an unprivileged container can only fail at: they would leave the system "degraded".
DEBIAN_MASKED=(
    sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount
    proc-sys-fs-binfmt_misc.automount dev-hugepages.mount
    systemd-modules-load.service systemd-journald-audit.socket systemd-remount-fs.service
)

debian_root() {
    local root=$1 unit packages=${DEBIAN_PACKAGES[*]}
    rm -rf --one-file-system "$root"
    debootstrap "$root" --include="${packages// /,}"
    for unit in "${DEBIAN_MASKED[@]}"; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    inside "$root" passwd --lock root
    rm -f "$root/etc/hostname" "$root/var/lib/dbus/machine-id"
    : >"$root/etc/machine-id"
    : >"$root/etc/resolv.conf"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
    mkdir -p "$root/etc/network/interfaces.d"
    printf 'auto lo\niface lo inet loopback\n\nsource /etc/network/interfaces.d/*\n' >"$root/etc/network/interfaces"
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb \
        "$root"/var/log/* "$root"/var/cache/debconf/*-old "$root"/tmp/* "${root:?}"/dev/*
    mkdir -p "$root/var/lib/apt/lists/partial" "$root/var/log/journal"
}
