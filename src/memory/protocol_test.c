// SPDX-License-Identifier: Apache-2.0
//
// The protocol of loans against a model: an owner with a real arena, and
// runtimes that get loans, lend them on, send them home, give them back, die
// and live again. What they write travels in a lane for each pair of them,
// each as slow as it likes. Whoever may read a block finds its bytes as they
// were; when nobody may, it is free. In half of the worlds one rank lies: to
// the owner about what it has, gives and returns, and to others about what it
// gives them. Then that holds for what did not pass through its hands, and
// nobody else is ever held to have lied.

#include <string.h>

#include "memory/memory_kit.h"

#define RANKS 5
#define LIVES 12
#define BLOCKS 24
#define LANE_LIMIT 512
#define OWNER 0
#define LIAR 1

typedef enum act {
  // To the owner: `block` was lent on to `life`.
  LENT_ON,
  // To the owner: it was not.
  TAKEN_BACK,
  // To the owner: `count` loans of the lender `life` end.
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
  // The loan comes from one who lies, if by way of others.
  bool is_doubtful;
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
  // By block, lender and whether the loan is doubtful.
  uint32_t held[BLOCKS][LIVES][2];
} life_t;

typedef struct block {
  // No bytes before it is lent.
  weft_block_name_t name;
  const char* data;
  size_t size_bytes;
  char mark;
  // It was lent to one who lies.
  bool is_exposed;
  // References of the owner's own.
  weft_storage_t* storages[8];
  size_t storage_count;
} block_t;

typedef struct world {
  weft_memory_kit_t kit;
  weft_kit_random_t* random;
  bool has_liar;
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

static bool is_liar(uint32_t life) {
  return world.has_liar && world.lives[life].holder >> 16 == LIAR;
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

static weft_status_t owner_does(uint32_t from, const letter_t* letter) {
  weft_arena_t* arena = world.kit.arena;
  block_t* block = &world.blocks[letter->block];
  weft_holder_t holder = world.lives[from].holder;
  weft_holder_t other = world.lives[letter->life].holder;
  weft_storage_t* storage = NULL;
  weft_status_t status = WEFT_OK;
  switch (letter->act) {
    case LENT_ON:
      return weft_arena_lend_on(arena, &block->name, holder, other);
    case TAKEN_BACK:
      return weft_arena_take_back(arena, &block->name, holder, other);
    case GIVEN_BACK:
      return weft_arena_give_back(arena, &block->name, other, holder,
                                  letter->count);
    case SENT_HOME:
      status = weft_arena_home(arena, &block->name, holder, &storage);
      if (status == WEFT_OK) {
        keep_home(block, storage);
      }
      return status;
    case LOAN:
      fail();
  }
  return status;
}

static void owner_reads(uint32_t from, const letter_t* letter) {
  weft_status_t status = owner_does(from, letter);
  bool may_fail =
      is_liar(from) || (letter->act == SENT_HOME && letter->is_doubtful);
  if (may_fail) {
    weft_status_release(status);
  } else {
    weft_kit_assert_ok(status);
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
    world.lives[to].held[letter.block][from][letter.is_doubtful]++;
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
  for (uint64_t i = 0; i < block->size_bytes; i += 100) {
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
  block->data = weft_storage_data(block->storages[0]);
  block->size_bytes = weft_storage_size_bytes(block->storages[0]);
  block->mark = (char)weft_kit_random_next(world.random);
  memset((char*)(uintptr_t)block->data, block->mark, block->size_bytes);
}

static bool is_lent(const block_t* block) {
  weft_storage_t* storage;
  weft_status_t status = weft_arena_home(world.kit.arena, &block->name,
                                         world.lives[1].holder, &storage);
  weft_storage_release(storage);
  return weft_status_ignore(status) == WEFT_STATUS_OK;
}

// A block that is lent anew has another name, and is another one here.
static block_t* rename_block(block_t* block) {
  block_t* next = &world.blocks[world.block_count++];
  *next = *block;
  next->name = (weft_block_name_t){0};
  next->is_exposed = false;
  block->storage_count = 0;
  return next;
}

static void owner_lends(uint32_t index) {
  block_t* block = &world.blocks[index];
  bool is_new = block->name.size_bytes > 0 && !is_lent(block);
  if (block->storage_count == 0 || (is_new && world.block_count == BLOCKS)) {
    return;
  }
  block = is_new ? rename_block(block) : block;
  index = (uint32_t)(block - world.blocks);
  uint32_t to = pick_other(OWNER);
  weft_status_code_t code = weft_status_ignore(weft_arena_lend(
      world.kit.arena, block->storages[0], world.lives[to].holder));
  assert_int_equal(
      code, world.lives[to].is_struck ? WEFT_STATUS_PEER_DIED : WEFT_STATUS_OK);
  if (code == WEFT_STATUS_OK) {
    block->name = weft_memory_kit_name(&world.kit, block->storages[0]);
    write_letter(OWNER, to, (letter_t){.act = LOAN, .block = index});
    block->is_exposed |= is_liar(to);
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

// One kind of loan that a life has.
typedef struct kind {
  uint32_t block;
  uint32_t lender;
  bool is_doubtful;
} kind_t;

static uint32_t* held(uint32_t life, const kind_t* kind) {
  return &world.lives[life]
              .held[kind->block][kind->lender][kind->is_doubtful ? 1 : 0];
}

static void give_back(uint32_t life, const kind_t* kind, uint32_t count) {
  *held(life, kind) -= count;
  write_letter(life, OWNER,
               (letter_t){.act = GIVEN_BACK,
                          .block = kind->block,
                          .life = kind->lender,
                          .count = count});
}

static void lend_on(uint32_t life, const kind_t* kind) {
  uint32_t to = pick_other(life);
  write_letter(life, OWNER,
               (letter_t){.act = LENT_ON, .block = kind->block, .life = to});
  // Even if this one only believes that it has the block: it may get it yet.
  world.blocks[kind->block].is_exposed |= is_liar(to);
  if (below(8) == 0) {
    // Something was in the way.
    write_letter(
        life, OWNER,
        (letter_t){.act = TAKEN_BACK, .block = kind->block, .life = to});
    return;
  }
  write_letter(
      life, to,
      (letter_t){
          .act = LOAN, .block = kind->block, .is_doubtful = kind->is_doubtful});
}

static void holder_acts(uint32_t life) {
  if (world.block_count == 0) {
    return;
  }
  kind_t kind = {0};
  // Most of what there might be is not there.
  for (int i = 0; i < 40; i++) {
    kind = (kind_t){below(world.block_count), below((uint32_t)world.life_count),
                    below(2) == 0};
    if (*held(life, &kind) > 0) {
      break;
    }
  }
  if (*held(life, &kind) == 0) {
    return;
  }
  if (!kind.is_doubtful) {
    check_block(&world.blocks[kind.block]);
  }
  switch (below(4)) {
    case 0:
    case 1:
      lend_on(life, &kind);
      break;
    case 2:
      // See arena.h: only so are the others sure to keep what they have.
      if (kind.is_doubtful && !is_liar(kind.lender) &&
          has_letters(kind.lender, OWNER)) {
        break;
      }
      give_back(life, &kind, 1 + below(*held(life, &kind)));
      break;
    default:
      write_letter(life, OWNER,
                   (letter_t){.act = SENT_HOME,
                              .block = kind.block,
                              .is_doubtful = kind.is_doubtful});
      break;
  }
}

// Says anything of blocks that it may never have had; but it cannot know what
// they will be called.
static void liar_acts(uint32_t life) {
  static const act_t acts[] = {LENT_ON, TAKEN_BACK, GIVEN_BACK, SENT_HOME};
  uint32_t block = below(world.block_count + 1);
  if (block == world.block_count || world.blocks[block].name.size_bytes == 0) {
    return;
  }
  if (below(3) == 0) {
    write_letter(life, pick_other(life),
                 (letter_t){.act = LOAN, .block = block, .is_doubtful = true});
  } else {
    write_letter(life, OWNER,
                 (letter_t){.act = acts[below(4)],
                            .block = block,
                            .life = below((uint32_t)world.life_count),
                            .count = below(3)});
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
      (is_liar(life) ? liar_acts : holder_acts)(life);
    }
  } else {
    deliver_some();
  }
}

// --- What must hold ---------------------------------------------------------

// How many loans of a block a life has, or will have soon.
static uint32_t count_loans_of(uint32_t life, uint32_t index,
                               bool counts_doubtful) {
  uint32_t count = 0;
  for (uint32_t from = 0; from < world.life_count; from++) {
    const lane_t* lane = &world.lanes[from][life];
    const uint32_t* loans = world.lives[life].held[index][from];
    count += loans[0] + (counts_doubtful ? loans[1] : 0);
    for (size_t i = lane->first; i < lane->end; i++) {
      const letter_t* letter = &lane->letters[i];
      bool counts = counts_doubtful || !letter->is_doubtful;
      count += letter->block == index && counts ? 1 : 0;
    }
  }
  return count;
}

// How many loans of a block are out, with those that are doubtful or without.
static uint32_t count_loans(uint32_t index, bool counts_doubtful) {
  uint32_t count = 0;
  for (uint32_t life = 1; life < world.life_count; life++) {
    bool is_there = !world.lives[life].is_dead && !is_liar(life);
    count += is_there ? count_loans_of(life, index, counts_doubtful) : 0;
  }
  return count;
}

static void what_is_read_is_there(void) {
  for (uint32_t i = 0; i < world.block_count; i++) {
    bool is_held = count_loans(i, false) > 0;
    if (is_held) {
      assert_true(is_lent(&world.blocks[i]));
    }
    if (is_held || world.blocks[i].storage_count > 0) {
      check_block(&world.blocks[i]);
    }
  }
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

// When nothing is under way, the arena knows exactly what is in use; but for
// what one who lies has had in its hands.
static void what_is_not_read_is_free(void) {
  uint32_t count = 0;
  uint32_t kept = 0;
  deliver_all();
  for (uint32_t i = 0; i < world.block_count; i++) {
    const block_t* block = &world.blocks[i];
    bool is_held = count_loans(i, false) > 0;
    // Who lends a doubtful loan on may have the block all the same.
    assert_true(is_lent(block) ? block->is_exposed || count_loans(i, true) > 0
                               : !is_held);
    count += is_lent(block) || block->storage_count > 0 ? 1 : 0;
    kept += is_lent(block) && !is_held ? 1 : 0;
  }
  assert_int_equal(weft_memory_kit_figures(&world.kit).block_count, count);
  assert_true(world.has_liar || kept == 0);
}

static void all_give_back(void) {
  for (uint32_t i = 0; i < world.block_count; i++) {
    while (world.blocks[i].storage_count > 0) {
      owner_releases(i);
    }
  }
  for (uint32_t life = 1; life < world.life_count; life++) {
    for (uint32_t i = 0; i < world.block_count * LIVES * 2; i++) {
      const kind_t kind = {i / (LIVES * 2), i / 2 % LIVES, i % 2 == 1};
      if (*held(life, &kind) > 0) {
        give_back(life, &kind, *held(life, &kind));
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
  world.has_liar = below(2) == 0;
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
  deliver_all();
  what_is_not_read_is_free();
  // Those who believed the liar go, too.
  for (uint32_t life = 1; life < world.life_count && world.has_liar; life++) {
    weft_arena_strike_off(world.kit.arena, world.lives[life].holder);
  }
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
