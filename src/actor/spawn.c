// SPDX-License-Identifier: Apache-2.0
//
// The beginning of an actor. Everything that can fail comes first; then an
// entry is taken, filled and opened. The first turn runs init, before it
// looks into the mailbox.

#include "actor/spawn.h"

#include "actor/call.h"
#include "actor/context.h"
#include "actor/own_thread.h"
#include "actor/registry.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/turn.h"

static weft_status_t check(const weft_actor_layer_t* layer,
                           const weft_class_t* actor_class,
                           const weft_spawn_options_t* options) {
  if (actor_class == NULL || !weft_registry_has(layer->classes, actor_class)) {
    return weft_status_make(
        WEFT_STATUS_NOT_FOUND,
        "class %s is not among those that the runtime was created with",
        actor_class != NULL ? actor_class->name : "(null)");
  }
  if (options->mailbox_bound > WEFT_MAILBOX_BOUND_LIMIT) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a mailbox holds at most %u messages; %u were "
                            "asked for",
                            WEFT_MAILBOX_BOUND_LIMIT, options->mailbox_bound);
  }
  return WEFT_OK;
}

// The message that makes the state; NULL for a class that has no init.
static weft_status_t make_init(const weft_actor_layer_t* layer,
                               const weft_class_t* actor_class,
                               weft_value_t init,
                               weft_message_t** out_message) {
  *out_message = NULL;
  if (actor_class->init == NULL) {
    return WEFT_OK;
  }
  weft_message_t* message = weft_message_allocate(layer->runtime, 1);
  if (message == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the init of %s", actor_class->name);
  }
  message->arguments[0] = weft_value_retain(init);
  message->sender = weft_sender_self(layer);
  message->flags = WEFT_MESSAGE_INIT;
  if (weft_value_kind(init) == WEFT_KIND_FUTURE) {
    message->flags |= WEFT_MESSAGE_FUTURES;
  }
  *out_message = message;
  return WEFT_OK;
}

// A fresh entry becomes an actor, whose consumer the caller is.
static void fill(weft_actor_entry_t* entry, const weft_class_t* actor_class,
                 weft_message_t* init, weft_own_thread_t* thread) {
  weft_executor_t* executor = thread != NULL ? weft_own_thread_executor(thread)
                                             : entry->layer->executor;
  // Relaxed, all: opening the mailbox publishes them, and the class also the
  // generation below.
  atomic_store_explicit(&entry->executor, executor, memory_order_relaxed);
  atomic_store_explicit(&entry->actor_class, actor_class, memory_order_relaxed);
  uint32_t generation =
      atomic_load_explicit(&entry->generation, memory_order_relaxed) + 1;
  generation = generation == 0 ? 1 : generation;
  // Release: pairs with the acquire in `weft_entry_generation`.
  atomic_store_explicit(&entry->generation, generation, memory_order_release);
  entry->has_own_thread = thread != NULL;
  entry->state = NULL;
  entry->init = init;
  // Without an init there is no state to make, nor to free.
  entry->is_initialized = init == NULL;
  if (init != NULL) {
    init->generation = generation;
  }
}

static void note(const weft_actor_entry_t* entry) {
  weft_trace_thread_t* trace = weft_trace_self(entry->layer->runtime);
  const weft_context_t* context = weft_context_current;
  weft_trace_count(trace, WEFT_COUNTER_actors_spawned, 1);
  weft_flight_record(trace, WEFT_FLIGHT_SPAWN, weft_entry_class(entry)->name,
                     entry->index,
                     context != NULL ? context->entry->index : UINT32_MAX);
  weft_log_debug("actor", "%s#%u spawned", weft_entry_class(entry)->name,
                 entry->index);
}

weft_status_t weft_spawn_here(weft_runtime_t* runtime,
                              const weft_class_t* actor_class,
                              weft_value_t init,
                              const weft_spawn_options_t* options,
                              weft_actor_t* out_actor) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  weft_message_t* message = NULL;
  *out_actor = (weft_actor_t){0};
  WEFT_RETURN_IF_ERROR(make_init(layer, actor_class, init, &message));
  weft_own_thread_t* thread = NULL;
  weft_status_t status = WEFT_OK;
  if (options->own_thread && !weft_async_is_simulated(runtime)) {
    status = weft_own_thread_start(layer, actor_class, &thread);
  }
  weft_actor_entry_t* entry = NULL;
  if (status == WEFT_OK) {
    status = weft_roster_take(layer, &entry);
  }
  if (status != WEFT_OK) {
    weft_own_thread_cancel(layer, thread);
    weft_message_discard(runtime, message);
    return status;
  }
  fill(entry, actor_class, message, thread);
  if (message != NULL) {
    weft_message_start_arguments(message);
  }
  *out_actor = weft_entry_handle(entry);
  note(entry);
  uint32_t bound = options->mailbox_bound;
  weft_mailbox_open(&entry->in, &entry->out,
                    bound != 0 ? bound : WEFT_MAILBOX_BOUND_DEFAULT);
  if (message != NULL) {
    weft_entry_post(entry);
  } else {
    weft_turn_leave(entry);
  }
  return WEFT_OK;
}

// --- In another runtime -----------------------------------------------------

// Asks the runtime of another rank, and waits for the handle.
static weft_status_t spawn_there(weft_runtime_t* runtime,
                                 const weft_class_t* actor_class,
                                 weft_value_t init,
                                 const weft_spawn_options_t* options,
                                 weft_actor_t* out_actor) {
  weft_value_t name = weft_none();
  weft_value_t list = weft_none();
  weft_value_t handle = weft_none();
  if (options->place >= WEFT_RANK_LIMIT) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "there is no rank %u to spawn %s on",
                            options->place, actor_class->name);
  }
  weft_status_t status =
      weft_string_from_c(runtime->allocator, actor_class->name, &name);
  if (status == WEFT_OK) {
    status = weft_list_create(runtime->allocator, &init, 1, &list);
  }
  if (status == WEFT_OK) {
    status =
        weft_system_ask(runtime, (uint16_t)options->place, WEFT_SYSTEM_SPAWN,
                        WEFT_ARGUMENTS(name, weft_int64(actor_class->version),
                                       weft_int64(options->mailbox_bound),
                                       weft_bool(options->own_thread), list),
                        &handle);
  }
  if (status == WEFT_OK) {
    status = weft_value_as_actor(handle, out_actor);
  }
  if (status == WEFT_OK) {
    weft_known_add(&weft_actor_layer_of(runtime)->known, *out_actor,
                   actor_class);
  }
  weft_value_release(name);
  weft_value_release(list);
  weft_value_release(handle);
  return status;
}

weft_status_t weft_spawn(weft_runtime_t* runtime,
                         const weft_class_t* actor_class, weft_value_t init,
                         const weft_spawn_options_t* options,
                         weft_actor_t* out_actor) {
  static const weft_spawn_options_t defaults = {.place = WEFT_PLACE_HERE};
  *out_actor = (weft_actor_t){0};
  options = options != NULL ? options : &defaults;
  WEFT_RETURN_IF_ERROR(
      check(weft_actor_layer_of(runtime), actor_class, options));
  return options->place == runtime->rank || options->place == WEFT_PLACE_HERE
             ? weft_spawn_here(runtime, actor_class, init, options, out_actor)
             : spawn_there(runtime, actor_class, init, options, out_actor);
}
