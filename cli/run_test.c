// SPDX-License-Identifier: Apache-2.0
//
// `weft run` as its users meet it: with small programs of the shell, and with
// this program itself as one that takes its place in the job. The environment
// names the command: WEFT_COMMAND.

#include "cli/run_kit.h"
#include "job/job_kit.h"
#include "weft/weft.h"

// --- This program as a member -----------------------------------------------

static void say(const char* format, ...) WEFT_PRINTF(1, 2);
static void say(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  (void)vprintf(format, arguments);
  va_end(arguments);
  (void)putchar('\n');
  (void)fflush(stdout);
}

// Rank 1 stops itself, and rank 0 has it given up; then it wakes it, or not.
static void stall(job_kit_member_t* member, uint16_t rank, bool wakes) {
  if (rank == 1) {
    job_kit_expect(member, "connected 0.1");
    // From here on it does not listen.
    assert_int_equal(1, write(member->socket, "", 1));
    (void)raise(SIGSTOP);
    return;
  }
  weft_kit_assert_ok(weft_job_client_connect(member->client, 1));
  job_kit_expect(member, "connected 1.1");
  assert_true(weft_local_wait_readable(member->socket, job_kit_deadline_ns()));
  weft_job_client_report_silent(member->client, 1, 1, INT64_C(1000000000));
  job_kit_expect(member, "given up 1.1");
  const char* process = strstr(member->log, "(process ");
  assert_non_null(process);
  if (wakes) {
    (void)kill((pid_t)strtol(process + strlen("(process "), NULL, 10), SIGCONT);
  }
}

// What the program does as a rank: waits until something stands in what it
// has heard, and says that.
static int be_member(const char* what, const char* text) {
  weft_job_client_t* client = NULL;
  weft_status_t status =
      weft_job_client_create(NULL, job_kit_deadline_ns(), &client);
  if (status != WEFT_OK || client == NULL) {
    say("no place");
    return weft_status_report(status);
  }
  const weft_job_place_t* place = weft_job_client_place(client);
  say("place %u of %u in %s", place->rank, place->size, place->name);
  job_kit_member_t member;
  job_kit_listen(&member, client);
  if (strcmp(what, "crash") == 0 && place->rank == 1) {
    (void)kill(getpid(), SIGKILL);
  }
  if (strcmp(what, "sleep") == 0) {
    (void)raise(SIGSTOP);
  }
  if (strcmp(what, "connect") == 0 && place->rank == 0) {
    weft_status_release(weft_job_client_connect(client, 1));
  }
  if (strcmp(what, "stall") == 0 || strcmp(what, "wake") == 0) {
    stall(&member, place->rank, strcmp(what, "wake") == 0);
    text = place->rank == 0 ? text : "ended";
  }
  bool is_done = strcmp(what, "done") == 0 && place->rank == 0;
  if (is_done && place->size > 1) {
    job_kit_expect(&member, "joined 1.1");
  } else if (!is_done && strcmp(what, "leave") != 0) {
    job_kit_expect(&member, text);
    say("heard %s", strstr(member.log, text));
  }
  weft_job_client_leave(client, WEFT_OK);
  job_kit_forget(&member);
  return strcmp(what, "fail") == 0 ? 9 : 0;
}

// --- This program with actors -----------------------------------------------

// Ends its process by a signal; with 0 it answers.
static weft_status_t handle_stumble(weft_context_t* context, void* state,
                                    const weft_value_t* arguments,
                                    weft_value_t* out) {
  (void)context;
  (void)state;
  (void)out;
  if (arguments[0].as.int64 != 0) {
    (void)kill(getpid(), (int)arguments[0].as.int64);
  }
  return WEFT_OK;
}

// Runs until it is cancelled, as the end of the job does.
static weft_status_t handle_stand(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out) {
  weft_promise_t* promise = NULL;
  weft_future_t* future = NULL;
  (void)state;
  (void)arguments;
  WEFT_RETURN_IF_ERROR(
      weft_promise_create(weft_context_runtime(context), &promise, &future));
  say("standing");
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, out);
  weft_promise_release(promise);
  weft_future_release(future);
  return status;
}

static const weft_parameter_t signal_parameter = {"signal", WEFT_KIND_INT64};
static const weft_endpoint_t walker_endpoints[] = {
    {"stumble", handle_stumble, &signal_parameter, 1},
    {"stand", handle_stand, NULL, 0}};
static const weft_class_t walker = {"walker",         1, NULL, NULL,
                                    walker_endpoints, 2};
static const weft_class_t* const classes[] = {&walker};

// Rank 0: an actor of rank 1 handles a message and then dies of a signal.
static weft_status_t lose_rank_1(weft_runtime_t* runtime, void* user) {
  weft_actor_t actor;
  const weft_spawn_options_t there = {.place = 1};
  const weft_value_t signals[] = {weft_int64(0), weft_int64(*(int*)user)};
  WEFT_RETURN_IF_ERROR(
      weft_spawn(runtime, &walker, weft_none(), &there, &actor));
  weft_status_t status = WEFT_OK;
  for (int i = 0; i < 2 && status == WEFT_OK; i++) {
    weft_future_t* reply = NULL;
    status =
        weft_call(runtime, actor, 0, WEFT_ARGUMENTS(signals[i]), NULL, &reply);
    if (status == WEFT_OK) {
      status = weft_future_wait(reply, WEFT_TIME_INFINITE);
    }
    weft_future_release(reply);
  }
  return status;
}

// Rank 0 waits for an actor of rank 1 that never answers.
static weft_status_t wait_for_ever(weft_runtime_t* runtime, void* user) {
  weft_actor_t actor;
  const weft_spawn_options_t there = {.place = 1};
  weft_future_t* reply = NULL;
  (void)user;
  WEFT_RETURN_IF_ERROR(
      weft_spawn(runtime, &walker, weft_none(), &there, &actor));
  WEFT_RETURN_IF_ERROR(weft_call(runtime, actor, 1, NULL, NULL, &reply));
  weft_status_t status = weft_future_wait(reply, WEFT_TIME_INFINITE);
  weft_future_release(reply);
  return status;
}

// Says when its runtime has ended in order.
static int be_patient(void) {
  const weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  int exit_code = weft_runtime_main(&options, wait_for_ever, NULL);
  say("ended with %d", exit_code);
  return exit_code;
}

// What the program does when it is started with a signal's number.
static int be_walker(const char* number) {
  const weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  int signal_number = (int)strtol(number, NULL, 10);
  return weft_runtime_main(&options, lose_rank_1, &signal_number);
}

// --- Programs of the shell --------------------------------------------------

static const char say_variables[] =
    "echo $RANK $LOCAL_RANK $WORLD_SIZE $LOCAL_WORLD_SIZE $MASTER_ADDR; "
    "test $MASTER_PORT -gt 0 && test $WEFT_STARTED_NS -gt 0";
// Rank 1 waits until rank 0 has been reaped, and is still there a while later.
static const char outlive_rank_0[] =
    "if [ $RANK = 0 ]; then exit 0; fi; "
    "while [ $(wc -w </proc/$PPID/task/$PPID/children) -gt 1 ]; do :; done; "
    "for i in 1 2 3 4 5 6 7 8; do sh -c true; done; echo alone";
static const char end_in_order[] =
    "trap 'echo bye; exit 0' TERM; echo ready; "
    "while :; do sleep 0.01; done";
static const char refuse_to_end[] =
    "trap 'echo no' TERM; echo ready; "
    "while :; do sleep 0.01; done";
static const char be_deaf[] =
    "trap '' TERM; echo ready; while :; do sleep 0.01; done";

// --- Ranks and their output -------------------------------------------------

static void every_rank_runs_with_its_variables(void** state) {
  (void)state;
  run_t* run = run_whole(WORDS("-n", "3", "sh", "-c", say_variables));
  assert_exit(run, 0);
  assert_says(run, "0 0 3 3 127.0.0.1\n");
  assert_says(run, "[1] 1 1 3 3 127.0.0.1\n");
  assert_says(run, "[2] 2 2 3 3 127.0.0.1\n");
  assert_string_equal("", run->err_text);
  forget(run);
}

static void variables_can_be_set_for_all(void** state) {
  (void)state;
  assert_run(WORDS("-n", "2", "--env", "A=1", "--env", "B=two words", "--env",
                   "A=3", "--env", "MASTER_PORT=77", "sh", "-c",
                   "echo \"$A $B $MASTER_PORT\""),
             0, "[1] 3 two words 77\n");
  assert_run(WORDS("-n", "2", "--env", "A", "true"), 2, "NAME=VALUE");
}

static void lines_have_their_rank_in_front_as_was_asked(void** state) {
  (void)state;
  run_t* run = run_whole(WORDS("-n", "2", "sh", "-c", "echo a; echo b >&2"));
  assert_string_equal(
      "", strstr(run->out_text, "[0]") == NULL ? "" : run->out_text);
  assert_says(run, "[1] a\n");
  assert_non_null(strstr(run->err_text, "[1] b\n"));
  forget(run);
  run = run_whole(WORDS("-n", "2", "--prefix", "all", "echo", "a"));
  assert_says(run, "[0] a\n");
  assert_says(run, "[1] a\n");
  forget(run);
  run = run_whole(WORDS("-n", "2", "--prefix", "none", "echo", "a"));
  assert_string_equal("a\na\n", run->out_text);
  forget(run);
}

static void a_line_that_does_not_end_is_written_all_the_same(void** state) {
  (void)state;
  assert_run(WORDS("-n", "1", "--prefix", "all", "printf", "a\\n\\nb"), 0,
             "[0] a\n[0] \n[0] b\n");
}

static void a_line_without_end_is_written_in_parts(void** state) {
  (void)state;
  run_t* run = run_whole(
      WORDS("-n", "1", "--prefix", "all", "sh", "-c", "printf '%10000d' 7"));
  assert_exit(run, 0);
  size_t lines = 0;
  size_t longest = 0;
  char* rest = NULL;
  for (char* line = strtok_r(run->out_text, "\n", &rest); line != NULL;
       line = strtok_r(NULL, "\n", &rest)) {
    assert_memory_equal("[0] ", line, 4);
    longest = strlen(line) > longest ? strlen(line) : longest;
    lines++;
  }
  assert_int_equal(3, lines);
  assert_int_equal(4095, longest);
  forget(run);
}

static void rank_0_has_standard_input_and_the_others_none(void** state) {
  (void)state;
  run_t* run = start(WORDS("-n", "2", "sh", "-c", "cat; echo end"));
  assert_int_equal(6, write(run->in, "hello\n", 6));
  finish(run);
  assert_exit(run, 0);
  assert_says(run, "hello\n");
  assert_says(run, "[1] end\n");
  assert_null(strstr(run->out_text, "[1] hello"));
  forget(run);
}

static void output_is_a_pipe_that_can_be_opened(void** state) {
  (void)state;
  assert_run(WORDS("-n", "2", "sh", "-c", "echo hello >/dev/stdout"), 0,
             "[1] hello\n");
}

static void what_a_rank_leaves_behind_is_not_waited_for(void** state) {
  (void)state;
  run_t* run = start(WORDS("-n", "2", "--prefix", "all", "sh", "-c",
                           "sleep 1000 & echo left $!."));
  reap(run);
  assert_exit(run, 0);
  read_until(run, "[0] left ");
  read_until(run, "[1] left ");
  for (int rank = 0; rank < 2; rank++) {
    char text[32];
    (void)snprintf(text, sizeof(text), "[%d] left ", rank);
    long process = strtol(strstr(run->out_text, text) + strlen(text), NULL, 10);
    assert_true(process > 1);
    assert_int_equal(0, kill((pid_t)process, SIGKILL));
  }
  forget(run);
}

// --- How it ends ------------------------------------------------------------

static void it_exits_as_the_first_rank_that_fails(void** state) {
  (void)state;
  run_t* run = run_whole(
      WORDS("-n", "2", "sh", "-c", "if [ $RANK = 1 ]; then exit 3; fi"));
  assert_exit(run, 3);
  assert_non_null(strstr(run->err_text, "weft run: rank 1 (process "));
  assert_non_null(strstr(run->err_text, ") exited with status 3\n"));
  forget(run);
  assert_run(
      WORDS("-n", "2", "sh", "-c", "if [ $RANK = 1 ]; then kill -9 $$; fi"),
      128 + 9, ") was killed by signal 9 (Killed)\n");
}

static void a_rank_that_fails_does_not_end_the_others(void** state) {
  (void)state;
  run_t* run = start(WORDS("-n", "2", "sh", "-c",
                           "if [ $RANK = 1 ]; then exit 3; fi; cat; echo end"));
  read_until(run, "exited with status 3");
  finish(run);
  assert_exit(run, 3);
  assert_says(run, "end\n");
  forget(run);
}

static void a_rank_that_fails_ends_the_job_if_that_was_asked(void** state) {
  (void)state;
  run_t* run = start(WORDS("-n", "3", "--end-on-failure", "sh", "-c",
                           "if [ $RANK = 1 ]; then exit 3; fi; sleep 1000"));
  reap(run);
  assert_exit(run, 3);
  forget(run);
}

static void rank_0_that_fails_ends_the_job(void** state) {
  (void)state;
  run_t* run = start(WORDS("-n", "3", "sh", "-c",
                           "if [ $RANK = 0 ]; then exit 4; fi; sleep 1000"));
  reap(run);
  assert_exit(run, 4);
  forget(run);
}

static void plain_programs_end_by_themselves(void** state) {
  (void)state;
  assert_run(WORDS("-n", "2", "sh", "-c", outlive_rank_0), 0, "[1] alone");
}

static void a_program_that_cannot_be_run_is_told(void** state) {
  (void)state;
  assert_run(WORDS("-n", "2", "no-such-program"), 127,
             "weft run: 'no-such-program' is not found");
  assert_run(WORDS("-n", "2", "/etc/passwd"), 126,
             "weft run: '/etc/passwd' cannot be run: permission denied");
}

static void command_lines_that_are_wrong_are_refused(void** state) {
  (void)state;
  assert_run(WORDS("true"), 2, "-n N is missing");
  assert_run(WORDS("-n", "2"), 2, "no program given");
  assert_run(WORDS("-n", "0", "true"), 2, "1 to 1024");
  assert_run(WORDS("-n", "1025", "true"), 2, "1 to 1024");
  assert_run(WORDS("-n", "1", "--name", "a b", "true"), 2,
             "cannot be the name of a job");
  assert_run(WORDS("--help"), 0, "Usage: weft run");
}

static void options_behind_the_program_are_its_own(void** state) {
  (void)state;
  assert_run(WORDS("-n", "1", "echo", "--help", "-n", "5"), 0, "--help -n 5\n");
  assert_run(WORDS("-n", "1", "--", "echo", "a"), 0, "a\n");
}

static void too_few_descriptors_are_told_with_what_mends_it(void** state) {
  (void)state;
  run_t* run = start_verb(&(setting_t){.files = 40}, "run",
                          WORDS("-n", "64", "sleep", "1000"));
  finish(run);
  assert_exit(run, 7);
  assert_says(run, "ulimit -n");
  forget(run);
}

// --- Signals ----------------------------------------------------------------

static void a_signal_ends_the_job_in_order(void** state) {
  (void)state;
  static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
  for (size_t i = 0; i < 3; i++) {
    run_t* run =
        start(WORDS("-n", "2", "--prefix", "all", "sh", "-c", end_in_order));
    read_until(run, "[0] ready");
    read_until(run, "[1] ready");
    assert_int_equal(0, kill(run->process, numbers[i]));
    finish(run);
    assert_exit(run, 128 + numbers[i]);
    assert_says(run, "[0] bye\n");
    assert_says(run, "[1] bye\n");
    forget(run);
  }
}

static void a_second_signal_ends_it_at_once(void** state) {
  (void)state;
  run_t* run =
      start(WORDS("-n", "1", "--grace", "86400", "sh", "-c", refuse_to_end));
  read_until(run, "ready");
  assert_int_equal(0, kill(run->process, SIGINT));
  read_until(run, "no\n");
  assert_int_equal(0, kill(run->process, SIGINT));
  finish(run);
  assert_exit(run, 130);
  forget(run);
}

// As the kernel has it: 'T' for one that is stopped.
static char state_of(int process) {
  char path[64];
  char line[512] = "";
  (void)snprintf(path, sizeof(path), "/proc/%d/stat", process);
  FILE* file = fopen(path, "re");
  const char* name = file != NULL && fgets(line, sizeof(line), file) != NULL
                         ? strrchr(line, ')')
                         : NULL;
  if (file != NULL) {
    (void)fclose(file);
  }
  return name != NULL ? name[2] : '\0';
}

// Waits until the process of rank 0 is stopped.
static void await_stopped(const run_t* run) {
  char path[64];
  char state = '\0';
  int process = 0;
  (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", run->process,
                 run->process);
  while (state != 'T') {
    FILE* file = fopen(path, "re");
    bool is_read = file != NULL && fscanf(file, "%d", &process) == 1;
    if (file != NULL) {
      (void)fclose(file);
    }
    state = is_read ? state_of(process) : '\0';
    weft_sys_yield();
  }
}

static void those_that_do_not_end_in_time_are_killed(void** state) {
  (void)state;
  run_t* run = start(WORDS("-n", "1", "--grace", "0", "sh", "-c", be_deaf));
  read_until(run, "ready");
  assert_int_equal(0, kill(run->process, SIGTERM));
  finish(run);
  assert_exit(run, 143);
  assert_says(run, "as it did not end when it was told to");
  forget(run);
}

// Rank 1 would stay for ever, and nobody else waits that long.
static void rank_0_does_not_wait_for_one_without_a_runtime(void** state) {
  (void)state;
  char script[4300];
  (void)snprintf(script, sizeof(script),
                 "if [ $RANK = 0 ]; then exec %s leave -; fi; exec sleep 1000",
                 self_path);
  assert_run(WORDS("-n", "2", "--grace", "86400", "sh", "-c", script), 0,
             "place 0 of 2");
}

static void ranks_that_are_stopped_are_woken_to_end(void** state) {
  (void)state;
  static const char stop_and_end[] =
      "trap 'echo woken; exit 0' TERM; kill -STOP $$; "
      "while :; do sleep 0.01; done";
  const char* const kinds[][3] = {{"sh", "-c", stop_and_end},
                                  {self_path, "sleep", "ended"}};
  for (int i = 0; i < 2; i++) {
    run_t* run = start(WORDS("-n", "1", "--grace", "86400", kinds[i][0],
                             kinds[i][1], kinds[i][2]));
    await_stopped(run);
    assert_int_equal(0, kill(run->process, SIGTERM));
    finish(run);
    assert_exit(run, 143);
    assert_says(run, i == 0 ? "woken" : "heard ended");
    forget(run);
  }
}

// --- Members ----------------------------------------------------------------

static void programs_take_their_places(void** state) {
  (void)state;
  run_t* run = run_whole(
      WORDS("-n", "3", "--name", "places", "SELF", "connect", "joined 2.1"));
  (void)run;
  forget(run);
  run = run_whole(
      WORDS("-n", "2", "--name", "places", "SELF", "connect", "connected"));
  assert_exit(run, 0);
  assert_says(run, "place 0 of 2 in places\n");
  assert_says(run, "[1] place 1 of 2 in places\n");
  assert_says(run, "heard connected 1.1");
  assert_says(run, "[1] heard connected 0.1");
  forget(run);
}

static void a_member_that_is_killed_is_told_of(void** state) {
  (void)state;
  run_t* run = run_whole(WORDS("-n", "2", "SELF", "crash", "died 1.1"));
  assert_exit(run, 137);
  assert_says(run, "heard died 1.1 peer died: rank 1 (process ");
  assert_says(run, ") was killed by signal 9 (Killed)");
  forget(run);
}

static void one_that_does_not_answer_is_killed(void** state) {
  (void)state;
  run_t* run =
      run_whole(WORDS("-n", "2", "--grace", "0", "SELF", "stall", "died 1.1"));
  assert_exit(run, 137);
  assert_says(run, "weft run: rank 1 (process ");
  assert_says(run,
              ") was given up: it has not answered rank 0 for 3.0 s, nor "
              "the launcher\n");
  assert_says(run, "was killed by signal 9 (Killed), as it did not end");
  forget(run);
}

static void one_that_wakes_too_late_ends_by_itself_and_has_failed(
    void** state) {
  (void)state;
  run_t* run = run_whole(
      WORDS("-n", "2", "--grace", "86400", "SELF", "wake", "died 1.1"));
  assert_exit(run, 1);
  assert_says(run, "[1] heard ended 0.0 peer died: rank 1 (process ");
  assert_says(run, "weft run: rank 1 (process ");
  forget(run);
}

static void what_a_dead_rank_did_last_is_shown(void** state) {
  (void)state;
  // Not one that a sanitizer deals with.
  static const char* const numbers[] = {"9", "6"};
  for (size_t i = 0; i < 2; i++) {
    run_t* run = run_whole(WORDS("-n", "2", "SELF", "walk", numbers[i]));
    assert_exit(run, 128 + (int)strtol(numbers[i], NULL, 10));
    const char* text = strstr(run->err_text, "weft run: rank 1 (process ");
    assert_non_null(text);
    assert_non_null(strstr(text, "flight recorder of cli-run, rank 1 of 2, "));
    text = strstr(text, " handle stumble actor=");
    assert_non_null(text);
    assert_non_null(strstr(text + 1, " handle stumble actor="));
    forget(run);
  }
}

static void a_rank_that_exits_shows_nothing_more(void** state) {
  (void)state;
  run_t* run = run_whole(WORDS("-n", "2", "SELF", "walk", "0"));
  assert_exit(run, 0);
  assert_null(strstr(run->err_text, "flight recorder"));
  forget(run);
}

static void members_are_told_when_rank_0_is_done(void** state) {
  (void)state;
  assert_run(WORDS("-n", "2", "SELF", "done", "ended"), 0,
             "[1] heard ended 0.0 ok: \n");
}

static void members_are_told_of_a_signal(void** state) {
  (void)state;
  run_t* run =
      start(WORDS("-n", "2", "--prefix", "all", "SELF", "wait", "ended"));
  read_until(run, "[0] place 0 of 2");
  read_until(run, "[1] place 1 of 2");
  assert_int_equal(0, kill(run->process, SIGINT));
  finish(run);
  assert_exit(run, 130);
  assert_says(run,
              "[1] heard ended 0.0 cancelled: the launcher was ended by "
              "Ctrl-C\n");
  forget(run);
}

static void ctrl_c_ends_ranks_that_wait_in_order(void** state) {
  (void)state;
  run_t* run =
      start(WORDS("-n", "2", "--prefix", "all", "SELF", "stand", "still"));
  read_until(run, "[1] standing");
  assert_int_equal(0, kill(run->process, SIGINT));
  finish(run);
  assert_exit(run, 130);
  assert_says(run, "[0] ended with ");
  assert_says(run, "[1] ended with ");
  assert_null(strstr(run->err_text, "killed"));
  forget(run);
}

static void members_end_when_the_launcher_is_killed(void** state) {
  (void)state;
  run_t* run =
      start(WORDS("-n", "2", "--prefix", "none", "SELF", "wait", "ended"));
  read_until(run, "place 0 of 2");
  read_until(run, "place 1 of 2");
  assert_int_equal(0, kill(run->process, SIGKILL));
  // Both say so, and close the streams.
  finish(run);
  const char* text =
      "heard ended 0.0 peer died: the launcher of the job is "
      "gone\n";
  assert_says(run, text);
  assert_non_null(strstr(strstr(run->out_text, text) + 1, text));
  forget(run);
}

static void jobs_nest_without_mixing(void** state) {
  (void)state;
  const char* command = getenv("WEFT_COMMAND");
  run_t* run =
      run_whole(WORDS("-n", "1", "--name", "outer", command, "run", "-n", "2",
                      "--name", "inner", "SELF", "connect", "connected"));
  assert_exit(run, 0);
  assert_says(run, "place 0 of 2 in inner\n");
  assert_says(run, "[1] place 1 of 2 in inner\n");
  forget(run);
}

static void a_script_may_run_one_member_after_another(void** state) {
  (void)state;
  char script[8300];
  (void)snprintf(script, sizeof(script), "%s done x && %s done x", self_path,
                 self_path);
  run_t* run = run_whole(WORDS("-n", "1", "sh", "-c", script));
  assert_exit(run, 0);
  const char* text = "place 0 of 1";
  assert_says(run, text);
  assert_non_null(strstr(strstr(run->out_text, text) + 1, text));
  forget(run);
}

int main(int argc, char** argv) {
  if (argc > 2 && strcmp(argv[1], "walk") == 0) {
    return be_walker(argv[2]);
  }
  if (argc > 2 && strcmp(argv[1], "stand") == 0) {
    return be_patient();
  }
  if (argc > 2) {
    return be_member(argv[1], argv[2]);
  }
  if (!find_self()) {
    return 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_rank_runs_with_its_variables),
      cmocka_unit_test(variables_can_be_set_for_all),
      cmocka_unit_test(lines_have_their_rank_in_front_as_was_asked),
      cmocka_unit_test(a_line_that_does_not_end_is_written_all_the_same),
      cmocka_unit_test(a_line_without_end_is_written_in_parts),
      cmocka_unit_test(rank_0_has_standard_input_and_the_others_none),
      cmocka_unit_test(output_is_a_pipe_that_can_be_opened),
      cmocka_unit_test(what_a_rank_leaves_behind_is_not_waited_for),
      cmocka_unit_test(it_exits_as_the_first_rank_that_fails),
      cmocka_unit_test(a_rank_that_fails_does_not_end_the_others),
      cmocka_unit_test(a_rank_that_fails_ends_the_job_if_that_was_asked),
      cmocka_unit_test(rank_0_that_fails_ends_the_job),
      cmocka_unit_test(plain_programs_end_by_themselves),
      cmocka_unit_test(a_program_that_cannot_be_run_is_told),
      cmocka_unit_test(command_lines_that_are_wrong_are_refused),
      cmocka_unit_test(options_behind_the_program_are_its_own),
      cmocka_unit_test(too_few_descriptors_are_told_with_what_mends_it),
      cmocka_unit_test(a_signal_ends_the_job_in_order),
      cmocka_unit_test(a_second_signal_ends_it_at_once),
      cmocka_unit_test(those_that_do_not_end_in_time_are_killed),
      cmocka_unit_test(rank_0_does_not_wait_for_one_without_a_runtime),
      cmocka_unit_test(ranks_that_are_stopped_are_woken_to_end),
      cmocka_unit_test(programs_take_their_places),
      cmocka_unit_test(a_member_that_is_killed_is_told_of),
      cmocka_unit_test(one_that_does_not_answer_is_killed),
      cmocka_unit_test(one_that_wakes_too_late_ends_by_itself_and_has_failed),
      cmocka_unit_test(what_a_dead_rank_did_last_is_shown),
      cmocka_unit_test(a_rank_that_exits_shows_nothing_more),
      cmocka_unit_test(members_are_told_when_rank_0_is_done),
      cmocka_unit_test(members_are_told_of_a_signal),
      cmocka_unit_test(ctrl_c_ends_ranks_that_wait_in_order),
      cmocka_unit_test(members_end_when_the_launcher_is_killed),
      cmocka_unit_test(jobs_nest_without_mixing),
      cmocka_unit_test(a_script_may_run_one_member_after_another),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
