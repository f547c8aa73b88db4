// SPDX-License-Identifier: Apache-2.0

#include "base/table.h"

#include "kit/kit.h"

#define NODES 1000

static uint64_t key_of(int i) {
  return (uint64_t)i << 32 | 7;
}

static void fill(weft_table_t* table, weft_table_node_t* nodes) {
  for (int i = 0; i < NODES; i++) {
    weft_table_insert(table, &nodes[i], key_of(i));
  }
}

static void what_was_put_in_is_found_until_it_is_taken_out(void** state) {
  (void)state;
  static weft_table_node_t nodes[NODES];
  weft_table_t table;
  weft_table_init(&table, weft_allocator_system());
  assert_null(weft_table_find(&table, 7));
  assert_null(weft_table_take_any(&table));
  fill(&table, nodes);
  for (int i = 0; i < NODES; i += 2) {
    assert_ptr_equal(weft_table_remove(&table, key_of(i)), &nodes[i]);
    assert_null(weft_table_remove(&table, key_of(i)));
  }
  for (int i = 0; i < NODES; i++) {
    assert_ptr_equal(weft_table_find(&table, key_of(i)),
                     i % 2 == 0 ? NULL : &nodes[i]);
  }
  assert_int_equal(table.count, NODES / 2);
  weft_table_deinit(&table);
}

static void it_works_without_memory_for_more_buckets(void** state) {
  (void)state;
  static weft_table_node_t nodes[NODES];
  for (uint64_t after = 0; after < 5; after++) {
    weft_kit_allocator_t kit = {0};
    weft_kit_allocator_init(&kit);
    weft_kit_allocator_fail(&kit, after, NODES);
    weft_table_t table;
    weft_table_init(&table, &kit.allocator);
    fill(&table, nodes);
    for (int i = 0; i < NODES; i++) {
      assert_ptr_equal(weft_table_find(&table, key_of(i)), &nodes[i]);
    }
    weft_table_deinit(&table);
    weft_kit_allocator_deinit(&kit);
  }
}

static void add_key(void* user, weft_table_node_t* node) {
  *(uint64_t*)user += node->key >> 32;
}

static void all_are_visited_and_taken_once(void** state) {
  (void)state;
  static weft_table_node_t nodes[NODES];
  weft_table_t table;
  weft_table_init(&table, weft_allocator_system());
  fill(&table, nodes);
  uint64_t sum = 0;
  weft_table_visit(&table, add_key, &sum);
  assert_int_equal(sum, NODES * (NODES - 1) / 2);
  weft_table_node_t* node;
  while ((node = weft_table_take_any(&table)) != NULL) {
    sum -= node->key >> 32;
  }
  assert_int_equal(sum, 0);
  weft_table_deinit(&table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_was_put_in_is_found_until_it_is_taken_out),
      cmocka_unit_test(it_works_without_memory_for_more_buckets),
      cmocka_unit_test(all_are_visited_and_taken_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
