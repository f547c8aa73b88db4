// SPDX-License-Identifier: Apache-2.0
//
// The flight recorder where other processes see it, and how they read it.

#include "trace/flight.h"

#include <stdio.h>

#include "base/memory.h"
#include "base/utf8.h"
#include "trace/trace_internal.h"

_Static_assert(sizeof(weft_flight_name_t) == 64, "a name is a cache line");

// --- In the process that records --------------------------------------------

static void copy_name(char* text, const char* name) {
  (void)snprintf(text, WEFT_FLIGHT_NAME_BYTES, "%s", name);
}

weft_status_t weft_flight_share(weft_runtime_t* runtime, int* out_descriptor) {
  weft_trace_state_t* state = weft_trace_state(runtime);
  weft_memfd_t memory;
  *out_descriptor = -1;
  WEFT_RETURN_IF_ERROR(weft_memfd_create("weft-flight",
                                         sizeof(weft_flight_file_t),
                                         WEFT_MEMFD_ONE_WRITER, &memory));
  weft_flight_file_t* file = memory.data;
  file->magic = WEFT_FLIGHT_MAGIC;
  file->rank = runtime->rank;
  file->size = runtime->size;
  copy_name(file->name, runtime->name);
  weft_mutex_lock(&state->lock);
  state->flight_memory = memory;
  weft_mutex_unlock(&state->lock);
  *out_descriptor = memory.descriptor;
  return WEFT_OK;
}

weft_trace_thread_t* weft_flight_take_block_locked(weft_trace_state_t* state) {
  weft_flight_file_t* file = weft_trace_flight_file(state);
  if (file == NULL) {
    return NULL;
  }
  // Relaxed, both: changed under the lock, and read when this process is dead.
  uint32_t count =
      atomic_load_explicit(&file->block_count, memory_order_relaxed);
  if (count == WEFT_FLIGHT_BLOCKS) {
    return NULL;
  }
  weft_flight_block_t* block = &file->blocks[count];
  block->thread.flight = block->events;
  atomic_store_explicit(&file->block_count, count + 1, memory_order_relaxed);
  return &block->thread;
}

bool weft_flight_is_seen(const weft_trace_state_t* state,
                         const weft_trace_thread_t* block) {
  const weft_flight_file_t* file = weft_trace_flight_file(state);
  uintptr_t offset = (uintptr_t)block - (uintptr_t)file;
  return file != NULL && offset < sizeof(*file);
}

static void add_name_locked(weft_flight_file_t* file, const char* name) {
  for (size_t i = 0; i < WEFT_FLIGHT_NAMES; i++) {
    weft_flight_name_t* place = &file->names[i];
    // Relaxed: written under the lock.
    uint64_t address =
        atomic_load_explicit(&place->address, memory_order_relaxed);
    if (address == (uintptr_t)name) {
      return;
    }
    if (address == 0) {
      copy_name(place->text, name);
      // Release: whoever reads the memory of this process after its death
      // finds the text with the address.
      atomic_store_explicit(&place->address, (uintptr_t)name,
                            memory_order_release);
      return;
    }
  }
}

void weft_flight_name(weft_runtime_t* runtime, const char* name) {
  weft_trace_state_t* state = weft_trace_state(runtime);
  if (state == NULL || name == NULL) {
    return;
  }
  weft_mutex_lock(&state->lock);
  weft_flight_file_t* file = weft_trace_flight_file(state);
  if (file != NULL) {
    add_name_locked(file, name);
  }
  weft_mutex_unlock(&state->lock);
}

// --- In the process that reads ----------------------------------------------

static void mend(char* text, size_t capacity) {
  text[capacity - 1] = '\0';
  size_t length = strlen(text);
  for (size_t i = 0; i < length; i++) {
    unsigned char byte = (unsigned char)text[i];
    text[i] = byte < ' ' || byte == 0x7f ? '?' : text[i];
  }
  text[weft_utf8_prefix((const uint8_t*)text, length)] = '\0';
}

// What is printed is text and no more, whatever a process has written there.
static void mend_thread(weft_trace_thread_t* thread) {
  union {
    char text[WEFT_SYS_THREAD_NAME_CAPACITY];
    uint64_t words[2];
  } name;
  weft_trace_thread_name(thread, name.text);
  mend(name.text, sizeof(name.text));
  // Relaxed: nobody else has this copy.
  atomic_store_explicit(&thread->name[0], name.words[0], memory_order_relaxed);
  atomic_store_explicit(&thread->name[1], name.words[1], memory_order_relaxed);
}

// Makes a copy sound. Errors: DATA_LOSS.
static weft_status_t check(weft_flight_file_t* file) {
  // Relaxed: nobody else has this copy.
  uint32_t count =
      atomic_load_explicit(&file->block_count, memory_order_relaxed);
  if (file->magic != WEFT_FLIGHT_MAGIC || count > WEFT_FLIGHT_BLOCKS) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "what a rank gave as its flight recorder is none "
                            "of this version of weft");
  }
  mend(file->name, sizeof(file->name));
  for (size_t i = 0; i < WEFT_FLIGHT_NAMES; i++) {
    mend(file->names[i].text, sizeof(file->names[i].text));
  }
  for (uint32_t i = 0; i < count; i++) {
    mend_thread(&file->blocks[i].thread);
  }
  return WEFT_OK;
}

weft_status_t weft_flight_show(int seen, uint64_t limit, int descriptor) {
  size_t page_bytes = weft_sys_page_bytes();
  size_t size_bytes =
      (sizeof(weft_flight_file_t) + page_bytes - 1) / page_bytes * page_bytes;
  weft_memfd_t memory;
  WEFT_RETURN_IF_ERROR(
      weft_memfd_map(seen, size_bytes, WEFT_MEMFD_ONE_WRITER, &memory));
  const weft_allocator_t* allocator = weft_allocator_system();
  weft_flight_file_t* copy = allocator->allocate(allocator->self, sizeof(*copy),
                                                 alignof(weft_flight_file_t));
  weft_status_t status =
      copy != NULL ? WEFT_OK
                   : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                      "no memory to show a flight recorder");
  if (copy != NULL) {
    // A process that the dead one forked may still write.
    memcpy(copy, memory.data, sizeof(*copy));
    status = check(copy);
  }
  if (status == WEFT_OK) {
    weft_flight_dump_file(copy, limit, descriptor);
  }
  weft_memory_free(allocator, copy, sizeof(*copy));
  weft_memfd_release(&memory);
  return status;
}
