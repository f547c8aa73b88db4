// SPDX-License-Identifier: Apache-2.0

#include "base/utf8.h"

#include <stdbool.h>
#include <string.h>

#include "kit/kit.h"

// Writes a number as UTF-8 would, with as many bytes as asked for, whether
// that is allowed or not.
static void encode(uint32_t character, size_t length, uint8_t* out_bytes) {
  static const uint8_t marks[] = {0, 0x00, 0xc0, 0xe0, 0xf0};
  for (size_t i = length; i-- > 1;) {
    out_bytes[i] = (uint8_t)(0x80 | (character & 0x3f));
    character >>= 6;
  }
  out_bytes[0] = (uint8_t)(marks[length] | character);
}

static size_t shortest_length(uint32_t character) {
  return character < 0x80      ? 1
         : character < 0x800   ? 2
         : character < 0x10000 ? 3
                               : 4;
}

static bool is_surrogate(uint32_t character) {
  return character >= 0xd800 && character < 0xe000;
}

static void every_character_is_accepted_in_its_shortest_form(void** state) {
  (void)state;
  uint8_t bytes[4];
  for (uint32_t character = 0; character <= 0x10ffff; ++character) {
    size_t length = shortest_length(character);
    encode(character, length, bytes);
    size_t expected = is_surrogate(character) ? 0 : length;
    assert_int_equal(weft_utf8_character(bytes, length), expected);
  }
}

static void overlong_forms_are_refused(void** state) {
  (void)state;
  uint8_t bytes[4];
  for (uint32_t character = 0; character < 0x10000; ++character) {
    for (size_t length = shortest_length(character) + 1; length <= 4;
         ++length) {
      encode(character, length, bytes);
      assert_int_equal(weft_utf8_character(bytes, length), 0);
    }
  }
}

static void numbers_above_the_last_character_are_refused(void** state) {
  (void)state;
  uint8_t bytes[4];
  for (uint32_t character = 0x110000; character < 0x200000; ++character) {
    encode(character, 4, bytes);
    assert_int_equal(weft_utf8_character(bytes, 4), 0);
  }
}

static void every_first_byte_that_begins_nothing_is_refused(void** state) {
  (void)state;
  for (unsigned first = 0x80; first <= 0xff; ++first) {
    if (first >= 0xc2 && first <= 0xf4) {
      continue;
    }
    uint8_t bytes[4] = {(uint8_t)first, 0x80, 0x80, 0x80};
    assert_int_equal(weft_utf8_character(bytes, 4), 0);
  }
}

static void a_character_cut_short_is_refused(void** state) {
  (void)state;
  const uint32_t characters[] = {0xe9, 0x20ac, 0x1f600};
  uint8_t bytes[4];
  for (size_t i = 0; i < 3; ++i) {
    size_t length = shortest_length(characters[i]);
    encode(characters[i], length, bytes);
    for (size_t kept = 1; kept < length; ++kept) {
      assert_int_equal(weft_utf8_character(bytes, kept), 0);
    }
    for (size_t broken = 1; broken < length; ++broken) {
      uint8_t whole = bytes[broken];
      bytes[broken] = 'a';
      assert_int_equal(weft_utf8_character(bytes, length), 0);
      bytes[broken] = 0xc0;
      assert_int_equal(weft_utf8_character(bytes, length), 0);
      bytes[broken] = whole;
    }
  }
}

static void the_prefix_ends_at_the_first_fault(void** state) {
  (void)state;
  uint8_t bytes[40];
  memset(bytes, 'a', sizeof(bytes));
  assert_int_equal(weft_utf8_prefix(bytes, 0), 0);
  for (size_t size = 1; size <= sizeof(bytes); ++size) {
    assert_int_equal(weft_utf8_prefix(bytes, size), size);
    for (size_t fault = 0; fault < size; ++fault) {
      bytes[fault] = 0xff;
      assert_int_equal(weft_utf8_prefix(bytes, size), fault);
      bytes[fault] = 'a';
    }
  }
}

static void the_prefix_takes_mixed_text_whole(void** state) {
  (void)state;
  const char* text =
      "plain ASCII, then \xc3\xa9, \xe2\x82\xac and "
      "\xf0\x9f\x98\x80 and more ASCII";
  size_t size = strlen(text);
  assert_int_equal(weft_utf8_prefix((const uint8_t*)text, size), size);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_character_is_accepted_in_its_shortest_form),
      cmocka_unit_test(overlong_forms_are_refused),
      cmocka_unit_test(numbers_above_the_last_character_are_refused),
      cmocka_unit_test(every_first_byte_that_begins_nothing_is_refused),
      cmocka_unit_test(a_character_cut_short_is_refused),
      cmocka_unit_test(the_prefix_ends_at_the_first_fault),
      cmocka_unit_test(the_prefix_takes_mixed_text_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
