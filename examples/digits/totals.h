// SPDX-License-Identifier: Apache-2.0
//
// What the runtimes of the job did, all of them together.

#ifndef DIGITS_TOTALS_H_
#define DIGITS_TOTALS_H_

#include <weft/weft.h>

typedef struct totals {
  int64_t messages;
  // Tensor data that was handed on where it lay: inside of a process; to
  // another one. And what was not.
  int64_t bytes_passed;
  int64_t bytes_lent;
  int64_t bytes_copied;
} totals_t;

// Asks every runtime of the job, and waits until all have answered.
weft_status_t totals_ask(weft_runtime_t* runtime, totals_t* out_totals);

#endif  // DIGITS_TOTALS_H_
