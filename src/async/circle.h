// SPDX-License-Identifier: Apache-2.0
//
// Finding circles: who waits for whom. A future leads to what it follows or
// to the activity that produces it, an activity to the future it waits for.
//
// The graph lock is held from looking to registering a new wait, so of two
// waits that close a circle together the second one finds it. The walk holds
// LOCK of the future it stands on until it has that of the next. A future
// without an outcome is held by whoever will complete it, and cannot be
// completed while its LOCK is held; so nothing on the way can be freed, and no
// reference is needed.
//
// A future that another runtime makes is the end of a trail here. A search that
// comes to one notes it: whoever added the wait then says so to the layer that
// can ask that runtime (`weft_circle_notice`), which follows trails to such
// futures with `weft_circle_follow`. See peer/probe.h.

#ifndef WEFT_ASYNC_CIRCLE_H_
#define WEFT_ASYNC_CIRCLE_H_

#include "async/future_internal.h"
#include "base/text_writer.h"

// What a trail of waiting may end at, and where it went.
#define WEFT_CIRCLE_TEXT_BYTES 1024
#define WEFT_CIRCLE_PART_BYTES 256
#define WEFT_CIRCLE_DEPTH 8

typedef struct weft_circle weft_circle_t;
struct weft_circle {
  // One of them is set.
  const weft_activity_t* goal_activity;
  weft_future_t* goal_future;
  // Whose graph lock is held: the trail ends where another runtime begins.
  weft_runtime_t* runtime;
  // Waits with a deadline end by themselves, so they are not followed.
  bool passes_deadlines;
  // Steps that may still be made.
  uint32_t budget;
  // Futures of several sources whose sources are being followed; LOCK held.
  const weft_future_t* held[WEFT_CIRCLE_DEPTH];
  uint32_t held_count;
  // The trail, written into `text`, and the goal itself once it is found.
  weft_text_writer_t trail;
  char text[WEFT_CIRCLE_TEXT_BYTES];
  char goal[WEFT_CIRCLE_PART_BYTES];
  // The search came to a future that another runtime makes, or may have missed
  // one.
  bool crosses;
  // Of `weft_circle_follow`; NULL in searches. Called with each such future,
  // whose LOCK is held, and the graph lock; may only read, and retain.
  void (*on_crossing)(weft_circle_t* circle, weft_future_t* future);
  void* user;
  // What the trail went over so far, as a number: of futures, activities and
  // their waits. It goes on from what the caller sets.
  uint64_t digest;
};

// True when the trail from `future` leads to the goal. The graph lock is held
// until the caller has noted its wait for `future`, or given it up.
bool weft_circle_search(weft_circle_t* circle, weft_future_t* future);
// True when a future of several sources, of which one is done, can never be
// completed any more: what is left leads back to it. The graph lock is held.
bool weft_circle_is_stuck(weft_circle_t* circle, weft_future_t* future);

// Follows the trails from `future` to all futures that other runtimes make and
// without which it cannot be done: of a future that one of several sources can
// complete, only the last source that is left is followed. The text leaves out
// `future` itself unless it is such a one. The graph lock is held.
void weft_circle_follow(weft_circle_t* circle, weft_future_t* future);

// After a search, when the wait was added: no lock is held.
void weft_circle_notice(const weft_circle_t* circle);

// Writes what a future is that somebody waits for, and who produces it: "reply
// of actor model#1, endpoint apply"; "" when it is being completed. The graph
// lock is held.
void weft_circle_describe(weft_future_t* future, char* text, size_t capacity);

// The DEADLOCK status of a search that was true. `what` would close it.
weft_status_t weft_circle_status(const weft_circle_t* circle, const char* what);

static inline void weft_circle_init(weft_circle_t* circle,
                                    const weft_activity_t* goal_activity,
                                    weft_future_t* goal_future) {
  circle->goal_activity = goal_activity;
  circle->goal_future = goal_future;
  circle->runtime = NULL;
  circle->passes_deadlines = false;
  circle->held_count = 0;
  circle->trail = weft_text_writer_make(circle->text, sizeof(circle->text));
  circle->goal[0] = '\0';
  circle->budget = UINT32_C(1) << 20;
  circle->crosses = false;
  circle->on_crossing = NULL;
}

#endif  // WEFT_ASYNC_CIRCLE_H_
