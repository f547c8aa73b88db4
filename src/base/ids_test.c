// SPDX-License-Identifier: Apache-2.0

#include "base/ids.h"

#include "kit/kit.h"

static void a_number_finds_what_it_was_given_to(void** state) {
  (void)state;
  static int objects[100];
  uint64_t given[100];
  weft_ids_t ids;
  weft_ids_init(&ids, weft_allocator_system());
  for (int i = 0; i < 100; i++) {
    given[i] = weft_ids_give(&ids, &objects[i]);
    assert_int_not_equal(given[i], 0);
  }
  assert_int_equal(ids.used, 100);
  for (int i = 0; i < 100; i++) {
    assert_ptr_equal(weft_ids_find(&ids, given[i]), &objects[i]);
  }
  uint32_t place = 0;
  int found = 0;
  while (weft_ids_next(&ids, &place) != NULL) {
    found++;
  }
  assert_int_equal(found, 100);
  weft_ids_deinit(&ids);
}

static void a_number_of_an_old_use_finds_nothing(void** state) {
  (void)state;
  int a;
  int b;
  weft_ids_t ids;
  weft_ids_init(&ids, weft_allocator_system());
  uint64_t old = weft_ids_give(&ids, &a);
  assert_ptr_equal(weft_ids_take(&ids, old), &a);
  assert_null(weft_ids_take(&ids, old));
  uint64_t next = weft_ids_give(&ids, &b);
  assert_int_equal((uint32_t)old, (uint32_t)next);
  assert_null(weft_ids_find(&ids, old));
  assert_ptr_equal(weft_ids_find(&ids, next), &b);
  assert_null(weft_ids_find(&ids, 0));
  assert_null(weft_ids_find(&ids, UINT64_MAX));
  weft_ids_deinit(&ids);
}

static void without_memory_there_is_no_number(void** state) {
  (void)state;
  int object;
  weft_kit_allocator_t kit = {0};
  weft_kit_allocator_init(&kit);
  weft_ids_t ids;
  weft_ids_init(&ids, &kit.allocator);
  weft_kit_allocator_fail(&kit, 0, 1);
  assert_int_equal(weft_ids_give(&ids, &object), 0);
  assert_int_not_equal(weft_ids_give(&ids, &object), 0);
  weft_ids_deinit(&ids);
  weft_kit_allocator_deinit(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_number_finds_what_it_was_given_to),
      cmocka_unit_test(a_number_of_an_old_use_finds_nothing),
      cmocka_unit_test(without_memory_there_is_no_number),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
