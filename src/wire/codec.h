// SPDX-License-Identifier: Apache-2.0
//
// Values as bytes and back; see FORMAT.md. A body is MessagePack: nil, bool,
// int64, float64, str, bin, array, map, and extensions for what MessagePack
// has no word for. Tensors, and strings and bytes that are large, stay out of
// it: the body has a number in their place, and an *attachment* of that number
// goes beside it, which says where the bytes are. What an attachment is made
// of (a loan of shared memory, bytes in the frame) is decided by whoever
// sends.
//
// Reading trusts nothing: sizes, counts, depth and numbers are checked against
// what is there and against limits before anything is allocated for them, and
// each attachment must be used exactly once. The body is looked at more than
// once, so it must not be memory that a peer can write to; attachments may be.

#ifndef WEFT_WIRE_CODEC_H_
#define WEFT_WIRE_CODEC_H_

#include "weft/tensor.h"
#include "wire/frame.h"
#include "wire/reader.h"

// Attachments of a body, at most. Half of them may be strings and bytes; those
// that find none left stay in the body.
#define WEFT_WIRE_ATTACHMENT_LIMIT 64
// Strings and bytes longer than this go beside the body. Units: bytes.
#define WEFT_WIRE_INLINE_LIMIT 4096
// The largest body. Units: bytes.
#define WEFT_WIRE_BODY_LIMIT (UINT32_C(64) << 20)
// Values in one body, all of them counted.
#define WEFT_WIRE_VALUE_LIMIT (UINT32_C(1) << 20)
// The causes of a status that are carried, and the bytes of each text. Of a
// longer chain the first ones and the root are carried, and a note between.
#define WEFT_WIRE_CAUSE_LIMIT 32
#define WEFT_WIRE_TEXT_LIMIT 4096

// Extension types of MessagePack; part of the format. Types from FIRST_FREE on
// belong to layers above.
enum {
  WEFT_EXTENSION_ACTOR = 1,
  WEFT_EXTENSION_STATUS = 2,
  WEFT_EXTENSION_TENSOR = 3,
  // A string or bytes beside the body.
  WEFT_EXTENSION_STRING = 4,
  WEFT_EXTENSION_BYTES = 5,
  WEFT_EXTENSION_FIRST_FREE = 16,
  WEFT_EXTENSION_FUTURE = 16,
  WEFT_EXTENSION_CHANNEL_END = 17
};

// Where the bytes of an attachment are; 40 bytes in a frame.
typedef struct weft_attachment {
  // A weft_attachment_kind_t.
  uint8_t kind;
  // Of a loan: the runtime that owns the block.
  uint16_t owner_rank;
  uint16_t owner_incarnation;
  // Of a loan: which block; see memory/arena.h.
  uint32_t segment;
  uint32_t generation;
  // Of a loan: where the block is in its segment. Inline: where the bytes are
  // in the frame, counted from its first byte; a multiple of 8.
  uint64_t offset_bytes;
  uint64_t size_bytes;
  // Of a loan: all of its segment, which the descriptor must have.
  uint64_t segment_bytes;
} weft_attachment_t;

typedef enum weft_attachment_kind {
  // The bytes stand in the frame.
  WEFT_ATTACHMENT_INLINE = 1,
  // A block of somebody's shared memory is lent.
  WEFT_ATTACHMENT_LOAN = 2
} weft_attachment_kind_t;

// --- Writing ----------------------------------------------------------------

typedef struct weft_encoder weft_encoder_t;

// What layers above do for the encoder.
typedef struct weft_encoder_vtable {
  // Writes a value of a kind that the codec does not know (a future) with
  // `weft_encoder_extension`. NULL, or an error of UNIMPLEMENTED: it cannot be
  // sent.
  weft_status_t (*value)(weft_encoder_t* encoder, weft_value_t value);
} weft_encoder_vtable_t;

// Bytes that go beside the body, lent by the value that they are part of.
typedef struct weft_encoder_bytes {
  // Of a tensor: the first byte of the smallest range of its storage that has
  // all elements; never empty.
  const void* data;
  size_t size_bytes;
  // Of a tensor; NULL for strings and bytes.
  const weft_tensor_t* tensor;
} weft_encoder_bytes_t;

struct weft_encoder {
  // Given by the caller.
  const weft_encoder_vtable_t* vtable;
  void* user;
  const weft_allocator_t* allocator;
  // The body so far. It grows as it must; `inside` serves most bodies.
  uint8_t* data;
  size_t size_bytes;
  size_t capacity_bytes;
  // Values that may still be appended.
  uint32_t budget;
  // In `weft_encode_data`.
  bool is_bare;
  // What goes beside it, in order of its numbers.
  uint32_t attachment_count;
  weft_encoder_bytes_t attachments[WEFT_WIRE_ATTACHMENT_LIMIT];
  uint8_t inside[1024];
};

void weft_encoder_init(weft_encoder_t* encoder,
                       const weft_allocator_t* allocator,
                       const weft_encoder_vtable_t* vtable, void* user);
void weft_encoder_deinit(weft_encoder_t* encoder);

// Appends a value. A tensor must be on the cpu, and is written as the smallest
// range of its storage that has all its elements, with its strides. One
// without elements needs no attachment. The value is lent as long as the
// attachments are used. After an error the encoder is as it was before.
// Errors: UNIMPLEMENTED for what cannot be sent (opaque objects, tensors of
// devices), OUT_OF_RANGE beyond a limit, RESOURCE_EXHAUSTED; the message has
// the path inside the value to the part ("argument 2: [3].weights").
// `what` names the value, as "argument 2".
weft_status_t weft_encode_value(weft_encoder_t* encoder, const char* what,
                                weft_value_t value);
// Appends a value without its structure (value/structure.h), which the reader
// has: lists, maps and tensors leave nothing in the body but what is in them.
// Tensors have no gaps. Errors: as above.
weft_status_t weft_encode_data(weft_encoder_t* encoder, const char* what,
                               weft_value_t value);
// Appends a named value: its name, then itself.
weft_status_t weft_encode_named(weft_encoder_t* encoder, const char* name,
                                weft_value_t value);
// Appends a status, which is not OK, with place and causes.
weft_status_t weft_encode_status(weft_encoder_t* encoder, weft_status_t status);
// For vtables: appends an extension.
weft_status_t weft_encoder_extension(weft_encoder_t* encoder, int8_t type,
                                     const void* data, uint32_t size_bytes);

// --- Reading ----------------------------------------------------------------

typedef struct weft_decoder weft_decoder_t;

typedef struct weft_decoder_vtable {
  // Makes a storage of attachment `index`, which has been checked to be asked
  // for once. Owns: hands over a reference. The codec copies out of it what
  // is no tensor.
  weft_status_t (*attachment)(weft_decoder_t* decoder, uint32_t index,
                              weft_storage_t** out_storage);
  // Makes a value of an extension from FIRST_FREE on. NULL: there are none.
  weft_status_t (*extension)(weft_decoder_t* decoder, int8_t type,
                             const void* data, uint32_t size_bytes,
                             weft_value_t* out_value);
} weft_decoder_vtable_t;

struct weft_decoder {
  const weft_decoder_vtable_t* vtable;
  void* user;
  const weft_allocator_t* allocator;
  weft_token_reader_t reader;
  uint32_t attachment_count;
  // A bit for each attachment that was used. After an error those whose bit is
  // not set were never asked for.
  uint64_t used;
  // Values that may still be made.
  uint32_t budget;
};

// What a decoder reads.
typedef struct weft_body {
  // Lent as long as the decoder is used.
  const void* data;
  size_t size_bytes;
  // At most WEFT_WIRE_ATTACHMENT_LIMIT.
  uint32_t attachment_count;
} weft_body_t;

void weft_decoder_init(weft_decoder_t* decoder,
                       const weft_allocator_t* allocator,
                       const weft_decoder_vtable_t* vtable, void* user,
                       const weft_body_t* body);

// Reads the next value. Owns: hands over a reference.
// Errors: DATA_LOSS for bytes that are no value, with the offset and what was
// expected; RESOURCE_EXHAUSTED; what the vtable says. Nothing can be read
// after an error.
weft_status_t weft_decode_value(weft_decoder_t* decoder,
                                weft_value_t* out_value);
// Reads what `weft_encode_data` wrote of a value with this structure: each
// tensor has the next attachment that nothing has named. Errors: as above;
// DATA_LOSS for values of other kinds, and for attachments of another size than
// the elements that they should have.
weft_status_t weft_decode_data(weft_decoder_t* decoder, weft_value_t structure,
                               weft_value_t* out_value);
// Reads a name and a value. `out_name` is not terminated by a NUL: it is lent
// by the body, and UTF-8.
weft_status_t weft_decode_named(weft_decoder_t* decoder, const char** out_name,
                                size_t* out_name_bytes,
                                weft_value_t* out_value);
// Reads a status into `out_status`, which is never OK when this is.
weft_status_t weft_decode_status(weft_decoder_t* decoder,
                                 weft_status_t* out_status);
// DATA_LOSS unless all bytes were read and all attachments were used.
weft_status_t weft_decoder_finish(const weft_decoder_t* decoder);

// --- Frames -----------------------------------------------------------------

// Checks the head of a frame against its size and the limits of the format:
// afterwards value_count, named_count, attachment_count, kinds and the payload
// agree with `size_bytes`. Errors: DATA_LOSS.
weft_status_t weft_frame_check(const weft_frame_t* frame, size_t size_bytes);

// True when all values fit into the head and 8 bytes each.
bool weft_values_are_scalars(const weft_value_t* values, size_t count);

// Scalars to and from a payload; `count` at most WEFT_FRAME_SCALAR_LIMIT.
// Actors are no scalars here. Sets `flags` WEFT_FRAME_SCALARS, the counts and
// `kinds` of the frame.
void weft_frame_put_scalars(weft_frame_t* frame, uint64_t* payload,
                            const weft_value_t* values, uint32_t count);
// Errors: DATA_LOSS for a kind that is no scalar, and for bytes that are none
// of its values.
weft_status_t weft_frame_get_scalars(const weft_frame_t* frame,
                                     const uint64_t* payload,
                                     weft_value_t* out_values);

// The parts of a payload, found by a frame that was checked.
typedef struct weft_payload {
  // NULL and 0 with WEFT_FRAME_SCALARS or WEFT_FRAME_BODY_ATTACHED.
  const uint8_t* body;
  size_t body_bytes;
  // With WEFT_FRAME_SCALARS: `value_count` of them; else NULL.
  const uint64_t* scalars;
  // `attachment_count` entries of WEFT_ATTACHMENT_BYTES each. With
  // WEFT_FRAME_BODY_ATTACHED the first is the body, and those that the body
  // names begin at the second.
  const uint8_t* attachments;
  // 0 without WEFT_FRAME_FLOW.
  uint64_t flow;
} weft_payload_t;

#define WEFT_ATTACHMENT_BYTES 40

// Errors: DATA_LOSS, as `weft_frame_check` would say.
weft_status_t weft_frame_payload(const weft_frame_t* frame,
                                 weft_payload_t* out_payload);

// One entry of the table, with its fields checked against the frame: an inline
// attachment lies within it, behind the table. Errors: DATA_LOSS.
weft_status_t weft_attachment_read(const weft_frame_t* frame,
                                   const weft_payload_t* payload,
                                   uint32_t index,
                                   weft_attachment_t* out_attachment);
void weft_attachment_write(uint8_t* place, const weft_attachment_t* attachment);

#endif  // WEFT_WIRE_CODEC_H_
