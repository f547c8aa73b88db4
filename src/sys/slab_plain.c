// SPDX-License-Identifier: Apache-2.0
//
// The slab of sanitizer builds: each block comes from the allocator.

#include "sys/slab.h"

#if !WEFT_SLAB_MAGAZINES

#include "base/memory.h"

struct weft_slab {
  const weft_allocator_t* allocator;
  // The blocks in use, and one for the owner until `retire`.
  _Atomic size_t references;
  void (*on_last)(void* user);
  void* user;
};

weft_slab_t* weft_slab_create(const weft_allocator_t* allocator) {
  allocator = weft_allocator_or_system(allocator);
  weft_slab_t* slab = weft_memory_allocate_zeroed(allocator, sizeof(*slab));
  if (slab != NULL) {
    slab->allocator = allocator;
    atomic_init(&slab->references, 1);
  }
  return slab;
}

static void drop_reference(weft_slab_t* slab) {
  // Acquire-release: pairs with the same operation of other threads; what
  // they did with the slab happens before it is freed.
  if (atomic_fetch_sub_explicit(&slab->references, 1, memory_order_acq_rel) >
      1) {
    return;
  }
  void (*on_last)(void*) = slab->on_last;
  void* user = slab->user;
  weft_memory_free(slab->allocator, slab, sizeof(*slab));
  if (on_last != NULL) {
    on_last(user);
  }
}

void* weft_slab_allocate_slow(weft_slab_t* slab, size_t size_bytes) {
  size_t size = size_bytes > 0 ? size_bytes : 1;
  size_t alignment = size % 64 == 0 ? 64 : alignof(max_align_t);
  void* block =
      slab->allocator->allocate(slab->allocator->self, size, alignment);
  if (block != NULL) {
    // Relaxed: whoever allocates before `retire` has the owner's reference.
    atomic_fetch_add_explicit(&slab->references, 1, memory_order_relaxed);
  }
  return block;
}

void weft_slab_free_slow(weft_slab_t* slab, void* block, size_t size_bytes) {
  weft_memory_free(slab->allocator, block, size_bytes > 0 ? size_bytes : 1);
  drop_reference(slab);
}

void weft_slab_retire(weft_slab_t* slab, void (*on_last)(void* user),
                      void* user) {
  slab->on_last = on_last;
  slab->user = user;
  drop_reference(slab);
}

size_t weft_slab_blocks_in_use(weft_slab_t* slab) {
  // Relaxed: a count for reports.
  return atomic_load_explicit(&slab->references, memory_order_relaxed) - 1;
}

#endif  // !WEFT_SLAB_MAGAZINES
