// SPDX-License-Identifier: Apache-2.0

#include "trace/writer.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/runtime.h"
#include "sys/output.h"
#include "sys/sys.h"
#include "trace/format.h"
#include "trace/trace_internal.h"

// Text that is put together before it is written.
#define TEXT_CAPACITY ((size_t)64 * 1024)
// What closes the array, and what the next batch writes over.
#define CLOSING "\n]\n"
#define CLOSING_BYTES (sizeof(CLOSING) - 1)
// How often events are written that are in chunks not yet full, so that the
// file of a program that is killed lacks little.
#define SWEEP_INTERVAL_NS ((int64_t)250 * 1000 * 1000)
// How many names are tried: FILE, FILE.2 ...
#define NAME_TRIES 100
// Digits and point that a name may get.
#define NAME_EXTRA 8

struct weft_trace_writer {
  weft_runtime_t* runtime;
  weft_trace_format_t format;
  // The name of the file, in a block of `path_bytes`.
  char* path;
  size_t path_bytes;
  weft_sys_file_t file;
  // Where the next batch goes: on the closing of the last one.
  uint64_t offset;
  // Set after the first write that failed: what comes is dropped.
  bool is_broken;
  weft_text_t text;
  // Events whose text is in `text`.
  uint64_t event_count;
  weft_sys_thread_t thread;
  // Changes whenever there is something to do.
  _Atomic uint32_t work;
  _Atomic bool is_stopping;
  // Guards what follows. Taken last; nothing is done under it but to move
  // chunks between lists.
  weft_mutex_t lock;
  weft_trace_chunk_t* full_first;
  weft_trace_chunk_t* full_last;
  weft_trace_chunk_t* free;
  uint32_t chunk_count;
};

// --- Writing ----------------------------------------------------------------

// A batch that was written in part is cut off, so that what came before it
// stays a whole file.
static void give_up(weft_trace_writer_t* writer, weft_status_t status) {
  writer->is_broken = true;
  if (weft_sys_file_cut(&writer->file, writer->offset)) {
    (void)weft_status_ignore(weft_sys_file_write_at(
        &writer->file, CLOSING, CLOSING_BYTES, writer->offset));
  }
  weft_warn(writer->runtime,
            weft_status_make_caused(
                weft_status_code(status), status,
                "trace file %s ends early; free some space and run again",
                writer->path));
}

// The kernel may cut a write short between two pages when a signal ends the
// process. No page is smaller. Units: bytes.
#define PAGE_BYTES 4096
// How each object of the array begins, but the first. No text within one has a
// newline.
#define BEGINNING ",\n{\"ph\":\""

// What is written at once of the text from `begin` on: as many objects as end,
// with the closing, in the page that they begin in, or one that reaches into
// the next.
static size_t piece_bytes(const weft_trace_writer_t* writer, size_t begin) {
  const char* text = writer->text.buffer;
  size_t length = writer->text.length;
  size_t room = PAGE_BYTES - writer->offset % PAGE_BYTES;
  size_t end = begin;
  while (end < length) {
    const char* next = memmem(text + end + 1, length - end - 1, BEGINNING,
                              sizeof(BEGINNING) - 1);
    size_t next_end = next != NULL ? (size_t)(next - text) : length;
    if (next_end - begin + CLOSING_BYTES > room && end > begin) {
      break;
    }
    end = next_end;
  }
  return end - begin;
}

// How many events a piece has: arrows are objects, too, beside the slices of
// their events.
static uint64_t count_events(const char* piece, size_t bytes) {
  uint64_t count = 0;
  const char* end = piece + bytes;
  const char* at = piece;
  while ((at = memmem(at, (size_t)(end - at), BEGINNING,
                      sizeof(BEGINNING) - 1)) != NULL) {
    at += sizeof(BEGINNING) - 1;
    count += at < end && (*at == 'X' || *at == 'M') ? 1 : 0;
  }
  return count;
}

// Writes a piece of the text and the closing behind it.
static weft_status_t write_piece(weft_trace_writer_t* writer, size_t begin,
                                 size_t bytes) {
  char* place = writer->text.buffer + begin;
  char rest[CLOSING_BYTES];
  memcpy(rest, place + bytes, CLOSING_BYTES);
  memcpy(place + bytes, CLOSING, CLOSING_BYTES);
  weft_status_t status = weft_sys_file_write_at(
      &writer->file, place, bytes + CLOSING_BYTES, writer->offset);
  memcpy(place + bytes, rest, CLOSING_BYTES);
  if (status == WEFT_OK) {
    uint64_t written = count_events(place, bytes);
    writer->offset += bytes;
    // The head of the file has no events.
    writer->event_count -=
        written < writer->event_count ? written : writer->event_count;
  }
  return status;
}

// Writes what is in the text over the closing of the batch before, in pieces
// that a signal does not tear, so that the file of a program that is killed is
// whole: but for a piece that reaches over the end of a page, in the moment
// between both.
static weft_status_t write_batch(weft_trace_writer_t* writer) {
  weft_status_t status = WEFT_OK;
  size_t begin = 0;
  while (begin < writer->text.length && status == WEFT_OK) {
    size_t bytes = piece_bytes(writer, begin);
    status = write_piece(writer, begin, bytes);
    begin += bytes;
  }
  writer->text.length = 0;
  return status;
}

static void flush(weft_trace_writer_t* writer) {
  if (writer->event_count > 0 && !writer->is_broken) {
    weft_status_t status = write_batch(writer);
    if (status != WEFT_OK) {
      give_up(writer, status);
    }
  }
  // What is left was not written.
  weft_count(writer->runtime, WEFT_COUNTER_trace_dropped, writer->event_count);
  writer->event_count = 0;
  writer->text.length = 0;
}

// Turns the events of a chunk into text that were not before.
static void write_chunk(weft_trace_writer_t* writer,
                        weft_trace_chunk_t* chunk) {
  // Acquire: pairs with the release of the thread that fills it, so that the
  // events are seen whole.
  uint32_t count = atomic_load_explicit(&chunk->count, memory_order_acquire);
  weft_trace_format_thread(&writer->format, chunk->thread_id);
  for (; chunk->written < count; ++chunk->written) {
    if (writer->text.capacity - writer->text.length <
        WEFT_TRACE_FORMAT_LIMIT + CLOSING_BYTES) {
      flush(writer);
    }
    weft_trace_format_event(&writer->format, &chunk->events[chunk->written],
                            &writer->text);
    ++writer->event_count;
  }
}

// --- Chunks -----------------------------------------------------------------

static weft_trace_chunk_t* take_full(weft_trace_writer_t* writer) {
  weft_mutex_lock(&writer->lock);
  weft_trace_chunk_t* chunk = writer->full_first;
  if (chunk != NULL) {
    writer->full_first = chunk->next;
  }
  if (writer->full_first == NULL) {
    writer->full_last = NULL;
  }
  weft_mutex_unlock(&writer->lock);
  return chunk;
}

static void put_free(weft_trace_writer_t* writer, weft_trace_chunk_t* chunk) {
  weft_mutex_lock(&writer->lock);
  chunk->next = writer->free;
  writer->free = chunk;
  weft_mutex_unlock(&writer->lock);
}

static void put_full_locked(weft_trace_writer_t* writer,
                            weft_trace_chunk_t* chunk) {
  chunk->next = NULL;
  if (writer->full_last != NULL) {
    writer->full_last->next = chunk;
  } else {
    writer->full_first = chunk;
  }
  writer->full_last = chunk;
}

// An empty chunk that was used before, or the right to make one.
static weft_trace_chunk_t* take_free_locked(weft_trace_writer_t* writer,
                                            bool* out_may_allocate) {
  weft_trace_chunk_t* chunk = writer->free;
  *out_may_allocate =
      chunk == NULL && writer->chunk_count < WEFT_TRACE_CHUNK_LIMIT;
  if (chunk != NULL) {
    writer->free = chunk->next;
  }
  writer->chunk_count += *out_may_allocate ? 1 : 0;
  return chunk;
}

static weft_trace_chunk_t* allocate_chunk(weft_trace_writer_t* writer) {
  weft_trace_chunk_t* chunk = weft_memory_allocate(writer->runtime->allocator,
                                                   sizeof(weft_trace_chunk_t));
  if (chunk == NULL) {
    weft_mutex_lock(&writer->lock);
    --writer->chunk_count;
    weft_mutex_unlock(&writer->lock);
  }
  return chunk;
}

static void wake(weft_trace_writer_t* writer) {
  // Release: pairs with the acquire in `run`, which then sees what to do.
  atomic_fetch_add_explicit(&writer->work, 1, memory_order_release);
  weft_futex_wake(&writer->work, 1);
}

weft_trace_chunk_t* weft_trace_writer_exchange(weft_trace_writer_t* writer,
                                               weft_trace_chunk_t* chunk,
                                               uint32_t thread_id) {
  bool may_allocate = false;
  weft_trace_chunk_t* given = NULL;
  weft_mutex_lock(&writer->lock);
  // The writer empties the whole list once it is awake.
  bool must_wake = chunk != NULL && writer->full_first == NULL;
  if (chunk != NULL) {
    put_full_locked(writer, chunk);
  }
  if (thread_id != 0) {
    given = take_free_locked(writer, &may_allocate);
  }
  weft_mutex_unlock(&writer->lock);
  if (must_wake) {
    wake(writer);
  }
  if (may_allocate) {
    given = allocate_chunk(writer);
  }
  if (given != NULL) {
    given->next = NULL;
    given->thread_id = thread_id;
    given->written = 0;
    // Relaxed: published with the chunk by the thread that gets it.
    atomic_store_explicit(&given->count, 0, memory_order_relaxed);
  }
  return given;
}

// --- The thread -------------------------------------------------------------

static void write_full(weft_trace_writer_t* writer) {
  weft_trace_chunk_t* chunk = take_full(writer);
  while (chunk != NULL) {
    write_chunk(writer, chunk);
    put_free(writer, chunk);
    chunk = take_full(writer);
  }
}

// Writes what is in chunks that threads still fill. Only the writer takes
// chunks out of use, so one that is seen here stays what it is.
static void write_open(weft_trace_writer_t* writer) {
  const weft_trace_state_t* state = weft_trace_state(writer->runtime);
  for (const weft_trace_thread_t* thread = weft_trace_threads(state);
       thread != NULL; thread = thread->next) {
    // Acquire: pairs with the release in `set_chunk` of span.c.
    weft_trace_chunk_t* chunk =
        atomic_load_explicit(&thread->chunk, memory_order_acquire);
    if (chunk != NULL) {
      write_chunk(writer, chunk);
    }
  }
}

static void write_all(weft_trace_writer_t* writer) {
  // Full chunks first: they are the older ones.
  write_full(writer);
  write_open(writer);
  flush(writer);
}

static void run(void* user) {
  weft_trace_writer_t* writer = user;
  // Or waking it would take the core from the thread that handed a chunk in.
  weft_sys_thread_defer();
  int64_t sweep_ns = weft_sys_now_ns() + SWEEP_INTERVAL_NS;
  bool is_stopping = false;
  while (!is_stopping) {
    // Acquire: pairs with the release in `wake`.
    uint32_t seen = atomic_load_explicit(&writer->work, memory_order_acquire);
    // Relaxed: it was set before the change of `work`.
    is_stopping =
        atomic_load_explicit(&writer->is_stopping, memory_order_relaxed);
    write_full(writer);
    if (weft_sys_now_ns() >= sweep_ns) {
      write_all(writer);
      sweep_ns = weft_sys_now_ns() + SWEEP_INTERVAL_NS;
    }
    if (!is_stopping) {
      (void)weft_futex_wait(&writer->work, seen, sweep_ns);
    }
  }
}

// --- Life -------------------------------------------------------------------

// Where in a path the number goes: before the extension of its last part.
static size_t stem_length(const char* path) {
  const char* slash = strrchr(path, '/');
  const char* name = slash != NULL ? slash + 1 : path;
  const char* dot = strrchr(name, '.');
  return dot != NULL && dot != name ? (size_t)(dot - path) : strlen(path);
}

// Opens the first of FILE, FILE.2 ... that no other writer has.
static weft_status_t open_file(weft_trace_writer_t* writer, const char* path) {
  size_t stem = stem_length(path);
  memcpy(writer->path, path, strlen(path) + 1);
  weft_status_t status = weft_sys_file_open(&writer->file, writer->path);
  for (int number = 2; weft_status_code(status) == WEFT_STATUS_ALREADY_EXISTS &&
                       number <= NAME_TRIES;
       ++number) {
    weft_status_release(status);
    snprintf(writer->path, writer->path_bytes, "%.*s.%d%s", (int)stem, path,
             number, path + stem);
    status = weft_sys_file_open(&writer->file, writer->path);
  }
  return status;
}

static weft_status_t start(weft_trace_writer_t* writer, const char* path) {
  const weft_allocator_t* allocator = writer->runtime->allocator;
  writer->path_bytes = strlen(path) + NAME_EXTRA;
  writer->path = weft_memory_allocate(allocator, writer->path_bytes);
  writer->text.buffer = weft_memory_allocate(allocator, TEXT_CAPACITY);
  if (writer->path == NULL || writer->text.buffer == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to write %s", path);
  }
  writer->text.capacity = TEXT_CAPACITY;
  WEFT_RETURN_IF_ERROR(open_file(writer, path));
  weft_text_string(&writer->text, "[\n");
  weft_trace_format_head(&writer->format, &writer->text);
  WEFT_RETURN_IF_ERROR(write_batch(writer));
  return weft_sys_thread_start(&writer->thread, "weft-trace", run, writer);
}

static void free_chunks(weft_trace_writer_t* writer,
                        weft_trace_chunk_t* chunk) {
  while (chunk != NULL) {
    weft_trace_chunk_t* next = chunk->next;
    weft_memory_free(writer->runtime->allocator, chunk, sizeof(*chunk));
    chunk = next;
  }
}

// Takes back the chunks that threads still hold.
static void free_open(weft_trace_writer_t* writer) {
  const weft_trace_state_t* state = weft_trace_state(writer->runtime);
  for (weft_trace_thread_t* thread = weft_trace_threads(state); thread != NULL;
       thread = thread->next) {
    // Acquire: pairs with the release in `set_chunk` of span.c.
    free_chunks(writer, atomic_exchange_explicit(&thread->chunk, NULL,
                                                 memory_order_acquire));
  }
}

static void destroy(weft_trace_writer_t* writer) {
  const weft_allocator_t* allocator = writer->runtime->allocator;
  weft_sys_file_close(&writer->file);
  free_open(writer);
  free_chunks(writer, writer->free);
  weft_mutex_deinit(&writer->lock);
  weft_memory_free(allocator, writer->text.buffer, TEXT_CAPACITY);
  weft_memory_free(allocator, writer->path, writer->path_bytes);
  weft_memory_free(allocator, writer, sizeof(*writer));
}

weft_status_t weft_trace_writer_create(weft_runtime_t* runtime,
                                       const char* path,
                                       weft_trace_writer_t** out_writer) {
  *out_writer = NULL;
  weft_trace_writer_t* writer =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*writer));
  if (writer == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to write %s", path);
  }
  writer->runtime = runtime;
  writer->format = (weft_trace_format_t){
      .runtime = runtime,
      .process_id = weft_sys_process_id(),
      .epoch_ns = weft_sys_now_ns(),
  };
  writer->file.descriptor = -1;
  weft_mutex_init(&writer->lock);
  weft_status_t status = start(writer, path);
  if (status == WEFT_OK) {
    *out_writer = writer;
    weft_log_info("trace", "spans go to %s", writer->path);
  } else {
    destroy(writer);
  }
  return status;
}

static void report_dropped(const weft_trace_writer_t* writer) {
  weft_counters_t counters;
  weft_runtime_counters(writer->runtime, &counters);
  if (counters.trace_dropped > 0) {
    weft_warn(writer->runtime,
              weft_status_make(
                  WEFT_STATUS_DATA_LOSS,
                  "trace file %s lacks %llu events that found no room; trace "
                  "a shorter run, or larger steps",
                  writer->path, (unsigned long long)counters.trace_dropped));
  }
}

void weft_trace_writer_destroy(weft_trace_writer_t* writer) {
  // A forked child has a copy of all this but not the thread, and the file is
  // its parent's: it leaves both alone.
  if (writer == NULL || writer->format.process_id != weft_sys_process_id()) {
    return;
  }
  // Relaxed: published by the release in `wake`.
  atomic_store_explicit(&writer->is_stopping, true, memory_order_relaxed);
  wake(writer);
  weft_sys_thread_join(&writer->thread);
  write_all(writer);
  report_dropped(writer);
  destroy(writer);
}
