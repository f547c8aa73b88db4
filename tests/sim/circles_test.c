// SPDX-License-Identifier: Apache-2.0
//
// Actors of several runtimes that wait for each other, by chance from a seed.
// The model is a list of all waits: who waited for whom, from when to when, and
// whether for each of several or for whichever comes first. Everything ends,
// and what ends with DEADLOCK was part of a circle of waits that were there at
// one moment, and that nothing else could have ended.

#include <stdlib.h>
#include <string.h>

#include "sim/job.h"

enum { NODES = 10, STEPS = 3, TARGETS = 3, WAITS = NODES * STEPS };

enum {
  // (number) takes the steps of that node, and waits for others at each.
  START,
  // (number of a target of a wait) -> nothing, when the node has taken its own.
  ASK,
  ENDPOINTS
};

typedef weft_status_t (*gather_fn_t)(weft_runtime_t* runtime,
                                     weft_future_t* const* futures,
                                     size_t count, weft_future_t** out_future);

// Ways to wait for several.
typedef enum way { ALL, JOIN, MERGE, ANY, WAYS } way_t;

static const gather_fn_t gathers[WAYS] = {
    [ALL] = weft_future_all,
    [JOIN] = weft_future_join,
    [MERGE] = weft_chain_merge,
    [ANY] = weft_future_any,
};

typedef struct step {
  way_t way;
  uint32_t targets[TARGETS];
  uint32_t target_count;
  // Before it. Units: ns.
  int64_t delay_ns;
  // 0: none.
  int64_t timeout_ns;
} step_t;

typedef struct wait {
  uint32_t node;
  const step_t* step;
  // By the clock of the model; no end: it goes on.
  uint64_t begin;
  uint64_t end;
  // The wait itself has failed, or what was waited for though no call did; the
  // calls that have.
  bool is_deadlock;
  bool are_deadlocks[TARGETS];
  // When each call was answered, or had an outcome.
  uint64_t ends[TARGETS];
  bool are_errors[TARGETS];
  weft_waiter_t waiters[TARGETS];
} wait_t;

typedef struct model {
  job_t job;
  weft_kit_random_t* random;
  uint32_t node_count;
  weft_actor_t actors[NODES];
  weft_future_t* starts[NODES];
  step_t steps[NODES][STEPS];
  wait_t waits[WAITS];
  uint32_t wait_count;
  // Counts what happens.
  uint64_t clock;
  uint32_t deadlock_count;
} model_t;

static model_t model;
// Of all seeds.
static uint64_t deadlocks;
static uint64_t peaceful_runs;

static uint32_t below(uint32_t limit) {
  return (uint32_t)weft_kit_random_below(model.random, limit);
}

// --- The actors -------------------------------------------------------------

// Waits for nothing but the time.
static void rest(weft_runtime_t* runtime, int64_t duration_ns) {
  weft_promise_t* promise;
  weft_future_t* never;
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &never));
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_future_wait(never, weft_deadline_after(runtime, duration_ns)));
  weft_promise_release(promise);
  weft_future_release(never);
}

static bool has_deadlock(weft_future_t* future) {
  weft_value_t value;
  weft_status_t status = weft_future_is_done(future)
                             ? weft_future_result(future, &value)
                             : WEFT_OK;
  bool has = weft_status_code(status) == WEFT_STATUS_DEADLOCK;
  weft_status_release(status);
  return has;
}

// Waits for what the step says, or a while.
static weft_status_t wait_for(weft_runtime_t* runtime,
                              weft_future_t* const* calls, const step_t* step,
                              bool* out_is_stuck) {
  weft_future_t* gathered = NULL;
  int64_t deadline_ns = step->timeout_ns > 0
                            ? weft_deadline_after(runtime, step->timeout_ns)
                            : WEFT_TIME_INFINITE;
  if (step->target_count == 1) {
    return weft_future_wait(calls[0], deadline_ns);
  }
  weft_kit_assert_ok(
      gathers[step->way](runtime, calls, step->target_count, &gathered));
  weft_status_t status = weft_future_wait(gathered, deadline_ns);
  *out_is_stuck = has_deadlock(gathered);
  weft_future_release(gathered);
  return status;
}

static void end_call(wait_t* wait, uint32_t index, bool is_error) {
  if (wait->ends[index] == UINT64_MAX) {
    wait->ends[index] = ++model.clock;
    wait->are_errors[index] = is_error;
  }
}

static void call_ended(weft_waiter_t* waiter, weft_future_t* future) {
  wait_t* wait = waiter->user;
  end_call(wait, (uint32_t)(waiter - wait->waiters),
           weft_future_state(future) != WEFT_FUTURE_READY);
}

static wait_t* begin_wait(weft_runtime_t* runtime, uint32_t node,
                          const step_t* step, weft_future_t** calls) {
  wait_t* wait = &model.waits[model.wait_count++];
  *wait = (wait_t){.node = node, .step = step, .end = UINT64_MAX};
  for (uint32_t i = 0; i < step->target_count; i++) {
    int64_t number = (wait - model.waits) * TARGETS + i;
    wait->ends[i] = UINT64_MAX;
    wait->waiters[i] = (weft_waiter_t){.callback = call_ended, .user = wait};
    weft_kit_assert_ok(weft_call(runtime, model.actors[step->targets[i]], ASK,
                                 WEFT_ARGUMENTS(weft_int64(number)), NULL,
                                 &calls[i]));
    weft_future_add_waiter(calls[i], &wait->waiters[i]);
  }
  wait->begin = ++model.clock;
  return wait;
}

static void take_step(weft_runtime_t* runtime, uint32_t node,
                      const step_t* step) {
  weft_future_t* calls[TARGETS] = {NULL};
  rest(runtime, step->delay_ns);
  wait_t* wait = begin_wait(runtime, node, step, calls);
  bool is_stuck = false;
  weft_status_t status = wait_for(runtime, calls, step, &is_stuck);
  wait->end = ++model.clock;
  for (uint32_t i = 0; i < step->target_count; i++) {
    wait->are_deadlocks[i] = has_deadlock(calls[i]);
    is_stuck = is_stuck && !wait->are_deadlocks[i];
    weft_future_cancel(calls[i]);
    weft_future_release(calls[i]);
  }
  wait->is_deadlock =
      is_stuck || weft_status_code(status) == WEFT_STATUS_DEADLOCK;
  weft_status_release(status);
}

static weft_status_t start(weft_context_t* context, void* state,
                           const weft_value_t* arguments,
                           weft_value_t* out_result) {
  uint32_t node = (uint32_t)arguments[0].as.int64;
  (void)state;
  (void)out_result;
  for (uint32_t i = 0; i < STEPS; i++) {
    if (model.steps[node][i].target_count > 0) {
      take_step(weft_context_runtime(context), node, &model.steps[node][i]);
    }
  }
  return WEFT_OK;
}

static weft_status_t ask(weft_context_t* context, void* state,
                         const weft_value_t* arguments,
                         weft_value_t* out_result) {
  uint32_t target = (uint32_t)arguments[0].as.int64;
  (void)context;
  (void)state;
  (void)out_result;
  end_call(&model.waits[target / TARGETS], target % TARGETS, false);
  return WEFT_OK;
}

static const weft_parameter_t number[] = {{"number", WEFT_KIND_INT64}};

static const weft_endpoint_t endpoints[ENDPOINTS] = {
    [START] = {"start", start, number, 1},
    [ASK] = {"ask", ask, number, 1},
};

static const weft_class_t node_class = {
    .name = "node",
    .version = 1,
    .endpoints = endpoints,
    .endpoint_count = ENDPOINTS,
};

// --- What may have happened -------------------------------------------------

static bool is_there(const wait_t* wait, uint64_t moment) {
  return wait->begin <= moment && moment < wait->end;
}

static bool is_open(const wait_t* wait, uint32_t target, uint64_t moment) {
  return wait->ends[target] > moment;
}

// True when one target that has ended has ended the wait as well.
static bool is_over(const wait_t* wait, uint64_t moment) {
  for (uint32_t i = 0; i < wait->step->target_count; i++) {
    if (!is_open(wait, i, moment) &&
        (wait->step->target_count == 1 ||
         (wait->step->way != ALL &&
          wait->are_errors[i] == (wait->step->way != ANY)))) {
      return true;
    }
  }
  return false;
}

// True when a wait cannot end at a moment, if these nodes cannot.
static bool is_stuck(const wait_t* wait, uint64_t moment, uint32_t nodes) {
  uint32_t open = 0;
  uint32_t stuck = 0;
  for (uint32_t i = 0; i < wait->step->target_count; i++) {
    bool is_left = is_open(wait, i, moment);
    open += is_left ? 1 : 0;
    stuck += is_left ? nodes >> wait->step->targets[i] & 1 : 0;
  }
  return is_there(wait, moment) && !is_over(wait, moment) && stuck > 0 &&
         (wait->step->way == ALL || stuck == open);
}

// The nodes, as bits, that wait at a moment for what cannot end.
static uint32_t find_stuck(uint64_t moment) {
  uint32_t nodes = (UINT32_C(1) << model.node_count) - 1;
  for (uint32_t round = 0; round < model.node_count; round++) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < model.wait_count; i++) {
      const wait_t* wait = &model.waits[i];
      left |= is_stuck(wait, moment, nodes) ? UINT32_C(1) << wait->node : 0;
    }
    nodes &= left;
  }
  return nodes;
}

// Those of some nodes that lead to one of them at a moment: whoever waits for
// it, and so on.
static uint32_t leading_to(uint32_t goal, uint64_t moment, uint32_t nodes) {
  uint32_t found = UINT32_C(1) << goal & nodes;
  for (uint32_t round = 0; round < model.node_count; round++) {
    for (uint32_t i = 0; i < model.wait_count; i++) {
      const wait_t* wait = &model.waits[i];
      for (uint32_t k = 0; k < wait->step->target_count; k++) {
        bool leads = (found >> wait->step->targets[k] & 1) != 0;
        if (leads && is_there(wait, moment) && is_open(wait, k, moment)) {
          found |= UINT32_C(1) << wait->node & nodes;
        }
      }
    }
  }
  return found;
}

// True when a target of a wait led back to it while it lasted, and none of the
// waits on the way could have ended.
static bool was_circle(const wait_t* wait, uint32_t index) {
  uint32_t target = wait->step->targets[index];
  uint64_t end = wait->ends[index] < wait->end ? wait->ends[index] : wait->end;
  for (uint64_t moment = wait->begin; moment < end; moment++) {
    uint32_t nodes = find_stuck(moment);
    if ((leading_to(wait->node, moment, nodes) >> target & 1) != 0) {
      return true;
    }
  }
  return false;
}

static void check_wait(const wait_t* wait) {
  bool is_justified = !wait->is_deadlock;
  assert_true(wait->end != UINT64_MAX);
  for (uint32_t i = 0; i < wait->step->target_count; i++) {
    bool was =
        (wait->is_deadlock || wait->are_deadlocks[i]) && was_circle(wait, i);
    assert_true(was || !wait->are_deadlocks[i]);
    is_justified = is_justified || was;
    model.deadlock_count += wait->are_deadlocks[i] ? 1 : 0;
  }
  assert_true(is_justified);
  model.deadlock_count += wait->is_deadlock ? 1 : 0;
}

// --- A run ------------------------------------------------------------------

// Chooses whom a node waits for: in an order, which closes no circle, or not.
static void plan_step(uint32_t node, step_t* step, bool is_ordered) {
  *step = (step_t){
      .way = (way_t)below(WAYS),
      .delay_ns = 1 + (int64_t)below(below(2) == 0 ? 100000 : 30000000),
      .timeout_ns = below(3) == 0 ? 1 + (int64_t)below(40000000) : 0,
  };
  uint32_t count = below(1 + TARGETS);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t target = below(model.node_count);
    bool is_twice = false;
    for (uint32_t k = 0; k < step->target_count; k++) {
      is_twice = is_twice || step->targets[k] == target;
    }
    if (target != node && !is_twice && (!is_ordered || target > node)) {
      step->targets[step->target_count++] = target;
    }
  }
}

static void open_model(weft_kit_random_t* random, bool is_ordered) {
  static const weft_class_t* const classes[] = {&node_class};
  memset(&model, 0, sizeof(model));
  model.random = random;
  model.node_count = 2 + below(NODES - 1);
  const job_options_t options = {
      .size = 2 + below(JOB_MEMBERS - 1),
      .classes = classes,
      .class_count = 1,
  };
  job_open(&model.job, random, &options);
  for (uint32_t i = 0; i < model.node_count; i++) {
    const weft_spawn_options_t place = {.place = below(options.size)};
    weft_kit_assert_ok(weft_spawn(model.job.members[0].runtime, &node_class,
                                  weft_none(), &place, &model.actors[i]));
    for (uint32_t k = 0; k < STEPS; k++) {
      plan_step(i, &model.steps[i][k], is_ordered);
    }
  }
}

static uint32_t count_starts(void) {
  uint32_t done = 0;
  for (uint32_t i = 0; i < model.node_count; i++) {
    done += weft_future_is_done(model.starts[i]) ? 1 : 0;
  }
  return done;
}

// Lets the time go by while nothing else happens.
static void rest_outside(int64_t duration_ns) {
  weft_runtime_t* runtime = model.job.host;
  weft_promise_t* promise;
  weft_future_t* never;
  weft_future_t* later;
  weft_kit_assert_ok(weft_promise_create(runtime, &promise, &never));
  weft_kit_assert_ok(weft_future_with_deadline(
      never, weft_deadline_after(runtime, duration_ns), &later));
  (void)job_run(&model.job, UINT64_MAX);
  weft_future_release(later);
  weft_promise_release(promise);
  weft_future_release(never);
}

static void play(void) {
  for (uint32_t i = 0; i < model.node_count; i++) {
    weft_kit_assert_ok(weft_call(job_any(&model.job)->runtime, model.actors[i],
                                 START, WEFT_ARGUMENTS(weft_int64(i)), NULL,
                                 &model.starts[i]));
  }
  if (below(4) == 0) {
    job_delay(&model.job, below(model.job.size), (int64_t)below(50000000));
  }
  (void)job_run(&model.job, UINT64_MAX);
  if (count_starts() < model.node_count) {
    // What is left is for timers in the background, which keep nothing going.
    rest_outside(INT64_C(60000000000));
  }
}

static void check_model(void) {
  for (uint32_t i = 0; i < model.node_count; i++) {
    weft_value_t value;
    assert_true(weft_future_is_done(model.starts[i]));
    weft_kit_assert_ok(weft_future_result(model.starts[i], &value));
    weft_future_release(model.starts[i]);
  }
  for (uint32_t i = 0; i < model.wait_count; i++) {
    check_wait(&model.waits[i]);
  }
  deadlocks += model.deadlock_count;
  peaceful_runs += model.deadlock_count == 0 ? 1 : 0;
}

static void run(weft_kit_random_t* random, void* user) {
  uint64_t* course = user;
  open_model(random, false);
  play();
  check_model();
  if (course != NULL) {
    *course = model.clock * 31 + model.deadlock_count;
  }
  job_check_warnings(&model.job);
  job_close(&model.job);
}

static void run_ordered(weft_kit_random_t* random, void* user) {
  (void)user;
  open_model(random, true);
  play();
  check_model();
  assert_int_equal(model.deadlock_count, 0);
  job_close(&model.job);
}

static void circles_end_and_nothing_else_is_taken_for_one(void** state) {
  (void)state;
  deadlocks = 0;
  peaceful_runs = 0;
  weft_kit_for_seeds(run, NULL);
  // One seed alone may have none of either.
  assert_true(getenv("WEFT_TEST_SEED") != NULL ||
              (deadlocks > 0 && peaceful_runs > 0));
}

static void waits_in_an_order_never_end_with_deadlock(void** state) {
  (void)state;
  weft_kit_for_seeds(run_ordered, NULL);
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  job_check_courses(run);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(circles_end_and_nothing_else_is_taken_for_one),
      cmocka_unit_test(waits_in_an_order_never_end_with_deadlock),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
