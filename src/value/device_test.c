// SPDX-License-Identifier: Apache-2.0

#include "kit/kit.h"
#include "weft/tensor.h"

_Static_assert(sizeof(weft_device_t) == 8, "DLPack's size");
_Static_assert(offsetof(weft_device_t, type) == 0, "DLPack's layout");
_Static_assert(offsetof(weft_device_t, id) == 4, "DLPack's layout");

// Devices that are only looked for.
static const weft_device_driver_t cuda_1 = {.device = {WEFT_DEVICE_CUDA, 1}};
static const weft_device_driver_t my_cpu = {.device = {WEFT_DEVICE_CPU, 0}};

static void the_cpu_is_in_every_table(void** state) {
  (void)state;
  const weft_device_t cpu = {WEFT_DEVICE_CPU, 0};
  const weft_device_table_t empty = {NULL, 0};
  const weft_device_driver_t* driver = NULL;
  weft_kit_assert_ok(weft_device_find(NULL, cpu, &driver));
  assert_ptr_equal(driver, weft_device_cpu());
  weft_kit_assert_ok(weft_device_find(&empty, cpu, &driver));
  assert_ptr_equal(driver, weft_device_cpu());
}

static void a_device_is_found_by_type_and_id(void** state) {
  (void)state;
  const weft_device_driver_t* drivers[] = {&cuda_1};
  const weft_device_table_t table = {drivers, 1};
  const weft_device_driver_t* driver = NULL;
  weft_kit_assert_ok(weft_device_find(&table, cuda_1.device, &driver));
  assert_ptr_equal(driver, &cuda_1);
  const weft_device_t others[] = {
      {WEFT_DEVICE_CUDA, 0}, {WEFT_DEVICE_ROCM, 1}, {WEFT_DEVICE_CPU, 1}};
  for (size_t i = 0; i < 3; ++i) {
    driver = &cuda_1;
    weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                           weft_device_find(&table, others[i], &driver));
    assert_null(driver);
  }
}

static void a_table_may_replace_the_cpu(void** state) {
  (void)state;
  const weft_device_driver_t* drivers[] = {&cuda_1, &my_cpu};
  const weft_device_table_t table = {drivers, 2};
  const weft_device_driver_t* driver = NULL;
  weft_kit_assert_ok(weft_device_find(&table, my_cpu.device, &driver));
  assert_ptr_equal(driver, &my_cpu);
}

static void a_device_that_is_missing_is_named(void** state) {
  (void)state;
  const weft_device_t missing = {WEFT_DEVICE_CUDA, 3};
  const weft_device_t strange = {-1, 0};
  const weft_device_driver_t* driver = NULL;
  weft_kit_assert_status_says(WEFT_STATUS_NOT_FOUND, "cuda:3",
                              weft_device_find(NULL, missing, &driver));
  weft_kit_assert_status_says(WEFT_STATUS_NOT_FOUND, "type -1",
                              weft_device_find(NULL, strange, &driver));
}

static void device_types_have_names(void** state) {
  (void)state;
  assert_string_equal(weft_device_type_name(WEFT_DEVICE_CPU), "cpu");
  assert_string_equal(weft_device_type_name(WEFT_DEVICE_TRAINIUM), "trainium");
  assert_string_equal(weft_device_type_name(5), "unknown device");
  assert_string_equal(weft_device_type_name(INT32_MIN), "unknown device");
}

static void the_cpu_gives_aligned_memory_of_the_allocator(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  const weft_device_driver_t* cpu = weft_device_cpu();
  for (size_t size = 1; size < 200; size += 13) {
    void* address = NULL;
    weft_kit_assert_ok(
        cpu->vtable->allocate(cpu, &kit.allocator, size, &address));
    assert_int_equal((uintptr_t)address % WEFT_TENSOR_ALIGNMENT, 0);
    assert_int_equal(kit.bytes_in_use, size);
    cpu->vtable->free(cpu, &kit.allocator, address, size);
  }
  weft_kit_allocator_fail(&kit, 0, 1);
  void* address = NULL;
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      cpu->vtable->allocate(cpu, &kit.allocator, 8, &address));
  assert_null(address);
  weft_kit_allocator_deinit(&kit);
}

static void count_success(void* user, weft_status_t status) {
  int* count = user;
  *count += status == WEFT_OK ? 1 : 1000;
  weft_status_release(status);
}

static void the_cpu_copies_at_once_in_its_only_queue(void** state) {
  (void)state;
  const weft_device_driver_t* cpu = weft_device_cpu();
  char target[4] = "...";
  int done = 0;
  const weft_device_copy_t copy = {
      .destination_driver = cpu,
      .destination = target,
      .source_driver = cpu,
      .source = "abc",
      .size_bytes = 2,
      .done = count_success,
      .done_user = &done,
  };
  weft_kit_assert_ok(cpu->vtable->copy(cpu, 0, &copy));
  assert_int_equal(done, 1);
  assert_string_equal(target, "ab.");
  cpu->vtable->synchronize(cpu, 0);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         cpu->vtable->copy(cpu, 1, &copy));
  assert_int_equal(done, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_cpu_is_in_every_table),
      cmocka_unit_test(a_device_is_found_by_type_and_id),
      cmocka_unit_test(a_table_may_replace_the_cpu),
      cmocka_unit_test(a_device_that_is_missing_is_named),
      cmocka_unit_test(device_types_have_names),
      cmocka_unit_test(the_cpu_gives_aligned_memory_of_the_allocator),
      cmocka_unit_test(the_cpu_copies_at_once_in_its_only_queue),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
