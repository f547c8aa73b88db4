// SPDX-License-Identifier: Apache-2.0
//
// A channel over two processes and three devices, by chance from a seed: copies
// that are late, devices that fail and hang, readers with memory of their own
// and without. Every reader gets every value whole and in order, whatever had
// failed before, and all memory comes back.
//
// Rank 0 writes and has readers 0 and 1; readers 2 and 3 are at rank 1.

#include "channel/travel_kit.h"
#include "value/sim_device_kit.h"
#include "value/value_kit.h"

#define READERS 4
#define SLOTS 3
#define DEVICES 3
#define TENSORS 2
#define ACTS 120
#define WRITTEN_LIMIT (ACTS + 1)

static const int64_t shape[] = {2, 3};

// Somebody who reads, and what he has brought.
typedef struct party {
  weft_reader_t* reader;
  uint64_t next;
  weft_tensor_t* memory[TENSORS];
  weft_destination_t destination;
  weft_lease_t held;
} party_t;

typedef struct model {
  weft_peer_kit_t kit;
  weft_kit_random_t* random;
  weft_sim_device_t* devices[DEVICES];
  weft_writer_t* writer;
  party_t parties[READERS];
  // Bit n: value n was an error.
  bool is_error[WRITTEN_LIMIT];
  uint64_t written;
  // What is tried to be written.
  weft_value_t pending;
  bool has_pending;
} model_t;

static uint64_t below(model_t* model, uint64_t limit) {
  return weft_kit_random_below(model->random, limit);
}

static bool chance(model_t* model, uint64_t one_in) {
  return below(model, one_in) == 0;
}

static const weft_device_driver_t* any_driver(model_t* model) {
  uint64_t which = below(model, DEVICES + 1);
  return which == DEVICES ? weft_device_cpu()
                          : weft_sim_device_driver(model->devices[which]);
}

// What a device that fails on demand says, or one without memory.
static bool is_fault(weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  return code == WEFT_STATUS_UNAVAILABLE ||
         code == WEFT_STATUS_RESOURCE_EXHAUSTED;
}

static bool is_wait(weft_status_t status) {
  weft_status_code_t code = weft_status_code(status);
  return code == WEFT_STATUS_WOULD_BLOCK ||
         code == WEFT_STATUS_DEADLINE_EXCEEDED;
}

// Copies for the test itself, which takes up faults that were asked for.
static weft_tensor_t* copy_somehow(const weft_device_driver_t* driver,
                                   const weft_tensor_t* tensor) {
  weft_tensor_t* copy = NULL;
  weft_status_t status = weft_tensor_copy(NULL, driver, tensor, &copy);
  while (status != WEFT_OK) {
    assert_true(is_fault(status));
    weft_status_release(status);
    status = weft_tensor_copy(NULL, driver, tensor, &copy);
  }
  return copy;
}

// --- Values: [n, int32[2, 3] ...] -------------------------------------------

static weft_value_t make_value(model_t* model, uint64_t n) {
  weft_value_t parts[TENSORS + 1] = {weft_int64((int64_t)n)};
  for (int i = 0; i < TENSORS; i++) {
    int32_t data[6];
    weft_tensor_t* here = NULL;
    for (int k = 0; k < 6; k++) {
      data[k] = (int32_t)n * 100 + 10 * i + k;
    }
    weft_kit_assert_ok(
        weft_tensor_from_data(NULL, WEFT_INT32, 2, shape, data, &here));
    parts[i + 1] =
        weft_tensor_into_value(copy_somehow(any_driver(model), here));
    weft_tensor_release(here);
  }
  return weft_value_kit_list(parts, TENSORS + 1);
}

static void check_value(const party_t* party, const weft_lease_t* lease) {
  const weft_value_t* parts;
  size_t count;
  const weft_destination_t* wanted = &party->destination;
  weft_kit_assert_ok(weft_value_as_list(lease->value, &parts, &count));
  assert_int_equal(count, TENSORS + 1);
  assert_true(weft_value_equal(parts[0], weft_int64((int64_t)party->next)));
  for (int i = 0; i < TENSORS; i++) {
    const weft_tensor_t* tensor;
    weft_kit_assert_ok(weft_value_as_tensor(parts[i + 1], &tensor));
    if (lease->is_moved && wanted->tensor_count > 0 && party->memory[i]) {
      assert_ptr_equal(tensor, party->memory[i]);
    } else if (lease->is_moved && wanted->driver != NULL) {
      assert_ptr_equal(weft_storage_driver(weft_tensor_storage(tensor)),
                       wanted->driver);
    }
    weft_tensor_t* here = copy_somehow(NULL, tensor);
    for (int k = 0; k < 6; k++) {
      assert_int_equal(((const int32_t*)weft_tensor_data(here))[k],
                       (int32_t)party->next * 100 + 10 * i + k);
    }
    weft_tensor_release(here);
  }
}

// --- Acts -------------------------------------------------------------------

static int64_t any_deadline(model_t* model) {
  return chance(model, 3)
             ? weft_runtime_now_ns(model->kit.members[0].runtime) + 1000
             : WEFT_TIME_NOW;
}

static void try_write(model_t* model) {
  if (!model->has_pending) {
    model->pending = make_value(model, model->written);
    model->has_pending = true;
  }
  weft_status_t status =
      weft_writer_write(model->writer, model->pending, any_deadline(model));
  if (status == WEFT_OK) {
    model->is_error[model->written++] = false;
    weft_value_release(model->pending);
    model->has_pending = false;
  }
  assert_true(status == WEFT_OK || is_wait(status) || is_fault(status));
  weft_status_release(status);
}

static void try_fail(model_t* model) {
  weft_status_t error = weft_status_make(WEFT_STATUS_FAILED, "in its turn");
  weft_status_t status = weft_writer_fail(model->writer, error, WEFT_TIME_NOW);
  if (status == WEFT_OK) {
    model->is_error[model->written++] = true;
    // The number in it is another one.
    if (model->has_pending) {
      weft_value_release(model->pending);
    }
    model->has_pending = false;
  }
  weft_status_release(status);
  weft_status_release(error);
}

static void drop_memory(party_t* party) {
  for (int i = 0; i < TENSORS; i++) {
    weft_tensor_release(party->memory[i]);
    party->memory[i] = NULL;
  }
}

// Another destination, perhaps one that does not fit.
static void choose(model_t* model, party_t* party) {
  drop_memory(party);
  party->destination = (weft_destination_t){.tensors = party->memory};
  if (chance(model, 2)) {
    party->destination.driver = any_driver(model);
    party->destination.queue = (uint32_t)below(model, 2);
  }
  if (chance(model, 2)) {
    party->destination.tensor_count = TENSORS;
    for (int i = 0; i < TENSORS; i++) {
      const int64_t small[] = {2, 2};
      weft_status_t status =
          chance(model, 4)
              ? WEFT_OK
              : weft_tensor_create(NULL, any_driver(model), WEFT_INT32, 2,
                                   chance(model, 8) ? small : shape,
                                   &party->memory[i]);
      assert_true(status == WEFT_OK || is_fault(status));
      weft_status_release(status);
    }
  }
}

static void take(model_t* model, party_t* party, weft_lease_t* lease) {
  assert_int_equal(lease->sequence, party->next);
  assert_true(party->next < model->written);
  if (model->is_error[party->next]) {
    assert_int_equal(weft_status_code(lease->status), WEFT_STATUS_FAILED);
  } else {
    weft_kit_assert_ok(weft_status_retain(lease->status));
    check_value(party, lease);
  }
  party->next++;
  weft_lease_release(&party->held);
  if (chance(model, 4)) {
    party->held = *lease;
  } else {
    weft_lease_release(lease);
  }
}

static bool is_misfit(const party_t* party) {
  bool is = false;
  for (int i = 0; i < TENSORS; i++) {
    is |= party->memory[i] != NULL &&
          weft_tensor_element_count(party->memory[i]) != 6;
  }
  return is;
}

static void try_read(model_t* model, party_t* party) {
  weft_lease_t lease;
  bool is_plain = chance(model, 6);
  if (chance(model, 3)) {
    choose(model, party);
  }
  weft_status_t status =
      is_plain ? weft_reader_read(party->reader, WEFT_TIME_NOW, &lease)
               : weft_reader_read_into(party->reader, &party->destination,
                                       any_deadline(model), &lease);
  weft_status_code_t code = weft_status_code(status);
  if (status == WEFT_OK) {
    take(model, party, &lease);
  } else if (code == WEFT_STATUS_INVALID_ARGUMENT) {
    assert_true(is_misfit(party));
  } else if (code == WEFT_STATUS_FAILED_PRECONDITION) {
    // Its memory is in what it holds.
    assert_true(party->held.reader != NULL);
    weft_lease_release(&party->held);
  } else {
    assert_true(is_wait(status) || is_fault(status));
  }
  weft_status_release(status);
}

static void make_trouble(model_t* model) {
  weft_sim_device_t* device = model->devices[below(model, DEVICES)];
  switch (below(model, 3)) {
    case 0:
      weft_sim_device_fail_copies(
          device, below(model, 3), 1,
          weft_status_make(WEFT_STATUS_UNAVAILABLE, "on demand"));
      break;
    case 1:
      weft_sim_device_fail_allocations(device, below(model, 2), 1);
      break;
    default:
      weft_kit_assert_ok(weft_sim_device_hold(device, (uint32_t)below(model, 2),
                                              chance(model, 2)));
  }
}

static void step(model_t* model, uint64_t count) {
  for (uint64_t i = 0; i < count; i++) {
    (void)weft_sim_device_step(model->devices[below(model, DEVICES)]);
  }
}

static void act(model_t* model) {
  switch (below(model, 8)) {
    case 0:
    case 1:
      try_write(model);
      break;
    case 2:
      step(model, below(model, 8));
      break;
    case 3:
      make_trouble(model);
      break;
    case 4:
      if (chance(model, 4)) {
        try_fail(model);
      }
      break;
    default:
      try_read(model, &model->parties[below(model, READERS)]);
  }
  weft_peer_kit_run(&model->kit);
}

// --- A run ------------------------------------------------------------------

static void open_there(model_t* model, party_t* party) {
  weft_value_t value = weft_reader_value(party->reader);
  weft_reader_release(party->reader);
  weft_kit_assert_ok(
      weft_peer_kit_send(&model->kit, 0, 1, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &party->reader));
  weft_value_release(value);
  weft_peer_kit_run(&model->kit);
}

static void open_model(model_t* model, weft_kit_random_t* random) {
  weft_reader_t* readers[READERS];
  memset(model, 0, sizeof(*model));
  model->random = random;
  const weft_channel_options_t options = {.name = "model",
                                          .reader_count = READERS,
                                          .slot_count = SLOTS,
                                          .is_static = chance(model, 2)};
  weft_travel_open(&model->kit);
  for (int32_t i = 0; i < DEVICES; i++) {
    model->devices[i] = weft_sim_kit_make(
        &(weft_sim_device_options_t){.id = i,
                                     .queue_count = 2,
                                     .seed = weft_kit_random_next(random),
                                     .is_stepped = true});
  }
  weft_kit_assert_ok(weft_channel_create(model->kit.members[0].runtime,
                                         &options, &model->writer, readers));
  for (int i = 0; i < READERS; i++) {
    model->parties[i].reader = readers[i];
    if (i >= 2) {
      open_there(model, &model->parties[i]);
    }
  }
}

// All faults end; then everybody gets what was written.
static void settle(model_t* model) {
  for (int i = 0; i < DEVICES; i++) {
    weft_sim_device_fail_copies(
        model->devices[i], 0, 0,
        weft_status_make(WEFT_STATUS_UNAVAILABLE, "never"));
    weft_sim_device_fail_allocations(model->devices[i], 0, 0);
    for (uint32_t queue = 0; queue < 2; queue++) {
      weft_kit_assert_ok(weft_sim_device_hold(model->devices[i], queue, false));
    }
  }
  for (int i = 0; i < READERS; i++) {
    party_t* party = &model->parties[i];
    weft_lease_release(&party->held);
    drop_memory(party);
    party->destination = (weft_destination_t){.driver = any_driver(model)};
    int faults = 0;
    while (party->next < model->written) {
      weft_lease_t lease;
      weft_status_t status = weft_reader_read_into(
          party->reader, &party->destination, WEFT_TIME_NOW, &lease);
      if (status == WEFT_OK) {
        take(model, party, &lease);
      }
      // Of copies that were made before; each read ends one of them.
      faults += is_fault(status) ? 1 : 0;
      assert_true(faults <= SLOTS);
      assert_true(status == WEFT_OK || is_wait(status) || is_fault(status));
      weft_status_release(status);
      step(model, 20);
      weft_peer_kit_run(&model->kit);
    }
  }
}

static void run(weft_kit_random_t* random, void* user) {
  static model_t model;
  (void)user;
  open_model(&model, random);
  for (int i = 0; i < ACTS; i++) {
    act(&model);
  }
  settle(&model);
  for (int i = 0; i < READERS; i++) {
    weft_lease_release(&model.parties[i].held);
    weft_reader_release(model.parties[i].reader);
    drop_memory(&model.parties[i]);
  }
  weft_writer_release(model.writer);
  if (model.has_pending) {
    weft_value_release(model.pending);
  }
  weft_peer_kit_run(&model.kit);
  weft_travel_close(&model.kit);
  for (int i = 0; i < DEVICES; i++) {
    assert_int_equal(weft_sim_kit_counters(model.devices[i]).live_blocks, 0);
    weft_sim_device_destroy(model.devices[i]);
  }
}

static void every_reader_gets_every_value_whole(void** state) {
  (void)state;
  weft_kit_for_seeds(run, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_reader_gets_every_value_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
