// SPDX-License-Identifier: Apache-2.0
//
// What the tests of actors share: a runtime that must give all its memory
// back, and a class of actors that note what they are sent and run whatever a
// test tells them to. Handlers run on other threads, so they note what went
// wrong and the test looks at it.

#ifndef WEFT_ACTOR_ACTOR_KIT_H_
#define WEFT_ACTOR_ACTOR_KIT_H_

#include <stdatomic.h>

#include "base/container.h"
#include "kit/kit.h"
#include "weft/runtime.h"
#include "weft/trace.h"

#define WEFT_PROBE_NOTES 8192
#define WEFT_MS INT64_C(1000000)
// Longer than any test takes.
#define WEFT_PATIENCE (60000 * WEFT_MS)

// The state of a probe, which lives as long as its test.
typedef struct weft_probe {
  // What it was sent, in order.
  int64_t notes[WEFT_PROBE_NOTES];
  _Atomic uint32_t note_count;
  _Atomic uint32_t init_count;
  _Atomic uint32_t deinit_count;
  // Told of the end of other actors: how often, of whom last, and why.
  _Atomic uint32_t end_count;
  weft_actor_t end_actor;
  weft_status_code_t end_code;
  // Code that init fails with; 0: it does not.
  weft_status_code_t init_code;
  // The last reply that was taken.
  weft_promise_t* promise;
} weft_probe_t;

// What a test has an actor do.
typedef weft_status_t (*weft_probe_fn_t)(weft_context_t* context,
                                         weft_probe_t* probe, void* user,
                                         weft_value_t* out_result);
typedef struct weft_probe_act {
  weft_probe_fn_t run;
  void* user;
} weft_probe_act_t;

// Endpoints of a probe.
enum {
  // Notes its argument, and answers with how many notes there are.
  WEFT_PROBE_NOTE = 0,
  // Runs an act.
  WEFT_PROBE_DO = 1,
  // Takes an actor and a reason: another one ended.
  WEFT_PROBE_GONE = 2,
  // Notes 10 * a + b.
  WEFT_PROBE_PAIR = 3,
  // Takes the reply into `promise`.
  WEFT_PROBE_DEFER = 4,
  // Answers with its argument.
  WEFT_PROBE_ECHO = 5,
  WEFT_PROBE_ENDPOINTS = 6
};

static const weft_opaque_type_t weft_probe_type = {"probe", NULL};
static const weft_opaque_type_t weft_probe_act_type = {"act", NULL};

static inline void weft_probe_note(weft_probe_t* probe, int64_t note) {
  uint32_t count =
      atomic_load_explicit(&probe->note_count, memory_order_relaxed);
  if (count < WEFT_PROBE_NOTES) {
    probe->notes[count] = note;
  }
  // Release: pairs with the acquire in `weft_probe_notes`.
  atomic_store_explicit(&probe->note_count, count + 1, memory_order_release);
}

static inline uint32_t weft_probe_notes(weft_probe_t* probe) {
  return atomic_load_explicit(&probe->note_count, memory_order_acquire);
}

static inline weft_status_t weft_probe_init(weft_context_t* context,
                                            weft_value_t init,
                                            void** out_state) {
  (void)context;
  WEFT_RETURN_IF_ERROR(weft_value_as_opaque(init, &weft_probe_type, out_state));
  weft_probe_t* probe = *out_state;
  atomic_fetch_add_explicit(&probe->init_count, 1, memory_order_acq_rel);
  return probe->init_code != WEFT_STATUS_OK
             ? weft_status_make(probe->init_code, "init was told to fail")
             : WEFT_OK;
}

static inline void weft_probe_deinit(void* state) {
  weft_probe_t* probe = state;
  atomic_fetch_add_explicit(&probe->deinit_count, 1, memory_order_acq_rel);
}

static inline weft_status_t weft_probe_on_note(weft_context_t* context,
                                               void* state,
                                               const weft_value_t* arguments,
                                               weft_value_t* out_result) {
  (void)context;
  weft_probe_t* probe = state;
  int64_t note = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &note));
  weft_probe_note(probe, note);
  *out_result = weft_int64(weft_probe_notes(probe));
  return WEFT_OK;
}

static inline weft_status_t weft_probe_on_do(weft_context_t* context,
                                             void* state,
                                             const weft_value_t* arguments,
                                             weft_value_t* out_result) {
  void* pointer = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_value_as_opaque(arguments[0], &weft_probe_act_type, &pointer));
  const weft_probe_act_t* act = pointer;
  return act->run(context, state, act->user, out_result);
}

static inline weft_status_t weft_probe_on_gone(weft_context_t* context,
                                               void* state,
                                               const weft_value_t* arguments,
                                               weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  weft_probe_t* probe = state;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &probe->end_actor));
  weft_status_t reason = WEFT_OK;
  if (weft_value_kind(arguments[1]) != WEFT_KIND_NONE) {
    WEFT_RETURN_IF_ERROR(weft_value_as_status(arguments[1], &reason));
  }
  probe->end_code = weft_status_code(reason);
  atomic_fetch_add_explicit(&probe->end_count, 1, memory_order_acq_rel);
  return WEFT_OK;
}

static inline weft_status_t weft_probe_on_pair(weft_context_t* context,
                                               void* state,
                                               const weft_value_t* arguments,
                                               weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  int64_t a = 0;
  int64_t b = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &a));
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[1], &b));
  weft_probe_note(state, 10 * a + b);
  return WEFT_OK;
}

static inline weft_status_t weft_probe_on_defer(weft_context_t* context,
                                                void* state,
                                                const weft_value_t* arguments,
                                                weft_value_t* out_result) {
  (void)arguments;
  (void)out_result;
  weft_probe_t* probe = state;
  return weft_context_take_reply(context, &probe->promise);
}

static inline weft_status_t weft_probe_on_echo(weft_context_t* context,
                                               void* state,
                                               const weft_value_t* arguments,
                                               weft_value_t* out_result) {
  (void)context;
  (void)state;
  *out_result = weft_value_retain(arguments[0]);
  return WEFT_OK;
}

static const weft_parameter_t weft_probe_one_int[] = {
    {"value", WEFT_KIND_INT64},
};
static const weft_parameter_t weft_probe_one_any[] = {
    {"value", WEFT_KIND_ANY},
};
static const weft_parameter_t weft_probe_gone_parameters[] = {
    {"actor", WEFT_KIND_ACTOR},
    {"reason", WEFT_KIND_ANY},
};
static const weft_parameter_t weft_probe_pair_parameters[] = {
    {"a", WEFT_KIND_INT64},
    {"b", WEFT_KIND_INT64},
};
static const weft_endpoint_t weft_probe_endpoints[WEFT_PROBE_ENDPOINTS] = {
    [WEFT_PROBE_NOTE] = {"note", weft_probe_on_note, weft_probe_one_int, 1},
    [WEFT_PROBE_DO] = {"do", weft_probe_on_do, weft_probe_one_any, 1},
    [WEFT_PROBE_GONE] = {"gone", weft_probe_on_gone, weft_probe_gone_parameters,
                         2},
    [WEFT_PROBE_PAIR] = {"pair", weft_probe_on_pair, weft_probe_pair_parameters,
                         2},
    [WEFT_PROBE_DEFER] = {"defer", weft_probe_on_defer, NULL, 0},
    [WEFT_PROBE_ECHO] = {"echo", weft_probe_on_echo, weft_probe_one_any, 1},
};
static const weft_class_t weft_probe_class = {
    .name = "probe",
    .version = 1,
    .init = weft_probe_init,
    .deinit = weft_probe_deinit,
    .endpoints = weft_probe_endpoints,
    .endpoint_count = WEFT_PROBE_ENDPOINTS,
};
// The same without init: its state is NULL, so it can only echo.
static const weft_class_t weft_bare_class = {
    .name = "bare",
    .version = 1,
    .endpoints = weft_probe_endpoints,
    .endpoint_count = WEFT_PROBE_ENDPOINTS,
};
static const weft_class_t* const weft_probe_classes[] = {&weft_probe_class,
                                                         &weft_bare_class};

// --- The runtime ------------------------------------------------------------

typedef struct weft_actor_kit {
  weft_kit_allocator_t memory;
  weft_runtime_t* runtime;
  _Atomic uint32_t warning_count;
  // The code of the last warning.
  _Atomic uint32_t warning_code;
} weft_actor_kit_t;

static inline void weft_actor_kit_warn(void* user, weft_status_t warning) {
  weft_actor_kit_t* kit = user;
  atomic_store_explicit(&kit->warning_code, (uint32_t)weft_status_code(warning),
                        memory_order_release);
  atomic_fetch_add_explicit(&kit->warning_count, 1, memory_order_acq_rel);
}

// A runtime with probes; `options` has what else is wanted.
static inline void weft_actor_kit_init(weft_actor_kit_t* kit,
                                       const weft_runtime_options_t* options) {
  weft_runtime_options_t changed = *options;
  *kit = (weft_actor_kit_t){.runtime = NULL};
  weft_kit_allocator_init(&kit->memory);
  changed.allocator = &kit->memory.allocator;
  if (changed.classes == NULL) {
    changed.classes = weft_probe_classes;
    changed.class_count = 2;
  }
  changed.on_warning = weft_actor_kit_warn;
  changed.warning_user = kit;
  weft_kit_assert_ok(weft_runtime_create(&changed, &kit->runtime));
}

static inline void weft_actor_kit_deinit(weft_actor_kit_t* kit) {
  weft_runtime_destroy(kit->runtime);
  weft_kit_allocator_deinit(&kit->memory);
}

// Memory in use at this moment, by whatever thread.
static inline size_t weft_actor_kit_bytes(weft_actor_kit_t* kit) {
  pthread_mutex_lock(&kit->memory.lock);
  size_t bytes = kit->memory.bytes_in_use;
  pthread_mutex_unlock(&kit->memory.lock);
  return bytes;
}

// For cmocka: `*state` is a weft_actor_kit_t, simulated or with two workers.
static inline int weft_actor_kit_setup_simulated(void** state) {
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {.simulate = true, .seed = 1};
  weft_actor_kit_init(&kit, &options);
  *state = &kit;
  return 0;
}

static inline int weft_actor_kit_setup_threads(void** state) {
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {.worker_count = 2};
  weft_actor_kit_init(&kit, &options);
  *state = &kit;
  return 0;
}

static inline int weft_actor_kit_teardown(void** state) {
  weft_actor_kit_deinit(*state);
  return 0;
}

#define WEFT_ACTOR_TEST(name)                                           \
  cmocka_unit_test_setup_teardown(name, weft_actor_kit_setup_simulated, \
                                  weft_actor_kit_teardown)
#define WEFT_ACTOR_THREADS_TEST(name)                                 \
  cmocka_unit_test_setup_teardown(name, weft_actor_kit_setup_threads, \
                                  weft_actor_kit_teardown)

// --- In one line ------------------------------------------------------------

// In a simulation: runs what can run without waiting for time to pass.
static inline void weft_actor_kit_run(const weft_actor_kit_t* kit) {
  weft_runtime_run(kit->runtime, UINT64_MAX);
}

static inline weft_actor_t weft_probe_spawn_with(
    const weft_actor_kit_t* kit, weft_probe_t* probe,
    const weft_spawn_options_t* options) {
  weft_value_t init;
  weft_actor_t actor;
  weft_kit_assert_ok(weft_opaque_create(&kit->memory.allocator,
                                        &weft_probe_type, probe, &init));
  weft_kit_assert_ok(
      weft_spawn(kit->runtime, &weft_probe_class, init, options, &actor));
  weft_value_release(init);
  return actor;
}

static inline weft_actor_t weft_probe_spawn(const weft_actor_kit_t* kit,
                                            weft_probe_t* probe) {
  return weft_probe_spawn_with(kit, probe, NULL);
}

static inline weft_status_t weft_probe_send_note(weft_runtime_t* runtime,
                                                 weft_actor_t actor,
                                                 int64_t note) {
  return weft_send(runtime, actor, WEFT_PROBE_NOTE,
                   WEFT_ARGUMENTS(weft_int64(note)), NULL);
}

static inline weft_future_t* weft_probe_call_note(const weft_actor_kit_t* kit,
                                                  weft_actor_t actor,
                                                  int64_t note) {
  weft_future_t* future;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(weft_int64(note)), NULL,
                               &future));
  return future;
}

// Calls `note` with a future as its argument, which stays the caller's.
static inline weft_future_t* weft_probe_call_later(const weft_actor_kit_t* kit,
                                                   weft_actor_t actor,
                                                   weft_future_t* argument) {
  weft_value_t value = weft_future_value(argument);
  weft_future_t* future;
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                               WEFT_ARGUMENTS(value), NULL, &future));
  weft_value_release(value);
  return future;
}

// Has an actor run an act; the act lives until the call ends.
static inline weft_status_t weft_probe_do_with(
    const weft_actor_kit_t* kit, weft_actor_t actor, weft_probe_act_t* act,
    const weft_call_options_t* options, weft_future_t** out_future) {
  weft_value_t value;
  *out_future = NULL;
  WEFT_RETURN_IF_ERROR(weft_opaque_create(&kit->memory.allocator,
                                          &weft_probe_act_type, act, &value));
  weft_status_t status = weft_call(kit->runtime, actor, WEFT_PROBE_DO,
                                   WEFT_ARGUMENTS(value), options, out_future);
  weft_value_release(value);
  return status;
}

static inline weft_future_t* weft_probe_do(const weft_actor_kit_t* kit,
                                           weft_actor_t actor,
                                           weft_probe_act_t* act) {
  weft_future_t* future;
  weft_kit_assert_ok(weft_probe_do_with(kit, actor, act, NULL, &future));
  return future;
}

// Waits for a future, checks its outcome and releases it.
static inline void weft_expect_outcome(weft_future_t* future,
                                       weft_status_code_t code) {
  weft_value_t value;
  weft_kit_assert_status(code,
                         weft_future_get(future, WEFT_TIME_INFINITE, &value));
  weft_value_release(value);
  weft_future_release(future);
}

static inline void weft_expect_outcome_says(weft_future_t* future,
                                            weft_status_code_t code,
                                            const char* part) {
  weft_value_t value;
  weft_kit_assert_status_says(
      code, part, weft_future_get(future, WEFT_TIME_INFINITE, &value));
  assert_true(weft_future_is_done(future));
  weft_value_release(value);
  weft_future_release(future);
}

static inline void weft_expect_int64(weft_future_t* future, int64_t expected) {
  weft_value_t value;
  int64_t number = 0;
  weft_kit_assert_ok(weft_future_get(future, WEFT_TIME_INFINITE, &value));
  weft_kit_assert_ok(weft_value_as_int64(value, &number));
  assert_int_equal(expected, number);
  weft_value_release(value);
  weft_future_release(future);
}

// Stops an actor and waits until it has ended.
static inline void weft_probe_end(const weft_actor_kit_t* kit,
                                  weft_actor_t actor) {
  weft_future_t* exited;
  weft_kit_assert_ok(weft_actor_exited(kit->runtime, actor, &exited));
  weft_kit_assert_ok(
      weft_actor_stop(kit->runtime, actor, WEFT_STOP_NOW, WEFT_OK));
  weft_expect_outcome(exited, WEFT_STATUS_OK);
}

// A promise and its future.
typedef struct weft_probe_pair {
  weft_promise_t* promise;
  weft_future_t* future;
} weft_probe_pair_t;

static inline weft_probe_pair_t weft_probe_pair(const weft_actor_kit_t* kit) {
  weft_probe_pair_t pair;
  weft_kit_assert_ok(
      weft_promise_create(kit->runtime, &pair.promise, &pair.future));
  return pair;
}

// Keeps the promise; the future stays.
static inline void weft_probe_pair_keep(weft_probe_pair_t* pair,
                                        weft_value_t value) {
  weft_kit_assert_ok(weft_promise_set(pair->promise, value));
  weft_promise_release(pair->promise);
}

// Keeps the promise and drops both ends.
static inline void weft_probe_pair_set(weft_probe_pair_t* pair,
                                       weft_value_t value) {
  weft_kit_assert_ok(weft_promise_set(pair->promise, value));
  weft_promise_release(pair->promise);
  weft_future_release(pair->future);
}

static inline void weft_probe_expect_notes(weft_probe_t* probe,
                                           const int64_t* expected,
                                           uint32_t count) {
  assert_int_equal(count, weft_probe_notes(probe));
  for (uint32_t i = 0; i < count; i++) {
    assert_int_equal(expected[i], probe->notes[i]);
  }
}

// The notes of a probe are exactly these.
#define WEFT_EXPECT_NOTES(probe, ...)          \
  weft_probe_expect_notes(                     \
      (probe), (const int64_t[]){__VA_ARGS__}, \
      (uint32_t)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)))

#endif  // WEFT_ACTOR_ACTOR_KIT_H_
