// SPDX-License-Identifier: Apache-2.0
//
// The places that a hub feeds. To each goes one value after another, so that
// their order holds even if one has to be packed again.

#include "base/assert.h"
#include "base/container.h"
#include "base/memory.h"
#include "channel/part.h"
#include "sys/crash_point.h"
#include "sys/slab.h"

typedef struct place place_t;

// One value on its way to a place.
typedef struct sending {
  weft_dlist_node_t node;
  weft_peer_t* peer;
  // Once it is in the queue of one.
  place_t* place;
  weft_outcome_t outcome;
} sending_t;

struct place {
  weft_dlist_node_t node;
  weft_part_t* part;
  weft_peer_t* peer;
  // --- Guarded by the lock of the part ---
  // Its readers.
  uint64_t bits;
  // Of sending_t: what waits.
  weft_dlist_t queue;
  // Somebody sends; a use of the part goes with it.
  bool is_sending;
  // It is in `weft_outcome_start`; what it sends is on its way.
  bool is_starting;
  bool is_out;
  // It knows the structure of the values.
  bool is_agreed;
  // How the channel has ended, and whether that was sent.
  bool ends;
  bool has_ended;
  // How that is sent: it needs no memory.
  sending_t ending;
  // A bell is on its way, and a use of the part goes with it; and another is
  // due.
  bool is_ringing;
  bool is_bell_due;
  weft_outgoing_t bell;
};

static place_t* place_at(weft_dlist_node_t* node) {
  return WEFT_CONTAINER_OF(node, place_t, node);
}

static place_t* find_place_locked(const weft_part_t* part,
                                  const weft_peer_t* peer) {
  weft_dlist_node_t* node = weft_dlist_first(&part->places);
  while (node != NULL && place_at(node)->peer != peer) {
    node = weft_dlist_next(&part->places, node);
  }
  return node != NULL ? place_at(node) : NULL;
}

bool weft_places_find(const weft_part_t* part, uint32_t reader,
                      uint32_t* out_rank) {
  for (weft_dlist_node_t* node = weft_dlist_first(&part->places); node != NULL;
       node = weft_dlist_next(&part->places, node)) {
    if ((place_at(node)->bits & weft_reader_bit(reader)) != 0) {
      *out_rank = place_at(node)->peer->rank;
      return true;
    }
  }
  return false;
}

uint32_t weft_places_holding(const weft_part_t* part, uint64_t bits,
                             weft_peer_t* out_peers[]) {
  uint32_t count = 0;
  for (weft_dlist_node_t* node = weft_dlist_first(&part->places); node != NULL;
       node = weft_dlist_next(&part->places, node)) {
    if ((place_at(node)->bits & bits) != 0) {
      out_peers[count++] = place_at(node)->peer;
    }
  }
  return count;
}

// NULL without memory.
static sending_t* create_sending(weft_peer_t* peer) {
  sending_t* sending =
      weft_slab_allocate(peer->runtime->slab, sizeof(*sending));
  if (sending != NULL) {
    sending->node = (weft_dlist_node_t){NULL, NULL};
    sending->peer = peer;
    sending->place = NULL;
  }
  return sending;
}

static void free_sending(sending_t* sending) {
  if (sending->place != NULL && sending == &sending->place->ending) {
    return;
  }
  weft_slab_free(sending->peer->runtime->slab, sending, sizeof(*sending));
}

// Frees a place that has no readers any more, once nobody sends.
static void end_place_locked(place_t* place) {
  if (place->bits == 0 && !place->is_sending && !place->is_ringing &&
      weft_dlist_is_empty(&place->queue)) {
    weft_part_t* part = place->part;
    weft_dlist_remove(&place->node);
    part->place_changes++;
    weft_memory_free(part->allocator, place, sizeof(*place));
  }
}

// --- Sending ----------------------------------------------------------------

static weft_frame_t head_of(const weft_part_t* part, uint64_t sequence,
                            uint64_t bits) {
  weft_frame_t head = weft_part_slot_head(part, WEFT_SLOT_VALUE, bits);
  head.id = sequence;
  return head;
}

static void drain(place_t* place);

static void value_sent(weft_outcome_t* outcome) {
  sending_t* sending = WEFT_CONTAINER_OF(outcome, sending_t, outcome);
  place_t* place = sending->place;
  weft_part_t* part = place->part;
  free_sending(sending);
  weft_mutex_lock(&part->lock);
  place->is_out = false;
  bool goes_on = !place->is_starting;
  weft_mutex_unlock(&part->lock);
  if (goes_on) {
    drain(place);
  }
}

static weft_status_t no_memory(const weft_part_t* part) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory to send a value of channel %s",
                          part->name);
}

// The end of the channel as something to send.
static sending_t* make_end(place_t* place, uint64_t bits) {
  const weft_part_t* part = place->part;
  sending_t* sending = &place->ending;
  weft_frame_t head = head_of(part, part->written, bits);
  head.endpoint = part->ends_at_once ? WEFT_SLOT_END_AT_ONCE : WEFT_SLOT_END;
  *sending = (sending_t){.peer = place->peer, .place = place};
  weft_outcome_pack_somehow(&sending->outcome, place->peer, &head,
                            weft_status_retain(part->reason), weft_none());
  return sending;
}

// What is to be sent next. The lock is held, but for a while.
static sending_t* next_locked(place_t* place) {
  weft_part_t* part = place->part;
  weft_dlist_node_t* node = weft_dlist_take_first(&place->queue);
  if (node != NULL) {
    return WEFT_CONTAINER_OF(node, sending_t, node);
  }
  if (!place->ends || place->has_ended || place->bits == 0) {
    return NULL;
  }
  place->has_ended = true;
  uint64_t bits = place->bits;
  weft_mutex_unlock(&part->lock);
  sending_t* sending = make_end(place, bits);
  weft_mutex_lock(&part->lock);
  return sending;
}

// Sends what waits, as long as it goes at once. The caller has set
// `is_sending`.
static void drain(place_t* place) {
  weft_part_t* part = place->part;
  weft_mutex_lock(&part->lock);
  sending_t* sending = next_locked(place);
  while (sending != NULL) {
    place->is_out = true;
    place->is_starting = true;
    weft_mutex_unlock(&part->lock);
    weft_outcome_start(&sending->outcome, place->peer, value_sent);
    weft_mutex_lock(&part->lock);
    place->is_starting = false;
    if (place->is_out) {
      // Whoever is told that it was sent goes on.
      weft_mutex_unlock(&part->lock);
      return;
    }
    sending = next_locked(place);
  }
  place->is_sending = false;
  end_place_locked(place);
  weft_part_leave_and_unlock(part);
}

// Has everything that waits sent, unless somebody does already.
static void drain_all(weft_part_t* part) {
  place_t* found;
  do {
    found = NULL;
    weft_mutex_lock(&part->lock);
    for (weft_dlist_node_t* node = weft_dlist_first(&part->places);
         node != NULL && found == NULL;
         node = weft_dlist_next(&part->places, node)) {
      place_t* place = place_at(node);
      bool has_more = !weft_dlist_is_empty(&place->queue) ||
                      (place->ends && !place->has_ended && place->bits != 0);
      found = has_more && !place->is_sending ? place : NULL;
    }
    if (found != NULL) {
      found->is_sending = true;
      part->users++;
    }
    weft_mutex_unlock(&part->lock);
    if (found != NULL) {
      drain(found);
    }
  } while (found != NULL);
}

// --- Writing ----------------------------------------------------------------

// A value, packed for each place.
typedef struct batch {
  // Of sending_t.
  weft_dlist_t list;
  uint64_t sequence;
  uint32_t place_changes;
} batch_t;

static void cancel_batch(batch_t* batch) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&batch->list)) != NULL) {
    sending_t* sending = WEFT_CONTAINER_OF(node, sending_t, node);
    weft_outcome_cancel(&sending->outcome, sending->peer);
    free_sending(sending);
  }
}

// A place as it was.
typedef struct target {
  weft_peer_t* peer;
  uint64_t bits;
  bool is_agreed;
} target_t;

// Adds a value for one place. Borrows both.
static weft_status_t pack_for(batch_t* batch, const weft_part_t* part,
                              const target_t* target, weft_status_t error,
                              weft_value_t value) {
  weft_frame_t head = head_of(part, batch->sequence, target->bits);
  bool is_bare = target->is_agreed && weft_agree_suffices(value);
  head.flags = is_bare ? WEFT_FRAME_BARE : 0;
  sending_t* sending = create_sending(target->peer);
  if (sending == NULL) {
    return no_memory(part);
  }
  weft_status_t status =
      weft_outcome_pack(&sending->outcome, target->peer, &head,
                        weft_status_retain(error), weft_value_retain(value));
  if (status != WEFT_OK) {
    free_sending(sending);
    return status;
  }
  weft_dlist_append(&batch->list, &sending->node);
  return WEFT_OK;
}

// Packs a value for all places that there are now, or, when it goes into the
// ring, for those of other readers. Borrows both.
static weft_status_t pack_batch(batch_t* batch, weft_part_t* part, bool in_ring,
                                weft_status_t error, weft_value_t value) {
  target_t targets[WEFT_CHANNEL_READER_LIMIT];
  uint32_t count = 0;
  weft_dlist_init(&batch->list);
  weft_mutex_lock(&part->lock);
  batch->place_changes = part->place_changes;
  batch->sequence = part->written;
  for (weft_dlist_node_t* node = weft_dlist_first(&part->places);
       node != NULL && count < WEFT_CHANNEL_READER_LIMIT;
       node = weft_dlist_next(&part->places, node)) {
    const place_t* place = place_at(node);
    uint64_t bits = place->bits & (in_ring ? ~part->ringed : UINT64_MAX);
    targets[count] = (target_t){place->peer, bits, place->is_agreed};
    count += bits != 0 ? 1 : 0;
  }
  weft_mutex_unlock(&part->lock);
  weft_status_t status = WEFT_OK;
  for (uint32_t i = 0; i < count && status == WEFT_OK; i++) {
    status = pack_for(batch, part, &targets[i], error, value);
    if (status != WEFT_OK &&
        weft_peer_state(targets[i].peer) == WEFT_PEER_DEAD) {
      // Its readers are being struck off; the others get the value.
      weft_status_release(status);
      status = WEFT_OK;
    }
  }
  if (status != WEFT_OK) {
    cancel_batch(batch);
  }
  return status;
}

// The value is written, and waits to be sent.
static void queue_batch_locked(batch_t* batch, weft_part_t* part) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&batch->list)) != NULL) {
    sending_t* sending = WEFT_CONTAINER_OF(node, sending_t, node);
    // It is there: nothing has changed since it was packed.
    place_t* place = find_place_locked(part, sending->peer);
    weft_assert(place != NULL);
    sending->place = place;
    weft_dlist_append(&place->queue, node);
  }
}

// Readers that are here, or with nobody, need the value in the slot.
static bool is_kept_locked(const weft_part_t* part, uint64_t holders) {
  bool is_kept = false;
  for (uint64_t left = holders; left != 0 && !is_kept; left &= left - 1) {
    uint32_t number = (uint32_t)__builtin_ctzll(left);
    is_kept = part->readers[number].end.state != WEFT_END_PLACED;
  }
  return is_kept;
}

// Writes a value that is packed, once there is nothing else to be packed for.
// `entry`: as it goes into the ring; NULL: by frames only. Borrows both.
static weft_status_t put_batch(weft_part_t* part, batch_t* batch,
                               const weft_ring_entry_t* entry,
                               weft_status_t error, weft_value_t value,
                               bool* out_is_over) {
  static const weft_ring_entry_t by_frame = {.kind = WEFT_RING_FRAME};
  uint64_t bells = 0;
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  weft_status_t status = weft_part_check_locked(part, NULL);
  bool is_same = part->place_changes == batch->place_changes;
  *out_is_over = is_same || status != WEFT_OK;
  if (*out_is_over && status == WEFT_OK) {
    uint64_t sequence = part->written;
    uint64_t holders = part->present & ~part->ringed;
    bool keeps = is_kept_locked(part, holders);
    queue_batch_locked(batch, part);
    if (part->ringed != 0) {
      bells = weft_ringed_put_locked(part, entry != NULL ? entry : &by_frame);
    }
    weft_part_put_locked(part, sequence, holders,
                         keeps ? weft_value_retain(value) : weft_none(),
                         keeps ? weft_status_retain(error) : WEFT_OK, &deed);
  }
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  cancel_batch(batch);
  if (bells != 0) {
    weft_places_ring_bells(part, bells);
  }
  return status;
}

static weft_status_t write_entry(weft_part_t* part,
                                 const weft_ring_entry_t* entry,
                                 weft_value_t value, weft_value_t sent,
                                 weft_status_t error) {
  weft_status_t status = WEFT_OK;
  bool is_over = false;
  while (!is_over) {
    batch_t batch;
    WEFT_RETURN_IF_ERROR(pack_batch(&batch, part, entry != NULL, error, sent));
    status = put_batch(part, &batch, entry, error, value, &is_over);
  }
  drain_all(part);
  return status;
}

weft_status_t weft_places_write(weft_part_t* part, weft_value_t value,
                                weft_value_t sent, weft_status_t error) {
  weft_ringed_offer(part);
  weft_mutex_lock(&part->lock);
  bool has_ring = part->ringed != 0;
  weft_mutex_unlock(&part->lock);
  if (!has_ring) {
    return write_entry(part, NULL, value, sent, error);
  }
  weft_encoder_t encoder;
  weft_ring_entry_t entry;
  bool fits = weft_ringed_encode(part, sent, error, &encoder, &entry);
  weft_status_t status =
      write_entry(part, fits ? &entry : NULL, value, sent, error);
  weft_encoder_deinit(&encoder);
  return status;
}

void weft_places_end(weft_part_t* part) {
  weft_mutex_lock(&part->lock);
  for (weft_dlist_node_t* node = weft_dlist_first(&part->places); node != NULL;
       node = weft_dlist_next(&part->places, node)) {
    place_at(node)->ends = true;
  }
  weft_mutex_unlock(&part->lock);
  drain_all(part);
}

void weft_places_free(weft_part_t* part) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&part->places)) != NULL) {
    weft_memory_free(part->allocator, place_at(node), sizeof(place_t));
  }
}

// --- Places that come and go ------------------------------------------------

static void pack_answer(sending_t* sending, uint64_t join_id,
                        weft_status_t error, weft_value_t value) {
  const weft_frame_t head = {
      .type = WEFT_FRAME_REPLY,
      .id = join_id,
      .timeout_ns = INT64_MAX,
  };
  weft_outcome_pack_somehow(&sending->outcome, sending->peer, &head, error,
                            value);
}

bool weft_places_tell(weft_part_t* part, weft_peer_t* peer,
                      const weft_frame_t* head,
                      bool (*is_still)(weft_part_t* part, void* user),
                      void* user) {
  sending_t* sending = create_sending(peer);
  if (sending == NULL) {
    return false;
  }
  weft_outcome_pack_somehow(&sending->outcome, peer, head, WEFT_OK,
                            weft_none());
  weft_mutex_lock(&part->lock);
  place_t* place = find_place_locked(part, peer);
  bool tells = place != NULL && (place->bits & head->sender) == head->sender &&
               is_still(part, user);
  if (tells) {
    sending->outcome.parcel.head.id = part->written;
    sending->place = place;
    weft_dlist_append(&place->queue, &sending->node);
  }
  weft_mutex_unlock(&part->lock);
  if (!tells) {
    weft_outcome_cancel(&sending->outcome, peer);
    free_sending(sending);
  }
  drain_all(part);
  return tells;
}

// --- Bells ------------------------------------------------------------------

static weft_status_t write_bell(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  place_t* place = WEFT_CONTAINER_OF(outgoing, place_t, bell);
  const weft_frame_t head = weft_part_slot_head(place->part, WEFT_SLOT_BELL, 0);
  const weft_value_t none = weft_none();
  return weft_travel_write_locked(&head, peer, &none, 1);
}

static void end_bell(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  place_t* place = WEFT_CONTAINER_OF(outgoing, place_t, bell);
  weft_part_t* part = place->part;
  weft_mutex_lock(&part->lock);
  bool is_again = place->is_bell_due && place->bits != 0 &&
                  weft_peer_state(peer) != WEFT_PEER_DEAD;
  place->is_bell_due = false;
  if (!is_again) {
    place->is_ringing = false;
    end_place_locked(place);
    weft_part_leave_and_unlock(part);
    return;
  }
  weft_mutex_unlock(&part->lock);
  weft_peer_send(peer, &place->bell);
}

// Has one more place be rung, of those with readers among `bits`, which are
// taken out. NULL when there is none left that is not being rung.
static place_t* begin_bell_locked(weft_part_t* part, uint64_t* bits) {
  weft_dlist_node_t* node = weft_dlist_first(&part->places);
  for (; node != NULL; node = weft_dlist_next(&part->places, node)) {
    place_t* place = place_at(node);
    bool is_meant = (place->bits & *bits) != 0;
    *bits &= ~place->bits;
    if (is_meant && !place->is_ringing) {
      place->is_ringing = true;
      part->users++;
      place->bell = (weft_outgoing_t){.write = write_bell, .end = end_bell};
      return place;
    }
    place->is_bell_due |= is_meant;
  }
  return NULL;
}

void weft_places_ring_bells(weft_part_t* part, uint64_t bits) {
  place_t* place;
  do {
    weft_mutex_lock(&part->lock);
    place = begin_bell_locked(part, &bits);
    weft_mutex_unlock(&part->lock);
    if (place != NULL) {
      weft_crash_point("before a reader is rung");
      weft_peer_send(place->peer, &place->bell);
    }
  } while (place != NULL);
}

// --- Joining ----------------------------------------------------------------

// What a reader has to be sent of one slot; false when that is nothing.
static bool copy_slot(weft_part_t* part, uint64_t sequence, uint64_t bit,
                      weft_value_t* out_value, weft_status_t* out_error) {
  weft_mutex_lock(&part->lock);
  const weft_channel_slot_t* slot = weft_part_slot(part, sequence);
  bool has = (slot->holders & bit) != 0 && slot->sequence == sequence;
  *out_value = has ? weft_value_retain(slot->value) : weft_none();
  *out_error = has ? weft_status_retain(slot->error) : WEFT_OK;
  weft_mutex_unlock(&part->lock);
  return has;
}

// Packs the answer to a reader's JOIN, and what was written before it.
static weft_status_t pack_welcome(batch_t* batch, weft_part_t* part,
                                  weft_peer_t* peer, uint64_t bit,
                                  uint64_t join_id) {
  weft_dlist_init(&batch->list);
  sending_t* sending = create_sending(peer);
  if (sending == NULL) {
    return no_memory(part);
  }
  pack_answer(sending, join_id, WEFT_OK, weft_int64(0));
  weft_dlist_append(&batch->list, &sending->node);
  uint64_t n = batch->sequence > part->slot_count
                   ? batch->sequence - part->slot_count
                   : 0;
  for (; n < batch->sequence; n++) {
    weft_value_t value;
    weft_status_t error;
    if (!copy_slot(part, n, bit, &value, &error)) {
      continue;
    }
    sending = create_sending(peer);
    if (sending == NULL) {
      weft_value_release(value);
      weft_status_release(error);
      return no_memory(part);
    }
    weft_stage_now(part, peer->runtime, &value, &error);
    weft_frame_t head = head_of(part, n, bit);
    weft_outcome_pack_somehow(&sending->outcome, peer, &head, error, value);
    weft_dlist_append(&batch->list, &sending->node);
  }
  return WEFT_OK;
}

// The place of a peer, made if need be, with one more reader. Owns: takes
// `fresh` if it is needed, and sets it to NULL.
static void add_reader_locked(weft_part_t* part, weft_peer_t* peer,
                              place_t** fresh, weft_end_t* end) {
  place_t* place = find_place_locked(part, peer);
  if (place == NULL) {
    place = *fresh;
    *fresh = NULL;
    weft_assert(place != NULL);
    weft_dlist_append(&part->places, &place->node);
  }
  place->bits |= weft_reader_bit(end->number);
  place->ends = part->is_closed;
  part->place_changes++;
  weft_part_set_state_locked(part, end, WEFT_END_PLACED);
}

static place_t* create_place(weft_part_t* part, weft_peer_t* peer) {
  place_t* place = weft_memory_allocate_zeroed(part->allocator, sizeof(*place));
  if (place != NULL) {
    place->part = part;
    place->peer = peer;
    weft_dlist_init(&place->queue);
  }
  return place;
}

weft_status_t weft_places_add(weft_part_t* part, weft_end_t* end,
                              weft_peer_t* peer, uint64_t join_id) {
  uint64_t bit = weft_reader_bit(end->number);
  place_t* fresh = create_place(part, peer);
  if (fresh == NULL) {
    return no_memory(part);
  }
  weft_status_t status = WEFT_OK;
  bool is_over = false;
  while (!is_over) {
    batch_t batch;
    weft_mutex_lock(&part->lock);
    batch.sequence = part->written;
    weft_mutex_unlock(&part->lock);
    status = pack_welcome(&batch, part, peer, bit, join_id);
    weft_mutex_lock(&part->lock);
    is_over = batch.sequence == part->written || status != WEFT_OK;
    // Somebody else may have come first, meanwhile.
    if (status == WEFT_OK && !weft_end_is_free(end)) {
      is_over = true;
      status = weft_travel_used_elsewhere(part, end);
    }
    if (is_over && status == WEFT_OK) {
      weft_travel_clear_pins_locked(part, end);
      end->claimant = peer;
      add_reader_locked(part, peer, &fresh, end);
      queue_batch_locked(&batch, part);
    }
    weft_mutex_unlock(&part->lock);
    cancel_batch(&batch);
  }
  if (fresh != NULL) {
    weft_memory_free(part->allocator, fresh, sizeof(*fresh));
  }
  drain_all(part);
  return status;
}

// Takes readers off their place. True when there were any such.
static bool remove_readers(weft_part_t* part, const weft_peer_t* peer,
                           uint64_t bits, uint64_t* out_removed) {
  weft_mutex_lock(&part->lock);
  place_t* place = find_place_locked(part, peer);
  *out_removed = place != NULL ? place->bits & bits : 0;
  if (*out_removed != 0) {
    place->bits &= ~bits;
    part->place_changes++;
    end_place_locked(place);
  }
  weft_mutex_unlock(&part->lock);
  return *out_removed != 0;
}

// Takes readers off their place, which have left it.
static void end_placed(weft_part_t* part, const weft_peer_t* peer,
                       uint64_t bits, weft_status_t reason) {
  uint64_t removed;
  if (remove_readers(part, peer, bits, &removed)) {
    weft_part_drop_readers(part, removed, reason);
  }
}

// Those among `bits` that nobody uses, so far as this part knows. Copies of
// those that are IDLE may be here. The lock is held.
static uint64_t unused_locked(const weft_part_t* part, uint64_t bits,
                              bool is_idle_too) {
  uint64_t unused = 0;
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_end_state_t state = part->readers[i].end.state;
    if (state == WEFT_END_UNSEEN ||
        (is_idle_too && (state == WEFT_END_IDLE || state == WEFT_END_AWAY))) {
      unused |= weft_reader_bit(i);
    }
  }
  return unused & bits;
}

static bool is_creator(const weft_part_t* part, const weft_peer_t* peer) {
  return part->is_foreign && part->creator == weft_peer_holder(peer);
}

// The creator knows that these readers have been used, and have left, or that
// nobody has a copy of them. It may say so before its answer has come that this
// is the hub: then it is known by that time.
static void end_unused(weft_part_t* part, uint64_t bits) {
  weft_mutex_lock(&part->lock);
  bits = unused_locked(part, bits, true);
  weft_mutex_unlock(&part->lock);
  if (bits != 0) {
    weft_part_drop_readers(part, bits, WEFT_OK);
  }
}

void weft_places_receive_leave(weft_part_t* part, weft_peer_t* peer,
                               uint64_t bits) {
  end_placed(part, peer, bits, WEFT_OK);
  if (is_creator(part, peer)) {
    end_unused(part, bits);
  }
}

void weft_places_strike_off(weft_part_t* part, weft_peer_t* peer,
                            weft_status_t reason) {
  end_placed(part, peer, UINT64_MAX, reason);
  weft_mutex_lock(&part->lock);
  uint64_t unseen =
      is_creator(part, peer) ? unused_locked(part, UINT64_MAX, false) : 0;
  for (uint32_t i = 0; i < part->reader_count; i++) {
    // One that was told to come here hears why it is too late.
    weft_end_t* end = &part->readers[i].end;
    if ((unseen & weft_reader_bit(i)) != 0 && end->failure == WEFT_OK) {
      end->failure = weft_status_retain(reason);
    }
  }
  weft_mutex_unlock(&part->lock);
  if (unseen != 0) {
    weft_part_drop_readers(part, unseen, reason);
  }
}

void weft_places_receive_release(weft_part_t* part, weft_peer_t* peer,
                                 uint64_t sequence, uint64_t bits) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  const place_t* place = find_place_locked(part, peer);
  weft_channel_slot_t* slot = weft_part_slot(part, sequence);
  // What is not the peer's to release, or was released before, stays.
  bits &= place != NULL && slot->sequence == sequence
              ? place->bits & slot->holders
              : 0;
  if (bits != 0) {
    weft_part_give_back_locked(part, slot, bits, &deed);
  }
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
}

void weft_places_receive_agreed(weft_part_t* part, const weft_peer_t* peer) {
  weft_mutex_lock(&part->lock);
  place_t* place = find_place_locked(part, peer);
  if (place != NULL) {
    place->is_agreed = part->is_static;
  }
  weft_mutex_unlock(&part->lock);
}

weft_peer_t* weft_places_take_any(weft_part_t* part, uint64_t* out_bits) {
  weft_peer_t* peer = NULL;
  *out_bits = 0;
  weft_mutex_lock(&part->lock);
  weft_dlist_node_t* node = weft_dlist_first(&part->places);
  while (node != NULL && place_at(node)->bits == 0) {
    node = weft_dlist_next(&part->places, node);
  }
  if (node != NULL) {
    place_t* place = place_at(node);
    peer = place->peer;
    *out_bits = place->bits;
    place->bits = 0;
    part->place_changes++;
    end_place_locked(place);
  }
  weft_mutex_unlock(&part->lock);
  return peer;
}
