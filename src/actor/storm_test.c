// SPDX-License-Identifier: Apache-2.0
//
// Everything at once, from many threads, against real workers: calls with
// arguments that come late, fail or are dropped, deadlines, cancellation,
// replies that other threads give, nested calls, monitors and links, names,
// schedules, and actors that end and are replaced all the time. Whatever
// happens, each call ends, nothing leaks, and the sanitizers stay silent.

#include <stdlib.h>
#include <string.h>

#include "actor/actor_kit.h"

enum {
  ACTORS = 6,
  THREADS = 4,
  STEPS = 1500,
  // Calls of a thread that have not been looked at yet.
  OPEN_LIMIT = 32,
  // Promises that somebody will keep.
  PROMISES = 64
};

typedef struct storm {
  weft_actor_kit_t kit;
  // Index and generation of the actors that live.
  _Atomic uint64_t handles[ACTORS];
  // Places for promises: whoever finds one taken away keeps or drops it.
  _Atomic(weft_promise_t*) promises[PROMISES];
  _Atomic uint32_t place;
  // Calls that ended, and outcomes that cannot be.
  _Atomic uint32_t ended;
  _Atomic uint32_t wrong;
} storm_t;

static storm_t storm;

// --- Promises that anybody keeps --------------------------------------------

static void settle(weft_promise_t* promise, uint64_t chance) {
  if (promise == NULL) {
    return;
  }
  if (chance % 4 == 0) {
    weft_status_ignore(weft_promise_fail(
        promise, weft_status_make(WEFT_STATUS_FAILED, "by chance")));
  } else if (chance % 4 != 1) {
    weft_status_ignore(weft_promise_set(promise, weft_int64(1)));
  }
  weft_promise_release(promise);
}

// Leaves a promise for others, and settles the one that lay there.
static void leave_promise(weft_promise_t* promise) {
  uint32_t place =
      atomic_fetch_add_explicit(&storm.place, 1, memory_order_relaxed);
  settle(atomic_exchange_explicit(&storm.promises[place % PROMISES], promise,
                                  memory_order_acq_rel),
         place);
}

static void settle_all(void) {
  for (int i = 0; i < PROMISES; i++) {
    settle(atomic_exchange_explicit(&storm.promises[i], NULL,
                                    memory_order_acq_rel),
           2);
  }
}

// --- The actors -------------------------------------------------------------

enum { NOTE, DEFER, ASK, TIE, GONE };

static weft_status_t on_note(weft_context_t* context, void* state,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  (void)context;
  (void)state;
  *out_result = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

static weft_status_t on_defer(weft_context_t* context, void* state,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  (void)state;
  (void)arguments;
  (void)out_result;
  weft_promise_t* promise;
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &promise));
  leave_promise(promise);
  return WEFT_OK;
}

// Calls another actor, waits for the answer, and perhaps cancels.
static weft_status_t on_ask(weft_context_t* context, void* state,
                            const weft_value_t* arguments,
                            weft_value_t* out_result) {
  (void)state;
  weft_actor_t other;
  int64_t depth = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &other));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[1], &depth));
  weft_runtime_t* runtime = weft_context_runtime(context);
  const weft_call_options_t options = {.timeout_ns = 2 * WEFT_MS};
  weft_future_t* future;
  weft_value_t self = weft_actor_value(weft_context_self(context));
  WEFT_RETURN_IF_ERROR(
      weft_call(runtime, other, depth > 0 ? ASK : DEFER,
                depth > 0 ? WEFT_ARGUMENTS(self, weft_int64(depth - 1)) : NULL,
                depth % 2 == 0 ? &options : NULL, &future));
  weft_status_t status = weft_future_get(
      future, weft_deadline_after(runtime, 3 * WEFT_MS), out_result);
  if (depth % 3 == 2) {
    weft_future_cancel(future);
  }
  weft_future_release(future);
  return status;
}

// Monitors, links, or neither any more.
static weft_status_t on_tie(weft_context_t* context, void* state,
                            const weft_value_t* arguments,
                            weft_value_t* out_result) {
  (void)state;
  (void)out_result;
  weft_actor_t other;
  int64_t how = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &other));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[1], &how));
  switch (how % 4) {
    case 0:
      return weft_context_monitor(context, other, GONE);
    case 1:
      weft_context_unmonitor(context, other);
      return WEFT_OK;
    case 2:
      return weft_context_link(context, other);
    default:
      weft_context_unlink(context, other);
      return WEFT_OK;
  }
}

static weft_status_t on_gone(weft_context_t* context, void* state,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)arguments;
  (void)out_result;
  return WEFT_OK;
}

static const weft_parameter_t two[] = {{"actor", WEFT_KIND_ACTOR},
                                       {"value", WEFT_KIND_ANY}};
static const weft_endpoint_t endpoints[] = {
    [NOTE] = {"note", on_note, weft_probe_one_int, 1},
    [DEFER] = {"defer", on_defer, NULL, 0},
    [ASK] = {"ask", on_ask, two, 2},
    [TIE] = {"tie", on_tie, two, 2},
    [GONE] = {"gone", on_gone, two, 2},
};
static weft_status_t on_init(weft_context_t* context, weft_value_t init,
                             void** out_state) {
  (void)context;
  (void)init;
  *out_state = malloc(1);
  return WEFT_OK;
}
static const weft_class_t storm_class = {
    .name = "storm",
    .version = 1,
    .init = on_init,
    .deinit = free,
    .endpoints = endpoints,
    .endpoint_count = 5,
};

static weft_actor_t actor_at(uint64_t place) {
  uint64_t word = atomic_load_explicit(&storm.handles[place % ACTORS],
                                       memory_order_relaxed);
  const weft_actor_t actor = {
      .incarnation = 1,
      .index = (uint32_t)(word >> 32),
      .generation = (uint32_t)word,
  };
  return actor;
}

// --- What threads do --------------------------------------------------------

typedef struct caller {
  weft_runtime_t* runtime;
  weft_kit_random_t random;
  weft_future_t* open[OPEN_LIMIT];
  uint32_t open_count;
} caller_t;

static uint64_t below(caller_t* caller, uint64_t limit) {
  return weft_kit_random_below(&caller->random, limit);
}

// Waits until a call has ended, whatever its outcome.
static void see_the_end(weft_runtime_t* runtime, weft_future_t* future) {
  weft_status_t status =
      weft_future_wait(future, weft_deadline_after(runtime, WEFT_PATIENCE));
  if (weft_status_ignore(status) != WEFT_STATUS_OK) {
    atomic_fetch_add_explicit(&storm.wrong, 1, memory_order_relaxed);
  }
  atomic_fetch_add_explicit(&storm.ended, 1, memory_order_relaxed);
  weft_future_release(future);
}

static void keep(caller_t* caller, weft_future_t* future) {
  if (future == NULL) {
    return;
  }
  if (caller->open_count == OPEN_LIMIT) {
    // All that could be awaited for ever is settled first.
    settle_all();
    for (uint32_t i = 0; i < OPEN_LIMIT / 2; i++) {
      uint32_t last = --caller->open_count;
      if (below(caller, 3) == 0) {
        weft_future_cancel(caller->open[last]);
      }
      see_the_end(caller->runtime, caller->open[last]);
    }
  }
  caller->open[caller->open_count++] = future;
}

// A number, now or later.
static weft_value_t make_argument(caller_t* caller) {
  if (below(caller, 2) == 0) {
    return weft_int64(1);
  }
  weft_promise_t* promise;
  weft_future_t* future;
  weft_status_t status =
      weft_promise_create(caller->runtime, &promise, &future);
  if (weft_status_ignore(status) != WEFT_STATUS_OK) {
    return weft_int64(1);
  }
  weft_value_t value = weft_future_value(future);
  weft_future_release(future);
  leave_promise(promise);
  return value;
}

static void call_note(caller_t* caller) {
  weft_value_t argument = make_argument(caller);
  const weft_call_options_t options = {.timeout_ns = (int64_t)below(caller, 3) *
                                                     WEFT_MS / 2};
  weft_actor_t actor = actor_at(below(caller, ACTORS));
  weft_future_t* future = NULL;
  if (below(caller, 4) == 0) {
    weft_status_ignore(weft_send(caller->runtime, actor, NOTE,
                                 WEFT_ARGUMENTS(argument), &options));
  } else {
    weft_status_ignore(weft_call(caller->runtime, actor, NOTE,
                                 WEFT_ARGUMENTS(argument), &options, &future));
  }
  weft_value_release(argument);
  keep(caller, future);
}

static void call_two(caller_t* caller, uint32_t endpoint) {
  weft_actor_t actor = actor_at(below(caller, ACTORS));
  weft_value_t other = weft_actor_value(actor_at(below(caller, ACTORS)));
  weft_value_t value = weft_int64((int64_t)below(caller, 4));
  weft_future_t* future = NULL;
  weft_status_ignore(weft_call(
      caller->runtime, actor, endpoint,
      endpoint == DEFER ? NULL : WEFT_ARGUMENTS(other, value), NULL, &future));
  keep(caller, future);
}

static void replace(caller_t* caller) {
  uint64_t place = below(caller, ACTORS);
  const weft_spawn_options_t options = {
      .mailbox_bound = (uint32_t)below(caller, 2) * 4,
      .own_thread = below(caller, 8) == 0,
  };
  weft_status_t reason = below(caller, 2) == 0
                             ? WEFT_OK
                             : weft_status_make(WEFT_STATUS_FAILED, "replaced");
  weft_status_ignore(weft_actor_stop(
      caller->runtime, actor_at(place),
      below(caller, 2) == 0 ? WEFT_STOP_NOW : WEFT_STOP_AFTER_QUEUE, reason));
  weft_actor_t actor;
  if (weft_status_ignore(weft_spawn(caller->runtime, &storm_class, weft_none(),
                                    &options, &actor)) == WEFT_STATUS_OK) {
    atomic_store_explicit(&storm.handles[place],
                          ((uint64_t)actor.index << 32) | actor.generation,
                          memory_order_relaxed);
  }
}

static void name(caller_t* caller) {
  static const char* const names[] = {"a", "b"};
  const char* text = names[below(caller, 2)];
  weft_future_t* future = NULL;
  switch (below(caller, 3)) {
    case 0:
      weft_status_ignore(weft_actor_register(caller->runtime, text,
                                             actor_at(below(caller, ACTORS))));
      break;
    case 1:
      weft_status_ignore(weft_actor_unregister(caller->runtime, text));
      break;
    default:
      weft_status_ignore(weft_actor_lookup(
          caller->runtime, text, weft_deadline_after(caller->runtime, WEFT_MS),
          &future));
      keep(caller, future);
      break;
  }
}

static void schedule(caller_t* caller) {
  const weft_schedule_options_t times = {
      (int64_t)below(caller, 2) * WEFT_MS / 4,
      (int64_t)below(caller, 2) * WEFT_MS / 8};
  weft_schedule_t* later = NULL;
  weft_status_ignore(
      weft_send_later(caller->runtime, actor_at(below(caller, ACTORS)), NOTE,
                      WEFT_ARGUMENTS(weft_int64(1)), &times, &later));
  if (later != NULL && below(caller, 4) != 0) {
    weft_schedule_stop(later);
  }
  weft_schedule_release(later);
}

static void watch_end(caller_t* caller) {
  weft_actor_t actor = actor_at(below(caller, ACTORS));
  weft_future_t* future = NULL;
  weft_status_ignore(weft_actor_exited(caller->runtime, actor, &future));
  if (future != NULL) {
    // It ends with the runtime if not before; here it is only looked at.
    if (below(caller, 2) == 0) {
      weft_future_cancel(future);
    }
    weft_future_release(future);
  }
}

static void step(caller_t* caller) {
  uint64_t chance = below(caller, 100);
  if (chance < 45) {
    call_note(caller);
  } else if (chance < 60) {
    call_two(caller, DEFER);
  } else if (chance < 72) {
    call_two(caller, ASK);
  } else if (chance < 80) {
    call_two(caller, TIE);
  } else if (chance < 86) {
    replace(caller);
  } else if (chance < 92) {
    name(caller);
  } else if (chance < 96) {
    schedule(caller);
  } else {
    watch_end(caller);
  }
}

static void run_thread(size_t index, void* user) {
  const uint64_t* seed = user;
  caller_t caller = {.runtime = storm.kit.runtime};
  weft_kit_random_init(&caller.random, *seed * THREADS + index);
  for (int i = 0; i < STEPS; i++) {
    step(&caller);
  }
  while (caller.open_count > 0) {
    settle_all();
    caller.open_count--;
    see_the_end(caller.runtime, caller.open[caller.open_count]);
  }
}

static void everything_ends_whatever_happens_at_once(void** state) {
  (void)state;
  static const weft_class_t* const classes[] = {&storm_class};
  for (uint64_t seed = 0; seed < weft_kit_amount(20); seed++) {
    memset(&storm, 0, sizeof(storm));
    const weft_runtime_options_t options = {.worker_count = 2,
                                            .classes = classes,
                                            .class_count = 1,
                                            .default_timeout_ns = 5 * WEFT_MS};
    weft_actor_kit_init(&storm.kit, &options);
    caller_t caller = {.runtime = storm.kit.runtime};
    weft_kit_random_init(&caller.random, seed);
    for (int i = 0; i < 8 * ACTORS; i++) {
      replace(&caller);
    }
    weft_kit_run_threads(THREADS, run_thread, &seed);
    // A handler that asked for a reply and gave up may be answered later, by
    // another that leaves a promise: that is over once the runtime has stopped.
    weft_kit_assert_ok(
        weft_runtime_stop(storm.kit.runtime, WEFT_TIME_INFINITE));
    settle_all();
    assert_int_equal(0, storm.wrong);
    assert_true(storm.ended > 0);
    weft_actor_kit_deinit(&storm.kit);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(everything_ends_whatever_happens_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
