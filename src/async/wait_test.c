// SPDX-License-Identifier: Apache-2.0

#include "async/future_kit.h"

#define MS_NS INT64_C(1000000)

static void a_wait_that_times_out_loses_nothing(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_value_t value = weft_int64(1);
  for (int i = 0; i < 3; i++) {
    int64_t deadline_ns = weft_deadline_after(runtime, MS_NS);
    weft_kit_assert_status_says(
        WEFT_STATUS_DEADLINE_EXCEEDED, "the promise was not done within ",
        weft_future_get(pair.future, deadline_ns, &value));
    assert_int_equal(value.kind, WEFT_KIND_NONE);
    assert_true(weft_runtime_now_ns(runtime) >= deadline_ns);
  }
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_future_wait(pair.future, WEFT_TIME_NOW));
  assert_null(pair.future->first);
  weft_pair_set(&pair, weft_int64(5));
  weft_kit_assert_ok(weft_future_wait(pair.future, WEFT_TIME_NOW));
  weft_assert_int64(pair.future, 5);
  weft_pair_release(&pair);
}

static void a_wait_says_nothing_of_the_outcome(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_pair_fail(&pair, weft_status_make(WEFT_STATUS_FAILED, "x"));
  weft_kit_assert_ok(weft_future_wait(pair.future, WEFT_TIME_INFINITE));
  weft_pair_release(&pair);
}

// --- Many threads -----------------------------------------------------------

#define WAITERS 4

typedef struct crowd {
  weft_runtime_t* runtime;
  weft_pair_t pair;
  _Atomic uint32_t waiting;
  _Atomic int errors;
} crowd_t;

static void wait_or_set(size_t index, void* user) {
  crowd_t* crowd = user;
  if (index == WAITERS) {
    weft_await_word(&crowd->waiting, WAITERS);
    weft_status_ignore(weft_promise_set(crowd->pair.promise, weft_int64(3)));
    return;
  }
  weft_raise_word(&crowd->waiting);
  weft_value_t value;
  weft_status_code_t code;
  do {
    // Some of the waits give up just when the value comes.
    int64_t timeout_ns = index % 2 == 0 ? WEFT_TIME_INFINITE : 20000;
    code = weft_status_ignore(weft_future_get(
        crowd->pair.future, weft_deadline_after(crowd->runtime, timeout_ns),
        &value));
  } while (code == WEFT_STATUS_DEADLINE_EXCEEDED);
  weft_count_add(&crowd->errors, code != WEFT_STATUS_OK ||
                                     !weft_value_equal(value, weft_int64(3)));
}

static void all_who_wait_are_woken(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(300); i > 0; i--) {
    crowd_t crowd = {.runtime = runtime, .pair = weft_pair(runtime)};
    weft_kit_run_threads(WAITERS + 1, wait_or_set, &crowd);
    assert_int_equal(weft_count(&crowd.errors), 0);
    assert_null(crowd.pair.future->first);
    weft_pair_release(&crowd.pair);
  }
}

// --- Waiting inside of work -------------------------------------------------

static weft_status_t wait_for_user(weft_runtime_t* runtime, void* user,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  (void)runtime;
  (void)arguments;
  return weft_future_get(user, WEFT_TIME_INFINITE, out_result);
}

static weft_function_t waiting_for(weft_future_t* future) {
  return (weft_function_t){
      .name = "wait", .run = wait_for_user, .user = future};
}

static void the_deadline_of_the_work_cuts_its_waits(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t never = weft_pair(runtime);
  const weft_function_t function = waiting_for(never.future);
  weft_future_t* future;
  weft_kit_assert_ok(weft_await_create(runtime, &function, NULL, &future));
  weft_kit_assert_ok(
      weft_future_wait(future, weft_deadline_after(runtime, MS_NS)));
  weft_assert_fails(future, WEFT_STATUS_DEADLINE_EXCEEDED, "");
  weft_future_release(future);
  weft_pair_release(&never);
}

// A wait ends because the work was cancelled, not because it has an outcome:
// whoever answers early may go on waiting.
static void only_a_cancel_of_the_work_ends_its_waits(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t target = weft_pair(runtime);
  weft_pair_t work = weft_pair(runtime);
  weft_activity_t activity = {.serving = work.future,
                              .deadline_ns = WEFT_TIME_INFINITE};
  weft_thread_self.activity = &activity;
  weft_pair_set(&work, weft_int64(1));
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_future_wait(target.future, weft_deadline_after(runtime, MS_NS)));
  assert_null(activity.waiting_for);
  weft_pair_release(&work);
  work = weft_pair(runtime);
  activity.serving = work.future;
  assert_true(weft_future_cancel(work.future));
  assert_true(weft_work_is_cancelled());
  weft_status_t status = weft_future_wait(target.future, WEFT_TIME_INFINITE);
  // Why it was is the work's own outcome.
  assert_string_equal("the promise was cancelled",
                      weft_status_message(weft_status_root(status)));
  weft_kit_assert_status_says(WEFT_STATUS_CANCELLED, "the work that waits",
                              status);
  weft_pair_set(&target, weft_int64(2));
  // What is there is there.
  weft_kit_assert_ok(weft_future_wait(target.future, WEFT_TIME_INFINITE));
  weft_thread_self.activity = NULL;
  weft_pair_release(&target);
  weft_pair_release(&work);
}

typedef struct cancelled_wait {
  weft_pair_t target;
  weft_pair_t work;
  _Atomic uint32_t waiting;
  _Atomic int code;
} cancelled_wait_t;

static void wait_and_cancel(size_t index, void* user) {
  cancelled_wait_t* wait = user;
  if (index == 1) {
    weft_await_word(&wait->waiting, 1);
    weft_future_cancel(wait->work.future);
    return;
  }
  weft_activity_t activity = {.serving = wait->work.future,
                              .deadline_ns = WEFT_TIME_INFINITE};
  weft_thread_self.activity = &activity;
  weft_raise_word(&wait->waiting);
  weft_count_add(&wait->code, (int)weft_status_ignore(weft_future_wait(
                                  wait->target.future, WEFT_TIME_INFINITE)));
  weft_thread_self.activity = NULL;
}

static void a_cancel_wakes_whoever_waits_for_something_else(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(300); i > 0; i--) {
    cancelled_wait_t wait = {.target = weft_pair(runtime),
                             .work = weft_pair(runtime)};
    weft_kit_run_threads(2, wait_and_cancel, &wait);
    assert_int_equal(weft_count(&wait.code), WEFT_STATUS_CANCELLED);
    assert_null(wait.target.future->first);
    weft_pair_release(&wait.target);
    weft_pair_release(&wait.work);
  }
}

// More functions wait for each other than there are workers.
static void functions_that_wait_do_not_starve_those_they_wait_for(
    void** state) {
  (void)state;
  weft_future_kit_t kit;
  const weft_runtime_options_t options = {.worker_count = 1};
  weft_future_kit_init(&kit, &options);
  enum { DEPTH = 20 };
  weft_pair_t pair = weft_pair(kit.runtime);
  weft_future_t* futures[DEPTH];
  weft_future_t* last = pair.future;
  for (int i = 0; i < DEPTH; i++) {
    const weft_function_t function = waiting_for(last);
    weft_kit_assert_ok(
        weft_async_run(kit.runtime, NULL, &function, NULL, &futures[i]));
    last = futures[i];
  }
  weft_pair_set(&pair, weft_int64(9));
  weft_assert_int64(last, 9);
  for (int i = 0; i < DEPTH; i++) {
    weft_future_release(futures[i]);
  }
  weft_pair_release(&pair);
  weft_future_kit_deinit(&kit);
}

// --- In a simulation --------------------------------------------------------

static void wait_in_simulation(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_future_kit_t kit;
  const weft_runtime_options_t options = {.simulate = true,
                                          .seed = weft_kit_random_next(random)};
  weft_future_kit_init(&kit, &options);
  enum { COUNT = 6 };
  weft_future_t* futures[COUNT];
  weft_pair_t first = weft_pair(kit.runtime);
  for (int i = 0; i < COUNT; i++) {
    weft_future_t* waited_for =
        i == 0 ? first.future
               : futures[weft_kit_random_below(random, (uint64_t)i)];
    const weft_function_t function = waiting_for(waited_for);
    weft_kit_assert_ok(
        weft_kit_random_below(random, 2) == 0
            ? weft_async_run(kit.runtime, NULL, &function, NULL, &futures[i])
            : weft_await_create(kit.runtime, &function, NULL, &futures[i]));
  }
  weft_future_t* all;
  weft_kit_assert_ok(weft_future_all(kit.runtime, futures, COUNT, &all));
  weft_runtime_run(kit.runtime, weft_kit_random_below(random, 20));
  assert_false(weft_future_is_done(all));
  weft_pair_set(&first, weft_int64(4));
  weft_kit_assert_ok(weft_future_wait(all, WEFT_TIME_INFINITE));
  for (int i = 0; i < COUNT; i++) {
    weft_assert_int64(futures[i], 4);
    weft_future_release(futures[i]);
  }
  weft_future_release(all);
  weft_pair_release(&first);
  weft_future_kit_deinit(&kit);
}

static void any_order_of_a_simulation_gives_the_same_outcome(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, wait_in_simulation, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(a_wait_that_times_out_loses_nothing),
      WEFT_FUTURE_TEST(a_wait_says_nothing_of_the_outcome),
      WEFT_FUTURE_TEST(all_who_wait_are_woken),
      WEFT_FUTURE_TEST(the_deadline_of_the_work_cuts_its_waits),
      WEFT_FUTURE_TEST(only_a_cancel_of_the_work_ends_its_waits),
      WEFT_FUTURE_TEST(a_cancel_wakes_whoever_waits_for_something_else),
      cmocka_unit_test(functions_that_wait_do_not_starve_those_they_wait_for),
      cmocka_unit_test(any_order_of_a_simulation_gives_the_same_outcome),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
