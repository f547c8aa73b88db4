// SPDX-License-Identifier: Apache-2.0

#include "kit/kit.h"
#include "value/tensor_internal.h"

// Numbers 0, 1, 2, ... in a new tensor.
static weft_tensor_t* count_up(uint32_t ndim, const int64_t* shape) {
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, WEFT_INT32, ndim, shape, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  int32_t* numbers = data;
  for (int64_t i = 0; i < weft_tensor_element_count(tensor); ++i) {
    numbers[i] = (int32_t)i;
  }
  return tensor;
}

// The element at a place of a matrix.
static int32_t at(const weft_tensor_t* tensor, int64_t row, int64_t column) {
  const weft_tensor_layout_t* layout = weft_tensor_layout(tensor);
  const int32_t* data = weft_tensor_data(tensor);
  return data[row * layout->strides[0] + column * layout->strides[1]];
}

static void a_slice_looks_at_its_part(void** state) {
  (void)state;
  const int64_t shape[] = {4, 5};
  weft_tensor_t* tensor = count_up(2, shape);
  weft_tensor_t* rows = NULL;
  weft_tensor_t* block = NULL;
  weft_kit_assert_ok(weft_tensor_slice(tensor, 0, 1, 3, &rows));
  assert_true(weft_tensor_is_contiguous(rows));
  assert_int_equal(weft_tensor_size_bytes(rows), 40);
  assert_int_equal(at(rows, 0, 0), 5);
  weft_kit_assert_ok(weft_tensor_slice(rows, 1, 2, 5, &block));
  assert_false(weft_tensor_is_contiguous(block));
  assert_int_equal(weft_tensor_layout(block)->shape[1], 3);
  assert_int_equal(at(block, 0, 0), 7);
  assert_int_equal(at(block, 1, 2), 14);
  assert_ptr_equal(weft_tensor_storage(block), weft_tensor_storage(tensor));
  weft_tensor_release(tensor);
  weft_tensor_release(rows);
  assert_int_equal(at(block, 1, 0), 12);
  weft_tensor_release(block);
}

static void a_slice_may_be_empty_or_everything(void** state) {
  (void)state;
  const int64_t shape[] = {4, 5};
  weft_tensor_t* tensor = count_up(2, shape);
  weft_tensor_t* view = NULL;
  for (int64_t start = 0; start <= 5; ++start) {
    weft_kit_assert_ok(weft_tensor_slice(tensor, 1, start, start, &view));
    assert_int_equal(weft_tensor_element_count(view), 0);
    assert_null(weft_tensor_data(view));
    weft_tensor_release(view);
  }
  weft_tensor_t* block = NULL;
  weft_kit_assert_ok(weft_tensor_slice(tensor, 1, 3, 5, &block));
  weft_kit_assert_ok(weft_tensor_slice(block, 0, 4, 4, &view));
  assert_int_equal(weft_tensor_element_count(view), 0);
  weft_tensor_release(view);
  weft_tensor_release(block);
  weft_kit_assert_ok(weft_tensor_slice(tensor, 1, 0, 5, &view));
  assert_true(weft_tensor_is_contiguous(view));
  assert_int_equal(weft_tensor_element_count(view), 20);
  weft_tensor_release(view);
  weft_tensor_release(tensor);
}

static void a_tensor_of_no_elements_is_sliced_too(void** state) {
  (void)state;
  const int64_t shape[] = {4, 0, 3};
  weft_tensor_t* tensor = count_up(3, shape);
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(weft_tensor_slice(tensor, 0, 1, 3, &view));
  assert_int_equal(weft_tensor_layout(view)->shape[0], 2);
  assert_int_equal(weft_tensor_element_count(view), 0);
  weft_tensor_release(view);
  weft_tensor_release(tensor);
}

static void a_slice_outside_of_the_tensor_is_refused(void** state) {
  (void)state;
  const int64_t shape[] = {4, 5};
  weft_tensor_t* tensor = count_up(2, shape);
  weft_tensor_t* view = NULL;
  static const struct {
    uint32_t dimension;
    int64_t start;
    int64_t stop;
  } cases[] = {
      {2, 0, 1}, {UINT32_MAX, 0, 0}, {0, -1, 2},        {0, 3, 2},
      {0, 0, 5}, {1, 6, 6},          {0, 0, INT64_MAX}, {0, INT64_MIN, 0},
  };
  for (size_t i = 0; i < 8; ++i) {
    weft_kit_assert_status(
        WEFT_STATUS_OUT_OF_RANGE,
        weft_tensor_slice(tensor, cases[i].dimension, cases[i].start,
                          cases[i].stop, &view));
    assert_null(view);
  }
  weft_tensor_release(tensor);
}

static void a_slice_begins_at_a_byte(void** state) {
  (void)state;
  const int64_t shape[] = {6};
  weft_tensor_t* tensor = NULL;
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(weft_tensor_create(
      NULL, NULL, weft_dtype_make(WEFT_DTYPE_INT, 4), 1, shape, &tensor));
  weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED,
                         weft_tensor_slice(tensor, 0, 1, 3, &view));
  weft_kit_assert_ok(weft_tensor_slice(tensor, 0, 2, 5, &view));
  assert_ptr_equal(weft_tensor_data(view),
                   (const char*)weft_tensor_data(tensor) + 1);
  assert_int_equal(weft_tensor_size_bytes(view), 2);
  weft_tensor_release(view);
  weft_tensor_release(tensor);
}

static void a_slice_of_backward_strides_moves_backwards(void** state) {
  (void)state;
  const int64_t shape[] = {4};
  const int64_t strides[] = {-1};
  weft_tensor_t* tensor = count_up(1, shape);
  weft_tensor_layout_t layout = {WEFT_INT32, 1, shape, strides, 12};
  weft_tensor_t* reversed = NULL;
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, weft_tensor_storage(tensor),
                                              &layout, &reversed));
  weft_kit_assert_ok(weft_tensor_slice(reversed, 0, 1, 4, &view));
  const int32_t* first = weft_tensor_data(view);
  assert_int_equal(first[0], 2);
  assert_int_equal(first[-2], 0);
  weft_tensor_release(view);
  weft_tensor_release(reversed);
  weft_tensor_release(tensor);
}

static void a_reshaped_tensor_has_the_same_elements(void** state) {
  (void)state;
  const int64_t shape[] = {2, 6};
  const int64_t cube[] = {3, 2, 2};
  const int64_t none[] = {0};
  weft_tensor_t* tensor = count_up(2, shape);
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(weft_tensor_reshape(tensor, 3, cube, &view));
  assert_ptr_equal(weft_tensor_data(view), weft_tensor_data(tensor));
  assert_int_equal(weft_tensor_layout(view)->strides[0], 4);
  weft_tensor_release(view);
  const int64_t wrong[] = {13};
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "13 elements, the tensor 12",
                              weft_tensor_reshape(tensor, 1, wrong, &view));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_tensor_reshape(tensor, 1, none, &view));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_tensor_reshape(tensor, 0, NULL, &view));
  assert_null(view);
  weft_tensor_release(tensor);
}

static void single_elements_and_no_elements_are_reshaped_too(void** state) {
  (void)state;
  const int64_t one[] = {1, 1};
  const int64_t empty[] = {0, 3};
  const int64_t other_empty[] = {5, 0, 7};
  weft_tensor_t* tensor = count_up(2, one);
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(weft_tensor_reshape(tensor, 0, NULL, &view));
  assert_int_equal(weft_tensor_layout(view)->ndim, 0);
  assert_int_equal(weft_tensor_element_count(view), 1);
  weft_tensor_release(view);
  weft_tensor_release(tensor);
  tensor = count_up(2, empty);
  weft_kit_assert_ok(weft_tensor_reshape(tensor, 3, other_empty, &view));
  assert_int_equal(weft_tensor_element_count(view), 0);
  weft_tensor_release(view);
  weft_tensor_release(tensor);
}

static void a_tensor_with_gaps_is_not_reshaped(void** state) {
  (void)state;
  const int64_t shape[] = {4, 5};
  const int64_t flat[] = {8};
  weft_tensor_t* tensor = count_up(2, shape);
  weft_tensor_t* block = NULL;
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(weft_tensor_slice(tensor, 1, 0, 2, &block));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_reshape(block, 1, flat, &view));
  assert_null(view);
  weft_tensor_release(block);
  weft_tensor_release(tensor);
}

static void a_permuted_tensor_is_transposed(void** state) {
  (void)state;
  const int64_t shape[] = {2, 3};
  const uint32_t swap[] = {1, 0};
  weft_tensor_t* tensor = count_up(2, shape);
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(weft_tensor_permute(tensor, swap, &view));
  assert_int_equal(weft_tensor_layout(view)->shape[0], 3);
  for (int64_t row = 0; row < 2; ++row) {
    for (int64_t column = 0; column < 3; ++column) {
      assert_int_equal(at(view, column, row), at(tensor, row, column));
    }
  }
  assert_false(weft_tensor_is_contiguous(view));
  weft_tensor_release(view);
  weft_tensor_release(tensor);
}

static void an_order_names_each_dimension_once(void** state) {
  (void)state;
  const int64_t shape[] = {2, 3};
  const uint32_t orders[][2] = {{0, 0}, {1, 1}, {0, 2}, {UINT32_MAX, 0}};
  weft_tensor_t* tensor = count_up(2, shape);
  weft_tensor_t* view = NULL;
  for (size_t i = 0; i < 4; ++i) {
    weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                           weft_tensor_permute(tensor, orders[i], &view));
    assert_null(view);
  }
  weft_tensor_release(tensor);
}

static void a_view_keeps_the_memory_and_stops_writing(void** state) {
  (void)state;
  const int64_t shape[] = {4};
  weft_tensor_t* tensor = count_up(1, shape);
  weft_tensor_t* view = NULL;
  void* data = NULL;
  weft_kit_assert_ok(weft_tensor_slice(tensor, 0, 1, 3, &view));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(tensor, &data));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_mutable_data(view, &data));
  weft_tensor_release(tensor);
  weft_kit_assert_ok(weft_tensor_mutable_data(view, &data));
  assert_int_equal(*(int32_t*)data, 1);
  weft_tensor_release(view);
}

static void a_declaration_has_no_views(void** state) {
  (void)state;
  const uint32_t order[] = {0};
  const int64_t shape[] = {0};
  weft_tensor_t* tensor = NULL;
  weft_tensor_t* view = NULL;
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 1, NULL, &tensor));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_slice(tensor, 0, 0, 0, &view));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_reshape(tensor, 1, shape, &view));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_tensor_permute(tensor, order, &view));
  assert_null(view);
  weft_tensor_release(tensor);
}

// Views come from the allocator of their tensor, so that is made here too.
static weft_status_t create_views(const weft_allocator_t* allocator, void* user,
                                  void** out_object) {
  const int64_t shape[] = {2, 2};
  const int64_t flat[] = {2};
  const uint32_t order[] = {1, 0};
  weft_tensor_t* tensors[4] = {NULL};
  (void)user;
  weft_status_t status =
      weft_tensor_create(allocator, NULL, WEFT_INT8, 2, shape, &tensors[0]);
  if (status == WEFT_OK) {
    status = weft_tensor_slice(tensors[0], 0, 0, 1, &tensors[1]);
  }
  if (status == WEFT_OK) {
    status = weft_tensor_reshape(tensors[1], 1, flat, &tensors[2]);
  }
  if (status == WEFT_OK) {
    status = weft_tensor_permute(tensors[0], order, &tensors[3]);
  }
  *out_object = tensors[3];
  for (size_t i = 0; i < 3; ++i) {
    weft_tensor_release(tensors[i]);
  }
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_tensor_release(object);
}

static void views_survive_every_allocation_failure(void** state) {
  (void)state;
  weft_kit_creation_t creation = {create_views, destroy, NULL};
  weft_kit_sweep(&creation);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_slice_looks_at_its_part),
      cmocka_unit_test(a_slice_may_be_empty_or_everything),
      cmocka_unit_test(a_tensor_of_no_elements_is_sliced_too),
      cmocka_unit_test(a_slice_outside_of_the_tensor_is_refused),
      cmocka_unit_test(a_slice_begins_at_a_byte),
      cmocka_unit_test(a_slice_of_backward_strides_moves_backwards),
      cmocka_unit_test(a_reshaped_tensor_has_the_same_elements),
      cmocka_unit_test(single_elements_and_no_elements_are_reshaped_too),
      cmocka_unit_test(a_tensor_with_gaps_is_not_reshaped),
      cmocka_unit_test(a_permuted_tensor_is_transposed),
      cmocka_unit_test(an_order_names_each_dimension_once),
      cmocka_unit_test(a_view_keeps_the_memory_and_stops_writing),
      cmocka_unit_test(a_declaration_has_no_views),
      cmocka_unit_test(views_survive_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
