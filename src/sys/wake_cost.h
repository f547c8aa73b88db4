// SPDX-License-Identifier: Apache-2.0
//
// What it costs to wake a thread that sleeps on another core: on a machine of
// one's own some microseconds, on one that is shared, where a core without
// work is taken away, ten times that. How long it pays to spin follows from
// it.

#ifndef WEFT_SYS_WAKE_COST_H_
#define WEFT_SYS_WAKE_COST_H_

#include <stdint.h>

// From the wake-up until the thread runs: the middle one of a few that are
// tried, by two threads, when this is first called; 0 where that cannot be
// done.
// Thread: any. Blocks: the first time, for less than a millisecond, or as long
// as others keep the cores from this process.
int64_t weft_sys_wake_ns(void);

#endif  // WEFT_SYS_WAKE_COST_H_
