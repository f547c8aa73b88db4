// SPDX-License-Identifier: Apache-2.0
//
// What the tests of links over shared memory share: one side of a link, or
// both in one process. A side needs no whole runtime, only its allocator.

#ifndef WEFT_LINK_SHM_SHM_KIT_H_
#define WEFT_LINK_SHM_SHM_KIT_H_

#include <sys/mman.h>

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

#endif  // WEFT_LINK_SHM_SHM_KIT_H_
