#!/usr/bin/env bash
# Runs one fuzz target: run.sh TARGET SECONDS [CORPUS]. New inputs are kept in build/fuzz/work/TARGET; what fails is written
# to build/fuzz/findings/ with the target's name before it. Copy a finding, made small, to tests/fuzz/corpus/TARGET.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$1 seconds=$2 corpus=${3:-../shared/corpus}
build=build/fuzz
[ -d "$build/seed-inputs/$target" ] || build/release/seeds "$build/seed-inputs" "$corpus"
mkdir -p "$build/work/$target" "$build/findings"
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_stack_use_after_return=1:allocator_may_return_null=0}
export UBSAN_OPTIONS=print_stacktrace=1
exec "$build/fuzz_$target" "$build/work/$target" "$build/seed-inputs/$target" "tests/fuzz/corpus/$target" \
  -dict="tests/fuzz/dict/$(case $target in *json | table | request_line | manifest) echo json ;; *) echo cedar ;; esac).dict" \
  -artifact_prefix="$build/findings/$target-" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
  -max_len=16384 -print_final_stats=1 "${@:4}"
