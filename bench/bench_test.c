// SPDX-License-Identifier: Apache-2.0

#include "bench/bench.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tests/kit/kit.h"

// What the subject and the floor of these tests have seen.
static struct {
  // 'w' and 'f': who ran, in turn, without repeats of the same.
  char order[64];
  uint64_t weft_batches;
  uint64_t last_count;
  int created;
  int destroyed;
  int cores;
  // The batch that fails; 0: none does.
  uint64_t fail_at;
  double figure;
} seen;

static int reset(void** state) {
  (void)state;
  memset(&seen, 0, sizeof(seen));
  return 0;
}

static void note(char who) {
  size_t length = strlen(seen.order);
  bool is_same = length > 0 && seen.order[length - 1] == who;
  if (!is_same && length + 1 < sizeof(seen.order)) {
    seen.order[length] = who;
  }
}

// Takes some time, which the compiler cannot know.
static void work(uint64_t count) {
  static uint64_t sum;
  for (uint64_t i = 0; i < count; i++) {
    sum += i ^ (sum >> 3);
  }
}

static weft_status_t create_subject(uint32_t workers, void** out_state) {
  (void)workers;
  seen.created++;
  cpu_set_t cores;
  assert_int_equal(0, sched_getaffinity(0, sizeof(cores), &cores));
  seen.cores = CPU_COUNT(&cores);
  *out_state = &seen;
  return WEFT_OK;
}

static weft_status_t run_subject(void* state, uint64_t count) {
  assert_ptr_equal(&seen, state);
  note('w');
  seen.weft_batches++;
  seen.last_count = count;
  if (seen.weft_batches == seen.fail_at) {
    return weft_status_make(WEFT_STATUS_FAILED, "as the test wants");
  }
  work(count);
  return WEFT_OK;
}

static void destroy_state(void* state) {
  assert_ptr_equal(&seen, state);
  seen.destroyed++;
}

static void* create_floor(void) {
  seen.created++;
  return &seen;
}

static void* create_no_floor(void) {
  return NULL;
}

static void run_floor(void* state, uint64_t count) {
  (void)state;
  note('f');
  work(count);
}

static weft_status_t measure_figure(uint64_t count,
                                    weft_bench_measure_t* out_measure) {
  seen.last_count = count;
  seen.figure += 1;
  out_measure->figure = seen.figure;
  (void)snprintf(out_measure->note, sizeof(out_measure->note), "noted");
  return WEFT_OK;
}

static const weft_bench_subject_t timed = {
    .create = create_subject,
    .run = run_subject,
    .destroy = destroy_state,
};
// Round i of n took i + 1, and twice that of the floor's.
static weft_status_t gather_subject(void* state, uint64_t count,
                                    double* out_figures) {
  WEFT_RETURN_IF_ERROR(run_subject(state, count));
  for (uint64_t i = 0; i < count; i++) {
    out_figures[count - 1 - i] = (double)(i + 1);
  }
  return WEFT_OK;
}

static void gather_floor(void* state, uint64_t count, double* out_figures) {
  run_floor(state, count);
  for (uint64_t i = 0; i < count; i++) {
    out_figures[i] = 2 * (double)(i + 1);
  }
}

static const weft_bench_subject_t gathered = {
    .create = create_subject,
    .gather = gather_subject,
    .destroy = destroy_state,
};
static const weft_floor_t floor_of_gathered = {
    .create = create_floor,
    .gather = gather_floor,
    .destroy = destroy_state,
};
static const weft_bench_subject_t measured = {.measure = measure_figure};
static const weft_floor_t floor_of_tests = {create_floor, run_floor,
                                            destroy_state, NULL, NULL};
static const weft_floor_t no_memory_floor = {create_no_floor, run_floor,
                                             destroy_state, NULL, NULL};

static weft_bench_case_t timed_case(void) {
  return (weft_bench_case_t){
      .bench = "test",
      .name = "timed",
      .unit = WEFT_BENCH_UNIT_NS,
      .workers = 1,
      .goal = 2,
      .subject = &timed,
      .floor = &floor_of_tests,
  };
}

static const weft_bench_options_t quickly = {.runs = 3, .quick = true};

static void weft_and_floor_are_taken_in_turn(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  // Calibration of each, then three runs of two batches.
  assert_string_equal("wfwfwfwfwfwfwf", seen.order);
  assert_int_equal(3, result.runs);
  assert_true(result.quick);
  assert_int_equal(2, seen.created);
  assert_int_equal(2, seen.destroyed);
}

static void figures_are_in_order_and_the_ratio_is_theirs(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_true(result.min > 0);
  assert_true(result.min <= result.median && result.median <= result.p99);
  assert_true(result.p99 <= result.max);
  assert_true(fabs(result.ratio - result.median / result.floor) < 1e-9);
}

static void of_a_rate_p99_is_on_the_low_side(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.unit = WEFT_BENCH_UNIT_MEGA_PER_S;
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_true(result.min <= result.p99 && result.p99 <= result.median);
  assert_true(result.median <= result.max);
  assert_true(fabs(result.ratio - result.floor / result.median) < 1e-9);
}

static void a_rate_of_bytes_counts_those_of_a_round(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.unit = WEFT_BENCH_UNIT_GIGABYTE_PER_S;
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_true(result.median == 0);
  bench_case.round_bytes = 4096;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_true(result.median > 0);
  assert_true(result.min <= result.p99 && result.p99 <= result.median);
}

static void without_a_floor_there_is_no_ratio(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.floor = NULL;
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_true(isnan(result.floor) && isnan(result.ratio));
  assert_string_equal("w", seen.order);
}

static void a_failing_batch_ends_the_case_and_frees_it(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  for (uint64_t i = 1; i <= 5; i++) {
    (void)reset(NULL);
    seen.fail_at = i;
    weft_bench_result_t result;
    weft_kit_assert_status(WEFT_STATUS_FAILED,
                           weft_bench_run(&bench_case, &quickly, &result));
    assert_int_equal(i, seen.weft_batches);
    assert_int_equal(seen.created, seen.destroyed);
  }
}

static void a_floor_without_memory_ends_the_case(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.floor = &no_memory_floor;
  weft_bench_result_t result;
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         weft_bench_run(&bench_case, &quickly, &result));
  assert_int_equal(seen.created, seen.destroyed);
}

static void a_fixed_count_is_kept_but_small_when_quick(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.fixed_count = 5000;
  bench_case.unit = WEFT_BENCH_UNIT_MS;
  bench_case.floor = NULL;
  weft_bench_result_t result;
  weft_bench_options_t once = {.runs = 1, .quick = false};
  weft_kit_assert_ok(weft_bench_run(&bench_case, &once, &result));
  assert_int_equal(5000, seen.last_count);
  // One batch to warm up, one to count.
  assert_int_equal(2, seen.weft_batches);
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_int_equal(1000, seen.last_count);
}

static void a_case_may_limit_its_runs(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.run_limit = 2;
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_int_equal(2, result.runs);
  assert_string_equal("wfwfwfwfwf", seen.order);
}

static void a_measure_gives_its_own_figure_and_note(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.unit = WEFT_BENCH_UNIT_BYTES;
  bench_case.fixed_count = 100;
  bench_case.subject = &measured;
  bench_case.floor = NULL;
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_int_equal(100, seen.last_count);
  assert_true(result.min == 1 && result.median == 2 && result.max == 3);
  assert_string_equal("noted", result.note);
}

static void rounds_that_are_told_apart_have_a_tail(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  bench_case.fixed_count = 1000;
  bench_case.subject = &gathered;
  bench_case.floor = &floor_of_gathered;
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  // What warms up, then three runs.
  assert_string_equal("wfwfwfwf", seen.order);
  assert_true(result.has_tail);
  assert_true(result.min == 1 && result.max == 1000);
  assert_true(result.median == 500.5 && result.floor == 1001);
  assert_true(result.p99 == 990 && result.p999 == 999);
  assert_true(result.floor_p99 == 1980 && result.floor_p999 == 1998);
  assert_true(fabs(result.ratio - 0.5) < 1e-9);
  assert_non_null(strstr(result.note, "p99.9 999"));
}

static void a_case_is_bound_to_its_cores_and_the_thread_set_free(void** state) {
  (void)state;
  cpu_set_t before;
  cpu_set_t after;
  assert_int_equal(0, sched_getaffinity(0, sizeof(before), &before));
  weft_bench_case_t bench_case = timed_case();
  weft_bench_result_t result;
  weft_kit_assert_ok(weft_bench_run(&bench_case, &quickly, &result));
  assert_int_equal(1, seen.cores);
  assert_int_equal(0, sched_getaffinity(0, sizeof(after), &after));
  assert_true(CPU_EQUAL(&before, &after));
}

static void a_name_is_a_bench_or_one_of_its_cases(void** state) {
  (void)state;
  weft_bench_case_t bench_case = timed_case();
  assert_true(weft_bench_case_matches(&bench_case, "test"));
  assert_true(weft_bench_case_matches(&bench_case, "test/timed"));
  assert_false(weft_bench_case_matches(&bench_case, "tes"));
  assert_false(weft_bench_case_matches(&bench_case, "test/"));
  assert_false(weft_bench_case_matches(&bench_case, "test/time"));
  assert_false(weft_bench_case_matches(&bench_case, "tests"));
  assert_false(weft_bench_case_matches(&bench_case, "timed"));
}

static void no_two_cases_have_one_name(void** state) {
  (void)state;
  for (size_t i = 0; i < weft_bench_case_count(); i++) {
    const weft_bench_case_t* one = weft_bench_case_at(i);
    assert_true(one->goal > 0);
    assert_true(one->what[0] != '\0');
    for (size_t j = 0; j < i; j++) {
      const weft_bench_case_t* other = weft_bench_case_at(j);
      assert_false(strcmp(one->bench, other->bench) == 0 &&
                   strcmp(one->name, other->name) == 0);
    }
  }
}

#define FRESH_TEST(name) cmocka_unit_test_setup(name, reset)

int main(void) {
  const struct CMUnitTest tests[] = {
      FRESH_TEST(weft_and_floor_are_taken_in_turn),
      FRESH_TEST(figures_are_in_order_and_the_ratio_is_theirs),
      FRESH_TEST(of_a_rate_p99_is_on_the_low_side),
      FRESH_TEST(a_rate_of_bytes_counts_those_of_a_round),
      FRESH_TEST(without_a_floor_there_is_no_ratio),
      FRESH_TEST(a_failing_batch_ends_the_case_and_frees_it),
      FRESH_TEST(a_floor_without_memory_ends_the_case),
      FRESH_TEST(a_fixed_count_is_kept_but_small_when_quick),
      FRESH_TEST(a_case_may_limit_its_runs),
      FRESH_TEST(a_measure_gives_its_own_figure_and_note),
      FRESH_TEST(rounds_that_are_told_apart_have_a_tail),
      FRESH_TEST(a_case_is_bound_to_its_cores_and_the_thread_set_free),
      FRESH_TEST(a_name_is_a_bench_or_one_of_its_cases),
      FRESH_TEST(no_two_cases_have_one_name),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
