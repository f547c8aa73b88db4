// SPDX-License-Identifier: Apache-2.0
//
// A second process for benchmarks between two: forked, bound to a core of its
// own where there is one, and asleep but while a batch runs, so that it does
// not disturb what is measured in turn with it.

#ifndef WEFT_BENCH_FLOOR_PARTNER_H_
#define WEFT_BENCH_FLOOR_PARTNER_H_

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct weft_partner {
  // Memory of both, zeroed, for whoever uses this; on its own page.
  void* shared;
  size_t shared_bytes;
  pid_t child;
  struct weft_partner_order* order;
  cpu_set_t before;
} weft_partner_t;

// Forks. The child calls `serve(user, count)` for each batch; `enter(user)`
// first, and `leave(user)` last (both may be NULL). False when the system
// cannot.
typedef struct weft_partner_part {
  void (*enter)(void* user);
  void (*serve)(void* user, uint64_t count);
  void (*leave)(void* user);
} weft_partner_part_t;
int weft_partner_start(weft_partner_t* partner, size_t shared_bytes,
                       const weft_partner_part_t* part, void* user);
// Ends the child and waits for it. One that was not started is fine.
void weft_partner_stop(weft_partner_t* partner);

// The child serves a batch from now on, on its core, and the caller is on
// another, if there is one. Returns when both are so.
void weft_partner_begin(weft_partner_t* partner, uint64_t count);
// The batch is over.
void weft_partner_end(weft_partner_t* partner);

// Sleeps while the word, which both processes see, has this value.
void weft_partner_wait(_Atomic uint32_t* word, uint32_t expected);
void weft_partner_wake(_Atomic uint32_t* word);
void weft_partner_wake_all(_Atomic uint32_t* word);

// Binds the caller to the first or the last of these cores.
void weft_partner_bind(const cpu_set_t* allowed, bool to_first);

#endif  // WEFT_BENCH_FLOOR_PARTNER_H_
