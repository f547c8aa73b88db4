// SPDX-License-Identifier: Apache-2.0
//
// weft bench [NAME...]

#include "bench/bench.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench/cores.h"
#include "bench/job.h"
#include "bench/report.h"
#include "cli/cli.h"
#include "cli/suggest.h"

enum {
  BENCH_JSON,
  BENCH_PLOT,
  BENCH_RUNS,
  BENCH_LIST,
  BENCH_QUICK,
  BENCH_COUNT
};

#define RUNS_DEFAULT 7
#define RUNS_LIMIT 1000

static const weft_cli_option_t options[BENCH_COUNT] = {
    [BENCH_JSON] = {"json", 0, WEFT_CLI_FLAG, NULL,
                    "one JSON object a line, not a table", 0, 0, NULL},
    [BENCH_PLOT] = {"plot", 0, WEFT_CLI_TEXT, "FILE.svg",
                    "draw the results against their goals, too", 0, 0, NULL},
    [BENCH_RUNS] = {"runs", 0, WEFT_CLI_NUMBER, "N",
                    "N times 20 batches of weft and of its floor (7)", 1,
                    RUNS_LIMIT, NULL},
    [BENCH_LIST] = {"list", 0, WEFT_CLI_FLAG, NULL,
                    "list the cases and run none", 0, 0, NULL},
    [BENCH_QUICK] = {"quick", 0, WEFT_CLI_FLAG, NULL,
                     "tiny amounts: a test that all cases work", 0, 0, NULL},
};

// --- Which cases ------------------------------------------------------------

static bool is_chosen(const weft_cli_call_t* call,
                      const weft_bench_case_t* bench_case) {
  for (size_t i = 0; i < call->argument_count; i++) {
    if (weft_bench_case_matches(bench_case, call->arguments[i])) {
      return true;
    }
  }
  return call->argument_count == 0;
}

static void complain_of_name(const char* name) {
  weft_cli_guess_t guess = {.word = name};
  char path[96];
  char best[96] = "";
  for (size_t i = 0; i < weft_bench_case_count(); i++) {
    const weft_bench_case_t* bench_case = weft_bench_case_at(i);
    weft_cli_guess_offer(&guess, bench_case->bench);
    (void)snprintf(path, sizeof(path), "%s/%s", bench_case->bench,
                   bench_case->name);
    weft_cli_guess_offer(&guess, path);
    weft_cli_guess_offer(&guess, bench_case->name);
    if (guess.best == path || guess.best == bench_case->name) {
      // The path is overwritten in the next round, so it is kept here.
      memcpy(best, path, sizeof(best));
      guess.best = best;
    }
  }
  if (guess.best != NULL) {
    weft_cli_complain("no bench is called '%s'; did you mean '%s'?", name,
                      guess.best);
  } else {
    weft_cli_complain("no bench is called '%s'; 'weft bench --list' lists them",
                      name);
  }
}

static bool all_names_exist(const weft_cli_call_t* call) {
  for (size_t i = 0; i < call->argument_count; i++) {
    bool exists = false;
    for (size_t j = 0; j < weft_bench_case_count() && !exists; j++) {
      exists =
          weft_bench_case_matches(weft_bench_case_at(j), call->arguments[i]);
    }
    if (!exists) {
      complain_of_name(call->arguments[i]);
      return false;
    }
  }
  return true;
}

static weft_cli_exit_t list_cases(const weft_cli_call_t* call) {
  bool ok = true;
  for (size_t i = 0; i < weft_bench_case_count(); i++) {
    const weft_bench_case_t* bench_case = weft_bench_case_at(i);
    if (!is_chosen(call, bench_case)) {
      continue;
    }
    if (call->values[BENCH_JSON].is_set) {
      ok = weft_bench_write_case_json(stdout, bench_case) && ok;
    } else {
      char path[64];
      (void)snprintf(path, sizeof(path), "%s/%s", bench_case->bench,
                     bench_case->name);
      (void)printf("%-22s %4s  %s\n", path,
                   weft_bench_unit_name(bench_case->unit), bench_case->what);
    }
  }
  return ok ? WEFT_CLI_OK : WEFT_CLI_FAILED;
}

// --- Running ----------------------------------------------------------------

// What is seen on standard error while cases run.
static void narrate(const weft_cli_call_t* call,
                    const weft_bench_case_t* bench_case) {
  if (call->quiet) {
    return;
  }
  if (weft_bench_cores_allowed() < bench_case->workers) {
    weft_cli_complain("%s/%s: %u workers share one core here",
                      bench_case->bench, bench_case->name, bench_case->workers);
  }
  if (isatty(STDERR_FILENO) == 1) {
    (void)fprintf(stderr, "%s/%s ...\r", bench_case->bench, bench_case->name);
  }
}

static bool write_result(const weft_cli_call_t* call,
                         const weft_bench_result_t* result) {
  if (!call->quiet && isatty(STDERR_FILENO) == 1) {
    // Takes the narration away, which may stand where the row will.
    (void)fputs("\033[K", stderr);
  }
  if (call->values[BENCH_JSON].is_set) {
    if (!weft_bench_write_json(stdout, result)) {
      return false;
    }
  } else {
    weft_bench_write_row(stdout, call->color, result);
  }
  if (!call->quiet && result->note[0] != '\0') {
    weft_cli_complain("%s/%s: %s", result->bench_case->bench,
                      result->bench_case->name, result->note);
  }
  return true;
}

// Runs the cases that were chosen; those that fail are told of and left out.
static weft_cli_exit_t run_cases(const weft_cli_call_t* call,
                                 weft_bench_result_t* results,
                                 size_t* out_count) {
  const weft_cli_value_t* runs = &call->values[BENCH_RUNS];
  weft_bench_options_t bench_options = {
      .runs = runs->is_set ? (uint32_t)runs->number : RUNS_DEFAULT,
      .quick = call->values[BENCH_QUICK].is_set,
  };
  weft_cli_exit_t exit_code = WEFT_CLI_OK;
  *out_count = 0;
  for (size_t i = 0; i < weft_bench_case_count(); i++) {
    const weft_bench_case_t* bench_case = weft_bench_case_at(i);
    if (!is_chosen(call, bench_case)) {
      continue;
    }
    narrate(call, bench_case);
    weft_bench_result_t* result = &results[*out_count];
    weft_status_t status = weft_bench_run(bench_case, &bench_options, result);
    if (status != WEFT_OK) {
      weft_cli_complain("%s/%s failed:", bench_case->bench, bench_case->name);
      weft_cli_exit_t failed = weft_cli_report(status);
      exit_code = exit_code == WEFT_CLI_OK ? failed : exit_code;
      continue;
    }
    (*out_count)++;
    if (!write_result(call, result)) {
      return WEFT_CLI_FAILED;
    }
  }
  return exit_code;
}

static weft_cli_exit_t draw(const char* path,
                            const weft_bench_result_t* results, size_t count) {
  FILE* file = fopen(path, "we");
  bool ok = file != NULL && weft_bench_write_plot(file, results, count);
  int error = errno;
  if (file != NULL && fclose(file) != 0) {
    error = errno;
    ok = false;
  }
  if (!ok) {
    weft_cli_complain("cannot write the plot to '%s': %s", path,
                      strerror(error));
    return WEFT_CLI_FAILED;
  }
  return WEFT_CLI_OK;
}

static weft_cli_exit_t run_bench(const weft_cli_call_t* call) {
  if (!all_names_exist(call)) {
    return WEFT_CLI_NOT_FOUND;
  }
  if (call->values[BENCH_LIST].is_set) {
    return list_cases(call);
  }
  weft_bench_result_t* results =
      calloc(weft_bench_case_count(), sizeof(*results));
  if (results == NULL) {
    weft_cli_complain("no memory for the results");
    return WEFT_CLI_EXHAUSTED;
  }
  if (!call->values[BENCH_JSON].is_set) {
    weft_bench_write_head(stdout, call->color);
  }
  size_t count = 0;
  weft_cli_exit_t exit_code = run_cases(call, results, &count);
  const weft_cli_value_t* plot = &call->values[BENCH_PLOT];
  if (plot->is_set) {
    weft_cli_exit_t drawn = draw(plot->text, results, count);
    exit_code = exit_code == WEFT_CLI_OK ? drawn : exit_code;
  }
  free(results);
  return exit_code;
}

const weft_cli_verb_t weft_cli_bench = {
    .name = "bench",
    .summary = "measure weft, each case beside its floor",
    .operands = "[NAME...]",
    .operand_limit = SIZE_MAX,
    .description =
        "Measures weft. NAME is a bench (future, mailbox, actor, link_shm,\n"
        "call, tensor, job) or a case (actor/pingpong); without names,\n"
        "everything is measured. Where a case needs several processes, they\n"
        "are started, and ended, by this command.\n\n"
        "Each case is taken in turn with its floor: the smallest C that\n"
        "does the same, written by hand. 'ratio' is cost over floor: 1 is\n"
        "the limit, lower is better. Median, p99, min and max are over\n"
        "batches of 2.5 ms, 20 in each run.",
    .options = options,
    .option_count = BENCH_COUNT,
    .run = run_bench,
};

static weft_cli_exit_t run_member(const weft_cli_call_t* call) {
  (void)call;
  return weft_bench_member_main() == EXIT_SUCCESS ? WEFT_CLI_OK
                                                  : WEFT_CLI_FAILED;
}

const weft_cli_verb_t weft_cli_bench_member = {
    .name = WEFT_BENCH_MEMBER_VERB,
    .summary = "",
    .operands = "",
    .description =
        "A process of a benchmark: 'weft bench' starts it, and ends it.",
    .run = run_member,
};
