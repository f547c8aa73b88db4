// SPDX-License-Identifier: Apache-2.0
//
// What reading into memory of the reader needs of a part.

#include "channel/part.h"

void weft_part_unread(const weft_lease_t* lease) {
  weft_part_reader_t* reader = weft_part_reader_of(lease->reader);
  weft_part_t* part = reader->end.part;
  const weft_allocator_t* allocator = part->allocator;
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  reader->next = lease->sequence;
  reader->leases--;
  weft_channel_slot_t* slot = weft_part_slot(part, lease->sequence);
  if (weft_ringed_is_view(slot)) {
    // Each reading of bytes in the ring counts a lease: it is read anew.
    slot->holders &= ~weft_reader_bit(reader->end.number);
    if (slot->holders == 0) {
      deed.dropped = slot->value;
      slot->value = weft_none();
    }
  }
  // Whoever has asked meanwhile to be told hears of it.
  weft_part_stir_locked(part, false, &deed);
  weft_part_leave_and_unlock(part);
  weft_deed_do(&deed, allocator);
}

static weft_channel_slot_t* slot_of(const weft_lease_t* lease) {
  return weft_part_slot(weft_part_reader_of(lease->reader)->end.part,
                        lease->sequence);
}

weft_move_t* weft_part_share(const weft_lease_t* lease, weft_move_t* fresh,
                             const weft_destination_t* destination) {
  weft_part_t* part = weft_part_reader_of(lease->reader)->end.part;
  weft_channel_slot_t* slot = slot_of(lease);
  weft_move_t* shared = fresh;
  weft_mutex_lock(&part->lock);
  if (slot->move == NULL) {
    slot->move = fresh != NULL ? weft_move_retain(fresh) : NULL;
  } else if (weft_move_serves(slot->move, lease->value, destination)) {
    shared = weft_move_retain(slot->move);
  }
  weft_mutex_unlock(&part->lock);
  return shared;
}

void weft_part_unshare(const weft_lease_t* lease, const weft_move_t* move) {
  weft_part_t* part = weft_part_reader_of(lease->reader)->end.part;
  weft_channel_slot_t* slot = slot_of(lease);
  weft_move_t* dropped = NULL;
  weft_mutex_lock(&part->lock);
  if (slot->move == move) {
    dropped = slot->move;
    slot->move = NULL;
  }
  weft_mutex_unlock(&part->lock);
  weft_move_release(dropped);
}

weft_runtime_t* weft_part_runtime(weft_reader_t* reader) {
  weft_part_t* part = weft_part_reader_of(reader)->end.part;
  weft_mutex_lock(&part->lock);
  weft_runtime_t* runtime = part->runtime;
  weft_mutex_unlock(&part->lock);
  return runtime;
}
