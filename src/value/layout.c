// SPDX-License-Identifier: Apache-2.0

#include "value/layout.h"

// Tensors end below this many bits, so that offsets in bits are int64_t.
#define BITS_LIMIT INT64_MAX

static weft_status_t too_large(const weft_tensor_layout_t* layout) {
  return weft_status_make(
      WEFT_STATUS_OUT_OF_RANGE,
      "the sizes of %u dimensions and %u bits an element come to 2^63 bits or "
      "more",
      layout->ndim, weft_dtype_bits(layout->dtype));
}

static weft_status_t check_shape(const weft_tensor_layout_t* layout) {
  if (layout->ndim > WEFT_TENSOR_NDIM_LIMIT) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "%u dimensions; the limit is %d", layout->ndim,
                            WEFT_TENSOR_NDIM_LIMIT);
  }
  if (layout->shape == NULL && layout->ndim > 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%u dimensions have no shape", layout->ndim);
  }
  for (uint32_t i = 0; i < layout->ndim; ++i) {
    if (layout->shape[i] < 0) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "dimension %u has the negative size %lld", i,
                              (long long)layout->shape[i]);
    }
  }
  return WEFT_OK;
}

// Strides without gaps, and the element count. A size of 0 counts as 1 in
// strides, so the check for too large a product does not depend on where a 0
// stands.
static weft_status_t measure_compact(const weft_tensor_layout_t* layout,
                                     int64_t* strides,
                                     weft_layout_extent_t* extent) {
  int64_t stride = 1;
  bool is_empty = false;
  bool fits = true;
  for (uint32_t i = layout->ndim; i-- > 0;) {
    int64_t size = layout->shape[i];
    is_empty = is_empty || size == 0;
    strides[i] = stride;
    fits =
        fits && !__builtin_mul_overflow(stride, size > 0 ? size : 1, &stride);
  }
  int64_t bits = 0;
  fits = fits && !__builtin_mul_overflow(
                     stride, (int64_t)weft_dtype_bits(layout->dtype), &bits);
  // The last byte is a whole one.
  fits = fits && bits <= BITS_LIMIT - 7;
  if (!fits) {
    return too_large(layout);
  }
  extent->element_count = is_empty ? 0 : stride;
  extent->size_bytes = is_empty ? 0 : (size_t)(bits + 7) / 8;
  return WEFT_OK;
}

// How far the elements reach with the strides given, which replace those
// without gaps where a dimension has more than one element.
static weft_status_t measure_reach(const weft_tensor_layout_t* layout,
                                   int64_t* strides,
                                   weft_layout_extent_t* extent) {
  const int64_t bits = weft_dtype_bits(layout->dtype);
  extent->low_bits = 0;
  extent->high_bits = bits;
  bool fits = true;
  for (uint32_t i = 0; i < layout->ndim && fits; ++i) {
    if (layout->shape[i] < 2) {
      continue;
    }
    if (layout->strides != NULL) {
      strides[i] = layout->strides[i];
    }
    int64_t reach = 0;
    int64_t* end = strides[i] < 0 ? &extent->low_bits : &extent->high_bits;
    fits = !__builtin_mul_overflow(layout->shape[i] - 1, strides[i], &reach) &&
           !__builtin_mul_overflow(reach, bits, &reach) &&
           !__builtin_add_overflow(*end, reach, end);
  }
  fits = fits && extent->high_bits <= BITS_LIMIT - 7;
  return fits ? WEFT_OK : too_large(layout);
}

weft_status_t weft_layout_measure(const weft_tensor_layout_t* layout,
                                  int64_t* out_strides,
                                  weft_layout_extent_t* out_extent) {
  *out_extent = (weft_layout_extent_t){0};
  WEFT_RETURN_IF_ERROR(weft_dtype_check(layout->dtype));
  WEFT_RETURN_IF_ERROR(check_shape(layout));
  WEFT_RETURN_IF_ERROR(measure_compact(layout, out_strides, out_extent));
  if (out_extent->element_count == 0) {
    return WEFT_OK;
  }
  return measure_reach(layout, out_strides, out_extent);
}

weft_status_t weft_layout_check_within(const weft_layout_extent_t* extent,
                                       size_t byte_offset, size_t size_bytes) {
  // Bytes before and behind the start of the first element, rounded up.
  uint64_t before = ((uint64_t)0 - (uint64_t)extent->low_bits + 7) / 8;
  uint64_t behind = ((uint64_t)extent->high_bits + 7) / 8;
  if (byte_offset > size_bytes || before > byte_offset ||
      behind > size_bytes - byte_offset) {
    return weft_status_make(
        WEFT_STATUS_OUT_OF_RANGE,
        "elements lie from %llu bytes before to %llu bytes behind byte %zu of "
        "a storage of %zu bytes",
        (unsigned long long)before, (unsigned long long)behind, byte_offset,
        size_bytes);
  }
  return WEFT_OK;
}

// The alignment that a scalar needs: its size, halved for a complex number,
// as far as that is a power of two; no scalar of C needs more than 16.
static uint32_t alignment_of(weft_dtype_t dtype) {
  uint32_t bits =
      dtype.code == WEFT_DTYPE_COMPLEX ? dtype.bits / 2u : (uint32_t)dtype.bits;
  if (bits % 8 != 0 || bits == 0) {
    return 1;
  }
  uint32_t bytes = bits / 8;
  uint32_t power = bytes & (~bytes + 1);
  return power < 16 ? power : 16;
}

weft_status_t weft_layout_check_aligned(weft_dtype_t dtype,
                                        const void* address) {
  uint32_t alignment = alignment_of(dtype);
  uint32_t off = (uint32_t)((uintptr_t)address % alignment);
  if (off != 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the first element is %u bytes behind a multiple "
                            "of %u, to which its type is aligned; copy it",
                            off, alignment);
  }
  return WEFT_OK;
}

bool weft_layout_is_contiguous(const weft_tensor_layout_t* layout) {
  int64_t stride = 1;
  for (uint32_t i = layout->ndim; i-- > 0;) {
    if (layout->strides[i] != stride) {
      return false;
    }
    stride *= layout->shape[i] > 0 ? layout->shape[i] : 1;
  }
  return true;
}
