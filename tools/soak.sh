#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the amounts that a claim rests on: soak.sh [ROW...], all by default.
# Writes build/soak-report.txt: of each amount how much was asked for, done and
# failed, and the times that were measured. A part of a test that fails stops
# nothing else, and the command that repeats it stands in the report.
#
# A row is its name, a test, how many parts of it (WEFT_TEST_PART: each part is
# what one `make test` runs, of other seeds), what is counted, and how much of
# that is asked for; `-`: that the test passes. What has passed is kept in
# build/soak/COMMIT and not run again, so a run that was ended (Ctrl-C) can go
# on; with changes that are not committed all is run again. The rows take a core
# some 20 hours: seeds 16, points 4; fuzzing takes what it is given.
#
#   SOAK_JOBS=N           so many tests at a time; 1 unless set, for times are
#                         to be those of a machine that does nothing else
#   WEFT_FUZZ_SECONDS=N   for all fuzz targets; 86400 unless set
# shellcheck disable=SC2016,SC2317  # Functions are called by their names.
set -u
cd "$(dirname "$0")/.." || exit 1
rows='
points src-link-shm-crash     20 instructions            -
points tests-process-crash     1 crash_points            -
points tests-process-ring_crash 5 crash_points           -
kills  tests-process-random   20 kills               10000
kills  tests-process-flow     50 channel_kills        2000
stops  tests-process-crowd    10 stopped_peers         100
full   tests-process-bounds    1 -                       -
full   src-link-shm-shm        1 -                       -
full   src-memory-arena        1 -                       -
full   src-actor-room          1 -                       -
bytes  src-job-hostile       100 make_noise          30000
bytes  src-link-shm-hostile  100 random_lane         30000
bytes  src-wire-hostile      100 any_byte_may_be_another 20000
bytes  tests-process-hostile  20 hostile_jobs         1200
seeds  src-memory-protocol  1000 live              1000000
seeds  tests-sim-actors     2000 run_world         1000000
seeds  tests-sim-bank       1000 run_bank          1000000
seeds  tests-sim-calls       834 run_errand        1000000
seeds  tests-sim-futures     500 run_graph         1000000
seeds  tests-sim-lives      2000 run_town          1000000
seeds  tests-sim-lost       3334 play              1000000
seeds  tests-sim-post       1000 run_post          1000000
seeds  tests-sim-realm      1000 run_realm         1000000
fuzz   - - - -
'
report=build/soak-report.txt
commit=$(git describe --always --dirty 2>/dev/null || echo none)
export folder=build/soak/$commit
export OPENBLAS_NUM_THREADS=1 WEFT_GOLDEN=$PWD/tests/golden
export WEFT_TEST_AMOUNT=whole

# run_part TEST PART: leaves what it printed, and how it failed if it did.
run_part() {
  local log=$folder/$1.$2 code again
  [ ! -f "$log.passed" ] || return 0
  rm -f "$log.failed"
  WEFT_TEST_PART=$2 timeout --foreground --signal=ABRT --kill-after=10 \
    7200 "build/tests/$1" >"$log.log" 2>&1 </dev/null
  code=$?
  # Ended together with this script.
  [ "$code" -ne 130 ] && [ "$code" -ne 143 ] || exit 255
  if [ "$code" -eq 0 ]; then
    mv "$log.log" "$log.passed"
  else
    again=$(grep -o 'repeat it with: .*' "$log.log") ||
      again="repeat it with: WEFT_TEST_PART=$2 build/tests/$1"
    echo "  status $code, $log.log; $again" >"$log.failed"
  fi
}
export -f run_part

# of_parts TEST SUFFIX: what the parts of a test left.
of_parts() {
  find "$folder" -name "$1.*.$2" -exec cat {} +
}

# The 99th of 100 of the times of one kind, and the most, in ms.
say_times() {
  awk -v kind="$1" '$1 == "time:" && $2 == kind { print $3 }' | sort -n |
    awk -v kind="$1" '{ of[NR] = $1 } END { if (NR > 0)
      printf "; %s p99 %.2f ms, most %.2f ms", kind,
        of[int((NR * 99 + 99) / 100)], of[NR] }'
}

# say_row NAME TEST PARTS WHAT ASKED: false if something failed or is missing.
say_row() {
  local name=$1 test=$2 parts=$3 what=$4 asked=$5 passed amount failures kind
  failures=$(of_parts "$test" failed | wc -l)
  amount=$(of_parts "$test" passed | awk -v what="$what" \
    '$1 == "amount:" && $2 == what { n += $3 } END { print n + 0 }')
  passed=$(find "$folder" -name "$test.*.passed" | wc -l)
  [ "$what" != - ] || amount=$passed
  if [ "$asked" = - ]; then
    # However many there are: parts that passed had all of theirs.
    asked=$([ "$passed" -eq "$parts" ] && echo "$amount" || echo all)
  fi
  printf '%-7s %-16s %s: asked %s, done %s, failed %s' "$name" \
    "${test#*-}" "${what/#-/runs}" "$asked" "$amount" "$failures"
  for kind in noticed reclaimed given_up; do
    of_parts "$test" passed | say_times "$kind"
  done
  echo
  of_parts "$test" failed
  [ "$failures" -eq 0 ] && [ "$asked" != all ] && [ "$amount" -ge "$asked" ]
}

is_wanted() {
  [ "${#wanted[@]}" -eq 0 ] || [[ " ${wanted[*]} " == *" $1 "* ]]
}

each_row() {
  local name test parts what asked
  while read -r name test parts what asked; do
    if [ -n "$name" ] && is_wanted "$name"; then
      "$1" "$name" "$test" "$parts" "$what" "$asked" || status=1
    fi
  done <<<"$rows"
}

run_row() {
  if [ "$1" = fuzz ]; then
    rm -f "$folder/fuzz.log"
    tools/fuzz.sh "${WEFT_FUZZ_SECONDS:-86400}" >"$folder/fuzz.log" 2>&1
  else
    seq 0 $(($3 - 1)) | xargs -P "${SOAK_JOBS:-1}" -I{} \
      bash -c 'run_part "$0" "$1"' "$2" {}
  fi
}

write_row() {
  if [ "$1" = fuzz ]; then
    # Each target has run to its end.
    sed 's/^/fuzz    /' "$folder/fuzz.log" 2>/dev/null &&
      [ "$(grep -c '^ok fuzz/' "$folder/fuzz.log")" -eq \
        "$(find tests/fuzz -maxdepth 1 -name '*.c' | wc -l)" ]
  else
    say_row "$@"
  fi
}

write_report() {
  status=0
  {
    echo "weft soak: ${wanted[*]:-all rows}"
    echo "commit: $commit"
    echo "begun:  $begun"
    echo "ended:  $(date -u '+%Y-%m-%d %H:%M:%S') UTC"
    echo "host:   $(uname -srm), $(nproc) cores, ${SOAK_JOBS:-1} at a time"
    echo
    each_row write_row
    echo
    if [ "$status" -eq 0 ]; then echo 'result: passed'; else
      echo 'result: FAILED, or not all was run'
    fi
  } >"$report"
  cat "$report"
  exit "$status"
}

wanted=("$@")
for row; do
  if ! grep -q "^$row " <<<"$rows"; then
    echo "soak.sh: unknown row '$row'" >&2
    exit 2
  fi
done
begun="$(date -u '+%Y-%m-%d %H:%M:%S') UTC"
tools/build.sh plain || exit 1
[[ $commit != *-dirty ]] || rm -rf "$folder"
mkdir -p "$folder"
trap write_report INT TERM
each_row run_row
write_report
