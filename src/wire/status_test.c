// SPDX-License-Identifier: Apache-2.0
//
// Statuses there and back, with place and causes.

#include <stdio.h>

#include "base/origin.h"
#include "base/status_internal.h"
#include "wire/codec_kit.h"

// Takes `status` over.
static weft_status_t there_and_back(weft_status_t status) {
  weft_codec_kit_t kit;
  weft_decoder_t decoder;
  weft_status_t back = WEFT_OK;
  weft_codec_kit_begin(&kit);
  weft_kit_assert_ok(weft_encode_status(&kit.encoder, status));
  weft_codec_kit_end(&kit);
  weft_codec_kit_decoder(&kit, NULL, &decoder);
  weft_kit_assert_ok(weft_decode_status(&decoder, &back));
  weft_kit_assert_ok(weft_decoder_finish(&decoder));
  weft_codec_kit_deinit(&kit);
  weft_status_release(status);
  return back;
}

static void round_trip(weft_status_t status) {
  weft_status_t back = there_and_back(weft_status_retain(status));
  weft_codec_kit_assert_status(status, back);
  weft_status_release(back);
  weft_status_release(status);
}

static void describe_counter(const weft_origin_t* origin,
                             weft_origin_text_t* text) {
  (void)origin;
  text->rank = 3;
  memcpy(text->actor, "counter#7", sizeof("counter#7"));
  text->endpoint = "add";
}

static void every_code_comes_back(void** state) {
  (void)state;
  for (int code = 1; code < WEFT_STATUS_CODE_COUNT; ++code) {
    round_trip(weft_status_make((weft_status_code_t)code, "code %d", code));
    round_trip(weft_status_from_code((weft_status_code_t)code));
  }
}

static void place_and_causes_come_back(void** state) {
  (void)state;
  const weft_origin_t counter = {describe_counter};
  weft_status_t root = weft_status_from_code(WEFT_STATUS_CLOSED);
  weft_origin_current = &counter;
  weft_status_t middle =
      weft_status_make_caused(WEFT_STATUS_NOT_FOUND, root, "in a handler");
  weft_origin_current = NULL;
  weft_status_t status = weft_status_create_caused(
      WEFT_STATUS_FAILED, middle, NULL, -5, "%s", "\xc3\xa9t\xc3\xa9");
  assert_string_equal(weft_status_origin(middle).actor, "counter#7");
  round_trip(status);
}

static void an_empty_message_with_a_cause_comes_back(void** state) {
  (void)state;
  weft_status_t root = weft_status_make(WEFT_STATUS_CLOSED, "root");
  round_trip(
      weft_status_create_caused(WEFT_STATUS_FAILED, root, NULL, 0, "%s", ""));
}

static void a_text_that_is_no_utf8_comes_back(void** state) {
  (void)state;
  round_trip(weft_status_make(WEFT_STATUS_FAILED, "file \xff\xfe is missing"));
}

// --- Limits -----------------------------------------------------------------

static weft_status_t make_long(const char* end, size_t size_bytes) {
  char text[WEFT_WIRE_TEXT_LIMIT + 100];
  memset(text, 'x', sizeof(text));
  (void)snprintf(text + size_bytes - strlen(end), 100, "%s", end);
  return weft_status_make(WEFT_STATUS_FAILED, "%.*s", (int)size_bytes, text);
}

static void the_longest_text_comes_back_whole(void** state) {
  (void)state;
  round_trip(make_long("end", WEFT_WIRE_TEXT_LIMIT));
}

static void a_longer_text_is_cut_behind_a_character(void** state) {
  (void)state;
  weft_status_t back = there_and_back(make_long("", WEFT_WIRE_TEXT_LIMIT + 1));
  const char* message = weft_status_message(back);
  assert_int_equal(strlen(message), WEFT_WIRE_TEXT_LIMIT);
  assert_string_equal(message + WEFT_WIRE_TEXT_LIMIT - 4, "x...");
  weft_status_release(back);
  // The character of 4 bytes would end one byte behind the room.
  back = there_and_back(
      make_long("\xf0\x9f\x90\x80|12", WEFT_WIRE_TEXT_LIMIT + 1));
  message = weft_status_message(back);
  assert_int_equal(strlen(message), WEFT_WIRE_TEXT_LIMIT - 3);
  assert_string_equal(message + WEFT_WIRE_TEXT_LIMIT - 7, "x...");
  weft_status_release(back);
}

static void a_longer_text_that_is_no_utf8_is_cut_at_a_byte(void** state) {
  (void)state;
  weft_status_t status = make_long("", WEFT_WIRE_TEXT_LIMIT + 50);
  char text[WEFT_WIRE_TEXT_LIMIT + 100];
  (void)snprintf(text, sizeof(text), "\xff%s", weft_status_message(status));
  weft_status_release(status);
  weft_status_t back =
      there_and_back(weft_status_make(WEFT_STATUS_FAILED, "%s", text));
  assert_int_equal(strlen(weft_status_message(back)), WEFT_WIRE_TEXT_LIMIT);
  weft_status_release(back);
}

static weft_status_t make_chain(int count) {
  weft_status_t status = WEFT_OK;
  for (int i = 0; i < count; ++i) {
    weft_status_code_t code =
        i == 0 ? WEFT_STATUS_DATA_LOSS : WEFT_STATUS_FAILED;
    status = weft_status_make_caused(code, status, "level %d", i);
  }
  return status;
}

static void chains_up_to_the_limit_come_back_whole(void** state) {
  (void)state;
  for (int count = 1; count <= WEFT_WIRE_CAUSE_LIMIT + 1; ++count) {
    round_trip(make_chain(count));
  }
}

static void of_longer_chains_the_first_causes_and_the_root_come_back(
    void** state) {
  (void)state;
  static const int counts[] = {34, 35, 5000};
  for (size_t i = 0; i < 3; ++i) {
    weft_status_t back = there_and_back(make_chain(counts[i]));
    weft_status_t at = back;
    char says[64];
    for (int level = 0; level < WEFT_WIRE_CAUSE_LIMIT - 1; ++level) {
      (void)snprintf(says, sizeof(says), "level %d", counts[i] - 1 - level);
      assert_string_equal(weft_status_message(at), says);
      at = weft_status_cause(at);
    }
    (void)snprintf(says, sizeof(says), "... %d more, the first of all:",
                   counts[i] - WEFT_WIRE_CAUSE_LIMIT);
    assert_string_equal(weft_status_message(at), says);
    assert_int_equal(weft_status_code(at), WEFT_STATUS_FAILED);
    assert_string_equal(weft_status_message(weft_status_cause(at)), "level 0");
    assert_true(weft_status_cause(at) == weft_status_root(back));
    assert_int_equal(weft_status_code(weft_status_root(back)),
                     WEFT_STATUS_DATA_LOSS);
    // Passed on once more it stays as it is.
    round_trip(back);
  }
}

// --- Memory -----------------------------------------------------------------

static void without_memory_the_code_comes_back_alone(void** state) {
  (void)state;
  weft_status_t status = make_chain(3);
  weft_codec_kit_t kit;
  weft_decoder_t decoder;
  weft_status_t back = WEFT_OK;
  weft_codec_kit_begin(&kit);
  weft_kit_assert_ok(weft_encode_status(&kit.encoder, status));
  weft_codec_kit_end(&kit);
  weft_status_release(status);
  weft_codec_kit_decoder(&kit, NULL, &decoder);
  weft_status_fail_allocations(true);
  weft_status_t error = weft_decode_status(&decoder, &back);
  weft_status_fail_allocations(false);
  weft_kit_assert_ok(error);
  assert_true(back == weft_status_from_code(WEFT_STATUS_FAILED));
  weft_codec_kit_deinit(&kit);
}

// --- Hostile bytes ----------------------------------------------------------

#define BYTES(text) text, sizeof(text) - 1

// Reads the bytes as an extension of a status.
static weft_status_t read(const char* data, size_t size_bytes,
                          weft_status_t* out_status) {
  uint8_t body[300] = {0xc7, (uint8_t)size_bytes, WEFT_EXTENSION_STATUS};
  weft_decoder_t decoder;
  const weft_body_t all = {body, size_bytes + 3, 0};
  assert_true(size_bytes < 256);
  memcpy(body + 3, data, size_bytes);
  weft_decoder_init(&decoder, NULL, NULL, NULL, &all);
  return weft_decode_status(&decoder, out_status);
}

static void refuse(const char* data, size_t size_bytes, const char* says) {
  weft_status_t status = WEFT_OK;
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, says,
                              read(data, size_bytes, &status));
  assert_true(status == WEFT_OK);
}

static void a_code_of_a_later_version_is_a_failure_with_its_number(
    void** state) {
  (void)state;
  weft_status_t status = WEFT_OK;
  weft_kit_assert_ok(read(BYTES("\x92\x91\x12\x97\x63\xa2no\xa3"
                                "a.c\x07\x02\xc0\xc0"),
                          &status));
  assert_int_equal(weft_status_code(status), WEFT_STATUS_FAILED);
  assert_string_equal(weft_status_message(status),
                      "status code 99 of a later weft: no");
  assert_int_equal(weft_status_origin(status).rank, 2);
  assert_int_equal(weft_status_code(weft_status_cause(status)),
                   WEFT_STATUS_CLOSED);
  weft_status_release(status);
  weft_kit_assert_ok(read(BYTES("\x91\x91\x63"), &status));
  assert_string_equal(weft_status_message(status),
                      "status code 99 of a later weft");
  weft_status_release(status);
}

static void what_is_no_status_is_refused(void** state) {
  (void)state;
  refuse(BYTES("\x01"), "a status is an int64, not a list");
  refuse(BYTES("\x90"), "the chain is empty");
  refuse(BYTES("\xdc\x00\x22\x91\x01\x91\x01\x91\x01\x91\x01\x91\x01\x91\x01"
               "\x91\x01\x91\x01\x91\x01\x91\x01\x91\x01\x91\x01\x91\x01\x91"
               "\x01\x91\x01\x91\x01\x91\x01\x91\x01\x91\x01\x91\x01"),
         "or too long");
  refuse(BYTES("\x91\x91\x00"), "a number is out of range");
  refuse(BYTES("\x91\x91\xff"), "a number is out of range");
  refuse(BYTES("\x91\x91\xa1x"), "a number of a status is a string");
  refuse(BYTES("\x91\x90"), "neither 1 nor 7 members");
  refuse(BYTES("\x91\x92\x01\x01"), "neither 1 nor 7 members");
  refuse(BYTES("\x91\x91\x01\x01"), "ends before its extension");
  refuse(BYTES("\x92\x91\x01"), "byte 6 of 6: the bytes end");
  refuse(BYTES("\x91\x97\x01\x05\xc0\x00\x00\xc0\xc0"), "no string");
  refuse(BYTES("\x91\x97\x01\xa1\xff\xc0\x00\x00\xc0\xc0"), "not UTF-8");
  refuse(BYTES("\x91\x97\x01\xa1\x00\xc0\x00\x00\xc0\xc0"), "a NUL inside");
  refuse(BYTES("\x91\x97\x01\xa0\xc0\xcb\x00\x00\x00\x00\x00\x00\x00\x00\x00"
               "\xc0\xc0"),
         "a number of a status is a float64");
  refuse(BYTES("\x91\x97\x01\xa0\xc0\xce\xff\xff\xff\xff\x00\xc0\xc0"),
         "a number is out of range");
  // A cause that was read is released when its effect cannot be.
  refuse(BYTES("\x92\x97\x01\xa1x\xc0\x00\x00\xc0\xc0\x91\x00"), "range");
}

static void another_value_in_place_of_a_status_is_refused(void** state) {
  (void)state;
  weft_status_t status = WEFT_OK;
  weft_decoder_t decoder;
  const weft_body_t actor = {"\xd4\x01x", 3, 0};
  weft_decoder_init(&decoder, NULL, NULL, NULL, &actor);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "of another type",
                              weft_decode_status(&decoder, &status));
  const weft_body_t number = {"\x01", 1, 0};
  weft_decoder_init(&decoder, NULL, NULL, NULL, &number);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS,
                              "a status is an int64, not an extension",
                              weft_decode_status(&decoder, &status));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_comes_back),
      cmocka_unit_test(place_and_causes_come_back),
      cmocka_unit_test(an_empty_message_with_a_cause_comes_back),
      cmocka_unit_test(a_text_that_is_no_utf8_comes_back),
      cmocka_unit_test(the_longest_text_comes_back_whole),
      cmocka_unit_test(a_longer_text_is_cut_behind_a_character),
      cmocka_unit_test(a_longer_text_that_is_no_utf8_is_cut_at_a_byte),
      cmocka_unit_test(chains_up_to_the_limit_come_back_whole),
      cmocka_unit_test(
          of_longer_chains_the_first_causes_and_the_root_come_back),
      cmocka_unit_test(without_memory_the_code_comes_back_alone),
      cmocka_unit_test(a_code_of_a_later_version_is_a_failure_with_its_number),
      cmocka_unit_test(what_is_no_status_is_refused),
      cmocka_unit_test(another_value_in_place_of_a_status_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
