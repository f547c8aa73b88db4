// SPDX-License-Identifier: Apache-2.0
//
// Contract 5: every wait has a deadline and can be cancelled, and a timeout
// loses nothing. Deadlines and cancellation travel with the call. A call is
// delivered at most once. Dropping a future cancels nothing.

#include <string.h>

#include "conform/stage.h"

enum { CHAIN = 4 };
#define MS INT64_C(1000000)
#define FAR_AWAY (3600000 * MS)

typedef struct relay {
  stage_t stage;
  weft_actor_t actors[CHAIN];
  // What the last of the chain waits for.
  weft_promise_t* never_promise;
  weft_future_t* never;
  latch_t entered;
  latch_t left;
  // Seen by the handlers, each by its own.
  int64_t deadlines_ns[CHAIN];
  weft_status_code_t codes[CHAIN];
  bool was_cancelled[CHAIN];
  _Atomic uint32_t runs;
} relay_t;

static weft_status_t pass_on(weft_context_t* context, void* state,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  relay_t* relay = state;
  int64_t place = arguments[0].as.int64;
  relay->deadlines_ns[place] = weft_context_deadline_ns(context);
  latch_count(&relay->entered);
  weft_status_t status = WEFT_OK;
  if (place == CHAIN - 1) {
    status = weft_future_get(relay->never, WEFT_TIME_INFINITE, out_result);
  } else {
    status = stage_ask(&relay->stage, relay->actors[place + 1], 0,
                       WEFT_ARGUMENTS(weft_int64(place + 1)), out_result);
  }
  relay->codes[place] = weft_status_code(status);
  relay->was_cancelled[place] =
      weft_context_is_cancelled(context) && weft_work_is_cancelled();
  latch_count(&relay->left);
  return status;
}

static weft_status_t count(weft_context_t* context, void* state,
                           const weft_value_t* arguments,
                           weft_value_t* out_result) {
  (void)context;
  (void)arguments;
  relay_t* relay = state;
  // Relaxed: whoever reads it has seen the reply, or the runtime stop.
  *out_result = weft_int64(
      1 + atomic_fetch_add_explicit(&relay->runs, 1, memory_order_relaxed));
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {{"place", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[] = {
    {"pass_on", pass_on, parameters, 1},
    {"count", count, NULL, 0},
};
static const weft_class_t relay_class = {
    "relay", 1, stage_init, NULL, endpoints, 2,
};

static void open_relay(relay_t* relay) {
  memset(relay, 0, sizeof(*relay));
  latch_init(&relay->entered);
  latch_init(&relay->left);
  stage_open(&relay->stage, &relay_class);
  // Room for the message that is handled and one behind it.
  const weft_spawn_options_t options = {.mailbox_bound = 2};
  for (uint32_t i = 0; i < CHAIN; ++i) {
    relay->actors[i] =
        stage_spawn(&relay->stage, &relay_class, relay, &options);
  }
  weft_kit_assert_ok(weft_promise_create(relay->stage.runtime,
                                         &relay->never_promise, &relay->never));
}

static void close_relay(relay_t* relay) {
  weft_promise_release(relay->never_promise);
  weft_future_release(relay->never);
  stage_close(&relay->stage);
  latch_deinit(&relay->entered);
  latch_deinit(&relay->left);
}

static weft_future_t* start_chain(relay_t* relay, int64_t timeout_ns) {
  weft_future_t* reply = NULL;
  const weft_call_options_t options = {.timeout_ns = timeout_ns};
  weft_kit_assert_ok(weft_call(relay->stage.runtime, relay->actors[0], 0,
                               WEFT_ARGUMENTS(weft_int64(0)), &options,
                               &reply));
  return reply;
}

// --- Waiting ----------------------------------------------------------------

static void a_wait_that_was_too_short_can_be_made_again(void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_value_t value = weft_none();
  weft_runtime_t* runtime = relay.stage.runtime;
  for (int i = 0; i < 3; ++i) {
    weft_kit_assert_status(
        WEFT_STATUS_DEADLINE_EXCEEDED,
        weft_future_get(relay.never, weft_deadline_after(runtime, MS), &value));
    weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                           weft_future_wait(relay.never, WEFT_TIME_NOW));
  }
  assert_false(weft_future_is_done(relay.never));
  weft_kit_assert_ok(weft_promise_set(relay.never_promise, weft_int64(5)));
  weft_kit_assert_ok(weft_future_get(relay.never, WEFT_TIME_NOW, &value));
  assert_int_equal(value.as.int64, 5);
  close_relay(&relay);
}

static void a_call_whose_wait_was_too_short_is_delivered_once(void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_future_t* chain = start_chain(&relay, 0);
  latch_await(&relay.entered, CHAIN);
  // Behind a handler that waits: not answered yet, and not lost.
  weft_future_t* reply = NULL;
  weft_value_t value = weft_none();
  weft_kit_assert_ok(
      weft_call(relay.stage.runtime, relay.actors[0], 1, NULL, NULL, &reply));
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_future_get(reply, weft_deadline_after(relay.stage.runtime, MS),
                      &value));
  weft_kit_assert_ok(weft_promise_set(relay.never_promise, weft_int64(5)));
  weft_kit_assert_ok(weft_future_get(reply, WEFT_TIME_INFINITE, &value));
  assert_int_equal(value.as.int64, 1);
  weft_kit_assert_ok(weft_future_get(chain, WEFT_TIME_INFINITE, &value));
  assert_int_equal(value.as.int64, 5);
  weft_future_release(chain);
  weft_future_release(reply);
  close_relay(&relay);
}

static void a_call_that_found_no_room_in_time_is_never_handled(void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_runtime_t* runtime = relay.stage.runtime;
  weft_future_t* chain = start_chain(&relay, 0);
  latch_await(&relay.entered, CHAIN);
  const weft_call_options_t options = {.timeout_ns = MS};
  weft_status_code_t code = WEFT_STATUS_OK;
  uint32_t accepted = 0;
  while (code == WEFT_STATUS_OK) {
    code = weft_status_ignore(
        weft_send(runtime, relay.actors[0], 1, NULL, &options));
    accepted += code == WEFT_STATUS_OK ? 1 : 0;
  }
  assert_int_equal(code, WEFT_STATUS_DEADLINE_EXCEEDED);
  weft_kit_assert_ok(weft_promise_set(relay.never_promise, weft_int64(5)));
  assert_int_equal(stage_code_of(chain), WEFT_STATUS_OK);
  weft_kit_assert_ok(weft_actor_stop(runtime, relay.actors[0],
                                     WEFT_STOP_AFTER_QUEUE, WEFT_OK));
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  assert_true(relay.runs <= accepted);
  weft_future_release(chain);
  close_relay(&relay);
}

// --- Deadlines that travel --------------------------------------------------

static void a_nested_call_has_what_is_left_of_its_callers_deadline(
    void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_future_t* reply = start_chain(&relay, FAR_AWAY);
  latch_await(&relay.entered, CHAIN);
  weft_kit_assert_ok(weft_promise_set(relay.never_promise, weft_int64(5)));
  assert_int_equal(stage_code_of(reply), WEFT_STATUS_OK);
  int64_t now_ns = weft_runtime_now_ns(relay.stage.runtime);
  assert_true(relay.deadlines_ns[0] <= now_ns + FAR_AWAY);
  for (uint32_t i = 1; i < CHAIN; ++i) {
    assert_int_equal(relay.deadlines_ns[i], relay.deadlines_ns[0]);
  }
  weft_future_release(reply);
  close_relay(&relay);
}

static void a_deadline_ends_all_waits_of_the_calls_under_it(void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_future_t* reply = start_chain(&relay, 20 * MS);
  assert_int_equal(stage_code_of(reply), WEFT_STATUS_DEADLINE_EXCEEDED);
  weft_future_release(reply);
  // Nobody completes what the last one waits for.
  weft_kit_assert_ok(
      weft_runtime_stop(relay.stage.runtime, WEFT_TIME_INFINITE));
  assert_int_equal(relay.entered.count, relay.left.count);
  for (uint32_t i = 0; i < relay.entered.count; ++i) {
    assert_int_equal(relay.codes[i], WEFT_STATUS_DEADLINE_EXCEEDED);
  }
  close_relay(&relay);
}

// --- Cancelling -------------------------------------------------------------

static void cancelling_reaches_the_calls_that_a_callee_makes(void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_future_t* reply = start_chain(&relay, 0);
  latch_await(&relay.entered, CHAIN);
  assert_true(weft_future_cancel(reply));
  assert_int_equal(weft_future_state(reply), WEFT_FUTURE_CANCELLED);
  latch_await(&relay.left, CHAIN);
  for (uint32_t i = 0; i < CHAIN; ++i) {
    assert_int_equal(relay.codes[i], WEFT_STATUS_CANCELLED);
    assert_true(relay.was_cancelled[i]);
  }
  weft_future_release(reply);
  close_relay(&relay);
}

static void cancel_beside_the_result(void) {
  relay_t relay;
  open_relay(&relay);
  weft_future_t* reply = start_chain(&relay, 0);
  weft_future_t* next = NULL;
  latch_await(&relay.entered, CHAIN);
  // Both at once: whichever comes first, the caller sees the cancel alone.
  assert_true(weft_future_cancel(reply));
  weft_status_ignore(weft_promise_set(relay.never_promise, weft_int64(5)));
  latch_await(&relay.left, CHAIN);
  assert_int_equal(stage_code_of(reply), WEFT_STATUS_CANCELLED);
  // The actors live on.
  weft_kit_assert_ok(
      weft_call(relay.stage.runtime, relay.actors[0], 1, NULL, NULL, &next));
  assert_int_equal(stage_code_of(next), WEFT_STATUS_OK);
  weft_future_release(next);
  weft_future_release(reply);
  close_relay(&relay);
}

static void a_result_that_comes_after_the_cancel_is_dropped(void** state) {
  (void)state;
  for (uint64_t i = 0; i < weft_kit_amount(100); ++i) {
    cancel_beside_the_result();
  }
}

static void a_call_that_is_cancelled_before_its_turn_never_runs(void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_future_t* chain = start_chain(&relay, 0);
  weft_future_t* reply = NULL;
  latch_await(&relay.entered, CHAIN);
  weft_kit_assert_ok(
      weft_call(relay.stage.runtime, relay.actors[0], 1, NULL, NULL, &reply));
  assert_true(weft_future_cancel(reply));
  weft_kit_assert_ok(weft_promise_set(relay.never_promise, weft_int64(5)));
  assert_int_equal(stage_code_of(chain), WEFT_STATUS_OK);
  weft_kit_assert_ok(
      weft_runtime_stop(relay.stage.runtime, WEFT_TIME_INFINITE));
  assert_int_equal(relay.runs, 0);
  weft_future_release(chain);
  weft_future_release(reply);
  close_relay(&relay);
}

static void dropping_a_future_cancels_nothing(void** state) {
  (void)state;
  relay_t relay;
  open_relay(&relay);
  weft_future_release(start_chain(&relay, 0));
  latch_await(&relay.entered, CHAIN);
  weft_kit_assert_ok(weft_promise_set(relay.never_promise, weft_int64(5)));
  latch_await(&relay.left, CHAIN);
  for (uint32_t i = 0; i < CHAIN; ++i) {
    assert_int_equal(relay.codes[i], WEFT_STATUS_OK);
    assert_false(relay.was_cancelled[i]);
  }
  close_relay(&relay);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wait_that_was_too_short_can_be_made_again),
      cmocka_unit_test(a_call_whose_wait_was_too_short_is_delivered_once),
      cmocka_unit_test(a_call_that_found_no_room_in_time_is_never_handled),
      cmocka_unit_test(a_nested_call_has_what_is_left_of_its_callers_deadline),
      cmocka_unit_test(a_deadline_ends_all_waits_of_the_calls_under_it),
      cmocka_unit_test(cancelling_reaches_the_calls_that_a_callee_makes),
      cmocka_unit_test(a_result_that_comes_after_the_cancel_is_dropped),
      cmocka_unit_test(a_call_that_is_cancelled_before_its_turn_never_runs),
      cmocka_unit_test(dropping_a_future_cancels_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
