// SPDX-License-Identifier: Apache-2.0

#include "link/sim/sim.h"

#include "async/async.h"
#include "base/assert.h"
#include "base/container.h"
#include "base/dlist.h"
#include "base/memory.h"
#include "base/random.h"
#include "link/sim/lane.h"
#include "sys/sys.h"
#include "sys/unix_socket.h"
#include "weft/executor.h"
#include "weft/runtime.h"

#define CAPACITY_DEFAULT 262144
#define CAPACITY_MIN 65536
// One in so many deliveries is the last of its burst.
#define BURST 4

typedef struct pair pair_t;

// What the net knows of a runtime.
typedef struct node {
  weft_progress_t progress;
  struct node* next;
  weft_sim_net_t* net;
  weft_runtime_t* runtime;
  int64_t paused_until_ns;
  // Something was committed since the last flush of all.
  bool is_dirty;
} node_t;

// One end of a link: writes its own lane, reads the other's.
typedef struct end {
  weft_link_t link;
  pair_t* pair;
  struct end* peer;
  node_t* node;
  weft_link_sink_t* sink;
  weft_sim_lane_t lane;
  // The next delivery.
  weft_timer_t timer;
  // When `room` and `closed` are due; WEFT_TIME_INFINITE: not.
  int64_t room_due_ns;
  int64_t closed_due_ns;
  weft_status_t reason;
  // What writers are told; OK while the link is open for them.
  weft_status_code_t gone;
  // Its runtime was killed: no frame reaches it any more.
  bool is_dead;
  // The sink has heard the last, or is gone.
  bool is_deaf;
  bool is_destroyed;
} end_t;

struct pair {
  weft_dlist_node_t of_net;
  end_t ends[2];
};

struct weft_sim_net {
  weft_runtime_t* runtime;
  weft_sim_options_t options;
  uint64_t random;
  node_t* nodes;
  // In the order in which they were made.
  weft_dlist_t pairs;
};

static const weft_link_vtable_t link_vtable;
static const weft_progress_vtable_t progress_vtable;

static end_t* end_of(weft_link_t* link) {
  return WEFT_CONTAINER_OF(link, end_t, link);
}

// --- Chance and time --------------------------------------------------------

// When what is sent now arrives.
static int64_t arrival(weft_sim_net_t* net) {
  uint64_t span =
      (uint64_t)(net->options.delay_max_ns - net->options.delay_min_ns) + 1;
  int64_t delay_ns = net->options.delay_min_ns +
                     (int64_t)(weft_random_next(&net->random) % span);
  return weft_deadline_after(net->runtime, delay_ns);
}

static int64_t later(int64_t a_ns, int64_t b_ns) {
  return a_ns > b_ns ? a_ns : b_ns;
}

// When what is sent now, in this lane, arrives: after all before.
static int64_t arrival_in(weft_sim_net_t* net, weft_sim_lane_t* lane) {
  lane->last_due_ns = later(arrival(net), lane->last_due_ns);
  return lane->last_due_ns;
}

// --- Deliveries -------------------------------------------------------------

typedef enum event { NOTHING, FRAME, DESCRIPTOR, ROOM, CLOSED } event_t;

// What the sink is to be told next, and when.
static event_t next_event(end_t* end, int64_t* out_due_ns) {
  static const event_t of_lane[] = {
      [WEFT_SIM_NOTHING] = NOTHING,
      [WEFT_SIM_FRAME] = FRAME,
      [WEFT_SIM_DESCRIPTOR] = DESCRIPTOR,
  };
  event_t event = NOTHING;
  int64_t due_ns = WEFT_TIME_INFINITE;
  if (!end->is_dead) {
    event = of_lane[weft_sim_lane_next(&end->peer->lane, &due_ns)];
  }
  if (end->room_due_ns < due_ns) {
    event = ROOM;
    due_ns = end->room_due_ns;
  }
  if (end->closed_due_ns < due_ns) {
    event = CLOSED;
    due_ns = end->closed_due_ns;
  }
  int64_t pause_ns =
      later(end->node->paused_until_ns, end->peer->node->paused_until_ns);
  *out_due_ns = later(due_ns, pause_ns);
  return event;
}

static void deliver(weft_timer_t* timer, void* user);

// Sets the timer to the next delivery.
static void schedule(end_t* end) {
  weft_timer_stop(&end->timer);
  int64_t due_ns;
  if (end->is_deaf || next_event(end, &due_ns) == NOTHING) {
    return;
  }
  weft_status_t status = weft_timer_start(end->node->runtime, &end->timer,
                                          due_ns, 0, deliver, end);
  // Nothing is delivered any more to a runtime that has stopped.
  weft_status_release(status);
}

// The reader has made room: the writer hears of it, if it wants any.
static void tell_room(end_t* writer) {
  if (writer->gone == WEFT_STATUS_OK &&
      weft_sim_lane_has_room_again(&writer->lane)) {
    writer->room_due_ns = arrival(writer->node->net);
    schedule(writer);
  }
}

static void deliver_frame(end_t* end) {
  weft_sim_lane_t* lane = &end->peer->lane;
  size_t size_bytes;
  uint64_t place;
  const void* data = weft_sim_lane_frame(lane, &size_bytes, &place);
  end->sink->vtable->frame(end->sink, data, size_bytes);
  weft_sim_lane_done(lane, place);
  tell_room(end->peer);
}

static void deliver_descriptor(end_t* end) {
  weft_sim_parcel_t parcel = weft_sim_lane_take_descriptor(&end->peer->lane);
  tell_room(end->peer);
  end->sink->vtable->descriptor(end->sink, parcel.tag, parcel.descriptor);
}

static void deliver_room(end_t* end) {
  end->room_due_ns = WEFT_TIME_INFINITE;
  end->sink->vtable->room(end->sink);
}

// The last call: the sink may destroy the link in it.
static void deliver_closed(end_t* end) {
  weft_status_t reason = end->reason;
  end->reason = WEFT_OK;
  end->gone = weft_status_code(reason) == WEFT_STATUS_PEER_DIED
                  ? WEFT_STATUS_PEER_DIED
                  : WEFT_STATUS_CLOSED;
  end->is_deaf = true;
  weft_sim_lane_discard(&end->peer->lane);
  end->sink->vtable->closed(end->sink, reason);
}

// False after the last call: the end may be gone.
static bool deliver_one(end_t* end, event_t event) {
  switch (event) {
    case FRAME:
      deliver_frame(end);
      break;
    case DESCRIPTOR:
      deliver_descriptor(end);
      break;
    case ROOM:
      deliver_room(end);
      break;
    default:
      deliver_closed(end);
      return false;
  }
  return true;
}

// Tells what is due, a burst of it.
static void deliver(weft_timer_t* timer, void* user) {
  end_t* end = user;
  weft_sim_net_t* net = end->node->net;
  (void)timer;
  int64_t due_ns;
  event_t event;
  do {
    event = next_event(end, &due_ns);
    if (event == NOTHING || due_ns > weft_runtime_now_ns(net->runtime)) {
      break;
    }
    if (!deliver_one(end, event)) {
      return;
    }
  } while (weft_random_next(&net->random) % BURST != 0);
  schedule(end);
}

// --- Ends -------------------------------------------------------------------

// The sink hears that the link is closed, unless it is to hear so already.
// Owns: takes `reason` over.
static void end_at(end_t* end, weft_status_t reason, int64_t due_ns) {
  if (end->is_deaf || end->closed_due_ns != WEFT_TIME_INFINITE) {
    weft_status_release(reason);
    return;
  }
  end->reason = reason;
  end->closed_due_ns = due_ns;
  schedule(end);
}

// The same, after all that was flushed to it.
static void end_after_frames(end_t* end, weft_status_t reason) {
  end_at(end, reason, arrival_in(end->node->net, &end->peer->lane));
}

static weft_status_t gone(const end_t* end) {
  return end->gone == WEFT_STATUS_PEER_DIED
             ? weft_status_make(WEFT_STATUS_PEER_DIED,
                                "the link is gone with its peer")
             : weft_status_make(end->gone, "the link is closed");
}

static bool hears_nothing(const end_t* end) {
  return end->is_dead || end->is_deaf;
}

// --- The table --------------------------------------------------------------

static weft_status_t link_reserve(weft_link_t* link, size_t size_bytes,
                                  weft_link_room_t room, void** out_data) {
  end_t* end = end_of(link);
  *out_data = NULL;
  if (end->gone != WEFT_STATUS_OK) {
    return gone(end);
  }
  *out_data = weft_sim_lane_reserve(&end->lane, size_bytes, room);
  return *out_data != NULL ? WEFT_OK
                           : weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
}

static void link_commit(weft_link_t* link, size_t size_bytes) {
  end_t* end = end_of(link);
  if (end->gone == WEFT_STATUS_OK) {
    weft_sim_lane_commit(&end->lane, size_bytes);
    end->node->is_dirty = true;
  }
}

static void link_flush(weft_link_t* link) {
  end_t* end = end_of(link);
  if (end->gone != WEFT_STATUS_OK || hears_nothing(end->peer)) {
    // Nobody will read it.
    weft_sim_lane_forget(&end->lane);
    return;
  }
  weft_sim_record_t* record;
  bool has_frames = false;
  while ((record = weft_sim_lane_flush_one(&end->lane)) != NULL) {
    has_frames = true;
    record->due_ns = arrival_in(end->node->net, &end->lane);
  }
  if (has_frames) {
    schedule(end->peer);
  }
}

static weft_status_t link_send_descriptor(weft_link_t* link, uint64_t tag,
                                          int descriptor) {
  end_t* end = end_of(link);
  if (end->gone != WEFT_STATUS_OK) {
    return gone(end);
  }
  if (hears_nothing(end->peer)) {
    return WEFT_OK;
  }
  int copy = weft_sys_duplicate(descriptor);
  if (copy < 0) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "descriptor %d cannot be duplicated: is it open, "
                            "and are there more to be had (ulimit -n)?",
                            descriptor);
  }
  int64_t due_ns = arrival_in(end->node->net, &end->lane);
  if (!weft_sim_lane_put_descriptor(&end->lane, tag, copy, due_ns)) {
    weft_sys_close(copy);
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  schedule(end->peer);
  return WEFT_OK;
}

static void link_close(weft_link_t* link, weft_status_t reason) {
  end_t* end = end_of(link);
  if (end->gone != WEFT_STATUS_OK) {
    weft_status_release(reason);
    return;
  }
  link_flush(link);
  weft_sim_lane_forget(&end->lane);
  end->gone = WEFT_STATUS_CLOSED;
  weft_status_code_t code = weft_status_code(reason);
  bool is_error = code != WEFT_STATUS_OK && code != WEFT_STATUS_CLOSED;
  end_after_frames(
      end->peer,
      weft_status_make_caused(WEFT_STATUS_CLOSED,
                              is_error ? weft_status_retain(reason) : WEFT_OK,
                              "the peer closed the link"));
  if (reason == WEFT_OK) {
    reason = weft_status_make(WEFT_STATUS_CLOSED, "this side closed the link");
  }
  end_after_frames(end, reason);
}

static void link_destroy(weft_link_t* link) {
  end_t* end = end_of(link);
  pair_t* pair = end->pair;
  const weft_allocator_t* allocator =
      weft_runtime_allocator(end->node->net->runtime);
  link_close(link, WEFT_OK);
  weft_timer_stop(&end->timer);
  weft_status_release(end->reason);
  end->reason = WEFT_OK;
  end->is_deaf = true;
  end->is_destroyed = true;
  weft_sim_lane_discard(&end->peer->lane);
  if (end->peer->is_destroyed) {
    weft_dlist_remove(&pair->of_net);
    weft_sim_lane_deinit(&pair->ends[0].lane, allocator);
    weft_sim_lane_deinit(&pair->ends[1].lane, allocator);
    weft_memory_free(allocator, pair, sizeof(*pair));
  }
}

// --- Nodes ------------------------------------------------------------------

// Finds what there is of a runtime, or makes it. Errors: RESOURCE_EXHAUSTED.
static weft_status_t find_node(weft_sim_net_t* net, weft_runtime_t* runtime,
                               node_t** out_node) {
  node_t** link = &net->nodes;
  while (*link != NULL && (*link)->runtime != runtime) {
    link = &(*link)->next;
  }
  if (*link == NULL) {
    *link = weft_memory_allocate_zeroed(weft_runtime_allocator(net->runtime),
                                        sizeof(**link));
    if (*link == NULL) {
      *out_node = NULL;
      return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "no memory for a runtime of a simulated net");
    }
    (*link)->progress.vtable = &progress_vtable;
    (*link)->net = net;
    (*link)->runtime = runtime;
  }
  *out_node = *link;
  return WEFT_OK;
}

// Calls `visit` with each end of the runtime's links.
static void for_ends(weft_sim_net_t* net, const node_t* node,
                     void (*visit)(end_t* end)) {
  for (weft_dlist_node_t* of_net = weft_dlist_first(&net->pairs);
       of_net != NULL; of_net = weft_dlist_next(&net->pairs, of_net)) {
    pair_t* pair = WEFT_CONTAINER_OF(of_net, pair_t, of_net);
    for (int i = 0; i < 2; i++) {
      if (pair->ends[i].node == node && !pair->ends[i].is_destroyed) {
        visit(&pair->ends[i]);
      }
    }
  }
}

static uint32_t progress_poll(weft_progress_t* progress) {
  (void)progress;
  return 0;
}

static void flush_end(end_t* end) {
  link_flush(&end->link);
}

static void progress_flush(weft_progress_t* progress) {
  node_t* node = WEFT_CONTAINER_OF(progress, node_t, progress);
  if (node->is_dirty) {
    node->is_dirty = false;
    for_ends(node->net, node, flush_end);
  }
}

static bool progress_arm(weft_progress_t* progress, weft_sleeper_t sleeper,
                         weft_bell_t* out_bell) {
  (void)progress;
  (void)sleeper;
  *out_bell = (weft_bell_t){0};
  return false;
}

static void progress_disarm(weft_progress_t* progress, weft_sleeper_t sleeper) {
  (void)progress;
  (void)sleeper;
}

weft_status_t weft_sim_progress(weft_sim_net_t* net, weft_runtime_t* runtime,
                                weft_progress_t** out_progress) {
  *out_progress = NULL;
  node_t* node;
  WEFT_RETURN_IF_ERROR(find_node(net, runtime, &node));
  *out_progress = &node->progress;
  return WEFT_OK;
}

// --- Faults -----------------------------------------------------------------

static void kill_end(end_t* end) {
  end->is_dead = true;
  weft_sim_lane_forget(&end->lane);
  weft_sim_lane_discard(&end->peer->lane);
  if (end->gone == WEFT_STATUS_OK) {
    end->gone = WEFT_STATUS_PEER_DIED;
  }
  end_after_frames(end->peer, weft_status_make(WEFT_STATUS_PEER_DIED,
                                               "the peer's process died"));
  end_at(end,
         weft_status_make(WEFT_STATUS_PEER_DIED,
                          "this runtime was killed by the simulation"),
         weft_runtime_now_ns(end->node->runtime));
}

void weft_sim_kill(weft_sim_net_t* net, weft_runtime_t* runtime) {
  for (const node_t* node = net->nodes; node != NULL; node = node->next) {
    if (node->runtime == runtime) {
      for_ends(net, node, kill_end);
    }
  }
}

static void reschedule_pair(end_t* end) {
  schedule(end);
  schedule(end->peer);
}

weft_status_t weft_sim_pause(weft_sim_net_t* net, weft_runtime_t* runtime,
                             int64_t duration_ns) {
  node_t* node;
  WEFT_RETURN_IF_ERROR(find_node(net, runtime, &node));
  node->paused_until_ns = later(node->paused_until_ns,
                                weft_deadline_after(net->runtime, duration_ns));
  for_ends(net, node, reschedule_pair);
  return WEFT_OK;
}

// --- Life -------------------------------------------------------------------

static weft_status_t check_options(weft_runtime_t* runtime,
                                   const weft_sim_options_t* options) {
  if (!weft_async_is_simulated(runtime)) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "simulated links need a simulation: create the "
                            "runtime with `simulate`");
  }
  if (options->delay_min_ns < 0 ||
      options->delay_max_ns < options->delay_min_ns ||
      options->delay_max_ns == WEFT_TIME_INFINITE) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "delays from %lld to %lld ns: give two lengths of "
                            "time, the shorter first",
                            (long long)options->delay_min_ns,
                            (long long)options->delay_max_ns);
  }
  if (options->capacity_bytes != 0 && options->capacity_bytes < CAPACITY_MIN) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a capacity of %zu bytes is too little: give 0, or "
                            "at least %d",
                            options->capacity_bytes, CAPACITY_MIN);
  }
  return WEFT_OK;
}

weft_status_t weft_sim_net_create(weft_runtime_t* runtime,
                                  const weft_sim_options_t* options,
                                  weft_sim_net_t** out_net) {
  *out_net = NULL;
  WEFT_RETURN_IF_ERROR(check_options(runtime, options));
  weft_sim_net_t* net = weft_memory_allocate_zeroed(
      weft_runtime_allocator(runtime), sizeof(*net));
  if (net == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a simulated net");
  }
  net->runtime = runtime;
  net->options = *options;
  net->random = options->seed;
  // Whole records, whatever the caller gave.
  net->options.capacity_bytes = options->capacity_bytes != 0
                                    ? options->capacity_bytes /
                                          sizeof(weft_sim_record_t) *
                                          sizeof(weft_sim_record_t)
                                    : CAPACITY_DEFAULT;
  weft_dlist_init(&net->pairs);
  *out_net = net;
  return WEFT_OK;
}

void weft_sim_net_destroy(weft_sim_net_t* net) {
  if (net == NULL) {
    return;
  }
  weft_assert(weft_dlist_is_empty(&net->pairs));
  const weft_allocator_t* allocator = weft_runtime_allocator(net->runtime);
  while (net->nodes != NULL) {
    node_t* node = net->nodes;
    net->nodes = node->next;
    weft_memory_free(allocator, node, sizeof(*node));
  }
  weft_memory_free(allocator, net, sizeof(*net));
}

static weft_status_t init_end(weft_sim_net_t* net, pair_t* pair, int index,
                              const weft_sim_end_t* options) {
  end_t* end = &pair->ends[index];
  end->link.vtable = &link_vtable;
  end->pair = pair;
  end->peer = &pair->ends[1 - index];
  end->sink = options->sink;
  end->room_due_ns = WEFT_TIME_INFINITE;
  end->closed_due_ns = WEFT_TIME_INFINITE;
  WEFT_RETURN_IF_ERROR(find_node(net, options->runtime, &end->node));
  return weft_sim_lane_init(&end->lane, weft_runtime_allocator(net->runtime),
                            net->options.capacity_bytes);
}

weft_status_t weft_sim_link_pair(weft_sim_net_t* net, const weft_sim_end_t* a,
                                 const weft_sim_end_t* b,
                                 weft_link_t** out_link_a,
                                 weft_link_t** out_link_b) {
  *out_link_a = NULL;
  *out_link_b = NULL;
  const weft_allocator_t* allocator = weft_runtime_allocator(net->runtime);
  pair_t* pair = weft_memory_allocate_zeroed(allocator, sizeof(*pair));
  if (pair == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a simulated link");
  }
  weft_status_t status = init_end(net, pair, 0, a);
  if (status == WEFT_OK) {
    status = init_end(net, pair, 1, b);
  }
  if (status != WEFT_OK) {
    weft_sim_lane_deinit(&pair->ends[0].lane, allocator);
    weft_sim_lane_deinit(&pair->ends[1].lane, allocator);
    weft_memory_free(allocator, pair, sizeof(*pair));
    return status;
  }
  weft_dlist_append(&net->pairs, &pair->of_net);
  *out_link_a = &pair->ends[0].link;
  *out_link_b = &pair->ends[1].link;
  return WEFT_OK;
}

static const weft_link_vtable_t link_vtable = {
    .destroy = link_destroy,
    .reserve = link_reserve,
    .commit = link_commit,
    .flush = link_flush,
    .send_descriptor = link_send_descriptor,
    .close = link_close,
};

static const weft_progress_vtable_t progress_vtable = {
    .poll = progress_poll,
    .flush = progress_flush,
    .arm = progress_arm,
    .disarm = progress_disarm,
};
