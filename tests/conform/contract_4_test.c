// SPDX-License-Identifier: Apache-2.0
//
// Contract 4: values are immutable; sharing is a loan. Passing a tensor copies
// nothing, and only its sole owner may write into it.

#include <string.h>

#include "conform/stage.h"

enum { THREADS = 8, ELEMENTS = 1000, READS = 40 };

typedef struct bench {
  stage_t stage;
  weft_actor_t actor;
  weft_tensor_t* tensor;
  // What the handler saw.
  const void* seen;
  _Atomic uint32_t wrong;
} bench_t;

// Gives its argument back, and notes where it lay.
static weft_status_t echo(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  bench_t* bench = state;
  const weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(arguments[0], &tensor));
  bench->seen = weft_tensor_data(tensor);
  *out_result = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

// Tries to write into what is only lent to it.
static weft_status_t scribble(weft_context_t* context, void* state,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)out_result;
  const weft_tensor_t* lent = NULL;
  void* data = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(arguments[0], &lent));
  weft_tensor_t* own = weft_tensor_retain(lent);
  weft_status_t status = weft_tensor_mutable_data(own, &data);
  weft_tensor_release(own);
  return status;
}

static weft_status_t produce(weft_context_t* context, void* state,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  (void)arguments;
  bench_t* bench = state;
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  const int64_t shape[] = {ELEMENTS};
  const weft_allocator_t* allocator =
      weft_runtime_allocator(weft_context_runtime(context));
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create(allocator, NULL, WEFT_INT64, 1, shape, &tensor));
  weft_status_t status = weft_tensor_mutable_data(tensor, &data);
  if (status == WEFT_OK) {
    memset(data, 0x11, weft_tensor_size_bytes(tensor));
    bench->seen = data;
  }
  *out_result = weft_tensor_into_value(tensor);
  return status;
}

static const weft_parameter_t parameters[] = {{"data", WEFT_KIND_TENSOR}};
static const weft_endpoint_t endpoints[] = {
    {"echo", echo, parameters, 1},
    {"scribble", scribble, parameters, 1},
    {"produce", produce, NULL, 0},
};
static const weft_class_t bench_class = {
    "bench", 1, stage_init, NULL, endpoints, 3,
};

static void open_bench(bench_t* bench) {
  const int64_t shape[] = {ELEMENTS};
  void* data = NULL;
  memset(bench, 0, sizeof(*bench));
  stage_open(&bench->stage, &bench_class);
  bench->actor = stage_spawn(&bench->stage, &bench_class, bench, NULL);
  weft_kit_assert_ok(weft_tensor_create(&bench->stage.memory.allocator, NULL,
                                        WEFT_INT64, 1, shape, &bench->tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(bench->tensor, &data));
  memset(data, 0x22, weft_tensor_size_bytes(bench->tensor));
}

static void close_bench(bench_t* bench) {
  weft_tensor_release(bench->tensor);
  stage_close(&bench->stage);
}

static void a_tensor_that_is_passed_is_the_same_memory(void** state) {
  (void)state;
  bench_t bench;
  open_bench(&bench);
  weft_counters_t before;
  weft_counters_t after;
  weft_runtime_counters(bench.stage.runtime, &before);
  weft_value_t argument = weft_tensor_value(bench.tensor);
  weft_value_t result = weft_none();
  weft_kit_assert_ok(stage_ask(&bench.stage, bench.actor, 0,
                               WEFT_ARGUMENTS(argument), &result));
  weft_runtime_counters(bench.stage.runtime, &after);
  assert_ptr_equal(bench.seen, weft_tensor_data(bench.tensor));
  assert_true(weft_value_equal(argument, result));
  assert_int_equal(after.bytes_copied, before.bytes_copied);
  assert_true(after.bytes_passed >=
              before.bytes_passed + ELEMENTS * UINT64_C(8));
  weft_value_release(argument);
  weft_value_release(result);
  close_bench(&bench);
}

static void a_tensor_that_is_lent_cannot_be_written_to(void** state) {
  (void)state;
  bench_t bench;
  open_bench(&bench);
  weft_value_t argument = weft_tensor_into_value(bench.tensor);
  bench.tensor = NULL;
  weft_future_t* reply = NULL;
  weft_kit_assert_ok(weft_call(bench.stage.runtime, bench.actor, 1,
                               WEFT_ARGUMENTS(argument), NULL, &reply));
  // Now the message alone holds it, and it is still only lent.
  weft_value_release(argument);
  assert_int_equal(stage_code_of(reply), WEFT_STATUS_FAILED_PRECONDITION);
  weft_future_release(reply);
  close_bench(&bench);
}

static void a_result_is_its_sole_owners_to_write_once_nobody_shares_it(
    void** state) {
  (void)state;
  bench_t bench;
  open_bench(&bench);
  weft_future_t* reply = NULL;
  weft_value_t value = weft_none();
  const weft_tensor_t* lent = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_call(bench.stage.runtime, bench.actor, 2, NULL, NULL, &reply));
  weft_kit_assert_ok(weft_future_get(reply, WEFT_TIME_INFINITE, &value));
  weft_kit_assert_ok(weft_value_as_tensor(value, &lent));
  weft_tensor_t* own = weft_tensor_retain(lent);
  weft_value_release(value);
  // The future has it too.
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(own, &data));
  assert_null(data);
  weft_future_release(reply);
  // The actor's thread may still be letting go of the reply.
  weft_kit_assert_ok(
      weft_runtime_stop(bench.stage.runtime, WEFT_TIME_INFINITE));
  weft_kit_assert_ok(weft_tensor_mutable_data(own, &data));
  assert_ptr_equal(data, bench.seen);
  weft_tensor_release(own);
  close_bench(&bench);
}

static void who_looks_at_a_part_shares_the_whole(void** state) {
  (void)state;
  bench_t bench;
  open_bench(&bench);
  weft_tensor_t* part = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_slice(bench.tensor, 0, 10, 20, &part));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(bench.tensor, &data));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(part, &data));
  weft_tensor_release(part);
  weft_kit_assert_ok(weft_tensor_mutable_data(bench.tensor, &data));
  close_bench(&bench);
}

// --- Many readers -----------------------------------------------------------

static void read_often(size_t index, void* user) {
  bench_t* bench = user;
  const unsigned char* data = weft_tensor_data(bench->tensor);
  for (uint32_t i = 0; i < READS; ++i) {
    weft_value_t value = weft_tensor_value(bench->tensor);
    weft_value_t result = weft_none();
    weft_status_t status = stage_ask(&bench->stage, bench->actor, 0,
                                     WEFT_ARGUMENTS(value), &result);
    bool is_same = status == WEFT_OK && weft_value_equal(value, result) &&
                   data[(index * READS + i) % ELEMENTS] == 0x22;
    weft_status_release(status);
    weft_value_release(result);
    weft_value_release(value);
    // Relaxed: read when the threads have joined.
    atomic_fetch_add_explicit(&bench->wrong, is_same ? 0 : 1,
                              memory_order_relaxed);
  }
}

static void many_threads_share_one_tensor_without_a_copy(void** state) {
  (void)state;
  bench_t bench;
  open_bench(&bench);
  weft_kit_run_threads(THREADS, read_often, &bench);
  assert_int_equal(bench.wrong, 0);
  weft_kit_assert_ok(
      weft_runtime_stop(bench.stage.runtime, WEFT_TIME_INFINITE));
  weft_counters_t counters;
  weft_runtime_counters(bench.stage.runtime, &counters);
  assert_int_equal(counters.bytes_copied, 0);
  // All loans are back.
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_mutable_data(bench.tensor, &data));
  close_bench(&bench);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tensor_that_is_passed_is_the_same_memory),
      cmocka_unit_test(a_tensor_that_is_lent_cannot_be_written_to),
      cmocka_unit_test(
          a_result_is_its_sole_owners_to_write_once_nobody_shares_it),
      cmocka_unit_test(who_looks_at_a_part_shares_the_whole),
      cmocka_unit_test(many_threads_share_one_tensor_without_a_copy),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
