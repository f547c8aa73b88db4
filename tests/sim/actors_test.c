// SPDX-License-Identifier: Apache-2.0
//
// Actors against a model, in simulation. Senders send numbered messages to
// receivers: plain ones, ones whose argument comes late, fails, or is dropped,
// with and without deadlines; handlers answer, fail, or answer later.
// Meanwhile calls are cancelled and receivers stopped, all by chance from a
// seed. The model (world.h) says, for each message, whether its handler may or
// must have run, and how its call must have ended.

#include "sim/world.h"

enum { ACTS = 200 };

typedef struct manner {
  // Everything runs between two acts.
  bool is_quiet;
  // Added to the seed of the runtime alone.
  uint64_t shift;
  // How it went.
  uint64_t course;
} manner_t;

static void play(world_t* world, const manner_t* manner) {
  for (uint32_t i = 0; i < ACTS; ++i) {
    world_act(world);
    if (manner->is_quiet) {
      weft_runtime_run(world->runtime, UINT64_MAX);
      world_check(world);
    } else {
      weft_runtime_run(world->runtime, weft_kit_random_below(world->random, 6));
    }
  }
  weft_runtime_run(world->runtime, UINT64_MAX);
  world_check(world);
  // Those that ran now may have taken their replies.
  world_settle_all(world);
  weft_runtime_run(world->runtime, UINT64_MAX);
  world_settle_all(world);
  weft_runtime_run(world->runtime, UINT64_MAX);
  world_check_over(world);
}

static void run_world(weft_kit_random_t* random, void* user) {
  manner_t* manner = user;
  world_t world;
  world_open(&world, random, manner->shift);
  play(&world, manner);
  world_close(&world);
  manner->course = world.course;
}

static void only_what_waits_for_an_argument_is_held_back(void** state) {
  (void)state;
  manner_t manner = {.is_quiet = true};
  weft_kit_for_some_seeds(250, run_world, &manner);
}

static void every_message_ends_as_the_model_says_whatever_comes_between(
    void** state) {
  (void)state;
  manner_t manner = {.is_quiet = false};
  weft_kit_for_some_seeds(250, run_world, &manner);
}

// The runtime goes while arguments and replies are open: all calls end.
static void run_short_world(weft_kit_random_t* random, void* user) {
  (void)user;
  world_t world;
  world_open(&world, random, 0);
  for (uint32_t i = 0; i < ACTS / 2; ++i) {
    world_act(&world);
    weft_runtime_run(world.runtime, weft_kit_random_below(random, 6));
  }
  for (uint32_t i = 0; i < WORLD_RECEIVERS; ++i) {
    world.is_stopped[i] = true;
  }
  world.is_closing = true;
  weft_kit_assert_ok(weft_runtime_stop(world.runtime, WEFT_TIME_INFINITE));
  // Replies that were taken belong to whoever took them.
  world_settle_all(&world);
  world_check_over(&world);
  world_close(&world);
}

static void every_call_ends_when_the_runtime_stops(void** state) {
  (void)state;
  weft_kit_for_some_seeds(250, run_short_world, NULL);
}

// --- Replay -----------------------------------------------------------------

static uint64_t course_of(uint64_t seed, uint64_t shift) {
  weft_kit_random_t random;
  weft_kit_random_init(&random, seed);
  manner_t manner = {.shift = shift};
  run_world(&random, &manner);
  return manner.course;
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  for (uint64_t seed = 0; seed < weft_kit_amount(50); ++seed) {
    assert_int_equal(course_of(seed, 0), course_of(seed, 0));
  }
}

static void another_seed_takes_another_course(void** state) {
  (void)state;
  uint64_t others = 0;
  uint64_t count = weft_kit_amount(50);
  for (uint64_t seed = 0; seed < count; ++seed) {
    others += course_of(seed, 0) != course_of(seed, 1) ? 1 : 0;
  }
  // Two orders may look alike from outside, but not often.
  assert_true(others > count / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(only_what_waits_for_an_argument_is_held_back),
      cmocka_unit_test(
          every_message_ends_as_the_model_says_whatever_comes_between),
      cmocka_unit_test(every_call_ends_when_the_runtime_stops),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
      cmocka_unit_test(another_seed_takes_another_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
