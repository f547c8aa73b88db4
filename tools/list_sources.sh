#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lists C sources for meson, one a line, relative to the folder given.
#
#   list_sources.sh FOLDER sources    every .c file that is not a unit test
#   list_sources.sh FOLDER tests      every unit test: *_test.c
#   list_sources.sh FOLDER runs       the lines of the file TESTS, if any
set -eu

cd "$1"
case $2 in
  sources) find . -type f -name '*.c' ! -name '*_test.c' ;;
  tests) find . -type f -name '*_test.c' ;;
  runs) [ ! -f TESTS ] || grep -v '^#' TESTS ;;
  *) echo "list_sources.sh: unknown kind '$2'" >&2; exit 2 ;;
esac | sed 's|^\./||' | LC_ALL=C sort
