// SPDX-License-Identifier: Apache-2.0
//
// What the log says of a program. Each test runs one in a child, since levels
// are read once a process; so the parent logs nothing.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "kit/kit.h"
#include "weft/weft.h"

enum { ASK, ANSWER };

// Waits for the other actor, which the only worker has no time for meanwhile.
static weft_status_t ask(weft_context_t* context, void* state,
                         const weft_value_t* arguments, weft_value_t* out) {
  (void)state;
  weft_runtime_t* runtime = weft_context_runtime(context);
  weft_actor_t other;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &other));
  weft_future_t* reply;
  WEFT_RETURN_IF_ERROR(weft_call(runtime, other, ANSWER, NULL, NULL, &reply));
  weft_status_t status = weft_future_get(reply, WEFT_TIME_INFINITE, out);
  weft_future_release(reply);
  return status;
}

static weft_status_t answer(weft_context_t* context, void* state,
                            const weft_value_t* arguments, weft_value_t* out) {
  (void)context;
  (void)state;
  (void)arguments;
  *out = weft_int64(42);
  return WEFT_OK;
}

static const weft_parameter_t other_reader = {"other", WEFT_KIND_ACTOR};
static const weft_endpoint_t endpoints[] = {
    [ASK] = {"ask", ask, &other_reader, 1},
    [ANSWER] = {"answer", answer, NULL, 0},
};
static const weft_class_t reader = {"reader", 1, NULL, NULL, endpoints, 2};

static void wait_for(weft_future_t* future) {
  weft_status_t status = weft_future_wait(future, WEFT_TIME_INFINITE);
  weft_assert(status == WEFT_OK);
  weft_future_release(future);
}

// One actor asks another; a third ends with an error.
static weft_status_t act(weft_runtime_t* runtime) {
  weft_actor_t readers[3];
  for (int i = 0; i < 3; i++) {
    WEFT_RETURN_IF_ERROR(
        weft_spawn(runtime, &reader, weft_none(), NULL, &readers[i]));
  }
  weft_future_t* future;
  WEFT_RETURN_IF_ERROR(weft_call(runtime, readers[0], ASK,
                                 WEFT_ARGUMENTS(weft_actor_value(readers[1])),
                                 NULL, &future));
  wait_for(future);
  WEFT_RETURN_IF_ERROR(weft_actor_exited(runtime, readers[2], &future));
  WEFT_RETURN_IF_ERROR(
      weft_actor_stop(runtime, readers[2], WEFT_STOP_NOW,
                      weft_status_make(WEFT_STATUS_DATA_LOSS, "torn tape")));
  wait_for(future);
  return WEFT_OK;
}

static void run(void* user) {
  const char* setting = user;
  if (setting != NULL) {
    setenv("WEFT_LOG", setting, 1);
  } else {
    unsetenv("WEFT_LOG");
  }
  unsetenv("WEFT_LOG_FORMAT");
  static const weft_class_t* const classes[] = {&reader};
  const weft_runtime_options_t options = {
      .name = "unit", .worker_count = 1, .classes = classes, .class_count = 1};
  weft_runtime_t* runtime;
  weft_status_t status = weft_runtime_create(&options, &runtime);
  weft_assert(status == WEFT_OK);
  status = act(runtime);
  weft_assert(status == WEFT_OK);
  weft_runtime_destroy(runtime);
}

static char output[10000];

static void run_child(const char* setting) {
  weft_kit_ending_t ending = weft_kit_run_child(run, (void*)(uintptr_t)setting,
                                                output, sizeof(output));
  assert_int_equal(ending.exit_status, 0);
  assert_int_equal(ending.signal_number, 0);
}

static void nothing_is_said_by_default(void** state) {
  (void)state;
  run_child(NULL);
  assert_string_equal(output, "");
}

// Lines of the output that begin so.
static size_t count(const char* beginning) {
  size_t found = 0;
  const char* line = output;
  while (line[0] != '\0') {
    found += strncmp(line, beginning, strlen(beginning)) == 0;
    line += strcspn(line, "\n");
    line += line[0] == '\n' ? 1 : 0;
  }
  return found;
}

static void info_tells_of_runtimes_and_errors(void** state) {
  (void)state;
  run_child("info");
  assert_int_equal(
      count("weft: info: runtime: unit started: workers: 1, classes: 1"), 1);
  assert_int_equal(count("weft: info: runtime: unit stopped"), 1);
  assert_int_equal(
      count("weft: info: actor: reader#2 exited: data loss: torn tape"), 1);
  assert_int_equal(count("weft:"), 3);
}

static void debug_tells_of_actors_and_spare_threads(void** state) {
  (void)state;
  run_child("error,actor=debug");
  assert_int_equal(count("weft: debug: actor: reader#0 spawned"), 1);
  assert_int_equal(count("weft: debug: actor: reader#1 spawned"), 1);
  assert_int_equal(count("weft: debug: actor: reader#2 spawned"), 1);
  assert_int_equal(count("weft: debug: actor: reader#0 exited: closed"), 1);
  assert_int_equal(count("weft: debug: actor: reader#1 exited: closed"), 1);
  assert_int_equal(count("weft: info: actor: reader#2 exited: data loss"), 1);
  assert_int_equal(count("weft:"), 6);
  run_child("error,async=debug");
  assert_string_equal(output,
                      "weft: debug: async: a spare thread stands in for a task "
                      "that waits\n");
}

static void the_file_of_spans_is_named(void** state) {
  (void)state;
  char folder[] = "/tmp/weft-events-XXXXXX";
  assert_non_null(mkdtemp(folder));
  char path[60];
  char line[100];
  snprintf(path, sizeof(path), "%s/run.json", folder);
  snprintf(line, sizeof(line), "weft: info: trace: spans go to %s\n", path);
  setenv("WEFT_TRACE", path, 1);
  run_child("error,trace=info");
  unsetenv("WEFT_TRACE");
  assert_string_equal(output, line);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(folder), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_said_by_default),
      cmocka_unit_test(info_tells_of_runtimes_and_errors),
      cmocka_unit_test(debug_tells_of_actors_and_spare_threads),
      cmocka_unit_test(the_file_of_spans_is_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
