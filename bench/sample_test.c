// SPDX-License-Identifier: Apache-2.0

#include "bench/sample.h"

#include "tests/kit/kit.h"

static void fill(weft_sample_t* sample, const double* figures, size_t count) {
  assert_true(weft_sample_init(sample, count));
  for (size_t i = 0; i < count; i++) {
    weft_sample_add(sample, figures[i]);
  }
}

static void the_median_of_an_odd_number_is_the_middle_one(void** state) {
  (void)state;
  const double figures[] = {9, 1, 5};
  weft_sample_t sample;
  fill(&sample, figures, 3);
  weft_sample_sort(&sample, false);
  assert_true(weft_sample_median(&sample) == 5);
  weft_sample_deinit(&sample);
}

static void the_median_of_an_even_number_is_between_two(void** state) {
  (void)state;
  const double figures[] = {4, 1, 8, 2};
  weft_sample_t sample;
  fill(&sample, figures, 4);
  weft_sample_sort(&sample, true);
  assert_true(weft_sample_median(&sample) == 3);
  weft_sample_deinit(&sample);
}

static void the_best_cost_is_the_lowest_the_best_rate_the_highest(
    void** state) {
  (void)state;
  const double figures[] = {4, 1, 8};
  weft_sample_t sample;
  fill(&sample, figures, 3);
  weft_sample_sort(&sample, false);
  assert_true(sample.figures[0] == 1 && sample.figures[2] == 8);
  weft_sample_sort(&sample, true);
  assert_true(sample.figures[0] == 8 && sample.figures[2] == 1);
  weft_sample_deinit(&sample);
}

static void p99_of_200_is_the_198th(void** state) {
  (void)state;
  weft_sample_t sample;
  assert_true(weft_sample_init(&sample, 200));
  for (int i = 200; i > 0; i--) {
    weft_sample_add(&sample, i);
  }
  weft_sample_sort(&sample, false);
  assert_true(weft_sample_quantile(&sample, 0.99) == 198);
  weft_sample_sort(&sample, true);
  assert_true(weft_sample_quantile(&sample, 0.99) == 3);
  weft_sample_deinit(&sample);
}

static void quantiles_stay_within_the_sample(void** state) {
  (void)state;
  const double figures[] = {7};
  weft_sample_t sample;
  fill(&sample, figures, 1);
  weft_sample_sort(&sample, false);
  assert_true(weft_sample_quantile(&sample, 0) == 7);
  assert_true(weft_sample_quantile(&sample, 0.99) == 7);
  assert_true(weft_sample_quantile(&sample, 1) == 7);
  assert_true(weft_sample_median(&sample) == 7);
  weft_sample_deinit(&sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_median_of_an_odd_number_is_the_middle_one),
      cmocka_unit_test(the_median_of_an_even_number_is_between_two),
      cmocka_unit_test(the_best_cost_is_the_lowest_the_best_rate_the_highest),
      cmocka_unit_test(p99_of_200_is_the_198th),
      cmocka_unit_test(quantiles_stay_within_the_sample),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
