// SPDX-License-Identifier: Apache-2.0

#include "async/circle.h"

#include <stdio.h>

#include "async/async_internal.h"
#include "async/future_word.h"

// --- The text ---------------------------------------------------------------

static void add_part(weft_circle_t* circle, const char* part) {
  weft_text_append(&circle->trail, "%s%s",
                   circle->trail.length > 0 ? " -> " : "", part);
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

static uint64_t scramble(uint64_t number) {
  number *= UINT64_C(0x9e3779b97f4a7c15);
  return number ^ number >> 29;
}

// Adds something to the digest of the trail.
static void mix(weft_circle_t* circle, uint64_t what) {
  circle->digest = scramble(circle->digest ^ what);
}

static void add_activity(weft_circle_t* circle,
                         const weft_activity_t* activity) {
  char text[WEFT_CIRCLE_PART_BYTES] = "";
  describe_activity(activity, text);
  add_part(circle, text);
  if (circle->on_crossing != NULL) {
    weft_text_append(&circle->trail, " of rank %u", circle->runtime->rank);
    mix(circle, (uintptr_t)activity);
    mix(circle, activity->wait_number);
  }
}

static void add_future(weft_circle_t* circle, const weft_future_t* future) {
  char text[WEFT_CIRCLE_PART_BYTES] = "";
  describe_future(future, text);
  add_part(circle, text);
  mix(circle, (uintptr_t)future);
}

static void cut_text(weft_circle_t* circle, size_t length) {
  circle->trail.length = length;
  if (length < sizeof(circle->text)) {
    circle->text[length] = '\0';
  }
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

uint64_t weft_circle_name(const weft_circle_t* circle,
                          const weft_future_t* future) {
  return scramble(scramble(circle->secret ^ (uintptr_t)future) +
                  circle->secret);
}

static bool was_passed(const weft_circle_t* circle,
                       const weft_future_t* future) {
  uint64_t name = weft_circle_name(circle, future);
  for (uint32_t i = 0; i < circle->passed_count; i++) {
    if (circle->passed[i] == name) {
      return true;
    }
  }
  return false;
}

// Notes a branch that need not be followed further. The order of branches does
// not matter.
static void close_branch(weft_circle_t* circle) {
  circle->closed += scramble(circle->digest);
}

// Where a step of the trail leads.
typedef enum step {
  // To a future that can be completed, or too far.
  AT_END,
  // To the goal, to another runtime if trails are followed to there, or to a
  // future of several sources that the trail comes from: that one is stuck if
  // this step is.
  AT_GOAL,
  // To a future whose LOCK is held now.
  ENTERED
} step_t;

// Goes to the next future on the trail, while `from` (NULL for none) is held.
static step_t enter(weft_circle_t* circle, weft_future_t* future,
                    const weft_future_t* from) {
  if (future == circle->goal_future) {
    circle->has_reached = true;
    return AT_GOAL;
  }
  if (is_held(circle, future)) {
    close_branch(circle);
    return AT_GOAL;
  }
  // Futures of another runtime have a graph, and a lock of it, of their own.
  if (future == from || future->runtime != circle->runtime ||
      circle->budget == 0) {
    return AT_END;
  }
  circle->budget--;
  uint32_t word = weft_future_lock(future);
  if (weft_word_is_claimed(word)) {
    weft_future_unlock(future, word);
    return AT_END;
  }
  return ENTERED;
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

// Comes to a future, whose LOCK is held, that another runtime makes.
static step_t cross(weft_circle_t* circle, weft_future_t* future) {
  circle->crosses = true;
  if (circle->on_crossing == NULL) {
    return AT_END;
  }
  circle->on_crossing(circle, future);
  circle->crossing_count++;
  return AT_GOAL;
}

// Goes from a future, whose LOCK is held, to its producer, to what that waits
// for. Lets LOCK go.
static step_t pass_producer(weft_circle_t* circle, weft_future_t* future,
                            weft_future_t** out_next) {
  const weft_activity_t* activity = future->producer;
  leave(future);
  if (activity == NULL) {
    return AT_END;
  }
  add_activity(circle, activity);
  if (activity == circle->goal_activity) {
    circle->has_reached = true;
    return AT_GOAL;
  }
  *out_next = activity->waiting_for;
  bool is_patient = !circle->passes_deadlines || activity->waits_for_ever;
  return *out_next != NULL && is_patient ? enter(circle, *out_next, NULL)
                                         : AT_END;
}

// Goes from a future, whose LOCK is held and let go of, to the next on the
// trail.
static step_t advance(weft_circle_t* circle, weft_future_t* future,
                      weft_future_t** out_next) {
  if (has_several(future)) {
    bool is_stuck = search_several(circle, future);
    leave(future);
    return is_stuck ? AT_GOAL : AT_END;
  }
  *out_next = obstacle(future);
  if (*out_next == NULL && !future->class->is_elsewhere) {
    return pass_producer(circle, future, out_next);
  }
  step_t step = *out_next != NULL ? enter(circle, *out_next, future)
                                  : cross(circle, future);
  leave(future);
  return step;
}

// Goes on from a future that `enter` came to.
static bool walk(weft_circle_t* circle, step_t step, weft_future_t* future) {
  while (step == ENTERED) {
    add_future(circle, future);
    step = advance(circle, future, &future);
  }
  return step == AT_GOAL;
}

// NOLINTNEXTLINE(misc-no-recursion): at most WEFT_CIRCLE_DEPTH deep.
static bool search(weft_circle_t* circle, weft_future_t* future) {
  return walk(circle, enter(circle, future, NULL), future);
}

// --- Several sources --------------------------------------------------------

// How many sources of a future, whose LOCK is held, have no outcome.
static uint32_t count_left(const weft_future_t* future) {
  uint32_t left = 0;
  weft_future_t* source = future->class->source(future, 0);
  for (uint32_t i = 1; source != NULL; i++) {
    left += weft_future_state(source) < WEFT_FUTURE_READY ? 1 : 0;
    source = future->class->source(future, i);
  }
  return left;
}

// How the sources that are left are followed.
typedef enum way {
  // Each, whatever comes of the others.
  EACH,
  // Each, until one leads nowhere, or has ended the wait.
  ALL,
  // Each, until one leads to the goal.
  UNTIL_GOAL
} way_t;

// Follows sources that are left: `count` of them, from number `first` on. True
// when the last one that was followed leads to the goal.
// NOLINTNEXTLINE(misc-no-recursion): at most WEFT_CIRCLE_DEPTH deep.
static bool follow_sources(weft_circle_t* circle, weft_future_t* future,
                           way_t way, uint32_t first, uint32_t count) {
  size_t mark = circle->trail.length;
  uint64_t digest = circle->digest;
  bool is_goal = false;
  bool is_decided = false;
  uint32_t place = 0;
  weft_future_t* source = future->class->source(future, 0);
  for (uint32_t i = 1; source != NULL && !is_decided; i++) {
    weft_future_state_t state = weft_future_state(source);
    bool is_left = state < WEFT_FUTURE_READY;
    if (is_left && place >= first && place - first < count) {
      cut_text(circle, mark);
      circle->digest = digest;
      bool had_reached = circle->has_reached;
      is_goal = search(circle, source);
      circle->has_reached = is_goal ? circle->has_reached : had_reached;
      is_decided = way != EACH && is_goal == (way == UNTIL_GOAL);
    } else if (!is_left && is_early(future->class->early, state)) {
      is_goal = false;
      is_decided = true;
    }
    place += is_left ? 1 : 0;
    source = future->class->source(future, i);
  }
  return is_goal;
}

// Finds the bundle of a future that any of its sources can complete.
static bool follow_bundle(weft_circle_t* circle, weft_future_t* future) {
  bool is_outer = !circle->is_bundle;
  uint32_t first = circle->crossing_count;
  circle->is_bundle = true;
  circle->closed = is_outer ? 0 : circle->closed;
  bool is_whole = follow_sources(circle, future, ALL, 0, UINT32_MAX);
  if (is_outer) {
    circle->is_bundle = false;
    circle->on_bundle(circle, first, is_whole);
  }
  return is_whole;
}

// A number for where the trail is, another one each turn.
static uint32_t choose(const weft_circle_t* circle) {
  uint64_t choice = scramble(circle->turn);
  choice = scramble(choice ^ circle->runtime->rank);
  choice = scramble(choice ^ (circle->passed_count + circle->held_count));
  return (uint32_t)(scramble(choice ^ circle->crossing_count) >> 32);
}

// Of `weft_circle_follow`.
static bool follow_several(weft_circle_t* circle, weft_future_t* future) {
  if (was_passed(circle, future)) {
    close_branch(circle);
    return true;
  }
  uint32_t left = count_left(future);
  if (left == 0) {
    return false;
  }
  if (left > 1 && future->class->early != WEFT_EARLY_NEVER) {
    return follow_bundle(circle, future);
  }
  if (!circle->is_bundle) {
    return follow_sources(circle, future, EACH, 0, UINT32_MAX);
  }
  return follow_sources(circle, future, EACH, choose(circle) % left, 1);
}

// A future that needs all of its sources is stuck when one of them is; a
// future that any of them can complete, when all that are left are.
static bool search_several(weft_circle_t* circle, weft_future_t* future) {
  weft_early_t early = future->class->early;
  // Not all that is there may be looked at.
  circle->crosses = circle->crosses || early != WEFT_EARLY_NEVER;
  if (circle->held_count == WEFT_CIRCLE_DEPTH) {
    return false;
  }
  circle->held[circle->held_count++] = future;
  way_t way = early == WEFT_EARLY_NEVER ? UNTIL_GOAL : ALL;
  bool is_stuck = circle->on_crossing != NULL
                      ? follow_several(circle, future)
                      : follow_sources(circle, future, way, 0, UINT32_MAX);
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
  circle->runtime = future->runtime;
  mark_followed(future);
  // No trail leads to what nothing waits for. So whoever adds new futures to
  // the end of a long trail does not walk it each time.
  if (circle->goal_future != NULL && future != circle->goal_future &&
      !is_followed(circle->goal_future)) {
    return false;
  }
  // What is stuck without the goal is another circle, and not for this wait to
  // open.
  if (!search(circle, future) || !circle->has_reached) {
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

bool weft_circle_is_stuck(weft_circle_t* circle, weft_future_t* future) {
  circle->runtime = future->runtime;
  circle->goal_future = NULL;
  circle->passes_deadlines = true;
  if (!is_followed(future) || enter(circle, future, NULL) != ENTERED) {
    return false;
  }
  circle->goal_future = future;
  bool is_stuck = search_several(circle, future) && circle->has_reached;
  leave(future);
  if (is_stuck) {
    describe_future(future, circle->goal);
    add_part(circle, circle->goal);
  }
  return is_stuck;
}

void weft_circle_follow(weft_circle_t* circle, weft_future_t* future) {
  circle->runtime = future->runtime;
  step_t step = enter(circle, future, NULL);
  if (step != ENTERED) {
    return;
  }
  if (future->class->is_elsewhere) {
    add_future(circle, future);
  }
  bool is_bundle = circle->is_bundle;
  step = advance(circle, future, &future);
  bool is_whole = walk(circle, step, future);
  if (is_bundle) {
    circle->on_bundle(circle, 0, is_whole);
  }
}

void weft_circle_notice(const weft_circle_t* circle) {
  if (!circle->crosses) {
    return;
  }
  // Acquire: pairs with the release of whoever set it.
  weft_crossing_fn_t notice = atomic_load_explicit(
      &weft_async_of(circle->runtime)->on_crossing, memory_order_acquire);
  if (notice != NULL) {
    notice(circle->runtime);
  }
}

weft_status_t weft_circle_status(const weft_circle_t* circle,
                                 const char* what) {
  return weft_status_make(
      WEFT_STATUS_DEADLOCK,
      "%s would close a circle, in which each waits for the next: %s -> %s",
      what, circle->goal, circle->text);
}

// --- For layers above -------------------------------------------------------

void weft_graph_wait(weft_runtime_t* runtime) {
  weft_mutex_t* graph = weft_async_graph_lock(runtime);
  weft_mutex_lock(graph);
  weft_mutex_unlock(graph);
}

// --- One step ---------------------------------------------------------------

void weft_circle_describe(weft_future_t* future, char* text, size_t capacity) {
  char part[WEFT_CIRCLE_PART_BYTES] = "";
  weft_text_writer_t writer = weft_text_writer_make(text, capacity);
  text[0] = '\0';
  uint32_t word = weft_future_lock(future);
  // Its producer may be gone once it is claimed.
  if (!weft_word_is_claimed(word)) {
    describe_future(future, part);
    weft_text_append(&writer, "%s", part);
    if (future->producer != NULL) {
      describe_activity(future->producer, part);
      weft_text_append(&writer, " of %s", part);
    }
  }
  weft_future_unlock(future, word);
}
