// SPDX-License-Identifier: Apache-2.0
//
// Where memory comes from. An allocator is a table of two functions and a
// pointer, owned by the caller; everything that allocates is given one and
// keeps the pointer, so an allocator outlives all that was made from it.
// Both functions are called from any thread, and some calls are made with locks
// of the library held: they must not call the library, nor wait for a thread
// that may be in it.
// NULL in place of an allocator means the C heap.

#ifndef WEFT_ALLOCATOR_H_
#define WEFT_ALLOCATOR_H_

#include "weft/common.h"

WEFT_BEGIN_DECLS

typedef struct weft_allocator {
  // Passed back to both functions.
  void* self;
  // Returns `size_bytes` (> 0) bytes aligned to `alignment` (a power of two,
  // at least that of max_align_t), not cleared; NULL when there are none.
  void* (*allocate)(void* self, size_t size_bytes, size_t alignment);
  // Takes back what `allocate` returned, with the size it was asked for.
  void (*free)(void* self, void* block, size_t size_bytes);
} weft_allocator_t;

// The C heap.
WEFT_API const weft_allocator_t* weft_allocator_system(void);

WEFT_END_DECLS

#endif  // WEFT_ALLOCATOR_H_
