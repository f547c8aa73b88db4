// SPDX-License-Identifier: Apache-2.0

#include "weft/sim_device.h"

#include <signal.h>
#include <string.h>

#include "sys/sys.h"
#include "value/sim_device_kit.h"

_Static_assert(WEFT_SIM_DEVICE_POISON == 0xDB, "what 'old bytes' are below");

static char old_bytes[64];

static int set_up(void** state) {
  (void)state;
  memset(old_bytes, WEFT_SIM_DEVICE_POISON, sizeof(old_bytes));
  return 0;
}

// --- Memory -----------------------------------------------------------------

static void read_memory(void* user) {
  const char _Atomic* place = user;
  (void)*place;
}

static void write_memory(void* user) {
  char _Atomic* place = user;
  *place = 1;
}

static void check_dies(void (*body)(void* user), void* address) {
  char output[256];
  weft_kit_ending_t ending =
      weft_kit_run_child(body, address, output, sizeof(output));
  assert_int_equal(ending.signal_number, SIGSEGV);
}

static void a_program_that_touches_its_memory_dies(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 10000);
  weft_sim_kit_place_t filled = weft_sim_kit_allocate(device, 8);
  weft_sim_kit_copy_now(filled, weft_sim_kit_cpu("1234567"), 8);
  check_dies(read_memory, memory.address);
  check_dies(read_memory, memory.address + 9999);
  check_dies(write_memory, memory.address);
  check_dies(read_memory, filled.address);
  weft_sim_kit_free(filled, 8);
  check_dies(read_memory, filled.address);
  weft_sim_kit_free(memory, 10000);
  weft_sim_device_destroy(device);
}

static void memory_is_aligned_and_poisoned(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  for (size_t size = 1; size <= sizeof(old_bytes); ++size) {
    char bytes[sizeof(old_bytes)] = {0};
    weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, size);
    assert_int_equal((uintptr_t)memory.address % WEFT_TENSOR_ALIGNMENT, 0);
    weft_sim_kit_copy_now(weft_sim_kit_cpu(bytes), memory, size);
    assert_memory_equal(bytes, old_bytes, size);
    weft_sim_kit_free(memory, size);
  }
  weft_sim_device_destroy(device);
}

static void addresses_of_freed_memory_are_not_given_again_soon(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  weft_sim_kit_place_t first = weft_sim_kit_allocate(device, 8);
  weft_sim_kit_free(first, 8);
  for (int i = 0; i < 64; ++i) {
    weft_sim_kit_place_t next = weft_sim_kit_allocate(device, 8);
    assert_ptr_not_equal(next.address, first.address);
    weft_sim_kit_free(next, 8);
  }
  weft_sim_device_destroy(device);
}

static weft_status_t try_allocate(weft_sim_device_t* device,
                                  size_t size_bytes) {
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  void* address = driver->self;
  weft_status_t status = driver->vtable->allocate(
      driver, weft_allocator_system(), size_bytes, &address);
  assert_true(status == WEFT_OK || address == NULL);
  return status;
}

static void memory_is_limited(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make(
      &(weft_sim_device_options_t){.id = 7, .memory_limit_bytes = 100});
  weft_sim_kit_place_t first = weft_sim_kit_allocate(device, 60);
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "41 bytes on the simulated device 7: beyond its "
                              "limit, with 60 bytes in use",
                              try_allocate(device, 41));
  weft_sim_kit_place_t second = weft_sim_kit_allocate(device, 40);
  weft_sim_kit_free(first, 60);
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         try_allocate(device, SIZE_MAX));
  first = weft_sim_kit_allocate(device, 60);
  weft_sim_kit_free(first, 60);
  weft_sim_kit_free(second, 40);
  weft_sim_device_destroy(device);
}

static void memory_that_cannot_be_is_refused(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         try_allocate(device, SIZE_MAX));
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         try_allocate(device, SIZE_MAX / 2));
  assert_int_equal(weft_sim_kit_counters(device).live_bytes, 0);
  assert_int_equal(weft_sim_kit_counters(device).live_blocks, 0);
  weft_sim_device_destroy(device);
}

// --- When bytes are copied --------------------------------------------------

static void bytes_are_copied_when_the_turn_of_a_copy_comes(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(2, 0);
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 4);
  char from[] = "abc";
  char to[] = "...";
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t in = {&log, 1};
  weft_sim_kit_entry_t out = {&log, 2};
  weft_sim_kit_copy(0, memory, weft_sim_kit_cpu(from), 4, &in);
  weft_sim_kit_copy(0, weft_sim_kit_cpu(to), memory, 4, &out);
  // Too late: the copy has not been made yet.
  from[1] = 'X';
  assert_true(weft_sim_device_step(device));
  assert_int_equal(weft_sim_kit_ended(&log), 1);
  assert_string_equal(to, "...");
  assert_true(weft_sim_device_step(device));
  assert_int_equal(weft_sim_kit_ended(&log), 2);
  assert_string_equal(to, "aXc");
  assert_false(weft_sim_device_step(device));
  weft_sim_kit_free(memory, 4);
  weft_sim_device_destroy(device);
}

static void who_does_not_synchronize_reads_old_bytes(void** state) {
  (void)state;
  weft_sim_device_t* device =
      weft_sim_kit_make(&(weft_sim_device_options_t){.queue_count = 2});
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 4);
  char to[4] = "...";
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  weft_kit_assert_ok(weft_sim_device_hold(device, 1, true));
  weft_sim_kit_copy(1, memory, weft_sim_kit_cpu("abc"), 4, &entry);
  weft_sim_kit_copy_now(weft_sim_kit_cpu(to), memory, 4);
  assert_memory_equal(to, old_bytes, 4);
  weft_kit_assert_ok(weft_sim_device_hold(device, 1, false));
  weft_sim_kit_synchronize(device, 1);
  weft_sim_kit_copy_now(weft_sim_kit_cpu(to), memory, 4);
  assert_string_equal(to, "abc");
  weft_sim_kit_free(memory, 4);
  weft_sim_device_destroy(device);
}

static void memory_goes_from_any_device_to_any(void** state) {
  (void)state;
  weft_sim_device_t* a = weft_sim_kit_make_stepped(1, 0);
  weft_sim_device_t* b =
      weft_sim_kit_make(&(weft_sim_device_options_t){.id = 1});
  weft_sim_kit_place_t at_a = weft_sim_kit_allocate(a, 8);
  weft_sim_kit_place_t at_b = weft_sim_kit_allocate(b, 8);
  char to[5] = "....";
  weft_sim_kit_copy_now(at_a, weft_sim_kit_cpu("abcd"), 4);
  weft_sim_kit_copy_now(weft_sim_kit_behind(at_a, 4), at_a, 4);
  weft_sim_kit_copy_now(weft_sim_kit_behind(at_b, 1),
                        weft_sim_kit_behind(at_a, 5), 3);
  weft_sim_kit_copy_now(at_b, weft_sim_kit_cpu("X"), 1);
  weft_sim_kit_copy_now(weft_sim_kit_cpu(to), at_b, 4);
  assert_string_equal(to, "Xbcd");
  weft_sim_kit_free(at_a, 8);
  weft_sim_kit_free(at_b, 8);
  weft_sim_device_destroy(a);
  weft_sim_device_destroy(b);
}

// Appends marks 0, 1 to queue 0 and marks 10, 11 to queue 1, and writes down in
// which order they end.
static void run_two_queues(uint64_t seed, weft_sim_kit_log_t* log) {
  weft_sim_device_t* device = weft_sim_kit_make_stepped(2, seed);
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
  weft_sim_kit_entry_t entries[] = {{log, 0}, {log, 1}, {log, 10}, {log, 11}};
  memset(log, 0, sizeof(*log));
  for (uint32_t i = 0; i < 4; ++i) {
    weft_sim_kit_copy(i / 2, memory, weft_sim_kit_cpu("."), 1, &entries[i]);
  }
  while (weft_sim_device_step(device)) {
  }
  assert_int_equal(weft_sim_kit_ended(log), 4);
  weft_sim_kit_free(memory, 1);
  weft_sim_device_destroy(device);
}

static size_t place_of(const weft_sim_kit_log_t* log, int mark) {
  size_t place = 0;
  while (log->marks[place] != mark) {
    ++place;
  }
  return place;
}

static void a_seed_decides_which_queue_is_next(void** state) {
  (void)state;
  weft_sim_kit_log_t log;
  weft_sim_kit_log_t again;
  // By the places of marks 0 and 1: there are six orders.
  bool was_seen[4][4] = {{false}};
  for (uint64_t seed = 0; seed < 100; ++seed) {
    run_two_queues(seed, &log);
    run_two_queues(seed, &again);
    assert_memory_equal(log.marks, again.marks, sizeof(log.marks));
    assert_true(place_of(&log, 0) < place_of(&log, 1));
    assert_true(place_of(&log, 10) < place_of(&log, 11));
    was_seen[place_of(&log, 0)][place_of(&log, 1)] = true;
  }
  for (size_t i = 0; i < 4; ++i) {
    for (size_t j = i + 1; j < 4; ++j) {
      assert_true(was_seen[i][j]);
    }
  }
}

// --- Waiting ----------------------------------------------------------------

static void synchronizing_waits_for_one_queue_alone(void** state) {
  (void)state;
  for (int is_stepped = 0; is_stepped < 2; ++is_stepped) {
    weft_sim_device_t* device = weft_sim_kit_make(&(weft_sim_device_options_t){
        .queue_count = 2, .is_stepped = is_stepped});
    weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
    weft_sim_kit_log_t log = {0};
    weft_sim_kit_entry_t entries[] = {{&log, 0}, {&log, 1}, {&log, 2}};
    weft_kit_assert_ok(weft_sim_device_hold(device, 1, true));
    weft_sim_kit_copy(1, memory, weft_sim_kit_cpu("."), 1, &entries[0]);
    weft_sim_kit_copy(0, memory, weft_sim_kit_cpu("."), 1, &entries[1]);
    weft_sim_kit_copy(0, memory, weft_sim_kit_cpu("."), 1, &entries[2]);
    weft_sim_kit_synchronize(device, 0);
    assert_int_equal(weft_sim_kit_ended(&log), 2);
    assert_int_equal(weft_sim_kit_counters(device).waiting_copies, 1);
    weft_kit_assert_ok(weft_sim_device_hold(device, 1, false));
    weft_sim_kit_synchronize(device, 1);
    assert_int_equal(weft_sim_kit_ended(&log), 3);
    // There is none; so nothing is in it.
    weft_sim_kit_synchronize(device, 2);
    weft_sim_kit_free(memory, 1);
    weft_sim_device_destroy(device);
  }
}

static void a_stepped_device_runs_a_held_queue_for_who_waits(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(2, 0);
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entries[] = {{&log, 0}, {&log, 1}};
  for (uint32_t i = 0; i < 2; ++i) {
    weft_kit_assert_ok(weft_sim_device_hold(device, i, true));
    weft_sim_kit_copy(i, memory, weft_sim_kit_cpu("."), 1, &entries[i]);
  }
  assert_false(weft_sim_device_step(device));
  weft_sim_kit_synchronize(device, 1);
  assert_int_equal(weft_sim_kit_ended(&log), 1);
  assert_int_equal(log.marks[0], 1);
  assert_false(weft_sim_device_step(device));
  // A free waits for every queue.
  weft_sim_kit_free(memory, 1);
  assert_int_equal(weft_sim_kit_ended(&log), 2);
  weft_sim_device_destroy(device);
}

// Memory that is freed on a thread while a copy from it is held.
typedef struct late_free {
  weft_sim_kit_place_t memory;
  weft_sim_kit_log_t* log;
  size_t ended_before_free;
} late_free_t;

static void free_or_let_go(size_t index, void* user) {
  late_free_t* late = user;
  if (index == 0) {
    weft_sim_kit_free(late->memory, 4);
    late->ended_before_free = weft_sim_kit_ended(late->log);
  } else {
    (void)weft_status_ignore(
        weft_sim_device_hold(late->memory.device, 1, false));
  }
}

static void freeing_waits_for_the_queues(void** state) {
  (void)state;
  for (int round = 0; round < 20; ++round) {
    weft_sim_device_t* device =
        weft_sim_kit_make(&(weft_sim_device_options_t){.queue_count = 2});
    weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 4);
    weft_sim_kit_log_t log = {0};
    weft_sim_kit_entry_t entry = {&log, 0};
    char to[4] = "...";
    weft_kit_assert_ok(weft_sim_device_hold(device, 1, true));
    weft_sim_kit_copy(1, weft_sim_kit_cpu(to), memory, 4, &entry);
    late_free_t late = {.memory = memory, .log = &log};
    weft_kit_run_threads(2, free_or_let_go, &late);
    assert_int_equal(late.ended_before_free, 1);
    assert_int_equal(log.codes[0], WEFT_STATUS_OK);
    weft_sim_device_destroy(device);
  }
}

// What a `done` sees of where it is called.
typedef struct witness {
  weft_sim_device_t* device;
  uint32_t thread_id;
  uint64_t copies;
} witness_t;

static void witness_done(void* user, weft_status_t status) {
  witness_t* witness = user;
  weft_sim_device_counters_t counters;
  weft_sim_device_counters(witness->device, &counters);
  witness->thread_id = weft_sys_thread_id();
  witness->copies = weft_status_is_ok(status) ? counters.copies : 0;
  weft_status_release(status);
}

static void done_is_called_on_the_thread_that_runs_copies(void** state) {
  (void)state;
  for (int is_stepped = 0; is_stepped < 2; ++is_stepped) {
    weft_sim_device_t* device = weft_sim_kit_make(
        &(weft_sim_device_options_t){.is_stepped = is_stepped});
    const weft_device_driver_t* driver = weft_sim_device_driver(device);
    weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
    witness_t witness = {.device = device};
    const weft_device_copy_t copy = {
        driver, memory.address, weft_device_cpu(), ".",
        1,      witness_done,   &witness};
    weft_kit_assert_ok(driver->vtable->copy(driver, 0, &copy));
    weft_sim_kit_synchronize(device, 0);
    assert_int_equal(witness.copies, 1);
    assert_int_equal(witness.thread_id == weft_sys_thread_id(), is_stepped);
    weft_sim_kit_free(memory, 1);
    weft_sim_device_destroy(device);
  }
}

// A copy that appends itself once more when it is over.
typedef struct chain {
  weft_device_copy_t copy;
  _Atomic int left;
} chain_t;

static void go_on(void* user, weft_status_t status) {
  chain_t* chain = user;
  const weft_device_driver_t* driver = chain->copy.destination_driver;
  weft_status_release(status);
  // Relaxed: the copies are one after the other.
  if (atomic_fetch_sub_explicit(&chain->left, 1, memory_order_relaxed) > 1) {
    weft_status_release(driver->vtable->copy(driver, 0, &chain->copy));
  }
}

static void done_may_append_more(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make(NULL);
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
  chain_t chain = {{weft_sim_device_driver(device), memory.address,
                    weft_device_cpu(), ".", 1, go_on, &chain},
                   5};
  go_on(&chain, WEFT_OK);
  // Each waits for what was there, which appended the next.
  for (int i = 0; i < 4; ++i) {
    weft_sim_kit_synchronize(device, 0);
  }
  assert_int_equal(weft_sim_kit_counters(device).copies, 4);
  weft_sim_kit_free(memory, 1);
  weft_sim_device_destroy(device);
}

static void free_in_done(void* user, weft_status_t status) {
  weft_status_release(status);
  weft_sim_kit_free(*(weft_sim_kit_place_t*)user, 1);
}

static void append_what_frees(void* user) {
  (void)user;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
  const weft_device_copy_t copy = {
      driver, memory.address, weft_device_cpu(), ".", 1, free_in_done, &memory};
  weft_kit_assert_ok(driver->vtable->copy(driver, 0, &copy));
  (void)weft_sim_device_step(device);
}

static void a_done_that_waits_for_its_device_ends_the_program(void** state) {
  (void)state;
  char output[512];
  weft_kit_ending_t ending =
      weft_kit_run_child(append_what_frees, NULL, output, sizeof(output));
  assert_true(ending.signal_number != 0);
  assert_non_null(strstr(output, "runner"));
}

static void check_destroy_runs_all(bool is_stepped) {
  weft_sim_device_t* device = weft_sim_kit_make(
      &(weft_sim_device_options_t){.queue_count = 2, .is_stepped = is_stepped});
  // Never given back.
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entries[] = {{&log, 0}, {&log, 1}};
  // So that its thread has begun, and most likely sleeps.
  weft_sim_kit_copy_now(memory, weft_sim_kit_cpu("."), 1);
  for (uint32_t i = 0; i < 2; ++i) {
    weft_kit_assert_ok(weft_sim_device_hold(device, i, true));
    weft_sim_kit_copy(i, memory, weft_sim_kit_cpu("."), 1, &entries[i]);
  }
  weft_sim_device_destroy(device);
  assert_int_equal(weft_sim_kit_ended(&log), 2);
}

static void destroying_runs_what_waits(void** state) {
  (void)state;
  check_destroy_runs_all(true);
  for (int round = 0; round < 50; ++round) {
    check_destroy_runs_all(false);
  }
  weft_sim_device_destroy(NULL);
}

// --- What is refused --------------------------------------------------------

static void copies_that_are_not_its_own_are_refused(void** state) {
  (void)state;
  weft_sim_device_t* a = weft_sim_kit_make_stepped(2, 0);
  weft_sim_device_t* b = weft_sim_kit_make_stepped(1, 0);
  weft_sim_kit_place_t at_a = weft_sim_kit_allocate(a, 1);
  weft_sim_kit_place_t at_b = weft_sim_kit_allocate(b, 1);
  weft_sim_kit_place_t here = weft_sim_kit_cpu(".");
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "2 queues, not number 2",
      weft_sim_kit_try_copy(a, 2, at_a, here, 1, &entry));
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_sim_device_hold(a, 2, true));
  // The destination is to be asked.
  weft_kit_assert_status_says(
      WEFT_STATUS_UNIMPLEMENTED, "from extension:0 to extension:0",
      weft_sim_kit_try_copy(a, 0, at_b, at_a, 1, &entry));
  weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED,
                         weft_sim_kit_try_copy(a, 0, here, here, 1, &entry));
  weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED,
                         weft_sim_kit_try_copy(a, 0, at_b, here, 1, &entry));
  weft_kit_assert_status(WEFT_STATUS_UNIMPLEMENTED,
                         weft_sim_kit_try_copy(a, 0, here, at_b, 1, &entry));
  static const weft_device_driver_t cuda = {.device = {WEFT_DEVICE_CUDA, 0}};
  const weft_device_driver_t* driver = weft_sim_device_driver(a);
  const weft_device_copy_t copy = {driver, at_a.address,      &cuda, ".",
                                   1,      weft_sim_kit_done, &entry};
  weft_kit_assert_status_says(WEFT_STATUS_UNIMPLEMENTED, "from cuda:0",
                              driver->vtable->copy(driver, 0, &copy));
  weft_sim_kit_free(at_a, 1);
  weft_sim_kit_free(at_b, 1);
  weft_sim_device_destroy(a);
  weft_sim_device_destroy(b);
  assert_int_equal(weft_sim_kit_ended(&log), 0);
}

static void check_out_of_range(weft_sim_kit_place_t to,
                               weft_sim_kit_place_t from, size_t size_bytes) {
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  weft_sim_kit_copy(0, to, from, size_bytes, &entry);
  weft_sim_kit_synchronize(to.device != NULL ? to.device : from.device, 0);
  assert_int_equal(log.codes[0], WEFT_STATUS_OUT_OF_RANGE);
}

static void copies_beyond_its_memory_fail(void** state) {
  (void)state;
  weft_sim_device_t* a = weft_sim_kit_make_stepped(1, 0);
  weft_sim_device_t* b = weft_sim_kit_make_stepped(1, 0);
  weft_sim_kit_place_t at_a = weft_sim_kit_allocate(a, 8);
  weft_sim_kit_place_t at_b = weft_sim_kit_allocate(b, 8);
  char here[16] = "what it was";
  weft_sim_kit_place_t cpu = weft_sim_kit_cpu(here);
  check_out_of_range(cpu, at_a, 9);
  check_out_of_range(at_a, cpu, 9);
  check_out_of_range(cpu, weft_sim_kit_behind(at_a, 4), 5);
  check_out_of_range(cpu, weft_sim_kit_behind(at_a, (size_t)-1), 2);
  check_out_of_range(at_b, (weft_sim_kit_place_t){b, at_a.address}, 8);
  weft_sim_kit_free(at_a, 8);
  check_out_of_range(cpu, at_a, 8);
  check_out_of_range(at_b, at_a, 8);
  assert_string_equal(here, "what it was");
  weft_sim_kit_free(at_b, 8);
  weft_sim_device_destroy(a);
  weft_sim_device_destroy(b);
}

static void queues_are_limited(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make(&(weft_sim_device_options_t){
      .queue_count = 2, .copy_limit = 2, .is_stepped = true});
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 1);
  weft_sim_kit_place_t here = weft_sim_kit_cpu(".");
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  weft_sim_kit_copy(1, memory, here, 1, &entry);
  weft_sim_kit_copy(1, memory, here, 1, &entry);
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      "queue 1 of the simulated device 0 is "
      "full, with 2 copies",
      weft_sim_kit_try_copy(device, 1, memory, here, 1, &entry));
  weft_sim_kit_copy(0, memory, here, 1, &entry);
  weft_sim_kit_synchronize(device, 1);
  weft_sim_kit_copy(1, memory, here, 1, &entry);
  weft_sim_kit_free(memory, 1);
  assert_int_equal(weft_sim_kit_ended(&log), 4);
  weft_sim_device_destroy(device);
}

// --- Failures on demand -----------------------------------------------------

static void allocations_fail_on_demand(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  weft_sim_device_fail_allocations(device, 1, 2);
  weft_sim_kit_place_t first = weft_sim_kit_allocate(device, 8);
  for (int i = 0; i < 2; ++i) {
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "failed on demand", try_allocate(device, 8));
  }
  weft_sim_kit_place_t second = weft_sim_kit_allocate(device, 8);
  weft_sim_device_fail_allocations(device, 0, 1);
  weft_sim_device_fail_allocations(device, 0, 0);
  weft_sim_kit_free(first, 8);
  weft_sim_kit_free(second, 8);
  first = weft_sim_kit_allocate(device, 8);
  weft_sim_kit_free(first, 8);
  weft_sim_device_destroy(device);
}

static void copies_fail_on_demand_and_those_behind_go_on(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(1, 0);
  weft_sim_kit_place_t memory = weft_sim_kit_allocate(device, 4);
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  char text[] = "abcd";
  weft_sim_device_fail_copies(device, 9, 9,
                              weft_status_from_code(WEFT_STATUS_FAILED));
  weft_sim_device_fail_copies(
      device, 1, 2,
      weft_status_make(WEFT_STATUS_DATA_LOSS, "a bit has turned"));
  for (size_t i = 0; i < 4; ++i) {
    weft_sim_kit_copy(0, weft_sim_kit_behind(memory, i),
                      weft_sim_kit_cpu(&text[i]), 1, &entry);
  }
  weft_sim_kit_synchronize(device, 0);
  const weft_status_code_t expected[] = {WEFT_STATUS_OK, WEFT_STATUS_DATA_LOSS,
                                         WEFT_STATUS_DATA_LOSS, WEFT_STATUS_OK};
  assert_memory_equal(log.codes, expected, sizeof(expected));
  weft_sim_kit_copy_now(weft_sim_kit_cpu(text), memory, 4);
  assert_string_equal(text,
                      "a\xDB\xDB"
                      "d");
  assert_int_equal(weft_sim_kit_counters(device).failed_copies, 2);
  weft_sim_kit_free(memory, 4);
  weft_sim_device_destroy(device);
}

static void all_copies_of_a_lost_device_fail(void** state) {
  (void)state;
  for (int is_stepped = 0; is_stepped < 2; ++is_stepped) {
    weft_sim_device_t* lost = weft_sim_kit_make(&(weft_sim_device_options_t){
        .queue_count = 2, .is_stepped = is_stepped});
    weft_sim_device_t* other = weft_sim_kit_make_stepped(1, 0);
    weft_sim_kit_place_t memory = weft_sim_kit_allocate(lost, 4);
    weft_sim_kit_place_t further = weft_sim_kit_allocate(other, 4);
    char text[] = "abc";
    weft_sim_kit_log_t log = {0};
    weft_sim_kit_entry_t entry = {&log, 0};
    weft_kit_assert_ok(weft_sim_device_hold(lost, 1, true));
    weft_sim_kit_copy(1, weft_sim_kit_cpu(text), memory, 4, &entry);
    weft_sim_device_lose(
        lost, weft_status_make(WEFT_STATUS_UNAVAILABLE, "it fell off"));
    weft_sim_device_lose(lost, weft_status_from_code(WEFT_STATUS_FAILED));
    // Though it is held.
    weft_sim_kit_synchronize(lost, 1);
    weft_sim_kit_copy(0, memory, weft_sim_kit_cpu(text), 4, &entry);
    weft_sim_kit_synchronize(lost, 0);
    weft_sim_kit_copy(0, further, memory, 4, &entry);
    weft_sim_kit_synchronize(other, 0);
    assert_int_equal(weft_sim_kit_ended(&log), 3);
    for (size_t i = 0; i < 3; ++i) {
      assert_int_equal(log.codes[i], WEFT_STATUS_UNAVAILABLE);
    }
    assert_string_equal(text, "abc");
    weft_kit_assert_status_says(WEFT_STATUS_UNAVAILABLE, "it fell off",
                                try_allocate(lost, 1));
    weft_sim_kit_free(memory, 4);
    assert_int_equal(weft_sim_kit_counters(lost).live_bytes, 0);
    weft_sim_kit_copy_now(further, weft_sim_kit_cpu(text), 4);
    weft_sim_kit_free(further, 4);
    weft_sim_device_destroy(lost);
    weft_sim_device_destroy(other);
  }
}

// --- Counting and making ----------------------------------------------------

static void everything_is_counted(void** state) {
  (void)state;
  weft_sim_device_t* device = weft_sim_kit_make_stepped(2, 0);
  weft_sim_kit_place_t a = weft_sim_kit_allocate(device, 100);
  weft_sim_kit_place_t b = weft_sim_kit_allocate(device, 20);
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  weft_sim_kit_copy(1, b, a, 20, &entry);
  weft_sim_kit_copy(1, b, a, 21, &entry);
  weft_sim_device_counters_t counters = weft_sim_kit_counters(device);
  assert_int_equal(counters.copies, 0);
  assert_int_equal(counters.waiting_copies, 2);
  assert_int_equal(counters.synchronizations, 0);
  weft_sim_kit_synchronize(device, 1);
  weft_sim_kit_synchronize(device, 0);
  counters = weft_sim_kit_counters(device);
  assert_int_equal(counters.copies, 2);
  assert_int_equal(counters.failed_copies, 1);
  assert_int_equal(counters.copied_bytes, 20);
  assert_int_equal(counters.waiting_copies, 0);
  assert_int_equal(counters.synchronizations, 2);
  assert_int_equal(counters.live_bytes, 120);
  assert_int_equal(counters.live_blocks, 2);
  weft_sim_kit_free(a, 100);
  counters = weft_sim_kit_counters(device);
  assert_int_equal(counters.live_bytes, 20);
  assert_int_equal(counters.live_blocks, 1);
  // The device waits for that, nobody asked for it.
  assert_int_equal(counters.synchronizations, 2);
  weft_sim_kit_free(b, 20);
  weft_sim_device_destroy(device);
}

static void a_device_has_a_bounded_number_of_queues(void** state) {
  (void)state;
  weft_sim_device_options_t options = {.queue_count = 65};
  weft_sim_device_t* device = NULL;
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_sim_device_create(NULL, &options, &device));
  assert_null(device);
  options.queue_count = WEFT_SIM_DEVICE_QUEUE_LIMIT;
  device = weft_sim_kit_make(&options);
  weft_kit_assert_ok(weft_sim_device_hold(device, 63, true));
  weft_sim_device_destroy(device);
}

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  weft_sim_device_t* device = NULL;
  weft_status_t status = weft_sim_device_create(allocator, user, &device);
  *out_object = device;
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_sim_device_destroy(object);
}

// A device of which a copy is to be made.
static weft_status_t create_and_copy(const weft_allocator_t* allocator,
                                     void* user, void** out_object) {
  weft_sim_device_t* device = NULL;
  weft_sim_kit_entry_t* entry = user;
  WEFT_RETURN_IF_ERROR(weft_sim_device_create(allocator, NULL, &device));
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  void* address = NULL;
  weft_status_t status =
      driver->vtable->allocate(driver, allocator, 1, &address);
  if (status == WEFT_OK) {
    status = weft_sim_kit_try_copy(device, 0,
                                   (weft_sim_kit_place_t){device, address},
                                   weft_sim_kit_cpu("."), 1, entry);
  }
  if (status != WEFT_OK) {
    weft_sim_device_destroy(device);
    return status;
  }
  *out_object = device;
  return WEFT_OK;
}

static void it_survives_every_allocation_failure(void** state) {
  (void)state;
  weft_kit_sweep(&(weft_kit_creation_t){create, destroy, NULL});
  weft_sim_device_options_t stepped = {.is_stepped = true};
  weft_kit_sweep(&(weft_kit_creation_t){create, destroy, &stepped});
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  weft_kit_sweep(&(weft_kit_creation_t){create_and_copy, destroy, &entry});
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_program_that_touches_its_memory_dies),
      cmocka_unit_test(memory_is_aligned_and_poisoned),
      cmocka_unit_test(addresses_of_freed_memory_are_not_given_again_soon),
      cmocka_unit_test(memory_is_limited),
      cmocka_unit_test(memory_that_cannot_be_is_refused),
      cmocka_unit_test(bytes_are_copied_when_the_turn_of_a_copy_comes),
      cmocka_unit_test(who_does_not_synchronize_reads_old_bytes),
      cmocka_unit_test(memory_goes_from_any_device_to_any),
      cmocka_unit_test(a_seed_decides_which_queue_is_next),
      cmocka_unit_test(synchronizing_waits_for_one_queue_alone),
      cmocka_unit_test(a_stepped_device_runs_a_held_queue_for_who_waits),
      cmocka_unit_test(freeing_waits_for_the_queues),
      cmocka_unit_test(done_is_called_on_the_thread_that_runs_copies),
      cmocka_unit_test(done_may_append_more),
      cmocka_unit_test(a_done_that_waits_for_its_device_ends_the_program),
      cmocka_unit_test(destroying_runs_what_waits),
      cmocka_unit_test(copies_that_are_not_its_own_are_refused),
      cmocka_unit_test(copies_beyond_its_memory_fail),
      cmocka_unit_test(queues_are_limited),
      cmocka_unit_test(allocations_fail_on_demand),
      cmocka_unit_test(copies_fail_on_demand_and_those_behind_go_on),
      cmocka_unit_test(all_copies_of_a_lost_device_fail),
      cmocka_unit_test(everything_is_counted),
      cmocka_unit_test(a_device_has_a_bounded_number_of_queues),
      cmocka_unit_test(it_survives_every_allocation_failure),
  };
  return cmocka_run_group_tests(tests, set_up, NULL);
}
