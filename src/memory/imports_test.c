// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memory/memory_kit.h"
#include "sys/sys.h"

// An owner's arena with a block, and a reader's imports.
typedef struct pair {
  weft_memory_kit_t owner;
  weft_storage_t* storage;
  weft_block_name_t name;
  weft_imports_t* imports;
  weft_holder_t owner_id;
  // What `on_release` was called with, and how often.
  weft_block_name_t released;
  _Atomic uint32_t release_count;
} pair_t;

static void on_release(void* user, const weft_borrowed_t* borrowed) {
  pair_t* pair = user;
  weft_assert(borrowed->owner == pair->owner_id);
  pair->released = borrowed->name;
  // Relaxed: read when the thread that released has ended.
  atomic_fetch_add_explicit(&pair->release_count, 1, memory_order_relaxed);
}

static uint32_t release_count(pair_t* pair) {
  // Relaxed: see above.
  return atomic_load_explicit(&pair->release_count, memory_order_relaxed);
}

static int descriptor_of(pair_t* pair, uint32_t segment) {
  return dup(weft_arena_descriptor(pair->owner.arena, segment));
}

static weft_status_t add(pair_t* pair) {
  return weft_imports_add(pair->imports, pair->owner_id, pair->owner_id,
                          pair->name.segment,
                          descriptor_of(pair, pair->name.segment));
}

static bool drop(pair_t* pair, weft_holder_t from, uint32_t segment) {
  return weft_imports_drop(pair->imports, from, pair->owner_id, segment);
}

static void pair_init(pair_t* pair) {
  memset(pair, 0, sizeof(*pair));
  weft_memory_kit_init(&pair->owner, 0);
  pair->owner_id = weft_memory_kit_rank(3);
  pair->storage = weft_memory_kit_storage(&pair->owner, 5000);
  pair->name = weft_memory_kit_name(&pair->owner, pair->storage);
  weft_kit_assert_ok(weft_imports_create(&pair->owner.runtime, &pair->imports));
}

static void pair_deinit(pair_t* pair) {
  weft_imports_destroy(pair->imports);
  weft_storage_release(pair->storage);
  weft_memory_kit_deinit(&pair->owner);
}

// A block of the owner, lent by itself.
static weft_status_t borrow_name(pair_t* pair, weft_holder_t owner,
                                 const weft_block_name_t* name,
                                 weft_storage_t** out_storage) {
  const weft_borrowed_t borrowed = {owner, owner, *name};
  return weft_imports_storage(pair->imports, &borrowed, on_release, pair,
                              out_storage);
}

static weft_storage_t* borrow(pair_t* pair) {
  weft_storage_t* storage = NULL;
  weft_kit_assert_ok(borrow_name(pair, pair->owner_id, &pair->name, &storage));
  return storage;
}

static void what_the_owner_writes_is_read(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  weft_kit_assert_ok(add(&pair));
  weft_storage_t* storage = borrow(&pair);
  assert_int_equal(weft_storage_size_bytes(storage), 5000);
  assert_true(weft_storage_is_read_only(storage));
  ((char*)(uintptr_t)weft_storage_data(pair.storage))[4999] = 6;
  assert_int_equal(((const char*)weft_storage_data(storage))[4999], 6);
  weft_borrowed_t found;
  weft_block_name_t name;
  assert_true(weft_imports_find(pair.imports, storage, &found));
  assert_int_equal(found.owner, pair.owner_id);
  assert_memory_equal(&found.name, &pair.name, sizeof(found.name));
  assert_false(weft_imports_find(pair.imports, pair.storage, &found));
  assert_int_equal(found.owner, 0);
  assert_false(weft_arena_find(pair.owner.arena, storage, &name));
  assert_int_equal(release_count(&pair), 0);
  weft_storage_release(storage);
  assert_int_equal(release_count(&pair), 1);
  assert_memory_equal(&pair.released, &pair.name, sizeof(pair.name));
  pair_deinit(&pair);
}

static void a_segment_is_mapped_once(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  uint64_t mapping;
  weft_kit_assert_ok(add(&pair));
  weft_storage_t* storage = borrow(&pair);
  int again = descriptor_of(&pair, pair.name.segment);
  weft_kit_assert_ok(weft_imports_add(pair.imports, pair.owner_id,
                                      pair.owner_id, pair.name.segment, again));
  assert_int_equal(fcntl(again, F_GETFD), -1);
  weft_storage_t* other = borrow(&pair);
  assert_ptr_equal(weft_storage_data(storage), weft_storage_data(other));
  int kept = weft_imports_descriptor(pair.imports, storage, &mapping);
  assert_int_not_equal(fcntl(kept, F_GETFD), -1);
  weft_storage_release(other);
  weft_storage_release(storage);
  pair_deinit(&pair);
}

static void only_what_is_there_is_read(void** state) {
  (void)state;
  pair_t pair;
  weft_storage_t* storage;
  pair_init(&pair);
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      borrow_name(&pair, pair.owner_id, &pair.name, &storage));
  weft_kit_assert_ok(add(&pair));
  weft_kit_assert_status(
      WEFT_STATUS_NOT_FOUND,
      borrow_name(&pair, weft_holder_make(3, 2), &pair.name, &storage));
  weft_block_name_t bad[] = {pair.name, pair.name, pair.name, pair.name};
  bad[0].segment_bytes++;
  bad[1].size_bytes = pair.name.segment_bytes - pair.name.offset_bytes + 1;
  bad[2].offset_bytes = pair.name.segment_bytes + 1;
  bad[3].size_bytes = UINT64_MAX;
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    weft_kit_assert_status_says(
        WEFT_STATUS_DATA_LOSS, "rank 3",
        borrow_name(&pair, pair.owner_id, &bad[i], &storage));
    assert_null(storage);
  }
  assert_int_equal(release_count(&pair), 0);
  pair_deinit(&pair);
}

static void only_shared_memory_is_mapped(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  int ends[2];
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_imports_add(pair.imports, pair.owner_id, pair.owner_id, 1, ends[0]));
  assert_int_equal(fcntl(ends[0], F_GETFD), -1);
  close(ends[1]);
  pair_deinit(&pair);
}

static void a_storage_keeps_its_segment(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  weft_kit_assert_ok(add(&pair));
  memset((char*)(uintptr_t)weft_storage_data(pair.storage), 5, 5000);
  weft_storage_t* first = borrow(&pair);
  weft_storage_t* second = borrow(&pair);
  // Another incarnation, and another rank: not meant.
  weft_imports_strike_off(pair.imports, weft_holder_make(3, 2));
  weft_imports_strike_off(pair.imports, weft_memory_kit_rank(4));
  uint64_t mapping;
  assert_true(weft_imports_descriptor(pair.imports, first, &mapping) >= 0);
  weft_imports_strike_off(pair.imports, pair.owner_id);
  assert_int_equal(weft_imports_descriptor(pair.imports, first, &mapping), -1);
  assert_int_equal(((const char*)weft_storage_data(first))[4999], 5);
  weft_storage_release(first);
  assert_int_equal(release_count(&pair), 1);
  assert_int_equal(((const char*)weft_storage_data(second))[0], 5);
  // Nobody is there any more to be told.
  weft_imports_destroy(pair.imports);
  pair.imports = NULL;
  assert_int_equal(((const char*)weft_storage_data(second))[4999], 5);
  weft_storage_release(second);
  assert_int_equal(release_count(&pair), 1);
  pair_deinit(&pair);
}

static void a_dropped_segment_is_forgotten(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  weft_kit_assert_ok(add(&pair));
  (void)drop(&pair, pair.owner_id, pair.name.segment + 1);
  weft_storage_t* storage = borrow(&pair);
  uint64_t mapping;
  int descriptor = weft_imports_descriptor(pair.imports, storage, &mapping);
  weft_storage_release(storage);
  (void)drop(&pair, pair.owner_id, pair.name.segment);
  assert_int_equal(fcntl(descriptor, F_GETFD), -1);
  (void)drop(&pair, pair.owner_id, pair.name.segment);
  // It may come again.
  weft_kit_assert_ok(add(&pair));
  storage = borrow(&pair);
  (void)drop(&pair, pair.owner_id, pair.name.segment);
  weft_storage_release(storage);
  assert_int_equal(release_count(&pair), 2);
  pair_deinit(&pair);
}

static void release_in_child(void* user) {
  pair_t* pair = user;
  weft_storage_release((weft_storage_t*)pair->owner.runtime.slots[0]);
  assert_int_equal(release_count(pair), 0);
}

static void a_forked_child_tells_nobody(void** state) {
  (void)state;
  pair_t pair;
  char output[4096];
  pair_init(&pair);
  weft_kit_assert_ok(add(&pair));
  weft_storage_t* storage = borrow(&pair);
  pair.owner.runtime.slots[0] = storage;
  weft_kit_ending_t ending =
      weft_kit_run_child(release_in_child, &pair, output, sizeof(output));
  assert_int_equal(ending.exit_status + ending.signal_number, 0);
  weft_storage_release(storage);
  assert_int_equal(release_count(&pair), 1);
  pair_deinit(&pair);
}

static void borrow_and_release(size_t index, void* user) {
  pair_t* pair = user;
  uint64_t rounds = weft_kit_amount(2000);
  for (uint64_t i = 0; i < rounds; i++) {
    weft_storage_t* storage = NULL;
    weft_status_t status =
        index == 0 ? add(pair)
                   : borrow_name(pair, pair->owner_id, &pair->name, &storage);
    weft_status_code_t code = weft_status_ignore(status);
    weft_assert(code == WEFT_STATUS_OK || code == WEFT_STATUS_NOT_FOUND);
    if (index == 0 && i % 4 == 0) {
      (void)drop(pair, pair->owner_id, pair->name.segment);
    } else if (index == 1 && i % 16 == 0) {
      weft_imports_strike_off(pair->imports, pair->owner_id);
    }
    weft_storage_release(storage);
  }
}

static void ignore_release(void* user, const weft_borrowed_t* borrowed) {
  (void)user;
  weft_assert(borrowed->owner != 0 && borrowed->name.size_bytes > 0);
}

static void release_one(size_t index, void* user) {
  void** things = user;
  if (index == 0) {
    weft_imports_destroy(things[0]);
  } else {
    weft_storage_release(things[index]);
  }
}

static void threads_share_imports(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  // Two that release would both write what they were called with.
  weft_kit_run_threads(2, borrow_and_release, &pair);
  pair_deinit(&pair);
}

static void storages_may_end_while_the_imports_do(void** state) {
  (void)state;
  uint64_t rounds = weft_kit_amount(100);
  for (uint64_t i = 0; i < rounds; i++) {
    pair_t pair;
    pair_init(&pair);
    weft_kit_assert_ok(add(&pair));
    void* things[4] = {pair.imports};
    for (size_t j = 1; j < 4; j++) {
      weft_storage_t* storage = NULL;
      const weft_borrowed_t borrowed = {pair.owner_id, pair.owner_id,
                                        pair.name};
      weft_kit_assert_ok(weft_imports_storage(pair.imports, &borrowed,
                                              ignore_release, NULL, &storage));
      things[j] = storage;
    }
    weft_kit_run_threads(4, release_one, things);
    pair.imports = NULL;
    pair_deinit(&pair);
  }
}

typedef struct swept {
  pair_t* pair;
  weft_runtime_t runtime;
  weft_imports_t* imports;
  weft_storage_t* storage;
} swept_t;

static weft_status_t fill_swept(swept_t* swept) {
  pair_t* pair = swept->pair;
  WEFT_RETURN_IF_ERROR(weft_imports_create(&swept->runtime, &swept->imports));
  WEFT_RETURN_IF_ERROR(weft_imports_add(
      swept->imports, pair->owner_id, pair->owner_id, pair->name.segment,
      descriptor_of(pair, pair->name.segment)));
  const weft_borrowed_t borrowed = {pair->owner_id, pair->owner_id, pair->name};
  return weft_imports_storage(swept->imports, &borrowed, on_release, pair,
                              &swept->storage);
}

static void destroy_swept(void* object, void* user) {
  (void)user;
  swept_t* swept = object;
  weft_storage_release(swept->storage);
  weft_imports_destroy(swept->imports);
  free(swept);
}

static weft_status_t create_swept(const weft_allocator_t* allocator, void* user,
                                  void** out_object) {
  swept_t* swept = calloc(1, sizeof(*swept));
  assert_non_null(swept);
  swept->pair = user;
  swept->runtime.allocator = allocator;
  weft_status_t status = fill_swept(swept);
  if (status == WEFT_OK) {
    *out_object = swept;
  } else {
    destroy_swept(swept, NULL);
  }
  return status;
}

static void every_allocation_may_fail(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  const weft_kit_creation_t creation = {create_swept, destroy_swept, &pair};
  int before = dup(0);
  close(before);
  weft_kit_sweep(&creation);
  // No descriptor is lost.
  int after = dup(0);
  close(after);
  assert_int_equal(after, before);
  pair_deinit(&pair);
}

static void an_owner_sends_so_many_segments_and_no_more(void** state) {
  (void)state;
  pair_t pair;
  pair_init(&pair);
  weft_status_t status = WEFT_OK;
  uint32_t count = 0;
  while (status == WEFT_OK) {
    status = weft_imports_add(pair.imports, pair.owner_id, pair.owner_id,
                              count++, descriptor_of(&pair, pair.name.segment));
    assert_true(count < 5000);
  }
  // Of descriptors there may be fewer.
  weft_status_code_t code = weft_status_ignore(status);
  assert_true(code == WEFT_STATUS_RESOURCE_EXHAUSTED ||
              code == WEFT_STATUS_DATA_LOSS);
  pair_deinit(&pair);
}

// --- What others say is a segment of the owner ------------------------------

static weft_storage_t* borrow_by(pair_t* pair, weft_holder_t lender) {
  const weft_borrowed_t borrowed = {pair->owner_id, lender, pair->name};
  weft_storage_t* storage = NULL;
  weft_status_release(weft_imports_storage(pair->imports, &borrowed, on_release,
                                           pair, &storage));
  return storage;
}

static bool is_real(const pair_t* pair, const weft_storage_t* storage) {
  return memcmp(weft_storage_data(storage), weft_storage_data(pair->storage),
                pair->name.size_bytes) == 0;
}

// Rank 7 sends memory of its own under the name of the owner's, rank 8 the
// owner's.
static void what_is_sent_in_anothers_name_is_that_for_its_sender(void** state) {
  (void)state;
  pair_t pair;
  weft_memfd_t false_memory;
  uint64_t mappings[2];
  weft_holder_t liar = weft_memory_kit_rank(7);
  weft_holder_t other = weft_memory_kit_rank(8);
  pair_init(&pair);
  memset((char*)(uintptr_t)weft_storage_data(pair.storage), 5, 5000);
  weft_kit_assert_ok(weft_memfd_create("false", pair.name.segment_bytes,
                                       WEFT_MEMFD_ONE_WRITER, &false_memory));
  weft_kit_assert_ok(weft_imports_add(pair.imports, liar, pair.owner_id,
                                      pair.name.segment,
                                      dup(false_memory.descriptor)));
  assert_null(borrow_by(&pair, other));
  assert_null(borrow_by(&pair, pair.owner_id));
  weft_kit_assert_ok(weft_imports_add(pair.imports, other, pair.owner_id,
                                      pair.name.segment,
                                      descriptor_of(&pair, pair.name.segment)));
  weft_storage_t* lie = borrow_by(&pair, liar);
  weft_storage_t* truth = borrow_by(&pair, other);
  assert_false(is_real(&pair, lie));
  assert_true(is_real(&pair, truth));
  // They are told apart when they are passed on.
  assert_true(weft_imports_descriptor(pair.imports, lie, &mappings[0]) >= 0);
  assert_true(weft_imports_descriptor(pair.imports, truth, &mappings[1]) >= 0);
  assert_int_not_equal(mappings[0], mappings[1]);
  // Once the owner speaks, nobody else does.
  weft_kit_assert_ok(add(&pair));
  weft_storage_t* more[] = {borrow_by(&pair, liar), borrow(&pair)};
  assert_true(is_real(&pair, more[0]));
  assert_ptr_equal(weft_storage_data(more[1]), weft_storage_data(truth));
  weft_storage_release(more[0]);
  weft_storage_release(more[1]);
  weft_storage_release(lie);
  weft_storage_release(truth);
  weft_memfd_release(&false_memory);
  pair_deinit(&pair);
}

// Rank 7 and rank 8 send the owner's memory, and each says that it is gone.
static void only_its_sender_or_the_owner_drops_a_segment(void** state) {
  (void)state;
  pair_t pair;
  weft_holder_t ranks[] = {weft_memory_kit_rank(7), weft_memory_kit_rank(8)};
  uint32_t segment;
  pair_init(&pair);
  segment = pair.name.segment;
  for (int by_owner = 0; by_owner < 2; by_owner++) {
    for (int i = 0; i < 2; i++) {
      weft_kit_assert_ok(weft_imports_add(pair.imports, ranks[i], pair.owner_id,
                                          segment,
                                          descriptor_of(&pair, segment)));
    }
    assert_false(drop(&pair, weft_memory_kit_rank(9), segment));
    assert_false(drop(&pair, ranks[0], segment));
    assert_null(borrow_by(&pair, ranks[0]));
    weft_storage_t* kept = borrow_by(&pair, ranks[1]);
    assert_non_null(kept);
    weft_storage_release(kept);
    assert_true(drop(&pair, by_owner ? pair.owner_id : ranks[1], segment));
    assert_null(borrow_by(&pair, ranks[1]));
  }
  pair_deinit(&pair);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_the_owner_writes_is_read),
      cmocka_unit_test(a_segment_is_mapped_once),
      cmocka_unit_test(only_what_is_there_is_read),
      cmocka_unit_test(only_shared_memory_is_mapped),
      cmocka_unit_test(a_storage_keeps_its_segment),
      cmocka_unit_test(only_its_sender_or_the_owner_drops_a_segment),
      cmocka_unit_test(a_dropped_segment_is_forgotten),
      cmocka_unit_test(a_forked_child_tells_nobody),
      cmocka_unit_test(threads_share_imports),
      cmocka_unit_test(storages_may_end_while_the_imports_do),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(an_owner_sends_so_many_segments_and_no_more),
      cmocka_unit_test(what_is_sent_in_anothers_name_is_that_for_its_sender),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
