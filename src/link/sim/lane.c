// SPDX-License-Identifier: Apache-2.0

#include "link/sim/lane.h"

#include "base/assert.h"
#include "base/memory.h"
#include "sys/unix_socket.h"

// What records are rounded up to: so that a skip always fits.
#define UNIT sizeof(weft_sim_record_t)

static size_t record_bytes(size_t frame_bytes) {
  return UNIT + (frame_bytes + UNIT - 1) / UNIT * UNIT;
}

static weft_sim_record_t* record_at(const weft_sim_lane_t* lane,
                                    uint64_t position) {
  void* record = lane->data + position % lane->capacity_bytes;
  return record;
}

static uint64_t end_of_round(const weft_sim_lane_t* lane, uint64_t position) {
  return (position / lane->capacity_bytes + 1) * lane->capacity_bytes;
}

// The position after a record.
static uint64_t after(const weft_sim_lane_t* lane, uint64_t position) {
  const weft_sim_record_t* record = record_at(lane, position);
  return record->is_skip != 0 ? end_of_round(lane, position)
                              : position + record_bytes(record->size_bytes);
}

// --- Life -------------------------------------------------------------------

weft_status_t weft_sim_lane_init(weft_sim_lane_t* lane,
                                 const weft_allocator_t* allocator,
                                 size_t capacity_bytes) {
  lane->capacity_bytes = capacity_bytes;
  lane->data = weft_memory_allocate(allocator, capacity_bytes);
  return lane->data != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "no memory for a simulated link of %zu bytes",
                                capacity_bytes);
}

void weft_sim_lane_deinit(weft_sim_lane_t* lane,
                          const weft_allocator_t* allocator) {
  weft_sim_lane_discard(lane);
  weft_memory_free(allocator, lane->data, lane->capacity_bytes);
}

// --- For the writer ---------------------------------------------------------

// Finds a place for a frame; false when there is none.
static bool find_place(const weft_sim_lane_t* lane, size_t size_bytes,
                       weft_link_room_t room, uint64_t* out_place) {
  size_t needed = record_bytes(size_bytes);
  uint64_t place = lane->tail;
  uint64_t round_end = end_of_round(lane, place);
  if (place + needed > round_end) {
    place = round_end;
  }
  *out_place = place;
  size_t kept = room == WEFT_LINK_ORDINARY ? WEFT_LINK_RESERVE_BYTES : 0;
  return place + needed - lane->head <= lane->capacity_bytes - kept;
}

// An empty lane starts a new round, so that the largest frame finds room.
static void start_round(weft_sim_lane_t* lane) {
  if (lane->head == lane->tail) {
    lane->head = end_of_round(lane, lane->tail);
    lane->flushed = lane->head;
    lane->tail = lane->head;
  }
}

void* weft_sim_lane_reserve(weft_sim_lane_t* lane, size_t size_bytes,
                            weft_link_room_t room) {
  weft_assert(size_bytes > 0 && size_bytes <= WEFT_LINK_FRAME_LIMIT);
  start_round(lane);
  lane->reserved_bytes = 0;
  uint64_t place;
  if (!find_place(lane, size_bytes, room, &place)) {
    lane->wanted_bytes = size_bytes;
    lane->wanted_room = room;
    return NULL;
  }
  lane->reserved_at = place;
  lane->reserved_bytes = size_bytes;
  return record_at(lane, place) + 1;
}

void weft_sim_lane_commit(weft_sim_lane_t* lane, size_t size_bytes) {
  weft_assert(size_bytes > 0 && size_bytes <= lane->reserved_bytes);
  if (lane->reserved_at > lane->tail) {
    *record_at(lane, lane->tail) = (weft_sim_record_t){.is_skip = 1};
  }
  *record_at(lane, lane->reserved_at) =
      (weft_sim_record_t){.size_bytes = (uint32_t)size_bytes};
  lane->tail = after(lane, lane->reserved_at);
  lane->reserved_bytes = 0;
}

weft_sim_record_t* weft_sim_lane_flush_one(weft_sim_lane_t* lane) {
  if (lane->flushed == lane->tail) {
    return NULL;
  }
  weft_sim_record_t* record = record_at(lane, lane->flushed);
  lane->flushed = after(lane, lane->flushed);
  return record;
}

void weft_sim_lane_forget(weft_sim_lane_t* lane) {
  lane->tail = lane->flushed;
  lane->reserved_bytes = 0;
}

bool weft_sim_lane_put_descriptor(weft_sim_lane_t* lane, uint64_t tag,
                                  int descriptor, int64_t due_ns) {
  if (lane->parcel_count == WEFT_SIM_PARCEL_LIMIT) {
    lane->wants_parcel = true;
    return false;
  }
  uint32_t index =
      (lane->first_parcel + lane->parcel_count) % WEFT_SIM_PARCEL_LIMIT;
  lane->parcels[index] = (weft_sim_parcel_t){
      .tag = tag,
      .position = lane->flushed,
      .due_ns = due_ns,
      .descriptor = descriptor,
  };
  lane->parcel_count++;
  return true;
}

bool weft_sim_lane_has_room_again(weft_sim_lane_t* lane) {
  uint64_t place;
  bool is_empty = lane->head == lane->tail;
  bool has_room = lane->wanted_bytes > 0 &&
                  (is_empty || find_place(lane, lane->wanted_bytes,
                                          lane->wanted_room, &place));
  bool has_place =
      lane->wants_parcel && lane->parcel_count < WEFT_SIM_PARCEL_LIMIT;
  if (has_room) {
    lane->wanted_bytes = 0;
  }
  if (has_place) {
    lane->wants_parcel = false;
  }
  return has_room || has_place;
}

// --- For the reader ---------------------------------------------------------

weft_sim_next_t weft_sim_lane_next(weft_sim_lane_t* lane, int64_t* out_due_ns) {
  const weft_sim_parcel_t* parcel = &lane->parcels[lane->first_parcel];
  if (lane->parcel_count > 0 && parcel->position <= lane->head) {
    *out_due_ns = parcel->due_ns;
    return WEFT_SIM_DESCRIPTOR;
  }
  if (lane->head < lane->flushed && record_at(lane, lane->head)->is_skip != 0) {
    lane->head = end_of_round(lane, lane->head);
  }
  if (lane->head == lane->flushed) {
    return WEFT_SIM_NOTHING;
  }
  *out_due_ns = record_at(lane, lane->head)->due_ns;
  return WEFT_SIM_FRAME;
}

const void* weft_sim_lane_frame(const weft_sim_lane_t* lane,
                                size_t* out_size_bytes, uint64_t* out_place) {
  const weft_sim_record_t* record = record_at(lane, lane->head);
  *out_size_bytes = record->size_bytes;
  *out_place = lane->head;
  return record + 1;
}

void weft_sim_lane_done(weft_sim_lane_t* lane, uint64_t place) {
  // Elsewhere, if all was discarded meanwhile.
  if (lane->head == place) {
    lane->head = after(lane, place);
  }
}

weft_sim_parcel_t weft_sim_lane_take_descriptor(weft_sim_lane_t* lane) {
  weft_sim_parcel_t parcel = lane->parcels[lane->first_parcel];
  lane->first_parcel = (lane->first_parcel + 1) % WEFT_SIM_PARCEL_LIMIT;
  lane->parcel_count--;
  return parcel;
}

void weft_sim_lane_discard(weft_sim_lane_t* lane) {
  while (lane->parcel_count > 0) {
    weft_sys_close(weft_sim_lane_take_descriptor(lane).descriptor);
  }
  lane->head = lane->tail;
  lane->flushed = lane->tail;
  lane->reserved_bytes = 0;
}
