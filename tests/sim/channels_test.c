// SPDX-License-Identifier: Apache-2.0
//
// Ends of channels go from member to member of a job, which are slowed down,
// stopped and killed, all by chance from a seed; see wharf.h.

#include "sim/wharf.h"

enum { ACTS = 200 };

static void run_wharf(weft_kit_random_t* random, void* user) {
  static wharf_t wharf;
  uint64_t* course = user;
  wharf_open(&wharf, random);
  for (uint32_t i = 0; i < ACTS; i++) {
    wharf_act(&wharf);
    if (wharf_chance(&wharf, 12)) {
      (void)job_run(&wharf.job, UINT64_MAX);
      wharf_check(&wharf);
    } else {
      (void)job_run(&wharf.job, wharf_below(&wharf, 40));
    }
  }
  wharf_finish(&wharf);
  if (course != NULL) {
    *course = wharf.job.course;
  }
  wharf_close(&wharf);
}

static void every_reader_gets_all_in_order_until_the_end(void** state) {
  (void)state;
  weft_kit_for_seeds(run_wharf, NULL);
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  job_check_courses(run_wharf);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_reader_gets_all_in_order_until_the_end),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
