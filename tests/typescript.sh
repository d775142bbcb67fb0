#!/usr/bin/env bash
# The evaluator in TypeScript, compiled strictly, against the test vectors.
set -euo pipefail
cd "$(dirname "$0")/../examples/evaluators/typescript"
command -v node >/dev/null || { echo "SKIP: node is not installed"; exit 77; }
[ -x node_modules/.bin/tsc ] || { echo "SKIP: the TypeScript compiler is not installed (npm install in $(basename "$PWD"))"; exit 77; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
node_modules/.bin/tsc --outDir "$out"
echo '{"type":"module"}' >"$out/package.json"
node "$out/check.js" ../../../tests/vectors
