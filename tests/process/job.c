// SPDX-License-Identifier: Apache-2.0

#include "process/job.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/sanitizer.h"
#include "job/host.h"
#include "process/puppet.h"
#include "sys/sys.h"

#define SELF "/proc/self/exe"
#define MEMBER_WORD "--member"
// A job that has not ended by then never will. Units: ns.
#define PATIENCE_NS INT64_C(120000000000)

bool process_is_slow(void) {
  return WEFT_SANITIZER;
}

// --- What a process has -----------------------------------------------------

static int64_t count_entries(const char* folder) {
  DIR* stream = opendir(folder);
  int64_t count = 0;
  weft_assert(stream != NULL);
  for (const struct dirent* entry = readdir(stream); entry != NULL;
       entry = readdir(stream)) {
    count += entry->d_name[0] != '.' ? 1 : 0;
  }
  (void)closedir(stream);
  return count;
}

static int64_t count_mappings(void) {
  FILE* maps = fopen("/proc/self/maps", "re");
  char line[512];
  int64_t count = 0;
  weft_assert(maps != NULL);
  while (fgets(line, sizeof(line), maps) != NULL) {
    count += strstr(line, "/memfd:") != NULL ? 1 : 0;
  }
  (void)fclose(maps);
  return count;
}

process_figures_t process_figures(void) {
  return (process_figures_t){
      .descriptors = count_entries("/proc/self/fd"),
      .mappings = count_mappings(),
      .threads = count_entries("/proc/self/task"),
  };
}

// --- A member ---------------------------------------------------------------

static uint64_t own_argument;

static uint32_t own_rank;

uint64_t process_argument(void) {
  return own_argument;
}

uint32_t process_rank(void) {
  return own_rank;
}

// The job's end is told by rank 0, which is done; where a rank is meant to
// survive the end of others, that is no failure.
static void serve(const process_test_t* test, weft_runtime_t* runtime) {
  if (weft_runtime_rank(runtime) == 0) {
    test->run(runtime);
  } else if (test->serve != NULL) {
    test->serve(runtime);
  } else {
    weft_kit_assert_ok(weft_runtime_serve(runtime));
  }
}

static void run_member(const process_test_t* test) {
  if (test->imitate != NULL && test->imitate(own_rank)) {
    return;
  }
  weft_kit_allocator_t kit;
  weft_runtime_t* runtime = NULL;
  weft_kit_allocator_init(&kit);
  weft_runtime_options_t options = {
      .name = test->name,
      .allocator = &kit.allocator,
      .classes = puppet_classes,
      .class_count = PUPPET_CLASS_COUNT,
      .worker_count = 2,
  };
  if (test->prepare != NULL) {
    test->prepare(&options);
  }
  // The socket to the launcher is the runtime's to close.
  process_figures_t before = process_figures();
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  serve(test, runtime);
  weft_runtime_destroy(runtime);
  process_figures_t after = process_figures();
  assert_int_equal(after.descriptors, before.descriptors - 1);
  assert_int_equal(after.mappings, before.mappings);
  weft_kit_allocator_check_empty(&kit);
  weft_kit_allocator_deinit(&kit);
}

static int be_member(const process_test_t* tests, size_t test_count,
                     char* const* words) {
  const char* name = words[0];
  own_argument = strtoull(words[1], NULL, 10);
  own_rank = (uint32_t)strtoul(words[2], NULL, 10);
  for (size_t i = 0; i < test_count; i++) {
    if (strcmp(tests[i].name, name) == 0) {
      run_member(&tests[i]);
      return 0;
    }
  }
  return 120;
}

// --- The launcher -----------------------------------------------------------

typedef struct launch {
  const process_test_t* test;
  uint64_t argument;
  weft_job_host_t* host;
  pid_t processes[PROCESS_RANK_LIMIT];
  // Readable when the process has ended; -1 when it has been reaped.
  int ends[PROCESS_RANK_LIMIT];
  uint32_t running;
  bool is_stopping;
  bool has_failed;
} launch_t;

static void become_member(const launch_t* launch, uint32_t rank,
                          const weft_job_child_t* child, pid_t parent) {
  char number[24];
  char rank_text[12];
  char setting[sizeof(child->variable)];
  // Nothing outlives a launcher that is killed.
  (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) {
    _exit(122);
  }
  (void)fcntl(child->descriptor, F_SETFD, 0);
  memcpy(setting, child->variable, sizeof(setting));
  (void)putenv(setting);
  (void)setenv("CMOCKA_TEST_ABORT", "1", 1);
  // Questions whether a peer is there would wake it, and hide that it was not
  // woken for what came before. Tests of them set it again.
  (void)setenv("WEFT_PEER_TIMEOUT", "0", 1);
  (void)snprintf(number, sizeof(number), "%llu",
                 (unsigned long long)launch->argument);
  (void)snprintf(rank_text, sizeof(rank_text), "%u", rank);
  (void)execl(SELF, SELF, MEMBER_WORD, launch->test->name, number, rank_text,
              (char*)NULL);
  _exit(121);
}

static void start_rank(launch_t* launch, uint32_t rank) {
  weft_job_child_t child;
  pid_t parent = getpid();
  weft_kit_assert_ok(weft_job_host_child(launch->host, rank, -1, &child));
  (void)fflush(NULL);
  pid_t process = fork();
  assert_true(process >= 0);
  if (process == 0) {
    become_member(launch, rank, &child, parent);
  }
  (void)close(child.descriptor);
  launch->processes[rank] = process;
  launch->ends[rank] = (int)syscall(SYS_pidfd_open, process, 0);
  assert_true(launch->ends[rank] >= 0);
  launch->running++;
  weft_job_host_started(launch->host, rank, (uint32_t)process);
}

static void kill_all(const launch_t* launch, int signal_number) {
  for (uint32_t rank = 0; rank < launch->test->size; rank++) {
    if (launch->ends[rank] >= 0) {
      (void)kill(launch->processes[rank], signal_number);
    }
  }
}

static void stop(launch_t* launch) {
  if (!launch->is_stopping) {
    launch->is_stopping = true;
    weft_job_host_stop(launch->host, WEFT_OK);
  }
}

// Says what is wrong, and how to see it again: tests that run one job for each
// seed take the seed for the argument.
static void end_badly(launch_t* launch, const char* what) {
  unsigned long long argument = launch->argument;
  fprintf(stderr,
          "%s (%llu): %s; repeat it with: WEFT_PROCESS_TEST=%s "
          "WEFT_TEST_SEED=%llu %s\n",
          launch->test->name, argument, what, launch->test->name, argument,
          program_invocation_name);
  launch->has_failed = true;
  kill_all(launch, SIGKILL);
}

static void reap(launch_t* launch, uint32_t rank, weft_kit_ending_t* ending) {
  int how = 0;
  char text[128];
  assert_int_equal(launch->processes[rank],
                   waitpid(launch->processes[rank], &how, 0));
  (void)close(launch->ends[rank]);
  launch->ends[rank] = -1;
  launch->running--;
  ending->exit_status = WIFEXITED(how) ? WEXITSTATUS(how) : 0;
  ending->signal_number = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
  const weft_job_ending_t told = {ending->exit_status, ending->signal_number};
  weft_job_host_ended(launch->host, rank, &told);
  bool is_bad = ending->exit_status != 0 || ending->signal_number != 0;
  bool is_meant = ending->signal_number == SIGKILL && rank < 64 &&
                  (launch->test->may_die >> rank & 1) != 0;
  if (is_bad && !is_meant && !launch->has_failed) {
    weft_job_host_describe(launch->host, rank, &told, text, sizeof(text));
    end_badly(launch, text);
  }
  if (rank == 0 || launch->has_failed) {
    stop(launch);
  }
}

// Deals with the host and with ends of processes, once.
static void turn(launch_t* launch, process_endings_t* endings,
                 int64_t deadline_ns) {
  struct pollfd wanted[PROCESS_RANK_LIMIT + 1];
  uint32_t size = launch->test->size;
  for (uint32_t rank = 0; rank < size; rank++) {
    wanted[rank] = (struct pollfd){launch->ends[rank], POLLIN, 0};
  }
  wanted[size] =
      (struct pollfd){weft_job_host_descriptor(launch->host), POLLIN, 0};
  int ready = poll(wanted, size + 1, 1000);
  assert_true(ready >= 0 || errno == EINTR);
  if (weft_sys_now_ns() > deadline_ns && !launch->has_failed) {
    end_badly(launch, "does not end");
  }
  if (wanted[size].revents != 0) {
    weft_job_host_process(launch->host);
  }
  for (uint32_t rank = 0; rank < size; rank++) {
    if (wanted[rank].revents != 0) {
      reap(launch, rank, &endings->of_rank[rank]);
    }
  }
}

void process_run(const process_test_t* test, uint64_t argument,
                 process_endings_t* out_endings) {
  launch_t launch = {.test = test, .argument = argument};
  process_endings_t unused;
  process_endings_t* endings = out_endings != NULL ? out_endings : &unused;
  const weft_job_host_options_t options = {.size = test->size};
  assert_true(test->size <= PROCESS_RANK_LIMIT);
  weft_kit_assert_ok(weft_job_host_create(NULL, &options, &launch.host));
  for (uint32_t rank = 0; rank < test->size; rank++) {
    start_rank(&launch, rank);
  }
  int64_t deadline_ns = weft_sys_now_ns() + PATIENCE_NS;
  while (launch.running > 0) {
    turn(&launch, endings, deadline_ns);
  }
  weft_job_host_destroy(launch.host);
  if (launch.has_failed) {
    fail();
  }
}

void process_run_seeds(const process_test_t* test, uint64_t plain,
                       const char* what, uint64_t amount) {
  weft_kit_seeds_t seeds = weft_kit_seeds(plain);
  for (uint64_t i = 0; i < seeds.count; i++) {
    process_run(test, seeds.first + i, NULL);
    weft_kit_say_amount(what, amount);
  }
}

// --- The program ------------------------------------------------------------

static void launch_test(void** state) {
  const process_test_t* test = *state;
  if (test->launch != NULL) {
    test->launch(test);
  } else {
    process_run(test, 0, NULL);
  }
}

int process_main(int argument_count, char** arguments,
                 const process_test_t* tests, size_t test_count) {
  struct CMUnitTest units[64];
  const char* only = getenv("WEFT_PROCESS_TEST");
  size_t count = 0;
  if (argument_count == 5 && strcmp(arguments[1], MEMBER_WORD) == 0) {
    return be_member(tests, test_count, &arguments[2]);
  }
  weft_assert(test_count <= sizeof(units) / sizeof(units[0]));
  for (size_t i = 0; i < test_count; i++) {
    if (only == NULL || strcmp(only, tests[i].name) == 0) {
      units[count++] = (struct CMUnitTest){
          .name = tests[i].name,
          .test_func = launch_test,
          // Read only.
          .initial_state = (void*)(uintptr_t)&tests[i],
      };
    }
  }
  return _cmocka_run_group_tests("process", units, count, NULL, NULL);
}
