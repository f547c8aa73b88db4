// SPDX-License-Identifier: Apache-2.0
//
// Statistics over the batches of one case.

#ifndef WEFT_BENCH_SAMPLE_H_
#define WEFT_BENCH_SAMPLE_H_

#include <stdbool.h>
#include <stddef.h>

typedef struct weft_sample {
  double* figures;
  size_t count;
  size_t capacity;
} weft_sample_t;

// Room for `capacity` figures; false when there is no memory.
bool weft_sample_init(weft_sample_t* sample, size_t capacity);
void weft_sample_deinit(weft_sample_t* sample);

// Adds a figure; there is room for it.
void weft_sample_add(weft_sample_t* sample, double figure);

// Adds `count` figures, which the caller fills in; there is room for them.
double* weft_sample_extend(weft_sample_t* sample, size_t count);

// Puts the figures in order, the best first: the highest of a rate, the
// lowest of a cost.
void weft_sample_sort(weft_sample_t* sample, bool is_rate);

// Of a sorted sample that is not empty: the figure that a share of all (0 to
// 1) is at least as good as, by nearest rank.
double weft_sample_quantile(const weft_sample_t* sample, double share);

// Of a sorted sample that is not empty: the middle one, or the mean of the
// two in the middle.
double weft_sample_median(const weft_sample_t* sample);

#endif  // WEFT_BENCH_SAMPLE_H_
