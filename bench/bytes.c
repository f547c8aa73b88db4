// SPDX-License-Identifier: Apache-2.0
//
// actor / bytes: the heap that an idle actor takes, with its mailbox and its
// entry in the table, without the user's state. The runtime allocates from an
// allocator that counts what the C heap really gives away for each block; the
// growth from few actors to many, divided by their number, is the figure.
//
// Actors are spawned a thousand at a time: what they need to start is then
// used again, as in a program that lives long.

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/actor.h"
#include "bench/world.h"

#define WAVE 1000
// Before counting begins: so that the first chunks of everything are there.
#define BASE_COUNT 1000
// What malloc keeps in front of a block.
#define MALLOC_HEADER_BYTES sizeof(size_t)

typedef struct tally {
  // Relaxed throughout: read only while nobody allocates.
  _Atomic int64_t bytes;
} tally_t;

static void add(tally_t* tally, void* block, int sign) {
  int64_t bytes = (int64_t)(malloc_usable_size(block) + MALLOC_HEADER_BYTES);
  (void)atomic_fetch_add_explicit(&tally->bytes, sign * bytes,
                                  memory_order_relaxed);
}

static int64_t held(tally_t* tally) {
  return atomic_load_explicit(&tally->bytes, memory_order_relaxed);
}

static void* allocate_counted(void* self, size_t size_bytes, size_t alignment) {
  void* block = NULL;
  if (alignment <= _Alignof(max_align_t)) {
    block = malloc(size_bytes);
  } else if (posix_memalign(&block, alignment, size_bytes) != 0) {
    block = NULL;
  }
  if (block != NULL) {
    add(self, block, 1);
  }
  return block;
}

static void free_counted(void* self, void* block, size_t size_bytes) {
  (void)size_bytes;
  if (block != NULL) {
    add(self, block, -1);
  }
  free(block);
}

// --- The actors -------------------------------------------------------------

enum { IDLER_ECHO };

static weft_status_t idler_echo(weft_context_t* context, void* state,
                                const weft_value_t* arguments,
                                weft_value_t* out_result) {
  (void)context;
  (void)state;
  *out_result = arguments[0];
  return WEFT_OK;
}

static const weft_parameter_t number_parameter = {"number", WEFT_KIND_INT64};
static const weft_endpoint_t idler_endpoints[] = {
    [IDLER_ECHO] = {"echo", idler_echo, &number_parameter, 1},
};
static const weft_class_t idler_class = {
    .name = "idler",
    .version = 1,
    .endpoints = idler_endpoints,
    .endpoint_count = sizeof(idler_endpoints) / sizeof(idler_endpoints[0]),
};
static const weft_class_t* const classes[] = {&idler_class};

// Spawns actors, each wave until its last one answers: with one worker they
// start in the order of spawning.
static weft_status_t spawn_idle(weft_runtime_t* runtime, uint64_t count) {
  weft_actor_t last = {0};
  for (uint64_t i = 1; i <= count; i++) {
    WEFT_RETURN_IF_ERROR(
        weft_spawn(runtime, &idler_class, weft_none(), NULL, &last));
    if (i % WAVE == 0 || i == count) {
      int64_t echo = 0;
      WEFT_RETURN_IF_ERROR(
          weft_bench_ask(runtime, last, IDLER_ECHO, (int64_t)i, &echo));
      WEFT_RETURN_IF_ERROR(weft_bench_expect("echo", (int64_t)i, echo));
    }
  }
  return WEFT_OK;
}

// --- The case ---------------------------------------------------------------

// Resident memory of the process; 0 when it cannot be told.
static int64_t resident_bytes(void) {
  // "size resident shared ...", in pages.
  char line[128] = "";
  FILE* file = fopen("/proc/self/statm", "re");
  if (file != NULL) {
    if (fgets(line, sizeof(line), file) == NULL) {
      line[0] = '\0';
    }
    (void)fclose(file);
  }
  const char* resident = strchr(line, ' ');
  return resident == NULL ? 0
                          : strtoll(resident, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static weft_status_t measure_in(weft_runtime_t* runtime, tally_t* tally,
                                uint64_t count,
                                weft_bench_measure_t* out_measure) {
  WEFT_RETURN_IF_ERROR(spawn_idle(runtime, BASE_COUNT));
  int64_t held_before = held(tally);
  int64_t resident_before = resident_bytes();
  WEFT_RETURN_IF_ERROR(spawn_idle(runtime, count));
  double heap = (double)(held(tally) - held_before);
  double resident = (double)(resident_bytes() - resident_before);
  out_measure->figure = heap / (double)count;
  (void)snprintf(out_measure->note, sizeof(out_measure->note),
                 "resident memory grew by %.1f B an actor",
                 resident / (double)count);
  return WEFT_OK;
}

static weft_status_t measure_bytes(uint64_t count,
                                   weft_bench_measure_t* out_measure) {
  tally_t tally;
  atomic_init(&tally.bytes, 0);
  weft_allocator_t allocator = {
      .self = &tally,
      .allocate = allocate_counted,
      .free = free_counted,
  };
  weft_bench_world_t* world = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_bench_world_create(classes, 1, 1, &allocator, &world));
  weft_status_t status = measure_in(world->runtime, &tally, count, out_measure);
  weft_bench_world_destroy(world);
  if (status == WEFT_OK) {
    status = weft_bench_expect("bytes left behind", 0, held(&tally));
  }
  return status;
}

const weft_bench_subject_t weft_bench_bytes = {.measure = measure_bytes};
