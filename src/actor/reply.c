// SPDX-License-Identifier: Apache-2.0

#include "actor/reply.h"

#include "actor/timed.h"
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
  weft_timed_t timed;
  // For the message when the deadline passes.
  const char* class_name;
  const char* endpoint_name;
  uint32_t index;
} timed_reply_t;

static const weft_future_class_t timed_reply_class = {
    .name = "call",
    .size_bytes = sizeof(timed_reply_t),
};

static weft_status_t no_answer(const weft_timed_t* timed) {
  const timed_reply_t* reply =
      WEFT_CONST_CONTAINER_OF(timed, timed_reply_t, timed);
  return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                          "no answer from %s.%s of actor #%u within %.3f ms",
                          reply->class_name, reply->endpoint_name, reply->index,
                          (double)timed->timeout_ns / 1e6);
}

static weft_status_t create_timed(weft_actor_entry_t* entry,
                                  const weft_endpoint_t* endpoint,
                                  int64_t deadline_ns,
                                  weft_future_t** out_reply) {
  // For the caller and the message.
  weft_future_t* future =
      weft_future_allocate(entry->layer->runtime, &timed_reply_class, 2);
  if (future == NULL) {
    return weft_future_no_memory("call");
  }
  timed_reply_t* reply = (timed_reply_t*)(void*)future;
  future->producer = &entry->activity;
  reply->class_name = weft_entry_class(entry)->name;
  reply->endpoint_name = endpoint->name;
  reply->index = entry->index;
  weft_status_t status =
      weft_timed_start(&reply->timed, future, deadline_ns, no_answer);
  if (status != WEFT_OK) {
    weft_future_release(future);
    weft_future_release(future);
    return status;
  }
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
