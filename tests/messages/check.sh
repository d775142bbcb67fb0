#!/usr/bin/env bash
# Messages for programs: every line of --error-format json against docs/diagnostics.schema.json, and the SARIF document.
# The programs are all golden tests' inputs, so that every kind of message occurs.
set -euo pipefail
cd "$(dirname "$0")"
command -v node >/dev/null || { echo "SKIP: node is not installed"; exit 77; }
[ -d ../table-schema/node_modules/ajv ] || { echo "SKIP: the JSON Schema validator is not installed (npm install in tests/table-schema)"; exit 77; }
node check.mjs "${KERF:?}"
