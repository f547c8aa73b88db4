// SPDX-License-Identifier: Apache-2.0

#include "async/timer.h"

#include "async/async.h"
#include "base/container.h"
#include "kit/kit.h"
#include "weft/runtime.h"

#define MS_NS ((int64_t)1000000)

static weft_runtime_t* make_runtime(bool simulate) {
  const weft_runtime_options_t options = {.simulate = simulate,
                                          .worker_count = 1};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  return runtime;
}

static void end_runtime(weft_runtime_t* runtime) {
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  weft_runtime_destroy(runtime);
}

// --- Against a model --------------------------------------------------------

#define TIMERS 12
#define STEPS 60
#define CALL_LIMIT 4096

// What should be called: a list in the order of starting, searched each time.
typedef struct model_timer {
  bool is_started;
  int64_t deadline_ns;
  int64_t period_ns;
  uint64_t started_as;
} model_timer_t;

typedef struct model {
  weft_runtime_t* runtime;
  weft_timer_t timers[TIMERS];
  model_timer_t expected[TIMERS];
  uint64_t started;
  // Calls as they came: the timer, and when.
  uint32_t called[CALL_LIMIT];
  int64_t called_ns[CALL_LIMIT];
  uint32_t call_count;
} model_t;

static void note_call(weft_timer_t* timer, void* user) {
  model_t* model = user;
  if (model->call_count < CALL_LIMIT) {
    model->called[model->call_count] = (uint32_t)(timer - model->timers);
    model->called_ns[model->call_count] = weft_runtime_now_ns(model->runtime);
    model->call_count++;
  }
}

static int first_expected(const model_t* model) {
  int first = -1;
  for (int i = 0; i < TIMERS; i++) {
    const model_timer_t* a = &model->expected[i];
    const model_timer_t* b = first >= 0 ? &model->expected[first] : NULL;
    if (a->is_started &&
        (b == NULL || a->deadline_ns < b->deadline_ns ||
         (a->deadline_ns == b->deadline_ns && a->started_as < b->started_as))) {
      first = i;
    }
  }
  return first;
}

// Lets time pass up to `until_ns` and compares the calls.
static void pass_time(model_t* model, int64_t until_ns) {
  model->call_count = 0;
  weft_parker_t parker;
  weft_parker_init(&parker, model->runtime);
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_park(&parker, until_ns));
  uint32_t checked = 0;
  int i;
  while ((i = first_expected(model)) >= 0 &&
         model->expected[i].deadline_ns < until_ns) {
    model_timer_t* timer = &model->expected[i];
    assert_true(checked < model->call_count);
    assert_int_equal(i, model->called[checked]);
    assert_int_equal(timer->deadline_ns, model->called_ns[checked]);
    checked++;
    timer->is_started = timer->period_ns > 0;
    timer->deadline_ns += timer->period_ns;
    timer->started_as = model->started++;
  }
  assert_int_equal(checked, model->call_count);
}

static void start_one(model_t* model, weft_kit_random_t* random, uint32_t i) {
  model_timer_t* expected = &model->expected[i];
  // Odd, so that no deadline is that of a wait; few, so that many are equal.
  int64_t delay_ns = 1 + 2 * (int64_t)weft_kit_random_below(random, 20);
  int64_t period_ns = weft_kit_random_below(random, 3) == 0
                          ? 2 * (int64_t)(1 + weft_kit_random_below(random, 10))
                          : 0;
  int64_t deadline_ns = weft_runtime_now_ns(model->runtime) + delay_ns;
  weft_status_t status =
      weft_timer_start(model->runtime, &model->timers[i], deadline_ns,
                       period_ns, note_call, model);
  if (expected->is_started) {
    weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION, status);
    return;
  }
  weft_kit_assert_ok(status);
  *expected = (model_timer_t){true, deadline_ns, period_ns, model->started++};
}

static void timers_do_as_the_model(weft_kit_random_t* random, void* user) {
  (void)user;
  static model_t model;
  model = (model_t){.runtime = make_runtime(true)};
  for (int step = 0; step < STEPS; step++) {
    uint32_t i = (uint32_t)weft_kit_random_below(random, TIMERS);
    switch (weft_kit_random_below(random, 4)) {
      case 0:
        assert_int_equal(model.expected[i].is_started,
                         weft_timer_stop(&model.timers[i]));
        model.expected[i].is_started = false;
        break;
      case 1:
        // An even time after the even start.
        pass_time(&model, weft_runtime_now_ns(model.runtime) + 2 +
                              2 * (int64_t)weft_kit_random_below(random, 10));
        break;
      default:
        start_one(&model, random, i);
    }
  }
  end_runtime(model.runtime);
}

static void timers_run_in_order_of_deadline_and_start(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, timers_do_as_the_model, NULL);
}

// --- On the real clock ------------------------------------------------------

typedef struct probe {
  weft_timer_t timer;
  weft_runtime_t* runtime;
  weft_parker_t parker;
  uint32_t calls;
  uint32_t wanted;
  int64_t called_ns;
  _Atomic uint32_t started;
  _Atomic uint32_t let_go;
  _Atomic uint32_t ended;
  bool stop_result;
} probe_t;

static void init_probe(probe_t* probe, weft_runtime_t* runtime,
                       uint32_t wanted) {
  *probe = (probe_t){.runtime = runtime, .wanted = wanted};
  weft_parker_init(&probe->parker, runtime);
}

static void count_calls(weft_timer_t* timer, void* user) {
  probe_t* probe = user;
  assert_ptr_equal(timer, &probe->timer);
  probe->called_ns = weft_runtime_now_ns(probe->runtime);
  if (++probe->calls == probe->wanted) {
    weft_unpark(&probe->parker);
  }
}

static void a_timer_runs_once_and_not_early(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(false);
  probe_t probe;
  init_probe(&probe, runtime, 1);
  int64_t deadline_ns = weft_deadline_after(runtime, 3 * MS_NS);
  weft_kit_assert_ok(weft_timer_start(runtime, &probe.timer, deadline_ns, 0,
                                      count_calls, &probe));
  weft_kit_assert_ok(weft_park(&probe.parker, WEFT_TIME_INFINITE));
  assert_false(weft_timer_stop(&probe.timer));
  assert_int_equal(1, probe.calls);
  assert_true(probe.called_ns >= deadline_ns);
  end_runtime(runtime);
}

static void a_timer_that_is_due_first_is_not_late_for_others(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(false);
  probe_t late;
  probe_t soon;
  init_probe(&late, runtime, 1);
  init_probe(&soon, runtime, 1);
  weft_kit_assert_ok(weft_timer_start(runtime, &late.timer, WEFT_TIME_INFINITE,
                                      0, count_calls, &late));
  weft_kit_assert_ok(weft_timer_start(runtime, &soon.timer,
                                      weft_deadline_after(runtime, MS_NS), 0,
                                      count_calls, &soon));
  weft_kit_assert_ok(weft_park(&soon.parker, WEFT_TIME_INFINITE));
  assert_true(weft_timer_stop(&late.timer));
  assert_false(weft_timer_stop(&late.timer));
  assert_int_equal(0, late.calls);
  end_runtime(runtime);
}

static void a_period_repeats_until_it_is_stopped(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(false);
  probe_t probe;
  init_probe(&probe, runtime, 5);
  weft_kit_assert_ok(weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW,
                                      MS_NS / 10, count_calls, &probe));
  weft_kit_assert_ok(weft_park(&probe.parker, WEFT_TIME_INFINITE));
  assert_true(weft_timer_stop(&probe.timer));
  uint32_t calls = probe.calls;
  assert_true(calls >= 5);
  end_runtime(runtime);
  assert_int_equal(calls, probe.calls);
}

static void periods_that_were_missed_are_skipped(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(true);
  probe_t probe;
  init_probe(&probe, runtime, 1);
  // Due 995 ns ago, every 100 ns: one call at once, the next in 5 ns.
  int64_t start_ns = weft_runtime_now_ns(runtime);
  weft_kit_assert_ok(weft_timer_start(runtime, &probe.timer, start_ns - 995,
                                      100, count_calls, &probe));
  weft_kit_assert_ok(weft_park(&probe.parker, WEFT_TIME_INFINITE));
  assert_int_equal(1, probe.calls);
  assert_int_equal(start_ns, probe.called_ns);
  assert_int_equal(1, weft_runtime_run(runtime, 1));
  assert_int_equal(2, probe.calls);
  assert_int_equal(start_ns + 5, probe.called_ns);
  assert_true(weft_timer_stop(&probe.timer));
  end_runtime(runtime);
}

// --- Stopping ---------------------------------------------------------------

static void await_flag(_Atomic uint32_t* flag) {
  // Acquire: pairs with the release in `set_flag`.
  while (atomic_load_explicit(flag, memory_order_acquire) == 0) {
    weft_sys_yield();
  }
}

static void set_flag(_Atomic uint32_t* flag) {
  // Release: pairs with the acquire in `await_flag`.
  atomic_store_explicit(flag, 1, memory_order_release);
}

static void hold(weft_timer_t* timer, void* user) {
  (void)timer;
  probe_t* probe = user;
  set_flag(&probe->started);
  await_flag(&probe->let_go);
  set_flag(&probe->ended);
}

// Thread 0 stops the timer while its callback runs; thread 1 lets that end.
static void stop_or_let_go(size_t index, void* user) {
  probe_t* probe = user;
  if (index == 1) {
    set_flag(&probe->let_go);
    return;
  }
  probe->stop_result = weft_timer_stop(&probe->timer);
  // Relaxed: what was done in the callback happened before, or this is 0.
  if (atomic_load_explicit(&probe->ended, memory_order_relaxed) == 0) {
    probe->calls = 1000;
  }
}

static void stopping_waits_for_the_callback_that_runs(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(false);
  for (uint64_t i = 0; i < weft_kit_amount(200); i++) {
    probe_t probe;
    init_probe(&probe, runtime, 0);
    weft_kit_assert_ok(weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW,
                                        i % 2 == 0 ? 0 : MS_NS, hold, &probe));
    await_flag(&probe.started);
    weft_kit_run_threads(2, stop_or_let_go, &probe);
    assert_int_equal(i % 2 == 1, probe.stop_result);
    assert_int_equal(0, probe.calls);
  }
  end_runtime(runtime);
}

static void stop_inside(weft_timer_t* timer, void* user) {
  probe_t* probe = user;
  probe->stop_result = weft_timer_stop(timer);
  probe->calls++;
  weft_unpark(&probe->parker);
}

static void a_callback_may_stop_its_own_timer(void** state) {
  (void)state;
  for (int simulate = 0; simulate <= 1; simulate++) {
    weft_runtime_t* runtime = make_runtime(simulate == 1);
    probe_t probe;
    init_probe(&probe, runtime, 0);
    weft_kit_assert_ok(weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW,
                                        MS_NS, stop_inside, &probe));
    weft_kit_assert_ok(weft_park(&probe.parker, WEFT_TIME_INFINITE));
    end_runtime(runtime);
    assert_true(probe.stop_result);
    assert_int_equal(1, probe.calls);
  }
}

static void start_again(weft_timer_t* timer, void* user) {
  probe_t* probe = user;
  if (++probe->calls == probe->wanted) {
    weft_unpark(&probe->parker);
  } else if (weft_status_ignore(weft_timer_start(probe->runtime, timer,
                                                 WEFT_TIME_NOW, 0, start_again,
                                                 probe)) != WEFT_STATUS_OK) {
    probe->calls = 1000;
  }
}

static void a_callback_may_start_its_own_timer_again(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(false);
  probe_t probe;
  init_probe(&probe, runtime, 10);
  weft_kit_assert_ok(weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW, 0,
                                      start_again, &probe));
  weft_kit_assert_ok(weft_park(&probe.parker, WEFT_TIME_INFINITE));
  end_runtime(runtime);
  assert_int_equal(10, probe.calls);
}

static void free_inside(weft_timer_t* timer, void* user) {
  weft_parker_t* parker = user;
  test_free(WEFT_CONTAINER_OF(timer, probe_t, timer));
  weft_unpark(parker);
}

static void a_callback_may_free_its_timer(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(false);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  for (int i = 0; i < 20; i++) {
    probe_t* probe = test_calloc(1, sizeof(*probe));
    weft_kit_assert_ok(weft_timer_start(runtime, &probe->timer, WEFT_TIME_NOW,
                                        0, free_inside, &parker));
    weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  }
  end_runtime(runtime);
}

// Threads that start and stop the same few timers as fast as they can.
typedef struct contest {
  weft_runtime_t* runtime;
  probe_t probes[4];
} contest_t;

static void count_atomically(weft_timer_t* timer, void* user) {
  (void)timer;
  probe_t* probe = user;
  // Relaxed: a count.
  atomic_fetch_add_explicit(&probe->started, 1, memory_order_relaxed);
}

static void contend(size_t index, void* user) {
  contest_t* contest = user;
  probe_t* probe = &contest->probes[index];
  for (uint64_t i = 0; i < weft_kit_amount(3000); i++) {
    weft_status_t status = weft_timer_start(
        contest->runtime, &probe->timer,
        weft_deadline_after(contest->runtime, (int64_t)(i % 7) * 1000), 0,
        count_atomically, probe);
    probe->wanted += status == WEFT_OK;
    weft_status_ignore(status);
    probe->calls += weft_timer_stop(&probe->timer);
  }
}

static void every_start_ends_in_a_call_or_is_taken_back(void** state) {
  (void)state;
  static contest_t contest;
  contest = (contest_t){.runtime = make_runtime(false)};
  weft_kit_run_threads(4, contend, &contest);
  end_runtime(contest.runtime);
  for (int i = 0; i < 4; i++) {
    const probe_t* probe = &contest.probes[i];
    assert_int_equal(weft_kit_amount(3000), probe->wanted);
    // Relaxed: all threads have ended.
    assert_int_equal(probe->wanted,
                     probe->calls + atomic_load_explicit(&probe->started,
                                                         memory_order_relaxed));
  }
}

// --- What is refused --------------------------------------------------------

static void what_makes_no_sense_is_refused(void** state) {
  (void)state;
  for (int simulate = 0; simulate <= 1; simulate++) {
    weft_runtime_t* runtime = make_runtime(simulate == 1);
    probe_t probe;
    init_probe(&probe, runtime, 0);
    assert_false(weft_timer_stop(&probe.timer));
    weft_kit_assert_status_says(
        WEFT_STATUS_INVALID_ARGUMENT, "-5",
        weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW, -5, count_calls,
                         &probe));
    weft_kit_assert_ok(weft_timer_start(
        runtime, &probe.timer, WEFT_TIME_INFINITE, 0, count_calls, &probe));
    weft_kit_assert_status(
        WEFT_STATUS_FAILED_PRECONDITION,
        weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW, 0, count_calls,
                         &probe));
    weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
    weft_kit_assert_status(
        WEFT_STATUS_CLOSED,
        weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW, 0, count_calls,
                         &probe));
    assert_true(weft_timer_stop(&probe.timer));
    assert_int_equal(0, probe.calls);
    weft_runtime_destroy(runtime);
  }
}

static void a_stop_of_the_runtime_tells_of_a_callback_that_runs(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime(false);
  probe_t probe;
  init_probe(&probe, runtime, 0);
  weft_kit_assert_ok(
      weft_timer_start(runtime, &probe.timer, WEFT_TIME_NOW, 0, hold, &probe));
  await_flag(&probe.started);
  weft_kit_assert_status_says(WEFT_STATUS_DEADLINE_EXCEEDED, "timer",
                              weft_runtime_stop(runtime, WEFT_TIME_NOW));
  set_flag(&probe.let_go);
  end_runtime(runtime);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(timers_run_in_order_of_deadline_and_start),
      cmocka_unit_test(a_timer_runs_once_and_not_early),
      cmocka_unit_test(a_timer_that_is_due_first_is_not_late_for_others),
      cmocka_unit_test(a_period_repeats_until_it_is_stopped),
      cmocka_unit_test(periods_that_were_missed_are_skipped),
      cmocka_unit_test(stopping_waits_for_the_callback_that_runs),
      cmocka_unit_test(a_callback_may_stop_its_own_timer),
      cmocka_unit_test(a_callback_may_start_its_own_timer_again),
      cmocka_unit_test(a_callback_may_free_its_timer),
      cmocka_unit_test(every_start_ends_in_a_call_or_is_taken_back),
      cmocka_unit_test(what_makes_no_sense_is_refused),
      cmocka_unit_test(a_stop_of_the_runtime_tells_of_a_callback_that_runs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
