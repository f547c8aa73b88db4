// SPDX-License-Identifier: Apache-2.0
//
// Who may call the progress, and how its callers sleep.
//
// No wake-up is lost between the two words of a sleeper. Its own word it has
// set before, and whoever wakes it by that changes the word first, so the
// sleep does not begin. For the bell, `arm` takes the place, reads the bell and
// then looks once more: what comes before that look is seen by it, and whoever
// sends later finds the place taken and changes the bell, so the sleep does not
// begin either. The place is given up before the poll that follows every sleep
// with it, so that poll sees what the bell was rung for, also when the own word
// was the one that ended the sleep; who sends after that finds no sleeper and
// turns to the one of last resort.

#include "async/progress.h"

#include "async/async_internal.h"
#include "base/container.h"

// A thread that waits in `weft_progress_doze`.
typedef struct dozer {
  weft_dlist_node_t node;
  weft_parker_t* parker;
} dozer_t;

// --- Who is in --------------------------------------------------------------

// The runtime's own threads have ended when it stops; all others are counted.
static bool is_counted(const weft_async_t* async) {
  const weft_pool_thread_t* thread = weft_thread_self.pool_thread;
  return thread == NULL || thread->pool != async->pool;
}

weft_progress_t* weft_progress_enter(weft_async_t* async) {
  weft_progress_t* progress = weft_async_progress(async);
  if (progress == NULL || !is_counted(async)) {
    return progress;
  }
  // Sequentially consistent, both: `weft_progress_end` takes the progress away
  // first and counts second, so one of the two sees the other.
  atomic_fetch_add_explicit(&async->progress_users, 1, memory_order_seq_cst);
  progress = atomic_load_explicit(&async->progress, memory_order_seq_cst);
  if (progress == NULL) {
    weft_progress_leave(async);
  }
  return progress;
}

void weft_progress_leave(weft_async_t* async) {
  if (!is_counted(async)) {
    return;
  }
  // Sequentially consistent: as above. As a release it pairs with the load in
  // `weft_progress_end`.
  atomic_fetch_sub_explicit(&async->progress_users, 1, memory_order_seq_cst);
  if (weft_async_progress(async) == NULL) {
    weft_futex_wake(&async->progress_users, UINT32_MAX);
  }
}

// --- Sleeping ---------------------------------------------------------------

// Sleeps on the own word only; not for longer than `retry_ns`, if that is not
// 0. False when the deadline passed.
static bool sleep_alone(_Atomic uint32_t* word, uint32_t expected,
                        int64_t retry_ns, int64_t deadline_ns) {
  int64_t retry_at_ns =
      retry_ns != 0 ? weft_sys_now_ns() + retry_ns : WEFT_TIME_INFINITE;
  bool is_cut = retry_at_ns < deadline_ns;
  return weft_futex_wait(word, expected, is_cut ? retry_at_ns : deadline_ns) ||
         is_cut;
}

weft_nap_t weft_progress_sleep(weft_progress_t* progress,
                               weft_sleeper_t sleeper, _Atomic uint32_t* word,
                               uint32_t expected, int64_t deadline_ns) {
  weft_nap_t nap = {.in_time = true};
  weft_bell_t bell = {0};
  nap.has_place = progress->vtable->arm(progress, sleeper, &bell);
  nap.has_come = !nap.has_place && bell.word != NULL;
  if (nap.has_place) {
    nap.in_time = weft_futex_wait_two(word, expected, bell.word, bell.expected,
                                      deadline_ns);
  } else if (!nap.has_come) {
    nap.in_time = sleep_alone(word, expected, bell.retry_ns, deadline_ns);
  }
  return nap;
}

void weft_progress_awake(weft_progress_t* progress, weft_sleeper_t sleeper,
                         weft_nap_t nap) {
  if (nap.has_place) {
    progress->vtable->disarm(progress, sleeper);
  }
  if ((nap.has_place || nap.has_come) &&
      progress->vtable->poll(progress) == 0 && nap.has_come) {
    // Another thread is at it: it may need this core.
    weft_sys_yield();
  }
}

// Lists a thread that is about to sleep; false when it must not any more.
static bool list_dozer(weft_async_t* async, dozer_t* dozer) {
  weft_mutex_lock(&async->progress_lock);
  bool may_sleep = weft_async_progress(async) != NULL;
  if (may_sleep) {
    weft_dlist_append(&async->dozers, &dozer->node);
  }
  weft_mutex_unlock(&async->progress_lock);
  return may_sleep;
}

static void unlist_dozer(weft_async_t* async, dozer_t* dozer) {
  weft_mutex_lock(&async->progress_lock);
  weft_dlist_remove(&dozer->node);
  weft_mutex_unlock(&async->progress_lock);
}

bool weft_progress_doze(weft_parker_t* parker, int64_t deadline_ns) {
  weft_async_t* async = weft_async_of(parker->runtime);
  weft_progress_t* progress = weft_progress_enter(async);
  if (progress == NULL) {
    return weft_futex_wait(&parker->word, WEFT_PARKER_ASLEEP, deadline_ns);
  }
  weft_nap_t nap = {.in_time = true};
  dozer_t dozer = {.parker = parker};
  if (list_dozer(async, &dozer)) {
    nap = weft_progress_sleep(progress, WEFT_SLEEPER_WAITING, &parker->word,
                              WEFT_PARKER_ASLEEP, deadline_ns);
    unlist_dozer(async, &dozer);
    weft_progress_awake(progress, WEFT_SLEEPER_WAITING, nap);
  }
  weft_progress_leave(async);
  return nap.in_time;
}

// --- Life -------------------------------------------------------------------

void weft_progress_init(weft_async_t* async) {
  weft_mutex_init(&async->progress_lock);
  weft_dlist_init(&async->dozers);
}

void weft_progress_deinit(weft_async_t* async) {
  weft_mutex_deinit(&async->progress_lock);
}

static void store_progress(weft_async_t* async, weft_progress_t* progress) {
  // Sequentially consistent: see `weft_progress_enter`. As a release it pairs
  // with the acquire in `weft_async_progress`: the progress is whole.
  atomic_store_explicit(&async->progress, progress, memory_order_seq_cst);
}

void weft_async_set_progress(weft_runtime_t* runtime,
                             weft_progress_t* progress) {
  weft_async_t* async = weft_async_of(runtime);
  store_progress(async, progress);
  if (async->pool != NULL) {
    // A thread that sleeps already goes to the bell, or leaves it.
    weft_pool_nudge(async->pool);
  }
}

// Makes all that sleep look again: their words are no longer what they sleep
// on.
static void call_dozers(weft_async_t* async) {
  weft_mutex_lock(&async->progress_lock);
  for (weft_dlist_node_t* node = weft_dlist_first(&async->dozers); node != NULL;
       node = weft_dlist_next(&async->dozers, node)) {
    weft_parker_t* parker = WEFT_CONTAINER_OF(node, dozer_t, node)->parker;
    uint32_t expected = WEFT_PARKER_ASLEEP;
    // Relaxed: it carries no data. On failure it was woken already.
    if (atomic_compare_exchange_strong_explicit(
            &parker->word, &expected, WEFT_PARKER_EMPTY, memory_order_relaxed,
            memory_order_relaxed)) {
      weft_futex_wake(&parker->word, 1);
    }
  }
  weft_mutex_unlock(&async->progress_lock);
}

weft_status_t weft_progress_end(weft_async_t* async, int64_t deadline_ns) {
  store_progress(async, NULL);
  call_dozers(async);
  bool in_time = true;
  uint32_t users;
  // Sequentially consistent: see `weft_progress_enter`.
  while ((users = atomic_load_explicit(&async->progress_users,
                                       memory_order_seq_cst)) > 0 &&
         in_time) {
    in_time = weft_futex_wait(&async->progress_users, users, deadline_ns);
  }
  return users == 0
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                                "%u thread%s that wait%s look%s for what "
                                "comes from other processes",
                                users, users == 1 ? "" : "s",
                                users == 1 ? "s" : "", users == 1 ? "s" : "");
}
