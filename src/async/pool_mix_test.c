// SPDX-License-Identifier: Apache-2.0
//
// Tasks that post, wait and wake each other at random, on pools of random
// sizes: each must end, whatever happens.

#include "async/async.h"
#include "async/pool.h"
#include "base/container.h"
#include "kit/kit.h"
#include "weft/runtime.h"

#define PLAYERS 24

typedef struct game game_t;

typedef struct player {
  weft_task_t task;
  game_t* game;
  weft_kit_random_t random;
  weft_parker_t parker;
  weft_timer_t timer;
  uint32_t rounds;
  uint32_t refused;
} player_t;

struct game {
  weft_runtime_t* runtime;
  weft_parker_t parker;
  _Atomic uint32_t left;
  player_t players[PLAYERS];
};

static void wake_player(weft_timer_t* timer, void* user) {
  (void)timer;
  weft_unpark(&((player_t*)user)->parker);
}

// Waits for a short time, for a timer, or for whoever else wakes it.
static void wait_somehow(player_t* player) {
  weft_runtime_t* runtime = player->game->runtime;
  int64_t delay_ns = (int64_t)weft_kit_random_below(&player->random, 50000);
  bool has_timer = weft_kit_random_below(&player->random, 2) == 0;
  int64_t deadline_ns = weft_deadline_after(runtime, delay_ns);
  if (has_timer) {
    weft_status_ignore(weft_timer_start(runtime, &player->timer, deadline_ns, 0,
                                        wake_player, player));
    deadline_ns = WEFT_TIME_INFINITE;
  }
  weft_status_code_t code =
      weft_status_ignore(weft_park(&player->parker, deadline_ns));
  player->refused += code == WEFT_STATUS_RESOURCE_EXHAUSTED;
  if (has_timer) {
    weft_timer_stop(&player->timer);
  }
}

static void play(weft_task_t* task) {
  player_t* player = WEFT_CONTAINER_OF(task, player_t, task);
  game_t* game = player->game;
  uint64_t other = weft_kit_random_below(&player->random, PLAYERS);
  switch (weft_kit_random_below(&player->random, 4)) {
    case 0:
      wait_somehow(player);
      break;
    case 1:
      weft_unpark(&game->players[other].parker);
      break;
    default:
      break;
  }
  if (player->rounds-- > 0) {
    weft_executor_post(weft_runtime_executor(game->runtime), task);
    return;
  }
  // Acquire-release: the last one has seen what all others did.
  if (atomic_fetch_sub_explicit(&game->left, 1, memory_order_acq_rel) == 1) {
    weft_unpark(&game->parker);
  }
}

static void play_a_game(weft_kit_random_t* random, void* user) {
  (void)user;
  const weft_runtime_options_t options = {
      .worker_count = 1 + (uint32_t)weft_kit_random_below(random, 4),
      .spare_thread_limit = 1 + (uint32_t)weft_kit_random_below(random, 8),
  };
  static game_t game;
  game = (game_t){0};
  weft_kit_assert_ok(weft_runtime_create(&options, &game.runtime));
  weft_parker_init(&game.parker, game.runtime);
  atomic_init(&game.left, PLAYERS);
  for (uint32_t i = 0; i < PLAYERS; i++) {
    player_t* player = &game.players[i];
    player->task.run = play;
    player->game = &game;
    player->rounds = (uint32_t)weft_kit_random_below(random, 40);
    weft_kit_random_init(&player->random, weft_kit_random_next(random));
    weft_parker_init(&player->parker, game.runtime);
  }
  for (uint32_t i = 0; i < PLAYERS; i++) {
    weft_executor_post(weft_runtime_executor(game.runtime),
                       &game.players[i].task);
  }
  weft_kit_assert_ok(weft_park(&game.parker, WEFT_TIME_INFINITE));
  weft_kit_assert_ok(weft_runtime_stop(game.runtime, WEFT_TIME_INFINITE));
  weft_runtime_destroy(game.runtime);
}

static void tasks_that_wait_and_wake_at_random_all_end(void** state) {
  (void)state;
  weft_kit_for_some_seeds(1000, play_a_game, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tasks_that_wait_and_wake_at_random_all_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
