// SPDX-License-Identifier: Apache-2.0

#include "actor/held.h"

#include "actor/line.h"
#include "async/circle.h"

static uint32_t state_of(const weft_line_t* line) {
  // Relaxed: the consumer acts on WEFT_LINE_WAITING only after it took the
  // callbacks back, and on WEFT_LINE_ARRIVED only after it took the line off
  // the arrived.
  return atomic_load_explicit(&line->state, memory_order_relaxed);
}

static void set_state(weft_line_t* line, uint32_t state) {
  // Relaxed: no callback is registered before or after this.
  atomic_store_explicit(&line->state, state, memory_order_relaxed);
}

// --- Who waits for whom -----------------------------------------------------
// A call that is held depends on the argument that its line waits for. Init
// has no reply: there the actor itself waits.

// Reports say since when an actor waits.
static void set_since(weft_activity_t* activity, int64_t since_ns) {
  // Relaxed: a report may be a moment late.
  atomic_store_explicit(&activity->asleep_since_ns, since_ns,
                        memory_order_relaxed);
}

// Ties a message to what it waits for. DEADLOCK when that waits for it.
static weft_status_t tie(const weft_actor_entry_t* entry,
                         const weft_message_t* message,
                         weft_future_t* awaited) {
  weft_activity_t* init_of = NULL;
  if ((message->flags & WEFT_MESSAGE_INIT) != 0) {
    init_of = (weft_activity_t*)(uintptr_t)&entry->activity;
  } else if (message->reply == NULL) {
    return WEFT_OK;
  }
  weft_circle_t circle;
  weft_circle_init(&circle, init_of, init_of != NULL ? NULL : message->reply);
  weft_mutex_t* graph = weft_async_graph_lock(entry->layer->runtime);
  weft_mutex_lock(graph);
  bool is_circle = weft_circle_search(&circle, awaited);
  if (init_of != NULL) {
    init_of->waiting_for = is_circle ? NULL : awaited;
    init_of->wait_number++;
    set_since(init_of,
              is_circle ? 0 : weft_runtime_now_ns(entry->layer->runtime));
  } else {
    message->reply->blocked_on = is_circle ? NULL : awaited;
  }
  weft_mutex_unlock(graph);
  weft_circle_notice(&circle);
  return is_circle ? weft_circle_status(&circle, "this message") : WEFT_OK;
}

// Unties all messages of a line, before what they wait for may go.
static void untie(weft_line_t* line) {
  weft_activity_t* activity = &line->entry->activity;
  weft_mutex_t* graph = weft_async_graph_lock(line->entry->layer->runtime);
  weft_mutex_lock(graph);
  for (weft_message_t* message = line->first; message != NULL;
       message = message->next_held) {
    if ((message->flags & WEFT_MESSAGE_INIT) != 0) {
      activity->waiting_for = NULL;
      set_since(activity, 0);
    } else if (message->reply != NULL) {
      message->reply->blocked_on = NULL;
    }
  }
  weft_mutex_unlock(graph);
}

// Ties a message that is not the first of its line. A call that closes a
// circle fails now, which opens the circle; its place is passed over later.
static void tie_behind(const weft_line_t* line, const weft_message_t* message) {
  weft_status_t status = tie(line->entry, message, line->awaited);
  if (status != WEFT_OK) {
    weft_future_complete(message->reply, status, weft_none());
  }
}

// --- Waiting ----------------------------------------------------------------

// Runs on any thread, once for a line that waits.
static void arrive(weft_line_t* line) {
  uint32_t expected = WEFT_LINE_WAITING;
  // Relaxed: it only chooses who goes on; the exchange below publishes.
  if (!atomic_compare_exchange_strong_explicit(
          &line->state, &expected, WEFT_LINE_ARRIVED, memory_order_relaxed,
          memory_order_relaxed)) {
    return;
  }
  weft_actor_entry_t* entry = line->entry;
  weft_held_t* held = entry->held;
  // Relaxed: the exchange fails if it is another by then.
  weft_line_t* first =
      atomic_load_explicit(&held->arrived, memory_order_relaxed);
  do {
    line->next_arrived = first;
    // Release: pairs with the acquire in `weft_held_collect`. The consumer
    // takes the callbacks back, and so waits for this one, before it frees
    // the line or what holds it.
  } while (!atomic_compare_exchange_weak_explicit(&held->arrived, &first, line,
                                                  memory_order_release,
                                                  memory_order_relaxed));
  // Release: pairs with the acquire in the turn that attends to it.
  atomic_fetch_or_explicit(&entry->attention, WEFT_ATTENTION_ARRIVED,
                           memory_order_release);
  if (weft_mailbox_claim(&entry->in)) {
    weft_entry_post(entry);
  }
}

static void argument_came(weft_waiter_t* waiter, weft_future_t* future) {
  (void)future;
  arrive(WEFT_CONTAINER_OF(waiter, weft_line_t, on_argument));
}

static void reply_ended(weft_waiter_t* waiter, weft_future_t* future) {
  (void)future;
  arrive(WEFT_CONTAINER_OF(waiter, weft_line_t, on_reply));
}

static void deadline_passed(weft_timer_t* timer, void* user) {
  (void)timer;
  arrive(user);
}

// Registers the callbacks for the first message of a line.
static weft_status_t arm(weft_line_t* line, weft_future_t* awaited) {
  weft_message_t* message = line->first;
  weft_status_t status = tie(line->entry, message, awaited);
  line->awaited = awaited;
  line->has_reply_waiter =
      (message->flags & WEFT_MESSAGE_INIT) == 0 && message->reply != NULL;
  set_state(line, WEFT_LINE_WAITING);
  if (status == WEFT_OK && message->reply == NULL &&
      message->deadline_ns != WEFT_TIME_INFINITE) {
    status = weft_timer_start(line->entry->layer->runtime, &line->on_deadline,
                              message->deadline_ns, 0, deadline_passed, line);
    line->has_timer = status == WEFT_OK;
  }
  if (status != WEFT_OK) {
    untie(line);
    return status;
  }
  line->on_argument.callback = argument_came;
  line->on_reply.callback = reply_ended;
  weft_future_add_waiter(awaited, &line->on_argument);
  if (line->has_reply_waiter) {
    weft_future_add_waiter(message->reply, &line->on_reply);
  }
  return WEFT_OK;
}

// Takes the callbacks back; none runs, or will, when this returns. A line that
// had not arrived does not arrive any more.
static void disarm(weft_line_t* line) {
  weft_future_remove_waiter(line->awaited, &line->on_argument);
  if (line->has_reply_waiter) {
    weft_future_remove_waiter(line->first->reply, &line->on_reply);
  }
  if (line->has_timer) {
    weft_timer_stop(&line->on_deadline);
    line->has_timer = false;
  }
  untie(line);
  line->awaited = NULL;
}

// --- For the turn -----------------------------------------------------------

weft_status_t weft_held_stall(weft_actor_entry_t* entry,
                              weft_message_t* message, weft_future_t* awaited) {
  uint64_t sender = message->sender;
  weft_line_t* line;
  WEFT_RETURN_IF_ERROR(weft_line_create(entry, sender, &line));
  weft_line_append(line, message);
  weft_status_t status = arm(line, awaited);
  if (status != WEFT_OK) {
    message->sender = sender;
    weft_line_free(line);
    weft_held_free_if_empty(entry);
  }
  return status;
}

bool weft_held_queue(weft_actor_entry_t* entry, weft_message_t* message,
                     weft_status_t* out_status) {
  *out_status = WEFT_OK;
  weft_line_t* line = weft_line_find(entry, message->sender);
  if (line == NULL && entry->is_initialized) {
    return false;
  }
  if (line == NULL) {
    *out_status = weft_line_create(entry, message->sender, &line);
  }
  if (line != NULL) {
    weft_line_append(line, message);
    if (line->awaited != NULL) {
      tie_behind(line, message);
    }
  }
  return true;
}

void weft_held_collect(weft_actor_entry_t* entry) {
  weft_held_t* held = entry->held;
  // Acquire: pairs with the release in `arrive`.
  weft_line_t* line =
      atomic_exchange_explicit(&held->arrived, NULL, memory_order_acquire);
  weft_line_t* ordered = NULL;
  while (line != NULL) {
    weft_line_t* next = line->next_arrived;
    line->next_arrived = ordered;
    ordered = line;
    line = next;
  }
  for (line = ordered; line != NULL; line = line->next_arrived) {
    disarm(line);
    set_state(line, WEFT_LINE_READY);
    weft_dlist_append(&held->ready, &line->ready);
  }
}

void weft_held_release_blocked(weft_actor_entry_t* entry) {
  weft_held_t* held = entry->held;
  if (held == NULL) {
    return;
  }
  for (weft_dlist_node_t* node = weft_dlist_first(&held->all); node != NULL;
       node = weft_dlist_next(&held->all, node)) {
    weft_line_t* line = WEFT_CONTAINER_OF(node, weft_line_t, all);
    if (state_of(line) == WEFT_LINE_BLOCKED) {
      set_state(line, WEFT_LINE_READY);
      weft_dlist_append(&held->ready, &line->ready);
    }
  }
}

// True when the first message of a line need not wait for its arguments: its
// caller has an outcome, or its deadline has passed.
static bool is_unwanted(const weft_actor_entry_t* entry,
                        const weft_message_t* message) {
  if ((message->flags & WEFT_MESSAGE_INIT) != 0) {
    return false;
  }
  if (message->reply != NULL) {
    return weft_future_is_done(message->reply);
  }
  return message->deadline_ns != WEFT_TIME_INFINITE &&
         weft_runtime_now_ns(entry->layer->runtime) >= message->deadline_ns;
}

// Waits again, for the next argument or the next message of a ready line.
static weft_status_t wait_again(weft_held_t* held, weft_line_t* line,
                                weft_future_t* awaited) {
  weft_dlist_remove(&line->ready);
  weft_status_t status = arm(line, awaited);
  if (status != WEFT_OK) {
    set_state(line, WEFT_LINE_READY);
    weft_dlist_append(&held->ready, &line->ready);
    return status;
  }
  for (weft_message_t* message = line->first->next_held; message != NULL;
       message = message->next_held) {
    tie_behind(line, message);
  }
  return WEFT_OK;
}

// The first message of a ready line, if it can be taken. An error: it is to
// be taken, and fails.
static weft_status_t try_first(weft_actor_entry_t* entry, weft_line_t* line,
                               bool* out_is_taken) {
  weft_message_t* message = line->first;
  *out_is_taken = true;
  if ((message->flags & WEFT_MESSAGE_FUTURES) == 0 ||
      is_unwanted(entry, message)) {
    return WEFT_OK;
  }
  const weft_class_t* actor_class = weft_entry_class(entry);
  const weft_endpoint_t* endpoint =
      (message->flags & WEFT_MESSAGE_INIT) != 0
          ? NULL
          : &actor_class->endpoints[message->endpoint];
  weft_future_t* awaited;
  WEFT_RETURN_IF_ERROR(
      weft_message_resolve(message, actor_class, endpoint, &awaited));
  if (awaited != NULL) {
    WEFT_RETURN_IF_ERROR(wait_again(entry->held, line, awaited));
    *out_is_taken = false;
  }
  return WEFT_OK;
}

weft_message_t* weft_held_next(weft_actor_entry_t* entry,
                               weft_status_t* out_status) {
  *out_status = WEFT_OK;
  weft_held_t* held = entry->held;
  weft_message_t* message = NULL;
  weft_dlist_node_t* node;
  while (message == NULL && (node = weft_dlist_first(&held->ready)) != NULL) {
    weft_line_t* line = WEFT_CONTAINER_OF(node, weft_line_t, ready);
    bool is_taken = false;
    *out_status = try_first(entry, line, &is_taken);
    if (is_taken) {
      message = weft_line_take_first(line);
    }
    if (line->first == NULL) {
      weft_line_free(line);
    }
  }
  weft_held_free_if_empty(entry);
  return message;
}

weft_message_t* weft_held_take_any(weft_actor_entry_t* entry) {
  weft_dlist_node_t* node =
      entry->held != NULL ? weft_dlist_first(&entry->held->all) : NULL;
  if (node == NULL) {
    return NULL;
  }
  weft_line_t* line = WEFT_CONTAINER_OF(node, weft_line_t, all);
  if (line->awaited != NULL) {
    // It may have arrived meanwhile; nobody will look there any more.
    disarm(line);
  }
  weft_message_t* message = weft_line_take_first(line);
  if (line->first == NULL) {
    weft_line_free(line);
    weft_held_free_if_empty(entry);
  }
  return message;
}
