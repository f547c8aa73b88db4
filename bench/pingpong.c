// SPDX-License-Identifier: Apache-2.0
//
// actor / pingpong: two actors send a number back and forth, one less each
// time.
//
//   main --serve(n)--> [ping] --ball(n-1)--> [pong] --ball(n-2)--> [ping] ...
//   whoever gets 0 --done(0)--> [ping], which answers `serve`

#include <stdlib.h>

#include "bench/actor.h"
#include "bench/world.h"

enum { PING, PONG };
enum { PLAYER_MEET, PLAYER_SERVE, PLAYER_BALL, PLAYER_DONE };

typedef struct player {
  weft_actor_t peer;
  // Of the one that serves: the answer to `serve`.
  weft_promise_t* reply;
} player_t;

static weft_status_t player_init(weft_context_t* context, weft_value_t init,
                                 void** out_state) {
  (void)context;
  (void)init;
  *out_state = calloc(1, sizeof(player_t));
  return *out_state != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
}

static void player_deinit(void* state) {
  weft_promise_release(((player_t*)state)->reply);
  free(state);
}

static weft_status_t player_meet(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  *out_result = weft_int64(0);
  return weft_value_as_actor(arguments[0], &((player_t*)state)->peer);
}

static weft_status_t player_serve(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)out_result;
  player_t* player = state;
  int64_t left = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &left));
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &player->reply));
  return weft_bench_send(weft_context_runtime(context), player->peer,
                         PLAYER_BALL, left - 1);
}

static weft_status_t player_ball(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)out_result;
  player_t* player = state;
  int64_t left = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &left));
  weft_runtime_t* runtime = weft_context_runtime(context);
  if (left > 0) {
    return weft_bench_send(runtime, player->peer, PLAYER_BALL, left - 1);
  }
  weft_actor_t server =
      player->reply != NULL ? weft_context_self(context) : player->peer;
  return weft_bench_send(runtime, server, PLAYER_DONE, 0);
}

static weft_status_t player_done(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  player_t* player = state;
  weft_status_t status = weft_promise_set(player->reply, arguments[0]);
  weft_promise_release(player->reply);
  player->reply = NULL;
  return status;
}

static const weft_parameter_t peer_parameter = {"peer", WEFT_KIND_ACTOR};
static const weft_parameter_t left_parameter = {"left", WEFT_KIND_INT64};
static const weft_endpoint_t player_endpoints[] = {
    [PLAYER_MEET] = {"meet", player_meet, &peer_parameter, 1},
    [PLAYER_SERVE] = {"serve", player_serve, &left_parameter, 1},
    [PLAYER_BALL] = {"ball", player_ball, &left_parameter, 1},
    [PLAYER_DONE] = {"done", player_done, &left_parameter, 1},
};
static const weft_class_t player_class = {
    .name = "player",
    .version = 1,
    .init = player_init,
    .deinit = player_deinit,
    .endpoints = player_endpoints,
    .endpoint_count = sizeof(player_endpoints) / sizeof(player_endpoints[0]),
};
static const weft_class_t* const classes[] = {&player_class};

// --- The case ---------------------------------------------------------------

static weft_status_t introduce(weft_bench_world_t* world, size_t who,
                               size_t peer) {
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_call(
      world->runtime, world->actors[who], PLAYER_MEET,
      WEFT_ARGUMENTS(weft_actor_value(world->actors[peer])), NULL, &future));
  int64_t ignored = 0;
  return weft_bench_await(world->runtime, future, &ignored);
}

static weft_status_t fill_world(weft_bench_world_t* world) {
  for (size_t i = PING; i <= PONG; i++) {
    WEFT_RETURN_IF_ERROR(
        weft_bench_world_spawn(world, i, &player_class, weft_none()));
  }
  WEFT_RETURN_IF_ERROR(introduce(world, PING, PONG));
  return introduce(world, PONG, PING);
}

static weft_status_t create_pingpong(uint32_t workers, void** out_state) {
  weft_bench_world_t* world = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_bench_world_create(classes, 1, workers, NULL, &world));
  weft_status_t status = fill_world(world);
  if (status != WEFT_OK) {
    weft_bench_world_destroy(world);
    return status;
  }
  *out_state = world;
  return WEFT_OK;
}

static weft_status_t run_pingpong(void* state, uint64_t count) {
  weft_bench_world_t* world = state;
  int64_t left = -1;
  WEFT_RETURN_IF_ERROR(weft_bench_ask(world->runtime, world->actors[PING],
                                      PLAYER_SERVE, (int64_t)count, &left));
  return weft_bench_expect("balls left", 0, left);
}

const weft_bench_subject_t weft_bench_pingpong = {
    .create = create_pingpong,
    .run = run_pingpong,
    .destroy = weft_bench_world_destroy,
};
