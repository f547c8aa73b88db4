// SPDX-License-Identifier: Apache-2.0

#include "sim/wharf.h"

#include <string.h>

#include "memory/memory.h"

#define MS INT64_C(1000000)

// The one that is played: what crosses between members is numbers.
static wharf_t* current;

uint64_t wharf_below(wharf_t* wharf, uint64_t limit) {
  return weft_kit_random_below(wharf->random, limit);
}

bool wharf_chance(wharf_t* wharf, uint64_t one_in) {
  return wharf_below(wharf, one_in) == 0;
}

static weft_runtime_t* runtime_of(const wharf_t* wharf, uint32_t rank) {
  return wharf->job.members[rank].runtime;
}

// --- Copies -----------------------------------------------------------------

// Owns: takes `value` over.
static void add_copy(wharf_t* wharf, const copy_t* copy) {
  uint32_t place = 0;
  while (place < wharf->copy_count &&
         wharf->copies[place].value.kind != WEFT_KIND_NONE) {
    place++;
  }
  assert_true(place < WHARF_COPIES);
  wharf->copies[place] = *copy;
  wharf->copy_count += place == wharf->copy_count ? 1 : 0;
}

static void drop_copy(copy_t* copy) {
  weft_value_t value = copy->value;
  copy->value = weft_none();
  weft_value_release(value);
}

enum { KEEP };

static weft_status_t keep(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)state;
  (void)out_result;
  const copy_t copy = {
      .value = weft_value_retain(arguments[2]),
      .rank = weft_runtime_rank(weft_context_runtime(context)),
      .pipe = (uint32_t)arguments[0].as.int64,
      .end = (uint32_t)arguments[1].as.int64,
  };
  uint32_t* on_their_way =
      &current->pipes[copy.pipe].ends[copy.end].on_their_way;
  *on_their_way -= *on_their_way > 0 ? 1 : 0;
  job_note(&current->job,
           (uint64_t)copy.rank << 16 | copy.pipe << 8 | copy.end);
  add_copy(current, &copy);
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {{"channel", WEFT_KIND_INT64},
                                              {"number", WEFT_KIND_INT64},
                                              {"end", WEFT_KIND_CHANNEL_END}};
static const weft_endpoint_t endpoints[] = {{"keep", keep, parameters, 3}};
static const weft_class_t keeper = {"keeper", 1, NULL, NULL, endpoints, 1};

// A copy at a member that lives; NULL when chance finds none.
static copy_t* any_copy(wharf_t* wharf) {
  copy_t* found = NULL;
  for (int i = 0; i < 20 && found == NULL && wharf->copy_count > 0; i++) {
    copy_t* copy = &wharf->copies[wharf_below(wharf, wharf->copy_count)];
    bool is_there =
        copy->value.kind != WEFT_KIND_NONE && !wharf_is_dead(wharf, copy->rank);
    found = is_there ? copy : NULL;
  }
  return found;
}

// --- Acts -------------------------------------------------------------------

static void make_channel(wharf_t* wharf) {
  if (wharf->pipe_count == WHARF_CHANNELS) {
    return;
  }
  uint32_t index = wharf->pipe_count++;
  pipe_t* pipe = &wharf->pipes[index];
  *pipe = (pipe_t){
      .creator = job_any(&wharf->job)->rank,
      .reader_count = 1 + (uint32_t)wharf_below(wharf, WHARF_READERS),
      .slot_count = 1 + (uint32_t)wharf_below(wharf, 4),
  };
  const weft_channel_options_t options = {.name = "played",
                                          .reader_count = pipe->reader_count,
                                          .slot_count = pipe->slot_count};
  weft_writer_t* writer;
  weft_reader_t* readers[WHARF_READERS];
  weft_kit_assert_ok(weft_channel_create(runtime_of(wharf, pipe->creator),
                                         &options, &writer, readers));
  copy_t copy = {weft_writer_value(writer), pipe->creator, index,
                 WHARF_READERS};
  weft_writer_release(writer);
  add_copy(wharf, &copy);
  for (uint32_t i = 0; i < WHARF_ENDS; i++) {
    pipe->ends[i].owner = WHARF_USES;
    if (i < pipe->reader_count) {
      copy.value = weft_reader_value(readers[i]);
      copy.end = i;
      weft_reader_release(readers[i]);
      add_copy(wharf, &copy);
    }
  }
}

static void pass_copy(wharf_t* wharf) {
  copy_t* copy = any_copy(wharf);
  if (copy == NULL) {
    return;
  }
  pipe_end_t* end = &wharf->pipes[copy->pipe].ends[copy->end];
  uint32_t to = job_any(&wharf->job)->rank;
  const weft_call_options_t options = {.try_only = true};
  weft_status_t status =
      weft_send(runtime_of(wharf, copy->rank), wharf->keepers[to], KEEP,
                WEFT_ARGUMENTS(weft_int64(copy->pipe), weft_int64(copy->end),
                               copy->value),
                &options);
  job_note(&wharf->job, weft_status_code(status));
  if (status == WEFT_OK) {
    end->on_their_way++;
    if (wharf_chance(wharf, 2)) {
      drop_copy(copy);
    }
    return;
  }
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  bool is_right = code == WEFT_STATUS_WOULD_BLOCK ||
                  (code == WEFT_STATUS_FAILED_PRECONDITION &&
                   (end->openings > 0 || !wharf->is_calm)) ||
                  (!wharf->is_calm && job_is_death(&wharf->job, status));
  if (!is_right) {
    weft_kit_assert_ok(weft_status_retain(status));
  }
  weft_status_release(status);
}

static bool is_used_at(const wharf_t* wharf, const copy_t* copy) {
  bool is_used = false;
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    const use_t* use = &wharf->uses[i];
    is_used |= use->pipe == copy->pipe && use->end == copy->end &&
               use->rank == copy->rank;
  }
  return is_used;
}

// Opens an end, rarely one that was opened elsewhere.
static void open_copy(wharf_t* wharf) {
  copy_t* copy = any_copy(wharf);
  if (copy == NULL || wharf->use_count == WHARF_USES ||
      is_used_at(wharf, copy)) {
    return;
  }
  pipe_end_t* end = &wharf->pipes[copy->pipe].ends[copy->end];
  if (end->openings > 0 && !wharf_chance(wharf, 10)) {
    return;
  }
  use_t* use = &wharf->uses[wharf->use_count];
  *use = (use_t){.index = wharf->use_count,
                 .rank = copy->rank,
                 .pipe = copy->pipe,
                 .end = copy->end};
  weft_status_t status = copy->end == WHARF_READERS
                             ? weft_writer_open(copy->value, &use->writer)
                             : weft_reader_open(copy->value, &use->reader);
  job_note(&wharf->job, weft_status_code(status));
  if (status == WEFT_OK) {
    wharf->use_count++;
    end->openings++;
    if (!wharf_chance(wharf, 5)) {
      drop_copy(copy);
    }
  } else if (end->openings == 0 && wharf->is_calm) {
    weft_kit_assert_ok(weft_status_retain(status));
  }
  weft_status_release(status);
}

static use_t* any_use(wharf_t* wharf) {
  use_t* found = NULL;
  for (int i = 0; i < 20 && found == NULL && wharf->use_count > 0; i++) {
    use_t* use = &wharf->uses[wharf_below(wharf, wharf->use_count)];
    bool is_there = (use->reader != NULL || use->writer != NULL) &&
                    !wharf_is_dead(wharf, use->rank);
    found = is_there ? use : NULL;
  }
  return found;
}

static void end_channel(wharf_t* wharf, use_t* use) {
  pipe_t* pipe = &wharf->pipes[use->pipe];
  bool is_error = wharf_chance(wharf, 3);
  // Of two that opened it, nobody knows yet whose word counts.
  if (pipe->finish != FINISH_NONE || pipe->ends[use->end].openings > 1) {
    return;
  }
  pipe->finish = is_error ? FINISH_ERROR : FINISH_CLOSED;
  weft_writer_close(
      use->writer,
      is_error ? weft_status_make(WEFT_STATUS_DATA_LOSS, "burnt") : WEFT_OK);
}

static void ask_ready(wharf_t* wharf, use_t* use) {
  if (wharf->future_count == WHARF_FUTURES) {
    return;
  }
  weft_future_t** future = &wharf->futures[wharf->future_count];
  weft_status_t status = use->reader != NULL
                             ? weft_reader_ready(use->reader, future)
                             : weft_writer_ready(use->writer, future);
  if (status == WEFT_OK) {
    wharf->future_ranks[wharf->future_count++] = use->rank;
  }
  weft_status_release(status);
}

// Not while a message may bring a copy to the same member.
static void leave_one(wharf_t* wharf, use_t* use) {
  if (wharf->pipes[use->pipe].ends[use->end].on_their_way == 0) {
    wharf_leave(wharf, use);
  }
}

static void act_on_writer(wharf_t* wharf, use_t* use) {
  if (wharf->pipes[use->pipe].finish != FINISH_NONE || use->has_ended) {
    return;
  }
  if (wharf_chance(wharf, 20)) {
    end_channel(wharf, use);
  } else if (wharf_chance(wharf, 20)) {
    leave_one(wharf, use);
  } else {
    for (uint64_t n = wharf_below(wharf, 6); n > 0 && wharf_write(wharf, use);
         n--) {
    }
  }
}

static void act_on_reader(wharf_t* wharf, use_t* use) {
  if (wharf_chance(wharf, 30)) {
    leave_one(wharf, use);
    return;
  }
  weft_lease_release(&use->leases[wharf_below(wharf, WHARF_LEASES)]);
  for (uint64_t n = wharf_below(wharf, 4);
       n > 0 && !use->has_ended && wharf_read(wharf, use); n--) {
    if (wharf_chance(wharf, 2)) {
      wharf_release_leases(use);
    }
  }
}

static void use_one(wharf_t* wharf) {
  use_t* use = any_use(wharf);
  if (use == NULL) {
    return;
  }
  if (wharf_chance(wharf, 8)) {
    ask_ready(wharf, use);
  } else if (use->writer != NULL) {
    act_on_writer(wharf, use);
  } else {
    act_on_reader(wharf, use);
  }
}

static void disturb(wharf_t* wharf) {
  job_member_t* member = job_any(&wharf->job);
  uint64_t kind = wharf_below(wharf, wharf->is_calm ? 4 : 6);
  if (kind < 2) {
    job_delay(&wharf->job, member->rank, (int64_t)wharf_below(wharf, 50) * MS);
  } else if (kind < 4) {
    job_stop(&wharf->job, member->rank, (int64_t)wharf_below(wharf, 50) * MS);
  } else if (wharf->job.dead_count + 1 < wharf->job.size) {
    // Often whoever has just opened an end, and has not joined yet.
    bool is_last = wharf->use_count > 0 && !wharf_chance(wharf, 3);
    job_kill(&wharf->job,
             is_last ? wharf->uses[wharf->use_count - 1].rank : member->rank);
  }
}

// Somebody has opened an end, and is gone before that is known everywhere.
static void act_at_once(wharf_t* wharf, use_t* use) {
  if (wharf_is_dead(wharf, use->rank)) {
    return;
  }
  if (use->reader != NULL && wharf_chance(wharf, 2)) {
    leave_one(wharf, use);
  } else if (!wharf->is_calm && wharf_chance(wharf, 2) &&
             wharf->job.dead_count + 1 < wharf->job.size) {
    job_kill(&wharf->job, use->rank);
  }
}

void wharf_act(wharf_t* wharf) {
  uint64_t kind = wharf_below(wharf, 32);
  if (kind < 2) {
    make_channel(wharf);
  } else if (kind < 8) {
    pass_copy(wharf);
  } else if (kind < 9) {
    copy_t* copy = any_copy(wharf);
    if (copy != NULL) {
      drop_copy(copy);
    }
  } else if (kind < 13) {
    uint32_t count = wharf->use_count;
    open_copy(wharf);
    if (wharf->use_count > count && wharf_chance(wharf, 8)) {
      (void)job_run(&wharf->job, wharf_below(wharf, 30));
      act_at_once(wharf, &wharf->uses[count]);
    }
  } else if (kind < 31 || !wharf_chance(wharf, 2)) {
    use_one(wharf);
  } else {
    disturb(wharf);
  }
}

// --- Open and close ---------------------------------------------------------

void wharf_open(wharf_t* wharf, weft_kit_random_t* random) {
  static const weft_class_t* const classes[] = {&keeper};
  memset(wharf, 0, sizeof(*wharf));
  current = wharf;
  wharf->random = random;
  wharf->is_calm = wharf_chance(wharf, 2);
  weft_kit_allocator_init(&wharf->memory);
  const job_options_t options = {
      .size = 2 + (uint32_t)wharf_below(wharf, 5),
      .classes = classes,
      .class_count = 1,
      .capacity_bytes = wharf_chance(wharf, 2) ? 65536 : 0,
      .allocator = &wharf->memory.allocator,
  };
  job_open(&wharf->job, random, &options);
  for (uint32_t i = 0; i < options.size; i++) {
    weft_kit_assert_ok(weft_spawn(runtime_of(wharf, i), &keeper, weft_none(),
                                  NULL, &wharf->keepers[i]));
  }
}

static void end_writers(wharf_t* wharf) {
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    use_t* use = &wharf->uses[i];
    if (use->writer == NULL || wharf_is_dead(wharf, use->rank)) {
      continue;
    }
    if (wharf_chance(wharf, 2)) {
      end_channel(wharf, use);
    }
    wharf_leave(wharf, use);
  }
}

static void read_all(wharf_t* wharf) {
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    use_t* use = &wharf->uses[i];
    wharf_release_leases(use);
    while (use->reader != NULL && !wharf_is_dead(wharf, use->rank) &&
           !use->has_ended && wharf_read(wharf, use)) {
      wharf_release_leases(use);
    }
  }
}

static void run(wharf_t* wharf) {
  (void)job_run(&wharf->job, UINT64_MAX);
}

static void drop_copies(wharf_t* wharf, bool all) {
  for (uint32_t i = 0; i < wharf->copy_count; i++) {
    if (all || !wharf_is_dead(wharf, wharf->copies[i].rank)) {
      drop_copy(&wharf->copies[i]);
    }
  }
}

static void check_all_ended(wharf_t* wharf) {
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    const use_t* use = &wharf->uses[i];
    wharf_must(use, wharf,
               use->reader == NULL || use->has_ended ||
                   wharf_is_dead(wharf, use->rank),
               "a reader waits for ever");
  }
  for (uint32_t i = 0; i < wharf->future_count; i++) {
    assert_true(wharf_is_dead(wharf, wharf->future_ranks[i]) ||
                weft_future_is_done(wharf->futures[i]));
  }
}

static void leave_all(wharf_t* wharf) {
  for (uint32_t i = 0; i < wharf->use_count; i++) {
    wharf_release_leases(&wharf->uses[i]);
    wharf_leave(wharf, &wharf->uses[i]);
  }
  for (uint32_t i = 0; i < wharf->future_count; i++) {
    weft_future_release(wharf->futures[i]);
  }
}

static void check_nothing_lent(const wharf_t* wharf) {
  for (uint32_t i = 0; i < wharf->job.size; i++) {
    weft_arena_figures_t figures;
    if (!wharf_is_dead(wharf, i)) {
      weft_arena_figures(weft_memory_arena(runtime_of(wharf, i)), &figures);
      assert_int_equal(figures.used_bytes, 0);
      assert_int_equal(figures.lent_bytes, 0);
    }
  }
}

void wharf_finish(wharf_t* wharf) {
  run(wharf);
  wharf_check(wharf);
  for (uint32_t i = 0; i < 6; i++) {
    read_all(wharf);
    run(wharf);
    wharf_check(wharf);
    run(wharf);
  }
  drop_copies(wharf, false);
  end_writers(wharf);
  for (uint32_t i = 0; i < 3; i++) {
    run(wharf);
    wharf_check(wharf);
    read_all(wharf);
  }
  run(wharf);
  read_all(wharf);
  check_all_ended(wharf);
  leave_all(wharf);
  drop_copies(wharf, true);
  run(wharf);
  check_nothing_lent(wharf);
}

void wharf_close(wharf_t* wharf) {
  job_check_warnings(&wharf->job);
  job_close(&wharf->job);
  weft_kit_allocator_deinit(&wharf->memory);
}
