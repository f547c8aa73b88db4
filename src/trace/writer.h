// SPDX-License-Identifier: Apache-2.0
//
// The trace file: events in, JSON out. Threads fill chunks with events and
// hand full ones in; one thread of the writer's turns them into text. When
// more chunks wait than WEFT_TRACE_CHUNK_LIMIT, events are dropped rather
// than the program held up.
//
// The file is an array in Chrome's trace event format, and a whole one
// whenever the writer is not just writing: each batch overwrites the closing
// bracket of the one before and ends with its own.
//
//   event         phases written
//   SPAN          X
//   HANDLER       X, and f: an arrow ends in this slice
//   SEND          X, and s: an arrow begins in this slice
//   THREAD_NAME   M
//
// A viewer ties an arrow's end to the slice that is open on its thread at its
// time. So each send is a slice, however short, and the ends of arrows lie
// within their slices, not on their edges.

#ifndef WEFT_TRACE_WRITER_H_
#define WEFT_TRACE_WRITER_H_

#include <stdatomic.h>

#include "weft/runtime.h"

#define WEFT_TRACE_CHUNK_EVENTS 1000
#define WEFT_TRACE_CHUNK_LIMIT 512

typedef enum weft_trace_kind {
  WEFT_TRACE_SPAN,
  WEFT_TRACE_HANDLER,
  WEFT_TRACE_SEND,
  WEFT_TRACE_THREAD_NAME
} weft_trace_kind_t;

typedef struct weft_trace_event {
  int64_t start_ns;
  int64_t end_ns;
  // What happened; an endpoint for handlers and sends.
  const char* name;
  // The category; the class for handlers.
  const char* category;
  // The actor's index; the first half of a thread's name.
  uint64_t number;
  // The flow; the second half of a thread's name.
  uint64_t word;
  weft_trace_kind_t kind;
} weft_trace_event_t;

typedef struct weft_trace_chunk {
  // In the writer's lists; guarded by its lock.
  struct weft_trace_chunk* next;
  // The thread that fills it.
  uint32_t thread_id;
  // How many events have been written to the file; the writer's alone.
  uint32_t written;
  // How many there are; changed by the thread that fills it.
  _Atomic uint32_t count;
  weft_trace_event_t events[WEFT_TRACE_CHUNK_EVENTS];
} weft_trace_chunk_t;

typedef struct weft_trace_writer weft_trace_writer_t;

// Opens the file and starts the thread. When another writer has the file
// (another runtime, another process), takes FILE.2 instead, or FILE.3, and so
// on; a number goes before the extension: run.json, run.2.json.
// Errors: RESOURCE_EXHAUSTED; INVALID_ARGUMENT for a file that cannot be
// written.
WEFT_MUST_USE weft_status_t
weft_trace_writer_create(weft_runtime_t* runtime, const char* path,
                         weft_trace_writer_t** out_writer);

// Writes what was handed in and what is in the chunks of all threads, closes
// the file, and frees. Events that were dropped are reported as a warning.
// NULL is fine. A forked child of the process that made it does nothing.
// Blocks: until all is written.
void weft_trace_writer_destroy(weft_trace_writer_t* writer);

// Hands a chunk in, unless it is NULL, and gives an empty one for the thread;
// NULL when there is none. A thread id of 0 asks for none. Thread: any.
weft_trace_chunk_t* weft_trace_writer_exchange(weft_trace_writer_t* writer,
                                               weft_trace_chunk_t* chunk,
                                               uint32_t thread_id);

#endif  // WEFT_TRACE_WRITER_H_
