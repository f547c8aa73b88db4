// SPDX-License-Identifier: Apache-2.0
//
// The command as its users meet it: a process with two streams and an exit
// code. The environment names it: WEFT_COMMAND.

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/kit.h"

#define WORD_LIMIT 16

typedef struct outcome {
  int exit_code;
  // Ended by NUL; freed by `forget`.
  char* out;
  char* err;
} outcome_t;

// What `run_with` changes in the child before it becomes the command.
typedef struct setting {
  // A file in place of standard output.
  const char* out_path;
  // Written into the environment as "NAME=value".
  char* environment;
  // The most descriptors; 0: as they are.
  rlim_t files;
} setting_t;

static const setting_t usual = {NULL, NULL, 0};

static void become_command(const setting_t* setting, const char* line, int out,
                           int err) {
  char storage[256];
  char* words[WORD_LIMIT] = {getenv("WEFT_COMMAND")};
  (void)snprintf(storage, sizeof(storage), "%s", line);
  char* rest = NULL;
  size_t count = 1;
  for (char* word = strtok_r(storage, " ", &rest);
       word != NULL && count < WORD_LIMIT - 1;
       word = strtok_r(NULL, " ", &rest)) {
    words[count++] = word;
  }
  if (setting->out_path != NULL) {
    out = open(setting->out_path, O_WRONLY | O_CLOEXEC);
  }
  if (setting->files != 0) {
    struct rlimit limit = {setting->files, setting->files};
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (setting->environment != NULL) {
    (void)putenv(setting->environment);
  }
  if (dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0) {
    (void)execv(words[0], words);
  }
  _exit(127);
}

static char* read_all(FILE* file) {
  assert_int_equal(0, fseek(file, 0, SEEK_END));
  long size = ftell(file);
  assert_true(size >= 0);
  rewind(file);
  char* text = calloc((size_t)size + 1, 1);
  assert_non_null(text);
  assert_int_equal((size_t)size, fread(text, 1, (size_t)size, file));
  (void)fclose(file);
  return text;
}

// Runs the command with arguments that have blanks between them.
static outcome_t run_with(const setting_t* setting, const char* line) {
  assert_non_null(getenv("WEFT_COMMAND"));
  FILE* out = tmpfile();
  FILE* err = tmpfile();
  assert_non_null(out);
  assert_non_null(err);
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    become_command(setting, line, fileno(out), fileno(err));
  }
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    assert_int_equal(EINTR, errno);
  }
  outcome_t outcome = {.out = read_all(out), .err = read_all(err)};
  if (!WIFEXITED(status)) {
    fail_msg("weft %s was ended by signal %d: %s", line, WTERMSIG(status),
             outcome.err);
  }
  outcome.exit_code = WEXITSTATUS(status);
  return outcome;
}

static void forget(outcome_t* outcome) {
  free(outcome->out);
  free(outcome->err);
}

static void assert_run(const char* line, int exit_code, const char* out_part,
                       const char* err_part) {
  outcome_t outcome = run_with(&usual, line);
  if (outcome.exit_code != exit_code || strstr(outcome.out, out_part) == NULL ||
      strstr(outcome.err, err_part) == NULL) {
    fail_msg("weft %s ended with %d, expected %d and '%s', '%s'\n%s\n%s", line,
             outcome.exit_code, exit_code, out_part, err_part, outcome.out,
             outcome.err);
  }
  forget(&outcome);
}

// --- Exit codes and streams -------------------------------------------------

static void help_goes_to_standard_output(void** state) {
  (void)state;
  static const char* const lines[] = {"help", "--help", "-h"};
  for (size_t i = 0; i < 3; i++) {
    outcome_t outcome = run_with(&usual, lines[i]);
    assert_int_equal(0, outcome.exit_code);
    assert_non_null(strstr(outcome.out, "Usage: weft VERB"));
    assert_non_null(strstr(outcome.out, "doctor"));
    assert_string_equal("", outcome.err);
    forget(&outcome);
  }
}

static void each_verb_has_help_that_lists_its_options(void** state) {
  (void)state;
  assert_run("bench --help", 0, "--plot FILE.svg", "");
  assert_run("help bench", 0, "--runs N", "");
  assert_run("doctor -h", 0, "--json", "");
  assert_run("version --help", 0, "Usage: weft version", "");
  assert_run("help --help", 0, "Usage: weft help", "");
}

static void version_is_told_by_verb_and_by_option(void** state) {
  (void)state;
  assert_run("version", 0, "weft 0.", "");
  assert_run("--version", 0, "weft 0.", "");
  assert_run("version --json", 0, "\"version\":\"0.", "");
}

static void a_wrong_command_line_ends_with_2(void** state) {
  (void)state;
  assert_run("", 2, "", "no verb given");
  assert_run("--zzzzz", 2, "", "unknown option '--zzzzz'");
  assert_run("bench --runs 0", 2, "", "it takes a number from 1 to 1000");
  assert_run("bench --plot", 2, "", "needs a value: FILE.svg");
  assert_run("doctor extra", 2, "", "'extra' is one word too many");
  assert_run("version --color=pink", 2, "", "it takes auto, always, never");
}

static void what_was_meant_is_guessed(void** state) {
  (void)state;
  assert_run("bnech", 2, "", "did you mean 'bench'?");
  assert_run("help doktor", 2, "", "did you mean 'doctor'?");
  assert_run("bench --jsno", 2, "", "did you mean '--json'?");
  assert_run("--versoin", 2, "", "did you mean '--version'?");
  assert_run("bench futur", 3, "", "did you mean 'future'?");
  assert_run("bench actor/pingpnog", 3, "", "did you mean 'actor/pingpong'?");
  assert_run("bench skynet_1M", 3, "", "did you mean 'actor/skynet_1M'?");
}

static void a_bench_that_does_not_exist_ends_with_3(void** state) {
  (void)state;
  assert_run("bench xyzzy", 3, "", "no bench is called 'xyzzy'");
  assert_run("bench --list future xyzzy", 3, "", "'xyzzy'");
  // Behind two dashes an option is a name.
  assert_run("bench -- --json", 3, "", "no bench is called '--json'");
}

static void output_that_cannot_be_written_ends_with_1(void** state) {
  (void)state;
  static const char* const lines[] = {"version", "help", "doctor",
                                      "doctor --json", "bench --list"};
  setting_t full = usual;
  full.out_path = "/dev/full";
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    outcome_t outcome = run_with(&full, lines[i]);
    assert_int_equal(1, outcome.exit_code);
    assert_non_null(strstr(outcome.err, ": cannot write to standard output"));
    forget(&outcome);
  }
}

// Each line on standard error says who speaks.
static void every_line_of_an_error_begins_with_the_command(void** state) {
  (void)state;
  static const char* const lines[][2] = {
      {"list nobody-has-this-name", "weft list: "},
      {"list --jsn", "weft list: "},
      {"list a b", "weft list: "},
      {"doctor --json=1", "weft doctor: "},
      {"run -n 1", "weft run: "},
      {"run -n 1 ./no-such-program", "weft run: "},
      {"run -n 1 --name ? true", "weft run: "},
      {"bench xyzzy", "weft bench: "},
      {"xyzzy", "weft: "},
      {"--xyzzy", "weft: "},
  };
  for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
    outcome_t outcome = run_with(&usual, lines[i][0]);
    assert_true(outcome.exit_code != 0);
    assert_true(outcome.err[0] != '\0');
    char* rest = NULL;
    for (const char* line = strtok_r(outcome.err, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
      if (strncmp(line, lines[i][1], strlen(lines[i][1])) != 0) {
        fail_msg("weft %s: '%s'", lines[i][0], line);
      }
    }
    forget(&outcome);
  }
}

static void color_is_for_terminals_and_for_those_who_ask(void** state) {
  (void)state;
  outcome_t plain = run_with(&usual, "doctor");
  assert_null(strchr(plain.out, '\033'));
  forget(&plain);
  outcome_t colored = run_with(&usual, "doctor --color always");
  assert_non_null(strchr(colored.out, '\033'));
  forget(&colored);
  outcome_t never = run_with(&usual, "--color=never doctor");
  assert_null(strchr(never.out, '\033'));
  forget(&never);
}

// --- bench ------------------------------------------------------------------

static const char* string_at(json_t* object, const char* key) {
  const char* text = json_string_value(json_object_get(object, key));
  assert_non_null(text);
  return text;
}

static double number_at(json_t* object, const char* key) {
  json_t* value = json_object_get(object, key);
  assert_true(json_is_number(value));
  return json_number_value(value);
}

static void check_result(json_t* result) {
  assert_true(json_is_object(result));
  (void)string_at(result, "case");
  (void)string_at(result, "unit");
  assert_true(json_is_integer(json_object_get(result, "runs")));
  // What is idle may take no time at all.
  bool may_be_zero = strcmp(string_at(result, "unit"), "%") == 0;
  assert_true(number_at(result, "min") > (may_be_zero ? -1 : 0));
  assert_true(number_at(result, "min") <= number_at(result, "median"));
  assert_true(number_at(result, "median") <= number_at(result, "max"));
  double p99 = number_at(result, "p99");
  assert_true(number_at(result, "min") <= p99);
  assert_true(p99 <= number_at(result, "max"));
  bool has_floor = !json_is_null(json_object_get(result, "floor"));
  if (has_floor) {
    assert_true(number_at(result, "floor") > 0);
    assert_true(number_at(result, "ratio") > 0);
  } else {
    assert_true(json_is_null(json_object_get(result, "ratio")));
  }
  assert_true(number_at(result, "goal") > 0);
}

// Runs a bench quickly; gives how many results it printed, all of them sound.
static size_t count_results(const char* line, const char* bench) {
  outcome_t outcome = run_with(&usual, line);
  if (outcome.exit_code != 0) {
    fail_msg("weft %s ended with %d: %s", line, outcome.exit_code, outcome.err);
  }
  size_t count = 0;
  char* rest = NULL;
  for (char* text = strtok_r(outcome.out, "\n", &rest); text != NULL;
       text = strtok_r(NULL, "\n", &rest)) {
    json_t* result = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    check_result(result);
    assert_string_equal(bench, string_at(result, "bench"));
    assert_true(json_is_true(json_object_get(result, "quick")));
    json_decref(result);
    count++;
  }
  forget(&outcome);
  return count;
}

static void each_line_of_bench_json_is_a_sound_result(void** state) {
  (void)state;
  assert_int_equal(
      2, count_results("bench future --runs 1 --quick --json", "future"));
  assert_int_equal(
      2, count_results("bench mailbox --runs 2 --quick --json", "mailbox"));
}

static void every_case_of_actors_works(void** state) {
  (void)state;
  assert_int_equal(
      11, count_results("bench actor --runs 1 --quick --json -q", "actor"));
}

static void every_case_between_processes_works(void** state) {
  (void)state;
  assert_int_equal(4, count_results("bench link_shm --runs 1 --quick --json -q",
                                    "link_shm"));
  assert_int_equal(
      11, count_results("bench call --runs 1 --quick --json -q", "call"));
  assert_int_equal(
      4, count_results("bench tensor --runs 1 --quick --json -q", "tensor"));
  assert_int_equal(
      10, count_results("bench channel --runs 1 --quick --json -q", "channel"));
  assert_int_equal(
      3, count_results("bench job --runs 1 --quick --json -q", "job"));
}

static void one_case_can_be_chosen(void** state) {
  (void)state;
  assert_int_equal(1, count_results("bench future/set_wait --runs 1 --quick "
                                    "--json",
                                    "future"));
}

static void cases_are_listed_without_being_run(void** state) {
  (void)state;
  outcome_t outcome = run_with(&usual, "bench --list");
  assert_int_equal(0, outcome.exit_code);
  static const char* const names[] = {
      "future/set_wait",     "future/then_link",  "mailbox/push_pop",
      "mailbox/push_pop_64", "actor/pingpong_2w", "actor/counting",
      "actor/fanin_2_2w",    "actor/spawn_exit",  "actor/bytes",
      "actor/skynet_1M_2w",  "call/process_rtt",  "tensor/loan_1MB",
      "job/start_4"};
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    assert_non_null(strstr(outcome.out, names[i]));
  }
  forget(&outcome);
}

static void the_plot_is_written_beside_the_table(void** state) {
  (void)state;
  char path[] = "/tmp/weft-plot-XXXXXX";
  int descriptor = mkstemp(path);
  assert_true(descriptor >= 0);
  char line[128];
  (void)snprintf(line, sizeof(line), "bench future --runs 1 --quick --plot %s",
                 path);
  assert_run(line, 0, "median", "");
  char text[6] = "";
  assert_int_equal(5, read(descriptor, text, 5));
  assert_string_equal("<svg ", text);
  (void)close(descriptor);
  (void)unlink(path);
}

static void a_plot_that_cannot_be_written_ends_with_1(void** state) {
  (void)state;
  assert_run(
      "bench future/set_wait --runs 1 --quick --plot /tmp/no-such-weft/x.svg",
      1, "", "cannot write the plot to '/tmp/no-such-weft/x.svg'");
}

// --- doctor -----------------------------------------------------------------

static json_t* doctor_report(const setting_t* setting) {
  outcome_t outcome = run_with(setting, "doctor --json");
  assert_int_equal(0, outcome.exit_code);
  json_t* report = json_loads(outcome.out, JSON_REJECT_DUPLICATES, NULL);
  assert_true(json_is_object(report));
  forget(&outcome);
  return report;
}

static json_t* find_check(json_t* report, const char* name) {
  size_t i = 0;
  json_t* check = NULL;
  json_array_foreach(json_object_get(report, "checks"), i, check) {
    if (strcmp(string_at(check, "name"), name) == 0) {
      return check;
    }
  }
  fail_msg("doctor has no check '%s'", name);
  return NULL;
}

static void doctor_counts_its_checks(void** state) {
  (void)state;
  json_t* report = doctor_report(&usual);
  assert_int_equal(1, number_at(report, "schema"));
  size_t checks = json_array_size(json_object_get(report, "checks"));
  assert_true(checks > 15);
  assert_int_equal(checks, number_at(report, "ok") +
                               number_at(report, "warned") +
                               number_at(report, "failed"));
  assert_string_equal("ok", string_at(find_check(report, "futex"), "state"));
  assert_string_equal("ok", string_at(find_check(report, "version"), "state"));
  json_decref(report);
}

static void doctor_gives_the_line_that_mends_a_lack(void** state) {
  (void)state;
  setting_t few = usual;
  few.files = 64;
  json_t* report = doctor_report(&few);
  json_t* check = find_check(report, "open files");
  assert_string_equal("warn", string_at(check, "state"));
  assert_string_equal("ulimit -n 65536", string_at(check, "fix"));
  json_decref(report);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(help_goes_to_standard_output),
      cmocka_unit_test(each_verb_has_help_that_lists_its_options),
      cmocka_unit_test(version_is_told_by_verb_and_by_option),
      cmocka_unit_test(a_wrong_command_line_ends_with_2),
      cmocka_unit_test(what_was_meant_is_guessed),
      cmocka_unit_test(a_bench_that_does_not_exist_ends_with_3),
      cmocka_unit_test(output_that_cannot_be_written_ends_with_1),
      cmocka_unit_test(every_line_of_an_error_begins_with_the_command),
      cmocka_unit_test(color_is_for_terminals_and_for_those_who_ask),
      cmocka_unit_test(each_line_of_bench_json_is_a_sound_result),
      cmocka_unit_test(every_case_of_actors_works),
      cmocka_unit_test(every_case_between_processes_works),
      cmocka_unit_test(one_case_can_be_chosen),
      cmocka_unit_test(cases_are_listed_without_being_run),
      cmocka_unit_test(the_plot_is_written_beside_the_table),
      cmocka_unit_test(a_plot_that_cannot_be_written_ends_with_1),
      cmocka_unit_test(doctor_counts_its_checks),
      cmocka_unit_test(doctor_gives_the_line_that_mends_a_lack),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
