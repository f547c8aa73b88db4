#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs the full amounts: every test with WEFT_TEST_AMOUNT=soak and without a
# limit on time, then the fuzz targets for WEFT_FUZZ_SECONDS (an hour unless
# set). Writes build/soak-report.txt.
set -u
cd "$(dirname "$0")/.." || exit 1
report=build/soak-report.txt

tools/build.sh plain || exit 1
{
  echo 'weft soak'
  echo "commit: $(git describe --always --dirty 2>/dev/null || echo none)"
  echo "begun:  $(date -u '+%Y-%m-%d %H:%M:%S') UTC"
  echo "host:   $(uname -srm), $(nproc) cores"
  echo
} >"$report"

status=0
WEFT_TEST_AMOUNT=soak /usr/bin/meson test -C build --no-rebuild \
  --timeout-multiplier 0 --print-errorlogs 2>&1 | tee -a "$report"
[ "${PIPESTATUS[0]}" -eq 0 ] || status=1
tools/fuzz.sh "${WEFT_FUZZ_SECONDS:-3600}" 2>&1 | tee -a "$report"
[ "${PIPESTATUS[0]}" -eq 0 ] || status=1

{
  echo
  echo "ended:  $(date -u '+%Y-%m-%d %H:%M:%S') UTC"
  if [ "$status" -eq 0 ]; then echo 'result: passed'; else
    echo 'result: FAILED'
  fi
} | tee -a "$report"
exit "$status"
