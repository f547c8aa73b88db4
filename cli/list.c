// SPDX-License-Identifier: Apache-2.0
//
// weft list [JOB]: the jobs of this user on this host, and what the ranks of
// one have and do. It joins the job for a moment, asks, and leaves.

#include "cli/list.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

enum { LIST_JSON, LIST_TIMEOUT, LIST_COUNT };

#define TIMEOUT_DEFAULT_S 2
#define TIMEOUT_LIMIT_S 3600

static const weft_cli_option_t options[LIST_COUNT] = {
    [LIST_JSON] = {"json", 0, WEFT_CLI_FLAG, NULL, "one JSON object", 0, 0,
                   NULL},
    [LIST_TIMEOUT] = {"timeout", 0, WEFT_CLI_NUMBER, "SECONDS",
                      "how long a rank has to answer (2)", 1, TIMEOUT_LIMIT_S,
                      NULL},
};

// --- Jobs -------------------------------------------------------------------

// What a process was started with, with blanks between the words.
static void read_command(uint32_t process, char* text, size_t capacity) {
  char path[64];
  text[0] = '\0';
  (void)snprintf(path, sizeof(path), "/proc/%" PRIu32 "/cmdline", process);
  FILE* file = fopen(path, "re");
  if (file == NULL) {
    return;
  }
  size_t length = fread(text, 1, capacity - 1, file);
  (void)fclose(file);
  while (length > 0 && text[length - 1] == '\0') {
    length--;
  }
  text[length] = '\0';
  for (size_t i = 0; i < length; i++) {
    text[i] = text[i] == '\0' ? ' ' : text[i];
  }
  weft_list_clean(text);
}

// Whether it is this user's, as the kernel says; anybody can take the name.
static bool look_at_job(const weft_job_found_t* found, weft_list_job_t* job) {
  int socket = -1;
  weft_local_peer_t launcher = {0};
  weft_status_t status = weft_local_connect(found->address, &socket);
  bool is_ours = status == WEFT_OK && weft_local_peer(socket, &launcher) &&
                 launcher.user_id == geteuid();
  weft_status_release(status);
  if (socket >= 0) {
    (void)close(socket);
  }
  *job = (weft_list_job_t){.found = *found, .process = launcher.process_id};
  if (is_ours) {
    read_command(job->process, job->command, sizeof(job->command));
  }
  return is_ours;
}

static bool add_job(void* user, const weft_job_found_t* found) {
  weft_list_jobs_t* jobs = user;
  if (jobs->count < WEFT_LIST_JOB_LIMIT &&
      look_at_job(found, &jobs->jobs[jobs->count])) {
    jobs->count++;
  }
  return jobs->count < WEFT_LIST_JOB_LIMIT;
}

static weft_cli_exit_t list_jobs(const weft_cli_call_t* call,
                                 const weft_list_jobs_t* jobs) {
  if (call->values[LIST_JSON].is_set) {
    return weft_list_write(weft_list_jobs_json(jobs));
  }
  if (jobs->count == 0 && !call->quiet) {
    weft_cli_complain("no job of this user runs on this host");
  }
  if (jobs->count > 0) {
    (void)printf("%-16s  %-20s  %8s  %s\n", "JOB", "NAME", "PROCESS",
                 "COMMAND");
  }
  for (size_t i = 0; i < jobs->count; i++) {
    const weft_list_job_t* job = &jobs->jobs[i];
    (void)printf("%016" PRIx64 "  %-20s  %8" PRIu32 "  %s\n", job->found.id,
                 job->found.name, job->process, job->command);
  }
  return WEFT_CLI_OK;
}

// --- The ranks of a job -----------------------------------------------------

// A runtime that is a member of the job.
static weft_status_t join(const weft_list_t* list, weft_runtime_t** out) {
  char id[32];
  const weft_runtime_options_t runtime_options = {
      .name = "weft list",
      .worker_count = 1,
      // Each rank may keep one waiting that asks it.
      .spare_thread_limit = WEFT_LIST_RANK_LIMIT,
      // Of questions that cannot even be asked.
      .default_timeout_ns = list->timeout_ns,
  };
  (void)snprintf(id, sizeof(id), "%016" PRIx64, list->found.id);
  *out = NULL;
  // Whoever runs this in a job has a place there, which is not for this, and
  // its trace file is not this one's.
  if (setenv(WEFT_JOB_VARIABLE_JOIN, id, 1) != 0 ||
      unsetenv(WEFT_JOB_VARIABLE_DESCRIPTOR) != 0 ||
      unsetenv("WEFT_TRACE") != 0) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the environment");
  }
  return weft_runtime_create(&runtime_options, out);
}

// Asks one rank. Waits for one that has made no runtime so far.
static weft_status_t ask_rank(weft_runtime_t* runtime, void* user,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  int64_t rank = 0;
  weft_future_t* report = NULL;
  (void)user;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &rank));
  WEFT_RETURN_IF_ERROR(weft_runtime_report(runtime, (uint32_t)rank, &report));
  weft_status_t status =
      weft_future_get(report, WEFT_TIME_INFINITE, out_result);
  weft_future_release(report);
  return status;
}

static const weft_parameter_t rank_parameter = {"rank", WEFT_KIND_INT64};
static const weft_function_t ask_function = {
    .name = "ask",
    .run = ask_rank,
    .parameters = &rank_parameter,
    .parameter_count = 1,
};

static void ask(weft_list_t* list, weft_runtime_t* runtime, uint32_t rank) {
  weft_list_rank_t* entry = &list->ranks[list->rank_count++];
  *entry = (weft_list_rank_t){.rank = rank};
  entry->status =
      weft_async_run(runtime, NULL, &ask_function,
                     WEFT_ARGUMENTS(weft_int64(rank)), &entry->future);
}

static int64_t number_of(weft_value_t report, const char* key) {
  weft_value_t value = weft_none();
  int64_t number = 0;
  weft_status_release(weft_map_get(report, key, &value));
  weft_status_release(weft_value_as_int64(value, &number));
  return number;
}

// Takes the answers that have not been taken, and says how many ranks there
// have been, as far as they know.
static uint32_t take_answers(weft_list_t* list, weft_runtime_t* runtime,
                             size_t first) {
  int64_t deadline_ns = weft_deadline_after(runtime, list->timeout_ns);
  uint32_t limit = 0;
  for (size_t i = first; i < list->rank_count; i++) {
    weft_list_rank_t* entry = &list->ranks[i];
    if (entry->status == WEFT_OK) {
      entry->status =
          weft_future_get(entry->future, deadline_ns, &entry->report);
    }
    int64_t told = number_of(entry->report, "rank_limit");
    if (told > limit && told <= WEFT_LIST_RANK_LIMIT) {
      limit = (uint32_t)told;
    }
  }
  return limit;
}

// Those that have joined, and are still there.
static void ask_joined(weft_list_t* list, weft_runtime_t* runtime,
                       uint32_t limit) {
  size_t first = list->rank_count;
  for (uint32_t rank = list->size; rank < limit; rank++) {
    if (rank != weft_runtime_rank(runtime)) {
      ask(list, runtime, rank);
    }
  }
  (void)take_answers(list, runtime, first);
  size_t kept = first;
  for (size_t i = first; i < list->rank_count; i++) {
    weft_list_rank_t entry = list->ranks[i];
    weft_status_code_t code = weft_status_code(entry.status);
    if (code == WEFT_STATUS_OK || code == WEFT_STATUS_DEADLINE_EXCEEDED) {
      list->ranks[kept++] = entry;
    } else {
      weft_list_rank_deinit(&entry);
    }
  }
  list->rank_count = kept;
}

static weft_status_t ask_all(weft_list_t* list, weft_runtime_t* runtime) {
  list->size = weft_runtime_size(runtime);
  list->ranks = calloc(WEFT_LIST_RANK_LIMIT, sizeof(list->ranks[0]));
  if (list->ranks == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for %" PRIu32 " ranks", list->size);
  }
  for (uint32_t rank = 0; rank < list->size; rank++) {
    ask(list, runtime, rank);
  }
  ask_joined(list, runtime, take_answers(list, runtime, 0));
  return WEFT_OK;
}

// A rank that is gone, or has left, is no failure of this command.
static weft_cli_exit_t exit_of(const weft_list_t* list) {
  for (size_t i = 0; i < list->rank_count; i++) {
    if (weft_status_code(list->ranks[i].status) ==
        WEFT_STATUS_DEADLINE_EXCEEDED) {
      return WEFT_CLI_TIMEOUT;
    }
  }
  return WEFT_CLI_OK;
}

static weft_cli_exit_t show(const weft_cli_call_t* call,
                            const weft_list_t* list) {
  weft_cli_exit_t written = WEFT_CLI_OK;
  if (call->values[LIST_JSON].is_set) {
    written = weft_list_write(weft_list_json(list));
  } else {
    weft_list_print(list, call->color);
  }
  return written == WEFT_CLI_OK ? exit_of(list) : written;
}

static weft_cli_exit_t list_ranks(const weft_cli_call_t* call,
                                  const weft_job_found_t* found) {
  const weft_cli_value_t* timeout = &call->values[LIST_TIMEOUT];
  weft_list_t list = {
      .found = *found,
      .timeout_ns =
          (int64_t)(timeout->is_set ? timeout->number : TIMEOUT_DEFAULT_S) *
          1000000000,
  };
  weft_runtime_t* runtime = NULL;
  weft_status_t status = join(&list, &runtime);
  if (status == WEFT_OK) {
    status = ask_all(&list, runtime);
  }
  weft_cli_exit_t exit_code =
      status == WEFT_OK ? show(call, &list) : weft_cli_report(status);
  for (size_t i = 0; i < list.rank_count; i++) {
    weft_list_rank_deinit(&list.ranks[i]);
  }
  free(list.ranks);
  weft_runtime_destroy(runtime);
  return exit_code;
}

// --- The verb ---------------------------------------------------------------

static weft_cli_exit_t run_list(const weft_cli_call_t* call) {
  if (call->argument_count > 0) {
    weft_job_found_t found;
    weft_status_t status = weft_job_find(call->arguments[0], &found);
    return status == WEFT_OK ? list_ranks(call, &found)
                             : weft_cli_report(status);
  }
  weft_list_jobs_t* jobs = calloc(1, sizeof(*jobs));
  if (jobs == NULL) {
    weft_cli_complain("no memory for a list of jobs");
    return WEFT_CLI_EXHAUSTED;
  }
  weft_status_t status = weft_job_find_all(add_job, jobs);
  weft_cli_exit_t exit_code;
  if (status != WEFT_OK) {
    exit_code = weft_cli_report(status);
  } else if (jobs->count == 1) {
    exit_code = list_ranks(call, &jobs->jobs[0].found);
  } else {
    exit_code = list_jobs(call, jobs);
  }
  free(jobs);
  return exit_code;
}

const weft_cli_verb_t weft_cli_list = {
    .name = "list",
    .summary = "show running jobs, their ranks, actors and who waits for what",
    .operands = "[JOB]",
    .operand_limit = 1,
    .description =
        "Shows what the ranks of a running job of this user have and do: "
        "their\n"
        "actors, how many messages each has to deal with, what it runs, what "
        "it\n"
        "waits for and for how long. JOB is the id or the name of the job; "
        "it\n"
        "may be left out when one runs. When several do, they are listed.\n"
        "MAILBOX counts messages, from wherever they came.\n"
        "\n"
        "It joins the job for a moment and asks every rank. One that is "
        "stopped\n"
        "does not answer; then this ends with 6.",
    .options = options,
    .option_count = LIST_COUNT,
    .run = run_list,
};
