// SPDX-License-Identifier: Apache-2.0
//
// Storages, tensors, copies of tensors and DLPack on a simulated device.

#include <string.h>

#include "value/sim_device_kit.h"
#include "weft/dlpack.h"

static const int32_t numbers[] = {1, 2, 3, 4, 5, 6};
static const int64_t shape[] = {2, 3};

static weft_tensor_t* cpu_tensor(void) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT32, 2, shape, numbers, &tensor));
  return tensor;
}

static weft_tensor_t* copy_to(weft_sim_device_t* device,
                              const weft_tensor_t* tensor) {
  weft_tensor_t* copy = NULL;
  weft_kit_assert_ok(
      weft_tensor_copy(NULL, weft_sim_kit_driver(device), tensor, &copy));
  return copy;
}

// Compares by way of the cpu.
static void check_numbers(const weft_tensor_t* tensor, const int32_t* expected,
                          size_t count) {
  weft_tensor_t* here = copy_to(NULL, tensor);
  assert_int_equal(weft_tensor_element_count(here), count);
  assert_memory_equal(weft_tensor_data(here), expected,
                      count * sizeof(*expected));
  weft_tensor_release(here);
}

static void tensors_of_a_device_are_made_and_given_back(void** state) {
  (void)state;
  weft_sim_device_t* device =
      weft_sim_kit_make(&(weft_sim_device_options_t){.id = 3});
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  weft_tensor_t* tensor = NULL;
  weft_tensor_t* declared = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, driver, WEFT_INT32, 2, shape, &tensor));
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, driver, WEFT_INT32, 2, NULL, &declared));
  assert_int_equal(weft_tensor_device(tensor).type, WEFT_DEVICE_EXTENSION);
  assert_int_equal(weft_tensor_device(tensor).id, 3);
  assert_int_equal(weft_sim_kit_counters(device).live_bytes, 24);
  weft_kit_assert_ok(weft_tensor_resize(declared, shape));
  assert_int_equal(weft_sim_kit_counters(device).live_bytes, 48);
  char text[80];
  (void)weft_tensor_format(tensor, text, sizeof(text));
  assert_string_equal(text, "tensor int32[2, 3] on extension:3");
  weft_tensor_release(tensor);
  weft_tensor_release(declared);
  assert_int_equal(weft_sim_kit_counters(device).live_bytes, 0);
  weft_sim_device_destroy(device);
}

static void a_device_without_room_says_so(void** state) {
  (void)state;
  weft_sim_device_t* device =
      weft_sim_kit_make(&(weft_sim_device_options_t){.memory_limit_bytes = 23});
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "24 bytes on the simulated device 0",
      weft_tensor_create(NULL, weft_sim_device_driver(device), WEFT_INT32, 2,
                         shape, &tensor));
  assert_null(tensor);
  weft_sim_device_destroy(device);
}

static void tensors_are_copied_between_all_devices(void** state) {
  (void)state;
  for (int is_stepped = 0; is_stepped < 2; ++is_stepped) {
    weft_sim_device_options_t options = {.is_stepped = is_stepped};
    weft_sim_device_t* a = weft_sim_kit_make(&options);
    weft_sim_device_t* b = weft_sim_kit_make(&options);
    weft_tensor_t* here = cpu_tensor();
    weft_tensor_t* at_a = copy_to(a, here);
    weft_tensor_t* again = copy_to(a, at_a);
    weft_tensor_t* at_b = copy_to(b, again);
    weft_tensor_release(at_a);
    weft_tensor_release(again);
    check_numbers(at_b, numbers, 6);
    // One for each copy, whatever it was.
    assert_int_equal(weft_sim_kit_counters(a).synchronizations, 2);
    assert_int_equal(weft_sim_kit_counters(b).synchronizations, 2);
    weft_tensor_release(at_b);
    weft_tensor_release(here);
    weft_sim_device_destroy(a);
    weft_sim_device_destroy(b);
  }
}

static void views_of_device_memory_are_copied(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make(NULL);
  weft_tensor_t* here = cpu_tensor();
  weft_tensor_t* there = copy_to(device, here);
  weft_tensor_t* transposed = NULL;
  weft_tensor_t* column = NULL;
  weft_kit_assert_ok(
      weft_tensor_permute(there, (uint32_t[]){1, 0}, &transposed));
  weft_kit_assert_ok(weft_tensor_slice(there, 1, 1, 2, &column));
  check_numbers(transposed, (int32_t[]){1, 4, 2, 5, 3, 6}, 6);
  check_numbers(column, (int32_t[]){2, 5}, 2);
  weft_tensor_release(transposed);
  weft_tensor_release(column);
  weft_tensor_release(there);
  weft_tensor_release(here);
  weft_sim_device_destroy(device);
}

static void a_copy_to_a_lost_device_says_why_and_leaks_nothing(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make(NULL);
  weft_tensor_t* here = cpu_tensor();
  weft_tensor_t* there = copy_to(device, here);
  weft_tensor_t* back = NULL;
  weft_sim_device_lose(
      device, weft_status_make(WEFT_STATUS_UNAVAILABLE, "it fell off"));
  weft_kit_assert_status_says(WEFT_STATUS_UNAVAILABLE, "it fell off",
                              weft_tensor_copy(NULL, NULL, there, &back));
  assert_null(back);
  weft_kit_assert_status_says(
      WEFT_STATUS_UNAVAILABLE, "it fell off",
      weft_tensor_copy(NULL, weft_sim_device_driver(device), here, &back));
  weft_tensor_release(there);
  assert_int_equal(weft_sim_kit_counters(device).live_blocks, 0);
  weft_tensor_release(here);
  weft_sim_device_destroy(device);
}

static void tensors_go_out_and_in_by_dlpack(void** state) {
  (void)state;
  weft_sim_device_t* device =
      weft_sim_kit_make(&(weft_sim_device_options_t){.id = 5});
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  const weft_device_table_t table = {&driver, 1};
  weft_tensor_t* here = cpu_tensor();
  weft_tensor_t* there = copy_to(device, here);
  const void* data = weft_tensor_data(there);
  weft_dl_managed_tensor_t* managed = NULL;
  weft_kit_assert_ok(weft_tensor_to_dlpack(there, &managed));
  assert_int_equal(managed->tensor.device.type, 12);
  assert_int_equal(managed->tensor.device.id, 5);
  assert_ptr_equal(managed->tensor.data, data);
  weft_tensor_t* back = NULL;
  weft_kit_assert_ok(weft_tensor_from_dlpack(NULL, &table, managed, &back));
  assert_ptr_equal(weft_storage_driver(weft_tensor_storage(back)), driver);
  check_numbers(back, numbers, 6);
  weft_tensor_release(back);
  assert_int_equal(weft_sim_kit_counters(device).live_blocks, 0);
  weft_tensor_release(here);
  weft_sim_device_destroy(device);
}

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  weft_tensor_t* tensor = NULL;
  weft_status_t status =
      weft_tensor_create(allocator, user, WEFT_INT32, 2, shape, &tensor);
  *out_object = tensor;
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_tensor_release(object);
}

static void creating_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make(NULL);
  const weft_kit_creation_t creation = {
      create, destroy,
      // The sweep hands it on.
      (void*)(uintptr_t)weft_sim_device_driver(device)};
  weft_kit_sweep(&creation);
  assert_int_equal(weft_sim_kit_counters(device).live_blocks, 0);
  // The same for the memory of the device.
  weft_sim_device_fail_allocations(device, 0, 1);
  void* tensor = NULL;
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         create(NULL, creation.user, &tensor));
  assert_null(tensor);
  weft_sim_device_destroy(device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tensors_of_a_device_are_made_and_given_back),
      cmocka_unit_test(a_device_without_room_says_so),
      cmocka_unit_test(tensors_are_copied_between_all_devices),
      cmocka_unit_test(views_of_device_memory_are_copied),
      cmocka_unit_test(a_copy_to_a_lost_device_says_why_and_leaks_nothing),
      cmocka_unit_test(tensors_go_out_and_in_by_dlpack),
      cmocka_unit_test(creating_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
