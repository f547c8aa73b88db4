// SPDX-License-Identifier: Apache-2.0
//
// The state word of a future, and the lock bit in it. The lock is held for a
// few instructions and never across a call into anything else, so whoever
// finds it taken spins, and yields when its holder seems to have lost its
// core.

#ifndef WEFT_ASYNC_FUTURE_WORD_H_
#define WEFT_ASYNC_FUTURE_WORD_H_

#include <string.h>

#include "async/future_internal.h"

#define WEFT_FUTURE_STATE 7u
#define WEFT_FUTURE_LOCK 8u
#define WEFT_FUTURE_CLAIMED 16u
#define WEFT_FUTURE_REMOVER 32u
#define WEFT_FUTURE_WAITERS 64u
#define WEFT_FUTURE_FORWARDED 128u
#define WEFT_FUTURE_FOLLOWED 256u

static inline weft_future_state_t weft_word_state(uint32_t word) {
  return (weft_future_state_t)(word & WEFT_FUTURE_STATE);
}

// The outcome can be read.
static inline bool weft_word_is_done(uint32_t word) {
  return (word & WEFT_FUTURE_STATE) >= WEFT_FUTURE_READY;
}

// The outcome is decided, though perhaps not to be read yet.
static inline bool weft_word_is_claimed(uint32_t word) {
  return weft_word_is_done(word) || (word & WEFT_FUTURE_CLAIMED) != 0;
}

static inline uint32_t weft_future_word(const weft_future_t* future) {
  // Acquire: pairs with the release store of the final state; whoever sees
  // that sees the outcome.
  return atomic_load_explicit(&future->state, memory_order_acquire);
}

// Lets a little time pass in a loop that spins, the more the longer it has.
void weft_word_pause(uint32_t* spins);

// Takes LOCK; returns the word without it.
static inline uint32_t weft_future_lock(weft_future_t* future) {
  // Relaxed: only what the exchange below sees counts.
  uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
  uint32_t spins = 0;
  for (;;) {
    // Acquire: pairs with the release in `weft_future_unlock`; what the list's
    // last user wrote is seen.
    if ((word & WEFT_FUTURE_LOCK) == 0 &&
        atomic_compare_exchange_weak_explicit(
            &future->state, &word, word | WEFT_FUTURE_LOCK,
            memory_order_acquire, memory_order_relaxed)) {
      return word;
    }
    if ((word & WEFT_FUTURE_LOCK) != 0) {
      weft_word_pause(&spins);
      // Relaxed: as above.
      word = atomic_load_explicit(&future->state, memory_order_relaxed);
    }
  }
}

// Gives the word back, as it was or changed; `word` is without LOCK.
static inline void weft_future_unlock(weft_future_t* future, uint32_t word) {
  // Release: pairs with the acquire of `weft_future_lock`, and for a final
  // state with that of `weft_future_word`.
  atomic_store_explicit(&future->state, word, memory_order_release);
}

// Decides that the caller completes the future, and takes LOCK. False when
// somebody else did before, or the word has one of the bits in `barred`.
bool weft_future_claim_slow(weft_future_t* future, uint32_t barred);

// Waits until nobody has LOCK. Whoever finds a future claimed by another does
// this before it lets go of what the future follows: one that cancels takes a
// reference to that under the LOCK it claimed with.
void weft_future_pass_lock(weft_future_t* future);

// The same for a future about which nothing is special: PENDING and no bit.
// False says nothing.
static inline bool weft_future_claim_pending(weft_future_t* future) {
  uint32_t word = WEFT_FUTURE_PENDING;
  // Acquire: as in `weft_future_lock`. Relaxed on failure: nothing is read.
  return __builtin_expect(
      atomic_compare_exchange_strong_explicit(
          &future->state, &word, WEFT_FUTURE_LOCK | WEFT_FUTURE_CLAIMED,
          memory_order_acquire, memory_order_relaxed),
      1);
}

static inline bool weft_future_claim(weft_future_t* future, uint32_t barred) {
  return weft_future_claim_pending(future) ||
         weft_future_claim_slow(future, barred);
}

// Hooks and waiters of a future that was claimed and has its outcome in
// place, whose LOCK is held. `final` is the state to publish. `is_owned`: a
// reference to the future comes with the call.
void weft_future_finish_slow(weft_future_t* future, uint32_t final,
                             bool is_owned);

// The final state that goes with an error or WEFT_OK.
uint32_t weft_future_final_state(weft_status_t error);

// True when nobody asked to be told of the outcome. LOCK is held.
static inline bool weft_future_is_unwatched(const weft_future_t* future) {
  return ((uintptr_t)future->first | (uintptr_t)future->hooks) == 0;
}

// The first word of a value: kind, rank, index. Read whole, for a load of the
// kind alone waits until the store of the word before it has gone to the cache
// (measured: 2 to 3 ns). Less than WEFT_KIND_STRING only for plain data, on a
// little-endian machine; an actor's word is greater, too.
static inline uint64_t weft_value_head(const weft_value_t* value) {
  uint64_t head;
  memcpy(&head, value, sizeof(head));
  return head;
}

// The value to hand to callbacks: none beside an error.
static inline weft_value_t weft_future_outcome(const weft_future_t* future) {
  return future->error == WEFT_OK ? future->value : weft_none();
}

// --- Turns ------------------------------------------------------------------

// A thread has a turn while it runs waiters; see future_waiters.c.
typedef struct weft_turn {
  bool is_running;
  // The thread's id, while it runs.
  uint32_t thread;
  // Futures whose waiters are to be run; a reference to each.
  weft_future_t* first;
  weft_future_t* last;
} weft_turn_t;

extern _Thread_local weft_turn_t weft_turn;

// Puts a future last. Takes over a reference.
static inline void weft_turn_enqueue(weft_future_t* future) {
  future->next = NULL;
  if (weft_turn.first == NULL) {
    weft_turn.first = future;
  } else {
    weft_turn.last->next = future;
  }
  weft_turn.last = future;
}

// --- Waiters and links ------------------------------------------------------

// Marks nodes of links by their field `user`. Nobody ever waits for the
// callback of such a node, so it need not be known which one runs.
extern const char weft_link_mark;

static inline void weft_link_waiter_init(weft_waiter_t* waiter,
                                         weft_waiter_fn_t callback) {
  waiter->next = NULL;
  waiter->previous = NULL;
  waiter->callback = callback;
  waiter->user = (void*)(uintptr_t)&weft_link_mark;
}

static inline bool weft_waiter_is_link(const weft_waiter_t* waiter) {
  return waiter->user == &weft_link_mark;
}

// Publishes the outcome that stands in a claimed future. `is_owned`: a
// reference to it comes with the call.
static inline void weft_future_finish(weft_future_t* future, bool is_owned) {
  weft_future_finish_slow(future, weft_future_final_state(future->error),
                          is_owned);
}

// The same for a value, with a reference. Without hooks and waiters it is a
// store; one link, the usual thing in a chain, is queued in the turn.
static inline void weft_future_finish_value(weft_future_t* future) {
  weft_waiter_t* first = future->first;
  if (weft_future_is_unwatched(future)) {
    weft_future_unlock(future, WEFT_FUTURE_READY);
    weft_object_release(&future->object);
  } else if (weft_turn.is_running && future->hooks == NULL &&
             first->next == NULL && weft_waiter_is_link(first)) {
    future->first = NULL;
    future->ready = first;
    future->completer = weft_turn.thread;
    future->draining = true;
    weft_future_unlock(future, WEFT_FUTURE_READY);
    weft_turn_enqueue(future);
  } else {
    weft_future_finish_slow(future, WEFT_FUTURE_READY, true);
  }
}

// Registers the waiter of a link that is new, with a source that is pending
// and has no waiters yet. False when it is otherwise, and nothing was done.
static inline bool weft_future_add_first_link(weft_future_t* future,
                                              weft_waiter_t* waiter) {
  uint32_t word = WEFT_FUTURE_PENDING;
  // Acquire: as in `weft_future_lock`. Relaxed on failure: nothing is read.
  if (!atomic_compare_exchange_strong_explicit(
          &future->state, &word, WEFT_FUTURE_LOCK, memory_order_acquire,
          memory_order_relaxed)) {
    return false;
  }
  bool is_first = future->first == NULL;
  if (is_first) {
    future->first = waiter;
    future->last = waiter;
  }
  weft_future_unlock(future, WEFT_FUTURE_PENDING);
  return is_first;
}

// Registers a waiter; false when the future is done and it was not.
bool weft_future_try_add_waiter(weft_future_t* future, weft_waiter_t* waiter);

// Takes a link's waiter back, without waiting. True when its callback will
// never run, for one caller at most; false when it has run, or soon will, or
// was not registered.
bool weft_future_take_waiter(weft_future_t* future, weft_waiter_t* waiter);

// Runs the waiters of futures that a callback on this thread has completed.
// For a callback that is about to wait.
void weft_future_flush(void);

#endif  // WEFT_ASYNC_FUTURE_WORD_H_
