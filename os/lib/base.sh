# shellcheck shell=bash
# The runtime root: Debian 13 with the packages of os/packages, cleaned of everything that a host must not share
# with the next one. No kernel in it (lib/kernel.sh has it) and nothing of ours: both come as layers on top, so
# that a change to the project never rebuilds this. The key is the list and the versions of all that it pulls in.

packages() { sed 's/#.*//' "$OS_DIR/packages" | xargs; }

base_key() {
    local versions
    # shellcheck disable=SC2046  # a list of words
    versions=$(versions_of $(packages))
    key "$(packages)" "$versions" "$(mirrors)" "$(recipe base_build debootstrap)" "${SLIM[@]}"
}

base_build() {
    local root=$1
    debootstrap "$root" "${SLIM[@]}" --include="$(packages | tr ' ' ',')"

    # A host's identity comes at boot, never from the image.
    rm -f "$root"/etc/hostid "$root"/etc/hostname "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id
    rm -f "$root"/etc/ssh/ssh_host_*
    : >"$root/etc/machine-id"

    # Services are ours (os/files/etc/sv). Debian's runit entries and start links must not start anything.
    rm -rf "$root"/etc/sv/* "$root"/etc/runit/{1,2,3,ctrlaltdel,rc.shutdown,override-sysv.d} \
        "$root"/etc/runit/runsvdir "$root"/etc/service "$root"/etc/init.d "$root"/etc/rc?.d "$root"/etc/cron*

    # Root has no password (not an empty one), and the daemon writes the id maps.
    inside "$root" passwd --lock root
    : >"$root/etc/subuid"
    : >"$root/etc/subgid"
    rm -f "$root"/etc/subuid- "$root"/etc/subgid- "$root"/etc/resolv.conf

    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/log/* "$root"/tmp/* "$root"/run/* \
        "$root"/usr/share/locale/* "$root"/usr/share/info/* "$root"/var/cache/debconf/*-old
    mkdir -p "$root"/run/lock "$root"/var/cache/apt/archives/partial "$root"/var/lib/apt/lists/partial
}
