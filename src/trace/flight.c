// SPDX-License-Identifier: Apache-2.0
//
// The flight recorder as text. All of it may run in a signal handler, while
// other threads go on recording: nothing is locked or allocated, and an event
// that is overwritten while it is read is left out.
//
//   flight recorder of digits, rank 0 of 1, at 1042.000123456
//   thread 2 "weft-worker-0": 256 of 10423 events
//     #10168 1041.999871200 handle add actor=17 message=4

#include <string.h>

#include "trace/text.h"
#include "trace/trace_internal.h"

// Text that is put together before it is written; room that one line needs.
#define TEXT_CAPACITY 2048
#define LINE_LIMIT 400
// Bytes of a name that are shown.
#define NAME_LIMIT 100

typedef struct entry {
  int64_t time_ns;
  uint64_t kind;
  const char* name;
  uint64_t a;
  uint64_t b;
} entry_t;

typedef struct kind_text {
  const char* word;
  const char* a;
  const char* b;
} kind_text_t;

static const kind_text_t kind_texts[] = {
#define KIND_TEXT(identifier, word, a, b) {word, a, b},
    WEFT_FLIGHT_KINDS(KIND_TEXT)
#undef KIND_TEXT
};

// Copies the event of that sequence; false if it has not been written whole,
// or has been overwritten.
static bool read_event(const weft_flight_event_t* event, uint64_t sequence,
                       entry_t* out_entry) {
  // Acquire, here and below: pairs with the releases in `weft_flight_record`.
  // This load makes sure that the words are at least those of this event.
  if (atomic_load_explicit(&event->sequence, memory_order_acquire) !=
      sequence) {
    return false;
  }
  // Each of these, that a word of a later event comes with its sequence.
  out_entry->time_ns =
      atomic_load_explicit(&event->time_ns, memory_order_acquire);
  out_entry->kind = atomic_load_explicit(&event->kind, memory_order_acquire);
  out_entry->name = atomic_load_explicit(&event->name, memory_order_acquire);
  out_entry->a = atomic_load_explicit(&event->a, memory_order_acquire);
  out_entry->b = atomic_load_explicit(&event->b, memory_order_acquire);
  // Relaxed: ordered after the loads above by their acquire.
  return atomic_load_explicit(&event->sequence, memory_order_relaxed) ==
             sequence &&
         out_entry->kind < WEFT_FLIGHT_KIND_COUNT;
}

static void flush(weft_text_t* text, int descriptor) {
  // There is nobody to tell that the descriptor takes nothing.
  (void)weft_sys_write(descriptor, text->buffer, text->length);
  text->length = 0;
}

// Makes sure that a line fits.
static void make_room(weft_text_t* text, int descriptor) {
  if (text->capacity - text->length < LINE_LIMIT) {
    flush(text, descriptor);
  }
}

static void append_word(weft_text_t* text, const char* key, uint64_t word) {
  weft_text_char(text, ' ');
  weft_text_string(text, key);
  weft_text_char(text, '=');
  weft_text_number(text, word, 1);
}

static void append_name(weft_text_t* text, const char* name) {
  if (name != NULL) {
    weft_text_char(text, ' ');
    weft_text_bytes(text, name, strnlen(name, NAME_LIMIT));
  }
}

static void append_event(weft_text_t* text, uint64_t sequence,
                         const entry_t* entry) {
  const kind_text_t* kind = &kind_texts[entry->kind];
  weft_text_string(text, "  #");
  weft_text_number(text, sequence, 1);
  weft_text_char(text, ' ');
  weft_text_seconds(text, entry->time_ns);
  weft_text_char(text, ' ');
  weft_text_string(text, kind->word);
  append_name(text, entry->name);
  append_word(text, kind->a, entry->a);
  append_word(text, kind->b, entry->b);
  weft_text_char(text, '\n');
}

static void append_thread(weft_text_t* text, const weft_trace_thread_t* thread,
                          uint64_t shown, uint64_t recorded) {
  char name[WEFT_SYS_THREAD_NAME_CAPACITY];
  weft_trace_thread_name(thread, name);
  // Relaxed: it only tells a reader of the dump which thread it was.
  uint32_t owner = atomic_load_explicit(&thread->owner, memory_order_relaxed);
  weft_text_string(text, "thread ");
  if (owner != 0) {
    weft_text_number(text, owner, 1);
  } else {
    weft_text_string(text, "that ended,");
  }
  weft_text_string(text, " \"");
  weft_text_string(text, name);
  weft_text_string(text, "\": ");
  weft_text_number(text, shown, 1);
  weft_text_string(text, " of ");
  weft_text_number(text, recorded, 1);
  weft_text_string(text, " events\n");
}

static void dump_thread(weft_text_t* text, const weft_trace_thread_t* thread,
                        int descriptor) {
  // Acquire: pairs with the release in `weft_flight_record`, so that all
  // events before this number have been written.
  uint64_t end =
      atomic_load_explicit(&thread->flight_next, memory_order_acquire);
  // Relaxed: an owner that changes meanwhile gives too many events or none.
  uint64_t first =
      atomic_load_explicit(&thread->flight_first, memory_order_relaxed);
  uint64_t recorded = end > first ? end - first : 0;
  uint64_t shown =
      recorded < WEFT_FLIGHT_EVENTS ? recorded : WEFT_FLIGHT_EVENTS;
  make_room(text, descriptor);
  append_thread(text, thread, shown, recorded);
  for (uint64_t sequence = end - shown; sequence < end; ++sequence) {
    entry_t entry;
    make_room(text, descriptor);
    if (read_event(&thread->flight[sequence % WEFT_FLIGHT_EVENTS], sequence,
                   &entry)) {
      append_event(text, sequence, &entry);
    }
  }
}

void weft_flight_dump(weft_runtime_t* runtime, int descriptor) {
  char buffer[TEXT_CAPACITY];
  weft_text_t text = {.buffer = buffer, .capacity = sizeof(buffer)};
  const weft_trace_state_t* state = weft_trace_state(runtime);
  weft_text_string(&text, "flight recorder of");
  append_name(&text, runtime->name);
  weft_text_string(&text, ", rank ");
  weft_text_number(&text, runtime->rank, 1);
  weft_text_string(&text, " of ");
  weft_text_number(&text, runtime->size, 1);
  weft_text_string(&text, ", at ");
  weft_text_seconds(&text, weft_sys_now_ns());
  weft_text_char(&text, '\n');
  const weft_trace_thread_t* thread =
      state != NULL ? weft_trace_threads(state) : NULL;
  for (; thread != NULL; thread = thread->next) {
    dump_thread(&text, thread, descriptor);
  }
  flush(&text, descriptor);
}
