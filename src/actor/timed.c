// SPDX-License-Identifier: Apache-2.0

#include "actor/timed.h"

#include "async/future_create.h"

// True for one caller, who stops the timer.
static bool claim_timer(weft_timed_t* timed) {
  // Acquire-release: pairs with itself; the layer goes after the last one.
  return atomic_exchange_explicit(&timed->is_armed, false,
                                  memory_order_acq_rel);
}

static void unlist(weft_actor_layer_t* layer, weft_timed_t* timed) {
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_remove(&timed->node);
  weft_mutex_unlock(&layer->timed_lock);
}

static void outcome_came(weft_waiter_t* waiter, weft_future_t* future) {
  weft_timed_t* timed = WEFT_CONTAINER_OF(waiter, weft_timed_t, on_outcome);
  if (!claim_timer(timed)) {
    return;
  }
  bool was_to_come = weft_timer_stop(&timed->timer);
  unlist(weft_actor_layer_of(future->runtime), timed);
  if (was_to_come) {
    weft_future_release(future);
  }
}

// Completes a reply in place of whoever holds its promise, as cancelling does:
// a promise that was forwarded lets go of its source. Owns: takes `error` over.
static void expire(weft_future_t* future, weft_status_t error) {
  if (!weft_future_claim(future, 0)) {
    weft_status_release(error);
    return;
  }
  // Relaxed: the holder of LOCK reads what only holders of LOCK change.
  uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
  future->error = error;
  weft_future_finish(future, false);
  if ((word & WEFT_FUTURE_FORWARDED) != 0) {
    weft_future_cancel(future->blocked_on);
    weft_future_release(future->blocked_on);
  }
}

static void deadline_passed(weft_timer_t* timer, void* user) {
  (void)timer;
  weft_timed_t* timed = user;
  weft_future_t* future = timed->future;
  expire(future, timed->late(timed));
  weft_future_release(future);
}

// Lists a new reply and starts its timer; both, or neither. The layer may be
// stopped at the same time, which takes what is listed.
static weft_status_t arm(weft_actor_layer_t* layer, weft_timed_t* timed,
                         int64_t deadline_ns) {
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_append(&layer->timed_replies, &timed->node);
  weft_mutex_unlock(&layer->timed_lock);
  weft_status_t status = weft_timer_start(
      layer->runtime, &timed->timer, deadline_ns, 0, deadline_passed, timed);
  // Acquire: pairs with the exchange of whoever stops the layer.
  if (status != WEFT_OK) {
    if (claim_timer(timed)) {
      unlist(layer, timed);
    }
    weft_future_release(timed->future);
  } else if (!atomic_load_explicit(&timed->is_armed, memory_order_acquire) &&
             weft_timer_stop(&timed->timer)) {
    // It was to be stopped before it had started.
    weft_future_release(timed->future);
  }
  return status;
}

weft_status_t weft_timed_start(weft_timed_t* timed, weft_future_t* future,
                               int64_t deadline_ns,
                               weft_status_t (*late)(const weft_timed_t*)) {
  weft_runtime_t* runtime = future->runtime;
  timed->future = weft_future_retain(future);
  // Whoever stops the layer may stop the timer while it is started, and reads
  // this before it has the timers' lock.
  timed->timer = (weft_timer_t){.runtime = runtime};
  timed->late = late;
  int64_t left_ns = deadline_ns - weft_runtime_now_ns(runtime);
  timed->timeout_ns = left_ns > 0 ? left_ns : 0;
  atomic_init(&timed->is_armed, true);
  WEFT_RETURN_IF_ERROR(arm(weft_actor_layer_of(runtime), timed, deadline_ns));
  timed->on_outcome.callback = outcome_came;
  weft_future_add_waiter(future, &timed->on_outcome);
  return WEFT_OK;
}

// Some reply whose timer is not stopped yet, with a reference; NULL when there
// is none. `out_is_empty` tells whether nobody is about to stop one either.
static weft_timed_t* find_timed(weft_actor_layer_t* layer, bool* out_is_empty) {
  weft_timed_t* found = NULL;
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_t* list = &layer->timed_replies;
  for (weft_dlist_node_t* node = weft_dlist_first(list);
       node != NULL && found == NULL; node = weft_dlist_next(list, node)) {
    weft_timed_t* timed = WEFT_CONTAINER_OF(node, weft_timed_t, node);
    // Relaxed: a hint. What is listed is alive: whoever takes it off holds it.
    if (atomic_load_explicit(&timed->is_armed, memory_order_relaxed)) {
      weft_future_retain(timed->future);
      found = timed;
    }
  }
  *out_is_empty = weft_dlist_is_empty(list);
  weft_mutex_unlock(&layer->timed_lock);
  return found;
}

void weft_timed_stop_all(weft_actor_layer_t* layer) {
  bool is_empty = false;
  while (!is_empty) {
    weft_timed_t* timed = find_timed(layer, &is_empty);
    if (timed != NULL && claim_timer(timed)) {
      if (weft_timer_stop(&timed->timer)) {
        weft_future_release(timed->future);
      }
      unlist(layer, timed);
    } else if (!is_empty) {
      // Some thread is between the claim and the list.
      weft_sys_yield();
    }
    weft_future_release(timed != NULL ? timed->future : NULL);
  }
}
