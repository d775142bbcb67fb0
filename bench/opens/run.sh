#!/usr/bin/env bash
# What an open() costs on Debian's kernel of PACKAGE, in an emulated machine that counts instructions as time: a nanosecond is one.
# Whatever else the host does, a second run gives the same figures, but for where the kernel put things.
#   run.sh PACKAGE BUILD_DIR SOURCE_DIR
# 77: something is missing here, and one line says what.
set -euo pipefail
package=$1 build=$2 source=$3
here=$source/bench/opens guest=$source/tests/kernel/guest work=$build/guest/opens-$package
[ "$(uname -m)" = x86_64 ] || { echo "SKIP the guest is for x86_64"; exit 77; }
for tool in qemu-system-x86_64 cpio busybox; do
  command -v "$tool" > /dev/null || { echo "SKIP $tool is missing (packages qemu-system-x86, cpio, busybox-static)"; exit 77; }
done
mkdir -p "$work"
kernel=$("$guest/kernel.sh" "$package" "$build/guest/$package/kernels" overlay loop vfat nls_cp437 nls_ascii) || exit $?
"$here/policies.sh" 1000 > "$work/thousand.cedar"
cp "$here/simple.cedar" "$work"
rm -rf "$work/bundles"
mkdir "$work/bundles"
for policies in simple thousand; do
  "$build/kerf" compile -p "$work/$policies.cedar" -s "$here/opens.cedarschema" --entities "$here/entities.json" -o "$work/bundles/$policies"
done
echo "opens 600 sh /guest/opens.sh" > "$work/tests.opens"
"$guest/initramfs.sh" "$work/initramfs.cpio" "$guest/init" "$here/opens.sh=/guest/opens.sh" "$work/bundles=/guest/bundles" \
  "$work/tests.opens=/guest/tests.opens" "$build/kerf=/guest/kerf" "$build/bench_time_opens=/guest/time_opens" \
  "$build/bench_with_empty=/guest/with_empty" /etc/passwd=/etc/passwd
timeout --foreground 900 qemu-system-x86_64 -accel tcg -icount shift=0,sleep=off -cpu max -smp 1 -m 1024 -nodefaults -no-user-config \
  -display none -serial stdio -no-reboot -kernel "$kernel/vmlinuz" -initrd "$work/initramfs.cpio" \
  -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on lsm=lockdown,capability,landlock,yama,bpf kerf.tests=opens" < /dev/null |
  sed -u 's/\r$//' > "$work/log" || true
grep -q '^RESULT opens 0,' "$work/log" || { tail -n 20 "$work/log"; exit 1; }
sed -n 's/^GUEST kernel \([^,]*\),.*/Linux \1/p; s/^OPENS //p' "$work/log"
