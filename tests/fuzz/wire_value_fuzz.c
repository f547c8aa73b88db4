// SPDX-License-Identifier: Apache-2.0
//
// Reads the input as a body: values, named values, or a status. What is
// accepted must be what msgpack-c reads there, and must come back the same when
// it is encoded and read again.
//
//   byte 0: bits 0-1 what is read, bits 2-3 how many attachments
//   byte 1: how many bytes each attachment has
//   the body

#include <string.h>

#include "base/assert.h"
#include "value/structure.h"
#include "weft/tensor.h"
#include "wire/codec.h"
#include "wire/oracle_kit.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

// So that every input is quick: a value of the whole budget takes a while.
#define BUDGET 4096

// Where attachments of a second reading come from.
typedef struct source {
  const weft_encoder_t* encoder;
  size_t size_bytes;
} source_t;

static weft_status_t give_bytes(weft_decoder_t* decoder, uint32_t index,
                                weft_storage_t** out_storage) {
  const source_t* source = decoder->user;
  const weft_encoder_t* encoder = source->encoder;
  size_t size_bytes = encoder != NULL ? encoder->attachments[index].size_bytes
                                      : source->size_bytes;
  weft_status_t status =
      weft_storage_create(decoder->allocator, NULL, size_bytes, out_storage);
  weft_assert(status == WEFT_OK);
  uint8_t* to = (uint8_t*)(uintptr_t)weft_storage_data(*out_storage);
  for (size_t i = 0; i < size_bytes && encoder == NULL; ++i) {
    to[i] = (uint8_t)('a' + i % 16);
  }
  if (encoder != NULL) {
    memcpy(to, encoder->attachments[index].data, size_bytes);
  }
  return WEFT_OK;
}

// A layer above: keeps nothing of what it is given.
static weft_status_t make_none(weft_decoder_t* decoder, int8_t type,
                               const void* data, uint32_t size_bytes,
                               weft_value_t* out_value) {
  (void)decoder;
  (void)data;
  weft_assert(type >= WEFT_EXTENSION_FIRST_FREE);
  *out_value = weft_bool(size_bytes % 2 == 0);
  return WEFT_OK;
}

static const weft_decoder_vtable_t vtable = {
    .attachment = give_bytes,
    .extension = make_none,
};

// Every tensor's elements can be read.
static void touch(weft_value_t value) {
  const weft_tensor_t* tensor = NULL;
  weft_tensor_t* copy = NULL;
  weft_status_t status = weft_value_as_tensor(value, &tensor);
  if (status == WEFT_OK && weft_tensor_size_bytes(tensor) < 65536) {
    status = weft_tensor_copy(NULL, NULL, tensor, &copy);
    weft_assert(status == WEFT_OK);
    weft_tensor_release(copy);
  }
  weft_status_release(status);
}

// Encoded, read and encoded once more it is the same bytes.
static void check_again(weft_value_t value) {
  static weft_encoder_t first;
  static weft_encoder_t second;
  weft_encoder_init(&first, NULL, NULL, NULL);
  weft_encoder_init(&second, NULL, NULL, NULL);
  weft_status_t status = weft_encode_value(&first, NULL, value);
  weft_assert(status == WEFT_OK);
  source_t source = {.encoder = &first};
  const weft_body_t body = {first.data, first.size_bytes,
                            first.attachment_count};
  weft_decoder_t decoder;
  weft_value_t back;
  weft_decoder_init(&decoder, NULL, &vtable, &source, &body);
  status = weft_decode_value(&decoder, &back);
  weft_assert(status == WEFT_OK);
  status = weft_decoder_finish(&decoder);
  weft_assert(status == WEFT_OK);
  status = weft_encode_value(&second, NULL, back);
  weft_assert(status == WEFT_OK);
  weft_assert(first.size_bytes == second.size_bytes);
  weft_assert(memcmp(first.data, second.data, first.size_bytes) == 0);
  weft_assert(first.attachment_count == second.attachment_count);
  weft_value_release(back);
  weft_encoder_deinit(&first);
  weft_encoder_deinit(&second);
}

static bool has_gaps(const weft_tensor_t* tensor) {
  return !weft_tensor_is_contiguous(tensor);
}

// Reads the body once more as the data of a value of this structure; and what
// the value is without its structure comes back as it was.
static void check_data(const weft_body_t* body, const source_t* given,
                       weft_value_t value) {
  static weft_encoder_t encoder;
  source_t again = *given;
  weft_decoder_t decoder;
  weft_value_t structure;
  weft_value_t back;
  weft_status_t status = weft_structure_create(NULL, value, &structure);
  weft_assert(status == WEFT_OK);
  weft_decoder_init(&decoder, NULL, &vtable, &again, body);
  status = weft_decode_data(&decoder, structure, &back);
  if (status == WEFT_OK) {
    status = weft_structure_check(structure, back);
    weft_assert(status == WEFT_OK);
    weft_value_release(back);
  }
  weft_status_release(status);
  if (!weft_value_has_tensor(value, has_gaps)) {
    weft_encoder_init(&encoder, NULL, NULL, NULL);
    status = weft_encode_data(&encoder, NULL, value);
    weft_assert(status == WEFT_OK);
    source_t source = {.encoder = &encoder};
    const weft_body_t bare = {encoder.data, encoder.size_bytes,
                              encoder.attachment_count};
    weft_decoder_init(&decoder, NULL, &vtable, &source, &bare);
    status = weft_decode_data(&decoder, structure, &back);
    weft_assert(status == WEFT_OK);
    status = weft_decoder_finish(&decoder);
    weft_assert(status == WEFT_OK);
    weft_value_release(back);
    weft_encoder_deinit(&encoder);
  }
  weft_value_release(structure);
}

// Reads values until there are no more.
static void read_values(weft_decoder_t* decoder) {
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK &&
         decoder->reader.offset_bytes < decoder->reader.size_bytes) {
    const uint8_t* from = decoder->reader.data + decoder->reader.offset_bytes;
    weft_value_t value;
    status = weft_decode_value(decoder, &value);
    if (status == WEFT_OK) {
      const uint8_t* to = decoder->reader.data + decoder->reader.offset_bytes;
      weft_oracle_verdict_t verdict =
          weft_oracle_ask(from, (size_t)(to - from), value);
      weft_assert(verdict != WEFT_ORACLE_DISAGREES);
      touch(value);
      check_again(value);
      check_data(
          &(weft_body_t){decoder->reader.data, decoder->reader.size_bytes,
                         decoder->attachment_count},
          decoder->user, value);
      weft_value_release(value);
    }
  }
  weft_status_release(status);
}

static void read_named(weft_decoder_t* decoder) {
  const char* name = NULL;
  size_t name_bytes = 0;
  weft_value_t value;
  weft_status_t status = weft_decode_named(decoder, &name, &name_bytes, &value);
  weft_assert((status == WEFT_OK) == (name != NULL));
  weft_status_release(status);
  weft_value_release(value);
}

static void read_status(weft_decoder_t* decoder) {
  weft_status_t read = WEFT_OK;
  weft_status_t status = weft_decode_status(decoder, &read);
  weft_assert((status == WEFT_OK) == (read != WEFT_OK));
  if (read != WEFT_OK) {
    char text[256];
    (void)weft_status_format(read, text, sizeof(text));
    static weft_encoder_t encoder;
    weft_encoder_init(&encoder, NULL, NULL, NULL);
    weft_status_t written = weft_encode_status(&encoder, read);
    weft_assert(written == WEFT_OK);
    weft_encoder_deinit(&encoder);
  }
  weft_status_release(status);
  weft_status_release(read);
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes) {
  if (size_bytes < 2) {
    return 0;
  }
  source_t source = {.size_bytes = data[1]};
  const weft_body_t body = {data + 2, size_bytes - 2, data[0] >> 2 & 3};
  weft_decoder_t decoder;
  weft_decoder_init(&decoder, NULL, &vtable, &source, &body);
  decoder.budget = BUDGET;
  switch (data[0] & 3) {
    case 0:
      read_named(&decoder);
      break;
    case 1:
      read_status(&decoder);
      break;
    default:
      read_values(&decoder);
      break;
  }
  weft_status_release(weft_decoder_finish(&decoder));
  return 0;
}
