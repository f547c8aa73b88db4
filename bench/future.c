// SPDX-License-Identifier: Apache-2.0
//
// Bench `future`: what a value to come costs when everything happens on one
// thread, so with no wake-up in it. Creating and releasing are part of it.

#include "bench/bench.h"

// Links behind one promise in `then_link`.
#define LINKS 16

static weft_status_t create_runtime(uint32_t workers, void** out_state) {
  weft_runtime_options_t options = {.name = "bench", .worker_count = workers};
  weft_runtime_t* runtime = NULL;
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &runtime));
  *out_state = runtime;
  return WEFT_OK;
}

static void destroy_runtime(void* state) {
  weft_runtime_destroy(state);
}

// --- set_wait: create, set, wait, read, release -----------------------------

static weft_status_t set_and_wait(weft_runtime_t* runtime, int64_t number) {
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_promise_create(runtime, &promise, &future));
  weft_status_t status = weft_promise_set(promise, weft_int64(number));
  weft_promise_release(promise);
  weft_value_t value = weft_none();
  if (status == WEFT_OK) {
    status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
  }
  if (status == WEFT_OK && value.as.int64 != number) {
    status = weft_status_make(WEFT_STATUS_INTERNAL, "got another value");
  }
  weft_value_release(value);
  weft_future_release(future);
  return status;
}

static weft_status_t run_set_wait(void* state, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    WEFT_RETURN_IF_ERROR(set_and_wait(state, (int64_t)i));
  }
  return WEFT_OK;
}

// --- then_link: one more link of a chain, run and released ------------------

static weft_status_t add_one(void* user, weft_status_t status,
                             weft_value_t value, weft_value_t* out_value) {
  (void)user;
  if (status != WEFT_OK) {
    return weft_status_retain(status);
  }
  int64_t number = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(value, &number));
  *out_value = weft_int64(number + 1);
  return WEFT_OK;
}

// Puts LINKS links behind `future`, of which it takes the reference over.
static weft_status_t put_links(weft_future_t* future,
                               weft_future_t** out_last) {
  weft_continuation_t next = {.run = add_one};
  weft_status_t status = WEFT_OK;
  for (int i = 0; i < LINKS && status == WEFT_OK; i++) {
    weft_future_t* link = NULL;
    status = weft_future_then(future, &next, &link);
    weft_future_release(future);
    future = link;
  }
  *out_last = future;
  return status;
}

static weft_status_t run_chain(weft_runtime_t* runtime) {
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_promise_create(runtime, &promise, &future));
  weft_future_t* last = NULL;
  weft_status_t status = put_links(future, &last);
  if (status == WEFT_OK) {
    status = weft_promise_set(promise, weft_int64(0));
  }
  weft_promise_release(promise);
  weft_value_t value = weft_none();
  if (status == WEFT_OK) {
    status = weft_future_result(last, &value);
  }
  if (status == WEFT_OK && value.as.int64 != LINKS) {
    status = weft_status_make(WEFT_STATUS_INTERNAL, "a link did not run");
  }
  weft_future_release(last);
  return status;
}

static weft_status_t run_then_link(void* state, uint64_t count) {
  for (uint64_t i = 0; i < count; i += LINKS) {
    WEFT_RETURN_IF_ERROR(run_chain(state));
  }
  return WEFT_OK;
}

// --- Table ------------------------------------------------------------------

static const weft_bench_subject_t set_wait = {
    .create = create_runtime,
    .run = run_set_wait,
    .destroy = destroy_runtime,
};
static const weft_bench_subject_t then_link = {
    .create = create_runtime,
    .run = run_then_link,
    .destroy = destroy_runtime,
};

static const weft_bench_case_t cases[] = {
    {.bench = "future",
     .name = "set_wait",
     .what = "create, set, wait for and release a future",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 3,
     .subject = &set_wait,
     .floor = &weft_floor_set_wait},
    {.bench = "future",
     .name = "then_link",
     .what = "create, run and release a continuation, in chains of 16",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 3,
     .subject = &then_link,
     .floor = &weft_floor_then_link},
};

const weft_bench_group_t weft_bench_future = {
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
};
