// SPDX-License-Identifier: Apache-2.0

#include "channel/ring.h"

#include <string.h>

#include "sys/crash_point.h"

_Static_assert(sizeof(weft_ring_slot_t) == 16, "a slot's head is 16 bytes");
_Static_assert(sizeof(weft_ring_head_t) == WEFT_RING_LINE_BYTES, "a line");
_Static_assert(sizeof(weft_cursor_t) == (size_t)2 * WEFT_RING_LINE_BYTES,
               "two lines");

#define SLOT_ALIGNMENT 64

static size_t stride_of(uint32_t slot_bytes) {
  size_t whole = sizeof(weft_ring_slot_t) + (size_t)slot_bytes;
  return (whole + SLOT_ALIGNMENT - 1) & ~(size_t)(SLOT_ALIGNMENT - 1);
}

size_t weft_ring_bytes(uint32_t slot_count, uint32_t slot_bytes) {
  return sizeof(weft_ring_head_t) + slot_count * stride_of(slot_bytes);
}

weft_ring_t weft_ring_at(void* memory, uint32_t slot_count,
                         uint32_t slot_bytes) {
  return (weft_ring_t){
      .head = memory,
      .slot_count = slot_count,
      .slot_bytes = slot_bytes,
      .stride_bytes = stride_of(slot_bytes),
  };
}

weft_ring_t weft_ring_find(void* memory, size_t size_bytes,
                           uint32_t slot_count) {
  size_t stride = size_bytes > sizeof(weft_ring_head_t)
                      ? (size_bytes - sizeof(weft_ring_head_t)) / slot_count
                      : 0;
  if (stride < SLOT_ALIGNMENT || stride > UINT32_MAX ||
      size_bytes != sizeof(weft_ring_head_t) + slot_count * stride ||
      stride % SLOT_ALIGNMENT != 0) {
    return (weft_ring_t){.head = NULL};
  }
  return weft_ring_at(memory, slot_count,
                      (uint32_t)(stride - sizeof(weft_ring_slot_t)));
}

static weft_ring_slot_t* slot_of(const weft_ring_t* ring, uint64_t sequence) {
  char* slots = (char*)(ring->head + 1);
  return (weft_ring_slot_t*)(void*)(slots + weft_ring_index(sequence,
                                                            ring->slot_count) *
                                                ring->stride_bytes);
}

void weft_ring_clear(const weft_ring_t* ring) {
  memset(ring->head, 0, sizeof(*ring->head));
  for (uint32_t i = 0; i < ring->slot_count; i++) {
    memset(slot_of(ring, i), 0, sizeof(weft_ring_slot_t));
  }
}

void* weft_ring_place(const weft_ring_t* ring, uint64_t sequence) {
  return slot_of(ring, sequence) + 1;
}

void weft_ring_show(const weft_ring_t* ring, uint64_t sequence,
                    weft_ring_kind_t kind, uint32_t size_bytes) {
  weft_ring_slot_t* slot = slot_of(ring, sequence);
  weft_crash_point("with a slot filled");
  // Relaxed, both: the store below orders them.
  atomic_store_explicit(&slot->kind, kind, memory_order_relaxed);
  atomic_store_explicit(&slot->size_bytes, size_bytes, memory_order_relaxed);
  // Sequentially consistent: as release it pairs with the acquire in
  // `weft_ring_look`; and it comes before the load in `weft_cursor_waits`, as
  // the reader's store in `weft_cursor_announce` does before its look.
  atomic_store_explicit(&slot->shown, sequence + 1, memory_order_seq_cst);
  weft_crash_point("with a value shown");
}

void weft_ring_announce(const weft_ring_t* ring, uint64_t sequence) {
  // Sequentially consistent: before the writer looks at the cursors once more;
  // pairs with the load in `weft_cursor_release`, which comes after the store.
  atomic_store_explicit(&ring->head->asleep, sequence + 1,
                        memory_order_seq_cst);
  weft_crash_point("with a writer's sleep announced");
}

bool weft_cursor_waits(const weft_cursor_t* cursor, uint64_t sequence) {
  // Sequentially consistent: see `weft_ring_show`.
  return atomic_load_explicit(&cursor->asleep, memory_order_seq_cst) ==
         sequence + 1;
}

uint64_t weft_cursor_low(const weft_cursor_t* cursor) {
  // Sequentially consistent: see `weft_ring_announce`. As acquire it pairs with
  // the store in `weft_cursor_release`: what the reader read of the slots below
  // was read before they are written again.
  return atomic_load_explicit(&cursor->low, memory_order_seq_cst);
}

bool weft_ring_is_shown(const weft_ring_t* ring, uint64_t sequence) {
  // Sequentially consistent: see `weft_ring_show`.
  return atomic_load_explicit(&slot_of(ring, sequence)->shown,
                              memory_order_seq_cst) > sequence;
}

weft_ring_look_t weft_ring_look(const weft_ring_t* ring, uint64_t sequence,
                                weft_ring_content_t* out_content) {
  const weft_ring_slot_t* slot = slot_of(ring, sequence);
  // Acquire: pairs with the store in `weft_ring_show`.
  uint64_t shown = atomic_load_explicit(&slot->shown, memory_order_acquire);
  if (shown <= sequence) {
    return WEFT_RING_EMPTY;
  }
  // Relaxed, both: the load above orders them; once each, as another process
  // may change them.
  uint32_t kind = atomic_load_explicit(&slot->kind, memory_order_relaxed);
  uint32_t size_bytes =
      atomic_load_explicit(&slot->size_bytes, memory_order_relaxed);
  if (shown != sequence + 1 || kind >= WEFT_RING_KIND_COUNT ||
      size_bytes > ring->slot_bytes) {
    return WEFT_RING_OVERWRITTEN;
  }
  *out_content = (weft_ring_content_t){
      .kind = (weft_ring_kind_t)kind,
      .size_bytes = size_bytes,
      .data = slot + 1,
  };
  return WEFT_RING_SHOWN;
}

void weft_cursor_announce(weft_cursor_t* cursor, uint64_t sequence) {
  // Sequentially consistent: see `weft_ring_show`.
  atomic_store_explicit(&cursor->asleep, sequence + 1, memory_order_seq_cst);
  weft_crash_point("with a reader's sleep announced");
}

bool weft_cursor_release(weft_cursor_t* cursor, const weft_ring_t* ring,
                         uint64_t before, uint64_t low) {
  weft_crash_point("before a value is released");
  // Sequentially consistent, both: see `weft_ring_announce`. As release the
  // store pairs with the load in `weft_cursor_low`.
  atomic_store_explicit(&cursor->low, low, memory_order_seq_cst);
  weft_crash_point("with a value released");
  uint64_t asleep =
      atomic_load_explicit(&ring->head->asleep, memory_order_seq_cst);
  return asleep > before && asleep <= low;
}
