// SPDX-License-Identifier: Apache-2.0
//
// Memory of this runtime that others on the host may read: blocks in segments
// of shared memory, and who holds a loan of which block.
//
//   segment 0 [ block | block | free | block | ...never used ]   32 MiB
//   segment 1 [ one large block                              ]   its size
//
// A block is given to a storage. While the storage lives the block is its
// owner's; while a loan of it is out, a reader's; and when there is neither, it
// is free, to be used again with its pages present. Segments are sealed: only
// this process writes them. Loans are counted here, in private memory, for
// each block and holder (a runtime); counts may be below zero for a moment,
// because a reader's release can overtake the news of who lent to it.
//
// Thread: any. Blocks: for a lock, briefly; a segment that is added costs what
// the system takes to reserve it.
// Locks: one, leaf; no callback runs under it.

#ifndef WEFT_MEMORY_ARENA_H_
#define WEFT_MEMORY_ARENA_H_

#include "base/runtime.h"
#include "sys/memfd.h"
#include "weft/tensor.h"

typedef struct weft_arena weft_arena_t;

// A runtime that holds loans: rank and incarnation in one.
typedef uint32_t weft_holder_t;

static inline weft_holder_t weft_holder_make(uint16_t rank,
                                             uint16_t incarnation) {
  return ((uint32_t)rank << 16) | incarnation;
}

// Names a block of an arena. A name from a peer is checked, never followed.
typedef struct weft_block_name {
  uint32_t segment;
  // Which use of the place; a name of an old use finds nothing.
  uint32_t generation;
  uint64_t offset_bytes;
  uint64_t size_bytes;
  // Of the segment.
  uint64_t segment_bytes;
} weft_block_name_t;

// Makes an arena without segments. `limit_bytes` bounds all segments together;
// 0: half of the memory that this host has.
weft_status_t weft_arena_create(weft_runtime_t* runtime, uint64_t limit_bytes,
                                weft_arena_t** out_arena);
// Frees the arena. Storages and loans that are left keep their segments until
// they end; nothing is lent any more. NULL is fine.
void weft_arena_destroy(weft_arena_t* arena);

// Makes a storage of `size_bytes` in the arena, aligned to
// WEFT_TENSOR_ALIGNMENT, not cleared, on the cpu.
// Errors: RESOURCE_EXHAUSTED; the message says how much the arena has, of which
// how much is lent, and who holds the most.
weft_status_t weft_arena_storage(weft_arena_t* arena, size_t size_bytes,
                                 weft_storage_t** out_storage);

// True, and the name of its block, for a storage of this arena.
bool weft_arena_find(weft_arena_t* arena, const weft_storage_t* storage,
                     weft_block_name_t* out_name);

// Lends a block of a storage that the caller holds.
void weft_arena_lend(weft_arena_t* arena, const weft_block_name_t* name,
                     weft_holder_t holder);
// A holder lent the block on to another. Errors: DATA_LOSS for a name that the
// arena cannot have given to `from`.
weft_status_t weft_arena_lend_on(weft_arena_t* arena,
                                 const weft_block_name_t* name,
                                 weft_holder_t from, weft_holder_t holder);
// `count` loans of a holder end. Errors: DATA_LOSS as above.
weft_status_t weft_arena_give_back(weft_arena_t* arena,
                                   const weft_block_name_t* name,
                                   weft_holder_t holder, uint32_t count);
// All loans of a holder end: it is dead, and everything that it ever sent has
// been dealt with.
void weft_arena_strike_off(weft_arena_t* arena, weft_holder_t holder);

// The descriptor of a segment, lent for as long as the arena lives, to be sent
// to a reader. -1 for a segment that is not there (any more).
int weft_arena_descriptor(weft_arena_t* arena, uint32_t segment);

typedef struct weft_arena_figures {
  uint64_t limit_bytes;
  // In segments; in blocks that are in use; of those, in blocks that somebody
  // else holds.
  uint64_t reserved_bytes;
  uint64_t used_bytes;
  uint64_t lent_bytes;
  uint32_t segment_count;
  uint32_t block_count;
  uint32_t loan_count;
} weft_arena_figures_t;

void weft_arena_figures(weft_arena_t* arena, weft_arena_figures_t* out_figures);

// --- Segments of others -----------------------------------------------------
// What this runtime has mapped to read, by owner and number of the segment.

typedef struct weft_imports weft_imports_t;

weft_status_t weft_imports_create(weft_runtime_t* runtime,
                                  weft_imports_t** out_imports);
// Storages that are left keep their mapping until they end. NULL is fine.
void weft_imports_destroy(weft_imports_t* imports);

// Maps a segment that a peer has sent. The descriptor is kept, so that it can
// be passed on. One that is there already is closed, and all is well.
// Owns: takes `descriptor` over. Errors: as `weft_memfd_map`.
weft_status_t weft_imports_add(weft_imports_t* imports, weft_holder_t owner,
                               uint32_t segment, uint64_t segment_bytes,
                               int descriptor);
// The descriptor, lent; -1 when it is not there.
int weft_imports_descriptor(weft_imports_t* imports, weft_holder_t owner,
                            uint32_t segment);

// A read-only storage of a block that was lent to this runtime. When its last
// reference goes, `on_release(user, owner, name)` is called, on whatever
// thread that is, with no lock held.
// Errors: NOT_FOUND for a segment that is not there; DATA_LOSS when the name
// does not lie in it; RESOURCE_EXHAUSTED. `on_release` is not called then.
typedef void (*weft_loan_fn_t)(void* user, weft_holder_t owner,
                               const weft_block_name_t* name);
weft_status_t weft_imports_storage(weft_imports_t* imports, weft_holder_t owner,
                                   const weft_block_name_t* name,
                                   weft_loan_fn_t on_release, void* user,
                                   weft_storage_t** out_storage);
// True, with owner and name, for a storage that is such a loan.
bool weft_imports_find(weft_imports_t* imports, const weft_storage_t* storage,
                       weft_holder_t* out_owner, weft_block_name_t* out_name);
// Forgets the segments of an owner that is dead; storages keep theirs.
void weft_imports_strike_off(weft_imports_t* imports, weft_holder_t owner);

#endif  // WEFT_MEMORY_ARENA_H_
