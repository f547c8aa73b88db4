// SPDX-License-Identifier: Apache-2.0

#include "base/container.h"
#include "peer/peers.h"
#include "sys/slab.h"

static uint64_t key_of(uint32_t index, uint32_t generation) {
  return (uint64_t)index << 32 | generation;
}

// What this runtime sends to and what it receives for have different keys:
// actors of the peer, and actors of this runtime; the peer's have this bit,
// which no index reaches.
#define OURS (UINT64_C(1) << 63)

static weft_window_t* find(const weft_peer_t* peer, uint64_t key) {
  weft_table_node_t* node = weft_table_find(&peer->windows, key);
  return node != NULL ? WEFT_CONTAINER_OF(node, weft_window_t, node) : NULL;
}

static weft_window_t* find_or_add(weft_peer_t* peer, uint64_t key) {
  weft_window_t* window = find(peer, key);
  if (window == NULL) {
    window = weft_slab_allocate(peer->runtime->slab, sizeof(*window));
    if (window != NULL) {
      *window = (weft_window_t){.out = 0};
      weft_table_insert(&peer->windows, &window->node, key);
    }
  }
  return window;
}

static void remove_window(weft_peer_t* peer, weft_window_t* window) {
  (void)weft_table_remove(&peer->windows, window->node.key);
  weft_slab_free(peer->runtime->slab, window, sizeof(*window));
}

// --- Messages that this runtime sends ---------------------------------------

weft_status_t weft_window_take_locked(weft_peer_t* peer, weft_actor_t target) {
  weft_window_t* window =
      find_or_add(peer, key_of(target.index, target.generation));
  if (window == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a message to rank %u", peer->rank);
  }
  if (window->out == WEFT_WINDOW_MESSAGES) {
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  window->out++;
  return WEFT_OK;
}

weft_status_t weft_window_probe_locked(const weft_peer_t* peer,
                                       weft_actor_t target) {
  const weft_window_t* window =
      find(peer, key_of(target.index, target.generation));
  return window != NULL && window->out == WEFT_WINDOW_MESSAGES
             ? weft_status_from_code(WEFT_STATUS_WOULD_BLOCK)
             : WEFT_OK;
}

static void give_locked(weft_peer_t* peer, uint64_t key, uint64_t count) {
  weft_window_t* window = find(peer, key);
  if (window == NULL) {
    return;
  }
  bool was_full = window->out == WEFT_WINDOW_MESSAGES;
  window->out -= count < window->out ? (uint32_t)count : window->out;
  if (window->out == 0) {
    remove_window(peer, window);
  }
  if (was_full) {
    weft_peer_wake_locked(peer);
  }
}

void weft_window_untake_locked(weft_peer_t* peer, weft_actor_t target) {
  give_locked(peer, key_of(target.index, target.generation), 1);
}

void weft_window_receive_credit(weft_peer_t* peer, const weft_frame_t* frame) {
  uint64_t key = key_of(frame->target_index, frame->target_generation);
  if ((key & OURS) != 0) {
    // No actor has such an index.
    return;
  }
  weft_mutex_lock(&peer->lock);
  give_locked(peer, key, frame->id);
  weft_mutex_unlock(&peer->lock);
}

// --- Messages that this runtime receives ------------------------------------

// What a peer counts as out is at least what is counted here: it counts before
// it sends, and hears of credits after they were taken off here. So one that
// keeps to its windows is never refused. Without memory nothing is counted.
weft_status_t weft_window_receive(weft_peer_t* peer, uint32_t index,
                                  uint32_t generation) {
  weft_mutex_lock(&peer->lock);
  weft_window_t* window = find_or_add(peer, key_of(index, generation) | OURS);
  bool is_full = window != NULL && window->in == WEFT_WINDOW_MESSAGES;
  if (window != NULL && !is_full) {
    window->in++;
  }
  weft_status_t status =
      is_full ? WEFT_OK : weft_peer_check_outbox_locked(peer);
  weft_mutex_unlock(&peer->lock);
  return !is_full ? status
                  : weft_status_make(WEFT_STATUS_DATA_LOSS,
                                     "rank %u has more than %d messages with "
                                     "actor #%u that are not dealt with",
                                     peer->rank, WEFT_WINDOW_MESSAGES, index);
}

// Tells the peer how many are done; the lock is held.
static weft_status_t write_count(weft_peer_t* peer, uint64_t key,
                                 uint32_t count) {
  weft_frame_t frame = {
      .type = WEFT_FRAME_CREDIT,
      .id = count,
      .target_index = (uint32_t)(key >> 32),
      .target_generation = (uint32_t)key,
      .timeout_ns = INT64_MAX,
  };
  return weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED);
}

static weft_status_t write_credit(weft_outgoing_t* outgoing,
                                  weft_peer_t* peer) {
  weft_window_t* window = WEFT_CONTAINER_OF(outgoing, weft_window_t, credit);
  WEFT_RETURN_IF_ERROR(
      write_count(peer, window->node.key & ~OURS, window->done));
  window->in -= window->done < window->in ? window->done : window->in;
  window->done = 0;
  window->is_due = false;
  return WEFT_OK;
}

static void end_credit(weft_outgoing_t* outgoing, weft_peer_t* peer);

// What is to be told of a window, if it is time; NULL else. The lock is held.
static weft_outgoing_t* tell_locked(weft_window_t* window, uint32_t batch) {
  if (window == NULL || window->done < batch) {
    return NULL;
  }
  if (window->is_telling) {
    window->is_due = true;
    return NULL;
  }
  window->is_telling = true;
  window->credit.write = write_credit;
  window->credit.end = end_credit;
  return &window->credit;
}

// Only what became due since it was written is told again: to the dead nothing
// is written, and what is done would stay.
static void end_credit(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_window_t* window = WEFT_CONTAINER_OF(outgoing, weft_window_t, credit);
  weft_outgoing_t* credit = NULL;
  weft_mutex_lock(&peer->lock);
  window->is_telling = false;
  if (window->is_due) {
    window->is_due = false;
    credit = tell_locked(window, 1);
  } else if ((window->done == 0 && window->in == 0) ||
             weft_peer_state(peer) == WEFT_PEER_DEAD) {
    remove_window(peer, window);
  }
  weft_mutex_unlock(&peer->lock);
  if (credit != NULL) {
    weft_peer_send(peer, credit);
  }
}

// Counts messages, or tells of them at once if there is no memory to count. The
// lock is held. Errors: RESOURCE_EXHAUSTED: there is no room either.
static weft_status_t count_locked(weft_peer_t* peer, uint64_t key,
                                  uint32_t count,
                                  weft_outgoing_t** out_credit) {
  weft_window_t* window = find_or_add(peer, key | OURS);
  if (window != NULL) {
    window->done += count;
    *out_credit = tell_locked(window, WEFT_WINDOW_BATCH);
    return WEFT_OK;
  }
  weft_status_t status = write_count(peer, key, count);
  weft_peer_flush_locked(peer);
  return weft_status_ignore(status) != WEFT_STATUS_WOULD_BLOCK
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "no memory for what rank %u may send",
                                peer->rank);
}

void weft_window_done(weft_peer_t* peer, uint32_t index, uint32_t generation,
                      uint32_t count) {
  weft_outgoing_t* credit = NULL;
  weft_status_t status = WEFT_OK;
  weft_mutex_lock(&peer->lock);
  if (weft_peer_state(peer) != WEFT_PEER_DEAD) {
    status = count_locked(peer, key_of(index, generation), count, &credit);
  }
  weft_mutex_unlock(&peer->lock);
  if (credit != NULL) {
    weft_peer_send(peer, credit);
  } else if (status != WEFT_OK) {
    // The peer must not wait for ever for what it is not told.
    weft_peer_break(peer, status);
  }
}

static void end_window(weft_peer_t* peer, uint64_t key) {
  weft_outgoing_t* credit = NULL;
  weft_mutex_lock(&peer->lock);
  if (weft_peer_state(peer) != WEFT_PEER_DEAD) {
    credit = tell_locked(find(peer, key | OURS), 1);
  }
  weft_mutex_unlock(&peer->lock);
  if (credit != NULL) {
    weft_peer_send(peer, credit);
  }
}

void weft_window_end(weft_peer_t* peer, uint32_t index, uint32_t generation) {
  end_window(peer, key_of(index, generation));
}

void weft_windows_strike_off_locked(weft_peer_t* peer) {
  weft_table_node_t* kept = NULL;
  weft_table_node_t* node;
  while ((node = weft_table_take_any(&peer->windows)) != NULL) {
    weft_window_t* window = WEFT_CONTAINER_OF(node, weft_window_t, node);
    if (window->is_telling) {
      // `end_credit` is called yet.
      node->next = kept;
      kept = node;
    } else {
      weft_slab_free(peer->runtime->slab, window, sizeof(*window));
    }
  }
  weft_table_deinit(&peer->windows);
  weft_table_init(&peer->windows, peer->runtime->allocator);
  while ((node = kept) != NULL) {
    kept = node->next;
    weft_table_insert(&peer->windows, node, node->key);
  }
}

static void end_visited(weft_peer_t* peer, void* user) {
  end_window(peer, *(const uint64_t*)user);
}

void weft_windows_end(weft_peers_t* peers, uint32_t index,
                      uint32_t generation) {
  uint64_t key = key_of(index, generation);
  weft_peers_visit(peers, end_visited, &key);
}
