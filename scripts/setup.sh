#!/usr/bin/env bash
# Installs what building and testing need on Debian 12, and only what is missing. Run as root; safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  cmake ninja-build g++ pkg-config ccache
  clang-19 llvm-19-dev libzstd-dev zlib1g-dev libelf-dev
  antlr4 libantlr4-runtime-dev libbpf-dev linux-libc-dev
  libfmt-dev doctest-dev nlohmann-json3-dev libcli11-dev libxxhash-dev libbenchmark-dev
  perl-base tar gzip
)
missing=()
for package in "${packages[@]}"; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
done
# The judge of the differential tests runs on node.
command -v npm >/dev/null || missing+=(nodejs npm)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing: ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
