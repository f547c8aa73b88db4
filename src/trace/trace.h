// SPDX-License-Identifier: Apache-2.0
//
// Counters, spans, warnings and the flight recorder, as layers above use
// them. Each thread has one block of its own in each runtime, and alone
// writes it; whoever sums or dumps only reads.
//
//   weft_trace_thread_t* self = weft_trace_self(runtime);   once a turn
//   weft_flight_tick(self, now_ns);                         once a turn
//   weft_trace_count(self, WEFT_COUNTER_messages_handled, handled);
//   weft_flight_record(self, WEFT_FLIGHT_HANDLE, endpoint, actor, message);
//
// A block belongs to its thread: never keep `self` where another thread could
// find it, nor across a point where the work may change its thread.

#ifndef WEFT_TRACE_TRACE_H_
#define WEFT_TRACE_TRACE_H_

#include <stdatomic.h>

#include "base/runtime.h"
#include "trace/log.h"
#include "weft/runtime.h"
#include "weft/trace.h"

typedef enum weft_counter {
#define WEFT_COUNTER_ENUM(identifier, unit, meaning) WEFT_COUNTER_##identifier,
  WEFT_COUNTERS(WEFT_COUNTER_ENUM)
#undef WEFT_COUNTER_ENUM
      WEFT_COUNTER_COUNT
} weft_counter_t;

// What the flight recorder tells events apart by.
// X(identifier, word, meaning of the first number, and of the second); the
// words and meanings are printed.
#define WEFT_FLIGHT_KINDS(X)                 \
  X(SEND, "send", "actor", "message")        \
  X(HANDLE, "handle", "actor", "message")    \
  X(HANDLED, "handled", "actor", "code")     \
  X(SPAWN, "spawn", "actor", "parent")       \
  X(EXIT, "exit", "actor", "code")           \
  X(BLOCK, "block", "parker", "deadline_ns") \
  X(WAKE, "wake", "parker", "code")          \
  X(TIMER, "timer", "timer", "due_ns")       \
  X(WARNING, "warning", "code", "line")

typedef enum weft_flight_kind {
#define WEFT_FLIGHT_ENUM(identifier, word, a, b) WEFT_FLIGHT_##identifier,
  WEFT_FLIGHT_KINDS(WEFT_FLIGHT_ENUM)
#undef WEFT_FLIGHT_ENUM
      WEFT_FLIGHT_KIND_COUNT
} weft_flight_kind_t;

// Events kept for each thread; a power of two.
#define WEFT_FLIGHT_EVENTS 256

// One event. `sequence` is 0 while the event is being written; a reader that
// finds the same sequence before and after has read one whole event.
typedef struct weft_flight_event {
  _Atomic uint64_t sequence;
  _Atomic int64_t time_ns;
  _Atomic uint64_t kind;
  _Atomic(const char*) name;
  _Atomic uint64_t a;
  _Atomic uint64_t b;
} weft_flight_event_t;

typedef struct weft_trace_chunk weft_trace_chunk_t;
typedef struct weft_trace_thread weft_trace_thread_t;

// The block of one thread in one runtime.
struct weft_trace_thread {
  // --- what each event needs: one cache line ---
  // The sequence number that the next flight event gets; starts at 1.
  _Alignas(64) _Atomic uint64_t flight_next;
  // The time that flight events get; see `weft_flight_tick`.
  int64_t flight_now_ns;
  // WEFT_FLIGHT_EVENTS of them; NULL in a shared block.
  weft_flight_event_t* flight;
  // Where trace events go; NULL when there is none yet.
  _Atomic(weft_trace_chunk_t*) chunk;
  // The time of the last trace event: each gets a later one than the one
  // before, so that viewers nest spans and arrows as they happened.
  int64_t last_ns;
  // What the next flow gets as its id.
  uint64_t next_flow;
  // Whether spans are recorded; the same as the runtime's.
  bool is_on;
  // Set for the block that serves threads for whose own there was no memory:
  // its counters are added to atomically, and it records no events.
  bool is_shared;
  // Whether the trace file has the name of this thread already.
  bool is_named;
  // --- counters: written by the block's thread only, unless it is shared ---
  _Alignas(64) _Atomic uint64_t counters[WEFT_COUNTER_COUNT];
  // --- what changes seldom ---
  weft_runtime_t* runtime;
  weft_trace_thread_t* next;
  // The id of the thread, 0 when it has ended and the block may be given to
  // another.
  _Atomic uint32_t owner;
  // The first flight event of the present owner.
  _Atomic uint64_t flight_first;
  // The name of the thread, as words so that it can be read at any time.
  _Atomic uint64_t name[2];
};

// What the inline functions below read of the state in WEFT_SLOT_TRACE.
typedef struct weft_trace {
  // Never used again in this process, so a stale cache is noticed. Not 0.
  uint64_t id;
  bool is_on;
} weft_trace_t;

// --- Life -------------------------------------------------------------------

// Fills WEFT_SLOT_TRACE; needs `allocator`, `name`, `rank` and `size` of the
// runtime. Opens the file that WEFT_TRACE names; when that fails, warns and
// leaves spans off. Warnings go to `on_warning`, or to the log if it is NULL.
// Errors: RESOURCE_EXHAUSTED.
WEFT_MUST_USE weft_status_t weft_trace_create(weft_runtime_t* runtime,
                                              weft_warning_fn_t on_warning,
                                              void* warning_user);

// Takes the crash handler out, finishes the trace file and empties the slot;
// an empty slot is fine. No other thread may count, record or warn in this
// runtime any more; what is counted afterwards is lost, and harmless.
// Blocks: until the trace file is written.
void weft_trace_destroy(weft_runtime_t* runtime);

// Gives a warning out: counts it and hands it to the callback, or else logs
// it. Owns: takes `warning` over; WEFT_OK is fine and does nothing.
// Thread: any, with no lock held.
void weft_warn(weft_runtime_t* runtime, weft_status_t warning);

// --- The block of the calling thread ----------------------------------------

typedef struct weft_trace_cache {
  uint64_t trace_id;
  weft_trace_thread_t* self;
} weft_trace_cache_t;

// How many runtimes a thread can use in turn without a search for its block;
// a power of two.
#define WEFT_TRACE_CACHE_SIZE 4

extern _Thread_local weft_trace_cache_t weft_trace_cache[WEFT_TRACE_CACHE_SIZE];

// Stands in where a runtime has no trace state (any more).
extern weft_trace_thread_t weft_trace_nowhere;

// Finds or makes the block of the calling thread. Takes the trace lock.
weft_trace_thread_t* weft_trace_self_find(weft_runtime_t* runtime);

// The block of the calling thread; never NULL. About 1 ns after the first
// call of a thread.
static inline weft_trace_thread_t* weft_trace_self(weft_runtime_t* runtime) {
  const weft_trace_t* trace =
      (const weft_trace_t*)runtime->slots[WEFT_SLOT_TRACE];
  if (__builtin_expect(trace == NULL, 0)) {
    return &weft_trace_nowhere;
  }
  const weft_trace_cache_t* entry =
      &weft_trace_cache[trace->id % WEFT_TRACE_CACHE_SIZE];
  if (__builtin_expect(entry->trace_id == trace->id, 1)) {
    return entry->self;
  }
  return weft_trace_self_find(runtime);
}

// --- Counters ---------------------------------------------------------------

// Adds to a counter of the calling thread. About 1 ns.
static inline void weft_trace_count(weft_trace_thread_t* self,
                                    weft_counter_t counter, uint64_t n) {
  _Atomic uint64_t* place = &self->counters[counter];
  if (__builtin_expect(self->is_shared, 0)) {
    // Relaxed: sums are of this counter alone; see weft_runtime_counters.
    atomic_fetch_add_explicit(place, n, memory_order_relaxed);
  } else {
    // Relaxed, and no locked operation: no other thread writes this word.
    uint64_t before = atomic_load_explicit(place, memory_order_relaxed);
    atomic_store_explicit(place, before + n, memory_order_relaxed);
  }
}

// The same, when the block is not at hand.
static inline void weft_count(weft_runtime_t* runtime, weft_counter_t counter,
                              uint64_t n) {
  weft_trace_count(weft_trace_self(runtime), counter, n);
}

// --- Spans ------------------------------------------------------------------
// Names and categories are not copied: they live as long as the runtime.
// Every function here may be called while spans are off and then does
// nothing, but ask first where it matters: `self->is_on` is one branch.

// Whether this runtime records spans.
static inline bool weft_trace_is_on(const weft_runtime_t* runtime) {
  const weft_trace_t* trace =
      (const weft_trace_t*)runtime->slots[WEFT_SLOT_TRACE];
  return trace != NULL && trace->is_on;
}

// Opens a span on this thread; returns its start, for the end. 0 when off.
int64_t weft_trace_begin(weft_trace_thread_t* self);
// Closes the span that was opened last. `category` is the area ("async").
void weft_trace_end(weft_trace_thread_t* self, const char* category,
                    const char* name, int64_t start_ns);

// A handler that ran on this thread; it began with `weft_trace_begin`.
typedef struct weft_trace_handler {
  // The actor is class_name#index.
  const char* class_name;
  uint64_t index;
  const char* endpoint;
  // What `weft_trace_send` gave for the message; 0: no arrow.
  uint64_t flow;
  int64_t start_ns;
} weft_trace_handler_t;

// Closes the span of a handler; draws the arrow from its message's send.
void weft_trace_handler(weft_trace_thread_t* self,
                        const weft_trace_handler_t* handler);

// A message is about to be sent: call it before the receiver can see the
// message. Returns the flow id to carry in the message; 0 when off.
uint64_t weft_trace_send(weft_trace_thread_t* self, const char* endpoint);

// --- Flight recorder --------------------------------------------------------

// Sets the time that events of this thread get from now on. Reading the clock
// costs more than ten events, so a worker does it once a turn.
static inline void weft_flight_tick(weft_trace_thread_t* self, int64_t now_ns) {
  if (__builtin_expect(!self->is_shared, 1)) {
    self->flight_now_ns = now_ns;
  }
}

// Records an event; what was recorded WEFT_FLIGHT_EVENTS events ago on this
// thread is forgotten. `name` lives as long as the runtime, or is NULL.
// About 2 ns.
static inline void weft_flight_record(weft_trace_thread_t* self,
                                      weft_flight_kind_t kind, const char* name,
                                      uint64_t a, uint64_t b) {
  if (__builtin_expect(self->is_shared, 0)) {
    return;
  }
  // Relaxed: this thread alone writes the word.
  uint64_t sequence =
      atomic_load_explicit(&self->flight_next, memory_order_relaxed);
  weft_flight_event_t* event = &self->flight[sequence % WEFT_FLIGHT_EVENTS];
  // Each store below is a release, and the reader of a dump loads each of
  // these words with acquire: if it sees any word of this event it also sees
  // that the sequence is no longer that of the event before, and skips it.
  atomic_store_explicit(&event->sequence, 0, memory_order_relaxed);
  atomic_store_explicit(&event->time_ns, self->flight_now_ns,
                        memory_order_release);
  atomic_store_explicit(&event->kind, (uint64_t)kind, memory_order_release);
  atomic_store_explicit(&event->name, name, memory_order_release);
  atomic_store_explicit(&event->a, a, memory_order_release);
  atomic_store_explicit(&event->b, b, memory_order_release);
  atomic_store_explicit(&event->sequence, sequence, memory_order_release);
  // Release: the dump starts from this word, with acquire.
  atomic_store_explicit(&self->flight_next, sequence + 1, memory_order_release);
}

#endif  // WEFT_TRACE_TRACE_H_
