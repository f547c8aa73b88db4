// SPDX-License-Identifier: Apache-2.0

#include "sys/thread_exit.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#include "tests/kit/kit.h"

// Relaxed wherever it is used: threads are joined before it is read.
static _Atomic int ended_count;

static _Thread_local weft_sys_thread_exit_t hooks[3];
static _Thread_local int rounds;

static void count(void) {
  // Relaxed: see the variable.
  atomic_fetch_add_explicit(&ended_count, 1, memory_order_relaxed);
}

// Uses the thread once more after its hook ran.
static void count_twice(void) {
  count();
  if (rounds++ == 0) {
    (void)weft_sys_thread_at_exit(&hooks[2], count_twice);
  }
}

static int count_during(void* (*body)(void*)) {
  // Relaxed: see the variable.
  atomic_store_explicit(&ended_count, 0, memory_order_relaxed);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, body, NULL), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  return atomic_load_explicit(&ended_count, memory_order_relaxed);
}

static void* ask_for_two(void* unused) {
  (void)unused;
  bool is_asked = weft_sys_thread_at_exit(&hooks[0], count) &&
                  weft_sys_thread_at_exit(&hooks[1], count);
  // Asked already.
  is_asked = is_asked && weft_sys_thread_at_exit(&hooks[0], count);
  return is_asked ? NULL : &hooks;
}

static void* ask_again_at_the_end(void* unused) {
  (void)unused;
  (void)weft_sys_thread_at_exit(&hooks[2], count_twice);
  return NULL;
}

static void* ask_for_nothing(void* unused) {
  return unused;
}

static void test_hooks_run_once_when_their_thread_ends(void** state) {
  (void)state;
  assert_int_equal(count_during(ask_for_two), 2);
  assert_int_equal(count_during(ask_for_two), 2);
  assert_int_equal(count_during(ask_for_nothing), 0);
}

static void test_a_hook_may_ask_again(void** state) {
  (void)state;
  assert_int_equal(count_during(ask_again_at_the_end), 2);
}

static void* set_and_read_name(void* result) {
  pthread_setname_np(pthread_self(), "fifteen letters");
  weft_sys_thread_name(result);
  return NULL;
}

static void test_a_thread_knows_its_name(void** state) {
  (void)state;
  char name[WEFT_SYS_THREAD_NAME_CAPACITY];
  memset(name, 'x', sizeof(name));
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, set_and_read_name, name), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_string_equal(name, "fifteen letters");
}

static void* defer_and_read_policy(void* result) {
  weft_sys_thread_defer();
  *(int*)result = sched_getscheduler(0);
  return NULL;
}

static void test_a_thread_defers_to_others(void** state) {
  (void)state;
  int before = sched_getscheduler(0);
  int policy = -1;
  pthread_t thread;
  assert_int_equal(
      pthread_create(&thread, NULL, defer_and_read_policy, &policy), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_int_equal(policy, SCHED_BATCH);
  // Only itself.
  assert_int_equal(sched_getscheduler(0), before);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_hooks_run_once_when_their_thread_ends),
      cmocka_unit_test(test_a_hook_may_ask_again),
      cmocka_unit_test(test_a_thread_knows_its_name),
      cmocka_unit_test(test_a_thread_defers_to_others),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
