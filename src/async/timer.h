// SPDX-License-Identifier: Apache-2.0
//
// The timers of a runtime: a heap by deadline, and who calls them back. That
// is a service thread, started with the first timer, which sleeps until the
// first deadline; in a simulation it is the scheduler, on the virtual clock.

#ifndef WEFT_ASYNC_TIMER_H_
#define WEFT_ASYNC_TIMER_H_

#include "base/heap.h"
#include "sys/sys.h"
#include "weft/executor.h"

typedef struct weft_timers {
  weft_runtime_t* runtime;
  // True when the scheduler of a simulation calls back: no service thread.
  bool is_simulated;
  // Leaf: no other lock is taken while it is held, none is held around
  // callbacks. Guards all below, and the private fields of all timers.
  weft_mutex_t lock;
  weft_heap_t heap;
  // Those of `weft_timers_start_bound`.
  weft_heap_t bound;
  // Timers in `heap`, and those of them in the background.
  uint32_t count;
  uint32_t background_count;
  // Given to each timer as it is started, so that those of one deadline run
  // in that order.
  uint32_t sequence;
  bool is_closed;
  // The timer whose callback runs, on which thread, and the number of that
  // call. Only compared: the callback may free the timer.
  const weft_timer_t* running;
  uint32_t running_thread;
  uint64_t calls;
  // Threads that wait in `weft_timer_stop`; they sleep on `call_ended`.
  uint32_t stoppers;
  _Atomic uint32_t call_ended;
  // The service sleeps on this word, which changes when it has to look again.
  _Atomic uint32_t changed;
  weft_sys_thread_t service;
} weft_timers_t;

void weft_timers_init(weft_timers_t* timers, weft_runtime_t* runtime,
                      bool is_simulated);

// No callback begins after this; timers that have not run stay where they are
// and can still be stopped. Those that are bound to run do so now, on this
// thread; those that a simulation's parked threads need go on. Waits for the
// service thread. Errors: DEADLINE_EXCEEDED when a callback does not return;
// call it again.
weft_status_t weft_timers_close(weft_timers_t* timers, int64_t deadline_ns);

// True on the thread that calls back, while it does.
bool weft_timers_is_service(weft_timers_t* timers);

// After `close`. Zeroed memory is fine.
void weft_timers_deinit(weft_timers_t* timers);

// Starts a timer that `close` calls back before its time: what waits for it
// would never end otherwise. Errors: as `weft_timer_start`.
weft_status_t weft_timers_start_bound(weft_timers_t* timers,
                                      weft_timer_t* timer, int64_t deadline_ns,
                                      weft_timer_fn_t callback, void* user);

// Starts a timer that runs even after `close`; for parked threads of a
// simulation. Cannot fail.
void weft_timers_start_internal(weft_timers_t* timers, weft_timer_t* timer,
                                int64_t deadline_ns, weft_timer_fn_t callback,
                                void* user);

// --- For the scheduler of a simulation --------------------------------------

// The deadline of the first timer that may run; WEFT_TIME_INFINITE when there
// is none that ever will.
int64_t weft_timers_next_ns(weft_timers_t* timers);
// False when all that are left are in the background.
bool weft_timers_are_wanted(weft_timers_t* timers);
// Calls back the first timer whose deadline is not after `now_ns`; false when
// there is none.
bool weft_timers_run_one(weft_timers_t* timers, int64_t now_ns);

#endif  // WEFT_ASYNC_TIMER_H_
