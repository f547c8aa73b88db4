// SPDX-License-Identifier: Apache-2.0

#include "weft/future.h"

#include <string.h>

#include "async/future_kit.h"

static void a_future_fits_two_cache_lines(void** state) {
  (void)state;
  assert_true(sizeof(weft_future_t) <= 128);
}

// --- Keeping promises -------------------------------------------------------

static void every_look_at_a_future_sees_the_value_of_its_promise(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  assert_int_equal(weft_future_state(pair.future), WEFT_FUTURE_PENDING);
  assert_false(weft_future_is_done(pair.future));
  weft_pair_set(&pair, weft_int64(7));
  assert_int_equal(weft_future_state(pair.future), WEFT_FUTURE_READY);
  for (int i = 0; i < 3; i++) {
    weft_value_t value;
    weft_kit_assert_ok(weft_future_result(pair.future, &value));
    assert_true(weft_value_equal(value, weft_int64(7)));
    weft_assert_int64(pair.future, 7);
  }
  weft_pair_release(&pair);
}

static void none_is_a_value(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_pair_set(&pair, weft_none());
  weft_value_t value = weft_int64(1);
  weft_kit_assert_ok(weft_future_get(pair.future, WEFT_TIME_NOW, &value));
  assert_int_equal(value.kind, WEFT_KIND_NONE);
  weft_pair_release(&pair);
}

static void an_error_is_shared_as_it_is_by_all_who_look(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_status_t error = weft_status_make(WEFT_STATUS_FAILED, "broken");
  weft_pair_fail(&pair, weft_status_retain(error));
  assert_int_equal(weft_future_state(pair.future), WEFT_FUTURE_FAILED);
  for (int i = 0; i < 3; i++) {
    weft_value_t value;
    weft_status_t seen = weft_future_get(pair.future, WEFT_TIME_NOW, &value);
    assert_ptr_equal(seen, error);
    weft_status_release(seen);
  }
  weft_status_release(error);
  weft_pair_release(&pair);
}

static void an_error_of_code_cancelled_makes_the_state_cancelled(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_pair_fail(&pair, weft_status_make(WEFT_STATUS_CANCELLED, "enough"));
  assert_int_equal(weft_future_state(pair.future), WEFT_FUTURE_CANCELLED);
  weft_pair_release(&pair);
}

static void a_promise_cannot_fail_with_ok(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_promise_fail(pair.promise, WEFT_OK));
  assert_false(weft_future_is_done(pair.future));
  weft_pair_set(&pair, weft_int64(1));
  weft_pair_release(&pair);
}

static void a_second_completion_changes_nothing(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  _Atomic int released = 0;
  weft_pair_t pair = weft_pair(runtime);
  weft_kit_assert_ok(weft_promise_set(pair.promise, weft_int64(1)));
  weft_kit_assert_status(
      WEFT_STATUS_ALREADY_EXISTS,
      weft_promise_set(pair.promise, weft_counted(runtime, &released)));
  assert_int_equal(weft_count(&released), 1);
  weft_kit_assert_status(
      WEFT_STATUS_ALREADY_EXISTS,
      weft_promise_fail(pair.promise,
                        weft_status_make(WEFT_STATUS_FAILED, "x")));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_publish(pair.promise));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_forward(pair.promise, pair.future));
  assert_false(weft_future_cancel(pair.future));
  weft_promise_release(pair.promise);
  weft_assert_int64(pair.future, 1);
  weft_future_release(pair.future);
}

static void a_dropped_promise_abandons_its_future(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_promise_release(pair.promise);
  weft_assert_fails(pair.future, WEFT_STATUS_ABANDONED, "released");
  weft_future_release(pair.future);
  weft_promise_release(NULL);
  weft_future_release(NULL);
}

static void a_dropped_future_cancels_nothing(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  _Atomic int released = 0;
  weft_pair_t pair = weft_pair(runtime);
  weft_future_release(pair.future);
  assert_false(weft_promise_is_cancelled(pair.promise));
  weft_kit_assert_ok(
      weft_promise_set(pair.promise, weft_counted(runtime, &released)));
  assert_int_equal(weft_count(&released), 0);
  weft_promise_release(pair.promise);
  assert_int_equal(weft_count(&released), 1);
}

static void the_result_of_a_pending_future_is_an_error(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_value_t value = weft_int64(1);
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "wait for it",
                              weft_future_result(pair.future, &value));
  assert_int_equal(value.kind, WEFT_KIND_NONE);
  weft_pair_release(&pair);
}

// --- Building in place ------------------------------------------------------

static void what_is_built_in_the_slot_is_seen_once_published(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_value_t* slot = weft_promise_slot(pair.promise);
  assert_int_equal(slot->kind, WEFT_KIND_NONE);
  *slot = weft_int64(5);
  weft_value_t value;
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_future_result(pair.future, &value));
  weft_kit_assert_ok(weft_promise_publish(pair.promise));
  weft_assert_int64(pair.future, 5);
  weft_pair_release(&pair);
}

static void an_unpublished_slot_is_released_with_the_promise(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int way = 0; way < 3; way++) {
    _Atomic int released = 0;
    weft_pair_t pair = weft_pair(runtime);
    *weft_promise_slot(pair.promise) = weft_counted(runtime, &released);
    if (way == 0) {
      assert_true(weft_future_cancel(pair.future));
      weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                             weft_promise_publish(pair.promise));
    } else if (way == 1) {
      weft_kit_assert_ok(weft_promise_fail(
          pair.promise, weft_status_make(WEFT_STATUS_FAILED, "no")));
    }
    assert_int_equal(weft_count(&released), 0);
    weft_promise_release(pair.promise);
    assert_int_equal(weft_count(&released), 1);
    assert_true(weft_future_is_done(pair.future));
    weft_future_release(pair.future);
    assert_int_equal(weft_count(&released), 1);
  }
}

static void setting_a_value_releases_what_was_built(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  _Atomic int released = 0;
  weft_pair_t pair = weft_pair(runtime);
  *weft_promise_slot(pair.promise) = weft_counted(runtime, &released);
  weft_pair_set(&pair, weft_int64(2));
  assert_int_equal(weft_count(&released), 1);
  weft_assert_int64(pair.future, 2);
  weft_pair_release(&pair);
}

// --- Cancelling -------------------------------------------------------------

static void cancelling_completes_the_future_for_all_holders(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  _Atomic int released = 0;
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* other = weft_future_retain(pair.future);
  assert_true(weft_future_cancel(pair.future));
  assert_false(weft_future_cancel(other));
  assert_int_equal(weft_future_state(other), WEFT_FUTURE_CANCELLED);
  weft_assert_fails(other, WEFT_STATUS_CANCELLED, "cancelled");
  assert_true(weft_promise_is_cancelled(pair.promise));
  weft_kit_assert_status_says(
      WEFT_STATUS_ALREADY_EXISTS, "cancelled",
      weft_promise_set(pair.promise, weft_counted(runtime, &released)));
  assert_int_equal(weft_count(&released), 1);
  weft_future_release(other);
  weft_pair_release(&pair);
}

// --- Futures that are complete ----------------------------------------------

static void futures_can_be_complete_from_the_start(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_future_t* future;
  weft_kit_assert_ok(weft_future_from_value(runtime, weft_int64(3), &future));
  weft_assert_int64(future, 3);
  weft_future_release(future);
  weft_kit_assert_ok(weft_future_from_status(
      runtime, weft_status_make(WEFT_STATUS_NOT_FOUND, "gone"), &future));
  weft_assert_fails(future, WEFT_STATUS_NOT_FOUND, "gone");
  weft_future_release(future);
  weft_kit_assert_ok(weft_future_from_status(
      runtime, weft_status_make(WEFT_STATUS_CANCELLED, "x"), &future));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_CANCELLED);
  weft_future_release(future);
  weft_kit_assert_ok(weft_chain_ready(runtime, &future));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_READY);
  weft_future_release(future);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_future_from_status(runtime, WEFT_OK, &future));
  assert_null(future);
}

static void a_future_is_a_value(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_value_t value = weft_future_value(pair.future);
  assert_int_equal(value.kind, WEFT_KIND_FUTURE);
  weft_future_t* inside;
  weft_kit_assert_ok(weft_value_as_future(value, &inside));
  assert_ptr_equal(inside, pair.future);
  assert_true(weft_value_equal(value, value));
  weft_pair_set(&pair, weft_int64(4));
  weft_pair_release(&pair);
  weft_assert_int64(inside, 4);
  weft_value_release(value);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "int64",
                              weft_value_as_future(weft_int64(1), &inside));
  assert_null(inside);
}

// --- Hooks ------------------------------------------------------------------

typedef struct seer {
  weft_hook_t hook;
  weft_future_t* future;
  // Adds itself to this as it is called.
  struct log* log;
  int name;
  weft_hook_t* adds;
} seer_t;

typedef struct log {
  int names[8];
  int count;
  bool was_done;
  weft_status_code_t code;
  weft_value_t value;
} log_t;

static void see(weft_hook_t* hook, weft_status_t status, weft_value_t value) {
  seer_t* seer = hook->user;
  log_t* log = seer->log;
  log->names[log->count++] = seer->name;
  log->was_done = weft_future_is_done(seer->future);
  log->code = weft_status_code(status);
  log->value = value;
  if (seer->adds != NULL) {
    assert_true(weft_future_add_hook(seer->future, seer->adds));
  }
}

static seer_t make_seer(weft_future_t* future, log_t* log, int name) {
  return (seer_t){
      .hook = {.callback = see}, .future = future, .log = log, .name = name};
}

static void note_waiter(weft_waiter_t* waiter, weft_future_t* future) {
  log_t* log = waiter->user;
  assert_true(weft_future_is_done(future));
  log->names[log->count++] = 100;
}

static void hooks_run_in_order_before_the_future_is_done(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  log_t log = {.count = 0};
  seer_t seers[3];
  weft_waiter_t waiter = {.callback = note_waiter, .user = &log};
  weft_future_add_waiter(pair.future, &waiter);
  for (int i = 0; i < 3; i++) {
    seers[i] = make_seer(pair.future, &log, i);
    seers[i].hook.user = &seers[i];
    if (i < 2) {
      assert_true(weft_future_add_hook(pair.future, &seers[i].hook));
    }
  }
  // A hook that comes while hooks run is run, too.
  seers[0].adds = &seers[2].hook;
  weft_pair_set(&pair, weft_int64(9));
  const int expected[] = {0, 1, 2, 100};
  assert_int_equal(log.count, 4);
  assert_memory_equal(log.names, expected, sizeof(expected));
  assert_false(log.was_done);
  assert_int_equal(log.code, WEFT_STATUS_OK);
  assert_true(weft_value_equal(log.value, weft_int64(9)));
  assert_false(weft_future_add_hook(pair.future, &seers[0].hook));
  weft_pair_release(&pair);
}

static void hooks_see_errors_and_cancels(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int way = 0; way < 2; way++) {
    weft_pair_t pair = weft_pair(runtime);
    log_t log = {.count = 0};
    seer_t seer = make_seer(pair.future, &log, 1);
    seer.hook.user = &seer;
    assert_true(weft_future_add_hook(pair.future, &seer.hook));
    if (way == 0) {
      weft_pair_fail(&pair, weft_status_make(WEFT_STATUS_FAILED, "x"));
    } else {
      assert_true(weft_future_cancel(pair.future));
    }
    assert_int_equal(log.count, 1);
    assert_int_equal(log.code,
                     way == 0 ? WEFT_STATUS_FAILED : WEFT_STATUS_CANCELLED);
    assert_int_equal(log.value.kind, WEFT_KIND_NONE);
    weft_pair_release(&pair);
  }
}

static weft_status_t answer(weft_runtime_t* runtime, void* user,
                            const weft_value_t* arguments,
                            weft_value_t* out_result) {
  (void)runtime;
  (void)user;
  (void)arguments;
  *out_result = weft_int64(42);
  return WEFT_OK;
}

static void a_hook_on_an_await_that_nobody_wants_hears_of_its_end(
    void** state) {
  const weft_function_t function = {.name = "answer", .run = answer};
  weft_future_t* future;
  weft_kit_assert_ok(weft_await_create(weft_future_kit_runtime(state),
                                       &function, NULL, &future));
  log_t log = {.count = 0};
  seer_t seer = make_seer(future, &log, 1);
  seer.hook.user = &seer;
  assert_true(weft_future_add_hook(future, &seer.hook));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_LAZY);
  weft_future_release(future);
  assert_int_equal(log.count, 1);
  assert_int_equal(log.code, WEFT_STATUS_ABANDONED);
}

// --- Life -------------------------------------------------------------------

static void futures_outlive_their_runtime(void** state) {
  (void)state;
  weft_future_kit_t kit;
  const weft_runtime_options_t options = {.worker_count = 1};
  weft_future_kit_init(&kit, &options);
  weft_pair_t kept = weft_pair(kit.runtime);
  weft_pair_t broken = weft_pair(kit.runtime);
  weft_pair_t late = weft_pair(kit.runtime);
  weft_future_t* follower;
  weft_future_t* limited;
  weft_kit_assert_ok(weft_future_flatten(late.future, &follower));
  weft_kit_assert_ok(weft_future_with_deadline(
      late.future, weft_deadline_after(kit.runtime, INT64_C(1) << 50),
      &limited));
  weft_value_t text;
  weft_kit_assert_ok(
      weft_string_from_c(weft_runtime_allocator(kit.runtime), "still", &text));
  weft_pair_set(&kept, text);
  weft_runtime_destroy(kit.runtime);
  const char* characters;
  weft_value_t value;
  weft_kit_assert_ok(weft_future_result(kept.future, &value));
  weft_kit_assert_ok(weft_value_as_string(value, &characters, NULL));
  assert_string_equal(characters, "still");
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         weft_future_wait(broken.future, WEFT_TIME_INFINITE));
  weft_promise_release(broken.promise);
  weft_assert_fails(broken.future, WEFT_STATUS_ABANDONED, "released");
  weft_assert_fails(limited, WEFT_STATUS_CLOSED, "stopped");
  weft_pair_set(&late, weft_int64(6));
  weft_assert_int64(follower, 6);
  weft_future_release(kept.future);
  weft_future_release(broken.future);
  weft_future_release(late.future);
  weft_future_release(follower);
  weft_future_release(limited);
  weft_kit_allocator_deinit(&kit.memory);
}

// Futures of futures of futures: freeing the first frees all.
static void a_long_chain_of_values_is_freed_without_recursion(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_future_t* future = NULL;
  weft_kit_assert_ok(weft_future_from_value(runtime, weft_none(), &future));
  for (uint64_t i = weft_kit_amount(1000000); i > 0; i--) {
    weft_value_t inner = weft_future_value(future);
    weft_future_release(future);
    weft_kit_assert_ok(weft_future_from_value(runtime, inner, &future));
  }
  weft_future_release(future);
}

// --- Without memory ---------------------------------------------------------

typedef struct promised {
  weft_runtime_t* runtime;
  weft_pair_t pair;
  weft_future_t* value;
  weft_future_t* error;
} promised_t;

static void destroy_promised(void* object, void* user) {
  promised_t* promised = object;
  (void)user;
  weft_pair_release(&promised->pair);
  weft_future_release(promised->value);
  weft_future_release(promised->error);
  weft_runtime_destroy(promised->runtime);
}

static weft_status_t fill_promised(promised_t* promised) {
  const weft_allocator_t* allocator = weft_runtime_allocator(promised->runtime);
  WEFT_RETURN_IF_ERROR(weft_promise_create(
      promised->runtime, &promised->pair.promise, &promised->pair.future));
  weft_value_t text;
  WEFT_RETURN_IF_ERROR(weft_string_from_c(allocator, "text", &text));
  WEFT_RETURN_IF_ERROR(
      weft_future_from_value(promised->runtime, text, &promised->value));
  return weft_future_from_status(promised->runtime,
                                 weft_status_make(WEFT_STATUS_FAILED, "made"),
                                 &promised->error);
}

static weft_status_t create_promised(const weft_allocator_t* allocator,
                                     void* user, void** out_object) {
  promised_t* promised = user;
  *promised = (promised_t){.runtime = NULL};
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &promised->runtime));
  weft_status_t status = fill_promised(promised);
  if (status == WEFT_OK) {
    *out_object = promised;
  } else {
    destroy_promised(promised, NULL);
  }
  return status;
}

static void making_futures_survives_every_failure_of_memory(void** state) {
  (void)state;
  promised_t promised;
  const weft_kit_creation_t creation = {.create = create_promised,
                                        .destroy = destroy_promised,
                                        .user = &promised};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_future_fits_two_cache_lines),
      WEFT_FUTURE_TEST(every_look_at_a_future_sees_the_value_of_its_promise),
      WEFT_FUTURE_TEST(none_is_a_value),
      WEFT_FUTURE_TEST(an_error_is_shared_as_it_is_by_all_who_look),
      WEFT_FUTURE_TEST(an_error_of_code_cancelled_makes_the_state_cancelled),
      WEFT_FUTURE_TEST(a_promise_cannot_fail_with_ok),
      WEFT_FUTURE_TEST(a_second_completion_changes_nothing),
      WEFT_FUTURE_TEST(a_dropped_promise_abandons_its_future),
      WEFT_FUTURE_TEST(a_dropped_future_cancels_nothing),
      WEFT_FUTURE_TEST(the_result_of_a_pending_future_is_an_error),
      WEFT_FUTURE_TEST(what_is_built_in_the_slot_is_seen_once_published),
      WEFT_FUTURE_TEST(an_unpublished_slot_is_released_with_the_promise),
      WEFT_FUTURE_TEST(setting_a_value_releases_what_was_built),
      WEFT_FUTURE_TEST(cancelling_completes_the_future_for_all_holders),
      WEFT_FUTURE_TEST(futures_can_be_complete_from_the_start),
      WEFT_FUTURE_TEST(a_future_is_a_value),
      WEFT_FUTURE_TEST(hooks_run_in_order_before_the_future_is_done),
      WEFT_FUTURE_TEST(hooks_see_errors_and_cancels),
      WEFT_FUTURE_TEST(a_hook_on_an_await_that_nobody_wants_hears_of_its_end),
      cmocka_unit_test(futures_outlive_their_runtime),
      WEFT_FUTURE_TEST(a_long_chain_of_values_is_freed_without_recursion),
      cmocka_unit_test(making_futures_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
