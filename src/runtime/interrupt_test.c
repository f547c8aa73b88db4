// SPDX-License-Identifier: Apache-2.0
//
// Ctrl-C in a program that nobody launched: the library handles no signals, so
// it ends at once, and leaves nothing by halves.

#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "kit/kit.h"
#include "sys/sys.h"
#include "weft/weft.h"

// More than the beginning of a trace file: there are events in it.
#define TRACE_BYTES 2000

// Goes on for ever.
static weft_status_t go_round(weft_context_t* context, void* state,
                              const weft_value_t* arguments,
                              weft_value_t* out) {
  (void)state;
  (void)arguments;
  (void)out;
  return weft_send(weft_context_runtime(context), weft_context_self(context), 0,
                   NULL, NULL);
}

static const weft_endpoint_t endpoints[] = {{"go_round", go_round, NULL, 0}};
static const weft_class_t wheel = {"wheel", 1, NULL, NULL, endpoints, 1};

// Two actors are busy; the program waits for what never comes.
static void run_program(const char* trace) {
  static const weft_class_t* const classes[] = {&wheel};
  const weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  weft_runtime_t* runtime = NULL;
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  weft_value_t value;
  (void)setenv("WEFT_TRACE", trace, 1);
  weft_status_t status = weft_runtime_create(&options, &runtime);
  for (int i = 0; i < 2 && status == WEFT_OK; i++) {
    weft_actor_t actor;
    status = weft_spawn(runtime, &wheel, weft_none(), NULL, &actor);
    if (status == WEFT_OK) {
      status = weft_send(runtime, actor, 0, NULL, NULL);
    }
  }
  if (status == WEFT_OK) {
    status = weft_promise_create(runtime, &promise, &future);
  }
  weft_assert(status == WEFT_OK);
  weft_status_release(weft_future_get(future, WEFT_TIME_INFINITE, &value));
}

static void await_events(const char* trace, pid_t process) {
  struct stat file = {.st_size = 0};
  while (file.st_size < TRACE_BYTES) {
    weft_sys_yield();
    assert_int_equal(0, waitpid(process, NULL, WNOHANG));
    if (stat(trace, &file) != 0) {
      file.st_size = 0;
    }
  }
}

// Ends a program by a signal, and looks whether its trace is whole.
static bool is_whole_after_ctrl_c(void) {
  char folder[] = "/tmp/weft-interrupt-XXXXXX";
  char trace[64];
  assert_non_null(mkdtemp(folder));
  (void)snprintf(trace, sizeof(trace), "%s/run.json", folder);
  pid_t process = fork();
  assert_true(process >= 0);
  if (process == 0) {
    (void)signal(SIGINT, SIG_DFL);
    run_program(trace);
    _exit(121);
  }
  await_events(trace, process);
  assert_int_equal(0, kill(process, SIGINT));
  int how = 0;
  while (waitpid(process, &how, 0) < 0) {
    assert_int_equal(EINTR, errno);
  }
  assert_true(WIFSIGNALED(how));
  assert_int_equal(SIGINT, WTERMSIG(how));
  json_error_t error;
  json_t* events = json_load_file(trace, 0, &error);
  bool is_whole = json_is_array(events) && json_array_size(events) > 2;
  json_decref(events);
  (void)unlink(trace);
  (void)rmdir(folder);
  return is_whole;
}

// Nearly always: the kernel may cut a write short where a page ends.
static void ctrl_c_ends_a_program_with_its_trace_whole(void** state) {
  (void)state;
  int whole = 0;
  for (int i = 0; i < 5; i++) {
    whole += is_whole_after_ctrl_c() ? 1 : 0;
  }
  assert_true(whole >= 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(ctrl_c_ends_a_program_with_its_trace_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
