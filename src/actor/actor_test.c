// SPDX-License-Identifier: Apache-2.0
//
// The life of actors: spawning, init, stopping, and handles of those that are
// gone.

#include <string.h>

#include "actor/actor.h"
#include "actor/actor_kit.h"

static weft_probe_t probe;
static weft_probe_t other;

static weft_actor_kit_t* kit_of(void** state) {
  memset(&probe, 0, sizeof(probe));
  memset(&other, 0, sizeof(other));
  return *state;
}

static weft_counters_t counters_of(const weft_actor_kit_t* kit) {
  weft_counters_t counters;
  weft_runtime_counters(kit->runtime, &counters);
  return counters;
}

// --- Spawning ---------------------------------------------------------------

static void an_actor_has_its_init_and_its_messages_in_order(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  assert_false(weft_actor_is_none(actor));
  weft_kit_assert_ok(weft_probe_send_note(kit->runtime, actor, 1));
  weft_expect_int64(weft_probe_call_note(kit, actor, 2), 2);
  WEFT_EXPECT_NOTES(&probe, 1, 2);
  assert_int_equal(1, probe.init_count);
  assert_int_equal(0, probe.deinit_count);
  weft_probe_end(kit, actor);
  assert_int_equal(1, probe.deinit_count);
}

static void an_actor_without_init_and_state_works(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor;
  weft_kit_assert_ok(
      weft_spawn(kit->runtime, &weft_bare_class, weft_none(), NULL, &actor));
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_ECHO,
                               WEFT_ARGUMENTS(weft_int64(3)), NULL, &reply));
  weft_expect_int64(reply, 3);
}

static void a_class_that_the_runtime_does_not_know_is_not_found(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_class_t stranger = {.name = "stranger", .version = 1};
  weft_actor_t actor = {1, 1, 1, 1};
  weft_kit_assert_status_says(
      WEFT_STATUS_NOT_FOUND, "stranger",
      weft_spawn(kit->runtime, &stranger, weft_none(), NULL, &actor));
  assert_true(weft_actor_is_none(actor));
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_spawn(kit->runtime, NULL, weft_none(), NULL, &actor));
}

static void a_place_that_does_not_exist_is_not_found(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_spawn_options_t options = {.place = 1};
  weft_actor_t actor;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_spawn(kit->runtime, &weft_bare_class, weft_none(),
                                    &options, &actor));
}

static void a_mailbox_has_a_greatest_bound(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_spawn_options_t options = {.mailbox_bound =
                                      WEFT_MAILBOX_BOUND_LIMIT + 1};
  weft_actor_t actor;
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_spawn(kit->runtime, &weft_bare_class, weft_none(),
                                    &options, &actor));
  options.mailbox_bound = WEFT_MAILBOX_BOUND_LIMIT;
  weft_kit_assert_ok(weft_spawn(kit->runtime, &weft_bare_class, weft_none(),
                                &options, &actor));
}

static void more_actors_live_than_one_chunk_holds(void** state) {
  enum { ACTORS = 3 * WEFT_ROSTER_CHUNK_ENTRIES + 1 };
  weft_actor_kit_t* kit = kit_of(state);
  static weft_actor_t actors[ACTORS];
  for (int i = 0; i < ACTORS; i++) {
    actors[i] = weft_probe_spawn(kit, &probe);
  }
  weft_actor_kit_run(kit);
  assert_int_equal(ACTORS, probe.init_count);
  weft_expect_outcome(weft_probe_call_note(kit, actors[ACTORS - 1], 1),
                      WEFT_STATUS_OK);
  assert_int_equal(ACTORS, counters_of(kit).actors_spawned);
}

// --- Init that fails --------------------------------------------------------

static void an_init_that_fails_ends_the_actor_and_is_the_cause(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  probe.init_code = WEFT_STATUS_PERMISSION_DENIED;
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  weft_future_t* reply = weft_probe_call_note(kit, actor, 1);
  weft_value_t value;
  weft_status_t status = weft_future_get(reply, WEFT_TIME_INFINITE, &value);
  assert_int_equal(WEFT_STATUS_ACTOR_EXITED, weft_status_code(status));
  assert_int_equal(WEFT_STATUS_PERMISSION_DENIED,
                   weft_status_code(weft_status_cause(status)));
  weft_status_release(status);
  weft_future_release(reply);
  weft_expect_outcome(exited, WEFT_STATUS_PERMISSION_DENIED);
  // What was never made is not freed.
  assert_int_equal(0, probe.deinit_count);
  // Whoever comes later hears of it, too.
  weft_kit_assert_status_says(WEFT_STATUS_NOT_FOUND, "init was told to fail",
                              weft_probe_send_note(kit->runtime, actor, 2));
}

static void what_ended_an_actor_is_known_for_a_while(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  probe.init_code = WEFT_STATUS_FAILED;
  weft_actor_t first = weft_probe_spawn(kit, &probe);
  weft_actor_kit_run(kit);
  for (int i = 1; i < WEFT_OBITUARY_COUNT; i++) {
    (void)weft_probe_spawn(kit, &probe);
    weft_actor_kit_run(kit);
  }
  weft_kit_assert_status_says(WEFT_STATUS_NOT_FOUND, "init was told to fail",
                              weft_probe_send_note(kit->runtime, first, 1));
  (void)weft_probe_spawn(kit, &probe);
  weft_actor_kit_run(kit);
  weft_status_t status = weft_probe_send_note(kit->runtime, first, 1);
  assert_int_equal(WEFT_STATUS_NOT_FOUND, weft_status_code(status));
  assert_true(weft_status_cause(status) == WEFT_OK);
  weft_status_release(status);
}

// --- Stopping ---------------------------------------------------------------

static void stopping_now_fails_what_waits(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_actor_kit_run(kit);
  weft_future_t* reply = weft_probe_call_note(kit, actor, 1);
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_NOW, WEFT_OK));
  weft_expect_outcome_says(reply, WEFT_STATUS_ACTOR_EXITED, "probe#0");
  assert_int_equal(0, weft_probe_notes(&probe));
  assert_int_equal(1, probe.deinit_count);
}

static void stopping_in_turn_handles_what_came_before(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* before = weft_probe_call_note(kit, actor, 1);
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_AFTER_QUEUE, WEFT_OK));
  weft_future_t* after = weft_probe_call_note(kit, actor, 2);
  weft_expect_int64(before, 1);
  weft_expect_outcome(after, WEFT_STATUS_ACTOR_EXITED);
  weft_expect_outcome(exited, WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&probe, 1);
}

static void stopping_in_turn_waits_for_what_is_held(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* held = weft_probe_call_later(kit, actor, pair.future);
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_AFTER_QUEUE,
                      weft_status_make(WEFT_STATUS_FAILED, "later")));
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  weft_actor_kit_run(kit);
  assert_false(weft_future_is_done(exited));
  // It takes no more meanwhile.
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_probe_send_note(kit->runtime, actor, 3));
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_expect_int64(held, 1);
  weft_expect_outcome_says(exited, WEFT_STATUS_FAILED, "later");
}

static void an_actor_that_stops_in_turn_can_still_be_stopped_now(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* held = weft_probe_call_later(kit, actor, pair.future);
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_AFTER_QUEUE, WEFT_OK));
  weft_actor_kit_run(kit);
  weft_probe_end(kit, actor);
  weft_expect_outcome(held, WEFT_STATUS_ACTOR_EXITED);
  weft_probe_pair_set(&pair, weft_int64(1));
}

static void the_first_reason_counts(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_NOW,
                      weft_status_make(WEFT_STATUS_FAILED, "first")));
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_NOW,
                      weft_status_make(WEFT_STATUS_FAILED, "second")));
  weft_expect_outcome_says(exited, WEFT_STATUS_FAILED, "first");
}

static weft_status_t stop_self(weft_context_t* context, weft_probe_t* self,
                               void* user, weft_value_t* out_result) {
  (void)self;
  weft_context_stop(context,
                    weft_status_make(WEFT_STATUS_FAILED, "%s", (char*)user));
  weft_context_stop(context, weft_status_make(WEFT_STATUS_FAILED, "again"));
  *out_result = weft_int64(4);
  return WEFT_OK;
}

static void a_handler_that_ends_its_actor_still_answers(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  char reason[] = "bye";
  weft_probe_act_t act = {stop_self, reason};
  weft_future_t* reply = weft_probe_do(kit, actor, &act);
  weft_future_t* after = weft_probe_call_note(kit, actor, 1);
  weft_expect_int64(reply, 4);
  weft_expect_outcome_says(after, WEFT_STATUS_ACTOR_EXITED, "bye");
  weft_expect_outcome_says(exited, WEFT_STATUS_FAILED, "bye");
}

static void an_error_of_a_handler_does_not_end_the_actor(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_DO,
                               WEFT_ARGUMENTS(weft_none()), NULL, &reply));
  weft_expect_outcome(reply, WEFT_STATUS_INVALID_ARGUMENT);
  weft_expect_int64(weft_probe_call_note(kit, actor, 1), 1);
  weft_kit_assert_ok(weft_send(kit->runtime, actor, WEFT_PROBE_DO,
                               WEFT_ARGUMENTS(weft_none()), NULL));
  weft_expect_int64(weft_probe_call_note(kit, actor, 1), 2);
  assert_int_equal(1, kit->warning_count);
}

// --- Stale handles ----------------------------------------------------------

static void a_stale_handle_is_not_found_by_anything(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t old = weft_probe_spawn(kit, &probe);
  weft_probe_end(kit, old);
  // The entry is used again.
  weft_actor_t young = weft_probe_spawn(kit, &other);
  assert_int_equal(old.index, young.index);
  assert_false(weft_actor_equal(old, young));
  weft_runtime_t* runtime = kit->runtime;
  weft_future_t* future;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_probe_send_note(runtime, old, 1));
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_call(runtime, old, WEFT_PROBE_NOTE, WEFT_ARGUMENTS(weft_int64(1)),
                NULL, &future));
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_actor_stop(runtime, old, WEFT_STOP_NOW,
                      weft_status_make(WEFT_STATUS_FAILED, "stale")));
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_actor_stop(runtime, old, WEFT_STOP_AFTER_QUEUE, WEFT_OK));
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_actor_exited(runtime, old, &future));
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_actor_register(runtime, "old", old));
  const weft_schedule_options_t times = {0, 0};
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_send_later(runtime, old, WEFT_PROBE_NOTE,
                      WEFT_ARGUMENTS(weft_int64(1)), &times, NULL));
  weft_actor_kit_run(kit);
  assert_int_equal(0, weft_probe_notes(&other));
  assert_int_equal(0, other.deinit_count);
}

static void a_handle_of_nobody_is_not_found(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  const weft_actor_t nobodies[] = {
      {0},
      {0, 1, 99, 1},
      {0, 1, UINT32_MAX, 1},
      {1, actor.incarnation, actor.index, actor.generation},
      {0, (uint16_t)(actor.incarnation + 1), actor.index, actor.generation},
      {0, actor.incarnation, actor.index, actor.generation + 1},
      {0, actor.incarnation, actor.index, 0},
      // An entry that nobody has had yet.
      {0, actor.incarnation, actor.index + 1, 0},
      {0, actor.incarnation, actor.index + 1, 1},
  };
  for (size_t i = 0; i < sizeof(nobodies) / sizeof(nobodies[0]); i++) {
    weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                           weft_probe_send_note(kit->runtime, nobodies[i], 1));
    weft_kit_assert_status(
        WEFT_STATUS_NOT_FOUND,
        weft_actor_stop(kit->runtime, nobodies[i], WEFT_STOP_NOW, WEFT_OK));
  }
  weft_actor_kit_run(kit);
  assert_int_equal(0, weft_probe_notes(&probe));
}

// --- A storm of spawns and ends while others send ---------------------------

enum { STORM_PLACES = 4, STORM_ROUNDS = 200, STORM_SENDERS = 2 };

// Each message carries the handle that it is sent to, and whoever handles one
// for somebody else has caught weft.
typedef struct storm {
  weft_runtime_t* runtime;
  // Index and generation of the actors that live.
  _Atomic uint64_t handles[STORM_PLACES];
  _Atomic bool is_over;
  _Atomic uint32_t strays;
  _Atomic uint32_t delivered;
} storm_t;

static storm_t storm;

static weft_status_t stray_note(weft_context_t* context, void* state,
                                const weft_value_t* arguments,
                                weft_value_t* out_result) {
  (void)state;
  (void)out_result;
  weft_actor_t meant;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &meant));
  if (!weft_actor_equal(meant, weft_context_self(context))) {
    atomic_fetch_add_explicit(&storm.strays, 1, memory_order_relaxed);
  }
  atomic_fetch_add_explicit(&storm.delivered, 1, memory_order_relaxed);
  return WEFT_OK;
}

static const weft_endpoint_t stray_endpoints[] = {
    {"note", stray_note, weft_probe_one_any, 1},
};
static const weft_class_t stray_class = {
    .name = "stray",
    .version = 1,
    .endpoints = stray_endpoints,
    .endpoint_count = 1,
};

static weft_actor_t storm_handle(int place) {
  uint64_t word =
      atomic_load_explicit(&storm.handles[place], memory_order_relaxed);
  const weft_actor_t actor = {
      .incarnation = 1,
      .index = (uint32_t)(word >> 32),
      .generation = (uint32_t)word,
  };
  return actor;
}

// False when there is no memory, which cannot be.
static bool storm_spawn(int place) {
  weft_actor_t actor;
  weft_status_t status =
      weft_spawn(storm.runtime, &stray_class, weft_none(), NULL, &actor);
  atomic_store_explicit(&storm.handles[place],
                        ((uint64_t)actor.index << 32) | actor.generation,
                        memory_order_relaxed);
  return weft_status_ignore(status) == WEFT_STATUS_OK;
}

static void storm_send(int place) {
  weft_actor_t actor = storm_handle(place);
  weft_status_ignore(weft_send(storm.runtime, actor, 0,
                               WEFT_ARGUMENTS(weft_actor_value(actor)), NULL));
}

static void storm_thread(size_t index, void* user) {
  (void)user;
  while (index > 0 &&
         !atomic_load_explicit(&storm.is_over, memory_order_acquire)) {
    for (int place = 0; place < STORM_PLACES; place++) {
      storm_send(place);
    }
  }
  for (int round = 0; index == 0 && round < STORM_ROUNDS; round++) {
    int place = round % STORM_PLACES;
    weft_status_ignore(weft_actor_stop(storm.runtime, storm_handle(place),
                                       WEFT_STOP_NOW, WEFT_OK));
    if (!storm_spawn(place)) {
      break;
    }
    // The others get something delivered in each round.
    uint32_t before =
        atomic_load_explicit(&storm.delivered, memory_order_relaxed);
    while (atomic_load_explicit(&storm.delivered, memory_order_relaxed) ==
           before) {
      weft_sys_yield();
    }
  }
  if (index == 0) {
    atomic_store_explicit(&storm.is_over, true, memory_order_release);
  }
}

static void a_message_never_reaches_the_next_actor_of_an_entry(void** state) {
  (void)state;
  static const weft_class_t* const classes[] = {&stray_class};
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {
      .worker_count = 2, .classes = classes, .class_count = 1};
  weft_actor_kit_init(&kit, &options);
  memset(&storm, 0, sizeof(storm));
  storm.runtime = kit.runtime;
  for (int place = 0; place < STORM_PLACES; place++) {
    assert_true(storm_spawn(place));
  }
  weft_kit_run_threads(STORM_SENDERS + 1, storm_thread, NULL);
  weft_kit_assert_ok(weft_runtime_stop(kit.runtime, WEFT_TIME_INFINITE));
  assert_int_equal(0, storm.strays);
  assert_true(storm.delivered >= STORM_ROUNDS);
  weft_actor_kit_deinit(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_TEST(an_actor_has_its_init_and_its_messages_in_order),
      WEFT_ACTOR_TEST(an_actor_without_init_and_state_works),
      WEFT_ACTOR_TEST(a_class_that_the_runtime_does_not_know_is_not_found),
      WEFT_ACTOR_TEST(a_place_that_does_not_exist_is_not_found),
      WEFT_ACTOR_TEST(a_mailbox_has_a_greatest_bound),
      WEFT_ACTOR_TEST(more_actors_live_than_one_chunk_holds),
      WEFT_ACTOR_TEST(an_init_that_fails_ends_the_actor_and_is_the_cause),
      WEFT_ACTOR_TEST(what_ended_an_actor_is_known_for_a_while),
      WEFT_ACTOR_TEST(stopping_now_fails_what_waits),
      WEFT_ACTOR_TEST(stopping_in_turn_handles_what_came_before),
      WEFT_ACTOR_TEST(stopping_in_turn_waits_for_what_is_held),
      WEFT_ACTOR_TEST(an_actor_that_stops_in_turn_can_still_be_stopped_now),
      WEFT_ACTOR_TEST(the_first_reason_counts),
      WEFT_ACTOR_TEST(a_handler_that_ends_its_actor_still_answers),
      WEFT_ACTOR_TEST(an_error_of_a_handler_does_not_end_the_actor),
      WEFT_ACTOR_TEST(a_stale_handle_is_not_found_by_anything),
      WEFT_ACTOR_TEST(a_handle_of_nobody_is_not_found),
      cmocka_unit_test(a_message_never_reaches_the_next_actor_of_an_entry),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
