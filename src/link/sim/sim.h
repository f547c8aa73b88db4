// SPDX-License-Identifier: Apache-2.0
//
// Links between runtimes of one simulation. What is flushed arrives after a
// delay that a seed decides, by a timer of the receiver's runtime; a test can
// kill a runtime, or let it pause, at any step. The same seed gives the same
// course.
//
//   a: commit, flush --> lane, each frame with the time it is due --> b: sink
//
// A descriptor is duplicated and delivered like a frame.
//
// Thread: everything here is for the thread that has the turn.

#ifndef WEFT_LINK_SIM_SIM_H_
#define WEFT_LINK_SIM_SIM_H_

#include "async/progress.h"
#include "link/link.h"

typedef struct weft_sim_net weft_sim_net_t;

typedef struct weft_sim_options {
  uint64_t seed;
  // How long whatever is sent is on its way.
  int64_t delay_min_ns;
  int64_t delay_max_ns;
  // Of each direction of a link; 0: 256 KiB, and at least 64 KiB.
  size_t capacity_bytes;
} weft_sim_options_t;

// One end of a link: who is told there, and by whose timers.
typedef struct weft_sim_end {
  weft_runtime_t* runtime;
  weft_link_sink_t* sink;
} weft_sim_end_t;

// Makes a net among the runtimes of the simulation that `runtime` is part of.
// It is used until the last link is destroyed, and `runtime` stays until then.
// Errors: INVALID_ARGUMENT for a runtime that is no simulation, delays that
// are negative or in the wrong order, and too little capacity;
// RESOURCE_EXHAUSTED.
weft_status_t weft_sim_net_create(weft_runtime_t* runtime,
                                  const weft_sim_options_t* options,
                                  weft_sim_net_t** out_net);
// After all links; NULL is fine.
void weft_sim_net_destroy(weft_sim_net_t* net);

// Links two runtimes of the simulation, which stay until their ends of the link
// have been destroyed. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_sim_link_pair(weft_sim_net_t* net, const weft_sim_end_t* a,
                                 const weft_sim_end_t* b,
                                 weft_link_t** out_link_a,
                                 weft_link_t** out_link_b);

// For `weft_async_set_progress`: its `flush` flushes all links of the runtime.
// Lent for as long as the net lives. Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_sim_progress(weft_sim_net_t* net, weft_runtime_t* runtime,
                                weft_progress_t** out_progress);

// All links of the runtime end as if its process had died. What it had flushed
// is still delivered, what not is lost, and what others have sent it, too. The
// sinks of its peers hear PEER_DIED after a delay, its own at once.
void weft_sim_kill(weft_sim_net_t* net, weft_runtime_t* runtime);

// Nothing is delivered to the runtime, or from it to others, for so long.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_sim_pause(weft_sim_net_t* net, weft_runtime_t* runtime,
                             int64_t duration_ns);

#endif  // WEFT_LINK_SIM_SIM_H_
