// SPDX-License-Identifier: Apache-2.0
//
// What a thread knows of the actor whose turn it runs, and of the message at
// hand; the handler sees it as its context.

#ifndef WEFT_ACTOR_CONTEXT_H_
#define WEFT_ACTOR_CONTEXT_H_

#include "actor/actor.h"
#include "base/origin.h"
#include "trace/trace.h"

struct weft_context {
  // For statuses that a handler makes.
  weft_origin_t origin;
  weft_actor_entry_t* entry;
  // NULL between messages and in deinit.
  weft_message_t* message;
  weft_trace_thread_t* trace;
  // The actor, as `weft_sender_self` names it.
  uint64_t sender;
  // The handler took the reply; `reply` of the message is held until it
  // returns, but is the promise's to complete.
  bool is_reply_taken;
  // The handler asked to end the actor, for `stop_reason`.
  bool is_stopping;
  weft_status_t stop_reason;
  // Messages that ended and are not yet counted in the mailbox, and how many
  // may be.
  uint32_t finished;
  uint32_t finished_limit;
  // Messages of a peer that are dealt with, to one life of this actor, and of
  // which the peer's window does not know; see `weft_remote_finished`.
  struct weft_peer* dealt_peer;
  uint32_t dealt_generation;
  uint32_t dealt_count;
};

// The turn that the calling thread runs; NULL outside of actors.
extern _Thread_local weft_context_t* weft_context_current;

// The slot `describe` of a context's origin.
void weft_context_describe_origin(const weft_origin_t* origin,
                                  weft_origin_text_t* text);

// Who sends, as one number: an actor of this layer by index and generation,
// else the thread. One of another runtime: its rank and what it is there, with
// less of the generation; see inbound.c.
#define WEFT_SENDER_THREAD (UINT64_C(1) << 63)
#define WEFT_SENDER_REMOTE (UINT64_C(1) << 62)

static inline uint64_t weft_sender_of(weft_actor_t actor) {
  return ((uint64_t)actor.index << 32) | actor.generation;
}

static inline uint64_t weft_sender_of_entry(const weft_actor_entry_t* entry) {
  return ((uint64_t)entry->index << 32) | weft_entry_generation(entry);
}

static inline uint64_t weft_sender_self(const weft_actor_layer_t* layer) {
  const weft_context_t* context = weft_context_current;
  if (context != NULL && context->entry->layer == layer) {
    return context->sender;
  }
  return WEFT_SENDER_THREAD | weft_sys_thread_id();
}

#endif  // WEFT_ACTOR_CONTEXT_H_
