// SPDX-License-Identifier: Apache-2.0
//
// Whether to spin before sleeping. Waking a sleeper costs some microseconds,
// so a wait that ends sooner is cheaper when it spins; any other wait should
// not have spun at all. What tells them apart is the recent past of whoever
// waits: a small counter that short waits raise and long ones lower. Where
// cores are shared with other processes waits are long, and nobody spins.
//
// Nobody spins for much longer than a wake-up costs, so the worst case is some
// twice the cost of the best choice (Karlin's bound). With any less, two that
// answer each other would sleep for ever once they do: a spin has to last until
// the other, who has to be woken, answers.

#ifndef WEFT_ASYNC_PARK_SPIN_H_
#define WEFT_ASYNC_PARK_SPIN_H_

#include <stdbool.h>
#include <stdint.h>

// How long a spin lasts at most: half as much again as a wake-up costs here,
// which is measured, within these bounds. Wake-ups vary that much.
#define WEFT_SPIN_LEAST_NS 8000
#define WEFT_SPIN_MOST_NS 50000
// Pauses between two looks at what is waited for.
#define WEFT_SPIN_PAUSES 8

static inline int64_t weft_spin_limit_ns(int64_t wake_ns) {
  int64_t limit_ns = wake_ns + wake_ns / 2;
  if (limit_ns < WEFT_SPIN_LEAST_NS) {
    return WEFT_SPIN_LEAST_NS;
  }
  return limit_ns < WEFT_SPIN_MOST_NS ? limit_ns : WEFT_SPIN_MOST_NS;
}

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
// with a sleep after a spin in vain. A wait that slept at once took its own
// wake-up longer than it would have with a spin: when it would have been over
// within that, it had better spun.
static inline void weft_spin_learn(weft_spin_t* spin, bool spun_in_vain,
                                   int64_t waited_ns, int64_t limit_ns) {
  if (!spun_in_vain && waited_ns <= 2 * limit_ns) {
    if (spin->score < WEFT_SPIN_SCORE_LIMIT) {
      spin->score++;
    }
  } else {
    // Down by two: a spin in vain costs more than one that was left out.
    spin->score = (uint8_t)(spin->score < 2 ? 0 : spin->score - 2);
  }
}

#endif  // WEFT_ASYNC_PARK_SPIN_H_
