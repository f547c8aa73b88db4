// SPDX-License-Identifier: Apache-2.0
//
// What is encoded, through a ring: rank 0 writes, rank 1 reads with two
// readers.

#include "channel/travel_kit.h"
#include "value/value_kit.h"
#include "wire/codec_kit.h"
#include "wire/record.h"

#define SLOTS 4
#define SLOT_BYTES 4096

typedef struct scene {
  weft_peer_kit_t kit;
  weft_writer_t* writer;
  weft_reader_t* readers[2];
  // Of the next value.
  uint64_t sequence;
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

static weft_part_t* hub_of(const scene_t* scene) {
  return weft_part_of_writer(scene->writer);
}

static void read_number(scene_t* scene, uint32_t index) {
  weft_lease_t lease;
  weft_kit_assert_ok(
      weft_reader_read(scene->readers[index], WEFT_TIME_NOW, &lease));
  assert_int_equal(lease.value.as.int64, 7);
  weft_lease_release(&lease);
  weft_peer_kit_run(&scene->kit);
}

static void put_number(scene_t* scene) {
  weft_kit_assert_ok(
      weft_writer_write(scene->writer, weft_int64(7), WEFT_TIME_NOW));
  weft_peer_kit_run(&scene->kit);
  scene->sequence++;
}

// The first reader is at rank 1 and reads from the ring; the other is sent when
// that is so.
static void open_half(scene_t* scene, bool is_static) {
  const weft_channel_options_t options = {.name = "tested",
                                          .reader_count = 2,
                                          .slot_count = SLOTS,
                                          .slot_bytes = SLOT_BYTES,
                                          .is_static = is_static};
  memset(scene, 0, sizeof(*scene));
  weft_travel_open(&scene->kit);
  weft_kit_assert_ok(weft_channel_create(
      scene->kit.members[0].runtime, &options, &scene->writer, scene->readers));
  send_reader(scene, 0);
  put_number(scene);
  assert_int_equal(hub_of(scene)->ringed, 1);
  send_reader(scene, 1);
  read_number(scene, 0);
  read_number(scene, 1);
}

// Both do.
static void open_scene(scene_t* scene, bool is_static) {
  open_half(scene, is_static);
  put_number(scene);
  assert_int_equal(hub_of(scene)->ringed, 3);
  read_number(scene, 0);
  read_number(scene, 1);
}

static void close_scene(scene_t* scene) {
  weft_reader_release(scene->readers[0]);
  weft_reader_release(scene->readers[1]);
  weft_writer_release(scene->writer);
  weft_peer_kit_run(&scene->kit);
  weft_travel_close(&scene->kit);
}

static weft_value_t encode(weft_status_t error, weft_value_t value) {
  weft_value_t bytes;
  weft_kit_assert_ok(weft_record_create(NULL, error, value, &bytes));
  return bytes;
}

static weft_status_t write_bytes(scene_t* scene, weft_value_t bytes) {
  const void* data = NULL;
  size_t size_bytes = 0;
  weft_kit_assert_ok(weft_value_as_bytes(bytes, &data, &size_bytes));
  weft_status_t status =
      weft_writer_write_encoded(scene->writer, data, size_bytes, WEFT_TIME_NOW);
  scene->sequence += status == WEFT_OK ? 1 : 0;
  return status;
}

static weft_lease_t take_encoded(scene_t* scene, uint32_t index) {
  weft_lease_t lease;
  weft_kit_assert_ok(
      weft_reader_read_encoded(scene->readers[index], WEFT_TIME_NOW, &lease));
  assert_true(lease.status == WEFT_OK);
  assert_int_equal(lease.sequence, scene->sequence - 1);
  return lease;
}

static void expect_encoded(scene_t* scene, uint32_t index, weft_value_t bytes) {
  weft_lease_t lease = take_encoded(scene, index);
  assert_true(weft_value_equal(lease.value, bytes));
  weft_lease_release(&lease);
  weft_peer_kit_run(&scene->kit);
}

// --- Values to pass ---------------------------------------------------------

static weft_value_t make_bytes(size_t size_bytes) {
  static char data[(size_t)2 * SLOT_BYTES];
  weft_value_t value;
  memset(data, 'b', sizeof(data));
  weft_kit_assert_ok(weft_bytes_create(NULL, data, size_bytes, &value));
  return value;
}

static weft_value_t make_list(void) {
  weft_value_t items[] = {weft_int64(300), weft_value_kit_string("text")};
  return weft_value_kit_list(items, 2);
}

static weft_value_t make_tensor(void) {
  const int64_t shape[] = {3};
  const int32_t numbers[] = {1, 2, 3};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT32, 1, shape, numbers, &tensor));
  return weft_tensor_into_value(tensor);
}

// Every way that a value can be in a slot, or beside it.
#define FORMS 11

static void make_forms(weft_value_t forms[FORMS]) {
  size_t i = 0;
  forms[i++] = weft_none();
  forms[i++] = weft_bool(true);
  forms[i++] = weft_int64(-5);
  forms[i++] = weft_float64(0.1);
  forms[i++] = weft_value_kit_string("text");
  forms[i++] = make_bytes(3);
  forms[i++] = make_bytes(1000);
  forms[i++] = make_bytes((size_t)2 * SLOT_BYTES);
  forms[i++] = make_list();
  forms[i++] = make_tensor();
  weft_kit_assert_ok(weft_status_value_create(
      NULL, weft_status_make(WEFT_STATUS_FAILED, "the lens is dirty"),
      &forms[i++]));
  assert_int_equal(i, FORMS);
}

// --- Tests ------------------------------------------------------------------

// A number that takes more bytes than it must: whoever made a value of it on
// the way would have written it shorter.
static void a_body_passes_the_ring_as_it_is(void** state) {
  static const char body[] = "\x92\xd3\0\0\0\0\0\0\0\x07\xa2ok";
  scene_t scene;
  weft_value_t bytes;
  weft_ring_content_t content;
  (void)state;
  open_scene(&scene, false);
  weft_kit_assert_ok(
      weft_record_wrap(NULL, false, body, sizeof(body) - 1, &bytes));
  weft_kit_assert_ok(write_bytes(&scene, bytes));
  assert_int_equal(
      weft_ring_look(&hub_of(&scene)->ring, scene.sequence - 1, &content),
      WEFT_RING_SHOWN);
  assert_int_equal(content.kind, WEFT_RING_VALUE);
  assert_int_equal(content.size_bytes, sizeof(body) - 1);
  assert_memory_equal(content.data, body, sizeof(body) - 1);
  expect_encoded(&scene, 0, bytes);
  // Again through the same ring, from what was read.
  weft_lease_t lease = take_encoded(&scene, 1);
  weft_kit_assert_ok(write_bytes(&scene, lease.value));
  weft_lease_release(&lease);
  expect_encoded(&scene, 0, bytes);
  weft_kit_assert_ok(weft_reader_read(scene.readers[1], WEFT_TIME_NOW, &lease));
  char text[40];
  (void)weft_value_format(lease.value, text, sizeof(text));
  assert_string_equal(text, "[7, \"ok\"]");
  weft_lease_release(&lease);
  weft_value_release(bytes);
  close_scene(&scene);
}

// One reader decodes what the other does not, in either order.
static void read_both_ways(scene_t* scene, weft_value_t value, uint32_t decoder,
                           bool is_decoded_first) {
  weft_status_t error = WEFT_OK;
  weft_lease_t decoded;
  weft_lease_t encoded;
  if (weft_value_kind(value) == WEFT_KIND_STATUS) {
    weft_kit_assert_ok(weft_value_as_status(value, &error));
  }
  weft_value_t bytes = encode(error, value);
  weft_kit_assert_ok(write_bytes(scene, bytes));
  weft_peer_kit_run(&scene->kit);
  if (!is_decoded_first) {
    encoded = take_encoded(scene, 1 - decoder);
  }
  weft_kit_assert_ok(
      weft_reader_read(scene->readers[decoder], WEFT_TIME_NOW, &decoded));
  if (is_decoded_first) {
    encoded = take_encoded(scene, 1 - decoder);
  }
  assert_true(weft_value_equal(encoded.value, bytes));
  weft_codec_kit_assert_status(error, decoded.status);
  weft_codec_kit_assert_equal(error != WEFT_OK ? weft_none() : value,
                              decoded.value);
  weft_lease_release(decoder == 0 ? &encoded : &decoded);
  weft_lease_release(decoder == 0 ? &decoded : &encoded);
  weft_peer_kit_run(&scene->kit);
  weft_value_release(bytes);
}

static void one_decodes_what_another_does_not(void** state) {
  scene_t scene;
  weft_value_t forms[FORMS];
  (void)state;
  open_scene(&scene, false);
  make_forms(forms);
  for (size_t i = 0; i < FORMS; i++) {
    for (uint32_t way = 0; way < 4; way++) {
      read_both_ways(&scene, forms[i], way & 1, (way & 2) != 0);
    }
    weft_value_release(forms[i]);
  }
  // Every slot came back.
  for (int i = 0; i < SLOTS; i++) {
    put_number(&scene);
  }
  close_scene(&scene);
}

// The value comes to one by the ring, and then to the other by a frame.
static void what_was_not_decoded_is_there_for_one_who_reads_later(
    void** state) {
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_half(&scene, false);
  weft_value_t list = make_list();
  weft_value_t bytes = encode(WEFT_OK, list);
  weft_kit_assert_ok(weft_writer_write(scene.writer, list, WEFT_TIME_NOW));
  scene.sequence++;
  weft_lease_t held = take_encoded(&scene, 0);
  assert_true(weft_value_equal(held.value, bytes));
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_ok(weft_reader_read(scene.readers[1], WEFT_TIME_NOW, &lease));
  assert_true(weft_value_equal(lease.value, list));
  weft_lease_release(&held);
  weft_lease_release(&lease);
  weft_value_release(list);
  weft_value_release(bytes);
  close_scene(&scene);
}

static void bytes_that_no_reader_could_decode_do_not_reach_one(void** state) {
  static const char* const bodies[] = {
      "\xc1",     "\xa1\xff", "\x82\xa1k\1\xa1k\1",
      "\x01\x01", "\x91",     "\xd4\x10\x01"};
  static const uint32_t sizes[] = {1, 2, 7, 2, 1, 3};
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene, false);
  for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
    for (int is_error = 0; is_error < 2; is_error++) {
      weft_value_t bytes;
      weft_kit_assert_ok(
          weft_record_wrap(NULL, is_error != 0, bodies[i], sizes[i], &bytes));
      weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, write_bytes(&scene, bytes));
      weft_value_release(bytes);
    }
  }
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_status(
      WEFT_STATUS_WOULD_BLOCK,
      weft_reader_read(scene.readers[0], WEFT_TIME_NOW, &lease));
  put_number(&scene);
  read_number(&scene, 0);
  read_number(&scene, 1);
  close_scene(&scene);
}

// The first value was a number: whoever looks at it has to know the value.
static void what_is_encoded_has_the_structure_that_was_agreed(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene, true);
  weft_value_t list = make_list();
  weft_value_t bytes = encode(WEFT_OK, list);
  weft_kit_assert_status(WEFT_STATUS_INVALID_ARGUMENT,
                         write_bytes(&scene, bytes));
  weft_value_release(list);
  weft_value_release(bytes);
  bytes = encode(WEFT_OK, weft_int64(7));
  weft_kit_assert_ok(write_bytes(&scene, bytes));
  weft_peer_kit_run(&scene.kit);
  expect_encoded(&scene, 1, bytes);
  read_number(&scene, 0);
  weft_value_release(bytes);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_body_passes_the_ring_as_it_is),
      cmocka_unit_test(one_decodes_what_another_does_not),
      cmocka_unit_test(what_was_not_decoded_is_there_for_one_who_reads_later),
      cmocka_unit_test(bytes_that_no_reader_could_decode_do_not_reach_one),
      cmocka_unit_test(what_is_encoded_has_the_structure_that_was_agreed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
