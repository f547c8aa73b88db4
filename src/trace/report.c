// SPDX-License-Identifier: Apache-2.0
//
// Errors of a whole program, told to whoever ran it.

#include <stdio.h>

#include "sys/sys.h"
#include "weft/status.h"

// The most that is written of one error.
#define REPORT_CAPACITY 2048

int weft_status_report(weft_status_t status) {
  if (weft_status_is_ok(status)) {
    return 0;
  }
  char text[REPORT_CAPACITY];
  weft_status_format(status, text, sizeof(text));
  fprintf(stderr, "%s: %s\n", weft_sys_program_name(), text);
  weft_status_release(status);
  return 1;
}
