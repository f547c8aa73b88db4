// SPDX-License-Identifier: Apache-2.0
//
// Runtimes that join a job while it runs, and leave it: others of this program,
// which rank 0 starts and which nobody gave a place.

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "process/job.h"
#include "process/puppet.h"
#include "sys/sys.h"

#define JOIN_WORD "--join"
#define KILLED_WORD "--join-and-die"
#define FORKED_WORD "--join-fork-and-die"

enum { JOINERS = 4, ELEMENTS = 5000 };

// --- One that joins ---------------------------------------------------------

static weft_actor_t look_up(weft_runtime_t* runtime) {
  weft_future_t* future = NULL;
  weft_value_t value;
  weft_actor_t actor;
  weft_kit_assert_ok(
      weft_actor_lookup(runtime, "post", WEFT_TIME_INFINITE, &future));
  weft_kit_assert_ok(puppet_await(future, &value));
  weft_kit_assert_ok(weft_value_as_actor(value, &actor));
  return actor;
}

// Both call each other, spawn at each other, and lend each other tensors.
static void visit(weft_runtime_t* runtime) {
  weft_actor_t post = look_up(runtime);
  assert_int_equal(post.rank, 1);
  assert_int_equal(
      puppet_ask_int(runtime, post, PUPPET_ADD,
                     WEFT_ARGUMENTS(weft_int64(40), weft_int64(2))),
      42);
  weft_actor_t own = puppet_spawn(runtime, weft_runtime_rank(runtime));
  weft_value_t echo =
      puppet_ask(runtime, post, PUPPET_RELAY,
                 WEFT_ARGUMENTS(weft_actor_value(own), weft_int64(PUPPET_ECHO),
                                weft_int64(7)));
  assert_true(weft_value_equal(echo, weft_int64(7)));
  weft_actor_t there = puppet_spawn(runtime, 1);
  weft_value_t back;
  weft_kit_assert_ok(puppet_await(
      puppet_call(runtime, there, PUPPET_SPAWN,
                  WEFT_ARGUMENTS(weft_int64(weft_runtime_rank(runtime)))),
      &back));
  weft_actor_t here;
  weft_kit_assert_ok(weft_value_as_actor(back, &here));
  assert_int_equal(here.rank, weft_runtime_rank(runtime));
  weft_value_t lent = puppet_tensor(runtime, ELEMENTS, true);
  assert_int_equal(
      puppet_ask_int(runtime, post, PUPPET_SUM, WEFT_ARGUMENTS(lent)),
      puppet_sum_of(ELEMENTS));
  weft_value_release(lent);
  weft_value_t borrowed =
      puppet_ask(runtime, post, PUPPET_TENSOR,
                 WEFT_ARGUMENTS(weft_int64(ELEMENTS), weft_bool(true)));
  assert_int_equal(
      puppet_ask_int(runtime, own, PUPPET_SUM, WEFT_ARGUMENTS(borrowed)),
      puppet_sum_of(ELEMENTS));
  weft_value_release(borrowed);
}

static int64_t number_in(weft_value_t map, const char* key) {
  weft_value_t value;
  int64_t number;
  weft_kit_assert_ok(weft_map_get(map, key, &value));
  weft_kit_assert_ok(weft_value_as_int64(value, &number));
  return number;
}

// Everybody's report, its own too.
static void ask_all(weft_runtime_t* runtime) {
  uint32_t ranks[] = {0, 1, weft_runtime_rank(runtime)};
  for (int i = 0; i < 3; i++) {
    weft_future_t* future = NULL;
    weft_value_t report;
    weft_kit_assert_ok(weft_runtime_report(runtime, ranks[i], &future));
    weft_kit_assert_ok(puppet_await(future, &report));
    assert_int_equal(number_in(report, "rank"), ranks[i]);
    weft_value_release(report);
  }
}

// Its death is told by nobody's socket: a child has them all open.
static void leave_a_child(weft_runtime_t* runtime) {
  puppet_tell(runtime, look_up(runtime), PUPPET_NOTE,
              WEFT_ARGUMENTS(weft_int64(puppet_fork())));
}

static int join(bool forks, bool dies) {
  weft_runtime_t* runtime = NULL;
  const weft_runtime_options_t options = {
      .name = "visitor",
      .classes = puppet_classes,
      .class_count = PUPPET_CLASS_COUNT,
      .worker_count = 2,
  };
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  assert_int_equal(weft_runtime_size(runtime), 2);
  // Whoever left has made room for it.
  assert_int_equal(weft_runtime_rank(runtime), 2);
  visit(runtime);
  ask_all(runtime);
  if (forks) {
    leave_a_child(runtime);
  }
  if (dies) {
    (void)kill(getpid(), SIGKILL);
  }
  weft_runtime_destroy(runtime);
  return 0;
}

// --- Those that are there ---------------------------------------------------

static void become_joiner(const char* word) {
  char job[24];
  // The job has the name of its launcher's process.
  (void)snprintf(job, sizeof(job), "%d", getppid());
  pid_t process = fork();
  assert_true(process >= 0);
  if (process == 0) {
    (void)setenv("WEFT_JOB", job, 1);
    (void)unsetenv("WEFT_JOB_FD");
    (void)execl("/proc/self/exe", "/proc/self/exe", word, (char*)NULL);
    _exit(121);
  }
  int how = 0;
  while (waitpid(process, &how, 0) < 0) {
    assert_int_equal(errno, EINTR);
  }
  if (strcmp(word, JOIN_WORD) != 0) {
    assert_true(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
  } else {
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
  }
}

static weft_actor_t register_post(weft_runtime_t* runtime) {
  weft_actor_t post = puppet_spawn(runtime, 1);
  weft_kit_assert_ok(weft_actor_register(runtime, "post", post));
  return post;
}

// Until rank 1 has no more than it had; what it was lent it has given back.
static void expect_as_before(weft_runtime_t* runtime, weft_actor_t post,
                             const puppet_figures_t* before) {
  puppet_figures_t now = puppet_figures(runtime, post);
  while (now.of[FIGURE_DESCRIPTORS] > before->of[FIGURE_DESCRIPTORS] ||
         now.of[FIGURE_MAPPINGS] > before->of[FIGURE_MAPPINGS] ||
         now.of[FIGURE_LENT_BYTES] > before->of[FIGURE_LENT_BYTES]) {
    weft_sys_yield();
    now = puppet_figures(runtime, post);
  }
}

static void visit_again_and_again(weft_runtime_t* runtime, const char* word) {
  weft_actor_t post = register_post(runtime);
  // The first one makes what stays: an arena.
  become_joiner(JOIN_WORD);
  puppet_figures_t before = puppet_figures(runtime, post);
  for (int i = 0; i < JOINERS; i++) {
    become_joiner(word);
    assert_int_equal(
        puppet_ask_int(runtime, post, PUPPET_ADD,
                       WEFT_ARGUMENTS(weft_int64(1), weft_int64(i))),
        i + 1);
  }
  expect_as_before(runtime, post, &before);
}

static void runtimes_join_call_and_leave(weft_runtime_t* runtime) {
  visit_again_and_again(runtime, JOIN_WORD);
}

static void runtimes_that_joined_may_be_killed(weft_runtime_t* runtime) {
  visit_again_and_again(runtime, KILLED_WORD);
}

static void kill_noted(weft_runtime_t* runtime) {
  const weft_value_t* noted = NULL;
  size_t count = 0;
  weft_value_t log = puppet_ask(runtime, look_up(runtime), PUPPET_LOG, NULL);
  weft_kit_assert_ok(weft_value_as_list(log, &noted, &count));
  assert_int_equal(count, JOINERS);
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(kill((pid_t)noted[i].as.int64, SIGKILL), 0);
  }
  weft_value_release(log);
}

static void runtimes_that_joined_may_die_and_leave_children(
    weft_runtime_t* runtime) {
  visit_again_and_again(runtime, FORKED_WORD);
  kill_noted(runtime);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(runtimes_join_call_and_leave, 2),
      PROCESS_TEST(runtimes_that_joined_may_be_killed, 2),
      PROCESS_TEST(runtimes_that_joined_may_die_and_leave_children, 2),
  };
  const char* word = argument_count == 2 ? arguments[1] : "";
  bool forks = strcmp(word, FORKED_WORD) == 0;
  bool dies = forks || strcmp(word, KILLED_WORD) == 0;
  if (dies || strcmp(word, JOIN_WORD) == 0) {
    return join(forks, dies);
  }
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
