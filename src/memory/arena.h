// SPDX-License-Identifier: Apache-2.0
//
// Memory of this runtime that others on the host may read: blocks in segments
// of shared memory, and who holds a loan of which block.
//
//   segment 1 [ block | block | free |   ...never used   | small | small ]
//   segment 2 [ one large block                                          ]
//
// A block is given to a storage, and is free again when the storage ends; its
// pages stay present for the next. While a loan of it is out the arena holds a
// reference to the storage: so nobody can write to it (it is shared), and it
// does not end. Segments are sealed: only this process writes them, and what
// describes them is in private memory.
//
// Loans are counted for each block, lender and holder (runtimes):
//
//   owner A          B                  C             A counts
//   lend(B) -------> has it                           A>B 1
//                    lend_on(C) -> A                  A>B 1  B>C 1
//                    message ---------> has it
//                    give_back -> A     |                    B>C 1
//                                       give_back     none: the loan ends
//
// Each runtime writes to A in order, but what C writes may arrive before what
// B wrote earlier: then B>C stands at -1 for a moment, or C lends on a block
// that A does not know it to have. What a lender says counts only once A knows
// that the lender has had the block: once a loan to it counts. A loan ends when
// no count is above zero. That suffices. Take a loan that somebody still has,
// and say that none is above zero. If it does not count yet, call it X; else A
// has seen the end of another one, X, of that lender and holder, that does not
// count yet. The lender of X had a loan itself when it wrote of X, and writes
// the end of that one behind it. When A has not read of X, or had just read it
// and did not count it, that one did not count either; or it did, and then A
// had seen the end of yet another, which did not count. Either began before X,
// and the same holds for it. This leads back to a loan that A gave itself,
// which counts at once: its count is above zero.
//
// Nobody is believed about others. Whoever lies to A changes counts of loans
// that it gives or has itself. So it can give up what it has, take away what
// it says to have given, and keep a block by lending it on as long as it has it
// itself; it can neither end what others have from others, nor keep a block
// that it does not have. C may be told by a liar B that it has a loan: what C
// then tells of it changes the count of B>C, which is above zero for no reason
// of B's, and is no fault of C's. So of a block that is not lent, or is not
// lent any more, nothing is held against C, unless C names A as the lender; and
// nothing of it is kept: when the block is lent next, its name is another. One
// thing is not promised. If C believes B about a block that C really has from
// others, too, and lends that on to D twice, and D's end of the false loan
// overtakes C's news of it, then A takes it for the end of the true one.
//
// A holder that dies is struck off after everything it wrote has been dealt
// with. Its loans end, and so does at once what somebody lends on to it later,
// which may still show that what it lent on itself counts. So
// that A does not miss a loan of a lender that dies, `lend_on` is made visible
// to A before the message is to C. If the lender dies between the two, C has a
// loan that it does not know of, and the block is kept until C ends: so nothing
// waits between the two; room for the message is found first.
//
// A forked child keeps the segments mapped, so that it can read what it finds
// in its memory. It shares the pages with its parent, so it must not write to
// tensors there; it is given no blocks, and what it releases stays as it is.
//
// Thread: any. Blocks: for a lock, briefly; a segment that is added costs what
// the system takes to reserve it, about 0.07 ms a MiB.
// Locks: one, leaf; no callback, allocator or call that blocks runs under it.

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

// Names a block of an arena, or a range of one. A name from a peer is checked,
// never followed.
typedef struct weft_block_name {
  uint32_t segment;
  // Which time the block is lent: a new one whenever it was not lent before. So
  // a name of an old time finds nothing, and none can be made up beforehand.
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
// Ends all loans, and frees the arena. Storages that are left keep their
// segments until they end. NULL is fine.
void weft_arena_destroy(weft_arena_t* arena);

// Makes a storage of `size_bytes` in the arena, aligned to
// WEFT_TENSOR_ALIGNMENT, not cleared, on the cpu.
// Errors: RESOURCE_EXHAUSTED; the message says how much the arena has, of which
// how much is lent, and who holds the most. FORKED in a child of the process
// that made the arena.
weft_status_t weft_arena_storage(weft_arena_t* arena, size_t size_bytes,
                                 weft_storage_t** out_storage);

// True, and the name of its block, for a storage of this arena that has any
// bytes. The caller holds the storage; while the block is not lent the name is
// that of the last time.
bool weft_arena_find(weft_arena_t* arena, const weft_storage_t* storage,
                     weft_block_name_t* out_name);

// Lends the block of a storage that the caller holds.
// Errors: INVALID_ARGUMENT for a storage that is not of this arena;
// PEER_DIED for a holder that was struck off; RESOURCE_EXHAUSTED.
weft_status_t weft_arena_lend(weft_arena_t* arena, weft_storage_t* storage,
                              weft_holder_t holder);
// `from` lent the block on to another. Nothing if the block is not lent.
// Errors: DATA_LOSS for a holder that cannot be, or more of them than there can
// be; RESOURCE_EXHAUSTED: then nothing is noted, and nothing that `from` wrote
// later may be dealt with before this is.
weft_status_t weft_arena_lend_on(weft_arena_t* arena,
                                 const weft_block_name_t* name,
                                 weft_holder_t from, weft_holder_t holder);
// `from`, which may be this runtime, lent a block on to a holder that will not
// get it. Nothing if the block is not lent. Errors: as `weft_arena_lend_on`.
weft_status_t weft_arena_take_back(weft_arena_t* arena,
                                   const weft_block_name_t* name,
                                   weft_holder_t from, weft_holder_t holder);
// `count` loans end that a holder has from a lender. Nothing for a lender that
// is another runtime, if the block is not lent. Errors: DATA_LOSS for more
// loans of this runtime's than there are, or of more lenders than there can be;
// RESOURCE_EXHAUSTED as above.
weft_status_t weft_arena_give_back(weft_arena_t* arena,
                                   const weft_block_name_t* name,
                                   weft_holder_t lender, weft_holder_t holder,
                                   uint32_t count);
// A block comes home: `from`, who has a loan of it, sent it to its owner. Gives
// a reference to the storage, or, for a range of it, a read-only storage that
// keeps it. No loan begins or ends. Errors: DATA_LOSS for a block that is not
// lent; RESOURCE_EXHAUSTED.
weft_status_t weft_arena_home(weft_arena_t* arena,
                              const weft_block_name_t* name, weft_holder_t from,
                              weft_storage_t** out_storage);
// All loans of a holder end: it is dead, and everything that it ever sent has
// been dealt with.
void weft_arena_strike_off(weft_arena_t* arena, weft_holder_t holder);

// The descriptor of a segment, to be sent to a reader; it stays as long as a
// storage of the segment does. -1 for a segment that is not there (any more).
int weft_arena_descriptor(weft_arena_t* arena, uint32_t segment);

// True, and the number of a segment whose descriptor was asked for and that is
// gone since: no one holds a loan of it, and readers should drop it, for they
// alone keep its memory. Each is told once. Cheap when there are none.
bool weft_arena_take_dropped(weft_arena_t* arena, uint32_t* out_segment);

typedef struct weft_arena_figures {
  uint64_t limit_bytes;
  // In segments; of those, in segments without a block in use, which are kept.
  uint64_t reserved_bytes;
  uint64_t kept_bytes;
  // In blocks that are in use; of those, in blocks that somebody else holds.
  uint64_t used_bytes;
  uint64_t lent_bytes;
  uint32_t segment_count;
  uint32_t block_count;
  // One for each block, lender and holder.
  uint32_t loan_count;
} weft_arena_figures_t;

void weft_arena_figures(weft_arena_t* arena, weft_arena_figures_t* out_figures);

// --- Segments of others -----------------------------------------------------
// What this runtime has mapped to read, by owner and number of the segment.

typedef struct weft_imports weft_imports_t;

weft_status_t weft_imports_create(weft_runtime_t* runtime,
                                  weft_imports_t** out_imports);
// Storages that are left keep their mapping until they end; no `on_release` is
// called any more. Blocks: while one runs. NULL is fine.
void weft_imports_destroy(weft_imports_t* imports);

// Maps a segment that a peer has sent: its own, or another's. The descriptor is
// kept, so that it can be passed on. What is mapped already is so once. What
// `from` says is a segment of another is that for what `from` lends only; if it
// says so twice, from now on the second time; and for nothing once the owner
// has sent it.
// Owns: takes `descriptor` over, also on failure. Errors: as `weft_memfd_map`;
// RESOURCE_EXHAUSTED for one who sends too many.
weft_status_t weft_imports_add(weft_imports_t* imports, weft_holder_t from,
                               weft_holder_t owner, uint32_t segment,
                               int descriptor);
// The descriptor of what a storage is in, lent, and a number that no other
// mapping has; -1 for any other storage, and for a segment that is gone.
int weft_imports_descriptor(weft_imports_t* imports,
                            const weft_storage_t* storage,
                            uint64_t* out_mapping);

// A block of a peer that this runtime has a loan of, and who lent it.
typedef struct weft_borrowed {
  weft_holder_t owner;
  weft_holder_t lender;
  weft_block_name_t name;
} weft_borrowed_t;

// A read-only storage of a block that was lent to this runtime. When its last
// reference goes, `on_release(user, borrowed)` is called, on whatever thread
// that is, with no lock held.
// Errors: NOT_FOUND for a segment that is not there; DATA_LOSS when the name
// does not lie in it; RESOURCE_EXHAUSTED. `on_release` is not called then, nor
// in a forked child.
typedef void (*weft_loan_fn_t)(void* user, const weft_borrowed_t* borrowed);
weft_status_t weft_imports_storage(weft_imports_t* imports,
                                   const weft_borrowed_t* borrowed,
                                   weft_loan_fn_t on_release, void* user,
                                   weft_storage_t** out_storage);
// True, and what it is, for a storage that is such a loan.
bool weft_imports_find(weft_imports_t* imports, const weft_storage_t* storage,
                       weft_borrowed_t* out_borrowed);
// Forgets a segment that is gone, as `from` says, who sent it: all that anybody
// has sent as that if `from` is the owner, else what `from` has; storages keep
// it. False while another has sent it too.
bool weft_imports_drop(weft_imports_t* imports, weft_holder_t from,
                       weft_holder_t owner, uint32_t segment);
// Forgets the segments of a runtime that is dead, and what it sent of others;
// storages keep theirs.
void weft_imports_strike_off(weft_imports_t* imports, weft_holder_t holder);

#endif  // WEFT_MEMORY_ARENA_H_
