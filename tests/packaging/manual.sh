#!/usr/bin/env bash
# Every command has a page, the pages are well formed, and what --help names is there.
set -euo pipefail
kerf=$PREFIX/bin/kerf
commands=$("$kerf" --help | sed -n '/^Subcommands:/,/^$/p' | sed -nE 's/^  ([a-z-]+),? .*/\1/p')
[ "$(wc -l <<<"$commands")" -gt 20 ] || { echo "the list of commands cannot be read"; exit 1; }
count=$(wc -l <<<"$commands")
[ "$(ls "$PREFIX/$MANDIR/man1" | wc -l)" -eq $((count + 1)) ] || { echo "pages and commands differ"; exit 1; }
for command in "" $commands; do
  page=$PREFIX/$MANDIR/man1/kerf${command:+-$command}.1.gz
  text=$(gzip -dc "$page")
  for option in $("$kerf" $command --help | grep -oE '^  (-[a-zA-Z],)?--[a-z-]+' | grep -oE -- '--[a-z-]+'); do
    grep -qF -- "$(sed 's/-/\\-/g' <<<"$option")" <<<"$text" || { echo "$page does not tell of $option"; exit 1; }
  done
  if command -v mandoc >/dev/null; then
    said=$(mandoc -Tlint -Wwarning <<<"$text" | grep -v 'missing date' || true)
    [ -z "$said" ] || { echo "$page: $said"; exit 1; }
  fi
done
