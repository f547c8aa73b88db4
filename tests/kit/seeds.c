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

uint64_t weft_kit_amount(uint64_t plain) {
  const char* amount = getenv("WEFT_TEST_AMOUNT");
  if (amount == NULL) {
    amount = WEFT_SANITIZER ? "sanitizer" : "plain";
  }
  uint64_t scaled = plain;
  if (strcmp(amount, "sanitizer") == 0) {
    scaled = plain / 10;
  } else if (strcmp(amount, "soak") == 0) {
    scaled = plain * 1000;
  } else {
    weft_assert(strcmp(amount, "plain") == 0 &&
                "WEFT_TEST_AMOUNT is plain, sanitizer or soak");
  }
  return scaled > 0 ? scaled : 1;
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

void weft_kit_for_some_seeds(uint64_t plain,
                             void (*body)(weft_kit_random_t* random,
                                          void* user),
                             void* user) {
  // Of a test before, which failed.
  print_command();
  watch();
  uint64_t seed = 0;
  if (read_number("WEFT_TEST_SEED", &seed)) {
    run_seed(seed, body, user);
    return;
  }
  uint64_t count = weft_kit_amount(plain);
  for (seed = 0; seed < count; ++seed) {
    run_seed(seed, body, user);
  }
}

void weft_kit_for_seeds(void (*body)(weft_kit_random_t* random, void* user),
                        void* user) {
  weft_kit_for_some_seeds(1000, body, user);
}
