// SPDX-License-Identifier: Apache-2.0
//
// Encoded values: a value, or an error, as one run of bytes that needs nothing
// beside it. It can be kept in a file, sent by whatever way, and decoded by
// another program, or later. Bytes of one value begin with a head that says how
// many there are, so that they can stand behind each other:
//
//   [ head, 16 | the rest ][ head, 16 | the rest ] ...
//
// Tensors are in it with their elements, on the cpu afterwards; what shares
// memory before has memory of its own afterwards. A value that is encoded twice
// is the same bytes. The format is drawn in src/wire/FORMAT.md.
//
// Bytes from others are safe to decode: they are a value or an error, and what
// is allocated for them is bounded by how many they are.
//
// Thread: any.

#ifndef WEFT_ENCODED_H_
#define WEFT_ENCODED_H_

#include "weft/value.h"

WEFT_BEGIN_DECLS

// The bytes that `weft_encoded_measure` needs.
#define WEFT_ENCODED_HEAD_BYTES 16

// Encodes a value as bytes, a multiple of 8 of them.
// Errors: UNIMPLEMENTED for what cannot leave its process (opaque objects,
// futures, ends of channels, tensors of devices), OUT_OF_RANGE beyond a limit
// of the format; the message has the path within the value to the part.
// RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_value_encode(const weft_allocator_t* allocator, weft_value_t value,
                  weft_value_t* out_bytes);

// Encodes an error, with its place and causes; of a chain of more than 33 the
// outermost and the root. Borrows it.
// Errors: INVALID_ARGUMENT for OK; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_error_encode(const weft_allocator_t* allocator, weft_status_t error,
                  weft_value_t* out_bytes);

// Decodes `size_bytes` bytes, which are one encoded value and nothing else;
// they may lie anywhere. Nothing that is handed out refers to them.
// Owns: hands over either an error, or, when `out_error` is OK, a value.
// Errors: DATA_LOSS for bytes that are no encoded value, or of another version
// of the format; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_encoded_decode(
    const weft_allocator_t* allocator, const void* data, size_t size_bytes,
    weft_status_t* out_error, weft_value_t* out_value);

// How many bytes the encoded value has that begins at `data`, its head among
// them. `size_bytes` are there: WEFT_ENCODED_HEAD_BYTES at least. Nobody has
// checked what the head says against what there is: compare it with a limit
// before you make room for it. Errors: DATA_LOSS for what is no head.
WEFT_API WEFT_MUST_USE weft_status_t weft_encoded_measure(
    const void* data, size_t size_bytes, size_t* out_size_bytes);

WEFT_END_DECLS

#endif  // WEFT_ENCODED_H_
