#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs every fuzz target of tests/fuzz: fuzz.sh SECONDS (shared by all)
#
# Inputs that were found before are kept in build-fuzz/corpus and tried first,
# as are those of tests/fuzz/corpus/TARGET, which are in the tree. An input
# that breaks a target is written to build-fuzz/ and named.
set -u
cd "$(dirname "$0")/.." || exit 1
seconds=$1

targets=()
for source in tests/fuzz/*.c; do
  [ ! -f "$source" ] || targets+=("$(basename "$source" .c)")
done
if [ ${#targets[@]} -eq 0 ]; then
  echo 'there are no fuzz targets'
  exit 0
fi
tools/build.sh fuzz fuzz || { echo 'FAILED fuzz/build'; exit 1; }

each=$((seconds / ${#targets[@]}))
[ "$each" -gt 0 ] || each=1
status=0
for target in "${targets[@]}"; do
  program=build-fuzz/tests/fuzz-$target
  found=build-fuzz/corpus/$target
  log=build-fuzz/$target.log
  mkdir -p "$found"
  inputs=("$found")
  [ ! -d "tests/fuzz/corpus/$target" ] || inputs+=("tests/fuzz/corpus/$target")
  if "$program" -max_total_time="$each" -print_final_stats=1 \
    -artifact_prefix="build-fuzz/$target-" "${inputs[@]}" >"$log" 2>&1; then
    runs=$(sed -n 's/.*number_of_executed_units: *//p' "$log")
    echo "ok fuzz/$target ($runs inputs in $each s)"
  else
    tail -n 40 "$log"
    input=$(grep -oE "build-fuzz/$target-[a-z]+-[0-9a-f]{40}" "$log")
    echo "to repeat: $program $input"
    echo "FAILED fuzz/$target"
    status=1
  fi
done
exit "$status"
