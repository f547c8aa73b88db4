// SPDX-License-Identifier: Apache-2.0

#include "sys/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "sys/signal.h"

#define NS_PER_SECOND 1000000000
// How long `weft_futex_wait_two` sleeps at a time where it cannot sleep on two
// words.
#define SLICE_NS 1000000

// What older headers lack.
#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

// --- Locks ------------------------------------------------------------------

void weft_mutex_init(weft_mutex_t* mutex) {
  int error = pthread_mutex_init(&mutex->native, NULL);
  weft_assert(error == 0);
}

void weft_mutex_deinit(weft_mutex_t* mutex) {
  int error = pthread_mutex_destroy(&mutex->native);
  weft_assert(error == 0);
}

void weft_mutex_lock(weft_mutex_t* mutex) {
  int error = pthread_mutex_lock(&mutex->native);
  weft_assert(error == 0);
}

void weft_mutex_unlock(weft_mutex_t* mutex) {
  int error = pthread_mutex_unlock(&mutex->native);
  weft_assert(error == 0);
}

// --- Futex ------------------------------------------------------------------

static struct timespec time_point(int64_t time_ns) {
  int64_t from_start_ns = time_ns > 0 ? time_ns : 0;
  return (struct timespec){
      .tv_sec = from_start_ns / NS_PER_SECOND,
      .tv_nsec = from_start_ns % NS_PER_SECOND,
  };
}

bool weft_futex_wait(_Atomic uint32_t* word, uint32_t expected,
                     int64_t deadline_ns) {
  struct timespec deadline = time_point(deadline_ns);
  const struct timespec* limit =
      deadline_ns == WEFT_TIME_INFINITE ? NULL : &deadline;
  // The form with a bit set is the one whose time is a point, not a length.
  long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG,
                        expected, limit, NULL, FUTEX_BITSET_MATCH_ANY);
  int error = result == 0 ? 0 : errno;
  weft_assert(error == 0 || error == EAGAIN || error == EINTR ||
              error == ETIMEDOUT);
  return error != ETIMEDOUT;
}

static void wake(_Atomic uint32_t* word, int operation, uint32_t count) {
  uint32_t limit = count < INT_MAX ? count : INT_MAX;
  // An error (EFAULT) means that the word is gone, and its sleepers with it.
  (void)syscall(SYS_futex, word, operation, limit, NULL, NULL, 0);
}

void weft_futex_wake(_Atomic uint32_t* word, uint32_t count) {
  wake(word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count);
}

void weft_futex_wake_shared(_Atomic uint32_t* word, uint32_t count) {
  wake(word, FUTEX_WAKE, count);
}

// Two words for futex_waitv(2), as the kernel defines them: headers of before
// Linux 5.16 do not.
typedef struct waitv {
  uint64_t expected;
  uint64_t address;
  uint32_t flags;
  uint32_t reserved;
} waitv_t;

#define WAITV_SIZE_32 2

// 0 or an error: ETIMEDOUT when the deadline passed, ENOSYS or EPERM when the
// call is not to be had.
static int wait_for_two(_Atomic uint32_t* own, uint32_t own_expected,
                        _Atomic uint32_t* shared, uint32_t shared_expected,
                        int64_t deadline_ns) {
  const waitv_t words[2] = {
      {.expected = own_expected,
       .address = (uint64_t)(uintptr_t)own,
       .flags = WAITV_SIZE_32 | FUTEX_PRIVATE_FLAG},
      {.expected = shared_expected,
       .address = (uint64_t)(uintptr_t)shared,
       .flags = WAITV_SIZE_32},
  };
  struct timespec deadline = time_point(deadline_ns);
  long result = syscall(SYS_futex_waitv, words, 2, 0,
                        deadline_ns == WEFT_TIME_INFINITE ? NULL : &deadline,
                        CLOCK_MONOTONIC);
  return result >= 0 ? 0 : errno;
}

static bool is_missing(int error) {
  // EPERM: seccomp filters that do not know the call answer so.
  return error == ENOSYS || error == EPERM;
}

// Sleeps on the own word, and looks at the other now and then.
static bool wait_in_slices(_Atomic uint32_t* own, uint32_t own_expected,
                           _Atomic uint32_t* shared, uint32_t shared_expected,
                           int64_t deadline_ns) {
  // Acquire: whoever changes the words has written what they are for before.
  while (atomic_load_explicit(own, memory_order_acquire) == own_expected &&
         atomic_load_explicit(shared, memory_order_acquire) ==
             shared_expected) {
    int64_t slice_ns = weft_sys_now_ns() + SLICE_NS;
    int64_t until_ns = slice_ns < deadline_ns ? slice_ns : deadline_ns;
    if (weft_futex_wait(own, own_expected, until_ns)) {
      return true;
    }
    if (until_ns == deadline_ns) {
      return false;
    }
  }
  return true;
}

bool weft_futex_wait_two(_Atomic uint32_t* own, uint32_t own_expected,
                         _Atomic uint32_t* shared, uint32_t shared_expected,
                         int64_t deadline_ns) {
  int error =
      wait_for_two(own, own_expected, shared, shared_expected, deadline_ns);
  if (is_missing(error)) {
    return wait_in_slices(own, own_expected, shared, shared_expected,
                          deadline_ns);
  }
  weft_assert(error == 0 || error == EAGAIN || error == EINTR ||
              error == ETIMEDOUT);
  return error != ETIMEDOUT;
}

bool weft_futex_has_wait_two(void) {
  _Atomic uint32_t own = 1;
  _Atomic uint32_t shared = 1;
  return !is_missing(wait_for_two(&own, 0, &shared, 0, WEFT_TIME_NOW));
}

// --- Threads ----------------------------------------------------------------

static void* thread_main(void* argument) {
  weft_sys_thread_t* thread = argument;
  // A name that the system does not take is no reason to run without thread.
  (void)pthread_setname_np(pthread_self(), thread->name);
  void* stack = weft_signal_stack_open();
  thread->run(thread->user);
  weft_signal_stack_close(stack);
  return NULL;
}

// All signals but faults: the kernel ends a process that blocks those, and no
// handler gets to report them.
static void blocked_signals(sigset_t* set) {
  static const int faults[] = {SIGSEGV, SIGBUS,  SIGILL, SIGFPE,
                               SIGABRT, SIGTRAP, SIGSYS};
  sigfillset(set);
  for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); ++i) {
    sigdelset(set, faults[i]);
  }
}

weft_status_t weft_sys_thread_start(weft_sys_thread_t* thread, const char* name,
                                    void (*run)(void* user), void* user) {
  *thread = (weft_sys_thread_t){.run = run, .user = user};
  snprintf(thread->name, sizeof(thread->name), "%s", name);
  sigset_t blocked;
  sigset_t before;
  blocked_signals(&blocked);
  // A thread starts with the mask of its maker.
  pthread_sigmask(SIG_SETMASK, &blocked, &before);
  int error = pthread_create(&thread->native, NULL, thread_main, thread);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  thread->started = error == 0;
  if (error != 0) {
    return weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "thread %s cannot be started: %s; use fewer threads, or raise the "
        "limit of processes (ulimit -u)",
        thread->name, strerrordesc_np(error));
  }
  return WEFT_OK;
}

void weft_sys_thread_join(weft_sys_thread_t* thread) {
  if (thread->started) {
    int error = pthread_join(thread->native, NULL);
    weft_assert(error == 0);
    thread->started = false;
  }
}

uint32_t weft_sys_thread_id(void) {
  static _Atomic uint32_t last_id;
  static _Thread_local uint32_t own_id;
  if (own_id == 0) {
    // Relaxed: the numbers only have to differ.
    own_id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
    weft_assert(own_id != 0);
  }
  return own_id;
}

void weft_sys_yield(void) {
  (void)sched_yield();
}

// --- Clock, cores, environment ----------------------------------------------

int64_t weft_sys_now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * NS_PER_SECOND + now.tv_nsec;
}

// Counts with a mask of `core_limit` cores; 0 when that is too small.
static uint32_t count_cores(size_t core_limit) {
  cpu_set_t* set = CPU_ALLOC(core_limit);
  if (set == NULL) {
    return 1;
  }
  size_t size_bytes = CPU_ALLOC_SIZE(core_limit);
  int count = 0;
  if (sched_getaffinity(0, size_bytes, set) == 0) {
    count = CPU_COUNT_S(size_bytes, set);
  } else if (errno != EINVAL) {
    count = 1;
  }
  CPU_FREE(set);
  return (uint32_t)count;
}

uint32_t weft_sys_core_count(void) {
  // The kernel refuses masks that are smaller than its own.
  static const size_t limit = 1u << 20;
  uint32_t count = 0;
  for (size_t cores = CPU_SETSIZE; count == 0 && cores <= limit; cores *= 4) {
    count = count_cores(cores);
  }
  return count > 0 ? count : 1;
}

const char* weft_sys_program_name(void) {
  return program_invocation_short_name;
}

// 0 while it is not known. To ask the system costs as much as a message.
static _Atomic uint32_t process_id;
static pthread_once_t forks_watched = PTHREAD_ONCE_INIT;

// Also run in every child, by its only thread.
static void note_process_id(void) {
  // Relaxed: the number says nothing about other memory.
  atomic_store_explicit(&process_id, (uint32_t)getpid(), memory_order_relaxed);
}

static void watch_forks(void) {
  // Without memory for it, the system is asked every time.
  if (pthread_atfork(NULL, NULL, note_process_id) == 0) {
    note_process_id();
  }
}

uint32_t weft_sys_process_id(void) {
  // Relaxed: as above.
  uint32_t id = atomic_load_explicit(&process_id, memory_order_relaxed);
  if (id != 0) {
    return id;
  }
  (void)pthread_once(&forks_watched, watch_forks);
  return (uint32_t)getpid();
}

const char* weft_sys_environment(const char* name) {
  return getenv(name);
}

int weft_sys_duplicate(int descriptor) {
  return fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
}

bool weft_sys_write(int descriptor, const void* data, size_t size_bytes) {
  const char* rest = data;
  int saved = errno;
  bool taken = true;
  while (taken && size_bytes > 0) {
    ssize_t count = write(descriptor, rest, size_bytes);
    if (count > 0) {
      rest += count;
      size_bytes -= (size_t)count;
    } else {
      taken = count < 0 && errno == EINTR;
    }
  }
  errno = saved;
  return taken;
}

int weft_sys_process_open(uint32_t process) {
  // Closed by exec: that is how the system makes it.
  return (int)syscall(SYS_pidfd_open, (pid_t)process, 0);
}
