// SPDX-License-Identifier: Apache-2.0
//
// Ends that travel, and values that follow them, while the n-th allocation
// fails, alone or with all after it: each step ends with a status, nobody is
// left to wait, and all memory comes back.

#include "base/status_internal.h"
#include "channel/travel_kit.h"

#define SLOTS 2

// Which step finds no memory.
typedef enum step {
  STEP_SEND,
  STEP_RECEIVE,
  STEP_OPEN,
  STEP_WRITE,
  STEP_READ,
  STEP_RELEASE,
  STEP_COUNT
} step_t;

typedef struct trial {
  weft_peer_kit_t kit;
  step_t failing;
  uint64_t after;
  uint64_t count;
  bool has_failed;
  // The writer travels, or the reader.
  bool is_writer;
  // Values are of one structure, with a tensor.
  bool is_static;
  weft_writer_t* writer;
  weft_reader_t* reader;
} trial_t;

static void begin(trial_t* trial, step_t step) {
  if (step == trial->failing) {
    weft_kit_allocator_fail(&trial->kit.memory, trial->after, trial->count);
  }
}

static void end(trial_t* trial, step_t step) {
  if (step == trial->failing) {
    trial->has_failed |= trial->kit.memory.failed > 0;
    weft_kit_allocator_fail(&trial->kit.memory, 0, 0);
  }
}

// A step may fail for lack of memory, or as somebody else was lost for it.
static bool went_well(const trial_t* trial, weft_status_t status) {
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  bool is_well = code == WEFT_STATUS_OK;
  bool is_right = is_well || (trial->has_failed &&
                              (code == WEFT_STATUS_RESOURCE_EXHAUSTED ||
                               code == WEFT_STATUS_PEER_DIED ||
                               code == WEFT_STATUS_ABANDONED ||
                               code == WEFT_STATUS_CLOSED));
  if (!is_right) {
    print_error("step %d, allocation %d, the %s travels\n", (int)trial->failing,
                (int)trial->after, trial->is_writer ? "writer" : "reader");
    weft_kit_assert_ok(weft_status_retain(status));
  }
  weft_status_release(status);
  return is_well;
}

static void run(trial_t* trial, step_t step) {
  begin(trial, step);
  weft_peer_kit_run(&trial->kit);
  end(trial, step);
}

static bool travel(trial_t* trial, weft_value_t value) {
  begin(trial, STEP_SEND);
  weft_status_t status =
      weft_peer_kit_post(&trial->kit, 0, 1, WEFT_ARGUMENTS(value));
  end(trial, STEP_SEND);
  weft_value_release(value);
  run(trial, STEP_RECEIVE);
  weft_peer_kit_run(&trial->kit);
  return went_well(trial, status) &&
         went_well(trial, weft_status_retain(weft_travel_status)) &&
         weft_value_kind(weft_travel_value) == WEFT_KIND_CHANNEL_END;
}

static weft_status_t open_there(trial_t* trial, weft_value_t value) {
  return trial->is_writer ? weft_writer_open(value, &trial->writer)
                          : weft_reader_open(value, &trial->reader);
}

static void make(trial_t* trial) {
  const weft_channel_options_t options = {
      .name = "tested", .slot_count = SLOTS, .is_static = trial->is_static};
  weft_kit_assert_ok(weft_channel_create(
      trial->kit.members[0].runtime, &options, &trial->writer, &trial->reader));
  if (trial->is_writer) {
    // In use before the writer goes, it follows it.
    weft_value_t value = weft_reader_value(trial->reader);
    weft_reader_release(trial->reader);
    weft_kit_assert_ok(weft_reader_open(value, &trial->reader));
    weft_value_release(value);
  }
}

// The end goes to rank 1 and is opened there.
static void settle(trial_t* trial) {
  weft_value_t value;
  if (trial->is_writer) {
    value = weft_writer_value(trial->writer);
    weft_writer_release(trial->writer);
    trial->writer = NULL;
  } else {
    value = weft_reader_value(trial->reader);
    weft_reader_release(trial->reader);
    trial->reader = NULL;
  }
  if (travel(trial, value)) {
    value = weft_travel_take();
    begin(trial, STEP_OPEN);
    weft_status_t status = open_there(trial, value);
    weft_peer_kit_run(&trial->kit);
    end(trial, STEP_OPEN);
    (void)went_well(trial, status);
    weft_value_release(value);
  }
  weft_value_release(weft_travel_value);
  weft_travel_value = weft_none();
  weft_peer_kit_run(&trial->kit);
}

static weft_status_t put_tensor(trial_t* trial, weft_runtime_t* runtime) {
  const weft_allocator_t* allocator = weft_runtime_allocator(runtime);
  const int64_t shape[] = {5};
  weft_tensor_t* tensor;
  weft_value_t list;
  WEFT_RETURN_IF_ERROR(
      weft_tensor_create(allocator, NULL, WEFT_INT8, 1, shape, &tensor));
  weft_value_t value = weft_tensor_into_value(tensor);
  weft_status_t status = weft_list_create(allocator, &value, 1, &list);
  weft_value_release(value);
  WEFT_RETURN_IF_ERROR(status);
  status = weft_writer_write(trial->writer, list, WEFT_TIME_NOW);
  weft_value_release(list);
  return status;
}

static weft_status_t put(trial_t* trial, bool is_long) {
  char text[3000];
  weft_value_t value = weft_int64(1);
  weft_runtime_t* runtime = trial->kit.members[trial->is_writer].runtime;
  if (trial->is_static) {
    return put_tensor(trial, runtime);
  }
  memset(text, 'x', sizeof(text));
  if (is_long) {
    WEFT_RETURN_IF_ERROR(weft_string_create(weft_runtime_allocator(runtime),
                                            text, sizeof(text), &value));
  }
  weft_status_t status = weft_writer_write(trial->writer, value, WEFT_TIME_NOW);
  weft_value_release(value);
  return status;
}

static void exchange(trial_t* trial, int count) {
  for (int i = 0; i < count && trial->writer != NULL; i++) {
    begin(trial, STEP_WRITE);
    weft_status_t written = put(trial, i == 1);
    weft_peer_kit_run(&trial->kit);
    end(trial, STEP_WRITE);
    // Nobody may be there to read.
    if (weft_status_code(written) == WEFT_STATUS_WOULD_BLOCK &&
        trial->has_failed) {
      weft_status_release(written);
    } else {
      (void)went_well(trial, written);
    }
  }
  weft_lease_t lease;
  begin(trial, STEP_READ);
  weft_status_t status =
      trial->reader != NULL
          ? weft_reader_read(trial->reader, WEFT_TIME_NOW, &lease)
          : WEFT_OK;
  if (status == WEFT_OK && trial->reader != NULL) {
    weft_lease_release(&lease);
  }
  weft_peer_kit_run(&trial->kit);
  end(trial, STEP_READ);
  // Nothing may have come.
  if (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK &&
      trial->has_failed) {
    weft_status_release(status);
    return;
  }
  (void)went_well(trial, status);
}

// Whoever is left at rank 0 hears that the other is gone.
static void expect_nobody_waits(trial_t* trial) {
  weft_status_t status = WEFT_OK;
  weft_lease_t lease;
  for (int i = 0; i < 3 * SLOTS && status == WEFT_OK; i++) {
    if (trial->is_writer) {
      status = weft_reader_read(trial->reader, WEFT_TIME_NOW, &lease);
      weft_lease_release(&lease);
    } else {
      status = put(trial, false);
    }
    weft_peer_kit_run(&trial->kit);
  }
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  bool is_over = code == WEFT_STATUS_CLOSED || code == WEFT_STATUS_ABANDONED ||
                 code == WEFT_STATUS_PEER_DIED ||
                 (trial->has_failed && code == WEFT_STATUS_RESOURCE_EXHAUSTED);
  if (!is_over) {
    print_error("step %d, allocation %d, the %s travels\n", (int)trial->failing,
                (int)trial->after, trial->is_writer ? "writer" : "reader");
    weft_kit_assert_status(WEFT_STATUS_CLOSED, weft_status_retain(status));
  }
  weft_status_release(status);
}

static void leave(trial_t* trial) {
  begin(trial, STEP_RELEASE);
  if (trial->is_writer) {
    weft_writer_release(trial->writer);
  } else {
    weft_reader_release(trial->reader);
  }
  weft_peer_kit_run(&trial->kit);
  end(trial, STEP_RELEASE);
  weft_peer_kit_run(&trial->kit);
  expect_nobody_waits(trial);
  if (trial->is_writer) {
    weft_reader_release(trial->reader);
  } else {
    weft_writer_release(trial->writer);
  }
}

// True when there was nothing left to fail.
static bool try_once(step_t step, uint64_t after, uint64_t count,
                     bool is_writer, bool is_static) {
  trial_t trial = {.failing = step,
                   .after = after,
                   .count = count,
                   .is_writer = is_writer,
                   .is_static = is_static};
  weft_travel_open(&trial.kit);
  make(&trial);
  settle(&trial);
  // The first with its structure, others without.
  for (int i = 0; is_static && i < 3; i++) {
    exchange(&trial, 1);
  }
  exchange(&trial, SLOTS);
  leave(&trial);
  weft_travel_close(&trial.kit);
  return !trial.has_failed;
}

static void sweep(bool is_writer, bool is_static) {
  for (step_t step = 0; step < STEP_COUNT; step++) {
    static const uint64_t counts[] = {1, UINT64_MAX};
    for (int i = 0; i < 2; i++) {
      uint64_t after = 0;
      while (!try_once(step, after, counts[i], is_writer, is_static)) {
        after++;
      }
    }
  }
}

static void a_reader_that_travels_leaves_nobody_waiting(void** state) {
  (void)state;
  sweep(false, false);
}

static void a_writer_that_travels_leaves_nobody_waiting(void** state) {
  (void)state;
  sweep(true, false);
}

static void nor_without_memory_for_what_is_said(void** state) {
  (void)state;
  weft_status_fail_allocations(true);
  sweep(false, false);
  sweep(true, false);
  weft_status_fail_allocations(false);
}

static void nor_do_values_of_one_structure(void** state) {
  (void)state;
  sweep(false, true);
  sweep(true, true);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_reader_that_travels_leaves_nobody_waiting),
      cmocka_unit_test(a_writer_that_travels_leaves_nobody_waiting),
      cmocka_unit_test(nor_without_memory_for_what_is_said),
      cmocka_unit_test(nor_do_values_of_one_structure),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
