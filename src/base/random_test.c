// SPDX-License-Identifier: Apache-2.0

#include "base/random.h"

#include "kit/kit.h"

// What Vigna's splitmix64.c gives for the seed 1234567.
static void numbers_are_those_of_splitmix64(void** state) {
  (void)state;
  static const uint64_t expected[] = {
      6457827717110365317u, 3203168211198807973u, 9817491932198370423u,
      4593380528125082431u, 16408922859458223821u};
  uint64_t random = 1234567;
  for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); ++i) {
    assert_true(weft_random_next(&random) == expected[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_those_of_splitmix64),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
