// SPDX-License-Identifier: Apache-2.0
//
// The floor of `call/process_rate`: a ring of slots of a line each between two
// processes, each slot published by itself, as calls are that nobody gathers.

#include <stdlib.h>

#include "bench/floor/floor.h"
#include "bench/floor/partner.h"

#define SLOTS 1024

typedef struct slot {
  _Alignas(64) uint64_t words[8];
} slot_t;

typedef struct shared {
  _Alignas(64) _Atomic uint64_t tail;
  _Alignas(64) _Atomic uint64_t head;
  _Alignas(64) _Atomic uint32_t done;
  slot_t slots[SLOTS];
} shared_t;

typedef struct ring {
  weft_partner_t partner;
  // Of either side: where it is, and where the other was when last looked at.
  uint64_t own;
  uint64_t other;
  uint32_t batches;
  slot_t copy;
} ring_t;

// Looks before the core is given away, which the other may need.
#define LOOKS 256

static void relax(uint32_t* looks) {
  if (++*looks % LOOKS == 0) {
    (void)sched_yield();
    return;
  }
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

static void serve(void* user, uint64_t count) {
  ring_t* ring = user;
  shared_t* shared = ring->partner.shared;
  uint32_t looks = 0;
  for (uint64_t end = ring->own + count; ring->own < end; ring->own++) {
    while (ring->other == ring->own) {
      relax(&looks);
      ring->other = atomic_load_explicit(&shared->tail, memory_order_acquire);
    }
    ring->copy = shared->slots[ring->own % SLOTS];
    atomic_store_explicit(&shared->head, ring->own + 1, memory_order_release);
  }
  atomic_store_explicit(&shared->done, ++ring->batches, memory_order_release);
}

static void prepare(void* state, uint64_t count) {
  weft_partner_begin(&((ring_t*)state)->partner, count);
}

static void run(void* state, uint64_t count) {
  ring_t* ring = state;
  shared_t* shared = ring->partner.shared;
  uint32_t looks = 0;
  for (uint64_t end = ring->own + count; ring->own < end; ring->own++) {
    while (ring->own - ring->other == SLOTS) {
      relax(&looks);
      ring->other = atomic_load_explicit(&shared->head, memory_order_acquire);
    }
    ring->copy.words[0] = ring->own;
    shared->slots[ring->own % SLOTS] = ring->copy;
    atomic_store_explicit(&shared->tail, ring->own + 1, memory_order_release);
  }
  ring->batches++;
  while (atomic_load_explicit(&shared->done, memory_order_acquire) !=
         ring->batches) {
    relax(&looks);
  }
  weft_partner_end(&ring->partner);
}

static void destroy(void* state) {
  ring_t* ring = state;
  weft_partner_stop(&ring->partner);
  free(ring);
}

static void* create(void) {
  static const weft_partner_part_t part = {.serve = serve};
  ring_t* ring = aligned_alloc(64, sizeof(*ring));
  if (ring == NULL) {
    return NULL;
  }
  *ring = (ring_t){.own = 0};
  if (!weft_partner_start(&ring->partner, sizeof(shared_t), &part, ring)) {
    free(ring);
    return NULL;
  }
  return ring;
}

const weft_floor_t weft_floor_call_ring = {create, run, destroy, prepare, NULL};
