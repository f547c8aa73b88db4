// SPDX-License-Identifier: Apache-2.0

#include "weft/allocator.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

static void* system_allocate(void* self, size_t size_bytes, size_t alignment) {
  (void)self;
  // No object of C is larger.
  if (size_bytes > PTRDIFF_MAX) {
    return NULL;
  }
  if (alignment <= alignof(max_align_t)) {
    return malloc(size_bytes);
  }
  // C17 leaves a size that is no multiple of the alignment to the library.
  // The sum fits, as the size fits a ptrdiff_t.
  return aligned_alloc(alignment,
                       (size_bytes + alignment - 1) & ~(alignment - 1));
}

static void system_free(void* self, void* block, size_t size_bytes) {
  (void)self;
  (void)size_bytes;
  free(block);
}

const weft_allocator_t* weft_allocator_system(void) {
  static const weft_allocator_t system_allocator = {
      .self = NULL,
      .allocate = system_allocate,
      .free = system_free,
  };
  return &system_allocator;
}
