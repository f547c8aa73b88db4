// SPDX-License-Identifier: Apache-2.0
//
// An arena as the files of this folder see it. Functions whose names end in
// `_locked` are called with the arena's lock held, and allocate nothing; what
// they find to be freed they put into a `weft_waste_t`.

#ifndef WEFT_MEMORY_ARENA_INTERNAL_H_
#define WEFT_MEMORY_ARENA_INTERNAL_H_

#include <stdatomic.h>

#include "base/dlist.h"
#include "memory/arena.h"
#include "memory/size_class.h"
#include "sys/sys.h"

// The first segment is small, so that the first tensor costs 0.3 ms; later
// ones are an eighth of what there is, so that there are never many, each of
// them a descriptor here and in every reader. Units: bytes.
#define WEFT_SEGMENT_SMALLEST (UINT64_C(4) << 20)
#define WEFT_SEGMENT_LARGEST (UINT64_C(256) << 20)
// A block of more than a quarter of the next segment has one of its own.
#define WEFT_SEGMENT_SHARE 4
// Segments without a block in use are kept up to this part of the limit, or
// this much if that is more.
#define WEFT_KEPT_SHARE 16
#define WEFT_KEPT_BYTES (UINT64_C(64) << 20)

#define WEFT_SEGMENT_BUCKETS 256
#define WEFT_RANK_BUCKETS 64

typedef struct weft_segment weft_segment_t;
typedef struct weft_block weft_block_t;
typedef struct weft_loan weft_loan_t;
typedef struct weft_loan_rank weft_loan_rank_t;

// A place in a segment; one cache line. It stays with its place until the
// segment starts afresh or ends.
struct weft_block {
  weft_segment_t* segment;
  weft_block_t* next_in_segment;
  uint64_t offset_bytes;
  // Of the storage; the place has as much as its class, or its own segment.
  size_t size_bytes;
  // Of the last time that it was lent.
  uint32_t generation;
  // WEFT_CLASS_OWN_SEGMENT: all of its segment.
  uint32_t size_class;
  union {
    // In the arena's free blocks of its class.
    weft_dlist_node_t free_node;
    struct {
      weft_storage_t* storage;
      weft_loan_t* loans;
      weft_block_t* next_lent;
    } used;
  };
};

struct weft_segment {
  weft_arena_t* arena;
  weft_memfd_t memfd;
  uint32_t number;
  uint32_t used_count;
  bool has_own_block;
  // Its descriptor was asked for.
  bool was_sent;
  // Free to be carved: from `low`, where pages are, and up to `high`, where
  // blocks of less than pages are.
  uint64_t low_bytes;
  uint64_t high_bytes;
  weft_block_t* blocks;
  // In the segments that are carved; free when it is in none.
  weft_dlist_node_t open_node;
  // In the segments without a block in use, the one used last at the end.
  weft_dlist_node_t empty_node;
  // In a bucket of the arena; or in waste, or in what was dropped.
  weft_segment_t* next;
  // Blocks that are lent, by generation.
  size_t bucket_count;
  weft_block_t* lent[];
};

// What one holder has of one block by one lender; one cache line.
struct weft_loan {
  // In `loans` of the holder's rank.
  weft_dlist_node_t node;
  weft_block_t* block;
  weft_loan_t* next_of_block;
  weft_loan_rank_t* rank;
  // Loans that were given, less those that have ended; without those below.
  int64_t count;
  weft_holder_t lender;
  weft_holder_t holder;
  // Loans that do not count yet: the lender is not known to have the block; and
  // how many of them have ended.
  uint32_t unproven;
  uint32_t unproven_ended : 31;
  // They began to count, and what the holder lent on does not do so yet.
  uint32_t is_news : 1;
};

// What is known of the holders of one rank.
struct weft_loan_rank {
  weft_loan_rank_t* next;
  weft_dlist_t loans;
  uint64_t lent_bytes;
  uint32_t rank;
  // Lives before this one are over, and those whose bits are set: bit 0 is
  // this one's. A life may be over before an earlier one has been dealt with.
  uint32_t first_live;
  uint64_t struck_off;
};

// To be freed without the lock.
typedef struct weft_waste {
  weft_segment_t* segments;
} weft_waste_t;

struct weft_arena {
  weft_runtime_t* runtime;
  const weft_allocator_t* allocator;
  // The process that made it.
  uint32_t process;
  // How many of `dropped` there are.
  _Atomic uint32_t dropped_count;
  // Changes when a segment was added, or could not be.
  _Atomic uint32_t grown;
  weft_mutex_t lock;

  // --- Guarded by the lock ---
  bool is_closed;
  // A thread adds a segment to be carved; others wait for it.
  bool is_growing;
  // The owner, and every segment.
  uint32_t holds;
  uint32_t last_segment;
  uint32_t last_generation;
  // By which generations are no row that others could go on with.
  uint64_t secret;
  weft_arena_figures_t figures;
  weft_dlist_t open;
  weft_dlist_t empty;
  weft_segment_t* dropped;
  // Block records without a place.
  weft_block_t* spare;
  weft_dlist_t free_blocks[WEFT_CLASS_COUNT];
  weft_segment_t* segments[WEFT_SEGMENT_BUCKETS];
  weft_loan_rank_t* ranks[WEFT_RANK_BUCKETS];
};

// What the place of a block takes. Units: bytes.
static inline uint64_t weft_block_place_bytes(const weft_block_t* block) {
  return block->size_class == WEFT_CLASS_OWN_SEGMENT
             ? block->segment->memfd.size_bytes
             : weft_class_bytes(block->size_class);
}

// --- segment.c --------------------------------------------------------------

// Gives a block of `size_bytes` (> 0), without a storage.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_arena_take(weft_arena_t* arena, size_t size_bytes,
                              weft_block_t** out_block);

// A block is in use no more.
void weft_arena_put_locked(weft_block_t* block, weft_waste_t* waste);

// Ends kept segments, the one used longest ago first, until at most
// `kept_bytes` are left.
void weft_arena_trim_locked(weft_arena_t* arena, uint64_t kept_bytes,
                            weft_waste_t* waste);

weft_segment_t* weft_arena_segment_locked(weft_arena_t* arena, uint32_t number);

// Gives up one of the holds of the arena, which is gone with the last.
void weft_arena_unhold(weft_arena_t* arena);

// Frees what a call has left, and with it perhaps the arena.
void weft_arena_clean(weft_arena_t* arena, weft_waste_t* waste);

// --- arena.c ----------------------------------------------------------------

// The block of a storage of this arena, or of a part of one; NULL for any
// other storage.
weft_block_t* weft_arena_block_of(const weft_arena_t* arena,
                                  const weft_storage_t* storage);

// --- loan.c -----------------------------------------------------------------

// The storage that `storage` is a part of; NULL for any other storage.
weft_storage_t* weft_arena_whole_of(const weft_storage_t* storage);

// All loans of everyone end.
void weft_arena_end_loans(weft_arena_t* arena);

#endif  // WEFT_MEMORY_ARENA_INTERNAL_H_
