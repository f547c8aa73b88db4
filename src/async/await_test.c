// SPDX-License-Identifier: Apache-2.0

#include "async/await_kit.h"

#define MS_NS INT64_C(1000000)

// --- The first wait ---------------------------------------------------------

static void nothing_runs_before_the_first_wait_which_runs_it(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  weft_future_t* future =
      weft_make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  assert_false(weft_future_is_done(future));
  weft_value_t value;
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_future_result(future, &value));
  assert_int_equal(weft_count(&witness.runs), 0);
  weft_assert_int64(future, 7);
  assert_int_equal(witness.thread, weft_sys_thread_id());
  // The outcome is kept, what made it is not.
  weft_assert_int64(future, 7);
  assert_int_equal(weft_count(&witness.runs), 1);
  assert_int_equal(weft_count(&witness.releases), 1);
  weft_future_release(future);
}

static void an_await_that_nobody_waits_for_never_runs(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  _Atomic int released = 0;
  weft_value_t argument = weft_counted(runtime, &released);
  const weft_parameter_t parameter = {.name = "x", .kind = WEFT_KIND_ANY};
  weft_function_t function = weft_subtraction(&witness);
  function.parameters = &parameter;
  function.parameter_count = 1;
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_await_create(runtime, &function, WEFT_ARGUMENTS(argument), &future));
  weft_value_release(argument);
  assert_int_equal(weft_count(&released), 0);
  weft_future_release(future);
  assert_int_equal(weft_count(&released), 1);
  assert_int_equal(weft_count(&witness.releases), 1);
  assert_int_equal(weft_count(&witness.runs), 0);
}

static void an_error_is_kept_as_a_value_is(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {
      .error = weft_status_make(WEFT_STATUS_NOT_FOUND, "no such thing")};
  weft_future_t* future =
      weft_make_await(runtime, &witness, weft_int64(1), weft_int64(1));
  weft_assert_fails(future, WEFT_STATUS_NOT_FOUND, "no such thing");
  weft_assert_fails(future, WEFT_STATUS_NOT_FOUND, "no such thing");
  assert_int_equal(weft_count(&witness.runs), 1);
  assert_int_equal(weft_count(&witness.releases), 1);
  weft_future_release(future);
  weft_status_release(witness.error);
}

static weft_status_t give_nothing(weft_runtime_t* runtime, void* user,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)runtime;
  (void)arguments;
  (void)out_result;
  weft_witness_run(user);
  return WEFT_OK;
}

static void none_is_a_result_that_is_kept(void** state) {
  weft_witness_t witness = {.runs = 0};
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
  assert_int_equal(weft_count(&witness.runs), 1);
  weft_future_release(future);
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
    weft_witness_t witness = {.runs = 0};
    weft_future_t* future =
        weft_make_await(runtime, &witness, weft_int64(9), weft_int64(2));
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
    assert_int_equal(weft_count(&witness.runs), 1);
    weft_future_release(after);
    weft_future_release(future);
  }
}

// --- Deadlines --------------------------------------------------------------

static void a_wait_that_is_too_late_does_not_start_it(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  weft_future_t* future =
      weft_make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_future_wait(future, WEFT_TIME_NOW));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_LAZY);
  assert_int_equal(weft_count(&witness.runs), 0);
  weft_assert_int64(future, 7);
  weft_future_release(future);
}

static void the_function_sees_the_deadline_of_the_wait(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  int64_t deadline_ns = weft_deadline_after(runtime, 1000000 * MS_NS);
  weft_future_t* future =
      weft_make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  weft_kit_assert_ok(weft_future_wait(future, deadline_ns));
  assert_int_equal(witness.deadline_ns, deadline_ns);
  assert_int_equal(weft_work_deadline_ns(), WEFT_TIME_INFINITE);
  assert_false(weft_work_is_cancelled());
  weft_future_release(future);
}

// The time of a wait runs out while an argument is awaited: nothing is lost.
static void a_wait_that_gives_up_leaves_the_await_as_it_was(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  weft_pair_t pair = weft_pair(runtime);
  weft_value_t argument = weft_future_value(pair.future);
  weft_future_t* future =
      weft_make_await(runtime, &witness, argument, weft_int64(1));
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
  assert_int_equal(weft_count(&witness.runs), 1);
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
    weft_count_add(&impatient->errors, code != WEFT_STATUS_DEADLINE_EXCEEDED);
    // Only now; whoever waits on goes on all the same.
    weft_status_ignore(
        weft_promise_set(impatient->pair.promise, weft_int64(5)));
  } else {
    weft_value_t value;
    weft_status_code_t code = weft_status_ignore(
        weft_future_get(impatient->future, WEFT_TIME_INFINITE, &value));
    weft_count_add(
        &impatient->errors,
        code != WEFT_STATUS_OK || !weft_value_equal(value, weft_int64(4)));
  }
}

static void a_wait_that_gives_up_leaves_other_waits_alone(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(100); i > 0; i--) {
    weft_witness_t witness = {.runs = 0};
    impatient_t impatient = {.runtime = runtime, .pair = weft_pair(runtime)};
    weft_value_t argument = weft_future_value(impatient.pair.future);
    impatient.future =
        weft_make_await(runtime, &witness, argument, weft_int64(1));
    weft_value_release(argument);
    weft_kit_run_threads(3, wait_for_long_or_not, &impatient);
    assert_int_equal(weft_count(&impatient.errors), 0);
    assert_int_equal(weft_count(&witness.runs), 1);
    assert_int_equal(weft_count(&witness.releases), 1);
    weft_future_release(impatient.future);
    weft_pair_release(&impatient.pair);
  }
}

// --- Cancelling -------------------------------------------------------------

static void what_was_cancelled_before_its_start_never_runs(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_witness_t witness = {.runs = 0};
  weft_future_t* future =
      weft_make_await(runtime, &witness, weft_int64(9), weft_int64(2));
  assert_true(weft_future_cancel(future));
  assert_int_equal(weft_count(&witness.releases), 1);
  weft_assert_fails(future, WEFT_STATUS_CANCELLED, "await");
  assert_int_equal(weft_count(&witness.runs), 0);
  weft_future_release(future);
  assert_int_equal(weft_count(&witness.releases), 1);
}

static void cancelling_takes_it_back_from_its_arguments(void** state) {
  weft_future_kit_t* kit = *state;
  weft_pair_t never = weft_pair(kit->runtime);
  weft_value_t argument = weft_future_value(never.future);
  size_t bytes_in_use = 0;
  for (int round = 0; round < 200; round++) {
    weft_witness_t witness = {.runs = 0};
    const weft_function_t function = weft_subtraction(&witness);
    weft_future_t* future;
    weft_kit_assert_ok(weft_async_run(kit->runtime, NULL, &function,
                                      WEFT_ARGUMENTS(argument, argument),
                                      &future));
    assert_true(weft_future_cancel(future));
    assert_int_equal(weft_count(&witness.releases), 1);
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
    weft_count_add(&canceller->code,
                   (int)weft_status_ignore(weft_future_wait(
                       canceller->future, WEFT_TIME_INFINITE)));
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
    weft_witness_t witness = {.runs = 0};
    weft_pair_t never = weft_pair(runtime);
    weft_value_t argument = weft_future_value(never.future);
    canceller_t canceller = {
        .runtime = runtime,
        .future = weft_make_await(runtime, &witness, argument, argument)};
    weft_value_release(argument);
    weft_kit_run_threads(2, wait_or_cancel, &canceller);
    // The wait itself is fine: there is an outcome.
    assert_int_equal(weft_count(&canceller.code), WEFT_STATUS_OK);
    assert_int_equal(weft_future_state(canceller.future),
                     WEFT_FUTURE_CANCELLED);
    assert_int_equal(weft_count(&witness.runs), 0);
    assert_int_equal(weft_count(&witness.releases), 1);
    assert_null(never.future->first);
    weft_future_release(canceller.future);
    weft_pair_release(&never);
  }
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
  weft_count_add(&crowd->errors, is_expected ? 0 : 1);
}

static void many_who_wait_at_once_make_one_run(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    weft_witness_t inner = {.runs = 0};
    weft_witness_t outer = {.runs = 0};
    weft_future_t* a =
        weft_make_await(runtime, &inner, weft_int64(10), weft_int64(2));
    weft_value_t argument = weft_future_value(a);
    weft_future_release(a);
    crowd_t crowd = {
        .runtime = runtime,
        .future = weft_make_await(runtime, &outer, argument, weft_int64(1)),
        .is_cancelled = i % 2 == 0};
    weft_value_release(argument);
    weft_kit_run_threads(THREADS, wait_all_at_once, &crowd);
    assert_int_equal(weft_count(&crowd.errors), 0);
    weft_future_release(crowd.future);
    // The party may end a little later than the cancel.
    while (weft_count(&outer.releases) == 0 ||
           weft_count(&inner.releases) == 0) {
      weft_sys_yield();
    }
    assert_true(weft_count(&inner.runs) <= 1);
    assert_true(weft_count(&outer.runs) <= 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(nothing_runs_before_the_first_wait_which_runs_it),
      WEFT_FUTURE_TEST(an_await_that_nobody_waits_for_never_runs),
      WEFT_FUTURE_TEST(an_error_is_kept_as_a_value_is),
      WEFT_FUTURE_TEST(none_is_a_result_that_is_kept),
      WEFT_FUTURE_TEST(following_starts_it_on_the_executor),
      WEFT_FUTURE_TEST(a_wait_that_is_too_late_does_not_start_it),
      WEFT_FUTURE_TEST(the_function_sees_the_deadline_of_the_wait),
      WEFT_FUTURE_TEST(a_wait_that_gives_up_leaves_the_await_as_it_was),
      WEFT_FUTURE_TEST(a_wait_that_gives_up_leaves_other_waits_alone),
      WEFT_FUTURE_TEST(what_was_cancelled_before_its_start_never_runs),
      WEFT_FUTURE_TEST(cancelling_takes_it_back_from_its_arguments),
      WEFT_FUTURE_TEST(a_function_learns_that_it_was_cancelled),
      WEFT_FUTURE_TEST(cancelling_ends_the_wait_for_an_argument),
      WEFT_FUTURE_TEST(many_who_wait_at_once_make_one_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
