#!/usr/bin/env bash
# Installs what building and testing need on Debian 12, and only what is missing. Run as root; safe to run again.
# `setup.sh fuzz` and `setup.sh mutants` add what those words of the Makefile need.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(
  cmake ninja-build g++ pkg-config ccache
  clang-19 llvm-19-dev libzstd-dev zlib1g-dev libelf-dev
  antlr4 libantlr4-runtime-dev libbpf-dev libseccomp-dev linux-libc-dev
  libfmt-dev doctest-dev nlohmann-json3-dev libcli11-dev libxxhash-dev libbenchmark-dev libsimdjson-dev libboost-dev
  perl-base python3 tar gzip time hyperfine wrk
)
[ "${1:-}" != fuzz ] || packages+=(libclang-rt-19-dev)
[ "${1:-}" != mutants ] || packages+=(python3-clang-19)
# The emulated machines in which kernels 6.1 and 6.12 are tested; without them those tests are skipped.
guest_packages=(qemu-system-x86 busybox-static cpio e2fsprogs)
# For the tests of Debian packages, completions and manual pages. Go for examples/embed/go is left out: it is 450 MB
# (apt-get install golang-go), and its test is skipped without it.
install_packages=(dpkg-dev zsh fish mandoc)

not_installed() {
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}
install() {
  [ $# -gt 0 ] || return 0
  echo "installing: $*"
  [ -n "${updated:-}" ] || apt-get update -qq
  updated=1
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
mapfile -t missing < <(not_installed "${packages[@]}")
# The judge of the differential tests runs on node.
command -v npm >/dev/null || missing+=(nodejs npm)
install "${missing[@]}"
mapfile -t missing < <(not_installed "${guest_packages[@]}")
install "${missing[@]}" || echo "${missing[*]} cannot be installed: tests in guests will be skipped" >&2
mapfile -t missing < <(not_installed "${install_packages[@]}")
install "${missing[@]}" || echo "${missing[*]} cannot be installed: tests of installing will be skipped" >&2
