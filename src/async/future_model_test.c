// SPDX-License-Identifier: Apache-2.0
//
// Random programs of futures of every kind: whatever happens to them, each
// ends, once, and nothing is left behind. In a simulation the course is
// decided by the seed; on threads it is not.

#include <string.h>

#include "async/future_kit.h"

#define FUTURES 24
#define PROMISES 6
#define WAITS 3

// --- Functions that wait for others -----------------------------------------

typedef struct world world_t;

typedef struct work {
  world_t* world;
  // What the function waits for, one after another.
  uint32_t targets[WAITS];
  uint32_t target_count;
  int64_t timeout_ns;
} work_t;

struct world {
  weft_runtime_t* runtime;
  weft_pair_t pairs[PROMISES];
  // Kept once all futures are made: functions find them by their numbers.
  weft_pair_t gate;
  weft_future_t* futures[FUTURES];
  uint32_t count;
  work_t works[FUTURES];
  _Atomic int running;
  _Atomic int releases;
  int promised_releases;
};

static weft_status_t do_work(weft_runtime_t* runtime, void* user,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  work_t* work = user;
  (void)arguments;
  for (uint32_t i = 0; i < work->target_count; i++) {
    weft_future_t* target = work->world->futures[work->targets[i]];
    WEFT_RETURN_IF_ERROR(weft_future_wait(
        target, weft_deadline_after(runtime, work->timeout_ns)));
  }
  *out_result = weft_int64(1);
  return WEFT_OK;
}

static void end_work(void* user) {
  work_t* work = user;
  weft_count_add(&work->world->releases, 1);
}

static weft_status_t pass(void* user, weft_status_t status, weft_value_t value,
                          weft_value_t* out_value) {
  (void)user;
  *out_value = weft_value_retain(value);
  return weft_status_retain(status);
}

static void end_pass(void* user) {
  weft_count_add(user, 1);
}

// --- Making them ------------------------------------------------------------

static weft_future_t* pick(const world_t* world, weft_kit_random_t* random) {
  return world->futures[weft_kit_random_below(random, world->count)];
}

// A function may wait for futures that are made after it, and so in circles.
static weft_status_t make_work(world_t* world, weft_kit_random_t* random,
                               weft_future_t** out_future) {
  work_t* work = &world->works[world->count];
  work->world = world;
  work->target_count = (uint32_t)weft_kit_random_below(random, WAITS + 1);
  for (uint32_t i = 0; i < work->target_count; i++) {
    work->targets[i] = (uint32_t)weft_kit_random_below(random, FUTURES);
  }
  work->timeout_ns = weft_kit_random_below(random, 2) == 0
                         ? WEFT_TIME_INFINITE
                         : (int64_t)weft_kit_random_below(random, 1000000);
  static const weft_parameter_t parameters[] = {
      {.name = "gate", .kind = WEFT_KIND_ANY},
      {.name = "x", .kind = WEFT_KIND_ANY},
  };
  const weft_function_t function = {.name = "work",
                                    .run = do_work,
                                    .user = work,
                                    .release = end_work,
                                    .parameters = parameters,
                                    .parameter_count = 2};
  world->promised_releases++;
  weft_value_t gate = weft_future_value(world->gate.future);
  weft_value_t argument = weft_future_value(pick(world, random));
  weft_status_t status =
      weft_kit_random_below(random, 2) == 0
          ? weft_await_create(world->runtime, &function,
                              WEFT_ARGUMENTS(gate, argument), out_future)
          : weft_async_run(world->runtime, NULL, &function,
                           WEFT_ARGUMENTS(gate, argument), out_future);
  weft_value_release(argument);
  weft_value_release(gate);
  return status;
}

static weft_status_t make_follower(world_t* world, weft_kit_random_t* random,
                                   weft_future_t** out_future) {
  world->promised_releases++;
  weft_continuation_t next = {
      .run = pass, .user = &world->releases, .release = end_pass};
  if (weft_kit_random_below(random, 2) == 0) {
    next.executor = weft_runtime_executor(world->runtime);
  }
  weft_future_t* source = pick(world, random);
  return weft_kit_random_below(random, 2) == 0
             ? weft_future_then(source, &next, out_future)
             : weft_future_map(source, &next, out_future);
}

static weft_status_t make_gathering(world_t* world, weft_kit_random_t* random,
                                    weft_future_t** out_future) {
  weft_future_t* sources[3];
  for (int i = 0; i < 3; i++) {
    sources[i] = pick(world, random);
  }
  switch (weft_kit_random_below(random, 4)) {
    case 0:
      return weft_future_all(world->runtime, sources, 3, out_future);
    case 1:
      return weft_future_join(world->runtime, sources, 3, out_future);
    case 2:
      return weft_future_any(world->runtime, sources, 3, out_future);
    default:
      return weft_chain_merge(world->runtime, sources, 3, out_future);
  }
}

static weft_status_t make_other(world_t* world, weft_kit_random_t* random,
                                weft_future_t** out_future) {
  weft_future_t* source = pick(world, random);
  switch (weft_kit_random_below(random, 3)) {
    case 0:
      return weft_future_flatten(source, out_future);
    case 1:
      return weft_future_from_value(world->runtime, weft_future_value(source),
                                    out_future);
    default:
      return weft_future_with_deadline(
          source,
          weft_deadline_after(world->runtime,
                              (int64_t)weft_kit_random_below(random, 1000000)),
          out_future);
  }
}

static void make_one(world_t* world, weft_kit_random_t* random) {
  weft_future_t* future = NULL;
  weft_status_t status;
  switch (weft_kit_random_below(random, 5)) {
    case 0:
    case 1:
      status = make_work(world, random, &future);
      break;
    case 2:
      status = make_follower(world, random, &future);
      break;
    case 3:
      status = make_gathering(world, random, &future);
      break;
    default:
      status = make_other(world, random, &future);
      break;
  }
  weft_kit_assert_ok(status);
  world->futures[world->count++] = future;
}

static void make_world(world_t* world, weft_runtime_t* runtime,
                       weft_kit_random_t* random) {
  memset(world, 0, sizeof(*world));
  world->runtime = runtime;
  for (int i = 0; i < PROMISES; i++) {
    world->pairs[i] = weft_pair(runtime);
    world->futures[world->count++] = world->pairs[i].future;
  }
  world->gate = weft_pair(runtime);
  while (world->count < FUTURES) {
    make_one(world, random);
  }
  weft_pair_set(&world->gate, weft_none());
}

// --- Playing ----------------------------------------------------------------

static void end_promise(world_t* world, uint32_t index,
                        weft_kit_random_t* random) {
  weft_promise_t* promise = world->pairs[index].promise;
  world->pairs[index].promise = NULL;
  if (promise == NULL) {
    return;
  }
  switch (weft_kit_random_below(random, 4)) {
    case 0:
      weft_status_ignore(weft_promise_set(promise, weft_int64(1)));
      break;
    case 1:
      weft_status_ignore(weft_promise_fail(
          promise, weft_status_make(WEFT_STATUS_FAILED, "broken")));
      break;
    case 2:
      // To another promise: a future may hold this one in its value, and then
      // this one would hold itself.
      weft_status_ignore(weft_promise_forward(
          promise, world->futures[weft_kit_random_below(random, PROMISES)]));
      break;
    default:
      break;
  }
  weft_promise_release(promise);
}

static void step(world_t* world, weft_kit_random_t* random) {
  weft_future_t* future = pick(world, random);
  int64_t deadline_ns = weft_deadline_after(
      world->runtime, (int64_t)weft_kit_random_below(random, 100000));
  switch (weft_kit_random_below(random, 6)) {
    case 0:
      weft_future_cancel(future);
      break;
    case 1:
      weft_future_start(future);
      break;
    case 2:
      weft_runtime_run(world->runtime, weft_kit_random_below(random, 10));
      break;
    case 3:
      end_promise(world, (uint32_t)weft_kit_random_below(random, PROMISES),
                  random);
      break;
    default:
      weft_status_ignore(weft_future_wait(future, deadline_ns));
      break;
  }
}

// Every promise that is left is dropped: then everything must end.
static void end_world(world_t* world) {
  for (int i = 0; i < PROMISES; i++) {
    weft_promise_release(world->pairs[i].promise);
  }
  for (uint32_t i = 0; i < world->count; i++) {
    weft_kit_assert_ok(weft_future_wait(world->futures[i], WEFT_TIME_INFINITE));
  }
  // A function that was cancelled may still run, and look at its futures.
  weft_runtime_run(world->runtime, UINT64_MAX);
  while (weft_count(&world->releases) < world->promised_releases) {
    weft_sys_yield();
  }
  for (uint32_t i = 0; i < world->count; i++) {
    weft_future_release(world->futures[i]);
  }
  weft_pair_release(&world->gate);
}

static void play_in_simulation(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_future_kit_t kit;
  const weft_runtime_options_t options = {.simulate = true,
                                          .seed = weft_kit_random_next(random)};
  weft_future_kit_init(&kit, &options);
  world_t world;
  make_world(&world, kit.runtime, random);
  uint64_t steps = weft_kit_random_below(random, 30);
  while (steps-- > 0) {
    step(&world, random);
  }
  end_world(&world);
  assert_int_equal(weft_count(&world.releases), world.promised_releases);
  weft_future_kit_deinit(&kit);
}

static void every_program_ends_whatever_the_order(void** state) {
  (void)state;
  weft_kit_for_some_seeds(1000, play_in_simulation, NULL);
}

// --- On threads -------------------------------------------------------------

#define THREADS 3

typedef struct players {
  world_t* world;
  weft_kit_random_t randoms[THREADS];
} players_t;

static void play(size_t index, void* user) {
  players_t* players = user;
  weft_kit_random_t* random = &players->randoms[index];
  world_t* world = players->world;
  for (int i = 0; i < 10; i++) {
    // A promise belongs to one thread.
    uint64_t mine = index + THREADS * weft_kit_random_below(random, 2);
    if (weft_kit_random_below(random, 4) == 0) {
      end_promise(world, (uint32_t)mine, random);
    } else if (weft_kit_random_below(random, 4) == 0) {
      weft_future_cancel(pick(world, random));
    } else {
      weft_status_ignore(weft_future_wait(
          pick(world, random),
          weft_deadline_after(world->runtime,
                              (int64_t)weft_kit_random_below(random, 50000))));
    }
  }
}

static void play_on_threads(weft_kit_random_t* random, void* user) {
  weft_runtime_t* runtime = user;
  world_t world;
  make_world(&world, runtime, random);
  players_t players = {.world = &world};
  for (int i = 0; i < THREADS; i++) {
    weft_kit_random_init(&players.randoms[i], weft_kit_random_next(random));
  }
  weft_kit_run_threads(THREADS, play, &players);
  end_world(&world);
}

static void every_program_ends_on_threads(void** state) {
  weft_kit_for_some_seeds(300, play_on_threads, weft_future_kit_runtime(state));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_program_ends_whatever_the_order),
      WEFT_FUTURE_TEST(every_program_ends_on_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
