// SPDX-License-Identifier: Apache-2.0

#include "link/shm/shm.h"

#include <string.h>

#include "base/assert.h"
#include "link/shm/shm_internal.h"

_Static_assert(WEFT_SHM_ON_IDLE_BELL == WEFT_SLEEPER_IDLE + 1 &&
                   WEFT_SHM_ON_WAITING_BELL == WEFT_SLEEPER_WAITING + 1,
               "who sleeps is the place's number plus one");

static void flush(weft_progress_t* progress) {
  weft_shm_flush_own(WEFT_CONTAINER_OF(progress, weft_shm_t, progress));
}

static const weft_progress_vtable_t progress_vtable = {
    .poll = weft_shm_poll,
    .flush = flush,
    .arm = weft_shm_arm,
    .disarm = weft_shm_disarm,
};

// --- The beginning ----------------------------------------------------------

static weft_status_t round_lane(size_t lane_bytes, uint32_t* out_ring_bytes) {
  if (lane_bytes == 0) {
    lane_bytes = WEFT_LANE_BYTES_DEFAULT;
  }
  if (lane_bytes < WEFT_LANE_BYTES_MIN || lane_bytes > WEFT_LANE_BYTES_MAX) {
    return weft_status_make(
        WEFT_STATUS_INVALID_ARGUMENT,
        "a lane of %zu bytes: choose %zu to %zu, or 0 for the default",
        lane_bytes, WEFT_LANE_BYTES_MIN, WEFT_LANE_BYTES_MAX);
  }
  size_t ring_bytes = WEFT_LANE_BYTES_MIN;
  while (ring_bytes < lane_bytes) {
    ring_bytes *= 2;
  }
  *out_ring_bytes = (uint32_t)ring_bytes;
  return WEFT_OK;
}

static weft_status_t init(weft_shm_t* shm, const weft_shm_options_t* options) {
  static _Atomic uint64_t last_id;
  // Relaxed: the numbers only have to differ.
  shm->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
  shm->progress.vtable = &progress_vtable;
  shm->job = options->job;
  shm->rank = options->rank;
  shm->incarnation = options->incarnation;
  shm->face_memory = (weft_memfd_t)WEFT_MEMFD_NONE;
  shm->bell_memory = (weft_memfd_t)WEFT_MEMFD_NONE;
  weft_dlist_init(&shm->links);
  weft_mutex_init(&shm->lock);
  weft_mutex_init(&shm->place_lock);
  WEFT_RETURN_IF_ERROR(weft_shm_service_init(&shm->service));
  WEFT_RETURN_IF_ERROR(round_lane(options->lane_bytes, &shm->ring_bytes));
  WEFT_RETURN_IF_ERROR(weft_memfd_create("weft-face", sizeof(weft_shm_face_t),
                                         WEFT_MEMFD_ONE_WRITER,
                                         &shm->face_memory));
  WEFT_RETURN_IF_ERROR(weft_memfd_create("weft-bell", sizeof(weft_shm_bell_t),
                                         WEFT_MEMFD_SHARED, &shm->bell_memory));
  shm->face = shm->face_memory.data;
  shm->bell = shm->bell_memory.data;
  return WEFT_OK;
}

weft_status_t weft_shm_create(weft_runtime_t* runtime,
                              const weft_shm_options_t* options,
                              weft_shm_t** out_shm) {
  *out_shm = NULL;
  const weft_allocator_t* allocator = runtime->allocator;
  weft_shm_t* shm = allocator->allocate(allocator->self, sizeof(*shm), 64);
  if (shm == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for links to other processes");
  }
  memset(shm, 0, sizeof(*shm));
  shm->runtime = runtime;
  weft_status_t status = init(shm, options);
  if (status != WEFT_OK) {
    weft_shm_destroy(shm);
    return status;
  }
  *out_shm = shm;
  return WEFT_OK;
}

weft_progress_t* weft_shm_progress(weft_shm_t* shm) {
  return &shm->progress;
}

// --- The end ----------------------------------------------------------------

// Closes all links. No new ones come.
static void close_links(weft_shm_t* shm) {
  weft_shm_progress_all(shm);
  bool has_entered = weft_shm_poll_enter(shm);
  weft_assert(has_entered);
  for (weft_dlist_node_t* node = weft_dlist_first(&shm->links); node != NULL;
       node = weft_dlist_next(&shm->links, node)) {
    weft_link_close(&WEFT_CONTAINER_OF(node, weft_shm_link_t, node)->base,
                    WEFT_OK);
  }
  // Tells their sinks.
  weft_shm_poll_leave(shm);
}

void weft_shm_stop(weft_shm_t* shm) {
  weft_mutex_lock(&shm->lock);
  bool is_first = !shm->is_stopped;
  shm->is_stopped = true;
  weft_mutex_unlock(&shm->lock);
  if (is_first) {
    weft_shm_service_stop(shm);
    close_links(shm);
  }
}

void weft_shm_destroy(weft_shm_t* shm) {
  if (shm == NULL) {
    return;
  }
  weft_shm_stop(shm);
  weft_assert(weft_dlist_is_empty(&shm->links));
  const weft_allocator_t* allocator = shm->runtime->allocator;
  weft_shm_link_free_all(shm);
  weft_shm_service_deinit(&shm->service);
  weft_memfd_release(&shm->face_memory);
  weft_memfd_release(&shm->bell_memory);
  weft_mutex_deinit(&shm->place_lock);
  weft_mutex_deinit(&shm->lock);
  allocator->free(allocator->self, shm, sizeof(*shm));
}
