// SPDX-License-Identifier: Apache-2.0
//
// Who sleeps, and who is woken. Everything here happens under the pool's
// lock, and only when a thread has nothing to do, waits, or is woken.

#include "async/async_internal.h"
#include "async/pool.h"
#include "base/assert.h"
#include "trace/trace.h"

// --- The lists: idle workers, idle threads, the watcher ---------------------

static uint32_t turns_of(const weft_worker_t* worker) {
  // Relaxed: only compared with what it was at another look.
  return atomic_load_explicit(&worker->turns, memory_order_relaxed);
}

// Brings the word up to date that posts look at.
static void update_unwatched_locked(weft_pool_t* pool) {
  bool unwatched = pool->worker_count > 1 && pool->idle_workers != NULL &&
                   pool->watcher == NULL;
  // Relaxed: written under the lock; a post that reads an old 1 asks again
  // under the lock, one that reads an old 0 finds somebody who still watches.
  atomic_store_explicit(&pool->unwatched, unwatched, memory_order_relaxed);
}

static void change_idle_count_locked(weft_pool_t* pool, uint32_t change) {
  // Relaxed: written under the lock; for others it is a hint.
  uint32_t count =
      atomic_load_explicit(&pool->idle_count, memory_order_relaxed);
  atomic_store_explicit(&pool->idle_count, count + change,
                        memory_order_relaxed);
  update_unwatched_locked(pool);
}

static void put_idle_worker_locked(weft_worker_t* worker) {
  weft_pool_t* pool = worker->pool;
  worker->is_idle = true;
  worker->next_idle = pool->idle_workers;
  pool->idle_workers = worker;
  change_idle_count_locked(pool, 1);
}

// The worker that became idle last, whose data is the most likely to be in a
// cache; NULL when none is idle.
static weft_worker_t* take_idle_worker_locked(weft_pool_t* pool) {
  weft_worker_t* worker = pool->idle_workers;
  if (worker != NULL) {
    pool->idle_workers = worker->next_idle;
    worker->next_idle = NULL;
    worker->is_idle = false;
    change_idle_count_locked(pool, UINT32_MAX);
  }
  return worker;
}

static bool all_idle_locked(weft_pool_t* pool) {
  // Relaxed: written under the lock.
  return atomic_load_explicit(&pool->idle_count, memory_order_relaxed) ==
         pool->worker_count;
}

// NULL for `thread` when nobody watches from now on.
static void set_watcher_locked(weft_pool_t* pool, weft_pool_thread_t* thread) {
  pool->watcher = thread;
  if (thread != NULL) {
    thread->watch_ns = WEFT_POOL_WATCH_FIRST_NS;
    for (uint32_t i = 0; i < pool->worker_count; i++) {
      weft_worker_t* worker = &pool->workers[i];
      worker->watched_turns = turns_of(worker);
    }
  }
  update_unwatched_locked(pool);
}

// A thread that sleeps: the one at the bell only when no other does, and the
// watcher last.
static weft_pool_thread_t* take_idle_thread_locked(weft_pool_t* pool) {
  weft_pool_thread_t** link = &pool->idle_threads;
  if (*link != NULL && *link == pool->bell_thread &&
      (*link)->next_idle != NULL) {
    link = &(*link)->next_idle;
  }
  weft_pool_thread_t* thread = *link;
  if (thread != NULL) {
    *link = thread->next_idle;
    thread->next_idle = NULL;
  } else if (pool->watcher != NULL) {
    thread = pool->watcher;
    set_watcher_locked(pool, NULL);
  }
  return thread;
}

// The calling thread will sleep: as the watcher if one is called for.
static void put_idle_thread_locked(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  if (pool->worker_count > 1 && pool->watcher == NULL &&
      pool->idle_workers != NULL && !all_idle_locked(pool)) {
    set_watcher_locked(pool, thread);
    return;
  }
  thread->next_idle = pool->idle_threads;
  pool->idle_threads = thread;
}

// The calling thread will not sleep any more.
static void remove_idle_thread_locked(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  if (pool->watcher == thread) {
    set_watcher_locked(pool, NULL);
    return;
  }
  weft_pool_thread_t** link = &pool->idle_threads;
  while (*link != thread) {
    weft_assert(*link != NULL);
    link = &(*link)->next_idle;
  }
  *link = thread->next_idle;
  thread->next_idle = NULL;
}

// --- Searching --------------------------------------------------------------

bool weft_pool_begin_search(weft_pool_thread_t* thread) {
  // Sequentially consistent: see `weft_pool_inject`.
  thread->is_searching = atomic_exchange_explicit(&thread->pool->searching, 1,
                                                  memory_order_seq_cst) == 0;
  return thread->is_searching;
}

void weft_pool_end_search(weft_pool_thread_t* thread) {
  if (thread->is_searching) {
    thread->is_searching = false;
    // Sequentially consistent: see `weft_pool_inject`.
    atomic_store_explicit(&thread->pool->searching, 0, memory_order_seq_cst);
  }
}

bool weft_pool_has_work(weft_pool_t* pool) {
  // Sequentially consistent: see `weft_pool_inject`.
  if (atomic_load_explicit(&pool->injected_count, memory_order_seq_cst) > 0) {
    return true;
  }
  for (uint32_t i = 0; i < pool->worker_count; i++) {
    if (!weft_pool_queue_has_none_to_steal(&pool->workers[i].queue)) {
      return true;
    }
  }
  return false;
}

// --- Waking -----------------------------------------------------------------

void weft_pool_notify(weft_pool_thread_t* thread) {
  if (thread != NULL) {
    // Relaxed: what the thread was given stands under the lock.
    atomic_store_explicit(&thread->word, 1, memory_order_relaxed);
    weft_futex_wake(&thread->word, 1);
  }
}

weft_pool_thread_t* weft_pool_wake_locked(weft_pool_t* pool) {
  // Sequentially consistent: see `weft_pool_inject`.
  if (pool->idle_workers == NULL ||
      atomic_load_explicit(&pool->searching, memory_order_seq_cst) != 0) {
    return NULL;
  }
  weft_pool_thread_t* thread = take_idle_thread_locked(pool);
  if (thread == NULL) {
    pool->wake_missed = true;
    return NULL;
  }
  thread->given = take_idle_worker_locked(pool);
  // Sequentially consistent, as above. It searches from before it wakes, so
  // that posts in the meantime wake nobody else.
  thread->is_searching =
      atomic_exchange_explicit(&pool->searching, 1, memory_order_seq_cst) == 0;
  return thread;
}

void weft_pool_wake(weft_pool_t* pool) {
  // Relaxed: hints, on the path of every post; see the top of pool.h for what
  // makes up for them when they are old.
  if (atomic_load_explicit(&pool->idle_count, memory_order_relaxed) == 0 ||
      atomic_load_explicit(&pool->searching, memory_order_relaxed) != 0) {
    return;
  }
  weft_mutex_lock(&pool->lock);
  weft_pool_thread_t* thread = weft_pool_wake_locked(pool);
  weft_mutex_unlock(&pool->lock);
  weft_pool_notify(thread);
}

void weft_pool_nudge(weft_pool_t* pool) {
  weft_mutex_lock(&pool->lock);
  weft_pool_thread_t* thread = pool->bell_thread;
  if (thread == NULL) {
    thread = pool->idle_threads != NULL ? pool->idle_threads : pool->watcher;
  }
  weft_mutex_unlock(&pool->lock);
  weft_pool_notify(thread);
}

// --- Watching ---------------------------------------------------------------

void weft_pool_watch(weft_pool_t* pool) {
  weft_pool_thread_t* thread = NULL;
  weft_mutex_lock(&pool->lock);
  if (pool->watcher == NULL && pool->idle_workers != NULL) {
    thread = take_idle_thread_locked(pool);
    set_watcher_locked(pool, thread);
  }
  weft_mutex_unlock(&pool->lock);
  weft_pool_notify(thread);
}

// True when a task waits at this worker and nobody comes for it.
static bool is_neglected_locked(weft_worker_t* worker) {
  uint32_t turns = turns_of(worker);
  bool same_turn = turns == worker->watched_turns;
  worker->watched_turns = turns;
  return !weft_pool_queue_has_none_to_steal(&worker->queue) ||
         (same_turn && !weft_pool_queue_is_empty(&worker->queue));
}

// The watcher looks around. Gives it a worker when it found something to do,
// and lets it sleep for good when all are idle.
static weft_worker_t* watch_locked(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  weft_worker_t* neglected = NULL;
  for (uint32_t i = 0; i < pool->worker_count; i++) {
    if (is_neglected_locked(&pool->workers[i])) {
      neglected = &pool->workers[i];
    }
  }
  if (neglected == NULL && !all_idle_locked(pool)) {
    if (thread->watch_ns < WEFT_POOL_WATCH_LAST_NS) {
      thread->watch_ns *= 2;
    }
    return NULL;
  }
  set_watcher_locked(pool, NULL);
  weft_worker_t* worker =
      neglected != NULL ? take_idle_worker_locked(pool) : NULL;
  if (worker == NULL) {
    put_idle_thread_locked(thread);
    return NULL;
  }
  if (weft_pool_queue_has_none_to_steal(&neglected->queue)) {
    weft_task_t* task = weft_pool_queue_steal_next(&neglected->queue);
    // An idle worker has nothing there.
    bool taken = task == NULL || weft_pool_queue_offer(&worker->queue, task);
    weft_assert(taken);
  }
  return worker;
}

// --- Sleeping ---------------------------------------------------------------

void weft_pool_try_finish_locked(weft_pool_t* pool) {
  // Relaxed: changed under the lock.
  if (!pool->is_stopping || pool->is_finished || !all_idle_locked(pool) ||
      pool->detached_count > 0 || weft_pool_has_work(pool)) {
    return;
  }
  pool->is_finished = true;
  for (weft_pool_thread_t* t = pool->threads; t != NULL; t = t->next) {
    weft_pool_notify(t);
  }
}

// A worker to carry without sleeping first, because something is to be done.
static weft_worker_t* claim_locked(weft_pool_t* pool, bool has_work) {
  if (!has_work && !pool->wake_missed && pool->injected.first == NULL) {
    return NULL;
  }
  pool->wake_missed = false;
  return take_idle_worker_locked(pool);
}

// One sleep, outside of the lock. `progress` is NULL when the bell takes no
// part in it.
static weft_nap_t sleep_once(weft_pool_thread_t* thread,
                             weft_progress_t* progress, int64_t deadline_ns) {
  if (progress == NULL) {
    return (weft_nap_t){
        .in_time = weft_futex_wait(&thread->word, 0, deadline_ns),
    };
  }
  return weft_progress_sleep(progress, WEFT_SLEEPER_IDLE, &thread->word, 0,
                             deadline_ns);
}

// The progress if the thread is the one to sleep on the bell; else NULL.
static weft_progress_t* go_to_bell_locked(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  if (pool->bell_thread != NULL) {
    return NULL;
  }
  weft_progress_t* progress = weft_async_progress(weft_async_of(pool->runtime));
  pool->bell_thread = progress != NULL ? thread : NULL;
  return progress;
}

// True when the thread was woken by the bell, or for no reason.
static bool was_rung(weft_pool_thread_t* thread, weft_nap_t nap) {
  // Relaxed: what the thread was given stands under the lock.
  return nap.has_come ||
         (nap.has_place && nap.in_time &&
          atomic_load_explicit(&thread->word, memory_order_relaxed) == 0);
}

// The thread takes an idle worker, if it was not given one, so that it runs by
// itself what the poll that follows finds. It searches from before the poll,
// which then wakes nobody else.
static void answer_bell_locked(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  if (thread->given != NULL || pool->idle_workers == NULL) {
    return;
  }
  remove_idle_thread_locked(thread);
  thread->given = take_idle_worker_locked(pool);
  // Sequentially consistent: see `weft_pool_inject`.
  thread->is_searching =
      atomic_exchange_explicit(&pool->searching, 1, memory_order_seq_cst) == 0;
}

// Leaves the bell and polls, as the worker that the thread was given, if any.
// The lock is held on entry and on return, but not meanwhile.
static void leave_bell_locked(weft_pool_thread_t* thread,
                              weft_progress_t* progress, weft_nap_t nap) {
  weft_pool_t* pool = thread->pool;
  weft_thread_self.worker = thread->given;
  weft_mutex_unlock(&pool->lock);
  weft_progress_awake(progress, WEFT_SLEEPER_IDLE, nap);
  weft_mutex_lock(&pool->lock);
  pool->bell_thread = NULL;
}

// Sleeps once. Afterwards `given` may be set. False when the deadline passed.
// The lock is held on entry and on return, but not meanwhile.
static bool sleep_once_locked(weft_pool_thread_t* thread, int64_t deadline_ns) {
  weft_pool_t* pool = thread->pool;
  // Relaxed: `notify` comes after the change under the lock that it is for,
  // so a 1 that is lost here was for what has just been looked at.
  atomic_store_explicit(&thread->word, 0, memory_order_relaxed);
  weft_progress_t* progress = go_to_bell_locked(thread);
  weft_mutex_unlock(&pool->lock);
  weft_nap_t nap = sleep_once(thread, progress, deadline_ns);
  bool is_rung = was_rung(thread, nap);
  weft_mutex_lock(&pool->lock);
  if (is_rung) {
    answer_bell_locked(thread);
  }
  if (progress != NULL) {
    leave_bell_locked(thread, progress, nap);
  }
  return nap.in_time;
}

// Sleeps until the thread is given a worker, finds one as the watcher, takes
// one when the bell is rung, or is to end. The lock is held on entry and on
// return.
static weft_worker_t* sleep_locked(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  weft_worker_t* worker = NULL;
  while (worker == NULL && !pool->is_finished) {
    bool is_watching = pool->watcher == thread;
    int64_t deadline_ns =
        is_watching ? weft_sys_now_ns() + thread->watch_ns : WEFT_TIME_INFINITE;
    bool in_time = sleep_once_locked(thread, deadline_ns);
    worker = thread->given;
    thread->given = NULL;
    if (worker == NULL && !in_time && is_watching && pool->watcher == thread) {
      worker = watch_locked(thread);
    }
  }
  return worker;
}

// Notes how long the thread had nothing to do.
static void learn(weft_pool_thread_t* thread) {
  if (thread->pool->may_spin && thread->idle_since_ns != 0) {
    weft_spin_learn(&thread->spin, thread->has_spun,
                    weft_sys_now_ns() - thread->idle_since_ns,
                    thread->pool->spin_ns);
    thread->idle_since_ns = 0;
  }
}

weft_worker_t* weft_pool_idle(weft_pool_thread_t* thread,
                              weft_worker_t* worker) {
  weft_pool_t* pool = thread->pool;
  weft_pool_end_search(thread);
  weft_thread_self.worker = NULL;
  bool has_work = false;
  if (worker != NULL) {
    weft_mutex_lock(&pool->lock);
    put_idle_worker_locked(worker);
    weft_mutex_unlock(&pool->lock);
    // Once more, now that posts can see that a worker is idle.
    has_work = weft_pool_has_work(pool);
  }
  weft_mutex_lock(&pool->lock);
  if (thread->is_detached) {
    thread->is_detached = false;
    pool->detached_count--;
  }
  worker = claim_locked(pool, has_work);
  if (worker == NULL) {
    weft_pool_try_finish_locked(pool);
    if (!pool->is_finished) {
      put_idle_thread_locked(thread);
      worker = sleep_locked(thread);
    }
  }
  weft_mutex_unlock(&pool->lock);
  learn(thread);
  weft_thread_self.worker = worker;
  return worker;
}

// --- Lending ----------------------------------------------------------------

// Makes sure that as many threads as workers are left when the calling thread
// waits. Errors: RESOURCE_EXHAUSTED.
static weft_status_t detach(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  weft_mutex_lock(&pool->lock);
  uint32_t needed = pool->worker_count + pool->detached_count + 1;
  bool is_short = pool->thread_count < needed;
  bool may_start =
      pool->thread_count - pool->worker_count < pool->spare_thread_limit;
  if (!is_short || may_start) {
    thread->is_detached = true;
    pool->detached_count++;
  }
  if (is_short && may_start) {
    pool->thread_count++;
  }
  weft_mutex_unlock(&pool->lock);
  if (!is_short) {
    return WEFT_OK;
  }
  if (!may_start) {
    return weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "all %u spare threads stand in for tasks that wait: let fewer "
        "handlers wait at a time, or raise spare_thread_limit",
        pool->spare_thread_limit);
  }
  weft_status_t status = weft_pool_start_thread(pool);
  if (status == WEFT_OK) {
    weft_count(pool->runtime, WEFT_COUNTER_spare_threads, 1);
    weft_log_debug("async", "a spare thread stands in for a task that waits");
  } else {
    weft_mutex_lock(&pool->lock);
    thread->is_detached = false;
    pool->detached_count--;
    weft_mutex_unlock(&pool->lock);
  }
  return status;
}

weft_status_t weft_pool_lend(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  weft_worker_t* worker = weft_thread_self.worker;
  WEFT_RETURN_IF_ERROR(detach(thread));
  thread->current = worker->current;
  // Whoever comes to help takes from the stack, not from `next`.
  weft_task_t* task = weft_pool_queue_take_next(&worker->queue);
  if (task != NULL && !weft_pool_places_push(&worker->queue.stack, task)) {
    weft_task_list_t list = {0};
    weft_task_list_append(&list, task);
    weft_pool_inject(pool, &list);
  }
  weft_thread_self.worker = NULL;
  weft_mutex_lock(&pool->lock);
  put_idle_worker_locked(worker);
  weft_mutex_unlock(&pool->lock);
  if (weft_pool_has_work(pool)) {
    weft_pool_wake(pool);
  }
  return WEFT_OK;
}

void weft_pool_rejoin(weft_pool_thread_t* thread) {
  weft_pool_t* pool = thread->pool;
  weft_mutex_lock(&pool->lock);
  weft_worker_t* worker = take_idle_worker_locked(pool);
  if (worker != NULL) {
    worker->current = thread->current;
    thread->is_detached = false;
    pool->detached_count--;
  }
  weft_mutex_unlock(&pool->lock);
  weft_thread_self.worker = worker;
}
