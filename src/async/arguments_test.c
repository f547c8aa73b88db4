// SPDX-License-Identifier: Apache-2.0

#include "async/future_kit.h"

static const weft_parameter_t parameters[] = {
    {.name = "a", .kind = WEFT_KIND_INT64},
    {.name = "b", .kind = WEFT_KIND_STRING},
    {.name = "c", .kind = WEFT_KIND_ANY},
};
#define COUNT 3

static weft_value_t text;

static int setup(void** state) {
  (void)state;
  weft_kit_assert_ok(weft_string_from_c(NULL, "text", &text));
  return 0;
}

static int teardown(void** state) {
  (void)state;
  weft_value_release(text);
  return 0;
}

static weft_status_t order(const weft_arguments_t* arguments,
                           weft_value_t* ordered) {
  return weft_arguments_order("sum", parameters, COUNT, arguments, ordered);
}

static void positions_come_first_and_names_find_their_place(void** state) {
  (void)state;
  const weft_value_t positional[] = {weft_int64(1)};
  const weft_named_value_t named[] = {{"c", weft_bool(true)}, {"b", text}};
  const weft_arguments_t arguments = {.positional = positional,
                                      .positional_count = 1,
                                      .named = named,
                                      .named_count = 2};
  weft_value_t ordered[COUNT];
  weft_kit_assert_ok(order(&arguments, ordered));
  assert_true(weft_value_equal(ordered[0], weft_int64(1)));
  assert_true(weft_value_equal(ordered[1], text));
  assert_true(weft_value_equal(ordered[2], weft_bool(true)));
}

static void no_arguments_fit_a_function_without_parameters(void** state) {
  (void)state;
  weft_kit_assert_ok(weft_arguments_order("f", NULL, 0, NULL, NULL));
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "f takes 0 arguments, 1 were given",
      weft_arguments_order("f", NULL, 0, WEFT_ARGUMENTS(weft_none()), NULL));
}

static void too_many_arguments_are_counted(void** state) {
  (void)state;
  weft_value_t ordered[COUNT];
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "sum takes 3 arguments, 4 were given",
      order(WEFT_ARGUMENTS(weft_int64(1), text, weft_none(), weft_none()),
            ordered));
}

static void a_missing_argument_is_named_with_its_kind(void** state) {
  (void)state;
  weft_value_t ordered[COUNT];
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "sum needs parameter 'b' (string)",
                              order(WEFT_ARGUMENTS(weft_int64(1)), ordered));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "parameter 'a'",
                              order(NULL, ordered));
}

static void an_argument_of_another_kind_is_named_with_both_kinds(void** state) {
  (void)state;
  weft_value_t ordered[COUNT];
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT,
      "parameter 'a' of sum takes int64, string was given",
      order(WEFT_ARGUMENTS(text, text, weft_none()), ordered));
}

static void a_name_that_is_unknown_or_given_twice_is_told(void** state) {
  (void)state;
  weft_value_t ordered[COUNT];
  const weft_value_t positional[] = {weft_int64(1), text};
  weft_named_value_t named[] = {{"d", weft_none()}};
  const weft_arguments_t arguments = {.positional = positional,
                                      .positional_count = 2,
                                      .named = named,
                                      .named_count = 1};
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "sum has no parameter 'd'",
                              order(&arguments, ordered));
  named[0].name = "a";
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "'a' of sum was given twice",
                              order(&arguments, ordered));
  named[0].name = NULL;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "has no name",
                              order(&arguments, ordered));
}

static void a_future_fits_any_parameter(void** state) {
  (void)state;
  weft_future_kit_t kit;
  const weft_runtime_options_t options = {.simulate = true};
  weft_future_kit_init(&kit, &options);
  weft_pair_t pair = weft_pair(kit.runtime);
  weft_value_t ordered[COUNT];
  weft_value_t future = weft_future_value(pair.future);
  weft_kit_assert_ok(order(WEFT_ARGUMENTS(future, future, future), ordered));
  weft_value_release(future);
  weft_pair_release(&pair);
  weft_future_kit_deinit(&kit);
}

static void as_many_parameters_as_the_limit_says_work(void** state) {
  (void)state;
  weft_parameter_t many[WEFT_PARAMETER_LIMIT + 1];
  weft_value_t values[WEFT_PARAMETER_LIMIT + 1];
  weft_value_t ordered[WEFT_PARAMETER_LIMIT + 1];
  for (int i = 0; i <= WEFT_PARAMETER_LIMIT; i++) {
    many[i] = (weft_parameter_t){.name = "x", .kind = WEFT_KIND_ANY};
    values[i] = weft_int64(i);
  }
  weft_arguments_t arguments = {.positional = values,
                                .positional_count = WEFT_PARAMETER_LIMIT};
  weft_kit_assert_ok(weft_arguments_order("f", many, WEFT_PARAMETER_LIMIT,
                                          &arguments, ordered));
  arguments.positional_count++;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "33 parameters",
      weft_arguments_order("f", many, WEFT_PARAMETER_LIMIT + 1, &arguments,
                           ordered));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(positions_come_first_and_names_find_their_place),
      cmocka_unit_test(no_arguments_fit_a_function_without_parameters),
      cmocka_unit_test(too_many_arguments_are_counted),
      cmocka_unit_test(a_missing_argument_is_named_with_its_kind),
      cmocka_unit_test(an_argument_of_another_kind_is_named_with_both_kinds),
      cmocka_unit_test(a_name_that_is_unknown_or_given_twice_is_told),
      cmocka_unit_test(a_future_fits_any_parameter),
      cmocka_unit_test(as_many_parameters_as_the_limit_says_work),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
