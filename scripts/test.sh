#!/usr/bin/env bash
# Runs every test of the release build. The official Cedar engine, the TypeScript compiler and the JSON Schema validator
# are development dependencies from npm; without them their tests say so and are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
for folder in tests/oracle tests/table-schema examples/evaluators/typescript; do
  if [ ! -d "$folder/node_modules" ]; then
    (cd "$folder" && npm install --no-package-lock --no-audit --no-fund --silent) ||
      echo "$folder: npm could not install its packages: their tests will be skipped" >&2
  fi
done
exec ctest --test-dir build/release --output-on-failure -j "$(nproc)" "$@"
