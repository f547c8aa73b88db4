// SPDX-License-Identifier: Apache-2.0
//
// Tensors out, and back in. What comes in from others is in
// dlpack_import_test.c.

#include "weft/dlpack.h"

#include "kit/kit.h"

// The layout that DLPack 1.x prescribes.
_Static_assert(sizeof(weft_dl_version_t) == 8, "");
_Static_assert(sizeof(weft_dl_tensor_t) == 48, "");
_Static_assert(offsetof(weft_dl_tensor_t, data) == 0, "");
_Static_assert(offsetof(weft_dl_tensor_t, device) == 8, "");
_Static_assert(offsetof(weft_dl_tensor_t, ndim) == 16, "");
_Static_assert(offsetof(weft_dl_tensor_t, dtype) == 20, "");
_Static_assert(offsetof(weft_dl_tensor_t, shape) == 24, "");
_Static_assert(offsetof(weft_dl_tensor_t, strides) == 32, "");
_Static_assert(offsetof(weft_dl_tensor_t, byte_offset) == 40, "");
_Static_assert(sizeof(weft_dl_managed_tensor_t) == 80, "");
_Static_assert(offsetof(weft_dl_managed_tensor_t, version) == 0, "");
_Static_assert(offsetof(weft_dl_managed_tensor_t, manager_context) == 8, "");
_Static_assert(offsetof(weft_dl_managed_tensor_t, deleter) == 16, "");
_Static_assert(offsetof(weft_dl_managed_tensor_t, flags) == 24, "");
_Static_assert(offsetof(weft_dl_managed_tensor_t, tensor) == 32, "");
_Static_assert(WEFT_DL_READ_ONLY == 1, "");
_Static_assert(WEFT_DL_IS_COPIED == 2, "");
_Static_assert(WEFT_DL_SUBBYTE_PADDED == 4, "");

static weft_tensor_t* new_matrix(const weft_allocator_t* allocator) {
  const int64_t shape[] = {3, 4};
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(allocator, NULL, WEFT_INT32, 2, shape, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  for (int32_t i = 0; i < 12; ++i) {
    ((int32_t*)data)[i] = i;
  }
  return tensor;
}

static void the_sole_owner_hands_on_the_right_to_write(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_dl_managed_tensor_t* managed = NULL;
  weft_tensor_t* tensor = new_matrix(&kit.allocator);
  const void* data = weft_tensor_data(tensor);
  weft_kit_assert_ok(weft_tensor_to_dlpack(tensor, &managed));
  assert_int_equal(managed->version.major, 1);
  assert_int_equal(managed->flags, 0);
  assert_ptr_equal(managed->tensor.data, data);
  assert_int_equal(managed->tensor.byte_offset, 0);
  assert_int_equal(managed->tensor.device.type, WEFT_DEVICE_CPU);
  assert_int_equal(managed->tensor.ndim, 2);
  assert_true(weft_dtype_equal(managed->tensor.dtype, WEFT_INT32));
  assert_int_equal(managed->tensor.shape[0], 3);
  assert_int_equal(managed->tensor.shape[1], 4);
  assert_int_equal(managed->tensor.strides[0], 4);
  assert_int_equal(managed->tensor.strides[1], 1);
  managed->deleter(managed);
  weft_kit_allocator_deinit(&kit);
}

static void whoever_keeps_the_tensor_exports_it_read_only(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_dl_managed_tensor_t* managed = NULL;
  weft_tensor_t* tensor = new_matrix(&kit.allocator);
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_to_dlpack(weft_tensor_retain(tensor), &managed));
  assert_int_equal(managed->flags, WEFT_DL_READ_ONLY);
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(tensor, &data));
  managed->deleter(managed);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  weft_tensor_release(tensor);
  weft_kit_allocator_deinit(&kit);
}

static void a_view_is_exported_read_only_while_others_look(void** state) {
  (void)state;
  weft_dl_managed_tensor_t* managed = NULL;
  weft_tensor_t* tensor = new_matrix(NULL);
  weft_tensor_t* row = NULL;
  weft_kit_assert_ok(weft_tensor_slice(tensor, 0, 1, 2, &row));
  weft_kit_assert_ok(weft_tensor_to_dlpack(row, &managed));
  assert_int_equal(managed->flags, WEFT_DL_READ_ONLY);
  // The place of the first element is in the address.
  assert_int_equal(managed->tensor.byte_offset, 0);
  assert_int_equal(*(const int32_t*)managed->tensor.data, 4);
  weft_tensor_release(tensor);
  assert_int_equal(*(const int32_t*)managed->tensor.data, 4);
  managed->deleter(managed);
}

static void a_tensor_without_elements_is_exported_at_null(void** state) {
  (void)state;
  const int64_t shape[] = {0, 3};
  weft_tensor_t* tensor = NULL;
  weft_dl_managed_tensor_t* managed = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, WEFT_INT8, 2, shape, &tensor));
  weft_kit_assert_ok(weft_tensor_to_dlpack(tensor, &managed));
  assert_null(managed->tensor.data);
  assert_int_equal(managed->tensor.shape[0], 0);
  assert_int_equal(managed->tensor.shape[1], 3);
  managed->deleter(managed);
}

static void a_declaration_is_not_exported_but_taken_over(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_tensor_t* tensor = NULL;
  weft_dl_managed_tensor_t* managed = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(&kit.allocator, NULL, WEFT_INT8, 0, NULL, &tensor));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_to_dlpack(tensor, &managed));
  assert_null(managed);
  weft_kit_allocator_deinit(&kit);
}

static void delete_managed(size_t index, void* user) {
  weft_dl_managed_tensor_t** exports = user;
  exports[index]->deleter(exports[index]);
}

static void any_thread_may_delete_an_export(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  for (int round = 0; round < 200; ++round) {
    weft_dl_managed_tensor_t* exports[3] = {NULL};
    weft_tensor_t* tensor = new_matrix(&kit.allocator);
    for (size_t i = 0; i < 3; ++i) {
      weft_kit_assert_ok(
          weft_tensor_to_dlpack(weft_tensor_retain(tensor), &exports[i]));
    }
    weft_tensor_release(tensor);
    weft_kit_run_threads(3, delete_managed, exports);
    weft_kit_allocator_check_empty(&kit);
  }
  weft_kit_allocator_deinit(&kit);
}

static void a_tensor_comes_back_in_place_and_as_it_was(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  const uint32_t order[] = {1, 0};
  weft_tensor_t* tensor = new_matrix(&kit.allocator);
  weft_tensor_t* transposed = NULL;
  weft_tensor_t* back = NULL;
  weft_dl_managed_tensor_t* managed = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_permute(tensor, order, &transposed));
  weft_tensor_release(tensor);
  const void* first = weft_tensor_data(transposed);
  // The view is the only one that is left, so it may be written to.
  weft_kit_assert_ok(weft_tensor_to_dlpack(transposed, &managed));
  weft_kit_assert_ok(
      weft_tensor_from_dlpack(&kit.allocator, NULL, managed, &back));
  assert_ptr_equal(weft_tensor_data(back), first);
  const weft_tensor_layout_t* layout = weft_tensor_layout(back);
  assert_int_equal(layout->shape[0], 4);
  assert_int_equal(layout->strides[0], 1);
  assert_int_equal(layout->strides[1], 4);
  weft_kit_assert_ok(weft_tensor_mutable_data(back, &data));
  assert_ptr_equal(data, first);
  weft_tensor_release(back);
  weft_kit_allocator_deinit(&kit);
}

static void what_went_out_read_only_comes_back_read_only(void** state) {
  (void)state;
  weft_tensor_t* tensor = new_matrix(NULL);
  weft_tensor_t* back = NULL;
  weft_dl_managed_tensor_t* managed = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_to_dlpack(weft_tensor_retain(tensor), &managed));
  weft_kit_assert_ok(weft_tensor_from_dlpack(NULL, NULL, managed, &back));
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "read-only",
                              weft_tensor_mutable_data(back, &data));
  weft_tensor_release(tensor);
  // Also when nobody else is left.
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "read-only",
                              weft_tensor_mutable_data(back, &data));
  weft_tensor_release(back);
}

static void every_dtype_goes_out_and_comes_back(void** state) {
  (void)state;
  const int64_t shape[] = {5};
  for (int code = 0; code < WEFT_DTYPE_CODE_COUNT; ++code) {
    for (unsigned bits = 1; bits <= 128; ++bits) {
      weft_dtype_t dtype =
          weft_dtype_make((weft_dtype_code_t)code, (uint8_t)bits);
      weft_tensor_t* tensor = NULL;
      weft_tensor_t* back = NULL;
      weft_dl_managed_tensor_t* managed = NULL;
      if (weft_status_ignore(weft_dtype_check(dtype)) != WEFT_STATUS_OK) {
        continue;
      }
      weft_kit_assert_ok(
          weft_tensor_create(NULL, NULL, dtype, 1, shape, &tensor));
      size_t size_bytes = weft_tensor_size_bytes(tensor);
      weft_kit_assert_ok(weft_tensor_to_dlpack(tensor, &managed));
      weft_kit_assert_ok(weft_tensor_from_dlpack(NULL, NULL, managed, &back));
      assert_true(weft_dtype_equal(weft_tensor_layout(back)->dtype, dtype));
      assert_int_equal(weft_tensor_size_bytes(back), size_bytes);
      weft_tensor_release(back);
    }
  }
}

static weft_status_t export_new(const weft_allocator_t* allocator, void* user,
                                void** out_object) {
  const int64_t shape[] = {3};
  weft_tensor_t* tensor = NULL;
  weft_dl_managed_tensor_t* managed = NULL;
  (void)user;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create(allocator, NULL, WEFT_INT8, 1, shape, &tensor));
  // Taken over also when it fails, or this leaks.
  weft_status_t status = weft_tensor_to_dlpack(tensor, &managed);
  *out_object = managed;
  return status;
}

static void delete_object(void* object, void* user) {
  weft_dl_managed_tensor_t* managed = object;
  (void)user;
  managed->deleter(managed);
}

static void exporting_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_kit_creation_t creation = {export_new, delete_object, NULL};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_sole_owner_hands_on_the_right_to_write),
      cmocka_unit_test(whoever_keeps_the_tensor_exports_it_read_only),
      cmocka_unit_test(a_view_is_exported_read_only_while_others_look),
      cmocka_unit_test(a_tensor_without_elements_is_exported_at_null),
      cmocka_unit_test(a_declaration_is_not_exported_but_taken_over),
      cmocka_unit_test(any_thread_may_delete_an_export),
      cmocka_unit_test(a_tensor_comes_back_in_place_and_as_it_was),
      cmocka_unit_test(what_went_out_read_only_comes_back_read_only),
      cmocka_unit_test(every_dtype_goes_out_and_comes_back),
      cmocka_unit_test(exporting_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
