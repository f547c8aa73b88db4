// SPDX-License-Identifier: Apache-2.0

#include <math.h>
#include <string.h>

#include "base/object.h"
#include "base/utf8.h"
#include "value/value_kit.h"
#include "weft/tensor.h"

#define LENGTH_LIMIT 1000

// Checks the text of a value, and releases it.
static void check(const char* expected, weft_value_t value) {
  char text[LENGTH_LIMIT + 100];
  size_t length = weft_value_format(value, text, sizeof(text));
  assert_string_equal(text, expected);
  assert_int_equal(length, strlen(expected));
  weft_value_release(value);
}

static void scalars_are_written_plainly(void** state) {
  (void)state;
  check("none", weft_none());
  check("true", weft_bool(true));
  check("false", weft_bool(false));
  check("-9223372036854775808", weft_int64(INT64_MIN));
}

static void floats_keep_their_value_and_look_like_floats(void** state) {
  (void)state;
  check("0.1", weft_float64(0.1));
  check("1.0", weft_float64(1.0));
  check("-2.5", weft_float64(-2.5));
  check("1e+300", weft_float64(1e300));
  check("0.30000000000000004", weft_float64(0.1 + 0.2));
  check("nan", weft_float64(NAN));
  check("inf", weft_float64(INFINITY));
}

static void actors_are_written_with_all_of_their_parts(void** state) {
  (void)state;
  check("actor rank 1.2 index 3.4",
        weft_actor_value((weft_actor_t){1, 2, 3, 4}));
  check("actor nobody", weft_actor_value((weft_actor_t){0}));
}

static void strings_are_quoted_and_control_characters_escaped(void** state) {
  (void)state;
  check("\"a caf\xc3\xa9\"", weft_value_kit_string("a caf\xc3\xa9"));
  check("\"a\\\"b\\\\c\\u000a\\u007f\"",
        weft_value_kit_string("a\"b\\c\n\x7f"));
}

static void bytes_are_counted_and_not_shown(void** state) {
  (void)state;
  weft_value_t value;
  weft_kit_assert_ok(weft_bytes_create(NULL, "abc", 3, &value));
  check("3 bytes", value);
}

static void lists_and_maps_are_written_with_what_they_hold(void** state) {
  (void)state;
  weft_value_t values[] = {weft_int64(1), weft_value_kit_string("a")};
  weft_map_entry_t entries[] = {
      {weft_value_kit_string("z"), weft_value_kit_list(values, 2)},
      {weft_value_kit_string("a"), weft_none()}};
  weft_value_t map;
  weft_kit_assert_ok(weft_map_create(NULL, entries, 2, &map));
  weft_value_release(entries[0].key);
  weft_value_release(entries[0].value);
  weft_value_release(entries[1].key);
  check("{\"z\": [1, \"a\"], \"a\": none}", map);
  check("[]", weft_value_kit_list(NULL, 0));
  weft_kit_assert_ok(weft_map_create(NULL, NULL, 0, &map));
  check("{}", map);
}

static void tensors_are_written_with_type_shape_and_device(void** state) {
  (void)state;
  const int64_t shape[] = {64, 10};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, WEFT_FLOAT32, 2, shape, &tensor));
  check("tensor float32[64, 10] on cpu:0", weft_tensor_value(tensor));
  weft_tensor_release(tensor);
}

static void opaque_objects_are_written_with_their_type(void** state) {
  (void)state;
  static const weft_opaque_type_t nameless = {NULL, NULL};
  _Atomic int released = 0;
  check("opaque counted", weft_value_kit_opaque(&released));
  weft_value_t value;
  weft_kit_assert_ok(weft_opaque_create(NULL, &nameless, NULL, &value));
  check("opaque (no name)", value);
}

static void statuses_are_written_with_code_and_message(void** state) {
  (void)state;
  weft_value_t value;
  weft_kit_assert_ok(weft_status_value_create(
      NULL, weft_status_make(WEFT_STATUS_NOT_FOUND, "no such thing"), &value));
  check("status not found: no such thing", value);
}

static void keep(weft_object_t* object) {
  (void)object;
}

static void futures_are_named_and_not_looked_into(void** state) {
  (void)state;
  static const weft_object_vtable_t vtable = {keep, WEFT_KIND_FUTURE};
  weft_object_t object;
  weft_object_init(&object, &vtable, 1);
  check("future", weft_object_value(&object));
}

static weft_value_t long_string(size_t length, const char* unit) {
  char text[3 * LENGTH_LIMIT];
  size_t unit_length = strlen(unit);
  for (size_t i = 0; i < length; ++i) {
    text[i] = unit[i % unit_length];
  }
  weft_value_t value;
  weft_kit_assert_ok(weft_string_create(NULL, text, length, &value));
  return value;
}

static void a_text_of_the_longest_length_is_whole(void** state) {
  (void)state;
  char text[LENGTH_LIMIT + 1];
  // With both quotes exactly at the limit.
  weft_value_t value = long_string(LENGTH_LIMIT - 2, "a");
  assert_int_equal(weft_value_format(value, text, sizeof(text)), LENGTH_LIMIT);
  assert_int_equal(text[LENGTH_LIMIT - 1], '"');
  weft_value_release(value);
}

static void longer_texts_are_cut_behind_a_whole_character(void** state) {
  (void)state;
  const char* units[] = {"a", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
  char text[LENGTH_LIMIT + 1];
  for (size_t i = 0; i < 4; ++i) {
    weft_value_t value = long_string(1200, units[i]);
    size_t length = weft_value_format(value, text, sizeof(text));
    assert_in_range(length, LENGTH_LIMIT - 3, LENGTH_LIMIT);
    assert_int_equal(strlen(text), length);
    assert_int_equal(weft_utf8_prefix((const uint8_t*)text, length), length);
    assert_string_equal(text + length - 3, "...");
    weft_value_release(value);
  }
}

static void a_value_that_would_take_for_ever_is_cut_at_once(void** state) {
  (void)state;
  // 2^60 numbers, in 60 small lists.
  weft_value_t value = weft_int64(1);
  for (size_t i = 0; i < 60; ++i) {
    weft_value_t twice[] = {value, weft_value_retain(value)};
    value = weft_value_kit_list(twice, 2);
  }
  char text[LENGTH_LIMIT + 1];
  size_t length = weft_value_format(value, text, sizeof(text));
  assert_int_equal(length, LENGTH_LIMIT);
  assert_string_equal(text + length - 3, "...");
  weft_value_release(value);
}

static void a_small_buffer_gets_what_fits_and_the_whole_length(void** state) {
  (void)state;
  char text[4] = "xxx";
  assert_int_equal(weft_value_format(weft_int64(123456), text, 4), 6);
  assert_string_equal(text, "123");
  assert_int_equal(weft_value_format(weft_int64(123456), text, 1), 6);
  assert_string_equal(text, "");
  assert_int_equal(weft_value_format(weft_int64(123456), NULL, 0), 6);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scalars_are_written_plainly),
      cmocka_unit_test(floats_keep_their_value_and_look_like_floats),
      cmocka_unit_test(actors_are_written_with_all_of_their_parts),
      cmocka_unit_test(strings_are_quoted_and_control_characters_escaped),
      cmocka_unit_test(bytes_are_counted_and_not_shown),
      cmocka_unit_test(lists_and_maps_are_written_with_what_they_hold),
      cmocka_unit_test(tensors_are_written_with_type_shape_and_device),
      cmocka_unit_test(opaque_objects_are_written_with_their_type),
      cmocka_unit_test(statuses_are_written_with_code_and_message),
      cmocka_unit_test(futures_are_named_and_not_looked_into),
      cmocka_unit_test(a_text_of_the_longest_length_is_whole),
      cmocka_unit_test(longer_texts_are_cut_behind_a_whole_character),
      cmocka_unit_test(a_value_that_would_take_for_ever_is_cut_at_once),
      cmocka_unit_test(a_small_buffer_gets_what_fits_and_the_whole_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
