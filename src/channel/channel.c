// SPDX-License-Identifier: Apache-2.0

#include "channel/channel.h"

#include "base/memory.h"
#include "base/runtime.h"
#include "sys/sys.h"

#define SLOTS_DEFAULT 2
// With its head a slot is 256 bytes then.
#define SLOT_BYTES_DEFAULT 240

// --- Ends -------------------------------------------------------------------

static void leave(weft_object_t* object) {
  if (object->extra == WEFT_CHANNEL_WRITER) {
    weft_writer_t* writer = (weft_writer_t*)(void*)object;
    writer->vtable->leave(writer);
  } else {
    weft_reader_t* reader = (weft_reader_t*)(void*)object;
    weft_move_release(reader->unfinished);
    reader->unfinished = NULL;
    reader->vtable->leave(reader);
  }
}

static const weft_object_vtable_t end_vtable = {
    .destroy = leave,
    .kind = WEFT_KIND_CHANNEL_END,
};

void weft_writer_init(weft_writer_t* writer,
                      const weft_writer_vtable_t* vtable) {
  weft_object_init(&writer->object, &end_vtable, 1);
  writer->object.extra = WEFT_CHANNEL_WRITER;
  writer->vtable = vtable;
}

void weft_reader_init(weft_reader_t* reader, const weft_reader_vtable_t* vtable,
                      const weft_allocator_t* allocator) {
  weft_object_init(&reader->object, &end_vtable, 1);
  reader->object.extra = WEFT_CHANNEL_READER;
  reader->vtable = vtable;
  reader->allocator = allocator;
  reader->unfinished = NULL;
}

weft_value_t weft_writer_value(weft_writer_t* writer) {
  weft_object_retain(&writer->object);
  return weft_object_value(&writer->object);
}

weft_value_t weft_reader_value(weft_reader_t* reader) {
  weft_object_retain(&reader->object);
  return weft_object_value(&reader->object);
}

static weft_status_t expect_end(weft_value_t end, weft_channel_role_t role) {
  const char* wanted = role == WEFT_CHANNEL_WRITER ? "writer" : "reader";
  const char* other = role == WEFT_CHANNEL_WRITER ? "reader" : "writer";
  if (end.kind != WEFT_KIND_CHANNEL_END) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the value is of kind %s, not the end of a channel",
                            weft_kind_name(weft_value_kind(end)));
  }
  if (end.as.object->extra != (uint32_t)role) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "this is a %s's end of a channel, not a %s's",
                            other, wanted);
  }
  return WEFT_OK;
}

weft_status_t weft_writer_open(weft_value_t end, weft_writer_t** out_writer) {
  *out_writer = NULL;
  WEFT_RETURN_IF_ERROR(expect_end(end, WEFT_CHANNEL_WRITER));
  weft_writer_t* writer = (weft_writer_t*)(void*)end.as.object;
  WEFT_RETURN_IF_ERROR(writer->vtable->opened(writer));
  weft_object_retain(&writer->object);
  *out_writer = writer;
  return WEFT_OK;
}

weft_status_t weft_reader_open(weft_value_t end, weft_reader_t** out_reader) {
  *out_reader = NULL;
  WEFT_RETURN_IF_ERROR(expect_end(end, WEFT_CHANNEL_READER));
  weft_reader_t* reader = (weft_reader_t*)(void*)end.as.object;
  if (reader->vtable->opened != NULL) {
    WEFT_RETURN_IF_ERROR(reader->vtable->opened(reader));
  }
  weft_object_retain(&reader->object);
  *out_reader = reader;
  return WEFT_OK;
}

void weft_writer_release(weft_writer_t* writer) {
  if (writer != NULL) {
    weft_object_release(&writer->object);
  }
}

void weft_reader_release(weft_reader_t* reader) {
  if (reader != NULL) {
    weft_object_release(&reader->object);
  }
}

// --- Creating ---------------------------------------------------------------

static weft_status_t check(const char* what, uint32_t count, uint32_t limit) {
  return count <= limit
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                "a channel has at most %u %s, not %u", limit,
                                what, count);
}

weft_status_t weft_channel_create(weft_runtime_t* runtime,
                                  const weft_channel_options_t* options,
                                  weft_writer_t** out_writer,
                                  weft_reader_t** out_readers) {
  weft_channel_options_t whole = {.name = NULL};
  if (options != NULL) {
    whole = *options;
  }
  whole.name = whole.name != NULL ? whole.name : "channel";
  whole.reader_count = whole.reader_count > 0 ? whole.reader_count : 1;
  whole.slot_count = whole.slot_count > 0 ? whole.slot_count : SLOTS_DEFAULT;
  whole.slot_bytes =
      whole.slot_bytes > 0 ? whole.slot_bytes : SLOT_BYTES_DEFAULT;
  *out_writer = NULL;
  WEFT_RETURN_IF_ERROR(
      check("readers", whole.reader_count, WEFT_CHANNEL_READER_LIMIT));
  for (uint32_t i = 0; i < whole.reader_count; i++) {
    out_readers[i] = NULL;
  }
  WEFT_RETURN_IF_ERROR(
      check("slots", whole.slot_count, WEFT_CHANNEL_SLOT_LIMIT));
  if (whole.slot_bytes != WEFT_CHANNEL_NO_RING) {
    WEFT_RETURN_IF_ERROR(
        check("bytes a slot", whole.slot_bytes, WEFT_CHANNEL_SLOT_BYTES_LIMIT));
  }
  return weft_local_create(runtime, &whole, out_writer, out_readers);
}

// --- Writing and reading ----------------------------------------------------

// The deadline of a wait in the work at hand.
static int64_t cut(int64_t deadline_ns) {
  int64_t work_ns = weft_work_deadline_ns();
  return work_ns < deadline_ns ? work_ns : deadline_ns;
}

weft_status_t weft_channel_check_work(weft_runtime_t* runtime) {
  int64_t deadline_ns = weft_work_deadline_ns();
  if (weft_work_is_cancelled()) {
    return weft_status_make(WEFT_STATUS_CANCELLED,
                            "the work that uses the channel was cancelled");
  }
  bool is_late = deadline_ns != WEFT_TIME_INFINITE && runtime != NULL &&
                 deadline_ns <= weft_runtime_now_ns(runtime);
  return is_late ? weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                                    "the work that uses the channel is past "
                                    "its deadline")
                 : WEFT_OK;
}

weft_status_t weft_writer_write(weft_writer_t* writer, weft_value_t value,
                                int64_t deadline_ns) {
  return writer->vtable->write(writer, value, WEFT_OK, cut(deadline_ns));
}

weft_status_t weft_writer_fail(weft_writer_t* writer, weft_status_t error,
                               int64_t deadline_ns) {
  if (error == WEFT_OK) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "an error is to be written, and this is none");
  }
  return writer->vtable->write(writer, weft_none(), error, cut(deadline_ns));
}

weft_status_t weft_writer_write_encoded(weft_writer_t* writer, const void* data,
                                        size_t size_bytes,
                                        int64_t deadline_ns) {
  return writer->vtable->write_encoded(writer, data, size_bytes,
                                       cut(deadline_ns));
}

weft_status_t weft_writer_reserve(weft_writer_t* writer, size_t size_bytes,
                                  int64_t deadline_ns, void** out_data) {
  *out_data = NULL;
  if (size_bytes == 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "at least one byte can be reserved");
  }
  return writer->vtable->reserve(writer, size_bytes, cut(deadline_ns),
                                 out_data);
}

weft_status_t weft_writer_commit(weft_writer_t* writer, size_t size_bytes) {
  return writer->vtable->commit(writer, size_bytes);
}

void weft_writer_abandon(weft_writer_t* writer) {
  writer->vtable->abandon(writer);
}

void weft_writer_close(weft_writer_t* writer, weft_status_t reason) {
  writer->vtable->close(writer, reason);
}

weft_status_t weft_writer_ready(weft_writer_t* writer,
                                weft_future_t** out_future) {
  *out_future = NULL;
  return writer->vtable->ready(writer, out_future);
}

weft_status_t weft_reader_read(weft_reader_t* reader, int64_t deadline_ns,
                               weft_lease_t* out_lease) {
  *out_lease = (weft_lease_t){.reader = NULL};
  return reader->vtable->read(reader, cut(deadline_ns), out_lease);
}

weft_status_t weft_reader_read_into(weft_reader_t* reader,
                                    const weft_destination_t* destination,
                                    int64_t deadline_ns,
                                    weft_lease_t* out_lease) {
  weft_lease_t lease = {.reader = NULL};
  *out_lease = lease;
  deadline_ns = cut(deadline_ns);
  WEFT_RETURN_IF_ERROR(reader->vtable->read(reader, deadline_ns, &lease));
  weft_status_t status =
      weft_channel_receive(reader, destination, deadline_ns, &lease);
  if (status != WEFT_OK) {
    reader->vtable->unread(&lease);
    return status;
  }
  *out_lease = lease;
  return WEFT_OK;
}

weft_status_t weft_reader_read_encoded(weft_reader_t* reader,
                                       int64_t deadline_ns,
                                       weft_lease_t* out_lease) {
  *out_lease = (weft_lease_t){.reader = NULL};
  return reader->vtable->read_encoded(reader, cut(deadline_ns), out_lease);
}

void weft_lease_release(weft_lease_t* lease) {
  if (lease->reader != NULL) {
    weft_lease_t taken = *lease;
    *lease = (weft_lease_t){.reader = NULL};
    if (taken.is_moved) {
      weft_value_release(taken.value);
    }
    taken.reader->vtable->give_back(&taken);
  }
}

weft_status_t weft_reader_ready(weft_reader_t* reader,
                                weft_future_t** out_future) {
  *out_future = NULL;
  return reader->vtable->ready(reader, false, out_future);
}

weft_status_t weft_reader_share(weft_reader_t* reader, uint32_t count,
                                weft_reader_t** out_consumers) {
  if (count == 0 || count > WEFT_CHANNEL_READER_LIMIT) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a reader is shared by 1 to %d consumers, not %u",
                            WEFT_CHANNEL_READER_LIMIT, count);
  }
  for (uint32_t i = 0; i < count; i++) {
    out_consumers[i] = NULL;
  }
  return weft_shared_create(reader, count, out_consumers);
}

// --- The channels of a runtime ----------------------------------------------

struct weft_channels {
  const weft_allocator_t* allocator;
  weft_mutex_t lock;
  // --- Guarded by the lock ---
  // The runtime, and each channel that is listed.
  uint32_t references;
  bool is_stopped;
  // Of weft_channel_node_t.
  weft_dlist_t list;
  // See weft_channel_index_t.
  weft_mutex_t lookup;
  weft_table_t table;
  uint32_t last_number;
};

static weft_channels_t* channels_of(const weft_runtime_t* runtime) {
  return runtime->slots[WEFT_SLOT_CHANNEL];
}

// The lock is held, and given back; the channels may be gone afterwards.
static void release_and_unlock(weft_channels_t* channels) {
  bool is_last = --channels->references == 0;
  weft_mutex_unlock(&channels->lock);
  if (is_last) {
    weft_mutex_deinit(&channels->lock);
    weft_mutex_deinit(&channels->lookup);
    weft_table_deinit(&channels->table);
    weft_memory_free(channels->allocator, channels, sizeof(*channels));
  }
}

weft_status_t weft_channels_create(weft_runtime_t* runtime) {
  weft_channels_t* channels =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*channels));
  if (channels == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the list of channels");
  }
  channels->allocator = runtime->allocator;
  channels->references = 1;
  weft_mutex_init(&channels->lock);
  weft_dlist_init(&channels->list);
  weft_mutex_init(&channels->lookup);
  weft_table_init(&channels->table, runtime->allocator);
  runtime->slots[WEFT_SLOT_CHANNEL] = channels;
  return WEFT_OK;
}

weft_status_t weft_channels_add(weft_runtime_t* runtime,
                                weft_channel_node_t* node) {
  weft_channels_t* channels = channels_of(runtime);
  weft_mutex_lock(&channels->lock);
  bool is_stopped = channels->is_stopped;
  if (!is_stopped) {
    node->channels = channels;
    weft_dlist_append(&channels->list, &node->node);
    channels->references++;
  }
  weft_mutex_unlock(&channels->lock);
  return is_stopped ? weft_status_make(WEFT_STATUS_CLOSED,
                                       "the runtime has stopped: it makes no "
                                       "channels any more")
                    : WEFT_OK;
}

void weft_channels_remove(weft_channel_node_t* node) {
  weft_channels_t* channels = node->channels;
  if (channels == NULL) {
    // It was never listed.
    return;
  }
  weft_mutex_lock(&channels->lock);
  weft_dlist_remove(&node->node);
  release_and_unlock(channels);
}

// The next channel in the list, from `node` on, that could be held.
static weft_channel_node_t* hold_from_locked(const weft_channels_t* channels,
                                             weft_dlist_node_t* node) {
  while (node != NULL) {
    weft_channel_node_t* found =
        WEFT_CONTAINER_OF(node, weft_channel_node_t, node);
    if (found->hold(found)) {
      return found;
    }
    node = weft_dlist_next(&channels->list, node);
  }
  return NULL;
}

void weft_channels_visit(weft_runtime_t* runtime,
                         void (*visit)(weft_channel_node_t* node, void* user),
                         void* user) {
  weft_channels_t* channels = channels_of(runtime);
  if (channels == NULL) {
    return;
  }
  weft_mutex_lock(&channels->lock);
  weft_channel_node_t* node =
      hold_from_locked(channels, weft_dlist_first(&channels->list));
  while (node != NULL) {
    weft_mutex_unlock(&channels->lock);
    visit(node, user);
    weft_mutex_lock(&channels->lock);
    // What is held stays in the list.
    weft_channel_node_t* next = hold_from_locked(
        channels, weft_dlist_next(&channels->list, &node->node));
    weft_mutex_unlock(&channels->lock);
    node->leave(node);
    weft_mutex_lock(&channels->lock);
    node = next;
  }
  weft_mutex_unlock(&channels->lock);
}

weft_channel_index_t weft_channels_index(const weft_runtime_t* runtime) {
  weft_channels_t* channels = channels_of(runtime);
  return (weft_channel_index_t){
      .lookup = &channels->lookup,
      .table = &channels->table,
      .last_number = &channels->last_number,
  };
}

static void stop_one(weft_channel_node_t* node, void* user) {
  (void)user;
  node->stop(node);
}

void weft_channels_stop(weft_runtime_t* runtime) {
  weft_channels_t* channels = channels_of(runtime);
  if (channels == NULL) {
    return;
  }
  weft_mutex_lock(&channels->lock);
  bool is_first = !channels->is_stopped;
  channels->is_stopped = true;
  weft_mutex_unlock(&channels->lock);
  if (is_first) {
    weft_channels_visit(runtime, stop_one, NULL);
  }
}

void weft_channels_destroy(weft_runtime_t* runtime) {
  weft_channels_t* channels = channels_of(runtime);
  if (channels != NULL) {
    weft_channels_stop(runtime);
    runtime->slots[WEFT_SLOT_CHANNEL] = NULL;
    weft_mutex_lock(&channels->lock);
    release_and_unlock(channels);
  }
}
