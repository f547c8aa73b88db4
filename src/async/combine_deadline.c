// SPDX-License-Identifier: Apache-2.0
//
// `with_deadline`: a link and a timer, of which the first completes the
// future and calls the other off. Each is a party with its own references to
// the future and to the source. Neither waits for the other while it might be
// waited for: the timer's callback only tries to take the waiter back.

#include <string.h>

#include "async/async_internal.h"
#include "async/future_link.h"
#include "base/container.h"

typedef struct timed {
  weft_link_t link;
  weft_timer_t timer;
} timed_t;

static void end_party(weft_link_t* link) {
  weft_object_release(&link->source->object);
  weft_object_release(&link->future.object);
}

static void stop_timer(timed_t* timed) {
  // Those of a runtime that is gone have all run.
  if (!weft_runtime_is_gone(timed->link.future.runtime) &&
      weft_timer_stop(&timed->timer)) {
    end_party(&timed->link);
  }
}

static void timed_cancelled(weft_future_t* future) {
  timed_t* timed = (timed_t*)(void*)future;
  weft_link_cancelled(&timed->link, end_party);
  stop_timer(timed);
}

static void source_is_done(weft_waiter_t* waiter, weft_future_t* source) {
  timed_t* timed = WEFT_CONTAINER_OF(waiter, timed_t, link.waiter);
  weft_future_complete(&timed->link.future, weft_status_retain(source->error),
                       weft_value_retain(weft_future_outcome(source)));
  stop_timer(timed);
  end_party(&timed->link);
}

static weft_status_t too_late(void) {
  return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                          "the source was not done by the deadline");
}

static weft_status_t closed(void) {
  return weft_status_make(WEFT_STATUS_CLOSED,
                          "the runtime stopped before the deadline");
}

static void time_is_up(weft_timer_t* timer, void* user) {
  timed_t* timed = user;
  weft_link_t* link = &timed->link;
  bool is_late =
      weft_runtime_now_ns(link->future.runtime) >= timer->deadline_ns;
  weft_future_complete(&link->future, is_late ? too_late() : closed(),
                       weft_none());
  if (weft_future_take_waiter(link->source, &link->waiter)) {
    end_party(link);
  }
  end_party(link);
}

static const weft_future_class_t timed_class = {
    .name = "with_deadline",
    .size_bytes = sizeof(timed_t),
    .cancelling = weft_link_cancelling,
    .cancelled = timed_cancelled,
    // No `source`: it ends by itself, so it closes no circle.
};

// Follows the source. The timer may be running already.
static void follow_source(timed_t* timed) {
  switch (weft_link_register(&timed->link)) {
    case WEFT_FOLLOW_DONE:
      source_is_done(&timed->link.waiter, timed->link.source);
      break;
    case WEFT_FOLLOW_GONE:
      end_party(&timed->link);
      break;
    case WEFT_FOLLOWS:
      break;
  }
}

static weft_status_t follow_until(weft_future_t* source, int64_t deadline_ns,
                                  weft_future_t** out_future) {
  bool has_timer = deadline_ns != WEFT_TIME_INFINITE;
  // References of the caller, of the link, and of the timer.
  weft_future_t* future =
      weft_future_allocate(source->runtime, &timed_class, has_timer ? 3 : 2);
  if (future == NULL) {
    return weft_future_no_memory("with_deadline");
  }
  timed_t* timed = (timed_t*)(void*)future;
  weft_link_waiter_init(&timed->link.waiter, source_is_done);
  timed->link.source = weft_future_retain(source);
  memset(&timed->timer, 0, sizeof(timed->timer));
  if (has_timer) {
    weft_object_retain(&source->object);
    weft_status_t status =
        weft_timers_start_bound(&weft_async_of(source->runtime)->timers,
                                &timed->timer, deadline_ns, time_is_up, timed);
    if (status != WEFT_OK) {
      weft_future_release(source);
      weft_future_release(source);
      weft_future_free_unshared(future);
      return status;
    }
  }
  *out_future = future;
  follow_source(timed);
  return WEFT_OK;
}

weft_status_t weft_future_with_deadline(weft_future_t* future,
                                        int64_t deadline_ns,
                                        weft_future_t** out_future) {
  *out_future = NULL;
  weft_runtime_t* runtime = future->runtime;
  if (!weft_future_is_done(future) && weft_runtime_is_gone(runtime)) {
    return weft_future_runtime_gone();
  }
  if (!weft_future_is_done(future) && deadline_ns != WEFT_TIME_INFINITE &&
      deadline_ns <= weft_runtime_now_ns(runtime)) {
    return weft_future_from_status(runtime, too_late(), out_future);
  }
  if (weft_future_is_done(future)) {
    deadline_ns = WEFT_TIME_INFINITE;
  }
  return follow_until(future, deadline_ns, out_future);
}
