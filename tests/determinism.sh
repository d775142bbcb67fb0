#!/usr/bin/env bash
# Same bytes from two folders, two runs, and whatever order the files are named in; and no path of this machine in any
# of them. KERF is the command under test; KERF_BUILD its build directory.
set -euo pipefail
kerf=${KERF:?}
example=$(cd "$(dirname "$0")/../examples/agent-sandbox" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/a/policy" "$work/b/deeper/elsewhere"
for folder in "$work/a/policy" "$work/b/deeper/elsewhere"; do cp "$example"/*.cedar "$example"/*.cedarschema "$example"/*.json "$folder"; done

(cd "$work/a/policy" && "$kerf" compile -p network.cedar gateway.cedar -s sandbox.cedarschema --entities entities.json -o "$work/one")
(cd / && "$kerf" compile -p "$work/b/deeper/elsewhere/gateway.cedar" "$work/b/deeper/elsewhere/network.cedar" \
  -s "$work/b/deeper/elsewhere/sandbox.cedarschema" --entities "$work/b/deeper/elsewhere/entities.json" -o "$work/two")
(cd "$work/a" && "$kerf" compile -p policy -s policy/sandbox.cedarschema --entities policy/entities.json -o ../three)

for other in two three; do diff -r "$work/one" "$work/$other" || { echo "determinism: one and $other differ"; exit 1; }; done
for secret in "$work" "$(cd "$(dirname "$0")/.." && pwd)" "${KERF_BUILD:?}"; do
  if grep -rqF "$secret" "$work/one"; then echo "determinism: the bundle contains the path $secret"; exit 1; fi
done
[ "$(ls "$work/one" | tr '\n' ' ')" = "entities.json manifest.json policy.bpf.o split.json table.json " ]
echo "determinism: 3 compiles, same bytes"
