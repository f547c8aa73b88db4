// SPDX-License-Identifier: Apache-2.0
//
// A runtime is a table of slots, one a layer. A layer keeps its state in its
// slot and is the only one to look inside; so layers share one runtime
// without knowing each other's types. src/runtime fills the slots in order.

#ifndef WEFT_BASE_RUNTIME_H_
#define WEFT_BASE_RUNTIME_H_

#include "weft/allocator.h"
#include "weft/common.h"

typedef enum weft_slot {
  WEFT_SLOT_TRACE = 0,
  WEFT_SLOT_ASYNC = 1,
  WEFT_SLOT_MEMORY = 2,
  WEFT_SLOT_LINK = 3,
  WEFT_SLOT_PEER = 4,
  WEFT_SLOT_CHANNEL = 5,
  WEFT_SLOT_ACTOR = 6,
  WEFT_SLOT_JOB = 7,
  WEFT_SLOT_RUNTIME = 8,
  WEFT_SLOT_COUNT = 9
} weft_slot_t;

// Ranks of a job, at most: those that the launcher starts, and some that join.
#define WEFT_RANK_LIMIT 1088
#define WEFT_RANK_JOINED_LIMIT 64

struct weft_runtime {
  const weft_allocator_t* allocator;
  // Blocks for futures, messages and other small short-lived things; see
  // sys/slab.h.
  struct weft_slab* slab;
  // Copied from the options; never NULL.
  const char* name;
  uint32_t rank;
  uint32_t size;
  // Which life of this rank; starts at 1.
  uint32_t incarnation;
  void* slots[WEFT_SLOT_COUNT];
};

#endif  // WEFT_BASE_RUNTIME_H_
