// SPDX-License-Identifier: Apache-2.0

#include "wire/record.h"

#include "value/value_kit.h"
#include "wire/codec_kit.h"

static const void* bytes_of(weft_value_t bytes, size_t* out_size_bytes) {
  const void* data = NULL;
  weft_kit_assert_ok(weft_value_as_bytes(bytes, &data, out_size_bytes));
  return data;
}

// A copy in a block of just its size, so that a sanitizer sees whoever reads
// behind it. Not aligned: a file need not be.
static uint8_t* copy_of(weft_value_t bytes, size_t* out_size_bytes) {
  const void* data = bytes_of(bytes, out_size_bytes);
  uint8_t* block = malloc(*out_size_bytes + 1);
  assert_non_null(block);
  memcpy(block + 1, data, *out_size_bytes);
  return block;
}

static weft_value_t decode(weft_value_t bytes) {
  size_t size_bytes = 0;
  weft_value_t value;
  weft_status_t error = WEFT_OK;
  uint8_t* copy = copy_of(bytes, &size_bytes);
  weft_kit_assert_ok(
      weft_encoded_decode(NULL, copy + 1, size_bytes, &error, &value));
  free(copy);
  weft_kit_assert_ok(error);
  return value;
}

// --- There and back ---------------------------------------------------------

static void a_value_passes(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_value_t value = weft_codec_kit_random_value(random, 1);
  weft_value_t bytes;
  weft_value_t again;
  size_t size_bytes = 0;
  weft_status_t status = weft_value_encode(NULL, value, &bytes);
  if (weft_status_code(status) == WEFT_STATUS_OUT_OF_RANGE) {
    // More tensors than there may be.
    weft_status_release(status);
    weft_value_release(value);
    return;
  }
  weft_kit_assert_ok(status);
  weft_value_t back = decode(bytes);
  weft_codec_kit_assert_equal(value, back);
  weft_kit_assert_ok(weft_value_encode(NULL, back, &again));
  assert_true(weft_value_equal(bytes, again));
  (void)bytes_of(bytes, &size_bytes);
  assert_int_equal(size_bytes % 8, 0);
  weft_value_release(again);
  weft_value_release(back);
  weft_value_release(bytes);
  weft_value_release(value);
}

static void every_value_comes_back_as_it_was(void** state) {
  (void)state;
  weft_kit_for_some_seeds(500, a_value_passes, NULL);
}

static void an_error_comes_back_as_it_was(void** state) {
  (void)state;
  weft_value_t bytes;
  weft_value_t value;
  weft_status_t back = WEFT_OK;
  size_t size_bytes = 0;
  weft_status_t error = weft_status_create_caused(
      WEFT_STATUS_NOT_FOUND, weft_status_from_code(WEFT_STATUS_PEER_DIED),
      "a.c", 12, "no %s", "actor");
  weft_kit_assert_ok(weft_error_encode(NULL, error, &bytes));
  const void* data = bytes_of(bytes, &size_bytes);
  weft_kit_assert_ok(
      weft_encoded_decode(NULL, data, size_bytes, &back, &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
  weft_codec_kit_assert_status(error, back);
  weft_status_release(back);
  weft_status_release(error);
  weft_value_release(bytes);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_error_encode(NULL, WEFT_OK, &bytes));
}

static void what_cannot_leave_its_process_is_named_with_its_path(void** state) {
  (void)state;
  static const weft_opaque_type_t type = {"window", NULL};
  weft_value_t bytes = weft_int64(7);
  weft_value_t values[2] = {weft_int64(1), weft_none()};
  weft_kit_assert_ok(weft_opaque_create(NULL, &type, NULL, &values[1]));
  weft_value_t list = weft_value_kit_list(values, 2);
  weft_kit_assert_status_says(WEFT_STATUS_UNIMPLEMENTED, "[1]: an opaque",
                              weft_value_encode(NULL, list, &bytes));
  assert_int_equal(weft_value_kind(bytes), WEFT_KIND_NONE);
  weft_value_release(list);
}

static void values_stand_behind_each_other(void** state) {
  (void)state;
  weft_value_t bytes[2];
  uint8_t all[256];
  size_t end_bytes = 0;
  size_t size_bytes = 0;
  weft_kit_assert_ok(weft_value_encode(NULL, weft_float64(0.5), &bytes[0]));
  weft_kit_assert_ok(weft_value_encode(NULL, weft_int64(300), &bytes[1]));
  for (int i = 0; i < 2; i++) {
    const void* data = bytes_of(bytes[i], &size_bytes);
    memcpy(all + end_bytes, data, size_bytes);
    end_bytes += size_bytes;
    weft_value_release(bytes[i]);
  }
  size_t at_bytes = 0;
  for (int i = 0; i < 2; i++) {
    weft_value_t value;
    weft_status_t error;
    weft_kit_assert_ok(weft_encoded_measure(
        all + at_bytes, WEFT_ENCODED_HEAD_BYTES, &size_bytes));
    weft_kit_assert_ok(
        weft_encoded_decode(NULL, all + at_bytes, size_bytes, &error, &value));
    assert_true(
        weft_value_equal(value, i == 0 ? weft_float64(0.5) : weft_int64(300)));
    at_bytes += size_bytes;
  }
  assert_int_equal(at_bytes, end_bytes);
}

// --- Bytes that are none ----------------------------------------------------

// Reads what may be anything; frees all.
static bool accepts(const void* data, size_t size_bytes) {
  weft_kit_allocator_t memory;
  weft_value_t value;
  weft_status_t error = WEFT_OK;
  weft_record_t record;
  weft_kit_allocator_init(&memory);
  weft_status_t opened = weft_record_open(data, size_bytes, &record);
  bool is_plain = opened == WEFT_OK && !record.is_error &&
                  record.attachment_count == 0 &&
                  weft_body_is_plain(record.body, record.body_bytes);
  weft_status_t status =
      weft_encoded_decode(&memory.allocator, data, size_bytes, &error, &value);
  bool is_accepted = status == WEFT_OK;
  assert_true(is_accepted || !is_plain);
  assert_true(is_accepted || weft_status_code(status) == WEFT_STATUS_DATA_LOSS);
  weft_status_release(opened);
  weft_status_release(status);
  weft_status_release(error);
  weft_value_release(value);
  weft_kit_allocator_deinit(&memory);
  return is_accepted;
}

static void damage(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_value_t value = weft_codec_kit_random_value(random, 2);
  weft_value_t bytes;
  size_t size_bytes = 0;
  weft_status_t status = weft_value_encode(NULL, value, &bytes);
  weft_value_release(value);
  if (weft_status_ignore(status) != WEFT_STATUS_OK) {
    return;
  }
  uint8_t* copy = copy_of(bytes, &size_bytes);
  weft_value_release(bytes);
  assert_true(accepts(copy + 1, size_bytes));
  for (size_t i = 0; i < size_bytes && i < 2000; i++) {
    uint8_t was = copy[1 + i];
    assert_false(accepts(copy + 1, i));
    copy[1 + i] = (uint8_t)(was ^ (1u << weft_kit_random_below(random, 8)));
    (void)accepts(copy + 1, size_bytes);
    copy[1 + i] = (uint8_t)weft_kit_random_next(random);
    (void)accepts(copy + 1, size_bytes);
    copy[1 + i] = was;
  }
  free(copy);
}

static void damage_does_no_harm(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, damage, NULL);
}

// An encoded value with one string beside its body: head, body, size, bytes.
typedef struct forged {
  uint8_t head[16];
  uint8_t body[8];
  uint64_t size_bytes;
  char text[8];
} forged_t;

static const forged_t sound = {
    .head = {1, 1, 1, 0, 4, 0, 0, 0, 40},
    .body = {0xd5, WEFT_EXTENSION_STRING, 0, 0},
    .size_bytes = 3,
    .text = "abc",
};

static void refuse(const forged_t* forged, const char* says) {
  weft_status_t error;
  weft_value_t value;
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, says,
      weft_encoded_decode(NULL, forged, sizeof(*forged), &error, &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
  assert_true(error == WEFT_OK);
}

static void refuse_head(size_t at, uint8_t byte, const char* says) {
  forged_t forged = sound;
  forged.head[at] = byte;
  refuse(&forged, says);
}

static void a_head_that_lies_is_refused(void** state) {
  (void)state;
  assert_true(accepts(&sound, sizeof(sound)));
  refuse_head(0, 2, "version 2");
  refuse_head(1, 0, "neither a value nor an error");
  refuse_head(1, 3, "neither a value nor an error");
  refuse_head(1, 2, "has too much beside it");
  refuse_head(2, 65, "has too much beside it");
  refuse_head(2, 0, "not that of their parts");
  refuse_head(2, 2, "ends behind them");
  refuse_head(7, 0xff, "the body is too large");
  refuse_head(8, 48, "of 48 bytes has 40");
  refuse_head(8, 41, "not that of their parts");
  refuse_head(8, 0, "not that of their parts");
  refuse_head(15, 0x80, "has 40");
  forged_t forged = sound;
  forged.size_bytes = 9;
  refuse(&forged, "ends behind them");
  forged.size_bytes = UINT64_MAX;
  refuse(&forged, "ends behind them");
  forged.size_bytes = 0;
  refuse(&forged, "not that of their parts");
  forged = sound;
  forged.body[2] = 1;
  refuse(&forged, "not there");
  assert_false(accepts("", 0));
}

// What layers above would read, they do not here.
static void what_belongs_to_a_runtime_is_refused(void** state) {
  (void)state;
  uint8_t forged[48] = {1, 1, 0, 0, 26, 0, 0, 0, 48, [16] = 0xc7, 24, 16};
  weft_status_t error;
  weft_value_t value;
  forged[4] = 27;
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, "type 16 means nothing",
      weft_encoded_decode(NULL, forged, sizeof(forged), &error, &value));
}

// --- Plain bodies -----------------------------------------------------------

#define PLAIN(text) weft_body_is_plain(text, sizeof(text) - 1)

static void a_plain_body_is_known_without_a_decoder(void** state) {
  (void)state;
  assert_true(PLAIN("\xc0"));
  assert_true(PLAIN("\x93\x01\xa2\xc3\xa9\xc4\x01\xff"));
  assert_true(PLAIN("\x82\xa1k\x81\xa1k\x02\xa1l\x90"));
  assert_true(PLAIN("\xc7\x0c\x01............"));
  assert_false(PLAIN(""));
  assert_false(PLAIN("\x01\x02"));
  assert_false(PLAIN("\xc1"));
  assert_false(PLAIN("\xa2\xc3\x28"));
  assert_false(PLAIN("\x81\x01\x02"));
  assert_false(PLAIN("\x81\xa1\xff\x02"));
  assert_false(PLAIN("\x82\xa1k\x01\xa1k\x02"));
  assert_false(PLAIN("\x92\x01"));
  assert_false(PLAIN("\xc7\x0b\x01..........."));
  assert_false(PLAIN("\xc7\x0c\x02............"));
  uint8_t deep[WEFT_VALUE_DEPTH_LIMIT + 2];
  memset(deep, 0x91, sizeof(deep));
  deep[WEFT_VALUE_DEPTH_LIMIT] = 0xc0;
  deep[WEFT_VALUE_DEPTH_LIMIT + 1] = 0xc0;
  assert_true(weft_body_is_plain(deep, WEFT_VALUE_DEPTH_LIMIT + 1));
  deep[WEFT_VALUE_DEPTH_LIMIT] = 0x91;
  assert_false(weft_body_is_plain(deep, sizeof(deep)));
}

static void more_values_than_a_body_may_have_are_not_plain(void** state) {
  (void)state;
  const size_t limit = WEFT_WIRE_VALUE_LIMIT;
  uint8_t* body = malloc(5 + limit);
  assert_non_null(body);
  memset(body, 0xc0, 5 + limit);
  static const uint8_t fits[] = {0xdd, 0x00, 0x0f, 0xff, 0xff};
  memcpy(body, fits, sizeof(fits));
  assert_true(weft_body_is_plain(body, 5 + limit - 1));
  static const uint8_t more[] = {0xdd, 0x00, 0x10, 0x00, 0x00};
  memcpy(body, more, sizeof(more));
  assert_false(weft_body_is_plain(body, 5 + limit));
  free(body);
}

// --- Memory -----------------------------------------------------------------

// Encodes and decodes a list of a tensor, a text beside the body and a map.
static weft_status_t there_and_back(const weft_allocator_t* allocator,
                                    void* user, void** out_object) {
  const weft_value_t* value = user;
  weft_value_t bytes = weft_none();
  weft_value_t back = weft_none();
  weft_status_t error = WEFT_OK;
  const void* data = NULL;
  size_t size_bytes = 0;
  WEFT_RETURN_IF_ERROR(weft_value_encode(allocator, *value, &bytes));
  weft_status_t status = weft_value_as_bytes(bytes, &data, &size_bytes);
  if (status == WEFT_OK) {
    status = weft_encoded_decode(allocator, data, size_bytes, &error, &back);
  }
  weft_value_release(bytes);
  if (status == WEFT_OK) {
    *out_object = back.as.object;
  }
  return status;
}

static void release_back(void* object, void* user) {
  (void)user;
  weft_value_t value = {.kind = WEFT_KIND_LIST, .as = {.object = object}};
  weft_value_release(value);
}

static void without_memory_it_is_a_status(void** state) {
  (void)state;
  char text[WEFT_WIRE_INLINE_LIMIT + 1];
  const int64_t shape[] = {5};
  const float numbers[] = {1, 2, 3, 4, 5};
  weft_tensor_t* tensor = NULL;
  weft_map_entry_t entry = {weft_value_kit_string("key"), weft_none()};
  weft_value_t values[3];
  memset(text, 'x', sizeof(text));
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_FLOAT32, 1, shape, numbers, &tensor));
  values[0] = weft_tensor_into_value(tensor);
  weft_kit_assert_ok(weft_string_create(NULL, text, sizeof(text), &values[1]));
  weft_kit_assert_ok(weft_map_create(NULL, &entry, 1, &values[2]));
  weft_value_release(entry.key);
  weft_value_t list = weft_value_kit_list(values, 3);
  const weft_kit_creation_t creation = {
      .create = there_and_back,
      .destroy = release_back,
      .user = &list,
  };
  weft_kit_sweep(&creation);
  weft_value_release(list);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_value_comes_back_as_it_was),
      cmocka_unit_test(an_error_comes_back_as_it_was),
      cmocka_unit_test(what_cannot_leave_its_process_is_named_with_its_path),
      cmocka_unit_test(values_stand_behind_each_other),
      cmocka_unit_test(damage_does_no_harm),
      cmocka_unit_test(a_head_that_lies_is_refused),
      cmocka_unit_test(what_belongs_to_a_runtime_is_refused),
      cmocka_unit_test(a_plain_body_is_known_without_a_decoder),
      cmocka_unit_test(more_values_than_a_body_may_have_are_not_plain),
      cmocka_unit_test(without_memory_it_is_a_status),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
