// SPDX-License-Identifier: Apache-2.0
//
// A peer that is dead is noticed by the kernel; one that is stopped is not. So
// while somebody waits for an answer of a peer that says nothing it is asked
// whether it is there. What answers is whoever polls there, or its service
// thread, never a handler: a peer that computes for long is not taken for dead.
//
// One that is silent for too long is reported, and whoever can tell decides for
// all whether it lives. If nothing comes of that, as the peer answers everybody
// else or nobody decides, the link to it is closed for this runtime alone.
//
// Once all peers that are waited for have been heard, since the last call was
// made, nobody need wait for the next look: it is in the background.

#include <stdlib.h>

#include "peer/peers.h"
#include "trace/trace.h"

// How long a peer may be silent before it is reported, unless the environment
// says else: with the look before it, and the decision, that makes 10. Units:
// s.
#define TIMEOUT_S 7
// In that time it is looked at so often; and so many looks in vain are enough
// to suspect it.
#define LOST_TICKS 10
#define SUSPECT_TICKS 3
// How long the connector has to decide on one that was reported.
#define DECISION_NS INT64_C(10000000000)

void weft_heartbeat_init(weft_peers_t* peers) {
  const char* text = weft_sys_environment("WEFT_PEER_TIMEOUT");
  char* end = NULL;
  double timeout_s = text != NULL ? strtod(text, &end) : TIMEOUT_S;
  if (text != NULL &&
      (end == text || *end != '\0' || !(timeout_s >= 0 && timeout_s <= 1e6))) {
    weft_log_warning("peer",
                     "WEFT_PEER_TIMEOUT is '%s', and should be seconds: it is "
                     "taken for %d",
                     text, TIMEOUT_S);
    timeout_s = TIMEOUT_S;
  }
  peers->tick_ns = (int64_t)(timeout_s * 1e9 / LOST_TICKS);
}

static void write_simple(weft_peer_t* peer, weft_frame_type_t type) {
  weft_frame_t frame = {.type = (uint8_t)type, .timeout_ns = INT64_MAX};
  weft_mutex_lock(&peer->lock);
  // The link may have ended, and the peer's end be on its way.
  if (weft_peer_state(peer) == WEFT_PEER_UP && peer->link != NULL) {
    // Without room there are frames enough that the peer has not looked at.
    weft_status_release(
        weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED));
    weft_link_flush(peer->link);
  }
  weft_mutex_unlock(&peer->lock);
}

void weft_heartbeat_await_locked(weft_peer_t* peer) {
  peer->awaited_count++;
  weft_heartbeat_start_locked(peer);
}

void weft_peer_await(weft_peer_t* peer) {
  weft_mutex_lock(&peer->peers->calls_lock);
  weft_heartbeat_await_locked(peer);
  weft_mutex_unlock(&peer->peers->calls_lock);
}

void weft_peer_unawait(weft_peer_t* peer) {
  weft_mutex_lock(&peer->peers->calls_lock);
  peer->awaited_count--;
  weft_mutex_unlock(&peer->peers->calls_lock);
}

void weft_heartbeat_receive(weft_peer_t* peer, const weft_frame_t* frame) {
  if (frame->type == WEFT_FRAME_PING) {
    write_simple(peer, WEFT_FRAME_PONG);
  }
}

static int64_t silence_ns(const weft_peer_t* peer) {
  return peer->peers->tick_ns * peer->silent_ticks;
}

static void give_up(weft_peer_t* peer) {
  weft_peer_break(
      peer,
      weft_status_make(WEFT_STATUS_PEER_DIED,
                       "rank %u has said nothing for %.1f s: it is stopped, "
                       "or its host is overloaded",
                       peer->rank, (double)silence_ns(peer) / 1e9));
}

// A peer has said nothing for too long.
static void report(weft_peer_t* peer) {
  // Acquire: pairs with the release of whoever set it.
  weft_connector_t* connector =
      atomic_load_explicit(&peer->peers->connector, memory_order_acquire);
  int64_t limit_ns = LOST_TICKS * peer->peers->tick_ns + DECISION_NS;
  if (connector->report_silent == NULL || silence_ns(peer) >= limit_ns) {
    give_up(peer);
  } else {
    connector->report_silent(connector, peer->rank, weft_peer_incarnation(peer),
                             silence_ns(peer));
  }
}

// What a beat has seen.
typedef struct look {
  // All that are waited for have been heard.
  bool is_quiet;
  // Some peer is waited for.
  bool is_needed;
} look_t;

static void look_at(weft_peer_t* peer, void* user) {
  look_t* look = user;
  weft_peers_t* peers = peer->peers;
  weft_mutex_lock(&peers->calls_lock);
  bool is_waited_for =
      !weft_dlist_is_empty(&peer->pending) || peer->awaited_count > 0;
  bool was_called = peer->was_called;
  peer->was_called = false;
  weft_mutex_unlock(&peers->calls_lock);
  // Relaxed: only compared.
  uint64_t heard = atomic_load_explicit(&peer->heard, memory_order_relaxed);
  bool is_silent = heard == peer->heard_before;
  peer->heard_before = heard;
  if (!is_waited_for || weft_peer_state(peer) != WEFT_PEER_UP) {
    peer->silent_ticks = 0;
    return;
  }
  look->is_needed = true;
  peer->silent_ticks = is_silent ? peer->silent_ticks + 1 : 0;
  peer->has_answered = !was_called && (peer->has_answered || !is_silent);
  look->is_quiet = look->is_quiet && peer->has_answered;
  if (peer->silent_ticks == SUSPECT_TICKS) {
    weft_log_warning("peer", "rank %u has said nothing for %.1f s", peer->rank,
                     (double)silence_ns(peer) / 1e9);
  }
  if (is_silent) {
    write_simple(peer, WEFT_FRAME_PING);
  }
  if (peer->silent_ticks >= LOST_TICKS) {
    report(peer);
  }
}

static void beat(weft_timer_t* timer, void* user);

static void arm_locked(weft_peers_t* peers, bool is_quiet) {
  weft_runtime_t* runtime = peers->runtime;
  int64_t next_ns = weft_deadline_after(runtime, peers->tick_ns);
  weft_status_t status =
      is_quiet ? weft_timer_start_background(runtime, &peers->heartbeat,
                                             next_ns, beat, peers)
               : weft_timer_start(runtime, &peers->heartbeat, next_ns, 0, beat,
                                  peers);
  peers->is_beating = status == WEFT_OK;
  peers->is_quiet = is_quiet;
  // A runtime that stops has no use for it any more.
  weft_status_release(status);
}

static void beat(weft_timer_t* timer, void* user) {
  weft_peers_t* peers = user;
  look_t look = {.is_quiet = true, .is_needed = false};
  (void)timer;
  weft_peers_visit(peers, look_at, &look);
  weft_mutex_lock(&peers->calls_lock);
  peers->is_beating = false;
  if (!peers->is_stopping && (look.is_needed || peers->has_new_call)) {
    arm_locked(peers, look.is_quiet && !peers->has_new_call);
    peers->has_new_call = false;
  }
  weft_mutex_unlock(&peers->calls_lock);
}

void weft_heartbeat_start_locked(weft_peer_t* peer) {
  weft_peers_t* peers = peer->peers;
  peer->was_called = true;
  peers->has_new_call = true;
  if (!peers->is_beating && !peers->is_stopping && peers->tick_ns > 0) {
    arm_locked(peers, false);
  } else if (peers->is_quiet) {
    peers->is_quiet = false;
    weft_timer_bring_forward(&peers->heartbeat, WEFT_TIME_INFINITE);
  }
}

void weft_heartbeat_stop(weft_peers_t* peers) {
  weft_mutex_lock(&peers->calls_lock);
  peers->is_stopping = true;
  weft_mutex_unlock(&peers->calls_lock);
  (void)weft_timer_stop(&peers->heartbeat);
}
