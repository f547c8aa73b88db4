// SPDX-License-Identifier: Apache-2.0
//
// Takes the input as a frame, as a link would hand it over. Of one that is
// accepted every part lies within it, and everything that a receiver does next
// does no harm.

#include <string.h>

#include "base/assert.h"
#include "weft/tensor.h"
#include "wire/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

#define FRAME_LIMIT 16384

// A frame and its table, for attachments.
typedef struct receiver {
  const weft_frame_t* frame;
  weft_payload_t payload;
} receiver_t;

static void check_within(const weft_frame_t* frame, const void* part,
                         uint64_t size_bytes) {
  uintptr_t from = (uintptr_t)frame + WEFT_FRAME_HEAD_BYTES;
  uintptr_t to = (uintptr_t)frame + frame->size_bytes;
  weft_assert((uintptr_t)part >= from && (uintptr_t)part <= to);
  weft_assert(size_bytes <= to - (uintptr_t)part);
}

// Copies bytes out of the frame; a loan is none of our segments.
static weft_status_t take(weft_decoder_t* decoder, uint32_t index,
                          weft_storage_t** out_storage) {
  const receiver_t* receiver = decoder->user;
  weft_attachment_t attachment;
  *out_storage = NULL;
  WEFT_RETURN_IF_ERROR(weft_attachment_read(receiver->frame, &receiver->payload,
                                            index, &attachment));
  if (attachment.kind != WEFT_ATTACHMENT_INLINE) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS, "nothing was lent");
  }
  const uint8_t* from =
      (const uint8_t*)receiver->frame + attachment.offset_bytes;
  check_within(receiver->frame, from, attachment.size_bytes);
  WEFT_RETURN_IF_ERROR(
      weft_storage_create(NULL, NULL, attachment.size_bytes, out_storage));
  if (attachment.size_bytes > 0) {
    memcpy((void*)(uintptr_t)weft_storage_data(*out_storage), from,
           attachment.size_bytes);
  }
  return WEFT_OK;
}

static void read_scalars(const receiver_t* receiver) {
  weft_value_t values[WEFT_FRAME_SCALAR_LIMIT];
  const weft_frame_t* frame = receiver->frame;
  check_within(frame, receiver->payload.scalars, 8ull * frame->value_count);
  weft_status_t status =
      weft_frame_get_scalars(frame, receiver->payload.scalars, values);
  if (status == WEFT_OK) {
    // Put again they are the same frame.
    weft_frame_t again = *frame;
    uint64_t payload[WEFT_FRAME_SCALAR_LIMIT];
    weft_frame_put_scalars(&again, payload, values, frame->value_count);
    weft_assert(memcmp(&again, frame, sizeof(again)) == 0);
    weft_assert(memcmp(payload, receiver->payload.scalars,
                       8ull * frame->value_count) == 0);
  }
  weft_status_release(status);
}

static weft_status_t read_body(weft_decoder_t* decoder,
                               const weft_frame_t* frame) {
  weft_status_t status = WEFT_OK;
  weft_value_t value;
  if ((frame->flags & WEFT_FRAME_ERROR) != 0) {
    weft_status_t error = WEFT_OK;
    status = weft_decode_status(decoder, &error);
    weft_status_release(error);
  }
  for (uint32_t i = 0; i < frame->value_count && status == WEFT_OK; ++i) {
    status = weft_decode_value(decoder, &value);
    weft_value_release(value);
  }
  for (uint32_t i = 0; i < frame->named_count && status == WEFT_OK; ++i) {
    const char* name = NULL;
    size_t name_bytes = 0;
    status = weft_decode_named(decoder, &name, &name_bytes, &value);
    weft_value_release(value);
  }
  return status == WEFT_OK ? weft_decoder_finish(decoder) : status;
}

static void receive(const weft_frame_t* frame) {
  static const weft_decoder_vtable_t vtable = {.attachment = take};
  receiver_t receiver = {.frame = frame};
  weft_decoder_t decoder;
  weft_status_t status = weft_frame_payload(frame, &receiver.payload);
  weft_assert(status == WEFT_OK);
  check_within(frame, receiver.payload.attachments,
               (uint64_t)frame->attachment_count * WEFT_ATTACHMENT_BYTES);
  if (receiver.payload.scalars != NULL) {
    read_scalars(&receiver);
  } else if (receiver.payload.body != NULL) {
    const weft_body_t body = {receiver.payload.body,
                              receiver.payload.body_bytes,
                              frame->attachment_count};
    check_within(frame, body.data, body.size_bytes);
    weft_decoder_init(&decoder, NULL, &vtable, &receiver, &body);
    weft_status_release(read_body(&decoder, frame));
  } else {
    weft_attachment_t attachment;
    weft_status_release(
        weft_attachment_read(frame, &receiver.payload, 0, &attachment));
  }
}

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes) {
  static _Alignas(8) uint8_t room[FRAME_LIMIT];
  weft_frame_t* frame = (weft_frame_t*)(void*)room;
  if (size_bytes > FRAME_LIMIT || size_bytes < WEFT_FRAME_HEAD_BYTES) {
    return 0;
  }
  memcpy(room, data, size_bytes);
  weft_status_t status = weft_frame_check(frame, size_bytes);
  weft_status_release(status);
  if (status != WEFT_OK) {
    // Most inputs lie about their size: the rest of them is worth a look.
    frame->size_bytes = (uint32_t)size_bytes;
    status = weft_frame_check(frame, size_bytes);
    weft_status_release(status);
  }
  if (status == WEFT_OK) {
    receive(frame);
  }
  return 0;
}
