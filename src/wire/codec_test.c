// SPDX-License-Identifier: Apache-2.0
//
// Values there and back, and what cannot be sent.

#include "value/value_kit.h"
#include "wire/codec_kit.h"

static void round_trip(weft_value_t value) {
  weft_codec_kit_t kit;
  weft_value_t back;
  weft_codec_kit_encode(&kit, value);
  weft_kit_assert_ok(weft_codec_kit_decode(&kit, NULL, &back));
  weft_codec_kit_assert_equal(value, back);
  weft_value_release(back);
  weft_codec_kit_deinit(&kit);
}

// As above, of a value that this takes over.
static void round_trip_and_release(weft_value_t value) {
  round_trip(value);
  weft_value_release(value);
}

// --- There and back ---------------------------------------------------------

static void scalars_come_back_with_all_their_bits(void** state) {
  (void)state;
  static const int64_t edges[] = {
      0,         1,         127,        128,        255,       256,
      65535,     65536,     INT32_MAX,  UINT32_MAX, INT64_MAX, -1,
      -32,       -33,       -128,       -129,       -32768,    -32769,
      INT32_MIN, INT64_MIN, 4294967296, -4294967297};
  const uint64_t nan_bits = UINT64_C(0x7ff0000000000123);
  double nan = 0;
  memcpy(&nan, &nan_bits, sizeof(nan));
  round_trip(weft_none());
  round_trip(weft_bool(true));
  round_trip(weft_bool(false));
  for (size_t i = 0; i < sizeof(edges) / sizeof(edges[0]); ++i) {
    round_trip(weft_int64(edges[i]));
  }
  round_trip(weft_float64(0.1));
  round_trip(weft_float64(-0.0));
  round_trip(weft_float64(nan));
  round_trip(weft_actor_value((weft_actor_t){65535, 2, 3, UINT32_MAX}));
}

static void values_of_every_shape_come_back(weft_kit_random_t* random,
                                            void* user) {
  (void)user;
  weft_codec_kit_t kit;
  weft_value_t value = weft_codec_kit_random_value(random, 0);
  weft_codec_kit_begin(&kit);
  weft_status_t status = weft_encode_value(&kit.encoder, "value", value);
  if (weft_status_code(status) == WEFT_STATUS_OUT_OF_RANGE) {
    // It has more tensors than a message.
    assert_int_equal(kit.encoder.attachment_count, 0);
    weft_status_release(status);
    weft_encoder_deinit(&kit.encoder);
  } else {
    weft_kit_assert_ok(status);
    weft_encoder_deinit(&kit.encoder);
    round_trip(value);
  }
  weft_value_release(value);
}

static void random_values_come_back(void** state) {
  (void)state;
  weft_kit_for_seeds(values_of_every_shape_come_back, NULL);
}

static weft_value_t make_text(size_t size_bytes, bool is_string) {
  char* data = malloc(size_bytes);
  weft_value_t value;
  assert_non_null(data);
  memset(data, 'x', size_bytes);
  weft_kit_assert_ok(is_string
                         ? weft_string_create(NULL, data, size_bytes, &value)
                         : weft_bytes_create(NULL, data, size_bytes, &value));
  free(data);
  return value;
}

static void large_strings_and_bytes_go_beside_the_body(void** state) {
  (void)state;
  for (int i = 0; i < 4; ++i) {
    bool is_beside = i >= 2;
    size_t size_bytes = WEFT_WIRE_INLINE_LIMIT + (is_beside ? 1 : 0);
    weft_codec_kit_t kit;
    weft_value_t value = make_text(size_bytes, i % 2 == 0);
    weft_codec_kit_encode(&kit, value);
    assert_int_equal(kit.encoder.attachment_count, is_beside ? 1 : 0);
    assert_int_equal(kit.size_bytes, is_beside ? 4 : size_bytes + 3);
    weft_codec_kit_deinit(&kit);
    round_trip_and_release(value);
  }
}

static void strings_that_find_no_attachment_left_stay_in_the_body(
    void** state) {
  (void)state;
  weft_value_t values[WEFT_WIRE_ATTACHMENT_LIMIT];
  for (size_t i = 0; i < WEFT_WIRE_ATTACHMENT_LIMIT; ++i) {
    values[i] = make_text(WEFT_WIRE_INLINE_LIMIT + 1 + i, i % 2 == 0);
  }
  weft_value_t list = weft_value_kit_list(values, WEFT_WIRE_ATTACHMENT_LIMIT);
  weft_codec_kit_t kit;
  weft_codec_kit_encode(&kit, list);
  assert_int_equal(kit.encoder.attachment_count,
                   WEFT_WIRE_ATTACHMENT_LIMIT / 2);
  weft_codec_kit_deinit(&kit);
  round_trip_and_release(list);
}

static void the_deepest_value_comes_back(void** state) {
  (void)state;
  weft_value_t value = weft_int64(7);
  for (int i = 0; i < WEFT_VALUE_DEPTH_LIMIT; ++i) {
    value = weft_value_kit_list(&value, 1);
  }
  round_trip_and_release(value);
}

// --- Tensors ----------------------------------------------------------------

static weft_tensor_t* make_tensor(weft_dtype_t dtype, uint32_t ndim,
                                  const int64_t* shape) {
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, dtype, ndim, shape, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  for (size_t i = 0; i < weft_tensor_size_bytes(tensor); ++i) {
    ((uint8_t*)data)[i] = (uint8_t)i;
  }
  return tensor;
}

static void a_tensor_goes_as_the_smallest_range_with_its_elements(
    void** state) {
  (void)state;
  const int64_t shape[] = {6, 4};
  weft_tensor_t* whole = make_tensor(WEFT_FLOAT32, 2, shape);
  weft_tensor_t* rows = NULL;
  weft_tensor_t* column = NULL;
  weft_codec_kit_t kit;
  weft_kit_assert_ok(weft_tensor_slice(whole, 0, 2, 4, &rows));
  weft_kit_assert_ok(weft_tensor_slice(rows, 1, 1, 2, &column));
  weft_value_t value = weft_tensor_into_value(column);
  weft_codec_kit_encode(&kit, value);
  const weft_encoder_bytes_t* bytes = &kit.encoder.attachments[0];
  assert_int_equal(kit.encoder.attachment_count, 1);
  assert_ptr_equal(bytes->tensor, column);
  assert_ptr_equal(bytes->data, (const char*)weft_tensor_data(whole) + 36);
  // One element, and the next one a row later.
  assert_int_equal(bytes->size_bytes, 20);
  weft_codec_kit_deinit(&kit);
  round_trip_and_release(value);
  weft_tensor_release(rows);
  weft_tensor_release(whole);
}

static void strides_may_be_negative_or_zero(void** state) {
  (void)state;
  const int64_t shape[] = {24};
  const int64_t seen[] = {2, 3};
  const int64_t strides[] = {0, -5};
  weft_tensor_t* whole = make_tensor(WEFT_INT16, 1, shape);
  weft_tensor_t* view = NULL;
  weft_tensor_layout_t layout = {.dtype = WEFT_INT16,
                                 .ndim = 2,
                                 .shape = seen,
                                 .strides = strides,
                                 .byte_offset = 40};
  weft_codec_kit_t kit;
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, weft_tensor_storage(whole),
                                              &layout, &view));
  weft_value_t value = weft_tensor_into_value(view);
  weft_codec_kit_encode(&kit, value);
  assert_ptr_equal(kit.encoder.attachments[0].data,
                   (const char*)weft_tensor_data(whole) + 20);
  assert_int_equal(kit.encoder.attachments[0].size_bytes, 22);
  weft_codec_kit_deinit(&kit);
  round_trip_and_release(value);
  weft_tensor_release(whole);
}

static void a_tensor_without_elements_has_no_attachment(void** state) {
  (void)state;
  const int64_t shape[] = {3, 0};
  weft_codec_kit_t kit;
  weft_value_t value =
      weft_tensor_into_value(make_tensor(WEFT_FLOAT32, 2, shape));
  weft_codec_kit_encode(&kit, value);
  assert_int_equal(kit.encoder.attachment_count, 0);
  weft_codec_kit_deinit(&kit);
  round_trip_and_release(value);
}

static void tensors_of_all_dimensions_come_back(void** state) {
  (void)state;
  int64_t shape[WEFT_TENSOR_NDIM_LIMIT];
  for (uint32_t ndim = 0; ndim <= WEFT_TENSOR_NDIM_LIMIT; ++ndim) {
    for (uint32_t i = 0; i < ndim; ++i) {
      shape[i] = 1 + i % 2;
    }
    weft_tensor_t* tensor = make_tensor(WEFT_UINT8, ndim, shape);
    round_trip_and_release(weft_tensor_into_value(tensor));
  }
}

// --- Names, and several values in one body ----------------------------------

static void values_follow_each_other_by_position_and_by_name(void** state) {
  (void)state;
  weft_codec_kit_t kit;
  weft_decoder_t decoder;
  weft_value_t value;
  const char* name = NULL;
  size_t name_bytes = 0;
  weft_codec_kit_begin(&kit);
  weft_kit_assert_ok(weft_encode_value(&kit.encoder, "1", weft_int64(1)));
  weft_kit_assert_ok(weft_encode_value(&kit.encoder, "2", weft_bool(true)));
  weft_kit_assert_ok(weft_encode_named(&kit.encoder, "r\xc3\xa9", weft_none()));
  weft_codec_kit_end(&kit);
  weft_codec_kit_decoder(&kit, NULL, &decoder);
  weft_kit_assert_ok(weft_decode_value(&decoder, &value));
  assert_int_equal(value.as.int64, 1);
  weft_kit_assert_ok(weft_decode_value(&decoder, &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_BOOL);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "end at byte 2 of",
                              weft_decoder_finish(&decoder));
  weft_kit_assert_ok(weft_decode_named(&decoder, &name, &name_bytes, &value));
  assert_int_equal(name_bytes, 3);
  assert_memory_equal(name, "r\xc3\xa9", 3);
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
  weft_kit_assert_ok(weft_decoder_finish(&decoder));
  weft_codec_kit_deinit(&kit);
}

static void names_that_are_no_names_are_refused(void** state) {
  (void)state;
  weft_encoder_t encoder;
  char name[WEFT_WIRE_TEXT_LIMIT + 2];
  weft_encoder_init(&encoder, NULL, NULL, NULL);
  memset(name, 'n', sizeof(name));
  name[WEFT_WIRE_TEXT_LIMIT + 1] = '\0';
  weft_kit_assert_status_says(WEFT_STATUS_OUT_OF_RANGE,
                              "the name has 4097 bytes",
                              weft_encode_named(&encoder, name, weft_none()));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_encode_named(&encoder, "\xff", weft_none()));
  assert_int_equal(encoder.size_bytes, 0);
  name[WEFT_WIRE_TEXT_LIMIT] = '\0';
  weft_kit_assert_ok(weft_encode_named(&encoder, name, weft_none()));
  weft_encoder_deinit(&encoder);
}

// --- What cannot be sent ----------------------------------------------------

// {"layers": [1, {"weights": inner}]}; takes `inner` over.
static weft_value_t wrap(weft_value_t inner) {
  weft_map_entry_t entry = {weft_value_kit_string("weights"), inner};
  weft_value_t values[2] = {weft_int64(1), weft_none()};
  weft_kit_assert_ok(weft_map_create(NULL, &entry, 1, &values[1]));
  weft_value_release(entry.key);
  weft_value_release(inner);
  weft_map_entry_t outer = {weft_value_kit_string("layers"),
                            weft_value_kit_list(values, 2)};
  weft_value_t map;
  weft_kit_assert_ok(weft_map_create(NULL, &outer, 1, &map));
  weft_value_release(outer.key);
  weft_value_release(outer.value);
  return map;
}

// Checks that a value, which this takes over, is refused and leaves nothing.
static void refuse(weft_value_t value, weft_status_code_t code,
                   const char* says) {
  weft_encoder_t encoder;
  weft_encoder_init(&encoder, NULL, NULL, NULL);
  weft_kit_assert_ok(weft_encode_value(&encoder, NULL, weft_int64(1)));
  weft_kit_assert_status_says(code, says,
                              weft_encode_value(&encoder, "argument 2", value));
  assert_int_equal(encoder.size_bytes, 1);
  assert_int_equal(encoder.attachment_count, 0);
  assert_int_equal(encoder.budget, WEFT_WIRE_VALUE_LIMIT - 1);
  weft_encoder_deinit(&encoder);
  weft_value_release(value);
}

static void an_opaque_object_is_refused_with_the_way_to_it(void** state) {
  (void)state;
  _Atomic int released = 0;
  refuse(wrap(weft_value_kit_opaque(&released)), WEFT_STATUS_UNIMPLEMENTED,
         "argument 2: .layers[1].weights: an opaque object of type counted");
  refuse(weft_value_kit_opaque(&released), WEFT_STATUS_UNIMPLEMENTED,
         "argument 2: an opaque object of type counted cannot leave");
}

static void the_name_of_an_argument_stands_in_the_way(void** state) {
  (void)state;
  _Atomic int released = 0;
  weft_value_t value = wrap(weft_value_kit_opaque(&released));
  weft_encoder_t encoder;
  weft_encoder_init(&encoder, NULL, NULL, NULL);
  weft_kit_assert_status_says(WEFT_STATUS_UNIMPLEMENTED,
                              "argument \"model\": .layers[1].weights: an",
                              weft_encode_named(&encoder, "model", value));
  weft_encoder_deinit(&encoder);
  weft_value_release(value);
}

static void a_declared_tensor_is_refused(void** state) {
  (void)state;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_FLOAT32, 2, NULL, &tensor));
  refuse(wrap(weft_tensor_into_value(tensor)), WEFT_STATUS_UNIMPLEMENTED,
         "argument 2: .layers[1].weights: a tensor that is declared");
}

static void a_tensor_of_a_device_is_refused(void** state) {
  (void)state;
  const weft_device_driver_t driver = {
      .vtable = weft_device_cpu()->vtable,
      .device = {.type = WEFT_DEVICE_CUDA, .id = 1},
  };
  const int64_t shape[] = {4};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, &driver, WEFT_FLOAT32, 1, shape, &tensor));
  refuse(wrap(weft_tensor_into_value(tensor)), WEFT_STATUS_UNIMPLEMENTED,
         "copy it to the cpu");
}

static void more_tensors_than_a_message_has_are_refused(void** state) {
  (void)state;
  const int64_t shape[] = {1};
  weft_value_t values[WEFT_WIRE_ATTACHMENT_LIMIT + 1];
  weft_tensor_t* tensor = make_tensor(WEFT_FLOAT32, 1, shape);
  for (size_t i = 0; i <= WEFT_WIRE_ATTACHMENT_LIMIT; ++i) {
    values[i] = weft_tensor_value(tensor);
  }
  weft_tensor_release(tensor);
  weft_value_t fits;
  weft_kit_assert_ok(
      weft_list_create(NULL, values, WEFT_WIRE_ATTACHMENT_LIMIT, &fits));
  round_trip_and_release(fits);
  refuse(weft_value_kit_list(values, WEFT_WIRE_ATTACHMENT_LIMIT + 1),
         WEFT_STATUS_OUT_OF_RANGE, "argument 2: [64]: more than 64 tensors");
}

static void more_values_than_a_body_has_are_refused(void** state) {
  (void)state;
  // 2^4 lists of 2^4 lists ... of one list: few in memory, many on the way.
  weft_value_t value = weft_int64(1);
  for (int level = 0; level < 5; ++level) {
    weft_value_t same[16];
    for (size_t i = 0; i < 16; ++i) {
      same[i] = weft_value_retain(value);
    }
    weft_value_release(value);
    value = weft_value_kit_list(same, 16);
  }
  refuse(value, WEFT_STATUS_OUT_OF_RANGE, "more than 1048576 values");
}

static void a_body_that_is_too_large_is_refused(void** state) {
  (void)state;
  // Each stays in the body: the attachments are used up.
  weft_value_t big = make_text((size_t)1 << 20, false);
  weft_value_t values[100];
  for (size_t i = 0; i < 100; ++i) {
    values[i] = weft_value_retain(big);
  }
  weft_value_release(big);
  refuse(weft_value_kit_list(values, 100), WEFT_STATUS_OUT_OF_RANGE,
         "argument 2: [95]: the values come to more than 67108864 bytes");
}

// --- Kinds of layers above --------------------------------------------------

#define FOREIGN_TYPE 17

// Stands for a future: writes the number that `user` points to.
static weft_status_t write_foreign(weft_encoder_t* encoder,
                                   weft_value_t value) {
  assert_int_equal(weft_value_kind(value), WEFT_KIND_FUTURE);
  const uint64_t* number = encoder->user;
  if (number == NULL) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED, "not this one");
  }
  return weft_encoder_extension(encoder, FOREIGN_TYPE, number, 8);
}

static weft_status_t read_foreign(weft_decoder_t* decoder, int8_t type,
                                  const void* data, uint32_t size_bytes,
                                  weft_value_t* out_value) {
  (void)decoder;
  assert_int_equal(type, FOREIGN_TYPE);
  assert_int_equal(size_bytes, 8);
  return weft_bytes_create(decoder->allocator, data, size_bytes, out_value);
}

static void other_kinds_are_written_and_read_by_layers_above(void** state) {
  (void)state;
  const weft_encoder_vtable_t writes = {.value = write_foreign};
  const weft_decoder_vtable_t reads = {.extension = read_foreign};
  // A cell alone: the codec does not look into it.
  const weft_value_t list_of[] = {{.kind = WEFT_KIND_FUTURE}};
  uint64_t number = 0x1122334455667788;
  weft_encoder_t encoder;
  weft_decoder_t decoder;
  weft_value_t value;
  weft_encoder_init(&encoder, NULL, &writes, &number);
  weft_kit_assert_ok(weft_encode_value(&encoder, "future", list_of[0]));
  const weft_body_t body = {encoder.data, encoder.size_bytes, 0};
  weft_decoder_init(&decoder, NULL, &reads, NULL, &body);
  const void* data = NULL;
  size_t size_bytes = 0;
  weft_kit_assert_ok(weft_decode_value(&decoder, &value));
  weft_kit_assert_ok(weft_decoder_finish(&decoder));
  weft_kit_assert_ok(weft_value_as_bytes(value, &data, &size_bytes));
  assert_memory_equal(data, &number, 8);
  weft_value_release(value);
  encoder.user = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_UNIMPLEMENTED, "future: not this one",
      weft_encode_value(&encoder, "future", list_of[0]));
  encoder.vtable = NULL;
  weft_kit_assert_status_says(WEFT_STATUS_UNIMPLEMENTED,
                              "value: a future cannot leave its process",
                              weft_encode_value(&encoder, NULL, list_of[0]));
  weft_encoder_deinit(&encoder);
}

// --- Memory -----------------------------------------------------------------

static void small_bodies_allocate_nothing(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_encoder_t encoder;
  weft_kit_allocator_init(&kit);
  weft_encoder_init(&encoder, &kit.allocator, NULL, NULL);
  for (int i = 0; i < 100; ++i) {
    weft_kit_assert_ok(weft_encode_value(&encoder, NULL, weft_float64(i)));
  }
  assert_int_equal(kit.allocations, 0);
  for (int i = 0; i < 100; ++i) {
    weft_kit_assert_ok(weft_encode_value(&encoder, NULL, weft_float64(i)));
  }
  assert_int_equal(kit.allocations, 1);
  weft_encoder_deinit(&encoder);
  weft_kit_allocator_deinit(&kit);
}

// One of everything that takes memory.
static weft_value_t make_mixture(void) {
  const int64_t shape[] = {3};
  weft_value_t many[12];
  for (size_t i = 0; i < 12; ++i) {
    many[i] = weft_value_kit_string("some text");
  }
  weft_status_t cause = weft_status_make(WEFT_STATUS_CLOSED, "the end");
  weft_value_t values[] = {
      weft_value_kit_list(many, 12),
      make_text(WEFT_WIRE_INLINE_LIMIT + 1, true),
      make_text(1500, false),
      weft_tensor_into_value(make_tensor(WEFT_FLOAT32, 1, shape)),
      wrap(weft_int64(1)),
      weft_none(),
  };
  weft_kit_assert_ok(weft_status_value_create(
      NULL,
      weft_status_make_caused(WEFT_STATUS_FAILED, cause, "a %s", "failure"),
      &values[5]));
  return weft_value_kit_list(values, 6);
}

static weft_status_t create_body(const weft_allocator_t* allocator, void* user,
                                 void** out_object) {
  const weft_value_t* value = user;
  weft_encoder_t* encoder = malloc(sizeof(*encoder));
  assert_non_null(encoder);
  weft_encoder_init(encoder, allocator, NULL, NULL);
  weft_status_t status = weft_encode_value(encoder, "all", *value);
  if (status != WEFT_OK) {
    weft_encoder_deinit(encoder);
    free(encoder);
    return status;
  }
  *out_object = encoder;
  return WEFT_OK;
}

static void destroy_body(void* object, void* user) {
  (void)user;
  weft_encoder_deinit(object);
  free(object);
}

static void encoding_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_value_t value = make_mixture();
  const weft_kit_creation_t creation = {create_body, destroy_body, &value};
  weft_kit_sweep(&creation);
  weft_value_release(value);
}

static weft_codec_kit_t mixture;

static weft_status_t decode_mixture(const weft_allocator_t* allocator,
                                    weft_value_t* out_value) {
  return weft_codec_kit_decode(&mixture, allocator, out_value);
}

static void decoding_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_value_t value = make_mixture();
  weft_codec_kit_encode(&mixture, value);
  weft_value_kit_sweep(decode_mixture);
  weft_codec_kit_deinit(&mixture);
  weft_value_release(value);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scalars_come_back_with_all_their_bits),
      cmocka_unit_test(random_values_come_back),
      cmocka_unit_test(large_strings_and_bytes_go_beside_the_body),
      cmocka_unit_test(strings_that_find_no_attachment_left_stay_in_the_body),
      cmocka_unit_test(the_deepest_value_comes_back),
      cmocka_unit_test(a_tensor_goes_as_the_smallest_range_with_its_elements),
      cmocka_unit_test(strides_may_be_negative_or_zero),
      cmocka_unit_test(a_tensor_without_elements_has_no_attachment),
      cmocka_unit_test(tensors_of_all_dimensions_come_back),
      cmocka_unit_test(values_follow_each_other_by_position_and_by_name),
      cmocka_unit_test(names_that_are_no_names_are_refused),
      cmocka_unit_test(an_opaque_object_is_refused_with_the_way_to_it),
      cmocka_unit_test(the_name_of_an_argument_stands_in_the_way),
      cmocka_unit_test(a_declared_tensor_is_refused),
      cmocka_unit_test(a_tensor_of_a_device_is_refused),
      cmocka_unit_test(more_tensors_than_a_message_has_are_refused),
      cmocka_unit_test(more_values_than_a_body_has_are_refused),
      cmocka_unit_test(a_body_that_is_too_large_is_refused),
      cmocka_unit_test(other_kinds_are_written_and_read_by_layers_above),
      cmocka_unit_test(small_bodies_allocate_nothing),
      cmocka_unit_test(encoding_survives_every_allocation_failure),
      cmocka_unit_test(decoding_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
