// SPDX-License-Identifier: Apache-2.0
//
// What a peer has asked for, or has to know: one thing, which needs no turn.

#include "base/container.h"
#include "channel/part.h"
#include "sys/slab.h"

typedef struct answer {
  weft_peer_t* peer;
  weft_outcome_t outcome;
} answer_t;

static void answer_sent(weft_outcome_t* outcome) {
  answer_t* answer = WEFT_CONTAINER_OF(outcome, answer_t, outcome);
  weft_slab_free(answer->peer->runtime->slab, answer, sizeof(*answer));
}

bool weft_answer_check(weft_peer_t* peer) {
  weft_mutex_lock(&peer->lock);
  weft_status_t status = weft_peer_check_outbox_locked(peer);
  weft_mutex_unlock(&peer->lock);
  bool can = status == WEFT_OK;
  if (!can) {
    weft_peer_break(peer, status);
  }
  return can;
}

void weft_answer_join(weft_peer_t* peer, uint64_t join_id, weft_status_t error,
                      weft_value_t value) {
  const weft_frame_t head = {
      .type = WEFT_FRAME_REPLY,
      .id = join_id,
      .timeout_ns = INT64_MAX,
  };
  weft_answer_send(peer, &head, error, value);
}

void weft_answer_send(weft_peer_t* peer, const weft_frame_t* head,
                      weft_status_t error, weft_value_t value) {
  if (!weft_answer_check(peer)) {
    weft_status_release(error);
    weft_value_release(value);
    return;
  }
  answer_t* answer = weft_slab_allocate(peer->runtime->slab, sizeof(*answer));
  if (answer != NULL) {
    answer->peer = peer;
    weft_outcome_pack_somehow(&answer->outcome, peer, head, error, value);
    weft_outcome_start(&answer->outcome, peer, answer_sent);
    return;
  }
  weft_status_release(error);
  weft_value_release(value);
  if (!weft_outcome_send_code(peer, head, WEFT_STATUS_RESOURCE_EXHAUSTED)) {
    weft_peer_break(
        peer, weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                               "no memory to answer rank %u", peer->rank));
  }
}
