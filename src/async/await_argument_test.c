// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "async/await_kit.h"
#include "base/container.h"

#define MS_NS INT64_C(1000000)

// --- Arguments --------------------------------------------------------------

static void arguments_may_be_named(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  const weft_function_t function = weft_subtraction(&witness);
  const weft_named_value_t named[] = {{"b", weft_int64(1)},
                                      {"a", weft_int64(5)}};
  const weft_arguments_t arguments = {.named = named, .named_count = 2};
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_await_create(runtime, &function, &arguments, &future));
  weft_assert_int64(future, 4);
  weft_future_release(future);
}

static void arguments_that_do_not_fit_are_refused_at_once(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  weft_function_t function = weft_subtraction(&witness);
  weft_future_t* future;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "'b' of subtract takes int64",
      weft_await_create(runtime, &function,
                        WEFT_ARGUMENTS(weft_int64(1), weft_bool(true)),
                        &future));
  assert_null(future);
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_async_run(runtime, NULL, &function, NULL, &future));
  function.run = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "needs a function",
      weft_await_create(runtime, &function,
                        WEFT_ARGUMENTS(weft_int64(1), weft_int64(1)), &future));
  // The user's data was not taken over.
  assert_int_equal(weft_count(&witness.releases), 0);
}

static void futures_among_the_arguments_are_awaited_first(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t inner = {.runs = 0};
  weft_witness_t outer = {.runs = 0};
  weft_future_t* a =
      weft_make_await(runtime, &inner, weft_int64(9), weft_int64(2));
  weft_value_t argument = weft_future_value(a);
  weft_future_release(a);
  weft_future_t* future = weft_make_await(runtime, &outer, argument, argument);
  weft_value_release(argument);
  weft_assert_int64(future, 0);
  // A lazy argument is run by the same thread.
  assert_int_equal(weft_count(&inner.runs), 1);
  assert_int_equal(inner.thread, weft_sys_thread_id());
  weft_future_release(future);
}

static void a_failed_argument_is_the_outcome_unchanged(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_status_t error = weft_status_make(WEFT_STATUS_DATA_LOSS, "the root");
  for (int is_fork = 0; is_fork < 2; is_fork++) {
    weft_witness_t witness = {.runs = 0};
    weft_pair_t pair = weft_pair(runtime);
    weft_pair_fail(&pair, weft_status_retain(error));
    weft_value_t argument = weft_future_value(pair.future);
    const weft_function_t function = weft_subtraction(&witness);
    const weft_arguments_t* arguments = WEFT_ARGUMENTS(weft_int64(1), argument);
    weft_future_t* future;
    weft_kit_assert_ok(
        is_fork != 0
            ? weft_async_run(runtime, NULL, &function, arguments, &future)
            : weft_await_create(runtime, &function, arguments, &future));
    weft_value_release(argument);
    weft_value_t value;
    weft_status_t seen = weft_future_get(future, WEFT_TIME_INFINITE, &value);
    assert_ptr_equal(seen, error);
    assert_int_equal(weft_count(&witness.runs), 0);
    assert_int_equal(weft_count(&witness.releases), 1);
    weft_status_release(seen);
    weft_future_release(future);
    weft_pair_release(&pair);
  }
  weft_status_release(error);
}

static void an_argument_that_turns_out_not_to_fit_is_named(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  weft_pair_t pair = weft_pair(runtime);
  weft_value_t argument = weft_future_value(pair.future);
  weft_future_t* future =
      weft_make_await(runtime, &witness, weft_int64(1), argument);
  weft_value_release(argument);
  weft_pair_set(&pair, weft_bool(true));
  weft_assert_fails(future, WEFT_STATUS_INVALID_ARGUMENT,
                    "'b' of subtract takes int64, bool was given");
  assert_int_equal(weft_count(&witness.runs), 0);
  weft_future_release(future);
  weft_pair_release(&pair);
}

static weft_status_t see_kind(weft_runtime_t* runtime, void* user,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  (void)runtime;
  (void)user;
  *out_result = weft_int64(arguments[0].kind);
  return WEFT_OK;
}

// A future is replaced by what it holds; a parameter that asks for a future
// gets the one inside, any other gets what is at the end.
static void futures_of_futures_are_resolved_as_the_parameter_asks(
    void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  const struct {
    weft_kind_t declared;
    weft_kind_t seen;
  } cases[] = {{WEFT_KIND_ANY, WEFT_KIND_INT64},
               {WEFT_KIND_INT64, WEFT_KIND_INT64},
               {WEFT_KIND_FUTURE, WEFT_KIND_FUTURE}};
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    weft_future_t* inner;
    weft_future_t* outer;
    weft_kit_assert_ok(weft_future_from_value(runtime, weft_int64(1), &inner));
    weft_kit_assert_ok(
        weft_future_from_value(runtime, weft_future_value(inner), &outer));
    weft_future_release(inner);
    const weft_parameter_t parameter = {.name = "x", .kind = cases[i].declared};
    const weft_function_t function = {.name = "see_kind",
                                      .run = see_kind,
                                      .parameters = &parameter,
                                      .parameter_count = 1};
    weft_value_t argument = weft_future_value(outer);
    weft_future_release(outer);
    weft_future_t* future;
    weft_kit_assert_ok(weft_await_create(runtime, &function,
                                         WEFT_ARGUMENTS(argument), &future));
    weft_value_release(argument);
    weft_assert_int64(future, cases[i].seen);
    weft_future_release(future);
  }
}

static void a_result_that_is_a_future_needs_two_waits(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* outer;
  weft_kit_assert_ok(
      weft_future_from_value(runtime, weft_future_value(pair.future), &outer));
  weft_value_t value;
  weft_future_t* inner;
  weft_kit_assert_ok(weft_future_get(outer, WEFT_TIME_INFINITE, &value));
  weft_kit_assert_ok(weft_value_as_future(value, &inner));
  weft_pair_set(&pair, weft_int64(2));
  weft_assert_int64(inner, 2);
  weft_value_release(value);
  weft_future_release(outer);
  weft_pair_release(&pair);
}

// --- Forks ------------------------------------------------------------------

static void a_fork_starts_by_itself(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  const weft_function_t function = weft_subtraction(&witness);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_async_run(runtime, NULL, &function,
                     WEFT_ARGUMENTS(weft_int64(9), weft_int64(2)), &future));
  while (!weft_future_is_done(future)) {
    weft_sys_yield();
  }
  weft_assert_int64(future, 7);
  assert_int_not_equal(witness.thread, weft_sys_thread_id());
  assert_int_equal(weft_count(&witness.releases), 1);
  weft_future_release(future);
}

static void a_fork_runs_when_its_arguments_are_there(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  weft_witness_t lazy = {.runs = 0};
  const weft_function_t function = weft_subtraction(&witness);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* await =
      weft_make_await(runtime, &lazy, weft_int64(3), weft_int64(1));
  weft_value_t a = weft_future_value(pair.future);
  weft_value_t b = weft_future_value(await);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_async_run(runtime, NULL, &function, WEFT_ARGUMENTS(a, b), &future));
  // Arguments are started together, not one after another.
  weft_assert_int64(await, 2);
  assert_int_equal(weft_count(&witness.runs), 0);
  weft_pair_set(&pair, weft_int64(10));
  weft_assert_int64(future, 8);
  weft_value_release(a);
  weft_value_release(b);
  weft_future_release(await);
  weft_future_release(future);
  weft_pair_release(&pair);
}

// An executor that only counts, and runs what it got when asked to.
typedef struct shelf {
  weft_executor_t executor;
  weft_task_t* task;
  int posts;
} shelf_t;

static void shelve(weft_executor_t* executor, weft_task_t* task) {
  shelf_t* shelf = WEFT_CONTAINER_OF(executor, shelf_t, executor);
  shelf->task = task;
  shelf->posts++;
}

static void a_fork_runs_on_the_executor_it_names(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  static const weft_executor_vtable_t vtable = {.post = shelve};
  shelf_t shelf = {.executor = {.vtable = &vtable}};
  weft_witness_t witness = {.runs = 0};
  const weft_function_t function = weft_subtraction(&witness);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_async_run(runtime, &shelf.executor, &function,
                     WEFT_ARGUMENTS(weft_int64(9), weft_int64(2)), &future));
  assert_int_equal(shelf.posts, 1);
  // A wait does not run it elsewhere.
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_future_wait(future, weft_deadline_after(runtime, MS_NS)));
  assert_int_equal(weft_count(&witness.runs), 0);
  shelf.task->run(shelf.task);
  weft_assert_int64(future, 7);
  // Cancelled before it ran, it only gives up what it held.
  weft_future_release(future);
  weft_kit_assert_ok(
      weft_async_run(runtime, &shelf.executor, &function,
                     WEFT_ARGUMENTS(weft_int64(9), weft_int64(2)), &future));
  assert_true(weft_future_cancel(future));
  weft_future_release(future);
  shelf.task->run(shelf.task);
  assert_int_equal(weft_count(&witness.runs), 1);
  assert_int_equal(weft_count(&witness.releases), 2);
}

// --- Long chains ------------------------------------------------------------

static void arguments_of_arguments_need_no_stack(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  int64_t depth = (int64_t)weft_kit_amount(100000);
  for (int is_followed = 0; is_followed < 2; is_followed++) {
    weft_witness_t witness = {.runs = 0};
    weft_future_t* future =
        weft_make_await(runtime, &witness, weft_int64(depth), weft_int64(0));
    for (int64_t i = 0; i < depth; i++) {
      weft_value_t argument = weft_future_value(future);
      weft_future_release(future);
      future = weft_make_await(runtime, &witness, argument, weft_int64(1));
      weft_value_release(argument);
    }
    weft_future_t* flat = NULL;
    if (is_followed != 0) {
      weft_kit_assert_ok(weft_future_flatten(future, &flat));
      weft_assert_int64(flat, 0);
      weft_future_release(flat);
    }
    weft_assert_int64(future, 0);
    assert_int_equal(weft_count(&witness.runs), depth + 1);
    weft_future_release(future);
  }
}

static void a_long_chain_that_never_ran_is_freed(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  int64_t depth = (int64_t)weft_kit_amount(200000);
  weft_future_t* future =
      weft_make_await(runtime, &witness, weft_int64(0), weft_int64(0));
  for (int64_t i = 0; i < depth; i++) {
    weft_value_t argument = weft_future_value(future);
    weft_future_release(future);
    future = weft_make_await(runtime, &witness, argument, weft_int64(1));
    weft_value_release(argument);
  }
  weft_future_release(future);
  assert_int_equal(weft_count(&witness.releases), depth + 1);
}

// --- Without memory ---------------------------------------------------------

typedef struct awaited {
  weft_runtime_t* runtime;
  weft_pair_t pair;
  weft_future_t* await;
  weft_future_t* fork;
  weft_witness_t witness;
} awaited_t;

static void destroy_awaited(void* object, void* user) {
  awaited_t* awaited = object;
  (void)user;
  if (awaited->fork != NULL) {
    weft_future_cancel(awaited->fork);
  }
  weft_future_release(awaited->fork);
  weft_future_release(awaited->await);
  weft_pair_release(&awaited->pair);
  weft_runtime_destroy(awaited->runtime);
}

static weft_status_t fill_awaited(awaited_t* awaited) {
  weft_runtime_t* runtime = awaited->runtime;
  const weft_function_t function = weft_subtraction(&awaited->witness);
  WEFT_RETURN_IF_ERROR(weft_promise_create(runtime, &awaited->pair.promise,
                                           &awaited->pair.future));
  weft_value_t argument = weft_future_value(awaited->pair.future);
  const weft_arguments_t* arguments = WEFT_ARGUMENTS(argument, weft_int64(1));
  weft_status_t status =
      weft_await_create(runtime, &function, arguments, &awaited->await);
  if (status == WEFT_OK) {
    status =
        weft_async_run(runtime, NULL, &function, arguments, &awaited->fork);
  }
  weft_value_release(argument);
  return status;
}

static weft_status_t create_awaited(const weft_allocator_t* allocator,
                                    void* user, void** out_object) {
  awaited_t* awaited = user;
  memset(awaited, 0, sizeof(*awaited));
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &awaited->runtime));
  weft_status_t status = fill_awaited(awaited);
  if (status == WEFT_OK) {
    *out_object = awaited;
  } else {
    destroy_awaited(awaited, NULL);
  }
  return status;
}

static void awaiting_survives_every_failure_of_memory(void** state) {
  (void)state;
  awaited_t awaited;
  const weft_kit_creation_t creation = {
      .create = create_awaited, .destroy = destroy_awaited, .user = &awaited};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(arguments_may_be_named),
      WEFT_FUTURE_TEST(arguments_that_do_not_fit_are_refused_at_once),
      WEFT_FUTURE_TEST(futures_among_the_arguments_are_awaited_first),
      WEFT_FUTURE_TEST(a_failed_argument_is_the_outcome_unchanged),
      WEFT_FUTURE_TEST(an_argument_that_turns_out_not_to_fit_is_named),
      WEFT_FUTURE_TEST(futures_of_futures_are_resolved_as_the_parameter_asks),
      WEFT_FUTURE_TEST(a_result_that_is_a_future_needs_two_waits),
      WEFT_FUTURE_TEST(a_fork_starts_by_itself),
      WEFT_FUTURE_TEST(a_fork_runs_when_its_arguments_are_there),
      WEFT_FUTURE_TEST(a_fork_runs_on_the_executor_it_names),
      WEFT_FUTURE_TEST(arguments_of_arguments_need_no_stack),
      WEFT_FUTURE_TEST(a_long_chain_that_never_ran_is_freed),
      cmocka_unit_test(awaiting_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
