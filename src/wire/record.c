// SPDX-License-Identifier: Apache-2.0

#include "wire/record.h"

#include "base/memory.h"
#include "value/value_internal.h"
#include "wire/wire_internal.h"

#define VERSION 1

// What a body is.
enum { KIND_VALUE = 1, KIND_ERROR = 2 };

typedef struct head {
  uint8_t version;
  uint8_t kind;
  uint16_t attachment_count;
  uint32_t body_bytes;
  // Of all.
  uint64_t size_bytes;
} head_t;

_Static_assert(sizeof(head_t) == WEFT_ENCODED_HEAD_BYTES, "the format");

// Every part begins at a multiple of 8.
static size_t padded(size_t size_bytes) {
  return (size_bytes + 7) & ~(size_t)7;
}

// --- Writing ----------------------------------------------------------------

// A part, and the zeros behind it. Returns where the next one goes.
static uint8_t* put(uint8_t* place, const void* data, size_t size_bytes) {
  size_t gap_bytes = padded(size_bytes) - size_bytes;
  if (size_bytes > 0) {
    memcpy(place, data, size_bytes);
  }
  memset(place + size_bytes, 0, gap_bytes);
  return place + size_bytes + gap_bytes;
}

static weft_status_t assemble(const weft_allocator_t* allocator, head_t head,
                              const void* body,
                              const weft_encoder_bytes_t* attachments,
                              weft_value_t* out_bytes) {
  void* data = NULL;
  // Attachments are in memory, all of them at once or several times: a sum of
  // 64 sizes can be more than there is, but not more than 64 bits say.
  uint64_t size_bytes = sizeof(head) + padded(head.body_bytes) +
                        sizeof(uint64_t) * (uint64_t)head.attachment_count;
  for (uint32_t i = 0; i < head.attachment_count; i++) {
    size_bytes += padded(attachments[i].size_bytes);
  }
  head.size_bytes = size_bytes;
  WEFT_RETURN_IF_ERROR(
      weft_bytes_create_open(allocator, size_bytes, out_bytes, &data));
  uint8_t* place = put(data, &head, sizeof(head));
  place = put(place, body, head.body_bytes);
  for (uint32_t i = 0; i < head.attachment_count; i++) {
    uint64_t each_bytes = attachments[i].size_bytes;
    place = put(place, &each_bytes, sizeof(each_bytes));
  }
  for (uint32_t i = 0; i < head.attachment_count; i++) {
    place = put(place, attachments[i].data, attachments[i].size_bytes);
  }
  return WEFT_OK;
}

weft_status_t weft_record_wrap(const weft_allocator_t* allocator, bool is_error,
                               const void* body, uint32_t body_bytes,
                               weft_value_t* out_bytes) {
  const head_t head = {
      .version = VERSION,
      .kind = is_error ? KIND_ERROR : KIND_VALUE,
      .body_bytes = body_bytes,
  };
  return assemble(allocator, head, body, NULL, out_bytes);
}

weft_status_t weft_record_create(const weft_allocator_t* allocator,
                                 weft_status_t error, weft_value_t value,
                                 weft_value_t* out_bytes) {
  weft_encoder_t encoder;
  *out_bytes = weft_none();
  weft_encoder_init(&encoder, allocator, NULL, NULL);
  weft_status_t status = error != WEFT_OK
                             ? weft_encode_status(&encoder, error)
                             : weft_encode_value(&encoder, NULL, value);
  if (status == WEFT_OK) {
    const head_t head = {
        .version = VERSION,
        .kind = error != WEFT_OK ? KIND_ERROR : KIND_VALUE,
        .attachment_count = (uint16_t)encoder.attachment_count,
        .body_bytes = (uint32_t)encoder.size_bytes,
    };
    status =
        assemble(allocator, head, encoder.data, encoder.attachments, out_bytes);
  }
  weft_encoder_deinit(&encoder);
  return status;
}

weft_status_t weft_value_encode(const weft_allocator_t* allocator,
                                weft_value_t value, weft_value_t* out_bytes) {
  return weft_record_create(allocator, WEFT_OK, value, out_bytes);
}

weft_status_t weft_error_encode(const weft_allocator_t* allocator,
                                weft_status_t error, weft_value_t* out_bytes) {
  *out_bytes = weft_none();
  if (error == WEFT_OK) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "an error is to be encoded, and this is none");
  }
  return weft_record_create(allocator, error, weft_none(), out_bytes);
}

// --- Heads ------------------------------------------------------------------

static weft_status_t refuse(const char* what) {
  return weft_status_make(WEFT_STATUS_DATA_LOSS,
                          "these bytes are no encoded value: %s", what);
}

// What has to be there in any case.
static uint64_t least_bytes(const head_t* head) {
  return sizeof(*head) + padded(head->body_bytes) +
         sizeof(uint64_t) * (uint64_t)head->attachment_count;
}

static weft_status_t read_head(const void* data, size_t size_bytes,
                               head_t* out_head) {
  *out_head = (head_t){.version = 0};
  if (size_bytes < sizeof(*out_head)) {
    return refuse("they end within the head");
  }
  memcpy(out_head, data, sizeof(*out_head));
  if (out_head->version != VERSION) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "these bytes are no encoded value, or one of "
                            "version %d of the format: this is version %d",
                            out_head->version, VERSION);
  }
  bool is_error = out_head->kind == KIND_ERROR;
  if (!is_error && out_head->kind != KIND_VALUE) {
    return refuse("what they are is neither a value nor an error");
  }
  if (out_head->body_bytes > WEFT_WIRE_BODY_LIMIT ||
      out_head->attachment_count > WEFT_WIRE_ATTACHMENT_LIMIT ||
      (is_error && out_head->attachment_count > 0)) {
    return refuse("the body is too large, or has too much beside it");
  }
  bool may_be = out_head->attachment_count > 0
                    ? out_head->size_bytes >= least_bytes(out_head)
                    : out_head->size_bytes == least_bytes(out_head);
  if (!may_be || out_head->size_bytes % 8 != 0) {
    return refuse("their number is not that of their parts");
  }
  return WEFT_OK;
}

weft_status_t weft_encoded_measure(const void* data, size_t size_bytes,
                                   size_t* out_size_bytes) {
  head_t head;
  *out_size_bytes = 0;
  WEFT_RETURN_IF_ERROR(read_head(data, size_bytes, &head));
  *out_size_bytes = head.size_bytes;
  return WEFT_OK;
}

// --- Reading ----------------------------------------------------------------

weft_status_t weft_record_open(const void* data, size_t size_bytes,
                               weft_record_t* out_record) {
  head_t head;
  out_record->is_error = false;
  out_record->body = data;
  out_record->body_bytes = 0;
  out_record->attachment_count = 0;
  WEFT_RETURN_IF_ERROR(read_head(data, size_bytes, &head));
  if (head.size_bytes != size_bytes) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "an encoded value of %llu bytes has %zu",
                            (unsigned long long)head.size_bytes, size_bytes);
  }
  const uint8_t* bytes = data;
  const uint8_t* sizes = bytes + sizeof(head) + padded(head.body_bytes);
  size_t offset_bytes = least_bytes(&head);
  out_record->is_error = head.kind == KIND_ERROR;
  out_record->body_bytes = head.body_bytes;
  out_record->attachment_count = head.attachment_count;
  out_record->body = bytes + sizeof(head);
  for (uint32_t i = 0; i < head.attachment_count; i++) {
    uint64_t each_bytes;
    memcpy(&each_bytes, sizes + i * sizeof(each_bytes), sizeof(each_bytes));
    // Both are multiples of 8: what is padded fits where what is not does.
    if (each_bytes > size_bytes - offset_bytes) {
      return refuse("what is beside the body ends behind them");
    }
    out_record->attachments[i].data = bytes + offset_bytes;
    out_record->attachments[i].size_bytes = each_bytes;
    offset_bytes += padded(each_bytes);
  }
  return offset_bytes == size_bytes
             ? WEFT_OK
             : refuse("their number is not that of their parts");
}

static weft_status_t copy_attachment(weft_decoder_t* decoder, uint32_t index,
                                     weft_storage_t** out_storage) {
  const weft_record_t* record = decoder->user;
  size_t size_bytes = record->attachments[index].size_bytes;
  WEFT_RETURN_IF_ERROR(
      weft_storage_create(decoder->allocator, NULL, size_bytes, out_storage));
  if (size_bytes > 0) {
    // Nobody else has it yet.
    memcpy((void*)(uintptr_t)weft_storage_data(*out_storage),
           record->attachments[index].data, size_bytes);
  }
  return WEFT_OK;
}

static const weft_decoder_vtable_t decoder_vtable = {
    .attachment = copy_attachment,
};

weft_status_t weft_record_decode(const weft_allocator_t* allocator,
                                 const weft_record_t* record,
                                 weft_status_t* out_error,
                                 weft_value_t* out_value) {
  *out_error = WEFT_OK;
  *out_value = weft_none();
  // The decoder looks at the body more than once.
  size_t room_bytes = (size_t)record->body_bytes + 1;
  void* copy = weft_memory_allocate(allocator, room_bytes);
  if (copy == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to decode %u bytes", record->body_bytes);
  }
  memcpy(copy, record->body, record->body_bytes);
  const weft_body_t body = {
      .data = copy,
      .size_bytes = record->body_bytes,
      .attachment_count = record->attachment_count,
  };
  weft_decoder_t decoder;
  weft_decoder_init(&decoder, allocator, &decoder_vtable,
                    (void*)(uintptr_t)record, &body);
  weft_status_t error = WEFT_OK;
  weft_value_t value = weft_none();
  weft_status_t status = record->is_error ? weft_decode_status(&decoder, &error)
                                          : weft_decode_value(&decoder, &value);
  status = status == WEFT_OK ? weft_decoder_finish(&decoder) : status;
  weft_memory_free(allocator, copy, room_bytes);
  if (status != WEFT_OK) {
    weft_status_release(error);
    weft_value_release(value);
    return status;
  }
  *out_error = error;
  *out_value = value;
  return WEFT_OK;
}

weft_status_t weft_encoded_decode(const weft_allocator_t* allocator,
                                  const void* data, size_t size_bytes,
                                  weft_status_t* out_error,
                                  weft_value_t* out_value) {
  weft_record_t record;
  *out_error = WEFT_OK;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_record_open(data, size_bytes, &record));
  return weft_record_decode(weft_allocator_or_system(allocator), &record,
                            out_error, out_value);
}
