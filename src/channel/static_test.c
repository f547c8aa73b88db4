// SPDX-License-Identifier: Apache-2.0
//
// Channels whose values all have one structure. Ranks 0 and 1 are runtimes,
// rank 3 is played.

#include <stdio.h>

#include "channel/travel_kit.h"
#include "value/value_kit.h"

#define SLOTS 2

static const int64_t two_by_three[] = {2, 3};
static const int64_t three[] = {3};
static const int64_t nothing[] = {0, 5};

// --- Values -----------------------------------------------------------------

static weft_value_t make_tensor(weft_dtype_t dtype, uint32_t ndim,
                                const int64_t* shape, int8_t first) {
  weft_tensor_t* tensor = NULL;
  void* data = NULL;
  weft_kit_assert_ok(
      weft_tensor_create(NULL, NULL, dtype, ndim, shape, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  for (size_t i = 0; i < weft_tensor_size_bytes(tensor); i++) {
    ((int8_t*)data)[i] = (int8_t)(first + (int8_t)i);
  }
  return weft_tensor_into_value(tensor);
}

static weft_value_t make_map2(const char* a, weft_value_t first, const char* b,
                              weft_value_t second) {
  weft_map_entry_t entries[] = {
      {weft_value_kit_string(a), first},
      {weft_value_kit_string(b), second},
  };
  weft_value_t map;
  weft_kit_assert_ok(weft_map_create(NULL, entries, 2, &map));
  for (size_t i = 0; i < 2; i++) {
    weft_value_release(entries[i].key);
    weft_value_release(entries[i].value);
  }
  return map;
}

// [n, "...", {"x": int32[2, 3], "y": [int8[3], n]}, float32[0, 5]]
static weft_value_t make_step(int64_t n) {
  char text[32];
  (void)snprintf(text, sizeof(text), "step %*d", (int)n % 20, (int)n);
  const weft_value_t inner[] = {
      make_tensor(WEFT_INT8, 1, three, (int8_t)(n + 50)), weft_float64(0.5)};
  const weft_value_t parts[] = {
      weft_int64(n),
      weft_value_kit_string(text),
      make_map2("x", make_tensor(WEFT_INT32, 2, two_by_three, (int8_t)n), "y",
                weft_value_kit_list(inner, 2)),
      make_tensor(WEFT_FLOAT32, 2, nothing, 0),
  };
  return weft_value_kit_list(parts, 4);
}

static void expect_same(weft_value_t is, weft_value_t expected) {
  assert_int_equal(weft_value_kind(is), weft_value_kind(expected));
  if (weft_value_kind(is) == WEFT_KIND_TENSOR) {
    const weft_tensor_t* a;
    const weft_tensor_t* b;
    weft_tensor_t* dense = NULL;
    weft_kit_assert_ok(weft_value_as_tensor(is, &a));
    weft_kit_assert_ok(weft_value_as_tensor(expected, &b));
    const weft_tensor_layout_t* layout = weft_tensor_layout(b);
    weft_kit_assert_ok(
        weft_tensor_expect(a, layout->dtype, layout->ndim, layout->shape));
    weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, a, &dense));
    weft_tensor_t* wanted = NULL;
    weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, b, &wanted));
    if (weft_tensor_size_bytes(wanted) > 0) {
      assert_memory_equal(weft_tensor_data(dense), weft_tensor_data(wanted),
                          weft_tensor_size_bytes(wanted));
    }
    weft_tensor_release(dense);
    weft_tensor_release(wanted);
  } else if (weft_value_kind(is) == WEFT_KIND_LIST) {
    const weft_value_t* a;
    const weft_value_t* b;
    size_t count;
    weft_kit_assert_ok(weft_value_as_list(is, &a, &count));
    weft_kit_assert_ok(weft_value_as_list(expected, &b, &count));
    for (size_t i = 0; i < count; i++) {
      expect_same(a[i], b[i]);
    }
  } else if (weft_value_kind(is) == WEFT_KIND_MAP) {
    const weft_map_entry_t* a;
    const weft_map_entry_t* b;
    size_t count;
    weft_kit_assert_ok(weft_value_as_map(is, &a, &count));
    weft_kit_assert_ok(weft_value_as_map(expected, &b, &count));
    for (size_t i = 0; i < count; i++) {
      assert_true(weft_value_equal(a[i].key, b[i].key));
      expect_same(a[i].value, b[i].value);
    }
  } else {
    assert_true(weft_value_equal(is, expected));
  }
}

// --- The scene --------------------------------------------------------------

typedef struct scene {
  weft_peer_kit_t kit;
  weft_writer_t* writer;
  weft_reader_t* readers[3];
} scene_t;

static void open_scene_with(scene_t* scene, uint32_t slot_bytes) {
  const weft_channel_options_t options = {.name = "steady",
                                          .reader_count = 3,
                                          .slot_count = SLOTS,
                                          .slot_bytes = slot_bytes,
                                          .is_static = true};
  memset(scene, 0, sizeof(*scene));
  weft_travel_open(&scene->kit);
  weft_kit_assert_ok(weft_channel_create(
      scene->kit.members[0].runtime, &options, &scene->writer, scene->readers));
}

static void open_scene(scene_t* scene) {
  open_scene_with(scene, 0);
}

static void drop(scene_t* scene, int index) {
  weft_reader_release(scene->readers[index]);
  scene->readers[index] = NULL;
  weft_peer_kit_run(&scene->kit);
}

static void close_scene(scene_t* scene) {
  for (int i = 0; i < 3; i++) {
    drop(scene, i);
  }
  weft_writer_release(scene->writer);
  weft_peer_kit_run(&scene->kit);
  weft_travel_close(&scene->kit);
}

static void send_reader(scene_t* scene, uint32_t to, int index) {
  weft_value_t value = weft_reader_value(scene->readers[index]);
  weft_reader_release(scene->readers[index]);
  scene->readers[index] = NULL;
  weft_kit_assert_ok(
      weft_peer_kit_send(&scene->kit, 0, to, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
}

// A reader goes to rank 1 and is opened there.
static void open_there(scene_t* scene, int index) {
  send_reader(scene, 1, index);
  weft_value_t value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &scene->readers[index]));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
}

// Rank 3 has the last reader; it joins.
static void join_played(scene_t* scene) {
  weft_frame_t head =
      weft_channel_head(weft_holder_make(0, 1), 1, WEFT_CHANNEL_JOIN);
  head.id = 5;
  send_reader(scene, 3, 2);
  (void)weft_peer_kit_expect(&scene->kit, 3, 0, WEFT_FRAME_CALL);
  uint64_t key = weft_part_of_writer(scene->writer)->readers[2].end.key;
  const weft_value_t words[] = {weft_int64(2), weft_int64((int64_t)key)};
  weft_peer_kit_tell_scalars(&scene->kit, 3, 0, &head, words, 2);
  (void)weft_peer_kit_expect(&scene->kit, 3, 0, WEFT_FRAME_REPLY);
}

static void say_played(scene_t* scene, uint16_t subject, int64_t first,
                       int64_t second, uint32_t count) {
  const weft_frame_t head =
      weft_channel_head(weft_holder_make(0, 1), 1, subject);
  const weft_value_t words[] = {weft_int64(first), weft_int64(second)};
  weft_peer_kit_tell_scalars(&scene->kit, 3, 0, &head, words, count);
}

static weft_status_t try_write(scene_t* scene, weft_value_t value) {
  weft_status_t status = weft_writer_write(scene->writer, value, WEFT_TIME_NOW);
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
  return status;
}

static void expect_step(scene_t* scene, int index, int64_t n) {
  weft_lease_t lease;
  weft_value_t expected = make_step(n);
  weft_kit_assert_ok(
      weft_reader_read(scene->readers[index], WEFT_TIME_NOW, &lease));
  weft_kit_assert_ok(weft_status_retain(lease.status));
  expect_same(lease.value, expected);
  weft_lease_release(&lease);
  weft_value_release(expected);
  weft_peer_kit_run(&scene->kit);
}

// The first two readers get it.
static void pass_step(scene_t* scene, int64_t n) {
  weft_kit_assert_ok(try_write(scene, make_step(n)));
  expect_step(scene, 0, n);
  expect_step(scene, 1, n);
}

// --- What is refused --------------------------------------------------------

static void expect_refused(scene_t* scene, weft_value_t value, const char* path,
                           const char* what) {
  weft_lease_t lease;
  weft_status_t status = try_write(scene, value);
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, path,
                              weft_status_retain(status));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT, what, status);
  for (int i = 0; i < 2; i++) {
    weft_kit_assert_status(
        WEFT_STATUS_WOULD_BLOCK,
        weft_reader_read(scene->readers[i], WEFT_TIME_NOW, &lease));
  }
}

// A step with another inner part.
static weft_value_t make_other(weft_value_t number, weft_value_t map) {
  const weft_value_t parts[] = {number, weft_value_kit_string("s"), map,
                                make_tensor(WEFT_FLOAT32, 2, nothing, 0)};
  return weft_value_kit_list(parts, 4);
}

static weft_value_t make_inner(void) {
  const weft_value_t inner[] = {make_tensor(WEFT_INT8, 1, three, 0),
                                weft_float64(1)};
  return weft_value_kit_list(inner, 2);
}

static weft_value_t make_x(void) {
  return make_tensor(WEFT_INT32, 2, two_by_three, 0);
}

static void refuse_all(scene_t* scene) {
  expect_refused(scene, weft_int64(3), "channel steady",
                 "kind int64, not list");
  expect_refused(scene, make_inner(), "value: ", "has 2 values, not 4");
  expect_refused(
      scene,
      make_other(weft_none(), make_map2("x", make_x(), "y", make_inner())),
      "value: [0]: ", "kind none, not int64");
  expect_refused(
      scene,
      make_other(weft_int64(1), make_map2("x", make_x(), "z", make_inner())),
      "value: [2]: ", "key \"z\" where \"y\"");
  expect_refused(
      scene,
      make_other(weft_int64(1), make_map2("x", weft_none(), "y", make_inner())),
      "value: [2].x: ", "kind none, not tensor");
  expect_refused(scene,
                 make_other(weft_int64(1),
                            make_map2("x", make_tensor(WEFT_INT32, 1, three, 0),
                                      "y", make_inner())),
                 "value: [2].x: ", "int32[3], not int32[2, 3]");
  expect_refused(
      scene,
      make_other(weft_int64(1),
                 make_map2("x", make_tensor(WEFT_FLOAT32, 2, two_by_three, 0),
                           "y", make_inner())),
      "value: [2].x: ", "float32[2, 3], not int32[2, 3]");
}

static void another_structure_is_refused_and_the_channel_lives_on(
    void** state) {
  (void)state;
  // All in one process; and one elsewhere.
  for (int apart = 0; apart < 2; apart++) {
    scene_t scene;
    open_scene(&scene);
    drop(&scene, 2);
    if (apart == 1) {
      open_there(&scene, 1);
    }
    pass_step(&scene, 0);
    refuse_all(&scene);
    pass_step(&scene, 1);
    refuse_all(&scene);
    pass_step(&scene, 2);
    close_scene(&scene);
  }
}

static void a_tensor_without_a_size_has_no_structure(void** state) {
  scene_t scene;
  weft_tensor_t* declared = NULL;
  (void)state;
  open_scene(&scene);
  weft_kit_assert_ok(
      weft_tensor_declare(NULL, NULL, WEFT_INT8, 1, NULL, &declared));
  weft_kit_assert_status(WEFT_STATUS_FAILED_PRECONDITION,
                         try_write(&scene, weft_tensor_into_value(declared)));
  pass_step(&scene, 0);
  close_scene(&scene);
}

static void what_was_not_written_agrees_on_nothing(void** state) {
  scene_t scene;
  weft_status_t error = weft_status_make(WEFT_STATUS_FAILED, "no data yet");
  (void)state;
  open_scene(&scene);
  drop(&scene, 2);
  // Both slots are full of errors, which have no structure.
  for (int i = 0; i < SLOTS; i++) {
    weft_kit_assert_ok(weft_writer_fail(scene.writer, error, WEFT_TIME_NOW));
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         try_write(&scene, weft_int64(1)));
  for (int i = 0; i < 2 * SLOTS; i++) {
    weft_lease_t lease;
    weft_kit_assert_ok(
        weft_reader_read(scene.readers[i % 2], WEFT_TIME_NOW, &lease));
    assert_ptr_equal(lease.status, error);
    weft_lease_release(&lease);
  }
  pass_step(&scene, 4);
  weft_status_release(error);
  close_scene(&scene);
}

static void bytes_that_are_filled_in_place_have_a_structure(void** state) {
  scene_t scene;
  void* data;
  (void)state;
  open_scene(&scene);
  drop(&scene, 2);
  pass_step(&scene, 0);
  weft_kit_assert_ok(
      weft_writer_reserve(scene.writer, 10, WEFT_TIME_NOW, &data));
  weft_kit_assert_status_says(WEFT_STATUS_INVALID_ARGUMENT,
                              "kind bytes, not list",
                              weft_writer_commit(scene.writer, 10));
  weft_writer_abandon(scene.writer);
  pass_step(&scene, 1);
  close_scene(&scene);
}

// --- Elsewhere --------------------------------------------------------------

static const weft_frame_t* take_slot(scene_t* scene) {
  return weft_peer_kit_expect(&scene->kit, 3, 0, WEFT_FRAME_SLOT);
}

// Without tensors that are large: all of a message is in its frame.
static void what_is_agreed_is_not_sent_again(void** state) {
  scene_t scene;
  weft_status_t error = weft_status_make(WEFT_STATUS_FAILED, "a gap");
  (void)state;
  open_scene_with(&scene, WEFT_CHANNEL_NO_RING);
  drop(&scene, 0);
  drop(&scene, 1);
  join_played(&scene);
  uint32_t whole_bytes = 0;
  for (int64_t n = 0; n < 2; n++) {
    weft_kit_assert_ok(try_write(&scene, make_step(n)));
    const weft_frame_t* frame = take_slot(&scene);
    whole_bytes = frame->size_bytes;
    assert_int_equal(frame->flags, 0);
    say_played(&scene, WEFT_CHANNEL_RELEASE, n, 4, 2);
  }
  say_played(&scene, WEFT_CHANNEL_AGREED, 1, 0, 1);
  weft_kit_assert_ok(weft_writer_fail(scene.writer, error, WEFT_TIME_NOW));
  assert_int_equal(take_slot(&scene)->flags, WEFT_FRAME_ERROR);
  say_played(&scene, WEFT_CHANNEL_RELEASE, 2, 4, 2);
  weft_kit_assert_ok(try_write(&scene, make_step(3)));
  const weft_frame_t* frame = take_slot(&scene);
  assert_int_equal(frame->flags, WEFT_FRAME_BARE);
  // A number of 1 byte, a text, a float64 of 9; then two attachments: nothing
  // says what lies in them.
  assert_int_equal(frame->kinds, 1 + 1 + strlen("step   3") + 9);
  assert_int_equal(frame->attachment_count, 2);
  assert_true(whole_bytes - frame->size_bytes >= 100);
  weft_status_release(error);
  close_scene(&scene);
}

static void values_arrive_whole_with_and_without_their_structure(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  open_there(&scene, 1);
  drop(&scene, 2);
  weft_part_t* part = weft_part_reader_of(scene.readers[1])->end.part;
  assert_int_equal(weft_value_kind(part->structure), WEFT_KIND_NONE);
  for (int64_t n = 0; n < 30; n++) {
    pass_step(&scene, n);
    assert_int_equal(weft_value_kind(part->structure), WEFT_KIND_LIST);
    assert_false(part->owes_agreement);
  }
  close_scene(&scene);
}

static void who_joins_late_is_told_the_structure(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  open_there(&scene, 1);
  for (int64_t n = 0; n < 4; n++) {
    weft_kit_assert_ok(try_write(&scene, make_step(n)));
    expect_step(&scene, 0, n);
    expect_step(&scene, 1, n);
    if (n == 1) {
      // Both values are in the slots for it; then it gets those that come.
      open_there(&scene, 2);
      expect_step(&scene, 2, 0);
      expect_step(&scene, 2, 1);
    } else if (n > 1) {
      expect_step(&scene, 2, n);
    }
  }
  close_scene(&scene);
}

static void a_tensor_with_gaps_takes_its_structure_along(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  open_there(&scene, 1);
  drop(&scene, 2);
  for (int i = 0; i < 4; i++) {
    weft_tensor_t* wide = NULL;
    weft_tensor_t* view = NULL;
    const int64_t shape[] = {2, 8};
    weft_lease_t lease;
    weft_value_t value = make_tensor(WEFT_INT8, 2, shape, (int8_t)i);
    const weft_tensor_t* tensor;
    weft_kit_assert_ok(weft_value_as_tensor(value, &tensor));
    weft_kit_assert_ok(weft_tensor_slice(tensor, 1, i, i + 3, &view));
    if (i % 2 == 0) {
      weft_kit_assert_ok(weft_tensor_copy(NULL, NULL, view, &wide));
      weft_tensor_release(view);
      view = wide;
    }
    weft_value_release(value);
    value = weft_tensor_into_value(view);
    weft_kit_assert_ok(try_write(&scene, weft_value_retain(value)));
    for (int reader = 0; reader < 2; reader++) {
      weft_kit_assert_ok(
          weft_reader_read(scene.readers[reader], WEFT_TIME_NOW, &lease));
      expect_same(lease.value, value);
      weft_lease_release(&lease);
      weft_peer_kit_run(&scene.kit);
    }
    weft_value_release(value);
  }
  close_scene(&scene);
}

// Tensors that are small stand in the frame, which has room for less of them.
static void a_frame_that_is_full_has_blocks_beside_it(void** state) {
  scene_t scene;
  const int64_t shape[] = {1000};
  (void)state;
  open_scene(&scene);
  open_there(&scene, 1);
  drop(&scene, 2);
  for (int n = 0; n < 4; n++) {
    weft_value_t tensors[WEFT_WIRE_ATTACHMENT_LIMIT];
    for (int i = 0; i < WEFT_WIRE_ATTACHMENT_LIMIT; i++) {
      tensors[i] = make_tensor(WEFT_INT8, 1, shape, (int8_t)(n + i));
    }
    weft_value_t value =
        weft_value_kit_list(tensors, WEFT_WIRE_ATTACHMENT_LIMIT);
    weft_kit_assert_ok(try_write(&scene, weft_value_retain(value)));
    for (int reader = 0; reader < 2; reader++) {
      weft_lease_t lease;
      weft_kit_assert_ok(
          weft_reader_read(scene.readers[reader], WEFT_TIME_NOW, &lease));
      weft_kit_assert_ok(weft_status_retain(lease.status));
      expect_same(lease.value, value);
      weft_lease_release(&lease);
      weft_peer_kit_run(&scene.kit);
    }
    weft_value_release(value);
  }
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(another_structure_is_refused_and_the_channel_lives_on),
      cmocka_unit_test(a_tensor_without_a_size_has_no_structure),
      cmocka_unit_test(what_was_not_written_agrees_on_nothing),
      cmocka_unit_test(bytes_that_are_filled_in_place_have_a_structure),
      cmocka_unit_test(what_is_agreed_is_not_sent_again),
      cmocka_unit_test(values_arrive_whole_with_and_without_their_structure),
      cmocka_unit_test(who_joins_late_is_told_the_structure),
      cmocka_unit_test(a_tensor_with_gaps_takes_its_structure_along),
      cmocka_unit_test(a_frame_that_is_full_has_blocks_beside_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
