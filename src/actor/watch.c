// SPDX-License-Identifier: Apache-2.0
//
// What watching and linking share, and futures of the end of an actor.

#include "actor/watch.h"

#include "actor/remote.h"
#include "actor/roster.h"
#include "async/future_internal.h"

// --- Two cold parts ---------------------------------------------------------

weft_cold_t* weft_watch_find(weft_actor_layer_t* layer, weft_actor_t actor,
                             weft_cold_t** spare) {
  weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  weft_cold_t* cold =
      entry != NULL ? weft_cold_lock(entry, actor.generation, spare) : NULL;
  if (cold != NULL) {
    weft_cold_unlock(entry);
  }
  return cold;
}

weft_status_t weft_spares_create(weft_runtime_t* runtime,
                                 weft_spares_t* spares) {
  *spares = (weft_spares_t){NULL, NULL};
  WEFT_RETURN_IF_ERROR(weft_cold_create(runtime, &spares->own));
  weft_status_t status = weft_cold_create(runtime, &spares->other);
  if (status != WEFT_OK) {
    weft_spares_free(runtime, spares);
  }
  return status;
}

void weft_spares_free(weft_runtime_t* runtime, weft_spares_t* spares) {
  weft_cold_free(runtime, spares->own);
  weft_cold_free(runtime, spares->other);
  *spares = (weft_spares_t){NULL, NULL};
}

// --- Futures of an end ------------------------------------------------------

typedef struct exit_future {
  weft_future_t future;
  // In the actor's `exits`, which holds a reference.
  weft_dlist_node_t node;
} exit_future_t;

static const weft_future_class_t exit_class = {
    .name = "end of an actor",
    .size_bytes = sizeof(exit_future_t),
};

static exit_future_t* exit_future_of(weft_dlist_node_t* node) {
  return WEFT_CONTAINER_OF(node, exit_future_t, node);
}

// Takes the first future off if nobody looks at it any more, else puts it
// last. With two of these for each new one the list does not grow by futures
// that were dropped or cancelled. Returns what is to be released, or NULL.
static weft_future_t* sweep_one(weft_dlist_t* exits) {
  weft_dlist_node_t* node = weft_dlist_take_first(exits);
  if (node == NULL) {
    return NULL;
  }
  weft_future_t* future = &exit_future_of(node)->future;
  bool is_dropped =
      weft_object_is_unique(&future->object) && !weft_future_is_watched(future);
  if (is_dropped || weft_future_is_done(future)) {
    return future;
  }
  weft_dlist_append(exits, node);
  return NULL;
}

static weft_status_t no_exit_future(void) {
  return weft_future_no_memory("future of the end of an actor");
}

// Lists a future; false when the actor has ended.
static bool add_exit(weft_actor_entry_t* entry, weft_actor_t actor,
                     weft_cold_t** spare, exit_future_t* exit) {
  weft_actor_layer_t* layer = entry->layer;
  weft_future_t* swept[2] = {NULL, NULL};
  weft_mutex_lock(&layer->watch_lock);
  weft_cold_t* cold = weft_watch_find(layer, actor, spare);
  if (cold != NULL) {
    swept[0] = sweep_one(&cold->exits);
    swept[1] = sweep_one(&cold->exits);
    weft_dlist_append(&cold->exits, &exit->node);
  }
  weft_mutex_unlock(&layer->watch_lock);
  weft_future_release(swept[0]);
  weft_future_release(swept[1]);
  return cold != NULL;
}

weft_status_t weft_actor_exited(weft_runtime_t* runtime, weft_actor_t actor,
                                weft_future_t** out_exited) {
  *out_exited = NULL;
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  if (weft_actor_is_remote(runtime, actor)) {
    return weft_call(runtime, weft_system_actor(actor.rank, actor.incarnation),
                     WEFT_SYSTEM_EXITED,
                     WEFT_ARGUMENTS(weft_actor_value(actor)), NULL, out_exited);
  }
  weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  if (entry == NULL) {
    return weft_actor_not_found(layer, actor);
  }
  weft_cold_t* spare = NULL;
  WEFT_RETURN_IF_ERROR(weft_cold_create(runtime, &spare));
  // For the caller and the list.
  weft_future_t* future = weft_future_allocate(runtime, &exit_class, 2);
  if (future == NULL) {
    weft_cold_free(runtime, spare);
    return no_exit_future();
  }
  future->producer = &entry->activity;
  bool is_listed =
      add_exit(entry, actor, &spare, (exit_future_t*)(void*)future);
  weft_cold_free(runtime, spare);
  if (!is_listed) {
    weft_future_free_unshared(future);
    return weft_actor_not_found(layer, actor);
  }
  *out_exited = future;
  return WEFT_OK;
}

// --- Telling everybody ------------------------------------------------------

void weft_watch_notify(const weft_actor_entry_t* entry, weft_cold_t* cold) {
  weft_actor_layer_t* layer = entry->layer;
  weft_status_t reason = entry->reason;
  weft_mutex_lock(&layer->watch_lock);
  weft_monitors_unlink(cold);
  weft_links_unlink(cold);
  weft_mutex_unlock(&layer->watch_lock);
  weft_links_notify(entry, cold, reason);
  weft_monitors_notify(layer, cold, reason);
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&cold->exits)) != NULL) {
    weft_future_complete_owned(&exit_future_of(node)->future,
                               weft_status_retain(reason), weft_none());
  }
}
