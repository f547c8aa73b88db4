// SPDX-License-Identifier: Apache-2.0
//
// Contract 8: idle costs nothing. While nothing is to be done no thread runs:
// the process uses no processor time and its threads are not switched to. What
// is measured is the work of this process, not the time on the wall, so a busy
// machine changes nothing.

#include <sys/resource.h>

#include "conform/stage.h"

enum { ACTORS = 64 };

// A period is the time until a timer of this length calls back.
#define PERIOD_NS (300 * INT64_C(1000000))
// A thread that polled once a millisecond would be switched to 300 times in a
// period, and one that spun would use all of it.
#define SWITCHES_LIMIT 60
#define WORK_LIMIT_US 60000

typedef struct use {
  int64_t work_us;
  int64_t switches;
} use_t;

static int64_t microseconds(struct timeval time) {
  return (int64_t)time.tv_sec * 1000000 + time.tv_usec;
}

static use_t use_now(void) {
  struct rusage usage;
  assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
  return (use_t){
      .work_us = microseconds(usage.ru_utime) + microseconds(usage.ru_stime),
      // Threads that are ready and have to give way do not count.
      .switches = usage.ru_nvcsw,
  };
}

static weft_status_t pass_time(weft_context_t* context, void* state,
                               const weft_value_t* arguments,
                               weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)arguments;
  *out_result = weft_int64(1);
  return WEFT_OK;
}

static weft_status_t wait_for(weft_context_t* context, void* state,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  (void)context;
  (void)arguments;
  weft_future_t* future = *(weft_future_t**)state;
  return weft_future_get(future, WEFT_TIME_INFINITE, out_result);
}

static const weft_parameter_t parameters[] = {{"any", WEFT_KIND_ANY}};
static const weft_endpoint_t endpoints[] = {
    {"pass_time", pass_time, parameters, 1},
    {"wait_for", wait_for, NULL, 0},
};
static const weft_class_t idle_class = {
    "idle", 1, stage_init, NULL, endpoints, 2,
};

// Waits until a timer has called back, and returns what that took.
static use_t use_of_a_period(stage_t* stage) {
  weft_promise_t* promise = NULL;
  weft_future_t* never = NULL;
  weft_future_t* period = NULL;
  weft_kit_assert_ok(weft_promise_create(stage->runtime, &promise, &never));
  weft_kit_assert_ok(weft_future_with_deadline(
      never, weft_deadline_after(stage->runtime, PERIOD_NS), &period));
  use_t before = use_now();
  assert_int_equal(stage_code_of(period), WEFT_STATUS_DEADLINE_EXCEEDED);
  use_t after = use_now();
  weft_future_release(period);
  weft_future_release(never);
  weft_promise_release(promise);
  return (use_t){after.work_us - before.work_us,
                 after.switches - before.switches};
}

static void check_idle(stage_t* stage) {
  // What has just been done may still be put away.
  use_t use = use_of_a_period(stage);
  for (int i = 0; i < 3 && (use.switches >= SWITCHES_LIMIT ||
                            use.work_us >= WORK_LIMIT_US);
       ++i) {
    use = use_of_a_period(stage);
  }
  assert_true(use.switches < SWITCHES_LIMIT);
  assert_true(use.work_us < WORK_LIMIT_US);
}

static void a_runtime_without_work_uses_no_processor(void** state) {
  (void)state;
  stage_t stage;
  stage_open(&stage, &idle_class);
  check_idle(&stage);
  stage_close(&stage);
}

static void a_runtime_that_has_finished_its_work_uses_no_processor(
    void** state) {
  (void)state;
  stage_t stage;
  stage_open(&stage, &idle_class);
  weft_value_t value = weft_none();
  for (uint32_t i = 0; i < ACTORS; ++i) {
    weft_actor_t actor = stage_spawn(&stage, &idle_class, &stage, NULL);
    weft_kit_assert_ok(
        stage_ask(&stage, actor, 0, WEFT_ARGUMENTS(weft_int64(1)), &value));
  }
  check_idle(&stage);
  stage_close(&stage);
}

static void waiting_on_every_side_uses_no_processor(void** state) {
  (void)state;
  stage_t stage;
  stage_open(&stage, &idle_class);
  weft_promise_t* promise = NULL;
  weft_future_t* late = NULL;
  weft_future_t* replies[3] = {NULL};
  weft_kit_assert_ok(weft_promise_create(stage.runtime, &promise, &late));
  weft_actor_t waiter = stage_spawn(&stage, &idle_class, &late, NULL);
  weft_actor_t held = stage_spawn(&stage, &idle_class, &late, NULL);
  // A handler that waits, a message that waits behind it, and one that waits
  // for its argument.
  weft_kit_assert_ok(
      weft_call(stage.runtime, waiter, 1, NULL, NULL, &replies[0]));
  weft_kit_assert_ok(weft_call(stage.runtime, waiter, 0,
                               WEFT_ARGUMENTS(weft_int64(1)), NULL,
                               &replies[1]));
  weft_kit_assert_ok(weft_call(stage.runtime, held, 0,
                               WEFT_ARGUMENTS(weft_future_lend(late)), NULL,
                               &replies[2]));
  check_idle(&stage);
  weft_kit_assert_ok(weft_promise_set(promise, weft_int64(1)));
  weft_promise_release(promise);
  for (uint32_t i = 0; i < 3; ++i) {
    assert_int_equal(stage_code_of(replies[i]), WEFT_STATUS_OK);
    weft_future_release(replies[i]);
  }
  weft_kit_assert_ok(weft_runtime_stop(stage.runtime, WEFT_TIME_INFINITE));
  weft_future_release(late);
  stage_close(&stage);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_runtime_without_work_uses_no_processor),
      cmocka_unit_test(a_runtime_that_has_finished_its_work_uses_no_processor),
      cmocka_unit_test(waiting_on_every_side_uses_no_processor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
