// SPDX-License-Identifier: Apache-2.0

#include "peer/outcome.h"

#include "base/container.h"

static weft_status_t write_outcome(weft_outgoing_t* outgoing,
                                   weft_peer_t* peer) {
  weft_outcome_t* outcome =
      WEFT_CONTAINER_OF(outgoing, weft_outcome_t, outgoing);
  return weft_parcel_write_locked(&outcome->parcel, peer, WEFT_LINK_RESERVED);
}

static void end_outcome(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_outcome_t* outcome =
      WEFT_CONTAINER_OF(outgoing, weft_outcome_t, outgoing);
  weft_parcel_deinit(&outcome->parcel, peer);
  outcome->sent(outcome);
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
  return status == WEFT_OK ? weft_parcel_prepare(&outcome->parcel, peer, &full)
                           : status;
}

// An error without memory for more: its code, as a scalar.
static void pack_code(weft_outcome_t* outcome, weft_peer_t* peer,
                      const weft_frame_t* head, weft_status_code_t code) {
  const weft_value_t value = weft_int64(code);
  weft_parcel_init(&outcome->parcel, head);
  weft_status_t status =
      weft_parcel_pack_outcome(&outcome->parcel, peer, WEFT_OK, value);
  // A scalar needs no memory.
  weft_status_release(status);
  outcome->parcel.head.flags |= WEFT_FRAME_ERROR;
}

void weft_outcome_send(weft_outcome_t* outcome, weft_peer_t* peer,
                       const weft_frame_t* head, weft_future_t* future,
                       bool (*claim)(weft_outcome_t* outcome,
                                     weft_peer_t* peer),
                       void (*sent)(weft_outcome_t* outcome)) {
  weft_value_t value;
  outcome->outgoing =
      (weft_outgoing_t){.write = write_outcome, .end = end_outcome};
  outcome->claim = claim;
  outcome->sent = sent;
  weft_status_t error = weft_future_result(future, &value);
  weft_status_t status = pack(outcome, peer, head, error, value, false);
  if (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK) {
    // The owner of what is lent on cannot be told now, and this must not wait.
    weft_status_release(status);
    weft_parcel_deinit(&outcome->parcel, peer);
    status = pack(outcome, peer, head, error, value, true);
  }
  if (status != WEFT_OK) {
    weft_parcel_deinit(&outcome->parcel, peer);
    pack_code(
        outcome, peer, head,
        error != WEFT_OK ? weft_status_code(error) : weft_status_code(status));
    weft_status_release(status);
  }
  weft_status_release(error);
  if (!weft_peer_send_if(peer, &outcome->outgoing, claim_outcome)) {
    weft_parcel_deinit(&outcome->parcel, peer);
  }
}
