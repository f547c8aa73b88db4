// SPDX-License-Identifier: Apache-2.0
//
// The least that an actor is: a bounded mailbox, a handler, a place in the
// list of those that have messages.

#ifndef WEFT_BENCH_FLOOR_LOOP_H_
#define WEFT_BENCH_FLOOR_LOOP_H_

#include <stdint.h>

#include "bench/floor/mpsc.h"

typedef struct weft_loop weft_loop_t;
typedef struct weft_loop_object weft_loop_object_t;

typedef void (*weft_loop_handler_t)(weft_loop_t* loop, weft_loop_object_t* self,
                                    int64_t number);

struct weft_loop_object {
  weft_mpsc_t mailbox;
  // Messages in the mailbox, and by that whether it waits for its turn.
  _Atomic uint32_t depth;
  weft_loop_handler_t handler;
  weft_loop_object_t* next_ready;
  // The state: whom it sends to, how many are left, what it has seen.
  weft_loop_object_t* peer;
  uint64_t left;
  int64_t sum;
};

static inline void weft_loop_object_init(weft_loop_object_t* object,
                                         weft_loop_handler_t handler) {
  weft_mpsc_init(&object->mailbox);
  atomic_init(&object->depth, 0);
  object->handler = handler;
  object->next_ready = NULL;
  object->peer = NULL;
  object->left = 0;
  object->sum = 0;
}

#endif  // WEFT_BENCH_FLOOR_LOOP_H_
