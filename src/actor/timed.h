// SPDX-License-Identifier: Apache-2.0
//
// A deadline on a reply: when it passes before there is an outcome, the reply
// fails. Part of the reply that it is for.

#ifndef WEFT_ACTOR_TIMED_H_
#define WEFT_ACTOR_TIMED_H_

#include "actor/actor.h"

typedef struct weft_timed weft_timed_t;
struct weft_timed {
  weft_future_t* future;
  // Holds a reference while it is armed.
  weft_timer_t timer;
  // Stops the timer when there is an outcome.
  weft_waiter_t on_outcome;
  // Among the layer's timed replies; guarded by its lock.
  weft_dlist_node_t node;
  // Whoever sets it back stops the timer, and while it is set the layer is
  // there.
  _Atomic bool is_armed;
  int64_t timeout_ns;
  // Makes the error of a reply that is late.
  weft_status_t (*late)(const weft_timed_t* timed);
};

// Starts the timer of a reply that has no outcome. Errors: RESOURCE_EXHAUSTED;
// CLOSED when the runtime stops.
weft_status_t weft_timed_start(weft_timed_t* timed, weft_future_t* future,
                               int64_t deadline_ns,
                               weft_status_t (*late)(const weft_timed_t*));

// Stops the timers of replies that have no outcome yet; they are left to
// those who hold their promises. When no call is made any more.
void weft_timed_stop_all(weft_actor_layer_t* layer);

#endif  // WEFT_ACTOR_TIMED_H_
