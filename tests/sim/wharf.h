// SPDX-License-Identifier: Apache-2.0
//
// Channels between the members of a job, and the model of what each reader may
// have read, and how it may have ended. Copies of ends lie at the members and
// are passed on by messages; whoever is told to uses one. The test's thread
// writes and reads without waiting, so whatever would wait is seen when nothing
// is left to run.

#ifndef WEFT_TESTS_SIM_WHARF_H_
#define WEFT_TESTS_SIM_WHARF_H_

#include "sim/job.h"

enum {
  WHARF_CHANNELS = 6,
  WHARF_READERS = 3,
  // The writer's end follows those of the readers.
  WHARF_ENDS = WHARF_READERS + 1,
  WHARF_COPIES = 400,
  WHARF_USES = 100,
  WHARF_LEASES = 4,
  WHARF_FUTURES = 200,
};

// How the writer ended a channel.
typedef enum finish {
  FINISH_NONE,
  FINISH_CLOSED,
  FINISH_ERROR,
  FINISH_LEFT
} finish_t;

typedef struct pipe_end {
  // Messages that carry a copy.
  uint32_t on_their_way;
  // Of uses: who was told to open it.
  uint32_t openings;
  // Of those, which got a value, or wrote one; WHARF_USES: nobody so far.
  uint32_t owner;
} pipe_end_t;

typedef struct pipe {
  uint32_t creator;
  uint32_t reader_count;
  uint32_t slot_count;
  uint64_t written;
  finish_t finish;
  pipe_end_t ends[WHARF_ENDS];
} pipe_t;

// An end at a member that nobody there has opened. NONE: the place is free.
typedef struct copy {
  weft_value_t value;
  uint32_t rank;
  uint32_t pipe;
  uint32_t end;
} copy_t;

// Of an end that was opened.
typedef struct use {
  uint32_t index;
  uint32_t rank;
  uint32_t pipe;
  uint32_t end;
  // One of the two, until it has left.
  weft_writer_t* writer;
  weft_reader_t* reader;
  uint64_t next;
  weft_lease_t leases[WHARF_LEASES];
  // It was told that nothing more comes.
  bool has_ended;
} use_t;

typedef struct wharf {
  job_t job;
  weft_kit_random_t* random;
  weft_kit_allocator_t memory;
  // Nobody dies.
  bool is_calm;
  weft_actor_t keepers[JOB_MEMBERS];
  pipe_t pipes[WHARF_CHANNELS];
  uint32_t pipe_count;
  copy_t copies[WHARF_COPIES];
  uint32_t copy_count;
  use_t uses[WHARF_USES];
  uint32_t use_count;
  weft_future_t* futures[WHARF_FUTURES];
  uint32_t future_ranks[WHARF_FUTURES];
  uint32_t future_count;
} wharf_t;

void wharf_open(wharf_t* wharf, weft_kit_random_t* random);
// One thing, by chance.
void wharf_act(wharf_t* wharf);
// All writers end, what was written is read, and all has ended as it should.
void wharf_finish(wharf_t* wharf);
void wharf_close(wharf_t* wharf);

// --- For the files that make it up ------------------------------------------

uint64_t wharf_below(wharf_t* wharf, uint64_t limit);
bool wharf_chance(wharf_t* wharf, uint64_t one_in);
bool wharf_is_dead(const wharf_t* wharf, uint32_t rank);
void wharf_must(const use_t* use, const wharf_t* wharf, bool holds,
                const char* what);
// Writes, or reads and checks, one value; false when that cannot be done now,
// or not any more. What it says must be right.
bool wharf_write(wharf_t* wharf, use_t* use);
bool wharf_read(wharf_t* wharf, use_t* use);
// Gives an end up, with its leases or before them.
void wharf_leave(wharf_t* wharf, use_t* use);
void wharf_release_leases(use_t* use);
// Nothing is left to run: whoever waits waits for somebody.
void wharf_check(wharf_t* wharf);

#endif  // WEFT_TESTS_SIM_WHARF_H_
