// SPDX-License-Identifier: Apache-2.0
//
// Places at which a test may end this process as `kill -9` would: between two
// steps that other processes can see. A test counts them: it lets one run end
// at the first place that is reached, the next at the second, and so on, until
// a run reaches no more. Off, each costs a load and a branch that is never
// taken.

#ifndef WEFT_SYS_CRASH_POINT_H_
#define WEFT_SYS_CRASH_POINT_H_

#include <stdatomic.h>
#include <stdint.h>

// How many places are left until the process ends; 0: off.
extern _Atomic uint64_t weft_crash_points_left;

// The process ends at the `count`-th place that is reached from now on.
void weft_crash_point_arm(uint64_t count);

// Out of line.
void weft_crash_point_reached(const char* place);

// A place; its name is for people who look for the defect, see WEFT_CRASH_SAY.
static inline void weft_crash_point(const char* place) {
  // Relaxed: which thread ends the process does not matter.
  if (__builtin_expect(atomic_load_explicit(&weft_crash_points_left,
                                            memory_order_relaxed) != 0,
                       0)) {
    weft_crash_point_reached(place);
  }
}

#endif  // WEFT_SYS_CRASH_POINT_H_
