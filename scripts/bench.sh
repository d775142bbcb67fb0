#!/usr/bin/env bash
# The gateway's benchmark: workloads, the official engine's answers and times, ours, one table. The workloads' generator
# and data are looked for in KERF_WORKLOADS (default ../shared/bench). SIZES, OOPSLA_SIZES and REQUESTS make it smaller or larger;
# ANSWERS is how many requests of a large workload the official engine is asked.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
source=$(cd "${KERF_WORKLOADS:-../shared/bench}" 2>/dev/null && pwd) || { echo "no workloads: set KERF_WORKLOADS" >&2; exit 1; }
work=$root/build/bench
mkdir -p "$work/w" "$work/node_modules/@cedar-policy"
[ -d tests/oracle/node_modules ] || (cd tests/oracle && npm install --no-package-lock --no-audit --no-fund --silent)
ln -sfn "$root/tests/oracle/node_modules/cedar412" "$work/node_modules/@cedar-policy/cedar-wasm"
cp "$source/golden.cjs" "$source/wasm_bench.cjs" bench/schema_text.cjs "$work/"
cd "$work"

generate() {
  python3 "$source/gen_workloads.py" --family "$1" --sizes "$2" --seeds 1 --requests "${REQUESTS:-500}" --out w --static "$source/static"
}
sizes=${SIZES:-10,100,1000,10000}
[ -n "$(ls w)" ] || {
  generate gdrive,gdrive-fixed,github,tinytodo "${OOPSLA_SIZES:-5,10,20,50}"
  generate acl,rbac,abac,like,mcp "$sizes"
  # A hospital of n departments has 33n + 5 policies.
  generate hospital "$(for size in ${sizes//,/ }; do echo $(((size + 32) / 33)); done | paste -sd,)"
}
node schema_text.cjs w/*
for folder in w/*; do
  [ -s "$folder/table.json" ] || "$root/build/release/kerf" compile -p "$folder/policies.cedar" -s "$folder/schema.cedarschema" \
    --entities "$folder/entities.json" --print=table >"$folder/table.json"
  if [ ! -s "$folder/expected.jsonl" ]; then
    requests=${REQUESTS:-500}
    [ "$(grep -c '"effect"' "$folder/table.json")" -gt 2000 ] && requests=${ANSWERS:-100}
    MAXREQ=$requests node golden.cjs w "^$(basename "$folder")\$"
  fi
done
small=()
for folder in w/*; do [ "$(grep -c '"effect"' "$folder/table.json")" -le 1000 ] && small+=("$folder"); done
MODES=stateful_slice_schema BUDGET_MS="${BUDGET_MS:-300}" NREQ=100 node wasm_bench.cjs "${small[@]}" >wasm.jsonl
"$root/build/release/bench_gateway" w/* --benchmark_min_time=0.05 --benchmark_format=json >ours.json 2>differences.txt || true
grep differ differences.txt || true
node "$root/bench/report.mjs" ours.json wasm.jsonl
