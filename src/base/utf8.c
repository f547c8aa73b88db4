// SPDX-License-Identifier: Apache-2.0

#include "base/utf8.h"

#include <string.h>

// What the first byte tells: bytes in all, its own bits of the character, and
// the smallest character that needs this many bytes.
typedef struct form {
  size_t length;
  uint32_t bits;
  uint32_t smallest;
} form_t;

static form_t form_of(uint8_t first) {
  form_t none = {0, 0, 0};
  form_t one = {1, first, 0};
  form_t two = {2, first & 0x1fu, 0x80};
  form_t three = {3, first & 0x0fu, 0x800};
  form_t four = {4, first & 0x07u, 0x10000};
  if (first < 0x80) {
    return one;
  }
  if (first < 0xc0 || first > 0xf7) {
    return none;
  }
  return first < 0xe0 ? two : first < 0xf0 ? three : four;
}

size_t weft_utf8_character(const uint8_t* bytes, size_t size_bytes) {
  form_t form = form_of(bytes[0]);
  if (form.length > size_bytes) {
    return 0;
  }
  uint32_t character = form.bits;
  for (size_t i = 1; i < form.length; ++i) {
    if ((bytes[i] & 0xc0) != 0x80) {
      return 0;
    }
    character = character << 6 | (bytes[i] & 0x3fu);
  }
  bool is_surrogate = character >= 0xd800 && character <= 0xdfff;
  bool is_character =
      character >= form.smallest && character <= 0x10ffff && !is_surrogate;
  return is_character ? form.length : 0;
}

// True when all of eight bytes are ASCII.
static bool are_ascii(const uint8_t* bytes) {
  uint64_t word;
  memcpy(&word, bytes, sizeof(word));
  return (word & UINT64_C(0x8080808080808080)) == 0;
}

size_t weft_utf8_prefix(const uint8_t* bytes, size_t size_bytes) {
  size_t done = 0;
  while (done < size_bytes) {
    size_t left = size_bytes - done;
    size_t length = left >= 8 && are_ascii(bytes + done)
                        ? 8
                        : weft_utf8_character(bytes + done, left);
    if (length == 0) {
      break;
    }
    done += length;
  }
  return done;
}
