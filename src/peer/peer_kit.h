// SPDX-License-Identifier: Apache-2.0
//
// For tests of peers: a job of a few ranks in one simulation. Some of them are
// runtimes; others are *played*: the test reads what they are sent, and writes
// what it likes. Frames for the layer above end in the kit. One runtime more,
// the host, has the clock and the net. All memory must come back.

#ifndef WEFT_PEER_PEER_KIT_H_
#define WEFT_PEER_PEER_KIT_H_

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "async/async.h"
#include "async/progress.h"
#include "base/container.h"
#include "kit/kit.h"
#include "link/sim/sim.h"
#include "memory/memory.h"
#include "peer/peers.h"
#include "peer/remote.h"
#include "weft/weft.h"

#define WEFT_PEER_KIT_RANKS 4
#define WEFT_PEER_KIT_FRAMES 256

typedef struct weft_peer_kit weft_peer_kit_t;

// The end of a link that the test plays.
typedef struct weft_peer_kit_line {
  weft_link_sink_t sink;
  weft_link_t* link;
  // Copies of what came.
  weft_frame_t* frames[WEFT_PEER_KIT_FRAMES];
  uint32_t frame_count;
  // The next to be taken.
  uint32_t next;
  uint32_t descriptor_count;
  bool is_closed;
  weft_status_code_t code;
} weft_peer_kit_line_t;

typedef struct weft_peer_kit_member {
  weft_runtime_t* runtime;
  bool is_played;
  weft_connector_t connector;
  // How often a link to each rank was wanted.
  uint32_t wanted[WEFT_PEER_KIT_RANKS];
  // How often each rank was said to have died.
  uint32_t died[WEFT_PEER_KIT_RANKS];
  // Frames for the layer above.
  uint32_t frame_count;
  weft_frame_t last_frame;
  weft_peer_kit_line_t lines[WEFT_PEER_KIT_RANKS];
} weft_peer_kit_member_t;

struct weft_peer_kit {
  weft_kit_allocator_t memory;
  weft_runtime_t* host;
  weft_sim_net_t* net;
  weft_peer_kit_member_t members[WEFT_PEER_KIT_RANKS];
  // Called for each frame for the layer above; NULL: nothing is done.
  void (*on_frame)(weft_peer_t* peer, const weft_frame_t* frame);
  // What `origin` says of this future, which is a call.
  weft_future_t* call;
  weft_origin_name_t call_origin;
  // What `served` gives for this number.
  weft_future_t* served;
  uint64_t served_id;
  void* user;
};

// The one that is open: callbacks find it here.
static weft_peer_kit_t* weft_peer_kit;

// --- What runtimes are told -------------------------------------------------

static inline void weft_peer_kit_frame(weft_peer_t* peer,
                                       const weft_frame_t* frame) {
  weft_peer_kit_member_t* member =
      &weft_peer_kit->members[weft_runtime_rank(peer->runtime)];
  member->frame_count++;
  member->last_frame = *frame;
  if (weft_peer_kit->on_frame != NULL) {
    weft_peer_kit->on_frame(peer, frame);
  }
}

static inline void weft_peer_kit_room(weft_peer_t* peer) {
  (void)peer;
}

static inline void weft_peer_kit_died(weft_peer_t* peer, weft_status_t reason) {
  (void)reason;
  weft_peer_kit->members[weft_runtime_rank(peer->runtime)].died[peer->rank]++;
}

static inline bool weft_peer_kit_origin(weft_future_t* future,
                                        weft_origin_name_t* out_origin) {
  *out_origin = weft_peer_kit->call_origin;
  return future == weft_peer_kit->call;
}

static inline weft_future_t* weft_peer_kit_served(weft_peer_t* peer,
                                                  uint64_t id) {
  (void)peer;
  return weft_peer_kit->served != NULL && id == weft_peer_kit->served_id
             ? weft_future_retain(weft_peer_kit->served)
             : NULL;
}

static inline void weft_peer_kit_want(weft_connector_t* connector,
                                      uint16_t rank) {
  WEFT_CONTAINER_OF(connector, weft_peer_kit_member_t, connector)
      ->wanted[rank]++;
}

// --- What played ranks are told ---------------------------------------------

static inline weft_peer_kit_line_t* weft_peer_kit_line_of(
    weft_link_sink_t* sink) {
  return WEFT_CONTAINER_OF(sink, weft_peer_kit_line_t, sink);
}

static inline void weft_peer_kit_line_frame(weft_link_sink_t* sink,
                                            const void* data,
                                            size_t size_bytes) {
  weft_peer_kit_line_t* line = weft_peer_kit_line_of(sink);
  assert_true(line->frame_count < WEFT_PEER_KIT_FRAMES);
  weft_frame_t* copy = malloc(size_bytes);
  assert_non_null(copy);
  memcpy(copy, data, size_bytes);
  weft_kit_assert_ok(weft_frame_check(copy, size_bytes));
  line->frames[line->frame_count++] = copy;
}

static inline void weft_peer_kit_line_descriptor(weft_link_sink_t* sink,
                                                 uint64_t tag, int descriptor) {
  (void)tag;
  weft_peer_kit_line_of(sink)->descriptor_count++;
  (void)close(descriptor);
}

static inline void weft_peer_kit_line_room(weft_link_sink_t* sink) {
  (void)sink;
}

static inline void weft_peer_kit_line_closed(weft_link_sink_t* sink,
                                             weft_status_t reason) {
  weft_peer_kit_line_t* line = weft_peer_kit_line_of(sink);
  line->is_closed = true;
  line->code = weft_status_ignore(reason);
}

static const weft_link_sink_vtable_t weft_peer_kit_line_vtable = {
    .frame = weft_peer_kit_line_frame,
    .descriptor = weft_peer_kit_line_descriptor,
    .room = weft_peer_kit_line_room,
    .closed = weft_peer_kit_line_closed,
};

// --- Open and close ---------------------------------------------------------

static inline void weft_peer_kit_warned(void* user, weft_status_t warning) {
  (void)user;
  (void)warning;
}

static inline void weft_peer_kit_open_member(weft_peer_kit_t* kit,
                                             uint16_t rank) {
  static const weft_peer_events_t events = {
      .frame = weft_peer_kit_frame,
      .room = weft_peer_kit_room,
      .died = weft_peer_kit_died,
      .origin = weft_peer_kit_origin,
      .served = weft_peer_kit_served,
  };
  const weft_runtime_options_t options = {
      .name = "member",
      .allocator = &kit->memory.allocator,
      .arena_limit_bytes = UINT64_C(1) << 28,
      .on_warning = weft_peer_kit_warned,
      .simulate_with = kit->host,
  };
  weft_peer_kit_member_t* member = &kit->members[rank];
  weft_progress_t* progress = NULL;
  weft_kit_assert_ok(weft_runtime_create(&options, &member->runtime));
  // The layers ask for their place when somebody is there to be told.
  member->runtime->rank = rank;
  member->runtime->size = WEFT_PEER_KIT_RANKS;
  weft_kit_assert_ok(weft_sim_progress(kit->net, member->runtime, &progress));
  weft_async_set_progress(member->runtime, progress);
  member->connector.connect = weft_peer_kit_want;
  weft_peers_set_connector(member->runtime, &member->connector);
  weft_peers_t* peers = weft_peers_of(member->runtime);
  peers->events = &events;
  // Played ranks answer no heartbeat.
  peers->tick_ns = 0;
}

// The first `real_count` ranks are runtimes, the others are played. Links have
// the least capacity, and what is sent arrives in the order of sending.
static inline void weft_peer_kit_open(weft_peer_kit_t* kit,
                                      uint32_t real_count) {
  memset(kit, 0, sizeof(*kit));
  weft_peer_kit = kit;
  weft_kit_allocator_init(&kit->memory);
  const weft_runtime_options_t options = {
      .name = "host",
      .allocator = &kit->memory.allocator,
      .simulate = true,
  };
  const weft_sim_options_t net_options = {.capacity_bytes = 65536};
  weft_kit_assert_ok(weft_runtime_create(&options, &kit->host));
  weft_kit_assert_ok(weft_sim_net_create(kit->host, &net_options, &kit->net));
  for (uint16_t rank = 0; rank < WEFT_PEER_KIT_RANKS; rank++) {
    kit->members[rank].is_played = rank >= real_count;
    weft_peer_kit_open_member(kit, rank);
  }
}

// Runs until nothing is left to do.
static inline void weft_peer_kit_run(weft_peer_kit_t* kit) {
  (void)weft_runtime_run(kit->host, UINT64_MAX);
}

static inline void weft_peer_kit_hang_up(weft_peer_kit_t* kit, uint32_t rank,
                                         uint32_t other) {
  weft_peer_kit_line_t* line = &kit->members[rank].lines[other];
  if (line->link != NULL) {
    weft_link_close(line->link, WEFT_OK);
    weft_peer_kit_run(kit);
    assert_true(line->is_closed);
    weft_link_destroy(line->link);
    line->link = NULL;
  }
  for (uint32_t i = 0; i < line->frame_count; i++) {
    free(line->frames[i]);
  }
  line->frame_count = 0;
}

static inline void weft_peer_kit_close(weft_peer_kit_t* kit) {
  for (uint32_t rank = 0; rank < WEFT_PEER_KIT_RANKS; rank++) {
    for (uint32_t other = 0; other < WEFT_PEER_KIT_RANKS; other++) {
      weft_peer_kit_hang_up(kit, rank, other);
    }
  }
  for (uint32_t rank = 0; rank < WEFT_PEER_KIT_RANKS; rank++) {
    weft_runtime_destroy(kit->members[rank].runtime);
  }
  weft_sim_net_destroy(kit->net);
  weft_runtime_destroy(kit->host);
  weft_kit_allocator_deinit(&kit->memory);
  weft_peer_kit = NULL;
}

// --- Links ------------------------------------------------------------------

// What a runtime knows of another rank.
static inline weft_peer_t* weft_peer_kit_peer(weft_peer_kit_t* kit,
                                              uint32_t rank, uint32_t other) {
  weft_peer_t* peer = NULL;
  weft_kit_assert_ok(
      weft_peers_expect(kit->members[rank].runtime, (uint16_t)other, 1, &peer));
  return peer;
}

static inline weft_link_sink_t* weft_peer_kit_sink(weft_peer_kit_t* kit,
                                                   uint32_t rank,
                                                   uint32_t other) {
  weft_peer_kit_line_t* line = &kit->members[rank].lines[other];
  line->sink.vtable = &weft_peer_kit_line_vtable;
  return kit->members[rank].is_played
             ? &line->sink
             : &weft_peer_kit_peer(kit, rank, other)->sink;
}

static inline void weft_peer_kit_attach(weft_peer_kit_t* kit, uint32_t rank,
                                        uint32_t other, weft_link_t* link) {
  if (kit->members[rank].is_played) {
    kit->members[rank].lines[other].link = link;
  } else {
    weft_peers_attach(weft_peer_kit_peer(kit, rank, other), link);
  }
}

static inline void weft_peer_kit_connect(weft_peer_kit_t* kit, uint32_t a,
                                         uint32_t b) {
  const weft_sim_end_t ends[2] = {
      {kit->members[a].runtime, weft_peer_kit_sink(kit, a, b)},
      {kit->members[b].runtime, weft_peer_kit_sink(kit, b, a)},
  };
  weft_link_t* links[2] = {NULL};
  weft_kit_assert_ok(
      weft_sim_link_pair(kit->net, &ends[0], &ends[1], &links[0], &links[1]));
  weft_peer_kit_attach(kit, a, b, links[0]);
  weft_peer_kit_attach(kit, b, a, links[1]);
}

// Rank 0 is a runtime and has a link to each of the others, which are played.
static inline void weft_peer_kit_open_linked(weft_peer_kit_t* kit) {
  weft_peer_kit_open(kit, 1);
  for (uint32_t rank = 1; rank < WEFT_PEER_KIT_RANKS; rank++) {
    weft_peer_kit_connect(kit, 0, rank);
  }
}

// The process of a rank ends.
static inline void weft_peer_kit_kill(weft_peer_kit_t* kit, uint32_t rank) {
  weft_sim_kill(kit->net, kit->members[rank].runtime);
  weft_peer_kit_run(kit);
}

// --- As a played rank -------------------------------------------------------

// Writes any bytes; they need not arrive before `weft_peer_kit_run`.
static inline void weft_peer_kit_write(weft_peer_kit_t* kit, uint32_t from,
                                       uint32_t to, const void* data,
                                       size_t size_bytes) {
  weft_link_t* link = kit->members[from].lines[to].link;
  void* place = NULL;
  weft_kit_assert_ok(
      weft_link_reserve(link, size_bytes, WEFT_LINK_RESERVED, &place));
  memcpy(place, data, size_bytes);
  weft_link_commit(link, size_bytes);
  weft_link_flush(link);
}

// Writes a frame without a payload, and sees what comes of it.
static inline void weft_peer_kit_tell(weft_peer_kit_t* kit, uint32_t from,
                                      uint32_t to, const weft_frame_t* head) {
  weft_frame_t frame = *head;
  frame.size_bytes = sizeof(frame);
  frame.timeout_ns = INT64_MAX;
  weft_peer_kit_write(kit, from, to, &frame, sizeof(frame));
  weft_peer_kit_run(kit);
}

// The same with scalars.
static inline void weft_peer_kit_tell_scalars(weft_peer_kit_t* kit,
                                              uint32_t from, uint32_t to,
                                              const weft_frame_t* head,
                                              const weft_value_t* values,
                                              uint32_t count) {
  struct {
    weft_frame_t head;
    uint64_t words[WEFT_FRAME_SCALAR_LIMIT];
  } frame = {.head = *head};
  size_t size_bytes = sizeof(frame.head) + count * sizeof(frame.words[0]);
  frame.head.size_bytes = (uint32_t)size_bytes;
  frame.head.timeout_ns = INT64_MAX;
  weft_frame_put_scalars(&frame.head, frame.words, values, count);
  weft_peer_kit_write(kit, from, to, &frame, size_bytes);
  weft_peer_kit_run(kit);
}

// The next frame that a played rank was sent; NULL when there is none.
static inline const weft_frame_t* weft_peer_kit_take(weft_peer_kit_t* kit,
                                                     uint32_t at,
                                                     uint32_t from) {
  weft_peer_kit_run(kit);
  weft_peer_kit_line_t* line = &kit->members[at].lines[from];
  return line->next < line->frame_count ? line->frames[line->next++] : NULL;
}

// Forgets those that were taken: there is room for as many more.
static inline void weft_peer_kit_forget(weft_peer_kit_t* kit, uint32_t at,
                                        uint32_t from) {
  weft_peer_kit_line_t* line = &kit->members[at].lines[from];
  for (uint32_t i = 0; i < line->next; i++) {
    free(line->frames[i]);
    line->frames[i] = NULL;
  }
  memmove(&line->frames[0], &line->frames[line->next],
          (line->frame_count - line->next) * sizeof(line->frames[0]));
  line->frame_count -= line->next;
  line->next = 0;
}

// The same; fails the test unless it is of this type.
static inline const weft_frame_t* weft_peer_kit_expect(weft_peer_kit_t* kit,
                                                       uint32_t at,
                                                       uint32_t from,
                                                       weft_frame_type_t type) {
  static const weft_frame_t none = {0};
  const weft_frame_t* frame = weft_peer_kit_take(kit, at, from);
  frame = frame != NULL ? frame : &none;
  assert_string_equal(weft_frame_type_name(frame->type),
                      weft_frame_type_name((uint8_t)type));
  return frame;
}

static inline bool weft_peer_kit_is_closed(weft_peer_kit_t* kit, uint32_t rank,
                                           uint32_t other) {
  weft_peer_kit_run(kit);
  return kit->members[rank].lines[other].is_closed;
}

// --- As a runtime -----------------------------------------------------------

// Packs values and writes them. Errors: of packing.
static inline weft_status_t weft_peer_kit_post(
    weft_peer_kit_t* kit, uint32_t from, uint32_t to,
    const weft_arguments_t* arguments) {
  weft_peer_t* peer = weft_peer_kit_peer(kit, from, to);
  weft_peer_t* full = NULL;
  weft_parcel_t parcel;
  const weft_frame_t head = {.type = WEFT_FRAME_CALL, .timeout_ns = INT64_MAX};
  weft_parcel_init(&parcel, &head);
  weft_status_t status = weft_parcel_pack(&parcel, peer, arguments);
  if (status == WEFT_OK) {
    status = weft_parcel_prepare(&parcel, peer, &full);
  }
  if (status == WEFT_OK) {
    weft_mutex_lock(&peer->lock);
    status = weft_parcel_write_locked(&parcel, peer, WEFT_LINK_ORDINARY);
    weft_peer_flush_locked(peer);
    weft_mutex_unlock(&peer->lock);
  }
  weft_parcel_deinit(&parcel, peer);
  return status;
}

// The same, and lets them arrive.
static inline weft_status_t weft_peer_kit_send(
    weft_peer_kit_t* kit, uint32_t from, uint32_t to,
    const weft_arguments_t* arguments) {
  weft_status_t status = weft_peer_kit_post(kit, from, to, arguments);
  weft_peer_kit_run(kit);
  return status;
}

static inline weft_arena_figures_t weft_peer_kit_arena(weft_peer_kit_t* kit,
                                                       uint32_t rank) {
  weft_arena_figures_t figures;
  weft_arena_figures(weft_memory_arena(kit->members[rank].runtime), &figures);
  return figures;
}

// Nothing of the arena of a rank is in use, or lent.
static inline void weft_peer_kit_check_arena(weft_peer_kit_t* kit,
                                             uint32_t rank) {
  weft_peer_kit_run(kit);
  weft_arena_figures_t figures = weft_peer_kit_arena(kit, rank);
  assert_int_equal(figures.used_bytes, 0);
  assert_int_equal(figures.lent_bytes, 0);
  assert_int_equal(figures.loan_count, 0);
}

static inline weft_counters_t weft_peer_kit_counters(weft_peer_kit_t* kit,
                                                     uint32_t rank) {
  weft_counters_t counters;
  weft_runtime_counters(kit->members[rank].runtime, &counters);
  return counters;
}

#endif  // WEFT_PEER_PEER_KIT_H_
