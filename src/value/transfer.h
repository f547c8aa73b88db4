// SPDX-License-Identifier: Apache-2.0
//
// The elements of one tensor or several on their way from one device to
// another, by one queue. Who adds them waits once, by `finish`, or goes on
// after `seal`, and is told.
//
// Thread: one at a time.

#ifndef WEFT_VALUE_TRANSFER_H_
#define WEFT_VALUE_TRANSFER_H_

#include <stdatomic.h>

#include "weft/tensor.h"

typedef struct weft_transfer weft_transfer_t;
struct weft_transfer {
  const weft_device_driver_t* from;
  const weft_device_driver_t* to;
  // The one of them that copies.
  const weft_device_driver_t* mover;
  uint32_t queue;
  // Something is, or was, in the queue.
  bool has_parts;
  // Parts that are not over, and whoever adds some.
  _Atomic uint32_t running;
  // Called once all is over, after `seal`; NULL until the caller sets it. Then
  // the transfer may be gone.
  void (*over)(weft_transfer_t* transfer);
  // The first error of a part; WEFT_OK so far. Parts end on any thread.
  _Atomic(weft_status_t) error;
};

// The device that is to be asked for copies between two.
static inline const weft_device_driver_t* weft_transfer_mover(
    const weft_device_driver_t* from, const weft_device_driver_t* to) {
  return to->device.type == WEFT_DEVICE_CPU ? from : to;
}

// Nothing is on its way yet. `queue` is one of the mover's. It stays where it
// is until `finish`, which must follow.
void weft_transfer_init(weft_transfer_t* transfer,
                        const weft_device_driver_t* from,
                        const weft_device_driver_t* to, uint32_t queue);

// Sends the elements of `source`, a tensor on `from`, to `destination`, on
// `to`: of the same dtype and shape, row by row without gaps, and nobody
// else's. Both stay until `finish`. Errors: UNIMPLEMENTED for elements of less
// than a byte with gaps between them anywhere but on the cpu; what the device
// says. Some elements may be on their way all the same.
weft_status_t weft_transfer_add(weft_transfer_t* transfer,
                                const weft_tensor_t* source,
                                weft_tensor_t* destination);

// Waits until everything has arrived, also when `status` is an error, which is
// returned then; else the first error of what was sent.
// Blocks: until the device has finished. Owns: takes `status` over.
weft_status_t weft_transfer_finish(weft_transfer_t* transfer,
                                   weft_status_t status);

// Nothing more is added: `over` is called when everything has arrived, perhaps
// before this returns. `status` is what adding has given. Then `error` is the
// caller's. Owns: takes `status` over.
void weft_transfer_seal(weft_transfer_t* transfer, weft_status_t status);

#endif  // WEFT_VALUE_TRANSFER_H_
