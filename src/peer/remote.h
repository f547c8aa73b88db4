// SPDX-License-Identifier: Apache-2.0
//
// Futures that other runtimes know. One that is sent is *exported*: it gets a
// number, and its outcome is sent when it is there. Whoever received it has
// *imported* it: a future of its own, which the outcome completes.
//
//   A: future 7 --- call with "future 7 of A" ---> B: a future in its place
//      done ------- VALUE 7 of A, outcome -------> completed
//
// A future whose value is made by somebody else, because it is a call to M or
// was imported from M, is asked for there, so that the value goes straight:
//
//   A --- call with "future 7 of A,
//         which M makes" ---------------> B
//   A --- SUBSCRIBE: call X to B as 7 --> M
//   A <-- ACCEPT 7 ---------------------- M
//                                         M --- VALUE 7 of A ---> B
//   A <-- REPLY X ----------------------- M
//   A --- FOLLOWS: 7 comes from M ------> B
//
// M answers each SUBSCRIBE: it refuses what has an outcome, or is unknown, and
// then A sends the outcome, which it has or soon will. A's last word tells B
// from whom the outcome comes; until then A's death ends the future, and
// afterwards M's. A does not wait for M's answer with an error: it sends that
// at once, marked MORE, and its last word later. B may get VALUE before it
// knows the future: it keeps it, see unnamed.h. A maker that has the value from
// elsewhere itself does not ask on: it takes one step more.
//
// B takes an outcome from A, and from who A said makes it. What others send is
// dropped, and nothing is held against them: A may have asked them to. M sends
// what it makes as A's future only if it is A who asks.
//
// A future whose outcome is there when it is sent is sent as that.
//
//   remote.c   imports, and what stands in bodies
//   unnamed.c   outcomes of futures that are not known yet
//   export.c   exports

#ifndef WEFT_PEER_REMOTE_H_
#define WEFT_PEER_REMOTE_H_

#include "async/future_internal.h"
#include "peer/peers.h"

// --- export.c ---------------------------------------------------------------

// The futures in one parcel.
typedef struct weft_exports {
  // Of export_t.
  weft_dlist_t list;
} weft_exports_t;

void weft_exports_init(weft_exports_t* exports);

// Gives a future a number for a peer. `out_maker` is who makes its value, if
// that is another runtime. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_export_create(weft_exports_t* exports, weft_peer_t* peer,
                                 weft_future_t* future, uint64_t* out_id,
                                 weft_holder_t* out_maker);
// The parcel is over. What was sent is followed from now on, so that no
// outcome goes before the frame that says whose it is.
void weft_exports_end(weft_exports_t* exports, bool is_sent);

// What a peer names by kind and number: a reference, or NULL.
weft_future_t* weft_export_find(weft_peer_t* peer, weft_origin_kind_t kind,
                                uint64_t id);
// The first future, with a reference, that a peer waits for and whose place is
// not before `*place`, which is moved behind it; NULL when there is none.
weft_future_t* weft_export_next(weft_peers_t* peers, uint32_t* place);

void weft_export_receive_subscribe(weft_peer_t* peer,
                                   const weft_frame_t* frame);
void weft_export_receive_accept(weft_peer_t* peer, const weft_frame_t* frame);
// What a dead peer was asked for it will not send.
void weft_exports_strike_off(weft_peer_t* peer);

// --- remote.c ---------------------------------------------------------------

// Writes a future into a body for a peer. A lazy one is started.
// Errors: RESOURCE_EXHAUSTED; as `weft_encode_value`.
weft_status_t weft_export_encode(weft_exports_t* exports, weft_peer_t* peer,
                                 weft_encoder_t* encoder,
                                 weft_future_t* future);

// Makes a future of what a body says. Errors: DATA_LOSS; RESOURCE_EXHAUSTED.
weft_status_t weft_import_decode(weft_peer_t* peer, const void* data,
                                 size_t size_bytes, weft_value_t* out_value);

// True, and where it is from, for an import.
bool weft_import_origin(weft_future_t* future, weft_origin_name_t* out_origin);

// Completes an import of this runtime, if it is there, with what a future that
// is done holds.
void weft_import_complete_here(weft_peers_t* peers, weft_holder_t owner,
                               uint64_t id, weft_future_t* future);

#endif  // WEFT_PEER_REMOTE_H_
