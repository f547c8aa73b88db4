// SPDX-License-Identifier: Apache-2.0
//
// Calls that make calls, in simulation. Chance draws trees of tasks: each is
// a call to an actor whose handler calls for the children, waits for them on
// its stack or leaves that to whoever holds the reply, fails, or sleeps; some
// calls have deadlines, and some trees are cancelled. The model walks the tree.

#include <stdio.h>
#include <string.h>

#include "sim/errand.h"

enum { TREES = 4 };

// A tree of tasks.
typedef struct tree {
  uint32_t root;
  weft_future_t* reply;
  bool is_cancelled;
} tree_t;

// --- Drawing trees ----------------------------------------------------------

static uint32_t below(errand_t* errand, uint32_t limit) {
  return (uint32_t)weft_kit_random_below(errand->random, limit);
}

static task_t* draw_task(errand_t* errand, uint32_t parent) {
  task_t* task = &errand->tasks[errand->count];
  *task = (task_t){
      .errand = errand,
      .parent = parent,
      .deed = (deed_t)below(errand, DEED_COUNT),
      .timeout_ns = below(errand, 4) == 0 ? 1 + below(errand, 60) : 0,
  };
  if (task->deed == DEED_SLEEP && below(errand, 2) == 0) {
    // Sleepers hold up their actor; so there are fewer.
    task->deed = DEED_NAP;
  }
  uint32_t first = 0;
  if (!errand->is_wild && parent != NOBODY) {
    // Only to actors of a higher number: no circles.
    first = errand->tasks[parent].actor + 1;
  }
  task->actor = first + below(errand, ACTORS - first);
  ++errand->count;
  return task;
}

static uint32_t draw_tree(errand_t* errand) {
  uint32_t root = errand->count;
  draw_task(errand, NOBODY);
  for (uint32_t i = root; i < errand->count; ++i) {
    task_t* task = &errand->tasks[i];
    bool calls = task->deed <= DEED_DEFER &&
                 (errand->is_wild || task->actor + 1 < ACTORS);
    uint32_t wanted = calls ? below(errand, CHILDREN + 1) : 0;
    while (task->child_count < wanted && errand->count < TASKS) {
      task->children[task->child_count++] = errand->count;
      draw_task(errand, i);
    }
  }
  return root;
}

// --- The model --------------------------------------------------------------

// What a tree may come to.
typedef struct forecast {
  // A bit for each task whose failure may be the outcome.
  uint32_t failures;
  bool may_succeed;
  int64_t sum;
  // It may be late; it may not end unless it is cancelled.
  bool may_be_late;
  bool may_sleep;
} forecast_t;

static forecast_t foresee(const errand_t* errand, uint32_t index) {
  const task_t* task = &errand->tasks[index];
  forecast_t all = {.may_succeed = true, .sum = 1};
  if (task->deed == DEED_FAIL) {
    all = (forecast_t){.failures = UINT32_C(1) << index};
  } else if (task->deed == DEED_SLEEP) {
    all = (forecast_t){.may_sleep = true};
  }
  // Numbers of children are higher, so this ends.
  for (uint32_t i = 0; i < task->child_count; ++i) {
    forecast_t child = foresee(errand, task->children[i]);
    // Who waits in turn sees the first failure in turn.
    bool is_seen = all.may_succeed || all.may_sleep || all.may_be_late ||
                   task->deed == DEED_DEFER;
    if (is_seen) {
      all.failures |= child.failures;
      all.may_sleep |= child.may_sleep;
      all.may_be_late |= child.may_be_late;
    }
    all.may_succeed &= child.may_succeed;
    all.sum += child.sum;
  }
  all.may_be_late |= task->timeout_ns != 0;
  return all;
}

static void check_failure(const errand_t* errand, const tree_t* tree,
                          weft_status_t status, forecast_t forecast) {
  weft_status_t root = weft_status_root(status);
  int index = -1;
  switch (weft_status_code(root)) {
    case WEFT_STATUS_FAILED:
      assert_int_equal(sscanf(weft_status_message(root), "task %d", &index), 1);
      assert_true((forecast.failures >> index & 1) != 0);
      assert_string_equal(weft_status_origin(root).endpoint, "work");
      return;
    case WEFT_STATUS_DEADLINE_EXCEEDED:
      assert_true(forecast.may_be_late);
      return;
    case WEFT_STATUS_DEADLOCK:
      assert_true(errand->is_wild);
      return;
    default:
      assert_true(tree->is_cancelled);
      assert_int_equal(weft_status_code(status), WEFT_STATUS_CANCELLED);
  }
}

static void check_tree(const errand_t* errand, const tree_t* tree) {
  forecast_t forecast = foresee(errand, tree->root);
  weft_value_t value = weft_none();
  assert_true(weft_future_is_done(tree->reply));
  weft_status_t status = weft_future_result(tree->reply, &value);
  if (status != WEFT_OK) {
    check_failure(errand, tree, status, forecast);
  } else {
    assert_true(forecast.may_succeed);
    assert_int_equal(value.as.int64, forecast.sum);
  }
  weft_status_release(status);
}

// --- A run ------------------------------------------------------------------

static void cancel(errand_t* errand, tree_t* tree) {
  tree->is_cancelled |= weft_future_cancel(tree->reply);
  if (below(errand, 2) == 0) {
    weft_runtime_run(errand->runtime, UINT64_MAX);
  }
}

static void start_tree(errand_t* errand, tree_t* tree) {
  tree->root = draw_tree(errand);
  weft_kit_assert_ok(errand_call(&errand->tasks[tree->root], WEFT_TIME_INFINITE,
                                 &tree->reply));
}

// Cancelling reaches whatever a handler waits for. Only who was called by a
// handler that has gone on without the answer may sleep still, and whoever
// waits for the sleeper; never a root.
static void check_sleepers(const errand_t* errand) {
  for (uint32_t i = 0; i < errand->count; ++i) {
    const task_t* task = &errand->tasks[i];
    while (task->entered > task->left) {
      assert_int_not_equal(task->parent, NOBODY);
      task = &errand->tasks[task->parent];
    }
  }
}

static void wake_sleepers(errand_t* errand) {
  errand->is_over = true;
  weft_promise_release(errand->never_promise);
  weft_runtime_run(errand->runtime, UINT64_MAX);
  weft_future_release(errand->never);
}

static void finish(errand_t* errand, tree_t* trees, uint32_t count) {
  weft_runtime_run(errand->runtime, UINT64_MAX);
  for (uint32_t i = 0; i < count; ++i) {
    if (!weft_future_is_done(trees[i].reply)) {
      cancel(errand, &trees[i]);
    }
  }
  weft_runtime_run(errand->runtime, UINT64_MAX);
  if (errand->wrong != NULL) {
    fail_msg("%s", errand->wrong);
  }
  for (uint32_t i = 0; i < count; ++i) {
    check_tree(errand, &trees[i]);
    weft_future_release(trees[i].reply);
  }
  check_sleepers(errand);
  wake_sleepers(errand);
}

static void play(errand_t* errand) {
  tree_t trees[TREES] = {{0}};
  uint32_t count = 0;
  while (count < TREES && errand->count < TASKS) {
    start_tree(errand, &trees[count++]);
    weft_runtime_run(errand->runtime, below(errand, 20));
    if (below(errand, 4) == 0) {
      cancel(errand, &trees[below(errand, count)]);
    }
  }
  finish(errand, trees, count);
}

static void ignore_warning(void* user, weft_status_t warning) {
  (void)user;
  (void)warning;
}

static void open_errand(errand_t* errand, const weft_allocator_t* allocator) {
  static const weft_class_t* const classes[] = {&errand_class};
  const weft_runtime_options_t options = {
      .allocator = allocator,
      .classes = classes,
      .class_count = 1,
      .spare_thread_limit = 2 * TASKS,
      .on_warning = ignore_warning,
      .simulate = true,
      .seed = weft_kit_random_next(errand->random),
  };
  weft_kit_assert_ok(weft_runtime_create(&options, &errand->runtime));
  weft_value_t init = weft_none();
  weft_kit_assert_ok(
      weft_opaque_create(allocator, &errand_type, errand, &init));
  for (uint32_t i = 0; i < ACTORS; ++i) {
    weft_kit_assert_ok(weft_spawn(errand->runtime, &errand_class, init, NULL,
                                  &errand->actors[i]));
  }
  weft_value_release(init);
  weft_kit_assert_ok(weft_promise_create(
      errand->runtime, &errand->never_promise, &errand->never));
}

static void run_errand(weft_kit_random_t* random, void* user) {
  const bool* is_wild = user;
  weft_kit_allocator_t memory = {0};
  weft_kit_allocator_init(&memory);
  errand_t errand = {.random = random, .is_wild = *is_wild};
  open_errand(&errand, &memory.allocator);
  play(&errand);
  for (uint32_t i = 0; i < errand.count; ++i) {
    // Nobody is left behind in a handler.
    assert_int_equal(errand.tasks[i].entered, errand.tasks[i].left);
  }
  weft_runtime_destroy(errand.runtime);
  weft_kit_allocator_deinit(&memory);
}

static void calls_that_make_calls_end_as_their_tree_says(void** state) {
  (void)state;
  bool is_wild = false;
  weft_kit_for_some_seeds(600, run_errand, &is_wild);
}

static void calls_in_circles_end_too_and_no_handler_is_left_behind(
    void** state) {
  (void)state;
  bool is_wild = true;
  weft_kit_for_some_seeds(600, run_errand, &is_wild);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(calls_that_make_calls_end_as_their_tree_says),
      cmocka_unit_test(calls_in_circles_end_too_and_no_handler_is_left_behind),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
