// SPDX-License-Identifier: Apache-2.0
//
// The ends of a channel: writing and reading at a part.

#include "base/memory.h"
#include "base/runtime.h"
#include "channel/part.h"
#include "sys/crash_point.h"
#include "value/value_internal.h"

// --- Ends -------------------------------------------------------------------

weft_status_t weft_part_add_handle(weft_part_t* part, weft_end_t* end,
                                   weft_object_t** out_handle) {
  bool is_writer = end->number == WEFT_END_WRITER;
  size_t size_bytes =
      is_writer ? sizeof(weft_writer_handle_t) : sizeof(weft_reader_handle_t);
  void* block = weft_memory_allocate(part->allocator, size_bytes);
  *out_handle = NULL;
  if (block == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for an end of channel %s", part->name);
  }
  if (is_writer) {
    weft_writer_handle_t* handle = block;
    weft_writer_init(&handle->base, &weft_part_writer_vtable);
    handle->part = part;
    *out_handle = &handle->base.object;
  } else {
    weft_reader_handle_t* handle = block;
    weft_reader_init(&handle->base, &weft_part_reader_vtable, part->allocator);
    handle->reader = &part->readers[end->number];
    *out_handle = &handle->base.object;
  }
  weft_mutex_lock(&part->lock);
  end->handles++;
  part->users++;
  weft_mutex_unlock(&part->lock);
  return WEFT_OK;
}

// Whoever runs here uses the end from now on.
static weft_status_t open_end(weft_part_t* part, weft_end_t* end) {
  WEFT_RETURN_IF_ERROR(weft_travel_claim(part, end));
  // Relaxed: compared only.
  atomic_store_explicit(&end->owner, weft_thread_self.activity,
                        memory_order_relaxed);
  return WEFT_OK;
}

// Has the end be used here. The lock is held, and given back meanwhile.
static weft_status_t use_locked(weft_part_t* part, weft_end_t* end) {
  if (end->state == WEFT_END_HERE) {
    return WEFT_OK;
  }
  weft_mutex_unlock(&part->lock);
  weft_status_t status = weft_travel_claim(part, end);
  weft_mutex_lock(&part->lock);
  return status;
}

// --- The writer -------------------------------------------------------------

weft_status_t weft_part_await_write_locked(weft_part_t* part,
                                           int64_t deadline_ns) {
  WEFT_RETURN_IF_ERROR(use_locked(part, &part->writer_end));
  return weft_part_await_locked(part, NULL, deadline_ns);
}

// Puts a value into the next slot, if that can be: `status` says so, and is
// returned else. Gives the lock back. Borrows both.
static weft_status_t put_and_unlock(weft_part_t* part, weft_status_t status,
                                    weft_value_t value, weft_status_t error,
                                    int64_t deadline_ns) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  bool is_over = status != WEFT_OK || weft_dlist_is_empty(&part->places);
  weft_ring_entry_t entry;
  uint64_t bells = 0;
  if (status == WEFT_OK && is_over) {
    weft_part_put_locked(part, part->written, part->present,
                         weft_value_retain(value), weft_status_retain(error),
                         &deed);
  } else if (!is_over && weft_ringed_is_all_locked(part) &&
             weft_ringed_enter(part, value, error, &entry)) {
    bells = weft_ringed_put_locked(part, &entry);
    is_over = true;
  }
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  if (bells != 0) {
    weft_places_ring_bells(part, bells);
  }
  return is_over ? status : weft_stage_write(part, value, error, deadline_ns);
}

weft_status_t weft_part_check_unreserved(const weft_part_t* part) {
  return part->reserved_bytes == 0
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                                "channel %s: a reserved slot is to be "
                                "committed or abandoned first",
                                part->name);
}

static weft_status_t part_write(weft_writer_t* writer, weft_value_t value,
                                weft_status_t error, int64_t deadline_ns) {
  weft_part_t* part = weft_part_of_writer(writer);
  WEFT_RETURN_IF_ERROR(weft_part_check_unreserved(part));
  weft_value_t first;
  WEFT_RETURN_IF_ERROR(weft_agree_on(part, value, error, &first));
  weft_mutex_lock(&part->lock);
  weft_status_t status = weft_part_await_write_locked(part, deadline_ns);
  status = put_and_unlock(part, status, value, error, deadline_ns);
  weft_agree_written(part, first, status == WEFT_OK);
  return status;
}

static weft_status_t part_reserve(weft_writer_t* writer, size_t size_bytes,
                                  int64_t deadline_ns, void** out_data) {
  weft_part_t* part = weft_part_of_writer(writer);
  if (part->reserved_bytes > 0) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "channel %s: %zu bytes are reserved already",
                            part->name, part->reserved_bytes);
  }
  weft_mutex_lock(&part->lock);
  weft_status_t status = weft_part_await_write_locked(part, deadline_ns);
  // Readers of the ring are all that there are, and will be; and bytes need no
  // look at what was agreed.
  bool in_ring = status == WEFT_OK && weft_ringed_is_all_locked(part) &&
                 !part->is_static && size_bytes <= part->ring.slot_bytes;
  weft_mutex_unlock(&part->lock);
  WEFT_RETURN_IF_ERROR(status);
  if (in_ring) {
    *out_data = weft_ring_place(&part->ring, part->written);
    part->is_reserved_in_ring = true;
    part->reserved_bytes = size_bytes;
    weft_crash_point("with a slot reserved");
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_bytes_create_open(part->allocator, size_bytes,
                                              &part->reserved, out_data));
  part->reserved_bytes = size_bytes;
  return WEFT_OK;
}

static void part_abandon(weft_writer_t* writer) {
  weft_part_t* part = weft_part_of_writer(writer);
  weft_value_t taken = part->reserved;
  part->reserved = weft_none();
  part->reserved_bytes = 0;
  part->is_reserved_in_ring = false;
  weft_value_release(taken);
}

weft_status_t weft_part_show(weft_part_t* part, weft_ring_kind_t kind,
                             size_t size_bytes) {
  uint64_t bells = 0;
  weft_mutex_lock(&part->lock);
  weft_status_t status = weft_part_check_locked(part, NULL);
  if (status == WEFT_OK) {
    bells = weft_ringed_show_locked(part, kind, (uint32_t)size_bytes);
  }
  weft_mutex_unlock(&part->lock);
  if (bells != 0) {
    weft_places_ring_bells(part, bells);
  }
  return status;
}

// The first bytes of what was reserved.
static weft_status_t shorten(weft_part_t* part, size_t size_bytes) {
  const void* data = NULL;
  size_t length_bytes = 0;
  weft_value_t shorter = weft_none();
  WEFT_RETURN_IF_ERROR(
      weft_value_as_bytes(part->reserved, &data, &length_bytes));
  WEFT_RETURN_IF_ERROR(
      weft_bytes_create(part->allocator, data, size_bytes, &shorter));
  weft_value_release(part->reserved);
  part->reserved = shorter;
  return WEFT_OK;
}

static weft_status_t part_commit(weft_writer_t* writer, size_t size_bytes) {
  weft_part_t* part = weft_part_of_writer(writer);
  if (part->reserved_bytes == 0) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "channel %s: nothing is reserved", part->name);
  }
  if (size_bytes > part->reserved_bytes) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "channel %s: %zu bytes are reserved, not %zu",
                            part->name, part->reserved_bytes, size_bytes);
  }
  if (part->is_reserved_in_ring) {
    weft_status_t shown = weft_part_show(part, WEFT_RING_BYTES, size_bytes);
    part_abandon(writer);
    return shown;
  }
  if (size_bytes < part->reserved_bytes) {
    WEFT_RETURN_IF_ERROR(shorten(part, size_bytes));
  }
  weft_value_t first;
  WEFT_RETURN_IF_ERROR(weft_agree_on(part, part->reserved, WEFT_OK, &first));
  weft_mutex_lock(&part->lock);
  weft_status_t status =
      put_and_unlock(part, weft_part_check_locked(part, NULL), part->reserved,
                     WEFT_OK, WEFT_TIME_NOW);
  weft_agree_written(part, first, status == WEFT_OK);
  part_abandon(writer);
  return status;
}

static void part_close(weft_writer_t* writer, weft_status_t reason) {
  weft_part_t* part = weft_part_of_writer(writer);
  bool at_once = reason != WEFT_OK;
  weft_status_t claimed = weft_travel_claim(part, &part->writer_end);
  if (claimed != WEFT_OK) {
    // It is somebody else's to close.
    weft_status_release(claimed);
    weft_status_release(reason);
    return;
  }
  weft_part_close(
      part, at_once ? reason : weft_part_closed_status(part, "it was closed"),
      at_once);
}

static void part_writer_leave(weft_writer_t* writer) {
  weft_part_t* part = weft_part_of_writer(writer);
  part_abandon(writer);
  weft_writer_handle_t* handle =
      WEFT_CONTAINER_OF(writer, weft_writer_handle_t, base);
  if (handle != &part->writer) {
    weft_memory_free(part->allocator, handle, sizeof(*handle));
  }
  weft_travel_release_handle(part, &part->writer_end);
}

static weft_status_t part_write_ready(weft_writer_t* writer,
                                      weft_future_t** out_future) {
  weft_part_t* part = weft_part_of_writer(writer);
  WEFT_RETURN_IF_ERROR(weft_travel_claim(part, &part->writer_end));
  return weft_part_ask_ready(part, NULL, false, out_future);
}

static weft_status_t part_writer_opened(weft_writer_t* writer) {
  weft_part_t* part = weft_part_of_writer(writer);
  return open_end(part, &part->writer_end);
}

const weft_writer_vtable_t weft_part_writer_vtable = {
    .leave = part_writer_leave,
    .opened = part_writer_opened,
    .write = part_write,
    .write_encoded = weft_part_write_encoded,
    .reserve = part_reserve,
    .commit = part_commit,
    .abandon = part_abandon,
    .close = part_close,
    .ready = part_write_ready,
};

// --- Readers ----------------------------------------------------------------

weft_status_t weft_part_await_read_locked(weft_part_reader_t* reader,
                                          int64_t deadline_ns) {
  weft_part_t* part = reader->end.part;
  WEFT_RETURN_IF_ERROR(use_locked(part, &reader->end));
  return weft_part_await_locked(part, reader, deadline_ns);
}

void weft_part_take_locked(weft_part_reader_t* reader,
                           weft_lease_t* out_lease) {
  weft_part_t* part = reader->end.part;
  const weft_channel_slot_t* slot = weft_part_slot(part, reader->next);
  *out_lease = (weft_lease_t){
      .reader = &reader->handle.base,
      .sequence = reader->next,
      .status = slot->error,
      .value = slot->value,
  };
  reader->next++;
  reader->leases++;
  part->users++;
}

static weft_status_t part_read(weft_reader_t* base, int64_t deadline_ns,
                               weft_lease_t* out_lease) {
  weft_part_reader_t* reader = weft_part_reader_of(base);
  weft_part_t* part = reader->end.part;
  weft_mutex_lock(&part->lock);
  weft_status_t status = weft_part_await_read_locked(reader, deadline_ns);
  if (status == WEFT_OK) {
    status = weft_ringed_fetch_locked(reader, NULL);
  }
  if (status == WEFT_OK) {
    weft_part_take_locked(reader, out_lease);
  }
  weft_mutex_unlock(&part->lock);
  return status;
}

static void part_give_back(const weft_lease_t* lease) {
  weft_part_reader_t* reader = weft_part_reader_of(lease->reader);
  weft_part_t* part = reader->end.part;
  const weft_allocator_t* allocator = part->allocator;
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  weft_channel_slot_t* slot = weft_part_slot(part, lease->sequence);
  // The bytes end it, if that is what it is of.
  bool is_view = weft_ringed_is_view(slot);
  weft_part_give_back_locked(part, slot, weft_reader_bit(reader->end.number),
                             &deed);
  if (!is_view) {
    weft_part_end_lease_locked(reader, &deed);
  }
  weft_part_leave_and_unlock(part);
  weft_deed_do(&deed, allocator);
}

static void part_reader_leave(weft_reader_t* base) {
  weft_part_reader_t* reader = weft_part_reader_of(base);
  weft_part_t* part = reader->end.part;
  weft_reader_handle_t* handle =
      WEFT_CONTAINER_OF(base, weft_reader_handle_t, base);
  if (handle != &reader->handle) {
    weft_memory_free(part->allocator, handle, sizeof(*handle));
  }
  weft_travel_release_handle(part, &reader->end);
}

static weft_status_t part_read_ready(weft_reader_t* base, bool is_now,
                                     weft_future_t** out_future) {
  weft_part_reader_t* reader = weft_part_reader_of(base);
  WEFT_RETURN_IF_ERROR(weft_travel_claim(reader->end.part, &reader->end));
  return weft_part_ask_ready(reader->end.part, reader, is_now, out_future);
}

static weft_status_t part_reader_opened(weft_reader_t* base) {
  weft_part_reader_t* reader = weft_part_reader_of(base);
  return open_end(reader->end.part, &reader->end);
}

const weft_reader_vtable_t weft_part_reader_vtable = {
    .leave = part_reader_leave,
    .opened = part_reader_opened,
    .read = part_read,
    .unread = weft_part_unread,
    .share = weft_part_share,
    .unshare = weft_part_unshare,
    .runtime = weft_part_runtime,
    .read_encoded = weft_part_read_encoded,
    .give_back = part_give_back,
    .ready = part_read_ready,
};

// --- Creating ---------------------------------------------------------------

static void begin_end_locked(weft_part_t* part, weft_end_t* end) {
  weft_part_set_state_locked(part, end, WEFT_END_IDLE);
  end->handles = 1;
  part->users++;
}

weft_status_t weft_local_create(weft_runtime_t* runtime,
                                const weft_channel_options_t* options,
                                weft_writer_t** out_writer,
                                weft_reader_t** out_readers) {
  weft_part_t* part;
  WEFT_RETURN_IF_ERROR(weft_part_create(runtime, options, &part));
  part->is_hub = true;
  part->index = weft_channels_index(runtime);
  weft_status_t status = weft_channels_add(runtime, &part->node);
  weft_mutex_lock(&part->lock);
  if (status == WEFT_OK) {
    begin_end_locked(part, &part->writer_end);
    *out_writer = &part->writer.base;
    for (uint32_t i = 0; i < options->reader_count; i++) {
      begin_end_locked(part, &part->readers[i].end);
      out_readers[i] = &part->readers[i].handle.base;
    }
  }
  weft_part_leave_and_unlock(part);
  return status;
}
