// SPDX-License-Identifier: Apache-2.0
//
// Forwarding; what else a promise does is in future_test.c.

#include <string.h>

#include "async/future_kit.h"

static void a_forwarded_promise_has_the_outcome_of_its_source(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int is_late = 0; is_late < 2; is_late++) {
    weft_pair_t good = weft_pair(runtime);
    weft_pair_t bad = weft_pair(runtime);
    weft_pair_t to_good = weft_pair(runtime);
    weft_pair_t to_bad = weft_pair(runtime);
    if (is_late == 0) {
      weft_pair_set(&good, weft_int64(5));
      weft_pair_fail(&bad, weft_status_make(WEFT_STATUS_NOT_FOUND, "lost"));
    }
    weft_kit_assert_ok(weft_promise_forward(to_good.promise, good.future));
    weft_kit_assert_ok(weft_promise_forward(to_bad.promise, bad.future));
    // The promise has done its duty: releasing it abandons nothing.
    weft_promise_release(to_good.promise);
    weft_promise_release(to_bad.promise);
    if (is_late == 1) {
      assert_false(weft_future_is_done(to_good.future));
      weft_pair_set(&good, weft_int64(5));
      weft_pair_fail(&bad, weft_status_make(WEFT_STATUS_NOT_FOUND, "lost"));
    }
    weft_assert_int64(to_good.future, 5);
    weft_assert_fails(to_bad.future, WEFT_STATUS_NOT_FOUND, "lost");
    weft_pair_release(&good);
    weft_pair_release(&bad);
    weft_future_release(to_good.future);
    weft_future_release(to_bad.future);
  }
}

static void a_forwarded_promise_cannot_be_kept_otherwise(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t source = weft_pair(runtime);
  weft_pair_t pair = weft_pair(runtime);
  _Atomic int released = 0;
  *weft_promise_slot(pair.promise) = weft_counted(runtime, &released);
  weft_kit_assert_ok(weft_promise_forward(pair.promise, source.future));
  // What was built has no use any more.
  assert_int_equal(weft_count(&released), 1);
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_set(pair.promise, weft_int64(1)));
  weft_kit_assert_status(
      WEFT_STATUS_ALREADY_EXISTS,
      weft_promise_fail(pair.promise,
                        weft_status_make(WEFT_STATUS_FAILED, "x")));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_publish(pair.promise));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_promise_forward(pair.promise, source.future));
  assert_false(weft_future_is_done(pair.future));
  weft_pair_set(&source, weft_int64(2));
  weft_assert_int64(pair.future, 2);
  weft_pair_release(&pair);
  weft_pair_release(&source);
}

static void what_was_built_goes_when_the_source_was_done_before(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t good = weft_pair(runtime);
  weft_pair_t bad = weft_pair(runtime);
  weft_pair_set(&good, weft_int64(5));
  weft_pair_fail(&bad, weft_status_make(WEFT_STATUS_NOT_FOUND, "lost"));
  weft_future_t* const sources[] = {good.future, bad.future};
  for (int i = 0; i < 2; i++) {
    weft_pair_t pair = weft_pair(runtime);
    _Atomic int released = 0;
    *weft_promise_slot(pair.promise) = weft_counted(runtime, &released);
    weft_kit_assert_ok(weft_promise_forward(pair.promise, sources[i]));
    assert_int_equal(weft_count(&released), 1);
    weft_pair_release(&pair);
    assert_int_equal(weft_count(&released), 1);
  }
  weft_pair_release(&good);
  weft_pair_release(&bad);
}

static void cancelling_a_forwarded_future_leaves_the_source_alone(
    void** state) {
  weft_future_kit_t* kit = *state;
  weft_pair_t source = weft_pair(kit->runtime);
  size_t bytes_in_use = 0;
  for (int round = 0; round < 200; round++) {
    weft_pair_t pair = weft_pair(kit->runtime);
    weft_kit_assert_ok(weft_promise_forward(pair.promise, source.future));
    assert_true(weft_future_cancel(pair.future));
    assert_true(weft_promise_is_cancelled(pair.promise));
    weft_pair_release(&pair);
    if (round == 0) {
      bytes_in_use = kit->memory.bytes_in_use;
    }
  }
  assert_int_equal(kit->memory.bytes_in_use, bytes_in_use);
  assert_null(source.future->first);
  weft_pair_set(&source, weft_int64(1));
  weft_pair_release(&source);
}

static void a_promise_forwarded_to_itself_is_a_deadlock(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_kit_assert_status(WEFT_STATUS_DEADLOCK,
                         weft_promise_forward(pair.promise, pair.future));
  // It can still be kept.
  weft_pair_set(&pair, weft_int64(1));
  weft_assert_int64(pair.future, 1);
  weft_pair_release(&pair);
}

static void a_circle_of_promises_is_a_deadlock_that_names_them(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t a = weft_pair(runtime);
  weft_pair_t b = weft_pair(runtime);
  weft_pair_t c = weft_pair(runtime);
  _Atomic int released = 0;
  weft_kit_assert_ok(weft_promise_forward(a.promise, b.future));
  weft_kit_assert_ok(weft_promise_forward(b.promise, c.future));
  *weft_promise_slot(c.promise) = weft_counted(runtime, &released);
  weft_kit_assert_status_says(WEFT_STATUS_DEADLOCK,
                              "promise -> forwarding -> promise",
                              weft_promise_forward(c.promise, a.future));
  assert_int_equal(weft_count(&released), 0);
  weft_kit_assert_ok(weft_promise_publish(c.promise));
  assert_int_equal(weft_future_state(a.future), WEFT_FUTURE_READY);
  weft_pair_release(&a);
  weft_pair_release(&b);
  weft_pair_release(&c);
  assert_int_equal(weft_count(&released), 1);
}

static void a_chain_of_promises_of_any_length_needs_no_stack(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t first = weft_pair(runtime);
  weft_future_t* last = weft_future_retain(first.future);
  for (uint64_t i = weft_kit_amount(1000000); i > 0; i--) {
    weft_pair_t pair = weft_pair(runtime);
    weft_kit_assert_ok(weft_promise_forward(pair.promise, last));
    weft_promise_release(pair.promise);
    weft_future_release(last);
    last = pair.future;
  }
  weft_pair_set(&first, weft_int64(1));
  weft_assert_int64(last, 1);
  weft_future_release(last);
  weft_pair_release(&first);
}

// The other way round: each promise is forwarded to one that comes later.
static void a_promise_may_be_forwarded_again_and_again(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* first = weft_future_retain(pair.future);
  for (uint64_t i = weft_kit_amount(1000000); i > 0; i--) {
    weft_pair_t next = weft_pair(runtime);
    weft_kit_assert_ok(weft_promise_forward(pair.promise, next.future));
    weft_pair_release(&pair);
    pair = next;
  }
  weft_pair_set(&pair, weft_int64(1));
  weft_assert_int64(first, 1);
  weft_pair_release(&pair);
  weft_future_release(first);
}

// --- Races ------------------------------------------------------------------

typedef struct race {
  weft_pair_t source;
  weft_pair_t target;
} race_t;

static void forward_complete_or_cancel(size_t index, void* user) {
  race_t* race = user;
  if (index == 0) {
    weft_status_ignore(
        weft_promise_forward(race->target.promise, race->source.future));
    weft_promise_release(race->target.promise);
  } else if (index == 1) {
    weft_status_ignore(weft_promise_set(race->source.promise, weft_int64(1)));
    weft_promise_release(race->source.promise);
  } else {
    weft_future_cancel(race->target.future);
  }
}

static void forwarding_completing_and_cancelling_may_meet(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    race_t race = {.source = weft_pair(runtime), .target = weft_pair(runtime)};
    weft_kit_run_threads(3, forward_complete_or_cancel, &race);
    assert_true(weft_future_is_done(race.target.future));
    weft_future_release(race.source.future);
    weft_future_release(race.target.future);
  }
}

static void tie_two(size_t index, void* user) {
  weft_pair_t* pairs = user;
  weft_status_code_t code = weft_status_ignore(
      weft_promise_forward(pairs[index].promise, pairs[1 - index].future));
  // The one that came second closes the circle, and keeps its promise itself.
  if (code == WEFT_STATUS_DEADLOCK) {
    weft_status_ignore(weft_promise_set(pairs[index].promise, weft_int64(7)));
  }
}

static void two_that_close_a_circle_together_are_told_apart(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    weft_pair_t pairs[2] = {weft_pair(runtime), weft_pair(runtime)};
    weft_kit_run_threads(2, tie_two, pairs);
    weft_assert_int64(pairs[0].future, 7);
    weft_assert_int64(pairs[1].future, 7);
    weft_pair_release(&pairs[0]);
    weft_pair_release(&pairs[1]);
  }
}

// --- Without memory ---------------------------------------------------------

typedef struct forwarded {
  weft_runtime_t* runtime;
  weft_pair_t source;
  weft_pair_t target;
} forwarded_t;

static void destroy_forwarded(void* object, void* user) {
  forwarded_t* forwarded = object;
  (void)user;
  weft_pair_release(&forwarded->target);
  weft_pair_release(&forwarded->source);
  weft_runtime_destroy(forwarded->runtime);
}

static weft_status_t fill_forwarded(forwarded_t* forwarded) {
  weft_runtime_t* runtime = forwarded->runtime;
  weft_pair_t* source = &forwarded->source;
  weft_pair_t* target = &forwarded->target;
  WEFT_RETURN_IF_ERROR(
      weft_promise_create(runtime, &source->promise, &source->future));
  WEFT_RETURN_IF_ERROR(
      weft_promise_create(runtime, &target->promise, &target->future));
  return weft_promise_forward(target->promise, source->future);
}

static weft_status_t create_forwarded(const weft_allocator_t* allocator,
                                      void* user, void** out_object) {
  forwarded_t* forwarded = user;
  memset(forwarded, 0, sizeof(*forwarded));
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &forwarded->runtime));
  weft_status_t status = fill_forwarded(forwarded);
  if (status == WEFT_OK) {
    *out_object = forwarded;
  } else {
    destroy_forwarded(forwarded, NULL);
  }
  return status;
}

static void forwarding_survives_every_failure_of_memory(void** state) {
  (void)state;
  forwarded_t forwarded;
  const weft_kit_creation_t creation = {.create = create_forwarded,
                                        .destroy = destroy_forwarded,
                                        .user = &forwarded};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(a_forwarded_promise_has_the_outcome_of_its_source),
      WEFT_FUTURE_TEST(a_forwarded_promise_cannot_be_kept_otherwise),
      WEFT_FUTURE_TEST(what_was_built_goes_when_the_source_was_done_before),
      WEFT_FUTURE_TEST(cancelling_a_forwarded_future_leaves_the_source_alone),
      WEFT_FUTURE_TEST(a_promise_forwarded_to_itself_is_a_deadlock),
      WEFT_FUTURE_TEST(a_circle_of_promises_is_a_deadlock_that_names_them),
      WEFT_FUTURE_TEST(a_chain_of_promises_of_any_length_needs_no_stack),
      WEFT_FUTURE_TEST(a_promise_may_be_forwarded_again_and_again),
      WEFT_FUTURE_TEST(forwarding_completing_and_cancelling_may_meet),
      WEFT_FUTURE_TEST(two_that_close_a_circle_together_are_told_apart),
      cmocka_unit_test(forwarding_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
