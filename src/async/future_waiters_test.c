// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "async/future_kit.h"
#include "base/container.h"

// --- Order ------------------------------------------------------------------

typedef struct log {
  int names[16];
  int count;
} log_t;

typedef struct noter {
  weft_waiter_t waiter;
  log_t* log;
  int name;
} noter_t;

static void note(weft_waiter_t* waiter, weft_future_t* future) {
  noter_t* noter = WEFT_CONTAINER_OF(waiter, noter_t, waiter);
  (void)future;
  noter->log->names[noter->log->count++] = noter->name;
}

static noter_t make_noter(log_t* log, int name) {
  return (noter_t){.waiter = {.callback = note}, .log = log, .name = name};
}

static void assert_log(const log_t* log, const int* names, int count) {
  assert_int_equal(log->count, count);
  assert_memory_equal(log->names, names, (size_t)count * sizeof(*names));
}

static void waiters_run_in_the_order_of_registration(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  log_t log = {.count = 0};
  noter_t noters[5];
  for (int i = 0; i < 5; i++) {
    noters[i] = make_noter(&log, i);
    weft_future_add_waiter(pair.future, &noters[i].waiter);
  }
  weft_pair_set(&pair, weft_none());
  assert_log(&log, (const int[]){0, 1, 2, 3, 4}, 5);
  weft_pair_release(&pair);
}

static void a_waiter_of_a_future_that_is_done_runs_at_once(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  log_t log = {.count = 0};
  noter_t noter = make_noter(&log, 1);
  weft_pair_fail(&pair, weft_status_make(WEFT_STATUS_FAILED, "x"));
  weft_future_add_waiter(pair.future, &noter.waiter);
  assert_log(&log, (const int[]){1}, 1);
  assert_false(weft_future_remove_waiter(pair.future, &noter.waiter));
  weft_pair_release(&pair);
}

// --- Taking back ------------------------------------------------------------

static void a_waiter_that_was_taken_back_never_runs(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  for (int gone = 0; gone < 3; gone++) {
    weft_pair_t pair = weft_pair(runtime);
    log_t log = {.count = 0};
    noter_t noters[3];
    for (int i = 0; i < 3; i++) {
      noters[i] = make_noter(&log, i);
      weft_future_add_waiter(pair.future, &noters[i].waiter);
    }
    assert_true(weft_future_remove_waiter(pair.future, &noters[gone].waiter));
    assert_false(weft_future_remove_waiter(pair.future, &noters[gone].waiter));
    // It can be registered again, and is the last then.
    weft_future_add_waiter(pair.future, &noters[gone].waiter);
    assert_true(weft_future_remove_waiter(pair.future, &noters[gone].waiter));
    weft_pair_set(&pair, weft_none());
    const int kept[3][2] = {{1, 2}, {0, 2}, {0, 1}};
    assert_log(&log, kept[gone], 2);
    for (int i = 0; i < 3; i++) {
      assert_false(weft_future_remove_waiter(pair.future, &noters[i].waiter));
    }
    weft_pair_release(&pair);
  }
}

typedef struct remover {
  weft_waiter_t waiter;
  weft_waiter_t* victim;
  bool was_taken;
} remover_t;

static void remove_victim(weft_waiter_t* waiter, weft_future_t* future) {
  remover_t* remover = WEFT_CONTAINER_OF(waiter, remover_t, waiter);
  remover->was_taken = weft_future_remove_waiter(future, remover->victim);
}

static void a_callback_may_take_back_itself_and_others(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  log_t log = {.count = 0};
  noter_t noter = make_noter(&log, 1);
  remover_t of_other = {.waiter = {.callback = remove_victim},
                        .victim = &noter.waiter};
  remover_t of_itself = {.waiter = {.callback = remove_victim},
                         .victim = &of_itself.waiter,
                         .was_taken = true};
  weft_future_add_waiter(pair.future, &of_itself.waiter);
  weft_future_add_waiter(pair.future, &of_other.waiter);
  weft_future_add_waiter(pair.future, &noter.waiter);
  weft_pair_set(&pair, weft_none());
  assert_false(of_itself.was_taken);
  assert_true(of_other.was_taken);
  assert_int_equal(log.count, 0);
  weft_pair_release(&pair);
}

// --- Lifetimes --------------------------------------------------------------

typedef struct owner {
  weft_waiter_t waiter;
  const weft_allocator_t* allocator;
  weft_promise_t* promise;
  weft_future_t* future;
} owner_t;

static void release_all(weft_waiter_t* waiter, weft_future_t* future) {
  owner_t* owner = WEFT_CONTAINER_OF(waiter, owner_t, waiter);
  (void)future;
  weft_promise_release(owner->promise);
  weft_future_release(owner->future);
  owner->allocator->free(owner->allocator->self, owner, sizeof(*owner));
}

static void a_callback_may_free_its_node_and_release_everything(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  const weft_allocator_t* allocator = weft_runtime_allocator(runtime);
  for (int way = 0; way < 2; way++) {
    owner_t* owner = allocator->allocate(allocator->self, sizeof(*owner), 16);
    weft_pair_t pair = weft_pair(runtime);
    *owner = (owner_t){.waiter = {.callback = release_all},
                       .allocator = allocator,
                       .promise = pair.promise,
                       .future = pair.future};
    weft_future_add_waiter(pair.future, &owner->waiter);
    if (way == 0) {
      weft_kit_assert_ok(weft_promise_set(pair.promise, weft_int64(1)));
    } else {
      assert_true(weft_future_cancel(pair.future));
    }
  }
}

// --- Completing inside a callback -------------------------------------------

typedef struct completer {
  weft_waiter_t waiter;
  weft_pair_t pair;
  // Registered with the other future after it was completed, or NULL.
  weft_waiter_t* late;
} completer_t;

static void complete_other(weft_waiter_t* waiter, weft_future_t* future) {
  completer_t* completer = WEFT_CONTAINER_OF(waiter, completer_t, waiter);
  (void)future;
  weft_kit_assert_ok(weft_promise_set(completer->pair.promise, weft_none()));
  assert_true(weft_future_is_done(completer->pair.future));
  if (completer->late != NULL) {
    weft_future_add_waiter(completer->pair.future, completer->late);
  }
}

static void waiters_keep_their_order_when_a_callback_completes(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  log_t log = {.count = 0};
  noter_t noters[4];
  for (int i = 0; i < 4; i++) {
    noters[i] = make_noter(&log, i);
  }
  completer_t completer = {.waiter = {.callback = complete_other},
                           .pair = weft_pair(runtime),
                           .late = &noters[3].waiter};
  weft_future_add_waiter(pair.future, &completer.waiter);
  weft_future_add_waiter(pair.future, &noters[0].waiter);
  weft_future_add_waiter(completer.pair.future, &noters[1].waiter);
  weft_future_add_waiter(completer.pair.future, &noters[2].waiter);
  weft_pair_set(&pair, weft_none());
  // The callback ended first, then the rest of its future, then the other
  // future's waiters, of which the one that came late is the last.
  assert_log(&log, (const int[]){0, 1, 2, 3}, 4);
  weft_pair_release(&pair);
  weft_pair_release(&completer.pair);
}

typedef struct waiting {
  weft_waiter_t waiter;
  weft_pair_t pair;
  weft_future_t* follower;
} waiting_t;

static weft_status_t pass(void* user, weft_status_t status, weft_value_t value,
                          weft_value_t* out_value) {
  (void)user;
  *out_value = value;
  return weft_status_retain(status);
}

static void complete_and_wait(weft_waiter_t* waiter, weft_future_t* future) {
  waiting_t* waiting = WEFT_CONTAINER_OF(waiter, waiting_t, waiter);
  (void)future;
  weft_kit_assert_ok(weft_promise_set(waiting->pair.promise, weft_int64(3)));
  weft_assert_int64(waiting->follower, 3);
}

static void a_callback_may_wait_for_what_it_has_completed(void** state) {
  weft_runtime_t* runtime = weft_future_kit_runtime(state);
  weft_pair_t pair = weft_pair(runtime);
  waiting_t waiting = {.waiter = {.callback = complete_and_wait},
                       .pair = weft_pair(runtime)};
  const weft_continuation_t next = {.run = pass};
  weft_kit_assert_ok(
      weft_future_then(waiting.pair.future, &next, &waiting.follower));
  weft_future_add_waiter(pair.future, &waiting.waiter);
  weft_pair_set(&pair, weft_none());
  assert_true(weft_future_is_done(waiting.follower));
  weft_future_release(waiting.follower);
  weft_pair_release(&waiting.pair);
  weft_pair_release(&pair);
}

// --- Races ------------------------------------------------------------------

// `remove_waiter` from another thread, while the callback runs.
typedef struct duel {
  weft_waiter_t waiter;
  weft_future_t* future;
  weft_promise_t* promise;
  _Atomic uint32_t entered;
  _Atomic uint32_t removing;
  _Atomic uint32_t removed;
  bool was_over_first;
  bool was_taken;
} duel_t;

static void run_slowly(weft_waiter_t* waiter, weft_future_t* future) {
  duel_t* duel = WEFT_CONTAINER_OF(waiter, duel_t, waiter);
  (void)future;
  weft_raise_word(&duel->entered);
  weft_await_word(&duel->removing, 1);
  // Long enough for the other thread to go to sleep; it must not come back.
  for (int i = 0; i < 2000; i++) {
    weft_sys_yield();
  }
  // Acquire: pairs with the release of the remover.
  duel->was_over_first =
      atomic_load_explicit(&duel->removed, memory_order_acquire) == 0;
}

static void fight(size_t index, void* user) {
  duel_t* duel = user;
  if (index == 0) {
    weft_status_ignore(weft_promise_set(duel->promise, weft_none()));
    return;
  }
  weft_await_word(&duel->entered, 1);
  weft_raise_word(&duel->removing);
  duel->was_taken = weft_future_remove_waiter(duel->future, &duel->waiter);
  weft_raise_word(&duel->removed);
}

static void taking_back_waits_for_a_callback_on_another_thread(void** state) {
  weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
  duel_t duel = {.waiter = {.callback = run_slowly},
                 .future = pair.future,
                 .promise = pair.promise};
  weft_future_add_waiter(pair.future, &duel.waiter);
  weft_kit_run_threads(2, fight, &duel);
  assert_true(duel.was_over_first);
  assert_false(duel.was_taken);
  weft_pair_release(&pair);
}

#define RIVALS 4

typedef struct contest {
  weft_future_t* future;
  weft_promise_t* promise;
  _Atomic int wins;
} contest_t;

static void compete(size_t index, void* user) {
  contest_t* contest = user;
  bool has_won = index == 0
                     ? weft_status_ignore(weft_promise_set(
                           contest->promise, weft_int64(1))) == WEFT_STATUS_OK
                     : weft_future_cancel(contest->future);
  weft_count_add(&contest->wins, has_won ? 1 : 0);
}

static void one_of_many_completions_wins(void** state) {
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
    contest_t contest = {.future = pair.future, .promise = pair.promise};
    weft_kit_run_threads(RIVALS, compete, &contest);
    assert_int_equal(weft_count(&contest.wins), 1);
    weft_pair_release(&pair);
  }
}

// Threads register and take back, one completes: each waiter either was taken
// back or ran, and has run when its node is gone.
#define NODES 8

typedef struct node {
  weft_waiter_t waiter;
  _Atomic uint32_t runs;
  bool is_gone;
} node_t;

typedef struct crowd {
  weft_future_t* future;
  weft_promise_t* promise;
  _Atomic int errors;
} crowd_t;

static void count_run(weft_waiter_t* waiter, weft_future_t* future) {
  node_t* node = WEFT_CONTAINER_OF(waiter, node_t, waiter);
  (void)future;
  // Relaxed: `remove_waiter` synchronises with the callback.
  atomic_fetch_add_explicit(&node->runs, 1, memory_order_relaxed);
}

static void come_and_go(size_t index, void* user) {
  crowd_t* crowd = user;
  if (index == 0) {
    weft_status_ignore(weft_promise_set(crowd->promise, weft_int64(1)));
    return;
  }
  node_t nodes[NODES];
  memset(nodes, 0, sizeof(nodes));
  for (int i = 0; i < NODES; i++) {
    nodes[i].waiter.callback = count_run;
    weft_future_add_waiter(crowd->future, &nodes[i].waiter);
  }
  for (int i = NODES - 1; i >= 0; i--) {
    bool was_taken = weft_future_remove_waiter(crowd->future, &nodes[i].waiter);
    // Relaxed: see `count_run`.
    uint32_t runs = atomic_load_explicit(&nodes[i].runs, memory_order_relaxed);
    if (runs != (was_taken ? 0 : 1)) {
      weft_count_add(&crowd->errors, 1);
    }
  }
}

static void a_waiter_runs_once_or_was_taken_back(void** state) {
  for (uint64_t i = weft_kit_amount(500); i > 0; i--) {
    weft_pair_t pair = weft_pair(weft_future_kit_runtime(state));
    crowd_t crowd = {.future = pair.future, .promise = pair.promise};
    weft_kit_run_threads(RIVALS, come_and_go, &crowd);
    assert_int_equal(weft_count(&crowd.errors), 0);
    weft_pair_release(&pair);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_FUTURE_TEST(waiters_run_in_the_order_of_registration),
      WEFT_FUTURE_TEST(a_waiter_of_a_future_that_is_done_runs_at_once),
      WEFT_FUTURE_TEST(a_waiter_that_was_taken_back_never_runs),
      WEFT_FUTURE_TEST(a_callback_may_take_back_itself_and_others),
      WEFT_FUTURE_TEST(a_callback_may_free_its_node_and_release_everything),
      WEFT_FUTURE_TEST(waiters_keep_their_order_when_a_callback_completes),
      WEFT_FUTURE_TEST(a_callback_may_wait_for_what_it_has_completed),
      WEFT_FUTURE_TEST(taking_back_waits_for_a_callback_on_another_thread),
      WEFT_FUTURE_TEST(one_of_many_completions_wins),
      WEFT_FUTURE_TEST(a_waiter_runs_once_or_was_taken_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
