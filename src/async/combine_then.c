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

// What distinguishes the kinds, for the functions below.
typedef struct recipe {
  const weft_future_class_t* inline_class;
  weft_waiter_fn_t run_inline;
  const weft_future_class_t* posted_class;
  void (*run_posted)(weft_task_t* task);
} recipe_t;

static const recipe_t then_recipe = {&then_class, then_inline,
                                     &posted_then_class, run_posted_then};
static const recipe_t map_recipe = {&map_class, map_inline, &posted_map_class,
                                    run_posted_map};

static inline void init(follower_t* follower, weft_future_t* source,
                        const weft_continuation_t* next,
                        weft_waiter_fn_t callback) {
  weft_link_waiter_init(&follower->link.waiter, callback);
  follower->link.source = source;
  follower->run = next->run;
  follower->user = next->user;
  follower->release = next->release;
}

// Registers with the source, or runs if that is done. Nobody can cancel what
// the caller has not been given yet.
static WEFT_UNUSUAL weft_status_t follow(weft_future_t* source,
                                         weft_waiter_t* waiter) {
  if (!weft_future_try_add_waiter(source, waiter)) {
    waiter->callback(waiter, source);
  }
  return WEFT_OK;
}

// References of a follower: one for the caller and one for the party.
static WEFT_UNUSUAL weft_status_t
create_unusual(weft_future_t* source, const weft_continuation_t* next,
               const recipe_t* recipe, weft_future_t** out_future) {
  *out_future = NULL;
  bool is_posted = next->executor != NULL;
  const weft_future_class_t* class =
      is_posted ? recipe->posted_class : recipe->inline_class;
  if (next->run == NULL) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "%s needs a function to run", class->name);
  }
  weft_future_t* future = weft_future_allocate(source->runtime, class, 2);
  if (future == NULL) {
    return weft_future_no_memory(class->name);
  }
  follower_t* follower = (follower_t*)(void*)future;
  init(follower, source, next, is_posted ? post : recipe->run_inline);
  if (is_posted) {
    posted_follower_t* posted = (posted_follower_t*)(void*)future;
    posted->executor = next->executor;
    posted->task.next = NULL;
    posted->task.run = recipe->run_posted;
  }
  *out_future = future;
  return follow(source, &follower->link.waiter);
}

// The usual way: inline, with memory at hand, after a source that is pending.
static inline __attribute__((always_inline)) weft_status_t create(
    weft_future_t* source, const weft_continuation_t* next,
    const recipe_t* recipe, weft_future_t** out_future) {
  void* block = NULL;
  if (next->run != NULL && next->executor == NULL) {
    block = weft_slab_try_allocate(source->runtime->slab, sizeof(follower_t));
  }
  if (__builtin_expect(block == NULL, 0)) {
    return create_unusual(source, next, recipe, out_future);
  }
  weft_future_t* future = weft_future_init(
      block, source->runtime, recipe->inline_class, &follower_vtable, 2);
  follower_t* follower = (follower_t*)(void*)future;
  init(follower, source, next, recipe->run_inline);
  *out_future = future;
  return weft_future_add_first_link(source, &follower->link.waiter)
             ? WEFT_OK
             : follow(source, &follower->link.waiter);
}

weft_status_t weft_future_then(weft_future_t* future,
                               const weft_continuation_t* next,
                               weft_future_t** out_future) {
  return create(future, next, &then_recipe, out_future);
}

weft_status_t weft_future_map(weft_future_t* future,
                              const weft_continuation_t* next,
                              weft_future_t** out_future) {
  return create(future, next, &map_recipe, out_future);
}
