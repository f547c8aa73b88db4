// SPDX-License-Identifier: Apache-2.0
//
// Lines of messages that wait, by sender: what `held.c` works on. Nothing here
// waits, or knows why a line does.

#ifndef WEFT_ACTOR_LINE_H_
#define WEFT_ACTOR_LINE_H_

#include "actor/actor.h"

// `state` of a line.
enum {
  // Behind an init that waits: not among the ready, no callbacks.
  WEFT_LINE_BLOCKED = 0,
  // Callbacks are registered; none has run.
  WEFT_LINE_WAITING = 1,
  // A callback has run: the line is, or soon will be, among the arrived.
  WEFT_LINE_ARRIVED = 2,
  // Among the ready; no callbacks.
  WEFT_LINE_READY = 3
};

// The messages of one sender.
typedef struct weft_line weft_line_t;
struct weft_line {
  // Among all lines of the actor, in order of creation; and among the ready.
  weft_dlist_node_t all;
  weft_dlist_node_t ready;
  weft_line_t* next_in_bucket;
  weft_line_t* next_arrived;
  weft_actor_entry_t* entry;
  uint64_t sender;
  weft_message_t* first;
  weft_message_t* last;
  // What the first message waits for; lent by its arguments. NULL when the
  // line does not wait.
  weft_future_t* awaited;
  // Whatever comes first of: the argument, the end of the reply (somebody
  // cancels the call, or its deadline passes), the deadline of a send.
  weft_waiter_t on_argument;
  weft_waiter_t on_reply;
  weft_timer_t on_deadline;
  bool has_reply_waiter;
  bool has_timer;
  _Atomic uint32_t state;
};

#define WEFT_HELD_BUCKETS_INSIDE 8

struct weft_held {
  // Pushed by callbacks, last first; taken by the consumer.
  _Atomic(weft_line_t*) arrived;
  weft_dlist_t all;
  weft_dlist_t ready;
  // Lines by sender. The first few need no allocation.
  uint32_t count;
  uint32_t bucket_mask;
  weft_line_t** buckets;
  weft_line_t* inside[WEFT_HELD_BUCKETS_INSIDE];
};

// Everything here belongs to the consumer.

// The line of a sender; NULL when there is none.
weft_line_t* weft_line_find(const weft_actor_entry_t* entry, uint64_t sender);
// Adds a line, without messages, for a sender that has none.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_line_create(weft_actor_entry_t* entry, uint64_t sender,
                               weft_line_t** out_line);
// Frees a line without messages.
void weft_line_free(weft_line_t* line);
// Frees what an entry holds if there are no lines in it.
void weft_held_free_if_empty(weft_actor_entry_t* entry);

// Puts a message last. Its sender is the line's from here on.
void weft_line_append(weft_line_t* line, weft_message_t* message);
// Takes the first message, of which there is one.
weft_message_t* weft_line_take_first(weft_line_t* line);

#endif  // WEFT_ACTOR_LINE_H_
