// SPDX-License-Identifier: Apache-2.0
//
// Awaits and forks: a function, its arguments, and the future of its result.
//
//   LAZY --somebody waits--> RUNNING ------------------------> outcome
//     |   (on that thread: arguments, then the function)
//     '--then, all, sent--> PENDING -----------> RUNNING ----> outcome
//   fork -------------------^ (follows arguments   (a task of the executor)
//                              one after another)
//
// Whoever takes the future out of LAZY owns the *party*: a reference to the
// future, the arguments and the function's user data. It ends when the
// function has run, or will not run any more. Arguments change only in the
// hands of the party's owner.
//
// A waiter whose own time runs out while it waits for an argument puts the
// await back: to LAZY, or to PENDING when others wait for it.

#include <stdio.h>

#include "async/future_link.h"
#include "base/container.h"

// A future that holds itself, directly or through others, would have no end.
#define NESTING_LIMIT (UINT32_C(1) << 24)
// Awaits that run inside each other's wait on one thread. Beyond, they are
// started on the executor, so that arguments of arguments need no stack.
#define RUN_DEPTH_LIMIT 64

typedef struct await {
  weft_link_t link;
  // `run` is NULL once it will not be called any more.
  weft_function_t function;
  weft_executor_t* executor;
  // Also the place of an await in `starting`.
  weft_task_t task;
  // Arguments before this one are what the function will see.
  uint32_t ready_count;
  // It was lazy when it was cancelled. The canceller's own.
  bool was_lazy;
  weft_value_t arguments[];
} await_t;

// Awaits that wait to be started on this thread, while one is being started:
// starting one starts its arguments.
typedef struct starting {
  bool is_running;
  weft_task_t* first;
  weft_task_t* last;
} starting_t;

static _Thread_local starting_t starting;
static _Thread_local uint32_t run_depth;

static await_t* await_of(weft_future_t* future) {
  return (await_t*)(void*)future;
}

static const char* name_of(const await_t* await) {
  return await->function.name != NULL ? await->function.name : "a function";
}

// --- The party --------------------------------------------------------------

// Releases arguments and user data.
static void dismiss(await_t* await) {
  for (uint32_t i = 0; i < await->function.parameter_count; i++) {
    weft_value_release(await->arguments[i]);
    await->arguments[i] = weft_none();
  }
  await->function.run = NULL;
  if (await->function.release != NULL) {
    await->function.release(await->function.user);
  }
}

// Ends the party without a run.
static void end_party(weft_link_t* link) {
  dismiss((await_t*)(void*)link);
  weft_object_release(&link->future.object);
}

// Ends the party with an outcome.
static void finish(await_t* await, weft_status_t error, weft_value_t value) {
  dismiss(await);
  weft_future_complete_owned(&await->link.future, error, value);
}

// --- Arguments --------------------------------------------------------------

// Replaces a future that is done by what it holds.
static weft_status_t replace(await_t* await, uint32_t index,
                             weft_future_t* source) {
  if (source->error != WEFT_OK) {
    return weft_status_retain(source->error);
  }
  weft_value_t value = weft_value_retain(source->value);
  weft_value_release(await->arguments[index]);
  await->arguments[index] = value;
  return weft_argument_check(name_of(await), &await->function.parameters[index],
                             value);
}

// True when the function must not see the future that stands in a place.
static bool is_to_replace(const await_t* await, uint32_t index,
                          uint32_t depth) {
  bool wants_future =
      await->function.parameters[index].kind == WEFT_KIND_FUTURE;
  return await->arguments[index].kind == WEFT_KIND_FUTURE &&
         (depth == 0 || !wants_future);
}

static weft_status_t too_deep(const await_t* await, uint32_t index) {
  return weft_status_make(WEFT_STATUS_DEADLOCK,
                          "parameter '%s' of %s was given futures without "
                          "end: one of them holds itself",
                          await->function.parameters[index].name,
                          name_of(await));
}

// Replaces arguments as far as they are done. `out_pending` is the first that
// is not, lent by the argument; NULL when all are there. An error is the
// outcome.
static weft_status_t collect(await_t* await, weft_future_t** out_pending) {
  *out_pending = NULL;
  uint32_t depth = 0;
  while (await->ready_count < await->function.parameter_count) {
    uint32_t index = await->ready_count;
    if (!is_to_replace(await, index, depth)) {
      await->ready_count++;
      depth = 0;
      continue;
    }
    weft_future_t* source =
        (weft_future_t*)(void*)await->arguments[index].as.object;
    if (!weft_future_is_done(source)) {
      *out_pending = source;
      return WEFT_OK;
    }
    if (depth++ == NESTING_LIMIT) {
      return too_deep(await, index);
    }
    WEFT_RETURN_IF_ERROR(replace(await, index, source));
  }
  return WEFT_OK;
}

// --- Running ----------------------------------------------------------------

// What runs on a thread that does nothing else for weft.
typedef struct plain_activity {
  weft_activity_t activity;
  // Of the function. Not the await itself, which may be gone while somebody
  // still looks at the activity; see `weft_graph_wait`.
  const char* name;
  uint32_t thread;
} plain_activity_t;

static size_t describe_plain(const weft_activity_t* activity, char* buffer,
                             size_t capacity) {
  const plain_activity_t* plain =
      WEFT_CONST_CONTAINER_OF(activity, plain_activity_t, activity);
  int length = snprintf(buffer, capacity, "thread %u, which runs %s",
                        plain->thread, plain->name);
  return length > 0 ? (size_t)length : 0;
}

// Makes sure that the thread has an activity: its own, or `plain`.
static weft_activity_t* enter(plain_activity_t* plain, const await_t* await) {
  if (weft_thread_self.activity == NULL) {
    *plain = (plain_activity_t){
        .activity = {.deadline_ns = WEFT_TIME_INFINITE,
                     .describe = describe_plain},
        .name = name_of(await),
        .thread = weft_sys_thread_id(),
    };
    weft_thread_self.activity = &plain->activity;
  }
  return weft_thread_self.activity;
}

static void leave(plain_activity_t* plain, weft_runtime_t* runtime) {
  if (weft_thread_self.activity == &plain->activity) {
    weft_thread_self.activity = NULL;
    weft_graph_wait(runtime);
  }
}

// Changes the state if it is `from` and nobody has decided the outcome.
static bool move(weft_future_t* future, weft_future_state_t from,
                 weft_future_state_t to, weft_activity_t* producer) {
  uint32_t word = weft_future_lock(future);
  bool is_moved = weft_word_state(word) == from && !weft_word_is_claimed(word);
  if (is_moved) {
    word = (word & ~WEFT_FUTURE_STATE) | (uint32_t)to;
    future->producer = producer;
  }
  weft_future_unlock(future, word);
  return is_moved;
}

// Calls the function; all arguments are there. Ends the party.
static void execute(await_t* await, weft_activity_t* activity,
                    int64_t deadline_ns) {
  weft_future_t* serving = activity->serving;
  int64_t own_deadline_ns = activity->deadline_ns;
  activity->serving = &await->link.future;
  if (deadline_ns < own_deadline_ns) {
    activity->deadline_ns = deadline_ns;
  }
  weft_value_t value = weft_none();
  weft_status_t status =
      await->function.run(await->link.future.runtime, await->function.user,
                          await->arguments, &value);
  activity->serving = serving;
  activity->deadline_ns = own_deadline_ns;
  finish(await, status, value);
}

static void run_task(weft_task_t* task) {
  await_t* await = WEFT_CONTAINER_OF(task, await_t, task);
  weft_runtime_t* runtime = await->link.future.runtime;
  plain_activity_t plain;
  weft_activity_t* activity = enter(&plain, await);
  if (move(&await->link.future, WEFT_FUTURE_PENDING, WEFT_FUTURE_RUNNING,
           activity)) {
    execute(await, activity, WEFT_TIME_INFINITE);
  } else {
    end_party(&await->link);
  }
  leave(&plain, runtime);
}

// --- On the executor --------------------------------------------------------

// Goes on as far as arguments are there, without waiting. PENDING.
static void advance(await_t* await) {
  weft_follow_t follow = WEFT_FOLLOW_DONE;
  while (follow == WEFT_FOLLOW_DONE) {
    weft_future_t* pending = NULL;
    weft_status_t status = collect(await, &pending);
    if (status == WEFT_OK && weft_runtime_is_gone(await->link.future.runtime)) {
      status = weft_future_runtime_gone();
    }
    if (status == WEFT_OK && pending == NULL) {
      weft_executor_post(await->executor, &await->task);
      return;
    }
    if (status == WEFT_OK) {
      status = weft_link_follow(&await->link, pending, &follow);
    }
    if (status != WEFT_OK) {
      finish(await, status, weft_none());
      return;
    }
  }
  if (follow == WEFT_FOLLOW_GONE) {
    end_party(&await->link);
  }
}

static void argument_is_done(weft_waiter_t* waiter, weft_future_t* source) {
  await_t* await = WEFT_CONTAINER_OF(waiter, await_t, link.waiter);
  (void)source;
  if (weft_link_unfollow(&await->link)) {
    advance(await);
  } else {
    end_party(&await->link);
  }
}

// All at once, so that they do not run one after another.
static void start_arguments(const await_t* await) {
  for (uint32_t i = 0; i < await->function.parameter_count; i++) {
    if (await->arguments[i].kind == WEFT_KIND_FUTURE) {
      weft_future_start((weft_future_t*)(void*)await->arguments[i].as.object);
    }
  }
}

// Takes over the party of a PENDING await.
static void start_party(await_t* await) {
  await->task.next = NULL;
  if (starting.first == NULL) {
    starting.first = &await->task;
  } else {
    starting.last->next = &await->task;
  }
  starting.last = &await->task;
  if (starting.is_running) {
    return;
  }
  starting.is_running = true;
  while (starting.first != NULL) {
    await = WEFT_CONTAINER_OF(starting.first, await_t, task);
    starting.first = await->task.next;
    await->task.next = NULL;
    start_arguments(await);
    advance(await);
  }
  starting.is_running = false;
}

static void await_start(weft_future_t* future) {
  if (move(future, WEFT_FUTURE_LAZY, WEFT_FUTURE_PENDING, NULL)) {
    weft_object_retain(&future->object);
    start_party(await_of(future));
  }
}

// --- On the thread of the first waiter --------------------------------------

// The waiter cannot go on; the await can. Takes over the party.
static void put_back(await_t* await) {
  weft_future_t* future = &await->link.future;
  uint32_t word = weft_future_lock(future);
  bool is_claimed = weft_word_is_claimed(word);
  bool has_waiters = future->first != NULL;
  if (!is_claimed) {
    word = (word & ~WEFT_FUTURE_STATE) |
           (has_waiters ? WEFT_FUTURE_PENDING : WEFT_FUTURE_LAZY);
    future->producer = NULL;
  }
  weft_future_unlock(future, word);
  if (is_claimed) {
    end_party(&await->link);
  } else if (has_waiters) {
    start_party(await);
  } else {
    weft_object_release(&future->object);
  }
}

// Waits for the arguments and runs. Takes over the party.
static weft_status_t run_party(await_t* await, weft_activity_t* activity,
                               int64_t deadline_ns) {
  weft_future_t* future = &await->link.future;
  while (!weft_word_is_claimed(weft_future_word(future))) {
    weft_future_t* pending = NULL;
    weft_status_t status = collect(await, &pending);
    if (status != WEFT_OK) {
      finish(await, status, weft_none());
      return WEFT_OK;
    }
    if (pending == NULL) {
      execute(await, activity, deadline_ns);
      return WEFT_OK;
    }
    // No look at the deadline afterwards: an argument that came in time is
    // worth a run.
    status = weft_future_wait_either(pending, future, deadline_ns);
    if (status != WEFT_OK) {
      put_back(await);
      return status;
    }
  }
  // Cancelled meanwhile.
  end_party(&await->link);
  return WEFT_OK;
}

// While a wait of some work runs another await, that stands in the way of the
// work's own outcome; a circle of such waits on one thread is named by it.
static void swap_obstacle(weft_future_t* work, weft_future_t* from,
                          weft_future_t* to) {
  if (work == NULL) {
    return;
  }
  uint32_t word = weft_future_lock(work);
  if (work->blocked_on == from) {
    work->blocked_on = to;
  }
  weft_future_unlock(work, word);
}

static weft_status_t await_run(weft_future_t* future, int64_t deadline_ns) {
  if (weft_runtime_is_gone(future->runtime)) {
    return weft_future_runtime_gone();
  }
  if (run_depth == RUN_DEPTH_LIMIT) {
    await_start(future);
    return WEFT_OK;
  }
  await_t* await = await_of(future);
  plain_activity_t plain;
  weft_status_t status = WEFT_OK;
  weft_activity_t* activity = enter(&plain, await);
  if (move(future, WEFT_FUTURE_LAZY, WEFT_FUTURE_RUNNING, activity)) {
    weft_object_retain(&future->object);
    weft_future_t* work = activity->serving;
    swap_obstacle(work, NULL, future);
    run_depth++;
    status = run_party(await, activity, deadline_ns);
    run_depth--;
    swap_obstacle(work, future, NULL);
  }
  leave(&plain, future->runtime);
  return status;
}

// --- The kinds --------------------------------------------------------------

static void await_deinit(weft_future_t* future) {
  await_t* await = await_of(future);
  if (await->function.run != NULL) {
    dismiss(await);
  }
}

static void await_cancelling(weft_future_t* future) {
  // Relaxed: the holder of LOCK reads what only holders of LOCK change.
  uint32_t word = atomic_load_explicit(&future->state, memory_order_relaxed);
  await_of(future)->was_lazy = weft_word_state(word) == WEFT_FUTURE_LAZY;
  weft_link_cancelling(future);
}

static void await_cancelled(weft_future_t* future) {
  await_t* await = await_of(future);
  if (await->was_lazy) {
    // There was no party, and will be none.
    dismiss(await);
  } else {
    weft_link_cancelled(&await->link, end_party);
  }
}

static size_t await_describe(const weft_future_t* future, char* buffer,
                             size_t capacity) {
  const await_t* await = (const await_t*)(const void*)future;
  int length = snprintf(buffer, capacity, "%s of %s", future->class->name,
                        name_of(await));
  return length > 0 ? (size_t)length : 0;
}

static const weft_future_class_t await_class = {
    .name = "await",
    .size_bytes = sizeof(await_t),
    .item_bytes = sizeof(weft_value_t),
    .deinit = await_deinit,
    .start = await_start,
    .run = await_run,
    .cancelling = await_cancelling,
    .cancelled = await_cancelled,
    .source = weft_link_source,
    .describe = await_describe,
};

static const weft_future_class_t fork_class = {
    .name = "fork",
    .size_bytes = sizeof(await_t),
    .item_bytes = sizeof(weft_value_t),
    .deinit = await_deinit,
    .cancelling = await_cancelling,
    .cancelled = await_cancelled,
    .source = weft_link_source,
    .describe = await_describe,
};

// --- Making -----------------------------------------------------------------

static void init(await_t* await, const weft_function_t* function,
                 const weft_value_t* ordered) {
  weft_link_waiter_init(&await->link.waiter, argument_is_done);
  await->link.source = NULL;
  await->function = *function;
  await->task.next = NULL;
  await->task.run = run_task;
  await->ready_count = 0;
  await->was_lazy = false;
  for (uint32_t i = 0; i < function->parameter_count; i++) {
    await->arguments[i] = weft_value_retain(ordered[i]);
  }
}

static weft_status_t create(weft_runtime_t* runtime,
                            const weft_future_class_t* class,
                            uint32_t references,
                            const weft_function_t* function,
                            const weft_arguments_t* arguments,
                            await_t** out_await) {
  if (function->run == NULL) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%s needs a function to run", class->name);
  }
  weft_value_t ordered[WEFT_PARAMETER_LIMIT];
  const char* name = function->name != NULL ? function->name : "a function";
  WEFT_RETURN_IF_ERROR(weft_arguments_order(name, function->parameters,
                                            function->parameter_count,
                                            arguments, ordered));
  weft_future_t* future = weft_future_allocate_items(runtime, class, references,
                                                     function->parameter_count);
  if (future == NULL) {
    return weft_future_no_memory(class->name);
  }
  *out_await = await_of(future);
  init(*out_await, function, ordered);
  return WEFT_OK;
}

weft_status_t weft_await_create(weft_runtime_t* runtime,
                                const weft_function_t* function,
                                const weft_arguments_t* arguments,
                                weft_future_t** out_future) {
  *out_future = NULL;
  await_t* await = NULL;
  weft_status_t status =
      create(runtime, &await_class, 1, function, arguments, &await);
  if (await == NULL) {
    return status;
  }
  await->executor = weft_runtime_executor(runtime);
  // Nobody else sees the future yet.
  atomic_init(&await->link.future.state, WEFT_FUTURE_LAZY);
  *out_future = &await->link.future;
  return WEFT_OK;
}

weft_status_t weft_async_run(weft_runtime_t* runtime, weft_executor_t* executor,
                             const weft_function_t* function,
                             const weft_arguments_t* arguments,
                             weft_future_t** out_future) {
  *out_future = NULL;
  await_t* await = NULL;
  // References of the caller and of the party.
  weft_status_t status =
      create(runtime, &fork_class, 2, function, arguments, &await);
  if (await == NULL) {
    return status;
  }
  await->executor =
      executor != NULL ? executor : weft_runtime_executor(runtime);
  *out_future = &await->link.future;
  start_party(await);
  return WEFT_OK;
}
