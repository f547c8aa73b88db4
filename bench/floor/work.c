// SPDX-License-Identifier: Apache-2.0

#include "bench/floor/work.h"

#include <sched.h>
#include <time.h>

// A line is four of these.
typedef uint64_t pair_t __attribute__((vector_size(16), aligned(8), may_alias));
#define LINE_PAIRS 4
// Before the core is given away.
#define LOOKS 256

void weft_floor_fill(void* data, size_t size_bytes, uint64_t number) {
  pair_t* pairs = data;
  const pair_t pair = {number, number};
  for (size_t i = 0; i < size_bytes / sizeof(pair_t); i += LINE_PAIRS) {
    pairs[i] = pair;
    pairs[i + 1] = pair;
    pairs[i + 2] = pair;
    pairs[i + 3] = pair;
  }
}

uint64_t weft_floor_read(const void* data, size_t size_bytes) {
  const pair_t* pairs = data;
  size_t count = size_bytes / sizeof(pair_t);
  pair_t sums[LINE_PAIRS] = {{0}};
  for (size_t i = 0; i < count; i += LINE_PAIRS) {
    sums[0] += pairs[i];
    sums[1] += pairs[i + 1];
    sums[2] += pairs[i + 2];
    sums[3] += pairs[i + 3];
  }
  pair_t sum = sums[0] + sums[1] + sums[2] + sums[3];
  uint64_t number = pairs[0][0];
  return sum[0] + sum[1] == number * 2 * count ? number : ~number;
}

int64_t weft_floor_now_ns(void) {
  struct timespec now = {0, 0};
  // Cannot fail: the clock is always there.
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void weft_floor_wait_until(int64_t time_ns) {
  for (uint32_t looks = 1; weft_floor_now_ns() < time_ns; looks++) {
    if (looks % LOOKS == 0) {
      (void)sched_yield();
    }
  }
}
