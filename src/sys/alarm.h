// SPDX-License-Identifier: Apache-2.0
//
// A point in time as a descriptor, to be waited for among others.
//
// Thread: any, at any time. Blocks: nothing here does.

#ifndef WEFT_SYS_ALARM_H_
#define WEFT_SYS_ALARM_H_

#include "weft/common.h"
#include "weft/status.h"

// A descriptor that is readable from a point in time on, which is not set yet;
// closed by `weft_sys_close`. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_alarm_create(int* out_alarm);

// Sets the point, on the clock of `weft_sys_now_ns`; WEFT_TIME_INFINITE: never.
// It is not readable until then, whatever it was.
void weft_alarm_set(int alarm, int64_t deadline_ns);

#endif  // WEFT_SYS_ALARM_H_
