// SPDX-License-Identifier: Apache-2.0
//
// Making and freeing a future, compiled into those who make many: where the
// size is known the slab's choice of a block is, too.

#ifndef WEFT_ASYNC_FUTURE_CREATE_H_
#define WEFT_ASYNC_FUTURE_CREATE_H_

#include "async/future_word.h"
#include "sys/slab.h"

// Of futures that have no vtable of their own.
extern const weft_object_vtable_t weft_future_vtable;

// Frees a future of any kind.
void weft_future_destroy(weft_object_t* object);

// The same for a kind of this size without `deinit`: most often nothing is
// left in the future to be released.
static inline void weft_future_destroy_sized(weft_object_t* object,
                                             size_t size_bytes) {
  weft_future_t* future = (weft_future_t*)(void*)object;
  if (__builtin_expect(
          ((uintptr_t)future->hooks | (uintptr_t)future->error) == 0 &&
              weft_value_head(&future->value) < WEFT_KIND_STRING,
          1)) {
    weft_slab_free(future->runtime->slab, future, size_bytes);
  } else {
    weft_future_destroy(object);
  }
}

static inline weft_future_t* weft_future_allocate_sized(
    weft_runtime_t* runtime, const weft_future_class_t* class,
    const weft_object_vtable_t* vtable, uint32_t references,
    size_t size_bytes) {
  weft_future_t* future = weft_slab_allocate(runtime->slab, size_bytes);
  if (__builtin_expect(future == NULL, 0)) {
    return NULL;
  }
  weft_object_init(&future->object, vtable, references);
  atomic_init(&future->state, WEFT_FUTURE_PENDING);
  future->completer = 0;
  future->value = weft_none();
  future->error = WEFT_OK;
  future->first = NULL;
  future->hooks = NULL;
  // `last` is set with `first`, `ready` and `draining` with `completer`.
  future->running = NULL;
  future->runtime = runtime;
  future->class = class;
  future->producer = NULL;
  future->blocked_on = NULL;
  return future;
}

#endif  // WEFT_ASYNC_FUTURE_CREATE_H_
