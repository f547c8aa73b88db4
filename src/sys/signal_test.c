// SPDX-License-Identifier: Apache-2.0
//
// Every body that ends in a fault runs in a forked child, which begins with
// the handlers of the system.

#include "sys/signal.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/kit.h"
#include "sys/sys.h"

#define OUTPUT_CAPACITY 3072

static void print(const char* text) {
  (void)weft_sys_write(STDOUT_FILENO, text, strlen(text));
}

static void print_signal(void* user, int signal_number) {
  print(user);
  print(" saw ");
  print(weft_signal_name(signal_number));
  print("\n");
}

static char watcher[] = "watcher";

static void install(void) {
  // In a child an assertion would go unnoticed; the text would not be there.
  if (weft_signal_install(print_signal, watcher) == WEFT_OK) {
    print("installed\n");
  }
}

// An address in the first page, where nothing is. Atomic, so that the compiler
// does not foresee the fault.
static _Atomic(int*) nowhere = (int*)16;

static void fault(void) {
  // Relaxed: one thread.
  int* pointer = atomic_load_explicit(&nowhere, memory_order_relaxed);
  *pointer = 1;
}

static weft_kit_ending_t run(void (*body)(void* user), void* user,
                             char output[OUTPUT_CAPACITY]) {
  return weft_kit_run_child(body, user, output, OUTPUT_CAPACITY);
}

static void assert_ended_by(weft_kit_ending_t ending, int signal_number) {
  assert_int_equal(ending.signal_number, signal_number);
}

static size_t count_text(const char* text, const char* part) {
  size_t count = 0;
  for (text = strstr(text, part); text != NULL; text = strstr(text + 1, part)) {
    ++count;
  }
  return count;
}

// --- Faults -----------------------------------------------------------------

static void install_and_raise(void* user) {
  install();
  raise(*(int*)user);
}

static void every_fault_signal_is_seen_and_has_its_effect(void** state) {
  (void)state;
  int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); ++i) {
    char output[OUTPUT_CAPACITY];
    weft_kit_ending_t ending = run(install_and_raise, &numbers[i], output);
    assert_ended_by(ending, numbers[i]);
    char expected[64];
    snprintf(expected, sizeof(expected), "installed\nwatcher saw %s\n",
             weft_signal_name(numbers[i]));
    assert_memory_equal(output, expected, strlen(expected));
  }
}

static void install_and_fault(void* user) {
  (void)user;
  install();
  fault();
}

static void a_real_fault_is_seen_once(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(install_and_fault, NULL, output), SIGSEGV);
  assert_int_equal(count_text(output, "watcher saw SIGSEGV\n"), 1);
}

static void install_and_abort(void* user) {
  (void)user;
  install();
  abort();
}

static void an_abort_is_seen_once(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(install_and_abort, NULL, output), SIGABRT);
  assert_int_equal(count_text(output, "watcher saw SIGABRT\n"), 1);
}

static size_t sink(size_t depth);
// Through a pointer, so that the calls stay calls.
static size_t (*_Atomic descend)(size_t depth) = sink;

static size_t sink(size_t depth) {
  char room[1024];
  memset(room, (int)depth, sizeof(room));
  // Relaxed: one thread.
  size_t (*next)(size_t) = atomic_load_explicit(&descend, memory_order_relaxed);
  return next(depth + 1) + (size_t)room[depth % sizeof(room)];
}

static void install_and_overflow(void* user) {
  (void)user;
  install();
  print(sink(0) == 0 ? "" : " ");
}

static void overflow(void* user) {
  (void)user;
  print(sink(0) == 0 ? "" : " ");
}

static void install_and_overflow_a_thread(void* user) {
  (void)user;
  install();
  weft_sys_thread_t thread;
  weft_status_ignore(weft_sys_thread_start(&thread, "deep", overflow, NULL));
  weft_sys_thread_join(&thread);
}

static void a_stack_that_is_used_up_is_seen(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(install_and_overflow, NULL, output), SIGSEGV);
  assert_non_null(strstr(output, "watcher saw SIGSEGV\n"));
  assert_ended_by(run(install_and_overflow_a_thread, NULL, output), SIGSEGV);
  assert_non_null(strstr(output, "watcher saw SIGSEGV\n"));
}

static void fault_again(void* user, int signal_number) {
  print_signal(user, signal_number);
  fault();
}

static void install_and_fault_twice(void* user) {
  (void)user;
  (void)weft_signal_install(fault_again, watcher);
  raise(SIGFPE);
}

static void a_fault_in_the_callback_ends_the_process(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(install_and_fault_twice, NULL, output), SIGSEGV);
  assert_int_equal(count_text(output, "saw SIGFPE"), 1);
  assert_int_equal(count_text(output, "saw SIGSEGV"), 0);
}

static void fault_on_thread(size_t index, void* user) {
  (void)index;
  (void)user;
  fault();
}

static void install_and_fault_on_threads(void* user) {
  (void)user;
  install();
  weft_kit_run_threads(4, fault_on_thread, NULL);
}

static void threads_that_fault_at_once_do_not_hang(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(install_and_fault_on_threads, NULL, output), SIGSEGV);
  assert_true(count_text(output, "watcher saw SIGSEGV\n") >= 1);
}

// --- Other handlers ---------------------------------------------------------

static void leave(int signal_number, siginfo_t* info, void* context) {
  (void)signal_number;
  (void)context;
  print(info->si_code > 0 ? "left after a fault\n" : "left after a signal\n");
  _exit(3);
}

static void set_handler(int signal_number,
                        void (*handler)(int, siginfo_t*, void*),
                        struct sigaction* out_before) {
  struct sigaction action = {.sa_flags = SA_SIGINFO | SA_NODEFER};
  action.sa_sigaction = handler;
  (void)sigaction(signal_number, &action, out_before);
}

static void handle_then_install(void* user) {
  set_handler(SIGSEGV, leave, NULL);
  install();
  if (user != NULL) {
    raise(SIGSEGV);
  } else {
    fault();
  }
}

static void an_earlier_handler_takes_over(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_int_equal(run(handle_then_install, NULL, output).exit_status, 3);
  assert_string_equal(output,
                      "installed\nwatcher saw SIGSEGV\nleft after a fault\n");
  assert_int_equal(run(handle_then_install, watcher, output).exit_status, 3);
  assert_string_equal(output,
                      "installed\nwatcher saw SIGSEGV\nleft after a signal\n");
}

static void ignore_then_install(void* user) {
  (void)user;
  (void)signal(SIGFPE, SIG_IGN);
  install();
  errno = 77;
  raise(SIGFPE);
  raise(SIGFPE);
  print(errno == 77 ? "went on\n" : "errno is lost\n");
}

static void an_ignored_signal_is_still_ignored(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_int_equal(run(ignore_then_install, NULL, output).signal_number, 0);
  assert_string_equal(output, "installed\nwatcher saw SIGFPE\nwent on\n");
}

static struct sigaction under;

static void print_and_pass_on(int signal_number, siginfo_t* info,
                              void* context) {
  print("on top\n");
  under.sa_sigaction(signal_number, info, context);
}

static void install_below(void* user) {
  install();
  set_handler(SIGSEGV, print_and_pass_on, &under);
  if (user != NULL) {
    weft_signal_remove(watcher);
    // The handler on top would call ours, and ours that one.
    install();
  }
  fault();
}

static void remove_below(void* user) {
  (void)user;
  install();
  set_handler(SIGSEGV, print_and_pass_on, &under);
  weft_signal_remove(watcher);
  fault();
}

static void a_later_handler_may_pass_a_fault_on(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(install_below, NULL, output), SIGSEGV);
  assert_int_equal(count_text(output, "on top\nwatcher saw SIGSEGV\n"), 1);
}

static void a_later_handler_outlives_the_removal(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(remove_below, NULL, output), SIGSEGV);
  assert_int_equal(count_text(output, "on top\n"), 1);
  assert_int_equal(count_text(output, "watcher saw"), 0);
}

static void handlers_do_not_call_each_other_for_ever(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_ended_by(run(install_below, watcher, output), SIGSEGV);
  assert_int_equal(count_text(output, "on top\nwatcher saw SIGSEGV\n"), 1);
}

// --- Install and remove -----------------------------------------------------

static void install_remove_and_raise(void* user) {
  (void)user;
  set_handler(SIGSEGV, leave, NULL);
  install();
  weft_signal_remove(watcher);
  raise(SIGSEGV);
}

static void a_removed_callback_is_not_called(void** state) {
  (void)state;
  char output[OUTPUT_CAPACITY];
  assert_int_equal(run(install_remove_and_raise, NULL, output).exit_status, 3);
  assert_string_equal(output, "installed\nleft after a signal\n");
}

static void one_callback_is_installed_at_a_time(void** state) {
  (void)state;
  char first[] = "first";
  char second[] = "second";
  weft_kit_assert_ok(weft_signal_install(print_signal, first));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_signal_install(print_signal, second));
  // Not the one that is installed.
  weft_signal_remove(second);
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_signal_install(print_signal, second));
  weft_signal_remove(first);
  weft_kit_assert_ok(weft_signal_install(print_signal, second));
  weft_signal_remove(second);
  weft_signal_remove(second);
}

static void removing_puts_everything_back(void** state) {
  (void)state;
  static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  struct sigaction before[5];
  for (size_t i = 0; i < 5; ++i) {
    assert_int_equal(sigaction(numbers[i], NULL, &before[i]), 0);
  }
  weft_kit_assert_ok(weft_signal_install(print_signal, watcher));
  for (size_t i = 0; i < 5; ++i) {
    struct sigaction now;
    assert_int_equal(sigaction(numbers[i], NULL, &now), 0);
    assert_true((now.sa_flags & SA_ONSTACK) != 0);
    assert_true(now.sa_sigaction != before[i].sa_sigaction);
  }
  weft_signal_remove(watcher);
  for (size_t i = 0; i < 5; ++i) {
    struct sigaction now;
    assert_int_equal(sigaction(numbers[i], NULL, &now), 0);
    assert_true(now.sa_sigaction == before[i].sa_sigaction);
    assert_int_equal(now.sa_flags, before[i].sa_flags);
  }
}

static void other_signals_have_a_name_too(void** state) {
  (void)state;
  assert_string_equal(weft_signal_name(SIGSEGV), "SIGSEGV");
  assert_string_equal(weft_signal_name(SIGUSR1), "a signal");
}

static void a_signal_stack_is_there_until_it_is_closed(void** state) {
  (void)state;
  stack_t before;
  assert_int_equal(sigaltstack(NULL, &before), 0);
  stack_t none = {.ss_flags = SS_DISABLE};
  assert_int_equal(sigaltstack(&none, NULL), 0);
  void* stack = weft_signal_stack_open();
  assert_non_null(stack);
  stack_t now;
  assert_int_equal(sigaltstack(NULL, &now), 0);
  assert_ptr_equal(now.ss_sp, stack);
  // A thread needs no second one.
  assert_null(weft_signal_stack_open());
  weft_signal_stack_close(NULL);
  weft_signal_stack_close(stack);
  assert_int_equal(sigaltstack(NULL, &now), 0);
  assert_true((now.ss_flags & SS_DISABLE) != 0);
  assert_int_equal(sigaltstack(&before, NULL), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_fault_signal_is_seen_and_has_its_effect),
      cmocka_unit_test(a_real_fault_is_seen_once),
      cmocka_unit_test(an_abort_is_seen_once),
      cmocka_unit_test(a_stack_that_is_used_up_is_seen),
      cmocka_unit_test(a_fault_in_the_callback_ends_the_process),
      cmocka_unit_test(threads_that_fault_at_once_do_not_hang),
      cmocka_unit_test(an_earlier_handler_takes_over),
      cmocka_unit_test(an_ignored_signal_is_still_ignored),
      cmocka_unit_test(a_later_handler_may_pass_a_fault_on),
      cmocka_unit_test(a_later_handler_outlives_the_removal),
      cmocka_unit_test(handlers_do_not_call_each_other_for_ever),
      cmocka_unit_test(a_removed_callback_is_not_called),
      cmocka_unit_test(one_callback_is_installed_at_a_time),
      cmocka_unit_test(removing_puts_everything_back),
      cmocka_unit_test(other_signals_have_a_name_too),
      cmocka_unit_test(a_signal_stack_is_there_until_it_is_closed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
