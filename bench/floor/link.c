// SPDX-License-Identifier: Apache-2.0
//
// The floors of `link_shm`, between two processes: two cache lines for which
// both spin; two futex words on which both sleep; a ring of slots of a line
// each, with a writer and a reader, published once a burst.

#include <stdlib.h>

#include "bench/floor/floor.h"
#include "bench/floor/partner.h"

#define BURST 64
#define SLOTS 4096

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

typedef struct line {
  _Alignas(64) _Atomic uint32_t word;
} line_t;

typedef struct slot {
  _Alignas(64) uint64_t words[8];
} slot_t;

typedef struct shared {
  line_t there;
  line_t back;
  _Alignas(64) _Atomic uint64_t tail;
  _Alignas(64) _Atomic uint64_t head;
  slot_t slots[SLOTS];
} shared_t;

typedef struct link {
  weft_partner_t partner;
  shared_t* shared;
  // Values so far, on either side.
  uint32_t passed;
  uint64_t tail;
  uint64_t head;
  uint64_t sum;
} link_t;

static void spin_for(line_t* line, uint32_t value) {
  while (atomic_load_explicit(&line->word, memory_order_acquire) != value) {
    relax();
  }
}

static void sleep_for(line_t* line, uint32_t value) {
  uint32_t seen;
  while ((seen = atomic_load_explicit(&line->word, memory_order_acquire)) !=
         value) {
    weft_partner_wait(&line->word, seen);
  }
}

static void set(line_t* line, uint32_t value) {
  atomic_store_explicit(&line->word, value, memory_order_release);
}

static void set_and_wake(line_t* line, uint32_t value) {
  atomic_store_explicit(&line->word, value, memory_order_seq_cst);
  weft_partner_wake(&line->word);
}

// --- The other side ---------------------------------------------------------

static void enter(void* user) {
  link_t* link = user;
  link->shared = link->partner.shared;
}

static void serve_spinning(void* user, uint64_t count) {
  link_t* link = user;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t value = ++link->passed;
    spin_for(&link->shared->there, value);
    set(&link->shared->back, value);
  }
}

static void serve_sleeping(void* user, uint64_t count) {
  link_t* link = user;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t value = ++link->passed;
    sleep_for(&link->shared->there, value);
    set_and_wake(&link->shared->back, value);
  }
}

static void serve_ring(void* user, uint64_t count) {
  link_t* link = user;
  shared_t* shared = link->shared;
  for (uint64_t end = link->head + count; link->head < end;) {
    uint64_t tail = atomic_load_explicit(&shared->tail, memory_order_acquire);
    if (tail == link->head) {
      relax();
      continue;
    }
    while (link->head < tail) {
      link->sum += shared->slots[link->head++ % SLOTS].words[0];
    }
    atomic_store_explicit(&shared->head, link->head, memory_order_release);
  }
  set(&shared->back, ++link->passed);
}

// --- This side --------------------------------------------------------------

static void destroy(void* state) {
  link_t* link = state;
  if (link != NULL) {
    weft_partner_stop(&link->partner);
    free(link);
  }
}

static void* create_with(void (*serve)(void* user, uint64_t count)) {
  const weft_partner_part_t part = {.enter = enter, .serve = serve};
  link_t* link = calloc(1, sizeof(*link));
  if (link != NULL &&
      !weft_partner_start(&link->partner, sizeof(shared_t), &part, link)) {
    destroy(link);
    return NULL;
  }
  if (link != NULL) {
    link->shared = link->partner.shared;
  }
  return link;
}

static void* create_spinning(void) {
  return create_with(serve_spinning);
}

static void* create_sleeping(void) {
  return create_with(serve_sleeping);
}

static void* create_ring(void) {
  return create_with(serve_ring);
}

static void prepare(void* state, uint64_t count) {
  link_t* link = state;
  weft_partner_begin(&link->partner, count);
}

static void run_spinning(void* state, uint64_t count) {
  link_t* link = state;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t value = ++link->passed;
    set(&link->shared->there, value);
    spin_for(&link->shared->back, value);
  }
  weft_partner_end(&link->partner);
}

static void run_sleeping(void* state, uint64_t count) {
  link_t* link = state;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t value = ++link->passed;
    set_and_wake(&link->shared->there, value);
    sleep_for(&link->shared->back, value);
  }
  weft_partner_end(&link->partner);
}

static void run_ring(void* state, uint64_t count) {
  link_t* link = state;
  shared_t* shared = link->shared;
  for (uint64_t end = link->tail + count; link->tail < end;) {
    while (link->tail - link->head > SLOTS - BURST) {
      link->head = atomic_load_explicit(&shared->head, memory_order_acquire);
    }
    for (int i = 0; i < BURST; i++) {
      shared->slots[link->tail % SLOTS].words[0] = link->tail;
      link->tail++;
    }
    atomic_store_explicit(&shared->tail, link->tail, memory_order_release);
  }
  spin_for(&shared->back, ++link->passed);
  weft_partner_end(&link->partner);
}

const weft_floor_t weft_floor_link_spin = {create_spinning, run_spinning,
                                           destroy, prepare, NULL};
const weft_floor_t weft_floor_link_block = {create_sleeping, run_sleeping,
                                            destroy, prepare, NULL};
const weft_floor_t weft_floor_link_ring = {create_ring, run_ring, destroy,
                                           prepare, NULL};
