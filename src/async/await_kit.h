// SPDX-License-Identifier: Apache-2.0
//
// What the tests of awaits share: a function that notes what happens to it.

#ifndef WEFT_ASYNC_AWAIT_KIT_H_
#define WEFT_ASYNC_AWAIT_KIT_H_

#include "async/future_kit.h"

typedef struct weft_witness {
  _Atomic int runs;
  _Atomic int releases;
  // Of the last run.
  uint32_t thread;
  int64_t deadline_ns;
  weft_status_t error;
} weft_witness_t;

static inline void weft_witness_release(void* user) {
  weft_witness_t* witness = user;
  weft_count_add(&witness->releases, 1);
}

static inline void weft_witness_run(weft_witness_t* witness) {
  weft_count_add(&witness->runs, 1);
  witness->thread = weft_sys_thread_id();
  witness->deadline_ns = weft_work_deadline_ns();
}

static inline weft_status_t weft_subtract(weft_runtime_t* runtime, void* user,
                                          const weft_value_t* arguments,
                                          weft_value_t* out_result) {
  weft_witness_t* witness = user;
  (void)runtime;
  weft_witness_run(witness);
  if (witness->error != WEFT_OK) {
    return weft_status_retain(witness->error);
  }
  int64_t a;
  int64_t b;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &a));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[1], &b));
  *out_result = weft_int64(a - b);
  return WEFT_OK;
}

static const weft_parameter_t weft_two_numbers[] = {
    {.name = "a", .kind = WEFT_KIND_INT64},
    {.name = "b", .kind = WEFT_KIND_INT64},
};

static inline weft_function_t weft_subtraction(weft_witness_t* witness) {
  return (weft_function_t){.name = "subtract",
                           .run = weft_subtract,
                           .user = witness,
                           .release = weft_witness_release,
                           .parameters = weft_two_numbers,
                           .parameter_count = 2};
}

static inline weft_future_t* weft_make_await(weft_runtime_t* runtime,
                                             weft_witness_t* witness,
                                             weft_value_t a, weft_value_t b) {
  const weft_function_t function = weft_subtraction(witness);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_await_create(runtime, &function, WEFT_ARGUMENTS(a, b), &future));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_LAZY);
  return future;
}

#endif  // WEFT_ASYNC_AWAIT_KIT_H_
