// SPDX-License-Identifier: Apache-2.0
//
// Monitors, links, and futures of the end of an actor.

#include <string.h>

#include "actor/actor_kit.h"

static weft_probe_t probe;
static weft_probe_t other;

static weft_actor_kit_t* kit_of(void** state) {
  memset(&probe, 0, sizeof(probe));
  memset(&other, 0, sizeof(other));
  return *state;
}

// What an act does with another actor.
typedef struct tie {
  weft_actor_t actor;
  uint32_t endpoint;
} tie_t;

static weft_status_t monitor(weft_context_t* context, weft_probe_t* self,
                             void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  const tie_t* tie = user;
  return weft_context_monitor(context, tie->actor, tie->endpoint);
}

static weft_status_t unmonitor(weft_context_t* context, weft_probe_t* self,
                               void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  weft_context_unmonitor(context, ((const tie_t*)user)->actor);
  return WEFT_OK;
}

static weft_status_t link_to(weft_context_t* context, weft_probe_t* self,
                             void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  return weft_context_link(context, ((const tie_t*)user)->actor);
}

static weft_status_t unlink_from(weft_context_t* context, weft_probe_t* self,
                                 void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  weft_context_unlink(context, ((const tie_t*)user)->actor);
  return WEFT_OK;
}

static weft_status_t stop_with(weft_context_t* context, weft_probe_t* self,
                               void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  weft_status_code_t code = *(const weft_status_code_t*)user;
  weft_context_stop(context, code == WEFT_STATUS_OK
                                 ? WEFT_OK
                                 : weft_status_make(code, "as it was told"));
  return WEFT_OK;
}

static void do_it(const weft_actor_kit_t* kit, weft_actor_t actor,
                  weft_probe_fn_t run, void* user) {
  weft_probe_act_t act = {run, user};
  weft_expect_outcome(weft_probe_do(kit, actor, &act), WEFT_STATUS_OK);
}

static void end_with(const weft_actor_kit_t* kit, weft_actor_t actor,
                     weft_status_code_t code) {
  do_it(kit, actor, stop_with, &code);
  weft_actor_kit_run(kit);
}

// --- Monitors ---------------------------------------------------------------

static void a_watcher_is_told_who_ended_and_why(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_status_code_t codes[] = {WEFT_STATUS_OK, WEFT_STATUS_DATA_LOSS};
  weft_actor_t watcher = weft_probe_spawn(kit, &probe);
  for (uint32_t i = 0; i < 2; i++) {
    weft_actor_t target = weft_probe_spawn(kit, &other);
    tie_t tie = {target, WEFT_PROBE_GONE};
    do_it(kit, watcher, monitor, &tie);
    weft_actor_kit_run(kit);
    assert_int_equal(i, probe.end_count);
    end_with(kit, target, codes[i]);
    assert_int_equal(i + 1, probe.end_count);
    assert_true(weft_actor_equal(target, probe.end_actor));
    assert_int_equal(codes[i], probe.end_code);
  }
}

static void watching_twice_gives_one_message(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t watcher = weft_probe_spawn(kit, &probe);
  weft_actor_t target = weft_probe_spawn(kit, &other);
  tie_t tie = {target, WEFT_PROBE_GONE};
  do_it(kit, watcher, monitor, &tie);
  do_it(kit, watcher, monitor, &tie);
  end_with(kit, target, WEFT_STATUS_OK);
  assert_int_equal(1, probe.end_count);
}

static void watching_one_that_is_gone_tells_at_once(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t watcher = weft_probe_spawn(kit, &probe);
  weft_actor_t target = weft_probe_spawn(kit, &other);
  weft_probe_end(kit, target);
  tie_t tie = {target, WEFT_PROBE_GONE};
  do_it(kit, watcher, monitor, &tie);
  weft_actor_kit_run(kit);
  assert_int_equal(1, probe.end_count);
  assert_int_equal(WEFT_STATUS_NOT_FOUND, probe.end_code);
}

static void an_endpoint_that_cannot_be_told_is_refused(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t watcher = weft_probe_spawn(kit, &probe);
  weft_actor_t target = weft_probe_spawn(kit, &other);
  const uint32_t endpoints[] = {WEFT_PROBE_NOTE, WEFT_PROBE_PAIR,
                                WEFT_PROBE_DEFER, WEFT_PROBE_ENDPOINTS};
  for (int i = 0; i < 4; i++) {
    tie_t tie = {target, endpoints[i]};
    weft_probe_act_t act = {monitor, &tie};
    weft_expect_outcome(weft_probe_do(kit, watcher, &act),
                        WEFT_STATUS_INVALID_ARGUMENT);
  }
}

static void a_watcher_that_looks_away_is_not_told(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t watcher = weft_probe_spawn(kit, &probe);
  weft_actor_t target = weft_probe_spawn(kit, &other);
  tie_t tie = {target, WEFT_PROBE_GONE};
  do_it(kit, watcher, unmonitor, &tie);
  do_it(kit, watcher, monitor, &tie);
  do_it(kit, watcher, unmonitor, &tie);
  end_with(kit, target, WEFT_STATUS_OK);
  assert_int_equal(0, probe.end_count);
}

static void a_watcher_may_end_first(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t watcher = weft_probe_spawn(kit, &probe);
  weft_actor_t target = weft_probe_spawn(kit, &other);
  tie_t tie = {target, WEFT_PROBE_GONE};
  do_it(kit, watcher, monitor, &tie);
  tie_t self = {watcher, WEFT_PROBE_GONE};
  do_it(kit, watcher, monitor, &self);
  weft_probe_end(kit, watcher);
  weft_probe_end(kit, target);
  assert_int_equal(0, probe.end_count);
}

static void a_full_mailbox_does_not_lose_the_message(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_spawn_options_t options = {.mailbox_bound = 1};
  weft_actor_t watcher = weft_probe_spawn_with(kit, &probe, &options);
  weft_actor_t target = weft_probe_spawn(kit, &other);
  tie_t tie = {target, WEFT_PROBE_GONE};
  do_it(kit, watcher, monitor, &tie);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* held = weft_probe_call_later(kit, watcher, pair.future);
  end_with(kit, target, WEFT_STATUS_OK);
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_expect_outcome(held, WEFT_STATUS_OK);
  weft_actor_kit_run(kit);
  assert_int_equal(1, probe.end_count);
}

typedef struct farewell {
  weft_actor_t target;
} farewell_t;

static weft_status_t say_and_stop(weft_context_t* context, weft_probe_t* self,
                                  void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  const farewell_t* farewell = user;
  for (int64_t i = 1; i <= 3; i++) {
    WEFT_RETURN_IF_ERROR(weft_probe_send_note(weft_context_runtime(context),
                                              farewell->target, i));
  }
  weft_context_stop(context, WEFT_OK);
  return WEFT_OK;
}

// Notes how many notes there are when the end is told.
static weft_status_t gone_after(weft_context_t* context, void* state,
                                const weft_value_t* arguments,
                                weft_value_t* out_result) {
  uint32_t notes = weft_probe_notes(state);
  WEFT_RETURN_IF_ERROR(
      weft_probe_on_gone(context, state, arguments, out_result));
  weft_probe_note(state, 100 + (int64_t)notes);
  return WEFT_OK;
}

static void the_last_words_of_an_actor_come_before_its_end(void** state) {
  (void)state;
  weft_endpoint_t endpoints[WEFT_PROBE_ENDPOINTS];
  memcpy(endpoints, weft_probe_endpoints, sizeof(endpoints));
  endpoints[WEFT_PROBE_GONE].handler = gone_after;
  weft_class_t listener = weft_probe_class;
  listener.name = "listener";
  listener.endpoints = endpoints;
  const weft_class_t* classes[] = {&weft_probe_class, &listener};
  const weft_runtime_options_t options = {
      .simulate = true, .classes = classes, .class_count = 2};
  static weft_actor_kit_t kit;
  for (uint64_t seed = 0; seed < weft_kit_amount(50); seed++) {
    weft_runtime_options_t seeded = options;
    seeded.seed = seed;
    weft_actor_kit_init(&kit, &seeded);
    memset(&probe, 0, sizeof(probe));
    weft_value_t init;
    weft_actor_t watcher;
    weft_kit_assert_ok(weft_opaque_create(&kit.memory.allocator,
                                          &weft_probe_type, &probe, &init));
    weft_kit_assert_ok(
        weft_spawn(kit.runtime, &listener, init, NULL, &watcher));
    weft_value_release(init);
    weft_actor_t target = weft_probe_spawn(&kit, &other);
    tie_t tie = {target, WEFT_PROBE_GONE};
    do_it(&kit, watcher, monitor, &tie);
    farewell_t farewell = {watcher};
    do_it(&kit, target, say_and_stop, &farewell);
    weft_actor_kit_run(&kit);
    WEFT_EXPECT_NOTES(&probe, 1, 2, 3, 103);
    weft_actor_kit_deinit(&kit);
  }
}

static void one_actor_may_watch_many_and_be_watched_by_many(void** state) {
  enum { MANY = 100 };
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t hub = weft_probe_spawn(kit, &probe);
  static weft_probe_t probes[MANY];
  memset(probes, 0, sizeof(probes));
  weft_actor_t actors[MANY];
  for (int i = 0; i < MANY; i++) {
    actors[i] = weft_probe_spawn(kit, &probes[i]);
    tie_t to = {actors[i], WEFT_PROBE_GONE};
    tie_t from = {hub, WEFT_PROBE_GONE};
    do_it(kit, hub, monitor, &to);
    do_it(kit, actors[i], monitor, &from);
  }
  for (int i = 0; i < MANY; i += 2) {
    weft_probe_end(kit, actors[i]);
  }
  weft_actor_kit_run(kit);
  assert_int_equal(MANY / 2, probe.end_count);
  weft_probe_end(kit, hub);
  weft_actor_kit_run(kit);
  for (int i = 0; i < MANY; i++) {
    assert_int_equal(i % 2, probes[i].end_count);
  }
}

// --- Links ------------------------------------------------------------------

static weft_future_t* exited_of(const weft_actor_kit_t* kit,
                                weft_actor_t actor) {
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  return exited;
}

static void linked_actors_end_together_when_one_ends_badly(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  // The one that linked, and the one that was linked to.
  for (int i = 0; i < 2; i++) {
    weft_actor_t a = weft_probe_spawn(kit, &probe);
    weft_actor_t b = weft_probe_spawn(kit, &other);
    tie_t tie = {b, 0};
    do_it(kit, a, link_to, &tie);
    do_it(kit, a, link_to, &tie);
    weft_future_t* exited = exited_of(kit, i == 0 ? b : a);
    end_with(kit, i == 0 ? a : b, WEFT_STATUS_DATA_LOSS);
    weft_value_t value;
    weft_status_t status = weft_future_get(exited, WEFT_TIME_INFINITE, &value);
    assert_int_equal(WEFT_STATUS_ACTOR_EXITED, weft_status_code(status));
    assert_int_equal(WEFT_STATUS_DATA_LOSS,
                     weft_status_code(weft_status_root(status)));
    weft_status_release(status);
    weft_future_release(exited);
  }
}

static void an_orderly_end_leaves_linked_actors_alone(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_actor_t b = weft_probe_spawn(kit, &other);
  tie_t tie = {b, 0};
  do_it(kit, a, link_to, &tie);
  weft_probe_end(kit, a);
  weft_expect_outcome(weft_probe_call_note(kit, b, 1), WEFT_STATUS_OK);
}

static void an_end_runs_through_a_chain_of_links(void** state) {
  enum { MANY = 50 };
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actors[MANY];
  for (int i = 0; i < MANY; i++) {
    actors[i] = weft_probe_spawn(kit, &probe);
    if (i > 0) {
      tie_t tie = {actors[i - 1], 0};
      do_it(kit, actors[i], link_to, &tie);
    }
  }
  weft_future_t* exited = exited_of(kit, actors[MANY - 1]);
  end_with(kit, actors[0], WEFT_STATUS_FAILED);
  weft_expect_outcome_says(exited, WEFT_STATUS_ACTOR_EXITED, "as it was told");
  assert_int_equal(MANY, probe.deinit_count);
}

static void unlinked_actors_end_alone(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_actor_t b = weft_probe_spawn(kit, &other);
  tie_t to_b = {b, 0};
  tie_t to_a = {a, 0};
  do_it(kit, a, unlink_from, &to_b);
  do_it(kit, a, link_to, &to_b);
  do_it(kit, b, unlink_from, &to_a);
  do_it(kit, a, link_to, &to_a);
  end_with(kit, a, WEFT_STATUS_FAILED);
  weft_expect_outcome(weft_probe_call_note(kit, b, 1), WEFT_STATUS_OK);
}

static void linking_to_one_that_is_gone_ends_the_actor(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_actor_t b = weft_probe_spawn(kit, &other);
  weft_future_t* exited = exited_of(kit, a);
  weft_probe_end(kit, b);
  tie_t tie = {b, 0};
  do_it(kit, a, link_to, &tie);
  weft_expect_outcome(exited, WEFT_STATUS_ACTOR_EXITED);
}

// --- Futures of an end ------------------------------------------------------

static void everybody_who_waits_for_an_end_is_told(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* futures[5];
  for (int i = 0; i < 5; i++) {
    futures[i] = exited_of(kit, actor);
  }
  // Those who lose interest do not disturb the others.
  assert_true(weft_future_cancel(futures[0]));
  weft_future_release(futures[1]);
  end_with(kit, actor, WEFT_STATUS_OUT_OF_RANGE);
  weft_expect_outcome(futures[0], WEFT_STATUS_CANCELLED);
  for (int i = 2; i < 5; i++) {
    weft_expect_outcome(futures[i], WEFT_STATUS_OUT_OF_RANGE);
  }
}

static void futures_of_an_end_that_are_dropped_do_not_pile_up(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_release(exited_of(kit, actor));
  size_t bytes = 0;
  for (int i = 0; i < 5000; i++) {
    weft_future_t* future = exited_of(kit, actor);
    if (i % 2 == 0) {
      assert_true(weft_future_cancel(future));
    }
    weft_future_release(future);
    if (i == 100) {
      bytes = weft_actor_kit_bytes(kit);
    }
  }
  assert_true(weft_actor_kit_bytes(kit) <= bytes);
  weft_probe_end(kit, actor);
}

static weft_status_t wait_for_end(weft_context_t* context, weft_probe_t* self,
                                  void* user, weft_value_t* out_result) {
  (void)self;
  weft_actor_t actor = *(const weft_actor_t*)user;
  weft_future_t* exited;
  WEFT_RETURN_IF_ERROR(
      weft_actor_exited(weft_context_runtime(context), actor, &exited));
  weft_status_t status =
      weft_future_get(exited, WEFT_TIME_INFINITE, out_result);
  weft_future_release(exited);
  return status;
}

static void waiting_for_ones_own_end_is_a_deadlock(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_act_t act = {wait_for_end, &actor};
  weft_expect_outcome_says(weft_probe_do(kit, actor, &act),
                           WEFT_STATUS_DEADLOCK, "probe#0");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_TEST(a_watcher_is_told_who_ended_and_why),
      WEFT_ACTOR_TEST(watching_twice_gives_one_message),
      WEFT_ACTOR_TEST(watching_one_that_is_gone_tells_at_once),
      WEFT_ACTOR_TEST(an_endpoint_that_cannot_be_told_is_refused),
      WEFT_ACTOR_TEST(a_watcher_that_looks_away_is_not_told),
      WEFT_ACTOR_TEST(a_watcher_may_end_first),
      WEFT_ACTOR_TEST(a_full_mailbox_does_not_lose_the_message),
      cmocka_unit_test(the_last_words_of_an_actor_come_before_its_end),
      WEFT_ACTOR_TEST(one_actor_may_watch_many_and_be_watched_by_many),
      WEFT_ACTOR_TEST(linked_actors_end_together_when_one_ends_badly),
      WEFT_ACTOR_TEST(an_orderly_end_leaves_linked_actors_alone),
      WEFT_ACTOR_TEST(an_end_runs_through_a_chain_of_links),
      WEFT_ACTOR_TEST(unlinked_actors_end_alone),
      WEFT_ACTOR_TEST(linking_to_one_that_is_gone_ends_the_actor),
      WEFT_ACTOR_TEST(everybody_who_waits_for_an_end_is_told),
      WEFT_ACTOR_TEST(futures_of_an_end_that_are_dropped_do_not_pile_up),
      WEFT_ACTOR_TEST(waiting_for_ones_own_end_is_a_deadlock),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
