// SPDX-License-Identifier: Apache-2.0
//
// A future's life: made, completed or cancelled, looked at, freed.

#include <stdio.h>

#include "async/future_create.h"
#include "async/future_link.h"

// Of the name of what is cancelled. Units: bytes.
#define CANCELLED_BYTES 160

// The word holds the state of the public header in its low bits.
_Static_assert(WEFT_FUTURE_CANCELLED <= WEFT_FUTURE_STATE, "states fit");
_Static_assert(sizeof(weft_future_t) <= 128, "a future is two cache lines");

// Futures that wait to be freed on this thread, while one is being freed.
typedef struct graveyard {
  bool is_open;
  weft_future_t* first;
} graveyard_t;

static _Thread_local graveyard_t graveyard;

// --- Freeing ----------------------------------------------------------------

static void free_block(weft_future_t* future) {
  const weft_future_class_t* class = future->class;
  size_t size_bytes = class->size_bytes;
  if (class->item_bytes != 0) {
    size_bytes += (size_t) class->item_bytes * future->object.extra;
  }
  weft_slab_free(future->runtime->slab, future, size_bytes);
}

// Everything promised ends: hooks of a lazy future that nobody waited for
// hear that nobody ever will.
static void abandon_hooks(weft_future_t* future) {
  weft_hook_t* hook = future->hooks;
  future->hooks = NULL;
  weft_hook_t* ordered = NULL;
  while (hook != NULL) {
    weft_hook_t* next = hook->next;
    hook->next = ordered;
    ordered = hook;
    hook = next;
  }
  weft_status_t status = weft_status_make(
      WEFT_STATUS_ABANDONED, "the %s was released before anybody waited for it",
      future->class->name);
  while (ordered != NULL) {
    hook = ordered;
    ordered = hook->next;
    hook->callback(hook, status, weft_none());
  }
  weft_status_release(status);
}

static void bury(weft_future_t* future) {
  if (future->class->deinit != NULL) {
    future->class->deinit(future);
  }
  weft_value_release(future->value);
  weft_status_release(future->error);
  free_block(future);
}

// A chain of futures that hold one another may be of any length, so what is
// freed in turn is not freed by recursion.
void weft_future_destroy(weft_object_t* object) {
  weft_future_t* future = (weft_future_t*)(void*)object;
  if (future->hooks != NULL) {
    abandon_hooks(future);
  }
  future->next = graveyard.first;
  graveyard.first = future;
  if (graveyard.is_open) {
    return;
  }
  graveyard.is_open = true;
  while (graveyard.first != NULL) {
    future = graveyard.first;
    graveyard.first = future->next;
    bury(future);
  }
  graveyard.is_open = false;
}

// --- Making -----------------------------------------------------------------

const weft_object_vtable_t weft_future_vtable = {
    .destroy = weft_future_destroy,
    .kind = WEFT_KIND_FUTURE,
};

weft_future_t* weft_future_allocate(weft_runtime_t* runtime,
                                    const weft_future_class_t* class,
                                    uint32_t references) {
  return weft_future_allocate_sized(runtime, class, &weft_future_vtable,
                                    references, class->size_bytes);
}

weft_future_t* weft_future_allocate_items(weft_runtime_t* runtime,
                                          const weft_future_class_t* class,
                                          uint32_t references,
                                          uint32_t item_count) {
  // No overflow: both factors have 32 bits, the sum is a size of 64.
  size_t size_bytes =
      class->size_bytes + (size_t) class->item_bytes * item_count;
  weft_future_t* future = weft_future_allocate_sized(
      runtime, class, &weft_future_vtable, references, size_bytes);
  if (future != NULL) {
    future->object.extra = item_count;
  }
  return future;
}

void weft_future_free_unshared(weft_future_t* future) {
  free_block(future);
}

weft_status_t weft_future_no_memory(const char* what) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory for a %s",
                          what);
}

weft_status_t weft_future_runtime_gone(void) {
  return weft_status_make(WEFT_STATUS_CLOSED,
                          "the runtime of this future was destroyed");
}

// --- Complete from the start ------------------------------------------------

static weft_status_t create_done(weft_runtime_t* runtime, weft_status_t error,
                                 weft_value_t value,
                                 weft_future_t** out_future) {
  weft_future_t* future =
      weft_future_allocate(runtime, &weft_future_plain_class, 1);
  if (future == NULL) {
    weft_status_release(error);
    weft_value_release(value);
    return weft_future_no_memory("future");
  }
  future->error = error;
  future->value = value;
  // Nobody else sees the future yet; whoever is given it is synchronised.
  atomic_init(&future->state, weft_future_final_state(error));
  *out_future = future;
  return WEFT_OK;
}

weft_status_t weft_future_from_value(weft_runtime_t* runtime,
                                     weft_value_t value,
                                     weft_future_t** out_future) {
  *out_future = NULL;
  return create_done(runtime, WEFT_OK, value, out_future);
}

weft_status_t weft_future_from_status(weft_runtime_t* runtime,
                                      weft_status_t status,
                                      weft_future_t** out_future) {
  *out_future = NULL;
  if (status == WEFT_OK) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a future of an error needs an error, not OK");
  }
  return create_done(runtime, status, weft_none(), out_future);
}

weft_status_t weft_chain_ready(weft_runtime_t* runtime,
                               weft_future_t** out_chain) {
  return weft_future_from_value(runtime, weft_none(), out_chain);
}

// --- Handles and values -----------------------------------------------------

weft_future_t* weft_future_retain(weft_future_t* future) {
  weft_object_retain(&future->object);
  return future;
}

void weft_future_release(weft_future_t* future) {
  if (future != NULL) {
    weft_object_release(&future->object);
  }
}

weft_value_t weft_future_value(weft_future_t* future) {
  weft_object_retain(&future->object);
  return weft_object_value(&future->object);
}

weft_status_t weft_value_as_future(weft_value_t value,
                                   weft_future_t** out_future) {
  *out_future = NULL;
  if (value.kind != WEFT_KIND_FUTURE) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "expected a future, got %s",
                            weft_kind_name(weft_value_kind(value)));
  }
  *out_future = (weft_future_t*)(void*)value.as.object;
  return WEFT_OK;
}

// --- Looking ----------------------------------------------------------------

weft_future_state_t weft_future_state(const weft_future_t* future) {
  return weft_word_state(weft_future_word(future));
}

bool weft_future_is_done(const weft_future_t* future) {
  return weft_word_is_done(weft_future_word(future));
}

weft_status_t weft_future_result(weft_future_t* future,
                                 weft_value_t* out_value) {
  *out_value = weft_none();
  uint32_t word = weft_future_word(future);
  if (!weft_word_is_done(word)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "the %s has no outcome yet; wait for it first",
                            future->class->name);
  }
  if (future->error != WEFT_OK) {
    return weft_status_retain(future->error);
  }
  *out_value = future->value;
  return WEFT_OK;
}

// --- Completing -------------------------------------------------------------

uint32_t weft_future_final_state(weft_status_t error) {
  if (error == WEFT_OK) {
    return WEFT_FUTURE_READY;
  }
  return weft_status_code(error) == WEFT_STATUS_CANCELLED
             ? WEFT_FUTURE_CANCELLED
             : WEFT_FUTURE_FAILED;
}

// Puts the outcome into a claimed future.
static inline void fill(weft_future_t* future, weft_status_t error,
                        weft_value_t value) {
  if (error == WEFT_OK) {
    future->value = value;
    return;
  }
  // What a promise has built in place stays: it belongs to the promise.
  future->error = error;
  weft_value_release(value);
}

static void discard(weft_status_t error, weft_value_t value) {
  weft_status_release(error);
  weft_value_release(value);
}

bool weft_future_complete(weft_future_t* future, weft_status_t error,
                          weft_value_t value) {
  if (!weft_future_claim(future, 0)) {
    discard(error, value);
    return false;
  }
  fill(future, error, value);
  weft_future_finish(future, false);
  return true;
}

static WEFT_UNUSUAL void complete_unusual(weft_future_t* future,
                                          weft_status_t error,
                                          weft_value_t value) {
  if (weft_future_claim_slow(future, 0)) {
    fill(future, error, value);
    weft_future_finish(future, true);
  } else {
    discard(error, value);
    weft_object_release(&future->object);
  }
}

void weft_future_complete_owned(weft_future_t* future, weft_status_t error,
                                weft_value_t value) {
  if (error != WEFT_OK || !weft_future_claim_pending(future)) {
    complete_unusual(future, error, value);
    return;
  }
  future->value = value;
  weft_future_finish_value(future);
}

bool weft_future_cancel(weft_future_t* future) {
  return !weft_word_is_claimed(weft_future_word(future)) &&
         weft_future_cancel_with(future, WEFT_OK);
}

// What is to be cancelled. It may have its outcome meanwhile, and what makes it
// may be gone: but what other runtimes make says what it is by itself.
static void name_cancelled(weft_future_t* future, char* text) {
  const weft_future_class_t* class = future->class;
  if (class->is_elsewhere && class->describe != NULL) {
    (void)class->describe(future, text, CANCELLED_BYTES);
  } else {
    (void)snprintf(text, CANCELLED_BYTES, "%s", class->name);
  }
}

bool weft_future_cancel_with(weft_future_t* future, weft_status_t cause) {
  // Made before LOCK is taken, which no call into an allocator may prolong.
  char what[CANCELLED_BYTES];
  name_cancelled(future, what);
  weft_status_t status =
      cause == WEFT_OK ? weft_status_make(WEFT_STATUS_CANCELLED,
                                          "the %s was cancelled", what)
                       : weft_status_make_caused(WEFT_STATUS_CANCELLED, cause,
                                                 "the %s was cancelled", what);
  if (!weft_future_claim(future, 0)) {
    weft_status_release(status);
    return false;
  }
  // Relaxed: the holder of LOCK reads what only holders of LOCK change.
  uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
  if (future->class->cancelling != NULL) {
    future->class->cancelling(future);
  }
  future->error = status;
  // A waiter may release the reference that the caller holds.
  weft_object_retain(&future->object);
  weft_future_finish(future, false);
  if ((word & WEFT_FUTURE_FORWARDED) != 0) {
    weft_future_cancel(future->blocked_on);
    weft_future_release(future->blocked_on);
  }
  if (future->class->cancelled != NULL) {
    future->class->cancelled(future);
  }
  weft_object_release(&future->object);
  return true;
}

void weft_future_start(weft_future_t* future) {
  if (weft_future_state(future) == WEFT_FUTURE_LAZY &&
      future->class->start != NULL) {
    future->class->start(future);
  }
}
