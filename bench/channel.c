// SPDX-License-Identifier: Apache-2.0
//
// Bench `channel`: a channel there and one back.
//
//   rank 0: the caller's thread --[ 8 B ]--> rank 1: a handler that relays
//                               <--[ 8 B ]--
//
//   rtt_8B_spin   one value at a time, while both sides spin
//   rtt_8B_block  the same, when nobody spins: both sleep each time
//   rate_8B       as many on their way as there are slots
//   stream_4KB, stream_1MB  the same with bytes, each word of which is filled
//                 in where it lies and read there
//   readers_32    one value to 32 processes at a time: readers.c
//   latency_100k, latency_1M, latency_4M
//                 so many a second: how long from when one is due until it is
//                 read, each by itself
//   local_8B      written and read in one thread

#include <stdlib.h>
#include <string.h>

#include "bench/bench.h"
#include "bench/call.h"
#include "bench/channel.h"
#include "bench/floor/work.h"

// Values without an answer, but for the last of a batch.
#define STRIDE 128
#define PATIENCE_NS INT64_C(60000000000)

typedef struct plan {
  // What is at the other side; and what it is told. A relay answers one in so
  // many, a watch takes so many at the most.
  uint32_t endpoint;
  int64_t number;
  uint32_t slot_count;
  // Of each value; 0: numbers.
  uint32_t value_bytes;
  bool never_spins;
} plan_t;

typedef struct pair {
  weft_bench_calls_t* calls;
  weft_writer_t* there;
  weft_reader_t* back;
  weft_future_t* relay;
  // Of each value; 0: numbers.
  size_t value_bytes;
  int64_t last;
} pair_t;

static void destroy_pair(void* user) {
  pair_t* pair = user;
  if (pair == NULL) {
    return;
  }
  weft_writer_release(pair->there);
  weft_reader_release(pair->back);
  if (pair->relay != NULL) {
    // It ends once it has heard that the writer has left.
    weft_status_release(weft_future_wait(
        pair->relay, weft_deadline_after(pair->calls->runtime, PATIENCE_NS)));
    weft_future_release(pair->relay);
  }
  weft_bench_calls_destroy(pair->calls);
  free(pair);
}

static weft_status_t connect_pair(pair_t* pair, const plan_t* plan) {
  const weft_channel_options_t there_options = {
      .name = "bench",
      .slot_count = plan->slot_count,
      .slot_bytes = plan->value_bytes};
  const weft_channel_options_t options = {.name = "bench",
                                          .slot_count = WEFT_FLOOR_WORD_SLOTS};
  weft_runtime_t* runtime = pair->calls->runtime;
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_status_t status =
      weft_channel_create(runtime, &there_options, &pair->there, &reader);
  if (status == WEFT_OK) {
    status = weft_channel_create(runtime, &options, &writer, &pair->back);
  }
  if (status == WEFT_OK) {
    weft_value_t ends[] = {weft_reader_value(reader),
                           weft_writer_value(writer)};
    status =
        weft_call(runtime, pair->calls->targets[0], plan->endpoint,
                  WEFT_ARGUMENTS(ends[0], ends[1], weft_int64(plan->number)),
                  NULL, &pair->relay);
    weft_value_release(ends[0]);
    weft_value_release(ends[1]);
  }
  weft_reader_release(reader);
  weft_writer_release(writer);
  return status;
}

static weft_status_t create_with(const plan_t* plan, void** out_state) {
  const weft_bench_job_options_t options = {.size = 2,
                                            .never_spins = plan->never_spins};
  pair_t* pair = calloc(1, sizeof(*pair));
  *out_state = NULL;
  if (pair == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  weft_status_t status = weft_bench_calls_create(&options, &pair->calls);
  if (status == WEFT_OK) {
    pair->value_bytes = plan->value_bytes;
    status = connect_pair(pair, plan);
  }
  if (status != WEFT_OK) {
    destroy_pair(pair);
    return status;
  }
  *out_state = pair;
  return WEFT_OK;
}

#define PLAN(name, ...)                                                    \
  static weft_status_t create_##name(uint32_t workers, void** out_state) { \
    static const plan_t plan = {__VA_ARGS__};                              \
    (void)workers;                                                         \
    return create_with(&plan, out_state);                                  \
  }

#define RELAY(stride) .endpoint = WEFT_BENCH_TARGET_RELAY, .number = (stride)

PLAN(one, RELAY(1), .slot_count = WEFT_FLOOR_WORD_SLOTS)
PLAN(sleeping, RELAY(1), .slot_count = WEFT_FLOOR_WORD_SLOTS,
     .never_spins = true)
PLAN(many, RELAY(STRIDE), .slot_count = WEFT_FLOOR_WORD_SLOTS)
PLAN(4kb, RELAY(STRIDE), .slot_count = WEFT_FLOOR_4KB_SLOTS,
     .value_bytes = WEFT_FLOOR_4KB)
PLAN(1mb, RELAY(STRIDE), .slot_count = WEFT_FLOOR_1MB_SLOTS,
     .value_bytes = WEFT_FLOOR_1MB)
PLAN(watched, .endpoint = WEFT_BENCH_TARGET_WATCH, .number = WEFT_FLOOR_PACED,
     .slot_count = WEFT_FLOOR_WORD_SLOTS)

static void prepare(void* state, uint64_t count) {
  (void)count;
  weft_bench_job_enter(((pair_t*)state)->calls->job);
}

static weft_status_t put(pair_t* pair, int64_t number, int64_t deadline_ns) {
  void* data = NULL;
  if (pair->value_bytes == 0) {
    return weft_writer_write(pair->there, weft_int64(number), deadline_ns);
  }
  WEFT_RETURN_IF_ERROR(
      weft_writer_reserve(pair->there, pair->value_bytes, deadline_ns, &data));
  weft_floor_fill(data, pair->value_bytes, (uint64_t)number);
  return weft_writer_commit(pair->there, pair->value_bytes);
}

static weft_status_t take(pair_t* pair, int64_t deadline_ns,
                          int64_t* out_number) {
  weft_lease_t lease;
  WEFT_RETURN_IF_ERROR(weft_reader_read(pair->back, deadline_ns, &lease));
  weft_status_t status = lease.status != WEFT_OK
                             ? weft_status_retain(lease.status)
                             : weft_value_as_int64(lease.value, out_number);
  weft_lease_release(&lease);
  return status;
}

static weft_status_t run_one(void* state, uint64_t count) {
  pair_t* pair = state;
  int64_t deadline_ns = weft_deadline_after(pair->calls->runtime, PATIENCE_NS);
  weft_status_t status = WEFT_OK;
  for (uint64_t i = 0; i < count && status == WEFT_OK; i++) {
    int64_t number = 0;
    status = put(pair, ++pair->last, deadline_ns);
    if (status == WEFT_OK) {
      status = take(pair, deadline_ns, &number);
    }
    if (status == WEFT_OK) {
      status = weft_bench_expect("a value", pair->last, number);
    }
  }
  weft_bench_job_leave(pair->calls->job);
  return status;
}

// The values of one batch, and one that is answered at once.
static weft_status_t stream(pair_t* pair, uint64_t count) {
  int64_t deadline_ns = weft_deadline_after(pair->calls->runtime, PATIENCE_NS);
  int64_t number = 0;
  for (uint64_t i = 1; i < count; i++) {
    WEFT_RETURN_IF_ERROR(put(pair, ++pair->last, deadline_ns));
  }
  WEFT_RETURN_IF_ERROR(put(pair, -1, deadline_ns));
  while (number != -1) {
    WEFT_RETURN_IF_ERROR(take(pair, deadline_ns, &number));
  }
  return WEFT_OK;
}

static weft_status_t run_many(void* state, uint64_t count) {
  pair_t* pair = state;
  weft_status_t status = stream(pair, count);
  weft_bench_job_leave(pair->calls->job);
  return status;
}

// --- At a fixed pace --------------------------------------------------------

static weft_status_t write_paced(pair_t* pair, uint64_t count,
                                 int64_t period_ns, int64_t deadline_ns) {
  int64_t due_ns = weft_floor_now_ns();
  for (uint64_t i = 0; i < count; i++) {
    due_ns += period_ns;
    weft_floor_wait_until(due_ns);
    WEFT_RETURN_IF_ERROR(put(pair, due_ns, deadline_ns));
  }
  return put(pair, -1, deadline_ns);
}

// What the watch says of all of them.
static weft_status_t take_delays(weft_value_t value, uint64_t count,
                                 double* out_figures) {
  const void* data = NULL;
  size_t size_bytes = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_bytes(value, &data, &size_bytes));
  WEFT_RETURN_IF_ERROR(weft_bench_expect("bytes of delays",
                                         (int64_t)(count * sizeof(int64_t)),
                                         (int64_t)size_bytes));
  for (uint64_t i = 0; i < count; i++) {
    int64_t delay_ns = 0;
    memcpy(&delay_ns, (const char*)data + i * sizeof(delay_ns),
           sizeof(delay_ns));
    out_figures[i] = (double)delay_ns;
  }
  return WEFT_OK;
}

static weft_status_t gather(pair_t* pair, uint64_t count, int64_t period_ns,
                            double* out_figures) {
  int64_t deadline_ns = weft_deadline_after(pair->calls->runtime, PATIENCE_NS);
  weft_lease_t lease;
  weft_status_t status = write_paced(pair, count, period_ns, deadline_ns);
  weft_bench_job_leave(pair->calls->job);
  WEFT_RETURN_IF_ERROR(status);
  WEFT_RETURN_IF_ERROR(weft_reader_read(pair->back, deadline_ns, &lease));
  status = lease.status != WEFT_OK
               ? weft_status_retain(lease.status)
               : take_delays(lease.value, count, out_figures);
  weft_lease_release(&lease);
  return status;
}

#define GATHER(rate)                                                  \
  static weft_status_t gather_##rate(void* state, uint64_t count,     \
                                     double* out_figures) {           \
    return gather(state, count, WEFT_FLOOR_##rate##_NS, out_figures); \
  }                                                                   \
  static const weft_bench_subject_t paced_##rate = {                  \
      .create = create_watched,                                       \
      .prepare = prepare,                                             \
      .gather = gather_##rate,                                        \
      .destroy = destroy_pair,                                        \
  };

GATHER(100K)
GATHER(1M)
GATHER(4M)

// --- In one process ---------------------------------------------------------

typedef struct local {
  weft_runtime_t* runtime;
  weft_writer_t* writer;
  weft_reader_t* reader;
} local_t;

static void destroy_local(void* user) {
  local_t* local = user;
  if (local != NULL) {
    weft_writer_release(local->writer);
    weft_reader_release(local->reader);
    weft_runtime_destroy(local->runtime);
    free(local);
  }
}

static weft_status_t create_local(uint32_t workers, void** out_state) {
  const weft_runtime_options_t options = {.worker_count = workers};
  local_t* local = calloc(1, sizeof(*local));
  *out_state = NULL;
  if (local == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  weft_status_t status = weft_runtime_create(&options, &local->runtime);
  if (status == WEFT_OK) {
    status = weft_channel_create(local->runtime, NULL, &local->writer,
                                 &local->reader);
  }
  if (status != WEFT_OK) {
    destroy_local(local);
    return status;
  }
  *out_state = local;
  return WEFT_OK;
}

static weft_status_t run_local(void* state, uint64_t count) {
  local_t* local = state;
  for (uint64_t i = 0; i < count; i++) {
    weft_lease_t lease;
    WEFT_RETURN_IF_ERROR(weft_writer_write(
        local->writer, weft_int64((int64_t)i), WEFT_TIME_NOW));
    WEFT_RETURN_IF_ERROR(
        weft_reader_read(local->reader, WEFT_TIME_NOW, &lease));
    WEFT_RETURN_IF_ERROR(
        weft_bench_expect("a value", (int64_t)i, lease.value.as.int64));
    weft_lease_release(&lease);
  }
  return WEFT_OK;
}

// --- The table --------------------------------------------------------------

#define SUBJECT(name, creates, runs)         \
  static const weft_bench_subject_t name = { \
      .create = (creates),                   \
      .run = (runs),                         \
      .destroy = destroy_pair,               \
      .prepare = prepare,                    \
  }

SUBJECT(one, create_one, run_one);
SUBJECT(sleeping, create_sleeping, run_one);
SUBJECT(many, create_many, run_many);
SUBJECT(blocks_4kb, create_4kb, run_many);
SUBJECT(blocks_1mb, create_1mb, run_many);
static const weft_bench_subject_t alone = {
    .create = create_local, .run = run_local, .destroy = destroy_local};

static const weft_bench_case_t cases[] = {
    {.bench = "channel",
     .name = "rtt_8B_spin",
     .what = "a number to another process and back; both spin",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.8,
     .subject = &one,
     .floor = &weft_floor_link_spin},
    {.bench = "channel",
     .name = "rtt_8B_block",
     .what = "the same; both sleep",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.6,
     .subject = &sleeping,
     .floor = &weft_floor_link_block},
    {.bench = "channel",
     .name = "rate_8B",
     .what = "numbers to another process, 1024 slots",
     .unit = WEFT_BENCH_UNIT_MEGA_PER_S,
     .workers = 2,
     .goal = 4,
     .subject = &many,
     .floor = &weft_floor_ring_8b},
    {.bench = "channel",
     .name = "stream_4KB",
     .what = "4 KiB filled in place and read in place elsewhere, 64 slots",
     .unit = WEFT_BENCH_UNIT_GIGABYTE_PER_S,
     .workers = 2,
     .round_bytes = WEFT_FLOOR_4KB,
     .goal = 1.2,
     .subject = &blocks_4kb,
     .floor = &weft_floor_ring_4kb},
    {.bench = "channel",
     .name = "stream_1MB",
     .what = "the same with 1 MiB, 2 slots",
     .unit = WEFT_BENCH_UNIT_GIGABYTE_PER_S,
     .workers = 2,
     .round_bytes = WEFT_FLOOR_1MB,
     .goal = 1.05,
     .subject = &blocks_1mb,
     .floor = &weft_floor_ring_1mb},
    {.bench = "channel",
     .name = "readers_32",
     .what = "a number to 32 processes, until all have released it",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .goal = 1.4,
     .subject = &weft_bench_channel_readers,
     .floor = &weft_floor_readers},
    {.bench = "channel",
     .name = "latency_100k",
     .what = "a number at a time every 10 us, from when it is due until read",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .fixed_count = WEFT_FLOOR_PACED,
     .goal = 1.8,
     .subject = &paced_100K,
     .floor = &weft_floor_paced_100k},
    {.bench = "channel",
     .name = "latency_1M",
     .what = "the same every 1 us",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .fixed_count = WEFT_FLOOR_PACED,
     .goal = 1.8,
     .subject = &paced_1M,
     .floor = &weft_floor_paced_1m},
    {.bench = "channel",
     .name = "latency_4M",
     .what = "the same every 250 ns",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 2,
     .fixed_count = WEFT_FLOOR_PACED,
     .goal = 1.8,
     .subject = &paced_4M,
     .floor = &weft_floor_paced_4m},
    {.bench = "channel",
     .name = "local_8B",
     .what = "a number written and read in one thread",
     .unit = WEFT_BENCH_UNIT_NS,
     .workers = 1,
     .goal = 100,
     .subject = &alone},
};

const weft_bench_group_t weft_bench_channels = {
    .cases = cases,
    .count = sizeof(cases) / sizeof(cases[0]),
};
