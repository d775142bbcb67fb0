#!/usr/bin/env bash
# find_package(kerf) of a project that knows the prefix alone; the version is asked for, and another one refused.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
source=$here/../../examples/embed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$CMAKE" -S "$source/c" -B "$work" -DCMAKE_PREFIX_PATH="$PREFIX" >/dev/null
"$CMAKE" --build "$work" >/dev/null
"$work/kerf_example" "$source" | grep -v '^{' | diff "$source/expected.txt" -
mkdir "$work/other"
printf 'cmake_minimum_required(VERSION 3.20)\nproject(other C)\nfind_package(kerf 0.9 REQUIRED)\n' >"$work/other/CMakeLists.txt"
if "$CMAKE" -S "$work/other" -B "$work/other/build" -DCMAKE_PREFIX_PATH="$PREFIX" >/dev/null 2>&1; then
  echo "version 0.9 was found"; exit 1
fi
