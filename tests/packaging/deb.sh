#!/usr/bin/env bash
# The Debian packages: made, installed by dpkg into a root of their own, used from there, removed. The kerf that the
# removal calls is a stand-in: the real one would end what this machine enforces.
set -euo pipefail
for tool in cpack dpkg dpkg-deb dpkg-shlibdeps; do
  command -v $tool >/dev/null || { echo "skipped: no $tool"; exit 77; }
done
[ "$(id -u)" -eq 0 ] || { echo "skipped: dpkg installs as root only"; exit 77; }
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../../examples/embed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
(cd "$work" && cpack --config "$BUILD/CPackConfig.cmake" -D CPACK_OUTPUT_FILE_PREFIX="$work/packages" >"$work/log" 2>&1) || { cat "$work/log"; exit 1; }
debs=("$work"/packages/*.deb)
[ ${#debs[@]} -eq 3 ] || { echo "packages: ${debs[*]}"; exit 1; }
field() { dpkg-deb -f "$work"/packages/"$1"_*.deb "$2"; }
for want in 'libkerf (=' libbpf1 libfmt9 libantlr4 libstdc++6 libc6; do
  [[ $(field kerf Depends) == *"$want"* ]] || { echo "kerf does not depend on $want: $(field kerf Depends)"; exit 1; }
done
[[ $(field libkerf Depends) != *libbpf* ]] || { echo "the library does not load programs"; exit 1; }
[[ $(field libkerf-dev Depends) == *"libkerf (= "* ]]

root=$work/root
mkdir -p "$root/var/lib/dpkg/updates" "$root/var/lib/dpkg/info" "$root/usr/bin"
touch "$root/var/lib/dpkg/status"
in_root() { dpkg --root="$root" --force-depends --force-script-chrootless --force-bad-path --log=/dev/null "$@"; }
in_root -i "${debs[@]}" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
"$root/usr/bin/kerf" compile -p "$source/policies.cedar" -s "$source/sandbox.cedarschema" -o "$work/bundle"
[ -s "$work/bundle/policy.bpf.o" ]
LIBKERF=$(find "$root" -name 'libkerf.so.0') "$source/python/demo.sh" | grep -v '^{' | diff "$source/expected.txt" -

stand_in() { printf '#!/bin/sh\necho "$*" >>"%s"\nexit %s\n' "$work/called" "$1" >"$root/usr/bin/kerf"; }
stand_in 1
if in_root -r kerf libkerf-dev >"$work/log" 2>&1; then echo "removed while something is enforced"; exit 1; fi
[ -e "$root/usr/bin/kerf" ] && grep -q 'still enforced' "$work/log"
stand_in 0
in_root -i "$work"/packages/kerf_*.deb >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }   # an upgrade asks for nothing
[ "$(wc -l <"$work/called")" -eq 1 ] || { echo "called too often: $(cat "$work/called")"; exit 1; }
stand_in 0
in_root -r kerf libkerf-dev libkerf >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
[ "$(sort -u "$work/called")" = "unload --all --force" ] || { echo "called: $(cat "$work/called")"; exit 1; }
in_root -P kerf libkerf-dev libkerf >/dev/null 2>&1
left=$(find "$root" -type f -path "$root/usr/*")
[ -z "$left" ] || { echo "left behind: $left"; exit 1; }
