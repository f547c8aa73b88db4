// SPDX-License-Identifier: Apache-2.0

#include "actor/known.h"

#include <stdio.h>

#include "actor/remote.h"

// Each actor has one place, which the last one keeps.
static uint32_t place_of(weft_actor_t actor) {
  return (actor.index + 37u * actor.rank) % WEFT_KNOWN_ACTORS;
}

void weft_known_add(weft_known_t* known, weft_actor_t actor,
                    const weft_class_t* actor_class) {
  uint32_t i = place_of(actor);
  weft_mutex_lock(&known->lock);
  known->places[i].actor = actor;
  known->places[i].actor_class = actor_class;
  weft_mutex_unlock(&known->lock);
}

static const weft_class_t* find(weft_known_t* known, weft_actor_t actor) {
  if (weft_actor_is_system(actor)) {
    return &weft_system_class;
  }
  uint32_t i = place_of(actor);
  weft_mutex_lock(&known->lock);
  const weft_class_t* actor_class =
      weft_actor_equal(known->places[i].actor, actor)
          ? known->places[i].actor_class
          : NULL;
  weft_mutex_unlock(&known->lock);
  return actor_class;
}

size_t weft_known_format(weft_known_t* known, weft_actor_t actor,
                         uint32_t endpoint, char* buffer, size_t capacity) {
  const weft_class_t* actor_class = find(known, actor);
  int printed =
      actor_class != NULL && endpoint < actor_class->endpoint_count
          ? snprintf(buffer, capacity, "%s#%u.%s", actor_class->name,
                     actor.index, actor_class->endpoints[endpoint].name)
          : snprintf(buffer, capacity, "endpoint %u of actor #%u", endpoint,
                     actor.index);
  return printed < 0 ? 0 : (size_t)printed;
}
