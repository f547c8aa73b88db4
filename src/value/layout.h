// SPDX-License-Identifier: Apache-2.0
//
// The arithmetic of layouts: sizes, strides, and which part of a storage they
// reach. All of it is checked, since shapes come from outside.

#ifndef WEFT_VALUE_LAYOUT_H_
#define WEFT_VALUE_LAYOUT_H_

#include "weft/tensor.h"

// What a layout comes to.
typedef struct weft_layout_extent {
  int64_t element_count;
  // What the elements take without gaps.
  size_t size_bytes;
  // The bits that elements lie on, counted from the first bit of the first
  // element: from `low_bits` (<= 0) up to, not including, `high_bits`.
  int64_t low_bits;
  int64_t high_bits;
} weft_layout_extent_t;

// Checks a layout and measures it. `out_strides` gets `ndim` strides: those
// of the layout where they mean something, else those of a layout without
// gaps. The byte offset plays no part.
// Errors: UNIMPLEMENTED, INVALID_ARGUMENT, OUT_OF_RANGE; as
// `weft_tensor_create` says.
weft_status_t weft_layout_measure(const weft_tensor_layout_t* layout,
                                  int64_t* out_strides,
                                  weft_layout_extent_t* out_extent);

// Checks that every element lies within `size_bytes` bytes.
// Errors: OUT_OF_RANGE.
weft_status_t weft_layout_check_within(const weft_layout_extent_t* extent,
                                       size_t byte_offset, size_t size_bytes);

// Checks that elements at `address` are aligned as their scalars must be.
// Errors: INVALID_ARGUMENT.
weft_status_t weft_layout_check_aligned(weft_dtype_t dtype,
                                        const void* address);

// True when the strides are those of a layout without gaps. Takes strides as
// `weft_layout_measure` gives them.
bool weft_layout_is_contiguous(const weft_tensor_layout_t* layout);

#endif  // WEFT_VALUE_LAYOUT_H_
