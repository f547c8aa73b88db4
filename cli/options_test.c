// SPDX-License-Identifier: Apache-2.0

#include "cli/options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/kit.h"

enum { OWN_FLAG, OWN_TEXT, OWN_NUMBER, OWN_CHOICE, OWN_COUNT };
enum { COMMON_HELP, COMMON_COUNT };

static const char* const choices[] = {"auto", "always", "never", NULL};

static const weft_cli_option_t own_options[OWN_COUNT] = {
    [OWN_FLAG] = {"json", 'j', WEFT_CLI_FLAG, NULL, "a flag", 0, 0, NULL},
    [OWN_TEXT] = {"plot", 'p', WEFT_CLI_TEXT, "FILE", "a text", 0, 0, NULL},
    [OWN_NUMBER] = {"runs", 0, WEFT_CLI_NUMBER, "N", "a number", 1, 1000, NULL},
    [OWN_CHOICE] = {"color", 0, WEFT_CLI_CHOICE, "WHEN", "a choice", 0, 0,
                    choices},
};
static const weft_cli_option_t common_options[COMMON_COUNT] = {
    [COMMON_HELP] = {"help", 'h', WEFT_CLI_FLAG, NULL, "help", 0, 0, NULL},
};

#define WORD_LIMIT 16

typedef struct parsed {
  weft_cli_value_t own[OWN_COUNT];
  weft_cli_value_t common[COMMON_COUNT];
  char* words[WORD_LIMIT];
  int first;
} parsed_t;

// Parses words, given as one string with blanks between them. They live until
// the next call.
static parsed_t parse(const char* line, bool stop_at_operand) {
  static char program[] = "weft";
  static char storage[256];
  parsed_t parsed = {.words = {program}};
  assert_true(strlen(line) < sizeof(storage));
  memcpy(storage, line, strlen(line) + 1);
  int count = 1;
  char* rest = NULL;
  for (char* word = strtok_r(storage, " ", &rest); word != NULL;
       word = strtok_r(NULL, " ", &rest)) {
    assert_true(count < WORD_LIMIT - 1);
    parsed.words[count++] = word;
  }
  weft_cli_parser_t parser = {
      .command = "weft test",
      .tables = {own_options, common_options},
      .counts = {OWN_COUNT, COMMON_COUNT},
      .values = {parsed.own, parsed.common},
      .stop_at_operand = stop_at_operand,
  };
  parsed.first = weft_cli_parse(&parser, count, parsed.words);
  return parsed;
}

// Parses a line that is wrong; gives what was said on standard error.
static const char* complaint(const char* line) {
  static char text[512];
  FILE* file = tmpfile();
  assert_non_null(file);
  (void)fflush(stderr);
  int saved = dup(STDERR_FILENO);
  assert_true(saved >= 0);
  assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
  parsed_t parsed = parse(line, false);
  (void)fflush(stderr);
  assert_true(dup2(saved, STDERR_FILENO) >= 0);
  (void)close(saved);
  rewind(file);
  size_t length = fread(text, 1, sizeof(text) - 1, file);
  text[length] = '\0';
  (void)fclose(file);
  assert_int_equal(-1, parsed.first);
  return text;
}

static void assert_says(const char* part, const char* line) {
  const char* text = complaint(line);
  if (strstr(text, part) == NULL) {
    fail_msg("'%s' does not say '%s' but: %s", line, part, text);
  }
}

// --- What is right ----------------------------------------------------------

static void nothing_is_set_without_options(void** state) {
  (void)state;
  parsed_t parsed = parse("", false);
  assert_int_equal(1, parsed.first);
  for (size_t i = 0; i < OWN_COUNT; i++) {
    assert_false(parsed.own[i].is_set);
  }
}

static void options_of_each_kind_are_read(void** state) {
  (void)state;
  parsed_t parsed =
      parse("--json --plot=a.svg --runs 12 --color never --help", false);
  assert_int_equal(8, parsed.first);
  assert_true(parsed.own[OWN_FLAG].is_set);
  assert_string_equal("a.svg", parsed.own[OWN_TEXT].text);
  assert_int_equal(12, parsed.own[OWN_NUMBER].number);
  assert_int_equal(2, parsed.own[OWN_CHOICE].number);
  assert_string_equal("never", parsed.own[OWN_CHOICE].text);
  assert_true(parsed.common[COMMON_HELP].is_set);
}

static void short_options_may_be_joined(void** state) {
  (void)state;
  parsed_t parsed = parse("-jhp a.svg", false);
  assert_true(parsed.own[OWN_FLAG].is_set);
  assert_true(parsed.common[COMMON_HELP].is_set);
  assert_string_equal("a.svg", parsed.own[OWN_TEXT].text);
}

static void the_last_mention_counts(void** state) {
  (void)state;
  parsed_t parsed = parse("--runs 3 --runs 4", false);
  assert_int_equal(4, parsed.own[OWN_NUMBER].number);
}

static void operands_come_last_wherever_they_stood(void** state) {
  (void)state;
  parsed_t parsed = parse("future --json actor --runs 2", false);
  assert_int_equal(4, parsed.first);
  assert_string_equal("future", parsed.words[4]);
  assert_string_equal("actor", parsed.words[5]);
  assert_true(parsed.own[OWN_FLAG].is_set);
}

static void nothing_behind_two_dashes_is_an_option(void** state) {
  (void)state;
  parsed_t parsed = parse("-- --json -x", false);
  assert_int_equal(2, parsed.first);
  assert_string_equal("--json", parsed.words[2]);
  assert_string_equal("-x", parsed.words[3]);
  assert_false(parsed.own[OWN_FLAG].is_set);
}

static void parsing_stops_at_the_verb_when_asked_to(void** state) {
  (void)state;
  parsed_t parsed = parse("--help bench --json", true);
  assert_int_equal(2, parsed.first);
  assert_true(parsed.common[COMMON_HELP].is_set);
  assert_false(parsed.own[OWN_FLAG].is_set);
}

// --- What is wrong ----------------------------------------------------------

static void an_unknown_long_option_is_named_with_its_likeness(void** state) {
  (void)state;
  assert_says("unknown option '--jsno'; did you mean '--json'?", "--jsno");
  assert_says("did you mean '--runs'?", "x --rnus=3 y");
}

static void an_option_unlike_all_gets_no_guess(void** state) {
  (void)state;
  assert_says("unknown option '--zzzzz'\n", "--zzzzz");
}

static void an_unknown_short_option_is_named_also_in_a_group(void** state) {
  (void)state;
  assert_says("unknown option '-x'", "-x");
  assert_says("unknown option '-x'", "--json -xj --help");
}

static void a_missing_value_is_told(void** state) {
  (void)state;
  assert_says("option '--runs' needs a value: N", "--runs");
  assert_says("option '--plot' needs a value: FILE", "-p");
}

static void a_value_for_a_flag_is_refused(void** state) {
  (void)state;
  assert_says("option '--json' takes no value", "--json=yes");
}

static void numbers_out_of_range_are_refused(void** state) {
  (void)state;
  static const char* const lines[] = {
      "--runs 0",
      "--runs 1001",
      "--runs=-1",
      "--runs 7x",
      "--runs=+5",
      "--runs=",
      "--runs 99999999999999999999999",
  };
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    assert_says("it takes a number from 1 to 1000", lines[i]);
  }
}

static void words_that_are_no_choice_are_refused(void** state) {
  (void)state;
  assert_says("it takes auto, always, never", "--color sometimes");
}

static void complaints_say_where_help_is(void** state) {
  (void)state;
  assert_says("weft test: ", "--zzzzz");
  assert_says("weft test: try 'weft test --help'\n", "--zzzzz");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_is_set_without_options),
      cmocka_unit_test(options_of_each_kind_are_read),
      cmocka_unit_test(short_options_may_be_joined),
      cmocka_unit_test(the_last_mention_counts),
      cmocka_unit_test(operands_come_last_wherever_they_stood),
      cmocka_unit_test(nothing_behind_two_dashes_is_an_option),
      cmocka_unit_test(parsing_stops_at_the_verb_when_asked_to),
      cmocka_unit_test(an_unknown_long_option_is_named_with_its_likeness),
      cmocka_unit_test(an_option_unlike_all_gets_no_guess),
      cmocka_unit_test(an_unknown_short_option_is_named_also_in_a_group),
      cmocka_unit_test(a_missing_value_is_told),
      cmocka_unit_test(a_value_for_a_flag_is_refused),
      cmocka_unit_test(numbers_out_of_range_are_refused),
      cmocka_unit_test(words_that_are_no_choice_are_refused),
      cmocka_unit_test(complaints_say_where_help_is),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
