// SPDX-License-Identifier: Apache-2.0

#include "sys/alarm.h"

#include "sys/local.h"
#include "sys/sys.h"
#include "sys/unix_socket.h"
#include "tests/kit/kit.h"

static void an_alarm_rings_from_its_point_on(void** state) {
  (void)state;
  int alarm = -1;
  weft_kit_assert_ok(weft_alarm_create(&alarm));
  assert_false(weft_local_wait_readable(alarm, 0));
  int64_t point_ns = weft_sys_now_ns() + 1000000;
  weft_alarm_set(alarm, point_ns);
  assert_true(weft_local_wait_readable(alarm, WEFT_TIME_INFINITE));
  assert_true(weft_sys_now_ns() >= point_ns);
  // It rings on until it is set anew.
  assert_true(weft_local_wait_readable(alarm, 0));
  weft_alarm_set(alarm, WEFT_TIME_INFINITE);
  assert_false(weft_local_wait_readable(alarm, 0));
  weft_sys_close(alarm);
}

static void a_point_that_has_passed_rings_at_once(void** state) {
  (void)state;
  int alarm = -1;
  weft_kit_assert_ok(weft_alarm_create(&alarm));
  static const int64_t points[] = {INT64_MIN, -1, 0, 1};
  for (size_t i = 0; i < 4; i++) {
    weft_alarm_set(alarm, points[i]);
    assert_true(weft_local_wait_readable(alarm, WEFT_TIME_INFINITE));
  }
  weft_sys_close(alarm);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_alarm_rings_from_its_point_on),
      cmocka_unit_test(a_point_that_has_passed_rings_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
