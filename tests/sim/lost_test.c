// SPDX-License-Identifier: Apache-2.0
//
// What somebody else lends on waits for room, and its owner dies meanwhile.

#include "sim/job.h"

enum { OWNER, LENDER, CALLER, MEMBERS };
enum { ENDPOINT_KEEP, ENDPOINT_GIVE, ENDPOINT_FILL };
// So many bulky answers are more than a lane holds.
enum { FILLS = 8 };

// What the lender has, and how many answers it has given.
static weft_value_t kept;
static uint32_t given;

static weft_status_t keep(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)out_result;
  kept = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

static weft_status_t give(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)arguments;
  ++given;
  *out_result = weft_value_retain(kept);
  return WEFT_OK;
}

static weft_status_t fill(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)arguments;
  ++given;
  return job_make_bulk(out_result);
}

static const weft_parameter_t parameters[] = {{"tensor", WEFT_KIND_TENSOR}};
static const weft_endpoint_t endpoints[] = {
    [ENDPOINT_KEEP] = {"keep", keep, parameters, 1},
    [ENDPOINT_GIVE] = {"give", give, NULL, 0},
    [ENDPOINT_FILL] = {"fill", fill, NULL, 0},
};
static const weft_class_t lender_class = {"lender", 1,         NULL,
                                          NULL,     endpoints, 3};

// The lender gets a tensor of the owner's.
static weft_actor_t lend(job_t* job) {
  const weft_spawn_options_t options = {.place = LENDER};
  const int64_t shape[] = {5000};
  weft_runtime_t* owner = job->members[OWNER].runtime;
  weft_actor_t lender;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_spawn(owner, &lender_class, weft_none(), &options, &lender));
  weft_kit_assert_ok(
      weft_tensor_create_shared(owner, WEFT_UINT8, 1, shape, &tensor));
  weft_value_t value = weft_tensor_into_value(tensor);
  weft_kit_assert_ok(
      weft_send(owner, lender, ENDPOINT_KEEP, WEFT_ARGUMENTS(value), NULL));
  weft_value_release(value);
  (void)job_run(job, UINT64_MAX);
  return lender;
}

static void call(job_t* job, weft_actor_t lender, uint32_t endpoint,
                 weft_future_t** out_future) {
  weft_kit_assert_ok(weft_call(job->members[CALLER].runtime, lender, endpoint,
                               NULL, NULL, out_future));
}

static void play(weft_kit_random_t* random, void* user) {
  static const weft_class_t* const classes[] = {&lender_class};
  const job_options_t options = {
      .size = MEMBERS,
      .classes = classes,
      .class_count = 1,
      .capacity_bytes = 65536,
  };
  static job_t job;
  weft_future_t* futures[FILLS + 2] = {NULL};
  weft_value_t value;
  (void)user;
  job_open(&job, random, &options);
  weft_actor_t lender = lend(&job);
  for (uint32_t i = 0; i < FILLS; ++i) {
    call(&job, lender, ENDPOINT_FILL, &futures[i]);
  }
  call(&job, lender, ENDPOINT_GIVE, &futures[FILLS]);
  call(&job, lender, ENDPOINT_FILL, &futures[FILLS + 1]);
  // The calls arrive, and most answers do not, before the owner has died.
  uint64_t enough = 1 + weft_kit_random_below(random, FILLS);
  given = 0;
  while (given < enough && job_run(&job, 1) > 0) {
  }
  job_delay(&job, CALLER, 5000000);
  (void)job_run(&job, weft_kit_random_below(random, 60));
  job_kill(&job, OWNER);
  (void)job_run(&job, UINT64_MAX);
  for (uint32_t i = 0; i < FILLS + 2; ++i) {
    assert_true(weft_future_is_done(futures[i]));
    weft_status_t status = weft_future_result(futures[i], &value);
    assert_true(status == WEFT_OK ||
                (i == FILLS && job_is_death(&job, status)));
    weft_status_release(status);
    weft_future_release(futures[i]);
  }
  weft_value_release(kept);
  job_check_warnings(&job);
  job_close(&job);
}

static void an_answer_comes_also_when_what_it_lends_is_lost(void** state) {
  (void)state;
  weft_kit_for_some_seeds(300, play, NULL);
}

static void call_the_dying(weft_kit_random_t* random, void* user) {
  static const weft_class_t* const classes[] = {&lender_class};
  const job_options_t options = {
      .size = MEMBERS, .classes = classes, .class_count = 1};
  job_t job;
  weft_future_t* future = NULL;
  (void)user;
  job_open(&job, random, &options);
  weft_actor_t lender = lend(&job);
  weft_runtime_t* runtime = job.members[OWNER].runtime;
  job_kill(&job, LENDER);
  weft_peers_lose(runtime, LENDER, 1,
                  weft_status_make(WEFT_STATUS_PEER_DIED, "it fell over"));
  // Nothing has run: the link is there.
  weft_status_t status =
      weft_call(runtime, lender, ENDPOINT_GIVE, NULL, NULL, &future);
  assert_string_equal("it fell over",
                      weft_status_message(weft_status_root(status)));
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "cannot reach lender#",
                              status);
  assert_null(future);
  (void)job_run(&job, UINT64_MAX);
  weft_value_release(kept);
  job_close(&job);
}

static void who_calls_one_that_is_said_to_be_dead_hears_what_is_lost(
    void** state) {
  (void)state;
  weft_kit_for_some_seeds(1, call_the_dying, NULL);
}

static void call_too_early(weft_kit_random_t* random, void* user) {
  static const weft_class_t* const classes[] = {&lender_class};
  const job_options_t options = {
      .size = MEMBERS, .classes = classes, .class_count = 1};
  // No link is made in so short a time.
  const weft_call_options_t hasty = {.timeout_ns = 1};
  const weft_actor_t lender = {LENDER, 1, 1, 1};
  job_t job;
  weft_future_t* future = NULL;
  (void)user;
  job_open(&job, random, &options);
  weft_kit_assert_status_says(WEFT_STATUS_DEADLINE_EXCEEDED,
                              "there is no link to rank 1 so far",
                              weft_call(job.members[OWNER].runtime, lender,
                                        ENDPOINT_GIVE, NULL, &hasty, &future));
  assert_null(future);
  job_close(&job);
}

static void who_calls_before_there_is_a_link_hears_that(void** state) {
  (void)state;
  weft_kit_for_some_seeds(1, call_too_early, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_answer_comes_also_when_what_it_lends_is_lost),
      cmocka_unit_test(who_calls_before_there_is_a_link_hears_that),
      cmocka_unit_test(
          who_calls_one_that_is_said_to_be_dead_hears_what_is_lost),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
