// SPDX-License-Identifier: Apache-2.0
//
// What goes to a peer: frames, what waits for room in a queue of nodes that are
// there already, and threads that wait for the link, for room, or for credit.

#include <string.h>

#include "base/container.h"
#include "peer/peers.h"

// --- Waiting ----------------------------------------------------------------

void weft_peer_join_locked(weft_peer_t* peer, weft_peer_waiter_t* waiter) {
  weft_parker_init(&waiter->parker, peer->peers->runtime);
  weft_dlist_append(&peer->waiters, &waiter->node);
}

weft_status_t weft_peer_wait(weft_peer_t* peer, weft_peer_waiter_t* waiter,
                             int64_t deadline_ns) {
  weft_status_t status = weft_park_for_work(&waiter->parker, deadline_ns);
  // Whoever wakes does so inside the lock, and takes the node off: afterwards
  // nobody knows this thread's stack any more.
  weft_mutex_lock(&peer->lock);
  if (!weft_dlist_node_is_free(&waiter->node)) {
    weft_dlist_remove(&waiter->node);
  }
  weft_mutex_unlock(&peer->lock);
  return status;
}

void weft_peer_wake_locked(weft_peer_t* peer) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&peer->waiters)) != NULL) {
    weft_peer_waiter_t* waiter =
        WEFT_CONTAINER_OF(node, weft_peer_waiter_t, node);
    weft_unpark(&waiter->parker);
  }
}

// --- Writing ----------------------------------------------------------------

weft_status_t weft_peer_check_link_locked(const weft_peer_t* peer) {
  if (peer->reason != WEFT_OK) {
    return weft_status_retain(peer->reason);
  }
  return peer->link != NULL ? WEFT_OK
                            : weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
}

weft_status_t weft_peer_write_locked(weft_peer_t* peer, weft_frame_t* head,
                                     const void* payload, size_t payload_bytes,
                                     weft_link_room_t room) {
  void* place = NULL;
  WEFT_RETURN_IF_ERROR(weft_peer_check_link_locked(peer));
  size_t size_bytes = sizeof(*head) + payload_bytes;
  head->size_bytes = (uint32_t)size_bytes;
  WEFT_RETURN_IF_ERROR(weft_link_reserve(peer->link, size_bytes, room, &place));
  memcpy(place, head, sizeof(*head));
  if (payload_bytes > 0) {
    memcpy((char*)place + sizeof(*head), payload, payload_bytes);
  }
  weft_link_commit(peer->link, size_bytes);
  return WEFT_OK;
}

void weft_peer_flush_locked(weft_peer_t* peer) {
  // A worker flushes when its task is over.
  if (weft_thread_self.worker == NULL && peer->link != NULL) {
    weft_link_flush(peer->link);
  }
}

// Writes, or queues what cannot be written now. True when it is over.
static bool write_or_queue_locked(weft_peer_t* peer,
                                  weft_outgoing_t* outgoing) {
  weft_status_t status = weft_dlist_is_empty(&peer->outbox)
                             ? outgoing->write(outgoing, peer)
                             : weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  if (status == WEFT_OK) {
    weft_peer_flush_locked(peer);
    return true;
  }
  // No room; or the link has ended, and the peer's end is to come.
  weft_status_release(status);
  weft_dlist_append(&peer->outbox, &outgoing->node);
  peer->outbox_count++;
  return false;
}

weft_status_t weft_peer_check_outbox_locked(const weft_peer_t* peer) {
  return peer->outbox_count < peer->peers->outbox_limit
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "rank %u asks for more while %u answers and "
                                "other frames wait for it to read",
                                peer->rank, peer->outbox_count);
}

// The lanes of a forked child are its parent's, and so are its locks.
static bool is_forked(const weft_peer_t* peer) {
  weft_status_t status = weft_async_check_process(peer->runtime);
  return weft_status_ignore(status) != WEFT_STATUS_OK;
}

bool weft_peer_send_if(weft_peer_t* peer, weft_outgoing_t* outgoing,
                       bool (*claim)(weft_outgoing_t* outgoing,
                                     weft_peer_t* peer)) {
  if (is_forked(peer)) {
    if (claim == NULL) {
      outgoing->end(outgoing, peer);
    }
    return claim == NULL;
  }
  weft_mutex_lock(&peer->lock);
  bool is_claimed = claim == NULL || claim(outgoing, peer);
  bool is_over = is_claimed && (weft_peer_state(peer) == WEFT_PEER_DEAD ||
                                write_or_queue_locked(peer, outgoing));
  weft_mutex_unlock(&peer->lock);
  if (is_over) {
    outgoing->end(outgoing, peer);
  }
  return is_claimed;
}

void weft_peer_send(weft_peer_t* peer, weft_outgoing_t* outgoing) {
  (void)weft_peer_send_if(peer, outgoing, NULL);
}

// Ends what was written, or will not be. No lock is held.
void weft_outbox_end(weft_peer_t* peer, weft_dlist_t* outgoings) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(outgoings)) != NULL) {
    weft_outgoing_t* outgoing = WEFT_CONTAINER_OF(node, weft_outgoing_t, node);
    outgoing->end(outgoing, peer);
  }
}

// Writes what waits, as far as there is room, and moves it to `written`.
static void write_outbox_locked(weft_peer_t* peer, weft_dlist_t* written) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_first(&peer->outbox)) != NULL) {
    weft_outgoing_t* outgoing = WEFT_CONTAINER_OF(node, weft_outgoing_t, node);
    weft_status_t status = outgoing->write(outgoing, peer);
    if (status != WEFT_OK) {
      weft_status_release(status);
      return;
    }
    weft_dlist_remove(node);
    peer->outbox_count--;
    weft_dlist_append(written, node);
  }
}

void weft_outbox_write(weft_peer_t* peer) {
  weft_dlist_t written;
  weft_dlist_init(&written);
  weft_mutex_lock(&peer->lock);
  if (peer->link != NULL) {
    write_outbox_locked(peer, &written);
    weft_loans_flush_locked(peer);
    weft_link_flush(peer->link);
  }
  weft_peer_wake_locked(peer);
  weft_mutex_unlock(&peer->lock);
  weft_outbox_end(peer, &written);
  peer->peers->events->room(peer);
}
