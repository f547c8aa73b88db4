// SPDX-License-Identifier: Apache-2.0
//
// Making and freeing a future, compiled into those who make many: where the
// size is known the slab's choice of a block is, too.
//
// The usual way through such a function makes no call but in its last place,
// so it needs no stack frame; what is unusual is a function of its own. A
// frame costs about 1 ns a function, of 15 ns for all that happens to a
// promise.

#ifndef WEFT_ASYNC_FUTURE_CREATE_H_
#define WEFT_ASYNC_FUTURE_CREATE_H_

#include "async/future_word.h"
#include "sys/slab.h"

// Of futures that have no vtable of their own.
extern const weft_object_vtable_t weft_future_vtable;

// For functions that are called where things do not go the usual way.
#define WEFT_UNUSUAL __attribute__((noinline, cold))

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

// Makes a future of a block that may be NULL.
static inline weft_future_t* weft_future_init(
    void* block, weft_runtime_t* runtime, const weft_future_class_t* class,
    const weft_object_vtable_t* vtable, uint32_t references) {
  weft_future_t* future = block;
  if (__builtin_expect(future == NULL, 0)) {
    return NULL;
  }
  weft_object_init(&future->object, vtable, references);
  atomic_init(&future->state, WEFT_FUTURE_PENDING);
  future->completer = 0;
  future->first = NULL;
  future->value = weft_none();
  future->error = WEFT_OK;
  future->hooks = NULL;
  future->producer = NULL;
  future->blocked_on = NULL;
  future->running = NULL;
  future->runtime = runtime;
  future->class = class;
  // `last` is set with `first`, `ready` and `draining` with `completer`.
  return future;
}

// As `weft_future_allocate`, for a size that is known here.
static inline weft_future_t* weft_future_allocate_sized(
    weft_runtime_t* runtime, const weft_future_class_t* class,
    const weft_object_vtable_t* vtable, uint32_t references,
    size_t size_bytes) {
  return weft_future_init(weft_slab_allocate(runtime->slab, size_bytes),
                          runtime, class, vtable, references);
}

#endif  // WEFT_ASYNC_FUTURE_CREATE_H_
