// SPDX-License-Identifier: Apache-2.0

#include "link/shm/lane.h"

#include <stddef.h>
#include <string.h>

#include "base/assert.h"

_Static_assert(offsetof(weft_lane_shared_t, farewell_text) ==
                   (size_t)2 * WEFT_LANE_LINE_BYTES,
               "a tail, a head and a short frame move in one line");
_Static_assert(WEFT_LANE_PAD > WEFT_LINK_FRAME_LIMIT, "a pad is no frame");

// The sizes begin on a page of their own.
#define HEAD_BYTES 4096
_Static_assert(sizeof(weft_lane_shared_t) <= HEAD_BYTES, "the format");

static size_t sizes_bytes(size_t ring_bytes) {
  size_t needed = ring_bytes / WEFT_LANE_LINE_BYTES * sizeof(uint16_t);
  return (needed + HEAD_BYTES - 1) / HEAD_BYTES * HEAD_BYTES;
}

size_t weft_lane_memory_bytes(size_t ring_bytes) {
  return HEAD_BYTES + sizes_bytes(ring_bytes) + ring_bytes;
}

bool weft_lane_is_size(uint64_t ring_bytes) {
  return ring_bytes >= WEFT_LANE_BYTES_MIN &&
         ring_bytes <= WEFT_LANE_BYTES_MAX &&
         (ring_bytes & (ring_bytes - 1)) == 0;
}

// --- Writing ----------------------------------------------------------------

void weft_lane_out_init(weft_lane_out_t* out, void* memory,
                        uint32_t ring_bytes) {
  unsigned char* bytes = memory;
  *out = (weft_lane_out_t){
      .shared = memory,
      .sizes = (_Atomic uint16_t*)(void*)(bytes + HEAD_BYTES),
      .ring = bytes + HEAD_BYTES + sizes_bytes(ring_bytes),
      .ring_bytes = ring_bytes,
  };
}

static _Atomic uint16_t* size_at(const weft_lane_out_t* out, uint32_t cursor) {
  return &out->sizes[(cursor & (out->ring_bytes - 1)) / WEFT_LANE_LINE_BYTES];
}

static uint32_t pad_before(const weft_lane_out_t* out, uint32_t span) {
  uint32_t left = out->ring_bytes - (out->next & (out->ring_bytes - 1));
  return span <= left ? 0 : left;
}

uint32_t weft_lane_need(const weft_lane_out_t* out, uint32_t size_bytes) {
  uint32_t span = weft_lane_span(size_bytes);
  return span + pad_before(out, span);
}

void* weft_lane_reserve(weft_lane_out_t* out, uint32_t size_bytes) {
  out->pad_bytes = pad_before(out, weft_lane_span(size_bytes));
  out->reserved_bytes = size_bytes;
  uint32_t start = out->next + out->pad_bytes;
  return out->ring + (start & (out->ring_bytes - 1));
}

void weft_lane_commit(weft_lane_out_t* out, uint32_t size_bytes) {
  weft_assert(size_bytes > 0 && size_bytes <= out->reserved_bytes);
  if (out->pad_bytes > 0) {
    // Relaxed: the tail that is published later, by a release, tells of it.
    atomic_store_explicit(size_at(out, out->next), WEFT_LANE_PAD,
                          memory_order_relaxed);
    out->next += out->pad_bytes;
  }
  // Relaxed: as above.
  atomic_store_explicit(size_at(out, out->next), (uint16_t)size_bytes,
                        memory_order_relaxed);
  out->next += weft_lane_span(size_bytes);
  out->pad_bytes = 0;
  out->reserved_bytes = 0;
  // Release: pairs with the acquire of whoever publishes.
  atomic_store_explicit(&out->committed, out->next, memory_order_release);
}

uint32_t weft_lane_single(const weft_lane_out_t* out, uint32_t from,
                          uint32_t to) {
  if (to - from != WEFT_LANE_LINE_BYTES) {
    return 0;
  }
  // Relaxed: the caller has acquired `to`.
  uint32_t size_bytes =
      atomic_load_explicit(size_at(out, from), memory_order_relaxed);
  return size_bytes <= WEFT_LANE_EXPRESS_BYTES ? size_bytes : 0;
}

void weft_lane_fill_express(weft_lane_out_t* out, uint32_t from) {
  uint64_t words[WEFT_LANE_EXPRESS_WORDS];
  // Bytes behind a shorter frame are older ones of this ring, which the peer
  // can see anyway.
  memcpy(words, out->ring + (from & (out->ring_bytes - 1)), sizeof(words));
  for (int i = 0; i < WEFT_LANE_EXPRESS_WORDS; i++) {
    // Relaxed: the tail that is published next, by a release, tells of it.
    atomic_store_explicit(&out->shared->express[i], words[i],
                          memory_order_relaxed);
  }
}

// --- Reading ----------------------------------------------------------------

void weft_lane_in_init(weft_lane_in_t* in, const void* memory,
                       uint32_t ring_bytes) {
  const unsigned char* bytes = memory;
  *in = (weft_lane_in_t){
      .shared = memory,
      .sizes = (const _Atomic uint16_t*)(const void*)(bytes + HEAD_BYTES),
      .ring = bytes + HEAD_BYTES + sizes_bytes(ring_bytes),
      .ring_bytes = ring_bytes,
  };
}

bool weft_lane_available(const weft_lane_in_t* in, uint64_t cursors,
                         uint32_t* out_bytes) {
  *out_bytes = weft_lane_tail(cursors) - in->head;
  return *out_bytes <= in->ring_bytes &&
         weft_lane_express_bytes(cursors) <= WEFT_LANE_EXPRESS_BYTES;
}

bool weft_lane_take(weft_lane_in_t* in, uint32_t available, void* buffer,
                    uint32_t* out_size_bytes) {
  uint32_t offset = in->head & (in->ring_bytes - 1);
  uint32_t left = in->ring_bytes - offset;
  *out_size_bytes = 0;
  // Relaxed: the tail that told of it was acquired. Read once: the peer may
  // write what it likes, when it likes.
  uint32_t size_bytes = atomic_load_explicit(
      &in->sizes[offset / WEFT_LANE_LINE_BYTES], memory_order_relaxed);
  if (size_bytes == WEFT_LANE_PAD) {
    bool is_sound = left <= available;
    in->head += is_sound ? left : 0;
    return is_sound;
  }
  uint32_t span = weft_lane_span(size_bytes);
  if (size_bytes == 0 || size_bytes > WEFT_LINK_FRAME_LIMIT ||
      span > available || span > left) {
    return false;
  }
  if (span == WEFT_LANE_LINE_BYTES) {
    // Of a size that the compiler knows: most frames are that short.
    memcpy(buffer, in->ring + offset, WEFT_LANE_LINE_BYTES);
  } else {
    memcpy(buffer, in->ring + offset, size_bytes);
  }
  in->head += span;
  *out_size_bytes = size_bytes;
  return true;
}

void weft_lane_take_express(weft_lane_in_t* in, void* buffer) {
  uint64_t words[WEFT_LANE_EXPRESS_WORDS];
  for (int i = 0; i < WEFT_LANE_EXPRESS_WORDS; i++) {
    // Relaxed: the tail that told of it was acquired.
    words[i] =
        atomic_load_explicit(&in->shared->express[i], memory_order_relaxed);
  }
  memcpy(buffer, words, sizeof(words));
  in->head += WEFT_LANE_LINE_BYTES;
}
