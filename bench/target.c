// SPDX-License-Identifier: Apache-2.0
//
// The actors of benchmarks between processes, and the worlds that they are in.

#include <stdlib.h>
#include <string.h>

#include "bench/call.h"
#include "bench/floor/work.h"

// --- Targets ----------------------------------------------------------------

typedef struct target {
  // What tensors are copied to.
  void* memory;
  size_t memory_bytes;
} target_t;

static weft_status_t no_memory(void) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
}

static weft_status_t target_init(weft_context_t* context, weft_value_t init,
                                 void** out_state) {
  (void)context;
  (void)init;
  *out_state = calloc(1, sizeof(target_t));
  return *out_state != NULL ? WEFT_OK : no_memory();
}

static void target_deinit(void* state) {
  free(((target_t*)state)->memory);
  free(state);
}

static weft_status_t target_echo(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  (void)state;
  *out_result = arguments[0];
  return WEFT_OK;
}

static weft_status_t target_take(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  (void)state;
  const weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(arguments[0], &tensor));
  *out_result = weft_int64((int64_t)weft_tensor_size_bytes(tensor));
  return WEFT_OK;
}

// Memory for so many bytes, whose pages are there.
static weft_status_t provide(target_t* target, size_t size_bytes) {
  if (target->memory_bytes >= size_bytes) {
    return WEFT_OK;
  }
  free(target->memory);
  target->memory_bytes = 0;
  target->memory = aligned_alloc(64, (size_bytes + 63) / 64 * 64);
  if (target->memory == NULL) {
    return no_memory();
  }
  memset(target->memory, 1, size_bytes);
  target->memory_bytes = size_bytes;
  return WEFT_OK;
}

static weft_status_t target_copy(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  target_t* target = state;
  const weft_tensor_t* tensor = NULL;
  WEFT_RETURN_IF_ERROR(weft_value_as_tensor(arguments[0], &tensor));
  size_t size_bytes = weft_tensor_size_bytes(tensor);
  WEFT_RETURN_IF_ERROR(provide(target, size_bytes));
  memcpy(target->memory, weft_tensor_data(tensor), size_bytes);
  *out_result = weft_int64((int64_t)size_bytes);
  return WEFT_OK;
}

// Asks a new target at a rank, which answers once the two are connected.
static weft_status_t reach(weft_runtime_t* runtime, uint32_t rank) {
  const weft_spawn_options_t options = {.place = rank};
  weft_actor_t target;
  int64_t answer = 0;
  WEFT_RETURN_IF_ERROR(weft_spawn(runtime, &weft_bench_target_class,
                                  weft_none(), &options, &target));
  WEFT_RETURN_IF_ERROR(
      weft_bench_ask(runtime, target, WEFT_BENCH_TARGET_ECHO, rank, &answer));
  return weft_bench_expect("the answer of a rank", rank, answer);
}

static weft_status_t target_reach(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)state;
  int64_t from = arguments[0].as.int64;
  int64_t to = arguments[1].as.int64;
  for (int64_t rank = from; rank < to; rank++) {
    WEFT_RETURN_IF_ERROR(reach(weft_context_runtime(context), (uint32_t)rank));
  }
  *out_result = weft_int64(to - from);
  return WEFT_OK;
}

// The number that a value is, or that every word of its bytes is.
static weft_status_t number_in(weft_value_t value, int64_t* out_number) {
  const void* data = NULL;
  size_t size_bytes = 0;
  if (weft_value_kind(value) != WEFT_KIND_BYTES) {
    return weft_value_as_int64(value, out_number);
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_bytes(value, &data, &size_bytes));
  *out_number = (int64_t)weft_floor_read(data, size_bytes);
  return weft_bench_expect("the words of a value", *(const int64_t*)data,
                           *out_number);
}

// --- Ends of channels -------------------------------------------------------

// Between two channels.
typedef struct ends {
  weft_reader_t* reader;
  weft_writer_t* writer;
} ends_t;

static weft_status_t open_ends(const weft_value_t* arguments,
                               ends_t* out_ends) {
  *out_ends = (ends_t){.reader = NULL};
  WEFT_RETURN_IF_ERROR(weft_reader_open(arguments[0], &out_ends->reader));
  return weft_writer_open(arguments[1], &out_ends->writer);
}

static void close_ends(ends_t* ends) {
  weft_reader_release(ends->reader);
  weft_writer_release(ends->writer);
}

static weft_status_t relay_one(ends_t* ends, int64_t stride) {
  weft_lease_t lease;
  int64_t number = 0;
  WEFT_RETURN_IF_ERROR(
      weft_reader_read(ends->reader, WEFT_TIME_INFINITE, &lease));
  weft_status_t status = lease.status != WEFT_OK
                             ? weft_status_retain(lease.status)
                             : number_in(lease.value, &number);
  weft_lease_release(&lease);
  return status == WEFT_OK && (number < 0 || number % stride == 0)
             ? weft_writer_write(ends->writer, weft_int64(number),
                                 WEFT_TIME_INFINITE)
             : status;
}

static weft_status_t target_relay(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)context;
  (void)state;
  ends_t ends;
  weft_status_t status = open_ends(arguments, &ends);
  while (status == WEFT_OK) {
    status = relay_one(&ends, arguments[2].as.int64);
  }
  close_ends(&ends);
  *out_result = weft_none();
  return status;
}

// Each how late, until all of a batch are there.
typedef struct delays {
  int64_t* delays_ns;
  size_t count;
  size_t capacity;
} delays_t;

static weft_status_t tell_delays(delays_t* delays, weft_writer_t* writer) {
  weft_value_t value = weft_none();
  WEFT_RETURN_IF_ERROR(
      weft_bytes_create(NULL, delays->delays_ns,
                        delays->count * sizeof(delays->delays_ns[0]), &value));
  weft_status_t status = weft_writer_write(writer, value, WEFT_TIME_INFINITE);
  weft_value_release(value);
  delays->count = 0;
  return status;
}

static weft_status_t watch_one(ends_t* ends, delays_t* delays) {
  weft_lease_t lease;
  int64_t due_ns = 0;
  WEFT_RETURN_IF_ERROR(
      weft_reader_read(ends->reader, WEFT_TIME_INFINITE, &lease));
  int64_t now_ns = weft_floor_now_ns();
  weft_status_t status = lease.status != WEFT_OK
                             ? weft_status_retain(lease.status)
                             : weft_value_as_int64(lease.value, &due_ns);
  weft_lease_release(&lease);
  WEFT_RETURN_IF_ERROR(status);
  if (due_ns < 0) {
    return tell_delays(delays, ends->writer);
  }
  if (delays->count == delays->capacity) {
    return no_memory();
  }
  delays->delays_ns[delays->count++] = now_ns - due_ns;
  return WEFT_OK;
}

static weft_status_t target_watch(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)context;
  (void)state;
  delays_t delays = {.capacity = (size_t)arguments[2].as.int64};
  ends_t ends;
  delays.delays_ns = calloc(delays.capacity, sizeof(int64_t));
  if (delays.delays_ns == NULL) {
    return no_memory();
  }
  weft_status_t status = open_ends(arguments, &ends);
  while (status == WEFT_OK) {
    status = watch_one(&ends, &delays);
  }
  close_ends(&ends);
  free(delays.delays_ns);
  *out_result = weft_none();
  return status;
}

static weft_status_t drain_one(weft_reader_t* reader, int64_t expected) {
  weft_lease_t lease;
  int64_t number = 0;
  WEFT_RETURN_IF_ERROR(weft_reader_read(reader, WEFT_TIME_INFINITE, &lease));
  weft_status_t status = lease.status != WEFT_OK
                             ? weft_status_retain(lease.status)
                             : weft_value_as_int64(lease.value, &number);
  weft_lease_release(&lease);
  return status == WEFT_OK ? weft_bench_expect("a value", expected, number)
                           : status;
}

static weft_status_t target_drain(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)context;
  (void)state;
  weft_reader_t* reader = NULL;
  weft_status_t status = weft_reader_open(arguments[0], &reader);
  for (int64_t next = 0; status == WEFT_OK; next++) {
    status = drain_one(reader, next);
  }
  weft_reader_release(reader);
  *out_result = weft_none();
  return status;
}

static const weft_parameter_t number_parameter = {"number", WEFT_KIND_INT64};
static const weft_parameter_t tensor_parameter = {"tensor", WEFT_KIND_TENSOR};
static const weft_parameter_t range_parameters[] = {{"from", WEFT_KIND_INT64},
                                                    {"to", WEFT_KIND_INT64}};
static const weft_parameter_t relay_parameters[] = {
    {"from", WEFT_KIND_CHANNEL_END},
    {"to", WEFT_KIND_CHANNEL_END},
    {"stride", WEFT_KIND_INT64}};
static const weft_parameter_t watch_parameters[] = {
    {"from", WEFT_KIND_CHANNEL_END},
    {"to", WEFT_KIND_CHANNEL_END},
    {"count", WEFT_KIND_INT64}};
static const weft_parameter_t end_parameter = {"from", WEFT_KIND_CHANNEL_END};
static const weft_endpoint_t target_endpoints[] = {
    [WEFT_BENCH_TARGET_ECHO] = {"echo", target_echo, &number_parameter, 1},
    [WEFT_BENCH_TARGET_TAKE] = {"take", target_take, &tensor_parameter, 1},
    [WEFT_BENCH_TARGET_COPY] = {"copy", target_copy, &tensor_parameter, 1},
    [WEFT_BENCH_TARGET_REACH] = {"reach", target_reach, range_parameters, 2},
    [WEFT_BENCH_TARGET_RELAY] = {"relay", target_relay, relay_parameters, 3},
    [WEFT_BENCH_TARGET_DRAIN] = {"drain", target_drain, &end_parameter, 1},
    [WEFT_BENCH_TARGET_WATCH] = {"watch", target_watch, watch_parameters, 3},
};
const weft_class_t weft_bench_target_class = {
    .name = "bench target",
    .version = 1,
    .init = target_init,
    .deinit = target_deinit,
    .endpoints = target_endpoints,
    .endpoint_count = WEFT_BENCH_TARGET_ENDPOINTS,
};

// --- The world --------------------------------------------------------------

static weft_status_t spawn_all(weft_bench_calls_t* calls, uint32_t size) {
  const weft_spawn_options_t options = {.place = 1};
  for (size_t i = 0; i < WEFT_BENCH_TARGETS; i++) {
    WEFT_RETURN_IF_ERROR(weft_spawn(calls->runtime, &weft_bench_target_class,
                                    weft_none(), &options, &calls->targets[i]));
  }
  for (uint32_t rank = 2; rank < size; rank++) {
    WEFT_RETURN_IF_ERROR(reach(calls->runtime, rank));
  }
  return weft_spawn(calls->runtime, &weft_bench_driver_class,
                    weft_int64((int64_t)(uintptr_t)calls), NULL,
                    &calls->driver);
}

weft_status_t weft_bench_calls_create(const weft_bench_job_options_t* options,
                                      weft_bench_calls_t** out_calls) {
  *out_calls = NULL;
  weft_bench_calls_t* calls = calloc(1, sizeof(*calls));
  if (calls == NULL) {
    return no_memory();
  }
  (void)sem_init(&calls->is_done, 0, 0);
  weft_status_t status = weft_bench_job_start(options, &calls->job);
  if (status == WEFT_OK) {
    calls->runtime = weft_bench_job_runtime(calls->job);
    status = spawn_all(calls, options->size);
  }
  if (status != WEFT_OK) {
    weft_bench_calls_destroy(calls);
    return status;
  }
  *out_calls = calls;
  return WEFT_OK;
}

void weft_bench_calls_destroy(void* user) {
  weft_bench_calls_t* calls = user;
  if (calls != NULL) {
    weft_value_release(calls->tensor);
    weft_bench_job_end(calls->job);
    (void)sem_destroy(&calls->is_done);
    free(calls);
  }
}
