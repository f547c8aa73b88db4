// SPDX-License-Identifier: Apache-2.0
//
// Two locks. The registry lock of the process guards which rack belongs to
// which slab, and the end of slabs. A slab's own mutex guards its depot; it
// is taken after the registry lock where both are needed.
//
// A slab ends when it is retired and no block is in use. Blocks in use are
// not counted but computed: all that were carved from chunks, less those in
// the depot and in racks. A rack may be pushed to while another thread sums;
// that can only make the sum too high, and whoever pushed sums again.

#include "sys/slab.h"

#if WEFT_SLAB_MAGAZINES

#include "base/memory.h"
#include "sys/sys.h"
#include "sys/thread_exit.h"

#define CHUNK_BYTES ((size_t)64 * 1024)
#define LINE_BYTES 64

// In front of the blocks of a chunk; takes a whole line, so that blocks lie
// on lines of their own.
typedef struct chunk {
  _Alignas(LINE_BYTES) struct chunk* next;
} chunk_t;

// What no thread keeps of one size.
typedef struct depot {
  // Full batches, linked by `next_batch`.
  weft_slab_block_t* batches;
  // Blocks that did not make a batch.
  weft_slab_block_t* loose;
  // The rest of the newest chunk, of which no block was made yet.
  char* fresh;
  size_t fresh_blocks;
  // Free blocks in both lists, and blocks that were ever carved.
  size_t free_blocks;
  size_t carved_blocks;
} depot_t;

typedef struct slab {
  weft_slab_t base;
  const weft_allocator_t* allocator;
  weft_mutex_t mutex;
  // Guarded by the mutex.
  depot_t depots[WEFT_SLAB_CLASS_COUNT];
  chunk_t* chunks;
  size_t large_blocks;
  // Guarded by the registry lock.
  weft_slab_rack_t* racks;
  void (*on_last)(void* user);
  void* user;
  // Written with both locks held, so either will do to read it.
  bool retired;
} slab_t;

static const size_t class_bytes[WEFT_SLAB_CLASS_COUNT] = {64, 128, 192, 256,
                                                          512};

// What a thread knows of its racks.
typedef struct own_racks {
  weft_slab_rack_t* first;
  weft_sys_thread_exit_t exit;
  // The thread is ending, and keeps no racks any more.
  bool ended;
} own_racks_t;

_Thread_local weft_slab_place_t weft_slab_places[WEFT_SLAB_PLACE_COUNT];
static _Thread_local own_racks_t own_racks;

static weft_mutex_t registry_lock = WEFT_MUTEX_INIT;

static slab_t* slab_of(weft_slab_t* slab) {
  // The public part is the first member.
  return (slab_t*)(void*)slab;
}

// --- Counting and the end ---------------------------------------------------

static size_t count_rack(const weft_slab_rack_t* rack) {
  size_t count = 0;
  for (size_t i = 0; i < WEFT_SLAB_CLASS_COUNT; ++i) {
    const weft_slab_magazine_t* magazine = &rack->magazines[i];
    // Acquire, and cold before hot: pairs with the releases in
    // `cool_magazine`, which empties hot before it fills cold, so that no
    // block is counted in both.
    count += atomic_load_explicit(&magazine->cold_count, memory_order_acquire);
    // Acquire: pairs with the release in `weft_slab_push`.
    count += atomic_load_explicit(&magazine->hot_count, memory_order_acquire);
  }
  return count;
}

// The registry lock is held.
static size_t count_in_use_locked(slab_t* slab) {
  weft_mutex_lock(&slab->mutex);
  size_t count = slab->large_blocks;
  for (size_t i = 0; i < WEFT_SLAB_CLASS_COUNT; ++i) {
    count += slab->depots[i].carved_blocks - slab->depots[i].free_blocks;
  }
  weft_slab_rack_t* rack = slab->racks;
  for (; rack != NULL; rack = rack->next_of_slab) {
    count -= count_rack(rack);
  }
  weft_mutex_unlock(&slab->mutex);
  return count;
}

size_t weft_slab_blocks_in_use(weft_slab_t* slab) {
  weft_mutex_lock(&registry_lock);
  size_t count = count_in_use_locked(slab_of(slab));
  weft_mutex_unlock(&registry_lock);
  return count;
}

// True when the slab has come to its end: then no rack knows it any more, and
// the caller, who alone does, destroys it. The registry lock is held.
static bool end_locked(slab_t* slab) {
  if (!slab->retired || count_in_use_locked(slab) > 0) {
    return false;
  }
  weft_slab_rack_t* rack = slab->racks;
  for (; rack != NULL; rack = rack->next_of_slab) {
    rack->slab = NULL;
  }
  return true;
}

static void destroy(slab_t* slab) {
  const weft_allocator_t* allocator = slab->allocator;
  void (*on_last)(void*) = slab->on_last;
  void* user = slab->user;
  chunk_t* chunk = slab->chunks;
  while (chunk != NULL) {
    chunk_t* next = chunk->next;
    weft_memory_free(allocator, chunk, CHUNK_BYTES);
    chunk = next;
  }
  weft_mutex_deinit(&slab->mutex);
  weft_memory_free(allocator, slab, sizeof(*slab));
  if (on_last != NULL) {
    on_last(user);
  }
}

// Releases the registry lock, and ends the slab if it is time.
static void unlock_and_end(slab_t* slab) {
  bool ended = end_locked(slab);
  weft_mutex_unlock(&registry_lock);
  if (ended) {
    destroy(slab);
  }
}

void weft_slab_settle(weft_slab_rack_t* rack) {
  weft_mutex_lock(&registry_lock);
  if (rack->slab != NULL) {
    unlock_and_end(slab_of(rack->slab));
  } else {
    weft_mutex_unlock(&registry_lock);
  }
}

void weft_slab_retire(weft_slab_t* public_slab, void (*on_last)(void* user),
                      void* user) {
  slab_t* slab = slab_of(public_slab);
  weft_mutex_lock(&registry_lock);
  weft_mutex_lock(&slab->mutex);
  slab->on_last = on_last;
  slab->user = user;
  slab->retired = true;
  weft_mutex_unlock(&slab->mutex);
  if (slab->racks != NULL) {
    weft_slab_rack_t* rack = slab->racks;
    for (; rack != NULL; rack = rack->next_of_slab) {
      // Relaxed: the barrier below orders it; see `weft_slab_push`.
      atomic_store_explicit(&rack->retired, true, memory_order_relaxed);
    }
    weft_membarrier_heavy();
  }
  unlock_and_end(slab);
}

// --- The depot: all with the slab's mutex held ------------------------------

static void put_batch(depot_t* depot, weft_slab_block_t* batch) {
  batch->next_batch = depot->batches;
  depot->batches = batch;
  depot->free_blocks += WEFT_SLAB_BATCH_BLOCKS;
}

static void put_loose(depot_t* depot, weft_slab_block_t* block) {
  block->next = depot->loose;
  depot->loose = block;
  ++depot->free_blocks;
}

// Makes loose blocks, at most `limit`, of what is fresh.
static void carve(depot_t* depot, size_t block_bytes, size_t limit) {
  for (; limit > 0 && depot->fresh_blocks > 0; --limit) {
    put_loose(depot, (weft_slab_block_t*)(void*)depot->fresh);
    depot->fresh += block_bytes;
    --depot->fresh_blocks;
    ++depot->carved_blocks;
  }
}

static void put_chunk(slab_t* slab, size_t class_index, chunk_t* chunk) {
  depot_t* depot = &slab->depots[class_index];
  // What is left of the one before, when two threads brought one each.
  carve(depot, class_bytes[class_index], SIZE_MAX);
  chunk->next = slab->chunks;
  slab->chunks = chunk;
  depot->fresh = (char*)(chunk + 1);
  depot->fresh_blocks =
      (CHUNK_BYTES - sizeof(chunk_t)) / class_bytes[class_index];
}

static weft_slab_block_t* take_batch(depot_t* depot) {
  weft_slab_block_t* batch = depot->batches;
  depot->batches = batch->next_batch;
  return batch;
}

// Takes at most `limit` blocks, linked; 0 when there are none. `limit` is 1
// or a batch.
static uint32_t take_blocks(slab_t* slab, size_t class_index, uint32_t limit,
                            weft_slab_block_t** out_blocks) {
  depot_t* depot = &slab->depots[class_index];
  if (limit == WEFT_SLAB_BATCH_BLOCKS && depot->batches != NULL) {
    *out_blocks = take_batch(depot);
    depot->free_blocks -= limit;
    return limit;
  }
  if (depot->loose == NULL && depot->batches != NULL) {
    depot->loose = take_batch(depot);
  }
  if (depot->loose == NULL) {
    carve(depot, class_bytes[class_index], limit);
  }
  uint32_t count = 0;
  weft_slab_block_t** end = out_blocks;
  while (count < limit && depot->loose != NULL) {
    *end = depot->loose;
    end = &depot->loose->next;
    depot->loose = *end;
    ++count;
  }
  *end = NULL;
  depot->free_blocks -= count;
  return count;
}

// As `take_blocks`; gets a chunk when there is nothing. Takes the mutex
// itself, since the allocator is called without it.
static uint32_t fetch_blocks(slab_t* slab, size_t class_index, uint32_t limit,
                             weft_slab_block_t** out_blocks) {
  weft_mutex_lock(&slab->mutex);
  uint32_t count = take_blocks(slab, class_index, limit, out_blocks);
  weft_mutex_unlock(&slab->mutex);
  if (count > 0) {
    return count;
  }
  chunk_t* chunk =
      slab->allocator->allocate(slab->allocator->self, CHUNK_BYTES, LINE_BYTES);
  weft_mutex_lock(&slab->mutex);
  if (chunk != NULL) {
    put_chunk(slab, class_index, chunk);
  }
  // Without a chunk: another thread may have brought one meanwhile.
  count = take_blocks(slab, class_index, limit, out_blocks);
  weft_mutex_unlock(&slab->mutex);
  return count;
}

// --- Racks ------------------------------------------------------------------

// Gives all that a rack holds to the depot. Both locks are held.
static void empty_rack(slab_t* slab, weft_slab_rack_t* rack) {
  for (size_t i = 0; i < WEFT_SLAB_CLASS_COUNT; ++i) {
    weft_slab_magazine_t* magazine = &rack->magazines[i];
    // Relaxed: only this thread writes the count.
    if (atomic_load_explicit(&magazine->cold_count, memory_order_relaxed) > 0) {
      put_batch(&slab->depots[i], magazine->cold);
    }
    weft_slab_block_t* block = magazine->hot;
    while (block != NULL) {
      weft_slab_block_t* next = block->next;
      put_loose(&slab->depots[i], block);
      block = next;
    }
    // Relaxed, both: others that read them hold the registry lock.
    atomic_store_explicit(&magazine->cold_count, 0, memory_order_relaxed);
    atomic_store_explicit(&magazine->hot_count, 0, memory_order_relaxed);
  }
}

// Takes a rack off its slab. The registry lock is held.
static void detach_rack(slab_t* slab, weft_slab_rack_t* rack) {
  weft_slab_rack_t** link = &slab->racks;
  while (*link != rack) {
    link = &(*link)->next_of_slab;
  }
  *link = rack->next_of_slab;
  rack->slab = NULL;
}

static void end_rack(weft_slab_rack_t* rack) {
  weft_mutex_lock(&registry_lock);
  if (rack->slab == NULL) {
    weft_mutex_unlock(&registry_lock);
    return;
  }
  slab_t* slab = slab_of(rack->slab);
  weft_mutex_lock(&slab->mutex);
  empty_rack(slab, rack);
  weft_mutex_unlock(&slab->mutex);
  detach_rack(slab, rack);
  unlock_and_end(slab);
}

// Runs when a thread ends, on that thread.
static void end_thread(void) {
  own_racks.ended = true;
  for (size_t i = 0; i < WEFT_SLAB_PLACE_COUNT; ++i) {
    weft_slab_places[i] = (weft_slab_place_t){0, NULL};
  }
  while (own_racks.first != NULL) {
    weft_slab_rack_t* rack = own_racks.first;
    own_racks.first = rack->next_of_thread;
    end_rack(rack);
    weft_memory_free(weft_allocator_system(), rack, sizeof(*rack));
  }
}

// A rack of this thread whose slab is gone, or a new one. They come from the
// C heap, since they outlive slabs and the allocators of those.
static weft_slab_rack_t* find_free_rack(void) {
  weft_mutex_lock(&registry_lock);
  weft_slab_rack_t* rack = own_racks.first;
  while (rack != NULL && rack->slab != NULL) {
    rack = rack->next_of_thread;
  }
  weft_mutex_unlock(&registry_lock);
  if (rack != NULL || !weft_sys_thread_at_exit(&own_racks.exit, end_thread)) {
    return rack;
  }
  const weft_allocator_t* allocator = weft_allocator_system();
  rack = allocator->allocate(allocator->self, sizeof(*rack), LINE_BYTES);
  if (rack != NULL) {
    memset(rack, 0, sizeof(*rack));
    rack->next_of_thread = own_racks.first;
    own_racks.first = rack;
  }
  return rack;
}

// NULL when there is no memory or the slab is retired.
static weft_slab_rack_t* create_rack(slab_t* slab) {
  weft_slab_rack_t* rack = find_free_rack();
  if (rack == NULL) {
    return NULL;
  }
  weft_slab_rack_t* next_of_thread = rack->next_of_thread;
  *rack = (weft_slab_rack_t){.next_of_thread = next_of_thread};
  weft_mutex_lock(&registry_lock);
  bool usable = !slab->retired;
  if (usable) {
    rack->id = slab->base.id;
    rack->slab = &slab->base;
    rack->next_of_slab = slab->racks;
    slab->racks = rack;
  }
  weft_mutex_unlock(&registry_lock);
  return usable ? rack : NULL;
}

// This thread's rack for a slab; NULL when it can have none.
static weft_slab_rack_t* own_rack(slab_t* slab) {
  uint64_t id = slab->base.id;
  if (id == WEFT_SLAB_ID_NONE || own_racks.ended) {
    return NULL;
  }
  weft_slab_rack_t* rack = own_racks.first;
  while (rack != NULL && rack->id != id) {
    rack = rack->next_of_thread;
  }
  if (rack == NULL) {
    rack = create_rack(slab);
  }
  if (rack != NULL) {
    weft_slab_places[id % WEFT_SLAB_PLACE_COUNT] =
        (weft_slab_place_t){.id = id, .rack = rack};
  }
  return rack;
}

// --- Slabs ------------------------------------------------------------------

weft_slab_t* weft_slab_create(const weft_allocator_t* allocator) {
  static _Atomic uint64_t last_id;
  allocator = weft_allocator_or_system(allocator);
  slab_t* slab = weft_memory_allocate_zeroed(allocator, sizeof(*slab));
  if (slab == NULL) {
    return NULL;
  }
  slab->allocator = allocator;
  weft_mutex_init(&slab->mutex);
  // Without barriers all blocks go through the depot: slower, but right.
  slab->base.id = WEFT_SLAB_ID_NONE;
  if (weft_membarrier_open()) {
    // Relaxed: the numbers only have to differ.
    slab->base.id =
        atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
  }
  return &slab->base;
}

static void* allocate_large(slab_t* slab, size_t size_bytes) {
  size_t alignment =
      size_bytes % LINE_BYTES == 0 ? LINE_BYTES : alignof(max_align_t);
  void* block =
      slab->allocator->allocate(slab->allocator->self, size_bytes, alignment);
  if (block != NULL) {
    weft_mutex_lock(&slab->mutex);
    ++slab->large_blocks;
    weft_mutex_unlock(&slab->mutex);
  }
  return block;
}

// Fills an empty hot batch from the cold one or the depot; its new count.
static uint32_t warm_magazine(slab_t* slab, weft_slab_magazine_t* magazine,
                              size_t class_index) {
  // Relaxed: only this thread writes the count.
  uint32_t count =
      atomic_load_explicit(&magazine->cold_count, memory_order_relaxed);
  if (count > 0) {
    magazine->hot = magazine->cold;
    magazine->cold = NULL;
    // Relaxed, here and below: a slab from which somebody allocates is not
    // being retired, so nobody has to count right.
    atomic_store_explicit(&magazine->cold_count, 0, memory_order_relaxed);
  } else {
    count =
        fetch_blocks(slab, class_index, WEFT_SLAB_BATCH_BLOCKS, &magazine->hot);
  }
  atomic_store_explicit(&magazine->hot_count, count, memory_order_relaxed);
  return count;
}

void* weft_slab_allocate_slow(weft_slab_t* public_slab, size_t size_bytes) {
  slab_t* slab = slab_of(public_slab);
  if (size_bytes > WEFT_SLAB_BLOCK_LIMIT) {
    return allocate_large(slab, size_bytes);
  }
  size_t class_index = weft_slab_class(size_bytes);
  weft_slab_rack_t* rack = own_rack(slab);
  if (rack == NULL) {
    weft_slab_block_t* block = NULL;
    (void)fetch_blocks(slab, class_index, 1, &block);
    return block;
  }
  weft_slab_magazine_t* magazine = &rack->magazines[class_index];
  // Relaxed: only this thread writes the count.
  uint32_t count =
      atomic_load_explicit(&magazine->hot_count, memory_order_relaxed);
  if (count == 0) {
    count = warm_magazine(slab, magazine, class_index);
  }
  return count > 0 ? weft_slab_pop(magazine, count) : NULL;
}

// Makes room in a full hot batch: it becomes the cold one, and the one that
// was cold goes to the depot.
static void cool_magazine(slab_t* slab, weft_slab_magazine_t* magazine,
                          size_t class_index) {
  // Relaxed: only this thread writes the count.
  if (atomic_load_explicit(&magazine->cold_count, memory_order_relaxed) > 0) {
    weft_mutex_lock(&slab->mutex);
    put_batch(&slab->depots[class_index], magazine->cold);
    // Relaxed: whoever sums holds the mutex.
    atomic_store_explicit(&magazine->cold_count, 0, memory_order_relaxed);
    weft_mutex_unlock(&slab->mutex);
  }
  magazine->cold = magazine->hot;
  magazine->hot = NULL;
  // Release, both, and in this order: pairs with the acquires in
  // `count_rack`.
  atomic_store_explicit(&magazine->hot_count, 0, memory_order_release);
  atomic_store_explicit(&magazine->cold_count, WEFT_SLAB_BATCH_BLOCKS,
                        memory_order_release);
}

// Gives one block straight to the depot. `class_index` is past the last for a
// large block, which was given to the allocator.
static void free_direct(slab_t* slab, weft_slab_block_t* block,
                        size_t class_index) {
  weft_mutex_lock(&slab->mutex);
  bool retired = slab->retired;
  if (!retired) {
    if (class_index < WEFT_SLAB_CLASS_COUNT) {
      put_loose(&slab->depots[class_index], block);
    } else {
      --slab->large_blocks;
    }
  }
  // An owner who retires the slab now may free it at once; the mutex can be
  // destroyed as soon as it is unlocked.
  weft_mutex_unlock(&slab->mutex);
  if (!retired) {
    return;
  }
  // This block still keeps the slab, so it is there.
  weft_mutex_lock(&registry_lock);
  weft_mutex_lock(&slab->mutex);
  if (class_index < WEFT_SLAB_CLASS_COUNT) {
    put_loose(&slab->depots[class_index], block);
  } else {
    --slab->large_blocks;
  }
  weft_mutex_unlock(&slab->mutex);
  unlock_and_end(slab);
}

void weft_slab_free_slow(weft_slab_t* public_slab, void* block,
                         size_t size_bytes) {
  slab_t* slab = slab_of(public_slab);
  if (size_bytes > WEFT_SLAB_BLOCK_LIMIT) {
    weft_memory_free(slab->allocator, block, size_bytes);
    free_direct(slab, NULL, WEFT_SLAB_CLASS_COUNT);
    return;
  }
  size_t class_index = weft_slab_class(size_bytes);
  weft_slab_rack_t* rack = own_rack(slab);
  if (rack == NULL) {
    free_direct(slab, block, class_index);
    return;
  }
  weft_slab_magazine_t* magazine = &rack->magazines[class_index];
  // Relaxed: only this thread writes the count.
  uint32_t count =
      atomic_load_explicit(&magazine->hot_count, memory_order_relaxed);
  if (count == WEFT_SLAB_BATCH_BLOCKS) {
    cool_magazine(slab, magazine, class_index);
    count = 0;
  }
  weft_slab_push(rack, magazine, block, count);
}

#endif  // WEFT_SLAB_MAGAZINES
