#!/usr/bin/env bash
# The installed command, from an empty directory, and from a tree that was moved: it finds its code generator, never a
# neighbour's.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../../examples/embed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/cwd" "$work/cwd/libexec" "$work/cwd/libexec/kerf"
for decoy in kerf-codegen libexec/kerf/kerf-codegen; do
  printf '#!/bin/sh\ntouch "%s"\n' "$work/taken" >"$work/cwd/$decoy"
  chmod +x "$work/cwd/$decoy"
done
cp -a "$PREFIX" "$work/moved"
ln -s "$work/moved/bin/kerf" "$work/cwd/kerf"
cd "$work/cwd"
compile() { PATH=$work/cwd:$PATH KERF_CODEGEN=$work/cwd/kerf-codegen "$1" compile -p "$source/policies.cedar" -s "$source/sandbox.cedarschema" -o "$2"; }
compile "$PREFIX/bin/kerf" "$work/one"
compile "$work/moved/bin/kerf" "$work/two"
compile kerf "$work/three"   # through PATH and a symbolic link
diff -r "$work/one" "$work/two" && diff -r "$work/one" "$work/three"
rm "$work/moved/$LIBEXECDIR/kerf/kerf-codegen"
if compile "$work/moved/bin/kerf" "$work/four" 2>"$work/said"; then echo "compiled without its code generator"; exit 1; fi
grep -q K7904 "$work/said"
[ ! -e "$work/taken" ] || { echo "a decoy ran"; exit 1; }
[ "$("$PREFIX/bin/kerf" --version)" = "kerf $VERSION" ]
grep -q "\"kerf\": \"$VERSION\"" <<<"$("$PREFIX/bin/kerf" version --json)"
