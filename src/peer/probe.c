// SPDX-License-Identifier: Apache-2.0

#include "peer/probe.h"

#include <string.h>

#include "peer/remote.h"
#include "peer/trail.h"
#include "sys/local.h"

// Ticks without a finding are further and further apart, up to this; then they
// are in the background. Units: ns.
#define IDLE_NS (64 * WEFT_PROBE_TICK_NS)
// Questions that nothing comes back for make room for others.
#define MISS_LIMIT 3
// How often the same must come back.
#define ROUNDS 2
#define ROUNDS_OUTRANKED 6
// Calls of one peer that are looked at in one tick.
#define LOOK_LIMIT 64
// Probes of one peer that are dealt with in one tick.
#define PEER_LIMIT 512

// --- Sending ----------------------------------------------------------------

// A probe on its way.
typedef struct probe {
  weft_holder_t asker;
  uint64_t question;
  uint64_t token;
  uint64_t group;
  uint64_t digest;
  uint32_t steps;
  uint32_t share;
  uint32_t turn;
  bool is_outranked;
  // Lent.
  const char* text;
  size_t text_bytes;
  uint64_t passed[WEFT_PROBE_PASSED];
  uint32_t passed_count;
} probe_t;

// Numbers that are sent are written as int64, of one length whatever they are.
#define NUMBER_BIT (UINT64_C(1) << 61)

static uint64_t as_number(uint64_t number) {
  return number >> 2 | NUMBER_BIT;
}

// Of a token only the sum counts.
static uint64_t as_token(uint64_t token) {
  return (token & (NUMBER_BIT - 1)) | NUMBER_BIT;
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

// The text of a trail, with what one runtime adds. Here and below `noinline`
// bounds the stack of a frame.
static __attribute__((noinline)) weft_status_t join_text(
    weft_runtime_t* runtime, const probe_t* probe, const char* part,
    weft_value_t* out_text) {
  char text[WEFT_PROBE_TEXT_BYTES];
  weft_text_writer_t writer = weft_text_writer_make(text, sizeof(text));
  weft_text_append(&writer, "%.*s%s%s", (int)probe->text_bytes, probe->text,
                   probe->text_bytes > 0 ? " -> " : "", part);
  return weft_bytes_create(runtime->allocator, text, strlen(text), out_text);
}

// What is sent, and where.
typedef struct letter {
  weft_peer_t* peer;
  int64_t kind;
  uint64_t id;
} letter_t;

static weft_status_t pack(const letter_t* letter, const probe_t* probe,
                          weft_value_t text, weft_value_t names,
                          weft_parcel_t* out_parcel) {
  const weft_value_t values[WEFT_PROBE_VALUES] = {
      [WEFT_PROBE_KIND] = weft_int64(letter->kind),
      [WEFT_PROBE_ASKER] = weft_int64(probe->asker),
      [WEFT_PROBE_QUESTION] = weft_int64((int64_t)probe->question),
      [WEFT_PROBE_TOKEN] = weft_int64((int64_t)as_token(probe->token)),
      [WEFT_PROBE_GROUP] = weft_int64((int64_t)probe->group),
      [WEFT_PROBE_DIGEST] = weft_int64((int64_t)as_number(probe->digest)),
      [WEFT_PROBE_STEPS_LEFT] = weft_int64(probe->steps),
      [WEFT_PROBE_SHARE_LEFT] = weft_int64(probe->share),
      [WEFT_PROBE_TURN] = weft_int64(probe->turn),
      [WEFT_PROBE_IS_OUTRANKED] = weft_bool(probe->is_outranked),
      [WEFT_PROBE_TEXT] = text,
      [WEFT_PROBE_NAMES] = names,
  };
  const weft_arguments_t arguments = {
      .positional = values,
      .positional_count = WEFT_PROBE_VALUES,
  };
  const weft_frame_t head = {
      .type = WEFT_FRAME_PROBE,
      .id = letter->id,
      .timeout_ns = INT64_MAX,
  };
  weft_parcel_init(out_parcel, &head);
  return weft_parcel_pack(out_parcel, letter->peer, &arguments);
}

// Sends a probe, or drops it.
static __attribute__((noinline)) void send(const letter_t* letter,
                                           const probe_t* probe,
                                           const char* part) {
  weft_runtime_t* runtime = letter->peer->runtime;
  weft_value_t text;
  weft_value_t names;
  weft_parcel_t parcel;
  weft_status_t status = join_text(runtime, probe, part, &text);
  if (status != WEFT_OK) {
    weft_status_release(status);
    return;
  }
  status =
      weft_bytes_create(runtime->allocator, probe->passed,
                        probe->passed_count * sizeof(probe->passed[0]), &names);
  if (status == WEFT_OK) {
    status = pack(letter, probe, text, names, &parcel);
    if (status == WEFT_OK) {
      write(letter->peer, &parcel);
    }
    weft_parcel_deinit(&parcel, letter->peer);
  }
  weft_status_release(status);
  weft_value_release(text);
  weft_value_release(names);
}

static void send_along(const weft_origin_name_t* edge, const probe_t* probe,
                       const char* part) {
  const letter_t letter = {edge->peer, edge->kind, edge->id};
  send(&letter, probe, part);
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

// The slot of a question; NULL when there is none. `calls_lock` is held.
static weft_probe_slot_t* asked_locked(weft_prober_t* prober,
                                       uint64_t question) {
  for (uint32_t i = 0; i < WEFT_PROBE_SLOTS; i++) {
    if (prober->slots[i].question == question) {
      return &prober->slots[i];
    }
  }
  return NULL;
}

// Notes what a probe that has come back went over, all of it.
static void note_locked(weft_probe_slot_t* slot, uint64_t digest,
                        bool is_outranked) {
  if (slot->digest != digest) {
    slot->other = digest;
    return;
  }
  slot->rounds += slot->is_confirmed ? 0 : 1;
  slot->is_confirmed = true;
  slot->is_proved = slot->rounds >= (is_outranked ? ROUNDS_OUTRANKED : ROUNDS);
}

// The sum of a group, or a new one; NULL when there are too many.
static weft_probe_sum_t* sum_of(weft_probe_slot_t* slot, uint64_t group) {
  for (uint32_t i = 0; i < WEFT_PROBE_SUMS; i++) {
    weft_probe_sum_t* sum = &slot->sums[i];
    if (sum->group == 0) {
      *sum = (weft_probe_sum_t){.group = group};
    }
    if (sum->group == group) {
      return sum;
    }
  }
  return NULL;
}

// Takes what has come to an end that proves it.
static void count_locked(weft_probe_slot_t* slot, const probe_t* probe,
                         uint64_t digest, bool has_edge) {
  weft_probe_sum_t whole = {.group = 0};
  weft_probe_sum_t* sum =
      probe->group != 0 ? sum_of(slot, probe->group) : &whole;
  if (sum == NULL) {
    return;
  }
  sum->token += probe->token;
  // Of fragments, in any order.
  sum->digest += (digest ^ digest >> 31) * UINT64_C(0x9e3779b97f4a7c15);
  sum->has_edge = sum->has_edge || has_edge;
  sum->is_outranked = sum->is_outranked || probe->is_outranked;
  if (as_token(sum->token) == slot->token && sum->has_edge) {
    note_locked(slot, as_number(sum->digest), sum->is_outranked);
  }
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
static bool take_answer(const probe_t* probe, weft_trail_t* trail,
                        uint32_t index) {
  weft_peers_t* peers = trail->peers;
  const weft_trail_exit_t* exit = &trail->exits[index];
  if (probe->asker != weft_peers_self(peers)) {
    return false;
  }
  weft_mutex_lock(&peers->calls_lock);
  weft_probe_slot_t* slot = slot_locked(&peers->prober, &exit->edge);
  bool is_ours = slot != NULL && slot->question == probe->question;
  bool is_circle = false;
  if (is_ours) {
    count_locked(slot, probe, exit->digest, true);
    is_circle = slot->is_proved;
  }
  if (is_circle) {
    *slot = (weft_probe_slot_t){0};
  }
  weft_mutex_unlock(&peers->calls_lock);
  if (is_circle) {
    open_circle(exit->future, probe, weft_trail_tell(trail, index));
  }
  return is_ours;
}

// A fragment has come to its end, but not at the edge.
static void take_back(weft_peers_t* peers, const probe_t* probe,
                      uint64_t digest) {
  weft_mutex_lock(&peers->calls_lock);
  weft_probe_slot_t* slot = asked_locked(&peers->prober, probe->question);
  if (slot != NULL && probe->question != 0) {
    count_locked(slot, probe, digest, false);
  }
  weft_mutex_unlock(&peers->calls_lock);
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
  return is_number(values[WEFT_PROBE_KIND], WEFT_PROBE_IS_BACK) &&
         is_number(values[WEFT_PROBE_ASKER], UINT32_MAX) &&
         is_number(values[WEFT_PROBE_QUESTION], INT64_MAX) &&
         is_number(values[WEFT_PROBE_TOKEN], INT64_MAX) &&
         is_number(values[WEFT_PROBE_GROUP], INT64_MAX) &&
         is_number(values[WEFT_PROBE_DIGEST], INT64_MAX) &&
         is_number(values[WEFT_PROBE_STEPS_LEFT], WEFT_PROBE_STEPS) &&
         is_number(values[WEFT_PROBE_SHARE_LEFT], WEFT_PROBE_SHARE) &&
         is_number(values[WEFT_PROBE_TURN], UINT32_MAX) &&
         weft_value_kind(values[WEFT_PROBE_IS_OUTRANKED]) == WEFT_KIND_BOOL;
}

static weft_status_t parse_names(const weft_peer_t* peer, weft_value_t value,
                                 probe_t* out_probe) {
  const void* names;
  size_t size_bytes;
  if (weft_value_kind(value) != WEFT_KIND_BYTES) {
    return refuse(peer);
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_bytes(value, &names, &size_bytes));
  if (size_bytes > sizeof(out_probe->passed) ||
      size_bytes % sizeof(out_probe->passed[0]) != 0) {
    return refuse(peer);
  }
  if (size_bytes > 0) {
    memcpy(out_probe->passed, names, size_bytes);
  }
  out_probe->passed_count =
      (uint32_t)(size_bytes / sizeof(out_probe->passed[0]));
  return WEFT_OK;
}

static weft_status_t parse_text(const weft_peer_t* peer, weft_value_t value,
                                probe_t* out_probe) {
  const void* text;
  if (weft_value_kind(value) != WEFT_KIND_BYTES) {
    return refuse(peer);
  }
  WEFT_RETURN_IF_ERROR(
      weft_value_as_bytes(value, &text, &out_probe->text_bytes));
  out_probe->text = text;
  return out_probe->text_bytes < WEFT_PROBE_TEXT_BYTES ? WEFT_OK : refuse(peer);
}

static weft_status_t parse(const weft_peer_t* peer, const weft_value_t* values,
                           probe_t* out_probe) {
  if (!are_numbers_sound(values)) {
    return refuse(peer);
  }
  out_probe->asker = (weft_holder_t)values[WEFT_PROBE_ASKER].as.int64;
  out_probe->question = (uint64_t)values[WEFT_PROBE_QUESTION].as.int64;
  out_probe->token = (uint64_t)values[WEFT_PROBE_TOKEN].as.int64;
  out_probe->group = (uint64_t)values[WEFT_PROBE_GROUP].as.int64;
  out_probe->digest = (uint64_t)values[WEFT_PROBE_DIGEST].as.int64;
  out_probe->steps = (uint32_t)values[WEFT_PROBE_STEPS_LEFT].as.int64;
  out_probe->share = (uint32_t)values[WEFT_PROBE_SHARE_LEFT].as.int64;
  out_probe->turn = (uint32_t)values[WEFT_PROBE_TURN].as.int64;
  out_probe->is_outranked = values[WEFT_PROBE_IS_OUTRANKED].as.boolean;
  WEFT_RETURN_IF_ERROR(parse_text(peer, values[WEFT_PROBE_TEXT], out_probe));
  return parse_names(peer, values[WEFT_PROBE_NAMES], out_probe);
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

// What becomes of a probe along one exit.
static void pass_along(const probe_t* probe, weft_trail_t* trail,
                       uint32_t index) {
  const weft_trail_exit_t* exit = &trail->exits[index];
  if (take_answer(probe, trail, index) || probe->steps == 0 ||
      probe->passed_count + exit->name_count > WEFT_PROBE_PASSED) {
    return;
  }
  probe_t next = *probe;
  next.digest = exit->digest;
  next.steps--;
  next.is_outranked =
      probe->is_outranked || weft_peers_self(trail->peers) > probe->asker;
  memcpy(next.passed + next.passed_count, exit->names,
         exit->name_count * sizeof(exit->names[0]));
  next.passed_count += exit->name_count;
  send_along(&exit->edge, &next, weft_trail_tell(trail, index));
}

// Takes a fragment of what is left of a probe.
static bool divide(probe_t* rest, probe_t* out_fragment) {
  uint64_t token = 0;
  uint64_t group = 0;
  if (weft_status_ignore(weft_sys_random(&token)) != WEFT_STATUS_OK ||
      weft_status_ignore(weft_sys_random(&group)) != WEFT_STATUS_OK) {
    return false;
  }
  rest->group = rest->group != 0 ? rest->group : as_number(group);
  *out_fragment = *rest;
  out_fragment->token = as_token(token);
  rest->token -= out_fragment->token;
  return true;
}

// Passes a probe on along the edges at the ends of a trail, as a fragment along
// each edge of a bundle.
static void pass_on(const probe_t* probe, weft_trail_t* trail) {
  uint32_t count = trail->count < probe->share ? trail->count : probe->share;
  probe_t rest = *probe;
  for (uint32_t i = 0; i < count; i++) {
    uint32_t siblings = trail->exits[i].siblings;
    probe_t next = rest;
    if (trail->exits[i].is_void) {
      continue;
    }
    if (siblings > 0 && !divide(&rest, &next)) {
      return;
    }
    next.share = probe->share / count;
    pass_along(&next, trail, i);
    if (siblings == 0) {
      rest = *probe;
    }
  }
}

// Says that a fragment has nothing to add.
static void come_back(const probe_t* probe, const weft_trail_t* trail) {
  weft_peers_t* peers = trail->peers;
  weft_peer_t* asker = NULL;
  if (probe->asker == weft_peers_self(peers)) {
    take_back(peers, probe, trail->closed);
    return;
  }
  weft_status_release(
      weft_peers_reach(peers->runtime, (uint16_t)(probe->asker >> 16), &asker));
  if (asker == NULL || weft_peer_holder(asker) != probe->asker) {
    return;
  }
  const letter_t letter = {asker, WEFT_PROBE_IS_BACK, 0};
  probe_t back = *probe;
  back.digest = trail->closed;
  back.is_outranked =
      probe->is_outranked || weft_peers_self(peers) > probe->asker;
  back.text_bytes = 0;
  back.passed_count = 0;
  send(&letter, &back, "");
}

// Follows what a probe names here.
static __attribute__((noinline)) void follow_probe(weft_peer_t* peer,
                                                   const probe_t* probe,
                                                   weft_origin_kind_t kind,
                                                   uint64_t id) {
  weft_future_t* future = weft_export_find(peer, kind, id);
  weft_trail_t trail;
  if (future == NULL) {
    return;
  }
  const weft_trail_begin_t begin = {
      .digest = probe->digest ^ id << 1 ^ (uint64_t)kind,
      .turn = probe->turn,
      .is_bundle = probe->group != 0,
      .passed = probe->passed,
      .passed_count = probe->passed_count,
  };
  weft_trail_follow(&trail, peer->peers, future, &begin);
  if (trail.is_closed) {
    come_back(probe, &trail);
  } else {
    pass_on(probe, &trail);
  }
  weft_trail_clear(&trail);
  weft_future_release(future);
}

void weft_probe_receive(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_delivery_t delivery;
  probe_t probe = {.text = NULL};
  delivery.values[WEFT_PROBE_KIND] = weft_none();
  if (is_flood(peer)) {
    return;
  }
  weft_status_t status = read_probe(peer, frame, &delivery, &probe);
  if (weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    // A later one does the same.
    weft_status_release(status);
    return;
  }
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
    return;
  }
  int64_t kind = delivery.values[WEFT_PROBE_KIND].as.int64;
  if (kind != WEFT_PROBE_IS_BACK) {
    follow_probe(peer, &probe, (weft_origin_kind_t)kind, frame->id);
  } else if (probe.asker == weft_peers_self(peer->peers)) {
    take_back(peer->peers, &probe, probe.digest);
  }
  weft_delivery_deinit(peer, &delivery);
}

// --- Looking for edges ------------------------------------------------------

// Edges that something a peer waits for leads to become questions.
static void look_at(weft_peers_t* peers, weft_future_t* future) {
  weft_prober_t* prober = &peers->prober;
  const weft_origin_name_t none = {.peer = NULL};
  const weft_trail_begin_t begin = {.turn = prober->turn};
  weft_trail_t trail;
  weft_trail_follow(&trail, peers, future, &begin);
  weft_mutex_lock(&peers->calls_lock);
  for (uint32_t i = 0; i < trail.count; i++) {
    const weft_origin_name_t* edge = &trail.exits[i].edge;
    weft_probe_slot_t* slot = slot_locked(prober, edge);
    weft_probe_slot_t* place = slot_locked(prober, &none);
    if (slot == NULL && place != NULL && !trail.exits[i].is_void) {
      *place = (weft_probe_slot_t){.edge = *edge, .turn = prober->turn};
    }
  }
  weft_mutex_unlock(&peers->calls_lock);
  weft_trail_clear(&trail);
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
    slot->is_proved = false;
  }
  slot->is_confirmed = false;
  slot->other = 0;
  memset(slot->sums, 0, sizeof(slot->sums));
  slot->misses = has_returned ? 0 : slot->misses + 1;
}

// Begins the next round of a slot; false when there is none.
static bool begin_round_locked(weft_prober_t* prober, weft_probe_slot_t* slot) {
  uint64_t question = 0;
  uint64_t token = 0;
  end_round_locked(slot);
  if (slot->misses == MISS_LIMIT ||
      weft_status_ignore(weft_sys_random(&question)) != WEFT_STATUS_OK ||
      weft_status_ignore(weft_sys_random(&token)) != WEFT_STATUS_OK) {
    *slot = (weft_probe_slot_t){0};
    return false;
  }
  if (slot->rounds == 0) {
    slot->turn = prober->turn;
  }
  slot->question = as_number(question);
  slot->token = as_token(token);
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
          .token = copy.token,
          .steps = WEFT_PROBE_STEPS,
          .share = WEFT_PROBE_SHARE,
          .turn = copy.turn,
          .text = "",
      };
      send_along(&copy.edge, &probe, "");
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
