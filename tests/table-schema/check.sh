#!/usr/bin/env bash
# Emitted tables against docs/table.schema.json; KERF, if given, emits one more from the example.
set -euo pipefail
cd "$(dirname "$0")"
command -v node >/dev/null || { echo "SKIP: node is not installed"; exit 77; }
[ -d node_modules/ajv ] || { echo "SKIP: the JSON Schema validator is not installed (npm install in tests/table-schema)"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
example=../../examples/agent-sandbox
"${KERF:?}" compile -p "$example"/*.cedar -s "$example"/sandbox.cedarschema --entities "$example"/entities.json --print=table >"$work/example.json"
node check.mjs "$work/example.json"
