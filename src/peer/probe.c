// SPDX-License-Identifier: Apache-2.0

#include "peer/probe.h"

#include <string.h>

#include "async/circle.h"
#include "peer/remote.h"
#include "sys/local.h"

// Ticks without a finding are further and further apart, up to this; then they
// are in the background. Units: ns.
#define IDLE_NS (64 * WEFT_PROBE_TICK_NS)
// Questions that nothing comes back for make room for others.
#define MISS_LIMIT 3
// How often the same must come back.
#define ROUNDS 2
#define ROUNDS_OUTRANKED 6
// Branches of one trail that are followed at a time, and calls of one peer that
// are looked at in one tick.
#define EXIT_LIMIT 16
#define LOOK_LIMIT 64
// Of the text about one runtime's part of the trail. Units: bytes.
#define PART_BYTES 512
// Probes of one peer that are dealt with in one tick.
#define PEER_LIMIT 512

// --- Trails -----------------------------------------------------------------

// An edge at the end of a trail.
typedef struct exit {
  // With a reference.
  weft_future_t* future;
  weft_origin_name_t edge;
  uint64_t digest;
} exit_t;

typedef struct trail {
  weft_peers_t* peers;
  weft_future_t* future;
  uint64_t digest;
  // How many edges there are, and those from `first` on.
  uint32_t seen;
  uint32_t first;
  uint32_t count;
  exit_t exits[EXIT_LIMIT];
  // What the trail to one of them went over.
  uint32_t told;
  char text[PART_BYTES];
} trail_t;

static bool edge_of(const weft_peers_t* peers, weft_future_t* future,
                    weft_origin_name_t* out_edge) {
  return weft_import_origin(future, out_edge) ||
         peers->events->origin(future, out_edge);
}

static void crossed(weft_circle_t* circle, weft_future_t* future) {
  trail_t* trail = circle->user;
  uint32_t index = trail->seen++;
  if (index < trail->first || trail->count == EXIT_LIMIT) {
    return;
  }
  exit_t exit = {.future = future, .digest = circle->digest};
  if (!edge_of(trail->peers, future, &exit.edge)) {
    return;
  }
  if (trail->count == trail->told) {
    weft_text_writer_t text =
        weft_text_writer_make(trail->text, sizeof(trail->text));
    weft_text_append(&text, "%s", circle->text);
  }
  // It has no outcome, so it is held by whoever will complete it.
  weft_future_retain(future);
  trail->exits[trail->count++] = exit;
}

static void clear(trail_t* trail) {
  for (uint32_t i = 0; i < trail->count; i++) {
    weft_future_release(trail->exits[i].future);
  }
  trail->count = 0;
}

static void walk(trail_t* trail, uint32_t first, uint32_t told) {
  weft_circle_t circle;
  weft_circle_init(&circle, NULL, NULL);
  circle.on_crossing = crossed;
  circle.user = trail;
  circle.digest = trail->digest ^ trail->peers->prober.secret;
  trail->seen = 0;
  trail->first = first;
  trail->count = 0;
  trail->told = told;
  weft_mutex_t* graph = weft_async_graph_lock(trail->peers->runtime);
  weft_mutex_lock(graph);
  weft_circle_follow(&circle, trail->future);
  weft_mutex_unlock(graph);
}

// Finds the edges that a future leads to, to be cleared. Of many, `turn`
// chooses some.
static void follow(trail_t* trail, weft_peers_t* peers, weft_future_t* future,
                   uint64_t digest, uint32_t turn) {
  trail->peers = peers;
  trail->future = future;
  trail->digest = digest;
  walk(trail, 0, 0);
  if (trail->seen > EXIT_LIMIT) {
    uint32_t parts = (trail->seen + EXIT_LIMIT - 1) / EXIT_LIMIT;
    clear(trail);
    walk(trail, turn % parts * EXIT_LIMIT, 0);
  }
}

// What the trail to one of the edges went over. Of another than the first it
// is found anew, and may have changed meanwhile, for what it is worth as text.
static const char* tell(trail_t* trail, uint32_t index) {
  if (index != trail->told) {
    trail_t again = {
        .peers = trail->peers,
        .future = trail->future,
        .digest = trail->digest,
    };
    walk(&again, trail->first, index);
    clear(&again);
    memcpy(trail->text, again.text, sizeof(trail->text));
    trail->told = index;
  }
  return trail->text;
}

// --- Sending ----------------------------------------------------------------

typedef struct probe {
  weft_holder_t asker;
  uint64_t question;
  uint64_t digest;
  uint32_t steps;
  uint32_t share;
  uint32_t turn;
  bool is_outranked;
  // Lent.
  const char* text;
  size_t text_bytes;
} probe_t;

// Numbers that are sent are written as int64, of one length whatever they are.
static uint64_t as_number(uint64_t number) {
  return number >> 2 | UINT64_C(1) << 61;
}

static void write(weft_peer_t* peer, weft_parcel_t* parcel) {
  weft_mutex_lock(&peer->lock);
  // What waits for room is more urgent.
  if (weft_peer_state(peer) == WEFT_PEER_UP && peer->link != NULL &&
      weft_dlist_is_empty(&peer->outbox)) {
    weft_status_release(
        weft_parcel_write_locked(parcel, peer, WEFT_LINK_ORDINARY));
    weft_peer_flush_locked(peer);
  }
  weft_mutex_unlock(&peer->lock);
}

// The text of a trail, with what one runtime adds.
static weft_status_t join_text(weft_runtime_t* runtime, const probe_t* probe,
                               const char* part, weft_value_t* out_text) {
  char text[WEFT_PROBE_TEXT_BYTES];
  weft_text_writer_t writer = weft_text_writer_make(text, sizeof(text));
  weft_text_append(&writer, "%.*s%s%s", (int)probe->text_bytes, probe->text,
                   probe->text_bytes > 0 ? " -> " : "", part);
  return weft_bytes_create(runtime->allocator, text, strlen(text), out_text);
}

// Sends a probe along an edge, or drops it.
static void send(const weft_origin_name_t* edge, const probe_t* probe,
                 const char* part) {
  weft_value_t text;
  weft_status_t status = join_text(edge->peer->runtime, probe, part, &text);
  if (status != WEFT_OK) {
    weft_status_release(status);
    return;
  }
  const weft_value_t values[WEFT_PROBE_VALUES] = {
      [WEFT_PROBE_KIND] = weft_int64(edge->kind),
      [WEFT_PROBE_ASKER] = weft_int64(probe->asker),
      [WEFT_PROBE_QUESTION] = weft_int64((int64_t)probe->question),
      [WEFT_PROBE_DIGEST] = weft_int64((int64_t)as_number(probe->digest)),
      [WEFT_PROBE_STEPS_LEFT] = weft_int64(probe->steps),
      [WEFT_PROBE_SHARE_LEFT] = weft_int64(probe->share),
      [WEFT_PROBE_TURN] = weft_int64(probe->turn),
      [WEFT_PROBE_IS_OUTRANKED] = weft_bool(probe->is_outranked),
      [WEFT_PROBE_TEXT] = text,
  };
  const weft_arguments_t arguments = {
      .positional = values,
      .positional_count = WEFT_PROBE_VALUES,
  };
  const weft_frame_t head = {
      .type = WEFT_FRAME_PROBE,
      .id = edge->id,
      .timeout_ns = INT64_MAX,
  };
  weft_parcel_t parcel;
  weft_parcel_init(&parcel, &head);
  status = weft_parcel_pack(&parcel, edge->peer, &arguments);
  if (status == WEFT_OK) {
    write(edge->peer, &parcel);
  }
  weft_status_release(status);
  weft_parcel_deinit(&parcel, edge->peer);
  weft_value_release(text);
}

// --- Questions --------------------------------------------------------------

static bool is_edge(const weft_origin_name_t* a, const weft_origin_name_t* b) {
  return a->peer == b->peer && a->kind == b->kind && a->id == b->id;
}

// The slot of an edge; NULL when there is none. `calls_lock` is held.
static weft_probe_slot_t* slot_locked(weft_prober_t* prober,
                                      const weft_origin_name_t* edge) {
  for (uint32_t i = 0; i < WEFT_PROBE_SLOTS; i++) {
    if (is_edge(&prober->slots[i].edge, edge)) {
      return &prober->slots[i];
    }
  }
  return NULL;
}

// Notes what has come back. True when it proves a circle.
static bool note_locked(weft_probe_slot_t* slot, const probe_t* probe,
                        uint64_t digest) {
  if (slot->digest != digest) {
    slot->other = digest;
    return false;
  }
  slot->rounds += slot->is_confirmed ? 0 : 1;
  slot->is_confirmed = true;
  return slot->rounds >= (probe->is_outranked ? ROUNDS_OUTRANKED : ROUNDS);
}

static void open_circle(weft_future_t* edge, const probe_t* probe,
                        const char* part) {
  weft_status_t error = weft_status_make(
      WEFT_STATUS_DEADLOCK,
      "this is part of a circle, in which each waits for the next: %.*s -> %s",
      (int)probe->text_bytes, probe->text, part);
  (void)weft_future_complete(edge, error, weft_none());
}

// Takes a probe that has come to an edge of this runtime for an answer. False
// when it is none.
static bool take_answer(const probe_t* probe, trail_t* trail, uint32_t index) {
  weft_peers_t* peers = trail->peers;
  const exit_t* exit = &trail->exits[index];
  if (probe->asker != weft_peers_self(peers)) {
    return false;
  }
  weft_mutex_lock(&peers->calls_lock);
  weft_probe_slot_t* slot = slot_locked(&peers->prober, &exit->edge);
  bool is_ours = slot != NULL && slot->question == probe->question;
  bool is_circle = is_ours && note_locked(slot, probe, as_number(exit->digest));
  if (is_circle) {
    *slot = (weft_probe_slot_t){0};
  }
  weft_mutex_unlock(&peers->calls_lock);
  if (is_circle) {
    open_circle(exit->future, probe, tell(trail, index));
  }
  return is_ours;
}

// --- Probes that come -------------------------------------------------------

static weft_status_t refuse(const weft_peer_t* peer) {
  return weft_status_make(WEFT_STATUS_DATA_LOSS,
                          "rank %u sent a probe of an unknown form",
                          peer->rank);
}

static bool is_number(weft_value_t value, int64_t limit) {
  return weft_value_kind(value) == WEFT_KIND_INT64 && value.as.int64 >= 0 &&
         value.as.int64 <= limit;
}

static bool are_numbers_sound(const weft_value_t* values) {
  return is_number(values[WEFT_PROBE_KIND], WEFT_ORIGIN_EXPORT) &&
         is_number(values[WEFT_PROBE_ASKER], UINT32_MAX) &&
         is_number(values[WEFT_PROBE_QUESTION], INT64_MAX) &&
         is_number(values[WEFT_PROBE_DIGEST], INT64_MAX) &&
         is_number(values[WEFT_PROBE_STEPS_LEFT], WEFT_PROBE_STEPS) &&
         is_number(values[WEFT_PROBE_SHARE_LEFT], WEFT_PROBE_SHARE) &&
         is_number(values[WEFT_PROBE_TURN], UINT32_MAX) &&
         weft_value_kind(values[WEFT_PROBE_IS_OUTRANKED]) == WEFT_KIND_BOOL;
}

static weft_status_t parse(const weft_peer_t* peer, const weft_value_t* values,
                           probe_t* out_probe) {
  const void* text;
  size_t text_bytes;
  if (!are_numbers_sound(values) ||
      weft_value_kind(values[WEFT_PROBE_TEXT]) != WEFT_KIND_BYTES) {
    return refuse(peer);
  }
  WEFT_RETURN_IF_ERROR(
      weft_value_as_bytes(values[WEFT_PROBE_TEXT], &text, &text_bytes));
  if (text_bytes >= WEFT_PROBE_TEXT_BYTES) {
    return refuse(peer);
  }
  out_probe->asker = (weft_holder_t)values[WEFT_PROBE_ASKER].as.int64;
  out_probe->question = (uint64_t)values[WEFT_PROBE_QUESTION].as.int64;
  out_probe->digest = (uint64_t)values[WEFT_PROBE_DIGEST].as.int64;
  out_probe->steps = (uint32_t)values[WEFT_PROBE_STEPS_LEFT].as.int64;
  out_probe->share = (uint32_t)values[WEFT_PROBE_SHARE_LEFT].as.int64;
  out_probe->turn = (uint32_t)values[WEFT_PROBE_TURN].as.int64;
  out_probe->is_outranked = values[WEFT_PROBE_IS_OUTRANKED].as.boolean;
  out_probe->text = text;
  out_probe->text_bytes = text_bytes;
  return WEFT_OK;
}

// Reads a probe, which lends from the delivery. Errors: DATA_LOSS;
// RESOURCE_EXHAUSTED; nothing is left then.
static weft_status_t read_probe(weft_peer_t* peer, const weft_frame_t* frame,
                                weft_delivery_t* out_delivery,
                                probe_t* out_probe) {
  if (frame->flags != 0 || frame->value_count != WEFT_PROBE_VALUES ||
      frame->named_count != 0 || frame->attachment_count != 0) {
    return refuse(peer);
  }
  WEFT_RETURN_IF_ERROR(weft_delivery_read(peer, frame, out_delivery));
  weft_status_t status = parse(peer, out_delivery->values, out_probe);
  if (status != WEFT_OK) {
    weft_delivery_deinit(peer, out_delivery);
  }
  return status;
}

// True for more probes of a peer than are dealt with in a tick.
static bool is_flood(weft_peer_t* peer) {
  int64_t now_ns = weft_runtime_now_ns(peer->runtime);
  if (now_ns - peer->probes_since_ns >= WEFT_PROBE_TICK_NS) {
    peer->probes_since_ns = now_ns;
    peer->probe_count = 0;
  }
  return peer->probe_count++ >= PEER_LIMIT;
}

// Passes a probe on along the edges at the ends of a trail.
static void pass_on(const probe_t* probe, trail_t* trail) {
  weft_holder_t self = weft_peers_self(trail->peers);
  uint32_t count = trail->count < probe->share ? trail->count : probe->share;
  for (uint32_t i = 0; i < count; i++) {
    if (take_answer(probe, trail, i) || probe->steps == 0) {
      continue;
    }
    probe_t next = *probe;
    next.digest = trail->exits[i].digest;
    next.steps--;
    next.share = probe->share / count;
    next.is_outranked = probe->is_outranked || self > probe->asker;
    send(&trail->exits[i].edge, &next, tell(trail, i));
  }
}

// Follows what a probe names here.
static void follow_probe(weft_peer_t* peer, const probe_t* probe,
                         weft_origin_kind_t kind, uint64_t id) {
  weft_future_t* future = weft_export_find(peer, kind, id);
  trail_t trail;
  if (future != NULL) {
    uint64_t digest = probe->digest ^ id << 1 ^ (uint64_t)kind;
    follow(&trail, peer->peers, future, digest, probe->turn);
    pass_on(probe, &trail);
    clear(&trail);
    weft_future_release(future);
  }
}

void weft_probe_receive(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_delivery_t delivery;
  probe_t probe = {.text = NULL};
  if (is_flood(peer)) {
    return;
  }
  weft_status_t status = read_probe(peer, frame, &delivery, &probe);
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
    return;
  }
  weft_value_t kind = delivery.values[WEFT_PROBE_KIND];
  follow_probe(peer, &probe, (weft_origin_kind_t)kind.as.int64, frame->id);
  weft_delivery_deinit(peer, &delivery);
}

// --- Looking for edges ------------------------------------------------------

// Edges that something a peer waits for leads to become questions.
static void look_at(weft_peers_t* peers, weft_future_t* future) {
  weft_prober_t* prober = &peers->prober;
  const weft_origin_name_t none = {.peer = NULL};
  trail_t trail;
  follow(&trail, peers, future, 0, prober->turn);
  weft_mutex_lock(&peers->calls_lock);
  for (uint32_t i = 0; i < trail.count; i++) {
    const weft_origin_name_t* edge = &trail.exits[i].edge;
    weft_probe_slot_t* slot = slot_locked(prober, edge);
    weft_probe_slot_t* place = slot_locked(prober, &none);
    if (slot == NULL && place != NULL) {
      *place = (weft_probe_slot_t){.edge = *edge, .turn = prober->turn};
    }
  }
  weft_mutex_unlock(&peers->calls_lock);
  clear(&trail);
}

// Some of the calls that are served for a peer, by number.
typedef struct look {
  uint64_t ids[LOOK_LIMIT];
  uint32_t count;
  uint32_t seen;
  uint32_t skip;
} look_t;

static void note_served(void* user, weft_table_node_t* node) {
  look_t* look = user;
  if (look->seen++ >= look->skip && look->count < LOOK_LIMIT) {
    look->ids[look->count++] = node->key;
  }
}

static void look_at_served(weft_peer_t* peer, void* user) {
  weft_prober_t* prober = user;
  look_t look = {.skip = 0};
  weft_mutex_lock(&peer->lock);
  if (peer->served.count > LOOK_LIMIT) {
    look.skip = prober->served_skip % (uint32_t)peer->served.count;
  }
  weft_table_visit(&peer->served, note_served, &look);
  weft_mutex_unlock(&peer->lock);
  for (uint32_t i = 0; i < look.count; i++) {
    weft_future_t* future = peer->peers->events->served(peer, look.ids[i]);
    if (future != NULL) {
      look_at(peer->peers, future);
      weft_future_release(future);
    }
  }
}

static void look_at_exports(weft_peers_t* peers) {
  weft_prober_t* prober = &peers->prober;
  weft_future_t* future = NULL;
  for (uint32_t i = 0; i < LOOK_LIMIT; i++) {
    future = weft_export_next(peers, &prober->export_place);
    if (future == NULL) {
      prober->export_place = 0;
      return;
    }
    look_at(peers, future);
    weft_future_release(future);
  }
}

// --- The tick ---------------------------------------------------------------

// Ends a round: what came back in it is what the next one is compared with.
static void end_round_locked(weft_probe_slot_t* slot) {
  bool has_returned = slot->is_confirmed || slot->other != 0;
  if (slot->question == 0) {
    return;
  }
  if (!slot->is_confirmed) {
    slot->digest = slot->other;
    slot->rounds = slot->other != 0 ? 1 : 0;
  }
  slot->is_confirmed = false;
  slot->other = 0;
  slot->misses = has_returned ? 0 : slot->misses + 1;
}

// Begins the next round of a slot; false when there is none.
static bool begin_round_locked(weft_prober_t* prober, weft_probe_slot_t* slot) {
  uint64_t question = 0;
  end_round_locked(slot);
  if (slot->misses == MISS_LIMIT ||
      weft_status_ignore(weft_sys_random(&question)) != WEFT_STATUS_OK) {
    *slot = (weft_probe_slot_t){0};
    return false;
  }
  if (slot->rounds == 0) {
    slot->turn = prober->turn;
  }
  slot->question = as_number(question);
  return true;
}

// Asks once more whatever was asked or found in the last tick.
static void ask(weft_peers_t* peers) {
  weft_prober_t* prober = &peers->prober;
  for (uint32_t i = 0; i < WEFT_PROBE_SLOTS; i++) {
    weft_probe_slot_t* slot = &prober->slots[i];
    weft_mutex_lock(&peers->calls_lock);
    bool is_asked = slot->edge.peer != NULL && begin_round_locked(prober, slot);
    const weft_probe_slot_t copy = *slot;
    weft_mutex_unlock(&peers->calls_lock);
    if (is_asked) {
      const probe_t probe = {
          .asker = weft_peers_self(peers),
          .question = copy.question,
          .steps = WEFT_PROBE_STEPS,
          .share = WEFT_PROBE_SHARE,
          .turn = copy.turn,
          .text = "",
      };
      send(&copy.edge, &probe, "");
    }
  }
}

static void note_waits(weft_peer_t* peer, void* user) {
  bool* is_waiting = user;
  *is_waiting = *is_waiting || peer->awaited_count > 0 ||
                !weft_dlist_is_empty(&peer->pending);
}

// True when some question has come back lately. `calls_lock` is held.
static bool is_on_trail_locked(const weft_prober_t* prober) {
  for (uint32_t i = 0; i < WEFT_PROBE_SLOTS; i++) {
    if (prober->slots[i].rounds > 0 || prober->slots[i].other != 0) {
      return true;
    }
  }
  return false;
}

static void tick(weft_timer_t* timer, void* user);

// Starts the timer with the interval that was set. `calls_lock` is held.
static void arm_locked(weft_peers_t* peers) {
  weft_prober_t* prober = &peers->prober;
  weft_runtime_t* runtime = peers->runtime;
  int64_t next_ns = weft_deadline_after(runtime, prober->interval_ns);
  weft_status_t status =
      prober->interval_ns < IDLE_NS
          ? weft_timer_start(runtime, &prober->timer, next_ns, 0, tick, peers)
          : weft_timer_start_background(runtime, &prober->timer, next_ns, tick,
                                        peers);
  prober->is_armed = status == WEFT_OK;
  // Relaxed: whoever misses it takes the lock.
  atomic_store_explicit(
      &prober->is_prompt,
      prober->is_armed && prober->interval_ns == WEFT_PROBE_TICK_NS,
      memory_order_relaxed);
  // A runtime that stops has no use for it any more.
  weft_status_release(status);
}

// Arms the timer again while anything waits for a peer.
static void go_on(weft_peers_t* peers, bool is_noticed) {
  weft_prober_t* prober = &peers->prober;
  bool is_waiting = false;
  weft_mutex_lock(&peers->calls_lock);
  weft_peers_visit(peers, note_waits, &is_waiting);
  prober->is_armed = false;
  // Relaxed: see `arm_locked`.
  atomic_store_explicit(&prober->is_prompt, false, memory_order_relaxed);
  if (is_noticed || is_on_trail_locked(prober)) {
    prober->interval_ns = WEFT_PROBE_TICK_NS;
  } else if (prober->interval_ns < IDLE_NS) {
    prober->interval_ns *= 2;
  }
  if (is_waiting && !prober->is_stopping) {
    arm_locked(peers);
  }
  weft_mutex_unlock(&peers->calls_lock);
}

static void tick(weft_timer_t* timer, void* user) {
  weft_peers_t* peers = user;
  weft_prober_t* prober = &peers->prober;
  (void)timer;
  // Relaxed: a hint of how soon to look again.
  bool is_noticed = atomic_exchange_explicit(&prober->is_noticed, false,
                                             memory_order_relaxed);
  prober->turn++;
  ask(peers);
  weft_peers_visit(peers, look_at_served, prober);
  prober->served_skip += LOOK_LIMIT;
  look_at_exports(peers);
  go_on(peers, is_noticed);
}

// Something begins to wait for a peer.
static void notice(weft_runtime_t* runtime) {
  weft_peers_t* peers = weft_peers_of(runtime);
  weft_prober_t* prober = &peers->prober;
  // Relaxed, both: see `tick` and `arm_locked`.
  atomic_store_explicit(&prober->is_noticed, true, memory_order_relaxed);
  if (atomic_load_explicit(&prober->is_prompt, memory_order_relaxed)) {
    return;
  }
  weft_mutex_lock(&peers->calls_lock);
  prober->interval_ns = WEFT_PROBE_TICK_NS;
  if (!prober->is_stopping && !prober->is_armed) {
    arm_locked(peers);
  } else if (!prober->is_stopping) {
    weft_timer_bring_forward(&prober->timer,
                             weft_deadline_after(runtime, prober->interval_ns));
    // Relaxed: see `arm_locked`.
    atomic_store_explicit(&prober->is_prompt, true, memory_order_relaxed);
  }
  weft_mutex_unlock(&peers->calls_lock);
}

// --- Life -------------------------------------------------------------------

weft_status_t weft_prober_init(weft_peers_t* peers) {
  weft_status_t status = weft_sys_random(&peers->prober.secret);
  if (status == WEFT_OK) {
    weft_async_set_crossing(peers->runtime, notice);
  }
  return status;
}

void weft_prober_stop(weft_peers_t* peers) {
  weft_mutex_lock(&peers->calls_lock);
  peers->prober.is_stopping = true;
  weft_mutex_unlock(&peers->calls_lock);
  (void)weft_timer_stop(&peers->prober.timer);
}

void weft_prober_deinit(weft_peers_t* peers) {
  weft_async_set_crossing(peers->runtime, NULL);
}
