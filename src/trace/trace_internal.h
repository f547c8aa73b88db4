// SPDX-License-Identifier: Apache-2.0
//
// The state of this layer in a runtime, as the files of this folder share it.
//
//   span.c    fills chunks with events        (each thread its own)
//     | full chunks, oldest first
//   writer.c  makes JSON of them, on a thread of its own
//     | free chunks
//   span.c    ...

#ifndef WEFT_TRACE_TRACE_INTERNAL_H_
#define WEFT_TRACE_TRACE_INTERNAL_H_

#include "sys/sys.h"
#include "sys/thread_exit.h"
#include "trace/trace.h"
#include "trace/writer.h"

typedef struct weft_trace_state {
  weft_trace_t head;
  weft_runtime_t* runtime;
  weft_warning_fn_t on_warning;
  void* warning_user;
  // Guards `owner` of the blocks, and who is added to `threads`. Taken after
  // the lock of the list of all states; no other is taken while it is held.
  weft_mutex_t lock;
  // Blocks are only ever added, at the head, so a dump needs no lock.
  _Atomic(weft_trace_thread_t*) threads;
  // NULL while spans are off.
  weft_trace_writer_t* writer;
  // The next runtime of this process.
  struct weft_trace_state* next_live;
  // Serves threads for whose own block there is no memory.
  weft_trace_thread_t shared;
} weft_trace_state_t;

static inline weft_trace_state_t* weft_trace_state(
    const weft_runtime_t* runtime) {
  return (weft_trace_state_t*)runtime->slots[WEFT_SLOT_TRACE];
}

// The blocks of all threads, linked by `next`.
static inline weft_trace_thread_t* weft_trace_threads(
    const weft_trace_state_t* state) {
  // Acquire: pairs with the release in `add_block` of trace.c, so that the
  // block is seen whole.
  return atomic_load_explicit(&state->threads, memory_order_acquire);
}

// The name of a thread with its NUL. Safe in a signal handler.
void weft_trace_thread_name(const weft_trace_thread_t* thread,
                            char out_name[WEFT_SYS_THREAD_NAME_CAPACITY]);

// Hands in the chunk that the calling thread fills, since the thread ends.
void weft_trace_leave_chunk(weft_trace_thread_t* self);

#endif  // WEFT_TRACE_TRACE_INTERNAL_H_
