// SPDX-License-Identifier: Apache-2.0

#include "bench/world.h"

#include <inttypes.h>
#include <stdlib.h>

// No round takes a second; whoever waits this long waits for nothing.
#define PATIENCE_NS INT64_C(60000000000)

weft_status_t weft_bench_world_create(const weft_class_t* const* classes,
                                      size_t class_count, uint32_t workers,
                                      const weft_allocator_t* allocator,
                                      weft_bench_world_t** out_world) {
  *out_world = NULL;
  weft_bench_world_t* world = calloc(1, sizeof(*world));
  if (world == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a benchmark");
  }
  weft_runtime_options_t options = {
      .name = "bench",
      .allocator = allocator,
      .classes = classes,
      .class_count = class_count,
      .worker_count = workers,
  };
  weft_status_t status = weft_runtime_create(&options, &world->runtime);
  if (status != WEFT_OK) {
    free(world);
    return status;
  }
  *out_world = world;
  return WEFT_OK;
}

void weft_bench_world_destroy(void* world) {
  if (world != NULL) {
    weft_runtime_destroy(((weft_bench_world_t*)world)->runtime);
    free(world);
  }
}

weft_status_t weft_bench_world_spawn(weft_bench_world_t* world, size_t place,
                                     const weft_class_t* actor_class,
                                     weft_value_t init) {
  return weft_spawn(world->runtime, actor_class, init, NULL,
                    &world->actors[place]);
}

weft_status_t weft_bench_send(weft_runtime_t* runtime, weft_actor_t actor,
                              uint32_t endpoint, int64_t number) {
  return weft_send(runtime, actor, endpoint, WEFT_ARGUMENTS(weft_int64(number)),
                   NULL);
}

weft_status_t weft_bench_call(weft_runtime_t* runtime, weft_actor_t actor,
                              uint32_t endpoint, int64_t number,
                              weft_future_t** out_future) {
  return weft_call(runtime, actor, endpoint, WEFT_ARGUMENTS(weft_int64(number)),
                   NULL, out_future);
}

weft_status_t weft_bench_await(weft_runtime_t* runtime, weft_future_t* future,
                               int64_t* out_number) {
  *out_number = 0;
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_get(
      future, weft_deadline_after(runtime, PATIENCE_NS), &value);
  if (status == WEFT_OK) {
    status = weft_value_as_int64(value, out_number);
  }
  weft_value_release(value);
  weft_future_release(future);
  return status;
}

weft_status_t weft_bench_ask(weft_runtime_t* runtime, weft_actor_t actor,
                             uint32_t endpoint, int64_t number,
                             int64_t* out_number) {
  weft_future_t* future = NULL;
  *out_number = 0;
  WEFT_RETURN_IF_ERROR(
      weft_bench_call(runtime, actor, endpoint, number, &future));
  return weft_bench_await(runtime, future, out_number);
}

weft_status_t weft_bench_expect(const char* what, int64_t expected,
                                int64_t found) {
  if (expected == found) {
    return WEFT_OK;
  }
  return weft_status_make(WEFT_STATUS_INTERNAL,
                          "%s: %" PRId64 " expected, %" PRId64 " found", what,
                          expected, found);
}
