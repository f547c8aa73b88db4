// SPDX-License-Identifier: Apache-2.0

#include "bench/floor/work.h"

// A line is four of these.
typedef uint64_t pair_t __attribute__((vector_size(16), aligned(8), may_alias));
#define LINE_PAIRS 4

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
