// SPDX-License-Identifier: Apache-2.0
//
// What the benchmarks between processes ask of the actors of each other:
//
//   [driver] at rank 0 --call--> [target] at rank 1, of which there are a few

#ifndef WEFT_BENCH_CALL_H_
#define WEFT_BENCH_CALL_H_

#include <semaphore.h>

#include "bench/job.h"

enum {
  // Answers with the number that it is given.
  WEFT_BENCH_TARGET_ECHO,
  // Takes a tensor and does not look at it.
  WEFT_BENCH_TARGET_TAKE,
  // Copies a tensor into memory of its own.
  WEFT_BENCH_TARGET_COPY,
  // Spawns a target at each rank from one on to one before another, and asks
  // it something: so they are connected.
  WEFT_BENCH_TARGET_REACH,
  // Reads numbers, and bytes whose words are all one number, from one channel
  // until it ends, and writes one number in so many, and those below zero, to
  // another.
  WEFT_BENCH_TARGET_RELAY,
  // Reads numbers from a channel, each one more than the last, until it ends.
  WEFT_BENCH_TARGET_DRAIN,
  // Reads from one channel the times at which numbers were due; at one below
  // zero writes how late each was, as bytes, to another. Of a given number at
  // the most. Units: nanoseconds, as int64.
  WEFT_BENCH_TARGET_WATCH,
  WEFT_BENCH_TARGET_ENDPOINTS
};

#define WEFT_BENCH_TARGETS 8

// A job, with targets at rank 1 and, where there are more, one at each.
typedef struct weft_bench_calls {
  weft_bench_job_t* job;
  weft_runtime_t* runtime;
  weft_actor_t targets[WEFT_BENCH_TARGETS];
  // At rank 0; drives when the work is to be an actor's.
  weft_actor_t driver;
  // Posted when the driver is done, how it went having been written before. A
  // thread that waited for a future would wait for frames as well, and share
  // a core with the driver.
  sem_t is_done;
  weft_status_t outcome;
  // The tensor of some cases.
  weft_value_t tensor;
} weft_bench_calls_t;

weft_status_t weft_bench_calls_create(const weft_bench_job_options_t* options,
                                      weft_bench_calls_t** out_calls);
// Takes a `weft_bench_calls_t*` or NULL.
void weft_bench_calls_destroy(void* user);

#endif  // WEFT_BENCH_CALL_H_
