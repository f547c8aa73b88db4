// SPDX-License-Identifier: Apache-2.0
//
// weft help [VERB]

#include "cli/cli.h"

static weft_cli_exit_t run_help(const weft_cli_call_t* call) {
  if (call->argument_count == 0) {
    weft_cli_print_help();
    return WEFT_CLI_OK;
  }
  const weft_cli_verb_t* verb = weft_cli_find_verb(call->arguments[0]);
  if (verb == NULL) {
    return WEFT_CLI_USAGE;
  }
  weft_cli_print_verb_help(verb);
  return WEFT_CLI_OK;
}

const weft_cli_verb_t weft_cli_help = {
    .name = "help",
    .summary = "say how the command, or one of its verbs, is used",
    .operands = "[VERB]",
    .operand_limit = 1,
    .description = "Says how a verb is used; without one, lists all verbs.",
    .run = run_help,
};
