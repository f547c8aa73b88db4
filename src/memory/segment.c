// SPDX-License-Identifier: Apache-2.0
//
// Segments, and the blocks that they are cut into. A block comes, in this
// order, from the free blocks of its class, from a segment without a block in
// use, from what no block has had yet, or from a new segment.

#include "base/container.h"
#include "base/memory.h"
#include "memory/arena_internal.h"

// How many segments are looked at for room, newest first.
#define OPEN_TRIES 8
#define EMPTY_TRIES 64
// One bucket of lent blocks for so much of a segment. Units: bytes.
#define BUCKET_BYTES 16384
// Blocks up to this size never have a segment of their own, but in an arena
// whose limit is small.
#define OWN_BYTES 65536

#define EMPTY_SEGMENT(list_node) \
  WEFT_CONTAINER_OF(list_node, weft_segment_t, empty_node)
#define OPEN_SEGMENT(list_node) \
  WEFT_CONTAINER_OF(list_node, weft_segment_t, open_node)

static size_t segment_struct_bytes(size_t bucket_count) {
  return sizeof(weft_segment_t) + bucket_count * sizeof(weft_block_t*);
}

static void free_segment(weft_arena_t* arena, weft_segment_t* segment) {
  weft_memory_free(arena->allocator, segment,
                   segment_struct_bytes(segment->bucket_count));
}

// --- Kept segments ----------------------------------------------------------

static void enter_empty_locked(weft_segment_t* segment) {
  weft_arena_t* arena = segment->arena;
  weft_dlist_append(&arena->empty, &segment->empty_node);
  arena->figures.kept_bytes += segment->memfd.size_bytes;
}

static void leave_empty_locked(weft_segment_t* segment) {
  weft_dlist_remove(&segment->empty_node);
  segment->arena->figures.kept_bytes -= segment->memfd.size_bytes;
}

static void add_spare_locked(weft_arena_t* arena, weft_block_t* block) {
  block->next_in_segment = arena->spare;
  arena->spare = block;
}

// Takes the places away that an empty segment was cut into.
static void restart_locked(weft_segment_t* segment) {
  weft_block_t* block;
  while ((block = segment->blocks) != NULL) {
    segment->blocks = block->next_in_segment;
    if (!segment->has_own_block) {
      weft_dlist_remove(&block->free_node);
    }
    add_spare_locked(segment->arena, block);
  }
  segment->low_bytes = 0;
  segment->high_bytes = segment->memfd.size_bytes;
}

static weft_segment_t** segment_bucket(weft_arena_t* arena, uint32_t number) {
  return &arena->segments[number % WEFT_SEGMENT_BUCKETS];
}

weft_segment_t* weft_arena_segment_locked(weft_arena_t* arena,
                                          uint32_t number) {
  weft_segment_t* segment = *segment_bucket(arena, number);
  while (segment != NULL && segment->number != number) {
    segment = segment->next;
  }
  return segment;
}

static void unlink_locked(weft_segment_t* segment) {
  weft_segment_t** place = segment_bucket(segment->arena, segment->number);
  while (*place != segment) {
    place = &(*place)->next;
  }
  *place = segment->next;
  if (!weft_dlist_node_is_free(&segment->open_node)) {
    weft_dlist_remove(&segment->open_node);
  }
}

void weft_arena_trim_locked(weft_arena_t* arena, uint64_t kept_bytes,
                            weft_waste_t* waste) {
  weft_dlist_node_t* node;
  while (arena->figures.kept_bytes > kept_bytes &&
         (node = weft_dlist_first(&arena->empty)) != NULL) {
    weft_segment_t* segment = EMPTY_SEGMENT(node);
    leave_empty_locked(segment);
    restart_locked(segment);
    unlink_locked(segment);
    arena->figures.reserved_bytes -= segment->memfd.size_bytes;
    arena->figures.segment_count--;
    segment->next = waste->segments;
    waste->segments = segment;
  }
}

static uint64_t kept_bound(const weft_arena_t* arena) {
  uint64_t share = arena->figures.limit_bytes / WEFT_KEPT_SHARE;
  if (arena->is_closed) {
    return 0;
  }
  return share > WEFT_KEPT_BYTES ? share : WEFT_KEPT_BYTES;
}

// --- Giving a block and taking it back --------------------------------------

static weft_block_t* use_locked(weft_block_t* block, size_t size_bytes) {
  weft_segment_t* segment = block->segment;
  weft_arena_t* arena = segment->arena;
  if (segment->used_count++ == 0 &&
      !weft_dlist_node_is_free(&segment->empty_node)) {
    leave_empty_locked(segment);
  }
  block->size_bytes = size_bytes;
  block->used.storage = NULL;
  block->used.loans = NULL;
  block->used.next_lent = NULL;
  arena->figures.block_count++;
  arena->figures.used_bytes += weft_block_place_bytes(block);
  return block;
}

void weft_arena_put_locked(weft_block_t* block, weft_waste_t* waste) {
  weft_segment_t* segment = block->segment;
  weft_arena_t* arena = segment->arena;
  arena->figures.block_count--;
  arena->figures.used_bytes -= weft_block_place_bytes(block);
  if (!segment->has_own_block) {
    weft_dlist_append(&arena->free_blocks[block->size_class],
                      &block->free_node);
  }
  if (--segment->used_count == 0) {
    enter_empty_locked(segment);
    weft_arena_trim_locked(arena, kept_bound(arena), waste);
  }
}

static bool is_fit(const weft_segment_t* segment, uint64_t size_bytes) {
  uint64_t has_bytes = segment->memfd.size_bytes;
  return segment->has_own_block && size_bytes <= has_bytes &&
         has_bytes - size_bytes <= has_bytes / 4;
}

// A kept segment of about this size.
static weft_block_t* take_own_locked(weft_arena_t* arena, size_t size_bytes) {
  weft_dlist_node_t* node = weft_dlist_last(&arena->empty);
  for (int i = 0; node != NULL && i < EMPTY_TRIES; i++) {
    if (is_fit(EMPTY_SEGMENT(node), size_bytes)) {
      return use_locked(EMPTY_SEGMENT(node)->blocks, size_bytes);
    }
    node = weft_dlist_previous(&arena->empty, node);
  }
  return NULL;
}

// --- Carving ----------------------------------------------------------------

static weft_segment_t* find_empty_locked(weft_arena_t* arena, uint64_t bytes) {
  weft_dlist_node_t* node = weft_dlist_last(&arena->empty);
  for (int i = 0; node != NULL && i < EMPTY_TRIES; i++) {
    weft_segment_t* segment = EMPTY_SEGMENT(node);
    if (!segment->has_own_block && segment->memfd.size_bytes >= bytes) {
      restart_locked(segment);
      return segment;
    }
    node = weft_dlist_previous(&arena->empty, node);
  }
  return NULL;
}

static weft_segment_t* find_room_locked(weft_arena_t* arena, uint64_t bytes) {
  weft_dlist_node_t* node = weft_dlist_last(&arena->open);
  for (int i = 0; node != NULL && i < OPEN_TRIES; i++) {
    weft_segment_t* segment = OPEN_SEGMENT(node);
    if (segment->high_bytes - segment->low_bytes >= bytes) {
      return segment;
    }
    node = weft_dlist_previous(&arena->open, node);
  }
  return NULL;
}

// Cuts a new place; NULL when there is no room, or no record for it.
static weft_block_t* carve_locked(weft_arena_t* arena, uint32_t size_class) {
  weft_block_t* block = arena->spare;
  if (block == NULL) {
    return NULL;
  }
  uint64_t bytes = weft_class_bytes(size_class);
  weft_segment_t* segment = find_empty_locked(arena, bytes);
  if (segment == NULL) {
    segment = find_room_locked(arena, bytes);
  }
  if (segment == NULL) {
    return NULL;
  }
  // A restart puts records on top of the one that was seen.
  block = arena->spare;
  arena->spare = block->next_in_segment;
  *block = (weft_block_t){
      .segment = segment,
      .next_in_segment = segment->blocks,
      .size_class = size_class,
  };
  segment->blocks = block;
  // What consists of pages grows from the start, and is on whole pages; what
  // does not, from the end: neither leaves gaps for the other.
  if (bytes >= WEFT_CLASS_PAGES) {
    block->offset_bytes = segment->low_bytes;
    segment->low_bytes += bytes;
  } else {
    segment->high_bytes -= bytes;
    block->offset_bytes = segment->high_bytes;
  }
  return block;
}

static weft_block_t* try_take_locked(weft_arena_t* arena, size_t size_bytes) {
  weft_block_t* block = NULL;
  if (size_bytes <= WEFT_CLASS_LARGEST) {
    uint32_t size_class = weft_class_of(size_bytes);
    weft_dlist_node_t* node = weft_dlist_last(&arena->free_blocks[size_class]);
    if (node != NULL) {
      weft_dlist_remove(node);
      return use_locked(WEFT_CONTAINER_OF(node, weft_block_t, free_node),
                        size_bytes);
    }
  }
  if (size_bytes > OWN_BYTES) {
    block = take_own_locked(arena, size_bytes);
  }
  if (block == NULL && size_bytes <= WEFT_CLASS_LARGEST) {
    block = carve_locked(arena, weft_class_of(size_bytes));
    return block != NULL ? use_locked(block, size_bytes) : NULL;
  }
  return block;
}

// --- New segments -----------------------------------------------------------

// What the arena could not give, for a message.
typedef struct shortage {
  weft_arena_figures_t figures;
  uint64_t most_bytes;
  uint32_t most_rank;
} shortage_t;

static void note_shortage_locked(const weft_arena_t* arena,
                                 shortage_t* out_shortage) {
  *out_shortage = (shortage_t){.figures = arena->figures};
  for (size_t i = 0; i < WEFT_RANK_BUCKETS; i++) {
    const weft_loan_rank_t* rank = arena->ranks[i];
    for (; rank != NULL; rank = rank->next) {
      if (rank->lent_bytes > out_shortage->most_bytes) {
        out_shortage->most_bytes = rank->lent_bytes;
        out_shortage->most_rank = rank->rank;
      }
    }
  }
}

static weft_status_t exhausted(const shortage_t* shortage, size_t size_bytes) {
  const weft_arena_figures_t* figures = &shortage->figures;
  unsigned long long limit = figures->limit_bytes;
  unsigned long long used = figures->used_bytes;
  unsigned long long lent = figures->lent_bytes;
  if (shortage->most_bytes == 0) {
    return weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "no room for %zu bytes in the shared memory of this runtime: of %llu "
        "bytes %llu are used, none of them lent; release tensors, or raise "
        "arena_limit_bytes",
        size_bytes, limit, used);
  }
  return weft_status_make(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      "no room for %zu bytes in the shared memory of this runtime: of %llu "
      "bytes %llu are used, and of these %llu are lent, most of them to rank "
      "%u (%llu bytes); wait until they come back, or raise arena_limit_bytes",
      size_bytes, limit, used, lent, shortage->most_rank,
      (unsigned long long)shortage->most_bytes);
}

// What a new segment is for.
typedef enum purpose { TO_BE_CARVED, FOR_ONE_BLOCK } purpose_t;

// A segment with its memory, or, if there is none, the reason.
static weft_status_t make_segment(weft_arena_t* arena, uint64_t bytes,
                                  purpose_t purpose,
                                  weft_segment_t** out_segment) {
  size_t bucket_count = 1;
  while (purpose == TO_BE_CARVED && bucket_count < bytes / BUCKET_BYTES) {
    bucket_count *= 2;
  }
  weft_segment_t* segment = weft_memory_allocate_zeroed(
      arena->allocator, segment_struct_bytes(bucket_count));
  if (segment == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to describe a segment");
  }
  segment->arena = arena;
  segment->bucket_count = bucket_count;
  segment->has_own_block = purpose == FOR_ONE_BLOCK;
  weft_status_t status = weft_memfd_create(
      "weft-arena", bytes, WEFT_MEMFD_ONE_WRITER, &segment->memfd);
  if (status != WEFT_OK) {
    free_segment(arena, segment);
    return status;
  }
  segment->high_bytes = bytes;
  *out_segment = segment;
  return WEFT_OK;
}

// The same; when the system has no memory, kept segments go back to it first.
static weft_status_t make_segment_somehow(weft_arena_t* arena, uint64_t bytes,
                                          purpose_t purpose,
                                          weft_segment_t** out_segment) {
  weft_status_t status = make_segment(arena, bytes, purpose, out_segment);
  if (status == WEFT_OK) {
    return status;
  }
  weft_waste_t waste = {0};
  weft_mutex_lock(&arena->lock);
  weft_arena_trim_locked(arena, 0, &waste);
  weft_mutex_unlock(&arena->lock);
  if (waste.segments == NULL) {
    return status;
  }
  weft_arena_clean(arena, &waste);
  weft_status_release(status);
  return make_segment(arena, bytes, purpose, out_segment);
}

static void insert_locked(weft_arena_t* arena, weft_segment_t* segment) {
  // Never a number that is in use, also after 2^32 of them.
  do {
    segment->number = ++arena->last_segment;
  } while (weft_arena_segment_locked(arena, segment->number) != NULL);
  weft_segment_t** bucket = segment_bucket(arena, segment->number);
  segment->next = *bucket;
  *bucket = segment;
  arena->holds++;
  arena->figures.segment_count++;
  enter_empty_locked(segment);
}

// Adds a segment, which is empty. Kept segments make room for it under the
// limit. The lock is given up and taken again.
static weft_status_t add_segment_locked(weft_arena_t* arena, uint64_t bytes,
                                        size_t size_bytes, purpose_t purpose,
                                        weft_segment_t** out_segment) {
  weft_arena_figures_t* figures = &arena->figures;
  weft_waste_t waste = {0};
  shortage_t shortage;
  uint64_t room =
      figures->limit_bytes - (figures->reserved_bytes - figures->kept_bytes);
  bool fits = bytes <= room;
  if (fits) {
    uint64_t left = room - bytes;
    weft_arena_trim_locked(
        arena, left < figures->kept_bytes ? left : figures->kept_bytes, &waste);
    figures->reserved_bytes += bytes;
  } else {
    note_shortage_locked(arena, &shortage);
  }
  weft_mutex_unlock(&arena->lock);
  weft_arena_clean(arena, &waste);
  weft_status_t status =
      fits ? make_segment_somehow(arena, bytes, purpose, out_segment)
           : exhausted(&shortage, size_bytes);
  weft_mutex_lock(&arena->lock);
  if (status == WEFT_OK) {
    insert_locked(arena, *out_segment);
  } else if (fits) {
    figures->reserved_bytes -= bytes;
  }
  return status;
}

// The size of the next segment that will be carved.
static uint64_t next_segment_bytes(const weft_arena_t* arena) {
  // Whole pages, of whatever size they are.
  uint64_t bytes = arena->figures.reserved_bytes / 8 & ~UINT64_C(0xffff);
  bytes = bytes > WEFT_SEGMENT_SMALLEST ? bytes : WEFT_SEGMENT_SMALLEST;
  bytes = bytes < WEFT_SEGMENT_LARGEST ? bytes : WEFT_SEGMENT_LARGEST;
  return bytes < arena->figures.limit_bytes ? bytes
                                            : arena->figures.limit_bytes;
}

static uint64_t round_to_pages(uint64_t bytes) {
  uint64_t page_bytes = weft_sys_page_bytes();
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

// --- Making room; the lock is given up and taken again ----------------------

// Gives a block with a segment of its own. A record is there, and is put back
// unless it was used.
static weft_status_t take_new_locked(weft_arena_t* arena, size_t size_bytes,
                                     weft_block_t** out_block) {
  weft_block_t* block = arena->spare;
  weft_segment_t* segment = NULL;
  arena->spare = block->next_in_segment;
  weft_status_t status = add_segment_locked(
      arena, round_to_pages(size_bytes), size_bytes, FOR_ONE_BLOCK, &segment);
  if (status != WEFT_OK) {
    add_spare_locked(arena, block);
    return status;
  }
  *block = (weft_block_t){
      .segment = segment,
      .size_class = WEFT_CLASS_OWN_SEGMENT,
  };
  segment->blocks = block;
  *out_block = use_locked(block, size_bytes);
  return WEFT_OK;
}

static void await_growth_locked(weft_arena_t* arena) {
  // Relaxed: changed under the lock.
  uint32_t seen = atomic_load_explicit(&arena->grown, memory_order_relaxed);
  weft_mutex_unlock(&arena->lock);
  weft_futex_wait(&arena->grown, seen, WEFT_TIME_INFINITE);
  weft_mutex_lock(&arena->lock);
}

// Adds a segment to be carved, unless another thread does; then waits for it.
static weft_status_t grow_locked(weft_arena_t* arena, size_t size_bytes) {
  if (arena->is_growing) {
    await_growth_locked(arena);
    return WEFT_OK;
  }
  const weft_arena_figures_t* figures = &arena->figures;
  uint64_t room =
      figures->limit_bytes - (figures->reserved_bytes - figures->kept_bytes);
  uint64_t place_bytes = weft_class_bytes(weft_class_of(size_bytes));
  uint64_t bytes = next_segment_bytes(arena);
  if (bytes > room) {
    bytes = room >= place_bytes ? room : round_to_pages(place_bytes);
  }
  weft_segment_t* segment = NULL;
  arena->is_growing = true;
  weft_status_t status =
      add_segment_locked(arena, bytes, size_bytes, TO_BE_CARVED, &segment);
  arena->is_growing = false;
  if (status == WEFT_OK) {
    weft_dlist_append(&arena->open, &segment->open_node);
  }
  // Relaxed: changed under the lock.
  atomic_fetch_add_explicit(&arena->grown, 1, memory_order_relaxed);
  weft_futex_wake(&arena->grown, UINT32_MAX);
  return status;
}

static weft_status_t add_record_locked(weft_arena_t* arena) {
  weft_mutex_unlock(&arena->lock);
  weft_block_t* block = weft_memory_allocate(arena->allocator, sizeof(*block));
  weft_status_t status =
      block != NULL ? WEFT_OK
                    : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                       "no memory to describe a block");
  weft_mutex_lock(&arena->lock);
  if (block != NULL) {
    add_spare_locked(arena, block);
  }
  return status;
}

static bool wants_own_segment(const weft_arena_t* arena, size_t size_bytes) {
  return size_bytes > WEFT_CLASS_LARGEST ||
         weft_class_bytes(weft_class_of(size_bytes)) >
             next_segment_bytes(arena) / WEFT_SEGMENT_SHARE;
}

// One step towards a block; it may be found then, by the next try or at once.
static weft_status_t make_room_locked(weft_arena_t* arena, size_t size_bytes,
                                      weft_block_t** out_block) {
  if (arena->spare == NULL) {
    return add_record_locked(arena);
  }
  return wants_own_segment(arena, size_bytes)
             ? take_new_locked(arena, size_bytes, out_block)
             : grow_locked(arena, size_bytes);
}

weft_status_t weft_arena_take(weft_arena_t* arena, size_t size_bytes,
                              weft_block_t** out_block) {
  weft_status_t status = WEFT_OK;
  *out_block = NULL;
  weft_mutex_lock(&arena->lock);
  while (status == WEFT_OK && *out_block == NULL) {
    *out_block = try_take_locked(arena, size_bytes);
    if (*out_block == NULL) {
      status = make_room_locked(arena, size_bytes, out_block);
    }
  }
  weft_mutex_unlock(&arena->lock);
  return status;
}

// --- The end ----------------------------------------------------------------

static void free_arena(weft_arena_t* arena) {
  weft_block_t* block;
  weft_segment_t* segment;
  while ((block = arena->spare) != NULL) {
    arena->spare = block->next_in_segment;
    weft_memory_free(arena->allocator, block, sizeof(*block));
  }
  while ((segment = arena->dropped) != NULL) {
    arena->dropped = segment->next;
    free_segment(arena, segment);
  }
  for (size_t i = 0; i < WEFT_RANK_BUCKETS; i++) {
    weft_loan_rank_t* rank;
    while ((rank = arena->ranks[i]) != NULL) {
      arena->ranks[i] = rank->next;
      weft_memory_free(arena->allocator, rank, sizeof(*rank));
    }
  }
  weft_mutex_deinit(&arena->lock);
  weft_memory_free(arena->allocator, arena, sizeof(*arena));
}

void weft_arena_unhold(weft_arena_t* arena) {
  weft_mutex_lock(&arena->lock);
  bool is_last = --arena->holds == 0;
  weft_mutex_unlock(&arena->lock);
  if (is_last) {
    free_arena(arena);
  }
}

// True when readers are to be told.
static bool note_dropped(weft_segment_t* segment) {
  weft_arena_t* arena = segment->arena;
  weft_mutex_lock(&arena->lock);
  bool is_noted = segment->was_sent && !arena->is_closed;
  if (is_noted) {
    segment->next = arena->dropped;
    arena->dropped = segment;
    // Relaxed: what it counts is read under the lock.
    atomic_fetch_add_explicit(&arena->dropped_count, 1, memory_order_relaxed);
  }
  weft_mutex_unlock(&arena->lock);
  return is_noted;
}

void weft_arena_clean(weft_arena_t* arena, weft_waste_t* waste) {
  weft_segment_t* segment;
  while ((segment = waste->segments) != NULL) {
    waste->segments = segment->next;
    weft_memfd_release(&segment->memfd);
    if (!note_dropped(segment)) {
      free_segment(arena, segment);
    }
    weft_arena_unhold(arena);
  }
}

bool weft_arena_take_dropped(weft_arena_t* arena, uint32_t* out_segment) {
  *out_segment = 0;
  // Relaxed: one that is missed is found by the next call.
  if (atomic_load_explicit(&arena->dropped_count, memory_order_relaxed) == 0) {
    return false;
  }
  weft_mutex_lock(&arena->lock);
  weft_segment_t* segment = arena->dropped;
  if (segment != NULL) {
    arena->dropped = segment->next;
    *out_segment = segment->number;
    // Relaxed: changed under the lock.
    atomic_fetch_sub_explicit(&arena->dropped_count, 1, memory_order_relaxed);
  }
  weft_mutex_unlock(&arena->lock);
  if (segment == NULL) {
    return false;
  }
  free_segment(arena, segment);
  return true;
}
