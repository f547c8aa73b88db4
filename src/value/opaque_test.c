// SPDX-License-Identifier: Apache-2.0

#include "value/value_kit.h"

// A type that is told apart from `weft_value_kit_counted` by its address only.
static const weft_opaque_type_t other_type = {
    .name = "counted",
    .release = NULL,
};

static void the_pointer_reads_back(void** state) {
  (void)state;
  _Atomic int released = 0;
  weft_value_t value = weft_value_kit_opaque(&released);
  void* pointer = NULL;
  weft_kit_assert_ok(
      weft_value_as_opaque(value, &weft_value_kit_counted, &pointer));
  assert_ptr_equal(pointer, &released);
  weft_value_release(value);
}

static void the_object_is_released_once_with_the_last_reference(void** state) {
  (void)state;
  _Atomic int released = 0;
  weft_value_t value = weft_value_kit_opaque(&released);
  weft_value_release(weft_value_retain(value));
  assert_int_equal(weft_value_kit_read(&released), 0);
  weft_value_release(value);
  assert_int_equal(weft_value_kit_read(&released), 1);
}

static void a_type_needs_no_release_and_a_pointer_may_be_null(void** state) {
  (void)state;
  weft_value_t value;
  void* pointer = &value;
  weft_kit_assert_ok(weft_opaque_create(NULL, &other_type, NULL, &value));
  weft_kit_assert_ok(weft_value_as_opaque(value, &other_type, &pointer));
  assert_null(pointer);
  weft_value_release(value);
}

static void another_type_is_refused_even_of_the_same_name(void** state) {
  (void)state;
  _Atomic int released = 0;
  weft_value_t value = weft_value_kit_opaque(&released);
  void* pointer = &value;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "of type counted, not counted",
      weft_value_as_opaque(value, &other_type, &pointer));
  assert_null(pointer);
  weft_value_release(value);
}

static void a_type_without_a_name_is_described_as_such(void** state) {
  (void)state;
  static const weft_opaque_type_t nameless = {NULL, NULL};
  weft_value_t value;
  void* pointer = &value;
  weft_kit_assert_ok(weft_opaque_create(NULL, &nameless, NULL, &value));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "of type (no name), not counted",
      weft_value_as_opaque(value, &other_type, &pointer));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of type (no name), not (no name)",
                              weft_value_as_opaque(value, NULL, &pointer));
  weft_value_release(value);
}

static void another_kind_is_refused(void** state) {
  (void)state;
  void* pointer = &state;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "of kind int64, not an opaque object",
      weft_value_as_opaque(weft_int64(1), &other_type, &pointer));
  assert_null(pointer);
}

static void a_type_is_needed(void** state) {
  (void)state;
  weft_value_t value = weft_int64(7);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_opaque_create(NULL, NULL, NULL, &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
}

static void a_failed_creation_leaves_the_pointer_with_its_owner(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_kit_allocator_fail(&kit, 0, 1);
  _Atomic int released = 0;
  weft_value_t value;
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      weft_opaque_create(&kit.allocator, &weft_value_kit_counted, &released,
                         &value));
  assert_int_equal(weft_value_kit_read(&released), 0);
  weft_kit_allocator_deinit(&kit);
}

static void release(size_t index, void* user) {
  (void)index;
  weft_value_t* value = user;
  weft_value_release(weft_value_retain(*value));
  weft_value_release(*value);
}

static void threads_that_race_release_the_object_once(void** state) {
  (void)state;
  for (int round = 0; round < 200; ++round) {
    _Atomic int released = 0;
    weft_value_t value = weft_value_kit_opaque(&released);
    (void)weft_value_retain(value);
    (void)weft_value_retain(value);
    weft_kit_run_threads(3, release, &value);
    assert_int_equal(weft_value_kit_read(&released), 1);
  }
}

static void a_status_reads_back_with_its_identity(void** state) {
  (void)state;
  weft_status_t status = weft_status_make(WEFT_STATUS_FAILED, "the reason");
  weft_value_t value;
  weft_status_t read = WEFT_OK;
  weft_kit_assert_ok(
      weft_status_value_create(NULL, weft_status_retain(status), &value));
  weft_kit_assert_ok(weft_value_as_status(value, &read));
  assert_ptr_equal(read, status);
  weft_value_release(value);
  weft_status_release(status);
}

static void ok_is_no_status_to_wrap(void** state) {
  (void)state;
  weft_value_t value = weft_int64(7);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_status_value_create(NULL, WEFT_OK, &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
}

static void a_value_that_is_no_status_is_refused(void** state) {
  (void)state;
  weft_status_t read = WEFT_OK;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind bool, not status",
                              weft_value_as_status(weft_bool(true), &read));
  assert_true(read == WEFT_OK);
}

static weft_status_t create_opaque(const weft_allocator_t* allocator,
                                   weft_value_t* out_value) {
  return weft_opaque_create(allocator, &other_type, NULL, out_value);
}

static weft_status_t create_status(const weft_allocator_t* allocator,
                                   weft_value_t* out_value) {
  // Taken over also when it fails, or this leaks.
  weft_status_t status = weft_status_make(WEFT_STATUS_FAILED, "the reason");
  return weft_status_value_create(allocator, status, out_value);
}

static void creating_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_value_kit_sweep(create_opaque);
  weft_value_kit_sweep(create_status);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_pointer_reads_back),
      cmocka_unit_test(the_object_is_released_once_with_the_last_reference),
      cmocka_unit_test(a_type_needs_no_release_and_a_pointer_may_be_null),
      cmocka_unit_test(another_type_is_refused_even_of_the_same_name),
      cmocka_unit_test(a_type_without_a_name_is_described_as_such),
      cmocka_unit_test(another_kind_is_refused),
      cmocka_unit_test(a_type_is_needed),
      cmocka_unit_test(a_failed_creation_leaves_the_pointer_with_its_owner),
      cmocka_unit_test(threads_that_race_release_the_object_once),
      cmocka_unit_test(a_status_reads_back_with_its_identity),
      cmocka_unit_test(ok_is_no_status_to_wrap),
      cmocka_unit_test(a_value_that_is_no_status_is_refused),
      cmocka_unit_test(creating_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
