// SPDX-License-Identifier: Apache-2.0

#include "runtime/member.h"

#include "actor/actor_layer.h"
#include "async/async.h"
#include "async/progress.h"
#include "base/container.h"
#include "base/memory.h"
#include "job/client.h"
#include "link/shm/shm.h"
#include "peer/peer.h"
#include "trace/flight.h"
#include "trace/trace.h"

// How long the launcher has to answer.
#define JOIN_TIMEOUT_NS INT64_C(30000000000)

struct weft_member {
  weft_runtime_t* runtime;
  weft_job_client_t* client;
  weft_shm_t* shm;
  weft_connector_t connector;
  weft_shm_watch_t watch;
  bool is_watching;
  bool is_stopped;
  // How the job ended; written before the word.
  weft_status_t end;
  // 1: the job has ended.
  _Atomic uint32_t has_ended;
};

static bool has_ended(const weft_member_t* member) {
  // Acquire: pairs with the release of who tells of it; how it ended is seen.
  return atomic_load_explicit(&member->has_ended, memory_order_acquire) != 0;
}

// --- What the launcher tells ------------------------------------------------

static void connected(void* user, uint16_t rank, uint16_t incarnation,
                      int socket) {
  weft_member_t* member = user;
  weft_peer_t* peer = NULL;
  weft_link_t* link = NULL;
  weft_status_t status =
      weft_peers_expect(member->runtime, rank, incarnation, &peer);
  // Takes the socket over whatever happens.
  weft_status_t opened =
      weft_shm_open(member->shm, socket, rank, incarnation,
                    peer != NULL ? &peer->sink : NULL, &link);
  if (status == WEFT_OK) {
    status = opened;
  } else {
    weft_status_release(opened);
  }
  if (status == WEFT_OK) {
    weft_peers_attach(peer, link);
  } else if (weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    weft_job_client_decline(member->client, rank, incarnation);
    weft_peers_refuse(member->runtime, rank, status);
  } else {
    weft_peers_lose(member->runtime, rank, incarnation, status);
  }
}

static void unreachable(void* user, uint16_t rank, weft_status_t why) {
  const weft_member_t* member = user;
  if (weft_status_code(why) == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    weft_peers_refuse(member->runtime, rank, why);
  } else {
    weft_peers_lose(member->runtime, rank, 0, why);
  }
}

static void given_up(void* user, uint16_t rank, uint16_t incarnation,
                     weft_status_t how) {
  const weft_member_t* member = user;
  weft_peers_give_up(member->runtime, rank, incarnation, how);
}

static void died(void* user, uint16_t rank, uint16_t incarnation,
                 weft_status_t how) {
  const weft_member_t* member = user;
  weft_peers_lose(member->runtime, rank, incarnation, how);
}

static void joined(void* user, uint16_t rank, uint16_t incarnation) {
  const weft_member_t* member = user;
  weft_peers_renew(member->runtime, rank, incarnation);
  weft_log_debug("job", "rank %u has started, life %u", rank, incarnation);
}

// Those that serve may go; at rank 0 whatever waits ends.
static void ended(void* user, weft_status_t why) {
  weft_member_t* member = user;
  weft_runtime_t* runtime = member->runtime;
  if (why != WEFT_OK) {
    weft_peers_end(runtime, weft_status_retain(why));
    weft_actor_layer_begin_stop(runtime, weft_status_retain(why));
  }
  member->end = why;
  // Release: pairs with the acquire in `has_ended`. Last: whoever served stops
  // the runtime next, and would give no reason.
  atomic_store_explicit(&member->has_ended, 1, memory_order_release);
  weft_futex_wake(&member->has_ended, UINT32_MAX);
}

static const weft_job_events_t events = {
    .connected = connected,
    .unreachable = unreachable,
    .given_up = given_up,
    .died = died,
    .joined = joined,
    .ended = ended,
};

static void control_ready(weft_shm_watch_t* watch) {
  weft_member_t* member = WEFT_CONTAINER_OF(watch, weft_member_t, watch);
  weft_job_client_ready(member->client);
  if (has_ended(member)) {
    // Nothing comes after that, but the hang-up again and again.
    weft_shm_remove_watch(member->shm, watch);
  }
}

static void connect_rank(weft_connector_t* connector, uint16_t rank) {
  weft_member_t* member =
      WEFT_CONTAINER_OF(connector, weft_member_t, connector);
  weft_status_t status = weft_job_client_connect(member->client, rank);
  if (status != WEFT_OK) {
    weft_peers_lose(member->runtime, rank, 0, status);
  }
}

static void report_silent(weft_connector_t* connector, uint16_t rank,
                          uint16_t incarnation, int64_t silence_ns) {
  const weft_member_t* member =
      WEFT_CONTAINER_OF(connector, weft_member_t, connector);
  weft_job_client_report_silent(member->client, rank, incarnation, silence_ns);
}

// --- Life -------------------------------------------------------------------

weft_status_t weft_member_join(weft_runtime_t* runtime,
                               weft_member_t** out_member) {
  weft_job_client_t* client = NULL;
  *out_member = NULL;
  WEFT_RETURN_IF_ERROR(weft_job_client_create(
      runtime->allocator, weft_sys_now_ns() + JOIN_TIMEOUT_NS, &client));
  if (client == NULL) {
    return WEFT_OK;
  }
  weft_member_t* member =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*member));
  if (member == NULL) {
    weft_job_client_destroy(client);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the place in a job");
  }
  const weft_job_place_t* place = weft_job_client_place(client);
  runtime->rank = place->rank;
  runtime->size = place->size;
  runtime->incarnation = place->incarnation;
  member->runtime = runtime;
  member->client = client;
  member->connector.connect = connect_rank;
  member->connector.report_silent = report_silent;
  member->connector.tells_deaths = true;
  *out_member = member;
  return WEFT_OK;
}

void weft_member_show(weft_member_t* member) {
  int descriptor = -1;
  if (member == NULL || member->runtime->rank >= member->runtime->size) {
    // The launcher reaps those that it has started.
    return;
  }
  weft_status_t status = weft_flight_share(member->runtime, &descriptor);
  if (status == WEFT_OK) {
    weft_job_client_show(member->client, descriptor);
  } else {
    weft_warn(member->runtime, status);
  }
}

weft_status_t weft_member_start(weft_member_t* member) {
  weft_runtime_t* runtime = member->runtime;
  const weft_job_place_t* place = weft_job_client_place(member->client);
  const weft_shm_options_t options = {
      .job = place->job,
      .rank = place->rank,
      .incarnation = place->incarnation,
  };
  WEFT_RETURN_IF_ERROR(weft_shm_create(runtime, &options, &member->shm));
  weft_async_set_progress(runtime, weft_shm_progress(member->shm));
  weft_peers_set_connector(runtime, &member->connector);
  weft_job_client_start(member->client, &events, member);
  member->watch.descriptor = weft_job_client_descriptor(member->client);
  member->watch.ready = control_ready;
  WEFT_RETURN_IF_ERROR(weft_shm_add_watch(member->shm, &member->watch));
  member->is_watching = true;
  return WEFT_OK;
}

weft_status_t weft_member_serve(weft_member_t* member) {
  WEFT_RETURN_IF_ERROR(weft_async_check_process(member->runtime));
  // Not as a thread that waits in a runtime: that would be woken by each frame
  // that comes, while the workers, who are to deal with it, sleep on.
  while (!has_ended(member)) {
    (void)weft_futex_wait(&member->has_ended, 0, WEFT_TIME_INFINITE);
  }
  weft_status_t status = weft_status_retain(member->end);
  if (weft_status_code(status) == WEFT_STATUS_CANCELLED) {
    // The launcher ended the job, and has said why.
    weft_status_release(status);
    return WEFT_OK;
  }
  return status;
}

void weft_member_stop(weft_member_t* member) {
  if (member == NULL || member->is_stopped) {
    return;
  }
  weft_runtime_t* runtime = member->runtime;
  member->is_stopped = true;
  if (member->shm != NULL) {
    if (member->is_watching) {
      weft_shm_remove_watch(member->shm, &member->watch);
    }
    weft_peers_end(runtime, weft_status_make(WEFT_STATUS_CLOSED,
                                             "this runtime has stopped"));
    weft_shm_stop(member->shm);
    weft_async_set_progress(runtime, NULL);
  }
  weft_job_client_leave(member->client, WEFT_OK);
}

void weft_member_destroy(weft_member_t* member) {
  if (member == NULL) {
    return;
  }
  weft_shm_destroy(member->shm);
  weft_job_client_destroy(member->client);
  weft_status_release(member->end);
  weft_memory_free(member->runtime->allocator, member, sizeof(*member));
}
