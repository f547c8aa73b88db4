// SPDX-License-Identifier: Apache-2.0
//
// The roster: entries of actors by index, in chunks that stay where they are
// until the layer ends.

#ifndef WEFT_ACTOR_ROSTER_H_
#define WEFT_ACTOR_ROSTER_H_

#include "actor/actor.h"

// Errors: RESOURCE_EXHAUSTED. Zeroed memory, and what a failed init left, can
// be given to `deinit`.
weft_status_t weft_roster_init(weft_actor_layer_t* layer);
void weft_roster_deinit(weft_actor_layer_t* layer);

// Takes an entry that is dead, for an actor that counts as live from here on.
// Errors: CLOSED when the layer stops; RESOURCE_EXHAUSTED.
weft_status_t weft_roster_take(weft_actor_layer_t* layer,
                               weft_actor_entry_t** out_entry);
// Gives a dead entry back. The layer may be gone when this returns.
void weft_roster_give_back(weft_actor_entry_t* entry);

// Refuses actors from here on, and makes those that there are look at that.
void weft_roster_stop(weft_actor_layer_t* layer);
// Waits until no actor is live. Errors: those of `weft_park`.
weft_status_t weft_roster_await_empty(weft_actor_layer_t* layer,
                                      int64_t deadline_ns);

// The number of entries that were ever used: indexes below it can be found.
uint32_t weft_roster_size(weft_actor_layer_t* layer);

// The entry of an index that is known to be there.
static inline weft_actor_entry_t* weft_roster_known(const weft_roster_t* roster,
                                                    uint32_t index) {
  return &roster->chunks[index >> WEFT_ROSTER_CHUNK_BITS]
                        [index & (WEFT_ROSTER_CHUNK_ENTRIES - 1)];
}

// The entry of an index; NULL when there is none. Thread: any.
static inline weft_actor_entry_t* weft_roster_at(const weft_roster_t* roster,
                                                 uint32_t index) {
  uint32_t chunk = index >> WEFT_ROSTER_CHUNK_BITS;
  // Acquire: pairs with the release in `weft_roster_take` after a chunk was
  // made.
  if (chunk >=
      atomic_load_explicit(&roster->chunk_count, memory_order_acquire)) {
    return NULL;
  }
  return weft_roster_known(roster, index);
}

// The entry that a handle names; NULL when it names nobody. The actor may end
// at any time, so messages are stamped with the generation. Thread: any.
static inline weft_actor_entry_t* weft_roster_find(
    const weft_actor_layer_t* layer, weft_actor_t actor) {
  const weft_runtime_t* runtime = layer->runtime;
  weft_actor_entry_t* entry = weft_roster_at(&layer->roster, actor.index);
  if (entry == NULL || weft_entry_generation(entry) != actor.generation ||
      actor.rank != runtime->rank ||
      actor.incarnation != runtime->incarnation) {
    return NULL;
  }
  return entry;
}

#endif  // WEFT_ACTOR_ROSTER_H_
