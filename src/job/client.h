// SPDX-License-Identifier: Apache-2.0
//
// A runtime as a member of a job: it learns its rank from the job's host (the
// launcher), asks it for sockets to other ranks, and hears from it who came,
// who died and when the job ends.
//
//   create: HELLO ->            <- WELCOME: place
//   start, then whenever the descriptor is readable: ready -> events
//   connect: CONNECT ->         <- PEER + socket, or UNREACHABLE
//   report_silent: SILENT ->    <- LOST, to all members, if it is so
//   decline: DECLINED ->
//   leave: LEAVE ->
//
// When the host asks whether this member is there, `ready` answers.
//
// Thread: `connect`, `report_silent` and `leave` are for any thread, at any
// time between `create` and `destroy`; all else for one thread at a time.

#ifndef WEFT_JOB_CLIENT_H_
#define WEFT_JOB_CLIENT_H_

#include "weft/allocator.h"
#include "weft/status.h"

typedef struct weft_job_client weft_job_client_t;

// Set by the launcher for its children: the inherited control socket, as
// "DESCRIPTOR:INODE", so that a process further down, where the number means
// another file, does not take it for one.
#define WEFT_JOB_VARIABLE_DESCRIPTOR "WEFT_JOB_FD"
// Set by users: the id or the name of a running job to join.
#define WEFT_JOB_VARIABLE_JOIN "WEFT_JOB"

// What of a job's name is kept, with the NUL. Units: bytes.
#define WEFT_JOB_NAME_BYTES 64

// Where a runtime stands in its job.
typedef struct weft_job_place {
  // Drawn at random for each job.
  uint64_t job;
  uint16_t rank;
  // From 1; higher each time the rank starts anew.
  uint16_t incarnation;
  // Ranks that the launcher starts. Those that join later have higher ranks.
  uint32_t size;
  // "" when the job has none.
  char name[WEFT_JOB_NAME_BYTES];
} weft_job_place_t;

// What the host tells. Called by `weft_job_client_ready`, never two at a time,
// with no lock held; they may call `connect` and `leave`. All slots are set.
typedef struct weft_job_events {
  // A socket to another rank (a SOCK_SEQPACKET of a pair), which either side
  // asked for. Once for each pair of incarnations, unless one of the two
  // declines it; after `joined` of that rank. Owns: takes the socket over.
  void (*connected)(void* user, uint16_t rank, uint16_t incarnation,
                    int socket);
  // The answer to a `connect` that cannot be: PEER_DIED or CLOSED when the
  // rank is gone, NOT_FOUND, FAILED_PRECONDITION when it was connected before;
  // RESOURCE_EXHAUSTED when the launcher, or this process, has no descriptors
  // left, or, after `connected`, when the other rank has declined its end: then
  // it may be asked again. Owns: takes `why` over.
  void (*unreachable)(void* user, uint16_t rank, weft_status_t why);
  // A rank was given up by the host, as it does not answer: PEER_DIED with who
  // found it, and for how long it had said nothing. It is no part of the job,
  // but its process may run, and read what it was lent, until `died` says that
  // it is gone. Owns: takes `how` over.
  void (*given_up)(void* user, uint16_t rank, uint16_t incarnation,
                   weft_status_t how);
  // A rank is gone, with all its incarnations up to this one: PEER_DIED with
  // what the launcher saw, as "rank 2 (process 123) was killed by signal 9
  // (Killed)"; CLOSED when it had left in order. Also of those that were gone
  // before this one started. A socket to it may have hung up earlier. Owns:
  // takes `how` over.
  void (*died)(void* user, uint16_t rank, uint16_t incarnation,
               weft_status_t how);
  // A rank has started, or started before this one did.
  void (*joined)(void* user, uint16_t rank, uint16_t incarnation);
  // The job ends, and so should this member: OK when rank 0 is done, CANCELLED
  // when it failed and on Ctrl-C, which somebody else reports, PEER_DIED when
  // the launcher is gone, or has given this member up. Once; nothing comes
  // after it, and the descriptor need not be watched any more. Owns: takes
  // `why` over.
  void (*ended)(void* user, weft_status_t why);
} weft_job_events_t;

// Takes the place that the environment gives to this process. OK and NULL when
// it gives none, or when a runtime of this process has taken it before.
// Blocks: until the host has answered, or `deadline_ns`.
// Errors: INVALID_ARGUMENT for a variable that no launcher writes;
// DEADLINE_EXCEEDED; NOT_FOUND when no such job runs;
// PERMISSION_DENIED when it is another user's; PEER_DIED when its host is
// gone; CANCELLED when it ends; FAILED_PRECONDITION when it is of another
// version; RESOURCE_EXHAUSTED.
weft_status_t weft_job_client_create(const weft_allocator_t* allocator,
                                     int64_t deadline_ns,
                                     weft_job_client_t** out_client);

// As `create`, for a job that is named by its id or its name.
weft_status_t weft_job_client_join(const weft_allocator_t* allocator,
                                   const char* job, int64_t deadline_ns,
                                   weft_job_client_t** out_client);

// As `create`, over a control socket. For several members in one process.
// Owns: takes the socket over on success.
weft_status_t weft_job_client_open(const weft_allocator_t* allocator,
                                   int socket, int64_t deadline_ns,
                                   weft_job_client_t** out_client);

// Its place. Lent until `destroy`.
const weft_job_place_t* weft_job_client_place(const weft_job_client_t* client);

// What to watch for being readable (or hung up). Lent until `destroy`.
int weft_job_client_descriptor(const weft_job_client_t* client);

// Gives the launcher memory that it may read after this process has died; see
// trace/flight.h. It is an aid: nothing is said when it finds no room. The
// descriptor stays the caller's. Blocks: no.
void weft_job_client_show(weft_job_client_t* client, int descriptor);

// Sets whom to tell; before the first `ready`. `events` outlives the client.
void weft_job_client_start(weft_job_client_t* client,
                           const weft_job_events_t* events, void* user);

// Deals with what has come. Blocks: no.
void weft_job_client_ready(weft_job_client_t* client);

// Asks for a socket to a rank: one of the events `connected`, `unreachable`
// and `ended` follows. A rank that has not started yet is waited for. Once for
// each incarnation; asking again before the answer changes nothing.
// Blocks: no. Errors: OUT_OF_RANGE for no possible rank, or one's own.
weft_status_t weft_job_client_connect(weft_job_client_t* client, uint16_t rank);

// Gives up the socket that `connected` gave for this life of a rank, as there
// is no room for a link here: the other one hears `unreachable`, and either may
// ask again. Blocks: no.
void weft_job_client_decline(weft_job_client_t* client, uint16_t rank,
                             uint16_t incarnation);

// Says that a connected rank has said nothing for so long, while this one waits
// for it. The host finds out whether it lives; if not, `given_up` follows. May
// be lost when the host does not read: say it again. Blocks: no.
void weft_job_client_report_silent(weft_job_client_t* client, uint16_t rank,
                                   uint16_t incarnation, int64_t silence_ns);

// Says that this rank is done, because of `how`; WEFT_OK: because its work is.
// The others hear `died` with CLOSED and with what `how` says. What comes
// afterwards is dropped. Blocks: no. Owns: takes `how` over.
void weft_job_client_leave(weft_job_client_t* client, weft_status_t how);

// Frees it; without `leave` before, the others hear that it died. NULL is
// fine.
void weft_job_client_destroy(weft_job_client_t* client);

#endif  // WEFT_JOB_CLIENT_H_
