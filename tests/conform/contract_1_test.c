// SPDX-License-Identifier: Apache-2.0
//
// Contract 1: everything promised ends. Every future becomes ready, failed or
// cancelled on every path, exactly once: the second completion returns an
// error and changes nothing.

#include "conform/stage.h"

enum { THREADS = 4, CALLS = 64 };

// --- Exactly once -----------------------------------------------------------

typedef struct contest {
  stage_t stage;
  weft_promise_t* promise;
  weft_future_t* future;
  // Completions that said they were the one.
  _Atomic uint32_t winners;
  _Atomic uint32_t ends;
} contest_t;

static void on_end(weft_hook_t* hook, weft_status_t status,
                   weft_value_t value) {
  (void)status;
  (void)value;
  contest_t* contest = hook->user;
  // Relaxed: read after all threads have joined.
  atomic_fetch_add_explicit(&contest->ends, 1, memory_order_relaxed);
}

// The owner of the promise tries twice; the others cancel.
static void compete(size_t index, void* user) {
  contest_t* contest = user;
  uint32_t won = 0;
  if (index > 0) {
    won = weft_future_cancel(contest->future) ? 1 : 0;
  } else {
    weft_status_t first = weft_promise_set(contest->promise, weft_int64(1));
    weft_status_t second = weft_promise_fail(
        contest->promise, weft_status_make(WEFT_STATUS_FAILED, "late"));
    won = weft_status_is_ok(first) ? 1 : 0;
    won += weft_status_is_ok(second) ? 1 : 0;
    weft_status_release(first);
    weft_status_release(second);
  }
  // Relaxed: as above.
  atomic_fetch_add_explicit(&contest->winners, won, memory_order_relaxed);
}

static void a_future_is_completed_once_however_many_try(void** state) {
  (void)state;
  contest_t contest;
  stage_open(&contest.stage, NULL);
  for (uint64_t i = 0; i < weft_kit_amount(1000); ++i) {
    atomic_init(&contest.winners, 0);
    atomic_init(&contest.ends, 0);
    weft_kit_assert_ok(weft_promise_create(contest.stage.runtime,
                                           &contest.promise, &contest.future));
    weft_hook_t hook = {.callback = on_end, .user = &contest};
    assert_true(weft_future_add_hook(contest.future, &hook));
    weft_kit_run_threads(THREADS, compete, &contest);
    assert_int_equal(contest.winners, 1);
    assert_int_equal(contest.ends, 1);
    weft_promise_release(contest.promise);
    weft_future_release(contest.future);
  }
  stage_close(&contest.stage);
}

static void the_second_completion_is_an_error_and_changes_nothing(
    void** state) {
  (void)state;
  stage_t stage;
  stage_open(&stage, NULL);
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  weft_kit_assert_ok(weft_promise_create(stage.runtime, &promise, &future));
  weft_kit_assert_ok(weft_promise_set(promise, weft_int64(1)));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_set(promise, weft_int64(2)));
  weft_kit_assert_status(
      WEFT_STATUS_ALREADY_EXISTS,
      weft_promise_fail(promise, weft_status_make(WEFT_STATUS_FAILED, "no")));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_forward(promise, future));
  assert_false(weft_future_cancel(future));
  weft_promise_release(promise);
  weft_value_t value = weft_none();
  weft_kit_assert_ok(weft_future_result(future, &value));
  assert_int_equal(value.as.int64, 1);
  weft_future_release(future);
  stage_close(&stage);
}

// --- Drop -------------------------------------------------------------------

static void drop(size_t index, void* user) {
  weft_promise_t** promises = user;
  weft_promise_release(promises[index]);
}

static void a_dropped_promise_fails_its_future_and_all_that_follows(
    void** state) {
  (void)state;
  stage_t stage;
  stage_open(&stage, NULL);
  weft_promise_t* promises[THREADS];
  weft_future_t* futures[THREADS];
  weft_future_t* all = NULL;
  weft_future_t* any = NULL;
  for (uint32_t i = 0; i < THREADS; ++i) {
    weft_kit_assert_ok(
        weft_promise_create(stage.runtime, &promises[i], &futures[i]));
  }
  weft_kit_assert_ok(weft_future_all(stage.runtime, futures, THREADS, &all));
  weft_kit_assert_ok(weft_future_any(stage.runtime, futures, THREADS, &any));
  weft_kit_run_threads(THREADS, drop, promises);
  assert_int_equal(stage_code_of(all), WEFT_STATUS_OK);
  assert_int_equal(stage_code_of(any), WEFT_STATUS_ABANDONED);
  for (uint32_t i = 0; i < THREADS; ++i) {
    assert_int_equal(stage_code_of(futures[i]), WEFT_STATUS_ABANDONED);
    weft_future_release(futures[i]);
  }
  weft_future_release(all);
  weft_future_release(any);
  stage_close(&stage);
}

// --- Exits ------------------------------------------------------------------

// An actor that keeps every second reply until it ends.
typedef struct keeper {
  stage_t stage;
  weft_actor_t actor;
  weft_promise_t* kept[THREADS * CALLS];
  uint32_t kept_count;
  weft_future_t* futures[THREADS * CALLS];
  latch_t started;
} keeper_t;

static weft_status_t keep(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)arguments;
  keeper_t* keeper = state;
  latch_count(&keeper->started);
  if (keeper->kept_count % 2 == 1) {
    *out_result = weft_int64(1);
  }
  ++keeper->kept_count;
  if (keeper->kept_count % 2 == 0) {
    return WEFT_OK;
  }
  return weft_context_take_reply(context,
                                 &keeper->kept[keeper->kept_count / 2]);
}

static weft_status_t end_badly(weft_context_t* context, void* state,
                               const weft_value_t* arguments,
                               weft_value_t* out_result) {
  (void)state;
  (void)arguments;
  (void)out_result;
  weft_context_stop(context,
                    weft_status_make(WEFT_STATUS_FAILED, "had enough"));
  return WEFT_OK;
}

static void keeper_deinit(void* state) {
  keeper_t* keeper = state;
  for (uint32_t i = 0; i < THREADS * CALLS; ++i) {
    weft_promise_release(keeper->kept[i]);
    keeper->kept[i] = NULL;
  }
}

static const weft_endpoint_t keeper_endpoints[] = {
    {"keep", keep, NULL, 0},
    {"end_badly", end_badly, NULL, 0},
};
static const weft_class_t keeper_class = {
    "keeper", 1, stage_init, keeper_deinit, keeper_endpoints, 2,
};

static void call_keeper(size_t index, void* user) {
  keeper_t* keeper = user;
  for (size_t i = 0; i < CALLS; ++i) {
    // A future that was not made is not waited for.
    weft_status_ignore(weft_call(keeper->stage.runtime, keeper->actor, 0, NULL,
                                 NULL, &keeper->futures[index * CALLS + i]));
  }
}

static void end_keeper(size_t index, void* user) {
  keeper_t* keeper = user;
  if (index < THREADS) {
    call_keeper(index, user);
    return;
  }
  latch_await(&keeper->started, CALLS / 2);
  weft_status_ignore(
      weft_send(keeper->stage.runtime, keeper->actor, 1, NULL, NULL));
}

static void stop_runtime(size_t index, void* user) {
  keeper_t* keeper = user;
  if (index < THREADS) {
    call_keeper(index, user);
    return;
  }
  latch_await(&keeper->started, CALLS / 2);
  weft_status_ignore(
      weft_runtime_stop(keeper->stage.runtime, WEFT_TIME_INFINITE));
}

// Four threads call while the fifth ends what they call.
static void run_keeper(void (*body)(size_t index, void* user)) {
  keeper_t keeper = {.kept_count = 0};
  latch_init(&keeper.started);
  stage_open(&keeper.stage, &keeper_class);
  keeper.actor = stage_spawn(&keeper.stage, &keeper_class, &keeper, NULL);
  weft_kit_run_threads(THREADS + 1, body, &keeper);
  for (uint32_t i = 0; i < THREADS * CALLS; ++i) {
    weft_future_t* future = keeper.futures[i];
    if (future != NULL) {
      weft_status_code_t code = stage_code_of(future);
      assert_true(code == WEFT_STATUS_OK || code == WEFT_STATUS_ABANDONED ||
                  code == WEFT_STATUS_ACTOR_EXITED);
      weft_future_release(future);
    }
  }
  stage_close(&keeper.stage);
  latch_deinit(&keeper.started);
}

static void every_call_ends_when_its_actor_exits(void** state) {
  (void)state;
  for (uint64_t i = 0; i < weft_kit_amount(200); ++i) {
    run_keeper(end_keeper);
  }
}

static void every_call_ends_when_the_runtime_stops(void** state) {
  (void)state;
  for (uint64_t i = 0; i < weft_kit_amount(200); ++i) {
    run_keeper(stop_runtime);
  }
}

// --- What else was promised when the runtime stops --------------------------

static weft_status_t answer(weft_runtime_t* runtime, void* user,
                            const weft_value_t* arguments,
                            weft_value_t* out_result) {
  (void)runtime;
  (void)user;
  (void)arguments;
  *out_result = weft_int64(42);
  return WEFT_OK;
}

static void lookups_exits_and_deadlines_end_when_the_runtime_goes(
    void** state) {
  (void)state;
  keeper_t keeper = {.kept_count = 0};
  latch_init(&keeper.started);
  stage_open(&keeper.stage, &keeper_class);
  weft_runtime_t* runtime = keeper.stage.runtime;
  weft_actor_t actor = stage_spawn(&keeper.stage, &keeper_class, &keeper, NULL);
  weft_future_t* lookup = NULL;
  weft_future_t* exited = NULL;
  weft_future_t* lazy = NULL;
  const weft_function_t function = {.name = "answer", .run = answer};
  weft_kit_assert_ok(
      weft_actor_lookup(runtime, "nobody", WEFT_TIME_INFINITE, &lookup));
  weft_kit_assert_ok(weft_actor_exited(runtime, actor, &exited));
  weft_kit_assert_ok(weft_await_create(runtime, &function, NULL, &lazy));
  weft_promise_t* promise = NULL;
  weft_future_t* late = NULL;
  weft_future_t* limited = NULL;
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &late));
  weft_kit_assert_ok(weft_future_with_deadline(
      late, weft_deadline_after(runtime, INT64_C(1) << 50), &limited));
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  assert_true(weft_future_is_done(lookup));
  assert_int_not_equal(stage_code_of(lookup), WEFT_STATUS_OK);
  assert_true(weft_future_is_done(exited));
  weft_future_release(lookup);
  weft_future_release(exited);
  assert_true(weft_future_is_done(limited));
  assert_int_equal(stage_code_of(limited), WEFT_STATUS_CLOSED);
  weft_future_release(limited);
  weft_future_release(late);
  weft_promise_release(promise);
  // A lazy one has promised nothing until somebody waits.
  weft_future_release(lazy);
  stage_close(&keeper.stage);
  latch_deinit(&keeper.started);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_future_is_completed_once_however_many_try),
      cmocka_unit_test(the_second_completion_is_an_error_and_changes_nothing),
      cmocka_unit_test(a_dropped_promise_fails_its_future_and_all_that_follows),
      cmocka_unit_test(every_call_ends_when_its_actor_exits),
      cmocka_unit_test(every_call_ends_when_the_runtime_stops),
      cmocka_unit_test(lookups_exits_and_deadlines_end_when_the_runtime_goes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
