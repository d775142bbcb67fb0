#!/usr/bin/env bash
# `cmake --install` into an empty prefix. What it brings is what the list says.
set -euo pipefail
rm -rf "$PREFIX"
"$CMAKE" --install "$BUILD" --prefix "$PREFIX" >/dev/null
for file in bin/kerf "$LIBEXECDIR/kerf/kerf-codegen" "$LIBDIR/libkerf.so" "$LIBDIR/libkerf.so.0" "$LIBDIR/libkerf.so.$VERSION" \
            include/kerf.h "$LIBDIR/pkgconfig/kerf.pc" "$LIBDIR/cmake/kerf/kerf-config.cmake" \
            "$LIBDIR/cmake/kerf/kerf-config-version.cmake" "$LIBDIR/cmake/kerf/kerf-targets.cmake" \
            "$MANDIR/man1/kerf.1.gz" "$MANDIR/man1/kerf-check.1.gz" "$DATADIR/bash-completion/completions/kerf" \
            "$DATADIR/zsh/vendor-completions/_kerf" "$DATADIR/fish/vendor_completions.d/kerf.fish"; do
  [ -e "$PREFIX/$file" ] || { echo "missing: $file"; exit 1; }
done
# Nothing that was not meant to be there.
strangers=$(cd "$PREFIX" && find . -mindepth 1 -maxdepth 2 | LC_ALL=C sort | grep -vE "^\./(bin|include|lib|libexec|share)(/|$)" || true)
[ -z "$strangers" ] || { echo "strangers: $strangers"; exit 1; }
if grep -rlF "$BUILD" "$PREFIX" --include='*.pc' --include='*.cmake' --include='*.h'; then echo "these name the build tree"; exit 1; fi
