// SPDX-License-Identifier: Apache-2.0
//
// The layer as a whole: the classes it is given, how it stops, and that
// nothing is lost when memory is.

#include <string.h>

#include "actor/actor_kit.h"
#include "actor/cold.h"
#include "actor/line.h"
#include "sys/sys.h"

static weft_probe_t probe;
static weft_probe_t other;

// --- Classes ----------------------------------------------------------------

static void expect_unsound(const weft_class_t* const* classes, size_t count,
                           const char* part) {
  weft_kit_allocator_t memory;
  weft_kit_allocator_init(&memory);
  const weft_runtime_options_t options = {.allocator = &memory.allocator,
                                          .simulate = true,
                                          .classes = classes,
                                          .class_count = count};
  weft_runtime_t* runtime;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, part,
                              weft_runtime_create(&options, &runtime));
  assert_null(runtime);
  weft_kit_allocator_deinit(&memory);
}

static void expect_unsound_endpoint(weft_endpoint_t endpoint,
                                    const char* part) {
  const weft_class_t unsound = {
      .name = "odd", .endpoints = &endpoint, .endpoint_count = 1};
  const weft_class_t* classes[] = {&unsound};
  expect_unsound(classes, 1, part);
}

static void class_tables_that_are_not_sound_are_refused(void** state) {
  (void)state;
  const weft_class_t unnamed = {.name = NULL};
  const weft_class_t twin = {.name = "probe"};
  const weft_endpoint_t twins[] = {{"e", weft_probe_on_echo, NULL, 0},
                                   {"e", weft_probe_on_echo, NULL, 0}};
  const weft_class_t two = {
      .name = "two", .endpoints = twins, .endpoint_count = 2};
  const weft_class_t no_table = {.name = "tableless", .endpoint_count = 1};
  const weft_class_t* lists[][2] = {{&unnamed, NULL},
                                    {&weft_probe_class, &twin},
                                    {&weft_probe_class, NULL},
                                    {&two, &weft_bare_class},
                                    {&no_table, &weft_bare_class}};
  const char* parts[] = {"no name", "two classes are named probe", "no name",
                         "two endpoints named e", "tableless"};
  for (int i = 0; i < 5; i++) {
    expect_unsound(lists[i], 2, parts[i]);
  }
  expect_unsound(NULL, 1, "none was given");
  static const weft_parameter_t unnamed_parameter[] = {{NULL, WEFT_KIND_ANY}};
  static const weft_parameter_t same[] = {{"a", WEFT_KIND_ANY},
                                          {"a", WEFT_KIND_ANY}};
  expect_unsound_endpoint((weft_endpoint_t){"", weft_probe_on_echo, NULL, 0},
                          "no name");
  expect_unsound_endpoint((weft_endpoint_t){"e", NULL, NULL, 0}, "no handler");
  expect_unsound_endpoint((weft_endpoint_t){"e", weft_probe_on_echo, NULL, 1},
                          "declares 1 parameters");
  expect_unsound_endpoint((weft_endpoint_t){"e", weft_probe_on_echo, same, 33},
                          "at most 32");
  expect_unsound_endpoint(
      (weft_endpoint_t){"e", weft_probe_on_echo, unnamed_parameter, 1},
      "parameter 0");
  expect_unsound_endpoint((weft_endpoint_t){"e", weft_probe_on_echo, same, 2},
                          "parameter 1");
}

static void a_negative_default_timeout_is_refused(void** state) {
  (void)state;
  const weft_runtime_options_t options = {.simulate = true,
                                          .default_timeout_ns = -1};
  weft_runtime_t* runtime;
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_runtime_create(&options, &runtime));
}

static void endpoints_are_found_by_name(void** state) {
  (void)state;
  uint32_t endpoint = 99;
  weft_kit_assert_ok(
      weft_class_find_endpoint(&weft_probe_class, "pair", &endpoint));
  assert_int_equal(WEFT_PROBE_PAIR, endpoint);
  weft_kit_assert_status_says(
      WEFT_STATUS_NOT_FOUND, "nothing",
      weft_class_find_endpoint(&weft_probe_class, "nothing", &endpoint));
  assert_int_equal(0, endpoint);
}

static void many_classes_are_told_apart(void** state) {
  (void)state;
  enum { MANY = 100 };
  static weft_class_t many[MANY];
  static char names[MANY][8];
  const weft_class_t* classes[MANY];
  for (int i = 0; i < MANY; i++) {
    names[i][0] = 'c';
    names[i][1] = (char)('0' + i / 10);
    names[i][2] = (char)('0' + i % 10);
    many[i] = (weft_class_t){.name = names[i]};
    classes[i] = &many[i];
  }
  static weft_actor_kit_t kit;
  const weft_runtime_options_t options = {
      .simulate = true, .classes = classes, .class_count = MANY - 1};
  weft_actor_kit_init(&kit, &options);
  weft_actor_t actor;
  for (int i = 0; i < MANY - 1; i++) {
    weft_kit_assert_ok(
        weft_spawn(kit.runtime, &many[i], weft_none(), NULL, &actor));
  }
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      weft_spawn(kit.runtime, &many[MANY - 1], weft_none(), NULL, &actor));
  weft_actor_kit_deinit(&kit);
}

static void hot_structs_keep_their_size(void** state) {
  (void)state;
  assert_int_equal(192, sizeof(weft_actor_entry_t));
  assert_int_equal(64, sizeof(weft_message_t) + sizeof(weft_value_t));
  assert_true(sizeof(weft_cold_t) <= 128);
  assert_true(sizeof(weft_line_t) <= 256);
}

// --- Stopping ---------------------------------------------------------------

static weft_status_t wait_for(weft_context_t* context, weft_probe_t* self,
                              void* user, weft_value_t* out_result) {
  (void)context;
  weft_probe_note(self, 1);
  return weft_future_get(user, WEFT_TIME_INFINITE, out_result);
}

static void a_stop_ends_all_actors_and_fails_what_waits(void** state) {
  weft_actor_kit_t* kit = *state;
  memset(&probe, 0, sizeof(probe));
  weft_actor_t actors[20];
  weft_future_t* exits[20];
  weft_future_t* held[20];
  weft_probe_pair_t pair = weft_probe_pair(kit);
  for (int i = 0; i < 20; i++) {
    actors[i] = weft_probe_spawn(kit, &probe);
    held[i] = weft_probe_call_later(kit, actors[i], pair.future);
    weft_kit_assert_ok(weft_actor_exited(kit->runtime, actors[i], &exits[i]));
  }
  weft_kit_assert_ok(weft_runtime_stop(kit->runtime, WEFT_TIME_INFINITE));
  weft_actor_t actor;
  weft_future_t* future;
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      weft_spawn(kit->runtime, &weft_bare_class, weft_none(), NULL, &actor));
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         weft_probe_send_note(kit->runtime, actors[0], 1));
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      weft_call(kit->runtime, actors[0], WEFT_PROBE_NOTE,
                WEFT_ARGUMENTS(weft_int64(1)), NULL, &future));
  for (int i = 0; i < 20; i++) {
    weft_expect_outcome(held[i], WEFT_STATUS_ACTOR_EXITED);
    weft_expect_outcome(exits[i], WEFT_STATUS_CLOSED);
  }
  assert_int_equal(probe.init_count, probe.deinit_count);
  weft_probe_pair_set(&pair, weft_none());
  // Once more is nothing.
  weft_kit_assert_ok(weft_runtime_stop(kit->runtime, WEFT_TIME_INFINITE));
}

static void a_stop_that_takes_too_long_names_who_is_left(void** state) {
  weft_actor_kit_t* kit = *state;
  memset(&probe, 0, sizeof(probe));
  memset(&other, 0, sizeof(other));
  weft_actor_t waiter = weft_probe_spawn(kit, &probe);
  weft_probe_spawn(kit, &other);
  weft_probe_pair_t gate = weft_probe_pair(kit);
  weft_probe_act_t act = {wait_for, gate.future};
  weft_future_t* reply = weft_probe_do(kit, waiter, &act);
  while (weft_probe_notes(&probe) == 0) {
    weft_runtime_run(kit->runtime, 1);
    weft_sys_yield();
  }
  weft_status_t status = WEFT_OK;
  char text[1024] = "";
  // The other one may take longer than that to end.
  while (strstr(text, "1 actor did not stop") == NULL) {
    weft_status_release(status);
    status = weft_runtime_stop(kit->runtime,
                               weft_deadline_after(kit->runtime, WEFT_MS));
    weft_status_format(status, text, sizeof(text));
    assert_int_equal(WEFT_STATUS_DEADLINE_EXCEEDED, weft_status_code(status));
  }
  assert_non_null(strstr(text, "probe#0 runs do"));
  assert_non_null(strstr(text, "waits for a promise"));
  assert_null(strstr(text, "probe#1"));
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED, status);
  weft_probe_pair_keep(&gate, weft_none());
  weft_kit_assert_ok(weft_runtime_stop(kit->runtime, WEFT_TIME_INFINITE));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  weft_future_release(gate.future);
}

static weft_status_t stop_runtime(weft_context_t* context, weft_probe_t* self,
                                  void* user, weft_value_t* out_result) {
  (void)self;
  (void)user;
  (void)out_result;
  return weft_runtime_stop(weft_context_runtime(context), WEFT_TIME_INFINITE);
}

static void a_handler_cannot_stop_its_runtime(void** state) {
  weft_actor_kit_t* kit = *state;
  weft_probe_act_t act = {stop_runtime, NULL};
  const weft_spawn_options_t options[] = {{.own_thread = false},
                                          {.own_thread = true}};
  for (int i = 0; i < 2; i++) {
    weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &options[i]);
    weft_expect_outcome(weft_probe_do(kit, actor, &act),
                        WEFT_STATUS_FAILED_PRECONDITION);
  }
}

typedef struct crowd {
  weft_actor_kit_t* kit;
  // Whom they call, where that is one.
  weft_actor_t actor;
  _Atomic uint32_t ready;
  _Atomic uint32_t wrong;
} crowd_t;

enum { CROWD = 3 };

// Spawns, calls and sends until the runtime says that it is closed. Every call
// ends.
static void use_until_closed(size_t index, void* user) {
  crowd_t* crowd = user;
  weft_runtime_t* runtime = crowd->kit->runtime;
  if (index == CROWD) {
    while (atomic_load_explicit(&crowd->ready, memory_order_acquire) < CROWD) {
      weft_sys_yield();
    }
    if (weft_status_ignore(weft_runtime_stop(runtime, WEFT_TIME_INFINITE)) !=
        WEFT_STATUS_OK) {
      atomic_fetch_add_explicit(&crowd->wrong, 1, memory_order_relaxed);
    }
    return;
  }
  weft_status_code_t code = WEFT_STATUS_OK;
  for (int i = 0; code != WEFT_STATUS_CLOSED; i++) {
    weft_actor_t actor;
    weft_future_t* reply = NULL;
    weft_value_t value;
    const weft_call_options_t options = {.timeout_ns = WEFT_PATIENCE};
    code = weft_status_ignore(
        weft_spawn(runtime, &weft_bare_class, weft_none(), NULL, &actor));
    if (code != WEFT_STATUS_OK) {
      continue;
    }
    code = weft_status_ignore(weft_call(runtime, actor, WEFT_PROBE_ECHO,
                                        WEFT_ARGUMENTS(weft_int64(i)), &options,
                                        &reply));
    if (reply != NULL) {
      weft_status_code_t outcome = weft_status_ignore(
          weft_future_get(reply, WEFT_TIME_INFINITE, &value));
      if (outcome != WEFT_STATUS_OK && outcome != WEFT_STATUS_ACTOR_EXITED) {
        atomic_fetch_add_explicit(&crowd->wrong, 1, memory_order_relaxed);
      }
      weft_future_release(reply);
    }
    if (i == 20) {
      atomic_fetch_add_explicit(&crowd->ready, 1, memory_order_acq_rel);
    }
  }
}

static void a_stop_meets_threads_that_go_on_using_the_runtime(void** state) {
  (void)state;
  for (uint64_t i = 0; i < weft_kit_amount(20); i++) {
    static weft_actor_kit_t kit;
    const weft_runtime_options_t options = {.worker_count = 2};
    weft_actor_kit_init(&kit, &options);
    crowd_t crowd = {&kit, {0}, 0, 0};
    weft_kit_run_threads(CROWD + 1, use_until_closed, &crowd);
    assert_int_equal(0, crowd.wrong);
    weft_actor_kit_deinit(&kit);
  }
}

static void call_until_closed(size_t index, void* user) {
  crowd_t* crowd = user;
  weft_runtime_t* runtime = crowd->kit->runtime;
  if (index == CROWD) {
    while (atomic_load_explicit(&crowd->ready, memory_order_acquire) < CROWD) {
      weft_sys_yield();
    }
    weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
    return;
  }
  const weft_call_options_t options = {.timeout_ns = WEFT_PATIENCE};
  weft_status_code_t code = WEFT_STATUS_OK;
  atomic_fetch_add_explicit(&crowd->ready, 1, memory_order_acq_rel);
  while (code != WEFT_STATUS_CLOSED) {
    weft_future_t* reply;
    code = weft_status_ignore(weft_call(runtime, crowd->actor, WEFT_PROBE_ECHO,
                                        WEFT_ARGUMENTS(weft_int64(1)), &options,
                                        &reply));
    weft_future_release(reply);
  }
}

static void a_stop_meets_calls_that_have_a_deadline(void** state) {
  (void)state;
  for (uint64_t i = 0; i < weft_kit_amount(500); i++) {
    static weft_actor_kit_t kit;
    const weft_runtime_options_t options = {.worker_count = 1};
    weft_actor_kit_init(&kit, &options);
    crowd_t crowd = {&kit, {0}, 0, 0};
    weft_kit_assert_ok(weft_spawn(kit.runtime, &weft_bare_class, weft_none(),
                                  NULL, &crowd.actor));
    weft_kit_run_threads(CROWD + 1, call_until_closed, &crowd);
    weft_actor_kit_deinit(&kit);
  }
}

// --- Without memory ---------------------------------------------------------

// What a sweep does with a runtime of its own; RESOURCE_EXHAUSTED or done.
typedef weft_status_t (*deed_fn_t)(weft_actor_kit_t* kit);

// Does it again and again with the first, second, third ... allocation
// failing, alone and with all after it, until nothing fails any more. Each
// time the runtime must stop in order and give everything back.
static void sweep_deed(deed_fn_t deed) {
  for (int all = 0; all < 2; all++) {
    bool is_complete = false;
    for (uint64_t after = 0; !is_complete; after++) {
      static weft_actor_kit_t kit;
      const weft_runtime_options_t options = {.simulate = true};
      weft_actor_kit_init(&kit, &options);
      memset(&probe, 0, sizeof(probe));
      memset(&other, 0, sizeof(other));
      weft_kit_allocator_fail(&kit.memory, after, all != 0 ? UINT64_MAX : 1);
      weft_status_t status = deed(&kit);
      is_complete = kit.memory.failed == 0;
      weft_kit_allocator_fail(&kit.memory, 0, 0);
      if (status != WEFT_OK) {
        assert_false(is_complete);
        weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                               weft_status_retain(weft_status_root(status)));
        weft_status_release(status);
      }
      weft_actor_kit_deinit(&kit);
    }
  }
}

static weft_status_t spawn_probe(weft_actor_kit_t* kit, weft_probe_t* of,
                                 weft_actor_t* out_actor) {
  weft_value_t init;
  *out_actor = (weft_actor_t){0};
  WEFT_RETURN_IF_ERROR(
      weft_opaque_create(&kit->memory.allocator, &weft_probe_type, of, &init));
  weft_status_t status =
      weft_spawn(kit->runtime, &weft_probe_class, init, NULL, out_actor);
  weft_value_release(init);
  return status;
}

static weft_status_t outcome_of(weft_future_t* future) {
  weft_value_t value;
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
  weft_value_release(value);
  weft_future_release(future);
  return status;
}

// Owns: takes both over.
static weft_status_t first_error(weft_status_t first, weft_status_t second) {
  if (first == WEFT_OK) {
    return second;
  }
  weft_status_release(second);
  return first;
}

static weft_status_t spawn_and_call(weft_actor_kit_t* kit) {
  weft_actor_t actor;
  WEFT_RETURN_IF_ERROR(spawn_probe(kit, &probe, &actor));
  const weft_call_options_t options = {.timeout_ns = WEFT_MS};
  weft_future_t* reply;
  WEFT_RETURN_IF_ERROR(weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                                 WEFT_ARGUMENTS(weft_int64(1)), &options,
                                 &reply));
  WEFT_RETURN_IF_ERROR(outcome_of(reply));
  WEFT_RETURN_IF_ERROR(weft_probe_send_note(kit->runtime, actor, 1));
  return weft_actor_stop(kit->runtime, actor, WEFT_STOP_AFTER_QUEUE, WEFT_OK);
}

static weft_status_t call_held(weft_actor_kit_t* kit) {
  weft_actor_t actor;
  WEFT_RETURN_IF_ERROR(spawn_probe(kit, &probe, &actor));
  weft_promise_t* promise;
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(weft_promise_create(kit->runtime, &promise, &future));
  weft_value_t value = weft_future_value(future);
  weft_future_t* reply = NULL;
  weft_future_t* behind = NULL;
  weft_status_t status = weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                                   WEFT_ARGUMENTS(value), NULL, &reply);
  weft_value_release(value);
  weft_future_release(future);
  if (status == WEFT_OK) {
    status = weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                       WEFT_ARGUMENTS(weft_int64(2)), NULL, &behind);
  }
  weft_actor_kit_run(kit);
  weft_status_ignore(weft_promise_set(promise, weft_int64(1)));
  weft_promise_release(promise);
  if (reply != NULL) {
    status = first_error(status, outcome_of(reply));
  }
  if (behind != NULL) {
    status = first_error(status, outcome_of(behind));
  }
  return status;
}

typedef struct ties {
  weft_actor_t target;
} ties_t;

static weft_status_t tie_all(weft_context_t* context, weft_probe_t* self,
                             void* user, weft_value_t* out_result) {
  (void)self;
  (void)out_result;
  weft_actor_t target = ((const ties_t*)user)->target;
  WEFT_RETURN_IF_ERROR(weft_context_monitor(context, target, WEFT_PROBE_GONE));
  return weft_context_link(context, target);
}

static weft_status_t watch_and_name(weft_actor_kit_t* kit) {
  weft_actor_t a;
  weft_actor_t b;
  WEFT_RETURN_IF_ERROR(spawn_probe(kit, &probe, &a));
  WEFT_RETURN_IF_ERROR(spawn_probe(kit, &other, &b));
  ties_t ties = {b};
  weft_probe_act_t act = {tie_all, &ties};
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(weft_probe_do_with(kit, a, &act, NULL, &future));
  WEFT_RETURN_IF_ERROR(outcome_of(future));
  WEFT_RETURN_IF_ERROR(weft_actor_lookup(
      kit->runtime, "b", weft_deadline_after(kit->runtime, WEFT_MS), &future));
  weft_status_t status = weft_actor_register(kit->runtime, "b", b);
  if (status != WEFT_OK) {
    weft_future_release(future);
    return status;
  }
  WEFT_RETURN_IF_ERROR(outcome_of(future));
  WEFT_RETURN_IF_ERROR(weft_actor_exited(kit->runtime, a, &future));
  status = weft_actor_stop(kit->runtime, b, WEFT_STOP_NOW,
                           weft_status_make(WEFT_STATUS_FAILED, "end"));
  if (status != WEFT_OK) {
    weft_future_release(future);
    return status;
  }
  // Told whatever memory there is.
  weft_kit_assert_status(WEFT_STATUS_ACTOR_EXITED, outcome_of(future));
  return WEFT_OK;
}

static weft_status_t schedule(weft_actor_kit_t* kit) {
  weft_actor_t actor;
  WEFT_RETURN_IF_ERROR(spawn_probe(kit, &probe, &actor));
  const weft_schedule_options_t times = {0, WEFT_MS};
  weft_schedule_t* later;
  WEFT_RETURN_IF_ERROR(weft_send_later(kit->runtime, actor, WEFT_PROBE_NOTE,
                                       WEFT_ARGUMENTS(weft_int64(1)), &times,
                                       &later));
  weft_schedule_release(later);
  return WEFT_OK;
}

typedef struct nested {
  const weft_actor_kit_t* kit;
  weft_actor_t target;
} nested_t;

static weft_status_t call_nested(weft_context_t* context, weft_probe_t* self,
                                 void* user, weft_value_t* out_result) {
  (void)self;
  const nested_t* nested = user;
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(weft_call(weft_context_runtime(context), nested->target,
                                 WEFT_PROBE_ECHO, WEFT_ARGUMENTS(weft_int64(1)),
                                 NULL, &future));
  weft_status_t status =
      weft_future_get(future, WEFT_TIME_INFINITE, out_result);
  weft_future_release(future);
  return status;
}

static weft_status_t call_in_a_call(weft_actor_kit_t* kit) {
  weft_actor_t a;
  weft_actor_t b;
  WEFT_RETURN_IF_ERROR(spawn_probe(kit, &probe, &a));
  WEFT_RETURN_IF_ERROR(spawn_probe(kit, &other, &b));
  nested_t nested = {kit, b};
  weft_probe_act_t act = {call_nested, &nested};
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(weft_probe_do_with(kit, a, &act, NULL, &future));
  return outcome_of(future);
}

static void nothing_is_lost_when_memory_is(void** state) {
  (void)state;
  const deed_fn_t deeds[] = {spawn_and_call, call_held, watch_and_name,
                             schedule, call_in_a_call};
  for (size_t i = 0; i < sizeof(deeds) / sizeof(deeds[0]); i++) {
    sweep_deed(deeds[i]);
  }
}

static weft_status_t create_runtime(const weft_allocator_t* allocator,
                                    void* user, void** out_object) {
  (void)user;
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .simulate = true,
                                          .classes = weft_probe_classes,
                                          .class_count = 2};
  weft_runtime_t* runtime;
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &runtime));
  *out_object = runtime;
  return WEFT_OK;
}

static void destroy_runtime(void* object, void* user) {
  (void)user;
  weft_runtime_destroy(object);
}

static void creating_the_layer_fails_cleanly(void** state) {
  (void)state;
  const weft_kit_creation_t creation = {create_runtime, destroy_runtime, NULL};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(class_tables_that_are_not_sound_are_refused),
      cmocka_unit_test(a_negative_default_timeout_is_refused),
      cmocka_unit_test(endpoints_are_found_by_name),
      cmocka_unit_test(many_classes_are_told_apart),
      cmocka_unit_test(hot_structs_keep_their_size),
      WEFT_ACTOR_TEST(a_stop_ends_all_actors_and_fails_what_waits),
      WEFT_ACTOR_THREADS_TEST(a_stop_ends_all_actors_and_fails_what_waits),
      WEFT_ACTOR_TEST(a_stop_that_takes_too_long_names_who_is_left),
      WEFT_ACTOR_THREADS_TEST(a_stop_that_takes_too_long_names_who_is_left),
      WEFT_ACTOR_THREADS_TEST(a_handler_cannot_stop_its_runtime),
      cmocka_unit_test(a_stop_meets_threads_that_go_on_using_the_runtime),
      cmocka_unit_test(a_stop_meets_calls_that_have_a_deadline),
      cmocka_unit_test(nothing_is_lost_when_memory_is),
      cmocka_unit_test(creating_the_layer_fails_cleanly),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
