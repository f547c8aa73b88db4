// SPDX-License-Identifier: Apache-2.0
//
// A member stops for longer than others wait for it. If any of them waits, it
// is given up by all, and what waits in it ends when it wakes; else nothing has
// happened.

#include "sim/job.h"

enum { MEMBERS = 5, CALLS = 24 };
enum { ECHO, HOLD };

typedef struct call {
  uint32_t from;
  uint32_t to;
  uint32_t endpoint;
  weft_future_t* future;
} call_t;

typedef struct play {
  job_t job;
  weft_actor_t actors[MEMBERS];
  call_t calls[CALLS];
  // Replies that were taken, and are never given.
  weft_promise_t* held[CALLS];
  uint32_t held_count;
} play_t;

static play_t play;

static weft_status_t echo(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)state;
  *out_result = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

static weft_status_t hold(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)state;
  (void)arguments;
  (void)out_result;
  return weft_context_take_reply(context, &play.held[play.held_count++]);
}

static const weft_parameter_t parameters[] = {{"value", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[] = {
    [ECHO] = {"echo", echo, parameters, 1},
    [HOLD] = {"hold", hold, parameters, 1},
};
static const weft_class_t clerk = {"clerk", 1, NULL, NULL, endpoints, 2};

static uint32_t below(uint32_t limit) {
  return (uint32_t)weft_kit_random_below(play.job.random, limit);
}

static weft_status_t call(uint32_t from, uint32_t to, uint32_t endpoint,
                          weft_future_t** out_future) {
  return weft_call(play.job.members[from].runtime, play.actors[to], endpoint,
                   WEFT_ARGUMENTS(weft_int64(from)), NULL, out_future);
}

static void open_play(weft_kit_random_t* random) {
  static const weft_class_t* const classes[] = {&clerk};
  const job_options_t options = {
      .size = MEMBERS, .classes = classes, .class_count = 1};
  play = (play_t){.held_count = 0};
  job_open(&play.job, random, &options);
  for (uint32_t i = 0; i < MEMBERS; i++) {
    weft_kit_assert_ok(weft_spawn(play.job.members[i].runtime, &clerk,
                                  weft_none(), NULL, &play.actors[i]));
  }
}

// Some calls, most of them answered before anybody stops. True if somebody
// waits for the victim.
static bool make_calls(uint32_t victim) {
  bool is_waited_for = false;
  for (uint32_t i = 0; i < CALLS; i++) {
    call_t* made = &play.calls[i];
    made->from = below(MEMBERS);
    made->to = (made->from + 1 + below(MEMBERS - 1)) % MEMBERS;
    made->endpoint = below(6) == 0 ? HOLD : ECHO;
    weft_kit_assert_ok(
        call(made->from, made->to, made->endpoint, &made->future));
    is_waited_for |= made->to == victim && made->endpoint == HOLD;
  }
  // Held replies keep the heartbeat going for ever.
  (void)job_run(&play.job, 2000);
  return is_waited_for;
}

static void check_calls(uint32_t victim, bool is_given_up) {
  for (uint32_t i = 0; i < CALLS; i++) {
    const call_t* made = &play.calls[i];
    weft_value_t value = weft_none();
    bool is_of_victim = made->from == victim || made->to == victim;
    if (made->endpoint == ECHO) {
      weft_kit_assert_ok(weft_future_result(made->future, &value));
    } else if (is_of_victim && is_given_up) {
      weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "was given up",
                                  weft_future_result(made->future, &value));
    } else {
      assert_false(weft_future_is_done(made->future));
    }
  }
}

// Who can reach whom.
static void check_lives(uint32_t victim, bool is_given_up) {
  for (uint32_t from = 0; from < MEMBERS; from++) {
    for (uint32_t to = 0; to < MEMBERS; to++) {
      weft_future_t* future = NULL;
      weft_value_t value;
      if (from == to) {
        continue;
      }
      weft_status_t status = call(from, to, ECHO, &future);
      (void)job_run(&play.job, 2000);
      if (status == WEFT_OK) {
        assert_true(weft_future_is_done(future));
        status = weft_future_result(future, &value);
        weft_future_release(future);
      }
      weft_status_code_t expected = WEFT_STATUS_OK;
      if (is_given_up && (from == victim || to == victim)) {
        expected = from == victim ? WEFT_STATUS_CLOSED : WEFT_STATUS_PEER_DIED;
      }
      weft_kit_assert_status(expected, status);
    }
  }
}

static void close_play(void) {
  for (uint32_t i = 0; i < play.held_count; i++) {
    weft_promise_release(play.held[i]);
  }
  for (uint32_t i = 0; i < CALLS; i++) {
    weft_future_release(play.calls[i].future);
  }
  job_check_warnings(&play.job);
  job_close(&play.job);
}

static void run(weft_kit_random_t* random, void* user) {
  uint64_t* course = user;
  open_play(random);
  uint32_t victim = below(MEMBERS);
  bool is_waited_for = make_calls(victim);
  job_stop(&play.job, victim, INT64_C(15000000000));
  int64_t end_ns = weft_deadline_after(play.job.host, INT64_C(20000000000));
  while (weft_runtime_now_ns(play.job.host) < end_ns &&
         job_run(&play.job, 100) > 0) {
  }
  assert_int_equal(play.job.members[victim].is_given_up, is_waited_for);
  check_calls(victim, is_waited_for);
  check_lives(victim, is_waited_for);
  if (course != NULL) {
    *course = play.job.course;
  }
  close_play();
}

static void one_that_does_not_answer_is_lost_by_all_or_by_nobody(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, run, NULL);
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  job_check_courses(run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_that_does_not_answer_is_lost_by_all_or_by_nobody),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
