#!/usr/bin/env bash
# Generated policy sets against the official engine, in pieces that run side by side: sets.sh BUILD SETS EVENTS SEED JOBS
# Of each 24 programs 8 are over the network and 8 over files, with requests beside, 2 over sockets and 2 over the system
# (differential): these 20 are counted. 2 and 2 have conditions that the kernel cannot know, each as floor and as ceiling
# (residual). A piece prints its seed; what failed can be run alone.
set -euo pipefail
build=$1 sets=$2 events=$3 seed=$4 jobs=$5
piece=20
export build events
one() {
  "$build/differential" 8 "$events" "$events" "$1" && "$build/residual" 2 "$events" 4 "$1" && return
  echo "FAILED: the piece with seed $1"
  exit 1
}
export -f one
for ((i = 0; i * piece < sets; i++)); do echo $((seed + 8 * i)); done | xargs -P "$jobs" -I{} bash -c 'one {}' | awk '
  /^(network|file) events:/ { events += $3; allow += $6; errors += $10 }
  /^events on/ { events += $4; allow += $7; errors += $11 }
  /^requests:/ { requests += $2 }
  /^decided in the kernel:/ { kernel += $5; engine += $10 }
  /^(floor|ceiling):/ { sided += $8; approximated += $2 }
  /FAILED|SKIP|differs|leaves its side|^seed [0-9]+:/ { print; fflush() }
  /^seed [0-9]+$/ { if (++begun % 10 == 0) { print int(begun / 2) " pieces begun"; fflush() } }
  END { print "events " events ", allowed " allow ", with errors " errors "; requests " requests "; decided in the kernel " kernel ", by the official engine " engine \
              "; floors and ceilings: events " sided ", approximated policies " approximated }'
