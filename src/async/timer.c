// SPDX-License-Identifier: Apache-2.0

#include "async/timer.h"

#include "async/async_internal.h"
#include "base/container.h"
#include "trace/trace.h"

// `state` of a timer.
enum {
  IDLE = 0,
  // In the heap.
  ARMED = 1,
  // In the heap; runs even after `close`.
  ARMED_INTERNAL = 2,
  // Taken out of the heap by a closed simulation, without being called.
  DROPPED = 3,
  // In the heap of those that `close` calls back.
  ARMED_BOUND = 4,
  // In the heap; nobody waits for it.
  ARMED_BACKGROUND = 5
};

static weft_timer_t* timer_of(weft_heap_node_t* node) {
  return node != NULL ? WEFT_CONTAINER_OF(node, weft_timer_t, node) : NULL;
}

static bool comes_before(const weft_heap_node_t* a, const weft_heap_node_t* b) {
  const weft_timer_t* x = WEFT_CONST_CONTAINER_OF(a, weft_timer_t, node);
  const weft_timer_t* y = WEFT_CONST_CONTAINER_OF(b, weft_timer_t, node);
  if (x->deadline_ns != y->deadline_ns) {
    return x->deadline_ns < y->deadline_ns;
  }
  // The sequence wraps; two timers are never half its range apart.
  return (int32_t)(x->sequence - y->sequence) < 0;
}

static weft_heap_t* heap_of(weft_timers_t* timers, const weft_timer_t* timer) {
  return timer->state == ARMED_BOUND ? &timers->bound : &timers->heap;
}

static bool is_armed(const weft_timer_t* timer) {
  return timer->state != IDLE && timer->state != DROPPED;
}

// The timer that is due first, or NULL.
static weft_timer_t* first_locked(const weft_timers_t* timers) {
  weft_heap_node_t* first = weft_heap_first(&timers->heap);
  weft_heap_node_t* bound = weft_heap_first(&timers->bound);
  if (first == NULL || (bound != NULL && comes_before(bound, first))) {
    first = bound;
  }
  return timer_of(first);
}

// --- Running ----------------------------------------------------------------

// The deadline after `deadline_ns` that is still to come.
static int64_t next_deadline(int64_t deadline_ns, int64_t period_ns,
                             int64_t now_ns) {
  int64_t missed = (now_ns - deadline_ns) / period_ns;
  int64_t next_ns;
  if (__builtin_mul_overflow(missed + 1, period_ns, &next_ns) ||
      __builtin_add_overflow(next_ns, deadline_ns, &next_ns)) {
    return WEFT_TIME_INFINITE;
  }
  return next_ns;
}

static void arm_locked(weft_timers_t* timers, weft_timer_t* timer,
                       uint32_t state) {
  timer->state = state;
  timer->sequence = timers->sequence++;
  timers->count += state != ARMED_BOUND ? 1 : 0;
  timers->background_count += state == ARMED_BACKGROUND ? 1 : 0;
  weft_heap_insert(heap_of(timers, timer), &timer->node);
}

static void disarm_locked(weft_timers_t* timers, weft_timer_t* timer,
                          uint32_t state) {
  weft_heap_remove(heap_of(timers, timer), &timer->node);
  timers->count -= timer->state != ARMED_BOUND ? 1 : 0;
  timers->background_count -= timer->state == ARMED_BACKGROUND ? 1 : 0;
  timer->state = state;
}

// Calls a timer back that is due. The lock is held, but not during the call;
// after the call the timer may be gone.
static void call_locked(weft_timers_t* timers, weft_timer_t* timer,
                        int64_t now_ns) {
  weft_timer_fn_t callback = timer->callback;
  void* user = timer->user;
  int64_t due_ns = timer->deadline_ns;
  disarm_locked(timers, timer, IDLE);
  if (timer->period_ns > 0) {
    timer->deadline_ns =
        next_deadline(timer->deadline_ns, timer->period_ns, now_ns);
    arm_locked(timers, timer, ARMED);
  }
  timers->running = timer;
  timers->running_thread = weft_sys_thread_id();
  timers->calls++;
  weft_mutex_unlock(&timers->lock);
  weft_trace_thread_t* trace = weft_trace_self(timers->runtime);
  weft_flight_tick(trace, now_ns);
  weft_flight_record(trace, WEFT_FLIGHT_TIMER, NULL, (uint64_t)(uintptr_t)timer,
                     (uint64_t)due_ns);
  callback(timer, user);
  weft_mutex_lock(&timers->lock);
  timers->running = NULL;
  if (timers->stoppers > 0) {
    // Relaxed: the stoppers look again under the lock.
    atomic_fetch_add_explicit(&timers->call_ended, 1, memory_order_relaxed);
    weft_futex_wake(&timers->call_ended, UINT32_MAX);
  }
}

// --- The service thread -----------------------------------------------------

static void serve(void* user) {
  weft_timers_t* timers = user;
  weft_mutex_lock(&timers->lock);
  while (!timers->is_closed) {
    weft_timer_t* first = first_locked(timers);
    int64_t deadline_ns =
        first != NULL ? first->deadline_ns : WEFT_TIME_INFINITE;
    int64_t now_ns = weft_sys_now_ns();
    if (deadline_ns <= now_ns) {
      call_locked(timers, first, now_ns);
      continue;
    }
    // Relaxed: changed under the lock.
    uint32_t seen =
        atomic_load_explicit(&timers->changed, memory_order_relaxed);
    weft_mutex_unlock(&timers->lock);
    weft_futex_wait(&timers->changed, seen, deadline_ns);
    weft_mutex_lock(&timers->lock);
  }
  weft_mutex_unlock(&timers->lock);
}

// Makes the service look again.
static void notify_locked(weft_timers_t* timers) {
  // Relaxed: changed under the lock.
  atomic_fetch_add_explicit(&timers->changed, 1, memory_order_relaxed);
  weft_futex_wake(&timers->changed, 1);
}

// --- Starting and stopping --------------------------------------------------

static void fill_locked(weft_timers_t* timers, weft_timer_t* timer,
                        int64_t deadline_ns, weft_timer_fn_t callback,
                        void* user) {
  // Another thread may ask to stop the timer while it is started again, and
  // reads this before it takes the lock: do not write what stands there.
  if (timer->runtime != timers->runtime) {
    timer->runtime = timers->runtime;
  }
  timer->deadline_ns = deadline_ns;
  timer->callback = callback;
  timer->user = user;
}

static weft_status_t start_locked(weft_timers_t* timers,
                                  const weft_timer_t* timer) {
  if (timers->is_closed) {
    return weft_status_make(WEFT_STATUS_CLOSED,
                            "the runtime stops: no timer can be started");
  }
  if (is_armed(timer)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the timer is started already: stop it first");
  }
  if (timers->is_simulated || timers->service.started) {
    return WEFT_OK;
  }
  // Under the lock, so that there is one; the thread's first act is to wait
  // for the lock.
  return weft_sys_thread_start(&timers->service, "weft-timer", serve, timers);
}

// What to do when, as the caller of a start has said.
typedef struct order {
  int64_t deadline_ns;
  int64_t period_ns;
  weft_timer_fn_t callback;
  void* user;
} order_t;

static weft_status_t start(weft_timers_t* timers, weft_timer_t* timer,
                           uint32_t state, const order_t* order) {
  weft_mutex_lock(&timers->lock);
  weft_status_t status = start_locked(timers, timer);
  if (status == WEFT_OK) {
    // No time before the clock's start, from which a period is counted on.
    int64_t due_ns = order->deadline_ns > 0 ? order->deadline_ns : 0;
    fill_locked(timers, timer, due_ns, order->callback, order->user);
    timer->period_ns = order->period_ns;
    arm_locked(timers, timer, state);
    if (first_locked(timers) == timer && !timers->is_simulated) {
      notify_locked(timers);
    }
  }
  weft_mutex_unlock(&timers->lock);
  return status;
}

weft_status_t weft_timer_start(weft_runtime_t* runtime, weft_timer_t* timer,
                               int64_t deadline_ns, int64_t period_ns,
                               weft_timer_fn_t callback, void* user) {
  if (period_ns < 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the period of a timer is %lld ns: give 0 for "
                            "once, or a length of time",
                            (long long)period_ns);
  }
  const order_t order = {deadline_ns, period_ns, callback, user};
  return start(&weft_async_of(runtime)->timers, timer, ARMED, &order);
}

weft_status_t weft_timers_start_bound(weft_timers_t* timers,
                                      weft_timer_t* timer, int64_t deadline_ns,
                                      weft_timer_fn_t callback, void* user) {
  const order_t order = {deadline_ns, 0, callback, user};
  return start(timers, timer, ARMED_BOUND, &order);
}

weft_status_t weft_timer_start_background(weft_runtime_t* runtime,
                                          weft_timer_t* timer,
                                          int64_t deadline_ns,
                                          weft_timer_fn_t callback,
                                          void* user) {
  const order_t order = {deadline_ns, 0, callback, user};
  return start(&weft_async_of(runtime)->timers, timer, ARMED_BACKGROUND,
               &order);
}

void weft_timer_bring_forward(weft_timer_t* timer, int64_t deadline_ns) {
  weft_timers_t* timers = &weft_async_of(timer->runtime)->timers;
  weft_mutex_lock(&timers->lock);
  if (timer->state == ARMED || timer->state == ARMED_BACKGROUND) {
    int64_t before_ns = timer->deadline_ns;
    disarm_locked(timers, timer, IDLE);
    timer->deadline_ns = deadline_ns < before_ns ? deadline_ns : before_ns;
    arm_locked(timers, timer, ARMED);
    if (first_locked(timers) == timer && !timers->is_simulated) {
      notify_locked(timers);
    }
  }
  weft_mutex_unlock(&timers->lock);
}

void weft_timers_start_internal(weft_timers_t* timers, weft_timer_t* timer,
                                int64_t deadline_ns, weft_timer_fn_t callback,
                                void* user) {
  weft_mutex_lock(&timers->lock);
  fill_locked(timers, timer, deadline_ns, callback, user);
  timer->period_ns = 0;
  arm_locked(timers, timer, ARMED_INTERNAL);
  weft_mutex_unlock(&timers->lock);
}

// Waits until the call of this timer that runs now, if any, has returned.
static void await_call_locked(weft_timers_t* timers,
                              const weft_timer_t* timer) {
  uint64_t call = timers->calls;
  while (timers->running == timer && timers->calls == call &&
         timers->running_thread != weft_sys_thread_id()) {
    timers->stoppers++;
    // Relaxed: changed under the lock.
    uint32_t seen =
        atomic_load_explicit(&timers->call_ended, memory_order_relaxed);
    weft_mutex_unlock(&timers->lock);
    weft_futex_wait(&timers->call_ended, seen, WEFT_TIME_INFINITE);
    weft_mutex_lock(&timers->lock);
    timers->stoppers--;
  }
}

bool weft_timer_stop(weft_timer_t* timer) {
  if (timer->runtime == NULL) {
    return false;
  }
  weft_timers_t* timers = &weft_async_of(timer->runtime)->timers;
  weft_mutex_lock(&timers->lock);
  bool was_to_come = timer->state != IDLE;
  if (is_armed(timer)) {
    disarm_locked(timers, timer, IDLE);
  }
  timer->state = IDLE;
  await_call_locked(timers, timer);
  weft_mutex_unlock(&timers->lock);
  return was_to_come;
}

// --- In a simulation --------------------------------------------------------

// The first timer that may run. One that may not any more is dropped.
static weft_timer_t* first_live_locked(weft_timers_t* timers) {
  weft_timer_t* first;
  while ((first = first_locked(timers)) != NULL && timers->is_closed &&
         (first->state == ARMED || first->state == ARMED_BACKGROUND)) {
    disarm_locked(timers, first, DROPPED);
  }
  return first;
}

int64_t weft_timers_next_ns(weft_timers_t* timers) {
  weft_mutex_lock(&timers->lock);
  weft_timer_t* first = first_live_locked(timers);
  int64_t deadline_ns = first != NULL ? first->deadline_ns : WEFT_TIME_INFINITE;
  weft_mutex_unlock(&timers->lock);
  return deadline_ns;
}

bool weft_timers_are_wanted(weft_timers_t* timers) {
  weft_mutex_lock(&timers->lock);
  // Drops what a closed simulation does not call any more.
  (void)first_live_locked(timers);
  bool are_wanted = timers->count > timers->background_count ||
                    weft_heap_first(&timers->bound) != NULL;
  weft_mutex_unlock(&timers->lock);
  return are_wanted;
}

bool weft_timers_run_one(weft_timers_t* timers, int64_t now_ns) {
  weft_mutex_lock(&timers->lock);
  weft_timer_t* first = first_live_locked(timers);
  bool is_due = first != NULL && first->deadline_ns <= now_ns;
  if (is_due) {
    call_locked(timers, first, now_ns);
  }
  weft_mutex_unlock(&timers->lock);
  return is_due;
}

// --- Life -------------------------------------------------------------------

void weft_timers_init(weft_timers_t* timers, weft_runtime_t* runtime,
                      bool is_simulated) {
  timers->runtime = runtime;
  timers->is_simulated = is_simulated;
  weft_mutex_init(&timers->lock);
  weft_heap_init(&timers->heap, comes_before);
  weft_heap_init(&timers->bound, comes_before);
}

// Calls back those that are bound to be called, before their time.
static void end_bound(weft_timers_t* timers) {
  int64_t now_ns = weft_runtime_now_ns(timers->runtime);
  weft_timer_t* first;
  weft_mutex_lock(&timers->lock);
  while ((first = timer_of(weft_heap_first(&timers->bound))) != NULL) {
    call_locked(timers, first, now_ns);
  }
  weft_mutex_unlock(&timers->lock);
}

weft_status_t weft_timers_close(weft_timers_t* timers, int64_t deadline_ns) {
  weft_mutex_lock(&timers->lock);
  timers->is_closed = true;
  notify_locked(timers);
  bool in_time = true;
  while (in_time && timers->running != NULL) {
    timers->stoppers++;
    // Relaxed: changed under the lock.
    uint32_t seen =
        atomic_load_explicit(&timers->call_ended, memory_order_relaxed);
    weft_mutex_unlock(&timers->lock);
    in_time = weft_futex_wait(&timers->call_ended, seen, deadline_ns);
    weft_mutex_lock(&timers->lock);
    timers->stoppers--;
  }
  bool is_running = timers->running != NULL;
  weft_mutex_unlock(&timers->lock);
  if (is_running) {
    return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                            "the callback of a timer has not returned");
  }
  weft_sys_thread_join(&timers->service);
  end_bound(timers);
  return WEFT_OK;
}

bool weft_timers_is_service(weft_timers_t* timers) {
  weft_mutex_lock(&timers->lock);
  bool is_service =
      timers->running != NULL && timers->running_thread == weft_sys_thread_id();
  weft_mutex_unlock(&timers->lock);
  return is_service;
}

void weft_timers_deinit(weft_timers_t* timers) {
  if (timers->runtime != NULL) {
    weft_mutex_deinit(&timers->lock);
  }
}
