// SPDX-License-Identifier: Apache-2.0
//
// Waiting for many descriptors at once: epoll, with a way to end the wait.

#ifndef WEFT_SYS_EVENT_POLL_H_
#define WEFT_SYS_EVENT_POLL_H_

#include "weft/status.h"

// What to wait for, and what has happened.
enum {
  WEFT_EPOLL_READ = 1,
  WEFT_EPOLL_WRITE = 2,
  // Nothing will come any more. Always waited for.
  WEFT_EPOLL_HANG_UP = 4,
  // Told when it becomes so, not while it is so.
  WEFT_EPOLL_EDGE = 8
};

typedef struct weft_epoll_event {
  // What the descriptor was added with.
  uint64_t tag;
  uint32_t events;
} weft_epoll_event_t;

#define WEFT_EPOLL_EVENT_LIMIT 32

// Zeroed, or opened and closed.
typedef struct weft_epoll {
  int descriptor;
  // What ends the wait.
  int wake_descriptor;
  bool is_open;
} weft_epoll_t;

// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_epoll_open(weft_epoll_t* epoll);
// One that is not open is fine.
void weft_epoll_close(weft_epoll_t* epoll);

// Errors: RESOURCE_EXHAUSTED; INVALID_ARGUMENT for a descriptor that is there
// already, or cannot be waited for. `tag` is not UINT64_MAX.
weft_status_t weft_epoll_add(weft_epoll_t* epoll, int descriptor,
                             uint32_t events, uint64_t tag);
// Waits for other events of a descriptor that was added.
void weft_epoll_change(weft_epoll_t* epoll, int descriptor, uint32_t events,
                       uint64_t tag);
// Events of it that a wait has returned already are the caller's to ignore.
void weft_epoll_remove(weft_epoll_t* epoll, int descriptor);

// Waits until something happens, `weft_epoll_wake` is called, or `timeout_ms`
// have passed (-1: no limit). Returns the number of events, and whether the
// wait timed out. Thread: one. Blocks: that is what it is for.
size_t weft_epoll_wait(weft_epoll_t* epoll, int timeout_ms,
                       weft_epoll_event_t out_events[WEFT_EPOLL_EVENT_LIMIT],
                       bool* out_timed_out);
// Ends the wait that runs, or else the next one. Thread: any.
void weft_epoll_wake(weft_epoll_t* epoll);

#endif  // WEFT_SYS_EVENT_POLL_H_
