// SPDX-License-Identifier: Apache-2.0

#include "sys/alarm.h"

#include <errno.h>
#include <string.h>
#include <sys/timerfd.h>

#include "base/assert.h"

#define NS_PER_SECOND 1000000000

weft_status_t weft_alarm_create(int* out_alarm) {
  *out_alarm = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (*out_alarm < 0) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "an alarm: %s; raise the limit of open files "
                            "(ulimit -n)",
                            strerrordesc_np(errno));
  }
  return WEFT_OK;
}

void weft_alarm_set(int alarm, int64_t deadline_ns) {
  struct itimerspec setting = {{0, 0}, {0, 0}};
  if (deadline_ns != WEFT_TIME_INFINITE) {
    // Zero would turn it off.
    int64_t point_ns = deadline_ns > 0 ? deadline_ns : 1;
    setting.it_value.tv_sec = point_ns / NS_PER_SECOND;
    setting.it_value.tv_nsec = point_ns % NS_PER_SECOND;
  }
  int result = timerfd_settime(alarm, TFD_TIMER_ABSTIME, &setting, NULL);
  weft_assert(result == 0);
}
