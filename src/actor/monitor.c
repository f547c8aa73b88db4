// SPDX-License-Identifier: Apache-2.0
//
// Watching: an actor is sent a message when another one ends.

#include "actor/call.h"
#include "actor/context.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/watch.h"
#include "sys/slab.h"

// One actor watches another. In lists of both; guarded by the watch lock.
typedef struct monitor {
  // In the target's `watchers`, and in the watcher's `watching`.
  weft_dlist_node_t of_target;
  weft_dlist_node_t of_watcher;
  weft_actor_t target;
  weft_actor_t watcher;
  // What the watcher will be sent; two arguments.
  weft_message_t* notice;
} monitor_t;

static monitor_t* create_monitor(weft_actor_layer_t* layer, weft_actor_t target,
                                 weft_actor_t watcher, uint32_t endpoint) {
  weft_runtime_t* runtime = layer->runtime;
  monitor_t* monitor = weft_slab_allocate(runtime->slab, sizeof(*monitor));
  weft_message_t* notice =
      monitor != NULL ? weft_message_allocate(runtime, 2) : NULL;
  if (notice == NULL) {
    if (monitor != NULL) {
      weft_slab_free(runtime->slab, monitor, sizeof(*monitor));
    }
    return NULL;
  }
  *monitor = (monitor_t){
      .target = target,
      .watcher = watcher,
      .notice = notice,
  };
  notice->endpoint = (uint16_t)endpoint;
  notice->generation = watcher.generation;
  notice->sender = weft_sender_of(target);
  notice->arguments[0] = weft_actor_value(target);
  return monitor;
}

static void free_monitor(weft_runtime_t* runtime, monitor_t* monitor) {
  if (monitor != NULL) {
    weft_message_discard(runtime, monitor->notice);
    weft_slab_free(runtime->slab, monitor, sizeof(*monitor));
  }
}

// Sends the notice and frees the record, which is in no list. Owns: takes
// `reason` over.
static void send_notice(weft_actor_layer_t* layer, monitor_t* monitor,
                        weft_value_t reason) {
  weft_message_t* notice = monitor->notice;
  weft_actor_entry_t* entry = weft_roster_find(layer, monitor->watcher);
  notice->arguments[1] = reason;
  if (entry != NULL &&
      weft_entry_put(entry, notice, true) <= WEFT_MAILBOX_PUSHED_FIRST) {
    weft_count(layer->runtime, WEFT_COUNTER_messages_sent, 1);
    monitor->notice = NULL;
  }
  free_monitor(layer->runtime, monitor);
}

weft_value_t weft_watch_reason(weft_actor_layer_t* layer,
                               weft_status_t reason) {
  weft_value_t value = weft_none();
  if (reason == WEFT_OK) {
    return value;
  }
  weft_status_t status = weft_status_value_create(
      layer->runtime->allocator, weft_status_retain(reason), &value);
  if (status != WEFT_OK) {
    weft_status_release(status);
    value = weft_value_retain(layer->lost_reason);
  }
  return value;
}

// Looks for the record of one actor that watches another, from both ends at
// once: one actor may watch many, or be watched by many. The lock is held.
static monitor_t* find_monitor(const weft_cold_t* own, weft_actor_t self,
                               const weft_cold_t* other, weft_actor_t target) {
  weft_dlist_node_t* a = weft_dlist_first(&own->watching);
  weft_dlist_node_t* b = weft_dlist_first(&other->watchers);
  while (a != NULL && b != NULL) {
    monitor_t* mine = WEFT_CONTAINER_OF(a, monitor_t, of_watcher);
    monitor_t* its = WEFT_CONTAINER_OF(b, monitor_t, of_target);
    if (weft_actor_equal(mine->target, target)) {
      return mine;
    }
    if (weft_actor_equal(its->watcher, self)) {
      return its;
    }
    a = weft_dlist_next(&own->watching, a);
    b = weft_dlist_next(&other->watchers, b);
  }
  return NULL;
}

// The endpoint takes an actor and a status, or none in place of it.
static weft_status_t check_monitor(const weft_class_t* actor_class,
                                   uint32_t endpoint) {
  bool fits = false;
  if (endpoint < actor_class->endpoint_count &&
      actor_class->endpoints[endpoint].parameter_count == 2) {
    const weft_parameter_t* parameters =
        actor_class->endpoints[endpoint].parameters;
    fits = (parameters[0].kind == WEFT_KIND_ACTOR ||
            parameters[0].kind == WEFT_KIND_ANY) &&
           (parameters[1].kind == WEFT_KIND_STATUS ||
            parameters[1].kind == WEFT_KIND_ANY);
  }
  if (fits) {
    return WEFT_OK;
  }
  return weft_status_make(
      WEFT_STATUS_INVALID_ARGUMENT,
      "endpoint %s of %s cannot be told of an end: it must take an actor and "
      "a reason",
      endpoint < actor_class->endpoint_count
          ? actor_class->endpoints[endpoint].name
          : "(none)",
      actor_class->name);
}

// What became of a monitor that was to be added.
typedef enum added {
  ADDED,
  // There is one for these two, which has the new endpoint now.
  KNOWN,
  // The target has ended.
  TOO_LATE
} added_t;

static added_t add_monitor(weft_actor_layer_t* layer, monitor_t* monitor,
                           weft_spares_t* spares) {
  added_t added = TOO_LATE;
  weft_mutex_lock(&layer->watch_lock);
  weft_cold_t* own = weft_watch_find(layer, monitor->watcher, &spares->own);
  weft_cold_t* other = weft_watch_find(layer, monitor->target, &spares->other);
  if (own != NULL && other != NULL) {
    monitor_t* known =
        find_monitor(own, monitor->watcher, other, monitor->target);
    added = known != NULL ? KNOWN : ADDED;
    if (known != NULL) {
      known->notice->endpoint = monitor->notice->endpoint;
    } else {
      weft_dlist_append(&other->watchers, &monitor->of_target);
      weft_dlist_append(&own->watching, &monitor->of_watcher);
    }
  }
  weft_mutex_unlock(&layer->watch_lock);
  return added;
}

weft_status_t weft_context_monitor(weft_context_t* context, weft_actor_t actor,
                                   uint32_t endpoint) {
  weft_actor_entry_t* entry = context->entry;
  weft_actor_layer_t* layer = entry->layer;
  WEFT_RETURN_IF_ERROR(check_monitor(weft_entry_class(entry), endpoint));
  if (weft_actor_is_remote(layer->runtime, actor)) {
    return weft_distant_watch(layer, WEFT_DISTANT_MONITOR,
                              weft_entry_handle(entry), actor, endpoint);
  }
  weft_spares_t spares;
  WEFT_RETURN_IF_ERROR(weft_spares_create(layer->runtime, &spares));
  monitor_t* monitor =
      create_monitor(layer, actor, weft_entry_handle(entry), endpoint);
  if (monitor == NULL) {
    weft_spares_free(layer->runtime, &spares);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to watch an actor");
  }
  added_t added = add_monitor(layer, monitor, &spares);
  weft_spares_free(layer->runtime, &spares);
  if (added == KNOWN) {
    free_monitor(layer->runtime, monitor);
  } else if (added == TOO_LATE) {
    weft_status_t reason = weft_actor_not_found(layer, actor);
    send_notice(layer, monitor, weft_watch_reason(layer, reason));
    weft_status_release(reason);
  }
  return WEFT_OK;
}

void weft_context_unmonitor(weft_context_t* context, weft_actor_t actor) {
  weft_actor_entry_t* entry = context->entry;
  weft_actor_layer_t* layer = entry->layer;
  weft_actor_t self = weft_entry_handle(entry);
  if (weft_actor_is_remote(layer->runtime, actor)) {
    weft_distant_unwatch(layer, WEFT_DISTANT_MONITOR, self, actor);
    return;
  }
  weft_mutex_lock(&layer->watch_lock);
  weft_cold_t* own = weft_watch_find(layer, self, NULL);
  weft_cold_t* other = weft_watch_find(layer, actor, NULL);
  monitor_t* monitor = own != NULL && other != NULL
                           ? find_monitor(own, self, other, actor)
                           : NULL;
  if (monitor != NULL) {
    weft_dlist_remove(&monitor->of_target);
    weft_dlist_remove(&monitor->of_watcher);
  }
  weft_mutex_unlock(&layer->watch_lock);
  free_monitor(layer->runtime, monitor);
}

// --- When an actor ends -----------------------------------------------------

void weft_monitors_unlink(weft_cold_t* cold) {
  for (weft_dlist_node_t* node = weft_dlist_first(&cold->watchers);
       node != NULL; node = weft_dlist_next(&cold->watchers, node)) {
    monitor_t* monitor = WEFT_CONTAINER_OF(node, monitor_t, of_target);
    weft_dlist_remove(&monitor->of_watcher);
  }
  for (weft_dlist_node_t* node = weft_dlist_first(&cold->watching);
       node != NULL; node = weft_dlist_next(&cold->watching, node)) {
    monitor_t* monitor = WEFT_CONTAINER_OF(node, monitor_t, of_watcher);
    weft_dlist_remove(&monitor->of_target);
  }
}

void weft_monitors_notify(weft_actor_layer_t* layer, weft_cold_t* cold,
                          weft_status_t reason) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&cold->watching)) != NULL) {
    free_monitor(layer->runtime,
                 WEFT_CONTAINER_OF(node, monitor_t, of_watcher));
  }
  if (weft_dlist_is_empty(&cold->watchers)) {
    return;
  }
  weft_value_t value = weft_watch_reason(layer, reason);
  while ((node = weft_dlist_take_first(&cold->watchers)) != NULL) {
    send_notice(layer, WEFT_CONTAINER_OF(node, monitor_t, of_target),
                weft_value_retain(value));
  }
  weft_value_release(value);
}
