#!/usr/bin/env bash
# Debian's kernel behind the package NAME -> the path of a directory below CACHE with `vmlinuz`, `config` and the modules
# that the tests need, numbered in the order in which they are to be inserted. Nothing is installed. The package is
# resolved each time, since its name changes with every security update; it is downloaded once.
# 77: it cannot be had here, and one line says why.
#   kernel.sh NAME CACHE [MODULE…]
set -euo pipefail
name=$1 cache=$2
shift 2
skip() { echo "SKIP $*" >&2; exit 77; }
for tool in apt-get apt-cache dpkg-deb busybox; do
  command -v "$tool" >/dev/null || skip "$tool is missing: the kernel comes from a Debian package"
done
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

# The lists of this machine may be missing or older than the archive: then lists of our own, which change nothing here.
apt=()
own_lists() {
  mkdir -p "$cache/lists/partial"
  apt=(-o "Dir::State::Lists=$cache/lists" -o "Dir::Cache::pkgcache=" -o "Dir::Cache::srcpkgcache=")
  apt-get "${apt[@]}" -qq update >"$cache/update.log" 2>&1
}
resolve() {
  package=$(apt-cache "${apt[@]}" depends "$name" 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-.*\)$/\1/p' | head -n 1)
  [ -n "$package" ] && version=$(apt-cache "${apt[@]}" policy "$package" | sed -n 's/^ *Candidate: //p')
}
# The package's files -> the directory `kernel`, whole or not at all.
unpack() {
  local modules file module
  modules=$(echo "$work"/files/lib/modules/*/kernel)
  mkdir "$work/kernel"
  mv "$work"/files/boot/vmlinuz-* "$work/kernel/vmlinuz"
  mv "$work"/files/boot/config-* "$work/kernel/config"
  local count=0
  insert() {
    file=$(find "$modules" -name "$1.ko" -o -name "$1.ko.xz" | head -n 1)
    [ -n "$file" ] || return 0        # built in, or this kernel has none: what needs it says so
    compgen -G "$work/kernel/*-$1.ko" >/dev/null && return 0
    case $file in
      *.xz) busybox unxz -c "$file" > "$work/module" ;;
      *) cp "$file" "$work/module" ;;
    esac
    local held="$work/held-$1" needed
    mv "$work/module" "$held"
    for needed in $(tr '\0' '\n' < "$held" | sed -n 's/^depends=//p' | tr ',' ' '); do insert "$needed"; done
    count=$((count + 1))
    mv "$held" "$(printf '%s/kernel/%02d-%s.ko' "$work" "$count" "$1")"
  }
  for module in "$@"; do insert "$module"; done
  mv "$work/kernel" "$kernel"
}
fetch() {
  (cd "$work" && rm -f ./*.deb && apt-get "${apt[@]}" download "$package=$version" >log 2>&1)
}

resolve || { own_lists && resolve; } || skip "apt knows no kernel package $name (apt-get update)"
modules=$(printf '%s\n' "$@" | cksum | cut -d ' ' -f 1)
kernel=$cache/${package}_${version//:/%}_$modules
if [ ! -s "$kernel/vmlinuz" ]; then
  work=$(mktemp -d "$cache/fetch.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if ! fetch; then
    # superseded in the archive since this machine's lists were made?
    own_lists && resolve && kernel=$cache/${package}_${version//:/%}_$modules && { [ -s "$kernel/vmlinuz" ] || fetch; } ||
      skip "$package $version cannot be downloaded: $(grep -h -m 1 '^E:' "$work/log" || tail -n 1 "$work/log")"
  fi
  if [ ! -s "$kernel/vmlinuz" ]; then
    dpkg-deb -x "$work"/*.deb "$work/files"
    rm -rf "$kernel"
    unpack "$@"
  fi
fi
echo "$kernel"
