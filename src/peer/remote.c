// SPDX-License-Identifier: Apache-2.0

#include "peer/remote.h"

#include <stdio.h>

#include "base/container.h"
#include "base/memory.h"
#include "sys/slab.h"

// What stands in a body.
enum {
  // 0 and the number of an export, 8 bytes each.
  MODE_PENDING = 0,
  // A body: this number, then a status.
  MODE_FAILED = 1
};

#define PENDING_BYTES 16

static weft_status_t no_memory(const weft_peer_t* peer) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for a future that rank %u shares",
                          peer->rank);
}

// --- Imports ----------------------------------------------------------------

typedef struct import {
  weft_future_t future;
  // Among those of its maker, until all that may come has come; the list holds
  // a reference. The rest is guarded by `calls_lock`.
  weft_table_node_t node;
  // Whose death ends it: the owner, or whoever the owner says makes the value.
  weft_peer_t* maker;
  // Whoever makes it has sent the outcome.
  bool is_made;
  // The outcome came before the frame that names it.
  bool is_early;
  // By whom and how it was named.
  weft_peer_t* owner;
  uint64_t id;
} import_t;

static size_t describe_import(const weft_future_t* future, char* buffer,
                              size_t capacity) {
  const import_t* import = (const import_t*)(const void*)future;
  return (size_t)snprintf(buffer, capacity, "future of rank %u",
                          import->owner->rank);
}

static const weft_future_class_t import_class = {
    .name = "future of another process",
    .size_bytes = sizeof(import_t),
    .describe = describe_import,
};

// Owner and number in one: numbers have 26 bits of place and 32 of use.
static uint64_t key_of(uint16_t owner_rank, uint64_t id) {
  return id ^ (uint64_t)(owner_rank & 0x3f) << 26 ^
         (uint64_t)(owner_rank >> 6 & 0x1f) << 59;
}

static import_t* import_of(weft_table_node_t* node) {
  return node != NULL ? WEFT_CONTAINER_OF(node, import_t, node) : NULL;
}

// Makes one that is in no list. `references` counts the list's.
static import_t* allocate_import(weft_peer_t* owner, uint64_t id,
                                 uint32_t references) {
  weft_future_t* future =
      weft_future_allocate(owner->runtime, &import_class, references);
  import_t* import = (import_t*)(void*)future;
  if (import != NULL) {
    import->maker = owner;
    import->is_made = false;
    import->is_early = false;
    import->owner = owner;
    import->id = id;
  }
  return import;
}

// Lists an import with its owner, or finds the one whose outcome came early.
// NULL when the number is in use, or the owner is dead. `calls_lock` is held.
static import_t* list_locked(import_t* import) {
  weft_peer_t* owner = import->owner;
  uint64_t key = key_of(owner->rank, import->id);
  import_t* known = import_of(weft_table_find(&owner->imports, key));
  if (known != NULL && known->is_early) {
    known->is_early = false;
    return known;
  }
  if (known != NULL || weft_peer_state(owner) == WEFT_PEER_DEAD) {
    return NULL;
  }
  weft_table_insert(&owner->imports, &import->node, key);
  weft_heartbeat_start_locked(owner);
  return import;
}

static weft_status_t create_import(weft_peer_t* owner, uint64_t id,
                                   weft_value_t* out_value) {
  // For the value, and the list.
  import_t* import = allocate_import(owner, id, 2);
  if (import == NULL) {
    return no_memory(owner);
  }
  weft_mutex_lock(&owner->peers->calls_lock);
  import_t* listed = list_locked(import);
  if (listed != NULL && listed != import) {
    weft_future_retain(&listed->future);
  }
  weft_mutex_unlock(&owner->peers->calls_lock);
  if (listed != import) {
    weft_future_free_unshared(&import->future);
  }
  if (listed == NULL) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent one future twice", owner->rank);
  }
  *out_value = weft_future_lend(&listed->future);
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
  return create_import(peer, words[1], out_value);
}

typedef struct search {
  uint64_t key;
  import_t* found;
} search_t;

// Looks with one peer: the maker need not be the owner.
static void look_with(weft_peer_t* maker, void* user) {
  search_t* search = user;
  if (search->found == NULL) {
    search->found = import_of(weft_table_find(&maker->imports, search->key));
  }
}

// `calls_lock` is held. Nearly always it is with the owner or with the sender.
static import_t* find_locked(const weft_peer_t* owner, weft_peer_t* sender,
                             uint64_t id) {
  search_t search = {.key = key_of(owner->rank, id)};
  search.found = import_of(weft_table_find(&owner->imports, search.key));
  look_with(sender, &search);
  if (search.found == NULL) {
    weft_peers_visit(owner->peers, look_with, &search);
  }
  return search.found;
}

static void unlist_locked(import_t* import) {
  (void)weft_table_remove(&import->maker->imports, import->node.key);
}

// Lists an outcome whose future is not known yet: what names it comes another
// way. False without memory, or when the owner is dead and it never comes.
static bool list_early_locked(import_t* import) {
  if (import == NULL || weft_peer_state(import->owner) == WEFT_PEER_DEAD) {
    return false;
  }
  import->is_early = true;
  import->is_made = true;
  weft_table_insert(&import->owner->imports, &import->node,
                    key_of(import->owner->rank, import->id));
  return true;
}

// What an outcome is for.
typedef struct arrival {
  weft_peer_t* owner;
  // Who sent it; NULL: this runtime.
  weft_peer_t* sender;
  uint64_t id;
  // The owner has more to say.
  bool has_more;
} arrival_t;

// Finds what an outcome is for, with a reference. An import leaves its list
// when nothing more comes for it. `calls_lock` is held.
static import_t* arrive_locked(const arrival_t* arrival, import_t** spare) {
  weft_peer_t* sender =
      arrival->sender != NULL ? arrival->sender : arrival->owner;
  bool is_owners = arrival->sender == arrival->owner;
  import_t* import = find_locked(arrival->owner, sender, arrival->id);
  if (import == NULL) {
    // What the owner sends comes after what names it.
    import = !is_owners && list_early_locked(*spare) ? *spare : NULL;
    *spare = import != NULL ? NULL : *spare;
    return import != NULL
               ? (import_t*)(void*)weft_future_retain(&import->future)
               : NULL;
  }
  bool is_last =
      is_owners ? !arrival->has_more
                : arrival->sender == NULL || import->maker == arrival->sender;
  import->is_made = import->is_made || !is_owners;
  if (is_last) {
    // The list's reference is the caller's.
    unlist_locked(import);
    return import;
  }
  return (import_t*)(void*)weft_future_retain(&import->future);
}

// An outcome has come. Owns: takes both over.
static void arrive(const arrival_t* arrival, weft_status_t status,
                   weft_value_t value) {
  weft_peers_t* peers = arrival->owner->peers;
  import_t* spare = arrival->sender != arrival->owner
                        ? allocate_import(arrival->owner, arrival->id, 1)
                        : NULL;
  bool is_unlistable = spare == NULL && arrival->sender != NULL &&
                       arrival->sender != arrival->owner;
  weft_mutex_lock(&peers->calls_lock);
  import_t* import = arrive_locked(arrival, &spare);
  weft_mutex_unlock(&peers->calls_lock);
  if (spare != NULL) {
    weft_future_free_unshared(&spare->future);
  }
  if (import == NULL && is_unlistable) {
    // Nobody must wait for ever for what is lost here.
    weft_peer_break(arrival->sender, no_memory(arrival->owner));
  }
  if (import != NULL) {
    weft_future_complete_owned(&import->future, status, value);
  } else {
    weft_status_release(status);
    weft_value_release(value);
  }
}

// The owner of a future that a frame is about; NULL when it cannot be.
static weft_peer_t* owner_of(weft_peer_t* peer, weft_holder_t holder) {
  weft_peer_t* owner = NULL;
  if (holder == weft_peer_holder(peer)) {
    return peer;
  }
  weft_status_release(weft_peers_expect(peer->runtime, (uint16_t)(holder >> 16),
                                        (uint16_t)holder, &owner));
  return owner;
}

static void receive_value(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_status_t status = WEFT_OK;
  weft_value_t value = weft_none();
  arrival_t arrival = {
      .owner = owner_of(peer, frame->target_index),
      .sender = peer,
      .id = frame->id,
      .has_more = (frame->flags & WEFT_FRAME_MORE) != 0,
  };
  weft_delivery_read_outcome(peer, frame, &status, &value);
  if (arrival.owner != NULL) {
    arrive(&arrival, status, value);
  } else {
    weft_status_release(status);
    weft_value_release(value);
  }
}

void weft_import_complete_here(weft_peers_t* peers, weft_holder_t owner,
                               uint64_t id, weft_future_t* future) {
  weft_value_t value;
  arrival_t arrival = {
      .owner = weft_peers_life(peers, owner),
      .id = id,
  };
  weft_status_t status = weft_future_result(future, &value);
  if (arrival.owner != NULL) {
    arrive(&arrival, status, weft_value_retain(value));
  } else {
    weft_status_release(status);
  }
}

// The owner's last word, when somebody else makes the value: from here on it
// is that one's death that ends it. What is over is given, off its list, and
// whether its outcome has come; NULL when nothing is over.
static import_t* follow_locked(weft_peer_t* owner, uint64_t id,
                               weft_peer_t* maker, bool is_here,
                               bool* out_is_made) {
  import_t* import = find_locked(owner, owner, id);
  *out_is_made = import != NULL && import->is_made;
  if (import == NULL || (is_here && !import->is_made)) {
    // What is made here is ended here.
    return NULL;
  }
  unlist_locked(import);
  // Looked at inside the lock: whoever buries the maker takes it afterwards.
  if (maker == NULL || import->is_made ||
      weft_peer_state(maker) == WEFT_PEER_DEAD) {
    return import;
  }
  import->maker = maker;
  weft_table_insert(&maker->imports, &import->node, import->node.key);
  weft_heartbeat_start_locked(maker);
  return NULL;
}

static void receive_follows(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_peers_t* peers = peer->peers;
  weft_holder_t holder = frame->target_index;
  weft_peer_t* maker = NULL;
  bool is_made;
  bool is_here = holder == weft_peers_self(peers);
  if (holder != 0 && !is_here) {
    weft_status_release(
        weft_peers_reach(peers->runtime, (uint16_t)(holder >> 16), &maker));
  }
  weft_mutex_lock(&peers->calls_lock);
  import_t* import = follow_locked(peer, frame->id, maker, is_here, &is_made);
  weft_mutex_unlock(&peers->calls_lock);
  if (import != NULL && is_made) {
    // Another thread may be about to complete it with what the maker sent.
    weft_future_release(&import->future);
  } else if (import != NULL) {
    // Nothing if it has its outcome.
    weft_future_complete_owned(
        &import->future,
        maker != NULL
            ? weft_peer_death(maker, "a future will not come")
            : weft_status_make(WEFT_STATUS_ABANDONED,
                               "nobody sends a future of rank %u", peer->rank),
        weft_none());
  }
}

static import_t* take_any_import(weft_peer_t* maker) {
  weft_mutex_lock(&maker->peers->calls_lock);
  import_t* import = import_of(weft_table_take_any(&maker->imports));
  weft_mutex_unlock(&maker->peers->calls_lock);
  return import;
}

void weft_remote_strike_off(weft_peer_t* peer) {
  import_t* import;
  weft_exports_strike_off(peer);
  while ((import = take_any_import(peer)) != NULL) {
    weft_future_complete_owned(&import->future,
                               weft_peer_death(peer, "a future will not come"),
                               weft_none());
  }
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
  uint64_t data[PENDING_BYTES / 8] = {MODE_PENDING, 0};
  WEFT_RETURN_IF_ERROR(weft_export_create(exports, peer, future, &data[1]));
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
