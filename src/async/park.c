// SPDX-License-Identifier: Apache-2.0

#include "async/async_internal.h"
#include "trace/trace.h"

void weft_parker_init(weft_parker_t* parker, weft_runtime_t* runtime) {
  *parker = (weft_parker_t){.runtime = runtime};
}

// Takes a wake-up that has come.
static bool take(weft_parker_t* parker) {
  uint32_t expected = WEFT_PARKER_WOKEN;
  // Acquire: pairs with the release in `weft_unpark`.
  return atomic_load_explicit(&parker->word, memory_order_acquire) ==
             WEFT_PARKER_WOKEN &&
         atomic_compare_exchange_strong_explicit(
             &parker->word, &expected, WEFT_PARKER_EMPTY, memory_order_acquire,
             memory_order_relaxed);
}

// True when what is watched has come.
static bool has_come(const weft_parker_t* parker) {
  return parker->watch != NULL && parker->watch->has_come(parker->watch);
}

static bool announce(weft_parker_t* parker) {
  return parker->watch != NULL && parker->watch->announce(parker->watch);
}

// True when tasks wait at the worker that the thread carries, if it does.
static bool has_tasks(const weft_thread_t* self) {
  return self->worker != NULL &&
         !weft_pool_queue_is_empty(&self->worker->queue);
}

// Spins if that may pay; `out_spun` tells whether it did. True when the wake-up
// came. Whoever carries a worker with tasks that wait does not spin, or not
// any more when a poll has brought some: they would wait with it.
static bool spin(weft_parker_t* parker, weft_pool_t* pool,
                 weft_progress_t* progress, int64_t start_ns, bool* out_spun) {
  const weft_thread_t* self = &weft_thread_self;
  *out_spun = weft_spin_pays(&self->spin) && !has_tasks(self) &&
              weft_pool_try_spin(pool);
  if (!*out_spun) {
    return false;
  }
  bool woken = false;
  bool goes_on = true;
  while (!woken && goes_on) {
    for (int i = 0; i < WEFT_SPIN_PAUSES && !woken; i++) {
      weft_sys_pause();
      woken = has_come(parker);
    }
    if (progress != NULL && !woken) {
      progress->vtable->poll(progress);
    }
    woken = woken || take(parker);
    goes_on = weft_sys_now_ns() - start_ns < pool->spin_ns &&
              (progress == NULL || !has_tasks(self));
  }
  weft_pool_end_spin(pool);
  return woken;
}

// Sleeps until woken; false when the deadline passed first.
static bool sleep_until(weft_parker_t* parker, int64_t deadline_ns) {
  bool in_time = true;
  while (in_time) {
    uint32_t expected = WEFT_PARKER_EMPTY;
    // Acquire on failure: pairs with the release in `weft_unpark`.
    (void)atomic_compare_exchange_strong_explicit(
        &parker->word, &expected, WEFT_PARKER_ASLEEP, memory_order_acquire,
        memory_order_acquire);
    if (take(parker)) {
      return true;
    }
    in_time = weft_progress_doze(parker, deadline_ns);
  }
  // Acquire: as above; the wake-up may have come at the last moment. It is
  // taken by an exchange, so that one which comes right after another is
  // either taken with it or found by the next wait.
  return atomic_exchange_explicit(&parker->word, WEFT_PARKER_EMPTY,
                                  memory_order_acquire) == WEFT_PARKER_WOKEN;
}

// Gives up the worker, if the thread carries one, sleeps, and takes one again.
static weft_status_t sleep_detached(weft_parker_t* parker, int64_t deadline_ns,
                                    weft_trace_thread_t* trace) {
  weft_thread_t* self = &weft_thread_self;
  bool had_worker = self->worker != NULL;
  if (had_worker) {
    WEFT_RETURN_IF_ERROR(weft_pool_lend(self->pool_thread));
  }
  weft_trace_count(trace, WEFT_COUNTER_waits_blocked, 1);
  bool woken = sleep_until(parker, deadline_ns);
  if (had_worker) {
    weft_pool_rejoin(self->pool_thread);
  }
  return woken ? WEFT_OK
               : weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                                  "the deadline passed");
}

// Reports say since when the work of this thread has slept; 0: it does not.
static void note_sleep(int64_t since_ns) {
  weft_activity_t* activity = weft_thread_self.activity;
  if (activity != NULL) {
    // Relaxed: a report may be a moment late.
    atomic_store_explicit(&activity->asleep_since_ns, since_ns,
                          memory_order_relaxed);
  }
}

// The same, in the flight recorder: a dump shows who sleeps. `out_woken_ns` is
// the time at the end.
static weft_status_t sleep_recorded(weft_parker_t* parker, int64_t deadline_ns,
                                    int64_t now_ns, int64_t* out_woken_ns) {
  weft_trace_thread_t* trace = weft_trace_self(parker->runtime);
  uint64_t place = (uint64_t)(uintptr_t)parker;
  weft_flight_tick(trace, now_ns);
  weft_flight_record(trace, WEFT_FLIGHT_BLOCK, NULL, place,
                     (uint64_t)deadline_ns);
  note_sleep(now_ns);
  weft_status_t status = sleep_detached(parker, deadline_ns, trace);
  note_sleep(0);
  *out_woken_ns = weft_sys_now_ns();
  weft_flight_tick(trace, *out_woken_ns);
  weft_flight_record(trace, WEFT_FLIGHT_WAKE, NULL, place,
                     weft_status_code(status));
  return status;
}

// What comes before the sleep: others see what this thread has written to
// them, and it looks for its wake-up. `out_spun` tells whether it spun. True
// when the wake-up came.
static bool look_first(weft_parker_t* parker, weft_async_t* async,
                       int64_t start_ns, bool* out_spun) {
  const weft_pool_thread_t* thread = weft_thread_self.pool_thread;
  if (thread != NULL && thread->pool != async->pool) {
    // The work of another runtime waits here.
    weft_async_flush(weft_async_of(thread->pool->runtime));
  }
  *out_spun = false;
  weft_progress_t* progress = weft_progress_enter(async);
  bool woken = false;
  if (progress != NULL) {
    progress->vtable->flush(progress);
    woken = progress->vtable->poll(progress) > 0 && take(parker);
  }
  woken = woken || spin(parker, async->pool, progress, start_ns, out_spun);
  if (progress != NULL) {
    weft_progress_leave(async);
  }
  return woken;
}

weft_status_t weft_park(weft_parker_t* parker, int64_t deadline_ns) {
  if (take(parker) || has_come(parker)) {
    return WEFT_OK;
  }
  weft_async_t* async = weft_async_of(parker->runtime);
  if (async->simulation != NULL) {
    if (announce(parker)) {
      return WEFT_OK;
    }
    note_sleep(weft_runtime_now_ns(parker->runtime));
    weft_status_t status =
        weft_simulation_park(async->simulation, parker, deadline_ns);
    note_sleep(0);
    return status;
  }
  WEFT_RETURN_IF_ERROR(weft_async_check_process(parker->runtime));
  int64_t start_ns = weft_sys_now_ns();
  if (deadline_ns <= start_ns) {
    return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                            "the deadline passed before the wait");
  }
  bool spun;
  if (look_first(parker, async, start_ns, &spun) || announce(parker)) {
    weft_spin_learn(&weft_thread_self.spin, false, 0, async->pool->spin_ns);
    return WEFT_OK;
  }
  int64_t woken_ns;
  weft_status_t status =
      sleep_recorded(parker, deadline_ns, start_ns, &woken_ns);
  weft_spin_learn(&weft_thread_self.spin, spun, woken_ns - start_ns,
                  async->pool->spin_ns);
  return status;
}

void weft_unpark(weft_parker_t* parker) {
  // Looked at first: once its thread is awake, the parker may be gone, and the
  // runtime with it.
  weft_simulation_t* simulation = weft_async_of(parker->runtime)->simulation;
  // Release: pairs with the acquire in `take`.
  uint32_t before = atomic_exchange_explicit(&parker->word, WEFT_PARKER_WOKEN,
                                             memory_order_release);
  if (before != WEFT_PARKER_ASLEEP) {
    return;
  }
  if (simulation != NULL) {
    weft_simulation_unpark(simulation, parker);
  } else {
    weft_futex_wake(&parker->word, 1);
  }
}
