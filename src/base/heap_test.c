// SPDX-License-Identifier: Apache-2.0

#include "base/heap.h"

#include "base/container.h"
#include "kit/kit.h"

#define ITEM_COUNT 64

typedef struct item {
  uint64_t key;
  bool inside;
  weft_heap_node_t node;
} item_t;

static bool before(const weft_heap_node_t* a, const weft_heap_node_t* b) {
  return WEFT_CONST_CONTAINER_OF(a, item_t, node)->key <
         WEFT_CONST_CONTAINER_OF(b, item_t, node)->key;
}

static item_t* first_item(const weft_heap_t* heap) {
  weft_heap_node_t* node = weft_heap_first(heap);
  return node != NULL ? WEFT_CONTAINER_OF(node, item_t, node) : NULL;
}

static void an_empty_heap_has_no_first(void** state) {
  (void)state;
  weft_heap_t heap;
  weft_heap_init(&heap, before);
  assert_null(weft_heap_first(&heap));
}

static void a_removed_node_can_be_inserted_again(void** state) {
  (void)state;
  weft_heap_t heap;
  weft_heap_init(&heap, before);
  item_t a = {.key = 1};
  item_t b = {.key = 2};
  weft_heap_insert(&heap, &a.node);
  weft_heap_insert(&heap, &b.node);
  weft_heap_remove(&heap, &a.node);
  assert_ptr_equal(first_item(&heap), &b);
  weft_heap_insert(&heap, &a.node);
  assert_ptr_equal(first_item(&heap), &a);
  weft_heap_remove(&heap, &a.node);
  weft_heap_remove(&heap, &b.node);
  assert_null(weft_heap_first(&heap));
}

static void a_long_row_of_siblings_needs_no_stack(void** state) {
  (void)state;
  // Rising keys make all nodes children of the first one.
  const size_t count = 1000000;
  item_t* items = test_calloc(count, sizeof(*items));
  weft_heap_t heap;
  weft_heap_init(&heap, before);
  for (size_t i = 0; i < count; ++i) {
    items[i].key = i;
    weft_heap_insert(&heap, &items[i].node);
  }
  for (size_t i = 0; i < count; ++i) {
    assert_ptr_equal(first_item(&heap), &items[i]);
    weft_heap_remove(&heap, &items[i].node);
  }
  assert_null(weft_heap_first(&heap));
  test_free(items);
}

// The model: look at every item.
static uint64_t least_key(const item_t* items) {
  uint64_t least = UINT64_MAX;
  for (size_t i = 0; i < ITEM_COUNT; ++i) {
    if (items[i].inside && items[i].key < least) {
      least = items[i].key;
    }
  }
  return least;
}

static void flip(weft_heap_t* heap, item_t* item, weft_kit_random_t* random) {
  if (item->inside) {
    weft_heap_remove(heap, &item->node);
  } else {
    // Few keys, so that many are equal.
    item->key = weft_kit_random_below(random, ITEM_COUNT / 2);
    weft_heap_insert(heap, &item->node);
  }
  item->inside = !item->inside;
}

static void compare_with_model(weft_kit_random_t* random, void* user) {
  (void)user;
  item_t items[ITEM_COUNT] = {0};
  weft_heap_t heap;
  weft_heap_init(&heap, before);
  for (int step = 0; step < 200; ++step) {
    bool takes_first = weft_kit_random_below(random, 4) == 0;
    item_t* item = takes_first ? first_item(&heap) : NULL;
    if (item == NULL) {
      item = &items[weft_kit_random_below(random, ITEM_COUNT)];
    }
    flip(&heap, item, random);
    item_t* first = first_item(&heap);
    assert_true((first != NULL ? first->key : UINT64_MAX) == least_key(items));
    assert_true(first == NULL || first->inside);
  }
}

static void a_heap_agrees_with_a_search(void** state) {
  (void)state;
  weft_kit_for_seeds(compare_with_model, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_empty_heap_has_no_first),
      cmocka_unit_test(a_removed_node_can_be_inserted_again),
      cmocka_unit_test(a_long_row_of_siblings_needs_no_stack),
      cmocka_unit_test(a_heap_agrees_with_a_search),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
