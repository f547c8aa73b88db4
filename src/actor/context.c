// SPDX-License-Identifier: Apache-2.0
//
// What a handler asks its context for.

#include "actor/context.h"

#include "actor/remote.h"

#include <stdio.h>

_Thread_local weft_context_t* weft_context_current;

void weft_context_describe_origin(const weft_origin_t* origin,
                                  weft_origin_text_t* text) {
  const weft_context_t* context = (const weft_context_t*)(const void*)origin;
  const weft_actor_entry_t* entry = context->entry;
  text->rank = (int32_t)entry->layer->runtime->rank;
  weft_entry_format(entry, text->actor, sizeof(text->actor));
  text->endpoint = weft_entry_running(entry);
}

weft_runtime_t* weft_context_runtime(const weft_context_t* context) {
  return context->entry->layer->runtime;
}

weft_actor_t weft_context_self(const weft_context_t* context) {
  return weft_entry_handle(context->entry);
}

weft_actor_t weft_context_sender(const weft_context_t* context) {
  uint64_t sender = context->message->sender;
  weft_actor_t actor = {0};
  if ((context->message->flags & WEFT_MESSAGE_REMOTE) != 0) {
    return weft_message_remote_sender(context->message);
  }
  if ((sender & WEFT_SENDER_THREAD) == 0) {
    const weft_runtime_t* runtime = context->entry->layer->runtime;
    actor.rank = (uint16_t)runtime->rank;
    actor.incarnation = (uint16_t)runtime->incarnation;
    actor.index = (uint32_t)(sender >> 32);
    actor.generation = (uint32_t)sender;
  }
  return actor;
}

int64_t weft_context_deadline_ns(const weft_context_t* context) {
  return context->message->deadline_ns;
}

bool weft_context_is_cancelled(const weft_context_t* context) {
  const weft_future_t* reply = context->message->reply;
  return reply != NULL && weft_future_state(reply) == WEFT_FUTURE_CANCELLED;
}

// A message that was sent has no reply: the promise is one that nobody waits
// for.
static weft_status_t take_nothing(weft_runtime_t* runtime,
                                  weft_promise_t** out_promise) {
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  WEFT_RETURN_IF_ERROR(weft_promise_create(runtime, &promise, &future));
  weft_future_release(future);
  *out_promise = promise;
  return WEFT_OK;
}

weft_status_t weft_context_take_reply(weft_context_t* context,
                                      weft_promise_t** out_promise) {
  *out_promise = NULL;
  weft_runtime_t* runtime = context->entry->layer->runtime;
  weft_future_t* reply = context->message->reply;
  if (context->is_reply_taken ||
      (context->message->flags & WEFT_MESSAGE_INIT) != 0) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            context->is_reply_taken
                                ? "the reply was taken before"
                                : "init has no reply to take");
  }
  if (reply == NULL) {
    WEFT_RETURN_IF_ERROR(take_nothing(runtime, out_promise));
  } else {
    // From here on the outcome does not depend on this actor.
    weft_mutex_t* graph = weft_async_graph_lock(runtime);
    weft_mutex_lock(graph);
    reply->producer = NULL;
    weft_mutex_unlock(graph);
    // A promise is its future, seen by its producer.
    *out_promise = (weft_promise_t*)(void*)weft_future_retain(reply);
  }
  context->is_reply_taken = true;
  return WEFT_OK;
}

void weft_context_stop(weft_context_t* context, weft_status_t reason) {
  if (context->is_stopping) {
    // The first reason is the one that counts.
    weft_status_release(reason);
    return;
  }
  context->is_stopping = true;
  context->stop_reason = reason;
}
