#!/usr/bin/env bash
# A directory tree for a guest, with what each program needs, as a cpio archive: no mounts, no privileges. Laid out
# like Debian's, with /bin a symbolic link to /usr/bin.
#   initramfs.sh OUT INIT [FROM=TO | PROGRAM]…
# A program goes to its own path with its libraries; FROM=TO copies a file or a directory.
set -euo pipefail
out=$1 init=$2
shift 2
root=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{proc,sys,dev,tmp,run,guest/modules,etc,root,var}
for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$root/$directory"; done
cp "$init" "$root/init"
chmod 755 "$root/init"
cp "$(command -v busybox)" "$root/usr/bin/busybox"
for applet in $("$root/usr/bin/busybox" --list); do [ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"; done

put() {  # put FILE PATH
  mkdir -p "$root$(dirname "$2")"
  cp -rL "$1" "$root$2"
}
# To where it really is, with the link that leads there: policies name real paths.
put_library() {
  local real
  real=$(readlink -f "$1")
  put "$real" "$real"
  [ -e "$root$1" ] || { mkdir -p "$root$(dirname "$1")"; ln -s "$real" "$root$1"; }
}
put_program() {  # put_program FILE PATH
  rm -f "$root$2"
  put "$1" "$2"
  strip --strip-debug "$root$2" 2>/dev/null || true
  { ldd "$1" 2>/dev/null || true; } | sed -n 's/.*\(=> \|^\t\)\(\/[^ ]*\) .*/\2/p' | while read -r library; do
    [ -e "$root$library" ] || put_library "$library"
  done
}
for item in "$@"; do
  case $item in
    *=*) if [ -f "${item%%=*}" ] && [ -x "${item%%=*}" ]; then put_program "${item%%=*}" "${item#*=}"; else put "${item%%=*}" "${item#*=}"; fi ;;
    *) put_program "$item" "$item" ;;
  esac
done
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) > "$out.part"
mv "$out.part" "$out"
