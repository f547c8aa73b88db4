// SPDX-License-Identifier: Apache-2.0

#include "base/dlist.h"

#include "base/container.h"
#include "kit/kit.h"

#define ITEM_COUNT 16

typedef struct item {
  int number;
  weft_dlist_node_t node;
} item_t;

// Fails unless the list holds the items with these numbers, in both
// directions.
static void assert_numbers(const weft_dlist_t* list, const int* numbers,
                           size_t count) {
  const weft_dlist_node_t* node = weft_dlist_first(list);
  for (size_t i = 0; i < count; ++i) {
    assert_non_null(node);
    assert_int_equal(WEFT_CONST_CONTAINER_OF(node, item_t, node)->number,
                     numbers[i]);
    node = weft_dlist_next(list, node);
  }
  assert_null(node);
  node = weft_dlist_last(list);
  for (size_t i = count; i > 0; --i) {
    assert_non_null(node);
    assert_int_equal(WEFT_CONST_CONTAINER_OF(node, item_t, node)->number,
                     numbers[i - 1]);
    node = weft_dlist_previous(list, node);
  }
  assert_null(node);
}

static void an_empty_list_has_nothing_to_give(void** state) {
  (void)state;
  weft_dlist_t list;
  weft_dlist_init(&list);
  assert_true(weft_dlist_is_empty(&list));
  assert_null(weft_dlist_first(&list));
  assert_null(weft_dlist_take_first(&list));
  assert_numbers(&list, NULL, 0);
}

static void nodes_come_out_in_the_order_they_went_in(void** state) {
  (void)state;
  item_t items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
  weft_dlist_t list;
  weft_dlist_init(&list);
  for (size_t i = 0; i < 3; ++i) {
    assert_true(weft_dlist_node_is_free(&items[i].node));
    weft_dlist_append(&list, &items[i].node);
    assert_false(weft_dlist_node_is_free(&items[i].node));
  }
  assert_numbers(&list, (const int[]){1, 2, 3}, 3);
  for (size_t i = 0; i < 3; ++i) {
    assert_ptr_equal(weft_dlist_take_first(&list), &items[i].node);
    assert_true(weft_dlist_node_is_free(&items[i].node));
  }
  assert_true(weft_dlist_is_empty(&list));
}

static void any_node_can_be_removed(void** state) {
  (void)state;
  for (size_t out = 0; out < 3; ++out) {
    item_t items[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    weft_dlist_t list;
    weft_dlist_init(&list);
    for (size_t i = 0; i < 3; ++i) {
      weft_dlist_append(&list, &items[i].node);
    }
    weft_dlist_remove(&items[out].node);
    const int left[] = {out == 0 ? 1 : 0, out == 2 ? 1 : 2};
    assert_numbers(&list, left, 2);
  }
}

static void all_nodes_can_be_moved_at_once(void** state) {
  (void)state;
  item_t items[4] = {
      {.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}};
  weft_dlist_t list;
  weft_dlist_t from;
  weft_dlist_init(&list);
  weft_dlist_init(&from);
  weft_dlist_move_all(&list, &from);
  assert_numbers(&list, NULL, 0);
  weft_dlist_append(&from, &items[0].node);
  weft_dlist_append(&from, &items[1].node);
  weft_dlist_move_all(&list, &from);
  assert_numbers(&list, (const int[]){0, 1}, 2);
  assert_numbers(&from, NULL, 0);
  weft_dlist_append(&from, &items[2].node);
  weft_dlist_append(&from, &items[3].node);
  weft_dlist_move_all(&list, &from);
  assert_numbers(&list, (const int[]){0, 1, 2, 3}, 4);
}

// The model is an array of numbers.
typedef struct model {
  int numbers[ITEM_COUNT];
  size_t count;
} model_t;

static bool model_remove(model_t* model, int number) {
  for (size_t i = 0; i < model->count; ++i) {
    if (model->numbers[i] == number) {
      for (size_t j = i + 1; j < model->count; ++j) {
        model->numbers[j - 1] = model->numbers[j];
      }
      --model->count;
      return true;
    }
  }
  return false;
}

static void compare_with_model(weft_kit_random_t* random, void* user) {
  (void)user;
  item_t items[ITEM_COUNT] = {0};
  model_t model = {0};
  weft_dlist_t list;
  weft_dlist_init(&list);
  for (int step = 0; step < 100; ++step) {
    int number = (int)weft_kit_random_below(random, ITEM_COUNT);
    items[number].number = number;
    if (model_remove(&model, number)) {
      weft_dlist_remove(&items[number].node);
    } else {
      model.numbers[model.count++] = number;
      weft_dlist_append(&list, &items[number].node);
    }
    assert_numbers(&list, model.numbers, model.count);
  }
}

static void a_list_agrees_with_an_array(void** state) {
  (void)state;
  weft_kit_for_seeds(compare_with_model, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_list_has_nothing_to_give),
      cmocka_unit_test(nodes_come_out_in_the_order_they_went_in),
      cmocka_unit_test(any_node_can_be_removed),
      cmocka_unit_test(all_nodes_can_be_moved_at_once),
      cmocka_unit_test(a_list_agrees_with_an_array),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
