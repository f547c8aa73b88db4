// SPDX-License-Identifier: Apache-2.0
//
// The pool of workers. A *worker* is a place to run tasks, with a queue of its
// own; there are as many as the runtime was asked for, and no more than that
// many tasks run at once. A *thread* carries a worker while it runs tasks, and
// gives it up when it finds none or when its task waits. So a worker that
// sleeps and a place that was lent are one thing: an idle worker.
//
//     post from a worker's own task --> its queue <-- thieves
//     post from anywhere else --> injected list --> taken in batches
//
//   worker:  busy (carried) -> idle         thread:  carries -> idle -> carries
//                ^--- wake ---'                         '-> waits in a task
//
// Who is woken, and when:
// - A post from outside, or one that finds something waiting already, wakes a
//   thread for an idle worker unless somebody is *searching*: awake and about
//   to look everywhere. Whoever ends a search with a find wakes the next.
// - The first post of a task to an empty queue wakes nobody: it runs right
//   after that task. Whoever spins takes it when that task lasts for more than
//   some microseconds. And so that it does not wait for ever behind a task that
//   does not end, one idle thread *watches*: it looks at the queues every few
//   milliseconds while some worker is busy and another is idle. Nobody watches
//   when all are idle. The watcher also makes up for the wake-ups that posts
//   on the hot path, which read `idle_count` and `searching` without a locked
//   operation, may leave out.
//
// - What comes from other processes (progress.h) workers look for between
//   tasks and before they sleep. One idle thread sleeps on the bell, too: when
//   it is rung, that thread itself takes an idle worker, and polls with it, so
//   that it runs the tasks that this posts.
//
// Threads are never too few: a thread that waits in a task first makes sure
// that as many threads as workers are left, and starts one if not.

#ifndef WEFT_ASYNC_POOL_H_
#define WEFT_ASYNC_POOL_H_

#include "async/async.h"
#include "async/pool_queue.h"

typedef struct weft_pool weft_pool_t;

// Every so often a worker looks at the time, at the injected tasks, and at the
// oldest of its own; see `look` in pool.c. About so long lies between two
// looks, and at most so many tasks.
#define WEFT_POOL_LOOK_NS 20000
#define WEFT_POOL_LOOK_TURNS 64
// Tasks that a worker takes from the injected list at a time, at most.
#define WEFT_POOL_BATCH 64
// How often somebody who spins looks for tasks in `next` of others.
#define WEFT_POOL_NEXT_NS 2000
// How often the watcher looks: at first, and, twice as seldom each time that
// it finds nothing, in the end.
#define WEFT_POOL_WATCH_FIRST_NS 500000
#define WEFT_POOL_WATCH_LAST_NS 4000000

struct weft_worker {
  // --- Written by the thread that carries the worker ---
  weft_pool_t* pool;
  // The task that runs; only compared, never followed.
  weft_task_t* current;
  // Tasks run so far. The watcher reads it.
  _Atomic uint32_t turns;
  // `turns` when somebody who spins last looked.
  _Atomic uint32_t spun_turns;
  // Tasks until the next look, and from one look to the other; when the last
  // look was; and where it found a task.
  uint32_t turns_to_look;
  uint32_t look_turns;
  int64_t looked_ns;
  uint32_t look_source;
  // Where the next search for tasks to steal begins.
  uint32_t victim;
  uint32_t index;
  weft_pool_queue_t queue;
  // --- Guarded by the pool's lock ---
  alignas(64) weft_worker_t* next_idle;
  bool is_idle;
  // `turns` when the watcher last looked, and when the stop began.
  uint32_t watched_turns;
  uint32_t stop_turns;
};

struct weft_pool_thread {
  weft_sys_thread_t thread;
  weft_pool_t* pool;
  weft_pool_thread_t* next;
  // What the thread sleeps on while it is idle: 1 means look again.
  _Atomic uint32_t word;
  // Its own: how well spinning for tasks went; since when it has none, or 0;
  // and whether it has spun since then.
  weft_spin_t spin;
  int64_t idle_since_ns;
  bool has_spun;
  // Its own: the task that waits, while it carries no worker.
  weft_task_t* current;
  // --- Guarded by the pool's lock, but read by itself while it is awake ---
  weft_pool_thread_t* next_idle;
  // The worker it was given while it slept.
  weft_worker_t* given;
  // As the watcher: how long it sleeps until it looks again.
  int64_t watch_ns;
  // It counts in `searching`.
  bool is_searching;
  // It runs a task without carrying a worker; counts in `detached_count`.
  bool is_detached;
};

struct weft_pool {
  // First, so that a pool is an executor. Never changes, as the rest of this
  // group.
  weft_executor_t executor;
  weft_runtime_t* runtime;
  weft_worker_t* workers;
  uint32_t worker_count;
  uint32_t spare_thread_limit;
  bool may_spin;
  // How long, at most.
  int64_t spin_ns;

  // --- Read by posts; written under the lock, but for `searching` ---
  alignas(64) _Atomic uint32_t idle_count;
  // 1 while some thread searches, else 0.
  _Atomic uint32_t searching;
  // 1 when somebody should watch and nobody does.
  _Atomic uint32_t unwatched;
  // Tasks in the injected list: a copy of its count.
  _Atomic uint32_t injected_count;
  // 1 while some thread of the runtime spins.
  _Atomic uint32_t spinning;

  // --- Guarded by the lock ---
  alignas(64) weft_mutex_t lock;
  weft_task_list_t injected;
  weft_worker_t* idle_workers;
  weft_pool_thread_t* idle_threads;
  weft_pool_thread_t* watcher;
  // The idle thread that sleeps on the bell, too, or is about to.
  weft_pool_thread_t* bell_thread;
  weft_pool_thread_t* threads;
  // Threads that run, or are being started; and the last one's number.
  uint32_t thread_count;
  uint32_t thread_number;
  uint32_t detached_count;
  // Somebody was to be woken while no thread slept: the next that wants to
  // sleep searches instead.
  bool wake_missed;
  bool is_stopping;
  // Everything ran and nothing will: threads end.
  bool is_finished;
  // Threads that have ended. Whoever stops the pool sleeps on it.
  _Atomic uint32_t ended_count;
};

// --- pool.c: life, posting, running -----------------------------------------

// Makes a pool and starts its threads. Errors: RESOURCE_EXHAUSTED; destroy
// what there is.
weft_status_t weft_pool_create(weft_runtime_t* runtime, uint32_t worker_count,
                               uint32_t spare_thread_limit,
                               weft_pool_t** out_pool);
// Lets all tasks run to their end, and the threads end. Errors:
// DEADLINE_EXCEEDED, with what still runs; call it again.
weft_status_t weft_pool_stop(weft_pool_t* pool, int64_t deadline_ns);
// Joins and frees; NULL is fine. Tasks that were posted after the stop run
// here, on the calling thread.
void weft_pool_destroy(weft_pool_t* pool);

// Puts tasks at the end of the injected list. Wakes a thread for them if need
// be. There is at least one.
void weft_pool_inject(weft_pool_t* pool, const weft_task_list_t* tasks);

// --- pool_idle.c: who sleeps, who is woken ----------------------------------

// The thread has no task and, if `worker` is not NULL, gives that worker up.
// Sleeps until there is a worker to carry and something to do; NULL when the
// thread should end.
weft_worker_t* weft_pool_idle(weft_pool_thread_t* thread,
                              weft_worker_t* worker);

// Wakes a thread for an idle worker, if there is one and nobody searches.
void weft_pool_wake(weft_pool_t* pool);
// The same inside the lock: gives the thread to notify afterwards, or NULL.
weft_pool_thread_t* weft_pool_wake_locked(weft_pool_t* pool);
// Ends the sleep of a thread; outside the lock. NULL is fine.
void weft_pool_notify(weft_pool_thread_t* thread);
// Makes some thread that sleeps look again how to sleep.
void weft_pool_nudge(weft_pool_t* pool);
// Makes an idle thread watch.
void weft_pool_watch(weft_pool_t* pool);
// Lets all threads end if the pool is to stop and nothing is left to do.
void weft_pool_try_finish_locked(weft_pool_t* pool);

// The calling thread searches from now on; false if another does already.
bool weft_pool_begin_search(weft_pool_thread_t* thread);
// The search of the calling thread is over, if it was searching.
void weft_pool_end_search(weft_pool_thread_t* thread);
// True when some task waits for which a worker could be woken. A hint.
bool weft_pool_has_work(weft_pool_t* pool);

// Gives up the worker that the calling thread carries, for the time that its
// task waits. Errors: RESOURCE_EXHAUSTED; the thread still has it then.
weft_status_t weft_pool_lend(weft_pool_thread_t* thread);
// Takes an idle worker again, if there is one, after the wait.
void weft_pool_rejoin(weft_pool_thread_t* thread);

// Starts a thread that is counted already. Errors: RESOURCE_EXHAUSTED; it is
// no longer counted then.
weft_status_t weft_pool_start_thread(weft_pool_t* pool);

// True, for one thread of the runtime at a time, when it may spin.
static inline bool weft_pool_try_spin(weft_pool_t* pool) {
  // Relaxed: the word guards no data, only how many spin.
  return pool->may_spin &&
         atomic_load_explicit(&pool->spinning, memory_order_relaxed) == 0 &&
         atomic_exchange_explicit(&pool->spinning, 1, memory_order_relaxed) ==
             0;
}

static inline void weft_pool_end_spin(weft_pool_t* pool) {
  // Relaxed: as above.
  atomic_store_explicit(&pool->spinning, 0, memory_order_relaxed);
}

#endif  // WEFT_ASYNC_POOL_H_
