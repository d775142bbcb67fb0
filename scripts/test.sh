#!/usr/bin/env bash
# Runs every test of the release build. The official Cedar engine, the judge of the differential tests, is a
# development dependency from npm; without it those tests say so and are skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -f tests/oracle/package.json ] && [ ! -d tests/oracle/node_modules ]; then
  (cd tests/oracle && npm install --no-package-lock --no-audit --no-fund --silent) ||
    echo "the official Cedar engine could not be installed: differential tests will be skipped" >&2
fi
exec ctest --test-dir build/release --output-on-failure -j "$(nproc)" "$@"
