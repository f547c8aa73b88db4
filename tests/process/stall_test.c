// SPDX-License-Identifier: Apache-2.0
//
// Processes that are stopped: found by heartbeat while somebody waits for
// them, lost by all the job when they were given up, and fenced when they come
// back.

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/memory.h"
#include "process/job.h"
#include "process/puppet.h"
#include "process/tap.h"
#include "sys/sys.h"

// What everybody hears of one that did not answer.
#define GIVEN_UP "was given up: it has not answered rank 0 for 2.5 s, nor the"

static void give_up_soon(weft_runtime_options_t* options) {
  (void)options;
  // 0.5 s of silence.
  assert_int_equal(setenv("WEFT_PEER_TIMEOUT", "0.5", 1), 0);
}

static void give_up_late(weft_runtime_options_t* options) {
  (void)options;
  assert_int_equal(setenv("WEFT_PEER_TIMEOUT", "60", 1), 0);
}

// Waits until the system has stopped it.
static void stop_process(pid_t process) {
  char path[64];
  char line[512];
  char state = 'R';
  (void)snprintf(path, sizeof(path), "/proc/%d/stat", process);
  assert_int_equal(kill(process, SIGSTOP), 0);
  while (state != 'T') {
    FILE* file = fopen(path, "re");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file));
    (void)fclose(file);
    assert_int_equal(sscanf(line, "%*d (%*[^)]) %c", &state), 1);
    weft_sys_yield();
  }
}

// The other ranks, while one of them may be given up.
static void serve_or_be_given_up(weft_runtime_t* runtime) {
  weft_status_t status = weft_runtime_serve(runtime);
  if (weft_runtime_rank(runtime) == 1) {
    weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, GIVEN_UP, status);
  } else {
    weft_kit_assert_ok(status);
  }
}

// The process of rank 1 has woken and ended by itself.
static void expect_end_of(pid_t process) {
  // It is reaped by the launcher in between.
  while (kill(process, 0) == 0) {
    weft_sys_yield();
  }
}

static void one_that_is_stopped_is_given_up(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  weft_actor_t third = puppet_spawn(runtime, 3);
  weft_value_t value = puppet_tensor(runtime, 5000, true);
  weft_value_t answer;
  puppet_tell(runtime, actor, PUPPET_KEEP, WEFT_ARGUMENTS(value));
  weft_value_release(value);
  // Rank 2 has a link to it, and rank 3 knows nothing of it.
  weft_kit_assert_ok(
      puppet_relay(runtime, other, actor, PUPPET_ECHO, weft_int64(7), &answer));
  // It waits for an answer itself.
  weft_future_t* waits =
      puppet_call(runtime, actor, PUPPET_RELAY,
                  WEFT_ARGUMENTS(weft_actor_value(third),
                                 weft_int64(PUPPET_HOLD), weft_none()));
  pid_t process = (pid_t)puppet_process(runtime, puppet_spawn(runtime, 1));
  stop_process(process);
  // Whoever waits for it hears of it, and so do those that do not.
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, GIVEN_UP,
                              puppet_end(waits));
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, GIVEN_UP,
                              puppet_try(runtime, actor, PUPPET_NOTICES, NULL));
  const weft_actor_t witnesses[] = {other, third};
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_status_says(
        WEFT_STATUS_PEER_DIED, GIVEN_UP,
        puppet_relay(runtime, witnesses[i], actor, PUPPET_ECHO, weft_int64(8),
                     &answer));
  }
  // It keeps what it was lent, and might read it, until it is gone.
  weft_arena_figures_t figures;
  weft_arena_figures(weft_memory_arena(runtime), &figures);
  assert_int_equal(figures.loan_count, 1);
  // It wakes, and ends in order.
  assert_int_equal(kill(process, SIGCONT), 0);
  expect_end_of(process);
  puppet_expect_nothing_lent(runtime);
}

static void one_that_is_stopped_for_good_can_be_killed(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t tensor = puppet_tensor(runtime, 5000, true);
  puppet_tell(runtime, actor, PUPPET_KEEP, WEFT_ARGUMENTS(tensor));
  weft_value_release(tensor);
  pid_t process = (pid_t)puppet_process(runtime, actor);
  weft_future_t* held = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  stop_process(process);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, GIVEN_UP,
                              puppet_end(held));
  assert_int_equal(kill(process, SIGKILL), 0);
  puppet_expect_nothing_lent(runtime);
}

static void one_that_wakes_in_time_has_lost_nothing(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  pid_t process = (pid_t)puppet_process(runtime, actor);
  for (int round = 0; round < 5; round++) {
    stop_process(process);
    weft_future_t* calls[20];
    for (int i = 0; i < 20; i++) {
      calls[i] = puppet_call(runtime, actor, PUPPET_ECHO,
                             WEFT_ARGUMENTS(weft_int64(i)));
    }
    assert_false(weft_future_is_done(calls[0]));
    assert_int_equal(kill(process, SIGCONT), 0);
    for (int i = 0; i < 20; i++) {
      weft_value_t value;
      weft_kit_assert_ok(puppet_await(calls[i], &value));
      assert_true(weft_value_equal(value, weft_int64(i)));
    }
  }
}

static void one_that_computes_for_long_is_not_given_up(
    weft_runtime_t* runtime) {
  // All workers there are busy for longer than the timeout.
  weft_actor_t busy[2];
  weft_future_t* calls[2];
  for (int i = 0; i < 2; i++) {
    busy[i] = puppet_spawn(runtime, 1);
    calls[i] = puppet_call(runtime, busy[i], PUPPET_GATE, NULL);
  }
  weft_promise_t* promise;
  weft_future_t* never;
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &never));
  // A time that has to pass; nothing else tells of it.
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_future_wait(never, weft_runtime_now_ns(runtime) +
                                                     INT64_C(1200000000)));
  weft_promise_release(promise);
  weft_future_release(never);
  assert_false(weft_future_is_done(calls[0]));
  weft_actor_t opener;
  const weft_spawn_options_t options = {.place = 1, .own_thread = true};
  weft_kit_assert_ok(
      weft_spawn(runtime, &puppet_class, weft_none(), &options, &opener));
  puppet_tell(runtime, opener, PUPPET_OPEN, NULL);
  weft_kit_assert_ok(puppet_end(calls[0]));
  weft_kit_assert_ok(puppet_end(calls[1]));
}

static void deadlines_end_waits_for_one_that_is_stopped(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  pid_t process = (pid_t)puppet_process(runtime, actor);
  stop_process(process);
  const weft_call_options_t soon = {.timeout_ns = 20000000};
  // Until its window is full, and beyond.
  for (int i = 0; i < 100; i++) {
    weft_future_t* future;
    const weft_call_options_t* options = i < 60 ? NULL : &soon;
    weft_status_t status =
        weft_call(runtime, actor, PUPPET_NOTICES, NULL, options, &future);
    if (status == WEFT_OK && options != NULL) {
      status = puppet_end(future);
    } else if (status == WEFT_OK) {
      weft_future_release(future);
    }
    if (options != NULL) {
      weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED, status);
    }
    i = i == 65 ? 99 : i;
  }
  assert_int_equal(kill(process, SIGCONT), 0);
  assert_int_equal(puppet_ask_int(runtime, actor, PUPPET_NOTICES, NULL), 0);
}

static void a_stopped_process_can_be_killed(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  pid_t process = (pid_t)puppet_process(runtime, actor);
  weft_future_t* held = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  stop_process(process);
  assert_int_equal(kill(process, SIGKILL), 0);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, puppet_end(held));
}

static weft_status_t name_it(weft_runtime_t* runtime, weft_actor_t registrar,
                             int number, weft_actor_t actor) {
  char text[32];
  weft_value_t name;
  (void)snprintf(text, sizeof(text), "name %d", number);
  weft_kit_assert_ok(weft_string_from_c(NULL, text, &name));
  weft_status_t status =
      puppet_try(runtime, registrar, PUPPET_REGISTER,
                 WEFT_ARGUMENTS(name, weft_actor_value(actor)));
  weft_value_release(name);
  return status;
}

// More than it may be asked at once to tell of its end.
static void actors_of_one_that_is_stopped_get_names(weft_runtime_t* runtime) {
  enum { NAMES = 150 };
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_actor_t registrar = puppet_spawn(runtime, 2);
  pid_t process = (pid_t)puppet_process(runtime, actor);
  stop_process(process);
  for (int i = 0; i < NAMES; i++) {
    weft_kit_assert_ok(name_it(runtime, registrar, i, actor));
  }
  assert_int_equal(kill(process, SIGCONT), 0);
  // Its end is heard of all the same.
  weft_kit_assert_ok(weft_actor_stop(runtime, actor, WEFT_STOP_NOW, WEFT_OK));
  for (int i = 0; i < NAMES; i++) {
    weft_status_code_t code = WEFT_STATUS_ALREADY_EXISTS;
    while (code == WEFT_STATUS_ALREADY_EXISTS) {
      code = weft_status_ignore(name_it(runtime, registrar, i, registrar));
    }
    assert_int_equal(code, WEFT_STATUS_OK);
  }
}

// Nothing but the channel waits for it, as a reader or as the writer.
static void a_channel_ends_with_one_that_is_stopped(weft_runtime_t* runtime) {
  const weft_spawn_options_t there = {.place = 1};
  const weft_channel_options_t options = {.slot_count = 1};
  weft_actor_t tap;
  weft_writer_t* writer;
  weft_reader_t* reader;
  weft_kit_assert_ok(
      weft_spawn(runtime, &tap_class, weft_none(), &there, &tap));
  weft_actor_t other = puppet_spawn(runtime, 1);
  weft_kit_assert_ok(weft_channel_create(runtime, &options, &writer, &reader));
  weft_value_t end = weft_reader_value(reader);
  puppet_tell(runtime, tap, TAP_OPEN_READER, WEFT_ARGUMENTS(end));
  weft_value_release(end);
  weft_reader_release(reader);
  pid_t process = (pid_t)puppet_process(runtime, other);
  stop_process(process);
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK) {
    status = weft_writer_write(writer, weft_int64(1), WEFT_TIME_INFINITE);
  }
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "its reader is gone",
                              status);
  assert_int_equal(kill(process, SIGKILL), 0);
  weft_writer_release(writer);
}

// Fills the lane to a rank, with less than a window for each actor: in large
// steps, and then in the smallest.
static void fill_lane(weft_runtime_t* runtime, const weft_actor_t* actors,
                      int count) {
  const weft_call_options_t hasty = {.try_only = true};
  const weft_value_t fills[] = {puppet_long_string(runtime, 3500),
                                weft_int64(0)};
  weft_status_code_t code = WEFT_STATUS_OK;
  for (int fill = 0; fill < 2; fill++) {
    int sent = 0;
    do {
      assert_true(sent < 6 * count);
      code = weft_status_ignore(weft_send(runtime, actors[sent++ % count],
                                          PUPPET_ECHO,
                                          WEFT_ARGUMENTS(fills[fill]), &hasty));
    } while (code == WEFT_STATUS_OK);
    assert_int_equal(code, WEFT_STATUS_WOULD_BLOCK);
  }
  weft_value_release(fills[0]);
}

// Room comes without credit: few messages are done, and none are of the actor
// that ends.
static void a_name_given_while_the_lane_is_full_is_free_after_the_end(
    weft_runtime_t* runtime) {
  enum { FILLERS = 100 };
  weft_actor_t fillers[FILLERS];
  weft_actor_t named = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  for (int i = 0; i < FILLERS; i++) {
    fillers[i] = puppet_spawn(runtime, 1);
  }
  pid_t process = (pid_t)puppet_process(runtime, fillers[0]);
  stop_process(process);
  fill_lane(runtime, fillers, FILLERS);
  weft_kit_assert_ok(weft_actor_register(runtime, "it", named));
  assert_int_equal(kill(process, SIGCONT), 0);
  puppet_tell(runtime, other, PUPPET_STOP_OTHER,
              WEFT_ARGUMENTS(weft_actor_value(named), weft_int64(WEFT_STOP_NOW),
                             weft_none()));
  weft_status_code_t code = WEFT_STATUS_ALREADY_EXISTS;
  while (code == WEFT_STATUS_ALREADY_EXISTS) {
    code = weft_status_ignore(weft_actor_register(runtime, "it", other));
  }
  assert_int_equal(code, WEFT_STATUS_OK);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "one_that_is_stopped_is_given_up",
       .size = 4,
       .run = one_that_is_stopped_is_given_up,
       .serve = serve_or_be_given_up,
       .prepare = give_up_soon},
      {.name = "one_that_is_stopped_for_good_can_be_killed",
       .size = 2,
       .run = one_that_is_stopped_for_good_can_be_killed,
       .prepare = give_up_soon,
       .may_die = 2},
      {.name = "a_channel_ends_with_one_that_is_stopped",
       .size = 2,
       .run = a_channel_ends_with_one_that_is_stopped,
       .prepare = give_up_soon,
       .may_die = 2},
      {.name = "one_that_wakes_in_time_has_lost_nothing",
       .size = 2,
       .run = one_that_wakes_in_time_has_lost_nothing,
       .prepare = give_up_late},
      {.name = "one_that_computes_for_long_is_not_given_up",
       .size = 2,
       .run = one_that_computes_for_long_is_not_given_up,
       .prepare = give_up_soon},
      PROCESS_TEST(deadlines_end_waits_for_one_that_is_stopped, 2),
      {.name = "actors_of_one_that_is_stopped_get_names",
       .size = 3,
       .run = actors_of_one_that_is_stopped_get_names,
       .prepare = give_up_late},
      PROCESS_TEST(a_name_given_while_the_lane_is_full_is_free_after_the_end,
                   3),
      PROCESS_TEST_OF_DEATH(a_stopped_process_can_be_killed, 2, 2),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
