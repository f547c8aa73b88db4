// SPDX-License-Identifier: Apache-2.0
//
// Random copies between the cpu and two simulated devices, against plain
// arrays that are changed whenever a copy says that it is over.

#include <string.h>

#include "value/sim_device_kit.h"

#define DEVICE_COUNT 2
#define QUEUE_COUNT 3
// Of the cpu, and of each device.
#define PER_OWNER ((size_t)2)
#define REGION_COUNT ((DEVICE_COUNT + 1) * PER_OWNER)
#define REGION_BYTES 64
#define COPY_LIMIT 200

typedef struct model model_t;

// A copy that was appended.
typedef struct model_copy {
  model_t* model;
  size_t to_region;
  size_t to_offset;
  size_t from_region;
  size_t from_offset;
  size_t size_bytes;
  // Its device and queue, as one number, and its place there.
  size_t queue;
  size_t sequence;
  bool must_fail;
} model_copy_t;

struct model {
  weft_kit_random_t* random;
  weft_sim_device_t* devices[DEVICE_COUNT];
  weft_sim_kit_place_t regions[REGION_COUNT];
  char cpu_bytes[PER_OWNER][REGION_BYTES];
  // What must be in each region now.
  char expected[REGION_COUNT][REGION_BYTES];
  model_copy_t copies[COPY_LIMIT];
  size_t count;
  size_t appended[DEVICE_COUNT * QUEUE_COUNT];
  size_t ended[DEVICE_COUNT * QUEUE_COUNT];
  uint64_t copied_bytes;
  // What copies of each device are told to fail after; SIZE_MAX: none.
  size_t fails_after[DEVICE_COUNT];
};

static void set_up(model_t* model, weft_kit_random_t* random) {
  memset(model, 0, sizeof(*model));
  model->random = random;
  for (size_t i = 0; i < DEVICE_COUNT; ++i) {
    model->devices[i] =
        weft_sim_kit_make_stepped(QUEUE_COUNT, weft_kit_random_next(random));
    model->fails_after[i] = SIZE_MAX;
  }
  for (size_t i = 0; i < REGION_COUNT; ++i) {
    bool is_cpu = i < PER_OWNER;
    model->regions[i] =
        is_cpu ? weft_sim_kit_cpu(model->cpu_bytes[i])
               : weft_sim_kit_allocate(model->devices[i / PER_OWNER - 1],
                                       REGION_BYTES);
    memset(model->expected[i], is_cpu ? (int)i + 1 : WEFT_SIM_DEVICE_POISON,
           REGION_BYTES);
    if (is_cpu) {
      memcpy(model->cpu_bytes[i], model->expected[i], REGION_BYTES);
    }
  }
}

static void check_cpu(const model_t* model) {
  for (size_t i = 0; i < PER_OWNER; ++i) {
    assert_memory_equal(model->cpu_bytes[i], model->expected[i], REGION_BYTES);
  }
}

static void copy_done(void* user, weft_status_t status) {
  model_copy_t* copy = user;
  model_t* model = copy->model;
  assert_int_equal(copy->sequence, model->ended[copy->queue]++);
  assert_int_equal(weft_status_ignore(status),
                   copy->must_fail ? WEFT_STATUS_DATA_LOSS : WEFT_STATUS_OK);
  if (!copy->must_fail) {
    memcpy(model->expected[copy->to_region] + copy->to_offset,
           model->expected[copy->from_region] + copy->from_offset,
           copy->size_bytes);
    model->copied_bytes += copy->size_bytes;
  }
  check_cpu(model);
}

// Two regions that are not both the cpu's; ranges that do not overlap.
static void draw_ranges(model_copy_t* copy) {
  weft_kit_random_t* random = copy->model->random;
  do {
    copy->to_region = weft_kit_random_below(random, REGION_COUNT);
    copy->from_region = weft_kit_random_below(random, REGION_COUNT);
  } while (copy->to_region < PER_OWNER && copy->from_region < PER_OWNER);
  const size_t half = REGION_BYTES / 2;
  copy->size_bytes = 1 + weft_kit_random_below(random, half);
  copy->to_offset = weft_kit_random_below(random, half - copy->size_bytes + 1);
  copy->from_offset =
      half + weft_kit_random_below(random, half - copy->size_bytes + 1);
  if (weft_kit_random_below(random, 2) == 0) {
    size_t offset = copy->to_offset;
    copy->to_offset = copy->from_offset;
    copy->from_offset = offset;
  }
}

static bool takes_failure(size_t* fails_after) {
  bool takes = *fails_after == 0;
  *fails_after -= *fails_after != SIZE_MAX ? 1 : 0;
  return takes;
}

static void append(model_t* model) {
  model_copy_t* copy = &model->copies[model->count++];
  copy->model = model;
  draw_ranges(copy);
  weft_sim_kit_place_t to = model->regions[copy->to_region];
  weft_sim_kit_place_t from = model->regions[copy->from_region];
  weft_sim_device_t* by = to.device != NULL ? to.device : from.device;
  size_t device = by == model->devices[0] ? 0 : 1;
  uint32_t queue = (uint32_t)weft_kit_random_below(model->random, QUEUE_COUNT);
  copy->queue = device * QUEUE_COUNT + queue;
  copy->sequence = model->appended[copy->queue]++;
  copy->must_fail = takes_failure(&model->fails_after[device]);
  const weft_device_copy_t described = {
      .destination_driver = weft_sim_kit_driver(to.device),
      .destination = to.address + copy->to_offset,
      .source_driver = weft_sim_kit_driver(from.device),
      .source = from.address + copy->from_offset,
      .size_bytes = copy->size_bytes,
      .done = copy_done,
      .done_user = copy,
  };
  const weft_device_driver_t* driver = weft_sim_device_driver(by);
  weft_kit_assert_ok(driver->vtable->copy(driver, queue, &described));
}

static void act(model_t* model) {
  size_t device = weft_kit_random_below(model->random, DEVICE_COUNT);
  uint32_t queue = (uint32_t)weft_kit_random_below(model->random, QUEUE_COUNT);
  weft_sim_device_t* on = model->devices[device];
  switch (weft_kit_random_below(model->random, 12)) {
    case 0:
      weft_sim_kit_synchronize(on, queue);
      assert_int_equal(model->ended[device * QUEUE_COUNT + queue],
                       model->appended[device * QUEUE_COUNT + queue]);
      break;
    case 1:
      weft_kit_assert_ok(weft_sim_device_hold(
          on, queue, weft_kit_random_below(model->random, 2) == 0));
      break;
    case 2:
      model->fails_after[device] = weft_kit_random_below(model->random, 8);
      weft_sim_device_fail_copies(on, model->fails_after[device], 1,
                                  weft_status_from_code(WEFT_STATUS_DATA_LOSS));
      break;
    case 3:
    case 4:
    case 5:
    case 6:
      (void)weft_sim_device_step(on);
      break;
    default:
      append(model);
      break;
  }
  check_cpu(model);
}

static void check_end(model_t* model) {
  uint64_t copied_bytes = 0;
  for (size_t i = 0; i < DEVICE_COUNT; ++i) {
    for (uint32_t queue = 0; queue < QUEUE_COUNT; ++queue) {
      weft_sim_kit_synchronize(model->devices[i], queue);
    }
    weft_sim_device_fail_copies(model->devices[i], 0, 0,
                                weft_status_from_code(WEFT_STATUS_FAILED));
    copied_bytes += weft_sim_kit_counters(model->devices[i]).copied_bytes;
  }
  assert_int_equal(copied_bytes, model->copied_bytes);
  check_cpu(model);
  for (size_t i = PER_OWNER; i < REGION_COUNT; ++i) {
    char bytes[REGION_BYTES];
    weft_sim_kit_copy_now(weft_sim_kit_cpu(bytes), model->regions[i],
                          REGION_BYTES);
    assert_memory_equal(bytes, model->expected[i], REGION_BYTES);
    weft_sim_kit_free(model->regions[i], REGION_BYTES);
  }
}

static void copy_at_random(weft_kit_random_t* random, void* user) {
  (void)user;
  static model_t model;
  set_up(&model, random);
  while (model.count < COPY_LIMIT) {
    act(&model);
  }
  check_end(&model);
  for (size_t i = 0; i < DEVICE_COUNT; ++i) {
    assert_int_equal(weft_sim_kit_counters(model.devices[i]).live_bytes, 0);
    weft_sim_device_destroy(model.devices[i]);
  }
}

static void random_copies_are_those_of_the_model(void** state) {
  (void)state;
  weft_kit_for_seeds(copy_at_random, NULL);
}

// --- Many threads -----------------------------------------------------------

#define THREAD_COUNT 4

typedef struct crowd {
  weft_sim_device_t* devices[DEVICE_COUNT];
  bool is_right[THREAD_COUNT];
} crowd_t;

static bool append_to(uint32_t queue, weft_sim_kit_place_t to,
                      weft_sim_kit_place_t from, weft_sim_kit_entry_t* entry) {
  weft_sim_device_t* by = to.device != NULL ? to.device : from.device;
  return weft_status_ignore(weft_sim_kit_try_copy(
             by, queue, to, from, REGION_BYTES, entry)) == WEFT_STATUS_OK;
}

static bool take_memory(weft_sim_device_t* device,
                        weft_sim_kit_place_t* out_place) {
  const weft_device_driver_t* driver = weft_sim_device_driver(device);
  void* address = NULL;
  weft_status_t status = driver->vtable->allocate(
      driver, weft_allocator_system(), REGION_BYTES, &address);
  *out_place = (weft_sim_kit_place_t){device, address};
  return weft_status_ignore(status) == WEFT_STATUS_OK;
}

// There, on to the other device, and back, by a queue of one's own.
static bool go_round(crowd_t* crowd, uint32_t index, int round) {
  weft_sim_device_t* a = crowd->devices[index % DEVICE_COUNT];
  weft_sim_device_t* b = crowd->devices[(index + 1) % DEVICE_COUNT];
  weft_sim_kit_place_t at_a;
  weft_sim_kit_place_t at_b;
  char from[REGION_BYTES];
  char to[REGION_BYTES] = {0};
  weft_sim_kit_log_t log = {0};
  weft_sim_kit_entry_t entry = {&log, 0};
  memset(from, (int)index * 16 + round % 16, sizeof(from));
  if (!take_memory(a, &at_a) || !take_memory(b, &at_b)) {
    return false;
  }
  bool is_right = append_to(index, at_a, weft_sim_kit_cpu(from), &entry);
  weft_sim_kit_synchronize(a, index);
  is_right = is_right && append_to(index, at_b, at_a, &entry) &&
             append_to(index, weft_sim_kit_cpu(to), at_b, &entry);
  weft_sim_kit_synchronize(b, index);
  is_right = is_right && weft_sim_kit_ended(&log) == 3 &&
             memcmp(from, to, sizeof(to)) == 0;
  weft_sim_kit_free(at_b, REGION_BYTES);
  weft_sim_kit_free(at_a, REGION_BYTES);
  return is_right;
}

static void go_round_often(size_t index, void* user) {
  crowd_t* crowd = user;
  uint64_t rounds = weft_kit_amount(500);
  crowd->is_right[index] = true;
  for (uint64_t i = 0; i < rounds; ++i) {
    crowd->is_right[index] = crowd->is_right[index] &&
                             go_round(crowd, (uint32_t)index, (int)(i % 16));
  }
}

static void any_thread_may_use_any_device(void** state) {
  (void)state;
  crowd_t crowd = {.is_right = {false}};
  for (uint32_t i = 0; i < DEVICE_COUNT; ++i) {
    // One of them is stepped by whoever waits.
    crowd.devices[i] = weft_sim_kit_make(&(weft_sim_device_options_t){
        .queue_count = THREAD_COUNT, .is_stepped = i == 1});
  }
  weft_kit_run_threads(THREAD_COUNT, go_round_often, &crowd);
  for (size_t i = 0; i < THREAD_COUNT; ++i) {
    assert_true(crowd.is_right[i]);
  }
  for (size_t i = 0; i < DEVICE_COUNT; ++i) {
    assert_int_equal(weft_sim_kit_counters(crowd.devices[i]).live_bytes, 0);
    weft_sim_device_destroy(crowd.devices[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(random_copies_are_those_of_the_model),
      cmocka_unit_test(any_thread_may_use_any_device),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
