// SPDX-License-Identifier: Apache-2.0
//
// Monitors, links, names, and ends of actors and ranks, between processes.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/runtime.h"
#include "process/job.h"
#include "process/puppet.h"
#include "sys/slab.h"

// The watcher and the watched: rank 0 watches rank 1, or the other way round.
typedef struct couple {
  weft_actor_t watcher;
  weft_actor_t watched;
} couple_t;

static couple_t make_couple(weft_runtime_t* runtime, int way) {
  return (couple_t){.watcher = puppet_spawn(runtime, way == 0 ? 0 : 1),
                    .watched = puppet_spawn(runtime, way == 0 ? 1 : 0)};
}

// Has an actor watch, link or not any more, and waits until the other's process
// knows: it has answered what the actor sent there behind it.
static void tell_actor(weft_runtime_t* runtime, weft_actor_t actor,
                       uint32_t endpoint, weft_actor_t other) {
  puppet_tell(runtime, actor, endpoint,
              WEFT_ARGUMENTS(weft_actor_value(other)));
  puppet_tell(runtime, actor, PUPPET_SPAWN,
              WEFT_ARGUMENTS(weft_int64(other.rank)));
}

// Checks whom a notice is about. Gives the reason's code. Owns: takes `list`.
static weft_status_code_t read_notice(weft_value_t list, weft_actor_t watched,
                                      const char* says) {
  const weft_value_t* values;
  size_t count;
  char text[1000];
  weft_status_t reason = WEFT_OK;
  weft_kit_assert_ok(weft_value_as_list(list, &values, &count));
  assert_true(weft_value_equal(values[0], weft_actor_value(watched)));
  if (weft_value_kind(values[1]) != WEFT_KIND_NONE) {
    weft_kit_assert_ok(weft_value_as_status(values[1], &reason));
    (void)weft_status_format(reason, text, sizeof(text));
    if (strstr(text, says) == NULL) {
      fail_msg("'%s' is not in '%s'", says, text);
    }
  }
  weft_status_code_t code = weft_status_code(reason);
  weft_value_release(list);
  return code;
}

// Waits for a notice.
static weft_status_code_t next_notice(weft_runtime_t* runtime,
                                      weft_actor_t watcher,
                                      weft_actor_t watched, const char* says) {
  return read_notice(puppet_ask(runtime, watcher, PUPPET_NOTICE, NULL), watched,
                     says);
}

static void monitors_see_ends_in_both_directions(weft_runtime_t* runtime) {
  weft_value_t error = puppet_status(runtime, WEFT_STATUS_DATA_LOSS, "torn");
  for (int way = 0; way < 2; way++) {
    // An orderly end.
    couple_t couple = make_couple(runtime, way);
    tell_actor(runtime, couple.watcher, PUPPET_MONITOR, couple.watched);
    tell_actor(runtime, couple.watcher, PUPPET_MONITOR, couple.watched);
    puppet_tell(runtime, couple.watched, PUPPET_STOP,
                WEFT_ARGUMENTS(weft_none()));
    assert_int_equal(next_notice(runtime, couple.watcher, couple.watched, ""),
                     WEFT_STATUS_OK);
    // Watching twice was watching once; one that is gone is told at once.
    tell_actor(runtime, couple.watcher, PUPPET_MONITOR, couple.watched);
    assert_int_equal(next_notice(runtime, couple.watcher, couple.watched, ""),
                     WEFT_STATUS_NOT_FOUND);
    assert_int_equal(
        puppet_ask_int(runtime, couple.watcher, PUPPET_NOTICES, NULL), 2);
    // A bad end.
    couple = make_couple(runtime, way);
    tell_actor(runtime, couple.watcher, PUPPET_MONITOR, couple.watched);
    puppet_tell(runtime, couple.watched, PUPPET_STOP, WEFT_ARGUMENTS(error));
    assert_int_equal(
        next_notice(runtime, couple.watcher, couple.watched, "torn"),
        WEFT_STATUS_DATA_LOSS);
    // Nobody watches any more.
    couple = make_couple(runtime, way);
    tell_actor(runtime, couple.watcher, PUPPET_MONITOR, couple.watched);
    tell_actor(runtime, couple.watcher, PUPPET_UNMONITOR, couple.watched);
    puppet_tell(runtime, couple.watched, PUPPET_STOP, WEFT_ARGUMENTS(error));
    puppet_expect_gone(runtime, couple.watched);
    assert_int_equal(
        puppet_ask_int(runtime, couple.watcher, PUPPET_NOTICES, NULL), 0);
  }
  weft_value_release(error);
}

static void links_tie_lives_in_both_directions(weft_runtime_t* runtime) {
  weft_value_t error = puppet_status(runtime, WEFT_STATUS_DATA_LOSS, "torn");
  for (int i = 0; i < 4; i++) {
    couple_t couple = make_couple(runtime, i % 2);
    // Whoever linked ends, or the other one.
    weft_actor_t ends = i < 2 ? couple.watched : couple.watcher;
    weft_actor_t follows = i < 2 ? couple.watcher : couple.watched;
    weft_actor_t witness = puppet_spawn(runtime, (uint32_t)i % 2);
    tell_actor(runtime, witness, PUPPET_MONITOR, follows);
    tell_actor(runtime, couple.watcher, PUPPET_LINK, couple.watched);
    puppet_tell(runtime, ends, PUPPET_STOP, WEFT_ARGUMENTS(error));
    assert_int_equal(next_notice(runtime, witness, follows, "torn"),
                     WEFT_STATUS_ACTOR_EXITED);
  }
  weft_value_release(error);
}

// The end follows the link at once, in the same handler.
static void an_end_right_after_the_link_is_seen_as_what_it_is(
    weft_runtime_t* runtime) {
  for (int i = 0; i < 50; i++) {
    couple_t couple = make_couple(runtime, i % 2);
    puppet_send(runtime, couple.watcher, PUPPET_LINK,
                WEFT_ARGUMENTS(weft_actor_value(couple.watched)));
    puppet_send(runtime, couple.watcher, PUPPET_STOP,
                WEFT_ARGUMENTS(weft_none()));
    puppet_expect_gone(runtime, couple.watcher);
    assert_int_equal(
        puppet_ask_int(runtime, couple.watched, PUPPET_NOTICES, NULL), 0);
  }
}

static void orderly_ends_leave_linked_actors_alone(weft_runtime_t* runtime) {
  weft_value_t error = puppet_status(runtime, WEFT_STATUS_DATA_LOSS, "torn");
  for (int i = 0; i < 4; i++) {
    couple_t couple = make_couple(runtime, i % 2);
    weft_actor_t ends = i < 2 ? couple.watched : couple.watcher;
    weft_actor_t stays = i < 2 ? couple.watcher : couple.watched;
    tell_actor(runtime, couple.watcher, PUPPET_LINK, couple.watched);
    puppet_tell(runtime, ends, PUPPET_STOP, WEFT_ARGUMENTS(weft_none()));
    puppet_expect_gone(runtime, ends);
    assert_int_equal(puppet_ask_int(runtime, stays, PUPPET_NOTICES, NULL), 0);
    // No link any more.
    couple = make_couple(runtime, i % 2);
    ends = i < 2 ? couple.watched : couple.watcher;
    stays = i < 2 ? couple.watcher : couple.watched;
    tell_actor(runtime, couple.watcher, PUPPET_LINK, couple.watched);
    tell_actor(runtime, couple.watcher, PUPPET_UNLINK, couple.watched);
    puppet_tell(runtime, ends, PUPPET_STOP, WEFT_ARGUMENTS(error));
    puppet_expect_gone(runtime, ends);
    assert_int_equal(puppet_ask_int(runtime, stays, PUPPET_NOTICES, NULL), 0);
  }
  weft_value_release(error);
}

static void linking_to_one_that_is_gone_ends_the_other(
    weft_runtime_t* runtime) {
  for (int way = 0; way < 2; way++) {
    couple_t couple = make_couple(runtime, way);
    puppet_tell(runtime, couple.watched, PUPPET_STOP,
                WEFT_ARGUMENTS(weft_none()));
    puppet_expect_gone(runtime, couple.watched);
    puppet_send(runtime, couple.watcher, PUPPET_LINK,
                WEFT_ARGUMENTS(weft_actor_value(couple.watched)));
    puppet_expect_gone(runtime, couple.watcher);
  }
}

static void the_death_of_a_process_is_an_end_of_its_actors(
    weft_runtime_t* runtime) {
  weft_actor_t doomed = puppet_spawn(runtime, 1);
  weft_actor_t doomed_too = puppet_spawn(runtime, 1);
  weft_actor_t here = puppet_spawn(runtime, 0);
  weft_actor_t there = puppet_spawn(runtime, 2);
  weft_actor_t linked = puppet_spawn(runtime, 2);
  tell_actor(runtime, here, PUPPET_MONITOR, doomed);
  tell_actor(runtime, there, PUPPET_MONITOR, doomed);
  tell_actor(runtime, there, PUPPET_MONITOR, doomed_too);
  tell_actor(runtime, linked, PUPPET_LINK, doomed);
  // The one that dies has linked as well.
  weft_actor_t chosen = puppet_spawn(runtime, 2);
  tell_actor(runtime, doomed, PUPPET_LINK, chosen);
  puppet_kill(runtime, doomed);
  assert_int_equal(next_notice(runtime, here, doomed, "rank 1"),
                   WEFT_STATUS_PEER_DIED);
  puppet_expect(runtime, there, PUPPET_NOTICES, 2);
  puppet_expect_gone(runtime, linked);
  puppet_expect_gone(runtime, chosen);
}

static void actors_are_stopped_and_awaited_from_elsewhere(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(runtime, actor, &exited));
  assert_false(weft_future_is_done(exited));
  weft_kit_assert_ok(weft_actor_stop(
      runtime, actor, WEFT_STOP_NOW,
      weft_status_make(WEFT_STATUS_PERMISSION_DENIED, "out with you")));
  weft_kit_assert_status_says(WEFT_STATUS_PERMISSION_DENIED, "out with you",
                              puppet_end(exited));
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         puppet_try(runtime, actor, PUPPET_NOTICES, NULL));
  weft_status_t status = weft_actor_exited(runtime, actor, &exited);
  if (status == WEFT_OK) {
    status = puppet_end(exited);
  }
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND, status);
  // In turn: behind what was sent before.
  actor = puppet_spawn(runtime, 1);
  weft_future_t* last = NULL;
  for (int i = 0; i < 30; i++) {
    weft_future_release(last);
    last =
        puppet_call(runtime, actor, PUPPET_NOTE, WEFT_ARGUMENTS(weft_int64(i)));
  }
  weft_kit_assert_ok(weft_actor_exited(runtime, actor, &exited));
  weft_kit_assert_ok(
      weft_actor_stop(runtime, actor, WEFT_STOP_AFTER_QUEUE, WEFT_OK));
  weft_kit_assert_ok(puppet_end(last));
  weft_kit_assert_ok(puppet_end(exited));
  // From a handler of a third process.
  actor = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  weft_future_t* awaited = puppet_call(runtime, other, PUPPET_AWAIT_EXIT,
                                       WEFT_ARGUMENTS(weft_actor_value(actor)));
  weft_actor_t third = puppet_spawn(runtime, 2);
  weft_kit_assert_ok(weft_actor_exited(runtime, actor, &exited));
  // Answered behind it.
  (void)puppet_spawn(runtime, 1);
  weft_value_t reason = puppet_status(runtime, WEFT_STATUS_FAILED, "enough");
  puppet_tell(runtime, third, PUPPET_STOP_OTHER,
              WEFT_ARGUMENTS(weft_actor_value(actor), weft_int64(WEFT_STOP_NOW),
                             reason));
  weft_kit_assert_status_says(WEFT_STATUS_FAILED, "enough", puppet_end(exited));
  // It may have asked too late.
  weft_status_code_t code = weft_status_ignore(puppet_end(awaited));
  assert_true(code == WEFT_STATUS_FAILED || code == WEFT_STATUS_NOT_FOUND);
  weft_value_release(reason);
}

// --- Names ------------------------------------------------------------------

static weft_status_t look_up(weft_runtime_t* runtime, const char* name,
                             int64_t deadline_ns, weft_actor_t* out_actor) {
  weft_future_t* found;
  weft_value_t value;
  *out_actor = (weft_actor_t){0};
  WEFT_RETURN_IF_ERROR(weft_actor_lookup(runtime, name, deadline_ns, &found));
  WEFT_RETURN_IF_ERROR(puppet_await(found, &value));
  return weft_value_as_actor(value, out_actor);
}

static void check_name(weft_runtime_t* runtime, const char* name,
                       weft_actor_t expected) {
  weft_actor_t found;
  weft_kit_assert_ok(look_up(runtime, name, WEFT_TIME_INFINITE, &found));
  assert_true(weft_actor_equal(found, expected));
  weft_value_t text = puppet_string(runtime, name);
  for (uint32_t rank = 0; rank < weft_runtime_size(runtime); rank++) {
    weft_value_t value = puppet_ask(runtime, puppet_spawn(runtime, rank),
                                    PUPPET_LOOKUP, WEFT_ARGUMENTS(text));
    assert_true(weft_value_equal(value, weft_actor_value(expected)));
  }
  weft_value_release(text);
}

static void names_are_the_same_at_every_rank(weft_runtime_t* runtime) {
  weft_actor_t actors[3];
  for (uint32_t rank = 0; rank < 3; rank++) {
    actors[rank] = puppet_spawn(runtime, rank);
  }
  // Rank i names an actor of rank j.
  for (uint32_t i = 0; i < 3; i++) {
    for (uint32_t j = 0; j < 3; j++) {
      char name[16];
      (void)snprintf(name, sizeof(name), "n%u%u", i, j);
      weft_value_t text = puppet_string(runtime, name);
      puppet_tell(runtime, actors[i], PUPPET_REGISTER,
                  WEFT_ARGUMENTS(text, weft_actor_value(actors[j])));
      check_name(runtime, name, actors[j]);
      weft_kit_assert_status(
          WEFT_STATUS_ALREADY_EXISTS,
          puppet_try(runtime, actors[j], PUPPET_REGISTER,
                     WEFT_ARGUMENTS(text, weft_actor_value(actors[0]))));
      puppet_tell(runtime, actors[j], PUPPET_UNREGISTER, WEFT_ARGUMENTS(text));
      weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                             puppet_try(runtime, actors[i], PUPPET_UNREGISTER,
                                        WEFT_ARGUMENTS(text)));
      weft_value_release(text);
    }
  }
}

static void lookups_wait_for_names(weft_runtime_t* runtime) {
  weft_actor_t asker = puppet_spawn(runtime, 1);
  weft_actor_t named = puppet_spawn(runtime, 2);
  weft_actor_t found;
  weft_value_t name = puppet_string(runtime, "later");
  weft_future_t* there =
      puppet_call(runtime, asker, PUPPET_LOOKUP, WEFT_ARGUMENTS(name));
  weft_future_t* here;
  weft_kit_assert_ok(
      weft_actor_lookup(runtime, "later", WEFT_TIME_INFINITE, &here));
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      look_up(runtime, "later", weft_runtime_now_ns(runtime) + 5000000,
              &found));
  const weft_call_options_t options = {.timeout_ns = 20000000};
  weft_future_t* hasty;
  weft_kit_assert_ok(weft_call(runtime, puppet_spawn(runtime, 1), PUPPET_LOOKUP,
                               WEFT_ARGUMENTS(name), &options, &hasty));
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED, puppet_end(hasty));
  assert_false(weft_future_is_done(there));
  puppet_tell(runtime, puppet_spawn(runtime, 1), PUPPET_REGISTER,
              WEFT_ARGUMENTS(name, weft_actor_value(named)));
  weft_value_t value;
  weft_kit_assert_ok(puppet_await(there, &value));
  assert_true(weft_value_equal(value, weft_actor_value(named)));
  weft_kit_assert_ok(puppet_await(here, &value));
  assert_true(weft_value_equal(value, weft_actor_value(named)));
  weft_value_release(name);
}

// Registers until the name is free: its actor has just ended.
static void take_name(weft_runtime_t* runtime, const char* name,
                      weft_actor_t actor) {
  weft_status_code_t code = WEFT_STATUS_ALREADY_EXISTS;
  while (code != WEFT_STATUS_OK) {
    code = weft_status_ignore(weft_actor_register(runtime, name, actor));
    assert_true(code == WEFT_STATUS_OK || code == WEFT_STATUS_ALREADY_EXISTS);
  }
}

static void names_are_free_after_the_end_and_after_death(
    weft_runtime_t* runtime) {
  weft_actor_t first = puppet_spawn(runtime, 1);
  weft_actor_t second = puppet_spawn(runtime, 1);
  weft_actor_t third = puppet_spawn(runtime, 2);
  weft_kit_assert_ok(weft_actor_register(runtime, "it", first));
  check_name(runtime, "it", first);
  puppet_tell(runtime, first, PUPPET_STOP, WEFT_ARGUMENTS(weft_none()));
  take_name(runtime, "it", second);
  check_name(runtime, "it", second);
  puppet_kill(runtime, second);
  take_name(runtime, "it", third);
  weft_actor_t found;
  weft_kit_assert_ok(look_up(runtime, "it", WEFT_TIME_INFINITE, &found));
  assert_true(weft_actor_equal(found, third));
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED,
                         weft_actor_register(runtime, "other", second));
}

// Rank 0 watches the actor once, and no longer than it has a name.
static void a_lookup_that_is_late_says_the_name(weft_runtime_t* runtime) {
  weft_value_t name = puppet_string(runtime, "nowhere");
  for (uint32_t rank = 0; rank < 2; rank++) {
    weft_kit_assert_status_says(
        WEFT_STATUS_DEADLINE_EXCEEDED, "'nowhere'",
        puppet_try(runtime, puppet_spawn(runtime, rank), PUPPET_LOOKUP_SOON,
                   WEFT_ARGUMENTS(name)));
  }
  weft_value_release(name);
}

static void names_that_are_taken_back_leave_nothing(weft_runtime_t* runtime) {
  enum { ROUNDS = 2000 };
  weft_actor_t actor = puppet_spawn(runtime, 1);
  size_t before = weft_slab_blocks_in_use(runtime->slab);
  for (int round = 0; round < ROUNDS; round++) {
    // A watch that outlives the names shows by many actors.
    actor = round % 4 == 0 ? puppet_spawn(runtime, 1) : actor;
    weft_kit_assert_ok(weft_actor_register(runtime, "one", actor));
    weft_kit_assert_ok(weft_actor_register(runtime, "two", actor));
    weft_kit_assert_ok(weft_actor_unregister(runtime, "one"));
    weft_kit_assert_ok(weft_actor_unregister(runtime, "two"));
    // What is on its way is bounded by this.
    assert_int_equal(puppet_ask_int(runtime, actor, PUPPET_NOTICES, NULL), 0);
  }
  assert_true(weft_slab_blocks_in_use(runtime->slab) < before + ROUNDS / 2);
}

static void make_hasty(weft_runtime_options_t* options) {
  options->default_timeout_ns = 1;
}

static weft_value_t ask_patiently(weft_runtime_t* runtime, weft_actor_t actor,
                                  uint32_t endpoint, weft_value_t value) {
  // What it makes in turn has what is left of it.
  const weft_call_options_t patient = {.timeout_ns = INT64_MAX / 4};
  weft_future_t* future;
  weft_value_t result = weft_none();
  bool has_value = weft_value_kind(value) != WEFT_KIND_NONE;
  weft_kit_assert_ok(weft_call(runtime, actor, endpoint,
                               has_value ? WEFT_ARGUMENTS(value) : NULL,
                               &patient, &future));
  weft_kit_assert_ok(puppet_await(future, &result));
  return result;
}

// How long others are waited for is not how long they live.
static void who_is_watched_outlives_the_default_timeout(
    weft_runtime_t* runtime) {
  weft_actor_t actor;
  weft_actor_t watcher = puppet_spawn(runtime, 0);
  weft_value_t value =
      ask_patiently(runtime, watcher, PUPPET_SPAWN, weft_int64(1));
  weft_kit_assert_ok(weft_value_as_actor(value, &actor));
  (void)ask_patiently(runtime, watcher, PUPPET_MONITOR, value);
  // As in `tell_actor`: from here on rank 1 knows.
  (void)ask_patiently(runtime, watcher, PUPPET_SPAWN, weft_int64(1));
  weft_value_t error = puppet_status(runtime, WEFT_STATUS_DATA_LOSS, "torn");
  (void)ask_patiently(runtime, actor, PUPPET_STOP, error);
  weft_value_release(error);
  value = ask_patiently(runtime, watcher, PUPPET_NOTICE, weft_none());
  assert_int_equal(read_notice(value, actor, "torn"), WEFT_STATUS_DATA_LOSS);
}

// --- The end of a rank ------------------------------------------------------

static void serve_until_told(weft_runtime_t* runtime) {
  if (weft_runtime_rank(runtime) == 1) {
    weft_actor_t local;
    weft_kit_assert_ok(
        weft_spawn(runtime, &puppet_class, weft_none(), NULL, &local));
    weft_kit_assert_ok(weft_actor_register(runtime, "local", local));
    puppet_tell(runtime, local, PUPPET_GATE, NULL);
  } else {
    weft_kit_assert_ok(weft_runtime_serve(runtime));
  }
}

static void check_closed(weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  weft_status_code_t root = weft_status_code(weft_status_root(status));
  if (code != WEFT_STATUS_CLOSED &&
      !(code == WEFT_STATUS_ACTOR_EXITED && root == WEFT_STATUS_CLOSED) &&
      // Its actor has let go of the reply.
      code != WEFT_STATUS_ABANDONED) {
    weft_kit_assert_status(WEFT_STATUS_CLOSED, status);
  }
  weft_status_release(status);
}

static void a_rank_that_stops_in_order_is_closed(weft_runtime_t* runtime) {
  weft_actor_t local;
  weft_kit_assert_ok(look_up(runtime, "local", WEFT_TIME_INFINITE, &local));
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  weft_actor_t watcher = puppet_spawn(runtime, 0);
  weft_value_t nothing;
  tell_actor(runtime, watcher, PUPPET_MONITOR, actor);
  weft_future_t* held = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  weft_future_t* relayed =
      puppet_call(runtime, other, PUPPET_RELAY,
                  WEFT_ARGUMENTS(weft_actor_value(actor),
                                 weft_int64(PUPPET_HOLD), weft_none()));
  puppet_expect(runtime, puppet_spawn(runtime, 2), PUPPET_NOTICES, 0);
  weft_value_t tensor =
      puppet_ask(runtime, actor, PUPPET_TENSOR,
                 WEFT_ARGUMENTS(weft_int64(5000), weft_bool(true)));
  puppet_tell(runtime, actor, PUPPET_OPEN, NULL);
  check_closed(puppet_end(held));
  check_closed(puppet_end(relayed));
  weft_status_code_t code = next_notice(runtime, watcher, actor, "");
  assert_true(code == WEFT_STATUS_CLOSED || code == WEFT_STATUS_ACTOR_EXITED);
  // A call may find it ended, then closed.
  while (code != WEFT_STATUS_CLOSED) {
    code = weft_status_ignore(puppet_try(runtime, actor, PUPPET_NOTICES, NULL));
    assert_true(code == WEFT_STATUS_CLOSED || code == WEFT_STATUS_NOT_FOUND ||
                code == WEFT_STATUS_ACTOR_EXITED);
  }
  weft_actor_t late;
  const weft_spawn_options_t options = {.place = 1};
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      weft_spawn(runtime, &puppet_class, weft_none(), &options, &late));
  // The others go on, with what it has left.
  assert_int_equal(
      puppet_ask_int(runtime, other, PUPPET_SUM, WEFT_ARGUMENTS(tensor)),
      puppet_sum_of(5000));
  weft_value_release(tensor);
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      puppet_relay(runtime, other, actor, PUPPET_HOLD, weft_none(), &nothing));
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(monitors_see_ends_in_both_directions, 2),
      PROCESS_TEST(links_tie_lives_in_both_directions, 2),
      PROCESS_TEST(an_end_right_after_the_link_is_seen_as_what_it_is, 2),
      PROCESS_TEST(orderly_ends_leave_linked_actors_alone, 2),
      PROCESS_TEST(linking_to_one_that_is_gone_ends_the_other, 2),
      PROCESS_TEST_OF_DEATH(the_death_of_a_process_is_an_end_of_its_actors, 3,
                            2),
      PROCESS_TEST(actors_are_stopped_and_awaited_from_elsewhere, 3),
      PROCESS_TEST(names_are_the_same_at_every_rank, 3),
      PROCESS_TEST(lookups_wait_for_names, 3),
      PROCESS_TEST(a_lookup_that_is_late_says_the_name, 2),
      PROCESS_TEST(names_that_are_taken_back_leave_nothing, 2),
      PROCESS_TEST_OF_DEATH(names_are_free_after_the_end_and_after_death, 3, 2),
      {.name = "who_is_watched_outlives_the_default_timeout",
       .size = 2,
       .run = who_is_watched_outlives_the_default_timeout,
       .prepare = make_hasty},
      {.name = "a_rank_that_stops_in_order_is_closed",
       .size = 3,
       .run = a_rank_that_stops_in_order_is_closed,
       .serve = serve_until_told},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
