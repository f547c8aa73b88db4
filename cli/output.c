// SPDX-License-Identifier: Apache-2.0
//
// What the command says, and what it ends with.

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

// Who speaks: "weft", or "weft" and the verb.
static char speaker[64] = "weft";

void weft_cli_set_verb(const char* verb) {
  (void)snprintf(speaker, sizeof(speaker), "weft %s", verb);
}

void weft_cli_complain(const char* format, ...) {
  char text[2048];
  char lines[4096] = "";
  size_t used = 0;
  va_list arguments;
  va_start(arguments, format);
  (void)vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  char* rest = NULL;
  for (const char* line = strtok_r(text, "\n", &rest);
       line != NULL && used < sizeof(lines);
       line = strtok_r(NULL, "\n", &rest)) {
    int length =
        snprintf(lines + used, sizeof(lines) - used, "%s: %s\n", speaker, line);
    used += length > 0 ? (size_t)length : 0;
  }
  // One write, so that lines of ranks do not get in between.
  (void)fputs(lines, stderr);
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

// Whether nobody reads standard output any more, as behind `| head`.
static bool is_abandoned(void) {
  struct pollfd out = {.fd = STDOUT_FILENO};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

weft_cli_exit_t weft_cli_finish(weft_cli_exit_t exit_code) {
  errno = 0;
  if (fflush(stdout) == 0 && !ferror(stdout)) {
    return exit_code;
  }
  if (is_abandoned()) {
    return WEFT_CLI_ABANDONED;
  }
  weft_cli_complain("cannot write to standard output: %s",
                    errno != 0 ? strerror(errno) : "an earlier write failed");
  return exit_code == WEFT_CLI_OK ? WEFT_CLI_FAILED : exit_code;
}
