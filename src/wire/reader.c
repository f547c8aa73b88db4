// SPDX-License-Identifier: Apache-2.0

#include "wire/reader.h"

#include <string.h>

#include "base/assert.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "numbers of MessagePack are turned round");

// How a token goes on behind its first byte, 0xc0 to 0xdf:
//
//   first byte | number of `width` bytes | extension type | `count` bytes
//
// The number is the datum, or the count.
typedef struct format {
  // A weft_token_type_t, or one of the below.
  uint8_t type;
  uint8_t width;
  // The count where no number says it; of a bool its value.
  uint8_t count;
} format_t;

// Beside the types of tokens.
enum { INVALID = WEFT_TOKEN_TYPE_COUNT, UNSIGNED };

static const format_t formats[32] = {
    {WEFT_TOKEN_NONE, 0, 0},
    {INVALID, 0, 0},
    {WEFT_TOKEN_BOOL, 0, 0},
    {WEFT_TOKEN_BOOL, 0, 1},
    {WEFT_TOKEN_BYTES, 1, 0},
    {WEFT_TOKEN_BYTES, 2, 0},
    {WEFT_TOKEN_BYTES, 4, 0},
    {WEFT_TOKEN_EXTENSION, 1, 0},
    {WEFT_TOKEN_EXTENSION, 2, 0},
    {WEFT_TOKEN_EXTENSION, 4, 0},
    {WEFT_TOKEN_FLOAT64, 4, 0},
    {WEFT_TOKEN_FLOAT64, 8, 0},
    {UNSIGNED, 1, 0},
    {UNSIGNED, 2, 0},
    {UNSIGNED, 4, 0},
    {UNSIGNED, 8, 0},
    {WEFT_TOKEN_INT64, 1, 0},
    {WEFT_TOKEN_INT64, 2, 0},
    {WEFT_TOKEN_INT64, 4, 0},
    {WEFT_TOKEN_INT64, 8, 0},
    {WEFT_TOKEN_EXTENSION, 0, 1},
    {WEFT_TOKEN_EXTENSION, 0, 2},
    {WEFT_TOKEN_EXTENSION, 0, 4},
    {WEFT_TOKEN_EXTENSION, 0, 8},
    {WEFT_TOKEN_EXTENSION, 0, 16},
    {WEFT_TOKEN_STRING, 1, 0},
    {WEFT_TOKEN_STRING, 2, 0},
    {WEFT_TOKEN_STRING, 4, 0},
    {WEFT_TOKEN_LIST, 2, 0},
    {WEFT_TOKEN_LIST, 4, 0},
    {WEFT_TOKEN_MAP, 2, 0},
    {WEFT_TOKEN_MAP, 4, 0},
};

const char* weft_token_type_name(uint8_t type) {
  static const char* const names[WEFT_TOKEN_TYPE_COUNT] = {
      "none",  "a bool", "an int64", "a float64",    "a string",
      "bytes", "a list", "a map",    "an extension",
  };
  return type < WEFT_TOKEN_TYPE_COUNT ? names[type] : "no token";
}

// The errors are out of the way of those who read.
__attribute__((cold, noinline)) static weft_status_t truncated(
    const weft_token_reader_t* reader, size_t offset_bytes, const char* what) {
  return weft_status_make(WEFT_STATUS_DATA_LOSS,
                          "byte %zu of %zu: the bytes end before %s does",
                          offset_bytes, reader->size_bytes, what);
}

__attribute__((cold, noinline)) static weft_status_t overlong(
    const weft_token_reader_t* reader, const weft_token_t* token) {
  return weft_status_make(
      WEFT_STATUS_DATA_LOSS,
      "byte %zu of %zu: %s of %u, but only %zu bytes are left",
      token->offset_bytes, reader->size_bytes,
      weft_token_type_name(token->type), token->count,
      reader->size_bytes - reader->offset_bytes);
}

static size_t bytes_left(const weft_token_reader_t* reader) {
  return reader->size_bytes - reader->offset_bytes;
}

// A number of up to 8 bytes, the highest first; they are there.
static uint64_t take_number(weft_token_reader_t* reader, uint8_t width) {
  uint64_t number = 0;
  if (width == sizeof(number)) {
    // Nearly every float64.
    memcpy(&number, reader->data + reader->offset_bytes, sizeof(number));
    reader->offset_bytes += sizeof(number);
    return __builtin_bswap64(number);
  }
  for (uint8_t i = 0; i < width; ++i) {
    number = number << 8 | reader->data[reader->offset_bytes++];
  }
  return number;
}

static weft_status_t set_unsigned(const weft_token_reader_t* reader,
                                  weft_token_t* token, uint64_t number) {
  token->type = WEFT_TOKEN_INT64;
  if (number > INT64_MAX) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "byte %zu of %zu: %llu is more than an int64 holds",
                            token->offset_bytes, reader->size_bytes,
                            (unsigned long long)number);
  }
  token->as.int64 = (int64_t)number;
  return WEFT_OK;
}

static void set_signed(weft_token_t* token, uint64_t number, uint8_t width) {
  weft_assert(width > 0);
  // The sign stands in the highest bit of the bytes that there are.
  uint64_t sign = UINT64_C(1) << (8 * width - 1);
  token->as.int64 = (int64_t)((number ^ sign) - sign);
}

static void set_float(weft_token_t* token, uint64_t number, uint8_t width) {
  if (width == 8) {
    memcpy(&token->as.float64, &number, sizeof(number));
    return;
  }
  uint32_t low = (uint32_t)number;
  float single = 0;
  memcpy(&single, &low, sizeof(low));
  token->as.float64 = (double)single;
}

// Takes the bytes of a string, bytes or extension.
static weft_status_t take_bytes(weft_token_reader_t* reader,
                                weft_token_t* token) {
  if (token->count > bytes_left(reader)) {
    return overlong(reader, token);
  }
  token->data = reader->data + reader->offset_bytes;
  reader->offset_bytes += token->count;
  return WEFT_OK;
}

static weft_status_t take_extension(weft_token_reader_t* reader,
                                    weft_token_t* token) {
  if (bytes_left(reader) == 0) {
    return truncated(reader, token->offset_bytes, "an extension");
  }
  uint8_t type = reader->data[reader->offset_bytes++];
  memcpy(&token->extension, &type, sizeof(type));
  return take_bytes(reader, token);
}

// Every element takes at least a byte: a count that cannot be met is refused
// before anybody makes room for it.
static weft_status_t check_elements(const weft_token_reader_t* reader,
                                    const weft_token_t* token, uint32_t each) {
  return token->count <= bytes_left(reader) / each ? WEFT_OK
                                                   : overlong(reader, token);
}

static weft_status_t finish(weft_token_reader_t* reader, weft_token_t* token) {
  switch (token->type) {
    case WEFT_TOKEN_STRING:
    case WEFT_TOKEN_BYTES:
      return take_bytes(reader, token);
    case WEFT_TOKEN_LIST:
      return check_elements(reader, token, 1);
    case WEFT_TOKEN_MAP:
      return check_elements(reader, token, 2);
    case WEFT_TOKEN_EXTENSION:
      return take_extension(reader, token);
    default:
      return WEFT_OK;
  }
}

static weft_status_t next_long(weft_token_reader_t* reader, weft_token_t* token,
                               format_t format) {
  token->type = format.type;
  if (format.width > bytes_left(reader)) {
    return truncated(reader, token->offset_bytes, "a number");
  }
  uint64_t number = take_number(reader, format.width);
  switch (format.type) {
    case INVALID:
      return weft_status_make(WEFT_STATUS_DATA_LOSS,
                              "byte %zu of %zu: 0xc1 begins no value",
                              token->offset_bytes, reader->size_bytes);
    case UNSIGNED:
      return set_unsigned(reader, token, number);
    case WEFT_TOKEN_INT64:
      set_signed(token, number, format.width);
      return WEFT_OK;
    case WEFT_TOKEN_FLOAT64:
      set_float(token, number, format.width);
      return WEFT_OK;
    case WEFT_TOKEN_BOOL:
      token->as.boolean = format.count != 0;
      return WEFT_OK;
    default:
      token->count = format.width > 0 ? (uint32_t)number : format.count;
      return finish(reader, token);
  }
}

// Types whose count stands in the first byte.
static weft_status_t next_short(weft_token_reader_t* reader,
                                weft_token_t* token, uint8_t first) {
  if (first >= 0xa0) {
    token->type = WEFT_TOKEN_STRING;
    token->count = first & 0x1f;
  } else {
    token->type = first >= 0x90 ? WEFT_TOKEN_LIST : WEFT_TOKEN_MAP;
    token->count = first & 0x0f;
  }
  return finish(reader, token);
}

weft_status_t weft_tokens_next(weft_token_reader_t* reader,
                               weft_token_t* out_token) {
  *out_token = (weft_token_t){.offset_bytes = reader->offset_bytes};
  if (bytes_left(reader) == 0) {
    return truncated(reader, reader->offset_bytes, "a value");
  }
  uint8_t first = reader->data[reader->offset_bytes++];
  if (first < 0x80 || first >= 0xe0) {
    out_token->type = WEFT_TOKEN_INT64;
    out_token->as.int64 = first < 0x80 ? first : (int64_t)first - 0x100;
    return WEFT_OK;
  }
  if (first < 0xc0) {
    return next_short(reader, out_token, first);
  }
  return next_long(reader, out_token, formats[first - 0xc0]);
}

weft_status_t weft_tokens_expect(weft_token_reader_t* reader,
                                 weft_token_type_t type, const char* what,
                                 weft_token_t* out_token) {
  WEFT_RETURN_IF_ERROR(weft_tokens_next(reader, out_token));
  if (out_token->type != (uint8_t)type) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "byte %zu of %zu: %s is %s, not %s",
                            out_token->offset_bytes, reader->size_bytes, what,
                            weft_token_type_name(out_token->type),
                            weft_token_type_name((uint8_t)type));
  }
  return WEFT_OK;
}
