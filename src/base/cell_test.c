// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>

#include "base/object.h"
#include "kit/kit.h"

typedef struct thing {
  weft_object_t object;
  int destroyed;
} thing_t;

static void thing_destroy(weft_object_t* object) {
  ++((thing_t*)object)->destroyed;
}

static const weft_object_vtable_t thing_vtable = {
    .destroy = thing_destroy,
    .kind = WEFT_KIND_OPAQUE,
};

static void an_object_dies_with_its_last_reference(void** state) {
  (void)state;
  thing_t thing = {0};
  weft_object_init(&thing.object, &thing_vtable, 1);
  weft_value_t value = weft_object_value(&thing.object);
  assert_int_equal(weft_value_kind(value), WEFT_KIND_OPAQUE);
  assert_true(weft_value_is_counted(value));
  assert_true(weft_object_is_unique(&thing.object));
  weft_value_t other = weft_value_retain(value);
  assert_ptr_equal(other.as.object, value.as.object);
  assert_false(weft_object_is_unique(&thing.object));
  weft_value_release(value);
  assert_int_equal(thing.destroyed, 0);
  assert_true(weft_object_is_unique(&thing.object));
  weft_value_release(other);
  assert_int_equal(thing.destroyed, 1);
}

static void hold_and_drop(size_t index, void* user) {
  (void)index;
  thing_t* thing = user;
  weft_value_t value = weft_object_value(&thing->object);
  for (int i = 0; i < 10000; ++i) {
    weft_value_release(weft_value_retain(value));
  }
  weft_value_release(value);
}

static void an_object_dies_once_when_many_threads_drop_it(void** state) {
  (void)state;
  for (int i = 0; i < 20; ++i) {
    thing_t thing = {0};
    weft_object_init(&thing.object, &thing_vtable, 4);
    weft_kit_run_threads(4, hold_and_drop, &thing);
    assert_int_equal(thing.destroyed, 1);
  }
}

static void scalars_are_not_counted(void** state) {
  (void)state;
  const weft_value_t scalars[] = {weft_none(), weft_bool(true), weft_int64(-1),
                                  weft_float64(0.5),
                                  weft_actor_value((weft_actor_t){1, 2, 3, 4})};
  for (size_t i = 0; i < sizeof(scalars) / sizeof(scalars[0]); ++i) {
    assert_false(weft_value_is_counted(scalars[i]));
    weft_value_release(weft_value_retain(scalars[i]));
  }
}

static void every_kind_has_a_name(void** state) {
  (void)state;
  assert_string_equal(weft_kind_name(WEFT_KIND_NONE), "none");
  assert_string_equal(weft_kind_name(WEFT_KIND_INT64), "int64");
  assert_string_equal(weft_kind_name(WEFT_KIND_ACTOR), "actor");
  assert_string_equal(weft_kind_name(WEFT_KIND_STRING), "string");
  assert_string_equal(weft_kind_name(WEFT_KIND_STATUS), "status");
  assert_string_equal(weft_kind_name(WEFT_KIND_ANY), "any");
}

static void a_number_that_is_no_kind_has_a_name_too(void** state) {
  (void)state;
  assert_string_equal(weft_kind_name((weft_kind_t)6), "unknown");
  assert_string_equal(weft_kind_name((weft_kind_t)200), "unknown");
}

static void hot_structs_keep_their_size(void** state) {
  (void)state;
  assert_int_equal(sizeof(weft_value_t), 16);
  assert_int_equal(sizeof(weft_object_t), 16);
  assert_int_equal(sizeof(weft_actor_t), 12);
}

static void the_version_is_that_of_the_headers(void** state) {
  (void)state;
  char expected[32];
  snprintf(expected, sizeof(expected), "%d.%d.%d", WEFT_VERSION_MAJOR,
           WEFT_VERSION_MINOR, WEFT_VERSION_PATCH);
  assert_string_equal(weft_version(), expected);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_object_dies_with_its_last_reference),
      cmocka_unit_test(an_object_dies_once_when_many_threads_drop_it),
      cmocka_unit_test(scalars_are_not_counted),
      cmocka_unit_test(every_kind_has_a_name),
      cmocka_unit_test(a_number_that_is_no_kind_has_a_name_too),
      cmocka_unit_test(hot_structs_keep_their_size),
      cmocka_unit_test(the_version_is_that_of_the_headers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
