// SPDX-License-Identifier: Apache-2.0
//
// The floors of `channel` one way: a ring between two processes with one
// writer and one reader. Values are filled in where they lie and read there,
// each is published by itself, and either side keeps in mind where the other
// was when it last had to look.

#include <stdlib.h>

#include "bench/floor/floor.h"
#include "bench/floor/partner.h"
#include "bench/floor/work.h"

// Two lines: processors fetch them in pairs.
#define APART 128

typedef struct shared {
  _Alignas(APART) _Atomic uint64_t tail;
  _Alignas(APART) _Atomic uint64_t head;
  _Alignas(APART) _Atomic uint32_t done;
  _Alignas(APART) unsigned char slots[];
} shared_t;

typedef struct ring {
  weft_partner_t partner;
  shared_t* shared;
  size_t slot_bytes;
  uint64_t slot_count;
  // Of either side: where it is, and where the other was when last looked at.
  uint64_t own;
  uint64_t other;
  uint32_t batches;
  uint32_t looks;
  uint64_t sum;
  // From one value to the next; 0: as fast as can be.
  int64_t period_ns;
} ring_t;

// Looks before the core is given away, which the other may need.
#define LOOKS 256
// Looks that a reader leaves out to stay behind.
#define HEAD_START 16

static void relax(ring_t* ring) {
  if (++ring->looks % LOOKS == 0) {
    (void)sched_yield();
    return;
  }
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void* slot_at(const ring_t* ring, uint64_t sequence) {
  return ring->shared->slots + sequence % ring->slot_count * ring->slot_bytes;
}

static void await_room(ring_t* ring) {
  while (ring->own - ring->other == ring->slot_count) {
    ring->other =
        atomic_load_explicit(&ring->shared->head, memory_order_acquire);
    if (ring->own - ring->other == ring->slot_count) {
      relax(ring);
    }
  }
}

static void await_value(ring_t* ring) {
  while (ring->other == ring->own) {
    ring->other =
        atomic_load_explicit(&ring->shared->tail, memory_order_acquire);
    if (ring->other == ring->own) {
      relax(ring);
    }
  }
}

static void publish(_Atomic uint64_t* place, ring_t* ring) {
  atomic_store_explicit(place, ++ring->own, memory_order_release);
}

// --- The other side ---------------------------------------------------------

static void enter(void* user) {
  ring_t* ring = user;
  ring->shared = ring->partner.shared;
}

static void finish(ring_t* ring) {
  atomic_store_explicit(&ring->shared->done, ++ring->batches,
                        memory_order_release);
}

// A reader that is at the writer's heels takes the line from it with every
// value, which makes both six times slower; so it lets the writer go ahead.
static void keep_away(ring_t* ring) {
  if (ring->other == ring->own) {
    for (int i = 0; i < HEAD_START; i++) {
      relax(ring);
    }
  }
}

static void serve_words(void* user, uint64_t count) {
  ring_t* ring = user;
  const uint64_t* words = (const uint64_t*)(const void*)ring->shared->slots;
  for (uint64_t end = ring->own + count; ring->own < end;) {
    keep_away(ring);
    await_value(ring);
    ring->sum += words[ring->own % ring->slot_count];
    publish(&ring->shared->head, ring);
  }
  finish(ring);
}

static void serve_blocks(void* user, uint64_t count) {
  ring_t* ring = user;
  for (uint64_t end = ring->own + count; ring->own < end;) {
    await_value(ring);
    ring->sum += weft_floor_read(slot_at(ring, ring->own), ring->slot_bytes);
    publish(&ring->shared->head, ring);
  }
  finish(ring);
}

// How long each value took lies behind the slots.
static int64_t* times_of(const ring_t* ring) {
  return (int64_t*)slot_at(ring, 0) + ring->slot_count;
}

static void serve_paced(void* user, uint64_t count) {
  ring_t* ring = user;
  const int64_t* due = slot_at(ring, 0);
  int64_t* times = times_of(ring);
  for (uint64_t i = 0; i < count; i++) {
    await_value(ring);
    times[i] = weft_floor_now_ns() - due[ring->own % ring->slot_count];
    publish(&ring->shared->head, ring);
  }
  finish(ring);
}

// --- This side --------------------------------------------------------------

static void prepare(void* state, uint64_t count) {
  weft_partner_begin(&((ring_t*)state)->partner, count);
}

static void await_end(ring_t* ring) {
  ring->batches++;
  while (atomic_load_explicit(&ring->shared->done, memory_order_acquire) !=
         ring->batches) {
    relax(ring);
  }
  weft_partner_end(&ring->partner);
}

static void run_words(void* state, uint64_t count) {
  ring_t* ring = state;
  uint64_t* words = (uint64_t*)(void*)ring->shared->slots;
  for (uint64_t end = ring->own + count; ring->own < end;) {
    await_room(ring);
    words[ring->own % ring->slot_count] = ring->own;
    publish(&ring->shared->tail, ring);
  }
  await_end(ring);
}

static void run_blocks(void* state, uint64_t count) {
  ring_t* ring = state;
  for (uint64_t end = ring->own + count; ring->own < end;) {
    await_room(ring);
    weft_floor_fill(slot_at(ring, ring->own), ring->slot_bytes, ring->own);
    publish(&ring->shared->tail, ring);
  }
  await_end(ring);
}

static void gather(void* state, uint64_t count, double* out_figures) {
  ring_t* ring = state;
  int64_t* slots = slot_at(ring, 0);
  int64_t due = weft_floor_now_ns();
  for (uint64_t i = 0; i < count; i++) {
    due += ring->period_ns;
    weft_floor_wait_until(due);
    await_room(ring);
    slots[ring->own % ring->slot_count] = due;
    publish(&ring->shared->tail, ring);
  }
  await_end(ring);
  for (uint64_t i = 0; i < count; i++) {
    out_figures[i] = (double)times_of(ring)[i];
  }
}

static void destroy(void* state) {
  ring_t* ring = state;
  weft_partner_stop(&ring->partner);
  free(ring);
}

static void* create_with(size_t slot_bytes, uint64_t slot_count,
                         size_t more_bytes,
                         void (*serve)(void* user, uint64_t count)) {
  const weft_partner_part_t part = {.enter = enter, .serve = serve};
  ring_t* ring = calloc(1, sizeof(*ring));
  if (ring == NULL) {
    return NULL;
  }
  ring->slot_bytes = slot_bytes;
  ring->slot_count = slot_count;
  if (!weft_partner_start(
          &ring->partner,
          sizeof(shared_t) + slot_bytes * slot_count + more_bytes, &part,
          ring)) {
    destroy(ring);
    return NULL;
  }
  ring->shared = ring->partner.shared;
  return ring;
}

static void* create_words(void) {
  return create_with(sizeof(uint64_t), WEFT_FLOOR_WORD_SLOTS, 0, serve_words);
}

static void* create_4kb(void) {
  return create_with(WEFT_FLOOR_4KB, WEFT_FLOOR_4KB_SLOTS, 0, serve_blocks);
}

static void* create_1mb(void) {
  return create_with(WEFT_FLOOR_1MB, WEFT_FLOOR_1MB_SLOTS, 0, serve_blocks);
}

static void* create_paced(int64_t period_ns) {
  ring_t* ring = create_with(sizeof(int64_t), WEFT_FLOOR_WORD_SLOTS,
                             sizeof(int64_t) * WEFT_FLOOR_PACED, serve_paced);
  if (ring != NULL) {
    ring->period_ns = period_ns;
  }
  return ring;
}

static void* create_100k(void) {
  return create_paced(WEFT_FLOOR_100K_NS);
}

static void* create_1m(void) {
  return create_paced(WEFT_FLOOR_1M_NS);
}

static void* create_4m(void) {
  return create_paced(WEFT_FLOOR_4M_NS);
}

const weft_floor_t weft_floor_ring_8b = {create_words, run_words, destroy,
                                         prepare, NULL};
const weft_floor_t weft_floor_ring_4kb = {create_4kb, run_blocks, destroy,
                                          prepare, NULL};
const weft_floor_t weft_floor_ring_1mb = {create_1mb, run_blocks, destroy,
                                          prepare, NULL};
const weft_floor_t weft_floor_paced_100k = {create_100k, NULL, destroy, prepare,
                                            gather};
const weft_floor_t weft_floor_paced_1m = {create_1m, NULL, destroy, prepare,
                                          gather};
const weft_floor_t weft_floor_paced_4m = {create_4m, NULL, destroy, prepare,
                                          gather};
