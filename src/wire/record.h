// SPDX-License-Identifier: Apache-2.0
//
// Encoded values (weft/encoded.h): a body with all that it needs behind it; see
// FORMAT.md. What is read may lie in memory that another process changes at the
// same time: everything is looked at once, or copied first.

#ifndef WEFT_WIRE_RECORD_H_
#define WEFT_WIRE_RECORD_H_

#include "weft/encoded.h"
#include "wire/codec.h"

// The parts of an encoded value: they lie within its bytes, and are not looked
// into.
typedef struct weft_record {
  // The body is a status.
  bool is_error;
  uint32_t body_bytes;
  uint32_t attachment_count;
  const uint8_t* body;
  struct {
    const uint8_t* data;
    size_t size_bytes;
  } attachments[WEFT_WIRE_ATTACHMENT_LIMIT];
} weft_record_t;

// Finds the parts. Errors: DATA_LOSS.
weft_status_t weft_record_open(const void* data, size_t size_bytes,
                               weft_record_t* out_record);
// See `weft_encoded_decode`.
weft_status_t weft_record_decode(const weft_allocator_t* allocator,
                                 const weft_record_t* record,
                                 weft_status_t* out_error,
                                 weft_value_t* out_value);

// Encodes `error` if that is not OK, else `value`. Borrows both.
// Errors: as `weft_value_encode`.
weft_status_t weft_record_create(const weft_allocator_t* allocator,
                                 weft_status_t error, weft_value_t value,
                                 weft_value_t* out_bytes);
// Puts a head before a body that stands somewhere, without looking into it.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_record_wrap(const weft_allocator_t* allocator, bool is_error,
                               const void* body, uint32_t body_bytes,
                               weft_value_t* out_bytes);

// Whether a body, which nobody changes meanwhile, is certainly one value that a
// decoder reads: walks over it once, and makes nothing. False for what only the
// decoder can say: statuses, tensors, maps with many keys, and what is wrong.
bool weft_body_is_plain(const void* body, size_t size_bytes);

#endif  // WEFT_WIRE_RECORD_H_
