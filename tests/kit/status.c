// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <string.h>

#include "kit/kit.h"

#define TEXT_CAPACITY 2048

void weft_kit_check_status(weft_status_code_t expected, weft_status_t status,
                           const char* file, int line) {
  weft_kit_check_status_says(expected, "", status, file, line);
}

void weft_kit_check_status_says(weft_status_code_t expected, const char* part,
                                weft_status_t status, const char* file,
                                int line) {
  char text[TEXT_CAPACITY];
  weft_status_format(status, text, sizeof(text));
  weft_status_code_t code = weft_status_ignore(status);
  if (code != expected) {
    fprintf(stderr, "%s:%d: expected '%s', got: %s\n", file, line,
            weft_status_code_name(expected), text);
    _fail(file, line);
  }
  if (strstr(text, part) == NULL) {
    fprintf(stderr, "%s:%d: expected to read '%s' in: %s\n", file, line, part,
            text);
    _fail(file, line);
  }
}
