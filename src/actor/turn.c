// SPDX-License-Identifier: Apache-2.0

#include "actor/turn.h"

#include "actor/cold.h"
#include "actor/held.h"
#include "actor/remote.h"
#include "actor/room.h"
#include "weft/tensor.h"

// Flight events that may have the same time.
#define TICK_EVENTS 32

// One path for all that nearly every message needs; what few need is kept off
// it.
#define INLINE inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline))

static inline uint32_t attention_of(const weft_actor_entry_t* entry) {
  // Relaxed: a bit that is not seen now is seen after going idle, see
  // `weft_turn_leave`; what goes with it is acquired in `attend`.
  return atomic_load_explicit(&entry->attention, memory_order_relaxed);
}

// --- The end of a message ---------------------------------------------------

// Counts what has finished, which makes room in the mailbox.
static inline void publish(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  weft_mailbox_finish(&entry->in, context->finished);
  context->finished = 0;
  if (__builtin_expect((attention_of(entry) & WEFT_ATTENTION_ROOM) != 0, 0)) {
    weft_room_wake(entry);
  }
}

// The block stays as long as it is the head of the mailbox. The message is
// counted as finished, which makes room for another.
static INLINE void finish(weft_context_t* context, weft_message_t* message) {
  weft_actor_entry_t* entry = context->entry;
  // Senders read the count, so writing it for each message would cost each of
  // them a cache miss. An answer makes room at once: its receiver may send.
  if ((message->flags & (WEFT_MESSAGE_INIT | WEFT_MESSAGE_UNCOUNTED)) == 0) {
    if (++context->finished >= context->finished_limit ||
        message->reply != NULL) {
      publish(context);
    }
  } else if ((message->flags & WEFT_MESSAGE_REMOTE) != 0) {
    entry->has_peers = true;
    weft_remote_finished(context, message);
  }
  if (entry->out.head == &message->node) {
    message->flags |= WEFT_MESSAGE_FINISHED;
  } else {
    weft_message_free(entry->layer->runtime, message);
  }
}

static void fail(weft_context_t* context, weft_message_t* message,
                 weft_status_t reason, bool is_loud) {
  weft_trace_count(context->trace, WEFT_COUNTER_messages_failed, 1);
  weft_message_release_arguments(message);
  weft_future_t* reply = NULL;
  if ((message->flags & WEFT_MESSAGE_STOP) != 0) {
    weft_status_release(message->reason);
    message->reason = WEFT_OK;
  } else {
    reply = message->reply;
  }
  finish(context, message);
  if (reply != NULL) {
    weft_future_complete_owned(reply, reason, weft_none());
  } else if (is_loud) {
    weft_warn(context->entry->layer->runtime, reason);
  } else {
    weft_status_release(reason);
  }
}

void weft_turn_fail(weft_context_t* context, weft_message_t* message,
                    weft_status_t reason) {
  fail(context, message, reason, false);
}

// As above, and the error of a send goes to the warnings.
static void fail_loud(weft_context_t* context, weft_message_t* message,
                      weft_status_t reason) {
  fail(context, message, reason, true);
}

// --- Running a handler ------------------------------------------------------

static INLINE void begin_handler(weft_context_t* context,
                                 weft_message_t* message, uint32_t endpoint) {
  // Relaxed: for reports only.
  atomic_store_explicit(&context->entry->endpoint, endpoint,
                        memory_order_relaxed);
  context->message = message;
  weft_origin_current = &context->origin;
}

static INLINE void end_handler(weft_context_t* context) {
  weft_origin_current = NULL;
  context->message = NULL;
  // Relaxed: for reports only.
  atomic_store_explicit(&context->entry->endpoint, WEFT_ENDPOINT_NONE,
                        memory_order_relaxed);
}

// The handler with a span around it, and an arrow from where it was sent.
static NOINLINE weft_status_t run_traced(weft_context_t* context,
                                         const weft_endpoint_t* endpoint,
                                         weft_message_t* message,
                                         weft_value_t* out_result) {
  const weft_actor_entry_t* entry = context->entry;
  weft_trace_handler_t handler = {
      .class_name = weft_entry_class(entry)->name,
      .index = entry->index,
      .endpoint = endpoint->name,
      .flow = message->flow,
      .start_ns = weft_trace_begin(context->trace),
  };
  weft_status_t status =
      endpoint->handler(context, entry->state, message->arguments, out_result);
  weft_trace_handler(context->trace, &handler);
  return status;
}

// What becomes of the result when nobody, or somebody else, answers.
static NOINLINE void drop_result(weft_context_t* context, weft_status_t status,
                                 weft_value_t result) {
  weft_value_release(result);
  if (status != WEFT_OK) {
    weft_warn(context->entry->layer->runtime, status);
  }
}

static NOINLINE void answer_call(weft_context_t* context, weft_future_t* reply,
                                 weft_status_t status, weft_value_t result) {
  if (reply != NULL && !context->is_reply_taken) {
    if (weft_value_is_counted(result)) {
      weft_trace_count(context->trace, WEFT_COUNTER_bytes_passed,
                       weft_value_tensor_bytes(result));
    }
    weft_future_complete_owned(reply, status, result);
    return;
  }
  context->is_reply_taken = false;
  weft_future_release(reply);
  drop_result(context, status, result);
}

static INLINE void answer(weft_context_t* context, weft_message_t* message,
                          weft_status_t status, weft_value_t result) {
  weft_future_t* reply = message->reply;
  finish(context, message);
  if (__builtin_expect(reply != NULL || context->is_reply_taken, 0)) {
    answer_call(context, reply, status, result);
  } else if (__builtin_expect(
                 status != WEFT_OK || weft_value_is_counted(result), 0)) {
    drop_result(context, status, result);
  }
}

static INLINE void run(weft_context_t* context, weft_message_t* message) {
  weft_actor_entry_t* entry = context->entry;
  const weft_endpoint_t* endpoint =
      &weft_entry_class(entry)->endpoints[message->endpoint];
  weft_value_t result = weft_none();
  weft_status_t status;
  begin_handler(context, message, message->endpoint);
  weft_flight_record(context->trace, WEFT_FLIGHT_HANDLE, endpoint->name,
                     entry->index, (uintptr_t)message);
  if (__builtin_expect(context->trace->is_on, 0)) {
    status = run_traced(context, endpoint, message, &result);
  } else {
    status =
        endpoint->handler(context, entry->state, message->arguments, &result);
  }
  weft_trace_count(context->trace, WEFT_COUNTER_messages_handled, 1);
  if (__builtin_expect(status != WEFT_OK, 0)) {
    weft_flight_record(context->trace, WEFT_FLIGHT_HANDLED, endpoint->name,
                       entry->index, weft_status_code(status));
  }
  end_handler(context);
  // What `handle_call` has set. Here, because the answer below runs whoever
  // waits for it, which is no part of serving the call.
  entry->activity.serving = NULL;
  entry->activity.deadline_ns = WEFT_TIME_INFINITE;
  // The arguments go before the answer: who waits for it may be the only
  // owner of a tensor again.
  weft_message_release_arguments(message);
  answer(context, message, status, result);
}

// --- Init -------------------------------------------------------------------

static void run_init(weft_context_t* context, weft_message_t* message) {
  weft_actor_entry_t* entry = context->entry;
  begin_handler(context, message, WEFT_ENDPOINT_INIT);
  weft_status_t status = weft_entry_class(entry)->init(
      context, message->arguments[0], &entry->state);
  end_handler(context);
  weft_message_release_arguments(message);
  finish(context, message);
  if (status == WEFT_OK) {
    entry->is_initialized = true;
    weft_held_release_blocked(entry);
  } else {
    entry->state = NULL;
    weft_exit_begin(context, status);
  }
}

// --- A message's turn -------------------------------------------------------

// True when nobody wants the message to be handled any more; it is ended then.
static bool is_over(weft_context_t* context, weft_message_t* message) {
  if (message->reply != NULL) {
    if (!weft_future_is_done(message->reply)) {
      return false;
    }
    // Cancelled, or its deadline has passed; the outcome is there.
    weft_turn_fail(context, message, WEFT_OK);
    return true;
  }
  weft_runtime_t* runtime = context->entry->layer->runtime;
  if (message->deadline_ns == WEFT_TIME_INFINITE ||
      weft_runtime_now_ns(runtime) < message->deadline_ns) {
    return false;
  }
  const weft_class_t* actor_class = weft_entry_class(context->entry);
  fail_loud(
      context, message,
      weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                       "%s.%s was not handled in time: actor #%u was busy, or "
                       "an argument late",
                       actor_class->name,
                       actor_class->endpoints[message->endpoint].name,
                       context->entry->index));
  return true;
}

// The handler has asked to end the actor.
static NOINLINE void stop_as_asked(weft_context_t* context) {
  context->is_stopping = false;
  weft_status_t reason = context->stop_reason;
  if (context->entry->phase != WEFT_PHASE_EXITING) {
    weft_exit_begin(context, reason);
  } else {
    weft_status_release(reason);
  }
}

// Handles a message that somebody waits for, or that has a deadline.
static NOINLINE void handle_call(weft_context_t* context,
                                 weft_message_t* message) {
  if (!is_over(context, message)) {
    weft_activity_t* activity = &context->entry->activity;
    activity->serving = message->reply;
    activity->deadline_ns = message->deadline_ns;
    run(context, message);
  }
}

// Handles a message to an endpoint whose arguments are values.
static INLINE void handle_endpoint(weft_context_t* context,
                                   weft_message_t* message) {
  if (__builtin_expect(
          message->reply == NULL && message->deadline_ns == WEFT_TIME_INFINITE,
          1)) {
    run(context, message);
  } else {
    handle_call(context, message);
  }
  if (__builtin_expect(context->is_stopping, 0)) {
    stop_as_asked(context);
  }
}

// Handles a message whose arguments are values.
static NOINLINE void handle(weft_context_t* context, weft_message_t* message) {
  if ((message->flags & WEFT_MESSAGE_INIT) == 0) {
    handle_endpoint(context, message);
    return;
  }
  run_init(context, message);
  if (context->is_stopping) {
    stop_as_asked(context);
  }
}

// Ends a message that failed before its handler; an init takes the actor with
// it.
static void refuse(weft_context_t* context, weft_message_t* message,
                   weft_status_t status) {
  if ((message->flags & WEFT_MESSAGE_INIT) != 0) {
    weft_message_release_arguments(message);
    finish(context, message);
    weft_exit_begin(context, status);
  } else {
    fail_loud(context, message, status);
  }
}

// Has come to its turn, but some arguments are futures.
static void handle_futures(weft_context_t* context, weft_message_t* message) {
  weft_actor_entry_t* entry = context->entry;
  const weft_class_t* actor_class = weft_entry_class(entry);
  const weft_endpoint_t* endpoint =
      (message->flags & WEFT_MESSAGE_INIT) != 0
          ? NULL
          : &actor_class->endpoints[message->endpoint];
  weft_future_t* awaited;
  weft_status_t status =
      weft_message_resolve(message, actor_class, endpoint, &awaited);
  if (status == WEFT_OK && awaited != NULL) {
    status = weft_held_stall(entry, message, awaited);
    if (status == WEFT_OK) {
      return;
    }
  }
  if (status != WEFT_OK) {
    refuse(context, message, status);
  } else {
    handle(context, message);
  }
}

static void stop_in_turn(weft_context_t* context, weft_message_t* message) {
  weft_actor_entry_t* entry = context->entry;
  weft_status_t reason = message->reason;
  message->reason = WEFT_OK;
  finish(context, message);
  if (entry->held == NULL) {
    weft_exit_begin(context, reason);
    return;
  }
  // Messages that wait for arguments were in the mailbox before.
  weft_mailbox_close(&entry->in);
  entry->phase = WEFT_PHASE_CLOSING;
  entry->reason = reason;
}

// What does not simply run: not for this actor, a stop, behind others of its
// sender, with futures.
static NOINLINE void receive_slow(weft_context_t* context,
                                  weft_message_t* message) {
  weft_actor_entry_t* entry = context->entry;
  if (message->generation != weft_entry_generation(entry)) {
    weft_turn_fail(context, message,
                   weft_status_make(WEFT_STATUS_ACTOR_EXITED,
                                    "actor #%u had ended when the message came",
                                    entry->index));
  } else if (entry->phase == WEFT_PHASE_CLOSING) {
    weft_turn_fail(context, message,
                   weft_status_make(WEFT_STATUS_ACTOR_EXITED,
                                    "actor #%u was asked to stop before this",
                                    entry->index));
  } else if ((message->flags & WEFT_MESSAGE_STOP) != 0) {
    stop_in_turn(context, message);
  } else if (entry->held != NULL || !entry->is_initialized) {
    weft_status_t status = WEFT_OK;
    if (!weft_held_queue(entry, message, &status)) {
      handle_futures(context, message);
    } else if (status != WEFT_OK) {
      fail_loud(context, message, status);
    }
  } else {
    handle_futures(context, message);
  }
}

// The next message of a sender whose argument has come, if there is one.
static bool resume(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  weft_status_t status = WEFT_OK;
  weft_message_t* message = weft_held_next(entry, &status);
  if (message == NULL) {
    return false;
  }
  if (status != WEFT_OK) {
    refuse(context, message, status);
  } else {
    handle(context, message);
  }
  return true;
}

// --- A turn -----------------------------------------------------------------

static INLINE weft_message_t* take(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  weft_mailbox_node_t* passed = NULL;
  weft_mailbox_node_t* node = weft_mailbox_pop(&entry->out, &passed);
  if (node == NULL) {
    return NULL;
  }
  if (passed != &entry->out.stub) {
    weft_message_t* message = WEFT_CONTAINER_OF(passed, weft_message_t, node);
    if ((message->flags & WEFT_MESSAGE_FINISHED) != 0) {
      weft_message_free(entry->layer->runtime, message);
    }
  }
  return WEFT_CONTAINER_OF(node, weft_message_t, node);
}

weft_message_t* weft_turn_take(weft_context_t* context) {
  return take(context);
}

// Looks at what was asked for besides messages.
static void attend(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  // Acquire: pairs with the release of whoever set a bit.
  uint32_t attention = atomic_fetch_and_explicit(
      &entry->attention, WEFT_ATTENTION_ROOM, memory_order_acquire);
  if ((attention & WEFT_ATTENTION_STOP) != 0 &&
      entry->phase != WEFT_PHASE_EXITING) {
    weft_exit_begin(context, weft_cold_take_stop(entry));
  }
  if ((attention & WEFT_ATTENTION_ARRIVED) != 0 && entry->held != NULL) {
    weft_held_collect(entry);
  }
}

// True when nothing but the mailbox needs to be looked at: an actor that runs,
// with nothing held and nothing asked of it.
static INLINE bool is_plain(const weft_actor_entry_t* entry) {
  return (attention_of(entry) & WEFT_ATTENTION_URGENT) == 0 &&
         entry->phase == WEFT_PHASE_RUNNING && entry->held == NULL &&
         entry->is_initialized;
}

typedef enum step {
  // Nothing comes before the next message of the mailbox.
  STEP_TAKE,
  // A message that was held has been handled.
  STEP_DONE,
  // The actor ends.
  STEP_END
} step_t;

// What comes before the next message of the mailbox.
static NOINLINE step_t look_around(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  if ((attention_of(entry) & WEFT_ATTENTION_URGENT) != 0) {
    attend(context);
  }
  if (entry->phase == WEFT_PHASE_EXITING) {
    return STEP_END;
  }
  if (entry->phase == WEFT_PHASE_CLOSING && entry->held == NULL) {
    weft_status_t reason = entry->reason;
    entry->reason = WEFT_OK;
    weft_exit_begin(context, reason);
    return STEP_END;
  }
  return entry->held != NULL && resume(context) ? STEP_DONE : STEP_TAKE;
}

// Handles messages. True when there is more to do at once.
static INLINE bool work(weft_context_t* context) {
  weft_actor_entry_t* entry = context->entry;
  // What comes during the turn, from the actor itself above all, waits for
  // the next: one that sends itself a message lets others go first.
  // Relaxed: a hint of where to stop; nothing is read through it.
  const weft_mailbox_node_t* last = weft_mailbox_last(
      atomic_load_explicit(&entry->in.word, memory_order_relaxed));
  for (uint32_t i = 0; i < WEFT_TURN_MESSAGES; i++) {
    bool plain = is_plain(entry);
    if (__builtin_expect(!plain, 0)) {
      step_t step = look_around(context);
      if (step == STEP_END) {
        return true;
      }
      if (step == STEP_DONE) {
        continue;
      }
    }
    weft_message_t* message = take(context);
    if (message == NULL) {
      return entry->phase != WEFT_PHASE_RUNNING && entry->held == NULL;
    }
    bool is_last = &message->node == last;
    if (__builtin_expect(
            plain && message->generation == weft_entry_generation(entry) &&
                (message->flags & ~WEFT_MESSAGE_PLAIN) == 0,
            1)) {
      handle_endpoint(context, message);
    } else {
      receive_slow(context, message);
    }
    if (is_last) {
      return entry->phase != WEFT_PHASE_RUNNING;
    }
  }
  return true;
}

// A turn of an actor that exits. True when it has exited.
static bool work_exiting(weft_context_t* context) {
  if (!weft_exit_drain(context)) {
    return false;
  }
  publish(context);
  weft_exit_finish(context);
  return true;
}

// The actor is idle, but there is something that senders have not brought.
static NOINLINE void claim_if_wanted(weft_actor_entry_t* entry,
                                     uint32_t attention, bool is_stopping) {
  bool is_wanted = is_stopping || (attention & WEFT_ATTENTION_URGENT) != 0 ||
                   ((attention & WEFT_ATTENTION_ROOM) != 0 &&
                    !weft_mailbox_is_full(&entry->in));
  if (is_wanted && weft_mailbox_claim(&entry->in)) {
    weft_entry_post(entry);
  }
}

static INLINE void leave(weft_actor_entry_t* entry) {
  const weft_actor_layer_t* layer = entry->layer;
  if (!weft_mailbox_try_idle(&entry->in, &entry->out)) {
    weft_entry_post(entry);
    return;
  }
  // Somebody may have asked for something while this thread was the consumer,
  // and have left it to this thread to look.
  uint32_t attention = attention_of(entry);
  // Sequentially consistent: see `weft_mailbox_open`.
  bool is_stopping =
      atomic_load_explicit(&layer->is_stopping, memory_order_seq_cst);
  if (__builtin_expect(attention != 0 || is_stopping, 0)) {
    claim_if_wanted(entry, attention, is_stopping);
  }
}

void weft_turn_leave(weft_actor_entry_t* entry) {
  leave(entry);
}

// Stamps flight events with a time that is not older than some of them: the
// clock costs as much as a message.
static inline void tick(weft_context_t* context) {
  static _Thread_local uint64_t ticked;
  // Relaxed: this thread alone writes it.
  uint64_t next =
      atomic_load_explicit(&context->trace->flight_next, memory_order_relaxed);
  if (next - ticked >= TICK_EVENTS) {
    ticked = next;
    weft_flight_tick(context->trace,
                     weft_runtime_now_ns(context->entry->layer->runtime));
  }
}

static INLINE void enter(weft_context_t* context, weft_actor_entry_t* entry) {
  // Relaxed: it does not change while the actor lives.
  uint32_t bound = atomic_load_explicit(&entry->in.bound, memory_order_relaxed);
  *context = (weft_context_t){
      .origin = {.describe = weft_context_describe_origin},
      .entry = entry,
      .trace = weft_trace_self(entry->layer->runtime),
      .sender = weft_sender_of_entry(entry),
      .finished_limit = bound / 4,
  };
  tick(context);
  weft_thread_self.activity = &entry->activity;
  weft_context_current = context;
}

void weft_turn_run(weft_task_t* task) {
  weft_actor_entry_t* entry = WEFT_CONTAINER_OF(task, weft_actor_entry_t, task);
  weft_actor_layer_t* layer = entry->layer;
  weft_activity_t* outer = weft_thread_self.activity;
  weft_context_t context;
  enter(&context, entry);
  // Relaxed: an actor that misses it looks again before it goes idle.
  if (__builtin_expect(
          atomic_load_explicit(&layer->is_stopping, memory_order_relaxed), 0) &&
      entry->phase != WEFT_PHASE_EXITING) {
    weft_exit_begin(&context, weft_actor_closed(layer, "its actors end"));
  }
  if (entry->init != NULL && entry->phase == WEFT_PHASE_RUNNING) {
    weft_message_t* message = entry->init;
    entry->init = NULL;
    handle_futures(&context, message);
  }
  bool has_more = work(&context);
  bool has_exited =
      entry->phase == WEFT_PHASE_EXITING && work_exiting(&context);
  if (__builtin_expect(context.dealt_count > 0, 0)) {
    weft_remote_settle(&context);
  }
  weft_context_current = NULL;
  weft_thread_self.activity = outer;
  if (has_exited) {
    return;
  }
  publish(&context);
  if (has_more) {
    weft_entry_post(entry);
  } else {
    leave(entry);
  }
}
