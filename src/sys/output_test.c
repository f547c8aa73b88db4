// SPDX-License-Identifier: Apache-2.0

#include "sys/output.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kit/kit.h"

static char folder[100];
static char path[200];

static int set_up(void** state) {
  (void)state;
  snprintf(folder, sizeof(folder), "/tmp/weft-output-XXXXXX");
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/file", folder);
  return 0;
}

static int tear_down(void** state) {
  (void)state;
  unlink(path);
  assert_int_equal(rmdir(folder), 0);
  return 0;
}

static void write_at(const weft_sys_file_t* file, const char* text,
                     uint64_t offset) {
  weft_kit_assert_ok(weft_sys_file_write_at(file, text, strlen(text), offset));
}

static void assert_content(const char* expected) {
  char content[100];
  FILE* file = fopen(path, "r");
  assert_non_null(file);
  size_t length = fread(content, 1, sizeof(content) - 1, file);
  content[length] = '\0';
  fclose(file);
  assert_string_equal(content, expected);
}

static void test_a_file_is_written_over_and_cut(void** state) {
  (void)state;
  weft_sys_file_t file;
  weft_kit_assert_ok(weft_sys_file_open(&file, path));
  write_at(&file, "0123456789", 0);
  write_at(&file, "ab", 4);
  assert_content("0123ab6789");
  assert_true(weft_sys_file_cut(&file, 5));
  assert_content("0123a");
  weft_sys_file_close(&file);
  assert_int_equal(file.descriptor, -1);
  weft_sys_file_close(&file);
  // Opening empties it.
  weft_kit_assert_ok(weft_sys_file_open(&file, path));
  assert_content("");
  weft_sys_file_close(&file);
}

static void test_a_file_has_one_writer(void** state) {
  (void)state;
  weft_sys_file_t first;
  weft_sys_file_t second;
  weft_kit_assert_ok(weft_sys_file_open(&first, path));
  write_at(&first, "mine", 0);
  weft_kit_assert_status_says(WEFT_STATUS_ALREADY_EXISTS, path,
                              weft_sys_file_open(&second, path));
  assert_int_equal(second.descriptor, -1);
  assert_content("mine");
  weft_sys_file_close(&first);
  weft_kit_assert_ok(weft_sys_file_open(&second, path));
  weft_sys_file_close(&second);
}

static void test_what_is_no_file_is_refused(void** state) {
  (void)state;
  weft_sys_file_t file;
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "directory",
                              weft_sys_file_open(&file, folder));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "no regular file",
                              weft_sys_file_open(&file, "/dev/null"));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "No such file",
                              weft_sys_file_open(&file, ""));
  assert_int_equal(file.descriptor, -1);
}

static void test_a_write_that_fails_says_why(void** state) {
  (void)state;
  // A file that was closed behind our back.
  weft_sys_file_t file = {.descriptor = -1};
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "Bad file descriptor",
                              weft_sys_file_write_at(&file, "x", 1, 0));
  assert_false(weft_sys_file_cut(&file, 0));
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  static const struct CMUnitTest tests[] = {
      TEST(test_a_file_is_written_over_and_cut),
      TEST(test_a_file_has_one_writer),
      TEST(test_what_is_no_file_is_refused),
      TEST(test_a_write_that_fails_says_why),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
