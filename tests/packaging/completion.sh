#!/usr/bin/env bash
# completion.sh SHELL: the script loads, and completes commands, options, values and files.
set -euo pipefail
command -v "$1" >/dev/null || { echo "skipped: $1 is not installed"; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir folder && touch policies.cedar 'two words.cedar'
fail() { echo "$1"; exit 1; }

case $1 in
bash)
  script=$PREFIX/$DATADIR/bash-completion/completions/kerf
  offers() {  # offers WORD... : the last is being typed
    bash --norc -c 'source "$1"; shift; COMP_WORDS=(kerf "$@"); COMP_CWORD=$#; _kerf; printf "%s\n" "${COMPREPLY[@]}"' bash "$script" "$@"
  } ;;
fish)
  script=$PREFIX/$DATADIR/fish/vendor_completions.d/kerf.fish
  offers() { HOME=$work fish --no-config -c 'source $argv[1]; complete -C "kerf $argv[2..]"' "$script" "$@" | cut -f1 | sed 's/\\ / /'; } ;;
zsh)
  script=$PREFIX/$DATADIR/zsh/vendor-completions/_kerf
  zsh -n "$script"
  zsh -f -c 'autoload -Uz compinit; compinit -D; source $1; [ "$_comps[kerf]" = _kerf ]' zsh "$script" || fail "zsh does not register it"
  exit 0 ;;
esac
has() { local want=$1 all; shift; all=$(offers "$@"); grep -qxF -- "$want" <<<"$all" || fail "$*: no $want among: $all"; }
hasnt() { local want=$1 all; shift; all=$(offers "$@"); ! grep -qxF -- "$want" <<<"$all" || fail "$*: $want is out of place"; }
has check ch
has check-parse ch
hasnt compile ch
has --validation-mode check --v
has --deny-warnings check --d
hasnt --deny-warnings compile --d
has permissive check --validation-mode ''
has json -f ''
has policies.cedar check -p ''
has 'two words.cedar' check -p two
has set fact ''
has --ttl-ms fact set --t
hasnt --ttl-ms fact clear --t
has bash completions ''
