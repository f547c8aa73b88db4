// SPDX-License-Identifier: Apache-2.0
//
// What the host of a job and its members say to each other: records of one
// size over a control socket, a descriptor beside some. Both sides treat what
// they receive as hostile.
//
//   member -> host   HELLO, FLIGHT + memory, CONNECT rank, DECLINED rank,
//                    LEAVE status, SILENT rank, HERE
//   host -> member   WELCOME place | REFUSED status, then
//                    JOINED rank, LOST rank status, DIED rank status,
//                    END status, ASK
//                    PEER rank + socket | UNREACHABLE rank status, or first
//                    WAIT rank
//
// CONNECT is answered by one of the last three, SILENT and DECLINED by WAIT,
// ASK by HERE.
// DECLINED says that the socket of PEER found no room: the other rank is told
// UNREACHABLE, and either may ask again.
//
//      0      4       6     8     16    20       24    26           28    32
//      | magic| version| type| job | size| process| rank| incarnation| code|
//      text
//
// In the byte order of the host: both are on one. The first 8 bytes are those
// of every version, so that two that differ can tell each other.

#ifndef WEFT_JOB_PROTOCOL_H_
#define WEFT_JOB_PROTOCOL_H_

#include <stddef.h>

#include "base/runtime.h"
#include "weft/status.h"

#define WEFT_JOB_MAGIC UINT32_C(0x626f6a77)
#define WEFT_JOB_VERSION 1
// Ranks that a launcher may start, and those that may ever be at once. Ranks
// are less than the latter.
#define WEFT_JOB_SIZE_LIMIT 1024
#define WEFT_JOB_RANK_LIMIT (WEFT_JOB_SIZE_LIMIT + WEFT_RANK_JOINED_LIMIT)
_Static_assert(WEFT_JOB_RANK_LIMIT == WEFT_RANK_LIMIT, "ranks of a job");
// Units: bytes.
#define WEFT_JOB_TEXT_BYTES 224

typedef enum weft_job_type {
  WEFT_JOB_HELLO = 1,
  WEFT_JOB_CONNECT,
  WEFT_JOB_LEAVE,
  WEFT_JOB_WELCOME,
  WEFT_JOB_REFUSED,
  WEFT_JOB_PEER,
  WEFT_JOB_UNREACHABLE,
  WEFT_JOB_WAIT,
  WEFT_JOB_DIED,
  WEFT_JOB_JOINED,
  WEFT_JOB_END,
  WEFT_JOB_FLIGHT,
  WEFT_JOB_SILENT,
  WEFT_JOB_ASK,
  WEFT_JOB_HERE,
  WEFT_JOB_LOST,
  WEFT_JOB_DECLINED,
  WEFT_JOB_TYPE_LIMIT
} weft_job_type_t;

typedef struct weft_job_message {
  uint32_t magic;
  uint16_t version;
  uint16_t type;
  // Of WELCOME: the job's id, and how many ranks the launcher starts.
  uint64_t job;
  // Of SILENT: for how long, in ms.
  uint32_t size;
  // Of what is received: the process that sent it, by the kernel's word; 0
  // when this process cannot see it.
  uint32_t process;
  uint16_t rank;
  uint16_t incarnation;
  // A status: its code, and its message in `text`.
  uint32_t code;
  // Ended by NUL. Of WELCOME: the job's name.
  char text[WEFT_JOB_TEXT_BYTES];
} weft_job_message_t;

_Static_assert(offsetof(weft_job_message_t, text) == 32 &&
                   sizeof(weft_job_message_t) == 256,
               "the drawing above is right");

// A message of a type, all else zero.
weft_job_message_t weft_job_message(weft_job_type_t type);

// Puts code and message of a status in; what is too long is cut.
void weft_job_message_set_status(weft_job_message_t* message,
                                 weft_status_t status);
// The status that was put in.
weft_status_t weft_job_message_status(const weft_job_message_t* message);

// Sends a message, with a descriptor unless that is -1; that stays the
// caller's. Blocks: no.
// Errors: WOULD_BLOCK (a code alone); PEER_DIED when the other end is closed;
// RESOURCE_EXHAUSTED.
weft_status_t weft_job_message_send(int socket,
                                    const weft_job_message_t* message,
                                    int descriptor);

// Receives a message whose magic, version, type, code and text are sound; it
// has a descriptor if it is PEER or FLIGHT and none else. Blocks: no.
// Errors: WOULD_BLOCK and CLOSED (codes alone); DATA_LOSS for what is no
// message; PERMISSION_DENIED for one of another user; FAILED_PRECONDITION for
// one of another version; RESOURCE_EXHAUSTED when its descriptor was lost, as
// this process may not open one more.
weft_status_t weft_job_message_receive(int socket,
                                       weft_job_message_t* out_message,
                                       int* out_descriptor);

#endif  // WEFT_JOB_PROTOCOL_H_
