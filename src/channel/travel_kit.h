// SPDX-License-Identifier: Apache-2.0
//
// For tests of ends that travel: ranks 0 and 1 are runtimes that are linked to
// each other and to rank 3, which is played (see peer_kit.h). The first value
// of a call to a runtime is kept for the test.

#ifndef WEFT_CHANNEL_TRAVEL_KIT_H_
#define WEFT_CHANNEL_TRAVEL_KIT_H_

#include "channel/part.h"
#include "peer/peer_kit.h"

static weft_value_t weft_travel_value;
static weft_status_t weft_travel_status;

static inline void weft_travel_frame(weft_peer_t* peer,
                                     const weft_frame_t* frame) {
  weft_delivery_t delivery;
  if (frame->type == WEFT_FRAME_CHANNEL || frame->type == WEFT_FRAME_SLOT) {
    weft_channels_receive(peer, frame);
    return;
  }
  weft_value_release(weft_travel_value);
  weft_status_release(weft_travel_status);
  weft_travel_value = weft_none();
  weft_travel_status = weft_delivery_read(peer, frame, &delivery);
  if (weft_travel_status == WEFT_OK) {
    weft_travel_value = weft_value_retain(delivery.values[0]);
    weft_delivery_deinit(peer, &delivery);
  }
}

static weft_peer_events_t weft_travel_events;

// The first `count` ranks are runtimes that are linked to each other.
static inline void weft_travel_open_ranks(weft_peer_kit_t* kit,
                                          uint32_t count) {
  weft_travel_value = weft_none();
  weft_travel_status = WEFT_OK;
  weft_peer_kit_open(kit, count);
  for (uint32_t rank = 0; rank < count; rank++) {
    weft_peers_t* peers = weft_peers_of(kit->members[rank].runtime);
    weft_travel_events = *peers->events;
    weft_travel_events.frame = weft_travel_frame;
    weft_travel_events.died = weft_channels_peer_died;
    weft_travel_events.encode_end = weft_channels_encode;
    weft_travel_events.parcel_over = weft_channels_parcel_over;
    weft_travel_events.decode_end = weft_channels_decode;
    peers->events = &weft_travel_events;
    for (uint32_t other = 0; other < rank; other++) {
      weft_peer_kit_connect(kit, other, rank);
    }
  }
}

static inline void weft_travel_open(weft_peer_kit_t* kit) {
  weft_travel_open_ranks(kit, 2);
  weft_peer_kit_connect(kit, 0, 3);
  weft_peer_kit_connect(kit, 1, 3);
}

static inline void weft_travel_forget_value(void) {
  weft_value_release(weft_travel_value);
  weft_status_release(weft_travel_status);
  weft_travel_value = weft_none();
  weft_travel_status = WEFT_OK;
}

static inline void weft_travel_close(weft_peer_kit_t* kit) {
  weft_travel_forget_value();
  weft_peer_kit_check_arena(kit, 0);
  weft_peer_kit_check_arena(kit, 1);
  weft_peer_kit_close(kit);
}

// The value that came last.
static inline weft_value_t weft_travel_take(void) {
  weft_kit_assert_ok(weft_travel_status);
  weft_value_t value = weft_travel_value;
  weft_travel_value = weft_none();
  return value;
}

#endif  // WEFT_CHANNEL_TRAVEL_KIT_H_
