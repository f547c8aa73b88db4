// SPDX-License-Identifier: Apache-2.0
//
// The kit must find the faults that it is there for: each is committed here in
// a child, which the kit must end.

#include "kit/kit.h"

#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_CAPACITY 2048

// Fails unless the child ends badly and says `part`.
static void assert_found(void (*fault)(void* user), void* user,
                         const char* part) {
  char output[OUTPUT_CAPACITY];
  weft_kit_ending_t ending =
      weft_kit_run_child(fault, user, output, sizeof(output));
  assert_int_not_equal(ending.signal_number, 0);
  if (strstr(output, part) == NULL) {
    print_error("expected '%s' in: %s\n", part, output);
  }
  assert_non_null(strstr(output, part));
}

// --- Memory -----------------------------------------------------------------

static char* allocate(weft_kit_allocator_t* kit, size_t size_bytes) {
  return kit->allocator.allocate(kit->allocator.self, size_bytes,
                                 alignof(max_align_t));
}

static void give_back(weft_kit_allocator_t* kit, void* block,
                      size_t size_bytes) {
  kit->allocator.free(kit->allocator.self, block, size_bytes);
}

static void leak(void* user) {
  weft_kit_allocator_t* kit = user;
  (void)allocate(kit, 10);
  weft_kit_allocator_check_empty(kit);
}

static void free_with_another_size(void* user) {
  weft_kit_allocator_t* kit = user;
  give_back(kit, allocate(kit, 10), 11);
}

static void write_past_the_end(void* user) {
  weft_kit_allocator_t* kit = user;
  char* block = allocate(kit, 10);
  block[10] = 'x';
  give_back(kit, block, 10);
}

static void the_allocator_finds_misuse(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  assert_found(leak, &kit, "leaked: allocation 0 of 10 bytes");
  assert_found(free_with_another_size, &kit, "freed with another size");
  assert_found(write_past_the_end, &kit, "written past its end");
  weft_kit_allocator_deinit(&kit);
}

static void the_allocator_counts(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  char* a = allocate(&kit, 10);
  char* b = allocate(&kit, 100);
  assert_int_equal(kit.blocks_in_use, 2);
  assert_int_equal(kit.bytes_in_use, 110);
  assert_int_equal(kit.allocations, 2);
  give_back(&kit, a, 10);
  give_back(&kit, b, 100);
  assert_int_equal(kit.blocks_in_use, 0);
  assert_int_equal(kit.bytes_in_use, 0);
  weft_kit_allocator_deinit(&kit);
}

static void the_allocator_aligns(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  for (size_t alignment = alignof(max_align_t); alignment <= 4096;
       alignment *= 2) {
    void* block =
        kit.allocator.allocate(kit.allocator.self, alignment + 1, alignment);
    assert_int_equal((uintptr_t)block % alignment, 0);
    give_back(&kit, block, alignment + 1);
  }
  weft_kit_allocator_deinit(&kit);
}

static void the_allocator_fails_on_demand(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  give_back(&kit, allocate(&kit, 1), 1);
  weft_kit_allocator_fail(&kit, 1, 2);
  const bool expected[] = {true, false, false, true};
  for (size_t i = 0; i < 4; ++i) {
    char* block = allocate(&kit, 1);
    assert_int_equal(block != NULL, expected[i]);
    if (block != NULL) {
      give_back(&kit, block, 1);
    }
  }
  assert_int_equal(kit.failed, 2);
  weft_kit_allocator_deinit(&kit);
}

// --- Sweeps -----------------------------------------------------------------

// Two blocks; `fault` says what is wrong with the way they are made.
typedef enum fault { SOUND, LEAKS, LEAVES_OUTPUT, SAYS_INTERNAL } fault_t;

typedef struct pair {
  const weft_allocator_t* allocator;
  void* second;
} pair_t;

static void free_pair(void* object, void* user) {
  (void)user;
  pair_t* pair = object;
  pair->allocator->free(pair->allocator->self, pair->second, 20);
  pair->allocator->free(pair->allocator->self, pair, sizeof(*pair));
}

static weft_status_t make_pair(const weft_allocator_t* allocator, void* user,
                               void** out_object) {
  fault_t fault = *(fault_t*)user;
  weft_status_code_t code = fault == SAYS_INTERNAL
                                ? WEFT_STATUS_INTERNAL
                                : WEFT_STATUS_RESOURCE_EXHAUSTED;
  pair_t* pair =
      allocator->allocate(allocator->self, sizeof(*pair), alignof(max_align_t));
  if (pair == NULL) {
    return weft_status_make(code, "no first");
  }
  pair->allocator = allocator;
  pair->second = allocator->allocate(allocator->self, 20, alignof(max_align_t));
  if (pair->second != NULL) {
    *out_object = pair;
    return WEFT_OK;
  }
  if (fault != LEAKS) {
    allocator->free(allocator->self, pair, sizeof(*pair));
  }
  *out_object = fault == LEAVES_OUTPUT ? user : NULL;
  return weft_status_make(code, "no second");
}

static void sweep(void* user) {
  weft_kit_sweep(&(weft_kit_creation_t){
      .create = make_pair, .destroy = free_pair, .user = user});
}

static void a_sweep_passes_what_is_sound(void** state) {
  (void)state;
  fault_t fault = SOUND;
  sweep(&fault);
}

static void a_sweep_finds_what_is_not(void** state) {
  (void)state;
  fault_t fault = LEAKS;
  assert_found(sweep, &fault, "leaked: allocation 0");
  fault = LEAVES_OUTPUT;
  assert_found(sweep, &fault, "sweep.c");
  fault = SAYS_INTERNAL;
  assert_found(sweep, &fault, "expected 'resource exhausted', got: internal");
}

// --- Statuses ---------------------------------------------------------------

static void expect_closed(void* user) {
  (void)user;
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         weft_status_make(WEFT_STATUS_FAILED, "burnt"));
}

static void expect_words(void* user) {
  (void)user;
  weft_kit_assert_status_says(WEFT_STATUS_FAILED, "frozen",
                              weft_status_make(WEFT_STATUS_FAILED, "burnt"));
}

static void an_unexpected_status_is_printed(void** state) {
  (void)state;
  assert_found(expect_closed, NULL, "expected 'closed', got: failed: burnt");
  assert_found(expect_words, NULL, "expected to read 'frozen' in: failed");
  weft_kit_assert_status_says(WEFT_STATUS_FAILED, "urn",
                              weft_status_make(WEFT_STATUS_FAILED, "burnt"));
  weft_kit_assert_ok(WEFT_OK);
}

// --- Seeds ------------------------------------------------------------------

static void a_seed_determines_its_numbers(void** state) {
  (void)state;
  weft_kit_random_t a;
  weft_kit_random_t b;
  weft_kit_random_t c;
  weft_kit_random_init(&a, 1);
  weft_kit_random_init(&b, 1);
  weft_kit_random_init(&c, 2);
  uint64_t equal_to_other = 0;
  for (int i = 0; i < 100; ++i) {
    uint64_t number = weft_kit_random_next(&a);
    assert_true(number == weft_kit_random_next(&b));
    equal_to_other += number == weft_kit_random_next(&c) ? 1 : 0;
    assert_true(weft_kit_random_below(&a, 7) < 7);
    (void)weft_kit_random_next(&b);
  }
  assert_int_equal(equal_to_other, 0);
}

static void count_seeds(weft_kit_random_t* random, void* user) {
  (void)random;
  ++*(uint64_t*)user;
}

static void set_variable(const char* name, const char* value) {
  if (value != NULL) {
    (void)setenv(name, value, 1);
  } else {
    (void)unsetenv(name);
  }
}

// What a child of these variables runs of 20 seeds.
typedef struct choice {
  const char* amount;
  const char* part;
  const char* seed;
} choice_t;

static void print_seeds(void* user) {
  const choice_t* choice = user;
  uint64_t count = 0;
  set_variable("WEFT_TEST_AMOUNT", choice->amount);
  set_variable("WEFT_TEST_PART", choice->part);
  set_variable("WEFT_TEST_SEED", choice->seed);
  weft_kit_seeds_t seeds = weft_kit_seeds(20);
  weft_kit_for_some_seeds(20, count_seeds, &count);
  assert_int_equal(count, seeds.count);
  printf("from %d\n", (int)seeds.first);
}

static void assert_seeds(const char* expected, choice_t* choice) {
  char output[200];
  weft_kit_ending_t ending =
      weft_kit_run_child(print_seeds, choice, output, sizeof(output));
  assert_int_equal(ending.exit_status, 0);
  assert_string_equal(output, expected);
}

static void amount_and_part_say_which_seeds_run(void** state) {
  (void)state;
  assert_seeds("amount: count_seeds 20\nfrom 0\n",
               &(choice_t){.amount = "plain"});
  assert_seeds("amount: count_seeds 2\nfrom 0\n",
               &(choice_t){.amount = "sanitizer"});
  assert_seeds("amount: count_seeds 20\nfrom 60\n",
               &(choice_t){.amount = "whole", .part = "3"});
  assert_seeds("amount: count_seeds 1\nfrom 7\n",
               &(choice_t){.amount = "plain", .part = "3", .seed = "7"});
}

static void fail_at_last(weft_kit_random_t* random, void* user) {
  (void)random;
  assert_true(++*(int*)user < 6);
}

static void run_until_failure(void* user) {
  unsetenv("WEFT_TEST_SEED");
  weft_kit_for_some_seeds(1000, fail_at_last, user);
}

static void a_failing_seed_is_printed_with_its_command(void** state) {
  (void)state;
  int count = 0;
  assert_found(run_until_failure, &count,
               "seed 5 failed; repeat it with: WEFT_TEST_SEED=5 ");
}

// --- Threads and children ---------------------------------------------------

static void count_thread(size_t index, void* user) {
  _Atomic uint32_t* seen = user;
  // Relaxed: joining the threads orders it.
  atomic_fetch_or_explicit(seen, 1u << index, memory_order_relaxed);
}

static void threads_have_their_indexes(void** state) {
  (void)state;
  _Atomic uint32_t seen = 0;
  weft_kit_run_threads(5, count_thread, &seen);
  assert_int_equal(atomic_load_explicit(&seen, memory_order_relaxed), 31);
}

static void print_much(void* user) {
  (void)user;
  for (int i = 0; i < 100000; ++i) {
    puts("more than a pipe holds, and than the reader wants");
  }
  fputs("and to standard error", stderr);
}

static void leave_with_status(void* user) {
  exit(*(int*)user);
}

static void a_child_is_read_and_waited_for(void** state) {
  (void)state;
  char output[20];
  weft_kit_ending_t ending =
      weft_kit_run_child(print_much, NULL, output, sizeof(output));
  assert_int_equal(ending.exit_status, 0);
  assert_int_equal(ending.signal_number, 0);
  assert_string_equal(output, "more than a pipe ho");
  int status = 9;
  ending =
      weft_kit_run_child(leave_with_status, &status, output, sizeof(output));
  assert_int_equal(ending.exit_status, 9);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_allocator_finds_misuse),
      cmocka_unit_test(the_allocator_counts),
      cmocka_unit_test(the_allocator_aligns),
      cmocka_unit_test(the_allocator_fails_on_demand),
      cmocka_unit_test(a_sweep_passes_what_is_sound),
      cmocka_unit_test(a_sweep_finds_what_is_not),
      cmocka_unit_test(an_unexpected_status_is_printed),
      cmocka_unit_test(a_seed_determines_its_numbers),
      cmocka_unit_test(amount_and_part_say_which_seeds_run),
      cmocka_unit_test(a_failing_seed_is_printed_with_its_command),
      cmocka_unit_test(threads_have_their_indexes),
      cmocka_unit_test(a_child_is_read_and_waited_for),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
