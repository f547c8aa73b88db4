// SPDX-License-Identifier: Apache-2.0
//
// The command `weft`: verbs, and what all of them share. Data goes to standard
// output, everything else to standard error.

#ifndef WEFT_CLI_CLI_H_
#define WEFT_CLI_CLI_H_

#include "cli/options.h"
#include "weft/weft.h"

// How the command ends. Part of its contract: scripts look at these. `run`
// ends as its program does.
typedef enum weft_cli_exit {
  WEFT_CLI_OK = 0,
  // Something failed while it ran.
  WEFT_CLI_FAILED = 1,
  // The command line is wrong.
  WEFT_CLI_USAGE = 2,
  WEFT_CLI_NOT_FOUND = 3,
  WEFT_CLI_UNREACHABLE = 5,
  WEFT_CLI_TIMEOUT = 6,
  WEFT_CLI_EXHAUSTED = 7,
  // Nobody reads its output any more: what a shell says of SIGPIPE.
  WEFT_CLI_ABANDONED = 141
} weft_cli_exit_t;

// The command line of one verb, parsed.
typedef struct weft_cli_call {
  // By the numbers of the verb's own options.
  const weft_cli_value_t* values;
  // What is left when the options are taken out; ends with NULL.
  char** arguments;
  size_t argument_count;
  // No narration.
  bool quiet;
  // May standard output be coloured?
  bool color;
} weft_cli_call_t;

typedef struct weft_cli_verb {
  const char* name;
  // One line for the list of verbs; "": for the command's own use, not listed.
  const char* summary;
  // What comes behind the options: "[NAME...]", or "".
  const char* operands;
  // Operands at most.
  size_t operand_limit;
  // What follows the first operand is its own: no option of the verb.
  bool stop_at_operand;
  // Paragraphs for `--help`.
  const char* description;
  const weft_cli_option_t* options;
  size_t option_count;
  // May also return the exit code of a program that it ran.
  weft_cli_exit_t (*run)(const weft_cli_call_t* call);
} weft_cli_verb_t;

// Options that every verb takes; the enums give their places.
enum {
  WEFT_CLI_COMMON_HELP,
  WEFT_CLI_COMMON_QUIET,
  WEFT_CLI_COMMON_COLOR,
  WEFT_CLI_COMMON_COUNT
};
enum { WEFT_CLI_COLOR_AUTO, WEFT_CLI_COLOR_ALWAYS, WEFT_CLI_COLOR_NEVER };
extern const weft_cli_option_t weft_cli_common_options[WEFT_CLI_COMMON_COUNT];

// Options that stand in place of a verb.
enum { WEFT_CLI_MAIN_VERSION, WEFT_CLI_MAIN_COUNT };
extern const weft_cli_option_t weft_cli_main_options[WEFT_CLI_MAIN_COUNT];

extern const weft_cli_verb_t weft_cli_bench;
extern const weft_cli_verb_t weft_cli_bench_member;
extern const weft_cli_verb_t weft_cli_doctor;
extern const weft_cli_verb_t weft_cli_list;
extern const weft_cli_verb_t weft_cli_run;
extern const weft_cli_verb_t weft_cli_version;
extern const weft_cli_verb_t weft_cli_help;

// The verb of a name; NULL after saying so, with the name that was meant.
const weft_cli_verb_t* weft_cli_find_verb(const char* name);

// Help on one verb, or on the command, for standard output.
void weft_cli_print_verb_help(const weft_cli_verb_t* verb);
void weft_cli_print_help(void);

// Tells of an error on standard error, in full, and gives the exit code that
// fits. Owns: takes `status` over; it is not OK.
weft_cli_exit_t weft_cli_report(weft_status_t status);

// From here on it is this verb that complains.
void weft_cli_set_verb(const char* verb);

// For standard error, each line behind "weft VERB: ", or "weft: " before there
// is a verb.
void weft_cli_complain(const char* format, ...) WEFT_PRINTF(1, 2);

// Flushes standard output; FAILED, with a complaint, when that or anything
// before did not get through (a full disk); ABANDONED, without one, when nobody
// reads it any more.
weft_cli_exit_t weft_cli_finish(weft_cli_exit_t exit_code);

#endif  // WEFT_CLI_CLI_H_
