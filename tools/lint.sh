#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The style as a test: lint.sh [CHECK...]   (default: every check)
#
#   format      clang-format leaves every C file as it is
#   tidy        clang-tidy; what passed and did not change is not read again
#   layers      who may include what
#   headers     each public header compiles alone, as C17 and as C++17
#   symbols     the built library defines and exports only weft_*
#   lengths, banned, atomics, documented, words, licence, quoted
#               see tools/check_text.py
#   spelling    codespell
#   shell       shellcheck
#   selftest    each of the checks fails on a planted fault
#
# Prints `ok lint/CHECK` or `FAILED lint/CHECK`, and status 1 if any failed.
set -u
cd "$(dirname "$0")/.." || exit 1
export PYTHONDONTWRITEBYTECODE=1
# The first Python on PATH need not be the system's.
python=/usr/bin/python3
# Where the built library is.
library_dir=${WEFT_LIBRARY_DIR:-build/src}

all_checks=(format tidy layers headers symbols lengths banned atomics
  documented words licence quoted spelling shell selftest)

c_files() {
  find include src cli examples bench tests -name "$1" 2>/dev/null |
    LC_ALL=C sort
}

text_files() {
  find . \( -path ./.git -o -path './build*' -o -name __pycache__ \) -prune \
    -o -type f ! -name '*.gz' ! -name '*.csv' ! -name LICENSE -print
}

check_format() {
  local file status=0
  for file in $(c_files '*.[ch]'); do
    clang-format "$file" | cmp -s - "$file" && continue
    echo "$file: not formatted: run clang-format -i $file"
    status=1
  done
  return "$status"
}

check_headers() {
  local header compiler status=0
  local flags=(-Iinclude -fsyntax-only -Wall -Wextra -Wpedantic -Werror)
  for header in include/weft/*.h; do
    header=${header#include/}
    for compiler in 'gcc -x c -std=c17' 'clang -x c -std=c17' \
      'g++ -x c++ -std=c++17' 'clang++ -x c++ -std=c++17'; do
      # shellcheck disable=SC2086  # the command and its words
      echo "#include \"$header\"" | $compiler "${flags[@]}" - || status=1
    done
  done
  return "$status"
}

# Prints every symbol of the library that should not be there. The static
# library holds each symbol that is not static in its file; the shared one
# what users see, and the libraries that it needs.
stray_symbols() {
  nm -D --defined-only "$1/libweft.so" | awk '$2 != "A" { print $3 }' |
    sed 's/@.*//' | grep -v '^weft_' | sed 's/^/exported: /'
  nm -g --defined-only "$1/libweft.a" | awk 'NF == 3 { print $3 }' |
    grep -v '^weft_' | sed 's/^/neither static nor weft_*: /'
  readelf -d "$1/libweft.so" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' |
    grep -vE '^(libc\.so\.6|ld-linux.*)$' | sed 's/^/needs: /'
}

check_symbols() {
  if [ ! -e "$1/libweft.so" ] || [ ! -e "$1/libweft.a" ]; then
    echo "$1/libweft.so and libweft.a are missing: build first"
    return 1
  fi
  ! stray_symbols "$1" | grep .
}

run_check() {
  case $1 in
    format) check_format ;;
    tidy) c_files '*.c' | xargs -r -n 1 -P 2 tools/tidy_one.sh ;;
    layers) "$python" tools/check_layers.py ;;
    headers) check_headers ;;
    symbols) check_symbols "$library_dir" ;;
    lengths | banned | atomics | documented | words | licence | quoted)
      "$python" tools/check_text.py "$1" ;;
    spelling) text_files |
      xargs codespell --ignore-words tools/codespell_ignore.txt ;;
    shell) text_files | grep -E '\.sh$|/\.ci/run$' | xargs shellcheck ;;
    selftest) tools/lint_selftest.sh ;;
    *) echo "no check is called '$1'"; return 1 ;;
  esac
}

[ $# -gt 0 ] || set -- "${all_checks[@]}"
status=0
for check; do
  if output=$(run_check "$check" 2>&1); then
    echo "ok lint/$check"
  else
    printf '%s\n' "$output" "FAILED lint/$check"
    status=1
  fi
done
exit "$status"
