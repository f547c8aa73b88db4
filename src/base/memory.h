// SPDX-License-Identifier: Apache-2.0
//
// Shorthands over an allocator.

#ifndef WEFT_BASE_MEMORY_H_
#define WEFT_BASE_MEMORY_H_

#include <stdalign.h>
#include <string.h>

#include "weft/allocator.h"

// The allocator itself, or the C heap in place of NULL.
static inline const weft_allocator_t* weft_allocator_or_system(
    const weft_allocator_t* allocator) {
  return allocator != NULL ? allocator : weft_allocator_system();
}

// `size_bytes` bytes (> 0) for any C object; NULL when there are none.
static inline void* weft_memory_allocate(const weft_allocator_t* allocator,
                                         size_t size_bytes) {
  return allocator->allocate(allocator->self, size_bytes, alignof(max_align_t));
}

// As above, all bytes zero.
static inline void* weft_memory_allocate_zeroed(
    const weft_allocator_t* allocator, size_t size_bytes) {
  void* block = weft_memory_allocate(allocator, size_bytes);
  if (block != NULL) {
    memset(block, 0, size_bytes);
  }
  return block;
}

// Gives a block back, with the size it was asked for. NULL is fine.
static inline void weft_memory_free(const weft_allocator_t* allocator,
                                    void* block, size_t size_bytes) {
  if (block != NULL) {
    allocator->free(allocator->self, block, size_bytes);
  }
}

#endif  // WEFT_BASE_MEMORY_H_
