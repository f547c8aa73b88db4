// SPDX-License-Identifier: Apache-2.0
//
// What only few actors have: somebody who asks them to stop, waits for room
// in their mailbox, watches them, or looks them up by name. Made on demand;
// the flag WATCHED of the mailbox says that there is one to be ended with the
// actor, and cannot be set any more once the mailbox is closed.
//
// Locks: the entry's stripe guards the pointer in the entry and the first part
// of the struct; other locks guard the lists, each list one.

#ifndef WEFT_ACTOR_COLD_H_
#define WEFT_ACTOR_COLD_H_

#include "actor/actor.h"

struct weft_cold {
  // The actor that this belongs to; 0 once it is ending.
  uint32_t generation;
  // Somebody asked the actor to stop, for this reason.
  bool is_stop_asked;
  weft_status_t stop_reason;
  // Of weft_room_waiter_t.
  weft_dlist_t room_waiters;
  // --- Guarded by the watch lock; see `watch.c` ---
  // Who watches this actor, and whom it watches.
  weft_dlist_t watchers;
  weft_dlist_t watching;
  // Actors whose life is tied to this one's.
  weft_dlist_t links;
  // Futures of its end.
  weft_dlist_t exits;
  // Actors of other runtimes that it watches; see `distant.c`.
  weft_dlist_t distants;
  // --- Guarded by the names' lock; see `names.c` ---
  weft_dlist_t names;
};

// Makes one that no actor has yet. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_cold_create(weft_runtime_t* runtime, weft_cold_t** out_cold);
// Gives one back whose lists are empty. NULL is fine.
void weft_cold_free(weft_runtime_t* runtime, weft_cold_t* cold);

// Takes the stripe of an actor that lives and returns what it has; NULL, and
// no lock taken, when it has ended. An actor that has none yet is given
// `*spare`, which is NULL then; with `spare` NULL it counts as ended.
weft_cold_t* weft_cold_lock(weft_actor_entry_t* entry, uint32_t generation,
                            weft_cold_t** spare);
void weft_cold_unlock(weft_actor_entry_t* entry);

// Asks an actor to stop after the handler it runs; the first reason counts.
// Owns: takes `reason` over. Errors: NOT_FOUND; RESOURCE_EXHAUSTED.
weft_status_t weft_cold_ask_stop(weft_actor_layer_t* layer, weft_actor_t actor,
                                 weft_status_t reason);
// As above for an actor that has a cold part, or has ended: cannot fail.
void weft_cold_force_stop(weft_actor_layer_t* layer, weft_actor_t actor,
                          weft_status_t reason);

// The reason that was asked for; handed over. Thread: the consumer.
weft_status_t weft_cold_take_stop(weft_actor_entry_t* entry);

#endif  // WEFT_ACTOR_COLD_H_
