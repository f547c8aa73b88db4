// SPDX-License-Identifier: Apache-2.0
//
// How the process of a rank is started: its environment, its streams, its
// control socket.

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/run.h"

// The control socket, in the process.
#define CONTROL_DESCRIPTOR 3
// Variables that are set for each rank, at most.
#define OWN_LIMIT 8
#define OWN_BYTES 64

// As sh(1) has it.
#define EXIT_CANNOT_RUN 126
#define EXIT_NO_PROGRAM 127

unsigned weft_run_free_port(void) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  struct sockaddr* any = (struct sockaddr*)&address;
  int probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  bool ok = probe >= 0 && bind(probe, any, size) == 0 &&
            getsockname(probe, any, &size) == 0;
  if (probe >= 0) {
    (void)close(probe);
  }
  return ok ? ntohs(address.sin_port) : 0;
}

// --- Environment ------------------------------------------------------------

// The environment of one rank: pointers to strings of others.
typedef struct environment {
  char own[OWN_LIMIT][OWN_BYTES];
  size_t own_count;
  // Ended by NULL.
  char** entries;
  size_t count;
} environment_t;

static size_t name_length(const char* entry) {
  return strcspn(entry, "=");
}

// Sets a variable, in place of one of that name if there is one.
static void set(environment_t* environment, char* entry) {
  size_t length = name_length(entry);
  size_t i = 0;
  while (i < environment->count &&
         (name_length(environment->entries[i]) != length ||
          strncmp(environment->entries[i], entry, length) != 0)) {
    i++;
  }
  environment->entries[i] = entry;
  environment->count += i == environment->count ? 1 : 0;
}

static void set_number(environment_t* environment, const char* name,
                       uint64_t number) {
  char* own = environment->own[environment->own_count++];
  (void)snprintf(own, OWN_BYTES, "%s=%" PRIu64, name, number);
  set(environment, own);
}

// As torchrun has them, and when the job began. There is one host, so local and
// global are the same.
static void set_rank(environment_t* environment, const weft_run_t* run,
                     uint32_t rank) {
  set_number(environment, "RANK", rank);
  set_number(environment, "LOCAL_RANK", rank);
  set_number(environment, "WORLD_SIZE", run->settings->size);
  set_number(environment, "LOCAL_WORLD_SIZE", run->settings->size);
  if (getenv("MASTER_ADDR") == NULL) {
    char* own = environment->own[environment->own_count++];
    (void)snprintf(own, OWN_BYTES, "MASTER_ADDR=127.0.0.1");
    set(environment, own);
  }
  if (run->port != 0) {
    set_number(environment, "MASTER_PORT", run->port);
  }
  set_number(environment, "WEFT_STARTED_NS", run->started_ns);
}

// A job that this command itself is in is not that of its children.
static bool is_inherited(const char* entry) {
  return strncmp(entry, "WEFT_JOB=", 9) != 0 &&
         strncmp(entry, "WEFT_JOB_FD=", 12) != 0;
}

// Fills it in; false when there is no memory.
static bool fill(environment_t* environment, const weft_run_t* run,
                 uint32_t rank, weft_job_child_t* child) {
  const weft_run_settings_t* settings = run->settings;
  size_t limit = OWN_LIMIT + settings->environment_count + 2;
  for (char** entry = environ; *entry != NULL; entry++) {
    limit++;
  }
  environment->entries = calloc(limit, sizeof(char*));
  if (environment->entries == NULL) {
    return false;
  }
  for (char** entry = environ; *entry != NULL; entry++) {
    if (is_inherited(*entry)) {
      environment->entries[environment->count++] = *entry;
    }
  }
  set_rank(environment, run, rank);
  for (size_t i = 0; i < settings->environment_count; i++) {
    // libuv takes strings that it does not write to as ones that it might.
    set(environment, (char*)(uintptr_t)settings->environment[i]);
  }
  set(environment, child->variable);
  return true;
}

// --- Streams ----------------------------------------------------------------

// What the process gets as its descriptors 0 to 3, and what of it is to be
// closed here.
typedef struct streams {
  uv_stdio_container_t containers[CONTROL_DESCRIPTOR + 1];
  int write_ends[WEFT_RUN_STREAM_COUNT];
} streams_t;

static bool is_prefixed(const weft_run_t* run, uint32_t rank) {
  weft_run_prefix_t prefix = run->settings->prefix;
  return prefix == WEFT_RUN_PREFIX_ALL ||
         (prefix == WEFT_RUN_PREFIX_OTHERS && rank != 0);
}

static void inherit(uv_stdio_container_t* container, int descriptor) {
  container->flags = UV_INHERIT_FD;
  container->data.fd = descriptor;
}

static int open_streams(weft_run_rank_t* rank, int control,
                        streams_t* streams) {
  int error = 0;
  streams->containers[STDIN_FILENO].flags = UV_IGNORE;
  if (rank->rank == 0) {
    inherit(&streams->containers[STDIN_FILENO], STDIN_FILENO);
  }
  for (int i = 0; i < WEFT_RUN_STREAM_COUNT; i++) {
    int descriptor = i == WEFT_RUN_OUT ? STDOUT_FILENO : STDERR_FILENO;
    streams->write_ends[i] = -1;
    if (error == 0 && is_prefixed(rank->run, rank->rank)) {
      error =
          weft_run_open_stream(rank, i, descriptor, &streams->write_ends[i]);
      inherit(&streams->containers[descriptor], streams->write_ends[i]);
    } else {
      inherit(&streams->containers[descriptor], descriptor);
    }
  }
  inherit(&streams->containers[CONTROL_DESCRIPTOR], control);
  return error;
}

static void close_write_ends(const streams_t* streams) {
  for (int i = 0; i < WEFT_RUN_STREAM_COUNT; i++) {
    if (streams->write_ends[i] >= 0) {
      (void)close(streams->write_ends[i]);
    }
  }
}

// --- Starting ---------------------------------------------------------------

static int spawn(weft_run_rank_t* rank, char** environment,
                 uv_stdio_container_t* containers, uv_exit_cb exited) {
  uv_process_options_t options = {
      .exit_cb = exited,
      .file = rank->run->settings->command[0],
      .args = rank->run->settings->command,
      .env = environment,
      // A session of its own: Ctrl-C at the terminal is for this command,
      // which ends the job in order.
      .flags = UV_PROCESS_DETACHED,
      .stdio_count = CONTROL_DESCRIPTOR + 1,
      .stdio = containers,
  };
  rank->process.data = rank;
  int error = uv_spawn(&rank->run->loop, &rank->process, &options);
  if (error != 0) {
    uv_close((uv_handle_t*)&rank->process, NULL);
  }
  return error;
}

static int complain_of_spawn(const weft_run_rank_t* rank, int error) {
  const char* program = rank->run->settings->command[0];
  if (error == UV_ENOENT) {
    weft_cli_complain("'%s' is not found: give a path, or a program on PATH",
                      program);
    return EXIT_NO_PROGRAM;
  }
  if (error == UV_EMFILE || error == UV_ENFILE) {
    weft_cli_complain(
        "rank %u cannot be started: %s; raise the limit of open files "
        "(ulimit -n) to at least %u",
        rank->rank, uv_strerror(error), rank->run->settings->size * 4 + 64);
    return WEFT_CLI_EXHAUSTED;
  }
  if (error == UV_EAGAIN || error == UV_ENOMEM) {
    weft_cli_complain(
        "rank %u cannot be started: %s; use fewer ranks, or raise the limit "
        "of processes (ulimit -u)",
        rank->rank, uv_strerror(error));
    return WEFT_CLI_EXHAUSTED;
  }
  weft_cli_complain("'%s' cannot be run: %s", program, uv_strerror(error));
  return EXIT_CANNOT_RUN;
}

static int start(weft_run_rank_t* rank, weft_job_child_t* child,
                 uv_exit_cb exited) {
  environment_t environment = {.own_count = 0};
  streams_t streams = {.write_ends = {-1, -1}};
  int error = open_streams(rank, child->descriptor, &streams);
  if (error == 0 && !fill(&environment, rank->run, rank->rank, child)) {
    error = UV_ENOMEM;
  }
  if (error == 0) {
    error = spawn(rank, environment.entries, streams.containers, exited);
  }
  close_write_ends(&streams);
  free(environment.entries);
  return error;
}

int weft_run_start_child(weft_run_t* run, uint32_t rank, uv_exit_cb exited) {
  weft_job_child_t child;
  weft_status_t status =
      weft_job_host_child(run->host, rank, CONTROL_DESCRIPTOR, &child);
  if (status != WEFT_OK) {
    return (int)weft_cli_report(status);
  }
  weft_run_rank_t* self = &run->ranks[rank];
  int error = start(self, &child, exited);
  (void)close(child.descriptor);
  if (error != 0) {
    return complain_of_spawn(self, error);
  }
  self->is_running = true;
  run->running_count++;
  weft_job_host_started(run->host, rank, (uint32_t)self->process.pid);
  return 0;
}
