// SPDX-License-Identifier: Apache-2.0
//
// What the tests of links over shared memory share: one side of a link, or
// both in one process. A side needs no whole runtime, only its allocator.

#ifndef WEFT_LINK_SHM_SHM_KIT_H_
#define WEFT_LINK_SHM_SHM_KIT_H_

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "link/link_kit.h"
#include "link/shm/shm_internal.h"

#define WEFT_SHM_KIT_JOB 0x1234567890abcdefu

typedef struct weft_shm_side {
  weft_runtime_t runtime;
  weft_shm_t* shm;
} weft_shm_side_t;

static inline void weft_side_init(weft_shm_side_t* side, uint16_t rank,
                                  size_t lane_bytes) {
  *side = (weft_shm_side_t){
      .runtime = {.allocator = weft_allocator_system(), .rank = rank}};
  const weft_shm_options_t options = {.job = WEFT_SHM_KIT_JOB,
                                      .rank = rank,
                                      .incarnation = 1,
                                      .lane_bytes = lane_bytes};
  weft_kit_assert_ok(weft_shm_create(&side->runtime, &options, &side->shm));
}

static inline void weft_side_deinit(weft_shm_side_t* side) {
  weft_shm_destroy(side->shm);
}

static inline void weft_side_poll(weft_shm_side_t* side) {
  weft_progress_t* progress = weft_shm_progress(side->shm);
  (void)progress->vtable->poll(progress);
}

static inline weft_link_t* weft_side_open(weft_shm_side_t* side, int socket,
                                          uint16_t peer_rank,
                                          weft_link_sink_t* sink) {
  weft_link_t* link = NULL;
  weft_kit_assert_ok(
      weft_shm_open(side->shm, socket, peer_rank, 1, sink, &link));
  return link;
}

// --- One end, and a child that has the other --------------------------------

// Runs `body(socket)` in a child that holds one end of a pair; the other end
// is the caller's.
static inline pid_t weft_side_fork(void (*body)(int socket), int* out_socket) {
  int sockets[2];
  weft_kit_assert_ok(weft_socket_pair(WEFT_SOCKET_PACKETS, sockets));
  (void)fflush(NULL);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)close(sockets[0]);
    (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
    (void)signal(SIGABRT, SIG_DFL);
    body(sockets[1]);
    _exit(0);
  }
  (void)close(sockets[1]);
  *out_socket = sockets[0];
  return child;
}

static inline void weft_side_expect_exit(pid_t child, int signal_number) {
  int how;
  assert_int_equal(child, waitpid(child, &how, 0));
  assert_int_equal(signal_number, WIFSIGNALED(how) ? WTERMSIG(how) : 0);
  assert_int_equal(0, WIFEXITED(how) ? WEXITSTATUS(how) : 0);
}

// A side and its notes, at either end.
typedef struct weft_one_end {
  weft_shm_side_t side;
  weft_notes_t notes;
  weft_link_t* link;
} weft_one_end_t;

static inline void weft_one_open_noted(weft_one_end_t* one, uint16_t rank,
                                       int socket) {
  weft_side_init(&one->side, rank, 0);
  weft_kit_assert_ok(weft_shm_open(one->side.shm, socket, (uint16_t)(1 - rank),
                                   1, &one->notes.sink, &one->link));
}

static inline void weft_one_open(weft_one_end_t* one, uint16_t rank,
                                 int socket) {
  weft_notes_init(&one->notes);
  weft_one_open_noted(one, rank, socket);
}

static inline void weft_one_close(weft_one_end_t* one) {
  weft_shm_stop(one->side.shm);
  weft_link_destroy(one->link);
  weft_side_deinit(&one->side);
  weft_notes_deinit(&one->notes);
}

#endif  // WEFT_LINK_SHM_SHM_KIT_H_
