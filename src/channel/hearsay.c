// SPDX-License-Identifier: Apache-2.0
//
// What peers say of channels, and what becomes of channels when one dies.

#include "base/container.h"
#include "channel/part.h"
#include "peer/peers.h"

// --- What peers say ---------------------------------------------------------

// Numbers among the words; false when there are fewer.
static bool read_words(const weft_delivery_t* delivery, uint64_t words[],
                       uint32_t count) {
  bool is_sound = delivery->count >= count;
  for (uint32_t i = 0; i < count && is_sound; i++) {
    is_sound = delivery->values[i].kind == WEFT_KIND_INT64;
    words[i] = is_sound ? (uint64_t)delivery->values[i].as.int64 : 0;
  }
  return is_sound;
}

static bool is_end(const weft_part_t* part, uint64_t number) {
  return number == WEFT_END_WRITER || number < part->reader_count;
}

// Whom a holder names, whether or not it was met before; NULL when there is no
// such. Whoever does not know the life of a peer yet leaves it 0.
static weft_peer_t* find_holder(weft_peer_t* peer, weft_holder_t holder) {
  weft_peer_t* found = NULL;
  weft_status_release(
      weft_peers_reach(peer->runtime, (uint16_t)(holder >> 16), &found));
  return found != NULL && (uint16_t)holder != 0
             ? weft_peers_life(peer->peers, holder)
             : found;
}

// B has passed a copy on to C, or not after all. That B itself has one need not
// be known yet: whoever shows the key has been given the end.
static void receive_pass(weft_part_t* part, weft_peer_t* peer,
                         const uint64_t words[]) {
  weft_end_t* end = weft_part_end(part, (uint32_t)words[0]);
  weft_mutex_lock(&part->lock);
  bool is_sound = end->key != 0 && end->key == words[2];
  weft_mutex_unlock(&part->lock);
  weft_peer_t* to =
      is_sound ? find_holder(peer, (weft_holder_t)(words[1] >> 32)) : NULL;
  if (to != NULL) {
    weft_travel_count_copies(part, end, to, (words[1] & 1) != 0 ? 1 : -1);
  }
}

static void receive_return(weft_part_t* part, weft_peer_t* peer,
                           const uint64_t words[]) {
  if (words[1] <= UINT32_MAX) {
    weft_travel_count_copies(part, weft_part_end(part, (uint32_t)words[0]),
                             peer, -(int64_t)words[1]);
  }
}

// A reader that had joined here has left since this is not the hub any more.
static bool pass_leave_on(weft_part_t* part, const weft_peer_t* peer,
                          uint64_t bits) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  bool passes = !part->is_hub && !part->is_foreign;
  uint64_t leaving = 0;
  for (uint32_t i = 0; i < part->reader_count; i++) {
    if (part->readers[i].end.claimant == peer) {
      leaving |= bits & weft_reader_bit(i);
    }
  }
  if (passes) {
    weft_feed_leave_locked(part, leaving, &deed);
  }
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  return passes;
}

static bool receive_about(weft_part_t* part, weft_peer_t* peer,
                          const weft_frame_t* frame,
                          const weft_delivery_t* delivery) {
  uint64_t words[WEFT_FRAME_SCALAR_LIMIT] = {0};
  uint32_t count = delivery->count;
  if (count > WEFT_FRAME_SCALAR_LIMIT || !read_words(delivery, words, count)) {
    return false;
  }
  bool has_end = count == 2 && is_end(part, words[0]);
  switch (frame->endpoint) {
    case WEFT_CHANNEL_JOIN:
      if (has_end) {
        weft_join_receive(part, peer, frame->id, (uint32_t)words[0], words[1]);
      }
      return has_end;
    case WEFT_CHANNEL_MOVED:
      weft_join_receive_moved(part, peer, (weft_holder_t)words[0]);
      return count == 1;
    case WEFT_CHANNEL_RETURN:
      if (has_end) {
        receive_return(part, peer, words);
      }
      return has_end;
    case WEFT_CHANNEL_PASS:
      has_end = count == 3 && is_end(part, words[0]);
      if (has_end) {
        receive_pass(part, peer, words);
      }
      return has_end;
    case WEFT_CHANNEL_RELEASE:
      for (uint32_t i = 0; i + 1 < count; i += 2) {
        weft_places_receive_release(part, peer, words[i], words[i + 1]);
      }
      return count % 2 == 0;
    case WEFT_CHANNEL_BELL:
      weft_feed_receive_bell(part);
      return count == 0;
    case WEFT_CHANNEL_ARRIVE:
      weft_mutex_lock(&part->lock);
      weft_join_forget_moving_locked(part, peer, words[0]);
      weft_mutex_unlock(&part->lock);
      return count == 1;
    case WEFT_CHANNEL_LEAVE:
      if (!pass_leave_on(part, peer, words[0])) {
        weft_places_receive_leave(part, peer, words[0]);
      }
      return count == 1;
    case WEFT_CHANNEL_AGREED:
      if (count == 1) {
        weft_places_receive_agreed(part, peer);
      }
      return count == 1;
    default:
      return false;
  }
}

static void refuse(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_peer_break(peer, weft_status_make(WEFT_STATUS_DATA_LOSS,
                                         "rank %u sent words %u about a "
                                         "channel that mean nothing",
                                         peer->rank, frame->endpoint));
}

static void receive_words(weft_part_t* part, weft_peer_t* peer,
                          const weft_frame_t* frame) {
  weft_delivery_t delivery;
  weft_status_t status = weft_delivery_read(peer, frame, &delivery);
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
    return;
  }
  if (part == NULL) {
    if (frame->endpoint == WEFT_CHANNEL_JOIN) {
      weft_answer_join(peer, frame->id,
                       weft_status_make(WEFT_STATUS_CLOSED,
                                        "the channel is gone from rank %u",
                                        peer->runtime->rank),
                       weft_none());
    } else if (frame->endpoint == WEFT_CHANNEL_MOVED) {
      weft_join_answer_moved(peer, frame);
    }
  } else if (!receive_about(part, peer, frame, &delivery)) {
    refuse(peer, frame);
  }
  weft_delivery_deinit(peer, &delivery);
}

void weft_channels_receive(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_part_t* part = weft_travel_find(peer->runtime, frame->target_index,
                                       frame->target_generation);
  if (frame->type == WEFT_FRAME_CHANNEL) {
    receive_words(part, peer, frame);
  } else if (part != NULL) {
    weft_feed_receive(part, peer, frame);
  } else {
    // It may carry loans, which are given back.
    weft_status_t status;
    weft_value_t value;
    weft_delivery_read_outcome(peer, frame, &status, &value);
    weft_status_release(status);
    weft_value_release(value);
  }
  if (part != NULL) {
    weft_part_leave(part);
  }
}

// --- Death ------------------------------------------------------------------

typedef struct death {
  weft_peer_t* peer;
  weft_status_t reason;
} death_t;

static weft_status_t loss_of(const weft_part_t* part, const char* what,
                             weft_status_t reason) {
  return weft_status_make_caused(weft_status_code(reason),
                                 weft_status_retain(reason), "channel %s: %s",
                                 part->name, what);
}

static void peer_died(weft_channel_node_t* node, void* user) {
  weft_part_t* part = WEFT_CONTAINER_OF(node, weft_part_t, node);
  const death_t* death = user;
  if (part->creator == 0) {
    return;
  }
  for (uint32_t i = 0; i <= part->reader_count; i++) {
    weft_travel_forget_peer(part, weft_part_end_at(part, i), death->peer);
  }
  weft_mutex_lock(&part->lock);
  bool is_hub = part->hub == death->peer;
  weft_mutex_unlock(&part->lock);
  weft_status_t loss =
      loss_of(part, is_hub ? "its writer is gone" : "its reader is gone",
              death->reason);
  weft_places_strike_off(part, death->peer, loss);
  if (is_hub) {
    weft_part_close(part, weft_status_retain(loss), false);
    // Not before: whoever finds no hub is told why.
    weft_mutex_lock(&part->lock);
    part->hub = NULL;
    weft_mutex_unlock(&part->lock);
  }
  weft_status_release(loss);
}

void weft_channels_peer_died(weft_peer_t* peer, weft_status_t reason) {
  death_t death = {.peer = peer, .reason = reason};
  weft_channels_visit(peer->runtime, peer_died, &death);
}
