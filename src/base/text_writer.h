// SPDX-License-Identifier: Apache-2.0
//
// Text that is cut where its buffer ends, but counted to its own end: what
// every function called `..._format` writes.

#ifndef WEFT_BASE_TEXT_WRITER_H_
#define WEFT_BASE_TEXT_WRITER_H_

#include "weft/common.h"

typedef struct weft_text_writer {
  // May be NULL when the capacity is 0.
  char* buffer;
  size_t capacity;
  // Of the whole text, without the NUL; may be more than the capacity.
  size_t length;
} weft_text_writer_t;

// Starts with an empty text.
weft_text_writer_t weft_text_writer_make(char* buffer, size_t capacity);

void weft_text_append(weft_text_writer_t* writer, const char* format, ...)
    WEFT_PRINTF(2, 3);

#endif  // WEFT_BASE_TEXT_WRITER_H_
