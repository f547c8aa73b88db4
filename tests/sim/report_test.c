// SPDX-License-Identifier: Apache-2.0
//
// What a runtime says of mailboxes that other runtimes fill.

#include "sim/job.h"

enum { HERE, THERE, MEMBERS, SENT = 3 };

static weft_status_t take(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)arguments;
  (void)out_result;
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {{"value", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[] = {{"take", take, parameters, 1}};
static const weft_class_t clerk = {"clerk", 1, NULL, NULL, endpoints, 1};

static weft_value_t get(weft_value_t map, const char* key) {
  weft_value_t value;
  weft_kit_assert_ok(weft_map_get(map, key, &value));
  return value;
}

// Of the only actor there, as this runtime hears it.
static int64_t depth_there(job_t* job) {
  weft_future_t* future = NULL;
  weft_value_t report;
  const weft_value_t* actors;
  size_t count;
  int64_t depth;
  weft_kit_assert_ok(
      weft_runtime_report(job->members[HERE].runtime, THERE, &future));
  (void)job_run(job, UINT64_MAX);
  weft_kit_assert_ok(weft_future_result(future, &report));
  weft_kit_assert_ok(
      weft_value_as_list(get(report, "actors"), &actors, &count));
  assert_int_equal(count, 1);
  weft_kit_assert_ok(weft_value_as_int64(get(actors[0], "depth"), &depth));
  weft_future_release(future);
  return depth;
}

static void play(weft_kit_random_t* random, void* user) {
  static const weft_class_t* const classes[] = {&clerk};
  const job_options_t options = {
      .size = MEMBERS, .classes = classes, .class_count = 1};
  static job_t job;
  weft_actor_t actor;
  weft_promise_t* promise;
  weft_future_t* future;
  (void)user;
  job_open(&job, random, &options);
  weft_runtime_t* runtime = job.members[HERE].runtime;
  weft_kit_assert_ok(weft_spawn(job.members[THERE].runtime, &clerk, weft_none(),
                                NULL, &actor));
  assert_int_equal(depth_there(&job), 0);
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &future));
  weft_value_t argument = weft_future_value(future);
  for (int i = 0; i < SENT; i++) {
    weft_kit_assert_ok(
        weft_send(runtime, actor, 0, WEFT_ARGUMENTS(argument), NULL));
  }
  assert_int_equal(depth_there(&job), SENT);
  weft_kit_assert_ok(weft_promise_set(promise, weft_int64(1)));
  (void)job_run(&job, UINT64_MAX);
  assert_int_equal(depth_there(&job), 0);
  weft_promise_release(promise);
  weft_value_release(argument);
  weft_future_release(future);
  job_check_warnings(&job);
  job_close(&job);
}

static void messages_of_other_runtimes_count_until_they_are_finished(
    void** state) {
  (void)state;
  weft_kit_for_some_seeds(50, play, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(
          messages_of_other_runtimes_count_until_they_are_finished),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
