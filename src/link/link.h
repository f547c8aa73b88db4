// SPDX-License-Identifier: Apache-2.0
//
// A link carries frames between two runtimes: in order, each once, whole, or
// not at all. A frame is bytes to it. What lies behind is a backend (shm/,
// sim/, ...), and one suite of tests runs on all of them.
//
//   writer                                       reader
//   reserve -> fill -> commit  ...  flush  --->  sink.frame
//        '-- WOULD_BLOCK: later sink.room
//
// Thread: `reserve` to `flush`, `send_descriptor` and `close` are for one
// thread at a time, which the caller sees to. The sink is called by one thread
// at a time, whichever looks for frames; that may be at the same time as a
// writer, and it may write itself.
// Blocks: nothing here does.

#ifndef WEFT_LINK_LINK_H_
#define WEFT_LINK_LINK_H_

#include "weft/status.h"

// The largest frame. Whatever is larger goes through shared memory, or in
// parts. Units: bytes.
#define WEFT_LINK_FRAME_LIMIT 16384

typedef struct weft_link weft_link_t;
typedef struct weft_link_sink weft_link_sink_t;

// Room of a lane that ordinary frames leave free, so that what must not wait
// (replies, credits, cancels, releases) finds some. Units: bytes.
#define WEFT_LINK_RESERVE_BYTES 16384

typedef enum weft_link_room {
  WEFT_LINK_ORDINARY = 0,
  // May use the room that ordinary frames leave.
  WEFT_LINK_RESERVED = 1
} weft_link_room_t;

// Who is told of what comes. Called without locks of the link held.
typedef struct weft_link_sink_vtable {
  // A frame: a private copy of what the peer wrote, aligned to 8 bytes, lent
  // for the length of the call. Its bytes are the peer's: trust none of them.
  void (*frame)(weft_link_sink_t* sink, const void* data, size_t size_bytes);
  // A descriptor that the peer sent before the frames that follow. Owns: it is
  // the sink's to close. -1: it was lost, as this process may not open one
  // more.
  void (*descriptor)(weft_link_sink_t* sink, uint64_t tag, int descriptor);
  // A `reserve` that was refused may succeed now.
  void (*room)(weft_link_sink_t* sink);
  // The last call: the peer is gone, everything that it had flushed before has
  // been delivered. Owns: `reason` is the sink's; CLOSED when the peer closed
  // in order, PEER_DIED or DATA_LOSS else.
  void (*closed)(weft_link_sink_t* sink, weft_status_t reason);
} weft_link_sink_vtable_t;

struct weft_link_sink {
  const weft_link_sink_vtable_t* vtable;
};

typedef struct weft_link_vtable {
  // Frees a link. After `closed` has been called on its sink, or before its
  // first frame; no call of the sink runs then.
  void (*destroy)(weft_link_t* link);
  // Lends `size_bytes` (1 to WEFT_LINK_FRAME_LIMIT), aligned to 8 bytes, to be
  // filled and committed. A reservation that is not committed is forgotten by
  // the next one.
  // Errors: WOULD_BLOCK (a code alone) when there is no room: `room` is called
  // once there is; PEER_DIED or CLOSED.
  weft_status_t (*reserve)(weft_link_t* link, size_t size_bytes,
                           weft_link_room_t room, void** out_data);
  // The reservation is a frame, the last so far; `size_bytes` is at most what
  // was reserved. The peer need not see it before `flush`.
  void (*commit)(weft_link_t* link, size_t size_bytes);
  // The peer sees all frames that were committed, and wakes for them if it
  // sleeps. Cheap when there are none.
  void (*flush)(weft_link_t* link);
  // Sends a descriptor ahead of all frames that are flushed later; it stays
  // the caller's. Errors: WOULD_BLOCK; RESOURCE_EXHAUSTED; PEER_DIED.
  weft_status_t (*send_descriptor)(weft_link_t* link, uint64_t tag,
                                   int descriptor);
  // Flushes and ends the link in order: the peer's sink hears CLOSED after the
  // last frame, and this side's sink CLOSED, too, later, behind all that the
  // peer had flushed before. Never blocks; twice is fine. `reason` is what this
  // side's sink hears, and, if it is an error, the cause of what the peer's
  // does; WEFT_OK means CLOSED.
  // Owns: takes `reason` over.
  void (*close)(weft_link_t* link, weft_status_t reason);
} weft_link_vtable_t;

struct weft_link {
  const weft_link_vtable_t* vtable;
};

static inline void weft_link_destroy(weft_link_t* link) {
  if (link != NULL) {
    link->vtable->destroy(link);
  }
}

static inline weft_status_t weft_link_reserve(weft_link_t* link,
                                              size_t size_bytes,
                                              weft_link_room_t room,
                                              void** out_data) {
  return link->vtable->reserve(link, size_bytes, room, out_data);
}

static inline void weft_link_commit(weft_link_t* link, size_t size_bytes) {
  link->vtable->commit(link, size_bytes);
}

static inline void weft_link_flush(weft_link_t* link) {
  link->vtable->flush(link);
}

static inline weft_status_t weft_link_send_descriptor(weft_link_t* link,
                                                      uint64_t tag,
                                                      int descriptor) {
  return link->vtable->send_descriptor(link, tag, descriptor);
}

static inline void weft_link_close(weft_link_t* link, weft_status_t reason) {
  link->vtable->close(link, reason);
}

#endif  // WEFT_LINK_LINK_H_
