// SPDX-License-Identifier: Apache-2.0
//
// The state of this layer in a runtime, for the files that make it up.

#ifndef WEFT_ASYNC_ASYNC_INTERNAL_H_
#define WEFT_ASYNC_ASYNC_INTERNAL_H_

#include "async/async.h"
#include "async/pool.h"
#include "async/progress.h"
#include "async/simulation.h"
#include "async/timer.h"
#include "base/dlist.h"

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
  // See `weft_async_set_crossing`; NULL: nobody is told.
  _Atomic(weft_crossing_fn_t) on_crossing;
  weft_timers_t timers;
  // Leaf. Guards `dozers`: threads that sleep in `weft_progress_doze`.
  weft_mutex_t progress_lock;
  weft_dlist_t dozers;
  // Threads other than the pool's that are between `weft_progress_enter` and
  // `leave`.
  _Atomic uint32_t progress_users;
  // What looks for frames of other processes; NULL for a runtime alone.
  _Atomic(weft_progress_t*) progress;
  // One of the two is there. The simulation is this runtime's own, or that of
  // another which it takes part in.
  weft_pool_t* pool;
  weft_simulation_t* simulation;
  weft_simulation_member_t* member;
  // The pool or the member.
  weft_executor_t* executor;
};

static inline weft_async_t* weft_async_of(weft_runtime_t* runtime) {
  return (weft_async_t*)runtime->slots[WEFT_SLOT_ASYNC];
}

// --- progress.c: threads that look for frames of other processes ------------

static inline weft_progress_t* weft_async_progress(const weft_async_t* async) {
  // Acquire: pairs with the release in `weft_async_set_progress`.
  return atomic_load_explicit(&async->progress, memory_order_acquire);
}

// For threads of the pool, and whoever has the turn in a simulation.
static inline void weft_async_flush(const weft_async_t* async) {
  weft_progress_t* progress = weft_async_progress(async);
  if (__builtin_expect(progress != NULL, 0)) {
    progress->vtable->flush(progress);
  }
}

// For threads of the pool. Returns how many frames there were.
static inline uint32_t weft_async_poll(const weft_async_t* async) {
  weft_progress_t* progress = weft_async_progress(async);
  return __builtin_expect(progress != NULL, 0)
             ? progress->vtable->poll(progress)
             : 0;
}

// For any thread: the progress, which stays until `leave`; NULL when there is
// none, and nothing is to be left.
weft_progress_t* weft_progress_enter(weft_async_t* async);
void weft_progress_leave(weft_async_t* async);

// How a sleep went.
typedef struct weft_nap {
  // The deadline has not passed.
  bool in_time;
  // It was a sleep on the bell, too, and the caller still has the place.
  bool has_place;
  // It was none: something has come.
  bool has_come;
} weft_nap_t;

// Sleeps while `*word == expected`, and on the bell if the place is free.
// Follow it by `awake`.
weft_nap_t weft_progress_sleep(weft_progress_t* progress,
                               weft_sleeper_t sleeper, _Atomic uint32_t* word,
                               uint32_t expected, int64_t deadline_ns);
// Gives the place up, if the caller has it, and polls if that sleep makes it
// necessary.
void weft_progress_awake(weft_progress_t* progress, weft_sleeper_t sleeper,
                         weft_nap_t nap);

// Sleeps while the parker is asleep, and polls when the bell is rung; false
// when the deadline passed. It may return for no reason.
bool weft_progress_doze(weft_parker_t* parker, int64_t deadline_ns);

void weft_progress_init(weft_async_t* async);
// Takes the progress away, and waits for those that are in it.
// Errors: DEADLINE_EXCEEDED; call it again.
weft_status_t weft_progress_end(weft_async_t* async, int64_t deadline_ns);
void weft_progress_deinit(weft_async_t* async);

#endif  // WEFT_ASYNC_ASYNC_INTERNAL_H_
