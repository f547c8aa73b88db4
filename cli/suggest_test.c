// SPDX-License-Identifier: Apache-2.0

#include "cli/suggest.h"

#include <string.h>

#include "tests/kit/kit.h"

static void equal_words_are_at_distance_zero(void** state) {
  (void)state;
  assert_int_equal(0, weft_cli_edit_distance("bench", "bench"));
  assert_int_equal(0, weft_cli_edit_distance("", ""));
}

static void each_kind_of_slip_counts_once(void** state) {
  (void)state;
  assert_int_equal(1, weft_cli_edit_distance("bnch", "bench"));
  assert_int_equal(1, weft_cli_edit_distance("beench", "bench"));
  assert_int_equal(1, weft_cli_edit_distance("bemch", "bench"));
  assert_int_equal(1, weft_cli_edit_distance("bnech", "bench"));
  assert_int_equal(5, weft_cli_edit_distance("", "bench"));
}

static void distance_is_the_same_both_ways(void** state) {
  (void)state;
  assert_int_equal(weft_cli_edit_distance("doctor", "bench"),
                   weft_cli_edit_distance("bench", "doctor"));
}

static void words_too_long_to_compare_are_far_apart(void** state) {
  (void)state;
  char word[100];
  memset(word, 'a', sizeof(word) - 1);
  word[sizeof(word) - 1] = '\0';
  assert_true(weft_cli_edit_distance(word, "bench") > 1000);
  assert_int_equal(0, weft_cli_edit_distance(word, word));
}

static const char* guess_of(const char* word) {
  static const char* const candidates[] = {"bench", "doctor", "version",
                                           "help"};
  weft_cli_guess_t guess = {.word = word};
  for (size_t i = 0; i < 4; i++) {
    weft_cli_guess_offer(&guess, candidates[i]);
  }
  return guess.best;
}

static void the_nearest_word_is_guessed(void** state) {
  (void)state;
  assert_string_equal("bench", guess_of("bnech"));
  assert_string_equal("doctor", guess_of("doktor"));
  assert_string_equal("version", guess_of("versoon"));
  assert_string_equal("help", guess_of("hepl"));
}

static void the_start_of_a_word_is_enough(void** state) {
  (void)state;
  assert_string_equal("version", guess_of("ver"));
  assert_string_equal("doctor", guess_of("do"));
}

static void a_word_unlike_all_gives_no_guess(void** state) {
  (void)state;
  assert_null(guess_of("xyzzy"));
  assert_null(guess_of("q"));
  assert_null(guess_of(""));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(equal_words_are_at_distance_zero),
      cmocka_unit_test(each_kind_of_slip_counts_once),
      cmocka_unit_test(distance_is_the_same_both_ways),
      cmocka_unit_test(words_too_long_to_compare_are_far_apart),
      cmocka_unit_test(the_nearest_word_is_guessed),
      cmocka_unit_test(the_start_of_a_word_is_enough),
      cmocka_unit_test(a_word_unlike_all_gives_no_guess),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
