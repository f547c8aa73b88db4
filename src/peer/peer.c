// SPDX-License-Identifier: Apache-2.0
//
// Who is there, how each life of a peer begins and ends, and what links tell.

#include "peer/peers.h"

#include "base/assert.h"
#include "base/container.h"
#include "base/memory.h"
#include "peer/unnamed.h"
#include "sys/slab.h"
#include "trace/trace.h"

// See `outbox_limit`.
#define OUTBOX_LIMIT (UINT32_C(1) << 20)
// See `waiting_limit`.
#define WAITING_LIMIT ((size_t)1 << 20)

// How long the connector has to say how a peer died.
#define PATIENCE_NS INT64_C(500000000)

static const weft_link_sink_vtable_t sink_vtable;

static weft_peer_t* peer_of(weft_link_sink_t* sink) {
  return WEFT_CONTAINER_OF(sink, weft_peer_t, sink);
}

// --- Making peers -----------------------------------------------------------

static weft_peer_t* create_peer(weft_peers_t* peers, uint16_t rank) {
  const weft_allocator_t* allocator = peers->runtime->allocator;
  weft_peer_t* peer = weft_memory_allocate_zeroed(allocator, sizeof(*peer));
  if (peer == NULL) {
    return NULL;
  }
  peer->sink.vtable = &sink_vtable;
  peer->peers = peers;
  peer->runtime = peers->runtime;
  peer->rank = rank;
  weft_mutex_init(&peer->lock);
  weft_dlist_init(&peer->outbox);
  weft_dlist_init(&peer->waiters);
  weft_dlist_init(&peer->pending);
  weft_table_init(&peer->imports, allocator);
  weft_table_init(&peer->served, allocator);
  weft_table_init(&peer->segments, allocator);
  weft_table_init(&peer->windows, allocator);
  return peer;
}

static void free_nodes(weft_peer_t* peer, weft_table_t* table,
                       size_t node_bytes) {
  weft_table_node_t* node;
  while ((node = weft_table_take_any(table)) != NULL) {
    weft_slab_free(peer->peers->runtime->slab, node, node_bytes);
  }
  weft_table_deinit(table);
}

static void destroy_peer(weft_peer_t* peer, void* user) {
  (void)user;
  const weft_allocator_t* allocator = peer->peers->runtime->allocator;
  weft_link_destroy(peer->link);
  weft_status_release(peer->reason);
  weft_status_release(peer->obituary);
  weft_status_release(peer->last_word);
  weft_status_release(peer->missed);
  free_nodes(peer, &peer->segments, WEFT_SHOWN_BYTES);
  free_nodes(peer, &peer->windows, sizeof(weft_window_t));
  weft_unnamed_end(peer);
  weft_table_deinit(&peer->imports);
  weft_table_deinit(&peer->served);
  weft_memory_free(allocator, peer->ended_loans,
                   peer->loan_capacity * sizeof(*peer->ended_loans));
  weft_mutex_deinit(&peer->lock);
  weft_memory_free(allocator, peer, sizeof(*peer));
}

// --- Lives of a rank --------------------------------------------------------

// The lock of the peers is held.
static void set_locked(weft_peers_t* peers, uint16_t rank, weft_peer_t* peer) {
  // Release: pairs with the acquire in `weft_peers_at`.
  atomic_store_explicit(&peers->by_rank[rank], peer, memory_order_release);
}

static weft_peer_t* first_former(const weft_peers_t* peers) {
  // Acquire: pairs with the release in `set_aside_locked`.
  return atomic_load_explicit(&peers->former, memory_order_acquire);
}

// Whether a peer is of a life before this one. The lock of the peers is held.
static bool is_before(const weft_peer_t* peer, uint16_t incarnation) {
  uint16_t own = weft_peer_incarnation(peer);
  if (own == 0) {
    // It was never there; or it is the one that is to come.
    return incarnation != 0 && weft_peer_state(peer) == WEFT_PEER_DEAD;
  }
  return incarnation != 0 && (int16_t)(incarnation - own) > 0;
}

// The peer stays for those who have it; its link may still have to end.
static void set_aside_locked(weft_peers_t* peers, weft_peer_t* peer) {
  peer->next_former = first_former(peers);
  // Release: pairs with the acquire in `first_former`.
  atomic_store_explicit(&peers->former, peer, memory_order_release);
  set_locked(peers, peer->rank, NULL);
}

// The present peer of a rank, if there is one and it is not of a life before.
static weft_peer_t* present_locked(weft_peers_t* peers, uint16_t rank,
                                   uint16_t incarnation) {
  weft_peer_t* peer = weft_peers_at(peers, rank);
  if (peer != NULL && is_before(peer, incarnation)) {
    set_aside_locked(peers, peer);
    peer = NULL;
  }
  return peer;
}

static weft_peer_t* life_locked(const weft_peers_t* peers,
                                weft_holder_t holder) {
  weft_peer_t* peer = weft_peers_at(peers, (uint16_t)(holder >> 16));
  if (peer != NULL && weft_peer_incarnation(peer) == 0) {
    // It is the one that is to come.
    return peer;
  }
  if (peer == NULL || weft_peer_holder(peer) != holder) {
    peer = first_former(peers);
  }
  while (peer != NULL && weft_peer_holder(peer) != holder) {
    peer = peer->next_former;
  }
  return peer;
}

weft_peer_t* weft_peers_life(weft_peers_t* peers, weft_holder_t holder) {
  weft_mutex_lock(&peers->lock);
  weft_peer_t* peer = life_locked(peers, holder);
  weft_mutex_unlock(&peers->lock);
  return peer;
}

// The peer of this life, which is not that of a life to come.
static weft_status_t find_or_make_locked(weft_peers_t* peers, uint16_t rank,
                                         uint16_t incarnation,
                                         weft_peer_t** out_peer) {
  weft_peer_t* peer = present_locked(peers, rank, incarnation);
  if (peer == NULL) {
    peer = create_peer(peers, rank);
    set_locked(peers, rank, peer);
  }
  if (peer == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for rank %u", rank);
  }
  if (weft_peer_incarnation(peer) == 0) {
    // Relaxed: see `weft_peer_incarnation`.
    atomic_store_explicit(&peer->incarnation, incarnation,
                          memory_order_relaxed);
  } else if (incarnation != 0) {
    peer = life_locked(peers, weft_holder_make(rank, incarnation));
  }
  *out_peer = peer;
  return peer != NULL ? WEFT_OK
                      : weft_status_make(WEFT_STATUS_NOT_FOUND,
                                         "life %u of rank %u is over",
                                         incarnation, rank);
}

weft_status_t weft_peers_expect(weft_runtime_t* runtime, uint16_t rank,
                                uint16_t incarnation, weft_peer_t** out_peer) {
  weft_peers_t* peers = weft_peers_of(runtime);
  *out_peer = NULL;
  if (rank >= WEFT_RANK_LIMIT || rank == runtime->rank) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "rank %u is no other rank of a job: there are at "
                            "most %d",
                            rank, WEFT_RANK_LIMIT);
  }
  weft_mutex_lock(&peers->lock);
  weft_status_t status =
      find_or_make_locked(peers, rank, incarnation, out_peer);
  weft_mutex_unlock(&peers->lock);
  return status;
}

void weft_peers_renew(weft_runtime_t* runtime, uint16_t rank,
                      uint16_t incarnation) {
  weft_peers_t* peers = weft_peers_of(runtime);
  weft_mutex_lock(&peers->lock);
  (void)present_locked(peers, rank, incarnation);
  // Relaxed, both: written under the lock, for reports.
  if (rank >= atomic_load_explicit(&peers->rank_limit, memory_order_relaxed)) {
    atomic_store_explicit(&peers->rank_limit, rank + 1, memory_order_relaxed);
  }
  weft_mutex_unlock(&peers->lock);
}

uint32_t weft_peers_rank_limit(const weft_runtime_t* runtime) {
  // Relaxed: as above.
  uint32_t limit = atomic_load_explicit(&weft_peers_of(runtime)->rank_limit,
                                        memory_order_relaxed);
  uint32_t own =
      runtime->rank < runtime->size ? runtime->size : runtime->rank + 1;
  return limit > own ? limit : own;
}

void weft_peers_visit(weft_peers_t* peers,
                      void (*visit)(weft_peer_t* peer, void* user),
                      void* user) {
  for (uint16_t rank = 0; rank < WEFT_RANK_LIMIT; rank++) {
    weft_peer_t* peer = weft_peers_at(peers, rank);
    if (peer != NULL) {
      visit(peer, user);
    }
  }
  weft_peer_t* former = first_former(peers);
  while (former != NULL) {
    // The visit may be its end.
    weft_peer_t* next = former->next_former;
    visit(former, user);
    former = next;
  }
}

// Whether there is still a job. Errors: its reason to end.
static weft_status_t check_job(weft_peers_t* peers) {
  weft_mutex_lock(&peers->lock);
  weft_status_t reason = weft_status_retain(peers->end_reason);
  weft_mutex_unlock(&peers->lock);
  return reason;
}

// --- Life of a peer ---------------------------------------------------------

static void set_state_locked(weft_peer_t* peer, weft_peer_state_t state) {
  // Release: pairs with the acquire in `weft_peer_state`.
  atomic_store_explicit(&peer->state, state, memory_order_release);
}

// Gives back what a dead peer is of no use for: all but its name and how it
// died, and what is left to be done by those that have it.
static void give_back(weft_peer_t* peer) {
  weft_mutex_lock(&peer->lock);
  weft_link_t* link = peer->link;
  peer->link = NULL;
  free_nodes(peer, &peer->segments, WEFT_SHOWN_BYTES);
  weft_table_init(&peer->segments, peer->runtime->allocator);
  weft_windows_strike_off_locked(peer);
  weft_loans_give_back_locked(peer);
  weft_mutex_unlock(&peer->lock);
  weft_link_destroy(link);
}

// Everything that waits for the peer ends. Once for each peer; everything that
// it sent has been dealt with. Owns: takes `reason` over.
static void bury(weft_peer_t* peer, weft_status_t reason) {
  weft_dlist_t outbox;
  weft_dlist_init(&outbox);
  weft_mutex_lock(&peer->lock);
  bool is_alive = peer->is_closing && peer->obituary == WEFT_OK;
  bool is_first = weft_peer_state(peer) != WEFT_PEER_DEAD;
  if (is_first) {
    // It may have been refused before, or this side closes the link.
    weft_status_release(peer->reason);
    peer->reason = reason;
    set_state_locked(peer, WEFT_PEER_DEAD);
    weft_dlist_move_all(&outbox, &peer->outbox);
    peer->outbox_count = 0;
    weft_peer_wake_locked(peer);
  }
  weft_mutex_unlock(&peer->lock);
  if (!is_first) {
    weft_status_release(reason);
    return;
  }
  weft_log_info("peer", "rank %u is gone: %s", peer->rank,
                weft_status_message(reason));
  weft_outbox_end(peer, &outbox);
  // One that was given up may live, and read what it was lent: that is free
  // when it is known to be gone, see `weft_peers_lose`.
  if (!is_alive) {
    weft_loans_strike_off(peer);
  }
  weft_calls_strike_off(peer);
  weft_remote_strike_off(peer);
  peer->peers->events->died(peer, reason);
  give_back(peer);
}

// Closes the link, if there is one: this side knows why, and from here on says
// so to whoever would send. What the peer has sent is dealt with first. The
// lock is held. Owns: takes `reason` over.
static void end_link_locked(weft_peer_t* peer, weft_status_t reason) {
  if (peer->link != NULL) {
    if (peer->reason == WEFT_OK) {
      peer->reason = weft_status_retain(reason);
    }
    weft_link_close(peer->link, reason);
  } else {
    weft_status_release(reason);
  }
}

// The same to a peer whose process may live.
static void close_link_locked(weft_peer_t* peer, weft_status_t reason) {
  peer->is_closing |= peer->link != NULL;
  end_link_locked(peer, reason);
}

void weft_peers_attach(weft_peer_t* peer, weft_link_t* link) {
  weft_mutex_lock(&peer->lock);
  weft_assert(peer->link == NULL);
  bool is_closed = peer->is_closed;
  peer->link = is_closed ? NULL : link;
  bool is_wanted = weft_peer_state(peer) == WEFT_PEER_CONNECTING;
  if (is_wanted) {
    // It may have been refused before.
    weft_status_release(peer->reason);
    peer->reason = WEFT_OK;
    set_state_locked(peer, WEFT_PEER_UP);
  } else if (!is_closed) {
    // It is dead by what others said of it.
    close_link_locked(peer, WEFT_OK);
  }
  weft_mutex_unlock(&peer->lock);
  if (is_closed) {
    weft_link_destroy(link);
  }
  if (is_wanted) {
    weft_log_debug("peer", "rank %u is connected", peer->rank);
    // What waits for the link.
    peer->sink.vtable->room(&peer->sink);
  }
}

void weft_peers_lose(weft_runtime_t* runtime, uint16_t rank,
                     uint16_t incarnation, weft_status_t reason) {
  weft_peer_t* peer = NULL;
  weft_status_t status = weft_peers_expect(runtime, rank, incarnation, &peer);
  if (status != WEFT_OK) {
    weft_status_release(status);
    weft_status_release(reason);
    return;
  }
  weft_mutex_lock(&peer->lock);
  // What was sent over a link is dealt with first; the link knows the end.
  bool is_linked = peer->link != NULL && peer->last_word == WEFT_OK;
  if (is_linked && incarnation != 0) {
    weft_status_release(peer->obituary);
    peer->obituary = weft_status_retain(reason);
    end_link_locked(peer, weft_status_retain(reason));
  }
  weft_mutex_unlock(&peer->lock);
  if (is_linked) {
    weft_status_release(reason);
  } else {
    bool was_dead = weft_peer_state(peer) == WEFT_PEER_DEAD;
    bury(peer, reason);
    if (was_dead) {
      // Which life it was may be known only now; or that it is gone for good.
      weft_loans_strike_off(peer);
    }
  }
}

static void end_peer(weft_peer_t* peer, void* user) {
  weft_status_t reason = *(weft_status_t*)user;
  weft_mutex_lock(&peer->lock);
  bool is_linked = peer->link != NULL && peer->last_word == WEFT_OK;
  if (is_linked) {
    close_link_locked(peer, weft_status_retain(reason));
  }
  weft_mutex_unlock(&peer->lock);
  if (!is_linked) {
    bury(peer, weft_status_retain(reason));
  }
}

// No link, for now. The lock is held. Owns: takes `why` over.
static void note_refusal_locked(weft_peer_t* peer, weft_status_t why) {
  weft_status_release(peer->reason);
  peer->reason = why;
  // Relaxed: see `weft_peer_is_refused`. Whoever fails may ask anew.
  atomic_store_explicit(&peer->is_wanted, false, memory_order_relaxed);
  weft_peer_wake_locked(peer);
}

// What was lent goes on with another peer, if there is memory for one.
static weft_peer_t* take_loans(weft_peer_t* peer, weft_status_t why) {
  weft_peer_t* next = create_peer(peer->peers, peer->rank);
  weft_mutex_lock(&peer->lock);
  // Its process lives, and holds what was lent to it.
  peer->is_closing = true;
  if (peer->reason == WEFT_OK) {
    peer->reason = weft_status_retain(why);
  }
  if (next != NULL) {
    // Relaxed: see `weft_peer_incarnation`.
    atomic_store_explicit(&next->incarnation, weft_peer_incarnation(peer),
                          memory_order_relaxed);
    next->reason = weft_status_retain(why);
    next->ended_loans = peer->ended_loans;
    next->ended_count = peer->ended_count;
    next->loan_count = peer->loan_count;
    next->loan_capacity = peer->loan_capacity;
    peer->ended_loans = NULL;
    peer->ended_count = 0;
    peer->loan_count = 0;
    peer->loan_capacity = 0;
  }
  weft_mutex_unlock(&peer->lock);
  return next;
}

// The other side had no room for its end of the link, which may be used, and
// waited for, by many, whom its end tells. Another peer is there for the next.
static void replace(weft_peer_t* peer, weft_status_t why) {
  weft_peers_t* peers = peer->peers;
  weft_peer_t* next = take_loans(peer, why);
  if (next != NULL) {
    weft_mutex_lock(&peers->lock);
    set_aside_locked(peers, peer);
    set_locked(peers, peer->rank, next);
    weft_mutex_unlock(&peers->lock);
  }
  end_peer(peer, &why);
}

void weft_peers_refuse(weft_runtime_t* runtime, uint16_t rank,
                       weft_status_t why) {
  weft_peer_t* peer = weft_peers_at(weft_peers_of(runtime), rank);
  // One that is dead stays so.
  weft_peer_state_t state =
      peer != NULL ? weft_peer_state(peer) : WEFT_PEER_DEAD;
  if (state == WEFT_PEER_UP) {
    replace(peer, why);
  } else if (state == WEFT_PEER_CONNECTING) {
    weft_mutex_lock(&peer->lock);
    note_refusal_locked(peer, weft_status_retain(why));
    weft_mutex_unlock(&peer->lock);
    // What goes out when there is a link is waited for elsewhere, if at all.
    weft_remote_strike_off(peer);
  }
  weft_status_release(why);
}

void weft_peers_give_up(weft_runtime_t* runtime, uint16_t rank,
                        uint16_t incarnation, weft_status_t reason) {
  weft_peer_t* peer = NULL;
  weft_status_t status = weft_peers_expect(runtime, rank, incarnation, &peer);
  if (status == WEFT_OK) {
    weft_mutex_lock(&peer->lock);
    // Also without a link: it may hold what others have lent on.
    peer->is_closing = true;
    weft_mutex_unlock(&peer->lock);
    end_peer(peer, &reason);
  }
  weft_status_release(status);
  weft_status_release(reason);
}

void weft_peers_end(weft_runtime_t* runtime, weft_status_t reason) {
  weft_peers_t* peers = weft_peers_of(runtime);
  weft_mutex_lock(&peers->lock);
  if (peers->end_reason == WEFT_OK) {
    peers->end_reason = weft_status_retain(reason);
  }
  weft_mutex_unlock(&peers->lock);
  weft_peers_visit(peers, end_peer, &reason);
  weft_status_release(reason);
}

void weft_peer_break(weft_peer_t* peer, weft_status_t reason) {
  weft_mutex_lock(&peer->lock);
  close_link_locked(peer, reason);
  weft_mutex_unlock(&peer->lock);
}

bool weft_peer_is_lost(weft_peer_t* peer) {
  weft_mutex_lock(&peer->lock);
  bool is_lost = peer->reason != WEFT_OK;
  weft_mutex_unlock(&peer->lock);
  return is_lost;
}

weft_status_t weft_peer_death(weft_peer_t* peer, const char* what) {
  weft_mutex_lock(&peer->lock);
  weft_status_t cause = weft_status_retain(peer->reason);
  weft_mutex_unlock(&peer->lock);
  weft_status_code_t code =
      cause != WEFT_OK && weft_status_code(cause) != WEFT_STATUS_OK
          ? weft_status_code(cause)
          : WEFT_STATUS_PEER_DIED;
  bool is_dead = weft_peer_state(peer) == WEFT_PEER_DEAD;
  return weft_status_make_caused(
      code, cause,
      is_dead ? "%s: rank %u is gone" : "%s: rank %u cannot be reached now",
      what, peer->rank);
}

weft_status_t weft_peer_check_served_locked(const weft_peer_t* peer) {
  return peer->served.count < peer->peers->waiting_limit
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "rank %u has %zu calls here that wait for "
                                "their answer, the most that one rank may",
                                peer->rank, peer->served.count);
}

// --- Finding ----------------------------------------------------------------

static weft_status_t begin_to_connect(weft_peers_t* peers, uint16_t rank) {
  // Acquire: pairs with the release of whoever set it.
  weft_connector_t* connector =
      atomic_load_explicit(&peers->connector, memory_order_acquire);
  if (connector == NULL) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "there is no rank %u: this process is not part of "
                            "a job; start it with `weft run`",
                            rank);
  }
  WEFT_RETURN_IF_ERROR(weft_async_check_process(peers->runtime));
  WEFT_RETURN_IF_ERROR(check_job(peers));
  weft_peer_t* peer;
  WEFT_RETURN_IF_ERROR(weft_peers_expect(peers->runtime, rank, 0, &peer));
  // Relaxed: the first asks, and that is all.
  if (!atomic_exchange_explicit(&peer->is_wanted, true, memory_order_relaxed)) {
    connector->connect(connector, rank);
  }
  return WEFT_OK;
}

// A peer may be known that nobody has wanted to reach so far.
static bool is_to_be_connected(weft_peer_t* peer) {
  // Whoever asks a second time does no harm.
  return peer == NULL || weft_peer_is_refused(peer);
}

weft_status_t weft_peer_check(weft_peer_t* peer, uint16_t incarnation) {
  if (weft_peer_state(peer) == WEFT_PEER_DEAD) {
    return weft_peer_death(peer, "nothing can be sent");
  }
  // Written before the state became UP, and 0 until then.
  uint16_t present =
      weft_peer_state(peer) == WEFT_PEER_UP ? weft_peer_incarnation(peer) : 0;
  if (incarnation != 0 && present != 0 && incarnation != present) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "life %u of rank %u is over; it is in life %u",
                            incarnation, peer->rank, present);
  }
  return WEFT_OK;
}

weft_status_t weft_peers_reach(weft_runtime_t* runtime, uint16_t rank,
                               weft_peer_t** out_peer) {
  weft_peers_t* peers = weft_peers_of(runtime);
  *out_peer = NULL;
  weft_peer_t* peer = weft_peers_at(peers, rank);
  if (is_to_be_connected(peer)) {
    WEFT_RETURN_IF_ERROR(begin_to_connect(peers, rank));
    peer = weft_peers_at(peers, rank);
  }
  *out_peer = peer;
  return WEFT_OK;
}

weft_status_t weft_peers_find(weft_runtime_t* runtime, uint16_t rank,
                              uint16_t incarnation, weft_peer_t** out_peer) {
  weft_peer_t* peer;
  *out_peer = NULL;
  WEFT_RETURN_IF_ERROR(weft_peers_reach(runtime, rank, &peer));
  WEFT_RETURN_IF_ERROR(weft_peer_check(peer, incarnation));
  *out_peer = peer;
  return WEFT_OK;
}

// --- What the link tells ----------------------------------------------------

static void frame_came(weft_link_sink_t* sink, const void* data,
                       size_t size_bytes) {
  weft_peer_t* peer = peer_of(sink);
  const weft_frame_t* frame = data;
  weft_status_t status = weft_frame_check(frame, size_bytes);
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
    return;
  }
  // Relaxed: the heartbeat only compares it.
  atomic_store_explicit(
      &peer->heard,
      atomic_load_explicit(&peer->heard, memory_order_relaxed) + 1,
      memory_order_relaxed);
  switch (frame->type) {
    case WEFT_FRAME_REPLY:
      weft_calls_receive_reply(peer, frame);
      break;
    case WEFT_FRAME_VALUE:
    case WEFT_FRAME_SUBSCRIBE:
    case WEFT_FRAME_ACCEPT:
    case WEFT_FRAME_FOLLOWS:
      weft_remote_receive(peer, frame);
      break;
    case WEFT_FRAME_LEND:
    case WEFT_FRAME_UNLEND:
    case WEFT_FRAME_RELEASE:
      weft_loans_receive(peer, frame);
      break;
    case WEFT_FRAME_DROP:
      weft_loans_receive_drop(peer, frame);
      break;
    case WEFT_FRAME_PROBE:
      weft_probe_receive(peer, frame);
      break;
    case WEFT_FRAME_MISSED:
      weft_loans_receive_missed(peer);
      break;
    case WEFT_FRAME_PING:
    case WEFT_FRAME_PONG:
      weft_heartbeat_receive(peer, frame);
      break;
    default:
      peer->peers->events->frame(peer, frame);
      break;
  }
}

static void descriptor_came(weft_link_sink_t* sink, uint64_t tag,
                            int descriptor) {
  weft_loans_receive_segment(peer_of(sink), tag, descriptor);
}

static void room_came(weft_link_sink_t* sink) {
  weft_outbox_write(peer_of(sink));
}

// Nobody said how the peer died: what the link knows has to do.
static void lose_patience(weft_timer_t* timer, void* user) {
  weft_peer_t* peer = user;
  (void)timer;
  weft_mutex_lock(&peer->lock);
  weft_status_t reason = weft_status_retain(peer->last_word);
  weft_mutex_unlock(&peer->lock);
  bury(peer, reason);
}

// Whether the connector will say more than the link does: how the peer died, or
// that the whole job ends, which others may have heard first. The lock is held.
static bool is_word_due_locked(const weft_peer_t* peer, weft_status_t reason) {
  weft_status_code_t code = weft_status_code(reason);
  // Acquire: pairs with the release of whoever set it.
  const weft_connector_t* connector =
      atomic_load_explicit(&peer->peers->connector, memory_order_acquire);
  return connector != NULL && connector->tells_deaths && !peer->is_closing &&
         (code == WEFT_STATUS_PEER_DIED || code == WEFT_STATUS_CLOSED);
}

// A dead peer keeps no descriptors and no memory of its link.
static void link_closed(weft_link_sink_t* sink, weft_status_t reason) {
  weft_peer_t* peer = peer_of(sink);
  weft_status_t end = check_job(peer->peers);
  weft_mutex_lock(&peer->lock);
  bool waits = is_word_due_locked(peer, reason);
  if (peer->is_closing && peer->reason != WEFT_OK) {
    // The peer may have hung up first.
    weft_status_release(reason);
    reason = weft_status_retain(peer->reason);
  }
  if (peer->is_closing && end != WEFT_OK) {
    // The peer may have hung up first, as a job that ends does on all sides.
    weft_status_t other = reason;
    reason = end;
    end = other;
  }
  if (waits && peer->obituary != WEFT_OK) {
    weft_status_release(reason);
    reason = weft_status_retain(peer->obituary);
    waits = false;
  }
  if (waits) {
    peer->last_word = weft_status_retain(reason);
  }
  weft_link_t* link = peer->link;
  peer->link = NULL;
  peer->is_closed = true;
  weft_mutex_unlock(&peer->lock);
  weft_status_release(end);
  if (waits) {
    weft_runtime_t* runtime = peer->runtime;
    int64_t now_ns = weft_runtime_now_ns(runtime);
    weft_status_t status = weft_timer_start(
        runtime, &peer->patience, now_ns + PATIENCE_NS, 0, lose_patience, peer);
    // A runtime that stops has no timers any more.
    waits = weft_status_ignore(status) == WEFT_STATUS_OK;
  }
  if (waits) {
    weft_status_release(reason);
  } else {
    bury(peer, reason);
  }
  weft_link_destroy(link);
}

static const weft_link_sink_vtable_t sink_vtable = {
    .frame = frame_came,
    .descriptor = descriptor_came,
    .room = room_came,
    .closed = link_closed,
};

// --- Life of the layer ------------------------------------------------------

weft_status_t weft_peers_create(weft_runtime_t* runtime,
                                const weft_peer_events_t* events) {
  weft_peers_t* peers =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*peers));
  if (peers == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the table of peers");
  }
  peers->runtime = runtime;
  peers->events = events;
  weft_mutex_init(&peers->lock);
  weft_mutex_init(&peers->calls_lock);
  weft_ids_init(&peers->calls, runtime->allocator);
  weft_ids_init(&peers->exports, runtime->allocator);
  peers->outbox_limit = OUTBOX_LIMIT;
  peers->waiting_limit = WAITING_LIMIT;
  weft_heartbeat_init(peers);
  runtime->slots[WEFT_SLOT_PEER] = peers;
  return weft_prober_init(peers);
}

void weft_peers_set_connector(weft_runtime_t* runtime,
                              weft_connector_t* connector) {
  // Release: pairs with the acquire in `begin_to_connect`.
  atomic_store_explicit(&weft_peers_of(runtime)->connector, connector,
                        memory_order_release);
}

static void stop_peer(weft_peer_t* peer, void* user) {
  (void)user;
  bury(peer, weft_status_make(WEFT_STATUS_CLOSED, "the runtime stops"));
  (void)weft_timer_stop(&peer->patience);
}

void weft_peers_stop(weft_runtime_t* runtime) {
  weft_peers_t* peers = weft_peers_of(runtime);
  if (peers != NULL) {
    weft_heartbeat_stop(peers);
    weft_prober_stop(peers);
    weft_peers_visit(peers, stop_peer, NULL);
    weft_exports_stop(peers);
  }
}

void weft_peers_destroy(weft_runtime_t* runtime) {
  weft_peers_t* peers = weft_peers_of(runtime);
  if (peers == NULL) {
    return;
  }
  weft_prober_deinit(peers);
  weft_peers_visit(peers, destroy_peer, NULL);
  weft_status_release(peers->end_reason);
  weft_ids_deinit(&peers->calls);
  weft_ids_deinit(&peers->exports);
  weft_mutex_deinit(&peers->calls_lock);
  weft_mutex_deinit(&peers->lock);
  weft_memory_free(runtime->allocator, peers, sizeof(*peers));
  runtime->slots[WEFT_SLOT_PEER] = NULL;
}
