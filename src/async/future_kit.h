// SPDX-License-Identifier: Apache-2.0
//
// What the tests of futures share: a runtime that must give all its memory
// back, promises in one line, values that count their release.

#ifndef WEFT_ASYNC_FUTURE_KIT_H_
#define WEFT_ASYNC_FUTURE_KIT_H_

#include <stdatomic.h>

#include "async/future_internal.h"
#include "kit/kit.h"
#include "weft/runtime.h"

typedef struct weft_future_kit {
  weft_kit_allocator_t memory;
  weft_runtime_t* runtime;
} weft_future_kit_t;

static inline void weft_future_kit_init(weft_future_kit_t* kit,
                                        const weft_runtime_options_t* options) {
  weft_runtime_options_t changed = *options;
  weft_kit_allocator_init(&kit->memory);
  changed.allocator = &kit->memory.allocator;
  weft_kit_assert_ok(weft_runtime_create(&changed, &kit->runtime));
}

// Fails the test if a future, or anything else, was not released.
static inline void weft_future_kit_deinit(weft_future_kit_t* kit) {
  weft_runtime_destroy(kit->runtime);
  weft_kit_allocator_deinit(&kit->memory);
}

// For cmocka: `*state` is a weft_future_kit_t with two workers.
static inline int weft_future_kit_setup(void** state) {
  static weft_future_kit_t kit;
  const weft_runtime_options_t options = {.worker_count = 2};
  weft_future_kit_init(&kit, &options);
  *state = &kit;
  return 0;
}

static inline int weft_future_kit_teardown(void** state) {
  weft_future_kit_deinit(*state);
  return 0;
}

#define WEFT_FUTURE_TEST(name)                                 \
  cmocka_unit_test_setup_teardown(name, weft_future_kit_setup, \
                                  weft_future_kit_teardown)

static inline weft_runtime_t* weft_future_kit_runtime(void** state) {
  return ((weft_future_kit_t*)*state)->runtime;
}

// --- Promises ---------------------------------------------------------------

typedef struct weft_pair {
  weft_promise_t* promise;
  weft_future_t* future;
} weft_pair_t;

static inline weft_pair_t weft_pair(weft_runtime_t* runtime) {
  weft_pair_t pair;
  weft_kit_assert_ok(weft_promise_create(runtime, &pair.promise, &pair.future));
  return pair;
}

// Completes and releases the promise.
static inline void weft_pair_set(weft_pair_t* pair, weft_value_t value) {
  weft_kit_assert_ok(weft_promise_set(pair->promise, value));
  weft_promise_release(pair->promise);
  pair->promise = NULL;
}

static inline void weft_pair_fail(weft_pair_t* pair, weft_status_t status) {
  weft_kit_assert_ok(weft_promise_fail(pair->promise, status));
  weft_promise_release(pair->promise);
  pair->promise = NULL;
}

static inline void weft_pair_release(weft_pair_t* pair) {
  weft_promise_release(pair->promise);
  weft_future_release(pair->future);
}

// --- Outcomes ---------------------------------------------------------------

static inline void weft_assert_int64(weft_future_t* future, int64_t expected) {
  weft_value_t value;
  int64_t number;
  weft_kit_assert_ok(weft_future_get(future, WEFT_TIME_INFINITE, &value));
  weft_kit_assert_ok(weft_value_as_int64(value, &number));
  assert_int_equal(number, expected);
}

// `part` is contained in the text of the error.
static inline void weft_assert_fails(weft_future_t* future,
                                     weft_status_code_t code,
                                     const char* part) {
  weft_value_t value;
  weft_kit_assert_status_says(
      code, part, weft_future_get(future, WEFT_TIME_INFINITE, &value));
  assert_int_equal(value.kind, WEFT_KIND_NONE);
}

// --- Threads ----------------------------------------------------------------

static inline int weft_count(const _Atomic int* count) {
  // Acquire: pairs with the release in `weft_count_add`.
  return atomic_load_explicit(count, memory_order_acquire);
}

static inline void weft_count_add(_Atomic int* count, int added) {
  // Release: pairs with the acquire in `weft_count`.
  atomic_fetch_add_explicit(count, added, memory_order_release);
}

// Waits for another thread to raise a word to at least `least`.
static inline void weft_await_word(_Atomic uint32_t* word, uint32_t least) {
  // Acquire: pairs with the release of whoever raises the word.
  while (atomic_load_explicit(word, memory_order_acquire) < least) {
    weft_sys_yield();
  }
}

static inline void weft_raise_word(_Atomic uint32_t* word) {
  // Release: pairs with the acquire in `weft_await_word`.
  atomic_fetch_add_explicit(word, 1, memory_order_release);
}

// --- Values that count ------------------------------------------------------

static inline void weft_counted_release(void* pointer) {
  weft_count_add(pointer, 1);
}

static const weft_opaque_type_t weft_counted_type = {
    .name = "counted",
    .release = weft_counted_release,
};

// A value that adds one to `*releases` when it is released.
static inline weft_value_t weft_counted(weft_runtime_t* runtime,
                                        _Atomic int* releases) {
  weft_value_t value;
  weft_kit_assert_ok(weft_opaque_create(weft_runtime_allocator(runtime),
                                        &weft_counted_type, releases, &value));
  return value;
}

#endif  // WEFT_ASYNC_FUTURE_KIT_H_
