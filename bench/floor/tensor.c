// SPDX-License-Identifier: Apache-2.0
//
// The floors of `tensor`, between two processes.
//
// Handing over: the writer says where in memory of both the bytes are, the
// reader says that it knows.
//
// Copying from private memory to private memory, one way, with an answer; the
// faster of two ways, which a trial finds:
//
//   chunks   the writer copies into a ring of chunks that both have, the
//            reader out of it, at the same time
//   direct   the reader has the kernel copy from the writer's memory

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bench/floor/floor.h"
#include "bench/floor/partner.h"

#define MEGABYTE ((size_t)1 << 20)
#define CHUNK_BYTES ((size_t)64 << 10)
#define CHUNKS 8

typedef struct shared {
  // Of a hand-over: a description, and its number.
  _Alignas(64) _Atomic uint32_t given;
  uint64_t segment;
  uint64_t offset_bytes;
  uint64_t size_bytes;
  _Alignas(64) _Atomic uint32_t taken;
  // Of the ring.
  _Alignas(64) _Atomic uint64_t tail;
  _Alignas(64) _Atomic uint64_t head;
  _Alignas(4096) unsigned char ring[CHUNKS][CHUNK_BYTES];
} shared_t;

typedef struct handover {
  weft_partner_t partner;
  shared_t* shared;
  pid_t writer;
  bool is_direct;
  size_t size_bytes;
  // Of the writer: what is copied. Of the reader: where to.
  unsigned char* memory;
  uint32_t passed;
  uint64_t chunks;
  uint64_t sum;
} handover_t;

static void spin_for(_Atomic uint32_t* word, uint32_t value) {
  while (atomic_load_explicit(word, memory_order_acquire) != value) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

static void spin_past(_Atomic uint64_t* word, uint64_t value) {
  while (atomic_load_explicit(word, memory_order_acquire) <= value) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
}

// --- The other side ---------------------------------------------------------

static void enter(void* user) {
  handover_t* handover = user;
  handover->shared = handover->partner.shared;
  // A copy of its own: the pages are shared until they are written.
  if (handover->size_bytes > 0) {
    memset(handover->memory, 2, handover->size_bytes);
  }
}

static void serve_handover(void* user, uint64_t count) {
  handover_t* handover = user;
  shared_t* shared = handover->shared;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t number = ++handover->passed;
    spin_for(&shared->given, number);
    handover->sum +=
        shared->segment + shared->offset_bytes + shared->size_bytes;
    atomic_store_explicit(&shared->taken, number, memory_order_release);
  }
}

static void read_chunks(handover_t* handover) {
  shared_t* shared = handover->shared;
  for (size_t at = 0; at < handover->size_bytes; at += CHUNK_BYTES) {
    uint64_t chunk = handover->chunks++;
    spin_past(&shared->tail, chunk);
    memcpy(handover->memory + at, shared->ring[chunk % CHUNKS], CHUNK_BYTES);
    atomic_store_explicit(&shared->head, chunk + 1, memory_order_release);
  }
}

static void read_direct(handover_t* handover) {
  for (size_t done = 0; done < handover->size_bytes;) {
    size_t left = handover->size_bytes - done;
    struct iovec to = {handover->memory + done, left};
    // Both have it at the same address.
    struct iovec from = {handover->memory + done, left};
    ssize_t size = process_vm_readv(handover->writer, &to, 1, &from, 1, 0);
    if (size <= 0) {
      return;
    }
    done += (size_t)size;
  }
}

static void serve_copy(void* user, uint64_t count) {
  handover_t* handover = user;
  shared_t* shared = handover->shared;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t number = ++handover->passed;
    spin_for(&shared->given, number);
    if (shared->segment != 0) {
      read_direct(handover);
    } else {
      read_chunks(handover);
    }
    atomic_store_explicit(&shared->taken, number, memory_order_release);
  }
}

// --- This side --------------------------------------------------------------

static void prepare(void* state, uint64_t count) {
  weft_partner_begin(&((handover_t*)state)->partner, count);
}

static void give(handover_t* handover, uint64_t segment) {
  shared_t* shared = handover->shared;
  shared->segment = segment;
  shared->offset_bytes = handover->passed;
  shared->size_bytes = handover->size_bytes;
  atomic_store_explicit(&shared->given, ++handover->passed,
                        memory_order_release);
}

static void run_handover(void* state, uint64_t count) {
  handover_t* handover = state;
  for (uint64_t i = 0; i < count; i++) {
    give(handover, 0);
    spin_for(&handover->shared->taken, handover->passed);
  }
  weft_partner_end(&handover->partner);
}

static void write_chunks(handover_t* handover) {
  shared_t* shared = handover->shared;
  for (size_t at = 0; at < handover->size_bytes; at += CHUNK_BYTES) {
    uint64_t chunk = handover->chunks++;
    if (chunk >= CHUNKS) {
      spin_past(&shared->head, chunk - CHUNKS);
    }
    memcpy(shared->ring[chunk % CHUNKS], handover->memory + at, CHUNK_BYTES);
    atomic_store_explicit(&shared->tail, chunk + 1, memory_order_release);
  }
}

static void copy_all(handover_t* handover, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    give(handover, handover->is_direct ? 1 : 0);
    if (!handover->is_direct) {
      write_chunks(handover);
    }
    spin_for(&handover->shared->taken, handover->passed);
  }
}

static void run_copy(void* state, uint64_t count) {
  handover_t* handover = state;
  copy_all(handover, count);
  weft_partner_end(&handover->partner);
}

// --- Life -------------------------------------------------------------------

static void destroy(void* state) {
  handover_t* handover = state;
  if (handover != NULL) {
    weft_partner_stop(&handover->partner);
    free(handover->memory);
    free(handover);
  }
}

static handover_t* create_with(size_t size_bytes,
                               void (*serve)(void* user, uint64_t count)) {
  const weft_partner_part_t part = {.enter = enter, .serve = serve};
  handover_t* handover = calloc(1, sizeof(*handover));
  if (handover == NULL) {
    return NULL;
  }
  handover->size_bytes = size_bytes;
  handover->writer = getpid();
  handover->memory = size_bytes > 0 ? aligned_alloc(4096, size_bytes) : NULL;
  bool ok = size_bytes == 0 || handover->memory != NULL;
  if (ok && size_bytes > 0) {
    memset(handover->memory, 1, size_bytes);
  }
  // Where only a parent may look into a process, the child needs leave.
  (void)prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
  if (!ok || !weft_partner_start(&handover->partner, sizeof(shared_t), &part,
                                 handover)) {
    destroy(handover);
    return NULL;
  }
  handover->shared = handover->partner.shared;
  return handover;
}

static int64_t time_of(handover_t* handover) {
  const uint64_t trials = 4;
  struct timespec start;
  struct timespec end;
  weft_partner_begin(&handover->partner, 2 * trials);
  copy_all(handover, trials);
  (void)clock_gettime(CLOCK_MONOTONIC, &start);
  copy_all(handover, trials);
  (void)clock_gettime(CLOCK_MONOTONIC, &end);
  weft_partner_end(&handover->partner);
  return (int64_t)(end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec -
         start.tv_nsec;
}

static void* create_copy(size_t size_bytes) {
  handover_t* handover = create_with(size_bytes, serve_copy);
  if (handover != NULL) {
    int64_t chunks_ns = time_of(handover);
    handover->is_direct = true;
    handover->is_direct = time_of(handover) < chunks_ns;
  }
  return handover;
}

static void* create_handover(void) {
  return create_with(0, serve_handover);
}

static void* create_copy_1mb(void) {
  return create_copy(MEGABYTE);
}

static void* create_copy_64mb(void) {
  return create_copy(64 * MEGABYTE);
}

const weft_floor_t weft_floor_handover = {create_handover, run_handover,
                                          destroy, prepare, NULL};
const weft_floor_t weft_floor_copy_1mb = {create_copy_1mb, run_copy, destroy,
                                          prepare, NULL};
const weft_floor_t weft_floor_copy_64mb = {create_copy_64mb, run_copy, destroy,
                                           prepare, NULL};
