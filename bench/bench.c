// SPDX-License-Identifier: Apache-2.0
//
// Measures one case: calibrates batches, takes weft and floor in turn.

#include "bench/bench.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "bench/cores.h"
#include "bench/sample.h"

#define BATCHES 20
#define CALIBRATION_BATCHES 5
#define BATCH_NS 2.5e6
#define QUICK_BATCHES 2
#define QUICK_BATCH_NS 1e5
#define QUICK_COUNT 1000
// A round costs at least a fraction of a nanosecond, so this is never short.
#define COUNT_LIMIT ((uint64_t)1 << 32)
// Batches hold a whole number of these, so that cases may work in bursts.
#define COUNT_STEP 64

static const char* const unit_names[] = {
#define UNIT_NAME(identifier, name, is_rate) name,
    WEFT_BENCH_UNITS(UNIT_NAME)
#undef UNIT_NAME
};

static const bool unit_rates[] = {
#define UNIT_RATE(identifier, name, is_rate) is_rate,
    WEFT_BENCH_UNITS(UNIT_RATE)
#undef UNIT_RATE
};

const char* weft_bench_unit_name(weft_bench_unit_t unit) {
  return unit_names[unit];
}

bool weft_bench_unit_is_rate(weft_bench_unit_t unit) {
  return unit_rates[unit];
}

// --- The table --------------------------------------------------------------

static const weft_bench_group_t* const groups[] = {
    &weft_bench_future,   &weft_bench_mailbox, &weft_bench_actor,
    &weft_bench_link_shm, &weft_bench_calls,   &weft_bench_tensors,
    &weft_bench_channels, &weft_bench_jobs};
#define GROUP_COUNT (sizeof(groups) / sizeof(groups[0]))

size_t weft_bench_case_count(void) {
  size_t count = 0;
  for (size_t i = 0; i < GROUP_COUNT; i++) {
    count += groups[i]->count;
  }
  return count;
}

const weft_bench_case_t* weft_bench_case_at(size_t index) {
  const weft_bench_case_t* found = NULL;
  for (size_t i = 0; i < GROUP_COUNT && found == NULL; i++) {
    if (index < groups[i]->count) {
      found = &groups[i]->cases[index];
    }
    index -= groups[i]->count;
  }
  assert(found != NULL);
  return found;
}

bool weft_bench_case_matches(const weft_bench_case_t* bench_case,
                             const char* name) {
  size_t length = strlen(bench_case->bench);
  if (strncmp(name, bench_case->bench, length) != 0) {
    return false;
  }
  return name[length] == '\0' ||
         (name[length] == '/' &&
          strcmp(name + length + 1, bench_case->name) == 0);
}

// --- Measuring --------------------------------------------------------------

// Weft or its floor, made and ready to be timed.
typedef struct side {
  const weft_bench_case_t* bench_case;
  bool is_floor;
  void* state;
  // Rounds of a batch, once calibrated.
  uint64_t count;
  weft_bench_measure_t measure;
  weft_sample_t sample;
} side_t;

static int64_t now_ns(void) {
  struct timespec now = {0, 0};
  // Cannot fail: the clock is always there.
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void prepare(side_t* side, uint64_t count) {
  void (*by)(void* state, uint64_t count) =
      side->is_floor ? side->bench_case->floor->prepare
                     : side->bench_case->subject->prepare;
  if (by != NULL) {
    by(side->state, count);
  }
}

static weft_status_t time_batch(side_t* side, uint64_t count, double* out_ns) {
  prepare(side, count);
  int64_t start_ns = now_ns();
  if (side->is_floor) {
    const weft_floor_t* floor = side->bench_case->floor;
    assert(floor != NULL);
    floor->run(side->state, count);
  } else {
    WEFT_RETURN_IF_ERROR(side->bench_case->subject->run(side->state, count));
  }
  *out_ns = (double)(now_ns() - start_ns);
  return WEFT_OK;
}

static double figure_of(const weft_bench_case_t* bench_case, double elapsed_ns,
                        uint64_t count) {
  switch (bench_case->unit) {
    case WEFT_BENCH_UNIT_NS:
      return elapsed_ns / (double)count;
    case WEFT_BENCH_UNIT_MEGA_PER_S:
      return (double)count / elapsed_ns * 1e3;
    case WEFT_BENCH_UNIT_GIGABYTE_PER_S:
      return (double)(count * bench_case->round_bytes) / elapsed_ns;
    case WEFT_BENCH_UNIT_MS:
      return elapsed_ns / 1e6;
    case WEFT_BENCH_UNIT_BYTES:
    case WEFT_BENCH_UNIT_PERCENT:
    default:
      return NAN;
  }
}

static uint64_t round_to_step(double count) {
  if (count >= (double)COUNT_LIMIT) {
    return COUNT_LIMIT;
  }
  uint64_t steps = (uint64_t)count / COUNT_STEP;
  return (steps == 0 ? 1 : steps) * COUNT_STEP;
}

// The fastest of some batches: anything may slow one of them down.
static weft_status_t time_quickest(side_t* side, double* out_ns) {
  *out_ns = INFINITY;
  for (int i = 0; i < CALIBRATION_BATCHES; i++) {
    double elapsed_ns = 0;
    WEFT_RETURN_IF_ERROR(time_batch(side, side->count, &elapsed_ns));
    *out_ns = fmin(*out_ns, elapsed_ns);
  }
  return WEFT_OK;
}

// Finds how many rounds fill a batch. Doing so is the warm-up as well.
static weft_status_t calibrate(side_t* side, bool quick) {
  double target_ns = quick ? QUICK_BATCH_NS : BATCH_NS;
  side->count = COUNT_STEP;
  double elapsed_ns = 0;
  while (side->count < COUNT_LIMIT) {
    WEFT_RETURN_IF_ERROR(time_batch(side, side->count, &elapsed_ns));
    if (elapsed_ns >= target_ns / 4) {
      break;
    }
    side->count *= 2;
  }
  // And again at about the final size, which the guess was only near to.
  for (int i = 0; i < 2; i++) {
    WEFT_RETURN_IF_ERROR(time_quickest(side, &elapsed_ns));
    side->count =
        round_to_step((double)side->count * target_ns / (elapsed_ns + 1));
  }
  return WEFT_OK;
}

// Adds what each round of a batch took.
static weft_status_t take_rounds(side_t* side) {
  const weft_bench_case_t* bench_case = side->bench_case;
  double* figures = weft_sample_extend(&side->sample, side->count);
  prepare(side, side->count);
  if (!side->is_floor) {
    return bench_case->subject->gather(side->state, side->count, figures);
  }
  bench_case->floor->gather(side->state, side->count, figures);
  return WEFT_OK;
}

// The first batch meets memory that was never used, the others do not.
static weft_status_t warm_up(side_t* side) {
  if (side->bench_case->subject->gather != NULL) {
    WEFT_RETURN_IF_ERROR(take_rounds(side));
    side->sample.count = 0;
    return WEFT_OK;
  }
  double ignored_ns = 0;
  return time_batch(side, side->count, &ignored_ns);
}

static weft_status_t take_batch(side_t* side) {
  if (side->bench_case->subject->gather != NULL) {
    return take_rounds(side);
  }
  double elapsed_ns = 0;
  WEFT_RETURN_IF_ERROR(time_batch(side, side->count, &elapsed_ns));
  weft_sample_add(&side->sample,
                  figure_of(side->bench_case, elapsed_ns, side->count));
  return WEFT_OK;
}

static weft_status_t take_measure(side_t* side) {
  WEFT_RETURN_IF_ERROR(
      side->bench_case->subject->measure(side->count, &side->measure));
  weft_sample_add(&side->sample, side->measure.figure);
  return WEFT_OK;
}

static uint32_t batch_count(const weft_bench_case_t* bench_case, bool quick) {
  if (bench_case->fixed_count > 0) {
    return 1;
  }
  return quick ? QUICK_BATCHES : BATCHES;
}

// Figures of a run.
static uint64_t figure_count(const weft_bench_case_t* bench_case, bool quick) {
  return batch_count(bench_case, quick) *
         (bench_case->subject->gather != NULL ? bench_case->fixed_count : 1);
}

static weft_status_t side_init(side_t* side, size_t sample_capacity,
                               bool quick) {
  const weft_bench_case_t* bench_case = side->bench_case;
  if (!weft_sample_init(&side->sample, sample_capacity)) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for %zu samples", sample_capacity);
  }
  if (side->is_floor) {
    side->state = bench_case->floor->create();
    if (side->state == NULL) {
      return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "no memory for the floor of %s/%s",
                              bench_case->bench, bench_case->name);
    }
  } else if (bench_case->subject->create != NULL) {
    WEFT_RETURN_IF_ERROR(
        bench_case->subject->create(bench_case->workers, &side->state));
  }
  if (bench_case->fixed_count > 0) {
    uint64_t count = bench_case->fixed_count;
    side->count = quick && count > QUICK_COUNT ? QUICK_COUNT : count;
    return bench_case->subject->measure == NULL ? warm_up(side) : WEFT_OK;
  }
  return calibrate(side, quick);
}

static void side_deinit(side_t* side) {
  if (side->state != NULL) {
    if (side->is_floor) {
      side->bench_case->floor->destroy(side->state);
    } else {
      side->bench_case->subject->destroy(side->state);
    }
  }
  weft_sample_deinit(&side->sample);
}

// Takes a batch of each in turn: what slows the host down for a while slows
// both of them.
static weft_status_t take_all(side_t* weft, side_t* floor, size_t batches) {
  for (size_t i = 0; i < batches; i++) {
    if (weft->bench_case->subject->measure != NULL) {
      WEFT_RETURN_IF_ERROR(take_measure(weft));
    } else {
      WEFT_RETURN_IF_ERROR(take_batch(weft));
    }
    if (weft->bench_case->floor != NULL) {
      WEFT_RETURN_IF_ERROR(take_batch(floor));
    }
  }
  return WEFT_OK;
}

// Sorts the samples, which hold at least one figure, and reads them.
static void fill_result(side_t* weft, side_t* floor,
                        weft_bench_result_t* out_result) {
  bool is_rate = weft_bench_unit_is_rate(weft->bench_case->unit);
  const weft_sample_t* sample = &weft->sample;
  weft_sample_sort(&weft->sample, is_rate);
  out_result->median = weft_sample_median(sample);
  out_result->p99 = weft_sample_quantile(sample, 0.99);
  double best = sample->figures[0];
  double worst = sample->figures[sample->count - 1];
  out_result->min = is_rate ? worst : best;
  out_result->max = is_rate ? best : worst;
  out_result->floor = NAN;
  out_result->ratio = NAN;
  memcpy(out_result->note, weft->measure.note, sizeof(out_result->note));
  if (weft->bench_case->floor != NULL) {
    weft_sample_sort(&floor->sample, is_rate);
    out_result->floor = weft_sample_median(&floor->sample);
    out_result->ratio = is_rate ? out_result->floor / out_result->median
                                : out_result->median / out_result->floor;
    out_result->has_tail = weft->bench_case->subject->gather != NULL;
  }
  if (out_result->has_tail) {
    out_result->p999 = weft_sample_quantile(sample, 0.999);
    out_result->floor_p99 = weft_sample_quantile(&floor->sample, 0.99);
    out_result->floor_p999 = weft_sample_quantile(&floor->sample, 0.999);
    (void)snprintf(out_result->note, sizeof(out_result->note),
                   "p99.9 %.0f; floor p99 %.0f, p99.9 %.0f", out_result->p999,
                   out_result->floor_p99, out_result->floor_p999);
  }
}

weft_status_t weft_bench_run(const weft_bench_case_t* bench_case,
                             const weft_bench_options_t* options,
                             weft_bench_result_t* out_result) {
  memset(out_result, 0, sizeof(*out_result));
  uint32_t runs = options->runs;
  if (bench_case->run_limit > 0 && runs > bench_case->run_limit) {
    runs = bench_case->run_limit;
  }
  size_t batches = (size_t)runs * batch_count(bench_case, options->quick);
  size_t capacity = runs * figure_count(bench_case, options->quick);
  side_t weft = {.bench_case = bench_case, .is_floor = false};
  side_t floor = {.bench_case = bench_case, .is_floor = true};
  weft_bench_cores_t cores;
  weft_bench_cores_bind(&cores, bench_case->workers);
  weft_status_t status = side_init(&weft, capacity, options->quick);
  if (status == WEFT_OK && bench_case->floor != NULL) {
    status = side_init(&floor, capacity, options->quick);
  }
  if (status == WEFT_OK) {
    status = take_all(&weft, &floor, batches);
  }
  if (status == WEFT_OK) {
    out_result->bench_case = bench_case;
    out_result->runs = runs;
    out_result->quick = options->quick;
    fill_result(&weft, &floor, out_result);
  }
  side_deinit(&floor);
  side_deinit(&weft);
  weft_bench_cores_restore(&cores);
  return status;
}

// --- Goals ------------------------------------------------------------------

double weft_bench_share_of_goal(const weft_bench_result_t* result) {
  const weft_bench_case_t* bench_case = result->bench_case;
  if (bench_case->goal <= 0) {
    return NAN;
  }
  if (bench_case->floor != NULL) {
    return result->ratio / bench_case->goal;
  }
  return weft_bench_unit_is_rate(bench_case->unit)
             ? bench_case->goal / result->median
             : result->median / bench_case->goal;
}

bool weft_bench_goal_is_met(const weft_bench_result_t* result) {
  // Without a goal the share is NAN, which is greater than nothing.
  return !(weft_bench_share_of_goal(result) > 1);
}
