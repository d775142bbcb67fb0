#!/usr/bin/env bash
# COUNT policies, directories and literal prefixes by turns, each about a place of its own; the last permits the program that asks.
set -euo pipefail
place() { printf '/srv/tenant%02d/project-%04x/data' $(($1 % 100)) $(($1 * 7919 % 65536)); }
for ((i = 0; i < $1 - 1; ++i)); do
  if ((i % 2)); then condition="resource in Directory::\"$(place $i)\""; else condition="resource.path like \"$(place $i)/*\""; fi
  echo "permit(principal, action == Action::\"read\", resource) when { $condition };"
done
echo 'permit(principal, action == Action::"read", resource) when { resource == File::"/guest/time_opens" };'
