// SPDX-License-Identifier: Apache-2.0
//
// The classes of a job, by the address of their tables.

#ifndef WEFT_ACTOR_REGISTRY_H_
#define WEFT_ACTOR_REGISTRY_H_

#include "weft/actor.h"

typedef struct weft_registry weft_registry_t;

// Checks and notes classes. Errors: INVALID_ARGUMENT; RESOURCE_EXHAUSTED.
weft_status_t weft_registry_create(const weft_allocator_t* allocator,
                                   const weft_class_t* const* classes,
                                   size_t count,
                                   weft_registry_t** out_registry);
// NULL is fine.
void weft_registry_destroy(weft_registry_t* registry);

// Thread: any.
bool weft_registry_has(const weft_registry_t* registry,
                       const weft_class_t* actor_class);

// The class of this name; NULL for none. Thread: any.
const weft_class_t* weft_registry_find(const weft_registry_t* registry,
                                       const char* name);

#endif  // WEFT_ACTOR_REGISTRY_H_
