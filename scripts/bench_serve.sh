#!/usr/bin/env bash
# kerf serve under wrk: one worker on one core, wrk on another where there is one, 32 connections that stay open, bodies of
# 250 bytes. Uses the workload mcp-1000-s1 of scripts/bench.sh. SECONDS_ is how long,
# NO_PIN leaves the cores to the machine; KERF and WORKLOAD name others.
set -euo pipefail
cd "$(dirname "$0")/.."
kerf=${KERF:-build/release/kerf}
workload=${WORKLOAD:-build/bench/w/mcp-1000-s1}
command -v wrk >/dev/null || { echo "no wrk: kerf serve is not measured" >&2; exit 0; }
[ -s "$workload/table.json" ] || { echo "no $workload: kerf serve is not measured" >&2; exit 0; }
temporary=$(mktemp -d)
first=() second=()
if [ "$(nproc)" -gt 1 ] && [ -z "${NO_PIN:-}" ]; then first=(taskset -c 0) second=(taskset -c 1); fi

# A request of the workload that is permitted, with an attribute that fills it up to 250 bytes.
"$kerf" authorize --table "$workload/table.json" --entities "$workload/entities.json" --requests "$workload/requests.jsonl" >"$temporary/answers"
python3 - "$workload/requests.jsonl" "$temporary/answers" >"$temporary/post.lua" <<'PY'
import json, sys
lines, answers = open(sys.argv[1]).read().splitlines(), open(sys.argv[2]).read().splitlines()
line = next(l for l, a in zip(lines, answers) if '"allow"' in a)
request = json.loads(line)
request["context"]["note"] = ""
size = len(json.dumps(request, separators=(",", ":")))
request["context"]["note"] = "x" * max(0, 250 - size)
print('wrk.method = "POST"\nwrk.body = [==[' + json.dumps(request, separators=(",", ":")) + "]==]")
print('wrk.headers["Content-Type"] = "application/json"')
PY
"${first[@]}" "$kerf" serve --table "$workload/table.json" --entities "$workload/entities.json" --listen 127.0.0.1:0 2>"$temporary/log" &
server=$!
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$temporary"' EXIT
for _ in $(seq 100); do grep -qs listening "$temporary/log" && break; sleep 0.1; done
address=$(sed -nE 's/.*listening on (http:[^ ]*): .*/\1/p' "$temporary/log")
cpu() { awk '{print $14 + $15}' "/proc/$server/stat"; }
load() { "${second[@]}" wrk -t1 -c32 -d"${1}s" --latency -s "$temporary/post.lua" "$address/v1/authorize"; }
load 1 >/dev/null
before=$(cpu)
load "${SECONDS_:-5}" >"$temporary/wrk"
after=$(cpu)
requests=$(sed -nE 's/^ *([0-9]+) requests in.*/\1/p' "$temporary/wrk")
grep -q "Non-2xx" "$temporary/wrk" && { echo "not every answer was a 200:"; cat "$temporary/wrk"; exit 1; }
echo "kerf serve, loopback, 32 connections, $(basename "$workload"):"
awk -v r="$requests" -v c="$((after - before))" -v hz="$(getconf CLK_TCK)" '
  /Requests\/sec/ { rate = $2 }
  $1 == "50%" { p50 = $2 } $1 == "99%" { p99 = $2 }
  END { printf "  %.0f requests/s, p50 %s, p99 %s; %.2f us of processor for each request\n", rate, p50, p99, c / hz * 1e6 / r }' "$temporary/wrk"
