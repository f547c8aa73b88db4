// SPDX-License-Identifier: Apache-2.0
//
// Trace events as they happen: a clock read and a few stores each.

#include "trace/trace_internal.h"

// The time of an event: the clock's, or a later one if that is not after the
// event before. With it come `more` times after it, for parts of the event.
static int64_t stamp(weft_trace_thread_t* self, int64_t more) {
  int64_t now_ns = weft_sys_now_ns();
  if (now_ns <= self->last_ns) {
    now_ns = self->last_ns + 1;
  }
  self->last_ns = now_ns + more;
  return now_ns;
}

static weft_trace_writer_t* writer_of(const weft_trace_thread_t* self) {
  return weft_trace_state(self->runtime)->writer;
}

static void set_chunk(weft_trace_thread_t* self, weft_trace_chunk_t* chunk) {
  // Release: pairs with the acquire of the writer, which looks for events in
  // chunks that are not full.
  atomic_store_explicit(&self->chunk, chunk, memory_order_release);
}

static weft_trace_chunk_t* get_chunk(const weft_trace_thread_t* self) {
  // Relaxed: this thread stored it.
  return atomic_load_explicit(&self->chunk, memory_order_relaxed);
}

static void append(weft_trace_chunk_t* chunk, const weft_trace_event_t* event) {
  // Relaxed: this thread alone changes it.
  uint32_t count = atomic_load_explicit(&chunk->count, memory_order_relaxed);
  chunk->events[count] = *event;
  // Release: pairs with the acquire of the writer, which then sees the event.
  atomic_store_explicit(&chunk->count, count + 1, memory_order_release);
}

// Puts the name of the thread into its chunk, which has room.
static void append_name(weft_trace_thread_t* self, weft_trace_chunk_t* chunk) {
  weft_trace_event_t event = {.kind = WEFT_TRACE_THREAD_NAME};
  // Relaxed: this thread stored them.
  event.number = atomic_load_explicit(&self->name[0], memory_order_relaxed);
  event.word = atomic_load_explicit(&self->name[1], memory_order_relaxed);
  append(chunk, &event);
  self->is_named = true;
}

// A chunk with room for one more event; NULL if there is none.
static weft_trace_chunk_t* chunk_with_room(weft_trace_thread_t* self) {
  weft_trace_chunk_t* chunk = get_chunk(self);
  // Relaxed: this thread alone changes it.
  if (chunk == NULL ||
      atomic_load_explicit(&chunk->count, memory_order_relaxed) ==
          WEFT_TRACE_CHUNK_EVENTS) {
    // The writer must not find it here any more once another thread may have
    // got it.
    set_chunk(self, NULL);
    chunk = weft_trace_writer_exchange(writer_of(self), chunk,
                                       weft_sys_thread_id());
    set_chunk(self, chunk);
  }
  return chunk;
}

static void record(weft_trace_thread_t* self, const weft_trace_event_t* event) {
  weft_trace_chunk_t* chunk = chunk_with_room(self);
  if (chunk != NULL && __builtin_expect(!self->is_named, 0)) {
    append_name(self, chunk);
    chunk = chunk_with_room(self);
  }
  if (chunk != NULL) {
    append(chunk, event);
  } else {
    weft_trace_count(self, WEFT_COUNTER_trace_dropped, 1);
  }
}

void weft_trace_leave_chunk(weft_trace_thread_t* self) {
  weft_trace_chunk_t* chunk = get_chunk(self);
  if (chunk != NULL) {
    set_chunk(self, NULL);
    (void)weft_trace_writer_exchange(writer_of(self), chunk, 0);
  }
}

// --- For layers above -------------------------------------------------------

int64_t weft_trace_begin(weft_trace_thread_t* self) {
  // The end of an arrow takes the time after the start of its slice.
  return self->is_on ? stamp(self, 1) : 0;
}

void weft_trace_end(weft_trace_thread_t* self, const char* category,
                    const char* name, int64_t start_ns) {
  if (!self->is_on) {
    return;
  }
  record(self, &(weft_trace_event_t){
                   .kind = WEFT_TRACE_SPAN,
                   .start_ns = start_ns,
                   .end_ns = stamp(self, 0),
                   .category = category,
                   .name = name,
               });
}

void weft_trace_handler(weft_trace_thread_t* self,
                        const weft_trace_handler_t* handler) {
  if (!self->is_on) {
    return;
  }
  record(self, &(weft_trace_event_t){
                   .kind = WEFT_TRACE_HANDLER,
                   .start_ns = handler->start_ns,
                   .end_ns = stamp(self, 0),
                   .category = handler->class_name,
                   .name = handler->endpoint,
                   .number = handler->index,
                   .word = handler->flow,
               });
}

uint64_t weft_trace_send(weft_trace_thread_t* self, const char* endpoint) {
  if (!self->is_on) {
    return 0;
  }
  // A slice has a start, an arrow that begins in it, and an end.
  int64_t start_ns = stamp(self, 2);
  uint64_t flow = self->next_flow++;
  record(self, &(weft_trace_event_t){
                   .kind = WEFT_TRACE_SEND,
                   .start_ns = start_ns,
                   .end_ns = start_ns + 2,
                   .name = endpoint,
                   .word = flow,
               });
  return flow;
}

// --- For programs -----------------------------------------------------------

weft_span_t weft_span_begin(weft_runtime_t* runtime, const char* name) {
  weft_span_t span = {0};
  if (weft_trace_is_on(runtime)) {
    span.runtime = runtime;
    span.name = name;
    span.start_ns = weft_trace_begin(weft_trace_self(runtime));
  }
  return span;
}

void weft_span_end(weft_span_t* span) {
  if (span->runtime != NULL) {
    weft_trace_end(weft_trace_self(span->runtime), "program", span->name,
                   span->start_ns);
    span->runtime = NULL;
  }
}
