// SPDX-License-Identifier: Apache-2.0
//
// What members are told, and the sockets that they are given.

#include "job/host_internal.h"
#include "sys/local.h"
#include "sys/unix_socket.h"

static weft_job_member_t* member_at(weft_job_host_t* host, uint32_t rank) {
  return &host->members[rank];
}

void weft_job_member_block(weft_job_host_t* host, uint32_t rank,
                           bool is_blocked) {
  weft_job_member_t* member = member_at(host, rank);
  if (member->is_blocked != is_blocked && member->socket >= 0) {
    member->is_blocked = is_blocked;
    weft_epoll_change(&host->epoll, member->socket,
                      is_blocked ? WEFT_EPOLL_WRITE : WEFT_EPOLL_READ, rank);
  }
}

bool weft_job_say(weft_job_host_t* host, uint32_t rank,
                  const weft_job_message_t* message) {
  int socket = member_at(host, rank)->socket;
  if (socket < 0) {
    return true;
  }
  weft_status_code_t code =
      weft_status_ignore(weft_job_message_send(socket, message, -1));
  if (code == WEFT_STATUS_WOULD_BLOCK ||
      code == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    weft_job_member_block(host, rank, true);
    return false;
  }
  return true;
}

// --- Who came, who is gone --------------------------------------------------

static bool say_died(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  const weft_job_member_t* gone = member_at(host, other);
  weft_job_message_t message = weft_job_message(
      gone->state == WEFT_JOB_GIVEN_UP ? WEFT_JOB_LOST : WEFT_JOB_DIED);
  message.rank = (uint16_t)other;
  message.incarnation = gone->gone_incarnation;
  weft_job_message_set_status(&message, gone->how);
  return weft_job_say(host, rank, &message);
}

static bool say_joined(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  const weft_job_member_t* joined = member_at(host, other);
  if (joined->state != WEFT_JOB_ACTIVE) {
    return true;
  }
  weft_job_message_t message = weft_job_message(WEFT_JOB_JOINED);
  message.rank = (uint16_t)other;
  message.incarnation = joined->incarnation;
  return weft_job_say(host, rank, &message);
}

static bool say_unreachable(weft_job_host_t* host, uint32_t rank,
                            uint32_t other, weft_status_t why) {
  weft_job_message_t message = weft_job_message(WEFT_JOB_UNREACHABLE);
  message.rank = (uint16_t)other;
  weft_job_message_set_status(&message, why);
  weft_status_release(why);
  return weft_job_say(host, rank, &message);
}

void weft_job_say_wait(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  weft_job_message_t message = weft_job_message(WEFT_JOB_WAIT);
  message.rank = (uint16_t)other;
  (void)weft_job_say(host, rank, &message);
}

static bool say_declined(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  return say_unreachable(
      host, rank, other,
      weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                       "rank %u has no memory for a link to rank %u, or may "
                       "not open one more file; raise its limit (ulimit -n)",
                       other, rank));
}

// The news about a rank, in their order; false when some have to wait.
static bool say_news(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  uint8_t* flags = &member_at(host, rank)->flags[other];
  if ((*flags & WEFT_JOB_TELL_DECLINED) != 0) {
    if (!say_declined(host, rank, other)) {
      return false;
    }
    *flags &= (uint8_t)~WEFT_JOB_TELL_DECLINED;
  }
  if ((*flags & WEFT_JOB_TELL_DIED) != 0) {
    if (!say_died(host, rank, other)) {
      return false;
    }
    *flags &= (uint8_t)~WEFT_JOB_TELL_DIED;
  }
  if ((*flags & WEFT_JOB_TELL_JOINED) != 0) {
    if (!say_joined(host, rank, other)) {
      return false;
    }
    *flags &= (uint8_t)~WEFT_JOB_TELL_JOINED;
  }
  return true;
}

// --- Sockets between ranks --------------------------------------------------

// Sends a member its end of a pair.
static weft_status_t give(weft_job_host_t* host, uint32_t rank, uint32_t other,
                          int end) {
  weft_job_message_t message = weft_job_message(WEFT_JOB_PEER);
  message.rank = (uint16_t)other;
  message.incarnation = member_at(host, other)->incarnation;
  return weft_job_message_send(member_at(host, rank)->socket, &message, end);
}

// Room for one message at least, so that a pair is given to both or to none.
static bool has_room(weft_job_host_t* host, uint32_t rank) {
  const weft_job_member_t* member = member_at(host, rank);
  if (!member->is_blocked && weft_local_is_writable(member->socket)) {
    return true;
  }
  weft_job_member_block(host, rank, true);
  return false;
}

static void mark_paired(weft_job_host_t* host, uint32_t asker, uint32_t other) {
  uint8_t* flags = &member_at(host, asker)->flags[other];
  uint8_t* others = &member_at(host, other)->flags[asker];
  bool both_asked = (*others & WEFT_JOB_ASKED) != 0;
  *flags = (uint8_t)((*flags & ~WEFT_JOB_ASKED) | WEFT_JOB_PAIRED);
  *others = (uint8_t)((*others & ~WEFT_JOB_ASKED) | WEFT_JOB_PAIRED |
                      (both_asked ? 0 : WEFT_JOB_MAY_CROSS));
}

// Makes a pair and gives it to both. False when it has to wait for room.
static bool pair(weft_job_host_t* host, uint32_t asker, uint32_t other) {
  if (!has_room(host, other) || !say_news(host, other, asker) ||
      !has_room(host, other) || !has_room(host, asker)) {
    return false;
  }
  int ends[2] = {-1, -1};
  weft_status_t status = weft_socket_pair(WEFT_SOCKET_PACKETS, ends);
  if (status == WEFT_OK) {
    status = give(host, other, asker, ends[1]);
  }
  if (status == WEFT_OK) {
    status = give(host, asker, other, ends[0]);
  }
  weft_sys_close(ends[0]);
  weft_sys_close(ends[1]);
  if (weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    member_at(host, asker)->flags[other] &= (uint8_t)~WEFT_JOB_ASKED;
    weft_status_t why =
        weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         "the launcher cannot connect ranks %u and %u: %s",
                         asker, other, weft_status_message(status));
    weft_status_release(status);
    return say_unreachable(host, asker, other, why);
  }
  // That one of them is gone shows when its socket is read.
  weft_status_release(status);
  mark_paired(host, asker, other);
  return true;
}

static weft_status_t no_such_rank(const weft_job_host_t* host, uint32_t rank) {
  return weft_status_make(WEFT_STATUS_NOT_FOUND,
                          "the job has no rank %u: it has %u, and those that "
                          "joined; start more with weft run -n",
                          rank, host->size);
}

// Answers a request if it can be answered now; false when it has to wait for
// room.
static bool answer(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  weft_job_member_t* wanted = member_at(host, other);
  uint8_t* flags = &member_at(host, rank)->flags[other];
  weft_status_t why = WEFT_OK;
  if (wanted->state == WEFT_JOB_ACTIVE && wanted->socket >= 0) {
    return pair(host, rank, other);
  }
  if (wanted->state == WEFT_JOB_LEFT || wanted->state == WEFT_JOB_GONE ||
      (wanted->state == WEFT_JOB_FREE && wanted->how != WEFT_OK)) {
    why = weft_status_retain(wanted->how);
  } else if (wanted->state == WEFT_JOB_FREE && other >= host->size) {
    why = no_such_rank(host, other);
  } else {
    // It is to come.
    return true;
  }
  if (!say_unreachable(host, rank, other, why)) {
    return false;
  }
  *flags &= (uint8_t)~WEFT_JOB_ASKED;
  return true;
}

// All about one rank; false when some of it has to wait.
static bool tell_of(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  const weft_job_member_t* member = member_at(host, rank);
  if (member->state != WEFT_JOB_ACTIVE || member->is_blocked) {
    return false;
  }
  if ((member->flags[other] & WEFT_JOB_TO_DO) == 0) {
    return true;
  }
  return say_news(host, rank, other) &&
         ((member->flags[other] & WEFT_JOB_ASKED) == 0 ||
          answer(host, rank, other));
}

void weft_job_tell_asked(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  if (other >= host->rank_limit) {
    // There is room: a member's messages are read only when there is.
    (void)say_unreachable(host, rank, other, no_such_rank(host, other));
    return;
  }
  uint8_t* flags = &member_at(host, rank)->flags[other];
  if (rank == other) {
    (void)say_unreachable(host, rank, other,
                          weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                                           "rank %u asked for itself", rank));
  } else if ((*flags & WEFT_JOB_MAY_CROSS) != 0) {
    *flags &= (uint8_t)~WEFT_JOB_MAY_CROSS;
  } else if ((*flags & WEFT_JOB_PAIRED) != 0) {
    (void)say_unreachable(
        host, rank, other,
        weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                         "ranks %u and %u were connected before, and are so "
                         "once only",
                         rank, other));
  } else {
    *flags |= WEFT_JOB_ASKED;
    (void)tell_of(host, rank, other);
    if ((*flags & WEFT_JOB_ASKED) != 0) {
      weft_job_say_wait(host, rank, other);
    }
  }
}

static void unpair(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  member_at(host, rank)->flags[other] &=
      (uint8_t) ~(WEFT_JOB_PAIRED | WEFT_JOB_MAY_CROSS);
}

void weft_job_tell_declined(weft_job_host_t* host, uint32_t rank,
                            uint32_t other, uint16_t incarnation) {
  if (other >= host->rank_count ||
      member_at(host, other)->incarnation != incarnation ||
      (member_at(host, rank)->flags[other] & WEFT_JOB_PAIRED) == 0) {
    // Of a life that is over.
    return;
  }
  unpair(host, rank, other);
  unpair(host, other, rank);
  member_at(host, other)->flags[rank] |= WEFT_JOB_TELL_DECLINED;
  (void)tell_of(host, other, rank);
}

// --- Telling ----------------------------------------------------------------

static bool say_end(weft_job_host_t* host, uint32_t rank) {
  const weft_job_member_t* member = member_at(host, rank);
  weft_job_message_t message = weft_job_message(WEFT_JOB_END);
  weft_job_message_set_status(&message, member->state == WEFT_JOB_GIVEN_UP
                                            ? member->how
                                            : host->reason);
  return weft_job_say(host, rank, &message);
}

void weft_job_tell(weft_job_host_t* host, uint32_t rank) {
  weft_job_member_t* member = member_at(host, rank);
  bool is_active = member->state == WEFT_JOB_ACTIVE;
  for (uint32_t other = 0;
       is_active && !member->is_blocked && other < host->rank_count; other++) {
    // One that waits for room at the other side holds up nothing else.
    (void)tell_of(host, rank, other);
  }
  if (member->must_hear_end && !member->is_blocked) {
    member->must_hear_end = !say_end(host, rank);
  }
}

void weft_job_tell_askers(weft_job_host_t* host, uint32_t rank) {
  for (uint32_t other = 0; other < host->rank_count; other++) {
    const weft_job_member_t* asker = member_at(host, other);
    if (asker->state == WEFT_JOB_ACTIVE &&
        (asker->flags[rank] & WEFT_JOB_ASKED) != 0) {
      (void)tell_of(host, other, rank);
    }
  }
}

void weft_job_tell_started(weft_job_host_t* host, uint32_t rank) {
  weft_job_member_t* member = member_at(host, rank);
  for (uint32_t other = 0; other < host->rank_count; other++) {
    weft_job_member_t* witness = member_at(host, other);
    if (other == rank) {
      continue;
    }
    if (witness->state == WEFT_JOB_ACTIVE) {
      witness->flags[rank] |= WEFT_JOB_TELL_JOINED;
      member->flags[other] |= WEFT_JOB_TELL_JOINED;
      (void)tell_of(host, other, rank);
    } else if (witness->gone_incarnation != 0) {
      member->flags[other] |= WEFT_JOB_TELL_DIED;
    }
  }
  weft_job_tell(host, rank);
}

// Forgets what a rank had to do with others; what others ask of it stays.
static void part(weft_job_host_t* host, uint32_t rank, uint32_t other) {
  weft_job_member_t* member = member_at(host, rank);
  weft_job_member_t* witness = member_at(host, other);
  if (member->flags != NULL) {
    member->flags[other] = 0;
  }
  if (witness->flags != NULL) {
    witness->flags[rank] &=
        (uint8_t) ~(WEFT_JOB_PAIRED | WEFT_JOB_MAY_CROSS |
                    WEFT_JOB_TELL_JOINED | WEFT_JOB_TELL_DECLINED);
  }
}

void weft_job_tell_gone(weft_job_host_t* host, uint32_t rank,
                        weft_job_state_t state, weft_status_t how) {
  weft_job_member_t* member = member_at(host, rank);
  // One that never was active has nothing to be said about, but requests for
  // it are answered.
  bool is_known =
      member->state == WEFT_JOB_ACTIVE || member->state == WEFT_JOB_GIVEN_UP;
  weft_status_release(member->how);
  member->how = how;
  member->state = state;
  member->gone_incarnation = member->incarnation;
  member->lost_ns = 0;
  member->asked_ns = 0;
  member->must_hear_end = state == WEFT_JOB_GIVEN_UP;
  for (uint32_t other = 0; other < host->rank_count; other++) {
    weft_job_member_t* witness = member_at(host, other);
    part(host, rank, other);
    if (other != rank && witness->state == WEFT_JOB_ACTIVE) {
      witness->flags[rank] |= is_known ? WEFT_JOB_TELL_DIED : 0;
      (void)tell_of(host, other, rank);
    }
  }
}
