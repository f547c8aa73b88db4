// SPDX-License-Identifier: Apache-2.0

#include "actor/context.h"
#include "actor/names.h"
#include "actor/own_thread.h"
#include "actor/registry.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/schedule.h"
#include "actor/timed.h"
#include "async/circle.h"
#include "base/memory.h"
#include "base/text_writer.h"
#include "trace/flight.h"

#include <stdio.h>

// --- Life -------------------------------------------------------------------

static void init_locks(weft_actor_layer_t* layer) {
  weft_mutex_init(&layer->watch_lock);
  weft_dlist_init(&layer->named);
  weft_dlist_init(&layer->unwatched);
  weft_mutex_init(&layer->timed_lock);
  weft_mutex_init(&layer->obituary_lock);
  weft_mutex_init(&layer->thread_lock);
  weft_mutex_init(&layer->known.lock);
  for (uint32_t i = 0; i < WEFT_STRIPE_COUNT; i++) {
    weft_mutex_init(&layer->stripes[i]);
  }
}

static void deinit_locks(weft_actor_layer_t* layer) {
  weft_mutex_deinit(&layer->watch_lock);
  weft_mutex_deinit(&layer->timed_lock);
  weft_mutex_deinit(&layer->thread_lock);
  for (uint32_t i = 0; i < WEFT_OBITUARY_COUNT; i++) {
    weft_status_release(layer->obituaries[i].reason);
  }
  weft_mutex_deinit(&layer->obituary_lock);
  weft_mutex_deinit(&layer->known.lock);
  for (uint32_t i = 0; i < WEFT_STRIPE_COUNT; i++) {
    weft_mutex_deinit(&layer->stripes[i]);
  }
}

static weft_status_t init(weft_actor_layer_t* layer,
                          const weft_actor_layer_options_t* options) {
  const weft_allocator_t* allocator = layer->runtime->allocator;
  weft_dlist_init(&layer->timed_replies);
  weft_dlist_init(&layer->schedules);
  atomic_init(&layer->is_stopping, false);
  layer->default_timeout_ns = options->default_timeout_ns;
  layer->executor = weft_runtime_executor(layer->runtime);
  init_locks(layer);
  WEFT_RETURN_IF_ERROR(weft_roster_init(layer));
  WEFT_RETURN_IF_ERROR(weft_registry_create(
      allocator, options->classes, options->class_count, &layer->classes));
  WEFT_RETURN_IF_ERROR(weft_names_create(layer));
  return weft_status_value_create(
      allocator,
      weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                       "an actor ended with an error, and there was no memory "
                       "to keep it"),
      &layer->lost_reason);
}

// Whoever looks at the flight recorder from outside is told what the events of
// this layer name.
static void name_class(weft_runtime_t* runtime,
                       const weft_class_t* actor_class) {
  weft_flight_name(runtime, actor_class->name);
  for (uint32_t i = 0; i < actor_class->endpoint_count; i++) {
    weft_flight_name(runtime, actor_class->endpoints[i].name);
  }
}

static void name_events(weft_runtime_t* runtime,
                        const weft_actor_layer_options_t* options) {
  weft_flight_name(runtime, weft_remote_event);
  name_class(runtime, &weft_system_class);
  for (size_t i = 0; i < options->class_count; i++) {
    name_class(runtime, options->classes[i]);
  }
}

weft_status_t weft_actor_layer_create(
    weft_runtime_t* runtime, const weft_actor_layer_options_t* options) {
  if (options->default_timeout_ns < 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the default timeout of calls is %lld ns: give a "
                            "length of time, or 0 for none",
                            (long long)options->default_timeout_ns);
  }
  weft_actor_layer_t* layer = weft_memory_allocate_zeroed(
      runtime->allocator, sizeof(weft_actor_layer_t));
  if (layer == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the layer of actors");
  }
  layer->runtime = runtime;
  runtime->slots[WEFT_SLOT_ACTOR] = layer;
  weft_status_t status = init(layer, options);
  if (status == WEFT_OK) {
    name_events(runtime, options);
  } else {
    weft_actor_layer_destroy(runtime);
  }
  return status;
}

void weft_actor_layer_destroy(weft_runtime_t* runtime) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  if (layer == NULL) {
    return;
  }
  weft_own_thread_join_ended(layer);
  weft_value_release(layer->lost_reason);
  // Relaxed: no other thread uses the layer any more.
  weft_status_release(
      atomic_load_explicit(&layer->stop_reason, memory_order_relaxed));
  weft_distant_stop(layer);
  weft_names_destroy(layer);
  weft_registry_destroy(layer->classes);
  weft_roster_deinit(layer);
  deinit_locks(layer);
  weft_memory_free(runtime->allocator, layer, sizeof(*layer));
  runtime->slots[WEFT_SLOT_ACTOR] = NULL;
}

// --- Stopping ---------------------------------------------------------------

// As many actors are named in the report.
#define NAMED_LIMIT 8

// What an activity waits for, in words; nothing if it does not wait. The graph
// lock is held.
static void add_wait(weft_text_writer_t* report,
                     const weft_activity_t* activity) {
  char text[2 * WEFT_CIRCLE_PART_BYTES];
  if (activity->waiting_for == NULL) {
    return;
  }
  weft_circle_describe(activity->waiting_for, text, sizeof(text));
  weft_text_append(report, "%s%s", text[0] != '\0' ? ", waits for a " : "",
                   text);
}

static void add_actor(weft_text_writer_t* report,
                      const weft_actor_entry_t* entry) {
  char name[128] = "";
  weft_entry_format(entry, name, sizeof(name));
  const char* running = weft_entry_running(entry);
  weft_text_append(report, "%s%s", report->length == 0 ? ": " : "; ", name);
  if (running != NULL) {
    weft_text_append(report, " runs %s", running);
  }
  add_wait(report, &entry->activity);
}

// Names the actors that are left.
static weft_status_t report_left(weft_actor_layer_t* layer,
                                 weft_status_t cause) {
  char text[2048];
  weft_text_writer_t report = weft_text_writer_make(text, sizeof(text));
  uint32_t count = 0;
  uint32_t size = weft_roster_size(layer);
  weft_mutex_t* graph = weft_async_graph_lock(layer->runtime);
  weft_mutex_lock(graph);
  for (uint32_t i = 0; i < size; i++) {
    const weft_actor_entry_t* entry = weft_roster_at(&layer->roster, i);
    if (!weft_mailbox_is_dead(&entry->in)) {
      count++;
      if (count <= NAMED_LIMIT) {
        add_actor(&report, entry);
      }
    }
  }
  weft_mutex_unlock(graph);
  return weft_status_make_caused(weft_status_code(cause), cause,
                                 "%u actor%s did not stop in time%s%s", count,
                                 count == 1 ? "" : "s", text,
                                 count > NAMED_LIMIT ? "; and more" : "");
}

void weft_actor_layer_begin_stop(weft_runtime_t* runtime,
                                 weft_status_t reason) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  weft_status_t none = WEFT_OK;
  // Release: pairs with the acquire in `weft_actor_closed`. Relaxed: what is
  // there already stays.
  if (!atomic_compare_exchange_strong_explicit(&layer->stop_reason, &none,
                                               reason, memory_order_release,
                                               memory_order_relaxed)) {
    weft_status_release(reason);
  }
  weft_roster_stop(layer);
  weft_schedules_stop(layer);
  weft_names_close(layer);
}

weft_status_t weft_actor_layer_open(weft_runtime_t* runtime) {
  return weft_system_create(runtime);
}

weft_status_t weft_actor_layer_stop(weft_runtime_t* runtime,
                                    int64_t deadline_ns) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  if (layer == NULL) {
    return WEFT_OK;
  }
  const weft_context_t* context = weft_context_current;
  if (context != NULL && context->entry->layer == layer) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "a handler cannot stop its own runtime: it would "
                            "wait for itself");
  }
  weft_actor_layer_begin_stop(runtime, WEFT_OK);
  weft_status_t status = weft_roster_await_empty(layer, deadline_ns);
  if (status != WEFT_OK) {
    return report_left(layer, status);
  }
  weft_own_thread_join_ended(layer);
  weft_timed_stop_all(layer);
  return WEFT_OK;
}
