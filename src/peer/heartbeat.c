// SPDX-License-Identifier: Apache-2.0
//
// A peer that is dead is noticed by the kernel; one that is stopped is not. So
// while somebody waits for an answer of a peer that says nothing it is asked
// whether it is there. What answers is whoever polls there, or its service
// thread, never a handler: a peer that computes for long is not taken for dead.

#include "peer/peers.h"
#include "trace/trace.h"

#define TICK_NS 1000000000
// Ticks of silence before the peer is suspected, and before it is given up.
#define SUSPECT_TICKS 3
#define LOST_TICKS 10

static void write_simple(weft_peer_t* peer, weft_frame_type_t type) {
  weft_frame_t frame = {.type = (uint8_t)type, .timeout_ns = INT64_MAX};
  weft_mutex_lock(&peer->lock);
  if (weft_peer_state(peer) == WEFT_PEER_UP) {
    // Without room there are frames enough that the peer has not looked at.
    weft_status_release(
        weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED));
    weft_link_flush(peer->link);
  }
  weft_mutex_unlock(&peer->lock);
}

void weft_heartbeat_receive(weft_peer_t* peer, const weft_frame_t* frame) {
  if (frame->type == WEFT_FRAME_PING) {
    write_simple(peer, WEFT_FRAME_PONG);
  }
}

static void give_up(weft_peer_t* peer) {
  weft_peer_break(
      peer,
      weft_status_make(WEFT_STATUS_PEER_DIED,
                       "rank %u has said nothing for %d s: it is stopped, or "
                       "its host is overloaded",
                       peer->rank, LOST_TICKS));
}

static void look_at(weft_peer_t* peer, void* user) {
  weft_peers_t* peers = user;
  weft_mutex_lock(&peers->calls_lock);
  bool is_waited_for = !weft_dlist_is_empty(&peer->pending);
  weft_mutex_unlock(&peers->calls_lock);
  // Relaxed: only compared.
  uint64_t heard = atomic_load_explicit(&peer->heard, memory_order_relaxed);
  bool is_silent = heard == peer->heard_before;
  peer->heard_before = heard;
  if (!is_waited_for || weft_peer_state(peer) != WEFT_PEER_UP) {
    peer->silent_ticks = 0;
    return;
  }
  peer->silent_ticks = is_silent ? peer->silent_ticks + 1 : 0;
  if (peer->silent_ticks == SUSPECT_TICKS) {
    weft_log_warning("peer", "rank %u has said nothing for %d s", peer->rank,
                     SUSPECT_TICKS);
  }
  if (peer->silent_ticks >= LOST_TICKS) {
    give_up(peer);
  } else if (is_silent) {
    write_simple(peer, WEFT_FRAME_PING);
  }
}

static void beat(weft_timer_t* timer, void* user);

static void arm_locked(weft_peers_t* peers) {
  int64_t now_ns = weft_runtime_now_ns(peers->runtime);
  weft_status_t status = weft_timer_start(peers->runtime, &peers->heartbeat,
                                          now_ns + TICK_NS, 0, beat, peers);
  peers->is_beating = status == WEFT_OK;
  // A runtime that stops has no use for it any more.
  weft_status_release(status);
}

static void beat(weft_timer_t* timer, void* user) {
  weft_peers_t* peers = user;
  (void)timer;
  weft_peers_visit(peers, look_at, peers);
  weft_mutex_lock(&peers->calls_lock);
  peers->is_beating = false;
  weft_heartbeat_start_locked(peers);
  weft_mutex_unlock(&peers->calls_lock);
}

void weft_heartbeat_start_locked(weft_peers_t* peers) {
  if (!peers->is_beating && !peers->is_stopping && peers->calls.used > 0) {
    arm_locked(peers);
  }
}

void weft_heartbeat_stop(weft_peers_t* peers) {
  weft_mutex_lock(&peers->calls_lock);
  peers->is_stopping = true;
  weft_mutex_unlock(&peers->calls_lock);
  (void)weft_timer_stop(&peers->heartbeat);
}
