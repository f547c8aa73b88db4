// SPDX-License-Identifier: Apache-2.0
//
// Contract 9, as far as it applies in one process: nothing received is trusted
// or executed. Code goes by name and never by value, what does not fit a
// declaration is refused before a handler sees it, forged handles name nobody,
// and nothing listens.

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conform/stage.h"

enum { FORGERIES = 2000 };

typedef struct gate {
  stage_t stage;
  weft_actor_t actor;
  _Atomic uint32_t runs;
} gate_t;

static weft_status_t take(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  gate_t* gate = state;
  // Relaxed: read when the runtime has stopped.
  atomic_fetch_add_explicit(&gate->runs, 1, memory_order_relaxed);
  *out_result = weft_int64(arguments[0].as.int64);
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {
    {"amount", WEFT_KIND_INT64},
    {"label", WEFT_KIND_STRING},
};
static const weft_endpoint_t endpoints[] = {{"take", take, parameters, 2}};
static const weft_class_t gate_class = {
    "gate", 1, stage_init, NULL, endpoints, 1,
};
// A class that no runtime was given.
static const weft_class_t stranger_class = {
    "stranger", 1, stage_init, NULL, endpoints, 1,
};

static void open_gate(gate_t* gate) {
  memset(gate, 0, sizeof(*gate));
  stage_open(&gate->stage, &gate_class);
  gate->actor = stage_spawn(&gate->stage, &gate_class, gate, NULL);
}

static void close_gate(gate_t* gate, uint32_t runs) {
  weft_kit_assert_ok(
      weft_runtime_stop(gate->stage.runtime, WEFT_TIME_INFINITE));
  assert_int_equal(gate->runs, runs);
  stage_close(&gate->stage);
}

// The status of a call, which is refused at once or fails.
static weft_status_t try_call(gate_t* gate, const weft_arguments_t* arguments) {
  weft_value_t value = weft_none();
  weft_status_t status =
      stage_ask(&gate->stage, gate->actor, 0, arguments, &value);
  weft_value_release(value);
  return status;
}

static void arguments_that_do_not_fit_are_refused_by_name(void** state) {
  (void)state;
  gate_t gate;
  open_gate(&gate);
  weft_value_t text = weft_none();
  weft_kit_assert_ok(
      weft_string_from_c(&gate.stage.memory.allocator, "label", &text));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "amount",
      try_call(&gate, WEFT_ARGUMENTS(weft_float64(1), text)));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "label",
      try_call(&gate, WEFT_ARGUMENTS(weft_int64(1), weft_int64(2))));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "gate.take",
                              try_call(&gate, WEFT_ARGUMENTS(weft_int64(1))));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      try_call(&gate, WEFT_ARGUMENTS(weft_int64(1), text, text)));
  const weft_named_value_t names[] = {{"amount", weft_int64(1)},
                                      {"colour", text}};
  const weft_arguments_t named = {.named = names, .named_count = 2};
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "colour",
                              try_call(&gate, &named));
  weft_kit_assert_ok(try_call(&gate, WEFT_ARGUMENTS(weft_int64(1), text)));
  weft_value_release(text);
  close_gate(&gate, 1);
}

static void a_late_argument_that_does_not_fit_never_reaches_the_handler(
    void** state) {
  (void)state;
  gate_t gate;
  open_gate(&gate);
  weft_promise_t* promise = NULL;
  weft_future_t* late = NULL;
  weft_future_t* reply = NULL;
  weft_value_t text = weft_none();
  weft_kit_assert_ok(
      weft_string_from_c(&gate.stage.memory.allocator, "label", &text));
  weft_kit_assert_ok(weft_promise_create(gate.stage.runtime, &promise, &late));
  weft_kit_assert_ok(weft_call(gate.stage.runtime, gate.actor, 0,
                               WEFT_ARGUMENTS(weft_future_lend(late), text),
                               NULL, &reply));
  weft_kit_assert_ok(weft_promise_set(promise, weft_value_retain(text)));
  weft_value_t value = weft_none();
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "amount",
      weft_future_get(reply, WEFT_TIME_INFINITE, &value));
  weft_promise_release(promise);
  weft_future_release(late);
  weft_future_release(reply);
  weft_value_release(text);
  close_gate(&gate, 0);
}

static void a_class_that_the_runtime_was_not_given_is_not_run(void** state) {
  (void)state;
  gate_t gate;
  open_gate(&gate);
  weft_actor_t actor = {0};
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_spawn(gate.stage.runtime, &stranger_class,
                                    weft_none(), NULL, &actor));
  assert_true(weft_actor_is_none(actor));
  close_gate(&gate, 0);
}

static void an_endpoint_that_is_not_there_is_refused(void** state) {
  (void)state;
  gate_t gate;
  open_gate(&gate);
  const uint32_t numbers[] = {1, 2, 65535, 65536, UINT32_MAX};
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
    weft_kit_assert_status(
        WEFT_STATUS_INVALID_ARGUMENT,
        weft_send(gate.stage.runtime, gate.actor, numbers[i], NULL, NULL));
  }
  close_gate(&gate, 0);
}

// --- Forged handles ---------------------------------------------------------

static weft_actor_t forge(weft_kit_random_t* random, weft_actor_t actor) {
  weft_actor_t forged = actor;
  do {
    uint64_t bits = weft_kit_random_next(random);
    switch (weft_kit_random_below(random, 5)) {
      case 0:
        forged.index = (uint32_t)bits;
        break;
      case 1:
        forged.generation = (uint32_t)bits;
        break;
      case 2:
        forged.rank = (uint16_t)bits;
        break;
      case 3:
        forged.incarnation = (uint16_t)bits;
        break;
      default:
        forged = (weft_actor_t){(uint16_t)bits, (uint16_t)(bits >> 16),
                                (uint32_t)(bits >> 32), 1};
    }
  } while (weft_actor_equal(forged, actor));
  return forged;
}

static void a_forged_handle_names_nobody(void** state) {
  (void)state;
  gate_t gate;
  open_gate(&gate);
  weft_kit_random_t random;
  weft_kit_random_init(&random, 9);
  for (uint32_t i = 0; i < FORGERIES; ++i) {
    weft_actor_t forged = forge(&random, gate.actor);
    weft_future_t* exited = NULL;
    weft_kit_assert_status(
        WEFT_STATUS_NOT_FOUND,
        weft_send(gate.stage.runtime, forged, 0,
                  WEFT_ARGUMENTS(weft_int64(1), weft_none()), NULL));
    weft_kit_assert_status(
        WEFT_STATUS_NOT_FOUND,
        weft_actor_stop(gate.stage.runtime, forged, WEFT_STOP_NOW, WEFT_OK));
    weft_kit_assert_status(
        WEFT_STATUS_NOT_FOUND,
        weft_actor_exited(gate.stage.runtime, forged, &exited));
    assert_null(exited);
  }
  close_gate(&gate, 0);
}

static void an_old_handle_does_not_name_whoever_has_its_place(void** state) {
  (void)state;
  gate_t gate;
  open_gate(&gate);
  weft_actor_t old = gate.actor;
  for (uint32_t i = 0; i < 100; ++i) {
    weft_future_t* exited = NULL;
    weft_kit_assert_ok(
        weft_actor_exited(gate.stage.runtime, gate.actor, &exited));
    weft_kit_assert_ok(weft_actor_stop(gate.stage.runtime, gate.actor,
                                       WEFT_STOP_NOW, WEFT_OK));
    assert_int_equal(stage_code_of(exited), WEFT_STATUS_OK);
    weft_future_release(exited);
    gate.actor = stage_spawn(&gate.stage, &gate_class, &gate, NULL);
    assert_false(weft_actor_equal(gate.actor, old));
    weft_kit_assert_status(
        WEFT_STATUS_NOT_FOUND,
        weft_actor_stop(gate.stage.runtime, old, WEFT_STOP_NOW, WEFT_OK));
  }
  close_gate(&gate, 0);
}

// --- What is foreign --------------------------------------------------------

static void an_object_of_another_type_gives_no_pointer(void** state) {
  (void)state;
  static const weft_opaque_type_t mine = {"thing", NULL};
  static const weft_opaque_type_t twin = {"thing", NULL};
  int thing = 0;
  void* pointer = &thing;
  weft_value_t value = weft_none();
  weft_kit_assert_ok(weft_opaque_create(NULL, &mine, &thing, &value));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_value_as_opaque(value, &twin, &pointer));
  assert_null(pointer);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_value_as_opaque(weft_int64(1), &mine, &pointer));
  assert_null(pointer);
  weft_value_release(value);
}

// How many of this process's descriptors are sockets.
static uint32_t count_sockets(void) {
  uint32_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  assert_non_null(folder);
  const struct dirent* entry;
  while ((entry = readdir(folder)) != NULL) {
    char path[300];
    char target[64] = "";
    snprintf(path, sizeof(path), "/proc/self/fd/%s", entry->d_name);
    ssize_t length = readlink(path, target, sizeof(target) - 1);
    count += length > 0 && strncmp(target, "socket:", 7) == 0 ? 1 : 0;
  }
  closedir(folder);
  return count;
}

static void nothing_listens(void** state) {
  (void)state;
  gate_t gate;
  uint32_t before = count_sockets();
  open_gate(&gate);
  assert_int_equal(count_sockets(), before);
  close_gate(&gate, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(arguments_that_do_not_fit_are_refused_by_name),
      cmocka_unit_test(
          a_late_argument_that_does_not_fit_never_reaches_the_handler),
      cmocka_unit_test(a_class_that_the_runtime_was_not_given_is_not_run),
      cmocka_unit_test(an_endpoint_that_is_not_there_is_refused),
      cmocka_unit_test(a_forged_handle_names_nobody),
      cmocka_unit_test(an_old_handle_does_not_name_whoever_has_its_place),
      cmocka_unit_test(an_object_of_another_type_gives_no_pointer),
      cmocka_unit_test(nothing_listens),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
