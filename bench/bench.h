// SPDX-License-Identifier: Apache-2.0
//
// Benchmarks. A *case* measures one thing of weft and, beside it, its *floor*:
// the smallest hand-written C that does the same (bench/floor). Absolute times
// drift from machine to machine and from hour to hour, so what counts is the
// ratio of the two, taken in one run:
//
//   weft | floor | weft | floor | weft | floor | ...
//
// Each of these is a batch: as many rounds as take 2.5 ms. A run has 20 of
// each kind.
//
// Median, p99, min and max are over the batches of all runs; p99 is the batch
// that 99 % of batches are at least as good as (nearest rank), so of a rate it
// is a low figure. A batch is what one can time without the clock showing:
// p99 tells of stalls of a millisecond, not of single operations; but a case
// may say what each of its rounds took, and then they are over the rounds.
// `ratio` is cost over floor: 1 is the limit, lower is better.

#ifndef WEFT_BENCH_BENCH_H_
#define WEFT_BENCH_BENCH_H_

#include "bench/floor/floor.h"
#include "weft/weft.h"

// X(identifier, name in the output, true for a rate).
#define WEFT_BENCH_UNITS(X)       \
  X(NS, "ns", false)              \
  X(MEGA_PER_S, "M/s", true)      \
  X(GIGABYTE_PER_S, "GB/s", true) \
  X(MS, "ms", false)              \
  X(BYTES, "B", false)            \
  X(PERCENT, "%", false)

typedef enum weft_bench_unit {
#define WEFT_BENCH_UNIT_ENUM(identifier, name, is_rate) \
  WEFT_BENCH_UNIT_##identifier,
  WEFT_BENCH_UNITS(WEFT_BENCH_UNIT_ENUM)
#undef WEFT_BENCH_UNIT_ENUM
} weft_bench_unit_t;

const char* weft_bench_unit_name(weft_bench_unit_t unit);
// True when more is better.
bool weft_bench_unit_is_rate(weft_bench_unit_t unit);

// A figure that a case measures itself.
typedef struct weft_bench_measure {
  double figure;
  // For people: what bears the figure out. May stay empty.
  char note[96];
} weft_bench_measure_t;

// What a case measures. All functions run on the thread of the caller, which
// is bound to as many cores as the case has workers.
typedef struct weft_bench_subject {
  // Makes the state; `workers` is the case's.
  weft_status_t (*create)(uint32_t workers, void** out_state);
  // Called before each `run`, outside of the time; NULL: nothing to prepare.
  void (*prepare)(void* state, uint64_t count);
  // Does the work `count` times, and returns when all of it is done.
  weft_status_t (*run)(void* state, uint64_t count);
  void (*destroy)(void* state);
  // In place of `run`: says in `out_figures` what each round took. The case has
  // a fixed count, and its floor does so, too. Units: nanoseconds.
  weft_status_t (*gather)(void* state, uint64_t count, double* out_figures);
  // In place of all above, for what is not a time: measures the figure
  // itself, at the given size.
  weft_status_t (*measure)(uint64_t count, weft_bench_measure_t* out_measure);
} weft_bench_subject_t;

typedef struct weft_bench_case {
  // "actor" and "pingpong".
  const char* bench;
  const char* name;
  // One line for `--list`.
  const char* what;
  weft_bench_unit_t unit;
  // Threads that run handlers; the process is bound to as many cores.
  uint32_t workers;
  // Rounds of a batch, where that is part of the case's name; then a run has
  // one batch. 0: as many as take 2.5 ms.
  uint64_t fixed_count;
  // Of a round, for GB/s.
  uint64_t round_bytes;
  // Runs at most; 0: as many as asked for.
  uint32_t run_limit;
  // What to reach: with a floor a ratio, else a figure. 0: none.
  double goal;
  const weft_bench_subject_t* subject;
  // NULL where there is none.
  const weft_floor_t* floor;
} weft_bench_case_t;

// All cases of a bench, in the order of the output.
typedef struct weft_bench_group {
  const weft_bench_case_t* cases;
  size_t count;
} weft_bench_group_t;

extern const weft_bench_group_t weft_bench_future;
extern const weft_bench_group_t weft_bench_mailbox;
extern const weft_bench_group_t weft_bench_actor;
extern const weft_bench_group_t weft_bench_link_shm;
extern const weft_bench_group_t weft_bench_calls;
extern const weft_bench_group_t weft_bench_tensors;
extern const weft_bench_group_t weft_bench_channels;
extern const weft_bench_group_t weft_bench_jobs;

// The number of all cases, and the one at `index` below that.
size_t weft_bench_case_count(void);
const weft_bench_case_t* weft_bench_case_at(size_t index);
// True when `name` is the case's bench, or "bench/case".
bool weft_bench_case_matches(const weft_bench_case_t* bench_case,
                             const char* name);

typedef struct weft_bench_options {
  // How many times 20 batches; at least 1.
  uint32_t runs;
  // Tiny amounts: shows that a case works, its figures mean nothing.
  bool quick;
} weft_bench_options_t;

typedef struct weft_bench_result {
  const weft_bench_case_t* bench_case;
  uint32_t runs;
  bool quick;
  // In the case's unit.
  double median;
  double p99;
  double min;
  double max;
  // NAN without a floor.
  double floor;
  double ratio;
  // Where rounds are told apart: 99.9 % are at least as good, and what the
  // floor's rounds are.
  bool has_tail;
  double p999;
  double floor_p99;
  double floor_p999;
  // The note of the last measure; empty when there is none.
  char note[96];
} weft_bench_result_t;

// Measures one case. Blocks: for about 0.1 s a run.
// Errors: what the library says; RESOURCE_EXHAUSTED without memory;
// DEADLINE_EXCEEDED when a round does not end within a minute.
weft_status_t weft_bench_run(const weft_bench_case_t* bench_case,
                             const weft_bench_options_t* options,
                             weft_bench_result_t* out_result);

// True when the result reaches the case's goal, or there is none.
bool weft_bench_goal_is_met(const weft_bench_result_t* result);
// How far from the goal: 1 is on it, lower is better. NAN without a goal.
double weft_bench_share_of_goal(const weft_bench_result_t* result);

#endif  // WEFT_BENCH_BENCH_H_
