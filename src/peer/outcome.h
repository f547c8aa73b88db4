// SPDX-License-Identifier: Apache-2.0
//
// The outcome of a future on its way to a peer: a reply, or the value of a
// future that the peer knows. It always goes out, in the worst case as a code
// alone.

#ifndef WEFT_PEER_OUTCOME_H_
#define WEFT_PEER_OUTCOME_H_

#include "peer/peer.h"

// Part of something that stays until `sent` is called.
typedef struct weft_outcome weft_outcome_t;
struct weft_outcome {
  weft_outgoing_t outgoing;
  weft_parcel_t parcel;
  // Until `sent`; its holder has it.
  weft_future_t* future;
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

// Sends the code of an error as the outcome at once, without memory: of what
// could not be kept for lack of it. False when the lane has no room either. No
// lock is held.
bool weft_outcome_send_code(weft_peer_t* peer, const weft_frame_t* head,
                            weft_status_code_t code);

#endif  // WEFT_PEER_OUTCOME_H_
