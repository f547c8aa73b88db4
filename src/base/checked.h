// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on sizes that says when a result does not fit, for sizes that
// come from outside. Each gives true and the result, or false and 0.

#ifndef WEFT_BASE_CHECKED_H_
#define WEFT_BASE_CHECKED_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool weft_checked_add(size_t a, size_t b, size_t* out_sum) {
  bool fits = !__builtin_add_overflow(a, b, out_sum);
  if (!fits) {
    *out_sum = 0;
  }
  return fits;
}

static inline bool weft_checked_multiply(size_t a, size_t b,
                                         size_t* out_product) {
  bool fits = !__builtin_mul_overflow(a, b, out_product);
  if (!fits) {
    *out_product = 0;
  }
  return fits;
}

// `head_bytes + count * element_bytes`: a struct with an array behind it.
static inline bool weft_checked_array(size_t head_bytes, size_t count,
                                      size_t element_bytes,
                                      size_t* out_size_bytes) {
  size_t array_bytes = 0;
  *out_size_bytes = 0;
  return weft_checked_multiply(count, element_bytes, &array_bytes) &&
         weft_checked_add(head_bytes, array_bytes, out_size_bytes);
}

#endif  // WEFT_BASE_CHECKED_H_
