// SPDX-License-Identifier: Apache-2.0

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/kit.h"
#include "trace/trace_internal.h"

typedef struct fixture {
  weft_runtime_t runtime;
  // Takes dumps.
  FILE* file;
} fixture_t;

static int set_up(void** state) {
  static fixture_t fixture;
  fixture.runtime = (weft_runtime_t){
      .allocator = weft_allocator_system(),
      .name = "unit",
      .rank = 2,
      .size = 5,
  };
  weft_kit_assert_ok(weft_trace_create(&fixture.runtime, NULL, NULL));
  fixture.file = tmpfile();
  assert_non_null(fixture.file);
  *state = &fixture;
  return 0;
}

static int tear_down(void** state) {
  fixture_t* fixture = *state;
  weft_trace_destroy(&fixture->runtime);
  fclose(fixture->file);
  return 0;
}

// Dumps into the file, and puts its read position at its start.
static void dump(fixture_t* fixture) {
  int descriptor = fileno(fixture->file);
  assert_int_equal(ftruncate(descriptor, 0), 0);
  rewind(fixture->file);
  weft_flight_dump(&fixture->runtime, descriptor);
  rewind(fixture->file);
}

static const char* next_line(fixture_t* fixture) {
  static char line[500];
  if (fgets(line, sizeof(line), fixture->file) == NULL) {
    return NULL;
  }
  size_t length = strlen(line);
  assert_true(length > 0 && line[length - 1] == '\n');
  line[length - 1] = '\0';
  return line;
}

static void test_a_dump_names_the_runtime(void** state) {
  fixture_t* fixture = *state;
  dump(fixture);
  const char* line = next_line(fixture);
  static const char start[] = "flight recorder of unit, rank 2 of 5, at ";
  assert_memory_equal(line, start, sizeof(start) - 1);
  assert_null(next_line(fixture));
}

static void test_an_event_is_a_line(void** state) {
  fixture_t* fixture = *state;
  pthread_setname_np(pthread_self(), "main of a test ");
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  weft_flight_tick(self, 1042000000007);
  weft_flight_record(self, WEFT_FLIGHT_HANDLE, "add", 17, 4);
  weft_flight_record(self, WEFT_FLIGHT_TIMER, NULL, 0, UINT64_MAX);
  dump(fixture);
  next_line(fixture);
  char expected[200];
  snprintf(expected, sizeof(expected),
           "thread %u \"main of a test \": 2 of 2 events",
           (unsigned)weft_sys_thread_id());
  assert_string_equal(next_line(fixture), expected);
  assert_string_equal(next_line(fixture),
                      "  #1 1042.000000007 handle add actor=17 message=4");
  assert_string_equal(
      next_line(fixture),
      "  #2 1042.000000007 timer timer=0 due_ns=18446744073709551615");
  assert_null(next_line(fixture));
}

// Reads lines of events that were recorded with their sequence as both
// numbers; gives how many there are and asserts that they are in order.
static uint64_t check_events(fixture_t* fixture, uint64_t first) {
  uint64_t count = 0;
  const char* line = next_line(fixture);
  for (; line != NULL && line[0] == ' '; line = next_line(fixture)) {
    char expected[200];
    unsigned long long sequence = first + count;
    snprintf(expected, sizeof(expected),
             "  #%llu 0.%09llu send step actor=%llu message=%llu", sequence,
             sequence, sequence, sequence);
    assert_string_equal(line, expected);
    ++count;
  }
  return count;
}

static void record(weft_trace_thread_t* self, uint64_t count) {
  for (uint64_t i = 1; i <= count; ++i) {
    weft_flight_tick(self, (int64_t)i);
    weft_flight_record(self, WEFT_FLIGHT_SEND, "step", i, i);
  }
}

static void test_the_last_256_events_are_kept_in_order(void** state) {
  fixture_t* fixture = *state;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  record(self, 1000);
  dump(fixture);
  next_line(fixture);
  assert_non_null(strstr(next_line(fixture), ": 256 of 1000 events"));
  assert_int_equal(check_events(fixture, 745), 256);
}

static void test_fewer_events_are_all_kept(void** state) {
  fixture_t* fixture = *state;
  record(weft_trace_self(&fixture->runtime), 255);
  dump(fixture);
  next_line(fixture);
  assert_non_null(strstr(next_line(fixture), ": 255 of 255 events"));
  assert_int_equal(check_events(fixture, 1), 255);
}

static void test_an_event_that_is_being_written_is_left_out(void** state) {
  fixture_t* fixture = *state;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  record(self, 300);
  // As if the thread had been stopped within the event of sequence 301.
  // Relaxed: there is one thread.
  atomic_store_explicit(&self->flight[301 % WEFT_FLIGHT_EVENTS].sequence, 0,
                        memory_order_relaxed);
  dump(fixture);
  next_line(fixture);
  assert_non_null(strstr(next_line(fixture), ": 256 of 300 events"));
  // The oldest, 45, is gone.
  assert_int_equal(check_events(fixture, 46), 255);
}

static void record_ten(size_t index, void* user) {
  (void)index;
  fixture_t* fixture = user;
  pthread_setname_np(pthread_self(), "ten");
  record(weft_trace_self(&fixture->runtime), 10);
}

static void test_events_of_a_thread_that_ended_are_kept(void** state) {
  fixture_t* fixture = *state;
  weft_kit_run_threads(1, record_ten, fixture);
  dump(fixture);
  next_line(fixture);
  assert_string_equal(next_line(fixture),
                      "thread that ended, \"ten\": 10 of 10 events");
  assert_int_equal(check_events(fixture, 1), 10);
}

static void test_events_of_another_thread_are_not_taken_over(void** state) {
  fixture_t* fixture = *state;
  weft_kit_run_threads(1, record_ten, fixture);
  // Gets the block that the other left.
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  dump(fixture);
  next_line(fixture);
  assert_non_null(strstr(next_line(fixture), ": 0 of 0 events"));
  assert_null(next_line(fixture));
  weft_flight_record(self, WEFT_FLIGHT_HANDLE, "mine", 1, 2);
  dump(fixture);
  next_line(fixture);
  assert_non_null(strstr(next_line(fixture), ": 1 of 1 events"));
  assert_non_null(strstr(next_line(fixture), "handle mine actor=1 message=2"));
}

static void test_a_long_name_is_cut(void** state) {
  fixture_t* fixture = *state;
  char name[1001];
  memset(name, 'x', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  for (uint64_t i = 0; i < 30; ++i) {
    weft_flight_record(self, WEFT_FLIGHT_BLOCK, name, UINT64_MAX, UINT64_MAX);
  }
  dump(fixture);
  next_line(fixture);
  next_line(fixture);
  for (uint64_t i = 0; i < 30; ++i) {
    const char* line = next_line(fixture);
    assert_non_null(strstr(line, "deadline_ns=18446744073709551615"));
    assert_true(strlen(line) < 250);
  }
  assert_null(next_line(fixture));
}

static void test_a_warning_is_recorded(void** state) {
  fixture_t* fixture = *state;
  weft_flight_tick(weft_trace_self(&fixture->runtime), 5);
  setenv("WEFT_LOG", "error", 1);
  weft_warn(&fixture->runtime, weft_status_make(WEFT_STATUS_CLOSED, "late"));
  dump(fixture);
  next_line(fixture);
  next_line(fixture);
  static const char start[] = "  #1 0.000000005 warning closed code=18 line=";
  assert_memory_equal(next_line(fixture), start, sizeof(start) - 1);
}

// --- While threads record ---------------------------------------------------

typedef struct busy {
  fixture_t* fixture;
  _Atomic uint32_t running;
  _Atomic bool is_over;
} busy_t;

// Words of an event that belongs together have the same number in them.
static void* record_all_the_time(void* user) {
  busy_t* busy = user;
  weft_trace_thread_t* self = weft_trace_self(&busy->fixture->runtime);
  // Relaxed: only counts those that run.
  atomic_fetch_add_explicit(&busy->running, 1, memory_order_relaxed);
  // Relaxed: it only ends the loop.
  for (uint64_t i = 1;
       !atomic_load_explicit(&busy->is_over, memory_order_relaxed); ++i) {
    weft_flight_tick(self, (int64_t)i);
    weft_flight_record(self, WEFT_FLIGHT_SEND, "step", i, i);
  }
  return NULL;
}

// Reads the number behind `key`, and moves `line` behind it.
static unsigned long long read_number(const char** line, const char* key) {
  assert_memory_equal(*line, key, strlen(key));
  char* end = NULL;
  unsigned long long number = strtoull(*line + strlen(key), &end, 10);
  assert_true(end != *line + strlen(key));
  *line = end;
  return number;
}

static void check_line(const char* line) {
  unsigned long long sequence = read_number(&line, "  #");
  unsigned long long seconds = read_number(&line, " ");
  unsigned long long rest_ns = read_number(&line, ".");
  assert_int_equal(seconds * 1000000000 + rest_ns, sequence);
  assert_int_equal(read_number(&line, " send step actor="), sequence);
  assert_int_equal(read_number(&line, " message="), sequence);
}

static void test_a_dump_while_threads_record_has_whole_events(void** state) {
  fixture_t* fixture = *state;
  busy_t busy = {.fixture = fixture};
  pthread_t threads[2];
  for (size_t i = 0; i < 2; ++i) {
    assert_int_equal(
        pthread_create(&threads[i], NULL, record_all_the_time, &busy), 0);
  }
  // Relaxed: only counts those that run.
  while (atomic_load_explicit(&busy.running, memory_order_relaxed) < 2) {
    weft_sys_yield();
  }
  uint64_t seen = 0;
  for (uint64_t i = weft_kit_amount(200); i > 0; --i) {
    dump(fixture);
    const char* line = next_line(fixture);
    for (line = next_line(fixture); line != NULL; line = next_line(fixture)) {
      if (line[0] == ' ') {
        check_line(line);
        ++seen;
      }
    }
  }
  // Relaxed: it only ends the loops.
  atomic_store_explicit(&busy.is_over, true, memory_order_relaxed);
  for (size_t i = 0; i < 2; ++i) {
    assert_int_equal(pthread_join(threads[i], NULL), 0);
  }
  assert_true(seen > 0);
}

int main(void) {
  unsetenv("WEFT_TRACE");
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      TEST(test_a_dump_names_the_runtime),
      TEST(test_an_event_is_a_line),
      TEST(test_the_last_256_events_are_kept_in_order),
      TEST(test_fewer_events_are_all_kept),
      TEST(test_an_event_that_is_being_written_is_left_out),
      TEST(test_events_of_a_thread_that_ended_are_kept),
      TEST(test_events_of_another_thread_are_not_taken_over),
      TEST(test_a_long_name_is_cut),
      TEST(test_a_warning_is_recorded),
      TEST(test_a_dump_while_threads_record_has_whole_events),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
