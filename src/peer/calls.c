// SPDX-License-Identifier: Apache-2.0
//
// Replies to come, by number.

#include "base/container.h"
#include "peer/peers.h"

weft_status_t weft_calls_add(weft_peer_t* peer, weft_pending_t* pending,
                             uint64_t* out_id) {
  weft_peers_t* peers = peer->peers;
  pending->peer = peer;
  weft_mutex_lock(&peers->calls_lock);
  // Looked at inside the lock: whoever buries the peer takes it afterwards,
  // and finds what is listed here.
  bool is_dead = weft_peer_state(peer) == WEFT_PEER_DEAD;
  pending->id = is_dead ? 0 : weft_ids_give(&peers->calls, pending);
  *out_id = pending->id;
  bool is_listed = pending->id != 0;
  if (is_listed) {
    weft_dlist_append(&peer->pending, &pending->node);
    weft_heartbeat_start_locked(peer);
  }
  weft_mutex_unlock(&peers->calls_lock);
  if (is_dead) {
    return weft_peer_death(peer, "nothing can be called");
  }
  return is_listed ? WEFT_OK
                   : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                      "no memory for the call, of %u that are "
                                      "out",
                                      peers->calls.used);
}

// The lock is held.
static void unlist(weft_peers_t* peers, weft_pending_t* pending) {
  (void)weft_ids_take(&peers->calls, pending->id);
  weft_dlist_remove(&pending->node);
  pending->id = 0;
}

bool weft_calls_take(weft_pending_t* pending, uint64_t* out_id) {
  weft_peers_t* peers = pending->peer->peers;
  weft_mutex_lock(&peers->calls_lock);
  *out_id = pending->id;
  if (pending->id != 0) {
    unlist(peers, pending);
  }
  weft_mutex_unlock(&peers->calls_lock);
  return *out_id != 0;
}

void weft_calls_receive_reply(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_peers_t* peers = peer->peers;
  weft_mutex_lock(&peers->calls_lock);
  weft_pending_t* pending = weft_ids_find(&peers->calls, frame->id);
  // Only the peer that was called may answer.
  if (pending != NULL && pending->peer != peer) {
    pending = NULL;
  }
  if (pending != NULL) {
    unlist(peers, pending);
  }
  weft_mutex_unlock(&peers->calls_lock);
  // A late reply is read all the same: it may carry loans.
  weft_status_t status = WEFT_OK;
  weft_value_t value = weft_none();
  weft_delivery_read_outcome(peer, frame, &status, &value);
  if (pending != NULL) {
    pending->complete(pending, status, value);
  } else {
    weft_status_release(status);
    weft_value_release(value);
  }
}

static weft_pending_t* take_first(weft_peer_t* peer) {
  weft_peers_t* peers = peer->peers;
  weft_mutex_lock(&peers->calls_lock);
  weft_dlist_node_t* node = weft_dlist_first(&peer->pending);
  weft_pending_t* pending =
      node != NULL ? WEFT_CONTAINER_OF(node, weft_pending_t, node) : NULL;
  if (pending != NULL) {
    unlist(peers, pending);
  }
  weft_mutex_unlock(&peers->calls_lock);
  return pending;
}

void weft_calls_strike_off(weft_peer_t* peer) {
  weft_pending_t* pending;
  while ((pending = take_first(peer)) != NULL) {
    char loss[WEFT_LOSS_BYTES];
    pending->describe_loss(pending, loss, sizeof(loss));
    pending->complete(pending, weft_peer_death(peer, loss), weft_none());
  }
}
