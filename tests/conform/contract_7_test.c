// SPDX-License-Identifier: Apache-2.0
//
// Contract 7, as far as it applies in one process: death is noticed at once,
// survivors go on, and a handler that runs long is reported as stuck, never
// taken for dead.

#include <string.h>

#include "conform/stage.h"

enum { WATCHERS = 8 };
#define MS INT64_C(1000000)

// Endpoints.
enum { WATCH, TIE, TOLD, DIE, BLOCK, PING, ENDPOINTS };

typedef struct ward {
  stage_t stage;
  weft_actor_t watchers[WATCHERS];
  weft_actor_t patient;
  latch_t told;
  latch_t blocked;
  latch_t go_on;
  // Notices that named another actor or another reason.
  _Atomic uint32_t wrong;
} ward_t;

static weft_status_t watch(weft_context_t* context, void* state,
                           const weft_value_t* arguments,
                           weft_value_t* out_result) {
  (void)arguments;
  (void)out_result;
  const ward_t* ward = state;
  return weft_context_monitor(context, ward->patient, TOLD);
}

static weft_status_t tie(weft_context_t* context, void* state,
                         const weft_value_t* arguments,
                         weft_value_t* out_result) {
  (void)arguments;
  (void)out_result;
  const ward_t* ward = state;
  return weft_context_link(context, ward->patient);
}

static weft_status_t told(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  ward_t* ward = state;
  weft_actor_t actor = {0};
  weft_status_t reason = WEFT_OK;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &actor));
  WEFT_RETURN_IF_ERROR(weft_value_as_status(arguments[1], &reason));
  bool is_right = weft_actor_equal(actor, ward->patient) &&
                  strcmp(weft_status_message(weft_status_root(reason)),
                         "broken heart") == 0;
  // Relaxed: the latch orders it.
  atomic_fetch_add_explicit(&ward->wrong, is_right ? 0 : 1,
                            memory_order_relaxed);
  latch_count(&ward->told);
  return WEFT_OK;
}

static weft_status_t die(weft_context_t* context, void* state,
                         const weft_value_t* arguments,
                         weft_value_t* out_result) {
  (void)state;
  (void)arguments;
  (void)out_result;
  weft_context_stop(context,
                    weft_status_make(WEFT_STATUS_FAILED, "broken heart"));
  return WEFT_OK;
}

static weft_status_t block(weft_context_t* context, void* state,
                           const weft_value_t* arguments,
                           weft_value_t* out_result) {
  (void)context;
  (void)arguments;
  (void)out_result;
  ward_t* ward = state;
  latch_count(&ward->blocked);
  latch_await(&ward->go_on, 1);
  return WEFT_OK;
}

static weft_status_t ping(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)state;
  (void)arguments;
  *out_result = weft_bool(true);
  return WEFT_OK;
}

static const weft_parameter_t told_parameters[] = {
    {"actor", WEFT_KIND_ACTOR},
    {"reason", WEFT_KIND_STATUS},
};
static const weft_endpoint_t endpoints[ENDPOINTS] = {
    [WATCH] = {"watch", watch, NULL, 0},
    [TIE] = {"tie", tie, NULL, 0},
    [TOLD] = {"told", told, told_parameters, 2},
    [DIE] = {"die", die, NULL, 0},
    [BLOCK] = {"block", block, NULL, 0},
    [PING] = {"ping", ping, NULL, 0},
};
static const weft_class_t ward_class = {
    "ward", 1, stage_init, NULL, endpoints, ENDPOINTS,
};

static void open_ward(ward_t* ward, uint32_t endpoint) {
  memset(ward, 0, sizeof(*ward));
  latch_init(&ward->told);
  latch_init(&ward->blocked);
  latch_init(&ward->go_on);
  stage_open(&ward->stage, &ward_class);
  ward->patient = stage_spawn(&ward->stage, &ward_class, ward, NULL);
  for (uint32_t i = 0; i < WATCHERS; ++i) {
    weft_value_t value = weft_none();
    ward->watchers[i] = stage_spawn(&ward->stage, &ward_class, ward, NULL);
    weft_kit_assert_ok(
        stage_ask(&ward->stage, ward->watchers[i], endpoint, NULL, &value));
    weft_value_release(value);
  }
}

static void close_ward(ward_t* ward) {
  stage_close(&ward->stage);
  latch_deinit(&ward->told);
  latch_deinit(&ward->blocked);
  latch_deinit(&ward->go_on);
}

static void kill_patient(ward_t* ward) {
  weft_kit_assert_ok(
      weft_send(ward->stage.runtime, ward->patient, DIE, NULL, NULL));
}

static void all_who_watch_hear_of_a_death_and_live_on(void** state) {
  (void)state;
  ward_t ward;
  open_ward(&ward, WATCH);
  kill_patient(&ward);
  // Nobody asks: they are told.
  latch_await(&ward.told, WATCHERS);
  assert_int_equal(ward.wrong, 0);
  weft_value_t value = weft_none();
  for (uint32_t i = 0; i < WATCHERS; ++i) {
    weft_kit_assert_ok(
        stage_ask(&ward.stage, ward.watchers[i], PING, NULL, &value));
  }
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      stage_ask(&ward.stage, ward.patient, PING, NULL, &value));
  close_ward(&ward);
}

static void all_who_are_linked_die_of_a_death_with_its_reason(void** state) {
  (void)state;
  ward_t ward;
  open_ward(&ward, TIE);
  weft_future_t* exits[WATCHERS];
  for (uint32_t i = 0; i < WATCHERS; ++i) {
    weft_kit_assert_ok(
        weft_actor_exited(ward.stage.runtime, ward.watchers[i], &exits[i]));
  }
  kill_patient(&ward);
  for (uint32_t i = 0; i < WATCHERS; ++i) {
    weft_value_t value = weft_none();
    weft_status_t status =
        weft_future_get(exits[i], WEFT_TIME_INFINITE, &value);
    assert_string_equal(weft_status_message(weft_status_root(status)),
                        "broken heart");
    weft_status_release(status);
    weft_future_release(exits[i]);
  }
  close_ward(&ward);
}

static void a_handler_that_runs_long_is_named_and_not_taken_for_dead(
    void** state) {
  (void)state;
  ward_t ward;
  open_ward(&ward, WATCH);
  weft_runtime_t* runtime = ward.stage.runtime;
  weft_future_t* reply = NULL;
  weft_kit_assert_ok(
      weft_call(runtime, ward.patient, BLOCK, NULL, NULL, &reply));
  latch_await(&ward.blocked, 1);
  weft_status_t status =
      weft_runtime_stop(runtime, weft_deadline_after(runtime, 5 * MS));
  char text[1024];
  weft_status_format(status, text, sizeof(text));
  assert_non_null(strstr(text, "ward#"));
  weft_kit_assert_status_says(WEFT_STATUS_DEADLINE_EXCEEDED, "block", status);
  assert_false(weft_future_is_done(reply));
  assert_int_equal(ward.told.count, 0);
  latch_count(&ward.go_on);
  // It was alive all the time, and its answer counts.
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  assert_int_equal(stage_code_of(reply), WEFT_STATUS_OK);
  weft_future_release(reply);
  close_ward(&ward);
}

static void after_many_deaths_memory_is_what_it_was(void** state) {
  (void)state;
  ward_t ward;
  open_ward(&ward, WATCH);
  kill_patient(&ward);
  latch_await(&ward.told, WATCHERS);
  size_t bytes = 0;
  for (uint32_t i = 0; i < 400; ++i) {
    weft_future_t* exited = NULL;
    weft_actor_t actor = stage_spawn(&ward.stage, &ward_class, &ward, NULL);
    weft_kit_assert_ok(weft_actor_exited(ward.stage.runtime, actor, &exited));
    weft_kit_assert_ok(weft_send(ward.stage.runtime, actor, DIE, NULL, NULL));
    assert_int_equal(stage_code_of(exited), WEFT_STATUS_FAILED);
    weft_future_release(exited);
    if (i == 200) {
      pthread_mutex_lock(&ward.stage.memory.lock);
      bytes = ward.stage.memory.bytes_in_use;
      pthread_mutex_unlock(&ward.stage.memory.lock);
    }
  }
  pthread_mutex_lock(&ward.stage.memory.lock);
  // Some blocks may be on their way back; 200 actors are more than that.
  assert_true(ward.stage.memory.bytes_in_use < bytes + (size_t)200 * 128);
  pthread_mutex_unlock(&ward.stage.memory.lock);
  close_ward(&ward);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(all_who_watch_hear_of_a_death_and_live_on),
      cmocka_unit_test(all_who_are_linked_die_of_a_death_with_its_reason),
      cmocka_unit_test(
          a_handler_that_runs_long_is_named_and_not_taken_for_dead),
      cmocka_unit_test(after_many_deaths_memory_is_what_it_was),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
