// SPDX-License-Identifier: Apache-2.0
//
// The codec as the files of this folder see it.

#ifndef WEFT_WIRE_WIRE_INTERNAL_H_
#define WEFT_WIRE_WIRE_INTERNAL_H_

#include <string.h>

#include <msgpack/pack.h>

#include "wire/codec.h"

// Numbers in heads and extensions are copied as they lie in memory.
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the format is little endian");

// Values in a status, each of them counted: the status and its causes.
#define WEFT_WIRE_CHAIN_LIMIT (WEFT_WIRE_CAUSE_LIMIT + 1)

// --- Extensions -------------------------------------------------------------

#define WEFT_WIRE_ACTOR_BYTES 12
// A string or bytes beside the body: the number of the attachment.
#define WEFT_WIRE_BESIDE_BYTES 2
// A tensor: this head, then sizes and strides of 8 bytes each.
#define WEFT_WIRE_TENSOR_BYTES 16
#define WEFT_WIRE_TENSOR_BYTES_LIMIT \
  (WEFT_WIRE_TENSOR_BYTES + 2 * 8 * WEFT_TENSOR_NDIM_LIMIT)
// In place of the number of an attachment: there is none.
#define WEFT_WIRE_NO_ATTACHMENT 0xffff
// Bit of a tensor's flags: strides follow the sizes; else there are no gaps.
#define WEFT_WIRE_TENSOR_STRIDES 1

typedef struct weft_wire_tensor {
  uint16_t attachment;
  uint8_t ndim;
  uint8_t flags;
  weft_dtype_t dtype;
  uint64_t byte_offset;
} weft_wire_tensor_t;

_Static_assert(sizeof(weft_wire_tensor_t) == WEFT_WIRE_TENSOR_BYTES,
               "the format");

typedef struct weft_wire_actor {
  uint16_t rank;
  uint16_t incarnation;
  uint32_t index;
  uint32_t generation;
} weft_wire_actor_t;

_Static_assert(sizeof(weft_wire_actor_t) == WEFT_WIRE_ACTOR_BYTES,
               "the format");

// --- Writing ----------------------------------------------------------------

// For `weft_encoder_reserve`.
weft_status_t weft_encoder_grow(weft_encoder_t* encoder, size_t size_bytes);

// Makes room for `size_bytes` bytes more. Errors: OUT_OF_RANGE beyond the
// largest body; RESOURCE_EXHAUSTED.
static inline weft_status_t weft_encoder_reserve(weft_encoder_t* encoder,
                                                 size_t size_bytes) {
  return size_bytes <= encoder->capacity_bytes - encoder->size_bytes
             ? WEFT_OK
             : weft_encoder_grow(encoder, size_bytes);
}

// Counts `count` values. Errors: OUT_OF_RANGE.
weft_status_t weft_encoder_spend(weft_encoder_t* encoder, size_t count);

// What the packer writes with; room was reserved.
static inline int weft_encoder_write(void* user, const char* data,
                                     size_t size_bytes) {
  weft_encoder_t* encoder = (weft_encoder_t*)user;
  memcpy(encoder->data + encoder->size_bytes, data, size_bytes);
  encoder->size_bytes += size_bytes;
  return 0;
}

// Packs into the room that was reserved, and so cannot fail.
static inline msgpack_packer weft_encoder_packer(weft_encoder_t* encoder) {
  msgpack_packer packer = {encoder, weft_encoder_write};
  return packer;
}

// Appends the extension of a status; counts what is in it, but not itself.
weft_status_t weft_encode_chain(weft_encoder_t* encoder, weft_status_t status);

// --- Reading ----------------------------------------------------------------

// Counts `count` values. Errors: DATA_LOSS.
weft_status_t weft_decoder_spend(weft_decoder_t* decoder, size_t count);

// Makes the status of an extension whose token was read.
weft_status_t weft_decode_chain(weft_decoder_t* decoder,
                                const weft_token_t* token,
                                weft_status_t* out_status);

#endif  // WEFT_WIRE_WIRE_INTERNAL_H_
