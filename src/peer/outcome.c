// SPDX-License-Identifier: Apache-2.0

#include "peer/outcome.h"

#include "base/container.h"

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
  const weft_frame_t head = {
      .type = whole->type,
      .id = whole->id,
      .target_index = whole->target_index,
      .target_generation = whole->target_generation,
      .timeout_ns = INT64_MAX,
  };
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

static void end_outcome(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_outcome_t* outcome =
      WEFT_CONTAINER_OF(outgoing, weft_outcome_t, outgoing);
  if (outcome->is_stale) {
    send_again(outcome, peer);
  } else {
    weft_parcel_deinit(&outcome->parcel, peer);
    outcome->sent(outcome);
  }
}

static bool claim_outcome(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_outcome_t* outcome =
      WEFT_CONTAINER_OF(outgoing, weft_outcome_t, outgoing);
  return outcome->claim == NULL || outcome->claim(outcome, peer);
}

static weft_status_t pack(weft_outcome_t* outcome, weft_peer_t* peer,
                          const weft_frame_t* head, weft_status_t error,
                          weft_value_t value, bool copies_loans) {
  weft_parcel_init(&outcome->parcel, head);
  outcome->parcel.copies_loans = copies_loans;
  weft_status_t status =
      weft_parcel_pack_outcome(&outcome->parcel, peer, error, value);
  weft_peer_t* full;
  // What is lent is lent to a life of the peer, which its link tells.
  outcome->is_unprepared = outcome->parcel.cargo != NULL &&
                           weft_peer_state(peer) == WEFT_PEER_CONNECTING;
  return status == WEFT_OK && !outcome->is_unprepared
             ? weft_parcel_prepare(&outcome->parcel, peer, &full)
             : status;
}

// Packs what the future holds, in the worst case as a code.
static void pack_somehow(weft_outcome_t* outcome, weft_peer_t* peer,
                         const weft_frame_t* head, bool copies_loans) {
  weft_value_t value;
  weft_status_t error = weft_future_result(outcome->future, &value);
  weft_status_t status = pack(outcome, peer, head, error, value, copies_loans);
  weft_status_code_t code = weft_status_code(status);
  if (!copies_loans &&
      (code == WEFT_STATUS_WOULD_BLOCK || code == WEFT_STATUS_PEER_DIED)) {
    // The owner of what is lent on cannot be told now, and this must not wait;
    // or it is dead.
    weft_status_release(status);
    weft_parcel_deinit(&outcome->parcel, peer);
    status = pack(outcome, peer, head, error, value, true);
  }
  if (status != WEFT_OK) {
    weft_parcel_deinit(&outcome->parcel, peer);
    pack_code(
        &outcome->parcel, peer, head,
        error != WEFT_OK ? weft_status_code(error) : weft_status_code(status));
    weft_status_release(status);
  }
  weft_status_release(error);
}

// Once more; nothing is lent on if that has failed.
static void send_again(weft_outcome_t* outcome, weft_peer_t* peer) {
  const weft_frame_t* whole = &outcome->parcel.head;
  const weft_frame_t head = {
      .type = whole->type,
      .flags = whole->flags & WEFT_FRAME_MORE,
      .id = whole->id,
      .target_index = whole->target_index,
      .target_generation = whole->target_generation,
      .timeout_ns = INT64_MAX,
  };
  bool copies_loans = !outcome->is_unprepared;
  outcome->is_stale = false;
  weft_parcel_deinit(&outcome->parcel, peer);
  pack_somehow(outcome, peer, &head, copies_loans);
  weft_peer_send(peer, &outcome->outgoing);
}

void weft_outcome_send(weft_outcome_t* outcome, weft_peer_t* peer,
                       const weft_frame_t* head, weft_future_t* future,
                       bool (*claim)(weft_outcome_t* outcome,
                                     weft_peer_t* peer),
                       void (*sent)(weft_outcome_t* outcome)) {
  outcome->outgoing =
      (weft_outgoing_t){.write = write_outcome, .end = end_outcome};
  outcome->future = future;
  outcome->is_stale = false;
  outcome->claim = claim;
  outcome->sent = sent;
  pack_somehow(outcome, peer, head, false);
  if (!weft_peer_send_if(peer, &outcome->outgoing, claim_outcome)) {
    weft_parcel_deinit(&outcome->parcel, peer);
  }
}

bool weft_outcome_send_code(weft_peer_t* peer, const weft_frame_t* head,
                            weft_status_code_t code) {
  weft_mutex_lock(&peer->lock);
  weft_status_t status = write_code(head, peer, code);
  weft_peer_flush_locked(peer);
  weft_mutex_unlock(&peer->lock);
  return weft_status_ignore(status) == WEFT_STATUS_OK;
}
