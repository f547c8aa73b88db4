// SPDX-License-Identifier: Apache-2.0
//
// A channel inside a process: a ring of slots, each with the value itself and a
// bit for every reader that has not released it yet.
//
//   slot of value n: n mod slots     free: no bit is set
//
//   written ------------------------v
//     [ 7: 10 ][ 8: 11 ][ 9: 11 ][ - ]      reader 0 has released 7 and
//        ^ reader 1 holds it  ^              is to read 8, reader 1 reads 9
//
// Everything is under one lock. What a callback of the user's may follow from
// (values that are dropped, futures that complete) happens after it.

#include <stdalign.h>
#include <string.h>

#include "base/memory.h"
#include "base/runtime.h"
#include "channel/channel.h"
#include "sys/sys.h"
#include "value/value_internal.h"

typedef struct slot {
  weft_value_t value;
  // WEFT_OK: the value counts.
  weft_status_t error;
  // Bit n: reader n has not released it.
  uint64_t holders;
} slot_t;

struct local;

typedef struct local_reader {
  weft_reader_t base;
  struct local* local;
  uint32_t index;
  // --- Guarded by the lock ---
  // The value that is read next; and how many are leased.
  uint64_t next;
  uint32_t leases;
} local_reader_t;

typedef struct local {
  weft_writer_t writer;
  weft_channel_node_t node;
  const weft_allocator_t* allocator;
  size_t size_bytes;
  uint32_t reader_count;
  uint32_t slot_count;
  const char* name;
  slot_t* slots;
  local_reader_t* readers;

  weft_mutex_t lock;
  // --- Guarded by the lock ---
  // NULL once it has stopped.
  weft_runtime_t* runtime;
  // Ends that have not left, leases, and calls that are at work.
  uint32_t users;
  // Bits of readers that have not left.
  uint64_t present;
  // Values written.
  uint64_t written;
  // Nothing more is written; and why, after what was written has been read, or
  // at once.
  bool is_closed;
  bool ends_at_once;
  weft_status_t reason;
  // What the writer fills in place; of its thread.
  weft_value_t reserved;
  size_t reserved_bytes;
  // Of waiter_t: threads, the writer's and the readers'.
  weft_dlist_t write_waiters;
  weft_dlist_t read_waiters;
  // Of ready_t: futures that were asked for.
  weft_dlist_t write_ready;
  weft_dlist_t read_ready;
} local_t;

// A thread that waits, on its stack.
typedef struct waiter {
  weft_dlist_node_t node;
  weft_parker_t parker;
} waiter_t;

typedef struct ready {
  weft_dlist_node_t node;
  weft_promise_t* promise;
  // Of whom; NULL: the writer.
  const local_reader_t* reader;
} ready_t;

// What is to be done when the lock has been given back.
typedef struct deed {
  weft_value_t dropped;
  weft_status_t dropped_error;
  weft_dlist_t completed;
} deed_t;

static uint64_t bit_of(const local_reader_t* reader) {
  return UINT64_C(1) << reader->index;
}

static slot_t* slot_of(const local_t* local, uint64_t sequence) {
  return &local->slots[sequence % local->slot_count];
}

// --- Deeds ------------------------------------------------------------------

static void deed_init(deed_t* deed) {
  deed->dropped = weft_none();
  deed->dropped_error = WEFT_OK;
  weft_dlist_init(&deed->completed);
}

// Without the lock.
static void deed_do(deed_t* deed, const weft_allocator_t* allocator) {
  weft_value_release(deed->dropped);
  weft_status_release(deed->dropped_error);
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&deed->completed)) != NULL) {
    ready_t* ready = WEFT_CONTAINER_OF(node, ready_t, node);
    // Nobody else completes it; it may have been cancelled.
    weft_status_release(weft_promise_set(ready->promise, weft_none()));
    weft_promise_release(ready->promise);
    weft_memory_free(allocator, ready, sizeof(*ready));
  }
}

static void wake_locked(weft_dlist_t* waiters) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(waiters)) != NULL) {
    weft_unpark(&WEFT_CONTAINER_OF(node, waiter_t, node)->parker);
  }
}

// --- Life -------------------------------------------------------------------

// Gives up one use, and the lock; the channel may be gone afterwards.
static void leave_and_unlock(local_t* local) {
  bool is_last = --local->users == 0;
  weft_mutex_unlock(&local->lock);
  if (!is_last) {
    return;
  }
  weft_channels_remove(&local->node);
  weft_status_release(local->reason);
  weft_value_release(local->reserved);
  weft_mutex_deinit(&local->lock);
  weft_memory_free(local->allocator, local, local->size_bytes);
}

// --- What can be done now ---------------------------------------------------

// From here on an end is given by its reader; NULL is the writer.

static weft_status_t closed_status(const local_t* local, const char* why) {
  return weft_status_make(WEFT_STATUS_CLOSED, "channel %s: %s", local->name,
                          why);
}

// OK when a value can be written now, WOULD_BLOCK when all slots are in use.
static weft_status_t check_write_locked(const local_t* local) {
  if (local->is_closed) {
    return closed_status(local, local->runtime == NULL
                                    ? "the runtime has stopped"
                                    : "it was closed");
  }
  if (local->present == 0) {
    return closed_status(local, "no reader is left");
  }
  return slot_of(local, local->written)->holders == 0
             ? WEFT_OK
             : weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
}

// The same for a value that can be read.
static weft_status_t check_read_locked(const local_t* local,
                                       const local_reader_t* reader) {
  bool has_value = reader->next < local->written && !local->ends_at_once;
  if (has_value) {
    return WEFT_OK;
  }
  if (local->is_closed) {
    return weft_status_retain(local->reason);
  }
  return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
}

static weft_status_t check_locked(const local_t* local,
                                  const local_reader_t* reader) {
  return reader == NULL ? check_write_locked(local)
                        : check_read_locked(local, reader);
}

// --- Waiting ----------------------------------------------------------------

static weft_status_t stayed_full_locked(const local_t* local,
                                        weft_status_t cause) {
  uint64_t holders = slot_of(local, local->written)->holders;
  uint32_t first = 0;
  while (first + 1 < local->reader_count && (holders >> first & 1) == 0) {
    first++;
  }
  const local_reader_t* reader = &local->readers[first];
  return weft_status_make_caused(
      weft_status_code(cause), cause,
      "channel %s is full: reader %u holds value %llu, has %u leased and %llu "
      "to read",
      local->name, first,
      (unsigned long long)(local->written - local->slot_count), reader->leases,
      (unsigned long long)(local->written - reader->next));
}

static weft_status_t stayed_empty_locked(const local_reader_t* reader,
                                         weft_status_t cause) {
  return weft_status_make_caused(
      weft_status_code(cause), cause,
      "channel %s is empty: value %llu has not been written",
      reader->local->name, (unsigned long long)reader->next);
}

// Sleeps once. The lock is held on entry and on return, not meanwhile.
static weft_status_t sleep_locked(local_t* local, weft_dlist_t* waiters,
                                  int64_t deadline_ns) {
  waiter_t waiter = {.node = {NULL, NULL}};
  weft_parker_init(&waiter.parker, local->runtime);
  weft_dlist_append(waiters, &waiter.node);
  weft_mutex_unlock(&local->lock);
  weft_status_t status = weft_park_for_work(&waiter.parker, deadline_ns);
  weft_mutex_lock(&local->lock);
  if (!weft_dlist_node_is_free(&waiter.node)) {
    weft_dlist_remove(&waiter.node);
  }
  return status;
}

// The actor that owns an end; NULL for threads.
static const weft_activity_t* owner_of(
    const weft_activity_t* const _Atomic* owner) {
  // Relaxed: compared only.
  return atomic_load_explicit(owner, memory_order_relaxed);
}

// True when the other end that is waited for is of the same actor, which does
// nothing while it waits: the writer, or a reader that holds the next slot.
static bool waits_for_itself_locked(const local_t* local,
                                    const local_reader_t* reader) {
  const weft_activity_t* writer = owner_of(&local->writer.owner);
  uint64_t holders = slot_of(local, local->written)->holders;
  if (writer == NULL || reader != NULL) {
    return writer != NULL && owner_of(&reader->base.owner) == writer;
  }
  bool found = false;
  for (uint32_t i = 0; i < local->reader_count; i++) {
    found |= (holders >> i & 1) != 0 &&
             owner_of(&local->readers[i].base.owner) == writer;
  }
  return found;
}

// Waits until a value can be written, or read.
static weft_status_t await_locked(local_t* local, const local_reader_t* reader,
                                  int64_t deadline_ns) {
  weft_dlist_t* waiters =
      reader == NULL ? &local->write_waiters : &local->read_waiters;
  weft_status_t status = check_locked(local, reader);
  while (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK &&
         deadline_ns != WEFT_TIME_NOW) {
    if (reader != NULL && reader->leases == local->slot_count) {
      return weft_status_make(WEFT_STATUS_DEADLOCK,
                              "reader %u of channel %s holds all %u slots: it "
                              "has to release one before more can come",
                              reader->index, local->name, local->slot_count);
    }
    if (waits_for_itself_locked(local, reader)) {
      return status;
    }
    weft_status_t slept = sleep_locked(local, waiters, deadline_ns);
    status = check_locked(local, reader);
    if (slept != WEFT_OK &&
        weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK) {
      return reader == NULL ? stayed_full_locked(local, slept)
                            : stayed_empty_locked(reader, slept);
    }
    weft_status_release(slept);
  }
  return status == WEFT_OK ? weft_channel_check_work(local->runtime) : status;
}

// --- Futures that tell ------------------------------------------------------

// Moves those whose time has come: also when their reader has left, as nobody
// would complete them.
static void collect_ready_locked(const local_t* local, weft_dlist_t* list,
                                 deed_t* deed) {
  weft_dlist_node_t* node = weft_dlist_first(list);
  while (node != NULL) {
    weft_dlist_node_t* next = weft_dlist_next(list, node);
    const local_reader_t* reader =
        WEFT_CONTAINER_OF(node, ready_t, node)->reader;
    bool has_left = reader != NULL && (local->present & bit_of(reader)) == 0;
    if (has_left || weft_status_ignore(check_locked(local, reader)) !=
                        WEFT_STATUS_WOULD_BLOCK) {
      weft_dlist_remove(node);
      weft_dlist_append(&deed->completed, node);
    }
    node = next;
  }
}

static weft_status_t ask_ready(local_t* local, const local_reader_t* reader,
                               bool is_now, weft_future_t** out_future) {
  weft_mutex_lock(&local->lock);
  weft_runtime_t* runtime = local->runtime;
  weft_mutex_unlock(&local->lock);
  if (runtime == NULL) {
    return closed_status(local, "the runtime has stopped");
  }
  ready_t* ready = weft_memory_allocate(local->allocator, sizeof(*ready));
  if (ready == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a future of channel %s",
                            local->name);
  }
  *ready = (ready_t){.reader = reader};
  weft_status_t status =
      weft_promise_create(runtime, &ready->promise, out_future);
  if (status != WEFT_OK) {
    weft_memory_free(local->allocator, ready, sizeof(*ready));
    return status;
  }
  deed_t deed;
  deed_init(&deed);
  weft_dlist_t* list =
      reader == NULL ? &local->write_ready : &local->read_ready;
  weft_mutex_lock(&local->lock);
  weft_dlist_append(is_now ? &deed.completed : list, &ready->node);
  collect_ready_locked(local, list, &deed);
  weft_mutex_unlock(&local->lock);
  deed_do(&deed, local->allocator);
  return WEFT_OK;
}

// --- The writer -------------------------------------------------------------

static local_t* local_of(weft_writer_t* writer) {
  return WEFT_CONTAINER_OF(writer, local_t, writer);
}

// Puts what is retained already into the next slot, which is free.
static void put_locked(local_t* local, weft_value_t value, weft_status_t error,
                       deed_t* deed) {
  slot_t* slot = slot_of(local, local->written);
  slot->value = value;
  slot->error = error;
  slot->holders = local->present;
  local->written++;
  wake_locked(&local->read_waiters);
  collect_ready_locked(local, &local->read_ready, deed);
}

static weft_status_t local_write(weft_writer_t* writer, weft_value_t value,
                                 weft_status_t error, int64_t deadline_ns) {
  local_t* local = local_of(writer);
  if (local->reserved_bytes > 0) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "channel %s: a reserved slot is to be committed "
                            "or abandoned first",
                            local->name);
  }
  deed_t deed;
  deed_init(&deed);
  weft_mutex_lock(&local->lock);
  weft_status_t status = await_locked(local, NULL, deadline_ns);
  if (status == WEFT_OK) {
    put_locked(local, weft_value_retain(value), weft_status_retain(error),
               &deed);
  }
  weft_mutex_unlock(&local->lock);
  deed_do(&deed, local->allocator);
  return status;
}

static weft_status_t local_reserve(weft_writer_t* writer, size_t size_bytes,
                                   int64_t deadline_ns, void** out_data) {
  local_t* local = local_of(writer);
  if (local->reserved_bytes > 0) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "channel %s: %zu bytes are reserved already",
                            local->name, local->reserved_bytes);
  }
  weft_mutex_lock(&local->lock);
  // Nobody else takes the slot: there is one writer.
  weft_status_t status = await_locked(local, NULL, deadline_ns);
  weft_mutex_unlock(&local->lock);
  if (status == WEFT_OK) {
    status = weft_bytes_create_open(local->allocator, size_bytes,
                                    &local->reserved, out_data);
  }
  local->reserved_bytes = status == WEFT_OK ? size_bytes : 0;
  return status;
}

static weft_value_t take_reserved(local_t* local) {
  weft_value_t taken = local->reserved;
  local->reserved = weft_none();
  local->reserved_bytes = 0;
  return taken;
}

static void local_abandon(weft_writer_t* writer) {
  weft_value_release(take_reserved(local_of(writer)));
}

// The first bytes of what was reserved.
static weft_status_t shorten(local_t* local, size_t size_bytes) {
  const void* data = NULL;
  size_t length_bytes = 0;
  weft_value_t shorter = weft_none();
  WEFT_RETURN_IF_ERROR(
      weft_value_as_bytes(local->reserved, &data, &length_bytes));
  WEFT_RETURN_IF_ERROR(
      weft_bytes_create(local->allocator, data, size_bytes, &shorter));
  weft_value_release(local->reserved);
  local->reserved = shorter;
  return WEFT_OK;
}

static weft_status_t local_commit(weft_writer_t* writer, size_t size_bytes) {
  local_t* local = local_of(writer);
  if (local->reserved_bytes == 0) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "channel %s: nothing is reserved", local->name);
  }
  if (size_bytes > local->reserved_bytes) {
    return weft_status_make(WEFT_STATUS_OUT_OF_RANGE,
                            "channel %s: %zu bytes are reserved, not %zu",
                            local->name, local->reserved_bytes, size_bytes);
  }
  if (size_bytes < local->reserved_bytes) {
    WEFT_RETURN_IF_ERROR(shorten(local, size_bytes));
  }
  deed_t deed;
  deed_init(&deed);
  weft_value_t value = take_reserved(local);
  weft_mutex_lock(&local->lock);
  weft_status_t status = check_write_locked(local);
  if (status == WEFT_OK) {
    put_locked(local, value, WEFT_OK, &deed);
  } else {
    deed.dropped = value;
  }
  weft_mutex_unlock(&local->lock);
  deed_do(&deed, local->allocator);
  return status;
}

// Owns: takes `reason`, which is not OK, over. True when it was the first.
static bool close_locked(local_t* local, weft_status_t reason, bool at_once,
                         deed_t* deed) {
  if (local->is_closed) {
    deed->dropped_error = reason;
    return false;
  }
  local->is_closed = true;
  local->ends_at_once = at_once;
  local->reason = reason;
  wake_locked(&local->write_waiters);
  wake_locked(&local->read_waiters);
  collect_ready_locked(local, &local->write_ready, deed);
  collect_ready_locked(local, &local->read_ready, deed);
  return true;
}

static void local_close(weft_writer_t* writer, weft_status_t reason) {
  local_t* local = local_of(writer);
  bool at_once = reason != WEFT_OK;
  deed_t deed;
  deed_init(&deed);
  if (!at_once) {
    reason = closed_status(local, "it was closed");
  }
  weft_mutex_lock(&local->lock);
  (void)close_locked(local, reason, at_once, &deed);
  weft_mutex_unlock(&local->lock);
  deed_do(&deed, local->allocator);
}

static void local_writer_leave(weft_writer_t* writer) {
  local_t* local = local_of(writer);
  const weft_allocator_t* allocator = local->allocator;
  weft_status_t reason = weft_status_make(
      WEFT_STATUS_ABANDONED, "channel %s: the writer left without closing it",
      local->name);
  deed_t deed;
  deed_init(&deed);
  local_abandon(writer);
  weft_mutex_lock(&local->lock);
  (void)close_locked(local, reason, false, &deed);
  leave_and_unlock(local);
  deed_do(&deed, allocator);
}

static weft_status_t local_write_ready(weft_writer_t* writer,
                                       weft_future_t** out_future) {
  return ask_ready(local_of(writer), NULL, false, out_future);
}

static const weft_writer_vtable_t writer_vtable = {
    .leave = local_writer_leave,
    .write = local_write,
    .reserve = local_reserve,
    .commit = local_commit,
    .abandon = local_abandon,
    .close = local_close,
    .ready = local_write_ready,
};

// --- Readers ----------------------------------------------------------------

static local_reader_t* reader_of(weft_reader_t* reader) {
  return WEFT_CONTAINER_OF(reader, local_reader_t, base);
}

// Takes a reader's bit out of a slot. What was the last of it is dropped, and
// the writer is told.
static void give_back_locked(local_t* local, slot_t* slot, uint64_t bit,
                             deed_t* deed) {
  slot->holders &= ~bit;
  if (slot->holders != 0) {
    return;
  }
  deed->dropped = slot->value;
  deed->dropped_error = slot->error;
  slot->value = weft_none();
  slot->error = WEFT_OK;
  wake_locked(&local->write_waiters);
  collect_ready_locked(local, &local->write_ready, deed);
}

static weft_status_t local_read(weft_reader_t* base, int64_t deadline_ns,
                                weft_lease_t* out_lease) {
  local_reader_t* reader = reader_of(base);
  local_t* local = reader->local;
  weft_mutex_lock(&local->lock);
  weft_status_t status = await_locked(local, reader, deadline_ns);
  if (status == WEFT_OK) {
    const slot_t* slot = slot_of(local, reader->next);
    *out_lease = (weft_lease_t){
        .reader = base,
        .sequence = reader->next,
        .status = slot->error,
        .value = slot->value,
    };
    reader->next++;
    reader->leases++;
    local->users++;
  }
  weft_mutex_unlock(&local->lock);
  return status;
}

static void local_give_back(const weft_lease_t* lease) {
  local_reader_t* reader = reader_of(lease->reader);
  local_t* local = reader->local;
  const weft_allocator_t* allocator = local->allocator;
  deed_t deed;
  deed_init(&deed);
  weft_mutex_lock(&local->lock);
  give_back_locked(local, slot_of(local, lease->sequence), bit_of(reader),
                   &deed);
  reader->leases--;
  leave_and_unlock(local);
  deed_do(&deed, allocator);
}

// Gives one value back that the reader has not read; false when there is none.
static bool skip_one(local_reader_t* reader) {
  local_t* local = reader->local;
  deed_t deed;
  deed_init(&deed);
  weft_mutex_lock(&local->lock);
  bool skips = reader->next < local->written;
  if (skips) {
    give_back_locked(local, slot_of(local, reader->next), bit_of(reader),
                     &deed);
    reader->next++;
  } else {
    // From here on nothing is written for it.
    local->present &= ~bit_of(reader);
    collect_ready_locked(local, &local->read_ready, &deed);
    if (local->present == 0) {
      wake_locked(&local->write_waiters);
      collect_ready_locked(local, &local->write_ready, &deed);
    }
  }
  weft_mutex_unlock(&local->lock);
  deed_do(&deed, local->allocator);
  return skips;
}

static void local_reader_leave(weft_reader_t* base) {
  local_reader_t* reader = reader_of(base);
  local_t* local = reader->local;
  while (skip_one(reader)) {
  }
  weft_mutex_lock(&local->lock);
  leave_and_unlock(local);
}

static weft_status_t local_read_ready(weft_reader_t* base, bool is_now,
                                      weft_future_t** out_future) {
  const local_reader_t* reader = reader_of(base);
  return ask_ready(reader->local, reader, is_now, out_future);
}

static const weft_reader_vtable_t reader_vtable = {
    .leave = local_reader_leave,
    .read = local_read,
    .give_back = local_give_back,
    .ready = local_read_ready,
};

// --- The end of the runtime -------------------------------------------------

static bool local_hold(weft_channel_node_t* node) {
  local_t* local = WEFT_CONTAINER_OF(node, local_t, node);
  weft_mutex_lock(&local->lock);
  bool holds = local->users > 0;
  local->users += holds ? 1 : 0;
  weft_mutex_unlock(&local->lock);
  return holds;
}

static void local_stop(weft_channel_node_t* node) {
  local_t* local = WEFT_CONTAINER_OF(node, local_t, node);
  const weft_allocator_t* allocator = local->allocator;
  weft_status_t reason = closed_status(local, "the runtime has stopped");
  deed_t deed;
  deed_init(&deed);
  weft_mutex_lock(&local->lock);
  local->runtime = NULL;
  (void)close_locked(local, reason, false, &deed);
  leave_and_unlock(local);
  deed_do(&deed, allocator);
}

// --- Creating ---------------------------------------------------------------

static void init_lists(local_t* local) {
  weft_dlist_init(&local->write_waiters);
  weft_dlist_init(&local->read_waiters);
  weft_dlist_init(&local->write_ready);
  weft_dlist_init(&local->read_ready);
}

weft_status_t weft_local_create(weft_runtime_t* runtime,
                                const weft_channel_options_t* options,
                                weft_writer_t** out_writer,
                                weft_reader_t** out_readers) {
  // One block: the channel, its slots, its readers, its name.
  size_t name_bytes = strlen(options->name) + 1;
  size_t slots_bytes = options->slot_count * sizeof(slot_t);
  size_t readers_bytes = options->reader_count * sizeof(local_reader_t);
  size_t size_bytes =
      sizeof(local_t) + slots_bytes + readers_bytes + name_bytes;
  char* block = weft_memory_allocate_zeroed(runtime->allocator, size_bytes);
  if (block == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a channel of %u slots",
                            options->slot_count);
  }
  local_t* local = (local_t*)(void*)block;
  local->allocator = runtime->allocator;
  local->size_bytes = size_bytes;
  local->runtime = runtime;
  local->reader_count = options->reader_count;
  local->slot_count = options->slot_count;
  local->slots = (slot_t*)(void*)(block + sizeof(local_t));
  local->readers =
      (local_reader_t*)(void*)(block + sizeof(local_t) + slots_bytes);
  local->name =
      memcpy(block + size_bytes - name_bytes, options->name, name_bytes);
  local->users = 1 + options->reader_count;
  local->present = UINT64_MAX >> (64 - options->reader_count);
  local->node.hold = local_hold;
  local->node.stop = local_stop;
  weft_mutex_init(&local->lock);
  init_lists(local);
  weft_status_t status = weft_channels_add(runtime, &local->node);
  if (status != WEFT_OK) {
    weft_mutex_deinit(&local->lock);
    weft_memory_free(runtime->allocator, block, size_bytes);
    return status;
  }
  weft_writer_init(&local->writer, &writer_vtable);
  *out_writer = &local->writer;
  for (uint32_t i = 0; i < options->reader_count; i++) {
    local_reader_t* reader = &local->readers[i];
    weft_reader_init(&reader->base, &reader_vtable, runtime->allocator);
    reader->local = local;
    reader->index = i;
    out_readers[i] = &reader->base;
  }
  return WEFT_OK;
}
