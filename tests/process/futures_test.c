// SPDX-License-Identifier: Apache-2.0
//
// Futures of one process as arguments in others, and the order of messages.

#include <stdlib.h>

#include "process/job.h"
#include "process/puppet.h"

typedef struct pair {
  weft_promise_t* promise;
  weft_future_t* future;
} pair_t;

static pair_t make_pair(weft_runtime_t* runtime) {
  pair_t pair;
  weft_kit_assert_ok(weft_promise_create(runtime, &pair.promise, &pair.future));
  return pair;
}

static void end_pair(pair_t pair) {
  weft_promise_release(pair.promise);
  weft_future_release(pair.future);
}

static weft_future_t* echo(weft_runtime_t* runtime, weft_actor_t actor,
                           weft_future_t* future) {
  return puppet_call(runtime, actor, PUPPET_ECHO,
                     WEFT_ARGUMENTS(weft_future_lend(future)));
}

static void check_int(weft_future_t* future, int64_t expected) {
  weft_value_t value;
  weft_kit_assert_ok(puppet_await(future, &value));
  assert_true(weft_value_equal(value, weft_int64(expected)));
}

static void futures_are_delivered_as_what_they_hold(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  pair_t pair = make_pair(runtime);
  weft_future_t* early = echo(runtime, actor, pair.future);
  weft_future_t* early_too = echo(runtime, actor, pair.future);
  assert_false(weft_future_is_done(early));
  weft_kit_assert_ok(weft_promise_set(pair.promise, weft_int64(5)));
  check_int(early, 5);
  check_int(early_too, 5);
  check_int(echo(runtime, actor, pair.future), 5);
  end_pair(pair);
  // As a large value.
  pair = make_pair(runtime);
  early = echo(runtime, actor, pair.future);
  weft_value_t text = puppet_long_string(runtime, 100000);
  weft_value_t back;
  weft_kit_assert_ok(weft_promise_set(pair.promise, weft_value_retain(text)));
  weft_kit_assert_ok(puppet_await(early, &back));
  assert_true(weft_value_equal(back, text));
  weft_value_release(back);
  weft_value_release(text);
  end_pair(pair);
}

static void futures_that_fail_fail_the_call_in_its_turn(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  const weft_status_code_t codes[] = {
      WEFT_STATUS_UNAVAILABLE, WEFT_STATUS_ABANDONED, WEFT_STATUS_CANCELLED};
  for (int i = 0; i < 3; i++) {
    pair_t pair = make_pair(runtime);
    weft_future_t* call = echo(runtime, actor, pair.future);
    weft_future_t* next =
        puppet_call(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(weft_int64(1)));
    assert_false(weft_future_is_done(call));
    if (i == 0) {
      weft_kit_assert_ok(weft_promise_fail(
          pair.promise, weft_status_make(WEFT_STATUS_UNAVAILABLE, "shut")));
    } else if (i == 1) {
      weft_promise_release(pair.promise);
      pair.promise = NULL;
    } else {
      weft_future_cancel(pair.future);
    }
    weft_status_t status = puppet_end(call);
    assert_int_equal(weft_status_code(weft_status_root(status)), codes[i]);
    weft_status_release(status);
    check_int(next, 1);
    // Failed already when it is sent.
    status = puppet_try(runtime, actor, PUPPET_ECHO,
                        WEFT_ARGUMENTS(weft_future_lend(pair.future)));
    assert_int_equal(weft_status_code(weft_status_root(status)), codes[i]);
    weft_status_release(status);
    end_pair(pair);
  }
}

static void futures_of_a_third_process_and_passed_on_twice(
    weft_runtime_t* runtime) {
  weft_actor_t maker = puppet_spawn(runtime, 1);
  weft_actor_t user = puppet_spawn(runtime, 2);
  weft_actor_t last = puppet_spawn(runtime, 3);
  weft_future_t* made = puppet_call(runtime, maker, PUPPET_HOLD, NULL);
  weft_future_t* first = echo(runtime, user, made);
  weft_future_t* second = echo(runtime, last, first);
  weft_future_t* third = echo(runtime, puppet_spawn(runtime, 1), second);
  assert_false(weft_future_is_done(third));
  puppet_tell(runtime, maker, PUPPET_DROP, NULL);
  weft_status_t status = puppet_end(third);
  assert_int_equal(weft_status_code(weft_status_root(status)),
                   WEFT_STATUS_ABANDONED);
  weft_status_release(status);
  weft_future_release(made);
  weft_future_release(first);
  weft_future_release(second);
  made = puppet_call(runtime, maker, PUPPET_HOLD, NULL);
  first = echo(runtime, user, made);
  second = echo(runtime, last, first);
  puppet_tell(runtime, maker, PUPPET_ANSWER, WEFT_ARGUMENTS(weft_int64(9)));
  check_int(second, 9);
  weft_future_release(first);
  weft_future_release(made);
}

// The two processes have no link with each other before.
static void a_tensor_goes_from_its_maker_to_one_it_has_not_met(
    weft_runtime_t* runtime) {
  for (uint32_t rank = 2; rank < 6; rank++) {
    weft_actor_t maker = puppet_spawn(runtime, 1);
    weft_actor_t user = puppet_spawn(runtime, rank);
    weft_future_t* made =
        puppet_call(runtime, maker, PUPPET_TENSOR,
                    WEFT_ARGUMENTS(weft_int64(3000), weft_bool(rank % 2 == 0)));
    weft_future_t* used = puppet_call(runtime, user, PUPPET_SUM,
                                      WEFT_ARGUMENTS(weft_future_lend(made)));
    weft_future_release(made);
    check_int(used, puppet_sum_of(3000));
  }
}

static void futures_that_nobody_wants_any_more_do_no_harm(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  for (int i = 0; i < 20; i++) {
    pair_t pair = make_pair(runtime);
    weft_future_t* call = echo(runtime, actor, pair.future);
    // The call is cancelled while it waits for its argument.
    weft_future_cancel(call);
    weft_kit_assert_status(WEFT_STATUS_CANCELLED, puppet_end(call));
    if (i % 2 == 0) {
      weft_kit_assert_ok(
          weft_promise_set(pair.promise, puppet_tensor(runtime, 5000, true)));
    }
    end_pair(pair);
  }
  check_int(
      puppet_call(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(weft_int64(1))),
      1);
  puppet_expect_nothing_lent(runtime);
}

static void futures_of_a_process_that_dies_fail(weft_runtime_t* runtime) {
  weft_actor_t maker = puppet_spawn(runtime, 1);
  weft_actor_t user = puppet_spawn(runtime, 2);
  weft_future_t* made = puppet_call(runtime, maker, PUPPET_HOLD, NULL);
  weft_future_t* used = echo(runtime, user, made);
  puppet_kill(runtime, maker);
  weft_status_t status = puppet_end(used);
  assert_int_equal(weft_status_code(weft_status_root(status)),
                   WEFT_STATUS_PEER_DIED);
  weft_status_release(status);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, puppet_end(made));
  check_int(
      puppet_call(runtime, user, PUPPET_ECHO, WEFT_ARGUMENTS(weft_int64(1))),
      1);
}

// --- Order ------------------------------------------------------------------

#define MESSAGES 10000
#define OTHERS_FROM 1000000

// Of each sender all, in order. Releases the log.
static void check_log(weft_value_t log, int64_t mine, int64_t others) {
  const weft_value_t* values;
  size_t count;
  int64_t next_mine = OTHERS_FROM;
  int64_t next_other = 0;
  weft_kit_assert_ok(weft_value_as_list(log, &values, &count));
  assert_int_equal(count, mine + others);
  for (size_t i = 0; i < count; i++) {
    int64_t number = values[i].as.int64;
    int64_t* next = number >= OTHERS_FROM ? &next_mine : &next_other;
    assert_int_equal(number, *next);
    ++*next;
  }
  weft_value_release(log);
}

// Sends numbers in order; some of them as futures that are completed a few
// messages later.
static void send_numbers(weft_runtime_t* runtime, weft_actor_t actor,
                         int64_t count) {
  pair_t open = {NULL, NULL};
  int64_t open_number = 0;
  for (int64_t i = 0; i < count; i++) {
    int64_t number = OTHERS_FROM + i;
    if (i % 50 == 10) {
      open = make_pair(runtime);
      open_number = number;
      puppet_send(runtime, actor, PUPPET_NOTE,
                  WEFT_ARGUMENTS(weft_future_lend(open.future)));
    } else {
      puppet_send(runtime, actor, PUPPET_NOTE,
                  WEFT_ARGUMENTS(weft_int64(number)));
    }
    if (i % 50 == 10 + i / 50 % 30 && open.promise != NULL) {
      weft_kit_assert_ok(
          weft_promise_set(open.promise, weft_int64(open_number)));
      end_pair(open);
      open.promise = NULL;
    }
  }
  if (open.promise != NULL) {
    weft_kit_assert_ok(weft_promise_set(open.promise, weft_int64(open_number)));
    end_pair(open);
  }
}

static void messages_of_each_sender_keep_their_order(weft_runtime_t* runtime) {
  int64_t count = process_is_slow() ? MESSAGES / 10 : MESSAGES;
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  // With a deadline it may wait for room.
  const weft_call_options_t patient = {.timeout_ns = INT64_C(100000000000)};
  weft_future_t* flood;
  weft_kit_assert_ok(
      weft_call(runtime, other, PUPPET_FLOOD,
                WEFT_ARGUMENTS(weft_actor_value(actor), weft_int64(count)),
                &patient, &flood));
  send_numbers(runtime, actor, count);
  weft_value_t sent;
  weft_kit_assert_ok(puppet_await(flood, &sent));
  assert_int_equal(puppet_number_at(sent, 0), count);
  // The other sender's last ones may still be on their way.
  weft_value_t nothing;
  weft_kit_assert_ok(
      puppet_relay(runtime, other, actor, PUPPET_INIT, weft_none(), &nothing));
  check_log(puppet_ask(runtime, actor, PUPPET_LOG, NULL), count, count);
}

static void a_message_that_waits_holds_back_its_own_sender_alone(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  pair_t pair = make_pair(runtime);
  weft_value_t nothing;
  puppet_send(runtime, actor, PUPPET_NOTE,
              WEFT_ARGUMENTS(weft_future_lend(pair.future)));
  weft_future_t* behind = puppet_call(runtime, actor, PUPPET_LOG, NULL);
  weft_kit_assert_ok(puppet_relay(runtime, other, actor, PUPPET_NOTE,
                                  weft_int64(2), &nothing));
  assert_false(weft_future_is_done(behind));
  weft_kit_assert_ok(weft_promise_set(pair.promise, weft_int64(1)));
  const weft_value_t* values;
  size_t count;
  weft_value_t log;
  weft_kit_assert_ok(puppet_await(behind, &log));
  weft_kit_assert_ok(weft_value_as_list(log, &values, &count));
  assert_int_equal(count, 2);
  assert_int_equal(values[0].as.int64, 2);
  assert_int_equal(values[1].as.int64, 1);
  weft_value_release(log);
  end_pair(pair);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(futures_are_delivered_as_what_they_hold, 2),
      PROCESS_TEST(futures_that_fail_fail_the_call_in_its_turn, 2),
      PROCESS_TEST(futures_of_a_third_process_and_passed_on_twice, 4),
      PROCESS_TEST(a_tensor_goes_from_its_maker_to_one_it_has_not_met, 6),
      PROCESS_TEST(futures_that_nobody_wants_any_more_do_no_harm, 2),
      PROCESS_TEST_OF_DEATH(futures_of_a_process_that_dies_fail, 3, 2),
      PROCESS_TEST(messages_of_each_sender_keep_their_order, 3),
      PROCESS_TEST(a_message_that_waits_holds_back_its_own_sender_alone, 3),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
