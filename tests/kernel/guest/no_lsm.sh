#!/bin/sh
# On a kernel whose lsm= list lacks bpf, LSM programs load and attach, and never run: kerf must refuse, and say the way out.
bundle=$1 principal=$2
output=$(/guest/kerf run --bundle "$bundle" --principal "$principal" -- /guest/actor exit 0 2>&1)
status=$?
echo "$output"
[ "$status" -eq 125 ] || { echo "status $status instead of 125"; exit 1; }
echo "$output" | grep -q 'lsm=' || { echo "the way out is not said"; exit 1; }
