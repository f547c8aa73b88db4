// SPDX-License-Identifier: Apache-2.0
//
// The other runtimes of the job, by rank, and what passes between them: frames
// with values in them, calls whose reply is to come, futures that another
// runtime waits for, loans of memory.
//
//   peer.c       who is there: connecting, death
//   outbox.c     what goes out, and who waits for room
//   parcel.c     values on their way out;  delivery.c  those that have come
//   loans.c      what this runtime holds of others' memory
//   calls.c      replies to come
//   remote.c, export.c   futures known to other runtimes
//   heartbeat.c  finding peers that are stopped
//   probe.c      finding circles of waiting that pass through peers
//
// The life of a peer:
//
//   connecting --attach--> up --closed by the link, given up--> dead
//        '----------------------- died, given up, unreachable --^
//
// A connection that is refused, as there are no descriptors or no memory left
// for it, leaves the peer as it was: what waits for it fails, and whoever needs
// it next asks again. If only the other side had no room for its end, this one
// is up, and dies; and another peer takes its place, of the same life.
//
// The link knows first that a process is gone; whoever started it knows how it
// died. So the end of a peer waits a moment for that: errors say it. A process
// that the dead had forked keeps the link open: then whoever knows is believed,
// and the link is closed behind what it had carried.
//
// A dead peer stays, without its link: whoever names it is told why it died.
// When its rank lives again, as those of runtimes that join do, that life is
// another peer: a peer is found by rank and incarnation.
//
// Thread: any, unless it says otherwise. Frames are dealt with by whoever
// polls, one at a time for each peer.
// Locks: `lock` of a peer guards all that is sent to it; `calls_lock` the
// numbers of calls and futures. See ARCHITECTURE.md.

#ifndef WEFT_PEER_PEER_H_
#define WEFT_PEER_PEER_H_

#include "async/async.h"
#include "base/dlist.h"
#include "base/ids.h"
#include "base/table.h"
#include "link/link.h"
#include "memory/arena.h"
#include "wire/codec.h"

typedef struct weft_peer weft_peer_t;
typedef struct weft_peers weft_peers_t;
typedef struct weft_outgoing weft_outgoing_t;

// --- What others are told ---------------------------------------------------

// What a future is to the peer that makes its value.
typedef enum weft_origin_kind {
  // A call: this runtime's number for the reply.
  WEFT_ORIGIN_CALL = 0,
  // A future of the peer: the peer's number.
  WEFT_ORIGIN_EXPORT = 1
} weft_origin_kind_t;

typedef struct weft_origin_name {
  weft_peer_t* peer;
  weft_origin_kind_t kind;
  uint64_t id;
} weft_origin_name_t;

// What the layer above does with frames. One table a runtime.
typedef struct weft_peer_events {
  // A frame that is not this layer's own; its head was checked.
  void (*frame)(weft_peer_t* peer, const weft_frame_t* frame);
  // There may be room in the lane again: what found none may be tried again.
  // Called with no lock held.
  void (*room)(weft_peer_t* peer);
  // The peer is dead, everything that it sent has been dealt with. `reason`
  // is lent. Called once.
  void (*died)(weft_peer_t* peer, weft_status_t reason);
  // True, and where it is made, for a future that is a call to a peer.
  bool (*origin)(weft_future_t* future, weft_origin_name_t* out_origin);
  // The reply, with a reference, of a call of the peer that is served here and
  // has no outcome yet; NULL when there is none of this number.
  weft_future_t* (*served)(weft_peer_t* peer, uint64_t id);
  // Writes the end of a channel into a body for a peer, and adds what it has
  // to know of the parcel to a list, for `parcel_over`. NULL: as all kinds that
  // cannot be sent.
  weft_status_t (*encode_end)(weft_peer_t* peer, weft_encoder_t* encoder,
                              weft_value_t end, weft_dlist_t* trips);
  void (*parcel_over)(weft_dlist_t* trips, bool is_sent);
  // Makes an end of what a body says.
  weft_status_t (*decode_end)(weft_peer_t* peer, const void* data,
                              size_t size_bytes, weft_value_t* out_value);
} weft_peer_events_t;

// Who makes links: the job, or a simulation.
typedef struct weft_connector weft_connector_t;
struct weft_connector {
  // Begins to connect to a rank; ends in `weft_peers_attach`,
  // `weft_peers_refuse` or `weft_peers_lose`, perhaps before it returns. Called
  // with no lock held.
  void (*connect)(weft_connector_t* connector, uint16_t rank);
  // A connected peer has said nothing for so long. Whoever knows whether it
  // lives finds out, and tells all by `weft_peers_give_up` if it does not. Said
  // again and again while it says nothing; if nothing comes of it for 10 s,
  // this runtime closes the link for itself. NULL: it does so at once. Called
  // with no lock held; must not wait.
  void (*report_silent)(weft_connector_t* connector, uint16_t rank,
                        uint16_t incarnation, int64_t silence_ns);
  // It also says how each rank died, by `weft_peers_lose`, a moment before or
  // after the link hears that it did.
  bool tells_deaths;
};

// --- Peers ------------------------------------------------------------------

typedef enum weft_peer_state {
  WEFT_PEER_CONNECTING = 0,
  WEFT_PEER_UP = 1,
  WEFT_PEER_DEAD = 2
} weft_peer_state_t;

// Early outcomes of one peer that may find no memory, until they are named.
#define WEFT_UNNAMED_LOST_LIMIT 16

struct weft_peer {
  weft_link_sink_t sink;
  weft_peers_t* peers;
  // Of an earlier life: see `former` of the peers.
  weft_peer_t* next_former;
  weft_runtime_t* runtime;
  uint16_t rank;
  // 0 while it is not known. Written once, under the lock of the peers.
  _Atomic uint16_t incarnation;
  // A weft_peer_state_t. Written under the lock.
  _Atomic uint32_t state;
  // The connector was asked for a link, and has not refused it.
  _Atomic bool is_wanted;
  // Frames that came, for the heartbeat.
  _Atomic uint64_t heard;
  // --- Guarded by the lock ---
  weft_mutex_t lock;
  weft_link_t* link;
  // The link has ended, and was the last.
  bool is_closed;
  // Why it is dead, this side closes the link to it, or there was no link when
  // it was last asked for; else WEFT_OK.
  weft_status_t reason;
  // How it died, as the connector said; before the link has ended.
  weft_status_t obituary;
  // What the link said, while the connector's word is waited for.
  weft_status_t last_word;
  // This side closes the link, or has given the peer up: its process may live.
  bool is_closing;
  // Of weft_outgoing_t: what goes out when there is room; and how many.
  weft_dlist_t outbox;
  uint32_t outbox_count;
  // Threads that wait for the link, for room, or for credit.
  weft_dlist_t waiters;
  // Segments that the peer has been given: owner << 32 | segment.
  weft_table_t segments;
  // Why one that the peer has given did not arrive, the last time; and that it
  // has to be told yet.
  weft_status_t missed;
  bool has_missed;
  // Of weft_window_t, by target.
  weft_table_t windows;
  // Calls of the peer that are served here, by its numbers; of the layer above.
  weft_table_t served;
  // Loans of the peer's memory that have ended, to be told; there is room for
  // all that are out. See loans.c.
  struct weft_frame_loan* ended_loans;
  uint32_t ended_count;
  uint32_t loan_count;
  uint32_t loan_capacity;
  // --- Guarded by `calls_lock` of the peers ---
  // Of weft_pending_t.
  weft_dlist_t pending;
  // Futures of the peer that this runtime waits for, and how many of all peers
  // wait for this one; see remote.c.
  weft_table_t imports;
  uint32_t awaited_count;
  // What the peer has sent of futures that are not known yet; see unnamed.h.
  struct weft_unnamed_owner* unnamed;
  uint32_t unnamed_owner_count;
  size_t unnamed_bytes;
  // And those of them for which there was no memory.
  struct {
    uint64_t id;
    weft_holder_t owner;
  } unnamed_lost[WEFT_UNNAMED_LOST_LIMIT];
  uint32_t unnamed_lost_count;
  // Outcomes that it has asked for to be sent to others.
  uint32_t taken_on;
  // Rings when the connector's word is not waited for any longer.
  weft_timer_t patience;
  // --- Of whoever deals with its frames ---
  // Its probes that were dealt with, since when.
  uint32_t probe_count;
  int64_t probes_since_ns;
  // --- The heartbeat's own ---
  // A call was made since the last beat; guarded by `calls_lock`.
  bool was_called;
  // It was heard after the last call.
  bool has_answered;
  uint64_t heard_before;
  uint32_t silent_ticks;
};

// Fills the slot. `events` is a static table.
weft_status_t weft_peers_create(weft_runtime_t* runtime,
                                const weft_peer_events_t* events);
// Calls `died` for all that are left, with CLOSED. No link's sink is called
// any more. An empty slot is fine.
void weft_peers_stop(weft_runtime_t* runtime);
void weft_peers_destroy(weft_runtime_t* runtime);
// From here on peers can be reached.
void weft_peers_set_connector(weft_runtime_t* runtime,
                              weft_connector_t* connector);

static inline weft_peers_t* weft_peers_of(const weft_runtime_t* runtime) {
  return (weft_peers_t*)runtime->slots[WEFT_SLOT_PEER];
}

// The peer of a rank, made if need be, without connecting to it; from here on
// it may have a link, whose sink is the peer's. `incarnation` 0: not known yet.
// Errors: NOT_FOUND for a rank that cannot be, or a life of it that is over and
// not known; RESOURCE_EXHAUSTED.
weft_status_t weft_peers_expect(weft_runtime_t* runtime, uint16_t rank,
                                uint16_t incarnation, weft_peer_t** out_peer);
// The link to a peer that was expected is there; it has but one. Frames may
// have come already. Owns: takes the link over.
void weft_peers_attach(weft_peer_t* peer, weft_link_t* link);
// A rank has started: if it is known from another life, whoever names it from
// here on means this one.
void weft_peers_renew(weft_runtime_t* runtime, uint16_t rank,
                      uint16_t incarnation);
// One more than the highest rank that has started, as far as this one was told.
uint32_t weft_peers_rank_limit(const weft_runtime_t* runtime);
// This life of a rank has died, or left, and this is how, as whoever can tell
// says: what it had sent is dealt with first, and a link to it is closed, for
// a process that it forked may hold the other end. A rank that was never
// connected may hold loans all the same, from others. `incarnation` 0: there
// is, or will be, no link to it, and this is why; one that there is stays.
// Owns: takes `reason` over.
void weft_peers_lose(weft_runtime_t* runtime, uint16_t rank,
                     uint16_t incarnation, weft_status_t reason);
// There can be no link to this rank for now, for lack of resources here, at the
// connector or there: what waits for one, or for an answer over one that hangs
// up because of it, fails with `why`, and whoever needs it next asks the
// connector again. Thread: the connector's, which also attaches and renews.
// Owns: takes `why` over.
void weft_peers_refuse(weft_runtime_t* runtime, uint16_t rank,
                       weft_status_t why);
// This life of a rank is no part of the job any more, as it does not answer:
// the link to it is closed. Its process may live, so it keeps what it was lent
// until `weft_peers_lose` says that it has died. Owns: takes `reason` over.
void weft_peers_give_up(weft_runtime_t* runtime, uint16_t rank,
                        uint16_t incarnation, weft_status_t reason);
// The job has ended: all peers are lost. Owns: takes `reason` over.
void weft_peers_end(weft_runtime_t* runtime, weft_status_t reason);

// The peer that a handle names; begins to connect if need be. `incarnation` 0:
// whichever it is. Errors: NOT_FOUND for a rank that is not in the job, or
// another life of it; PEER_DIED, with the reason.
weft_status_t weft_peers_find(weft_runtime_t* runtime, uint16_t rank,
                              uint16_t incarnation, weft_peer_t** out_peer);

// Whether messages can be sent to this life of it; 0: whichever it is. Errors:
// as `weft_peers_find`.
weft_status_t weft_peer_check(weft_peer_t* peer, uint16_t incarnation);

// The peer of a rank, dead or not; begins to connect if need be. Errors:
// NOT_FOUND; RESOURCE_EXHAUSTED.
weft_status_t weft_peers_reach(weft_runtime_t* runtime, uint16_t rank,
                               weft_peer_t** out_peer);

// The peer has done what no peer may: the link is closed. Owns: takes `reason`
// over.
void weft_peer_break(weft_peer_t* peer, weft_status_t reason);

static inline uint16_t weft_peer_incarnation(const weft_peer_t* peer) {
  // Relaxed: whoever must not miss it has the lock, or has seen the peer up.
  return atomic_load_explicit(&peer->incarnation, memory_order_relaxed);
}

static inline weft_holder_t weft_peer_holder(const weft_peer_t* peer) {
  return weft_holder_make(peer->rank, weft_peer_incarnation(peer));
}

static inline weft_peer_state_t weft_peer_state(const weft_peer_t* peer) {
  // Acquire: pairs with the release of whoever changes it; what was written
  // before is seen.
  return (weft_peer_state_t)atomic_load_explicit(&peer->state,
                                                 memory_order_acquire);
}

// Its link has ended; it is dead as soon as it is known how it died. The lock
// is held.
static inline bool weft_peer_is_dying_locked(const weft_peer_t* peer) {
  return peer->last_word != WEFT_OK && weft_peer_state(peer) != WEFT_PEER_DEAD;
}

// There is no link, and nobody has asked for one since it was refused, if it
// ever was. To be looked at under the lock, or the one that guards what
// `weft_peers_refuse` ends: then it is seen, or ends what is listed.
static inline bool weft_peer_is_refused(const weft_peer_t* peer) {
  // Relaxed: the lock orders it.
  return weft_peer_state(peer) == WEFT_PEER_CONNECTING &&
         !atomic_load_explicit(&peer->is_wanted, memory_order_relaxed);
}

// It is dead, or will be in a moment: this side closes the link to it. Takes
// the lock.
bool weft_peer_is_lost(weft_peer_t* peer);

// A status for what ends because of the peer's end, or as the link to it was
// refused. Takes the lock.
weft_status_t weft_peer_death(weft_peer_t* peer, const char* what);

// --- What goes out --------------------------------------------------------

// What goes out as soon as it can, whatever is in the way: it has a node, so
// queueing needs no memory.
struct weft_outgoing {
  weft_dlist_node_t node;
  // Writes its frame with reserved room. The lock is held.
  // Errors: WOULD_BLOCK: it is tried again when there is room; others mean
  // that the link has ended, and `end` comes with the peer's end.
  weft_status_t (*write)(weft_outgoing_t* outgoing, weft_peer_t* peer);
  // It was written, or never will be. Called once, with no lock held; it may
  // free what it is part of.
  void (*end)(weft_outgoing_t* outgoing, weft_peer_t* peer);
};

// --- Windows ----------------------------------------------------------------
// How many messages this runtime may have with one actor of a peer that are
// not dealt with: so a slow actor fills nobody's lane. The peer says when some
// are done, a few at a time.

// Messages; and how many a peer deals with before it says so.
#define WEFT_WINDOW_MESSAGES 64
#define WEFT_WINDOW_BATCH 16

// One actor of a peer, while something is out; or one of this runtime's, while
// the peer has not been told of all that is done.
typedef struct weft_window {
  weft_table_node_t node;
  uint32_t out;
  // Messages of the peer of which it was not told that they are dealt with; and
  // those that are.
  uint32_t in;
  uint32_t done;
  // `credit` is on its way out; and is to be sent again.
  bool is_telling;
  bool is_due;
  weft_outgoing_t credit;
} weft_window_t;

// Takes a place for a message to an actor of the peer. The lock is held.
// Errors: WOULD_BLOCK (a code alone) when the window is full;
// RESOURCE_EXHAUSTED.
weft_status_t weft_window_take_locked(weft_peer_t* peer, weft_actor_t target);
// Whether there is one. The lock is held. Errors: WOULD_BLOCK (a code alone).
weft_status_t weft_window_probe_locked(const weft_peer_t* peer,
                                       weft_actor_t target);
// Gives it back: the message was not sent. The lock is held.
void weft_window_untake_locked(weft_peer_t* peer, weft_actor_t target);
// A message of the peer has come. Errors: DATA_LOSS when it may not have been
// sent, and RESOURCE_EXHAUSTED when the peer does not read what it asks for: it
// is to be broken with, for what it sends takes memory without end.
weft_status_t weft_window_receive(weft_peer_t* peer, uint32_t index,
                                  uint32_t generation);
// The peer has dealt with messages.
void weft_window_receive_credit(weft_peer_t* peer, const weft_frame_t* frame);
// Messages of the peer to an actor of this runtime are dealt with.
void weft_window_done(weft_peer_t* peer, uint32_t index, uint32_t generation,
                      uint32_t count);
// The actor has ended, or never was: the peer is told at once of what is done,
// and nothing is left of the window.
void weft_window_end(weft_peer_t* peer, uint32_t index, uint32_t generation);
// The same for all peers.
void weft_windows_end(weft_peers_t* peers, uint32_t index, uint32_t generation);

// --- Sending ----------------------------------------------------------------

// A thread that waits for a peer: on its stack.
typedef struct weft_peer_waiter {
  weft_dlist_node_t node;
  weft_parker_t parker;
} weft_peer_waiter_t;

// Joins those who wait; the lock is held. They are all woken when there may be
// room, credit or a link, and when the peer dies.
void weft_peer_join_locked(weft_peer_t* peer, weft_peer_waiter_t* waiter);
// Sleeps until woken, the deadline, or the cancelling of the work at hand, and
// leaves. Errors: as `weft_park`; CANCELLED.
weft_status_t weft_peer_wait(weft_peer_t* peer, weft_peer_waiter_t* waiter,
                             int64_t deadline_ns);
// Wakes all; the lock is held.
void weft_peer_wake_locked(weft_peer_t* peer);

// Somebody waits for what the peer does, by no call and no future: so whether
// it is stopped is looked at from time to time. As many times `unawait` ends
// it. No lock of this folder is held.
void weft_peer_await(weft_peer_t* peer);
void weft_peer_unawait(weft_peer_t* peer);

// Whether a peer that asks for more has first to read what waits for it. The
// lock is held. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_peer_check_outbox_locked(const weft_peer_t* peer);
// Whether a peer may have one more call unanswered here; 2^20 are the most. The
// lock is held. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_peer_check_served_locked(const weft_peer_t* peer);

// Writes now, or when there is room. No lock is held.
void weft_peer_send(weft_peer_t* peer, weft_outgoing_t* outgoing);
// The same, if `claim`, which is called with the lock held, gives true; else it
// returns false, and `outgoing` is the caller's.
bool weft_peer_send_if(weft_peer_t* peer, weft_outgoing_t* outgoing,
                       bool (*claim)(weft_outgoing_t* outgoing,
                                     weft_peer_t* peer));

// Writes a frame that is head and payload and no more. The lock is held.
// Errors: WOULD_BLOCK; PEER_DIED.
weft_status_t weft_peer_write_locked(weft_peer_t* peer, weft_frame_t* head,
                                     const void* payload, size_t payload_bytes,
                                     weft_link_room_t room);

// To be called after writes, with the lock: the peer sees them at the end of
// the task that runs here, or now if there is none.
void weft_peer_flush_locked(weft_peer_t* peer);

// --- Calls ------------------------------------------------------------------
// Replies to come. A call is one of the two: listed, with a number that the
// peer answers to; or not, once somebody has taken it off. Whoever takes it
// off completes it.

// What `describe_loss` writes at most. Units: bytes.
#define WEFT_LOSS_BYTES 256

typedef struct weft_pending weft_pending_t;
struct weft_pending {
  // Among the peer's; guarded by `calls_lock`.
  weft_dlist_node_t node;
  // 0 when it is not listed.
  uint64_t id;
  weft_peer_t* peer;
  // Takes the outcome. Called by whoever took the call off, no lock held.
  // Owns: takes both over; `status` is WEFT_OK for a value.
  void (*complete)(weft_pending_t* pending, weft_status_t status,
                   weft_value_t value);
  // Writes what will not happen now that the peer is gone, to be followed by
  // ": rank 2 is gone".
  void (*describe_loss)(const weft_pending_t* pending, char* buffer,
                        size_t capacity);
};

// Lists a call, so that its reply is found by the number. From here on it may
// be completed. Errors: RESOURCE_EXHAUSTED; PEER_DIED.
weft_status_t weft_calls_add(weft_peer_t* peer, weft_pending_t* pending,
                             uint64_t* out_id);
// Takes a call off; false when somebody else has. `out_id` is its number.
bool weft_calls_take(weft_pending_t* pending, uint64_t* out_id);

// --- Parcels: values on their way out ---------------------------------------

typedef struct weft_cargo weft_cargo_t;

typedef struct weft_parcel {
  // Type, id, target, sender and timeout are the caller's, and whether a value
  // is sent without its structure (WEFT_FRAME_BARE); the rest is filled.
  weft_frame_t head;
  // The trace's arrow; 0: none.
  uint64_t flow;
  // --- Private ---
  // Flow, if any, and scalars.
  uint64_t words[WEFT_FRAME_SCALAR_LIMIT + 1];
  uint32_t word_count;
  // NULL when scalars are all there is.
  weft_cargo_t* cargo;
  // Copy what is in memory of others, rather than lend it on.
  bool copies_loans;
} weft_parcel_t;

// Has a parcel hold nothing; its head and flow stay.
static inline void weft_parcel_clear(weft_parcel_t* parcel) {
  parcel->word_count = 0;
  parcel->cargo = NULL;
  parcel->copies_loans = false;
}

// An empty parcel, which needs no `deinit`. What it holds is not cleared: it is
// large, and most of it stays unused.
static inline void weft_parcel_init(weft_parcel_t* parcel,
                                    const weft_frame_t* head) {
  parcel->head = *head;
  parcel->flow = 0;
  weft_parcel_clear(parcel);
}

// Puts values into a parcel for a peer, which may take time: large ones are
// copied into shared memory unless they are there. No lock is held. Then
// `weft_parcel_write_locked` until it succeeds or is given up, then `deinit`.
// Errors: as `weft_encode_value`; RESOURCE_EXHAUSTED.
weft_status_t weft_parcel_pack(weft_parcel_t* parcel, weft_peer_t* peer,
                               const weft_arguments_t* arguments);
// The same with an outcome: a status that is not OK, or a value.
weft_status_t weft_parcel_pack_strictly(weft_parcel_t* parcel,
                                        weft_peer_t* peer, weft_status_t status,
                                        weft_value_t value);
// The same again; what cannot be packed becomes the error that says so.
weft_status_t weft_parcel_pack_outcome(weft_parcel_t* parcel, weft_peer_t* peer,
                                       weft_status_t status,
                                       weft_value_t value);
// Has what is lent counted by its owners, before it can be written: as late as
// can be, for from here on they keep it. The link to the peer is there. No
// lock is held. Errors: WOULD_BLOCK, and the owner whose lane is full;
// RESOURCE_EXHAUSTED.
weft_status_t weft_parcel_prepare(weft_parcel_t* parcel, weft_peer_t* peer,
                                  weft_peer_t** out_full);
// Whether a parcel could be written now. The lock of the peer is held.
// Errors: WOULD_BLOCK (a code alone); PEER_DIED.
weft_status_t weft_parcel_probe_locked(const weft_parcel_t* parcel,
                                       weft_peer_t* peer,
                                       weft_link_room_t room);
// Writes the frame. The lock of the peer is held.
// Errors: WOULD_BLOCK (a code alone): try again when there is room; PEER_DIED.
weft_status_t weft_parcel_write_locked(weft_parcel_t* parcel, weft_peer_t* peer,
                                       weft_link_room_t room);
// Ends a parcel, written or not. No lock is held.
void weft_parcel_deinit(weft_parcel_t* parcel, weft_peer_t* peer);

// --- Cargo: values that have come -------------------------------------------

// Values, in order: by position, then by name.
typedef struct weft_delivery {
  weft_value_t values[WEFT_PARAMETER_LIMIT];
  uint32_t count;
  // The last `named_count` of them have names: UTF-8, NUL behind them, in one
  // block of `names_bytes`.
  const char* names[WEFT_PARAMETER_LIMIT];
  uint32_t named_count;
  char* text;
  size_t text_bytes;
  // 0 without a trace.
  uint64_t flow;
} weft_delivery_t;

// Reads the payload of a frame. Loans are given back when the last value that
// uses them goes. Errors: DATA_LOSS; RESOURCE_EXHAUSTED; nothing is left then.
weft_status_t weft_delivery_read(weft_peer_t* peer, const weft_frame_t* frame,
                                 weft_delivery_t* out_delivery);
// Releases what is left.
void weft_delivery_deinit(weft_peer_t* peer, weft_delivery_t* delivery);
// Reads the payload of a frame that is an outcome. Errors, of reading, become
// the outcome. Owns: hands over both.
void weft_delivery_read_outcome(weft_peer_t* peer, const weft_frame_t* frame,
                                weft_status_t* out_status,
                                weft_value_t* out_value);
// Reads one value that came without its structure. Errors: DATA_LOSS;
// RESOURCE_EXHAUSTED.
weft_status_t weft_delivery_read_data(weft_peer_t* peer,
                                      const weft_frame_t* frame,
                                      weft_value_t structure,
                                      weft_value_t* out_value);

#endif  // WEFT_PEER_PEER_H_
