// SPDX-License-Identifier: Apache-2.0
//
// Values into a ring and out of it, for the hub and for readers that read from
// it; offer.c has how they come to.

#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "channel/part.h"
#include "sys/crash_point.h"
#include "value/value_internal.h"
#include "wire/record.h"

// --- Values -----------------------------------------------------------------

static void enter_word(weft_ring_entry_t* entry, weft_ring_kind_t kind,
                       uint64_t word) {
  entry->kind = kind;
  entry->word = word;
  entry->data = &entry->word;
  entry->size_bytes = kind == WEFT_RING_NONE ? 0 : sizeof(entry->word);
}

static bool enter_text(const weft_part_t* part, weft_value_t value,
                       weft_ring_entry_t* entry) {
  const weft_string_object_t* text = weft_value_string(value);
  if (text->length_bytes > part->ring.slot_bytes) {
    return false;
  }
  entry->kind = weft_value_kind(value) == WEFT_KIND_STRING ? WEFT_RING_STRING
                                                           : WEFT_RING_BYTES;
  entry->data = text->data;
  entry->size_bytes = (uint32_t)text->length_bytes;
  return true;
}

bool weft_ringed_enter(const weft_part_t* part, weft_value_t value,
                       weft_status_t error, weft_ring_entry_t* out_entry) {
  if (error != WEFT_OK) {
    return false;
  }
  uint64_t word = 0;
  switch (weft_value_kind(value)) {
    case WEFT_KIND_NONE:
      enter_word(out_entry, WEFT_RING_NONE, 0);
      break;
    case WEFT_KIND_BOOL:
      enter_word(out_entry, WEFT_RING_BOOL, value.as.boolean ? 1 : 0);
      break;
    case WEFT_KIND_INT64:
      enter_word(out_entry, WEFT_RING_INT64, (uint64_t)value.as.int64);
      break;
    case WEFT_KIND_FLOAT64:
      memcpy(&word, &value.as.float64, sizeof(word));
      enter_word(out_entry, WEFT_RING_FLOAT64, word);
      break;
    case WEFT_KIND_STRING:
    case WEFT_KIND_BYTES:
      return enter_text(part, value, out_entry);
    default:
      return false;
  }
  return out_entry->size_bytes <= part->ring.slot_bytes;
}

bool weft_ringed_encode(const weft_part_t* part, weft_value_t value,
                        weft_status_t error, weft_encoder_t* encoder,
                        weft_ring_entry_t* out_entry) {
  weft_encoder_init(encoder, part->allocator, NULL, NULL);
  if (weft_ringed_enter(part, value, error, out_entry)) {
    return true;
  }
  // What cannot be encoded here (ends, futures) goes by a frame, or is refused
  // there with its path.
  bool fits = weft_status_ignore(
                  error != WEFT_OK ? weft_encode_status(encoder, error)
                                   : weft_encode_value(encoder, NULL, value)) ==
                  WEFT_STATUS_OK &&
              encoder->attachment_count == 0 &&
              encoder->size_bytes <= part->ring.slot_bytes;
  out_entry->kind = error != WEFT_OK ? WEFT_RING_ERROR : WEFT_RING_VALUE;
  out_entry->data = encoder->data;
  out_entry->size_bytes = fits ? (uint32_t)encoder->size_bytes : 0;
  return fits;
}

// A value that an entry of 8 bytes stands for; false for all others.
static bool read_word(const weft_ring_content_t* content,
                      weft_value_t* out_value) {
  weft_ring_kind_t kind = content->kind;
  uint64_t word = 0;
  double number;
  if (kind == WEFT_RING_NONE) {
    *out_value = weft_none();
    return true;
  }
  if (kind > WEFT_RING_FLOAT64 || content->size_bytes != sizeof(word)) {
    return false;
  }
  memcpy(&word, content->data, sizeof(word));
  memcpy(&number, &word, sizeof(number));
  *out_value = kind == WEFT_RING_BOOL    ? weft_bool(word != 0)
               : kind == WEFT_RING_INT64 ? weft_int64((int64_t)word)
                                         : weft_float64(number);
  return true;
}

// --- Bytes in the ring ------------------------------------------------------
// Long ones are not copied: they are read where they lie. A slot is the
// readers' until nobody has them any more.

// Shorter ones are copied: that is cheaper than an object more.
#define VIEW_BYTES 512

typedef struct view {
  weft_string_object_t text;
  weft_part_t* part;
  uint64_t sequence;
  // Readers that have released it.
  uint64_t bits;
} view_t;

static void view_destroy(weft_object_t* object);

static const weft_object_vtable_t view_vtable = {
    .destroy = view_destroy,
    .kind = WEFT_KIND_BYTES,
};

static view_t* view_of(const weft_channel_slot_t* slot) {
  bool is_view = weft_value_kind(slot->value) == WEFT_KIND_BYTES &&
                 slot->value.as.object->vtable == &view_vtable;
  return is_view ? (view_t*)(void*)slot->value.as.object : NULL;
}

bool weft_ringed_is_view(const weft_channel_slot_t* slot) {
  return view_of(slot) != NULL;
}

static weft_status_t make_view(weft_part_t* part, uint64_t sequence,
                               const weft_ring_content_t* content,
                               weft_value_t* out_value) {
  view_t* view = weft_memory_allocate(part->allocator, sizeof(*view));
  if (view == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to read a value of channel %s",
                            part->name);
  }
  weft_bytes_view_init(&view->text, &view_vtable, content->data,
                       content->size_bytes);
  view->part = part;
  view->sequence = sequence;
  view->bits = 0;
  weft_mutex_lock(&part->lock);
  part->users++;
  weft_mutex_unlock(&part->lock);
  *out_value = weft_object_value(&view->text.object);
  return WEFT_OK;
}

// What is in a slot. Owns: hands over a reference to either.
// Errors: DATA_LOSS and others, for what no writer puts there;
// RESOURCE_EXHAUSTED.
static weft_status_t read_entry(weft_part_t* part, uint64_t sequence,
                                const weft_ring_content_t* content,
                                weft_status_t* out_error,
                                weft_value_t* out_value) {
  const void* data = content->data;
  uint32_t size_bytes = content->size_bytes;
  switch (content->kind) {
    case WEFT_RING_STRING:
      return weft_string_create(part->allocator, data, size_bytes, out_value);
    case WEFT_RING_BYTES:
      return size_bytes < VIEW_BYTES
                 ? weft_bytes_create(part->allocator, data, size_bytes,
                                     out_value)
                 : make_view(part, sequence, content, out_value);
    case WEFT_RING_VALUE:
    case WEFT_RING_ERROR: {
      const weft_record_t record = {
          .is_error = content->kind == WEFT_RING_ERROR,
          .body = data,
          .body_bytes = size_bytes,
      };
      return weft_record_decode(part->allocator, &record, out_error, out_value);
    }
    default:
      return weft_status_make(WEFT_STATUS_DATA_LOSS,
                              "channel %s: %u bytes in a slot mean nothing",
                              part->name, size_bytes);
  }
}

// What is in a slot, encoded: a body as it is, all else is made into a value
// first. Errors: as `read_entry`.
static weft_status_t copy_entry(weft_part_t* part, uint64_t sequence,
                                const weft_ring_content_t* content,
                                weft_value_t* out_bytes) {
  weft_status_t error = WEFT_OK;
  weft_value_t value = weft_none();
  if (content->kind == WEFT_RING_VALUE || content->kind == WEFT_RING_ERROR) {
    return weft_record_wrap(part->allocator, content->kind == WEFT_RING_ERROR,
                            content->data, content->size_bytes, out_bytes);
  }
  if (!read_word(content, &value)) {
    WEFT_RETURN_IF_ERROR(read_entry(part, sequence, content, &error, &value));
  }
  weft_status_t status =
      weft_record_create(part->allocator, WEFT_OK, value, out_bytes);
  weft_value_release(value);
  return status;
}

// --- Writing ----------------------------------------------------------------

uint64_t weft_ringed_show_locked(weft_part_t* part, weft_ring_kind_t kind,
                                 uint32_t size_bytes) {
  uint64_t sequence = part->written;
  uint64_t rung = 0;
  weft_ring_show(&part->ring, sequence, kind, size_bytes);
  part->written = sequence + 1;
  for (uint64_t left = part->ringed; left != 0; left &= left - 1) {
    uint32_t number = (uint32_t)__builtin_ctzll(left);
    if (weft_cursor_waits(part->readers[number].cursor, sequence)) {
      rung |= weft_reader_bit(number);
    }
  }
  return rung;
}

uint64_t weft_ringed_put_locked(weft_part_t* part,
                                const weft_ring_entry_t* entry) {
  void* place = weft_ring_place(&part->ring, part->written);
  weft_crash_point("before a slot is filled");
  if (entry->size_bytes == sizeof(uint64_t)) {
    memcpy(place, entry->data, sizeof(uint64_t));
  } else if (entry->size_bytes > 0) {
    memcpy(place, entry->data, entry->size_bytes);
  }
  return weft_ringed_show_locked(part, entry->kind, entry->size_bytes);
}

static uint64_t low_of(weft_part_reader_t* reader) {
  uint64_t low = weft_cursor_low(reader->cursor);
  // What was released stays so, whatever the reader's process says.
  reader->low = low > reader->low ? low : reader->low;
  return reader->low;
}

// The value that has to be released before the next one is written; false when
// that needs none.
static bool find_needed(const weft_part_t* part, uint64_t* out_sequence) {
  *out_sequence = part->written - part->slot_count;
  return part->written >= part->slot_count;
}

uint64_t weft_ringed_holders_locked(weft_part_t* part) {
  uint64_t needed;
  if (part->ringed == 0 || !find_needed(part, &needed) ||
      part->ring_low > needed) {
    return 0;
  }
  uint64_t holders = 0;
  uint64_t lowest = UINT64_MAX;
  for (uint64_t left = part->ringed; left != 0; left &= left - 1) {
    uint32_t number = (uint32_t)__builtin_ctzll(left);
    uint64_t low = low_of(&part->readers[number]);
    holders |= low <= needed ? weft_reader_bit(number) : 0;
    lowest = low < lowest ? low : lowest;
  }
  part->ring_low = lowest;
  return holders;
}

// --- Reading ----------------------------------------------------------------

static bool reads_from_ring(const weft_part_reader_t* reader) {
  return reader->next >= reader->ring_from;
}

bool weft_ringed_has_locked(const weft_part_reader_t* reader) {
  weft_ring_content_t content = {.kind = WEFT_RING_NONE};
  return reads_from_ring(reader) &&
         weft_ring_look(&reader->end.part->ring, reader->next, &content) !=
             WEFT_RING_EMPTY &&
         content.kind != WEFT_RING_FRAME;
}

// Whether what comes next comes by a frame.
static bool comes_by_frame(const weft_part_reader_t* reader) {
  weft_ring_content_t content = {.kind = WEFT_RING_NONE};
  return !reads_from_ring(reader) ||
         (weft_ring_look(&reader->end.part->ring, reader->next, &content) ==
              WEFT_RING_SHOWN &&
          content.kind == WEFT_RING_FRAME);
}

void weft_ringed_decoded_locked(weft_channel_slot_t* slot, weft_status_t* error,
                                weft_value_t* value) {
  if (slot->is_encoded) {
    slot->is_encoded = false;
    slot->value = *value;
    slot->error = *error;
    *value = weft_none();
    *error = WEFT_OK;
  }
}

// Has the slot be that of the next value of a reader.
static weft_status_t enter_slot_locked(weft_part_reader_t* reader) {
  weft_part_t* part = reader->end.part;
  weft_channel_slot_t* slot = weft_part_slot(part, reader->next);
  uint64_t bit = weft_reader_bit(reader->end.number);
  if (slot->holders != 0) {
    bool is_same = slot->sequence == reader->next;
    slot->holders |= is_same ? bit : 0;
    return is_same ? WEFT_OK
                   : weft_status_make(
                         WEFT_STATUS_DATA_LOSS,
                         "channel %s: value %llu is there before value %llu "
                         "was released",
                         part->name, (unsigned long long)reader->next,
                         (unsigned long long)slot->sequence);
  }
  slot->is_encoded = true;
  slot->sequence = reader->next;
  slot->holders = bit;
  return WEFT_OK;
}

// What the writer's process has done no writer does: no more is read.
static void give_up_locked(weft_part_t* part, weft_status_t why) {
  weft_peer_t* hub = part->hub;
  weft_mutex_unlock(&part->lock);
  weft_part_close(part, weft_status_retain(why), true);
  if (hub != NULL) {
    weft_peer_break(hub, weft_status_retain(why));
  }
  weft_mutex_lock(&part->lock);
}

static weft_status_t look_locked(const weft_part_reader_t* reader,
                                 weft_ring_content_t* out_content) {
  const weft_part_t* part = reader->end.part;
  return weft_ring_look(&part->ring, reader->next, out_content) ==
                 WEFT_RING_SHOWN
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_DATA_LOSS,
                                "channel %s: value %llu was overwritten before "
                                "reader %u had read it",
                                part->name, (unsigned long long)reader->next,
                                reader->end.number);
}

// What cannot be read is the end, but for a lack of memory.
static weft_status_t settle_locked(weft_part_t* part, weft_status_t status) {
  if (status != WEFT_OK &&
      weft_status_code(status) != WEFT_STATUS_RESOURCE_EXHAUSTED) {
    give_up_locked(part, status);
  }
  return status;
}

weft_status_t weft_ringed_fetch_locked(weft_part_reader_t* reader,
                                       weft_value_t* out_bytes) {
  weft_part_t* part = reader->end.part;
  if (weft_part_has_locked(reader, reader->next)) {
    return WEFT_OK;
  }
  weft_ring_content_t content;
  weft_value_t value = weft_none();
  weft_status_t error = WEFT_OK;
  weft_status_t status = look_locked(reader, &content);
  weft_crash_point("with a value found");
  if (status == WEFT_OK &&
      (out_bytes != NULL || !read_word(&content, &value))) {
    weft_mutex_unlock(&part->lock);
    status = out_bytes != NULL
                 ? copy_entry(part, reader->next, &content, out_bytes)
                 : read_entry(part, reader->next, &content, &error, &value);
    weft_mutex_lock(&part->lock);
  }
  status = status == WEFT_OK ? enter_slot_locked(reader) : status;
  if (status == WEFT_OK && out_bytes == NULL) {
    // Unless another reader has done so by now.
    weft_ringed_decoded_locked(weft_part_slot(part, reader->next), &error,
                               &value);
  }
  if (weft_value_is_counted(value) || error != WEFT_OK) {
    weft_mutex_unlock(&part->lock);
    weft_value_release(value);
    weft_status_release(error);
    weft_mutex_lock(&part->lock);
  }
  weft_crash_point("with a value read");
  return settle_locked(part, status);
}

// Whether a reader still has a value that it has read.
static bool holds(const weft_part_reader_t* reader, uint64_t sequence) {
  const weft_channel_slot_t* slot = weft_part_slot(reader->end.part, sequence);
  return slot->sequence == sequence &&
         ((slot->holders | slot->viewed) &
          weft_reader_bit(reader->end.number)) != 0;
}

static void pass_locked(weft_part_reader_t* reader, uint64_t sequence) {
  weft_part_t* part = reader->end.part;
  uint64_t before = reader->low;
  if (sequence != before) {
    // The cursor passes it with those before it.
    return;
  }
  do {
    reader->low++;
  } while (reader->low < reader->next && !holds(reader, reader->low));
  if (!weft_part_is_forked(part)) {
    part->is_bell_due |=
        weft_cursor_release(reader->cursor, &part->ring, before, reader->low);
  }
}

uint64_t weft_ringed_release_locked(weft_part_t* part,
                                    weft_channel_slot_t* slot, uint64_t bits) {
  uint64_t released = 0;
  view_t* view = view_of(slot);
  for (uint64_t left = bits; left != 0; left &= left - 1) {
    uint32_t number = (uint32_t)__builtin_ctzll(left);
    if (slot->sequence < part->readers[number].ring_from) {
      continue;
    }
    released |= weft_reader_bit(number);
    if (view == NULL) {
      pass_locked(&part->readers[number], slot->sequence);
    }
  }
  if (view != NULL) {
    view->bits |= released;
    slot->viewed |= released;
  }
  return released;
}

// Nobody has the bytes any more: those who had released them have now.
static void view_destroy(weft_object_t* object) {
  view_t* view = (view_t*)(void*)object;
  weft_part_t* part = view->part;
  const weft_allocator_t* allocator = part->allocator;
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  weft_part_slot(part, view->sequence)->viewed &= ~view->bits;
  for (uint64_t left = view->bits; left != 0; left &= left - 1) {
    weft_part_reader_t* reader = &part->readers[__builtin_ctzll(left)];
    pass_locked(reader, view->sequence);
    weft_part_end_lease_locked(reader, &deed);
  }
  weft_feed_tell_locked(part, &deed);
  weft_part_leave_and_unlock(part);
  weft_deed_do(&deed, allocator);
  weft_memory_free(allocator, view, sizeof(*view));
}

// --- Waiting ----------------------------------------------------------------

bool weft_ringed_announce_locked(weft_part_t* part,
                                 const weft_part_reader_t* reader) {
  uint64_t needed;
  if (reader != NULL && reads_from_ring(reader)) {
    weft_cursor_announce(reader->cursor, reader->next);
    return true;
  }
  if (reader == NULL && part->ringed != 0 && find_needed(part, &needed)) {
    weft_ring_announce(&part->ring, needed);
    return true;
  }
  return false;
}

static bool is_written(const weft_watch_t* watch) {
  const weft_ring_watch_t* self =
      WEFT_CONST_CONTAINER_OF(watch, weft_ring_watch_t, watch);
  return weft_ring_is_shown(&self->ring, self->sequence);
}

static bool announce_read(weft_watch_t* watch) {
  const weft_ring_watch_t* self =
      WEFT_CONTAINER_OF(watch, weft_ring_watch_t, watch);
  weft_cursor_announce(self->cursor, self->sequence);
  return is_written(watch);
}

static bool is_released(const weft_watch_t* watch) {
  const weft_ring_watch_t* self =
      WEFT_CONST_CONTAINER_OF(watch, weft_ring_watch_t, watch);
  return weft_cursor_low(self->cursor) > self->sequence;
}

static bool announce_write(weft_watch_t* watch) {
  const weft_ring_watch_t* self =
      WEFT_CONTAINER_OF(watch, weft_ring_watch_t, watch);
  weft_ring_announce(&self->ring, self->sequence);
  return is_released(watch);
}

weft_watch_t* weft_ringed_watch_locked(weft_part_t* part,
                                       const weft_part_reader_t* reader,
                                       weft_ring_watch_t* watch) {
  watch->ring = part->ring;
  if (reader != NULL) {
    if (comes_by_frame(reader)) {
      return NULL;
    }
    watch->watch = (weft_watch_t){is_written, announce_read};
    watch->cursor = reader->cursor;
    watch->sequence = reader->next;
    return &watch->watch;
  }
  uint64_t holders = weft_ringed_holders_locked(part);
  if (holders == 0) {
    return NULL;
  }
  // Of several the first: once it has released the value most of the others
  // have, too.
  watch->watch = (weft_watch_t){is_released, announce_write};
  watch->cursor = part->readers[__builtin_ctzll(holders)].cursor;
  (void)find_needed(part, &watch->sequence);
  return &watch->watch;
}
