// SPDX-License-Identifier: Apache-2.0

#include "weft/value.h"

#include <float.h>
#include <math.h>

#include "kit/kit.h"

_Static_assert(sizeof(weft_value_t) == 16, "a cell");
_Static_assert(sizeof(weft_actor_t) == 12, "as documented");

static void a_bool_reads_back(void** state) {
  (void)state;
  bool boolean = false;
  weft_kit_assert_ok(weft_value_as_bool(weft_bool(true), &boolean));
  assert_true(boolean);
  weft_kit_assert_ok(weft_value_as_bool(weft_bool(false), &boolean));
  assert_false(boolean);
}

static void an_int64_reads_back(void** state) {
  (void)state;
  const int64_t numbers[] = {0, 1, -1, INT64_MAX, INT64_MIN};
  for (size_t i = 0; i < 5; ++i) {
    int64_t read = 77;
    weft_kit_assert_ok(weft_value_as_int64(weft_int64(numbers[i]), &read));
    assert_true(read == numbers[i]);
  }
}

static void a_float64_reads_back(void** state) {
  (void)state;
  const double numbers[] = {0.0, -1.5, DBL_MAX, INFINITY};
  double read = 77.0;
  for (size_t i = 0; i < 4; ++i) {
    weft_kit_assert_ok(weft_value_as_float64(weft_float64(numbers[i]), &read));
    assert_true(read == numbers[i]);
  }
  weft_kit_assert_ok(weft_value_as_float64(weft_float64(NAN), &read));
  assert_true(isnan(read));
}

static void an_int64_reads_as_float64_where_it_is_exact(void** state) {
  (void)state;
  const int64_t two_to_53 = INT64_C(1) << 53;
  const int64_t exact[] = {0,          -7,        two_to_53,
                           -two_to_53, INT64_MIN, INT64_C(1) << 62};
  const int64_t inexact[] = {two_to_53 + 1, -two_to_53 - 1, INT64_MAX,
                             INT64_MIN + 1};
  double read = 77.0;
  for (size_t i = 0; i < 6; ++i) {
    weft_kit_assert_ok(weft_value_as_float64(weft_int64(exact[i]), &read));
    assert_true(read == (double)exact[i]);
  }
  for (size_t i = 0; i < 4; ++i) {
    read = 77.0;
    weft_kit_assert_status(
        WEFT_STATUS_OUT_OF_RANGE,
        weft_value_as_float64(weft_int64(inexact[i]), &read));
    assert_true(read == 0.0);
  }
}

static void an_actor_reads_back(void** state) {
  (void)state;
  weft_actor_t actor = {0xfffe, 0xfffd, 0xfffffffc, 0xfffffffb};
  weft_actor_t read;
  weft_kit_assert_ok(weft_value_as_actor(weft_actor_value(actor), &read));
  assert_int_equal(read.rank, actor.rank);
  assert_int_equal(read.incarnation, actor.incarnation);
  assert_int_equal(read.index, actor.index);
  assert_int_equal(read.generation, actor.generation);
}

static void another_kind_is_refused_and_both_kinds_are_named(void** state) {
  (void)state;
  bool boolean = true;
  int64_t int64 = 77;
  double float64 = 77.0;
  weft_actor_t actor = {1, 1, 1, 1};
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind int64, not bool",
                              weft_value_as_bool(weft_int64(1), &boolean));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind float64, not int64",
                              weft_value_as_int64(weft_float64(1), &int64));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind none, not float64",
                              weft_value_as_float64(weft_none(), &float64));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind bool, not actor",
                              weft_value_as_actor(weft_bool(true), &actor));
  assert_false(boolean);
  assert_true(int64 == 0 && float64 == 0.0);
  assert_int_equal(actor.generation, 0);
}

static void scalars_need_no_retain_and_no_release(void** state) {
  (void)state;
  weft_value_t value = weft_value_retain(weft_int64(7));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_INT64);
  assert_false(weft_value_is_counted(value));
  weft_value_release(value);
  weft_value_release(weft_none());
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_bool_reads_back),
      cmocka_unit_test(an_int64_reads_back),
      cmocka_unit_test(a_float64_reads_back),
      cmocka_unit_test(an_int64_reads_as_float64_where_it_is_exact),
      cmocka_unit_test(an_actor_reads_back),
      cmocka_unit_test(another_kind_is_refused_and_both_kinds_are_named),
      cmocka_unit_test(scalars_need_no_retain_and_no_release),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
