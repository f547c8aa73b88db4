// SPDX-License-Identifier: Apache-2.0
//
// Asking one actor to stop.

#include "actor/call.h"
#include "actor/cold.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/watch.h"

// A stop in turn is a message that is put in whatever the bound. The actor is
// given a cold part, too: so it can be asked again, to stop now, while it
// waits for what is held.
static weft_status_t stop_in_turn(weft_actor_layer_t* layer, weft_actor_t actor,
                                  weft_status_t reason) {
  weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  weft_cold_t* spare = NULL;
  weft_message_t* message = weft_message_allocate(layer->runtime, 0);
  weft_status_t status = weft_cold_create(layer->runtime, &spare);
  if (message == NULL || status != WEFT_OK) {
    weft_status_release(reason);
    weft_message_discard(layer->runtime, message);
    weft_cold_free(layer->runtime, spare);
    return status != WEFT_OK
               ? status
               : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                  "no memory to stop an actor in turn");
  }
  message->flags = WEFT_MESSAGE_STOP;
  message->generation = actor.generation;
  message->reason = reason;
  weft_cold_t* cold =
      entry != NULL ? weft_cold_lock(entry, actor.generation, &spare) : NULL;
  if (cold != NULL) {
    weft_cold_unlock(entry);
  }
  weft_cold_free(layer->runtime, spare);
  if (cold == NULL ||
      weft_entry_put(entry, message, true) > WEFT_MAILBOX_PUSHED_FIRST) {
    weft_message_discard(layer->runtime, message);
    return weft_actor_not_found(layer, actor);
  }
  return WEFT_OK;
}

// Asks the runtime of another rank. Owns: takes `reason` over.
static weft_status_t stop_there(weft_actor_layer_t* layer, weft_actor_t actor,
                                weft_stop_mode_t mode, weft_status_t reason) {
  weft_value_t why = weft_watch_reason(layer, reason);
  weft_status_release(reason);
  weft_status_t status = weft_send(
      layer->runtime, weft_system_actor(actor.rank, actor.incarnation),
      WEFT_SYSTEM_STOP,
      WEFT_ARGUMENTS(weft_actor_value(actor), weft_int64(mode), why), NULL);
  weft_value_release(why);
  return status;
}

weft_status_t weft_actor_stop(weft_runtime_t* runtime, weft_actor_t actor,
                              weft_stop_mode_t mode, weft_status_t reason) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  if (weft_actor_is_remote(runtime, actor)) {
    return stop_there(layer, actor, mode, reason);
  }
  if (mode == WEFT_STOP_AFTER_QUEUE) {
    return stop_in_turn(layer, actor, reason);
  }
  return weft_cold_ask_stop(layer, actor, reason);
}
