// SPDX-License-Identifier: Apache-2.0
//
// What follows an outcome: `then` and `map`, inline or on an executor.
//
// Inline, the party (see future_link.h) is one reference to the new future and
// the user's data; the source outlives its callback. On an executor the source
// is held from the callback until the task has run.

#include "async/future_create.h"
#include "async/future_link.h"
#include "base/container.h"

typedef struct follower {
  weft_link_t link;
  weft_then_fn_t run;
  void* user;
  void (*release)(void* user);
} follower_t;

typedef struct posted_follower {
  follower_t follower;
  weft_executor_t* executor;
  weft_task_t task;
} posted_follower_t;

static void release_user(follower_t* follower) {
  if (follower->release != NULL) {
    follower->release(follower->user);
  }
}

static void end_party(weft_link_t* link) {
  release_user((follower_t*)(void*)link);
  weft_object_release(&link->future.object);
}

static void follower_cancelled(weft_future_t* future) {
  weft_link_cancelled((weft_link_t*)(void*)future, end_party);
}

// Runs the continuation on an outcome that is there. Ends the party.
static void conclude(follower_t* follower, const weft_future_t* source,
                     bool is_map) {
  weft_future_t* future = &follower->link.future;
  if (__builtin_expect(weft_word_is_done(weft_future_word(future)), 0)) {
    // Cancelled, so nobody wants the result.
    end_party(&follower->link);
    return;
  }
  weft_value_t value = weft_none();
  weft_status_t status = source->error;
  if (is_map && status != WEFT_OK) {
    status = weft_status_retain(status);
  } else {
    status = follower->run(follower->user, status, weft_future_outcome(source),
                           &value);
  }
  release_user(follower);
  weft_future_complete_owned(future, status, value);
}

static void then_inline(weft_waiter_t* waiter, weft_future_t* source) {
  conclude(WEFT_CONTAINER_OF(waiter, follower_t, link.waiter), source, false);
}

static void map_inline(weft_waiter_t* waiter, weft_future_t* source) {
  conclude(WEFT_CONTAINER_OF(waiter, follower_t, link.waiter), source, true);
}

static void run_posted(weft_task_t* task, bool is_map) {
  posted_follower_t* posted = WEFT_CONTAINER_OF(task, posted_follower_t, task);
  // The source does not change once it is set.
  weft_future_t* source = posted->follower.link.source;
  conclude(&posted->follower, source, is_map);
  weft_object_release(&source->object);
}

static void run_posted_then(weft_task_t* task) {
  run_posted(task, false);
}

static void run_posted_map(weft_task_t* task) {
  run_posted(task, true);
}

static void post(weft_waiter_t* waiter, weft_future_t* source) {
  posted_follower_t* posted =
      WEFT_CONTAINER_OF(waiter, posted_follower_t, follower.link.waiter);
  weft_future_t* future = &posted->follower.link.future;
  if (weft_runtime_is_gone(future->runtime)) {
    // The executor may be gone with it.
    release_user(&posted->follower);
    weft_future_complete_owned(future, weft_future_runtime_gone(), weft_none());
    return;
  }
  weft_object_retain(&source->object);
  weft_executor_post(posted->executor, &posted->task);
}

// --- The kinds --------------------------------------------------------------

static void follower_destroy(weft_object_t* object) {
  weft_future_destroy_sized(object, sizeof(follower_t));
}

static const weft_object_vtable_t follower_vtable = {
    .destroy = follower_destroy,
    .kind = WEFT_KIND_FUTURE,
};

static const weft_future_class_t then_class = {
    .name = "then",
    .size_bytes = sizeof(follower_t),
    .cancelling = weft_link_cancelling,
    .cancelled = follower_cancelled,
    .source = weft_link_source,
};

static const weft_future_class_t map_class = {
    .name = "map",
    .size_bytes = sizeof(follower_t),
    .cancelling = weft_link_cancelling,
    .cancelled = follower_cancelled,
    .source = weft_link_source,
};

static const weft_future_class_t posted_then_class = {
    .name = "then",
    .size_bytes = sizeof(posted_follower_t),
    .cancelling = weft_link_cancelling,
    .cancelled = follower_cancelled,
    .source = weft_link_source,
};

static const weft_future_class_t posted_map_class = {
    .name = "map",
    .size_bytes = sizeof(posted_follower_t),
    .cancelling = weft_link_cancelling,
    .cancelled = follower_cancelled,
    .source = weft_link_source,
};

// --- Making -----------------------------------------------------------------

// Makes a follower of a size that is known where this is compiled into. The
// references are one for the caller and one for the party.
static inline follower_t* create(weft_future_t* source,
                                 const weft_continuation_t* next,
                                 const weft_future_class_t* class,
                                 const weft_object_vtable_t* vtable,
                                 weft_waiter_fn_t callback, size_t size_bytes) {
  weft_future_t* future =
      weft_future_allocate_sized(source->runtime, class, vtable, 2, size_bytes);
  follower_t* follower = (follower_t*)(void*)future;
  if (future != NULL) {
    weft_link_waiter_init(&follower->link.waiter, callback);
    follower->link.source = source;
    follower->run = next->run;
    follower->user = next->user;
    follower->release = next->release;
  }
  return follower;
}

static weft_status_t no_function(const weft_future_class_t* class) {
  return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                          "%s needs a function to run", class->name);
}

static inline weft_status_t follow(weft_future_t* source,
                                   const weft_continuation_t* next,
                                   const weft_future_class_t* class,
                                   weft_waiter_fn_t callback,
                                   weft_future_t** out_future) {
  follower_t* follower = create(source, next, class, &follower_vtable, callback,
                                sizeof(follower_t));
  if (follower == NULL) {
    return weft_future_no_memory(class->name);
  }
  *out_future = &follower->link.future;
  // Nobody can cancel what the caller has not been given yet.
  weft_waiter_t* waiter = &follower->link.waiter;
  if (!weft_future_add_first_link(source, waiter) &&
      !weft_future_try_add_waiter(source, waiter)) {
    callback(waiter, source);
  }
  return WEFT_OK;
}

static weft_status_t follow_posted(weft_future_t* source,
                                   const weft_continuation_t* next,
                                   const weft_future_class_t* class,
                                   void (*run)(weft_task_t* task),
                                   weft_future_t** out_future) {
  follower_t* follower = create(source, next, class, &weft_future_vtable, post,
                                sizeof(posted_follower_t));
  if (follower == NULL) {
    return weft_future_no_memory(class->name);
  }
  posted_follower_t* posted = (posted_follower_t*)(void*)follower;
  posted->executor = next->executor;
  posted->task.next = NULL;
  posted->task.run = run;
  *out_future = &follower->link.future;
  if (!weft_future_try_add_waiter(source, &follower->link.waiter)) {
    post(&follower->link.waiter, source);
  }
  return WEFT_OK;
}

weft_status_t weft_future_then(weft_future_t* future,
                               const weft_continuation_t* next,
                               weft_future_t** out_future) {
  *out_future = NULL;
  if (next->run == NULL) {
    return no_function(&then_class);
  }
  if (next->executor != NULL) {
    return follow_posted(future, next, &posted_then_class, run_posted_then,
                         out_future);
  }
  return follow(future, next, &then_class, then_inline, out_future);
}

weft_status_t weft_future_map(weft_future_t* future,
                              const weft_continuation_t* next,
                              weft_future_t** out_future) {
  *out_future = NULL;
  if (next->run == NULL) {
    return no_function(&map_class);
  }
  if (next->executor != NULL) {
    return follow_posted(future, next, &posted_map_class, run_posted_map,
                         out_future);
  }
  return follow(future, next, &map_class, map_inline, out_future);
}
