// SPDX-License-Identifier: Apache-2.0
//
// Members of which others hear nothing; host.h says what becomes of them.
//
// A member is given up after some looks in vain rather than after some time:
// when host and member were stopped together, as by a debugger or a batch
// system, all that time is but one look.

#include <inttypes.h>

#include "job/host_internal.h"
#include "sys/sys.h"

// Looks, and the time from one to the next.
#define LOOKS 4
#define LOOK_NS INT64_C(500000000)
#define LOOKS_MS (LOOKS * LOOK_NS / 1000000)

// Whether a report can be right: who makes it has a link to this very life.
static bool is_sound(const weft_job_host_t* host, uint32_t rank,
                     const weft_job_message_t* message) {
  if (message->rank >= host->rank_count) {
    return false;
  }
  const weft_job_member_t* silent = &host->members[message->rank];
  return silent->state == WEFT_JOB_ACTIVE && silent->socket >= 0 &&
         silent->incarnation == message->incarnation &&
         (host->members[rank].flags[message->rank] & WEFT_JOB_PAIRED) != 0;
}

void weft_job_silent_reported(weft_job_host_t* host, uint32_t rank,
                              const weft_job_message_t* message) {
  uint32_t other = message->rank;
  if (is_sound(host, rank, message) && host->members[other].asked_ns == 0) {
    weft_job_member_t* silent = &host->members[other];
    silent->asked_ns = weft_sys_now_ns();
    silent->looks = 0;
    silent->finder = (uint16_t)rank;
    silent->silence_ms = message->size;
    weft_job_message_t question = weft_job_message(WEFT_JOB_ASK);
    // Without room it has not read what it was told before: that asks as well.
    (void)weft_job_say(host, other, &question);
    weft_job_set_alarm(host);
  }
  weft_job_say_wait(host, rank, other);
}

int64_t weft_job_silent_due_ns(const weft_job_member_t* member) {
  return member->asked_ns != 0 ? member->asked_ns + LOOK_NS
                               : WEFT_TIME_INFINITE;
}

static void give_up(weft_job_host_t* host, uint32_t rank) {
  const weft_job_member_t* member = &host->members[rank];
  int64_t silence_ms = member->silence_ms + LOOKS_MS;
  char name[64];
  weft_job_member_name(host, rank, name, sizeof(name));
  weft_job_tell_gone(
      host, rank, WEFT_JOB_GIVEN_UP,
      weft_status_make(WEFT_STATUS_PEER_DIED,
                       "%s was given up: it has not answered rank %u for "
                       "%.1f s, nor the launcher",
                       name, member->finder, (double)silence_ms / 1e3));
  weft_job_tell(host, rank);
}

void weft_job_silent_look(weft_job_host_t* host) {
  int64_t now_ns = weft_sys_now_ns();
  for (uint32_t rank = 0; rank < host->rank_count; rank++) {
    weft_job_member_t* member = &host->members[rank];
    if (weft_job_silent_due_ns(member) > now_ns) {
      continue;
    }
    // It may have answered while the host was busy with others.
    weft_job_member_serve(host, rank);
    if (member->asked_ns != 0) {
      member->asked_ns = now_ns;
      member->looks++;
    }
    if (member->asked_ns != 0 && member->looks >= LOOKS) {
      give_up(host, rank);
    }
  }
}
