// SPDX-License-Identifier: Apache-2.0
//
// Several processes for a benchmark, without `weft run`: this process is rank
// 0 of a job and its host as well; the others are this program, started once
// more for the verb `bench-member`. They serve until the job ends.
//
//   rank 0: the caller's thread, a runtime with one worker   on the last core
//   others: a runtime with one worker each                   on the first one
//
// Nobody runs but while rank 0 asks for something, so a job disturbs nothing
// that is measured in turn with it.

#ifndef WEFT_BENCH_JOB_H_
#define WEFT_BENCH_JOB_H_

#include "bench/world.h"

// What the hidden verb is called.
#define WEFT_BENCH_MEMBER_VERB "bench-member"

typedef struct weft_bench_job weft_bench_job_t;

typedef struct weft_bench_job_options {
  // Processes, this one among them.
  uint32_t size;
  // No thread spins before it sleeps.
  bool never_spins;
} weft_bench_job_options_t;

// Starts the processes. None of them need have made its runtime yet.
weft_status_t weft_bench_job_start(const weft_bench_job_options_t* options,
                                   weft_bench_job_t** out_job);
// Ends all of them and waits for that. Takes a `weft_bench_job_t*` or NULL.
void weft_bench_job_end(void* user);

// That of rank 0.
weft_runtime_t* weft_bench_job_runtime(const weft_bench_job_t* job);
// The number of a rank's process.
int weft_bench_job_process(const weft_bench_job_t* job, uint32_t rank);

// Binds the calling thread to the core of rank 0, and sets it free.
void weft_bench_job_enter(weft_bench_job_t* job);
void weft_bench_job_leave(weft_bench_job_t* job);

// The classes of such jobs.
#define WEFT_BENCH_JOB_CLASSES 2
extern const weft_class_t weft_bench_target_class;
extern const weft_class_t weft_bench_driver_class;

// What the other processes do; returns what `main` should.
int weft_bench_member_main(void);

#endif  // WEFT_BENCH_JOB_H_
