// SPDX-License-Identifier: Apache-2.0

#include "actor/roster.h"

#include "actor/turn.h"
#include "async/pool.h"
#include "base/assert.h"
#include "base/memory.h"

#define NONE UINT32_MAX

// Entries that a cache takes from the roster, or gives back to it, at once; and
// how many it does not reach.
#define CACHE_BATCH 32
#define CACHE_LIMIT 128

// --- Chunks -----------------------------------------------------------------

static size_t chunk_bytes(void) {
  return WEFT_ROSTER_CHUNK_ENTRIES * sizeof(weft_actor_entry_t);
}

static void init_entry(weft_actor_layer_t* layer, weft_actor_entry_t* entry,
                       uint32_t index) {
  memset(entry, 0, sizeof(*entry));
  weft_mailbox_init_dead(&entry->in);
  atomic_init(&entry->generation, 0);
  atomic_init(&entry->actor_class, NULL);
  atomic_init(&entry->executor, layer->executor);
  atomic_init(&entry->attention, 0);
  atomic_init(&entry->endpoint, WEFT_ENDPOINT_NONE);
  entry->index = index;
  entry->layer = layer;
  entry->task.run = weft_turn_run;
  entry->activity.deadline_ns = WEFT_TIME_INFINITE;
  entry->activity.describe = weft_entry_describe;
  entry->next_free = NONE;
}

// Makes one more chunk. The lock is not held: an allocator is called.
static weft_actor_entry_t* make_chunk(weft_actor_layer_t* layer,
                                      uint32_t chunk) {
  const weft_allocator_t* allocator = layer->runtime->allocator;
  weft_actor_entry_t* entries = allocator->allocate(
      allocator->self, chunk_bytes(), alignof(weft_actor_entry_t));
  for (uint32_t i = 0; entries != NULL && i < WEFT_ROSTER_CHUNK_ENTRIES; i++) {
    init_entry(layer, &entries[i], chunk * WEFT_ROSTER_CHUNK_ENTRIES + i);
  }
  return entries;
}

static void free_chunk(weft_actor_layer_t* layer, weft_actor_entry_t* entries) {
  weft_memory_free(layer->runtime->allocator, entries, chunk_bytes());
}

// --- Life -------------------------------------------------------------------

static size_t caches_bytes(void) {
  return WEFT_ROSTER_CACHE_COUNT * sizeof(weft_roster_cache_t);
}

// NULL without memory.
static weft_roster_cache_t* create_caches(const weft_allocator_t* allocator) {
  weft_roster_cache_t* caches = allocator->allocate(
      allocator->self, caches_bytes(), alignof(weft_roster_cache_t));
  for (uint32_t i = 0; caches != NULL && i < WEFT_ROSTER_CACHE_COUNT; i++) {
    weft_mutex_init(&caches[i].lock);
    caches[i].first_free = NONE;
    caches[i].count = 0;
  }
  return caches;
}

static void free_caches(const weft_allocator_t* allocator,
                        weft_roster_cache_t* caches) {
  for (uint32_t i = 0; caches != NULL && i < WEFT_ROSTER_CACHE_COUNT; i++) {
    weft_mutex_deinit(&caches[i].lock);
  }
  weft_memory_free(allocator, caches, caches_bytes());
}

weft_status_t weft_roster_init(weft_actor_layer_t* layer) {
  const weft_allocator_t* allocator = layer->runtime->allocator;
  weft_roster_t* roster = &layer->roster;
  weft_mutex_init(&roster->lock);
  roster->first_free = NONE;
  atomic_init(&roster->chunk_count, 0);
  roster->caches = create_caches(allocator);
  roster->chunks = weft_memory_allocate(
      allocator, WEFT_ROSTER_CHUNK_LIMIT * sizeof(*roster->chunks));
  if (roster->caches == NULL || roster->chunks == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the roster of actors");
  }
  return WEFT_OK;
}

void weft_roster_deinit(weft_actor_layer_t* layer) {
  weft_roster_t* roster = &layer->roster;
  // Relaxed: no other thread is left.
  uint32_t count =
      atomic_load_explicit(&roster->chunk_count, memory_order_relaxed);
  weft_assert(roster->live == 0);
  for (uint32_t i = 0; i < count; i++) {
    free_chunk(layer, roster->chunks[i]);
  }
  weft_memory_free(layer->runtime->allocator, roster->chunks,
                   WEFT_ROSTER_CHUNK_LIMIT * sizeof(*roster->chunks));
  free_caches(layer->runtime->allocator, roster->caches);
  weft_mutex_deinit(&roster->lock);
}

// --- Taking and giving back -------------------------------------------------

// Takes an entry that exists; NULL when a chunk has to be made first.
static weft_actor_entry_t* take_locked(weft_roster_t* roster) {
  bool is_used = roster->first_free != NONE;
  weft_actor_entry_t* entry =
      weft_roster_at(roster, is_used ? roster->first_free : roster->fresh);
  if (entry == NULL) {
    return NULL;
  }
  if (is_used) {
    roster->first_free = entry->next_free;
    entry->next_free = NONE;
  } else {
    roster->fresh++;
  }
  roster->live++;
  return entry;
}

// Puts a chunk in place that somebody made, unless another was faster.
static void add_chunk(weft_actor_layer_t* layer, uint32_t chunk,
                      weft_actor_entry_t* entries) {
  weft_roster_t* roster = &layer->roster;
  weft_mutex_lock(&roster->lock);
  // Relaxed: changed under the lock.
  bool is_first =
      atomic_load_explicit(&roster->chunk_count, memory_order_relaxed) == chunk;
  if (is_first) {
    roster->chunks[chunk] = entries;
    // Release: pairs with the acquire in `weft_roster_at`.
    atomic_store_explicit(&roster->chunk_count, chunk + 1,
                          memory_order_release);
  }
  weft_mutex_unlock(&roster->lock);
  if (!is_first) {
    free_chunk(layer, entries);
  }
}

static weft_status_t grow(weft_actor_layer_t* layer, uint32_t chunk) {
  if (chunk == WEFT_ROSTER_CHUNK_LIMIT) {
    return weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "%u actors live: one runtime has no more",
        WEFT_ROSTER_CHUNK_LIMIT * WEFT_ROSTER_CHUNK_ENTRIES);
  }
  weft_actor_entry_t* entries = make_chunk(layer, chunk);
  if (entries == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for more actors");
  }
  add_chunk(layer, chunk, entries);
  return WEFT_OK;
}

static void give_back_locked(weft_roster_t* roster, weft_actor_entry_t* entry) {
  entry->next_free = roster->first_free;
  roster->first_free = entry->index;
  roster->live--;
  if (roster->live == 0 && roster->stopper != NULL) {
    weft_unpark(roster->stopper);
    roster->stopper = NULL;
  }
}

// --- Caches -----------------------------------------------------------------

static weft_roster_cache_t* own_cache(weft_roster_t* roster) {
  const weft_worker_t* worker = weft_thread_self.worker;
  uint32_t index = worker != NULL ? worker->index : 0;
  return &roster->caches[index % WEFT_ROSTER_CACHE_COUNT];
}

// Takes one out of a cache that is not empty. Its lock is held, here and below.
static weft_actor_entry_t* pop_locked(const weft_roster_t* roster,
                                      weft_roster_cache_t* cache) {
  weft_actor_entry_t* entry = weft_roster_known(roster, cache->first_free);
  cache->first_free = entry->next_free;
  entry->next_free = NONE;
  cache->count--;
  return entry;
}

static void push_locked(weft_roster_cache_t* cache, weft_actor_entry_t* entry) {
  entry->next_free = cache->first_free;
  cache->first_free = entry->index;
  cache->count++;
}

// Fills an empty cache, so that the lowest index is the first to be taken.
// Nothing changes when a chunk has to be made first, the one after
// `out_chunks`.
static void refill_locked(weft_roster_t* roster, weft_roster_cache_t* cache,
                          uint32_t* out_chunks) {
  weft_actor_entry_t* entries[CACHE_BATCH];
  uint32_t count = 0;
  weft_mutex_lock(&roster->lock);
  // Relaxed: changed under the lock.
  *out_chunks =
      atomic_load_explicit(&roster->chunk_count, memory_order_relaxed);
  while (count < CACHE_BATCH &&
         (entries[count] = take_locked(roster)) != NULL) {
    count++;
  }
  weft_mutex_unlock(&roster->lock);
  while (count > 0) {
    push_locked(cache, entries[--count]);
  }
}

static void spill_locked(weft_roster_t* roster, weft_roster_cache_t* cache,
                         uint32_t count) {
  weft_mutex_lock(&roster->lock);
  while (count-- > 0) {
    give_back_locked(roster, pop_locked(roster, cache));
  }
  weft_mutex_unlock(&roster->lock);
}

weft_status_t weft_roster_take(weft_actor_layer_t* layer,
                               weft_actor_entry_t** out_entry) {
  weft_roster_t* roster = &layer->roster;
  weft_roster_cache_t* cache = own_cache(roster);
  *out_entry = NULL;
  while (*out_entry == NULL) {
    uint32_t chunks = 0;
    weft_mutex_lock(&cache->lock);
    // Relaxed: whoever stops takes this lock afterwards.
    bool is_stopping =
        atomic_load_explicit(&layer->is_stopping, memory_order_relaxed);
    if (!is_stopping) {
      if (cache->count == 0) {
        refill_locked(roster, cache, &chunks);
      }
      *out_entry = cache->count > 0 ? pop_locked(roster, cache) : NULL;
    }
    weft_mutex_unlock(&cache->lock);
    if (is_stopping) {
      return weft_actor_closed(layer, "nothing can be spawned");
    }
    if (*out_entry == NULL) {
      WEFT_RETURN_IF_ERROR(grow(layer, chunks));
    }
  }
  return WEFT_OK;
}

void weft_roster_give_back(weft_actor_entry_t* entry) {
  weft_actor_layer_t* layer = entry->layer;
  weft_roster_t* roster = &layer->roster;
  weft_roster_cache_t* cache = own_cache(roster);
  weft_mutex_lock(&cache->lock);
  // Relaxed: as in `weft_roster_take`. An entry that goes into a cache keeps
  // the layer until whoever stops has taken it out again.
  bool is_stopping =
      atomic_load_explicit(&layer->is_stopping, memory_order_relaxed);
  if (!is_stopping) {
    push_locked(cache, entry);
    if (cache->count == CACHE_LIMIT) {
      spill_locked(roster, cache, CACHE_BATCH);
    }
  }
  weft_mutex_unlock(&cache->lock);
  if (is_stopping) {
    weft_mutex_lock(&roster->lock);
    give_back_locked(roster, entry);
    weft_mutex_unlock(&roster->lock);
  }
}

uint32_t weft_roster_size(weft_actor_layer_t* layer) {
  weft_mutex_lock(&layer->roster.lock);
  uint32_t size = layer->roster.fresh;
  weft_mutex_unlock(&layer->roster.lock);
  return size;
}

// --- Stopping ---------------------------------------------------------------

void weft_roster_stop(weft_actor_layer_t* layer) {
  weft_roster_t* roster = &layer->roster;
  weft_mutex_lock(&roster->lock);
  // Sequentially consistent: an actor that is being spawned is open by the
  // claim below, or sees this before it first goes idle; see
  // `weft_mailbox_open`. For others the claim itself is enough.
  atomic_store_explicit(&layer->is_stopping, true, memory_order_seq_cst);
  uint32_t size = roster->fresh;
  weft_mutex_unlock(&roster->lock);
  for (uint32_t i = 0; i < WEFT_ROSTER_CACHE_COUNT; i++) {
    weft_roster_cache_t* cache = &roster->caches[i];
    weft_mutex_lock(&cache->lock);
    spill_locked(roster, cache, cache->count);
    weft_mutex_unlock(&cache->lock);
  }
  for (uint32_t i = 0; i < size; i++) {
    weft_actor_entry_t* entry = weft_roster_at(roster, i);
    if (weft_mailbox_claim(&entry->in)) {
      weft_entry_post(entry);
    }
  }
}

weft_status_t weft_roster_await_empty(weft_actor_layer_t* layer,
                                      int64_t deadline_ns) {
  weft_roster_t* roster = &layer->roster;
  weft_parker_t parker;
  weft_parker_init(&parker, layer->runtime);
  weft_mutex_lock(&roster->lock);
  bool is_empty = roster->live == 0;
  roster->stopper = is_empty ? NULL : &parker;
  weft_mutex_unlock(&roster->lock);
  if (is_empty) {
    return WEFT_OK;
  }
  weft_status_t status = weft_park(&parker, deadline_ns);
  weft_mutex_lock(&roster->lock);
  // The last actor may have ended just now, and its wake-up be lost with the
  // parker.
  roster->stopper = NULL;
  is_empty = roster->live == 0;
  weft_mutex_unlock(&roster->lock);
  if (is_empty && status != WEFT_OK) {
    weft_status_release(status);
    status = WEFT_OK;
  }
  return status;
}
