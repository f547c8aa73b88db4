// SPDX-License-Identifier: Apache-2.0
//
// Values without their structure: there and back, and what cannot be read.

#include "value/structure.h"
#include "value/value_kit.h"
#include "wire/codec_kit.h"

static weft_status_t make_dense(void* user, const weft_path_t* path,
                                weft_value_t part, weft_value_t* out_part) {
  const weft_tensor_t* tensor = NULL;
  weft_tensor_t* dense = NULL;
  (void)user;
  (void)path;
  if (weft_value_kind(part) != WEFT_KIND_TENSOR) {
    *out_part = weft_value_retain(part);
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(part, &tensor));
  WEFT_RETURN_IF_ERROR(weft_tensor_copy(NULL, NULL, tensor, &dense));
  *out_part = weft_tensor_into_value(dense);
  return WEFT_OK;
}

static bool has_gaps(const weft_tensor_t* tensor) {
  return !weft_tensor_is_contiguous(tensor);
}

// A value without gaps, and its structure.
typedef struct pair {
  weft_value_t value;
  weft_value_t structure;
} pair_t;

// Owns: takes `value` over.
static pair_t make_pair(weft_value_t value) {
  pair_t pair;
  weft_kit_assert_ok(
      weft_value_replace(NULL, value, make_dense, NULL, &pair.value));
  weft_kit_assert_ok(weft_structure_create(NULL, value, &pair.structure));
  assert_false(weft_value_has_tensor(pair.value, has_gaps));
  weft_kit_assert_ok(weft_structure_check(pair.structure, pair.value));
  weft_value_release(value);
  return pair;
}

static void drop_pair(const pair_t* pair) {
  weft_value_release(pair->value);
  weft_value_release(pair->structure);
}

// False when it has more tensors than a message.
static bool encode(weft_codec_kit_t* kit, const pair_t* pair) {
  weft_codec_kit_begin(kit);
  weft_status_t status = weft_encode_data(&kit->encoder, "value", pair->value);
  if (status != WEFT_OK) {
    weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE, status);
    weft_encoder_deinit(&kit->encoder);
    return false;
  }
  weft_codec_kit_end(kit);
  return true;
}

static weft_status_t decode(const weft_codec_kit_t* kit,
                            const weft_allocator_t* allocator,
                            weft_value_t structure, weft_value_t* out_value) {
  weft_decoder_t decoder;
  weft_codec_kit_decoder(kit, allocator, &decoder);
  WEFT_RETURN_IF_ERROR(weft_decode_data(&decoder, structure, out_value));
  weft_status_t status = weft_decoder_finish(&decoder);
  if (status != WEFT_OK) {
    weft_value_release(*out_value);
    *out_value = weft_none();
  }
  return status;
}

// --- There and back ---------------------------------------------------------

static void data_comes_back(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_codec_kit_t kit;
  weft_value_t back;
  pair_t pair = make_pair(weft_codec_kit_random_value(random, 0));
  if (encode(&kit, &pair)) {
    weft_kit_assert_ok(decode(&kit, NULL, pair.structure, &back));
    weft_codec_kit_assert_equal(pair.value, back);
    weft_value_release(back);
    weft_codec_kit_deinit(&kit);
  }
  drop_pair(&pair);
}

static void random_data_comes_back(void** state) {
  (void)state;
  weft_kit_for_seeds(data_comes_back, NULL);
}

static weft_value_t make_sample(void) {
  const int64_t shape[] = {2, 2};
  const int8_t elements[] = {1, 2, 3, 4};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT8, 2, shape, elements, &tensor));
  const weft_value_t parts[] = {weft_int64(5), weft_tensor_into_value(tensor),
                                weft_value_kit_string("ab"), weft_none()};
  return weft_value_kit_list(parts, 4);
}

static void data_is_what_the_format_says(void** state) {
  (void)state;
  static const uint8_t bytes[] = {0x05, 0xa2, 'a', 'b', 0xc0};
  weft_codec_kit_t kit;
  pair_t pair = make_pair(make_sample());
  assert_true(encode(&kit, &pair));
  assert_int_equal(kit.size_bytes, sizeof(bytes));
  assert_memory_equal(kit.body, bytes, sizeof(bytes));
  assert_int_equal(kit.encoder.attachment_count, 1);
  assert_int_equal(kit.encoder.attachments[0].size_bytes, 4);
  weft_codec_kit_deinit(&kit);
  drop_pair(&pair);
}

// --- Damage -----------------------------------------------------------------

static void try_decode(const weft_codec_kit_t* kit, weft_value_t structure) {
  weft_kit_allocator_t memory;
  weft_value_t value;
  weft_kit_allocator_init(&memory);
  weft_status_t status = decode(kit, &memory.allocator, structure, &value);
  if (status == WEFT_OK) {
    weft_kit_assert_ok(weft_structure_check(structure, value));
    weft_value_release(value);
  } else {
    weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, status);
  }
  weft_kit_allocator_deinit(&memory);
}

static void damage_is_an_error(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_codec_kit_t kit;
  pair_t pair = make_pair(weft_codec_kit_random_value(random, 2));
  pair_t other = make_pair(weft_codec_kit_random_value(random, 2));
  if (encode(&kit, &pair)) {
    try_decode(&kit, other.structure);
    for (size_t i = 0; i < kit.size_bytes && i < 200; ++i) {
      uint8_t was = kit.body[i];
      kit.body[i] = (uint8_t)weft_kit_random_next(random);
      try_decode(&kit, pair.structure);
      kit.body[i] = was;
    }
    for (uint32_t i = 0; i < kit.encoder.attachment_count; ++i) {
      size_t was = kit.encoder.attachments[i].size_bytes;
      kit.encoder.attachments[i].size_bytes = was / 2 + 1;
      try_decode(&kit, pair.structure);
      kit.encoder.attachments[i].size_bytes = was;
    }
    weft_codec_kit_deinit(&kit);
  }
  drop_pair(&pair);
  drop_pair(&other);
}

static void damaged_data_is_an_error(void** state) {
  (void)state;
  weft_kit_for_seeds(damage_is_an_error, NULL);
}

static void refuse(weft_codec_kit_t* kit, const pair_t* pair,
                   const char* says) {
  weft_value_t value;
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, says,
                              decode(kit, NULL, pair->structure, &value));
}

static void data_of_another_form_is_refused(void** state) {
  (void)state;
  weft_codec_kit_t kit;
  pair_t pair = make_pair(make_sample());
  assert_true(encode(&kit, &pair));
  weft_encoder_bytes_t* elements = &kit.encoder.attachments[0];
  elements->size_bytes = 3;
  refuse(&kit, &pair, "value: [1]: byte 1 of 5");
  static const int8_t more[] = {1, 2, 3, 4, 5};
  elements->data = more;
  elements->size_bytes = sizeof(more);
  refuse(&kit, &pair, "is larger than the tensor");
  elements->size_bytes = 4;
  kit.encoder.attachment_count = 0;
  refuse(&kit, &pair, "an attachment that is not there");
  kit.encoder.attachment_count = 2;
  kit.encoder.attachments[1] = *elements;
  refuse(&kit, &pair, "named by no value");
  kit.encoder.attachment_count = 1;
  kit.body[0] = 0xc3;
  refuse(&kit, &pair, "value: [0]: byte 0 of 5: a value is of another kind");
  kit.body[0] = 0x90;
  refuse(&kit, &pair, "of another kind");
  kit.body[0] = 5;
  kit.size_bytes = 4;
  refuse(&kit, &pair, "value: [3]");
  weft_codec_kit_deinit(&kit);
  drop_pair(&pair);
}

static weft_codec_kit_t swept;
static pair_t swept_pair;

static weft_status_t decode_swept(const weft_allocator_t* allocator,
                                  weft_value_t* out_value) {
  return decode(&swept, allocator, swept_pair.structure, out_value);
}

static weft_status_t make_structure(const weft_allocator_t* allocator,
                                    weft_value_t* out_value) {
  return weft_structure_create(allocator, swept_pair.value, out_value);
}

static void it_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_value_t parts[12];
  for (int i = 0; i < 12; ++i) {
    parts[i] = make_sample();
  }
  swept_pair = make_pair(weft_value_kit_list(parts, 12));
  assert_true(encode(&swept, &swept_pair));
  weft_value_kit_sweep(decode_swept);
  weft_value_kit_sweep(make_structure);
  weft_codec_kit_deinit(&swept);
  drop_pair(&swept_pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_data_comes_back),
      cmocka_unit_test(data_is_what_the_format_says),
      cmocka_unit_test(damaged_data_is_an_error),
      cmocka_unit_test(data_of_another_form_is_refused),
      cmocka_unit_test(it_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
