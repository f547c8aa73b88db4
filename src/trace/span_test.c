// SPDX-License-Identifier: Apache-2.0
//
// Spans and what becomes of them in the trace file, which a JSON parser that
// is not ours reads back.

#include <jansson.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/kit.h"
#include "trace/trace_internal.h"

#define PATH_CAPACITY 200

typedef struct fixture {
  weft_kit_allocator_t kit;
  weft_runtime_t runtime;
  char folder[PATH_CAPACITY];
  char path[PATH_CAPACITY];
  // The file, once it has been read.
  json_t* events;
} fixture_t;

static weft_runtime_t make_runtime(const weft_allocator_t* allocator) {
  return (weft_runtime_t){
      .allocator = allocator,
      .name = "unit \"test\"",
      .rank = 3,
      .size = 4,
  };
}

static int set_up(void** state) {
  static fixture_t fixture;
  fixture = (fixture_t){.folder = "/tmp/weft-span-XXXXXX"};
  weft_kit_allocator_init(&fixture.kit);
  fixture.runtime = make_runtime(&fixture.kit.allocator);
  assert_non_null(mkdtemp(fixture.folder));
  snprintf(fixture.path, sizeof(fixture.path), "%.100s/run.json",
           fixture.folder);
  setenv("WEFT_TRACE", fixture.path, 1);
  weft_kit_assert_ok(weft_trace_create(&fixture.runtime, NULL, NULL));
  assert_true(weft_trace_is_on(&fixture.runtime));
  *state = &fixture;
  return 0;
}

static int tear_down(void** state) {
  fixture_t* fixture = *state;
  weft_trace_destroy(&fixture->runtime);
  json_decref(fixture->events);
  unsetenv("WEFT_TRACE");
  unlink(fixture->path);
  assert_int_equal(rmdir(fixture->folder), 0);
  weft_kit_allocator_deinit(&fixture->kit);
  return 0;
}

// Ends the runtime and reads its file.
static void finish(fixture_t* fixture) {
  weft_trace_destroy(&fixture->runtime);
  json_error_t error;
  json_decref(fixture->events);
  fixture->events = json_load_file(fixture->path, 0, &error);
  if (fixture->events == NULL) {
    print_error("line %d: %s\n", error.line, error.text);
  }
  assert_true(json_is_array(fixture->events));
}

static const char* text_of(const json_t* object, const char* key) {
  const char* text = json_string_value(json_object_get(object, key));
  return text != NULL ? text : "";
}

static bool is(const json_t* object, const char* key, const char* expected) {
  return strcmp(text_of(object, key), expected) == 0;
}

static int64_t ns_of(const json_t* object, const char* key) {
  const json_t* value = json_object_get(object, key);
  assert_true(json_is_real(value));
  return (int64_t)(json_real_value(value) * 1000 + 0.5);
}

static int64_t end_of(const json_t* slice) {
  return ns_of(slice, "ts") + ns_of(slice, "dur");
}

static json_int_t thread_of(const json_t* event) {
  const json_t* value = json_object_get(event, "tid");
  assert_true(json_is_integer(value));
  return json_integer_value(value);
}

// The events of a phase, and of a name unless that is NULL: how many there
// are, and the last of them.
static size_t find(const fixture_t* fixture, const char* phase,
                   const char* name, const json_t** out_last) {
  size_t count = 0;
  size_t index = 0;
  const json_t* event = NULL;
  json_array_foreach(fixture->events, index, event) {
    if (is(event, "ph", phase) && (name == NULL || is(event, "name", name))) {
      *out_last = event;
      ++count;
    }
  }
  return count;
}

static const json_t* find_one(const fixture_t* fixture, const char* phase,
                              const char* name) {
  const json_t* event = NULL;
  assert_int_equal(find(fixture, phase, name, &event), 1);
  return event;
}

// --- One event each ---------------------------------------------------------

static void test_a_file_without_spans_names_the_process(void** state) {
  fixture_t* fixture = *state;
  finish(fixture);
  assert_int_equal(json_array_size(fixture->events), 3);
  const json_t* event = find_one(fixture, "M", "process_name");
  const json_t* arguments = json_object_get(event, "args");
  assert_true(is(arguments, "name", "unit \"test\""));
  assert_int_equal(json_integer_value(json_object_get(event, "pid")), getpid());
  event = find_one(fixture, "M", "process_labels");
  assert_true(is(json_object_get(event, "args"), "labels", "rank 3 of 4"));
}

static void test_a_span_is_a_slice(void** state) {
  fixture_t* fixture = *state;
  weft_span_t span = weft_span_begin(&fixture->runtime, "step \x01\xff");
  weft_span_end(&span);
  assert_null(span.runtime);
  weft_span_end(&span);
  finish(fixture);
  const json_t* slice = find_one(fixture, "X", NULL);
  assert_true(is(slice, "name", "step \x01\xef\xbf\xbd"));
  assert_true(is(slice, "cat", "program"));
  assert_int_equal(thread_of(slice), weft_sys_thread_id());
  assert_true(ns_of(slice, "ts") >= 0);
  assert_true(ns_of(slice, "dur") > 0);
}

static void test_spans_nest(void** state) {
  fixture_t* fixture = *state;
  weft_span_t outer = weft_span_begin(&fixture->runtime, "outer");
  weft_span_t inner = weft_span_begin(&fixture->runtime, "inner");
  weft_span_end(&inner);
  weft_span_end(&outer);
  weft_span_t next = weft_span_begin(&fixture->runtime, "next");
  weft_span_end(&next);
  finish(fixture);
  const json_t* first = find_one(fixture, "X", "outer");
  const json_t* second = find_one(fixture, "X", "inner");
  const json_t* third = find_one(fixture, "X", "next");
  // Strictly: at equal times a viewer could not tell which is inside.
  assert_true(ns_of(first, "ts") < ns_of(second, "ts"));
  assert_true(end_of(second) < end_of(first));
  assert_true(end_of(first) < ns_of(third, "ts"));
}

static void test_a_handler_names_actor_and_endpoint(void** state) {
  fixture_t* fixture = *state;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  int64_t start_ns = weft_trace_begin(self);
  weft_trace_handler(self, &(weft_trace_handler_t){.class_name = "counter",
                                                   .index = 17,
                                                   .endpoint = "add",
                                                   .start_ns = start_ns});
  finish(fixture);
  const json_t* slice = find_one(fixture, "X", "counter.add");
  const json_t* arguments = json_object_get(slice, "args");
  assert_true(is(arguments, "actor", "counter#17"));
  assert_true(is(arguments, "endpoint", "add"));
  const json_t* arrow = NULL;
  assert_int_equal(find(fixture, "f", NULL, &arrow), 0);
}

static void name_and_trace(size_t index, void* user) {
  fixture_t* fixture = user;
  char name[16];
  snprintf(name, sizeof(name), "named %zu", index);
  pthread_setname_np(pthread_self(), name);
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  weft_trace_end(self, "async", "work", weft_trace_begin(self));
}

static void test_threads_have_the_names_that_the_system_knows(void** state) {
  fixture_t* fixture = *state;
  weft_kit_run_threads(2, name_and_trace, fixture);
  finish(fixture);
  const json_t* event = NULL;
  assert_int_equal(find(fixture, "M", "thread_name", &event), 2);
  size_t counts[2] = {0};
  size_t index = 0;
  json_array_foreach(fixture->events, index, event) {
    const char* name = text_of(json_object_get(event, "args"), "name");
    counts[0] += strcmp(name, "named 0") == 0;
    counts[1] += strcmp(name, "named 1") == 0;
  }
  assert_int_equal(counts[0], 1);
  assert_int_equal(counts[1], 1);
}

// --- Arrows -----------------------------------------------------------------

typedef struct slice {
  json_int_t thread;
  int64_t start_ns;
  int64_t end_ns;
  const char* name;
} slice_t;

typedef struct arrow {
  const char* id;
  json_int_t thread;
  int64_t time_ns;
} arrow_t;

// What a file of many messages has, sorted for look-ups.
typedef struct contents {
  slice_t* slices;
  size_t slice_count;
  arrow_t* starts;
  size_t start_count;
  arrow_t* ends;
  size_t end_count;
} contents_t;

static int compare_slices(const void* left, const void* right) {
  const slice_t* a = left;
  const slice_t* b = right;
  if (a->thread != b->thread) {
    return a->thread < b->thread ? -1 : 1;
  }
  return (a->start_ns > b->start_ns) - (a->start_ns < b->start_ns);
}

static int compare_arrows(const void* left, const void* right) {
  const arrow_t* a = left;
  const arrow_t* b = right;
  return strcmp(a->id, b->id);
}

static void add_arrow(arrow_t* arrows, size_t* count, const json_t* event) {
  assert_true(is(event, "name", "message"));
  assert_true(is(event, "cat", "actor"));
  arrows[(*count)++] = (arrow_t){
      .id = text_of(event, "id"),
      .thread = thread_of(event),
      .time_ns = ns_of(event, "ts"),
  };
}

static void contents_init(contents_t* contents, const fixture_t* fixture) {
  size_t all = json_array_size(fixture->events);
  *contents = (contents_t){
      .slices = calloc(all, sizeof(slice_t)),
      .starts = calloc(all, sizeof(arrow_t)),
      .ends = calloc(all, sizeof(arrow_t)),
  };
  size_t index = 0;
  const json_t* event = NULL;
  json_array_foreach(fixture->events, index, event) {
    if (is(event, "ph", "X")) {
      contents->slices[contents->slice_count++] = (slice_t){
          .thread = thread_of(event),
          .start_ns = ns_of(event, "ts"),
          .end_ns = end_of(event),
          .name = text_of(event, "name"),
      };
    } else if (is(event, "ph", "s")) {
      add_arrow(contents->starts, &contents->start_count, event);
    } else if (is(event, "ph", "f")) {
      assert_true(is(event, "bp", "e"));
      add_arrow(contents->ends, &contents->end_count, event);
    }
  }
  qsort(contents->slices, contents->slice_count, sizeof(slice_t),
        compare_slices);
  qsort(contents->starts, contents->start_count, sizeof(arrow_t),
        compare_arrows);
}

static void contents_deinit(contents_t* contents) {
  free(contents->slices);
  free(contents->starts);
  free(contents->ends);
}

// The name of the innermost slice that an end of an arrow lies within: what a
// viewer ties it to. Never on an edge.
static const char* slice_at(const contents_t* contents, const arrow_t* arrow) {
  slice_t key = {.thread = arrow->thread, .start_ns = arrow->time_ns};
  size_t low = 0;
  size_t high = contents->slice_count;
  while (low < high) {
    size_t middle = (low + high) / 2;
    if (compare_slices(&contents->slices[middle], &key) < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  // The slices before it that have not ended; innermost first.
  while (low > 0 && contents->slices[low - 1].thread == arrow->thread) {
    const slice_t* slice = &contents->slices[--low];
    if (slice->end_ns > arrow->time_ns) {
      assert_true(slice->start_ns < arrow->time_ns);
      return slice->name;
    }
  }
  return "nothing";
}

static void check_arrows(const contents_t* contents) {
  for (size_t i = 0; i < contents->start_count; ++i) {
    assert_string_equal(slice_at(contents, &contents->starts[i]), "send add");
    assert_true(i == 0 || strcmp(contents->starts[i].id,
                                 contents->starts[i - 1].id) != 0);
  }
  for (size_t i = 0; i < contents->end_count; ++i) {
    const arrow_t* end = &contents->ends[i];
    assert_string_equal(slice_at(contents, end), "counter.add");
    const arrow_t* start = bsearch(end, contents->starts, contents->start_count,
                                   sizeof(arrow_t), compare_arrows);
    assert_true(start != NULL && start->time_ns < end->time_ns);
  }
}

static void handle(weft_trace_thread_t* self, uint64_t flow) {
  int64_t start_ns = weft_trace_begin(self);
  // A handler sends on.
  (void)weft_trace_send(self, "add");
  weft_trace_handler(self, &(weft_trace_handler_t){.class_name = "counter",
                                                   .index = 1,
                                                   .endpoint = "add",
                                                   .flow = flow,
                                                   .start_ns = start_ns});
}

static void test_an_arrow_leads_from_send_to_handler(void** state) {
  fixture_t* fixture = *state;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  // Outside of any span.
  uint64_t flow = weft_trace_send(self, "add");
  assert_true(flow != 0);
  handle(self, flow);
  finish(fixture);
  contents_t contents;
  contents_init(&contents, fixture);
  assert_int_equal(contents.start_count, 2);
  assert_int_equal(contents.end_count, 1);
  check_arrows(&contents);
  contents_deinit(&contents);
}

#define THREADS 4
#define MESSAGES 5000

typedef struct traffic {
  fixture_t* fixture;
  // Flows of messages from each thread to the next; 0: not yet sent.
  _Atomic uint64_t flows[THREADS][MESSAGES];
} traffic_t;

// Sends to the next thread, then handles what came from the one before.
static void send_and_handle(size_t index, void* user) {
  traffic_t* traffic = user;
  weft_trace_thread_t* self = weft_trace_self(&traffic->fixture->runtime);
  for (size_t i = 0; i < MESSAGES; ++i) {
    // Release: pairs with the acquire below, as a mailbox would.
    atomic_store_explicit(&traffic->flows[index][i],
                          weft_trace_send(self, "add"), memory_order_release);
    _Atomic uint64_t* inbox = &traffic->flows[(index + 1) % THREADS][i];
    uint64_t flow = 0;
    while (flow == 0) {
      // Acquire: pairs with the release above.
      flow = atomic_load_explicit(inbox, memory_order_acquire);
      if (flow == 0) {
        weft_sys_yield();
      }
    }
    handle(self, flow);
  }
}

static void test_arrows_between_threads_match(void** state) {
  fixture_t* fixture = *state;
  static traffic_t traffic;
  traffic.fixture = fixture;
  weft_kit_run_threads(THREADS, send_and_handle, &traffic);
  weft_counters_t counters;
  weft_runtime_counters(&fixture->runtime, &counters);
  assert_int_equal(counters.trace_dropped, 0);
  finish(fixture);
  contents_t contents;
  contents_init(&contents, fixture);
  assert_int_equal(contents.start_count, 2 * THREADS * MESSAGES);
  assert_int_equal(contents.end_count, THREADS * MESSAGES);
  check_arrows(&contents);
  contents_deinit(&contents);
}

static void test_threads_that_ended_leave_their_events(void** state) {
  fixture_t* fixture = *state;
  for (int i = 0; i < 20; ++i) {
    weft_kit_run_threads(2, name_and_trace, fixture);
  }
  finish(fixture);
  const json_t* event = NULL;
  assert_int_equal(find(fixture, "X", "work", &event), 40);
  // Each is shown under its own thread, not that whose block it took over.
  json_int_t threads[40];
  size_t count = 0;
  size_t index = 0;
  json_array_foreach(fixture->events, index, event) {
    if (is(event, "name", "work")) {
      for (size_t i = 0; i < count; ++i) {
        assert_true(threads[i] != thread_of(event));
      }
      threads[count++] = thread_of(event);
    }
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      TEST(test_a_file_without_spans_names_the_process),
      TEST(test_a_span_is_a_slice),
      TEST(test_spans_nest),
      TEST(test_a_handler_names_actor_and_endpoint),
      TEST(test_threads_have_the_names_that_the_system_knows),
      TEST(test_an_arrow_leads_from_send_to_handler),
      TEST(test_arrows_between_threads_match),
      TEST(test_threads_that_ended_leave_their_events),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
