// SPDX-License-Identifier: Apache-2.0
//
// Bench `tensor`: a tensor is the argument of a call to another process.
//
//   loan   it lies in shared memory; the callee does not look at it
//   copy   it lies in private memory, and the callee copies it into its own

#include <string.h>

#include "bench/bench.h"
#include "bench/call.h"

#define MEGABYTE ((int64_t)1 << 20)
#define PATIENCE_NS INT64_C(60000000000)

static weft_status_t make_tensor(weft_bench_calls_t* calls, bool is_shared,
                                 int64_t size_bytes) {
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  WEFT_RETURN_IF_ERROR(
      is_shared ? weft_tensor_create_shared(calls->runtime, WEFT_UINT8, 1,
                                            &size_bytes, &tensor)
                : weft_tensor_create(NULL, NULL, WEFT_UINT8, 1, &size_bytes,
                                     &tensor));
  weft_status_t status = weft_tensor_mutable_data(tensor, &data);
  if (status != WEFT_OK) {
    weft_tensor_release(tensor);
    return status;
  }
  memset(data, 1, (size_t)size_bytes);
  calls->tensor = weft_tensor_into_value(tensor);
  return WEFT_OK;
}

static weft_status_t create_with(bool is_shared, int64_t size_bytes,
                                 void** out_state) {
  const weft_bench_job_options_t options = {.size = 2};
  weft_bench_calls_t* calls = NULL;
  *out_state = NULL;
  WEFT_RETURN_IF_ERROR(weft_bench_calls_create(&options, &calls));
  weft_status_t status = make_tensor(calls, is_shared, size_bytes);
  if (status != WEFT_OK) {
    weft_bench_calls_destroy(calls);
    return status;
  }
  *out_state = calls;
  return WEFT_OK;
}

static void prepare(void* state, uint64_t count) {
  (void)count;
  weft_bench_job_enter(((weft_bench_calls_t*)state)->job);
}

static weft_status_t pass(const weft_bench_calls_t* calls, uint32_t endpoint,
                          int64_t deadline_ns) {
  weft_future_t* future = NULL;
  weft_value_t value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_call(calls->runtime, calls->targets[0], endpoint,
                                 WEFT_ARGUMENTS(calls->tensor), NULL, &future));
  weft_status_t status = weft_future_get(future, deadline_ns, &value);
  weft_value_release(value);
  weft_future_release(future);
  return status;
}

static weft_status_t run_with(weft_bench_calls_t* calls, uint32_t endpoint,
                              uint64_t count) {
  int64_t deadline_ns = weft_deadline_after(calls->runtime, PATIENCE_NS);
  weft_status_t status = WEFT_OK;
  for (uint64_t i = 0; i < count && status == WEFT_OK; i++) {
    status = pass(calls, endpoint, deadline_ns);
  }
  weft_bench_job_leave(calls->job);
  return status;
}

static weft_status_t run_loan(void* state, uint64_t count) {
  return run_with(state, WEFT_BENCH_TARGET_TAKE, count);
}

static weft_status_t run_copy(void* state, uint64_t count) {
  return run_with(state, WEFT_BENCH_TARGET_COPY, count);
}

static weft_status_t create_loan_1mb(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(true, MEGABYTE, out_state);
}

static weft_status_t create_loan_64mb(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(true, 64 * MEGABYTE, out_state);
}

static weft_status_t create_copy_1mb(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(false, MEGABYTE, out_state);
}

static weft_status_t create_copy_64mb(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(false, 64 * MEGABYTE, out_state);
}

// --- The table --------------------------------------------------------------

#define SUBJECT(name, creates, runs)         \
  static const weft_bench_subject_t name = { \
      .create = (creates),                   \
      .run = (runs),                         \
      .destroy = weft_bench_calls_destroy,   \
      .prepare = prepare,                    \
  }

SUBJECT(loan_1mb, create_loan_1mb, run_loan);
SUBJECT(loan_64mb, create_loan_64mb, run_loan);
SUBJECT(copy_1mb, create_copy_1mb, run_copy);
SUBJECT(copy_64mb, create_copy_64mb, run_copy);

static const weft_bench_case_t cases[] = {
    {.bench = "tensor",
     .name = "loan_1MB",
     .what = "1 MiB of shared memory lent to another process, and an answer",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 4,
     .subject = &loan_1mb,
     .floor = &weft_floor_handover},
    {.bench = "tensor",
     .name = "loan_64MB",
     .what = "the same with 64 MiB",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 4,
     .subject = &loan_64mb,
     .floor = &weft_floor_handover},
    {.bench = "tensor",
     .name = "copy_1MB",
     .what = "1 MiB of private memory to another process's, and an answer",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.1,
     .subject = &copy_1mb,
     .floor = &weft_floor_copy_1mb},
    {.bench = "tensor",
     .name = "copy_64MB",
     .what = "the same with 64 MiB",
     .unit = WEFT_BENCH_UNIT_MS,
     .workers = 2,
     .fixed_count = 1,
     .goal = 1.1,
     .subject = &copy_64mb,
     .floor = &weft_floor_copy_64mb},
};

const weft_bench_group_t weft_bench_tensors = {
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
};
