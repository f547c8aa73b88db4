// SPDX-License-Identifier: Apache-2.0
//
// What is behind the ends of a channel: a table of functions for each kind of
// writer and reader. channel.c checks what users give and calls them.
//
//   channel.c   the public functions; the channels of a runtime
//   part.h      a channel, as far as it is in one process
//   raw.c       what is encoded: written and read as it is
//   shared.c    one reader for several consumers of one actor
//   move.h      tensors on their way to where they are wanted

#ifndef WEFT_CHANNEL_CHANNEL_H_
#define WEFT_CHANNEL_CHANNEL_H_

#include "async/async.h"
#include "base/container.h"
#include "base/dlist.h"
#include "base/object.h"
#include "base/table.h"
#include "channel/move.h"
#include "peer/peer.h"
#include "weft/channel.h"

// Thread: as the public functions of the same names. No lock is held.
typedef struct weft_writer_vtable {
  // The last reference is gone; frees what is left.
  void (*leave)(weft_writer_t* writer);
  // Whoever runs here uses it from now on.
  weft_status_t (*opened)(weft_writer_t* writer);
  // Writes `value`, or `error` if that is not OK; borrows both.
  weft_status_t (*write)(weft_writer_t* writer, weft_value_t value,
                         weft_status_t error, int64_t deadline_ns);
  weft_status_t (*write_encoded)(weft_writer_t* writer, const void* data,
                                 size_t size_bytes, int64_t deadline_ns);
  weft_status_t (*reserve)(weft_writer_t* writer, size_t size_bytes,
                           int64_t deadline_ns, void** out_data);
  weft_status_t (*commit)(weft_writer_t* writer, size_t size_bytes);
  void (*abandon)(weft_writer_t* writer);
  // Owns: takes `reason` over.
  void (*close)(weft_writer_t* writer, weft_status_t reason);
  weft_status_t (*ready)(weft_writer_t* writer, weft_future_t** out_future);
} weft_writer_vtable_t;

typedef struct weft_reader_vtable {
  void (*leave)(weft_reader_t* reader);
  // NULL: there is nothing to do.
  weft_status_t (*opened)(weft_reader_t* reader);
  weft_status_t (*read)(weft_reader_t* reader, int64_t deadline_ns,
                        weft_lease_t* out_lease);
  // Undoes the last read: it will be read next.
  void (*unread)(const weft_lease_t* lease);
  // What is to be moved to where others of this place may want it, too: with a
  // reference more what another had that serves, else `fresh`, which may be
  // NULL. And forgets it, as it has failed.
  weft_move_t* (*share)(const weft_lease_t* lease, weft_move_t* fresh,
                        const weft_destination_t* destination);
  void (*unshare)(const weft_lease_t* lease, const weft_move_t* move);
  // NULL once it has stopped.
  weft_runtime_t* (*runtime)(weft_reader_t* reader);
  weft_status_t (*read_encoded)(weft_reader_t* reader, int64_t deadline_ns,
                                weft_lease_t* out_lease);
  // The reader may have left. A value that was made for it is released before.
  void (*give_back)(const weft_lease_t* lease);
  // `is_now`: the future is complete in any case.
  weft_status_t (*ready)(weft_reader_t* reader, bool is_now,
                         weft_future_t** out_future);
} weft_reader_vtable_t;

// An end is a value of kind CHANNEL_END; `object.extra` is its role.
typedef enum weft_channel_role {
  WEFT_CHANNEL_WRITER = 1,
  WEFT_CHANNEL_READER = 2
} weft_channel_role_t;

struct weft_writer {
  weft_object_t object;
  const weft_writer_vtable_t* vtable;
};

struct weft_reader {
  weft_object_t object;
  const weft_reader_vtable_t* vtable;
  // Of the memory that it is in.
  const weft_allocator_t* allocator;
  // What it has given up to wait for; else NULL.
  weft_move_t* unfinished;
};

// One reference.
void weft_writer_init(weft_writer_t* writer,
                      const weft_writer_vtable_t* vtable);
void weft_reader_init(weft_reader_t* reader, const weft_reader_vtable_t* vtable,
                      const weft_allocator_t* allocator);

// Has a lease be of what is encoded. Owns: takes `bytes` over.
static inline void weft_lease_set_encoded(weft_lease_t* lease,
                                          weft_value_t bytes) {
  lease->status = WEFT_OK;
  lease->value = bytes;
  lease->is_moved = true;
}

// Whether the work at hand may take or write something: once it is cancelled,
// or past its deadline, nobody hears what it does. Asked for last, so that what
// came after the cancel is never taken. `runtime` tells the time; NULL once it
// has stopped. Errors: CANCELLED; DEADLINE_EXCEEDED.
weft_status_t weft_channel_check_work(weft_runtime_t* runtime);

// --- The channels of a runtime ----------------------------------------------

// So that none waits for ever when the runtime stops. Counted: it lives as long
// as the runtime or any of its channels.
typedef struct weft_channels weft_channels_t;

// A channel in the list.
typedef struct weft_channel_node {
  weft_dlist_node_t node;
  weft_channels_t* channels;
  // Keeps the channel; false when it is being freed. Called under the lock of
  // the channels, so that it is still there.
  bool (*hold)(struct weft_channel_node* node);
  // Ends a `hold`.
  void (*leave)(struct weft_channel_node* node);
  // The runtime has stopped: no thread may wait here any more, and none waits.
  // Called once, with no lock held.
  void (*stop)(struct weft_channel_node* node);
} weft_channel_node_t;

// Lists a channel. Errors: CLOSED when the runtime has stopped.
weft_status_t weft_channels_add(weft_runtime_t* runtime,
                                weft_channel_node_t* node);
// Takes it off. It was listed.
void weft_channels_remove(weft_channel_node_t* node);

// Calls `visit` with each channel, held meanwhile. No lock is held.
void weft_channels_visit(weft_runtime_t* runtime,
                         void (*visit)(weft_channel_node_t* node, void* user),
                         void* user);

// Channels that are known to other runtimes, by number. `lookup` is the lock of
// that; nothing else is taken under it but what `hold` takes.
typedef struct weft_channel_index {
  weft_mutex_t* lookup;
  weft_table_t* table;
  uint32_t* last_number;
} weft_channel_index_t;

weft_channel_index_t weft_channels_index(const weft_runtime_t* runtime);

// --- receive.c ---------------------------------------------------------------

// Has the tensors of a value that was read be where they are wanted; `lease`
// is given back as it was after an error.
weft_status_t weft_channel_receive(weft_reader_t* reader,
                                   const weft_destination_t* destination,
                                   int64_t deadline_ns, weft_lease_t* lease);

// What the layers below and above call.
// An end in a body for a peer: pins it there until `weft_channels_parcel_over`
// is told of `trips`. Errors: as the vtable of the encoder;
// FAILED_PRECONDITION for an end that is in use.
weft_status_t weft_channels_encode(weft_peer_t* peer, weft_encoder_t* encoder,
                                   weft_value_t value, weft_dlist_t* trips);
void weft_channels_parcel_over(weft_dlist_t* trips, bool is_sent);
weft_status_t weft_channels_decode(weft_peer_t* peer, const void* data,
                                   size_t size_bytes, weft_value_t* out_value);
void weft_channels_receive(weft_peer_t* peer, const weft_frame_t* frame);
void weft_channels_peer_died(weft_peer_t* peer, weft_status_t reason);

// Fills the slot. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_channels_create(weft_runtime_t* runtime);
// Closes all channels: what was committed can be read. An empty slot is fine.
void weft_channels_stop(weft_runtime_t* runtime);
void weft_channels_destroy(weft_runtime_t* runtime);

// --- Kinds ------------------------------------------------------------------

// Both ends in this process. The options are whole and within their limits.
weft_status_t weft_local_create(weft_runtime_t* runtime,
                                const weft_channel_options_t* options,
                                weft_writer_t** out_writer,
                                weft_reader_t** out_readers);

// See `weft_reader_share`.
weft_status_t weft_shared_create(weft_reader_t* reader, uint32_t count,
                                 weft_reader_t** out_consumers);

#endif  // WEFT_CHANNEL_CHANNEL_H_
