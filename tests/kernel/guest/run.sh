#!/usr/bin/env bash
# The kernel tests on another kernel: Debian's, in an emulated machine (TCG: no hardware help, no privileges).
#   run.sh PACKAGE BUILD_DIR SOURCE_DIR
# 0: every test of the guest ended well; 77: something is missing here, and one line says what.
set -euo pipefail
package=$1 build=$2 source=$3
here=$source/tests/kernel/guest
work=$build/guest
skip() { echo "SKIP $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "the guest is for x86_64"
for tool in qemu-system-x86_64 cpio busybox strip; do
  command -v "$tool" >/dev/null || skip "$tool is missing (packages qemu-system-x86, cpio, busybox-static, binutils)"
done
mkdir -p "$work"
kernel=$("$here/kernel.sh" "$package" "$work/kernels") || exit $?

# What takes long in an emulated machine and does not depend on the kernel stays out.
cat > "$work/$package.tests" <<T
scale 240 $build/test_bpf -nc -d -tc=ten?thousand*
conditions 240 $build/test_bpf -nc -d -tc=random?conditions*,enough?conditions*
hooks 240 $build/test_bpf -nc -d -sf=*attach_test*
differential 240 $build/differential 4 60 0
enforce 300 $build/test_kernel -nc -d -sf=*enforce_test*
lifecycle 300 $build/test_kernel -nc -d -sf=*lifecycle_test*
T
"$here/initramfs.sh" "$work/$package.cpio" "$here/init" "$work/$package.tests" \
  "$build/test_kernel" "$build/test_bpf" "$build/differential" "$build/kerf-codegen" /etc/passwd=/etc/passwd

log=$work/$package.log
started=$SECONDS
timeout --foreground "${KERF_GUEST_SECONDS:-880}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 1024 \
  -nodefaults -no-user-config -display none -serial stdio -no-reboot -kernel "$kernel" -initrd "$work/$package.cpio" \
  -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on" </dev/null | sed -u 's/\r$//' | tee "$log" || true
echo "the guest took $((SECONDS - started)) s"
grep -q '^GUEST end' "$log" || { echo "the guest did not reach its end"; exit 1; }
if grep '^RESULT' "$log" | grep -v '^RESULT [^ ]* 0,'; then echo "a test of the guest failed"; exit 1; fi
