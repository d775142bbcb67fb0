#!/usr/bin/env bash
# The analysts' fence around files, on a kernel that runs BPF LSM programs, as root: a shell and python3 work inside, and
# nothing gets out. Makes /workspace, which must not exist yet, and removes it.
#   KERF: the program; KERF_BUNDLE: a bundle of this example, else it is compiled here.
set -euo pipefail
cd "$(dirname "$0")"
kerf=${KERF:-../../build/release/kerf}
[ ! -e /workspace ] || { echo "fence: /workspace exists already" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work" /workspace' EXIT
bundle=${KERF_BUNDLE:-$work/bundle}
if [ -z "${KERF_BUNDLE:-}" ]; then
  "$kerf" compile -p gateway.cedar network.cedar files.cedar -s sandbox.cedarschema --entities entities.json -o "$bundle"
fi

mkdir -p /workspace/analyst-1/reports /workspace/secrets /workspace/other
echo "42" > /workspace/analyst-1/numbers
echo "token" > /workspace/secrets/model-token
echo "other" > /workspace/secrets/payroll
cat > /workspace/analyst-1/work.sh <<'W'
failed=0
allowed() { if "$@" > /workspace/analyst-1/out 2>&1; then echo "  allowed  $*"; else echo "  WRONG, refused  $*: $(cat /workspace/analyst-1/out)"; failed=1; fi; }
refused() { if "$@" > /workspace/analyst-1/out 2>&1; then echo "  WRONG, allowed  $*"; failed=1; else echo "  refused  $*"; fi; }
cd /workspace/analyst-1
allowed cat numbers
allowed cat /workspace/secrets/model-token
allowed cp numbers reports/copy
allowed mv reports/copy reports/moved
allowed ln reports/moved reports/linked
allowed mkdir reports/2026
allowed rm reports/linked
allowed ls reports
allowed python3 -c 'open("/workspace/analyst-1/reports/sum", "w").write(str(sum(range(10))))'
allowed bash -c 'test "$(cat reports/sum)" = 45'
refused cat /workspace/secrets/payroll
refused cat /etc/shadow
refused cat ../secrets/payroll
refused cat /proc/self/root/etc/shadow
allowed ln -s /etc/shadow reports/shadow
refused cat reports/shadow
refused cp numbers /workspace/other/numbers
refused mv numbers /workspace/other/numbers
refused mv /workspace/secrets/payroll reports/payroll
refused ln /workspace/secrets/payroll reports/payroll
refused mkdir /workspace/analyst-2
refused ls /etc
refused python3 -c 'open("/workspace/other/x", "w")'
refused python3 -c 'open("/workspace/secrets/payroll").read()'
cp /usr/bin/cat reports/tool
refused ./reports/tool numbers
exit $failed
W
echo "What a1, an analyst, gets:"
"$kerf" run --bundle "$bundle" --principal 'Agent::"a1"' --events "$work/events.jsonl" -- bash /workspace/analyst-1/work.sh
[ -e /workspace/analyst-1/numbers ] && [ ! -e /workspace/other/numbers ] && [ ! -e /workspace/other/x ] || { echo "fence: something got out" >&2; exit 1; }
grep -q '"/workspace/secrets/payroll"' "$work/events.jsonl" || { echo "fence: no event names the file that was refused" >&2; exit 1; }
echo "The same command without the fence:"
cat /workspace/secrets/payroll
