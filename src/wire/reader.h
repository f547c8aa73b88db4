// SPDX-License-Identifier: Apache-2.0
//
// A pull reader of MessagePack: one token a call, nothing allocated, nothing
// copied. A token that is given has been checked against the bytes left: its
// own bytes are all there, and of an array or map at least a byte for each
// element.

#ifndef WEFT_WIRE_READER_H_
#define WEFT_WIRE_READER_H_

#include "weft/status.h"

typedef struct weft_token_reader {
  const uint8_t* data;
  size_t size_bytes;
  // How far it was read.
  size_t offset_bytes;
} weft_token_reader_t;

typedef enum weft_token_type {
  WEFT_TOKEN_NONE = 0,
  WEFT_TOKEN_BOOL,
  WEFT_TOKEN_INT64,
  WEFT_TOKEN_FLOAT64,
  WEFT_TOKEN_STRING,
  WEFT_TOKEN_BYTES,
  WEFT_TOKEN_LIST,
  WEFT_TOKEN_MAP,
  WEFT_TOKEN_EXTENSION
} weft_token_type_t;

#define WEFT_TOKEN_TYPE_COUNT 9

typedef struct weft_token {
  // A weft_token_type_t.
  uint8_t type;
  // Of an extension.
  int8_t extension;
  // Bytes of a string, bytes or extension; elements of a list; entries of a
  // map.
  uint32_t count;
  // Where the token begins.
  size_t offset_bytes;
  // Of a string, bytes or extension: lent by the reader's data, not UTF-8
  // before it was checked.
  const uint8_t* data;
  union {
    bool boolean;
    int64_t int64;
    double float64;
  } as;
} weft_token_t;

// Reads a token and moves behind it; of an array or map, to its first element.
// Errors: DATA_LOSS, with the offset.
weft_status_t weft_tokens_next(weft_token_reader_t* reader,
                               weft_token_t* out_token);

// The same for a token that must be of one type; `what` says in the error
// what it is for.
weft_status_t weft_tokens_expect(weft_token_reader_t* reader,
                                 weft_token_type_t type, const char* what,
                                 weft_token_t* out_token);

// The name of a type, such as "a string". Never NULL.
const char* weft_token_type_name(uint8_t type);

#endif  // WEFT_WIRE_READER_H_
