// SPDX-License-Identifier: Apache-2.0

#include "sys/wake_cost.h"

#include <sched.h>

#include "tests/kit/kit.h"

static void a_wake_up_is_measured_once(void** state) {
  (void)state;
  int64_t wake_ns = weft_sys_wake_ns();
  assert_true(wake_ns > 0);
  for (int i = 0; i < 100; i++) {
    assert_int_equal(wake_ns, weft_sys_wake_ns());
  }
}

static void the_caller_stays_on_its_cores(void** state) {
  (void)state;
  cpu_set_t before;
  cpu_set_t after;
  assert_int_equal(0, sched_getaffinity(0, sizeof(before), &before));
  (void)weft_sys_wake_ns();
  assert_int_equal(0, sched_getaffinity(0, sizeof(after), &after));
  assert_true(CPU_EQUAL(&before, &after));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_caller_stays_on_its_cores),
      cmocka_unit_test(a_wake_up_is_measured_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
