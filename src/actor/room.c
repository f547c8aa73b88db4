// SPDX-License-Identifier: Apache-2.0

#include "actor/room.h"

#include "actor/cold.h"

// A thread that waits, on its stack. Guarded by the stripe.
typedef struct room_waiter {
  weft_dlist_node_t node;
  weft_parker_t parker;
} room_waiter_t;

// Registers a waiter. False when there is room now, or the actor has ended.
static bool join(weft_actor_entry_t* entry, uint32_t generation,
                 weft_cold_t** spare, room_waiter_t* waiter) {
  weft_cold_t* cold = weft_cold_lock(entry, generation, spare);
  if (cold == NULL) {
    return false;
  }
  // Relaxed: the touch below orders it.
  atomic_fetch_or_explicit(&entry->attention, WEFT_ATTENTION_ROOM,
                           memory_order_relaxed);
  // If the actor goes idle later it sees the bit, and looks again whether
  // there is room; if it did before, this sees what it had finished.
  weft_mailbox_touch(&entry->in);
  bool is_full = weft_mailbox_is_full(&entry->in);
  if (is_full) {
    weft_dlist_append(&cold->room_waiters, &waiter->node);
  }
  weft_cold_unlock(entry);
  return is_full;
}

weft_status_t weft_room_wait(weft_actor_entry_t* entry, uint32_t generation,
                             int64_t deadline_ns) {
  weft_runtime_t* runtime = entry->layer->runtime;
  weft_cold_t* spare = NULL;
  WEFT_RETURN_IF_ERROR(weft_cold_create(runtime, &spare));
  room_waiter_t waiter = {.node = {NULL, NULL}};
  weft_parker_init(&waiter.parker, runtime);
  bool has_joined = join(entry, generation, &spare, &waiter);
  weft_cold_free(runtime, spare);
  if (!has_joined) {
    return WEFT_OK;
  }
  weft_status_t status = weft_park_for_work(&waiter.parker, deadline_ns);
  // Whoever wakes does so inside the lock, and takes the node off: afterwards
  // nobody knows this thread's stack any more.
  weft_mutex_t* stripe = weft_entry_stripe(entry);
  weft_mutex_lock(stripe);
  if (!weft_dlist_node_is_free(&waiter.node)) {
    weft_dlist_remove(&waiter.node);
  }
  weft_mutex_unlock(stripe);
  return status;
}

void weft_room_wake_locked(weft_cold_t* cold) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&cold->room_waiters)) != NULL) {
    room_waiter_t* waiter = WEFT_CONTAINER_OF(node, room_waiter_t, node);
    weft_unpark(&waiter->parker);
  }
}

void weft_room_wake(weft_actor_entry_t* entry) {
  if (weft_mailbox_is_full(&entry->in)) {
    return;
  }
  weft_mutex_t* stripe = weft_entry_stripe(entry);
  weft_mutex_lock(stripe);
  // Relaxed: the lock orders it; who comes later sets the bit again.
  atomic_fetch_and_explicit(&entry->attention, ~WEFT_ATTENTION_ROOM,
                            memory_order_relaxed);
  if (entry->cold != NULL) {
    weft_room_wake_locked(entry->cold);
  }
  weft_mutex_unlock(stripe);
}
