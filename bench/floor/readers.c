// SPDX-License-Identifier: Apache-2.0
//
// The floor of `channel/readers_32`: one word that all readers sleep on, and
// that wakes all of them; the last one to have seen it wakes the writer.

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/floor/floor.h"
#include "bench/floor/partner.h"

typedef struct shared {
  // The number of the value; what it is.
  _Alignas(128) _Atomic uint32_t number;
  bool is_last;
  uint64_t value;
  // Readers that have yet to see it.
  _Alignas(128) _Atomic uint32_t left;
  // The value that all have seen.
  _Alignas(128) _Atomic uint32_t seen;
} shared_t;

typedef struct readers {
  shared_t* shared;
  pid_t processes[WEFT_FLOOR_READERS];
  uint32_t number;
  cpu_set_t before;
} readers_t;

// Sleeps until the word is something else than `last`, and says what.
static uint32_t sleep_past(_Atomic uint32_t* word, uint32_t last) {
  uint32_t found;
  while ((found = atomic_load_explicit(word, memory_order_acquire)) == last) {
    weft_partner_wait(word, last);
  }
  return found;
}

static void read_all(shared_t* shared) {
  uint64_t sum = 0;
  uint32_t number = 0;
  for (;;) {
    number = sleep_past(&shared->number, number);
    if (shared->is_last) {
      _exit(sum == 1 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    sum += shared->value;
    if (atomic_fetch_sub_explicit(&shared->left, 1, memory_order_acq_rel) ==
        1) {
      atomic_store_explicit(&shared->seen, number, memory_order_release);
      weft_partner_wake(&shared->seen);
    }
  }
}

static void give(readers_t* readers, uint64_t value, bool is_last) {
  shared_t* shared = readers->shared;
  shared->value = value;
  shared->is_last = is_last;
  atomic_store_explicit(&shared->left, WEFT_FLOOR_READERS,
                        memory_order_relaxed);
  atomic_store_explicit(&shared->number, ++readers->number,
                        memory_order_release);
  weft_partner_wake_all(&shared->number);
}

static void prepare(void* state, uint64_t count) {
  (void)count;
  weft_partner_bind(&((readers_t*)state)->before, false);
}

static void run(void* state, uint64_t count) {
  readers_t* readers = state;
  for (uint64_t i = 0; i < count; i++) {
    uint32_t last = readers->number;
    give(readers, i, false);
    (void)sleep_past(&readers->shared->seen, last);
  }
  (void)sched_setaffinity(0, sizeof(readers->before), &readers->before);
}

static void destroy(void* state) {
  readers_t* readers = state;
  if (readers == NULL) {
    return;
  }
  if (readers->shared != NULL) {
    give(readers, 0, true);
    for (size_t i = 0; i < WEFT_FLOOR_READERS; i++) {
      if (readers->processes[i] > 0) {
        (void)waitpid(readers->processes[i], NULL, 0);
      }
    }
    (void)munmap(readers->shared, sizeof(*readers->shared));
  }
  free(readers);
}

static bool start(readers_t* readers) {
  pid_t parent = getpid();
  (void)fflush(NULL);
  for (size_t i = 0; i < WEFT_FLOOR_READERS; i++) {
    readers->processes[i] = fork();
    if (readers->processes[i] < 0) {
      return false;
    }
    if (readers->processes[i] == 0) {
      (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
      weft_partner_bind(&readers->before, true);
      if (getppid() == parent) {
        read_all(readers->shared);
      }
      _exit(EXIT_FAILURE);
    }
  }
  return true;
}

static void* create(void) {
  readers_t* readers = calloc(1, sizeof(*readers));
  if (readers == NULL ||
      sched_getaffinity(0, sizeof(readers->before), &readers->before) != 0) {
    free(readers);
    return NULL;
  }
  void* memory = mmap(NULL, sizeof(shared_t), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  readers->shared = memory == MAP_FAILED ? NULL : memory;
  if (readers->shared == NULL || !start(readers)) {
    destroy(readers);
    return NULL;
  }
  return readers;
}

const weft_floor_t weft_floor_readers = {create, run, destroy, prepare, NULL};
