#!/usr/bin/env bash
# Debian's kernel behind the package NAME -> the path of its image, in the directory CACHE. Nothing is installed. The
# package is resolved each time, since its name changes with every security update; it is downloaded once.
# 77: it cannot be had here, and one line says why.
#   kernel.sh NAME CACHE
set -euo pipefail
name=$1 cache=$2
skip() { echo "SKIP $*" >&2; exit 77; }
for tool in apt-get apt-cache dpkg-deb; do
  command -v "$tool" >/dev/null || skip "$tool is missing: the kernel comes from a Debian package"
done
mkdir -p "$cache"
resolve() { apt-cache depends "$name" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1; }
package=$(resolve)
[ -n "$package" ] || skip "apt knows no kernel package $name: run apt-get update"
version=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
image=$cache/${package}_${version//:/%}
if [ ! -s "$image" ]; then
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get download "$package=$version" >log 2>&1) ||
    skip "$package $version cannot be downloaded: $(grep -m 1 '^E:' "$work/log" || tail -n 1 "$work/log")"
  dpkg-deb -x "$work"/*.deb "$work/files"
  rm -f "$cache/${package%%[0-9]*}"*.old
  mv "$work"/files/boot/vmlinuz-* "$image.part"
  mv "$image.part" "$image"
fi
echo "$image"
