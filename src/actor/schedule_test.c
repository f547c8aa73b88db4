// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "actor/actor_kit.h"
#include "sys/sys.h"

static weft_probe_t probe;

static weft_actor_kit_t* kit_of(void** state) {
  memset(&probe, 0, sizeof(probe));
  return *state;
}

static weft_schedule_t* send_later(const weft_actor_kit_t* kit,
                                   weft_actor_t actor, int64_t note,
                                   int64_t delay_ns, int64_t period_ns) {
  const weft_schedule_options_t times = {delay_ns, period_ns};
  weft_schedule_t* schedule;
  weft_kit_assert_ok(weft_send_later(kit->runtime, actor, WEFT_PROBE_NOTE,
                                     WEFT_ARGUMENTS(weft_int64(note)), &times,
                                     &schedule));
  return schedule;
}

// Lets time pass on the simulated clock.
static void pass(const weft_actor_kit_t* kit, int64_t time_ns) {
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_future_wait(pair.future,
                       weft_deadline_after(kit->runtime, time_ns)));
  weft_promise_release(pair.promise);
  weft_future_release(pair.future);
}

static void a_message_comes_once_after_its_delay(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_schedule_t* schedule = send_later(kit, actor, 1, 5 * WEFT_MS, 0);
  pass(kit, 4 * WEFT_MS);
  assert_int_equal(0, weft_probe_notes(&probe));
  pass(kit, 2 * WEFT_MS);
  WEFT_EXPECT_NOTES(&probe, 1);
  pass(kit, 50 * WEFT_MS);
  WEFT_EXPECT_NOTES(&probe, 1);
  // One that is over can be stopped, and be released.
  weft_schedule_stop(schedule);
  weft_schedule_release(schedule);
}

static void a_message_comes_every_period_until_it_is_stopped(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_schedule_t* schedule = send_later(kit, actor, 1, WEFT_MS, 2 * WEFT_MS);
  // At 1, 3, 5, 7 and 9 ms.
  pass(kit, 10 * WEFT_MS);
  assert_int_equal(5, weft_probe_notes(&probe));
  weft_schedule_stop(schedule);
  pass(kit, 10 * WEFT_MS);
  assert_int_equal(5, weft_probe_notes(&probe));
  weft_schedule_release(schedule);
}

static void releasing_a_schedule_does_not_stop_it(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_schedule_release(send_later(kit, actor, 1, WEFT_MS, WEFT_MS));
  const weft_schedule_options_t times = {WEFT_MS, WEFT_MS};
  weft_kit_assert_ok(weft_send_later(kit->runtime, actor, WEFT_PROBE_NOTE,
                                     WEFT_ARGUMENTS(weft_int64(2)), &times,
                                     NULL));
  pass(kit, 3 * WEFT_MS + WEFT_MS / 2);
  WEFT_EXPECT_NOTES(&probe, 1, 2, 1, 2, 1, 2);
  weft_schedule_release(NULL);
}

static void a_schedule_ends_when_its_actor_is_gone(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_schedule_t* schedule = send_later(kit, actor, 1, WEFT_MS, WEFT_MS);
  weft_probe_end(kit, actor);
  int64_t start_ns = weft_runtime_now_ns(kit->runtime);
  // Runs until no timer is left.
  weft_actor_kit_run(kit);
  pass(kit, 5 * WEFT_MS);
  weft_counters_t counters;
  weft_runtime_counters(kit->runtime, &counters);
  assert_int_equal(0, counters.messages_sent);
  assert_true(weft_runtime_now_ns(kit->runtime) <= start_ns + 6 * WEFT_MS);
  weft_schedule_release(schedule);
}

static void a_message_that_finds_no_room_is_left_out_and_counted(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_spawn_options_t options = {.mailbox_bound = 1};
  weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &options);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* held = weft_probe_call_later(kit, actor, pair.future);
  weft_schedule_t* schedule = send_later(kit, actor, 2, WEFT_MS, WEFT_MS);
  pass(kit, 3 * WEFT_MS + WEFT_MS / 2);
  weft_counters_t counters;
  weft_runtime_counters(kit->runtime, &counters);
  assert_int_equal(3, counters.schedules_missed);
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_expect_outcome(held, WEFT_STATUS_OK);
  pass(kit, WEFT_MS);
  WEFT_EXPECT_NOTES(&probe, 1, 2);
  weft_schedule_stop(schedule);
  weft_schedule_release(schedule);
}

static void what_is_sent_later_is_checked_at_once(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  const weft_schedule_options_t times[3] = {{0, 0}, {-1, 0}, {0, -1}};
  weft_schedule_t* schedule;
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_send_later(kit->runtime, actor, WEFT_PROBE_NOTE,
                      WEFT_ARGUMENTS(weft_float64(1)), &times[0], &schedule));
  assert_null(schedule);
  for (int i = 1; i < 3; i++) {
    weft_kit_assert_status(
        WEFT_STATUS_INVALID_ARGUMENT,
        weft_send_later(kit->runtime, actor, WEFT_PROBE_NOTE,
                        WEFT_ARGUMENTS(weft_int64(1)), &times[i], &schedule));
  }
  actor.rank++;
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_send_later(kit->runtime, actor, WEFT_PROBE_NOTE,
                      WEFT_ARGUMENTS(weft_int64(1)), &times[0], &schedule));
}

static void an_argument_may_still_be_computed(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t value = weft_future_value(pair.future);
  const weft_schedule_options_t times = {WEFT_MS, 2 * WEFT_MS};
  weft_schedule_t* schedule;
  weft_kit_assert_ok(weft_send_later(kit->runtime, actor, WEFT_PROBE_NOTE,
                                     WEFT_ARGUMENTS(value), &times, &schedule));
  weft_value_release(value);
  pass(kit, 4 * WEFT_MS);
  assert_int_equal(0, weft_probe_notes(&probe));
  weft_probe_pair_set(&pair, weft_int64(3));
  pass(kit, 2 * WEFT_MS);
  WEFT_EXPECT_NOTES(&probe, 3, 3, 3);
  weft_schedule_stop(schedule);
  weft_schedule_release(schedule);
}

static void schedules_end_with_the_runtime_and_may_outlive_it(void** state) {
  (void)state;
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {.worker_count = 1};
  weft_actor_kit_init(&kit, &options);
  memset(&probe, 0, sizeof(probe));
  weft_actor_t actor = weft_probe_spawn(&kit, &probe);
  weft_schedule_t* schedule = send_later(&kit, actor, 1, 0, WEFT_MS / 10);
  while (weft_probe_notes(&probe) < 3) {
    weft_expect_outcome(weft_probe_call_note(&kit, actor, 0), WEFT_STATUS_OK);
  }
  weft_kit_assert_ok(weft_runtime_stop(kit.runtime, WEFT_TIME_INFINITE));
  const weft_schedule_options_t times = {0, 0};
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      weft_send_later(kit.runtime, actor, WEFT_PROBE_NOTE,
                      WEFT_ARGUMENTS(weft_int64(1)), &times, NULL));
  weft_runtime_destroy(kit.runtime);
  weft_schedule_stop(schedule);
  weft_schedule_release(schedule);
  weft_kit_allocator_deinit(&kit.memory);
}

typedef struct stopping {
  weft_schedule_t* schedule;
  _Atomic uint32_t after;
} stopping_t;

static void stop_and_look(size_t index, void* user) {
  (void)index;
  stopping_t* stopping = user;
  weft_schedule_stop(stopping->schedule);
}

static void no_message_is_sent_after_a_stop_by_any_thread(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  for (uint64_t i = 0; i < weft_kit_amount(100); i++) {
    memset(&probe, 0, sizeof(probe));
    weft_actor_t actor = weft_probe_spawn(kit, &probe);
    stopping_t stopping = {send_later(kit, actor, 1, 0, 1000), 0};
    while (weft_probe_notes(&probe) == 0) {
      weft_expect_outcome(weft_probe_call_note(kit, actor, 0), WEFT_STATUS_OK);
    }
    weft_kit_run_threads(2, stop_and_look, &stopping);
    weft_counters_t before;
    weft_counters_t after;
    weft_runtime_counters(kit->runtime, &before);
    weft_probe_end(kit, actor);
    weft_runtime_counters(kit->runtime, &after);
    assert_int_equal(before.messages_sent, after.messages_sent);
    weft_schedule_release(stopping.schedule);
  }
}

enum { CROWD = 3 };

typedef struct crowd {
  weft_actor_kit_t* kit;
  weft_actor_t actor;
  // Threads that have begun.
  _Atomic uint32_t begun;
} crowd_t;

// Schedules until the runtime says that it is closed; the last thread stops
// it.
static void schedule_until_closed(size_t index, void* user) {
  crowd_t* crowd = user;
  weft_runtime_t* runtime = crowd->kit->runtime;
  if (index == CROWD) {
    while (atomic_load_explicit(&crowd->begun, memory_order_acquire) < CROWD) {
      weft_sys_yield();
    }
    weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
    return;
  }
  const weft_schedule_options_t times = {1000 * WEFT_MS, 0};
  weft_status_code_t code = WEFT_STATUS_OK;
  atomic_fetch_add_explicit(&crowd->begun, 1, memory_order_acq_rel);
  while (code != WEFT_STATUS_CLOSED) {
    code = weft_status_ignore(
        weft_send_later(runtime, crowd->actor, WEFT_PROBE_NOTE,
                        WEFT_ARGUMENTS(weft_int64(1)), &times, NULL));
  }
}

static void a_stop_meets_threads_that_go_on_scheduling(void** state) {
  (void)state;
  for (uint64_t i = 0; i < weft_kit_amount(500); i++) {
    static weft_actor_kit_t kit;
    const weft_runtime_options_t options = {.worker_count = 1};
    weft_actor_kit_init(&kit, &options);
    memset(&probe, 0, sizeof(probe));
    crowd_t crowd = {&kit, weft_probe_spawn(&kit, &probe), 0};
    weft_kit_run_threads(CROWD + 1, schedule_until_closed, &crowd);
    weft_actor_kit_deinit(&kit);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_TEST(a_message_comes_once_after_its_delay),
      WEFT_ACTOR_TEST(a_message_comes_every_period_until_it_is_stopped),
      WEFT_ACTOR_TEST(releasing_a_schedule_does_not_stop_it),
      WEFT_ACTOR_TEST(a_schedule_ends_when_its_actor_is_gone),
      WEFT_ACTOR_TEST(a_message_that_finds_no_room_is_left_out_and_counted),
      WEFT_ACTOR_TEST(what_is_sent_later_is_checked_at_once),
      WEFT_ACTOR_TEST(an_argument_may_still_be_computed),
      cmocka_unit_test(schedules_end_with_the_runtime_and_may_outlive_it),
      WEFT_ACTOR_THREADS_TEST(no_message_is_sent_after_a_stop_by_any_thread),
      cmocka_unit_test(a_stop_meets_threads_that_go_on_scheduling),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
