// SPDX-License-Identifier: Apache-2.0
//
// What members say, and how they end.

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "job/host_internal.h"
#include "sys/alarm.h"
#include "sys/local.h"
#include "sys/sys.h"
#include "sys/unix_socket.h"

// Messages of one member before others have their turn.
#define MESSAGES_A_TURN 16
// More than fit into the socket of one that has ended.
#define LAST_MESSAGES 4096
// Until a child that hung up is taken for gone although it has not been
// reaped: it may be a script whose program is gone.
#define REAP_NS INT64_C(1000000000)

static weft_job_member_t* member_at(weft_job_host_t* host, uint32_t rank) {
  return &host->members[rank];
}

// --- Its socket -------------------------------------------------------------

weft_status_t weft_job_member_open(weft_job_host_t* host, uint32_t rank,
                                   int socket) {
  weft_job_member_t* member = member_at(host, rank);
  if (member->flags == NULL) {
    member->flags =
        weft_memory_allocate_zeroed(host->allocator, host->rank_limit);
  }
  if (member->flags == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for rank %u of a job", rank);
  }
  WEFT_RETURN_IF_ERROR(
      weft_epoll_add(&host->epoll, socket, WEFT_EPOLL_READ, rank));
  memset(member->flags, 0, host->rank_limit);
  member->socket = socket;
  member->is_blocked = false;
  member->state = WEFT_JOB_EXPECTED;
  if (rank >= host->rank_count) {
    host->rank_count = rank + 1;
  }
  return WEFT_OK;
}

// Stops to watch the process of a member, if one is watched.
static void close_ending(weft_job_host_t* host, weft_job_member_t* member) {
  if (member->ending >= 0) {
    weft_epoll_remove(&host->epoll, member->ending);
    weft_sys_close(member->ending);
    member->ending = -1;
  }
}

// Watches the process of a member, in place of that of the life before, unless
// the owner waits for it. Its number may have gone to another one meanwhile:
// then it is dead as well, and is found to be when that one ends, or by who
// waits for an answer.
static void watch_ending(weft_job_host_t* host, uint32_t rank) {
  weft_job_member_t* member = member_at(host, rank);
  uint32_t process_id = member->runtime_process_id;
  close_ending(host, member);
  if (process_id == 0 ||
      (member->is_child && process_id == member->process_id)) {
    return;
  }
  member->ending = weft_sys_process_open(process_id);
  if (member->ending >= 0 &&
      weft_status_ignore(
          weft_epoll_add(&host->epoll, member->ending, WEFT_EPOLL_READ,
                         WEFT_JOB_ENDING_TAG | rank)) != WEFT_STATUS_OK) {
    weft_sys_close(member->ending);
    member->ending = -1;
  }
}

void weft_job_member_close(weft_job_host_t* host, uint32_t rank) {
  weft_job_member_t* member = member_at(host, rank);
  close_ending(host, member);
  if (member->socket >= 0) {
    weft_epoll_remove(&host->epoll, member->socket);
    weft_sys_close(member->socket);
    member->socket = -1;
    member->is_blocked = false;
    member->asked_ns = 0;
  }
}

// --- How it ends ------------------------------------------------------------

void weft_job_member_name(const weft_job_host_t* host, uint32_t rank,
                          char* text, size_t capacity) {
  uint32_t process_id = host->members[rank].process_id;
  if (process_id != 0) {
    (void)snprintf(text, capacity, "rank %" PRIu32 " (process %" PRIu32 ")",
                   rank, process_id);
  } else {
    (void)snprintf(text, capacity, "rank %" PRIu32, rank);
  }
}

void weft_job_host_describe(const weft_job_host_t* host, uint32_t rank,
                            const weft_job_ending_t* ending, char* text,
                            size_t capacity) {
  char name[64];
  weft_job_member_name(host, rank, name, sizeof(name));
  if (ending->signal_number != 0) {
    (void)snprintf(text, capacity, "%s was killed by signal %d (%s)", name,
                   ending->signal_number,
                   weft_sys_signal_text(ending->signal_number));
  } else {
    (void)snprintf(text, capacity, "%s exited with status %d", name,
                   ending->exit_status);
  }
}

// A member that is gone by its own doing: what it did, as the end of a
// sentence about it.
static void member_gone(weft_job_host_t* host, uint32_t rank,
                        const char* what) {
  char name[64];
  weft_job_member_name(host, rank, name, sizeof(name));
  weft_job_member_t* member = member_at(host, rank);
  weft_job_member_close(host, rank);
  weft_job_tell_gone(
      host, rank, member->is_child ? WEFT_JOB_GONE : WEFT_JOB_FREE,
      weft_status_make(WEFT_STATUS_PEER_DIED, "%s %s", name, what));
}

// The same of a program that a script runs: it may run another one.
static void program_gone(weft_job_host_t* host, uint32_t rank,
                         const char* what) {
  char name[64];
  weft_job_member_name(host, rank, name, sizeof(name));
  weft_job_tell_gone(
      host, rank, WEFT_JOB_GONE,
      weft_status_make(WEFT_STATUS_PEER_DIED,
                       "the program (process %" PRIu32 ") of %s %s",
                       member_at(host, rank)->runtime_process_id, name, what));
}

void weft_job_set_alarm(weft_job_host_t* host) {
  int64_t first_ns = WEFT_TIME_INFINITE;
  for (uint32_t rank = 0; rank < host->rank_count; rank++) {
    const weft_job_member_t* member = member_at(host, rank);
    int64_t due_ns = weft_job_silent_due_ns(member);
    if (member->lost_ns != 0 && member->lost_ns + REAP_NS < due_ns) {
      due_ns = member->lost_ns + REAP_NS;
    }
    first_ns = due_ns < first_ns ? due_ns : first_ns;
  }
  weft_alarm_set(host->alarm, first_ns);
}

// How a child ended is known when the owner has reaped it, in a moment.
static void expect_reaping(weft_job_host_t* host, weft_job_member_t* member) {
  member->lost_ns = weft_sys_now_ns();
  weft_job_set_alarm(host);
}

// Its end of the socket is closed.
static void hung_up(weft_job_host_t* host, uint32_t rank) {
  weft_job_member_t* member = member_at(host, rank);
  weft_job_member_close(host, rank);
  if (member->state == WEFT_JOB_ACTIVE && member->is_child) {
    expect_reaping(host, member);
  } else if (member->state == WEFT_JOB_ACTIVE) {
    member_gone(host, rank, "is gone without having left the job");
  } else if (member->state == WEFT_JOB_GIVEN_UP && !member->is_child) {
    weft_job_tell_gone(host, rank, WEFT_JOB_FREE,
                       weft_status_retain(member->how));
  } else if (!member->is_child) {
    member->state = WEFT_JOB_FREE;
  }
}

void weft_job_member_expire(weft_job_host_t* host) {
  int64_t now_ns = weft_sys_now_ns();
  for (uint32_t rank = 0; rank < host->rank_count; rank++) {
    const weft_job_member_t* member = member_at(host, rank);
    if (member->lost_ns == 0 || member->lost_ns + REAP_NS > now_ns) {
      continue;
    }
    if (member->socket >= 0) {
      program_gone(host, rank, "has ended without having left the job");
    } else {
      member_gone(host, rank,
                  "has closed its connection to the launcher without having "
                  "left the job, but still runs");
    }
  }
}

// --- What it says -----------------------------------------------------------

// Says no, and hangs up. Owns: takes `why` over.
static void refuse(weft_job_host_t* host, uint32_t rank, weft_status_t why) {
  weft_job_message_t message = weft_job_message(WEFT_JOB_REFUSED);
  weft_job_message_set_status(&message, why);
  weft_status_release(
      weft_job_message_send(member_at(host, rank)->socket, &message, -1));
  weft_status_release(why);
  hung_up(host, rank);
}

static void welcome(weft_job_host_t* host, uint32_t rank) {
  const weft_job_member_t* member = member_at(host, rank);
  weft_job_message_t message = weft_job_message(WEFT_JOB_WELCOME);
  message.job = host->id;
  message.size = host->size;
  message.rank = (uint16_t)rank;
  message.incarnation = member->incarnation;
  (void)snprintf(message.text, sizeof(message.text), "%s", host->name);
  // There is room: a member's messages are read only when there is.
  weft_status_release(weft_job_message_send(member->socket, &message, -1));
}

// Keeps what a child gives to be read after its death, in place of what it
// gave before. Owns: takes the descriptor over.
static void keep_flight(weft_job_host_t* host, uint32_t rank, int descriptor) {
  weft_job_member_t* member = member_at(host, rank);
  if (member->state == WEFT_JOB_ACTIVE && member->is_child) {
    weft_sys_close(member->flight);
    member->flight = descriptor;
  } else {
    weft_sys_close(descriptor);
  }
}

// It was kept before; see `receive`.
static void handle_flight(weft_job_host_t* host, uint32_t rank,
                          const weft_job_message_t* message) {
  (void)host;
  (void)rank;
  (void)message;
}

static void handle_hello(weft_job_host_t* host, uint32_t rank,
                         const weft_job_message_t* message) {
  weft_job_member_t* member = member_at(host, rank);
  if (host->is_stopping) {
    refuse(host, rank,
           host->reason != WEFT_OK
               ? weft_status_retain(host->reason)
               : weft_status_make(WEFT_STATUS_CLOSED, "the job has ended"));
    return;
  }
  if (member->state == WEFT_JOB_GIVEN_UP) {
    // What a script runs next is of a process that is given up, too.
    refuse(host, rank, weft_status_retain(member->how));
    return;
  }
  if (member->state == WEFT_JOB_ACTIVE) {
    if (message->process == member->runtime_process_id) {
      member_gone(host, rank, "said hello twice");
      return;
    }
    program_gone(host, rank,
                 "was followed by another without having left the job");
  }
  member->incarnation++;
  if (member->incarnation == 0) {
    member->incarnation = 1;
  }
  member->runtime_process_id = message->process;
  member->state = WEFT_JOB_ACTIVE;
  watch_ending(host, rank);
  // That of the life before.
  keep_flight(host, rank, -1);
  welcome(host, rank);
  weft_job_tell_started(host, rank);
}

static void handle_connect(weft_job_host_t* host, uint32_t rank,
                           const weft_job_message_t* message) {
  weft_job_tell_asked(host, rank, message->rank);
}

static void handle_declined(weft_job_host_t* host, uint32_t rank,
                            const weft_job_message_t* message) {
  weft_job_tell_declined(host, rank, message->rank, message->incarnation);
  // All that is read is answered.
  weft_job_say_wait(host, rank, message->rank);
}

static void handle_leave(weft_job_host_t* host, uint32_t rank,
                         const weft_job_message_t* message) {
  char name[64];
  weft_job_member_name(host, rank, name, sizeof(name));
  bool has_reason = message->code != WEFT_STATUS_OK && message->text[0] != '\0';
  weft_job_tell_gone(
      host, rank, WEFT_JOB_LEFT,
      weft_status_make(WEFT_STATUS_CLOSED, "%s has left the job%s%s", name,
                       has_reason ? ": " : "",
                       has_reason ? message->text : ""));
}

// That it came says all; see `receive`.
static void handle_here(weft_job_host_t* host, uint32_t rank,
                        const weft_job_message_t* message) {
  (void)host;
  (void)rank;
  (void)message;
}

typedef void (*handler_t)(weft_job_host_t* host, uint32_t rank,
                          const weft_job_message_t* message);

static const struct {
  handler_t handle;
  // May it come before HELLO, or after LEAVE?
  bool always;
} handlers[WEFT_JOB_TYPE_LIMIT] = {
    [WEFT_JOB_HELLO] = {handle_hello, true},
    [WEFT_JOB_CONNECT] = {handle_connect, false},
    [WEFT_JOB_DECLINED] = {handle_declined, false},
    [WEFT_JOB_LEAVE] = {handle_leave, false},
    [WEFT_JOB_FLIGHT] = {handle_flight, false},
    [WEFT_JOB_SILENT] = {weft_job_silent_reported, false},
    [WEFT_JOB_HERE] = {handle_here, false},
};

static void handle(weft_job_host_t* host, uint32_t rank,
                   const weft_job_message_t* message) {
  const weft_job_member_t* member = member_at(host, rank);
  handler_t handler = handlers[message->type].handle;
  if (handler == NULL) {
    member_gone(host, rank, "sent a message that only the launcher may send");
  } else if (member->state == WEFT_JOB_ACTIVE ||
             handlers[message->type].always) {
    handler(host, rank, message);
  } else if (member->state == WEFT_JOB_EXPECTED) {
    member_gone(host, rank, "did not begin with a hello");
  }
}

// Receives one message; false when there is none, or no more.
static bool receive(weft_job_host_t* host, uint32_t rank) {
  weft_job_message_t message;
  int descriptor = -1;
  weft_status_t status = weft_job_message_receive(member_at(host, rank)->socket,
                                                  &message, &descriptor);
  weft_status_code_t code = weft_status_code(status);
  if (message.type == WEFT_JOB_FLIGHT) {
    if (code == WEFT_STATUS_RESOURCE_EXHAUSTED) {
      // It is an aid: without a descriptor for it the job goes on.
      code = WEFT_STATUS_OK;
    }
    keep_flight(host, rank, descriptor);
    descriptor = -1;
  }
  // PEER is not for the host.
  weft_sys_close(descriptor);
  switch (code) {
    case WEFT_STATUS_OK:
      member_at(host, rank)->asked_ns = 0;
      handle(host, rank, &message);
      break;
    case WEFT_STATUS_WOULD_BLOCK:
      return false;
    case WEFT_STATUS_CLOSED:
      hung_up(host, rank);
      break;
    case WEFT_STATUS_FAILED_PRECONDITION:
      refuse(host, rank, weft_status_retain(status));
      break;
    default:
      member_gone(host, rank, "sent bytes that are no message");
      break;
  }
  weft_status_release(status);
  return true;
}

void weft_job_member_serve(weft_job_host_t* host, uint32_t rank) {
  weft_job_member_t* member = member_at(host, rank);
  bool goes_on = true;
  for (uint32_t i = 0; goes_on && i < MESSAGES_A_TURN; i++) {
    if (member->socket < 0) {
      return;
    }
    bool is_writable = weft_local_is_writable(member->socket);
    bool was_blocked = member->is_blocked;
    weft_job_member_block(host, rank, !is_writable);
    if (was_blocked && is_writable) {
      // It has read.
      member->asked_ns = 0;
      weft_job_tell(host, rank);
      weft_job_tell_askers(host, rank);
    }
    goes_on = !member->is_blocked && receive(host, rank);
  }
}

// --- Its process ------------------------------------------------------------

// Reads what one that has ended may have said last.
static void receive_last(weft_job_host_t* host, uint32_t rank) {
  const weft_job_member_t* member = member_at(host, rank);
  for (uint32_t i = 0; i < LAST_MESSAGES && member->socket >= 0; i++) {
    if (!receive(host, rank)) {
      break;
    }
  }
}

void weft_job_member_has_ended(weft_job_host_t* host, uint32_t rank) {
  weft_job_member_t* member = member_at(host, rank);
  uint32_t process_id = member->runtime_process_id;
  if (member->ending < 0) {
    // An event from before something else told of it.
    return;
  }
  close_ending(host, member);
  receive_last(host, rank);
  if (member->socket < 0 || member->runtime_process_id != process_id) {
    // A script has run another program, whose hello has been read now.
    return;
  }
  if (!member->is_child) {
    hung_up(host, rank);
  } else if (member->state == WEFT_JOB_ACTIVE) {
    expect_reaping(host, member);
  }
}

void weft_job_member_ended(weft_job_host_t* host, uint32_t rank,
                           const weft_job_ending_t* ending) {
  weft_job_member_t* member = member_at(host, rank);
  receive_last(host, rank);
  char text[128];
  weft_job_host_describe(host, rank, ending, text, sizeof(text));
  if (member->state == WEFT_JOB_ACTIVE || member->state == WEFT_JOB_EXPECTED) {
    bool was_active = member->state == WEFT_JOB_ACTIVE;
    weft_job_member_close(host, rank);
    weft_job_tell_gone(
        host, rank, WEFT_JOB_GONE,
        weft_status_make(WEFT_STATUS_PEER_DIED, "%s%s", text,
                         was_active ? "" : " before it made a runtime"));
  } else if (member->state == WEFT_JOB_GIVEN_UP) {
    weft_job_tell_gone(host, rank, WEFT_JOB_GONE,
                       weft_status_retain(member->how));
  }
  weft_job_member_close(host, rank);
  member->is_child = false;
  weft_job_set_alarm(host);
}
