// SPDX-License-Identifier: Apache-2.0
//
// Whether to spin before sleeping. Waking a sleeper costs some microseconds,
// so a wait that ends sooner is cheaper when it spins; any other wait should
// not have spun at all. What tells them apart is the recent past of whoever
// waits: a small counter that short waits raise and long ones lower. Where
// cores are shared with other processes waits are long, and nobody spins.
//
// Nobody spins for longer than a wake-up costs, so the worst case is twice
// the cost of the best choice (Karlin's bound).

#ifndef WEFT_ASYNC_PARK_SPIN_H_
#define WEFT_ASYNC_PARK_SPIN_H_

#include <stdbool.h>
#include <stdint.h>

// How long a spin lasts at most: about what a sleep and a wake-up cost.
#define WEFT_SPIN_NS 8000
// Pauses between two looks at what is waited for.
#define WEFT_SPIN_PAUSES 8

typedef struct weft_spin {
  // 0 to WEFT_SPIN_SCORE_LIMIT.
  uint8_t score;
} weft_spin_t;

#define WEFT_SPIN_SCORE_LIMIT 8
#define WEFT_SPIN_SCORE_ENOUGH 3

static inline bool weft_spin_pays(const weft_spin_t* spin) {
  return spin->score >= WEFT_SPIN_SCORE_ENOUGH;
}

// Takes note of a wait that is over: how long it took, and whether that was
// with a sleep after a spin in vain. A wait that slept at once, and was over
// within the time of a spin all the same, would have done better to spin.
static inline void weft_spin_learn(weft_spin_t* spin, bool spun_in_vain,
                                   int64_t waited_ns) {
  if (!spun_in_vain && waited_ns <= WEFT_SPIN_NS) {
    if (spin->score < WEFT_SPIN_SCORE_LIMIT) {
      spin->score++;
    }
  } else {
    // Down by two: a spin in vain costs more than one that was left out.
    spin->score = (uint8_t)(spin->score < 2 ? 0 : spin->score - 2);
  }
}

#endif  // WEFT_ASYNC_PARK_SPIN_H_
