// SPDX-License-Identifier: Apache-2.0
//
// actor / spawn_exit: an actor spawns others, whose init ends them at once,
// in bursts: after each it sends itself a message, so that they get their
// turn. A batch is over when the counters say that all have ended.

#include <stdlib.h>

#include "bench/actor.h"
#include "bench/world.h"

#define BURST 64

enum { SPAWNER };
enum { SPAWNER_SPAWN, SPAWNER_MORE };

typedef struct spawner {
  int64_t left;
  // What the counter of ended actors shows when all of this batch have.
  uint64_t exited_target;
  int64_t spawned;
  weft_promise_t* reply;
} spawner_t;

// --- The actors that end ----------------------------------------------------

static weft_status_t mayfly_init(weft_context_t* context, weft_value_t init,
                                 void** out_state) {
  (void)init;
  (void)out_state;
  weft_context_stop(context, WEFT_OK);
  return WEFT_OK;
}

static const weft_class_t mayfly_class = {
    .name = "mayfly",
    .version = 1,
    .init = mayfly_init,
};

// --- The one that spawns ----------------------------------------------------

static weft_status_t spawner_init(weft_context_t* context, weft_value_t init,
                                  void** out_state) {
  (void)context;
  (void)init;
  *out_state = calloc(1, sizeof(spawner_t));
  return *out_state != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
}

static void spawner_deinit(void* state) {
  weft_promise_release(((spawner_t*)state)->reply);
  free(state);
}

static uint64_t exited_so_far(weft_runtime_t* runtime) {
  weft_counters_t counters;
  weft_runtime_counters(runtime, &counters);
  return counters.actors_exited;
}

static weft_status_t spawn_burst(weft_runtime_t* runtime, spawner_t* spawner) {
  for (int i = 0; i < BURST && spawner->left > 0; i++) {
    weft_actor_t mayfly;
    WEFT_RETURN_IF_ERROR(
        weft_spawn(runtime, &mayfly_class, weft_none(), NULL, &mayfly));
    spawner->left--;
    spawner->spawned++;
  }
  return WEFT_OK;
}

static weft_status_t answer(spawner_t* spawner) {
  weft_status_t status =
      weft_promise_set(spawner->reply, weft_int64(spawner->spawned));
  weft_promise_release(spawner->reply);
  spawner->reply = NULL;
  return status;
}

static weft_status_t spawner_more(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)arguments;
  (void)out_result;
  spawner_t* spawner = state;
  weft_runtime_t* runtime = weft_context_runtime(context);
  WEFT_RETURN_IF_ERROR(spawn_burst(runtime, spawner));
  if (spawner->left == 0 && exited_so_far(runtime) >= spawner->exited_target) {
    return answer(spawner);
  }
  return weft_send(runtime, weft_context_self(context), SPAWNER_MORE, NULL,
                   NULL);
}

static weft_status_t spawner_spawn(weft_context_t* context, void* state,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  spawner_t* spawner = state;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &spawner->left));
  spawner->spawned = 0;
  spawner->exited_target =
      exited_so_far(weft_context_runtime(context)) + (uint64_t)spawner->left;
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &spawner->reply));
  return spawner_more(context, state, NULL, out_result);
}

static const weft_parameter_t count_parameter = {"count", WEFT_KIND_INT64};
static const weft_endpoint_t spawner_endpoints[] = {
    [SPAWNER_SPAWN] = {"spawn", spawner_spawn, &count_parameter, 1},
    [SPAWNER_MORE] = {"more", spawner_more, NULL, 0},
};
static const weft_class_t spawner_class = {
    .name = "spawner",
    .version = 1,
    .init = spawner_init,
    .deinit = spawner_deinit,
    .endpoints = spawner_endpoints,
    .endpoint_count = sizeof(spawner_endpoints) / sizeof(spawner_endpoints[0]),
};
static const weft_class_t* const classes[] = {&mayfly_class, &spawner_class};

// --- The case ---------------------------------------------------------------

static weft_status_t create_spawn_exit(uint32_t workers, void** out_state) {
  weft_bench_world_t* world = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_bench_world_create(classes, 2, workers, NULL, &world));
  weft_status_t status =
      weft_bench_world_spawn(world, SPAWNER, &spawner_class, weft_none());
  if (status != WEFT_OK) {
    weft_bench_world_destroy(world);
    return status;
  }
  *out_state = world;
  return WEFT_OK;
}

static weft_status_t run_spawn_exit(void* state, uint64_t count) {
  weft_bench_world_t* world = state;
  int64_t spawned = 0;
  WEFT_RETURN_IF_ERROR(weft_bench_ask(world->runtime, world->actors[SPAWNER],
                                      SPAWNER_SPAWN, (int64_t)count, &spawned));
  return weft_bench_expect("actors spawned", (int64_t)count, spawned);
}

const weft_bench_subject_t weft_bench_spawn_exit = {
    .create = create_spawn_exit,
    .run = run_spawn_exit,
    .destroy = weft_bench_world_destroy,
};
