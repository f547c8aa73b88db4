// SPDX-License-Identifier: Apache-2.0
//
// weft run -n N PROGRAM [ARGUMENT...]

#include "cli/run.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
  RUN_RANKS,
  RUN_ENV,
  RUN_NAME,
  RUN_GRACE,
  RUN_PREFIX,
  RUN_ENDS,
  RUN_COUNT
};

#define RANK_LIMIT 1024
#define GRACE_DEFAULT_S 10
#define GRACE_LIMIT_S 86400
// What a shell exits with for a process that a signal ended.
#define SIGNAL_EXIT_BASE 128
// Descriptors that the launcher needs for a rank (its control socket, two
// pipes, its flight recorder), and for itself.
#define DESCRIPTORS_A_RANK 4
#define DESCRIPTORS_OWN 64

static const char* const prefix_choices[] = {
    [WEFT_RUN_PREFIX_OTHERS] = "others",
    [WEFT_RUN_PREFIX_ALL] = "all",
    [WEFT_RUN_PREFIX_NONE] = "none",
    NULL,
};

static const weft_cli_option_t options[RUN_COUNT] = {
    [RUN_RANKS] = {"ranks", 'n', WEFT_CLI_NUMBER, "N",
                   "start N processes: ranks 0 to N-1", 1, RANK_LIMIT, NULL},
    [RUN_ENV] = {"env", 0, WEFT_CLI_TEXTS, "NAME=VALUE",
                 "set a variable for all of them; may be repeated", 0, 0, NULL},
    [RUN_NAME] = {"name", 0, WEFT_CLI_TEXT, "NAME",
                  "a name for the job, to find and join it by", 0, 0, NULL},
    [RUN_GRACE] = {"grace", 0, WEFT_CLI_NUMBER, "SECONDS",
                   "how long ranks may take to end before they are killed (10)",
                   0, GRACE_LIMIT_S, NULL},
    [RUN_PREFIX] = {"prefix", 0, WEFT_CLI_CHOICE, "WHOSE",
                    "whose lines begin with \"[RANK] \": others (all but rank "
                    "0), all, none",
                    0, 0, prefix_choices},
    [RUN_ENDS] = {"end-on-failure", 0, WEFT_CLI_FLAG, NULL,
                  "end the job when any rank fails, not only rank 0", 0, 0,
                  NULL},
};

// --- The end ----------------------------------------------------------------

// A signal for a rank and for what it has started: they are of one session.
static void signal_rank(const weft_run_rank_t* rank, int number) {
  if (rank->is_running) {
    (void)uv_kill(-rank->process.pid, number);
  }
}

static void kill_all(weft_run_t* run) {
  for (uint32_t i = 0; i < run->settings->size; i++) {
    run->ranks[i].was_killed = run->ranks[i].is_running;
    signal_rank(&run->ranks[i], SIGKILL);
  }
}

static void on_grace(uv_timer_t* timer) {
  kill_all(timer->data);
}

// Tells those that would not hear it from the host.
static void tell_deaf(weft_run_t* run, bool spares_finished) {
  for (uint32_t i = 0; i < run->settings->size; i++) {
    weft_job_state_t state = weft_job_host_figures(run->host, i).state;
    bool is_finished = state == WEFT_JOB_LEFT && spares_finished;
    if (run->ranks[i].is_running && state != WEFT_JOB_ACTIVE && !is_finished) {
      run->ranks[i].was_told = true;
      signal_rank(&run->ranks[i], SIGTERM);
    }
  }
}

static bool is_stopped(const weft_run_rank_t* rank) {
  siginfo_t info = {.si_pid = 0};
  // What is learned stays to be learned.
  return rank->is_running &&
         waitid(P_PID, (id_t)rank->process.pid, &info,
                WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid != 0;
}

// One that is stopped could not do what it was told, and would be waited for.
// No other gets the signal: it would take back the stop with which a debugger
// or a leak checker begins, which then waits for ever.
static void wake_stopped(const weft_run_t* run) {
  for (uint32_t i = 0; i < run->settings->size; i++) {
    if (is_stopped(&run->ranks[i])) {
      signal_rank(&run->ranks[i], SIGCONT);
    }
  }
}

// Ends the job in order. Owns: takes `reason` over.
static void stop(weft_run_t* run, weft_status_t reason, bool spares_finished) {
  weft_job_host_stop(run->host, reason);
  run->is_stopping = true;
  tell_deaf(run, spares_finished);
  wake_stopped(run);
  (void)uv_timer_start(&run->grace, on_grace, run->settings->grace_s * 1000, 0);
}

static void on_signal(uv_signal_t* handle, int number) {
  weft_run_t* run = handle->data;
  if (run->stop_signal == 0) {
    run->stop_signal = number;
    run->exit_code = SIGNAL_EXIT_BASE + number;
  }
  if (run->is_stopping) {
    kill_all(run);
    return;
  }
  stop(run,
       weft_status_make(WEFT_STATUS_CANCELLED, "the launcher was ended by %s",
                        number == SIGINT    ? "Ctrl-C"
                        : number == SIGTERM ? "SIGTERM"
                                            : "SIGHUP"),
       false);
}

static void on_handle(uv_handle_t* handle, void* user) {
  (void)user;
  if (!uv_is_closing(handle)) {
    uv_close(handle, NULL);
  }
}

// All ranks have ended. What they started may still hold their pipes, and is
// not waited for.
static void finish(weft_run_t* run) {
  for (uint32_t i = 0; i < run->settings->size; i++) {
    for (int j = 0; j < WEFT_RUN_STREAM_COUNT; j++) {
      weft_run_drain_stream(&run->ranks[i].streams[j]);
      weft_run_close_stream(&run->ranks[i].streams[j]);
    }
  }
  uv_walk(&run->loop, on_handle, NULL);
}

// --- A rank does not answer -------------------------------------------------

static void on_fence(uv_timer_t* timer) {
  weft_run_rank_t* rank = timer->data;
  rank->was_killed = rank->is_running;
  signal_rank(rank, SIGKILL);
}

// The others have lost it. It ends by itself if it wakes, and else by force:
// nothing else ends a process that is stopped.
static void fence(weft_run_t* run, weft_run_rank_t* rank, const char* how) {
  rank->was_given_up = true;
  weft_cli_complain("%s", how);
  (void)uv_timer_init(&run->loop, &rank->fence);
  rank->fence.data = rank;
  (void)uv_timer_start(&rank->fence, on_fence, run->settings->grace_s * 1000,
                       0);
}

static void fence_those_given_up(weft_run_t* run) {
  for (uint32_t i = 0; i < run->settings->size; i++) {
    weft_run_rank_t* rank = &run->ranks[i];
    weft_job_figures_t figures = weft_job_host_figures(run->host, i);
    if (figures.state == WEFT_JOB_GIVEN_UP && rank->is_running &&
        !rank->was_given_up) {
      fence(run, rank, figures.how);
    }
  }
}

// --- A rank ends ------------------------------------------------------------

// Of a process that ended well, too, if the job had to go on without it.
static int exit_code_of(const weft_run_rank_t* rank,
                        const weft_job_ending_t* ending) {
  if (rank->was_given_up && ending->signal_number == 0 &&
      ending->exit_status == 0) {
    return WEFT_CLI_FAILED;
  }
  return ending->signal_number != 0 ? SIGNAL_EXIT_BASE + ending->signal_number
                                    : ending->exit_status;
}

// Events of each thread of a dead rank that are shown.
#define EVENTS_SHOWN 20

// What the threads of a rank did last, before a signal ended it.
static void show_flight(weft_run_t* run, uint32_t rank) {
  int flight = weft_job_host_take_flight(run->host, rank);
  if (flight < 0) {
    return;
  }
  weft_status_t status = weft_flight_show(flight, EVENTS_SHOWN, STDERR_FILENO);
  if (status != WEFT_OK) {
    weft_cli_complain("rank %u: %s", rank, weft_status_message(status));
    weft_status_release(status);
  }
}

// Says how it failed; what was done to it on purpose is no failure.
static void report(weft_run_t* run, const weft_run_rank_t* rank,
                   const weft_job_ending_t* ending) {
  char text[128];
  weft_job_host_describe(run->host, rank->rank, ending, text, sizeof(text));
  if (rank->was_killed && ending->signal_number == SIGKILL) {
    weft_cli_complain("%s, as it did not end when it was told to", text);
  } else if (rank->was_told || run->stop_signal != 0) {
    return;
  } else {
    weft_cli_complain("%s", text);
  }
  if (ending->signal_number != 0 && run->stop_signal == 0) {
    show_flight(run, rank->rank);
  }
  if (run->exit_code == 0) {
    run->exit_code = exit_code_of(rank, ending);
  }
}

// What the other ranks are told. How it failed was reported above: they are to
// end quietly.
static weft_status_t ended_by(const char* text) {
  return weft_status_make(WEFT_STATUS_CANCELLED, "the job ends: %s", text);
}

static void rank_0_ended(weft_run_t* run, const weft_job_ending_t* ending) {
  bool failed = exit_code_of(&run->ranks[0], ending) != 0;
  bool was_member = weft_job_host_figures(run->host, 0).incarnation > 0;
  weft_status_t reason = WEFT_OK;
  if (failed) {
    char text[128];
    weft_job_host_describe(run->host, 0, ending, text, sizeof(text));
    reason = ended_by(text);
  }
  if (run->is_stopping || failed || was_member) {
    stop(run, reason, true);
  } else {
    // A program without a runtime: the others may be the like, and end by
    // themselves.
    weft_job_host_stop(run->host, reason);
  }
}

static void on_exit_of(uv_process_t* process, int64_t exit_status,
                       int signal_number) {
  weft_run_rank_t* rank = process->data;
  weft_run_t* run = rank->run;
  weft_job_ending_t ending = {(int)exit_status, signal_number};
  rank->is_running = false;
  run->running_count--;
  uv_close((uv_handle_t*)process, NULL);
  for (int i = 0; i < WEFT_RUN_STREAM_COUNT; i++) {
    weft_run_drain_stream(&rank->streams[i]);
  }
  weft_job_host_ended(run->host, rank->rank, &ending);
  bool failed = exit_code_of(rank, &ending) != 0;
  if (rank->was_given_up) {
    (void)uv_timer_stop(&rank->fence);
  }
  if (failed) {
    report(run, rank, &ending);
  }
  if (rank->rank == 0) {
    rank_0_ended(run, &ending);
  } else if (failed && run->settings->ends_on_failure && !run->is_stopping) {
    char text[128];
    weft_job_host_describe(run->host, rank->rank, &ending, text, sizeof(text));
    stop(run, ended_by(text), true);
  }
  if (run->running_count == 0) {
    finish(run);
  }
}

// --- Running ----------------------------------------------------------------

static void on_host(uv_poll_t* handle, int status, int events) {
  (void)status;
  (void)events;
  weft_run_t* run = handle->data;
  weft_job_host_process(run->host);
  fence_those_given_up(run);
}

// Programs that a job starts inherit the limit, which they need, too: each
// rank has some descriptors for every other.
static void raise_descriptor_limit(uint32_t size) {
  struct rlimit limit;
  rlim_t wanted = (rlim_t)size * DESCRIPTORS_A_RANK + DESCRIPTORS_OWN;
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < wanted) {
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
  }
}

static int watch(weft_run_t* run) {
  static const int numbers[WEFT_RUN_SIGNAL_COUNT] = {SIGINT, SIGTERM, SIGHUP};
  int error = uv_poll_init(&run->loop, &run->host_poll,
                           weft_job_host_descriptor(run->host));
  run->host_poll.data = run;
  if (error == 0) {
    error = uv_poll_start(&run->host_poll, UV_READABLE, on_host);
  }
  if (error == 0) {
    error = uv_timer_init(&run->loop, &run->grace);
    run->grace.data = run;
  }
  for (int i = 0; i < WEFT_RUN_SIGNAL_COUNT && error == 0; i++) {
    error = uv_signal_init(&run->loop, &run->signals[i]);
    run->signals[i].data = run;
    if (error == 0) {
      error = uv_signal_start(&run->signals[i], on_signal, numbers[i]);
    }
  }
  return error;
}

static void start_all(weft_run_t* run) {
  int failure = 0;
  for (uint32_t i = 0; i < run->settings->size && failure == 0; i++) {
    run->ranks[i].run = run;
    run->ranks[i].rank = i;
    failure = weft_run_start_child(run, i, on_exit_of);
  }
  if (failure != 0) {
    run->exit_code = failure;
    run->is_stopping = true;
    // Those that run cannot do without the others.
    for (uint32_t i = 0; i < run->settings->size; i++) {
      run->ranks[i].was_told = true;
      signal_rank(&run->ranks[i], SIGKILL);
    }
  }
  if (run->running_count == 0) {
    finish(run);
  }
}

static int run_loop(weft_run_t* run) {
  int error = uv_loop_init(&run->loop);
  if (error != 0) {
    weft_cli_complain("no event loop: %s", uv_strerror(error));
    return WEFT_CLI_EXHAUSTED;
  }
  error = watch(run);
  if (error == 0) {
    // Nothing has happened yet. But a thread's first wait in the kernel is
    // where the ThreadSanitizer of gcc 12 can lose a signal, and from the start
    // of a rank on each one counts.
    (void)uv_run(&run->loop, UV_RUN_NOWAIT);
    start_all(run);
  } else {
    weft_cli_complain("cannot watch over a job: %s", uv_strerror(error));
    run->exit_code = WEFT_CLI_EXHAUSTED;
    finish(run);
  }
  (void)uv_run(&run->loop, UV_RUN_DEFAULT);
  (void)uv_loop_close(&run->loop);
  return run->exit_code;
}

static int run_job(const weft_run_settings_t* settings) {
  raise_descriptor_limit(settings->size);
  weft_run_t run = {.settings = settings, .started_ns = uv_hrtime()};
  weft_job_host_options_t host_options = {
      .size = settings->size,
      .name = settings->name,
  };
  weft_status_t status = weft_job_host_create(NULL, &host_options, &run.host);
  if (status != WEFT_OK) {
    return (int)weft_cli_report(status);
  }
  run.port = getenv("MASTER_PORT") == NULL ? weft_run_free_port() : 0;
  run.ranks = calloc(settings->size, sizeof(run.ranks[0]));
  int exit_code = WEFT_CLI_EXHAUSTED;
  if (run.ranks != NULL) {
    exit_code = run_loop(&run);
  } else {
    weft_cli_complain("no memory for %u ranks", settings->size);
  }
  free(run.ranks);
  weft_job_host_destroy(run.host);
  return exit_code;
}

// --- The command line -------------------------------------------------------

static bool check_environment(const weft_cli_value_t* value) {
  for (size_t i = 0; i < value->text_count; i++) {
    const char* equals = strchr(value->texts[i], '=');
    if (equals == NULL || equals == value->texts[i]) {
      weft_cli_complain("--env '%s' is not of the form NAME=VALUE",
                        value->texts[i]);
      return false;
    }
  }
  return true;
}

static weft_cli_exit_t run_run(const weft_cli_call_t* call) {
  const weft_cli_value_t* values = call->values;
  if (!values[RUN_RANKS].is_set || call->argument_count == 0) {
    weft_cli_complain(values[RUN_RANKS].is_set
                          ? "no program given; try 'weft run --help'"
                          : "-n N is missing: how many processes to start; "
                            "try 'weft run --help'");
    return WEFT_CLI_USAGE;
  }
  if (!check_environment(&values[RUN_ENV])) {
    return WEFT_CLI_USAGE;
  }
  const weft_cli_value_t* grace = &values[RUN_GRACE];
  weft_run_settings_t settings = {
      .size = (uint32_t)values[RUN_RANKS].number,
      .name = values[RUN_NAME].text,
      .environment = values[RUN_ENV].texts,
      .environment_count = values[RUN_ENV].text_count,
      .grace_s = grace->is_set ? grace->number : GRACE_DEFAULT_S,
      .prefix = (weft_run_prefix_t)values[RUN_PREFIX].number,
      .ends_on_failure = values[RUN_ENDS].is_set,
      .command = call->arguments,
  };
  return (weft_cli_exit_t)run_job(&settings);
}

const weft_cli_verb_t weft_cli_run = {
    .name = "run",
    .summary = "run a program as several processes of one job",
    .operands = "PROGRAM [ARGUMENT...]",
    .operand_limit = SIZE_MAX,
    .stop_at_operand = true,
    .description =
        "Starts N processes of a program. Their runtimes find each other: "
        "each\n"
        "has a rank from 0, and the environment variables RANK, WORLD_SIZE,\n"
        "LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT as other\n"
        "launchers set them. Rank 0 has standard input and writes directly to\n"
        "standard output and error; lines of the others begin with their "
        "rank.\n"
        "\n"
        "The job ends when rank 0 does. Ctrl-C, SIGTERM or SIGHUP ends it in\n"
        "order, a second one at once. A rank that fails is told of to the\n"
        "others, and rank 0 decides what to do.\n"
        "\n"
        "At the end ranks are told by their runtimes, those without one by\n"
        "SIGTERM; those that are stopped are woken by SIGCONT. Who has not "
        "ended\n"
        "after the grace is killed. If rank 0 had no runtime and did not "
        "fail,\n"
        "the others are taken for the like, and waited for as long as they "
        "run.\n"
        "\n"
        "Exits with 0 if all ranks did, else as the first that failed: 128\n"
        "more than the signal if one ended it. 127: no such program; 126: it\n"
        "cannot be run; 130 after Ctrl-C, 143 after SIGTERM.",
    .options = options,
    .option_count = RUN_COUNT,
    .run = run_run,
};
