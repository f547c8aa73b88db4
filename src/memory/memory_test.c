// SPDX-License-Identifier: Apache-2.0

#include "memory/memory.h"

#include <stdlib.h>
#include <string.h>

#include "memory/memory_kit.h"
#include "weft/runtime.h"

static void a_shared_tensor_is_like_any_other(void** state) {
  (void)state;
  weft_runtime_t* runtime;
  weft_tensor_t* tensor;
  const int64_t shape[] = {300, 100};
  void* data;
  weft_kit_assert_ok(weft_runtime_create(NULL, &runtime));
  weft_kit_assert_ok(
      weft_tensor_create_shared(runtime, WEFT_FLOAT32, 2, shape, &tensor));
  assert_int_equal(weft_tensor_size_bytes(tensor), 120000);
  assert_true(weft_tensor_is_contiguous(tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  assert_int_equal((uintptr_t)data % WEFT_TENSOR_ALIGNMENT, 0);
  memset(data, 1, 120000);
  weft_block_name_t name;
  assert_true(weft_arena_find(weft_memory_arena(runtime),
                              weft_tensor_storage(tensor), &name));
  assert_int_equal(name.size_bytes, 120000);
  weft_tensor_release(tensor);
  weft_runtime_destroy(runtime);
}

static void what_cannot_be_a_tensor_is_refused(void** state) {
  (void)state;
  weft_runtime_t* runtime;
  weft_tensor_t* tensor;
  const int64_t negative[] = {-1};
  const int64_t none[] = {0};
  const int64_t large[] = {INT64_C(1) << 61};
  weft_kit_assert_ok(weft_runtime_create(NULL, &runtime));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_tensor_create_shared(runtime, WEFT_FLOAT32, 1, negative, &tensor));
  weft_kit_assert_status(
      WEFT_STATUS_OUT_OF_RANGE,
      weft_tensor_create_shared(runtime, WEFT_FLOAT32, 1, large, &tensor));
  assert_null(tensor);
  weft_kit_assert_ok(
      weft_tensor_create_shared(runtime, WEFT_FLOAT32, 1, none, &tensor));
  weft_tensor_release(tensor);
  weft_runtime_destroy(runtime);
}

static void a_shared_tensor_outlives_its_runtime(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  const weft_runtime_options_t options = {.allocator = &kit.allocator};
  weft_runtime_t* runtime;
  weft_tensor_t* tensor;
  weft_storage_t* large;
  const int64_t shape[] = {1000};
  void* data;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  weft_kit_assert_ok(
      weft_tensor_create_shared(runtime, WEFT_FLOAT64, 1, shape, &tensor));
  weft_kit_assert_ok(weft_storage_create_shared(runtime, 10 * MIB, &large));
  weft_runtime_destroy(runtime);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  memset(data, 1, 8000);
  weft_tensor_release(tensor);
  weft_storage_release(large);
  weft_kit_allocator_deinit(&kit);
}

static void the_limit_is_an_option(void** state) {
  (void)state;
  const weft_runtime_options_t options = {.arena_limit_bytes = MIB};
  weft_runtime_t* runtime;
  weft_storage_t* storage;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "raise arena_limit_bytes",
      weft_storage_create_shared(runtime, 2 * MIB, &storage));
  assert_null(storage);
  weft_kit_assert_ok(weft_storage_create_shared(runtime, MIB, &storage));
  weft_storage_release(storage);
  weft_runtime_destroy(runtime);
}

static void a_runtime_has_imports(void** state) {
  (void)state;
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(NULL, &runtime));
  weft_storage_t* storage;
  uint64_t mapping;
  weft_kit_assert_ok(weft_storage_create_shared(runtime, MIB, &storage));
  assert_int_equal(
      weft_imports_descriptor(weft_memory_imports(runtime), storage, &mapping),
      -1);
  weft_storage_release(storage);
  weft_runtime_destroy(runtime);
}

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  (void)user;
  weft_runtime_t* runtime = calloc(1, sizeof(*runtime));
  assert_non_null(runtime);
  runtime->allocator = allocator;
  weft_status_t status = weft_memory_create(runtime, 0);
  if (status == WEFT_OK) {
    *out_object = runtime;
  } else {
    weft_memory_destroy(runtime);
    free(runtime);
  }
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_memory_destroy(object);
  free(object);
}

static void every_allocation_may_fail(void** state) {
  (void)state;
  const weft_kit_creation_t creation = {create, destroy, NULL};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_shared_tensor_is_like_any_other),
      cmocka_unit_test(what_cannot_be_a_tensor_is_refused),
      cmocka_unit_test(a_shared_tensor_outlives_its_runtime),
      cmocka_unit_test(the_limit_is_an_option),
      cmocka_unit_test(a_runtime_has_imports),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
