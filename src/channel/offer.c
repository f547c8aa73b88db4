// SPDX-License-Identifier: Apache-2.0
//
// How readers come to read from a ring. The hub offers it with the first value
// that it sends to a place by a frame; from then on:
//
//   hub                                    place
//   RING: the memory of the ring -------->
//        <------------- CURSOR: the memory of the reader's cursor
//   BEGIN n, behind the values below n ---->
//   value n into the ring                   looks there for n
//
// So what comes before is in frames, what comes behind in the ring, and nothing
// is in both; but a value that does not fit is in a frame, and its slot says
// so. Either side that has no memory for its part leaves it at frames.

#include "base/assert.h"
#include "base/container.h"
#include "base/memory.h"
#include "channel/part.h"
#include "sys/crash_point.h"

// Shared memory of this runtime as a tensor of bytes, which is how it is lent,
// and where it can be written.
static weft_status_t share(weft_runtime_t* runtime, size_t size_bytes,
                           weft_value_t* out_tensor, void** out_memory) {
  const int64_t shape[] = {(int64_t)size_bytes};
  weft_tensor_t* tensor = NULL;
  *out_tensor = weft_none();
  *out_memory = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create_shared(runtime, WEFT_UINT8, 1, shape, &tensor));
  // What is lent is not written to as a rule: this is what it is for.
  void* memory = (void*)(uintptr_t)weft_tensor_data(tensor);
  weft_assert(memory != NULL);
  *out_memory = memory;
  *out_tensor = weft_tensor_into_value(tensor);
  return WEFT_OK;
}

// Memory that a peer has lent; NULL when it cannot be what was to come.
static void* find_memory(weft_value_t value, size_t* out_size_bytes) {
  const weft_tensor_t* tensor = NULL;
  *out_size_bytes = 0;
  if (weft_status_ignore(weft_value_as_tensor(value, &tensor)) !=
          WEFT_STATUS_OK ||
      weft_tensor_device(tensor).type != WEFT_DEVICE_CPU ||
      !weft_tensor_is_contiguous(tensor)) {
    return NULL;
  }
  void* memory = (void*)(uintptr_t)weft_tensor_data(tensor);
  *out_size_bytes = weft_tensor_size_bytes(tensor);
  return (uintptr_t)memory % WEFT_TENSOR_ALIGNMENT == 0 ? memory : NULL;
}

// The ring in memory of the hub; its size tells that of the slots.
static weft_ring_t find_ring(const weft_part_t* part, weft_value_t value) {
  size_t size_bytes;
  void* memory = find_memory(value, &size_bytes);
  weft_ring_t ring = {.head = NULL};
  return memory != NULL ? weft_ring_find(memory, size_bytes, part->slot_count)
                        : ring;
}

// Makes the ring if there is none. False without memory.
static bool make_ring(weft_part_t* part) {
  weft_value_t value;
  void* memory;
  weft_mutex_lock(&part->lock);
  bool has_ring = part->ring.head != NULL;
  weft_runtime_t* runtime = part->runtime;
  weft_mutex_unlock(&part->lock);
  if (has_ring || runtime == NULL) {
    return has_ring;
  }
  if (weft_status_ignore(
          share(runtime, weft_ring_bytes(part->slot_count, part->slot_bytes),
                &value, &memory)) != WEFT_STATUS_OK) {
    return false;
  }
  weft_ring_t ring = weft_ring_at(memory, part->slot_count, part->slot_bytes);
  weft_ring_clear(&ring);
  weft_mutex_lock(&part->lock);
  // Only the writer makes it.
  part->ring = ring;
  part->ring_memory = value;
  weft_mutex_unlock(&part->lock);
  return true;
}

// The readers at places that were not offered the ring; they are from here on.
static uint64_t take_unoffered(weft_part_t* part) {
  weft_mutex_lock(&part->lock);
  uint64_t bits = 0;
  if (part->slot_bytes != WEFT_CHANNEL_NO_RING &&
      part->writer_end.state == WEFT_END_HERE) {
    for (uint32_t i = 0; i < part->reader_count; i++) {
      bool is_placed = part->readers[i].end.state == WEFT_END_PLACED;
      bits |= is_placed ? weft_reader_bit(i) & ~part->offered : 0;
    }
  }
  part->offered |= bits;
  weft_mutex_unlock(&part->lock);
  return bits;
}

void weft_ringed_offer(weft_part_t* part) {
  uint64_t bits = take_unoffered(part);
  if (bits == 0 || !make_ring(part)) {
    return;
  }
  for (; bits != 0; bits &= bits - 1) {
    uint32_t number = (uint32_t)__builtin_ctzll(bits);
    weft_mutex_lock(&part->lock);
    weft_peer_t* peer = part->readers[number].end.claimant;
    weft_mutex_unlock(&part->lock);
    if (peer != NULL) {
      const weft_frame_t head =
          weft_part_slot_head(part, WEFT_SLOT_RING, weft_reader_bit(number));
      weft_crash_point("before a ring is offered");
      weft_answer_send(peer, &head, WEFT_OK,
                       weft_value_retain(part->ring_memory));
      weft_crash_point("with a ring offered");
    }
  }
}

// The one reader among bits from a peer; NULL when they are none.
static weft_part_reader_t* find_reader(weft_part_t* part, uint64_t bits) {
  if (bits == 0 || (bits & (bits - 1)) != 0) {
    return NULL;
  }
  uint32_t number = (uint32_t)__builtin_ctzll(bits);
  return number < part->reader_count ? &part->readers[number] : NULL;
}

// Takes the ring if there is none here, and has the reader have a cursor.
static bool take_ring_locked(weft_part_t* part, weft_part_reader_t* reader,
                             weft_value_t* ring, weft_value_t* cursor,
                             void* memory) {
  weft_ring_t found = find_ring(part, *ring);
  if (reader->end.state != WEFT_END_HERE || reader->cursor != NULL ||
      part->is_hub || (part->ring.head == NULL && found.head == NULL)) {
    return false;
  }
  if (part->ring.head == NULL) {
    part->ring = found;
    part->ring_memory = *ring;
    *ring = weft_none();
  }
  reader->cursor = memory;
  reader->cursor_memory = weft_value_retain(*cursor);
  return true;
}

void weft_ringed_receive_ring(weft_part_t* part, weft_peer_t* peer,
                              uint64_t bits, weft_value_t value) {
  weft_part_reader_t* reader = find_reader(part, bits);
  weft_value_t cursor = weft_none();
  void* memory = NULL;
  if (reader != NULL &&
      weft_status_ignore(share(peer->runtime, sizeof(weft_cursor_t), &cursor,
                               &memory)) == WEFT_STATUS_OK &&
      memory != NULL) {
    memset(memory, 0, sizeof(weft_cursor_t));
    weft_mutex_lock(&part->lock);
    bool takes = take_ring_locked(part, reader, &value, &cursor, memory);
    weft_mutex_unlock(&part->lock);
    if (takes) {
      weft_crash_point("before a cursor is given");
      const weft_frame_t head =
          weft_part_slot_head(part, WEFT_SLOT_CURSOR, bits);
      weft_answer_send(peer, &head, WEFT_OK, cursor);
      weft_crash_point("with a cursor given");
      cursor = weft_none();
    }
  }
  weft_value_release(cursor);
  weft_value_release(value);
}

// A reader begins with the next value.
typedef struct beginning {
  weft_part_reader_t* reader;
  weft_value_t* memory;
} beginning_t;

static bool begin_locked(weft_part_t* part, void* user) {
  const beginning_t* beginning = user;
  weft_part_reader_t* reader = beginning->reader;
  uint64_t bit = weft_reader_bit(reader->end.number);
  size_t size_bytes;
  void* cursor = find_memory(*beginning->memory, &size_bytes);
  if (cursor == NULL || size_bytes != sizeof(weft_cursor_t) ||
      (part->offered & bit) == 0 || reader->cursor != NULL ||
      part->ring.head == NULL || part->is_closed) {
    return false;
  }
  reader->cursor = cursor;
  reader->cursor_memory = *beginning->memory;
  *beginning->memory = weft_none();
  reader->low = part->written;
  part->ringed |= bit;
  // Of the new one at most; the others have more, or are asked again.
  part->place_changes++;
  return true;
}

void weft_ringed_receive_cursor(weft_part_t* part, weft_peer_t* peer,
                                uint64_t bits, weft_value_t value) {
  beginning_t beginning = {find_reader(part, bits), &value};
  if (beginning.reader != NULL) {
    const weft_frame_t head = weft_part_slot_head(part, WEFT_SLOT_BEGIN, bits);
    weft_crash_point("before a reader begins");
    // Without memory it stays with frames.
    (void)weft_places_tell(part, peer, &head, begin_locked, &beginning);
    weft_crash_point("with a reader told to begin");
  }
  weft_value_release(value);
}

weft_status_t weft_ringed_receive_begin(weft_part_t* part, uint64_t bits,
                                        uint64_t sequence) {
  weft_part_reader_t* reader = find_reader(part, bits);
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  // One that has left since counts no values any more, and the hub will know.
  bool has_left = reader != NULL && reader->end.state == WEFT_END_LEFT;
  bool is_sound = reader != NULL && reader->cursor != NULL &&
                  reader->ring_from == UINT64_MAX &&
                  (has_left || reader->arriving == sequence);
  if (is_sound && !has_left) {
    reader->ring_from = sequence;
    reader->low = sequence;
    weft_part_stir_locked(part, false, &deed);
  }
  weft_mutex_unlock(&part->lock);
  weft_crash_point("with a reader begun");
  weft_deed_do(&deed, part->allocator);
  return is_sound ? WEFT_OK
                  : weft_status_make(WEFT_STATUS_DATA_LOSS,
                                     "channel %s: a reader is to begin with "
                                     "value %llu of a ring, and cannot",
                                     part->name, (unsigned long long)sequence);
}

void weft_ringed_free(weft_part_t* part) {
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_value_release(part->readers[i].cursor_memory);
  }
  weft_value_release(part->ring_memory);
}
