// SPDX-License-Identifier: Apache-2.0
//
// Numbers at random that a seed determines, for simulations: never for
// secrets.

#ifndef WEFT_BASE_RANDOM_H_
#define WEFT_BASE_RANDOM_H_

#include <stdint.h>

// The next number; `*state` is the seed to begin with.
// Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators,
// 2014 (SplitMix64).
static inline uint64_t weft_random_next(uint64_t* state) {
  *state += 0x9e3779b97f4a7c15u;
  uint64_t z = *state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

#endif  // WEFT_BASE_RANDOM_H_
