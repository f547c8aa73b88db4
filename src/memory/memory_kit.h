// SPDX-License-Identifier: Apache-2.0
//
// For tests of arenas: one in a runtime that is nothing but the head of one,
// rank 0 of many.

#ifndef WEFT_MEMORY_MEMORY_KIT_H_
#define WEFT_MEMORY_MEMORY_KIT_H_

#include "base/assert.h"
#include "base/sanitizer.h"
#include "kit/kit.h"
#include "memory/arena.h"
#include "sys/slab.h"

#define MIB ((size_t)1 << 20)

typedef struct weft_memory_kit {
  weft_kit_allocator_t allocator;
  weft_runtime_t runtime;
  weft_arena_t* arena;
} weft_memory_kit_t;

static inline void weft_memory_kit_init(weft_memory_kit_t* kit,
                                        uint64_t limit_bytes) {
  *kit = (weft_memory_kit_t){0};
  weft_kit_allocator_init(&kit->allocator);
  kit->runtime.allocator = &kit->allocator.allocator;
  kit->runtime.slab = weft_slab_create(kit->runtime.allocator);
  kit->runtime.size = 64;
  kit->runtime.incarnation = 1;
  weft_kit_assert_ok(
      weft_arena_create(&kit->runtime, limit_bytes, &kit->arena));
}

static inline void weft_memory_kit_deinit(weft_memory_kit_t* kit) {
  weft_arena_destroy(kit->arena);
  weft_slab_retire(kit->runtime.slab, NULL, NULL);
  weft_kit_allocator_deinit(&kit->allocator);
}

static inline weft_holder_t weft_memory_kit_rank(uint16_t rank) {
  return weft_holder_make(rank, 1);
}

static inline weft_storage_t* weft_memory_kit_storage(weft_memory_kit_t* kit,
                                                      size_t size_bytes) {
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_arena_storage(kit->arena, size_bytes, &storage));
  return storage;
}

static inline weft_arena_figures_t weft_memory_kit_figures(
    weft_memory_kit_t* kit) {
  weft_arena_figures_t figures;
  weft_arena_figures(kit->arena, &figures);
  return figures;
}

static inline weft_block_name_t weft_memory_kit_name(
    weft_memory_kit_t* kit, const weft_storage_t* storage) {
  weft_block_name_t name;
  assert_true(weft_arena_find(kit->arena, storage, &name));
  return name;
}

#endif  // WEFT_MEMORY_MEMORY_KIT_H_
