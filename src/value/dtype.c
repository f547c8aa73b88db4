// SPDX-License-Identifier: Apache-2.0
//
// Element types: names and which bits they may have.

#include "base/text_writer.h"
#include "weft/tensor.h"

static const struct {
  const char* name;
  // The only number of bits there is; 0 when any will do.
  uint8_t bits;
} codes[] = {
#define CODE_ENTRY(identifier, number, name, bits) [number] = {name, bits},
    WEFT_DTYPE_CODES(CODE_ENTRY)
#undef CODE_ENTRY
};

_Static_assert(sizeof(codes) / sizeof(codes[0]) == WEFT_DTYPE_CODE_COUNT,
               "the count of codes is one more than the highest");
_Static_assert(sizeof(weft_dtype_t) == 4, "as large as DLPack's");

weft_status_t weft_dtype_check(weft_dtype_t dtype) {
  if (dtype.code >= WEFT_DTYPE_CODE_COUNT) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                            "dtype code %u is not known; the highest is %d",
                            dtype.code, WEFT_DTYPE_CODE_COUNT - 1);
  }
  if (dtype.bits == 0 || dtype.lanes == 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a %s of %u bits and %u lanes has no size",
                            codes[dtype.code].name, dtype.bits, dtype.lanes);
  }
  uint8_t bits = codes[dtype.code].bits;
  if (bits != 0 && dtype.bits != bits) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a %s has %u bits, not %u", codes[dtype.code].name,
                            bits, dtype.bits);
  }
  return WEFT_OK;
}

size_t weft_dtype_format(weft_dtype_t dtype, char* buffer, size_t capacity) {
  weft_text_writer_t writer = weft_text_writer_make(buffer, capacity);
  if (dtype.code >= WEFT_DTYPE_CODE_COUNT) {
    weft_text_append(&writer, "dtype%u.%u", dtype.code, dtype.bits);
  } else if (codes[dtype.code].bits == dtype.bits ||
             weft_dtype_equal(dtype, WEFT_BOOL)) {
    // The bits are part of the name, or go without saying.
    weft_text_append(&writer, "%s", codes[dtype.code].name);
  } else {
    weft_text_append(&writer, "%s%u", codes[dtype.code].name, dtype.bits);
  }
  if (dtype.lanes != 1) {
    weft_text_append(&writer, "x%u", dtype.lanes);
  }
  return writer.length;
}
