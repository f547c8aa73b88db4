// SPDX-License-Identifier: Apache-2.0
//
// Each crash happens in a process of its own; the test reads what that wrote
// and how it ended.

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/signal.h"
#include "tests/kit/kit.h"

#include "trace/trace_internal.h"

// What the last child wrote to standard error.
static char text[64 * 1024];

static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
#define SIGNAL_COUNT (sizeof(signals) / sizeof(signals[0]))

// No handler of the test program or of a sanitizer, and no core file.
static void become_plain_process(void) {
  for (size_t i = 0; i < SIGNAL_COUNT; ++i) {
    signal(signals[i], SIG_DFL);
  }
  struct rlimit none = {0};
  setrlimit(RLIMIT_CORE, &none);
}

// Runs the body in a child; gives how it ended, and keeps what it wrote.
static int run_child(void (*body)(int number), int number) {
  int pipe_ends[2];
  assert_int_equal(pipe(pipe_ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    become_plain_process();
    dup2(pipe_ends[1], STDERR_FILENO);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    body(number);
    _exit(0);
  }
  close(pipe_ends[1]);
  size_t length = 0;
  ssize_t count = 1;
  while (count > 0) {
    assert_true(length + 1 < sizeof(text));
    count = read(pipe_ends[0], text + length, sizeof(text) - 1 - length);
    length += count > 0 ? (size_t)count : 0;
  }
  text[length] = '\0';
  close(pipe_ends[0]);
  int outcome = 0;
  assert_int_equal(waitpid(child, &outcome, 0), child);
  return outcome;
}

static void assert_killed_by(int number, int outcome) {
  if (!WIFSIGNALED(outcome)) {
    print_error("it ended with %x and wrote: %s\n", (unsigned)outcome, text);
  }
  assert_true(WIFSIGNALED(outcome));
  assert_int_equal(WTERMSIG(outcome), number);
}

static void assert_written(const char* part) {
  if (strstr(text, part) == NULL) {
    print_error("\"%s\" is not in: %s\n", part, text);
  }
  assert_non_null(strstr(text, part));
}

// A process with a runtime of two events, and the handler.
static weft_runtime_t* start_runtime(void) {
  static weft_runtime_t runtime;
  runtime = (weft_runtime_t){
      .allocator = weft_allocator_system(),
      .name = "doomed",
      .size = 1,
  };
  if (weft_trace_create(&runtime, NULL, NULL) != WEFT_OK ||
      weft_crash_handler_install(&runtime) != WEFT_OK) {
    _exit(3);
  }
  weft_trace_thread_t* self = weft_trace_self(&runtime);
  weft_flight_tick(self, 5);
  weft_flight_record(self, WEFT_FLIGHT_HANDLE, "add", 17, 4);
  weft_flight_record(self, WEFT_FLIGHT_SEND, "last words", 1, 2);
  return &runtime;
}

static void crash(int number) {
  start_runtime();
  raise(number);
}

static void test_each_signal_is_reported_and_still_kills(void** state) {
  (void)state;
  for (size_t i = 0; i < SIGNAL_COUNT; ++i) {
    int number = signals[i];
    assert_killed_by(number, run_child(crash, number));
    static const char start[] = "weft: error: ";
    assert_memory_equal(text, start, sizeof(start) - 1);
    assert_written(weft_signal_name(number));
    assert_written("flight recorder of doomed, rank 0 of 1");
    assert_written("  #1 0.000000005 handle add actor=17 message=4\n");
    assert_written("  #2 0.000000005 send last words actor=1 message=2\n");
  }
}

static void crash_by_fault(int number) {
  (void)number;
  start_runtime();
  char* page = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(page, 1, 1);
}

static void test_a_fault_is_reported(void** state) {
  (void)state;
  assert_killed_by(SIGSEGV, run_child(crash_by_fault, 0));
  assert_written("SIGSEGV in thread ");
  assert_written("last words");
}

static void crash_by_abort(int number) {
  (void)number;
  start_runtime();
  abort();
}

static void test_an_abort_is_reported(void** state) {
  (void)state;
  assert_killed_by(SIGABRT, run_child(crash_by_abort, 0));
  assert_written("SIGABRT in thread ");
  assert_written("last words");
}

// Uses the stack up; the result keeps the compiler from making it a loop.
static int use_stack(int depth) {
  // lint-allow volatile: each call needs its own place on the stack.
  volatile char place[1024];
  place[0] = (char)depth;
  return depth < 0 ? 0 : use_stack(depth + 1) + place[0];
}

static void run_deep(void* user) {
  (void)user;
  weft_flight_record(weft_trace_self(user), WEFT_FLIGHT_SEND, "deep", 0, 0);
  (void)use_stack(0);
}

static void crash_by_depth(int number) {
  (void)number;
  weft_runtime_t* runtime = start_runtime();
  weft_sys_thread_t thread;
  if (weft_sys_thread_start(&thread, "diver", run_deep, runtime) == WEFT_OK) {
    weft_sys_thread_join(&thread);
  }
}

static void test_a_stack_that_is_used_up_is_reported(void** state) {
  (void)state;
  assert_killed_by(SIGSEGV, run_child(crash_by_depth, 0));
  assert_written("\"diver\" of process ");
  assert_written("send deep actor=0 message=0");
  assert_written("last words");
}

static void crash_after_removal(int number) {
  weft_crash_handler_remove(start_runtime());
  raise(number);
}

static void crash_after_destruction(int number) {
  weft_trace_destroy(start_runtime());
  raise(number);
}

static void test_without_the_handler_nothing_is_written(void** state) {
  (void)state;
  assert_killed_by(SIGSEGV, run_child(crash_after_removal, SIGSEGV));
  assert_string_equal(text, "");
  assert_killed_by(SIGABRT, run_child(crash_after_destruction, SIGABRT));
  assert_string_equal(text, "");
}

static void install_twice(int number) {
  (void)number;
  weft_runtime_t* first = start_runtime();
  weft_runtime_t second = {
      .allocator = weft_allocator_system(), .name = "second", .size = 1};
  bool is_right = weft_trace_create(&second, NULL, NULL) == WEFT_OK;
  weft_status_code_t refused =
      weft_status_ignore(weft_crash_handler_install(&second));
  is_right = is_right && refused == WEFT_STATUS_ALREADY_EXISTS;
  // Removing what was never installed leaves the first one's in place.
  weft_crash_handler_remove(&second);
  refused = weft_status_ignore(weft_crash_handler_install(&second));
  is_right = is_right && refused == WEFT_STATUS_ALREADY_EXISTS;
  weft_trace_destroy(first);
  is_right = is_right && weft_crash_handler_install(&second) == WEFT_OK;
  weft_trace_destroy(&second);
  _exit(is_right ? 0 : 4);
}

static void test_one_runtime_has_the_handler(void** state) {
  (void)state;
  assert_int_equal(run_child(install_twice, 0), 0);
  assert_string_equal(text, "");
}

int main(void) {
  unsetenv("WEFT_TRACE");
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_each_signal_is_reported_and_still_kills),
      cmocka_unit_test(test_a_fault_is_reported),
      cmocka_unit_test(test_an_abort_is_reported),
      cmocka_unit_test(test_a_stack_that_is_used_up_is_reported),
      cmocka_unit_test(test_without_the_handler_nothing_is_written),
      cmocka_unit_test(test_one_runtime_has_the_handler),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
