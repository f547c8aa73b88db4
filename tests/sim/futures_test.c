// SPDX-License-Identifier: Apache-2.0
//
// Futures against a model, in simulation. Chance builds a graph of futures,
// completes, cancels, drops and waits, on a virtual clock; the model (graph.h)
// knows which ends are right. Once everything is left to run between two acts,
// so that what must have happened is known exactly; once the acts come in the
// middle of it all.

#include "sim/graph.h"

enum { ACTS = 110, FORWARDS = 12 };

static weft_runtime_t* make_runtime(const weft_allocator_t* allocator,
                                    uint64_t seed) {
  weft_runtime_options_t options = {
      .allocator = allocator,
      .simulate = true,
      .seed = seed,
      .spare_thread_limit = 2 * GRAPH_NODES,
  };
  weft_runtime_t* runtime = NULL;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  return runtime;
}

typedef struct manner {
  // Everything runs between two acts.
  bool is_quiet;
  // Added to the seed of the runtime alone.
  uint64_t shift;
  // How it went.
  uint64_t course;
} manner_t;

static void play(graph_t* graph, const manner_t* manner) {
  for (uint32_t i = 0; i < ACTS; ++i) {
    graph_act(graph);
    if (manner->is_quiet) {
      weft_runtime_run(graph->runtime, UINT64_MAX);
      graph_check(graph);
    } else if (graph_below(graph, 6) == 0) {
      // Rarely, so that many things can happen next.
      weft_runtime_run(graph->runtime, graph_below(graph, 10));
    }
  }
  weft_runtime_run(graph->runtime, UINT64_MAX);
  graph_check(graph);
  graph_settle_all(graph);
  weft_runtime_run(graph->runtime, UINT64_MAX);
  graph_check_over(graph);
}

static void run_graph(weft_kit_random_t* random, void* user) {
  manner_t* manner = user;
  weft_kit_allocator_t memory = {0};
  weft_kit_allocator_init(&memory);
  graph_t graph = {.random = random};
  uint64_t seed = weft_kit_random_next(random) + manner->shift;
  graph.runtime = make_runtime(&memory.allocator, seed);
  play(&graph, manner);
  graph_release(&graph);
  weft_runtime_destroy(graph.runtime);
  graph_check_released(&graph);
  weft_kit_allocator_deinit(&memory);
  manner->course = graph.course;
}

static void everything_ends_as_soon_as_nothing_stands_in_its_way(void** state) {
  (void)state;
  manner_t manner = {.is_quiet = true};
  weft_kit_for_seeds(run_graph, &manner);
}

static void every_future_ends_as_the_model_says_whatever_comes_between(
    void** state) {
  (void)state;
  manner_t manner = {.is_quiet = false};
  weft_kit_for_seeds(run_graph, &manner);
}

// --- Forwarding in circles --------------------------------------------------

// Promises that are forwarded to each other's futures, some behind other
// combinators. The model is an array: whom each follows.
typedef struct ring {
  weft_promise_t* promises[FORWARDS];
  weft_future_t* futures[FORWARDS];
  // FORWARDS: nobody.
  uint32_t follows[FORWARDS];
} ring_t;

static bool leads_to(const ring_t* ring, uint32_t from, uint32_t goal) {
  while (from != FORWARDS && from != goal) {
    from = ring->follows[from];
  }
  return from == goal;
}

// The future of a promise, or one that follows it and nothing else.
static weft_future_t* disguise(weft_kit_random_t* random,
                               weft_runtime_t* runtime, weft_future_t* future) {
  weft_future_t* disguised = NULL;
  switch (weft_kit_random_below(random, 4)) {
    case 0:
      weft_kit_assert_ok(weft_future_flatten(future, &disguised));
      return disguised;
    case 1:
      weft_kit_assert_ok(weft_future_any(runtime, &future, 1, &disguised));
      return disguised;
    case 2:
      weft_kit_assert_ok(
          weft_future_with_deadline(future, WEFT_TIME_INFINITE, &disguised));
      weft_future_release(disguised);
      return weft_future_retain(future);
    default:
      return weft_future_retain(future);
  }
}

static void forward_one(ring_t* ring, weft_kit_random_t* random,
                        weft_runtime_t* runtime) {
  uint32_t from = (uint32_t)weft_kit_random_below(random, FORWARDS);
  uint32_t to = (uint32_t)weft_kit_random_below(random, FORWARDS);
  if (ring->follows[from] != FORWARDS) {
    return;
  }
  weft_future_t* target = disguise(random, runtime, ring->futures[to]);
  weft_status_t status = weft_promise_forward(ring->promises[from], target);
  weft_future_release(target);
  if (leads_to(ring, to, from)) {
    weft_kit_assert_status(WEFT_STATUS_DEADLOCK, status);
  } else {
    weft_kit_assert_ok(status);
    ring->follows[from] = to;
  }
}

static void check_ring(const ring_t* ring) {
  for (uint32_t i = 0; i < FORWARDS; ++i) {
    uint32_t root = i;
    while (ring->follows[root] != FORWARDS) {
      root = ring->follows[root];
    }
    weft_value_t value = weft_none();
    weft_kit_assert_ok(weft_future_result(ring->futures[i], &value));
    assert_int_equal(value.as.int64, root);
  }
}

static void run_ring(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_kit_allocator_t memory = {0};
  weft_kit_allocator_init(&memory);
  weft_runtime_t* runtime =
      make_runtime(&memory.allocator, weft_kit_random_next(random));
  ring_t ring;
  for (uint32_t i = 0; i < FORWARDS; ++i) {
    ring.follows[i] = FORWARDS;
    weft_kit_assert_ok(
        weft_promise_create(runtime, &ring.promises[i], &ring.futures[i]));
  }
  for (uint32_t i = 0; i < 3 * FORWARDS; ++i) {
    forward_one(&ring, random, runtime);
  }
  for (uint32_t i = 0; i < FORWARDS; ++i) {
    if (ring.follows[i] == FORWARDS) {
      weft_kit_assert_ok(weft_promise_set(ring.promises[i], weft_int64(i)));
    }
    weft_promise_release(ring.promises[i]);
  }
  check_ring(&ring);
  for (uint32_t i = 0; i < FORWARDS; ++i) {
    weft_future_release(ring.futures[i]);
  }
  weft_runtime_destroy(runtime);
  weft_kit_allocator_deinit(&memory);
}

static void a_forward_is_refused_exactly_when_it_closes_a_circle(void** state) {
  (void)state;
  weft_kit_for_seeds(run_ring, NULL);
}

// --- Replay -----------------------------------------------------------------

static uint64_t course_of(uint64_t seed, uint64_t shift) {
  weft_kit_random_t random;
  weft_kit_random_init(&random, seed);
  manner_t manner = {.shift = shift};
  run_graph(&random, &manner);
  return manner.course;
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  for (uint64_t seed = 0; seed < weft_kit_amount(50); ++seed) {
    assert_int_equal(course_of(seed, 0), course_of(seed, 0));
  }
}

// The inputs stay the same; only the seed of the runtime changes.
static void another_seed_takes_another_course(void** state) {
  (void)state;
  uint32_t others = 0;
  for (uint64_t seed = 0; seed < 50; ++seed) {
    others += course_of(seed, 0) != course_of(seed, 1) ? 1 : 0;
  }
  // Most graphs leave little to chance.
  assert_true(others > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_ends_as_soon_as_nothing_stands_in_its_way),
      cmocka_unit_test(
          every_future_ends_as_the_model_says_whatever_comes_between),
      cmocka_unit_test(a_forward_is_refused_exactly_when_it_closes_a_circle),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
      cmocka_unit_test(another_seed_takes_another_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
