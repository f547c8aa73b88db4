// SPDX-License-Identifier: Apache-2.0
//
// What the files of this folder share and others need not see.

#ifndef WEFT_PEER_PEERS_H_
#define WEFT_PEER_PEERS_H_

#include "peer/peer.h"
#include "peer/probe.h"

struct weft_peers {
  weft_runtime_t* runtime;
  const weft_peer_events_t* events;
  // NULL until it is set: nobody can be reached.
  _Atomic(weft_connector_t*) connector;
  _Atomic(weft_peer_t*) by_rank[WEFT_RANK_LIMIT];
  // Peers whose ranks live again, the last first; linked by `next_former`.
  _Atomic(weft_peer_t*) former;
  // See `weft_peers_rank_limit`. Written under the lock.
  _Atomic uint32_t rank_limit;
  // Guards making peers, and the reason below; leaf.
  weft_mutex_t lock;
  // Why the job has ended; WEFT_OK while it goes on.
  weft_status_t end_reason;
  // Guards calls, exports and imports, and the lists of them; see calls.c and
  // remote.c. Under it only the timers' lock is taken.
  weft_mutex_t calls_lock;
  // Of weft_pending_t; and of futures that peers wait for.
  weft_ids_t calls;
  weft_ids_t exports;
  // The heartbeat: runs while somebody waits for a peer.
  weft_timer_t heartbeat;
  bool is_beating;
  // The next beat is in the background.
  bool is_quiet;
  // A call was made since the last beat.
  bool has_new_call;
  // What may wait for a peer that asks for more. Of an honest one, that polls,
  // far less does.
  uint32_t outbox_limit;
  // How many calls of a peer may be unanswered here, and how many futures that
  // it has named without an outcome.
  size_t waiting_limit;
  // Between two looks at peers that are waited for; 0: none are taken.
  int64_t tick_ns;
  // No timer is started any more.
  bool is_stopping;
  // Finds circles that pass through other runtimes.
  weft_prober_t prober;
};

// The name of this runtime as a holder.
static inline weft_holder_t weft_peers_self(const weft_peers_t* peers) {
  return weft_holder_make((uint16_t)peers->runtime->rank,
                          (uint16_t)peers->runtime->incarnation);
}

// --- peer.c -----------------------------------------------------------------

// Calls `visit` with each peer that there is.
void weft_peers_visit(weft_peers_t* peers,
                      void (*visit)(weft_peer_t* peer, void* user), void* user);

// The peer of a rank, in its present life, if there is one.
static inline weft_peer_t* weft_peers_at(const weft_peers_t* peers,
                                         uint16_t rank) {
  // Acquire: pairs with the release of whoever made it.
  return rank < WEFT_RANK_LIMIT
             ? atomic_load_explicit(&peers->by_rank[rank], memory_order_acquire)
             : NULL;
}

// Whether there is a link that can be written to. The lock is held. Errors:
// WOULD_BLOCK (a code alone): not yet, or no more; else why this side closes
// it, or the peer is dead.
weft_status_t weft_peer_check_link_locked(const weft_peer_t* peer);

// The life of a rank that a holder names; NULL when it is not known. Takes the
// lock of the peers.
weft_peer_t* weft_peers_life(weft_peers_t* peers, weft_holder_t holder);

// --- outbox.c ---------------------------------------------------------------

// There is room: writes what waits, and wakes who does.
void weft_outbox_write(weft_peer_t* peer);
// Ends what is in the list. No lock is held.
void weft_outbox_end(weft_peer_t* peer, weft_dlist_t* outgoings);

// --- window.c ---------------------------------------------------------------

// The dead send nothing, and nothing is sent to them. The lock is held.
void weft_windows_strike_off_locked(weft_peer_t* peer);

// --- loans.c ----------------------------------------------------------------

// A block of the slab for each entry of `segments`.
#define WEFT_SHOWN_BYTES 24

// Loans of this runtime's memory that begin and end.
void weft_loans_receive(weft_peer_t* peer, const weft_frame_t* frame);
void weft_loans_receive_drop(weft_peer_t* peer, const weft_frame_t* frame);
// The peer has not got a segment that it was shown, and does not know which.
void weft_loans_receive_missed(weft_peer_t* peer);
// Tells peers of segments that are gone, which they alone keep.
void weft_loans_tell_dropped(weft_peers_t* peers);
// A descriptor of a segment has come; -1: it was lost.
void weft_loans_receive_segment(weft_peer_t* peer, uint64_t tag,
                                int descriptor);
// Tells what could not be told before. The lock is held.
void weft_loans_flush_locked(weft_peer_t* peer);
void weft_loans_strike_off(weft_peer_t* peer);
// Frees the room for ends of loans, when none are out. The lock is held.
void weft_loans_give_back_locked(weft_peer_t* peer);

// --- calls.c ----------------------------------------------------------------

void weft_calls_receive_reply(weft_peer_t* peer, const weft_frame_t* frame);
void weft_calls_strike_off(weft_peer_t* peer);

// --- remote.c ---------------------------------------------------------------

// Frames about futures.
void weft_remote_receive(weft_peer_t* peer, const weft_frame_t* frame);
void weft_remote_strike_off(weft_peer_t* peer);

// --- export.c ---------------------------------------------------------------

// After the end of all peers: futures that others waited for may have an
// outcome when nothing is left to send it with.
void weft_exports_stop(weft_peers_t* peers);

// --- heartbeat.c ------------------------------------------------------------

// Environment: WEFT_PEER_TIMEOUT; see runtime.h.
void weft_heartbeat_init(weft_peers_t* peers);
// Somebody waits for the peer, for an answer more: looks from time to time
// whether it still lives. `calls_lock` is held.
void weft_heartbeat_start_locked(weft_peer_t* peer);
// The same, for what is no call: until `awaited_count` is taken down again.
void weft_heartbeat_await_locked(weft_peer_t* peer);
void weft_heartbeat_receive(weft_peer_t* peer, const weft_frame_t* frame);
void weft_heartbeat_stop(weft_peers_t* peers);

#endif  // WEFT_PEER_PEERS_H_
