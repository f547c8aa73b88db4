// SPDX-License-Identifier: Apache-2.0
//
// A schedule is held by whoever was given it, and by itself for as long as its
// timer may run. It ends once: whoever wins the claim stops the timer, takes
// it off the layer's list and drops that hold.

#include "actor/schedule.h"

#include <string.h>

#include "actor/call.h"
#include "actor/context.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "base/assert.h"
#include "base/memory.h"
#include "sys/slab.h"

// `state` of a schedule; in the list until it has ended.
enum { RUNNING = 0, ENDING = 1, ENDED = 2 };

struct weft_schedule {
  weft_runtime_t* runtime;
  _Atomic uint32_t references;
  _Atomic uint32_t state;
  weft_dlist_node_t node;
  weft_timer_t timer;
  int64_t period_ns;
  weft_actor_t actor;
  uint64_t sender;
  // NULL for an actor of another runtime.
  const weft_endpoint_t* endpoint;
  // What is sent: never itself, but copies of it.
  weft_message_t* pattern;
  // Of the last arguments of what goes to another runtime: NUL behind each, in
  // one block. At home they are in declared order.
  char* names;
  size_t names_bytes;
  uint32_t named_count;
};

static void release(weft_schedule_t* schedule) {
  // Acquire-release: what the other holders did comes before the end.
  if (atomic_fetch_sub_explicit(&schedule->references, 1,
                                memory_order_acq_rel) == 1) {
    weft_runtime_t* runtime = schedule->runtime;
    weft_message_discard(runtime, schedule->pattern);
    weft_memory_free(runtime->allocator, schedule->names,
                     schedule->names_bytes);
    weft_slab_free(runtime->slab, schedule, sizeof(*schedule));
  }
}

// True for one caller, who stops the timer if need be and calls `unlist`.
static bool claim_end(weft_schedule_t* schedule) {
  uint32_t expected = RUNNING;
  // Relaxed: it only chooses one.
  return atomic_compare_exchange_strong_explicit(&schedule->state, &expected,
                                                 ENDING, memory_order_relaxed,
                                                 memory_order_relaxed);
}

static uint32_t state_of(const weft_schedule_t* schedule) {
  // Acquire: pairs with the release in `unlist`.
  return atomic_load_explicit(&schedule->state, memory_order_acquire);
}

// Takes a schedule off the list and drops its hold on itself.
static void unlist(weft_schedule_t* schedule) {
  weft_actor_layer_t* layer = weft_actor_layer_of(schedule->runtime);
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_remove(&schedule->node);
  weft_mutex_unlock(&layer->timed_lock);
  // Release: pairs with the acquire in `state_of`.
  atomic_store_explicit(&schedule->state, ENDED, memory_order_release);
  release(schedule);
}

// --- Sending ----------------------------------------------------------------

static weft_message_t* copy_pattern(const weft_schedule_t* schedule) {
  const weft_message_t* pattern = schedule->pattern;
  weft_message_t* message =
      weft_message_allocate(schedule->runtime, pattern->argument_count);
  if (message == NULL) {
    return NULL;
  }
  message->sender = schedule->sender;
  message->generation = schedule->actor.generation;
  message->endpoint = pattern->endpoint;
  message->flags = pattern->flags;
  for (uint32_t i = 0; i < pattern->argument_count; i++) {
    message->arguments[i] = weft_value_retain(pattern->arguments[i]);
  }
  return message;
}

// Puts one message in. False when the actor has ended.
static bool send_one(weft_schedule_t* schedule) {
  weft_runtime_t* runtime = schedule->runtime;
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  weft_trace_thread_t* trace = weft_trace_self(runtime);
  weft_actor_entry_t* entry = weft_roster_find(layer, schedule->actor);
  if (entry == NULL) {
    return false;
  }
  weft_message_t* message = copy_pattern(schedule);
  weft_mailbox_push_t push = WEFT_MAILBOX_IS_FULL;
  if (message != NULL) {
    if (trace->is_on) {
      message->flow = weft_trace_send(trace, schedule->endpoint->name);
    }
    push = weft_entry_put(entry, message, false);
  }
  if (push <= WEFT_MAILBOX_PUSHED_FIRST) {
    weft_trace_count(trace, WEFT_COUNTER_messages_sent, 1);
    return true;
  }
  weft_message_discard(runtime, message);
  if (push == WEFT_MAILBOX_IS_FULL) {
    weft_trace_count(trace, WEFT_COUNTER_schedules_missed, 1);
  }
  return push == WEFT_MAILBOX_IS_FULL;
}

// The same for an actor of another runtime. False when it cannot be reached any
// more.
static bool send_one_remote(const weft_schedule_t* schedule) {
  weft_runtime_t* runtime = schedule->runtime;
  const weft_message_t* pattern = schedule->pattern;
  uint32_t positional = pattern->argument_count - schedule->named_count;
  weft_named_value_t named[WEFT_PARAMETER_LIMIT];
  const char* name = schedule->names;
  for (uint32_t i = 0; i < schedule->named_count; i++) {
    named[i] = (weft_named_value_t){name, pattern->arguments[positional + i]};
    name += strlen(name) + 1;
  }
  const weft_arguments_t arguments = {pattern->arguments, positional, named,
                                      schedule->named_count};
  weft_status_t status =
      weft_remote_send_due(runtime, schedule->actor, pattern->endpoint,
                           &arguments, schedule->sender);
  weft_status_code_t code = weft_status_code(status);
  bool is_missed =
      code == WEFT_STATUS_WOULD_BLOCK || code == WEFT_STATUS_RESOURCE_EXHAUSTED;
  if (is_missed) {
    weft_trace_count(weft_trace_self(runtime), WEFT_COUNTER_schedules_missed,
                     1);
    weft_status_release(status);
  } else if (status != WEFT_OK) {
    weft_warn(runtime, status);
  }
  return status == WEFT_OK || is_missed;
}

static void time_has_come(weft_timer_t* timer, void* user) {
  weft_schedule_t* schedule = user;
  bool is_sent = weft_actor_is_remote(schedule->runtime, schedule->actor)
                     ? send_one_remote(schedule)
                     : send_one(schedule);
  bool is_over = !is_sent || schedule->period_ns == 0;
  if (is_over && claim_end(schedule)) {
    // From inside the callback this returns at once.
    weft_timer_stop(timer);
    unlist(schedule);
  }
}

// --- Making -----------------------------------------------------------------

static weft_status_t check(const weft_schedule_options_t* when) {
  if (when->delay_ns < 0 || when->period_ns < 0) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "a delay of %lld ns and a period of %lld ns: give "
                            "lengths of time, or 0 for a period",
                            (long long)when->delay_ns,
                            (long long)when->period_ns);
  }
  return WEFT_OK;
}

static weft_status_t closed(const weft_actor_layer_t* layer) {
  return weft_actor_closed(layer, "nothing can be sent later");
}

// What is sent to an actor of another runtime, where it is checked: arguments
// in the order in which they were given.
static weft_status_t make_remote_pattern(weft_runtime_t* runtime,
                                         weft_actor_t actor, uint32_t endpoint,
                                         const weft_arguments_t* arguments,
                                         weft_message_t** out_pattern) {
  static const weft_arguments_t none = {0};
  const weft_arguments_t* given = arguments != NULL ? arguments : &none;
  size_t count = given->positional_count + given->named_count;
  if (count > WEFT_PARAMETER_LIMIT) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%zu arguments: there can be %d", count,
                            WEFT_PARAMETER_LIMIT);
  }
  WEFT_RETURN_IF_ERROR(weft_remote_await(runtime, actor, endpoint));
  weft_message_t* pattern = weft_message_allocate(runtime, (uint32_t)count);
  if (pattern == NULL) {
    return weft_message_no_memory();
  }
  pattern->endpoint = (uint16_t)endpoint;
  for (size_t i = 0; i < count; i++) {
    size_t place = i - given->positional_count;
    pattern->arguments[i] = weft_value_retain(i < given->positional_count
                                                  ? given->positional[i]
                                                  : given->named[place].value);
  }
  *out_pattern = pattern;
  return WEFT_OK;
}

// Copies the names of what goes to another runtime; false without memory.
static bool keep_names(weft_schedule_t* schedule,
                       const weft_arguments_t* arguments) {
  size_t size_bytes = 0;
  for (size_t i = 0; arguments != NULL && i < arguments->named_count; i++) {
    size_bytes += strlen(arguments->named[i].name) + 1;
  }
  if (size_bytes == 0) {
    return true;
  }
  char* names = weft_memory_allocate(schedule->runtime->allocator, size_bytes);
  if (names == NULL) {
    return false;
  }
  schedule->names = names;
  schedule->names_bytes = size_bytes;
  schedule->named_count = (uint32_t)arguments->named_count;
  for (uint32_t i = 0; i < schedule->named_count; i++) {
    size_t length_bytes = strlen(arguments->named[i].name) + 1;
    memcpy(names, arguments->named[i].name, length_bytes);
    names += length_bytes;
  }
  return true;
}

// The message that is sent, which checks everything a send would.
static weft_status_t make_pattern(weft_actor_layer_t* layer, weft_actor_t actor,
                                  uint32_t endpoint,
                                  const weft_arguments_t* arguments,
                                  const weft_endpoint_t** out_endpoint,
                                  weft_message_t** out_pattern) {
  *out_pattern = NULL;
  // Relaxed: whoever schedules while the layer stops may find either.
  if (atomic_load_explicit(&layer->is_stopping, memory_order_relaxed)) {
    return closed(layer);
  }
  if (weft_actor_is_remote(layer->runtime, actor)) {
    return make_remote_pattern(layer->runtime, actor, endpoint, arguments,
                               out_pattern);
  }
  weft_actor_entry_t* entry = weft_roster_find(layer, actor);
  const weft_class_t* actor_class =
      entry != NULL ? weft_entry_class(entry) : NULL;
  if (actor_class == NULL || weft_mailbox_is_closed(&entry->in)) {
    return weft_actor_not_found(layer, actor);
  }
  WEFT_RETURN_IF_ERROR(weft_message_create(layer->runtime, actor_class,
                                           endpoint, arguments, out_pattern));
  *out_endpoint = &actor_class->endpoints[endpoint];
  return WEFT_OK;
}

static weft_schedule_t* create(weft_actor_layer_t* layer, weft_actor_t actor,
                               weft_message_t* pattern) {
  weft_schedule_t* schedule =
      weft_slab_allocate(layer->runtime->slab, sizeof(*schedule));
  if (schedule != NULL) {
    *schedule = (weft_schedule_t){
        .runtime = layer->runtime,
        // Whoever stops the layer may stop the timer while it is started, and
        // reads this before it has the timers' lock.
        .timer = {.runtime = layer->runtime},
        .actor = actor,
        .sender = weft_sender_self(layer),
        .pattern = pattern,
    };
    atomic_init(&schedule->references, 2);
    atomic_init(&schedule->state, RUNNING);
  }
  return schedule;
}

// Lists a schedule, unless the layer stops: whoever stops it ends what is
// listed, and takes the lock for that after it has said so.
static bool list(weft_actor_layer_t* layer, weft_schedule_t* schedule) {
  weft_mutex_lock(&layer->timed_lock);
  // Relaxed: the lock orders it.
  bool is_stopping =
      atomic_load_explicit(&layer->is_stopping, memory_order_relaxed);
  if (!is_stopping) {
    weft_dlist_append(&layer->schedules, &schedule->node);
  }
  weft_mutex_unlock(&layer->timed_lock);
  return !is_stopping;
}

// Lists a schedule and starts its timer; both, or neither.
static weft_status_t start(weft_actor_layer_t* layer, weft_schedule_t* schedule,
                           int64_t delay_ns) {
  if (!list(layer, schedule)) {
    // Its hold on itself.
    release(schedule);
    return closed(layer);
  }
  weft_status_t status =
      weft_timer_start(layer->runtime, &schedule->timer,
                       weft_deadline_after(layer->runtime, delay_ns),
                       schedule->period_ns, time_has_come, schedule);
  if (status != WEFT_OK && claim_end(schedule)) {
    unlist(schedule);
  } else if (status == WEFT_OK && state_of(schedule) != RUNNING) {
    // Whoever stops the layer may have been faster than the start.
    weft_timer_stop(&schedule->timer);
  }
  return status;
}

weft_status_t weft_send_later(weft_runtime_t* runtime, weft_actor_t actor,
                              uint32_t endpoint,
                              const weft_arguments_t* arguments,
                              const weft_schedule_options_t* when,
                              weft_schedule_t** out_schedule) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  if (out_schedule != NULL) {
    *out_schedule = NULL;
  }
  WEFT_RETURN_IF_ERROR(check(when));
  const weft_endpoint_t* endpoint_entry = NULL;
  weft_message_t* pattern;
  WEFT_RETURN_IF_ERROR(make_pattern(layer, actor, endpoint, arguments,
                                    &endpoint_entry, &pattern));
  weft_message_start_arguments(pattern);
  weft_schedule_t* schedule = create(layer, actor, pattern);
  if (schedule == NULL) {
    weft_message_discard(runtime, pattern);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory to send a message later");
  }
  schedule->endpoint = endpoint_entry;
  schedule->period_ns = when->period_ns;
  if (endpoint_entry == NULL && !keep_names(schedule, arguments)) {
    // Its hold on itself, and this one.
    release(schedule);
    release(schedule);
    return weft_message_no_memory();
  }
  weft_status_t status = start(layer, schedule, when->delay_ns);
  if (status == WEFT_OK && out_schedule != NULL) {
    *out_schedule = schedule;
  } else {
    release(schedule);
  }
  return status;
}

// --- Ending -----------------------------------------------------------------

void weft_schedule_stop(weft_schedule_t* schedule) {
  if (schedule == NULL) {
    return;
  }
  if (claim_end(schedule)) {
    weft_timer_stop(&schedule->timer);
    unlist(schedule);
  }
  // Somebody else may be waiting for a message that is just being sent.
  while (state_of(schedule) == ENDING) {
    weft_sys_yield();
  }
}

void weft_schedule_release(weft_schedule_t* schedule) {
  if (schedule != NULL) {
    release(schedule);
  }
}

// Some schedule that has not ended, with a reference; NULL when there is none.
static weft_schedule_t* find_running(weft_actor_layer_t* layer,
                                     bool* out_is_empty) {
  weft_schedule_t* found = NULL;
  weft_mutex_lock(&layer->timed_lock);
  weft_dlist_t* list = &layer->schedules;
  for (weft_dlist_node_t* node = weft_dlist_first(list);
       node != NULL && found == NULL; node = weft_dlist_next(list, node)) {
    weft_schedule_t* schedule = WEFT_CONTAINER_OF(node, weft_schedule_t, node);
    if (state_of(schedule) == RUNNING) {
      // Relaxed: what is listed holds itself.
      atomic_fetch_add_explicit(&schedule->references, 1, memory_order_relaxed);
      found = schedule;
    }
  }
  *out_is_empty = weft_dlist_is_empty(list);
  weft_mutex_unlock(&layer->timed_lock);
  return found;
}

void weft_schedules_stop(weft_actor_layer_t* layer) {
  bool is_empty = false;
  while (!is_empty) {
    weft_schedule_t* schedule = find_running(layer, &is_empty);
    if (schedule != NULL) {
      weft_schedule_stop(schedule);
      release(schedule);
    } else if (!is_empty) {
      // Some thread is between the claim and the list.
      weft_sys_yield();
    }
  }
}
