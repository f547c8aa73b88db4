// SPDX-License-Identifier: Apache-2.0

#include "channel/part.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/runtime.h"

// A thread that waits, on its stack.
typedef struct waiter {
  weft_dlist_node_t node;
  weft_parker_t parker;
} waiter_t;

typedef struct ready {
  weft_dlist_node_t node;
  weft_promise_t* promise;
  // Of whom; NULL: the writer.
  const weft_part_reader_t* reader;
} ready_t;

// --- Deeds ------------------------------------------------------------------

void weft_deed_init(weft_deed_t* deed) {
  *deed = (weft_deed_t){.dropped = weft_none()};
  weft_dlist_init(&deed->completed);
}

void weft_deed_do(weft_deed_t* deed, const weft_allocator_t* allocator) {
  weft_value_release(deed->dropped);
  weft_status_release(deed->dropped_error);
  weft_move_release(deed->dropped_move);
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(&deed->completed)) != NULL) {
    ready_t* ready = WEFT_CONTAINER_OF(node, ready_t, node);
    // Nobody else completes it; it may have been cancelled.
    weft_status_release(weft_promise_set(ready->promise, weft_none()));
    weft_promise_release(ready->promise);
    weft_memory_free(allocator, ready, sizeof(*ready));
  }
  if (deed->teller != NULL) {
    weft_peer_send(deed->told, &deed->teller->tell);
  }
}

static void wake_locked(weft_dlist_t* waiters) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_take_first(waiters)) != NULL) {
    weft_unpark(&WEFT_CONTAINER_OF(node, waiter_t, node)->parker);
  }
}

// --- Life -------------------------------------------------------------------

static void free_ends(weft_part_t* part) {
  for (uint32_t i = 0; i <= part->reader_count; i++) {
    weft_end_t* end = weft_part_end_at(part, i);
    weft_travel_clear_pins_locked(part, end);
    weft_status_release(end->failure);
  }
}

void weft_part_leave_and_unlock(weft_part_t* part) {
  bool is_last = --part->users == 0;
  weft_mutex_unlock(&part->lock);
  if (!is_last) {
    return;
  }
  weft_travel_forget(part);
  free_ends(part);
  weft_places_free(part);
  weft_ringed_free(part);
  weft_channels_remove(&part->node);
  for (uint32_t i = 0; i < part->slot_count; i++) {
    weft_value_release(part->slots[i].value);
    weft_status_release(part->slots[i].error);
    weft_move_release(part->slots[i].move);
  }
  weft_status_release(part->reason);
  weft_status_release(part->cut);
  weft_status_release(part->loss);
  weft_value_release(part->reserved);
  weft_value_release(part->structure);
  weft_move_release(part->staging);
  weft_mutex_deinit(&part->lock);
  weft_memory_free(part->allocator, part, part->size_bytes);
}

void weft_part_leave(weft_part_t* part) {
  weft_mutex_lock(&part->lock);
  weft_part_leave_and_unlock(part);
}

bool weft_part_try_enter(weft_part_t* part) {
  weft_mutex_lock(&part->lock);
  bool enters = part->users > 0;
  part->users += enters ? 1 : 0;
  weft_mutex_unlock(&part->lock);
  return enters;
}

uint64_t weft_part_key(weft_part_t* part, const weft_end_t* end) {
  weft_mutex_lock(&part->lock);
  uint64_t key = end->key;
  weft_mutex_unlock(&part->lock);
  return key;
}

static uint32_t uses_of(weft_end_state_t state) {
  return state == WEFT_END_IDLE || state == WEFT_END_JOINING ||
                 state == WEFT_END_HERE || state == WEFT_END_UNSEEN ||
                 state == WEFT_END_MOVING
             ? 1
             : 0;
}

void weft_part_set_state_locked(weft_part_t* part, weft_end_t* end,
                                weft_end_state_t state) {
  part->users += uses_of(state);
  part->users -= uses_of(end->state);
  end->state = state;
}

// --- What can be done now ---------------------------------------------------

weft_status_t weft_part_closed_status(const weft_part_t* part,
                                      const char* why) {
  return weft_status_make(WEFT_STATUS_CLOSED, "channel %s: %s", part->name,
                          why);
}

// The readers that the next slot is not free for.
static uint64_t holders_locked(weft_part_t* part) {
  return weft_part_slot(part, part->written)->holders |
         weft_ringed_holders_locked(part);
}

static weft_status_t check_write_locked(weft_part_t* part) {
  if (part->writer_end.failure != WEFT_OK) {
    return weft_status_retain(part->writer_end.failure);
  }
  if (part->is_closed) {
    return weft_part_closed_status(part, part->runtime == NULL
                                             ? "the runtime has stopped"
                                             : "it was closed");
  }
  if (!part->is_hub) {
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  if (part->present == 0) {
    return part->loss != WEFT_OK
               ? weft_status_retain(part->loss)
               : weft_part_closed_status(part, "no reader is left");
  }
  return holders_locked(part) == 0
             ? WEFT_OK
             : weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
}

static weft_status_t check_read_locked(const weft_part_t* part,
                                       const weft_part_reader_t* reader) {
  bool has_value = weft_part_has_locked(reader, reader->next) ||
                   weft_ringed_has_locked(reader);
  if (has_value && !part->ends_at_once) {
    return WEFT_OK;
  }
  if (reader->end.failure != WEFT_OK) {
    return weft_status_retain(reader->end.failure);
  }
  if (part->is_closed &&
      (part->ends_at_once || reader->next >= part->end_sequence)) {
    return weft_status_retain(part->reason);
  }
  // What the hub had for this reader when it ended is still to come.
  return part->cut != WEFT_OK ? weft_status_retain(part->cut)
                              : weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
}

weft_status_t weft_part_check_locked(weft_part_t* part,
                                     const weft_part_reader_t* reader) {
  if (weft_part_is_forked(part)) {
    return weft_status_make(WEFT_STATUS_FORKED,
                            "channel %s goes to other processes, and this is a "
                            "forked child: it has no part in it",
                            part->name);
  }
  return reader == NULL ? check_write_locked(part)
                        : check_read_locked(part, reader);
}

// --- Waiting ----------------------------------------------------------------

// Where a reader is, in words.
static const char* where_is(const weft_part_t* part,
                            const weft_part_reader_t* reader, char buffer[],
                            size_t capacity) {
  weft_end_state_t state = reader->end.state;
  uint32_t rank = 0;
  if (state == WEFT_END_PLACED &&
      weft_places_find(part, reader->end.number, &rank)) {
    (void)snprintf(buffer, capacity, " at rank %u", rank);
  } else if (state == WEFT_END_UNSEEN ||
             (state == WEFT_END_IDLE && reader->end.handles == 0)) {
    (void)snprintf(buffer, capacity, ", which nobody has opened,");
  } else {
    buffer[0] = '\0';
  }
  return buffer;
}

// The clock is read once for a value that has to wait, whoever tries how often.
static void note_stuck_locked(weft_part_t* part) {
  if (part->stuck_since_ns == 0 || part->stuck_sequence != part->written) {
    part->stuck_sequence = part->written;
    part->stuck_since_ns = weft_runtime_now_ns(part->runtime);
  }
}

// How long the writer has waited with the value that is next. Units: ms.
static unsigned long long stuck_ms_locked(const weft_part_t* part) {
  int64_t now_ns = part->runtime != NULL ? weft_runtime_now_ns(part->runtime)
                                         : part->stuck_since_ns;
  return (unsigned long long)(now_ns - part->stuck_since_ns) / 1000000;
}

static weft_status_t stayed_full_locked(weft_part_t* part,
                                        weft_status_t cause) {
  if (!part->is_hub) {
    return weft_status_make_caused(
        weft_status_code(cause), cause,
        "channel %s cannot be written to: rank %u, which made it, has not "
        "answered",
        part->name, (unsigned)(part->creator >> 16));
  }
  uint64_t holders = holders_locked(part);
  uint32_t first = 0;
  while (first + 1 < part->reader_count && (holders >> first & 1) == 0) {
    first++;
  }
  const weft_part_reader_t* reader = &part->readers[first];
  unsigned long long sequence = part->written - part->slot_count;
  char where[64];
  if (reader->end.state != WEFT_END_HERE) {
    return weft_status_make_caused(
        weft_status_code(cause), cause,
        "channel %s is full: reader %u%s has not released value %llu; the "
        "writer has waited for %llu ms",
        part->name, first, where_is(part, reader, where, sizeof(where)),
        sequence, stuck_ms_locked(part));
  }
  return weft_status_make_caused(
      weft_status_code(cause), cause,
      "channel %s is full: reader %u holds value %llu, has %u leased and %llu "
      "to read; the writer has waited for %llu ms",
      part->name, first, sequence, reader->leases,
      (unsigned long long)(part->written - reader->next),
      stuck_ms_locked(part));
}

static weft_status_t stayed_empty_locked(const weft_part_reader_t* reader,
                                         weft_status_t cause) {
  const weft_part_t* part = reader->end.part;
  const char* why = reader->end.state == WEFT_END_JOINING
                        ? "whoever has its writer has not answered"
                        : "it has not been written";
  return weft_status_make_caused(
      weft_status_code(cause), cause, "channel %s is empty: no value %llu: %s",
      part->name, (unsigned long long)reader->next, why);
}

// The peers that are waited for: the hub, or those whose readers hold the next
// slot.
static uint32_t awaited_locked(weft_part_t* part, bool is_writer,
                               weft_peer_t* peers[]) {
  if (is_writer) {
    return weft_places_holding(part, holders_locked(part), peers);
  }
  peers[0] = part->hub;
  return part->hub != NULL ? 1 : 0;
}

static bool has_come_locked(weft_part_t* part,
                            const weft_part_reader_t* reader) {
  return weft_status_ignore(weft_part_check_locked(part, reader)) !=
         WEFT_STATUS_WOULD_BLOCK;
}

// Sleeps once. The lock is held on entry and on return, not meanwhile.
static weft_status_t sleep_locked(weft_part_t* part,
                                  const weft_part_reader_t* reader,
                                  int64_t deadline_ns) {
  waiter_t waiter = {.node = {NULL, NULL}};
  bool is_writer = reader == NULL;
  weft_ring_watch_t watch;
  weft_peer_t* peers[WEFT_CHANNEL_READER_LIMIT];
  uint32_t count;
  weft_parker_init(&waiter.parker, part->runtime);
  waiter.parker.watch = weft_ringed_watch_locked(part, reader, &watch);
  if (waiter.parker.watch == NULL && has_come_locked(part, reader)) {
    // It was written, or released, since it was last looked for.
    return WEFT_OK;
  }
  count = awaited_locked(part, is_writer, peers);
  weft_dlist_append(is_writer ? &part->write_waiters : &part->read_waiters,
                    &waiter.node);
  weft_mutex_unlock(&part->lock);
  for (uint32_t i = 0; i < count; i++) {
    weft_peer_await(peers[i]);
  }
  weft_status_t status = weft_park_for_work(&waiter.parker, deadline_ns);
  for (uint32_t i = 0; i < count; i++) {
    weft_peer_unawait(peers[i]);
  }
  weft_mutex_lock(&part->lock);
  if (!weft_dlist_node_is_free(&waiter.node)) {
    weft_dlist_remove(&waiter.node);
  }
  return status;
}

// The actor that owns an end; NULL for threads.
static const weft_activity_t* owner_of(const weft_end_t* end) {
  // Relaxed: compared only.
  return atomic_load_explicit(&end->owner, memory_order_relaxed);
}

// True when the other end that is waited for is of the same actor, which does
// nothing while it waits: the writer, or a reader that holds the next slot.
static bool waits_for_itself_locked(const weft_part_t* part,
                                    const weft_part_reader_t* reader) {
  const weft_activity_t* writer = owner_of(&part->writer_end);
  uint64_t holders = weft_part_slot(part, part->written)->holders;
  if (writer == NULL || reader != NULL) {
    return writer != NULL && owner_of(&reader->end) == writer;
  }
  bool found = false;
  for (uint32_t i = 0; i < part->reader_count; i++) {
    found |=
        (holders >> i & 1) != 0 && owner_of(&part->readers[i].end) == writer;
  }
  return found;
}

// Waits once more, or says why that would never end.
static weft_status_t wait_locked(weft_part_t* part,
                                 const weft_part_reader_t* reader,
                                 int64_t deadline_ns) {
  if (reader != NULL && reader->leases == part->slot_count) {
    return weft_status_make(WEFT_STATUS_DEADLOCK,
                            "reader %u of channel %s holds all %u slots: it "
                            "has to release one before more can come",
                            reader->end.number, part->name, part->slot_count);
  }
  if (waits_for_itself_locked(part, reader)) {
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  if (reader == NULL) {
    note_stuck_locked(part);
  }
  weft_status_t slept = sleep_locked(part, reader, deadline_ns);
  weft_status_t status =
      slept != WEFT_OK ? weft_part_check_locked(part, reader) : WEFT_OK;
  if (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK) {
    return reader == NULL ? stayed_full_locked(part, slept)
                          : stayed_empty_locked(reader, slept);
  }
  weft_status_release(status);
  weft_status_release(slept);
  return WEFT_OK;
}

weft_status_t weft_part_await_locked(weft_part_t* part,
                                     const weft_part_reader_t* reader,
                                     int64_t deadline_ns) {
  weft_status_t status = weft_part_check_locked(part, reader);
  while (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK &&
         deadline_ns != WEFT_TIME_NOW) {
    WEFT_RETURN_IF_ERROR(wait_locked(part, reader, deadline_ns));
    status = weft_part_check_locked(part, reader);
  }
  return status == WEFT_OK ? weft_channel_check_work(part->runtime) : status;
}

// --- Futures that tell ------------------------------------------------------

// Where that is seen to from elsewhere, it is announced, and looked at again.
static bool would_block_locked(weft_part_t* part,
                               const weft_part_reader_t* reader) {
  bool blocks = !has_come_locked(part, reader);
  return blocks && (!weft_ringed_announce_locked(part, reader) ||
                    !has_come_locked(part, reader));
}

// Moves those whose time has come: also when their reader has left, as nobody
// would complete them.
static void collect_ready_locked(weft_part_t* part, weft_dlist_t* list,
                                 weft_deed_t* deed) {
  weft_dlist_node_t* node = weft_dlist_first(list);
  while (node != NULL) {
    weft_dlist_node_t* next = weft_dlist_next(list, node);
    const weft_part_reader_t* reader =
        WEFT_CONTAINER_OF(node, ready_t, node)->reader;
    bool has_left = reader != NULL && reader->end.state == WEFT_END_LEFT;
    if (has_left || !would_block_locked(part, reader)) {
      weft_dlist_remove(node);
      weft_dlist_append(&deed->completed, node);
    }
    node = next;
  }
}

void weft_part_stir_locked(weft_part_t* part, bool writers, weft_deed_t* deed) {
  wake_locked(writers ? &part->write_waiters : &part->read_waiters);
  collect_ready_locked(part, writers ? &part->write_ready : &part->read_ready,
                       deed);
}

weft_status_t weft_part_ask_ready(weft_part_t* part,
                                  const weft_part_reader_t* reader, bool is_now,
                                  weft_future_t** out_future) {
  weft_mutex_lock(&part->lock);
  weft_runtime_t* runtime = part->runtime;
  weft_mutex_unlock(&part->lock);
  if (runtime == NULL) {
    return weft_part_closed_status(part, "the runtime has stopped");
  }
  ready_t* ready = weft_memory_allocate(part->allocator, sizeof(*ready));
  if (ready == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a future of channel %s", part->name);
  }
  *ready = (ready_t){.reader = reader};
  weft_status_t status =
      weft_promise_create(runtime, &ready->promise, out_future);
  if (status != WEFT_OK) {
    weft_memory_free(part->allocator, ready, sizeof(*ready));
    return status;
  }
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_dlist_t* list = reader == NULL ? &part->write_ready : &part->read_ready;
  weft_mutex_lock(&part->lock);
  weft_dlist_append(is_now ? &deed.completed : list, &ready->node);
  collect_ready_locked(part, list, &deed);
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  return WEFT_OK;
}

// --- Slots ------------------------------------------------------------------

void weft_part_put_locked(weft_part_t* part, uint64_t sequence,
                          uint64_t holders, weft_value_t value,
                          weft_status_t error, weft_deed_t* deed) {
  weft_channel_slot_t* slot = weft_part_slot(part, sequence);
  slot->value = value;
  slot->error = error;
  slot->sequence = sequence;
  slot->is_encoded = false;
  slot->holders = holders;
  part->written = sequence < part->written ? part->written : sequence + 1;
  weft_part_stir_locked(part, false, deed);
}

void weft_part_give_back_locked(weft_part_t* part, weft_channel_slot_t* slot,
                                uint64_t bits, weft_deed_t* deed) {
  slot->holders &= ~bits;
  if (!part->is_hub) {
    slot->released |= bits & ~weft_ringed_release_locked(part, slot, bits);
  }
  if (slot->holders != 0) {
    return;
  }
  deed->dropped = slot->value;
  deed->dropped_error = slot->error;
  deed->dropped_move = slot->move;
  slot->move = NULL;
  slot->value = weft_none();
  slot->error = WEFT_OK;
  if (part->is_hub) {
    weft_part_stir_locked(part, true, deed);
    return;
  }
  if (slot->released != 0 && weft_dlist_node_is_free(&slot->node)) {
    weft_dlist_append(&part->untold, &slot->node);
  }
  weft_feed_tell_locked(part, deed);
}

void weft_part_end_lease_locked(weft_part_reader_t* reader, weft_deed_t* deed) {
  weft_part_t* part = reader->end.part;
  reader->leases--;
  if (reader->leases == 0 && reader->end.state == WEFT_END_LEFT &&
      !part->is_hub) {
    weft_feed_leave_locked(part, weft_reader_bit(reader->end.number), deed);
  }
}

// Gives back what is in a slot for these readers, if anything is.
static void drop_slot(weft_part_t* part, weft_channel_slot_t* slot,
                      uint64_t bits) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  bits &= slot->holders;
  if (bits != 0) {
    weft_part_give_back_locked(part, slot, bits, &deed);
  }
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
}

void weft_part_end_readers(weft_part_t* part, uint64_t bits,
                           weft_status_t reason) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  for (uint32_t i = 0; i < part->reader_count; i++) {
    if ((bits & weft_reader_bit(i)) != 0) {
      weft_part_set_state_locked(part, &part->readers[i].end, WEFT_END_LEFT);
    }
  }
  // From here on nothing is written for them.
  part->present &= ~bits;
  part->ringed &= ~bits;
  if (part->present == 0 && part->loss == WEFT_OK) {
    part->loss = weft_status_retain(reason);
  }
  weft_part_stir_locked(part, false, &deed);
  weft_part_stir_locked(part, true, &deed);
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
}

void weft_part_drop_readers(weft_part_t* part, uint64_t bits,
                            weft_status_t reason) {
  weft_part_end_readers(part, bits, reason);
  for (uint32_t i = 0; i < part->slot_count; i++) {
    drop_slot(part, &part->slots[i], bits);
  }
}

// The next slot with what a reader has not read, at or behind `*sequence`; NULL
// when there are no more.
static weft_channel_slot_t* find_unread_locked(const weft_part_reader_t* reader,
                                               uint64_t* sequence) {
  weft_part_t* part = reader->end.part;
  for (; *sequence < reader->next + part->slot_count; ++*sequence) {
    if (weft_part_has_locked(reader, *sequence)) {
      return weft_part_slot(part, *sequence);
    }
  }
  return NULL;
}

void weft_part_skip_unread(weft_part_reader_t* reader) {
  weft_part_t* part = reader->end.part;
  uint64_t sequence = reader->next;
  bool skips = true;
  while (skips) {
    weft_deed_t deed;
    weft_deed_init(&deed);
    weft_mutex_lock(&part->lock);
    weft_channel_slot_t* slot = find_unread_locked(reader, &sequence);
    skips = slot != NULL;
    if (skips) {
      weft_part_give_back_locked(part, slot,
                                 weft_reader_bit(reader->end.number), &deed);
    }
    weft_mutex_unlock(&part->lock);
    weft_deed_do(&deed, part->allocator);
  }
}

// --- The end ----------------------------------------------------------------

// Owns: takes `reason` over. `stops`: the runtime is gone with it, so that
// nobody begins to wait in between.
static void close_with(weft_part_t* part, weft_status_t reason, bool at_once,
                       uint64_t end_sequence, bool stops) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  part->runtime = stops ? NULL : part->runtime;
  bool is_first = !part->is_closed;
  if (is_first) {
    part->is_closed = true;
    part->ends_at_once = at_once;
    part->reason = reason;
    part->end_sequence = end_sequence;
  } else if (end_sequence == 0 && part->cut == WEFT_OK) {
    part->cut = reason;
  } else {
    deed.dropped_error = reason;
  }
  weft_part_stir_locked(part, true, &deed);
  weft_part_stir_locked(part, false, &deed);
  bool tells = is_first && part->is_hub;
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  if (tells) {
    weft_places_end(part);
  }
}

void weft_part_close(weft_part_t* part, weft_status_t reason, bool at_once) {
  close_with(part, reason, at_once, 0, false);
}

void weft_part_close_at(weft_part_t* part, weft_status_t reason, bool at_once,
                        uint64_t end_sequence) {
  close_with(part, reason, at_once, end_sequence, false);
}

static bool hold_node(weft_channel_node_t* node) {
  return weft_part_try_enter(WEFT_CONTAINER_OF(node, weft_part_t, node));
}

static void leave_node(weft_channel_node_t* node) {
  weft_part_leave(WEFT_CONTAINER_OF(node, weft_part_t, node));
}

static void stop_node(weft_channel_node_t* node) {
  weft_part_t* part = WEFT_CONTAINER_OF(node, weft_part_t, node);
  weft_mutex_lock(&part->lock);
  weft_join_forget_moving_locked(part, NULL, UINT64_MAX);
  weft_mutex_unlock(&part->lock);
  close_with(part, weft_part_closed_status(part, "the runtime has stopped"),
             false, 0, true);
}

// --- Creating ---------------------------------------------------------------

static void init_end(weft_part_t* part, weft_end_t* end, uint32_t number) {
  end->part = part;
  end->number = number;
  weft_dlist_init(&end->pins);
  weft_dlist_init(&end->early);
}

static void init_lists(weft_part_t* part) {
  weft_dlist_init(&part->write_waiters);
  weft_dlist_init(&part->read_waiters);
  weft_dlist_init(&part->write_ready);
  weft_dlist_init(&part->read_ready);
  weft_dlist_init(&part->untold);
  weft_dlist_init(&part->places);
}

static void init(weft_part_t* part, weft_runtime_t* runtime,
                 const weft_channel_options_t* options) {
  part->allocator = runtime->allocator;
  part->runtime = runtime;
  part->reader_count = options->reader_count;
  part->slot_count = options->slot_count;
  part->slot_bytes = options->slot_bytes;
  part->is_static = options->is_static;
  part->process = weft_sys_process_id();
  part->users = 1;
  part->present = UINT64_MAX >> (64 - options->reader_count);
  part->node.hold = hold_node;
  part->node.leave = leave_node;
  part->node.stop = stop_node;
  weft_mutex_init(&part->lock);
  init_lists(part);
  init_end(part, &part->writer_end, WEFT_END_WRITER);
  weft_writer_init(&part->writer.base, &weft_part_writer_vtable);
  part->writer.part = part;
  for (uint32_t i = 0; i < options->reader_count; i++) {
    weft_part_reader_t* reader = &part->readers[i];
    weft_reader_init(&reader->handle.base, &weft_part_reader_vtable,
                     part->allocator);
    reader->handle.reader = reader;
    reader->ring_from = UINT64_MAX;
    init_end(part, &reader->end, i);
  }
}

weft_status_t weft_part_create(weft_runtime_t* runtime,
                               const weft_channel_options_t* options,
                               weft_part_t** out_part) {
  // One block: the part, its slots, its readers, its name.
  size_t name_bytes = strlen(options->name) + 1;
  size_t slots_bytes = options->slot_count * sizeof(weft_channel_slot_t);
  size_t readers_bytes = options->reader_count * sizeof(weft_part_reader_t);
  size_t size_bytes =
      sizeof(weft_part_t) + slots_bytes + readers_bytes + name_bytes;
  char* block = weft_memory_allocate_zeroed(runtime->allocator, size_bytes);
  *out_part = NULL;
  if (block == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a channel of %u slots",
                            options->slot_count);
  }
  weft_part_t* part = (weft_part_t*)(void*)block;
  part->size_bytes = size_bytes;
  part->slots = (weft_channel_slot_t*)(void*)(block + sizeof(weft_part_t));
  part->readers =
      (weft_part_reader_t*)(void*)(block + sizeof(weft_part_t) + slots_bytes);
  part->name =
      memcpy(block + size_bytes - name_bytes, options->name, name_bytes);
  init(part, runtime, options);
  *out_part = part;
  return WEFT_OK;
}
