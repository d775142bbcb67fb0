#!/usr/bin/env bash
# generate.sh KERF DIR: manual pages and completions, from the command's own table.
set -euo pipefail
kerf=$1 out=$2
rm -rf "$out" && mkdir -p "$out/man/man1" "$out/completions"
page() { "$kerf" man "$1" | gzip -9n >"$out/man/man1/$2.1.gz"; }
page kerf kerf
"$kerf" man | sed -nE 's/^\\fBkerf\\-(.*)\\fR\(1\)$/\1/p' | tr -d '\\' | while read -r command; do
  page "$command" "kerf-$command"
done
"$kerf" completions bash >"$out/completions/kerf"
"$kerf" completions zsh >"$out/completions/_kerf"
"$kerf" completions fish >"$out/completions/kerf.fish"
