#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Configures and builds: build.sh KIND [TARGET...]
#
#   plain   build/        optimized, with debug information
#   asan    build-asan/   AddressSanitizer and UndefinedBehaviorSanitizer
#   tsan    build-tsan/   ThreadSanitizer
#   fuzz    build-fuzz/   libFuzzer with the sanitizers, by clang
#
# Configures again every time, because sources are found when meson runs.
set -euo pipefail
cd "$(dirname "$0")/.."
# Debian's meson by its path: the first on PATH need not be the system's.
meson=/usr/bin/meson

kind=${1-}
shift || true
# Warnings are errors in the plain build; instrumented code sets off false ones.
sanitized=(--optimization=1 -Dwerror=false)
case $kind in
  plain) folder=build options=(--prefix "${PREFIX:-/usr/local}") ;;
  asan) folder=build-asan
    options=("-Db_sanitize=address,undefined" "${sanitized[@]}") ;;
  tsan) folder=build-tsan
    options=(-Db_sanitize=thread "${sanitized[@]}") ;;
  fuzz) folder=build-fuzz
    options=(-Dfuzz=true "-Db_sanitize=address,undefined" -Db_lundef=false
      "${sanitized[@]}")
    export CC=clang ;;
  *) echo "build.sh: unknown kind '$kind'" >&2; exit 2 ;;
esac

mkdir -p "$folder"
[ ! -f "$folder/build.ninja" ] || options+=(--reconfigure)
if ! "$meson" setup "${options[@]}" "$folder" >"$folder/setup.log" 2>&1; then
  cat "$folder/setup.log"
  exit 1
fi
exec ninja -C "$folder" --quiet -k 0 "$@"
