// SPDX-License-Identifier: Apache-2.0

#include "sys/membarrier.h"

#include <stdint.h>

#include "kit/kit.h"
#include "sys/sys.h"

#define ROUND_COUNT 20000u

// Two threads meet in rounds; in each, both write a word and read the other's.
typedef struct meeting {
  _Alignas(64) _Atomic uint32_t arrived;
  _Alignas(64) _Atomic uint32_t words[2][ROUND_COUNT];
  uint32_t seen[2][ROUND_COUNT];
} meeting_t;

static void meet(meeting_t* meeting, uint32_t round) {
  // Acquire-release, and acquire below: the rounds follow each other.
  atomic_fetch_add_explicit(&meeting->arrived, 1, memory_order_acq_rel);
  while (atomic_load_explicit(&meeting->arrived, memory_order_acquire) <
         2 * (round + 1)) {
    weft_sys_yield();
  }
}

static void write_and_look(size_t index, void* user) {
  meeting_t* meeting = user;
  for (uint32_t i = 0; i < ROUND_COUNT; ++i) {
    meet(meeting, i);
    // Relaxed, both: the barrier in between is what is tested.
    atomic_store_explicit(&meeting->words[index][i], 1, memory_order_relaxed);
    if (index == 0) {
      weft_membarrier_light();
    } else {
      weft_membarrier_heavy();
    }
    meeting->seen[index][i] = atomic_load_explicit(
        &meeting->words[1 - index][i], memory_order_relaxed);
  }
}

static void one_of_two_threads_sees_the_other(void** state) {
  (void)state;
  if (!weft_membarrier_open()) {
    skip();
  }
  static meeting_t meeting;
  weft_kit_run_threads(2, write_and_look, &meeting);
  for (uint32_t i = 0; i < ROUND_COUNT; ++i) {
    assert_true(meeting.seen[0][i] == 1 || meeting.seen[1][i] == 1);
  }
}

static void use_barrier(void* user) {
  (void)user;
  weft_membarrier_heavy();
}

static void a_forked_child_has_its_barriers(void** state) {
  (void)state;
  if (!weft_membarrier_open()) {
    skip();
  }
  char output[256];
  weft_kit_ending_t ending =
      weft_kit_run_child(use_barrier, NULL, output, sizeof(output));
  assert_string_equal(output, "");
  assert_int_equal(ending.exit_status, 0);
  assert_int_equal(ending.signal_number, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_of_two_threads_sees_the_other),
      cmocka_unit_test(a_forked_child_has_its_barriers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
