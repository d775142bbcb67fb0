#!/usr/bin/env bash
# An internal error exits 70 and leaves one report that the owner alone can read, without anything of the user's in it
# unless --crash-inputs asks for it. KERF: a kerf with mistakes in it (tests/abi/fault.cpp).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir reports
export TMPDIR=$work/reports
fail() { echo "$1"; exit 1; }
crash() {  # crash TEXT ARGUMENT... : leaves status, said, report
  printf %s "$1" >secret-name.cedar
  shift
  rm -f reports/*
  status=0
  "$KERF" "$@" format -p secret-name.cedar -l 77 >out 2>said || status=$?
  report=$(echo reports/*)
}
for text in check exception; do
  crash $text
  [ $status -eq 70 ] || fail "$text: status $status"
  [ -f "$report" ] || fail "$text: reports: $report"
  [ "$(stat -c %a "$report")" = 600 ] || fail "others can read the report"
  grep -qF "$work/$report" said || fail "where is the report: $(cat said)"
  grep -q 'internal error' said
  [ ! -s out ]
  grep -q '"command": \[' "$report" && grep -q '"format"' "$report" && grep -q -- '"--policies\|-p' "$report" && grep -q '"kerf.version"' "$report"
  if grep -qE 'secret|77|"check"' "$report"; then fail "the report says too much: $(cat "$report")"; fi
done
crash check --crash-inputs
[ $status -eq 70 ] && grep -q 'secret-name.cedar' "$report" && grep -q '"text": "check"' "$report" && grep -q '"77"' "$report"
grep -q 'your inputs included' said
crash memory
[ $status -eq 1 ] && grep -q 'out of memory' said && [ ! -e "$report" ] || fail "no memory: $status $(cat said)"
rmdir reports   # nowhere to write: still the message and the status
crash check
[ $status -eq 70 ] && grep -q 'internal error' said
