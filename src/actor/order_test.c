// SPDX-License-Identifier: Apache-2.0
//
// Messages that wait for arguments: what they hold back, how they end.

#include <string.h>

#include "actor/actor_kit.h"

static weft_probe_t probe;
static weft_probe_t other;

static weft_actor_kit_t* kit_of(void** state) {
  memset(&probe, 0, sizeof(probe));
  memset(&other, 0, sizeof(other));
  return *state;
}

// --- Holding back -----------------------------------------------------------

static void a_message_waits_for_its_argument_and_holds_its_sender_back(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* first = weft_probe_call_later(kit, actor, pair.future);
  weft_future_t* second = weft_probe_call_note(kit, actor, 2);
  weft_actor_kit_run(kit);
  assert_int_equal(0, weft_probe_notes(&probe));
  assert_false(weft_future_is_done(second));
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_expect_int64(first, 1);
  weft_expect_int64(second, 2);
  WEFT_EXPECT_NOTES(&probe, 1, 2);
}

static weft_status_t send_20(weft_context_t* context, weft_probe_t* self,
                             void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  return weft_probe_send_note(weft_context_runtime(context),
                              *(weft_actor_t*)user, 20);
}

static void other_senders_go_on_meanwhile(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_actor_t sender = weft_probe_spawn(kit, &other);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* first = weft_probe_call_later(kit, actor, pair.future);
  weft_probe_act_t act = {send_20, &actor};
  weft_expect_outcome(weft_probe_do(kit, sender, &act), WEFT_STATUS_OK);
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, 20);
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_expect_int64(first, 2);
  WEFT_EXPECT_NOTES(&probe, 20, 1);
}

static void each_of_many_held_messages_waits_for_its_own_argument(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pairs[5];
  weft_future_t* replies[5];
  for (int i = 0; i < 5; i++) {
    pairs[i] = weft_probe_pair(kit);
    replies[i] = weft_probe_call_later(kit, actor, pairs[i].future);
  }
  // They arrive in the opposite order.
  for (int i = 4; i >= 0; i--) {
    weft_actor_kit_run(kit);
    assert_int_equal(0, weft_probe_notes(&probe));
    weft_probe_pair_set(&pairs[i], weft_int64(i));
  }
  for (int i = 0; i < 5; i++) {
    weft_expect_int64(replies[i], i + 1);
  }
  WEFT_EXPECT_NOTES(&probe, 0, 1, 2, 3, 4);
}

static void all_arguments_of_one_message_are_awaited(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t a = weft_probe_pair(kit);
  weft_probe_pair_t b = weft_probe_pair(kit);
  weft_value_t values[] = {weft_future_value(a.future),
                           weft_future_value(b.future)};
  const weft_arguments_t arguments = {.positional = values,
                                      .positional_count = 2};
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_PAIR, &arguments,
                               NULL, &reply));
  weft_value_release(values[0]);
  weft_value_release(values[1]);
  weft_probe_pair_set(&a, weft_int64(4));
  weft_actor_kit_run(kit);
  assert_int_equal(0, weft_probe_notes(&probe));
  weft_probe_pair_set(&b, weft_int64(2));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&probe, 42);
}

static weft_status_t seven(weft_runtime_t* runtime, void* user,
                           const weft_value_t* arguments,
                           weft_value_t* out_result) {
  (void)runtime;
  (void)user;
  (void)arguments;
  *out_result = weft_int64(7);
  return WEFT_OK;
}

static void a_lazy_argument_is_started_by_sending_it(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  const weft_function_t function = {.name = "seven", .run = seven};
  weft_future_t* lazy;
  weft_kit_assert_ok(weft_await_create(kit->runtime, &function, NULL, &lazy));
  weft_expect_int64(weft_probe_call_later(kit, actor, lazy), 1);
  WEFT_EXPECT_NOTES(&probe, 7);
  weft_future_release(lazy);
}

static void all_lazy_arguments_are_started_at_once(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  const weft_function_t function = {.name = "seven", .run = seven};
  weft_future_t* lazy;
  weft_kit_assert_ok(weft_await_create(kit->runtime, &function, NULL, &lazy));
  weft_value_t values[] = {weft_future_value(pair.future),
                           weft_future_value(lazy)};
  const weft_arguments_t arguments = {.positional = values,
                                      .positional_count = 2};
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_PAIR, &arguments,
                               NULL, &reply));
  weft_value_release(values[0]);
  weft_value_release(values[1]);
  weft_actor_kit_run(kit);
  // The first is not there yet; the second does not wait for that.
  assert_true(weft_future_is_done(lazy));
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&probe, 17);
  weft_future_release(lazy);
}

static void a_future_of_a_future_is_delivered_as_what_that_holds(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t outer = weft_probe_pair(kit);
  weft_probe_pair_t inner = weft_probe_pair(kit);
  weft_future_t* reply = weft_probe_call_later(kit, actor, outer.future);
  weft_probe_pair_set(&outer, weft_future_value(inner.future));
  weft_actor_kit_run(kit);
  assert_int_equal(0, weft_probe_notes(&probe));
  weft_probe_pair_set(&inner, weft_int64(5));
  weft_expect_int64(reply, 1);
  WEFT_EXPECT_NOTES(&probe, 5);
}

// One sender's message that waits, and one behind it.
typedef struct plan {
  weft_actor_t target;
  weft_future_t* argument;
  int64_t note;
} plan_t;

static weft_status_t send_held_and_plain(weft_context_t* context,
                                         weft_probe_t* self, void* user,
                                         weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  const plan_t* plan = user;
  weft_runtime_t* runtime = weft_context_runtime(context);
  weft_value_t value = weft_future_value(plan->argument);
  weft_status_t status = weft_send(runtime, plan->target, WEFT_PROBE_NOTE,
                                   WEFT_ARGUMENTS(value), NULL);
  weft_value_release(value);
  WEFT_RETURN_IF_ERROR(status);
  return weft_probe_send_note(runtime, plan->target, plan->note + 1000);
}

static void many_senders_are_held_back_each_by_its_own_argument(void** state) {
  enum { SENDERS = 40 };
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_actor_t senders[SENDERS];
  weft_probe_pair_t pairs[SENDERS];
  for (int i = 0; i < SENDERS; i++) {
    pairs[i] = weft_probe_pair(kit);
    senders[i] = weft_probe_spawn(kit, &other);
    plan_t plan = {actor, pairs[i].future, i};
    weft_probe_act_t act = {send_held_and_plain, &plan};
    weft_expect_outcome(weft_probe_do(kit, senders[i], &act), WEFT_STATUS_OK);
  }
  weft_actor_kit_run(kit);
  assert_int_equal(0, weft_probe_notes(&probe));
  // Each argument lets the messages of its sender go, and no others.
  for (int i = SENDERS - 1; i >= 0; i--) {
    weft_probe_pair_set(&pairs[i], weft_int64(i));
    weft_actor_kit_run(kit);
    uint32_t count = weft_probe_notes(&probe);
    assert_int_equal(2 * (SENDERS - i), count);
    assert_int_equal(i, probe.notes[count - 2]);
    assert_int_equal(i + 1000, probe.notes[count - 1]);
  }
}

// --- How they end -----------------------------------------------------------

static void an_argument_that_fails_fails_its_call_in_turn(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* first = weft_probe_call_later(kit, actor, pair.future);
  weft_future_t* second = weft_probe_call_note(kit, actor, 2);
  weft_kit_assert_ok(weft_promise_fail(
      pair.promise, weft_status_make(WEFT_STATUS_OUT_OF_RANGE, "root cause")));
  weft_promise_release(pair.promise);
  // The same status, not a new one.
  weft_value_t value;
  weft_status_t root;
  weft_status_t seen;
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_future_wait(first, WEFT_TIME_NOW));
  weft_actor_kit_run(kit);
  root = weft_future_result(pair.future, &value);
  seen = weft_future_result(first, &value);
  assert_ptr_equal(root, seen);
  weft_status_release(root);
  weft_status_release(seen);
  weft_expect_outcome_says(first, WEFT_STATUS_OUT_OF_RANGE, "root cause");
  weft_expect_int64(second, 1);
  WEFT_EXPECT_NOTES(&probe, 2);
  weft_future_release(pair.future);
}

static void an_argument_that_had_failed_before_fails_its_call_too(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* failed;
  weft_kit_assert_ok(weft_future_from_status(
      kit->runtime, weft_status_make(WEFT_STATUS_FAILED, "early"), &failed));
  weft_expect_outcome_says(weft_probe_call_later(kit, actor, failed),
                           WEFT_STATUS_FAILED, "early");
  weft_future_release(failed);
  assert_int_equal(0, weft_probe_notes(&probe));
}

static void an_argument_of_the_wrong_kind_fails_its_call(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* reply = weft_probe_call_later(kit, actor, pair.future);
  weft_probe_pair_set(&pair, weft_float64(0.5));
  weft_expect_outcome_says(reply, WEFT_STATUS_INVALID_ARGUMENT, "value");
  assert_int_equal(0, weft_probe_notes(&probe));
}

static void an_argument_that_fails_a_send_is_a_warning(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t value = weft_future_value(pair.future);
  weft_kit_assert_ok(weft_send(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(value), NULL));
  weft_value_release(value);
  weft_promise_release(pair.promise);
  weft_future_release(pair.future);
  weft_actor_kit_run(kit);
  assert_int_equal(1, kit->warning_count);
  assert_int_equal(WEFT_STATUS_ABANDONED, kit->warning_code);
}

static void a_held_call_that_is_cancelled_lets_the_next_one_go(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* first = weft_probe_call_later(kit, actor, pair.future);
  weft_future_t* second = weft_probe_call_note(kit, actor, 2);
  weft_actor_kit_run(kit);
  assert_true(weft_future_cancel(first));
  weft_expect_int64(second, 1);
  weft_expect_outcome(first, WEFT_STATUS_CANCELLED);
  // The argument is not awaited any more, and its coming changes nothing.
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, 2);
}

static void a_held_call_ends_at_its_deadline(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t value = weft_future_value(pair.future);
  const weft_call_options_t options = {.timeout_ns = 5 * WEFT_MS};
  weft_future_t* first;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(value), &options, &first));
  weft_value_release(value);
  weft_future_t* second = weft_probe_call_note(kit, actor, 2);
  weft_expect_outcome_says(first, WEFT_STATUS_DEADLINE_EXCEEDED, "probe.note");
  weft_expect_int64(second, 1);
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, 2);
}

static void a_held_send_ends_at_its_deadline_with_a_warning(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t value = weft_future_value(pair.future);
  const weft_call_options_t options = {.timeout_ns = 5 * WEFT_MS};
  weft_kit_assert_ok(weft_send(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(value), &options));
  weft_value_release(value);
  weft_expect_int64(weft_probe_call_note(kit, actor, 2), 1);
  assert_int_equal(1, kit->warning_count);
  assert_int_equal(WEFT_STATUS_DEADLINE_EXCEEDED, kit->warning_code);
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, 2);
}

static void what_is_held_fails_when_the_actor_ends(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* first = weft_probe_call_later(kit, actor, pair.future);
  weft_future_t* second = weft_probe_call_note(kit, actor, 2);
  weft_actor_kit_run(kit);
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_NOW,
                      weft_status_make(WEFT_STATUS_FAILED, "enough")));
  weft_expect_outcome_says(first, WEFT_STATUS_ACTOR_EXITED, "enough");
  weft_expect_outcome_says(second, WEFT_STATUS_ACTOR_EXITED, "enough");
  weft_probe_pair_set(&pair, weft_int64(1));
  assert_int_equal(0, weft_probe_notes(&probe));
}

// --- Circles ----------------------------------------------------------------

static void a_call_behind_one_that_waits_for_it_fails_as_a_deadlock(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* first = weft_probe_call_later(kit, actor, pair.future);
  weft_future_t* second = weft_probe_call_note(kit, actor, 2);
  // The first waits for the second, which stands behind it.
  weft_kit_assert_ok(weft_promise_forward(pair.promise, second));
  weft_promise_release(pair.promise);
  weft_expect_outcome(second, WEFT_STATUS_DEADLOCK);
  weft_expect_outcome(first, WEFT_STATUS_DEADLOCK);
  weft_future_release(pair.future);
  assert_int_equal(0, weft_probe_notes(&probe));
}

typedef struct wait_plan {
  weft_actor_t target;
  weft_probe_act_t* act;
  const weft_actor_kit_t* kit;
} wait_plan_t;

static weft_status_t call_and_wait(weft_context_t* context, weft_probe_t* self,
                                   void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  const wait_plan_t* plan = user;
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(
      weft_probe_do_with(plan->kit, plan->target, plan->act, NULL, &future));
  weft_status_t status =
      weft_future_get(future, WEFT_TIME_INFINITE, out_result);
  weft_future_release(future);
  return status;
}

static weft_status_t do_nothing(weft_context_t* context, weft_probe_t* self,
                                void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  (void)user;
  (void)out_result;
  return WEFT_OK;
}

static void two_handlers_that_wait_for_each_other_fail_as_a_deadlock(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_actor_t b = weft_probe_spawn(kit, &other);
  // a waits for b, which waits for a.
  weft_probe_act_t nothing = {do_nothing, NULL};
  wait_plan_t back = {a, &nothing, kit};
  weft_probe_act_t call_back = {call_and_wait, &back};
  wait_plan_t forth = {b, &call_back, kit};
  weft_probe_act_t call_forth = {call_and_wait, &forth};
  weft_future_t* reply = weft_probe_do(kit, a, &call_forth);
  weft_value_t value;
  weft_status_t status = weft_future_get(reply, WEFT_TIME_INFINITE, &value);
  char text[2048];
  weft_status_format(status, text, sizeof(text));
  assert_non_null(strstr(text, "probe#0"));
  assert_non_null(strstr(text, "probe#1"));
  weft_kit_assert_status(WEFT_STATUS_DEADLOCK, status);
  weft_future_release(reply);
}

static void a_handler_that_waits_for_its_own_actor_fails_as_a_deadlock(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_probe_act_t nothing = {do_nothing, NULL};
  wait_plan_t plan = {a, &nothing, kit};
  weft_probe_act_t act = {call_and_wait, &plan};
  weft_expect_outcome_says(weft_probe_do(kit, a, &act), WEFT_STATUS_DEADLOCK,
                           "probe#0");
}

static void a_call_whose_argument_is_its_own_reply_fails_as_a_deadlock(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* reply = weft_probe_call_later(kit, a, pair.future);
  // Before it has come to its turn nobody can know.
  weft_kit_assert_ok(weft_promise_forward(pair.promise, reply));
  weft_promise_release(pair.promise);
  weft_expect_outcome_says(reply, WEFT_STATUS_DEADLOCK, "call");
  weft_expect_outcome(pair.future, WEFT_STATUS_DEADLOCK);
}

typedef struct late_plan {
  const weft_actor_kit_t* kit;
  weft_actor_t target;
  weft_probe_act_t* act;
  weft_future_t* argument;
  weft_future_t* reply;
} late_plan_t;

static weft_status_t wait_for_reply(weft_context_t* context, weft_probe_t* self,
                                    void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  const late_plan_t* plan = user;
  return weft_future_get(plan->reply, WEFT_TIME_INFINITE, out_result);
}

static weft_status_t ask_the_other(weft_context_t* context, weft_probe_t* self,
                                   void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  const late_plan_t* plan = user;
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(
      weft_probe_do_with(plan->kit, plan->target, plan->act, NULL, &future));
  weft_status_t status =
      weft_future_get(future, WEFT_TIME_INFINITE, out_result);
  weft_future_release(future);
  return status;
}

// Once its argument is there, a call that was held waits for nothing but its
// actor: circles through that are found.
static void a_call_that_was_held_is_part_of_circles_as_any_other(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  late_plan_t plan = {.kit = kit};
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  plan.target = weft_probe_spawn(kit, &other);
  weft_probe_act_t wait = {wait_for_reply, &plan};
  weft_probe_act_t ask = {ask_the_other, &plan};
  plan.act = &wait;
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t argument = weft_future_value(pair.future);
  weft_kit_assert_ok(weft_call(kit->runtime, a, WEFT_PROBE_DO,
                               WEFT_ARGUMENTS(argument), NULL, &plan.reply));
  weft_value_release(argument);
  weft_actor_kit_run(kit);
  weft_value_t act;
  weft_kit_assert_ok(weft_opaque_create(&kit->memory.allocator,
                                        &weft_probe_act_type, &ask, &act));
  weft_probe_pair_set(&pair, act);
  weft_expect_outcome(plan.reply, WEFT_STATUS_DEADLOCK);
}

static void a_reply_that_was_taken_is_not_its_actors_any_more(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  late_plan_t plan = {.kit = kit};
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_kit_assert_ok(
      weft_call(kit->runtime, a, WEFT_PROBE_DEFER, NULL, NULL, &plan.reply));
  weft_actor_kit_run(kit);
  // The actor waits for what it will not produce: no circle.
  weft_probe_act_t wait = {wait_for_reply, &plan};
  weft_future_t* waiting = weft_probe_do(kit, a, &wait);
  weft_actor_kit_run(kit);
  weft_kit_assert_ok(weft_promise_set(probe.promise, weft_int64(8)));
  weft_promise_release(probe.promise);
  weft_expect_int64(waiting, 8);
  weft_future_release(plan.reply);
}

static void forwarding_an_argument_to_a_call_behind_it_is_a_deadlock(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* held = weft_probe_call_later(kit, a, pair.future);
  weft_probe_act_t nothing = {do_nothing, NULL};
  weft_future_t* behind = weft_probe_do(kit, a, &nothing);
  weft_actor_kit_run(kit);
  assert_false(weft_future_is_done(behind));
  weft_kit_assert_status(WEFT_STATUS_DEADLOCK,
                         weft_promise_forward(pair.promise, behind));
  weft_promise_release(pair.promise);
  weft_future_release(pair.future);
  weft_expect_outcome(held, WEFT_STATUS_ABANDONED);
  weft_expect_outcome(behind, WEFT_STATUS_OK);
}

static weft_status_t wait_for_user(weft_runtime_t* runtime, void* user,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  (void)runtime;
  (void)arguments;
  return weft_future_get(user, WEFT_TIME_INFINITE, out_result);
}

static void a_function_that_waits_for_the_call_that_waits_for_it_is_told(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* held = weft_probe_call_later(kit, a, pair.future);
  weft_actor_kit_run(kit);
  const weft_function_t function = {
      .name = "circular", .run = wait_for_user, .user = held};
  weft_future_t* future;
  weft_kit_assert_ok(
      weft_async_run(kit->runtime, NULL, &function, NULL, &future));
  weft_kit_assert_ok(weft_promise_forward(pair.promise, future));
  weft_promise_release(pair.promise);
  weft_future_release(pair.future);
  weft_expect_outcome(future, WEFT_STATUS_DEADLOCK);
  weft_expect_outcome(held, WEFT_STATUS_DEADLOCK);
}

// --- Init -------------------------------------------------------------------

static void init_waits_for_its_argument_and_everybody_waits_for_init(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t init = weft_future_value(pair.future);
  weft_actor_t actor;
  weft_kit_assert_ok(
      weft_spawn(kit->runtime, &weft_probe_class, init, NULL, &actor));
  weft_value_release(init);
  weft_actor_t sender = weft_probe_spawn(kit, &other);
  weft_probe_act_t act = {send_20, &actor};
  weft_expect_outcome(weft_probe_do(kit, sender, &act), WEFT_STATUS_OK);
  weft_future_t* reply = weft_probe_call_note(kit, actor, 1);
  weft_actor_kit_run(kit);
  assert_false(weft_future_is_done(reply));
  assert_int_equal(0, probe.init_count);
  weft_value_t value;
  weft_kit_assert_ok(weft_opaque_create(&kit->memory.allocator,
                                        &weft_probe_type, &probe, &value));
  weft_probe_pair_set(&pair, value);
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  weft_actor_kit_run(kit);
  assert_int_equal(1, probe.init_count);
  assert_int_equal(2, weft_probe_notes(&probe));
}

static void an_init_whose_argument_fails_ends_the_actor(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t init = weft_future_value(pair.future);
  weft_actor_t actor;
  weft_kit_assert_ok(
      weft_spawn(kit->runtime, &weft_probe_class, init, NULL, &actor));
  weft_value_release(init);
  weft_future_t* reply = weft_probe_call_note(kit, actor, 1);
  weft_actor_kit_run(kit);
  weft_kit_assert_ok(weft_promise_fail(
      pair.promise, weft_status_make(WEFT_STATUS_DATA_LOSS, "no data")));
  weft_promise_release(pair.promise);
  weft_future_release(pair.future);
  weft_expect_outcome_says(reply, WEFT_STATUS_ACTOR_EXITED, "no data");
}

static void an_actor_whose_init_waits_can_be_stopped(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_value_t init = weft_future_value(pair.future);
  weft_actor_t actor;
  weft_kit_assert_ok(
      weft_spawn(kit->runtime, &weft_probe_class, init, NULL, &actor));
  weft_value_release(init);
  weft_future_t* reply = weft_probe_call_note(kit, actor, 1);
  weft_actor_kit_run(kit);
  weft_probe_end(kit, actor);
  weft_expect_outcome(reply, WEFT_STATUS_ACTOR_EXITED);
  weft_probe_pair_set(&pair, weft_none());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_TEST(
          a_message_waits_for_its_argument_and_holds_its_sender_back),
      WEFT_ACTOR_TEST(other_senders_go_on_meanwhile),
      WEFT_ACTOR_TEST(each_of_many_held_messages_waits_for_its_own_argument),
      WEFT_ACTOR_TEST(all_arguments_of_one_message_are_awaited),
      WEFT_ACTOR_TEST(a_lazy_argument_is_started_by_sending_it),
      WEFT_ACTOR_TEST(all_lazy_arguments_are_started_at_once),
      WEFT_ACTOR_TEST(a_future_of_a_future_is_delivered_as_what_that_holds),
      WEFT_ACTOR_TEST(many_senders_are_held_back_each_by_its_own_argument),
      WEFT_ACTOR_TEST(an_argument_that_fails_fails_its_call_in_turn),
      WEFT_ACTOR_TEST(an_argument_that_had_failed_before_fails_its_call_too),
      WEFT_ACTOR_TEST(an_argument_of_the_wrong_kind_fails_its_call),
      WEFT_ACTOR_TEST(an_argument_that_fails_a_send_is_a_warning),
      WEFT_ACTOR_TEST(a_held_call_that_is_cancelled_lets_the_next_one_go),
      WEFT_ACTOR_TEST(a_held_call_ends_at_its_deadline),
      WEFT_ACTOR_TEST(a_held_send_ends_at_its_deadline_with_a_warning),
      WEFT_ACTOR_TEST(what_is_held_fails_when_the_actor_ends),
      WEFT_ACTOR_TEST(a_call_behind_one_that_waits_for_it_fails_as_a_deadlock),
      WEFT_ACTOR_TEST(two_handlers_that_wait_for_each_other_fail_as_a_deadlock),
      WEFT_ACTOR_TEST(
          a_handler_that_waits_for_its_own_actor_fails_as_a_deadlock),
      WEFT_ACTOR_TEST(
          a_call_whose_argument_is_its_own_reply_fails_as_a_deadlock),
      WEFT_ACTOR_TEST(a_call_that_was_held_is_part_of_circles_as_any_other),
      WEFT_ACTOR_TEST(a_reply_that_was_taken_is_not_its_actors_any_more),
      WEFT_ACTOR_TEST(forwarding_an_argument_to_a_call_behind_it_is_a_deadlock),
      WEFT_ACTOR_TEST(
          a_function_that_waits_for_the_call_that_waits_for_it_is_told),
      WEFT_ACTOR_TEST(init_waits_for_its_argument_and_everybody_waits_for_init),
      WEFT_ACTOR_TEST(an_init_whose_argument_fails_ends_the_actor),
      WEFT_ACTOR_TEST(an_actor_whose_init_waits_can_be_stopped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
