// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "value/value_kit.h"

static void a_string_reads_back_with_a_nul_behind_it(void** state) {
  (void)state;
  const char* text = "caf\xc3\xa9";
  weft_value_t value;
  const char* data = NULL;
  size_t length = 0;
  weft_kit_assert_ok(weft_string_create(NULL, text, 3, &value));
  weft_kit_assert_ok(weft_value_as_string(value, &data, &length));
  assert_int_equal(length, 3);
  assert_string_equal(data, "caf");
  weft_value_release(value);
  weft_kit_assert_ok(weft_string_from_c(NULL, text, &value));
  weft_kit_assert_ok(weft_value_as_string(value, &data, NULL));
  assert_string_equal(data, text);
  assert_ptr_not_equal(data, text);
  weft_value_release(value);
}

static void a_string_may_be_empty(void** state) {
  (void)state;
  weft_value_t value;
  const char* data = NULL;
  size_t length = 7;
  weft_kit_assert_ok(weft_string_create(NULL, NULL, 0, &value));
  weft_kit_assert_ok(weft_value_as_string(value, &data, &length));
  assert_int_equal(length, 0);
  assert_string_equal(data, "");
  weft_value_release(value);
}

static void a_string_may_hold_a_nul(void** state) {
  (void)state;
  weft_value_t value;
  const char* data = NULL;
  size_t length = 0;
  weft_kit_assert_ok(weft_string_create(NULL, "a\0b", 3, &value));
  weft_kit_assert_ok(weft_value_as_string(value, &data, &length));
  assert_int_equal(length, 3);
  assert_memory_equal(data, "a\0b", 4);
  weft_value_release(value);
}

static void text_that_is_not_utf8_is_refused_and_the_place_named(void** state) {
  (void)state;
  weft_value_t value = weft_int64(7);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "byte 2 of 4",
                              weft_string_create(NULL, "ab\xffz", 4, &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
}

static void bytes_read_back(void** state) {
  (void)state;
  const uint8_t bytes[] = {0, 255, 128, 1};
  weft_value_t value;
  const void* data = NULL;
  size_t size = 0;
  weft_kit_assert_ok(weft_bytes_create(NULL, bytes, sizeof(bytes), &value));
  weft_kit_assert_ok(weft_value_as_bytes(value, &data, &size));
  assert_int_equal(size, sizeof(bytes));
  assert_memory_equal(data, bytes, size);
  weft_value_release(value);
}

static void bytes_may_be_empty_and_are_never_at_null(void** state) {
  (void)state;
  weft_value_t value;
  const void* data = NULL;
  size_t size = 7;
  weft_kit_assert_ok(weft_bytes_create(NULL, NULL, 0, &value));
  weft_kit_assert_ok(weft_value_as_bytes(value, &data, &size));
  assert_int_equal(size, 0);
  assert_non_null(data);
  weft_value_release(value);
}

static void missing_data_is_refused(void** state) {
  (void)state;
  weft_value_t value = weft_int64(7);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_string_create(NULL, NULL, 1, &value));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_bytes_create(NULL, NULL, 1, &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
}

static void strings_and_bytes_are_not_each_other(void** state) {
  (void)state;
  weft_value_t string;
  weft_value_t bytes;
  weft_kit_assert_ok(weft_string_from_c(NULL, "a", &string));
  weft_kit_assert_ok(weft_bytes_create(NULL, "a", 1, &bytes));
  const char* data = "x";
  const void* raw = "x";
  size_t size = 7;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind bytes, not string",
                              weft_value_as_string(bytes, &data, &size));
  assert_null(data);
  assert_int_equal(size, 0);
  size = 7;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind string, not bytes",
                              weft_value_as_bytes(string, &raw, &size));
  assert_null(raw);
  assert_int_equal(size, 0);
  weft_value_release(string);
  weft_value_release(bytes);
}

static void sizes_beyond_memory_are_refused(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 40, PTRDIFF_MAX};
  for (size_t i = 0; i < 3; ++i) {
    weft_value_t value = weft_int64(7);
    weft_kit_assert_status(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        weft_bytes_create(&kit.allocator, "a", sizes[i], &value));
    assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
  }
  weft_kit_allocator_deinit(&kit);
}

static weft_status_t create_string(const weft_allocator_t* allocator,
                                   weft_value_t* out_value) {
  return weft_string_from_c(allocator, "text", out_value);
}

static weft_status_t create_bytes(const weft_allocator_t* allocator,
                                  weft_value_t* out_value) {
  return weft_bytes_create(allocator, "text", 4, out_value);
}

static void creating_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_value_kit_sweep(create_string);
  weft_value_kit_sweep(create_bytes);
}

static void retain_and_release(size_t index, void* user) {
  (void)index;
  weft_value_t* value = user;
  for (int i = 0; i < 2000; ++i) {
    weft_value_release(weft_value_retain(*value));
  }
  weft_value_release(*value);
}

static void any_thread_may_drop_the_last_reference(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_value_t value;
  weft_kit_assert_ok(weft_string_from_c(&kit.allocator, "shared", &value));
  for (int i = 1; i < 4; ++i) {
    (void)weft_value_retain(value);
  }
  weft_kit_run_threads(4, retain_and_release, &value);
  weft_kit_allocator_deinit(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_string_reads_back_with_a_nul_behind_it),
      cmocka_unit_test(a_string_may_be_empty),
      cmocka_unit_test(a_string_may_hold_a_nul),
      cmocka_unit_test(text_that_is_not_utf8_is_refused_and_the_place_named),
      cmocka_unit_test(bytes_read_back),
      cmocka_unit_test(bytes_may_be_empty_and_are_never_at_null),
      cmocka_unit_test(missing_data_is_refused),
      cmocka_unit_test(strings_and_bytes_are_not_each_other),
      cmocka_unit_test(sizes_beyond_memory_are_refused),
      cmocka_unit_test(creating_survives_every_allocation_failure),
      cmocka_unit_test(any_thread_may_drop_the_last_reference),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
