#!/usr/bin/env bash
# example.sh LANGUAGE: the example against the installed library. Diagnostics are JSON; all else is expected.txt.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../../examples/embed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PKG_CONFIG_PATH=$PREFIX/$LIBDIR/pkgconfig LIBKERF=$PREFIX/$LIBDIR/libkerf.so.0
[ "$(pkg-config --modversion kerf)" = "$VERSION" ]
cp -r "$source" "$work/embed"
status=0
"$work/embed/$1/demo.sh" >"$work/out" || status=$?
[ $status -eq 0 ] || { cat "$work/out"; exit $status; }
grep -v '^{' "$work/out" | diff "$source/expected.txt" -
grep -q '^{.*"K3107"' "$work/out"
