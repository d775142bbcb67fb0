#!/usr/bin/env bash
# The names that libkerf.so shows are those of symbols.txt, no more and no fewer, under the soname that the list is for.
# Every one is declared in kerf.h. LIBKERF: the library.
set -euo pipefail
cd "$(dirname "$0")"
export LC_ALL=C
found=$(nm -D --defined-only "$LIBKERF" | awk '$2 != "A" { print $3 }')
if grep -v '@@KERF_0\.[12]$' <<<"$found"; then echo "these have no version, or another"; exit 1; fi
found=$(sed 's/@@.*//' <<<"$found" | sort)
diff symbols.txt - <<<"$found" || { echo "the library's names are not those of tests/abi/symbols.txt"; exit 1; }
declared=$(grep -oE '\bkerf_[a-z_]+\(' ../../include/kerf.h | tr -d '(' | sort -u)
diff symbols.txt - <<<"$declared" || { echo "kerf.h does not declare what the library shows"; exit 1; }
grep -q 'SONAME.*\[libkerf\.so\.0\]' <<<"$(readelf -d "$LIBKERF")" || { echo "wrong soname"; exit 1; }
if readelf -d "$LIBKERF" | grep -E 'TEXTREL|RUNPATH|RPATH'; then echo "unwanted in a library"; exit 1; fi
echo "abi: $(wc -l <symbols.txt) names"
