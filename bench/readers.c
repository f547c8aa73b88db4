// SPDX-License-Identifier: Apache-2.0
//
// Case `readers_32` of bench `channel`: a value to many processes, each of
// which reads and releases it before the next is written.
//
//   rank 0: the caller's thread --[ 8 B ]--> rank 1: a handler that drains
//                               \    :
//                                `--------> rank 32

#include <stdlib.h>

#include "bench/call.h"
#include "bench/channel.h"

#define READERS WEFT_FLOOR_READERS
#define PATIENCE_NS INT64_C(60000000000)

typedef struct readers {
  weft_bench_job_t* job;
  weft_runtime_t* runtime;
  weft_writer_t* writer;
  weft_future_t* drains[READERS];
  int64_t last;
} readers_t;

static void destroy(void* user) {
  readers_t* readers = user;
  if (readers == NULL) {
    return;
  }
  // They end once they have heard that the writer has left.
  weft_writer_release(readers->writer);
  for (size_t i = 0; i < READERS && readers->drains[i] != NULL; i++) {
    weft_status_release(
        weft_future_wait(readers->drains[i],
                         weft_deadline_after(readers->runtime, PATIENCE_NS)));
    weft_future_release(readers->drains[i]);
  }
  weft_bench_job_end(readers->job);
  free(readers);
}

static weft_status_t start_drain(readers_t* readers, uint32_t rank,
                                 weft_reader_t* reader) {
  const weft_spawn_options_t options = {.place = rank};
  weft_actor_t target;
  WEFT_RETURN_IF_ERROR(weft_spawn(readers->runtime, &weft_bench_target_class,
                                  weft_none(), &options, &target));
  weft_value_t end = weft_reader_value(reader);
  weft_status_t status =
      weft_call(readers->runtime, target, WEFT_BENCH_TARGET_DRAIN,
                WEFT_ARGUMENTS(end), NULL, &readers->drains[rank - 1]);
  weft_value_release(end);
  return status;
}

static weft_status_t connect(readers_t* readers) {
  const weft_channel_options_t options = {
      .name = "bench", .reader_count = READERS, .slot_count = 1};
  weft_reader_t* ends[READERS] = {NULL};
  weft_status_t status =
      weft_channel_create(readers->runtime, &options, &readers->writer, ends);
  for (uint32_t i = 0; i < READERS; i++) {
    if (status == WEFT_OK) {
      status = start_drain(readers, i + 1, ends[i]);
    }
    weft_reader_release(ends[i]);
  }
  return status;
}

static weft_status_t create(uint32_t workers, void** out_state) {
  (void)workers;
  const weft_bench_job_options_t options = {.size = READERS + 1};
  readers_t* readers = calloc(1, sizeof(*readers));
  *out_state = NULL;
  if (readers == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  weft_status_t status = weft_bench_job_start(&options, &readers->job);
  if (status == WEFT_OK) {
    readers->runtime = weft_bench_job_runtime(readers->job);
    status = connect(readers);
  }
  if (status != WEFT_OK) {
    destroy(readers);
    return status;
  }
  *out_state = readers;
  return WEFT_OK;
}

static void prepare(void* state, uint64_t count) {
  (void)count;
  weft_bench_job_enter(((readers_t*)state)->job);
}

// There is one slot, so it is free once all have released what is in it.
static weft_status_t await_all(readers_t* readers, int64_t deadline_ns) {
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_writer_ready(readers->writer, &future));
  weft_status_t status = weft_future_wait(future, deadline_ns);
  weft_future_release(future);
  return status;
}

// A drain that has ended counts for nothing any more.
static weft_status_t check_drains(const readers_t* readers) {
  int64_t left = 0;
  for (size_t i = 0; i < READERS; i++) {
    left += weft_future_is_done(readers->drains[i]) ? 1 : 0;
  }
  return weft_bench_expect("readers that have left", 0, left);
}

static weft_status_t run(void* state, uint64_t count) {
  readers_t* readers = state;
  int64_t deadline_ns = weft_deadline_after(readers->runtime, PATIENCE_NS);
  weft_status_t status = WEFT_OK;
  for (uint64_t i = 0; i < count && status == WEFT_OK; i++) {
    status = weft_writer_write(readers->writer, weft_int64(readers->last++),
                               deadline_ns);
  }
  if (status == WEFT_OK) {
    status = await_all(readers, deadline_ns);
  }
  weft_bench_job_leave(readers->job);
  return status == WEFT_OK ? check_drains(readers) : status;
}

const weft_bench_subject_t weft_bench_channel_readers = {
    .create = create, .prepare = prepare, .run = run, .destroy = destroy};
