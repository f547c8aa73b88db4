// SPDX-License-Identifier: Apache-2.0
//
// actor / counting and fanin_2: producers send numbers to a counter as fast
// as its mailbox takes them. One that meets a full mailbox sends itself a
// message and returns, so that it goes on in a later turn; nobody waits.
//
//   main --expect(n)--> [counter] <--add(1)-- [producer] --more--> itself
//                          | after n: answers `expect` with the sum

#include <stdlib.h>

#include "bench/actor.h"
#include "bench/world.h"

// Actors of the world: the counter, then its producers.
enum { COUNTER, PRODUCERS };

// --- The counter ------------------------------------------------------------

enum { COUNTER_EXPECT, COUNTER_ADD };

typedef struct counter {
  // Numbers to come until `reply` is answered.
  int64_t missing;
  int64_t sum;
  weft_promise_t* reply;
} counter_t;

static weft_status_t zeroed(size_t size_bytes, void** out_state) {
  *out_state = calloc(1, size_bytes);
  return *out_state != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
}

static weft_status_t counter_init(weft_context_t* context, weft_value_t init,
                                  void** out_state) {
  (void)context;
  (void)init;
  return zeroed(sizeof(counter_t), out_state);
}

static void counter_deinit(void* state) {
  weft_promise_release(((counter_t*)state)->reply);
  free(state);
}

static weft_status_t counter_expect(weft_context_t* context, void* state,
                                    const weft_value_t* arguments,
                                    weft_value_t* out_result) {
  (void)out_result;
  counter_t* counter = state;
  counter->sum = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &counter->missing));
  return weft_context_take_reply(context, &counter->reply);
}

static weft_status_t counter_add(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  counter_t* counter = state;
  int64_t number = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &number));
  counter->sum += number;
  counter->missing--;
  if (counter->missing > 0) {
    return WEFT_OK;
  }
  weft_status_t status =
      weft_promise_set(counter->reply, weft_int64(counter->sum));
  weft_promise_release(counter->reply);
  counter->reply = NULL;
  return status;
}

static const weft_parameter_t count_parameter = {"count", WEFT_KIND_INT64};
static const weft_parameter_t number_parameter = {"number", WEFT_KIND_INT64};
static const weft_endpoint_t counter_endpoints[] = {
    [COUNTER_EXPECT] = {"expect", counter_expect, &count_parameter, 1},
    [COUNTER_ADD] = {"add", counter_add, &number_parameter, 1},
};
static const weft_class_t counter_class = {
    .name = "counter",
    .version = 1,
    .init = counter_init,
    .deinit = counter_deinit,
    .endpoints = counter_endpoints,
    .endpoint_count = sizeof(counter_endpoints) / sizeof(counter_endpoints[0]),
};

// --- The producer -----------------------------------------------------------

enum { PRODUCER_PRODUCE, PRODUCER_MORE };

typedef struct producer {
  weft_actor_t counter;
  int64_t left;
} producer_t;

static weft_status_t producer_init(weft_context_t* context, weft_value_t init,
                                   void** out_state) {
  (void)context;
  WEFT_RETURN_IF_ERROR(zeroed(sizeof(producer_t), out_state));
  return weft_value_as_actor(init, &((producer_t*)*out_state)->counter);
}

static weft_status_t producer_more(weft_context_t* context, void* state,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  (void)arguments;
  (void)out_result;
  producer_t* producer = state;
  weft_runtime_t* runtime = weft_context_runtime(context);
  while (producer->left > 0) {
    weft_status_t status =
        weft_bench_send(runtime, producer->counter, COUNTER_ADD, 1);
    if (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK) {
      weft_status_release(status);
      return weft_send(runtime, weft_context_self(context), PRODUCER_MORE, NULL,
                       NULL);
    }
    WEFT_RETURN_IF_ERROR(status);
    producer->left--;
  }
  return WEFT_OK;
}

static weft_status_t producer_produce(weft_context_t* context, void* state,
                                      const weft_value_t* arguments,
                                      weft_value_t* out_result) {
  producer_t* producer = state;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &producer->left));
  return producer_more(context, state, NULL, out_result);
}

static const weft_endpoint_t producer_endpoints[] = {
    [PRODUCER_PRODUCE] = {"produce", producer_produce, &count_parameter, 1},
    [PRODUCER_MORE] = {"more", producer_more, NULL, 0},
};
static const weft_class_t producer_class = {
    .name = "producer",
    .version = 1,
    .init = producer_init,
    .deinit = free,
    .endpoints = producer_endpoints,
    .endpoint_count =
        sizeof(producer_endpoints) / sizeof(producer_endpoints[0]),
};
static const weft_class_t* const classes[] = {&counter_class, &producer_class};

// --- The cases --------------------------------------------------------------

static weft_status_t fill_world(weft_bench_world_t* world, size_t producers) {
  WEFT_RETURN_IF_ERROR(
      weft_bench_world_spawn(world, COUNTER, &counter_class, weft_none()));
  weft_value_t counter = weft_actor_value(world->actors[COUNTER]);
  for (size_t i = 0; i < producers; i++) {
    WEFT_RETURN_IF_ERROR(
        weft_bench_world_spawn(world, PRODUCERS + i, &producer_class, counter));
  }
  return WEFT_OK;
}

static weft_status_t create_with(size_t producers, uint32_t workers,
                                 void** out_state) {
  weft_bench_world_t* world = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_bench_world_create(classes, 2, workers, NULL, &world));
  weft_status_t status = fill_world(world, producers);
  if (status != WEFT_OK) {
    weft_bench_world_destroy(world);
    return status;
  }
  *out_state = world;
  return WEFT_OK;
}

static weft_status_t start_producers(weft_bench_world_t* world,
                                     size_t producers, int64_t each) {
  for (size_t i = 0; i < producers; i++) {
    WEFT_RETURN_IF_ERROR(weft_bench_send(
        world->runtime, world->actors[PRODUCERS + i], PRODUCER_PRODUCE, each));
  }
  return WEFT_OK;
}

static weft_status_t run_with(weft_bench_world_t* world, size_t producers,
                              uint64_t count) {
  int64_t each = (int64_t)(count / producers);
  int64_t total = each * (int64_t)producers;
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_bench_call(world->runtime, world->actors[COUNTER],
                                       COUNTER_EXPECT, total, &future));
  weft_status_t status = start_producers(world, producers, each);
  if (status != WEFT_OK) {
    weft_future_release(future);
    return status;
  }
  int64_t sum = 0;
  WEFT_RETURN_IF_ERROR(weft_bench_await(world->runtime, future, &sum));
  return weft_bench_expect("sum of the numbers", total, sum);
}

static weft_status_t create_counting(uint32_t workers, void** out_state) {
  return create_with(1, workers, out_state);
}

static weft_status_t run_counting(void* state, uint64_t count) {
  return run_with(state, 1, count);
}

static weft_status_t create_fanin_2(uint32_t workers, void** out_state) {
  return create_with(2, workers, out_state);
}

static weft_status_t run_fanin_2(void* state, uint64_t count) {
  return run_with(state, 2, count);
}

const weft_bench_subject_t weft_bench_counting = {
    .create = create_counting,
    .run = run_counting,
    .destroy = weft_bench_world_destroy,
};
const weft_bench_subject_t weft_bench_fanin_2 = {
    .create = create_fanin_2,
    .run = run_fanin_2,
    .destroy = weft_bench_world_destroy,
};
