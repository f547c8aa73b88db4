// SPDX-License-Identifier: Apache-2.0

#include "value/value_kit.h"
#include "weft/tensor.h"

static void a_list_keeps_its_values_in_order(void** state) {
  (void)state;
  weft_value_t values[] = {weft_int64(1), weft_none(), weft_bool(true)};
  weft_value_t list;
  const weft_value_t* read = NULL;
  size_t count = 0;
  weft_kit_assert_ok(weft_list_create(NULL, values, 3, &list));
  weft_kit_assert_ok(weft_value_as_list(list, &read, &count));
  assert_int_equal(count, 3);
  for (size_t i = 0; i < count; ++i) {
    assert_true(weft_value_equal(read[i], values[i]));
  }
  weft_value_release(list);
}

static void a_list_may_be_empty(void** state) {
  (void)state;
  weft_value_t list;
  const weft_value_t* read = NULL;
  size_t count = 7;
  weft_kit_assert_ok(weft_list_create(NULL, NULL, 0, &list));
  weft_kit_assert_ok(weft_value_as_list(list, &read, &count));
  assert_int_equal(count, 0);
  weft_value_release(list);
}

static void a_list_holds_its_values_until_it_is_gone(void** state) {
  (void)state;
  _Atomic int released = 0;
  weft_value_t opaque = weft_value_kit_opaque(&released);
  weft_value_t twice[] = {opaque, opaque};
  weft_value_t list;
  weft_kit_assert_ok(weft_list_create(NULL, twice, 2, &list));
  weft_value_release(opaque);
  assert_int_equal(weft_value_kit_read(&released), 0);
  weft_value_release(weft_value_retain(list));
  assert_int_equal(weft_value_kit_read(&released), 0);
  weft_value_release(list);
  assert_int_equal(weft_value_kit_read(&released), 1);
}

static weft_value_t nest(size_t depth) {
  weft_value_t value = weft_int64(7);
  for (size_t i = 0; i < depth; ++i) {
    value = weft_value_kit_list(&value, 1);
  }
  return value;
}

static void lists_nest_up_to_the_limit_and_no_deeper(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  _Atomic int released = 0;
  weft_value_t deepest = nest(WEFT_VALUE_DEPTH_LIMIT);
  weft_value_t values[] = {weft_value_kit_opaque(&released), deepest};
  weft_value_t list = weft_int64(7);
  weft_kit_assert_status_says(
      WEFT_STATUS_OUT_OF_RANGE, "65 deep",
      weft_list_create(&kit.allocator, values, 2, &list));
  assert_int_equal(weft_value_kind(list), WEFT_KIND_NONE);
  // What failed has retained nothing.
  weft_value_release(values[0]);
  assert_int_equal(weft_value_kit_read(&released), 1);
  weft_value_release(deepest);
  weft_kit_allocator_deinit(&kit);
}

static void maps_count_as_depth_too(void** state) {
  (void)state;
  weft_value_t deepest = nest(WEFT_VALUE_DEPTH_LIMIT - 1);
  weft_map_entry_t entry = {weft_value_kit_string("key"), deepest};
  weft_value_t map;
  weft_value_t list;
  weft_kit_assert_ok(weft_map_create(NULL, &entry, 1, &map));
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         weft_list_create(NULL, &map, 1, &list));
  entry.value = map;
  weft_kit_assert_status(WEFT_STATUS_OUT_OF_RANGE,
                         weft_map_create(NULL, &entry, 1, &list));
  weft_value_release(entry.key);
  weft_value_release(deepest);
  weft_value_release(map);
}

static void breadth_is_no_depth(void** state) {
  (void)state;
  enum { COUNT = 2 * WEFT_VALUE_DEPTH_LIMIT };
  weft_value_t flat[COUNT];
  for (size_t i = 0; i < COUNT; ++i) {
    flat[i] = nest(WEFT_VALUE_DEPTH_LIMIT - 1);
  }
  weft_value_release(weft_value_kit_list(flat, COUNT));
}

static weft_value_t tensor_of(int64_t size) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, WEFT_FLOAT32, 1, &size, &tensor));
  weft_value_t value = weft_tensor_value(tensor);
  weft_tensor_release(tensor);
  return value;
}

static void tensor_bytes_are_summed_through_lists_and_maps(void** state) {
  (void)state;
  weft_value_t tensor = tensor_of(10);
  assert_int_equal(weft_value_tensor_bytes(tensor), 40);
  weft_value_t twice[] = {tensor, weft_value_retain(tensor), weft_int64(1)};
  weft_value_t list = weft_value_kit_list(twice, 3);
  assert_int_equal(weft_value_tensor_bytes(list), 80);
  weft_map_entry_t entries[] = {
      {weft_value_kit_string("list"), list},
      {weft_value_kit_string("more"), tensor_of(1)},
  };
  weft_value_t map;
  weft_kit_assert_ok(weft_map_create(NULL, entries, 2, &map));
  assert_int_equal(weft_value_tensor_bytes(map), 84);
  for (size_t i = 0; i < 2; ++i) {
    weft_value_release(entries[i].key);
    weft_value_release(entries[i].value);
  }
  weft_value_release(map);
}

static void values_without_tensors_have_no_tensor_bytes(void** state) {
  (void)state;
  weft_value_t string = weft_value_kit_string("text");
  assert_int_equal(weft_value_tensor_bytes(string), 0);
  assert_int_equal(weft_value_tensor_bytes(weft_int64(1)), 0);
  assert_int_equal(weft_value_tensor_bytes(weft_none()), 0);
  weft_value_release(string);
}

static void tensor_bytes_stay_at_the_highest_number(void** state) {
  (void)state;
  // A tensor of 2^59 bytes, all of which are one and the same.
  weft_storage_t* storage = NULL;
  weft_tensor_t* tensor = NULL;
  const int64_t shape[] = {INT64_C(1) << 59};
  const int64_t strides[] = {0};
  weft_tensor_layout_t layout = {WEFT_UINT8, 1, shape, strides, 0};
  weft_kit_assert_ok(weft_storage_create(NULL, NULL, 1, &storage));
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  weft_value_t value = weft_tensor_value(tensor);
  weft_tensor_release(tensor);
  weft_storage_release(storage);
  for (size_t i = 0; i < 20; ++i) {
    weft_value_t twice[] = {value, weft_value_retain(value)};
    value = weft_value_kit_list(twice, 2);
    uint64_t expected = i < 4 ? UINT64_C(1) << (60 + i) : UINT64_MAX;
    assert_true(weft_value_tensor_bytes(value) == expected);
  }
  weft_value_release(value);
}

static void another_kind_is_refused(void** state) {
  (void)state;
  const weft_value_t* values = NULL;
  size_t count = 7;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "of kind int64, not list",
      weft_value_as_list(weft_int64(1), &values, &count));
  assert_null(values);
  assert_int_equal(count, 0);
}

static void missing_values_and_impossible_counts_are_refused(void** state) {
  (void)state;
  weft_value_t list = weft_int64(7);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_list_create(NULL, NULL, 1, &list));
  weft_value_t value = weft_none();
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         weft_list_create(NULL, &value, SIZE_MAX / 16, &list));
  assert_int_equal(weft_value_kind(list), WEFT_KIND_NONE);
}

static weft_status_t create_list(const weft_allocator_t* allocator,
                                 weft_value_t* out_value) {
  weft_value_t values[] = {weft_value_kit_string("a"), weft_int64(1)};
  weft_status_t status = weft_list_create(allocator, values, 2, out_value);
  weft_value_release(values[0]);
  return status;
}

static void creating_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_value_kit_sweep(create_list);
}

static void release(size_t index, void* user) {
  (void)index;
  weft_value_t* list = user;
  weft_value_release(*list);
}

static void any_thread_may_drop_the_last_reference(void** state) {
  (void)state;
  for (int round = 0; round < 200; ++round) {
    _Atomic int released = 0;
    weft_value_t opaque = weft_value_kit_opaque(&released);
    weft_value_t inner = weft_value_kit_list(&opaque, 1);
    weft_value_t list = weft_value_kit_list(&inner, 1);
    (void)weft_value_retain(list);
    (void)weft_value_retain(list);
    weft_kit_run_threads(3, release, &list);
    assert_int_equal(weft_value_kit_read(&released), 1);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_list_keeps_its_values_in_order),
      cmocka_unit_test(a_list_may_be_empty),
      cmocka_unit_test(a_list_holds_its_values_until_it_is_gone),
      cmocka_unit_test(lists_nest_up_to_the_limit_and_no_deeper),
      cmocka_unit_test(maps_count_as_depth_too),
      cmocka_unit_test(breadth_is_no_depth),
      cmocka_unit_test(tensor_bytes_are_summed_through_lists_and_maps),
      cmocka_unit_test(values_without_tensors_have_no_tensor_bytes),
      cmocka_unit_test(tensor_bytes_stay_at_the_highest_number),
      cmocka_unit_test(another_kind_is_refused),
      cmocka_unit_test(missing_values_and_impossible_counts_are_refused),
      cmocka_unit_test(creating_survives_every_allocation_failure),
      cmocka_unit_test(any_thread_may_drop_the_last_reference),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
