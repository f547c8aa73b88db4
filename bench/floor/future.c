// SPDX-License-Identifier: Apache-2.0
//
// The floors of `future`: a cell with a state word, reused for every round.

#include <stdatomic.h>
#include <stdlib.h>

#include "bench/floor/floor.h"

typedef struct cell cell_t;
struct cell {
  _Atomic uint32_t state;
  int64_t value;
  // Read anew each round, so that the call stays a call.
  void (*callback)(cell_t* cell);
  int64_t seen;
};

static void see(cell_t* cell) {
  cell->seen += cell->value;
}

static void* create_cell(void) {
  cell_t* cell = calloc(1, sizeof(*cell));
  if (cell != NULL) {
    atomic_init(&cell->state, 0);
    cell->callback = see;
  }
  return cell;
}

static void run_set_wait(void* state, uint64_t count) {
  cell_t* cell = state;
  for (uint64_t i = 0; i < count; i++) {
    cell->value = (int64_t)i;
    // Release: publishes the value to the exchange below.
    if (atomic_exchange_explicit(&cell->state, 1, memory_order_release) == 0) {
      cell->callback(cell);
    }
    // Acquire: pairs with the exchange above.
    (void)atomic_exchange_explicit(&cell->state, 0, memory_order_acquire);
  }
}

static void run_then_link(void* state, uint64_t count) {
  cell_t* cell = state;
  for (uint64_t i = 0; i < count; i++) {
    // Acquire: pairs with the decrement of the round before.
    (void)atomic_fetch_add_explicit(&cell->state, 1, memory_order_acquire);
    cell->value = (int64_t)i;
    cell->callback(cell);
    // Release: pairs with the increment of the next round.
    (void)atomic_fetch_sub_explicit(&cell->state, 1, memory_order_release);
  }
}

const weft_floor_t weft_floor_set_wait = {create_cell, run_set_wait, free, NULL,
                                          NULL};
const weft_floor_t weft_floor_then_link = {create_cell, run_then_link, free,
                                           NULL, NULL};
