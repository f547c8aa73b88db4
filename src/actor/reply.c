// SPDX-License-Identifier: Apache-2.0

#include "actor/reply.h"

#include "async/future_create.h"

// --- The kinds --------------------------------------------------------------

static const weft_future_class_t reply_class = {
    .name = "call",
    .size_bytes = sizeof(weft_future_t),
};

static void destroy_reply(weft_object_t* object) {
  weft_future_destroy_sized(object, sizeof(weft_future_t));
}

static const weft_object_vtable_t reply_vtable = {
    .destroy = destroy_reply,
    .kind = WEFT_KIND_FUTURE,
};

typedef struct timed_reply {
  weft_future_t future;
  // Holds a reference while it is armed.
  weft_timer_t timer;
  // Stops the timer when there is an outcome.
  weft_waiter_t on_outcome;
  // Among the layer's timed replies; guarded by its lock.
  weft_dlist_node_t node;
  // Whoever sets it back stops the timer, and while it is set the layer is
  // there.
  _Atomic bool is_armed;
  // For the message when the deadline passes.
  const char* class_name;
  const char* endpoint_name;
  uint32_t index;
  int64_t timeout_ns;
} timed_reply_t;

static const weft_future_class_t timed_reply_class = {
    .name = "call",
    .size_bytes = sizeof(timed_reply_t),
};

// --- Deadlines --------------------------------------------------------------

// True for one caller, who stops the timer.
static bool claim_timer(timed_reply_t* reply) {
  // Acquire-release: pairs with itself; the layer goes after the last one.
  return atomic_exchange_explicit(&reply->is_armed, false,
                                  memory_order_acq_rel);
}

static void unlist(weft_actor_layer_t* layer, timed_reply_t* reply) {
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_remove(&reply->node);
  weft_mutex_unlock(&layer->timed_lock);
}

static void outcome_came(weft_waiter_t* waiter, weft_future_t* future) {
  timed_reply_t* reply = WEFT_CONTAINER_OF(waiter, timed_reply_t, on_outcome);
  if (!claim_timer(reply)) {
    return;
  }
  bool was_to_come = weft_timer_stop(&reply->timer);
  unlist(weft_actor_layer_of(future->runtime), reply);
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
  timed_reply_t* reply = user;
  expire(&reply->future,
         weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                          "no answer from %s.%s of actor #%u within %.3f ms",
                          reply->class_name, reply->endpoint_name, reply->index,
                          (double)reply->timeout_ns / 1e6));
  weft_future_release(&reply->future);
}

// Lists a new reply and starts its timer; both, or neither. The layer may be
// stopped at the same time, which takes what is listed.
static weft_status_t arm(weft_actor_layer_t* layer, timed_reply_t* reply,
                         int64_t deadline_ns) {
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_append(&layer->timed_replies, &reply->node);
  weft_mutex_unlock(&layer->timed_lock);
  weft_status_t status = weft_timer_start(
      layer->runtime, &reply->timer, deadline_ns, 0, deadline_passed, reply);
  // Acquire: pairs with the exchange of whoever stops the layer.
  if (status != WEFT_OK) {
    if (claim_timer(reply)) {
      unlist(layer, reply);
    }
    weft_future_release(&reply->future);
  } else if (!atomic_load_explicit(&reply->is_armed, memory_order_acquire) &&
             weft_timer_stop(&reply->timer)) {
    // It was to be stopped before it had started.
    weft_future_release(&reply->future);
  }
  return status;
}

static weft_status_t create_timed(weft_actor_entry_t* entry,
                                  const weft_endpoint_t* endpoint,
                                  int64_t deadline_ns,
                                  weft_future_t** out_reply) {
  weft_runtime_t* runtime = entry->layer->runtime;
  // For the caller, the message, and the timer.
  weft_future_t* future = weft_future_allocate(runtime, &timed_reply_class, 3);
  if (future == NULL) {
    return weft_future_no_memory("call");
  }
  timed_reply_t* reply = (timed_reply_t*)(void*)future;
  future->producer = &entry->activity;
  // Whoever stops the layer may stop the timer while it is started, and reads
  // this before it has the timers' lock.
  reply->timer = (weft_timer_t){.runtime = runtime};
  reply->class_name = weft_entry_class(entry)->name;
  reply->endpoint_name = endpoint->name;
  reply->index = entry->index;
  int64_t left_ns = deadline_ns - weft_runtime_now_ns(runtime);
  reply->timeout_ns = left_ns > 0 ? left_ns : 0;
  atomic_init(&reply->is_armed, true);
  weft_status_t status = arm(entry->layer, reply, deadline_ns);
  if (status != WEFT_OK) {
    weft_future_release(future);
    weft_future_release(future);
    return status;
  }
  reply->on_outcome.callback = outcome_came;
  weft_future_add_waiter(future, &reply->on_outcome);
  *out_reply = future;
  return WEFT_OK;
}

weft_status_t weft_reply_create(weft_actor_entry_t* entry,
                                const weft_endpoint_t* endpoint,
                                int64_t deadline_ns,
                                weft_future_t** out_reply) {
  *out_reply = NULL;
  if (deadline_ns != WEFT_TIME_INFINITE) {
    return create_timed(entry, endpoint, deadline_ns, out_reply);
  }
  weft_future_t* future =
      weft_future_allocate_sized(entry->layer->runtime, &reply_class,
                                 &reply_vtable, 2, sizeof(weft_future_t));
  if (future == NULL) {
    return weft_future_no_memory("call");
  }
  future->producer = &entry->activity;
  *out_reply = future;
  return WEFT_OK;
}

void weft_reply_discard(weft_future_t* reply) {
  // Ends the timer, and what ties it to a parent.
  weft_future_cancel(reply);
  weft_future_release(reply);
  weft_future_release(reply);
}

// Some reply whose timer is not stopped yet, with a reference; NULL when there
// is none. `out_is_empty` tells whether nobody is about to stop one either.
static timed_reply_t* find_timed(weft_actor_layer_t* layer,
                                 bool* out_is_empty) {
  timed_reply_t* found = NULL;
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_t* list = &layer->timed_replies;
  for (weft_dlist_node_t* node = weft_dlist_first(list);
       node != NULL && found == NULL; node = weft_dlist_next(list, node)) {
    timed_reply_t* reply = WEFT_CONTAINER_OF(node, timed_reply_t, node);
    // Relaxed: a hint. What is listed is alive: whoever takes it off holds it.
    if (atomic_load_explicit(&reply->is_armed, memory_order_relaxed)) {
      weft_future_retain(&reply->future);
      found = reply;
    }
  }
  *out_is_empty = weft_dlist_is_empty(list);
  weft_mutex_unlock(&layer->timed_lock);
  return found;
}

void weft_reply_stop_timers(weft_actor_layer_t* layer) {
  bool is_empty = false;
  while (!is_empty) {
    timed_reply_t* reply = find_timed(layer, &is_empty);
    if (reply != NULL && claim_timer(reply)) {
      if (weft_timer_stop(&reply->timer)) {
        weft_future_release(&reply->future);
      }
      unlist(layer, reply);
    } else if (!is_empty) {
      // Some thread is between the claim and the list.
      weft_sys_yield();
    }
    weft_future_release(reply != NULL ? &reply->future : NULL);
  }
}

// --- Calls made while a call is served --------------------------------------

// Ties a child's reply to its parent's. It has three parties: whoever sets it
// up, and the two callbacks; the last one frees it. The first callback to run
// takes the other one back.
typedef struct tie {
  weft_waiter_t on_parent;
  weft_waiter_t on_child;
  // A reference to each.
  weft_future_t* parent;
  weft_future_t* child;
  _Atomic uint32_t parties;
  _Atomic bool is_claimed;
} tie_t;

static void drop_party(tie_t* tie) {
  // Acquire-release: what the other parties did comes before the end.
  if (atomic_fetch_sub_explicit(&tie->parties, 1, memory_order_acq_rel) > 1) {
    return;
  }
  // The parent may be another runtime's.
  weft_slab_t* slab = tie->child->runtime->slab;
  weft_future_t* parent = tie->parent;
  weft_future_t* child = tie->child;
  weft_slab_free(slab, tie, sizeof(*tie));
  // Last: the runtime may go with the last future.
  weft_future_release(parent);
  weft_future_release(child);
}

// True for the first callback.
static bool claim(tie_t* tie) {
  // Relaxed: it only chooses one; the futures' own locks order the rest.
  return !atomic_exchange_explicit(&tie->is_claimed, true,
                                   memory_order_relaxed);
}

static void parent_ended(weft_waiter_t* waiter, weft_future_t* parent) {
  tie_t* tie = WEFT_CONTAINER_OF(waiter, tie_t, on_parent);
  if (claim(tie)) {
    if (weft_future_state(parent) == WEFT_FUTURE_CANCELLED) {
      weft_future_cancel(tie->child);
    }
    if (weft_future_remove_waiter(tie->child, &tie->on_child)) {
      drop_party(tie);
    }
  }
  drop_party(tie);
}

static void child_ended(weft_waiter_t* waiter, weft_future_t* child) {
  (void)child;
  tie_t* tie = WEFT_CONTAINER_OF(waiter, tie_t, on_child);
  if (claim(tie) && weft_future_remove_waiter(tie->parent, &tie->on_parent)) {
    drop_party(tie);
  }
  drop_party(tie);
}

weft_status_t weft_reply_follow(weft_future_t* reply, weft_future_t* parent) {
  if (weft_future_is_done(parent) &&
      weft_future_state(parent) != WEFT_FUTURE_CANCELLED) {
    return WEFT_OK;
  }
  tie_t* tie = weft_slab_allocate(reply->runtime->slab, sizeof(*tie));
  if (tie == NULL) {
    return weft_future_no_memory("call made by a call");
  }
  tie->on_parent = (weft_waiter_t){.callback = parent_ended};
  tie->on_child = (weft_waiter_t){.callback = child_ended};
  tie->parent = weft_future_retain(parent);
  tie->child = weft_future_retain(reply);
  atomic_init(&tie->parties, 3);
  atomic_init(&tie->is_claimed, false);
  weft_future_add_waiter(reply, &tie->on_child);
  weft_future_add_waiter(parent, &tie->on_parent);
  drop_party(tie);
  return WEFT_OK;
}
