// SPDX-License-Identifier: Apache-2.0
//
// What the benchmarks of actors share: a runtime with a few actors, and
// asking one of them to work and waiting for its answer.

#ifndef WEFT_BENCH_WORLD_H_
#define WEFT_BENCH_WORLD_H_

#include "weft/weft.h"

#define WEFT_BENCH_WORLD_ACTORS 3

typedef struct weft_bench_world {
  weft_runtime_t* runtime;
  // What each is for is the case's own business.
  weft_actor_t actors[WEFT_BENCH_WORLD_ACTORS];
} weft_bench_world_t;

// Makes a runtime with `workers` workers which knows `classes`.
weft_status_t weft_bench_world_create(const weft_class_t* const* classes,
                                      size_t class_count, uint32_t workers,
                                      const weft_allocator_t* allocator,
                                      weft_bench_world_t** out_world);
// Stops the runtime and frees all. Takes a `weft_bench_world_t*` or NULL.
void weft_bench_world_destroy(void* world);

// Spawns the actor at `place` of the world.
weft_status_t weft_bench_world_spawn(weft_bench_world_t* world, size_t place,
                                     const weft_class_t* actor_class,
                                     weft_value_t init);

// Sends a number, and says no more about it.
weft_status_t weft_bench_send(weft_runtime_t* runtime, weft_actor_t actor,
                              uint32_t endpoint, int64_t number);

// A call that carries a number.
weft_status_t weft_bench_call(weft_runtime_t* runtime, weft_actor_t actor,
                              uint32_t endpoint, int64_t number,
                              weft_future_t** out_future);

// Waits for the answer, which is a number, for a minute at most; releases the
// future. Errors: DEADLINE_EXCEEDED: a message was lost, or weft hangs.
weft_status_t weft_bench_await(weft_runtime_t* runtime, weft_future_t* future,
                               int64_t* out_number);

// Call and answer in one.
weft_status_t weft_bench_ask(weft_runtime_t* runtime, weft_actor_t actor,
                             uint32_t endpoint, int64_t number,
                             int64_t* out_number);

// INTERNAL unless both are the same: a benchmark that loses work is quick.
weft_status_t weft_bench_expect(const char* what, int64_t expected,
                                int64_t found);

#endif  // WEFT_BENCH_WORLD_H_
