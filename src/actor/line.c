// SPDX-License-Identifier: Apache-2.0

#include "actor/line.h"

#include <string.h>

#include "sys/slab.h"

// --- Lines by sender --------------------------------------------------------

static weft_line_t** bucket_of(const weft_held_t* held, uint64_t sender) {
  // The high half of a product with 2^64 / golden ratio: spreads thread
  // numbers and indices alike.
  uint64_t hash = sender * UINT64_C(0x9E3779B97F4A7C15);
  return &held->buckets[(uint32_t)(hash >> 32) & held->bucket_mask];
}

weft_line_t* weft_line_find(const weft_actor_entry_t* entry, uint64_t sender) {
  const weft_held_t* held = entry->held;
  weft_line_t* line = held != NULL ? *bucket_of(held, sender) : NULL;
  while (line != NULL && line->sender != sender) {
    line = line->next_in_bucket;
  }
  return line;
}

static void link_line(weft_held_t* held, weft_line_t* line) {
  weft_line_t** bucket = bucket_of(held, line->sender);
  line->next_in_bucket = *bucket;
  *bucket = line;
}

static void unlink_line(weft_held_t* held, weft_line_t* line) {
  weft_line_t** place = bucket_of(held, line->sender);
  while (*place != line) {
    place = &(*place)->next_in_bucket;
  }
  *place = line->next_in_bucket;
}

static size_t bucket_bytes(const weft_held_t* held) {
  return ((size_t)held->bucket_mask + 1) * sizeof(weft_line_t*);
}

// Doubles the buckets when lines are many. Without memory chains grow longer.
static void grow(weft_slab_t* slab, weft_held_t* held) {
  size_t old_bytes = bucket_bytes(held);
  weft_line_t** buckets = weft_slab_allocate(slab, 2 * old_bytes);
  if (buckets == NULL) {
    return;
  }
  memset(buckets, 0, 2 * old_bytes);
  weft_line_t** old = held->buckets;
  held->buckets = buckets;
  held->bucket_mask = held->bucket_mask * 2 + 1;
  for (weft_dlist_node_t* node = weft_dlist_first(&held->all); node != NULL;
       node = weft_dlist_next(&held->all, node)) {
    link_line(held, WEFT_CONTAINER_OF(node, weft_line_t, all));
  }
  if (old != held->inside) {
    weft_slab_free(slab, old, old_bytes);
  }
}

// --- Life -------------------------------------------------------------------

static weft_held_t* create_held(weft_actor_entry_t* entry) {
  weft_held_t* held =
      weft_slab_allocate(entry->layer->runtime->slab, sizeof(*held));
  if (held != NULL) {
    memset(held, 0, sizeof(*held));
    atomic_init(&held->arrived, NULL);
    weft_dlist_init(&held->all);
    weft_dlist_init(&held->ready);
    held->bucket_mask = WEFT_HELD_BUCKETS_INSIDE - 1;
    held->buckets = held->inside;
    entry->held = held;
  }
  return held;
}

void weft_held_free_if_empty(weft_actor_entry_t* entry) {
  weft_held_t* held = entry->held;
  weft_slab_t* slab = entry->layer->runtime->slab;
  if (held == NULL || held->count > 0) {
    return;
  }
  if (held->buckets != held->inside) {
    weft_slab_free(slab, held->buckets, bucket_bytes(held));
  }
  weft_slab_free(slab, held, sizeof(*held));
  entry->held = NULL;
}

weft_status_t weft_line_create(weft_actor_entry_t* entry, uint64_t sender,
                               weft_line_t** out_line) {
  weft_slab_t* slab = entry->layer->runtime->slab;
  weft_held_t* held = entry->held != NULL ? entry->held : create_held(entry);
  weft_line_t* line =
      held != NULL ? weft_slab_allocate(slab, sizeof(*line)) : NULL;
  *out_line = line;
  if (line == NULL) {
    weft_held_free_if_empty(entry);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to hold a message that waits");
  }
  memset(line, 0, sizeof(*line));
  line->entry = entry;
  line->sender = sender;
  atomic_init(&line->state, WEFT_LINE_BLOCKED);
  if (held->count > held->bucket_mask) {
    grow(slab, held);
  }
  weft_dlist_append(&held->all, &line->all);
  link_line(held, line);
  held->count++;
  return WEFT_OK;
}

void weft_line_free(weft_line_t* line) {
  weft_actor_entry_t* entry = line->entry;
  weft_dlist_remove(&line->all);
  if (!weft_dlist_node_is_free(&line->ready)) {
    weft_dlist_remove(&line->ready);
  }
  unlink_line(entry->held, line);
  entry->held->count--;
  weft_slab_free(entry->layer->runtime->slab, line, sizeof(*line));
}

// --- Messages ---------------------------------------------------------------

void weft_line_append(weft_line_t* line, weft_message_t* message) {
  message->next_held = NULL;
  if (line->first == NULL) {
    line->first = message;
  } else {
    line->last->next_held = message;
  }
  line->last = message;
}

weft_message_t* weft_line_take_first(weft_line_t* line) {
  weft_message_t* message = line->first;
  line->first = message->next_held;
  message->sender = line->sender;
  return message;
}
