// SPDX-License-Identifier: Apache-2.0

#include "trace/text.h"

#include <jansson.h>
#include <string.h>

#include "tests/kit/kit.h"

static void assert_text(const weft_text_t* text, const char* expected) {
  assert_int_equal(text->length, strlen(expected));
  assert_memory_equal(text->buffer, expected, text->length);
}

static void test_numbers_have_their_digits(void** state) {
  (void)state;
  char buffer[200];
  weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
  weft_text_number(&text, 0, 1);
  weft_text_char(&text, ' ');
  weft_text_number(&text, 7, 3);
  weft_text_char(&text, ' ');
  weft_text_number(&text, 12345, 3);
  weft_text_char(&text, ' ');
  weft_text_number(&text, UINT64_MAX, 1);
  assert_text(&text, "0 007 12345 18446744073709551615");
}

static void test_hexadecimal_has_no_leading_zeros(void** state) {
  (void)state;
  char buffer[200];
  weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
  weft_text_hex(&text, 0);
  weft_text_char(&text, ' ');
  weft_text_hex(&text, 0x10f);
  weft_text_char(&text, ' ');
  weft_text_hex(&text, UINT64_MAX);
  assert_text(&text, "0x0 0x10f 0xffffffffffffffff");
}

static void test_times_have_a_point(void** state) {
  (void)state;
  char buffer[200];
  weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
  weft_text_microseconds(&text, 1234567);
  weft_text_char(&text, ' ');
  weft_text_seconds(&text, 5);
  weft_text_char(&text, ' ');
  weft_text_microseconds(&text, -1500);
  weft_text_char(&text, ' ');
  weft_text_seconds(&text, INT64_MIN);
  assert_text(&text, "1234.567 0.000000005 -1.500 -9223372036.854775808");
}

static void test_text_is_cut_at_its_capacity(void** state) {
  (void)state;
  char buffer[6] = "-----";
  weft_text_t text = {.buffer = buffer, .capacity = 4};
  weft_text_string(&text, "abc");
  weft_text_string(&text, "def");
  weft_text_char(&text, 'g');
  weft_text_number(&text, 123, 1);
  assert_text(&text, "abcd");
  assert_string_equal(buffer, "abcd-");
}

static void test_null_is_no_text(void** state) {
  (void)state;
  char buffer[4];
  weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
  weft_text_string(&text, NULL);
  assert_int_equal(text.length, 0);
}

// Escapes, reads it back with a JSON parser, and compares.
static void assert_json_round_trip(const char* string, const char* expected) {
  char buffer[1000];
  weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
  weft_text_string(&text, "[\"");
  weft_text_json(&text, string, 100);
  weft_text_string(&text, "\"]");
  json_error_t error;
  json_t* array = json_loadb(buffer, text.length, 0, &error);
  if (array == NULL) {
    print_error("%s in %.*s\n", error.text, (int)text.length, buffer);
  }
  assert_non_null(array);
  assert_string_equal(json_string_value(json_array_get(array, 0)), expected);
  json_decref(array);
}

static void test_json_escapes_what_it_must(void** state) {
  (void)state;
  assert_json_round_trip("plain", "plain");
  assert_json_round_trip("\"\\/\b\f\n\r\t\x01\x1f\x7f",
                         "\"\\/\b\f\n\r\t\x01\x1f\x7f");
  assert_json_round_trip("", "");
}

static void test_json_keeps_utf8(void** state) {
  (void)state;
  static const char* const texts[] = {
      "\xc3\xa9",   "\xe2\x82\xac", "\xf0\x9f\x98\x80",
      "a\xc2\x80z", "\xee\x80\x80", "\xf4\x8f\xbf\xbf",
  };
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); ++i) {
    assert_json_round_trip(texts[i], texts[i]);
  }
}

static void test_json_replaces_what_is_not_utf8(void** state) {
  (void)state;
#define BAD "\xef\xbf\xbd"
  // A lone continuation, a first byte alone, a cut character.
  assert_json_round_trip("\x80", BAD);
  assert_json_round_trip("\xc3", BAD);
  assert_json_round_trip("\xc3(", BAD "(");
  assert_json_round_trip("\xe2\x82", BAD BAD);
  // Longer than needed, half of a pair, beyond the last character.
  assert_json_round_trip("\xc0\xaf", BAD BAD);
  assert_json_round_trip("\xe0\x80\xaf", BAD BAD BAD);
  assert_json_round_trip("\xed\xa0\x80", BAD BAD BAD);
  assert_json_round_trip("\xf4\x90\x80\x80", BAD BAD BAD BAD);
  assert_json_round_trip("\xff", BAD);
#undef BAD
}

static void test_json_of_any_bytes_is_valid(void** state) {
  (void)state;
  weft_kit_random_t random;
  weft_kit_random_init(&random, 1);
  for (int round = 0; round < 2000; ++round) {
    char bytes[41] = {0};
    for (size_t i = 0; i + 1 < sizeof(bytes); ++i) {
      bytes[i] = (char)weft_kit_random_next(&random);
    }
    char buffer[300];
    weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
    weft_text_string(&text, "[\"");
    weft_text_json(&text, bytes, sizeof(bytes));
    weft_text_string(&text, "\"]");
    json_t* array = json_loadb(buffer, text.length, 0, NULL);
    assert_non_null(array);
    json_decref(array);
  }
}

static void test_json_never_cuts_an_escape(void** state) {
  (void)state;
  for (size_t capacity = 0; capacity < 40; ++capacity) {
    char buffer[50];
    weft_text_t text = {.buffer = buffer, .capacity = 2 + capacity};
    weft_text_string(&text, "[\"");
    weft_text_json(&text, "\x01\xe2\x82\xac\"\x02plain", 100);
    text.capacity = sizeof(buffer);
    weft_text_string(&text, "\"]");
    json_t* array = json_loadb(buffer, text.length, 0, NULL);
    assert_non_null(array);
    json_decref(array);
  }
}

static void test_json_stops_at_the_limit(void** state) {
  (void)state;
  char buffer[20];
  weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
  weft_text_json(&text, "abcdef", 3);
  assert_text(&text, "abc");
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_numbers_have_their_digits),
      cmocka_unit_test(test_hexadecimal_has_no_leading_zeros),
      cmocka_unit_test(test_times_have_a_point),
      cmocka_unit_test(test_text_is_cut_at_its_capacity),
      cmocka_unit_test(test_null_is_no_text),
      cmocka_unit_test(test_json_escapes_what_it_must),
      cmocka_unit_test(test_json_keeps_utf8),
      cmocka_unit_test(test_json_replaces_what_is_not_utf8),
      cmocka_unit_test(test_json_of_any_bytes_is_valid),
      cmocka_unit_test(test_json_never_cuts_an_escape),
      cmocka_unit_test(test_json_stops_at_the_limit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
