// SPDX-License-Identifier: Apache-2.0

#include <stdio.h>
#include <string.h>

#include "base/origin.h"
#include "base/status_internal.h"
#include "kit/kit.h"

#define TEXT_CAPACITY 1024

static void every_code_is_made_and_keeps_its_identity(void** state) {
  (void)state;
  for (int i = 1; i < WEFT_STATUS_CODE_COUNT; ++i) {
    weft_status_code_t code = (weft_status_code_t)i;
    weft_status_t status = weft_status_make(code, "number %d", i);
    assert_true(status != WEFT_OK);
    assert_false(weft_status_is_ok(status));
    assert_int_equal(weft_status_code(status), code);
    char expected[32];
    snprintf(expected, sizeof(expected), "number %d", i);
    assert_string_equal(weft_status_message(status), expected);
    assert_int_equal(weft_status_ignore(status), code);
  }
}

static void every_code_has_its_own_name_and_advice(void** state) {
  (void)state;
  for (int i = 0; i < WEFT_STATUS_CODE_COUNT; ++i) {
    const char* name = weft_status_code_name((weft_status_code_t)i);
    assert_true(strlen(name) > 0);
    assert_true(strlen(weft_status_code_advice((weft_status_code_t)i)) > 0);
    for (int j = 0; j < i; ++j) {
      assert_string_not_equal(name,
                              weft_status_code_name((weft_status_code_t)j));
    }
  }
  assert_string_equal(weft_status_code_name(WEFT_STATUS_DEADLINE_EXCEEDED),
                      "deadline exceeded");
}

static void a_code_of_a_later_version_has_a_name_too(void** state) {
  (void)state;
  weft_status_code_t later = (weft_status_code_t)31;
  assert_string_equal(weft_status_code_name(later), "unknown code");
  assert_true(strlen(weft_status_code_advice(later)) > 0);
}

static void ok_is_zero_and_has_nothing_to_say(void** state) {
  (void)state;
  assert_true(weft_status_is_ok(WEFT_OK));
  assert_int_equal(weft_status_code(WEFT_OK), WEFT_STATUS_OK);
  assert_string_equal(weft_status_message(WEFT_OK), "");
  assert_true(weft_status_cause(WEFT_OK) == WEFT_OK);
  assert_true(weft_status_root(WEFT_OK) == WEFT_OK);
  assert_true(weft_status_retain(WEFT_OK) == WEFT_OK);
  assert_null(weft_status_origin(WEFT_OK).file);
  weft_status_release(WEFT_OK);
  char text[8];
  assert_int_equal(weft_status_format(WEFT_OK, text, sizeof(text)), 2);
  assert_string_equal(text, "ok");
}

static void an_error_with_the_code_ok_becomes_an_internal_error(void** state) {
  (void)state;
  weft_kit_assert_status_says(WEFT_STATUS_INTERNAL, "slip",
                              weft_status_make(WEFT_STATUS_OK, "slip"));
  weft_kit_assert_status_says(WEFT_STATUS_INTERNAL, "slip",
                              weft_status_make((weft_status_code_t)99, "slip"));
}

static void a_long_message_is_kept_whole(void** state) {
  (void)state;
  char word[3000];
  memset(word, 'x', sizeof(word) - 1);
  word[sizeof(word) - 1] = '\0';
  weft_status_t status =
      weft_status_make(WEFT_STATUS_FAILED, "%s|%s", word, word);
  assert_int_equal(strlen(weft_status_message(status)), 2 * 2999 + 1);
  weft_status_release(status);
}

static void an_empty_message_is_fine(void** state) {
  (void)state;
  weft_status_t status = weft_status_make(WEFT_STATUS_FAILED, "%s", "");
  assert_string_equal(weft_status_message(status), "");
  weft_status_release(status);
}

static void the_place_is_recorded_and_copied(void** state) {
  (void)state;
  char file[] = "examples/a.c";
  weft_status_t status =
      weft_status_create(WEFT_STATUS_NOT_FOUND, file, 12, "no actor");
  memset(file, '?', sizeof(file) - 1);
  weft_status_origin_t origin = weft_status_origin(status);
  assert_string_equal(origin.file, "examples/a.c");
  assert_int_equal(origin.line, 12);
  assert_int_equal(origin.rank, -1);
  assert_null(origin.actor);
  assert_null(origin.endpoint);
  char text[TEXT_CAPACITY];
  weft_status_format(status, text, sizeof(text));
  assert_string_equal(text, "not found: no actor (examples/a.c:12)");
  weft_status_release(status);
}

static void a_place_may_be_unknown(void** state) {
  (void)state;
  weft_status_t status =
      weft_status_create(WEFT_STATUS_NOT_FOUND, NULL, 0, "no actor");
  assert_null(weft_status_origin(status).file);
  char text[TEXT_CAPACITY];
  weft_status_format(status, text, sizeof(text));
  assert_string_equal(text, "not found: no actor");
  weft_status_release(status);
}

static void describe_counter(const weft_origin_t* origin,
                             weft_origin_text_t* text) {
  assert_ptr_equal(origin, weft_origin_current);
  text->rank = 2;
  snprintf(text->actor, sizeof(text->actor), "counter#3");
  text->endpoint = "add";
}

static void a_handler_leaves_its_origin_in_a_status(void** state) {
  (void)state;
  const weft_origin_t counter = {.describe = describe_counter};
  weft_origin_current = &counter;
  weft_status_t status = weft_status_create(
      WEFT_STATUS_NOT_FOUND, "examples/a.c", 12, "no actor \"%s\"", "x");
  weft_origin_current = NULL;
  weft_status_origin_t origin = weft_status_origin(status);
  assert_int_equal(origin.rank, 2);
  assert_string_equal(origin.actor, "counter#3");
  assert_string_equal(origin.endpoint, "add");
  char text[TEXT_CAPACITY];
  weft_status_format(status, text, sizeof(text));
  assert_string_equal(text,
                      "not found: no actor \"x\" (examples/a.c:12, rank 2, "
                      "actor counter#3, endpoint add)");
  weft_status_release(status);
}

static void a_cause_is_owned_and_found(void** state) {
  (void)state;
  weft_status_t root = weft_status_make(WEFT_STATUS_OUT_OF_RANGE, "root");
  weft_status_t middle = weft_status_make_caused(
      WEFT_STATUS_FAILED, weft_status_retain(root), "middle");
  weft_status_t top =
      weft_status_make_caused(WEFT_STATUS_ACTOR_EXITED, middle, "top");
  assert_ptr_equal(weft_status_cause(top), middle);
  assert_ptr_equal(weft_status_cause(middle), root);
  assert_ptr_equal(weft_status_root(top), root);
  assert_ptr_equal(weft_status_root(root), root);
  weft_status_release(top);
  assert_string_equal(weft_status_message(root), "root");
  weft_status_release(root);
}

static void a_cause_of_ok_is_no_cause(void** state) {
  (void)state;
  weft_status_t status =
      weft_status_make_caused(WEFT_STATUS_FAILED, WEFT_OK, "alone");
  assert_true(weft_status_cause(status) == WEFT_OK);
  weft_status_release(status);
}

static void causes_are_printed_one_a_line(void** state) {
  (void)state;
  weft_status_t root =
      weft_status_create(WEFT_STATUS_OUT_OF_RANGE, "b.c", 2, "index 9 of 3");
  weft_status_t status = weft_status_create_caused(WEFT_STATUS_FAILED, root,
                                                   "a.c", 1, "cannot train");
  char text[TEXT_CAPACITY];
  size_t length = weft_status_format(status, text, sizeof(text));
  const char* expected =
      "failed: cannot train (a.c:1)\n"
      "  because: out of range: index 9 of 3 (b.c:2)";
  assert_string_equal(text, expected);
  assert_int_equal(length, strlen(expected));
  weft_status_release(status);
}

static void text_is_cut_at_the_capacity_but_counted_whole(void** state) {
  (void)state;
  weft_status_t status =
      weft_status_create(WEFT_STATUS_FAILED, "a.c", 1, "cannot train");
  char whole[TEXT_CAPACITY];
  size_t length = weft_status_format(status, whole, sizeof(whole));
  assert_int_equal(weft_status_format(status, NULL, 0), length);
  for (size_t capacity = 1; capacity <= length + 2; ++capacity) {
    char text[TEXT_CAPACITY];
    memset(text, '#', sizeof(text));
    assert_int_equal(weft_status_format(status, text, capacity), length);
    size_t kept = capacity - 1 < length ? capacity - 1 : length;
    assert_int_equal(strlen(text), kept);
    assert_memory_equal(text, whole, kept);
    assert_int_equal(text[capacity], '#');
  }
  weft_status_release(status);
}

static weft_status_t make_chain(int depth) {
  weft_status_t status =
      weft_status_create(WEFT_STATUS_DATA_LOSS, NULL, 0, "the root of it");
  for (int i = 1; i < depth; ++i) {
    status = weft_status_create_caused(WEFT_STATUS_FAILED, status, NULL, 0,
                                       "level %d", i);
  }
  return status;
}

static void a_very_long_chain_is_printed_in_part_and_released(void** state) {
  (void)state;
  // As recursion it would not fit the stack.
  weft_status_t status = make_chain(1000000);
  char text[TEXT_CAPACITY];
  size_t length = weft_status_format(status, text, sizeof(text));
  assert_true(length < 1000);
  assert_memory_equal(text, "failed: level 999999\n", 21);
  assert_non_null(strstr(text, "\n  because: ... 999983 more"));
  assert_string_equal(strrchr(text, '\n'),
                      "\n  because: data loss: the root of it");
  weft_status_release(status);
}

static void the_longest_chain_that_is_printed_whole(void** state) {
  (void)state;
  weft_status_t status = make_chain(17);
  char text[TEXT_CAPACITY];
  weft_status_format(status, text, sizeof(text));
  assert_null(strstr(text, "..."));
  assert_non_null(strstr(text, "because: failed: level 1\n"));
  weft_status_release(status);
  status = make_chain(18);
  weft_status_format(status, text, sizeof(text));
  assert_non_null(strstr(text, "because: ... 1 more"));
  weft_status_release(status);
}

static void without_memory_the_code_is_kept(void** state) {
  (void)state;
  weft_status_t cause = weft_status_make(WEFT_STATUS_FAILED, "cause");
  weft_status_fail_allocations(true);
  weft_status_t alone = weft_status_make(WEFT_STATUS_CLOSED, "lost");
  weft_status_t caused =
      weft_status_make_caused(WEFT_STATUS_NOT_FOUND, cause, "lost too");
  weft_status_fail_allocations(false);
  assert_int_equal(weft_status_code(alone), WEFT_STATUS_CLOSED);
  assert_string_equal(weft_status_message(alone), "");
  assert_int_equal(weft_status_origin(alone).rank, -1);
  assert_int_equal(weft_status_code(caused), WEFT_STATUS_NOT_FOUND);
  assert_true(weft_status_cause(caused) == WEFT_OK);
  char text[TEXT_CAPACITY];
  weft_status_format(weft_status_retain(alone), text, sizeof(text));
  assert_string_equal(text, "closed");
  weft_status_release(alone);
  weft_status_release(alone);
  weft_status_release(caused);
}

static void a_status_is_made_again_from_its_parts(void** state) {
  (void)state;
  weft_status_t cause = weft_status_make(WEFT_STATUS_CLOSED, "cause");
  // No text ends with a NUL.
  weft_status_parts_t parts = {
      .code = WEFT_STATUS_NOT_FOUND,
      .message = {"no actor|", 8},
      .file = {"a.c|", 3},
      .line = 12,
      .rank = 3,
      .actor = {"counter#1|", 9},
      .endpoint = {"add|", 3},
      .cause = cause,
  };
  weft_status_t status = weft_status_restore(&parts);
  weft_status_origin_t origin = weft_status_origin(status);
  assert_int_equal(weft_status_code(status), WEFT_STATUS_NOT_FOUND);
  assert_string_equal(weft_status_message(status), "no actor");
  assert_string_equal(origin.file, "a.c");
  assert_int_equal(origin.line, 12);
  assert_int_equal(origin.rank, 3);
  assert_string_equal(origin.actor, "counter#1");
  assert_string_equal(origin.endpoint, "add");
  assert_true(weft_status_cause(status) == cause);
  weft_status_release(status);
}

static void parts_that_say_only_the_code_are_a_code_alone(void** state) {
  (void)state;
  weft_status_parts_t parts = {.code = WEFT_STATUS_CLOSED, .rank = -1};
  assert_true(weft_status_restore(&parts) ==
              weft_status_from_code(WEFT_STATUS_CLOSED));
  parts.cause = weft_status_from_code(WEFT_STATUS_FAILED);
  weft_status_t caused = weft_status_restore(&parts);
  assert_true(weft_status_cause(caused) == parts.cause);
  weft_status_fail_allocations(true);
  parts.cause = caused;
  assert_true(weft_status_restore(&parts) ==
              weft_status_from_code(WEFT_STATUS_CLOSED));
  weft_status_fail_allocations(false);
}

static void hold_and_drop(size_t index, void* user) {
  (void)index;
  for (int i = 0; i < 10000; ++i) {
    weft_status_t status = weft_status_retain(user);
    if (weft_status_code(status) != WEFT_STATUS_FAILED) {
      return;
    }
    weft_status_release(status);
  }
  weft_status_release(user);
}

static void many_threads_share_one_status(void** state) {
  (void)state;
  weft_status_t root = weft_status_make(WEFT_STATUS_FAILED, "root");
  weft_status_t status =
      weft_status_make_caused(WEFT_STATUS_FAILED, root, "shared");
  for (int i = 0; i < 3; ++i) {
    status = weft_status_retain(status);
  }
  // Each thread drops one reference in the end; the last one frees, which a
  // sanitizer would see if it came too early, or not at all.
  weft_kit_run_threads(4, hold_and_drop, status);
}

static weft_status_t returns_early(int* steps, weft_status_t status) {
  WEFT_RETURN_IF_ERROR(status);
  ++*steps;
  return WEFT_OK;
}

static void return_if_error_returns_errors_only(void** state) {
  (void)state;
  int steps = 0;
  weft_kit_assert_ok(returns_early(&steps, WEFT_OK));
  assert_int_equal(steps, 1);
  weft_kit_assert_status(
      WEFT_STATUS_CLOSED,
      returns_early(&steps, weft_status_make(WEFT_STATUS_CLOSED, "end")));
  assert_int_equal(steps, 1);
}

static void a_status_is_one_word(void** state) {
  (void)state;
  assert_int_equal(sizeof(weft_status_t), sizeof(void*));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_code_is_made_and_keeps_its_identity),
      cmocka_unit_test(every_code_has_its_own_name_and_advice),
      cmocka_unit_test(a_code_of_a_later_version_has_a_name_too),
      cmocka_unit_test(ok_is_zero_and_has_nothing_to_say),
      cmocka_unit_test(an_error_with_the_code_ok_becomes_an_internal_error),
      cmocka_unit_test(a_long_message_is_kept_whole),
      cmocka_unit_test(an_empty_message_is_fine),
      cmocka_unit_test(the_place_is_recorded_and_copied),
      cmocka_unit_test(a_place_may_be_unknown),
      cmocka_unit_test(a_handler_leaves_its_origin_in_a_status),
      cmocka_unit_test(a_cause_is_owned_and_found),
      cmocka_unit_test(a_cause_of_ok_is_no_cause),
      cmocka_unit_test(causes_are_printed_one_a_line),
      cmocka_unit_test(text_is_cut_at_the_capacity_but_counted_whole),
      cmocka_unit_test(a_very_long_chain_is_printed_in_part_and_released),
      cmocka_unit_test(the_longest_chain_that_is_printed_whole),
      cmocka_unit_test(without_memory_the_code_is_kept),
      cmocka_unit_test(a_status_is_made_again_from_its_parts),
      cmocka_unit_test(parts_that_say_only_the_code_are_a_code_alone),
      cmocka_unit_test(many_threads_share_one_status),
      cmocka_unit_test(return_if_error_returns_errors_only),
      cmocka_unit_test(a_status_is_one_word),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
