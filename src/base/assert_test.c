// SPDX-License-Identifier: Apache-2.0

#include "base/assert.h"

#include <string.h>

#include "kit/kit.h"

static void nothing_happens_when_it_is_so(void** state) {
  (void)state;
  int evaluated = 0;
  weft_assert(++evaluated == 1);
  assert_int_equal(evaluated, 1);
}

static void expect_four(void* user) {
  const int* number = user;
  weft_assert(*number == 4);
}

static void the_condition_and_its_place_are_printed_before_the_end(
    void** state) {
  (void)state;
  int number = 5;
  char output[1024];
  weft_kit_ending_t ending =
      weft_kit_run_child(expect_four, &number, output, sizeof(output));
  // A trap is an illegal instruction on some machines, a trap on others, and
  // a sanitizer may turn either into an exit.
  assert_true(ending.signal_number != 0 || ending.exit_status != 0);
  assert_non_null(strstr(output, "assert_test.c:"));
  assert_non_null(strstr(output, "weft: not so: *number == 4\n"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_happens_when_it_is_so),
      cmocka_unit_test(the_condition_and_its_place_are_printed_before_the_end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
