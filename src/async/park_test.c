// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "async/async.h"
#include "base/assert.h"
#include "base/container.h"
#include "base/sanitizer.h"
#include "kit/kit.h"
#include "weft/runtime.h"
#include "weft/trace.h"

#define MS_NS ((int64_t)1000000)

static weft_runtime_t* make_runtime(void) {
  const weft_runtime_options_t options = {.worker_count = 1};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  return runtime;
}

static void a_wake_up_before_the_wait_ends_it_at_once(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime();
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  weft_unpark(&parker);
  // Two wake-ups before the wait are one.
  weft_unpark(&parker);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_NOW));
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_park(&parker, WEFT_TIME_NOW));
  weft_runtime_destroy(runtime);
}

static void a_wait_ends_at_its_deadline_and_not_before(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime();
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  for (int i = 0; i < 3; i++) {
    int64_t deadline_ns = weft_deadline_after(runtime, 2 * MS_NS);
    weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                           weft_park(&parker, deadline_ns));
    assert_true(weft_runtime_now_ns(runtime) >= deadline_ns);
  }
  weft_unpark(&parker);
  weft_kit_assert_ok(weft_park(&parker, weft_deadline_after(runtime, MS_NS)));
  weft_runtime_destroy(runtime);
}

static void a_sleep_is_in_the_flight_recorder(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime();
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  int64_t deadline_ns = weft_deadline_after(runtime, 2 * MS_NS);
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_park(&parker, deadline_ns));
  int file = memfd_create("dump", 0);
  weft_flight_dump(runtime, file);
  weft_runtime_destroy(runtime);
  static char text[1 << 16];
  assert_true(pread(file, text, sizeof(text) - 1, 0) > 0);
  close(file);
  char line[200];
  unsigned long long place = (unsigned long long)(uintptr_t)&parker;
  snprintf(line, sizeof(line), " block parker=%llu deadline_ns=%lld\n", place,
           (long long)deadline_ns);
  const char* block = strstr(text, line);
  assert_non_null(block);
  snprintf(line, sizeof(line), " wake parker=%llu code=%d\n", place,
           WEFT_STATUS_DEADLINE_EXCEEDED);
  assert_non_null(strstr(block, line));
}

// Two threads that wake each other in turn, with deadlines that often pass
// just then.
typedef struct duel {
  weft_runtime_t* runtime;
  weft_parker_t parkers[2];
  weft_kit_random_t randoms[2];
  uint32_t turns[2];
  uint64_t amount;
} duel_t;

static void fight(size_t index, void* user) {
  duel_t* duel = user;
  for (uint64_t i = 0; i < duel->amount; i++) {
    if (index == 1 || i > 0) {
      weft_status_code_t code;
      do {
        int64_t timeout_ns =
            (int64_t)weft_kit_random_below(&duel->randoms[index], 15000);
        code = weft_status_ignore(
            weft_park(&duel->parkers[index],
                      weft_deadline_after(duel->runtime, timeout_ns)));
      } while (code == WEFT_STATUS_DEADLINE_EXCEEDED);
      duel->turns[index] += code == WEFT_STATUS_OK;
    }
    weft_unpark(&duel->parkers[1 - index]);
  }
}

static void no_wake_up_is_lost_to_a_deadline(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime();
  duel_t duel = {.runtime = runtime, .amount = weft_kit_amount(60000)};
  for (uint64_t i = 0; i < 2; i++) {
    weft_parker_init(&duel.parkers[i], runtime);
    weft_kit_random_init(&duel.randoms[i], i);
  }
  weft_kit_run_threads(2, fight, &duel);
  assert_int_equal(duel.amount - 1, duel.turns[0]);
  assert_int_equal(duel.amount, duel.turns[1]);
  weft_runtime_destroy(runtime);
}

// A parker on a stack that is gone as soon as its thread was woken.
typedef struct brief {
  weft_task_t task;
  weft_parker_t* parker;
} brief_t;

static void run_brief(weft_task_t* task) {
  weft_unpark(WEFT_CONTAINER_OF(task, brief_t, task)->parker);
}

static void wait_on_the_stack(weft_runtime_t* runtime) {
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  brief_t brief = {.task.run = run_brief, .parker = &parker};
  weft_executor_post(weft_runtime_executor(runtime), &brief.task);
  weft_kit_assert_ok(weft_park(&parker, WEFT_TIME_INFINITE));
  memset(&parker, 0xff, sizeof(parker));
}

static void a_parker_may_go_once_its_thread_is_awake(void** state) {
  (void)state;
  weft_runtime_t* runtime = make_runtime();
  for (uint64_t i = 0; i < weft_kit_amount(2000); i++) {
    wait_on_the_stack(runtime);
  }
  weft_runtime_destroy(runtime);
}

static void wait_in_child(void* user) {
  weft_runtime_t* runtime = user;
  weft_parker_t parker;
  weft_parker_init(&parker, runtime);
  weft_status_code_t code =
      weft_status_ignore(weft_park(&parker, WEFT_TIME_INFINITE));
  weft_assert(code == WEFT_STATUS_FORKED);
}

static void a_wait_in_a_forked_child_fails(void** state) {
  (void)state;
  if (WEFT_SANITIZER) {
    // A sanitizer's own locks do not survive a fork beside other threads.
    skip();
  }
  weft_runtime_t* runtime = make_runtime();
  char output[1000];
  weft_kit_ending_t ending =
      weft_kit_run_child(wait_in_child, runtime, output, sizeof(output));
  assert_int_equal(0, ending.exit_status);
  assert_int_equal(0, ending.signal_number);
  weft_runtime_destroy(runtime);
}

#define LIMIT_NS 10000

static void spinning_is_given_up_when_waits_are_long(void** state) {
  (void)state;
  weft_spin_t spin = {.score = WEFT_SPIN_SCORE_ENOUGH};
  assert_true(weft_spin_pays(&spin));
  // A spin in vain, then waits that were long from the beginning.
  weft_spin_learn(&spin, true, 0, LIMIT_NS);
  assert_false(weft_spin_pays(&spin));
  weft_spin_learn(&spin, false, 2 * LIMIT_NS + 1, LIMIT_NS);
  weft_spin_learn(&spin, false, 2 * LIMIT_NS + 1, LIMIT_NS);
  assert_int_equal(0, spin.score);
  for (int i = 0; i < WEFT_SPIN_SCORE_ENOUGH; i++) {
    assert_false(weft_spin_pays(&spin));
    weft_spin_learn(&spin, false, 0, LIMIT_NS);
  }
  assert_true(weft_spin_pays(&spin));
  for (int i = 0; i < 100; i++) {
    weft_spin_learn(&spin, false, 0, LIMIT_NS);
  }
  assert_int_equal(WEFT_SPIN_SCORE_LIMIT, spin.score);
}

static void two_that_sleep_for_each_other_begin_to_spin(void** state) {
  (void)state;
  const int64_t wakes_ns[] = {1000, 7000, 26000, 38000};
  for (size_t i = 0; i < sizeof(wakes_ns) / sizeof(wakes_ns[0]); i++) {
    int64_t limit_ns = weft_spin_limit_ns(wakes_ns[i]);
    weft_spin_t spin = {.score = 0};
    // The other is woken, answers, and wakes this one.
    for (int j = 0; j < WEFT_SPIN_SCORE_ENOUGH; j++) {
      weft_spin_learn(&spin, false, 2 * wakes_ns[i] + 1000, limit_ns);
    }
    assert_true(weft_spin_pays(&spin));
    // Then the other is woken, and answers who spins.
    assert_true(wakes_ns[i] + 1000 <= limit_ns);
  }
}

static void no_spin_is_longer_than_its_bound(void** state) {
  (void)state;
  assert_int_equal(WEFT_SPIN_LEAST_NS, weft_spin_limit_ns(0));
  assert_int_equal(WEFT_SPIN_MOST_NS, weft_spin_limit_ns(INT64_C(1000000000)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_wake_up_before_the_wait_ends_it_at_once),
      cmocka_unit_test(a_wait_ends_at_its_deadline_and_not_before),
      cmocka_unit_test(a_sleep_is_in_the_flight_recorder),
      cmocka_unit_test(no_wake_up_is_lost_to_a_deadline),
      cmocka_unit_test(a_parker_may_go_once_its_thread_is_awake),
      cmocka_unit_test(a_wait_in_a_forked_child_fails),
      cmocka_unit_test(spinning_is_given_up_when_waits_are_long),
      cmocka_unit_test(two_that_sleep_for_each_other_begin_to_spin),
      cmocka_unit_test(no_spin_is_longer_than_its_bound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
