#!/usr/bin/env bash
# Builds the example with pkg-config's word for the library. PKG_CONFIG_PATH leads to a kerf.pc that is not in a system's place.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc -std=c11 -Wall -Wextra -Werror main.c -o "$work/example" $(pkg-config --cflags --libs kerf)
LD_LIBRARY_PATH=$(pkg-config --variable=libdir kerf) "$work/example" ..
