// SPDX-License-Identifier: Apache-2.0

#include "sys/memfd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kit/kit.h"

static void what_one_writes_the_other_reads(void** state) {
  (void)state;
  weft_memfd_t made;
  weft_memfd_t mapped;
  weft_kit_assert_ok(
      weft_memfd_create("test", 100, WEFT_MEMFD_ONE_WRITER, &made));
  assert_int_equal(made.size_bytes, weft_sys_page_bytes());
  weft_kit_assert_ok(weft_memfd_map(dup(made.descriptor), made.size_bytes,
                                    WEFT_MEMFD_ONE_WRITER, &mapped));
  ((char*)made.data)[99] = 7;
  assert_int_equal(((const char*)mapped.data)[99], 7);
  weft_memfd_release(&made);
  assert_int_equal(((const char*)mapped.data)[99], 7);
  weft_memfd_release(&mapped);
  weft_memfd_release(&mapped);
}

static void only_the_maker_writes_where_there_is_one_writer(void** state) {
  (void)state;
  weft_memfd_t made;
  weft_kit_assert_ok(
      weft_memfd_create("test", 1, WEFT_MEMFD_ONE_WRITER, &made));
  assert_ptr_equal(mmap(NULL, made.size_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED, made.descriptor, 0),
                   MAP_FAILED);
  assert_int_not_equal(ftruncate(made.descriptor, 0), 0);
  weft_memfd_release(&made);
}

static void what_a_peer_sends_is_looked_at(void** state) {
  (void)state;
  weft_memfd_t mapped;
  weft_memfd_t made;
  int unsealed = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  assert_int_equal(ftruncate(unsealed, 4096), 0);
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_memfd_map(unsealed, 0, WEFT_MEMFD_SHARED, &mapped));
  int pipes[2];
  assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_memfd_map(pipes[0], 0, WEFT_MEMFD_SHARED, &mapped));
  close(pipes[1]);
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         weft_memfd_map(-1, 0, WEFT_MEMFD_SHARED, &mapped));
  weft_kit_assert_ok(weft_memfd_create("test", 1, WEFT_MEMFD_SHARED, &made));
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_memfd_map(dup(made.descriptor), 2 * made.size_bytes,
                     WEFT_MEMFD_SHARED, &mapped));
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_memfd_map(dup(made.descriptor), 0, WEFT_MEMFD_ONE_WRITER, &mapped));
  assert_int_equal(mapped.descriptor, -1);
  weft_memfd_release(&made);
}

// Numbers of another file system are other numbers: a regular file's here.
static void memory_is_told_from_all_other(void** state) {
  (void)state;
  weft_memfd_t made[2];
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_ok(
        weft_memfd_create("test", 1, WEFT_MEMFD_ONE_WRITER, &made[i]));
  }
  int again = dup(made[0].descriptor);
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  weft_memfd_identity_t one = weft_memfd_identity(made[0].descriptor);
  assert_true(weft_memfd_is_same(one, weft_memfd_identity(again)));
  assert_false(
      weft_memfd_is_same(one, weft_memfd_identity(made[1].descriptor)));
  weft_memfd_identity_t elsewhere = weft_memfd_identity(file);
  elsewhere.number = one.number;
  assert_false(weft_memfd_is_same(one, elsewhere));
  (void)close(again);
  (void)close(file);
  weft_memfd_release(&made[0]);
  weft_memfd_release(&made[1]);
  weft_memfd_identity_t none = weft_memfd_identity(-1);
  assert_false(weft_memfd_is_same(none, none));
}

static void running_out_is_a_status(void** state) {
  (void)state;
  weft_memfd_t made;
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      weft_memfd_create("test", 0, WEFT_MEMFD_SHARED, &made));
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      weft_memfd_create("test", SIZE_MAX, WEFT_MEMFD_SHARED, &made));
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  struct rlimit none = {.rlim_cur = 0, .rlim_max = before.rlim_max};
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      weft_memfd_create("test", 1, WEFT_MEMFD_SHARED, &made));
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  assert_null(made.data);
}

static void there_is_memory(void** state) {
  (void)state;
  uint64_t bytes = weft_sys_memory_bytes();
  assert_true(bytes >= weft_sys_page_bytes());
  assert_true(bytes <= (uint64_t)sysconf(_SC_PHYS_PAGES) *
                           (uint64_t)sysconf(_SC_PAGESIZE));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_one_writes_the_other_reads),
      cmocka_unit_test(only_the_maker_writes_where_there_is_one_writer),
      cmocka_unit_test(what_a_peer_sends_is_looked_at),
      cmocka_unit_test(memory_is_told_from_all_other),
      cmocka_unit_test(running_out_is_a_status),
      cmocka_unit_test(there_is_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
