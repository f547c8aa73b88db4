// SPDX-License-Identifier: Apache-2.0
//
// The future itself. One object of at most two cache lines; a promise is the
// same object seen by its producer.
//
//   state word:  bits 0-2  weft_future_state_t
//                bit 3     LOCK: guards the list of waiters
//                bit 4     CLAIMED: somebody completes the future
//                bit 5     REMOVER: somebody sleeps until `running` is over
//                bit 6     WAITERS: done, but waiters are still to be run
//                bit 7     FORWARDED: a link completes it, not the promise;
//                          `blocked_on` is that link, and held
//                bit 8     FOLLOWED: something may wait for it that has not
//                          registered yet; for finding circles
//
// Only the holder of LOCK changes the word; so taking LOCK is the one locked
// operation, and a plain store lets it go together with what was changed.
//
// Completing is: claim (LOCK and CLAIMED at once; whoever comes later loses),
// write the outcome, run the hooks, publish the final state, run the waiters.
// A waiter is taken off under LOCK and called outside of it.
//
// A callback that completes another future does not run that one's waiters:
// they run when the callback has returned, on the same thread (see
// future_waiters.c). So a chain of any length needs no stack.
//
// A future that has no outcome, and is not lazy, is held by whoever will
// complete it. So a link (see below) needs no reference to its source: while
// the link's own future has no outcome, the source is alive.

#ifndef WEFT_ASYNC_FUTURE_INTERNAL_H_
#define WEFT_ASYNC_FUTURE_INTERNAL_H_

#include "async/async.h"
#include "base/object.h"

// Which outcome of one source lets a future of several sources go on.
typedef enum weft_early {
  // It needs all of them.
  WEFT_EARLY_NEVER = 0,
  // A value of one is enough.
  WEFT_EARLY_ON_VALUE = 1,
  // An error of one is enough.
  WEFT_EARLY_ON_ERROR = 2
} weft_early_t;

// What kinds of futures differ in; NULL slots do nothing.
typedef struct weft_future_class {
  // What it is, for messages: "promise".
  const char* name;
  // Bytes of the whole object, the future first, and of each item behind it.
  uint32_t size_bytes;
  uint32_t item_bytes;
  // For kinds with several sources.
  weft_early_t early;
  // Another runtime makes its outcome; for finding circles.
  bool is_elsewhere;
  // Frees what the kind owns beyond the future. Any thread, no lock held.
  void (*deinit)(weft_future_t* future);
  // Starts a lazy future on the runtime's executor. Any thread, no lock held.
  void (*start)(weft_future_t* future);
  // Runs a lazy future on this thread if nobody runs it yet. An error is one
  // of the wait, and says that it did not run. No lock held.
  weft_status_t (*run)(weft_future_t* future, int64_t deadline_ns);
  // Somebody cancels the future; it has no outcome yet. Called with LOCK
  // held: retain what `cancelled` will need, no more.
  void (*cancelling)(weft_future_t* future);
  // The future was cancelled, and it had no outcome before. Any thread, no
  // lock held.
  void (*cancelled)(weft_future_t* future);
  // The futures that this one waits for, from index 0, NULL behind the last;
  // for finding circles. Lent. Called with the graph lock and LOCK held,
  // while the future has no outcome; may only read.
  weft_future_t* (*source)(const weft_future_t* future, uint32_t index);
  // Writes what this future is, in place of `name`, as `weft_status_format`
  // does. Called as `source`; if `is_elsewhere` also without the locks, and
  // when there may be an outcome.
  size_t (*describe)(const weft_future_t* future, char* buffer,
                     size_t capacity);
} weft_future_class_t;

struct weft_future {
  // `extra` is the number of items.
  weft_object_t object;
  _Atomic uint32_t state;
  // The thread that runs the waiters. Written once, before the final state.
  uint32_t completer;
  // Waiters in order of registration, guarded by LOCK.
  weft_waiter_t* first;
  // The outcome: a value, or `error`. Written once, before the final state;
  // until then `value` is the place where a promise builds its value.
  weft_value_t value;
  weft_status_t error;
  union {
    // Before the outcome: hooks, the last registered first. Guarded by LOCK.
    weft_hook_t* hooks;
    // With the outcome: the next future whose waiters are to be run, or that
    // is to be freed, on the same thread.
    weft_future_t* next;
  };
  // --- The second cache line ---
  // Who produces the outcome, and what stands in the way of it; for finding
  // circles, which reads them with the graph lock and LOCK held, while there
  // is no outcome. Set them before the future is shared, or with either lock
  // held. Both are borrowed until there is an outcome (but see FORWARDED).
  // What `producer` points to must stay a little longer: `weft_graph_wait`
  // tells how long.
  weft_activity_t* producer;
  weft_future_t* blocked_on;
  // The waiter whose callback runs; NULL for links. Guarded by LOCK.
  weft_waiter_t* running;
  weft_runtime_t* runtime;
  const weft_future_class_t* class;
  weft_waiter_t* last;
  // The waiter to be called next, off the list already. The completer's own.
  weft_waiter_t* ready;
  // Waiters are being run, or soon will be. The completer's own.
  bool draining;
};

// Makes a pending future of a kind, from the runtime's slab; `references`
// counts its future and promise ends. What is beyond the head is not cleared.
// NULL when there is no memory.
weft_future_t* weft_future_allocate(weft_runtime_t* runtime,
                                    const weft_future_class_t* class,
                                    uint32_t references);
// The same with items behind it.
weft_future_t* weft_future_allocate_items(weft_runtime_t* runtime,
                                          const weft_future_class_t* class,
                                          uint32_t references,
                                          uint32_t item_count);
// Frees a future that nobody has seen.
void weft_future_free_unshared(weft_future_t* future);
// RESOURCE_EXHAUSTED for a future that there is no memory for.
weft_status_t weft_future_no_memory(const char* what);

// Futures outlive their runtime; then they complete, but nothing runs, waits
// or starts any more.
static inline bool weft_runtime_is_gone(const weft_runtime_t* runtime) {
  return runtime->slots[WEFT_SLOT_ASYNC] == NULL;
}
// CLOSED, for what needs a runtime that is gone.
weft_status_t weft_future_runtime_gone(void);

// The kind of plain promises.
extern const weft_future_class_t weft_future_plain_class;

// Completes a future; false, releasing the outcome, if it has one already.
// The caller holds a reference to the future throughout.
// Owns: takes both over; `error` is WEFT_OK for a value.
bool weft_future_complete(weft_future_t* future, weft_status_t error,
                          weft_value_t value);
// As above, and takes over a reference to the future.
void weft_future_complete_owned(weft_future_t* future, weft_status_t error,
                                weft_value_t value);

// As `weft_future_cancel`, for a reason other than that nobody wants it.
// Owns: takes `cause` over.
bool weft_future_cancel_with(weft_future_t* future, weft_status_t cause);

// True when somebody is told of the outcome: a waiter, a follower, a hook.
// Followers hold no reference, so a future of one reference may still be
// wanted.
bool weft_future_is_watched(weft_future_t* future);

// Starts a lazy future on the executor; nothing for others.
void weft_future_start(weft_future_t* future);

// As `weft_future_wait`; also ends with OK when `other` is done. `other` may
// be NULL.
weft_status_t weft_future_wait_either(weft_future_t* future,
                                      weft_future_t* other,
                                      int64_t deadline_ns);

// --- Circles ----------------------------------------------------------------

// Returns when nobody can look at an activity any more that a future named as
// its producer and that future now has an outcome (or another producer). Call
// it before such an activity goes. Takes the graph lock.
void weft_graph_wait(weft_runtime_t* runtime);

// --- Arguments --------------------------------------------------------------

// Checks arguments against a declaration and puts them in order, without
// retaining them: `out_ordered` has `parameter_count` places. Futures are
// accepted for any kind. `what` names the function in messages.
weft_status_t weft_arguments_order(const char* what,
                                   const weft_parameter_t* parameters,
                                   uint32_t parameter_count,
                                   const weft_arguments_t* arguments,
                                   weft_value_t* out_ordered);
// Checks one argument that has become known.
weft_status_t weft_argument_check(const char* what,
                                  const weft_parameter_t* parameter,
                                  weft_value_t value);

#endif  // WEFT_ASYNC_FUTURE_INTERNAL_H_
