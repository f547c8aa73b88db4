// SPDX-License-Identifier: Apache-2.0
//
// The flight recorder of a process that others may look at: when it has died
// the launcher of its job shows what it did last. The blocks of its threads
// then lie in memory that only this process may write:
//
//   head:    what it is, the runtime's name and rank
//   names:   address, text      what events name, as another process cannot
//                               follow a pointer
//   blocks:  weft_trace_thread_t, its events
//
// An event costs the same as in memory of its own.

#ifndef WEFT_TRACE_FLIGHT_H_
#define WEFT_TRACE_FLIGHT_H_

#include "base/runtime.h"
#include "weft/status.h"

// Puts the blocks of threads that come from now on where others can see them;
// there are some, and threads beyond have blocks of their own. Once a runtime.
// `out_descriptor` is lent until `weft_trace_destroy`.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_flight_share(weft_runtime_t* runtime, int* out_descriptor);

// Tells others what a name is that events have; it is copied. Nothing when
// nobody can see it, or there is no room. Takes the trace lock.
void weft_flight_name(weft_runtime_t* runtime, const char* name);

// Writes the recorder of a process that has died as `weft_flight_dump` would
// have, at most `limit` events a thread. Threads without events are left out,
// and so is everything when there are none.
// Owns: takes `seen`, the descriptor from there, over.
// Errors: DATA_LOSS for what is no flight recorder; RESOURCE_EXHAUSTED.
weft_status_t weft_flight_show(int seen, uint64_t limit, int descriptor);

#endif  // WEFT_TRACE_FLIGHT_H_
