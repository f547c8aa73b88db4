// SPDX-License-Identifier: Apache-2.0
//
// Numbers that look random and are the same on every run: a generator whose
// whole state is one word, so that each (seed, trainer, epoch, step) can have
// its own. Source: SplitMix64 (Steele, Lea and Flood, 2014).

#ifndef DIGITS_RANDOM_H_
#define DIGITS_RANDOM_H_

#include <stdint.h>

typedef struct digits_random {
  uint64_t state;
} digits_random_t;

static inline uint64_t digits_random_next(digits_random_t* random) {
  uint64_t z = (random->state += 0x9e3779b97f4a7c15u);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// A generator of its own for one use of a seed.
static inline digits_random_t digits_random_of(uint64_t seed, uint64_t stream,
                                               uint64_t step) {
  digits_random_t random = {seed};
  random.state = digits_random_next(&random) ^ stream;
  random.state = digits_random_next(&random) ^ step;
  return random;
}

// Evenly spread over [low, high).
static inline float digits_random_uniform(digits_random_t* random, float low,
                                          float high) {
  float unit = (float)(digits_random_next(random) >> 40) * 0x1p-24F;
  return low + (high - low) * unit;
}

// Evenly spread over 0 ... bound - 1; bound is small.
static inline uint32_t digits_random_below(digits_random_t* random,
                                           uint32_t bound) {
  return (uint32_t)(((digits_random_next(random) >> 32) * bound) >> 32);
}

#endif  // DIGITS_RANDOM_H_
