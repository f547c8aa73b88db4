// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <stdlib.h>

#include "value/value_kit.h"

// Entries whose keys this test owns.
typedef struct entries {
  weft_map_entry_t* data;
  size_t count;
} entries_t;

static entries_t make_entries(size_t count) {
  entries_t entries = {calloc(count, sizeof(weft_map_entry_t)), count};
  assert_non_null(entries.data);
  return entries;
}

static void set_entry(entries_t* entries, size_t i, const char* key) {
  entries->data[i].key = weft_value_kit_string(key);
  entries->data[i].value = weft_int64((int64_t)i);
}

static void free_entries(entries_t* entries) {
  for (size_t i = 0; i < entries->count; ++i) {
    weft_value_release(entries->data[i].key);
    weft_value_release(entries->data[i].value);
  }
  free(entries->data);
}

// The text of the n-th key; lengths and beginnings differ.
static void key_text(uint64_t n, char* text, size_t capacity) {
  (void)snprintf(text, capacity, "%llx%s", (unsigned long long)n,
                 n % 3 == 0 ? "-long" : "");
}

static void every_key_is_found_and_order_is_kept(weft_kit_random_t* random,
                                                 void* user) {
  (void)user;
  entries_t entries = make_entries(weft_kit_random_below(random, 70) + 1);
  uint64_t base = weft_kit_random_below(random, 5000);
  uint64_t step = weft_kit_random_below(random, 50) * 2 + 1;
  char text[40];
  for (size_t i = 0; i < entries.count; ++i) {
    // Distinct, since the step is odd and there are fewer than 4096.
    key_text((base + i * step) % 4096, text, sizeof(text));
    set_entry(&entries, i, text);
  }
  weft_value_t map;
  const weft_map_entry_t* read = NULL;
  size_t count = 0;
  weft_kit_assert_ok(weft_map_create(NULL, entries.data, entries.count, &map));
  weft_kit_assert_ok(weft_value_as_map(map, &read, &count));
  assert_int_equal(count, entries.count);
  for (size_t i = 0; i < count; ++i) {
    const char* key = NULL;
    weft_value_t value;
    assert_true(weft_value_equal(read[i].key, entries.data[i].key));
    weft_kit_assert_ok(weft_value_as_string(read[i].key, &key, NULL));
    weft_kit_assert_ok(weft_map_get(map, key, &value));
    assert_int_equal(value.as.int64, i);
  }
  weft_value_t value = weft_int64(7);
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_map_get(map, "absent", &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
  weft_value_release(map);
  free_entries(&entries);
}

static void maps_of_all_sizes_find_every_key_in_any_order(void** state) {
  (void)state;
  weft_kit_for_seeds(every_key_is_found_and_order_is_kept, NULL);
}

static void a_map_may_be_empty(void** state) {
  (void)state;
  weft_value_t map;
  const weft_map_entry_t* entries = NULL;
  size_t count = 7;
  weft_value_t value;
  weft_kit_assert_ok(weft_map_create(NULL, NULL, 0, &map));
  weft_kit_assert_ok(weft_value_as_map(map, &entries, &count));
  assert_int_equal(count, 0);
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND, weft_map_get(map, "", &value));
  weft_value_release(map);
}

static void the_empty_string_is_a_key(void** state) {
  (void)state;
  entries_t entries = make_entries(2);
  set_entry(&entries, 0, "a");
  set_entry(&entries, 1, "");
  weft_value_t map;
  weft_value_t value;
  weft_kit_assert_ok(weft_map_create(NULL, entries.data, 2, &map));
  weft_kit_assert_ok(weft_map_get(map, "", &value));
  assert_int_equal(value.as.int64, 1);
  weft_value_release(map);
  free_entries(&entries);
}

static void a_key_that_comes_twice_is_refused_wherever_it_stands(
    weft_kit_random_t* random, void* user) {
  (void)user;
  entries_t entries = make_entries(weft_kit_random_below(random, 60) + 2);
  size_t first = weft_kit_random_below(random, entries.count);
  size_t second = weft_kit_random_below(random, entries.count - 1);
  second += second >= first ? 1 : 0;
  char text[40];
  for (size_t i = 0; i < entries.count; ++i) {
    key_text(i == second ? first : i, text, sizeof(text));
    set_entry(&entries, i, text);
  }
  _Atomic int released = 0;
  entries.data[first].value = weft_value_kit_opaque(&released);
  weft_value_t map = weft_int64(7);
  char says[64];
  (void)snprintf(says, sizeof(says), "twice, as entries %zu and %zu",
                 first < second ? first : second,
                 first < second ? second : first);
  weft_kit_assert_status_says(
      WEFT_STATUS_ALREADY_EXISTS, says,
      weft_map_create(NULL, entries.data, entries.count, &map));
  assert_int_equal(weft_value_kind(map), WEFT_KIND_NONE);
  free_entries(&entries);
  // The refused map has kept nothing.
  assert_int_equal(weft_value_kit_read(&released), 1);
}

static void duplicates_are_refused(void** state) {
  (void)state;
  weft_kit_for_seeds(a_key_that_comes_twice_is_refused_wherever_it_stands,
                     NULL);
}

static void many_keys_sort_in_reasonable_work(void** state) {
  (void)state;
  // Sorted, and sorted backwards: the bad cases of lesser methods, which
  // would make this test run for minutes.
  const size_t count = 100000;
  entries_t entries = make_entries(count);
  char text[40];
  for (size_t i = 0; i < count; ++i) {
    size_t n = i < count / 2 ? i : 3 * count / 2 - i;
    (void)snprintf(text, sizeof(text), "%08zu", n);
    set_entry(&entries, i, text);
  }
  weft_value_t map;
  weft_value_t value;
  weft_kit_assert_ok(weft_map_create(NULL, entries.data, count, &map));
  weft_kit_assert_ok(weft_map_get(map, "00000123", &value));
  assert_int_equal(value.as.int64, 123);
  weft_value_release(map);
  free_entries(&entries);
}

static void keys_that_are_no_strings_are_refused(void** state) {
  (void)state;
  weft_map_entry_t entry = {weft_int64(1), weft_int64(2)};
  weft_value_t map = weft_int64(7);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "entry 0 is of kind int64",
                              weft_map_create(NULL, &entry, 1, &map));
  assert_int_equal(weft_value_kind(map), WEFT_KIND_NONE);
}

static void a_map_holds_keys_and_values_until_it_is_gone(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  _Atomic int released = 0;
  weft_map_entry_t entry = {.value = weft_value_kit_opaque(&released)};
  weft_value_t map;
  weft_value_t value;
  weft_kit_assert_ok(weft_string_from_c(&kit.allocator, "key", &entry.key));
  weft_kit_assert_ok(weft_map_create(&kit.allocator, &entry, 1, &map));
  weft_value_release(entry.key);
  weft_value_release(entry.value);
  assert_int_equal(weft_value_kit_read(&released), 0);
  assert_int_equal(kit.blocks_in_use, 2);
  weft_kit_assert_ok(weft_map_get(map, "key", &value));
  assert_int_equal(weft_value_kind(value), WEFT_KIND_OPAQUE);
  weft_value_release(map);
  assert_int_equal(weft_value_kit_read(&released), 1);
  weft_kit_allocator_deinit(&kit);
}

static void another_kind_is_refused(void** state) {
  (void)state;
  const weft_map_entry_t* entries = NULL;
  size_t count = 7;
  weft_value_t value = weft_int64(7);
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "of kind int64, not map",
      weft_value_as_map(weft_int64(1), &entries, &count));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "of kind none, not map",
                              weft_map_get(weft_none(), "key", &value));
  assert_null(entries);
  assert_int_equal(count, 0);
  assert_int_equal(weft_value_kind(value), WEFT_KIND_NONE);
}

static void missing_entries_and_impossible_counts_are_refused(void** state) {
  (void)state;
  weft_value_t map = weft_int64(7);
  weft_map_entry_t entry = {weft_none(), weft_none()};
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_map_create(NULL, NULL, 1, &map));
  weft_kit_assert_status(
      WEFT_STATUS_OUT_OF_RANGE,
      weft_map_create(NULL, &entry, (size_t)UINT32_MAX + 1, &map));
  assert_int_equal(weft_value_kind(map), WEFT_KIND_NONE);
}

static weft_status_t create_map(const weft_allocator_t* allocator,
                                weft_value_t* out_value) {
  weft_map_entry_t entries[] = {
      {weft_value_kit_string("b"), weft_int64(1)},
      {weft_value_kit_string("a"), weft_value_kit_string("text")},
  };
  weft_status_t status = weft_map_create(allocator, entries, 2, out_value);
  weft_value_release(entries[0].key);
  weft_value_release(entries[1].key);
  weft_value_release(entries[1].value);
  return status;
}

static void creating_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_value_kit_sweep(create_map);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(maps_of_all_sizes_find_every_key_in_any_order),
      cmocka_unit_test(a_map_may_be_empty),
      cmocka_unit_test(the_empty_string_is_a_key),
      cmocka_unit_test(duplicates_are_refused),
      cmocka_unit_test(many_keys_sort_in_reasonable_work),
      cmocka_unit_test(keys_that_are_no_strings_are_refused),
      cmocka_unit_test(a_map_holds_keys_and_values_until_it_is_gone),
      cmocka_unit_test(another_kind_is_refused),
      cmocka_unit_test(missing_entries_and_impossible_counts_are_refused),
      cmocka_unit_test(creating_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
