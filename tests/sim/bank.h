// SPDX-License-Identifier: Apache-2.0
//
// Tensors in shared memory that are passed along chains of actors of several
// members of a job, kept, given back, and written again by their maker once
// nobody has them, while members are killed. Each version of a tensor has a
// pattern, so whoever has it sees when it is not what was sent. In the end
// every arena has its memory back.

#ifndef WEFT_TESTS_SIM_BANK_H_
#define WEFT_TESTS_SIM_BANK_H_

#include "sim/job.h"

enum {
  BANK_CLERKS = 10,
  BANK_NOTES = 24,
  BANK_HELD = 200,
  BANK_CALLS = 400,
};

typedef struct bank bank_t;

// A tensor, as its maker has it; NULL: there is none.
typedef struct note {
  weft_tensor_t* tensor;
  uint32_t rank;
  uint32_t version;
  size_t size_bytes;
} note_t;

// One that somebody has kept.
typedef struct held {
  weft_value_t value;
  uint32_t note;
  uint32_t version;
  uint32_t rank;
} held_t;

typedef struct clerk {
  uint32_t rank;
  weft_actor_t actor;
} clerk_t;

struct bank {
  job_t job;
  weft_kit_random_t* random;
  clerk_t clerks[BANK_CLERKS];
  note_t notes[BANK_NOTES];
  held_t held[BANK_HELD];
  uint32_t held_count;
  weft_future_t* calls[BANK_CALLS];
  uint32_t call_ranks[BANK_CALLS];
  uint32_t call_count;
  // Some call was cancelled, or has a deadline.
  bool may_cancel;
  bool is_over;
};

void bank_open(bank_t* bank, weft_kit_random_t* random, uint32_t size);
// One thing, by chance.
void bank_act(bank_t* bank);
// Nothing is on its way: all that survivors have is given back, and it is
// checked that every arena has its memory back.
void bank_settle(bank_t* bank);
void bank_close(bank_t* bank);

#endif  // WEFT_TESTS_SIM_BANK_H_
