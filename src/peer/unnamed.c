// SPDX-License-Identifier: Apache-2.0

#include "peer/unnamed.h"

#include "base/container.h"
#include "base/memory.h"
#include "sys/slab.h"

// Of one sender and owner; and of one sender. A lane holds a 16th of the
// former. Units: bytes.
#define PAIR_BYTES ((size_t)4 << 20)
#define SENDER_BYTES (2 * PAIR_BYTES)
// Owners of which one sender knows: a life of each rank, and one before.
#define OWNER_LIMIT (2 * WEFT_RANK_LIMIT)

struct weft_unnamed {
  weft_table_node_t node;
  weft_unnamed_t* next_dropped;
  weft_holder_t owner;
  uint64_t id;
  // Of its frame.
  size_t size_bytes;
  // To be used if the owner has none; NULL else.
  weft_unnamed_owner_t* spare;
  weft_status_t status;
  weft_value_t value;
};

// What a sender has sent of one owner.
struct weft_unnamed_owner {
  weft_unnamed_owner_t* next;
  weft_holder_t owner;
  // There was too much.
  bool is_lost;
  size_t bytes;
  // By number.
  weft_table_t outcomes;
};

static weft_unnamed_t* early_of(weft_table_node_t* node) {
  return node != NULL ? WEFT_CONTAINER_OF(node, weft_unnamed_t, node) : NULL;
}

// --- Memory -----------------------------------------------------------------

weft_unnamed_t* weft_unnamed_create(weft_peer_t* sender,
                                    const weft_frame_t* frame,
                                    weft_status_t status, weft_value_t value) {
  weft_slab_t* slab = sender->runtime->slab;
  weft_unnamed_t* early = weft_slab_allocate(slab, sizeof(*early));
  weft_unnamed_owner_t* spare = weft_slab_allocate(slab, sizeof(*spare));
  if (early == NULL || spare == NULL) {
    if (early != NULL) {
      weft_slab_free(slab, early, sizeof(*early));
    }
    if (spare != NULL) {
      weft_slab_free(slab, spare, sizeof(*spare));
    }
    return NULL;
  }
  *early = (weft_unnamed_t){
      .owner = frame->target_index,
      .id = frame->id,
      .size_bytes = frame->size_bytes,
      .spare = spare,
      .status = status,
      .value = value,
  };
  return early;
}

void weft_unnamed_release_to(weft_unnamed_t* early, weft_status_t* out_status,
                             weft_value_t* out_value) {
  *out_status = early->status;
  *out_value = early->value;
  early->status = WEFT_OK;
  early->value = weft_none();
}

void weft_unnamed_drop(weft_peer_t* sender, weft_unnamed_t* early) {
  weft_slab_t* slab = sender->runtime->slab;
  while (early != NULL) {
    weft_unnamed_t* next = early->next_dropped;
    weft_status_release(early->status);
    weft_value_release(early->value);
    if (early->spare != NULL) {
      weft_slab_free(slab, early->spare, sizeof(*early->spare));
    }
    weft_slab_free(slab, early, sizeof(*early));
    early = next;
  }
}

// --- Lists; `calls_lock` is held --------------------------------------------

static weft_unnamed_owner_t* find_owner(const weft_peer_t* sender,
                                        weft_holder_t owner) {
  weft_unnamed_owner_t* of = sender->unnamed;
  while (of != NULL && of->owner != owner) {
    of = of->next;
  }
  return of;
}

// The one of the owner of an outcome, made of what that has; NULL when there
// are too many.
static weft_unnamed_owner_t* find_or_add_owner(weft_peer_t* sender,
                                               weft_unnamed_t* early) {
  weft_unnamed_owner_t* of = find_owner(sender, early->owner);
  if (of == NULL && sender->unnamed_owner_count < OWNER_LIMIT) {
    of = early->spare;
    early->spare = NULL;
    *of =
        (weft_unnamed_owner_t){.next = sender->unnamed, .owner = early->owner};
    weft_table_init(&of->outcomes, sender->runtime->allocator);
    sender->unnamed = of;
    sender->unnamed_owner_count++;
  }
  return of;
}

static weft_unnamed_t* remove_outcome(weft_peer_t* sender,
                                      weft_unnamed_owner_t* of,
                                      weft_table_node_t* node) {
  weft_unnamed_t* early = early_of(node);
  if (early != NULL) {
    of->bytes -= early->size_bytes;
    sender->unnamed_bytes -= early->size_bytes;
  }
  return early;
}

// Puts all of an owner before a list. The caller counts; no lock is held when
// nobody else has the owner.
static weft_unnamed_t* take_all(weft_unnamed_owner_t* of,
                                weft_unnamed_t* list) {
  weft_unnamed_t* early;
  while ((early = early_of(weft_table_take_any(&of->outcomes))) != NULL) {
    early->next_dropped = list;
    list = early;
  }
  return list;
}

weft_unnamed_t* weft_unnamed_put_locked(weft_peer_t* sender,
                                        weft_unnamed_t* early) {
  weft_unnamed_owner_t* of = find_or_add_owner(sender, early);
  if (of != NULL && !of->is_lost &&
      of->bytes + early->size_bytes > PAIR_BYTES) {
    of->is_lost = true;
    sender->unnamed_bytes -= of->bytes;
    of->bytes = 0;
    return take_all(of, early);
  }
  if (of == NULL || of->is_lost ||
      weft_table_find(&of->outcomes, early->id) != NULL) {
    return early;
  }
  of->bytes += early->size_bytes;
  sender->unnamed_bytes += early->size_bytes;
  weft_table_insert(&of->outcomes, &early->node, early->id);
  return NULL;
}

bool weft_unnamed_lose_locked(weft_peer_t* sender, weft_holder_t owner,
                              uint64_t id) {
  if (sender->unnamed_lost_count == WEFT_UNNAMED_LOST_LIMIT) {
    return false;
  }
  uint32_t at = sender->unnamed_lost_count++;
  sender->unnamed_lost[at].owner = owner;
  sender->unnamed_lost[at].id = id;
  return true;
}

// Forgets what was lost: one, or of an owner all, or with 0 of all owners.
static bool find_again_locked(weft_peer_t* sender, weft_holder_t owner,
                              const uint64_t* id) {
  uint32_t count = sender->unnamed_lost_count;
  for (uint32_t at = count; at-- > 0;) {
    if ((owner == 0 || sender->unnamed_lost[at].owner == owner) &&
        (id == NULL || sender->unnamed_lost[at].id == *id)) {
      uint32_t last = --sender->unnamed_lost_count;
      sender->unnamed_lost[at] = sender->unnamed_lost[last];
    }
  }
  return sender->unnamed_lost_count < count;
}

bool weft_unnamed_is_too_much_locked(const weft_peer_t* sender) {
  return sender->unnamed_bytes > SENDER_BYTES ||
         sender->unnamed_owner_count == OWNER_LIMIT;
}

weft_unnamed_t* weft_unnamed_take_locked(weft_peer_t* sender,
                                         weft_holder_t owner, uint64_t id,
                                         bool* out_is_lost) {
  weft_unnamed_owner_t* of = find_owner(sender, owner);
  *out_is_lost =
      find_again_locked(sender, owner, &id) || (of != NULL && of->is_lost);
  return of != NULL
             ? remove_outcome(sender, of, weft_table_remove(&of->outcomes, id))
             : NULL;
}

// --- The end of a peer ------------------------------------------------------

// Takes the lists of a sender, of an owner or, if that is 0, of all; they are
// not counted any more.
static weft_unnamed_owner_t* take_owners_locked(weft_peer_t* sender,
                                                weft_holder_t owner) {
  weft_unnamed_owner_t* taken = NULL;
  weft_unnamed_owner_t** place = &sender->unnamed;
  while (*place != NULL) {
    weft_unnamed_owner_t* of = *place;
    if (owner != 0 && of->owner != owner) {
      place = &of->next;
      continue;
    }
    *place = of->next;
    of->next = taken;
    taken = of;
    sender->unnamed_owner_count--;
    sender->unnamed_bytes -= of->bytes;
  }
  return taken;
}

static void forget(weft_peer_t* sender, weft_holder_t owner) {
  weft_mutex_lock(&sender->peers->calls_lock);
  weft_unnamed_owner_t* of = take_owners_locked(sender, owner);
  (void)find_again_locked(sender, owner, NULL);
  weft_mutex_unlock(&sender->peers->calls_lock);
  while (of != NULL) {
    weft_unnamed_owner_t* next = of->next;
    weft_unnamed_t* list = take_all(of, NULL);
    weft_table_deinit(&of->outcomes);
    weft_slab_free(sender->runtime->slab, of, sizeof(*of));
    weft_unnamed_drop(sender, list);
    of = next;
  }
}

static void forget_owner(weft_peer_t* sender, void* user) {
  forget(sender, *(const weft_holder_t*)user);
}

void weft_unnamed_strike_off(weft_peer_t* peer) {
  weft_holder_t holder = weft_peer_holder(peer);
  forget(peer, 0);
  weft_peers_visit(peer->peers, forget_owner, &holder);
}

void weft_unnamed_end(weft_peer_t* peer) {
  forget(peer, 0);
}
