// SPDX-License-Identifier: Apache-2.0
//
// Values that are read into memory of the reader, or onto its device. Each test
// runs once for each kind of channel in one runtime, which come first.

#include "channel/conform_kit.h"
#include "value/sim_device_kit.h"

static const int64_t two_by_three[] = {2, 3};
static const int64_t four[] = {4};
static const int64_t three[] = {3};

// A channel, and two devices.
typedef struct stage {
  weft_channel_case_t c;
  weft_sim_device_t* devices[2];
} stage_t;

typedef void (*body_fn_t)(stage_t* stage);

static void for_kinds(body_fn_t body, bool is_stepped) {
  for (size_t i = 0; i < KINDS && weft_is_near(&weft_channel_kinds[i]); i++) {
    stage_t stage;
    print_message("             %s\n", weft_channel_kinds[i].name);
    for (int32_t id = 0; id < 2; id++) {
      stage.devices[id] = weft_sim_kit_make(&(weft_sim_device_options_t){
          .id = id + 1, .queue_count = 2, .is_stepped = is_stepped});
    }
    weft_case_init(&stage.c, &weft_channel_kinds[i]);
    body(&stage);
    weft_case_deinit(&stage.c);
    for (int id = 0; id < 2; id++) {
      assert_int_equal(weft_sim_kit_counters(stage.devices[id]).live_blocks, 0);
      weft_sim_device_destroy(stage.devices[id]);
    }
  }
}

#define FOR_KINDS(name, is_stepped)     \
  static void name(void** state) {      \
    (void)state;                        \
    for_kinds(name##_body, is_stepped); \
  }

// --- Values: [n, {"x": int32[2, 3]}, float32[4]] ----------------------------

static weft_tensor_t* make_on(const weft_device_driver_t* driver,
                              weft_dtype_t dtype, uint32_t ndim,
                              const int64_t* shape, const void* data) {
  weft_tensor_t* here = NULL;
  weft_tensor_t* there = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, dtype, ndim, shape, data, &here));
  weft_kit_assert_ok(weft_tensor_copy(NULL, driver, here, &there));
  weft_tensor_release(here);
  return there;
}

static void fill(int64_t n, int32_t x[6], float y[4]) {
  for (int i = 0; i < 6; i++) {
    x[i] = (int32_t)n * 100 + i;
  }
  for (int i = 0; i < 4; i++) {
    y[i] = (float)n + (float)i / 4;
  }
}

static weft_value_t make_value(const weft_device_driver_t* driver, int64_t n) {
  int32_t x[6];
  float y[4];
  weft_map_entry_t entry;
  fill(n, x, y);
  weft_value_t parts[] = {weft_int64(n), weft_none(), weft_none()};
  entry.value =
      weft_tensor_into_value(make_on(driver, WEFT_INT32, 2, two_by_three, x));
  weft_kit_assert_ok(weft_string_from_c(NULL, "x", &entry.key));
  weft_kit_assert_ok(weft_map_create(NULL, &entry, 1, &parts[1]));
  parts[2] = weft_tensor_into_value(make_on(driver, WEFT_FLOAT32, 1, four, y));
  weft_value_t list;
  weft_kit_assert_ok(weft_list_create(NULL, parts, 3, &list));
  weft_value_release(entry.key);
  weft_value_release(entry.value);
  weft_value_release(parts[1]);
  weft_value_release(parts[2]);
  return list;
}

static void put(stage_t* stage, const weft_device_driver_t* driver, int64_t n) {
  weft_value_t value = make_value(driver, n);
  weft_kit_assert_ok(weft_writer_write(stage->c.writer, value, WEFT_TIME_NOW));
  weft_value_release(value);
}

static const weft_tensor_t* tensor_at(weft_value_t value, int index) {
  const weft_value_t* parts;
  size_t count;
  const weft_tensor_t* tensor;
  weft_kit_assert_ok(weft_value_as_list(value, &parts, &count));
  weft_value_t part = parts[2];
  if (index == 0) {
    weft_kit_assert_ok(weft_map_get(parts[1], "x", &part));
  }
  weft_kit_assert_ok(weft_value_as_tensor(part, &tensor));
  return tensor;
}

static void check_data(const weft_tensor_t* tensor, const void* data) {
  weft_tensor_t* here = NULL;
  weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, tensor, &here));
  assert_memory_equal(weft_tensor_data(here), data,
                      weft_tensor_size_bytes(here));
  weft_tensor_release(here);
}

// Checks what was read and gives it back.
static void check_value(weft_lease_t* lease, int64_t n,
                        const weft_device_driver_t* driver) {
  int32_t x[6];
  float y[4];
  const weft_value_t* parts;
  size_t count;
  fill(n, x, y);
  weft_kit_assert_ok(weft_value_as_list(lease->value, &parts, &count));
  assert_true(weft_value_equal(parts[0], weft_int64(n)));
  for (int i = 0; i < 2; i++) {
    const weft_tensor_t* tensor = tensor_at(lease->value, i);
    assert_ptr_equal(weft_storage_driver(weft_tensor_storage(tensor)), driver);
    check_data(tensor, i == 0 ? (const void*)x : (const void*)y);
  }
  weft_lease_release(lease);
  assert_null(lease->reader);
}

static weft_status_t try_read(weft_reader_t* reader,
                              const weft_destination_t* destination,
                              weft_lease_t* lease) {
  return weft_reader_read_into(reader, destination, WEFT_TIME_NOW, lease);
}

// What was written is read as it is, and by all.
static void read_as_it_is(stage_t* stage, int first, int64_t n,
                          const weft_device_driver_t* driver) {
  for (int i = first; i < READERS; i++) {
    weft_lease_t lease = weft_take(stage->c.readers[i]);
    check_value(&lease, n, driver);
  }
}

static weft_tensor_t* room_on(const weft_device_driver_t* driver,
                              weft_dtype_t dtype, uint32_t ndim,
                              const int64_t* shape) {
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, driver, dtype, ndim, shape, &tensor));
  return tensor;
}

typedef struct room {
  weft_tensor_t* tensors[2];
  weft_destination_t destination;
} room_t;

static void make_room(room_t* room, const weft_device_driver_t* driver) {
  room->tensors[0] = room_on(driver, WEFT_INT32, 2, two_by_three);
  room->tensors[1] = room_on(driver, WEFT_FLOAT32, 1, four);
  room->destination =
      (weft_destination_t){.tensors = room->tensors, .tensor_count = 2};
}

static void drop_room(room_t* room) {
  for (int i = 0; i < 2; i++) {
    weft_tensor_release(room->tensors[i]);
  }
}

static void expect_unique(const room_t* room, weft_status_code_t code) {
  for (int i = 0; i < 2; i++) {
    void* data;
    weft_kit_assert_status(code,
                           weft_tensor_mutable_data(room->tensors[i], &data));
  }
}

// --- Memory of the reader ---------------------------------------------------

static void memory_of_the_reader_is_filled_again_and_again_body(
    stage_t* stage) {
  room_t room;
  make_room(&room, NULL);
  for (int64_t n = 0; n < 10; n++) {
    weft_lease_t lease;
    put(stage, NULL, n);
    weft_kit_assert_ok(
        try_read(stage->c.readers[0], &room.destination, &lease));
    assert_int_equal(lease.sequence, n);
    for (int i = 0; i < 2; i++) {
      assert_ptr_equal(tensor_at(lease.value, i), room.tensors[i]);
    }
    expect_unique(&room, WEFT_STATUS_FAILED_PRECONDITION);
    check_value(&lease, n, weft_device_cpu());
    expect_unique(&room, WEFT_STATUS_OK);
    read_as_it_is(stage, 1, n, weft_device_cpu());
  }
  drop_room(&room);
}
FOR_KINDS(memory_of_the_reader_is_filled_again_and_again, true)

static void a_reader_may_bring_memory_for_some_or_none_body(stage_t* stage) {
  weft_lease_t lease;
  room_t room;
  const int64_t unknown[] = {WEFT_DIMENSION_UNKNOWN};
  put(stage, NULL, 3);
  make_room(&room, NULL);
  weft_tensor_release(room.tensors[0]);
  weft_tensor_release(room.tensors[1]);
  room.tensors[0] = NULL;
  // Declared: it gets its size.
  weft_kit_assert_ok(weft_tensor_declare(NULL, NULL, WEFT_FLOAT32, 1, unknown,
                                         &room.tensors[1]));
  weft_kit_assert_ok(try_read(stage->c.readers[0], &room.destination, &lease));
  assert_ptr_equal(tensor_at(lease.value, 1), room.tensors[1]);
  weft_lease_t whole = weft_take(stage->c.readers[1]);
  assert_ptr_equal(tensor_at(lease.value, 0), tensor_at(whole.value, 0));
  check_value(&whole, 3, weft_device_cpu());
  check_value(&lease, 3, weft_device_cpu());
  const weft_destination_t none = {.tensors = NULL};
  weft_kit_assert_ok(try_read(stage->c.readers[2], &none, &lease));
  check_value(&lease, 3, weft_device_cpu());
  weft_tensor_release(room.tensors[1]);
}
FOR_KINDS(a_reader_may_bring_memory_for_some_or_none, true)

static void errors_and_numbers_are_read_as_they_are_body(stage_t* stage) {
  weft_lease_t lease;
  const weft_destination_t here = {.driver = weft_device_cpu()};
  weft_status_t error = weft_status_make(WEFT_STATUS_FAILED, "dirty");
  weft_put(stage->c.writer, 5);
  weft_kit_assert_ok(weft_writer_fail(stage->c.writer, error, WEFT_TIME_NOW));
  weft_writer_close(stage->c.writer, WEFT_OK);
  for (int i = 0; i < READERS; i++) {
    weft_kit_assert_ok(try_read(stage->c.readers[i], &here, &lease));
    weft_check_number(&lease, 5);
    weft_lease_release(&lease);
    weft_kit_assert_ok(try_read(stage->c.readers[i], &here, &lease));
    assert_ptr_equal(lease.status, error);
    weft_lease_release(&lease);
    weft_kit_assert_status(WEFT_STATUS_CLOSED,
                           try_read(stage->c.readers[i], &here, &lease));
    assert_null(lease.reader);
  }
  weft_status_release(error);
}
FOR_KINDS(errors_and_numbers_are_read_as_they_are, true)

// --- What is refused --------------------------------------------------------

static void refuse(stage_t* stage, weft_tensor_t* second,
                   weft_status_code_t code, const char* says) {
  weft_lease_t lease;
  room_t room;
  make_room(&room, NULL);
  weft_tensor_release(room.tensors[1]);
  room.tensors[1] = second;
  weft_status_t status =
      try_read(stage->c.readers[0], &room.destination, &lease);
  weft_kit_assert_status_says(code, "value: [2]", weft_status_retain(status));
  weft_kit_assert_status_says(code, says, status);
  assert_null(lease.reader);
  drop_room(&room);
}

static weft_tensor_t* make_gaps(void) {
  const int64_t stride[] = {2};
  const weft_tensor_layout_t layout = {WEFT_FLOAT32, 1, four, stride, 0};
  weft_storage_t* storage = NULL;
  weft_tensor_t* gaps = NULL;
  weft_kit_assert_ok(weft_storage_create(NULL, NULL, 32, &storage));
  weft_kit_assert_ok(weft_tensor_from_storage(NULL, storage, &layout, &gaps));
  weft_storage_release(storage);
  return gaps;
}

static void memory_that_does_not_fit_is_refused_and_nothing_is_lost_body(
    stage_t* stage) {
  weft_lease_t lease;
  room_t room;
  put(stage, NULL, 7);
  put(stage, NULL, 8);
  refuse(stage, room_on(NULL, WEFT_INT32, 1, four),
         WEFT_STATUS_INVALID_ARGUMENT, "int32[4], not float32[4]");
  refuse(stage, room_on(NULL, WEFT_FLOAT32, 1, three),
         WEFT_STATUS_INVALID_ARGUMENT, "float32[3], not float32[4]");
  refuse(stage, make_gaps(), WEFT_STATUS_INVALID_ARGUMENT, "has gaps");
  weft_tensor_t* shared = room_on(NULL, WEFT_FLOAT32, 1, four);
  refuse(stage, weft_tensor_retain(shared), WEFT_STATUS_FAILED_PRECONDITION,
         "shared");
  make_room(&room, NULL);
  room.destination.tensor_count = 1;
  weft_kit_assert_status_says(
      WEFT_STATUS_INVALID_ARGUMENT, "for 1 tensors; the value has 2",
      try_read(stage->c.readers[0], &room.destination, &lease));
  room.destination.tensor_count = 2;
  weft_tensor_release(room.tensors[0]);
  room.tensors[0] = shared;
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      try_read(stage->c.readers[0], &room.destination, &lease));
  // A value is read with a destination that fits, or with none.
  weft_tensor_release(room.tensors[0]);
  room.tensors[0] = room_on(NULL, WEFT_INT32, 2, two_by_three);
  weft_kit_assert_ok(try_read(stage->c.readers[0], &room.destination, &lease));
  assert_int_equal(lease.sequence, 0);
  check_value(&lease, 7, weft_device_cpu());
  refuse(stage, make_gaps(), WEFT_STATUS_INVALID_ARGUMENT, "has gaps");
  lease = weft_take(stage->c.readers[0]);
  assert_int_equal(lease.sequence, 1);
  check_value(&lease, 8, weft_device_cpu());
  weft_expect_empty(stage->c.readers[0], WEFT_STATUS_WOULD_BLOCK);
  read_as_it_is(stage, 1, 7, weft_device_cpu());
  read_as_it_is(stage, 1, 8, weft_device_cpu());
  drop_room(&room);
}
FOR_KINDS(memory_that_does_not_fit_is_refused_and_nothing_is_lost, true)

static void one_tensor_is_not_memory_for_two_body(stage_t* stage) {
  weft_lease_t lease;
  weft_tensor_t* room = room_on(NULL, WEFT_FLOAT32, 1, four);
  float y[] = {1, 2, 3, 4};
  weft_value_t parts[2];
  for (int i = 0; i < 2; i++) {
    parts[i] = weft_tensor_into_value(make_on(NULL, WEFT_FLOAT32, 1, four, y));
  }
  weft_value_t list;
  weft_kit_assert_ok(weft_list_create(NULL, parts, 2, &list));
  weft_kit_assert_ok(weft_writer_write(stage->c.writer, list, WEFT_TIME_NOW));
  weft_tensor_t* twice[] = {room, room};
  const weft_destination_t into = {.tensors = twice, .tensor_count = 2};
  weft_kit_assert_status_says(WEFT_STATUS_FAILED_PRECONDITION, "value: [1]",
                              try_read(stage->c.readers[0], &into, &lease));
  weft_value_release(list);
  weft_value_release(parts[0]);
  weft_value_release(parts[1]);
  weft_tensor_release(room);
}
FOR_KINDS(one_tensor_is_not_memory_for_two, true)

static void a_failed_read_tells_who_has_asked_body(stage_t* stage) {
  weft_future_t* future = NULL;
  weft_lease_t lease;
  const weft_destination_t into = {.tensors = (weft_tensor_t*[]){NULL},
                                   .tensor_count = 1};
  put(stage, NULL, 1);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         try_read(stage->c.readers[0], &into, &lease));
  weft_kit_assert_ok(weft_reader_ready(stage->c.readers[0], &future));
  assert_true(weft_future_is_done(future));
  weft_future_release(future);
}
FOR_KINDS(a_failed_read_tells_who_has_asked, true)

// --- Devices ----------------------------------------------------------------

static void step_all(stage_t* stage) {
  for (int i = 0; i < 2; i++) {
    while (weft_sim_device_step(stage->devices[i])) {
    }
  }
}

static void tensors_get_to_any_device_body(stage_t* stage) {
  const weft_device_driver_t* drivers[] = {
      weft_device_cpu(), weft_sim_device_driver(stage->devices[0]),
      weft_sim_device_driver(stage->devices[1])};
  for (int i = 0; i < 18; i++) {
    const weft_device_driver_t* from = drivers[i % 3];
    const weft_device_driver_t* to = drivers[i / 3 % 3];
    weft_lease_t lease;
    room_t room;
    make_room(&room, to);
    put(stage, from, i);
    const weft_destination_t onto = {.driver = to,
                                     .queue = to == drivers[0] ? 0 : 1};
    const weft_destination_t* wanted = i < 9 ? &onto : &room.destination;
    bool copies = i < 9 ? from != to : true;
    bool is_later = copies && (from != drivers[0] || to != drivers[0]);
    weft_status_t status = try_read(stage->c.readers[0], wanted, &lease);
    if (is_later) {
      weft_kit_assert_status_says(WEFT_STATUS_WOULD_BLOCK,
                                  "extension:", status);
      step_all(stage);
      status = try_read(stage->c.readers[0], wanted, &lease);
    }
    weft_kit_assert_ok(status);
    check_value(&lease, i, to);
    read_as_it_is(stage, 1, i, from);
    drop_room(&room);
  }
}
FOR_KINDS(tensors_get_to_any_device, true)

// Once for each message and device, however many tensors it has: this reads on
// the thread that waits.
static void devices_are_waited_for_once_body(stage_t* stage) {
  const weft_device_driver_t* a = weft_sim_device_driver(stage->devices[0]);
  weft_lease_t lease;
  put(stage, a, 4);
  uint64_t before = weft_sim_kit_counters(stage->devices[0]).synchronizations;
  const weft_destination_t here = {.driver = weft_device_cpu()};
  weft_kit_assert_ok(weft_reader_read_into(stage->c.readers[0], &here,
                                           WEFT_TIME_INFINITE, &lease));
  weft_sim_device_counters_t after = weft_sim_kit_counters(stage->devices[0]);
  assert_true(after.synchronizations - before <= 1);
  check_value(&lease, 4, weft_device_cpu());
  read_as_it_is(stage, 1, 4, a);
}
FOR_KINDS(devices_are_waited_for_once, false)

static void readers_of_one_place_share_a_transfer_body(stage_t* stage) {
  weft_sim_device_t* device = stage->devices[0];
  const weft_destination_t onto = {.driver = weft_sim_device_driver(device)};
  weft_lease_t leases[READERS];
  put(stage, NULL, 6);
  uint64_t copies = weft_sim_kit_counters(device).copies;
  for (int i = 0; i < READERS; i++) {
    weft_kit_assert_ok(weft_reader_read_into(
        stage->c.readers[i], &onto, weft_soon(&stage->c, 60000), &leases[i]));
    assert_ptr_equal(tensor_at(leases[i].value, 0),
                     tensor_at(leases[0].value, 0));
  }
  assert_int_equal(weft_sim_kit_counters(device).copies, copies + 2);
  for (int i = 0; i < READERS; i++) {
    check_value(&leases[i], 6, onto.driver);
  }
}
FOR_KINDS(readers_of_one_place_share_a_transfer, false)

static void a_deadline_holds_and_the_read_goes_on_body(stage_t* stage) {
  weft_sim_device_t* device = stage->devices[1];
  weft_lease_t lease;
  room_t room;
  make_room(&room, weft_sim_device_driver(device));
  put(stage, NULL, 9);
  weft_kit_assert_ok(weft_sim_device_hold(device, 0, true));
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_status_says(
        WEFT_STATUS_DEADLINE_EXCEEDED, "extension:2",
        weft_reader_read_into(stage->c.readers[0], &room.destination,
                              weft_soon(&stage->c, 5), &lease));
    expect_unique(&room, WEFT_STATUS_FAILED_PRECONDITION);
  }
  // Another destination waits for the device first; none does not wait.
  const weft_destination_t onto = {.driver = weft_sim_device_driver(device)};
  weft_kit_assert_status(
      WEFT_STATUS_DEADLINE_EXCEEDED,
      weft_reader_read_into(stage->c.readers[0], &onto, weft_soon(&stage->c, 5),
                            &lease));
  read_as_it_is(stage, 1, 9, weft_device_cpu());
  weft_kit_assert_ok(weft_sim_device_hold(device, 0, false));
  weft_kit_assert_ok(weft_reader_read_into(
      stage->c.readers[0], &room.destination, WEFT_TIME_INFINITE, &lease));
  assert_ptr_equal(tensor_at(lease.value, 0), room.tensors[0]);
  // It was not copied twice.
  assert_int_equal(weft_sim_kit_counters(device).copies, 2);
  check_value(&lease, 9, onto.driver);
  expect_unique(&room, WEFT_STATUS_OK);
  drop_room(&room);
}
FOR_KINDS(a_deadline_holds_and_the_read_goes_on, false)

static void who_waited_in_vain_may_read_as_it_is_or_leave_body(stage_t* stage) {
  const weft_device_driver_t* a = weft_sim_device_driver(stage->devices[0]);
  const weft_destination_t onto = {.driver = a};
  weft_lease_t lease;
  put(stage, NULL, 1);
  put(stage, NULL, 2);
  for (int i = 0; i < READERS; i++) {
    weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                           try_read(stage->c.readers[i], &onto, &lease));
  }
  lease = weft_take(stage->c.readers[0]);
  check_value(&lease, 1, weft_device_cpu());
  // The device is still at work for the value before.
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         try_read(stage->c.readers[0], &onto, &lease));
  weft_reader_release(stage->c.readers[1]);
  stage->c.readers[1] = NULL;
  step_all(stage);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         try_read(stage->c.readers[0], &onto, &lease));
  step_all(stage);
  weft_kit_assert_ok(try_read(stage->c.readers[0], &onto, &lease));
  check_value(&lease, 2, a);
  weft_kit_assert_ok(try_read(stage->c.readers[2], &onto, &lease));
  check_value(&lease, 1, a);
  // One more that nobody waits for when all leave.
  put(stage, NULL, 3);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         try_read(stage->c.readers[0], &onto, &lease));
}
FOR_KINDS(who_waited_in_vain_may_read_as_it_is_or_leave, true)

// --- Failures ---------------------------------------------------------------

static weft_status_t read_soon(stage_t* stage, weft_lease_t* lease,
                               const weft_destination_t* destination) {
  return weft_reader_read_into(stage->c.readers[0], destination,
                               WEFT_TIME_INFINITE, lease);
}

static void a_failure_names_tensor_and_device_and_loses_nothing_body(
    stage_t* stage) {
  weft_sim_device_t* device = stage->devices[0];
  const weft_destination_t onto = {.driver = weft_sim_device_driver(device)};
  weft_lease_t lease;
  put(stage, NULL, 5);
  for (uint64_t i = 0; i < 2; i++) {
    weft_sim_device_fail_copies(
        device, i, 1, weft_status_make(WEFT_STATUS_DATA_LOSS, "a bit turned"));
    weft_status_t status = read_soon(stage, &lease, &onto);
    weft_kit_assert_status_says(
        WEFT_STATUS_DATA_LOSS,
        i == 0 ? "tensor 0 of the value, tensor int32[2, 3] on cpu:0, was not "
                 "copied to extension:1"
               : "tensor 1 of the value, tensor float32[4] on cpu:0, was not "
                 "copied to extension:1",
        weft_status_retain(status));
    weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "a bit turned", status);
    weft_sim_device_fail_allocations(device, i, 1);
    status = read_soon(stage, &lease, &onto);
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                i == 0 ? "value: [1].x" : "value: [2]",
                                weft_status_retain(status));
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "device 1",
                                status);
    assert_int_equal(weft_sim_kit_counters(device).live_blocks, 0);
  }
  weft_kit_assert_ok(read_soon(stage, &lease, &onto));
  check_value(&lease, 5, onto.driver);
  read_as_it_is(stage, 1, 5, weft_device_cpu());
  put(stage, onto.driver, 6);
  weft_sim_device_lose(
      device, weft_status_make(WEFT_STATUS_UNAVAILABLE, "it fell off"));
  const weft_destination_t here = {.driver = weft_device_cpu()};
  weft_kit_assert_status_says(WEFT_STATUS_UNAVAILABLE, "it fell off",
                              read_soon(stage, &lease, &here));
  lease = weft_take(stage->c.readers[0]);
  weft_lease_release(&lease);
  put(stage, NULL, 7);
  weft_kit_assert_ok(read_soon(stage, &lease, &here));
  check_value(&lease, 7, weft_device_cpu());
}
FOR_KINDS(a_failure_names_tensor_and_device_and_loses_nothing, false)

static void a_tensor_without_a_size_goes_nowhere_body(stage_t* stage) {
  weft_tensor_t* declared = NULL;
  weft_lease_t lease;
  const weft_destination_t onto = {
      .driver = weft_sim_device_driver(stage->devices[0])};
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 1, NULL, &declared));
  weft_value_t value = weft_tensor_into_value(declared);
  weft_kit_assert_ok(weft_writer_write(stage->c.writer, value, WEFT_TIME_NOW));
  weft_value_release(value);
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         try_read(stage->c.readers[0], &onto, &lease));
  lease = weft_take(stage->c.readers[0]);
  weft_lease_release(&lease);
}
FOR_KINDS(a_tensor_without_a_size_goes_nowhere, true)

static void after_the_end_of_the_runtime_devices_are_waited_for_body(
    stage_t* stage) {
  const weft_destination_t onto = {
      .driver = weft_sim_device_driver(stage->devices[0])};
  weft_lease_t lease;
  put(stage, NULL, 1);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         try_read(stage->c.readers[1], &onto, &lease));
  weft_runtime_destroy(stage->c.runtimes[0]);
  stage->c.runtimes[0] = NULL;
  weft_kit_assert_ok(
      try_read(stage->c.readers[0],
               &(weft_destination_t){.driver = weft_device_cpu()}, &lease));
  check_value(&lease, 1, weft_device_cpu());
  step_all(stage);
  weft_kit_assert_ok(try_read(stage->c.readers[1], &onto, &lease));
  check_value(&lease, 1, onto.driver);
  const weft_destination_t other = {
      .driver = weft_sim_device_driver(stage->devices[1])};
  weft_kit_assert_ok(try_read(stage->c.readers[2], &other, &lease));
  check_value(&lease, 1, other.driver);
}
FOR_KINDS(after_the_end_of_the_runtime_devices_are_waited_for, true)

// --- Memory -----------------------------------------------------------------

static const weft_channel_kind_t* swept_kind;
static weft_sim_device_t* swept_device;

static weft_status_t read_all(weft_writer_t* writer, weft_reader_t** readers) {
  const weft_destination_t onto = {.driver =
                                       weft_sim_device_driver(swept_device)};
  weft_value_t value = make_value(NULL, 1);
  weft_status_t status = weft_writer_write(writer, value, WEFT_TIME_NOW);
  weft_value_release(value);
  for (int i = 0; i < READERS && status == WEFT_OK; i++) {
    weft_lease_t lease;
    status =
        weft_reader_read_into(readers[i], &onto, WEFT_TIME_INFINITE, &lease);
    weft_lease_release(&lease);
  }
  return status;
}

static weft_status_t create_pair(const weft_allocator_t* allocator, void* user,
                                 void** out_object) {
  (void)user;
  const weft_runtime_options_t options = {.allocator = allocator,
                                          .worker_count = 1};
  weft_runtime_t* runtime = NULL;
  weft_writer_t* writer = NULL;
  weft_reader_t* readers[READERS] = {NULL};
  WEFT_RETURN_IF_ERROR(weft_runtime_create(&options, &runtime));
  weft_status_t status = weft_case_make(swept_kind, runtime, &writer, readers);
  if (status == WEFT_OK && swept_kind->is_shared) {
    status = weft_case_share(readers);
  }
  if (status == WEFT_OK) {
    status = read_all(writer, readers);
  }
  weft_writer_release(writer);
  for (int i = 0; i < READERS; i++) {
    weft_reader_release(readers[i]);
  }
  if (status == WEFT_OK) {
    *out_object = runtime;
  } else {
    weft_runtime_destroy(runtime);
  }
  return status;
}

static void destroy_pair(void* object, void* user) {
  (void)user;
  weft_runtime_destroy(object);
}

static void without_memory_it_is_a_status(void** state) {
  (void)state;
  const weft_kit_creation_t creation = {
      .create = create_pair,
      .destroy = destroy_pair,
  };
  swept_device = weft_sim_kit_make(NULL);
  for (size_t i = 0; i < KINDS && weft_is_near(&weft_channel_kinds[i]); i++) {
    swept_kind = &weft_channel_kinds[i];
    weft_kit_sweep(&creation);
  }
  assert_int_equal(weft_sim_kit_counters(swept_device).live_blocks, 0);
  weft_sim_device_destroy(swept_device);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(memory_of_the_reader_is_filled_again_and_again),
      cmocka_unit_test(a_reader_may_bring_memory_for_some_or_none),
      cmocka_unit_test(errors_and_numbers_are_read_as_they_are),
      cmocka_unit_test(memory_that_does_not_fit_is_refused_and_nothing_is_lost),
      cmocka_unit_test(one_tensor_is_not_memory_for_two),
      cmocka_unit_test(a_failed_read_tells_who_has_asked),
      cmocka_unit_test(tensors_get_to_any_device),
      cmocka_unit_test(devices_are_waited_for_once),
      cmocka_unit_test(readers_of_one_place_share_a_transfer),
      cmocka_unit_test(a_deadline_holds_and_the_read_goes_on),
      cmocka_unit_test(who_waited_in_vain_may_read_as_it_is_or_leave),
      cmocka_unit_test(a_failure_names_tensor_and_device_and_loses_nothing),
      cmocka_unit_test(a_tensor_without_a_size_goes_nowhere),
      cmocka_unit_test(after_the_end_of_the_runtime_devices_are_waited_for),
      cmocka_unit_test(without_memory_it_is_a_status),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
