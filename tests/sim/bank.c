// SPDX-License-Identifier: Apache-2.0

#include "sim/bank.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory/memory.h"

enum { ENDPOINT_TAKE };

// The one that is played: what crosses between members is numbers.
static bank_t* current;

static void must(const bank_t* bank, bool holds, uint32_t note,
                 const char* what) {
  if (!holds) {
    (void)fprintf(stderr, "note %u of rank %u, version %u: %s\n", note,
                  bank->notes[note].rank, bank->notes[note].version, what);
    abort();
  }
}

static uint64_t below(bank_t* bank, uint64_t limit) {
  return weft_kit_random_below(bank->random, limit);
}

static bool chance(bank_t* bank, uint64_t one_in) {
  return below(bank, one_in) == 0;
}

static bool is_dead(const bank_t* bank, uint32_t rank) {
  return bank->job.members[rank].is_dead;
}

// --- Patterns ---------------------------------------------------------------

static uint8_t pattern(uint32_t note, uint32_t version) {
  return (uint8_t)(note * 37 + version * 101 + 1);
}

static void check_value(const bank_t* bank, weft_value_t value, uint32_t note,
                        uint32_t version) {
  const weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(weft_value_as_tensor(value, &tensor));
  size_t size_bytes = weft_tensor_size_bytes(tensor);
  must(bank, size_bytes == bank->notes[note].size_bytes, note,
       "it has another size");
  const uint8_t* data = weft_tensor_data(tensor);
  uint8_t expected = pattern(note, version);
  // All of a short one; of a long one what is far apart.
  size_t step = size_bytes > 1024 ? 509 : 1;
  bool is_right = data[size_bytes - 1] == expected;
  for (size_t i = 0; i < size_bytes; i += step) {
    is_right &= data[i] == expected;
  }
  must(bank, is_right, note, "it is not what was sent");
}

static void write_note(bank_t* bank, uint32_t index) {
  note_t* note = &bank->notes[index];
  void* data = NULL;
  weft_status_t status = weft_tensor_mutable_data(note->tensor, &data);
  if (status != WEFT_OK) {
    weft_status_release(status);
    return;
  }
  ++note->version;
  memset(data, pattern(index, note->version), note->size_bytes);
  // Who still has an old version has a copy of it.
  for (uint32_t i = 0; i < bank->held_count; ++i) {
    const held_t* held = &bank->held[i];
    if (held->note == index && !is_dead(bank, held->rank)) {
      check_value(bank, held->value, held->note, held->version);
    }
  }
}

// --- Keeping ----------------------------------------------------------------

static void keep(bank_t* bank, uint32_t rank, weft_value_t value, uint32_t note,
                 uint32_t version) {
  if (bank->held_count < BANK_HELD) {
    bank->held[bank->held_count++] =
        (held_t){weft_value_retain(value), note, version, rank};
  }
}

static void drop(bank_t* bank, uint32_t index) {
  weft_value_t value = bank->held[index].value;
  bank->held[index] = bank->held[--bank->held_count];
  weft_value_release(value);
}

// --- Sending ----------------------------------------------------------------

// The same in one argument: alone, or twice in a list.
static weft_status_t wrap(bank_t* bank, weft_value_t value,
                          weft_value_t* out_value) {
  const weft_value_t both[] = {value, value};
  if (chance(bank, 4)) {
    return weft_list_create(NULL, both, 2, out_value);
  }
  *out_value = weft_value_retain(value);
  return WEFT_OK;
}

static weft_status_t submit(bank_t* bank, uint32_t rank,
                            const weft_arguments_t* arguments) {
  const clerk_t* clerk = &bank->clerks[below(bank, BANK_CLERKS)];
  weft_runtime_t* runtime = bank->job.members[rank].runtime;
  const weft_call_options_t options = {
      .timeout_ns = chance(bank, 4) ? (int64_t)below(bank, 1000000) + 1
                                    : WEFT_TIME_INFINITE,
      .try_only = true,
  };
  if (bank->call_count == BANK_CALLS || chance(bank, 2)) {
    return weft_send(runtime, clerk->actor, ENDPOINT_TAKE, arguments, &options);
  }
  bank->may_cancel |= options.timeout_ns != WEFT_TIME_INFINITE;
  weft_future_t* future = NULL;
  weft_status_t status = weft_call(runtime, clerk->actor, ENDPOINT_TAKE,
                                   arguments, &options, &future);
  if (status == WEFT_OK) {
    bank->calls[bank->call_count] = future;
    bank->call_ranks[bank->call_count++] = rank;
  }
  return status;
}

static void send(bank_t* bank, uint32_t rank, weft_value_t value, uint32_t note,
                 uint32_t version, int64_t hops) {
  weft_value_t wrapped = weft_none();
  weft_kit_assert_ok(wrap(bank, value, &wrapped));
  weft_status_t status =
      submit(bank, rank,
             WEFT_ARGUMENTS(weft_int64(note), weft_int64(version),
                            weft_int64(hops), wrapped));
  job_note(&bank->job, weft_status_code(status));
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  must(bank,
       status == WEFT_OK || code == WEFT_STATUS_WOULD_BLOCK ||
           code == WEFT_STATUS_DEADLINE_EXCEEDED ||
           code == WEFT_STATUS_CANCELLED ||
           (code == WEFT_STATUS_PEER_DIED && bank->job.dead_count > 0) ||
           // Killed in the midst of its handler, which ends with its runtime.
           (code == WEFT_STATUS_CLOSED && is_dead(bank, rank)),
       note, weft_status_message(status));
  weft_status_release(status);
  weft_value_release(wrapped);
}

// The tensor, and now and then so much beside it that few answers fit into a
// lane: the others wait for room, whatever happens meanwhile.
static weft_status_t answer(bank_t* bank, weft_value_t value,
                            weft_value_t* out_result) {
  weft_value_t values[] = {value, weft_none()};
  if (chance(bank, 2)) {
    *out_result = weft_value_retain(value);
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(job_make_bulk(&values[1]));
  weft_status_t status = weft_list_create(NULL, values, 2, out_result);
  weft_value_release(values[1]);
  return status;
}

// --- The actors -------------------------------------------------------------

static weft_status_t take(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  bank_t* bank = current;
  const clerk_t* clerk = state;
  uint32_t note = (uint32_t)arguments[0].as.int64;
  uint32_t version = (uint32_t)arguments[1].as.int64;
  int64_t hops = arguments[2].as.int64;
  weft_value_t value = arguments[3];
  (void)context;
  if (bank->is_over || is_dead(bank, clerk->rank)) {
    return WEFT_OK;
  }
  if (weft_value_kind(value) == WEFT_KIND_LIST) {
    const weft_value_t* both = NULL;
    size_t count = 0;
    WEFT_RETURN_IF_ERROR(weft_value_as_list(value, &both, &count));
    must(bank, count == 2, note, "a list has another length");
    check_value(bank, both[1], note, version);
    value = both[0];
  }
  check_value(bank, value, note, version);
  job_note(&bank->job, note << 16 | version);
  if (chance(bank, 3)) {
    keep(bank, clerk->rank, value, note, version);
  }
  for (uint64_t i = below(bank, 3); i > 0 && hops > 0; --i) {
    send(bank, clerk->rank, value, note, version, hops - 1);
  }
  return chance(bank, 2) ? answer(bank, value, out_result) : WEFT_OK;
}

static weft_status_t init(weft_context_t* context, weft_value_t init,
                          void** out_state) {
  (void)context;
  *out_state = &current->clerks[init.as.int64];
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {
    {"note", WEFT_KIND_INT64},
    {"version", WEFT_KIND_INT64},
    {"hops", WEFT_KIND_INT64},
    {"tensor", WEFT_KIND_ANY},
};
static const weft_endpoint_t endpoints[] = {{"take", take, parameters, 4}};
static const weft_class_t bank_class = {"bank", 1, init, NULL, endpoints, 1};

// --- Acts -------------------------------------------------------------------

static void make_note(bank_t* bank, uint32_t index) {
  static const int64_t sizes[] = {40, 900, 3000, 70000, 1000000};
  note_t* note = &bank->notes[index];
  note->rank = job_any(&bank->job)->rank;
  note->size_bytes = (size_t)sizes[below(bank, 5)];
  const int64_t shape[] = {(int64_t)note->size_bytes};
  weft_runtime_t* runtime = bank->job.members[note->rank].runtime;
  weft_kit_assert_ok(!chance(bank, 4)
                         ? weft_tensor_create_shared(runtime, WEFT_UINT8, 1,
                                                     shape, &note->tensor)
                         : weft_tensor_create(weft_runtime_allocator(runtime),
                                              NULL, WEFT_UINT8, 1, shape,
                                              &note->tensor));
  write_note(bank, index);
}

// Makes, sends, writes again or lets go one of the tensors. A number is used
// again only when nobody has the old one: versions go on.
static void use_note(bank_t* bank) {
  uint32_t index = (uint32_t)below(bank, BANK_NOTES);
  note_t* note = &bank->notes[index];
  if (note->tensor == NULL) {
    if (note->version == 0) {
      make_note(bank, index);
    }
    return;
  }
  if (is_dead(bank, note->rank)) {
    return;
  }
  switch (below(bank, 8)) {
    case 0:
      weft_tensor_release(note->tensor);
      note->tensor = NULL;
      break;
    case 1:
    case 2:
      write_note(bank, index);
      break;
    default: {
      weft_value_t value = weft_tensor_value(note->tensor);
      for (uint64_t i = chance(bank, 6) ? 20 : 1; i > 0; --i) {
        send(bank, note->rank, value, index, note->version,
             (int64_t)below(bank, 4));
      }
      weft_value_release(value);
    }
  }
}

static void use_held(bank_t* bank) {
  if (bank->held_count == 0) {
    return;
  }
  uint32_t index = (uint32_t)below(bank, bank->held_count);
  held_t held = bank->held[index];
  if (is_dead(bank, held.rank)) {
    return;
  }
  check_value(bank, held.value, held.note, held.version);
  if (chance(bank, 2)) {
    send(bank, held.rank, held.value, held.note, held.version,
         (int64_t)below(bank, 3));
  }
  if (chance(bank, 2)) {
    drop(bank, index);
  }
}

static void use_call(bank_t* bank) {
  if (bank->call_count == 0) {
    return;
  }
  uint32_t index = (uint32_t)below(bank, bank->call_count);
  weft_future_t* future = bank->calls[index];
  if (is_dead(bank, bank->call_ranks[index])) {
    return;
  }
  if (chance(bank, 3)) {
    bank->may_cancel = true;
    weft_future_cancel(future);
  }
  --bank->call_count;
  bank->calls[index] = bank->calls[bank->call_count];
  bank->call_ranks[index] = bank->call_ranks[bank->call_count];
  weft_future_release(future);
}

static void harm(bank_t* bank) {
  job_t* job = &bank->job;
  uint32_t rank = job_any(job)->rank;
  switch (below(bank, 3)) {
    case 0:
      if (job->dead_count + 1 < job->size) {
        job_kill(job, rank);
      }
      break;
    case 1:
      job_delay(job, rank, (int64_t)below(bank, 3000000));
      break;
    default:
      job_stop(job, rank, (int64_t)below(bank, 1000000));
      break;
  }
}

void bank_act(bank_t* bank) {
  switch (below(bank, 12)) {
    case 0:
      if (chance(bank, 4)) {
        harm(bank);
      }
      break;
    case 1:
    case 2:
      use_call(bank);
      break;
    case 3:
    case 4:
    case 5:
      use_held(bank);
      break;
    default:
      use_note(bank);
      break;
  }
}

// --- The end ----------------------------------------------------------------

static void give_all_back(bank_t* bank, bool dead_too) {
  for (uint32_t i = bank->held_count; i-- > 0;) {
    const held_t* held = &bank->held[i];
    bool has_died = is_dead(bank, held->rank);
    if (!has_died) {
      // Also where its maker is dead it is what it was.
      check_value(bank, held->value, held->note, held->version);
    }
    if (dead_too || !has_died) {
      drop(bank, i);
    }
  }
  for (uint32_t i = 0; i < BANK_NOTES; ++i) {
    note_t* note = &bank->notes[i];
    if (dead_too || !is_dead(bank, note->rank)) {
      weft_tensor_release(note->tensor);
      note->tensor = NULL;
    }
  }
  for (uint32_t i = bank->call_count; i-- > 0;) {
    if (dead_too || !is_dead(bank, bank->call_ranks[i])) {
      weft_future_release(bank->calls[i]);
      --bank->call_count;
      bank->calls[i] = bank->calls[bank->call_count];
      bank->call_ranks[i] = bank->call_ranks[bank->call_count];
    }
  }
}

static void check_arena(bank_t* bank, uint32_t rank) {
  weft_arena_figures_t figures;
  weft_arena_figures(weft_memory_arena(bank->job.members[rank].runtime),
                     &figures);
  if (figures.lent_bytes != 0 || figures.used_bytes != 0) {
    (void)fprintf(stderr,
                  "rank %u: %llu bytes are lent, %llu in use, by %u holders, "
                  "when all has been given back; %u members have died\n",
                  rank, (unsigned long long)figures.lent_bytes,
                  (unsigned long long)figures.used_bytes, figures.loan_count,
                  bank->job.dead_count);
    abort();
  }
}

static void check_call(const bank_t* bank, weft_future_t* future) {
  weft_value_t nothing;
  weft_status_t status = weft_future_result(future, &nothing);
  bool is_right =
      status == WEFT_OK ||
      weft_status_code(status) == WEFT_STATUS_DEADLINE_EXCEEDED ||
      // With the call whose handler made it, which was, or was late.
      (bank->may_cancel && weft_status_code(status) == WEFT_STATUS_CANCELLED) ||
      (bank->job.dead_count > 0 && job_is_death(&bank->job, status));
  weft_kit_assert_ok(is_right ? WEFT_OK : weft_status_retain(status));
  weft_status_release(status);
}

void bank_settle(bank_t* bank) {
  (void)job_run(&bank->job, UINT64_MAX);
  for (uint32_t i = 0; i < bank->call_count; ++i) {
    if (!is_dead(bank, bank->call_ranks[i])) {
      check_call(bank, bank->calls[i]);
    }
  }
  give_all_back(bank, false);
  (void)job_run(&bank->job, UINT64_MAX);
  for (uint32_t rank = 0; rank < bank->job.size; ++rank) {
    if (!is_dead(bank, rank)) {
      check_arena(bank, rank);
    }
  }
}

// --- Life -------------------------------------------------------------------

void bank_open(bank_t* bank, weft_kit_random_t* random, uint32_t size) {
  static const weft_class_t* const classes[] = {&bank_class};
  memset(bank, 0, sizeof(*bank));
  bank->random = random;
  current = bank;
  const job_options_t options = {
      .size = size,
      .classes = classes,
      .class_count = 1,
      .capacity_bytes = chance(bank, 2) ? 65536 : 0,
  };
  job_open(&bank->job, random, &options);
  for (uint32_t i = 0; i < BANK_CLERKS; ++i) {
    clerk_t* clerk = &bank->clerks[i];
    clerk->rank = (uint32_t)below(bank, size);
    const weft_spawn_options_t spawn_options = {.place = clerk->rank};
    weft_kit_assert_ok(weft_spawn(job_any(&bank->job)->runtime, &bank_class,
                                  weft_int64(i), &spawn_options,
                                  &clerk->actor));
  }
}

void bank_close(bank_t* bank) {
  job_check_warnings(&bank->job);
  bank->is_over = true;
  job_close(&bank->job);
  // What is left was read by the dead, or by nobody: it outlives its runtime.
  give_all_back(bank, true);
}
