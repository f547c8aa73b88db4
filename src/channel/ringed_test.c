// SPDX-License-Identifier: Apache-2.0
//
// Values that go through a ring: rank 0 writes, rank 1 reads with two readers.

#include <sys/wait.h>
#include <unistd.h>

#include "channel/travel_kit.h"
#include "value/value_internal.h"

#define SLOTS 4
#define SLOT_BYTES 4096

typedef struct scene {
  weft_peer_kit_t kit;
  weft_writer_t* writer;
  weft_reader_t* readers[2];
} scene_t;

static void send_reader(scene_t* scene, uint32_t index) {
  weft_value_t value = weft_reader_value(scene->readers[index]);
  weft_reader_release(scene->readers[index]);
  weft_kit_assert_ok(
      weft_peer_kit_send(&scene->kit, 0, 1, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
  value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &scene->readers[index]));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
}

static weft_status_t put(scene_t* scene, weft_value_t value) {
  weft_status_t status = weft_writer_write(scene->writer, value, WEFT_TIME_NOW);
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
  return status;
}

static weft_lease_t take(scene_t* scene, uint32_t index) {
  weft_lease_t lease;
  weft_kit_assert_ok(
      weft_reader_read(scene->readers[index], WEFT_TIME_NOW, &lease));
  return lease;
}

static void give_back(scene_t* scene, weft_lease_t* lease) {
  weft_lease_release(lease);
  weft_peer_kit_run(&scene->kit);
}

static weft_part_t* hub_of(const scene_t* scene) {
  return weft_part_of_writer(scene->writer);
}

// Both readers read from the ring.
static void open_scene(scene_t* scene) {
  const weft_channel_options_t options = {.name = "tested",
                                          .reader_count = 2,
                                          .slot_count = SLOTS,
                                          .slot_bytes = SLOT_BYTES};
  memset(scene, 0, sizeof(*scene));
  weft_travel_open(&scene->kit);
  weft_kit_assert_ok(weft_channel_create(
      scene->kit.members[0].runtime, &options, &scene->writer, scene->readers));
  send_reader(scene, 0);
  send_reader(scene, 1);
  weft_kit_assert_ok(put(scene, weft_none()));
  assert_int_equal(hub_of(scene)->ringed, 3);
  for (uint32_t i = 0; i < 2; i++) {
    weft_lease_t lease = take(scene, i);
    give_back(scene, &lease);
  }
}

static void close_scene(scene_t* scene) {
  weft_reader_release(scene->readers[0]);
  weft_reader_release(scene->readers[1]);
  weft_writer_release(scene->writer);
  weft_peer_kit_run(&scene->kit);
  weft_travel_close(&scene->kit);
}

static weft_value_t make_bytes(const scene_t* scene, size_t size_bytes,
                               char content) {
  weft_value_t value;
  void* data;
  weft_kit_assert_ok(weft_bytes_create_open(
      weft_runtime_allocator(scene->kit.members[0].runtime), size_bytes, &value,
      &data));
  memset(data, content, size_bytes);
  return value;
}

static void expect_content(weft_value_t value, size_t size_bytes,
                           char content) {
  const void* data = NULL;
  size_t length_bytes = 0;
  weft_kit_assert_ok(weft_value_as_bytes(value, &data, &length_bytes));
  assert_int_equal(length_bytes, size_bytes);
  for (size_t i = 0; i < size_bytes; i++) {
    assert_int_equal(((const char*)data)[i], content);
  }
}

// --- Tests ------------------------------------------------------------------

// Each form, in the ring or beside it, in order.
static void every_value_passes(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  const weft_allocator_t* allocator =
      weft_runtime_allocator(scene.kit.members[0].runtime);
  weft_value_t text;
  weft_value_t list;
  weft_kit_assert_ok(weft_string_from_c(allocator, "text", &text));
  const weft_value_t items[] = {weft_int64(7), text};
  weft_kit_assert_ok(weft_list_create(allocator, items, 2, &list));
  weft_value_t large = make_bytes(&scene, SLOT_BYTES + 1, 'l');
  const weft_value_t values[] = {weft_none(),    weft_bool(true),
                                 weft_int64(-5), weft_float64(0.1),
                                 text,           list,
                                 large};
  for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
    weft_kit_assert_ok(put(&scene, weft_value_retain(values[i])));
    for (uint32_t reader = 0; reader < 2; reader++) {
      weft_lease_t lease = take(&scene, reader);
      assert_int_equal(lease.sequence, i + 1);
      assert_true(weft_value_equal(lease.value, values[i]));
      give_back(&scene, &lease);
    }
  }
  weft_value_release(text);
  weft_value_release(list);
  weft_value_release(large);
  close_scene(&scene);
}

static void an_error_keeps_its_identity(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  weft_status_t cause = weft_status_make(WEFT_STATUS_OUT_OF_RANGE, "too far");
  weft_status_t error =
      weft_status_make_caused(WEFT_STATUS_FAILED, cause, "the lens is dirty");
  weft_kit_assert_ok(weft_writer_fail(scene.writer, error, WEFT_TIME_NOW));
  weft_lease_t lease = take(&scene, 0);
  assert_int_equal(weft_status_code(lease.status), WEFT_STATUS_FAILED);
  assert_string_equal(weft_status_message(lease.status), "the lens is dirty");
  assert_int_equal(weft_status_code(weft_status_cause(lease.status)),
                   WEFT_STATUS_OUT_OF_RANGE);
  weft_status_release(error);
  give_back(&scene, &lease);
  close_scene(&scene);
}

// Filled in the slot by the writer, read there by both readers: no byte is
// copied.
static void long_bytes_are_read_where_they_lie(void** state) {
  scene_t scene;
  void* place = NULL;
  const void* data[2];
  size_t size_bytes = 0;
  (void)state;
  open_scene(&scene);
  weft_kit_assert_ok(
      weft_writer_reserve(scene.writer, SLOT_BYTES, WEFT_TIME_NOW, &place));
  assert_ptr_equal(place, weft_ring_place(&hub_of(&scene)->ring, 1));
  memset(place, 'v', 2000);
  weft_kit_assert_ok(weft_writer_commit(scene.writer, 2000));
  weft_lease_t leases[] = {take(&scene, 0), take(&scene, 1)};
  for (int i = 0; i < 2; i++) {
    expect_content(leases[i].value, 2000, 'v');
    weft_kit_assert_ok(
        weft_value_as_bytes(leases[i].value, &data[i], &size_bytes));
  }
  // The memory is mapped twice in one process: the same page at two places.
  assert_ptr_equal(data[0], data[1]);
  ((char*)place)[1999] = 'w';
  assert_int_equal(((const char*)data[0])[1999], 'w');
  give_back(&scene, &leases[0]);
  give_back(&scene, &leases[1]);
  close_scene(&scene);
}

// Fills the other slots; then there is no room, until `gone` has been.
static void expect_full(scene_t* scene) {
  for (int64_t i = 1; i < SLOTS; i++) {
    weft_kit_assert_ok(put(scene, weft_int64(i)));
    for (uint32_t reader = 0; reader < 2; reader++) {
      weft_lease_t lease = take(scene, reader);
      give_back(scene, &lease);
    }
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         put(scene, weft_int64(SLOTS)));
}

static void whoever_retains_long_bytes_keeps_their_slot(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  weft_kit_assert_ok(put(&scene, make_bytes(&scene, 1000, 'k')));
  weft_lease_t lease = take(&scene, 0);
  weft_value_t kept = weft_value_retain(lease.value);
  give_back(&scene, &lease);
  // The other reader reads the same bytes, and is done with them.
  lease = take(&scene, 1);
  expect_content(lease.value, 1000, 'k');
  give_back(&scene, &lease);
  expect_full(&scene);
  expect_content(kept, 1000, 'k');
  weft_value_release(kept);
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_ok(put(&scene, weft_int64(SLOTS)));
  close_scene(&scene);
}

static void a_reader_that_leaves_keeps_the_bytes_that_it_has(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  weft_kit_assert_ok(put(&scene, make_bytes(&scene, 1000, 'k')));
  weft_lease_t lease = take(&scene, 0);
  weft_value_t kept = weft_value_retain(lease.value);
  give_back(&scene, &lease);
  weft_reader_release(scene.readers[0]);
  scene.readers[0] = NULL;
  weft_reader_release(scene.readers[1]);
  scene.readers[1] = NULL;
  weft_peer_kit_run(&scene.kit);
  for (int64_t i = 1; i < SLOTS; i++) {
    weft_kit_assert_ok(put(&scene, weft_int64(i)));
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         put(&scene, weft_int64(SLOTS)));
  expect_content(kept, 1000, 'k');
  weft_value_release(kept);
  weft_peer_kit_run(&scene.kit);
  // Nobody is left.
  weft_kit_assert_status(WEFT_STATUS_CLOSED, put(&scene, weft_none()));
  close_scene(&scene);
}

static void what_was_written_is_read_after_the_writer_has_died(void** state) {
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene);
  weft_kit_assert_ok(put(&scene, make_bytes(&scene, 1000, 'd')));
  weft_kit_assert_ok(put(&scene, weft_int64(2)));
  weft_peers_lose(scene.kit.members[1].runtime, 0, 1,
                  weft_status_make(WEFT_STATUS_PEER_DIED, "killed"));
  weft_peer_kit_run(&scene.kit);
  lease = take(&scene, 0);
  expect_content(lease.value, 1000, 'd');
  weft_lease_release(&lease);
  lease = take(&scene, 0);
  assert_int_equal(lease.value.as.int64, 2);
  weft_lease_release(&lease);
  weft_kit_assert_status(
      WEFT_STATUS_PEER_DIED,
      weft_reader_read(scene.readers[0], WEFT_TIME_NOW, &lease));
  close_scene(&scene);
}

// It has the same pages mapped, and must leave them alone.
static void a_forked_child_has_no_part_in_it(void** state) {
  scene_t scene;
  int outcome = 0;
  (void)state;
  open_scene(&scene);
  weft_kit_assert_ok(put(&scene, weft_int64(1)));
  weft_lease_t lease = take(&scene, 0);
  weft_kit_assert_ok(put(&scene, weft_int64(2)));
  pid_t child = fork();
  if (child == 0) {
    weft_lease_t other;
    bool is_right =
        weft_status_ignore(
            weft_writer_write(scene.writer, weft_int64(3), WEFT_TIME_NOW)) ==
            WEFT_STATUS_FORKED &&
        weft_status_ignore(weft_reader_read(scene.readers[0], WEFT_TIME_NOW,
                                            &other)) == WEFT_STATUS_FORKED;
    weft_lease_release(&lease);
    _exit(is_right ? 0 : 1);
  }
  assert_int_equal(waitpid(child, &outcome, 0), child);
  assert_int_equal(outcome, 0);
  assert_int_equal(weft_cursor_low(hub_of(&scene)->readers[0].cursor), 0);
  give_back(&scene, &lease);
  assert_int_equal(weft_cursor_low(hub_of(&scene)->readers[0].cursor), 2);
  lease = take(&scene, 0);
  assert_int_equal(lease.value.as.int64, 2);
  give_back(&scene, &lease);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_value_passes),
      cmocka_unit_test(an_error_keeps_its_identity),
      cmocka_unit_test(long_bytes_are_read_where_they_lie),
      cmocka_unit_test(whoever_retains_long_bytes_keeps_their_slot),
      cmocka_unit_test(a_reader_that_leaves_keeps_the_bytes_that_it_has),
      cmocka_unit_test(what_was_written_is_read_after_the_writer_has_died),
      cmocka_unit_test(a_forked_child_has_no_part_in_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
