#!/usr/bin/env bash
# A directory tree for a guest, with what each program needs, as a cpio archive: no mounts, no privileges.
#   initramfs.sh OUT INIT TESTS [FROM=TO | PROGRAM]…
# A program goes to its own path with its libraries; FROM=TO copies a file or a directory.
set -euo pipefail
out=$1 init=$2 tests=$3
shift 3
root=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,usr/bin,proc,sys,dev,tmp,run,guest,etc}
cp "$init" "$root/init"
cp "$tests" "$root/guest/tests"
chmod 755 "$root/init"
cp "$(command -v busybox)" "$root/bin/busybox"
for applet in $("$root/bin/busybox" --list); do [ -e "$root/bin/$applet" ] || ln -s busybox "$root/bin/$applet"; done

put() {  # put FILE PATH
  mkdir -p "$root$(dirname "$2")"
  cp -rL "$1" "$root$2"
}
put_program() {
  rm -f "$root$1"
  put "$1" "$1"
  strip --strip-debug "$root$1" 2>/dev/null || true
  ldd "$1" | sed -n 's/.*\(=> \|^\t\)\(\/[^ ]*\) .*/\2/p' | while read -r library; do
    [ -e "$root$library" ] || put "$library" "$library"
  done
}
for item in "$@"; do
  case $item in
    *=*) put "${item%%=*}" "${item#*=}" ;;
    *) put_program "$item" ;;
  esac
done
(cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) > "$out.part"
mv "$out.part" "$out"
