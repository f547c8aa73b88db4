// SPDX-License-Identifier: Apache-2.0
//
// What a runtime has and does, as a value, for whoever asks from outside.

#include <stdio.h>

#include "actor/context.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/spawn.h"
#include "async/circle.h"
#include "base/memory.h"
#include "memory/memory.h"
#include "peer/peer.h"
#include "trace/trace.h"

// Actors that a report names, at most; all are counted.
#define ACTOR_LIMIT 1000

// --- Maps -------------------------------------------------------------------

// A map that is being made. The first error stays, and ends it.
typedef struct draft {
  const weft_allocator_t* allocator;
  weft_status_t status;
  weft_map_entry_t entries[16];
  size_t count;
} draft_t;

// Owns: takes `value` over.
static void put(draft_t* draft, const char* key, weft_value_t value) {
  weft_map_entry_t* entry = &draft->entries[draft->count];
  if (draft->status == WEFT_OK) {
    draft->status = weft_string_from_c(draft->allocator, key, &entry->key);
  }
  if (draft->status != WEFT_OK) {
    weft_value_release(value);
    return;
  }
  entry->value = value;
  draft->count++;
}

static void put_text(draft_t* draft, const char* key, const char* text) {
  weft_value_t value = weft_none();
  if (draft->status == WEFT_OK) {
    draft->status = weft_string_from_c(draft->allocator, text, &value);
  }
  put(draft, key, value);
}

// Gives the map, or the error; nothing is left of the draft.
static weft_status_t finish(draft_t* draft, weft_value_t* out_map) {
  weft_status_t status = draft->status;
  *out_map = weft_none();
  if (status == WEFT_OK) {
    status = weft_map_create(draft->allocator, draft->entries, draft->count,
                             out_map);
  }
  for (size_t i = 0; i < draft->count; i++) {
    weft_value_release(draft->entries[i].key);
    weft_value_release(draft->entries[i].value);
  }
  return status;
}

// --- Actors -----------------------------------------------------------------

// What an actor waits for, in words; empty when it does not wait. Gives for how
// long it has, in seconds.
static double describe_wait(const weft_actor_entry_t* entry, char* text,
                            size_t capacity) {
  const weft_activity_t* activity = &entry->activity;
  weft_runtime_t* runtime = entry->layer->runtime;
  weft_mutex_t* graph = weft_async_graph_lock(runtime);
  text[0] = '\0';
  weft_mutex_lock(graph);
  if (activity->waiting_for != NULL) {
    weft_circle_describe(activity->waiting_for, text, capacity);
  }
  weft_mutex_unlock(graph);
  // Relaxed: 0 when it has not gone to sleep yet, or has woken by now.
  int64_t since_ns =
      atomic_load_explicit(&activity->asleep_since_ns, memory_order_relaxed);
  int64_t now_ns = weft_runtime_now_ns(runtime);
  if (since_ns == 0 || since_ns > now_ns) {
    return 0;
  }
  if (text[0] == '\0') {
    // What a message is written to is full, or a link is being made.
    snprintf(text, capacity, "room for a message");
  }
  return (double)(now_ns - since_ns) / 1e9;
}

// Messages in the mailbox that are not finished, wherever they came from.
static uint32_t depth_of(const weft_actor_entry_t* entry) {
  // Relaxed, both: for reports; one may be newer than the other.
  uint32_t finished =
      atomic_load_explicit(&entry->peers_finished, memory_order_relaxed);
  uint32_t put = atomic_load_explicit(&entry->peers_put, memory_order_relaxed);
  int32_t of_peers = (int32_t)(put - finished);
  return weft_mailbox_depth(&entry->in) +
         (of_peers > 0 ? (uint32_t)of_peers : 0);
}

static weft_status_t make_actor(const weft_allocator_t* allocator,
                                const weft_actor_entry_t* entry,
                                weft_value_t* out_actor) {
  draft_t draft = {.allocator = allocator};
  char wait[256];
  const char* running = weft_entry_running(entry);
  const weft_class_t* actor_class = weft_entry_class(entry);
  double wait_s = describe_wait(entry, wait, sizeof(wait));
  put(&draft, "actor", weft_actor_value(weft_entry_handle(entry)));
  put_text(&draft, "class", actor_class != NULL ? actor_class->name : "");
  put(&draft, "depth", weft_int64(depth_of(entry)));
  put_text(&draft, "runs", running != NULL ? running : "");
  put_text(&draft, "waits_for", wait);
  put(&draft, "waits_s", weft_float64(wait_s));
  return finish(&draft, out_actor);
}

// The actors that live, up to the limit, and how many there are. The one that
// answers is nobody's.
static weft_status_t make_actors(weft_actor_layer_t* layer,
                                 weft_value_t* out_list, uint32_t* out_count) {
  const weft_allocator_t* allocator = layer->runtime->allocator;
  uint32_t size = weft_roster_size(layer);
  uint32_t listed = 0;
  weft_status_t status = WEFT_OK;
  weft_value_t* actors =
      weft_memory_allocate(allocator, ACTOR_LIMIT * sizeof(*actors));
  *out_list = weft_none();
  *out_count = 0;
  if (actors == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a list of actors");
  }
  for (uint32_t i = 0; i < size && status == WEFT_OK; i++) {
    const weft_actor_entry_t* entry = weft_roster_at(&layer->roster, i);
    if (weft_mailbox_is_dead(&entry->in) ||
        weft_actor_is_system(weft_entry_handle(entry))) {
      continue;
    }
    ++*out_count;
    if (listed < ACTOR_LIMIT) {
      status = make_actor(allocator, entry, &actors[listed]);
      listed += status == WEFT_OK ? 1 : 0;
    }
  }
  if (status == WEFT_OK) {
    status = weft_list_create(allocator, actors, listed, out_list);
  }
  for (uint32_t i = 0; i < listed; i++) {
    weft_value_release(actors[i]);
  }
  weft_memory_free(allocator, actors, ACTOR_LIMIT * sizeof(*actors));
  return status;
}

// --- The runtime ------------------------------------------------------------

static void put_counters(draft_t* draft, weft_runtime_t* runtime) {
  weft_counters_t counters;
  weft_runtime_counters(runtime, &counters);
  put(draft, "messages_handled",
      weft_int64((int64_t)counters.messages_handled));
  put(draft, "messages_sent", weft_int64((int64_t)counters.messages_sent));
  put(draft, "bytes_passed", weft_int64((int64_t)counters.bytes_passed));
  put(draft, "bytes_lent", weft_int64((int64_t)counters.bytes_lent));
  put(draft, "bytes_copied", weft_int64((int64_t)counters.bytes_copied));
}

static void put_arena(draft_t* draft, weft_runtime_t* runtime) {
  weft_arena_figures_t figures;
  weft_arena_figures(weft_memory_arena(runtime), &figures);
  put(draft, "arena_bytes", weft_int64((int64_t)figures.reserved_bytes));
  put(draft, "arena_used_bytes", weft_int64((int64_t)figures.used_bytes));
  put(draft, "arena_lent_bytes", weft_int64((int64_t)figures.lent_bytes));
}

weft_status_t weft_report_make(weft_runtime_t* runtime,
                               weft_value_t* out_report) {
  draft_t draft = {.allocator = runtime->allocator};
  weft_value_t actors;
  uint32_t count;
  *out_report = weft_none();
  WEFT_RETURN_IF_ERROR(
      make_actors(weft_actor_layer_of(runtime), &actors, &count));
  put_text(&draft, "name", runtime->name);
  put(&draft, "rank", weft_int64(runtime->rank));
  put(&draft, "rank_limit", weft_int64(weft_peers_rank_limit(runtime)));
  put(&draft, "process", weft_int64(weft_sys_process_id()));
  put(&draft, "actor_count", weft_int64(count));
  put(&draft, "actors", actors);
  put_counters(&draft, runtime);
  put_arena(&draft, runtime);
  return finish(&draft, out_report);
}

weft_status_t weft_runtime_report(weft_runtime_t* runtime, uint32_t rank,
                                  weft_future_t** out_report) {
  *out_report = NULL;
  if (rank != weft_runtime_rank(runtime)) {
    return weft_call(runtime, weft_system_actor((uint16_t)rank, 0),
                     WEFT_SYSTEM_REPORT, NULL, NULL, out_report);
  }
  weft_value_t report;
  WEFT_RETURN_IF_ERROR(weft_report_make(runtime, &report));
  return weft_future_from_value(runtime, report, out_report);
}
