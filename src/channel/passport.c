// SPDX-License-Identifier: Apache-2.0
//
// Ends as bytes: what stands in a body, and how a channel is found by its name.

#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "channel/part.h"
#include "peer/peers.h"
#include "sys/local.h"

// An end in a parcel.
typedef struct trip {
  weft_dlist_node_t node;
  weft_part_t* part;
  uint32_t end;
  weft_peer_t* to;
} trip_t;

// --- Ends as bytes ----------------------------------------------------------

// What stands in a body, before the name.
typedef struct passport {
  uint32_t creator;
  uint32_t number;
  uint64_t key;
  uint16_t end;
  uint16_t is_static;
  uint32_t reader_count;
  uint32_t slot_count;
  uint32_t name_bytes;
} passport_t;
_Static_assert(sizeof(passport_t) == 32, "the format");

#define NAME_LIMIT 255

static uint64_t table_key(weft_holder_t creator, uint32_t number) {
  return (uint64_t)creator << 32 | number;
}

// Gives each end of a channel that was made here a key. Errors: UNAVAILABLE.
static weft_status_t make_keys(weft_part_t* part) {
  for (uint32_t i = 0; i <= part->reader_count; i++) {
    weft_end_t* end = weft_part_end_at(part, i);
    uint64_t key = 0;
    while (key == 0) {
      WEFT_RETURN_IF_ERROR(weft_sys_random(&key));
    }
    weft_mutex_lock(&part->lock);
    weft_end_set_key_locked(end, key);
    weft_mutex_unlock(&part->lock);
  }
  return WEFT_OK;
}

// Lists a channel of this runtime under a number, so that others find it. One
// of another runtime has its keys and its number from there.
static weft_status_t publish(weft_part_t* part, weft_runtime_t* runtime,
                             weft_holder_t self) {
  if (part->is_foreign) {
    return WEFT_OK;
  }
  weft_channel_index_t index = weft_channels_index(runtime);
  WEFT_RETURN_IF_ERROR(make_keys(part));
  weft_mutex_lock(index.lookup);
  if (part->creator == 0) {
    part->creator = self;
    part->number = ++*index.last_number;
    weft_table_insert(index.table, &part->table_node,
                      table_key(self, part->number));
  }
  weft_mutex_unlock(index.lookup);
  return WEFT_OK;
}

static weft_part_t* find_locked(const weft_channel_index_t* index,
                                weft_holder_t creator, uint32_t number) {
  weft_table_node_t* node =
      weft_table_find(index->table, table_key(creator, number));
  weft_part_t* part =
      node != NULL ? WEFT_CONTAINER_OF(node, weft_part_t, table_node) : NULL;
  return part != NULL && weft_part_try_enter(part) ? part : NULL;
}

// The part of a channel, with a use; NULL when there is none.
weft_part_t* weft_travel_find(const weft_runtime_t* runtime,
                              weft_holder_t creator, uint32_t number) {
  weft_channel_index_t index = weft_channels_index(runtime);
  weft_mutex_lock(index.lookup);
  weft_part_t* part = find_locked(&index, creator, number);
  weft_mutex_unlock(index.lookup);
  return part;
}

void weft_travel_forget(weft_part_t* part) {
  if (part->creator == 0) {
    return;
  }
  weft_mutex_t* lookup = part->index.lookup;
  weft_mutex_lock(lookup);
  uint64_t key = table_key(part->creator, part->number);
  // Another part of the same channel may have come in its place.
  if (weft_table_find(part->index.table, key) == &part->table_node) {
    (void)weft_table_remove(part->index.table, key);
  }
  weft_mutex_unlock(lookup);
}

// Has the creator count one more copy, at `to`.
static weft_status_t pin(weft_part_t* part, weft_end_t* end, weft_peer_t* to,
                         int64_t count) {
  weft_peer_t* creator;
  if (!part->is_foreign) {
    weft_mutex_lock(&part->lock);
    bool counts = weft_travel_count_pin_locked(part, end, to, count);
    weft_mutex_unlock(&part->lock);
    return counts ? WEFT_OK
                  : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                     "no memory to send an end of channel %s",
                                     part->name);
  }
  if (part->creator == weft_peer_holder(to)) {
    return WEFT_OK;
  }
  const weft_value_t words[] = {
      weft_int64(end->number),
      weft_int64((int64_t)((uint64_t)weft_peer_holder(to) << 32 |
                           (uint32_t)(count > 0))),
      weft_int64((int64_t)weft_part_key(part, end)),
  };
  WEFT_RETURN_IF_ERROR(weft_peers_find(to->runtime,
                                       (uint16_t)(part->creator >> 16),
                                       (uint16_t)part->creator, &creator));
  const weft_frame_t head = weft_part_head(part, WEFT_CHANNEL_PASS);
  if (count < 0) {
    weft_travel_tell(creator, &head, words, 3);
    return WEFT_OK;
  }
  return weft_travel_send(creator, &head, words, 3);
}

static weft_status_t write_passport(weft_part_t* part, const weft_end_t* end,
                                    weft_encoder_t* encoder) {
  char bytes[sizeof(passport_t) + NAME_LIMIT];
  size_t name_bytes = strlen(part->name);
  name_bytes = name_bytes < NAME_LIMIT ? name_bytes : NAME_LIMIT;
  const passport_t passport = {
      .creator = part->creator,
      .number = part->number,
      .key = weft_part_key(part, end),
      .end = (uint16_t)end->number,
      .is_static = part->is_static,
      .reader_count = part->reader_count,
      .slot_count = part->slot_count,
      .name_bytes = (uint32_t)name_bytes,
  };
  memcpy(bytes, &passport, sizeof(passport));
  memcpy(bytes + sizeof(passport), part->name, name_bytes);
  return weft_encoder_extension(encoder, WEFT_EXTENSION_CHANNEL_END, bytes,
                                (uint32_t)(sizeof(passport) + name_bytes));
}

static weft_status_t check_idle(weft_part_t* part, const weft_end_t* end) {
  weft_mutex_lock(&part->lock);
  weft_end_state_t state = end->state;
  weft_mutex_unlock(&part->lock);
  if (state == WEFT_END_IDLE) {
    return WEFT_OK;
  }
  return state == WEFT_END_HERE || state == WEFT_END_JOINING
             ? weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                                "channel %s: this end of it is in use here, "
                                "and stays",
                                part->name)
             : weft_travel_used_elsewhere(part, end);
}

static weft_end_t* end_of(weft_value_t value, weft_part_t** out_part) {
  if (value.as.object->extra == WEFT_CHANNEL_WRITER) {
    weft_writer_t* writer = (weft_writer_t*)(void*)value.as.object;
    *out_part = weft_part_of_writer(writer);
    return &(*out_part)->writer_end;
  }
  weft_reader_t* reader = (weft_reader_t*)(void*)value.as.object;
  if (reader->vtable != &weft_part_reader_vtable) {
    *out_part = NULL;
    return NULL;
  }
  weft_part_reader_t* part_reader = weft_part_reader_of(reader);
  *out_part = part_reader->end.part;
  return &part_reader->end;
}

weft_status_t weft_channels_encode(weft_peer_t* peer, weft_encoder_t* encoder,
                                   weft_value_t value, weft_dlist_t* trips) {
  weft_part_t* part;
  weft_end_t* end = end_of(value, &part);
  if (part == NULL) {
    return weft_status_make(WEFT_STATUS_UNIMPLEMENTED,
                            "a reader that is shared stays where it is");
  }
  WEFT_RETURN_IF_ERROR(check_idle(part, end));
  WEFT_RETURN_IF_ERROR(
      publish(part, peer->runtime, weft_peers_self(peer->peers)));
  trip_t* trip = weft_memory_allocate(part->allocator, sizeof(*trip));
  weft_status_t status =
      trip != NULL ? pin(part, end, peer, 1)
                   : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                      "no memory to send an end of channel %s",
                                      part->name);
  if (status != WEFT_OK) {
    weft_memory_free(part->allocator, trip, sizeof(*trip));
    return status;
  }
  *trip = (trip_t){.part = part, .end = end->number, .to = peer};
  // What is said of copies that are gone comes after the parcel.
  weft_mutex_lock(&part->lock);
  end->handles++;
  part->users++;
  weft_mutex_unlock(&part->lock);
  weft_dlist_append(trips, &trip->node);
  return write_passport(part, end, encoder);
}

void weft_channels_parcel_over(weft_dlist_t* trips, bool is_sent) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(trips)) != NULL) {
    trip_t* trip = WEFT_CONTAINER_OF(node, trip_t, node);
    weft_part_t* part = trip->part;
    weft_end_t* end = weft_part_end(part, trip->end);
    if (!is_sent && !part->is_foreign) {
      weft_travel_count_copies(part, end, trip->to, -1);
    } else if (!is_sent) {
      weft_status_release(pin(part, end, trip->to, -1));
    }
    weft_memory_free(part->allocator, trip, sizeof(*trip));
    weft_travel_release_handle(part, end);
  }
}

static weft_status_t read_passport(const weft_peer_t* peer, const void* data,
                                   size_t size_bytes, passport_t* out_passport,
                                   char name[NAME_LIMIT + 1]) {
  bool is_sound = size_bytes >= sizeof(*out_passport);
  if (is_sound) {
    memcpy(out_passport, data, sizeof(*out_passport));
    const passport_t* p = out_passport;
    is_sound = p->name_bytes <= NAME_LIMIT &&
               size_bytes == sizeof(*p) + p->name_bytes && p->creator != 0 &&
               p->number != 0 && p->reader_count >= 1 &&
               p->reader_count <= WEFT_CHANNEL_READER_LIMIT &&
               p->slot_count >= 1 && p->slot_count <= WEFT_CHANNEL_SLOT_LIMIT &&
               p->is_static <= 1 &&
               (p->end == WEFT_END_WRITER || p->end < p->reader_count);
  }
  if (!is_sound) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u sent the end of a channel in %zu bytes "
                            "that are none",
                            peer->rank, size_bytes);
  }
  memcpy(name, (const char*)data + sizeof(passport_t),
         out_passport->name_bytes);
  name[out_passport->name_bytes] = '\0';
  return WEFT_OK;
}

// Lists a part of somebody else's channel, unless there is one by now.
static weft_part_t* adopt(weft_runtime_t* runtime, weft_part_t* fresh) {
  weft_channel_index_t index = weft_channels_index(runtime);
  weft_mutex_lock(index.lookup);
  weft_part_t* found = find_locked(&index, fresh->creator, fresh->number);
  if (found == NULL) {
    uint64_t key = table_key(fresh->creator, fresh->number);
    // One that is being freed makes room.
    (void)weft_table_remove(index.table, key);
    weft_table_insert(index.table, &fresh->table_node, key);
  }
  weft_mutex_unlock(index.lookup);
  return found;
}

// The part of a channel, with a use, made if need be.
static weft_status_t find_or_create(weft_runtime_t* runtime,
                                    const passport_t* passport,
                                    const char* name, weft_part_t** out_part) {
  *out_part = weft_travel_find(runtime, passport->creator, passport->number);
  if (*out_part != NULL) {
    return WEFT_OK;
  }
  const weft_channel_options_t options = {
      .name = name,
      .reader_count = passport->reader_count,
      .slot_count = passport->slot_count,
      .is_static = passport->is_static != 0,
  };
  weft_part_t* fresh;
  WEFT_RETURN_IF_ERROR(weft_part_create(runtime, &options, &fresh));
  fresh->is_foreign = true;
  fresh->creator = passport->creator;
  fresh->number = passport->number;
  fresh->index = weft_channels_index(runtime);
  weft_status_t status = weft_channels_add(runtime, &fresh->node);
  weft_part_t* found = status == WEFT_OK ? adopt(runtime, fresh) : NULL;
  if (status != WEFT_OK || found != NULL) {
    weft_part_leave(fresh);
  }
  *out_part = found != NULL ? found : fresh;
  return status;
}

// Has a copy that came be held here.
static weft_status_t take_copy(weft_part_t* part, const weft_peer_t* peer,
                               const passport_t* passport,
                               weft_object_t** out_handle) {
  weft_end_t* end = weft_part_end(part, passport->end);
  WEFT_RETURN_IF_ERROR(weft_part_add_handle(part, end, out_handle));
  weft_mutex_lock(&part->lock);
  bool is_loose = end->state == WEFT_END_AWAY || end->state == WEFT_END_UNSEEN;
  if (part->is_foreign) {
    // The creator is believed, and else the first that says it: nobody else
    // can take it away.
    if (part->creator == weft_peer_holder(peer)) {
      end->key = passport->key;
    } else {
      weft_end_set_key_locked(end, passport->key);
    }
    end->copies++;
    if (is_loose) {
      weft_part_set_state_locked(part, end, WEFT_END_IDLE);
    }
  }
  weft_mutex_unlock(&part->lock);
  return WEFT_OK;
}

static weft_status_t check_same(weft_part_t* part, const weft_peer_t* peer,
                                const passport_t* passport) {
  bool is_same = part->reader_count == passport->reader_count &&
                 part->slot_count == passport->slot_count &&
                 part->is_static == (passport->is_static != 0);
  if (is_same && !part->is_foreign) {
    // Nobody has an end of this runtime that was not given it.
    weft_mutex_lock(&part->lock);
    is_same = weft_part_end(part, passport->end)->key == passport->key;
    weft_mutex_unlock(&part->lock);
  }
  return is_same ? WEFT_OK
                 : weft_status_make(WEFT_STATUS_DATA_LOSS,
                                    "rank %u sent an end of channel %s, which "
                                    "is another here",
                                    peer->rank, part->name);
}

// There was no memory for a copy that came, and its creator has counted it.
static void return_copy(const weft_peer_t* peer, const passport_t* passport) {
  const weft_value_t words[] = {weft_int64(passport->end), weft_int64(1)};
  const weft_frame_t head = weft_channel_head(
      passport->creator, passport->number, WEFT_CHANNEL_RETURN);
  weft_peer_t* creator;
  weft_status_t status =
      weft_peers_find(peer->runtime, (uint16_t)(passport->creator >> 16),
                      (uint16_t)passport->creator, &creator);
  if (status == WEFT_OK) {
    weft_travel_tell(creator, &head, words, 2);
  }
  weft_status_release(status);
}

// An end that has come home when its channel is gone: whoever uses it is told
// so. It stands in a part of its own, which nobody else finds.
static weft_status_t make_remnant(weft_runtime_t* runtime,
                                  const passport_t* passport, const char* name,
                                  weft_object_t** out_handle) {
  const weft_channel_options_t options = {
      .name = name, .reader_count = passport->reader_count, .slot_count = 1};
  weft_part_t* part;
  WEFT_RETURN_IF_ERROR(weft_part_create(runtime, &options, &part));
  weft_end_t* end = weft_part_end(part, passport->end);
  weft_status_t status = weft_channels_add(runtime, &part->node);
  if (status == WEFT_OK) {
    status = weft_part_add_handle(part, end, out_handle);
  }
  if (status == WEFT_OK) {
    weft_mutex_lock(&part->lock);
    end->failure = weft_part_closed_status(
        part, "this end of it has come home, and the channel is gone");
    weft_part_set_state_locked(part, end, WEFT_END_HERE);
    weft_mutex_unlock(&part->lock);
  }
  weft_part_leave(part);
  return status;
}

static weft_status_t decode(weft_peer_t* peer, const passport_t* passport,
                            const char* name, weft_object_t** out_handle) {
  weft_part_t* part;
  if (passport->creator == weft_peers_self(peer->peers)) {
    part = weft_travel_find(peer->runtime, passport->creator, passport->number);
    if (part == NULL) {
      return make_remnant(peer->runtime, passport, name, out_handle);
    }
  } else {
    WEFT_RETURN_IF_ERROR(find_or_create(peer->runtime, passport, name, &part));
  }
  weft_status_t status = check_same(part, peer, passport);
  if (status == WEFT_OK) {
    status = take_copy(part, peer, passport, out_handle);
  }
  weft_part_leave(part);
  return status;
}

weft_status_t weft_channels_decode(weft_peer_t* peer, const void* data,
                                   size_t size_bytes, weft_value_t* out_value) {
  passport_t passport = {.creator = 0};
  char name[NAME_LIMIT + 1];
  weft_object_t* handle = NULL;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(read_passport(peer, data, size_bytes, &passport, name));
  weft_status_t status = decode(peer, &passport, name, &handle);
  if (status == WEFT_OK) {
    *out_value = weft_object_value(handle);
  } else if (weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED &&
             passport.creator != weft_peers_self(peer->peers)) {
    return_copy(peer, &passport);
  }
  return status;
}
