// SPDX-License-Identifier: Apache-2.0
//
// Ends that are sent. An end that nobody uses yet can be passed on by whoever
// has it. Its creator counts who has how many copies of it, so that it knows
// when nobody has any: then the end has left.
//
//   D (creator)  counts      B                   C
//   end -------> B: 1        has it
//                B: 1 C: 1 <-- PASS to C
//                            end --------------> has it
//                C: 1      <-- RETURN
//                none      <-------------------- RETURN     it has left
//
// B writes PASS before it sends the end, and RETURN later: so as long as
// somebody has a copy the count of somebody is above zero, though C's may be
// below it for a while, if its RETURN comes first. So may what C says of those
// that it has passed the end on to: PASS shows the end's key.

#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "channel/part.h"
#include "peer/peers.h"
#include "sys/slab.h"

// --- Words ------------------------------------------------------------------

#define WORDS 3

typedef struct note {
  weft_outgoing_t outgoing;
  weft_frame_t head;
  weft_value_t words[WORDS];
  size_t count;
} note_t;

weft_status_t weft_travel_write_locked(const weft_frame_t* head,
                                       weft_peer_t* peer,
                                       const weft_value_t* words,
                                       size_t count) {
  const weft_arguments_t arguments = {.positional = words,
                                      .positional_count = count};
  weft_parcel_t parcel;
  weft_parcel_init(&parcel, head);
  WEFT_RETURN_IF_ERROR(weft_parcel_pack(&parcel, peer, &arguments));
  return weft_parcel_write_locked(&parcel, peer, WEFT_LINK_RESERVED);
}

static weft_status_t write_note(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  const note_t* note = WEFT_CONTAINER_OF(outgoing, note_t, outgoing);
  return weft_travel_write_locked(&note->head, peer, note->words, note->count);
}

static void end_note(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  note_t* note = WEFT_CONTAINER_OF(outgoing, note_t, outgoing);
  weft_slab_free(peer->runtime->slab, note, sizeof(*note));
}

weft_status_t weft_travel_send(weft_peer_t* peer, const weft_frame_t* head,
                               const weft_value_t* words, size_t count) {
  note_t* note = weft_slab_allocate(peer->runtime->slab, sizeof(*note));
  if (note == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to tell rank %u of channel %u of rank "
                            "%u",
                            peer->rank, head->target_generation,
                            head->target_index >> 16);
  }
  *note = (note_t){
      .outgoing = {.write = write_note, .end = end_note},
      .head = *head,
      .count = count,
  };
  memcpy(note->words, words, count * sizeof(words[0]));
  weft_peer_send(peer, &note->outgoing);
  return WEFT_OK;
}

void weft_travel_tell(weft_peer_t* peer, const weft_frame_t* head,
                      const weft_value_t* words, size_t count) {
  weft_status_t status = weft_travel_send(peer, head, words, count);
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
  }
}

// --- Pins -------------------------------------------------------------------

static weft_pin_t* find_pin_locked(const weft_end_t* end,
                                   const weft_peer_t* peer) {
  weft_dlist_node_t* node = weft_dlist_first(&end->pins);
  while (node != NULL &&
         WEFT_CONTAINER_OF(node, weft_pin_t, node)->peer != peer) {
    node = weft_dlist_next(&end->pins, node);
  }
  return node != NULL ? WEFT_CONTAINER_OF(node, weft_pin_t, node) : NULL;
}

static void remove_pin_locked(const weft_part_t* part, weft_pin_t* pin) {
  weft_dlist_remove(&pin->node);
  weft_memory_free(part->allocator, pin, sizeof(*pin));
}

void weft_travel_clear_pins_locked(weft_part_t* part, weft_end_t* end) {
  weft_dlist_node_t* node;
  while ((node = weft_dlist_first(&end->pins)) != NULL) {
    remove_pin_locked(part, WEFT_CONTAINER_OF(node, weft_pin_t, node));
  }
}

// Of an end that nobody uses so far. False without memory.
bool weft_travel_count_pin_locked(const weft_part_t* part, weft_end_t* end,
                                  weft_peer_t* peer, int64_t count) {
  if (end->state != WEFT_END_IDLE || part->is_foreign ||
      weft_peer_state(peer) == WEFT_PEER_DEAD) {
    return true;
  }
  weft_pin_t* pin = find_pin_locked(end, peer);
  if (pin == NULL) {
    pin = weft_memory_allocate_zeroed(part->allocator, sizeof(*pin));
    if (pin == NULL) {
      return false;
    }
    pin->peer = peer;
    weft_dlist_append(&end->pins, &pin->node);
  }
  pin->count += count;
  if (pin->count == 0) {
    remove_pin_locked(part, pin);
  }
  return true;
}

// The creator: nobody has the end any more, and nobody ever used it.
static bool is_lost_locked(const weft_part_t* part, const weft_end_t* end) {
  bool is_lost =
      !part->is_foreign && end->state == WEFT_END_IDLE && end->handles == 0;
  for (weft_dlist_node_t* node = weft_dlist_first(&end->pins);
       node != NULL && is_lost; node = weft_dlist_next(&end->pins, node)) {
    is_lost = WEFT_CONTAINER_OF(node, weft_pin_t, node)->count <= 0;
  }
  return is_lost;
}

// Counts copies, and sees whether any are left. The caller has a use.
void weft_travel_count_copies(weft_part_t* part, weft_end_t* end,
                              weft_peer_t* peer, int64_t count) {
  weft_mutex_lock(&part->lock);
  // Without memory the end stays until the peer dies.
  (void)weft_travel_count_pin_locked(part, end, peer, count);
  bool is_lost = is_lost_locked(part, end);
  weft_mutex_unlock(&part->lock);
  if (is_lost) {
    weft_travel_end_left(part, end);
  }
}

// --- Using and leaving ------------------------------------------------------

weft_status_t weft_travel_used_elsewhere(const weft_part_t* part,
                                         const weft_end_t* end) {
  char where[32] = "in another process";
  if (end->claimant != NULL) {
    (void)snprintf(where, sizeof(where), "at rank %u", end->claimant->rank);
  }
  return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                          "channel %s: this end of it is used %s", part->name,
                          where);
}

// Whether an end that nobody uses so far can be used without asking. A hub that
// has died has closed the channel, and there is nobody to be asked.
static bool is_ours_locked(const weft_part_t* part, const weft_end_t* end) {
  return !part->is_foreign &&
         (end->number == WEFT_END_WRITER || part->is_hub || part->hub == NULL);
}

weft_status_t weft_travel_claim(weft_part_t* part, weft_end_t* end) {
  weft_holder_t asked = 0;
  weft_status_t status = WEFT_OK;
  weft_mutex_lock(&part->lock);
  if (end->state == WEFT_END_IDLE) {
    bool is_ours = is_ours_locked(part, end);
    weft_travel_clear_pins_locked(part, end);
    weft_part_set_state_locked(part, end,
                               is_ours ? WEFT_END_HERE : WEFT_END_JOINING);
    if (!is_ours) {
      asked = part->is_foreign ? part->creator : weft_peer_holder(part->hub);
      part->users++;
    }
  } else if (end->state != WEFT_END_HERE && end->state != WEFT_END_JOINING) {
    status = weft_travel_used_elsewhere(part, end);
  }
  weft_mutex_unlock(&part->lock);
  if (asked != 0) {
    weft_join_ask(part, end, asked);
  }
  return status;
}

static void writer_left(weft_part_t* part) {
  weft_mutex_lock(&part->lock);
  bool is_hub = part->is_hub;
  weft_part_set_state_locked(part, &part->writer_end, WEFT_END_LEFT);
  weft_mutex_unlock(&part->lock);
  if (is_hub) {
    weft_part_close(
        part,
        weft_status_make(WEFT_STATUS_ABANDONED,
                         "channel %s: the writer left without closing it",
                         part->name),
        false);
  }
}

static void reader_left(weft_part_t* part, weft_part_reader_t* reader) {
  uint64_t bit = weft_reader_bit(reader->end.number);
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_part_end_readers(part, bit, WEFT_OK);
  weft_part_skip_unread(reader);
  weft_mutex_lock(&part->lock);
  // What is leased is released first.
  if (!part->is_hub && reader->leases == 0) {
    weft_feed_leave_locked(part, bit, &deed);
  }
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
}

static void return_copies(weft_part_t* part, const weft_end_t* end,
                          uint32_t copies);

// An end of another's channel that could not join. Its creator may have heard
// of that or not, and has counted copies, or sent it on to the hub.
static void return_failed(weft_part_t* part, weft_end_t* end) {
  weft_peer_t* creator;
  weft_mutex_lock(&part->lock);
  bool has_failed = part->is_foreign && end->failure != WEFT_OK;
  uint32_t copies = has_failed ? end->copies : 0;
  end->copies -= copies;
  weft_runtime_t* runtime = part->runtime;
  weft_mutex_unlock(&part->lock);
  if (!has_failed || runtime == NULL) {
    return;
  }
  return_copies(part, end, copies);
  weft_status_t status =
      weft_peers_find(runtime, (uint16_t)(part->creator >> 16),
                      (uint16_t)part->creator, &creator);
  if (status == WEFT_OK && end->number != WEFT_END_WRITER) {
    const weft_value_t word = weft_int64((int64_t)weft_reader_bit(end->number));
    const weft_frame_t head = weft_part_head(part, WEFT_CHANNEL_LEAVE);
    weft_travel_tell(creator, &head, &word, 1);
    weft_join_arrive(part, weft_reader_bit(end->number));
  }
  weft_status_release(status);
}

void weft_travel_end_left(weft_part_t* part, weft_end_t* end) {
  return_failed(part, end);
  if (end->number == WEFT_END_WRITER) {
    writer_left(part);
  } else {
    reader_left(part, &part->readers[end->number]);
  }
}

// The hub, of a reader whose creator is dead: nobody can join it any more.
static void drop_orphan(weft_part_t* part, const weft_end_t* end,
                        weft_status_t reason) {
  weft_mutex_lock(&part->lock);
  bool is_orphan =
      end->number != WEFT_END_WRITER && end->state == WEFT_END_UNSEEN;
  weft_mutex_unlock(&part->lock);
  if (is_orphan) {
    weft_part_drop_readers(part, weft_reader_bit(end->number), reason);
  }
}

// Copies that came are gone, and nobody has used them here.
static void return_copies(weft_part_t* part, const weft_end_t* end,
                          uint32_t copies) {
  weft_peer_t* creator;
  weft_mutex_lock(&part->lock);
  weft_runtime_t* runtime = part->runtime;
  weft_mutex_unlock(&part->lock);
  if (runtime == NULL || copies == 0) {
    return;
  }
  const weft_value_t words[] = {weft_int64(end->number), weft_int64(copies)};
  weft_status_t status =
      weft_peers_find(runtime, (uint16_t)(part->creator >> 16),
                      (uint16_t)part->creator, &creator);
  if (status == WEFT_OK) {
    const weft_frame_t head = weft_part_head(part, WEFT_CHANNEL_RETURN);
    weft_travel_tell(creator, &head, words, 2);
  } else {
    drop_orphan(part, end, status);
  }
  weft_status_release(status);
}

// What becomes of an end whose last handle here has gone.
typedef enum fate { FATE_STAYS, FATE_LEAVES, FATE_RETURNS } fate_t;

static fate_t fate_of_locked(weft_part_t* part, weft_end_t* end) {
  if (end->state == WEFT_END_HERE) {
    return FATE_LEAVES;
  }
  if (end->state != WEFT_END_IDLE) {
    return FATE_STAYS;
  }
  if (!part->is_foreign) {
    return is_lost_locked(part, end) ? FATE_LEAVES : FATE_STAYS;
  }
  bool is_present = end->number != WEFT_END_WRITER && part->is_hub &&
                    (part->present & weft_reader_bit(end->number)) != 0;
  weft_part_set_state_locked(part, end,
                             is_present ? WEFT_END_UNSEEN : WEFT_END_AWAY);
  return FATE_RETURNS;
}

void weft_travel_release_handle(weft_part_t* part, weft_end_t* end) {
  // The use of the handle lasts until all is done.
  weft_mutex_lock(&part->lock);
  bool is_last = --end->handles == 0;
  fate_t fate = is_last ? fate_of_locked(part, end) : FATE_STAYS;
  uint32_t copies = 0;
  if (is_last && fate == FATE_RETURNS) {
    copies = end->copies;
    end->copies = 0;
  }
  weft_mutex_unlock(&part->lock);
  if (fate == FATE_LEAVES) {
    weft_travel_end_left(part, end);
  } else if (fate == FATE_RETURNS) {
    return_copies(part, end, copies);
  }
  weft_part_leave(part);
}

weft_join_t* weft_travel_find_early_locked(const weft_end_t* end,
                                           const weft_peer_t* peer) {
  weft_dlist_node_t* node = weft_dlist_first(&end->early);
  while (node != NULL &&
         WEFT_CONTAINER_OF(node, weft_join_t, node)->peer != peer) {
    node = weft_dlist_next(&end->early, node);
  }
  return node != NULL ? WEFT_CONTAINER_OF(node, weft_join_t, node) : NULL;
}

// --- Death ------------------------------------------------------------------

void weft_travel_forget_peer(weft_part_t* part, weft_end_t* end,
                             const weft_peer_t* peer) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  weft_pin_t* pin = find_pin_locked(end, peer);
  if (pin != NULL) {
    remove_pin_locked(part, pin);
  }
  weft_join_t* early = weft_travel_find_early_locked(end, peer);
  if (early != NULL) {
    weft_dlist_remove(&early->node);
    weft_memory_free(part->allocator, early, sizeof(*early));
  }
  if (end->claimant == peer) {
    if (end->state == WEFT_END_MOVING) {
      weft_part_set_state_locked(part, end, WEFT_END_AWAY);
    }
    end->claimant = NULL;
    // Perhaps it died before it came to the hub, which then knows of nobody
    // that would leave.
    if (!part->is_foreign && !part->is_hub && end->number != WEFT_END_WRITER) {
      weft_feed_leave_locked(part, weft_reader_bit(end->number), &deed);
    }
  }
  bool is_lost = pin != NULL && is_lost_locked(part, end);
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  if (is_lost) {
    weft_travel_end_left(part, end);
  }
}
