#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Checks the models of this folder with spin: that the sound one has no error,
# in each of the shapes below, and that each planted fault is found.
# Prints `ok models/...` or `FAILED models/...`, and status 1 if any failed.
#
#   run.sh                              all of them, as many at a time as cores
#   run.sh --check KIND NAME OPTION...  one: sound, finite or fault
set -u
cd "$(dirname "$0")" || exit 1
model=$PWD/ring.pml

# Two readers that both sleep are many states, so they come to few values.
one='-DREADERS=1 -DSLEEPERS=1'
two='-DREADERS=2 -DSLEEPERS=1'
all='-DLEAVING -DFRAMES'
sound="
one_slot           $one -DSLOTS=1 -DVALUES=4 $all
two_slots          $one -DSLOTS=2 -DVALUES=5 $all
one_slot_futures   $one -DSLOTS=1 -DVALUES=4 $all -DFUTURES
two_slots_futures  $one -DSLOTS=2 -DVALUES=5 $all -DFUTURES
two_readers        $two -DSLOTS=1 -DVALUES=3 -DLEAVING
two_readers_ahead  $two -DSLOTS=2 -DVALUES=3 -DLEAVING
two_futures        $two -DSLOTS=1 -DVALUES=3 -DLEAVING -DFUTURES
two_sleepers       -DREADERS=2 -DSLEEPERS=2 -DSLOTS=1 -DVALUES=2
"
# Which fault, and the smallest shape that shows it.
faults="
READER_LOOKS_ONCE                   $one -DSLOTS=1 -DVALUES=2
WRITER_LOOKS_ONCE                   $one -DSLOTS=1 -DVALUES=2
LOOKS_WHO_SLEEPS_BEFORE_IT_SHOWS    $one -DSLOTS=1 -DVALUES=2
LOOKS_WHO_SLEEPS_BEFORE_IT_RELEASES $one -DSLOTS=1 -DVALUES=2
SLEEPS_FOR_WHAT_HAS_COME            $one -DSLOTS=1 -DVALUES=2
SHOWS_WHAT_IS_NOT_WHOLE             $one -DSLOTS=1 -DVALUES=2
RELEASES_WHAT_IT_READS              $one -DSLOTS=1 -DVALUES=2
LOOKS_AT_ONE_CURSOR                 $two -DSLOTS=1 -DVALUES=2
BELL_TO_A_READER_IS_DROPPED         $one -DSLOTS=2 -DVALUES=3
BELL_TO_THE_WRITER_IS_DROPPED       $one -DSLOTS=1 -DVALUES=3
RINGS_FOR_THE_LAST_OF_SEVERAL       $one -DSLOTS=2 -DVALUES=3
NOBODY_HEARS_OF_A_LEAVER            $one -DSLOTS=1 -DVALUES=2 -DLEAVING
A_FRAME_WAKES_NOBODY                $one -DSLOTS=1 -DVALUES=1 -DFRAMES
"

# Makes the program that searches: build OPTION... -- CFLAG...
build() {
  local options=()
  while [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  shift
  spin "${options[@]}" -a "$model" && gcc -w "$@" -o pan pan.c
}

# Every state was seen, and none is wrong.
is_sound() {
  build "$@" -- -O1 -DSAFETY && ./pan -m100000 -w22 -n >log &&
    grep -q 'errors: 0$' log && ! grep -qE '^(pan: )?(error|out of)' log
}

# No step can be repeated for ever.
is_finite() {
  build "$@" -- -O1 -DNP && ./pan -l -m100000 -w22 -n >log &&
    grep -q 'errors: 0$' log && ! grep -qE '^(pan: )?(error|out of)' log
}

# Something is wrong: a wrong value, or a state in which nothing goes on.
is_found() {
  build "$@" -- -O0 -DSAFETY && ./pan -m100000 -n >log &&
    grep -qE '^pan:[0-9]+: (assertion violated|invalid end state)' log
}

# check KIND NAME OPTION...
check() {
  local kind=$1 name=$2 folder
  shift 2
  folder=$(mktemp -d)
  cd "$folder" || exit 1
  case $kind in
    fault) set -- "$@" "-DFAULT_$name" ;;
  esac
  name=${name,,}
  if case $kind in
    sound) is_sound "$@" ;;
    finite) is_finite "$@" ;;
    fault) is_found "$@" ;;
  esac then
    echo "ok models/ring/$kind/$name"
  else
    [ ! -f log ] || cat log
    echo "FAILED models/ring/$kind/$name: spin $* $model"
  fi
  cd / && rm -rf "$folder"
}

if [ "${1-}" = --check ]; then
  shift
  check "$@"
  exit
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
{
  echo "$sound" | sed -n 's/^./sound &/p'
  echo "$faults" | sed -n 's/^./fault &/p'
  echo "finite two_slots $one -DSLOTS=2 -DVALUES=3 $all"
} | xargs -P "$(nproc)" -L 1 "$PWD/run.sh" --check | tee "$log"
grep -q '^ok ' "$log" && ! grep -q '^FAILED ' "$log"
