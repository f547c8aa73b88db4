// SPDX-License-Identifier: Apache-2.0
//
// The arena: its life, and its storages.

#include "memory/arena.h"

#include "base/memory.h"
#include "memory/arena_internal.h"
#include "sys/local.h"
#include "value/tensor_internal.h"

_Static_assert(sizeof(weft_block_t) == 64, "one cache line");

// --- Life -------------------------------------------------------------------

static uint64_t whole_pages(uint64_t limit_bytes) {
  uint64_t page_bytes = weft_sys_page_bytes();
  uint64_t pages = limit_bytes / page_bytes;
  return pages > 0 ? pages * page_bytes : page_bytes;
}

weft_status_t weft_arena_create(weft_runtime_t* runtime, uint64_t limit_bytes,
                                weft_arena_t** out_arena) {
  *out_arena = NULL;
  weft_arena_t* arena =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*arena));
  if (arena == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for an arena");
  }
  arena->runtime = runtime;
  arena->allocator = runtime->allocator;
  arena->process = weft_sys_process_id();
  arena->holds = 1;
  arena->figures.limit_bytes =
      whole_pages(limit_bytes > 0 ? limit_bytes : weft_sys_memory_bytes() / 2);
  weft_status_t status = weft_sys_random(&arena->secret);
  if (status != WEFT_OK) {
    weft_memory_free(runtime->allocator, arena, sizeof(*arena));
    return status;
  }
  weft_mutex_init(&arena->lock);
  weft_dlist_init(&arena->open);
  weft_dlist_init(&arena->empty);
  for (size_t i = 0; i < WEFT_CLASS_COUNT; i++) {
    weft_dlist_init(&arena->free_blocks[i]);
  }
  *out_arena = arena;
  return WEFT_OK;
}

void weft_arena_destroy(weft_arena_t* arena) {
  if (arena == NULL) {
    return;
  }
  weft_waste_t waste = {0};
  weft_arena_end_loans(arena);
  weft_mutex_lock(&arena->lock);
  arena->is_closed = true;
  weft_arena_trim_locked(arena, 0, &waste);
  weft_mutex_unlock(&arena->lock);
  weft_arena_clean(arena, &waste);
  weft_arena_unhold(arena);
}

// --- Storages ---------------------------------------------------------------

static weft_status_t check_process(const weft_arena_t* arena) {
  if (arena->process == weft_sys_process_id()) {
    return WEFT_OK;
  }
  return weft_status_make(
      WEFT_STATUS_FORKED,
      "the shared memory is that of process %u, which would be written to: "
      "this is a forked child: create a runtime here",
      arena->process);
}

static void put(weft_block_t* block) {
  weft_arena_t* arena = block->segment->arena;
  weft_waste_t waste = {0};
  weft_mutex_lock(&arena->lock);
  weft_arena_put_locked(block, &waste);
  weft_mutex_unlock(&arena->lock);
  if (waste.segments != NULL) {
    weft_arena_clean(arena, &waste);
  }
}

static void release_block(void* user) {
  weft_block_t* block = user;
  // In a forked child the lock may be held for ever, by a thread that is not
  // there.
  if (block->segment->arena->process == weft_sys_process_id()) {
    put(block);
  }
}

static weft_status_t wrap(weft_block_t* block, weft_storage_t** out_storage) {
  const weft_memory_t memory = {
      .data = (char*)block->segment->memfd.data + block->offset_bytes,
      .size_bytes = block->size_bytes,
      .release = release_block,
      .user = block,
  };
  return weft_storage_wrap(block->segment->arena->allocator, NULL, &memory,
                           out_storage);
}

weft_status_t weft_arena_storage(weft_arena_t* arena, size_t size_bytes,
                                 weft_storage_t** out_storage) {
  weft_block_t* block = NULL;
  *out_storage = NULL;
  WEFT_RETURN_IF_ERROR(check_process(arena));
  if (size_bytes == 0) {
    return weft_storage_create(arena->allocator, NULL, 0, out_storage);
  }
  WEFT_RETURN_IF_ERROR(weft_arena_take(arena, size_bytes, &block));
  weft_status_t status = wrap(block, out_storage);
  if (status == WEFT_OK) {
    block->used.storage = *out_storage;
  } else {
    put(block);
  }
  return status;
}

weft_block_t* weft_arena_block_of(const weft_arena_t* arena,
                                  const weft_storage_t* storage) {
  const weft_storage_t* whole = weft_arena_whole_of(storage);
  if (whole == NULL) {
    whole = storage;
  }
  if (whole->release != release_block) {
    return NULL;
  }
  weft_block_t* block = whole->user;
  return block->segment->arena == arena ? block : NULL;
}

bool weft_arena_find(weft_arena_t* arena, const weft_storage_t* storage,
                     weft_block_name_t* out_name) {
  const weft_block_t* block = weft_arena_block_of(arena, storage);
  *out_name = (weft_block_name_t){0};
  if (block == NULL) {
    return false;
  }
  const weft_memfd_t* memfd = &block->segment->memfd;
  weft_mutex_lock(&arena->lock);
  uint32_t generation = block->generation;
  weft_mutex_unlock(&arena->lock);
  *out_name = (weft_block_name_t){
      .segment = block->segment->number,
      .generation = generation,
      .offset_bytes = (uint64_t)((char*)storage->data - (char*)memfd->data),
      .size_bytes = storage->size_bytes,
      .segment_bytes = memfd->size_bytes,
  };
  return true;
}

// --- For those who send and report ------------------------------------------

int weft_arena_descriptor(weft_arena_t* arena, uint32_t segment_number) {
  int descriptor = -1;
  weft_mutex_lock(&arena->lock);
  weft_segment_t* segment = weft_arena_segment_locked(arena, segment_number);
  if (segment != NULL) {
    descriptor = segment->memfd.descriptor;
    segment->was_sent = true;
  }
  weft_mutex_unlock(&arena->lock);
  return descriptor;
}

void weft_arena_figures(weft_arena_t* arena,
                        weft_arena_figures_t* out_figures) {
  weft_mutex_lock(&arena->lock);
  *out_figures = arena->figures;
  weft_mutex_unlock(&arena->lock);
}
