#!/usr/bin/env bash
# Warnings of suspicious text against the official engine; 77 (skipped) without it.
set -euo pipefail
cd "$(dirname "$0")"
[ -d ../oracle/node_modules/cedar412 ] || { echo "SKIP: the official engine is not installed (npm ci in tests/oracle)"; exit 77; }
node compare.mjs "$KERF" "${1:-6000}" "${2:-1}"
