// SPDX-License-Identifier: Apache-2.0

#include "bench/floor/work.h"

#include "tests/kit/kit.h"

#define WORDS 512

static void every_word_is_filled_and_read(void** state) {
  (void)state;
  _Alignas(64) uint64_t words[WORDS + 1];
  words[WORDS] = 7;
  weft_floor_fill(words, WORDS * sizeof(words[0]), UINT64_MAX);
  for (size_t i = 0; i < WORDS; i++) {
    assert_true(words[i] == UINT64_MAX);
  }
  assert_int_equal(7, words[WORDS]);
  assert_true(weft_floor_read(words, WORDS * sizeof(words[0])) == UINT64_MAX);
}

static void one_other_word_is_noticed(void** state) {
  (void)state;
  _Alignas(64) uint64_t words[WORDS];
  for (size_t i = 0; i < WORDS; i++) {
    weft_floor_fill(words, sizeof(words), 5);
    words[i] = 6;
    assert_true(weft_floor_read(words, sizeof(words)) != words[0]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_word_is_filled_and_read),
      cmocka_unit_test(one_other_word_is_noticed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
