// SPDX-License-Identifier: Apache-2.0
//
// Assertions guard what must be true whatever a user does; they stay on in
// every build. Input is checked and answered with a status instead.

#ifndef WEFT_BASE_ASSERT_H_
#define WEFT_BASE_ASSERT_H_

#include <stdnoreturn.h>

// Prints the condition and its place to standard error, then traps.
noreturn void weft_assert_fail(const char* condition, const char* file,
                               int line);

#define weft_assert(condition)        \
  (__builtin_expect(!!(condition), 1) \
       ? (void)0                      \
       : weft_assert_fail(#condition, __FILE__, __LINE__))

#endif  // WEFT_BASE_ASSERT_H_
