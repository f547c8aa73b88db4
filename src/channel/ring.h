// SPDX-License-Identifier: Apache-2.0
//
// A ring of slots in memory that the writer's process shares with those of its
// readers, and a *cursor* for each reader, in memory that the reader's shares
// with the writer's. Each page has one that may write to it.
//
//   writer's arena:  [ asleep ][ slot 0 | slot 1 | ... ]      readers only read
//   reader's arena:  [ low ][ asleep ]                      the writer only
//   reads
//
// Value n goes into slot n mod slots. Once it is whole there, the slot shows
// n + 1; a reader looks for that number in the slot where its next value will
// be, so that a value of up to 48 bytes and the news of it are one cache line.
// A cursor says how far its reader has released: every value below `low`. The
// writer fills slot n once every cursor is above n - slots.
//
// Sleeping. Whoever is about to sleep shows for what: the writer the value
// that has to be released, a reader the value that has to be written, each plus
// one, so that 0 is nothing. Then it looks once more. The other side looks at
// that number after it has stored its own, and sends a word (a *bell*, a frame)
// when what it has just done is what is waited for. Of the two stores and the
// two loads, all sequentially consistent, one load sees the other's store. Who
// sleeps again for the same value finds it without a bell; so nobody is rung
// twice, and numbers need not be taken back.
//
// tests/models/ring.pml is this, for a model checker.
//
// What others write is not trusted: sizes and kinds are checked on a copy, and
// a reader that shows a wrong cursor loses its own values only.
//
// Thread: the writer's functions are for one thread at a time, and so are those
// of a reader.

#ifndef WEFT_CHANNEL_RING_H_
#define WEFT_CHANNEL_RING_H_

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Of one writer at a time, so that it shares no line with what others write.
#define WEFT_RING_LINE_BYTES 128

// What is in a slot.
typedef enum weft_ring_kind {
  // The value comes by a frame.
  WEFT_RING_FRAME = 0,
  // 8 bytes, but for none: the datum of a value.
  WEFT_RING_NONE,
  WEFT_RING_BOOL,
  WEFT_RING_INT64,
  WEFT_RING_FLOAT64,
  // As they are.
  WEFT_RING_STRING,
  WEFT_RING_BYTES,
  // Encoded as in a body; see FORMAT.md.
  WEFT_RING_VALUE,
  WEFT_RING_ERROR,
  WEFT_RING_KIND_COUNT
} weft_ring_kind_t;

// How a slot begins; the bytes follow, aligned to 16.
typedef struct weft_ring_slot {
  // The number of the value that is whole in it, plus one.
  _Atomic uint64_t shown;
  _Atomic uint32_t size_bytes;
  // A weft_ring_kind_t.
  _Atomic uint32_t kind;
} weft_ring_slot_t;

typedef struct weft_ring_head {
  // The value that the writer waits for to be released, plus one.
  _Atomic uint64_t asleep;
  char padding[WEFT_RING_LINE_BYTES - sizeof(uint64_t)];
} weft_ring_head_t;

// A ring as one side sees it.
typedef struct weft_ring {
  // NULL: there is none.
  weft_ring_head_t* head;
  uint32_t slot_count;
  // Of the largest value; and from one slot to the next.
  uint32_t slot_bytes;
  size_t stride_bytes;
} weft_ring_t;

// In two lines: `low` is stored with every value, and the writer looks for
// `asleep` with every value.
typedef struct weft_cursor {
  _Atomic uint64_t low;
  char padding[WEFT_RING_LINE_BYTES - sizeof(uint64_t)];
  _Atomic uint64_t asleep;
  char end[WEFT_RING_LINE_BYTES - sizeof(uint64_t)];
} weft_cursor_t;

// Which of `slot_count` slots a value is in. A division takes as long as all
// else of a write, and the number is a power of two as a rule.
static inline uint64_t weft_ring_index(uint64_t sequence, uint32_t slot_count) {
  return (slot_count & (slot_count - 1)) == 0 ? sequence & (slot_count - 1)
                                              : sequence % slot_count;
}

// The memory that a ring takes. Cannot overflow within the limits of channels.
size_t weft_ring_bytes(uint32_t slot_count, uint32_t slot_bytes);

// Lays a ring over memory, aligned to 64.
weft_ring_t weft_ring_at(void* memory, uint32_t slot_count,
                         uint32_t slot_bytes);

// The same for memory of the other side; without a head when that cannot be a
// ring.
weft_ring_t weft_ring_find(void* memory, size_t size_bytes,
                           uint32_t slot_count);

// --- The writer's -----------------------------------------------------------

// Makes memory a ring in which nothing is written.
void weft_ring_clear(const weft_ring_t* ring);
// Where the bytes of a value go: `slot_bytes` of them.
void* weft_ring_place(const weft_ring_t* ring, uint64_t sequence);
// The value is whole: `size_bytes` are there.
void weft_ring_show(const weft_ring_t* ring, uint64_t sequence,
                    weft_ring_kind_t kind, uint32_t size_bytes);
// The writer will sleep until `sequence` is released.
void weft_ring_announce(const weft_ring_t* ring, uint64_t sequence);
// Whether the reader sleeps until this value, which was shown, is.
bool weft_cursor_waits(const weft_cursor_t* cursor, uint64_t sequence);
// Every value below is released.
uint64_t weft_cursor_low(const weft_cursor_t* cursor);

// --- A reader's -------------------------------------------------------------

typedef enum weft_ring_look {
  WEFT_RING_EMPTY = 0,
  WEFT_RING_SHOWN,
  // Another value is there: this one is lost.
  WEFT_RING_OVERWRITTEN
} weft_ring_look_t;

// What is in a slot: checked, but for the bytes, which may change at any time
// if the writer's process means harm.
typedef struct weft_ring_content {
  weft_ring_kind_t kind;
  uint32_t size_bytes;
  const void* data;
} weft_ring_content_t;

// What there is of a value. Sets `out_content` when it is SHOWN.
weft_ring_look_t weft_ring_look(const weft_ring_t* ring, uint64_t sequence,
                                weft_ring_content_t* out_content);
// Whether there is anything new to look at.
bool weft_ring_is_shown(const weft_ring_t* ring, uint64_t sequence);
void weft_cursor_announce(weft_cursor_t* cursor, uint64_t sequence);
// Every value below `low` is released; those from `before` on are so now. True
// when the writer sleeps until one of them is.
bool weft_cursor_release(weft_cursor_t* cursor, const weft_ring_t* ring,
                         uint64_t before, uint64_t low);

#endif  // WEFT_CHANNEL_RING_H_
