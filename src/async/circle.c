// SPDX-License-Identifier: Apache-2.0

#include "async/circle.h"

#include <stdio.h>

#include "async/future_word.h"

// --- The text ---------------------------------------------------------------

static void add_part(weft_circle_t* circle, const char* part) {
  size_t room = sizeof(circle->text) - circle->length;
  int length = snprintf(circle->text + circle->length, room, "%s%s",
                        circle->length > 0 ? " -> " : "", part);
  if (length > 0) {
    size_t wanted = (size_t)length;
    circle->length += wanted < room ? wanted : room - 1;
  }
}

// Both cut what does not fit; the text is whole up to there.
static void describe_activity(const weft_activity_t* activity, char* text) {
  if (activity->describe == NULL) {
    snprintf(text, WEFT_CIRCLE_PART_BYTES, "an activity");
  } else {
    activity->describe(activity, text, WEFT_CIRCLE_PART_BYTES);
  }
}

static void describe_future(const weft_future_t* future, char* text) {
  if (future->class->describe == NULL) {
    snprintf(text, WEFT_CIRCLE_PART_BYTES, "%s", future->class->name);
  } else {
    future->class->describe(future, text, WEFT_CIRCLE_PART_BYTES);
  }
}

static void add_activity(weft_circle_t* circle,
                         const weft_activity_t* activity) {
  char text[WEFT_CIRCLE_PART_BYTES] = "";
  describe_activity(activity, text);
  add_part(circle, text);
}

static void add_future(weft_circle_t* circle, const weft_future_t* future) {
  char text[WEFT_CIRCLE_PART_BYTES] = "";
  describe_future(future, text);
  add_part(circle, text);
}

static void cut_text(weft_circle_t* circle, size_t length) {
  circle->length = length;
  circle->text[length] = '\0';
}

// --- The walk ---------------------------------------------------------------

static bool is_held(const weft_circle_t* circle, const weft_future_t* future) {
  for (uint32_t i = 0; i < circle->held_count; i++) {
    if (circle->held[i] == future) {
      return true;
    }
  }
  return false;
}

// Takes LOCK of the next future on the trail, while `from` (NULL for none) is
// held. False where the trail ends: there is an outcome, the trail has turned
// back on itself without the goal, or it is too long.
static bool enter(weft_circle_t* circle, weft_future_t* future,
                  const weft_future_t* from) {
  if (future == from || is_held(circle, future) || circle->budget == 0) {
    return false;
  }
  circle->budget--;
  uint32_t word = weft_future_lock(future);
  if (weft_word_is_claimed(word)) {
    weft_future_unlock(future, word);
    return false;
  }
  return true;
}

// Lets LOCK go of a future that `enter` entered.
static void leave(weft_future_t* future) {
  // Relaxed: the holder of LOCK reads what only holders of LOCK change.
  uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
  weft_future_unlock(future, word & ~WEFT_FUTURE_LOCK);
}

// The first thing that stands in the way of a future; NULL if only its
// producer does.
static weft_future_t* obstacle(const weft_future_t* future) {
  if (future->blocked_on != NULL) {
    return future->blocked_on;
  }
  return future->class->source != NULL ? future->class->source(future, 0)
                                       : NULL;
}

static bool has_several(const weft_future_t* future) {
  return future->blocked_on == NULL && future->class->source != NULL &&
         future->class->source(future, 1) != NULL;
}

// True when this outcome of one source ends the wait for all of them.
static bool is_early(weft_early_t early, weft_future_state_t state) {
  return state == WEFT_FUTURE_READY ? early == WEFT_EARLY_ON_VALUE
                                    : early == WEFT_EARLY_ON_ERROR;
}

static bool search_several(weft_circle_t* circle, weft_future_t* future);

// Goes from a future, whose LOCK is held and let go of, to the next on the
// trail, which is held then. NULL where the trail ends; `out_found` tells
// whether at the goal.
static weft_future_t* advance(weft_circle_t* circle, weft_future_t* future,
                              bool* out_found) {
  *out_found = false;
  if (has_several(future)) {
    *out_found = search_several(circle, future);
    leave(future);
    return NULL;
  }
  weft_future_t* next = obstacle(future);
  if (next != NULL) {
    *out_found = next == circle->goal_future;
    bool is_entered = !*out_found && enter(circle, next, future);
    leave(future);
    return is_entered ? next : NULL;
  }
  const weft_activity_t* activity = future->producer;
  leave(future);
  if (activity == NULL) {
    return NULL;
  }
  add_activity(circle, activity);
  next = activity->waiting_for;
  *out_found = activity == circle->goal_activity ||
               (next != NULL && next == circle->goal_future);
  bool goes_on = !*out_found && next != NULL && enter(circle, next, NULL);
  return goes_on ? next : NULL;
}

// NOLINTNEXTLINE(misc-no-recursion): at most WEFT_CIRCLE_DEPTH deep.
static bool search(weft_circle_t* circle, weft_future_t* future) {
  if (future == circle->goal_future) {
    return true;
  }
  if (!enter(circle, future, NULL)) {
    return false;
  }
  bool is_found = false;
  while (future != NULL) {
    add_future(circle, future);
    future = advance(circle, future, &is_found);
  }
  return is_found;
}

// A future that needs all of its sources is stuck when one leads to the goal;
// a future that any of them can complete, when all that are left do.
static bool search_several(weft_circle_t* circle, weft_future_t* future) {
  weft_early_t early = future->class->early;
  if (circle->held_count == WEFT_CIRCLE_DEPTH) {
    return false;
  }
  circle->held[circle->held_count++] = future;
  size_t mark = circle->length;
  bool is_stuck = false;
  bool is_decided = false;
  for (uint32_t i = 0; !is_decided; i++) {
    weft_future_t* source = future->class->source(future, i);
    if (source == NULL) {
      break;
    }
    weft_future_state_t state = weft_future_state(source);
    if (state >= WEFT_FUTURE_READY) {
      is_decided = is_early(early, state);
      is_stuck = is_stuck && !is_decided;
      continue;
    }
    cut_text(circle, mark);
    is_stuck = search(circle, source);
    is_decided = is_stuck == (early == WEFT_EARLY_NEVER);
  }
  circle->held_count--;
  return is_stuck;
}

// Notes that something is about to wait for a future, and may not have
// registered with it yet.
static void mark_followed(weft_future_t* future) {
  uint32_t word = weft_future_lock(future);
  if (!weft_word_is_claimed(word)) {
    word |= WEFT_FUTURE_FOLLOWED;
  }
  weft_future_unlock(future, word);
}

static bool is_followed(weft_future_t* future) {
  uint32_t word = weft_future_lock(future);
  bool has_waiters = future->first != NULL;
  weft_future_unlock(future, word);
  return has_waiters || (word & WEFT_FUTURE_FOLLOWED) != 0;
}

bool weft_circle_search(weft_circle_t* circle, weft_future_t* future) {
  mark_followed(future);
  // No trail leads to what nothing waits for. So whoever adds new futures to
  // the end of a long trail does not walk it each time.
  if (circle->goal_future != NULL && future != circle->goal_future &&
      !is_followed(circle->goal_future)) {
    return false;
  }
  if (!search(circle, future)) {
    return false;
  }
  if (circle->goal_future != NULL) {
    describe_future(circle->goal_future, circle->goal);
    add_part(circle, circle->goal);
  } else {
    describe_activity(circle->goal_activity, circle->goal);
  }
  return true;
}

weft_status_t weft_circle_status(const weft_circle_t* circle,
                                 const char* what) {
  return weft_status_make(
      WEFT_STATUS_DEADLOCK,
      "%s would close a circle, in which each waits for the next: %s -> %s",
      what, circle->goal, circle->text);
}

// --- For layers above -------------------------------------------------------

weft_status_t weft_future_find_circle(weft_future_t* future,
                                      const weft_activity_t* self) {
  weft_circle_t circle;
  weft_circle_init(&circle, self, NULL);
  weft_mutex_t* graph = weft_async_graph_lock(future->runtime);
  weft_mutex_lock(graph);
  bool is_circle = weft_circle_search(&circle, future);
  weft_mutex_unlock(graph);
  return is_circle ? weft_circle_status(&circle, "the wait") : WEFT_OK;
}

void weft_graph_wait(weft_runtime_t* runtime) {
  weft_mutex_t* graph = weft_async_graph_lock(runtime);
  weft_mutex_lock(graph);
  weft_mutex_unlock(graph);
}
