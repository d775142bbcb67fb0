#!/usr/bin/env bash
# Any number of threads gives the same bytes: outputs of a right policy set, messages of one with warnings, with types that
# do not fit, and with syntax errors. KERF is the command under test.
set -euo pipefail
kerf=${KERF:?}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/s.cedarschema" <<'END'
entity Role;
entity User in [Role] { level: Long, nick?: String };
entity Doc { owner: User, tags: Set<String> };
action get, put appliesTo { principal: User, resource: Doc, context: { hour: Long } };
END
policies() {  # with $1 in front of every thousandth
  awk -v odd="$1" 'BEGIN {
    for (i = 0; i < 6000; ++i) {
      if (i % 1000 == 777) print odd
      if (i % 3 == 0) printf "permit(principal in Role::\"r%d\", action == Action::\"get\", resource);\n", i % 50
      if (i % 3 == 1) printf "@note(\"n%d\") forbid(principal, action, resource) when { context.hour < %d || !(resource.tags.contains(\"t%d\")) };\n", i, i % 24, i
      if (i % 3 == 2) printf "permit(principal, action in [Action::\"put\"], resource) when { principal == resource.owner && principal.level + %d > 3 } unless { context.hour == %d };\n", i % 9, i % 24
    }
  }'
}
policies '' >"$work/good.cedar"
policies 'permit(principal == User::"a", action, resource) when { 1 == 2 };' >"$work/warned.cedar"
policies 'permit(principal, action, resource) when { principal.nick == "x" && context.hours == 1 };' >"$work/ill.cedar"
policies 'permit(principal, action, resource) when { principal.nick = "x" ) };' >"$work/unread.cedar"

run() {  # threads, file
  local out=$work/out.$1
  "$kerf" --error-format json check -j "$1" -p "$work/$2.cedar" -s "$work/s.cedarschema" >"$out" 2>&1 || echo "exit $?" >>"$out"
  [ "$2" != good ] || for stage in ast ir table; do "$kerf" compile -j "$1" -p "$work/$2.cedar" -s "$work/s.cedarschema" --print=$stage >>"$out"; done
}
for file in good warned ill unread; do
  run 1 $file
  [ -s "$work/out.1" ]
  for jobs in 2 3 8; do
    run $jobs $file
    cmp "$work/out.1" "$work/out.$jobs" || { echo "jobs: $file differs with $jobs threads"; exit 1; }
  done
done
echo "jobs: 4 policy sets, 1, 2, 3 and 8 threads, same bytes"
