// SPDX-License-Identifier: Apache-2.0
//
// One direction of a simulated link: records in a ring, and descriptors beside
// it. Positions only grow; a record never wraps around the end of the ring.
//
//        head (reader)     flushed           tail
//          v                  v                v
//   -------| frame | frame    | frame | frame  |-------   skip: up to the end
//            ^ due_ns: when the reader may have it
//   descriptors: each before the frame at its position

#ifndef WEFT_LINK_SIM_LANE_H_
#define WEFT_LINK_SIM_LANE_H_

#include "link/link.h"
#include "weft/allocator.h"

// Descriptors on their way, at most.
#define WEFT_SIM_PARCEL_LIMIT 16

typedef struct weft_sim_record {
  int64_t due_ns;
  uint32_t size_bytes;
  // True: nothing comes until the end of the ring.
  uint32_t is_skip;
} weft_sim_record_t;

typedef struct weft_sim_parcel {
  uint64_t tag;
  // It comes before the record at this position.
  uint64_t position;
  int64_t due_ns;
  int descriptor;
} weft_sim_parcel_t;

typedef struct weft_sim_lane {
  unsigned char* data;
  size_t capacity_bytes;
  uint64_t head;
  uint64_t flushed;
  uint64_t tail;
  // Where the record of the reservation is to stand, and the room for its
  // frame; 0: there is none.
  uint64_t reserved_at;
  size_t reserved_bytes;
  // The latest time at which something is due: nothing overtakes.
  int64_t last_due_ns;
  // What was refused for want of room; 0: nothing.
  size_t wanted_bytes;
  weft_link_room_t wanted_room;
  bool wants_parcel;
  weft_sim_parcel_t parcels[WEFT_SIM_PARCEL_LIMIT];
  uint32_t first_parcel;
  uint32_t parcel_count;
} weft_sim_lane_t;

// What the reader can have next.
typedef enum weft_sim_next {
  WEFT_SIM_NOTHING = 0,
  WEFT_SIM_FRAME = 1,
  WEFT_SIM_DESCRIPTOR = 2
} weft_sim_next_t;

// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_sim_lane_init(weft_sim_lane_t* lane,
                                 const weft_allocator_t* allocator,
                                 size_t capacity_bytes);
// Zeroed memory is fine.
void weft_sim_lane_deinit(weft_sim_lane_t* lane,
                          const weft_allocator_t* allocator);

// --- For the writer ---------------------------------------------------------

// Room for a frame; NULL, which is noted, when there is none.
void* weft_sim_lane_reserve(weft_sim_lane_t* lane, size_t size_bytes,
                            weft_link_room_t room);
void weft_sim_lane_commit(weft_sim_lane_t* lane, size_t size_bytes);
// The first record that is not flushed yet; NULL when all are. It is flushed
// by this, and the caller says when it is due.
weft_sim_record_t* weft_sim_lane_flush_one(weft_sim_lane_t* lane);
// Forgets what is not flushed.
void weft_sim_lane_forget(weft_sim_lane_t* lane);
// Puts a descriptor before all frames that are flushed later; false, which is
// noted, when there are too many. Owns: takes the descriptor over on success.
bool weft_sim_lane_put_descriptor(weft_sim_lane_t* lane, uint64_t tag,
                                  int descriptor, int64_t due_ns);
// True, once, when what was refused would not be any more.
bool weft_sim_lane_has_room_again(weft_sim_lane_t* lane);

// --- For the reader ---------------------------------------------------------

// What comes next, and when it is due.
weft_sim_next_t weft_sim_lane_next(weft_sim_lane_t* lane, int64_t* out_due_ns);
// The frame that comes next, and its place, to be given back by `done`.
const void* weft_sim_lane_frame(const weft_sim_lane_t* lane,
                                size_t* out_size_bytes, uint64_t* out_place);
void weft_sim_lane_done(weft_sim_lane_t* lane, uint64_t place);
// Takes the descriptor that comes next.
weft_sim_parcel_t weft_sim_lane_take_descriptor(weft_sim_lane_t* lane);
// Drops all that is on its way.
void weft_sim_lane_discard(weft_sim_lane_t* lane);

#endif  // WEFT_LINK_SIM_LANE_H_
