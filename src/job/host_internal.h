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
  WEFT_JOB_TELL_DIED = 16,
  // Has to be told that the rank had no room for its end of their pair.
  WEFT_JOB_TELL_DECLINED = 32
};
#define WEFT_JOB_TO_DO                                          \
  (WEFT_JOB_ASKED | WEFT_JOB_TELL_JOINED | WEFT_JOB_TELL_DIED | \
   WEFT_JOB_TELL_DECLINED)

// Tags of what the host watches: ranks are sockets of members.
#define WEFT_JOB_ENDING_TAG (UINT64_C(1) << 32)

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
  // The last one that was given up or is gone, and how it went; 0 and WEFT_OK:
  // none.
  uint16_t gone_incarnation;
  weft_status_t how;
  // As the owner or the kernel says; 0 when unknown.
  uint32_t process_id;
  // Of its runtime, by the kernel's word: a script is not its program.
  uint32_t runtime_process_id;
  // Readable when that process has ended: its socket does not hang up while a
  // process that it forked has it open. -1 when there is none.
  int ending;
  // When the socket of a child hung up that has not been reaped; 0: it has
  // not.
  int64_t lost_ns;
  // When it was asked whether it is there, or looked at last; 0: it has
  // answered. See host_silent.c.
  int64_t asked_ns;
  // Looks in vain.
  uint32_t looks;
  // Who found that it says nothing, and for how long it had said nothing.
  uint16_t finder;
  uint32_t silence_ms;
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
  // Rings when a child that hung up has had time to be reaped, and when one
  // that was asked has had time to answer.
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

// The present incarnation of a rank is given up, or gone: everybody is told.
// Owns: takes `how` over.
void weft_job_tell_gone(weft_job_host_t* host, uint32_t rank,
                        weft_job_state_t state, weft_status_t how);

// The member asks for a socket to `other`.
void weft_job_tell_asked(weft_job_host_t* host, uint32_t rank, uint32_t other);
// A member has no room for its end of the pair with this life of a rank.
void weft_job_tell_declined(weft_job_host_t* host, uint32_t rank,
                            uint32_t other, uint16_t incarnation);

// Sends a message; false when it has to wait. That the member is gone shows
// when its socket is read, so it is no error here.
bool weft_job_say(weft_job_host_t* host, uint32_t rank,
                  const weft_job_message_t* message);

// There is no answer yet. It shows that the host has read, so that there is
// room for more requests; one that finds no room has enough to read.
void weft_job_say_wait(weft_job_host_t* host, uint32_t rank, uint32_t other);

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

// The process of a member's runtime has ended: what it has sent is read, and
// that was all.
void weft_job_member_has_ended(weft_job_host_t* host, uint32_t rank);

// As `weft_job_host_ended`.
void weft_job_member_ended(weft_job_host_t* host, uint32_t rank,
                           const weft_job_ending_t* ending);

// Those whose end was to be explained by reaping them, and was not in time.
void weft_job_member_expire(weft_job_host_t* host);

// Writes "rank 2 (process 123)", or without the process.
void weft_job_member_name(const weft_job_host_t* host, uint32_t rank,
                          char* text, size_t capacity);

// Sets the alarm to when the next member is to be looked at.
void weft_job_set_alarm(weft_job_host_t* host);

// --- host_silent.c ----------------------------------------------------------

// A member says that it hears nothing of another.
void weft_job_silent_reported(weft_job_host_t* host, uint32_t rank,
                              const weft_job_message_t* message);

// When a member that was asked is to be looked at; WEFT_TIME_INFINITE: never.
int64_t weft_job_silent_due_ns(const weft_job_member_t* member);

// Looks at those that are due.
void weft_job_silent_look(weft_job_host_t* host);

#endif  // WEFT_JOB_HOST_INTERNAL_H_
