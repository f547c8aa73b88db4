// SPDX-License-Identifier: Apache-2.0

#include "actor/cold.h"

#include "actor/roster.h"
#include "sys/slab.h"

weft_status_t weft_cold_create(weft_runtime_t* runtime,
                               weft_cold_t** out_cold) {
  weft_cold_t* cold = weft_slab_allocate(runtime->slab, sizeof(*cold));
  *out_cold = cold;
  if (cold == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to watch or name an actor");
  }
  *cold = (weft_cold_t){0};
  weft_dlist_init(&cold->room_waiters);
  weft_dlist_init(&cold->watchers);
  weft_dlist_init(&cold->watching);
  weft_dlist_init(&cold->links);
  weft_dlist_init(&cold->exits);
  weft_dlist_init(&cold->distants);
  weft_dlist_init(&cold->names);
  return WEFT_OK;
}

void weft_cold_free(weft_runtime_t* runtime, weft_cold_t* cold) {
  if (cold != NULL) {
    weft_status_release(cold->stop_reason);
    weft_slab_free(runtime->slab, cold, sizeof(*cold));
  }
}

// Gives an actor that lives its cold part. The stripe is held.
static weft_cold_t* attach(weft_actor_entry_t* entry, uint32_t generation,
                           weft_cold_t** spare) {
  // The flag may land on the entry's next actor, if this one ended just now:
  // look at the generation afterwards. The flag alone does no harm.
  if (spare == NULL || !weft_mailbox_watch(&entry->in) ||
      weft_entry_generation(entry) != generation) {
    return NULL;
  }
  weft_cold_t* cold = *spare;
  *spare = NULL;
  cold->generation = generation;
  entry->cold = cold;
  return cold;
}

weft_cold_t* weft_cold_lock(weft_actor_entry_t* entry, uint32_t generation,
                            weft_cold_t** spare) {
  weft_mutex_t* stripe = weft_entry_stripe(entry);
  weft_mutex_lock(stripe);
  weft_cold_t* cold = entry->cold;
  if (cold == NULL) {
    cold = attach(entry, generation, spare);
  } else if (cold->generation != generation) {
    cold = NULL;
  }
  if (cold == NULL) {
    weft_mutex_unlock(stripe);
  }
  return cold;
}

void weft_cold_unlock(weft_actor_entry_t* entry) {
  weft_mutex_unlock(weft_entry_stripe(entry));
}

// --- Asking to stop ---------------------------------------------------------

// False when the actor has ended.
static bool ask(weft_actor_entry_t* entry, uint32_t generation,
                weft_cold_t** spare, weft_status_t reason) {
  weft_cold_t* cold = weft_cold_lock(entry, generation, spare);
  if (cold == NULL) {
    weft_status_release(reason);
    return false;
  }
  weft_status_t unused = reason;
  if (!cold->is_stop_asked) {
    cold->is_stop_asked = true;
    cold->stop_reason = reason;
    unused = WEFT_OK;
  }
  // Release: pairs with the acquire in the turn that attends to it.
  atomic_fetch_or_explicit(&entry->attention, WEFT_ATTENTION_STOP,
                           memory_order_release);
  // Inside the lock, where the actor cannot end.
  bool is_first = weft_mailbox_claim(&entry->in);
  weft_cold_unlock(entry);
  if (is_first) {
    weft_entry_post(entry);
  }
  weft_status_release(unused);
  return true;
}

weft_status_t weft_cold_ask_stop(weft_actor_layer_t* layer, weft_actor_t actor,
                                 weft_status_t reason) {
  weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  weft_cold_t* spare = NULL;
  weft_status_t status = entry == NULL
                             ? weft_actor_not_found(layer, actor)
                             : weft_cold_create(layer->runtime, &spare);
  if (status != WEFT_OK) {
    weft_status_release(reason);
    return status;
  }
  if (!ask(entry, actor.generation, &spare, reason)) {
    status = weft_actor_not_found(layer, actor);
  }
  weft_cold_free(layer->runtime, spare);
  return status;
}

void weft_cold_force_stop(weft_actor_layer_t* layer, weft_actor_t actor,
                          weft_status_t reason) {
  weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  if (entry == NULL) {
    weft_status_release(reason);
  } else {
    ask(entry, actor.generation, NULL, reason);
  }
}

weft_status_t weft_cold_take_stop(weft_actor_entry_t* entry) {
  weft_mutex_t* stripe = weft_entry_stripe(entry);
  weft_mutex_lock(stripe);
  weft_status_t reason = entry->cold->stop_reason;
  entry->cold->stop_reason = WEFT_OK;
  weft_mutex_unlock(stripe);
  return reason;
}
