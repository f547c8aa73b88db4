// SPDX-License-Identifier: Apache-2.0
//
// Names of actors, and those who look one up before it is there.

#ifndef WEFT_ACTOR_NAMES_H_
#define WEFT_ACTOR_NAMES_H_

#include "actor/cold.h"

typedef struct weft_names weft_names_t;

// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_names_create(weft_actor_layer_t* layer);
// When all names are free and all look-ups have ended; NULL is fine.
void weft_names_destroy(weft_actor_layer_t* layer);

// Frees the names of an actor that had this cold part.
void weft_names_forget(weft_actor_layer_t* layer, weft_cold_t* cold);

// Frees the names of an actor of another rank.
void weft_names_forget_remote(weft_actor_layer_t* layer, weft_actor_t actor);

// Whether an actor of another rank has a name. The watch lock may be held.
bool weft_names_has_remote(weft_actor_layer_t* layer, weft_actor_t actor);

// Fails all look-ups with CLOSED, those that come later at once.
void weft_names_close(weft_actor_layer_t* layer);

#endif  // WEFT_ACTOR_NAMES_H_
