// SPDX-License-Identifier: Apache-2.0
//
// Messages that are sent later to an actor of another runtime.

#include "sim/job.h"

enum { HERE, THERE, MEMBERS };
enum { NOTE };
#define MS INT64_C(1000000)
#define NOTES 4096

// What the actor was sent, as 10 * first + second; and by whom.
static int64_t notes[NOTES];
static uint32_t note_count;

static weft_status_t note(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)state;
  (void)out_result;
  assert_true(weft_actor_is_none(weft_context_sender(context)));
  assert_true(note_count < NOTES);
  notes[note_count++] = 10 * arguments[0].as.int64 + arguments[1].as.int64;
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {{"first", WEFT_KIND_INT64},
                                              {"second", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[] = {{"note", note, parameters, 2}};
static const weft_class_t clerk = {"clerk", 1, NULL, NULL, endpoints, 1};

static job_t job;

static weft_actor_t open_job(weft_kit_random_t* random) {
  static const weft_class_t* const classes[] = {&clerk};
  const job_options_t options = {
      .size = MEMBERS, .classes = classes, .class_count = 1};
  weft_actor_t actor;
  note_count = 0;
  job_open(&job, random, &options);
  weft_kit_assert_ok(weft_spawn(job.members[THERE].runtime, &clerk, weft_none(),
                                NULL, &actor));
  return actor;
}

static weft_schedule_t* send_later(weft_actor_t actor, int64_t number,
                                   int64_t delay_ns, int64_t period_ns) {
  const weft_schedule_options_t when = {delay_ns, period_ns};
  weft_schedule_t* schedule = NULL;
  // The name need not be there any more when the message is sent.
  char name[] = "second";
  const weft_value_t first = weft_int64(number);
  const weft_named_value_t second = {name, weft_int64(7)};
  const weft_arguments_t arguments = {&first, 1, &second, 1};
  weft_kit_assert_ok(weft_send_later(job.members[HERE].runtime, actor, NOTE,
                                     &arguments, &when, &schedule));
  name[0] = '\0';
  return schedule;
}

static void pass(int64_t time_ns) {
  int64_t end_ns = weft_deadline_after(job.host, time_ns);
  while (weft_runtime_now_ns(job.host) < end_ns && job_run(&job, 1) > 0) {
  }
}

static void play_in_order(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_actor_t actor = open_job(random);
  weft_schedule_t* once = send_later(actor, 1, 5 * MS, 0);
  weft_schedule_t* again = send_later(actor, 2, 10 * MS, 10 * MS);
  pass(4 * MS);
  assert_int_equal(note_count, 0);
  pass(60 * MS);
  weft_schedule_stop(again);
  weft_schedule_stop(once);
  (void)job_run(&job, UINT64_MAX);
  assert_in_range(note_count, 6, 8);
  assert_int_equal(notes[0], 17);
  for (uint32_t i = 1; i < note_count; i++) {
    assert_int_equal(notes[i], 27);
  }
  weft_schedule_release(once);
  weft_schedule_release(again);
  job_check_warnings(&job);
  job_close(&job);
}

static void messages_come_later_once_or_again_and_again(void** state) {
  (void)state;
  weft_kit_for_some_seeds(100, play_in_order, NULL);
}

static uint64_t missed(void) {
  weft_counters_t counters;
  weft_runtime_counters(job.members[HERE].runtime, &counters);
  return counters.schedules_missed;
}

// The timer is that of the sender, which does not wait for room.
static void play_stopped(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_actor_t actor = open_job(random);
  weft_schedule_t* schedule = send_later(actor, 3, MS, MS);
  pass(10 * MS);
  assert_int_equal(missed(), 0);
  job_stop(&job, THERE, 200 * MS);
  pass(180 * MS);
  uint64_t missed_meanwhile = missed();
  assert_in_range(missed_meanwhile, 80, 180);
  pass(60 * MS);
  uint32_t count = note_count;
  pass(20 * MS);
  assert_true(note_count > count);
  job_kill(&job, THERE);
  // It ends with the process: else this would not.
  (void)job_run(&job, UINT64_MAX);
  weft_schedule_release(schedule);
  job_check_warnings(&job);
  job_close(&job);
}

static void what_finds_no_room_is_left_out_and_the_dead_end_the_schedule(
    void** state) {
  (void)state;
  weft_kit_for_some_seeds(100, play_stopped, NULL);
}

static void what_cannot_be_sent_is_said_at_once(void** state) {
  (void)state;
  weft_kit_random_t random;
  weft_kit_random_init(&random, 1);
  weft_actor_t actor = open_job(&random);
  weft_schedule_t* schedule = NULL;
  const weft_schedule_options_t when = {MS, 0};
  weft_value_t many[WEFT_PARAMETER_LIMIT + 1];
  for (size_t i = 0; i <= WEFT_PARAMETER_LIMIT; i++) {
    many[i] = weft_int64(1);
  }
  const weft_arguments_t arguments = {many, WEFT_PARAMETER_LIMIT + 1, NULL, 0};
  weft_runtime_t* runtime = job.members[HERE].runtime;
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_send_later(runtime, actor, NOTE, &arguments, &when, &schedule));
  actor.rank = MEMBERS;
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_send_later(runtime, actor, NOTE, NULL, &when, &schedule));
  actor.rank = THERE;
  job_kill(&job, THERE);
  weft_kit_assert_status(
      WEFT_STATUS_PEER_DIED,
      weft_send_later(runtime, actor, NOTE, NULL, &when, &schedule));
  assert_null(schedule);
  job_close(&job);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(messages_come_later_once_or_again_and_again),
      cmocka_unit_test(
          what_finds_no_room_is_left_out_and_the_dead_end_the_schedule),
      cmocka_unit_test(what_cannot_be_sent_is_said_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
