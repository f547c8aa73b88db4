// SPDX-License-Identifier: Apache-2.0
//
// The host of a job: what `weft run` has inside. It gives each rank a control
// socket, makes sockets between ranks that ask for each other, lets further
// runtimes of the same user join, and tells everybody who came, who is gone
// and when the job ends. It starts no processes and has no loop: its owner
// watches one descriptor, and tells it of processes that it started and reaped.
//
//   FREE -> EXPECTED -> ACTIVE -> LEFT | GONE       a rank
//               |         '-> GIVEN_UP -->|
//               '---------------->--------'
//
// Whether a rank that says nothing still lives is decided here, once for all. A
// member that hears nothing of another reports that; it decides nothing. The
// host then asks the silent one itself. Whatever that one says, or reads, shows
// that it lives: nobody can have one that answers given up. One that does
// nothing for 2 s is given up: all members are told so, with the same words,
// and lose it; it is told so itself, and ends when it wakes. Its place is GONE
// when its process has ended, for which the owner, who alone can, kills it.
//
// That a process has ended the owner says of those that it started. Of others,
// which joined or were started by a script that is a rank, the host hears it of
// the kernel, by a descriptor each: a hang-up alone would not do, for a process
// that they forked may have their socket open.
//
// Thread: one at a time. Blocks: nothing here does.

#ifndef WEFT_JOB_HOST_H_
#define WEFT_JOB_HOST_H_

#include "weft/allocator.h"
#include "weft/status.h"

typedef struct weft_job_host weft_job_host_t;

typedef struct weft_job_host_options {
  // Ranks that the owner will start: 1 to WEFT_JOB_SIZE_LIMIT.
  uint32_t size;
  // For people, and to join by: letters, digits, '.', '_' and '-', less than
  // WEFT_JOB_NAME_BYTES; NULL or "": the number of this process.
  const char* name;
} weft_job_host_options_t;

// Makes the host of a new job; it can be found and joined from now on.
// Errors: INVALID_ARGUMENT; OUT_OF_RANGE; RESOURCE_EXHAUSTED; UNAVAILABLE.
weft_status_t weft_job_host_create(const weft_allocator_t* allocator,
                                   const weft_job_host_options_t* options,
                                   weft_job_host_t** out_host);

// Hangs up on all members. NULL is fine.
void weft_job_host_destroy(weft_job_host_t* host);

// The job's id, and its name.
uint64_t weft_job_host_id(const weft_job_host_t* host);
const char* weft_job_host_name(const weft_job_host_t* host);

// What to watch for being readable. Lent.
int weft_job_host_descriptor(const weft_job_host_t* host);

// Deals with some of what is there; the descriptor stays readable if there is
// more.
void weft_job_host_process(weft_job_host_t* host);

// --- Ranks that the owner starts --------------------------------------------

// What a process needs to take the place of a rank.
typedef struct weft_job_child {
  // The control socket, which the process has to have open, as the number that
  // `variable` names. Close-on-exec. Owns: the caller closes it after starting
  // the process.
  int descriptor;
  // For its environment: "WEFT_JOB_FD=NUMBER:INODE".
  char variable[64];
} weft_job_child_t;

// Prepares a rank below `size` that does not run: the first time, or after
// `ended`. `number` is the descriptor as the process will see it; -1: as here.
// Errors: OUT_OF_RANGE; FAILED_PRECONDITION when it runs; RESOURCE_EXHAUSTED.
weft_status_t weft_job_host_child(weft_job_host_t* host, uint32_t rank,
                                  int number, weft_job_child_t* out_child);

// The process of a rank runs. After `child`.
void weft_job_host_started(weft_job_host_t* host, uint32_t rank,
                           uint32_t process_id);

// How a process ended.
typedef struct weft_job_ending {
  // What it exited with, unless a signal ended it.
  int exit_status;
  // 0: none.
  int signal_number;
} weft_job_ending_t;

// The process of a rank has been reaped, or could not be started. Members hear
// that it died, unless it had left in order.
void weft_job_host_ended(weft_job_host_t* host, uint32_t rank,
                         const weft_job_ending_t* ending);

// Writes how a process ended, as "rank 2 (process 123) was killed by signal 9
// (Killed)". After `ended` of the rank, too.
void weft_job_host_describe(const weft_job_host_t* host, uint32_t rank,
                            const weft_job_ending_t* ending, char* text,
                            size_t capacity);

// The flight recorder of a rank that the owner started, as it gave it, for
// `weft_flight_show`; -1 when there is none. Owns: it is the caller's to close.
// After `ended` of the rank, too.
int weft_job_host_take_flight(weft_job_host_t* host, uint32_t rank);

// Tells all members, and those that still come, that the job ends: WEFT_OK
// when its work is done. The first call counts. Owns: takes `reason` over.
void weft_job_host_stop(weft_job_host_t* host, weft_status_t reason);

// --- For reports ------------------------------------------------------------

typedef enum weft_job_state {
  // Nobody has the place.
  WEFT_JOB_FREE = 0,
  // It was started or has connected, and has made no runtime.
  WEFT_JOB_EXPECTED,
  WEFT_JOB_ACTIVE,
  // It was active, and does not answer. Its process may still run.
  WEFT_JOB_GIVEN_UP,
  // It said that it is done.
  WEFT_JOB_LEFT,
  // It is gone, and did not say so.
  WEFT_JOB_GONE
} weft_job_state_t;

typedef struct weft_job_figures {
  weft_job_state_t state;
  // How often the rank has started.
  uint16_t incarnation;
  uint32_t process_id;
  // How it went, for one that was given up, has left or is gone; "" else. Lent
  // until the next call.
  const char* how;
} weft_job_figures_t;

// One more than the highest rank that there ever was.
uint32_t weft_job_host_rank_count(const weft_job_host_t* host);
// About one rank below that.
weft_job_figures_t weft_job_host_figures(const weft_job_host_t* host,
                                         uint32_t rank);

#endif  // WEFT_JOB_HOST_H_
