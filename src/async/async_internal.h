// SPDX-License-Identifier: Apache-2.0
//
// The state of this layer in a runtime, for the files that make it up.

#ifndef WEFT_ASYNC_ASYNC_INTERNAL_H_
#define WEFT_ASYNC_ASYNC_INTERNAL_H_

#include "async/async.h"
#include "async/pool.h"
#include "async/simulation.h"
#include "async/timer.h"

// `word` of a parker.
typedef enum weft_parker_word {
  WEFT_PARKER_EMPTY = 0,
  WEFT_PARKER_WOKEN = 1,
  WEFT_PARKER_ASLEEP = 2,
  // In a simulation: the deadline passed, and its thread is to have the turn.
  WEFT_PARKER_LATE = 3
} weft_parker_word_t;

struct weft_async {
  weft_runtime_t* runtime;
  // The process that made it; a forked child is another.
  uint32_t process;
  // See `weft_async_graph_lock`.
  weft_mutex_t graph_lock;
  weft_timers_t timers;
  // One of the two is there, and is the executor.
  weft_pool_t* pool;
  weft_simulation_t* simulation;
  weft_executor_t* executor;
};

static inline weft_async_t* weft_async_of(weft_runtime_t* runtime) {
  return (weft_async_t*)runtime->slots[WEFT_SLOT_ASYNC];
}

#endif  // WEFT_ASYNC_ASYNC_INTERNAL_H_
