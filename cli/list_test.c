// SPDX-License-Identifier: Apache-2.0
//
// `weft list` looks at jobs of this program. The environment names the
// command: WEFT_COMMAND.

#include <jansson.h>

#include "cli/run_kit.h"
#include "weft/weft.h"

// --- This program as a rank -------------------------------------------------

enum { HOLD, ASK };

// What rank 0's first clerk has not answered; its own.
static weft_promise_t* held[8];
static size_t held_count;

// Answers when the job ends.
static weft_status_t handle_hold(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out) {
  (void)state;
  (void)arguments;
  (void)out;
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &held[held_count]));
  held_count++;
  if (held_count == 2) {
    (void)puts("ready");
    (void)fflush(stdout);
  }
  return WEFT_OK;
}

// Waits for another clerk.
static weft_status_t handle_ask(weft_context_t* context, void* state,
                                const weft_value_t* arguments,
                                weft_value_t* out) {
  weft_runtime_t* runtime = weft_context_runtime(context);
  weft_actor_t other;
  weft_future_t* reply = NULL;
  (void)state;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &other));
  WEFT_RETURN_IF_ERROR(weft_call(runtime, other, HOLD, NULL, NULL, &reply));
  weft_status_t status = weft_future_get(reply, WEFT_TIME_INFINITE, out);
  weft_future_release(reply);
  return status;
}

static const weft_parameter_t other_parameter = {"other", WEFT_KIND_ACTOR};
static const weft_endpoint_t endpoints[] = {
    [HOLD] = {"hold", handle_hold, NULL, 0},
    [ASK] = {"ask", handle_ask, &other_parameter, 1}};
static const weft_class_t clerk = {"clerk", 1, NULL, NULL, endpoints, 2};
static const weft_class_t* const classes[] = {&clerk};

static weft_status_t spawn_clerk(weft_runtime_t* runtime, uint32_t place,
                                 weft_actor_t* out_actor) {
  const weft_spawn_options_t options = {.place = place};
  return weft_spawn(runtime, &clerk, weft_none(), &options, out_actor);
}

// Clerks of both ranks wait for the first one, each with a message behind,
// until there is an end of standard input.
static weft_status_t keep_waiting(weft_runtime_t* runtime, void* user) {
  weft_actor_t clerks[3];
  weft_future_t* replies[4] = {NULL, NULL, NULL, NULL};
  (void)user;
  WEFT_RETURN_IF_ERROR(spawn_clerk(runtime, 0, &clerks[0]));
  WEFT_RETURN_IF_ERROR(spawn_clerk(runtime, 0, &clerks[1]));
  WEFT_RETURN_IF_ERROR(spawn_clerk(runtime, 1, &clerks[2]));
  weft_status_t status = WEFT_OK;
  for (int i = 0; i < 4 && status == WEFT_OK; i++) {
    status = weft_call(runtime, clerks[1 + i % 2], ASK,
                       WEFT_ARGUMENTS(weft_actor_value(clerks[0])), NULL,
                       &replies[i]);
  }
  (void)getchar();
  for (int i = 0; i < 4; i++) {
    weft_future_cancel(replies[i]);
    weft_future_release(replies[i]);
  }
  weft_status_t stopped = weft_runtime_stop(runtime, WEFT_TIME_INFINITE);
  for (size_t i = 0; i < held_count; i++) {
    weft_promise_release(held[i]);
  }
  return status == WEFT_OK ? stopped : status;
}

// Joins the job that the environment names, and stays to its end.
static int be_joiner(void) {
  weft_runtime_t* runtime = NULL;
  const weft_runtime_options_t options = {.name = "guest"};
  weft_status_t status = weft_runtime_create(&options, &runtime);
  if (status == WEFT_OK) {
    (void)puts("joined");
    (void)fflush(stdout);
    status = weft_runtime_serve(runtime);
  }
  weft_runtime_destroy(runtime);
  return weft_status_report(status);
}

// --- What is listed ---------------------------------------------------------

// A name that no other process gives to a job.
static const char* name_of(const char* word) {
  static char name[64];
  (void)snprintf(name, sizeof(name), "%s-%d", word, getpid());
  return name;
}

// Runs "weft list" with words to its end.
static run_t* list(const char* const* words) {
  run_t* run = start_verb(&(setting_t){0}, "list", words);
  finish(run);
  return run;
}

static run_t* start_job(const char* name) {
  run_t* run = start(WORDS("-n", "2", "--name", name, "SELF", "wait"));
  read_until(run, "ready");
  return run;
}

static void end_job(run_t* run) {
  finish(run);
  assert_exit(run, 0);
  forget(run);
}

// What is there of a job as JSON; ends with that code.
static json_t* look_at(const char* name, int exit_code) {
  run_t* run = list(WORDS(name, "--json", "--timeout", "5"));
  assert_exit(run, exit_code);
  assert_string_equal("", run->err_text);
  json_t* object = json_loads(run->out_text, 0, NULL);
  assert_non_null(object);
  forget(run);
  return object;
}

static json_t* rank_of(const json_t* object, size_t place) {
  json_t* rank = json_array_get(json_object_get(object, "ranks"), place);
  assert_non_null(rank);
  return rank;
}

static const char* text_of(const json_t* object, const char* key) {
  const char* text = json_string_value(json_object_get(object, key));
  assert_non_null(text);
  return text;
}

static json_int_t number_of(const json_t* object, const char* key) {
  assert_true(json_is_integer(json_object_get(object, key)));
  return json_integer_value(json_object_get(object, key));
}

static json_t* clerk_of(const json_t* rank, size_t place) {
  json_t* actor = json_array_get(json_object_get(rank, "actors"), place);
  assert_non_null(actor);
  assert_string_equal("clerk", text_of(actor, "class"));
  return actor;
}

// Whether an actor sleeps; if so, in what and for what.
static bool is_asleep(const json_t* actor, const char* waits_for) {
  if (json_real_value(json_object_get(actor, "waits_s")) <= 0) {
    return false;
  }
  assert_string_equal("ask", text_of(actor, "runs"));
  assert_non_null(strstr(text_of(actor, "waits_for"), waits_for));
  return true;
}

// --- Jobs -------------------------------------------------------------------

static void a_job_that_is_not_there_is_not_found(void** state) {
  (void)state;
  run_t* run = list(WORDS(name_of("nobody")));
  assert_exit(run, 3);
  assert_says(run, "no job of this user on this host");
  forget(run);
}

static void several_jobs_are_listed(void** state) {
  (void)state;
  char first[64];
  char second[64];
  (void)snprintf(first, sizeof(first), "%s", name_of("first"));
  (void)snprintf(second, sizeof(second), "%s", name_of("second"));
  run_t* jobs[] = {start_job(first), start_job(second)};
  run_t* run = list(WORDS(NULL));
  assert_exit(run, 0);
  assert_says(run, "PROCESS  COMMAND\n");
  assert_says(run, first);
  assert_says(run, second);
  assert_says(run, " run -n 2 --name ");
  forget(run);
  run = list(WORDS("--json"));
  assert_exit(run, 0);
  json_t* object = json_loads(run->out_text, 0, NULL);
  bool is_listed = false;
  size_t i;
  json_t* job;
  json_array_foreach(json_object_get(object, "jobs"), i, job) {
    is_listed |= strcmp(text_of(job, "name"), first) == 0 &&
                 number_of(job, "process") == jobs[0]->process;
  }
  assert_true(is_listed);
  json_decref(object);
  forget(run);
  end_job(jobs[0]);
  end_job(jobs[1]);
}

// --- Ranks ------------------------------------------------------------------

static void ranks_and_actors_are_shown(void** state) {
  (void)state;
  const char* name = name_of("shown");
  run_t* job = start_job(name);
  run_t* run = list(WORDS(name));
  assert_exit(run, 0);
  assert_string_equal("", run->err_text);
  assert_says(run, ", 2 ranks\n");
  assert_says(run, "\nrank 0  process ");
  assert_says(run, "\nrank 1  process ");
  assert_says(run, "  2 actors, ");
  assert_says(run, "MAILBOX  RUNS");
  assert_says(run, "  clerk#1 ");
  forget(run);
  end_job(job);
}

static void it_is_said_who_waits_for_what_since_when(void** state) {
  (void)state;
  const char* name = name_of("waits");
  run_t* job = start_job(name);
  bool are_asleep = false;
  while (!are_asleep) {
    json_t* object = look_at(name, 0);
    const json_t* here = rank_of(object, 0);
    assert_int_equal(2, number_of(here, "actor_count"));
    are_asleep = is_asleep(clerk_of(here, 1), "call") &&
                 is_asleep(clerk_of(rank_of(object, 1), 0), " of rank 0");
    if (are_asleep) {
      // The one that it handles, and the one behind.
      assert_int_equal(2, number_of(clerk_of(here, 1), "mailbox"));
      assert_string_equal("", text_of(clerk_of(here, 0), "waits_for"));
      assert_string_equal("", text_of(clerk_of(here, 0), "runs"));
    }
    json_decref(object);
  }
  end_job(job);
}

static void a_rank_that_is_stopped_is_shown_as_such(void** state) {
  (void)state;
  const char* name = name_of("stopped");
  run_t* job = start_job(name);
  json_t* object = look_at(name, 0);
  pid_t process = (pid_t)number_of(rank_of(object, 1), "process");
  json_decref(object);
  assert_int_equal(0, kill(process, SIGSTOP));
  run_t* run = list(WORDS(name, "--json", "--timeout", "1"));
  assert_exit(run, 6);
  object = json_loads(run->out_text, 0, NULL);
  assert_string_equal("up", text_of(rank_of(object, 0), "state"));
  assert_string_equal("silent", text_of(rank_of(object, 1), "state"));
  assert_non_null(strstr(text_of(rank_of(object, 1), "why"), "is stopped"));
  json_decref(object);
  forget(run);
  assert_int_equal(0, kill(process, SIGCONT));
  object = look_at(name, 0);
  assert_string_equal("up", text_of(rank_of(object, 1), "state"));
  json_decref(object);
  end_job(job);
}

// Starts this program to join a job; returns when it has.
static pid_t start_guest(const char* job) {
  char line[16] = "";
  int ends[2];
  assert_int_equal(0, pipe2(ends, O_CLOEXEC));
  pid_t process = fork();
  assert_true(process >= 0);
  if (process == 0) {
    (void)setenv("WEFT_JOB", job, 1);
    (void)dup2(ends[1], STDOUT_FILENO);
    (void)execl(self_path, self_path, "join", (char*)NULL);
    _exit(121);
  }
  (void)close(ends[1]);
  assert_int_equal(7, read(ends[0], line, sizeof(line) - 1));
  assert_string_equal("joined\n", line);
  (void)close(ends[0]);
  return process;
}

static void those_that_joined_are_shown_while_they_are_there(void** state) {
  (void)state;
  const char* name = name_of("joined");
  run_t* job = start_job(name);
  // Those that looked are gone again.
  json_decref(look_at(name, 0));
  pid_t guest = start_guest(name);
  json_t* object = look_at(name, 0);
  assert_int_equal(2, number_of(object, "size"));
  assert_int_equal(3, json_array_size(json_object_get(object, "ranks")));
  assert_int_equal(2, number_of(rank_of(object, 2), "rank"));
  assert_string_equal("guest", text_of(rank_of(object, 2), "name"));
  json_decref(object);
  end_job(job);
  int how = 0;
  while (waitpid(guest, &how, 0) < 0) {
    assert_int_equal(EINTR, errno);
  }
  assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
}

static void a_program_of_a_job_may_look_at_it(void** state) {
  (void)state;
  char script[4300];
  const char* name = name_of("inside");
  (void)snprintf(script, sizeof(script), "%s list %s --timeout 1",
                 getenv("WEFT_COMMAND"), name);
  // The script has the place of rank 0, and no runtime: it does not answer.
  run_t* run = start(WORDS("-n", "1", "--name", name, "sh", "-c", script));
  finish(run);
  assert_exit(run, 6);
  assert_says(run, "rank 0  does not answer within 1 s");
  forget(run);
}

// One after another they would outlast any test.
static void silent_ranks_are_asked_at_once(void** state) {
  (void)state;
  const char* name = name_of("silent");
  run_t* job = start(WORDS("-n", "100", "--name", name, "sh", "-c",
                           "echo ready; exec sleep 1000"));
  read_until(job, "ready");
  run_t* run = list(WORDS(name, "--timeout", "3"));
  assert_exit(run, 6);
  assert_says(run, "rank 0  does not answer within 3 s");
  assert_says(run, "rank 99  does not answer within 3 s");
  forget(run);
  assert_int_equal(0, kill(job->process, SIGTERM));
  finish(job);
  assert_exit(job, 128 + SIGTERM);
  forget(job);
}

static void nobody_need_read_what_is_listed(void** state) {
  (void)state;
  const char* name = name_of("unread");
  run_t* job = start_job(name);
  run_t* run = start_verb(&(setting_t){0}, "list", WORDS(name));
  (void)close(run->out);
  run->out = -1;
  finish(run);
  assert_exit(run, 141);
  assert_string_equal("", run->err_text);
  forget(run);
  end_job(job);
}

int main(int argc, char** argv) {
  const weft_runtime_options_t options = {.classes = classes, .class_count = 1};
  if (argc > 1) {
    return strcmp(argv[1], "join") == 0
               ? be_joiner()
               : weft_runtime_main(&options, keep_waiting, NULL);
  }
  if (!find_self()) {
    return 1;
  }
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_job_that_is_not_there_is_not_found),
      cmocka_unit_test(several_jobs_are_listed),
      cmocka_unit_test(ranks_and_actors_are_shown),
      cmocka_unit_test(it_is_said_who_waits_for_what_since_when),
      cmocka_unit_test(a_rank_that_is_stopped_is_shown_as_such),
      cmocka_unit_test(those_that_joined_are_shown_while_they_are_there),
      cmocka_unit_test(a_program_of_a_job_may_look_at_it),
      cmocka_unit_test(silent_ranks_are_asked_at_once),
      cmocka_unit_test(nobody_need_read_what_is_listed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
