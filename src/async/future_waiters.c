// SPDX-License-Identifier: Apache-2.0
//
// The waiters and hooks of a future: registering, taking back, running.
//
// Each thread has a *turn* while it runs waiters. What a callback completes
// meanwhile is queued in the turn and has its waiters run after the callback,
// so the depth of the stack does not grow with the length of a chain, and
// waiters of one future run in the order of registration.

#include "async/future_link.h"

// Pauses before a spinning thread gives its core away.
#define SPIN_LIMIT 64u
// Looks at a running callback before sleeping until it is over.
#define REMOVE_SPIN_LIMIT 128u

const char weft_link_mark = 0;

_Thread_local weft_turn_t weft_turn;

void weft_word_pause(uint32_t* spins) {
  if (*spins < SPIN_LIMIT) {
    *spins += 1;
    weft_sys_pause();
  } else {
    weft_sys_yield();
  }
}

bool weft_future_claim_slow(weft_future_t* future, uint32_t barred) {
  // Relaxed: only what the exchange below sees counts.
  uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
  uint32_t spins = 0;
  while (!weft_word_is_claimed(word) && (word & barred) == 0) {
    // Acquire: as in `weft_future_lock`.
    if ((word & WEFT_FUTURE_LOCK) == 0 &&
        atomic_compare_exchange_weak_explicit(
            &future->state, &word,
            word | WEFT_FUTURE_LOCK | WEFT_FUTURE_CLAIMED, memory_order_acquire,
            memory_order_relaxed)) {
      return true;
    }
    if ((word & WEFT_FUTURE_LOCK) != 0) {
      weft_word_pause(&spins);
      // Relaxed: as above.
      word = atomic_load_explicit(&future->state, memory_order_relaxed);
    }
  }
  weft_future_pass_lock(future);
  return false;
}

void weft_future_pass_lock(weft_future_t* future) {
  uint32_t spins = 0;
  while ((weft_future_word(future) & WEFT_FUTURE_LOCK) != 0) {
    weft_word_pause(&spins);
  }
}

bool weft_future_is_watched(weft_future_t* future) {
  uint32_t word = weft_future_lock(future);
  bool is_watched = future->first != NULL || future->hooks != NULL;
  weft_future_unlock(future, word);
  return is_watched;
}

// --- The list, under LOCK ---------------------------------------------------

static void append(weft_future_t* future, weft_waiter_t* waiter) {
  waiter->next = NULL;
  waiter->previous = future->first == NULL ? NULL : future->last;
  if (future->first == NULL) {
    future->first = waiter;
  } else {
    future->last->next = waiter;
  }
  future->last = waiter;
}

static bool is_listed(const weft_future_t* future,
                      const weft_waiter_t* waiter) {
  return waiter->previous != NULL || future->first == waiter;
}

static void unlist(weft_future_t* future, weft_waiter_t* waiter) {
  if (waiter->previous == NULL) {
    future->first = waiter->next;
  } else {
    waiter->previous->next = waiter->next;
  }
  if (waiter->next == NULL) {
    future->last = waiter->previous;
  } else {
    waiter->next->previous = waiter->previous;
  }
  waiter->next = NULL;
  waiter->previous = NULL;
}

// --- Running waiters --------------------------------------------------------

// Takes the next waiter off, to be called by this thread.
static weft_waiter_t* take_next(weft_future_t* future) {
  weft_waiter_t* waiter = future->first;
  unlist(future, waiter);
  future->running = weft_waiter_is_link(waiter) ? NULL : waiter;
  return waiter;
}

// The last waiter's callback has returned: takes off the next, or NULL.
static weft_waiter_t* step(weft_future_t* future) {
  uint32_t word = weft_future_lock(future);
  future->running = NULL;
  weft_waiter_t* waiter = NULL;
  if (future->first != NULL) {
    waiter = take_next(future);
  }
  uint32_t left = future->first != NULL ? WEFT_FUTURE_WAITERS : 0;
  uint32_t kept = word & ~(WEFT_FUTURE_WAITERS | WEFT_FUTURE_REMOVER);
  weft_future_unlock(future, kept | left);
  if ((word & WEFT_FUTURE_REMOVER) != 0) {
    weft_futex_wake(&future->state, UINT32_MAX);
  }
  return waiter;
}

// True when nothing is left to do after the callback of a link.
static bool is_drained(const weft_future_t* future) {
  // Relaxed: WAITERS changes on this thread alone once there is an outcome.
  uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
  return (word & WEFT_FUTURE_WAITERS) == 0;
}

static void drain(weft_future_t* future) {
  weft_waiter_t* waiter = future->ready;
  future->ready = NULL;
  bool is_link = true;
  while (waiter != NULL || !is_drained(future)) {
    if (waiter != NULL) {
      // Looked at before the call, which may free the node.
      is_link = weft_waiter_is_link(waiter);
      waiter->callback(waiter, future);
    }
    waiter = is_link && is_drained(future) ? NULL : step(future);
  }
}

void weft_future_flush(void) {
  while (weft_turn.first != NULL) {
    weft_future_t* future = weft_turn.first;
    weft_turn.first = future->next;
    future->next = NULL;
    drain(future);
    future->draining = false;
    weft_object_release(&future->object);
  }
}

// --- Completing -------------------------------------------------------------

// Runs hooks, those that come meanwhile too. LOCK is held before and after,
// but not while a hook runs.
static void run_hooks(weft_future_t* future) {
  while (future->hooks != NULL) {
    weft_hook_t* ordered = NULL;
    for (weft_hook_t* hook = future->hooks; hook != NULL;) {
      weft_hook_t* next = hook->next;
      hook->next = ordered;
      ordered = hook;
      hook = next;
    }
    future->hooks = NULL;
    // Relaxed: the holder of LOCK reads what only holders of LOCK change.
    uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
    weft_future_unlock(future, word & ~WEFT_FUTURE_LOCK);
    while (ordered != NULL) {
      weft_hook_t* hook = ordered;
      ordered = hook->next;
      hook->callback(hook, future->error, weft_future_outcome(future));
    }
    weft_future_lock(future);
  }
}

// Starts a turn on this thread and runs all there is.
static void take_turn(void) {
  weft_turn.is_running = true;
  weft_future_flush();
  weft_turn.is_running = false;
}

void weft_future_finish_slow(weft_future_t* future, uint32_t final,
                             bool is_owned) {
  if (future->hooks != NULL) {
    run_hooks(future);
  }
  weft_waiter_t* first = future->first;
  if (first == NULL) {
    weft_future_unlock(future, final);
    if (is_owned) {
      weft_object_release(&future->object);
    }
    return;
  }
  // A callback may release the last reference that the caller knows of.
  if (!is_owned) {
    weft_object_retain(&future->object);
  }
  bool is_nested = weft_turn.is_running;
  if (!is_nested) {
    weft_turn.thread = weft_sys_thread_id();
  }
  future->completer = weft_turn.thread;
  future->draining = true;
  // A waiter that somebody may take back stays on the list until its turn; a
  // link may be taken off at once, which saves taking LOCK again later.
  future->ready = NULL;
  if (!is_nested || weft_waiter_is_link(first)) {
    future->ready = take_next(future);
    final |= future->first != NULL ? WEFT_FUTURE_WAITERS : 0;
  } else {
    final |= WEFT_FUTURE_WAITERS;
  }
  weft_future_unlock(future, final);
  weft_turn_enqueue(future);
  if (!is_nested) {
    take_turn();
  }
}

// --- Registering ------------------------------------------------------------

// True on the thread that still has to run waiters of a future that is done:
// it queues further ones behind them.
static bool is_draining_here(const weft_future_t* future) {
  return weft_turn.is_running && future->completer == weft_turn.thread &&
         future->draining;
}

bool weft_future_try_add_waiter(weft_future_t* future, weft_waiter_t* waiter) {
  if (weft_word_is_done(weft_future_word(future)) &&
      !is_draining_here(future)) {
    return false;
  }
  uint32_t word = weft_future_lock(future);
  bool is_done = weft_word_is_done(word);
  if (is_done && !is_draining_here(future)) {
    weft_future_unlock(future, word);
    return false;
  }
  append(future, waiter);
  weft_future_unlock(future, is_done ? word | WEFT_FUTURE_WAITERS : word);
  if (weft_word_state(word) == WEFT_FUTURE_LAZY) {
    weft_future_start(future);
  }
  return true;
}

void weft_future_add_waiter(weft_future_t* future, weft_waiter_t* waiter) {
  if (!weft_future_try_add_waiter(future, waiter)) {
    waiter->next = NULL;
    waiter->previous = NULL;
    waiter->callback(waiter, future);
  }
}

bool weft_future_add_hook(weft_future_t* future, weft_hook_t* hook) {
  if (weft_word_is_done(weft_future_word(future))) {
    return false;
  }
  uint32_t word = weft_future_lock(future);
  bool is_done = weft_word_is_done(word);
  if (!is_done) {
    hook->next = future->hooks;
    future->hooks = hook;
  }
  weft_future_unlock(future, word);
  return !is_done;
}

// --- Taking back ------------------------------------------------------------

// Waits until the callback that runs on another thread is over. LOCK is held
// before and after; gives the word.
static uint32_t wait_for_running(weft_future_t* future, uint32_t word,
                                 uint32_t* looks) {
  *looks += 1;
  if (*looks < REMOVE_SPIN_LIMIT) {
    weft_future_unlock(future, word);
    weft_sys_pause();
  } else {
    // The word can differ from this only after somebody looked at `running`
    // or changed it; then the sleep ends at once.
    weft_future_unlock(future, word | WEFT_FUTURE_REMOVER);
    weft_futex_wait(&future->state, word | WEFT_FUTURE_REMOVER,
                    WEFT_TIME_INFINITE);
  }
  return weft_future_lock(future);
}

bool weft_future_remove_waiter(weft_future_t* future, weft_waiter_t* waiter) {
  uint32_t looks = 0;
  uint32_t word = weft_future_lock(future);
  bool is_taken = is_listed(future, waiter);
  if (is_taken) {
    unlist(future, waiter);
  }
  while (future->running == waiter &&
         future->completer != weft_sys_thread_id()) {
    word = wait_for_running(future, word, &looks);
  }
  weft_future_unlock(future, word);
  return is_taken;
}

bool weft_future_take_waiter(weft_future_t* future, weft_waiter_t* waiter) {
  uint32_t word = weft_future_lock(future);
  bool is_taken = is_listed(future, waiter);
  if (is_taken) {
    unlist(future, waiter);
  }
  weft_future_unlock(future, word);
  return is_taken;
}
