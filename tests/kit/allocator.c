// SPDX-License-Identifier: Apache-2.0

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "kit/kit.h"

#define LIVE_MARK UINT64_C(0x77656674206c6976)
#define DEAD_MARK UINT64_C(0x7765667420646561)
// Behind every block, to see who writes past its end.
#define FENCE_BYTES 8
#define FENCE_BYTE 0xb7

// In front of every block.
struct weft_kit_block {
  weft_kit_block_t* next;
  weft_kit_block_t* previous;
  // What `aligned_alloc` gave.
  void* memory;
  size_t size_bytes;
  // Which allocation it was, from 0.
  uint64_t number;
  uint64_t mark;
};

static void link_block(weft_kit_allocator_t* kit, weft_kit_block_t* block) {
  block->previous = NULL;
  block->next = kit->blocks;
  if (kit->blocks != NULL) {
    kit->blocks->previous = block;
  }
  kit->blocks = block;
  ++kit->blocks_in_use;
  kit->bytes_in_use += block->size_bytes;
}

static void unlink_block(weft_kit_allocator_t* kit, weft_kit_block_t* block) {
  if (block->next != NULL) {
    block->next->previous = block->previous;
  }
  if (block->previous != NULL) {
    block->previous->next = block->next;
  } else {
    kit->blocks = block->next;
  }
  --kit->blocks_in_use;
  kit->bytes_in_use -= block->size_bytes;
}

// The number of this allocation; true when it is to fail.
static bool count_allocation(weft_kit_allocator_t* kit, uint64_t* out_number) {
  pthread_mutex_lock(&kit->lock);
  *out_number = kit->allocations++;
  bool fails = *out_number >= kit->fail_first &&
               *out_number - kit->fail_first < kit->fail_count;
  kit->failed += fails ? 1 : 0;
  pthread_mutex_unlock(&kit->lock);
  return fails;
}

static size_t round_up(size_t size, size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

static void* kit_allocate(void* self, size_t size_bytes, size_t alignment) {
  weft_kit_allocator_t* kit = self;
  weft_assert(size_bytes > 0);
  weft_assert(alignment >= alignof(max_align_t));
  weft_assert((alignment & (alignment - 1)) == 0);
  uint64_t number = 0;
  if (count_allocation(kit, &number) || size_bytes > PTRDIFF_MAX / 2) {
    return NULL;
  }
  size_t head_bytes = round_up(sizeof(weft_kit_block_t), alignment);
  size_t all_bytes = round_up(head_bytes + size_bytes + FENCE_BYTES, alignment);
  char* memory = aligned_alloc(alignment, all_bytes);
  if (memory == NULL) {
    return NULL;
  }
  // Whoever counts on zeros finds something else.
  memset(memory, 0xa5, all_bytes);
  char* data = memory + head_bytes;
  memset(data + size_bytes, FENCE_BYTE, FENCE_BYTES);
  weft_kit_block_t* block = (weft_kit_block_t*)(void*)data - 1;
  *block = (weft_kit_block_t){
      .memory = memory,
      .size_bytes = size_bytes,
      .number = number,
      .mark = LIVE_MARK,
  };
  pthread_mutex_lock(&kit->lock);
  link_block(kit, block);
  pthread_mutex_unlock(&kit->lock);
  return data;
}

static void check_fence(const char* data, size_t size_bytes) {
  for (size_t i = 0; i < FENCE_BYTES; ++i) {
    bool untouched = (unsigned char)data[size_bytes + i] == FENCE_BYTE;
    weft_assert(untouched && "a block was written past its end");
  }
}

static void kit_free(void* self, void* data, size_t size_bytes) {
  weft_kit_allocator_t* kit = self;
  weft_assert(data != NULL);
  weft_kit_block_t* block = (weft_kit_block_t*)data - 1;
  weft_assert(block->mark == LIVE_MARK && "freed twice, or never allocated");
  weft_assert(block->size_bytes == size_bytes && "freed with another size");
  check_fence(data, size_bytes);
  pthread_mutex_lock(&kit->lock);
  unlink_block(kit, block);
  pthread_mutex_unlock(&kit->lock);
  void* memory = block->memory;
  block->mark = DEAD_MARK;
  // A use after the free finds this.
  memset(data, 0xdd, size_bytes);
  free(memory);
}

void weft_kit_allocator_init(weft_kit_allocator_t* kit) {
  *kit = (weft_kit_allocator_t){
      .allocator = {.self = kit, .allocate = kit_allocate, .free = kit_free},
  };
  pthread_mutex_init(&kit->lock, NULL);
}

void weft_kit_allocator_fail(weft_kit_allocator_t* kit, uint64_t after,
                             uint64_t count) {
  pthread_mutex_lock(&kit->lock);
  kit->fail_first = kit->allocations + after;
  kit->fail_count = count;
  kit->failed = 0;
  pthread_mutex_unlock(&kit->lock);
}

void weft_kit_allocator_check_empty(weft_kit_allocator_t* kit) {
  pthread_mutex_lock(&kit->lock);
  const weft_kit_block_t* block = kit->blocks;
  size_t count = kit->blocks_in_use;
  for (size_t shown = 0; block != NULL && shown < 8; ++shown) {
    fprintf(stderr, "leaked: allocation %llu of %zu bytes\n",
            (unsigned long long)block->number, block->size_bytes);
    block = block->next;
  }
  pthread_mutex_unlock(&kit->lock);
  assert_int_equal(count, 0);
}

void weft_kit_allocator_deinit(weft_kit_allocator_t* kit) {
  weft_kit_allocator_check_empty(kit);
  pthread_mutex_destroy(&kit->lock);
}
