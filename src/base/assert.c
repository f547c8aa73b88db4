// SPDX-License-Identifier: Apache-2.0

#include "base/assert.h"

#include <stdio.h>

noreturn void weft_assert_fail(const char* condition, const char* file,
                               int line) {
  // lint-allow print: these are the last words of the process.
  fprintf(stderr, "%s:%d: weft: not so: %s\n", file, line, condition);
  __builtin_trap();
}
