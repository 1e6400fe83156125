# shellcheck shell=bash
# The image "busybox": one static program and an init of thirty lines. It starts in an instant, which makes it the
# image for tests and for trying things out.

busybox_root() {
    local root=$1 work=$WORK/busybox-deb applet
    rm -rf "$root" "$work"
    mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,run,mnt,root,tmp,var/log,var/tmp,etc/network} "$work"
    (cd "$work" && archive_apt get download busybox-static && dpkg-deb -x busybox-static_*.deb .)
    cp "$work/usr/bin/busybox" "$root/bin/busybox"
    for applet in $("$root/bin/busybox" --list-full); do
        case $applet in
            bin/busybox | sbin/init | linuxrc) ;;
            *) mkdir -p "$root/$(dirname "$applet")" && ln -sf /bin/busybox "$root/$applet" ;;
        esac
    done
    cp -r "$OS_DIR/images/busybox/." "$root/"
    chmod 755 "$root/sbin/init"
    chmod 700 "$root/root"
    chmod 1777 "$root/tmp" "$root/var/tmp"
    chmod 640 "$root/etc/shadow"
    chown -R 0:0 "$root"
    rm -rf "$work"
}
