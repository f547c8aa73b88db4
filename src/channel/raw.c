// SPDX-License-Identifier: Apache-2.0
//
// What is encoded, written and read as it is. A slot of the ring that has a
// body is what is between the head and the end of an encoded value; all else is
// decoded to be written, and encoded to be read.

#include <string.h>

#include "channel/part.h"
#include "wire/record.h"

// --- Writing ----------------------------------------------------------------

// Whether a body goes into the ring as it is, if it is sound. All that has to
// know the value itself says no here.
static bool passes_locked(const weft_part_t* part,
                          const weft_record_t* record) {
  return weft_ringed_is_all_locked(part) && !part->is_static &&
         !record->is_error && record->attachment_count == 0 &&
         record->body_bytes <= part->ring.slot_bytes;
}

// Copies a body to where readers will look, and looks at it there: nobody else
// can change it any more.
static bool fill(weft_part_t* part, const weft_record_t* record) {
  void* place = weft_ring_place(&part->ring, part->written);
  memcpy(place, record->body, record->body_bytes);
  return weft_body_is_plain(place, record->body_bytes);
}

static weft_status_t write_decoded(weft_writer_t* writer,
                                   const weft_record_t* record,
                                   int64_t deadline_ns) {
  weft_status_t error = WEFT_OK;
  weft_value_t value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_record_decode(
      weft_part_of_writer(writer)->allocator, record, &error, &value));
  weft_status_t status =
      writer->vtable->write(writer, value, error, deadline_ns);
  weft_value_release(value);
  weft_status_release(error);
  return status;
}

weft_status_t weft_part_write_encoded(weft_writer_t* writer, const void* data,
                                      size_t size_bytes, int64_t deadline_ns) {
  weft_part_t* part = weft_part_of_writer(writer);
  weft_record_t record;
  WEFT_RETURN_IF_ERROR(weft_part_check_unreserved(part));
  WEFT_RETURN_IF_ERROR(weft_record_open(data, size_bytes, &record));
  weft_mutex_lock(&part->lock);
  weft_status_t status = weft_part_await_write_locked(part, deadline_ns);
  bool passes = status == WEFT_OK && passes_locked(part, &record);
  weft_mutex_unlock(&part->lock);
  WEFT_RETURN_IF_ERROR(status);
  return passes && fill(part, &record)
             ? weft_part_show(part, WEFT_RING_VALUE, record.body_bytes)
             : write_decoded(writer, &record, deadline_ns);
}

// --- Reading ----------------------------------------------------------------

// Encodes what is in the slot of the next value. The lock is given back
// meanwhile, so whether it is still to be read is asked again.
static weft_status_t encode_slot_locked(weft_part_reader_t* reader,
                                        weft_value_t* out_bytes) {
  weft_part_t* part = reader->end.part;
  const weft_channel_slot_t* slot = weft_part_slot(part, reader->next);
  weft_value_t value = weft_value_retain(slot->value);
  weft_status_t error = weft_status_retain(slot->error);
  weft_mutex_unlock(&part->lock);
  weft_status_t status =
      weft_record_create(part->allocator, error, value, out_bytes);
  weft_value_release(value);
  weft_status_release(error);
  weft_mutex_lock(&part->lock);
  return status == WEFT_OK ? weft_part_check_locked(part, reader) : status;
}

weft_status_t weft_part_read_encoded(weft_reader_t* base, int64_t deadline_ns,
                                     weft_lease_t* out_lease) {
  weft_part_reader_t* reader = weft_part_reader_of(base);
  weft_part_t* part = reader->end.part;
  weft_value_t bytes = weft_none();
  weft_mutex_lock(&part->lock);
  weft_status_t status = weft_part_await_read_locked(reader, deadline_ns);
  if (status == WEFT_OK) {
    status = weft_ringed_fetch_locked(reader, &bytes);
  }
  if (status == WEFT_OK && weft_value_kind(bytes) == WEFT_KIND_NONE) {
    status = encode_slot_locked(reader, &bytes);
  }
  if (status == WEFT_OK) {
    weft_part_take_locked(reader, out_lease);
    weft_lease_set_encoded(out_lease, bytes);
  }
  weft_mutex_unlock(&part->lock);
  if (status != WEFT_OK) {
    weft_value_release(bytes);
  }
  return status;
}
