// SPDX-License-Identifier: Apache-2.0
//
// Where the calling thread is in the program: rank, actor, endpoint. Statuses
// record it when they are made, and only then is it put into words; so a
// layer that runs handlers pays one pointer store for each, no more:
//
//   weft_origin_current = &turn->origin;   before the handler
//   weft_origin_current = NULL;            after it
//
// The layer embeds the struct in what it knows about the message at hand, and
// its `describe` finds the rest from there.

#ifndef WEFT_BASE_ORIGIN_H_
#define WEFT_BASE_ORIGIN_H_

#include "weft/common.h"

typedef struct weft_origin weft_origin_t;

// The longest name of an actor that a status keeps, with its NUL.
#define WEFT_ORIGIN_ACTOR_CAPACITY 128

// The origin in words.
typedef struct weft_origin_text {
  // Rank of the runtime; -1 when there is none to name.
  int32_t rank;
  // "class#index"; empty when there is none to name.
  char actor[WEFT_ORIGIN_ACTOR_CAPACITY];
  // The name of the endpoint, lent for as long as the handler runs; NULL when
  // there is none to name.
  const char* endpoint;
} weft_origin_text_t;

struct weft_origin {
  // Puts the origin into words. `text` comes with rank -1 and no names.
  // Thread: the one that runs the handler.
  void (*describe)(const weft_origin_t* origin, weft_origin_text_t* text);
};

// What runs on this thread; NULL outside of handlers. Written by the layer
// that runs handlers.
extern _Thread_local const weft_origin_t* weft_origin_current;

#endif  // WEFT_BASE_ORIGIN_H_
