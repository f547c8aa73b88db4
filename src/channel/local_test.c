// SPDX-License-Identifier: Apache-2.0
//
// Channels between and within actors, as threads and in simulations; ends as
// values.

#include "channel/channel_kit.h"
#include "wire/codec.h"

#define SLOTS 4

static weft_value_t act_value(const weft_actor_kit_t* kit,
                              weft_probe_act_t* act) {
  weft_value_t value;
  weft_kit_assert_ok(weft_opaque_create(&kit->memory.allocator,
                                        &weft_probe_act_type, act, &value));
  return value;
}

// Has an actor do something, and gives the future of it.
static weft_future_t* call_do(const weft_actor_kit_t* kit, weft_actor_t actor,
                              weft_probe_act_t* act, int64_t timeout_ns) {
  const weft_call_options_t options = {.timeout_ns = timeout_ns};
  weft_future_t* future = NULL;
  weft_value_t value = act_value(kit, act);
  weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_DO,
                               WEFT_ARGUMENTS(value), &options, &future));
  weft_value_release(value);
  return future;
}

static weft_status_t outcome_of(weft_future_t* future) {
  weft_value_t value;
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
  weft_value_release(value);
  weft_future_release(future);
  return status;
}

// --- Ends -------------------------------------------------------------------

static void an_end_is_opened_as_what_it_is(void** state) {
  const weft_actor_kit_t* kit = *state;
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_writer_t* opened_writer = NULL;
  weft_reader_t* opened_reader = NULL;
  weft_kit_assert_ok(weft_channel_create(kit->runtime, NULL, &writer, &reader));
  weft_value_t write_end = weft_writer_value(writer);
  weft_value_t read_end = weft_reader_value(reader);
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_ok(weft_writer_open(write_end, &opened_writer));
    assert_ptr_equal(writer, opened_writer);
    weft_writer_release(opened_writer);
    weft_kit_assert_ok(weft_reader_open(read_end, &opened_reader));
    assert_ptr_equal(reader, opened_reader);
    weft_reader_release(opened_reader);
  }
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "reader's end",
                              weft_writer_open(read_end, &opened_writer));
  assert_null(opened_writer);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "writer's end",
                              weft_reader_open(write_end, &opened_reader));
  assert_null(opened_reader);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, "int64",
                              weft_reader_open(weft_int64(1), &opened_reader));
  weft_value_release(write_end);
  weft_value_release(read_end);
  weft_writer_release(writer);
  weft_reader_release(reader);
}

static void counts_beyond_the_limits_are_refused(void** state) {
  const weft_actor_kit_t* kit = *state;
  weft_writer_t* writer = NULL;
  weft_reader_t* readers[WEFT_CHANNEL_READER_LIMIT + 1];
  weft_channel_options_t options = {.reader_count =
                                        WEFT_CHANNEL_READER_LIMIT + 1};
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "64 readers, not 65",
      weft_channel_create(kit->runtime, &options, &writer, readers));
  options.reader_count = WEFT_CHANNEL_READER_LIMIT;
  options.slot_count = WEFT_CHANNEL_SLOT_LIMIT + 1;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "slots, not 65537",
      weft_channel_create(kit->runtime, &options, &writer, readers));
  options.slot_count = WEFT_CHANNEL_SLOT_LIMIT;
  weft_kit_assert_ok(
      weft_channel_create(kit->runtime, &options, &writer, readers));
  weft_put(writer, 1);
  for (uint32_t i = 0; i < WEFT_CHANNEL_READER_LIMIT; i++) {
    weft_get(readers[i], 1);
    weft_reader_release(readers[i]);
  }
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         weft_reader_share(readers[0], 0, readers));
  weft_writer_release(writer);
}

static void an_end_cannot_be_encoded(void** state) {
  const weft_actor_kit_t* kit = *state;
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_kit_assert_ok(weft_channel_create(kit->runtime, NULL, &writer, &reader));
  weft_value_t end = weft_reader_value(reader);
  weft_encoder_t encoder;
  weft_encoder_init(&encoder, &kit->memory.allocator, NULL, NULL);
  weft_kit_assert_status_says(WEFT_STATUS_UNIMPLEMENTED, "argument 0",
                              weft_encode_value(&encoder, "argument 0", end));
  weft_encoder_deinit(&encoder);
  weft_value_release(end);
  weft_writer_release(writer);
  weft_reader_release(reader);
}

// --- Within one actor -------------------------------------------------------

static weft_status_t use_both_ends(weft_context_t* context, weft_probe_t* probe,
                                   void* user, weft_value_t* out_result) {
  const weft_value_t* ends = user;
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_lease_t lease;
  (void)context;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(weft_writer_open(ends[0], &writer));
  WEFT_RETURN_IF_ERROR(weft_reader_open(ends[1], &reader));
  weft_status_t status;
  int64_t count = 0;
  while ((status = weft_writer_write(writer, weft_int64(count),
                                     WEFT_TIME_INFINITE)) == WEFT_OK) {
    count++;
  }
  weft_probe_note(probe, (int64_t)weft_status_code(status));
  weft_status_release(status);
  weft_probe_note(probe, count);
  while ((status = weft_reader_read(reader, WEFT_TIME_INFINITE, &lease)) ==
         WEFT_OK) {
    weft_lease_release(&lease);
    count--;
  }
  weft_probe_note(probe, (int64_t)weft_status_code(status));
  weft_status_release(status);
  weft_probe_note(probe, count);
  weft_writer_release(writer);
  weft_reader_release(reader);
  return WEFT_OK;
}

static void within_one_actor_nobody_waits(void** state) {
  const weft_actor_kit_t* kit = *state;
  const weft_channel_options_t options = {.slot_count = SLOTS};
  static weft_probe_t probe;
  memset(&probe, 0, sizeof(probe));
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_kit_assert_ok(
      weft_channel_create(kit->runtime, &options, &writer, &reader));
  weft_value_t ends[2] = {weft_writer_value(writer), weft_reader_value(reader)};
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_act_t act = {use_both_ends, ends};
  weft_kit_assert_ok(outcome_of(call_do(kit, actor, &act, 0)));
  assert_int_equal(4, weft_probe_notes(&probe));
  assert_int_equal(WEFT_STATUS_WOULD_BLOCK, probe.notes[0]);
  assert_int_equal(SLOTS, probe.notes[1]);
  assert_int_equal(WEFT_STATUS_WOULD_BLOCK, probe.notes[2]);
  assert_int_equal(0, probe.notes[3]);
  weft_value_release(ends[0]);
  weft_value_release(ends[1]);
  weft_writer_release(writer);
  weft_reader_release(reader);
}

// --- Between actors ---------------------------------------------------------

static weft_status_t read_one(weft_context_t* context, weft_probe_t* probe,
                              void* user, weft_value_t* out_result) {
  (void)context;
  (void)probe;
  (void)out_result;
  weft_lease_t lease;
  WEFT_RETURN_IF_ERROR(weft_reader_read(user, WEFT_TIME_INFINITE, &lease));
  weft_lease_release(&lease);
  return WEFT_OK;
}

static void a_wait_ends_with_the_work_that_waits(void** state) {
  const weft_actor_kit_t* kit = *state;
  static weft_probe_t probe;
  memset(&probe, 0, sizeof(probe));
  weft_writer_t* writer = NULL;
  weft_reader_t* reader = NULL;
  weft_kit_assert_ok(weft_channel_create(kit->runtime, NULL, &writer, &reader));
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_probe_act_t act = {read_one, reader};
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         outcome_of(call_do(kit, actor, &act, 5 * WEFT_MS)));
  weft_future_t* cancelled = call_do(kit, actor, &act, 0);
  weft_future_cancel(cancelled);
  weft_kit_assert_status(WEFT_STATUS_CANCELLED, outcome_of(cancelled));
  // The actor waits no more, and nothing was lost.
  weft_put(writer, 1);
  weft_kit_assert_ok(outcome_of(call_do(kit, actor, &act, 0)));
  weft_writer_release(writer);
  weft_reader_release(reader);
}

// A line of actors: each reads what the one before it writes.
#define STAGES 3
#define PASSED 40

typedef struct stage {
  weft_reader_t* reader;
  weft_writer_t* writer;
} stage_t;

static weft_status_t run_stage(weft_context_t* context, weft_probe_t* probe,
                               void* user, weft_value_t* out_result) {
  stage_t* stage = user;
  weft_lease_t lease;
  weft_status_t status;
  (void)context;
  (void)out_result;
  while ((status = weft_reader_read(stage->reader, WEFT_TIME_INFINITE,
                                    &lease)) == WEFT_OK) {
    int64_t number = 0;
    status = weft_value_as_int64(lease.value, &number);
    if (status == WEFT_OK && stage->writer != NULL) {
      status = weft_writer_write(stage->writer, weft_int64(number + 1000),
                                 WEFT_TIME_INFINITE);
    }
    weft_lease_release(&lease);
    WEFT_RETURN_IF_ERROR(status);
    weft_probe_note(probe, number);
  }
  if (stage->writer != NULL) {
    weft_writer_close(stage->writer, WEFT_OK);
  }
  bool is_end = weft_status_code(status) == WEFT_STATUS_CLOSED;
  if (is_end) {
    weft_status_release(status);
  }
  return is_end ? WEFT_OK : status;
}

static void pass_along(weft_runtime_options_t options, uint32_t slot_count) {
  weft_actor_kit_t kit;
  weft_actor_kit_init(&kit, &options);
  static weft_probe_t probes[STAGES];
  memset(probes, 0, sizeof(probes));
  stage_t stages[STAGES] = {{NULL, NULL}};
  weft_probe_act_t acts[STAGES];
  weft_future_t* futures[STAGES];
  weft_writer_t* source = NULL;
  weft_writer_t** writer = &source;
  const weft_channel_options_t line = {.slot_count = slot_count};
  for (int i = 0; i < STAGES; i++) {
    weft_kit_assert_ok(
        weft_channel_create(kit.runtime, &line, writer, &stages[i].reader));
    writer = &stages[i].writer;
  }
  for (int i = 0; i < STAGES; i++) {
    acts[i] = (weft_probe_act_t){run_stage, &stages[i]};
    futures[i] = call_do(&kit, weft_probe_spawn(&kit, &probes[i]), &acts[i], 0);
  }
  for (int64_t i = 0; i < PASSED; i++) {
    weft_kit_assert_ok(
        weft_writer_write(source, weft_int64(i), WEFT_TIME_INFINITE));
  }
  weft_writer_close(source, WEFT_OK);
  for (int i = 0; i < STAGES; i++) {
    weft_kit_assert_ok(outcome_of(futures[i]));
    assert_int_equal(PASSED, weft_probe_notes(&probes[i]));
    for (int64_t j = 0; j < PASSED; j++) {
      assert_int_equal(j + INT64_C(1000) * i, probes[i].notes[j]);
    }
    weft_reader_release(stages[i].reader);
    weft_writer_release(stages[i].writer);
  }
  weft_writer_release(source);
  weft_actor_kit_deinit(&kit);
}

static void actors_pass_values_along(void** state) {
  (void)state;
  for (uint32_t slots = 1; slots <= 3; slots++) {
    pass_along((weft_runtime_options_t){.worker_count = 2}, slots);
  }
}

static void pass_in_simulation(weft_kit_random_t* random, void* user) {
  (void)user;
  const weft_runtime_options_t options = {
      .simulate = true,
      .seed = weft_kit_random_next(random),
  };
  pass_along(options, 1 + (uint32_t)weft_kit_random_below(random, 4));
}

static void actors_pass_values_along_under_any_schedule(void** state) {
  (void)state;
  weft_kit_for_some_seeds(200, pass_in_simulation, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_THREADS_TEST(an_end_is_opened_as_what_it_is),
      WEFT_ACTOR_THREADS_TEST(counts_beyond_the_limits_are_refused),
      WEFT_ACTOR_THREADS_TEST(an_end_cannot_be_encoded),
      WEFT_ACTOR_THREADS_TEST(within_one_actor_nobody_waits),
      WEFT_ACTOR_THREADS_TEST(a_wait_ends_with_the_work_that_waits),
      cmocka_unit_test(actors_pass_values_along),
      cmocka_unit_test(actors_pass_values_along_under_any_schedule),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
