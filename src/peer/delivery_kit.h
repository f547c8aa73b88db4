// SPDX-License-Identifier: Apache-2.0
//
// For tests of what arrives: ranks 0, 1 and 2 are runtimes, 0 and 1 are linked,
// and whoever gets a frame reads it into the inbox.

#ifndef WEFT_PEER_DELIVERY_KIT_H_
#define WEFT_PEER_DELIVERY_KIT_H_

#include "peer/peer_kit.h"

// The last delivery, and how reading it ended.
typedef struct weft_inbox {
  weft_delivery_t delivery;
  bool is_full;
  weft_status_t status;
  uint32_t count;
  // If not 0: the allocation of each reading that fails, counted from 1.
  uint64_t failing;
  // And all that come after it.
  bool fails_on;
  // One did.
  bool has_failed;
} weft_inbox_t;

static weft_inbox_t weft_inbox;

static inline void weft_inbox_read(weft_peer_t* peer,
                                   const weft_frame_t* frame) {
  weft_kit_allocator_t* memory = &weft_peer_kit->memory;
  assert_false(weft_inbox.is_full);
  if (weft_inbox.failing > 0) {
    weft_kit_allocator_fail(memory, weft_inbox.failing - 1,
                            weft_inbox.fails_on ? UINT64_MAX : 1);
  }
  weft_status_release(weft_inbox.status);
  weft_inbox.status = weft_delivery_read(peer, frame, &weft_inbox.delivery);
  weft_inbox.has_failed = weft_inbox.failing > 0 && memory->failed > 0;
  weft_kit_allocator_fail(memory, 0, 0);
  weft_inbox.is_full = weft_inbox.status == WEFT_OK;
  weft_inbox.count++;
}

static inline void weft_inbox_empty(weft_peer_kit_t* kit, uint32_t from) {
  if (weft_inbox.is_full) {
    weft_delivery_deinit(weft_peer_kit_peer(kit, 1, from),
                         &weft_inbox.delivery);
  }
  weft_inbox.is_full = false;
  weft_status_release(weft_inbox.status);
  weft_inbox.status = WEFT_OK;
}

static inline void weft_inbox_open(weft_peer_kit_t* kit) {
  memset(&weft_inbox, 0, sizeof(weft_inbox));
  weft_peer_kit_open(kit, 3);
  kit->on_frame = weft_inbox_read;
  weft_peer_kit_connect(kit, 0, 1);
}

// All that was lent has come back.
static inline void weft_inbox_close(weft_peer_kit_t* kit) {
  weft_inbox_empty(kit, 0);
  weft_peer_kit_check_arena(kit, 0);
  weft_peer_kit_check_arena(kit, 1);
  weft_peer_kit_close(kit);
}

#endif  // WEFT_PEER_DELIVERY_KIT_H_
