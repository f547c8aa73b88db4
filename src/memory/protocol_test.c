// SPDX-License-Identifier: Apache-2.0
//
// The protocol of loans against a model: an owner with a real arena, and
// runtimes that get loans, lend them on, send them home, give them back, die
// and live again. What they write travels in a lane for each pair of them,
// each as slow as it likes. Whoever may read a block finds its bytes as they
// were; when nobody may, it is free.

#include <string.h>

#include "memory/memory_kit.h"

#define RANKS 5
#define LIVES 12
#define BLOCKS 24
#define LANE_LIMIT 512
#define OWNER 0

typedef enum act {
  // To the owner: `block` was lent on to `life`.
  LENT_ON,
  // To the owner: `count` loans end.
  GIVEN_BACK,
  // To the owner: the block itself.
  SENT_HOME,
  // To anyone else: a loan.
  LOAN
} act_t;

typedef struct letter {
  act_t act;
  uint32_t block;
  uint32_t life;
  uint32_t count;
} letter_t;

typedef struct lane {
  letter_t letters[LANE_LIMIT];
  size_t first;
  size_t end;
} lane_t;

// A runtime while it lives; life 0 is the owner's.
typedef struct life {
  weft_holder_t holder;
  bool is_dead;
  bool is_struck;
  uint32_t held[BLOCKS];
} life_t;

typedef struct block {
  weft_block_name_t name;
  const char* data;
  char mark;
  // References of the owner's own.
  weft_storage_t* storages[8];
  size_t storage_count;
} block_t;

typedef struct world {
  weft_memory_kit_t kit;
  weft_kit_random_t* random;
  size_t life_count;
  // The life of each rank that is the newest.
  uint32_t current[RANKS];
  uint32_t block_count;
  life_t lives[LIVES];
  block_t blocks[BLOCKS];
  lane_t lanes[LIVES][LIVES];
} world_t;

// Large, so not on a stack.
static world_t world;

static uint32_t below(uint32_t limit) {
  return (uint32_t)weft_kit_random_below(world.random, limit);
}

// --- Lanes ------------------------------------------------------------------

static void write_letter(uint32_t from, uint32_t to, letter_t letter) {
  lane_t* lane = &world.lanes[from][to];
  assert_true(lane->end < LANE_LIMIT);
  lane->letters[lane->end++] = letter;
}

static bool has_letters(uint32_t from, uint32_t to) {
  return world.lanes[from][to].first < world.lanes[from][to].end;
}

static void keep_home(block_t* block, weft_storage_t* storage) {
  assert_ptr_equal(weft_storage_data(storage), block->data);
  if (block->storage_count < 8) {
    block->storages[block->storage_count++] = storage;
  } else {
    weft_storage_release(storage);
  }
}

static void owner_reads(uint32_t from, const letter_t* letter) {
  weft_arena_t* arena = world.kit.arena;
  block_t* block = &world.blocks[letter->block];
  weft_holder_t holder = world.lives[from].holder;
  weft_storage_t* storage;
  switch (letter->act) {
    case LENT_ON:
      weft_kit_assert_ok(weft_arena_lend_on(arena, &block->name, holder,
                                            world.lives[letter->life].holder));
      break;
    case GIVEN_BACK:
      weft_kit_assert_ok(
          weft_arena_give_back(arena, &block->name, holder, letter->count));
      break;
    case SENT_HOME:
      weft_kit_assert_ok(
          weft_arena_home(arena, &block->name, holder, &storage));
      keep_home(block, storage);
      break;
    case LOAN:
      fail();
  }
}

static void deliver(uint32_t from, uint32_t to) {
  lane_t* lane = &world.lanes[from][to];
  const letter_t letter = lane->letters[lane->first++];
  if (lane->first == lane->end) {
    lane->first = 0;
    lane->end = 0;
  }
  if (to == OWNER) {
    owner_reads(from, &letter);
  } else if (!world.lives[to].is_dead) {
    assert_int_equal(letter.act, LOAN);
    world.lives[to].held[letter.block]++;
  }
}

// The dead are struck off once everything that they wrote has been read.
static void strike_off(uint32_t life) {
  if (world.lives[life].is_dead && !world.lives[life].is_struck &&
      !has_letters(life, OWNER)) {
    world.lives[life].is_struck = true;
    weft_arena_strike_off(world.kit.arena, world.lives[life].holder);
  }
}

static void deliver_some(void) {
  uint32_t from = below((uint32_t)world.life_count);
  uint32_t to = below((uint32_t)world.life_count);
  for (uint32_t count = 1 + below(4); count > 0 && has_letters(from, to);
       count--) {
    deliver(from, to);
  }
  strike_off(from);
}

// --- What runtimes do -------------------------------------------------------

static void check_block(const block_t* block) {
  for (uint64_t i = 0; i < block->name.size_bytes; i += 100) {
    assert_int_equal(block->data[i], block->mark);
  }
}

// A life that may be sent to, dead or not, other than one.
static uint32_t pick_other(uint32_t than) {
  uint32_t life = than;
  while (life == than || life == OWNER) {
    life = world.current[1 + below(RANKS - 1)];
  }
  return life;
}

static void owner_makes(void) {
  if (world.block_count == BLOCKS) {
    return;
  }
  block_t* block = &world.blocks[world.block_count++];
  static const size_t sizes[] = {300, 300, 5000, 20000, 70000};
  block->storages[0] = weft_memory_kit_storage(&world.kit, sizes[below(5)]);
  block->storage_count = 1;
  block->name = weft_memory_kit_name(&world.kit, block->storages[0]);
  block->data = weft_storage_data(block->storages[0]);
  block->mark = (char)weft_kit_random_next(world.random);
  memset((char*)(uintptr_t)block->data, block->mark, block->name.size_bytes);
}

static void owner_lends(uint32_t index) {
  block_t* block = &world.blocks[index];
  if (block->storage_count == 0) {
    return;
  }
  uint32_t to = pick_other(OWNER);
  weft_status_code_t code = weft_status_ignore(weft_arena_lend(
      world.kit.arena, block->storages[0], world.lives[to].holder));
  assert_int_equal(
      code, world.lives[to].is_struck ? WEFT_STATUS_PEER_DIED : WEFT_STATUS_OK);
  if (code == WEFT_STATUS_OK) {
    write_letter(OWNER, to, (letter_t){.act = LOAN, .block = index});
  }
}

static void owner_releases(uint32_t index) {
  block_t* block = &world.blocks[index];
  if (block->storage_count > 0) {
    check_block(block);
    weft_storage_release(block->storages[--block->storage_count]);
  }
}

static void owner_acts(void) {
  if (world.block_count == 0 || below(4) == 0) {
    owner_makes();
    return;
  }
  uint32_t index = below(world.block_count);
  if (below(2) == 0) {
    owner_lends(index);
  } else {
    owner_releases(index);
  }
}

static void give_back(uint32_t life, uint32_t index, uint32_t count) {
  world.lives[life].held[index] -= count;
  write_letter(life, OWNER,
               (letter_t){.act = GIVEN_BACK, .block = index, .count = count});
}

static void holder_acts(uint32_t life) {
  uint32_t index = below(world.block_count + 1);
  uint32_t held = index < BLOCKS ? world.lives[life].held[index] : 0;
  if (held == 0) {
    return;
  }
  check_block(&world.blocks[index]);
  uint32_t to = pick_other(life);
  switch (below(4)) {
    case 0:
    case 1:
      write_letter(life, OWNER,
                   (letter_t){.act = LENT_ON, .block = index, .life = to});
      write_letter(life, to, (letter_t){.act = LOAN, .block = index});
      break;
    case 2:
      give_back(life, index, 1 + below(held));
      break;
    default:
      write_letter(life, OWNER, (letter_t){.act = SENT_HOME, .block = index});
      break;
  }
}

static void begin_life(uint32_t rank, uint16_t incarnation) {
  uint32_t life = (uint32_t)world.life_count++;
  world.lives[life].holder = weft_holder_make((uint16_t)rank, incarnation);
  world.current[rank] = life;
}

// A runtime dies, and another takes its rank.
static void die(void) {
  if (world.life_count == LIVES) {
    return;
  }
  uint32_t rank = 1 + below(RANKS - 1);
  life_t* life = &world.lives[world.current[rank]];
  life->is_dead = true;
  memset(life->held, 0, sizeof(life->held));
  if (below(2) == 0) {
    begin_life(rank, (uint16_t)((life->holder & 0xffff) + 1));
  }
}

static void act(void) {
  uint32_t choice = below(100);
  uint32_t life = world.current[1 + below(RANKS - 1)];
  if (choice == 0) {
    die();
  } else if (choice < 20) {
    owner_acts();
  } else if (choice < 55) {
    if (!world.lives[life].is_dead) {
      holder_acts(life);
    }
  } else {
    deliver_some();
  }
}

// --- What must hold ---------------------------------------------------------

static bool is_read(uint32_t index) {
  uint32_t readers = (uint32_t)world.blocks[index].storage_count;
  for (uint32_t life = 1; life < world.life_count; life++) {
    readers += world.lives[life].held[index];
    for (uint32_t from = 0; from < world.life_count; from++) {
      const lane_t* lane = &world.lanes[from][life];
      for (size_t i = lane->first; i < lane->end; i++) {
        readers += lane->letters[i].block == index && !world.lives[life].is_dead
                       ? 1
                       : 0;
      }
    }
  }
  return readers > 0;
}

static void what_is_read_is_there(void) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < world.block_count; i++) {
    if (is_read(i)) {
      check_block(&world.blocks[i]);
      count++;
    }
  }
  assert_true(weft_memory_kit_figures(&world.kit).block_count >= count);
}

static void deliver_all(void) {
  for (uint32_t from = 0; from < world.life_count; from++) {
    for (uint32_t to = 0; to < world.life_count; to++) {
      while (has_letters(from, to)) {
        deliver(from, to);
      }
    }
    strike_off(from);
  }
}

// When nothing is under way, the arena knows exactly what is in use.
static void what_is_not_read_is_free(void) {
  uint32_t count = 0;
  deliver_all();
  for (uint32_t i = 0; i < world.block_count; i++) {
    count += is_read(i) ? 1 : 0;
  }
  assert_int_equal(weft_memory_kit_figures(&world.kit).block_count, count);
}

static void all_give_back(void) {
  for (uint32_t i = 0; i < world.block_count; i++) {
    while (world.blocks[i].storage_count > 0) {
      owner_releases(i);
    }
    for (uint32_t life = 1; life < world.life_count; life++) {
      if (world.lives[life].held[i] > 0) {
        check_block(&world.blocks[i]);
        give_back(life, i, world.lives[life].held[i]);
      }
    }
  }
}

static void live(weft_kit_random_t* random, void* user) {
  (void)user;
  memset(&world, 0, sizeof(world));
  world.random = random;
  weft_memory_kit_init(&world.kit, 0);
  world.kit.runtime.size = RANKS;
  for (uint32_t rank = 0; rank < RANKS; rank++) {
    begin_life(rank, 1);
  }
  uint32_t acts = 50 + below(600);
  for (uint32_t i = 0; i < acts; i++) {
    act();
    if (i % 16 == 0) {
      what_is_read_is_there();
    }
    if (i % 200 == 199) {
      what_is_not_read_is_free();
    }
  }
  deliver_all();
  all_give_back();
  deliver_all();
  // What came home on the way.
  all_give_back();
  weft_arena_figures_t figures = weft_memory_kit_figures(&world.kit);
  assert_int_equal(figures.block_count, 0);
  assert_int_equal(figures.loan_count, 0);
  assert_int_equal(figures.lent_bytes, 0);
  weft_memory_kit_deinit(&world.kit);
}

static void a_block_is_free_when_nobody_reads_it_and_not_before(void** state) {
  (void)state;
  weft_kit_for_seeds(live, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_block_is_free_when_nobody_reads_it_and_not_before),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
