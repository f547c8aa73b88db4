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
  // The trail has come to the goal, and not only back to where it had been.
  bool has_reached;
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
  // --- Of `weft_circle_follow` ---
  // NULL in searches. Called with each such future, whose LOCK is held, and the
  // graph lock; may only read, and retain.
  void (*on_crossing)(weft_circle_t* circle, weft_future_t* future);
  // The crossings from number `first` on are a bundle; or count for nothing,
  // because one more would be needed and there is none. `closed` is set.
  void (*on_bundle)(weft_circle_t* circle, uint32_t first, bool is_whole);
  void* user;
  // How many crossings there were.
  uint32_t crossing_count;
  // Whatever is found now belongs to one bundle. If the caller sets it all
  // does.
  bool is_bundle;
  // Chooses one of several sources where one is enough.
  uint32_t turn;
  // Makes the names of futures of several sources; and those that the trail
  // passed before it came here, where it need not be followed again.
  uint64_t secret;
  const uint64_t* passed;
  uint32_t passed_count;
  // The digest of those branches of a bundle that lead back to where they come
  // from, or to what the trail passed before.
  uint64_t closed;
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

// Follows the trails from `future` to futures that other runtimes make and
// without which it cannot be done. A crossing is one that it needs, whatever
// comes of the others; so a future that needs all its sources leads to those
// of each. Where any one of several sources is enough, because its value or its
// error ends the wait, all that are left are followed: their crossings are a
// *bundle*, without which *all* the future cannot be done. In a bundle a future
// that needs all its sources leads to those of one, which `turn` chooses. The
// text leaves out `future` itself unless it is made elsewhere. The graph lock
// is held.
void weft_circle_follow(weft_circle_t* circle, weft_future_t* future);
// What a future of several sources is called in `passed`.
uint64_t weft_circle_name(const weft_circle_t* circle,
                          const weft_future_t* future);

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
  circle->has_reached = false;
  circle->held_count = 0;
  circle->trail = weft_text_writer_make(circle->text, sizeof(circle->text));
  circle->goal[0] = '\0';
  circle->budget = UINT32_C(1) << 20;
  circle->crosses = false;
  circle->on_crossing = NULL;
  circle->crossing_count = 0;
  circle->is_bundle = false;
  circle->passed_count = 0;
  circle->closed = 0;
}

#endif  // WEFT_ASYNC_CIRCLE_H_
