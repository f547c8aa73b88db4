// SPDX-License-Identifier: Apache-2.0

#include "peer/remote.h"

#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "peer/unnamed.h"

// What stands in a body.
enum {
  // 0, the number of an export, and who makes the value; 8 bytes each.
  MODE_PENDING = 0,
  // A body: this number, then a status.
  MODE_FAILED = 1
};

#define PENDING_BYTES 24

static weft_status_t no_memory(const weft_peer_t* peer) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for a future that rank %u shares",
                          peer->rank);
}

// --- Imports ----------------------------------------------------------------

typedef struct import import_t;
struct import {
  weft_future_t future;
  // Among those of its owner, by number, until all that may come has come; the
  // list holds a reference. What follows is guarded by `calls_lock`.
  weft_table_node_t node;
  // Whose death ends it: the owner, or whoever the owner says makes the value.
  weft_peer_t* awaited;
  // Among those that end with a peer.
  import_t* next_lost;
  // Whoever makes it has sent the outcome, though it may have been dropped.
  bool is_made;
  // By whom and how it was named; and who else may send the outcome.
  weft_peer_t* owner;
  uint64_t id;
  weft_holder_t maker;
};

static size_t describe_import(const weft_future_t* future, char* buffer,
                              size_t capacity) {
  const import_t* import = (const import_t*)(const void*)future;
  return (size_t)snprintf(buffer, capacity, "future of rank %u",
                          import->owner->rank);
}

static const weft_future_class_t import_class = {
    .name = "future of another process",
    .size_bytes = sizeof(import_t),
    .is_elsewhere = true,
    .describe = describe_import,
};

static import_t* import_of(weft_table_node_t* node) {
  return node != NULL ? WEFT_CONTAINER_OF(node, import_t, node) : NULL;
}

static import_t* find_locked(const weft_peer_t* owner, uint64_t id) {
  return import_of(weft_table_find(&owner->imports, id));
}

static void await_locked(import_t* import, weft_peer_t* peer) {
  import->awaited = peer;
  weft_heartbeat_await_locked(peer);
}

static void unlist_locked(import_t* import) {
  (void)weft_table_remove(&import->owner->imports, import->id);
  import->awaited->awaited_count--;
}

// Errors: DATA_LOSS when the number is in use, or the owner is dead;
// RESOURCE_EXHAUSTED.
static weft_status_t list_locked(import_t* import) {
  weft_peer_t* owner = import->owner;
  if (find_locked(owner, import->id) != NULL ||
      weft_peer_state(owner) == WEFT_PEER_DEAD) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent one future twice", owner->rank);
  }
  if (owner->imports.count >= owner->peers->waiting_limit) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "rank %u has named %zu futures that have no "
                            "outcome, the most that one rank may",
                            owner->rank, owner->imports.count);
  }
  weft_table_insert(&owner->imports, &import->node, import->id);
  await_locked(import, owner);
  return WEFT_OK;
}

// What an outcome is for.
typedef struct arrival {
  // NULL: none that is known; and its name.
  weft_peer_t* owner;
  weft_holder_t holder;
  // Who sent it; NULL: this runtime.
  weft_peer_t* sender;
  uint64_t id;
  // The owner has more to say.
  bool has_more;
} arrival_t;

// Whether whoever sent it makes the value, by the owner's word.
static bool is_maker(const import_t* import, const weft_peer_t* sender) {
  return import->maker == (sender != NULL
                               ? weft_peer_holder(sender)
                               : weft_peers_self(import->owner->peers));
}

// Finds what an outcome is for, with a reference. An import leaves its list
// when nothing more comes for it. `calls_lock` is held.
static import_t* arrive_locked(const arrival_t* arrival) {
  bool is_owners = arrival->sender == arrival->owner;
  import_t* import =
      arrival->owner != NULL ? find_locked(arrival->owner, arrival->id) : NULL;
  if (import == NULL || (!is_owners && !is_maker(import, arrival->sender))) {
    // Whoever sent it may have been asked to by a liar.
    return NULL;
  }
  bool is_last =
      is_owners ? !arrival->has_more
                : arrival->sender == NULL || import->awaited == arrival->sender;
  import->is_made = import->is_made || !is_owners;
  if (is_last) {
    // The list's reference is the caller's.
    unlist_locked(import);
    return import;
  }
  return (import_t*)(void*)weft_future_retain(&import->future);
}

// Owns: takes both over.
static void complete(import_t* import, weft_status_t status,
                     weft_value_t value) {
  if (import != NULL) {
    weft_future_complete_owned(&import->future, status, value);
  } else {
    weft_status_release(status);
    weft_value_release(value);
  }
}

// --- Futures that are named -------------------------------------------------

static weft_status_t create_import(weft_peer_t* owner, uint64_t id,
                                   weft_holder_t maker,
                                   weft_value_t* out_value) {
  weft_peers_t* peers = owner->peers;
  // For the value, and the list.
  weft_future_t* future =
      weft_future_allocate(owner->runtime, &import_class, 2);
  if (future == NULL) {
    return no_memory(owner);
  }
  import_t* import = (import_t*)(void*)future;
  import->is_made = false;
  import->owner = owner;
  import->id = id;
  import->maker = maker;
  weft_peer_t* sender = maker != 0 ? weft_peers_life(peers, maker) : NULL;
  weft_unnamed_t* early = NULL;
  import_t* arrived = NULL;
  bool is_lost = false;
  weft_mutex_lock(&peers->calls_lock);
  weft_status_t status = list_locked(import);
  if (status == WEFT_OK && sender != NULL) {
    early =
        weft_unnamed_take_locked(sender, weft_peer_holder(owner), id, &is_lost);
    import->is_made = is_lost;
  }
  if (early != NULL) {
    const arrival_t arrival = {.owner = owner, .sender = sender, .id = id};
    arrived = arrive_locked(&arrival);
  }
  weft_mutex_unlock(&peers->calls_lock);
  if (status != WEFT_OK) {
    weft_future_free_unshared(future);
    return status;
  }
  *out_value = weft_future_lend(future);
  if (early != NULL) {
    weft_value_t value;
    weft_unnamed_release_to(early, &status, &value);
    weft_unnamed_drop(sender, early);
    complete(arrived, status, value);
  }
  if (is_lost) {
    weft_future_retain(future);
    weft_future_complete_owned(
        future,
        weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         "rank %u has sent more outcomes of futures of rank %u "
                         "than are kept before they are named, or there was no "
                         "memory for this one",
                         sender->rank, owner->rank),
        weft_none());
  }
  return WEFT_OK;
}

static weft_status_t decode_failed(weft_peer_t* peer, const void* data,
                                   size_t size_bytes, weft_value_t* out_value) {
  weft_runtime_t* runtime = peer->runtime;
  weft_decoder_t decoder;
  weft_value_t mode;
  weft_status_t error = WEFT_OK;
  const weft_body_t body = {.data = data, .size_bytes = size_bytes};
  weft_decoder_init(&decoder, runtime->allocator, NULL, NULL, &body);
  WEFT_RETURN_IF_ERROR(weft_decode_value(&decoder, &mode));
  if (mode.kind != WEFT_KIND_INT64 || mode.as.int64 != MODE_FAILED) {
    weft_value_release(mode);
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent a future of an unknown form",
                            peer->rank);
  }
  WEFT_RETURN_IF_ERROR(weft_decode_status(&decoder, &error));
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_future_from_status(runtime, error, &future));
  *out_value = weft_future_lend(future);
  return WEFT_OK;
}

weft_status_t weft_import_decode(weft_peer_t* peer, const void* data,
                                 size_t size_bytes, weft_value_t* out_value) {
  uint64_t words[PENDING_BYTES / 8];
  *out_value = weft_none();
  if (size_bytes != PENDING_BYTES ||
      ((const uint8_t*)data)[0] != MODE_PENDING) {
    return decode_failed(peer, data, size_bytes, out_value);
  }
  memcpy(words, data, sizeof(words));
  return create_import(peer, words[1], (weft_holder_t)words[2], out_value);
}

// --- Outcomes that come -----------------------------------------------------

// An outcome whose future is not known, but may be named yet: by its owner,
// who lives as far as is known, and is not the sender.
static bool may_be_early_locked(const arrival_t* arrival) {
  return arrival->owner == NULL ||
         (arrival->owner != arrival->sender &&
          find_locked(arrival->owner, arrival->id) == NULL &&
          weft_peer_state(arrival->owner) != WEFT_PEER_DEAD);
}

// As below, without memory for it: nobody must wait for ever for what is lost
// here.
static bool lose_early(const arrival_t* arrival, weft_status_t status,
                       weft_value_t value) {
  weft_peer_t* sender = arrival->sender;
  weft_mutex_t* lock = &sender->peers->calls_lock;
  weft_mutex_lock(lock);
  bool is_early = may_be_early_locked(arrival);
  bool is_noted = is_early && weft_unnamed_lose_locked(sender, arrival->holder,
                                                       arrival->id);
  weft_mutex_unlock(lock);
  if (!is_early) {
    return false;
  }
  weft_status_release(status);
  weft_value_release(value);
  if (!is_noted) {
    weft_peer_break(sender, no_memory(sender));
  }
  return true;
}

// Keeps what came early, or forgets it. True when it was, and its future has
// not been named meanwhile; else the outcome is the caller's still.
static bool keep_early(const arrival_t* arrival, const weft_frame_t* frame,
                       weft_status_t status, weft_value_t value) {
  weft_peer_t* sender = arrival->sender;
  weft_peers_t* peers = sender->peers;
  weft_unnamed_t* early = weft_unnamed_create(sender, frame, status, value);
  if (early == NULL) {
    return lose_early(arrival, status, value);
  }
  weft_mutex_lock(&peers->calls_lock);
  bool is_early = may_be_early_locked(arrival);
  if (is_early) {
    early = weft_unnamed_put_locked(sender, early);
  } else {
    weft_unnamed_release_to(early, &status, &value);
  }
  bool is_too_much = weft_unnamed_is_too_much_locked(sender);
  weft_mutex_unlock(&peers->calls_lock);
  weft_unnamed_drop(sender, early);
  if (is_too_much) {
    weft_peer_break(
        sender, weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                 "rank %u has sent outcomes of more futures "
                                 "that nobody has named than there can be",
                                 sender->rank));
  }
  return is_early;
}

static void receive_value(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_peers_t* peers = peer->peers;
  weft_status_t status = WEFT_OK;
  weft_value_t value = weft_none();
  bool is_own = frame->target_index == weft_peer_holder(peer);
  arrival_t arrival = {
      .owner = is_own ? peer : weft_peers_life(peers, frame->target_index),
      .holder = frame->target_index,
      .sender = peer,
      .id = frame->id,
      .has_more = (frame->flags & WEFT_FRAME_MORE) != 0,
  };
  weft_delivery_read_outcome(peer, frame, &status, &value);
  weft_mutex_lock(&peers->calls_lock);
  bool is_early = may_be_early_locked(&arrival);
  weft_mutex_unlock(&peers->calls_lock);
  if (is_early && keep_early(&arrival, frame, status, value)) {
    return;
  }
  weft_mutex_lock(&peers->calls_lock);
  import_t* import = arrive_locked(&arrival);
  weft_mutex_unlock(&peers->calls_lock);
  complete(import, status, value);
}

void weft_import_complete_here(weft_peers_t* peers, weft_holder_t owner,
                               uint64_t id, weft_future_t* future) {
  weft_value_t value;
  // It was named before this was asked for, in the same lane.
  arrival_t arrival = {.owner = weft_peers_life(peers, owner), .id = id};
  weft_status_t status = weft_future_result(future, &value);
  weft_mutex_lock(&peers->calls_lock);
  import_t* import = arrive_locked(&arrival);
  weft_mutex_unlock(&peers->calls_lock);
  complete(import, status, weft_value_retain(value));
}

// What the owner's last word does.
typedef enum follow {
  // Nothing more comes, or it goes on.
  FOLLOW_DONE,
  // It was made: what the list held is to be released.
  FOLLOW_MADE,
  FOLLOW_LOST,
  // The owner named somebody else before.
  FOLLOW_FALSE
} follow_t;

// The owner's last word, when somebody else makes the value: from here on it
// is that one's death that ends it. `calls_lock` is held.
static follow_t follow_locked(import_t* import, weft_holder_t holder,
                              weft_peer_t* maker) {
  bool is_here = holder == weft_peers_self(import->owner->peers);
  if (holder != 0 && holder != import->maker) {
    return FOLLOW_FALSE;
  }
  if (is_here && !import->is_made) {
    // What is made here is ended here.
    return FOLLOW_DONE;
  }
  if (import->is_made) {
    unlist_locked(import);
    return FOLLOW_MADE;
  }
  // Looked at inside the lock: whoever buries the maker, or refuses a link to
  // it, takes it afterwards.
  if (maker == NULL || weft_peer_is_refused(maker) ||
      weft_peer_state(maker) == WEFT_PEER_DEAD) {
    unlist_locked(import);
    return FOLLOW_LOST;
  }
  import->awaited->awaited_count--;
  await_locked(import, maker);
  return FOLLOW_DONE;
}

// The life that makes a value; NULL when it is not known.
static weft_peer_t* find_maker(weft_peers_t* peers, weft_holder_t holder) {
  weft_peer_t* maker;
  if (holder == 0 || holder == weft_peers_self(peers)) {
    return NULL;
  }
  weft_status_release(
      weft_peers_reach(peers->runtime, (uint16_t)(holder >> 16), &maker));
  return weft_peers_life(peers, holder);
}

static void receive_follows(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_peers_t* peers = peer->peers;
  weft_peer_t* maker = find_maker(peers, frame->target_index);
  weft_mutex_lock(&peers->calls_lock);
  import_t* import = find_locked(peer, frame->id);
  follow_t follow = import != NULL
                        ? follow_locked(import, frame->target_index, maker)
                        : FOLLOW_DONE;
  weft_mutex_unlock(&peers->calls_lock);
  if (follow == FOLLOW_MADE) {
    // Another thread may be about to complete it with what the maker sent.
    weft_future_release(&import->future);
  } else if (follow == FOLLOW_LOST) {
    // Nothing if it has its outcome.
    complete(
        import,
        maker != NULL
            ? weft_peer_death(maker, "a future will not come")
            : weft_status_make(WEFT_STATUS_ABANDONED,
                               "nobody sends a future of rank %u", peer->rank),
        weft_none());
  } else if (follow == FOLLOW_FALSE) {
    weft_peer_break(peer, weft_status_make(WEFT_STATUS_DATA_LOSS,
                                           "rank %u names two makers of one "
                                           "future",
                                           peer->rank));
  }
}

// --- The end of a peer ------------------------------------------------------

typedef struct loss {
  const weft_peer_t* peer;
  import_t* first;
} loss_t;

static void note_lost(void* user, weft_table_node_t* node) {
  loss_t* loss = user;
  import_t* import = WEFT_CONTAINER_OF(node, import_t, node);
  if (import->awaited == loss->peer) {
    import->next_lost = loss->first;
    loss->first = import;
  }
}

static void look_for_lost(weft_peer_t* owner, void* user) {
  weft_table_visit(&owner->imports, note_lost, user);
}

void weft_remote_strike_off(weft_peer_t* peer) {
  weft_peers_t* peers = peer->peers;
  loss_t loss = {.peer = peer};
  weft_exports_strike_off(peer);
  weft_mutex_lock(&peers->calls_lock);
  if (peer->awaited_count > 0) {
    weft_peers_visit(peers, look_for_lost, &loss);
  }
  for (import_t* import = loss.first; import != NULL;
       import = import->next_lost) {
    unlist_locked(import);
  }
  weft_mutex_unlock(&peers->calls_lock);
  while (loss.first != NULL) {
    import_t* import = loss.first;
    loss.first = import->next_lost;
    complete(import, weft_peer_death(peer, "a future will not come"),
             weft_none());
  }
  weft_unnamed_strike_off(peer);
}

bool weft_import_origin(weft_future_t* future, weft_origin_name_t* out_origin) {
  if (future->class != &import_class) {
    return false;
  }
  import_t* import = (import_t*)(void*)future;
  *out_origin = (weft_origin_name_t){
      .peer = import->owner,
      .kind = WEFT_ORIGIN_EXPORT,
      .id = import->id,
  };
  return true;
}

// --- Writing into bodies ----------------------------------------------------

static weft_status_t encode_pending(weft_exports_t* exports, weft_peer_t* peer,
                                    weft_encoder_t* encoder,
                                    weft_future_t* future) {
  uint64_t data[PENDING_BYTES / 8] = {MODE_PENDING, 0, 0};
  weft_holder_t maker;
  WEFT_RETURN_IF_ERROR(
      weft_export_create(exports, peer, future, &data[1], &maker));
  data[2] = maker;
  return weft_encoder_extension(encoder, WEFT_EXTENSION_FUTURE, data,
                                sizeof(data));
}

// A future that has failed: its error, as a body inside of the body.
static __attribute__((noinline)) weft_status_t encode_failed(
    weft_encoder_t* encoder, weft_status_t error) {
  weft_encoder_t inner;
  weft_encoder_init(&inner, encoder->allocator, NULL, NULL);
  weft_status_t status =
      weft_encode_value(&inner, "mode", weft_int64(MODE_FAILED));
  if (status == WEFT_OK) {
    status = weft_encode_status(&inner, error);
  }
  if (status == WEFT_OK) {
    status = weft_encoder_extension(encoder, WEFT_EXTENSION_FUTURE, inner.data,
                                    (uint32_t)inner.size_bytes);
  }
  weft_encoder_deinit(&inner);
  return status;
}

weft_status_t weft_export_encode(weft_exports_t* exports, weft_peer_t* peer,
                                 weft_encoder_t* encoder,
                                 weft_future_t* future) {
  weft_future_start(future);
  if (!weft_future_is_done(future)) {
    return encode_pending(exports, peer, encoder, future);
  }
  weft_value_t value;
  weft_status_t error = weft_future_result(future, &value);
  if (error == WEFT_OK) {
    return weft_encode_value(encoder, "future", value);
  }
  weft_status_t status = encode_failed(encoder, error);
  weft_status_release(error);
  return status;
}

// --- Frames -----------------------------------------------------------------

void weft_remote_receive(weft_peer_t* peer, const weft_frame_t* frame) {
  switch (frame->type) {
    case WEFT_FRAME_VALUE:
      receive_value(peer, frame);
      break;
    case WEFT_FRAME_FOLLOWS:
      receive_follows(peer, frame);
      break;
    case WEFT_FRAME_SUBSCRIBE:
      weft_export_receive_subscribe(peer, frame);
      break;
    default:
      weft_export_receive_accept(peer, frame);
      break;
  }
}
