// SPDX-License-Identifier: Apache-2.0
//
// Sending and calling: a message is made, its deadline found, and it takes its
// place in the mailbox; until then nothing has happened that anybody can see,
// afterwards it cannot fail.

#include "actor/call.h"

#include "actor/context.h"
#include "actor/remote.h"
#include "actor/reply.h"
#include "actor/room.h"
#include "actor/roster.h"

// One path for all that nearly every message needs; what few need is kept off
// it.
#define INLINE inline __attribute__((always_inline))
#define COLD __attribute__((cold, noinline))

// --- Putting in -------------------------------------------------------------

static inline weft_mailbox_push_t put(weft_actor_entry_t* entry,
                                      weft_message_t* message,
                                      bool regardless) {
  if (regardless) {
    message->flags |= WEFT_MESSAGE_UNCOUNTED;
  }
  weft_mailbox_push_t push =
      weft_mailbox_push(&entry->in, &message->node, regardless);
  if (push == WEFT_MAILBOX_PUSHED_FIRST) {
    weft_entry_post(entry);
  }
  return push;
}

weft_mailbox_push_t weft_entry_put(weft_actor_entry_t* entry,
                                   weft_message_t* message, bool regardless) {
  return put(entry, message, regardless);
}

void weft_message_discard(weft_runtime_t* runtime, weft_message_t* message) {
  if (message == NULL) {
    return;
  }
  weft_message_release_arguments(message);
  if ((message->flags & WEFT_MESSAGE_STOP) != 0) {
    weft_status_release(message->reason);
  } else if (message->reply != NULL) {
    weft_reply_discard(message->reply);
  }
  weft_message_free(runtime, message);
}

// --- Deadlines --------------------------------------------------------------

COLD weft_status_t weft_call_cut_deadline(const weft_actor_layer_t* layer,
                                          const weft_call_options_t* options,
                                          int64_t* deadline_ns) {
  int64_t inherited_ns = *deadline_ns;
  int64_t timeout_ns = options != NULL ? options->timeout_ns : 0;
  if (timeout_ns < 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the timeout of a message is %lld ns: give a "
                            "length of time, or 0 for the default",
                            (long long)timeout_ns);
  }
  if (timeout_ns == 0 && inherited_ns == WEFT_TIME_INFINITE) {
    timeout_ns = layer->default_timeout_ns;
  }
  if (timeout_ns != 0 && timeout_ns != WEFT_TIME_INFINITE) {
    int64_t own_ns = weft_deadline_after(layer->runtime, timeout_ns);
    *deadline_ns = own_ns < inherited_ns ? own_ns : inherited_ns;
  }
  return WEFT_OK;
}

// --- A full mailbox ---------------------------------------------------------

// Whether this message may wait for room; see `weft_call`.
static bool may_wait(const weft_actor_entry_t* entry, int64_t deadline_ns,
                     const weft_call_options_t* options) {
  const weft_context_t* context = weft_context_current;
  const weft_thread_t* self = &weft_thread_self;
  if ((options != NULL && options->try_only) ||
      (context != NULL && context->entry == entry)) {
    return false;
  }
  // Others may wait for what this thread works on, the receiver among them:
  // such a wait must end by itself.
  return (self->activity == NULL && self->pool_thread == NULL) ||
         deadline_ns != WEFT_TIME_INFINITE;
}

// Waits for room and tries again, until the message is in.
static COLD weft_status_t
put_when_there_is_room(weft_actor_entry_t* entry, weft_message_t* message,
                       const weft_call_options_t* options) {
  weft_mailbox_push_t push = WEFT_MAILBOX_IS_FULL;
  if (!may_wait(entry, message->deadline_ns, options)) {
    // Full mailboxes are how fast senders are slowed down, many times a
    // second: no message is made of it.
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  while (push == WEFT_MAILBOX_IS_FULL) {
    weft_status_t status =
        weft_room_wait(entry, message->generation, message->deadline_ns);
    if (status != WEFT_OK) {
      return weft_status_make_caused(
          weft_status_code(status), status, "the mailbox of %s#%u stayed full",
          weft_entry_class(entry)->name, entry->index);
    }
    // Somebody else may have the entry by now.
    push = weft_entry_generation(entry) == message->generation
               ? put(entry, message, false)
               : WEFT_MAILBOX_IS_CLOSED;
  }
  if (push == WEFT_MAILBOX_IS_CLOSED) {
    return weft_status_make(WEFT_STATUS_NOT_FOUND,
                            "actor #%u ended while its mailbox was full",
                            entry->index);
  }
  return WEFT_OK;
}

// --- Sending ----------------------------------------------------------------
// What follows is one function, `submit`, in parts that the compiler puts
// together; for a send without options it is a straight line.

typedef struct submission {
  weft_runtime_t* runtime;
  uint32_t endpoint_index;
  const weft_arguments_t* arguments;
  const weft_call_options_t* options;
  // Found on the way.
  weft_actor_layer_t* layer;
  weft_actor_entry_t* entry;
  const weft_endpoint_t* endpoint;
  weft_trace_thread_t* trace;
} submission_t;

// The reply of a call, tied to the call that is served here, if there is one.
static weft_status_t add_reply(weft_actor_entry_t* entry,
                               const weft_endpoint_t* endpoint,
                               weft_message_t* message) {
  WEFT_RETURN_IF_ERROR(weft_reply_create(entry, endpoint, message->deadline_ns,
                                         &message->reply));
  const weft_activity_t* activity = weft_thread_self.activity;
  weft_future_t* parent = activity != NULL ? activity->serving : NULL;
  return parent != NULL ? weft_reply_follow(message->reply, parent) : WEFT_OK;
}

// Finds the actor. Errors: CLOSED; NOT_FOUND.
static INLINE weft_status_t find(submission_t* submission,
                                 const weft_actor_t* actor) {
  weft_actor_layer_t* layer = weft_actor_layer_of(submission->runtime);
  submission->layer = layer;
  // Relaxed: whoever sends while the layer stops may find either.
  if (__builtin_expect(
          atomic_load_explicit(&layer->is_stopping, memory_order_relaxed), 0)) {
    return weft_actor_closed(layer, "nothing can be sent");
  }
  submission->entry = weft_roster_find(layer, *actor);
  // The class may be that of the entry's next actor; then the message finds
  // that its generation is over.
  if (__builtin_expect(submission->entry == NULL ||
                           weft_entry_class(submission->entry) == NULL,
                       0)) {
    return weft_actor_not_found(layer, *actor);
  }
  return WEFT_OK;
}

// Who sends, and until when the message has time.
static INLINE weft_status_t stamp(submission_t* submission, uint32_t generation,
                                  weft_message_t* message) {
  const weft_actor_layer_t* layer = submission->layer;
  const weft_context_t* context = weft_context_current;
  if (__builtin_expect(context != NULL && context->entry->layer == layer, 1)) {
    message->sender = context->sender;
    submission->trace = context->trace;
  } else {
    message->sender = weft_sender_self(layer);
    submission->trace = weft_trace_self(submission->runtime);
  }
  message->generation = generation;
  const weft_activity_t* activity = weft_thread_self.activity;
  message->deadline_ns =
      activity != NULL ? activity->deadline_ns : WEFT_TIME_INFINITE;
  return __builtin_expect(
             submission->options != NULL || layer->default_timeout_ns != 0, 0)
             ? weft_call_cut_deadline(layer, submission->options,
                                      &message->deadline_ns)
             : WEFT_OK;
}

// Notes what can be seen of a message from outside, just before it can be
// handled.
static INLINE void note(const submission_t* submission,
                        weft_message_t* message) {
  weft_trace_thread_t* trace = submission->trace;
  const weft_endpoint_t* endpoint = submission->endpoint;
  weft_flight_record(trace, WEFT_FLIGHT_SEND, endpoint->name,
                     submission->entry->index, (uintptr_t)message);
  if (__builtin_expect(trace->is_on, 0)) {
    message->flow = weft_trace_send(trace, endpoint->name);
  }
}

static COLD weft_status_t put_slowly(weft_mailbox_push_t push,
                                     weft_actor_entry_t* entry,
                                     weft_message_t* message,
                                     const weft_call_options_t* options) {
  if (push == WEFT_MAILBOX_IS_CLOSED) {
    weft_actor_t actor = weft_entry_handle(entry);
    actor.generation = message->generation;
    return weft_actor_not_found(entry->layer, actor);
  }
  return put_when_there_is_room(entry, message, options);
}

// The message is complete. Puts it in and counts it.
static INLINE weft_status_t deliver(const submission_t* submission,
                                    weft_message_t* message) {
  // Once the message is in it may be gone.
  uint64_t tensor_bytes =
      __builtin_expect((message->flags & WEFT_MESSAGE_SCALARS) != 0, 1)
          ? 0
          : weft_message_tensor_bytes(message);
  note(submission, message);
  weft_mailbox_push_t push = put(submission->entry, message, false);
  if (__builtin_expect(push > WEFT_MAILBOX_PUSHED_FIRST, 0)) {
    WEFT_RETURN_IF_ERROR(
        put_slowly(push, submission->entry, message, submission->options));
  }
  weft_trace_count(submission->trace, WEFT_COUNTER_messages_sent, 1);
  if (__builtin_expect(tensor_bytes != 0, 0)) {
    weft_trace_count(submission->trace, WEFT_COUNTER_bytes_passed,
                     tensor_bytes);
  }
  return WEFT_OK;
}

// `out_future` is where the caller wants the reply; NULL for a send.
static INLINE weft_status_t submit(submission_t* submission,
                                   const weft_actor_t* actor,
                                   weft_future_t** out_future) {
  WEFT_RETURN_IF_ERROR(find(submission, actor));
  const weft_class_t* actor_class = weft_entry_class(submission->entry);
  weft_message_t* message;
  WEFT_RETURN_IF_ERROR(weft_message_create(submission->runtime, actor_class,
                                           submission->endpoint_index,
                                           submission->arguments, &message));
  submission->endpoint = &actor_class->endpoints[submission->endpoint_index];
  weft_status_t status = stamp(submission, actor->generation, message);
  weft_future_t* reply = NULL;
  if (out_future != NULL && status == WEFT_OK) {
    status = add_reply(submission->entry, submission->endpoint, message);
    reply = message->reply;
  }
  if (__builtin_expect(status == WEFT_OK, 1)) {
    if (__builtin_expect((message->flags & WEFT_MESSAGE_FUTURES) != 0, 0)) {
      weft_message_start_arguments(message);
    }
    status = deliver(submission, message);
  }
  if (__builtin_expect(status != WEFT_OK, 0)) {
    weft_message_discard(submission->runtime, message);
    return status;
  }
  if (out_future != NULL) {
    *out_future = reply;
  }
  return WEFT_OK;
}

weft_status_t weft_call(weft_runtime_t* runtime, weft_actor_t actor,
                        uint32_t endpoint, const weft_arguments_t* arguments,
                        const weft_call_options_t* options,
                        weft_future_t** out_future) {
  *out_future = NULL;
  if (__builtin_expect(actor.rank != runtime->rank, 0)) {
    return weft_remote_submit(runtime, actor, endpoint, arguments, options,
                              out_future);
  }
  submission_t submission = {
      .runtime = runtime,
      .endpoint_index = endpoint,
      .arguments = arguments,
      .options = options,
  };
  return submit(&submission, &actor, out_future);
}

weft_status_t weft_send(weft_runtime_t* runtime, weft_actor_t actor,
                        uint32_t endpoint, const weft_arguments_t* arguments,
                        const weft_call_options_t* options) {
  if (__builtin_expect(actor.rank != runtime->rank, 0)) {
    return weft_remote_submit(runtime, actor, endpoint, arguments, options,
                              NULL);
  }
  submission_t submission = {
      .runtime = runtime,
      .endpoint_index = endpoint,
      .arguments = arguments,
      .options = options,
  };
  return submit(&submission, &actor, NULL);
}
