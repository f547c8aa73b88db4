// SPDX-License-Identifier: Apache-2.0
//
// Binds the calling thread, and the threads it starts from then on, to a few
// cores: a benchmark whose threads wander measures the scheduler.

#ifndef WEFT_BENCH_CORES_H_
#define WEFT_BENCH_CORES_H_

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct weft_bench_cores {
  // The mask to return to.
  cpu_set_t before;
  bool is_bound;
} weft_bench_cores_t;

// Binds to `count` of the cores that the process may use, the last ones: the
// first core serves most interrupts. Where there are fewer, to all of them.
// Where it cannot be done, nothing changes.
void weft_bench_cores_bind(weft_bench_cores_t* cores, uint32_t count);
void weft_bench_cores_restore(weft_bench_cores_t* cores);

// Binds a thread of this process, by its number, for good to the last core
// that it may use, or to the first.
void weft_bench_cores_bind_thread(pid_t thread, bool to_last);

// Cores that the calling thread may use; at least 1.
uint32_t weft_bench_cores_allowed(void);

#endif  // WEFT_BENCH_CORES_H_
