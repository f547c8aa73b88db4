// SPDX-License-Identifier: Apache-2.0

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "memory/arena_internal.h"
#include "memory/memory_kit.h"

static char* bytes_of(const weft_storage_t* storage) {
  // The caller made it, and nobody else has it.
  return (char*)(uintptr_t)weft_storage_data(storage);
}

// --- Sizes ------------------------------------------------------------------

static void a_block_is_at_most_a_quarter_too_large(void** state) {
  (void)state;
  uint32_t last = 0;
  for (uint64_t size = 1; size <= WEFT_CLASS_LARGEST; size += 1 + size / 97) {
    uint32_t size_class = weft_class_of(size);
    uint64_t bytes = weft_class_bytes(size_class);
    assert_true(size_class >= last && size_class <= last + 1);
    assert_true(bytes >= size);
    assert_true(size <= WEFT_CLASS_SMALLEST || bytes - size <= size / 4);
    assert_int_equal(bytes % 64, 0);
    assert_true(bytes < WEFT_CLASS_PAGES || bytes % 4096 == 0);
    assert_int_equal(weft_class_of(bytes), size_class);
    assert_int_equal(weft_class_of(bytes + 1), size_class + 1);
    last = size_class;
  }
  assert_int_equal(weft_class_of(WEFT_CLASS_LARGEST), WEFT_CLASS_COUNT - 1);
}

static void what_every_block_costs(void** state) {
  (void)state;
  assert_int_equal(sizeof(weft_block_t), 64);
  assert_true(sizeof(weft_loan_t) <= 64);
}

// --- Blocks -----------------------------------------------------------------

static void an_arena_costs_nothing_until_it_is_used(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 0);
  assert_int_equal(weft_memory_kit_figures(&kit).segment_count, 0);
  assert_int_equal(weft_memory_kit_figures(&kit).reserved_bytes, 0);
  assert_true(weft_memory_kit_figures(&kit).limit_bytes > 0);
  weft_storage_t* storage = weft_memory_kit_storage(&kit, 0);
  weft_block_name_t name;
  assert_false(weft_arena_find(kit.arena, storage, &name));
  weft_storage_release(storage);
  assert_int_equal(weft_memory_kit_figures(&kit).segment_count, 0);
  weft_storage_release(weft_memory_kit_storage(&kit, 1));
  weft_arena_figures_t figures = weft_memory_kit_figures(&kit);
  assert_int_equal(figures.segment_count, 1);
  assert_int_equal(figures.reserved_bytes, WEFT_SEGMENT_SMALLEST);
  assert_int_equal(figures.kept_bytes, WEFT_SEGMENT_SMALLEST);
  assert_int_equal(figures.used_bytes, 0);
  weft_memory_kit_deinit(&kit);
}

// A storage full of a byte that is its own.
typedef struct held {
  weft_storage_t* storage;
  char mark;
} held_t;

#define HELD_LIMIT 40

static void check_marks(const held_t* held) {
  const char* data = weft_storage_data(held->storage);
  size_t size_bytes = weft_storage_size_bytes(held->storage);
  for (size_t i = 0; i < size_bytes; i += 1 + size_bytes / 7) {
    assert_int_equal(data[i], held->mark);
  }
  assert_int_equal(data[size_bytes - 1], held->mark);
}

static void hold(weft_memory_kit_t* kit, weft_kit_random_t* random,
                 held_t* held) {
  uint64_t log2 = weft_kit_random_below(random, 22);
  size_t size_bytes = 1 + weft_kit_random_below(random, UINT64_C(1) << log2);
  held->storage = weft_memory_kit_storage(kit, size_bytes);
  held->mark = (char)weft_kit_random_next(random);
  weft_block_name_t name = weft_memory_kit_name(kit, held->storage);
  assert_int_equal(name.size_bytes, size_bytes);
  assert_int_equal(name.offset_bytes % WEFT_TENSOR_ALIGNMENT, 0);
  assert_true(size_bytes < WEFT_CLASS_PAGES || name.offset_bytes % 4096 == 0);
  assert_true(name.offset_bytes + size_bytes <= name.segment_bytes);
  memset(bytes_of(held->storage), held->mark, size_bytes);
}

static void hold_and_release(weft_kit_random_t* random, void* user) {
  (void)user;
  weft_memory_kit_t kit;
  held_t held[HELD_LIMIT] = {0};
  weft_memory_kit_init(&kit, 0);
  for (int i = 0; i < 200; i++) {
    held_t* one = &held[weft_kit_random_below(random, HELD_LIMIT)];
    if (one->storage == NULL) {
      hold(&kit, random, one);
    } else {
      check_marks(one);
      weft_storage_release(one->storage);
      one->storage = NULL;
    }
  }
  uint32_t left = 0;
  for (size_t i = 0; i < HELD_LIMIT; i++) {
    if (held[i].storage != NULL) {
      check_marks(&held[i]);
      left++;
    }
  }
  weft_arena_figures_t figures = weft_memory_kit_figures(&kit);
  assert_int_equal(figures.block_count, left);
  assert_true(figures.used_bytes <= figures.reserved_bytes);
  for (size_t i = 0; i < HELD_LIMIT; i++) {
    weft_storage_release(held[i].storage);
  }
  figures = weft_memory_kit_figures(&kit);
  assert_int_equal(figures.used_bytes, 0);
  assert_int_equal(figures.kept_bytes, figures.reserved_bytes);
  weft_memory_kit_deinit(&kit);
}

static void blocks_never_overlap(void** state) {
  (void)state;
  weft_kit_for_some_seeds(100, hold_and_release, NULL);
}

static void a_block_is_used_again(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 0);
  weft_storage_t* storage = weft_memory_kit_storage(&kit, 70000);
  weft_storage_t* other = weft_memory_kit_storage(&kit, 70000);
  const void* data = weft_storage_data(storage);
  weft_block_name_t name = weft_memory_kit_name(&kit, storage);
  weft_storage_release(storage);
  storage = weft_memory_kit_storage(&kit, 80000);
  assert_ptr_equal(weft_storage_data(storage), data);
  weft_block_name_t again = weft_memory_kit_name(&kit, storage);
  assert_int_equal(again.offset_bytes, name.offset_bytes);
  weft_storage_release(storage);
  weft_storage_release(other);
  weft_memory_kit_deinit(&kit);
}

// As many blocks of a size as fit into the first segment.
static void fill_and_empty(weft_memory_kit_t* kit, size_t size_bytes,
                           size_t count) {
  weft_storage_t* storages[64];
  for (size_t i = 0; i < count; i++) {
    storages[i] = weft_memory_kit_storage(kit, size_bytes);
  }
  assert_int_equal(weft_memory_kit_figures(kit).segment_count, 1);
  for (size_t i = 0; i < count; i++) {
    weft_storage_release(storages[i]);
  }
}

static void an_empty_segment_starts_afresh(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 0);
  fill_and_empty(&kit, 65536, 64);
  fill_and_empty(&kit, MIB, 4);
  fill_and_empty(&kit, 100000, 36);
  // Small and large ones take the two ends.
  weft_storage_t* small = weft_memory_kit_storage(&kit, 1);
  fill_and_empty(&kit, 65536, 63);
  weft_storage_release(small);
  weft_memory_kit_deinit(&kit);
}

static void a_large_block_has_a_segment_which_is_kept(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 256 * MIB);
  weft_storage_t* storage = weft_memory_kit_storage(&kit, 20 * MIB);
  weft_block_name_t name = weft_memory_kit_name(&kit, storage);
  assert_int_equal(name.segment_bytes, 20 * MIB);
  weft_storage_release(storage);
  assert_int_equal(weft_memory_kit_figures(&kit).kept_bytes, 20 * MIB);
  // Not for what would waste more than a quarter of it.
  storage = weft_memory_kit_storage(&kit, 14 * MIB);
  assert_int_not_equal(weft_memory_kit_name(&kit, storage).segment,
                       name.segment);
  weft_storage_t* again = weft_memory_kit_storage(&kit, 16 * MIB);
  assert_int_equal(weft_memory_kit_name(&kit, again).segment, name.segment);
  assert_int_equal(weft_memory_kit_figures(&kit).kept_bytes, 0);
  weft_storage_release(again);
  weft_storage_release(storage);
  // 64 MiB at most are kept here; those used longest ago go first.
  weft_storage_release(weft_memory_kit_storage(&kit, 40 * MIB));
  assert_int_equal(weft_memory_kit_figures(&kit).kept_bytes, 54 * MIB);
  weft_storage_release(weft_memory_kit_storage(&kit, 65 * MIB));
  assert_int_equal(weft_memory_kit_figures(&kit).kept_bytes, 0);
  assert_int_equal(weft_memory_kit_figures(&kit).reserved_bytes, 0);
  weft_memory_kit_deinit(&kit);
}

static void later_segments_are_larger(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_storage_t* storages[700];
  weft_memory_kit_init(&kit, 1024 * MIB);
  for (size_t i = 0; i < 700; i++) {
    storages[i] = weft_memory_kit_storage(&kit, MIB / 2);
  }
  assert_true(weft_memory_kit_figures(&kit).segment_count < 30);
  for (size_t i = 0; i < 700; i++) {
    weft_storage_release(storages[i]);
  }
  weft_memory_kit_deinit(&kit);
}

static void a_block_may_have_4_gib(void** state) {
  (void)state;
  uint64_t free_bytes =
      (uint64_t)sysconf(_SC_AVPHYS_PAGES) * weft_sys_page_bytes();
  if (free_bytes < UINT64_C(8) << 30 || weft_sys_memory_bytes() < free_bytes) {
    skip();
  }
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, UINT64_C(6) << 30);
  size_t size_bytes = ((size_t)4 << 30) + 100;
  weft_storage_t* storage = weft_memory_kit_storage(&kit, size_bytes);
  bytes_of(storage)[0] = 1;
  bytes_of(storage)[size_bytes - 1] = 2;
  weft_storage_release(storage);
  assert_int_equal(weft_memory_kit_figures(&kit).reserved_bytes, 0);
  weft_memory_kit_deinit(&kit);
}

// --- Running out ------------------------------------------------------------

static void a_full_arena_recovers(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_storage_t* storages[64];
  size_t count = 0;
  weft_memory_kit_init(&kit, MIB + 5);
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK) {
    assert_true(count < 64);
    status = weft_arena_storage(kit.arena, 65536, &storages[count++]);
  }
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      "no room for 65536 bytes in the shared memory of this runtime: of "
      "1048576 bytes 1048576 are used, none of them lent",
      status);
  assert_int_equal(count, 17);
  assert_null(storages[16]);
  weft_storage_release(storages[3]);
  storages[3] = weft_memory_kit_storage(&kit, 65536);
  for (size_t i = 0; i < 16; i++) {
    weft_storage_release(storages[i]);
  }
  weft_storage_release(weft_memory_kit_storage(&kit, MIB));
  weft_storage_t* storage;
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         weft_arena_storage(kit.arena, MIB + 1, &storage));
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         weft_arena_storage(kit.arena, SIZE_MAX, &storage));
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      weft_arena_storage(kit.arena, SIZE_MAX - 4095, &storage));
  assert_null(storage);
  weft_memory_kit_deinit(&kit);
}

static void kept_segments_make_room(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 10 * MIB);
  weft_storage_release(weft_memory_kit_storage(&kit, 100));
  weft_storage_release(weft_memory_kit_storage(&kit, 5 * MIB));
  assert_int_equal(weft_memory_kit_figures(&kit).kept_bytes, 9 * MIB);
  weft_storage_t* storage = weft_memory_kit_storage(&kit, 9 * MIB);
  assert_int_equal(weft_memory_kit_figures(&kit).segment_count, 1);
  weft_storage_t* small = weft_memory_kit_storage(&kit, 100);
  assert_int_equal(weft_memory_kit_figures(&kit).reserved_bytes, 10 * MIB);
  weft_storage_release(small);
  weft_storage_release(storage);
  weft_memory_kit_deinit(&kit);
}

static void without_descriptors(void* user) {
  weft_memory_kit_t* kit = user;
  weft_storage_t* storage;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3}), 0);
  // This process made no segments; it is a child.
  kit->arena->process = weft_sys_process_id();
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "open files",
                              weft_arena_storage(kit->arena, 100, &storage));
  assert_null(storage);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){3, 3}), 0);
  weft_arena_figures_t figures = weft_memory_kit_figures(kit);
  assert_int_equal(figures.reserved_bytes, 0);
  assert_int_equal(figures.block_count, 0);
}

static void without_address_space(void* user) {
  weft_memory_kit_t* kit = user;
  weft_storage_t* storage;
  struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  assert_int_equal(setrlimit(RLIMIT_AS, &(struct rlimit){MIB, all.rlim_max}),
                   0);
  kit->arena->process = weft_sys_process_id();
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "cannot be mapped",
      weft_arena_storage(kit->arena, 30 * MIB, &storage));
  assert_int_equal(weft_memory_kit_figures(kit).reserved_bytes, 0);
  // The same arena gives memory once there is some.
  assert_int_equal(setrlimit(RLIMIT_AS, &all), 0);
  weft_storage_release(weft_memory_kit_storage(kit, 30 * MIB));
}

static void run_in_child(void (*body)(void* user), weft_memory_kit_t* kit) {
  char output[4096];
  weft_kit_ending_t ending =
      weft_kit_run_child(body, kit, output, sizeof(output));
  if (ending.exit_status != 0 || ending.signal_number != 0) {
    fail_msg("%s", output);
  }
}

static void what_the_system_refuses_is_a_status(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 0);
  run_in_child(without_descriptors, &kit);
  // Sanitizers reserve more than any limit would leave.
  if (!WEFT_SANITIZER) {
    run_in_child(without_address_space, &kit);
  }
  weft_memory_kit_deinit(&kit);
}

static void without_a_descriptor_more(void* user) {
  weft_memory_kit_t* kit = user;
  kit->arena->process = weft_sys_process_id();
  weft_storage_release(weft_memory_kit_storage(kit, 20 * MIB));
  int next = dup(0);
  struct rlimit limit = {(rlim_t)next, (rlim_t)next};
  close(next);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
  // The kept segment goes, and its descriptor is the one for the next.
  weft_storage_t* storage = weft_memory_kit_storage(kit, 10 * MIB);
  assert_int_equal(weft_memory_kit_figures(kit).reserved_bytes, 10 * MIB);
  weft_storage_release(storage);
}

static void kept_segments_go_back_when_the_system_has_no_more(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 0);
  run_in_child(without_a_descriptor_more, &kit);
  weft_memory_kit_deinit(&kit);
}

typedef struct swept {
  weft_runtime_t runtime;
  weft_arena_t* arena;
  weft_storage_t* storages[3];
  weft_storage_t* part;
} swept_t;

static weft_status_t fill_swept(swept_t* swept) {
  weft_block_name_t name;
  WEFT_RETURN_IF_ERROR(weft_arena_create(&swept->runtime, 0, &swept->arena));
  WEFT_RETURN_IF_ERROR(
      weft_arena_storage(swept->arena, 100, &swept->storages[0]));
  WEFT_RETURN_IF_ERROR(
      weft_arena_storage(swept->arena, 100000, &swept->storages[1]));
  WEFT_RETURN_IF_ERROR(
      weft_arena_storage(swept->arena, 5 * MIB, &swept->storages[2]));
  weft_holder_t holder = weft_memory_kit_rank(1);
  WEFT_RETURN_IF_ERROR(
      weft_arena_lend(swept->arena, swept->storages[1], holder));
  assert_true(weft_arena_find(swept->arena, swept->storages[1], &name));
  WEFT_RETURN_IF_ERROR(
      weft_arena_lend_on(swept->arena, &name, holder, weft_memory_kit_rank(2)));
  WEFT_RETURN_IF_ERROR(weft_arena_give_back(
      swept->arena, &name, weft_memory_kit_rank(0), holder, 1));
  name.size_bytes /= 2;
  return weft_arena_home(swept->arena, &name, holder, &swept->part);
}

static void destroy_swept(void* object, void* user) {
  (void)user;
  swept_t* swept = object;
  for (size_t i = 0; i < 3; i++) {
    weft_storage_release(swept->storages[i]);
  }
  weft_storage_release(swept->part);
  if (swept->arena != NULL) {
    weft_arena_strike_off(swept->arena, weft_memory_kit_rank(3));
  }
  weft_arena_destroy(swept->arena);
  if (swept->runtime.slab != NULL) {
    weft_slab_retire(swept->runtime.slab, NULL, NULL);
  }
  free(swept);
}

static weft_status_t create_swept(const weft_allocator_t* allocator, void* user,
                                  void** out_object) {
  (void)user;
  swept_t* swept = calloc(1, sizeof(*swept));
  assert_non_null(swept);
  swept->runtime =
      (weft_runtime_t){.allocator = allocator, .size = 4, .incarnation = 1};
  swept->runtime.slab = weft_slab_create(allocator);
  weft_status_t status =
      swept->runtime.slab != NULL
          ? fill_swept(swept)
          : weft_status_from_code(WEFT_STATUS_RESOURCE_EXHAUSTED);
  if (status == WEFT_OK) {
    *out_object = swept;
  } else {
    destroy_swept(swept, NULL);
  }
  return status;
}

static void every_allocation_may_fail(void** state) {
  (void)state;
  const weft_kit_creation_t creation = {create_swept, destroy_swept, NULL};
  weft_kit_sweep(&creation);
}

// --- Readers, children, threads ---------------------------------------------

static void readers_see_and_cannot_write(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 0);
  weft_storage_t* storage = weft_memory_kit_storage(&kit, 5000);
  weft_block_name_t name = weft_memory_kit_name(&kit, storage);
  int descriptor = weft_arena_descriptor(kit.arena, name.segment);
  assert_true(descriptor >= 0);
  assert_int_equal(weft_arena_descriptor(kit.arena, name.segment + 1), -1);
  assert_ptr_equal(mmap(NULL, name.segment_bytes, PROT_READ | PROT_WRITE,
                        MAP_SHARED, descriptor, 0),
                   MAP_FAILED);
  const char* seen =
      mmap(NULL, name.segment_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
  assert_ptr_not_equal(seen, MAP_FAILED);
  memset(bytes_of(storage), 7, 5000);
  assert_int_equal(seen[name.offset_bytes + 4999], 7);
  assert_int_equal(munmap((void*)(uintptr_t)seen, name.segment_bytes), 0);
  weft_storage_release(storage);
  weft_memory_kit_deinit(&kit);
}

static void readers_are_told_of_segments_that_are_gone(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  uint32_t gone;
  weft_memory_kit_init(&kit, 100 * MIB);
  weft_storage_t* sent = weft_memory_kit_storage(&kit, 70 * MIB);
  uint32_t segment = weft_memory_kit_name(&kit, sent).segment;
  assert_true(weft_arena_descriptor(kit.arena, segment) >= 0);
  weft_storage_release(sent);
  assert_int_equal(weft_memory_kit_figures(&kit).segment_count, 0);
  // Of this one nobody knows.
  weft_storage_release(weft_memory_kit_storage(&kit, 71 * MIB));
  assert_true(weft_arena_take_dropped(kit.arena, &gone));
  assert_int_equal(gone, segment);
  assert_false(weft_arena_take_dropped(kit.arena, &gone));
  assert_int_equal(gone, 0);
  // One that nobody asks for goes with the arena.
  sent = weft_memory_kit_storage(&kit, 70 * MIB);
  segment = weft_memory_kit_name(&kit, sent).segment;
  assert_true(weft_arena_descriptor(kit.arena, segment) >= 0);
  weft_storage_release(sent);
  weft_memory_kit_deinit(&kit);
}

static void use_in_child(void* user) {
  weft_memory_kit_t* kit = user;
  weft_storage_t* mine = NULL;
  weft_storage_t* storage = (weft_storage_t*)kit->runtime.slots[0];
  assert_int_equal(bytes_of(storage)[99], 9);
  weft_kit_assert_status_says(WEFT_STATUS_FORKED, "forked child",
                              weft_arena_storage(kit->arena, 100, &mine));
  weft_storage_release(storage);
}

static void a_forked_child_reads_and_changes_nothing(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 0);
  weft_storage_t* storage = weft_memory_kit_storage(&kit, 100);
  memset(bytes_of(storage), 9, 100);
  kit.runtime.slots[0] = storage;
  run_in_child(use_in_child, &kit);
  assert_int_equal(bytes_of(storage)[0], 9);
  assert_int_equal(weft_memory_kit_figures(&kit).block_count, 1);
  weft_storage_release(storage);
  weft_memory_kit_deinit(&kit);
}

// What threads do at the same time, each with holders of its own.
static void lend_and_take(size_t index, void* user) {
  weft_memory_kit_t* kit = user;
  weft_kit_random_t random;
  weft_kit_random_init(&random, index);
  uint64_t rounds = weft_kit_amount(2000);
  weft_holder_t holder = weft_memory_kit_rank((uint16_t)(index + 1));
  for (uint64_t i = 0; i < rounds; i++) {
    weft_storage_t* storage = NULL;
    weft_block_name_t name;
    uint64_t log2 = weft_kit_random_below(&random, 21);
    weft_status_t status =
        weft_arena_storage(kit->arena, (size_t)1 << log2, &storage);
    if (status == WEFT_OK) {
      *(char*)(uintptr_t)weft_storage_data(storage) = (char)i;
      status = weft_arena_lend(kit->arena, storage, holder);
      weft_arena_find(kit->arena, storage, &name);
      weft_arena_descriptor(kit->arena, name.segment);
    }
    weft_storage_release(storage);
    if (storage != NULL && status == WEFT_OK && i % 8 != 0) {
      status = weft_arena_give_back(kit->arena, &name, weft_memory_kit_rank(0),
                                    holder, 1);
    }
    weft_assert(weft_status_ignore(status) != WEFT_STATUS_DATA_LOSS);
    if (i % 64 == 0) {
      weft_holder_t ended =
          weft_holder_make((uint16_t)(index + 1), (uint16_t)(holder & 0xffff));
      weft_arena_strike_off(kit->arena, ended);
      holder++;
    }
  }
  weft_arena_strike_off(kit->arena, holder);
}

static void threads_share_an_arena(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_memory_kit_init(&kit, 12 * MIB);
  weft_kit_run_threads(4, lend_and_take, &kit);
  weft_arena_figures_t figures = weft_memory_kit_figures(&kit);
  assert_int_equal(figures.block_count, 0);
  assert_int_equal(figures.loan_count, 0);
  assert_int_equal(figures.lent_bytes, 0);
  assert_int_equal(figures.kept_bytes, figures.reserved_bytes);
  weft_memory_kit_deinit(&kit);
}

static void release_all(size_t index, void* user) {
  weft_storage_t** storages = user;
  weft_storage_release(storages[index]);
}

static void the_last_of_many_storages_ends_the_arena(void** state) {
  (void)state;
  weft_memory_kit_t kit;
  weft_storage_t* storages[8];
  weft_memory_kit_init(&kit, 0);
  for (size_t i = 0; i < 8; i++) {
    storages[i] = weft_memory_kit_storage(&kit, i % 2 == 0 ? 100 : 2 * MIB);
  }
  weft_arena_destroy(kit.arena);
  kit.arena = NULL;
  weft_kit_run_threads(8, release_all, storages);
  weft_memory_kit_deinit(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_block_is_at_most_a_quarter_too_large),
      cmocka_unit_test(what_every_block_costs),
      cmocka_unit_test(an_arena_costs_nothing_until_it_is_used),
      cmocka_unit_test(blocks_never_overlap),
      cmocka_unit_test(a_block_is_used_again),
      cmocka_unit_test(an_empty_segment_starts_afresh),
      cmocka_unit_test(a_large_block_has_a_segment_which_is_kept),
      cmocka_unit_test(later_segments_are_larger),
      cmocka_unit_test(a_block_may_have_4_gib),
      cmocka_unit_test(a_full_arena_recovers),
      cmocka_unit_test(kept_segments_make_room),
      cmocka_unit_test(what_the_system_refuses_is_a_status),
      cmocka_unit_test(kept_segments_go_back_when_the_system_has_no_more),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(readers_see_and_cannot_write),
      cmocka_unit_test(readers_are_told_of_segments_that_are_gone),
      cmocka_unit_test(a_forked_child_reads_and_changes_nothing),
      cmocka_unit_test(threads_share_an_arena),
      cmocka_unit_test(the_last_of_many_storages_ends_the_arena),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
