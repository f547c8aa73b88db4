// SPDX-License-Identifier: Apache-2.0
//
// What the files of this folder share, and what layers above may use of them:
// who runs here (threads, activities), how a thread waits without starving
// others (parking), and the state of this layer in a runtime.

#ifndef WEFT_ASYNC_ASYNC_H_
#define WEFT_ASYNC_ASYNC_H_

#include "async/park_spin.h"
#include "base/runtime.h"
#include "sys/sys.h"
#include "weft/future.h"

typedef struct weft_async weft_async_t;
typedef struct weft_worker weft_worker_t;
typedef struct weft_pool_thread weft_pool_thread_t;
typedef struct weft_activity weft_activity_t;

// --- Activities -------------------------------------------------------------
// Something that runs and may wait: an actor's handler, or a plain thread
// that waits or runs an awaited function. Futures point to the activity that
// produces them, activities to the future they wait for; a wait that would
// close a circle is found by following both.

struct weft_activity {
  // The future that this activity waits for; NULL when it does not wait.
  // Guarded by the graph lock of the runtime. Borrowed.
  weft_future_t* waiting_for;
  // The future whose outcome the work at hand produces: the reply of a call,
  // an await. NULL when nobody asked. It tells the work that it is cancelled.
  // Written by the thread that runs the activity.
  weft_future_t* serving;
  // When the work at hand is due; WEFT_TIME_INFINITE when never.
  int64_t deadline_ns;
  // Writes what this is ("actor counter#3, endpoint add") as
  // `weft_status_format` does. Called with the graph lock held.
  size_t (*describe)(const weft_activity_t* activity, char* buffer,
                     size_t capacity);
  // Nothing but an outcome or a cancel ends its wait: there is no deadline.
  // Guarded as `waiting_for`.
  bool waits_for_ever;
  // Counts its waits, so that one is told from the next. Guarded as
  // `waiting_for`.
  uint32_t wait_number;
  // Since when it sleeps, or is held; 0 while it does not. For reports.
  _Atomic int64_t asleep_since_ns;
};

// --- Threads ----------------------------------------------------------------

// What the library knows of the calling thread.
typedef struct weft_thread {
  // The worker whose place this thread holds; NULL for plain threads and for
  // a thread that has lent its place.
  weft_worker_t* worker;
  // What runs on this thread; NULL for a plain thread that does not wait.
  weft_activity_t* activity;
  // The thread of a pool that this is; NULL for all others.
  weft_pool_thread_t* pool_thread;
  // Whether it paid to spin, the last times this thread parked.
  weft_spin_t spin;
} weft_thread_t;

extern _Thread_local weft_thread_t weft_thread_self;

// --- Parking ----------------------------------------------------------------
// The one way to block. A thread that holds a worker's place gives it up first,
// so that other tasks go on: at once to a spare thread when something waits to
// run there, else whenever something does. Once woken it takes a place that is
// free; when none is, it finishes its task without one and then becomes a
// spare itself. In a simulation exactly one thread runs: parking passes the
// turn on, and a thread that was unparked waits until the scheduler chooses
// it.

// What somebody waits for in memory that another process writes, beside the
// wake-up.
typedef struct weft_watch weft_watch_t;
struct weft_watch {
  // Whether it has come. Called again and again while a thread spins.
  bool (*has_come)(const weft_watch_t* watch);
  // Called before each sleep: from here on whoever writes it sees to it that
  // the thread is unparked. Looks once more, and returns that.
  bool (*announce)(weft_watch_t* watch);
};

typedef struct weft_parker {
  weft_runtime_t* runtime;
  // NULL: none. Its coming ends a park as a wake-up does.
  weft_watch_t* watch;
  // 0 empty, 1 woken, 2 asleep, 3 about to end without having been woken.
  _Atomic uint32_t word;
  // In a simulation: the choice that gives the turn back, its deadline, and
  // the word that its thread sleeps on until it has the turn.
  weft_task_t resume;
  weft_timer_t timer;
  _Atomic uint32_t turn;
} weft_parker_t;

void weft_parker_init(weft_parker_t* parker, weft_runtime_t* runtime);

// Blocks until `weft_unpark` was called (before or during) or the deadline
// passes. Spins first where that pays. Afterwards the parker is empty again,
// and a wake-up that came in time is never lost to the deadline.
// Errors: DEADLINE_EXCEEDED; RESOURCE_EXHAUSTED when the place of a worker
// cannot be lent because all spare threads are in use (nothing was waited);
// FORKED in a child of the process that made the runtime; DEADLOCK in a
// simulation, for the thread outside that waits when nothing is left that
// could wake it.
weft_status_t weft_park(weft_parker_t* parker, int64_t deadline_ns);

// The same for a thread whose wait the cancelling of the work at hand ends,
// too. Errors: CANCELLED in that case.
weft_status_t weft_park_for_work(weft_parker_t* parker, int64_t deadline_ns);

// Wakes the parker's thread, now or when it next parks. The parker may be
// gone as soon as its thread has seen this; nothing is touched after that.
void weft_unpark(weft_parker_t* parker);

// --- Timers in the background -----------------------------------------------

// As `weft_timer_start`, once, for work that nobody waits for: a simulation
// runs it while it goes on for another reason, and is over without it.
weft_status_t weft_timer_start_background(weft_runtime_t* runtime,
                                          weft_timer_t* timer,
                                          int64_t deadline_ns,
                                          weft_timer_fn_t callback, void* user);
// Somebody waits for it after all, and until `deadline_ns` at most; nothing if
// it has run. It was started once.
void weft_timer_bring_forward(weft_timer_t* timer, int64_t deadline_ns);

// --- Circles over runtimes --------------------------------------------------

// Told when something here begins to wait, perhaps by way of other futures, for
// what another runtime makes. Any thread, no lock held; it may be for nothing.
typedef void (*weft_crossing_fn_t)(weft_runtime_t* runtime);
void weft_async_set_crossing(weft_runtime_t* runtime, weft_crossing_fn_t told);

// --- The layer --------------------------------------------------------------

// The graph lock guards `waiting_for` of activities and `blocked_on` of
// futures. Under it LOCK of futures is taken (future_word.h), and no other
// lock.
weft_mutex_t* weft_async_graph_lock(weft_runtime_t* runtime);

typedef struct weft_async_options {
  // 0: one a core.
  uint32_t worker_count;
  // 0: 64.
  uint32_t spare_thread_limit;
  // A simulation: of its own, or that of another runtime if there is one.
  bool is_simulation;
  uint64_t seed;
  weft_runtime_t* simulate_with;
} weft_async_options_t;

// Fills the slot and starts the workers. Errors: INVALID_ARGUMENT when
// `simulate_with` is no simulation; RESOURCE_EXHAUSTED; destroy what there is.
weft_status_t weft_async_create(weft_runtime_t* runtime,
                                const weft_async_options_t* options);
// Stops timers and workers, in that order, waiting for tasks that run until
// the deadline. Tasks that are queued still run. Errors: DEADLINE_EXCEEDED
// with what still runs; call it again.
weft_status_t weft_async_stop(weft_runtime_t* runtime, int64_t deadline_ns);
// After a stop that succeeded, or a create that failed. Tasks that were posted
// since the stop run here. An empty slot is fine.
void weft_async_destroy(weft_runtime_t* runtime);

// The number of workers; 0 in a simulation.
uint32_t weft_async_worker_count(weft_runtime_t* runtime);

// FAILED_PRECONDITION while other runtimes take part in the simulation of this
// one, and so it cannot be destroyed.
weft_status_t weft_async_check_destroy(weft_runtime_t* runtime);

// True when the runtime is a simulation.
bool weft_async_is_simulated(weft_runtime_t* runtime);

// True when the calling thread runs a task of this runtime, or is one of its
// threads at all: what waits for those must not be called there.
bool weft_async_is_task(weft_runtime_t* runtime);

// FORKED when the calling process is a child of the one that made the
// runtime: its threads do not exist here. About 100 ns.
weft_status_t weft_async_check_process(weft_runtime_t* runtime);

#endif  // WEFT_ASYNC_ASYNC_H_
