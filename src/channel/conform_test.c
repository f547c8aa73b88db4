// SPDX-License-Identifier: Apache-2.0
//
// What every kind of channel does. Each test runs once for each kind.

#include "channel/conform_kit.h"

#define MANY 20000
#define MANY_APART 2000

typedef void (*body_fn_t)(weft_channel_case_t* c);

// Runs a body on a channel of each kind.
static void for_kinds(body_fn_t body) {
  for (size_t i = 0; i < KINDS; i++) {
    static weft_channel_case_t c;
    const weft_channel_kind_t* kind = &weft_channel_kinds[i];
    print_message("             %s: %s\n", kind->web->name, kind->name);
    weft_case_init(&c, kind);
    body(&c);
    weft_case_deinit(&c);
  }
}

#define FOR_KINDS(name)            \
  static void name(void** state) { \
    (void)state;                   \
    for_kinds(name##_body);        \
  }

static void drop(weft_reader_t** reader) {
  weft_reader_release(*reader);
  *reader = NULL;
}

// Leaves one reader.
static void drop_others(weft_channel_case_t* c) {
  for (int i = 1; i < READERS; i++) {
    drop(&c->readers[i]);
  }
}

// --- Values -----------------------------------------------------------------

static void every_reader_gets_every_value_in_order_body(
    weft_channel_case_t* c) {
  for (int64_t round = 0; round < 100; round++) {
    for (int64_t i = 0; i < SLOTS; i++) {
      weft_write_due(c, round * SLOTS + i);
    }
    for (int reader = 0; reader < READERS; reader++) {
      for (int64_t i = 0; i < SLOTS; i++) {
        weft_get_due(c, reader, round * SLOTS + i);
      }
      weft_expect_empty(c->readers[reader], WEFT_STATUS_WOULD_BLOCK);
    }
  }
}
FOR_KINDS(every_reader_gets_every_value_in_order)

static void values_are_numbered_from_0_on_body(weft_channel_case_t* c) {
  for (uint64_t i = 0; i < UINT64_C(3) * SLOTS; i++) {
    weft_write_due(c, 7);
    for (int reader = 0; reader < READERS; reader++) {
      weft_lease_t lease = weft_take_due(c, reader);
      assert_int_equal(i, lease.sequence);
      weft_lease_release(&lease);
    }
  }
}
FOR_KINDS(values_are_numbered_from_0_on)

static _Atomic int opaque_released;

static void note_release(void* pointer) {
  (void)pointer;
  atomic_fetch_add_explicit(&opaque_released, 1, memory_order_relaxed);
}

static const weft_allocator_t* allocator_of(const weft_channel_case_t* c) {
  return weft_runtime_allocator(c->runtimes[0]);
}

// Nobody has got anything so far.
static void check_goes_on(const weft_channel_case_t* c) {
  weft_write_due(c, 1);
  for (int i = 0; i < READERS; i++) {
    weft_get_due(c, i, 1);
  }
}

static void objects_pass_as_they_are_until_all_have_released_them_body(
    weft_channel_case_t* c) {
  static const weft_opaque_type_t type = {"thing", note_release};
  static int thing;
  weft_value_t value = weft_none();
  atomic_store_explicit(&opaque_released, 0, memory_order_seq_cst);
  // All are where they are used.
  check_goes_on(c);
  weft_kit_assert_ok(
      weft_opaque_create(allocator_of(c), &type, &thing, &value));
  weft_status_t status = weft_writer_write(c->writer, value, weft_due(c));
  weft_value_release(value);
  if (weft_has_far_readers(c->kind)) {
    weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED, status);
    assert_int_equal(
        1, atomic_load_explicit(&opaque_released, memory_order_seq_cst));
    check_goes_on(c);
    return;
  }
  weft_kit_assert_ok(status);
  for (int i = 0; i < READERS; i++) {
    assert_int_equal(
        0, atomic_load_explicit(&opaque_released, memory_order_seq_cst));
    weft_lease_t lease = weft_take_due(c, i);
    void* found = NULL;
    weft_kit_assert_ok(weft_value_as_opaque(lease.value, &type, &found));
    assert_ptr_equal(&thing, found);
    weft_lease_release(&lease);
    weft_lease_release(&lease);
  }
  assert_int_equal(
      1, atomic_load_explicit(&opaque_released, memory_order_seq_cst));
}
FOR_KINDS(objects_pass_as_they_are_until_all_have_released_them)

// Another runtime has a copy, with all that led to it.
static void check_same_error(const weft_channel_case_t* c, int reader,
                             weft_status_t expected, weft_status_t found) {
  char texts[2][1000];
  if (c->kind->reader_ranks[reader] == c->kind->writer_rank) {
    assert_ptr_equal(expected, found);
    return;
  }
  (void)weft_status_format(expected, texts[0], sizeof(texts[0]));
  (void)weft_status_format(found, texts[1], sizeof(texts[1]));
  assert_string_equal(texts[0], texts[1]);
  assert_int_equal(weft_status_code(weft_status_root(expected)),
                   weft_status_code(weft_status_root(found)));
}

static void an_error_comes_in_its_turn_with_its_identity_body(
    weft_channel_case_t* c) {
  weft_status_t error = weft_status_make_caused(
      WEFT_STATUS_DATA_LOSS, weft_status_make(WEFT_STATUS_FAILED, "the root"),
      "the disk is gone");
  weft_write_due(c, 1);
  weft_kit_assert_ok(weft_writer_fail(c->writer, error, weft_due(c)));
  weft_write_due(c, 2);
  for (int i = 0; i < READERS; i++) {
    weft_get_due(c, i, 1);
    weft_lease_t lease = weft_take_due(c, i);
    check_same_error(c, i, error, lease.status);
    assert_int_equal(WEFT_KIND_NONE, lease.value.kind);
    weft_lease_release(&lease);
    weft_get_due(c, i, 2);
  }
  weft_status_release(error);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_writer_fail(c->writer, WEFT_OK, WEFT_TIME_NOW));
}
FOR_KINDS(an_error_comes_in_its_turn_with_its_identity)

// --- Slots ------------------------------------------------------------------

static void a_slot_is_free_when_all_have_released_it_body(
    weft_channel_case_t* c) {
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, i);
  }
  for (int i = 0; i < READERS; i++) {
    weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                           weft_try_put(c->writer, SLOTS));
    weft_get_due(c, i, 0);
  }
  weft_write_due(c, SLOTS);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, weft_try_put(c->writer, 9));
}
FOR_KINDS(a_slot_is_free_when_all_have_released_it)

static void leases_are_released_in_any_order_body(weft_channel_case_t* c) {
  weft_lease_t leases[READERS][SLOTS];
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, i);
    for (int reader = 0; reader < READERS; reader++) {
      leases[reader][i] = weft_take_due(c, reader);
    }
  }
  for (int64_t i = SLOTS - 1; i >= 0; i--) {
    weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                           weft_try_put(c->writer, SLOTS));
    for (int reader = 0; reader < READERS; reader++) {
      weft_check_number(&leases[reader][i], i);
      weft_lease_release(&leases[reader][i]);
    }
  }
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, SLOTS + i);
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, weft_try_put(c->writer, 9));
}
FOR_KINDS(leases_are_released_in_any_order)

static void who_holds_every_slot_is_told_and_not_left_to_wait_body(
    weft_channel_case_t* c) {
  weft_lease_t leases[SLOTS];
  weft_lease_t more;
  drop_others(c);
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, i);
    leases[i] = weft_take_due(c, 0);
  }
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLOCK, "holds all 4 slots",
      weft_reader_read(c->readers[0], WEFT_TIME_INFINITE, &more));
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_lease_release(&leases[i]);
  }
  weft_write_due(c, SLOTS);
  weft_get_due(c, 0, SLOTS);
}
FOR_KINDS(who_holds_every_slot_is_told_and_not_left_to_wait)

// --- Writing in place -------------------------------------------------------

static void reserve(const weft_channel_case_t* c, const char* text) {
  void* data = NULL;
  weft_kit_assert_ok(
      weft_writer_reserve(c->writer, strlen(text), weft_due(c), &data));
  memcpy(data, text, strlen(text));
}

static void check_bytes(const weft_channel_case_t* c, int reader,
                        const char* text) {
  const void* data = NULL;
  size_t size_bytes = 0;
  weft_lease_t lease = weft_take_due(c, reader);
  weft_kit_assert_ok(weft_value_as_bytes(lease.value, &data, &size_bytes));
  assert_int_equal(strlen(text), size_bytes);
  assert_memory_equal(text, data, size_bytes);
  weft_lease_release(&lease);
}

static void what_is_filled_in_place_is_passed_on_when_committed_body(
    weft_channel_case_t* c) {
  reserve(c, "whole");
  weft_expect_empty(c->readers[0], WEFT_STATUS_WOULD_BLOCK);
  weft_kit_assert_ok(weft_writer_commit(c->writer, 5));
  reserve(c, "shorter");
  weft_kit_assert_ok(weft_writer_commit(c->writer, 5));
  reserve(c, "dropped");
  weft_writer_abandon(c->writer);
  weft_writer_abandon(c->writer);
  weft_write_due(c, 1);
  for (int i = 0; i < READERS; i++) {
    check_bytes(c, i, "whole");
    check_bytes(c, i, "short");
    weft_get_due(c, i, 1);
  }
}
FOR_KINDS(what_is_filled_in_place_is_passed_on_when_committed)

static void a_reservation_is_ended_before_the_next_write_body(
    weft_channel_case_t* c) {
  void* data = NULL;
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_writer_commit(c->writer, 1));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_writer_reserve(c->writer, 0, WEFT_TIME_NOW, &data));
  reserve(c, "kept");
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_try_put(c->writer, 1));
  weft_kit_assert_status(
      WEFT_STATUS_FAILED_PRECONDITION,
      weft_writer_reserve(c->writer, 4, WEFT_TIME_NOW, &data));
  assert_null(data);
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         weft_writer_commit(c->writer, 5));
  weft_kit_assert_ok(weft_writer_commit(c->writer, 4));
  check_bytes(c, 1, "kept");
}
FOR_KINDS(a_reservation_is_ended_before_the_next_write)

// --- The end ----------------------------------------------------------------

static void a_close_lets_readers_finish_body(weft_channel_case_t* c) {
  weft_write_due(c, 1);
  weft_write_due(c, 2);
  weft_writer_close(c->writer, WEFT_OK);
  weft_writer_close(c->writer,
                    weft_status_make(WEFT_STATUS_FAILED, "too late"));
  weft_kit_assert_status(WEFT_STATUS_CLOSED, weft_try_put(c->writer, 3));
  for (int i = 0; i < READERS; i++) {
    weft_get_due(c, i, 1);
    weft_get_due(c, i, 2);
    weft_expect_end(c, i, WEFT_STATUS_CLOSED, "it was closed");
    weft_expect_empty(c->readers[i], WEFT_STATUS_CLOSED);
  }
}
FOR_KINDS(a_close_lets_readers_finish)

// Whether a reader is told of an error; it may get values before.
static bool hears_error(weft_reader_t* reader, weft_status_t* out_error) {
  weft_lease_t lease;
  *out_error = weft_try_take(reader, &lease);
  weft_lease_release(&lease);
  return *out_error != WEFT_OK &&
         weft_status_code(*out_error) != WEFT_STATUS_WOULD_BLOCK;
}

static void a_close_with_an_error_is_heard_at_once_body(
    weft_channel_case_t* c) {
  weft_status_t heard = WEFT_OK;
  weft_write_due(c, 1);
  weft_write_due(c, 2);
  weft_lease_t held = weft_take_due(c, 0);
  weft_status_t error = weft_status_make(WEFT_STATUS_FAILED, "overheated");
  weft_writer_close(c->writer, weft_status_retain(error));
  WEFT_COMES(c, hears_error(c->readers[0], &heard));
  check_same_error(c, 0, error, heard);
  weft_status_release(heard);
  weft_check_number(&held, 1);
  weft_lease_release(&held);
  weft_status_release(error);
}
FOR_KINDS(a_close_with_an_error_is_heard_at_once)

static void a_writer_that_leaves_is_told_of_body(weft_channel_case_t* c) {
  reserve(c, "never committed");
  weft_writer_abandon(c->writer);
  weft_write_due(c, 1);
  reserve(c, "never committed");
  weft_writer_release(c->writer);
  c->writer = NULL;
  for (int i = 0; i < READERS; i++) {
    weft_get_due(c, i, 1);
    weft_expect_end(c, i, WEFT_STATUS_ABANDONED, "left without closing");
  }
}
FOR_KINDS(a_writer_that_leaves_is_told_of)

static void a_reader_that_leaves_holds_nothing_up_body(weft_channel_case_t* c) {
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, i);
  }
  weft_lease_t held = weft_take_due(c, 1);
  drop(&c->readers[0]);
  weft_get_due(c, 2, 0);
  drop(&c->readers[1]);
  // The lease outlives its reader, and holds its slot.
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, weft_try_put(c->writer, 9));
  weft_check_number(&held, 0);
  weft_lease_release(&held);
  weft_write_due(c, SLOTS);
  for (int64_t i = 1; i <= SLOTS; i++) {
    weft_get_due(c, 2, i);
  }
}
FOR_KINDS(a_reader_that_leaves_holds_nothing_up)

static bool is_refused(const weft_channel_case_t* c) {
  return weft_status_ignore(weft_try_put(c->writer, 1)) == WEFT_STATUS_CLOSED;
}

static void without_readers_nothing_is_written_body(weft_channel_case_t* c) {
  weft_write_due(c, 1);
  drop(&c->readers[0]);
  reserve(c, "in between");
  drop_others(c);
  weft_status_t status = weft_writer_commit(c->writer, 10);
  if (weft_has_far_readers(c->kind) && status == WEFT_OK) {
    // It was not known yet.
    WEFT_COMES(c, is_refused(c));
  } else {
    weft_kit_assert_status(WEFT_STATUS_CLOSED, status);
  }
  weft_kit_assert_status_says(WEFT_STATUS_CLOSED, "no reader is left",
                              weft_try_put(c->writer, 1));
}
FOR_KINDS(without_readers_nothing_is_written)

static void what_is_left_unread_is_freed_body(weft_channel_case_t* c) {
  weft_value_t text = weft_none();
  weft_kit_assert_ok(weft_string_from_c(allocator_of(c), "unread", &text));
  for (int i = 0; i < SLOTS; i++) {
    weft_kit_assert_ok(weft_writer_write(c->writer, text, weft_due(c)));
  }
  weft_value_release(text);
  weft_lease_t lease = weft_take_due(c, 2);
  weft_lease_release(&lease);
  // The kit finds what is not freed.
}
FOR_KINDS(what_is_left_unread_is_freed)

// --- Waiting ----------------------------------------------------------------

static void a_wait_that_fails_changes_nothing_body(weft_channel_case_t* c) {
  weft_lease_t lease;
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLINE_EXCEEDED, "tested is empty",
      weft_reader_read(c->readers[0], weft_soon(c, 5), &lease));
  assert_null(lease.reader);
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, i);
  }
  weft_lease_t held = weft_take_due(c, 0);
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLINE_EXCEEDED, "tested is full: reader 0",
      weft_writer_write(c->writer, weft_int64(9), weft_soon(c, 5)));
  // Real time is never exact.
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      c->kind->web->has_threads ? "has waited for " : "has waited for 12 ms",
      weft_writer_write(c->writer, weft_int64(9), weft_soon(c, 7)));
  weft_lease_release(&held);
  drop_others(c);
  weft_kit_assert_ok(
      weft_writer_write(c->writer, weft_int64(SLOTS), weft_soon(c, 60000)));
  for (int64_t i = 1; i <= SLOTS; i++) {
    weft_get_due(c, 0, i);
  }
}
FOR_KINDS(a_wait_that_fails_changes_nothing)

// The consumers of a shared reader are of one thread.
static void pass_many(size_t index, void* user) {
  weft_channel_case_t* c = user;
  int64_t count =
      (int64_t)weft_kit_amount(weft_is_near(c->kind) ? MANY : MANY_APART);
  if (index == 0) {
    for (int64_t i = 0; i < count; i++) {
      weft_kit_assert_ok(
          weft_writer_write(c->writer, weft_int64(i), WEFT_TIME_INFINITE));
    }
    weft_writer_close(c->writer, WEFT_OK);
    return;
  }
  weft_lease_t lease;
  for (int64_t i = 0; i < count; i++) {
    for (int reader = 0; reader < READERS; reader++) {
      weft_kit_assert_ok(
          weft_reader_read(c->readers[reader], WEFT_TIME_INFINITE, &lease));
      weft_check_number(&lease, i);
      weft_lease_release(&lease);
    }
  }
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      weft_reader_read(c->readers[0], WEFT_TIME_INFINITE, &lease));
}

static void threads_wait_for_each_other_body(weft_channel_case_t* c) {
  if (c->kind->web->has_threads) {
    weft_kit_run_threads(2, pass_many, c);
  }
}
FOR_KINDS(threads_wait_for_each_other)

// --- Futures that tell ------------------------------------------------------

static weft_future_t* read_ready(weft_channel_case_t* c, int reader) {
  weft_future_t* future = NULL;
  weft_kit_assert_ok(weft_reader_ready(c->readers[reader], &future));
  return future;
}

static bool is_ready(weft_future_t* future) {
  return weft_future_state(future) == WEFT_FUTURE_READY;
}

static void a_future_tells_when_there_is_something_to_read_body(
    weft_channel_case_t* c) {
  weft_future_t* first = read_ready(c, 0);
  assert_false(weft_future_is_done(first));
  weft_write_due(c, 1);
  WEFT_COMES(c, is_ready(first));
  weft_future_release(first);
  // It is there already, for all.
  weft_lease_t lease = weft_take_due(c, 0);
  for (int i = 1; i < READERS; i++) {
    weft_future_t* second = read_ready(c, i);
    WEFT_COMES(c, is_ready(second));
    weft_future_release(second);
    weft_get_due(c, i, 1);
  }
  weft_lease_release(&lease);
  // A close can be read, too; and one that was cancelled does no harm.
  weft_future_t* last = read_ready(c, 2);
  weft_future_t* dropped = read_ready(c, 1);
  weft_future_cancel(dropped);
  weft_future_release(dropped);
  weft_writer_close(c->writer, WEFT_OK);
  WEFT_COMES(c, is_ready(last));
  weft_future_release(last);
}
FOR_KINDS(a_future_tells_when_there_is_something_to_read)

static void a_future_tells_when_there_is_room_body(weft_channel_case_t* c) {
  weft_future_t* future = NULL;
  weft_kit_assert_ok(weft_writer_ready(c->writer, &future));
  WEFT_COMES(c, is_ready(future));
  weft_future_release(future);
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, i);
  }
  weft_kit_assert_ok(weft_writer_ready(c->writer, &future));
  for (int i = 0; i < READERS; i++) {
    assert_false(weft_future_is_done(future));
    weft_get_due(c, i, 0);
  }
  WEFT_COMES(c, is_ready(future));
  weft_future_release(future);
  weft_write_due(c, SLOTS);
  weft_kit_assert_ok(weft_writer_ready(c->writer, &future));
  for (int i = 0; i < READERS; i++) {
    drop(&c->readers[i]);
  }
  // A write does not wait: it fails.
  WEFT_COMES(c, is_ready(future));
  weft_future_release(future);
}
FOR_KINDS(a_future_tells_when_there_is_room)

static void futures_of_ends_that_leave_complete_body(weft_channel_case_t* c) {
  weft_future_t* read = read_ready(c, 0);
  for (int i = 0; i < READERS; i++) {
    drop(&c->readers[i]);
  }
  WEFT_COMES(c, weft_future_is_done(read));
  weft_future_release(read);
}
FOR_KINDS(futures_of_ends_that_leave_complete)

// --- The end of the runtime -------------------------------------------------

// Of the first reader.
static weft_runtime_t* reader_runtime(const weft_channel_case_t* c) {
  return c->runtimes[c->kind->reader_ranks[0]];
}

typedef struct stopped {
  weft_channel_case_t* c;
  _Atomic bool waits;
} stopped_t;

static void stop_beside_a_wait(size_t index, void* user) {
  stopped_t* stopped = user;
  weft_channel_case_t* c = stopped->c;
  if (index == 0) {
    weft_lease_t lease;
    atomic_store_explicit(&stopped->waits, true, memory_order_seq_cst);
    weft_kit_assert_status_says(
        WEFT_STATUS_CLOSED, "runtime",
        weft_reader_read(c->readers[0], WEFT_TIME_INFINITE, &lease));
  } else {
    while (!atomic_load_explicit(&stopped->waits, memory_order_seq_cst)) {
      weft_sys_yield();
    }
    weft_kit_assert_ok(
        weft_runtime_stop(reader_runtime(c), WEFT_TIME_INFINITE));
  }
}

static void a_runtime_that_stops_ends_waits_body(weft_channel_case_t* c) {
  stopped_t stopped = {.c = c};
  weft_future_t* future = NULL;
  if (!c->kind->web->has_threads) {
    return;
  }
  weft_kit_run_threads(2, stop_beside_a_wait, &stopped);
  if (c->kind->writer_rank == c->kind->reader_ranks[0]) {
    weft_kit_assert_status(WEFT_STATUS_CLOSED, weft_try_put(c->writer, 1));
  }
  weft_kit_assert_status(WEFT_STATUS_CLOSED,
                         weft_reader_ready(c->readers[0], &future));
}
FOR_KINDS(a_runtime_that_stops_ends_waits)

static void ends_outlive_their_runtime_body(weft_channel_case_t* c) {
  weft_write_due(c, 1);
  weft_lease_t held = weft_take_due(c, 0);
  weft_runtime_destroy(reader_runtime(c));
  c->runtimes[c->kind->reader_ranks[0]] = NULL;
  weft_check_number(&held, 1);
  weft_lease_release(&held);
  if (weft_is_near(c->kind)) {
    weft_get_due(c, 1, 1);
    weft_expect_empty(c->readers[1], WEFT_STATUS_CLOSED);
  }
}
FOR_KINDS(ends_outlive_their_runtime)

// --- Memory -----------------------------------------------------------------

static const weft_channel_kind_t* swept_kind;

static weft_status_t create_pair(const weft_allocator_t* allocator, void* user,
                                 void** out_object) {
  (void)user;
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .worker_count = 1};
  weft_runtime_t* runtime = NULL;
  weft_writer_t* writer = NULL;
  weft_reader_t* readers[READERS] = {NULL};
  weft_future_t* future = NULL;
  void* data = NULL;
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &runtime));
  weft_status_t status = weft_case_make(swept_kind, runtime, &writer, readers);
  if (status == WEFT_OK && swept_kind->is_shared) {
    status = weft_case_share(readers);
  }
  if (status == WEFT_OK) {
    status = weft_reader_ready(readers[0], &future);
  }
  if (status == WEFT_OK) {
    status = weft_writer_reserve(writer, 100, WEFT_TIME_NOW, &data);
  }
  if (status == WEFT_OK) {
    status = weft_writer_commit(writer, 50);
  }
  if (status == WEFT_OK) {
    weft_lease_t lease;
    status = weft_try_take(readers[1], &lease);
    weft_lease_release(&lease);
  }
  weft_future_release(future);
  weft_writer_release(writer);
  for (int i = 0; i < READERS; i++) {
    weft_reader_release(readers[i]);
  }
  if (status == WEFT_OK) {
    *out_object = runtime;
  } else {
    weft_runtime_destroy(runtime);
  }
  return status;
}

static void destroy_pair(void* object, void* user) {
  (void)user;
  weft_runtime_destroy(object);
}

static void without_memory_it_is_a_status(void** state) {
  (void)state;
  const weft_kit_creation_t creation = {
      .create = create_pair,
      .destroy = destroy_pair,
  };
  for (size_t i = 0; i < KINDS; i++) {
    swept_kind = &weft_channel_kinds[i];
    if (weft_is_near(swept_kind)) {
      weft_kit_sweep(&creation);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_reader_gets_every_value_in_order),
      cmocka_unit_test(values_are_numbered_from_0_on),
      cmocka_unit_test(objects_pass_as_they_are_until_all_have_released_them),
      cmocka_unit_test(an_error_comes_in_its_turn_with_its_identity),
      cmocka_unit_test(a_slot_is_free_when_all_have_released_it),
      cmocka_unit_test(leases_are_released_in_any_order),
      cmocka_unit_test(who_holds_every_slot_is_told_and_not_left_to_wait),
      cmocka_unit_test(what_is_filled_in_place_is_passed_on_when_committed),
      cmocka_unit_test(a_reservation_is_ended_before_the_next_write),
      cmocka_unit_test(a_close_lets_readers_finish),
      cmocka_unit_test(a_close_with_an_error_is_heard_at_once),
      cmocka_unit_test(a_writer_that_leaves_is_told_of),
      cmocka_unit_test(a_reader_that_leaves_holds_nothing_up),
      cmocka_unit_test(without_readers_nothing_is_written),
      cmocka_unit_test(what_is_left_unread_is_freed),
      cmocka_unit_test(a_wait_that_fails_changes_nothing),
      cmocka_unit_test(threads_wait_for_each_other),
      cmocka_unit_test(a_future_tells_when_there_is_something_to_read),
      cmocka_unit_test(a_future_tells_when_there_is_room),
      cmocka_unit_test(futures_of_ends_that_leave_complete),
      cmocka_unit_test(a_runtime_that_stops_ends_waits),
      cmocka_unit_test(ends_outlive_their_runtime),
      cmocka_unit_test(without_memory_it_is_a_status),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
