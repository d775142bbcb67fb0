#!/usr/bin/env bash
# `kerf split --format json` of every golden test's program, exact and approximated, against docs/split.schema.json.
set -euo pipefail
cd "$(dirname "$0")"
command -v node >/dev/null || { echo "SKIP: node is not installed"; exit 77; }
[ -d ../table-schema/node_modules/ajv ] || { echo "SKIP: the JSON Schema validator is not installed (npm install in tests/table-schema)"; exit 77; }
node check.mjs "${KERF:?}"
