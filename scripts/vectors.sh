#!/usr/bin/env bash
# Rewrites tests/vectors from the programs in tests/semantics. Deterministic: a second run changes nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --build --preset release --target write_vectors
build/release/write_vectors tests/vectors
