// SPDX-License-Identifier: Apache-2.0
//
// Tensors between processes: what is copied, what is lent, and when loans end.

#include <stdlib.h>

#include "process/job.h"
#include "process/puppet.h"

#define COUNT 50000
#define BYTES INT64_C(200000)

static void check_sum(weft_runtime_t* runtime, weft_actor_t actor,
                      weft_value_t tensor, int64_t sum) {
  assert_int_equal(
      puppet_ask_int(runtime, actor, PUPPET_SUM, WEFT_ARGUMENTS(tensor)), sum);
}

static void private_tensors_are_copied_once(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t tensor = puppet_tensor(runtime, COUNT, false);
  puppet_figures_t before = puppet_own_figures(runtime);
  check_sum(runtime, actor, tensor, puppet_sum_of(COUNT));
  puppet_figures_t after = puppet_own_figures(runtime);
  assert_int_equal(
      after.of[FIGURE_BYTES_COPIED] - before.of[FIGURE_BYTES_COPIED], BYTES);
  puppet_figures_t there = puppet_figures(runtime, actor);
  assert_int_equal(there.of[FIGURE_BYTES_COPIED], 0);
  puppet_expect_nothing_lent(runtime);
  weft_value_release(tensor);
}

static void shared_tensors_are_lent_and_not_copied(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t tensor = puppet_tensor(runtime, COUNT, true);
  const weft_tensor_t* lent;
  void* data;
  puppet_figures_t before = puppet_own_figures(runtime);
  puppet_tell(runtime, actor, PUPPET_KEEP, WEFT_ARGUMENTS(tensor));
  puppet_figures_t after = puppet_own_figures(runtime);
  assert_int_equal(after.of[FIGURE_BYTES_COPIED],
                   before.of[FIGURE_BYTES_COPIED]);
  assert_int_equal(after.of[FIGURE_BYTES_LENT] - before.of[FIGURE_BYTES_LENT],
                   BYTES);
  assert_true(after.of[FIGURE_LENT_BYTES] >= BYTES);
  weft_kit_assert_ok(weft_value_as_tensor(tensor, &lent));
  // While somebody reads it nobody writes.
  weft_kit_assert_status(
      WEFT_STATUS_FAILED_PRECONDITION,
      weft_tensor_mutable_data((weft_tensor_t*)(uintptr_t)lent, &data));
  puppet_tell(runtime, actor, PUPPET_FORGET, NULL);
  puppet_expect_nothing_lent(runtime);
  weft_kit_assert_ok(
      weft_tensor_mutable_data((weft_tensor_t*)(uintptr_t)lent, &data));
  assert_int_equal(puppet_figures(runtime, actor).of[FIGURE_BYTES_COPIED], 0);
  weft_value_release(tensor);
}

static void results_are_lent_too(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t tensor =
      puppet_ask(runtime, actor, PUPPET_TENSOR,
                 WEFT_ARGUMENTS(weft_int64(COUNT), weft_bool(true)));
  assert_int_equal(puppet_figures(runtime, actor).of[FIGURE_BYTES_COPIED], 0);
  assert_true(puppet_figures(runtime, actor).of[FIGURE_LENT_BYTES] >= BYTES);
  const weft_tensor_t* lent;
  void* data;
  weft_kit_assert_ok(weft_value_as_tensor(tensor, &lent));
  weft_kit_assert_status(
      WEFT_STATUS_FAILED_PRECONDITION,
      weft_tensor_mutable_data((weft_tensor_t*)(uintptr_t)lent, &data));
  assert_int_equal(((const int32_t*)weft_tensor_data(lent))[COUNT - 1],
                   COUNT - 1);
  weft_value_release(tensor);
  while (puppet_figures(runtime, actor).of[FIGURE_LENT_BYTES] != 0) {
  }
}

static void views_of_shared_tensors_are_lent(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t tensor = puppet_tensor(runtime, COUNT, true);
  const weft_tensor_t* whole;
  weft_tensor_t* part;
  weft_tensor_t* every_second;
  weft_kit_assert_ok(weft_value_as_tensor(tensor, &whole));
  weft_kit_assert_ok(weft_tensor_slice(whole, 0, COUNT / 2, COUNT, &part));
  const int64_t shape = COUNT / 2;
  const int64_t stride = 2;
  const weft_tensor_layout_t layout = {
      .dtype = WEFT_INT32, .ndim = 1, .shape = &shape, .strides = &stride};
  weft_kit_assert_ok(weft_tensor_from_storage(weft_runtime_allocator(runtime),
                                              weft_tensor_storage(whole),
                                              &layout, &every_second));
  weft_value_t views[2] = {weft_tensor_into_value(part),
                           weft_tensor_into_value(every_second)};
  puppet_figures_t before = puppet_own_figures(runtime);
  check_sum(runtime, actor, views[0],
            puppet_sum_of(COUNT) - puppet_sum_of(COUNT / 2));
  check_sum(runtime, actor, views[1], 2 * puppet_sum_of(COUNT / 2));
  assert_int_equal(puppet_own_figures(runtime).of[FIGURE_BYTES_COPIED],
                   before.of[FIGURE_BYTES_COPIED]);
  weft_value_release(views[0]);
  weft_value_release(views[1]);
  weft_value_release(tensor);
  puppet_expect_nothing_lent(runtime);
}

static weft_value_t make_shaped(weft_runtime_t* runtime, uint32_t ndim,
                                const int64_t* shape, bool is_shared) {
  weft_tensor_t* tensor;
  weft_kit_assert_ok(
      is_shared
          ? weft_tensor_create_shared(runtime, WEFT_INT32, ndim, shape, &tensor)
          : weft_tensor_create(weft_runtime_allocator(runtime), NULL,
                               WEFT_INT32, ndim, shape, &tensor));
  void* data;
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  if (weft_tensor_element_count(tensor) == 1) {
    *(int32_t*)data = 42;
  }
  return weft_tensor_into_value(tensor);
}

static void tensors_without_elements_or_dimensions_arrive(
    weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  const int64_t empty[] = {3, 0, 5};
  for (int is_shared = 0; is_shared < 2; is_shared++) {
    for (uint32_t ndim = 0; ndim <= 3; ndim++) {
      weft_value_t tensor = make_shaped(runtime, ndim, empty, is_shared);
      weft_value_t back =
          puppet_ask(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(tensor));
      const weft_tensor_t* came;
      weft_kit_assert_ok(weft_value_as_tensor(back, &came));
      weft_kit_assert_ok(weft_tensor_expect(came, WEFT_INT32, ndim, empty));
      if (ndim == 0) {
        assert_int_equal(*(const int32_t*)weft_tensor_data(came), 42);
      }
      weft_value_release(back);
      weft_value_release(tensor);
    }
  }
  puppet_expect_nothing_lent(runtime);
}

static void a_loan_is_passed_on_without_a_copy(weft_runtime_t* runtime) {
  weft_actor_t owner = puppet_spawn(runtime, 1);
  weft_actor_t reader = puppet_spawn(runtime, 2);
  weft_value_t tensor =
      puppet_ask(runtime, owner, PUPPET_TENSOR,
                 WEFT_ARGUMENTS(weft_int64(COUNT), weft_bool(true)));
  check_sum(runtime, reader, tensor, puppet_sum_of(COUNT));
  puppet_tell(runtime, reader, PUPPET_KEEP, WEFT_ARGUMENTS(tensor));
  weft_value_release(tensor);
  assert_int_equal(puppet_own_figures(runtime).of[FIGURE_BYTES_COPIED], 0);
  assert_int_equal(puppet_figures(runtime, owner).of[FIGURE_BYTES_COPIED], 0);
  assert_int_equal(puppet_figures(runtime, reader).of[FIGURE_BYTES_COPIED], 0);
  assert_true(puppet_figures(runtime, owner).of[FIGURE_LENT_BYTES] >= BYTES);
  // From the one that has it home to its owner: no loan more, no copy.
  weft_value_t sum;
  weft_value_t kept = puppet_ask(runtime, reader, PUPPET_KEPT, NULL);
  weft_kit_assert_ok(
      puppet_relay(runtime, reader, owner, PUPPET_SUM, kept, &sum));
  assert_int_equal(sum.as.int64, puppet_sum_of(COUNT));
  weft_value_release(kept);
  puppet_tell(runtime, reader, PUPPET_FORGET, NULL);
  while (puppet_figures(runtime, owner).of[FIGURE_LENT_BYTES] != 0) {
  }
  assert_int_equal(puppet_figures(runtime, owner).of[FIGURE_BYTES_COPIED], 0);
}

static void many_tensors_go_in_one_message(weft_runtime_t* runtime) {
  // What one message takes.
  enum { MANY = 64 };
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t tensors[MANY];
  for (int i = 0; i < MANY; i++) {
    tensors[i] = puppet_tensor(runtime, i % 3 == 0 ? 700 : 10, i % 2 == 0);
  }
  weft_value_t list = puppet_list(runtime, tensors, MANY);
  weft_value_t back =
      puppet_ask(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(list));
  const weft_value_t* came;
  size_t count;
  weft_kit_assert_ok(weft_value_as_list(back, &came, &count));
  assert_int_equal(count, MANY);
  for (int i = 0; i < MANY; i++) {
    const weft_tensor_t* tensor;
    weft_kit_assert_ok(weft_value_as_tensor(came[i], &tensor));
    int64_t size = weft_tensor_element_count(tensor);
    assert_int_equal(size, i % 3 == 0 ? 700 : 10);
    assert_int_equal(((const int32_t*)weft_tensor_data(tensor))[size - 1],
                     size - 1);
    weft_value_release(tensors[i]);
  }
  weft_value_release(back);
  weft_value_t extra = puppet_tensor(runtime, 10, true);
  const weft_value_t more[] = {list, extra};
  back = puppet_list(runtime, more, 2);
  weft_kit_assert_status_says(
      WEFT_STATUS_OUT_OF_RANGE, "64 tensors",
      puppet_try(runtime, actor, PUPPET_ECHO, WEFT_ARGUMENTS(back)));
  weft_value_release(back);
  weft_value_release(list);
  weft_value_release(extra);
  puppet_expect_nothing_lent(runtime);
}

static void what_a_dead_process_has_lent_stays_readable(
    weft_runtime_t* runtime) {
  weft_actor_t owner = puppet_spawn(runtime, 1);
  weft_actor_t reader = puppet_spawn(runtime, 2);
  weft_value_t tensor =
      puppet_ask(runtime, owner, PUPPET_TENSOR,
                 WEFT_ARGUMENTS(weft_int64(COUNT), weft_bool(true)));
  puppet_tell(runtime, reader, PUPPET_KEEP, WEFT_ARGUMENTS(tensor));
  puppet_kill(runtime, owner);
  weft_value_t nothing;
  weft_kit_assert_status(
      WEFT_STATUS_PEER_DIED,
      puppet_relay(runtime, reader, owner, PUPPET_HOLD, weft_none(), &nothing));
  // Read here, passed on once more, and back.
  check_sum(runtime, reader, tensor, puppet_sum_of(COUNT));
  weft_value_t kept = puppet_ask(runtime, reader, PUPPET_KEPT, NULL);
  check_sum(runtime, puppet_spawn(runtime, 0), kept, puppet_sum_of(COUNT));
  weft_value_release(kept);
  weft_value_release(tensor);
  puppet_tell(runtime, reader, PUPPET_FORGET, NULL);
}

static void loans_of_a_dead_process_end(weft_runtime_t* runtime) {
  weft_actor_t reader = puppet_spawn(runtime, 1);
  weft_value_t tensor = puppet_tensor(runtime, COUNT, true);
  puppet_tell(runtime, reader, PUPPET_KEEP, WEFT_ARGUMENTS(tensor));
  assert_true(puppet_own_figures(runtime).of[FIGURE_LENT_BYTES] >= BYTES);
  puppet_kill(runtime, reader);
  puppet_expect_nothing_lent(runtime);
  weft_value_release(tensor);
  assert_int_equal(puppet_own_figures(runtime).of[FIGURE_USED_BYTES], 0);
}

static void blocks_are_used_again(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  int64_t mappings = 0;
  for (int i = 0; i < 300; i++) {
    weft_value_t tensor = puppet_tensor(runtime, 100000, i % 2 == 0);
    check_sum(runtime, actor, tensor, puppet_sum_of(100000));
    weft_value_release(tensor);
    puppet_expect_nothing_lent(runtime);
    mappings =
        i == 20 ? puppet_own_figures(runtime).of[FIGURE_MAPPINGS] : mappings;
  }
  assert_int_equal(puppet_own_figures(runtime).of[FIGURE_MAPPINGS], mappings);
}

static void small_arena(weft_runtime_options_t* options) {
  options->arena_limit_bytes = 64 << 20;
}

// Each tensor is in a segment of its own, of which few are kept: a rank that
// was shown them by another than their owner keeps no more.
static void what_is_passed_on_is_dropped_too(weft_runtime_t* runtime) {
  enum { SEGMENTS = 40, MORE = 4096, FIRST = 3 << 19 };
  weft_actor_t first = puppet_spawn(runtime, 1);
  weft_actor_t second = puppet_spawn(runtime, 2);
  puppet_figures_t before = puppet_figures(runtime, second);
  puppet_figures_t now;
  for (int i = 0; i < SEGMENTS; i++) {
    weft_value_t tensor = puppet_tensor(runtime, FIRST + i * MORE, true);
    weft_value_t sum;
    weft_kit_assert_ok(
        puppet_relay(runtime, first, second, PUPPET_SUM, tensor, &sum));
    weft_value_release(tensor);
  }
  puppet_expect_nothing_lent(runtime);
  do {
    now = puppet_figures(runtime, second);
  } while (now.of[FIGURE_MAPPINGS] > before.of[FIGURE_MAPPINGS] + SEGMENTS / 2);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(private_tensors_are_copied_once, 2),
      PROCESS_TEST(shared_tensors_are_lent_and_not_copied, 2),
      PROCESS_TEST(results_are_lent_too, 2),
      PROCESS_TEST(views_of_shared_tensors_are_lent, 2),
      PROCESS_TEST(tensors_without_elements_or_dimensions_arrive, 2),
      PROCESS_TEST(a_loan_is_passed_on_without_a_copy, 3),
      {.name = "what_is_passed_on_is_dropped_too",
       .size = 3,
       .run = what_is_passed_on_is_dropped_too,
       .prepare = small_arena},
      PROCESS_TEST(many_tensors_go_in_one_message, 2),
      PROCESS_TEST_OF_DEATH(what_a_dead_process_has_lent_stays_readable, 3, 2),
      PROCESS_TEST_OF_DEATH(loans_of_a_dead_process_end, 2, 2),
      PROCESS_TEST(blocks_are_used_again, 2),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
