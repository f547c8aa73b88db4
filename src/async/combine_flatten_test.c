// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "async/future_kit.h"

static weft_future_t* flatten(weft_future_t* future) {
  weft_future_t* flat;
  weft_kit_assert_ok(weft_future_flatten(future, &flat));
  return flat;
}

// Completes a promise with a future as its value.
static void set_future(weft_pair_t* pair, weft_future_t* inner) {
  weft_pair_set(pair, weft_future_value(inner));
}

static void a_future_of_a_future_becomes_one(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t outer = weft_pair(runtime);
  weft_pair_t middle = weft_pair(runtime);
  weft_pair_t inner = weft_pair(runtime);
  weft_future_t* early = flatten(outer.future);
  set_future(&outer, middle.future);
  weft_future_t* late = flatten(outer.future);
  assert_false(weft_future_is_done(early));
  set_future(&middle, inner.future);
  assert_false(weft_future_is_done(late));
  weft_pair_set(&inner, weft_int64(3));
  weft_assert_int64(early, 3);
  weft_assert_int64(late, 3);
  // Now that all are done.
  weft_future_t* last = flatten(outer.future);
  weft_assert_int64(last, 3);
  weft_future_release(early);
  weft_future_release(late);
  weft_future_release(last);
  weft_pair_release(&outer);
  weft_pair_release(&middle);
  weft_pair_release(&inner);
}

static void a_value_that_is_no_future_stays_as_it_is(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  weft_future_t* flat = flatten(pair.future);
  weft_pair_set(&pair, weft_int64(1));
  weft_assert_int64(flat, 1);
  weft_future_release(flat);
  weft_pair_release(&pair);
}

static void an_error_at_any_depth_is_the_outcome(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t outer = weft_pair(runtime);
  weft_pair_t inner = weft_pair(runtime);
  weft_future_t* flat = flatten(outer.future);
  set_future(&outer, inner.future);
  weft_pair_fail(&inner, weft_status_make(WEFT_STATUS_NOT_FOUND, "deep"));
  weft_assert_fails(flat, WEFT_STATUS_NOT_FOUND, "deep");
  weft_future_release(flat);
  weft_pair_release(&outer);
  weft_pair_release(&inner);
}

static void cancelling_at_any_depth_leaves_the_sources_alone(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int depth = 0; depth < 2; depth++) {
    weft_pair_t outer = weft_pair(runtime);
    weft_pair_t inner = weft_pair(runtime);
    weft_future_t* flat = flatten(outer.future);
    if (depth == 1) {
      set_future(&outer, inner.future);
    }
    assert_true(weft_future_cancel(flat));
    assert_null(inner.future->first);
    assert_null(outer.future->first);
    weft_future_release(flat);
    assert_false(weft_future_is_done(inner.future));
    weft_pair_release(&outer);
    weft_pair_release(&inner);
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

static void an_await_inside_is_started(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  const weft_function_t function = {.name = "answer", .run = answer};
  weft_future_t* await;
  weft_kit_assert_ok(weft_await_create(runtime, &function, NULL, &await));
  weft_pair_t outer = weft_pair(runtime);
  weft_future_t* flat = flatten(outer.future);
  set_future(&outer, await);
  weft_future_release(await);
  weft_assert_int64(flat, 42);
  weft_future_release(flat);
  weft_pair_release(&outer);
}

static void a_future_that_leads_to_its_own_flatten_is_a_deadlock(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t outer = weft_pair(runtime);
  weft_pair_t inner = weft_pair(runtime);
  weft_future_t* flat = flatten(outer.future);
  weft_kit_assert_ok(weft_promise_forward(inner.promise, flat));
  set_future(&outer, inner.future);
  weft_assert_fails(flat, WEFT_STATUS_DEADLOCK, "flatten");
  weft_assert_fails(inner.future, WEFT_STATUS_DEADLOCK, "flatten");
  weft_future_release(flat);
  weft_pair_release(&outer);
  weft_pair_release(&inner);
}

static void futures_that_hold_each_other_are_a_deadlock(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_pair_t other = weft_pair(runtime);
  set_future(&other, pair.future);
  set_future(&pair, other.future);
  weft_future_t* flat = flatten(pair.future);
  weft_assert_fails(flat, WEFT_STATUS_DEADLOCK, "holds itself");
  weft_future_release(flat);
  // Such futures hold each other for ever. The test opens the circle.
  weft_value_t inner = other.future->value;
  other.future->value = weft_none();
  weft_value_release(inner);
  weft_pair_release(&pair);
  weft_pair_release(&other);
}

static void any_depth_needs_no_stack(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  uint64_t depth = weft_kit_amount(1000000);
  weft_pair_t inner = weft_pair(runtime);
  weft_future_t* future = weft_future_retain(inner.future);
  // Half of the futures are done, half will be.
  weft_promise_t* promises[64];
  size_t promise_count = 0;
  for (uint64_t i = 0; i < depth; i++) {
    weft_value_t value = weft_future_value(future);
    weft_future_release(future);
    if (i % (depth / 32) == 0 && promise_count < 64) {
      weft_pair_t pair = weft_pair(runtime);
      *weft_promise_slot(pair.promise) = value;
      promises[promise_count++] = pair.promise;
      future = pair.future;
    } else {
      weft_kit_assert_ok(weft_future_from_value(runtime, value, &future));
    }
  }
  weft_future_t* flat = flatten(future);
  weft_future_release(future);
  while (promise_count > 0) {
    weft_promise_t* promise = promises[--promise_count];
    weft_kit_assert_ok(weft_promise_publish(promise));
    weft_promise_release(promise);
  }
  assert_false(weft_future_is_done(flat));
  weft_pair_set(&inner, weft_int64(6));
  weft_assert_int64(flat, 6);
  weft_future_release(flat);
  weft_pair_release(&inner);
}

// --- Races ------------------------------------------------------------------

typedef struct race {
  weft_pair_t outer;
  weft_pair_t inner;
  weft_future_t* flat;
} race_t;

static void complete_or_cancel(size_t index, void* user) {
  race_t* race = user;
  if (index == 0) {
    weft_status_ignore(weft_promise_set(race->outer.promise,
                                        weft_future_value(race->inner.future)));
  } else if (index == 1) {
    weft_status_ignore(weft_promise_set(race->inner.promise, weft_int64(1)));
  } else {
    weft_future_cancel(race->flat);
  }
}

static void moving_on_completing_and_cancelling_may_meet(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(1000); i > 0; i--) {
    race_t race = {.outer = weft_pair(runtime), .inner = weft_pair(runtime)};
    race.flat = flatten(race.outer.future);
    // Without a cancel in every other round.
    weft_kit_run_threads(i % 2 == 0 ? 2 : 3, complete_or_cancel, &race);
    assert_true(weft_future_is_done(race.flat));
    weft_future_release(race.flat);
    weft_pair_release(&race.outer);
    weft_pair_release(&race.inner);
  }
}

// --- Without memory ---------------------------------------------------------

typedef struct flattened {
  weft_runtime_t* runtime;
  weft_pair_t pair;
  weft_future_t* flat;
} flattened_t;

static void destroy_flattened(void* object, void* user) {
  flattened_t* flattened = object;
  (void)user;
  weft_future_release(flattened->flat);
  weft_pair_release(&flattened->pair);
  weft_runtime_destroy(flattened->runtime);
}

static weft_status_t create_flattened(const weft_allocator_t* allocator,
                                      void* user, void** out_object) {
  flattened_t* flattened = user;
  memset(flattened, 0, sizeof(*flattened));
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &flattened->runtime));
  weft_status_t status = weft_promise_create(
      flattened->runtime, &flattened->pair.promise, &flattened->pair.future);
  if (status == WEFT_OK) {
    status = weft_future_flatten(flattened->pair.future, &flattened->flat);
  }
  if (status == WEFT_OK) {
    *out_object = flattened;
  } else {
    destroy_flattened(flattened, NULL);
  }
  return status;
}

static void flattening_survives_every_failure_of_memory(void** state) {
  (void)state;
  flattened_t flattened;
  const weft_kit_creation_t creation = {.create = create_flattened,
                                        .destroy = destroy_flattened,
                                        .user = &flattened};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(a_future_of_a_future_becomes_one),
      WEFT_FUTURE_TEST(a_value_that_is_no_future_stays_as_it_is),
      WEFT_FUTURE_TEST(an_error_at_any_depth_is_the_outcome),
      WEFT_FUTURE_TEST(cancelling_at_any_depth_leaves_the_sources_alone),
      WEFT_FUTURE_TEST(an_await_inside_is_started),
      WEFT_FUTURE_TEST(a_future_that_leads_to_its_own_flatten_is_a_deadlock),
      WEFT_FUTURE_TEST(futures_that_hold_each_other_are_a_deadlock),
      WEFT_FUTURE_TEST(any_depth_needs_no_stack),
      WEFT_FUTURE_TEST(moving_on_completing_and_cancelling_may_meet),
      cmocka_unit_test(flattening_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
