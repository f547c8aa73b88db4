// SPDX-License-Identifier: Apache-2.0

#include "sys/wake_cost.h"

#include <sched.h>
#include <stdbool.h>

#include "sys/sys.h"

// Odd, so that one is in the middle.
#define ROUNDS 15

// Two words, each set by one thread for the other.
typedef struct trial {
  _Atomic uint32_t there;
  _Atomic uint32_t back;
  // Of the rounds, in order.
  int64_t times_ns[ROUNDS];
} trial_t;

// Binds the calling thread to the first or the last core that it may use.
static void bind_to_end(bool first) {
  cpu_set_t allowed;
  cpu_set_t chosen;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
    return;
  }
  CPU_ZERO(&chosen);
  for (size_t core = 0; core < CPU_SETSIZE; core++) {
    if (CPU_ISSET(core, &allowed) && (!first || CPU_COUNT(&chosen) == 0)) {
      CPU_ZERO(&chosen);
      CPU_SET(core, &chosen);
    }
  }
  // If it does not, the figure is that of one core, which is smaller.
  (void)sched_setaffinity(0, sizeof(chosen), &chosen);
}

static void set(_Atomic uint32_t* word, uint32_t round) {
  // Release: pairs with the acquire in `await`.
  atomic_store_explicit(word, round, memory_order_release);
  weft_futex_wake(word, 1);
}

static void await(_Atomic uint32_t* word, uint32_t round) {
  uint32_t seen;
  // Acquire: pairs with the release in `set`.
  while ((seen = atomic_load_explicit(word, memory_order_acquire)) != round) {
    (void)weft_futex_wait(word, seen, INT64_MAX);
  }
}

static void answer(void* user) {
  trial_t* trial = user;
  bind_to_end(true);
  for (uint32_t round = 1; round <= ROUNDS; round++) {
    await(&trial->there, round);
    set(&trial->back, round);
  }
}

// Puts a time in its place among those that are there.
static void insert(int64_t* times_ns, uint32_t count, int64_t time_ns) {
  uint32_t i = count;
  for (; i > 0 && times_ns[i - 1] > time_ns; i--) {
    times_ns[i] = times_ns[i - 1];
  }
  times_ns[i] = time_ns;
}

static void exchange(trial_t* trial) {
  for (uint32_t round = 1; round <= ROUNDS; round++) {
    int64_t start_ns = weft_sys_now_ns();
    set(&trial->there, round);
    await(&trial->back, round);
    insert(trial->times_ns, round - 1, (weft_sys_now_ns() - start_ns) / 2);
  }
}

static void ask(void* user) {
  bind_to_end(false);
  exchange(user);
}

static int64_t measure(void) {
  trial_t trial = {.there = 0};
  weft_sys_thread_t threads[2] = {{.started = false}};
  weft_status_t status =
      weft_sys_thread_start(&threads[0], "weft-wake", answer, &trial);
  if (status == WEFT_OK) {
    status = weft_sys_thread_start(&threads[1], "weft-wake", ask, &trial);
    if (status != WEFT_OK) {
      // The first one is to end all the same.
      exchange(&trial);
    }
  }
  weft_sys_thread_join(&threads[1]);
  weft_sys_thread_join(&threads[0]);
  bool ok = status == WEFT_OK;
  weft_status_release(status);
  return ok ? trial.times_ns[ROUNDS / 2] : 0;
}

int64_t weft_sys_wake_ns(void) {
  // 0: not measured; else one more than the figure.
  static _Atomic int64_t known;
  // Relaxed: a number by itself. Two threads that come at once both measure.
  int64_t figure = atomic_load_explicit(&known, memory_order_relaxed);
  if (figure == 0) {
    figure = measure() + 1;
    atomic_store_explicit(&known, figure, memory_order_relaxed);
  }
  return figure - 1;
}
