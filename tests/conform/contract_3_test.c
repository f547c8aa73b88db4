// SPDX-License-Identifier: Apache-2.0
//
// Contract 3: errors keep their identity. Code, message, where (rank, actor,
// endpoint, file and line) and the causes cross every boundary unchanged, and
// all who wait on one failure see that failure.

#include <string.h>

#include "conform/stage.h"

enum { HOPS = 5, WAITERS = 8 };

// Actors in a row: each but the last asks the next.
typedef struct row {
  stage_t stage;
  weft_actor_t actors[HOPS];
  // What they all wait on.
  weft_future_t* shared;
  // What each waiter saw.
  weft_status_t seen[WAITERS];
} row_t;

static int fault_line;

static weft_status_t make_fault(void) {
  weft_status_t root =
      weft_status_make(WEFT_STATUS_DATA_LOSS, "disk %d is gone", 7);
  fault_line = __LINE__ + 1;
  return weft_status_make_caused(WEFT_STATUS_FAILED, root, "no table '%s'",
                                 "t");
}

static weft_status_t pass_on(weft_context_t* context, void* state,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  (void)context;
  row_t* row = state;
  int64_t place = arguments[0].as.int64;
  if (place == HOPS - 1) {
    return make_fault();
  }
  return stage_ask(&row->stage, row->actors[place + 1], 0,
                   WEFT_ARGUMENTS(weft_int64(place + 1)), out_result);
}

static weft_status_t die(weft_context_t* context, void* state,
                         const weft_value_t* arguments,
                         weft_value_t* out_result) {
  (void)state;
  (void)arguments;
  (void)out_result;
  weft_context_stop(context, make_fault());
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {{"place", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[] = {
    {"pass_on", pass_on, parameters, 1},
    {"die", die, NULL, 0},
};
static const weft_class_t row_class = {
    "row", 1, stage_init, NULL, endpoints, 2,
};

static void open_row(row_t* row) {
  memset(row, 0, sizeof(*row));
  stage_open(&row->stage, &row_class);
  for (uint32_t i = 0; i < HOPS; ++i) {
    row->actors[i] = stage_spawn(&row->stage, &row_class, row, NULL);
  }
}

// The fault, as the last actor made it.
static void check_fault(weft_status_t status, const char* endpoint) {
  weft_status_t cause = weft_status_cause(status);
  weft_status_origin_t origin = weft_status_origin(status);
  assert_int_equal(weft_status_code(status), WEFT_STATUS_FAILED);
  assert_string_equal(weft_status_message(status), "no table 't'");
  assert_string_equal(origin.file, __FILE__);
  assert_int_equal(origin.line, fault_line);
  assert_int_equal(origin.rank, 0);
  assert_non_null(origin.actor);
  assert_int_equal(strncmp(origin.actor, "row#", 4), 0);
  assert_string_equal(origin.endpoint, endpoint);
  assert_int_equal(weft_status_code(cause), WEFT_STATUS_DATA_LOSS);
  assert_string_equal(weft_status_message(cause), "disk 7 is gone");
  assert_true(weft_status_is_ok(weft_status_cause(cause)));
  assert_true(weft_status_root(status) == cause);
}

static void an_error_is_the_same_after_five_calls(void** state) {
  (void)state;
  row_t row;
  open_row(&row);
  weft_value_t value = weft_none();
  weft_status_t status = stage_ask(&row.stage, row.actors[0], 0,
                                   WEFT_ARGUMENTS(weft_int64(0)), &value);
  check_fault(status, "pass_on");
  weft_status_release(status);
  stage_close(&row.stage);
}

// --- Combinators ------------------------------------------------------------

static weft_status_t never_run(void* user, weft_status_t status,
                               weft_value_t value, weft_value_t* out_value) {
  (void)user;
  (void)status;
  (void)value;
  (void)out_value;
  return weft_status_make(WEFT_STATUS_INTERNAL, "a map saw an error");
}

static weft_status_t retain_error(void* user, weft_status_t status,
                                  weft_value_t value, weft_value_t* out_value) {
  (void)user;
  (void)value;
  (void)out_value;
  return weft_status_retain(status);
}

// Puts one combinator after another behind a future.
static weft_future_t* combine(row_t* row, weft_future_t* future, uint32_t how) {
  weft_runtime_t* runtime = row->stage.runtime;
  const weft_continuation_t map = {.run = never_run};
  const weft_continuation_t then = {.run = retain_error,
                                    .executor = weft_runtime_executor(runtime)};
  weft_future_t* next = NULL;
  switch (how) {
    case 0:
      weft_kit_assert_ok(weft_future_map(future, &map, &next));
      break;
    case 1:
      weft_kit_assert_ok(weft_future_then(future, &then, &next));
      break;
    case 2:
      weft_kit_assert_ok(weft_future_flatten(future, &next));
      break;
    case 3:
      weft_kit_assert_ok(weft_future_join(runtime, &future, 1, &next));
      break;
    case 4:
      weft_kit_assert_ok(weft_future_any(runtime, &future, 1, &next));
      break;
    case 5:
      weft_kit_assert_ok(weft_chain_merge(runtime, &future, 1, &next));
      break;
    default:
      weft_kit_assert_ok(weft_future_with_deadline(
          future, weft_deadline_after(runtime, INT64_C(3600000000000)), &next));
  }
  weft_future_release(future);
  return next;
}

static void an_error_is_the_same_behind_every_combinator(void** state) {
  (void)state;
  row_t row;
  open_row(&row);
  weft_future_t* future = NULL;
  weft_kit_assert_ok(weft_call(row.stage.runtime, row.actors[HOPS - 1], 0,
                               WEFT_ARGUMENTS(weft_int64(HOPS - 1)), NULL,
                               &future));
  for (uint32_t how = 0; how <= 6; ++how) {
    future = combine(&row, future, how);
  }
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
  check_fault(status, "pass_on");
  weft_status_release(status);
  weft_future_release(future);
  stage_close(&row.stage);
}

static void an_error_is_the_same_as_data_and_as_an_argument(void** state) {
  (void)state;
  row_t row;
  open_row(&row);
  weft_future_t* failed = NULL;
  weft_future_t* all = NULL;
  weft_future_t* reply = NULL;
  weft_kit_assert_ok(weft_call(row.stage.runtime, row.actors[HOPS - 1], 0,
                               WEFT_ARGUMENTS(weft_int64(HOPS - 1)), NULL,
                               &failed));
  weft_kit_assert_ok(weft_future_all(row.stage.runtime, &failed, 1, &all));
  weft_value_t value = weft_none();
  weft_kit_assert_ok(weft_future_get(all, WEFT_TIME_INFINITE, &value));
  const weft_value_t* values = NULL;
  size_t count = 0;
  weft_kit_assert_ok(weft_value_as_list(value, &values, &count));
  weft_status_t error = WEFT_OK;
  weft_kit_assert_ok(weft_value_as_status(values[0], &error));
  check_fault(error, "pass_on");
  weft_value_release(value);
  // The callee is never asked; the caller sees why.
  weft_kit_assert_ok(weft_call(row.stage.runtime, row.actors[0], 0,
                               WEFT_ARGUMENTS(weft_future_lend(failed)), NULL,
                               &reply));
  weft_status_t status = weft_future_get(reply, WEFT_TIME_INFINITE, &value);
  check_fault(status, "pass_on");
  weft_status_release(status);
  weft_future_release(failed);
  weft_future_release(all);
  weft_future_release(reply);
  stage_close(&row.stage);
}

// --- Many who wait ----------------------------------------------------------

static void see(size_t index, void* user) {
  row_t* row = user;
  weft_value_t value = weft_none();
  row->seen[index] = weft_future_get(row->shared, WEFT_TIME_INFINITE, &value);
}

static void all_who_wait_see_the_same_failure(void** state) {
  (void)state;
  row_t row;
  open_row(&row);
  weft_kit_assert_ok(weft_call(row.stage.runtime, row.actors[0], 0,
                               WEFT_ARGUMENTS(weft_int64(0)), NULL,
                               &row.shared));
  weft_kit_run_threads(WAITERS, see, &row);
  for (uint32_t i = 0; i < WAITERS; ++i) {
    check_fault(row.seen[i], "pass_on");
    weft_status_release(row.seen[i]);
  }
  weft_future_release(row.shared);
  stage_close(&row.stage);
}

static void whoever_waits_on_an_actor_sees_why_it_ended(void** state) {
  (void)state;
  row_t row;
  open_row(&row);
  weft_promise_t* promise = NULL;
  weft_future_t* late = NULL;
  weft_future_t* reply = NULL;
  weft_future_t* exited = NULL;
  weft_runtime_t* runtime = row.stage.runtime;
  weft_actor_t actor = row.actors[0];
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &late));
  weft_kit_assert_ok(weft_actor_exited(runtime, actor, &exited));
  weft_kit_assert_ok(weft_call(
      runtime, actor, 0, WEFT_ARGUMENTS(weft_future_lend(late)), NULL, &reply));
  weft_kit_assert_ok(
      weft_actor_stop(runtime, actor, WEFT_STOP_NOW, make_fault()));
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(reply, WEFT_TIME_INFINITE, &value);
  assert_int_equal(weft_status_code(status), WEFT_STATUS_ACTOR_EXITED);
  assert_string_equal(weft_status_message(weft_status_root(status)),
                      "disk 7 is gone");
  weft_status_release(status);
  status = weft_future_get(exited, WEFT_TIME_INFINITE, &value);
  assert_string_equal(weft_status_message(weft_status_root(status)),
                      "disk 7 is gone");
  weft_status_release(status);
  weft_promise_release(promise);
  weft_future_release(late);
  weft_future_release(reply);
  weft_future_release(exited);
  stage_close(&row.stage);
}

static void an_actor_that_ends_itself_gives_its_reason_unchanged(void** state) {
  (void)state;
  row_t row;
  open_row(&row);
  weft_future_t* exited = NULL;
  weft_kit_assert_ok(
      weft_actor_exited(row.stage.runtime, row.actors[0], &exited));
  weft_kit_assert_ok(
      weft_send(row.stage.runtime, row.actors[0], 1, NULL, NULL));
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(exited, WEFT_TIME_INFINITE, &value);
  check_fault(status, "die");
  weft_status_release(status);
  weft_future_release(exited);
  stage_close(&row.stage);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_error_is_the_same_after_five_calls),
      cmocka_unit_test(an_error_is_the_same_behind_every_combinator),
      cmocka_unit_test(an_error_is_the_same_as_data_and_as_an_argument),
      cmocka_unit_test(all_who_wait_see_the_same_failure),
      cmocka_unit_test(whoever_waits_on_an_actor_sees_why_it_ended),
      cmocka_unit_test(an_actor_that_ends_itself_gives_its_reason_unchanged),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
