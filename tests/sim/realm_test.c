// SPDX-License-Identifier: Apache-2.0
//
// Lives of actors of several members of a job; see realm.h.

#include "sim/realm.h"

static void play(realm_t* realm) {
  while (realm->act < REALM_ACTS) {
    realm_act(realm);
    if (weft_kit_random_below(realm->random, 10) == 0) {
      (void)job_run(&realm->job, UINT64_MAX);
      realm_check(realm);
    } else {
      (void)job_run(&realm->job, weft_kit_random_below(realm->random, 40));
    }
  }
  (void)job_run(&realm->job, UINT64_MAX);
  realm_finish(realm);
  realm_check(realm);
}

static void run_realm(weft_kit_random_t* random, void* user) {
  static realm_t realm;
  uint64_t* course = user;
  realm_open(&realm, random,
             2 + (uint32_t)weft_kit_random_below(random, JOB_MEMBERS - 1));
  play(&realm);
  if (course != NULL) {
    *course = realm.job.course;
  }
  realm_close(&realm);
}

static void lives_end_and_are_heard_of_as_the_model_says(void** state) {
  (void)state;
  weft_kit_for_seeds(run_realm, NULL);
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  job_check_courses(run_realm);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lives_end_and_are_heard_of_as_the_model_says),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
