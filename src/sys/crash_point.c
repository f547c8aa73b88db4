// SPDX-License-Identifier: Apache-2.0

#include "sys/crash_point.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/sys.h"

_Atomic uint64_t weft_crash_points_left;

void weft_crash_point_arm(uint64_t count) {
  // Relaxed: as where it is read.
  atomic_store_explicit(&weft_crash_points_left, count, memory_order_relaxed);
}

void weft_crash_point_reached(const char* place) {
  // Relaxed: only the count matters.
  if (atomic_fetch_sub_explicit(&weft_crash_points_left, 1,
                                memory_order_relaxed) != 1) {
    return;
  }
  // Tests set it to see where a process ended.
  if (weft_sys_environment("WEFT_CRASH_SAY") != NULL) {
    (void)weft_sys_write(STDERR_FILENO, place, strlen(place));
    (void)weft_sys_write(STDERR_FILENO, "\n", 1);
  }
  // lint-allow end: a test has asked for it.
  (void)kill(getpid(), SIGKILL);
}
