// SPDX-License-Identifier: Apache-2.0

#include "cli/doctor.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/kit/kit.h"

// A host of a test's own making: a folder with files that look like /proc
// and /sys.
typedef struct world {
  char root[64];
  weft_doctor_host_t host;
} world_t;

static int make_world(void** state) {
  world_t* world = calloc(1, sizeof(*world));
  assert_non_null(world);
  (void)snprintf(world->root, sizeof(world->root), "/tmp/weft-doctor-XXXXXX");
  assert_non_null(mkdtemp(world->root));
  world->host.root = world->root;
  *state = world;
  return 0;
}

static int remove_entry(const char* path, const struct stat* status, int kind,
                        struct FTW* place) {
  (void)status;
  (void)kind;
  (void)place;
  return remove(path);
}

static int free_world(void** state) {
  world_t* world = *state;
  int result = nftw(world->root, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
  free(world);
  return result;
}

// Writes a file, making the folders that it needs.
static void put(const world_t* world, const char* path, const char* text) {
  char full[PATH_MAX];
  (void)snprintf(full, sizeof(full), "%s%s", world->root, path);
  for (char* slash = strchr(full + strlen(world->root) + 1, '/'); slash != NULL;
       slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
    *slash = '/';
  }
  FILE* file = fopen(full, "w");
  assert_non_null(file);
  assert_true(fputs(text, file) >= 0);
  assert_int_equal(0, fclose(file));
}

static const weft_doctor_check_t* find_check(const char* name) {
  static const weft_doctor_checks_t* const groups[] = {
      &weft_doctor_build, &weft_doctor_system, &weft_doctor_limits};
  for (size_t i = 0; i < 3; i++) {
    for (size_t j = 0; j < groups[i]->count; j++) {
      if (strcmp(groups[i]->checks[j].name, name) == 0) {
        return &groups[i]->checks[j];
      }
    }
  }
  fail_msg("no check is called '%s'", name);
  // Not reached.
  return &groups[0]->checks[0];
}

static void assert_finds(const world_t* world, const char* name,
                         weft_doctor_state_t expected, const char* part) {
  weft_doctor_finding_t finding = {0};
  find_check(name)->look(&world->host, &finding);
  if (finding.state != expected || strstr(finding.value, part) == NULL) {
    fail_msg("%s: state %d, value '%s'; expected state %d, '%s'", name,
             (int)finding.state, finding.value, (int)expected, part);
  }
}

// --- Files ------------------------------------------------------------------

static void only_the_first_line_of_a_file_is_read(void** state) {
  world_t* world = *state;
  char line[16];
  put(world, "/proc/x", "first\nsecond\n");
  assert_true(weft_doctor_read_line(&world->host, "/proc/x", line, 16));
  assert_string_equal("first", line);
  assert_false(weft_doctor_read_line(&world->host, "/proc/y", line, 16));
  assert_string_equal("", line);
}

static void what_is_no_number_is_refused(void** state) {
  world_t* world = *state;
  uint64_t number = 0;
  put(world, "/proc/good", "42 and more\n");
  put(world, "/proc/word", "max\n");
  put(world, "/proc/minus", "-1\n");
  put(world, "/proc/huge", "99999999999999999999999\n");
  assert_true(weft_doctor_read_number(&world->host, "/proc/good", &number));
  assert_int_equal(42, number);
  assert_false(weft_doctor_read_number(&world->host, "/proc/word", &number));
  assert_false(weft_doctor_read_number(&world->host, "/proc/minus", &number));
  assert_false(weft_doctor_read_number(&world->host, "/proc/huge", &number));
}

// --- Control groups ---------------------------------------------------------

static const weft_doctor_group_limit_t memory_limit = {"memory.max", "memory",
                                                       "memory.limit_in_bytes"};

static bool read_limit(const world_t* world, uint64_t* out_number) {
  return weft_doctor_read_group_limit(&world->host, &memory_limit, out_number);
}

static void the_tightest_group_on_the_way_up_counts(void** state) {
  world_t* world = *state;
  uint64_t number = 0;
  put(world, "/proc/self/cgroup", "0::/run/job\n");
  put(world, "/sys/fs/cgroup/run/job/memory.max", "max\n");
  assert_false(read_limit(world, &number));
  put(world, "/sys/fs/cgroup/run/memory.max", "5000\n");
  assert_true(read_limit(world, &number));
  assert_int_equal(5000, number);
  put(world, "/sys/fs/cgroup/run/job/memory.max", "3000\n");
  assert_true(read_limit(world, &number));
  assert_int_equal(3000, number);
}

static void a_group_at_the_root_is_read(void** state) {
  world_t* world = *state;
  uint64_t number = 0;
  put(world, "/proc/self/cgroup", "0::/\n");
  put(world, "/sys/fs/cgroup/memory.max", "7000\n");
  assert_true(read_limit(world, &number));
  assert_int_equal(7000, number);
}

static void version_1_groups_are_read_by_controller(void** state) {
  world_t* world = *state;
  uint64_t number = 0;
  put(world, "/proc/self/cgroup",
      "3:cpu,cpuacct:/other\n2:hugetlb,memory:/mine\n0::/\n");
  put(world, "/sys/fs/cgroup/memory/mine/memory.limit_in_bytes", "9000\n");
  assert_true(read_limit(world, &number));
  assert_int_equal(9000, number);
}

static void version_1s_number_for_no_limit_is_none(void** state) {
  world_t* world = *state;
  uint64_t number = 0;
  put(world, "/proc/self/cgroup", "2:memory:/\n");
  put(world, "/sys/fs/cgroup/memory/memory.limit_in_bytes",
      "9223372036854771712\n");
  assert_false(read_limit(world, &number));
}

// --- Checks -----------------------------------------------------------------

static void a_slow_clock_source_is_warned_of(void** state) {
  world_t* world = *state;
  const char* path =
      "/sys/devices/system/clocksource/clocksource0/current_clocksource";
  put(world, path, "tsc\n");
  assert_finds(world, "clock source", WEFT_DOCTOR_OK, "tsc");
  put(world, path, "hpet\n");
  assert_finds(world, "clock source", WEFT_DOCTOR_WARN, "hpet");
}

static void a_governor_that_saves_power_is_warned_of(void** state) {
  world_t* world = *state;
  const char* path = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
  assert_finds(world, "governor", WEFT_DOCTOR_OK, "not told");
  put(world, path, "performance\n");
  assert_finds(world, "governor", WEFT_DOCTOR_OK, "performance");
  put(world, path, "powersave\n");
  assert_finds(world, "governor", WEFT_DOCTOR_WARN, "powersave");
}

static void huge_pages_that_are_off_are_warned_of(void** state) {
  world_t* world = *state;
  const char* path = "/sys/kernel/mm/transparent_hugepage/enabled";
  put(world, path, "always [madvise] never\n");
  assert_finds(world, "huge pages", WEFT_DOCTOR_OK, "[madvise]");
  put(world, path, "always madvise [never]\n");
  assert_finds(world, "huge pages", WEFT_DOCTOR_WARN, "[never]");
}

static void few_memory_maps_are_warned_of(void** state) {
  world_t* world = *state;
  put(world, "/proc/sys/vm/max_map_count", "65530\n");
  assert_finds(world, "memory maps", WEFT_DOCTOR_OK, "65530");
  put(world, "/proc/sys/vm/max_map_count", "1000\n");
  assert_finds(world, "memory maps", WEFT_DOCTOR_WARN, "1000");
}

static void strict_overcommit_is_warned_of(void** state) {
  world_t* world = *state;
  put(world, "/proc/sys/vm/overcommit_memory", "0\n");
  assert_finds(world, "overcommit", WEFT_DOCTOR_OK, "heuristic");
  put(world, "/proc/sys/vm/overcommit_memory", "2\n");
  assert_finds(world, "overcommit", WEFT_DOCTOR_WARN, "never");
}

static void a_small_control_group_is_warned_of(void** state) {
  world_t* world = *state;
  put(world, "/proc/self/cgroup", "0::/box\n");
  put(world, "/sys/fs/cgroup/box/memory.max", "104857600\n");
  put(world, "/sys/fs/cgroup/box/pids.max", "64\n");
  put(world, "/sys/fs/cgroup/box/cpu.max", "50000 100000\n");
  assert_finds(world, "memory", WEFT_DOCTOR_WARN, "of the control group");
  assert_finds(world, "threads", WEFT_DOCTOR_WARN, "64 (of the control");
  assert_finds(world, "cpu quota", WEFT_DOCTOR_WARN, "50.0 ms");
}

static void a_group_without_limits_is_fine(void** state) {
  world_t* world = *state;
  put(world, "/proc/self/cgroup", "0::/box\n");
  put(world, "/sys/fs/cgroup/box/memory.max", "max\n");
  put(world, "/sys/fs/cgroup/box/cpu.max", "max 100000\n");
  assert_finds(world, "cpu quota", WEFT_DOCTOR_OK, "none");
}

static void few_descriptors_are_warned_of(void** state) {
  struct rlimit before;
  assert_int_equal(0, getrlimit(RLIMIT_NOFILE, &before));
  struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &low));
  assert_finds(*state, "open files", WEFT_DOCTOR_WARN, "64 (");
  assert_finds(*state, "peers", WEFT_DOCTOR_WARN, "suffices for 0");
  low.rlim_cur = 64 + 64 * WEFT_DOCTOR_FILES_A_PEER;
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &low));
  assert_finds(*state, "peers", WEFT_DOCTOR_OK, "suffices for 64");
  low.rlim_cur--;
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &low));
  assert_finds(*state, "peers", WEFT_DOCTOR_WARN, "suffices for 63");
  assert_int_equal(0, setrlimit(RLIMIT_NOFILE, &before));
}

static void what_jobs_need_is_there(void** state) {
  world_t* world = *state;
  assert_finds(world, "unix sockets", WEFT_DOCTOR_OK, "which user");
  assert_finds(world, "list of jobs", WEFT_DOCTOR_WARN, "cannot be read");
  put(world, "/proc/net/unix", "Num RefCount\n");
  assert_finds(world, "list of jobs", WEFT_DOCTOR_OK, "can be read");
}

static void each_check_says_why_and_what_mends_it(void** state) {
  world_t* world = *state;
  static const weft_doctor_checks_t* const groups[] = {
      &weft_doctor_build, &weft_doctor_system, &weft_doctor_limits};
  for (size_t i = 0; i < 3; i++) {
    for (size_t j = 0; j < groups[i]->count; j++) {
      const weft_doctor_check_t* check = &groups[i]->checks[j];
      weft_doctor_finding_t finding = {0};
      check->look(&world->host, &finding);
      assert_true(finding.value[0] != '\0');
      assert_true(check->why[0] != '\0');
      assert_true(check->fix[0] != '\0');
    }
  }
}

#define WORLD_TEST(name) \
  cmocka_unit_test_setup_teardown(name, make_world, free_world)

int main(void) {
  const struct CMUnitTest tests[] = {
      WORLD_TEST(only_the_first_line_of_a_file_is_read),
      WORLD_TEST(what_is_no_number_is_refused),
      WORLD_TEST(the_tightest_group_on_the_way_up_counts),
      WORLD_TEST(a_group_at_the_root_is_read),
      WORLD_TEST(version_1_groups_are_read_by_controller),
      WORLD_TEST(version_1s_number_for_no_limit_is_none),
      WORLD_TEST(a_slow_clock_source_is_warned_of),
      WORLD_TEST(a_governor_that_saves_power_is_warned_of),
      WORLD_TEST(huge_pages_that_are_off_are_warned_of),
      WORLD_TEST(few_memory_maps_are_warned_of),
      WORLD_TEST(strict_overcommit_is_warned_of),
      WORLD_TEST(a_small_control_group_is_warned_of),
      WORLD_TEST(a_group_without_limits_is_fine),
      WORLD_TEST(few_descriptors_are_warned_of),
      WORLD_TEST(what_jobs_need_is_there),
      WORLD_TEST(each_check_says_why_and_what_mends_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
