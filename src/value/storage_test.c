// SPDX-License-Identifier: Apache-2.0

#include "value/tensor_internal.h"
#include "value/value_kit.h"

_Static_assert(sizeof(struct weft_storage) == 64, "one cache line");

static void a_storage_names_its_device_also_when_it_is_empty(void** state) {
  (void)state;
  static const weft_device_driver_t driver = {
      .device = {WEFT_DEVICE_EXTENSION, 3}};
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_storage_create(NULL, &driver, 0, &storage));
  assert_ptr_equal(weft_storage_driver(storage), &driver);
  assert_null(weft_storage_data(storage));
  assert_int_equal(weft_storage_size_bytes(storage), 0);
  weft_storage_release(storage);
}

static void no_device_means_the_cpu(void** state) {
  (void)state;
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_storage_create(NULL, NULL, 1, &storage));
  assert_ptr_equal(weft_storage_driver(storage), weft_device_cpu());
  assert_false(weft_storage_is_read_only(storage));
  weft_storage_release(storage);
}

static void allocated_memory_is_aligned_and_freed(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_storage_create(&kit.allocator, NULL, 100, &storage));
  assert_int_equal((uintptr_t)weft_storage_data(storage) % 64, 0);
  assert_int_equal(weft_storage_size_bytes(storage), 100);
  weft_storage_release(weft_storage_retain(storage));
  assert_int_equal(kit.blocks_in_use, 2);
  weft_storage_release(storage);
  weft_storage_release(NULL);
  weft_kit_allocator_deinit(&kit);
}

static weft_status_t refuse(const weft_device_driver_t* driver,
                            const weft_allocator_t* allocator,
                            size_t size_bytes, void** out_address) {
  (void)driver;
  (void)allocator;
  (void)out_address;
  return weft_status_make(WEFT_STATUS_UNAVAILABLE, "the device is asleep, %zu",
                          size_bytes);
}

static void what_the_device_says_is_passed_on(void** state) {
  (void)state;
  static const weft_device_vtable_t vtable = {.allocate = refuse};
  static const weft_device_driver_t driver = {
      .vtable = &vtable, .device = {WEFT_DEVICE_EXTENSION, 0}};
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_storage_t* storage = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_UNAVAILABLE, "asleep, 8",
      weft_storage_create(&kit.allocator, &driver, 8, &storage));
  assert_null(storage);
  weft_kit_allocator_deinit(&kit);
}

static void foreign_memory_is_used_in_place_and_released_once(void** state) {
  (void)state;
  char data[3] = "ab";
  _Atomic int released = 0;
  weft_memory_t memory = {data, 3, true, weft_value_kit_count, &released};
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_storage_wrap(NULL, NULL, &memory, &storage));
  assert_ptr_equal(weft_storage_data(storage), data);
  assert_int_equal(weft_storage_size_bytes(storage), 3);
  assert_true(weft_storage_is_read_only(storage));
  weft_storage_release(weft_storage_retain(storage));
  assert_int_equal(weft_value_kit_read(&released), 0);
  weft_storage_release(storage);
  assert_int_equal(weft_value_kit_read(&released), 1);
}

static void foreign_memory_needs_no_release(void** state) {
  (void)state;
  char data[3] = "ab";
  weft_memory_t memory = {.data = data, .size_bytes = 3};
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_storage_wrap(NULL, NULL, &memory, &storage));
  assert_false(weft_storage_is_read_only(storage));
  weft_storage_release(storage);
  assert_string_equal(data, "ab");
}

static void foreign_memory_may_be_empty_but_is_released_all_the_same(
    void** state) {
  (void)state;
  char data[1];
  _Atomic int released = 0;
  weft_memory_t memory = {data, 0, false, weft_value_kit_count, &released};
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_storage_wrap(NULL, NULL, &memory, &storage));
  assert_null(weft_storage_data(storage));
  weft_storage_release(storage);
  assert_int_equal(weft_value_kit_read(&released), 1);
}

static void memory_that_cannot_be_is_refused_and_not_taken(void** state) {
  (void)state;
  char data[8];
  _Atomic int released = 0;
  weft_storage_t* storage = NULL;
  weft_memory_t memory = {NULL, 8, false, weft_value_kit_count, &released};
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_storage_wrap(NULL, NULL, &memory, &storage));
  const size_t sizes[] = {SIZE_MAX, (size_t)INT64_MAX / 8 + 1};
  memory.data = data;
  for (size_t i = 0; i < 2; ++i) {
    memory.size_bytes = sizes[i];
    weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                           weft_storage_wrap(NULL, NULL, &memory, &storage));
  }
  memory.data = (void*)(UINTPTR_MAX - 8);
  memory.size_bytes = 10;
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         weft_storage_wrap(NULL, NULL, &memory, &storage));
  assert_null(storage);
  assert_int_equal(weft_value_kit_read(&released), 0);
}

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  (void)user;
  weft_storage_t* storage = NULL;
  weft_status_t status = weft_storage_create(allocator, NULL, 16, &storage);
  *out_object = storage;
  return status;
}

static weft_status_t wrap(const weft_allocator_t* allocator, void* user,
                          void** out_object) {
  weft_memory_t memory = {.data = user, .size_bytes = 1};
  weft_storage_t* storage = NULL;
  weft_status_t status = weft_storage_wrap(allocator, NULL, &memory, &storage);
  *out_object = storage;
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_storage_release(object);
}

static void creating_survives_every_allocation_failure(void** state) {
  (void)state;
  char data[1] = {0};
  weft_kit_creation_t created = {create, destroy, NULL};
  weft_kit_creation_t wrapped = {wrap, destroy, data};
  weft_kit_sweep(&created);
  weft_kit_sweep(&wrapped);
}

static void release(size_t index, void* user) {
  (void)index;
  weft_storage_release(weft_storage_retain(user));
  weft_storage_release(user);
}

static void any_thread_may_drop_the_last_reference(void** state) {
  (void)state;
  for (int round = 0; round < 200; ++round) {
    char data[1] = {0};
    _Atomic int released = 0;
    weft_memory_t memory = {data, 1, false, weft_value_kit_count, &released};
    weft_storage_t* storage = NULL;
    weft_kit_assert_ok(weft_storage_wrap(NULL, NULL, &memory, &storage));
    weft_storage_retain(weft_storage_retain(storage));
    weft_kit_run_threads(3, release, storage);
    assert_int_equal(weft_value_kit_read(&released), 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_storage_names_its_device_also_when_it_is_empty),
      cmocka_unit_test(no_device_means_the_cpu),
      cmocka_unit_test(allocated_memory_is_aligned_and_freed),
      cmocka_unit_test(what_the_device_says_is_passed_on),
      cmocka_unit_test(foreign_memory_is_used_in_place_and_released_once),
      cmocka_unit_test(foreign_memory_needs_no_release),
      cmocka_unit_test(
          foreign_memory_may_be_empty_but_is_released_all_the_same),
      cmocka_unit_test(memory_that_cannot_be_is_refused_and_not_taken),
      cmocka_unit_test(creating_survives_every_allocation_failure),
      cmocka_unit_test(any_thread_may_drop_the_last_reference),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
