// SPDX-License-Identifier: Apache-2.0

#include "job/client.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "job/find.h"
#include "job/protocol.h"
#include "sys/crash_point.h"
#include "sys/local.h"
#include "sys/sys.h"
#include "sys/unix_socket.h"

// Messages that one call of `ready` deals with.
#define MESSAGES_A_TURN 64

// What this member wants of a rank, or has.
enum {
  // It was asked for, and there is no answer.
  ASKED = 1,
  // The request has to be sent yet.
  UNSENT = 2,
  CONNECTED = 4,
  // Its socket found no room here, which has to be said yet.
  DECLINED = 8
};

struct weft_job_client {
  const weft_allocator_t* allocator;
  int socket;
  weft_job_place_t place;
  const weft_job_events_t* events;
  void* user;
  // Of the thread that calls `ready`.
  bool is_over;
  // Leaf: nothing is called while it is held but the socket. Guards all below.
  weft_mutex_t lock;
  bool has_left;
  bool must_send_leave;
  uint32_t unsent_count;
  weft_job_message_t leave;
  uint8_t ranks[WEFT_JOB_RANK_LIMIT];
  // Of those with DECLINED: which life.
  uint16_t declined[WEFT_JOB_RANK_LIMIT];
};

// --- The place of the environment -------------------------------------------

// The place is for the first runtime of a process, and not for those that are
// made later, or in a child that it forks. Kept is which place it was, by the
// number of the control socket's file: a process that starts jobs may take
// part in one after the other.
static _Atomic uint64_t taken_place;
// A job that was joined by its name.
#define PLACE_JOINED UINT64_MAX

// Reads digits up to `end`; false when something else stands there.
static bool read_digits(const char** text, char end, uint64_t* out_number) {
  char* behind = NULL;
  // strtoull takes blanks and a sign as well.
  bool is_number = **text >= '0' && **text <= '9';
  *out_number = strtoull(*text, &behind, 10);
  is_number = is_number && *behind == end;
  *text = is_number && end != '\0' ? behind + 1 : behind;
  return is_number;
}

// The control socket that the launcher named; -1 when there is none, or the
// number means another file: a process further down has inherited the variable
// and not the socket. Errors: INVALID_ARGUMENT for what no launcher writes.
static weft_status_t find_inherited(int* out_socket, uint64_t* out_inode) {
  const char* text = weft_sys_environment(WEFT_JOB_VARIABLE_DESCRIPTOR);
  const char* rest = text;
  uint64_t descriptor = 0;
  *out_socket = -1;
  *out_inode = 0;
  if (text == NULL || text[0] == '\0') {
    return WEFT_OK;
  }
  if (!read_digits(&rest, ':', &descriptor) || descriptor > INT32_MAX ||
      !read_digits(&rest, '\0', out_inode) || *out_inode == 0) {
    return weft_status_make(
        WEFT_STATUS_INVALID_ARGUMENT,
        WEFT_JOB_VARIABLE_DESCRIPTOR
        " is '%s', and should be DESCRIPTOR:INODE: the launcher of a job sets "
        "it for its ranks, and nobody else; unset it",
        text);
  }
  if (*out_inode == weft_local_inode((int)descriptor)) {
    *out_socket = (int)descriptor;
  }
  return WEFT_OK;
}

static bool take(uint64_t place) {
  // Relaxed: who is first is all that matters.
  return atomic_exchange_explicit(&taken_place, place, memory_order_relaxed) !=
         place;
}

static void put_back(void) {
  // Relaxed: as above.
  atomic_store_explicit(&taken_place, 0, memory_order_relaxed);
}

// --- Hello ------------------------------------------------------------------

static weft_status_t check_host(int socket) {
  weft_local_peer_t host;
  if (!weft_local_peer(socket, &host)) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "descriptor %d is no control socket of a job",
                            socket);
  }
  if (host.user_id != weft_sys_user_id()) {
    return weft_status_make(WEFT_STATUS_PERMISSION_DENIED,
                            "the job is user %" PRIu32
                            "'s, and this process "
                            "is user %" PRIu32 "'s",
                            host.user_id, weft_sys_user_id());
  }
  return WEFT_OK;
}

static weft_status_t host_is_gone(void) {
  return weft_status_make(WEFT_STATUS_PEER_DIED,
                          "the launcher of the job is gone");
}

// What an error of the socket means to a member. Owns: takes it over.
static weft_status_t explain(weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  if (code == WEFT_STATUS_CLOSED || code == WEFT_STATUS_PEER_DIED) {
    weft_status_release(status);
    return host_is_gone();
  }
  return status;
}

static weft_status_t read_welcome(weft_job_client_t* client,
                                  const weft_job_message_t* message) {
  if (message->type == WEFT_JOB_REFUSED && message->code != WEFT_STATUS_OK) {
    return weft_job_message_status(message);
  }
  if (message->type != WEFT_JOB_WELCOME || message->incarnation == 0 ||
      message->size == 0 || message->size > WEFT_JOB_SIZE_LIMIT) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "the launcher answered with a message of type %u",
                            message->type);
  }
  weft_job_place_t* place = &client->place;
  place->job = message->job;
  place->rank = message->rank;
  place->incarnation = message->incarnation;
  place->size = message->size;
  (void)snprintf(place->name, sizeof(place->name), "%.*s",
                 WEFT_JOB_NAME_BYTES - 1, message->text);
  return WEFT_OK;
}

static weft_status_t await_welcome(weft_job_client_t* client,
                                   int64_t deadline_ns) {
  while (true) {
    weft_job_message_t message;
    int descriptor = -1;
    weft_status_t status =
        weft_job_message_receive(client->socket, &message, &descriptor);
    weft_sys_close(descriptor);
    if (status == WEFT_OK && message.type != WEFT_JOB_WELCOME &&
        message.type != WEFT_JOB_REFUSED) {
      // It was for the program that a script ran before this one.
      continue;
    }
    if (status == WEFT_OK) {
      return read_welcome(client, &message);
    }
    if (weft_status_code(status) != WEFT_STATUS_WOULD_BLOCK) {
      return explain(status);
    }
    if (!weft_local_wait_readable(client->socket, deadline_ns)) {
      return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                              "the launcher of the job has not answered in "
                              "time: it is stopped, or its host overloaded");
    }
  }
}

static weft_status_t say_hello(weft_job_client_t* client, int64_t deadline_ns) {
  WEFT_RETURN_IF_ERROR(
      weft_socket_prepare(client->socket, WEFT_SOCKET_PACKETS));
  WEFT_RETURN_IF_ERROR(check_host(client->socket));
  weft_job_message_t hello = weft_job_message(WEFT_JOB_HELLO);
  weft_status_t status = weft_job_message_send(client->socket, &hello, -1);
  if (weft_status_code(status) == WEFT_STATUS_PEER_DIED) {
    // A refusal may be there to be read, which says why.
    weft_status_release(status);
    status = WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(status);
  return await_welcome(client, deadline_ns);
}

weft_status_t weft_job_client_open(const weft_allocator_t* allocator,
                                   int socket, int64_t deadline_ns,
                                   weft_job_client_t** out_client) {
  *out_client = NULL;
  allocator = weft_allocator_or_system(allocator);
  weft_job_client_t* client =
      weft_memory_allocate_zeroed(allocator, sizeof(*client));
  if (client == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a member of a job");
  }
  client->allocator = allocator;
  client->socket = socket;
  weft_mutex_init(&client->lock);
  weft_status_t status = say_hello(client, deadline_ns);
  if (status != WEFT_OK) {
    client->socket = -1;
    weft_job_client_destroy(client);
    return status;
  }
  *out_client = client;
  return WEFT_OK;
}

static weft_status_t join(const weft_allocator_t* allocator, const char* job,
                          int64_t deadline_ns, weft_job_client_t** out_client) {
  weft_job_found_t found;
  WEFT_RETURN_IF_ERROR(weft_job_find(job, &found));
  int socket = -1;
  WEFT_RETURN_IF_ERROR(weft_local_connect(found.address, &socket));
  weft_status_t status =
      weft_job_client_open(allocator, socket, deadline_ns, out_client);
  if (status != WEFT_OK) {
    weft_sys_close(socket);
  }
  return status;
}

weft_status_t weft_job_client_join(const weft_allocator_t* allocator,
                                   const char* job, int64_t deadline_ns,
                                   weft_job_client_t** out_client) {
  *out_client = NULL;
  return join(allocator, job, deadline_ns, out_client);
}

weft_status_t weft_job_client_create(const weft_allocator_t* allocator,
                                     int64_t deadline_ns,
                                     weft_job_client_t** out_client) {
  *out_client = NULL;
  int socket = -1;
  uint64_t inode = 0;
  WEFT_RETURN_IF_ERROR(find_inherited(&socket, &inode));
  bool is_inherited = socket >= 0;
  const char* job = weft_sys_environment(WEFT_JOB_VARIABLE_JOIN);
  bool is_named = job != NULL && job[0] != '\0';
  if ((!is_inherited && !is_named) ||
      !take(is_inherited ? inode : PLACE_JOINED)) {
    return WEFT_OK;
  }
  weft_status_t status =
      is_inherited
          ? weft_job_client_open(allocator, socket, deadline_ns, out_client)
          : join(allocator, job, deadline_ns, out_client);
  if (status != WEFT_OK) {
    put_back();
  }
  return status;
}

// --- Sending ----------------------------------------------------------------

// True when the message need not be tried again.
static bool say_locked(weft_job_client_t* client,
                       const weft_job_message_t* message) {
  // That the host is gone shows when the socket is read.
  weft_status_code_t code =
      weft_status_ignore(weft_job_message_send(client->socket, message, -1));
  return code != WEFT_STATUS_WOULD_BLOCK &&
         code != WEFT_STATUS_RESOURCE_EXHAUSTED;
}

// --- What the host tells ----------------------------------------------------

static void set_rank(weft_job_client_t* client, uint16_t rank, uint8_t flags) {
  weft_mutex_lock(&client->lock);
  if ((client->ranks[rank] & UNSENT) != 0) {
    client->unsent_count--;
  }
  client->ranks[rank] = flags;
  weft_mutex_unlock(&client->lock);
}

static void end(weft_job_client_t* client, weft_status_t why) {
  client->is_over = true;
  client->events->ended(client->user, why);
}

static void handle_peer(weft_job_client_t* client,
                        const weft_job_message_t* message, int descriptor) {
  set_rank(client, message->rank, CONNECTED);
  client->events->connected(client->user, message->rank, message->incarnation,
                            descriptor);
}

static void handle_unreachable(weft_job_client_t* client,
                               const weft_job_message_t* message,
                               int descriptor) {
  (void)descriptor;
  set_rank(client, message->rank, 0);
  client->events->unreachable(client->user, message->rank,
                              weft_job_message_status(message));
}

static void handle_died(weft_job_client_t* client,
                        const weft_job_message_t* message, int descriptor) {
  (void)descriptor;
  // A request for the next incarnation, or one that is to be answered, stays.
  weft_mutex_lock(&client->lock);
  client->ranks[message->rank] &= (uint8_t)~CONNECTED;
  weft_mutex_unlock(&client->lock);
  client->events->died(client->user, message->rank, message->incarnation,
                       weft_job_message_status(message));
}

static void handle_given_up(weft_job_client_t* client,
                            const weft_job_message_t* message, int descriptor) {
  (void)descriptor;
  client->events->given_up(client->user, message->rank, message->incarnation,
                           weft_job_message_status(message));
}

static void handle_joined(weft_job_client_t* client,
                          const weft_job_message_t* message, int descriptor) {
  (void)descriptor;
  client->events->joined(client->user, message->rank, message->incarnation);
}

static void handle_end(weft_job_client_t* client,
                       const weft_job_message_t* message, int descriptor) {
  (void)descriptor;
  end(client, weft_job_message_status(message));
}

static void handle_ask(weft_job_client_t* client,
                       const weft_job_message_t* message, int descriptor) {
  (void)message;
  (void)descriptor;
  weft_job_message_t here = weft_job_message(WEFT_JOB_HERE);
  weft_mutex_lock(&client->lock);
  // Without room the host has enough to read that shows the same.
  (void)say_locked(client, &here);
  weft_mutex_unlock(&client->lock);
}

// Its coming is what matters: see `send_rest`.
static void handle_wait(weft_job_client_t* client,
                        const weft_job_message_t* message, int descriptor) {
  (void)client;
  (void)message;
  (void)descriptor;
}

typedef void (*handler_t)(weft_job_client_t* client,
                          const weft_job_message_t* message, int descriptor);

static const handler_t handlers[WEFT_JOB_TYPE_LIMIT] = {
    [WEFT_JOB_PEER] = handle_peer, [WEFT_JOB_UNREACHABLE] = handle_unreachable,
    [WEFT_JOB_WAIT] = handle_wait, [WEFT_JOB_LOST] = handle_given_up,
    [WEFT_JOB_DIED] = handle_died, [WEFT_JOB_JOINED] = handle_joined,
    [WEFT_JOB_END] = handle_end,   [WEFT_JOB_ASK] = handle_ask,
};

// Are the fields there that its type needs?
static bool is_whole(const weft_job_message_t* message) {
  bool is_end =
      message->type == WEFT_JOB_DIED || message->type == WEFT_JOB_LOST;
  bool needs_error = is_end || message->type == WEFT_JOB_UNREACHABLE;
  bool needs_incarnation = is_end || message->type == WEFT_JOB_PEER ||
                           message->type == WEFT_JOB_JOINED;
  return handlers[message->type] != NULL &&
         (!needs_error || message->code != WEFT_STATUS_OK) &&
         (!needs_incarnation || message->incarnation != 0);
}

// The socket of a pair found no room in this process. Owns: takes `why` over.
static void lose_peer(weft_job_client_t* client,
                      const weft_job_message_t* message, weft_status_t why) {
  weft_job_client_decline(client, message->rank, message->incarnation);
  client->events->unreachable(client->user, message->rank, why);
}

// Receives one message; false when there is none.
static bool receive(weft_job_client_t* client) {
  weft_job_message_t message;
  int descriptor = -1;
  weft_status_t status =
      weft_job_message_receive(client->socket, &message, &descriptor);
  weft_status_code_t code = weft_status_code(status);
  if (code == WEFT_STATUS_WOULD_BLOCK) {
    return false;
  }
  if (code == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    lose_peer(client, &message, status);
    return true;
  }
  if (status == WEFT_OK && !is_whole(&message)) {
    status = weft_status_make(WEFT_STATUS_DATA_LOSS,
                              "the launcher sent a message of type %u that is "
                              "not whole",
                              message.type);
    weft_sys_close(descriptor);
  }
  if (status != WEFT_OK) {
    end(client, explain(status));
    return false;
  }
  handlers[message.type](client, &message, descriptor);
  return true;
}

// --- What it asks -----------------------------------------------------------

// False when it has to be tried again.
static bool say_of_rank_locked(weft_job_client_t* client, uint16_t rank,
                               weft_job_type_t type) {
  weft_job_message_t message = weft_job_message(type);
  message.rank = rank;
  message.incarnation = type == WEFT_JOB_DECLINED ? client->declined[rank] : 0;
  return say_locked(client, &message);
}

// False when it has to be tried again.
static bool ask_locked(weft_job_client_t* client, uint16_t rank) {
  bool is_sent = true;
  if ((client->ranks[rank] & DECLINED) != 0) {
    is_sent = say_of_rank_locked(client, rank, WEFT_JOB_DECLINED);
    client->ranks[rank] &= is_sent ? (uint8_t)~DECLINED : UINT8_MAX;
  }
  if (is_sent && (client->ranks[rank] & ASKED) != 0) {
    is_sent = say_of_rank_locked(client, rank, WEFT_JOB_CONNECT);
    weft_crash_point("with a connection asked for");
  }
  if (!is_sent && (client->ranks[rank] & UNSENT) == 0) {
    client->ranks[rank] |= UNSENT;
    client->unsent_count++;
  } else if (is_sent && (client->ranks[rank] & UNSENT) != 0) {
    client->ranks[rank] &= (uint8_t)~UNSENT;
    client->unsent_count--;
  }
  return is_sent;
}

// Sends what found no room before. The host answers all that it reads, so
// there is something to be read when there is room again.
static void send_rest(weft_job_client_t* client) {
  weft_mutex_lock(&client->lock);
  bool has_room = true;
  for (uint32_t rank = 0;
       has_room && client->unsent_count > 0 && rank < WEFT_JOB_RANK_LIMIT;
       rank++) {
    has_room = (client->ranks[rank] & UNSENT) == 0 ||
               ask_locked(client, (uint16_t)rank);
  }
  if (has_room && client->must_send_leave) {
    client->must_send_leave = !say_locked(client, &client->leave);
  }
  weft_mutex_unlock(&client->lock);
}

weft_status_t weft_job_client_connect(weft_job_client_t* client,
                                      uint16_t rank) {
  if (rank >= WEFT_JOB_RANK_LIMIT || rank == client->place.rank) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "rank %u cannot connect to rank %u",
                            client->place.rank, rank);
  }
  weft_mutex_lock(&client->lock);
  if ((client->ranks[rank] & (ASKED | CONNECTED)) == 0 && !client->has_left) {
    client->ranks[rank] |= ASKED;
    (void)ask_locked(client, rank);
  }
  weft_mutex_unlock(&client->lock);
  return WEFT_OK;
}

void weft_job_client_decline(weft_job_client_t* client, uint16_t rank,
                             uint16_t incarnation) {
  set_rank(client, rank, 0);
  weft_mutex_lock(&client->lock);
  if (!client->has_left) {
    client->ranks[rank] = DECLINED;
    client->declined[rank] = incarnation;
    (void)ask_locked(client, rank);
  }
  weft_mutex_unlock(&client->lock);
}

void weft_job_client_report_silent(weft_job_client_t* client, uint16_t rank,
                                   uint16_t incarnation, int64_t silence_ns) {
  weft_job_message_t message = weft_job_message(WEFT_JOB_SILENT);
  int64_t silence_ms = silence_ns / 1000000;
  message.rank = rank;
  message.incarnation = incarnation;
  message.size = silence_ms < UINT32_MAX ? (uint32_t)silence_ms : UINT32_MAX;
  weft_mutex_lock(&client->lock);
  if (!client->has_left) {
    (void)say_locked(client, &message);
  }
  weft_mutex_unlock(&client->lock);
}

void weft_job_client_leave(weft_job_client_t* client, weft_status_t how) {
  weft_mutex_lock(&client->lock);
  if (!client->has_left) {
    client->has_left = true;
    client->leave = weft_job_message(WEFT_JOB_LEAVE);
    weft_job_message_set_status(&client->leave, how);
    client->must_send_leave = !say_locked(client, &client->leave);
  }
  weft_mutex_unlock(&client->lock);
  weft_status_release(how);
}

// --- Life -------------------------------------------------------------------

const weft_job_place_t* weft_job_client_place(const weft_job_client_t* client) {
  return &client->place;
}

int weft_job_client_descriptor(const weft_job_client_t* client) {
  return client->socket;
}

void weft_job_client_show(weft_job_client_t* client, int descriptor) {
  weft_job_message_t message = weft_job_message(WEFT_JOB_FLIGHT);
  weft_mutex_lock(&client->lock);
  weft_status_release(
      weft_job_message_send(client->socket, &message, descriptor));
  weft_mutex_unlock(&client->lock);
}

void weft_job_client_start(weft_job_client_t* client,
                           const weft_job_events_t* events, void* user) {
  client->events = events;
  client->user = user;
}

void weft_job_client_ready(weft_job_client_t* client) {
  bool goes_on = true;
  for (uint32_t i = 0; i < MESSAGES_A_TURN && goes_on; i++) {
    goes_on = !client->is_over && receive(client);
  }
  if (!client->is_over) {
    send_rest(client);
  }
}

void weft_job_client_destroy(weft_job_client_t* client) {
  if (client == NULL) {
    return;
  }
  if (client->must_send_leave) {
    (void)say_locked(client, &client->leave);
  }
  weft_sys_close(client->socket);
  weft_mutex_deinit(&client->lock);
  weft_memory_free(client->allocator, client, sizeof(*client));
}
