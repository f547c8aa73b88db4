// SPDX-License-Identifier: Apache-2.0
//
// Who looks at the links: one thread at a time. A thread that finds another
// at it either has nothing to do, or leaves word that the other is to look at
// all of them once more.

#include "link/shm/shm_internal.h"

// Of many links a poll looks at those that had frames lately, and now and then
// at all, so that a thread that spins pays little for peers that are silent.
#define HOT_LIMIT 8
#define FULL_SCAN_PERIOD 8

// A thread that spins may do so on the very core that the thread which is at
// it needs to go on: after so many polls in vain it makes way. Without that it
// spins until the scheduler takes the core away from it.
#define REFUSALS_BEFORE_YIELD 16

// --- The word ---------------------------------------------------------------

static bool try_enter(weft_shm_t* shm) {
  uint32_t free = WEFT_SHM_POLL_FREE;
  // Relaxed, the first: only the exchange counts, and a thread that spins is
  // not to take the line from who holds it. Acquire: pairs with the release
  // in `scan_and_leave`.
  bool has_entered =
      atomic_load_explicit(&shm->poll, memory_order_relaxed) == free &&
      atomic_compare_exchange_strong_explicit(
          &shm->poll, &free, WEFT_SHM_POLL_HELD, memory_order_acquire,
          memory_order_relaxed);
  if (has_entered) {
    // Relaxed: a thread looks for its own number only.
    atomic_store_explicit(&shm->poller, weft_sys_thread_id(),
                          memory_order_relaxed);
  }
  return has_entered;
}

// Enters, or leaves word with who is there.
static bool enter_or_ask(weft_shm_t* shm) {
  uint32_t word = WEFT_SHM_POLL_HELD;
  for (;;) {
    if (try_enter(shm)) {
      return true;
    }
    word = WEFT_SHM_POLL_HELD;
    // Release: pairs with the acquire in `scan_and_leave`; what this thread
    // did before is found then.
    if (atomic_compare_exchange_strong_explicit(
            &shm->poll, &word, WEFT_SHM_POLL_AGAIN, memory_order_acq_rel,
            memory_order_acquire)) {
      return false;
    }
    if (word == WEFT_SHM_POLL_AGAIN &&
        // Release: as above, joined to the word of another.
        atomic_compare_exchange_strong_explicit(
            &shm->poll, &word, WEFT_SHM_POLL_AGAIN, memory_order_acq_rel,
            memory_order_acquire)) {
      return false;
    }
  }
}

// --- Looking ----------------------------------------------------------------

static void put_first(weft_dlist_t* list, weft_dlist_node_t* node) {
  node->previous = &list->ring;
  node->next = list->ring.next;
  list->ring.next->previous = node;
  list->ring.next = node;
}

static void take_incoming(weft_shm_t* shm) {
  // Relaxed: a look; the exchange below acquires.
  if (atomic_load_explicit(&shm->incoming, memory_order_relaxed) == NULL) {
    return;
  }
  // Acquire: pairs with the release in `weft_shm_poll_add`.
  weft_shm_link_t* link =
      atomic_exchange_explicit(&shm->incoming, NULL, memory_order_acquire);
  while (link != NULL) {
    weft_shm_link_t* next = link->next_incoming;
    put_first(&shm->links, &link->node);
    link = next;
  }
}

static uint32_t scan(weft_shm_t* shm, bool all) {
  take_incoming(shm);
  uint32_t count = 0;
  uint32_t left = all ? UINT32_MAX : HOT_LIMIT;
  weft_dlist_node_t* node = weft_dlist_first(&shm->links);
  while (node != NULL && left-- > 0) {
    weft_dlist_node_t* next = weft_dlist_next(&shm->links, node);
    const weft_dlist_node_t* after = node->next;
    bool is_first = node->previous == &shm->links.ring;
    uint32_t visited =
        weft_shm_visit(WEFT_CONTAINER_OF(node, weft_shm_link_t, node));
    // Not one that has ended, and may be gone: see `weft_shm_visit`.
    if (visited > 0 && !is_first && after->previous == node) {
      weft_dlist_remove(node);
      put_first(&shm->links, node);
    }
    count += visited;
    node = next;
  }
  return count;
}

static uint32_t scan_and_leave(weft_shm_t* shm, bool all) {
  uint32_t count = scan(shm, all);
  // What callbacks have written: this thread may have nothing to do now, and
  // sleep.
  weft_shm_flush_own(shm);
  for (;;) {
    // Relaxed: as in `try_enter`; nobody's number.
    atomic_store_explicit(&shm->poller, 0, memory_order_relaxed);
    uint32_t held = WEFT_SHM_POLL_HELD;
    // Release: pairs with the acquire in `try_enter`.
    if (atomic_compare_exchange_strong_explicit(
            &shm->poll, &held, WEFT_SHM_POLL_FREE, memory_order_release,
            memory_order_relaxed)) {
      return count;
    }
    // Acquire: pairs with the release of who left word.
    (void)atomic_exchange_explicit(&shm->poll, WEFT_SHM_POLL_HELD,
                                   memory_order_acquire);
    atomic_store_explicit(&shm->poller, weft_sys_thread_id(),
                          memory_order_relaxed);
    count += scan(shm, true);
    weft_shm_flush_own(shm);
  }
}

uint32_t weft_shm_poll(weft_progress_t* progress) {
  static _Thread_local uint32_t refusals;
  weft_shm_t* shm = WEFT_CONTAINER_OF(progress, weft_shm_t, progress);
  if (!try_enter(shm)) {
    if (++refusals % REFUSALS_BEFORE_YIELD == 0) {
      weft_sys_yield();
    }
    return 0;
  }
  refusals = 0;
  // Relaxed: a count, changed by who holds `poll` only.
  uint32_t polls = atomic_load_explicit(&shm->poll_count, memory_order_relaxed);
  atomic_store_explicit(&shm->poll_count, polls + 1, memory_order_relaxed);
  return scan_and_leave(shm, polls % FULL_SCAN_PERIOD == 0);
}

void weft_shm_progress_all(weft_shm_t* shm) {
  if (enter_or_ask(shm)) {
    (void)scan_and_leave(shm, true);
  }
}

bool weft_shm_poll_peek(weft_shm_t* shm) {
  if (!enter_or_ask(shm)) {
    // Whoever is there looks once more, after this.
    return false;
  }
  take_incoming(shm);
  bool found = false;
  for (weft_dlist_node_t* node = weft_dlist_first(&shm->links); node != NULL;
       node = weft_dlist_next(&shm->links, node)) {
    found |= weft_shm_peek(WEFT_CONTAINER_OF(node, weft_shm_link_t, node));
  }
  uint32_t held = WEFT_SHM_POLL_HELD;
  // Release: pairs with the acquire in `try_enter`. Fails when somebody has
  // left word meanwhile.
  if (!atomic_compare_exchange_strong_explicit(
          &shm->poll, &held, WEFT_SHM_POLL_FREE, memory_order_release,
          memory_order_relaxed)) {
    (void)scan_and_leave(shm, true);
  }
  return found;
}

// --- For links that begin and end -------------------------------------------

void weft_shm_poll_add(weft_shm_t* shm, weft_shm_link_t* link) {
  // Relaxed: the exchange below checks it.
  weft_shm_link_t* first =
      atomic_load_explicit(&shm->incoming, memory_order_relaxed);
  do {
    link->next_incoming = first;
    // Release: pairs with the acquire in `take_incoming`.
  } while (!atomic_compare_exchange_weak_explicit(&shm->incoming, &first, link,
                                                  memory_order_release,
                                                  memory_order_relaxed));
}

bool weft_shm_poll_enter(weft_shm_t* shm) {
  while (!try_enter(shm)) {
    // Relaxed: as in `try_enter`.
    if (atomic_load_explicit(&shm->poller, memory_order_relaxed) ==
        weft_sys_thread_id()) {
      return false;
    }
    weft_sys_yield();
  }
  return true;
}

void weft_shm_poll_leave(weft_shm_t* shm) {
  (void)scan_and_leave(shm, true);
}
