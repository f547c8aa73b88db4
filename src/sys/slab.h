// SPDX-License-Identifier: Apache-2.0
//
// Small blocks of a few fixed sizes, at the cost of a few instructions. Each
// thread keeps a magazine of free blocks for every size: a hot batch that it
// pushes to and pops from, and a cold one. When both are full it gives the
// cold one to the depot that all share; when both are empty it takes one. So
// a block that one thread makes and another frees goes home in batches, and
// neither takes a lock for it most of the time.
//
//   thread 1 [rack: 64|128|192|256|512]     thread 2 [rack: 64|128|...]
//                 \  batches of 32 blocks  /
//                  depot: free batches, chunks, one mutex
//
// Source of the idea: Bonwick's magazines (vmem, 2001).
//
// Under a sanitizer every block comes from the allocator by itself, so that a
// use after the free is seen.

#ifndef WEFT_SYS_SLAB_H_
#define WEFT_SYS_SLAB_H_

#include <stdatomic.h>

#include "base/sanitizer.h"
#include "sys/membarrier.h"
#include "weft/allocator.h"

#ifndef WEFT_SLAB_MAGAZINES
#define WEFT_SLAB_MAGAZINES (!WEFT_SANITIZER)
#endif

typedef struct weft_slab weft_slab_t;

// The largest block that a slab keeps; larger ones come from its allocator.
#define WEFT_SLAB_BLOCK_LIMIT 512

// Makes a slab whose chunks come from `allocator`. NULL when there is no
// memory.
weft_slab_t* weft_slab_create(const weft_allocator_t* allocator);

// A block of at least `size_bytes`, aligned to 16 bytes (64 where the size is
// a multiple of 64), not cleared; NULL when there is no memory.
// Thread: any. Blocks: for the depot's mutex, once a batch.
static inline void* weft_slab_allocate(weft_slab_t* slab, size_t size_bytes);

// The same if it takes only a few instructions, else NULL: for callers that
// would rather do the whole of what they do in another function then.
// Thread: any. Blocks: no.
static inline void* weft_slab_try_allocate(weft_slab_t* slab,
                                           size_t size_bytes);

// Takes a block back, with the size it was asked for. Thread: any.
// Blocks: as above.
static inline void weft_slab_free(weft_slab_t* slab, void* block,
                                  size_t size_bytes);

// The owner is done with the slab. It is freed now if every block has come
// back, else when the last one does; `on_last(user)` is called then, with no
// lock held, after which `user` is nobody's (NULL: no call). No thread may
// allocate any more; freeing is fine from any thread.
void weft_slab_retire(weft_slab_t* slab, void (*on_last)(void* user),
                      void* user);

// The number of blocks in use; exact only while no other thread allocates or
// frees. For reports and tests.
size_t weft_slab_blocks_in_use(weft_slab_t* slab);

// --- The fast path ----------------------------------------------------------
// Below is what is needed to compile allocation and free into their callers.

// What `slab.c` does for the functions above when the fast path cannot.
void* weft_slab_allocate_slow(weft_slab_t* slab, size_t size_bytes);
void weft_slab_free_slow(weft_slab_t* slab, void* block, size_t size_bytes);

#if WEFT_SLAB_MAGAZINES

#define WEFT_SLAB_CLASS_COUNT 5
#define WEFT_SLAB_BATCH_BLOCKS 32

// The head of a free block.
typedef struct weft_slab_block weft_slab_block_t;
struct weft_slab_block {
  weft_slab_block_t* next;
  // In the first block of a batch that lies in the depot.
  weft_slab_block_t* next_batch;
};

// Free blocks of one size. Its thread alone touches the lists; the counts are
// read by others when they count what is in use.
typedef struct weft_slab_magazine {
  weft_slab_block_t* hot;
  weft_slab_block_t* cold;
  // 0 to WEFT_SLAB_BATCH_BLOCKS.
  _Atomic uint32_t hot_count;
  // 0 or WEFT_SLAB_BATCH_BLOCKS.
  _Atomic uint32_t cold_count;
} weft_slab_magazine_t;

// The magazines of one thread for one slab. It belongs to the thread and
// outlives the slab.
typedef struct weft_slab_rack weft_slab_rack_t;
struct weft_slab_rack {
  // On lines of its own: no other thread writes near it.
  _Alignas(64) weft_slab_magazine_t magazines[WEFT_SLAB_CLASS_COUNT];
  // The slab is retired: look, after each free, whether it was the last.
  _Atomic bool retired;
  // The id of the slab it was made for. Its thread's.
  uint64_t id;
  weft_slab_rack_t* next_of_thread;
  // NULL when the slab is gone. Guarded by the registry lock, as are the
  // neighbours in the slab's list.
  struct weft_slab* slab;
  weft_slab_rack_t* next_of_slab;
};

struct weft_slab {
  // Counts from 1 and is never used again for another slab, so a stale place
  // (below) matches none. WEFT_SLAB_ID_NONE: no thread keeps magazines.
  uint64_t id;
};
#define WEFT_SLAB_ID_NONE UINT64_MAX

// The racks that this thread used last, by the low bit of the slab's id.
#define WEFT_SLAB_PLACE_COUNT 2
typedef struct weft_slab_place {
  uint64_t id;
  weft_slab_rack_t* rack;
} weft_slab_place_t;
extern _Thread_local weft_slab_place_t weft_slab_places[WEFT_SLAB_PLACE_COUNT];

// After a free into the rack of a retired slab: frees the slab if it was the
// last block. Touches the slab only if it still exists.
void weft_slab_settle(weft_slab_rack_t* rack);

static inline uint32_t weft_slab_class(size_t size_bytes) {
  return size_bytes <= 64    ? 0
         : size_bytes <= 128 ? 1
         : size_bytes <= 192 ? 2
         : size_bytes <= 256 ? 3
                             : 4;
}

static inline void* weft_slab_pop(weft_slab_magazine_t* magazine,
                                  uint32_t count) {
  weft_slab_block_t* block = magazine->hot;
  magazine->hot = block->next;
  // Relaxed: nobody allocates from a slab that is being retired.
  atomic_store_explicit(&magazine->hot_count, count - 1, memory_order_relaxed);
  return block;
}

static inline void weft_slab_push(weft_slab_rack_t* rack,
                                  weft_slab_magazine_t* magazine,
                                  weft_slab_block_t* block, uint32_t count) {
  block->next = magazine->hot;
  magazine->hot = block;
  // Release: pairs with the acquire of whoever counts the last block and then
  // frees the chunks; the writes above happen before that. From here on the
  // slab may be gone, but not the rack.
  atomic_store_explicit(&magazine->hot_count, count + 1, memory_order_release);
  weft_membarrier_light();
  // Relaxed: between the store above and this load stands the barrier, whose
  // heavy side is in `weft_slab_retire`. Either that one counts this block or
  // this load sees that the slab is retired.
  if (__builtin_expect(
          atomic_load_explicit(&rack->retired, memory_order_relaxed), 0)) {
    weft_slab_settle(rack);
  }
}

static inline void* weft_slab_try_allocate(weft_slab_t* slab,
                                           size_t size_bytes) {
  weft_slab_place_t place = weft_slab_places[slab->id % WEFT_SLAB_PLACE_COUNT];
  if (__builtin_expect(
          place.id == slab->id && size_bytes <= WEFT_SLAB_BLOCK_LIMIT, 1)) {
    weft_slab_magazine_t* magazine =
        &place.rack->magazines[weft_slab_class(size_bytes)];
    // Relaxed: only this thread writes the count.
    uint32_t count =
        atomic_load_explicit(&magazine->hot_count, memory_order_relaxed);
    if (__builtin_expect(count > 0, 1)) {
      return weft_slab_pop(magazine, count);
    }
  }
  return NULL;
}

static inline void* weft_slab_allocate(weft_slab_t* slab, size_t size_bytes) {
  void* block = weft_slab_try_allocate(slab, size_bytes);
  return block != NULL ? block : weft_slab_allocate_slow(slab, size_bytes);
}

static inline void weft_slab_free(weft_slab_t* slab, void* block,
                                  size_t size_bytes) {
  weft_slab_place_t place = weft_slab_places[slab->id % WEFT_SLAB_PLACE_COUNT];
  if (__builtin_expect(
          place.id == slab->id && size_bytes <= WEFT_SLAB_BLOCK_LIMIT, 1)) {
    weft_slab_magazine_t* magazine =
        &place.rack->magazines[weft_slab_class(size_bytes)];
    // Relaxed: only this thread writes the count.
    uint32_t count =
        atomic_load_explicit(&magazine->hot_count, memory_order_relaxed);
    if (__builtin_expect(count < WEFT_SLAB_BATCH_BLOCKS, 1)) {
      weft_slab_push(place.rack, magazine, block, count);
      return;
    }
  }
  weft_slab_free_slow(slab, block, size_bytes);
}

#else

static inline void* weft_slab_try_allocate(weft_slab_t* slab,
                                           size_t size_bytes) {
  (void)slab;
  (void)size_bytes;
  return NULL;
}

static inline void* weft_slab_allocate(weft_slab_t* slab, size_t size_bytes) {
  return weft_slab_allocate_slow(slab, size_bytes);
}

static inline void weft_slab_free(weft_slab_t* slab, void* block,
                                  size_t size_bytes) {
  weft_slab_free_slow(slab, block, size_bytes);
}

#endif  // WEFT_SLAB_MAGAZINES

#endif  // WEFT_SYS_SLAB_H_
