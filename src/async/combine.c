// SPDX-License-Identifier: Apache-2.0
//
// Futures of several sources: `all`, `join`, `any`, `merge`. They differ in
// which outcome ends the wait early, and in what they make when every source
// is done; the rest is one *gathering*:
//
//   gathering | input 0 | input 1 | ... | value 0 | value 1 | ...
//
// `open` counts the inputs whose callbacks may still come, and whoever else
// looks at the sources. Whoever closes the last one makes the outcome, if
// there is none yet, and ends the party: a reference to the gathering and one
// to each source. Whoever ends the wait early takes the waiters of the other
// inputs back, so nothing is left with a source that never completes.

#include "async/circle.h"
#include "async/future_link.h"
#include "base/container.h"

// With more sources left than this, no look is taken whether all of them lead
// back to the gathering.
#define STUCK_LIMIT 8

typedef struct gathering gathering_t;

typedef struct input {
  weft_waiter_t waiter;
  weft_future_t* source;
  gathering_t* gathering;
} input_t;

struct gathering {
  weft_future_t future;
  _Atomic uint32_t open;
  // Whoever cancels counts in `open`. Its own.
  bool is_canceller_in;
  // The first error, of `any`. Held.
  _Atomic(weft_status_t) first_error;
  // Behind them, for some kinds, as many values to make a list of.
  input_t inputs[];
};

typedef struct kind {
  weft_future_class_t class;
  // Makes the outcome when all sources are done and none ended the wait.
  weft_status_t (*make)(gathering_t* gathering, weft_value_t* out_value);
} kind_t;

static const kind_t* kind_of(const gathering_t* gathering) {
  return WEFT_CONST_CONTAINER_OF(gathering->future.class, kind_t, class);
}

static uint32_t count_of(const gathering_t* gathering) {
  return gathering->future.object.extra;
}

static weft_value_t* values_of(gathering_t* gathering) {
  return (weft_value_t*)(void*)(gathering->inputs + count_of(gathering));
}

// --- Outcomes ---------------------------------------------------------------

// A list of all values, and of errors as status values.
static weft_status_t make_list(gathering_t* gathering,
                               weft_value_t* out_value) {
  const weft_allocator_t* allocator = gathering->future.runtime->allocator;
  weft_value_t* values = values_of(gathering);
  weft_status_t status = WEFT_OK;
  uint32_t made = 0;
  while (made < count_of(gathering) && status == WEFT_OK) {
    const weft_future_t* source = gathering->inputs[made].source;
    if (source->error == WEFT_OK) {
      values[made] = weft_value_retain(source->value);
    } else {
      status = weft_status_value_create(
          allocator, weft_status_retain(source->error), &values[made]);
    }
    made += status == WEFT_OK ? 1 : 0;
  }
  if (status == WEFT_OK) {
    status = weft_list_create(allocator, values, made, out_value);
  }
  while (made > 0) {
    weft_value_release(values[--made]);
  }
  return status;
}

static weft_status_t make_first_error(gathering_t* gathering,
                                      weft_value_t* out_value) {
  (void)out_value;
  // Relaxed: the error was put in before its input was closed.
  return weft_status_retain(
      atomic_load_explicit(&gathering->first_error, memory_order_relaxed));
}

static weft_status_t make_chain(gathering_t* gathering,
                                weft_value_t* out_value) {
  (void)gathering;
  (void)out_value;
  return WEFT_OK;
}

// --- The party --------------------------------------------------------------

static void close_inputs(gathering_t* gathering, uint32_t count) {
  // Acquire-release: pairs with itself; whoever closes the last input sees
  // what the others saw.
  if (atomic_fetch_sub_explicit(&gathering->open, count,
                                memory_order_acq_rel) != count) {
    return;
  }
  if (!weft_future_is_done(&gathering->future)) {
    weft_value_t value = weft_none();
    weft_status_t status = kind_of(gathering)->make(gathering, &value);
    weft_future_complete(&gathering->future, status, value);
  }
  for (uint32_t i = 0; i < count_of(gathering); i++) {
    weft_object_release(&gathering->inputs[i].source->object);
  }
  // Relaxed: as in `make_first_error`.
  weft_status_release(
      atomic_load_explicit(&gathering->first_error, memory_order_relaxed));
  weft_object_release(&gathering->future.object);
}

// Takes back the waiters that are still registered; returns how many.
static uint32_t detach(gathering_t* gathering) {
  uint32_t taken = 0;
  for (uint32_t i = 0; i < count_of(gathering); i++) {
    input_t* input = &gathering->inputs[i];
    taken += weft_future_take_waiter(input->source, &input->waiter) ? 1 : 0;
  }
  return taken;
}

static void keep_first_error(gathering_t* gathering, weft_status_t error) {
  weft_status_t expected = WEFT_OK;
  weft_status_t kept = weft_status_retain(error);
  // Relaxed: closing the input publishes it.
  if (!atomic_compare_exchange_strong_explicit(
          &gathering->first_error, &expected, kept, memory_order_relaxed,
          memory_order_relaxed)) {
    weft_status_release(kept);
  }
}

// One of the sources is done and has not ended the wait. If what is left leads
// back to the gathering nothing else will.
static bool check_stuck(gathering_t* gathering) {
  // Relaxed: it only tells whether to look. The caller counts in it.
  uint32_t open = atomic_load_explicit(&gathering->open, memory_order_relaxed);
  weft_future_t* future = &gathering->future;
  if (open == 1 || open > STUCK_LIMIT ||
      weft_runtime_is_gone(future->runtime)) {
    return false;
  }
  weft_circle_t circle;
  weft_circle_init(&circle, NULL, NULL);
  weft_mutex_t* graph = weft_async_graph_lock(future->runtime);
  weft_mutex_lock(graph);
  bool is_stuck = weft_circle_is_stuck(&circle, future);
  weft_mutex_unlock(graph);
  return is_stuck &&
         weft_future_complete(
             future, weft_circle_status(&circle, "what is left to wait for"),
             weft_none());
}

static void source_is_done(weft_waiter_t* waiter, weft_future_t* source) {
  input_t* input = WEFT_CONTAINER_OF(waiter, input_t, waiter);
  gathering_t* gathering = input->gathering;
  weft_early_t early = gathering->future.class->early;
  bool is_error = source->error != WEFT_OK;
  bool has_ended = false;
  if (early == (is_error ? WEFT_EARLY_ON_ERROR : WEFT_EARLY_ON_VALUE)) {
    has_ended = weft_future_complete(
        &gathering->future, weft_status_retain(source->error),
        weft_value_retain(weft_future_outcome(source)));
  } else if (early != WEFT_EARLY_NEVER) {
    if (is_error) {
      keep_first_error(gathering, source->error);
    }
    has_ended = check_stuck(gathering);
  }
  close_inputs(gathering, 1 + (has_ended ? detach(gathering) : 0));
}

// --- Cancelling -------------------------------------------------------------

static void gathering_cancelling(weft_future_t* future) {
  gathering_t* gathering = (gathering_t*)(void*)future;
  // Relaxed: the sources were there before the gathering was shared; what
  // counts is that they are not released while this is counted.
  uint32_t open = atomic_load_explicit(&gathering->open, memory_order_relaxed);
  while (open > 0 && !atomic_compare_exchange_weak_explicit(
                         &gathering->open, &open, open + 1,
                         memory_order_relaxed, memory_order_relaxed)) {
  }
  gathering->is_canceller_in = open > 0;
}

static void gathering_cancelled(weft_future_t* future) {
  gathering_t* gathering = (gathering_t*)(void*)future;
  if (gathering->is_canceller_in) {
    close_inputs(gathering, 1 + detach(gathering));
  }
}

static weft_future_t* gathering_source(const weft_future_t* future,
                                       uint32_t index) {
  const gathering_t* gathering = (const gathering_t*)(const void*)future;
  return index < count_of(gathering) ? gathering->inputs[index].source : NULL;
}

// --- The kinds --------------------------------------------------------------

static const kind_t all_kind = {
    .class = {.name = "all",
              .size_bytes = sizeof(gathering_t),
              .item_bytes = sizeof(input_t) + sizeof(weft_value_t),
              .early = WEFT_EARLY_NEVER,
              .cancelling = gathering_cancelling,
              .cancelled = gathering_cancelled,
              .source = gathering_source},
    .make = make_list,
};

static const kind_t join_kind = {
    .class = {.name = "join",
              .size_bytes = sizeof(gathering_t),
              .item_bytes = sizeof(input_t) + sizeof(weft_value_t),
              .early = WEFT_EARLY_ON_ERROR,
              .cancelling = gathering_cancelling,
              .cancelled = gathering_cancelled,
              .source = gathering_source},
    .make = make_list,
};

static const kind_t any_kind = {
    .class = {.name = "any",
              .size_bytes = sizeof(gathering_t),
              .item_bytes = sizeof(input_t),
              .early = WEFT_EARLY_ON_VALUE,
              .cancelling = gathering_cancelling,
              .cancelled = gathering_cancelled,
              .source = gathering_source},
    .make = make_first_error,
};

static const kind_t merge_kind = {
    .class = {.name = "merge",
              .size_bytes = sizeof(gathering_t),
              .item_bytes = sizeof(input_t),
              .early = WEFT_EARLY_ON_ERROR,
              .cancelling = gathering_cancelling,
              .cancelled = gathering_cancelled,
              .source = gathering_source},
    .make = make_chain,
};

// --- Making -----------------------------------------------------------------

static weft_status_t check(const kind_t* kind, weft_future_t* const* futures,
                           size_t count) {
  if (count == 0 && kind == &any_kind) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "any needs at least one future");
  }
  if (count >= UINT32_MAX) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "%s of %zu futures: too many", kind->class.name,
                            count);
  }
  for (size_t i = 0; i < count; i++) {
    if (futures[i] == NULL) {
      return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                              "%s: future %zu of %zu is NULL", kind->class.name,
                              i, count);
    }
  }
  return WEFT_OK;
}

static void init(gathering_t* gathering, weft_future_t* const* futures) {
  uint32_t count = count_of(gathering);
  // One more for the creator.
  atomic_init(&gathering->open, count + 1);
  atomic_init(&gathering->first_error, WEFT_OK);
  gathering->is_canceller_in = false;
  for (uint32_t i = 0; i < count; i++) {
    input_t* input = &gathering->inputs[i];
    weft_link_waiter_init(&input->waiter, source_is_done);
    input->source = weft_future_retain(futures[i]);
    input->gathering = gathering;
  }
}

// Registers an input. True when its callback will not come.
static bool skip_source(gathering_t* gathering, input_t* input) {
  const weft_future_t* future = &gathering->future;
  if (weft_word_is_claimed(weft_future_word(future))) {
    return true;
  }
  if (!weft_future_try_add_waiter(input->source, &input->waiter)) {
    source_is_done(&input->waiter, input->source);
    return false;
  }
  // Whoever completed the gathering meanwhile may have passed this input
  // before it was registered.
  return weft_word_is_claimed(weft_future_word(future)) &&
         weft_future_take_waiter(input->source, &input->waiter);
}

static void follow_sources(gathering_t* gathering) {
  uint32_t closed = 1;
  for (uint32_t i = 0; i < count_of(gathering); i++) {
    closed += skip_source(gathering, &gathering->inputs[i]) ? 1 : 0;
  }
  close_inputs(gathering, closed);
}

static weft_status_t gather(weft_runtime_t* runtime, const kind_t* kind,
                            weft_future_t* const* futures, size_t count,
                            weft_future_t** out_future) {
  *out_future = NULL;
  WEFT_RETURN_IF_ERROR(check(kind, futures, count));
  // References of the caller and of the party.
  weft_future_t* future =
      weft_future_allocate_items(runtime, &kind->class, 2, (uint32_t)count);
  if (future == NULL) {
    return weft_future_no_memory(kind->class.name);
  }
  gathering_t* gathering = (gathering_t*)(void*)future;
  init(gathering, futures);
  *out_future = future;
  follow_sources(gathering);
  return WEFT_OK;
}

weft_status_t weft_future_all(weft_runtime_t* runtime,
                              weft_future_t* const* futures, size_t count,
                              weft_future_t** out_future) {
  return gather(runtime, &all_kind, futures, count, out_future);
}

weft_status_t weft_future_join(weft_runtime_t* runtime,
                               weft_future_t* const* futures, size_t count,
                               weft_future_t** out_future) {
  return gather(runtime, &join_kind, futures, count, out_future);
}

weft_status_t weft_future_any(weft_runtime_t* runtime,
                              weft_future_t* const* futures, size_t count,
                              weft_future_t** out_future) {
  return gather(runtime, &any_kind, futures, count, out_future);
}

weft_status_t weft_chain_merge(weft_runtime_t* runtime,
                               weft_future_t* const* futures, size_t count,
                               weft_future_t** out_chain) {
  return gather(runtime, &merge_kind, futures, count, out_chain);
}
