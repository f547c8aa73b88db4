// SPDX-License-Identifier: Apache-2.0
//
// A job in one simulation: several runtimes with links between them that are
// made when they are first needed, and what a launcher would tell them. One
// runtime more, the host, is no part of the job: it has the clock and the net.
//
// A member that is killed takes no further step; the others hear of it after a
// delay, from their links and from the launcher, in any order. One that is
// stopped when the launcher asks for it is given up, and all hear that.

#ifndef WEFT_TESTS_SIM_JOB_H_
#define WEFT_TESTS_SIM_JOB_H_

#include "kit/kit.h"
#include "link/sim/sim.h"
#include "peer/peer.h"
#include "weft/weft.h"

#define JOB_MEMBERS 8

typedef struct job job_t;

// What one member knows of another.
typedef struct job_pair {
  job_t* job;
  uint16_t from;
  uint16_t to;
  bool has_asked;
  // The link is made, or is on its way.
  weft_timer_t connecting;
  // There will be none.
  weft_timer_t refusing;
  // The launcher says that the other was given up; that it has died.
  weft_timer_t verdict;
  weft_timer_t obituary;
} job_pair_t;

typedef struct job_member {
  job_t* job;
  uint16_t rank;
  weft_runtime_t* runtime;
  weft_connector_t connector;
  bool is_dead;
  // Being destroyed: nobody connects to it any more.
  bool is_closing;
  // Stopped for so long that others may have given it up.
  bool is_suspect;
  // Stopped now.
  bool is_stopped;
  // The launcher has given it up, so it counts as dead; when it wakes it ends.
  bool is_given_up;
  // The launcher has asked whether it is there.
  weft_timer_t asking;
  bool is_asked;
  weft_timer_t waking;
  job_pair_t pairs[JOB_MEMBERS];
} job_member_t;

typedef struct job_options {
  uint32_t size;
  const weft_class_t* const* classes;
  size_t class_count;
  // Of links; 0: 256 KiB.
  size_t capacity_bytes;
  // NULL: the heap.
  const weft_allocator_t* allocator;
} job_options_t;

struct job {
  weft_kit_random_t* random;
  uint32_t size;
  uint32_t dead_count;
  weft_runtime_t* host;
  weft_sim_net_t* net;
  int64_t delay_max_ns;
  job_member_t members[JOB_MEMBERS];
  // The first that a member has warned of but what its peers' deaths,
  // deadlines and handlers bring about.
  weft_status_t odd_warning;
  // How it went: every warning, and what the test adds.
  uint64_t course;
};

void job_open(job_t* job, weft_kit_random_t* random,
              const job_options_t* options);
// Destroys the runtimes, in any order, the dead last.
void job_close(job_t* job);
// Fails the test if there was an odd warning.
void job_check_warnings(job_t* job);

void job_kill(job_t* job, uint32_t rank);
// The member stops for so long, and then goes on.
void job_stop(job_t* job, uint32_t rank, int64_t duration_ns);
// Nothing comes from or to the member for so long.
void job_delay(job_t* job, uint32_t rank, int64_t duration_ns);

// A member that is alive, by chance.
job_member_t* job_any(job_t* job);
uint64_t job_run(job_t* job, uint64_t step_limit);

// Adds to the course.
void job_note(job_t* job, uint64_t what);
// Runs `run` twice for each of some seeds: fails the test unless both take the
// same course, which `run` stores in the uint64_t that it is given.
void job_check_courses(void (*run)(weft_kit_random_t* random, void* course));

// A value that takes most of a frame: a lane holds few of them.
weft_status_t job_make_bulk(weft_value_t* out_value);

// True for an error that says that somebody has died.
bool job_is_death(const job_t* job, weft_status_t status);

#endif  // WEFT_TESTS_SIM_JOB_H_
