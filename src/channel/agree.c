// SPDX-License-Identifier: Apache-2.0
//
// Channels whose values all have one structure. It is agreed with the first
// value, at the hub, and known to another part once that has had a value:
//
//   hub                                   part
//    |-- value 0: structure and data ----->|
//    |-- value 1: structure and data ----->|
//    |<----------------------- AGREED -----|
//    |-- value 2: data ------------------->|
//
// It says so again with each reader that joins there: the hub may have
// forgotten a place that had none left.
//
// The part says so, as what the hub has sent it may have become an error on the
// way, for lack of memory on either side.

#include "channel/part.h"

// --- At the hub -------------------------------------------------------------

weft_status_t weft_agree_on(const weft_part_t* part, weft_value_t value,
                            weft_status_t error, weft_value_t* out_first) {
  *out_first = weft_none();
  if (!part->is_static || error != WEFT_OK) {
    return WEFT_OK;
  }
  // Changed by whoever writes alone.
  weft_status_t status =
      weft_value_kind(part->structure) == WEFT_KIND_NONE
          ? weft_structure_create(part->allocator, value, out_first)
          : weft_structure_check(part->structure, value);
  if (status == WEFT_OK) {
    return WEFT_OK;
  }
  weft_status_t named = weft_status_make_caused(
      weft_status_code(status), status,
      "channel %s has values of one structure, which this one has not",
      part->name);
  return named;
}

void weft_agree_written(weft_part_t* part, weft_value_t first,
                        bool is_written) {
  if (!is_written) {
    weft_value_release(first);
  } else if (weft_value_kind(first) != WEFT_KIND_NONE) {
    weft_mutex_lock(&part->lock);
    part->structure = first;
    weft_mutex_unlock(&part->lock);
  }
}

static bool has_gaps(const weft_tensor_t* tensor) {
  return !weft_tensor_is_contiguous(tensor);
}

bool weft_agree_suffices(weft_value_t value) {
  return !weft_value_has_tensor(value, has_gaps);
}

// --- At other parts ---------------------------------------------------------

// The structure, with a reference.
static weft_value_t structure_of(weft_part_t* part) {
  weft_mutex_lock(&part->lock);
  weft_value_t structure = weft_value_retain(part->structure);
  weft_mutex_unlock(&part->lock);
  return structure;
}

static weft_status_t read_data(weft_part_t* part, weft_peer_t* peer,
                               const weft_frame_t* frame,
                               weft_value_t* out_value) {
  weft_value_t structure = structure_of(part);
  weft_status_t status =
      weft_delivery_read_data(peer, frame, structure, out_value);
  weft_value_release(structure);
  if (weft_value_kind(structure) != WEFT_KIND_NONE) {
    return status;
  }
  weft_status_release(status);
  weft_value_release(*out_value);
  *out_value = weft_none();
  return weft_status_make(WEFT_STATUS_DATA_LOSS,
                          "channel %s: value %llu has come without its "
                          "structure, which is not known here",
                          part->name, (unsigned long long)frame->id);
}

// Keeps the structure of the first value that has come whole; without memory
// that of another.
static void learn(weft_part_t* part, weft_value_t value) {
  weft_value_t structure;
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_status_t status =
      weft_structure_create(part->allocator, value, &structure);
  if (status != WEFT_OK) {
    weft_status_release(status);
    return;
  }
  weft_mutex_lock(&part->lock);
  part->structure = structure;
  part->owes_agreement = true;
  weft_feed_tell_locked(part, &deed);
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
}

static weft_status_t check_whole(weft_part_t* part, weft_value_t value) {
  weft_value_t structure = structure_of(part);
  if (weft_value_kind(structure) == WEFT_KIND_NONE) {
    learn(part, value);
    return WEFT_OK;
  }
  weft_status_t status = weft_structure_check(structure, value);
  weft_value_release(structure);
  return status == WEFT_OK
             ? WEFT_OK
             : weft_status_make_caused(WEFT_STATUS_DATA_LOSS, status,
                                       "channel %s: a value has come with "
                                       "another structure",
                                       part->name);
}

void weft_agree_read(weft_part_t* part, weft_peer_t* peer,
                     const weft_frame_t* frame, weft_status_t* out_error,
                     weft_value_t* out_value) {
  if ((frame->flags & WEFT_FRAME_BARE) != 0) {
    *out_error = read_data(part, peer, frame, out_value);
    return;
  }
  weft_delivery_read_outcome(peer, frame, out_error, out_value);
  if (!part->is_static || *out_error != WEFT_OK ||
      frame->endpoint != WEFT_SLOT_VALUE) {
    return;
  }
  *out_error = check_whole(part, *out_value);
  if (*out_error != WEFT_OK) {
    weft_value_release(*out_value);
    *out_value = weft_none();
  }
}

void weft_agree_joined_locked(weft_part_t* part, weft_deed_t* deed) {
  if (!part->is_hub && weft_value_kind(part->structure) != WEFT_KIND_NONE) {
    part->owes_agreement = true;
    weft_feed_tell_locked(part, deed);
  }
}

weft_status_t weft_agree_write_locked(weft_part_t* part, weft_peer_t* peer) {
  const weft_value_t word = weft_int64(1);
  const weft_frame_t head = weft_part_head(part, WEFT_CHANNEL_AGREED);
  WEFT_RETURN_IF_ERROR(weft_travel_write_locked(&head, peer, &word, 1));
  part->owes_agreement = false;
  return WEFT_OK;
}
