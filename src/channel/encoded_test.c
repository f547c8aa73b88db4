// SPDX-License-Identifier: Apache-2.0
//
// What every kind of channel does with what is encoded. Each test runs once for
// each kind.

#include "channel/conform_kit.h"
#include "value/value_kit.h"
#include "wire/codec_kit.h"

typedef void (*body_fn_t)(weft_channel_case_t* c);

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

static weft_lease_t take_encoded(const weft_channel_case_t* c, int reader) {
  weft_lease_t lease;
  weft_kit_assert_ok(
      weft_reader_read_encoded(c->readers[reader], weft_due(c), &lease));
  assert_true(lease.status == WEFT_OK);
  assert_int_equal(WEFT_KIND_BYTES, weft_value_kind(lease.value));
  return lease;
}

static weft_status_t write_encoded(weft_writer_t* writer, weft_value_t bytes,
                                   int64_t deadline_ns) {
  const void* data = NULL;
  size_t size_bytes = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_bytes(bytes, &data, &size_bytes));
  return weft_writer_write_encoded(writer, data, size_bytes, deadline_ns);
}

static void expect_encoded(const weft_channel_case_t* c, int reader,
                           weft_value_t bytes) {
  weft_lease_t lease = take_encoded(c, reader);
  assert_true(weft_value_equal(bytes, lease.value));
  weft_lease_release(&lease);
  weft_lease_release(&lease);
  assert_null(lease.reader);
}

static void expect_decoded(const weft_channel_case_t* c, int reader,
                           weft_status_t error, weft_value_t value) {
  weft_lease_t lease = weft_take_due(c, reader);
  weft_codec_kit_assert_status(error, lease.status);
  weft_codec_kit_assert_equal(value, lease.value);
  weft_lease_release(&lease);
}

// Once as a value, or an error, and once more as what came of that.
static void pass_twice(weft_channel_case_t* c, weft_value_t value) {
  weft_status_t error = WEFT_OK;
  if (weft_value_kind(value) == WEFT_KIND_STATUS) {
    weft_kit_assert_ok(weft_value_as_status(value, &error));
    value = weft_none();
    weft_kit_assert_ok(weft_writer_fail(c->writer, error, weft_due(c)));
  } else {
    weft_kit_assert_ok(weft_writer_write(c->writer, value, weft_due(c)));
  }
  weft_lease_t lease = take_encoded(c, 0);
  weft_kit_assert_ok(write_encoded(c->writer, lease.value, weft_due(c)));
  expect_encoded(c, 0, lease.value);
  expect_decoded(c, 1, error, value);
  expect_encoded(c, 1, lease.value);
  expect_encoded(c, 2, lease.value);
  expect_decoded(c, 2, error, value);
  weft_lease_release(&lease);
}

static void what_is_relayed_is_the_same_body(weft_channel_case_t* c) {
  weft_kit_random_t random;
  uint64_t count = weft_is_near(c->kind) ? 200 : 50;
  weft_kit_random_init(&random, 1);
  for (uint64_t i = 0; i < count; i++) {
    weft_value_t value = i == 0   ? weft_codec_kit_random_status(&random)
                         : i == 1 ? weft_codec_kit_random_tensor(&random)
                                  : weft_codec_kit_random_value(&random, 3);
    pass_twice(c, value);
    weft_value_release(value);
  }
}
FOR_KINDS(what_is_relayed_is_the_same)

static void bytes_that_outlive_their_lease_hold_no_slot_body(
    weft_channel_case_t* c) {
  weft_write_due(c, 5);
  weft_lease_t lease = take_encoded(c, 0);
  assert_int_equal(0, lease.sequence);
  weft_value_t kept = weft_value_retain(lease.value);
  weft_lease_release(&lease);
  weft_get_due(c, 1, 5);
  weft_get_due(c, 2, 5);
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_write_due(c, i);
  }
  assert_int_equal(WEFT_KIND_BYTES, weft_value_kind(kept));
  weft_value_release(kept);
}
FOR_KINDS(bytes_that_outlive_their_lease_hold_no_slot)

static void what_cannot_be_encoded_is_still_to_be_read_body(
    weft_channel_case_t* c) {
  static const weft_opaque_type_t type = {"thing", NULL};
  weft_value_t value = weft_none();
  weft_lease_t lease;
  if (weft_has_far_readers(c->kind)) {
    return;
  }
  weft_kit_assert_ok(weft_opaque_create(weft_runtime_allocator(c->runtimes[0]),
                                        &type, NULL, &value));
  weft_kit_assert_ok(weft_writer_write(c->writer, value, weft_due(c)));
  weft_value_release(value);
  weft_write_due(c, 1);
  weft_kit_assert_status_says(
      WEFT_STATUS_UNIMPLEMENTED, "of type thing",
      weft_reader_read_encoded(c->readers[0], weft_due(c), &lease));
  assert_null(lease.reader);
  lease = weft_take_due(c, 0);
  assert_int_equal(0, lease.sequence);
  weft_lease_release(&lease);
  weft_get_due(c, 0, 1);
}
FOR_KINDS(what_cannot_be_encoded_is_still_to_be_read)

static void bytes_that_are_no_encoded_value_are_not_written_body(
    weft_channel_case_t* c) {
  // Whole but for the body, which no reader could decode.
  static const uint8_t forged[24] = {1, 1, 0, 0, 1, 0, 0, 0, 24, [16] = 0xc1};
  static const uint8_t cut[24] = {1, 1, 0, 0, 1, 0, 0, 0, 32, [16] = 7};
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_writer_write_encoded(c->writer, forged, 24, weft_due(c)));
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_writer_write_encoded(c->writer, cut, 24, weft_due(c)));
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_writer_write_encoded(c->writer, NULL, 0, weft_due(c)));
  weft_write_due(c, 1);
  for (int i = 0; i < READERS; i++) {
    weft_get_due(c, i, 1);
    weft_expect_empty(c->readers[i], WEFT_STATUS_WOULD_BLOCK);
  }
}
FOR_KINDS(bytes_that_are_no_encoded_value_are_not_written)

static void what_is_encoded_waits_as_values_do_body(weft_channel_case_t* c) {
  static const uint8_t seven[24] = {1, 1, 0, 0, 1, 0, 0, 0, 24, [16] = 7};
  weft_lease_t lease;
  void* data = NULL;
  weft_kit_assert_status(
      WEFT_STATUS_WOULD_BLOCK,
      weft_reader_read_encoded(c->readers[0], WEFT_TIME_NOW, &lease));
  weft_kit_assert_ok(weft_writer_reserve(c->writer, 8, weft_due(c), &data));
  weft_kit_assert_status(
      WEFT_STATUS_FAILED_PRECONDITION,
      weft_writer_write_encoded(c->writer, seven, 24, WEFT_TIME_NOW));
  weft_writer_abandon(c->writer);
  for (int64_t i = 0; i < SLOTS; i++) {
    weft_kit_assert_ok(
        weft_writer_write_encoded(c->writer, seven, 24, weft_due(c)));
  }
  weft_kit_assert_status(
      WEFT_STATUS_WOULD_BLOCK,
      weft_writer_write_encoded(c->writer, seven, 24, WEFT_TIME_NOW));
  for (int i = 0; i < READERS * SLOTS; i++) {
    weft_get_due(c, i % READERS, 7);
  }
  weft_writer_close(c->writer, WEFT_OK);
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      weft_writer_write_encoded(c->writer, seven, 24, WEFT_TIME_NOW));
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      weft_reader_read_encoded(c->readers[0], weft_due(c), &lease));
}
FOR_KINDS(what_is_encoded_waits_as_values_do)

// --- Memory -----------------------------------------------------------------

static const weft_channel_kind_t* swept_kind;

// Writes a value, and once more what a reader reads, encoded.
static weft_status_t pass(weft_writer_t* writer, weft_reader_t* reader,
                          weft_value_t value) {
  weft_lease_t lease;
  WEFT_RETURN_IF_ERROR(weft_writer_write(writer, value, WEFT_TIME_NOW));
  WEFT_RETURN_IF_ERROR(weft_reader_read_encoded(reader, WEFT_TIME_NOW, &lease));
  weft_status_t status = write_encoded(writer, lease.value, WEFT_TIME_NOW);
  weft_lease_release(&lease);
  return status;
}

static weft_status_t create_and_pass(const weft_allocator_t* allocator,
                                     void* user, void** out_object) {
  const weft_value_t* value = user;
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .worker_count = 1};
  weft_runtime_t* runtime = NULL;
  weft_writer_t* writer = NULL;
  weft_reader_t* readers[READERS] = {NULL};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &runtime));
  weft_status_t status = weft_case_make(swept_kind, runtime, &writer, readers);
  if (status == WEFT_OK && swept_kind->is_shared) {
    status = weft_case_share(readers);
  }
  if (status == WEFT_OK) {
    status = pass(writer, readers[0], *value);
  }
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

static void destroy_runtime(void* object, void* user) {
  (void)user;
  weft_runtime_destroy(object);
}

static void without_memory_it_is_a_status(void** state) {
  (void)state;
  weft_value_t items[] = {weft_int64(1), weft_value_kit_string("text")};
  weft_value_t list = weft_value_kit_list(items, 2);
  const weft_kit_creation_t creation = {
      .create = create_and_pass,
      .destroy = destroy_runtime,
      .user = &list,
  };
  for (size_t i = 0; i < KINDS; i++) {
    swept_kind = &weft_channel_kinds[i];
    if (weft_is_near(swept_kind)) {
      weft_kit_sweep(&creation);
    }
  }
  weft_value_release(list);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_relayed_is_the_same),
      cmocka_unit_test(bytes_that_outlive_their_lease_hold_no_slot),
      cmocka_unit_test(what_cannot_be_encoded_is_still_to_be_read),
      cmocka_unit_test(bytes_that_are_no_encoded_value_are_not_written),
      cmocka_unit_test(what_is_encoded_waits_as_values_do),
      cmocka_unit_test(without_memory_it_is_a_status),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
