#!/usr/bin/env bash
# printed.sh PROGRAM PAGE: the page is what the program prints. UPDATE_DOCS=1 writes it.
set -euo pipefail
if [ -n "${UPDATE_DOCS:-}" ]; then "$1" > "$2"; exit; fi
"$1" | diff -u "$2" - || { echo "$2 is not what $(basename "$1") prints; UPDATE_DOCS=1 writes it" >&2; exit 1; }
