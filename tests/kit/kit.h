// SPDX-License-Identifier: Apache-2.0
//
// What all tests share: an allocator that counts and fails on demand, a sweep
// of allocation failures over whatever creates something, statuses that are
// expected, seeded random numbers, threads that start together, children that
// may crash.
//
// A test ends by a longjmp when an assertion of cmocka fails, so assertions
// belong on the test's own thread; other threads report to it.
//
// Environment:
//   WEFT_TEST_SEED=N       seeded tests run this seed and no other
//   WEFT_TEST_AMOUNT=A     how many seeds: plain (1000), sanitizer (100: the
//                          default in such a build) or whole: as plain, and no
//                          step or time is shortened
//   WEFT_TEST_PART=K       which seeds: the K-th so many, from 0; part after
//                          part makes the amounts of tools/soak.sh

#ifndef WEFT_TESTS_KIT_KIT_H_
#define WEFT_TESTS_KIT_KIT_H_

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "weft/allocator.h"
#include "weft/status.h"

// --- Memory -----------------------------------------------------------------

// An allocator that knows what it gave out. It checks size, overrun and
// double frees when a block comes back. Zero it, then init.
typedef struct weft_kit_block weft_kit_block_t;
typedef struct weft_kit_allocator {
  // What the code under test is given.
  weft_allocator_t allocator;
  pthread_mutex_t lock;
  weft_kit_block_t* blocks;
  size_t blocks_in_use;
  size_t bytes_in_use;
  // Calls of `allocate` so far.
  uint64_t allocations;
  // Calls from this one on, counted from 0, fail: `fail_count` of them.
  uint64_t fail_first;
  uint64_t fail_count;
  // Calls that failed.
  uint64_t failed;
} weft_kit_allocator_t;

void weft_kit_allocator_init(weft_kit_allocator_t* kit);
// The `count` allocations after the next `after` fail; 0 turns this off.
void weft_kit_allocator_fail(weft_kit_allocator_t* kit, uint64_t after,
                             uint64_t count);
// Fails the test, naming the blocks, unless all have come back.
void weft_kit_allocator_check_empty(weft_kit_allocator_t* kit);
// Checks that, and frees what the kit itself holds.
void weft_kit_allocator_deinit(weft_kit_allocator_t* kit);

// Something that can be created, for a sweep.
typedef struct weft_kit_creation {
  // Creates with this allocator. Stores an object in `*out_object`, which is
  // NULL at entry, on success only.
  weft_status_t (*create)(const weft_allocator_t* allocator, void* user,
                          void** out_object);
  void (*destroy)(void* object, void* user);
  void* user;
} weft_kit_creation_t;

// Creates again and again while the first, the second, the third ... of its
// allocations fails, alone and with all after it, until a creation needs no
// more; then all of it once more with statuses that find no memory either.
// Every failure must be RESOURCE_EXHAUSTED, leave the output NULL, and leak
// nothing; a creation that did without the memory is destroyed as usual.
void weft_kit_sweep(const weft_kit_creation_t* creation);

// --- Statuses ---------------------------------------------------------------

// Fails the test, printing the status, unless it has this code. Releases it.
#define weft_kit_assert_status(expected, status) \
  weft_kit_check_status((expected), (status), __FILE__, __LINE__)
#define weft_kit_assert_ok(status) \
  weft_kit_assert_status(WEFT_STATUS_OK, (status))
void weft_kit_check_status(weft_status_code_t expected, weft_status_t status,
                           const char* file, int line);

// As above, and the whole text of the status must contain `part`.
#define weft_kit_assert_status_says(expected, part, status) \
  weft_kit_check_status_says((expected), (part), (status), __FILE__, __LINE__)
void weft_kit_check_status_says(weft_status_code_t expected, const char* part,
                                weft_status_t status, const char* file,
                                int line);

// --- Seeds ------------------------------------------------------------------

// Random numbers that a seed determines: xoshiro256**, by Blackman and Vigna.
typedef struct weft_kit_random {
  uint64_t state[4];
} weft_kit_random_t;

void weft_kit_random_init(weft_kit_random_t* random, uint64_t seed);
uint64_t weft_kit_random_next(weft_kit_random_t* random);
// Less than `limit`, which is not 0.
uint64_t weft_kit_random_below(weft_kit_random_t* random, uint64_t limit);

// How often to do something that is done `plain` times in a plain build; at
// least once.
uint64_t weft_kit_amount(uint64_t plain);

// Whether sweeps leave no step out, and limits on time are those of users.
bool weft_kit_is_whole(void);

// The seeds to run, `plain` of them in a plain build: those of a part.
typedef struct weft_kit_seeds {
  uint64_t first;
  uint64_t count;
} weft_kit_seeds_t;
weft_kit_seeds_t weft_kit_seeds(uint64_t plain);

// Runs a body for these seeds, each with random numbers of its own. When one
// fails, by an assertion or a crash, the command that repeats it is printed.
#define weft_kit_for_some_seeds(plain, body, user) \
  weft_kit_run_seeds((plain), #body, (body), (user))
#define weft_kit_for_seeds(body, user) \
  weft_kit_for_some_seeds(1000, body, (user))
void weft_kit_run_seeds(uint64_t plain, const char* name,
                        void (*body)(weft_kit_random_t* random, void* user),
                        void* user);

// --- What tools/soak.sh counts ----------------------------------------------
// On standard output, a line each.

// `amount: WHAT AMOUNT`: so much of something was done, and was as it should
// be.
void weft_kit_say_amount(const char* what, uint64_t amount);
// `time: WHAT MS`: so long it took. Never a limit of a test.
void weft_kit_say_time(const char* what, int64_t time_ns);

// --- Threads ----------------------------------------------------------------

#define WEFT_KIT_THREAD_LIMIT 64

// Runs `body(index, user)` on `count` threads that start at the same moment;
// returns when all have ended.
void weft_kit_run_threads(size_t count, void (*body)(size_t index, void* user),
                          void* user);

// --- Children ---------------------------------------------------------------

// How a process ended; one of the two is not 0 unless all went well.
typedef struct weft_kit_ending {
  int exit_status;
  int signal_number;
} weft_kit_ending_t;

// Runs `body(user)` in a forked child, which exits with 0 when it returns,
// and gives what it wrote to standard output and standard error: at most
// `capacity - 1` bytes and a NUL. An assertion that fails there, and any other
// fault, ends the child by a signal.
weft_kit_ending_t weft_kit_run_child(void (*body)(void* user), void* user,
                                     char* output, size_t capacity);

#endif  // WEFT_TESTS_KIT_KIT_H_
