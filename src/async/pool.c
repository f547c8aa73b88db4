// SPDX-License-Identifier: Apache-2.0

#include "async/pool.h"

#include <stdio.h>
#include <string.h>

#include "async/async_internal.h"
#include "base/assert.h"
#include "base/memory.h"
#include "base/text_writer.h"
#include "sys/wake_cost.h"
#include "trace/trace.h"

// --- Posting ----------------------------------------------------------------

// Tells posts and searches how long the injected list is. The lock is held.
static void publish_injected_locked(weft_pool_t* pool) {
  // Sequentially consistent, as is the look at `searching` that follows in a
  // post: a searcher clears that and then reads this, so one of the two sees
  // the other and the tasks are not left behind.
  atomic_store_explicit(&pool->injected_count, pool->injected.count,
                        memory_order_seq_cst);
}

void weft_pool_inject(weft_pool_t* pool, const weft_task_list_t* tasks) {
  weft_mutex_lock(&pool->lock);
  if (pool->injected.last != NULL) {
    pool->injected.last->next = tasks->first;
  } else {
    pool->injected.first = tasks->first;
  }
  pool->injected.last = tasks->last;
  pool->injected.count += tasks->count;
  publish_injected_locked(pool);
  weft_pool_thread_t* woken = weft_pool_wake_locked(pool);
  weft_mutex_unlock(&pool->lock);
  weft_pool_notify(woken);
}

static void inject_one(weft_pool_t* pool, weft_task_t* task) {
  weft_task_list_t list = {0};
  weft_task_list_append(&list, task);
  weft_pool_inject(pool, &list);
}

// All places are in use: the older half of the tasks there goes to the
// injected list, and the new one after them.
static void overflow(weft_worker_t* worker, bool is_repeated,
                     weft_task_t* task) {
  weft_task_list_t list =
      is_repeated ? weft_pool_ring_grab(&worker->queue, WEFT_POOL_PLACES / 2)
                  : weft_pool_stack_grab(&worker->queue, WEFT_POOL_PLACES / 2);
  weft_task_list_append(&list, task);
  weft_pool_inject(worker->pool, &list);
}

// From a task that the worker itself runs.
static void post_local(weft_worker_t* worker, weft_task_t* task) {
  weft_pool_t* pool = worker->pool;
  weft_pool_queue_t* queue = &worker->queue;
  // A task that posts itself again goes behind those that wait already.
  bool is_repeated = task == worker->current;
  if ((!is_repeated || weft_pool_queue_has_none_to_steal(queue)) &&
      weft_pool_queue_offer(queue, task)) {
    // Relaxed: whoever clears `unwatched` watches, this worker among others.
    if (__builtin_expect(
            atomic_load_explicit(&pool->unwatched, memory_order_relaxed) != 0,
            0)) {
      weft_pool_watch(pool);
    }
    return;
  }
  weft_pool_places_t* places = is_repeated ? &queue->ring : &queue->stack;
  if (!weft_pool_places_push(places, task)) {
    overflow(worker, is_repeated, task);
  }
  weft_pool_wake(pool);
}

static void pool_post(weft_executor_t* executor, weft_task_t* task) {
  weft_pool_t* pool = (weft_pool_t*)(void*)executor;
  weft_worker_t* worker = weft_thread_self.worker;
  if (__builtin_expect(worker != NULL && worker->pool == pool, 1)) {
    post_local(worker, task);
  } else {
    inject_one(pool, task);
  }
}

// --- Finding ----------------------------------------------------------------

// Cuts at most `limit` tasks off the head of the injected list.
static weft_task_list_t cut_injected(weft_pool_t* pool, uint32_t limit) {
  weft_task_list_t cut = {0};
  weft_mutex_lock(&pool->lock);
  while (pool->injected.first != NULL && cut.count < limit) {
    weft_task_t* task = pool->injected.first;
    pool->injected.first = task->next;
    pool->injected.count--;
    weft_task_list_append(&cut, task);
  }
  if (pool->injected.first == NULL) {
    pool->injected.last = NULL;
  }
  publish_injected_locked(pool);
  weft_mutex_unlock(&pool->lock);
  return cut;
}

// Takes a worker's share of the injected tasks: returns the first, the rest
// goes into its ring. NULL when there is none.
static weft_task_t* take_injected(weft_worker_t* worker) {
  weft_pool_t* pool = worker->pool;
  // Relaxed: a hint. A post that is not seen here wakes somebody, or is seen
  // under the lock before this thread sleeps.
  uint32_t waiting =
      atomic_load_explicit(&pool->injected_count, memory_order_relaxed);
  if (waiting == 0) {
    return NULL;
  }
  uint32_t room = weft_pool_places_room(&worker->queue.ring);
  uint32_t limit = waiting / pool->worker_count + 1;
  limit = limit < WEFT_POOL_BATCH ? limit : WEFT_POOL_BATCH;
  limit = limit < room + 1 ? limit : room + 1;
  weft_task_list_t list = cut_injected(pool, limit);
  if (list.first == NULL) {
    return NULL;
  }
  weft_task_t* next;
  for (weft_task_t* task = list.first->next; task != NULL; task = next) {
    next = task->next;
    bool pushed = weft_pool_places_push(&worker->queue.ring, task);
    weft_assert(pushed);
  }
  return list.first;
}

// Sets the turns until the next look, so that about the time that is wanted
// lies between.
static void plan_look(weft_worker_t* worker) {
  int64_t now_ns = weft_sys_now_ns();
  int64_t passed_ns = now_ns - worker->looked_ns + 1;
  int64_t turns = worker->look_turns * (int64_t)WEFT_POOL_LOOK_NS / passed_ns;
  // It grows step by step: the last few tasks may have been short by chance.
  int64_t limit = (int64_t)worker->look_turns * 2;
  limit = limit < WEFT_POOL_LOOK_TURNS ? limit : WEFT_POOL_LOOK_TURNS;
  turns = turns < limit ? turns : limit;
  worker->look_turns = turns > 0 ? (uint32_t)turns : 1;
  worker->turns_to_look = worker->look_turns;
  worker->looked_ns = now_ns;
}

// Every so often some task other than the newest runs, so that no task waits
// for ever: in turn, one from outside, the oldest that repeats, and the
// oldest that was posted once. NULL when there is none.
static weft_task_t* look(weft_worker_t* worker) {
  enum { INJECTED, RING, STACK, SOURCES };
  plan_look(worker);
  weft_async_poll(weft_async_of(worker->pool->runtime));
  weft_task_t* task = NULL;
  for (int i = 0; i < SOURCES && task == NULL; i++) {
    worker->look_source = (worker->look_source + 1) % SOURCES;
    switch (worker->look_source) {
      case INJECTED:
        task = take_injected(worker);
        break;
      case RING:
        task = weft_pool_ring_pop(&worker->queue);
        break;
      default:
        task = weft_pool_stack_take_oldest(&worker->queue);
        break;
    }
  }
  return task;
}

// The worker's next task, from its own queue but for looks. NULL when there is
// none.
static inline weft_task_t* pick(weft_worker_t* worker) {
  // Relaxed: written by this thread only; the watcher just compares.
  uint32_t turns = atomic_load_explicit(&worker->turns, memory_order_relaxed);
  atomic_store_explicit(&worker->turns, turns + 1, memory_order_relaxed);
  weft_task_t* task = NULL;
  if (__builtin_expect(--worker->turns_to_look == 0, 0) &&
      (task = look(worker)) != NULL) {
    return task;
  }
  if ((task = weft_pool_queue_take_next(&worker->queue)) != NULL ||
      (task = weft_pool_stack_pop(&worker->queue)) != NULL) {
    return task;
  }
  return weft_pool_ring_pop(&worker->queue);
}

// Steals from some other worker; NULL when nobody has tasks to spare.
static weft_task_t* steal(weft_worker_t* worker) {
  weft_pool_t* pool = worker->pool;
  for (uint32_t i = 0; i < pool->worker_count; i++) {
    worker->victim = (worker->victim + 1) % pool->worker_count;
    weft_worker_t* victim = &pool->workers[worker->victim];
    if (victim != worker &&
        (weft_pool_ring_steal(&victim->queue, &worker->queue) > 0 ||
         weft_pool_stack_steal(&victim->queue, &worker->queue) > 0)) {
      return weft_pool_ring_pop(&worker->queue);
    }
  }
  return NULL;
}

static weft_task_t* find(weft_worker_t* worker) {
  weft_task_t* task = pick(worker);
  if (task == NULL) {
    task = take_injected(worker);
  }
  return task != NULL ? task : steal(worker);
}

// The same, and looks for frames of other processes if there is none. What the
// poll posts stands at this worker, and may come of something that is no frame:
// a link that has ended, or has room.
static weft_task_t* find_or_poll(weft_worker_t* worker) {
  weft_task_t* task = find(worker);
  if (task == NULL) {
    (void)weft_async_poll(weft_async_of(worker->pool->runtime));
    task = weft_pool_queue_is_empty(&worker->queue) ? NULL : find(worker);
  }
  return task;
}

// Takes from `next` of another worker if its present task ran at the last look
// already; NULL when there is none.
static weft_task_t* steal_next(weft_worker_t* worker) {
  weft_pool_t* pool = worker->pool;
  weft_task_t* task = NULL;
  for (uint32_t i = 0; i < pool->worker_count && task == NULL; i++) {
    weft_worker_t* victim = &pool->workers[i];
    // Relaxed, all: only compared.
    uint32_t turns = atomic_load_explicit(&victim->turns, memory_order_relaxed);
    if (victim == worker ||
        atomic_load_explicit(&victim->queue.next, memory_order_relaxed) ==
            NULL) {
      continue;
    }
    if (atomic_load_explicit(&victim->spun_turns, memory_order_relaxed) ==
        turns) {
      task = weft_pool_queue_steal_next(&victim->queue);
    }
    // Relaxed: as above.
    atomic_store_explicit(&victim->spun_turns, turns, memory_order_relaxed);
  }
  return task;
}

// Looks for a task for some microseconds, if that has paid lately and nobody
// else does.
static weft_task_t* spin(weft_pool_thread_t* thread, weft_worker_t* worker) {
  weft_pool_t* pool = thread->pool;
  if (!pool->may_spin) {
    return NULL;
  }
  thread->idle_since_ns = weft_sys_now_ns();
  thread->has_spun = weft_spin_pays(&thread->spin) &&
                     (thread->is_searching || weft_pool_begin_search(thread)) &&
                     weft_pool_try_spin(pool);
  if (!thread->has_spun) {
    return NULL;
  }
  weft_task_t* task = NULL;
  int64_t spun_ns = 0;
  int64_t next_look_ns = 0;
  while (task == NULL && spun_ns < pool->spin_ns) {
    for (int i = 0; i < WEFT_SPIN_PAUSES; i++) {
      weft_sys_pause();
    }
    task = find_or_poll(worker);
    if (task == NULL && spun_ns >= next_look_ns) {
      task = steal_next(worker);
      next_look_ns += WEFT_POOL_NEXT_NS;
    }
    spun_ns = weft_sys_now_ns() - thread->idle_since_ns;
  }
  weft_pool_end_spin(pool);
  if (task != NULL) {
    weft_spin_learn(&thread->spin, false, 0, pool->spin_ns);
    thread->idle_since_ns = 0;
  }
  return task;
}

// Looks everywhere for a task. NULL when the thread should sleep.
static weft_task_t* search(weft_pool_thread_t* thread, weft_worker_t* worker) {
  weft_task_t* task = find_or_poll(worker);
  if (task == NULL) {
    task = spin(thread, worker);
  }
  if (task != NULL) {
    weft_pool_end_search(thread);
    // Sequentially consistent: see `weft_pool_inject`.
    if (atomic_load_explicit(&thread->pool->idle_count, memory_order_seq_cst) >
            0 &&
        weft_pool_has_work(thread->pool)) {
      weft_pool_wake(thread->pool);
    }
  }
  return task;
}

// --- Running ----------------------------------------------------------------

static void thread_main(void* user) {
  weft_pool_thread_t* thread = user;
  weft_pool_t* pool = thread->pool;
  const weft_async_t* async = weft_async_of(pool->runtime);
  weft_thread_self.pool_thread = thread;
  weft_worker_t* worker = NULL;
  while ((worker = weft_pool_idle(thread, worker)) != NULL) {
    weft_task_t* task = search(thread, worker);
    while (task != NULL) {
      worker->current = task;
      task->run(task);
      weft_async_flush(async);
      // The task may have waited, and so lost the worker.
      worker = weft_thread_self.worker;
      if (worker == NULL) {
        break;
      }
      task = pick(worker);
      if (task == NULL) {
        task = search(thread, worker);
      }
    }
  }
  // Release: pairs with the acquire of whoever stops the pool.
  atomic_fetch_add_explicit(&pool->ended_count, 1, memory_order_release);
  weft_futex_wake(&pool->ended_count, UINT32_MAX);
}

// Takes back the count of a thread that could not be started. Its node, if it
// has one, stays in the list and is freed with the others.
static void uncount_thread(weft_pool_t* pool) {
  weft_mutex_lock(&pool->lock);
  pool->thread_count--;
  weft_mutex_unlock(&pool->lock);
}

weft_status_t weft_pool_start_thread(weft_pool_t* pool) {
  weft_pool_thread_t* thread =
      weft_memory_allocate_zeroed(pool->runtime->allocator, sizeof(*thread));
  if (thread == NULL) {
    uncount_thread(pool);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a thread of the executor");
  }
  thread->pool = pool;
  thread->spin.score = WEFT_SPIN_SCORE_ENOUGH;
  weft_mutex_lock(&pool->lock);
  thread->next = pool->threads;
  pool->threads = thread;
  uint32_t number = ++pool->thread_number;
  weft_mutex_unlock(&pool->lock);
  char name[16];
  snprintf(name, sizeof(name), "weft-%u", number);
  weft_status_t status =
      weft_sys_thread_start(&thread->thread, name, thread_main, thread);
  if (status != WEFT_OK) {
    uncount_thread(pool);
  }
  return status;
}

// --- Life -------------------------------------------------------------------

static const weft_executor_vtable_t pool_vtable;

static void init_workers(weft_pool_t* pool) {
  for (uint32_t i = 0; i < pool->worker_count; i++) {
    weft_worker_t* worker = &pool->workers[i];
    worker->pool = pool;
    worker->index = i;
    worker->victim = i;
    worker->turns_to_look = 1;
    worker->look_turns = 1;
    worker->queue.is_shared = pool->worker_count > 1;
    worker->is_idle = true;
    worker->next_idle =
        i + 1 < pool->worker_count ? &pool->workers[i + 1] : NULL;
  }
  pool->idle_workers = pool->workers;
  atomic_init(&pool->idle_count, pool->worker_count);
  atomic_init(&pool->unwatched, pool->worker_count > 1);
}

static weft_status_t start_threads(weft_pool_t* pool) {
  weft_status_t status = WEFT_OK;
  for (uint32_t i = 0; i < pool->worker_count && status == WEFT_OK; i++) {
    weft_mutex_lock(&pool->lock);
    pool->thread_count++;
    weft_mutex_unlock(&pool->lock);
    status = weft_pool_start_thread(pool);
  }
  return status;
}

// Whether threads may spin before they sleep: not where there is one core,
// which the one that is waited for needs, nor where the environment forbids it.
static bool may_spin(void) {
  const char* spin = weft_sys_environment("WEFT_SPIN");
  return weft_sys_core_count() > 1 && (spin == NULL || strcmp(spin, "0") != 0);
}

weft_status_t weft_pool_create(weft_runtime_t* runtime, uint32_t worker_count,
                               uint32_t spare_thread_limit,
                               weft_pool_t** out_pool) {
  const weft_allocator_t* allocator = runtime->allocator;
  *out_pool = NULL;
  weft_pool_t* pool =
      allocator->allocate(allocator->self, sizeof(*pool), alignof(weft_pool_t));
  if (pool == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the executor");
  }
  *out_pool = pool;
  *pool = (weft_pool_t){
      .executor.vtable = &pool_vtable,
      .runtime = runtime,
      .worker_count = worker_count,
      .spare_thread_limit = spare_thread_limit,
      .may_spin = may_spin(),
  };
  weft_mutex_init(&pool->lock);
  pool->spin_ns = weft_spin_limit_ns(pool->may_spin ? weft_sys_wake_ns() : 0);
  size_t size_bytes = worker_count * sizeof(weft_worker_t);
  pool->workers =
      allocator->allocate(allocator->self, size_bytes, alignof(weft_worker_t));
  if (pool->workers == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for %u workers", worker_count);
  }
  memset(pool->workers, 0, size_bytes);
  init_workers(pool);
  return start_threads(pool);
}

// Says what still runs. The lock is held.
static weft_status_t describe_running_locked(weft_pool_t* pool) {
  char text[512];
  weft_text_writer_t writer = weft_text_writer_make(text, sizeof(text));
  for (uint32_t i = 0; i < pool->worker_count; i++) {
    weft_worker_t* worker = &pool->workers[i];
    // Relaxed: only compared.
    uint32_t turns = atomic_load_explicit(&worker->turns, memory_order_relaxed);
    if (!worker->is_idle) {
      weft_text_append(
          &writer, "%sworker %u %s", writer.length > 0 ? ", " : "", i,
          turns == worker->stop_turns ? "has run one task since before the stop"
                                      : "has tasks that keep coming");
    }
  }
  if (pool->detached_count > 0) {
    weft_text_append(&writer, "%s%u task%s", writer.length > 0 ? ", " : "",
                     pool->detached_count,
                     pool->detached_count == 1 ? " waits" : "s wait");
  } else if (writer.length == 0) {
    weft_text_append(&writer, "threads are about to end");
  }
  return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                          "the executor has not stopped: %s", text);
}

static void begin_stop(weft_pool_t* pool) {
  weft_mutex_lock(&pool->lock);
  if (!pool->is_stopping) {
    pool->is_stopping = true;
    for (uint32_t i = 0; i < pool->worker_count; i++) {
      // Relaxed: only compared.
      pool->workers[i].stop_turns =
          atomic_load_explicit(&pool->workers[i].turns, memory_order_relaxed);
    }
  }
  weft_pool_try_finish_locked(pool);
  weft_mutex_unlock(&pool->lock);
}

weft_status_t weft_pool_stop(weft_pool_t* pool, int64_t deadline_ns) {
  begin_stop(pool);
  bool in_time = true;
  weft_status_t status = WEFT_OK;
  for (;;) {
    // Acquire: pairs with the release of each thread that ends.
    uint32_t ended =
        atomic_load_explicit(&pool->ended_count, memory_order_acquire);
    weft_mutex_lock(&pool->lock);
    bool is_over = pool->is_finished && ended == pool->thread_count;
    if (!is_over && !in_time) {
      status = describe_running_locked(pool);
    }
    weft_mutex_unlock(&pool->lock);
    if (is_over || !in_time) {
      break;
    }
    in_time = weft_futex_wait(&pool->ended_count, ended, deadline_ns);
  }
  return status;
}

// Runs what was posted when no thread was left to run it.
static void run_leftovers(weft_pool_t* pool) {
  weft_task_t* task;
  while ((task = cut_injected(pool, 1).first) != NULL) {
    task->run(task);
  }
}

void weft_pool_destroy(weft_pool_t* pool) {
  if (pool == NULL) {
    return;
  }
  const weft_allocator_t* allocator = pool->runtime->allocator;
  if (pool->workers != NULL) {
    // A create that failed half-way has threads, which are idle.
    weft_status_t status = weft_pool_stop(pool, WEFT_TIME_INFINITE);
    weft_assert(status == WEFT_OK);
    run_leftovers(pool);
  }
  while (pool->threads != NULL) {
    weft_pool_thread_t* thread = pool->threads;
    pool->threads = thread->next;
    weft_sys_thread_join(&thread->thread);
    weft_memory_free(allocator, thread, sizeof(*thread));
  }
  weft_memory_free(allocator, pool->workers,
                   pool->worker_count * sizeof(weft_worker_t));
  weft_mutex_deinit(&pool->lock);
  weft_memory_free(allocator, pool, sizeof(*pool));
}

static const weft_executor_vtable_t pool_vtable = {
    .post = pool_post,
};
