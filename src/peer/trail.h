// SPDX-License-Identifier: Apache-2.0
//
// What a future leads to, in this runtime: edges (peer/probe.h), some of which
// are bundles (async/circle.h).

#ifndef WEFT_PEER_TRAIL_H_
#define WEFT_PEER_TRAIL_H_

#include "async/circle.h"
#include "peer/peer.h"

// Branches of one trail that are followed at a time.
#define WEFT_TRAIL_EXITS 16
// Of the text about one runtime's part of a trail. Units: bytes.
#define WEFT_TRAIL_TEXT_BYTES 512

// What has come to the beginning of a trail.
typedef struct weft_trail_begin {
  uint64_t digest;
  // Chooses some of many branches.
  uint32_t turn;
  // All that the trail leads to is one bundle.
  bool is_bundle;
  // See `weft_circle_t`. Lent.
  const uint64_t* passed;
  uint32_t passed_count;
} weft_trail_begin_t;

// An edge at the end of a trail.
typedef struct weft_trail_exit {
  // With a reference.
  weft_future_t* future;
  weft_origin_name_t edge;
  uint64_t digest;
  // Its number, of all that there are.
  uint32_t number;
  // The exits behind it that are of the same bundle.
  uint32_t siblings;
  // Of a bundle that is not whole: it leads nowhere.
  bool is_void;
  // The futures of several sources on the way to it.
  uint32_t name_count;
  uint64_t names[WEFT_CIRCLE_DEPTH];
} weft_trail_exit_t;

typedef struct weft_trail {
  weft_peers_t* peers;
  weft_future_t* future;
  const weft_trail_begin_t* begin;
  // How many edges there are, and those from number `first` on.
  uint32_t seen;
  uint32_t first;
  uint32_t count;
  weft_trail_exit_t exits[WEFT_TRAIL_EXITS];
  // A bundle without exits: all of it is followed already. What it went over.
  bool is_closed;
  uint64_t closed;
  // What the trail to one of them went over.
  uint32_t told;
  char text[WEFT_TRAIL_TEXT_BYTES];
} weft_trail_t;

// Finds the edges that a future leads to. Of many, the turn chooses some.
// `begin` must stay until `weft_trail_clear`. Takes the graph lock.
void weft_trail_follow(weft_trail_t* trail, weft_peers_t* peers,
                       weft_future_t* future, const weft_trail_begin_t* begin);
void weft_trail_clear(weft_trail_t* trail);
// What the trail to one of the edges went over. Of another than the first it is
// found anew, and may have changed meanwhile, for what it is worth as text.
const char* weft_trail_tell(weft_trail_t* trail, uint32_t index);

#endif  // WEFT_PEER_TRAIL_H_
