#!/usr/bin/env bash
# Same bytes from two folders, two runs, two build directories, and whatever order the files are named in; and no path
# of this machine in any of them. KERF is the command under test; KERF_BUILD its build directory.
set -euo pipefail
kerf=${KERF:?}
example=$(cd "$(dirname "$0")/../examples/agent-sandbox" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/a/policy" "$work/b/deeper/elsewhere"
for folder in "$work/a/policy" "$work/b/deeper/elsewhere"; do cp "$example"/*.cedar "$example"/*.cedarschema "$example"/*.json "$folder"; done

(cd "$work/a/policy" && "$kerf" compile -p network.cedar files.cedar gateway.cedar -s sandbox.cedarschema --entities entities.json -o "$work/one")
(cd / && "$kerf" compile -p "$work/b/deeper/elsewhere/gateway.cedar" "$work/b/deeper/elsewhere/network.cedar" \
  "$work/b/deeper/elsewhere/files.cedar" \
  -s "$work/b/deeper/elsewhere/sandbox.cedarschema" --entities "$work/b/deeper/elsewhere/entities.json" -o "$work/two")
(cd "$work/a" && "$kerf" compile -p policy -s policy/sandbox.cedarschema --entities policy/entities.json -o ../three)

for other in two three; do diff -r "$work/one" "$work/$other" || { echo "determinism: one and $other differ"; exit 1; }; done
for secret in "$work" "$(cd "$(dirname "$0")/.." && pwd)" "${KERF_BUILD:?}"; do
  if grep -rqF "$secret" "$work/one"; then echo "determinism: the bundle contains the path $secret"; exit 1; fi
done
[ "$(ls "$work/one" | tr '\n' ' ')" = "entities.json manifest.json policy.bpf.o split.json table.json " ]

# What the build puts into the objects is the glue's bitcode: build it once more from a copy of the sources elsewhere.
root=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$work/copy/source"
cp -r "$root/CMakeLists.txt" "$root/runtime" "$work/copy/source"
mkdir -p "$work/copy/source/ir/values" && cp "$root"/ir/values/*.def "$work/copy/source/ir/values"
cmake -S "$work/copy/source" -B "$work/copy/build" -DKERF_ONLY="runtime/abi;runtime/kernel" >"$work/cmake.log" 2>&1 &&
  cmake --build "$work/copy/build" --target kerf_glue >>"$work/cmake.log" 2>&1 || { cat "$work/cmake.log"; exit 1; }
for part in decision hooks; do cmp "$work/copy/build/runtime/kernel/$part.bc" "$KERF_BUILD/runtime/kernel/$part.bc"; done
echo "determinism: 3 compiles and 2 builds, same bytes"
