// SPDX-License-Identifier: Apache-2.0

#include "peer/outcome.h"

#include "base/container.h"

// A head with what the caller gave it.
static weft_frame_t bare_head(const weft_frame_t* whole) {
  weft_frame_t head = {
      .type = whole->type,
      .endpoint = whole->endpoint,
      .id = whole->id,
      .target_index = whole->target_index,
      .target_generation = whole->target_generation,
      .sender = whole->sender,
      .timeout_ns = INT64_MAX,
  };
  return head;
}

// Packs an error without memory for more: its code, as a scalar.
static void pack_code(weft_parcel_t* parcel, weft_peer_t* peer,
                      const weft_frame_t* head, weft_status_code_t code) {
  const weft_value_t value = weft_int64(code);
  weft_parcel_init(parcel, head);
  weft_status_t status = weft_parcel_pack_outcome(parcel, peer, WEFT_OK, value);
  // A scalar needs no memory.
  weft_status_release(status);
  parcel->head.flags |= WEFT_FRAME_ERROR;
}

// Writes a code in place of what cannot be written, so that nobody waits for
// it for ever, nor for what stands behind it.
static weft_status_t write_code(const weft_frame_t* whole, weft_peer_t* peer,
                                weft_status_code_t code) {
  const weft_frame_t head = bare_head(whole);
  weft_parcel_t parcel;
  pack_code(&parcel, peer, &head, code);
  return weft_parcel_write_locked(&parcel, peer, WEFT_LINK_RESERVED);
}

static weft_status_t write_outcome(weft_outgoing_t* outgoing,
                                   weft_peer_t* peer) {
  weft_outcome_t* outcome =
      WEFT_CONTAINER_OF(outgoing, weft_outcome_t, outgoing);
  if (outcome->is_unprepared && peer->link != NULL) {
    outcome->is_stale = true;
    return WEFT_OK;
  }
  weft_status_t status =
      weft_parcel_write_locked(&outcome->parcel, peer, WEFT_LINK_RESERVED);
  weft_status_code_t code = weft_status_code(status);
  if (code == WEFT_STATUS_OK || code == WEFT_STATUS_WOULD_BLOCK) {
    return status;
  }
  weft_status_release(status);
  if (code == WEFT_STATUS_PEER_DIED && !outcome->parcel.copies_loans) {
    outcome->is_stale = true;
    return WEFT_OK;
  }
  // There is no memory; or the link has ended, and then this fails, too.
  return write_code(&outcome->parcel.head, peer, code);
}

static void send_again(weft_outcome_t* outcome, weft_peer_t* peer);

void weft_outcome_cancel(weft_outcome_t* outcome, weft_peer_t* peer) {
  weft_parcel_deinit(&outcome->parcel, peer);
  weft_status_release(outcome->error);
  weft_value_release(outcome->value);
}

static void end_outcome(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_outcome_t* outcome =
      WEFT_CONTAINER_OF(outgoing, weft_outcome_t, outgoing);
  if (outcome->is_stale) {
    send_again(outcome, peer);
  } else {
    weft_outcome_cancel(outcome, peer);
    outcome->sent(outcome);
  }
}

static bool claim_outcome(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_outcome_t* outcome =
      WEFT_CONTAINER_OF(outgoing, weft_outcome_t, outgoing);
  return outcome->claim == NULL || outcome->claim(outcome, peer);
}

// Packs what is to be sent, with an error in place of what cannot be, or not.
static weft_status_t pack_once(weft_outcome_t* outcome, weft_peer_t* peer,
                               const weft_frame_t* head, bool replaces,
                               bool copies_loans) {
  weft_parcel_t* parcel = &outcome->parcel;
  weft_parcel_init(parcel, head);
  parcel->copies_loans = copies_loans;
  weft_status_t status =
      replaces ? weft_parcel_pack_outcome(parcel, peer, outcome->error,
                                          outcome->value)
               : weft_parcel_pack_strictly(parcel, peer, outcome->error,
                                           outcome->value);
  weft_peer_t* full;
  // What is lent is lent to a life of the peer, which its link tells.
  outcome->is_unprepared =
      parcel->cargo != NULL && weft_peer_state(peer) == WEFT_PEER_CONNECTING;
  return status == WEFT_OK && !outcome->is_unprepared
             ? weft_parcel_prepare(parcel, peer, &full)
             : status;
}

// After an error there is nothing to `deinit`.
static weft_status_t pack(weft_outcome_t* outcome, weft_peer_t* peer,
                          const weft_frame_t* head, bool replaces,
                          bool copies_loans) {
  weft_status_t status = pack_once(outcome, peer, head, replaces, copies_loans);
  weft_status_code_t code = weft_status_code(status);
  if (!copies_loans &&
      (code == WEFT_STATUS_WOULD_BLOCK || code == WEFT_STATUS_PEER_DIED)) {
    // The owner of what is lent on cannot be told now, and this must not wait;
    // or it is dead.
    weft_status_release(status);
    weft_parcel_deinit(&outcome->parcel, peer);
    status = pack_once(outcome, peer, head, replaces, true);
  }
  if (status != WEFT_OK) {
    weft_parcel_deinit(&outcome->parcel, peer);
  }
  return status;
}

// Packs it in the worst case as a code.
static void pack_somehow(weft_outcome_t* outcome, weft_peer_t* peer,
                         const weft_frame_t* head, bool copies_loans) {
  weft_status_t status = pack(outcome, peer, head, true, copies_loans);
  if (status != WEFT_OK) {
    weft_status_t error = outcome->error != WEFT_OK ? outcome->error : status;
    pack_code(&outcome->parcel, peer, head, weft_status_code(error));
    weft_status_release(status);
  }
}

// Once more; nothing is lent on if that has failed.
static void send_again(weft_outcome_t* outcome, weft_peer_t* peer) {
  weft_frame_t head = bare_head(&outcome->parcel.head);
  head.flags = outcome->parcel.head.flags & (WEFT_FRAME_MORE | WEFT_FRAME_BARE);
  bool copies_loans = !outcome->is_unprepared;
  outcome->is_stale = false;
  weft_parcel_deinit(&outcome->parcel, peer);
  pack_somehow(outcome, peer, &head, copies_loans);
  weft_peer_send(peer, &outcome->outgoing);
}

static void init(weft_outcome_t* outcome, weft_status_t error,
                 weft_value_t value) {
  outcome->outgoing =
      (weft_outgoing_t){.write = write_outcome, .end = end_outcome};
  outcome->error = error;
  outcome->value = value;
  outcome->is_stale = false;
  outcome->claim = NULL;
}

void weft_outcome_send(weft_outcome_t* outcome, weft_peer_t* peer,
                       const weft_frame_t* head, weft_future_t* future,
                       bool (*claim)(weft_outcome_t* outcome,
                                     weft_peer_t* peer),
                       void (*sent)(weft_outcome_t* outcome)) {
  weft_value_t value;
  weft_status_t error = weft_future_result(future, &value);
  init(outcome, error, weft_value_retain(value));
  outcome->claim = claim;
  outcome->sent = sent;
  pack_somehow(outcome, peer, head, false);
  if (!weft_peer_send_if(peer, &outcome->outgoing, claim_outcome)) {
    weft_outcome_cancel(outcome, peer);
  }
}

weft_status_t weft_outcome_pack(weft_outcome_t* outcome, weft_peer_t* peer,
                                const weft_frame_t* head, weft_status_t error,
                                weft_value_t value) {
  init(outcome, error, value);
  weft_status_t status = pack(outcome, peer, head, false, false);
  if (status != WEFT_OK) {
    weft_status_release(error);
    weft_value_release(value);
  }
  return status;
}

void weft_outcome_pack_somehow(weft_outcome_t* outcome, weft_peer_t* peer,
                               const weft_frame_t* head, weft_status_t error,
                               weft_value_t value) {
  init(outcome, error, value);
  pack_somehow(outcome, peer, head, false);
}

void weft_outcome_start(weft_outcome_t* outcome, weft_peer_t* peer,
                        void (*sent)(weft_outcome_t* outcome)) {
  outcome->sent = sent;
  weft_peer_send(peer, &outcome->outgoing);
}

bool weft_outcome_send_code(weft_peer_t* peer, const weft_frame_t* head,
                            weft_status_code_t code) {
  weft_mutex_lock(&peer->lock);
  weft_status_t status = write_code(head, peer, code);
  weft_peer_flush_locked(peer);
  weft_mutex_unlock(&peer->lock);
  return weft_status_ignore(status) == WEFT_STATUS_OK;
}
