// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "async/future_kit.h"
#include "base/container.h"

// --- Continuations that note what they saw ----------------------------------

typedef struct witness {
  _Atomic int runs;
  _Atomic int releases;
  weft_status_code_t code;
  weft_value_t value;
  bool fails;
  uint32_t thread;
} witness_t;

static weft_status_t add_one(void* user, weft_status_t status,
                             weft_value_t value, weft_value_t* out_value) {
  witness_t* witness = user;
  weft_count_add(&witness->runs, 1);
  witness->code = weft_status_code(status);
  witness->value = value;
  witness->thread = weft_sys_thread_id();
  assert_int_equal(out_value->kind, WEFT_KIND_NONE);
  if (witness->fails) {
    return weft_status_make_caused(WEFT_STATUS_FAILED,
                                   weft_status_retain(status), "no more");
  }
  int64_t number = 0;
  if (status == WEFT_OK) {
    WEFT_RETURN_IF_ERROR(weft_value_as_int64(value, &number));
  }
  *out_value = weft_int64(number + 1);
  return WEFT_OK;
}

static void note_release(void* user) {
  witness_t* witness = user;
  weft_count_add(&witness->releases, 1);
}

static weft_continuation_t continuation(witness_t* witness) {
  return (weft_continuation_t){
      .run = add_one, .user = witness, .release = note_release};
}

// --- then -------------------------------------------------------------------

static void then_follows_a_value_and_an_error(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  const weft_continuation_t next = continuation(&witness);
  weft_pair_t good = weft_pair(runtime);
  weft_pair_t bad = weft_pair(runtime);
  weft_future_t* after_good;
  weft_future_t* after_bad;
  weft_kit_assert_ok(weft_future_then(good.future, &next, &after_good));
  weft_kit_assert_ok(weft_future_then(bad.future, &next, &after_bad));
  assert_int_equal(weft_count(&witness.runs), 0);
  weft_pair_set(&good, weft_int64(1));
  assert_int_equal(witness.code, WEFT_STATUS_OK);
  weft_assert_int64(after_good, 2);
  weft_pair_fail(&bad, weft_status_make(WEFT_STATUS_NOT_FOUND, "x"));
  assert_int_equal(witness.code, WEFT_STATUS_NOT_FOUND);
  assert_int_equal(witness.value.kind, WEFT_KIND_NONE);
  weft_assert_int64(after_bad, 1);
  assert_int_equal(weft_count(&witness.runs), 2);
  assert_int_equal(weft_count(&witness.releases), 2);
  weft_future_release(after_good);
  weft_future_release(after_bad);
  weft_pair_release(&good);
  weft_pair_release(&bad);
}

static void then_runs_at_once_after_a_future_that_is_done(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  witness_t witness = {.runs = 0};
  const weft_continuation_t next = continuation(&witness);
  weft_future_t* after;
  weft_pair_set(&pair, weft_int64(1));
  weft_kit_assert_ok(weft_future_then(pair.future, &next, &after));
  assert_true(weft_future_is_done(after));
  assert_int_equal(witness.thread, weft_sys_thread_id());
  weft_assert_int64(after, 2);
  weft_future_release(after);
  weft_pair_release(&pair);
}

static void the_error_of_a_continuation_is_the_outcome(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  witness_t witness = {.fails = true};
  const weft_continuation_t next = continuation(&witness);
  weft_future_t* after;
  weft_kit_assert_ok(weft_future_then(pair.future, &next, &after));
  weft_pair_fail(&pair, weft_status_make(WEFT_STATUS_NOT_FOUND, "the root"));
  weft_assert_fails(after, WEFT_STATUS_FAILED, "the root");
  weft_future_release(after);
  weft_pair_release(&pair);
}

static void a_continuation_needs_a_function(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  const weft_continuation_t next = {.run = NULL};
  weft_future_t* after = pair.future;
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_future_then(pair.future, &next, &after));
  assert_null(after);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_future_map(pair.future, &next, &after));
  weft_pair_release(&pair);
}

// --- map --------------------------------------------------------------------

static void map_passes_an_error_by_unchanged(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  witness_t witness = {.runs = 0};
  const weft_continuation_t next = continuation(&witness);
  weft_future_t* first;
  weft_future_t* second;
  weft_kit_assert_ok(weft_future_map(pair.future, &next, &first));
  weft_kit_assert_ok(weft_future_map(first, &next, &second));
  weft_status_t error = weft_status_make(WEFT_STATUS_CANCELLED, "x");
  weft_pair_fail(&pair, weft_status_retain(error));
  weft_value_t value;
  weft_status_t seen = weft_future_result(second, &value);
  assert_ptr_equal(seen, error);
  assert_int_equal(weft_future_state(second), WEFT_FUTURE_CANCELLED);
  assert_int_equal(weft_count(&witness.runs), 0);
  assert_int_equal(weft_count(&witness.releases), 2);
  weft_status_release(seen);
  weft_status_release(error);
  weft_future_release(first);
  weft_future_release(second);
  weft_pair_release(&pair);
}

// --- On an executor ---------------------------------------------------------

// Keeps what is posted until it is run by hand.
typedef struct shelf {
  weft_executor_t executor;
  weft_task_t* first;
  weft_task_t** end;
} shelf_t;

static void shelve(weft_executor_t* executor, weft_task_t* task) {
  shelf_t* shelf = WEFT_CONTAINER_OF(executor, shelf_t, executor);
  task->next = NULL;
  *shelf->end = task;
  shelf->end = &task->next;
}

static const weft_executor_vtable_t shelf_vtable = {.post = shelve};

static void shelf_init(shelf_t* shelf) {
  shelf->executor.vtable = &shelf_vtable;
  shelf->first = NULL;
  shelf->end = &shelf->first;
}

static int shelf_run(shelf_t* shelf) {
  weft_task_t* task = shelf->first;
  int count = 0;
  shelf_init(shelf);
  while (task != NULL) {
    weft_task_t* next = task->next;
    task->run(task);
    task = next;
    count++;
  }
  return count;
}

static void a_continuation_runs_on_the_executor_it_names(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  shelf_t shelf;
  shelf_init(&shelf);
  witness_t witness = {.runs = 0};
  weft_continuation_t next = continuation(&witness);
  next.executor = &shelf.executor;
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* before;
  weft_future_t* mapped;
  weft_future_t* after;
  weft_kit_assert_ok(weft_future_then(pair.future, &next, &before));
  weft_kit_assert_ok(weft_future_map(pair.future, &next, &mapped));
  weft_pair_set(&pair, weft_int64(1));
  weft_kit_assert_ok(weft_future_then(pair.future, &next, &after));
  // The source may go: it is held until the tasks have run.
  weft_pair_release(&pair);
  assert_int_equal(weft_count(&witness.runs), 0);
  assert_int_equal(shelf_run(&shelf), 3);
  weft_assert_int64(before, 2);
  weft_assert_int64(mapped, 2);
  weft_assert_int64(after, 2);
  assert_int_equal(weft_count(&witness.releases), 3);
  weft_future_release(before);
  weft_future_release(mapped);
  weft_future_release(after);
}

static void a_continuation_can_run_on_the_pool(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  weft_continuation_t next = continuation(&witness);
  next.executor = weft_runtime_executor(runtime);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* after;
  weft_kit_assert_ok(weft_future_map(pair.future, &next, &after));
  weft_pair_set(&pair, weft_int64(1));
  weft_assert_int64(after, 2);
  assert_int_not_equal(witness.thread, weft_sys_thread_id());
  weft_future_release(after);
  weft_pair_release(&pair);
}

// --- Cancelling -------------------------------------------------------------

static void cancelling_what_follows_leaves_the_source_alone(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  shelf_t shelf;
  shelf_init(&shelf);
  for (int posted = 0; posted < 2; posted++) {
    witness_t witness = {.runs = 0};
    weft_continuation_t next = continuation(&witness);
    next.executor = posted != 0 ? &shelf.executor : NULL;
    weft_pair_t pair = weft_pair(runtime);
    weft_future_t* after;
    weft_kit_assert_ok(weft_future_then(pair.future, &next, &after));
    assert_true(weft_future_cancel(after));
    // At once, though the source may never be done.
    assert_int_equal(weft_count(&witness.releases), 1);
    weft_assert_fails(after, WEFT_STATUS_CANCELLED, "then");
    weft_future_release(after);
    assert_int_equal(weft_future_state(pair.future), WEFT_FUTURE_PENDING);
    weft_pair_set(&pair, weft_int64(1));
    assert_int_equal(weft_count(&witness.runs), 0);
    assert_int_equal(shelf_run(&shelf), 0);
    weft_pair_release(&pair);
  }
}

static void a_task_that_was_cancelled_does_not_run(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  shelf_t shelf;
  shelf_init(&shelf);
  witness_t witness = {.runs = 0};
  weft_continuation_t next = continuation(&witness);
  next.executor = &shelf.executor;
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* after;
  weft_kit_assert_ok(weft_future_then(pair.future, &next, &after));
  weft_pair_set(&pair, weft_int64(1));
  assert_true(weft_future_cancel(after));
  weft_future_release(after);
  weft_pair_release(&pair);
  assert_int_equal(shelf_run(&shelf), 1);
  assert_int_equal(weft_count(&witness.runs), 0);
  assert_int_equal(weft_count(&witness.releases), 1);
}

static void followers_that_come_and_go_leave_nothing_behind(void** state) {
  weft_future_kit_t* kit = *state;
  witness_t witness = {.runs = 0};
  const weft_continuation_t next = continuation(&witness);
  weft_pair_t pair = weft_pair(kit->runtime);
  size_t bytes_in_use = 0;
  for (int round = 0; round < 1000; round++) {
    weft_future_t* after;
    weft_kit_assert_ok(weft_future_then(pair.future, &next, &after));
    weft_future_cancel(after);
    weft_future_release(after);
    if (round == 0) {
      bytes_in_use = kit->memory.bytes_in_use;
    }
  }
  assert_int_equal(kit->memory.bytes_in_use, bytes_in_use);
  assert_int_equal(weft_count(&witness.releases), 1000);
  weft_pair_release(&pair);
}

// --- Long chains ------------------------------------------------------------

static void a_chain_of_any_length_needs_no_stack(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  witness_t witness = {.runs = 0};
  const weft_continuation_t next = {.run = add_one, .user = &witness};
  int64_t length = (int64_t)weft_kit_amount(1000000);
  for (int is_map = 0; is_map < 2; is_map++) {
    weft_pair_t pair = weft_pair(runtime);
    weft_future_t* last = weft_future_retain(pair.future);
    for (int64_t i = 0; i < length; i++) {
      weft_future_t* after;
      weft_kit_assert_ok(is_map != 0 ? weft_future_map(last, &next, &after)
                                     : weft_future_then(last, &next, &after));
      weft_future_release(last);
      last = after;
    }
    weft_pair_set(&pair, weft_int64(0));
    weft_assert_int64(last, length);
    weft_future_release(last);
    weft_pair_release(&pair);
  }
}

// --- Races ------------------------------------------------------------------

#define THREADS 3

typedef struct race {
  weft_promise_t* promise;
  weft_future_t* source;
  weft_future_t* after;
  // Of the follower, and of what follows it.
  witness_t witness;
  witness_t second_witness;
} race_t;

static void complete_cancel_or_follow(size_t index, void* user) {
  race_t* race = user;
  if (index == 0) {
    weft_status_ignore(weft_promise_set(race->promise, weft_int64(1)));
    weft_promise_release(race->promise);
  } else if (index == 1) {
    weft_future_cancel(race->after);
  } else {
    const weft_continuation_t next = continuation(&race->second_witness);
    weft_future_t* more = NULL;
    weft_status_ignore(weft_future_then(race->after, &next, &more));
    weft_future_release(race->source);
    weft_future_release(more);
  }
}

static void completing_and_cancelling_at_once_ends_everything(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    weft_pair_t pair = weft_pair(runtime);
    race_t race = {.promise = pair.promise, .source = pair.future};
    weft_continuation_t next = continuation(&race.witness);
    next.executor = i % 2 == 0 ? weft_runtime_executor(runtime) : NULL;
    weft_kit_assert_ok(weft_future_then(pair.future, &next, &race.after));
    weft_kit_run_threads(THREADS, complete_cancel_or_follow, &race);
    weft_kit_assert_ok(weft_future_wait(race.after, WEFT_TIME_INFINITE));
    weft_future_release(race.after);
    while (atomic_load_explicit(&race.witness.releases, memory_order_acquire) +
               atomic_load_explicit(&race.second_witness.releases,
                                    memory_order_acquire) <
           2) {
      weft_sys_yield();
    }
  }
}

// --- Without memory ---------------------------------------------------------

typedef struct followed {
  weft_runtime_t* runtime;
  weft_pair_t pair;
  weft_future_t* futures[3];
  witness_t witness;
  shelf_t shelf;
} followed_t;

static void destroy_followed(void* object, void* user) {
  followed_t* followed = object;
  (void)user;
  for (int i = 0; i < 3; i++) {
    weft_future_release(followed->futures[i]);
  }
  weft_pair_release(&followed->pair);
  shelf_run(&followed->shelf);
  weft_runtime_destroy(followed->runtime);
}

static weft_status_t fill_followed(followed_t* followed) {
  weft_continuation_t next = continuation(&followed->witness);
  WEFT_RETURN_IF_ERROR(weft_promise_create(
      followed->runtime, &followed->pair.promise, &followed->pair.future));
  weft_future_t* source = followed->pair.future;
  WEFT_RETURN_IF_ERROR(weft_future_then(source, &next, &followed->futures[0]));
  WEFT_RETURN_IF_ERROR(weft_future_map(source, &next, &followed->futures[1]));
  next.executor = &followed->shelf.executor;
  return weft_future_then(source, &next, &followed->futures[2]);
}

static weft_status_t create_followed(const weft_allocator_t* allocator,
                                     void* user, void** out_object) {
  followed_t* followed = user;
  memset(followed, 0, sizeof(*followed));
  shelf_init(&followed->shelf);
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &followed->runtime));
  weft_status_t status = fill_followed(followed);
  if (status == WEFT_OK) {
    *out_object = followed;
  } else {
    destroy_followed(followed, NULL);
  }
  return status;
}

static void following_survives_every_failure_of_memory(void** state) {
  (void)state;
  followed_t followed;
  const weft_kit_creation_t creation = {.create = create_followed,
                                        .destroy = destroy_followed,
                                        .user = &followed};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(then_follows_a_value_and_an_error),
      WEFT_FUTURE_TEST(then_runs_at_once_after_a_future_that_is_done),
      WEFT_FUTURE_TEST(the_error_of_a_continuation_is_the_outcome),
      WEFT_FUTURE_TEST(a_continuation_needs_a_function),
      WEFT_FUTURE_TEST(map_passes_an_error_by_unchanged),
      WEFT_FUTURE_TEST(a_continuation_runs_on_the_executor_it_names),
      WEFT_FUTURE_TEST(a_continuation_can_run_on_the_pool),
      WEFT_FUTURE_TEST(cancelling_what_follows_leaves_the_source_alone),
      WEFT_FUTURE_TEST(a_task_that_was_cancelled_does_not_run),
      WEFT_FUTURE_TEST(followers_that_come_and_go_leave_nothing_behind),
      WEFT_FUTURE_TEST(a_chain_of_any_length_needs_no_stack),
      WEFT_FUTURE_TEST(completing_and_cancelling_at_once_ends_everything),
      cmocka_unit_test(following_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
