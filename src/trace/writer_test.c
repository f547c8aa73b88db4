// SPDX-License-Identifier: Apache-2.0
//
// The trace file when things go wrong: no memory, no room, no file, an early
// end, two writers of one name.

#include "trace/writer.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/kit.h"
#include "trace/trace_internal.h"

#define PATH_CAPACITY 200

typedef struct fixture {
  weft_kit_allocator_t kit;
  char folder[PATH_CAPACITY];
  // The last warning.
  weft_status_t warning;
} fixture_t;

static int set_up(void** state) {
  static fixture_t fixture;
  fixture = (fixture_t){.folder = "/tmp/weft-writer-XXXXXX"};
  weft_kit_allocator_init(&fixture.kit);
  assert_non_null(mkdtemp(fixture.folder));
  *state = &fixture;
  return 0;
}

static int tear_down(void** state) {
  fixture_t* fixture = *state;
  unsetenv("WEFT_TRACE");
  assert_int_equal(rmdir(fixture->folder), 0);
  weft_status_release(fixture->warning);
  weft_kit_allocator_deinit(&fixture->kit);
  return 0;
}

static void hear(void* user, weft_status_t warning) {
  fixture_t* fixture = user;
  weft_status_release(fixture->warning);
  fixture->warning = weft_status_retain(warning);
}

// The warning that was given; there is none afterwards.
static weft_status_t take_warning(fixture_t* fixture) {
  weft_status_t warning = fixture->warning;
  fixture->warning = WEFT_OK;
  return warning;
}

static const char* path_of(const fixture_t* fixture, const char* name) {
  static char path[PATH_CAPACITY];
  snprintf(path, sizeof(path), "%.100s/%s", fixture->folder, name);
  return path;
}

// Starts a runtime that traces into a file of that name.
static void start(fixture_t* fixture, weft_runtime_t* runtime,
                  const char* name) {
  setenv("WEFT_TRACE", path_of(fixture, name), 1);
  *runtime = (weft_runtime_t){
      .allocator = &fixture->kit.allocator, .name = "unit", .size = 1};
  weft_kit_assert_ok(weft_trace_create(runtime, hear, fixture));
}

static void trace(weft_runtime_t* runtime, const char* name, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    weft_span_t span = weft_span_begin(runtime, name);
    weft_span_end(&span);
  }
}

// How many slices of a name the file has; it must be whole JSON.
static size_t count_slices(const fixture_t* fixture, const char* file,
                           const char* name) {
  json_error_t error;
  json_t* events = json_load_file(path_of(fixture, file), 0, &error);
  if (events == NULL) {
    print_error("%s, line %d: %s\n", file, error.line, error.text);
  }
  assert_true(json_is_array(events));
  size_t count = 0;
  size_t index = 0;
  const json_t* event = NULL;
  json_array_foreach(events, index, event) {
    const char* text = json_string_value(json_object_get(event, "name"));
    count += text != NULL && strcmp(text, name) == 0 ? 1 : 0;
  }
  json_decref(events);
  return count;
}

static void remove_file(const fixture_t* fixture, const char* file) {
  assert_int_equal(unlink(path_of(fixture, file)), 0);
}

static uint64_t dropped_by(weft_runtime_t* runtime) {
  weft_counters_t counters;
  weft_runtime_counters(runtime, &counters);
  return counters.trace_dropped;
}

// --- The name ---------------------------------------------------------------

static void test_without_the_variable_nothing_is_written(void** state) {
  fixture_t* fixture = *state;
  static const char* const values[] = {NULL, ""};
  for (size_t i = 0; i < 2; ++i) {
    weft_runtime_t runtime = {
        .allocator = &fixture->kit.allocator, .name = "unit", .size = 1};
    unsetenv("WEFT_TRACE");
    if (values[i] != NULL) {
      setenv("WEFT_TRACE", values[i], 1);
    }
    weft_kit_assert_ok(weft_trace_create(&runtime, hear, fixture));
    assert_false(weft_trace_is_on(&runtime));
    weft_trace_thread_t* self = weft_trace_self(&runtime);
    trace(&runtime, "step", 10);
    assert_int_equal(weft_trace_begin(self), 0);
    assert_int_equal(weft_trace_send(self, "add"), 0);
    weft_trace_handler(self, &(weft_trace_handler_t){.endpoint = "add"});
    // The block of the thread, and no chunk.
    assert_int_equal(fixture->kit.blocks_in_use, 2);
    weft_trace_destroy(&runtime);
    assert_int_equal(fixture->warning, WEFT_OK);
  }
}

static void test_two_runtimes_write_two_files(void** state) {
  fixture_t* fixture = *state;
  weft_runtime_t runtimes[3];
  for (size_t i = 0; i < 3; ++i) {
    start(fixture, &runtimes[i], "run.json");
    trace(&runtimes[i], "step", i + 1);
  }
  for (size_t i = 0; i < 3; ++i) {
    weft_trace_destroy(&runtimes[i]);
  }
  assert_int_equal(count_slices(fixture, "run.json", "step"), 1);
  assert_int_equal(count_slices(fixture, "run.2.json", "step"), 2);
  assert_int_equal(count_slices(fixture, "run.3.json", "step"), 3);
  remove_file(fixture, "run.json");
  remove_file(fixture, "run.2.json");
  remove_file(fixture, "run.3.json");
}

static void test_a_name_without_extension_gets_its_number_last(void** state) {
  fixture_t* fixture = *state;
  static const char* const names[][2] = {
      {"run", "run.2"}, {".run", ".run.2"}, {"a.b.json", "a.b.2.json"}};
  for (size_t i = 0; i < 3; ++i) {
    weft_runtime_t runtimes[2];
    start(fixture, &runtimes[0], names[i][0]);
    start(fixture, &runtimes[1], names[i][0]);
    weft_trace_destroy(&runtimes[0]);
    weft_trace_destroy(&runtimes[1]);
    remove_file(fixture, names[i][0]);
    remove_file(fixture, names[i][1]);
  }
}

static void test_a_later_run_writes_over_the_file(void** state) {
  fixture_t* fixture = *state;
  weft_runtime_t runtime;
  start(fixture, &runtime, "run.json");
  trace(&runtime, "long", 500);
  weft_trace_destroy(&runtime);
  start(fixture, &runtime, "run.json");
  trace(&runtime, "short", 1);
  weft_trace_destroy(&runtime);
  assert_int_equal(count_slices(fixture, "run.json", "long"), 0);
  assert_int_equal(count_slices(fixture, "run.json", "short"), 1);
  remove_file(fixture, "run.json");
}

// A program goes on without spans, warned.
static void check_refused(fixture_t* fixture, const char* name) {
  weft_runtime_t runtime;
  start(fixture, &runtime, name);
  assert_false(weft_trace_is_on(&runtime));
  trace(&runtime, "step", 1);
  weft_trace_destroy(&runtime);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, name,
                              take_warning(fixture));
}

static void test_a_file_that_cannot_be_had_is_a_warning(void** state) {
  fixture_t* fixture = *state;
  check_refused(fixture, "no/such/folder.json");
  check_refused(fixture, "");
  // Nobody reads the pipe: opening it must not wait.
  assert_int_equal(mkfifo(path_of(fixture, "pipe"), 0600), 0);
  check_refused(fixture, "pipe");
  remove_file(fixture, "pipe");
}

// --- Amounts ----------------------------------------------------------------

static void test_more_events_than_a_chunk_are_all_written(void** state) {
  fixture_t* fixture = *state;
  static const size_t counts[] = {
      1,
      WEFT_TRACE_CHUNK_EVENTS - 2,
      WEFT_TRACE_CHUNK_EVENTS - 1,
      WEFT_TRACE_CHUNK_EVENTS,
      20 * WEFT_TRACE_CHUNK_EVENTS + 7,
  };
  for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); ++i) {
    weft_runtime_t runtime;
    start(fixture, &runtime, "run.json");
    trace(&runtime, "step", counts[i]);
    assert_int_equal(dropped_by(&runtime), 0);
    weft_trace_destroy(&runtime);
    assert_int_equal(count_slices(fixture, "run.json", "step"), counts[i]);
    assert_int_equal(count_slices(fixture, "run.json", "thread_name"), 1);
  }
  remove_file(fixture, "run.json");
}

static void test_long_names_are_cut_and_fit(void** state) {
  fixture_t* fixture = *state;
  static char name[2000];
  // Six bytes each when escaped.
  memset(name, '\x01', sizeof(name) - 1);
  weft_runtime_t runtime;
  start(fixture, &runtime, "run.json");
  weft_trace_thread_t* self = weft_trace_self(&runtime);
  trace(&runtime, name, 100);
  for (int i = 0; i < 100; ++i) {
    weft_trace_handler(self,
                       &(weft_trace_handler_t){.class_name = name,
                                               .endpoint = name,
                                               .index = UINT64_MAX,
                                               .flow = UINT64_MAX,
                                               .start_ns = INT64_MIN / 2});
    (void)weft_trace_send(self, name);
  }
  weft_trace_destroy(&runtime);
  name[200] = '\0';
  assert_int_equal(count_slices(fixture, "run.json", name), 100);
  remove_file(fixture, "run.json");
}

static void test_without_memory_events_are_dropped_and_counted(void** state) {
  fixture_t* fixture = *state;
  weft_runtime_t runtime;
  start(fixture, &runtime, "run.json");
  (void)weft_trace_self(&runtime);
  weft_kit_allocator_fail(&fixture->kit, 0, UINT64_MAX);
  trace(&runtime, "lost", 5);
  assert_int_equal(dropped_by(&runtime), 5);
  weft_kit_allocator_fail(&fixture->kit, 0, 0);
  trace(&runtime, "kept", 3);
  assert_int_equal(dropped_by(&runtime), 5);
  weft_trace_destroy(&runtime);
  assert_int_equal(count_slices(fixture, "run.json", "lost"), 0);
  assert_int_equal(count_slices(fixture, "run.json", "kept"), 3);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "lacks 5 events",
                              take_warning(fixture));
  remove_file(fixture, "run.json");
}

static void test_chunks_that_wait_are_bounded(void** state) {
  fixture_t* fixture = *state;
  weft_runtime_t runtime;
  start(fixture, &runtime, "run.json");
  weft_trace_writer_t* writer = weft_trace_state(&runtime)->writer;
  static weft_trace_chunk_t* chunks[WEFT_TRACE_CHUNK_LIMIT];
  for (size_t i = 0; i < WEFT_TRACE_CHUNK_LIMIT; ++i) {
    chunks[i] = weft_trace_writer_exchange(writer, NULL, 1);
    assert_non_null(chunks[i]);
  }
  assert_null(weft_trace_writer_exchange(writer, NULL, 1));
  trace(&runtime, "lost", 1);
  assert_int_equal(dropped_by(&runtime), 1);
  for (size_t i = 0; i < WEFT_TRACE_CHUNK_LIMIT; ++i) {
    assert_null(weft_trace_writer_exchange(writer, chunks[i], 0));
  }
  weft_trace_destroy(&runtime);
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, take_warning(fixture));
  remove_file(fixture, "run.json");
}

// --- An end before the end --------------------------------------------------

static void limit_file_size(rlim_t limit) {
  struct rlimit file_size;
  assert_int_equal(getrlimit(RLIMIT_FSIZE, &file_size), 0);
  file_size.rlim_cur = limit;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &file_size), 0);
}

static void test_a_full_disk_leaves_a_whole_file(void** state) {
  fixture_t* fixture = *state;
  // Otherwise the limit ends the process.
  signal(SIGXFSZ, SIG_IGN);
  weft_runtime_t runtime;
  start(fixture, &runtime, "run.json");
  limit_file_size(100000);
  const size_t count = (size_t)10 * WEFT_TRACE_CHUNK_EVENTS;
  trace(&runtime, "step", count);
  weft_trace_destroy(&runtime);
  limit_file_size(RLIM_INFINITY);
  // The last warning tells how many are missing.
  weft_status_t warning = take_warning(fixture);
  static const char before[] = "lacks ";
  const char* text = strstr(weft_status_message(warning), before);
  assert_non_null(text);
  unsigned long long lost = strtoull(text + sizeof(before) - 1, NULL, 10);
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, warning);
  size_t kept = count_slices(fixture, "run.json", "step");
  assert_true(kept > 0);
  // The thread's name is an event, too.
  kept += count_slices(fixture, "run.json", "thread_name");
  assert_int_equal(kept + lost, count + 1);
  remove_file(fixture, "run.json");
}

static void test_a_file_that_takes_nothing_is_a_warning(void** state) {
  fixture_t* fixture = *state;
  signal(SIGXFSZ, SIG_IGN);
  limit_file_size(0);
  weft_runtime_t runtime;
  start(fixture, &runtime, "run.json");
  limit_file_size(RLIM_INFINITY);
  assert_false(weft_trace_is_on(&runtime));
  weft_trace_destroy(&runtime);
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "spans stay off",
                              take_warning(fixture));
  remove_file(fixture, "run.json");
}

// True once the file has that text in it.
static bool file_has(const char* path, const char* text) {
  static char content[64 * 1024];
  FILE* file = fopen(path, "r");
  if (file == NULL) {
    return false;
  }
  size_t length = fread(content, 1, sizeof(content) - 1, file);
  content[length] = '\0';
  fclose(file);
  return strstr(content, text) != NULL;
}

static void test_a_killed_program_leaves_a_whole_file(void** state) {
  fixture_t* fixture = *state;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    weft_runtime_t runtime;
    start(fixture, &runtime, "run.json");
    trace(&runtime, "early", 10);
    pause();
    _exit(0);
  }
  // The writer gets to it by itself, though no chunk is full.
  while (!file_has(path_of(fixture, "run.json"), "early")) {
    weft_sys_yield();
  }
  assert_int_equal(kill(child, SIGKILL), 0);
  assert_int_equal(waitpid(child, NULL, 0), child);
  assert_int_equal(count_slices(fixture, "run.json", "early"), 10);
  remove_file(fixture, "run.json");
}

static void test_a_forked_child_leaves_the_file_alone(void** state) {
  fixture_t* fixture = *state;
  weft_runtime_t runtime;
  start(fixture, &runtime, "run.json");
  trace(&runtime, "parent", 10);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    trace(&runtime, "child", 10);
    weft_trace_destroy(&runtime);
    _exit(0);
  }
  int outcome = 0;
  assert_int_equal(waitpid(child, &outcome, 0), child);
  assert_int_equal(outcome, 0);
  trace(&runtime, "parent", 10);
  weft_trace_destroy(&runtime);
  assert_int_equal(count_slices(fixture, "run.json", "parent"), 20);
  assert_int_equal(count_slices(fixture, "run.json", "child"), 0);
  remove_file(fixture, "run.json");
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      TEST(test_without_the_variable_nothing_is_written),
      TEST(test_two_runtimes_write_two_files),
      TEST(test_a_name_without_extension_gets_its_number_last),
      TEST(test_a_later_run_writes_over_the_file),
      TEST(test_a_file_that_cannot_be_had_is_a_warning),
      TEST(test_more_events_than_a_chunk_are_all_written),
      TEST(test_long_names_are_cut_and_fit),
      TEST(test_without_memory_events_are_dropped_and_counted),
      TEST(test_chunks_that_wait_are_bounded),
      TEST(test_a_full_disk_leaves_a_whole_file),
      TEST(test_a_file_that_takes_nothing_is_a_warning),
      TEST(test_a_killed_program_leaves_a_whole_file),
      TEST(test_a_forked_child_leaves_the_file_alone),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
