#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs clang-tidy on one source, unless it passed before with the same text:
# its own and its headers', the configuration, the flags and the version.
set -u
source_file=$1
cache=build/lint-cache
blas=$(pkg-config --cflags openblas 2>/dev/null)
read -ra flags <<<"-std=c17 -D_GNU_SOURCE -DWEFT_EXAMPLES_DATA=\"\" \
  -Iinclude -Isrc -Itests -I. $blas"

# In tests: cmocka ends one by longjmp, which the analyzer takes for falling
# through, so it follows paths that no test has. And assertions read atomic
# counters when nobody writes any more, where the strongest order is harmless.
checks=()
case $source_file in
  *_test.c | tests/*)
    checks=('--checks=-clang-analyzer-*,-clang-diagnostic-atomic-implicit-*') ;;
esac

key=$({
  clang-tidy --version
  cat .clang-tidy
  echo "$source_file" "${flags[@]}" "${checks[@]}"
  # With comments and macros: checks read both.
  clang -E -C -dD "${flags[@]}" "$source_file" 2>&1
} | sha256sum | cut -d ' ' -f 1)
[ -e "$cache/$key" ] && exit 0

output=$(clang-tidy --quiet "${checks[@]}" "$source_file" -- "${flags[@]}" \
  2>&1) || {
  echo "$output"
  exit 1
}
mkdir -p "$cache" && touch "$cache/$key"
