// SPDX-License-Identifier: Apache-2.0

#include "async/simulation.h"

#include <string.h>

#include "async/async_internal.h"
#include "base/container.h"
#include "kit/kit.h"
#include "weft/runtime.h"

#define SECOND_NS ((int64_t)1000000000)

static weft_runtime_t* make_simulation(uint64_t seed) {
  const weft_runtime_options_t options = {.simulate = true, .seed = seed};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  return runtime;
}

// Another that takes part in the simulation of `owner`.
static weft_runtime_t* join_simulation(weft_runtime_t* owner) {
  const weft_runtime_options_t options = {.simulate_with = owner};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  return runtime;
}

static void end_simulation(weft_runtime_t* runtime) {
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  weft_runtime_destroy(runtime);
}

static void post(weft_runtime_t* runtime, weft_task_t* task) {
  weft_executor_post(weft_runtime_executor(runtime), task);
}

// --- A small program whose course is written down ---------------------------

#define ACTORS 6
#define LOG_LIMIT 512

typedef struct world world_t;

// A task that goes through a few steps: posts another, waits for a deadline,
// wakes another, starts a timer.
typedef struct player {
  weft_task_t task;
  world_t* world;
  weft_runtime_t* runtime;
  uint32_t index;
  uint32_t rounds;
  weft_parker_t parker;
  weft_timer_t timer;
} player_t;

#define MEMBERS 3

struct world {
  // The players are spread over them; the first owns the simulation.
  weft_runtime_t* runtimes[MEMBERS];
  player_t players[ACTORS];
  uint32_t log[LOG_LIMIT];
  uint32_t log_length;
};

static void note(world_t* world, uint32_t what, uint32_t who) {
  if (world->log_length < LOG_LIMIT) {
    world->log[world->log_length++] = what * 100 + who;
  }
}

static void timer_called(weft_timer_t* timer, void* user) {
  player_t* player = user;
  (void)timer;
  note(player->world, 1, player->index);
  weft_unpark(&player->world->players[(player->index + 1) % ACTORS].parker);
}

static void play(weft_task_t* task) {
  player_t* player = WEFT_CONTAINER_OF(task, player_t, task);
  world_t* world = player->world;
  note(world, 2, player->index);
  if (player->rounds-- == 0) {
    return;
  }
  int64_t deadline_ns =
      weft_deadline_after(player->runtime, (1 + player->index % 3) * SECOND_NS);
  weft_status_t status = weft_timer_start(player->runtime, &player->timer,
                                          deadline_ns, 0, timer_called, player);
  note(world, 3 + (uint32_t)weft_status_ignore(status), player->index);
  status = weft_park(&player->parker, deadline_ns);
  note(world, 30 + (uint32_t)weft_status_ignore(status), player->index);
  note(world, weft_timer_stop(&player->timer) ? 60 : 61, player->index);
  post(player->runtime, &player->task);
}

// Plays the whole program with a seed, on so many runtimes; returns the number
// of steps.
static uint64_t play_world(uint64_t seed, uint32_t runtime_count,
                           world_t* world) {
  memset(world, 0, sizeof(*world));
  world->runtimes[0] = make_simulation(seed);
  for (uint32_t i = 1; i < runtime_count; i++) {
    world->runtimes[i] = join_simulation(world->runtimes[0]);
  }
  for (uint32_t i = 0; i < ACTORS; i++) {
    player_t* player = &world->players[i];
    player->task.run = play;
    player->world = world;
    player->runtime = world->runtimes[i % runtime_count];
    player->index = i;
    player->rounds = 5;
    weft_parker_init(&player->parker, player->runtime);
    post(player->runtime, &player->task);
  }
  uint64_t steps = weft_runtime_run(world->runtimes[0], UINT64_MAX);
  for (uint32_t i = runtime_count; i-- > 0;) {
    end_simulation(world->runtimes[i]);
  }
  return steps;
}

static void the_same_seed_takes_the_same_course(weft_kit_random_t* random,
                                                void* user) {
  (void)user;
  static world_t first;
  static world_t second;
  uint64_t seed = weft_kit_random_next(random);
  for (uint32_t count = 1; count <= MEMBERS; count++) {
    uint64_t steps = play_world(seed, count, &first);
    assert_int_equal(steps, play_world(seed, count, &second));
    assert_int_equal(first.log_length, second.log_length);
    assert_memory_equal(first.log, second.log, sizeof(first.log));
  }
}

static void a_run_can_be_repeated(void** state) {
  (void)state;
  weft_kit_for_some_seeds(100, the_same_seed_takes_the_same_course, NULL);
}

static void seeds_differ_in_the_course_they_take(void** state) {
  (void)state;
  static world_t first;
  static world_t other;
  play_world(1, 1, &first);
  uint32_t different = 0;
  for (uint64_t seed = 2; seed < 12; seed++) {
    play_world(seed, 1, &other);
    different += memcmp(first.log, other.log, sizeof(first.log)) != 0;
  }
  assert_true(different >= 9);
}

// --- Order ------------------------------------------------------------------

typedef struct recorder {
  weft_task_t task;
  uint32_t* order;
  uint32_t* count;
  uint32_t index;
} recorder_t;

static void record(weft_task_t* task) {
  recorder_t* recorder = WEFT_CONTAINER_OF(task, recorder_t, task);
  recorder->order[(*recorder->count)++] = recorder->index;
}

static void every_order_of_three_tasks_happens(void** state) {
  (void)state;
  bool seen[27] = {false};
  uint32_t kinds = 0;
  for (uint64_t seed = 0; seed < 200; seed++) {
    weft_runtime_t* runtime = make_simulation(seed);
    uint32_t order[3];
    uint32_t count = 0;
    recorder_t recorders[3];
    for (uint32_t i = 0; i < 3; i++) {
      recorders[i] = (recorder_t){{.run = record}, order, &count, i};
      post(runtime, &recorders[i].task);
    }
    assert_int_equal(3, weft_runtime_run(runtime, UINT64_MAX));
    end_simulation(runtime);
    uint32_t kind = order[0] * 9 + order[1] * 3 + order[2];
    kinds += seen[kind] ? 0 : 1;
    seen[kind] = true;
  }
  assert_int_equal(6, kinds);
}

// --- Waiting ----------------------------------------------------------------

typedef struct unparker {
  weft_task_t task;
  weft_parker_t* parker;
} unparker_t;

static void run_unparker(weft_task_t* task) {
  weft_unpark(WEFT_CONTAINER_OF(task, unparker_t, task)->parker);
}

static void waiting_outside_runs_the_simulation(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_simulation(1);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  unparker_t unparker = {{.run = run_unparker}, &parker};
  for (int i = 0; i < 10; i++) {
    post(runtime, &unparker.task);
    weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  }
  end_simulation(runtime);
}

static void the_clock_jumps_to_a_deadline_and_only_then(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_simulation(1);
  int64_t start_ns = weft_runtime_now_ns(runtime);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  // An hour passes at once.
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_park(&parker, weft_deadline_after(runtime, 3600 * SECOND_NS)));
  assert_int_equal(start_ns + 3600 * SECOND_NS, weft_runtime_now_ns(runtime));
  // What can run, runs before time passes.
  unparker_t unparker = {{.run = run_unparker}, &parker};
  post(runtime, &unparker.task);
  weft_kit_assert_ok(weft_park(&parker, weft_deadline_after(runtime, 1)));
  assert_int_equal(start_ns + 3600 * SECOND_NS, weft_runtime_now_ns(runtime));
  // A deadline that has passed is not waited for.
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_park(&parker, weft_runtime_now_ns(runtime)));
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_park(&parker, WEFT_TIME_NOW));
  end_simulation(runtime);
}

static void a_wait_that_nothing_can_end_is_a_deadlock(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_simulation(1);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  weft_kit_assert_status(WEFT_STATUS_DEADLOCK,
                         weft_park(&parker, WEFT_TIME_INFINITE));
  // The parker is good for another wait.
  unparker_t unparker = {{.run = run_unparker}, &parker};
  post(runtime, &unparker.task);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  end_simulation(runtime);
}

// Waits in a task.
typedef struct waiter {
  weft_task_t task;
  weft_parker_t parker;
  int64_t deadline_ns;
  weft_status_code_t code;
  bool is_over;
} waiter_t;

static void run_waiter(weft_task_t* task) {
  waiter_t* waiter = WEFT_CONTAINER_OF(task, waiter_t, task);
  waiter->code =
      weft_status_ignore(weft_park(&waiter->parker, waiter->deadline_ns));
  waiter->is_over = true;
}

static void init_waiter(waiter_t* waiter, weft_runtime_t* runtime) {
  *waiter = (waiter_t){
      .task.run = run_waiter,
      .deadline_ns = WEFT_TIME_INFINITE,
  };
  weft_parker_init(&waiter->parker, runtime);
}

static void a_task_that_waits_lets_others_run(void** state) {
  (void)state;
  for (uint64_t seed = 0; seed < 10; seed++) {
    weft_runtime_t* runtime = make_simulation(seed);
    waiter_t waiters[4];
    for (int i = 0; i < 4; i++) {
      init_waiter(&waiters[i], runtime);
      post(runtime, &waiters[i].task);
    }
    assert_int_equal(4, weft_runtime_run(runtime, UINT64_MAX));
    for (int i = 0; i < 4; i++) {
      assert_false(waiters[i].is_over);
      weft_unpark(&waiters[i].parker);
    }
    assert_int_equal(4, weft_runtime_run(runtime, UINT64_MAX));
    for (int i = 0; i < 4; i++) {
      assert_true(waiters[i].is_over);
      assert_int_equal(WEFT_STATUS_OK, waiters[i].code);
    }
    end_simulation(runtime);
  }
}

static void a_task_may_wait_while_the_thread_outside_waits_for_another(
    void** state) {
  (void)state;
  weft_runtime_t* runtime = make_simulation(3);
  waiter_t waiter;
  init_waiter(&waiter, runtime);
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  unparker_t unparker = {{.run = run_unparker}, &parker};
  post(runtime, &waiter.task);
  post(runtime, &unparker.task);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  weft_unpark(&waiter.parker);
  weft_runtime_run(runtime, UINT64_MAX);
  assert_true(waiter.is_over);
  end_simulation(runtime);
}

static void waits_beyond_the_spare_threads_are_refused(void** state) {
  (void)state;
  const weft_runtime_options_t options = {.simulate = true,
                                          .spare_thread_limit = 2};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  waiter_t waiters[3];
  uint32_t refused = 0;
  for (int i = 0; i < 3; i++) {
    init_waiter(&waiters[i], runtime);
    post(runtime, &waiters[i].task);
  }
  weft_runtime_run(runtime, UINT64_MAX);
  for (int i = 0; i < 3; i++) {
    refused += waiters[i].code == WEFT_STATUS_RESOURCE_EXHAUSTED;
    weft_unpark(&waiters[i].parker);
  }
  assert_int_equal(1, refused);
  end_simulation(runtime);
  assert_true(waiters[0].is_over && waiters[1].is_over && waiters[2].is_over);
}

// --- Running and stopping ---------------------------------------------------

typedef struct repeater {
  weft_task_t task;
  weft_runtime_t* runtime;
  uint64_t runs;
  uint64_t inner_steps;
  bool is_over;
} repeater_t;

static void run_repeater(weft_task_t* task) {
  repeater_t* repeater = WEFT_CONTAINER_OF(task, repeater_t, task);
  repeater->runs++;
  repeater->inner_steps += weft_runtime_run(repeater->runtime, 10);
  if (!repeater->is_over) {
    post(repeater->runtime, task);
  }
}

static void a_run_ends_at_the_step_limit(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_simulation(1);
  repeater_t repeater = {.task.run = run_repeater, .runtime = runtime};
  assert_int_equal(0, weft_runtime_run(runtime, 100));
  post(runtime, &repeater.task);
  assert_int_equal(0, weft_runtime_run(runtime, 0));
  assert_int_equal(100, weft_runtime_run(runtime, 100));
  assert_int_equal(100, repeater.runs);
  assert_int_equal(7, weft_runtime_run(runtime, 7));
  assert_int_equal(107, repeater.runs);
  // A task cannot run the simulation that runs it.
  assert_int_equal(0, repeater.inner_steps);
  repeater.is_over = true;
  end_simulation(runtime);
  assert_int_equal(108, repeater.runs);
}

static void a_stop_tells_of_tasks_that_wait_and_drops_timers(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_simulation(1);
  waiter_t waiter;
  init_waiter(&waiter, runtime);
  waiter_t patient;
  init_waiter(&patient, runtime);
  patient.deadline_ns = weft_deadline_after(runtime, 10 * SECOND_NS);
  post(runtime, &waiter.task);
  post(runtime, &patient.task);
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLINE_EXCEEDED, "2 tasks wait",
      weft_runtime_stop(runtime, weft_deadline_after(runtime, SECOND_NS)));
  // Time goes on for those who wait, although timers are closed.
  weft_kit_assert_status_says(WEFT_STATUS_DEADLINE_EXCEEDED, "1 task waits",
                              weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  assert_int_equal(WEFT_STATUS_DEADLINE_EXCEEDED, patient.code);
  weft_unpark(&waiter.parker);
  end_simulation(runtime);
  assert_true(waiter.is_over);
}

// --- Several runtimes in one simulation -------------------------------------

static void members_share_the_turn_and_the_clock(void** state) {
  (void)state;
  weft_runtime_t* owner = make_simulation(1);
  weft_runtime_t* member = join_simulation(owner);
  int64_t start_ns = weft_runtime_now_ns(owner);
  assert_int_equal(start_ns, weft_runtime_now_ns(member));
  weft_parker_t parker;
  weft_parker_init(&parker, owner);
  // A task of one wakes whoever waits at the other.
  unparker_t unparker = {{.run = run_unparker}, &parker};
  post(member, &unparker.task);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  waiter_t waiter;
  init_waiter(&waiter, member);
  post(owner, &waiter.task);
  assert_int_equal(1, weft_runtime_run(member, UINT64_MAX));
  weft_unpark(&waiter.parker);
  assert_int_equal(1, weft_runtime_run(owner, UINT64_MAX));
  assert_true(waiter.is_over);
  weft_parker_init(&parker, member);
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_park(&parker, weft_deadline_after(member, SECOND_NS)));
  assert_int_equal(start_ns + SECOND_NS, weft_runtime_now_ns(owner));
  end_simulation(member);
  end_simulation(owner);
}

typedef struct ticker {
  weft_timer_t timer;
  uint32_t* order;
  uint32_t* count;
  uint32_t index;
} ticker_t;

static void tick(weft_timer_t* timer, void* user) {
  ticker_t* ticker = user;
  (void)timer;
  if (ticker->order != NULL) {
    ticker->order[*ticker->count] = ticker->index;
  }
  *ticker->count += 1;
}

static void timers_of_several_members_run_by_time_then_in_any_order(
    void** state) {
  (void)state;
  uint32_t seen[2] = {0, 0};
  for (uint64_t seed = 0; seed < 50; seed++) {
    weft_runtime_t* runtimes[2];
    runtimes[0] = make_simulation(seed);
    runtimes[1] = join_simulation(runtimes[0]);
    uint32_t order[4];
    uint32_t count = 0;
    ticker_t tickers[4];
    for (uint32_t i = 0; i < 4; i++) {
      tickers[i] = (ticker_t){.order = order, .count = &count, .index = i};
      weft_runtime_t* runtime = runtimes[i % 2];
      int64_t deadline_ns =
          weft_deadline_after(runtime, (2 - (int64_t)i / 2) * SECOND_NS);
      weft_kit_assert_ok(weft_timer_start(runtime, &tickers[i].timer,
                                          deadline_ns, 0, tick, &tickers[i]));
    }
    assert_int_equal(4, weft_runtime_run(runtimes[0], UINT64_MAX));
    assert_true(order[0] + order[1] == 5 && order[2] + order[3] == 1);
    seen[order[2]]++;
    end_simulation(runtimes[1]);
    end_simulation(runtimes[0]);
  }
  assert_true(seen[0] > 10 && seen[1] > 10);
}

static void a_member_stops_while_others_go_on(void** state) {
  (void)state;
  weft_runtime_t* owner = make_simulation(1);
  weft_runtime_t* member = join_simulation(owner);
  weft_runtime_t* other = join_simulation(owner);
  uint32_t ticks = 0;
  ticker_t ticker = {.count = &ticks};
  weft_kit_assert_ok(weft_timer_start(owner, &ticker.timer,
                                      weft_deadline_after(owner, SECOND_NS),
                                      SECOND_NS, tick, &ticker));
  waiter_t waiter;
  init_waiter(&waiter, member);
  waiter.deadline_ns = weft_deadline_after(member, 10 * SECOND_NS + 1);
  post(member, &waiter.task);
  end_simulation(member);
  assert_int_equal(WEFT_STATUS_DEADLINE_EXCEEDED, waiter.code);
  assert_int_equal(10, ticks);
  // Another comes, and they go in any order.
  member = join_simulation(other);
  weft_kit_assert_ok(weft_runtime_stop(owner, WEFT_TIME_INFINITE));
  end_simulation(other);
  init_waiter(&waiter, member);
  waiter.deadline_ns = weft_deadline_after(member, SECOND_NS);
  post(member, &waiter.task);
  weft_runtime_run(member, UINT64_MAX);
  assert_int_equal(WEFT_STATUS_DEADLINE_EXCEEDED, waiter.code);
  assert_int_equal(10, ticks);
  end_simulation(member);
  weft_runtime_destroy(owner);
}

static void note_warning(void* user, weft_status_t warning) {
  *(weft_status_code_t*)user = weft_status_code(warning);
}

static void the_owner_of_a_simulation_goes_last(void** state) {
  (void)state;
  weft_status_code_t code = WEFT_STATUS_OK;
  const weft_runtime_options_t options = {
      .simulate = true, .on_warning = note_warning, .warning_user = &code};
  weft_runtime_t* owner;
  weft_kit_assert_ok(weft_runtime_create(&options, &owner));
  weft_runtime_t* member = join_simulation(owner);
  weft_runtime_destroy(owner);
  assert_int_equal(WEFT_STATUS_FAILED_PRECONDITION, code);
  end_simulation(member);
  end_simulation(owner);
}

static void what_is_no_simulation_has_no_members(void** state) {
  (void)state;
  const weft_runtime_options_t options = {.worker_count = 1};
  weft_runtime_t* real;
  weft_kit_assert_ok(weft_runtime_create(&options, &real));
  const weft_runtime_options_t joining = {.simulate_with = real};
  weft_runtime_t* runtime;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "is no simulation",
                              weft_runtime_create(&joining, &runtime));
  assert_null(runtime);
  weft_runtime_destroy(real);
}

static weft_status_t create_member(const weft_allocator_t* allocator,
                                   void* user, void** out_object) {
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate_with = user};
  weft_runtime_t* runtime;
  weft_status_t status = weft_runtime_create(&options, &runtime);
  *out_object = runtime;
  return status;
}

static void destroy_member(void* object, void* user) {
  (void)user;
  weft_runtime_destroy(object);
}

static void a_member_is_made_whole_or_not_at_all(void** state) {
  (void)state;
  weft_runtime_t* owner = make_simulation(1);
  const weft_kit_creation_t creation = {create_member, destroy_member, owner};
  weft_kit_sweep(&creation);
  end_simulation(owner);
}

// --- Members that are frozen, timers in the background ---------------------

typedef struct counted {
  weft_task_t task;
  weft_timer_t timer;
  int count;
} counted_t;

static void count_task(weft_task_t* task) {
  ++WEFT_CONTAINER_OF(task, counted_t, task)->count;
}

static void count_timer(weft_timer_t* timer, void* user) {
  counted_t* counted = user;
  (void)timer;
  ++counted->count;
}

static void a_frozen_member_takes_no_step_until_it_is_thawed(void** state) {
  (void)state;
  weft_runtime_t* owner = make_simulation(1);
  weft_runtime_t* member = join_simulation(owner);
  counted_t work = {.task.run = count_task};
  weft_simulation_member_t* frozen = weft_async_of(member)->member;
  weft_simulation_freeze(frozen, true);
  post(member, &work.task);
  weft_kit_assert_ok(weft_timer_start(member, &work.timer,
                                      weft_deadline_after(member, SECOND_NS), 0,
                                      count_timer, &work));
  int64_t before_ns = weft_runtime_now_ns(owner);
  assert_int_equal(weft_runtime_run(owner, UINT64_MAX), 0);
  assert_int_equal(weft_runtime_now_ns(owner), before_ns);
  weft_simulation_freeze(frozen, false);
  assert_int_equal(weft_runtime_run(owner, UINT64_MAX), 2);
  assert_int_equal(work.count, 2);
  end_simulation(member);
  end_simulation(owner);
}

static void start_background(weft_runtime_t* runtime, counted_t* counted,
                             int64_t delay_ns) {
  weft_kit_assert_ok(weft_timer_start_background(
      runtime, &counted->timer, weft_deadline_after(runtime, delay_ns),
      count_timer, counted));
}

static void a_timer_in_the_background_keeps_no_simulation_running(
    void** state) {
  (void)state;
  weft_runtime_t* runtime = make_simulation(1);
  counted_t background = {.count = 0};
  counted_t wanted = {.count = 0};
  start_background(runtime, &background, SECOND_NS);
  assert_int_equal(weft_runtime_run(runtime, UINT64_MAX), 0);
  // It runs in its turn while the simulation goes on for another.
  weft_kit_assert_ok(weft_timer_start(
      runtime, &wanted.timer, weft_deadline_after(runtime, 2 * SECOND_NS), 0,
      count_timer, &wanted));
  assert_int_equal(weft_runtime_run(runtime, UINT64_MAX), 2);
  assert_int_equal(background.count, 1);
  // Somebody waits for it after all.
  start_background(runtime, &background, SECOND_NS);
  weft_timer_bring_forward(&background.timer, WEFT_TIME_INFINITE);
  assert_int_equal(weft_runtime_run(runtime, UINT64_MAX), 1);
  assert_int_equal(background.count, 2);
  // Sooner than it was to run, and not later.
  int64_t before_ns = weft_runtime_now_ns(runtime);
  start_background(runtime, &background, 3 * SECOND_NS);
  weft_timer_bring_forward(&background.timer, before_ns + 2 * SECOND_NS);
  weft_timer_bring_forward(&background.timer, before_ns + 9 * SECOND_NS);
  assert_int_equal(weft_runtime_run(runtime, UINT64_MAX), 1);
  assert_int_equal(weft_runtime_now_ns(runtime), before_ns + 2 * SECOND_NS);
  // It has run: there is nothing to bring forward.
  weft_timer_bring_forward(&background.timer, WEFT_TIME_INFINITE);
  // One that was stopped is forgotten, in the background as elsewhere.
  start_background(runtime, &background, SECOND_NS);
  assert_true(weft_timer_stop(&background.timer));
  assert_int_equal(weft_runtime_run(runtime, UINT64_MAX), 0);
  end_simulation(runtime);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_can_be_repeated),
      cmocka_unit_test(seeds_differ_in_the_course_they_take),
      cmocka_unit_test(every_order_of_three_tasks_happens),
      cmocka_unit_test(waiting_outside_runs_the_simulation),
      cmocka_unit_test(the_clock_jumps_to_a_deadline_and_only_then),
      cmocka_unit_test(a_wait_that_nothing_can_end_is_a_deadlock),
      cmocka_unit_test(a_task_that_waits_lets_others_run),
      cmocka_unit_test(
          a_task_may_wait_while_the_thread_outside_waits_for_another),
      cmocka_unit_test(waits_beyond_the_spare_threads_are_refused),
      cmocka_unit_test(a_run_ends_at_the_step_limit),
      cmocka_unit_test(a_stop_tells_of_tasks_that_wait_and_drops_timers),
      cmocka_unit_test(members_share_the_turn_and_the_clock),
      cmocka_unit_test(timers_of_several_members_run_by_time_then_in_any_order),
      cmocka_unit_test(a_member_stops_while_others_go_on),
      cmocka_unit_test(the_owner_of_a_simulation_goes_last),
      cmocka_unit_test(what_is_no_simulation_has_no_members),
      cmocka_unit_test(a_member_is_made_whole_or_not_at_all),
      cmocka_unit_test(a_frozen_member_takes_no_step_until_it_is_thawed),
      cmocka_unit_test(a_timer_in_the_background_keeps_no_simulation_running),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
