// SPDX-License-Identifier: Apache-2.0

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/sanitizer.h"
#include "kit/kit.h"

// What to print if the seed that runs does not come to its end; empty when
// none runs. Ready beforehand, for a signal handler to write.
static char command[512];
static size_t command_length;

static void prepare_command(uint64_t seed) {
  unsigned long long number = seed;
  int length =
      snprintf(command, sizeof(command),
               "seed %llu failed; repeat it with: WEFT_TEST_SEED=%llu %s\n",
               number, number, program_invocation_name);
  command_length =
      (size_t)length < sizeof(command) ? (size_t)length : sizeof(command) - 1;
}

static void print_command(void) {
  if (command_length > 0) {
    ssize_t written = write(STDERR_FILENO, command, command_length);
    (void)written;
    command_length = 0;
  }
}

static void on_abort(int signal_number) {
  print_command();
  (void)signal(signal_number, SIG_DFL);
}

#if WEFT_SANITIZER
void __sanitizer_set_death_callback(void (*callback)(void));
#endif

// A failed assertion and most crashes leave the test by a longjmp of cmocka,
// and the program by `exit`. What else may end it is watched here.
static void watch(void) {
  static bool watches;
  if (!watches) {
    watches = true;
    (void)atexit(print_command);
#if WEFT_SANITIZER
    __sanitizer_set_death_callback(print_command);
#endif
  }
  (void)signal(SIGABRT, on_abort);
}

static bool read_number(const char* name, uint64_t* out_number) {
  const char* text = getenv(name);
  if (text == NULL) {
    return false;
  }
  char* end = NULL;
  errno = 0;
  *out_number = strtoull(text, &end, 0);
  weft_assert(errno == 0 && end != text && *end == '\0');
  return true;
}

static const char* read_amount(void) {
  const char* amount = getenv("WEFT_TEST_AMOUNT");
  if (amount == NULL) {
    return WEFT_SANITIZER ? "sanitizer" : "plain";
  }
  weft_assert((strcmp(amount, "plain") == 0 || strcmp(amount, "whole") == 0 ||
               strcmp(amount, "sanitizer") == 0) &&
              "WEFT_TEST_AMOUNT is plain, sanitizer or whole");
  return amount;
}

uint64_t weft_kit_amount(uint64_t plain) {
  bool is_less = strcmp(read_amount(), "sanitizer") == 0;
  uint64_t scaled = is_less ? plain / 10 : plain;
  return scaled > 0 ? scaled : 1;
}

bool weft_kit_is_whole(void) {
  return strcmp(read_amount(), "whole") == 0;
}

weft_kit_seeds_t weft_kit_seeds(uint64_t plain) {
  weft_kit_seeds_t seeds = {.count = 1};
  uint64_t part = 0;
  if (!read_number("WEFT_TEST_SEED", &seeds.first)) {
    (void)read_number("WEFT_TEST_PART", &part);
    seeds.count = weft_kit_amount(plain);
    seeds.first = part * seeds.count;
  }
  return seeds;
}

static void run_seed(uint64_t seed,
                     void (*body)(weft_kit_random_t* random, void* user),
                     void* user) {
  weft_kit_random_t random;
  weft_kit_random_init(&random, seed);
  prepare_command(seed);
  body(&random, user);
  command_length = 0;
}

void weft_kit_run_seeds(uint64_t plain, const char* name,
                        void (*body)(weft_kit_random_t* random, void* user),
                        void* user) {
  // Of a test before, which failed.
  print_command();
  watch();
  weft_kit_seeds_t seeds = weft_kit_seeds(plain);
  for (uint64_t i = 0; i < seeds.count; ++i) {
    run_seed(seeds.first + i, body, user);
  }
  weft_kit_say_amount(name, seeds.count);
}

void weft_kit_say_amount(const char* what, uint64_t amount) {
  printf("amount: %s %llu\n", what, (unsigned long long)amount);
  (void)fflush(stdout);
}

void weft_kit_say_time(const char* what, int64_t time_ns) {
  printf("time: %s %.3f\n", what, (double)time_ns / 1e6);
  (void)fflush(stdout);
}
