// SPDX-License-Identifier: Apache-2.0

#include "job/find.h"

#include "job/job_kit.h"

static void names_are_words(void** state) {
  (void)state;
  assert_true(weft_job_is_name("a"));
  assert_true(weft_job_is_name("Train-7_b.c"));
  static const char* const others[] = {"", "a b", "a/b", "a\n", "@", "ü"};
  for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
    assert_false(weft_job_is_name(others[i]));
  }
  char name[WEFT_JOB_NAME_BYTES + 1];
  memset(name, 'x', sizeof(name));
  name[WEFT_JOB_NAME_BYTES] = '\0';
  assert_false(weft_job_is_name(name));
  name[WEFT_JOB_NAME_BYTES - 1] = '\0';
  assert_true(weft_job_is_name(name));
}

// What the names of this test's jobs begin with.
static char prefix[24];

// A name for a job of this test.
static char* name_of(char name[WEFT_JOB_NAME_BYTES], const char* word) {
  assert_true(snprintf(name, WEFT_JOB_NAME_BYTES, "%s%s", prefix, word) <
              WEFT_JOB_NAME_BYTES);
  return name;
}

static bool count_ours(void* user, const weft_job_found_t* found) {
  if (strncmp(found->name, prefix, strlen(prefix)) == 0) {
    ++*(int*)user;
  }
  return true;
}

static int count_jobs(void) {
  int count = 0;
  weft_kit_assert_ok(weft_job_find_all(count_ours, &count));
  return count;
}

static weft_job_host_t* open_host(const char* name) {
  weft_job_host_options_t options = {.size = 1, .name = name};
  weft_job_host_t* host = NULL;
  weft_kit_assert_ok(weft_job_host_create(NULL, &options, &host));
  return host;
}

static void jobs_are_found_as_long_as_they_run(void** state) {
  (void)state;
  char name[WEFT_JOB_NAME_BYTES];
  char longest[WEFT_JOB_NAME_BYTES];
  char rest[WEFT_JOB_NAME_BYTES] = "";
  memset(rest, 'x', sizeof(rest) - 1 - strlen(prefix));
  name_of(longest, rest);
  assert_int_equal(0, count_jobs());
  weft_job_host_t* a = open_host(name_of(name, "a"));
  weft_job_host_t* b = open_host(longest);
  assert_int_equal(2, count_jobs());
  weft_job_found_t found;
  weft_kit_assert_ok(weft_job_find(longest, &found));
  assert_true(found.id == weft_job_host_id(b));
  assert_string_equal(longest, found.name);
  char id[32];
  (void)snprintf(id, sizeof(id), "%016llx",
                 (unsigned long long)weft_job_host_id(a));
  weft_kit_assert_ok(weft_job_find(id, &found));
  assert_string_equal(name, found.name);
  weft_job_host_destroy(a);
  assert_int_equal(1, count_jobs());
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND, weft_job_find(id, &found));
  weft_job_host_destroy(b);
}

static void a_job_without_a_name_has_that_of_its_process(void** state) {
  (void)state;
  weft_job_host_t* host = open_host(NULL);
  char name[16];
  (void)snprintf(name, sizeof(name), "%d", getpid());
  assert_string_equal(name, weft_job_host_name(host));
  weft_job_found_t found;
  weft_kit_assert_ok(weft_job_find(name, &found));
  weft_job_host_destroy(host);
}

static void two_jobs_of_one_name_are_told_apart_by_their_ids(void** state) {
  (void)state;
  char name[WEFT_JOB_NAME_BYTES];
  weft_job_host_t* a = open_host(name_of(name, "two"));
  weft_job_host_t* b = open_host(name);
  weft_job_found_t found;
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "by its id",
                              weft_job_find(name, &found));
  weft_job_host_destroy(a);
  weft_kit_assert_ok(weft_job_find(name, &found));
  assert_true(found.id == weft_job_host_id(b));
  weft_job_host_destroy(b);
}

static void those_that_joined_are_no_jobs(void** state) {
  (void)state;
  job_kit_host_t kit;
  char name[WEFT_JOB_NAME_BYTES];
  job_kit_open(&kit, 1, name_of(name, "joined"));
  job_kit_member_t member;
  job_kit_join(&member, name);
  assert_int_equal(1, count_jobs());
  job_kit_forget(&member);
  job_kit_close(&kit);
}

static void sockets_with_like_names_are_no_jobs(void** state) {
  (void)state;
  static const struct {
    const char* before;
    const char* id;
    const char* after;
  } names[] = {
      {"weft-", "-00000000000000ab", NULL},
      {"weft-", "-00000000000000ab-", NULL},
      {"weft-", "-00000000000000ab-", " x"},
      {"weft-", "-00000000000000a-", "x"},
      {"weft-", "-00000000000000AB-", "x"},
      {"weft-", "0-00000000000000ab-", "x"},
      {"left-", "-00000000000000ab-", "x"},
  };
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    char name[128];
    bool has_name = names[i].after != NULL;
    (void)snprintf(name, sizeof(name), "%s%u%s%s%s", names[i].before,
                   (unsigned)geteuid(), names[i].id, has_name ? prefix : "",
                   has_name ? names[i].after : "");
    int socket = -1;
    weft_kit_assert_ok(weft_local_listen(name, &socket));
    assert_int_equal(0, count_jobs());
    close(socket);
  }
}

int main(void) {
  (void)snprintf(prefix, sizeof(prefix), "find-%d-", getpid());
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(names_are_words),
      cmocka_unit_test(jobs_are_found_as_long_as_they_run),
      cmocka_unit_test(a_job_without_a_name_has_that_of_its_process),
      cmocka_unit_test(two_jobs_of_one_name_are_told_apart_by_their_ids),
      cmocka_unit_test(those_that_joined_are_no_jobs),
      cmocka_unit_test(sockets_with_like_names_are_no_jobs),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
