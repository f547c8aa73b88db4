// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "async/future_kit.h"

#define MS_NS INT64_C(1000000)
#define HOUR_NS (INT64_C(3600000) * MS_NS)

static weft_future_t* limit(weft_future_t* future, int64_t deadline_ns) {
  weft_future_t* limited;
  weft_kit_assert_ok(weft_future_with_deadline(future, deadline_ns, &limited));
  return limited;
}

static void an_outcome_in_time_passes_by(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t good = weft_pair(runtime);
  weft_pair_t bad = weft_pair(runtime);
  int64_t deadline_ns = weft_deadline_after(runtime, HOUR_NS);
  weft_future_t* limited_good = limit(good.future, deadline_ns);
  weft_future_t* limited_bad = limit(bad.future, deadline_ns);
  weft_future_t* unlimited = limit(good.future, WEFT_TIME_INFINITE);
  weft_pair_set(&good, weft_int64(1));
  weft_pair_fail(&bad, weft_status_make(WEFT_STATUS_NOT_FOUND, "x"));
  weft_assert_int64(limited_good, 1);
  weft_assert_int64(unlimited, 1);
  weft_assert_fails(limited_bad, WEFT_STATUS_NOT_FOUND, "x");
  weft_future_release(limited_good);
  weft_future_release(limited_bad);
  weft_future_release(unlimited);
  weft_pair_release(&good);
  weft_pair_release(&bad);
}

static void a_source_that_is_late_goes_on(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* limited =
      limit(pair.future, weft_deadline_after(runtime, MS_NS));
  weft_assert_fails(limited, WEFT_STATUS_DEADLINE_EXCEEDED, "deadline");
  assert_int_equal(weft_future_state(pair.future), WEFT_FUTURE_PENDING);
  weft_pair_set(&pair, weft_int64(1));
  weft_assert_int64(pair.future, 1);
  weft_assert_fails(limited, WEFT_STATUS_DEADLINE_EXCEEDED, "deadline");
  weft_future_release(limited);
  weft_pair_release(&pair);
}

static void a_deadline_that_has_passed_spares_only_what_is_done(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* late = limit(pair.future, WEFT_TIME_NOW);
  assert_true(weft_future_is_done(late));
  weft_assert_fails(late, WEFT_STATUS_DEADLINE_EXCEEDED, "deadline");
  weft_pair_set(&pair, weft_int64(1));
  weft_future_t* done = limit(pair.future, WEFT_TIME_NOW);
  weft_assert_int64(done, 1);
  weft_future_release(late);
  weft_future_release(done);
  weft_pair_release(&pair);
}

// No timer is kept until its deadline, and nothing stays with the source.
static void what_was_limited_leaves_nothing_behind(void** state) {
  weft_future_kit_t* kit = *state;
  weft_runtime_t* runtime = kit->runtime;
  weft_pair_t never = weft_pair(runtime);
  size_t bytes_in_use = 0;
  for (int round = 0; round < 300; round++) {
    int64_t deadline_ns = weft_deadline_after(runtime, HOUR_NS);
    weft_pair_t pair = weft_pair(runtime);
    weft_future_t* limited = limit(pair.future, deadline_ns);
    weft_pair_set(&pair, weft_int64(1));
    weft_assert_int64(limited, 1);
    weft_future_release(limited);
    weft_pair_release(&pair);
    weft_future_t* cancelled = limit(never.future, deadline_ns);
    assert_true(weft_future_cancel(cancelled));
    weft_future_release(cancelled);
    if (round == 0) {
      bytes_in_use = kit->memory.bytes_in_use;
    }
  }
  assert_int_equal(kit->memory.bytes_in_use, bytes_in_use);
  assert_null(never.future->first);
  weft_pair_release(&never);
}

static void a_late_source_collects_nothing(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t never = weft_pair(runtime);
  for (int round = 0; round < 20; round++) {
    weft_future_t* limited =
        limit(never.future, weft_deadline_after(runtime, MS_NS / 10));
    weft_assert_fails(limited, WEFT_STATUS_DEADLINE_EXCEEDED, "deadline");
    weft_future_release(limited);
  }
  // The timer's callback takes its waiter back after it has completed; then
  // the promise alone holds the future.
  weft_future_release(never.future);
  while (!weft_object_is_unique(&never.future->object)) {
    weft_sys_yield();
  }
  assert_null(never.future->first);
  weft_promise_release(never.promise);
}

static void in_a_simulation_the_deadline_comes_when_nothing_else_can(
    void** state) {
  (void)state;
  weft_future_kit_t kit;
  const weft_runtime_options_t options = {.simulate = true, .seed = 1};
  weft_future_kit_init(&kit, &options);
  weft_pair_t pair = weft_pair(kit.runtime);
  int64_t deadline_ns = weft_deadline_after(kit.runtime, HOUR_NS);
  weft_future_t* limited = limit(pair.future, deadline_ns);
  weft_assert_fails(limited, WEFT_STATUS_DEADLINE_EXCEEDED, "deadline");
  assert_int_equal(weft_runtime_now_ns(kit.runtime), deadline_ns);
  weft_future_release(limited);
  weft_pair_release(&pair);
  weft_future_kit_deinit(&kit);
}

static void what_is_limited_ends_when_the_runtime_stops(void** state) {
  (void)state;
  for (int is_simulated = 0; is_simulated < 2; is_simulated++) {
    weft_future_kit_t kit;
    const weft_runtime_options_t options = {.worker_count = 1,
                                            .simulate = is_simulated != 0};
    weft_future_kit_init(&kit, &options);
    weft_pair_t pair = weft_pair(kit.runtime);
    int64_t deadline_ns = weft_deadline_after(kit.runtime, HOUR_NS);
    weft_future_t* limited = limit(pair.future, deadline_ns);
    // Two that wait for each other, until the deadline. The test fails for
    // what they hold if they never end.
    weft_pair_t circle = weft_pair(kit.runtime);
    weft_future_t* back = limit(circle.future, deadline_ns);
    weft_kit_assert_ok(weft_promise_forward(circle.promise, back));
    weft_future_release(back);
    weft_pair_release(&circle);
    weft_kit_assert_ok(weft_runtime_stop(kit.runtime, WEFT_TIME_INFINITE));
    assert_true(weft_future_is_done(limited));
    weft_assert_fails(limited, WEFT_STATUS_CLOSED, "stopped");
    assert_false(weft_future_is_done(pair.future));
    weft_future_release(limited);
    weft_pair_release(&pair);
    weft_future_kit_deinit(&kit);
  }
}

// --- Races ------------------------------------------------------------------

typedef struct race {
  weft_pair_t pair;
  weft_future_t* limited;
} race_t;

static void complete_or_cancel(size_t index, void* user) {
  race_t* race = user;
  if (index == 0) {
    weft_status_ignore(weft_promise_set(race->pair.promise, weft_int64(1)));
  } else {
    weft_future_cancel(race->limited);
  }
}

static void deadline_outcome_and_cancel_may_meet(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(1000); i > 0; i--) {
    race_t race = {.pair = weft_pair(runtime)};
    int64_t timeout_ns = (int64_t)(i % 64) * 2000;
    race.limited =
        limit(race.pair.future, weft_deadline_after(runtime, timeout_ns));
    weft_kit_run_threads(1 + i % 2, complete_or_cancel, &race);
    weft_kit_assert_ok(weft_future_wait(race.limited, WEFT_TIME_INFINITE));
    weft_future_release(race.limited);
    weft_pair_release(&race.pair);
  }
}

// --- Without memory ---------------------------------------------------------

typedef struct limited {
  weft_runtime_t* runtime;
  weft_pair_t pair;
  weft_future_t* future;
} limited_t;

static void destroy_limited(void* object, void* user) {
  limited_t* limited = object;
  (void)user;
  weft_future_release(limited->future);
  weft_pair_release(&limited->pair);
  weft_runtime_destroy(limited->runtime);
}

static weft_status_t create_limited(const weft_allocator_t* allocator,
                                    void* user, void** out_object) {
  limited_t* limited = user;
  memset(limited, 0, sizeof(*limited));
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &limited->runtime));
  weft_status_t status = weft_promise_create(
      limited->runtime, &limited->pair.promise, &limited->pair.future);
  if (status == WEFT_OK) {
    status = weft_future_with_deadline(limited->pair.future, HOUR_NS,
                                       &limited->future);
  }
  if (status == WEFT_OK) {
    *out_object = limited;
  } else {
    destroy_limited(limited, NULL);
  }
  return status;
}

static void limiting_survives_every_failure_of_memory(void** state) {
  (void)state;
  limited_t limited;
  const weft_kit_creation_t creation = {
      .create = create_limited, .destroy = destroy_limited, .user = &limited};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(an_outcome_in_time_passes_by),
      WEFT_FUTURE_TEST(a_source_that_is_late_goes_on),
      WEFT_FUTURE_TEST(a_deadline_that_has_passed_spares_only_what_is_done),
      WEFT_FUTURE_TEST(what_was_limited_leaves_nothing_behind),
      WEFT_FUTURE_TEST(a_late_source_collects_nothing),
      cmocka_unit_test(
          in_a_simulation_the_deadline_comes_when_nothing_else_can),
      cmocka_unit_test(what_is_limited_ends_when_the_runtime_stops),
      WEFT_FUTURE_TEST(deadline_outcome_and_cancel_may_meet),
      cmocka_unit_test(limiting_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
