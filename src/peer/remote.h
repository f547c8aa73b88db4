// SPDX-License-Identifier: Apache-2.0
//
// Futures that other runtimes know. One that is sent is *exported*: it gets a
// number, and its outcome is sent when it is there. Whoever received it has
// *imported* it: a future of its own, which the outcome completes.
//
//   A: future 7 --- call with "future 7 of A" ---> B: a future in its place
//      done ------- VALUE 7, outcome ------------>    completed
//
// A future whose outcome is there when it is sent is sent as that.

#ifndef WEFT_PEER_REMOTE_H_
#define WEFT_PEER_REMOTE_H_

#include "peer/peers.h"

// The futures in one parcel.
typedef struct weft_exports {
  // Of export_t.
  weft_dlist_t list;
} weft_exports_t;

void weft_exports_init(weft_exports_t* exports);

// Writes a future into a body for a peer. A lazy one is started.
// Errors: RESOURCE_EXHAUSTED; as `weft_encode_value`.
weft_status_t weft_export_encode(weft_exports_t* exports, weft_peer_t* peer,
                                 weft_encoder_t* encoder,
                                 weft_future_t* future);
// The parcel is over. What was sent is followed from now on, so that no
// outcome goes before the frame that says whose it is.
void weft_exports_end(weft_exports_t* exports, bool is_sent);

// Makes a future of what a body says. Errors: DATA_LOSS; RESOURCE_EXHAUSTED.
weft_status_t weft_import_decode(weft_peer_t* peer, const void* data,
                                 size_t size_bytes, weft_value_t* out_value);

#endif  // WEFT_PEER_REMOTE_H_
