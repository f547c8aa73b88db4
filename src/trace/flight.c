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

// How a recorder is written.
typedef struct dump {
  weft_text_t text;
  int descriptor;
  // Events of a thread, at most.
  uint64_t limit;
  // What the addresses of names mean; NULL when they are this process's.
  const weft_flight_file_t* file;
} dump_t;

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

static void flush(dump_t* dump) {
  // There is nobody to tell that the descriptor takes nothing.
  (void)weft_sys_write(dump->descriptor, dump->text.buffer, dump->text.length);
  dump->text.length = 0;
}

// Makes sure that a line fits.
static void make_room(dump_t* dump) {
  if (dump->text.capacity - dump->text.length < LINE_LIMIT) {
    flush(dump);
  }
}

// The text at an address of the process that recorded it.
static const char* find_name(const weft_flight_file_t* file,
                             const char* address) {
  for (size_t i = 0; i < WEFT_FLIGHT_NAMES; i++) {
    // Relaxed: the file is a copy that nobody writes.
    if (atomic_load_explicit(&file->names[i].address, memory_order_relaxed) ==
        (uintptr_t)address) {
      return file->names[i].text;
    }
  }
  return "(a name)";
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

static void append_event(dump_t* dump, uint64_t sequence,
                         const entry_t* entry) {
  weft_text_t* text = &dump->text;
  const kind_text_t* kind = &kind_texts[entry->kind];
  bool is_foreign = dump->file != NULL && entry->name != NULL;
  weft_text_string(text, "  #");
  weft_text_number(text, sequence, 1);
  weft_text_char(text, ' ');
  weft_text_seconds(text, entry->time_ns);
  weft_text_char(text, ' ');
  weft_text_string(text, kind->word);
  append_name(text,
              is_foreign ? find_name(dump->file, entry->name) : entry->name);
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

static void dump_thread(dump_t* dump, const weft_trace_thread_t* thread,
                        const weft_flight_event_t* events) {
  // Acquire: pairs with the release in `weft_flight_record`, so that all
  // events before this number have been written.
  uint64_t end =
      atomic_load_explicit(&thread->flight_next, memory_order_acquire);
  // Relaxed: an owner that changes meanwhile gives too many events or none.
  uint64_t first =
      atomic_load_explicit(&thread->flight_first, memory_order_relaxed);
  uint64_t recorded = end > first ? end - first : 0;
  uint64_t shown = recorded < dump->limit ? recorded : dump->limit;
  make_room(dump);
  append_thread(&dump->text, thread, shown, recorded);
  for (uint64_t sequence = end - shown; sequence < end; ++sequence) {
    entry_t entry;
    make_room(dump);
    if (read_event(&events[sequence % WEFT_FLIGHT_EVENTS], sequence, &entry)) {
      append_event(dump, sequence, &entry);
    }
  }
}

static void begin_dump(dump_t* dump, const char* name, uint32_t rank,
                       uint32_t size) {
  weft_text_t* text = &dump->text;
  weft_text_string(text, "flight recorder of");
  append_name(text, name);
  weft_text_string(text, ", rank ");
  weft_text_number(text, rank, 1);
  weft_text_string(text, " of ");
  weft_text_number(text, size, 1);
  weft_text_string(text, ", at ");
  weft_text_seconds(text, weft_sys_now_ns());
  weft_text_char(text, '\n');
}

void weft_flight_dump(weft_runtime_t* runtime, int descriptor) {
  char buffer[TEXT_CAPACITY];
  dump_t dump = {
      .text = {.buffer = buffer, .capacity = sizeof(buffer)},
      .descriptor = descriptor,
      .limit = WEFT_FLIGHT_EVENTS,
  };
  const weft_trace_state_t* state = weft_trace_state(runtime);
  begin_dump(&dump, runtime->name, runtime->rank, runtime->size);
  const weft_trace_thread_t* thread =
      state != NULL ? weft_trace_threads(state) : NULL;
  for (; thread != NULL; thread = thread->next) {
    dump_thread(&dump, thread, thread->flight);
  }
  flush(&dump);
}

void weft_flight_dump_file(const weft_flight_file_t* file, uint64_t limit,
                           int descriptor) {
  char buffer[TEXT_CAPACITY];
  dump_t dump = {
      .text = {.buffer = buffer, .capacity = sizeof(buffer)},
      .descriptor = descriptor,
      .limit = limit < WEFT_FLIGHT_EVENTS ? limit : WEFT_FLIGHT_EVENTS,
      .file = file,
  };
  // Relaxed, here and below: the file is a copy that nobody writes.
  uint32_t count =
      atomic_load_explicit(&file->block_count, memory_order_relaxed);
  bool has_begun = false;
  for (uint32_t i = 0; i < count; i++) {
    const weft_flight_block_t* block = &file->blocks[i];
    if (atomic_load_explicit(&block->thread.flight_next,
                             memory_order_relaxed) <=
        atomic_load_explicit(&block->thread.flight_first,
                             memory_order_relaxed)) {
      continue;
    }
    if (!has_begun) {
      begin_dump(&dump, file->name, file->rank, file->size);
      has_begun = true;
    }
    dump_thread(&dump, &block->thread, block->events);
  }
  flush(&dump);
}
