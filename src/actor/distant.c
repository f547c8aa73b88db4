// SPDX-License-Identifier: Apache-2.0
//
// Ends of actors of other runtimes. Watching one is a call to the system actor
// of its runtime that is answered when the actor ends; so the death of that
// process is an end as well, with its own reason.

#include "actor/call.h"
#include "actor/cold.h"
#include "actor/context.h"
#include "actor/names.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/watch.h"
#include "async/future_internal.h"
#include "trace/trace.h"

// Nobody tells when there is memory again, here or there.
#define RETRY_NS INT64_C(10000000)

// One actor of a peer that is watched. It is freed when the call ends.
typedef struct distant {
  // In the watcher's `distants`, or `named` of the layer; and in `unwatched`.
  // Guarded by the watch lock.
  weft_dlist_node_t node;
  weft_dlist_node_t of_room;
  weft_actor_layer_t* layer;
  weft_distant_kind_t kind;
  weft_actor_t watcher;
  weft_actor_t target;
  // Nobody wants to know any more. Guarded by the watch lock.
  bool is_dropped;
  weft_future_t* exited;
  weft_waiter_t on_exit;
  // Why watching failed; that of the actor's end if it has ended by then.
  weft_status_t failure;
  // Of a monitor: what the watcher will be sent.
  weft_message_t* notice;
} distant_t;

static void free_distant(distant_t* distant) {
  weft_runtime_t* runtime = distant->layer->runtime;
  weft_message_discard(runtime, distant->notice);
  weft_future_release(distant->exited);
  weft_status_release(distant->failure);
  weft_slab_free(runtime->slab, distant, sizeof(*distant));
}

// --- The end ----------------------------------------------------------------

// Takes it off the watcher's list; false when nobody wants to know.
static bool unlist(distant_t* distant) {
  weft_mutex_t* lock = &distant->layer->watch_lock;
  weft_mutex_lock(lock);
  bool is_wanted = !distant->is_dropped;
  if (is_wanted && !weft_dlist_node_is_free(&distant->node)) {
    weft_dlist_remove(&distant->node);
  }
  weft_mutex_unlock(lock);
  return is_wanted;
}

static void send_notice(distant_t* distant, weft_status_t reason) {
  weft_actor_layer_t* layer = distant->layer;
  weft_message_t* notice = distant->notice;
  weft_actor_entry_t* entry = weft_roster_find(layer, distant->watcher);
  notice->arguments[1] = weft_watch_reason(layer, reason);
  if (entry != NULL &&
      weft_entry_put(entry, notice, true) <= WEFT_MAILBOX_PUSHED_FIRST) {
    weft_count(layer->runtime, WEFT_COUNTER_messages_sent, 1);
    distant->notice = NULL;
  }
}

// Tells the watcher. `reason` is lent; WEFT_OK is an orderly end.
static void tell(distant_t* distant, weft_status_t reason) {
  switch (distant->kind) {
    case WEFT_DISTANT_MONITOR:
      send_notice(distant, reason);
      break;
    case WEFT_DISTANT_LINK:
      if (reason != WEFT_OK) {
        weft_cold_force_stop(
            distant->layer, distant->watcher,
            weft_status_make_caused(
                WEFT_STATUS_ACTOR_EXITED, weft_status_retain(reason),
                "linked actor #%u of rank %u ended", distant->target.index,
                distant->target.rank));
      }
      break;
    case WEFT_DISTANT_NAME:
      weft_names_forget_remote(distant->layer, distant->target);
      break;
  }
}

// `reason` is lent.
static void end(distant_t* distant, weft_status_t reason) {
  // It is asked again after a failure that may have been its end as well.
  bool was_end = distant->failure != WEFT_OK &&
                 weft_status_code(reason) == WEFT_STATUS_NOT_FOUND;
  if (unlist(distant)) {
    tell(distant, was_end ? distant->failure : reason);
  }
  free_distant(distant);
}

// Whether watching failed and not what is watched, for all that is known: for
// lack of room, or of memory here or there. Then it is asked again; an actor
// that ended with such a status is not found.
static bool is_open(const distant_t* distant, weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  weft_peer_t* peer;
  if (code != WEFT_STATUS_RESOURCE_EXHAUSTED) {
    return code == WEFT_STATUS_WOULD_BLOCK;
  }
  // The peer may be dead, for that reason.
  return weft_status_ignore(weft_peers_find(
             distant->layer->runtime, distant->target.rank,
             distant->target.incarnation, &peer)) == WEFT_STATUS_OK;
}

static void put_off_after(distant_t* distant, weft_status_t failure);

static void exit_came(weft_waiter_t* waiter, weft_future_t* future) {
  distant_t* distant = WEFT_CONTAINER_OF(waiter, distant_t, on_exit);
  weft_value_t nothing;
  weft_status_t reason = weft_future_result(future, &nothing);
  if (weft_status_code(reason) == WEFT_STATUS_RESOURCE_EXHAUSTED &&
      is_open(distant, reason)) {
    put_off_after(distant, reason);
  } else {
    end(distant, reason);
    weft_status_release(reason);
  }
}

// --- The beginning ----------------------------------------------------------

static distant_t* create_distant(weft_actor_layer_t* layer,
                                 weft_distant_kind_t kind, weft_actor_t watcher,
                                 weft_actor_t target, uint32_t endpoint) {
  weft_runtime_t* runtime = layer->runtime;
  distant_t* distant = weft_slab_allocate(runtime->slab, sizeof(*distant));
  if (distant == NULL) {
    return NULL;
  }
  *distant = (distant_t){
      .layer = layer,
      .kind = kind,
      .watcher = watcher,
      .target = target,
      .on_exit = {.callback = exit_came},
  };
  if (kind == WEFT_DISTANT_MONITOR) {
    distant->notice = weft_message_allocate(runtime, 2);
    if (distant->notice == NULL) {
      free_distant(distant);
      return NULL;
    }
    distant->notice->endpoint = (uint16_t)endpoint;
    distant->notice->generation = watcher.generation;
    distant->notice->sender = WEFT_SENDER_THREAD | WEFT_SENDER_REMOTE |
                              (uint64_t)target.rank << 32 | target.index;
    distant->notice->arguments[0] = weft_actor_value(target);
  }
  return distant;
}

// Calls the system actor there. It is no part of the work at hand: it neither
// ends with it, nor by a deadline.
static weft_status_t ask(const distant_t* distant, bool never_waits,
                         weft_future_t** out_exited) {
  weft_activity_t* activity = weft_thread_self.activity;
  weft_thread_self.activity = NULL;
  const weft_call_options_t options = {.timeout_ns = WEFT_TIME_INFINITE};
  weft_status_t status = (never_waits ? weft_remote_call_due : weft_call)(
      distant->layer->runtime,
      weft_system_actor(distant->target.rank, distant->target.incarnation),
      WEFT_SYSTEM_EXITED, WEFT_ARGUMENTS(weft_actor_value(distant->target)),
      &options, out_exited);
  weft_thread_self.activity = activity;
  return status;
}

static distant_t* find(const weft_dlist_t* list, weft_distant_kind_t kind,
                       weft_actor_t target) {
  for (weft_dlist_node_t* node = weft_dlist_first(list); node != NULL;
       node = weft_dlist_next(list, node)) {
    distant_t* distant = WEFT_CONTAINER_OF(node, distant_t, node);
    if (distant->kind == kind && weft_actor_equal(distant->target, target)) {
      return distant;
    }
  }
  return NULL;
}

// Where it is to be listed; NULL when nobody is there who wants to know. The
// lock is held.
static weft_dlist_t* list_of(weft_actor_layer_t* layer,
                             weft_distant_kind_t kind, weft_actor_t watcher,
                             weft_actor_t target, weft_cold_t** spare) {
  if (kind == WEFT_DISTANT_NAME) {
    return weft_names_has_remote(layer, target) ? &layer->named : NULL;
  }
  weft_cold_t* cold = weft_watch_find(layer, watcher, spare);
  return cold != NULL ? &cold->distants : NULL;
}

// Lists it. False when it is not needed: the watcher has ended, or watches
// already.
static bool list(distant_t* distant, weft_cold_t** spare, uint32_t endpoint) {
  weft_actor_layer_t* layer = distant->layer;
  weft_mutex_lock(&layer->watch_lock);
  weft_dlist_t* all =
      list_of(layer, distant->kind, distant->watcher, distant->target, spare);
  distant_t* known =
      all != NULL ? find(all, distant->kind, distant->target) : NULL;
  bool is_new = all != NULL && known == NULL;
  if (is_new) {
    weft_dlist_append(all, &distant->node);
  } else if (known != NULL && known->notice != NULL) {
    known->notice->endpoint = (uint16_t)endpoint;
  }
  weft_mutex_unlock(&layer->watch_lock);
  return is_new;
}

// Waits for the end. Owns: takes `exited` over.
static void await_exit(distant_t* distant, weft_future_t* exited) {
  weft_mutex_t* lock = &distant->layer->watch_lock;
  weft_mutex_lock(lock);
  distant->exited = exited;
  bool is_dropped = distant->is_dropped;
  weft_mutex_unlock(lock);
  if (is_dropped) {
    weft_future_cancel(exited);
  }
  weft_future_add_waiter(exited, &distant->on_exit);
}

// Asks, and waits for the answer. An end that is known at once is told at once.
// Errors: WOULD_BLOCK without room, RESOURCE_EXHAUSTED: nothing has changed.
static weft_status_t try_follow(distant_t* distant, bool never_waits) {
  weft_future_t* exited = NULL;
  weft_status_t status = ask(distant, never_waits, &exited);
  if (status == WEFT_OK) {
    await_exit(distant, exited);
    return WEFT_OK;
  }
  if (is_open(distant, status)) {
    return status;
  }
  end(distant, status);
  weft_status_release(status);
  return WEFT_OK;
}

// --- What waits for room, or for memory -------------------------------------

// The first of a peer, or of all when that is NULL.
static distant_t* take_unwatched(weft_actor_layer_t* layer,
                                 const weft_peer_t* peer) {
  distant_t* found = NULL;
  weft_mutex_lock(&layer->watch_lock);
  for (weft_dlist_node_t* node = weft_dlist_first(&layer->unwatched);
       node != NULL && found == NULL;
       node = weft_dlist_next(&layer->unwatched, node)) {
    distant_t* distant = WEFT_CONTAINER_OF(node, distant_t, of_room);
    bool is_of_peer = peer == NULL || (distant->target.rank == peer->rank &&
                                       distant->target.incarnation ==
                                           weft_peer_incarnation(peer));
    found = is_of_peer ? distant : NULL;
  }
  if (found != NULL) {
    weft_dlist_remove(&found->of_room);
  }
  weft_mutex_unlock(&layer->watch_lock);
  return found;
}

static uint64_t rooms(weft_actor_layer_t* layer) {
  weft_mutex_lock(&layer->watch_lock);
  uint64_t count = layer->room_count;
  weft_mutex_unlock(&layer->watch_lock);
  return count;
}

static void count_asking(weft_actor_layer_t* layer, uint32_t change) {
  // Relaxed: whoever finds no room has the lock of the peer after this, and
  // whoever makes room before it looks: see `weft_distant_go_on`.
  atomic_fetch_add_explicit(&layer->asking_count, change, memory_order_relaxed);
}

// Nobody wants to know of one that is in no list.
static void give_up(distant_t* distant) {
  count_asking(distant->layer, -UINT32_C(1));
  free_distant(distant);
}

// Lists it for when there is room; false when some came since it was asked for,
// which did not find it in the list.
static bool put_off(distant_t* distant, uint64_t room_count) {
  weft_actor_layer_t* layer = distant->layer;
  weft_mutex_lock(&layer->watch_lock);
  bool is_dropped = distant->is_dropped;
  bool is_current = layer->room_count == room_count;
  if (is_current && !is_dropped) {
    weft_dlist_append(&layer->unwatched, &distant->of_room);
  }
  weft_mutex_unlock(&layer->watch_lock);
  if (is_dropped) {
    give_up(distant);
  }
  return is_current || is_dropped;
}

static void retry(weft_timer_t* timer, void* user) {
  (void)timer;
  weft_distant_go_on(user, NULL);
}

static void retry_later(weft_actor_layer_t* layer) {
  int64_t now_ns = weft_runtime_now_ns(layer->runtime);
  // It may be started already. A runtime that stops forgets them all.
  weft_status_release(weft_timer_start(layer->runtime, &layer->retry,
                                       now_ns + RETRY_NS, 0, retry, layer));
}

// As above, later if it cannot be now, which gives false. It is counted.
static bool follow_or_wait(distant_t* distant) {
  weft_actor_layer_t* layer = distant->layer;
  weft_status_t status;
  uint64_t room_count;
  bool is_starved = false;
  do {
    room_count = rooms(layer);
    status = try_follow(distant, true);
    if (status == WEFT_OK) {
      count_asking(layer, -UINT32_C(1));
      return true;
    }
    is_starved = weft_status_ignore(status) == WEFT_STATUS_RESOURCE_EXHAUSTED;
  } while (!put_off(distant, room_count));
  if (is_starved) {
    retry_later(layer);
  }
  return false;
}

// The call has failed, and is made again later. Owns: takes `failure` over.
static void put_off_after(distant_t* distant, weft_status_t failure) {
  weft_actor_layer_t* layer = distant->layer;
  weft_mutex_lock(&layer->watch_lock);
  weft_future_t* exited = distant->exited;
  distant->exited = NULL;
  weft_mutex_unlock(&layer->watch_lock);
  weft_future_release(exited);
  weft_status_release(distant->failure);
  distant->failure = failure;
  distant->on_exit = (weft_waiter_t){.callback = exit_came};
  count_asking(layer, 1);
  while (!put_off(distant, rooms(layer))) {
  }
  retry_later(layer);
}

static size_t count_unwatched(weft_actor_layer_t* layer) {
  size_t count = 0;
  weft_mutex_lock(&layer->watch_lock);
  for (weft_dlist_node_t* node = weft_dlist_first(&layer->unwatched);
       node != NULL; node = weft_dlist_next(&layer->unwatched, node)) {
    count++;
  }
  weft_mutex_unlock(&layer->watch_lock);
  return count;
}

void weft_distant_go_on(weft_actor_layer_t* layer, weft_peer_t* peer) {
  distant_t* distant;
  // Relaxed: see `count_asking`.
  if (atomic_load_explicit(&layer->asking_count, memory_order_relaxed) == 0) {
    return;
  }
  weft_mutex_lock(&layer->watch_lock);
  layer->room_count++;
  weft_mutex_unlock(&layer->watch_lock);
  // One peer that has no room says nothing of the others.
  size_t count = peer == NULL ? count_unwatched(layer) : SIZE_MAX;
  bool goes_on = true;
  while (count-- > 0 && goes_on &&
         (distant = take_unwatched(layer, peer)) != NULL) {
    goes_on = follow_or_wait(distant) || peer == NULL;
  }
}

void weft_distant_stop(weft_actor_layer_t* layer) {
  distant_t* distant;
  (void)weft_timer_stop(&layer->retry);
  while ((distant = take_unwatched(layer, NULL)) != NULL) {
    (void)unlist(distant);
    give_up(distant);
  }
}

// Makes one and lists it; NULL when it is not needed.
static weft_status_t create_listed(weft_actor_layer_t* layer,
                                   weft_distant_kind_t kind,
                                   weft_actor_t watcher, weft_actor_t target,
                                   uint32_t endpoint, distant_t** out_distant) {
  weft_cold_t* spare = NULL;
  *out_distant = NULL;
  WEFT_RETURN_IF_ERROR(weft_cold_create(layer->runtime, &spare));
  distant_t* distant = create_distant(layer, kind, watcher, target, endpoint);
  if (distant == NULL) {
    weft_cold_free(layer->runtime, spare);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to watch an actor");
  }
  bool is_new = list(distant, &spare, endpoint);
  weft_cold_free(layer->runtime, spare);
  if (is_new) {
    *out_distant = distant;
  } else {
    free_distant(distant);
  }
  return WEFT_OK;
}

weft_status_t weft_distant_watch(weft_actor_layer_t* layer,
                                 weft_distant_kind_t kind, weft_actor_t watcher,
                                 weft_actor_t target, uint32_t endpoint) {
  distant_t* distant;
  WEFT_RETURN_IF_ERROR(
      create_listed(layer, kind, watcher, target, endpoint, &distant));
  if (distant == NULL) {
    return WEFT_OK;
  }
  if (kind == WEFT_DISTANT_NAME) {
    // Had by an actor that must not wait for a peer; and once it is listed,
    // others count on it.
    count_asking(layer, 1);
    (void)follow_or_wait(distant);
    return WEFT_OK;
  }
  weft_status_t status = try_follow(distant, false);
  if (status != WEFT_OK) {
    (void)unlist(distant);
    free_distant(distant);
  }
  return status;
}

weft_status_t weft_distant_link_by(weft_actor_layer_t* layer,
                                   weft_actor_t watcher, weft_actor_t target,
                                   weft_future_t* exited) {
  distant_t* distant;
  WEFT_RETURN_IF_ERROR(
      create_listed(layer, WEFT_DISTANT_LINK, watcher, target, 0, &distant));
  if (distant != NULL) {
    await_exit(distant, weft_future_retain(exited));
  }
  return WEFT_OK;
}

// --- Giving up --------------------------------------------------------------

// The lock is held; the call is to be cancelled without it.
static weft_future_t* drop_locked(distant_t* distant) {
  weft_dlist_remove(&distant->node);
  distant->is_dropped = true;
  return distant->exited != NULL ? weft_future_retain(distant->exited) : NULL;
}

static void cancel(weft_future_t* exited) {
  if (exited != NULL) {
    weft_future_cancel(exited);
    weft_future_release(exited);
  }
}

// Where an actor without a name is listed; NULL when it has one still. The lock
// is held.
static weft_dlist_t* unneeded_of(weft_actor_layer_t* layer,
                                 weft_actor_t target) {
  return weft_names_has_remote(layer, target) ? NULL : &layer->named;
}

void weft_distant_unwatch(weft_actor_layer_t* layer, weft_distant_kind_t kind,
                          weft_actor_t watcher, weft_actor_t target) {
  weft_future_t* exited = NULL;
  weft_mutex_lock(&layer->watch_lock);
  weft_dlist_t* all = kind == WEFT_DISTANT_NAME
                          ? unneeded_of(layer, target)
                          : list_of(layer, kind, watcher, target, NULL);
  distant_t* distant = all != NULL ? find(all, kind, target) : NULL;
  bool is_put_off =
      distant != NULL && !weft_dlist_node_is_free(&distant->of_room);
  if (is_put_off) {
    weft_dlist_remove(&distant->of_room);
  }
  if (distant != NULL) {
    exited = drop_locked(distant);
  }
  weft_mutex_unlock(&layer->watch_lock);
  cancel(exited);
  if (is_put_off) {
    give_up(distant);
  }
}

void weft_distant_forget(weft_actor_layer_t* layer, weft_cold_t* cold) {
  bool is_empty = false;
  while (!is_empty) {
    weft_future_t* exited = NULL;
    weft_mutex_lock(&layer->watch_lock);
    weft_dlist_node_t* node = weft_dlist_first(&cold->distants);
    is_empty = node == NULL;
    if (!is_empty) {
      exited = drop_locked(WEFT_CONTAINER_OF(node, distant_t, node));
    }
    weft_mutex_unlock(&layer->watch_lock);
    cancel(exited);
  }
}
