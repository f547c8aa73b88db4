// SPDX-License-Identifier: Apache-2.0
//
// Bodies that no encoder made. Whatever they are, reading them gives an error
// or a value, and leaves no memory behind.

#include "wire/codec_kit.h"
#include "wire/wire_internal.h"

#define BYTES(text) text, sizeof(text) - 1

// Checks that bytes are refused, with nothing left of what was read before
// the fault. Gives the allocations that it took.
static uint64_t refuse_counted(const void* data, size_t size_bytes,
                               const char* says) {
  weft_kit_allocator_t kit;
  weft_value_t value = weft_int64(7);
  weft_decoder_t decoder;
  const weft_body_t body = {data, size_bytes, 0};
  weft_kit_allocator_init(&kit);
  weft_decoder_init(&decoder, &kit.allocator, NULL, NULL, &body);
  weft_status_t status = weft_decode_value(&decoder, &value);
  if (status == WEFT_OK) {
    status = weft_decoder_finish(&decoder);
    weft_value_release(value);
  }
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, says, status);
  uint64_t allocations = kit.allocations;
  weft_kit_allocator_deinit(&kit);
  return allocations;
}

static void refuse(const void* data, size_t size_bytes, const char* says) {
  (void)refuse_counted(data, size_bytes, says);
}

// --- Damage -----------------------------------------------------------------

// Reads a body; what is accepted can be encoded again.
static bool accepts(const weft_codec_kit_t* kit) {
  weft_kit_allocator_t memory;
  weft_value_t value;
  weft_encoder_t encoder;
  weft_kit_allocator_init(&memory);
  weft_status_t status = weft_codec_kit_decode(kit, &memory.allocator, &value);
  bool is_accepted = status == WEFT_OK;
  if (is_accepted) {
    weft_encoder_init(&encoder, NULL, NULL, NULL);
    weft_kit_assert_ok(weft_encode_value(&encoder, NULL, value));
    weft_encoder_deinit(&encoder);
    weft_value_release(value);
  } else {
    weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, status);
  }
  weft_kit_allocator_deinit(&memory);
  return is_accepted;
}

// A random value and its body. False when that is too much work to damage.
static bool make_body(weft_kit_random_t* random, weft_value_t* value,
                      weft_codec_kit_t* kit) {
  *value = weft_codec_kit_random_value(random, 1);
  weft_codec_kit_begin(kit);
  weft_status_t status = weft_encode_value(&kit->encoder, NULL, *value);
  weft_codec_kit_end(kit);
  return weft_status_ignore(status) == WEFT_STATUS_OK && kit->size_bytes < 3000;
}

static void no_beginning_of_a_body_is_one(weft_kit_random_t* random,
                                          void* user) {
  (void)user;
  weft_codec_kit_t kit;
  weft_value_t value;
  if (make_body(random, &value, &kit)) {
    size_t whole = kit.size_bytes;
    for (size_t size = 0; size < whole; ++size) {
      uint8_t* all = kit.body;
      kit.body = malloc(size > 0 ? size : 1);
      assert_non_null(kit.body);
      memcpy(kit.body, all, size);
      kit.size_bytes = size;
      assert_false(accepts(&kit));
      free(kit.body);
      kit.body = all;
    }
  }
  weft_codec_kit_deinit(&kit);
  weft_value_release(value);
}

static void every_beginning_of_a_body_is_refused(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, no_beginning_of_a_body_is_one, NULL);
}

static void any_byte_may_be_another(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_codec_kit_t kit;
  weft_value_t value;
  if (make_body(random, &value, &kit)) {
    for (size_t i = 0; i < kit.size_bytes; ++i) {
      uint8_t was = kit.body[i];
      kit.body[i] = (uint8_t)(was ^ (1u << weft_kit_random_below(random, 8)));
      (void)accepts(&kit);
      kit.body[i] = (uint8_t)weft_kit_random_next(random);
      (void)accepts(&kit);
      kit.body[i] = was;
    }
  }
  weft_codec_kit_deinit(&kit);
  weft_value_release(value);
}

static void a_flipped_byte_does_no_harm(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, any_byte_may_be_another, NULL);
}

// --- Counts -----------------------------------------------------------------

static void counts_that_cannot_be_met_allocate_nothing(void** state) {
  (void)state;
  assert_int_equal(
      refuse_counted(BYTES("\xdd\xff\xff\xff\xff\x01"), "but only 1"), 0);
  assert_int_equal(
      refuse_counted(BYTES("\xdf\xff\xff\xff\xff\x01\x01"), "but only 2"), 0);
  assert_int_equal(
      refuse_counted(BYTES("\xdb\xff\xff\xff\xff\x01"), "but only 1"), 0);
  assert_int_equal(
      refuse_counted(BYTES("\xc6\xff\xff\xff\xff\x01"), "but only 1"), 0);
  assert_int_equal(
      refuse_counted(BYTES("\xc9\xff\xff\xff\xff\x03\x01"), "but only 1"), 0);
}

// The head of a list.
static void put_count(uint8_t* place, uint32_t count) {
  place[0] = 0xdd;
  for (int i = 0; i < 4; ++i) {
    place[4 - i] = (uint8_t)(count >> 8 * i);
  }
}

static void more_values_than_the_budget_are_refused_before_they_have_room(
    void** state) {
  (void)state;
  const size_t size_bytes = 3 << 20;
  uint8_t* body = calloc(size_bytes, 1);
  assert_non_null(body);
  put_count(body, WEFT_WIRE_VALUE_LIMIT);
  assert_int_equal(refuse_counted(body, size_bytes, "more than 1048576 values"),
                   0);
  // One list may be as long, another in it not: they share the budget.
  put_count(body, WEFT_WIRE_VALUE_LIMIT - 1000);
  put_count(body + 5, 1000);
  assert_int_equal(refuse_counted(body, size_bytes, "more than 1048576 values"),
                   1);
  free(body);
}

static void every_level_of_lists_takes_from_one_budget(void** state) {
  (void)state;
  // Each says that all bytes left are elements, which they could be.
  uint8_t body[4000] = {0};
  for (size_t i = 0; i < 60; ++i) {
    put_count(body + 5 * i, (uint32_t)(sizeof(body) - 5 * (i + 1)));
  }
  weft_kit_allocator_t kit;
  weft_decoder_t decoder;
  weft_value_t value;
  const weft_body_t all = {body, sizeof(body), 0};
  weft_kit_allocator_init(&kit);
  weft_decoder_init(&decoder, &kit.allocator, NULL, NULL, &all);
  decoder.budget = 10000;
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "more than",
                              weft_decode_value(&decoder, &value));
  assert_int_equal(kit.allocations, 2);
  weft_kit_allocator_deinit(&kit);
}

static void causes_take_from_the_budget(void** state) {
  (void)state;
  weft_decoder_t decoder;
  weft_value_t value;
  const weft_body_t body = {BYTES("\xc7\x05\x02\x92\x91\x01\x91\x01"), 0};
  weft_decoder_init(&decoder, NULL, NULL, NULL, &body);
  decoder.budget = 2;
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "more than",
                              weft_decode_value(&decoder, &value));
}

static void lists_and_maps_that_are_too_deep_are_refused(void** state) {
  (void)state;
  uint8_t body[1 << 16];
  memset(body, 0x91, sizeof(body));
  refuse(body, sizeof(body), "byte 64 of 65536: lists and maps are too deep");
  body[WEFT_VALUE_DEPTH_LIMIT] = 0x01;
  weft_value_t value;
  weft_kit_assert_ok(weft_codec_kit_decode_bytes(
      NULL, body, WEFT_VALUE_DEPTH_LIMIT + 1, &value));
  weft_value_release(value);
  // Maps: a key, then the next map.
  for (size_t i = 0; i + 2 < sizeof(body); i += 3) {
    body[i] = 0x81;
    body[i + 1] = 0xa1;
    body[i + 2] = 'k';
  }
  refuse(body, sizeof(body), "too deep");
}

// --- Values that are none ---------------------------------------------------

static void what_is_no_value_is_refused(void** state) {
  (void)state;
  refuse(BYTES("\xc1"), "0xc1 begins no value");
  refuse(BYTES("\x01\x02"), "the values end at byte 1 of 2");
  refuse(BYTES("\xa2\xc3\x28"), "begins no UTF-8 character");
  refuse(BYTES("\x82\xa1k\x01\xa1k\x02"), "the key \"k\" is in the map twice");
  refuse(BYTES("\x81\x01\x02"), "the key of entry 0 is of kind int64");
  refuse(BYTES("\x92\xa1x\xc1"), "byte 3 of 4: 0xc1");
  refuse(BYTES("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), "more than an int64");
  // A time stamp, a type that is kept free, one of layers that are not here.
  refuse(BYTES("\xd6\xff\x01\x02\x03\x04"), "an extension of type -1 means");
  refuse(BYTES("\xd4\x06\x01"), "an extension of type 6 means nothing");
  refuse(BYTES("\xd4\x10\x01"), "an extension of type 16 means nothing");
  refuse(BYTES("\xd4\x01\x01"), "an actor has 12 bytes");
  refuse(BYTES("\xc7\x00\x02"), "the bytes end before a value");
}

static void names_that_are_none_are_refused(void** state) {
  (void)state;
  static const char* const bodies[] = {"\x01\x02", "\xa1\xff\x02", "\xa1n"};
  static const size_t sizes[] = {2, 3, 2};
  for (size_t i = 0; i < 3; ++i) {
    const weft_body_t body = {bodies[i], sizes[i], 0};
    const char* name = "before";
    size_t name_bytes = 7;
    weft_value_t value = weft_int64(7);
    weft_decoder_t decoder;
    weft_decoder_init(&decoder, NULL, NULL, NULL, &body);
    weft_kit_assert_status(
        WEFT_STATUS_DATA_LOSS,
        weft_decode_named(&decoder, &name, &name_bytes, &value));
    assert_null(name);
    assert_int_equal(name_bytes, 0);
    assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
  }
  uint8_t long_name[WEFT_WIRE_TEXT_LIMIT + 10] = {0xda, 0x10, 0x01};
  memset(long_name + 3, 'n', WEFT_WIRE_TEXT_LIMIT + 1);
  const weft_body_t body = {long_name, WEFT_WIRE_TEXT_LIMIT + 5, 0};
  const char* name = NULL;
  size_t name_bytes = 0;
  weft_value_t value;
  weft_decoder_t decoder;
  weft_decoder_init(&decoder, NULL, NULL, NULL, &body);
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, "or too long",
      weft_decode_named(&decoder, &name, &name_bytes, &value));
}

// --- Attachments ------------------------------------------------------------

// 16 bytes for every attachment.
static weft_status_t give_16_bytes(weft_decoder_t* decoder, uint32_t index,
                                   weft_storage_t** out_storage) {
  (void)index;
  *out_storage = NULL;
  weft_storage_t* storage = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_storage_create(decoder->allocator, NULL, 16, &storage));
  memset((void*)(uintptr_t)weft_storage_data(storage), 0xc3, 16);
  *out_storage = storage;
  return WEFT_OK;
}

// Reads a value with so many attachments of 16 bytes.
static weft_status_t read_attached(const void* data, size_t size_bytes,
                                   uint32_t count) {
  static const weft_decoder_vtable_t vtable = {.attachment = give_16_bytes};
  weft_kit_allocator_t kit;
  weft_decoder_t decoder;
  weft_value_t value;
  const weft_body_t body = {data, size_bytes, count};
  weft_kit_allocator_init(&kit);
  weft_decoder_init(&decoder, &kit.allocator, &vtable, NULL, &body);
  weft_status_t status = weft_decode_value(&decoder, &value);
  if (status == WEFT_OK) {
    status = weft_decoder_finish(&decoder);
    weft_value_release(value);
  }
  weft_kit_allocator_deinit(&kit);
  return status;
}

static void every_attachment_must_be_named_once(void** state) {
  (void)state;
  weft_kit_assert_ok(
      read_attached(BYTES("\x92\xd5\x05\x01\x00\xd5\x05\x00\x00"), 2));
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, "byte 5 of 9: names an attachment that was named",
      read_attached(BYTES("\x92\xd5\x05\x01\x00\xd5\x05\x01\x00"), 2));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS,
                              "some are named by no value",
                              read_attached(BYTES("\xd5\x05\x01\x00"), 2));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "that is not there",
                              read_attached(BYTES("\xd5\x05\x02\x00"), 2));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "that is not there",
                              read_attached(BYTES("\xd5\x05\x40\x00"), 65));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "named with 2 bytes",
                              read_attached(BYTES("\xd4\x05\x00"), 1));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "some are named by no",
                              read_attached(BYTES("\x01"), 64));
}

static void all_attachments_of_a_full_body_are_counted(void** state) {
  (void)state;
  uint8_t body[3 + 4 * WEFT_WIRE_ATTACHMENT_LIMIT] = {
      0xdc, 0, WEFT_WIRE_ATTACHMENT_LIMIT};
  for (uint8_t i = 0; i < WEFT_WIRE_ATTACHMENT_LIMIT; ++i) {
    const uint8_t bytes[] = {0xd5, WEFT_EXTENSION_BYTES, i, 0};
    memcpy(body + 3 + 4 * (size_t)i, bytes, sizeof(bytes));
  }
  weft_kit_assert_ok(
      read_attached(body, sizeof(body), WEFT_WIRE_ATTACHMENT_LIMIT));
}

static void a_string_beside_the_body_must_be_utf8(void** state) {
  (void)state;
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "UTF-8",
                              read_attached(BYTES("\xd5\x04\x00\x00"), 1));
}

static void without_a_maker_of_attachments_there_are_none(void** state) {
  (void)state;
  const weft_body_t body = {BYTES("\xd5\x05\x00\x00"), 1};
  weft_decoder_t decoder;
  weft_value_t value;
  weft_decoder_init(&decoder, NULL, NULL, NULL, &body);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "no attachments are",
                              weft_decode_value(&decoder, &value));
}

// --- Tensors ----------------------------------------------------------------

// The extension of a tensor, to be spoiled.
typedef struct tensor_body {
  weft_wire_tensor_t head;
  int64_t dimensions[36];
  uint32_t size_bytes;
} tensor_body_t;

// 2 x 2 numbers of 4 bytes, in 16 bytes, by columns.
static tensor_body_t make_tensor(void) {
  return (tensor_body_t){
      .head = {.ndim = 2, .flags = 1, .dtype = WEFT_FLOAT32},
      .dimensions = {2, 2, 1, 2},
      .size_bytes = 16 + 4 * 8,
  };
}

static weft_status_t read_tensor(const tensor_body_t* tensor) {
  uint8_t body[400] = {0xc8, (uint8_t)(tensor->size_bytes >> 8),
                       (uint8_t)tensor->size_bytes, WEFT_EXTENSION_TENSOR};
  assert_true(tensor->size_bytes + 4 <= sizeof(body));
  memcpy(body + 4, tensor, tensor->size_bytes);
  bool has_none = tensor->head.attachment == WEFT_WIRE_NO_ATTACHMENT;
  return read_attached(body, tensor->size_bytes + 4, has_none ? 0 : 1);
}

static void refuse_tensor(const tensor_body_t* tensor, const char* says) {
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, says, read_tensor(tensor));
}

static void a_tensor_must_lie_within_its_attachment(void** state) {
  (void)state;
  tensor_body_t tensor = make_tensor();
  weft_kit_assert_ok(read_tensor(&tensor));
  tensor.head.byte_offset = 4;
  refuse_tensor(&tensor, "of a storage of 16 bytes");
  tensor.head.byte_offset = UINT64_MAX - 3;
  refuse_tensor(&tensor, "of a storage of 16 bytes");
  tensor = make_tensor();
  tensor.dimensions[3] = -2;
  refuse_tensor(&tensor, "of a storage of 16 bytes");
  tensor.head.byte_offset = 8;
  weft_kit_assert_ok(read_tensor(&tensor));
  tensor.dimensions[0] = INT64_MAX;
  refuse_tensor(&tensor, "2^63 bits");
  tensor.dimensions[0] = -1;
  refuse_tensor(&tensor, "negative size");
  tensor = make_tensor();
  tensor.dimensions[2] = INT64_MIN;
  refuse_tensor(&tensor, "there is no such value");
}

static void a_tensor_must_be_aligned(void** state) {
  (void)state;
  tensor_body_t tensor = make_tensor();
  tensor.dimensions[0] = 1;
  tensor.head.byte_offset = 2;
  refuse_tensor(&tensor, "2 bytes behind a multiple of 4");
}

static void a_tensor_must_have_a_type_and_its_dimensions(void** state) {
  (void)state;
  tensor_body_t tensor = make_tensor();
  tensor.head.dtype.code = 99;
  refuse_tensor(&tensor, "there is no such value");
  tensor = make_tensor();
  tensor.head.flags = 2;
  refuse_tensor(&tensor, "too many dimensions");
  tensor.head.flags = 0;
  refuse_tensor(&tensor, "not the bytes for those");
  tensor = make_tensor();
  tensor.head.ndim = 17;
  tensor.size_bytes = 16 + 2 * 17 * 8;
  refuse_tensor(&tensor, "too many dimensions");
  tensor = make_tensor();
  tensor.size_bytes -= 1;
  refuse_tensor(&tensor, "not the bytes for those");
  tensor.size_bytes = 15;
  refuse_tensor(&tensor, "is cut short");
}

static void elements_need_an_attachment_and_none_need_none(void** state) {
  (void)state;
  tensor_body_t tensor = make_tensor();
  tensor.head.attachment = WEFT_WIRE_NO_ATTACHMENT;
  refuse_tensor(&tensor, "of a storage of 0 bytes");
  tensor.dimensions[0] = 0;
  weft_kit_assert_ok(read_tensor(&tensor));
  tensor.head.byte_offset = 1;
  refuse_tensor(&tensor, "there is no such value");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_beginning_of_a_body_is_refused),
      cmocka_unit_test(a_flipped_byte_does_no_harm),
      cmocka_unit_test(counts_that_cannot_be_met_allocate_nothing),
      cmocka_unit_test(
          more_values_than_the_budget_are_refused_before_they_have_room),
      cmocka_unit_test(every_level_of_lists_takes_from_one_budget),
      cmocka_unit_test(causes_take_from_the_budget),
      cmocka_unit_test(lists_and_maps_that_are_too_deep_are_refused),
      cmocka_unit_test(what_is_no_value_is_refused),
      cmocka_unit_test(names_that_are_none_are_refused),
      cmocka_unit_test(every_attachment_must_be_named_once),
      cmocka_unit_test(all_attachments_of_a_full_body_are_counted),
      cmocka_unit_test(a_string_beside_the_body_must_be_utf8),
      cmocka_unit_test(without_a_maker_of_attachments_there_are_none),
      cmocka_unit_test(a_tensor_must_lie_within_its_attachment),
      cmocka_unit_test(a_tensor_must_be_aligned),
      cmocka_unit_test(a_tensor_must_have_a_type_and_its_dimensions),
      cmocka_unit_test(elements_need_an_attachment_and_none_need_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
