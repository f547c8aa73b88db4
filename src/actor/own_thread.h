// SPDX-License-Identifier: Apache-2.0
//
// The thread of an actor that asked for one: an executor that only ever has
// the task of that actor. The thread ends with the actor; it is joined when
// the next one starts, or when the layer stops. In a simulation such actors
// run as all others do.

#ifndef WEFT_ACTOR_OWN_THREAD_H_
#define WEFT_ACTOR_OWN_THREAD_H_

#include "actor/actor.h"

typedef struct weft_own_thread weft_own_thread_t;

// Starts a thread for an actor of a class. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_own_thread_start(weft_actor_layer_t* layer,
                                    const weft_class_t* actor_class,
                                    weft_own_thread_t** out_thread);
weft_executor_t* weft_own_thread_executor(weft_own_thread_t* thread);

// Ends a thread whose actor was never spawned. Waits for it.
void weft_own_thread_cancel(weft_actor_layer_t* layer,
                            weft_own_thread_t* thread);

// The actor has exited: its thread ends when the turn returns, and tasks of
// the entry go to the layer's executor. Nothing for an actor without one.
// Thread: the consumer.
void weft_own_thread_end(weft_actor_entry_t* entry);

// Joins the threads of actors that have exited. Thread: any but those.
void weft_own_thread_join_ended(weft_actor_layer_t* layer);

#endif  // WEFT_ACTOR_OWN_THREAD_H_
