// SPDX-License-Identifier: Apache-2.0

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "tests/kit/kit.h"
#include "trace/flight.h"
#include "trace/trace_internal.h"

#define TEXT_BYTES 262144

typedef struct fixture {
  weft_runtime_t runtime;
  // As it would come over a socket.
  int descriptor;
  // What was shown.
  FILE* file;
  char text[TEXT_BYTES];
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
  weft_kit_assert_ok(weft_flight_share(&fixture.runtime, &fixture.descriptor));
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

// Shows what is behind a descriptor, which is taken over.
static weft_status_t show_that(fixture_t* fixture, int seen, uint64_t limit) {
  int descriptor = fileno(fixture->file);
  assert_int_equal(ftruncate(descriptor, 0), 0);
  rewind(fixture->file);
  weft_status_t status = weft_flight_show(seen, limit, descriptor);
  rewind(fixture->file);
  size_t length = fread(fixture->text, 1, TEXT_BYTES - 1, fixture->file);
  fixture->text[length] = '\0';
  return status;
}

static const char* show(fixture_t* fixture, uint64_t limit) {
  weft_kit_assert_ok(show_that(fixture, dup(fixture->descriptor), limit));
  return fixture->text;
}

static size_t count_events(const char* text) {
  size_t count = 0;
  for (const char* at = strstr(text, "\n  #"); at != NULL;
       at = strstr(at + 1, "\n  #")) {
    count++;
  }
  return count;
}

static void nothing_is_shown_of_a_process_that_did_nothing(void** state) {
  fixture_t* fixture = *state;
  assert_string_equal(show(fixture, 20), "");
  (void)weft_trace_self(&fixture->runtime);
  assert_string_equal(show(fixture, 20), "");
}

static void the_last_events_are_shown_with_their_names(void** state) {
  fixture_t* fixture = *state;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  char name[] = "add";
  weft_flight_name(&fixture->runtime, name);
  for (uint64_t i = 1; i <= 1000; i++) {
    weft_flight_tick(self, (int64_t)i);
    weft_flight_record(self, WEFT_FLIGHT_HANDLE, name, 17, i);
  }
  // The text was copied: what stands at the address is nobody's business.
  memset(name, 'x', sizeof(name) - 1);
  const char* text = show(fixture, 20);
  static const char start[] = "flight recorder of unit, rank 2 of 5, at ";
  assert_memory_equal(text, start, sizeof(start) - 1);
  assert_non_null(strstr(text, ": 20 of 1000 events\n"));
  assert_int_equal(count_events(text), 20);
  assert_non_null(
      strstr(text, "  #1000 0.000001000 handle add actor=17 message=1000\n"));
  assert_non_null(strstr(text, "  #981 "));
  assert_null(strstr(text, "  #980 "));
  assert_int_equal(count_events(show(fixture, UINT64_MAX)), 256);
}

static void a_name_that_was_not_told_is_said_to_be_one(void** state) {
  fixture_t* fixture = *state;
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  weft_flight_record(self, WEFT_FLIGHT_SEND, "step", 1, 2);
  weft_flight_record(self, WEFT_FLIGHT_TIMER, NULL, 3, 4);
  const char* text = show(fixture, 20);
  assert_non_null(strstr(text, " send (a name) actor=1 message=2\n"));
  assert_non_null(strstr(text, " timer timer=3 due_ns=4\n"));
}

static void names_without_room_are_left_out(void** state) {
  fixture_t* fixture = *state;
  char names[WEFT_FLIGHT_NAMES + 1][16];
  weft_trace_thread_t* self = weft_trace_self(&fixture->runtime);
  for (int i = 0; i <= WEFT_FLIGHT_NAMES; i++) {
    (void)snprintf(names[i], sizeof(names[i]), "n%d", i);
    weft_flight_name(&fixture->runtime, names[i]);
    weft_flight_name(&fixture->runtime, names[0]);
  }
  weft_flight_record(self, WEFT_FLIGHT_SEND, names[255], 1, 1);
  weft_flight_record(self, WEFT_FLIGHT_SEND, names[256], 1, 1);
  const char* text = show(fixture, 20);
  assert_non_null(strstr(text, " send n255 actor=1"));
  assert_non_null(strstr(text, " send (a name) actor=1"));
}

static void a_warning_has_its_name(void** state) {
  fixture_t* fixture = *state;
  setenv("WEFT_LOG", "error", 1);
  weft_warn(&fixture->runtime, weft_status_make(WEFT_STATUS_CLOSED, "late"));
  assert_non_null(strstr(show(fixture, 20), " warning closed code=18 line="));
}

// --- More threads than there is room for ------------------------------------

enum { THREADS = WEFT_FLIGHT_BLOCKS + 4 };

typedef struct crowd {
  weft_runtime_t* runtime;
  pthread_barrier_t barrier;
} crowd_t;

static void record_together(size_t index, void* user) {
  crowd_t* crowd = user;
  (void)index;
  weft_trace_thread_t* self = weft_trace_self(crowd->runtime);
  weft_flight_record(self, WEFT_FLIGHT_SEND, NULL, 1, 1);
  weft_count(crowd->runtime, WEFT_COUNTER_messages_sent, 1);
  // Nobody's block is free for another.
  (void)pthread_barrier_wait(&crowd->barrier);
}

static void threads_beyond_have_blocks_that_are_not_seen(void** state) {
  fixture_t* fixture = *state;
  crowd_t crowd = {.runtime = &fixture->runtime};
  assert_int_equal(0, pthread_barrier_init(&crowd.barrier, NULL, THREADS));
  weft_kit_run_threads(THREADS, record_together, &crowd);
  assert_int_equal(0, pthread_barrier_destroy(&crowd.barrier));
  weft_counters_t counters;
  weft_runtime_counters(&fixture->runtime, &counters);
  assert_int_equal(counters.messages_sent, THREADS);
  assert_int_equal(count_events(show(fixture, 20)), WEFT_FLIGHT_BLOCKS);
}

// --- Hostile bytes ----------------------------------------------------------

static void what_is_no_recorder_is_refused(void** state) {
  fixture_t* fixture = *state;
  int ends[2];
  assert_int_equal(0, pipe(ends));
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         show_that(fixture, ends[0], 20));
  assert_int_equal(0, close(ends[1]));
  weft_memfd_t memory;
  weft_kit_assert_ok(
      weft_memfd_create("small", 1, WEFT_MEMFD_ONE_WRITER, &memory));
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         show_that(fixture, dup(memory.descriptor), 20));
  weft_memfd_release(&memory);
  weft_kit_assert_ok(weft_memfd_create("open", sizeof(weft_flight_file_t),
                                       WEFT_MEMFD_SHARED, &memory));
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         show_that(fixture, dup(memory.descriptor), 20));
  weft_memfd_release(&memory);
  weft_kit_assert_ok(weft_memfd_create("empty", sizeof(weft_flight_file_t),
                                       WEFT_MEMFD_ONE_WRITER, &memory));
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         show_that(fixture, dup(memory.descriptor), 20));
  weft_flight_file_t* file = memory.data;
  file->magic = WEFT_FLIGHT_MAGIC;
  atomic_init(&file->block_count, WEFT_FLIGHT_BLOCKS + 1);
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         show_that(fixture, dup(memory.descriptor), 20));
  weft_memfd_release(&memory);
}

static void assert_is_text(const char* text) {
  for (const char* at = text; *at != '\0'; at++) {
    unsigned char byte = (unsigned char)*at;
    assert_true(byte == '\n' || (byte >= ' ' && byte != 0x7f));
  }
  size_t length = strlen(text);
  assert_int_equal(weft_utf8_prefix((const uint8_t*)text, length), length);
}

// Some of what a reader follows is right, so that it goes on.
static void scramble(weft_kit_random_t* random, weft_flight_file_t* file) {
  unsigned char* bytes = (unsigned char*)file;
  for (size_t i = 0; i < sizeof(*file); i++) {
    bytes[i] = (unsigned char)weft_kit_random_next(random);
  }
  file->magic = WEFT_FLIGHT_MAGIC;
  atomic_init(&file->block_count, WEFT_FLIGHT_BLOCKS);
  for (uint32_t i = 0; i < WEFT_FLIGHT_BLOCKS; i++) {
    weft_flight_block_t* block = &file->blocks[i];
    uint64_t next =
        weft_kit_random_next(random) >> weft_kit_random_below(random, 64);
    atomic_init(&block->thread.flight_next, next);
    atomic_init(&block->thread.flight_first,
                weft_kit_random_below(random, 2) == 0 ? 0 : next - 1);
    for (uint64_t back = 1; back <= 9 && back < next; back++) {
      weft_flight_event_t* event =
          &block->events[(next - back) % WEFT_FLIGHT_EVENTS];
      atomic_init(&event->sequence, next - back);
      atomic_init(&event->kind,
                  weft_kit_random_below(random, WEFT_FLIGHT_KIND_COUNT + 1));
    }
  }
}

static void show_scrambled(weft_kit_random_t* random, void* user) {
  fixture_t* fixture = user;
  weft_memfd_t memory;
  weft_kit_assert_ok(weft_memfd_create("wild", sizeof(weft_flight_file_t),
                                       WEFT_MEMFD_ONE_WRITER, &memory));
  scramble(random, memory.data);
  weft_kit_assert_ok(show_that(fixture, dup(memory.descriptor), 20));
  assert_is_text(fixture->text);
  assert_true(count_events(fixture->text) <= 20 * (size_t)WEFT_FLIGHT_BLOCKS);
  weft_memfd_release(&memory);
}

static void hostile_bytes_are_shown_as_text(void** state) {
  weft_kit_for_some_seeds(50, show_scrambled, *state);
}

int main(void) {
  unsetenv("WEFT_TRACE");
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      TEST(nothing_is_shown_of_a_process_that_did_nothing),
      TEST(the_last_events_are_shown_with_their_names),
      TEST(a_name_that_was_not_told_is_said_to_be_one),
      TEST(names_without_room_are_left_out),
      TEST(a_warning_has_its_name),
      TEST(threads_beyond_have_blocks_that_are_not_seen),
      TEST(what_is_no_recorder_is_refused),
      TEST(hostile_bytes_are_shown_as_text),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
