// SPDX-License-Identifier: Apache-2.0
//
// Who is told when an actor ends: watchers by a message (monitor.c), linked
// actors by ending too (link.c), futures by their outcome (watch.c). What
// telling takes is allocated when somebody asks to be told, so it cannot fail
// later. All of it is guarded by the layer's watch lock: a record is in lists
// of two actors, and either may end first.

#ifndef WEFT_ACTOR_WATCH_H_
#define WEFT_ACTOR_WATCH_H_

#include "actor/cold.h"

// Tells everybody that the actor which had this cold part has ended, for the
// reason in its entry; and ends its own watching. Nobody finds the cold part
// any more; its lists are empty afterwards.
void weft_watch_notify(const weft_actor_entry_t* entry, weft_cold_t* cold);

// --- Inside -----------------------------------------------------------------

// The cold part of an actor that lives; NULL when it has ended. With the watch
// lock held, which it is, the actor keeps it. `spare` as in `weft_cold_lock`.
weft_cold_t* weft_watch_find(weft_actor_layer_t* layer, weft_actor_t actor,
                             weft_cold_t** spare);

// Cold parts for two actors, should they need them.
typedef struct weft_spares {
  weft_cold_t* own;
  weft_cold_t* other;
} weft_spares_t;

// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_spares_create(weft_runtime_t* runtime,
                                 weft_spares_t* spares);
void weft_spares_free(weft_runtime_t* runtime, weft_spares_t* spares);

// A reason as a value: none for an orderly end. Never looks orderly when it
// is not, even without memory. Owns: borrows `reason`.
weft_value_t weft_watch_reason(weft_actor_layer_t* layer, weft_status_t reason);

// Take the records of an actor that ends off the lists of all others. The lock
// is held.
void weft_monitors_unlink(weft_cold_t* cold);
void weft_links_unlink(weft_cold_t* cold);

// Tell, then free the records. The lock is not held.
void weft_monitors_notify(weft_actor_layer_t* layer, weft_cold_t* cold,
                          weft_status_t reason);
void weft_links_notify(const weft_actor_entry_t* entry, weft_cold_t* cold,
                       weft_status_t reason);

#endif  // WEFT_ACTOR_WATCH_H_
