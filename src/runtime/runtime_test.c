// SPDX-License-Identifier: Apache-2.0

#include "weft/runtime.h"

#include <string.h>

#include "async/async.h"
#include "base/assert.h"
#include "base/container.h"
#include "base/sanitizer.h"
#include "kit/kit.h"
#include "sys/slab.h"
#include "trace/trace.h"

// --- Options ----------------------------------------------------------------

static void defaults_make_a_runtime_of_one(void** state) {
  (void)state;
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(NULL, &runtime));
  assert_int_equal(0, weft_runtime_rank(runtime));
  assert_int_equal(1, weft_runtime_size(runtime));
  assert_ptr_equal(weft_allocator_system(), weft_runtime_allocator(runtime));
  assert_string_equal(weft_sys_program_name(), runtime->name);
  assert_false(weft_async_is_simulated(runtime));
  assert_int_equal(0, weft_runtime_run(runtime, UINT64_MAX));
  weft_runtime_destroy(runtime);
}

static void options_are_copied(void** state) {
  (void)state;
  weft_kit_allocator_t kit = {0};
  weft_kit_allocator_init(&kit);
  char name[] = "digits";
  const weft_runtime_options_t options = {
      .name = name, .allocator = &kit.allocator, .simulate = true};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  memset(name, 'x', strlen(name));
  assert_string_equal("digits", runtime->name);
  assert_ptr_equal(&kit.allocator, weft_runtime_allocator(runtime));
  assert_true(weft_async_is_simulated(runtime));
  weft_runtime_destroy(runtime);
  weft_kit_allocator_deinit(&kit);
}

static void a_process_may_hold_several_runtimes(void** state) {
  (void)state;
  weft_runtime_t* runtimes[4];
  for (int i = 0; i < 4; i++) {
    const weft_runtime_options_t options = {.worker_count = 1,
                                            .simulate = i % 2 == 1};
    weft_kit_assert_ok(weft_runtime_create(&options, &runtimes[i]));
  }
  for (int i = 0; i < 4; i++) {
    weft_runtime_destroy(runtimes[i]);
  }
}

static void rank_0_does_not_serve(void** state) {
  (void)state;
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(NULL, &runtime));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         weft_runtime_serve(runtime));
  weft_runtime_destroy(runtime);
}

// --- Deadlines --------------------------------------------------------------

static void deadlines_saturate(void** state) {
  (void)state;
  const weft_runtime_options_t options = {.simulate = true};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  int64_t now_ns = weft_runtime_now_ns(runtime);
  assert_int_equal(now_ns, weft_deadline_after(runtime, 0));
  assert_int_equal(now_ns + 5, weft_deadline_after(runtime, 5));
  assert_int_equal(now_ns - 5, weft_deadline_after(runtime, -5));
  assert_true(weft_deadline_after(runtime, WEFT_TIME_INFINITE) ==
              WEFT_TIME_INFINITE);
  assert_true(weft_deadline_after(runtime, WEFT_TIME_INFINITE - 1) ==
              WEFT_TIME_INFINITE);
  weft_runtime_destroy(runtime);
}

// --- Stopping ---------------------------------------------------------------

typedef struct stopper {
  weft_task_t task;
  weft_runtime_t* runtime;
  weft_status_code_t code;
  weft_parker_t parker;
} stopper_t;

static void stop_from_task(weft_task_t* task) {
  stopper_t* stopper = WEFT_CONTAINER_OF(task, stopper_t, task);
  stopper->code = weft_status_ignore(
      weft_runtime_stop(stopper->runtime, WEFT_TIME_INFINITE));
  weft_unpark(&stopper->parker);
}

static void a_task_cannot_stop_its_own_runtime(void** state) {
  (void)state;
  for (int simulate = 0; simulate <= 1; simulate++) {
    const weft_runtime_options_t options = {.simulate = simulate == 1};
    weft_runtime_t* runtime;
    weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
    stopper_t stopper = {.task.run = stop_from_task, .runtime = runtime};
    weft_parker_init(&stopper.parker, runtime);
    weft_executor_post(weft_runtime_executor(runtime), &stopper.task);
    weft_kit_assert_ok(weft_park(&stopper.parker, WEFT_TIME_INFINITE));
    assert_int_equal(WEFT_STATUS_FAILED_PRECONDITION, stopper.code);
    weft_runtime_destroy(runtime);
  }
}

static void stopping_again_changes_nothing(void** state) {
  (void)state;
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(NULL, &runtime));
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  weft_kit_assert_ok(weft_runtime_stop(runtime, WEFT_TIME_NOW));
  weft_runtime_destroy(runtime);
  weft_runtime_destroy(NULL);
}

// --- Memory -----------------------------------------------------------------

static weft_status_t create(const weft_allocator_t* allocator, void* user,
                            void** out_object) {
  weft_runtime_options_t options = *(const weft_runtime_options_t*)user;
  options.allocator = allocator;
  weft_runtime_t* runtime;
  weft_status_t status = weft_runtime_create(&options, &runtime);
  *out_object = runtime;
  return status;
}

static void destroy(void* object, void* user) {
  (void)user;
  weft_runtime_destroy(object);
}

static void a_failed_creation_leaks_nothing(void** state) {
  (void)state;
  weft_runtime_options_t pool = {.worker_count = 3};
  weft_kit_sweep(&(weft_kit_creation_t){create, destroy, &pool});
  weft_runtime_options_t simulation = {.simulate = true};
  weft_kit_sweep(&(weft_kit_creation_t){create, destroy, &simulation});
}

static void blocks_may_outlive_the_runtime(void** state) {
  (void)state;
  weft_kit_allocator_t kit = {0};
  weft_kit_allocator_init(&kit);
  const weft_runtime_options_t options = {.allocator = &kit.allocator};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  weft_slab_t* slab = runtime->slab;
  void* block = weft_slab_allocate(slab, 128);
  assert_non_null(block);
  weft_runtime_destroy(runtime);
  // What a future looks at is still there.
  assert_ptr_equal(&kit.allocator, runtime->allocator);
  assert_ptr_equal(slab, runtime->slab);
  weft_slab_free(slab, block, 128);
  weft_kit_allocator_deinit(&kit);
}

// --- Forks ------------------------------------------------------------------

static void use_in_child(void* user) {
  weft_runtime_t* runtime = user;
  weft_status_code_t code =
      weft_status_ignore(weft_runtime_stop(runtime, WEFT_TIME_INFINITE));
  weft_assert(code == WEFT_STATUS_FORKED);
  weft_runtime_destroy(runtime);
  // A runtime of the child's own is as good as any.
  weft_runtime_t* own;
  weft_kit_assert_ok(weft_runtime_create(NULL, &own));
  weft_kit_assert_ok(weft_runtime_stop(own, WEFT_TIME_INFINITE));
  weft_runtime_destroy(own);
}

typedef struct stoppers {
  weft_runtime_t* runtime;
  // How often each code came; written with atomic operations.
  _Atomic uint32_t ok;
  _Atomic uint32_t refused;
} stoppers_t;

static void stop_it(size_t index, void* user) {
  (void)index;
  stoppers_t* stoppers = user;
  weft_status_code_t code = weft_status_ignore(
      weft_runtime_stop(stoppers->runtime, WEFT_TIME_INFINITE));
  _Atomic uint32_t* count =
      code == WEFT_STATUS_OK ? &stoppers->ok : &stoppers->refused;
  atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
  weft_assert(code == WEFT_STATUS_OK ||
              code == WEFT_STATUS_FAILED_PRECONDITION);
}

static void of_threads_that_stop_it_at_once_one_does(void** state) {
  (void)state;
  for (uint64_t i = weft_kit_amount(50); i > 0; i--) {
    stoppers_t stoppers = {NULL, 0, 0};
    weft_kit_assert_ok(weft_runtime_create(NULL, &stoppers.runtime));
    weft_kit_run_threads(3, stop_it, &stoppers);
    assert_true(stoppers.ok >= 1);
    assert_int_equal(3, stoppers.ok + stoppers.refused);
    weft_runtime_destroy(stoppers.runtime);
  }
}

static void a_forked_child_cannot_use_the_runtime(void** state) {
  (void)state;
  // A sanitizer's own locks do not survive a fork beside other threads, so
  // there must be none then.
  const weft_runtime_options_t options = {.simulate = WEFT_SANITIZER};
  weft_runtime_t* runtime;
  weft_kit_assert_ok(weft_runtime_create(&options, &runtime));
  char output[2000];
  weft_kit_ending_t ending =
      weft_kit_run_child(use_in_child, runtime, output, sizeof(output));
  assert_int_equal(0, ending.exit_status);
  assert_int_equal(0, ending.signal_number);
  weft_runtime_destroy(runtime);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_make_a_runtime_of_one),
      cmocka_unit_test(options_are_copied),
      cmocka_unit_test(a_process_may_hold_several_runtimes),
      cmocka_unit_test(rank_0_does_not_serve),
      cmocka_unit_test(deadlines_saturate),
      cmocka_unit_test(a_task_cannot_stop_its_own_runtime),
      cmocka_unit_test(stopping_again_changes_nothing),
      cmocka_unit_test(of_threads_that_stop_it_at_once_one_does),
      cmocka_unit_test(a_failed_creation_leaks_nothing),
      cmocka_unit_test(blocks_may_outlive_the_runtime),
      cmocka_unit_test(a_forked_child_cannot_use_the_runtime),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
