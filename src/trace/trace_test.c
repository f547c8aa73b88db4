// SPDX-License-Identifier: Apache-2.0

#include "trace/trace.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/kit.h"
#include "trace/trace_internal.h"

static const weft_counters_t no_counts;

static weft_runtime_t make_runtime(const weft_allocator_t* allocator) {
  return (weft_runtime_t){
      .allocator = allocator,
      .name = "unit",
      .size = 1,
      .incarnation = 1,
  };
}

typedef struct fixture {
  weft_kit_allocator_t kit;
  weft_runtime_t runtime;
} fixture_t;

static int set_up(void** state) {
  static fixture_t fixture;
  weft_kit_allocator_init(&fixture.kit);
  fixture.runtime = make_runtime(&fixture.kit.allocator);
  weft_kit_assert_ok(weft_trace_create(&fixture.runtime, NULL, NULL));
  *state = &fixture;
  return 0;
}

static int tear_down(void** state) {
  fixture_t* fixture = *state;
  weft_trace_destroy(&fixture->runtime);
  weft_kit_allocator_deinit(&fixture->kit);
  return 0;
}

static weft_counters_t counters_of(weft_runtime_t* runtime) {
  weft_counters_t counters;
  memset(&counters, 0xff, sizeof(counters));
  weft_runtime_counters(runtime, &counters);
  return counters;
}

// --- Counters ---------------------------------------------------------------

static void test_counters_start_at_zero(void** state) {
  fixture_t* fixture = *state;
  weft_counters_t counters = counters_of(&fixture->runtime);
  assert_memory_equal(&counters, &no_counts, sizeof(counters));
}

static void test_each_counter_counts_for_itself(void** state) {
  fixture_t* fixture = *state;
  for (int i = 0; i < WEFT_COUNTER_COUNT; ++i) {
    weft_count(&fixture->runtime, (weft_counter_t)i, (uint64_t)i + 1);
    weft_count(&fixture->runtime, (weft_counter_t)i, 100);
  }
  weft_counters_t counters = counters_of(&fixture->runtime);
#define CHECK(identifier, unit, meaning) \
  assert_int_equal(counters.identifier, WEFT_COUNTER_##identifier + 101);
  WEFT_COUNTERS(CHECK)
#undef CHECK
}

static void count_to_1000(size_t index, void* user) {
  fixture_t* fixture = user;
  for (size_t i = 0; i < 1000; ++i) {
    weft_count(&fixture->runtime, WEFT_COUNTER_messages_sent, index);
  }
}

static void test_counts_of_threads_that_ended_are_kept(void** state) {
  fixture_t* fixture = *state;
  weft_kit_run_threads(8, count_to_1000, fixture);
  assert_int_equal(counters_of(&fixture->runtime).messages_sent, 28000);
  weft_kit_run_threads(8, count_to_1000, fixture);
  assert_int_equal(counters_of(&fixture->runtime).messages_sent, 56000);
}

static void test_blocks_of_threads_that_ended_serve_others(void** state) {
  fixture_t* fixture = *state;
  size_t blocks = fixture->kit.blocks_in_use;
  for (int i = 0; i < 50; ++i) {
    weft_kit_run_threads(2, count_to_1000, fixture);
  }
  assert_true(fixture->kit.blocks_in_use <= blocks + 2);
  assert_int_equal(counters_of(&fixture->runtime).messages_sent, 50000);
}

static void find_block(size_t index, void* user) {
  (void)index;
  fixture_t* fixture = user;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  weft_trace_thread_t* again = weft_trace_self(&fixture->runtime);
  weft_trace_count(again, WEFT_COUNTER_waits_blocked, again == self ? 1 : 0);
}

static void test_a_thread_keeps_its_block(void** state) {
  fixture_t* fixture = *state;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  weft_kit_run_threads(4, find_block, fixture);
  assert_int_equal(counters_of(&fixture->runtime).waits_blocked, 4);
  assert_ptr_equal(self, weft_trace_self(&fixture->runtime));
  assert_false(self->is_shared);
}

static void test_a_thread_counts_in_many_runtimes(void** state) {
  fixture_t* fixture = *state;
  enum { COUNT = 3 * WEFT_TRACE_CACHE_SIZE };
  weft_runtime_t runtimes[COUNT];
  for (size_t i = 0; i < COUNT; ++i) {
    runtimes[i] = make_runtime(&fixture->kit.allocator);
    weft_kit_assert_ok(weft_trace_create(&runtimes[i], NULL, NULL));
  }
  for (size_t round = 0; round < 10; ++round) {
    for (size_t i = 0; i < COUNT; ++i) {
      weft_count(&runtimes[i], WEFT_COUNTER_bytes_passed, i);
    }
  }
  for (size_t i = 0; i < COUNT; ++i) {
    assert_int_equal(counters_of(&runtimes[i]).bytes_passed, 10 * i);
    weft_trace_destroy(&runtimes[i]);
  }
}

static void test_a_runtime_in_the_place_of_another_starts_anew(void** state) {
  fixture_t* fixture = *state;
  for (int i = 0; i < 10; ++i) {
    weft_count(&fixture->runtime, WEFT_COUNTER_actors_spawned, 1);
    weft_trace_destroy(&fixture->runtime);
    weft_kit_assert_ok(weft_trace_create(&fixture->runtime, NULL, NULL));
    weft_counters_t counters = counters_of(&fixture->runtime);
    assert_memory_equal(&counters, &no_counts, sizeof(counters));
  }
}

static void test_counting_needs_no_memory(void** state) {
  fixture_t* fixture = *state;
  weft_kit_allocator_fail(&fixture->kit, 0, UINT64_MAX);
  weft_kit_run_threads(4, count_to_1000, fixture);
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  assert_true(self->is_shared);
  weft_flight_tick(self, 1);
  weft_flight_record(self, WEFT_FLIGHT_SEND, "nowhere", 1, 2);
  assert_int_equal(counters_of(&fixture->runtime).messages_sent, 6000);
  weft_kit_allocator_fail(&fixture->kit, 0, 0);
  // With memory again the thread gets a block, and the counts stay.
  assert_false(weft_trace_self(&fixture->runtime)->is_shared);
  assert_int_equal(counters_of(&fixture->runtime).messages_sent, 6000);
}

static void test_counting_without_a_trace_is_harmless(void** state) {
  (void)state;
  weft_runtime_t bare = make_runtime(weft_allocator_system());
  weft_count(&bare, WEFT_COUNTER_messages_sent, 1);
  weft_trace_thread_t* self = weft_trace_self(&bare);
  weft_flight_tick(self, 1);
  weft_flight_record(self, WEFT_FLIGHT_SEND, NULL, 1, 2);
  assert_false(weft_trace_is_on(&bare));
  assert_int_equal(weft_trace_begin(self), 0);
  assert_int_equal(weft_trace_send(self, "add"), 0);
  weft_counters_t counters = counters_of(&bare);
  assert_memory_equal(&counters, &no_counts, sizeof(counters));
  weft_trace_destroy(&bare);
}

// --- Threads that end while a runtime goes ----------------------------------

typedef struct race {
  weft_runtime_t runtime;
  _Atomic bool has_counted;
} race_t;

static void* count_and_end(void* user) {
  race_t* race = user;
  weft_count(&race->runtime, WEFT_COUNTER_messages_sent, 1);
  // Release: pairs with the acquire in the test.
  atomic_store_explicit(&race->has_counted, true, memory_order_release);
  return NULL;
}

static void test_a_thread_may_end_while_the_runtime_goes(void** state) {
  fixture_t* fixture = *state;
  uint64_t rounds = weft_kit_amount(300);
  for (uint64_t i = 0; i < rounds; ++i) {
    race_t race = {.runtime = make_runtime(&fixture->kit.allocator)};
    weft_kit_assert_ok(weft_trace_create(&race.runtime, NULL, NULL));
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, count_and_end, &race), 0);
    // Acquire: pairs with the release of the thread, which now only ends.
    while (!atomic_load_explicit(&race.has_counted, memory_order_acquire)) {
      weft_sys_yield();
    }
    assert_int_equal(counters_of(&race.runtime).messages_sent, 1);
    weft_trace_destroy(&race.runtime);
    assert_int_equal(pthread_join(thread, NULL), 0);
  }
}

// --- Warnings ---------------------------------------------------------------

typedef struct heard {
  int count;
  weft_status_t last;
} heard_t;

static void hear(void* user, weft_status_t warning) {
  heard_t* heard = user;
  ++heard->count;
  weft_status_release(heard->last);
  heard->last = weft_status_retain(warning);
}

static void test_a_warning_reaches_the_callback(void** state) {
  fixture_t* fixture = *state;
  heard_t heard = {0};
  weft_runtime_t runtime = make_runtime(&fixture->kit.allocator);
  weft_kit_assert_ok(weft_trace_create(&runtime, hear, &heard));
  weft_warn(&runtime, WEFT_OK);
  assert_int_equal(heard.count, 0);
  weft_warn(&runtime, weft_status_make(WEFT_STATUS_CLOSED, "too late"));
  assert_int_equal(heard.count, 1);
  weft_kit_assert_status_says(WEFT_STATUS_CLOSED, "too late", heard.last);
  assert_int_equal(counters_of(&runtime).warnings, 1);
  weft_trace_destroy(&runtime);
}

static void test_a_warning_without_callback_is_logged(void** state) {
  fixture_t* fixture = *state;
  int pipe_ends[2];
  assert_int_equal(pipe(pipe_ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    unsetenv("WEFT_LOG");
    dup2(pipe_ends[1], STDERR_FILENO);
    weft_warn(&fixture->runtime,
              weft_status_make(WEFT_STATUS_CLOSED, "too late"));
    _exit(0);
  }
  close(pipe_ends[1]);
  char text[500] = {0};
  assert_true(read(pipe_ends[0], text, sizeof(text) - 1) > 0);
  close(pipe_ends[0]);
  assert_int_equal(waitpid(child, NULL, 0), child);
  static const char start[] = "weft: warning: runtime: closed: too late";
  assert_memory_equal(text, start, sizeof(start) - 1);
}

// --- Creation ---------------------------------------------------------------

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  static weft_runtime_t runtime;
  runtime = make_runtime(allocator);
  heard_t* heard = user;
  weft_status_t status = weft_trace_create(&runtime, hear, heard);
  if (status != WEFT_OK) {
    assert_null(runtime.slots[WEFT_SLOT_TRACE]);
    return status;
  }
  weft_count(&runtime, WEFT_COUNTER_messages_sent, 1);
  assert_int_equal(counters_of(&runtime).messages_sent, 1);
  weft_span_t span = weft_span_begin(&runtime, "step");
  weft_span_end(&span);
  *out_object = &runtime;
  return WEFT_OK;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_trace_destroy(object);
}

static void test_creation_survives_each_lack_of_memory(void** state) {
  (void)state;
  heard_t heard = {0};
  weft_kit_creation_t creation = {create, destroy, &heard};
  weft_kit_sweep(&creation);
  // With a trace file: what cannot be had for it leaves spans off.
  char path[] = "/tmp/weft-trace-XXXXXX";
  int descriptor = mkstemp(path);
  assert_true(descriptor >= 0);
  close(descriptor);
  setenv("WEFT_TRACE", path, 1);
  heard.count = 0;
  weft_kit_sweep(&creation);
  unsetenv("WEFT_TRACE");
  unlink(path);
  assert_true(heard.count > 0);
  weft_status_release(heard.last);
}

static void test_hot_structs_have_their_sizes(void** state) {
  (void)state;
  assert_int_equal(sizeof(weft_flight_event_t), 48);
  // All that an event changes lies in one line, and no counter does.
  assert_true(offsetof(weft_trace_thread_t, is_named) < 64);
  assert_int_equal(offsetof(weft_trace_thread_t, counters), 64);
  assert_true(sizeof(weft_trace_thread_t) <= 256);
  assert_int_equal(sizeof(weft_trace_event_t), 56);
  assert_true(sizeof(weft_trace_chunk_t) <= 65536);
}

int main(void) {
  unsetenv("WEFT_TRACE");
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      TEST(test_counters_start_at_zero),
      TEST(test_each_counter_counts_for_itself),
      TEST(test_counts_of_threads_that_ended_are_kept),
      TEST(test_blocks_of_threads_that_ended_serve_others),
      TEST(test_a_thread_keeps_its_block),
      TEST(test_a_thread_counts_in_many_runtimes),
      TEST(test_a_runtime_in_the_place_of_another_starts_anew),
      TEST(test_counting_needs_no_memory),
      TEST(test_counting_without_a_trace_is_harmless),
      TEST(test_a_thread_may_end_while_the_runtime_goes),
      TEST(test_a_warning_reaches_the_callback),
      TEST(test_a_warning_without_callback_is_logged),
      cmocka_unit_test(test_creation_survives_each_lack_of_memory),
      cmocka_unit_test(test_hot_structs_have_their_sizes),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
