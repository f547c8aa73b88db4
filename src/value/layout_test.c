// SPDX-License-Identifier: Apache-2.0

#include "value/layout.h"

#include "kit/kit.h"

static weft_tensor_layout_t layout_of(weft_dtype_t dtype, uint32_t ndim,
                                      const int64_t* shape,
                                      const int64_t* strides) {
  return (weft_tensor_layout_t){dtype, ndim, shape, strides, 0};
}

static void check_strides(const int64_t* expected, size_t count,
                          const int64_t* actual) {
  for (size_t i = 0; i < count; ++i) {
    assert_true(actual[i] == expected[i]);
  }
}

static void without_strides_elements_lie_row_by_row(void** state) {
  (void)state;
  const int64_t shape[] = {2, 3, 4};
  const int64_t expected[] = {12, 4, 1};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout = layout_of(WEFT_FLOAT32, 3, shape, NULL);
  weft_kit_assert_ok(weft_layout_measure(&layout, strides, &extent));
  check_strides(expected, 3, strides);
  assert_int_equal(extent.element_count, 24);
  assert_int_equal(extent.size_bytes, 96);
  assert_int_equal(extent.low_bits, 0);
  assert_int_equal(extent.high_bits, 96 * 8);
}

static void no_dimensions_are_one_element(void** state) {
  (void)state;
  int64_t strides[1];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout = layout_of(WEFT_FLOAT64, 0, NULL, NULL);
  weft_kit_assert_ok(weft_layout_measure(&layout, strides, &extent));
  assert_int_equal(extent.element_count, 1);
  assert_int_equal(extent.size_bytes, 8);
  assert_int_equal(extent.high_bits, 64);
}

static void a_size_of_zero_leaves_no_elements_and_no_reach(void** state) {
  (void)state;
  const int64_t shape[] = {3, 0, 2};
  const int64_t wild[] = {INT64_MAX, INT64_MIN, -7};
  const int64_t expected[] = {2, 2, 1};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout = layout_of(WEFT_INT8, 3, shape, wild);
  weft_kit_assert_ok(weft_layout_measure(&layout, strides, &extent));
  check_strides(expected, 3, strides);
  assert_int_equal(extent.element_count, 0);
  assert_int_equal(extent.size_bytes, 0);
  assert_int_equal(extent.high_bits, 0);
}

static void strides_of_single_elements_mean_nothing(void** state) {
  (void)state;
  const int64_t shape[] = {1, 5, 1};
  const int64_t wild[] = {INT64_MAX, 1, INT64_MIN};
  const int64_t expected[] = {5, 1, 1};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout = layout_of(WEFT_INT8, 3, shape, wild);
  weft_kit_assert_ok(weft_layout_measure(&layout, strides, &extent));
  check_strides(expected, 3, strides);
  layout.strides = strides;
  assert_true(weft_layout_is_contiguous(&layout));
}

static void negative_strides_reach_below_the_first_element(void** state) {
  (void)state;
  const int64_t shape[] = {3, 4};
  const int64_t given[] = {-4, 1};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout = layout_of(WEFT_INT16, 2, shape, given);
  weft_kit_assert_ok(weft_layout_measure(&layout, strides, &extent));
  assert_int_equal(extent.low_bits, -8 * 16);
  assert_int_equal(extent.high_bits, 4 * 16);
  layout.strides = strides;
  assert_false(weft_layout_is_contiguous(&layout));
}

static void strides_of_zero_repeat_one_element(void** state) {
  (void)state;
  const int64_t shape[] = {1000};
  const int64_t given[] = {0};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout = layout_of(WEFT_INT32, 1, shape, given);
  weft_kit_assert_ok(weft_layout_measure(&layout, strides, &extent));
  assert_int_equal(extent.high_bits, 32);
  assert_int_equal(extent.size_bytes, 4000);
}

static void elements_of_less_than_a_byte_are_packed(void** state) {
  (void)state;
  const int64_t shape[] = {3, 3};
  int64_t strides[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout =
      layout_of(weft_dtype_make(WEFT_DTYPE_INT, 4), 2, shape, NULL);
  weft_kit_assert_ok(weft_layout_measure(&layout, strides, &extent));
  assert_int_equal(extent.size_bytes, 5);
  assert_int_equal(extent.high_bits, 36);
}

static weft_status_t measure(weft_dtype_t dtype, uint32_t ndim,
                             const int64_t* shape, const int64_t* strides) {
  int64_t measured[WEFT_TENSOR_NDIM_LIMIT];
  weft_layout_extent_t extent;
  weft_tensor_layout_t layout = layout_of(dtype, ndim, shape, strides);
  return weft_layout_measure(&layout, measured, &extent);
}

static void sizes_that_overflow_are_refused(void** state) {
  (void)state;
  const int64_t half = INT64_C(1) << 32;
  const int64_t shapes[][3] = {
      {half, half, half},         // The count itself.
      {half, half / 2, 1},        // The count times 8 bits.
      {0, half, half},            // Also where there are no elements,
      {half, half, 0},            // wherever the 0 stands.
      {INT64_MAX, 1, 1},          // One dimension is enough.
      {(INT64_C(1) << 60), 1, 1}  // The first that does not fit.
  };
  for (size_t i = 0; i < 6; ++i) {
    weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                           measure(WEFT_INT8, 3, shapes[i], NULL));
  }
  const int64_t largest[] = {(INT64_C(1) << 60) - 1};
  weft_kit_assert_ok(measure(WEFT_INT8, 1, largest, NULL));
  const weft_dtype_t widest = {WEFT_DTYPE_UINT, 255, 65535};
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         measure(widest, 1, largest, NULL));
}

static void strides_that_overflow_are_refused(void** state) {
  (void)state;
  const int64_t shape[] = {3, 3};
  const int64_t strides[][2] = {
      {INT64_MAX, 1},
      {INT64_MIN, 1},
      {INT64_MAX / 8, 1},
      {INT64_MIN / 8, 1},
      {INT64_MAX / 16, 1},
      {INT64_MIN / 16, -2},
      {INT64_MAX / 17, INT64_MAX / 17},
      {INT64_MIN / 17, INT64_MIN / 17},
  };
  for (size_t i = 0; i < 8; ++i) {
    weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                           measure(WEFT_INT8, 2, shape, strides[i]));
  }
}

static void shapes_that_cannot_be_are_refused(void** state) {
  (void)state;
  const int64_t negative[] = {3, -1};
  int64_t ones[WEFT_TENSOR_NDIM_LIMIT + 1];
  for (size_t i = 0; i <= WEFT_TENSOR_NDIM_LIMIT; ++i) {
    ones[i] = 1;
  }
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "dimension 1 has the negative size -1",
                              measure(WEFT_INT8, 2, negative, NULL));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         measure(WEFT_INT8, 1, NULL, NULL));
  weft_kit_assert_ok(measure(WEFT_INT8, WEFT_TENSOR_NDIM_LIMIT, ones, NULL));
  weft_kit_assert_status(
      WEFT_STATUS_OUT_OF_RANGE,
      measure(WEFT_INT8, WEFT_TENSOR_NDIM_LIMIT + 1, ones, NULL));
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         measure(WEFT_INT8, UINT32_MAX, ones, NULL));
  weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED,
                         measure((weft_dtype_t){99, 8, 1}, 1, ones, NULL));
}

static void a_place_in_a_storage_is_checked_to_the_byte(void** state) {
  (void)state;
  // From one byte before to two bytes (9 bits) behind.
  const weft_layout_extent_t extent = {2, 2, -5, 9};
  const size_t good[][2] = {{1, 3}, {2, 4}, {1, 100}};
  const size_t bad[][2] = {{0, 3}, {1, 2}, {2, 3},
                           {4, 4}, {5, 4}, {SIZE_MAX, 4}};
  for (size_t i = 0; i < 3; ++i) {
    weft_kit_assert_ok(
        weft_layout_check_within(&extent, good[i][0], good[i][1]));
  }
  for (size_t i = 0; i < 6; ++i) {
    weft_kit_assert_status(
        WEFT_STATUS_OUT_OF_RANGE,
        weft_layout_check_within(&extent, bad[i][0], bad[i][1]));
  }
}

static void scalars_are_aligned_to_their_size(void** state) {
  (void)state;
  static const struct {
    weft_dtype_t dtype;
    uintptr_t alignment;
  } cases[] = {
      {{WEFT_DTYPE_INT, 8, 1}, 1},      {{WEFT_DTYPE_INT, 4, 1}, 1},
      {{WEFT_DTYPE_INT, 12, 1}, 1},     {{WEFT_DTYPE_INT, 16, 3}, 2},
      {{WEFT_DTYPE_UINT, 24, 1}, 1},    {{WEFT_DTYPE_FLOAT, 32, 4}, 4},
      {{WEFT_DTYPE_FLOAT, 64, 1}, 8},   {{WEFT_DTYPE_FLOAT, 80, 1}, 2},
      {{WEFT_DTYPE_FLOAT, 128, 1}, 16}, {{WEFT_DTYPE_COMPLEX, 64, 1}, 4},
      {{WEFT_DTYPE_COMPLEX, 8, 1}, 1},  {{WEFT_DTYPE_INT, 248, 1}, 1},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    for (uintptr_t address = 16; address < 48; ++address) {
      weft_status_t status =
          weft_layout_check_aligned(cases[i].dtype, (const void*)address);
      bool is_aligned = address % cases[i].alignment == 0;
      weft_kit_assert_status(
          is_aligned ? WEFT_STATUS_OK : WEFT_STATUS_INVALID_ARGUMENT, status);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_strides_elements_lie_row_by_row),
      cmocka_unit_test(no_dimensions_are_one_element),
      cmocka_unit_test(a_size_of_zero_leaves_no_elements_and_no_reach),
      cmocka_unit_test(strides_of_single_elements_mean_nothing),
      cmocka_unit_test(negative_strides_reach_below_the_first_element),
      cmocka_unit_test(strides_of_zero_repeat_one_element),
      cmocka_unit_test(elements_of_less_than_a_byte_are_packed),
      cmocka_unit_test(sizes_that_overflow_are_refused),
      cmocka_unit_test(strides_that_overflow_are_refused),
      cmocka_unit_test(shapes_that_cannot_be_are_refused),
      cmocka_unit_test(a_place_in_a_storage_is_checked_to_the_byte),
      cmocka_unit_test(scalars_are_aligned_to_their_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
