#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the tests, and goes on when some fail: test.sh [STAGE...]
#
#   plain     every test and example, in the plain build
#   models    tests/models/run.sh: protocols, in every order of their steps
#   lint      tools/lint.sh
#   install   programs outside the tree, against an installed copy
#   asan      every test under AddressSanitizer and UBSan
#   tsan      every test under ThreadSanitizer
#   fuzz      every fuzz target, 60 seconds for all of them
#
# The last line is `N passed, N failed`; status 1 if any failed.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0
failed=0
wrapper=()

# tally STAGE PASSED FAILED
tally() {
  echo "--- $1: $2 passed, $3 failed"
  passed=$((passed + $2))
  failed=$((failed + $3))
}

# Runs a command that prints `ok ...` or `FAILED ...` for each of its parts.
run_listed() {
  local stage=$1 log=build/test-$1.log code good bad
  shift
  mkdir -p build
  "$@" 2>&1 | tee "$log"
  code=${PIPESTATUS[0]}
  good=$(grep -c '^ok ' "$log")
  bad=$(grep -c '^FAILED ' "$log")
  # A command that ends before its first line has failed too.
  [ $((good + bad)) -gt 0 ] || [ "$code" -eq 0 ] || bad=1
  tally "$stage" "$good" "$bad"
}

# Builds a kind and runs its meson tests: run_meson KIND FOLDER [TEST OPTION...]
# `wrapper` is put before meson. A test that is skipped counts as neither.
run_meson() {
  local kind=$1 folder=$2
  shift 2
  if ! tools/build.sh "$kind"; then
    echo "FAILED $kind/build"
    tally "$kind" 0 1
    return
  fi
  local log=$folder/meson-logs/testlog.json good bad
  rm -f "$log"
  "${wrapper[@]}" /usr/bin/meson test -C "$folder" --no-rebuild --quiet \
    --print-errorlogs "$@"
  if [ ! -f "$log" ]; then
    tally "$kind" 0 0
    return
  fi
  good=$(grep -cE '"result": "(OK|EXPECTEDFAIL)"' "$log")
  bad=$(grep -cvE '"result": "(OK|EXPECTEDFAIL|SKIP)"' "$log")
  tally "$kind" "$good" "$bad"
}

run_stage() {
  case $1 in
    plain) run_meson plain build ;;
    models) run_listed models tests/models/run.sh ;;
    lint) run_listed lint tools/lint.sh ;;
    install) run_listed install tests/install/run.sh ;;
    asan) run_sanitized asan build-asan ;;
    tsan) run_sanitized tsan build-tsan ;;
    fuzz) run_listed fuzz tools/fuzz.sh "${WEFT_FUZZ_SECONDS:-60}" ;;
    *) echo "test.sh: unknown stage '$1'" >&2; exit 2 ;;
  esac
}

run_sanitized() {
  # ThreadSanitizer cannot place its shadow under some kernels' randomized
  # addresses; without randomization it always can.
  if setarch "$(uname -m)" -R true 2>/dev/null; then
    wrapper=(setarch "$(uname -m)" -R)
  fi
  WEFT_TEST_AMOUNT=sanitizer \
    ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
    TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
    run_meson "$1" "$2" --timeout-multiplier 2
  wrapper=()
}

[ $# -gt 0 ] || set -- plain models lint install asan tsan fuzz
for stage; do
  echo "=== $stage"
  run_stage "$stage"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
