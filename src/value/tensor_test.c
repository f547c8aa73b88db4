// SPDX-License-Identifier: Apache-2.0

#include <stdatomic.h>
#include <string.h>

#include "kit/kit.h"
#include "value/tensor_internal.h"

_Static_assert(sizeof(struct weft_tensor) == 80, "small enough");

static weft_tensor_t* new_tensor(weft_dtype_t dtype, uint32_t ndim,
                                 const int64_t* shape) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, dtype, ndim, shape, &tensor));
  return tensor;
}

// --- Created ----------------------------------------------------------------

static void a_new_tensor_lies_row_by_row_in_aligned_memory(void** state) {
  (void)state;
  const int64_t shape[] = {3, 5};
  weft_tensor_t* tensor = new_tensor(WEFT_FLOAT32, 2, shape);
  const weft_tensor_layout_t* layout = weft_tensor_layout(tensor);
  assert_int_equal(layout->ndim, 2);
  assert_true(weft_dtype_equal(layout->dtype, WEFT_FLOAT32));
  assert_memory_equal(layout->shape, shape, sizeof(shape));
  assert_int_equal(layout->strides[0], 5);
  assert_int_equal(layout->strides[1], 1);
  assert_int_equal(layout->byte_offset, 0);
  assert_int_equal(weft_tensor_element_count(tensor), 15);
  assert_int_equal(weft_tensor_size_bytes(tensor), 60);
  assert_true(weft_tensor_is_contiguous(tensor));
  assert_true(weft_tensor_is_sized(tensor));
  assert_int_equal((uintptr_t)weft_tensor_data(tensor) % 64, 0);
  assert_int_equal(weft_tensor_device(tensor).type, WEFT_DEVICE_CPU);
  weft_tensor_release(tensor);
}

static void a_tensor_without_dimensions_holds_one_element(void** state) {
  (void)state;
  weft_tensor_t* tensor = new_tensor(WEFT_FLOAT64, 0, NULL);
  void* data = NULL;
  assert_int_equal(weft_tensor_element_count(tensor), 1);
  assert_int_equal(weft_tensor_size_bytes(tensor), 8);
  assert_true(weft_tensor_is_contiguous(tensor));
  assert_non_null(weft_tensor_layout(tensor)->shape);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  *(double*)data = 1.5;
  assert_true(*(const double*)weft_tensor_data(tensor) == 1.5);
  weft_tensor_release(tensor);
}

static void a_tensor_of_no_elements_has_no_data_but_a_device(void** state) {
  (void)state;
  const int64_t shape[] = {4, 0, 2};
  weft_tensor_t* tensor = new_tensor(WEFT_INT64, 3, shape);
  void* data = &state;
  assert_int_equal(weft_tensor_element_count(tensor), 0);
  assert_int_equal(weft_tensor_size_bytes(tensor), 0);
  assert_null(weft_tensor_data(tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  assert_null(data);
  assert_true(weft_tensor_is_contiguous(tensor));
  assert_non_null(weft_tensor_storage(tensor));
  assert_int_equal(weft_tensor_device(tensor).type, WEFT_DEVICE_CPU);
  weft_tensor_release(tensor);
}

static void data_is_copied_into_a_new_tensor(void** state) {
  (void)state;
  const int64_t shape[] = {2, 3};
  int16_t numbers[] = {1, 2, 3, 4, 5, 6};
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT16, 2, shape, numbers, &tensor));
  numbers[0] = 99;
  const int16_t* copied = weft_tensor_data(tensor);
  for (int i = 0; i < 6; ++i) {
    assert_int_equal(copied[i], i + 1);
  }
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  weft_tensor_release(tensor);
}

static void data_may_be_missing_only_where_there_are_no_elements(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  const int64_t some = 1;
  const int64_t none = 0;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_tensor_from_data(&kit.allocator, WEFT_INT16, 1,
                                               &some, NULL, &tensor));
  assert_null(tensor);
  weft_kit_assert_ok(weft_tensor_from_data(&kit.allocator, WEFT_INT16, 1, &none,
                                           NULL, &tensor));
  weft_tensor_release(tensor);
  weft_kit_allocator_deinit(&kit);
}

static void what_cannot_be_created_is_refused(void** state) {
  (void)state;
  const int64_t negative[] = {-1};
  const int64_t huge[] = {INT64_MAX, INT64_MAX};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_tensor_create(NULL, NULL, WEFT_INT8, 1, negative, &tensor));
  weft_kit_assert_status(
      WEFT_STATUS_OUT_OF_RANGE,
      weft_tensor_create(NULL, NULL, WEFT_INT8, 2, huge, &tensor));
  weft_kit_assert_status(
      WEFT_STATUS_UNIMPLEMENTED,
      weft_tensor_create(NULL, NULL, (weft_dtype_t){99, 8, 1}, 0, NULL,
                         &tensor));
  assert_null(tensor);
}

// --- Sharing and writing ----------------------------------------------------

static void only_the_sole_owner_may_write(void** state) {
  (void)state;
  weft_tensor_t* tensor = new_tensor(WEFT_INT32, 0, NULL);
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  assert_ptr_equal(data, weft_tensor_data(tensor));
  weft_tensor_t* shared = weft_tensor_retain(tensor);
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION,
                              "the tensor is shared",
                              weft_tensor_mutable_data(tensor, &data));
  assert_null(data);
  weft_tensor_release(shared);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  weft_tensor_release(tensor);
  weft_tensor_release(NULL);
}

static void a_value_shares_its_tensor(void** state) {
  (void)state;
  weft_tensor_t* tensor = new_tensor(WEFT_INT32, 0, NULL);
  weft_value_t value = weft_tensor_value(tensor);
  const weft_tensor_t* lent = NULL;
  void* data = NULL;
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(tensor, &data));
  weft_kit_assert_ok(weft_value_as_tensor(value, &lent));
  assert_ptr_equal(lent, tensor);
  weft_value_release(value);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  weft_tensor_release(tensor);
}

static void a_tensor_turns_into_a_value_without_being_shared(void** state) {
  (void)state;
  weft_tensor_t* tensor = new_tensor(WEFT_INT32, 0, NULL);
  weft_value_t value = weft_tensor_into_value(tensor);
  const weft_tensor_t* lent = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_value_as_tensor(value, &lent));
  assert_ptr_equal(lent, tensor);
  // Whoever takes it out again, and gives the value back, may write.
  tensor = weft_tensor_retain(lent);
  weft_value_release(value);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  weft_tensor_release(tensor);
}

static void a_value_of_another_kind_lends_no_tensor(void** state) {
  (void)state;
  const weft_tensor_t* lent = (const weft_tensor_t*)(const void*)&state;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind int64, not tensor",
                              weft_value_as_tensor(weft_int64(1), &lent));
  assert_null(lent);
}

static void a_tensor_over_a_shared_storage_is_not_written_to(void** state) {
  (void)state;
  weft_tensor_t* tensor = new_tensor(WEFT_INT32, 0, NULL);
  weft_tensor_t* other = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_from_storage(
      NULL, weft_tensor_storage(tensor), weft_tensor_layout(tensor), &other));
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION,
                              "the storage is shared",
                              weft_tensor_mutable_data(tensor, &data));
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION,
                              "the storage is shared",
                              weft_tensor_mutable_data(other, &data));
  weft_tensor_release(tensor);
  weft_kit_assert_ok(weft_tensor_mutable_data(other, &data));
  weft_tensor_release(other);
}

static void read_only_memory_is_never_written_to(void** state) {
  (void)state;
  int32_t number = 7;
  weft_memory_t memory = {
      .data = &number, .size_bytes = sizeof(number), .read_only = true};
  weft_tensor_layout_t layout = {.dtype = WEFT_INT32};
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_storage_wrap(NULL, NULL, &memory, &storage));
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  weft_storage_release(storage);
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "read-only",
                              weft_tensor_mutable_data(tensor, &data));
  assert_ptr_equal(weft_tensor_data(tensor), &number);
  weft_tensor_release(tensor);
}

typedef struct baton {
  weft_tensor_t* tensor;
  _Atomic int writers;
} baton_t;

static void read_then_release(size_t index, void* user) {
  baton_t* baton = user;
  const int64_t* data = weft_tensor_data(baton->tensor);
  int64_t sum = 0;
  for (int i = 0; i < 64; ++i) {
    sum += data[i];
  }
  void* writable = NULL;
  // Whoever is last may write; the others' reads are over by then.
  weft_status_t status = weft_tensor_mutable_data(baton->tensor, &writable);
  if (status == WEFT_OK) {
    memset(writable, (int)index, 64 * sizeof(int64_t));
    // Relaxed: read when all threads have ended.
    atomic_fetch_add_explicit(&baton->writers, 1 + (sum != 0),
                              memory_order_relaxed);
  }
  weft_status_release(status);
  weft_tensor_release(baton->tensor);
}

static void the_last_of_several_threads_may_write(void** state) {
  (void)state;
  const int64_t shape[] = {64};
  for (int round = 0; round < 200; ++round) {
    baton_t baton = {.tensor = new_tensor(WEFT_INT64, 1, shape)};
    void* data = NULL;
    weft_kit_assert_ok(weft_tensor_mutable_data(baton.tensor, &data));
    memset(data, 0, 64 * sizeof(int64_t));
    (void)weft_tensor_retain(baton.tensor);
    (void)weft_tensor_retain(baton.tensor);
    weft_kit_run_threads(3, read_then_release, &baton);
    // Relaxed: the threads have ended.
    int writers = atomic_load_explicit(&baton.writers, memory_order_relaxed);
    assert_in_range(writers, 0, 1);
  }
}

// --- Over a storage ---------------------------------------------------------

static void foreign_memory_is_read_where_it_lies(void** state) {
  (void)state;
  // Columns of a matrix that is stored by columns.
  const float numbers[] = {0, 1, 2, 10, 11, 12};
  weft_memory_t memory = {.data = (void*)(uintptr_t)numbers,
                          .size_bytes = sizeof(numbers),
                          .read_only = true};
  const int64_t shape[] = {2, 2};
  const int64_t strides[] = {1, 3};
  weft_tensor_layout_t layout = {WEFT_FLOAT32, 2, shape, strides, 4};
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(weft_storage_wrap(NULL, NULL, &memory, &storage));
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  weft_storage_release(storage);
  const float* data = weft_tensor_data(tensor);
  assert_ptr_equal(data, numbers + 1);
  assert_int_equal(weft_tensor_layout(tensor)->byte_offset, 4);
  assert_int_equal(weft_tensor_size_bytes(tensor), 16);
  assert_false(weft_tensor_is_contiguous(tensor));
  weft_tensor_release(tensor);
}

static void elements_outside_of_the_storage_are_refused(void** state) {
  (void)state;
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(weft_storage_create(NULL, NULL, 64, &storage));
  static const struct {
    int64_t size;
    int64_t stride;
    size_t byte_offset;
    bool is_inside;
  } cases[] = {
      {16, 1, 0, true},  {17, 1, 0, false},  {15, 1, 4, true},
      {16, 1, 4, false}, {8, 2, 0, true},    {8, 2, 4, true},
      {8, 2, 8, false},  {16, -1, 60, true}, {16, -1, 56, false},
      {1, 99, 60, true}, {1, 0, 64, false},  {0, 1, 64, true},
      {0, 1, 65, false}, {99, 0, 60, true},  {2, 1, SIZE_MAX - 3, false},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); ++i) {
    weft_tensor_layout_t layout = {WEFT_INT32, 1, &cases[i].size,
                                   &cases[i].stride, cases[i].byte_offset};
    weft_kit_assert_status(
        cases[i].is_inside ? WEFT_STATUS_OK : WEFT_STATUS_OUT_OF_RANGE,
        weft_tensor_from_storage(NULL, storage, &layout, &tensor));
    assert_int_equal(tensor != NULL, cases[i].is_inside);
    weft_tensor_release(tensor);
  }
  weft_storage_release(storage);
}

static void elements_that_are_not_aligned_are_refused(void** state) {
  (void)state;
  _Alignas(64) char data[64];
  weft_memory_t memory = {.data = data + 1, .size_bytes = 63};
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(weft_storage_wrap(NULL, NULL, &memory, &storage));
  // It is the address that counts, not the offset.
  weft_tensor_layout_t layout = {.dtype = WEFT_INT32, .byte_offset = 3};
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  weft_tensor_release(tensor);
  layout.byte_offset = 1;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "multiple of 4",
      weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  assert_null(tensor);
  // Without elements there is nothing to align.
  const int64_t none = 0;
  layout.ndim = 1;
  layout.shape = &none;
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  weft_tensor_release(tensor);
  weft_storage_release(storage);
}

// --- Declared first ---------------------------------------------------------

static void a_declared_tensor_is_sized_and_filled_later(void** state) {
  (void)state;
  const int64_t shape[] = {3, 2};
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT16, 2, NULL, &tensor));
  assert_false(weft_tensor_is_sized(tensor));
  assert_false(weft_tensor_is_contiguous(tensor));
  assert_int_equal(weft_tensor_layout(tensor)->shape[1],
                   WEFT_DIMENSION_UNKNOWN);
  assert_int_equal(weft_tensor_element_count(tensor), 0);
  assert_null(weft_tensor_data(tensor));
  assert_ptr_equal(weft_storage_driver(weft_tensor_storage(tensor)),
                   weft_device_cpu());
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(tensor, &data));
  weft_kit_assert_ok(weft_tensor_resize(tensor, shape));
  assert_true(weft_tensor_is_sized(tensor));
  assert_int_equal(weft_tensor_size_bytes(tensor), 12);
  assert_int_equal(weft_tensor_layout(tensor)->strides[0], 2);
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  memset(data, 1, 12);
  weft_tensor_release(tensor);
}

static void a_declared_tensor_may_turn_out_empty(void** state) {
  (void)state;
  const int64_t shape[] = {0};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT16, 1, NULL, &tensor));
  weft_kit_assert_ok(weft_tensor_resize(tensor, shape));
  assert_true(weft_tensor_is_sized(tensor));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_resize(tensor, shape));
  weft_tensor_release(tensor);
}

static void a_size_that_was_declared_is_kept_to(void** state) {
  (void)state;
  const int64_t declared[] = {WEFT_DIMENSION_UNKNOWN, 10};
  const int64_t other[] = {4, 9};
  const int64_t same[] = {4, 10};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 2, declared, &tensor));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "dimension 1 was declared to be 10, not 9",
                              weft_tensor_resize(tensor, other));
  assert_false(weft_tensor_is_sized(tensor));
  weft_kit_assert_ok(weft_tensor_resize(tensor, same));
  assert_int_equal(weft_tensor_size_bytes(tensor), 40);
  weft_tensor_release(tensor);
}

static void a_tensor_is_sized_once(void** state) {
  (void)state;
  weft_tensor_t* tensor = new_tensor(WEFT_INT8, 0, NULL);
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION,
                              "has its size already",
                              weft_tensor_resize(tensor, NULL));
  weft_tensor_release(tensor);
}

static void a_shared_declaration_is_not_sized(void** state) {
  (void)state;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 0, NULL, &tensor));
  weft_value_t value = weft_tensor_value(tensor);
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_resize(tensor, NULL));
  weft_value_release(value);
  weft_storage_t* storage = weft_storage_retain(weft_tensor_storage(tensor));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_resize(tensor, NULL));
  weft_storage_release(storage);
  weft_kit_assert_ok(weft_tensor_resize(tensor, NULL));
  weft_tensor_release(tensor);
}

static void nothing_looks_at_a_storage_that_is_not_sized(void** state) {
  (void)state;
  weft_tensor_t* tensor = NULL;
  weft_tensor_t* other = NULL;
  weft_tensor_layout_t layout = {.dtype = WEFT_INT8};
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 0, NULL, &tensor));
  weft_kit_assert_status(
      WEFT_STATUS_FAILED_PRECONDITION,
      weft_tensor_from_storage(NULL, weft_tensor_storage(tensor), &layout,
                               &other));
  assert_null(other);
  weft_tensor_release(tensor);
}

static void what_cannot_be_declared_is_refused(void** state) {
  (void)state;
  const int64_t shape[] = {-2};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 1, shape, &tensor));
  weft_kit_assert_status(
      WEFT_STATUS_OUT_OF_RANGE,
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 17, NULL, &tensor));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_tensor_declare(NULL, NULL, (weft_dtype_t){0, 0, 1}, 1, NULL,
                          &tensor));
  assert_null(tensor);
}

static void a_size_that_cannot_be_leaves_the_declaration(void** state) {
  (void)state;
  const int64_t shapes[][2] = {{-1, 1}, {INT64_MAX, 2}};
  const weft_status_code_t codes[] = {WEFT_STATUS_INVALID_ARGUMENT,
                                      WEFT_STATUS_OUT_OF_RANGE};
  weft_tensor_t* tensor = NULL;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_kit_assert_ok(
      weft_tensor_declare(&kit.allocator, NULL, WEFT_INT8, 2, NULL, &tensor));
  for (size_t i = 0; i < 2; ++i) {
    weft_kit_assert_status(codes[i], weft_tensor_resize(tensor, shapes[i]));
  }
  const int64_t good[] = {2, 2};
  weft_kit_allocator_fail(&kit, 0, 1);
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         weft_tensor_resize(tensor, good));
  assert_false(weft_tensor_is_sized(tensor));
  assert_int_equal(weft_tensor_layout(tensor)->shape[0],
                   WEFT_DIMENSION_UNKNOWN);
  weft_kit_assert_ok(weft_tensor_resize(tensor, good));
  weft_tensor_release(tensor);
  weft_kit_allocator_deinit(&kit);
}

// --- Text -------------------------------------------------------------------

static void an_unexpected_tensor_is_described_with_what_was_expected(
    void** state) {
  (void)state;
  const int64_t shape[] = {64, 10};
  const int64_t any_rows[] = {WEFT_DIMENSION_UNKNOWN, 10};
  const int64_t other[] = {64, 12};
  weft_tensor_t* tensor = new_tensor(WEFT_FLOAT32, 2, shape);
  weft_kit_assert_ok(weft_tensor_expect(tensor, WEFT_FLOAT32, 2, shape));
  weft_kit_assert_ok(weft_tensor_expect(tensor, WEFT_FLOAT32, 2, any_rows));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT,
      "the tensor is float32[64, 10], not float32[64, 12]",
      weft_tensor_expect(tensor, WEFT_FLOAT32, 2, other));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "not int32[?, 10]",
      weft_tensor_expect(tensor, WEFT_INT32, 2, any_rows));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "not float32[?]",
      weft_tensor_expect(tensor, WEFT_FLOAT32, 1, any_rows));
  weft_tensor_release(tensor);
}

static void the_longest_text_fits_its_capacity(void** state) {
  (void)state;
  static const weft_device_driver_t driver = {
      .device = {WEFT_DEVICE_CUDA_MANAGED, INT32_MIN}};
  int64_t shape[WEFT_TENSOR_NDIM_LIMIT];
  for (size_t i = 0; i < WEFT_TENSOR_NDIM_LIMIT; ++i) {
    shape[i] = INT64_MAX;
  }
  weft_dtype_t longest = {WEFT_DTYPE_FLOAT8_E4M3B11FNUZ, 8, 65535};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(weft_tensor_declare(
      NULL, &driver, longest, WEFT_TENSOR_NDIM_LIMIT, shape, &tensor));
  char text[WEFT_TENSOR_TEXT_CAPACITY];
  size_t length = weft_tensor_format(tensor, text, sizeof(text));
  assert_int_equal(strlen(text), length);
  assert_non_null(strstr(text, "float8_e4m3b11fnuzx65535[9223372036854775807"));
  assert_non_null(strstr(text, "] on cuda managed:-2147483648"));
  weft_tensor_release(tensor);
}

// --- Allocation failures ----------------------------------------------------

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  const int64_t shape[] = {4};
  weft_tensor_t* tensor = NULL;
  (void)user;
  weft_status_t status =
      weft_tensor_create(allocator, NULL, WEFT_INT8, 1, shape, &tensor);
  *out_object = tensor;
  return status;
}

static weft_status_t from_data(const weft_allocator_t* allocator, void* user,
                               void** out_object) {
  const int64_t shape[] = {4};
  weft_tensor_t* tensor = NULL;
  (void)user;
  weft_status_t status =
      weft_tensor_from_data(allocator, WEFT_INT8, 1, shape, "abc", &tensor);
  *out_object = tensor;
  return status;
}

static weft_status_t declare(const weft_allocator_t* allocator, void* user,
                             void** out_object) {
  weft_tensor_t* tensor = NULL;
  (void)user;
  weft_status_t status =
      weft_tensor_declare(allocator, NULL, WEFT_INT8, 1, NULL, &tensor);
  *out_object = tensor;
  return status;
}

static weft_status_t from_storage(const weft_allocator_t* allocator, void* user,
                                  void** out_object) {
  weft_tensor_layout_t layout = {.dtype = WEFT_INT8};
  weft_tensor_t* tensor = NULL;
  weft_status_t status =
      weft_tensor_from_storage(allocator, user, &layout, &tensor);
  *out_object = tensor;
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_tensor_release(object);
}

static void creating_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(weft_storage_create(NULL, NULL, 8, &storage));
  weft_kit_creation_t created = {create, destroy, NULL};
  weft_kit_creation_t filled = {from_data, destroy, NULL};
  weft_kit_creation_t declared = {declare, destroy, NULL};
  weft_kit_creation_t viewed = {from_storage, destroy, storage};
  weft_kit_sweep(&created);
  weft_kit_sweep(&filled);
  weft_kit_sweep(&declared);
  weft_kit_sweep(&viewed);
  assert_true(weft_object_is_unique(&storage->object));
  weft_storage_release(storage);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_new_tensor_lies_row_by_row_in_aligned_memory),
      cmocka_unit_test(a_tensor_without_dimensions_holds_one_element),
      cmocka_unit_test(a_tensor_of_no_elements_has_no_data_but_a_device),
      cmocka_unit_test(data_is_copied_into_a_new_tensor),
      cmocka_unit_test(data_may_be_missing_only_where_there_are_no_elements),
      cmocka_unit_test(what_cannot_be_created_is_refused),
      cmocka_unit_test(only_the_sole_owner_may_write),
      cmocka_unit_test(a_value_shares_its_tensor),
      cmocka_unit_test(a_tensor_turns_into_a_value_without_being_shared),
      cmocka_unit_test(a_value_of_another_kind_lends_no_tensor),
      cmocka_unit_test(a_tensor_over_a_shared_storage_is_not_written_to),
      cmocka_unit_test(read_only_memory_is_never_written_to),
      cmocka_unit_test(the_last_of_several_threads_may_write),
      cmocka_unit_test(foreign_memory_is_read_where_it_lies),
      cmocka_unit_test(elements_outside_of_the_storage_are_refused),
      cmocka_unit_test(elements_that_are_not_aligned_are_refused),
      cmocka_unit_test(a_declared_tensor_is_sized_and_filled_later),
      cmocka_unit_test(a_declared_tensor_may_turn_out_empty),
      cmocka_unit_test(a_size_that_was_declared_is_kept_to),
      cmocka_unit_test(a_tensor_is_sized_once),
      cmocka_unit_test(a_shared_declaration_is_not_sized),
      cmocka_unit_test(nothing_looks_at_a_storage_that_is_not_sized),
      cmocka_unit_test(what_cannot_be_declared_is_refused),
      cmocka_unit_test(a_size_that_cannot_be_leaves_the_declaration),
      cmocka_unit_test(
          an_unexpected_tensor_is_described_with_what_was_expected),
      cmocka_unit_test(the_longest_text_fits_its_capacity),
      cmocka_unit_test(creating_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
