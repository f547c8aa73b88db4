// SPDX-License-Identifier: Apache-2.0

#include "peer/trail.h"

#include <string.h>

#include "peer/remote.h"

static bool edge_of(const weft_peers_t* peers, weft_future_t* future,
                    weft_origin_name_t* out_edge) {
  return weft_import_origin(future, out_edge) ||
         peers->events->origin(future, out_edge);
}

static void crossed(weft_circle_t* circle, weft_future_t* future) {
  weft_trail_t* trail = circle->user;
  weft_trail_exit_t exit = {
      .future = future,
      .digest = circle->digest,
      .number = trail->seen++,
      .name_count = circle->held_count,
  };
  if (exit.number < trail->first || trail->count == WEFT_TRAIL_EXITS ||
      !edge_of(trail->peers, future, &exit.edge)) {
    return;
  }
  for (uint32_t i = 0; i < circle->held_count; i++) {
    exit.names[i] = weft_circle_name(circle, circle->held[i]);
  }
  if (trail->count == trail->told) {
    weft_text_writer_t text =
        weft_text_writer_make(trail->text, sizeof(trail->text));
    weft_text_append(&text, "%s", circle->text);
  }
  // It has no outcome, so it is held by whoever will complete it.
  weft_future_retain(future);
  trail->exits[trail->count++] = exit;
}

// The last exits are a bundle, if all of it is there.
static void bundled(weft_circle_t* circle, uint32_t first, bool is_whole) {
  weft_trail_t* trail = circle->user;
  uint32_t begin = trail->count;
  while (begin > 0 && trail->exits[begin - 1].number >= first) {
    begin--;
  }
  is_whole = is_whole && trail->count - begin == trail->seen - first;
  for (uint32_t i = begin; i < trail->count; i++) {
    weft_trail_exit_t* exit = &trail->exits[i];
    exit->digest ^= circle->closed;
    exit->siblings = trail->count - i - 1;
    exit->is_void = !is_whole;
  }
  if (is_whole && trail->begin->is_bundle && begin == trail->count) {
    trail->is_closed = true;
    trail->closed = circle->closed;
  }
}

void weft_trail_clear(weft_trail_t* trail) {
  for (uint32_t i = 0; i < trail->count; i++) {
    weft_future_release(trail->exits[i].future);
  }
  trail->count = 0;
}

static void walk(weft_trail_t* trail, uint32_t first, uint32_t told) {
  weft_circle_t circle;
  weft_circle_init(&circle, NULL, NULL);
  circle.on_crossing = crossed;
  circle.on_bundle = bundled;
  circle.user = trail;
  circle.digest = trail->begin->digest ^ trail->peers->prober.secret;
  circle.secret = trail->peers->prober.secret;
  circle.turn = trail->begin->turn;
  circle.is_bundle = trail->begin->is_bundle;
  circle.passed = trail->begin->passed;
  circle.passed_count = trail->begin->passed_count;
  trail->seen = 0;
  trail->first = first;
  trail->count = 0;
  trail->told = told;
  trail->is_closed = false;
  weft_mutex_t* graph = weft_async_graph_lock(trail->peers->runtime);
  weft_mutex_lock(graph);
  weft_circle_follow(&circle, trail->future);
  weft_mutex_unlock(graph);
}

void weft_trail_follow(weft_trail_t* trail, weft_peers_t* peers,
                       weft_future_t* future, const weft_trail_begin_t* begin) {
  trail->peers = peers;
  trail->future = future;
  trail->begin = begin;
  walk(trail, 0, 0);
  if (trail->seen > WEFT_TRAIL_EXITS) {
    uint32_t parts = (trail->seen + WEFT_TRAIL_EXITS - 1) / WEFT_TRAIL_EXITS;
    weft_trail_clear(trail);
    walk(trail, begin->turn % parts * WEFT_TRAIL_EXITS, 0);
  }
}

const char* weft_trail_tell(weft_trail_t* trail, uint32_t index) {
  if (index != trail->told) {
    weft_trail_t again = {
        .peers = trail->peers,
        .future = trail->future,
        .begin = trail->begin,
    };
    walk(&again, trail->first, index);
    weft_trail_clear(&again);
    memcpy(trail->text, again.text, sizeof(trail->text));
    trail->told = index;
  }
  return trail->text;
}
