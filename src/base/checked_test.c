// SPDX-License-Identifier: Apache-2.0

#include "base/checked.h"

#include "kit/kit.h"

static void sums_that_fit_are_given(void** state) {
  (void)state;
  size_t sum = 0;
  assert_true(weft_checked_add(2, 3, &sum));
  assert_int_equal(sum, 5);
  assert_true(weft_checked_add(SIZE_MAX - 1, 1, &sum));
  assert_true(sum == SIZE_MAX);
  assert_false(weft_checked_add(SIZE_MAX, 1, &sum));
  assert_int_equal(sum, 0);
}

static void products_that_fit_are_given(void** state) {
  (void)state;
  size_t product = 0;
  assert_true(weft_checked_multiply(6, 7, &product));
  assert_int_equal(product, 42);
  assert_true(weft_checked_multiply(SIZE_MAX, 1, &product));
  assert_true(product == SIZE_MAX);
  assert_false(weft_checked_multiply(SIZE_MAX / 2, 3, &product));
  assert_int_equal(product, 0);
}

static void an_array_fits_with_its_head_or_not_at_all(void** state) {
  (void)state;
  size_t size = 0;
  assert_true(weft_checked_array(16, 10, 8, &size));
  assert_int_equal(size, 96);
  assert_false(weft_checked_array(16, SIZE_MAX / 8 + 1, 8, &size));
  assert_int_equal(size, 0);
  // The array alone would fit.
  assert_false(weft_checked_array(16, SIZE_MAX / 8, 8, &size));
  assert_int_equal(size, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sums_that_fit_are_given),
      cmocka_unit_test(products_that_fit_are_given),
      cmocka_unit_test(an_array_fits_with_its_head_or_not_at_all),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
