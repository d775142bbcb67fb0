#!/usr/bin/env bash
# The tests that need another kernel or LSM programs, on Debian's kernel of PACKAGE in an emulated machine (TCG: no
# hardware help, no privileges).
#   run.sh PACKAGE BUILD_DIR SOURCE_DIR [TEST…]      only these tests, if any are named
# 0: every test of the guest ended well; 77: something is missing here, and one line says what.
set -euo pipefail
package=$1 build=$2 source=$3
shift 3
here=$source/tests/kernel/guest
work=$build/guest/$package
skip() { echo "SKIP $*"; exit 77; }
[ "$(uname -m)" = x86_64 ] || skip "the guest is for x86_64"
for tool in qemu-system-x86_64 cpio busybox strip mke2fs /usr/bin/python3.11; do
  command -v "$tool" >/dev/null || skip "$tool is missing (packages qemu-system-x86, cpio, busybox-static, binutils, e2fsprogs, python3)"
done
mkdir -p "$work"
kernel=$("$here/kernel.sh" "$package" "$work/kernels" overlay loop vfat nls_cp437 nls_ascii) || exit $?

# Bundles are made here: compiling is the same everywhere, and slow in an emulated machine.
bundles=$work/bundles
rm -rf "$bundles"
mkdir -p "$bundles"
compile() {  # compile NAME POLICIES SCHEMA [OPTION…]
  local policies=$source/tests/kernel/files/policies
  "$build/kerf" compile -p "$policies/$2" -s "$policies/$3" --entities "$policies/${entities:-entities}.json" -o "$bundles/$1" "${@:4}"
}
compile files files.cedar files.cedarschema
compile fine fine.cedar fine.cedarschema
compile small small.cedar small.cedarschema
compile merged merged.cedar small.cedarschema
compile waived small.cedar small.cedarschema --waive guard-mount
compile without-rename small.cedar small.cedarschema --waive guard-rename
entities=agents
compile append append.cedar append.cedarschema
compile net net.cedar net.cedarschema
compile system system.cedar system.cedarschema
compile reverse reverse.cedar system.cedarschema
compile spawn spawn.cedar spawn.cedarschema
compile exe exe.cedar exe.cedarschema
compile exe-waived exe.cedar exe.cedarschema --waive guard-exe-file,guard-mount
entities=sockets
compile sockets sockets.cedar sockets.cedarschema
entities=agents
for guard in raw-socket packet-socket bpf mount ptrace signal protected-file source-routing; do
  compile "without-$guard" net.cedar net.cedarschema --waive "guard-$guard"
done
example=$source/examples/agent-sandbox
"$build/kerf" compile -p "$example"/{gateway,network,files}.cedar -s "$example/sandbox.cedarschema" \
  --entities "$example/entities.json" -o "$bundles/example"
# random operations with what must come of each: only for the list that performs them
rm -rf "$work/operations"
mkdir "$work/operations"
if [ $# -eq 0 ] || [[ " $* " == *" files "* ]]; then "$build/operations" "$work/operations"; fi

# Tests of a boot: NAME, seconds it may take, command. What takes long in an emulated machine and does not depend on the
# kernel stays out.
tests_main() {
  cat <<T
files 480 /guest/test_files -nc -d -sfe=*guard_cases.cpp,*socket_cases.cpp,*system_cases.cpp,*spawn_cases.cpp,*exe_cases.cpp -tce=opens?during* ${KERF_FILES_ARGS:-}
swaps ${KERF_SWAPS_SECONDS:-150} KERF_SWAPS=${KERF_SWAPS:-1} KERF_OPENS=${KERF_OPENS:-2000} KERF_SEED=${KERF_SEED:-7} /guest/test_files -nc -d -tc=opens?during*
guards 400 /guest/test_files -nc -d -sf=*guard_cases.cpp ${KERF_GUARDS_ARGS:-}
sockets 300 /guest/test_files -nc -d -sf=*socket_cases.cpp ${KERF_SOCKETS_ARGS:-}
system 300 /guest/test_files -nc -d -sf=*system_cases.cpp ${KERF_SYSTEM_ARGS:-}
spawn ${KERF_SPAWN_SECONDS:-250} /guest/test_files -nc -d -sf=*spawn_cases.cpp,*exe_cases.cpp ${KERF_SPAWN_ARGS:-}
example 150 KERF=/guest/kerf KERF_BUNDLE=/guest/bundles/example bash /guest/example/fence.sh
glue 180 $build/test_glue -nc -d
scale 100 $build/test_bpf -nc -d -tc=ten?thousand*
differential 120 $build/differential 1 60 0
network 120 $build/test_kernel -nc -d -tc=every?way?to?connect*,facts?change?decisions*
T
}
tests_no_lsm() {
  echo 'no_lsm 60 sh /guest/no_lsm.sh /guest/bundles/files "Agent::\"a\""'
}
rm -rf "$work/lists"
mkdir "$work/lists"
for list in main no_lsm; do
  while read -r name rest; do
    if [ $# -eq 0 ] || [[ " $* " == *" $name "* ]]; then echo "$name $rest" >> "$work/lists/tests.$list"; fi
  done < <("tests_$list")
done

# as much of python3's library as it starts with
rm -rf "$work/python"
mkdir "$work/python"
cp -r /usr/lib/python3.11/{*.py,collections,encodings,importlib,re} "$work/python"

# file systems for the guest; one has directories without regard to case
rm -f "$work"/*.image
mke2fs -q -t ext4 "$work/play.image" 2M >/dev/null
mke2fs -q -t ext4 -O casefold -E encoding=utf8 "$work/ext4.image" 2M >/dev/null
items=("$here/no_lsm.sh=/guest/no_lsm.sh" "$work/ext4.image=/guest/ext4.image" "$work/play.image=/guest/play.image"
  "$bundles=/guest/bundles" "$work/operations=/guest/operations" /etc/passwd=/etc/passwd
  "$build/kerf=/guest/kerf" "$build/test_files=/guest/test_files" "$build/test_actor=/guest/actor"
  "$build/test_tiny=/guest/tiny" "$build/test_tiny=/usr/bin/su" "$build/test_dynamic=/guest/dynamic"
  "$build/tests/kernel/files/libtest_library.so=/guest/library.so"
  "$example/fence.sh=/guest/example/fence.sh" /usr/bin/{bash,cat,cp,ln,ls,mkdir,mv,rm,python3} "$work/python=/usr/lib/python3.11"
  "$build/test_glue" "$build/test_kernel" "$build/test_bpf" "$build/differential" "$build/kerf-codegen")
for object in "$build"/tests/kernel/glue/glue_*.o; do items+=("$object=$object"); done
for list in "$work"/lists/*; do items+=("$list=/guest/${list##*/}"); done
for module in "$kernel"/*.ko; do items+=("$module=/guest/modules/${module##*/}"); done
"$here/initramfs.sh" "$work/initramfs.cpio" "$here/init" "${items[@]}"

started=$SECONDS
boot() {  # boot LIST LSM
  local log=$work/$1.log
  [ -e "$work/lists/tests.$1" ] || return 0
  # One host thread for both processors: with two, the emulator may run an instruction that the kernel has just patched (int3).
  timeout --foreground "$((${KERF_GUEST_SECONDS:-1150} + started - SECONDS))" qemu-system-x86_64 -accel tcg,thread=single -cpu max \
    -smp 2 -m 1024 -nodefaults -no-user-config -display none -serial stdio -no-reboot -kernel "$kernel/vmlinuz" \
    -initrd "$work/initramfs.cpio" -append "console=ttyS0 quiet panic=-1 random.trust_cpu=on lsm=$2 kerf.tests=$1" </dev/null |
    sed -u 's/\r$//' | tee "$log" || true
  grep -q '^GUEST end' "$log" || { echo "the guest did not reach its end"; exit 1; }
  if grep '^RESULT' "$log" | grep -v '^RESULT [^ ]* 0,'; then echo "a test of the guest failed"; exit 1; fi
}
boot no_lsm lockdown,capability,landlock,yama
boot main lockdown,capability,landlock,yama,bpf
echo "the guest took $((SECONDS - started)) s"
