// SPDX-License-Identifier: Apache-2.0
//
// What the files of the host share. There are no queues: what a member has
// still to be told is a few bits about each rank, and the message is made from
// the rank's state when the member's socket has room. So a member that does
// not read costs nobody memory, and misses no more than steps in between.

#ifndef WEFT_JOB_HOST_INTERNAL_H_
#define WEFT_JOB_HOST_INTERNAL_H_

#include "job/client.h"
#include "job/host.h"
#include "job/protocol.h"
#include "sys/event_poll.h"

// What a member has to do with another rank.
enum {
  // The member asked for a socket, and has no answer.
  WEFT_JOB_ASKED = 1,
  // They were given a socket, in their present incarnations.
  WEFT_JOB_PAIRED = 2,
  // The other one asked, so that a request of the member may be under way
  // that has been met already.
  WEFT_JOB_MAY_CROSS = 4,
  // Has to be told that the rank has started; that it is gone.
  WEFT_JOB_TELL_JOINED = 8,
  WEFT_JOB_TELL_DIED = 16
};
#define WEFT_JOB_TO_DO \
  (WEFT_JOB_ASKED | WEFT_JOB_TELL_JOINED | WEFT_JOB_TELL_DIED)

// A rank. Zeroed but for the descriptors, it is free.
typedef struct weft_job_member {
  weft_job_state_t state;
  // The host's end of the control socket; -1 when there is none.
  int socket;
  // What a child has given to be read after its death; -1 when there is none.
  int flight;
  // The owner started it and will say when it has ended.
  bool is_child;
  // Its socket is full: it is told and asked nothing until there is room.
  bool is_blocked;
  bool must_hear_end;
  uint16_t incarnation;
  // The last one that is gone, and how it went; 0 and WEFT_OK: none.
  uint16_t gone_incarnation;
  weft_status_t how;
  // As the owner or the kernel says; 0 when unknown.
  uint32_t process_id;
  // Of its runtime, by the kernel's word: a script is not its program.
  uint32_t runtime_process_id;
  // When the socket of a child hung up that has not been reaped; 0: it has
  // not.
  int64_t lost_ns;
  // A byte for each of the host's `rank_limit` ranks, about this member and
  // that rank; NULL as long as nobody ever had the place.
  uint8_t* flags;
} weft_job_member_t;

struct weft_job_host {
  const weft_allocator_t* allocator;
  uint64_t id;
  char name[WEFT_JOB_NAME_BYTES];
  uint32_t size;
  uint32_t rank_limit;
  // One more than the highest rank that there ever was.
  uint32_t rank_count;
  weft_epoll_t epoll;
  int listener;
  // Rings when a child that hung up has had time to be reaped.
  int alarm;
  // Given up for a moment to tell one who joins that there is no descriptor.
  int spare;
  bool is_stopping;
  weft_status_t reason;
  weft_job_member_t members[];
};

// --- host_tell.c ------------------------------------------------------------

// Tells a member all that it has to be told, as far as its socket takes it.
void weft_job_tell(weft_job_host_t* host, uint32_t rank);
// Answers those who wait for this one to have room.
void weft_job_tell_askers(weft_job_host_t* host, uint32_t rank);

// The rank has started: everybody is told, and it is told of everybody.
void weft_job_tell_started(weft_job_host_t* host, uint32_t rank);

// The present incarnation of a rank is gone: everybody is told. Owns: takes
// `how` over.
void weft_job_tell_gone(weft_job_host_t* host, uint32_t rank,
                        weft_job_state_t state, weft_status_t how);

// The member asks for a socket to `other`.
void weft_job_tell_asked(weft_job_host_t* host, uint32_t rank, uint32_t other);

// Waits for what is to be waited for: room when it is blocked, else messages.
void weft_job_member_block(weft_job_host_t* host, uint32_t rank,
                           bool is_blocked);

// --- host_member.c ----------------------------------------------------------

// Gives a rank its socket, and zeroed flags.
// Errors: RESOURCE_EXHAUSTED. Owns: takes `socket` over on success.
weft_status_t weft_job_member_open(weft_job_host_t* host, uint32_t rank,
                                   int socket);
// Nothing when it has none.
void weft_job_member_close(weft_job_host_t* host, uint32_t rank);

// Deals with what a member has sent, and tells it what there is.
void weft_job_member_serve(weft_job_host_t* host, uint32_t rank);

// As `weft_job_host_ended`.
void weft_job_member_ended(weft_job_host_t* host, uint32_t rank,
                           const weft_job_ending_t* ending);

// Those whose end was to be explained by reaping them, and was not in time.
void weft_job_member_give_up(weft_job_host_t* host);

#endif  // WEFT_JOB_HOST_INTERNAL_H_
