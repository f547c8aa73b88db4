// SPDX-License-Identifier: Apache-2.0

#include "bench/job.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cores.h"
#include "job/client.h"
#include "job/host.h"

// The control socket, in a member.
#define CONTROL_DESCRIPTOR 3

struct weft_bench_job {
  uint32_t size;
  weft_job_host_t* host;
  // Guards the host while its thread runs.
  pthread_mutex_t lock;
  pthread_t server;
  bool is_served;
  // Its end tells the thread to go.
  int stop_pipe[2];
  pid_t* processes;
  weft_runtime_t* runtime;
  weft_bench_cores_t cores;
};

static weft_status_t no_process(const char* what) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no process for a benchmark: %s", what);
}

// --- The host ---------------------------------------------------------------

static void* serve_host(void* user) {
  weft_bench_job_t* job = user;
  struct pollfd wanted[2] = {
      {.fd = weft_job_host_descriptor(job->host), .events = POLLIN},
      {.fd = job->stop_pipe[0], .events = POLLIN},
  };
  while (wanted[1].revents == 0) {
    if (poll(wanted, 2, -1) > 0 && wanted[0].revents != 0) {
      (void)pthread_mutex_lock(&job->lock);
      weft_job_host_process(job->host);
      (void)pthread_mutex_unlock(&job->lock);
    }
  }
  return NULL;
}

static weft_status_t start_host(weft_bench_job_t* job) {
  const weft_job_host_options_t options = {.size = job->size};
  WEFT_RETURN_IF_ERROR(weft_job_host_create(NULL, &options, &job->host));
  if (pipe2(job->stop_pipe, O_CLOEXEC) != 0) {
    return no_process("a pipe");
  }
  job->is_served = pthread_create(&job->server, NULL, serve_host, job) == 0;
  return job->is_served ? WEFT_OK : no_process("a thread");
}

static void stop_host(weft_bench_job_t* job) {
  if (job->is_served) {
    (void)close(job->stop_pipe[1]);
    (void)pthread_join(job->server, NULL);
    (void)close(job->stop_pipe[0]);
  }
  weft_job_host_destroy(job->host);
}

// --- The others -------------------------------------------------------------

static weft_status_t take_place(weft_bench_job_t* job, uint32_t rank,
                                int number, weft_job_child_t* out_child) {
  (void)pthread_mutex_lock(&job->lock);
  weft_status_t status =
      weft_job_host_child(job->host, rank, number, out_child);
  (void)pthread_mutex_unlock(&job->lock);
  return status;
}

static void note_start(weft_bench_job_t* job, uint32_t rank, pid_t process) {
  (void)pthread_mutex_lock(&job->lock);
  weft_job_host_started(job->host, rank, (uint32_t)process);
  (void)pthread_mutex_unlock(&job->lock);
}

// `variable` is "NAME=VALUE".
static void set_variable(char* variable) {
  char* value = strchr(variable, '=');
  if (value != NULL) {
    *value = '\0';
    (void)setenv(variable, value + 1, 1);
    *value = '=';
  }
}

static weft_status_t start_member(weft_bench_job_t* job, uint32_t rank) {
  static char name[] = "weft";
  static char verb[] = WEFT_BENCH_MEMBER_VERB;
  static char* const words[] = {name, verb, NULL};
  // By its name: tools that look at what runs here change what the link means.
  char path[4096] = "";
  if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0) {
    return no_process("its program is not known");
  }
  weft_job_child_t child;
  WEFT_RETURN_IF_ERROR(take_place(job, rank, CONTROL_DESCRIPTOR, &child));
  set_variable(child.variable);
  posix_spawn_file_actions_t actions;
  (void)posix_spawn_file_actions_init(&actions);
  (void)posix_spawn_file_actions_adddup2(&actions, child.descriptor,
                                         CONTROL_DESCRIPTOR);
  int error =
      posix_spawn(&job->processes[rank], path, &actions, NULL, words, environ);
  (void)posix_spawn_file_actions_destroy(&actions);
  (void)close(child.descriptor);
  if (error != 0) {
    job->processes[rank] = 0;
    return no_process(strerror(error));
  }
  note_start(job, rank, job->processes[rank]);
  return WEFT_OK;
}

static void stop_members(weft_bench_job_t* job) {
  (void)pthread_mutex_lock(&job->lock);
  weft_job_host_stop(job->host, WEFT_OK);
  (void)pthread_mutex_unlock(&job->lock);
  for (uint32_t rank = 1; rank < job->size; rank++) {
    if (job->processes[rank] > 0) {
      (void)waitpid(job->processes[rank], NULL, 0);
    }
  }
}

// --- This process -----------------------------------------------------------

static const weft_class_t* const classes[WEFT_BENCH_JOB_CLASSES] = {
    &weft_bench_target_class, &weft_bench_driver_class};

static weft_status_t create_runtime(weft_runtime_t** out_runtime) {
  const weft_runtime_options_t options = {
      .name = "bench",
      .classes = classes,
      .class_count = WEFT_BENCH_JOB_CLASSES,
      .worker_count = 1,
  };
  return weft_runtime_create(&options, out_runtime);
}

// Binds all threads that there are. How many cores a process may use decides
// whether it spins, so a runtime is made first and bound afterwards.
static void bind_threads(bool to_last) {
  DIR* tasks = opendir("/proc/self/task");
  const struct dirent* task;
  while (tasks != NULL && (task = readdir(tasks)) != NULL) {
    long number = strtol(task->d_name, NULL, 10);
    if (number > 0) {
      weft_bench_cores_bind_thread((pid_t)number, to_last);
    }
  }
  if (tasks != NULL) {
    (void)closedir(tasks);
  }
}

static weft_status_t start_self(weft_bench_job_t* job) {
  weft_job_child_t child;
  WEFT_RETURN_IF_ERROR(take_place(job, 0, -1, &child));
  set_variable(child.variable);
  note_start(job, 0, getpid());
  // Takes the descriptor over.
  weft_status_t status = create_runtime(&job->runtime);
  if (status != WEFT_OK) {
    (void)close(child.descriptor);
    return status;
  }
  weft_bench_job_enter(job);
  bind_threads(true);
  weft_bench_job_leave(job);
  return WEFT_OK;
}

// --- Life -------------------------------------------------------------------

static weft_status_t start_all(weft_bench_job_t* job) {
  WEFT_RETURN_IF_ERROR(start_host(job));
  for (uint32_t rank = 1; rank < job->size; rank++) {
    WEFT_RETURN_IF_ERROR(start_member(job, rank));
  }
  return start_self(job);
}

weft_status_t weft_bench_job_start(const weft_bench_job_options_t* options,
                                   weft_bench_job_t** out_job) {
  *out_job = NULL;
  weft_bench_job_t* job = calloc(1, sizeof(*job));
  pid_t* processes = calloc(options->size, sizeof(*processes));
  if (job == NULL || processes == NULL) {
    free(job);
    free(processes);
    return no_process("memory");
  }
  job->size = options->size;
  job->processes = processes;
  (void)pthread_mutex_init(&job->lock, NULL);
  if (options->never_spins) {
    (void)setenv("WEFT_SPIN", "0", 1);
  }
  weft_status_t status = start_all(job);
  (void)unsetenv(WEFT_JOB_VARIABLE_DESCRIPTOR);
  if (options->never_spins) {
    (void)unsetenv("WEFT_SPIN");
  }
  if (status != WEFT_OK) {
    weft_bench_job_end(job);
    return status;
  }
  *out_job = job;
  return WEFT_OK;
}

void weft_bench_job_end(void* user) {
  weft_bench_job_t* job = user;
  if (job == NULL) {
    return;
  }
  weft_runtime_destroy(job->runtime);
  if (job->host != NULL) {
    stop_members(job);
    stop_host(job);
  }
  (void)pthread_mutex_destroy(&job->lock);
  free(job->processes);
  free(job);
}

weft_runtime_t* weft_bench_job_runtime(const weft_bench_job_t* job) {
  return job->runtime;
}

int weft_bench_job_process(const weft_bench_job_t* job, uint32_t rank) {
  return rank == 0 ? getpid() : job->processes[rank];
}

void weft_bench_job_enter(weft_bench_job_t* job) {
  weft_bench_cores_bind(&job->cores, 1);
}

void weft_bench_job_leave(weft_bench_job_t* job) {
  weft_bench_cores_restore(&job->cores);
}

int weft_bench_member_main(void) {
  weft_runtime_t* runtime = NULL;
  weft_status_t status = create_runtime(&runtime);
  if (status == WEFT_OK) {
    bind_threads(false);
    status = weft_runtime_serve(runtime);
  }
  weft_runtime_destroy(runtime);
  bool failed = status != WEFT_OK;
  weft_status_release(status);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
