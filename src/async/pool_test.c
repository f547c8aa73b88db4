// SPDX-License-Identifier: Apache-2.0

#include "async/pool.h"

#include "async/async.h"
#include "base/assert.h"
#include "base/container.h"
#include "kit/kit.h"
#include "weft/runtime.h"

// --- A runtime with so many workers -----------------------------------------

static weft_runtime_t* make_runtime(uint32_t worker_count,
                                    uint32_t spare_thread_limit) {
  const weft_runtime_options_t options = {
      .worker_count = worker_count,
      .spare_thread_limit = spare_thread_limit,
  };
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  return runtime;
}

static void end_runtime(weft_runtime_t* runtime) {
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  weft_runtime_destroy(runtime);
}

static void post(weft_runtime_t* runtime, weft_task_t* task) {
  weft_executor_post(weft_runtime_executor(runtime), task);
}

// Waits for a flag that another thread sets, without sleeping on it.
static void await_flag(_Atomic uint32_t* flag) {
  // Acquire: pairs with the release of whoever sets the flag.
  while (atomic_load_explicit(flag, memory_order_acquire) == 0) {
    weft_sys_yield();
  }
}

static void set_flag(_Atomic uint32_t* flag) {
  // Release: pairs with `await_flag`.
  atomic_store_explicit(flag, 1, memory_order_release);
}

// --- Every task runs once ---------------------------------------------------

#define TREE_DEPTH 9
#define ROOTS 64
#define NODES_PER_ROOT ((1 << (TREE_DEPTH + 1)) - 1)

// A task that posts two more, and so on to some depth.
typedef struct node {
  weft_task_t task;
  struct forest* forest;
  uint32_t index;
  _Atomic uint32_t runs;
} node_t;

typedef struct forest {
  weft_runtime_t* runtime;
  _Atomic uint32_t left;
  weft_parker_t parker;
  node_t nodes[ROOTS][NODES_PER_ROOT];
} forest_t;

static void run_node(weft_task_t* task) {
  node_t* node = WEFT_CONTAINER_OF(task, node_t, task);
  forest_t* forest = node->forest;
  // Relaxed: read after `left` has told that all is over.
  atomic_fetch_add_explicit(&node->runs, 1, memory_order_relaxed);
  for (uint32_t child = 2 * node->index + 1;
       child <= 2 * node->index + 2 && child < NODES_PER_ROOT; child++) {
    post(forest->runtime, &node[child - node->index].task);
  }
  // Acquire-release: the last one sees what all others did.
  if (atomic_fetch_sub_explicit(&forest->left, 1, memory_order_acq_rel) == 1) {
    weft_unpark(&forest->parker);
  }
}

static void post_roots(size_t index, void* user) {
  forest_t* forest = user;
  for (size_t root = index; root < ROOTS; root += 4) {
    post(forest->runtime, &forest->nodes[root][0].task);
  }
}

static void grow_forest(uint32_t worker_count) {
  weft_runtime_t* runtime = make_runtime(worker_count, 0);
  forest_t* forest = test_calloc(1, sizeof(*forest));
  forest->runtime = runtime;
  weft_parker_init(&forest->parker, runtime);
  atomic_init(&forest->left, ROOTS * NODES_PER_ROOT);
  for (uint32_t root = 0; root < ROOTS; root++) {
    for (uint32_t i = 0; i < NODES_PER_ROOT; i++) {
      forest->nodes[root][i].task.run = run_node;
      forest->nodes[root][i].forest = forest;
      forest->nodes[root][i].index = i;
    }
  }
  weft_kit_run_threads(4, post_roots, forest);
  weft_kit_assert_ok(weft_park(&forest->parker, WEFT_TIME_INFINITE));
  end_runtime(runtime);
  for (uint32_t root = 0; root < ROOTS; root++) {
    for (uint32_t i = 0; i < NODES_PER_ROOT; i++) {
      // Relaxed: all threads have ended.
      assert_int_equal(1, atomic_load_explicit(&forest->nodes[root][i].runs,
                                               memory_order_relaxed));
    }
  }
  test_free(forest);
}

static void every_task_runs_once_on_one_worker(void** state) {
  (void)state;
  grow_forest(1);
}

static void every_task_runs_once_on_many_workers(void** state) {
  (void)state;
  for (uint64_t i = 0; i < weft_kit_amount(5); i++) {
    grow_forest(2);
    grow_forest(5);
  }
}

// A task that posts more tasks than the worker has places, before any runs.
typedef struct burst {
  weft_task_t task;
  forest_t* forest;
} burst_t;

static void run_burst(weft_task_t* task) {
  forest_t* forest = WEFT_CONTAINER_OF(task, burst_t, task)->forest;
  for (uint32_t i = 0; i < NODES_PER_ROOT; i++) {
    post(forest->runtime, &forest->nodes[0][i].task);
  }
}

static void a_burst_beyond_all_places_loses_nothing(void** state) {
  (void)state;
  assert_true(NODES_PER_ROOT > 3 * WEFT_POOL_PLACES);
  for (uint32_t workers = 1; workers <= 3; workers++) {
    weft_runtime_t* runtime = make_runtime(workers, 0);
    forest_t* forest = test_calloc(1, sizeof(*forest));
    forest->runtime = runtime;
    weft_parker_init(&forest->parker, runtime);
    atomic_init(&forest->left, NODES_PER_ROOT);
    for (uint32_t i = 0; i < NODES_PER_ROOT; i++) {
      forest->nodes[0][i].task.run = run_node;
      forest->nodes[0][i].forest = forest;
      forest->nodes[0][i].index = NODES_PER_ROOT;
    }
    burst_t burst = {.task.run = run_burst, .forest = forest};
    post(runtime, &burst.task);
    weft_kit_assert_ok(weft_park(&forest->parker, WEFT_TIME_INFINITE));
    end_runtime(runtime);
    for (uint32_t i = 0; i < NODES_PER_ROOT; i++) {
      // Relaxed: all threads have ended.
      assert_int_equal(1, atomic_load_explicit(&forest->nodes[0][i].runs,
                                               memory_order_relaxed));
    }
    test_free(forest);
  }
}

// --- Nobody starves ---------------------------------------------------------

// Posts `other` (itself, perhaps) until the flag is set, then unparks.
typedef struct repeater {
  weft_task_t task;
  weft_runtime_t* runtime;
  weft_task_t* other;
  weft_task_t* once;
  _Atomic uint32_t* flag;
  weft_parker_t* parker;
  _Atomic uint32_t started;
} repeater_t;

static void run_repeater(weft_task_t* task) {
  repeater_t* repeater = WEFT_CONTAINER_OF(task, repeater_t, task);
  set_flag(&repeater->started);
  // Relaxed: only whether it is set matters.
  if (atomic_load_explicit(repeater->flag, memory_order_relaxed) != 0) {
    weft_unpark(repeater->parker);
    return;
  }
  post(repeater->runtime, repeater->other);
  if (repeater->once != NULL) {
    post(repeater->runtime, repeater->once);
    repeater->once = NULL;
  }
}

typedef struct setter {
  weft_task_t task;
  _Atomic uint32_t flag;
} setter_t;

static void run_setter(weft_task_t* task) {
  set_flag(&WEFT_CONTAINER_OF(task, setter_t, task)->flag);
}

static void a_task_that_repeats_does_not_starve_injected_ones(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 0);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  setter_t setter = {.task.run = run_setter};
  repeater_t repeater = {.task.run = run_repeater,
                         .runtime = runtime,
                         .other = &repeater.task,
                         .flag = &setter.flag,
                         .parker = &parker};
  post(runtime, &repeater.task);
  await_flag(&repeater.started);
  post(runtime, &setter.task);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  end_runtime(runtime);
}

static void two_tasks_in_turn_do_not_starve_a_third(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 0);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  setter_t setter = {.task.run = run_setter};
  repeater_t b = {.task.run = run_repeater,
                  .runtime = runtime,
                  .flag = &setter.flag,
                  .parker = &parker};
  repeater_t a = b;
  a.other = &b.task;
  a.once = &setter.task;
  b.other = &a.task;
  post(runtime, &a.task);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  end_runtime(runtime);
}

// Repeats itself once, and so waits among those that do.
typedef struct again {
  setter_t setter;
  weft_runtime_t* runtime;
  bool has_run;
} again_t;

static void run_again(weft_task_t* task) {
  setter_t* setter = WEFT_CONTAINER_OF(task, setter_t, task);
  again_t* again = WEFT_CONTAINER_OF(setter, again_t, setter);
  if (again->has_run) {
    run_setter(task);
    return;
  }
  again->has_run = true;
  post(again->runtime, task);
}

static void two_tasks_in_turn_do_not_starve_one_that_repeats(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 0);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  again_t again = {.setter.task.run = run_again, .runtime = runtime};
  repeater_t b = {.task.run = run_repeater,
                  .runtime = runtime,
                  .flag = &again.setter.flag,
                  .parker = &parker};
  repeater_t a = b;
  a.other = &b.task;
  a.once = &again.setter.task;
  b.other = &a.task;
  post(runtime, &a.task);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  end_runtime(runtime);
}

// Posts a task and does not return before that has run.
typedef struct stubborn {
  weft_task_t task;
  weft_runtime_t* runtime;
  setter_t setters[2];
  uint32_t setter_count;
  weft_parker_t parker;
} stubborn_t;

static void run_stubborn(weft_task_t* task) {
  stubborn_t* stubborn = WEFT_CONTAINER_OF(task, stubborn_t, task);
  for (uint32_t i = 0; i < stubborn->setter_count; i++) {
    stubborn->setters[i].task.run = run_setter;
    post(stubborn->runtime, &stubborn->setters[i].task);
  }
  for (uint32_t i = 0; i < stubborn->setter_count; i++) {
    await_flag(&stubborn->setters[i].flag);
  }
  weft_unpark(&stubborn->parker);
}

static void a_task_behind_one_that_does_not_end_runs_elsewhere(void** state) {
  (void)state;
  for (uint32_t count = 1; count <= 2; count++) {
    weft_runtime_t* runtime = make_runtime(2, 0);
    for (int i = 0; i < 20; i++) {
      stubborn_t stubborn = {
          .task.run = run_stubborn, .runtime = runtime, .setter_count = count};
      weft_parker_init(&stubborn.parker, runtime);
      post(runtime, &stubborn.task);
      weft_kit_assert_ok(weft_park(&stubborn.parker, WEFT_TIME_INFINITE));
    }
    end_runtime(runtime);
  }
}

// --- No wake-up is lost -----------------------------------------------------

typedef struct unparker {
  weft_task_t task;
  weft_parker_t parker;
} unparker_t;

static void run_unparker(weft_task_t* task) {
  weft_unpark(&WEFT_CONTAINER_OF(task, unparker_t, task)->parker);
}

static void post_and_wait(size_t index, void* user) {
  (void)index;
  weft_runtime_t* runtime = user;
  unparker_t unparker = {.task.run = run_unparker};
  weft_parker_init(&unparker.parker, runtime);
  for (uint64_t i = 0; i < weft_kit_amount(5000); i++) {
    post(runtime, &unparker.task);
    if (weft_park(&unparker.parker, WEFT_TIME_INFINITE) != WEFT_OK) {
      weft_assert(false);
    }
  }
}

static void each_post_from_outside_wakes_somebody(void** state) {
  (void)state;
  for (uint32_t workers = 1; workers <= 3; workers++) {
    weft_runtime_t* runtime = make_runtime(workers, 0);
    post_and_wait(0, runtime);
    weft_kit_run_threads(3, post_and_wait, runtime);
    end_runtime(runtime);
  }
}

// --- Waiting in a task ------------------------------------------------------

// Waits in a task until somebody unparks it.
typedef struct waiter {
  weft_task_t task;
  weft_parker_t parker;
  weft_status_code_t code;
  bool has_worker_after;
  _Atomic uint32_t started;
  _Atomic uint32_t ended;
} waiter_t;

static void run_waiter(weft_task_t* task) {
  waiter_t* waiter = WEFT_CONTAINER_OF(task, waiter_t, task);
  set_flag(&waiter->started);
  weft_status_t status = weft_park(&waiter->parker, WEFT_TIME_INFINITE);
  waiter->code = weft_status_ignore(status);
  waiter->has_worker_after = weft_thread_self.worker != NULL;
  set_flag(&waiter->ended);
}

static void start_waiter(waiter_t* waiter, weft_runtime_t* runtime) {
  *waiter = (waiter_t){.task.run = run_waiter};
  weft_parker_init(&waiter->parker, runtime);
  post(runtime, &waiter->task);
}

static void run_one(weft_runtime_t* runtime) {
  unparker_t unparker = {.task.run = run_unparker};
  weft_parker_init(&unparker.parker, runtime);
  post(runtime, &unparker.task);
  weft_kit_assert_ok(weft_park(&unparker.parker, WEFT_TIME_INFINITE));
}

static void tasks_that_wait_leave_their_workers_to_others(void** state) {
  (void)state;
  enum { WAITERS = 8 };
  for (uint32_t workers = 1; workers <= 3; workers++) {
    weft_runtime_t* runtime = make_runtime(workers, WAITERS);
    waiter_t waiters[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
      start_waiter(&waiters[i], runtime);
    }
    for (int i = 0; i < WAITERS; i++) {
      await_flag(&waiters[i].started);
      run_one(runtime);
    }
    for (int i = WAITERS - 1; i >= 0; i--) {
      weft_unpark(&waiters[i].parker);
      await_flag(&waiters[i].ended);
      assert_int_equal(WEFT_STATUS_OK, waiters[i].code);
      run_one(runtime);
    }
    end_runtime(runtime);
  }
}

static void a_wait_beyond_the_spare_threads_is_refused(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 2);
  waiter_t waiters[3];
  for (int i = 0; i < 3; i++) {
    start_waiter(&waiters[i], runtime);
  }
  await_flag(&waiters[2].ended);
  assert_int_equal(WEFT_STATUS_RESOURCE_EXHAUSTED, waiters[2].code);
  assert_true(waiters[2].has_worker_after);
  for (int i = 0; i < 2; i++) {
    weft_unpark(&waiters[i].parker);
    await_flag(&waiters[i].ended);
    assert_int_equal(WEFT_STATUS_OK, waiters[i].code);
  }
  // A thread is free again.
  start_waiter(&waiters[0], runtime);
  await_flag(&waiters[0].started);
  weft_unpark(&waiters[0].parker);
  await_flag(&waiters[0].ended);
  assert_int_equal(WEFT_STATUS_OK, waiters[0].code);
  end_runtime(runtime);
}

static void a_task_has_a_worker_again_after_its_wait_if_one_is_free(
    void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 0);
  waiter_t waiter;
  start_waiter(&waiter, runtime);
  await_flag(&waiter.started);
  weft_unpark(&waiter.parker);
  await_flag(&waiter.ended);
  assert_true(waiter.has_worker_after);
  end_runtime(runtime);
}

// Keeps a worker until it is let go.
typedef struct holder {
  weft_task_t task;
  _Atomic uint32_t started;
  _Atomic uint32_t let_go;
} holder_t;

static void run_holder(weft_task_t* task) {
  holder_t* holder = WEFT_CONTAINER_OF(task, holder_t, task);
  set_flag(&holder->started);
  await_flag(&holder->let_go);
}

static void a_task_goes_on_without_a_worker_when_all_are_busy(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 0);
  waiter_t waiter;
  start_waiter(&waiter, runtime);
  await_flag(&waiter.started);
  holder_t holder = {.task.run = run_holder};
  post(runtime, &holder.task);
  await_flag(&holder.started);
  weft_unpark(&waiter.parker);
  await_flag(&waiter.ended);
  assert_false(waiter.has_worker_after);
  set_flag(&holder.let_go);
  run_one(runtime);
  end_runtime(runtime);
}

// --- Stopping ---------------------------------------------------------------

static void a_stop_names_what_still_runs_and_can_be_repeated(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(2, 0);
  holder_t holder = {.task.run = run_holder};
  post(runtime, &holder.task);
  await_flag(&holder.started);
  waiter_t waiter;
  start_waiter(&waiter, runtime);
  await_flag(&waiter.started);
  int64_t deadline_ns = weft_deadline_after(runtime, 20000000);
  weft_kit_assert_status_says(WEFT_STATUS_DEADLINE_EXCEEDED,
                              "has run one task since before the stop",
                              weft_runtime_stop(runtime, deadline_ns));
  set_flag(&holder.let_go);
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLINE_EXCEEDED, "1 task waits",
      weft_runtime_stop(runtime, weft_deadline_after(runtime, 20000000)));
  weft_unpark(&waiter.parker);
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  weft_runtime_destroy(runtime);
}

// Waits, then posts a task and waits for that.
typedef struct insister {
  waiter_t waiter;
  unparker_t unparker;
} insister_t;

static void run_insister(weft_task_t* task) {
  waiter_t* waiter = WEFT_CONTAINER_OF(task, waiter_t, task);
  insister_t* insister = WEFT_CONTAINER_OF(waiter, insister_t, waiter);
  weft_unpark(&insister->unparker.parker);
  run_waiter(task);
  post(waiter->parker.runtime, &insister->unparker.task);
  weft_status_t status =
      weft_park(&insister->unparker.parker, WEFT_TIME_INFINITE);
  waiter->code = weft_status_ignore(status);
}

static void a_task_that_waits_during_a_stop_can_still_post_others(
    void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 0);
  insister_t insister = {.waiter.task.run = run_insister,
                         .unparker.task.run = run_unparker};
  weft_parker_init(&insister.waiter.parker, runtime);
  weft_parker_init(&insister.unparker.parker, runtime);
  post(runtime, &insister.waiter.task);
  weft_kit_assert_ok(weft_park(&insister.unparker.parker, WEFT_TIME_INFINITE));
  run_one(runtime);
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_runtime_stop(runtime, weft_deadline_after(runtime, 1000000)));
  weft_unpark(&insister.waiter.parker);
  end_runtime(runtime);
  assert_int_equal(WEFT_STATUS_OK, insister.waiter.code);
}

static void a_stop_lets_queued_tasks_run_first(void** state) {
  (void)state;
  enum { TASKS = 1000 };
  weft_runtime_t* runtime = make_runtime(2, 0);
  holder_t holders[2] = {{.task.run = run_holder}, {.task.run = run_holder}};
  setter_t* setters = test_calloc(TASKS, sizeof(*setters));
  for (int i = 0; i < 2; i++) {
    post(runtime, &holders[i].task);
    await_flag(&holders[i].started);
  }
  for (int i = 0; i < TASKS; i++) {
    setters[i].task.run = run_setter;
    post(runtime, &setters[i].task);
  }
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_async_stop(runtime, WEFT_TIME_NOW));
  set_flag(&holders[0].let_go);
  set_flag(&holders[1].let_go);
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  for (int i = 0; i < TASKS; i++) {
    // Relaxed: all threads have ended.
    assert_int_equal(
        1, atomic_load_explicit(&setters[i].flag, memory_order_relaxed));
  }
  weft_runtime_destroy(runtime);
  test_free(setters);
}

static void a_task_posted_after_the_stop_runs_when_all_is_destroyed(
    void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(1, 0);
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  setter_t setter = {.task.run = run_setter};
  post(runtime, &setter.task);
  weft_runtime_destroy(runtime);
  // Relaxed: the same thread ran it.
  assert_int_equal(1, atomic_load_explicit(&setter.flag, memory_order_relaxed));
}

// --- Sizes ------------------------------------------------------------------

static void what_every_task_touches_is_small(void** state) {
  (void)state;
  assert_int_equal(2 * sizeof(void*), sizeof(weft_task_t));
  // The worker's own words are one cache line, `next` begins another.
  assert_int_equal(64, offsetof(weft_worker_t, queue));
  assert_int_equal(0, offsetof(weft_pool_queue_t, next));
  assert_int_equal(0, offsetof(weft_pool_places_t, head));
  assert_int_equal(64, offsetof(weft_pool_places_t, tail));
  // Threads that wait keep these on their stacks, futures embed timers.
  assert_true(sizeof(weft_timer_t) <= 72);
  assert_true(sizeof(weft_parker_t) <= 120);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_every_task_touches_is_small),
      cmocka_unit_test(every_task_runs_once_on_one_worker),
      cmocka_unit_test(every_task_runs_once_on_many_workers),
      cmocka_unit_test(a_burst_beyond_all_places_loses_nothing),
      cmocka_unit_test(a_task_that_repeats_does_not_starve_injected_ones),
      cmocka_unit_test(two_tasks_in_turn_do_not_starve_a_third),
      cmocka_unit_test(two_tasks_in_turn_do_not_starve_one_that_repeats),
      cmocka_unit_test(a_task_behind_one_that_does_not_end_runs_elsewhere),
      cmocka_unit_test(each_post_from_outside_wakes_somebody),
      cmocka_unit_test(tasks_that_wait_leave_their_workers_to_others),
      cmocka_unit_test(a_wait_beyond_the_spare_threads_is_refused),
      cmocka_unit_test(a_task_has_a_worker_again_after_its_wait_if_one_is_free),
      cmocka_unit_test(a_task_goes_on_without_a_worker_when_all_are_busy),
      cmocka_unit_test(a_stop_names_what_still_runs_and_can_be_repeated),
      cmocka_unit_test(a_task_that_waits_during_a_stop_can_still_post_others),
      cmocka_unit_test(a_stop_lets_queued_tasks_run_first),
      cmocka_unit_test(a_task_posted_after_the_stop_runs_when_all_is_destroyed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
