// SPDX-License-Identifier: Apache-2.0
//
// The life of a host, and who joins it.

#include "job/host.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "job/find.h"
#include "job/host_internal.h"
#include "sys/alarm.h"
#include "sys/local.h"
#include "sys/sys.h"
#include "sys/unix_socket.h"

// Tags of what is watched; those of members are less.
#define LISTENER (UINT64_MAX - 1)
#define ALARM (UINT64_MAX - 2)
// What one call deals with.
#define JOINERS_A_TURN 16
// Ranks beyond those that the owner starts.
#define JOINER_LIMIT (WEFT_JOB_RANK_LIMIT - WEFT_JOB_SIZE_LIMIT)

static size_t host_bytes(uint32_t rank_limit) {
  return sizeof(weft_job_host_t) + rank_limit * sizeof(weft_job_member_t);
}

// --- Those that join --------------------------------------------------------

// Tells one that connected that it cannot join. Owns: takes both over.
static void turn_away(int socket, weft_status_t why) {
  weft_job_message_t message = weft_job_message(WEFT_JOB_REFUSED);
  weft_job_message_set_status(&message, why);
  weft_status_release(weft_job_message_send(socket, &message, -1));
  weft_status_release(why);
  weft_sys_close(socket);
}

static weft_status_t find_place(const weft_job_host_t* host,
                                uint32_t* out_rank) {
  for (*out_rank = host->size; *out_rank < host->rank_limit; ++*out_rank) {
    if (host->members[*out_rank].state == WEFT_JOB_FREE) {
      return WEFT_OK;
    }
  }
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "%d runtimes have joined the job: no more can",
                          JOINER_LIMIT);
}

// Owns: takes the socket over on success.
static weft_status_t take_in(weft_job_host_t* host, int socket) {
  WEFT_RETURN_IF_ERROR(weft_socket_prepare(socket, WEFT_SOCKET_PACKETS));
  weft_local_peer_t peer;
  if (!weft_local_peer(socket, &peer) || peer.user_id != weft_sys_user_id()) {
    return weft_status_make(WEFT_STATUS_PERMISSION_DENIED,
                            "the job is another user's: only processes of the "
                            "user who started it can join");
  }
  uint32_t rank = 0;
  WEFT_RETURN_IF_ERROR(find_place(host, &rank));
  WEFT_RETURN_IF_ERROR(weft_job_member_open(host, rank, socket));
  host->members[rank].is_child = false;
  host->members[rank].process_id = peer.process_id;
  return WEFT_OK;
}

// Accepts one that cannot be kept, with the descriptor that is kept for this.
static bool turn_one_away(weft_job_host_t* host, weft_status_t why) {
  weft_sys_close(host->spare);
  int socket = -1;
  weft_status_t status = weft_local_accept(host->listener, &socket);
  if (status == WEFT_OK) {
    turn_away(socket, why);
  } else {
    weft_status_release(why);
  }
  weft_status_release(status);
  host->spare = weft_local_spare();
  return socket >= 0;
}

// Deals with one that connected; false when there is none.
static bool accept_one(weft_job_host_t* host) {
  int socket = -1;
  weft_status_t status = weft_local_accept(host->listener, &socket);
  if (weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    return turn_one_away(host, status);
  }
  if (status != WEFT_OK) {
    weft_status_release(status);
    return false;
  }
  status = take_in(host, socket);
  if (status != WEFT_OK) {
    turn_away(socket, status);
  }
  return true;
}

static void accept_some(weft_job_host_t* host) {
  for (uint32_t i = 0; i < JOINERS_A_TURN && accept_one(host); i++) {
  }
}

void weft_job_host_process(weft_job_host_t* host) {
  weft_epoll_event_t events[WEFT_EPOLL_EVENT_LIMIT];
  bool timed_out;
  size_t count = weft_epoll_wait(&host->epoll, 0, events, &timed_out);
  for (size_t i = 0; i < count; i++) {
    if (events[i].tag == LISTENER) {
      accept_some(host);
    } else if (events[i].tag == ALARM) {
      weft_job_member_expire(host);
      weft_job_silent_look(host);
      weft_job_set_alarm(host);
    } else if ((events[i].tag & WEFT_JOB_ENDING_TAG) != 0) {
      weft_job_member_has_ended(host, (uint32_t)events[i].tag);
    } else {
      weft_job_member_serve(host, (uint32_t)events[i].tag);
    }
  }
}

// --- Ranks that the owner starts --------------------------------------------

static weft_status_t check_child(const weft_job_host_t* host, uint32_t rank) {
  if (rank >= host->size) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "there is no rank %" PRIu32
                            " to start: the job "
                            "has %" PRIu32,
                            rank, host->size);
  }
  if (host->members[rank].is_child) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "rank %" PRIu32 " runs already", rank);
  }
  return WEFT_OK;
}

weft_status_t weft_job_host_child(weft_job_host_t* host, uint32_t rank,
                                  int number, weft_job_child_t* out_child) {
  *out_child = (weft_job_child_t){.descriptor = -1};
  WEFT_RETURN_IF_ERROR(check_child(host, rank));
  int ends[2] = {-1, -1};
  WEFT_RETURN_IF_ERROR(weft_socket_pair(WEFT_SOCKET_PACKETS, ends));
  weft_status_t status = weft_job_member_open(host, rank, ends[0]);
  if (status != WEFT_OK) {
    weft_sys_close(ends[0]);
    weft_sys_close(ends[1]);
    return status;
  }
  host->members[rank].is_child = true;
  host->members[rank].process_id = 0;
  out_child->descriptor = ends[1];
  (void)snprintf(out_child->variable, sizeof(out_child->variable),
                 WEFT_JOB_VARIABLE_DESCRIPTOR "=%d:%" PRIu64,
                 number >= 0 ? number : ends[1], weft_local_inode(ends[1]));
  return WEFT_OK;
}

void weft_job_host_started(weft_job_host_t* host, uint32_t rank,
                           uint32_t process_id) {
  if (rank < host->size && host->members[rank].is_child) {
    host->members[rank].process_id = process_id;
  }
}

void weft_job_host_ended(weft_job_host_t* host, uint32_t rank,
                         const weft_job_ending_t* ending) {
  if (rank < host->size && host->members[rank].is_child) {
    weft_job_member_ended(host, rank, ending);
  }
}

void weft_job_host_stop(weft_job_host_t* host, weft_status_t reason) {
  if (host->is_stopping) {
    weft_status_release(reason);
    return;
  }
  host->is_stopping = true;
  host->reason = reason;
  for (uint32_t rank = 0; rank < host->rank_count; rank++) {
    if (host->members[rank].state == WEFT_JOB_ACTIVE) {
      host->members[rank].must_hear_end = true;
      weft_job_tell(host, rank);
    }
  }
}

int weft_job_host_take_flight(weft_job_host_t* host, uint32_t rank) {
  if (rank >= host->size) {
    return -1;
  }
  int flight = host->members[rank].flight;
  host->members[rank].flight = -1;
  return flight;
}

// --- For reports ------------------------------------------------------------

uint64_t weft_job_host_id(const weft_job_host_t* host) {
  return host->id;
}

const char* weft_job_host_name(const weft_job_host_t* host) {
  return host->name;
}

int weft_job_host_descriptor(const weft_job_host_t* host) {
  return host->epoll.descriptor;
}

uint32_t weft_job_host_rank_count(const weft_job_host_t* host) {
  return host->rank_count;
}

weft_job_figures_t weft_job_host_figures(const weft_job_host_t* host,
                                         uint32_t rank) {
  weft_job_figures_t figures = {.how = ""};
  if (rank < host->rank_count) {
    figures.state = host->members[rank].state;
    figures.incarnation = host->members[rank].incarnation;
    figures.process_id = host->members[rank].process_id;
    if (figures.state >= WEFT_JOB_GIVEN_UP) {
      figures.how = weft_status_message(host->members[rank].how);
    }
  }
  return figures;
}

// --- Life -------------------------------------------------------------------

static weft_status_t check_options(const weft_job_host_options_t* options) {
  if (options->size < 1 || options->size > WEFT_JOB_SIZE_LIMIT) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "a job of %" PRIu32 " ranks: 1 to %d are possible",
                            options->size, WEFT_JOB_SIZE_LIMIT);
  }
  const char* name = options->name != NULL ? options->name : "";
  if (!weft_job_is_name(name) && name[0] != '\0') {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "'%.*s' cannot be the name of a job: it takes up "
                            "to %d letters, digits, '.', '_' and '-'",
                            WEFT_JOB_NAME_BYTES, name, WEFT_JOB_NAME_BYTES - 1);
  }
  return WEFT_OK;
}

static void name_host(weft_job_host_t* host, const char* name) {
  if (name != NULL && name[0] != '\0') {
    (void)snprintf(host->name, sizeof(host->name), "%s", name);
  } else {
    (void)snprintf(host->name, sizeof(host->name), "%" PRIu32,
                   weft_sys_process_id());
  }
}

static weft_status_t listen_for_joiners(weft_job_host_t* host) {
  char address[WEFT_LOCAL_NAME_LIMIT + 1];
  weft_job_address(host->id, host->name, address, sizeof(address));
  WEFT_RETURN_IF_ERROR(weft_local_listen(address, &host->listener));
  return weft_epoll_add(&host->epoll, host->listener, WEFT_EPOLL_READ,
                        LISTENER);
}

static weft_status_t open_host(weft_job_host_t* host, const char* name) {
  WEFT_RETURN_IF_ERROR(weft_sys_random(&host->id));
  name_host(host, name);
  WEFT_RETURN_IF_ERROR(weft_epoll_open(&host->epoll));
  WEFT_RETURN_IF_ERROR(weft_alarm_create(&host->alarm));
  WEFT_RETURN_IF_ERROR(
      weft_epoll_add(&host->epoll, host->alarm, WEFT_EPOLL_READ, ALARM));
  host->spare = weft_local_spare();
  return listen_for_joiners(host);
}

weft_status_t weft_job_host_create(const weft_allocator_t* allocator,
                                   const weft_job_host_options_t* options,
                                   weft_job_host_t** out_host) {
  *out_host = NULL;
  WEFT_RETURN_IF_ERROR(check_options(options));
  allocator = weft_allocator_or_system(allocator);
  uint32_t rank_limit = options->size + JOINER_LIMIT;
  weft_job_host_t* host =
      weft_memory_allocate_zeroed(allocator, host_bytes(rank_limit));
  if (host == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a job of %" PRIu32 " ranks",
                            options->size);
  }
  host->allocator = allocator;
  host->size = options->size;
  host->rank_limit = rank_limit;
  host->rank_count = options->size;
  host->listener = host->alarm = host->spare = -1;
  for (uint32_t rank = 0; rank < rank_limit; rank++) {
    host->members[rank].socket = -1;
    host->members[rank].flight = -1;
    host->members[rank].ending = -1;
  }
  weft_status_t status = open_host(host, options->name);
  if (status != WEFT_OK) {
    weft_job_host_destroy(host);
    return status;
  }
  *out_host = host;
  return WEFT_OK;
}

void weft_job_host_destroy(weft_job_host_t* host) {
  if (host == NULL) {
    return;
  }
  for (uint32_t rank = 0; rank < host->rank_limit; rank++) {
    weft_job_member_t* member = &host->members[rank];
    weft_sys_close(member->socket);
    weft_sys_close(member->flight);
    weft_sys_close(member->ending);
    weft_status_release(member->how);
    weft_memory_free(host->allocator, member->flags, host->rank_limit);
  }
  weft_sys_close(host->listener);
  weft_sys_close(host->spare);
  weft_sys_close(host->alarm);
  weft_epoll_close(&host->epoll);
  weft_status_release(host->reason);
  weft_memory_free(host->allocator, host, host_bytes(host->rank_limit));
}
