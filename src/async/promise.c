// SPDX-License-Identifier: Apache-2.0
//
// The producer's end of a future. It is the future itself, under another
// name; what is built in the slot is the promise's own until it is published.
//
// A promise that was forwarded hands its duty to a link, which follows the
// source and completes the promise's future:
//
//   future --blocked_on--> link --source--> source
//      ^---------target------'

#include "async/circle.h"
#include "async/future_create.h"
#include "async/future_link.h"
#include "base/container.h"

typedef struct forwarding {
  weft_link_t link;
  // Held by the party, as the source is.
  weft_future_t* target;
} forwarding_t;

static weft_future_t* future_of(weft_promise_t* promise) {
  return (weft_future_t*)(void*)promise;
}

static bool is_forwarded(const weft_future_t* future) {
  return (weft_future_word(future) & WEFT_FUTURE_FORWARDED) != 0;
}

static weft_status_t already_done(const weft_future_t* future) {
  bool is_cancelled = weft_future_state(future) == WEFT_FUTURE_CANCELLED;
  return weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                          is_cancelled ? "the future was cancelled"
                                       : "the promise has been kept before");
}

// --- Forwarding -------------------------------------------------------------

// Whoever completes the target drops its hold on the forwarding: the source's
// callback here, or else whoever cancels the target.
static void complete_target(forwarding_t* forwarding, weft_future_t* source) {
  weft_status_t error = weft_status_retain(source->error);
  weft_value_t value = weft_value_retain(weft_future_outcome(source));
  if (weft_future_complete(forwarding->target, error, value)) {
    weft_future_release(&forwarding->link.future);
  }
  weft_future_release(forwarding->target);
}

static void source_is_done(weft_waiter_t* waiter, weft_future_t* source) {
  forwarding_t* forwarding =
      WEFT_CONTAINER_OF(waiter, forwarding_t, link.waiter);
  complete_target(forwarding, source);
  weft_future_complete_owned(&forwarding->link.future, WEFT_OK, weft_none());
  weft_future_release(source);
}

static void end_party(weft_link_t* link) {
  forwarding_t* forwarding = (forwarding_t*)(void*)link;
  weft_future_release(link->source);
  weft_future_release(forwarding->target);
  weft_future_release(&link->future);
}

static void forwarding_cancelled(weft_future_t* future) {
  weft_link_cancelled((weft_link_t*)(void*)future, end_party);
}

static const weft_future_class_t forwarding_class = {
    .name = "forwarding",
    .size_bytes = sizeof(forwarding_t),
    .cancelling = weft_link_cancelling,
    .cancelled = forwarding_cancelled,
    .source = weft_link_source,
};

// Ties target and source together, unless that closes a circle.
static weft_status_t tie(weft_future_t* target, forwarding_t* forwarding) {
  weft_circle_t circle;
  weft_circle_init(&circle, NULL, target);
  weft_mutex_t* graph = weft_async_graph_lock(target->runtime);
  weft_mutex_lock(graph);
  bool is_circle = weft_circle_search(&circle, forwarding->link.source);
  bool is_gone = false;
  if (!is_circle) {
    uint32_t word = weft_future_lock(target);
    is_gone = weft_word_is_claimed(word);
    if (!is_gone) {
      word |= WEFT_FUTURE_FORWARDED;
      target->blocked_on = &forwarding->link.future;
    }
    weft_future_unlock(target, word);
  }
  weft_mutex_unlock(graph);
  weft_circle_notice(&circle);
  if (is_circle) {
    return weft_circle_status(&circle, "forwarding the promise");
  }
  return is_gone ? already_done(target) : WEFT_OK;
}

static weft_status_t forward_later(weft_future_t* target,
                                   weft_future_t* source) {
  // One reference for the party, one for the target.
  weft_future_t* future =
      weft_future_allocate(target->runtime, &forwarding_class, 2);
  if (future == NULL) {
    return weft_future_no_memory("forwarding");
  }
  forwarding_t* forwarding = (forwarding_t*)(void*)future;
  weft_link_waiter_init(&forwarding->link.waiter, source_is_done);
  forwarding->link.source = weft_future_retain(source);
  forwarding->target = weft_future_retain(target);
  // From here on the slot belongs to whoever completes the target.
  weft_value_t built = target->value;
  target->value = weft_none();
  weft_status_t status = tie(target, forwarding);
  if (status != WEFT_OK) {
    target->value = built;
    weft_future_release(source);
    weft_future_release(target);
    weft_future_free_unshared(future);
    return status;
  }
  weft_value_release(built);
  weft_follow_t follow = weft_link_register(&forwarding->link);
  if (follow == WEFT_FOLLOW_DONE) {
    source_is_done(&forwarding->link.waiter, source);
  } else if (follow == WEFT_FOLLOW_GONE) {
    end_party(&forwarding->link);
  }
  return WEFT_OK;
}

// The source has its outcome, which takes the place of what was built.
static weft_status_t forward_now(weft_future_t* target,
                                 const weft_future_t* source) {
  if (!weft_future_claim(target, WEFT_FUTURE_FORWARDED)) {
    return already_done(target);
  }
  weft_value_t built = target->value;
  target->value = weft_value_retain(weft_future_outcome(source));
  target->error = weft_status_retain(source->error);
  weft_future_finish(target, false);
  weft_value_release(built);
  return WEFT_OK;
}

weft_status_t weft_promise_forward(weft_promise_t* promise,
                                   weft_future_t* source) {
  weft_future_t* target = future_of(promise);
  if (is_forwarded(target) || weft_word_is_claimed(weft_future_word(target))) {
    return already_done(target);
  }
  if (target == source) {
    return weft_status_make(WEFT_STATUS_DEADLOCK,
                            "the promise was forwarded to its own future");
  }
  if (!weft_future_is_done(source)) {
    return weft_runtime_is_gone(target->runtime)
               ? weft_future_runtime_gone()
               : forward_later(target, source);
  }
  return forward_now(target, source);
}

// --- Promises ---------------------------------------------------------------

const weft_future_class_t weft_future_plain_class = {
    .name = "promise",
    .size_bytes = sizeof(weft_future_t),
};

static void plain_destroy(weft_object_t* object) {
  weft_future_destroy_sized(object, sizeof(weft_future_t));
}

static const weft_object_vtable_t plain_vtable = {
    .destroy = plain_destroy,
    .kind = WEFT_KIND_FUTURE,
};

static inline weft_future_t* init_pair(void* block, weft_runtime_t* runtime) {
  return weft_future_init(block, runtime, &weft_future_plain_class,
                          &plain_vtable, 2);
}

static WEFT_UNUSUAL weft_status_t create_unusual(weft_runtime_t* runtime,
                                                 weft_promise_t** out_promise,
                                                 weft_future_t** out_future) {
  void* block = weft_slab_allocate(runtime->slab, sizeof(weft_future_t));
  weft_future_t* future = init_pair(block, runtime);
  *out_promise = (weft_promise_t*)(void*)future;
  *out_future = future;
  return future != NULL ? WEFT_OK : weft_future_no_memory("promise");
}

weft_status_t weft_promise_create(weft_runtime_t* runtime,
                                  weft_promise_t** out_promise,
                                  weft_future_t** out_future) {
  void* block = weft_slab_try_allocate(runtime->slab, sizeof(weft_future_t));
  if (__builtin_expect(block == NULL, 0)) {
    return create_unusual(runtime, out_promise, out_future);
  }
  weft_future_t* future = init_pair(block, runtime);
  *out_promise = (weft_promise_t*)(void*)future;
  *out_future = future;
  return WEFT_OK;
}

// Keeps a promise whose future is claimed, though somebody watches it or
// something was built in the slot.
static WEFT_UNUSUAL weft_status_t set_claimed(weft_future_t* future,
                                              weft_value_t value) {
  weft_value_t built = future->value;
  future->value = value;
  weft_future_finish(future, false);
  weft_value_release(built);
  return WEFT_OK;
}

static WEFT_UNUSUAL weft_status_t set_unusual(weft_future_t* future,
                                              weft_value_t value) {
  if (weft_future_claim_slow(future, WEFT_FUTURE_FORWARDED)) {
    return set_claimed(future, value);
  }
  weft_value_release(value);
  return already_done(future);
}

weft_status_t weft_promise_set(weft_promise_t* promise, weft_value_t value) {
  weft_future_t* future = future_of(promise);
  if (!weft_future_claim_pending(future)) {
    return set_unusual(future, value);
  }
  if (!weft_future_is_unwatched(future) ||
      weft_value_head(&future->value) != WEFT_KIND_NONE) {
    return set_claimed(future, value);
  }
  future->value = value;
  weft_future_unlock(future, WEFT_FUTURE_READY);
  return WEFT_OK;
}

weft_status_t weft_promise_fail(weft_promise_t* promise, weft_status_t status) {
  weft_future_t* future = future_of(promise);
  if (status == WEFT_OK) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a promise fails with an error, not with OK");
  }
  if (is_forwarded(future)) {
    weft_status_release(status);
    return already_done(future);
  }
  return weft_future_complete(future, status, weft_none())
             ? WEFT_OK
             : already_done(future);
}

weft_value_t* weft_promise_slot(weft_promise_t* promise) {
  return &future_of(promise)->value;
}

weft_status_t weft_promise_publish(weft_promise_t* promise) {
  weft_future_t* future = future_of(promise);
  if (!weft_future_claim(future, WEFT_FUTURE_FORWARDED)) {
    return already_done(future);
  }
  weft_future_finish(future, false);
  return WEFT_OK;
}

bool weft_promise_is_cancelled(const weft_promise_t* promise) {
  const weft_future_t* future = (const weft_future_t*)(const void*)promise;
  return weft_future_state(future) == WEFT_FUTURE_CANCELLED;
}

// Ends a promise whose future has no value, or had none yet.
static WEFT_UNUSUAL void release_unkept(weft_future_t* future) {
  uint32_t word = weft_future_word(future);
  bool is_kept = weft_word_state(word) == WEFT_FUTURE_READY ||
                 (word & WEFT_FUTURE_FORWARDED) != 0;
  if (!is_kept && !weft_word_is_done(word)) {
    weft_future_complete(
        future,
        weft_status_make(WEFT_STATUS_ABANDONED,
                         "the promise was released before it was kept"),
        weft_none());
  }
  if (!is_kept) {
    // Beside an error the slot is still the promise's own.
    weft_value_t built = future->value;
    future->value = weft_none();
    weft_value_release(built);
  }
  weft_object_release(&future->object);
}

void weft_promise_release(weft_promise_t* promise) {
  if (promise == NULL) {
    return;
  }
  weft_future_t* future = future_of(promise);
  if (weft_word_state(weft_future_word(future)) == WEFT_FUTURE_READY) {
    weft_object_release(&future->object);
  } else {
    release_unkept(future);
  }
}
