// SPDX-License-Identifier: Apache-2.0
//
// A lane: memory that one process writes and its peer maps to read. Each side
// of a link makes one.
//
//   page 0   line 0   cursors: tail of this ring, head in the other's ring
//                     express: a copy of a frame that came alone
//            line 1   wants_room, descriptors, farewell: seldom written
//            line 2.. why the writer ended the link, in words
//   sizes    2 bytes a line of the ring: the size of the frame that begins
//            there, or PAD: nothing follows up to the ring's end
//   ring     frames, each at the start of a line of 64 bytes
//
// Both cursors count bytes, for ever, in 32 bits; a ring has at most 2^30. A
// tail is a whole number of lines, so its low 6 bits are free: they hold the
// size of the frame in `express` when the last one was published alone. Then a
// short frame, the tail that tells of it, and the head that makes room for
// its answer's answer move between the cores in one line.
//
// What a reader finds is hostile: each word is read once, and checked; a frame
// is copied, and its size is checked against what was published.

#ifndef WEFT_LINK_SHM_LANE_H_
#define WEFT_LINK_SHM_LANE_H_

#include <stdatomic.h>

#include "link/link.h"
#include "sys/memfd.h"

#define WEFT_LANE_LINE_BYTES 64
#define WEFT_LANE_BYTES_DEFAULT ((size_t)256 << 10)
#define WEFT_LANE_BYTES_MIN ((size_t)64 << 10)
#define WEFT_LANE_BYTES_MAX ((size_t)1 << 30)

// Beside the two cursors a line has room for this much.
#define WEFT_LANE_EXPRESS_WORDS 7
#define WEFT_LANE_EXPRESS_BYTES (8 * WEFT_LANE_EXPRESS_WORDS)

#define WEFT_LANE_TEXT_BYTES 512

// In `sizes`; more than any frame.
#define WEFT_LANE_PAD 0xffff

typedef struct weft_lane_shared {
  // Low half: tail and size of the express frame; high half: head.
  _Alignas(WEFT_LANE_LINE_BYTES) _Atomic uint64_t cursors;
  // Written before the tail that tells of it, and only when the reader has
  // taken all before it.
  _Atomic uint64_t express[WEFT_LANE_EXPRESS_WORDS];

  // Who writes this lane waits for the reader's head to move on.
  _Alignas(WEFT_LANE_LINE_BYTES) _Atomic uint32_t wants_room;
  // Descriptors sent ahead of what the tail covers.
  _Atomic uint32_t descriptors;
  // Not 0: a weft_status_code_t; the writer ended the link, and lives.
  _Atomic uint32_t farewell;
  // The message of that status; written before it.
  _Alignas(WEFT_LANE_LINE_BYTES) char farewell_text[WEFT_LANE_TEXT_BYTES];
} weft_lane_shared_t;

// The halves of `cursors`.
static inline uint32_t weft_lane_tail(uint64_t cursors) {
  return (uint32_t)cursors & ~(uint32_t)(WEFT_LANE_LINE_BYTES - 1);
}
static inline uint32_t weft_lane_express_bytes(uint64_t cursors) {
  return (uint32_t)cursors & (WEFT_LANE_LINE_BYTES - 1);
}
static inline uint32_t weft_lane_head(uint64_t cursors) {
  return (uint32_t)(cursors >> 32);
}
static inline uint64_t weft_lane_cursors(uint32_t tail, uint32_t express_bytes,
                                         uint32_t head) {
  return (uint64_t)head << 32 | tail | express_bytes;
}

// The lines that a frame takes, in bytes.
static inline uint32_t weft_lane_span(uint32_t size_bytes) {
  return (size_bytes + WEFT_LANE_LINE_BYTES - 1) &
         ~(uint32_t)(WEFT_LANE_LINE_BYTES - 1);
}

// The bytes of memory of a lane with a ring of this size, which is a power of
// two within the bounds above.
size_t weft_lane_memory_bytes(size_t ring_bytes);

// True for a size of a ring as above.
bool weft_lane_is_size(uint64_t ring_bytes);

// --- Writing ----------------------------------------------------------------

// The end of who writes frames. Fields are of the writer, who is one thread at
// a time, unless they say otherwise.
typedef struct weft_lane_out {
  weft_lane_shared_t* shared;
  _Atomic uint16_t* sizes;
  unsigned char* ring;
  uint32_t ring_bytes;
  // Where the next frame goes when there is no pad; what was reserved there.
  uint32_t next;
  uint32_t pad_bytes;
  uint32_t reserved_bytes;
  // The reader's head when it was last looked at.
  uint32_t peer_head;
  // Everything below is committed. The writer stores it, whoever publishes
  // loads it.
  _Atomic uint32_t committed;
} weft_lane_out_t;

// `memory` is zeroed and has `weft_lane_memory_bytes(ring_bytes)`.
void weft_lane_out_init(weft_lane_out_t* out, void* memory,
                        uint32_t ring_bytes);

// Bytes that are free when the reader is at `head`. More than the ring has
// when the head makes no sense.
static inline uint32_t weft_lane_free(const weft_lane_out_t* out,
                                      uint32_t head) {
  return out->ring_bytes - (out->next - head);
}

// Bytes that a frame needs: its lines, and the rest of the ring when it does
// not fit there.
uint32_t weft_lane_need(const weft_lane_out_t* out, uint32_t size_bytes);

// Lends room for a frame; there is as much as `weft_lane_need` says.
void* weft_lane_reserve(weft_lane_out_t* out, uint32_t size_bytes);
void weft_lane_commit(weft_lane_out_t* out, uint32_t size_bytes);

// The size of the only frame between two tails, if that is one that fits
// `express`; else 0.
uint32_t weft_lane_single(const weft_lane_out_t* out, uint32_t from,
                          uint32_t to);
// Copies that frame there.
void weft_lane_fill_express(weft_lane_out_t* out, uint32_t from);

// --- Reading ----------------------------------------------------------------

typedef struct weft_lane_in {
  const weft_lane_shared_t* shared;
  const _Atomic uint16_t* sizes;
  const unsigned char* ring;
  uint32_t ring_bytes;
  // Everything below was taken.
  uint32_t head;
} weft_lane_in_t;

void weft_lane_in_init(weft_lane_in_t* in, const void* memory,
                       uint32_t ring_bytes);

// What there is to take when the peer's cursors are these. False for a tail
// that makes no sense.
bool weft_lane_available(const weft_lane_in_t* in, uint64_t cursors,
                         uint32_t* out_bytes);

// Takes the next frame of `available` (> 0) bytes: copies it to `buffer`,
// which has room for WEFT_LINK_FRAME_LIMIT, and moves the head on. The size is
// 0 when there was only a pad. False for a size that makes no sense.
bool weft_lane_take(weft_lane_in_t* in, uint32_t available, void* buffer,
                    uint32_t* out_size_bytes);

// The same for a frame that came alone, by express.
void weft_lane_take_express(weft_lane_in_t* in, void* buffer);

#endif  // WEFT_LINK_SHM_LANE_H_
