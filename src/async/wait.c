// SPDX-License-Identifier: Apache-2.0
//
// Waiting: a thread, its parker, and a waiter with each future whose outcome
// ends the wait.

#include <string.h>

#include "async/circle.h"
#include "async/future_word.h"
#include "async/pool.h"

// The futures that a thread watches while it waits: the one it waits for, one
// more that may end the wait, and the work it does, which may be cancelled.
#define WATCH_LIMIT 3

typedef struct watch {
  weft_parker_t parker;
  weft_future_t* futures[WATCH_LIMIT];
  weft_waiter_t waiters[WATCH_LIMIT];
  uint32_t count;
} watch_t;

static void wake(weft_waiter_t* waiter, weft_future_t* future) {
  (void)future;
  // The waiter is on the stack of the thread that is woken; it stays until
  // this callback is over.
  weft_unpark(waiter->user);
}

static void watch_add(watch_t* watch, weft_future_t* future) {
  if (future == NULL || weft_future_is_done(future)) {
    return;
  }
  weft_waiter_t* waiter = &watch->waiters[watch->count];
  *waiter = (weft_waiter_t){.callback = wake, .user = &watch->parker};
  watch->futures[watch->count] = future;
  watch->count++;
  weft_future_add_waiter(future, waiter);
}

static void watch_end(watch_t* watch) {
  for (uint32_t i = 0; i < watch->count; i++) {
    weft_future_remove_waiter(watch->futures[i], &watch->waiters[i]);
  }
}

static bool is_cancelled(const weft_future_t* serving) {
  return serving != NULL && weft_future_state(serving) == WEFT_FUTURE_CANCELLED;
}

// Why it was is its own outcome.
static weft_status_t work_cancelled(const weft_future_t* serving) {
  return weft_status_make_caused(WEFT_STATUS_CANCELLED,
                                 weft_status_retain(serving->error),
                                 "the work that waits was cancelled");
}

static weft_status_t too_late(weft_future_t* future, int64_t start_ns) {
  char text[2 * WEFT_CIRCLE_PART_BYTES];
  weft_mutex_t* graph = weft_async_graph_lock(future->runtime);
  weft_mutex_lock(graph);
  weft_circle_describe(future, text, sizeof(text));
  weft_mutex_unlock(graph);
  int64_t waited_ns = weft_runtime_now_ns(future->runtime) - start_ns;
  return weft_status_make(
      WEFT_STATUS_DEADLINE_EXCEEDED, "the %s was not done within %.3f ms",
      text[0] != '\0' ? text : future->class->name, (double)waited_ns / 1e6);
}

static bool is_over(const weft_future_t* future, const weft_future_t* other) {
  return weft_future_is_done(future) ||
         (other != NULL && weft_future_is_done(other));
}

// Parks until an outcome, a cancel or the deadline ends the wait.
static weft_status_t park(weft_future_t* future, weft_future_t* other,
                          weft_future_t* serving, int64_t deadline_ns) {
  watch_t watch;
  weft_parker_init(&watch.parker, future->runtime);
  watch.count = 0;
  watch_add(&watch, future);
  watch_add(&watch, other);
  watch_add(&watch, serving);
  int64_t start_ns = weft_runtime_now_ns(future->runtime);
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK && !is_over(future, other)) {
    status = is_cancelled(serving) ? work_cancelled(serving)
                                   : weft_park(&watch.parker, deadline_ns);
  }
  watch_end(&watch);
  if (status != WEFT_OK && is_over(future, other)) {
    weft_status_release(status);
    return WEFT_OK;
  }
  if (weft_status_code(status) == WEFT_STATUS_DEADLINE_EXCEEDED) {
    weft_status_release(status);
    return too_late(future, start_ns);
  }
  return status;
}

static void work_is_over(weft_waiter_t* waiter, weft_future_t* future) {
  (void)future;
  weft_unpark(waiter->user);
}

weft_status_t weft_park_for_work(weft_parker_t* parker, int64_t deadline_ns) {
  const weft_activity_t* activity = weft_thread_self.activity;
  weft_future_t* serving = activity != NULL ? activity->serving : NULL;
  weft_status_t status = WEFT_OK;
  if (serving == NULL) {
    return weft_park(parker, deadline_ns);
  }
  weft_waiter_t waiter = {.callback = work_is_over, .user = parker};
  bool is_waited_for = !weft_future_is_done(serving);
  if (is_waited_for) {
    weft_future_add_waiter(serving, &waiter);
  }
  // It may have been cancelled before this began to wait.
  if (!is_cancelled(serving)) {
    status = weft_park(parker, deadline_ns);
  }
  if (is_waited_for) {
    weft_future_remove_waiter(serving, &waiter);
  }
  return status == WEFT_OK && is_cancelled(serving) ? work_cancelled(serving)
                                                    : status;
}

// Notes what the activity waits for, unless that closes a circle.
static weft_status_t enter_graph(weft_activity_t* activity,
                                 weft_future_t* future, int64_t deadline_ns) {
  weft_circle_t circle;
  weft_circle_init(&circle, activity, NULL);
  weft_mutex_t* graph = weft_async_graph_lock(future->runtime);
  weft_mutex_lock(graph);
  bool is_circle = weft_circle_search(&circle, future);
  if (!is_circle) {
    activity->waiting_for = future;
    activity->waits_for_ever = deadline_ns == WEFT_TIME_INFINITE;
    activity->wait_number++;
  }
  weft_mutex_unlock(graph);
  weft_circle_notice(&circle);
  return is_circle ? weft_circle_status(&circle, "the wait") : WEFT_OK;
}

static void leave_graph(weft_activity_t* activity, weft_runtime_t* runtime) {
  weft_mutex_t* graph = weft_async_graph_lock(runtime);
  weft_mutex_lock(graph);
  activity->waiting_for = NULL;
  weft_mutex_unlock(graph);
}

// True on a worker of another runtime than the future's.
static bool is_foreign(const weft_future_t* future) {
  const weft_pool_thread_t* thread = weft_thread_self.pool_thread;
  return thread != NULL && thread->pool->runtime != future->runtime;
}

static weft_status_t wait_pending(weft_future_t* future, weft_future_t* other,
                                  int64_t deadline_ns) {
  weft_activity_t* activity = weft_thread_self.activity;
  if (activity == NULL) {
    // Nothing points to this thread, so it is part of no circle.
    return park(future, other, NULL, deadline_ns);
  }
  if (is_foreign(future)) {
    // The graphs of two runtimes are two, each with a lock of its own.
    return park(future, other, activity->serving, deadline_ns);
  }
  WEFT_RETURN_IF_ERROR(enter_graph(activity, future, deadline_ns));
  weft_status_t status = park(future, other, activity->serving, deadline_ns);
  leave_graph(activity, future->runtime);
  return status;
}

static weft_status_t check(weft_future_t* future, int64_t deadline_ns) {
  const weft_activity_t* activity = weft_thread_self.activity;
  if (activity != NULL && is_cancelled(activity->serving)) {
    return work_cancelled(activity->serving);
  }
  if (weft_runtime_is_gone(future->runtime)) {
    return weft_future_runtime_gone();
  }
  if (deadline_ns != WEFT_TIME_INFINITE &&
      deadline_ns <= weft_runtime_now_ns(future->runtime)) {
    // Whoever asks again and again, without waiting, is not to pay for more.
    return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                            "the %s was not done by the deadline",
                            future->class->name);
  }
  return WEFT_OK;
}

weft_status_t weft_future_wait_either(weft_future_t* future,
                                      weft_future_t* other,
                                      int64_t deadline_ns) {
  int64_t work_deadline_ns = weft_work_deadline_ns();
  if (work_deadline_ns < deadline_ns) {
    deadline_ns = work_deadline_ns;
  }
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK && !is_over(future, other)) {
    // What this thread has completed, and still has to tell, might be what
    // the wait is for.
    weft_future_flush();
    status = check(future, deadline_ns);
    if (status != WEFT_OK) {
      break;
    }
    if (weft_future_state(future) == WEFT_FUTURE_LAZY) {
      status = future->class->run(future, deadline_ns);
    } else {
      status = wait_pending(future, other, deadline_ns);
    }
  }
  if (status != WEFT_OK && is_over(future, other)) {
    weft_status_release(status);
    return WEFT_OK;
  }
  return status;
}

weft_status_t weft_future_wait(weft_future_t* future, int64_t deadline_ns) {
  return weft_word_is_done(weft_future_word(future))
             ? WEFT_OK
             : weft_future_wait_either(future, NULL, deadline_ns);
}

static __attribute__((noinline)) weft_status_t get_slow(
    weft_future_t* future, int64_t deadline_ns, weft_value_t* out_value) {
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_future_wait(future, deadline_ns));
  weft_status_t status = weft_future_result(future, out_value);
  weft_value_retain(*out_value);
  return status;
}

// A call of its own, so that the usual way needs no stack.
static __attribute__((noinline)) weft_status_t get_counted(weft_value_t value) {
  weft_value_retain(value);
  return WEFT_OK;
}

weft_status_t weft_future_get(weft_future_t* future, int64_t deadline_ns,
                              weft_value_t* out_value) {
  if (weft_word_state(weft_future_word(future)) != WEFT_FUTURE_READY) {
    return get_slow(future, deadline_ns, out_value);
  }
  // Copied as two words, as `weft_promise_set` stored them; see
  // `weft_value_head`.
  uint64_t words[2];
  memcpy(words, &future->value, sizeof(words));
  memcpy(out_value, words, sizeof(words));
  return words[0] < WEFT_KIND_STRING ? WEFT_OK : get_counted(*out_value);
}

// --- The work at hand -------------------------------------------------------

int64_t weft_work_deadline_ns(void) {
  const weft_activity_t* activity = weft_thread_self.activity;
  return activity != NULL ? activity->deadline_ns : WEFT_TIME_INFINITE;
}

bool weft_work_is_cancelled(void) {
  const weft_activity_t* activity = weft_thread_self.activity;
  return activity != NULL && is_cancelled(activity->serving);
}
