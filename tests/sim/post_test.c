// SPDX-License-Identifier: Apache-2.0
//
// Members of a job send each other letters, are killed, stopped and slowed
// down, all by chance from a seed. The model (post.h) knows how each letter
// may have ended.

#include "sim/post.h"

enum { ACTS = 120 };

static void play(post_t* post) {
  // One of two may be killed while the other is given up.
  for (uint32_t i = 0; i < ACTS && post->job.dead_count < post->job.size; ++i) {
    post_act(post);
    (void)job_run(&post->job, weft_kit_random_below(post->random, 60));
  }
  for (uint32_t i = 0; i < 3; ++i) {
    (void)job_run(&post->job, UINT64_MAX);
    post_settle_all(post);
  }
  (void)job_run(&post->job, UINT64_MAX);
  post_check_over(post);
}

static void run_post(weft_kit_random_t* random, void* user) {
  static post_t post;
  uint64_t* course = user;
  post_open(&post, random,
            2 + (uint32_t)weft_kit_random_below(random, JOB_MEMBERS - 1));
  play(&post);
  if (course != NULL) {
    *course = post.job.course;
  }
  post_close(&post);
}

static void letters_come_in_order_each_once_and_every_call_ends(void** state) {
  (void)state;
  weft_kit_for_seeds(run_post, NULL);
}

static void the_same_seed_takes_the_same_course(void** state) {
  (void)state;
  job_check_courses(run_post);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(letters_come_in_order_each_once_and_every_call_ends),
      cmocka_unit_test(the_same_seed_takes_the_same_course),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
