#!/bin/bash
# Prints the QEMU options for the processor: KVM where it really works, else software emulation.
#
#   os/lib/accel.sh KERNEL
#
# That /dev/kvm exists proves nothing: nested KVM may open and then hang in early boot. So the kernel is booted under
# it once, with an initramfs of one program that says a word, within 20 seconds. The answer is kept in the cache,
# per kernel of this machine, version of QEMU and kernel booted. OSCTL_ACCEL=tcg or kvm skips the question.
#
# One processor under emulation: with more, multi-threaded TCG of QEMU 7.2 was seen to break a guest's jump labels.

. "$(dirname "$0")/common.sh"

# A processor that says that it moves bytes fast makes the kernel move bytes, which are emulated one by one.
#
# After cmpxchg16b QEMU 7.2 takes an operand of an instruction before it for the flags: an interrupt right there saves
# them, and the return from it is a double fault. The kernel's allocator has the instruction in its fast path, and one
# machine panicked of it. `-cx16` takes it away and costs nothing (129.7 and 135.0 s side by side), but of two runs with
# it one had a pool whose commit did not end; that had norandmaps, too (test/vm/driver.ts), and was not found out.
TCG='-accel tcg -cpu max,-erms,-fsrm -smp 1'
KVM='-accel kvm -cpu host -smp 2'

kvm_works() {
    local kernel=$1 work=$2
    mkdir -p "$work/root/bin"
    cat >"$work/root/init" <<'END'
#!/bin/busybox sh
/bin/busybox mkdir -p /dev
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox echo kvm-works >/dev/ttyS0
/bin/busybox poweroff -f
END
    chmod 755 "$work/root/init"
    cp "$(ls -d "$CACHE"/base/*/usr/bin/busybox | head -n 1)" "$work/root/bin/busybox"
    (cd "$work/root" && find . | cpio --quiet -o -H newc | gzip -1) >"$work/initrd"
    # shellcheck disable=SC2086  # a list of words
    timeout -k 1 20 qemu-system-x86_64 $KVM -m 512 -display none -monitor none -nodefaults -no-reboot \
        -serial "file:$work/serial" -kernel "$kernel" -initrd "$work/initrd" \
        -append 'console=ttyS0 quiet panic=-1' >/dev/null 2>&1 || true
    grep -q kvm-works "$work/serial" 2>/dev/null
}

decide() {
    local kernel=$1 answer work
    answer=$CACHE/accel/$(key "$(uname -r)" "$(qemu-system-x86_64 --version | head -n 1)" "$(sha256sum <"$kernel")")
    if [ ! -e "$answer" ]; then
        work=$(mktemp -d)
        mkdir -p "$CACHE/accel"
        if [ -w /dev/kvm ] && kvm_works "$kernel" "$work"; then echo kvm >"$answer.$$"; else echo tcg >"$answer.$$"; fi
        mv "$answer.$$" "$answer"
        rm -rf "$work"
    fi
    cat "$answer"
}

case ${OSCTL_ACCEL:-$(decide "$1")} in
    kvm) echo "$KVM" ;;
    tcg) echo "$TCG" ;;
    *) die "OSCTL_ACCEL is tcg or kvm" ;;
esac
