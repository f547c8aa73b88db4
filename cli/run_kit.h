// SPDX-License-Identifier: Apache-2.0
//
// What tests of the command share: it is started, written to, read from and
// reaped. The environment names it: WEFT_COMMAND.

#ifndef WEFT_CLI_RUN_KIT_H_
#define WEFT_CLI_RUN_KIT_H_

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/kit/kit.h"

#define WORD_LIMIT 24
#define TEXT_BYTES 65536

// The command while it runs, and what it has written so far.
typedef struct run {
  pid_t process;
  int in;
  int out;
  int err;
  char out_text[TEXT_BYTES];
  char err_text[TEXT_BYTES];
  // As a shell would have it.
  int exit_code;
} run_t;

// What `start_verb` changes in the child before it becomes the command.
typedef struct setting {
  // The most descriptors; 0: as they are.
  rlim_t files;
} setting_t;

// Of this program; filled by `find_self`.
static char self_path[4096];

static inline bool find_self(void) {
  return readlink("/proc/self/exe", self_path, sizeof(self_path) - 1) > 0;
}

static inline void become_command(const setting_t* setting,
                                  const char* const* words, const int ends[3]) {
  if (setting->files != 0) {
    struct rlimit limit = {setting->files, setting->files};
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
  for (int i = 0; i < 3; i++) {
    if (dup2(ends[i], i) < 0) {
      _exit(120);
    }
  }
  // execv(3) writes to none of them.
  (void)execv(getenv("WEFT_COMMAND"), (char* const*)(uintptr_t)words);
  _exit(121);
}

// Starts a verb with words that end with NULL; "SELF" is this program.
static inline run_t* start_verb(const setting_t* setting, const char* verb,
                                const char* const* words) {
  const char* all[WORD_LIMIT] = {"weft", verb};
  for (size_t i = 0; words[i] != NULL; i++) {
    assert_true(i + 3 < WORD_LIMIT);
    all[i + 2] = strcmp(words[i], "SELF") == 0 ? self_path : words[i];
  }
  run_t* run = calloc(1, sizeof(*run));
  assert_non_null(run);
  int pipes[3][2];
  for (int i = 0; i < 3; i++) {
    assert_int_equal(0, pipe2(pipes[i], O_CLOEXEC));
  }
  run->process = fork();
  assert_true(run->process >= 0);
  if (run->process == 0) {
    become_command(setting, all,
                   (const int[3]){pipes[0][0], pipes[1][1], pipes[2][1]});
  }
  (void)close(pipes[0][0]);
  (void)close(pipes[1][1]);
  (void)close(pipes[2][1]);
  run->in = pipes[0][1];
  run->out = pipes[1][0];
  run->err = pipes[2][0];
  return run;
}

// "weft run".
static inline run_t* start(const char* const* words) {
  return start_verb(&(setting_t){0}, "run", words);
}

// Adds what there is to read; closes a stream that has ended.
static inline void read_some(int* descriptor, char* text) {
  size_t used = strlen(text);
  ssize_t count = read(*descriptor, text + used, TEXT_BYTES - 1 - used);
  if (count <= 0) {
    (void)close(*descriptor);
    *descriptor = -1;
  }
}

// Reads until a text has been written, or, for NULL, to the end of both
// streams.
static inline void read_until(run_t* run, const char* text) {
  while (run->out >= 0 || run->err >= 0) {
    if (text != NULL && (strstr(run->out_text, text) != NULL ||
                         strstr(run->err_text, text) != NULL)) {
      return;
    }
    struct pollfd wanted[2] = {{.fd = run->out, .events = POLLIN},
                               {.fd = run->err, .events = POLLIN}};
    assert_true(poll(wanted, 2, 100000) > 0);
    if (wanted[0].revents != 0) {
      read_some(&run->out, run->out_text);
    }
    if (wanted[1].revents != 0) {
      read_some(&run->err, run->err_text);
    }
  }
  if (text != NULL) {
    fail_msg("'%s' was not written:\n%s\n%s", text, run->out_text,
             run->err_text);
  }
}

static inline void reap(run_t* run) {
  int status = 0;
  while (waitpid(run->process, &status, 0) < 0) {
    assert_int_equal(EINTR, errno);
  }
  run->exit_code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline void close_input(run_t* run) {
  if (run->in >= 0) {
    (void)close(run->in);
    run->in = -1;
  }
}

// To the end of the command, and of all that has its streams.
static inline void finish(run_t* run) {
  close_input(run);
  read_until(run, NULL);
  reap(run);
}

static inline void forget(run_t* run) {
  close_input(run);
  if (run->out >= 0) {
    (void)close(run->out);
  }
  if (run->err >= 0) {
    (void)close(run->err);
  }
  free(run);
}

static inline void assert_says(const run_t* run, const char* text) {
  if (strstr(run->out_text, text) == NULL &&
      strstr(run->err_text, text) == NULL) {
    fail_msg("'%s' was not written; exit %d\n%s\n%s", text, run->exit_code,
             run->out_text, run->err_text);
  }
}

static inline void assert_exit(const run_t* run, int exit_code) {
  if (run->exit_code != exit_code) {
    fail_msg("ended with %d, not %d\n%s\n%s", run->exit_code, exit_code,
             run->out_text, run->err_text);
  }
}

// Runs it to its end.
static inline run_t* run_whole(const char* const* words) {
  run_t* run = start(words);
  finish(run);
  return run;
}

static inline void assert_run(const char* const* words, int exit_code,
                              const char* text) {
  run_t* run = run_whole(words);
  assert_exit(run, exit_code);
  assert_says(run, text);
  forget(run);
}

#define WORDS(...) ((const char* const[]){__VA_ARGS__, NULL})

#endif  // WEFT_CLI_RUN_KIT_H_
