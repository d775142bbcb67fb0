#!/usr/bin/env bash
# Who may include whom. A row: folder, then the folders whose headers it may include beside its own.
# Also: one heavy dependency, one folder.
set -euo pipefail
cd "$(dirname "$0")/.."
declare -A may=(
  [ir/base]=""
  [ir/values]="ir/base"
  [ir]="ir/base ir/values"
  [ir/passes]="ir/base ir/values ir"
  [frontend/ast]="ir/base"
  [frontend/json]="ir/base ir/values frontend/ast"
  [frontend/parse]="ir/base frontend/ast"
  [frontend/format]="ir/base frontend/ast frontend/parse"
  [frontend/sema]="ir/base ir/values ir frontend/ast frontend/json"
  [runtime/abi]=""
  [runtime/kernel]="runtime/abi"
  [runtime/gateway]="ir/base ir/values"
  [runtime/serve]="ir/base ir/values runtime/gateway"
  [runtime/loader]="ir/base ir/values runtime/abi runtime/gateway"
  [backends/table]="ir/base ir/values ir ir/passes"
  # embeds the glue, and shares the layout of its tables
  [backends/bpf]="ir/base ir/values ir ir/passes runtime/abi runtime/kernel"
  # reads the tables; what made them may not be seen here
  [backends/check]="ir/base ir/values ir runtime/abi runtime/kernel"
  [backends/seccomp]="ir/base ir/values ir ir/passes"
  [backends]="ir/base ir/values ir ir/passes runtime/abi backends/bpf"
  [driver]="ir/base ir/values ir ir/passes frontend/ast frontend/format frontend/json frontend/parse frontend/sema runtime/abi backends backends/table backends/bpf backends/seccomp backends/check"
  [driver/capi]="ir/base ir/values driver backends runtime/gateway"
  [driver/cli]="ir/base ir/values ir ir/passes frontend/sema backends backends/table driver runtime/gateway runtime/serve runtime/loader"
)
declare -A heavy=(
  ['antlr4-runtime']="frontend/parse grammar"
  ['llvm/']="backends/bpf"
  ['bpf/(libbpf|bpf)\.h']="runtime/loader backends/bpf"
  ['seccomp\.h']="backends/seccomp backends/check"
  ['boost/']="runtime/serve"
  ['simdjson']="runtime/gateway"
  ['CLI/']="driver/cli"
)
bad=0
complain() { echo "layering: $1"; bad=1; }

folder_of() {  # the longest row that is a prefix of the path
  local path=$1
  while [ "$path" != . ]; do
    if [ -n "${may[$path]+x}" ]; then echo "$path"; return; fi
    path=$(dirname "$path")
  done
}

count=0
while IFS=: read -r file include; do
  target=$(sed -E 's/.*"([^"]+)".*/\1/' <<<"$include")
  case $target in ir/*|frontend/*|backends/*|runtime/*|driver/*) ;; *) continue ;; esac
  count=$((count + 1))
  from=$(folder_of "$(dirname "$file")")
  to=$(folder_of "$(dirname "$target")")
  [ "$from" = "$to" ] && continue
  [[ " ${may[$from]} " == *" $to "* ]] || complain "$file includes $target: $from may not include $to"
done < <(grep -rnE '^#include "' --include='*.h' --include='*.cpp' ir frontend backends runtime driver | sed -E 's/^([^:]+):[0-9]+:/\1:/')
[ "$count" -gt 50 ] || complain "only $count includes found: the check itself is broken"

for pattern in "${!heavy[@]}"; do
  while read -r file; do
    ok=0
    for folder in ${heavy[$pattern]}; do [[ $file == "$folder"/* ]] && ok=1; done
    [ $ok -eq 1 ] || complain "$file includes $pattern, which belongs to ${heavy[$pattern]}"
  done < <(grep -rlE "^#include [<\"]$pattern" --include='*.h' --include='*.cpp' ir frontend backends runtime driver || true)
done
[ $bad -eq 0 ] && echo "layering: $count includes are in order"
exit $bad
