// SPDX-License-Identifier: Apache-2.0
//
// Links: two lives that end together, if they end badly.

#include "actor/context.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/watch.h"
#include "sys/slab.h"

// Two actors, each with a half in its list; guarded by the watch lock.
typedef struct link link_t;
typedef struct half {
  // In the list of the actor that this half belongs to.
  weft_dlist_node_t node;
  // The other actor.
  weft_actor_t peer;
  link_t* link;
} half_t;

struct link {
  half_t halves[2];
};

static half_t* other_half(half_t* half) {
  return &half->link->halves[half == &half->link->halves[0] ? 1 : 0];
}

static link_t* create_link(weft_runtime_t* runtime, weft_actor_t a,
                           weft_actor_t b) {
  link_t* link = weft_slab_allocate(runtime->slab, sizeof(*link));
  if (link != NULL) {
    *link = (link_t){
        .halves = {{.peer = b, .link = link}, {.peer = a, .link = link}}};
  }
  return link;
}

static void free_link(weft_runtime_t* runtime, link_t* link) {
  if (link != NULL) {
    weft_slab_free(runtime->slab, link, sizeof(*link));
  }
}

// Looks for the link of two actors, from both ends at once: one of them may
// have many. The lock is held.
static link_t* find_link(const weft_cold_t* own, weft_actor_t self,
                         const weft_cold_t* other, weft_actor_t peer) {
  weft_dlist_node_t* a = weft_dlist_first(&own->links);
  weft_dlist_node_t* b = weft_dlist_first(&other->links);
  while (a != NULL && b != NULL) {
    half_t* mine = WEFT_CONTAINER_OF(a, half_t, node);
    half_t* its = WEFT_CONTAINER_OF(b, half_t, node);
    if (weft_actor_equal(mine->peer, peer)) {
      return mine->link;
    }
    if (weft_actor_equal(its->peer, self)) {
      return its->link;
    }
    a = weft_dlist_next(&own->links, a);
    b = weft_dlist_next(&other->links, b);
  }
  return NULL;
}

// Ties both, unless they are. `*link` is NULL if it is used. False when the
// peer has ended.
static bool add_link(weft_actor_layer_t* layer, link_t** link,
                     weft_spares_t* spares) {
  weft_actor_t peer = (*link)->halves[0].peer;
  weft_actor_t self = (*link)->halves[1].peer;
  weft_mutex_lock(&layer->watch_lock);
  weft_cold_t* own = weft_watch_find(layer, self, &spares->own);
  weft_cold_t* other = weft_watch_find(layer, peer, &spares->other);
  bool is_alive = own != NULL && other != NULL;
  if (is_alive && find_link(own, self, other, peer) == NULL) {
    weft_dlist_append(&own->links, &(*link)->halves[0].node);
    weft_dlist_append(&other->links, &(*link)->halves[1].node);
    *link = NULL;
  }
  weft_mutex_unlock(&layer->watch_lock);
  return is_alive;
}

// --- Actors of other runtimes -----------------------------------------------
// Each side watches the other's end. Who links knows its own end first, and
// sends it along as a future: so an end right after the link is seen as what
// it is.

// Tells the runtime of the other actor. It is no part of the work at hand: it
// neither ends with it, nor by its deadline.
static void tell_other_side(weft_actor_layer_t* layer, weft_actor_t actor,
                            uint32_t endpoint,
                            const weft_arguments_t* arguments) {
  weft_activity_t* activity = weft_thread_self.activity;
  weft_thread_self.activity = NULL;
  weft_status_t status = weft_send(
      layer->runtime, weft_system_actor(actor.rank, actor.incarnation),
      endpoint, arguments, NULL);
  weft_thread_self.activity = activity;
  // A peer that is gone needs not be told: this side's watch ends, too.
  weft_status_release(status);
}

static weft_status_t link_remote(weft_actor_layer_t* layer, weft_actor_t self,
                                 weft_actor_t actor) {
  weft_future_t* exited = NULL;
  weft_value_t end = weft_none();
  WEFT_RETURN_IF_ERROR(weft_actor_exited(layer->runtime, self, &exited));
  const weft_value_t future = weft_future_lend(exited);
  weft_status_t status =
      weft_list_create(layer->runtime->allocator, &future, 1, &end);
  if (status == WEFT_OK) {
    status = weft_distant_watch(layer, WEFT_DISTANT_LINK, self, actor, 0);
  }
  if (status == WEFT_OK) {
    tell_other_side(
        layer, actor, WEFT_SYSTEM_LINK,
        WEFT_ARGUMENTS(weft_actor_value(actor), weft_actor_value(self), end));
  }
  weft_value_release(end);
  weft_future_release(exited);
  return status;
}

// --- Linking ----------------------------------------------------------------

weft_status_t weft_context_link(weft_context_t* context, weft_actor_t actor) {
  weft_actor_layer_t* layer = context->entry->layer;
  weft_actor_t self = weft_entry_handle(context->entry);
  if (weft_actor_equal(self, actor)) {
    return WEFT_OK;
  }
  if (weft_actor_is_remote(layer->runtime, actor)) {
    return link_remote(layer, self, actor);
  }
  weft_spares_t spares;
  WEFT_RETURN_IF_ERROR(weft_spares_create(layer->runtime, &spares));
  link_t* link = create_link(layer->runtime, self, actor);
  if (link == NULL) {
    weft_spares_free(layer->runtime, &spares);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to link two actors");
  }
  bool is_alive = add_link(layer, &link, &spares);
  free_link(layer->runtime, link);
  weft_spares_free(layer->runtime, &spares);
  if (!is_alive) {
    weft_context_stop(
        context, weft_status_make_caused(WEFT_STATUS_ACTOR_EXITED,
                                         weft_actor_not_found(layer, actor),
                                         "linked to an actor that has ended"));
  }
  return WEFT_OK;
}

void weft_context_unlink(weft_context_t* context, weft_actor_t actor) {
  weft_actor_layer_t* layer = context->entry->layer;
  weft_actor_t self = weft_entry_handle(context->entry);
  if (weft_actor_is_remote(layer->runtime, actor)) {
    weft_distant_unwatch(layer, WEFT_DISTANT_LINK, self, actor);
    tell_other_side(
        layer, actor, WEFT_SYSTEM_UNLINK,
        WEFT_ARGUMENTS(weft_actor_value(actor), weft_actor_value(self)));
    return;
  }
  weft_mutex_lock(&layer->watch_lock);
  weft_cold_t* own = weft_watch_find(layer, self, NULL);
  weft_cold_t* other = weft_watch_find(layer, actor, NULL);
  link_t* link =
      own != NULL && other != NULL ? find_link(own, self, other, actor) : NULL;
  if (link != NULL) {
    weft_dlist_remove(&link->halves[0].node);
    weft_dlist_remove(&link->halves[1].node);
  }
  weft_mutex_unlock(&layer->watch_lock);
  free_link(layer->runtime, link);
}

// --- When an actor ends -----------------------------------------------------

void weft_links_unlink(weft_cold_t* cold) {
  for (weft_dlist_node_t* node = weft_dlist_first(&cold->links); node != NULL;
       node = weft_dlist_next(&cold->links, node)) {
    half_t* half = WEFT_CONTAINER_OF(node, half_t, node);
    weft_dlist_remove(&other_half(half)->node);
  }
}

void weft_links_notify(const weft_actor_entry_t* entry, weft_cold_t* cold,
                       weft_status_t reason) {
  weft_actor_layer_t* layer = entry->layer;
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&cold->links)) != NULL) {
    half_t* half = WEFT_CONTAINER_OF(node, half_t, node);
    if (reason != WEFT_OK) {
      weft_cold_force_stop(
          layer, half->peer,
          weft_status_make_caused(WEFT_STATUS_ACTOR_EXITED,
                                  weft_status_retain(reason),
                                  "linked actor %s#%u ended",
                                  weft_entry_class(entry)->name, entry->index));
    }
    free_link(layer->runtime, half->link);
  }
}
