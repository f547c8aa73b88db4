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

#include "sys/memfd.h"
#include "sys/sys.h"
#include "sys/thread_exit.h"
#include "trace/trace.h"
#include "trace/writer.h"

// --- What other processes see; see flight.h ---------------------------------

// Threads, names, and bytes of a name with its NUL.
#define WEFT_FLIGHT_BLOCKS 16
#define WEFT_FLIGHT_NAMES 256
#define WEFT_FLIGHT_NAME_BYTES 56

// The block of a thread and its events.
typedef struct weft_flight_block {
  weft_trace_thread_t thread;
  weft_flight_event_t events[WEFT_FLIGHT_EVENTS];
} weft_flight_block_t;

typedef struct weft_flight_name {
  // In the process that recorded; 0: the place is free.
  _Atomic uint64_t address;
  char text[WEFT_FLIGHT_NAME_BYTES];
} weft_flight_name_t;

typedef struct weft_flight_file {
  uint64_t magic;
  uint32_t rank;
  uint32_t size;
  char name[WEFT_FLIGHT_NAME_BYTES];
  // Blocks that are taken.
  _Atomic uint32_t block_count;
  weft_flight_name_t names[WEFT_FLIGHT_NAMES];
  weft_flight_block_t blocks[WEFT_FLIGHT_BLOCKS];
} weft_flight_file_t;

// Another layout is another number.
#define WEFT_FLIGHT_MAGIC                                           \
  (UINT64_C(0x7466696c67680000) ^ sizeof(weft_flight_file_t) << 1 ^ \
   WEFT_FLIGHT_KIND_COUNT)

// ----------------------------------------------------------------------------

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
  // Where others see blocks; nothing in a runtime alone. Blocks and names are
  // given out under the lock.
  weft_memfd_t flight_memory;
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

static inline weft_flight_file_t* weft_trace_flight_file(
    const weft_trace_state_t* state) {
  return (weft_flight_file_t*)state->flight_memory.data;
}

// As `weft_flight_dump`, of a copy of what another process recorded, which is
// sound: only the names of events are looked up.
void weft_flight_dump_file(const weft_flight_file_t* file, uint64_t limit,
                           int descriptor);

// A block that others see; NULL when there is none left. The lock is held.
weft_trace_thread_t* weft_flight_take_block_locked(weft_trace_state_t* state);
// Whether it is one of those.
bool weft_flight_is_seen(const weft_trace_state_t* state,
                         const weft_trace_thread_t* block);

// The name of a thread with its NUL. Safe in a signal handler.
void weft_trace_thread_name(const weft_trace_thread_t* thread,
                            char out_name[WEFT_SYS_THREAD_NAME_CAPACITY]);

// Hands in the chunk that the calling thread fills, since the thread ends.
void weft_trace_leave_chunk(weft_trace_thread_t* self);

#endif  // WEFT_TRACE_TRACE_INTERNAL_H_
