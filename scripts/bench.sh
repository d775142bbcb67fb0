#!/usr/bin/env bash
# The benchmarks, each against the official engine in the same run: `scripts/bench.sh [frontend] [gateway] [proof] [kernel] [opens]`,
# default all. The kernel's and those of opens, in guests, need neither engine nor workloads.
# The workloads' generator and data are looked for in KERF_WORKLOADS (default ../shared/bench). SIZES (in policies),
# OOPSLA_SIZES and REQUESTS make them smaller or larger; ANSWERS is how many requests of a large workload the official
# engine is asked. What is made is kept in build/bench.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
what=" ${*:-frontend gateway proof kernel opens} "

# Decisions in this kernel, and compiles to an object.
kernel() {
  build/release/bench_kernel
  echo
  build/release/bench_compile
}
if [[ $what == *" kernel "* ]]; then kernel; fi
# An open() in guests, in instructions.
opens() {
  for package in linux-image-cloud-amd64 linux-image-6.12-cloud-amd64; do
    bench/opens/run.sh "$package" "$root/build/release" "$root" || [ $? = 77 ]
  done
}
if [[ $what == *" opens "* ]]; then opens; fi
if [[ $what =~ ^\ ((kernel|opens)\ )+$ ]]; then exit; fi
source=$(cd "${KERF_WORKLOADS:-../shared/bench}" 2>/dev/null && pwd) || { echo "no workloads: set KERF_WORKLOADS" >&2; exit 1; }
kerf=$root/build/release/kerf
work=$root/build/bench
mkdir -p "$work/w" "$work/node_modules/@cedar-policy"
[ -d tests/oracle/node_modules ] || (cd tests/oracle && npm install --no-package-lock --no-audit --no-fund --silent)
ln -sfn "$root/tests/oracle/node_modules/cedar412" "$work/node_modules/@cedar-policy/cedar-wasm"
cp "$source/golden.cjs" "$source/wasm_bench.cjs" bench/schema_text.cjs bench/linked.cjs bench/wasm_front.cjs "$work/"
cd "$work"

generate() {
  python3 "$source/gen_workloads.py" --family "$1" --sizes "$2" --seeds 1 --requests "${REQUESTS:-500}" --out w --static "$source/static"
}
sizes=${SIZES:-10,100,1000,10000}
[ -n "$(ls w)" ] || {
  generate gdrive,gdrive-fixed,gdrive-templates,github,github-templates,tinytodo "${OOPSLA_SIZES:-5,10,20,50}"
  generate acl,rbac,abac,like,mcp "$sizes"
  # A hospital of n departments has 33n + 5 policies.
  generate hospital "$(for size in ${sizes//,/ }; do echo $(((size + 32) / 33)); done | paste -sd,)"
}
node schema_text.cjs w/*
node linked.cjs w/*

policies_of() { grep -cE '^(permit|forbid)' "$1/policies.cedar" || true; }

# Parsing and validation of the families that are scaled in policies, where they have about 1,000 or more.
frontend() {
  local folders=()
  for folder in w/{acl,rbac,abac,like,mcp,hospital}-*; do
    if [ -d "$folder" ] && [ "$(policies_of "$folder")" -ge 900 ]; then folders+=("$folder"); fi
  done
  [ ${#folders[@]} -gt 0 ] || { echo "no workload has 900 policies: nothing to parse" >&2; return; }
  : >wasm_front.jsonl >frontend.jsonl
  for folder in "${folders[@]}"; do   # in turn, so that both meet the machine in one state
    node wasm_front.cjs "$folder" >>wasm_front.jsonl
    "$root/build/release/bench_frontend" "$folder" --benchmark_min_time=0.2 --benchmark_repetitions=5 \
      --benchmark_report_aggregates_only=true --benchmark_format=json | node -e \
      'console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8"))))' >>frontend.jsonl
  done
  node "$root/bench/frontend_report.mjs" frontend.jsonl wasm_front.jsonl
  memory "${folders[@]}"
  one_policy "$(ls -d w/hospital-* | head -n 1)"
}

# Peak memory of one process, in KiB.
peak() { /usr/bin/time -f %M "$kerf" check "$@" 2>&1 >/dev/null | tail -n 1; }

memory() {
  [ -x /usr/bin/time ] || { echo "memory: GNU time is not there"; return; }
  echo
  echo "| kerf check, one thread | policies | bytes a policy | peak MiB | above an empty run, KiB a policy |"
  echo "|---|---|---|---|---|"
  : >none.cedar
  for folder in "$@"; do
    local schema=$folder/schema.cedarschema policies empty all
    policies=$(policies_of "$folder")
    empty=$(peak -j 1 -p none.cedar -s "$schema")
    all=$(peak -j 1 -p "$folder/policies.cedar" -s "$schema")
    awk -v name="$(basename "$folder")" -v n="$policies" -v bytes="$(stat -c %s "$folder/policies.cedar")" -v all="$all" -v empty="$empty" \
      'BEGIN { printf "| %s | %d | %.0f | %.1f | %.1f |\n", name, n, bytes / n, all / 1024, (all - empty) / n }'
  done
}

# The heap and the whole process for one small policy.
one_policy() {
  echo
  "$root/build/release/bench_memory" "$1/policies.cedar" "$1/schema.cedarschema"
  command -v hyperfine >/dev/null || { echo "start: hyperfine is not there"; return; }
  local folder=$1
  awk '{ print } /;[[:space:]]*$/ { exit }' "$folder/policies.cedar" >one.cedar
  hyperfine -N --warmup 5 --runs 50 --export-json hyperfine.json "$kerf check -p one.cedar -s $folder/schema.cedarschema" >/dev/null 2>&1
  node -e 'const r = JSON.parse(require("fs").readFileSync("hyperfine.json")).results[0];
    console.log(`kerf check of one policy of ${process.argv[1]} bytes, whole process: median ${(r.median * 1e3).toFixed(1)} ms, from ${(r.min * 1e3).toFixed(1)} to ${(r.max * 1e3).toFixed(1)} ms`);' "$(stat -c %s one.cedar)"
}

# Decisions from tables.
gateway() {
  local small=()
  for folder in w/*; do
    local set=(-p "$folder/policies.cedar")
    if [ -f "$folder/linked.json" ]; then set=(-p "$folder/linked.cedar" -k "$folder/linked.json"); fi
    [ -s "$folder/table.json" ] || "$kerf" compile "${set[@]}" -s "$folder/schema.cedarschema" \
      --entities "$folder/entities.json" --print=table >"$folder/table.json"
    if [ ! -s "$folder/expected.jsonl" ]; then
      local requests=${REQUESTS:-500}
      if [ "$(policies_of "$folder")" -gt 2000 ]; then requests=${ANSWERS:-100}; fi
      MAXREQ=$requests node golden.cjs w "^$(basename "$folder")\$"
    fi
    if [ "$(policies_of "$folder")" -le 1000 ]; then small+=("$folder"); fi
  done
  MODES=stateful_slice_schema BUDGET_MS="${BUDGET_MS:-300}" NREQ=100 node wasm_bench.cjs "${small[@]}" >wasm.jsonl
  "$root/build/release/bench_gateway" w/* --benchmark_min_time=0.05 --benchmark_format=json >ours.json 2>differences.txt || true
  grep differ differences.txt || true
  node "$root/bench/report.mjs" ours.json wasm.jsonl
  echo
  "$root/build/release/bench_engine" w/*
}

# Stages, split, lints and proofs, on one core: mcp, abac, and policies that the kernel enforces. PROOF_SIZES in policies.
proof() {
  local proof_sizes=${PROOF_SIZES:-1000,10000,50000} bound=()
  mkdir -p proof
  python3 "$source/gen_workloads.py" --family mcp,abac --sizes "$proof_sizes" --seeds 1 --requests 1 --out proof --static "$source/static"
  node schema_text.cjs proof/*
  for size in ${proof_sizes//,/ }; do bound+=(--bound "$size"); done
  "$root/build/release/bench_verify" "${bound[@]}" $(ls -d proof/* | sort -V)
}

if [[ $what == *" frontend "* ]]; then frontend; fi
if [[ $what == *" gateway "* ]]; then echo; gateway; fi
if [[ $what == *" proof "* ]]; then echo; proof; fi
