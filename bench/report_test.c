// SPDX-License-Identifier: Apache-2.0

#include "bench/report.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/kit.h"

static const weft_bench_subject_t no_subject = {0};

static const weft_bench_case_t cost_case = {
    .bench = "future",
    .name = "set_wait",
    .what = "a cost with a floor",
    .unit = WEFT_BENCH_UNIT_NS,
    .goal = 3,
    .subject = &no_subject,
    .floor = &weft_floor_set_wait,
};
static const weft_bench_case_t rate_case = {
    .bench = "actor",
    .name = "counting",
    .what = "a rate with a floor",
    .unit = WEFT_BENCH_UNIT_MEGA_PER_S,
    .goal = 3.5,
    .subject = &no_subject,
    .floor = &weft_floor_counting,
};
static const weft_bench_case_t plain_case = {
    .bench = "actor",
    .name = "bytes",
    .what = "a figure without a floor",
    .unit = WEFT_BENCH_UNIT_BYTES,
    .goal = 256,
    .subject = &no_subject,
};

static weft_bench_result_t result_of(const weft_bench_case_t* bench_case,
                                     double median, double floor,
                                     double ratio) {
  return (weft_bench_result_t){
      .bench_case = bench_case,
      .runs = 7,
      .median = median,
      .p99 = median * 2,
      .min = median / 2,
      .max = median * 4,
      .floor = floor,
      .ratio = ratio,
  };
}

// What a writer wrote; to be freed.
typedef struct text {
  char* data;
  size_t length;
  FILE* file;
} text_t;

static void open_text(text_t* text) {
  text->data = NULL;
  text->file = open_memstream(&text->data, &text->length);
  assert_non_null(text->file);
}

static json_t* json_of(const weft_bench_result_t* result) {
  text_t text;
  open_text(&text);
  assert_true(weft_bench_write_json(text.file, result));
  assert_int_equal(0, fclose(text.file));
  assert_int_equal('\n', text.data[text.length - 1]);
  assert_ptr_equal(text.data + text.length - 1, strchr(text.data, '\n'));
  json_t* object = json_loads(text.data, JSON_REJECT_DUPLICATES, NULL);
  assert_true(json_is_object(object));
  free(text.data);
  return object;
}

static void assert_number(json_t* object, const char* key, double expected) {
  json_t* value = json_object_get(object, key);
  assert_true(json_is_number(value));
  assert_true(fabs(json_number_value(value) - expected) < 1e-6);
}

static void a_result_is_one_line_with_the_agreed_keys(void** state) {
  (void)state;
  static const char* const keys[] = {"bench", "case",  "unit", "median",
                                     "p99",   "min",   "max",  "runs",
                                     "floor", "ratio", "goal"};
  weft_bench_result_t result = result_of(&cost_case, 12.5, 5, 2.5);
  json_t* object = json_of(&result);
  assert_int_equal(11, json_object_size(object));
  size_t place = 0;
  const char* key = NULL;
  json_t* value = NULL;
  json_object_foreach(object, key, value) {
    assert_string_equal(keys[place++], key);
  }
  assert_string_equal("future",
                      json_string_value(json_object_get(object, "bench")));
  assert_string_equal("set_wait",
                      json_string_value(json_object_get(object, "case")));
  assert_string_equal("ns", json_string_value(json_object_get(object, "unit")));
  assert_number(object, "median", 12.5);
  assert_number(object, "p99", 25);
  assert_number(object, "min", 6.25);
  assert_number(object, "max", 50);
  assert_number(object, "runs", 7);
  assert_number(object, "floor", 5);
  assert_number(object, "ratio", 2.5);
  assert_number(object, "goal", 3);
  json_decref(object);
}

static void a_tail_has_keys_of_its_own(void** state) {
  (void)state;
  weft_bench_result_t result = result_of(&cost_case, 12.5, 5, 2.5);
  result.has_tail = true;
  result.p999 = 40;
  result.floor_p99 = 7;
  result.floor_p999 = 9;
  json_t* object = json_of(&result);
  assert_int_equal(14, json_object_size(object));
  assert_number(object, "p999", 40);
  assert_number(object, "floor_p99", 7);
  assert_number(object, "floor_p999", 9);
  json_decref(object);
}

static void without_a_floor_floor_and_ratio_are_null(void** state) {
  (void)state;
  weft_bench_result_t result = result_of(&plain_case, 200, NAN, NAN);
  json_t* object = json_of(&result);
  assert_true(json_is_null(json_object_get(object, "floor")));
  assert_true(json_is_null(json_object_get(object, "ratio")));
  assert_number(object, "goal", 256);
  json_decref(object);
}

static void a_quick_result_says_that_it_means_nothing(void** state) {
  (void)state;
  weft_bench_result_t result = result_of(&cost_case, 12.5, 5, 2.5);
  result.quick = true;
  json_t* object = json_of(&result);
  assert_true(json_is_true(json_object_get(object, "quick")));
  json_decref(object);
}

static void a_goal_with_a_floor_is_a_ratio(void** state) {
  (void)state;
  weft_bench_result_t met = result_of(&cost_case, 12.5, 5, 2.5);
  weft_bench_result_t missed = result_of(&cost_case, 20, 5, 4);
  assert_true(weft_bench_goal_is_met(&met));
  assert_false(weft_bench_goal_is_met(&missed));
  assert_true(fabs(weft_bench_share_of_goal(&missed) - 4.0 / 3) < 1e-9);
}

static void a_goal_without_a_floor_is_a_figure(void** state) {
  (void)state;
  weft_bench_result_t met = result_of(&plain_case, 256, NAN, NAN);
  weft_bench_result_t missed = result_of(&plain_case, 512, NAN, NAN);
  assert_true(weft_bench_goal_is_met(&met));
  assert_false(weft_bench_goal_is_met(&missed));
  assert_true(fabs(weft_bench_share_of_goal(&missed) - 2) < 1e-9);
}

static void a_row_of_the_table_says_whether_the_goal_is_met(void** state) {
  (void)state;
  weft_bench_result_t met = result_of(&rate_case, 50, 100, 2);
  weft_bench_result_t missed = result_of(&rate_case, 25, 100, 4);
  text_t text;
  open_text(&text);
  weft_bench_write_head(text.file, false);
  weft_bench_write_row(text.file, false, &met);
  weft_bench_write_row(text.file, false, &missed);
  assert_int_equal(0, fclose(text.file));
  const char* yes = strstr(text.data, "  yes\n");
  assert_non_null(yes);
  assert_non_null(strstr(yes, "  no\n"));
  assert_null(strchr(text.data, '\033'));
  free(text.data);
}

static void color_is_used_when_it_is_allowed(void** state) {
  (void)state;
  weft_bench_result_t met = result_of(&rate_case, 50, 100, 2);
  text_t text;
  open_text(&text);
  weft_bench_write_row(text.file, true, &met);
  assert_int_equal(0, fclose(text.file));
  assert_non_null(strstr(text.data, "\033[32myes\033[0m"));
  free(text.data);
}

static size_t count_of(const char* text, const char* part) {
  size_t count = 0;
  for (const char* at = strstr(text, part); at != NULL;
       at = strstr(at + 1, part)) {
    count++;
  }
  return count;
}

static void the_plot_has_a_bar_for_each_result_with_a_goal(void** state) {
  (void)state;
  weft_bench_case_t aimless = cost_case;
  aimless.goal = 0;
  const weft_bench_result_t results[] = {
      result_of(&cost_case, 12.5, 5, 2.5),
      result_of(&rate_case, 10, 100, 10),
      result_of(&plain_case, 200, NAN, NAN),
      result_of(&aimless, 12.5, 5, 2.5),
  };
  text_t text;
  open_text(&text);
  assert_true(weft_bench_write_plot(text.file, results, 4));
  assert_int_equal(0, fclose(text.file));
  assert_int_equal(0, strncmp(text.data, "<svg ", 5));
  assert_non_null(strstr(text.data, "</svg>\n"));
  // The ground, and three bars.
  assert_int_equal(4, count_of(text.data, "<rect "));
  assert_non_null(strstr(text.data, "2.50 x floor (goal 3)"));
  assert_non_null(strstr(text.data, "200 B (goal 256)"));
  assert_int_equal(0, count_of(text.data, "nan"));
  free(text.data);
}

static void a_full_disk_is_noticed(void** state) {
  (void)state;
  weft_bench_result_t result = result_of(&cost_case, 12.5, 5, 2.5);
  FILE* file = fopen("/dev/full", "w");
  assert_non_null(file);
  assert_false(weft_bench_write_json(file, &result));
  assert_false(weft_bench_write_plot(file, &result, 1));
  (void)fclose(file);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_result_is_one_line_with_the_agreed_keys),
      cmocka_unit_test(a_tail_has_keys_of_its_own),
      cmocka_unit_test(without_a_floor_floor_and_ratio_are_null),
      cmocka_unit_test(a_quick_result_says_that_it_means_nothing),
      cmocka_unit_test(a_goal_with_a_floor_is_a_ratio),
      cmocka_unit_test(a_goal_without_a_floor_is_a_figure),
      cmocka_unit_test(a_row_of_the_table_says_whether_the_goal_is_met),
      cmocka_unit_test(color_is_used_when_it_is_allowed),
      cmocka_unit_test(the_plot_has_a_bar_for_each_result_with_a_goal),
      cmocka_unit_test(a_full_disk_is_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
