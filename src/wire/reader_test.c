// SPDX-License-Identifier: Apache-2.0

#include "wire/reader.h"

#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"

// Bytes, and the token that they are.
typedef struct sample {
  const char* bytes;
  size_t size_bytes;
  weft_token_type_t type;
  // Of numbers and bools; else the count.
  int64_t number;
} sample_t;

#define BYTES(text) text, sizeof(text) - 1
#define X16 "0123456789abcdef"
#define X32 X16 X16

static const sample_t samples[] = {
    {BYTES("\xc0"), WEFT_TOKEN_NONE, 0},
    {BYTES("\xc2"), WEFT_TOKEN_BOOL, 0},
    {BYTES("\xc3"), WEFT_TOKEN_BOOL, 1},
    {BYTES("\x00"), WEFT_TOKEN_INT64, 0},
    {BYTES("\x7f"), WEFT_TOKEN_INT64, 127},
    {BYTES("\xe0"), WEFT_TOKEN_INT64, -32},
    {BYTES("\xff"), WEFT_TOKEN_INT64, -1},
    {BYTES("\xcc\x01"), WEFT_TOKEN_INT64, 1},
    {BYTES("\xcc\xff"), WEFT_TOKEN_INT64, 255},
    {BYTES("\xcd\xff\xfe"), WEFT_TOKEN_INT64, 0xfffe},
    {BYTES("\xce\xff\xff\xff\xfe"), WEFT_TOKEN_INT64, 0xfffffffe},
    {BYTES("\xcf\x7f\xff\xff\xff\xff\xff\xff\xff"), WEFT_TOKEN_INT64,
     INT64_MAX},
    {BYTES("\xcf\x00\x00\x00\x00\x00\x00\x00\x05"), WEFT_TOKEN_INT64, 5},
    {BYTES("\xd0\x80"), WEFT_TOKEN_INT64, -128},
    {BYTES("\xd0\x05"), WEFT_TOKEN_INT64, 5},
    {BYTES("\xd1\x80\x00"), WEFT_TOKEN_INT64, -32768},
    {BYTES("\xd1\x00\x05"), WEFT_TOKEN_INT64, 5},
    {BYTES("\xd2\x80\x00\x00\x00"), WEFT_TOKEN_INT64, INT32_MIN},
    {BYTES("\xd2\x00\x00\x00\x05"), WEFT_TOKEN_INT64, 5},
    {BYTES("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"), WEFT_TOKEN_INT64,
     INT64_MIN},
    {BYTES("\xd3\xff\xff\xff\xff\xff\xff\xff\xfb"), WEFT_TOKEN_INT64, -5},
    {BYTES("\xca\xc1\x20\x00\x00"), WEFT_TOKEN_FLOAT64, -10},
    {BYTES("\xcb\xc0\x24\x00\x00\x00\x00\x00\x00"), WEFT_TOKEN_FLOAT64, -10},
    {BYTES("\xa0"), WEFT_TOKEN_STRING, 0},
    {BYTES("\xa3"
           "abc"),
     WEFT_TOKEN_STRING, 3},
    {BYTES("\xd9\x03"
           "abc"),
     WEFT_TOKEN_STRING, 3},
    {BYTES("\xda\x00\x03"
           "abc"),
     WEFT_TOKEN_STRING, 3},
    {BYTES("\xdb\x00\x00\x00\x03"
           "abc"),
     WEFT_TOKEN_STRING, 3},
    {BYTES("\xbf"
           "0123456789abcdef0123456789abcde"),
     WEFT_TOKEN_STRING, 31},
    {BYTES("\xc4\x00"), WEFT_TOKEN_BYTES, 0},
    {BYTES("\xc4\x02xy"), WEFT_TOKEN_BYTES, 2},
    {BYTES("\xc5\x00\x02xy"), WEFT_TOKEN_BYTES, 2},
    {BYTES("\xc6\x00\x00\x00\x02xy"), WEFT_TOKEN_BYTES, 2},
    {BYTES("\x90"), WEFT_TOKEN_LIST, 0},
    {BYTES("\xdc\x00\x00"), WEFT_TOKEN_LIST, 0},
    {BYTES("\xdd\x00\x00\x00\x00"), WEFT_TOKEN_LIST, 0},
    {BYTES("\x80"), WEFT_TOKEN_MAP, 0},
    {BYTES("\xde\x00\x00"), WEFT_TOKEN_MAP, 0},
    {BYTES("\xdf\x00\x00\x00\x00"), WEFT_TOKEN_MAP, 0},
    {BYTES("\xd4\x85x"), WEFT_TOKEN_EXTENSION, 1},
    {BYTES("\xd5\x85xy"), WEFT_TOKEN_EXTENSION, 2},
    {BYTES("\xd6\x85xyzt"), WEFT_TOKEN_EXTENSION, 4},
    {BYTES("\xd7\x85"
           "01234567"),
     WEFT_TOKEN_EXTENSION, 8},
    {BYTES("\xd8\x85" X16), WEFT_TOKEN_EXTENSION, 16},
    {BYTES("\xc7\x00\x85"), WEFT_TOKEN_EXTENSION, 0},
    {BYTES("\xc7\x20\x85" X32), WEFT_TOKEN_EXTENSION, 32},
    {BYTES("\xc8\x00\x20\x85" X32), WEFT_TOKEN_EXTENSION, 32},
    {BYTES("\xc9\x00\x00\x00\x20\x85" X32), WEFT_TOKEN_EXTENSION, 32},
};

#define SAMPLE_COUNT (sizeof(samples) / sizeof(samples[0]))

// Reads from a block of just the size of the bytes.
static weft_status_t read(const char* bytes, size_t size_bytes,
                          weft_token_t* out_token, size_t* out_offset_bytes) {
  char* copy = malloc(size_bytes > 0 ? size_bytes : 1);
  assert_non_null(copy);
  memcpy(copy, bytes, size_bytes);
  weft_token_reader_t reader = {(const uint8_t*)copy, size_bytes, 0};
  weft_status_t status = weft_tokens_next(&reader, out_token);
  if (status == WEFT_OK && out_token->data != NULL) {
    assert_true(out_token->data >= reader.data);
    assert_true(out_token->data + out_token->count <= reader.data + size_bytes);
  }
  *out_offset_bytes = reader.offset_bytes;
  free(copy);
  return status;
}

static int64_t number_of(const weft_token_t* token) {
  switch (token->type) {
    case WEFT_TOKEN_NONE:
      return 0;
    case WEFT_TOKEN_BOOL:
      return token->as.boolean;
    case WEFT_TOKEN_INT64:
      return token->as.int64;
    case WEFT_TOKEN_FLOAT64:
      return (int64_t)token->as.float64;
    default:
      return token->count;
  }
}

static void every_format_is_read(void** state) {
  (void)state;
  for (size_t i = 0; i < SAMPLE_COUNT; ++i) {
    const sample_t* sample = &samples[i];
    weft_token_t token;
    size_t offset_bytes = 0;
    weft_kit_assert_ok(
        read(sample->bytes, sample->size_bytes, &token, &offset_bytes));
    assert_int_equal(token.type, sample->type);
    assert_int_equal(number_of(&token), sample->number);
    assert_int_equal(offset_bytes, sample->size_bytes);
    if (token.type == WEFT_TOKEN_EXTENSION) {
      assert_int_equal(token.extension, -123);
    }
  }
}

static void what_is_cut_short_is_refused(void** state) {
  (void)state;
  for (size_t i = 0; i < SAMPLE_COUNT; ++i) {
    for (size_t size = 0; size < samples[i].size_bytes; ++size) {
      weft_token_t token;
      size_t offset_bytes = 0;
      weft_kit_assert_status(
          WEFT_STATUS_DATA_LOSS,
          read(samples[i].bytes, size, &token, &offset_bytes));
    }
  }
}

static void refuse(const char* bytes, size_t size_bytes, const char* says) {
  weft_token_t token;
  size_t offset_bytes = 0;
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, says,
                              read(bytes, size_bytes, &token, &offset_bytes));
}

static void counts_that_cannot_be_met_are_refused(void** state) {
  (void)state;
  refuse(BYTES("\x93\x01\x02"), "byte 0 of 3: a list of 3, but only 2 bytes");
  refuse(BYTES("\x81\x01"), "a map of 1, but only 1");
  refuse(BYTES("\xdc\xff\xff\x01"), "a list of 65535, but only 1");
  refuse(BYTES("\xdd\xff\xff\xff\xff\x01"), "a list of 4294967295, but only 1");
  refuse(BYTES("\xdf\xff\xff\xff\xff\x01\x02"), "a map of 4294967295");
  refuse(BYTES("\xdf\x80\x00\x00\x01\x01\x02"), "a map of 2147483649");
  refuse(BYTES("\xdb\xff\xff\xff\xff\x01"), "a string of 4294967295");
  refuse(BYTES("\xc6\xff\xff\xff\xff\x01"), "bytes of 4294967295");
  refuse(BYTES("\xc9\xff\xff\xff\xff\x01\x02"), "an extension of 4294967295");
}

static void what_is_no_int64_and_what_is_nothing_is_refused(void** state) {
  (void)state;
  refuse(BYTES("\xc1"), "byte 0 of 1: 0xc1 begins no value");
  refuse(BYTES("\xcf\x80\x00\x00\x00\x00\x00\x00\x00"),
         "9223372036854775808 is more than an int64 holds");
  refuse(BYTES(""), "byte 0 of 0: the bytes end before a value");
}

static void another_type_than_expected_is_refused(void** state) {
  (void)state;
  weft_token_reader_t reader = {(const uint8_t*)"\x01\x02", 2, 0};
  weft_token_t token;
  weft_kit_assert_ok(
      weft_tokens_expect(&reader, WEFT_TOKEN_INT64, "the first", &token));
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS,
      "byte 1 of 2: the second is an int64, not a string",
      weft_tokens_expect(&reader, WEFT_TOKEN_STRING, "the second", &token));
  assert_string_equal(weft_token_type_name(WEFT_TOKEN_EXTENSION),
                      "an extension");
  assert_string_equal(weft_token_type_name(200), "no token");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_format_is_read),
      cmocka_unit_test(what_is_cut_short_is_refused),
      cmocka_unit_test(counts_that_cannot_be_met_are_refused),
      cmocka_unit_test(what_is_no_int64_and_what_is_nothing_is_refused),
      cmocka_unit_test(another_type_than_expected_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
