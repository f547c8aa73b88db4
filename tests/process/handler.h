// SPDX-License-Identifier: Apache-2.0
//
// Handlers of actors of tests, which need not use all that they are given.

#ifndef WEFT_TESTS_PROCESS_HANDLER_H_
#define WEFT_TESTS_PROCESS_HANDLER_H_

#include "weft/weft.h"

#define MAYBE_UNUSED __attribute__((unused))
#define HANDLER(name)                                                   \
  static weft_status_t name(MAYBE_UNUSED weft_context_t* context,       \
                            MAYBE_UNUSED void* state,                   \
                            MAYBE_UNUSED const weft_value_t* arguments, \
                            MAYBE_UNUSED weft_value_t* out_result)

// Of an argument that is declared to be one.
static inline int64_t int_of(weft_value_t value) {
  return value.as.int64;
}

#endif  // WEFT_TESTS_PROCESS_HANDLER_H_
