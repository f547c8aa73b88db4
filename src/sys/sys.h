// SPDX-License-Identifier: Apache-2.0
//
// The operating system, all of it: threads, locks, futexes, clock, cores,
// environment. Nothing outside of this folder calls the system directly.

#ifndef WEFT_SYS_SYS_H_
#define WEFT_SYS_SYS_H_

#include <pthread.h>
#include <stdatomic.h>

#include "weft/common.h"
#include "weft/status.h"

// --- Locks: see the lock table in ARCHITECTURE.md for their order -----------

typedef struct weft_mutex {
  pthread_mutex_t native;
} weft_mutex_t;

// A mutex that needs no `init`.
#define WEFT_MUTEX_INIT \
  { PTHREAD_MUTEX_INITIALIZER }

void weft_mutex_init(weft_mutex_t* mutex);
void weft_mutex_deinit(weft_mutex_t* mutex);
void weft_mutex_lock(weft_mutex_t* mutex);
void weft_mutex_unlock(weft_mutex_t* mutex);

// --- Futex: wait for a word to change ---------------------------------------

// Sleeps while `*word == expected`, until woken or until `deadline_ns` on the
// monotonic clock. False when the deadline passed; true else, which includes
// waking for no reason: check the word again.
bool weft_futex_wait(_Atomic uint32_t* word, uint32_t expected,
                     int64_t deadline_ns);
// Wakes at most `count` sleepers of the word. The word may be gone already:
// only its address is used.
void weft_futex_wake(_Atomic uint32_t* word, uint32_t count);
// The same for sleepers of any process that has mapped the word's memory.
void weft_futex_wake_shared(_Atomic uint32_t* word, uint32_t count);

// Sleeps on two words: `own` of this process, which `weft_futex_wake` wakes,
// and `shared` in memory that other processes map, too, which
// `weft_futex_wake_shared` wakes. Sleeps while both have the values that are
// expected, until one is woken or the deadline. False when the deadline
// passed; true else, which includes waking for no reason: check both again.
// Where the system has no futex_waitv (Linux before 5.16, or a filter that
// forbids it), it sleeps on `own` alone and looks at `shared` every
// millisecond.
bool weft_futex_wait_two(_Atomic uint32_t* own, uint32_t own_expected,
                         _Atomic uint32_t* shared, uint32_t shared_expected,
                         int64_t deadline_ns);
// False where `weft_futex_wait_two` has to look every millisecond.
bool weft_futex_has_wait_two(void);

// --- Threads ----------------------------------------------------------------

// Stays where it is from start to join.
typedef struct weft_sys_thread {
  pthread_t native;
  bool started;
  char name[16];
  void (*run)(void* user);
  void* user;
} weft_sys_thread_t;

// Starts a thread named `name` (at most 15 bytes are kept) with all signals
// blocked but those that report a fault of the thread itself.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_sys_thread_start(weft_sys_thread_t* thread, const char* name,
                                    void (*run)(void* user), void* user);
// Waits for its end; nothing if it was never started.
void weft_sys_thread_join(weft_sys_thread_t* thread);

// A small number that is this thread's alone in this process, never 0 and
// never used again.
uint32_t weft_sys_thread_id(void);

// A short pause inside a loop that spins.
static inline void weft_sys_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}
// Lets another thread have the core.
void weft_sys_yield(void);

// --- Clock, cores, environment ----------------------------------------------

// CLOCK_MONOTONIC in nanoseconds; about 20 ns.
int64_t weft_sys_now_ns(void);
// Cores that the affinity mask allows this process; at least 1.
uint32_t weft_sys_core_count(void);
// The name of the running program; never NULL.
const char* weft_sys_program_name(void);
// The number of this process.
uint32_t weft_sys_process_id(void);
// A descriptor that is readable once a process has ended, whoever waits for it;
// -1 when there is none: it is gone, or the system cannot (Linux before 5.3).
int weft_sys_process_open(uint32_t process);
// A variable of the environment; NULL when it is not set. Lent until the
// program changes its environment.
const char* weft_sys_environment(const char* name);
// Another descriptor of the same file, which a program that is executed does
// not get; -1 when there can be none.
int weft_sys_duplicate(int descriptor);
// Writes all bytes to a descriptor; false when the system would not take
// them. Blocks: as write(2) does. Safe in a signal handler.
bool weft_sys_write(int descriptor, const void* data, size_t size_bytes);

#endif  // WEFT_SYS_SYS_H_
