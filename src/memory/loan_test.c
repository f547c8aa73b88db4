// SPDX-License-Identifier: Apache-2.0

#include <string.h>

#include "memory/memory_kit.h"

static void lend(weft_memory_kit_t* kit, weft_storage_t* storage,
                 uint16_t rank) {
  weft_kit_assert_ok(
      weft_arena_lend(kit->arena, storage, weft_memory_kit_rank(rank)));
}

static weft_status_t lend_on(weft_memory_kit_t* kit,
                             const weft_block_name_t* name, uint16_t from,
                             uint16_t to) {
  return weft_arena_lend_on(kit->arena, name, weft_memory_kit_rank(from),
                            weft_memory_kit_rank(to));
}

// What the owner has lent.
static weft_status_t give_back(weft_memory_kit_t* kit,
                               const weft_block_name_t* name, uint16_t rank,
                               uint32_t count) {
  return weft_arena_give_back(kit->arena, name, weft_memory_kit_rank(0),
                              weft_memory_kit_rank(rank), count);
}

// What somebody else has lent.
static weft_status_t give_back_of(weft_memory_kit_t* kit,
                                  const weft_block_name_t* name,
                                  uint16_t lender, uint16_t rank) {
  return weft_arena_give_back(kit->arena, name, weft_memory_kit_rank(lender),
                              weft_memory_kit_rank(rank), 1);
}

static weft_status_t take_back(weft_memory_kit_t* kit,
                               const weft_block_name_t* name, uint16_t from,
                               uint16_t to) {
  return weft_arena_take_back(kit->arena, name, weft_memory_kit_rank(from),
                              weft_memory_kit_rank(to));
}

static void expect_loans(weft_memory_kit_t* kit, uint32_t blocks,
                         uint32_t loans) {
  weft_arena_figures_t figures = weft_memory_kit_figures(kit);
  assert_int_equal(figures.block_count, blocks);
  assert_int_equal(figures.loan_count, loans);
  assert_int_equal(figures.lent_bytes == 0, loans == 0);
}

// A storage of 1000 bytes.
static weft_storage_t* make(weft_memory_kit_t* kit, uint64_t limit_bytes) {
  weft_memory_kit_init(kit, limit_bytes);
  return weft_memory_kit_storage(kit, 1000);
}

// The same, lent to rank 1, and its name as long as it is.
static weft_storage_t* make_lent(weft_memory_kit_t* kit,
                                 weft_block_name_t* out_name) {
  weft_storage_t* storage = make(kit, 0);
  lend(kit, storage, 1);
  *out_name = weft_memory_kit_name(kit, storage);
  return storage;
}

static void a_block_stays_while_a_loan_is_out(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  lend(&kit, storage, 1);
  lend(&kit, storage, 2);
  weft_storage_release(storage);
  expect_loans(&kit, 1, 2);
  weft_kit_assert_ok(give_back(&kit, &name, 1, 2));
  expect_loans(&kit, 1, 1);
  weft_kit_assert_ok(give_back(&kit, &name, 2, 0));
  expect_loans(&kit, 1, 1);
  weft_kit_assert_ok(give_back(&kit, &name, 2, 1));
  expect_loans(&kit, 0, 0);
  weft_memory_kit_deinit(&kit);
}

static void a_release_may_overtake_the_news_of_the_loan(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  weft_storage_release(storage);
  // 2 has it from 1, and 3 from 2; what they say comes in the opposite order.
  weft_kit_assert_ok(give_back_of(&kit, &name, 2, 3));
  expect_loans(&kit, 1, 2);
  weft_kit_assert_ok(lend_on(&kit, &name, 2, 3));
  // It does not count before it is known that 2 has the block.
  expect_loans(&kit, 1, 2);
  weft_kit_assert_ok(give_back_of(&kit, &name, 1, 2));
  // The sum is 0 now, and 1 has it still.
  expect_loans(&kit, 1, 3);
  weft_kit_assert_ok(lend_on(&kit, &name, 1, 2));
  expect_loans(&kit, 1, 1);
  weft_kit_assert_ok(give_back(&kit, &name, 1, 1));
  expect_loans(&kit, 0, 0);
  weft_memory_kit_deinit(&kit);
}

static void news_of_the_dead_proves_what_they_lent_on(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  weft_storage_release(storage);
  // 1 lent it to 2, 2 to 4, 4 to 5, and 5 to 3 before they died; the news of 1
  // is the slowest.
  weft_kit_assert_ok(lend_on(&kit, &name, 5, 3));
  weft_kit_assert_ok(lend_on(&kit, &name, 4, 5));
  weft_arena_strike_off(kit.arena, weft_memory_kit_rank(5));
  weft_arena_strike_off(kit.arena, weft_memory_kit_rank(4));
  weft_kit_assert_ok(lend_on(&kit, &name, 2, 4));
  weft_arena_strike_off(kit.arena, weft_memory_kit_rank(2));
  weft_kit_assert_ok(lend_on(&kit, &name, 1, 2));
  weft_kit_assert_ok(give_back(&kit, &name, 1, 1));
  expect_loans(&kit, 1, 1);
  weft_kit_assert_ok(give_back_of(&kit, &name, 5, 3));
  expect_loans(&kit, 0, 0);
  weft_memory_kit_deinit(&kit);
}

static void a_loan_that_is_taken_back_never_was(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  weft_storage_release(storage);
  weft_kit_assert_ok(lend_on(&kit, &name, 1, 2));
  weft_kit_assert_ok(lend_on(&kit, &name, 2, 3));
  expect_loans(&kit, 1, 3);
  weft_kit_assert_ok(take_back(&kit, &name, 2, 3));
  weft_kit_assert_ok(take_back(&kit, &name, 1, 2));
  expect_loans(&kit, 1, 1);
  // One that was given and ended meanwhile leaves no trace.
  weft_kit_assert_ok(give_back_of(&kit, &name, 1, 2));
  weft_kit_assert_ok(lend_on(&kit, &name, 1, 2));
  expect_loans(&kit, 1, 1);
  weft_kit_assert_ok(take_back(&kit, &name, 1, 2));
  weft_kit_assert_ok(lend_on(&kit, &name, 1, 2));
  expect_loans(&kit, 1, 1);
  weft_kit_assert_ok(take_back(&kit, &name, 0, 1));
  expect_loans(&kit, 0, 0);
  weft_memory_kit_deinit(&kit);
}

// 3 has nothing; it told 2 that it lends it the block.
static void who_has_nothing_neither_keeps_nor_ends_what_others_have(
    void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  weft_storage_release(storage);
  weft_kit_assert_ok(lend_on(&kit, &name, 1, 2));
  weft_kit_assert_ok(give_back(&kit, &name, 1, 1));
  weft_kit_assert_ok(give_back_of(&kit, &name, 3, 2));
  weft_kit_assert_ok(take_back(&kit, &name, 3, 2));
  weft_kit_assert_ok(give_back_of(&kit, &name, 1, 3));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "rank 3",
                              give_back(&kit, &name, 3, 1));
  assert_int_equal(weft_memory_kit_figures(&kit).block_count, 1);
  weft_kit_assert_ok(lend_on(&kit, &name, 3, 4));
  weft_kit_assert_ok(lend_on(&kit, &name, 4, 3));
  // The loan of 2 ends, and that is all there was.
  weft_kit_assert_ok(give_back_of(&kit, &name, 1, 2));
  expect_loans(&kit, 0, 0);
  // Nobody knows who made up what comes now.
  weft_kit_assert_ok(give_back_of(&kit, &name, 3, 2));
  weft_kit_assert_ok(lend_on(&kit, &name, 2, 4));
  expect_loans(&kit, 0, 0);
  weft_memory_kit_deinit(&kit);
}

static void counts_stay_in_range(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  for (uint32_t i = 0; i < 100; i++) {
    weft_kit_assert_ok(
        weft_arena_give_back(kit.arena, &name, weft_memory_kit_rank(3),
                             weft_memory_kit_rank(2), UINT32_MAX));
  }
  weft_kit_assert_ok(lend_on(&kit, &name, 3, 2));
  weft_kit_assert_ok(give_back(&kit, &name, 1, 1));
  expect_loans(&kit, 1, 0);
  weft_storage_release(storage);
  weft_memory_kit_deinit(&kit);
}

static void nobody_writes_to_what_is_lent(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make(&kit, 0);
  weft_tensor_t* tensor;
  const int64_t shape[] = {250};
  const weft_tensor_layout_t layout = {
      .dtype = WEFT_FLOAT32, .ndim = 1, .shape = shape};
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &tensor));
  weft_storage_release(storage);
  void* data;
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  lend(&kit, weft_tensor_storage(tensor), 1);
  name = weft_memory_kit_name(&kit, weft_tensor_storage(tensor));
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "shared",
                              weft_tensor_mutable_data(tensor, &data));
  weft_kit_assert_ok(give_back(&kit, &name, 1, 1));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  weft_tensor_release(tensor);
  weft_memory_kit_deinit(&kit);
}

static void a_dead_holder_holds_nothing(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_storage_t* storage = make(&kit, 0);
  weft_storage_t* others[50];
  for (size_t i = 0; i < 50; i++) {
    others[i] = weft_memory_kit_storage(&kit, 100 * (i + 1));
    lend(&kit, others[i], 1);
    lend(&kit, others[i], i % 2 == 0 ? 1 : 2);
    weft_storage_release(others[i]);
  }
  lend(&kit, storage, 1);
  lend(&kit, storage, 2);
  const weft_block_name_t name = weft_memory_kit_name(&kit, storage);
  weft_storage_release(storage);
  weft_arena_strike_off(kit.arena, weft_memory_kit_rank(1));
  expect_loans(&kit, 26, 26);
  // Nor does it ever hold anything again.
  weft_kit_assert_ok(lend_on(&kit, &name, 2, 1));
  expect_loans(&kit, 26, 26);
  storage = weft_memory_kit_storage(&kit, 10);
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "rank 1",
      weft_arena_lend(kit.arena, storage, weft_memory_kit_rank(1)));
  // The next life of the rank does.
  weft_holder_t next = weft_holder_make(1, 2);
  weft_kit_assert_ok(weft_arena_lend(kit.arena, storage, next));
  weft_arena_strike_off(kit.arena, weft_memory_kit_rank(1));
  expect_loans(&kit, 27, 27);
  weft_storage_release(storage);
  weft_arena_strike_off(kit.arena, next);
  weft_arena_strike_off(kit.arena, weft_memory_kit_rank(2));
  weft_arena_strike_off(kit.arena, weft_memory_kit_rank(3));
  expect_loans(&kit, 0, 0);
  weft_memory_kit_deinit(&kit);
}

static void names_that_were_never_given_find_nothing(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  weft_storage_t* not_lent = weft_memory_kit_storage(&kit, 1000);
  weft_block_name_t bad[] = {
      name, name, name, name,
      name, name, name, weft_memory_kit_name(&kit, not_lent),
  };
  bad[0].segment++;
  bad[1].generation++;
  bad[2].offset_bytes--;
  bad[3].size_bytes++;
  bad[4].size_bytes = UINT64_MAX;
  bad[5].offset_bytes = UINT64_MAX - 1;
  bad[6].segment_bytes--;
  weft_storage_t* home;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                           give_back(&kit, &bad[i], 1, 1));
    weft_kit_assert_ok(lend_on(&kit, &bad[i], 1, 2));
    weft_kit_assert_status_says(
        WEFT_STATUS_DATA_LOSS, "rank 1",
        weft_arena_home(kit.arena, &bad[i], weft_memory_kit_rank(1), &home));
    assert_null(home);
  }
  expect_loans(&kit, 2, 1);
  weft_storage_release(not_lent);
  weft_storage_release(storage);
  // Somebody else may have the place next: the old name is not of that use.
  weft_kit_assert_ok(give_back(&kit, &name, 1, 1));
  storage = weft_memory_kit_storage(&kit, 1000);
  lend(&kit, storage, 1);
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, give_back(&kit, &name, 1, 1));
  weft_storage_release(storage);
  weft_memory_kit_deinit(&kit);
}

static void only_others_hold_blocks(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  weft_storage_t* foreign;
  uint16_t beyond = WEFT_RANK_LIMIT;
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, lend_on(&kit, &name, 1, 0));
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         lend_on(&kit, &name, 1, beyond));
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         give_back(&kit, &name, beyond, 1));
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         take_back(&kit, &name, 1, beyond));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_arena_lend(kit.arena, storage, weft_memory_kit_rank(beyond)));
  weft_kit_assert_ok(weft_storage_create(NULL, NULL, 10, &foreign));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_arena_lend(kit.arena, foreign, weft_memory_kit_rank(1)));
  assert_false(weft_arena_find(kit.arena, foreign, &name));
  assert_int_equal(name.size_bytes, 0);
  weft_storage_release(foreign);
  weft_storage_release(storage);
  weft_memory_kit_deinit(&kit);
}

static void a_peer_cannot_make_up_holders_without_limit(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  kit.runtime.size = 4;
  uint32_t made_up = 0;
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK) {
    status = weft_arena_lend_on(kit.arena, &name, weft_memory_kit_rank(1),
                                weft_holder_make(2, (uint16_t)++made_up));
    assert_true(made_up <= 1 + 2 * (4 + WEFT_RANK_JOINED_LIMIT));
  }
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, status);
  expect_loans(&kit, 1, 1 + 2 * (4 + WEFT_RANK_JOINED_LIMIT));
  for (made_up = 0, status = WEFT_OK; status == WEFT_OK;) {
    status = weft_arena_give_back(kit.arena, &name,
                                  weft_holder_make(2, (uint16_t)++made_up),
                                  weft_memory_kit_rank(1), 1);
    assert_true(made_up <= 2 * (4 + WEFT_RANK_JOINED_LIMIT));
  }
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, status);
  // There is room for what others say.
  weft_kit_assert_ok(lend_on(&kit, &name, 3, 2));
  weft_storage_release(storage);
  weft_memory_kit_deinit(&kit);
}

static void a_block_comes_home(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_block_name_t name;
  weft_storage_t* storage = make_lent(&kit, &name);
  const char* data = weft_storage_data(storage);
  weft_storage_release(storage);
  weft_storage_t* home;
  weft_holder_t holder = weft_memory_kit_rank(1);
  weft_kit_assert_ok(weft_arena_home(kit.arena, &name, holder, &home));
  assert_ptr_equal(home, storage);
  weft_block_name_t range = name;
  range.offset_bytes += 100;
  range.size_bytes = 64;
  weft_storage_t* part;
  weft_kit_assert_ok(weft_arena_home(kit.arena, &range, holder, &part));
  assert_ptr_equal(weft_storage_data(part), data + 100);
  assert_int_equal(weft_storage_size_bytes(part), 64);
  assert_true(weft_storage_is_read_only(part));
  weft_storage_release(home);
  weft_kit_assert_ok(give_back(&kit, &range, 1, 1));
  // The part keeps the block, and can be lent like it.
  expect_loans(&kit, 1, 0);
  lend(&kit, part, 2);
  weft_block_name_t again = weft_memory_kit_name(&kit, part);
  assert_int_equal(again.offset_bytes, range.offset_bytes);
  assert_int_equal(again.size_bytes, range.size_bytes);
  assert_int_not_equal(again.generation, range.generation);
  weft_storage_release(part);
  expect_loans(&kit, 1, 1);
  weft_kit_assert_ok(give_back(&kit, &again, 2, 1));
  expect_loans(&kit, 0, 0);
  weft_memory_kit_deinit(&kit);
}

static void when_it_is_full_it_says_who_has_the_most(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_storage_t* small = make(&kit, 8 * MIB);
  weft_storage_t* large = weft_memory_kit_storage(&kit, 4 * MIB);
  weft_storage_t* more = NULL;
  lend(&kit, small, 4);
  lend(&kit, large, 5);
  const weft_block_name_t name = weft_memory_kit_name(&kit, small);
  const weft_block_name_t large_name = weft_memory_kit_name(&kit, large);
  weft_storage_release(large);
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      "of 8388608 bytes 4195328 are used, and of these 4195328 are lent, most "
      "of them to rank 5 (4194304 bytes)",
      weft_arena_storage(kit.arena, 5 * MIB, &more));
  assert_null(more);
  weft_kit_assert_ok(give_back(&kit, &large_name, 5, 1));
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "rank 4",
                              weft_arena_storage(kit.arena, 5 * MIB, &more));
  weft_kit_assert_ok(give_back(&kit, &name, 4, 1));
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "none of them",
                              weft_arena_storage(kit.arena, 5 * MIB, &more));
  weft_storage_release(small);
  weft_storage_release(weft_memory_kit_storage(&kit, 5 * MIB));
  weft_memory_kit_deinit(&kit);
}

static void loans_end_with_the_arena_and_storages_do_not(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_storage_t* kept = make(&kit, 0);
  weft_storage_t* lost = weft_memory_kit_storage(&kit, 2 * MIB);
  lend(&kit, kept, 1);
  lend(&kit, lost, 1);
  weft_storage_release(lost);
  weft_arena_destroy(kit.arena);
  kit.arena = NULL;
  memset((char*)(uintptr_t)weft_storage_data(kept), 1, 1000);
  weft_storage_release(kept);
  weft_memory_kit_deinit(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_block_stays_while_a_loan_is_out),
      cmocka_unit_test(a_release_may_overtake_the_news_of_the_loan),
      cmocka_unit_test(news_of_the_dead_proves_what_they_lent_on),
      cmocka_unit_test(a_loan_that_is_taken_back_never_was),
      cmocka_unit_test(who_has_nothing_neither_keeps_nor_ends_what_others_have),
      cmocka_unit_test(counts_stay_in_range),
      cmocka_unit_test(nobody_writes_to_what_is_lent),
      cmocka_unit_test(a_dead_holder_holds_nothing),
      cmocka_unit_test(names_that_were_never_given_find_nothing),
      cmocka_unit_test(only_others_hold_blocks),
      cmocka_unit_test(a_peer_cannot_make_up_holders_without_limit),
      cmocka_unit_test(a_block_comes_home),
      cmocka_unit_test(when_it_is_full_it_says_who_has_the_most),
      cmocka_unit_test(loans_end_with_the_arena_and_storages_do_not),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
