// SPDX-License-Identifier: Apache-2.0
//
// The verbs, the options that all of them take, and help.

#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/suggest.h"

static const weft_cli_verb_t* const verbs[] = {
    &weft_cli_run,     &weft_cli_list, &weft_cli_bench,        &weft_cli_doctor,
    &weft_cli_version, &weft_cli_help, &weft_cli_bench_member,
};
#define VERB_COUNT (sizeof(verbs) / sizeof(verbs[0]))

// --- Options of all verbs ---------------------------------------------------

static const char* const color_choices[] = {"auto", "always", "never", NULL};

const weft_cli_option_t weft_cli_common_options[WEFT_CLI_COMMON_COUNT] = {
    [WEFT_CLI_COMMON_HELP] = {"help", 'h', WEFT_CLI_FLAG, NULL,
                              "say how this is used", 0, 0, NULL},
    [WEFT_CLI_COMMON_QUIET] = {"quiet", 'q', WEFT_CLI_FLAG, NULL,
                               "leave out what is not data or an error", 0, 0,
                               NULL},
    [WEFT_CLI_COMMON_COLOR] =
        {"color", 0, WEFT_CLI_CHOICE, "WHEN",
         "auto (on a terminal, unless NO_COLOR), always, never", 0, 0,
         color_choices},
};

const weft_cli_option_t weft_cli_main_options[WEFT_CLI_MAIN_COUNT] = {
    [WEFT_CLI_MAIN_VERSION] = {"version", 'V', WEFT_CLI_FLAG, NULL,
                               "print the version, as the verb does", 0, 0,
                               NULL},
};

// --- Verbs ------------------------------------------------------------------

static bool is_hidden(const weft_cli_verb_t* verb) {
  return verb->summary[0] == '\0';
}

const weft_cli_verb_t* weft_cli_find_verb(const char* name) {
  weft_cli_guess_t guess = {.word = name};
  for (size_t i = 0; i < VERB_COUNT; i++) {
    if (strcmp(verbs[i]->name, name) == 0) {
      return verbs[i];
    }
    if (!is_hidden(verbs[i])) {
      weft_cli_guess_offer(&guess, verbs[i]->name);
    }
  }
  if (guess.best != NULL) {
    weft_cli_complain("unknown verb '%s'; did you mean '%s'?", name,
                      guess.best);
  } else {
    weft_cli_complain("unknown verb '%s'; 'weft help' lists them", name);
  }
  return NULL;
}

void weft_cli_print_verb_help(const weft_cli_verb_t* verb) {
  (void)printf("Usage: weft %s [OPTION...]%s%s\n\n%s\n", verb->name,
               verb->operands[0] != '\0' ? " " : "", verb->operands,
               verb->description);
  if (verb->option_count > 0) {
    (void)printf("\nOptions:\n");
    weft_cli_print_options(verb->options, verb->option_count);
  }
  (void)printf("\nOptions of every verb:\n");
  weft_cli_print_options(weft_cli_common_options, WEFT_CLI_COMMON_COUNT);
}

void weft_cli_print_help(void) {
  (void)printf(
      "Usage: weft VERB [OPTION...]\n\n"
      "weft runs programs made of actors that pass tensors. This command\n"
      "starts them as several processes, shows what they do, measures the\n"
      "library and checks the host it runs on.\n\nVerbs:\n");
  for (size_t i = 0; i < VERB_COUNT; i++) {
    if (!is_hidden(verbs[i])) {
      (void)printf("  %-10s%s\n", verbs[i]->name, verbs[i]->summary);
    }
  }
  (void)printf("\nOptions:\n");
  weft_cli_print_options(weft_cli_common_options, WEFT_CLI_COMMON_COUNT);
  weft_cli_print_options(weft_cli_main_options, WEFT_CLI_MAIN_COUNT);
  (void)printf(
      "\nExit codes: 0 ok, 1 failed, 2 wrong command line, 3 not found,\n"
      "5 unreachable, 6 timeout, 7 out of some resource, 141 nobody reads "
      "what\n"
      "it writes. 'run' ends as its program does.\n"
      "'weft help VERB' tells more of a verb.\n");
}
