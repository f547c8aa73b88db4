// SPDX-License-Identifier: Apache-2.0
//
// What a runtime did. Counters are always on. Spans are off unless WEFT_TRACE
// names a file: then every handler and every span of the program is written
// there as Chrome trace JSON, with an arrow from each send to its handler;
// ui.perfetto.dev opens it. The flight recorder keeps the last events of each
// thread and can be dumped at any time, also from a crash.
//
// Environment:
//   WEFT_LOG=LEVEL[,AREA=LEVEL...]  error, warning (default), info, debug;
//     areas are the folders of src/: WEFT_LOG=info,actor=debug
//   WEFT_LOG_FORMAT=text|json  json: each message is an object on a line
//   WEFT_TRACE=FILE  write spans to FILE, over what is there. While another
//     runtime or process writes it, the next takes FILE with a number before
//     its extension: run.json, run.2.json. The file is complete when the
//     runtime is destroyed; that of a program which ends before is whole
//     JSON too, but may lack the last half second.
// Units: time in ns on CLOCK_MONOTONIC; in the trace file in microseconds
// since the runtime was made.

#ifndef WEFT_TRACE_H_
#define WEFT_TRACE_H_

#include "weft/status.h"

WEFT_BEGIN_DECLS

// X(identifier, unit, what it counts).
#define WEFT_COUNTERS(X)                                                      \
  X(messages_sent, "messages", "messages put into a mailbox")                 \
  X(messages_handled, "messages", "handlers that ended")                      \
  X(messages_failed, "messages", "messages that ended without their handler") \
  X(bytes_passed, "bytes", "tensor data handed over without a copy")          \
  X(bytes_copied, "bytes", "tensor data copied by the library")               \
  X(bytes_lent, "bytes", "tensor data lent to other processes, not copied")   \
  X(actors_spawned, "actors", "actors made")                                  \
  X(actors_exited, "actors", "actors ended")                                  \
  X(waits_blocked, "waits", "waits that put a thread to sleep")               \
  X(spare_threads, "threads", "threads started to stand in for a waiter")     \
  X(schedules_missed, "messages", "scheduled messages that found no room")    \
  X(warnings, "warnings", "warnings given out")                               \
  X(trace_dropped, "events", "trace events that found no room")

typedef struct weft_counters {
#define WEFT_COUNTER_FIELD(identifier, unit, meaning) uint64_t identifier;
  WEFT_COUNTERS(WEFT_COUNTER_FIELD)
#undef WEFT_COUNTER_FIELD
} weft_counters_t;

// Sums the counters of all threads. Thread: any; a count may lag behind.
WEFT_API void weft_runtime_counters(weft_runtime_t* runtime,
                                    weft_counters_t* out_counters);

// A span: what the calling thread does between two points, under a name.
// Spans of a thread nest: the one that was opened last is closed first, on
// the same thread, before the runtime is destroyed.
typedef struct weft_span {
  // NULL while spans are off, and once it is closed.
  weft_runtime_t* runtime;
  const char* name;
  int64_t start_ns;
} weft_span_t;

// Opens a span. `name` is not copied and lives as long as the runtime; text
// that is not UTF-8 is mended, and 200 bytes are shown.
// Cost: a branch when spans are off; at most 70 ns with its end when on.
WEFT_API WEFT_MUST_USE weft_span_t weft_span_begin(weft_runtime_t* runtime,
                                                   const char* name);
// Closes it. Closing it again does nothing. When more events wait than the
// file takes, the span is dropped and `trace_dropped` counts it.
WEFT_API void weft_span_end(weft_span_t* span);

// Writes the flight recorder as text to a descriptor: of each thread, gone
// ones too, the last 256 events, oldest first. Threads go on recording; what
// they overwrite meanwhile is left out. Thread: any; safe in a signal handler,
// as long as the runtime is not being destroyed. Blocks: as write(2) does.
WEFT_API void weft_flight_dump(weft_runtime_t* runtime, int descriptor);

// Opt-in: on SIGSEGV, SIGBUS, SIGILL, SIGFPE and SIGABRT writes the signal and
// the flight recorder of this runtime to standard error, then lets the signal
// have the effect it would have had. One runtime a process.
// Errors: ALREADY_EXISTS.
WEFT_API WEFT_MUST_USE weft_status_t
weft_crash_handler_install(weft_runtime_t* runtime);
// Takes the handlers out again, if they are this runtime's. Done by
// `weft_runtime_destroy` too. Blocks: while another thread's crash is dumped.
WEFT_API void weft_crash_handler_remove(weft_runtime_t* runtime);

WEFT_END_DECLS

#endif  // WEFT_TRACE_H_
