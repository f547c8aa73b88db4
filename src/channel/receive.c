// SPDX-License-Identifier: Apache-2.0
//
// Values that are read into memory of the reader, or onto its device.

#include "base/memory.h"
#include "channel/channel.h"

// Makes, or finds, what is to be waited for.
static weft_status_t begin(weft_reader_t* reader, const weft_lease_t* lease,
                           const weft_destination_t* destination) {
  // Memory of the reader is for nobody else.
  bool is_own = destination->tensor_count > 0;
  if (!is_own) {
    reader->unfinished = reader->vtable->share(lease, NULL, destination);
  }
  if (reader->unfinished != NULL) {
    return WEFT_OK;
  }
  const weft_move_order_t order = {
      .runtime = reader->vtable->runtime(reader),
      .allocator = reader->allocator,
      .destination = *destination,
  };
  weft_move_t* fresh;
  WEFT_RETURN_IF_ERROR(weft_move_create(&order, lease->value, &fresh));
  reader->unfinished =
      is_own ? fresh : reader->vtable->share(lease, fresh, destination);
  if (reader->unfinished == fresh) {
    weft_move_start(fresh);
  } else {
    weft_move_release(fresh);
  }
  return WEFT_OK;
}

static void end(weft_reader_t* reader) {
  weft_move_t* move = reader->unfinished;
  reader->unfinished = NULL;
  weft_move_release(move);
}

weft_status_t weft_channel_receive(weft_reader_t* reader,
                                   const weft_destination_t* destination,
                                   int64_t deadline_ns, weft_lease_t* lease) {
  if (lease->status != WEFT_OK) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_move_end_other(&reader->unfinished, lease->value,
                                           destination, deadline_ns));
  if (reader->unfinished == NULL) {
    WEFT_RETURN_IF_ERROR(begin(reader, lease, destination));
  }
  WEFT_RETURN_IF_ERROR(weft_move_wait(reader->unfinished, deadline_ns));
  weft_value_t value;
  weft_status_t status = weft_move_result(reader->unfinished, &value);
  if (status != WEFT_OK) {
    reader->vtable->unshare(lease, reader->unfinished);
  } else {
    lease->value = value;
    lease->is_moved = true;
  }
  end(reader);
  return status;
}
