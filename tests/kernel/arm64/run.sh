#!/usr/bin/env bash
# The object of an example against the types of Debian's kernel for arm64: an object is the same bytes on every machine, and what
# differs is where a kernel keeps things.
#   run.sh KERF RELOCATIONS SOURCE_DIR CACHE
# 77: the package cannot be had here, and one line says why.
set -euo pipefail
kerf=$1 relocations=$2 source=$3 cache=$4
skip() { echo "SKIP $*"; exit 77; }
for tool in apt-get apt-cache dpkg-deb python3; do command -v "$tool" >/dev/null || skip "$tool is missing: the kernel comes from a Debian package"; done
mkdir -p "$cache/lists/partial"
cache=$(cd "$cache" && pwd)
if [ ! -s "$cache/btf" ]; then
  apt=(-o "Dir::State::Lists=$cache/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Architecture=arm64 -o APT::Architectures::=arm64)
  timeout 120 apt-get "${apt[@]}" -qq update >"$cache/log" 2>&1 || skip "no package lists for arm64"
  package=$(apt-cache "${apt[@]}" depends linux-image-cloud-arm64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
  [ -n "$package" ] || skip "apt knows no linux-image-cloud-arm64"
  (cd "$cache" && rm -f ./*.deb && timeout 300 apt-get "${apt[@]}" download "$package" >log 2>&1) || skip "$package cannot be downloaded"
  rm -rf "$cache/boot"
  dpkg-deb --fsys-tarfile "$cache"/*.deb | tar -x -C "$cache" --wildcards './boot/vmlinuz*'
  # The image is not compressed: its BTF is the longest run that begins as one (magic, version 1, header of 24 bytes).
  python3 - "$cache"/boot/vmlinuz-* "$cache/btf" <<'PY'
import struct, sys
image, best, at = open(sys.argv[1], 'rb').read(), b'', 0
while (at := image.find(b'\x9f\xeb\x01\x00\x18\x00\x00\x00', at)) >= 0:
    types, types_length, strings, strings_length = struct.unpack_from('<IIII', image, at + 8)
    length = 24 + strings + strings_length
    if types == 0 and strings == types_length and length <= len(image) - at and length > len(best):
        best = image[at:at + length]
    at += 8
open(sys.argv[2], 'wb').write(best)
PY
  rm -rf "$cache"/*.deb "$cache/boot" "$cache/lists"
fi
[ -s "$cache/btf" ] || skip "no types were found in the kernel's image"
example=$source/examples/agent-sandbox
rm -rf "$cache/bundle"
"$kerf" compile -p "$example"/{gateway,network,files}.cedar -s "$example/sandbox.cedarschema" --entities "$example/entities.json" -o "$cache/bundle"
"$relocations" "$cache/bundle/policy.bpf.o" "$cache/btf"
# It can fail: against types of which there are none.
if "$relocations" "$cache/bundle/policy.bpf.o" "$cache/bundle/manifest.json" >/dev/null; then echo "no types, and nothing is wrong"; exit 1; fi
