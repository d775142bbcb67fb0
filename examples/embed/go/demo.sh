#!/usr/bin/env bash
# PKG_CONFIG_PATH leads to a kerf.pc that is not in a system's place.
set -euo pipefail
cd "$(dirname "$0")"
command -v go >/dev/null || { echo "skipped: go is not installed (Debian: golang-go)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/example" .
LD_LIBRARY_PATH=$(pkg-config --variable=libdir kerf) "$work/example" ..
