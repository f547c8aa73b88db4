// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <string.h>

#include "async/future_kit.h"

#define COUNT 3

typedef struct trio {
  weft_pair_t pairs[COUNT];
  weft_future_t* futures[COUNT];
} trio_t;

static trio_t make_trio(weft_runtime_t* runtime) {
  trio_t trio = {.futures = {NULL}};
  for (int i = 0; i < COUNT; i++) {
    trio.pairs[i] = weft_pair(runtime);
    trio.futures[i] = trio.pairs[i].future;
  }
  return trio;
}

static void release_trio(trio_t* trio) {
  for (int i = 0; i < COUNT; i++) {
    weft_pair_release(&trio->pairs[i]);
  }
}

static const weft_value_t* list_of(weft_future_t* future, size_t count) {
  weft_value_t list;
  const weft_value_t* values;
  size_t length;
  weft_kit_assert_ok(weft_future_result(future, &list));
  weft_kit_assert_ok(weft_value_as_list(list, &values, &length));
  assert_int_equal(length, count);
  return values;
}

// --- all --------------------------------------------------------------------

static void all_keeps_every_outcome_in_order(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  trio_t trio = make_trio(runtime);
  weft_future_t* all;
  weft_kit_assert_ok(weft_future_all(runtime, trio.futures, COUNT, &all));
  weft_pair_set(&trio.pairs[2], weft_int64(2));
  weft_status_t error = weft_status_make(WEFT_STATUS_NOT_FOUND, "one");
  weft_pair_fail(&trio.pairs[1], weft_status_retain(error));
  assert_false(weft_future_is_done(all));
  assert_true(weft_future_cancel(trio.futures[0]));
  const weft_value_t* values = list_of(all, COUNT);
  weft_status_t status;
  weft_kit_assert_ok(weft_value_as_status(values[0], &status));
  assert_int_equal(weft_status_code(status), WEFT_STATUS_CANCELLED);
  weft_kit_assert_ok(weft_value_as_status(values[1], &status));
  assert_ptr_equal(status, error);
  assert_true(weft_value_equal(values[2], weft_int64(2)));
  weft_status_release(error);
  weft_future_release(all);
  release_trio(&trio);
}

static void all_and_join_of_nothing_are_empty_lists_at_once(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_future_t* future;
  weft_kit_assert_ok(weft_future_all(runtime, NULL, 0, &future));
  list_of(future, 0);
  weft_future_release(future);
  weft_kit_assert_ok(weft_future_join(runtime, NULL, 0, &future));
  list_of(future, 0);
  weft_future_release(future);
  weft_kit_assert_ok(weft_chain_merge(runtime, NULL, 0, &future));
  assert_int_equal(weft_future_state(future), WEFT_FUTURE_READY);
  weft_future_release(future);
}

static void one_future_may_come_several_times(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* same[] = {pair.future, pair.future, pair.future};
  weft_future_t* all;
  weft_future_t* any;
  weft_kit_assert_ok(weft_future_all(runtime, same, 3, &all));
  weft_kit_assert_ok(weft_future_any(runtime, same, 3, &any));
  weft_pair_set(&pair, weft_int64(8));
  assert_true(weft_value_equal(list_of(all, 3)[2], weft_int64(8)));
  weft_assert_int64(any, 8);
  weft_future_release(all);
  weft_future_release(any);
  weft_pair_release(&pair);
}

// --- join, merge ------------------------------------------------------------

static void join_gives_all_values(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  trio_t trio = make_trio(runtime);
  weft_future_t* join;
  weft_pair_set(&trio.pairs[1], weft_int64(1));
  weft_kit_assert_ok(weft_future_join(runtime, trio.futures, COUNT, &join));
  weft_pair_set(&trio.pairs[2], weft_int64(2));
  weft_pair_set(&trio.pairs[0], weft_int64(0));
  for (int i = 0; i < COUNT; i++) {
    assert_true(weft_value_equal(list_of(join, COUNT)[i], weft_int64(i)));
  }
  weft_future_release(join);
  release_trio(&trio);
}

static void join_and_merge_fail_with_the_first_error_at_once(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int is_merge = 0; is_merge < 2; is_merge++) {
    trio_t trio = make_trio(runtime);
    weft_future_t* both;
    weft_kit_assert_ok(
        is_merge != 0 ? weft_chain_merge(runtime, trio.futures, COUNT, &both)
                      : weft_future_join(runtime, trio.futures, COUNT, &both));
    weft_pair_fail(&trio.pairs[1], weft_status_make(WEFT_STATUS_FAILED, "one"));
    weft_assert_fails(both, WEFT_STATUS_FAILED, "one");
    weft_pair_fail(&trio.pairs[0], weft_status_make(WEFT_STATUS_FAILED, "two"));
    weft_assert_fails(both, WEFT_STATUS_FAILED, "one");
    weft_future_release(both);
    release_trio(&trio);
  }
}

static void merge_is_a_chain_that_is_ready_when_all_are(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  trio_t trio = make_trio(runtime);
  weft_future_t* chain;
  weft_kit_assert_ok(weft_chain_merge(runtime, trio.futures, COUNT, &chain));
  for (int i = 0; i < COUNT; i++) {
    assert_false(weft_future_is_done(chain));
    weft_pair_set(&trio.pairs[i], weft_int64(i));
  }
  weft_value_t value;
  weft_kit_assert_ok(weft_future_result(chain, &value));
  assert_int_equal(value.kind, WEFT_KIND_NONE);
  weft_future_release(chain);
  release_trio(&trio);
}

// --- any --------------------------------------------------------------------

static void any_is_the_first_value(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  trio_t trio = make_trio(runtime);
  weft_future_t* any;
  weft_kit_assert_ok(weft_future_any(runtime, trio.futures, COUNT, &any));
  weft_pair_fail(&trio.pairs[0], weft_status_make(WEFT_STATUS_FAILED, "x"));
  assert_false(weft_future_is_done(any));
  weft_pair_set(&trio.pairs[2], weft_int64(2));
  weft_assert_int64(any, 2);
  weft_pair_set(&trio.pairs[1], weft_int64(1));
  weft_assert_int64(any, 2);
  weft_future_release(any);
  release_trio(&trio);
}

static void any_of_failures_is_the_first_error(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  trio_t trio = make_trio(runtime);
  weft_future_t* any;
  weft_kit_assert_ok(weft_future_any(runtime, trio.futures, COUNT, &any));
  weft_pair_fail(&trio.pairs[1], weft_status_make(WEFT_STATUS_FAILED, "one"));
  weft_pair_fail(&trio.pairs[0], weft_status_make(WEFT_STATUS_FAILED, "two"));
  assert_false(weft_future_is_done(any));
  weft_pair_fail(&trio.pairs[2], weft_status_make(WEFT_STATUS_FAILED, "six"));
  weft_assert_fails(any, WEFT_STATUS_FAILED, "one");
  weft_future_release(any);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_future_any(runtime, NULL, 0, &any));
  assert_null(any);
  release_trio(&trio);
}

static void a_missing_future_is_named(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  weft_future_t* futures[] = {pair.future, NULL};
  weft_future_t* all;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "future 1 of 2",
                              weft_future_all(runtime, futures, 2, &all));
  assert_null(all);
  weft_pair_release(&pair);
}

// --- Nothing is left behind -------------------------------------------------

// Whatever ends the wait, sources that stay pending collect nothing.
static void a_source_that_never_completes_collects_nothing(void** state) {
  weft_future_kit_t* kit = *state;
  weft_runtime_t* runtime = kit->runtime;
  weft_pair_t never = weft_pair(runtime);
  weft_future_t* good;
  weft_future_t* bad;
  weft_kit_assert_ok(weft_future_from_value(runtime, weft_int64(1), &good));
  weft_kit_assert_ok(weft_future_from_status(
      runtime, weft_status_make(WEFT_STATUS_FAILED, "x"), &bad));
  size_t bytes_in_use = 0;
  for (int round = 0; round < 500; round++) {
    weft_future_t* future;
    weft_future_t* with_good[] = {never.future, good, never.future};
    weft_future_t* with_bad[] = {never.future, bad, never.future};
    weft_kit_assert_ok(weft_future_any(runtime, with_good, 3, &future));
    weft_assert_int64(future, 1);
    weft_future_release(future);
    weft_kit_assert_ok(weft_future_join(runtime, with_bad, 3, &future));
    weft_assert_fails(future, WEFT_STATUS_FAILED, "x");
    weft_future_release(future);
    weft_kit_assert_ok(weft_future_all(runtime, with_bad, 3, &future));
    assert_true(weft_future_cancel(future));
    weft_future_release(future);
    if (round == 0) {
      bytes_in_use = kit->memory.bytes_in_use;
    }
  }
  assert_int_equal(kit->memory.bytes_in_use, bytes_in_use);
  assert_null(never.future->first);
  weft_future_release(good);
  weft_future_release(bad);
  weft_pair_release(&never);
}

static void sources_may_be_released_while_they_are_waited_for(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  trio_t trio = make_trio(runtime);
  weft_future_t* all;
  weft_kit_assert_ok(weft_future_all(runtime, trio.futures, COUNT, &all));
  for (int i = 0; i < COUNT; i++) {
    weft_future_release(trio.futures[i]);
    weft_promise_release(trio.pairs[i].promise);
  }
  weft_status_t status;
  weft_kit_assert_ok(weft_value_as_status(list_of(all, COUNT)[0], &status));
  assert_int_equal(weft_status_code(status), WEFT_STATUS_ABANDONED);
  weft_future_release(all);
}

static void a_large_number_of_sources_is_fine(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  enum { MANY = 10000 };
  static weft_pair_t pairs[MANY];
  static weft_future_t* futures[MANY];
  for (int i = 0; i < MANY; i++) {
    pairs[i] = weft_pair(runtime);
    futures[i] = pairs[i].future;
  }
  weft_future_t* join;
  weft_kit_assert_ok(weft_future_join(runtime, futures, MANY, &join));
  for (int i = 0; i < MANY; i++) {
    weft_pair_set(&pairs[i], weft_int64(i));
  }
  assert_true(
      weft_value_equal(list_of(join, MANY)[MANY - 1], weft_int64(MANY - 1)));
  weft_future_release(join);
  for (int i = 0; i < MANY; i++) {
    weft_pair_release(&pairs[i]);
  }
}

// --- A model ----------------------------------------------------------------
// Futures of every kind over promises that are kept, broken and cancelled in
// any order: each must have the outcome that the definition gives.

#define SOURCES 6
#define KINDS 4

typedef weft_status_t (*gather_fn_t)(weft_runtime_t* runtime,
                                     weft_future_t* const* futures,
                                     size_t count, weft_future_t** out_future);
static const gather_fn_t gathers[KINDS] = {weft_future_all, weft_future_join,
                                           weft_future_any, weft_chain_merge};

typedef struct model {
  weft_pair_t pairs[SOURCES];
  // -1 while pending, else 1 for a value and 0 for an error.
  int outcomes[SOURCES];
  // In order of completion.
  int order[SOURCES];
  int done_count;
  // One future a kind.
  weft_future_t* futures[KINDS];
  // Which sources it has, and how many.
  int inputs[KINDS][SOURCES];
  size_t counts[KINDS];
  // No source was done when the future was made, so they count in order of
  // completion.
  bool is_fresh[KINDS];
} model_t;

// The first of the inputs, in order of completion, with this outcome; -1 for
// none.
static int first_with(const model_t* model, int kind, int outcome) {
  for (int i = 0; i < model->done_count; i++) {
    int source = model->order[i];
    for (size_t j = 0; j < model->counts[kind]; j++) {
      if (model->inputs[kind][j] == source &&
          model->outcomes[source] == outcome) {
        return source;
      }
    }
  }
  return -1;
}

static bool has_pending(const model_t* model, int kind) {
  for (size_t j = 0; j < model->counts[kind]; j++) {
    if (model->outcomes[model->inputs[kind][j]] < 0) {
      return true;
    }
  }
  return false;
}

static weft_future_state_t expected_state(const model_t* model, int kind) {
  bool is_pending = has_pending(model, kind);
  bool is_any = kind == 2;
  if (kind == 0) {
    return is_pending ? WEFT_FUTURE_PENDING : WEFT_FUTURE_READY;
  }
  if (first_with(model, kind, is_any ? 1 : 0) >= 0) {
    return is_any ? WEFT_FUTURE_READY : WEFT_FUTURE_FAILED;
  }
  if (is_pending) {
    return WEFT_FUTURE_PENDING;
  }
  return is_any ? WEFT_FUTURE_FAILED : WEFT_FUTURE_READY;
}

static void complete_one(model_t* model, weft_kit_random_t* random) {
  int source;
  do {
    source = (int)weft_kit_random_below(random, SOURCES);
  } while (model->outcomes[source] >= 0);
  int outcome = (int)weft_kit_random_below(random, 2);
  // Before the completion, whose waiters compare.
  model->outcomes[source] = outcome;
  model->order[model->done_count++] = source;
  if (outcome == 1) {
    weft_pair_set(&model->pairs[source], weft_int64(source));
  } else {
    weft_pair_fail(&model->pairs[source],
                   weft_status_make(WEFT_STATUS_FAILED, "source %d", source));
  }
}

static void make_gathering(model_t* model, weft_runtime_t* runtime, int kind,
                           weft_kit_random_t* random) {
  weft_future_t* futures[SOURCES];
  model->counts[kind] = 1 + weft_kit_random_below(random, SOURCES);
  model->is_fresh[kind] = true;
  for (size_t j = 0; j < model->counts[kind]; j++) {
    int source = (int)weft_kit_random_below(random, SOURCES);
    model->inputs[kind][j] = source;
    model->is_fresh[kind] &= model->outcomes[source] < 0;
    futures[j] = model->pairs[source].future;
  }
  weft_kit_assert_ok(gathers[kind](runtime, futures, model->counts[kind],
                                   &model->futures[kind]));
}

// The outcome itself, where one source decided it.
static void compare_outcome(const model_t* model, int kind) {
  weft_future_t* future = model->futures[kind];
  weft_future_state_t state = weft_future_state(future);
  if (kind == 2 && state == WEFT_FUTURE_READY) {
    weft_assert_int64(future, first_with(model, kind, 1));
  }
  if (state == WEFT_FUTURE_FAILED) {
    char text[32];
    snprintf(text, sizeof(text), "source %d", first_with(model, kind, 0));
    weft_assert_fails(future, WEFT_STATUS_FAILED, text);
  }
}

static void compare(const model_t* model) {
  for (int kind = 0; kind < KINDS; kind++) {
    if (model->futures[kind] != NULL) {
      assert_int_equal(weft_future_state(model->futures[kind]),
                       expected_state(model, kind));
      if (model->is_fresh[kind]) {
        compare_outcome(model, kind);
      }
    }
  }
}

static void play_model(weft_kit_random_t* random, void* user) {
  weft_runtime_t* runtime = user;
  model_t model;
  memset(&model, 0, sizeof(model));
  for (int i = 0; i < SOURCES; i++) {
    model.pairs[i] = weft_pair(runtime);
    model.outcomes[i] = -1;
  }
  int made = 0;
  while (made < KINDS || model.done_count < SOURCES) {
    bool makes = made < KINDS && weft_kit_random_below(random, 2) == 0;
    if (makes || model.done_count == SOURCES) {
      make_gathering(&model, runtime, made++, random);
    } else {
      complete_one(&model, random);
    }
    compare(&model);
  }
  for (int kind = 0; kind < KINDS; kind++) {
    weft_future_release(model.futures[kind]);
  }
  for (int i = 0; i < SOURCES; i++) {
    weft_pair_release(&model.pairs[i]);
  }
}

static void gatherings_agree_with_their_definitions(void** state) {
  weft_kit_for_seeds(play_model, weft_future_kit_runtime(state));
}

// --- Races ------------------------------------------------------------------

#define THREADS 4

typedef struct race {
  weft_runtime_t* runtime;
  weft_pair_t pairs[THREADS];
  weft_future_t* gatherings[KINDS];
} race_t;

static void complete_all(size_t index, void* user) {
  race_t* race = user;
  if (index == THREADS - 1) {
    weft_future_cancel(race->gatherings[0]);
    weft_future_cancel(race->gatherings[3]);
    // Makes another at the same time.
    weft_future_t* futures[] = {race->pairs[0].future, race->pairs[1].future};
    weft_future_t* any = NULL;
    weft_status_ignore(weft_future_any(race->runtime, futures, 2, &any));
    weft_future_release(any);
  }
  weft_promise_t* promise = race->pairs[index].promise;
  if (index % 2 == 0) {
    weft_status_ignore(weft_promise_set(promise, weft_int64(1)));
  }
  weft_promise_release(promise);
}

static void sources_may_complete_on_many_threads_at_once(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    race_t race = {.runtime = runtime};
    weft_future_t* futures[THREADS];
    for (int j = 0; j < THREADS; j++) {
      race.pairs[j] = weft_pair(runtime);
      futures[j] = race.pairs[j].future;
    }
    for (int kind = 0; kind < KINDS; kind++) {
      weft_kit_assert_ok(
          gathers[kind](runtime, futures, THREADS, &race.gatherings[kind]));
    }
    weft_kit_run_threads(THREADS, complete_all, &race);
    for (int kind = 0; kind < KINDS; kind++) {
      assert_true(weft_future_is_done(race.gatherings[kind]));
      weft_future_release(race.gatherings[kind]);
    }
    for (int j = 0; j < THREADS; j++) {
      weft_future_release(race.pairs[j].future);
    }
  }
}

// --- Without memory ---------------------------------------------------------

typedef struct gathered {
  weft_runtime_t* runtime;
  weft_pair_t pairs[2];
  weft_future_t* futures[KINDS];
} gathered_t;

static void destroy_gathered(void* object, void* user) {
  gathered_t* gathered = object;
  (void)user;
  for (int i = 0; i < KINDS; i++) {
    weft_future_release(gathered->futures[i]);
  }
  weft_pair_release(&gathered->pairs[0]);
  weft_pair_release(&gathered->pairs[1]);
  weft_runtime_destroy(gathered->runtime);
}

static weft_status_t fill_gathered(gathered_t* gathered) {
  weft_future_t* futures[2];
  for (int i = 0; i < 2; i++) {
    weft_pair_t* pair = &gathered->pairs[i];
    WEFT_RETURN_IF_ERROR(
        weft_promise_create(gathered->runtime, &pair->promise, &pair->future));
    futures[i] = pair->future;
  }
  for (int kind = 0; kind < KINDS; kind++) {
    WEFT_RETURN_IF_ERROR(
        gathers[kind](gathered->runtime, futures, 2, &gathered->futures[kind]));
  }
  WEFT_RETURN_IF_ERROR(
      weft_promise_set(gathered->pairs[0].promise, weft_int64(1)));
  weft_promise_release(gathered->pairs[1].promise);
  gathered->pairs[1].promise = NULL;
  // Without memory for its list `all` fails, and says so.
  weft_value_t list;
  return weft_future_result(gathered->futures[0], &list);
}

static weft_status_t create_gathered(const weft_allocator_t* allocator,
                                     void* user, void** out_object) {
  gathered_t* gathered = user;
  memset(gathered, 0, sizeof(*gathered));
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &gathered->runtime));
  weft_status_t status = fill_gathered(gathered);
  if (status == WEFT_OK) {
    *out_object = gathered;
  } else {
    destroy_gathered(gathered, NULL);
  }
  return status;
}

static void gathering_survives_every_failure_of_memory(void** state) {
  (void)state;
  gathered_t gathered;
  const weft_kit_creation_t creation = {.create = create_gathered,
                                        .destroy = destroy_gathered,
                                        .user = &gathered};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(all_keeps_every_outcome_in_order),
      WEFT_FUTURE_TEST(all_and_join_of_nothing_are_empty_lists_at_once),
      WEFT_FUTURE_TEST(one_future_may_come_several_times),
      WEFT_FUTURE_TEST(join_gives_all_values),
      WEFT_FUTURE_TEST(join_and_merge_fail_with_the_first_error_at_once),
      WEFT_FUTURE_TEST(merge_is_a_chain_that_is_ready_when_all_are),
      WEFT_FUTURE_TEST(any_is_the_first_value),
      WEFT_FUTURE_TEST(any_of_failures_is_the_first_error),
      WEFT_FUTURE_TEST(a_missing_future_is_named),
      WEFT_FUTURE_TEST(a_source_that_never_completes_collects_nothing),
      WEFT_FUTURE_TEST(sources_may_be_released_while_they_are_waited_for),
      WEFT_FUTURE_TEST(a_large_number_of_sources_is_fine),
      WEFT_FUTURE_TEST(gatherings_agree_with_their_definitions),
      WEFT_FUTURE_TEST(sources_may_complete_on_many_threads_at_once),
      cmocka_unit_test(gathering_survives_every_failure_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
