// SPDX-License-Identifier: Apache-2.0
//
// weft [OPTION...] VERB [OPTION...] [OPERAND...]

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

static bool may_color(const weft_cli_value_t* option) {
  if (option->is_set && option->number != WEFT_CLI_COLOR_AUTO) {
    return option->number == WEFT_CLI_COLOR_ALWAYS;
  }
  const char* no_color = getenv("NO_COLOR");
  const char* terminal = getenv("TERM");
  return isatty(STDOUT_FILENO) == 1 &&
         (no_color == NULL || no_color[0] == '\0') &&
         (terminal == NULL || strcmp(terminal, "dumb") != 0);
}

// --- The command line -------------------------------------------------------

static weft_cli_exit_t run_verb(const weft_cli_verb_t* verb, int argc,
                                char** argv, weft_cli_value_t* common) {
  char command[64];
  (void)snprintf(command, sizeof(command), "weft %s", verb->name);
  weft_cli_set_verb(verb->name);
  weft_cli_value_t own[WEFT_CLI_OPTION_LIMIT] = {{0}};
  weft_cli_parser_t parser = {
      .command = command,
      .tables = {verb->options, weft_cli_common_options},
      .counts = {verb->option_count, WEFT_CLI_COMMON_COUNT},
      .values = {own, common},
      .stop_at_operand = verb->stop_at_operand,
  };
  int first = weft_cli_parse(&parser, argc, argv);
  if (first < 0) {
    return WEFT_CLI_USAGE;
  }
  if (common[WEFT_CLI_COMMON_HELP].is_set) {
    weft_cli_print_verb_help(verb);
    return WEFT_CLI_OK;
  }
  weft_cli_call_t call = {
      .values = own,
      .arguments = argv + first,
      .argument_count = (size_t)(argc - first),
      .quiet = common[WEFT_CLI_COMMON_QUIET].is_set,
      .color = may_color(&common[WEFT_CLI_COMMON_COLOR]),
  };
  if (call.argument_count > verb->operand_limit) {
    weft_cli_complain("'%s' is one word too many; try 'weft %s --help'",
                      call.arguments[verb->operand_limit], verb->name);
    return WEFT_CLI_USAGE;
  }
  return verb->run(&call);
}

static weft_cli_exit_t run(int argc, char** argv) {
  weft_cli_value_t own[WEFT_CLI_MAIN_COUNT] = {{0}};
  weft_cli_value_t common[WEFT_CLI_COMMON_COUNT] = {{0}};
  weft_cli_parser_t parser = {
      .command = "weft",
      .tables = {weft_cli_main_options, weft_cli_common_options},
      .counts = {WEFT_CLI_MAIN_COUNT, WEFT_CLI_COMMON_COUNT},
      .values = {own, common},
      .stop_at_operand = true,
  };
  int first = weft_cli_parse(&parser, argc, argv);
  if (first < 0) {
    return WEFT_CLI_USAGE;
  }
  if (own[WEFT_CLI_MAIN_VERSION].is_set) {
    return weft_cli_version.run(&(weft_cli_call_t){
        .values = (const weft_cli_value_t[WEFT_CLI_OPTION_LIMIT]){{0}}});
  }
  if (first < argc && !common[WEFT_CLI_COMMON_HELP].is_set) {
    const weft_cli_verb_t* verb = weft_cli_find_verb(argv[first]);
    return verb == NULL ? WEFT_CLI_USAGE
                        : run_verb(verb, argc - first, argv + first, common);
  }
  if (common[WEFT_CLI_COMMON_HELP].is_set) {
    weft_cli_print_help();
    return WEFT_CLI_OK;
  }
  weft_cli_complain("no verb given; 'weft help' lists them");
  return WEFT_CLI_USAGE;
}

int main(int argc, char** argv) {
  // A reader that goes away is an error of the write: a runtime is to leave its
  // job in order, and ranks that run are to run on.
  (void)signal(SIGPIPE, SIG_IGN);
  return (int)weft_cli_finish(run(argc, argv));
}
