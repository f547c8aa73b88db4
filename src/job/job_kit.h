// SPDX-License-Identifier: Apache-2.0
//
// What tests of jobs share: a host that a thread of its own serves, and
// members that write down what they hear.

#ifndef WEFT_JOB_JOB_KIT_H_
#define WEFT_JOB_JOB_KIT_H_

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job/client.h"
#include "job/host.h"
#include "job/protocol.h"
#include "sys/local.h"
#include "sys/sys.h"
#include "sys/unix_socket.h"
#include "tests/kit/kit.h"

// Long after anything that is expected has come; a test that waits as long has
// failed.
static inline int64_t job_kit_deadline_ns(void) {
  return weft_sys_now_ns() + INT64_C(100000000000);
}

// --- A host -----------------------------------------------------------------

typedef struct job_kit_host {
  weft_job_host_t* host;
  // Held around all calls of the host.
  pthread_mutex_t lock;
  pthread_t thread;
  int stop_pipe[2];
} job_kit_host_t;

static inline void* job_kit_serve(void* argument) {
  job_kit_host_t* kit = argument;
  struct pollfd wanted[2] = {
      {.fd = weft_job_host_descriptor(kit->host), .events = POLLIN},
      {.fd = kit->stop_pipe[0], .events = POLLIN},
  };
  while (wanted[1].revents == 0) {
    if (poll(wanted, 2, -1) > 0 && wanted[0].revents != 0) {
      pthread_mutex_lock(&kit->lock);
      weft_job_host_process(kit->host);
      pthread_mutex_unlock(&kit->lock);
    }
  }
  return NULL;
}

// A name that no other process gives to a job. Tests may run at the same time.
static inline const char* job_kit_name(const char* word) {
  static char name[WEFT_JOB_NAME_BYTES];
  (void)snprintf(name, sizeof(name), "%s-%d", word, getpid());
  return name;
}

static inline void job_kit_open(job_kit_host_t* kit, uint32_t size,
                                const char* name) {
  weft_job_host_options_t options = {.size = size, .name = name};
  weft_kit_assert_ok(weft_job_host_create(NULL, &options, &kit->host));
  assert_int_equal(0, pthread_mutex_init(&kit->lock, NULL));
  assert_int_equal(0, pipe(kit->stop_pipe));
  assert_int_equal(0, pthread_create(&kit->thread, NULL, job_kit_serve, kit));
}

static inline void job_kit_close(job_kit_host_t* kit) {
  assert_int_equal(1, write(kit->stop_pipe[1], "", 1));
  assert_int_equal(0, pthread_join(kit->thread, NULL));
  weft_job_host_destroy(kit->host);
  close(kit->stop_pipe[0]);
  close(kit->stop_pipe[1]);
  pthread_mutex_destroy(&kit->lock);
}

// The end of a control socket for a rank, as its process would have it.
static inline int job_kit_child(job_kit_host_t* kit, uint32_t rank) {
  weft_job_child_t child;
  pthread_mutex_lock(&kit->lock);
  weft_status_t status = weft_job_host_child(kit->host, rank, -1, &child);
  if (status == WEFT_OK) {
    weft_job_host_started(kit->host, rank, 1000 + rank);
  }
  pthread_mutex_unlock(&kit->lock);
  weft_kit_assert_ok(status);
  return child.descriptor;
}

static inline void job_kit_ended(job_kit_host_t* kit, uint32_t rank,
                                 int exit_status, int signal_number) {
  weft_job_ending_t ending = {exit_status, signal_number};
  pthread_mutex_lock(&kit->lock);
  weft_job_host_ended(kit->host, rank, &ending);
  pthread_mutex_unlock(&kit->lock);
}

static inline void job_kit_stop(job_kit_host_t* kit, weft_status_t reason) {
  pthread_mutex_lock(&kit->lock);
  weft_job_host_stop(kit->host, reason);
  pthread_mutex_unlock(&kit->lock);
}

static inline weft_job_figures_t job_kit_figures(job_kit_host_t* kit,
                                                 uint32_t rank) {
  pthread_mutex_lock(&kit->lock);
  weft_job_figures_t figures = weft_job_host_figures(kit->host, rank);
  pthread_mutex_unlock(&kit->lock);
  return figures;
}

// --- Members ----------------------------------------------------------------

#define JOB_KIT_LOG_BYTES 65536

typedef struct job_kit_member {
  weft_job_client_t* client;
  // A line for each event: "joined 1.1", "died 1.1 peer died: ...".
  char* log;
  // The socket that came last; -1 when none did.
  int socket;
} job_kit_member_t;

static inline void job_kit_note(job_kit_member_t* member, const char* what,
                                unsigned rank, unsigned incarnation,
                                weft_status_t status) {
  size_t used = strlen(member->log);
  int added = snprintf(member->log + used, JOB_KIT_LOG_BYTES - used,
                       "%s %u.%u %s: %s\n", what, rank, incarnation,
                       weft_status_code_name(weft_status_code(status)),
                       weft_status_message(status));
  assert_true(added > 0 && used + (size_t)added < JOB_KIT_LOG_BYTES);
  weft_status_release(status);
}

static inline void job_kit_connected(void* user, uint16_t rank,
                                     uint16_t incarnation, int socket) {
  job_kit_member_t* member = user;
  weft_sys_close(member->socket);
  member->socket = socket;
  job_kit_note(member, "connected", rank, incarnation, WEFT_OK);
}

static inline void job_kit_unreachable(void* user, uint16_t rank,
                                       weft_status_t why) {
  job_kit_note(user, "unreachable", rank, 0, why);
}

static inline void job_kit_died(void* user, uint16_t rank, uint16_t incarnation,
                                weft_status_t how) {
  job_kit_note(user, "died", rank, incarnation, how);
}

static inline void job_kit_given_up(void* user, uint16_t rank,
                                    uint16_t incarnation, weft_status_t how) {
  job_kit_note(user, "given up", rank, incarnation, how);
}

static inline void job_kit_joined(void* user, uint16_t rank,
                                  uint16_t incarnation) {
  job_kit_note(user, "joined", rank, incarnation, WEFT_OK);
}

static inline void job_kit_end(void* user, weft_status_t why) {
  job_kit_note(user, "ended", 0, 0, why);
}

static const weft_job_events_t job_kit_events = {
    .connected = job_kit_connected,
    .unreachable = job_kit_unreachable,
    .given_up = job_kit_given_up,
    .died = job_kit_died,
    .joined = job_kit_joined,
    .ended = job_kit_end,
};

// A member writes down what it hears from now on.
static inline void job_kit_listen(job_kit_member_t* member,
                                  weft_job_client_t* client) {
  member->client = client;
  member->socket = -1;
  member->log = calloc(JOB_KIT_LOG_BYTES, 1);
  assert_non_null(member->log);
  weft_job_client_start(client, &job_kit_events, member);
}

static inline void job_kit_start(job_kit_member_t* member, job_kit_host_t* kit,
                                 uint32_t rank) {
  weft_job_client_t* client = NULL;
  weft_kit_assert_ok(weft_job_client_open(NULL, job_kit_child(kit, rank),
                                          job_kit_deadline_ns(), &client));
  job_kit_listen(member, client);
}

// A job of two, both of which have started.
static inline void job_kit_open_two(job_kit_host_t* kit, job_kit_member_t* a,
                                    job_kit_member_t* b) {
  job_kit_open(kit, 2, NULL);
  job_kit_start(a, kit, 0);
  job_kit_start(b, kit, 1);
}

static inline void job_kit_join(job_kit_member_t* member, const char* job) {
  weft_job_client_t* client = NULL;
  weft_kit_assert_ok(
      weft_job_client_join(NULL, job, job_kit_deadline_ns(), &client));
  job_kit_listen(member, client);
}

// The process of the member is gone, as it were.
static inline void job_kit_forget(job_kit_member_t* member) {
  weft_job_client_destroy(member->client);
  weft_sys_close(member->socket);
  free(member->log);
  *member = (job_kit_member_t){.socket = -1};
}

// How often a text stands in what a member has heard.
static inline size_t job_kit_count(const job_kit_member_t* member,
                                   const char* text) {
  size_t count = 0;
  for (const char* at = strstr(member->log, text); at != NULL;
       at = strstr(at + 1, text)) {
    count++;
  }
  return count;
}

// Listens until a text stands in what the member has heard.
static inline void job_kit_expect(job_kit_member_t* member, const char* text) {
  int64_t deadline_ns = job_kit_deadline_ns();
  while (job_kit_count(member, text) == 0) {
    if (!weft_local_wait_readable(weft_job_client_descriptor(member->client),
                                  deadline_ns)) {
      fail_msg("'%s' is not in:\n%s", text, member->log);
    }
    weft_job_client_ready(member->client);
    if (strstr(member->log, "ended 0.0") != NULL &&
        job_kit_count(member, text) == 0) {
      fail_msg("'%s' is not in:\n%s", text, member->log);
    }
  }
}

// Returns when all that the host had to tell the member has been heard. It asks
// for a rank that cannot be, once in its life.
static inline void job_kit_hear_all(job_kit_member_t* member, uint16_t rank) {
  char text[64];
  weft_kit_assert_ok(weft_job_client_connect(member->client, rank));
  (void)snprintf(text, sizeof(text), "unreachable %u.0 not found", rank);
  job_kit_expect(member, text);
}

#endif  // WEFT_JOB_JOB_KIT_H_
