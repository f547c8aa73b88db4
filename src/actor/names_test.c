// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <string.h>

#include "actor/actor_kit.h"

static weft_probe_t probe;
static weft_probe_t other;

static weft_actor_kit_t* kit_of(void** state) {
  memset(&probe, 0, sizeof(probe));
  memset(&other, 0, sizeof(other));
  return *state;
}

static weft_future_t* look_up(const weft_actor_kit_t* kit, const char* name,
                              int64_t timeout_ns) {
  weft_future_t* future;
  weft_kit_assert_ok(weft_actor_lookup(
      kit->runtime, name, weft_deadline_after(kit->runtime, timeout_ns),
      &future));
  return future;
}

static void expect_actor(weft_future_t* future, weft_actor_t expected) {
  weft_value_t value;
  weft_actor_t actor;
  weft_kit_assert_ok(weft_future_get(future, WEFT_TIME_INFINITE, &value));
  weft_kit_assert_ok(weft_value_as_actor(value, &actor));
  assert_true(weft_actor_equal(expected, actor));
  weft_future_release(future);
}

static void an_actor_is_found_by_its_name(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "adder", actor));
  expect_actor(look_up(kit, "adder", 0), actor);
  // One actor may have several.
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "summer", actor));
  expect_actor(look_up(kit, "summer", 0), actor);
}

static void a_name_belongs_to_one_actor(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_actor_t second = weft_probe_spawn(kit, &other);
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "one", actor));
  weft_kit_assert_status_says(WEFT_STATUS_ALREADY_EXISTS, "one",
                              weft_actor_register(kit->runtime, "one", second));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_actor_register(kit->runtime, "one", actor));
  weft_kit_assert_ok(weft_actor_unregister(kit->runtime, "one"));
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "one", second));
  expect_actor(look_up(kit, "one", 0), second);
}

static void a_name_is_free_when_its_actor_has_ended(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  for (int i = 0; i < 3; i++) {
    weft_actor_t actor = weft_probe_spawn(kit, &probe);
    weft_kit_assert_ok(weft_actor_register(kit->runtime, "again", actor));
    expect_actor(look_up(kit, "again", 0), actor);
    weft_probe_end(kit, actor);
    weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                           weft_actor_unregister(kit->runtime, "again"));
    weft_expect_outcome(look_up(kit, "again", WEFT_MS),
                        WEFT_STATUS_DEADLINE_EXCEEDED);
  }
}

// Gives the name to a successor as soon as the end is known.
typedef struct heir {
  weft_waiter_t waiter;
  weft_runtime_t* runtime;
  weft_actor_t actor;
  weft_status_code_t code;
} heir_t;

static void take_the_name(weft_waiter_t* waiter, weft_future_t* future) {
  (void)future;
  heir_t* heir = WEFT_CONTAINER_OF(waiter, heir_t, waiter);
  heir->code = weft_status_ignore(
      weft_actor_register(heir->runtime, "throne", heir->actor));
}

static void whoever_learns_of_an_end_finds_the_name_free(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  heir_t heir = {.waiter = {.callback = take_the_name},
                 .runtime = kit->runtime,
                 .actor = weft_probe_spawn(kit, &other),
                 .code = WEFT_STATUS_INTERNAL};
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "throne", actor));
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  weft_future_add_waiter(exited, &heir.waiter);
  weft_probe_end(kit, actor);
  weft_expect_outcome(exited, WEFT_STATUS_OK);
  assert_int_equal(WEFT_STATUS_OK, heir.code);
  expect_actor(look_up(kit, "throne", 0), heir.actor);
}

static void a_name_has_1_to_255_bytes(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  char name[257];
  memset(name, 'n', sizeof(name));
  name[256] = '\0';
  weft_future_t* future;
  const char* wrong[] = {"", name, NULL};
  for (int i = 0; i < 3; i++) {
    weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                           weft_actor_register(kit->runtime, wrong[i], actor));
    weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                           weft_actor_unregister(kit->runtime, wrong[i]));
    weft_kit_assert_status(
        WEFT_STATUS_INVALID_ARGUMENT,
        weft_actor_lookup(kit->runtime, wrong[i], 0, &future));
    assert_null(future);
  }
  name[255] = '\0';
  weft_kit_assert_ok(weft_actor_register(kit->runtime, name, actor));
  expect_actor(look_up(kit, name, 0), actor);
}

static void a_look_up_waits_for_the_name(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_future_t* first = look_up(kit, "late", 10 * WEFT_MS);
  weft_future_t* second = look_up(kit, "late", WEFT_TIME_INFINITE);
  weft_future_t* elsewhere = look_up(kit, "never", 10 * WEFT_MS);
  assert_false(weft_future_is_done(first));
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "late", actor));
  expect_actor(first, actor);
  expect_actor(second, actor);
  weft_expect_outcome_says(elsewhere, WEFT_STATUS_DEADLINE_EXCEEDED,
                           "the name 'never' within ");
}

static void a_look_up_can_be_cancelled(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_future_t* future = look_up(kit, "late", 10 * WEFT_MS);
  assert_true(weft_future_cancel(future));
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "late", actor));
  weft_expect_outcome(future, WEFT_STATUS_CANCELLED);
}

static void look_ups_that_are_dropped_do_not_pile_up(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  size_t bytes = 0;
  for (int i = 0; i < 5000; i++) {
    weft_future_release(look_up(kit, "never", WEFT_TIME_INFINITE));
    if (i == 100) {
      bytes = weft_actor_kit_bytes(kit);
    }
  }
  assert_true(weft_actor_kit_bytes(kit) <= bytes);
}

static weft_status_t pass_on(void* user, weft_status_t status,
                             weft_value_t value, weft_value_t* out_value) {
  (void)user;
  *out_value = weft_value_retain(value);
  return weft_status_retain(status);
}

// What follows `future`, which is given back.
static weft_future_t* follow(weft_future_t* future) {
  const weft_continuation_t next = {.run = pass_on};
  weft_future_t* after;
  weft_kit_assert_ok(weft_future_then(future, &next, &after));
  weft_future_release(future);
  return after;
}

static void a_look_up_that_is_only_followed_is_not_dropped(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* after = follow(look_up(kit, "late", WEFT_PATIENCE));
  for (int i = 0; i < 4; i++) {
    weft_future_release(look_up(kit, "late", WEFT_PATIENCE));
  }
  assert_false(weft_future_is_done(after));
  weft_kit_assert_ok(weft_actor_register(kit->runtime, "late", actor));
  expect_actor(after, actor);
}

static void an_end_that_is_only_followed_is_told(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  weft_future_t* after = follow(exited);
  for (int i = 0; i < 4; i++) {
    weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
    weft_future_release(exited);
  }
  assert_false(weft_future_is_done(after));
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_NOW, WEFT_OK));
  weft_kit_assert_ok(weft_future_wait(after, WEFT_TIME_INFINITE));
  assert_int_equal(WEFT_FUTURE_READY, weft_future_state(after));
  weft_future_release(after);
}

static void names_may_be_many(void** state) {
  enum { MANY = 500 };
  weft_actor_kit_t* kit = kit_of(state);
  static weft_actor_t actors[MANY];
  char name[32];
  for (int i = 0; i < MANY; i++) {
    actors[i] = weft_probe_spawn(kit, &probe);
    snprintf(name, sizeof(name), "actor-%d", i);
    weft_kit_assert_ok(weft_actor_register(kit->runtime, name, actors[i]));
  }
  for (int i = 0; i < MANY; i++) {
    snprintf(name, sizeof(name), "actor-%d", i);
    expect_actor(look_up(kit, name, 0), actors[i]);
  }
}

static void look_ups_fail_when_the_runtime_stops(void** state) {
  (void)state;
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {.worker_count = 1};
  weft_actor_kit_init(&kit, &options);
  weft_future_t* future = look_up(&kit, "never", WEFT_TIME_INFINITE);
  weft_future_t* timed = look_up(&kit, "never", WEFT_PATIENCE);
  weft_kit_assert_ok(weft_runtime_stop(kit.runtime, WEFT_TIME_INFINITE));
  weft_expect_outcome(future, WEFT_STATUS_CLOSED);
  weft_expect_outcome(timed, WEFT_STATUS_CLOSED);
  weft_expect_outcome(look_up(&kit, "never", WEFT_PATIENCE),
                      WEFT_STATUS_CLOSED);
  weft_actor_kit_deinit(&kit);
}

// --- From several threads ---------------------------------------------------

enum { ROUNDS = 200 };

typedef struct race {
  weft_actor_kit_t* kit;
  _Atomic uint32_t failures;
} race_t;

// Each thread registers actors under one name and ends them, and looks the
// name up; whoever is found has, or had, that name.
static void register_and_look_up(size_t index, void* user) {
  race_t* race = user;
  weft_runtime_t* runtime = race->kit->runtime;
  for (int i = 0; i < ROUNDS; i++) {
    weft_status_t status = WEFT_OK;
    if (index % 2 == 0) {
      weft_actor_t actor;
      status = weft_spawn(runtime, &weft_bare_class, weft_none(), NULL, &actor);
      weft_status_code_t code = weft_status_ignore(
          status == WEFT_OK ? weft_actor_register(runtime, "race", actor)
                            : status);
      status = code == WEFT_STATUS_OK || code == WEFT_STATUS_ALREADY_EXISTS
                   ? weft_actor_stop(runtime, actor, WEFT_STOP_NOW, WEFT_OK)
                   : weft_status_make(code, "registering");
    } else {
      weft_future_t* future = NULL;
      weft_value_t value;
      status = weft_actor_lookup(runtime, "race",
                                 weft_deadline_after(runtime, WEFT_PATIENCE),
                                 &future);
      if (status == WEFT_OK && i % 8 != 0) {
        weft_status_code_t code =
            weft_status_ignore(weft_future_get(future, WEFT_MS, &value));
        (void)code;
      }
      weft_future_release(future);
    }
    if (weft_status_ignore(status) != WEFT_STATUS_OK) {
      atomic_fetch_add_explicit(&race->failures, 1, memory_order_relaxed);
    }
  }
}

static void names_can_be_used_from_many_threads(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  race_t race = {kit, 0};
  weft_kit_run_threads(4, register_and_look_up, &race);
  assert_int_equal(0, race.failures);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_TEST(an_actor_is_found_by_its_name),
      WEFT_ACTOR_TEST(a_name_belongs_to_one_actor),
      WEFT_ACTOR_TEST(a_name_is_free_when_its_actor_has_ended),
      WEFT_ACTOR_TEST(whoever_learns_of_an_end_finds_the_name_free),
      WEFT_ACTOR_TEST(a_name_has_1_to_255_bytes),
      WEFT_ACTOR_TEST(a_look_up_waits_for_the_name),
      WEFT_ACTOR_TEST(a_look_up_can_be_cancelled),
      WEFT_ACTOR_TEST(look_ups_that_are_dropped_do_not_pile_up),
      WEFT_ACTOR_TEST(a_look_up_that_is_only_followed_is_not_dropped),
      WEFT_ACTOR_TEST(an_end_that_is_only_followed_is_told),
      WEFT_ACTOR_TEST(names_may_be_many),
      cmocka_unit_test(look_ups_fail_when_the_runtime_stops),
      WEFT_ACTOR_THREADS_TEST(names_can_be_used_from_many_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
