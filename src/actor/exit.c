// SPDX-License-Identifier: Apache-2.0
//
// The end of an actor. It runs in the actor's own turn, so no handler runs
// and nobody else takes from the mailbox:
//
//   begin    the mailbox is closed, the state freed, what is held fails
//   drain    what is queued fails, once senders have linked it
//   finish   names are free, watchers and linked actors are told, exit futures
//            are ready, and the entry is given back
//
// So whoever learns that an actor has ended finds all of that done.

#include "actor/cold.h"
#include "actor/held.h"
#include "actor/names.h"
#include "actor/own_thread.h"
#include "actor/remote.h"
#include "actor/room.h"
#include "actor/roster.h"
#include "actor/turn.h"
#include "actor/watch.h"

// --- Begin ------------------------------------------------------------------

static void free_state(weft_actor_entry_t* entry) {
  const weft_class_t* actor_class = weft_entry_class(entry);
  void* state = entry->state;
  bool is_initialized = entry->is_initialized;
  entry->state = NULL;
  entry->is_initialized = false;
  if (!is_initialized || actor_class->deinit == NULL) {
    return;
  }
  // Relaxed, both: for reports only.
  atomic_store_explicit(&entry->endpoint, WEFT_ENDPOINT_DEINIT,
                        memory_order_relaxed);
  actor_class->deinit(state);
  atomic_store_explicit(&entry->endpoint, WEFT_ENDPOINT_NONE,
                        memory_order_relaxed);
}

// What a caller sees whose message was not handled; WEFT_OK when nobody will
// see it.
static weft_status_t refusal(const weft_actor_entry_t* entry,
                             const weft_message_t* message) {
  if ((message->flags & WEFT_MESSAGE_STOP) != 0 || message->reply == NULL) {
    return WEFT_OK;
  }
  if (message->generation != weft_entry_generation(entry)) {
    return weft_status_make(WEFT_STATUS_ACTOR_EXITED,
                            "actor #%u had ended when the message came",
                            entry->index);
  }
  const weft_class_t* actor_class = weft_entry_class(entry);
  if (actor_class == &weft_system_class &&
      weft_status_code(entry->reason) == WEFT_STATUS_CLOSED) {
    // What was asked is the runtime; nobody knows of the actor.
    return weft_status_retain(entry->reason);
  }
  return weft_status_make_caused(
      WEFT_STATUS_ACTOR_EXITED, weft_status_retain(entry->reason),
      "%s#%u ended before it handled %s", actor_class->name, entry->index,
      actor_class->endpoints[message->endpoint].name);
}

void weft_exit_begin(weft_context_t* context, weft_status_t reason) {
  weft_actor_entry_t* entry = context->entry;
  entry->phase = WEFT_PHASE_EXITING;
  weft_status_release(entry->reason);
  entry->reason = reason;
  if (reason != WEFT_OK && weft_status_code(reason) != WEFT_STATUS_CLOSED) {
    // Before anybody can find that it is gone.
    weft_actor_mourn(entry, reason);
  }
  weft_mailbox_close(&entry->in);
  free_state(entry);
  weft_message_t* message = entry->init;
  entry->init = NULL;
  if (message != NULL) {
    weft_message_release_arguments(message);
    weft_message_free(entry->layer->runtime, message);
  }
  while ((message = weft_held_take_any(entry)) != NULL) {
    if ((message->flags & WEFT_MESSAGE_INIT) != 0) {
      weft_message_release_arguments(message);
      weft_message_free(entry->layer->runtime, message);
    } else {
      weft_turn_fail(context, message, refusal(entry, message));
    }
  }
}

// --- Drain ------------------------------------------------------------------

bool weft_exit_drain(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  weft_message_t* message;
  while ((message = weft_turn_take(context)) != NULL) {
    weft_turn_fail(context, message, refusal(entry, message));
  }
  // Relaxed: closed, so no other node comes.
  uint64_t word = atomic_load_explicit(&entry->in.word, memory_order_relaxed);
  return weft_mailbox_last(word) == entry->out.head;
}

// --- Finish -----------------------------------------------------------------

// Nobody finds the cold part afterwards; returns it, or NULL.
static weft_cold_t* detach(weft_actor_entry_t* entry) {
  // Relaxed: `weft_mailbox_close` has acquired it.
  uint64_t word = atomic_load_explicit(&entry->in.word, memory_order_relaxed);
  if ((word & WEFT_MAILBOX_WATCHED) == 0) {
    return NULL;
  }
  weft_actor_layer_t* layer = entry->layer;
  weft_mutex_t* stripe = weft_entry_stripe(entry);
  weft_mutex_lock(&layer->watch_lock);
  weft_mutex_lock(stripe);
  weft_cold_t* cold = entry->cold;
  entry->cold = NULL;
  if (cold != NULL) {
    cold->generation = 0;
    weft_room_wake_locked(cold);
  }
  weft_mutex_unlock(stripe);
  weft_mutex_unlock(&layer->watch_lock);
  return cold;
}

// Leaves the mailbox, which is empty, and the entry as a spawn expects it.
static void clear(weft_actor_entry_t* entry) {
  weft_runtime_t* runtime = entry->layer->runtime;
  weft_status_release(entry->reason);
  entry->reason = WEFT_OK;
  entry->phase = WEFT_PHASE_RUNNING;
  entry->has_own_thread = false;
  entry->has_peers = false;
  // Relaxed: nobody sets a bit any more; giving the entry back publishes it.
  atomic_store_explicit(&entry->attention, 0, memory_order_relaxed);
  weft_mailbox_node_t* last = weft_mailbox_leave(&entry->in, &entry->out);
  if (last != NULL) {
    weft_message_free(runtime, WEFT_CONTAINER_OF(last, weft_message_t, node));
  }
}

// Out of line: its text would lie on the stack of every exit.
static __attribute__((noinline)) void log_reason(
    const weft_actor_entry_t* entry, weft_log_level_t level) {
  char reason[1024];
  weft_status_format(entry->reason, reason, sizeof(reason));
  weft_log_at(level, "actor", "%s#%u exited: %s", weft_entry_class(entry)->name,
              entry->index, reason);
}

static void note(const weft_context_t* context) {
  const weft_actor_entry_t* entry = context->entry;
  weft_status_code_t code = weft_status_code(entry->reason);
  weft_flight_record(context->trace, WEFT_FLIGHT_EXIT,
                     weft_entry_class(entry)->name, entry->index, code);
  weft_trace_count(context->trace, WEFT_COUNTER_actors_exited, 1);
  // All that are left exit as CLOSED when the runtime stops.
  bool is_error = code != WEFT_STATUS_OK && code != WEFT_STATUS_CLOSED;
  weft_log_level_t level = is_error ? WEFT_LOG_INFO : WEFT_LOG_DEBUG;
  if (weft_log_may_show(level)) {
    log_reason(entry, level);
  }
}

void weft_exit_finish(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  weft_actor_layer_t* layer = entry->layer;
  weft_cold_t* cold = detach(entry);
  if (entry->has_peers) {
    weft_remote_settle(context);
    weft_windows_end(weft_peers_of(layer->runtime), entry->index,
                     weft_entry_generation(entry));
  }
  if (cold != NULL) {
    weft_names_forget(layer, cold);
    weft_distant_forget(layer, cold);
    weft_watch_notify(entry, cold);
    weft_cold_free(layer->runtime, cold);
  }
  note(context);
  weft_own_thread_end(entry);
  clear(entry);
  // The layer may be gone after this.
  weft_roster_give_back(entry);
}
