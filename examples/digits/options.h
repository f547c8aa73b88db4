// SPDX-License-Identifier: Apache-2.0
//
// The command line.

#ifndef DIGITS_OPTIONS_H_
#define DIGITS_OPTIONS_H_

#include <stdbool.h>
#include <stdint.h>

typedef struct digits_options {
  int64_t seed;
  int64_t epochs;
  // Worker threads of each runtime; 0: one a core.
  int64_t workers;
  bool json;
  const char* data;
  // When the job began, on CLOCK_MONOTONIC; not from the command line.
  int64_t started_ns;
} digits_options_t;

typedef enum digits_options_result {
  DIGITS_OPTIONS_RUN,
  // The help was printed; end well.
  DIGITS_OPTIONS_HELP,
  // What is wrong was printed; end with status 2.
  DIGITS_OPTIONS_WRONG,
} digits_options_result_t;

digits_options_result_t digits_options_parse(int argc, char** argv,
                                             digits_options_t* out_options);

#endif  // DIGITS_OPTIONS_H_
