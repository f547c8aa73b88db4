// SPDX-License-Identifier: Apache-2.0

#include "trace/text.h"

#include "base/utf8.h"

// Digits of the largest number.
#define DIGITS_LIMIT 20u
// Bytes of the longest way to write one character in JSON.
#define ESCAPE_LIMIT 6u

void weft_text_number(weft_text_t* text, uint64_t number, unsigned digits) {
  char written[DIGITS_LIMIT];
  unsigned start = DIGITS_LIMIT;
  do {
    written[--start] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  while (start > DIGITS_LIMIT - digits) {
    written[--start] = '0';
  }
  weft_text_bytes(text, written + start, DIGITS_LIMIT - start);
}

void weft_text_hex(weft_text_t* text, uint64_t number) {
  static const char digits[] = "0123456789abcdef";
  unsigned shift = 60;
  while (shift > 0 && number >> shift == 0) {
    shift -= 4;
  }
  weft_text_string(text, "0x");
  for (;;) {
    weft_text_char(text, digits[number >> shift & 15]);
    if (shift == 0) {
      return;
    }
    shift -= 4;
  }
}

// Writes the sign of a time; gives the time without it.
static uint64_t append_sign(weft_text_t* text, int64_t time_ns) {
  if (time_ns >= 0) {
    return (uint64_t)time_ns;
  }
  weft_text_char(text, '-');
  return 0 - (uint64_t)time_ns;
}

void weft_text_seconds(weft_text_t* text, int64_t time_ns) {
  uint64_t magnitude = append_sign(text, time_ns);
  weft_text_number(text, magnitude / 1000000000, 1);
  weft_text_char(text, '.');
  weft_text_number(text, magnitude % 1000000000, 9);
}

void weft_text_microseconds(weft_text_t* text, int64_t time_ns) {
  uint64_t magnitude = append_sign(text, time_ns);
  weft_text_number(text, magnitude / 1000, 1);
  weft_text_char(text, '.');
  weft_text_number(text, magnitude % 1000, 3);
}

// --- JSON -------------------------------------------------------------------

// Writes a character below U+0080.
static void append_ascii(weft_text_t* text, char character) {
  static const char digits[] = "0123456789abcdef";
  unsigned char code = (unsigned char)character;
  if (character == '"' || character == '\\') {
    weft_text_char(text, '\\');
    weft_text_char(text, character);
  } else if (character == '\n') {
    weft_text_string(text, "\\n");
  } else if (character == '\t') {
    weft_text_string(text, "\\t");
  } else if (code < 0x20 || code == 0x7f) {
    weft_text_string(text, "\\u00");
    weft_text_char(text, digits[code >> 4]);
    weft_text_char(text, digits[code & 15]);
  } else {
    weft_text_char(text, character);
  }
}

static bool is_plain(char character) {
  unsigned char code = (unsigned char)character;
  return code >= 0x20 && code < 0x7f && code != '"' && code != '\\';
}

// How many bytes at the start of a text stand for themselves.
static size_t plain_length(const char* bytes, size_t count) {
  size_t length = 0;
  while (length < count && is_plain(bytes[length])) {
    ++length;
  }
  return length;
}

// Writes the character at the start of a text; gives its length.
static size_t append_character(weft_text_t* text, const char* bytes,
                               size_t count) {
  if ((unsigned char)bytes[0] < 0x80) {
    append_ascii(text, bytes[0]);
    return 1;
  }
  size_t length = weft_utf8_character((const uint8_t*)bytes, count);
  if (length == 0) {
    weft_text_string(text, "\xef\xbf\xbd");
    return 1;
  }
  weft_text_bytes(text, bytes, length);
  return length;
}

void weft_text_json(weft_text_t* text, const char* string, size_t limit) {
  size_t count = strnlen(string, limit);
  size_t at = plain_length(string, count);
  weft_text_bytes(text, string, at);
  while (at < count && text->capacity - text->length >= ESCAPE_LIMIT) {
    at += append_character(text, string + at, count - at);
  }
}
