#!/bin/bash
# Boots the live system in QEMU, on a disk that persists, and lands in a root shell on its serial console.
#
#   os/run.sh [--memory MIB] [--disk-size GIB] [--disk FILE] [--fresh] [--append PARAMS] [--ssh-port PORT] [--no-build]
#
# The disk is a sparse file. The guest is told to make the pool "tank" on it (osctl.createpool=), which it does the
# first time: a disk with anything on it is never touched by that. Ctrl-A x quits QEMU, which is a power cut:
# the next run shows what the system makes of it. `poweroff` in the guest is the gentle way.
#
# Two at once on one disk would destroy it: the disk is locked while QEMU has it.

set -euo pipefail
. "$(dirname "$0")/lib/common.sh"
. "$OS_DIR/lib/need.sh"

OUT=$OS_DIR/out
DISK=$CACHE/disk.img
MEMORY_MIB=4096
DISK_GIB=16
SSH_PORT=2222
APPEND=
FRESH=no
BUILD=yes

usage() {
    echo "usage: os/run.sh [OPTION…]   boots the live system in QEMU; Ctrl-A x quits"
    echo "  --memory MIB       memory of the machine (default $MEMORY_MIB)"
    echo "  --disk FILE        the disk (default $DISK)"
    echo "  --disk-size GIB    its size when it is made (default $DISK_GIB, sparse)"
    echo "  --fresh            starts with a new, blank disk (asks first if there is one)"
    echo "  --append PARAMS    more kernel parameters (os/README.md lists them)"
    echo "  --ssh-port PORT    127.0.0.1:PORT leads to the guest's ssh (default $SSH_PORT; 0: none)"
    echo "  --no-build         boots what os/out has, without looking for changes"
}

number() {
    case $2 in '' | *[!0-9]*) die "$1 takes a number, not '$2'" ;; esac
    echo "$2"
}

while [ $# -gt 0 ]; do
    case $1 in
        --memory) MEMORY_MIB=$(number "$1" "${2:-}"); shift ;;
        --disk) DISK=${2:?--disk needs a value}; shift ;;
        --disk-size) DISK_GIB=$(number "$1" "${2:-}"); shift ;;
        --append) APPEND=${2:?--append needs a value}; shift ;;
        --ssh-port) SSH_PORT=$(number "$1" "${2:-}"); shift ;;
        --fresh) FRESH=yes ;;
        --no-build) BUILD=no ;;
        --help | -h) usage; exit 0 ;;
        *) usage >&2; die "unknown argument: $1" ;;
    esac
    shift
done
[ "$MEMORY_MIB" -ge 1024 ] || die "the live system needs at least 1024 MiB of memory"

need qemu-system-x86 cpio
[ "$BUILD" = no ] || "$OS_DIR/build.sh"
[ -e "$OUT/root.squashfs" ] || die "nothing built yet: run os/build.sh"

mkdir -p "$(dirname "$DISK")"
exec 8>>"$DISK.lock"
flock --nonblock 8 || die "another machine runs on $DISK"
if [ "$FRESH" = yes ] && [ -e "$DISK" ]; then
    if [ -t 0 ]; then
        read -r -p "Remove $DISK and all containers on it? [y/N] " answer
        [ "$answer" = y ] || die "nothing removed"
    fi
    rm -f "$DISK"
fi
if [ ! -e "$DISK" ]; then
    truncate -s "${DISK_GIB}G" "$DISK"
    say "made the disk $DISK (${DISK_GIB} GiB, sparse)"
fi

network=user,id=net0
[ "$SSH_PORT" = 0 ] || network=$network,hostfwd=tcp:127.0.0.1:$SSH_PORT-:22
read -r -a accel < <("$OS_DIR/lib/accel.sh" "$OUT/vmlinuz")
say "booting with ${accel[*]}, $MEMORY_MIB MiB; Ctrl-A x quits (a power cut), poweroff in the guest ends it cleanly"
exec qemu-system-x86_64 "${accel[@]}" -m "$MEMORY_MIB" -nographic -vga none -no-reboot \
    -kernel "$OUT/vmlinuz" -initrd "$OUT/initrd" -append "root=/dev/vda console=ttyS0 quiet osctl.createpool=tank:/dev/vdb $APPEND" \
    -drive "file=$OUT/root.squashfs,if=virtio,format=raw,readonly=on" \
    -drive "file=$DISK,if=virtio,format=raw,discard=unmap" \
    -netdev "$network" -device virtio-net-pci,netdev=net0,romfile= \
    -device virtio-rng-pci
