// SPDX-License-Identifier: Apache-2.0

#include "base/table.h"

#include <stdio.h>

#include "kit/kit.h"

#define KEY_COUNT 256

static int things[KEY_COUNT];

static void an_empty_table_finds_nothing(void** state) {
  (void)state;
  weft_kit_allocator_t kit;
  weft_kit_allocator_init(&kit);
  weft_table_t table;
  weft_table_init(&table, &kit.allocator);
  assert_null(weft_table_find_name(&table, "x"));
  assert_null(weft_table_remove_name(&table, "x"));
  assert_null(weft_table_first(&table));
  assert_int_equal(weft_table_count(&table), 0);
  weft_table_deinit(&table);
  assert_int_equal(kit.allocations, 0);
  weft_kit_allocator_deinit(&kit);
}

static void names_and_numbers_are_found_and_removed(void** state) {
  (void)state;
  weft_table_t table;
  weft_table_init(&table, NULL);
  char name[] = "alpha";
  weft_kit_assert_ok(weft_table_insert_name(&table, name, &things[0]));
  weft_kit_assert_ok(weft_table_insert_name(&table, "", &things[1]));
  weft_kit_assert_ok(weft_table_insert_number(&table, 0, &things[2]));
  weft_kit_assert_ok(weft_table_insert_number(&table, UINT64_MAX, &things[3]));
  // The table has a copy of the key.
  name[0] = 'b';
  assert_ptr_equal(weft_table_find_name(&table, "alpha"), &things[0]);
  assert_ptr_equal(weft_table_find_name(&table, ""), &things[1]);
  assert_ptr_equal(weft_table_find_number(&table, 0), &things[2]);
  assert_ptr_equal(weft_table_find_number(&table, UINT64_MAX), &things[3]);
  assert_null(weft_table_find_name(&table, "alpha "));
  assert_null(weft_table_find_name(&table, "blpha"));
  assert_null(weft_table_find_number(&table, 1));
  assert_int_equal(weft_table_count(&table), 4);
  assert_ptr_equal(weft_table_remove_name(&table, "alpha"), &things[0]);
  assert_null(weft_table_remove_name(&table, "alpha"));
  assert_ptr_equal(weft_table_remove_number(&table, 0), &things[2]);
  assert_int_equal(weft_table_count(&table), 2);
  weft_table_deinit(&table);
}

static void a_key_comes_once(void** state) {
  (void)state;
  weft_table_t table;
  weft_table_init(&table, NULL);
  weft_kit_assert_ok(weft_table_insert_name(&table, "a", &things[0]));
  weft_kit_assert_status(WEFT_STATUS_ALREADY_EXISTS,
                         weft_table_insert_name(&table, "a", &things[1]));
  assert_ptr_equal(weft_table_find_name(&table, "a"), &things[0]);
  weft_table_deinit(&table);
}

static void a_walk_goes_in_the_order_of_insertion(void** state) {
  (void)state;
  weft_table_t table;
  weft_table_init(&table, NULL);
  for (int i = 0; i < KEY_COUNT; ++i) {
    char name[16];
    snprintf(name, sizeof(name), "name %d", i * 7919);
    weft_kit_assert_ok(weft_table_insert_name(&table, name, &things[i]));
  }
  const weft_table_entry_t* entry = weft_table_first(&table);
  for (int i = 0; i < KEY_COUNT; ++i) {
    const weft_table_entry_t* next = weft_table_next(entry);
    char name[16];
    snprintf(name, sizeof(name), "name %d", i * 7919);
    assert_ptr_equal(weft_table_entry_value(entry), &things[i]);
    size_t size = 0;
    assert_string_equal(weft_table_entry_key(entry, &size), name);
    assert_int_equal(size, strlen(name));
    if (i % 2 == 0) {
      assert_ptr_equal(weft_table_remove_name(&table, name), &things[i]);
    }
    entry = next;
  }
  assert_null(entry);
  assert_int_equal(weft_table_count(&table), KEY_COUNT / 2);
  weft_table_deinit(&table);
}

// --- Against a model, with an allocator that fails now and then -------------

typedef struct trial {
  weft_kit_allocator_t kit;
  weft_table_t table;
  bool inside[KEY_COUNT];
  size_t count;
} trial_t;

// Keys of many lengths, all different.
static size_t make_key(size_t index, char key[KEY_COUNT + 8]) {
  memset(key, (int)('a' + index % 26), index);
  return index + (size_t)snprintf(key + index, 8, "%zu", index);
}

// `failing` is the number of an allocation that fails; large for none.
static void insert(trial_t* trial, size_t index, uint64_t failing) {
  char key[KEY_COUNT + 8];
  size_t size = make_key(index, key);
  weft_kit_allocator_fail(&trial->kit, failing, 1);
  weft_status_code_t code = weft_status_ignore(
      weft_table_insert(&trial->table, key, size, &things[index]));
  weft_status_code_t expected =
      trial->inside[index]    ? WEFT_STATUS_ALREADY_EXISTS
      : trial->kit.failed > 0 ? WEFT_STATUS_RESOURCE_EXHAUSTED
                              : WEFT_STATUS_OK;
  assert_int_equal(code, expected);
  if (code == WEFT_STATUS_OK) {
    trial->inside[index] = true;
    ++trial->count;
  }
  weft_kit_allocator_fail(&trial->kit, 0, 0);
}

static void take_out(trial_t* trial, size_t index) {
  char key[KEY_COUNT + 8];
  size_t size = make_key(index, key);
  void* expected = trial->inside[index] ? &things[index] : NULL;
  assert_ptr_equal(weft_table_remove(&trial->table, key, size), expected);
  trial->count -= trial->inside[index] ? 1 : 0;
  trial->inside[index] = false;
}

static void check_all(const trial_t* trial) {
  for (size_t i = 0; i < KEY_COUNT; ++i) {
    char key[KEY_COUNT + 8];
    size_t size = make_key(i, key);
    const void* expected = trial->inside[i] ? &things[i] : NULL;
    assert_ptr_equal(weft_table_find(&trial->table, key, size), expected);
  }
  assert_int_equal(weft_table_count(&trial->table), trial->count);
}

static void compare_with_model(weft_kit_random_t* random, void* user) {
  (void)user;
  trial_t trial = {0};
  weft_kit_allocator_init(&trial.kit);
  weft_table_init(&trial.table, &trial.kit.allocator);
  // Some trials insert more, so that the table grows; some remove more.
  uint64_t inserts_of_8 = 2 + weft_kit_random_below(random, 5);
  for (int step = 0; step < 400; ++step) {
    size_t index = weft_kit_random_below(random, KEY_COUNT);
    if (weft_kit_random_below(random, 8) < inserts_of_8) {
      insert(&trial, index, weft_kit_random_below(random, 8));
    } else {
      take_out(&trial, index);
    }
  }
  check_all(&trial);
  weft_table_deinit(&trial.table);
  weft_kit_allocator_deinit(&trial.kit);
}

static void a_table_agrees_with_an_array(void** state) {
  (void)state;
  weft_kit_for_seeds(compare_with_model, NULL);
}

static weft_status_t fill(const weft_allocator_t* allocator, void* user,
                          void** out_table) {
  (void)user;
  static weft_table_t table;
  weft_table_init(&table, allocator);
  weft_status_t status = WEFT_OK;
  // Enough to make uthash grow its buckets.
  for (uint64_t i = 0; status == WEFT_OK && i < 1000; ++i) {
    status = weft_table_insert_number(&table, i, &things[0]);
  }
  if (status == WEFT_OK) {
    *out_table = &table;
  } else {
    weft_table_deinit(&table);
  }
  return status;
}

static void empty(void* table, void* user) {
  (void)user;
  weft_table_deinit(table);
}

static void a_table_survives_every_lack_of_memory(void** state) {
  (void)state;
  weft_kit_sweep(&(weft_kit_creation_t){.create = fill, .destroy = empty});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_table_finds_nothing),
      cmocka_unit_test(names_and_numbers_are_found_and_removed),
      cmocka_unit_test(a_key_comes_once),
      cmocka_unit_test(a_walk_goes_in_the_order_of_insertion),
      cmocka_unit_test(a_table_agrees_with_an_array),
      cmocka_unit_test(a_table_survives_every_lack_of_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
