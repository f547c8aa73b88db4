// SPDX-License-Identifier: Apache-2.0
//
// Ends whose users are gone before that is known where values are written.

#include "channel/travel_kit.h"

#define SLOTS 2

typedef struct scene {
  weft_peer_kit_t kit;
  weft_writer_t* writer;
  weft_reader_t* readers[2];
} scene_t;

// Rank 0 has made a channel of two readers.
static void open_scene(scene_t* scene) {
  const weft_channel_options_t options = {
      .name = "tested", .reader_count = 2, .slot_count = SLOTS};
  memset(scene, 0, sizeof(*scene));
  weft_travel_open(&scene->kit);
  weft_kit_assert_ok(weft_channel_create(
      scene->kit.members[0].runtime, &options, &scene->writer, scene->readers));
}

// Owns: takes `value` over.
static void send_value(scene_t* scene, uint32_t to, weft_value_t value) {
  weft_kit_assert_ok(
      weft_peer_kit_send(&scene->kit, 0, to, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
}

static void send_reader(scene_t* scene, uint32_t to, uint32_t index) {
  weft_value_t value = weft_reader_value(scene->readers[index]);
  weft_reader_release(scene->readers[index]);
  scene->readers[index] = NULL;
  send_value(scene, to, value);
}

// It has come to rank 1, and is opened there.
static void open_writer(scene_t* scene) {
  weft_value_t value = weft_writer_value(scene->writer);
  weft_writer_release(scene->writer);
  send_value(scene, 1, value);
  value = weft_travel_take();
  weft_kit_assert_ok(weft_writer_open(value, &scene->writer));
  weft_value_release(value);
}

// More than there are slots: reader 1, at rank 0, reads them.
static void expect_flow(scene_t* scene) {
  for (int64_t n = 0; n < INT64_C(3) * SLOTS; n++) {
    weft_lease_t lease;
    weft_kit_assert_ok(
        weft_writer_write(scene->writer, weft_int64(n), WEFT_TIME_NOW));
    weft_peer_kit_run(&scene->kit);
    weft_kit_assert_ok(
        weft_reader_read(scene->readers[1], WEFT_TIME_NOW, &lease));
    weft_lease_release(&lease);
    weft_peer_kit_run(&scene->kit);
  }
}

static void close_scene(scene_t* scene) {
  weft_reader_release(scene->readers[1]);
  weft_writer_release(scene->writer);
  weft_peer_kit_run(&scene->kit);
  weft_travel_close(&scene->kit);
}

static void open_last_reader(scene_t* scene) {
  weft_value_t value = weft_reader_value(scene->readers[1]);
  weft_reader_release(scene->readers[1]);
  weft_kit_assert_ok(weft_reader_open(value, &scene->readers[1]));
  weft_value_release(value);
}

// Its LEAVE comes to the creator when that has given the writer away.
static void a_reader_that_left_first_does_not_come_back(void** state) {
  scene_t scene;
  weft_reader_t* reader;
  (void)state;
  open_scene(&scene);
  open_last_reader(&scene);
  send_reader(&scene, 1, 0);
  weft_value_t value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &reader));
  weft_value_release(value);
  weft_peer_kit_run(&scene.kit);
  open_writer(&scene);
  weft_reader_release(reader);
  weft_peer_kit_run(&scene.kit);
  expect_flow(&scene);
  close_scene(&scene);
}

// Rank 3 says something to rank 0.
static void say(scene_t* scene, uint16_t subject, const weft_value_t* words,
                uint32_t count) {
  weft_frame_t head = weft_channel_head(weft_holder_make(0, 1), 1, subject);
  head.id = 5;
  weft_peer_kit_tell_scalars(&scene->kit, 3, 0, &head, words, count);
}

static void join_as_played(scene_t* scene, uint32_t end, uint64_t key) {
  const weft_value_t words[] = {weft_int64(end), weft_int64((int64_t)key)};
  say(scene, WEFT_CHANNEL_JOIN, words, 2);
}

// Rank 3 is told where the writer is, and dies on the way.
static void a_reader_that_never_comes_holds_nothing(void** state) {
  scene_t scene;
  uint64_t key;
  (void)state;
  open_scene(&scene);
  open_last_reader(&scene);
  send_reader(&scene, 3, 0);
  key = weft_part_of_writer(scene.writer)->readers[0].end.key;
  open_writer(&scene);
  weft_peer_kit_run(&scene.kit);
  join_as_played(&scene, 0, key);
  weft_peer_kit_kill(&scene.kit, 3);
  expect_flow(&scene);
  close_scene(&scene);
}

// Whether rank 0 has the channel.
static bool is_known(const scene_t* scene) {
  weft_part_t* part = weft_travel_find(scene->kit.members[0].runtime,
                                       weft_holder_make(0, 1), 1);
  if (part != NULL) {
    weft_part_leave(part);
  }
  return part != NULL;
}

// Rank 3 reads, and the writer goes to rank 1; rank 0 has no end any more.
static void open_scene_of_others(scene_t* scene, bool joins_first) {
  open_scene(scene);
  send_reader(scene, 3, 0);
  weft_reader_release(scene->readers[1]);
  scene->readers[1] = NULL;
  uint64_t key = weft_part_of_writer(scene->writer)->readers[0].end.key;
  if (joins_first) {
    join_as_played(scene, 0, key);
  }
  open_writer(scene);
  weft_peer_kit_run(&scene->kit);
  if (!joins_first) {
    join_as_played(scene, 0, key);
  }
}

static void expect_no_reader(scene_t* scene) {
  weft_peer_kit_run(&scene->kit);
  weft_status_code_t code = weft_status_ignore(
      weft_writer_write(scene->writer, weft_int64(1), WEFT_TIME_NOW));
  assert_true(code == WEFT_STATUS_CLOSED || code == WEFT_STATUS_PEER_DIED);
}

// It was told where the writer went, or would have been.
static void who_is_on_the_way_to_the_hub_is_not_forgotten(void** state) {
  (void)state;
  for (int i = 0; i < 6; i++) {
    scene_t scene;
    const weft_value_t bits = weft_int64(1);
    open_scene_of_others(&scene, i % 2 == 0);
    assert_true(is_known(&scene));
    if (i < 2) {
      say(&scene, WEFT_CHANNEL_LEAVE, &bits, 1);
      expect_no_reader(&scene);
      say(&scene, WEFT_CHANNEL_ARRIVE, &bits, 1);
    } else if (i < 4) {
      weft_peer_kit_kill(&scene.kit, 3);
      expect_no_reader(&scene);
    } else {
      say(&scene, WEFT_CHANNEL_ARRIVE, &bits, 1);
    }
    assert_false(is_known(&scene));
    close_scene(&scene);
  }
}

static weft_reader_t* open_here(scene_t* scene, uint32_t index) {
  weft_reader_t* reader;
  send_reader(scene, 1, index);
  weft_value_t value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &reader));
  weft_value_release(value);
  return reader;
}

static weft_status_t read_one(weft_reader_t* reader) {
  weft_lease_t lease;
  weft_status_t status = weft_reader_read(reader, WEFT_TIME_NOW, &lease);
  weft_lease_release(&lease);
  return status;
}

static void read_to_the_end(weft_reader_t* reader) {
  for (int i = 0; i < SLOTS; i++) {
    weft_kit_assert_ok(read_one(reader));
  }
  weft_kit_assert_status(WEFT_STATUS_CLOSED, read_one(reader));
}

// The end is known at its rank, from another reader, before its values are.
static void a_reader_that_joins_after_the_end_gets_all(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  weft_reader_t* first = open_here(&scene, 0);
  for (int64_t n = 0; n < SLOTS; n++) {
    weft_kit_assert_ok(
        weft_writer_write(scene.writer, weft_int64(n), WEFT_TIME_NOW));
  }
  weft_writer_close(scene.writer, WEFT_OK);
  weft_peer_kit_run(&scene.kit);
  read_to_the_end(first);
  weft_reader_t* late = open_here(&scene, 1);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, read_one(late));
  weft_peer_kit_run(&scene.kit);
  read_to_the_end(late);
  weft_reader_release(first);
  weft_reader_release(late);
  close_scene(&scene);
}

// It can be opened, and that is all.
static void expect_gone(scene_t* scene, weft_value_t end) {
  weft_writer_t* writer;
  weft_reader_t* reader;
  weft_future_t* future;
  if (end.as.object->extra == WEFT_CHANNEL_WRITER) {
    weft_kit_assert_ok(weft_writer_open(end, &writer));
    weft_kit_assert_status_says(
        WEFT_STATUS_CLOSED, "the channel is gone",
        weft_writer_write(writer, weft_int64(1), WEFT_TIME_INFINITE));
    weft_kit_assert_ok(weft_writer_ready(writer, &future));
    weft_writer_close(writer, WEFT_OK);
    weft_writer_release(writer);
  } else {
    weft_lease_t lease;
    weft_kit_assert_ok(weft_reader_open(end, &reader));
    weft_kit_assert_status_says(
        WEFT_STATUS_CLOSED, "the channel is gone",
        weft_reader_read(reader, WEFT_TIME_INFINITE, &lease));
    weft_kit_assert_ok(weft_reader_ready(reader, &future));
    weft_reader_release(reader);
  }
  assert_true(weft_future_is_done(future));
  weft_future_release(future);
  weft_kit_assert_status(
      WEFT_STATUS_FAILED_PRECONDITION,
      weft_peer_kit_send(&scene->kit, 0, 1, WEFT_ARGUMENTS(end)));
}

// Rank 3 uses a copy of an end until nothing is left at rank 0.
static void use_up(scene_t* scene, uint32_t number, weft_value_t end) {
  const weft_value_t bits = weft_int64(1);
  weft_part_t* part = weft_part_of_writer(scene->writer);
  send_value(scene, 3, end);
  join_as_played(scene, number, weft_part_end(part, number)->key);
  weft_reader_release(scene->readers[0]);
  weft_reader_release(scene->readers[1]);
  weft_writer_release(scene->writer);
  if (number != WEFT_END_WRITER) {
    say(scene, WEFT_CHANNEL_LEAVE, &bits, 1);
  }
  weft_peer_kit_run(&scene->kit);
  assert_false(is_known(scene));
}

// Rank 1 sends its copy home then; what it is in arrives.
static void an_end_comes_home_when_its_channel_is_gone(void** state) {
  (void)state;
  for (int i = 0; i < 2; i++) {
    scene_t scene;
    open_scene(&scene);
    weft_value_t end = i == 0 ? weft_writer_value(scene.writer)
                              : weft_reader_value(scene.readers[0]);
    send_value(&scene, 1, weft_value_retain(end));
    weft_value_t copy = weft_travel_take();
    use_up(&scene, i == 0 ? WEFT_END_WRITER : 0, end);
    weft_kit_assert_ok(
        weft_peer_kit_send(&scene.kit, 1, 0, WEFT_ARGUMENTS(copy)));
    weft_value_release(copy);
    end = weft_travel_take();
    expect_gone(&scene, end);
    weft_value_release(end);
    weft_peer_kit_run(&scene.kit);
    weft_travel_close(&scene.kit);
  }
}

// Rank 1 asks for its reader when rank 3, which had the writer, has died.
static void who_opens_an_end_after_the_writers_death_hears_of_it(void** state) {
  scene_t scene;
  weft_reader_t* reader;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene);
  send_reader(&scene, 1, 0);
  weft_value_t end = weft_travel_take();
  uint64_t key = weft_part_of_writer(scene.writer)->writer_end.key;
  weft_value_t writer = weft_writer_value(scene.writer);
  send_value(&scene, 3, writer);
  join_as_played(&scene, WEFT_END_WRITER, key);
  weft_peer_kit_kill(&scene.kit, 3);
  weft_kit_assert_ok(weft_reader_open(end, &reader));
  weft_value_release(end);
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED,
                         weft_reader_read(reader, WEFT_TIME_NOW, &lease));
  weft_reader_release(reader);
  weft_reader_release(scene.readers[1]);
  weft_writer_release(scene.writer);
  weft_peer_kit_run(&scene.kit);
  weft_travel_close(&scene.kit);
}

static scene_t* written_at_death;

// Nobody can be lent anything any more, and the hub has not heard why.
static void write_at_death(weft_peer_t* peer, weft_status_t reason) {
  const int64_t count = 1000;
  weft_tensor_t* tensor;
  if (weft_runtime_rank(peer->runtime) == 0 && peer->rank == 3) {
    weft_kit_assert_ok(weft_tensor_create_shared(peer->runtime, WEFT_INT32, 1,
                                                 &count, &tensor));
    weft_value_t value = weft_tensor_into_value(tensor);
    weft_kit_assert_ok(
        weft_writer_write(written_at_death->writer, value, WEFT_TIME_NOW));
    weft_value_release(value);
  }
  weft_channels_peer_died(peer, reason);
}

static void a_death_on_the_way_is_no_failure_of_the_write(void** state) {
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene);
  written_at_death = &scene;
  weft_travel_events.died = write_at_death;
  open_last_reader(&scene);
  send_reader(&scene, 3, 0);
  join_as_played(&scene, 0,
                 weft_part_of_writer(scene.writer)->readers[0].end.key);
  weft_peer_kit_kill(&scene.kit, 3);
  weft_kit_assert_ok(weft_reader_read(scene.readers[1], WEFT_TIME_NOW, &lease));
  assert_int_equal(weft_value_kind(lease.value), WEFT_KIND_TENSOR);
  weft_lease_release(&lease);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_reader_that_left_first_does_not_come_back),
      cmocka_unit_test(a_reader_that_never_comes_holds_nothing),
      cmocka_unit_test(who_is_on_the_way_to_the_hub_is_not_forgotten),
      cmocka_unit_test(a_reader_that_joins_after_the_end_gets_all),
      cmocka_unit_test(an_end_comes_home_when_its_channel_is_gone),
      cmocka_unit_test(who_opens_an_end_after_the_writers_death_hears_of_it),
      cmocka_unit_test(a_death_on_the_way_is_no_failure_of_the_write),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
