// SPDX-License-Identifier: Apache-2.0
//
// Signals without SA_RESTART that interrupt the system calls of every rank, all
// the time: nothing fails because of them.

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "process/job.h"
#include "process/puppet.h"

#define RANKS 4
#define VICTIM 3
// Between two rounds of signals. Units: ns.
#define PAUSE_NS 500000

static _Atomic uint64_t interruptions;

static void note_interruption(int signal_number) {
  (void)signal_number;
  // Relaxed: a count.
  atomic_fetch_add_explicit(&interruptions, 1, memory_order_relaxed);
}

// Signals each thread of this process but this one; those of the library have
// signals blocked.
static void signal_threads(DIR* tasks) {
  pid_t self = (pid_t)syscall(SYS_gettid);
  rewinddir(tasks);
  for (const struct dirent* entry = readdir(tasks); entry != NULL;
       entry = readdir(tasks)) {
    pid_t thread = (pid_t)strtol(entry->d_name, NULL, 10);
    if (thread > 0 && thread != self) {
      // It may have ended.
      (void)syscall(SYS_tgkill, getpid(), thread, SIGALRM);
    }
  }
}

static void* interrupt_all(void* user) {
  const struct timespec pause = {.tv_nsec = PAUSE_NS};
  for (;;) {
    signal_threads(user);
    (void)ppoll(NULL, 0, &pause, NULL);
  }
  return NULL;
}

// From here on, before there is a runtime, until the process ends.
static void begin_interruptions(weft_runtime_options_t* options) {
  struct sigaction action = {.sa_handler = note_interruption};
  pthread_t thread;
  sigset_t blocked;
  sigset_t before;
  DIR* tasks = opendir("/proc/self/task");
  (void)options;
  weft_assert(tasks != NULL);
  assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
  sigfillset(&blocked);
  assert_int_equal(pthread_sigmask(SIG_SETMASK, &blocked, &before), 0);
  assert_int_equal(pthread_create(&thread, NULL, interrupt_all, tasks), 0);
  assert_int_equal(pthread_sigmask(SIG_SETMASK, &before, NULL), 0);
  assert_int_equal(pthread_detach(thread), 0);
}

static void pass_values(weft_runtime_t* runtime, const weft_actor_t* actors) {
  weft_value_t values[] = {
      puppet_long_string(runtime, 100000),
      puppet_tensor(runtime, 5000, true),
      puppet_tensor(runtime, 5000, false),
      weft_int64(7),
  };
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    for (uint32_t from = 0; from < RANKS; from++) {
      weft_value_t back;
      weft_kit_assert_ok(puppet_relay(runtime, actors[from],
                                      actors[(from + 1) % RANKS], PUPPET_ECHO,
                                      values[i], &back));
      weft_value_release(back);
    }
    weft_value_release(values[i]);
  }
}

// To reserve this takes longer than it is to the next signal.
static void make_large(weft_runtime_t* runtime, weft_actor_t actor) {
  weft_tensor_t* tensor;
  const int64_t count = 64 << 20;
  weft_kit_assert_ok(
      weft_tensor_create_shared(runtime, WEFT_UINT8, 1, &count, &tensor));
  weft_value_t value = weft_tensor_into_value(tensor);
  puppet_tell(runtime, actor, PUPPET_KEEP, WEFT_ARGUMENTS(value));
  weft_value_release(value);
}

// A window is filled again and again; this thread waits for room.
static void send_many(weft_runtime_t* runtime, weft_actor_t actor) {
  for (int64_t i = 0; i < 500; i++) {
    puppet_send(runtime, actor, PUPPET_NOTE, WEFT_ARGUMENTS(weft_int64(i)));
  }
  weft_value_release(puppet_ask(runtime, actor, PUPPET_LOG, NULL));
}

static void wait_in_vain(weft_runtime_t* runtime, weft_actor_t actor) {
  weft_future_t* held;
  const weft_call_options_t soon = {.timeout_ns = 5000000};
  weft_status_t status =
      weft_call(runtime, actor, PUPPET_HOLD, NULL, &soon, &held);
  // A process that was held up this long is told before it sends.
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         held == NULL ? status : puppet_end(held));
}

static void nothing_fails_with_a_signal(weft_runtime_t* runtime) {
  weft_actor_t actors[RANKS];
  // Relaxed: as above.
  uint64_t begun = atomic_load_explicit(&interruptions, memory_order_relaxed);
  int rounds = 0;
  // Enough that most system calls meet one.
  while (rounds < 10 ||
         atomic_load_explicit(&interruptions, memory_order_relaxed) - begun <
             100) {
    for (uint32_t rank = 0; rank < RANKS; rank++) {
      actors[rank] = puppet_spawn(runtime, rank);
    }
    pass_values(runtime, actors);
    send_many(runtime, actors[1]);
    wait_in_vain(runtime, actors[2]);
    rounds++;
  }
  make_large(runtime, actors[2]);
  puppet_kill(runtime, actors[VICTIM]);
  puppet_tell(runtime, actors[1], PUPPET_NOTICES, NULL);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "nothing_fails_with_a_signal",
       .size = RANKS,
       .run = nothing_fails_with_a_signal,
       .prepare = begin_interruptions,
       .may_die = 1 << VICTIM},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
