// SPDX-License-Identifier: Apache-2.0
//
// What `weft doctor` looks at: a table of checks, each of which finds one
// thing of this build or host and says whether weft can work well with it.

#ifndef WEFT_CLI_DOCTOR_H_
#define WEFT_CLI_DOCTOR_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// What each peer of a process takes once both lend to each other: the socket
// between them, and a segment of its tensors; further segments one each.
#define WEFT_DOCTOR_FILES_A_PEER 2
// The lanes between two, of which each has made one. Units: KiB.
#define WEFT_DOCTOR_KIB_A_PEER 536

typedef enum weft_doctor_state {
  WEFT_DOCTOR_OK = 0,
  // It works, but slower, or not for large programs.
  WEFT_DOCTOR_WARN = 1,
  // Programs will not run.
  WEFT_DOCTOR_FAIL = 2
} weft_doctor_state_t;

// Where /proc and /sys are found: "" on a real host, a folder in tests.
typedef struct weft_doctor_host {
  const char* root;
} weft_doctor_host_t;

typedef struct weft_doctor_finding {
  weft_doctor_state_t state;
  // What was found, for people.
  char value[160];
} weft_doctor_finding_t;

typedef struct weft_doctor_check {
  // "build", "host" or "limits".
  const char* group;
  const char* name;
  // Why it matters, as a sentence.
  const char* why;
  // What mends it: a command, or a line of a file.
  const char* fix;
  // Fills a finding that was zeroed.
  void (*look)(const weft_doctor_host_t* host, weft_doctor_finding_t* finding);
} weft_doctor_check_t;

// All checks of a file, in the order of the report.
typedef struct weft_doctor_checks {
  const weft_doctor_check_t* checks;
  size_t count;
} weft_doctor_checks_t;

extern const weft_doctor_checks_t weft_doctor_build;
extern const weft_doctor_checks_t weft_doctor_system;
extern const weft_doctor_checks_t weft_doctor_limits;

// Writes state and value of a finding, in printf's form.
void weft_doctor_set(weft_doctor_finding_t* finding, weft_doctor_state_t state,
                     const char* format, ...)
    __attribute__((format(printf, 3, 4)));

// --- Reading /proc and /sys -------------------------------------------------

// The first line of a file below the host's root, without its newline. False,
// and "", when it cannot be read.
bool weft_doctor_read_line(const weft_doctor_host_t* host, const char* path,
                           char* line, size_t capacity);

// The number a file begins with. False when there is none.
bool weft_doctor_read_number(const weft_doctor_host_t* host, const char* path,
                             uint64_t* out_number);

// The least limit of a control group that this process is in, or of one
// around it; false when nothing limits it. `file` is a name of version 2,
// `legacy_file` one of version 1 under `controller`.
typedef struct weft_doctor_group_limit {
  const char* file;
  const char* controller;
  const char* legacy_file;
} weft_doctor_group_limit_t;
bool weft_doctor_read_group_limit(const weft_doctor_host_t* host,
                                  const weft_doctor_group_limit_t* limit,
                                  uint64_t* out_number);

#endif  // WEFT_CLI_DOCTOR_H_
