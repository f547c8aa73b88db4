// SPDX-License-Identifier: Apache-2.0

#include "sys/sys.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/sanitizer.h"
#include "kit/kit.h"

// --- Locks ------------------------------------------------------------------

typedef struct tally {
  weft_mutex_t mutex;
  size_t count;
} tally_t;

static void count_up(size_t index, void* user) {
  (void)index;
  tally_t* tally = user;
  for (int i = 0; i < 10000; ++i) {
    weft_mutex_lock(&tally->mutex);
    ++tally->count;
    weft_mutex_unlock(&tally->mutex);
  }
}

static void a_mutex_lets_one_thread_in(void** state) {
  (void)state;
  tally_t tally = {.count = 0};
  weft_mutex_init(&tally.mutex);
  weft_kit_run_threads(4, count_up, &tally);
  weft_mutex_deinit(&tally.mutex);
  assert_int_equal(tally.count, 40000);
}

static void a_mutex_can_be_made_statically(void** state) {
  (void)state;
  static tally_t tally = {.mutex = WEFT_MUTEX_INIT};
  weft_kit_run_threads(4, count_up, &tally);
  assert_int_equal(tally.count, 40000);
}

// --- Futex ------------------------------------------------------------------

static void a_wait_for_another_value_returns_at_once(void** state) {
  (void)state;
  _Atomic uint32_t word = 1;
  assert_true(weft_futex_wait(&word, 0, WEFT_TIME_INFINITE));
}

static void a_wait_ends_at_its_deadline(void** state) {
  (void)state;
  _Atomic uint32_t word = 0;
  int64_t deadline_ns = weft_sys_now_ns() + 2000000;
  // It may wake for no reason before.
  while (weft_futex_wait(&word, 0, deadline_ns)) {
  }
  assert_true(weft_sys_now_ns() >= deadline_ns);
}

static void a_deadline_that_passed_is_no_wait(void** state) {
  (void)state;
  _Atomic uint32_t word = 0;
  assert_false(weft_futex_wait(&word, 0, WEFT_TIME_NOW));
  assert_false(weft_futex_wait(&word, 0, -5));
  assert_false(weft_futex_wait(&word, 0, INT64_MIN));
  assert_false(weft_futex_wait(&word, 0, 1));
}

typedef struct gate {
  _Atomic uint32_t word;
  _Atomic uint32_t passed;
} gate_t;

static void pass_gate(size_t index, void* user) {
  gate_t* gate = user;
  if (index == 0) {
    // Release: pairs with the acquire below.
    atomic_store_explicit(&gate->word, 1, memory_order_release);
    weft_futex_wake(&gate->word, UINT32_MAX);
    return;
  }
  // Acquire: pairs with the release above.
  while (atomic_load_explicit(&gate->word, memory_order_acquire) == 0) {
    (void)weft_futex_wait(&gate->word, 0, WEFT_TIME_INFINITE);
  }
  atomic_fetch_add_explicit(&gate->passed, 1, memory_order_relaxed);
}

static void a_wake_reaches_all_sleepers(void** state) {
  (void)state;
  for (int i = 0; i < 50; ++i) {
    gate_t gate = {0};
    // A wake of nobody is not kept for later, nor does it do any harm.
    weft_futex_wake(&gate.word, 1);
    weft_kit_run_threads(4, pass_gate, &gate);
    assert_int_equal(atomic_load_explicit(&gate.passed, memory_order_relaxed),
                     3);
  }
}

// --- Futex: two words -------------------------------------------------------

static void a_wait_for_two_returns_when_either_has_another_value(void** state) {
  (void)state;
  _Atomic uint32_t own = 1;
  _Atomic uint32_t shared = 7;
  assert_true(weft_futex_wait_two(&own, 0, &shared, 7, WEFT_TIME_INFINITE));
  assert_true(weft_futex_wait_two(&own, 1, &shared, 6, WEFT_TIME_INFINITE));
  assert_true(weft_futex_wait_two(&own, 0, &shared, 6, WEFT_TIME_INFINITE));
}

static void a_wait_for_two_ends_at_its_deadline(void** state) {
  (void)state;
  _Atomic uint32_t own = 0;
  _Atomic uint32_t shared = 0;
  assert_false(weft_futex_wait_two(&own, 0, &shared, 0, WEFT_TIME_NOW));
  assert_false(weft_futex_wait_two(&own, 0, &shared, 0, INT64_MIN));
  int64_t deadline_ns = weft_sys_now_ns() + 2000000;
  // It may wake for no reason before.
  while (weft_futex_wait_two(&own, 0, &shared, 0, deadline_ns)) {
  }
  assert_true(weft_sys_now_ns() >= deadline_ns);
}

static void* map_shared(void) {
  void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(page != MAP_FAILED);
  return page;
}

// Two words that a thread sleeps on, and which of them another changes.
typedef struct two {
  _Atomic uint32_t own;
  _Atomic uint32_t* shared;
  bool wakes_shared;
} two_t;

static void sleep_on_two(size_t index, void* user) {
  two_t* two = user;
  _Atomic uint32_t* changed = two->wakes_shared ? two->shared : &two->own;
  if (index == 0) {
    // Release: pairs with the acquire below.
    atomic_store_explicit(changed, 1, memory_order_release);
    if (two->wakes_shared) {
      weft_futex_wake_shared(changed, 1);
    } else {
      weft_futex_wake(changed, 1);
    }
    return;
  }
  // Acquire: pairs with the release above.
  while (atomic_load_explicit(changed, memory_order_acquire) == 0) {
    weft_assert(
        weft_futex_wait_two(&two->own, 0, two->shared, 0, WEFT_TIME_INFINITE));
  }
}

static void a_wake_of_either_word_ends_a_wait_for_two(void** state) {
  (void)state;
  void* page = map_shared();
  _Atomic uint32_t* shared = page;
  for (int i = 0; i < 200; ++i) {
    two_t two = {.shared = shared, .wakes_shared = i % 2 == 0};
    // Relaxed: the threads start after it.
    atomic_store_explicit(shared, 0, memory_order_relaxed);
    weft_kit_run_threads(2, sleep_on_two, &two);
  }
  munmap(page, 4096);
}

static void another_process_can_wake_the_shared_word(void** state) {
  (void)state;
  void* page = map_shared();
  _Atomic uint32_t* shared = page;
  _Atomic uint32_t own = 0;
  pid_t child = fork();
  if (child == 0) {
    // Release: pairs with the acquire of the parent.
    atomic_store_explicit(shared, 1, memory_order_release);
    weft_futex_wake_shared(shared, 1);
    _exit(0);
  }
  assert_true(child > 0);
  // Acquire: pairs with the release of the child.
  while (atomic_load_explicit(shared, memory_order_acquire) == 0) {
    assert_true(weft_futex_wait_two(&own, 0, shared, 0, WEFT_TIME_INFINITE));
  }
  assert_int_equal(child, waitpid(child, NULL, 0));
  munmap(page, 4096);
}

// Installs a filter that answers futex_waitv with an error, for this process.
static void forbid_waitv(void* user) {
  uint32_t error = *(const uint32_t*)user;
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 449, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {.len = 4, .filter = code};
  weft_assert(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  weft_assert(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  weft_assert(!weft_futex_has_wait_two());
  _Atomic uint32_t own = 0;
  _Atomic uint32_t shared = 0;
  int64_t deadline_ns = weft_sys_now_ns() + 3000000;
  while (weft_futex_wait_two(&own, 0, &shared, 0, deadline_ns)) {
  }
  weft_assert(weft_sys_now_ns() >= deadline_ns);
  weft_assert(weft_futex_wait_two(&own, 0, &shared, 1, WEFT_TIME_INFINITE));
  weft_assert(weft_futex_wait_two(&own, 1, &shared, 0, WEFT_TIME_INFINITE));
  // Nobody wakes it for the shared word: it looks by itself.
  two_t two = {.shared = &shared, .wakes_shared = true};
  weft_kit_run_threads(2, sleep_on_two, &two);
}

static void without_futex_waitv_a_wait_looks_every_millisecond(void** state) {
  (void)state;
  if (WEFT_SANITIZER) {
    // The filter stays, and a sanitizer does not expect threads after a fork.
    skip();
  }
  for (uint32_t error = 1; error <= 38; error += 37) {
    char output[1000];
    weft_kit_ending_t ending =
        weft_kit_run_child(forbid_waitv, &error, output, sizeof(output));
    assert_int_equal(0, ending.exit_status);
    assert_int_equal(0, ending.signal_number);
  }
  assert_true(weft_futex_has_wait_two());
}

// --- Threads ----------------------------------------------------------------

typedef struct report {
  char name[32];
  sigset_t blocked;
  uint32_t id;
  bool ran;
} report_t;

static void write_report(void* user) {
  report_t* report = user;
  pthread_getname_np(pthread_self(), report->name, sizeof(report->name));
  pthread_sigmask(SIG_SETMASK, NULL, &report->blocked);
  report->id = weft_sys_thread_id();
  report->ran = true;
}

static report_t run_reporter(const char* name) {
  report_t report = {.ran = false};
  weft_sys_thread_t thread;
  weft_kit_assert_ok(
      weft_sys_thread_start(&thread, name, write_report, &report));
  assert_true(thread.started);
  weft_sys_thread_join(&thread);
  assert_false(thread.started);
  assert_true(report.ran);
  return report;
}

static void a_thread_runs_under_its_name(void** state) {
  (void)state;
  report_t report = run_reporter("worker 1");
  assert_string_equal(report.name, "worker 1");
}

static void a_long_name_is_cut(void** state) {
  (void)state;
  report_t report = run_reporter("a name of more than 15 bytes");
  assert_string_equal(report.name, "a name of more ");
}

static void a_thread_leaves_signals_to_the_program_but_faults(void** state) {
  (void)state;
  sigset_t before;
  sigemptyset(&before);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  report_t report = run_reporter("signals");
  static const int asynchronous[] = {SIGINT,  SIGTERM, SIGHUP, SIGCHLD,
                                     SIGUSR1, SIGALRM, SIGPIPE};
  for (size_t i = 0; i < sizeof(asynchronous) / sizeof(int); ++i) {
    assert_int_equal(sigismember(&report.blocked, asynchronous[i]), 1);
  }
  static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
  for (size_t i = 0; i < sizeof(faults) / sizeof(int); ++i) {
    assert_int_equal(sigismember(&report.blocked, faults[i]), 0);
  }
  sigset_t after;
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  for (int i = 1; i < 32; ++i) {
    assert_int_equal(sigismember(&before, i), sigismember(&after, i));
  }
}

static void a_thread_that_cannot_start_is_reported(void** state) {
  (void)state;
  // No address space has room for this stack.
  pthread_attr_t usual;
  pthread_attr_t huge;
  pthread_getattr_default_np(&usual);
  pthread_attr_init(&huge);
  pthread_attr_setstacksize(&huge, (size_t)1 << 60);
  pthread_setattr_default_np(&huge);
  weft_sys_thread_t thread;
  report_t report = {.ran = false};
  weft_status_t status =
      weft_sys_thread_start(&thread, "too big", write_report, &report);
  pthread_setattr_default_np(&usual);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&usual);
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "thread too big cannot be started", status);
  assert_false(thread.started);
  weft_sys_thread_join(&thread);
  assert_false(report.ran);
}

static void note_id(size_t index, void* user) {
  uint32_t* ids = user;
  ids[index] = weft_sys_thread_id();
}

static void every_thread_has_a_number_of_its_own(void** state) {
  (void)state;
  // The second crew may run on the stacks of the first.
  uint32_t ids[17];
  weft_kit_run_threads(8, note_id, ids);
  weft_kit_run_threads(8, note_id, ids + 8);
  ids[16] = weft_sys_thread_id();
  assert_int_equal(ids[16], weft_sys_thread_id());
  for (size_t i = 0; i < 17; ++i) {
    assert_int_not_equal(ids[i], 0);
    for (size_t j = 0; j < i; ++j) {
      assert_int_not_equal(ids[i], ids[j]);
    }
  }
}

// --- Clock, cores, environment ----------------------------------------------

static void the_clock_never_goes_back(void** state) {
  (void)state;
  int64_t before_ns = weft_sys_now_ns();
  assert_true(before_ns > 0);
  for (int i = 0; i < 1000; ++i) {
    int64_t now_ns = weft_sys_now_ns();
    assert_true(now_ns >= before_ns);
    before_ns = now_ns;
  }
}

static void cores_are_those_of_the_affinity_mask(void** state) {
  (void)state;
  cpu_set_t all;
  assert_int_equal(sched_getaffinity(0, sizeof(all), &all), 0);
  assert_int_equal(weft_sys_core_count(), CPU_COUNT(&all));
  cpu_set_t one;
  CPU_ZERO(&one);
  for (size_t core = 0; CPU_COUNT(&one) == 0; ++core) {
    if (CPU_ISSET(core, &all)) {
      CPU_SET(core, &one);
    }
  }
  assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
  uint32_t count = weft_sys_core_count();
  assert_int_equal(sched_setaffinity(0, sizeof(all), &all), 0);
  assert_int_equal(count, 1);
}

static void the_program_has_a_name(void** state) {
  (void)state;
  char path[4096] = {0};
  assert_true(readlink("/proc/self/exe", path, sizeof(path) - 1) > 0);
  assert_string_equal(weft_sys_program_name(), strrchr(path, '/') + 1);
}

static void the_process_has_a_number(void** state) {
  (void)state;
  assert_int_equal(weft_sys_process_id(), getpid());
}

static void check_number(void* user) {
  (void)user;
  assert_int_equal(weft_sys_process_id(), getpid());
}

static void a_forked_child_has_another(void** state) {
  (void)state;
  char output[1024];
  (void)weft_sys_process_id();
  weft_kit_ending_t ending =
      weft_kit_run_child(check_number, NULL, output, sizeof(output));
  assert_int_equal(ending.exit_status, 0);
  assert_int_equal(ending.signal_number, 0);
}

static void variables_of_the_environment_can_be_read(void** state) {
  (void)state;
  setenv("WEFT_SYS_TEST", "on", 1);
  assert_string_equal(weft_sys_environment("WEFT_SYS_TEST"), "on");
  unsetenv("WEFT_SYS_TEST");
  assert_null(weft_sys_environment("WEFT_SYS_TEST"));
}

// --- Writing ----------------------------------------------------------------

#define STREAM_BYTES ((size_t)300000)

typedef struct stream {
  int ends[2];
  const unsigned char* data;
  bool taken;
  bool equal;
} stream_t;

static bool read_and_compare(const stream_t* stream) {
  for (size_t i = 0; i < STREAM_BYTES;) {
    unsigned char part[1000];
    ssize_t count = read(stream->ends[0], part, sizeof(part));
    if (count <= 0 || memcmp(part, stream->data + i, (size_t)count) != 0) {
      return false;
    }
    i += (size_t)count;
  }
  return true;
}

static void write_or_read(size_t index, void* user) {
  stream_t* stream = user;
  if (index == 0) {
    stream->taken = weft_sys_write(stream->ends[1], stream->data, STREAM_BYTES);
  } else {
    stream->equal = read_and_compare(stream);
  }
}

static void all_is_written_even_in_parts(void** state) {
  (void)state;
  // More than a pipe holds.
  unsigned char* data = test_malloc(STREAM_BYTES);
  for (size_t i = 0; i < STREAM_BYTES; ++i) {
    data[i] = (unsigned char)(i * 31);
  }
  stream_t stream = {.data = data};
  assert_int_equal(pipe(stream.ends), 0);
  weft_kit_run_threads(2, write_or_read, &stream);
  assert_true(stream.taken);
  assert_true(stream.equal);
  close(stream.ends[0]);
  close(stream.ends[1]);
  test_free(data);
}

static void a_descriptor_can_be_duplicated(void** state) {
  (void)state;
  int ends[2];
  assert_int_equal(0, pipe(ends));
  int copy = weft_sys_duplicate(ends[1]);
  assert_true(copy >= 0 && copy != ends[1]);
  close(ends[1]);
  assert_true(weft_sys_write(copy, "x", 1));
  char byte = 0;
  assert_int_equal(1, read(ends[0], &byte, 1));
  assert_int_equal('x', byte);
  close(copy);
  close(ends[0]);
  assert_int_equal(-1, weft_sys_duplicate(copy));
}

static void a_closed_descriptor_takes_nothing(void** state) {
  (void)state;
  int ends[2];
  assert_int_equal(pipe(ends), 0);
  close(ends[0]);
  close(ends[1]);
  errno = 77;
  assert_false(weft_sys_write(ends[1], "x", 1));
  assert_int_equal(errno, 77);
  assert_true(weft_sys_write(ends[1], "x", 0));
}

static void the_end_of_a_process_is_seen_before_it_is_waited_for(void** state) {
  (void)state;
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    (void)pause();
  }
  struct pollfd wanted = {.fd = weft_sys_process_open((uint32_t)child),
                          .events = POLLIN};
  assert_true(wanted.fd >= 0);
  assert_int_equal(0, poll(&wanted, 1, 0));
  assert_int_equal(0, kill(child, SIGKILL));
  assert_int_equal(1, poll(&wanted, 1, -1));
  (void)close(wanted.fd);
  assert_int_equal(child, waitpid(child, NULL, 0));
  assert_int_equal(-1, weft_sys_process_open((uint32_t)child));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_mutex_lets_one_thread_in),
      cmocka_unit_test(a_mutex_can_be_made_statically),
      cmocka_unit_test(a_wait_for_another_value_returns_at_once),
      cmocka_unit_test(a_wait_ends_at_its_deadline),
      cmocka_unit_test(a_deadline_that_passed_is_no_wait),
      cmocka_unit_test(a_wake_reaches_all_sleepers),
      cmocka_unit_test(a_wait_for_two_returns_when_either_has_another_value),
      cmocka_unit_test(a_wait_for_two_ends_at_its_deadline),
      cmocka_unit_test(a_wake_of_either_word_ends_a_wait_for_two),
      cmocka_unit_test(another_process_can_wake_the_shared_word),
      cmocka_unit_test(without_futex_waitv_a_wait_looks_every_millisecond),
      cmocka_unit_test(a_thread_runs_under_its_name),
      cmocka_unit_test(a_long_name_is_cut),
      cmocka_unit_test(a_thread_leaves_signals_to_the_program_but_faults),
      cmocka_unit_test(a_thread_that_cannot_start_is_reported),
      cmocka_unit_test(every_thread_has_a_number_of_its_own),
      cmocka_unit_test(the_clock_never_goes_back),
      cmocka_unit_test(cores_are_those_of_the_affinity_mask),
      cmocka_unit_test(the_program_has_a_name),
      cmocka_unit_test(the_process_has_a_number),
      cmocka_unit_test(a_forked_child_has_another),
      cmocka_unit_test(the_end_of_a_process_is_seen_before_it_is_waited_for),
      cmocka_unit_test(variables_of_the_environment_can_be_read),
      cmocka_unit_test(all_is_written_even_in_parts),
      cmocka_unit_test(a_descriptor_can_be_duplicated),
      cmocka_unit_test(a_closed_descriptor_takes_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
