// SPDX-License-Identifier: Apache-2.0
//
// Links between processes of one host: a pair of rings in shared memory for
// the frames, and the socket that passed their descriptors, which tells when
// the peer is gone.
//
//   process A                                process B
//   lane [tail|head|ring] --- mapped to read --->  copies frames, calls sinks
//   copies frames, calls sinks <--- mapped to read --- [tail|head|ring] lane
//   face: who sleeps here  --- mapped to read --->  before it wakes A
//   bell: futex words      <----- adds one, wakes --  if A sleeps
//                 socket: hello, descriptors, ring, bye; hang-up = death
//
// Whoever has nothing to do looks for frames through `weft_shm_progress`. A
// service thread watches the sockets. It is the sleeper of last resort as
// well: it deals with frames when nobody else does.
//
// A process believes of its peer what the kernel says, its number and its
// user, and nothing else: see lane.h.

#ifndef WEFT_LINK_SHM_SHM_H_
#define WEFT_LINK_SHM_SHM_H_

#include "async/progress.h"
#include "link/link.h"

typedef struct weft_shm weft_shm_t;

typedef struct weft_shm_options {
  // Both ends of a link must agree on it.
  uint64_t job;
  // Of this runtime.
  uint16_t rank;
  uint16_t incarnation;
  // Of the ring that each side of a link writes: rounded up to a power of two;
  // 0: 256 KiB. Units: bytes.
  size_t lane_bytes;
} weft_shm_options_t;

// One a runtime: what its links share. The service thread starts with the
// first link or watch.
// Errors: RESOURCE_EXHAUSTED; INVALID_ARGUMENT for lanes that are too small
// for the largest frame, or larger than 1 GiB.
weft_status_t weft_shm_create(weft_runtime_t* runtime,
                              const weft_shm_options_t* options,
                              weft_shm_t** out_shm);

// Ends the service thread; links that are left are closed, and their sinks
// hear it before this returns. No link can be opened any more. Twice is fine.
// Thread: no callback of a sink or watch. Blocks: for callbacks that run.
void weft_shm_stop(weft_shm_t* shm);

// Stops, and frees. All links have been destroyed, all watches removed, and no
// thread uses the progress any more. NULL is fine.
void weft_shm_destroy(weft_shm_t* shm);

// For `weft_async_set_progress`. Lent for as long as `shm` lives. Its `flush`
// flushes the links that the calling thread has committed frames to.
weft_progress_t* weft_shm_progress(weft_shm_t* shm);

// Makes a link over a connected Unix socket (SOCK_SEQPACKET) to a process of
// the same user. It can be written at once: frames wait in the lane until the
// peer has mapped it. Links are destroyed as link.h says, or by
// `weft_link_destroy` after `weft_shm_stop`.
// Owns: takes `socket` over, also on failure.
// Errors: RESOURCE_EXHAUSTED; INVALID_ARGUMENT for another kind of socket;
// CLOSED after `weft_shm_stop`. The sink is not called then. A peer that is
// dead already is no error: the sink hears what it wrote, and of its death.
// What the peer turns out to be is told to the sink's `closed`:
// PERMISSION_DENIED for another user, FAILED_PRECONDITION for another job,
// rank, incarnation or version, DATA_LOSS for what makes no sense.
weft_status_t weft_shm_open(weft_shm_t* shm, int socket, uint16_t peer_rank,
                            uint16_t peer_incarnation, weft_link_sink_t* sink,
                            weft_link_t** out_link);

// The peer's process by the kernel's word; 0 while unknown. Thread: any.
uint32_t weft_shm_peer_process(const weft_link_t* link);

// A descriptor that the service thread watches as well, such as the control
// socket of the job. Level triggered: `ready` runs on the service thread again
// and again while there is something to read, or the other end is gone. It may
// add watches, and remove itself or others.
typedef struct weft_shm_watch weft_shm_watch_t;
struct weft_shm_watch {
  // The caller's; stays open while it is watched.
  int descriptor;
  void (*ready)(weft_shm_watch_t* watch);
  // Private.
  uint64_t id;
  weft_shm_watch_t* next;
};

// Starts to watch. `watch` stays where it is until it is removed.
// Errors: RESOURCE_EXHAUSTED; CLOSED after `weft_shm_stop`.
weft_status_t weft_shm_add_watch(weft_shm_t* shm, weft_shm_watch_t* watch);
// `ready` neither runs nor will when this returns, but for a call that removes
// itself. One that is not watched is fine. Blocks: for a `ready` that runs.
void weft_shm_remove_watch(weft_shm_t* shm, weft_shm_watch_t* watch);

#endif  // WEFT_LINK_SHM_SHM_H_
