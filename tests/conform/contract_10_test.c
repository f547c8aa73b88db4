// SPDX-License-Identifier: Apache-2.0
//
// Contract 10: one run can be replayed. Given a seed the whole runtime is
// deterministic in simulation: which task is next, who waits for whom, what
// the clock says. A failing seed is printed with the command that repeats it.

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conform/stage.h"

enum { PLAYERS = 6, GAMES = 24, EVENTS = 4000 };

// What happened, in its order.
typedef struct event {
  uint32_t player;
  int64_t what;
  int64_t at_ns;
} event_t;

typedef struct game {
  weft_runtime_t* runtime;
  weft_actor_t players[PLAYERS];
  weft_kit_random_t random;
  event_t events[EVENTS];
  uint32_t count;
} game_t;

static const weft_opaque_type_t game_type = {"game", NULL};

static void note(game_t* game, uint32_t player, int64_t what) {
  if (game->count < EVENTS) {
    game->events[game->count++] =
        (event_t){player, what, weft_runtime_now_ns(game->runtime)};
  }
}

static uint32_t player_of(const game_t* game, weft_actor_t actor) {
  uint32_t player = 0;
  while (player < PLAYERS && !weft_actor_equal(game->players[player], actor)) {
    ++player;
  }
  return player;
}

// Sleeps, asks another player to play on, or leaves.
static weft_status_t play(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  game_t* game = state;
  uint32_t self = player_of(game, weft_context_self(context));
  int64_t left = arguments[0].as.int64;
  note(game, self, left);
  weft_future_t* reply = NULL;
  if (left == 0) {
    return WEFT_OK;
  }
  uint64_t chance = weft_kit_random_below(&game->random, 100);
  uint64_t next = weft_kit_random_below(&game->random, PLAYERS);
  const weft_call_options_t options = {.timeout_ns = 5000};
  weft_status_t status =
      weft_call(game->runtime, game->players[next], 0,
                WEFT_ARGUMENTS(weft_int64(left - 1)), &options, &reply);
  if (status == WEFT_OK && chance < 60) {
    status = weft_future_get(reply, WEFT_TIME_INFINITE, out_result);
  }
  note(game, self, -(int64_t)weft_status_code(status) - 1);
  weft_future_release(reply);
  if (chance > 97) {
    weft_context_stop(context, weft_status_make(WEFT_STATUS_FAILED, "enough"));
  }
  return status;
}

static weft_status_t join_game(weft_context_t* context, weft_value_t init,
                               void** out_state) {
  (void)context;
  return weft_value_as_opaque(init, &game_type, out_state);
}

static const weft_parameter_t parameters[] = {{"left", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[] = {{"play", play, parameters, 1}};
static const weft_class_t player_class = {
    "player", 1, join_game, NULL, endpoints, 1,
};

static void ignore_warning(void* user, weft_status_t warning) {
  (void)user;
  (void)warning;
}

static void open_game(game_t* game, uint64_t seed) {
  static const weft_class_t* const classes[] = {&player_class};
  memset(game, 0, sizeof(*game));
  weft_kit_random_init(&game->random, 1);
  const weft_runtime_options_t options = {
      .classes = classes,
      .class_count = 1,
      .spare_thread_limit = 256,
      .on_warning = ignore_warning,
      .simulate = true,
      .seed = seed,
  };
  weft_kit_assert_ok(weft_runtime_create(&options, &game->runtime));
  weft_value_t init = weft_none();
  weft_kit_assert_ok(weft_opaque_create(NULL, &game_type, game, &init));
  for (uint32_t i = 0; i < PLAYERS; ++i) {
    weft_kit_assert_ok(weft_spawn(game->runtime, &player_class, init, NULL,
                                  &game->players[i]));
  }
  weft_value_release(init);
}

static void run_game(game_t* game, uint64_t seed) {
  const weft_schedule_options_t once_more = {700, 0};
  open_game(game, seed);
  for (uint32_t i = 0; i < GAMES; ++i) {
    weft_actor_t player = game->players[i % PLAYERS];
    weft_status_ignore(weft_send(game->runtime, player, 0,
                                 WEFT_ARGUMENTS(weft_int64(i % 12)), NULL));
    weft_status_ignore(weft_send_later(game->runtime, player, 0,
                                       WEFT_ARGUMENTS(weft_int64(3)),
                                       &once_more, NULL));
  }
  weft_runtime_run(game->runtime, UINT64_MAX);
  weft_runtime_destroy(game->runtime);
}

static void a_run_with_the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  static game_t first;
  static game_t again;
  for (uint64_t seed = 0; seed < weft_kit_amount(100); ++seed) {
    run_game(&first, seed);
    run_game(&again, seed);
    assert_true(first.count > GAMES);
    assert_int_equal(first.count, again.count);
    for (uint32_t i = 0; i < first.count; ++i) {
      assert_int_equal(first.events[i].player, again.events[i].player);
      assert_int_equal(first.events[i].what, again.events[i].what);
      assert_int_equal(first.events[i].at_ns, again.events[i].at_ns);
    }
  }
}

static bool is_same_course(const game_t* a, const game_t* b) {
  bool is_same = a->count == b->count;
  for (uint32_t i = 0; i < a->count && is_same; ++i) {
    is_same = a->events[i].player == b->events[i].player &&
              a->events[i].what == b->events[i].what &&
              a->events[i].at_ns == b->events[i].at_ns;
  }
  return is_same;
}

static void runs_with_other_seeds_take_other_courses(void** state) {
  (void)state;
  static game_t first;
  static game_t other;
  run_game(&first, 0);
  uint32_t others = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    run_game(&other, seed);
    others += is_same_course(&first, &other) ? 0 : 1;
  }
  assert_true(others >= 8);
}

// --- What is printed --------------------------------------------------------

static void fail_with_seed_three(weft_kit_random_t* random, void* user) {
  uint32_t* seed = user;
  (void)random;
  if ((*seed)++ == 3) {
    fail_msg("as planned");
  }
}

static void run_until_it_fails(void** state) {
  (void)state;
  uint32_t seed = 0;
  unsetenv("WEFT_TEST_SEED");
  weft_kit_for_some_seeds(1000, fail_with_seed_three, &seed);
}

static void fail_in_a_child(void* user) {
  (void)user;
  const struct CMUnitTest tests[] = {cmocka_unit_test(run_until_it_fails)};
  exit(cmocka_run_group_tests(tests, NULL, NULL));
}

static void a_failing_seed_is_printed_with_the_command_that_repeats_it(
    void** state) {
  (void)state;
  char output[4096];
  weft_kit_ending_t ending =
      weft_kit_run_child(fail_in_a_child, NULL, output, sizeof(output));
  assert_true(ending.exit_status != 0 || ending.signal_number != 0);
  assert_non_null(strstr(output, "WEFT_TEST_SEED=3 "));
  assert_non_null(strstr(output, program_invocation_name));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_run_with_the_same_seed_takes_the_same_course),
      cmocka_unit_test(runs_with_other_seeds_take_other_courses),
      cmocka_unit_test(
          a_failing_seed_is_printed_with_the_command_that_repeats_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
