// SPDX-License-Identifier: Apache-2.0
//
// For tests of the codec: values encoded, their attachments copied as a
// transport would, and decoded; values that a seed makes; what must be equal
// after the way there and back.

#ifndef WEFT_WIRE_CODEC_KIT_H_
#define WEFT_WIRE_CODEC_KIT_H_

#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"
#include "weft/tensor.h"
#include "wire/codec.h"

// A message that was encoded. Zero it, or encode into it.
typedef struct weft_codec_kit {
  weft_encoder_t encoder;
  // The body in a block of just its size, so that a sanitizer sees whoever
  // reads behind it.
  uint8_t* body;
  size_t size_bytes;
} weft_codec_kit_t;

static inline void weft_codec_kit_begin(weft_codec_kit_t* kit) {
  weft_encoder_init(&kit->encoder, NULL, NULL, NULL);
  kit->body = NULL;
}

// Copies what was encoded.
static inline void weft_codec_kit_end(weft_codec_kit_t* kit) {
  kit->size_bytes = kit->encoder.size_bytes;
  kit->body = (uint8_t*)malloc(kit->size_bytes > 0 ? kit->size_bytes : 1);
  assert_non_null(kit->body);
  memcpy(kit->body, kit->encoder.data, kit->size_bytes);
}

static inline void weft_codec_kit_encode(weft_codec_kit_t* kit,
                                         weft_value_t value) {
  weft_codec_kit_begin(kit);
  weft_kit_assert_ok(weft_encode_value(&kit->encoder, NULL, value));
  weft_codec_kit_end(kit);
}

static inline void weft_codec_kit_deinit(weft_codec_kit_t* kit) {
  weft_encoder_deinit(&kit->encoder);
  free(kit->body);
}

// Copies the bytes of an attachment into a storage of the decoder's.
static inline weft_status_t weft_codec_kit_attachment(
    weft_decoder_t* decoder, uint32_t index, weft_storage_t** out_storage) {
  const weft_codec_kit_t* kit = (const weft_codec_kit_t*)decoder->user;
  const weft_encoder_bytes_t* bytes = &kit->encoder.attachments[index];
  weft_storage_t* storage = NULL;
  *out_storage = NULL;
  assert_true(index < kit->encoder.attachment_count);
  WEFT_RETURN_IF_ERROR(weft_storage_create(decoder->allocator, NULL,
                                           bytes->size_bytes, &storage));
  memcpy((void*)(uintptr_t)weft_storage_data(storage), bytes->data,
         bytes->size_bytes);
  *out_storage = storage;
  return WEFT_OK;
}

static const weft_decoder_vtable_t weft_codec_kit_vtable = {
    .attachment = weft_codec_kit_attachment,
};

static inline void weft_codec_kit_decoder(const weft_codec_kit_t* kit,
                                          const weft_allocator_t* allocator,
                                          weft_decoder_t* decoder) {
  const weft_body_t body = {kit->body, kit->size_bytes,
                            kit->encoder.attachment_count};
  weft_decoder_init(decoder, allocator, &weft_codec_kit_vtable,
                    (void*)(uintptr_t)kit, &body);
}

// Decodes one value, which must be all that there is.
static inline weft_status_t weft_codec_kit_decode(
    const weft_codec_kit_t* kit, const weft_allocator_t* allocator,
    weft_value_t* out_value) {
  weft_decoder_t decoder;
  weft_codec_kit_decoder(kit, allocator, &decoder);
  WEFT_RETURN_IF_ERROR(weft_decode_value(&decoder, out_value));
  weft_status_t status = weft_decoder_finish(&decoder);
  if (status != WEFT_OK) {
    weft_value_release(*out_value);
    *out_value = weft_none();
  }
  return status;
}

// Decodes bytes without attachments.
static inline weft_status_t weft_codec_kit_decode_bytes(
    const weft_allocator_t* allocator, const void* data, size_t size_bytes,
    weft_value_t* out_value) {
  weft_codec_kit_t kit;
  weft_codec_kit_begin(&kit);
  memcpy(kit.encoder.inside, data, size_bytes < 1024 ? size_bytes : 0);
  kit.encoder.size_bytes = size_bytes < 1024 ? size_bytes : 0;
  weft_codec_kit_end(&kit);
  weft_status_t status = weft_codec_kit_decode(&kit, allocator, out_value);
  weft_codec_kit_deinit(&kit);
  return status;
}

// --- Equality ---------------------------------------------------------------

static inline void weft_codec_kit_assert_string(const char* a, const char* b) {
  assert_true((a == NULL) == (b == NULL));
  if (a != NULL) {
    assert_string_equal(a, b);
  }
}

// Asserts that two statuses say the same, with place and causes.
static inline void weft_codec_kit_assert_status(weft_status_t a,
                                                weft_status_t b) {
  for (; a != WEFT_OK && b != WEFT_OK;
       a = weft_status_cause(a), b = weft_status_cause(b)) {
    weft_status_origin_t from = weft_status_origin(a);
    weft_status_origin_t to = weft_status_origin(b);
    assert_int_equal(weft_status_code(a), weft_status_code(b));
    assert_string_equal(weft_status_message(a), weft_status_message(b));
    weft_codec_kit_assert_string(from.file, to.file);
    assert_int_equal(from.line, to.line);
    assert_int_equal(from.rank, to.rank);
    weft_codec_kit_assert_string(from.actor, to.actor);
    weft_codec_kit_assert_string(from.endpoint, to.endpoint);
  }
  assert_true(a == b);
}

static inline void weft_codec_kit_assert_tensor(weft_value_t a,
                                                weft_value_t b) {
  const weft_tensor_t* from = NULL;
  const weft_tensor_t* to = NULL;
  weft_tensor_t* from_copy = NULL;
  weft_tensor_t* to_copy = NULL;
  weft_kit_assert_ok(weft_value_as_tensor(a, &from));
  weft_kit_assert_ok(weft_value_as_tensor(b, &to));
  const weft_tensor_layout_t* layout = weft_tensor_layout(from);
  weft_kit_assert_ok(
      weft_tensor_expect(to, layout->dtype, layout->ndim, layout->shape));
  if (layout->ndim > 0) {
    assert_memory_equal(weft_tensor_layout(to)->strides, layout->strides,
                        layout->ndim * sizeof(int64_t));
  }
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, from, &from_copy));
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, to, &to_copy));
  if (weft_tensor_size_bytes(from) > 0) {
    assert_memory_equal(weft_tensor_data(from_copy), weft_tensor_data(to_copy),
                        weft_tensor_size_bytes(from));
  }
  weft_tensor_release(from_copy);
  weft_tensor_release(to_copy);
}

static inline void weft_codec_kit_assert_equal(weft_value_t a, weft_value_t b);

static inline void weft_codec_kit_assert_list(weft_value_t a, weft_value_t b) {
  const weft_value_t* from = NULL;
  const weft_value_t* to = NULL;
  size_t from_count = 0;
  size_t to_count = 0;
  weft_kit_assert_ok(weft_value_as_list(a, &from, &from_count));
  weft_kit_assert_ok(weft_value_as_list(b, &to, &to_count));
  assert_int_equal(from_count, to_count);
  for (size_t i = 0; i < from_count; ++i) {
    weft_codec_kit_assert_equal(from[i], to[i]);
  }
}

static inline void weft_codec_kit_assert_map(weft_value_t a, weft_value_t b) {
  const weft_map_entry_t* from = NULL;
  const weft_map_entry_t* to = NULL;
  size_t from_count = 0;
  size_t to_count = 0;
  weft_kit_assert_ok(weft_value_as_map(a, &from, &from_count));
  weft_kit_assert_ok(weft_value_as_map(b, &to, &to_count));
  assert_int_equal(from_count, to_count);
  for (size_t i = 0; i < from_count; ++i) {
    weft_codec_kit_assert_equal(from[i].key, to[i].key);
    weft_codec_kit_assert_equal(from[i].value, to[i].value);
  }
}

// Asserts that a value came back as it was: bits of numbers, order of maps,
// elements and strides of tensors.
static inline void weft_codec_kit_assert_equal(weft_value_t a, weft_value_t b) {
  weft_status_t from = WEFT_OK;
  weft_status_t to = WEFT_OK;
  assert_int_equal(weft_value_kind(a), weft_value_kind(b));
  switch (weft_value_kind(a)) {
    case WEFT_KIND_FLOAT64:
      assert_memory_equal(&a.as.float64, &b.as.float64, sizeof(double));
      break;
    case WEFT_KIND_LIST:
      weft_codec_kit_assert_list(a, b);
      break;
    case WEFT_KIND_MAP:
      weft_codec_kit_assert_map(a, b);
      break;
    case WEFT_KIND_TENSOR:
      weft_codec_kit_assert_tensor(a, b);
      break;
    case WEFT_KIND_STATUS:
      weft_kit_assert_ok(weft_value_as_status(a, &from));
      weft_kit_assert_ok(weft_value_as_status(b, &to));
      weft_codec_kit_assert_status(from, to);
      break;
    default:
      assert_true(weft_value_equal(a, b));
  }
}

// --- Random values ----------------------------------------------------------

static inline weft_value_t weft_codec_kit_random_int64(
    weft_kit_random_t* random) {
  // Every number of bits is as likely, and with it every format.
  uint64_t bits =
      weft_kit_random_next(random) >> weft_kit_random_below(random, 64);
  return weft_int64(weft_kit_random_below(random, 2) == 0
                        ? (int64_t)bits
                        : -(int64_t)(bits / 2));
}

// Of a string the bytes are ASCII.
static inline weft_value_t weft_codec_kit_random_text(weft_kit_random_t* random,
                                                      bool is_string) {
  static const uint64_t limits[] = {4, 40, 300, 5000, 70000};
  size_t size_bytes = weft_kit_random_below(
      random, limits[weft_kit_random_below(
                  random, weft_kit_random_below(random, 20) == 0 ? 5 : 3)]);
  char* data = (char*)malloc(size_bytes + 1);
  weft_value_t value;
  assert_non_null(data);
  for (size_t i = 0; i < size_bytes; ++i) {
    data[i] = (char)(weft_kit_random_next(random) & (is_string ? 0x7f : 0xff));
  }
  weft_kit_assert_ok(is_string
                         ? weft_string_create(NULL, data, size_bytes, &value)
                         : weft_bytes_create(NULL, data, size_bytes, &value));
  free(data);
  return value;
}

// A tensor with strides of any sign, or gaps, or no elements.
static inline weft_value_t weft_codec_kit_random_tensor(
    weft_kit_random_t* random) {
  const weft_dtype_t dtypes[] = {WEFT_FLOAT32, WEFT_INT8, WEFT_COMPLEX128,
                                 weft_dtype_make(WEFT_DTYPE_UINT, 4)};
  int64_t shape[2];
  int64_t strides[2];
  shape[0] = (int64_t)weft_kit_random_below(random, 6);
  shape[1] = (int64_t)weft_kit_random_below(random, 6);
  strides[0] = (int64_t)weft_kit_random_below(random, 41) - 20;
  strides[1] = (int64_t)weft_kit_random_below(random, 41) - 20;
  weft_tensor_layout_t layout = {
      .dtype = dtypes[weft_kit_random_below(random, 4)],
      .ndim = (uint32_t)weft_kit_random_below(random, 3),
      .shape = shape,
      .strides = weft_kit_random_below(random, 2) == 0 ? strides : NULL,
      // In the middle: 5 * 20 * 2 elements of 16 bytes to either side.
      .byte_offset = 3200,
  };
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(weft_storage_create(NULL, NULL, 6416, &storage));
  memset((void*)(uintptr_t)weft_storage_data(storage),
         (int)weft_kit_random_below(random, 256), 6416);
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  weft_storage_release(storage);
  return weft_tensor_into_value(tensor);
}

static inline weft_value_t weft_codec_kit_random_status(
    weft_kit_random_t* random) {
  weft_status_t status = WEFT_OK;
  weft_value_t value;
  uint64_t count = weft_kit_random_below(random, 4) + 1;
  for (uint64_t i = 0; i < count; ++i) {
    weft_status_code_t code =
        (weft_status_code_t)(1 + weft_kit_random_below(
                                     random, WEFT_STATUS_CODE_COUNT - 1));
    status = weft_status_create_caused(code, status, "a/file.c", (int)i,
                                       "level %u", (unsigned)i);
  }
  weft_kit_assert_ok(weft_status_value_create(NULL, status, &value));
  return value;
}

static inline weft_value_t weft_codec_kit_random_value(
    weft_kit_random_t* random, uint32_t depth);

static inline weft_value_t weft_codec_kit_random_list(weft_kit_random_t* random,
                                                      uint32_t depth) {
  weft_value_t values[24];
  weft_value_t list;
  size_t count = weft_kit_random_below(random, depth > 2 ? 5 : 24);
  for (size_t i = 0; i < count; ++i) {
    values[i] = weft_codec_kit_random_value(random, depth + 1);
  }
  weft_kit_assert_ok(weft_list_create(NULL, values, count, &list));
  for (size_t i = 0; i < count; ++i) {
    weft_value_release(values[i]);
  }
  return list;
}

static inline weft_value_t weft_codec_kit_random_map(weft_kit_random_t* random,
                                                     uint32_t depth) {
  weft_map_entry_t entries[20];
  weft_value_t map;
  size_t count = weft_kit_random_below(random, depth > 2 ? 5 : 20);
  for (size_t i = 0; i < count; ++i) {
    const char key[] = {(char)('a' + i), (char)('a' + depth), '\0'};
    weft_kit_assert_ok(weft_string_from_c(NULL, key, &entries[i].key));
    entries[i].value = weft_codec_kit_random_value(random, depth + 1);
  }
  weft_kit_assert_ok(weft_map_create(NULL, entries, count, &map));
  for (size_t i = 0; i < count; ++i) {
    weft_value_release(entries[i].key);
    weft_value_release(entries[i].value);
  }
  return map;
}

// A value of any kind that can be encoded, not deeper than a few lists.
static inline weft_value_t weft_codec_kit_random_value(
    weft_kit_random_t* random, uint32_t depth) {
  uint64_t bits = weft_kit_random_next(random);
  double float64 = 0;
  memcpy(&float64, &bits, sizeof(bits));
  switch (weft_kit_random_below(random, depth < 5 ? 11 : 8)) {
    case 0:
      return weft_none();
    case 1:
      return weft_bool((bits & 1) != 0);
    case 2:
      return weft_float64(float64);
    case 3:
      return weft_actor_value((weft_actor_t){
          (uint16_t)bits, (uint16_t)(bits >> 16), (uint32_t)(bits >> 32),
          (uint32_t)weft_kit_random_next(random)});
    case 4:
      return weft_codec_kit_random_text(random, true);
    case 5:
      return weft_codec_kit_random_text(random, false);
    case 6:
      return weft_kit_random_below(random, 4) == 0
                 ? weft_codec_kit_random_tensor(random)
                 : weft_none();
    case 7:
      return weft_codec_kit_random_int64(random);
    case 8:
      return weft_codec_kit_random_list(random, depth);
    case 9:
      return weft_codec_kit_random_map(random, depth);
    default:
      return weft_codec_kit_random_status(random);
  }
}

#endif  // WEFT_WIRE_CODEC_KIT_H_
