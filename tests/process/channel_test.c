// SPDX-License-Identifier: Apache-2.0
//
// Channels whose ends are in several processes.

#include "base/assert.h"
#include "process/job.h"
#include "process/puppet.h"
#include "process/tap.h"

#define READERS 3
#define SLOTS 4

static weft_actor_t tap_at(weft_runtime_t* runtime, uint32_t rank) {
  weft_actor_t actor;
  const weft_spawn_options_t options = {.place = rank};
  weft_kit_assert_ok(
      weft_spawn(runtime, &tap_class, weft_none(), &options, &actor));
  return actor;
}

// A channel, as values, of this process.
typedef struct made {
  weft_value_t writer;
  weft_value_t readers[READERS];
} made_t;

static made_t make(weft_runtime_t* runtime, uint32_t reader_count) {
  const weft_channel_options_t options = {
      .name = "tested", .reader_count = reader_count, .slot_count = SLOTS};
  weft_writer_t* writer;
  weft_reader_t* readers[READERS];
  made_t made;
  weft_kit_assert_ok(weft_channel_create(runtime, &options, &writer, readers));
  made.writer = weft_writer_value(writer);
  weft_writer_release(writer);
  for (uint32_t i = 0; i < reader_count; i++) {
    made.readers[i] = weft_reader_value(readers[i]);
    weft_reader_release(readers[i]);
  }
  return made;
}

// Keeps the writer here.
static weft_writer_t* open_writer(const made_t* made) {
  weft_writer_t* writer;
  weft_kit_assert_ok(weft_writer_open(made->writer, &writer));
  weft_value_release(made->writer);
  return writer;
}

// From `first` on, as long as they are below `end`.
static void write_numbers(weft_writer_t* writer, int64_t first, int64_t end) {
  for (int64_t n = first; n < end; n++) {
    weft_kit_assert_ok(
        weft_writer_write(writer, weft_int64(n), WEFT_TIME_INFINITE));
  }
}

// Gives an end to a tap, and up here.
static void give_reader(weft_runtime_t* runtime, weft_actor_t tap,
                        weft_value_t end) {
  puppet_tell(runtime, tap, TAP_OPEN_READER, WEFT_ARGUMENTS(end));
  weft_value_release(end);
}

static void give_writer(weft_runtime_t* runtime, weft_actor_t tap,
                        weft_value_t end) {
  puppet_tell(runtime, tap, TAP_OPEN_WRITER, WEFT_ARGUMENTS(end));
  weft_value_release(end);
}

static weft_future_t* read_soon(weft_runtime_t* runtime, weft_actor_t tap,
                                int64_t count) {
  return puppet_call(runtime, tap, TAP_READ, WEFT_ARGUMENTS(weft_int64(count)));
}

static weft_future_t* write_soon(weft_runtime_t* runtime, weft_actor_t tap,
                                 int64_t first, int64_t count) {
  return puppet_call(runtime, tap, TAP_WRITE_NUMBERS,
                     WEFT_ARGUMENTS(weft_int64(first), weft_int64(count)));
}

// Lent by the list.
static weft_value_t item_of(weft_value_t list, size_t index) {
  const weft_value_t* items;
  size_t count;
  weft_kit_assert_ok(weft_value_as_list(list, &items, &count));
  weft_assert(index < count);
  return items[index];
}

static void expect_numbers(weft_future_t* future, int64_t first,
                           int64_t count) {
  weft_value_t list;
  weft_kit_assert_ok(puppet_await(future, &list));
  for (int64_t i = 0; i < count; i++) {
    weft_value_t item;
    item = item_of(list, (size_t)i);
    assert_true(weft_value_equal(item, weft_int64(first + i)));
  }
  weft_value_release(list);
}

static void read_number(weft_reader_t* reader, int64_t number) {
  weft_lease_t lease;
  weft_kit_assert_ok(weft_reader_read(reader, WEFT_TIME_INFINITE, &lease));
  assert_true(weft_value_equal(lease.value, weft_int64(number)));
  weft_lease_release(&lease);
}

static weft_status_t read_status(weft_runtime_t* runtime, weft_actor_t tap) {
  return puppet_end(read_soon(runtime, tap, 1));
}

static void readers_elsewhere_get_all_in_order(weft_runtime_t* runtime) {
  made_t made = make(runtime, READERS);
  weft_actor_t taps[READERS];
  weft_future_t* reads[READERS];
  weft_writer_t* writer = open_writer(&made);
  // Two of them share a process, one is here.
  const uint32_t ranks[READERS] = {1, 1, 0};
  for (int i = 0; i < READERS; i++) {
    taps[i] = tap_at(runtime, ranks[i]);
    give_reader(runtime, taps[i], made.readers[i]);
    reads[i] = read_soon(runtime, taps[i], 1000);
  }
  write_numbers(writer, 0, 1000);
  for (int i = 0; i < READERS; i++) {
    expect_numbers(reads[i], 0, 1000);
  }
  weft_writer_close(writer, WEFT_OK);
  for (int i = 0; i < READERS; i++) {
    weft_kit_assert_status(WEFT_STATUS_CLOSED, read_status(runtime, taps[i]));
  }
  weft_writer_release(writer);
}

static void what_was_written_waits_for_the_reader(weft_runtime_t* runtime) {
  made_t made = make(runtime, 2);
  weft_actor_t early = tap_at(runtime, 1);
  weft_actor_t late = tap_at(runtime, 1);
  weft_writer_t* writer = open_writer(&made);
  give_reader(runtime, early, made.readers[0]);
  write_numbers(writer, 0, SLOTS);
  expect_numbers(read_soon(runtime, early, SLOTS), 0, SLOTS);
  // The other has a place in each slot, though nobody has opened it.
  weft_status_t status = weft_writer_write(
      writer, weft_int64(SLOTS), weft_deadline_after(runtime, 1000000));
  weft_kit_assert_status_says(WEFT_STATUS_DEADLINE_EXCEEDED, "reader 1",
                              status);
  // The channel is closed before it comes.
  weft_writer_close(writer, WEFT_OK);
  weft_writer_release(writer);
  give_reader(runtime, late, made.readers[1]);
  expect_numbers(read_soon(runtime, late, SLOTS), 0, SLOTS);
  weft_kit_assert_status(WEFT_STATUS_CLOSED, read_status(runtime, late));
}

static void the_writer_travels(weft_runtime_t* runtime) {
  made_t made = make(runtime, READERS);
  weft_actor_t taps[READERS];
  weft_actor_t source = tap_at(runtime, 1);
  weft_future_t* reads[READERS];
  // One reader joins before the writer has gone, two later; one of them is
  // where the channel was made.
  taps[0] = tap_at(runtime, 2);
  give_reader(runtime, taps[0], made.readers[0]);
  reads[0] = read_soon(runtime, taps[0], 500);
  give_writer(runtime, source, made.writer);
  weft_future_t* written = write_soon(runtime, source, 0, 500);
  taps[1] = tap_at(runtime, 1);
  taps[2] = tap_at(runtime, 0);
  for (int i = 1; i < READERS; i++) {
    give_reader(runtime, taps[i], made.readers[i]);
    reads[i] = read_soon(runtime, taps[i], 500);
  }
  for (int i = 0; i < READERS; i++) {
    expect_numbers(reads[i], 0, 500);
  }
  weft_kit_assert_ok(puppet_end(written));
  puppet_tell(runtime, source, TAP_LEAVE, NULL);
  for (int i = 0; i < READERS; i++) {
    weft_kit_assert_status(WEFT_STATUS_ABANDONED,
                           read_status(runtime, taps[i]));
  }
}

static void the_writer_follows_its_reader(weft_runtime_t* runtime) {
  made_t made = make(runtime, 2);
  weft_actor_t taps[] = {tap_at(runtime, 1), tap_at(runtime, 1)};
  weft_actor_t source = tap_at(runtime, 1);
  weft_future_t* reads[2];
  // The first has joined this process when the writer comes to where it is.
  give_reader(runtime, taps[0], made.readers[0]);
  give_writer(runtime, source, made.writer);
  give_reader(runtime, taps[1], made.readers[1]);
  weft_future_t* written = write_soon(runtime, source, 0, 100);
  for (int i = 0; i < 2; i++) {
    reads[i] = read_soon(runtime, taps[i], 100);
  }
  for (int i = 0; i < 2; i++) {
    expect_numbers(reads[i], 0, 100);
  }
  weft_kit_assert_ok(puppet_end(written));
  puppet_tell(runtime, source, TAP_LEAVE, NULL);
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_status(WEFT_STATUS_ABANDONED,
                           read_status(runtime, taps[i]));
  }
}

// Tensors are compared by their bytes.
static void check_same(weft_value_t found, weft_value_t expected) {
  const weft_tensor_t* a;
  const weft_tensor_t* b;
  if (weft_value_kind(expected) != WEFT_KIND_TENSOR) {
    assert_true(weft_value_equal(found, expected));
    return;
  }
  weft_kit_assert_ok(weft_value_as_tensor(found, &a));
  weft_kit_assert_ok(weft_value_as_tensor(expected, &b));
  assert_int_equal(weft_storage_size_bytes(weft_tensor_storage(a)),
                   weft_storage_size_bytes(weft_tensor_storage(b)));
  assert_memory_equal(weft_storage_data(weft_tensor_storage(a)),
                      weft_storage_data(weft_tensor_storage(b)),
                      weft_storage_size_bytes(weft_tensor_storage(a)));
}

static void errors_and_large_values_cross(weft_runtime_t* runtime) {
  made_t made = make(runtime, 1);
  weft_actor_t tap = tap_at(runtime, 1);
  weft_writer_t* writer = open_writer(&made);
  give_reader(runtime, tap, made.readers[0]);
  weft_value_t values[] = {
      puppet_long_string(runtime, 100000),
      puppet_tensor(runtime, 5000, true),
      puppet_tensor(runtime, 50, false),
  };
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    weft_kit_assert_ok(
        weft_writer_write(writer, values[i], WEFT_TIME_INFINITE));
    weft_value_t back = puppet_ask(runtime, tap, TAP_LEASE, NULL);
    check_same(back, values[i]);
    puppet_tell(runtime, tap, TAP_RELEASE, NULL);
    weft_value_release(back);
    weft_value_release(values[i]);
  }
  weft_status_t error =
      weft_status_make(WEFT_STATUS_OUT_OF_RANGE, "the sensor is cold");
  weft_kit_assert_ok(weft_writer_fail(writer, error, WEFT_TIME_INFINITE));
  weft_status_release(error);
  weft_kit_assert_status_says(WEFT_STATUS_OUT_OF_RANGE, "the sensor is cold",
                              puppet_try(runtime, tap, TAP_LEASE, NULL));
  puppet_tell(runtime, tap, TAP_RELEASE, NULL);
  // The channel goes on, until it ends with an error at once.
  weft_kit_assert_ok(
      weft_writer_write(writer, weft_int64(7), WEFT_TIME_INFINITE));
  weft_writer_close(writer,
                    weft_status_make(WEFT_STATUS_DATA_LOSS, "it burns"));
  weft_status_t ended;
  do {
    ended = read_status(runtime, tap);
  } while (ended == WEFT_OK);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "it burns", ended);
  weft_writer_release(writer);
  puppet_tell(runtime, tap, TAP_LEAVE, NULL);
  puppet_expect_nothing_lent(runtime);
}

static void what_cannot_be_sent_fails_its_write(weft_runtime_t* runtime) {
  made_t made = make(runtime, 2);
  weft_actor_t tap = tap_at(runtime, 1);
  weft_writer_t* writer;
  weft_reader_t* reader;
  weft_value_t opaque;
  weft_lease_t lease;
  static const weft_opaque_type_t type = {.name = "thing"};
  static int thing;
  weft_kit_assert_ok(weft_writer_open(made.writer, &writer));
  weft_kit_assert_ok(weft_reader_open(made.readers[1], &reader));
  weft_value_release(made.writer);
  weft_value_release(made.readers[1]);
  give_reader(runtime, tap, made.readers[0]);
  weft_kit_assert_ok(weft_opaque_create(weft_runtime_allocator(runtime), &type,
                                        &thing, &opaque));
  weft_value_t list;
  weft_kit_assert_ok(
      weft_list_create(weft_runtime_allocator(runtime), &opaque, 1, &list));
  weft_kit_assert_status_says(
      WEFT_STATUS_UNIMPLEMENTED, "[0]",
      weft_writer_write(writer, list, WEFT_TIME_INFINITE));
  // Nobody got anything, and the channel lives on.
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         weft_reader_read(reader, WEFT_TIME_NOW, &lease));
  weft_kit_assert_ok(
      weft_writer_write(writer, weft_int64(1), WEFT_TIME_INFINITE));
  expect_numbers(read_soon(runtime, tap, 1), 1, 1);
  weft_value_release(opaque);
  weft_value_release(list);
  weft_writer_release(writer);
  weft_reader_release(reader);
}

static void an_end_is_used_by_one(weft_runtime_t* runtime) {
  made_t made = make(runtime, 1);
  weft_actor_t first = tap_at(runtime, 1);
  weft_actor_t second = tap_at(runtime, 2);
  weft_reader_t* reader;
  puppet_tell(runtime, first, TAP_OPEN_READER, WEFT_ARGUMENTS(made.readers[0]));
  weft_writer_t* writer;
  weft_kit_assert_ok(weft_writer_open(made.writer, &writer));
  weft_kit_assert_ok(
      weft_writer_write(writer, weft_int64(3), WEFT_TIME_INFINITE));
  expect_numbers(read_soon(runtime, first, 1), 3, 1);
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "rank 1",
                              weft_reader_open(made.readers[0], &reader));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         puppet_try(runtime, second, TAP_OPEN_READER,
                                    WEFT_ARGUMENTS(made.readers[0])));
  // A writer in use stays.
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         puppet_try(runtime, second, TAP_OPEN_WRITER,
                                    WEFT_ARGUMENTS(made.writer)));
  weft_value_release(made.writer);
  weft_value_release(made.readers[0]);
  weft_writer_release(writer);
}

static void ends_pass_through_others(weft_runtime_t* runtime) {
  weft_actor_t maker = tap_at(runtime, 1);
  weft_actor_t tap = tap_at(runtime, 2);
  weft_actor_t source = tap_at(runtime, 1);
  // Made at rank 1, they come here, and go to rank 2 and home.
  weft_value_t ends =
      puppet_ask(runtime, maker, TAP_MAKE,
                 WEFT_ARGUMENTS(weft_int64(2), weft_int64(SLOTS)));
  weft_value_t end;
  end = item_of(ends, 1);
  puppet_tell(runtime, tap, TAP_OPEN_READER, WEFT_ARGUMENTS(end));
  end = item_of(ends, 0);
  weft_value_t again = puppet_ask(runtime, tap, TAP_ECHO, WEFT_ARGUMENTS(end));
  puppet_tell(runtime, source, TAP_OPEN_WRITER, WEFT_ARGUMENTS(again));
  weft_value_release(again);
  weft_future_t* written = write_soon(runtime, source, 10, SLOTS);
  expect_numbers(read_soon(runtime, tap, SLOTS), 10, SLOTS);
  weft_kit_assert_ok(puppet_end(written));
  // The other reader is lost with its last copy: it holds nothing back.
  weft_value_release(ends);
  written = write_soon(runtime, source, 10 + SLOTS, 100);
  expect_numbers(read_soon(runtime, tap, 100), 10 + SLOTS, 100);
  weft_kit_assert_ok(puppet_end(written));
}

static void a_reader_that_dies_holds_nothing(weft_runtime_t* runtime) {
  made_t made = make(runtime, 2);
  weft_actor_t mortal = tap_at(runtime, 1);
  weft_actor_t survivor = tap_at(runtime, 2);
  weft_actor_t killer = puppet_spawn(runtime, 1);
  weft_writer_t* writer = open_writer(&made);
  give_reader(runtime, mortal, made.readers[0]);
  give_reader(runtime, survivor, made.readers[1]);
  write_numbers(writer, 0, SLOTS);
  weft_future_t* read = read_soon(runtime, survivor, 100);
  puppet_kill(runtime, killer);
  write_numbers(writer, SLOTS, 100);
  expect_numbers(read, 0, 100);
  weft_writer_release(writer);
}

static void the_last_reader_dies(weft_runtime_t* runtime) {
  made_t made = make(runtime, 1);
  weft_actor_t mortal = tap_at(runtime, 1);
  weft_actor_t killer = puppet_spawn(runtime, 1);
  weft_status_t status = WEFT_OK;
  weft_writer_t* writer = open_writer(&made);
  give_reader(runtime, mortal, made.readers[0]);
  puppet_kill(runtime, killer);
  while (status == WEFT_OK) {
    status = weft_writer_write(writer, weft_int64(1), WEFT_TIME_INFINITE);
  }
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "rank 1", status);
  weft_writer_release(writer);
}

static void readers_drain_what_a_dead_writer_wrote(weft_runtime_t* runtime) {
  made_t made = make(runtime, 2);
  weft_actor_t mortal = tap_at(runtime, 1);
  weft_actor_t killer = puppet_spawn(runtime, 1);
  weft_actor_t tap = tap_at(runtime, 2);
  weft_reader_t* reader;
  weft_kit_assert_ok(weft_reader_open(made.readers[0], &reader));
  weft_value_release(made.readers[0]);
  give_reader(runtime, tap, made.readers[1]);
  give_writer(runtime, mortal, made.writer);
  // Both have joined the writer when they have something of it.
  weft_future_t* written = write_soon(runtime, mortal, 0, 1);
  read_number(reader, 0);
  expect_numbers(read_soon(runtime, tap, 1), 0, 1);
  weft_kit_assert_ok(puppet_end(written));
  // What goes to this process goes ahead of the answer.
  weft_kit_assert_ok(puppet_end(write_soon(runtime, mortal, 1, SLOTS)));
  puppet_kill(runtime, killer);
  for (int64_t n = 1; n <= SLOTS; n++) {
    read_number(reader, n);
  }
  weft_lease_t lease;
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "rank 1",
      weft_reader_read(reader, WEFT_TIME_INFINITE, &lease));
  weft_status_t ended;
  do {
    ended = read_status(runtime, tap);
  } while (ended == WEFT_OK);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, ended);
  weft_reader_release(reader);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(readers_elsewhere_get_all_in_order, 2),
      PROCESS_TEST(what_was_written_waits_for_the_reader, 2),
      PROCESS_TEST(the_writer_travels, 3),
      PROCESS_TEST(the_writer_follows_its_reader, 2),
      PROCESS_TEST(errors_and_large_values_cross, 2),
      PROCESS_TEST(what_cannot_be_sent_fails_its_write, 2),
      PROCESS_TEST(an_end_is_used_by_one, 3),
      PROCESS_TEST(ends_pass_through_others, 3),
      PROCESS_TEST_OF_DEATH(a_reader_that_dies_holds_nothing, 3, 1 << 1),
      PROCESS_TEST_OF_DEATH(the_last_reader_dies, 2, 1 << 1),
      PROCESS_TEST_OF_DEATH(readers_drain_what_a_dead_writer_wrote, 3, 1 << 1),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
