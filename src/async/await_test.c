// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "async/future_kit.h"
#include "base/container.h"

#define MS_NS INT64_C(1000000)

// --- Functions that note what happened to them ------------------------------

typedef struct witness {
  _Atomic int runs;
  _Atomic int releases;
  // Of the last run.
  _Atomic uint32_t thread;
  int64_t deadline_ns;
  weft_status_t error;
} witness_t;

static void note_release(void* user) {
  witness_t* witness = user;
  // Relaxed, here and below: read after the outcome was seen.
  atomic_fetch_add_explicit(&witness->releases, 1, memory_order_relaxed);
}

static void note_run(witness_t* witness) {
  // Relaxed: as above.
  atomic_fetch_add_explicit(&witness->runs, 1, memory_order_relaxed);
  atomic_store_explicit(&witness->thread, weft_sys_thread_id(),
                        memory_order_relaxed);
  witness->deadline_ns = weft_work_deadline_ns();
}

static weft_status_t subtract(weft_runtime_t* runtime, void* user,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  witness_t* witness = user;
  (void)runtime;
  note_run(witness);
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

static const weft_parameter_t two_numbers[] = {
    {.name = "a", .kind = WEFT_KIND_INT64},
    {.name = "b", .kind = WEFT_KIND_INT64},
};

static weft_function_t subtraction(witness_t* witness) {
  return (weft_function_t){.name = "subtract",
                           .run = subtract,
                           .user = witness,
                           .release = note_release,
                           .parameters = two_numbers,
                           .parameter_count = 2};
}

static weft_future_t* make_await(weft_runtime_t* runtime, witness_t* witness,
                                 weft_value_t a, weft_value_t b) {
  const weft_function_t function = subtraction(witness);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_await_create(runtime, &function, WEFT_ARGUMENTS(a, b), &future));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_LAZY);
  return future;
}

// --- The first wait ---------------------------------------------------------

static void nothing_runs_before_the_first_wait_which_runs_it(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  weft_future_t* future =
      make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  assert_false(weft_future_is_done(future));
  weft_value_t value;
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_future_result(future, &value));
  assert_int_equal(witness.runs, 0);
  weft_assert_int64(future, 7);
  assert_int_equal(witness.thread, weft_sys_thread_id());
  // The outcome is kept, what made it is not.
  weft_assert_int64(future, 7);
  assert_int_equal(witness.runs, 1);
  assert_int_equal(witness.releases, 1);
  weft_future_release(future);
}

static void an_await_that_nobody_waits_for_never_runs(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  _Atomic int released = 0;
  weft_value_t argument = weft_counted(runtime, &released);
  const weft_parameter_t parameter = {.name = "x", .kind = WEFT_KIND_ANY};
  weft_function_t function = subtraction(&witness);
  function.parameters = &parameter;
  function.parameter_count = 1;
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_await_create(runtime, &function, WEFT_ARGUMENTS(argument), &future));
  weft_value_release(argument);
  assert_int_equal(released, 0);
  weft_future_release(future);
  assert_int_equal(released, 1);
  assert_int_equal(witness.releases, 1);
  assert_int_equal(witness.runs, 0);
}

static void an_error_is_kept_as_a_value_is(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {
      .error = weft_status_make(WEFT_STATUS_NOT_FOUND, "no such thing")};
  weft_future_t* future =
      make_await(runtime, &witness, weft_int64(1), weft_int64(1));
  weft_assert_fails(future, WEFT_STATUS_NOT_FOUND, "no such thing");
  weft_assert_fails(future, WEFT_STATUS_NOT_FOUND, "no such thing");
  assert_int_equal(witness.runs, 1);
  assert_int_equal(witness.releases, 1);
  weft_future_release(future);
  weft_status_release(witness.error);
}

static weft_status_t give_nothing(weft_runtime_t* runtime, void* user,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)runtime;
  (void)arguments;
  (void)out_result;
  note_run(user);
  return WEFT_OK;
}

static void none_is_a_result_that_is_kept(void** state) {
  witness_t witness = {.runs = 0};
  const weft_function_t function = {
      .name = "nothing", .run = give_nothing, .user = &witness};
  weft_future_t* future;
  weft_kit_assert_ok(weft_await_create(weft_future_kit_runtime(state),
                                       &function, NULL, &future));
  weft_value_t value;
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_ok(weft_future_get(future, WEFT_TIME_INFINITE, &value));
    assert_int_equal(value.kind, WEFT_KIND_NONE);
  }
  assert_int_equal(witness.runs, 1);
  weft_future_release(future);
}

// --- Arguments --------------------------------------------------------------

static void arguments_may_be_named(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  const weft_function_t function = subtraction(&witness);
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
  witness_t witness = {.runs = 0};
  weft_function_t function = subtraction(&witness);
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
  assert_int_equal(witness.releases, 0);
}

static void futures_among_the_arguments_are_awaited_first(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t inner = {.runs = 0};
  witness_t outer = {.runs = 0};
  weft_future_t* a = make_await(runtime, &inner, weft_int64(9), weft_int64(2));
  weft_value_t argument = weft_future_value(a);
  weft_future_release(a);
  weft_future_t* future = make_await(runtime, &outer, argument, argument);
  weft_value_release(argument);
  weft_assert_int64(future, 0);
  // A lazy argument is run by the same thread.
  assert_int_equal(inner.runs, 1);
  assert_int_equal(inner.thread, weft_sys_thread_id());
  weft_future_release(future);
}

static void a_failed_argument_is_the_outcome_unchanged(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_status_t error = weft_status_make(WEFT_STATUS_DATA_LOSS, "the root");
  for (int is_fork = 0; is_fork < 2; is_fork++) {
    witness_t witness = {.runs = 0};
    weft_pair_t pair = weft_pair(runtime);
    weft_pair_fail(&pair, weft_status_retain(error));
    weft_value_t argument = weft_future_value(pair.future);
    const weft_function_t function = subtraction(&witness);
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
    assert_int_equal(witness.runs, 0);
    assert_int_equal(witness.releases, 1);
    weft_status_release(seen);
    weft_future_release(future);
    weft_pair_release(&pair);
  }
  weft_status_release(error);
}

static void an_argument_that_turns_out_not_to_fit_is_named(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  weft_pair_t pair = weft_pair(runtime);
  weft_value_t argument = weft_future_value(pair.future);
  weft_future_t* future =
      make_await(runtime, &witness, weft_int64(1), argument);
  weft_value_release(argument);
  weft_pair_set(&pair, weft_bool(true));
  weft_assert_fails(future, WEFT_STATUS_INVALID_ARGUMENT,
                    "'b' of subtract takes int64, bool was given");
  assert_int_equal(witness.runs, 0);
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

// --- What counts as a wait --------------------------------------------------

static weft_status_t pass(void* user, weft_status_t status, weft_value_t value,
                          weft_value_t* out_value) {
  (void)user;
  *out_value = weft_value_retain(value);
  return weft_status_retain(status);
}

static void following_starts_it_on_the_executor(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  const weft_continuation_t next = {.run = pass};
  for (int way = 0; way < 3; way++) {
    witness_t witness = {.runs = 0};
    weft_future_t* future =
        make_await(runtime, &witness, weft_int64(9), weft_int64(2));
    weft_future_t* after;
    if (way == 0) {
      weft_kit_assert_ok(weft_future_then(future, &next, &after));
    } else if (way == 1) {
      weft_kit_assert_ok(weft_future_any(runtime, &future, 1, &after));
    } else {
      weft_kit_assert_ok(
          weft_future_with_deadline(future, WEFT_TIME_INFINITE, &after));
    }
    weft_assert_int64(after, 7);
    assert_int_not_equal(witness.thread, weft_sys_thread_id());
    assert_int_equal(witness.runs, 1);
    weft_future_release(after);
    weft_future_release(future);
  }
}

// --- Deadlines --------------------------------------------------------------

static void a_wait_that_is_too_late_does_not_start_it(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  weft_future_t* future =
      make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_future_wait(future, WEFT_TIME_NOW));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_LAZY);
  assert_int_equal(witness.runs, 0);
  weft_assert_int64(future, 7);
  weft_future_release(future);
}

static void the_function_sees_the_deadline_of_the_wait(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  int64_t deadline_ns = weft_deadline_after(runtime, 1000000 * MS_NS);
  weft_future_t* future =
      make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  weft_kit_assert_ok(weft_future_wait(future, deadline_ns));
  assert_int_equal(witness.deadline_ns, deadline_ns);
  assert_int_equal(weft_work_deadline_ns(), WEFT_TIME_INFINITE);
  assert_false(weft_work_is_cancelled());
  weft_future_release(future);
}

// The time of a wait runs out while an argument is awaited: nothing is lost.
static void a_wait_that_gives_up_leaves_the_await_as_it_was(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  weft_pair_t pair = weft_pair(runtime);
  weft_value_t argument = weft_future_value(pair.future);
  weft_future_t* future =
      make_await(runtime, &witness, argument, weft_int64(1));
  weft_value_release(argument);
  for (int i = 0; i < 3; i++) {
    weft_kit_assert_status(
        WEFT_STATUS_DEADLINE_EXCEEDED,
        weft_future_wait(future, weft_deadline_after(runtime, MS_NS)));
    assert_int_equal(weft_future_state(future), WEFT_FUTURE_LAZY);
  }
  assert_null(pair.future->first);
  weft_pair_set(&pair, weft_int64(5));
  weft_assert_int64(future, 4);
  assert_int_equal(witness.runs, 1);
  weft_future_release(future);
  weft_pair_release(&pair);
}

typedef struct impatient {
  weft_runtime_t* runtime;
  weft_future_t* future;
  weft_pair_t pair;
  _Atomic int errors;
} impatient_t;

static void wait_for_long_or_not(size_t index, void* user) {
  impatient_t* impatient = user;
  if (index == 0) {
    weft_status_code_t code = weft_status_ignore(weft_future_wait(
        impatient->future, weft_deadline_after(impatient->runtime, MS_NS)));
    impatient->errors += code != WEFT_STATUS_DEADLINE_EXCEEDED;
    // Only now; whoever waits on goes on all the same.
    weft_status_ignore(
        weft_promise_set(impatient->pair.promise, weft_int64(5)));
  } else {
    weft_value_t value;
    weft_status_code_t code = weft_status_ignore(
        weft_future_get(impatient->future, WEFT_TIME_INFINITE, &value));
    impatient->errors +=
        code != WEFT_STATUS_OK || !weft_value_equal(value, weft_int64(4));
  }
}

static void a_wait_that_gives_up_leaves_other_waits_alone(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(100); i > 0; i--) {
    witness_t witness = {.runs = 0};
    impatient_t impatient = {.runtime = runtime, .pair = weft_pair(runtime)};
    weft_value_t argument = weft_future_value(impatient.pair.future);
    impatient.future = make_await(runtime, &witness, argument, weft_int64(1));
    weft_value_release(argument);
    weft_kit_run_threads(3, wait_for_long_or_not, &impatient);
    assert_int_equal(impatient.errors, 0);
    assert_int_equal(witness.runs, 1);
    assert_int_equal(witness.releases, 1);
    weft_future_release(impatient.future);
    weft_pair_release(&impatient.pair);
  }
}

// --- Cancelling -------------------------------------------------------------

static void what_was_cancelled_before_its_start_never_runs(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  weft_future_t* future =
      make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  assert_true(weft_future_cancel(future));
  assert_int_equal(witness.releases, 1);
  weft_assert_fails(future, WEFT_STATUS_CANCELLED, "await");
  assert_int_equal(witness.runs, 0);
  weft_future_release(future);
  assert_int_equal(witness.releases, 1);
}

static void cancelling_takes_it_back_from_its_arguments(void** state) {
  weft_future_kit_t* kit = *state;
  weft_pair_t never = weft_pair(kit->runtime);
  weft_value_t argument = weft_future_value(never.future);
  size_t bytes_in_use = 0;
  for (int round = 0; round < 200; round++) {
    witness_t witness = {.runs = 0};
    const weft_function_t function = subtraction(&witness);
    weft_future_t* future;
    weft_kit_assert_ok(weft_async_run(kit->runtime, NULL, &function,
                                      WEFT_ARGUMENTS(argument, argument),
                                      &future));
    assert_true(weft_future_cancel(future));
    assert_int_equal(witness.releases, 1);
    weft_future_release(future);
    if (round == 0) {
      bytes_in_use = kit->memory.bytes_in_use;
    }
  }
  assert_int_equal(kit->memory.bytes_in_use, bytes_in_use);
  assert_null(never.future->first);
  weft_value_release(argument);
  weft_pair_release(&never);
}

typedef struct patient {
  _Atomic uint32_t started;
  _Atomic uint32_t has_seen;
  weft_future_t* never;
} patient_t;

static weft_status_t until_cancelled(weft_runtime_t* runtime, void* user,
                                     const weft_value_t* arguments,
                                     weft_value_t* out_result) {
  patient_t* patient = user;
  (void)runtime;
  (void)arguments;
  weft_raise_word(&patient->started);
  weft_status_t status = WEFT_OK;
  if (patient->never != NULL) {
    status = weft_future_wait(patient->never, WEFT_TIME_INFINITE);
  }
  while (!weft_work_is_cancelled()) {
    weft_sys_yield();
  }
  weft_raise_word(&patient->has_seen);
  *out_result = weft_int64(1);
  return status;
}

static void a_function_learns_that_it_was_cancelled(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int waits = 0; waits < 2; waits++) {
    weft_pair_t never = weft_pair(runtime);
    patient_t patient = {.never = waits != 0 ? never.future : NULL};
    const weft_function_t function = {
        .name = "patient", .run = until_cancelled, .user = &patient};
    weft_future_t* future;
    weft_kit_assert_ok(weft_async_run(runtime, NULL, &function, NULL, &future));
    weft_await_word(&patient.started, 1);
    assert_int_equal(weft_future_state(future), WEFT_FUTURE_RUNNING);
    // It waits for ever, or until it is told.
    assert_true(weft_future_cancel(future));
    weft_await_word(&patient.has_seen, 1);
    weft_assert_fails(future, WEFT_STATUS_CANCELLED, "fork");
    weft_future_release(future);
    weft_pair_release(&never);
  }
}

typedef struct canceller {
  weft_runtime_t* runtime;
  weft_future_t* future;
  weft_future_t* argument;
  _Atomic int code;
} canceller_t;

static void wait_or_cancel(size_t index, void* user) {
  canceller_t* canceller = user;
  if (index == 0) {
    canceller->code = (int)weft_status_ignore(
        weft_future_wait(canceller->future, WEFT_TIME_INFINITE));
    return;
  }
  while (weft_future_state(canceller->future) != WEFT_FUTURE_RUNNING) {
    weft_sys_yield();
  }
  weft_future_cancel(canceller->future);
}

static void cancelling_ends_the_wait_for_an_argument(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(100); i > 0; i--) {
    witness_t witness = {.runs = 0};
    weft_pair_t never = weft_pair(runtime);
    weft_value_t argument = weft_future_value(never.future);
    canceller_t canceller = {
        .runtime = runtime,
        .future = make_await(runtime, &witness, argument, argument),
        .code = -1};
    weft_value_release(argument);
    weft_kit_run_threads(2, wait_or_cancel, &canceller);
    // The wait itself is fine: there is an outcome.
    assert_int_equal(canceller.code, WEFT_STATUS_OK);
    assert_int_equal(weft_future_state(canceller.future),
                     WEFT_FUTURE_CANCELLED);
    assert_int_equal(witness.runs, 0);
    assert_int_equal(witness.releases, 1);
    assert_null(never.future->first);
    weft_future_release(canceller.future);
    weft_pair_release(&never);
  }
}

// --- Forks ------------------------------------------------------------------

static void a_fork_starts_by_itself(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  const weft_function_t function = subtraction(&witness);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_async_run(runtime, NULL, &function,
                     WEFT_ARGUMENTS(weft_int64(9), weft_int64(2)), &future));
  while (!weft_future_is_done(future)) {
    weft_sys_yield();
  }
  weft_assert_int64(future, 7);
  assert_int_not_equal(witness.thread, weft_sys_thread_id());
  assert_int_equal(witness.releases, 1);
  weft_future_release(future);
}

static void a_fork_runs_when_its_arguments_are_there(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  witness_t lazy = {.runs = 0};
  const weft_function_t function = subtraction(&witness);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* await =
      make_await(runtime, &lazy, weft_int64(3), weft_int64(1));
  weft_value_t a = weft_future_value(pair.future);
  weft_value_t b = weft_future_value(await);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_async_run(runtime, NULL, &function, WEFT_ARGUMENTS(a, b), &future));
  // Arguments are started together, not one after another.
  weft_assert_int64(await, 2);
  assert_int_equal(witness.runs, 0);
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
  witness_t witness = {.runs = 0};
  const weft_function_t function = subtraction(&witness);
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_async_run(runtime, &shelf.executor, &function,
                     WEFT_ARGUMENTS(weft_int64(9), weft_int64(2)), &future));
  assert_int_equal(shelf.posts, 1);
  // A wait does not run it elsewhere.
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_future_wait(future, weft_deadline_after(runtime, MS_NS)));
  assert_int_equal(witness.runs, 0);
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
  assert_int_equal(witness.runs, 1);
  assert_int_equal(witness.releases, 2);
}

// --- Long chains ------------------------------------------------------------

static void arguments_of_arguments_need_no_stack(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  int64_t depth = (int64_t)weft_kit_amount(100000);
  for (int is_followed = 0; is_followed < 2; is_followed++) {
    witness_t witness = {.runs = 0};
    weft_future_t* future =
        make_await(runtime, &witness, weft_int64(depth), weft_int64(0));
    for (int64_t i = 0; i < depth; i++) {
      weft_value_t argument = weft_future_value(future);
      weft_future_release(future);
      future = make_await(runtime, &witness, argument, weft_int64(1));
      weft_value_release(argument);
    }
    weft_future_t* flat = NULL;
    if (is_followed != 0) {
      weft_kit_assert_ok(weft_future_flatten(future, &flat));
      weft_assert_int64(flat, 0);
      weft_future_release(flat);
    }
    weft_assert_int64(future, 0);
    assert_int_equal(witness.runs, depth + 1);
    weft_future_release(future);
  }
}

static void a_long_chain_that_never_ran_is_freed(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  int64_t depth = (int64_t)weft_kit_amount(200000);
  weft_future_t* future =
      make_await(runtime, &witness, weft_int64(0), weft_int64(0));
  for (int64_t i = 0; i < depth; i++) {
    weft_value_t argument = weft_future_value(future);
    weft_future_release(future);
    future = make_await(runtime, &witness, argument, weft_int64(1));
    weft_value_release(argument);
  }
  weft_future_release(future);
  assert_int_equal(witness.releases, depth + 1);
}

// --- Races ------------------------------------------------------------------

#define THREADS 4

typedef struct crowd {
  weft_runtime_t* runtime;
  weft_future_t* future;
  bool is_cancelled;
  _Atomic int errors;
} crowd_t;

static void wait_all_at_once(size_t index, void* user) {
  crowd_t* crowd = user;
  weft_value_t value;
  if (index == 0 && crowd->is_cancelled) {
    weft_future_cancel(crowd->future);
  }
  if (index == 1) {
    const weft_continuation_t next = {.run = pass};
    weft_future_t* after = NULL;
    weft_status_ignore(weft_future_then(crowd->future, &next, &after));
    weft_future_release(after);
  }
  weft_status_code_t code = weft_status_ignore(
      weft_future_get(crowd->future, WEFT_TIME_INFINITE, &value));
  bool is_expected =
      (code == WEFT_STATUS_OK && weft_value_equal(value, weft_int64(7))) ||
      (crowd->is_cancelled && code == WEFT_STATUS_CANCELLED);
  crowd->errors += is_expected ? 0 : 1;
}

static void many_who_wait_at_once_make_one_run(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    witness_t inner = {.runs = 0};
    witness_t outer = {.runs = 0};
    weft_future_t* a =
        make_await(runtime, &inner, weft_int64(10), weft_int64(2));
    weft_value_t argument = weft_future_value(a);
    weft_future_release(a);
    crowd_t crowd = {
        .runtime = runtime,
        .future = make_await(runtime, &outer, argument, weft_int64(1)),
        .is_cancelled = i % 2 == 0};
    weft_value_release(argument);
    weft_kit_run_threads(THREADS, wait_all_at_once, &crowd);
    assert_int_equal(crowd.errors, 0);
    weft_future_release(crowd.future);
    // The party may end a little later than the cancel.
    while (atomic_load_explicit(&outer.releases, memory_order_acquire) == 0 ||
           atomic_load_explicit(&inner.releases, memory_order_acquire) == 0) {
      weft_sys_yield();
    }
    assert_true(inner.runs <= 1);
    assert_true(outer.runs <= 1);
  }
}

// --- Without memory ---------------------------------------------------------

typedef struct awaited {
  weft_runtime_t* runtime;
  weft_pair_t pair;
  weft_future_t* await;
  weft_future_t* fork;
  witness_t witness;
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
  const weft_function_t function = subtraction(&awaited->witness);
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
      WEFT_FUTURE_TEST(nothing_runs_before_the_first_wait_which_runs_it),
      WEFT_FUTURE_TEST(an_await_that_nobody_waits_for_never_runs),
      WEFT_FUTURE_TEST(an_error_is_kept_as_a_value_is),
      WEFT_FUTURE_TEST(none_is_a_result_that_is_kept),
      WEFT_FUTURE_TEST(arguments_may_be_named),
      WEFT_FUTURE_TEST(arguments_that_do_not_fit_are_refused_at_once),
      WEFT_FUTURE_TEST(futures_among_the_arguments_are_awaited_first),
      WEFT_FUTURE_TEST(a_failed_argument_is_the_outcome_unchanged),
      WEFT_FUTURE_TEST(an_argument_that_turns_out_not_to_fit_is_named),
      WEFT_FUTURE_TEST(futures_of_futures_are_resolved_as_the_parameter_asks),
      WEFT_FUTURE_TEST(a_result_that_is_a_future_needs_two_waits),
      WEFT_FUTURE_TEST(following_starts_it_on_the_executor),
      WEFT_FUTURE_TEST(a_wait_that_is_too_late_does_not_start_it),
      WEFT_FUTURE_TEST(the_function_sees_the_deadline_of_the_wait),
      WEFT_FUTURE_TEST(a_wait_that_gives_up_leaves_the_await_as_it_was),
      WEFT_FUTURE_TEST(a_wait_that_gives_up_leaves_other_waits_alone),
      WEFT_FUTURE_TEST(what_was_cancelled_before_its_start_never_runs),
      WEFT_FUTURE_TEST(cancelling_takes_it_back_from_its_arguments),
      WEFT_FUTURE_TEST(a_function_learns_that_it_was_cancelled),
      WEFT_FUTURE_TEST(cancelling_ends_the_wait_for_an_argument),
      WEFT_FUTURE_TEST(a_fork_starts_by_itself),
      WEFT_FUTURE_TEST(a_fork_runs_when_its_arguments_are_there),
      WEFT_FUTURE_TEST(a_fork_runs_on_the_executor_it_names),
      WEFT_FUTURE_TEST(arguments_of_arguments_need_no_stack),
      WEFT_FUTURE_TEST(a_long_chain_that_never_ran_is_freed),
      WEFT_FUTURE_TEST(many_who_wait_at_once_make_one_run),
      cmocka_unit_test(awaiting_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
