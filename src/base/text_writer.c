// SPDX-License-Identifier: Apache-2.0

#include "base/text_writer.h"

#include <stdarg.h>
#include <stdio.h>

weft_text_writer_t weft_text_writer_make(char* buffer, size_t capacity) {
  weft_text_writer_t writer = {buffer, capacity, 0};
  if (capacity > 0) {
    buffer[0] = '\0';
  }
  return writer;
}

void weft_text_append(weft_text_writer_t* writer, const char* format, ...) {
  bool has_room = writer->length < writer->capacity;
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(has_room ? writer->buffer + writer->length : NULL,
                         has_room ? writer->capacity - writer->length : 0,
                         format, arguments);
  va_end(arguments);
  writer->length += length < 0 ? 0 : (size_t)length;
}
