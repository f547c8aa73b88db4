// SPDX-License-Identifier: Apache-2.0
//
// The layer of actors as the runtime sees it: it fills WEFT_SLOT_ACTOR, is
// stopped before the executor is, and freed after the executor has stopped:
//
//   weft_async_create        weft_actor_layer_stop
//   weft_actor_layer_create  weft_async_stop
//                            weft_actor_layer_destroy
//                            weft_async_destroy

#ifndef WEFT_ACTOR_ACTOR_LAYER_H_
#define WEFT_ACTOR_ACTOR_LAYER_H_

#include "weft/actor.h"

typedef struct weft_actor_layer weft_actor_layer_t;

typedef struct weft_actor_layer_options {
  // The classes of the job; the tables are borrowed for the runtime's life,
  // the array of pointers is copied.
  const weft_class_t* const* classes;
  size_t class_count;
  // The timeout of calls that name none and inherit none; 0: none.
  int64_t default_timeout_ns;
} weft_actor_layer_options_t;

// Fills the slot. The async layer is there already; no thread but the caller
// uses the runtime yet.
// Errors: INVALID_ARGUMENT for a class table that is not sound (two classes
// of one name, a missing handler, too many parameters), naming the place;
// RESOURCE_EXHAUSTED. The slot stays NULL then.
weft_status_t weft_actor_layer_create(
    weft_runtime_t* runtime, const weft_actor_layer_options_t* options);

// From here on spawning and sending fail with CLOSED. Asks every actor to end
// after the handler it runs, and waits until all have, with their threads
// joined, and until no timer of this layer will run.
// Thread: any but a handler. Blocks: until the deadline. May be called again.
// Errors: DEADLINE_EXCEEDED, naming the actors that are left, what they run
// and what they wait for; FAILED_PRECONDITION in a handler.
weft_status_t weft_actor_layer_stop(weft_runtime_t* runtime,
                                    int64_t deadline_ns);

// Only begins that, without waiting. What fails from here on has the first
// `reason` as its cause; WEFT_OK: there is none. Thread: any. Blocks: no.
// Owns: takes `reason` over.
void weft_actor_layer_begin_stop(weft_runtime_t* runtime, weft_status_t reason);

// Makes the actor through which other runtimes of the job ask this one; before
// any other actor. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_actor_layer_open(weft_runtime_t* runtime);

// Frees the layer and empties the slot; nothing if the slot is empty. After a
// stop that succeeded (or a create of which no actor was ever spawned), when
// no worker and no timer runs any more.
void weft_actor_layer_destroy(weft_runtime_t* runtime);

#endif  // WEFT_ACTOR_ACTOR_LAYER_H_
