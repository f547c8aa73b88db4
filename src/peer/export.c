// SPDX-License-Identifier: Apache-2.0
//
// Futures that peers wait for.

#include "base/container.h"
#include "peer/outcome.h"
#include "peer/remote.h"
#include "sys/slab.h"

// What one peer may have asked for to be sent to others. More is refused, and
// the peer sends it itself.
#define TAKEN_ON_LIMIT 4096

// What the maker said to SUBSCRIBE.
typedef enum answer {
  // It was not asked.
  ANSWER_NOT_NEEDED = 0,
  ANSWER_TO_COME,
  // It sends the outcome.
  ANSWER_ACCEPTED,
  // It does not; or it is dead.
  ANSWER_REFUSED
} answer_t;

// One future that one peer waits for.
typedef struct export {
  // In its parcel, until that is sent.
  weft_dlist_node_t node;
  weft_peers_t* peers;
  // Who waits; NULL: this runtime itself, for its own import.
  weft_peer_t* to;
  // Who asked for it to be sent to another; NULL: nobody.
  weft_peer_t* asker;
  // How the peer knows it: by whose name, and which number.
  weft_holder_t owner;
  uint64_t id;
  // Its number here, for the answer to SUBSCRIBE.
  uint64_t ticket;
  weft_future_t* future;
  weft_waiter_t waiter;
  weft_outcome_t outcome;
  // Where the value is made, and what it is called there.
  weft_origin_name_t origin;
  weft_outgoing_t subscribe;
  // --- Guarded by `calls_lock` ---
  answer_t answer;
  bool is_done;
  // The outcome was sent, or is being sent.
  bool has_sent;
  bool is_sending;
  // The last word was said.
  bool is_finished;
  // Who still uses this: the waiter and what it sends, and SUBSCRIBE.
  uint32_t users;
}
export_t;

void weft_exports_init(weft_exports_t* exports) {
  weft_dlist_init(&exports->list);
}

// --- Life -------------------------------------------------------------------

// One user less; the last one frees it. No lock is held.
static void drop(export_t* export) {
  weft_peers_t* peers = export->peers;
  weft_mutex_lock(&peers->calls_lock);
  bool is_last = --export->users == 0;
  if (is_last) {
    (void)weft_ids_take(&peers->exports, export->ticket);
  }
  if (is_last && export->asker != NULL) {
    export->asker->taken_on--;
  }
  weft_mutex_unlock(&peers->calls_lock);
  if (is_last) {
    weft_future_t* future = export->future;
    weft_slab_free(peers->runtime->slab, export, sizeof(*export));
    weft_future_release(future);
  }
}

static void future_done(weft_waiter_t* waiter, weft_future_t* future);

// Makes an export with one user. NULL without memory.
static export_t* create(weft_peers_t* peers, weft_peer_t* to,
                        weft_future_t* future) {
  weft_slab_t* slab = peers->runtime->slab;
  export_t* export = weft_slab_allocate(slab, sizeof(*export));
  if (export == NULL) {
    return NULL;
  }
  *export = (export_t){
      .peers = peers,
      .to = to,
      // Before it is listed: whoever looks for circles may find it there.
      .future = weft_future_retain(future),
      .waiter = {.callback = future_done},
      .users = 1,
  };
  weft_mutex_lock(&peers->calls_lock);
  export->ticket = weft_ids_give(&peers->exports, export);
  weft_mutex_unlock(&peers->calls_lock);
  if (export->ticket == 0) {
    weft_slab_free(slab, export, sizeof(*export));
    weft_future_release(future);
    return NULL;
  }
  return export;
}

static weft_status_t no_memory(const weft_peer_t* peer) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory for a future that rank %u waits for",
                          peer->rank);
}

weft_status_t weft_export_create(weft_exports_t* exports, weft_peer_t* peer,
                                 weft_future_t* future, uint64_t* out_id,
                                 weft_holder_t* out_maker) {
  weft_peers_t* peers = peer->peers;
  export_t* export = create(peers, peer, future);
  weft_origin_name_t origin = {.peer = NULL};
  *out_id = 0;
  *out_maker = 0;
  if (export == NULL) {
    return no_memory(peer);
  }
  export->owner = weft_peers_self(peers);
  export->id = export->ticket;
  if (weft_import_origin(future, &origin) ||
      peers->events->origin(future, &origin)) {
    export->origin = origin;
    *out_maker = weft_peer_holder(origin.peer);
  }
  weft_dlist_append(&exports->list, &export->node);
  *out_id = export->id;
  return WEFT_OK;
}

// --- What is sent -----------------------------------------------------------

typedef enum step {
  STEP_NONE,
  // The outcome, and that is all.
  STEP_VALUE,
  // The outcome, an error; the last word follows.
  STEP_ERROR,
  // The last word: the maker sends it, or nobody else does.
  STEP_FOLLOWS
} step_t;

static bool is_maker_silent(const export_t* export) {
  return export->answer == ANSWER_NOT_NEEDED ||
         export->answer == ANSWER_REFUSED;
}

// What is to be sent now; the caller does. `calls_lock` is held.
static step_t next_step_locked(export_t* export) {
  if (!export->is_done || export->is_sending || export->is_finished) {
    return STEP_NONE;
  }
  bool is_error = weft_future_state(export->future) != WEFT_FUTURE_READY;
  step_t step = STEP_NONE;
  if (export->has_sent) {
    step = export->answer != ANSWER_TO_COME ? STEP_FOLLOWS : STEP_NONE;
  } else if (is_maker_silent(export)) {
    step = STEP_VALUE;
  } else if (is_error) {
    step = STEP_ERROR;
  } else if (export->answer == ANSWER_ACCEPTED) {
    step = STEP_FOLLOWS;
  }
  export->is_sending = step != STEP_NONE;
  export->has_sent = export->has_sent || step != STEP_NONE;
  export->is_finished = step == STEP_VALUE || step == STEP_FOLLOWS;
  return step;
}

static void advance(export_t* export);

// Something was sent, or never will be.
static void step_done(export_t* export) {
  weft_mutex_lock(&export->peers->calls_lock);
  export->is_sending = false;
  bool is_finished = export->is_finished;
  weft_mutex_unlock(&export->peers->calls_lock);
  if (is_finished) {
    drop(export);
  } else {
    advance(export);
  }
}

static void outcome_sent(weft_outcome_t* outcome) {
  step_done(WEFT_CONTAINER_OF(outcome, export_t, outcome));
}

static weft_status_t write_follows(weft_outgoing_t* outgoing,
                                   weft_peer_t* peer) {
  const export_t* export =
      WEFT_CONTAINER_OF(outgoing, export_t, outcome.outgoing);
  // Does not change any more once there is a last word.
  bool is_maker = !is_maker_silent(export);
  weft_frame_t frame = {
      .type = WEFT_FRAME_FOLLOWS,
      .id = export->id,
      .target_index = is_maker ? weft_peer_holder(export->origin.peer) : 0,
      .timeout_ns = INT64_MAX,
  };
  return weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED);
}

static void end_follows(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  (void)peer;
  step_done(WEFT_CONTAINER_OF(outgoing, export_t, outcome.outgoing));
}

static void send_outcome(export_t* export, bool has_more) {
  weft_frame_t head = {
      .type = WEFT_FRAME_VALUE,
      .flags = has_more ? WEFT_FRAME_MORE : 0,
      .id = export->id,
      .target_index = export->owner,
      .timeout_ns = INT64_MAX,
  };
  weft_outcome_send(&export->outcome, export->to, &head, export->future, NULL,
                    outcome_sent);
}

// Sends what is due. The caller is a user, or the export cannot be finished.
static void advance(export_t* export) {
  weft_mutex_lock(&export->peers->calls_lock);
  step_t step = next_step_locked(export);
  weft_mutex_unlock(&export->peers->calls_lock);
  if (step == STEP_FOLLOWS) {
    export->outcome.outgoing =
        (weft_outgoing_t){.write = write_follows, .end = end_follows};
    weft_peer_send(export->to, &export->outcome.outgoing);
  } else if (step != STEP_NONE) {
    send_outcome(export, step == STEP_ERROR);
  }
}

static void future_done(weft_waiter_t* waiter, weft_future_t* future) {
  export_t* export = WEFT_CONTAINER_OF(waiter, export_t, waiter);
  if (export->to == NULL) {
    weft_import_complete_here(export->peers, export->owner, export->id, future);
    drop(export);
    return;
  }
  weft_mutex_lock(&export->peers->calls_lock);
  export->is_done = true;
  weft_mutex_unlock(&export->peers->calls_lock);
  advance(export);
}

// --- Asking the maker -------------------------------------------------------

enum { SUBSCRIBE_WORDS = 4 };

static weft_status_t write_subscribe(weft_outgoing_t* outgoing,
                                     weft_peer_t* peer) {
  const export_t* export = WEFT_CONTAINER_OF(outgoing, export_t, subscribe);
  weft_holder_t to = weft_peer_holder(export->to);
  const weft_value_t values[SUBSCRIBE_WORDS] = {
      weft_int64(export->origin.kind),
      weft_int64(to),
      weft_int64(export->owner),
      weft_int64((int64_t) export->id),
  };
  uint64_t words[SUBSCRIBE_WORDS];
  weft_frame_t frame = {
      .type = WEFT_FRAME_SUBSCRIBE,
      .id = export->origin.id,
      .timeout_ns = INT64_MAX,
  };
  weft_frame_put_scalars(&frame, words, values, SUBSCRIBE_WORDS);
  return weft_peer_write_locked(peer, &frame, words, sizeof(words),
                                WEFT_LINK_RESERVED);
}

static void end_subscribe(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  (void)peer;
  drop(WEFT_CONTAINER_OF(outgoing, export_t, subscribe));
}

// Follows the future from here on, and asks for it where it is made. If the
// peer dies the outcome, which comes in any case, ends it.
static void start(export_t* export) {
  weft_peers_t* peers = export->peers;
  weft_peer_t* maker = export->origin.peer;
  if (maker != NULL) {
    export->subscribe =
        (weft_outgoing_t){.write = write_subscribe, .end = end_subscribe};
    weft_mutex_lock(&peers->calls_lock);
    // Looked at inside the lock: whoever buries the maker looks afterwards.
    bool is_alive = weft_peer_state(maker) != WEFT_PEER_DEAD;
    export->answer = is_alive ? ANSWER_TO_COME : ANSWER_REFUSED;
    export->users++;
    weft_mutex_unlock(&peers->calls_lock);
    weft_peer_send(maker, &export->subscribe);
  }
  weft_future_add_waiter(export->future, &export->waiter);
}

void weft_exports_end(weft_exports_t* exports, bool is_sent) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&exports->list)) != NULL) {
    export_t* export = WEFT_CONTAINER_OF(node, export_t, node);
    if (is_sent) {
      start(export);
    } else {
      drop(export);
    }
  }
}

// Notes an answer; NULL when none was to come, else the caller is a user.
// `calls_lock` is held.
static export_t* answer_locked(export_t* export, const weft_peer_t* peer,
                               answer_t answer) {
  if (export == NULL || export->answer != ANSWER_TO_COME ||
      export->origin.peer != peer) {
    return NULL;
  }
  export->answer = answer;
  export->users++;
  return export;
}

static void go_on(export_t* export) {
  if (export != NULL) {
    advance(export);
    drop(export);
  }
}

void weft_export_receive_accept(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_peers_t* peers = peer->peers;
  weft_mutex_lock(&peers->calls_lock);
  export_t* export = answer_locked(
      weft_ids_find(&peers->exports, frame->id), peer,
      frame->endpoint == WEFT_ACCEPT_YES ? ANSWER_ACCEPTED : ANSWER_REFUSED);
  weft_mutex_unlock(&peers->calls_lock);
  go_on(export);
}

void weft_exports_strike_off(weft_peer_t* peer) {
  weft_peers_t* peers = peer->peers;
  uint32_t place = 0;
  bool is_end = false;
  while (!is_end) {
    weft_mutex_lock(&peers->calls_lock);
    export_t* export = weft_ids_next(&peers->exports, &place);
    is_end = export == NULL;
    export = answer_locked(export, peer, ANSWER_REFUSED);
    weft_mutex_unlock(&peers->calls_lock);
    go_on(export);
  }
}

void weft_exports_stop(weft_peers_t* peers) {
  uint32_t place = 0;
  export_t* export;
  do {
    weft_mutex_lock(&peers->calls_lock);
    export = weft_ids_next(&peers->exports, &place);
    if (export != NULL) {
      export->users++;
    }
    weft_mutex_unlock(&peers->calls_lock);
    if (export != NULL) {
      if (weft_future_remove_waiter(export->future, &export->waiter)) {
        // The waiter's own use.
        drop(export);
      }
      drop(export);
    }
  } while (export != NULL);
}

// --- As the maker -----------------------------------------------------------

// The answer on its way.
typedef struct reply {
  weft_outgoing_t outgoing;
  uint64_t ticket;
  bool is_accepted;
} reply_t;

static weft_status_t write_reply(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  const reply_t* reply = WEFT_CONTAINER_OF(outgoing, reply_t, outgoing);
  weft_frame_t frame = {
      .type = WEFT_FRAME_ACCEPT,
      .endpoint = reply->is_accepted ? WEFT_ACCEPT_YES : WEFT_ACCEPT_NO,
      .id = reply->ticket,
      .timeout_ns = INT64_MAX,
  };
  return weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED);
}

static void end_reply(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_slab_free(peer->runtime->slab,
                 WEFT_CONTAINER_OF(outgoing, reply_t, outgoing),
                 sizeof(reply_t));
}

weft_future_t* weft_export_find(weft_peer_t* peer, weft_origin_kind_t kind,
                                uint64_t id) {
  weft_peers_t* peers = peer->peers;
  if (kind == WEFT_ORIGIN_CALL) {
    return peers->events->served(peer, id);
  }
  weft_mutex_lock(&peers->calls_lock);
  const export_t* export = weft_ids_find(&peers->exports, id);
  weft_future_t* future = export != NULL && export->to == peer
                              ? weft_future_retain(export->future)
                              : NULL;
  weft_mutex_unlock(&peers->calls_lock);
  return future;
}

weft_future_t* weft_export_next(weft_peers_t* peers, uint32_t* place) {
  weft_mutex_lock(&peers->calls_lock);
  const export_t* export = weft_ids_next(&peers->exports, place);
  weft_future_t* future =
      export != NULL ? weft_future_retain(export->future) : NULL;
  weft_mutex_unlock(&peers->calls_lock);
  return future;
}

// Makes the export with which a future of this runtime goes to somebody else
// as well; NULL when that cannot be.
static export_t* take_on(weft_peer_t* peer, weft_future_t* future,
                         const weft_value_t* values) {
  weft_peers_t* peers = peer->peers;
  weft_holder_t holder = (weft_holder_t)values[1].as.int64;
  weft_peer_t* to = NULL;
  weft_mutex_lock(&peers->calls_lock);
  bool is_full = peer->taken_on == TAKEN_ON_LIMIT;
  weft_mutex_unlock(&peers->calls_lock);
  if (future == NULL || weft_future_is_done(future) || is_full) {
    return NULL;
  }
  if (holder != weft_peers_self(peers)) {
    weft_status_release(
        weft_peers_reach(peers->runtime, (uint16_t)(holder >> 16), &to));
    // The peer's word makes no life known.
    to = weft_peers_life(peers, holder);
    if (to == NULL) {
      return NULL;
    }
  }
  export_t* export = create(peers, to, future);
  if (export != NULL) {
    export->owner = weft_peer_holder(peer);
    export->id = (uint64_t)values[3].as.int64;
    export->asker = peer;
    weft_mutex_lock(&peers->calls_lock);
    peer->taken_on++;
    weft_mutex_unlock(&peers->calls_lock);
  }
  return export;
}

// Without memory it is answered now, or the link is closed: whoever asks must
// not wait for ever.
static void answer_now(weft_peer_t* peer, const weft_value_t* values,
                       const export_t* export) {
  reply_t reply = {
      .ticket = (uint64_t)values[3].as.int64,
      .is_accepted = export != NULL,
  };
  weft_mutex_lock(&peer->lock);
  weft_status_t status = write_reply(&reply.outgoing, peer);
  weft_peer_flush_locked(peer);
  weft_mutex_unlock(&peer->lock);
  if (status != WEFT_OK) {
    weft_status_release(status);
    weft_peer_break(peer, no_memory(peer));
  }
}

static void answer(weft_peer_t* peer, const weft_value_t* values,
                   const export_t* export) {
  reply_t* reply = weft_slab_allocate(peer->runtime->slab, sizeof(*reply));
  if (reply == NULL) {
    answer_now(peer, values, export);
    return;
  }
  weft_mutex_lock(&peer->lock);
  weft_status_t status = weft_peer_check_outbox_locked(peer);
  weft_mutex_unlock(&peer->lock);
  if (status != WEFT_OK) {
    weft_slab_free(peer->runtime->slab, reply, sizeof(*reply));
    weft_peer_break(peer, status);
    return;
  }
  *reply = (reply_t){
      .outgoing = {.write = write_reply, .end = end_reply},
      .ticket = (uint64_t)values[3].as.int64,
      .is_accepted = export != NULL,
  };
  weft_peer_send(peer, &reply->outgoing);
}

void weft_export_receive_subscribe(weft_peer_t* peer,
                                   const weft_frame_t* frame) {
  weft_delivery_t delivery;
  weft_status_t status = weft_delivery_read(peer, frame, &delivery);
  if (status == WEFT_OK &&
      ((frame->flags & WEFT_FRAME_SCALARS) == 0 ||
       delivery.count != SUBSCRIBE_WORDS ||
       // Only its owner may give a future away.
       (weft_holder_t)delivery.values[2].as.int64 != weft_peer_holder(peer))) {
    weft_delivery_deinit(peer, &delivery);
    status = weft_status_make(WEFT_STATUS_DATA_LOSS,
                              "rank %u asks for a future in an unknown form, "
                              "or as another's",
                              peer->rank);
  }
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
    return;
  }
  weft_future_t* future = weft_export_find(
      peer, (weft_origin_kind_t)delivery.values[0].as.int64, frame->id);
  export_t* export = take_on(peer, future, delivery.values);
  answer(peer, delivery.values, export);
  if (export != NULL) {
    // What is made elsewhere is not asked for there: its outcome comes here.
    weft_future_add_waiter(future, &export->waiter);
  }
  weft_future_release(future);
}
