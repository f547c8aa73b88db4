// SPDX-License-Identifier: Apache-2.0
//
// Circles of waiting over several processes: they end with DEADLOCK, and what
// only looks like one does not.

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "process/job.h"
#include "process/puppet.h"

// --- An actor that walks ----------------------------------------------------

enum {
  // (list of actor, way, actor, way ...) calls the first actor with the rest
  // of the list; 1 when the list is empty.
  GO,
  // () keeps the reply; TIE (list of a future) forwards it to that future;
  // ANSWER () gives 1.
  HOLD,
  TIE,
  ANSWER,
  // (any) -> 1
  TAKE,
  // (ms) -> 1, later; the actor is busy until then.
  SLEEP,
  // (way, list of actor and a list of steps, and so on) calls GO of each and
  // waits for the calls as a `gather_fn_t` does; 1.
  SPREAD,
  WALKER_ENDPOINTS
};

typedef enum way {
  // Waits in the handler.
  WAIT,
  // Forwards the reply.
  FORWARD,
  // Waits for all of several futures, of which it is one.
  WAIT_FOR_ALL
} way_t;

typedef struct walker {
  weft_promise_t* held;
} walker_t;

static weft_status_t init(weft_context_t* context, weft_value_t argument,
                          void** out_state) {
  (void)context;
  (void)argument;
  *out_state = calloc(1, sizeof(walker_t));
  return WEFT_OK;
}

static void deinit(void* state) {
  walker_t* walker = state;
  weft_promise_release(walker->held);
  free(walker);
}

static weft_status_t forward(weft_context_t* context, weft_future_t* future) {
  weft_promise_t* promise;
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &promise));
  weft_status_t status = weft_promise_forward(promise, future);
  weft_promise_release(promise);
  return status;
}

// Waits for a future and another one that is there already.
static weft_status_t wait_for_all(weft_runtime_t* runtime,
                                  weft_future_t* future,
                                  weft_value_t* out_result) {
  weft_future_t* ready = NULL;
  weft_future_t* all = NULL;
  weft_value_t values;
  WEFT_RETURN_IF_ERROR(weft_future_from_value(runtime, weft_int64(1), &ready));
  weft_future_t* const sources[] = {ready, future};
  weft_status_t status = weft_future_join(runtime, sources, 2, &all);
  weft_future_release(ready);
  WEFT_RETURN_IF_ERROR(status);
  status = weft_future_get(all, WEFT_TIME_INFINITE, &values);
  if (status == WEFT_OK) {
    weft_value_release(values);
    *out_result = weft_int64(1);
  }
  weft_future_release(all);
  return status;
}

static weft_status_t follow(weft_context_t* context, weft_future_t* future,
                            way_t way, weft_value_t* out_result) {
  switch (way) {
    case FORWARD:
      return forward(context, future);
    case WAIT_FOR_ALL:
      return wait_for_all(weft_context_runtime(context), future, out_result);
    default:
      return weft_future_get(future, WEFT_TIME_INFINITE, out_result);
  }
}

static weft_status_t go(weft_context_t* context, void* state,
                        const weft_value_t* arguments,
                        weft_value_t* out_result) {
  weft_runtime_t* runtime = weft_context_runtime(context);
  const weft_value_t* steps;
  size_t count;
  weft_actor_t next;
  weft_future_t* future;
  (void)state;
  WEFT_RETURN_IF_ERROR(weft_value_as_list(arguments[0], &steps, &count));
  if (count == 0) {
    *out_result = weft_int64(1);
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(steps[0], &next));
  weft_value_t rest = puppet_list(runtime, steps + 2, count - 2);
  weft_status_t status =
      weft_call(runtime, next, GO, WEFT_ARGUMENTS(rest), NULL, &future);
  weft_value_release(rest);
  WEFT_RETURN_IF_ERROR(status);
  status = follow(context, future, (way_t)steps[1].as.int64, out_result);
  weft_future_release(future);
  return status;
}

typedef weft_status_t (*gather_fn_t)(weft_runtime_t* runtime,
                                     weft_future_t* const* futures,
                                     size_t count, weft_future_t** out_future);

static const gather_fn_t gathers[] = {weft_future_all, weft_future_join,
                                      weft_future_any, weft_chain_merge};
enum { ALL, JOIN, ANY, MERGE, GATHERS, BRANCHES = 3 };

static weft_status_t spread(weft_context_t* context, void* state,
                            const weft_value_t* arguments,
                            weft_value_t* out_result) {
  weft_runtime_t* runtime = weft_context_runtime(context);
  weft_future_t* calls[BRANCHES] = {NULL};
  weft_future_t* gathered = NULL;
  const weft_value_t* branches;
  size_t count;
  weft_value_t value;
  (void)state;
  WEFT_RETURN_IF_ERROR(weft_value_as_list(arguments[1], &branches, &count));
  for (size_t i = 0; i < count / 2; i++) {
    weft_actor_t actor;
    WEFT_RETURN_IF_ERROR(weft_value_as_actor(branches[2 * i], &actor));
    WEFT_RETURN_IF_ERROR(weft_call(runtime, actor, GO,
                                   WEFT_ARGUMENTS(branches[2 * i + 1]), NULL,
                                   &calls[i]));
  }
  WEFT_RETURN_IF_ERROR(
      gathers[arguments[0].as.int64](runtime, calls, count / 2, &gathered));
  weft_status_t status = weft_future_get(gathered, WEFT_TIME_INFINITE, &value);
  if (status == WEFT_OK) {
    weft_value_release(value);
    *out_result = weft_int64(1);
  }
  weft_future_release(gathered);
  for (size_t i = 0; i < count / 2; i++) {
    weft_future_release(calls[i]);
  }
  return status;
}

static weft_status_t hold(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  walker_t* walker = state;
  (void)arguments;
  (void)out_result;
  weft_promise_release(walker->held);
  return weft_context_take_reply(context, &walker->held);
}

static weft_status_t tie(weft_context_t* context, void* state,
                         const weft_value_t* arguments,
                         weft_value_t* out_result) {
  walker_t* walker = state;
  const weft_value_t* values;
  size_t count;
  weft_future_t* future;
  (void)context;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(weft_value_as_list(arguments[0], &values, &count));
  WEFT_RETURN_IF_ERROR(weft_value_as_future(values[0], &future));
  return weft_promise_forward(walker->held, future);
}

static weft_status_t answer(weft_context_t* context, void* state,
                            const weft_value_t* arguments,
                            weft_value_t* out_result) {
  walker_t* walker = state;
  (void)context;
  (void)arguments;
  (void)out_result;
  return weft_promise_set(walker->held, weft_int64(1));
}

static weft_status_t take(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)arguments;
  *out_result = weft_int64(1);
  return WEFT_OK;
}

static void pause_ms(int64_t duration_ms) {
  const struct timespec time = {
      .tv_sec = duration_ms / 1000,
      .tv_nsec = duration_ms % 1000 * 1000000,
  };
  (void)ppoll(NULL, 0, &time, NULL);
}

static weft_status_t sleep_long(weft_context_t* context, void* state,
                                const weft_value_t* arguments,
                                weft_value_t* out_result) {
  (void)context;
  (void)state;
  pause_ms(arguments[0].as.int64);
  *out_result = weft_int64(1);
  return WEFT_OK;
}

static const weft_parameter_t list_parameter[] = {{"list", WEFT_KIND_LIST}};
static const weft_parameter_t spread_parameters[] = {
    {"way", WEFT_KIND_INT64}, {"branches", WEFT_KIND_LIST}};
static const weft_parameter_t any_parameter[] = {{"value", WEFT_KIND_ANY}};
static const weft_parameter_t ms_parameter[] = {{"ms", WEFT_KIND_INT64}};

static const weft_endpoint_t walker_endpoints[WALKER_ENDPOINTS] = {
    [GO] = {"go", go, list_parameter, 1},
    [HOLD] = {"hold", hold, NULL, 0},
    [TIE] = {"tie", tie, list_parameter, 1},
    [ANSWER] = {"answer", answer, NULL, 0},
    [TAKE] = {"take", take, any_parameter, 1},
    [SLEEP] = {"sleep", sleep_long, ms_parameter, 1},
    [SPREAD] = {"spread", spread, spread_parameters, 2},
};

static const weft_class_t walker_class = {
    .name = "walker",
    .version = 1,
    .init = init,
    .deinit = deinit,
    .endpoints = walker_endpoints,
    .endpoint_count = WALKER_ENDPOINTS,
};

static const weft_class_t* const classes[] = {&walker_class};

static void prepare(weft_runtime_options_t* options) {
  options->classes = classes;
  options->class_count = 1;
}

static weft_actor_t spawn(weft_runtime_t* runtime, uint32_t rank) {
  const weft_spawn_options_t options = {
      .place = rank,
      .mailbox_bound = 1000,
  };
  weft_actor_t actor;
  weft_kit_assert_ok(
      weft_spawn(runtime, &walker_class, weft_none(), &options, &actor));
  return actor;
}

// --- What happens to a circle -----------------------------------------------

#define TEXT_BYTES 4096

// A call ends with DEADLOCK, and what it says names these ranks.
static void expect_deadlock(weft_runtime_t* runtime, weft_future_t* future,
                            uint32_t first_rank, uint32_t count) {
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(
      future, weft_deadline_after(runtime, INT64_C(20000000000)), &value);
  char text[TEXT_BYTES] = "";
  weft_status_format(status, text, sizeof(text));
  assert_int_equal(weft_status_code(weft_status_root(status)),
                   WEFT_STATUS_DEADLOCK);
  for (uint32_t i = 0; i < count; i++) {
    char part[64];
    (void)snprintf(part, sizeof(part), "of rank %u", first_rank + i);
    if (strstr(text, part) == NULL) {
      fail_msg("'%s' does not say '%s'", text, part);
    }
  }
  weft_status_release(status);
  weft_future_release(future);
}

static void expect_one(weft_future_t* future) {
  weft_value_t value;
  weft_kit_assert_ok(puppet_await(future, &value));
  assert_int_equal(value.as.int64, 1);
}

// Calls from rank to rank, the last one back to the first.
static weft_future_t* walk_around(weft_runtime_t* runtime, uint32_t first,
                                  uint32_t count, way_t others) {
  weft_value_t steps[2 * PROCESS_RANK_LIMIT];
  weft_actor_t start = spawn(runtime, first);
  for (uint32_t i = 0; i < count; i++) {
    weft_actor_t next = i + 1 < count ? spawn(runtime, first + i + 1) : start;
    steps[(size_t)2 * i] = weft_actor_value(next);
    steps[(size_t)2 * i + 1] =
        weft_int64(i == 0 && others == FORWARD ? WAIT : others);
  }
  weft_value_t list = puppet_list(runtime, steps, (size_t)2 * count);
  weft_future_t* future = puppet_call(runtime, start, GO, WEFT_ARGUMENTS(list));
  weft_value_release(list);
  return future;
}

static void check_ring(weft_runtime_t* runtime, uint32_t first,
                       uint32_t count) {
  expect_deadlock(runtime, walk_around(runtime, first, count, WAIT), first,
                  count);
  expect_deadlock(runtime, walk_around(runtime, first, count, FORWARD), first,
                  count);
  expect_deadlock(runtime, walk_around(runtime, first, count, WAIT_FOR_ALL),
                  first, count);
}

static void handlers_of_two_ranks_in_a_circle_fail(weft_runtime_t* runtime) {
  check_ring(runtime, 0, 2);
  check_ring(runtime, 1, 2);
}

static void handlers_of_three_and_four_ranks_in_a_circle_fail(
    weft_runtime_t* runtime) {
  check_ring(runtime, 0, 3);
  check_ring(runtime, 0, 4);
  check_ring(runtime, 1, 3);
}

static weft_future_t* call(weft_runtime_t* runtime, weft_actor_t actor,
                           uint32_t endpoint, weft_value_t value) {
  return puppet_call(runtime, actor, endpoint, WEFT_ARGUMENTS(value));
}

// --- Circles through one of several -----------------------------------------

// One walker of rank 0 calls one of each other rank and waits for all or any
// of them; `back` of these call it back, the rest go to a holder.
static weft_future_t* walk_back(weft_runtime_t* runtime, int64_t way,
                                uint32_t back, weft_actor_t holder) {
  weft_value_t branches[2 * BRANCHES];
  weft_actor_t root = spawn(runtime, 0);
  for (uint32_t i = 0; i < BRANCHES; i++) {
    const weft_value_t steps[] = {
        weft_actor_value(i < back ? root : holder),
        weft_int64(i == 0 ? WAIT_FOR_ALL : WAIT),
    };
    branches[(size_t)2 * i] = weft_actor_value(spawn(runtime, i + 1));
    branches[(size_t)2 * i + 1] = puppet_list(runtime, steps, 2);
  }
  weft_value_t list = puppet_list(runtime, branches, (size_t)2 * BRANCHES);
  weft_future_t* future =
      puppet_call(runtime, root, SPREAD, WEFT_ARGUMENTS(weft_int64(way), list));
  weft_value_release(list);
  for (uint32_t i = 0; i < BRANCHES; i++) {
    weft_value_release(branches[(size_t)2 * i + 1]);
  }
  return future;
}

// `all` keeps the error, and ends; `join` and `merge` pass it on, and `any`
// when there is nothing else.
static void several_that_all_lead_back_fail(weft_runtime_t* runtime) {
  weft_actor_t holder = spawn(runtime, 3);
  expect_one(walk_back(runtime, ALL, BRANCHES, holder));
  for (int64_t way = JOIN; way < GATHERS; way++) {
    expect_deadlock(runtime, walk_back(runtime, way, BRANCHES, holder), 0, 1);
  }
}

// The last of several leads to what may end yet, and so the others do.
static void several_of_which_one_is_slow_wait(weft_runtime_t* runtime) {
  for (int64_t way = JOIN; way < GATHERS; way++) {
    weft_actor_t holder = spawn(runtime, 3);
    weft_future_t* slow = call(runtime, holder, SLEEP, weft_int64(200));
    weft_future_t* walk = walk_back(runtime, way, BRANCHES - 1, holder);
    pause_ms(100);
    assert_false(weft_future_is_done(walk));
    expect_one(slow);
    if (way == ANY) {
      expect_one(walk);
    } else {
      // Nothing is left that could end it.
      expect_deadlock(runtime, walk, 0, 1);
    }
  }
}

// --- Circles of futures -----------------------------------------------------

static void tie_to(weft_runtime_t* runtime, weft_actor_t actor,
                   weft_future_t* future) {
  weft_value_t value = weft_future_lend(future);
  weft_value_t list = puppet_list(runtime, &value, 1);
  weft_kit_assert_ok(puppet_end(call(runtime, actor, TIE, list)));
  weft_value_release(list);
}

static void futures_that_follow_each_other_over_ranks_fail(
    weft_runtime_t* runtime) {
  for (uint32_t size = 2; size <= 3; size++) {
    weft_actor_t actors[3];
    weft_future_t* held[3];
    for (uint32_t i = 0; i < size; i++) {
      actors[i] = spawn(runtime, i + 1);
      held[i] = puppet_call(runtime, actors[i], HOLD, NULL);
    }
    for (uint32_t i = 0; i < size; i++) {
      tie_to(runtime, actors[i], held[(i + 1) % size]);
    }
    for (uint32_t i = 0; i < size; i++) {
      expect_deadlock(runtime, held[i], 1, 0);
    }
  }
}

// A call waits for its argument, and the one behind it would make that.
static void an_argument_that_waits_for_the_call_behind_fails(
    weft_runtime_t* runtime) {
  weft_actor_t actor = spawn(runtime, 1);
  weft_promise_t* promise;
  weft_future_t* future;
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &future));
  weft_future_t* first = call(runtime, actor, TAKE, weft_future_lend(future));
  weft_future_t* second = call(runtime, actor, TAKE, weft_int64(1));
  weft_kit_assert_ok(weft_promise_forward(promise, second));
  expect_deadlock(runtime, first, 1, 0);
  weft_promise_release(promise);
  weft_future_release(future);
  weft_status_release(puppet_end(second));
  // The actor goes on.
  expect_one(call(runtime, actor, TAKE, weft_int64(1)));
}

// --- What is slow, and no circle --------------------------------------------

// The last of those that wait for each other waits for a promise of a user,
// for a handler that takes its time, or behind it.
static void what_is_slow_is_no_deadlock(weft_runtime_t* runtime) {
  weft_actor_t first = spawn(runtime, 1);
  weft_actor_t last = spawn(runtime, 2);
  weft_actor_t holder = spawn(runtime, 3);
  weft_future_t* held = puppet_call(runtime, holder, HOLD, NULL);
  const weft_value_t steps[] = {
      weft_actor_value(last),
      weft_int64(WAIT),
      weft_actor_value(holder),
      weft_int64(WAIT),
  };
  weft_value_t list = puppet_list(runtime, steps, 4);
  weft_future_t* slow = call(runtime, holder, SLEEP, weft_int64(200));
  weft_future_t* walks[4];
  for (int i = 0; i < 4; i++) {
    walks[i] = call(runtime, first, GO, list);
  }
  weft_value_release(list);
  weft_future_t* taken = call(runtime, last, TAKE, weft_future_lend(held));
  pause_ms(100);
  assert_false(weft_future_is_done(taken));
  expect_one(slow);
  for (int i = 0; i < 4; i++) {
    expect_one(walks[i]);
  }
  weft_kit_assert_ok(puppet_end(puppet_call(runtime, holder, ANSWER, NULL)));
  expect_one(held);
  expect_one(taken);
}

enum { CROWD = 12, RUNS = 300, AT_ONCE = 24 };

// Random walks over actors of all ranks that only go up: each waits for others
// that wait, and no circle is ever closed. The order is another each time, so
// that of two walks one after the other each may be half a circle.
static weft_future_t* walk_up(weft_runtime_t* runtime,
                              weft_kit_random_t* random,
                              const weft_actor_t* order) {
  weft_value_t steps[2 * CROWD];
  size_t count = 0;
  uint32_t first = (uint32_t)weft_kit_random_below(random, 3);
  bool has_begun = false;
  for (uint32_t i = 0; i < CROWD; i++) {
    if (has_begun && weft_kit_random_below(random, 2) == 0) {
      steps[count++] = weft_actor_value(order[i]);
      steps[count++] = weft_int64((int64_t)weft_kit_random_below(random, 3));
    }
    has_begun = has_begun || i == first;
  }
  weft_value_t list = puppet_list(runtime, steps, count);
  weft_future_t* future = call(runtime, order[first], GO, list);
  weft_value_release(list);
  return future;
}

static void walks_that_never_close_a_circle_never_fail(
    weft_runtime_t* runtime) {
  weft_kit_random_t random;
  weft_actor_t actors[CROWD];
  weft_kit_random_init(&random, 1);
  for (uint32_t i = 0; i < CROWD; i++) {
    actors[i] = spawn(runtime, i % 4);
  }
  uint64_t runs = weft_kit_amount(RUNS);
  for (uint64_t run = 0; run < runs; run++) {
    weft_future_t* walks[AT_ONCE];
    uint32_t swapped = (uint32_t)weft_kit_random_below(&random, CROWD);
    weft_actor_t last = actors[swapped];
    actors[swapped] = actors[0];
    actors[0] = last;
    weft_future_t* slow =
        call(runtime, actors[weft_kit_random_below(&random, CROWD)], SLEEP,
             weft_int64((int64_t)weft_kit_random_below(&random, 30)));
    for (uint32_t i = 0; i < AT_ONCE; i++) {
      walks[i] = walk_up(runtime, &random, actors);
    }
    expect_one(slow);
    for (uint32_t i = 0; i < AT_ONCE; i++) {
      expect_one(walks[i]);
    }
  }
}

// Each time the same two actors: one waits for the other until its call is
// late, and then the other one for it.
static void waits_that_end_in_time_are_no_circle(weft_runtime_t* runtime) {
  weft_actor_t first = spawn(runtime, 1);
  weft_actor_t second = spawn(runtime, 2);
  uint64_t runs = weft_kit_amount(100);
  for (uint64_t run = 0; run < runs; run++) {
    const weft_value_t there[] = {weft_actor_value(second), weft_int64(WAIT)};
    const weft_value_t back[] = {weft_actor_value(first), weft_int64(WAIT)};
    weft_value_t list = puppet_list(runtime, there, 2);
    weft_future_t* slow = call(runtime, second, SLEEP, weft_int64(15));
    weft_future_t* late;
    const weft_call_options_t soon = {.timeout_ns = 9000000};
    weft_kit_assert_ok(
        weft_call(runtime, first, GO, WEFT_ARGUMENTS(list), &soon, &late));
    weft_value_release(list);
    weft_status_t status = puppet_end(late);
    assert_int_not_equal(weft_status_code(weft_status_root(status)),
                         WEFT_STATUS_DEADLOCK);
    weft_status_release(status);
    // It waits no more.
    expect_one(call(runtime, first, TAKE, weft_int64(1)));
    list = puppet_list(runtime, back, 2);
    weft_future_t* walk = call(runtime, second, GO, list);
    weft_value_release(list);
    expect_one(walk);
    expect_one(slow);
  }
}

#define CIRCLE_TEST(body, ranks) \
  { .name = #body, .size = (ranks), .run = (body), .prepare = prepare }

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      CIRCLE_TEST(handlers_of_two_ranks_in_a_circle_fail, 3),
      CIRCLE_TEST(handlers_of_three_and_four_ranks_in_a_circle_fail, 4),
      CIRCLE_TEST(several_that_all_lead_back_fail, 4),
      CIRCLE_TEST(several_of_which_one_is_slow_wait, 4),
      CIRCLE_TEST(futures_that_follow_each_other_over_ranks_fail, 4),
      CIRCLE_TEST(an_argument_that_waits_for_the_call_behind_fails, 2),
      CIRCLE_TEST(what_is_slow_is_no_deadlock, 4),
      CIRCLE_TEST(walks_that_never_close_a_circle_never_fail, 4),
      CIRCLE_TEST(waits_that_end_in_time_are_no_circle, 3),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
