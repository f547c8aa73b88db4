// SPDX-License-Identifier: Apache-2.0
//
// How an end comes to be used in a process other than its channel's. The
// creator says who uses which end; the hub feeds who has joined it:
//
//   B (reader 1)                D (creator)                A (writer)
//   JOIN reader 1 -------------> nobody else uses it
//                                D is the hub: REPLY 0, and what there is
//                                                 <------- JOIN writer
//                                nothing was written: REPLY
//                                readers and keys -------> A is the hub
//   <-------------- MOVED to A
//   JOIN reader 1 ------------------------------------------->
//   <------------------------------------------- REPLY 0, values
//   ARRIVE reader 1 -----------> D forgets the channel, if all have
//
// Until B has arrived at A, what it tells D of reader 1 is passed on to A, and
// if it dies A is told.
//
// Whoever joins shows the key of the end, which only those know who were given
// it. A takes a JOIN before it has D's answer, and answers it afterwards.

#include <stdio.h>
#include <string.h>

#include "base/container.h"
#include "base/memory.h"
#include "channel/part.h"
#include "peer/peers.h"

// --- Arriving ---------------------------------------------------------------

void weft_join_forget_moving_locked(weft_part_t* part, const weft_peer_t* peer,
                                    uint64_t bits) {
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_end_t* end = &part->readers[i].end;
    if (end->state == WEFT_END_MOVING && (bits & weft_reader_bit(i)) != 0 &&
        (peer == NULL || end->claimant == peer)) {
      weft_part_set_state_locked(part, end, WEFT_END_AWAY);
    }
  }
}

void weft_join_arrive(weft_part_t* part, uint64_t bits) {
  weft_peer_t* creator;
  weft_mutex_lock(&part->lock);
  weft_runtime_t* runtime = part->is_foreign ? part->runtime : NULL;
  weft_mutex_unlock(&part->lock);
  if (runtime == NULL) {
    return;
  }
  weft_status_t status =
      weft_peers_find(runtime, (uint16_t)(part->creator >> 16),
                      (uint16_t)part->creator, &creator);
  if (status == WEFT_OK) {
    const weft_value_t word = weft_int64((int64_t)bits);
    const weft_frame_t head = weft_part_head(part, WEFT_CHANNEL_ARRIVE);
    weft_travel_tell(creator, &head, &word, 1);
  }
  weft_status_release(status);
}

void weft_join_answer_moved(weft_peer_t* peer, const weft_frame_t* frame) {
  if (frame->target_index != weft_peer_holder(peer) ||
      !weft_answer_check(peer)) {
    return;
  }
  const weft_value_t word = weft_int64((int64_t)UINT64_MAX);
  const weft_frame_t head = weft_channel_head(
      frame->target_index, frame->target_generation, WEFT_CHANNEL_ARRIVE);
  weft_travel_tell(peer, &head, &word, 1);
}

// The readers at a place are on their way to the hub.
static void begin_moving(weft_part_t* part, const weft_peer_t* peer,
                         uint64_t bits) {
  weft_mutex_lock(&part->lock);
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_end_t* end = &part->readers[i].end;
    if (part->runtime != NULL && (bits & weft_reader_bit(i)) != 0 &&
        end->state == WEFT_END_PLACED && end->claimant == peer) {
      weft_part_set_state_locked(part, end, WEFT_END_MOVING);
    }
  }
  weft_mutex_unlock(&part->lock);
}

// Readers whose use elsewhere is settled: none of them is to come to a hub from
// here any more, or will say so itself.
static uint64_t settled_locked(const weft_part_t* part, bool moves) {
  uint64_t settled = 0;
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_end_state_t state = part->readers[i].end.state;
    bool is_coming =
        state == WEFT_END_JOINING || (moves && state == WEFT_END_HERE);
    settled |= is_coming ? 0 : weft_reader_bit(i);
  }
  return settled;
}

// --- Asking -----------------------------------------------------------------

// The end can be used, or never will be: `failure` says why.
// Owns: takes `failure` over.
static void end_join(weft_part_t* part, weft_end_t* end,
                     weft_status_t failure) {
  weft_deed_t deed;
  weft_deed_init(&deed);
  weft_mutex_lock(&part->lock);
  if (end->state == WEFT_END_JOINING) {
    weft_part_set_state_locked(part, end, WEFT_END_HERE);
    weft_agree_joined_locked(part, &deed);
  }
  weft_status_release(end->failure);
  end->failure = failure;
  weft_part_stir_locked(part, true, &deed);
  weft_part_stir_locked(part, false, &deed);
  bool is_deserted = end->handles == 0;
  weft_mutex_unlock(&part->lock);
  weft_deed_do(&deed, part->allocator);
  if (is_deserted) {
    weft_travel_end_left(part, end);
  }
}

static weft_join_t* take_early(weft_part_t* part, uint32_t reader) {
  weft_mutex_lock(&part->lock);
  weft_dlist_node_t* node =
      weft_dlist_take_first(&part->readers[reader].end.early);
  weft_mutex_unlock(&part->lock);
  return node != NULL ? WEFT_CONTAINER_OF(node, weft_join_t, node) : NULL;
}

// The writer is here, or will not be: those that came before it are answered.
// Not when only a reader is: then they would be kept again.
static void welcome_early(weft_part_t* part, const weft_end_t* end) {
  if (end->number != WEFT_END_WRITER) {
    return;
  }
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_join_t* early;
    while ((early = take_early(part, i)) != NULL) {
      weft_join_receive(part, early->peer, early->id, i, early->key);
      weft_memory_free(part->allocator, early, sizeof(*early));
    }
  }
}

// The writer is here: this is the hub. `data` is what the creator said.
static weft_status_t become_hub(weft_part_t* part, weft_value_t value) {
  const void* data = NULL;
  size_t size_bytes = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_bytes(value, &data, &size_bytes));
  if (size_bytes != sizeof(uint64_t) * (part->reader_count + 2)) {
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "channel %s: its creator answered with %zu bytes",
                            part->name, size_bytes);
  }
  const char* words = data;
  uint64_t slot_bytes;
  memcpy(&slot_bytes, words + sizeof(uint64_t) * (part->reader_count + 1),
         sizeof(slot_bytes));
  weft_mutex_lock(&part->lock);
  part->slot_bytes =
      slot_bytes > 0 && slot_bytes <= WEFT_CHANNEL_SLOT_BYTES_LIMIT
          ? (uint32_t)slot_bytes
          : WEFT_CHANNEL_NO_RING;
  memcpy(&part->present, words, sizeof(uint64_t));
  part->present &= UINT64_MAX >> (64 - part->reader_count);
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_end_t* end = &part->readers[i].end;
    // Whatever others have said that it is.
    memcpy(&end->key, words + sizeof(uint64_t) * (i + 1), sizeof(uint64_t));
    if ((part->present & weft_reader_bit(i)) != 0 &&
        end->state == WEFT_END_AWAY) {
      weft_part_set_state_locked(part, end, WEFT_END_UNSEEN);
    }
    // Its creator had not heard yet that it has left here, or has said so
    // since.
    if (end->state == WEFT_END_LEFT) {
      part->present &= ~weft_reader_bit(i);
    }
  }
  part->is_hub = true;
  // Readers here that had joined elsewhere are at the hub now: the MOVED that
  // comes is not for them, and nothing is told to the old one.
  part->hub = NULL;
  weft_mutex_unlock(&part->lock);
  return WEFT_OK;
}

// A reader may take values from this peer, which sends them from now on.
static void follow_hub(weft_part_t* part, weft_peer_t* hub) {
  weft_mutex_lock(&part->lock);
  part->hub = hub;
  weft_mutex_unlock(&part->lock);
}

// Uses a reader whose hub is here. Errors: FAILED_PRECONDITION.
static weft_status_t join_here(weft_part_t* part) {
  weft_mutex_lock(&part->lock);
  bool is_hub = part->is_hub;
  weft_mutex_unlock(&part->lock);
  return is_hub ? WEFT_OK
                : weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                                   "channel %s: its writer is not here, though "
                                   "its creator says so",
                                   part->name);
}

static void answer_came(weft_pending_t* pending, weft_status_t status,
                        weft_value_t value) {
  weft_end_t* end = WEFT_CONTAINER_OF(pending, weft_end_t, pending);
  weft_part_t* part = end->part;
  weft_peer_t* peer = pending->peer;
  int64_t number = 0;
  bool is_writer = end->number == WEFT_END_WRITER;
  if (status == WEFT_OK) {
    status = is_writer ? become_hub(part, value)
                       : weft_value_as_int64(value, &number);
  }
  weft_value_release(value);
  weft_holder_t hub = (weft_holder_t)number;
  if (status == WEFT_OK && hub != 0 && hub != weft_peers_self(peer->peers)) {
    weft_join_ask(part, end, hub);
    return;
  }
  if (status == WEFT_OK && hub != 0) {
    status = join_here(part);
  } else if (status == WEFT_OK && !is_writer) {
    follow_hub(part, peer);
  }
  bool was_sent_on = hub != 0 || part->creator != weft_peer_holder(peer);
  bool arrives = status == WEFT_OK && !is_writer && was_sent_on;
  end_join(part, end, status);
  if (arrives) {
    weft_join_arrive(part, weft_reader_bit(end->number));
  }
  welcome_early(part, end);
  weft_part_leave(part);
}

static void describe_loss(const weft_pending_t* pending, char* buffer,
                          size_t capacity) {
  const weft_end_t* end = WEFT_CONST_CONTAINER_OF(pending, weft_end_t, pending);
  (void)snprintf(buffer, capacity, "an end of channel %s cannot be opened",
                 end->part->name);
}

// Sends JOIN to a peer that is there. Errors: PEER_DIED; RESOURCE_EXHAUSTED.
static weft_status_t ask(weft_part_t* part, weft_end_t* end,
                         weft_holder_t holder) {
  weft_peer_t* peer;
  uint64_t id;
  weft_mutex_lock(&part->lock);
  weft_runtime_t* runtime = part->runtime;
  weft_mutex_unlock(&part->lock);
  if (runtime == NULL) {
    return weft_part_closed_status(part, "the runtime has stopped");
  }
  WEFT_RETURN_IF_ERROR(weft_peers_find(runtime, (uint16_t)(holder >> 16),
                                       (uint16_t)holder, &peer));
  end->pending = (weft_pending_t){
      .complete = answer_came,
      .describe_loss = describe_loss,
  };
  WEFT_RETURN_IF_ERROR(weft_calls_add(peer, &end->pending, &id));
  const weft_value_t words[] = {weft_int64(end->number),
                                weft_int64((int64_t)weft_part_key(part, end))};
  weft_frame_t head = weft_part_head(part, WEFT_CHANNEL_JOIN);
  head.id = id;
  weft_status_t status = weft_travel_send(peer, &head, words, 2);
  if (status != WEFT_OK && !weft_calls_take(&end->pending, &id)) {
    // The peer has died, and the call was told so.
    weft_status_release(status);
    return WEFT_OK;
  }
  return status;
}

void weft_join_ask(weft_part_t* part, weft_end_t* end, weft_holder_t holder) {
  weft_status_t status = ask(part, end, holder);
  if (status != WEFT_OK) {
    end_join(part, end, status);
    welcome_early(part, end);
    weft_part_leave(part);
  }
}

// --- Answering --------------------------------------------------------------

static weft_status_t taken_status(const weft_part_t* part,
                                  const weft_end_t* end) {
  char where[32] = "elsewhere";
  if (end->claimant != NULL) {
    (void)snprintf(where, sizeof(where), "at rank %u", end->claimant->rank);
  } else if (end->state == WEFT_END_HERE) {
    (void)snprintf(where, sizeof(where), "by whoever made it");
  }
  if (end->state == WEFT_END_LEFT) {
    return end->failure != WEFT_OK
               ? weft_status_retain(end->failure)
               : weft_part_closed_status(part, "this end of it has left");
  }
  if (end->number == WEFT_END_WRITER) {
    return weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                            "the writer of channel %s is used %s", part->name,
                            where);
  }
  return weft_status_make(WEFT_STATUS_ALREADY_EXISTS,
                          "reader %u of channel %s is used %s", end->number,
                          part->name, where);
}

// What the new hub has to know; NULL without memory.
static weft_status_t describe_locked(const weft_part_t* part,
                                     weft_value_t* out_value) {
  uint64_t words[WEFT_CHANNEL_READER_LIMIT + 2];
  words[0] = part->present;
  words[part->reader_count + 1] = part->slot_bytes;
  for (uint32_t i = 0; i < part->reader_count; i++) {
    words[i + 1] = part->readers[i].end.key;
  }
  return weft_bytes_create(part->allocator, words,
                           sizeof(uint64_t) * (part->reader_count + 2),
                           out_value);
}

// Readers at places go to the new hub. So do those that are used here.
static void follow(weft_part_t* part, weft_holder_t hub) {
  const weft_value_t word = weft_int64(hub);
  const weft_frame_t head = weft_part_head(part, WEFT_CHANNEL_MOVED);
  uint64_t bits;
  weft_peer_t* peer;
  while ((peer = weft_places_take_any(part, &bits)) != NULL) {
    begin_moving(part, peer, bits);
    weft_travel_tell(peer, &head, &word, 1);
  }
  weft_join_follow(part, hub);
}

void weft_join_follow(weft_part_t* part, weft_holder_t hub) {
  for (uint32_t i = 0; i < part->reader_count; i++) {
    weft_end_t* end = &part->readers[i].end;
    weft_mutex_lock(&part->lock);
    bool is_here = end->state == WEFT_END_HERE && end->failure == WEFT_OK;
    if (is_here) {
      weft_part_set_state_locked(part, end, WEFT_END_JOINING);
      part->users++;
    }
    weft_mutex_unlock(&part->lock);
    if (is_here) {
      weft_join_ask(part, end, hub);
    }
  }
}

static void give_writer(weft_part_t* part, weft_peer_t* peer, uint64_t id) {
  weft_end_t* writer = &part->writer_end;
  weft_value_t value = weft_none();
  weft_mutex_lock(&part->lock);
  weft_status_t status = writer->state == WEFT_END_IDLE && !part->is_foreign
                             ? describe_locked(part, &value)
                             : taken_status(part, writer);
  if (status == WEFT_OK) {
    weft_travel_clear_pins_locked(part, writer);
    part->is_hub = false;
    part->hub = peer;
    writer->claimant = peer;
    part->users++;
    weft_part_set_state_locked(part, writer, WEFT_END_AWAY);
  }
  weft_mutex_unlock(&part->lock);
  bool is_given = status == WEFT_OK;
  weft_answer_join(peer, id, status, value);
  if (is_given) {
    follow(part, weft_peer_holder(peer));
    weft_part_leave(part);
  }
}

// The creator, of a channel whose hub is elsewhere: the reader is to go there.
static bool send_on_locked(weft_part_t* part, weft_end_t* end,
                           weft_peer_t* peer) {
  bool sends_on = !part->is_foreign && !part->is_hub && weft_end_is_free(end);
  if (sends_on) {
    weft_travel_clear_pins_locked(part, end);
    end->claimant = peer;
    weft_part_set_state_locked(
        part, end, part->runtime != NULL ? WEFT_END_MOVING : WEFT_END_AWAY);
  }
  return sends_on;
}

static void give_reader(weft_part_t* part, weft_end_t* end, weft_peer_t* peer,
                        uint64_t id) {
  weft_status_t status = WEFT_OK;
  weft_mutex_lock(&part->lock);
  bool sends_on = send_on_locked(part, end, peer);
  weft_holder_t hub = part->hub != NULL ? weft_peer_holder(part->hub) : 0;
  bool joins = !sends_on && part->is_hub && weft_end_is_free(end);
  if (!joins && !sends_on) {
    status = taken_status(part, end);
  } else if (!joins && hub == 0) {
    // The hub has died, and the channel was closed with that.
    status = weft_status_retain(part->reason);
  }
  weft_mutex_unlock(&part->lock);
  if (joins) {
    status = weft_places_add(part, end, peer, id);
  }
  if (!joins || status != WEFT_OK) {
    weft_answer_join(peer, id, status, weft_int64(hub));
  }
}

// The writer is on its way here: the answer has to wait. Whose key is right is
// not known before, so there may be one of each peer.
static bool keep_early_locked(weft_part_t* part, weft_end_t* end,
                              const weft_join_t* join) {
  bool is_early = part->is_foreign && !part->is_hub &&
                  part->writer_end.state == WEFT_END_JOINING &&
                  weft_travel_find_early_locked(end, join->peer) == NULL;
  weft_join_t* early =
      is_early ? weft_memory_allocate(part->allocator, sizeof(*early)) : NULL;
  if (early != NULL) {
    *early = *join;
    weft_dlist_append(&end->early, &early->node);
  }
  return early != NULL;
}

// Why nobody joins here: this is not the hub, and will not be. WEFT_OK: it may.
static weft_status_t check_hub_locked(const weft_part_t* part, bool is_writer) {
  if (!part->is_foreign || part->is_hub || is_writer) {
    return WEFT_OK;
  }
  if (part->writer_end.failure != WEFT_OK) {
    return weft_status_retain(part->writer_end.failure);
  }
  return part->writer_end.state == WEFT_END_JOINING
             ? weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "no memory to answer who opens an end of "
                                "channel %s",
                                part->name)
             : weft_part_closed_status(part, "its writer is not here");
}

static weft_status_t check_key_locked(const weft_part_t* part,
                                      const weft_end_t* end,
                                      const weft_join_t* join) {
  return end->key != 0 && end->key == join->key
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                "channel %s: rank %u was not given the end "
                                "that it opens",
                                part->name, join->peer->rank);
}

void weft_join_receive(weft_part_t* part, weft_peer_t* peer, uint64_t id,
                       uint32_t number, uint64_t key) {
  weft_end_t* end = weft_part_end(part, number);
  bool is_writer = number == WEFT_END_WRITER;
  const weft_join_t join = {.peer = peer, .id = id, .key = key};
  weft_status_t status = WEFT_OK;
  weft_mutex_lock(&part->lock);
  bool keeps = !is_writer && keep_early_locked(part, end, &join);
  if (!keeps) {
    status = check_hub_locked(part, is_writer);
    status = status == WEFT_OK ? check_key_locked(part, end, &join) : status;
  }
  weft_mutex_unlock(&part->lock);
  if (keeps) {
    return;
  }
  if (status != WEFT_OK) {
    weft_answer_join(peer, id, status, weft_none());
  } else if (is_writer) {
    give_writer(part, peer, id);
  } else {
    give_reader(part, end, peer, id);
  }
}

void weft_join_receive_moved(weft_part_t* part, weft_peer_t* peer,
                             weft_holder_t hub) {
  weft_mutex_lock(&part->lock);
  bool moves = part->is_foreign && part->hub == peer &&
               part->creator == weft_peer_holder(peer);
  uint64_t settled = settled_locked(part, moves);
  weft_mutex_unlock(&part->lock);
  if (part->creator == weft_peer_holder(peer) && weft_answer_check(peer)) {
    weft_join_arrive(part, settled);
  }
  if (!moves) {
    return;
  }
  // Whoever leaves before it follows still tells the old one, who passes it on.
  weft_join_follow(part, hub);
  weft_mutex_lock(&part->lock);
  if (part->hub == peer) {
    part->hub = NULL;
  }
  weft_mutex_unlock(&part->lock);
}
