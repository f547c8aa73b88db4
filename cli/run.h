// SPDX-License-Identifier: Apache-2.0
//
// What is inside `weft run`: the processes of a job, their output, and when
// they end.

#ifndef WEFT_CLI_RUN_H_
#define WEFT_CLI_RUN_H_

#include <uv.h>

#include "cli/cli.h"
#include "job/host.h"
#include "trace/flight.h"

typedef struct weft_run weft_run_t;
typedef struct weft_run_rank weft_run_rank_t;

// Longer lines are written in parts. Units: bytes.
#define WEFT_RUN_LINE_BYTES 4096

// Standard output or standard error of a rank, on its way to that of the
// command.
typedef struct weft_run_stream {
  uv_pipe_t pipe;
  weft_run_rank_t* rank;
  // Where it goes.
  int descriptor;
  bool is_open;
  // A line that has not ended yet, with its prefix.
  size_t used;
  char line[WEFT_RUN_LINE_BYTES];
} weft_run_stream_t;

enum { WEFT_RUN_OUT, WEFT_RUN_ERR, WEFT_RUN_STREAM_COUNT };

struct weft_run_rank {
  uv_process_t process;
  weft_run_t* run;
  uint32_t rank;
  bool is_running;
  // It was told to end by a signal, or was killed when that took too long.
  bool was_told;
  bool was_killed;
  // The job has given it up; it is killed when this has passed.
  bool was_given_up;
  uv_timer_t fence;
  weft_run_stream_t streams[WEFT_RUN_STREAM_COUNT];
};

// Whose lines begin with "[RANK] ".
typedef enum weft_run_prefix {
  WEFT_RUN_PREFIX_OTHERS,
  WEFT_RUN_PREFIX_ALL,
  WEFT_RUN_PREFIX_NONE
} weft_run_prefix_t;

typedef struct weft_run_settings {
  uint32_t size;
  const char* name;
  // "NAME=value"s for the environment of all ranks.
  const char* const* environment;
  size_t environment_count;
  uint64_t grace_s;
  weft_run_prefix_t prefix;
  bool ends_on_failure;
  // The program and its arguments, ended by NULL.
  char** command;
} weft_run_settings_t;

enum { WEFT_RUN_SIGNAL_COUNT = 3 };

struct weft_run {
  const weft_run_settings_t* settings;
  weft_job_host_t* host;
  uv_loop_t loop;
  uv_poll_t host_poll;
  uv_signal_t signals[WEFT_RUN_SIGNAL_COUNT];
  uv_timer_t grace;
  weft_run_rank_t* ranks;
  uint32_t running_count;
  // What the command will exit with: of the first rank that failed.
  int exit_code;
  bool is_stopping;
  // The first one that asked for the end; 0: none.
  int stop_signal;
  // Of MASTER_PORT; 0: the environment has one.
  unsigned port;
  // When the command began, on CLOCK_MONOTONIC.
  uint64_t started_ns;
};

// --- run_child.c ------------------------------------------------------------

// Starts the process of a rank. `exited` is called when it has been reaped.
// Returns 0, or what the command exits with after saying why.
int weft_run_start_child(weft_run_t* run, uint32_t rank, uv_exit_cb exited);

// A port of this host that nobody uses now; 0: none.
unsigned weft_run_free_port(void);

// --- run_output.c -----------------------------------------------------------

// Makes a pipe whose lines go to `descriptor`. Stores the end to write to,
// which is the caller's to close. Returns 0 or an error of libuv.
int weft_run_open_stream(weft_run_rank_t* rank, int which, int descriptor,
                         int* out_write_end);

// Writes what has come so far, up to the last end of a line.
void weft_run_drain_stream(weft_run_stream_t* stream);
// Writes the rest and closes it. Nothing if it is closed.
void weft_run_close_stream(weft_run_stream_t* stream);

#endif  // WEFT_CLI_RUN_H_
