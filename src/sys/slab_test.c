// SPDX-License-Identifier: Apache-2.0

#include "sys/slab.h"

#include <pthread.h>
#include <string.h>

#include "kit/kit.h"

// More than one chunk of every size.
#define MANY 2000

// A slab whose memory and whose end are watched.
typedef struct watched {
  weft_kit_allocator_t kit;
  weft_slab_t* slab;
  _Atomic int ended;
} watched_t;

static void note_end(void* user) {
  watched_t* watched = user;
  // No lock is held, so another slab can come and go here.
  weft_slab_t* other = weft_slab_create(NULL);
  weft_slab_retire(other, NULL, NULL);
  // Release: pairs with the acquire in `count_ends`.
  atomic_fetch_add_explicit(&watched->ended, 1, memory_order_release);
}

static int count_ends(watched_t* watched) {
  // Acquire: pairs with the release in `note_end`.
  return atomic_load_explicit(&watched->ended, memory_order_acquire);
}

static void open_slab(watched_t* watched) {
  weft_kit_allocator_init(&watched->kit);
  watched->slab = weft_slab_create(&watched->kit.allocator);
  assert_non_null(watched->slab);
  atomic_init(&watched->ended, 0);
}

static void retire(watched_t* watched) {
  weft_slab_retire(watched->slab, note_end, watched);
}

// The slab must have ended, once, and all memory must be back.
static void assert_ended(watched_t* watched) {
  assert_int_equal(count_ends(watched), 1);
  weft_kit_allocator_deinit(&watched->kit);
}

static void* allocate(watched_t* watched, size_t size_bytes) {
  void* block = weft_slab_allocate(watched->slab, size_bytes);
  assert_non_null(block);
  memset(block, 0x5a, size_bytes);
  return block;
}

// --- One thread -------------------------------------------------------------

static void blocks_are_aligned_and_their_own(void** state) {
  (void)state;
  static const size_t sizes[] = {1,   16,  63,  64,  65,  128, 129, 192,
                                 193, 256, 257, 512, 513, 640, 5000};
  watched_t watched;
  open_slab(&watched);
  unsigned char* blocks[sizeof(sizes) / sizeof(sizes[0])];
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
    blocks[i] = allocate(&watched, sizes[i]);
    assert_int_equal((uintptr_t)blocks[i] % (sizes[i] % 64 == 0 ? 64 : 16), 0);
    memset(blocks[i], (int)i, sizes[i]);
  }
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); ++i) {
    for (size_t j = 0; j < sizes[i]; ++j) {
      assert_int_equal(blocks[i][j], i);
    }
    weft_slab_free(watched.slab, blocks[i], sizes[i]);
  }
  retire(&watched);
  assert_ended(&watched);
}

static void a_block_of_no_size_is_a_block(void** state) {
  (void)state;
  watched_t watched;
  open_slab(&watched);
  void* a = allocate(&watched, 0);
  void* b = allocate(&watched, 0);
  assert_ptr_not_equal(a, b);
  weft_slab_free(watched.slab, a, 0);
  weft_slab_free(watched.slab, b, 0);
  retire(&watched);
  assert_ended(&watched);
}

static void blocks_in_use_are_counted(void** state) {
  (void)state;
  watched_t watched;
  open_slab(&watched);
  static void* blocks[MANY];
  static const size_t sizes[] = {40, 100, 180, 250, 400, 1000};
  for (size_t i = 0; i < MANY; ++i) {
    assert_int_equal(weft_slab_blocks_in_use(watched.slab), i);
    blocks[i] = allocate(&watched, sizes[i % 6]);
  }
  for (size_t i = 0; i < MANY; ++i) {
    assert_int_equal(weft_slab_blocks_in_use(watched.slab), MANY - i);
    weft_slab_free(watched.slab, blocks[i], sizes[i % 6]);
  }
  assert_int_equal(weft_slab_blocks_in_use(watched.slab), 0);
  retire(&watched);
  assert_ended(&watched);
}

typedef struct piece {
  unsigned char* data;
  size_t size_bytes;
  unsigned char mark;
} piece_t;

static void check_and_free(watched_t* watched, piece_t* piece) {
  for (size_t i = 0; i < piece->size_bytes; ++i) {
    assert_int_equal(piece->data[i], piece->mark);
  }
  weft_slab_free(watched->slab, piece->data, piece->size_bytes);
  *piece = (piece_t){0};
}

static void use_at_random(weft_kit_random_t* random, void* user) {
  (void)user;
  enum { PIECE_COUNT = 300 };
  watched_t watched;
  open_slab(&watched);
  static piece_t pieces[PIECE_COUNT];
  memset(pieces, 0, sizeof(pieces));
  for (int step = 0; step < 2000; ++step) {
    piece_t* piece = &pieces[weft_kit_random_below(random, PIECE_COUNT)];
    if (piece->data != NULL) {
      check_and_free(&watched, piece);
    } else {
      piece->size_bytes = 1 + weft_kit_random_below(random, 600);
      piece->data = allocate(&watched, piece->size_bytes);
      piece->mark = (unsigned char)step;
      memset(piece->data, piece->mark, piece->size_bytes);
    }
  }
  retire(&watched);
  for (size_t i = 0; i < PIECE_COUNT; ++i) {
    if (pieces[i].data != NULL) {
      assert_int_equal(count_ends(&watched), 0);
      check_and_free(&watched, &pieces[i]);
    }
  }
  assert_ended(&watched);
}

static void blocks_keep_what_is_written_to_them(void** state) {
  (void)state;
  weft_kit_for_some_seeds(50, use_at_random, NULL);
}

// --- The end ----------------------------------------------------------------

static void an_unused_slab_ends_when_it_is_retired(void** state) {
  (void)state;
  watched_t watched;
  open_slab(&watched);
  retire(&watched);
  assert_ended(&watched);
}

static void nobody_has_to_be_told(void** state) {
  (void)state;
  watched_t watched;
  open_slab(&watched);
  void* block = allocate(&watched, 64);
  weft_slab_retire(watched.slab, NULL, NULL);
  weft_slab_free(watched.slab, block, 64);
  weft_kit_allocator_deinit(&watched.kit);
}

static void the_last_block_ends_a_retired_slab(void** state) {
  (void)state;
  static const size_t sizes[] = {64, 512, 1000};
  for (size_t last = 0; last < 3; ++last) {
    watched_t watched;
    open_slab(&watched);
    void* blocks[3];
    for (size_t i = 0; i < 3; ++i) {
      blocks[i] = allocate(&watched, sizes[i]);
    }
    retire(&watched);
    for (size_t i = 0; i < 3; ++i) {
      if (i != last) {
        weft_slab_free(watched.slab, blocks[i], sizes[i]);
      }
    }
    assert_int_equal(count_ends(&watched), 0);
    weft_slab_free(watched.slab, blocks[last], sizes[last]);
    assert_ended(&watched);
  }
}

static void a_retired_slab_takes_many_blocks_back(void** state) {
  (void)state;
  watched_t watched;
  open_slab(&watched);
  static void* blocks[MANY];
  for (size_t i = 0; i < MANY; ++i) {
    blocks[i] = allocate(&watched, 128);
  }
  retire(&watched);
  for (size_t i = 0; i < MANY; ++i) {
    assert_int_equal(count_ends(&watched), 0);
    weft_slab_free(watched.slab, blocks[i], 128);
  }
  assert_ended(&watched);
}

static void a_thread_may_use_many_slabs(void** state) {
  (void)state;
  enum { SLAB_COUNT = 7, BLOCK_COUNT = 40 * SLAB_COUNT };
  watched_t all[SLAB_COUNT];
  for (int round = 0; round < 5; ++round) {
    void* blocks[SLAB_COUNT][40];
    for (size_t i = 0; i < SLAB_COUNT; ++i) {
      open_slab(&all[i]);
    }
    for (size_t i = 0; i < BLOCK_COUNT; ++i) {
      blocks[i % SLAB_COUNT][i / SLAB_COUNT] =
          allocate(&all[i % SLAB_COUNT], 100);
    }
    for (size_t i = 0; i < SLAB_COUNT; i += 2) {
      retire(&all[i]);
    }
    for (size_t i = 0; i < BLOCK_COUNT; ++i) {
      weft_slab_free(all[i % SLAB_COUNT].slab,
                     blocks[i % SLAB_COUNT][i / SLAB_COUNT], 100);
    }
    for (size_t i = 1; i < SLAB_COUNT; i += 2) {
      retire(&all[i]);
    }
    for (size_t i = 0; i < SLAB_COUNT; ++i) {
      assert_ended(&all[i]);
    }
  }
}

// --- Several threads --------------------------------------------------------

#define CREW 4
#define SHARE 500

typedef struct shared {
  watched_t watched;
  void* blocks[CREW][SHARE];
  pthread_barrier_t meeting;
  // Who retires the slab while all free.
  size_t retirer;
  // Each thread keeps this many blocks until the slab is being retired.
  size_t kept;
  int ended_at_meeting;
} shared_t;

static void allocate_share(shared_t* shared, size_t index, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    shared->blocks[index][i] =
        weft_slab_allocate(shared->watched.slab, 64 + 64 * (i % 4));
  }
}

static void free_share(shared_t* shared, size_t owner, size_t from, size_t to) {
  for (size_t i = from; i < to; ++i) {
    weft_slab_free(shared->watched.slab, shared->blocks[owner][i],
                   64 + 64 * (i % 4));
  }
}

static void pass_round(size_t index, void* user) {
  shared_t* shared = user;
  for (int round = 0; round < 20; ++round) {
    allocate_share(shared, index, SHARE);
    pthread_barrier_wait(&shared->meeting);
    free_share(shared, (index + 1) % CREW, 0, SHARE);
    pthread_barrier_wait(&shared->meeting);
  }
}

static void blocks_go_home_when_others_free_them(void** state) {
  (void)state;
  static shared_t shared;
  open_slab(&shared.watched);
  pthread_barrier_init(&shared.meeting, NULL, CREW);
  weft_kit_run_threads(CREW, pass_round, &shared);
  pthread_barrier_destroy(&shared.meeting);
  assert_int_equal(weft_slab_blocks_in_use(shared.watched.slab), 0);
  // Rounds after the first find what was freed before: all of it fits twice
  // what one round needs, and a chunk of each size.
  assert_true(shared.watched.kit.bytes_in_use <
              (size_t)2 * CREW * SHARE * 160 + (size_t)5 * 65536);
  retire(&shared.watched);
  assert_ended(&shared.watched);
}

static void free_while_retired(size_t index, void* user) {
  shared_t* shared = user;
  size_t owner = (index + 1) % CREW;
  allocate_share(shared, index, SHARE);
  pthread_barrier_wait(&shared->meeting);
  free_share(shared, owner, shared->kept, SHARE);
  pthread_barrier_wait(&shared->meeting);
  if (index == shared->retirer) {
    retire(&shared->watched);
  }
  free_share(shared, owner, 0, shared->kept);
  pthread_barrier_wait(&shared->meeting);
  // All threads still live, with what they keep of the slab.
  if (index == 0) {
    shared->ended_at_meeting = count_ends(&shared->watched);
  }
  pthread_barrier_wait(&shared->meeting);
}

static void retire_during_frees(weft_kit_random_t* random, void* user) {
  shared_t* shared = user;
  open_slab(&shared->watched);
  pthread_barrier_init(&shared->meeting, NULL, CREW);
  shared->retirer = weft_kit_random_below(random, CREW);
  // Few, so that the last free comes close to the retirement.
  shared->kept = weft_kit_random_below(random, 4);
  if (weft_kit_random_below(random, 4) == 0) {
    shared->kept = weft_kit_random_below(random, SHARE);
  }
  weft_kit_run_threads(CREW, free_while_retired, shared);
  pthread_barrier_destroy(&shared->meeting);
  assert_int_equal(shared->ended_at_meeting, 1);
  assert_ended(&shared->watched);
}

static void a_slab_ends_once_while_threads_free_and_retire(void** state) {
  (void)state;
  static shared_t shared;
  weft_kit_for_some_seeds(200, retire_during_frees, &shared);
}

static void free_and_leave(size_t index, void* user) {
  shared_t* shared = user;
  allocate_share(shared, index, SHARE);
  pthread_barrier_wait(&shared->meeting);
  if (index == shared->retirer) {
    retire(&shared->watched);
  }
  free_share(shared, (index + 1) % CREW, 0, SHARE);
}

static void leave_during_retirement(weft_kit_random_t* random, void* user) {
  shared_t* shared = user;
  open_slab(&shared->watched);
  pthread_barrier_init(&shared->meeting, NULL, CREW);
  shared->retirer = weft_kit_random_below(random, CREW);
  weft_kit_run_threads(CREW, free_and_leave, shared);
  pthread_barrier_destroy(&shared->meeting);
  assert_ended(&shared->watched);
}

static void threads_may_end_while_a_slab_does(void** state) {
  (void)state;
  static shared_t shared;
  weft_kit_for_some_seeds(100, leave_during_retirement, &shared);
}

static void allocate_and_leave(size_t index, void* user) {
  shared_t* shared = user;
  allocate_share(shared, index, SHARE);
  free_share(shared, index, 0, SHARE - 1);
}

static void a_thread_that_ends_gives_its_blocks_back(void** state) {
  (void)state;
  static shared_t shared;
  open_slab(&shared.watched);
  for (int round = 0; round < 10; ++round) {
    weft_kit_run_threads(1, allocate_and_leave, &shared);
    assert_int_equal(weft_slab_blocks_in_use(shared.watched.slab), 1);
    free_share(&shared, 0, SHARE - 1, SHARE);
  }
  // Each thread found what the one before had left.
  assert_true(shared.watched.kit.bytes_in_use < (size_t)10 * 65536);
  retire(&shared.watched);
  assert_ended(&shared.watched);
}

// Most of a chunk of the largest blocks.
#define LATE_COUNT 90

static watched_t late;
static void* late_block;

// Allocates and frees all at once.
static void use_late(void) {
  void* blocks[LATE_COUNT];
  for (size_t i = 0; i < LATE_COUNT; ++i) {
    blocks[i] = weft_slab_allocate(late.slab, 512);
    memset(blocks[i], (int)i, 512);
  }
  for (size_t i = 0; i < LATE_COUNT; ++i) {
    weft_slab_free(late.slab, blocks[i], 512);
  }
}

static void use_in_destructor(void* unused) {
  (void)unused;
  // The thread's own magazines are gone by now.
  use_late();
  weft_slab_free(late.slab, late_block, 512);
}

static void leave_with_a_destructor(size_t index, void* user) {
  (void)index;
  use_late();
  pthread_setspecific(*(pthread_key_t*)user, &late);
}

static void a_thread_may_use_a_slab_while_it_ends(void** state) {
  (void)state;
  open_slab(&late);
  late_block = allocate(&late, 512);
  size_t bytes_in_use = late.kit.bytes_in_use;
  // A key that is made later has its destructor called later.
  pthread_key_t key;
  assert_int_equal(pthread_key_create(&key, use_in_destructor), 0);
  weft_kit_run_threads(1, leave_with_a_destructor, &key);
  pthread_key_delete(key);
  assert_int_equal(weft_slab_blocks_in_use(late.slab), 0);
#if WEFT_SLAB_MAGAZINES
  // What the thread gave back when it ended was found again.
  assert_int_equal(late.kit.bytes_in_use, bytes_in_use);
#else
  assert_true(late.kit.bytes_in_use < bytes_in_use);
#endif
  retire(&late);
  assert_ended(&late);
}

// --- Lack of memory, and of what magazines need -----------------------------

static weft_status_t create_and_use(const weft_allocator_t* allocator,
                                    void* user, void** out_slab) {
  (void)user;
  weft_slab_t* slab = weft_slab_create(allocator);
  bool works = slab != NULL;
  for (size_t size = 64; works && size <= 1024; size *= 2) {
    void* block = weft_slab_allocate(slab, size);
    works = block != NULL;
    if (works) {
      weft_slab_free(slab, block, size);
    }
  }
  if (works) {
    *out_slab = slab;
    return WEFT_OK;
  }
  if (slab != NULL) {
    weft_slab_retire(slab, NULL, NULL);
  }
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
}

static void drop(void* slab, void* user) {
  (void)user;
  weft_slab_retire(slab, NULL, NULL);
}

static void a_slab_survives_every_lack_of_memory(void** state) {
  (void)state;
  weft_kit_sweep(
      &(weft_kit_creation_t){.create = create_and_use, .destroy = drop});
}

static void a_slab_goes_on_after_a_lack_of_memory(void** state) {
  (void)state;
  watched_t watched;
  open_slab(&watched);
  weft_kit_allocator_fail(&watched.kit, 0, 1);
  assert_null(weft_slab_allocate(watched.slab, 64));
  assert_int_equal(weft_slab_blocks_in_use(watched.slab), 0);
  weft_slab_free(watched.slab, allocate(&watched, 64), 64);
  retire(&watched);
  assert_ended(&watched);
}

#if WEFT_SLAB_MAGAZINES

static void free_without_magazines(size_t index, void* user) {
  shared_t* shared = user;
  size_t owner = (index + 1) % CREW;
  allocate_share(shared, index, SHARE);
  pthread_barrier_wait(&shared->meeting);
  if (index == shared->retirer) {
    retire(&shared->watched);
  }
  free_share(shared, owner, 0, SHARE);
  pthread_barrier_wait(&shared->meeting);
}

static void a_slab_works_without_magazines(void** state) {
  (void)state;
  static shared_t shared;
  for (int round = 0; round < 20; ++round) {
    open_slab(&shared.watched);
    // As when the kernel has no membarrier.
    shared.watched.slab->id = WEFT_SLAB_ID_NONE;
    pthread_barrier_init(&shared.meeting, NULL, CREW);
    weft_kit_run_threads(CREW, free_without_magazines, &shared);
    pthread_barrier_destroy(&shared.meeting);
    assert_ended(&shared.watched);
  }
}

static void hot_structs_keep_their_size(void** state) {
  (void)state;
  assert_int_equal(sizeof(weft_slab_magazine_t), 24);
  assert_int_equal(sizeof(weft_slab_rack_t), 192);
  assert_int_equal(sizeof(weft_slab_places), 32);
}

#endif

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(blocks_are_aligned_and_their_own),
    cmocka_unit_test(a_block_of_no_size_is_a_block),
    cmocka_unit_test(blocks_in_use_are_counted),
    cmocka_unit_test(blocks_keep_what_is_written_to_them),
    cmocka_unit_test(an_unused_slab_ends_when_it_is_retired),
    cmocka_unit_test(nobody_has_to_be_told),
    cmocka_unit_test(the_last_block_ends_a_retired_slab),
    cmocka_unit_test(a_retired_slab_takes_many_blocks_back),
    cmocka_unit_test(a_thread_may_use_many_slabs),
    cmocka_unit_test(blocks_go_home_when_others_free_them),
    cmocka_unit_test(a_slab_ends_once_while_threads_free_and_retire),
    cmocka_unit_test(threads_may_end_while_a_slab_does),
    cmocka_unit_test(a_thread_that_ends_gives_its_blocks_back),
    cmocka_unit_test(a_thread_may_use_a_slab_while_it_ends),
    cmocka_unit_test(a_slab_survives_every_lack_of_memory),
    cmocka_unit_test(a_slab_goes_on_after_a_lack_of_memory),
#if WEFT_SLAB_MAGAZINES
    cmocka_unit_test(a_slab_works_without_magazines),
    cmocka_unit_test(hot_structs_keep_their_size),
#endif
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
