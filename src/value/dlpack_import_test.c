// SPDX-License-Identifier: Apache-2.0
//
// Tensors that come in from others, sound ones and hostile ones.

#include <stdatomic.h>
#include <string.h>

#include "kit/kit.h"
#include "weft/dlpack.h"

// A tensor of another library: 2 x 3 numbers, to be spoiled by the tests.
typedef struct foreign {
  weft_dl_managed_tensor_t managed;
  int64_t shape[40];
  int64_t strides[40];
  _Alignas(64) float numbers[16];
  _Atomic int deleted;
} foreign_t;

static void count_delete(weft_dl_managed_tensor_t* managed) {
  foreign_t* foreign = managed->manager_context;
  // Relaxed: read when all threads have ended.
  atomic_fetch_add_explicit(&foreign->deleted, 1, memory_order_relaxed);
}

static int deletions(foreign_t* foreign) {
  // Relaxed: see above.
  return atomic_load_explicit(&foreign->deleted, memory_order_relaxed);
}

static void foreign_init(foreign_t* foreign) {
  memset(foreign, 0, sizeof(*foreign));
  for (int i = 0; i < 16; ++i) {
    foreign->numbers[i] = (float)i;
  }
  foreign->shape[0] = 2;
  foreign->shape[1] = 3;
  foreign->strides[0] = 3;
  foreign->strides[1] = 1;
  foreign->managed = (weft_dl_managed_tensor_t){
      .version = {1, 0},
      .manager_context = foreign,
      .deleter = count_delete,
      .tensor =
          {
              .data = foreign->numbers,
              .device = {WEFT_DEVICE_CPU, 0},
              .ndim = 2,
              .dtype = WEFT_FLOAT32,
              .shape = foreign->shape,
              .strides = foreign->strides,
          },
  };
}

static weft_tensor_t* import(foreign_t* foreign) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_dlpack(NULL, NULL, &foreign->managed, &tensor));
  assert_int_equal(deletions(foreign), 0);
  return tensor;
}

// Checks that the import fails with this code, and that the tensor, which was
// taken over, is deleted once.
static void refuse(foreign_t* foreign, weft_status_code_t code) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_status(
      code, weft_tensor_from_dlpack(NULL, NULL, &foreign->managed, &tensor));
  assert_null(tensor);
  assert_int_equal(deletions(foreign), 1);
}

// --- Sound ------------------------------------------------------------------

static void a_tensor_is_taken_in_place_and_deleted_once(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  weft_tensor_t* tensor = import(&foreign);
  void* data = NULL;
  assert_ptr_equal(weft_tensor_data(tensor), foreign.numbers);
  assert_true(weft_tensor_is_contiguous(tensor));
  assert_int_equal(weft_tensor_size_bytes(tensor), 24);
  assert_int_equal(weft_storage_size_bytes(weft_tensor_storage(tensor)), 24);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  assert_ptr_equal(data, foreign.numbers);
  weft_tensor_release(weft_tensor_retain(tensor));
  assert_int_equal(deletions(&foreign), 0);
  weft_tensor_release(tensor);
  assert_int_equal(deletions(&foreign), 1);
}

static void a_view_keeps_a_foreign_tensor_alive(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  weft_tensor_t* tensor = import(&foreign);
  weft_tensor_t* row = NULL;
  weft_kit_assert_ok(weft_tensor_slice(tensor, 0, 1, 2, &row));
  weft_tensor_release(tensor);
  assert_int_equal(deletions(&foreign), 0);
  assert_true(*(const float*)weft_tensor_data(row) == 3.0f);
  weft_tensor_release(row);
  assert_int_equal(deletions(&foreign), 1);
}

static void without_a_deleter_nothing_is_called(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.deleter = NULL;
  weft_tensor_release(import(&foreign));
  foreign.managed.tensor.ndim = -1;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_status(
      WEFT_STATUS_OUT_OF_RANGE,
      weft_tensor_from_dlpack(NULL, NULL, &foreign.managed, &tensor));
  assert_int_equal(deletions(&foreign), 0);
}

static void without_strides_elements_lie_row_by_row(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.strides = NULL;
  weft_tensor_t* tensor = import(&foreign);
  assert_true(weft_tensor_is_contiguous(tensor));
  assert_int_equal(weft_tensor_layout(tensor)->strides[0], 3);
  weft_tensor_release(tensor);
}

static void a_read_only_tensor_is_never_written_to(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.flags = WEFT_DL_READ_ONLY | WEFT_DL_IS_COPIED;
  weft_tensor_t* tensor = import(&foreign);
  void* data = NULL;
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(tensor, &data));
  weft_tensor_release(tensor);
}

static void the_offset_is_added_to_the_address(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.byte_offset = 8;
  weft_tensor_t* tensor = import(&foreign);
  assert_ptr_equal(weft_tensor_data(tensor), foreign.numbers + 2);
  weft_tensor_release(tensor);
}

static void backward_strides_reach_below_the_address(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.data = foreign.numbers + 5;
  foreign.strides[0] = -3;
  foreign.strides[1] = -1;
  weft_tensor_t* tensor = import(&foreign);
  weft_tensor_t* copy = NULL;
  assert_ptr_equal(weft_tensor_data(tensor), foreign.numbers + 5);
  assert_ptr_equal(weft_storage_data(weft_tensor_storage(tensor)),
                   foreign.numbers);
  assert_int_equal(weft_storage_size_bytes(weft_tensor_storage(tensor)), 24);
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, tensor, &copy));
  const float* numbers = weft_tensor_data(copy);
  for (int i = 0; i < 6; ++i) {
    assert_true(numbers[i] == (float)(5 - i));
  }
  weft_tensor_release(copy);
  weft_tensor_release(tensor);
}

static void packed_elements_may_lie_backwards(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  // Two elements of 4 bits, the second in the byte before the first.
  foreign.managed.tensor.dtype = weft_dtype_make(WEFT_DTYPE_UINT, 4);
  foreign.managed.tensor.data = (uint8_t*)foreign.numbers + 1;
  foreign.managed.tensor.ndim = 1;
  foreign.shape[0] = 2;
  foreign.strides[0] = -1;
  ((uint8_t*)foreign.numbers)[0] = 0xab;
  ((uint8_t*)foreign.numbers)[1] = 0xcd;
  weft_tensor_t* tensor = import(&foreign);
  weft_tensor_t* copy = NULL;
  assert_ptr_equal(weft_tensor_data(tensor), foreign.managed.tensor.data);
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, tensor, &copy));
  assert_int_equal(*(const uint8_t*)weft_tensor_data(copy), 0xad);
  weft_tensor_release(copy);
  weft_tensor_release(tensor);
}

static void as_many_dimensions_as_can_be_are_accepted(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.ndim = WEFT_TENSOR_NDIM_LIMIT;
  for (int i = 0; i < WEFT_TENSOR_NDIM_LIMIT; ++i) {
    foreign.shape[i] = 1;
  }
  weft_tensor_t* tensor = import(&foreign);
  assert_int_equal(weft_tensor_layout(tensor)->ndim, WEFT_TENSOR_NDIM_LIMIT);
  weft_tensor_release(tensor);
}

static void strides_of_single_elements_are_not_believed(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.shape[0] = 1;
  foreign.strides[0] = INT64_MAX;
  weft_tensor_t* tensor = import(&foreign);
  assert_true(weft_tensor_is_contiguous(tensor));
  assert_int_equal(weft_tensor_layout(tensor)->strides[0], 3);
  weft_tensor_release(tensor);
}

static void a_tensor_without_dimensions_needs_no_arrays(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.ndim = 0;
  foreign.managed.tensor.shape = NULL;
  foreign.managed.tensor.strides = NULL;
  weft_tensor_t* tensor = import(&foreign);
  assert_int_equal(weft_tensor_element_count(tensor), 1);
  weft_tensor_release(tensor);
}

static void a_tensor_without_elements_needs_no_data(void** state) {
  (void)state;
  foreign_t foreign;
  const uint64_t offsets[] = {0, 8, UINT64_MAX};
  for (size_t i = 0; i < 3; ++i) {
    foreign_init(&foreign);
    foreign.shape[1] = 0;
    foreign.managed.tensor.data = i == 1 ? foreign.numbers : NULL;
    foreign.managed.tensor.byte_offset = offsets[i];
    weft_tensor_t* tensor = import(&foreign);
    assert_int_equal(weft_tensor_element_count(tensor), 0);
    assert_null(weft_tensor_data(tensor));
    weft_tensor_release(tensor);
    assert_int_equal(deletions(&foreign), 1);
  }
}

static void a_device_of_the_table_is_accepted(void** state) {
  (void)state;
  static const weft_device_driver_t cuda = {.device = {WEFT_DEVICE_CUDA, 0}};
  const weft_device_driver_t* drivers[] = {&cuda};
  const weft_device_table_t devices = {drivers, 1};
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.device = cuda.device;
  // Not an address of this process.
  foreign.managed.tensor.data = (void*)(uintptr_t)0x10000;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_dlpack(NULL, &devices, &foreign.managed, &tensor));
  assert_ptr_equal(weft_storage_driver(weft_tensor_storage(tensor)), &cuda);
  weft_tensor_release(tensor);
  assert_int_equal(deletions(&foreign), 1);
}

static void release(size_t index, void* user) {
  (void)index;
  weft_tensor_release(user);
}

static void threads_that_race_delete_a_tensor_once(void** state) {
  (void)state;
  for (int round = 0; round < 200; ++round) {
    foreign_t foreign;
    foreign_init(&foreign);
    weft_tensor_t* tensor = import(&foreign);
    (void)weft_tensor_retain(tensor);
    (void)weft_tensor_retain(tensor);
    weft_kit_run_threads(3, release, tensor);
    assert_int_equal(deletions(&foreign), 1);
  }
}

// --- Hostile ----------------------------------------------------------------

static void of_another_version_only_the_deleter_is_touched(void** state) {
  (void)state;
  const uint32_t majors[] = {0, 2, UINT32_MAX};
  for (size_t i = 0; i < 3; ++i) {
    foreign_t foreign;
    foreign_init(&foreign);
    foreign.managed.version.major = majors[i];
    // Whoever follows one of these crashes.
    foreign.managed.flags = UINT64_MAX;
    memset(&foreign.managed.tensor, 0x5a, sizeof(foreign.managed.tensor));
    refuse(&foreign, WEFT_STATUS_UNIMPLEMENTED);
  }
}

static void a_later_minor_version_is_accepted(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.version.minor = 99;
  weft_tensor_release(import(&foreign));
}

static void flags_that_are_not_known_are_refused(void** state) {
  (void)state;
  foreign_t foreign;
  for (int bit = 3; bit < 64; ++bit) {
    foreign_init(&foreign);
    foreign.managed.flags = (uint64_t)1 << bit;
    refuse(&foreign, WEFT_STATUS_UNIMPLEMENTED);
  }
}

static void padded_elements_are_refused_unless_they_are_whole_bytes(
    void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.flags = WEFT_DL_SUBBYTE_PADDED;
  weft_tensor_release(import(&foreign));
  foreign_init(&foreign);
  foreign.managed.flags = WEFT_DL_SUBBYTE_PADDED;
  foreign.managed.tensor.dtype = weft_dtype_make(WEFT_DTYPE_FLOAT4_E2M1FN, 4);
  refuse(&foreign, WEFT_STATUS_UNIMPLEMENTED);
}

static void a_device_that_nobody_knows_is_refused(void** state) {
  (void)state;
  const weft_device_t devices[] = {{WEFT_DEVICE_CUDA, 0},
                                   {WEFT_DEVICE_CPU, 1},
                                   {0, 0},
                                   {INT32_MIN, INT32_MAX}};
  for (size_t i = 0; i < 4; ++i) {
    foreign_t foreign;
    foreign_init(&foreign);
    foreign.managed.tensor.device = devices[i];
    refuse(&foreign, WEFT_STATUS_NOT_FOUND);
  }
}

static void impossible_numbers_of_dimensions_are_refused(void** state) {
  (void)state;
  const int32_t numbers[] = {-1, INT32_MIN, WEFT_TENSOR_NDIM_LIMIT + 1,
                             INT32_MAX};
  for (size_t i = 0; i < 4; ++i) {
    foreign_t foreign;
    foreign_init(&foreign);
    foreign.managed.tensor.ndim = numbers[i];
    refuse(&foreign, WEFT_STATUS_OUT_OF_RANGE);
  }
}

static void impossible_shapes_are_refused(void** state) {
  (void)state;
  static const struct {
    int64_t shape[2];
    weft_status_code_t code;
  } cases[] = {
      {{-1, 3}, WEFT_STATUS_INVALID_ARGUMENT},
      {{0, INT64_MIN}, WEFT_STATUS_INVALID_ARGUMENT},
      {{INT64_MAX, 2}, WEFT_STATUS_OUT_OF_RANGE},
      {{INT64_C(1) << 31, INT64_C(1) << 31}, WEFT_STATUS_OUT_OF_RANGE},
      {{0, INT64_MAX}, WEFT_STATUS_OUT_OF_RANGE},
  };
  for (size_t i = 0; i < 5; ++i) {
    foreign_t foreign;
    foreign_init(&foreign);
    foreign.managed.tensor.strides = NULL;
    memcpy(foreign.shape, cases[i].shape, sizeof(cases[i].shape));
    refuse(&foreign, cases[i].code);
  }
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.shape = NULL;
  refuse(&foreign, WEFT_STATUS_INVALID_ARGUMENT);
}

static void impossible_strides_are_refused(void** state) {
  (void)state;
  const int64_t strides[] = {INT64_MAX, INT64_MIN, INT64_MAX / 32,
                             INT64_MIN / 32};
  for (size_t i = 0; i < 4; ++i) {
    foreign_t foreign;
    foreign_init(&foreign);
    foreign.strides[0] = strides[i];
    foreign.strides[1] = strides[i];
    refuse(&foreign, WEFT_STATUS_OUT_OF_RANGE);
  }
}

static void places_outside_of_the_address_space_are_refused(void** state) {
  (void)state;
  foreign_t foreign;
  const uint64_t offsets[] = {UINT64_MAX, UINT64_MAX - 0x10000};
  for (size_t i = 0; i < 2; ++i) {
    foreign_init(&foreign);
    foreign.managed.tensor.byte_offset = offsets[i];
    refuse(&foreign, WEFT_STATUS_OUT_OF_RANGE);
  }
  foreign_init(&foreign);
  foreign.managed.tensor.data = (void*)(UINTPTR_MAX - 7);
  refuse(&foreign, WEFT_STATUS_OUT_OF_RANGE);
  // Backwards to address 0, and beyond it.
  for (uintptr_t address = 12; address > 0; address -= 4) {
    foreign_init(&foreign);
    foreign.managed.tensor.data = (void*)address;
    foreign.strides[0] = -3;
    refuse(&foreign, WEFT_STATUS_OUT_OF_RANGE);
  }
}

static void elements_at_null_are_refused(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.data = NULL;
  refuse(&foreign, WEFT_STATUS_INVALID_ARGUMENT);
}

static void elements_that_are_not_aligned_are_refused(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  foreign.managed.tensor.byte_offset = 2;
  refuse(&foreign, WEFT_STATUS_INVALID_ARGUMENT);
}

static void types_that_cannot_be_are_refused(void** state) {
  (void)state;
  static const struct {
    weft_dtype_t dtype;
    weft_status_code_t code;
  } cases[] = {
      {{18, 8, 1}, WEFT_STATUS_UNIMPLEMENTED},
      {{255, 255, 65535}, WEFT_STATUS_UNIMPLEMENTED},
      {{0, 0, 1}, WEFT_STATUS_INVALID_ARGUMENT},
      {{0, 8, 0}, WEFT_STATUS_INVALID_ARGUMENT},
      {{WEFT_DTYPE_FLOAT4_E2M1FN, 8, 1}, WEFT_STATUS_INVALID_ARGUMENT},
  };
  for (size_t i = 0; i < 5; ++i) {
    foreign_t foreign;
    foreign_init(&foreign);
    foreign.managed.tensor.dtype = cases[i].dtype;
    refuse(&foreign, cases[i].code);
  }
}

// --- Allocation failures ----------------------------------------------------

static weft_status_t import_with(const weft_allocator_t* allocator, void* user,
                                 void** out_object) {
  foreign_t* foreign = user;
  weft_tensor_t* tensor = NULL;
  int before = deletions(foreign);
  weft_status_t status =
      weft_tensor_from_dlpack(allocator, NULL, &foreign->managed, &tensor);
  *out_object = tensor;
  assert_int_equal(deletions(foreign), before + (status != WEFT_OK ? 1 : 0));
  return status;
}

static void destroy(void* object, void* user) {
  foreign_t* foreign = user;
  int before = deletions(foreign);
  weft_tensor_release(object);
  assert_int_equal(deletions(foreign), before + 1);
}

static void importing_survives_every_allocation_failure(void** state) {
  (void)state;
  foreign_t foreign;
  foreign_init(&foreign);
  weft_kit_creation_t creation = {import_with, destroy, &foreign};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_tensor_is_taken_in_place_and_deleted_once),
      cmocka_unit_test(a_view_keeps_a_foreign_tensor_alive),
      cmocka_unit_test(without_a_deleter_nothing_is_called),
      cmocka_unit_test(without_strides_elements_lie_row_by_row),
      cmocka_unit_test(a_read_only_tensor_is_never_written_to),
      cmocka_unit_test(the_offset_is_added_to_the_address),
      cmocka_unit_test(backward_strides_reach_below_the_address),
      cmocka_unit_test(packed_elements_may_lie_backwards),
      cmocka_unit_test(as_many_dimensions_as_can_be_are_accepted),
      cmocka_unit_test(strides_of_single_elements_are_not_believed),
      cmocka_unit_test(a_tensor_without_dimensions_needs_no_arrays),
      cmocka_unit_test(a_tensor_without_elements_needs_no_data),
      cmocka_unit_test(a_device_of_the_table_is_accepted),
      cmocka_unit_test(threads_that_race_delete_a_tensor_once),
      cmocka_unit_test(of_another_version_only_the_deleter_is_touched),
      cmocka_unit_test(a_later_minor_version_is_accepted),
      cmocka_unit_test(flags_that_are_not_known_are_refused),
      cmocka_unit_test(padded_elements_are_refused_unless_they_are_whole_bytes),
      cmocka_unit_test(a_device_that_nobody_knows_is_refused),
      cmocka_unit_test(impossible_numbers_of_dimensions_are_refused),
      cmocka_unit_test(impossible_shapes_are_refused),
      cmocka_unit_test(impossible_strides_are_refused),
      cmocka_unit_test(places_outside_of_the_address_space_are_refused),
      cmocka_unit_test(elements_at_null_are_refused),
      cmocka_unit_test(elements_that_are_not_aligned_are_refused),
      cmocka_unit_test(types_that_cannot_be_are_refused),
      cmocka_unit_test(importing_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
