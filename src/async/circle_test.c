// SPDX-License-Identifier: Apache-2.0

#include "async/circle.h"

#include <stdio.h>

#include "async/future_kit.h"
#include "base/container.h"

// --- Awaits that wait for each other ----------------------------------------

static weft_status_t wait_for_slot(weft_runtime_t* runtime, void* user,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  weft_future_t** slot = user;
  (void)runtime;
  (void)arguments;
  return weft_future_get(*slot, WEFT_TIME_INFINITE, out_result);
}

// An await whose function waits for what stands in `slot` then.
static weft_future_t* await_of_slot(weft_runtime_t* runtime, const char* name,
                                    weft_future_t** slot) {
  const weft_function_t function = {
      .name = name, .run = wait_for_slot, .user = slot};
  weft_future_t* future;
  weft_kit_assert_ok(weft_await_create(runtime, &function, NULL, &future));
  return future;
}

static void a_function_that_waits_for_itself_is_told_at_once(void** state) {
  weft_future_t* self;
  self = await_of_slot(weft_future_kit_runtime(state), "narcissus", &self);
  weft_assert_fails(self, WEFT_STATUS_DEADLOCK, "await of narcissus");
  weft_future_release(self);
}

static void functions_that_wait_in_a_ring_on_one_thread_are_told(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_future_t* a;
  weft_future_t* b;
  weft_future_t* c;
  a = await_of_slot(runtime, "a", &b);
  b = await_of_slot(runtime, "b", &c);
  c = await_of_slot(runtime, "c", &a);
  weft_assert_fails(a, WEFT_STATUS_DEADLOCK,
                    "await of a -> await of b -> await of c");
  // All of them see the same error: it passed from one to the next.
  weft_assert_fails(c, WEFT_STATUS_DEADLOCK, "await of a");
  weft_future_release(a);
  weft_future_release(b);
  weft_future_release(c);
}

#define PARTIES 3

typedef struct ring {
  weft_future_t* futures[PARTIES];
  _Atomic int deadlocks;
} ring_t;

static void wait_for_mine(size_t index, void* user) {
  ring_t* ring = user;
  weft_value_t value;
  weft_status_t status =
      weft_future_get(ring->futures[index], WEFT_TIME_INFINITE, &value);
  weft_count_add(&ring->deadlocks,
                 weft_status_code(status) == WEFT_STATUS_DEADLOCK ? 1 : 0);
  weft_status_release(status);
}

static void functions_that_wait_in_a_ring_on_several_threads_are_told(
    void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  static const char* const names[PARTIES] = {"one", "two", "three"};
  for (uint64_t i = weft_kit_amount(300); i > 0; i--) {
    ring_t ring = {.deadlocks = 0};
    for (int j = 0; j < PARTIES; j++) {
      ring.futures[j] =
          await_of_slot(runtime, names[j], &ring.futures[(j + 1) % PARTIES]);
    }
    weft_kit_run_threads(PARTIES, wait_for_mine, &ring);
    // One wait closed the circle; its error is the outcome of all.
    assert_int_equal(weft_count(&ring.deadlocks), PARTIES);
    weft_assert_fails(ring.futures[0], WEFT_STATUS_DEADLOCK, "await of one");
    weft_assert_fails(ring.futures[0], WEFT_STATUS_DEADLOCK, "await of two");
    weft_assert_fails(ring.futures[0], WEFT_STATUS_DEADLOCK, "await of three");
    for (int j = 0; j < PARTIES; j++) {
      weft_future_release(ring.futures[j]);
    }
  }
}

static void forks_that_wait_for_each_other_are_told(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_future_t* a = NULL;
  weft_future_t* b = NULL;
  weft_pair_t start = weft_pair(runtime);
  const weft_parameter_t parameter = {.name = "start", .kind = WEFT_KIND_ANY};
  weft_function_t function = {.name = "a",
                              .run = wait_for_slot,
                              .user = &b,
                              .parameters = &parameter,
                              .parameter_count = 1};
  weft_value_t argument = weft_future_value(start.future);
  weft_kit_assert_ok(
      weft_async_run(runtime, NULL, &function, WEFT_ARGUMENTS(argument), &a));
  function.name = "b";
  function.user = &a;
  weft_kit_assert_ok(
      weft_async_run(runtime, NULL, &function, WEFT_ARGUMENTS(argument), &b));
  weft_value_release(argument);
  weft_pair_set(&start, weft_none());
  weft_assert_fails(a, WEFT_STATUS_DEADLOCK, "fork of");
  weft_assert_fails(b, WEFT_STATUS_DEADLOCK, "thread");
  weft_future_release(a);
  weft_future_release(b);
  weft_pair_release(&start);
}

static void an_argument_that_needs_the_result_is_told(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int waits = 0; waits < 2; waits++) {
    weft_pair_t pair = weft_pair(runtime);
    weft_future_t* never = NULL;
    const weft_parameter_t parameter = {.name = "x", .kind = WEFT_KIND_ANY};
    const weft_function_t function = {.name = "ouroboros",
                                      .run = wait_for_slot,
                                      .user = &never,
                                      .parameters = &parameter,
                                      .parameter_count = 1};
    weft_value_t argument = weft_future_value(pair.future);
    weft_future_t* future;
    weft_kit_assert_ok(weft_await_create(runtime, &function,
                                         WEFT_ARGUMENTS(argument), &future));
    weft_value_release(argument);
    // The argument is promised the result of the function that needs it.
    weft_kit_assert_ok(weft_promise_forward(pair.promise, future));
    weft_assert_fails(future, WEFT_STATUS_DEADLOCK, "ouroboros");
    weft_assert_fails(pair.future, WEFT_STATUS_DEADLOCK, "ouroboros");
    weft_future_release(future);
    weft_pair_release(&pair);
  }
}

// --- Hand-made activities ---------------------------------------------------

typedef struct actor {
  weft_activity_t activity;
  const char* name;
} actor_t;

static size_t describe(const weft_activity_t* activity, char* buffer,
                       size_t capacity) {
  const actor_t* actor = WEFT_CONST_CONTAINER_OF(activity, actor_t, activity);
  return (size_t)snprintf(buffer, capacity, "actor %s", actor->name);
}

static actor_t make_actor(const char* name) {
  return (actor_t){
      .activity = {.deadline_ns = WEFT_TIME_INFINITE, .describe = describe},
      .name = name};
}

static weft_status_t pass(void* user, weft_status_t status, weft_value_t value,
                          weft_value_t* out_value) {
  (void)user;
  *out_value = weft_value_retain(value);
  return weft_status_retain(status);
}

// Waits as `self`, and gives the status of the wait.
static weft_status_t wait_as(actor_t* self, weft_future_t* future,
                             int64_t timeout_ns) {
  weft_thread_self.activity = &self->activity;
  weft_status_t status = weft_future_wait(
      future, weft_deadline_after(future->runtime, timeout_ns));
  weft_thread_self.activity = NULL;
  assert_null(self->activity.waiting_for);
  return status;
}

static void what_is_waited_for_is_described_with_its_producer(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_mutex_t* graph = weft_async_graph_lock(runtime);
  actor_t a = make_actor("a");
  weft_pair_t pair = weft_pair(runtime);
  char text[64];
  weft_mutex_lock(graph);
  weft_circle_describe(pair.future, text, sizeof(text));
  assert_string_equal(text, "promise");
  pair.future->producer = &a.activity;
  weft_circle_describe(pair.future, text, sizeof(text));
  assert_string_equal(text, "promise of actor a");
  weft_circle_describe(pair.future, text, 10);
  assert_string_equal(text, "promise o");
  weft_mutex_unlock(graph);
  weft_kit_assert_ok(weft_promise_set(pair.promise, weft_none()));
  weft_mutex_lock(graph);
  weft_circle_describe(pair.future, text, sizeof(text));
  assert_string_equal(text, "");
  weft_mutex_unlock(graph);
  weft_pair_release(&pair);
}

static void every_part_of_a_circle_is_named(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  actor_t a = make_actor("a");
  actor_t b = make_actor("b");
  weft_pair_t from_a = weft_pair(runtime);
  weft_pair_t from_b = weft_pair(runtime);
  const weft_continuation_t next = {.run = pass};
  weft_future_t* after_a;
  weft_kit_assert_ok(weft_future_then(from_a.future, &next, &after_a));
  from_a.future->producer = &a.activity;
  from_b.future->producer = &b.activity;
  b.activity.waiting_for = after_a;
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLOCK,
      "actor a -> promise -> actor b -> then -> promise -> actor a",
      wait_as(&a, from_b.future, WEFT_TIME_INFINITE));
  b.activity.waiting_for = NULL;
  weft_kit_assert_status_says(WEFT_STATUS_DEADLOCK,
                              "actor b -> promise -> actor b",
                              wait_as(&b, from_b.future, WEFT_TIME_INFINITE));
  b.activity.waiting_for = after_a;
  // Once a part has an outcome there is no circle.
  weft_pair_set(&from_a, weft_none());
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         wait_as(&a, from_b.future, 1000000));
  weft_future_release(after_a);
  weft_pair_release(&from_a);
  weft_pair_release(&from_b);
}

static void what_stands_in_the_way_is_followed(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  actor_t a = make_actor("a");
  weft_pair_t reply = weft_pair(runtime);
  weft_pair_t argument = weft_pair(runtime);
  reply.future->blocked_on = argument.future;
  argument.future->producer = &a.activity;
  weft_kit_assert_status_says(WEFT_STATUS_DEADLOCK,
                              "actor a -> promise -> promise -> actor a",
                              wait_as(&a, reply.future, WEFT_TIME_INFINITE));
  reply.future->blocked_on = NULL;
  weft_pair_release(&reply);
  weft_pair_release(&argument);
}

typedef weft_status_t (*gather_fn_t)(weft_runtime_t* runtime,
                                     weft_future_t* const* futures,
                                     size_t count, weft_future_t** out_future);

// `all` needs every source; the others end when one does what they look for.
static void futures_of_several_sources_are_stuck_when_nothing_can_end_them(
    void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  static const gather_fn_t gathers[] = {weft_future_all, weft_future_join,
                                        weft_future_any, weft_chain_merge};
  for (int kind = 0; kind < 4; kind++) {
    actor_t a = make_actor("a");
    weft_pair_t mine = weft_pair(runtime);
    weft_pair_t other = weft_pair(runtime);
    weft_pair_t done = weft_pair(runtime);
    mine.future->producer = &a.activity;
    if (kind == 2) {
      weft_pair_fail(&done, weft_status_make(WEFT_STATUS_FAILED, "x"));
    } else {
      weft_pair_set(&done, weft_int64(1));
    }
    weft_future_t* futures[] = {done.future, other.future, mine.future};
    weft_future_t* gathered;
    weft_kit_assert_ok(gathers[kind](runtime, futures, 3, &gathered));
    weft_kit_assert_status(
        kind == 0 ? WEFT_STATUS_DEADLOCK : WEFT_STATUS_DEADLINE_EXCEEDED,
        wait_as(&a, gathered, 1000000));
    // With the other source gone nothing else can end any of them.
    if (kind == 2) {
      weft_pair_fail(&other, weft_status_make(WEFT_STATUS_FAILED, "x"));
    } else {
      weft_pair_set(&other, weft_int64(1));
    }
    weft_kit_assert_status_says(WEFT_STATUS_DEADLOCK, "actor a",
                                wait_as(&a, gathered, WEFT_TIME_INFINITE));
    mine.future->producer = NULL;
    weft_future_release(gathered);
    weft_pair_release(&mine);
    weft_pair_release(&other);
    weft_pair_release(&done);
  }
}

// No wait closes this circle: the last source that could end the wait fails.
static void a_circle_that_an_outcome_closes_fails_what_is_stuck(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int has_deadline = 0; has_deadline < 2; has_deadline++) {
    actor_t a = make_actor("a");
    weft_pair_t mine = weft_pair(runtime);
    weft_pair_t other = weft_pair(runtime);
    mine.future->producer = &a.activity;
    weft_future_t* futures[] = {mine.future, other.future};
    weft_future_t* any;
    weft_kit_assert_ok(weft_future_any(runtime, futures, 2, &any));
    const weft_continuation_t next = {.run = pass};
    weft_future_t* after;
    weft_kit_assert_ok(weft_future_then(any, &next, &after));
    a.activity.waiting_for = after;
    a.activity.waits_for_ever = has_deadline == 0;
    weft_pair_fail(&other, weft_status_make(WEFT_STATUS_FAILED, "x"));
    if (has_deadline != 0) {
      // That wait ends by itself, and then the circle is open.
      assert_false(weft_future_is_done(any));
    } else {
      weft_assert_fails(after, WEFT_STATUS_DEADLOCK,
                        "any -> promise -> actor a -> then -> any");
    }
    a.activity.waiting_for = NULL;
    mine.future->producer = NULL;
    weft_future_release(after);
    weft_future_release(any);
    weft_pair_release(&mine);
    weft_pair_release(&other);
  }
}

// The circle ends with a deadline; it is for whoever is in it to be told.
static void who_waits_for_a_circle_is_not_part_of_it(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  actor_t inside = make_actor("inside");
  actor_t outside = make_actor("outside");
  weft_pair_t mine = weft_pair(runtime);
  weft_pair_t same = weft_pair(runtime);
  weft_pair_t result = weft_pair(runtime);
  mine.future->producer = &inside.activity;
  same.future->producer = &inside.activity;
  result.future->producer = &inside.activity;
  weft_future_t* futures[] = {mine.future, same.future};
  weft_future_t* join;
  weft_kit_assert_ok(weft_future_join(runtime, futures, 2, &join));
  inside.activity.waiting_for = join;
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         wait_as(&outside, result.future, 1000000));
  inside.activity.waiting_for = NULL;
  mine.future->producer = NULL;
  same.future->producer = NULL;
  result.future->producer = NULL;
  weft_future_release(join);
  weft_pair_release(&mine);
  weft_pair_release(&same);
  weft_pair_release(&result);
}

// Each of three waits for whichever of the other two comes first.
static weft_status_t end_soon(weft_runtime_t* runtime, void* user,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  (void)runtime;
  (void)user;
  (void)arguments;
  (void)out_result;
  weft_sys_yield();
  return WEFT_OK;
}

// Each search passes a function that is about to end, which is freed then.
static void search_and_let_go(size_t index, void* user) {
  weft_runtime_t* runtime = user;
  const weft_function_t function = {.name = "brief", .run = end_soon};
  const weft_continuation_t next = {.run = pass};
  (void)index;
  for (uint64_t i = weft_kit_amount(20000); i > 0; i--) {
    weft_pair_t pair = weft_pair(runtime);
    weft_future_t* sources[2] = {NULL, pair.future};
    weft_future_t* fork;
    weft_future_t* all;
    weft_kit_assert_ok(weft_async_run(runtime, NULL, &function, NULL, &fork));
    weft_kit_assert_ok(weft_future_then(fork, &next, &sources[0]));
    weft_future_release(fork);
    weft_kit_assert_ok(weft_future_all(runtime, sources, 2, &all));
    weft_future_release(sources[0]);
    weft_kit_assert_status(WEFT_STATUS_DEADLOCK,
                           weft_promise_forward(pair.promise, all));
    weft_pair_release(&pair);
    weft_future_release(all);
  }
}

static void a_function_may_end_while_a_search_names_it(void** state) {
  weft_kit_run_threads(2, search_and_let_go, weft_future_kit_runtime(state));
}

static void a_knot_is_a_circle_too(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  actor_t actors[3] = {make_actor("a"), make_actor("b"), make_actor("c")};
  weft_pair_t pairs[3];
  weft_future_t* others[3];
  for (int i = 0; i < 3; i++) {
    pairs[i] = weft_pair(runtime);
    pairs[i].future->producer = &actors[i].activity;
  }
  for (int i = 0; i < 3; i++) {
    weft_future_t* futures[] = {pairs[(i + 1) % 3].future,
                                pairs[(i + 2) % 3].future};
    weft_kit_assert_ok(weft_future_any(runtime, futures, 2, &others[i]));
  }
  actors[1].activity.waiting_for = others[1];
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         wait_as(&actors[0], others[0], 1000000));
  actors[2].activity.waiting_for = others[2];
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLOCK, "actor a -> any -> promise",
      wait_as(&actors[0], others[0], WEFT_TIME_INFINITE));
  for (int i = 0; i < 3; i++) {
    pairs[i].future->producer = NULL;
    weft_future_release(others[i]);
  }
  for (int i = 0; i < 3; i++) {
    weft_pair_release(&pairs[i]);
  }
}

// Nested so deep that the search gives up: a wait with a deadline, no crash.
static void a_search_has_an_end(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  actor_t a = make_actor("a");
  weft_pair_t mine = weft_pair(runtime);
  weft_pair_t other = weft_pair(runtime);
  mine.future->producer = &a.activity;
  weft_future_t* last = weft_future_retain(mine.future);
  for (int i = 0; i < 2 * WEFT_CIRCLE_DEPTH; i++) {
    weft_future_t* futures[] = {other.future, last};
    weft_future_t* all;
    weft_kit_assert_ok(weft_future_all(runtime, futures, 2, &all));
    weft_future_release(last);
    last = all;
    weft_kit_assert_status(i < WEFT_CIRCLE_DEPTH
                               ? WEFT_STATUS_DEADLOCK
                               : WEFT_STATUS_DEADLINE_EXCEEDED,
                           wait_as(&a, last, 100000));
  }
  mine.future->producer = NULL;
  weft_future_release(last);
  weft_pair_release(&mine);
  weft_pair_release(&other);
}

static void a_long_trail_is_followed_to_its_end(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  actor_t a = make_actor("a");
  weft_pair_t mine = weft_pair(runtime);
  mine.future->producer = &a.activity;
  const weft_continuation_t next = {.run = pass};
  weft_future_t* last = weft_future_retain(mine.future);
  for (uint64_t i = weft_kit_amount(100000); i > 0; i--) {
    weft_future_t* after;
    weft_kit_assert_ok(weft_future_then(last, &next, &after));
    weft_future_release(last);
    last = after;
  }
  weft_kit_assert_status(WEFT_STATUS_DEADLOCK,
                         wait_as(&a, last, WEFT_TIME_INFINITE));
  mine.future->producer = NULL;
  weft_pair_set(&mine, weft_int64(1));
  weft_assert_int64(last, 1);
  weft_future_release(last);
  weft_pair_release(&mine);
}

// --- Races ------------------------------------------------------------------

typedef struct pair_of_actors {
  weft_pair_t pairs[2];
  actor_t actors[2];
  _Atomic int deadlocks;
} pair_of_actors_t;

static void call_each_other(size_t index, void* user) {
  pair_of_actors_t* pair = user;
  weft_thread_self.activity = &pair->actors[index].activity;
  weft_status_code_t code = weft_status_ignore(
      weft_future_wait(pair->pairs[1 - index].future, WEFT_TIME_INFINITE));
  weft_thread_self.activity = NULL;
  weft_count_add(&pair->deadlocks, code == WEFT_STATUS_DEADLOCK ? 1 : 0);
  // Whoever was told goes on, and so does the other then.
  weft_status_ignore(weft_promise_set(pair->pairs[index].promise, weft_none()));
}

static void of_two_that_close_a_circle_together_one_is_told(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    pair_of_actors_t pair = {.pairs = {weft_pair(runtime), weft_pair(runtime)},
                             .actors = {make_actor("a"), make_actor("b")}};
    for (int j = 0; j < 2; j++) {
      pair.pairs[j].future->producer = &pair.actors[j].activity;
    }
    weft_kit_run_threads(2, call_each_other, &pair);
    assert_int_equal(weft_count(&pair.deadlocks), 1);
    weft_graph_wait(runtime);
    weft_pair_release(&pair.pairs[0]);
    weft_pair_release(&pair.pairs[1]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(a_function_that_waits_for_itself_is_told_at_once),
      WEFT_FUTURE_TEST(functions_that_wait_in_a_ring_on_one_thread_are_told),
      WEFT_FUTURE_TEST(
          functions_that_wait_in_a_ring_on_several_threads_are_told),
      WEFT_FUTURE_TEST(forks_that_wait_for_each_other_are_told),
      WEFT_FUTURE_TEST(an_argument_that_needs_the_result_is_told),
      WEFT_FUTURE_TEST(what_is_waited_for_is_described_with_its_producer),
      WEFT_FUTURE_TEST(every_part_of_a_circle_is_named),
      WEFT_FUTURE_TEST(what_stands_in_the_way_is_followed),
      WEFT_FUTURE_TEST(
          futures_of_several_sources_are_stuck_when_nothing_can_end_them),
      WEFT_FUTURE_TEST(a_circle_that_an_outcome_closes_fails_what_is_stuck),
      WEFT_FUTURE_TEST(who_waits_for_a_circle_is_not_part_of_it),
      WEFT_FUTURE_TEST(a_function_may_end_while_a_search_names_it),
      WEFT_FUTURE_TEST(a_knot_is_a_circle_too),
      WEFT_FUTURE_TEST(a_search_has_an_end),
      WEFT_FUTURE_TEST(a_long_trail_is_followed_to_its_end),
      WEFT_FUTURE_TEST(of_two_that_close_a_circle_together_one_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
