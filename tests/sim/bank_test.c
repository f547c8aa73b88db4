// SPDX-License-Identifier: Apache-2.0
//
// Loans of tensors between the members of a job; see bank.h.

#include "sim/bank.h"

enum { ACTS = 150 };

static void run_bank(weft_kit_random_t* random, void* user) {
  static bank_t bank;
  uint64_t* course = user;
  bank_open(&bank, random,
            2 + (uint32_t)weft_kit_random_below(random, JOB_MEMBERS - 1));
  for (uint32_t i = 0; i < ACTS; ++i) {
    bank_act(&bank);
    (void)job_run(&bank.job, weft_kit_random_below(random, 40));
  }
  bank_settle(&bank);
  if (course != NULL) {
    *course = bank.job.course;
  }
  bank_close(&bank);
}

static void what_is_lent_is_what_was_sent_and_comes_back(void** state) {
  (void)state;
  weft_kit_for_seeds(run_bank, NULL);
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  job_check_courses(run_bank);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_lent_is_what_was_sent_and_comes_back),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
