// SPDX-License-Identifier: Apache-2.0
//
// Which classes actors of other runtimes are of, so that messages can name
// them. A handle does not say; but whoever spawned an actor knows. Those that
// were spawned last are remembered, some of them; of others there is the
// number.

#ifndef WEFT_ACTOR_KNOWN_H_
#define WEFT_ACTOR_KNOWN_H_

#include "sys/sys.h"
#include "weft/actor.h"

#define WEFT_KNOWN_ACTORS 128

// Zeroed memory and an initialised lock are empty.
typedef struct weft_known {
  // Leaf.
  weft_mutex_t lock;
  struct {
    weft_actor_t actor;
    const weft_class_t* actor_class;
  } places[WEFT_KNOWN_ACTORS];
} weft_known_t;

// Thread, of both: any.
void weft_known_add(weft_known_t* known, weft_actor_t actor,
                    const weft_class_t* actor_class);

// Writes "class#index.endpoint", or "endpoint e of actor #index", as
// `weft_status_format` does.
size_t weft_known_format(weft_known_t* known, weft_actor_t actor,
                         uint32_t endpoint, char* buffer, size_t capacity);

#endif  // WEFT_ACTOR_KNOWN_H_
