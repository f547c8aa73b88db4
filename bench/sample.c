// SPDX-License-Identifier: Apache-2.0

#include "bench/sample.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

bool weft_sample_init(weft_sample_t* sample, size_t capacity) {
  sample->count = 0;
  sample->capacity = capacity;
  sample->figures = calloc(capacity, sizeof(double));
  return sample->figures != NULL;
}

void weft_sample_deinit(weft_sample_t* sample) {
  free(sample->figures);
  sample->figures = NULL;
}

void weft_sample_add(weft_sample_t* sample, double figure) {
  assert(sample->count < sample->capacity);
  sample->figures[sample->count++] = figure;
}

double* weft_sample_extend(weft_sample_t* sample, size_t count) {
  assert(count <= sample->capacity - sample->count);
  double* added = sample->figures + sample->count;
  sample->count += count;
  return added;
}

static int compare_ascending(const void* a, const void* b) {
  double left = *(const double*)a;
  double right = *(const double*)b;
  return (left > right) - (left < right);
}

static int compare_descending(const void* a, const void* b) {
  return compare_ascending(b, a);
}

void weft_sample_sort(weft_sample_t* sample, bool is_rate) {
  qsort(sample->figures, sample->count, sizeof(double),
        is_rate ? compare_descending : compare_ascending);
}

double weft_sample_quantile(const weft_sample_t* sample, double share) {
  assert(sample->count > 0);
  double rank = ceil(share * (double)sample->count);
  size_t index = rank < 1 ? 0 : (size_t)rank - 1;
  return sample->figures[index < sample->count ? index : sample->count - 1];
}

double weft_sample_median(const weft_sample_t* sample) {
  assert(sample->count > 0);
  size_t middle = sample->count / 2;
  if (sample->count % 2 == 1) {
    return sample->figures[middle];
  }
  return (sample->figures[middle - 1] + sample->figures[middle]) / 2;
}
