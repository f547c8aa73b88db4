// SPDX-License-Identifier: Apache-2.0

#include <math.h>

#include "value/value_kit.h"
#include "weft/tensor.h"

static void scalars_are_equal_when_kind_and_datum_are(void** state) {
  (void)state;
  weft_actor_t actor = {1, 2, 3, 4};
  const weft_value_t values[] = {
      weft_none(),       weft_bool(false),
      weft_bool(true),   weft_int64(0),
      weft_int64(1),     weft_float64(0.0),
      weft_float64(1.0), weft_actor_value((weft_actor_t){0}),
  };
  for (size_t i = 0; i < 8; ++i) {
    for (size_t k = 0; k < 8; ++k) {
      assert_int_equal(weft_value_equal(values[i], values[k]), i == k);
    }
  }
  assert_true(
      weft_value_equal(weft_actor_value(actor), weft_actor_value(actor)));
  assert_true(weft_value_equal(weft_float64(0.0), weft_float64(-0.0)));
}

static void actors_differ_in_every_field(void** state) {
  (void)state;
  const weft_actor_t actors[] = {
      {1, 2, 3, 4}, {9, 2, 3, 4}, {1, 9, 3, 4}, {1, 2, 9, 4}, {1, 2, 3, 9}};
  for (size_t i = 1; i < 5; ++i) {
    assert_false(weft_value_equal(weft_actor_value(actors[0]),
                                  weft_actor_value(actors[i])));
  }
}

static void nan_equals_nothing_not_even_inside_of_one_list(void** state) {
  (void)state;
  weft_value_t nan_value = weft_float64(NAN);
  assert_false(weft_value_equal(nan_value, nan_value));
  weft_value_t list = weft_value_kit_list(&nan_value, 1);
  assert_false(weft_value_equal(list, list));
  weft_value_release(list);
}

// Compares, and releases both.
static bool are_equal(weft_value_t a, weft_value_t b) {
  bool forwards = weft_value_equal(a, b);
  bool backwards = weft_value_equal(b, a);
  assert_int_equal(forwards, backwards);
  weft_value_release(a);
  weft_value_release(b);
  return forwards;
}

static weft_value_t bytes_of(const char* text, size_t size) {
  weft_value_t value;
  weft_kit_assert_ok(weft_bytes_create(NULL, text, size, &value));
  return value;
}

static void strings_and_bytes_are_equal_when_their_bytes_are(void** state) {
  (void)state;
  assert_true(
      are_equal(weft_value_kit_string("ab"), weft_value_kit_string("ab")));
  assert_false(
      are_equal(weft_value_kit_string("ab"), weft_value_kit_string("ac")));
  assert_false(
      are_equal(weft_value_kit_string("ab"), weft_value_kit_string("abc")));
  assert_true(are_equal(bytes_of("a\0b", 3), bytes_of("a\0b", 3)));
  assert_false(are_equal(bytes_of("a\0b", 3), bytes_of("a\0c", 3)));
  assert_false(are_equal(bytes_of("ab", 2), weft_value_kit_string("ab")));
}

static weft_value_t list_of(int64_t a, const char* b) {
  weft_value_t values[] = {weft_int64(a), weft_value_kit_string(b)};
  return weft_value_kit_list(values, 2);
}

static void lists_are_equal_when_their_values_are_in_order(void** state) {
  (void)state;
  assert_true(are_equal(list_of(1, "x"), list_of(1, "x")));
  assert_false(are_equal(list_of(1, "x"), list_of(1, "y")));
  assert_false(are_equal(list_of(1, "x"), list_of(2, "x")));
  weft_value_t one = weft_int64(1);
  assert_false(are_equal(list_of(1, "x"), weft_value_kit_list(&one, 1)));
  weft_value_t inner_a = list_of(1, "x");
  weft_value_t inner_b = list_of(1, "x");
  assert_true(are_equal(weft_value_kit_list(&inner_a, 1),
                        weft_value_kit_list(&inner_b, 1)));
}

static weft_value_t map_of(const char* key_a, int64_t a, const char* key_b,
                           int64_t b) {
  weft_map_entry_t entries[] = {{weft_value_kit_string(key_a), weft_int64(a)},
                                {weft_value_kit_string(key_b), weft_int64(b)}};
  weft_value_t map;
  weft_kit_assert_ok(weft_map_create(NULL, entries, 2, &map));
  weft_value_release(entries[0].key);
  weft_value_release(entries[1].key);
  return map;
}

static void maps_are_equal_in_any_order_of_entries(void** state) {
  (void)state;
  assert_true(are_equal(map_of("a", 1, "b", 2), map_of("a", 1, "b", 2)));
  assert_true(are_equal(map_of("a", 1, "b", 2), map_of("b", 2, "a", 1)));
  assert_false(are_equal(map_of("a", 1, "b", 2), map_of("a", 2, "b", 1)));
  assert_false(are_equal(map_of("a", 1, "b", 2), map_of("a", 1, "c", 2)));
  weft_value_t empty;
  weft_kit_assert_ok(weft_map_create(NULL, NULL, 0, &empty));
  assert_false(are_equal(map_of("a", 1, "b", 2), empty));
}

static weft_value_t status_of(weft_status_code_t code, const char* message,
                              const char* cause_message) {
  weft_status_t cause = WEFT_OK;
  if (cause_message != NULL) {
    cause = weft_status_make(WEFT_STATUS_NOT_FOUND, "%s", cause_message);
  }
  weft_value_t value;
  weft_kit_assert_ok(weft_status_value_create(
      NULL, weft_status_make_caused(code, cause, "%s", message), &value));
  return value;
}

static void statuses_are_equal_when_codes_messages_and_causes_are(
    void** state) {
  (void)state;
  const weft_status_code_t code = WEFT_STATUS_FAILED;
  assert_true(are_equal(status_of(code, "m", "c"), status_of(code, "m", "c")));
  assert_false(are_equal(status_of(code, "m", "c"), status_of(code, "n", "c")));
  assert_false(are_equal(status_of(code, "m", "c"), status_of(code, "m", "d")));
  assert_false(
      are_equal(status_of(code, "m", "c"), status_of(code, "m", NULL)));
  assert_false(are_equal(status_of(code, "m", NULL),
                         status_of(WEFT_STATUS_CLOSED, "m", NULL)));
}

static weft_value_t new_tensor(void) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, WEFT_INT8, 0, NULL, &tensor));
  weft_value_t value = weft_tensor_value(tensor);
  weft_tensor_release(tensor);
  return value;
}

static void tensors_and_opaque_objects_equal_themselves_only(void** state) {
  (void)state;
  _Atomic int released = 0;
  weft_value_t tensor = new_tensor();
  weft_value_t opaque = weft_value_kit_opaque(&released);
  assert_true(are_equal(tensor, weft_value_retain(tensor)));
  assert_true(are_equal(opaque, weft_value_retain(opaque)));
  assert_false(are_equal(new_tensor(), new_tensor()));
  assert_false(are_equal(weft_value_kit_opaque(&released),
                         weft_value_kit_opaque(&released)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scalars_are_equal_when_kind_and_datum_are),
      cmocka_unit_test(actors_differ_in_every_field),
      cmocka_unit_test(nan_equals_nothing_not_even_inside_of_one_list),
      cmocka_unit_test(strings_and_bytes_are_equal_when_their_bytes_are),
      cmocka_unit_test(lists_are_equal_when_their_values_are_in_order),
      cmocka_unit_test(maps_are_equal_in_any_order_of_entries),
      cmocka_unit_test(statuses_are_equal_when_codes_messages_and_causes_are),
      cmocka_unit_test(tensors_and_opaque_objects_equal_themselves_only),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
