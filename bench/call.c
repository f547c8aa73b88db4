// SPDX-License-Identifier: Apache-2.0
//
// Bench `call`: an actor of another process is called and answers.
//
//   process_rtt      one call at a time, while both sides spin
//   process_block    the same, when nobody spins: both sleep each time
//   process_onecore  the same on one core
//   process_rate     many calls on their way, to eight actors
//
// Who calls is a thread that is not the runtime's, or, where the name says so,
// the handler of an actor; of `process_rate` it is the other way round, since
// a thread's messages are made visible one by one and those of a handler when
// it waits. `_64` is with 64 processes in the job, all connected to rank 0, of
// which one more than 2 does nothing.

#include "bench/call.h"

#include <stdlib.h>

#include "bench/bench.h"

// Calls that are on their way at the most; a power of two. With eight targets
// it is half of what each takes from one process.
#define WINDOW 256
// Answers that are waited for at a time.
#define STRIDE 32
#define PATIENCE_NS INT64_C(60000000000)

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Processes are costly there, and figures mean nothing.
#define MANY 8
#else
#define MANY 64
#endif

// --- Calling ----------------------------------------------------------------

static weft_status_t take_answer(weft_future_t* future, int64_t deadline_ns,
                                 int64_t expected) {
  weft_value_t value = weft_none();
  int64_t answer = 0;
  weft_status_t status = weft_future_get(future, deadline_ns, &value);
  if (status == WEFT_OK) {
    status = weft_value_as_int64(value, &answer);
  }
  weft_value_release(value);
  weft_future_release(future);
  return status == WEFT_OK ? weft_bench_expect("an answer", expected, answer)
                           : status;
}

static weft_status_t call_echo(const weft_bench_calls_t* calls, uint64_t number,
                               weft_future_t** out_future) {
  weft_actor_t target = calls->targets[number % WEFT_BENCH_TARGETS];
  return weft_bench_call(calls->runtime, target, WEFT_BENCH_TARGET_ECHO,
                         (int64_t)number, out_future);
}

// One call at a time.
static weft_status_t drive_one(const weft_bench_calls_t* calls,
                               uint64_t count) {
  int64_t deadline_ns = weft_deadline_after(calls->runtime, PATIENCE_NS);
  for (uint64_t i = 0; i < count; i++) {
    weft_future_t* future = NULL;
    WEFT_RETURN_IF_ERROR(call_echo(calls, i, &future));
    WEFT_RETURN_IF_ERROR(take_answer(future, deadline_ns, (int64_t)i));
  }
  return WEFT_OK;
}

// Many calls on their way. After an error what is out is dropped.
typedef struct stream {
  const weft_bench_calls_t* calls;
  weft_future_t* futures[WINDOW];
  uint64_t sent;
  uint64_t answered;
  int64_t deadline_ns;
} stream_t;

static weft_status_t take_answers(stream_t* stream, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    weft_future_t* future = stream->futures[stream->answered % WINDOW];
    WEFT_RETURN_IF_ERROR(
        take_answer(future, stream->deadline_ns, (int64_t)stream->answered++));
  }
  return WEFT_OK;
}

static weft_status_t send_all(stream_t* stream, uint64_t count) {
  while (stream->sent < count) {
    if (stream->sent - stream->answered == WINDOW) {
      WEFT_RETURN_IF_ERROR(take_answers(stream, STRIDE));
    }
    WEFT_RETURN_IF_ERROR(call_echo(stream->calls, stream->sent,
                                   &stream->futures[stream->sent % WINDOW]));
    stream->sent++;
  }
  return take_answers(stream, stream->sent - stream->answered);
}

static weft_status_t drive_many(const weft_bench_calls_t* calls,
                                uint64_t count) {
  stream_t stream = {
      .calls = calls,
      .deadline_ns = weft_deadline_after(calls->runtime, PATIENCE_NS),
  };
  weft_status_t status = send_all(&stream, count);
  while (stream.answered < stream.sent) {
    weft_future_release(stream.futures[stream.answered++ % WINDOW]);
  }
  return status;
}

// --- The driver -------------------------------------------------------------

enum { DRIVER_ONE, DRIVER_MANY };

static weft_status_t driver_init(weft_context_t* context, weft_value_t init,
                                 void** out_state) {
  (void)context;
  int64_t address = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(init, &address));
  *out_state = (void*)(uintptr_t)address;
  return WEFT_OK;
}

static weft_status_t finish(weft_bench_calls_t* calls, weft_status_t outcome) {
  calls->outcome = outcome;
  (void)sem_post(&calls->is_done);
  return WEFT_OK;
}

static weft_status_t driver_one(weft_context_t* context, void* state,
                                const weft_value_t* arguments,
                                weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  return finish(state, drive_one(state, (uint64_t)arguments[0].as.int64));
}

static weft_status_t driver_many(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  return finish(state, drive_many(state, (uint64_t)arguments[0].as.int64));
}

static const weft_parameter_t count_parameter = {"count", WEFT_KIND_INT64};
static const weft_endpoint_t driver_endpoints[] = {
    [DRIVER_ONE] = {"one", driver_one, &count_parameter, 1},
    [DRIVER_MANY] = {"many", driver_many, &count_parameter, 1},
};
const weft_class_t weft_bench_driver_class = {
    .name = "bench driver",
    .version = 1,
    .init = driver_init,
    .endpoints = driver_endpoints,
    .endpoint_count = sizeof(driver_endpoints) / sizeof(driver_endpoints[0]),
};

static weft_status_t ask_driver(weft_bench_calls_t* calls, uint32_t endpoint,
                                uint64_t count) {
  WEFT_RETURN_IF_ERROR(
      weft_bench_send(calls->runtime, calls->driver, endpoint, (int64_t)count));
  while (sem_wait(&calls->is_done) != 0) {
    // A signal came.
  }
  return calls->outcome;
}

// --- Subjects ---------------------------------------------------------------

static weft_status_t create_with(uint32_t size, bool never_spins,
                                 void** out_state) {
  const weft_bench_job_options_t options = {.size = size,
                                            .never_spins = never_spins};
  weft_bench_calls_t* calls = NULL;
  *out_state = NULL;
  WEFT_RETURN_IF_ERROR(weft_bench_calls_create(&options, &calls));
  *out_state = calls;
  return WEFT_OK;
}

static weft_status_t create_two(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(2, false, out_state);
}

static weft_status_t create_many(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(MANY, false, out_state);
}

static weft_status_t create_sleepers(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(2, true, out_state);
}

static weft_status_t create_many_sleepers(uint32_t workers, void** out_state) {
  (void)workers;
  return create_with(MANY, true, out_state);
}

static void prepare(void* state, uint64_t count) {
  (void)count;
  weft_bench_job_enter(((weft_bench_calls_t*)state)->job);
}

static weft_status_t run_one(void* state, uint64_t count) {
  weft_bench_calls_t* calls = state;
  weft_status_t status = drive_one(calls, count);
  weft_bench_job_leave(calls->job);
  return status;
}

static weft_status_t run_many(void* state, uint64_t count) {
  weft_bench_calls_t* calls = state;
  weft_status_t status = drive_many(calls, count);
  weft_bench_job_leave(calls->job);
  return status;
}

static weft_status_t run_actor_one(void* state, uint64_t count) {
  weft_bench_calls_t* calls = state;
  weft_status_t status = ask_driver(calls, DRIVER_ONE, count);
  weft_bench_job_leave(calls->job);
  return status;
}

static weft_status_t run_actor_many(void* state, uint64_t count) {
  weft_bench_calls_t* calls = state;
  weft_status_t status = ask_driver(calls, DRIVER_MANY, count);
  weft_bench_job_leave(calls->job);
  return status;
}

// --- The table --------------------------------------------------------------

#define SUBJECT(subject_name, creates, runs)         \
  static const weft_bench_subject_t subject_name = { \
      .create = (creates),                           \
      .run = (runs),                                 \
      .destroy = weft_bench_calls_destroy,           \
      .prepare = prepare,                            \
  }

SUBJECT(one, create_two, run_one);
SUBJECT(one_of_many, create_many, run_one);
SUBJECT(actor_one, create_two, run_actor_one);
SUBJECT(sleeping, create_sleepers, run_one);
SUBJECT(sleeping_of_many, create_many_sleepers, run_one);
SUBJECT(stream, create_two, run_actor_many);
SUBJECT(stream_of_many, create_many, run_actor_many);
SUBJECT(thread_stream, create_two, run_many);

static const weft_bench_case_t cases[] = {
    {.bench = "call",
     .name = "process_rtt",
     .what = "a call to another process and its answer; both spin",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 4,
     .subject = &one,
     .floor = &weft_floor_link_spin},
    {.bench = "call",
     .name = "process_rtt_actor",
     .what = "the same, the caller is an actor whose handler waits",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 4,
     .subject = &actor_one,
     .floor = &weft_floor_link_spin},
    {.bench = "call",
     .name = "process_rtt_64",
     .what = "as process_rtt, with 64 processes that are connected",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 4,
     .subject = &one_of_many,
     .floor = &weft_floor_link_spin},
    {.bench = "call",
     .name = "process_block",
     .what = "a call to another process and its answer; both sleep",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.6,
     .subject = &sleeping,
     .floor = &weft_floor_link_block},
    {.bench = "call",
     .name = "process_block_64",
     .what = "the same, with 64 processes that are connected",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.6,
     .subject = &sleeping_of_many,
     .floor = &weft_floor_link_block},
    {.bench = "call",
     .name = "process_onecore",
     .what = "a call to another process and its answer, on one core",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 4,
     .subject = &one,
     .floor = &weft_floor_link_block},
    {.bench = "call",
     .name = "process_onecore_64",
     .what = "the same, with 64 processes that are connected",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 4,
     .subject = &one_of_many,
     .floor = &weft_floor_link_block},
    {.bench = "call",
     .name = "process_rate",
     .what = "an actor calls another process, 256 calls on their way",
     .unit = WEFT_BENCH_UNIT_MEGA_PER_S,
     .workers = 2,
     .goal = 5,
     .subject = &stream,
     .floor = &weft_floor_call_ring},
    {.bench = "call",
     .name = "process_rate_thread",
     .what = "the same, the caller is a thread",
     .unit = WEFT_BENCH_UNIT_MEGA_PER_S,
     .workers = 2,
     .goal = 5,
     .subject = &thread_stream,
     .floor = &weft_floor_call_ring},
    {.bench = "call",
     .name = "process_rate_64",
     .what = "as process_rate, with 64 processes that are connected",
     .unit = WEFT_BENCH_UNIT_MEGA_PER_S,
     .workers = 2,
     .goal = 5,
     .subject = &stream_of_many,
     .floor = &weft_floor_call_ring},
    {.bench = "call",
     .name = "process_rate_onecore",
     .what = "as process_rate, on one core",
     .unit = WEFT_BENCH_UNIT_MEGA_PER_S,
     .workers = 1,
     .goal = 5,
     .subject = &stream,
     .floor = &weft_floor_call_ring},
};

const weft_bench_group_t weft_bench_calls = {
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
};
