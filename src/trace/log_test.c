// SPDX-License-Identifier: Apache-2.0

#include "trace/log.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/kit.h"
#include "trace/log_internal.h"

static weft_log_levels_t parse(const char* setting) {
  weft_log_levels_t levels;
  char fault[WEFT_LOG_FAULT_CAPACITY];
  weft_log_parse(setting, &levels, fault, sizeof(fault));
  assert_string_equal(fault, "");
  return levels;
}

static void assert_fault(const char* setting, const char* part) {
  weft_log_levels_t levels;
  char fault[WEFT_LOG_FAULT_CAPACITY];
  weft_log_parse(setting, &levels, fault, sizeof(fault));
  if (strstr(fault, part) == NULL) {
    print_error("\"%s\" is not in: %s\n", part, fault);
  }
  assert_non_null(strstr(fault, part));
  assert_non_null(strstr(fault, "error, warning, info, debug"));
  assert_non_null(strstr(fault, "base, sys, trace, job, async, value, wire"));
}

static void test_the_default_is_warning(void** state) {
  (void)state;
  static const char* const settings[] = {NULL, ""};
  for (size_t i = 0; i < 2; ++i) {
    weft_log_levels_t levels = parse(settings[i]);
    assert_int_equal(levels.general, WEFT_LOG_WARNING);
    for (size_t area = 0; area < WEFT_LOG_AREA_COUNT; ++area) {
      assert_int_equal(levels.areas[area], WEFT_LOG_WARNING);
    }
  }
}

static void test_an_area_has_a_level_of_its_own(void** state) {
  (void)state;
  weft_log_levels_t levels = parse("info,actor=debug,value=error");
  assert_int_equal(levels.general, WEFT_LOG_INFO);
  assert_int_equal(levels.areas[WEFT_LOG_AREA_actor], WEFT_LOG_DEBUG);
  assert_int_equal(levels.areas[WEFT_LOG_AREA_value], WEFT_LOG_ERROR);
  assert_int_equal(levels.areas[WEFT_LOG_AREA_async], WEFT_LOG_INFO);
}

static void test_the_order_of_parts_does_not_matter(void** state) {
  (void)state;
  weft_log_levels_t levels = parse("actor=debug,error");
  assert_int_equal(levels.general, WEFT_LOG_ERROR);
  assert_int_equal(levels.areas[WEFT_LOG_AREA_actor], WEFT_LOG_DEBUG);
  assert_int_equal(levels.areas[WEFT_LOG_AREA_base], WEFT_LOG_ERROR);
}

static void test_bad_parts_are_named_with_what_is_valid(void** state) {
  (void)state;
  assert_fault("loud", "\"loud\"");
  assert_fault("info,actr=debug", "\"actr=debug\"");
  assert_fault("actor=loud", "\"actor=loud\"");
  assert_fault("actor=", "\"actor=\"");
  assert_fault("=debug", "\"=debug\"");
  assert_fault("INFO", "\"INFO\"");
  assert_fault("inf", "\"inf\"");
  assert_fault(",info", "\"\"");
}

static void test_good_parts_beside_a_bad_one_count(void** state) {
  (void)state;
  weft_log_levels_t levels;
  char fault[WEFT_LOG_FAULT_CAPACITY];
  weft_log_parse("loud,actor=debug,worse", &levels, fault, sizeof(fault));
  assert_int_equal(levels.general, WEFT_LOG_WARNING);
  assert_int_equal(levels.areas[WEFT_LOG_AREA_actor], WEFT_LOG_DEBUG);
  assert_non_null(strstr(fault, "\"loud\""));
  assert_null(strstr(fault, "worse"));
}

static void test_a_long_bad_part_is_cut(void** state) {
  (void)state;
  char setting[1001];
  memset(setting, 'x', sizeof(setting) - 1);
  setting[sizeof(setting) - 1] = '\0';
  assert_fault(setting, "xxx\" is neither");
}

// --- What is written --------------------------------------------------------

typedef struct setting {
  const char* level;
  const char* format;
} setting_t;

static void set_variable(const char* name, const char* value) {
  if (value != NULL) {
    setenv(name, value, 1);
  } else {
    unsetenv(name);
  }
}

// What the last `capture` read.
static char text[20000];

// Logs in a process of its own, since the environment is read once; keeps
// what it wrote to standard error.
static void capture(setting_t setting, void (*body)(void)) {
  int pipe_ends[2];
  assert_int_equal(pipe(pipe_ends), 0);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    set_variable("WEFT_LOG", setting.level);
    set_variable("WEFT_LOG_FORMAT", setting.format);
    dup2(pipe_ends[1], STDERR_FILENO);
    close(pipe_ends[0]);
    body();
    _exit(0);
  }
  close(pipe_ends[1]);
  size_t length = 0;
  ssize_t count = 1;
  while (count > 0 && length + 1 < sizeof(text)) {
    count = read(pipe_ends[0], text + length, sizeof(text) - 1 - length);
    length += count > 0 ? (size_t)count : 0;
  }
  text[length] = '\0';
  close(pipe_ends[0]);
  int outcome = 0;
  assert_int_equal(waitpid(child, &outcome, 0), child);
  assert_int_equal(outcome, 0);
}

static void log_all_levels(void) {
  weft_log_error("actor", "e %d", 1);
  weft_log_warning("actor", "w %s", "two");
  weft_log_info("actor", "i");
  weft_log_debug("actor", "d");
  weft_log_info("value", "other area");
}

static void test_a_line_names_level_and_area(void** state) {
  (void)state;
  capture((setting_t){0}, log_all_levels);
  assert_string_equal(text,
                      "weft: error: actor: e 1\n"
                      "weft: warning: actor: w two\n");
}

static void test_levels_choose_what_is_shown(void** state) {
  (void)state;
  capture((setting_t){.level = "error"}, log_all_levels);
  assert_string_equal(text, "weft: error: actor: e 1\n");
  capture((setting_t){.level = "error,actor=debug"}, log_all_levels);
  assert_string_equal(text,
                      "weft: error: actor: e 1\n"
                      "weft: warning: actor: w two\n"
                      "weft: info: actor: i\n"
                      "weft: debug: actor: d\n");
}

static void log_with_effect(void) {
  int evaluated = 0;
  weft_log_error("actor", "%d", evaluated);
  weft_log_debug("actor", "%d", ++evaluated);
  weft_log_error("actor", "%d", evaluated);
}

static void test_arguments_of_hidden_messages_are_not_evaluated(void** state) {
  (void)state;
  capture((setting_t){0}, log_with_effect);
  assert_string_equal(text, "weft: error: actor: 0\nweft: error: actor: 0\n");
}

static size_t count_lines(void) {
  size_t count = 0;
  for (const char* at = text; at[0] != '\0'; ++at) {
    count += at[0] == '\n' ? 1 : 0;
  }
  return count;
}

static void test_a_bad_setting_gives_one_warning(void** state) {
  (void)state;
  capture((setting_t){.level = "error,loud"}, log_all_levels);
  static const char start[] = "weft: warning: trace: WEFT_LOG: \"loud\" ";
  assert_memory_equal(text, start, sizeof(start) - 1);
  assert_int_equal(count_lines(), 2);
  capture((setting_t){.format = "xml"}, log_all_levels);
  assert_non_null(strstr(text, "WEFT_LOG_FORMAT: \"xml\""));
  assert_non_null(strstr(text, "text nor json"));
  assert_int_equal(count_lines(), 3);
}

static void log_odd_text(void) {
  weft_log_error("actor", "one\nweft: error: forged\n  two\x1b[31m\ttab");
}

static void test_a_message_cannot_look_like_another(void** state) {
  (void)state;
  capture((setting_t){0}, log_odd_text);
  assert_string_equal(text,
                      "weft: error: actor: one\n"
                      "  weft: error: forged\n"
                      "  two?[31m\ttab\n");
}

static void log_long_text(void) {
  static char message[5000];
  memset(message, '"', sizeof(message) - 1);
  message[sizeof(message) - 1] = '\0';
  weft_log_error("actor", "%s", message);
}

static void test_a_long_message_is_cut_to_a_line(void** state) {
  (void)state;
  capture((setting_t){0}, log_long_text);
  assert_int_equal(count_lines(), 1);
  assert_true(strlen(text) < 2001);
  assert_non_null(strstr(text, "\"...\n"));
}

static json_t* parse_line(const char* line) {
  json_error_t error;
  json_t* object = json_loads(line, 0, &error);
  if (object == NULL) {
    print_error("%s: %s\n", error.text, line);
  }
  assert_non_null(object);
  return object;
}

static const char* get(const json_t* object, const char* key) {
  const char* value = json_string_value(json_object_get(object, key));
  assert_non_null(value);
  return value;
}

static void test_json_lines_are_objects(void** state) {
  (void)state;
  setting_t setting = {.format = "json"};
  capture(setting, log_odd_text);
  assert_int_equal(count_lines(), 1);
  json_t* object = parse_line(text);
  assert_string_equal(get(object, "level"), "error");
  assert_string_equal(get(object, "area"), "actor");
  assert_string_equal(get(object, "message"),
                      "one\nweft: error: forged\n  two\x1b[31m\ttab");
  assert_true(json_integer_value(json_object_get(object, "time_ns")) > 0);
  json_decref(object);
  capture(setting, log_long_text);
  json_decref(parse_line(text));
}

static void log_from_thread(size_t index, void* user) {
  (void)user;
  for (int i = 0; i < 50; ++i) {
    weft_log_error("actor", "thread %zu says %d", index, i);
  }
}

static void log_from_threads(void) {
  weft_kit_run_threads(4, log_from_thread, NULL);
}

static void test_lines_of_threads_do_not_mix(void** state) {
  (void)state;
  capture((setting_t){.level = "loud"}, log_from_threads);
  // All lines and the one complaint.
  assert_int_equal(count_lines(), 201);
  for (const char* line = text; line[0] != '\0';
       line = strchr(line, '\n') + 1) {
    assert_memory_equal(line, "weft: ", 6);
  }
}

int main(void) {
  static const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_the_default_is_warning),
      cmocka_unit_test(test_an_area_has_a_level_of_its_own),
      cmocka_unit_test(test_the_order_of_parts_does_not_matter),
      cmocka_unit_test(test_bad_parts_are_named_with_what_is_valid),
      cmocka_unit_test(test_good_parts_beside_a_bad_one_count),
      cmocka_unit_test(test_a_long_bad_part_is_cut),
      cmocka_unit_test(test_a_line_names_level_and_area),
      cmocka_unit_test(test_levels_choose_what_is_shown),
      cmocka_unit_test(test_arguments_of_hidden_messages_are_not_evaluated),
      cmocka_unit_test(test_a_bad_setting_gives_one_warning),
      cmocka_unit_test(test_a_message_cannot_look_like_another),
      cmocka_unit_test(test_a_long_message_is_cut_to_a_line),
      cmocka_unit_test(test_json_lines_are_objects),
      cmocka_unit_test(test_lines_of_threads_do_not_mix),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
