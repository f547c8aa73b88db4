// SPDX-License-Identifier: Apache-2.0
//
// Calling and sending: arguments, deadlines, cancellation, replies that come
// later, what handlers know of the message.

#include <string.h>

#include "actor/actor_kit.h"
#include "weft/tensor.h"

static weft_probe_t probe;
static weft_probe_t other;

static weft_actor_kit_t* kit_of(void** state) {
  memset(&probe, 0, sizeof(probe));
  memset(&other, 0, sizeof(other));
  return *state;
}

// --- Arguments --------------------------------------------------------------

static void arguments_by_name_are_put_in_order(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  const weft_named_value_t named[] = {{"b", weft_int64(2)},
                                      {"a", weft_int64(7)}};
  const weft_arguments_t arguments = {.named = named, .named_count = 2};
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_PAIR, &arguments,
                               NULL, &reply));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&probe, 72);
}

static void arguments_that_do_not_fit_are_refused_by_name(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* reply = (weft_future_t*)(void*)&probe;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "probe.note",
      weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                WEFT_ARGUMENTS(weft_float64(1)), NULL, &reply));
  assert_null(reply);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "'b'",
                              weft_send(kit->runtime, actor, WEFT_PROBE_PAIR,
                                        WEFT_ARGUMENTS(weft_int64(1)), NULL));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_send(kit->runtime, actor, WEFT_PROBE_NOTE, NULL, NULL));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "probe",
      weft_send(kit->runtime, actor, WEFT_PROBE_ENDPOINTS, NULL, NULL));
  const weft_call_options_t options = {.timeout_ns = -1};
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_send(kit->runtime, actor, WEFT_PROBE_DEFER, NULL, &options));
  weft_actor_kit_run(kit);
  assert_int_equal(0, weft_probe_notes(&probe));
}

static void counted_arguments_are_kept_and_given_back(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_value_t text;
  weft_kit_assert_ok(
      weft_string_from_c(&kit->memory.allocator, "hello", &text));
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_ECHO,
                               WEFT_ARGUMENTS(text), NULL, &reply));
  weft_value_release(text);
  weft_value_t answer;
  const char* data;
  weft_kit_assert_ok(weft_future_get(reply, WEFT_TIME_INFINITE, &answer));
  weft_kit_assert_ok(weft_value_as_string(answer, &data, NULL));
  assert_string_equal("hello", data);
  weft_value_release(answer);
  weft_future_release(reply);
}

static void tensors_that_are_passed_are_counted(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  const int64_t shape[] = {16};
  weft_tensor_t* tensor;
  weft_kit_assert_ok(weft_tensor_create(&kit->memory.allocator, NULL,
                                        WEFT_FLOAT32, 1, shape, &tensor));
  weft_value_t value = weft_tensor_value(tensor);
  weft_tensor_release(tensor);
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_ECHO,
                               WEFT_ARGUMENTS(value), NULL, &reply));
  weft_value_release(value);
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  weft_counters_t counters;
  weft_runtime_counters(kit->runtime, &counters);
  // There and back.
  assert_int_equal(2 * 16 * 4, counters.bytes_passed);
  assert_int_equal(0, counters.bytes_copied);
  assert_int_equal(1, counters.messages_sent);
  assert_int_equal(1, counters.messages_handled);
}

// --- Deadlines --------------------------------------------------------------

static void a_call_that_is_not_answered_in_time_fails(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  const weft_call_options_t options = {.timeout_ns = 3 * WEFT_MS};
  weft_future_t* reply;
  weft_kit_assert_ok(
      weft_call(kit->runtime, actor, WEFT_PROBE_DEFER, NULL, &options, &reply));
  weft_expect_outcome_says(reply, WEFT_STATUS_DEADLINE_EXCEEDED,
                           "probe.defer of actor #0 within 3.000 ms");
  // The late answer is dropped.
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_set(probe.promise, weft_int64(1)));
  weft_promise_release(probe.promise);
}

static void an_answer_in_time_stops_the_clock(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  const weft_call_options_t options = {.timeout_ns = 3 * WEFT_MS};
  int64_t start_ns = weft_runtime_now_ns(kit->runtime);
  weft_future_t* reply;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(weft_int64(1)), &options,
                               &reply));
  weft_expect_int64(reply, 1);
  weft_actor_kit_run(kit);
  // No timer is left that would have moved it.
  assert_true(weft_runtime_now_ns(kit->runtime) < start_ns + 3 * WEFT_MS);
}

static weft_status_t note_deadline(weft_context_t* context, weft_probe_t* self,
                                   void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  *(int64_t*)user = weft_context_deadline_ns(context);
  return weft_work_deadline_ns() == weft_context_deadline_ns(context)
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_FAILED, "two deadlines differ");
}

static void a_handler_knows_its_deadline(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  int64_t seen_ns = 0;
  weft_probe_act_t act = {note_deadline, &seen_ns};
  weft_expect_outcome(weft_probe_do(kit, actor, &act), WEFT_STATUS_OK);
  assert_true(seen_ns == WEFT_TIME_INFINITE);
  const weft_call_options_t options = {.timeout_ns = 7 * WEFT_MS};
  int64_t due_ns = weft_runtime_now_ns(kit->runtime) + 7 * WEFT_MS;
  weft_future_t* reply;
  weft_kit_assert_ok(weft_probe_do_with(kit, actor, &act, &options, &reply));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  assert_int_equal(due_ns, seen_ns);
}

// Calls another actor and waits for the answer.
typedef struct nested {
  const weft_actor_kit_t* kit;
  weft_actor_t target;
  weft_probe_act_t* act;
  const weft_call_options_t* options;
  // The inner call's future, for the test to look at.
  weft_future_t* future;
} nested_t;

static weft_status_t call_nested(weft_context_t* context, weft_probe_t* self,
                                 void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  nested_t* nested = user;
  WEFT_RETURN_IF_ERROR(weft_probe_do_with(nested->kit, nested->target,
                                          nested->act, nested->options,
                                          &nested->future));
  return weft_future_get(nested->future, WEFT_TIME_INFINITE, out_result);
}

static void a_call_in_a_handler_inherits_what_is_left(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t outer = weft_probe_spawn(kit, &probe);
  weft_actor_t inner = weft_probe_spawn(kit, &other);
  const int64_t timeouts_ns[] = {0, 2 * WEFT_MS, 90 * WEFT_MS,
                                 WEFT_TIME_INFINITE};
  const int64_t expected_ns[] = {9 * WEFT_MS, 2 * WEFT_MS, 9 * WEFT_MS,
                                 9 * WEFT_MS};
  for (int i = 0; i < 4; i++) {
    int64_t seen_ns = 0;
    weft_probe_act_t look = {note_deadline, &seen_ns};
    const weft_call_options_t inner_options = {.timeout_ns = timeouts_ns[i]};
    nested_t nested = {kit, inner, &look, &inner_options, NULL};
    weft_probe_act_t act = {call_nested, &nested};
    const weft_call_options_t options = {.timeout_ns = 9 * WEFT_MS};
    int64_t start_ns = weft_runtime_now_ns(kit->runtime);
    weft_future_t* reply;
    weft_kit_assert_ok(weft_probe_do_with(kit, outer, &act, &options, &reply));
    weft_expect_outcome(reply, WEFT_STATUS_OK);
    weft_future_release(nested.future);
    assert_int_equal(start_ns + expected_ns[i], seen_ns);
  }
}

static void calls_without_a_deadline_have_the_runtimes(void** state) {
  (void)state;
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {.simulate = true,
                                          .default_timeout_ns = 4 * WEFT_MS};
  weft_actor_kit_init(&kit, &options);
  memset(&probe, 0, sizeof(probe));
  weft_actor_t actor = weft_probe_spawn(&kit, &probe);
  int64_t seen_ns = 0;
  weft_probe_act_t act = {note_deadline, &seen_ns};
  int64_t start_ns = weft_runtime_now_ns(kit.runtime);
  weft_expect_outcome(weft_probe_do(&kit, actor, &act), WEFT_STATUS_OK);
  assert_int_equal(start_ns + 4 * WEFT_MS, seen_ns);
  const weft_call_options_t never = {.timeout_ns = WEFT_TIME_INFINITE};
  weft_future_t* reply;
  weft_kit_assert_ok(weft_probe_do_with(&kit, actor, &act, &never, &reply));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  assert_true(seen_ns == WEFT_TIME_INFINITE);
  weft_actor_kit_deinit(&kit);
}

static weft_status_t wait_for_ever(weft_context_t* context, weft_probe_t* self,
                                   void* user, weft_value_t* out_result) {
  (void)context;
  weft_probe_note(self, 1);
  return weft_future_get(user, WEFT_TIME_INFINITE, out_result);
}

static void a_message_that_comes_to_its_turn_too_late_is_passed_over(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t gate = weft_probe_pair(kit);
  weft_probe_act_t act = {wait_for_ever, gate.future};
  weft_future_t* busy = weft_probe_do(kit, actor, &act);
  weft_actor_kit_run(kit);
  const weft_call_options_t options = {.timeout_ns = WEFT_MS};
  weft_future_t* late;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(weft_int64(2)), &options, &late));
  weft_kit_assert_ok(weft_send(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(weft_int64(3)), &options));
  weft_expect_outcome(late, WEFT_STATUS_DEADLINE_EXCEEDED);
  weft_probe_pair_keep(&gate, weft_none());
  weft_expect_outcome(busy, WEFT_STATUS_OK);
  weft_future_release(gate.future);
  weft_expect_outcome(weft_probe_call_note(kit, actor, 4), WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&probe, 1, 4);
  // The send has nobody else to tell.
  assert_int_equal(1, kit->warning_count);
  weft_counters_t counters;
  weft_runtime_counters(kit->runtime, &counters);
  assert_int_equal(2, counters.messages_failed);
}

static void a_wait_in_a_handler_ends_with_the_calls_deadline(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t gate = weft_probe_pair(kit);
  weft_probe_act_t act = {wait_for_ever, gate.future};
  const weft_call_options_t options = {.timeout_ns = WEFT_MS};
  weft_future_t* reply;
  weft_kit_assert_ok(weft_probe_do_with(kit, actor, &act, &options, &reply));
  weft_expect_outcome(reply, WEFT_STATUS_DEADLINE_EXCEEDED);
  // The actor is free again, though nobody kept the promise.
  weft_expect_outcome(weft_probe_call_note(kit, actor, 2), WEFT_STATUS_OK);
  weft_promise_release(gate.promise);
  weft_future_release(gate.future);
}

// --- Cancelling -------------------------------------------------------------

static void a_call_cancelled_before_its_turn_is_never_handled(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* reply = weft_probe_call_note(kit, actor, 1);
  assert_true(weft_future_cancel(reply));
  weft_expect_outcome(reply, WEFT_STATUS_CANCELLED);
  weft_expect_outcome(weft_probe_call_note(kit, actor, 2), WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&probe, 2);
}

static weft_status_t note_cancelled(weft_context_t* context, weft_probe_t* self,
                                    void* user, weft_value_t* out_result) {
  weft_probe_note(self, weft_context_is_cancelled(context));
  weft_status_t status = weft_future_get(user, WEFT_TIME_INFINITE, out_result);
  weft_probe_note(self, (int64_t)weft_status_ignore(status));
  weft_probe_note(self, weft_context_is_cancelled(context));
  weft_probe_note(self, weft_work_is_cancelled());
  return WEFT_OK;
}

static void cancelling_reaches_the_handler_that_runs(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t gate = weft_probe_pair(kit);
  weft_probe_act_t act = {note_cancelled, gate.future};
  weft_future_t* reply = weft_probe_do(kit, actor, &act);
  weft_actor_kit_run(kit);
  assert_true(weft_future_cancel(reply));
  weft_expect_outcome(reply, WEFT_STATUS_CANCELLED);
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, 0, WEFT_STATUS_CANCELLED, 1, 1);
  weft_promise_release(gate.promise);
  weft_future_release(gate.future);
}

static void cancelling_reaches_what_the_handler_calls(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t outer = weft_probe_spawn(kit, &probe);
  weft_actor_t inner = weft_probe_spawn(kit, &other);
  weft_probe_pair_t gate = weft_probe_pair(kit);
  weft_probe_act_t look = {note_cancelled, gate.future};
  nested_t nested = {kit, inner, &look, NULL, NULL};
  weft_probe_act_t act = {call_nested, &nested};
  weft_future_t* reply = weft_probe_do(kit, outer, &act);
  weft_actor_kit_run(kit);
  assert_int_equal(1, weft_probe_notes(&other));
  assert_true(weft_future_cancel(reply));
  weft_expect_outcome(reply, WEFT_STATUS_CANCELLED);
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&other, 0, WEFT_STATUS_CANCELLED, 1, 1);
  assert_int_equal(WEFT_FUTURE_CANCELLED, weft_future_state(nested.future));
  weft_future_release(nested.future);
  weft_promise_release(gate.promise);
  weft_future_release(gate.future);
}

static weft_status_t call_and_leave(weft_context_t* context, weft_probe_t* self,
                                    void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  (void)out_result;
  nested_t* nested = user;
  return weft_probe_do_with(nested->kit, nested->target, nested->act,
                            nested->options, &nested->future);
}

static void a_call_that_is_answered_lets_go_of_those_it_made(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t outer = weft_probe_spawn(kit, &probe);
  weft_actor_t inner = weft_probe_spawn(kit, &other);
  weft_probe_pair_t gate = weft_probe_pair(kit);
  weft_probe_act_t look = {note_cancelled, gate.future};
  nested_t nested = {kit, inner, &look, NULL, NULL};
  weft_probe_act_t act = {call_and_leave, &nested};
  weft_future_t* reply = weft_probe_do(kit, outer, &act);
  weft_actor_kit_run(kit);
  // Too late: it has its answer, and the inner call goes on.
  assert_false(weft_future_cancel(reply));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  assert_false(weft_future_is_done(nested.future));
  weft_probe_pair_keep(&gate, weft_none());
  weft_expect_outcome(nested.future, WEFT_STATUS_OK);
  weft_future_release(gate.future);
}

typedef struct late {
  weft_future_t* gate;
  nested_t nested;
} late_t;

static weft_status_t wait_then_call(weft_context_t* context, weft_probe_t* self,
                                    void* user, weft_value_t* out_result) {
  (void)context;
  late_t* late = user;
  weft_status_t status =
      weft_future_get(late->gate, WEFT_TIME_INFINITE, out_result);
  weft_probe_note(self, (int64_t)weft_status_ignore(status));
  return weft_probe_do_with(late->nested.kit, late->nested.target,
                            late->nested.act, NULL, &late->nested.future);
}

static void a_call_made_when_cancelled_already_is_cancelled_too(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t outer = weft_probe_spawn(kit, &probe);
  weft_actor_t inner = weft_probe_spawn(kit, &other);
  weft_probe_pair_t gate = weft_probe_pair(kit);
  weft_probe_act_t look = {note_cancelled, gate.future};
  late_t late = {gate.future, {kit, inner, &look, NULL, NULL}};
  weft_probe_act_t act = {wait_then_call, &late};
  weft_future_t* reply = weft_probe_do(kit, outer, &act);
  weft_actor_kit_run(kit);
  assert_true(weft_future_cancel(reply));
  weft_expect_outcome(reply, WEFT_STATUS_CANCELLED);
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, WEFT_STATUS_CANCELLED);
  weft_expect_outcome(late.nested.future, WEFT_STATUS_CANCELLED);
  assert_int_equal(0, weft_probe_notes(&other));
  weft_promise_release(gate.promise);
  weft_future_release(gate.future);
}

// --- Replies that come later ------------------------------------------------

static void a_reply_may_come_after_the_handler(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* reply;
  weft_kit_assert_ok(
      weft_call(kit->runtime, actor, WEFT_PROBE_DEFER, NULL, NULL, &reply));
  // The next message does not wait for it.
  weft_expect_outcome(weft_probe_call_note(kit, actor, 1), WEFT_STATUS_OK);
  assert_false(weft_future_is_done(reply));
  weft_kit_assert_ok(weft_promise_set(probe.promise, weft_int64(5)));
  weft_promise_release(probe.promise);
  weft_expect_int64(reply, 5);
}

static void a_reply_that_is_dropped_fails_the_call(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_future_t* reply;
  weft_kit_assert_ok(
      weft_call(kit->runtime, actor, WEFT_PROBE_DEFER, NULL, NULL, &reply));
  weft_actor_kit_run(kit);
  weft_promise_release(probe.promise);
  weft_expect_outcome(reply, WEFT_STATUS_ABANDONED);
}

static void a_reply_that_was_taken_outlives_its_actor_and_runtime(
    void** state) {
  (void)state;
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {.worker_count = 2};
  weft_actor_kit_init(&kit, &options);
  memset(&probe, 0, sizeof(probe));
  weft_actor_t actor = weft_probe_spawn(&kit, &probe);
  weft_future_t* replies[2];
  const weft_call_options_t timed = {.timeout_ns = WEFT_PATIENCE};
  weft_kit_assert_ok(
      weft_call(kit.runtime, actor, WEFT_PROBE_DEFER, NULL, NULL, &replies[0]));
  weft_expect_outcome(weft_probe_call_note(&kit, actor, 1), WEFT_STATUS_OK);
  weft_promise_t* first = probe.promise;
  weft_kit_assert_ok(weft_call(kit.runtime, actor, WEFT_PROBE_DEFER, NULL,
                               &timed, &replies[1]));
  weft_expect_outcome(weft_probe_call_note(&kit, actor, 2), WEFT_STATUS_OK);
  weft_runtime_destroy(kit.runtime);
  weft_kit_assert_ok(weft_promise_set(first, weft_int64(1)));
  weft_kit_assert_ok(weft_promise_set(probe.promise, weft_int64(2)));
  weft_promise_release(first);
  weft_promise_release(probe.promise);
  weft_expect_int64(replies[0], 1);
  weft_expect_int64(replies[1], 2);
  weft_kit_allocator_deinit(&kit.memory);
}

static weft_status_t take_twice(weft_context_t* context, weft_probe_t* self,
                                void* user, weft_value_t* out_result) {
  (void)user;
  (void)out_result;
  weft_promise_t* promise;
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &self->promise));
  weft_status_t status = weft_context_take_reply(context, &promise);
  weft_probe_note(self, (int64_t)weft_status_ignore(status));
  weft_probe_note(self, promise == NULL);
  return WEFT_OK;
}

static void a_reply_can_be_taken_once(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_act_t act = {take_twice, NULL};
  weft_future_t* reply = weft_probe_do(kit, actor, &act);
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, WEFT_STATUS_FAILED_PRECONDITION, 1);
  weft_promise_release(probe.promise);
  weft_expect_outcome(reply, WEFT_STATUS_ABANDONED);
}

static void a_send_gives_a_promise_that_nobody_waits_for(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_kit_assert_ok(
      weft_send(kit->runtime, actor, WEFT_PROBE_DEFER, NULL, NULL));
  weft_actor_kit_run(kit);
  assert_non_null(probe.promise);
  weft_kit_assert_ok(weft_promise_set(probe.promise, weft_int64(1)));
  weft_promise_release(probe.promise);
  assert_int_equal(0, kit->warning_count);
}

static weft_status_t take_and_fail(weft_context_t* context, weft_probe_t* self,
                                   void* user, weft_value_t* out_result) {
  (void)user;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &self->promise));
  return weft_status_make(WEFT_STATUS_FAILED, "after it was taken");
}

static void an_error_after_the_reply_was_taken_is_a_warning(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_act_t act = {take_and_fail, NULL};
  weft_future_t* reply = weft_probe_do(kit, actor, &act);
  weft_actor_kit_run(kit);
  assert_int_equal(1, kit->warning_count);
  assert_false(weft_future_is_done(reply));
  weft_kit_assert_ok(weft_promise_set(probe.promise, weft_none()));
  weft_promise_release(probe.promise);
  weft_expect_outcome(reply, WEFT_STATUS_OK);
}

static void a_forwarded_reply_lets_go_of_its_source_at_the_deadline(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_pair_t source = weft_probe_pair(kit);
  const weft_call_options_t options = {.timeout_ns = WEFT_MS};
  weft_future_t* reply;
  weft_kit_assert_ok(
      weft_call(kit->runtime, actor, WEFT_PROBE_DEFER, NULL, &options, &reply));
  while (probe.promise == NULL) {
    weft_runtime_run(kit->runtime, 1);
  }
  weft_kit_assert_ok(weft_promise_forward(probe.promise, source.future));
  weft_promise_release(probe.promise);
  weft_expect_outcome(reply, WEFT_STATUS_DEADLINE_EXCEEDED);
  weft_probe_pair_set(&source, weft_none());
}

// --- What a handler knows ---------------------------------------------------

typedef struct sight {
  weft_actor_t self;
  weft_actor_t sender;
  weft_runtime_t* runtime;
  weft_status_t status;
} sight_t;

static weft_status_t look_around(weft_context_t* context, weft_probe_t* self,
                                 void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  sight_t* sight = user;
  sight->self = weft_context_self(context);
  sight->sender = weft_context_sender(context);
  sight->runtime = weft_context_runtime(context);
  sight->status = weft_status_make(WEFT_STATUS_FAILED, "here");
  return WEFT_OK;
}

static void a_handler_knows_itself_and_its_sender(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t outer = weft_probe_spawn(kit, &probe);
  weft_actor_t inner = weft_probe_spawn(kit, &other);
  sight_t sight = {.status = WEFT_OK};
  weft_probe_act_t look = {look_around, &sight};
  weft_expect_outcome(weft_probe_do(kit, inner, &look), WEFT_STATUS_OK);
  assert_true(weft_actor_equal(inner, sight.self));
  assert_true(weft_actor_is_none(sight.sender));
  assert_ptr_equal(kit->runtime, sight.runtime);
  // A status made there knows the place.
  weft_status_origin_t origin = weft_status_origin(sight.status);
  assert_int_equal(0, origin.rank);
  assert_string_equal("probe#1", origin.actor);
  assert_string_equal("do", origin.endpoint);
  weft_status_release(sight.status);
  nested_t nested = {kit, inner, &look, NULL, NULL};
  weft_probe_act_t act = {call_nested, &nested};
  weft_expect_outcome(weft_probe_do(kit, outer, &act), WEFT_STATUS_OK);
  weft_future_release(nested.future);
  weft_status_release(sight.status);
  assert_true(weft_actor_equal(outer, sight.sender));
}

static void a_status_made_outside_of_handlers_has_no_actor(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_end(kit, actor);
  weft_status_t status = weft_probe_send_note(kit->runtime, actor, 1);
  assert_null(weft_status_origin(status).actor);
  weft_status_release(status);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_TEST(arguments_by_name_are_put_in_order),
      WEFT_ACTOR_TEST(arguments_that_do_not_fit_are_refused_by_name),
      WEFT_ACTOR_TEST(counted_arguments_are_kept_and_given_back),
      WEFT_ACTOR_TEST(tensors_that_are_passed_are_counted),
      WEFT_ACTOR_TEST(a_call_that_is_not_answered_in_time_fails),
      WEFT_ACTOR_TEST(an_answer_in_time_stops_the_clock),
      WEFT_ACTOR_TEST(a_handler_knows_its_deadline),
      WEFT_ACTOR_TEST(a_call_in_a_handler_inherits_what_is_left),
      cmocka_unit_test(calls_without_a_deadline_have_the_runtimes),
      WEFT_ACTOR_TEST(a_message_that_comes_to_its_turn_too_late_is_passed_over),
      WEFT_ACTOR_TEST(a_wait_in_a_handler_ends_with_the_calls_deadline),
      WEFT_ACTOR_TEST(a_call_cancelled_before_its_turn_is_never_handled),
      WEFT_ACTOR_TEST(cancelling_reaches_the_handler_that_runs),
      WEFT_ACTOR_TEST(cancelling_reaches_what_the_handler_calls),
      WEFT_ACTOR_TEST(a_call_that_is_answered_lets_go_of_those_it_made),
      WEFT_ACTOR_TEST(a_call_made_when_cancelled_already_is_cancelled_too),
      WEFT_ACTOR_TEST(a_reply_may_come_after_the_handler),
      WEFT_ACTOR_TEST(a_reply_that_is_dropped_fails_the_call),
      cmocka_unit_test(a_reply_that_was_taken_outlives_its_actor_and_runtime),
      WEFT_ACTOR_TEST(a_reply_can_be_taken_once),
      WEFT_ACTOR_TEST(a_send_gives_a_promise_that_nobody_waits_for),
      WEFT_ACTOR_TEST(an_error_after_the_reply_was_taken_is_a_warning),
      WEFT_ACTOR_TEST(a_forwarded_reply_lets_go_of_its_source_at_the_deadline),
      WEFT_ACTOR_TEST(a_handler_knows_itself_and_its_sender),
      WEFT_ACTOR_TEST(a_status_made_outside_of_handlers_has_no_actor),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
