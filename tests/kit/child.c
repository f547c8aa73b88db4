// SPDX-License-Identifier: Apache-2.0

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "kit/kit.h"

// Faults end the child, rather than jump back into the parent's test as the
// handlers of cmocka do.
static void drop_fault_handlers(void) {
  static const int faults[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT};
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); ++i) {
    (void)signal(faults[i], SIG_DFL);
  }
}

static void child_main(const int ends[2], void (*body)(void* user),
                       void* user) {
  // No core files of crashes that are meant.
  (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  (void)dup2(ends[1], STDOUT_FILENO);
  (void)dup2(ends[1], STDERR_FILENO);
  (void)close(ends[0]);
  (void)close(ends[1]);
  drop_fault_handlers();
  // An assertion that fails must not go on with the parent's other tests.
  (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
  body(user);
  (void)fflush(NULL);
  // Without exit handlers: those are the parent's.
  _exit(0);
}

// Reads to the end; what does not fit is dropped, so that nobody blocks.
static void read_all(int descriptor, char* output, size_t capacity) {
  size_t length = 0;
  ssize_t count = 0;
  do {
    char part[512];
    count = read(descriptor, part, sizeof(part));
    for (ssize_t i = 0; i < count && length + 1 < capacity; ++i) {
      output[length++] = part[i];
    }
  } while (count > 0 || (count < 0 && errno == EINTR));
  output[length] = '\0';
}

weft_kit_ending_t weft_kit_run_child(void (*body)(void* user), void* user,
                                     char* output, size_t capacity) {
  weft_assert(capacity > 0);
  int ends[2];
  int error = pipe(ends);
  weft_assert(error == 0);
  // Else the child would print what is still in the parent's buffers.
  (void)fflush(NULL);
  pid_t child = fork();
  weft_assert(child >= 0);
  if (child == 0) {
    child_main(ends, body, user);
  }
  (void)close(ends[1]);
  read_all(ends[0], output, capacity);
  (void)close(ends[0]);
  int how = 0;
  pid_t ended = 0;
  do {
    ended = waitpid(child, &how, 0);
  } while (ended < 0 && errno == EINTR);
  weft_assert(ended == child);
  return (weft_kit_ending_t){
      .exit_status = WIFEXITED(how) ? WEXITSTATUS(how) : 0,
      .signal_number = WIFSIGNALED(how) ? WTERMSIG(how) : 0,
  };
}
