// SPDX-License-Identifier: Apache-2.0
//
// An outcome, a value or an error, on its way to a peer: a reply, the value of
// a future that the peer knows, a value of a channel. It always goes out, in
// the worst case as a code alone.

#ifndef WEFT_PEER_OUTCOME_H_
#define WEFT_PEER_OUTCOME_H_

#include "peer/peer.h"

// Part of something that stays until `sent` is called.
typedef struct weft_outcome weft_outcome_t;
struct weft_outcome {
  weft_outgoing_t outgoing;
  weft_parcel_t parcel;
  // What is sent, with a reference; WEFT_OK: the value.
  weft_status_t error;
  weft_value_t value;
  // It was packed before there was a link: nothing is lent so far.
  bool is_unprepared;
  // Nothing was written; it is to be packed again: there is a link now, or the
  // owner of what it lends on has died. Guarded by the lock of the peer.
  bool is_stale;
  bool (*claim)(weft_outcome_t* outcome, weft_peer_t* peer);
  void (*sent)(weft_outcome_t* outcome);
};

// Sends what a future, which is done, holds. `head` has type, id and target.
// `claim` is called with the peer's lock held; when it gives false somebody
// else ends what this is part of, and nothing is sent. It may be NULL. Else
// `sent` is called once, when it was written or never will be; perhaps before
// this returns. No lock is held.
void weft_outcome_send(weft_outcome_t* outcome, weft_peer_t* peer,
                       const weft_frame_t* head, weft_future_t* future,
                       bool (*claim)(weft_outcome_t* outcome,
                                     weft_peer_t* peer),
                       void (*sent)(weft_outcome_t* outcome));

// Packs what is not of a future, so that what cannot be sent is known before
// anything is. `head` may ask for a value without its structure
// (WEFT_FRAME_BARE). Then `weft_outcome_start`, or `weft_outcome_cancel`.
// Owns: takes both over, also on failure. Errors: as `weft_encode_value`;
// RESOURCE_EXHAUSTED.
weft_status_t weft_outcome_pack(weft_outcome_t* outcome, weft_peer_t* peer,
                                const weft_frame_t* head, weft_status_t error,
                                weft_value_t value);
// The same, with an error, in the worst case its code, in place of what cannot
// be sent.
void weft_outcome_pack_somehow(weft_outcome_t* outcome, weft_peer_t* peer,
                               const weft_frame_t* head, weft_status_t error,
                               weft_value_t value);
// Sends it. `sent` is called as above. No lock is held.
void weft_outcome_start(weft_outcome_t* outcome, weft_peer_t* peer,
                        void (*sent)(weft_outcome_t* outcome));
void weft_outcome_cancel(weft_outcome_t* outcome, weft_peer_t* peer);

// Sends the code of an error as the outcome at once, without memory: of what
// could not be kept for lack of it. False when the lane has no room either. No
// lock is held.
bool weft_outcome_send_code(weft_peer_t* peer, const weft_frame_t* head,
                            weft_status_code_t code);

#endif  // WEFT_PEER_OUTCOME_H_
