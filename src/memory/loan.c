// SPDX-License-Identifier: Apache-2.0
//
// Loans: who lent which block to whom; the protocol is drawn in arena.h. While
// a block is lent it stands in a bucket of its segment, and the arena has a
// reference to its storage. That ends when no count of it is above zero.

#include "base/container.h"
#include "memory/arena_internal.h"
#include "sys/slab.h"
#include "value/tensor_internal.h"

_Static_assert(sizeof(weft_loan_t) <= 64, "one cache line");

// More of them are forgotten: nobody gives so many.
#define UNPROVEN_LIMIT UINT32_C(0x7fffffff)

// How many loans of a dead holder end at a time, without the lock in between.
#define END_BATCH 16

// --- Lent blocks; the lock is held ------------------------------------------

static weft_block_t** bucket_of(weft_segment_t* segment, uint32_t generation) {
  return &segment->lent[generation & (segment->bucket_count - 1)];
}

static bool is_within(const weft_block_t* block,
                      const weft_block_name_t* name) {
  uint64_t end_bytes = block->offset_bytes + block->size_bytes;
  return name->offset_bytes >= block->offset_bytes &&
         name->offset_bytes <= end_bytes &&
         name->size_bytes <= end_bytes - name->offset_bytes;
}

// The lent block that a name means; NULL if it means none.
static weft_block_t* find_locked(weft_arena_t* arena,
                                 const weft_block_name_t* name) {
  weft_segment_t* segment = weft_arena_segment_locked(arena, name->segment);
  if (segment == NULL || segment->memfd.size_bytes != name->segment_bytes) {
    return NULL;
  }
  weft_block_t* block = *bucket_of(segment, name->generation);
  while (block != NULL &&
         (block->generation != name->generation || !is_within(block, name))) {
    block = block->used.next_lent;
  }
  return block;
}

// The numbers from 1 on, each once, in an order that only this arena knows.
static uint32_t next_generation_locked(weft_arena_t* arena) {
  uint32_t number = ++arena->last_generation;
  uint32_t low = number & 0xffff;
  uint32_t high = number >> 16;
  for (int i = 0; i < 4; i++) {
    uint64_t key = arena->secret >> (16 * i) ^ low;
    uint32_t next = high ^ (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 48);
    high = low;
    low = next;
  }
  return high << 16 | low;
}

static void begin_lent_locked(weft_block_t* block) {
  block->generation = next_generation_locked(block->segment->arena);
  weft_block_t** bucket = bucket_of(block->segment, block->generation);
  block->used.next_lent = *bucket;
  *bucket = block;
  weft_storage_retain(block->used.storage);
  block->segment->arena->figures.lent_bytes += weft_block_place_bytes(block);
}

// Returns the reference that the arena had.
static weft_storage_t* end_lent_locked(weft_block_t* block) {
  weft_block_t** place = bucket_of(block->segment, block->generation);
  while (*place != block) {
    place = &(*place)->used.next_lent;
  }
  *place = block->used.next_lent;
  block->segment->arena->figures.lent_bytes -= weft_block_place_bytes(block);
  return block->used.storage;
}

// --- Loans; the lock is held ------------------------------------------------

static weft_loan_t* find_loan_locked(const weft_block_t* block,
                                     weft_holder_t lender,
                                     weft_holder_t holder) {
  weft_loan_t* loan = block->used.loans;
  while (loan != NULL && (loan->holder != holder || loan->lender != lender)) {
    loan = loan->next_of_block;
  }
  return loan;
}

// Whether a block is lent to a holder, as far as is known.
static bool is_held_locked(const weft_block_t* block, weft_holder_t holder) {
  const weft_loan_t* loan = block->used.loans;
  while (loan != NULL && (loan->holder != holder || loan->count <= 0)) {
    loan = loan->next_of_block;
  }
  return loan != NULL;
}

static bool is_read_locked(const weft_block_t* block) {
  const weft_loan_t* loan = block->used.loans;
  while (loan != NULL && loan->count <= 0) {
    loan = loan->next_of_block;
  }
  return loan != NULL;
}

static void add_loan_locked(weft_block_t* block, weft_loan_rank_t* rank,
                            weft_loan_t* loan) {
  if (block->used.loans == NULL) {
    begin_lent_locked(block);
  }
  loan->block = block;
  loan->next_of_block = block->used.loans;
  loan->rank = rank;
  block->used.loans = loan;
  weft_dlist_append(&rank->loans, &loan->node);
  block->segment->arena->figures.loan_count++;
}

// Changes a count, and with it what the rank is said to hold.
static void set_count_locked(weft_loan_t* loan, int64_t count) {
  const weft_block_t* block = loan->block;
  uint64_t bytes = weft_block_place_bytes(block);
  loan->rank->lent_bytes -= is_held_locked(block, loan->holder) ? bytes : 0;
  loan->count = count;
  loan->rank->lent_bytes += is_held_locked(block, loan->holder) ? bytes : 0;
}

// The record is in no list any more.
static void remove_loan_locked(weft_loan_t* loan) {
  weft_block_t* block = loan->block;
  weft_loan_t** place = &block->used.loans;
  set_count_locked(loan, 0);
  while (*place != loan) {
    place = &(*place)->next_of_block;
  }
  *place = loan->next_of_block;
  weft_dlist_remove(&loan->node);
  block->segment->arena->figures.loan_count--;
}

// Puts records that are not needed any more before `*unused`: all of them when
// nobody reads the block. Returns the reference to the storage then.
static weft_storage_t* clear_locked(weft_block_t* block, weft_loan_t** unused) {
  bool is_read = is_read_locked(block);
  weft_loan_t* loan = block->used.loans;
  while (loan != NULL) {
    weft_loan_t* next = loan->next_of_block;
    if (!is_read || (loan->count == 0 && loan->unproven == 0)) {
      remove_loan_locked(loan);
      loan->next_of_block = *unused;
      *unused = loan;
    }
    loan = next;
  }
  return is_read ? NULL : end_lent_locked(block);
}

// --- Ranks ------------------------------------------------------------------

static uint32_t rank_number(weft_holder_t holder) {
  return holder >> 16;
}

static uint32_t incarnation(weft_holder_t holder) {
  return holder & 0xffff;
}

static weft_loan_rank_t* find_rank_locked(const weft_arena_t* arena,
                                          uint32_t number) {
  weft_loan_rank_t* rank = arena->ranks[number % WEFT_RANK_BUCKETS];
  while (rank != NULL && rank->rank != number) {
    rank = rank->next;
  }
  return rank;
}

static void insert_rank_locked(weft_arena_t* arena, weft_loan_rank_t* rank,
                               uint32_t number) {
  weft_loan_rank_t** bucket = &arena->ranks[number % WEFT_RANK_BUCKETS];
  *rank = (weft_loan_rank_t){.rank = number, .first_live = 1, .next = *bucket};
  weft_dlist_init(&rank->loans);
  *bucket = rank;
}

static bool is_struck_off(const weft_loan_rank_t* rank, uint32_t life) {
  if (life < rank->first_live) {
    return true;
  }
  uint32_t bit = life - rank->first_live;
  return bit < 64 && (rank->struck_off >> bit & 1) != 0;
}

static void strike_off_locked(weft_loan_rank_t* rank, uint32_t life) {
  if (is_struck_off(rank, life)) {
    return;
  }
  // The first lives are over once all before them are, or 64 have followed.
  while (life - rank->first_live >= 64 || (rank->struck_off & 1) != 0) {
    rank->struck_off >>= 1;
    rank->first_live++;
  }
  rank->struck_off |= UINT64_C(1) << (life - rank->first_live);
}

// The rank of a holder; NULL without memory. Takes the lock, and may give it
// up in between.
static weft_loan_rank_t* lock_rank(weft_arena_t* arena, weft_holder_t holder) {
  uint32_t number = rank_number(holder);
  weft_mutex_lock(&arena->lock);
  weft_loan_rank_t* rank = find_rank_locked(arena, number);
  if (rank != NULL) {
    return rank;
  }
  weft_mutex_unlock(&arena->lock);
  weft_loan_rank_t* made =
      weft_memory_allocate(arena->allocator, sizeof(*made));
  weft_mutex_lock(&arena->lock);
  rank = find_rank_locked(arena, number);
  if (rank == NULL && made != NULL) {
    insert_rank_locked(arena, made, number);
    return made;
  }
  weft_mutex_unlock(&arena->lock);
  weft_memory_free(arena->allocator, made, sizeof(*made));
  weft_mutex_lock(&arena->lock);
  // Ranks stay as long as the arena does.
  return rank;
}

// --- Changing a count -------------------------------------------------------

typedef enum act {
  ACT_LEND,
  // A loan that was lent never was given.
  ACT_TAKE_BACK,
  ACT_GIVE_BACK
} act_t;

// What is to change. The block is given, or named by a peer.
typedef struct change {
  act_t act;
  weft_block_t* block;
  const weft_block_name_t* name;
  weft_holder_t lender;
  weft_holder_t holder;
  uint32_t count;
  // A record to be used if there is none; what is left is freed.
  weft_loan_t* loan;
  // The reference that the arena gave up.
  weft_storage_t* storage;
} change_t;

static weft_holder_t self(const weft_arena_t* arena) {
  return weft_holder_make((uint16_t)arena->runtime->rank,
                          (uint16_t)arena->runtime->incarnation);
}

// A runtime holds a block in one life, and in one before that it has not been
// struck off yet. Some may have joined the job.
static uint32_t loan_limit(const weft_arena_t* arena) {
  return 2 * (arena->runtime->size + WEFT_RANK_JOINED_LIMIT);
}

// Whether whoever says this has said so much of the block that it makes it up.
static bool is_made_up_locked(const weft_arena_t* arena,
                              const weft_block_t* block,
                              const change_t* change) {
  bool is_holder = change->act == ACT_GIVE_BACK;
  uint32_t count = 0;
  for (const weft_loan_t* loan = block->used.loans; loan != NULL;
       loan = loan->next_of_block) {
    count += is_holder ? loan->holder == change->holder
                       : loan->lender == change->lender;
  }
  return count >= loan_limit(arena);
}

// The record of a change, made if need be.
static weft_status_code_t find_or_add_locked(weft_arena_t* arena,
                                             weft_block_t* block,
                                             change_t* change,
                                             weft_loan_rank_t* rank,
                                             weft_loan_t** out_loan) {
  *out_loan = find_loan_locked(block, change->lender, change->holder);
  if (*out_loan != NULL) {
    return WEFT_STATUS_OK;
  }
  if (is_made_up_locked(arena, block, change)) {
    return WEFT_STATUS_DATA_LOSS;
  }
  if (change->loan == NULL) {
    return WEFT_STATUS_RESOURCE_EXHAUSTED;
  }
  *out_loan = change->loan;
  change->loan = NULL;
  **out_loan = (weft_loan_t){
      .lender = change->lender,
      .holder = change->holder,
  };
  add_loan_locked(block, rank, *out_loan);
  return WEFT_STATUS_OK;
}

// A holder is known to have had the block: what it lent on counts.
static void prove_by_locked(const weft_block_t* block, weft_holder_t lender) {
  for (weft_loan_t* loan = block->used.loans; loan != NULL;
       loan = loan->next_of_block) {
    if (loan->lender == lender && loan->unproven > 0) {
      set_count_locked(loan,
                       loan->count + loan->unproven - loan->unproven_ended);
      loan->unproven = 0;
      loan->unproven_ended = 0;
      loan->is_news = true;
    }
  }
}

// The same for those whom it lent it to, and so on.
static void prove_locked(const weft_block_t* block, weft_holder_t holder) {
  weft_loan_t* loan;
  prove_by_locked(block, holder);
  do {
    loan = block->used.loans;
    while (loan != NULL && !loan->is_news) {
      loan = loan->next_of_block;
    }
    if (loan != NULL) {
      loan->is_news = false;
      prove_by_locked(block, loan->holder);
    }
  } while (loan != NULL);
}

static void end_all_locked(weft_loan_t* loan) {
  set_count_locked(loan, 0);
  loan->unproven_ended = loan->unproven & UNPROVEN_LIMIT;
}

static void begin_loan_locked(weft_loan_t* loan, bool is_proven) {
  bool has_ended = loan->count < 0;
  if (is_proven || has_ended) {
    set_count_locked(loan, loan->count + 1);
  }
  if (!is_proven && loan->unproven < UNPROVEN_LIMIT) {
    loan->unproven++;
    loan->unproven_ended =
        (loan->unproven_ended + (has_ended ? 1u : 0u)) & UNPROVEN_LIMIT;
  }
}

// An end is first of all that of a loan which does not count: whoever gave that
// may have believed a liar, and has to do with the others.
static void end_loans_locked(weft_loan_t* loan, uint32_t count) {
  uint32_t unproven = loan->unproven - loan->unproven_ended;
  uint32_t doubtful = count < unproven ? count : unproven;
  loan->unproven_ended = (loan->unproven_ended + doubtful) & UNPROVEN_LIMIT;
  // No honest count is ever near to that.
  if (loan->count > INT64_MIN / 2) {
    set_count_locked(loan, loan->count - (count - doubtful));
  }
}

static weft_status_code_t lend_locked(weft_arena_t* arena, weft_block_t* block,
                                      change_t* change,
                                      weft_loan_rank_t* rank) {
  bool is_own = change->lender == self(arena);
  bool is_proven = is_own || is_held_locked(block, change->lender);
  bool is_dead = is_struck_off(rank, incarnation(change->holder));
  // What the dead have lent on has still to be proven.
  if (!is_dead || !is_proven) {
    weft_loan_t* loan;
    weft_status_code_t code =
        find_or_add_locked(arena, block, change, rank, &loan);
    if (code != WEFT_STATUS_OK) {
      return code;
    }
    begin_loan_locked(loan, is_proven);
    if (is_dead) {
      end_all_locked(loan);
    }
  }
  // Others may have lent it to one that has died since; this runtime does not.
  if (is_proven && !(is_dead && is_own)) {
    prove_locked(block, change->holder);
  }
  return is_dead ? WEFT_STATUS_PEER_DIED : WEFT_STATUS_OK;
}

// Ends loans, some of which may not have begun as far as is known.
static weft_status_code_t end_locked(weft_arena_t* arena, weft_block_t* block,
                                     change_t* change, weft_loan_rank_t* rank) {
  weft_loan_t* loan;
  if (is_struck_off(rank, incarnation(change->holder))) {
    return WEFT_STATUS_PEER_DIED;
  }
  weft_status_code_t code =
      find_or_add_locked(arena, block, change, rank, &loan);
  if (code != WEFT_STATUS_OK) {
    return code;
  }
  // What this runtime lent it knows of at once.
  if (change->lender == self(arena) && loan->count < change->count) {
    return WEFT_STATUS_DATA_LOSS;
  }
  end_loans_locked(loan, change->count);
  return WEFT_STATUS_OK;
}

static weft_status_code_t change_locked(weft_arena_t* arena, change_t* change,
                                        weft_loan_rank_t* rank) {
  weft_block_t* block =
      change->name == NULL ? change->block : find_locked(arena, change->name);
  if (block == NULL) {
    return WEFT_STATUS_NOT_FOUND;
  }
  if (rank == NULL) {
    return WEFT_STATUS_RESOURCE_EXHAUSTED;
  }
  weft_status_code_t code = change->act == ACT_LEND
                                ? lend_locked(arena, block, change, rank)
                                : end_locked(arena, block, change, rank);
  if (block->used.loans != NULL) {
    change->storage = clear_locked(block, &change->loan);
  }
  return code;
}

static void free_loans(weft_arena_t* arena, weft_loan_t* loan) {
  while (loan != NULL) {
    weft_loan_t* next = loan->next_of_block;
    weft_slab_free(arena->runtime->slab, loan, sizeof(*loan));
    loan = next;
  }
}

static weft_status_code_t change_count(weft_arena_t* arena, change_t* change) {
  change->loan = weft_slab_allocate(arena->runtime->slab, sizeof(weft_loan_t));
  if (change->loan != NULL) {
    change->loan->next_of_block = NULL;
  }
  weft_loan_rank_t* rank = lock_rank(arena, change->holder);
  weft_status_code_t code = change_locked(arena, change, rank);
  weft_mutex_unlock(&arena->lock);
  free_loans(arena, change->loan);
  weft_storage_release(change->storage);
  return code;
}

// --- What holders say -------------------------------------------------------

static weft_status_t no_memory(void) {
  return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                          "no memory to note a loan");
}

static weft_status_t not_given(weft_holder_t from,
                               const weft_block_name_t* name) {
  return weft_status_make(
      WEFT_STATUS_DATA_LOSS,
      "rank %u names a block of segment %u that it was not lent: %llu bytes "
      "at %llu, generation %u",
      rank_number(from), name->segment, (unsigned long long)name->size_bytes,
      (unsigned long long)name->offset_bytes, name->generation);
}

static bool can_hold(const weft_arena_t* arena, weft_holder_t holder) {
  return rank_number(holder) < WEFT_RANK_LIMIT &&
         rank_number(holder) != arena->runtime->rank;
}

static weft_status_t cannot_hold(const weft_arena_t* arena,
                                 weft_holder_t holder,
                                 weft_status_code_t code) {
  return weft_status_make(code,
                          "a block cannot be lent to rank %u: this is rank %u, "
                          "and there are at most %d",
                          rank_number(holder), arena->runtime->rank,
                          WEFT_RANK_LIMIT);
}

weft_status_t weft_arena_lend(weft_arena_t* arena, weft_storage_t* storage,
                              weft_holder_t holder) {
  change_t change = {
      .act = ACT_LEND,
      .block = weft_arena_block_of(arena, storage),
      .lender = self(arena),
      .holder = holder,
  };
  if (change.block == NULL) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "the storage is not in the arena, so it cannot be "
                            "lent: copy it");
  }
  if (!can_hold(arena, holder)) {
    return cannot_hold(arena, holder, WEFT_STATUS_INVALID_ARGUMENT);
  }
  switch (change_count(arena, &change)) {
    case WEFT_STATUS_OK:
      return WEFT_OK;
    case WEFT_STATUS_PEER_DIED:
      return weft_status_make(WEFT_STATUS_PEER_DIED,
                              "rank %u, to which a block was to be lent, is "
                              "dead",
                              rank_number(holder));
    default:
      return no_memory();
  }
}

// `from` says it.
static weft_status_t change_named(weft_arena_t* arena, change_t* change,
                                  weft_holder_t from) {
  if (!can_hold(arena, change->holder)) {
    return cannot_hold(arena, change->holder, WEFT_STATUS_DATA_LOSS);
  }
  switch (change_count(arena, change)) {
    case WEFT_STATUS_OK:
    case WEFT_STATUS_PEER_DIED:
      // Nobody is there to hold it.
      return WEFT_OK;
    case WEFT_STATUS_NOT_FOUND:
      // Somebody has told `from` that the block is lent; or it is `from` who
      // makes that up. It changes nothing, and nobody here knows.
      return change->lender == self(arena) ? not_given(from, change->name)
                                           : WEFT_OK;
    case WEFT_STATUS_RESOURCE_EXHAUSTED:
      return no_memory();
    default:
      return not_given(from, change->name);
  }
}

weft_status_t weft_arena_lend_on(weft_arena_t* arena,
                                 const weft_block_name_t* name,
                                 weft_holder_t from, weft_holder_t holder) {
  change_t change = {
      .act = ACT_LEND,
      .name = name,
      .lender = from,
      .holder = holder,
  };
  return change_named(arena, &change, from);
}

weft_status_t weft_arena_take_back(weft_arena_t* arena,
                                   const weft_block_name_t* name,
                                   weft_holder_t from, weft_holder_t holder) {
  change_t change = {
      .act = ACT_TAKE_BACK,
      .name = name,
      .lender = from,
      .holder = holder,
      .count = 1,
  };
  return change_named(arena, &change, from);
}

weft_status_t weft_arena_give_back(weft_arena_t* arena,
                                   const weft_block_name_t* name,
                                   weft_holder_t lender, weft_holder_t holder,
                                   uint32_t count) {
  change_t change = {
      .act = ACT_GIVE_BACK,
      .name = name,
      .lender = lender,
      .holder = holder,
      .count = count,
  };
  return change_named(arena, &change, holder);
}

// --- Death ------------------------------------------------------------------

// What a batch of loans leaves to be freed.
typedef struct ended {
  weft_loan_t* loans;
  size_t storage_count;
  weft_storage_t* storages[END_BATCH];
} ended_t;

// The first loan of a holder that has not ended, or, when it is NULL, of any
// life of the rank.
static weft_loan_t* first_loan_locked(const weft_loan_rank_t* rank,
                                      const weft_holder_t* holder) {
  weft_dlist_node_t* node = weft_dlist_first(&rank->loans);
  weft_loan_t* loan = NULL;
  while (node != NULL && loan == NULL) {
    weft_loan_t* at = WEFT_CONTAINER_OF(node, weft_loan_t, node);
    bool has_ended = at->count == 0 && at->unproven == at->unproven_ended;
    loan = !has_ended && (holder == NULL || at->holder == *holder) ? at : NULL;
    node = weft_dlist_next(&rank->loans, node);
  }
  return loan;
}

// Ends some of these. False when there are none left.
static bool end_some_locked(weft_loan_rank_t* rank, const weft_holder_t* holder,
                            ended_t* ended) {
  weft_loan_t* loan = first_loan_locked(rank, holder);
  bool are_some = loan != NULL;
  *ended = (ended_t){0};
  for (size_t i = 0; loan != NULL && i < END_BATCH; i++) {
    weft_block_t* block = loan->block;
    end_all_locked(loan);
    weft_storage_t* storage = clear_locked(block, &ended->loans);
    if (storage != NULL) {
      ended->storages[ended->storage_count++] = storage;
    }
    loan = first_loan_locked(rank, holder);
  }
  return are_some;
}

// The lock is held, and given up.
static void end_all_and_unlock(weft_arena_t* arena, weft_loan_rank_t* rank,
                               const weft_holder_t* holder) {
  ended_t ended;
  while (end_some_locked(rank, holder, &ended)) {
    weft_mutex_unlock(&arena->lock);
    free_loans(arena, ended.loans);
    for (size_t i = 0; i < ended.storage_count; i++) {
      weft_storage_release(ended.storages[i]);
    }
    weft_mutex_lock(&arena->lock);
  }
  weft_mutex_unlock(&arena->lock);
}

void weft_arena_strike_off(weft_arena_t* arena, weft_holder_t holder) {
  // Without memory to remember the death of a holder of nothing, a block that
  // is lent on to it later is kept until the arena ends.
  weft_loan_rank_t* rank = lock_rank(arena, holder);
  if (rank == NULL) {
    weft_mutex_unlock(&arena->lock);
    return;
  }
  strike_off_locked(rank, incarnation(holder));
  end_all_and_unlock(arena, rank, &holder);
}

void weft_arena_end_loans(weft_arena_t* arena) {
  for (size_t i = 0; i < WEFT_RANK_BUCKETS; i++) {
    weft_mutex_lock(&arena->lock);
    weft_loan_rank_t* rank = arena->ranks[i];
    weft_mutex_unlock(&arena->lock);
    while (rank != NULL) {
      weft_mutex_lock(&arena->lock);
      // Ranks are put in first, and are never taken out.
      weft_loan_rank_t* next = rank->next;
      end_all_and_unlock(arena, rank, NULL);
      rank = next;
    }
  }
}

// --- Home -------------------------------------------------------------------

// Keeps a storage for another that is a part of it.
typedef struct part {
  const weft_allocator_t* allocator;
  weft_storage_t* whole;
} part_t;

static void release_part(void* user) {
  part_t* part = user;
  weft_storage_release(part->whole);
  weft_memory_free(part->allocator, part, sizeof(*part));
}

weft_storage_t* weft_arena_whole_of(const weft_storage_t* storage) {
  return storage->release == release_part ? ((part_t*)storage->user)->whole
                                          : NULL;
}

// A reference to the storage of a lent block, and where a name is in it.
static weft_storage_t* retain_named(weft_arena_t* arena,
                                    const weft_block_name_t* name,
                                    size_t* out_start_bytes) {
  weft_storage_t* storage = NULL;
  *out_start_bytes = 0;
  weft_mutex_lock(&arena->lock);
  weft_block_t* block = find_locked(arena, name);
  if (block != NULL) {
    storage = weft_storage_retain(block->used.storage);
    *out_start_bytes = name->offset_bytes - block->offset_bytes;
  }
  weft_mutex_unlock(&arena->lock);
  return storage;
}

// Owns: takes `whole` over, also on failure.
static weft_status_t make_part(weft_arena_t* arena, weft_storage_t* whole,
                               size_t start_bytes, size_t size_bytes,
                               weft_storage_t** out_storage) {
  part_t* part = weft_memory_allocate(arena->allocator, sizeof(*part));
  if (part == NULL) {
    weft_storage_release(whole);
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a part of a storage");
  }
  *part = (part_t){.allocator = arena->allocator, .whole = whole};
  const weft_memory_t memory = {
      .data = (char*)whole->data + start_bytes,
      .size_bytes = size_bytes,
      // The whole is lent, or was when this came: others may read it.
      .read_only = true,
      .release = release_part,
      .user = part,
  };
  weft_status_t status =
      weft_storage_wrap(arena->allocator, NULL, &memory, out_storage);
  if (status != WEFT_OK) {
    release_part(part);
  }
  return status;
}

weft_status_t weft_arena_home(weft_arena_t* arena,
                              const weft_block_name_t* name, weft_holder_t from,
                              weft_storage_t** out_storage) {
  size_t start_bytes = 0;
  *out_storage = NULL;
  weft_storage_t* whole = retain_named(arena, name, &start_bytes);
  if (whole == NULL) {
    return not_given(from, name);
  }
  if (name->size_bytes != whole->size_bytes) {
    return make_part(arena, whole, start_bytes, name->size_bytes, out_storage);
  }
  *out_storage = whole;
  return WEFT_OK;
}
