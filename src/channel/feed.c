// SPDX-License-Identifier: Apache-2.0
//
// A part that a hub feeds: values that come, and what the hub is told.

#include "base/container.h"
#include "channel/part.h"
#include "sys/crash_point.h"

// --- What is told -----------------------------------------------------------

// Slots are told by two scalars each.
#define TOLD_WORDS ((size_t)WEFT_FRAME_SCALAR_LIMIT)

// The lock of the part and that of the peer are held.
static weft_status_t write_words(const weft_part_t* part, weft_peer_t* peer,
                                 uint16_t subject, const weft_value_t* words,
                                 size_t count) {
  const weft_frame_t head = weft_part_head(part, subject);
  return weft_travel_write_locked(&head, peer, words, count);
}

// Tells of some slots that are free.
static weft_status_t write_slots(weft_part_t* part, weft_peer_t* peer) {
  weft_value_t words[TOLD_WORDS];
  size_t count = 0;
  weft_dlist_node_t* node = weft_dlist_first(&part->untold);
  while (node != NULL && count < TOLD_WORDS) {
    const weft_channel_slot_t* slot =
        WEFT_CONTAINER_OF(node, weft_channel_slot_t, node);
    words[count++] = weft_int64((int64_t)slot->sequence);
    words[count++] = weft_int64((int64_t)slot->released);
    node = weft_dlist_next(&part->untold, node);
  }
  WEFT_RETURN_IF_ERROR(
      write_words(part, peer, WEFT_CHANNEL_RELEASE, words, count));
  weft_dlist_node_t* told = weft_dlist_first(&part->untold);
  for (size_t i = 0; i < count && told != NULL; i += 2) {
    weft_dlist_remove(told);
    WEFT_CONTAINER_OF(told, weft_channel_slot_t, node)->released = 0;
    told = weft_dlist_first(&part->untold);
  }
  return WEFT_OK;
}

static weft_status_t write_leaving(weft_part_t* part, weft_peer_t* peer) {
  const weft_value_t word = weft_int64((int64_t)part->leaving);
  WEFT_RETURN_IF_ERROR(write_words(part, peer, WEFT_CHANNEL_LEAVE, &word, 1));
  part->leaving = 0;
  return WEFT_OK;
}

static weft_status_t write_told(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_part_t* part = WEFT_CONTAINER_OF(outgoing, weft_part_t, tell);
  weft_status_t status = WEFT_OK;
  weft_mutex_lock(&part->lock);
  while (status == WEFT_OK && !weft_dlist_is_empty(&part->untold)) {
    status = write_slots(part, peer);
  }
  if (status == WEFT_OK && part->is_bell_due) {
    weft_crash_point("before the writer is rung");
    status = write_words(part, peer, WEFT_CHANNEL_BELL, NULL, 0);
    part->is_bell_due = status != WEFT_OK;
  }
  if (status == WEFT_OK && part->owes_agreement) {
    status = weft_agree_write_locked(part, peer);
  }
  if (status == WEFT_OK && part->leaving != 0) {
    status = write_leaving(part, peer);
  }
  weft_mutex_unlock(&part->lock);
  return status;
}

static bool has_more_locked(const weft_part_t* part) {
  return part->hub != NULL &&
         (!weft_dlist_is_empty(&part->untold) || part->owes_agreement ||
          part->leaving != 0 || part->is_bell_due);
}

static void end_told(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_part_t* part = WEFT_CONTAINER_OF(outgoing, weft_part_t, tell);
  weft_mutex_lock(&part->lock);
  if (has_more_locked(part) && weft_peer_state(peer) != WEFT_PEER_DEAD) {
    weft_mutex_unlock(&part->lock);
    weft_peer_send(peer, &part->tell);
    return;
  }
  part->is_telling = false;
  weft_part_leave_and_unlock(part);
}

void weft_feed_tell_locked(weft_part_t* part, weft_deed_t* deed) {
  if (part->is_telling || !has_more_locked(part)) {
    return;
  }
  part->is_telling = true;
  part->users++;
  part->tell = (weft_outgoing_t){.write = write_told, .end = end_told};
  deed->teller = part;
  deed->told = part->hub;
}

void weft_feed_leave_locked(weft_part_t* part, uint64_t bits,
                            weft_deed_t* deed) {
  part->leaving |= bits;
  weft_feed_tell_locked(part, deed);
}

// --- What comes -------------------------------------------------------------

// The readers among `bits` that take values here.
static uint64_t present_here_locked(const weft_part_t* part, uint64_t bits) {
  uint64_t here = 0;
  for (uint32_t i = 0; i < part->reader_count; i++) {
    if (part->readers[i].end.state == WEFT_END_HERE) {
      here |= weft_reader_bit(i);
    }
  }
  return here & bits;
}

static weft_status_t check_order_locked(weft_part_t* part, uint64_t bits,
                                        uint64_t sequence) {
  const weft_channel_slot_t* slot = weft_part_slot(part, sequence);
  if (slot->holders != 0 && slot->sequence != sequence) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "channel %s: value %llu has come, whose slot is in "
                            "use by value %llu",
                            part->name, (unsigned long long)sequence,
                            (unsigned long long)slot->sequence);
  }
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_part_reader_t* reader = &part->readers[i];
    if ((bits & weft_reader_bit(i)) == 0) {
      continue;
    }
    // What is missing between those that come is in the ring.
    bool is_ringed = reader->ring_from <= sequence;
    if (is_ringed ? sequence < reader->arriving
                  : sequence != reader->arriving) {
      return weft_status_make(
          WEFT_STATUS_DATA_LOSS,
          "channel %s: value %llu has come to reader %u in place of value %llu",
          part->name, (unsigned long long)sequence, i,
          (unsigned long long)reader->arriving);
    }
    reader->arriving = sequence + 1;
  }
  return WEFT_OK;
}

// Owns: takes both over. Errors: DATA_LOSS.
static weft_status_t take_value(weft_part_t* part, const weft_frame_t* frame,
                                weft_status_t error, weft_value_t value) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  weft_channel_slot_t* slot = weft_part_slot(part, frame->id);
  uint64_t bits = present_here_locked(part, frame->sender);
  weft_status_t status = check_order_locked(part, bits, frame->id);
  if (status == WEFT_OK && bits != 0 && slot->holders == 0) {
    weft_part_put_locked(part, frame->id, bits, value, error, &deed);
  } else {
    if (status == WEFT_OK && bits != 0) {
      // Another reader here had it before.
      slot->holders |= bits;
      weft_ringed_decoded_locked(slot, &error, &value);
      weft_part_stir_locked(part, false, &deed);
    }
    deed.dropped = value;
    deed.dropped_error = error;
  }
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  return status;
}

static void receive_bell(weft_part_t* part, bool is_writers) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  weft_part_stir_locked(part, is_writers, &deed);
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
}

void weft_feed_receive_bell(weft_part_t* part) {
  receive_bell(part, true);
}

// The hub has said what no hub says. Owns: takes `status` over.
static void refuse(weft_part_t* part, weft_peer_t* peer, weft_status_t status) {
  if (status != WEFT_OK) {
    weft_part_close(part, weft_status_retain(status), true);
    weft_peer_break(peer, status);
  }
}

// Words from the hub. Owns: takes both over.
static void receive_from_hub(weft_part_t* part, weft_peer_t* peer,
                             const weft_frame_t* frame, weft_status_t error,
                             weft_value_t value) {
  if (frame->endpoint == WEFT_SLOT_VALUE) {
    refuse(part, peer, take_value(part, frame, error, value));
    return;
  }
  if (frame->endpoint == WEFT_SLOT_END ||
      frame->endpoint == WEFT_SLOT_END_AT_ONCE) {
    weft_value_release(value);
    error = error != WEFT_OK ? error
                             : weft_part_closed_status(part, "it was closed");
    weft_part_close_at(part, error, frame->endpoint == WEFT_SLOT_END_AT_ONCE,
                       frame->id);
    return;
  }
  weft_status_release(error);
  if (frame->endpoint == WEFT_SLOT_RING) {
    weft_ringed_receive_ring(part, peer, frame->sender, value);
    return;
  }
  weft_value_release(value);
  if (frame->endpoint == WEFT_SLOT_BEGIN) {
    refuse(part, peer,
           weft_ringed_receive_begin(part, frame->sender, frame->id));
  } else if (frame->endpoint == WEFT_SLOT_BELL) {
    receive_bell(part, false);
  }
}

void weft_feed_receive(weft_part_t* part, weft_peer_t* peer,
                       const weft_frame_t* frame) {
  weft_status_t error;
  weft_value_t value;
  weft_mutex_lock(&part->lock);
  bool is_hub = part->hub == peer;
  weft_mutex_unlock(&part->lock);
  if (is_hub) {
    weft_agree_read(part, peer, frame, &error, &value);
  } else {
    weft_delivery_read_outcome(peer, frame, &error, &value);
  }
  if (frame->endpoint == WEFT_SLOT_CURSOR) {
    weft_status_release(error);
    weft_ringed_receive_cursor(part, peer, frame->sender, value);
    return;
  }
  if (!is_hub) {
    // It was, before the writer moved on; or never: nobody asked for it.
    weft_status_release(error);
    weft_value_release(value);
    return;
  }
  receive_from_hub(part, peer, frame, error, value);
}
