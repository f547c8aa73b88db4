// SPDX-License-Identifier: Apache-2.0
//
// Text put together in a buffer of the caller's, cut where the buffer ends.
// Nothing here allocates, locks or uses stdio, so all of it may be called in
// a signal handler.

#ifndef WEFT_TRACE_TEXT_H_
#define WEFT_TRACE_TEXT_H_

#include <string.h>

#include "weft/common.h"

typedef struct weft_text {
  char* buffer;
  size_t capacity;
  // What is in use; never more than `capacity`. There is no NUL at the end.
  size_t length;
} weft_text_t;

// Each appends as much as there is room for.
static inline void weft_text_bytes(weft_text_t* text, const char* bytes,
                                   size_t count) {
  size_t room = text->capacity - text->length;
  size_t taken = count < room ? count : room;
  memcpy(text->buffer + text->length, bytes, taken);
  text->length += taken;
}
static inline void weft_text_char(weft_text_t* text, char character) {
  if (text->length < text->capacity) {
    text->buffer[text->length++] = character;
  }
}
// NULL is written as nothing. Inline, so that the length of a literal is
// known when it is compiled.
static inline void weft_text_string(weft_text_t* text, const char* string) {
  if (string != NULL) {
    weft_text_bytes(text, string, strlen(string));
  }
}
// In decimal, with at least `digits` digits (at most 20), or as many as it
// takes.
void weft_text_number(weft_text_t* text, uint64_t number, unsigned digits);
// In hexadecimal, with 0x.
void weft_text_hex(weft_text_t* text, uint64_t number);
// A time in nanoseconds, as seconds with nine decimals.
void weft_text_seconds(weft_text_t* text, int64_t time_ns);
// A time in nanoseconds, as microseconds with three decimals.
void weft_text_microseconds(weft_text_t* text, int64_t time_ns);

// The inside of a JSON string: at most `limit` bytes of it, escaped; what is
// not UTF-8 becomes U+FFFD. Takes at most 6 bytes of text for a byte, and
// ends early, between two characters, where fewer than 6 are left.
void weft_text_json(weft_text_t* text, const char* string, size_t limit);

#endif  // WEFT_TRACE_TEXT_H_
