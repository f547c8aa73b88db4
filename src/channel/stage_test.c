// SPDX-License-Identifier: Apache-2.0
//
// Tensors of devices in channels over several processes. Rank 0 has device 1,
// and writes; rank 1 has device 2; rank 3 is played. Devices are stepped.

#include "channel/travel_kit.h"
#include "value/sim_device_kit.h"
#include "value/value_kit.h"

#define SLOTS 2
#define READERS 4
#define WAIT_NS INT64_C(1000000)

static const int64_t three[] = {3};

typedef struct scene {
  weft_peer_kit_t kit;
  weft_sim_device_t* devices[2];
  weft_writer_t* writer;
  // 0 stays at rank 0; 1 and 2 are opened at rank 1.
  weft_reader_t* readers[READERS];
} scene_t;

static const weft_device_driver_t* driver_of(scene_t* scene, uint32_t rank) {
  return weft_sim_device_driver(scene->devices[rank]);
}

static weft_sim_device_counters_t count(scene_t* scene, uint32_t rank) {
  return weft_sim_kit_counters(scene->devices[rank]);
}

static void open_there(scene_t* scene, int index) {
  weft_value_t value = weft_reader_value(scene->readers[index]);
  weft_reader_release(scene->readers[index]);
  weft_kit_assert_ok(
      weft_peer_kit_send(&scene->kit, 0, 1, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &scene->readers[index]));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
}

static void open_scene(scene_t* scene, bool is_static) {
  const weft_channel_options_t options = {.name = "tested",
                                          .reader_count = READERS,
                                          .slot_count = SLOTS,
                                          .slot_bytes = 8192,
                                          .is_static = is_static};
  memset(scene, 0, sizeof(*scene));
  weft_travel_open(&scene->kit);
  for (int32_t i = 0; i < 2; i++) {
    scene->devices[i] = weft_sim_kit_make(
        &(weft_sim_device_options_t){.id = i + 1, .is_stepped = true});
  }
  weft_kit_assert_ok(weft_channel_create(
      scene->kit.members[0].runtime, &options, &scene->writer, scene->readers));
  open_there(scene, 1);
  open_there(scene, 2);
}

static void drop(scene_t* scene, int index) {
  weft_reader_release(scene->readers[index]);
  scene->readers[index] = NULL;
  weft_peer_kit_run(&scene->kit);
}

static void close_scene(scene_t* scene) {
  for (int i = 0; i < READERS; i++) {
    drop(scene, i);
  }
  weft_writer_release(scene->writer);
  weft_peer_kit_run(&scene->kit);
  weft_travel_close(&scene->kit);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(weft_sim_kit_counters(scene->devices[i]).live_blocks, 0);
    weft_sim_device_destroy(scene->devices[i]);
  }
}

// --- Values: [n, int32[3] of a device, int32[3] of the cpu] -----------------

static weft_value_t make_tensor(const weft_device_driver_t* driver, int64_t n) {
  const int32_t data[] = {(int32_t)n, (int32_t)n + 1, (int32_t)n + 2};
  weft_tensor_t* here = NULL;
  weft_tensor_t* there = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT32, 1, three, data, &here));
  weft_kit_assert_ok(weft_tensor_copy(NULL, driver, here, &there));
  weft_tensor_release(here);
  return weft_tensor_into_value(there);
}

static weft_value_t make_value(scene_t* scene, int64_t n) {
  const weft_value_t parts[] = {
      weft_int64(n), make_tensor(driver_of(scene, 0), 10 * n),
      make_tensor(driver_of(scene, 0), 20 * n), make_tensor(NULL, 30 * n)};
  return weft_value_kit_list(parts, 4);
}

static void check_value(scene_t* scene, weft_lease_t* lease, int64_t n,
                        const weft_device_driver_t* driver) {
  const weft_value_t* parts;
  size_t part_count;
  weft_kit_assert_ok(weft_status_retain(lease->status));
  weft_kit_assert_ok(weft_value_as_list(lease->value, &parts, &part_count));
  assert_int_equal(part_count, 4);
  assert_true(weft_value_equal(parts[0], weft_int64(n)));
  for (int i = 1; i < 4; i++) {
    const weft_tensor_t* tensor;
    weft_tensor_t* here = NULL;
    weft_kit_assert_ok(weft_value_as_tensor(parts[i], &tensor));
    if (i < 3) {
      assert_ptr_equal(weft_storage_driver(weft_tensor_storage(tensor)),
                       driver);
    }
    weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, tensor, &here));
    for (int k = 0; k < 3; k++) {
      assert_int_equal(((const int32_t*)weft_tensor_data(here))[k],
                       INT64_C(10) * i * n + k);
    }
    weft_tensor_release(here);
  }
  weft_lease_release(lease);
  weft_peer_kit_run(&scene->kit);
}

static void step(scene_t* scene, uint32_t rank) {
  while (weft_sim_device_step(scene->devices[rank])) {
  }
  weft_peer_kit_run(&scene->kit);
}

static weft_status_t try_write(scene_t* scene, weft_value_t value) {
  weft_status_t status = weft_writer_write(scene->writer, value, WEFT_TIME_NOW);
  weft_peer_kit_run(&scene->kit);
  return status;
}

// The first try starts the device.
static void write_stepped(scene_t* scene, int64_t n) {
  weft_value_t value = make_value(scene, n);
  weft_kit_assert_status_says(WEFT_STATUS_WOULD_BLOCK, "extension:1",
                              try_write(scene, value));
  step(scene, 0);
  weft_kit_assert_ok(try_write(scene, value));
  weft_value_release(value);
}

static void read_plain(scene_t* scene, int index, int64_t n,
                       const weft_device_driver_t* driver) {
  weft_lease_t lease;
  weft_kit_assert_ok(
      weft_reader_read(scene->readers[index], WEFT_TIME_NOW, &lease));
  check_value(scene, &lease, n, driver);
}

static weft_status_t read_onto(scene_t* scene, int index, weft_lease_t* lease) {
  const weft_destination_t onto = {.driver = driver_of(scene, 1)};
  return weft_reader_read_into(scene->readers[index], &onto, WEFT_TIME_NOW,
                               lease);
}

// --- Tests ------------------------------------------------------------------

static void one_transfer_serves_all_readers_of_a_place(void** state) {
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene, false);
  drop(&scene, 3);
  for (int64_t n = 0; n < 5; n++) {
    uint64_t copies = count(&scene, 0).copies;
    uint64_t waits = count(&scene, 0).synchronizations;
    write_stepped(&scene, n);
    // Two tensors were made there, and two are copied to the host.
    assert_int_equal(count(&scene, 0).copies, copies + 4);
    assert_true(count(&scene, 0).synchronizations - waits <= 3);
    read_plain(&scene, 0, n, driver_of(&scene, 0));
    // Three tensors go to the device of rank 1, for both readers.
    copies = count(&scene, 1).copies;
    weft_kit_assert_status_says(WEFT_STATUS_WOULD_BLOCK, "extension:2",
                                read_onto(&scene, 1, &lease));
    weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                           read_onto(&scene, 2, &lease));
    step(&scene, 1);
    assert_int_equal(count(&scene, 1).copies, copies + 3);
    for (int i = 1; i < 3; i++) {
      weft_kit_assert_ok(read_onto(&scene, i, &lease));
      check_value(&scene, &lease, n, driver_of(&scene, 1));
    }
  }
  close_scene(&scene);
}

static void tensors_of_devices_may_be_read_on_the_host(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene, true);
  drop(&scene, 3);
  for (int64_t n = 0; n < 6; n++) {
    write_stepped(&scene, n);
    read_plain(&scene, 0, n, driver_of(&scene, 0));
    read_plain(&scene, 1, n, weft_device_cpu());
    read_plain(&scene, 2, n, weft_device_cpu());
  }
  close_scene(&scene);
}

static void what_is_lent_is_read_into_memory_of_the_reader(void** state) {
  scene_t scene;
  weft_lease_t lease;
  weft_tensor_t* room[3];
  (void)state;
  open_scene(&scene, false);
  for (int i = 0; i < 3; i++) {
    const weft_device_driver_t* driver =
        i == 0 ? driver_of(&scene, 1) : weft_device_cpu();
    weft_kit_assert_ok(
        weft_tensor_create(NULL, driver, WEFT_INT32, 1, three, &room[i]));
  }
  const weft_destination_t into = {.tensors = room, .tensor_count = 3};
  write_stepped(&scene, 4);
  weft_kit_assert_status(
      WEFT_STATUS_WOULD_BLOCK,
      weft_reader_read_into(scene.readers[1], &into, WEFT_TIME_NOW, &lease));
  step(&scene, 1);
  weft_kit_assert_ok(
      weft_reader_read_into(scene.readers[1], &into, WEFT_TIME_NOW, &lease));
  assert_true(lease.is_moved);
  weft_lease_release(&lease);
  void* data;
  for (int i = 0; i < 3; i++) {
    weft_kit_assert_ok(weft_tensor_mutable_data(room[i], &data));
    weft_tensor_release(room[i]);
  }
  close_scene(&scene);
}

static void a_device_that_fails_fails_the_write_alone(void** state) {
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene, false);
  drop(&scene, 3);
  weft_value_t value = make_value(&scene, 1);
  for (uint64_t i = 0; i < 2; i++) {
    weft_sim_device_fail_copies(
        scene.devices[0], i, 1,
        weft_status_make(WEFT_STATUS_DATA_LOSS, "a bit turned"));
    weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_write(&scene, value));
    step(&scene, 0);
    weft_status_t status = try_write(&scene, value);
    weft_kit_assert_status_says(
        WEFT_STATUS_DATA_LOSS,
        i == 0 ? "tensor 0 of the value, tensor int32[3] on extension:1"
               : "tensor 1 of the value, tensor int32[3] on extension:1",
        weft_status_retain(status));
    weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "a bit turned", status);
    for (int reader = 0; reader < 3; reader++) {
      weft_kit_assert_status(
          WEFT_STATUS_WOULD_BLOCK,
          weft_reader_read(scene.readers[reader], WEFT_TIME_NOW, &lease));
    }
  }
  weft_value_release(value);
  write_stepped(&scene, 2);
  read_plain(&scene, 0, 2, driver_of(&scene, 0));
  read_plain(&scene, 1, 2, weft_device_cpu());
  read_plain(&scene, 2, 2, weft_device_cpu());
  close_scene(&scene);
}

static void another_value_waits_for_the_device_first(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene, false);
  drop(&scene, 3);
  weft_value_t first = make_value(&scene, 1);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_write(&scene, first));
  weft_value_t second = make_value(&scene, 2);
  // What made the second one on the device has run the first one's copies.
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_write(&scene, second));
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_write(&scene, first));
  step(&scene, 0);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_write(&scene, first));
  step(&scene, 0);
  weft_kit_assert_ok(try_write(&scene, first));
  read_plain(&scene, 0, 1, driver_of(&scene, 0));
  read_plain(&scene, 1, 1, weft_device_cpu());
  // Nobody waits for this one any more.
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_write(&scene, second));
  weft_value_release(first);
  weft_value_release(second);
  close_scene(&scene);
}

static void a_deadline_holds_for_a_device_that_hangs(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene, false);
  drop(&scene, 3);
  weft_value_t value = make_value(&scene, 3);
  weft_kit_assert_ok(weft_sim_device_hold(scene.devices[0], 0, true));
  int64_t now_ns = weft_runtime_now_ns(scene.kit.members[0].runtime);
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLINE_EXCEEDED, "extension:1 has not copied",
      weft_writer_write(scene.writer, value, now_ns + WAIT_NS));
  assert_int_equal(weft_runtime_now_ns(scene.kit.members[0].runtime),
                   now_ns + WAIT_NS);
  weft_kit_assert_ok(weft_sim_device_hold(scene.devices[0], 0, false));
  step(&scene, 0);
  weft_kit_assert_ok(try_write(&scene, value));
  read_plain(&scene, 1, 3, weft_device_cpu());
  weft_value_release(value);
  close_scene(&scene);
}

static void who_joins_late_gets_what_lies_on_a_device(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene, false);
  write_stepped(&scene, 1);
  write_stepped(&scene, 2);
  // They have released the first value when it is to come once more.
  read_plain(&scene, 1, 1, weft_device_cpu());
  read_plain(&scene, 2, 1, weft_device_cpu());
  open_there(&scene, 3);
  for (int64_t n = 1; n < 3; n++) {
    read_plain(&scene, 3, n, weft_device_cpu());
    read_plain(&scene, 0, n, driver_of(&scene, 0));
  }
  read_plain(&scene, 1, 2, weft_device_cpu());
  read_plain(&scene, 2, 2, weft_device_cpu());
  write_stepped(&scene, 3);
  read_plain(&scene, 3, 3, weft_device_cpu());
  close_scene(&scene);
}

static void who_joins_late_hears_of_a_device_that_fails(void** state) {
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene, false);
  write_stepped(&scene, 1);
  read_plain(&scene, 1, 1, weft_device_cpu());
  read_plain(&scene, 2, 1, weft_device_cpu());
  weft_sim_device_fail_copies(
      scene.devices[0], 0, 1,
      weft_status_make(WEFT_STATUS_DATA_LOSS, "a bit turned"));
  open_there(&scene, 3);
  weft_kit_assert_ok(weft_reader_read(scene.readers[3], WEFT_TIME_NOW, &lease));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "a bit turned",
                              weft_status_retain(lease.status));
  weft_lease_release(&lease);
  write_stepped(&scene, 2);
  read_plain(&scene, 3, 2, weft_device_cpu());
  close_scene(&scene);
}

// Bytes that lie in the ring are leased until they are gone.
static void bytes_of_the_ring_are_read_again_or_left(void** state) {
  static const uint8_t data[6000] = {1, 2, 3};
  scene_t scene;
  weft_lease_t lease;
  weft_value_t bytes;
  (void)state;
  open_scene(&scene, false);
  drop(&scene, 0);
  drop(&scene, 3);
  weft_tensor_t* none[] = {NULL};
  const weft_destination_t into = {.tensors = none, .tensor_count = 1};
  weft_kit_assert_ok(weft_bytes_create(NULL, data, sizeof(data), &bytes));
  for (int i = 0; i < 4 * SLOTS; i++) {
    weft_kit_assert_ok(try_write(&scene, bytes));
    for (int reader = 1; reader < 3; reader++) {
      weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                             weft_reader_read_into(scene.readers[reader], &into,
                                                   WEFT_TIME_NOW, &lease));
      weft_kit_assert_ok(
          weft_reader_read(scene.readers[reader], WEFT_TIME_NOW, &lease));
      assert_true(weft_value_equal(lease.value, bytes));
      weft_lease_release(&lease);
      weft_peer_kit_run(&scene.kit);
    }
  }
  // One leaves after such a read: it holds nobody up.
  weft_kit_assert_ok(try_write(&scene, bytes));
  weft_kit_assert_status(
      WEFT_STATUS_INVALID_ARGUMENT,
      weft_reader_read_into(scene.readers[1], &into, WEFT_TIME_NOW, &lease));
  drop(&scene, 1);
  for (int i = 0; i < 2 * SLOTS; i++) {
    weft_kit_assert_ok(
        weft_reader_read(scene.readers[2], WEFT_TIME_NOW, &lease));
    weft_lease_release(&lease);
    weft_peer_kit_run(&scene.kit);
    weft_kit_assert_ok(try_write(&scene, bytes));
  }
  weft_value_release(bytes);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_transfer_serves_all_readers_of_a_place),
      cmocka_unit_test(tensors_of_devices_may_be_read_on_the_host),
      cmocka_unit_test(what_is_lent_is_read_into_memory_of_the_reader),
      cmocka_unit_test(a_device_that_fails_fails_the_write_alone),
      cmocka_unit_test(another_value_waits_for_the_device_first),
      cmocka_unit_test(a_deadline_holds_for_a_device_that_hangs),
      cmocka_unit_test(who_joins_late_gets_what_lies_on_a_device),
      cmocka_unit_test(who_joins_late_hears_of_a_device_that_fails),
      cmocka_unit_test(bytes_of_the_ring_are_read_again_or_left),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
