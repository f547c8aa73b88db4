// SPDX-License-Identifier: Apache-2.0
//
// The way that the data of tensors takes from where a writer has them to where
// a reader wants them. A *move* is that of one value:
//
//   value: [ 7, {"x": A on a device, "y": B} ]
//                     |               |
//                     copied          lent, as it is where it is wanted
//                     v               v
//   value: [ 7, {"x": C here,        "y": B} ]
//
// Copies wait in queues of devices and are over later, all of them at once for
// whoever waits. Who gives up meanwhile leaves the move as it is, and can wait
// for it again: what it reads and writes stays until it is over.
//
// The same moves tensors of devices into memory that other processes can read
// before they are sent there.

#ifndef WEFT_CHANNEL_MOVE_H_
#define WEFT_CHANNEL_MOVE_H_

#include "weft/channel.h"

typedef struct weft_move weft_move_t;

typedef struct weft_move_order {
  // May be NULL, when it has stopped, for what is not shared.
  weft_runtime_t* runtime;
  const weft_allocator_t* allocator;
  weft_destination_t destination;
  // What is made is memory of the cpu that other processes can read; there is a
  // runtime.
  bool is_shared;
  // Whoever waits blocks until the devices are done, whatever the deadline.
  // Without a runtime that is so.
  bool blocks;
} weft_move_order_t;

// Checks the destination, and makes room there for all that is copied. Nothing
// is copied yet. One reference.
// Errors: INVALID_ARGUMENT for another number of tensors, and for memory of
// another dtype or shape, or with gaps; FAILED_PRECONDITION for memory that
// others have, too, or must not be written to, and for a tensor that has no
// size; RESOURCE_EXHAUSTED; what the devices say. The message has the path.
weft_status_t weft_move_create(const weft_move_order_t* order,
                               weft_value_t value, weft_move_t** out_move);
// Begins to copy. Once. Blocks: no.
void weft_move_start(weft_move_t* move);

weft_move_t* weft_move_retain(weft_move_t* move);
// The last one waits until all is over. NULL is fine. May block.
void weft_move_release(weft_move_t* move);

// Whether it brings this value there.
bool weft_move_serves(const weft_move_t* move, weft_value_t value,
                      const weft_destination_t* destination);

// What somebody has given up to wait for, if it is not for this, is waited for,
// and set to NULL: so there is at most one of them. Errors: as
// `weft_move_wait`.
weft_status_t weft_move_end_other(weft_move_t** unfinished, weft_value_t value,
                                  const weft_destination_t* destination,
                                  int64_t deadline_ns);
// Waits until all is over, whatever came of it. Thread: any, several at once.
// Errors: WOULD_BLOCK and DEADLINE_EXCEEDED, which name the device; CANCELLED;
// CLOSED when the runtime has gone.
weft_status_t weft_move_wait(weft_move_t* move, int64_t deadline_ns);
// What came of it, once it is over. Owns: hands over a reference.
// Errors: what the devices said of the first tensor that failed.
weft_status_t weft_move_result(weft_move_t* move, weft_value_t* out_value);

#endif  // WEFT_CHANNEL_MOVE_H_
