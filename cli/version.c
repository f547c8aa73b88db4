// SPDX-License-Identifier: Apache-2.0
//
// weft version

#include <jansson.h>
#include <stdio.h>

#include "cli/cli.h"

enum { VERSION_JSON, VERSION_COUNT };

static const weft_cli_option_t options[VERSION_COUNT] = {
    [VERSION_JSON] = {"json", 0, WEFT_CLI_FLAG, NULL, "as a JSON object", 0, 0,
                      NULL},
};

static weft_cli_exit_t run_version(const weft_cli_call_t* call) {
  if (!call->values[VERSION_JSON].is_set) {
    (void)printf("weft %s\n", weft_version());
    return WEFT_CLI_OK;
  }
  json_t* object =
      json_pack("{s:i,s:s}", "schema", 1, "version", weft_version());
  bool ok = object != NULL && json_dumpf(object, stdout, JSON_COMPACT) == 0;
  json_decref(object);
  (void)printf("\n");
  return ok ? WEFT_CLI_OK : WEFT_CLI_FAILED;
}

const weft_cli_verb_t weft_cli_version = {
    .name = "version",
    .summary = "print the version of the library that is in use",
    .operands = "",
    .description =
        "Prints the version of the library that this command is "
        "linked with.",
    .options = options,
    .option_count = VERSION_COUNT,
    .run = run_version,
};
