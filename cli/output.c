// SPDX-License-Identifier: Apache-2.0
//
// What the command says, and what it ends with.

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

void weft_cli_complain(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)fputs("weft: ", stderr);
  (void)vfprintf(stderr, format, arguments);
  (void)fputc('\n', stderr);
  va_end(arguments);
}

static weft_cli_exit_t exit_of(weft_status_code_t code) {
  switch (code) {
    case WEFT_STATUS_OK:
      return WEFT_CLI_OK;
    case WEFT_STATUS_INVALID_ARGUMENT:
      return WEFT_CLI_USAGE;
    case WEFT_STATUS_NOT_FOUND:
      return WEFT_CLI_NOT_FOUND;
    case WEFT_STATUS_UNAVAILABLE:
    case WEFT_STATUS_PEER_DIED:
      return WEFT_CLI_UNREACHABLE;
    case WEFT_STATUS_DEADLINE_EXCEEDED:
      return WEFT_CLI_TIMEOUT;
    case WEFT_STATUS_RESOURCE_EXHAUSTED:
      return WEFT_CLI_EXHAUSTED;
    default:
      return WEFT_CLI_FAILED;
  }
}

weft_cli_exit_t weft_cli_report(weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  char text[2048];
  (void)weft_status_format(status, text, sizeof(text));
  weft_cli_complain("%s", text);
  weft_cli_complain("%s: %s", weft_status_code_name(code),
                    weft_status_code_advice(code));
  weft_status_release(status);
  return exit_of(code);
}

weft_cli_exit_t weft_cli_finish(weft_cli_exit_t exit_code) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) {
    return exit_code;
  }
  weft_cli_complain("cannot write to standard output: %s",
                    errno != 0 ? strerror(errno) : "an earlier write failed");
  return exit_code == WEFT_CLI_OK ? WEFT_CLI_FAILED : exit_code;
}
