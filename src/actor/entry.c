// SPDX-License-Identifier: Apache-2.0
//
// An entry in words.

#include <stdio.h>

#include "actor/actor.h"

_Static_assert(sizeof(weft_actor_entry_t) == 192,
               "an idle actor is three cache lines");
_Static_assert(offsetof(weft_actor_entry_t, out) == 64,
               "senders and the consumer write different lines");

// What snprintf returned, as a length.
static size_t length_of(int printed) {
  return printed < 0 ? 0 : (size_t)printed;
}

size_t weft_entry_format(const weft_actor_entry_t* entry, char* buffer,
                         size_t capacity) {
  const weft_class_t* actor_class = weft_entry_class(entry);
  return length_of(snprintf(buffer, capacity, "%s#%u",
                            actor_class != NULL ? actor_class->name : "nobody",
                            entry->index));
}

const char* weft_entry_running(const weft_actor_entry_t* entry) {
  const weft_class_t* actor_class = weft_entry_class(entry);
  // Relaxed: a report may be a moment late; names are static.
  uint32_t endpoint =
      atomic_load_explicit(&entry->endpoint, memory_order_relaxed);
  if (endpoint == WEFT_ENDPOINT_INIT) {
    return "init";
  }
  if (endpoint == WEFT_ENDPOINT_DEINIT) {
    return "deinit";
  }
  return actor_class != NULL && endpoint < actor_class->endpoint_count
             ? actor_class->endpoints[endpoint].name
             : NULL;
}

size_t weft_entry_describe(const weft_activity_t* activity, char* buffer,
                           size_t capacity) {
  const weft_actor_entry_t* entry =
      WEFT_CONST_CONTAINER_OF(activity, weft_actor_entry_t, activity);
  const weft_class_t* actor_class = weft_entry_class(entry);
  const char* running = weft_entry_running(entry);
  return length_of(snprintf(buffer, capacity, "actor %s#%u%s%s",
                            actor_class != NULL ? actor_class->name : "nobody",
                            entry->index, running != NULL ? ", endpoint " : "",
                            running != NULL ? running : ""));
}

weft_status_t weft_actor_closed(const weft_actor_layer_t* layer,
                                const char* what) {
  // Acquire: pairs with the release in `weft_actor_layer_begin_stop`.
  weft_status_t reason =
      atomic_load_explicit(&layer->stop_reason, memory_order_acquire);
  return weft_status_make_caused(WEFT_STATUS_CLOSED, weft_status_retain(reason),
                                 "the runtime stops: %s", what);
}

void weft_actor_mourn(weft_actor_entry_t* entry, weft_status_t reason) {
  weft_actor_layer_t* layer = entry->layer;
  weft_mutex_lock(&layer->obituary_lock);
  weft_obituary_t* place =
      &layer->obituaries[layer->next_obituary++ % WEFT_OBITUARY_COUNT];
  weft_status_t forgotten = place->reason;
  *place = (weft_obituary_t){
      .index = entry->index,
      .generation = weft_entry_generation(entry),
      .reason = weft_status_retain(reason),
  };
  weft_mutex_unlock(&layer->obituary_lock);
  weft_status_release(forgotten);
}

// WEFT_OK when it is not known any more, or was no error.
static weft_status_t what_ended(weft_actor_layer_t* layer, weft_actor_t actor) {
  const weft_runtime_t* runtime = layer->runtime;
  weft_status_t reason = WEFT_OK;
  if (actor.rank != runtime->rank ||
      actor.incarnation != runtime->incarnation) {
    return WEFT_OK;
  }
  weft_mutex_lock(&layer->obituary_lock);
  for (uint32_t i = 0; i < WEFT_OBITUARY_COUNT && reason == WEFT_OK; i++) {
    const weft_obituary_t* place = &layer->obituaries[i];
    if (place->index == actor.index && place->generation == actor.generation) {
      reason = weft_status_retain(place->reason);
    }
  }
  weft_mutex_unlock(&layer->obituary_lock);
  return reason;
}

weft_status_t weft_actor_not_found(weft_actor_layer_t* layer,
                                   weft_actor_t actor) {
  if (weft_actor_is_none(actor)) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND, "the handle names no actor");
  }
  return weft_status_make_caused(
      WEFT_STATUS_NOT_FOUND, what_ended(layer, actor),
      "no actor #%u of generation %u on rank %u: it has ended, or is another "
      "runtime's",
      actor.index, actor.generation, actor.rank);
}
