// SPDX-License-Identifier: Apache-2.0
//
// Values with tensors that no writer wrote: each is an error in its turn, and
// the channel goes on. Rank 3 is played, and says that it has made a channel;
// rank 1 has the reader.

#include "channel/travel_kit.h"
#include "value/value_kit.h"

#define SLOTS 2
#define NUMBER 7
#define KEY UINT64_C(0x1234567)

static const int64_t four[] = {4};

typedef struct scene {
  weft_peer_kit_t kit;
  weft_reader_t* reader;
  uint64_t next;
} scene_t;

// A frame with room for what the tests put into it.
typedef struct room {
  weft_frame_t head;
  uint8_t rest[4096];
} room_t;

static void post(scene_t* scene, const room_t* room) {
  weft_peer_kit_write(&scene->kit, 3, 1, room, room->head.size_bytes);
  weft_peer_kit_run(&scene->kit);
}

// The end of the channel as a value in a call.
static void send_end(scene_t* scene, uint32_t end_number, uint32_t is_static) {
  struct {
    uint8_t form[3];
    uint8_t passport[32];
  } end = {.form = {0xc7, 32, WEFT_EXTENSION_CHANNEL_END}};
  const uint32_t words[] = {
      weft_holder_make(3, 1),       NUMBER, (uint32_t)KEY, 0,
      is_static << 16 | end_number, 2,      SLOTS,         0};
  room_t room = {.head = {.type = WEFT_FRAME_CALL,
                          .timeout_ns = INT64_MAX,
                          .value_count = 1,
                          .kinds = sizeof(end)}};
  memcpy(end.passport, words, sizeof(words));
  weft_frame_places_t places = weft_frame_places(&room.head);
  memcpy((uint8_t*)&room + places.payload, &end, sizeof(end));
  room.head.size_bytes = (uint32_t)places.rest;
  post(scene, &room);
}

static weft_reader_t* open_reader(scene_t* scene, uint32_t end_number,
                                  bool is_static) {
  weft_reader_t* reader;
  send_end(scene, end_number, is_static ? 1 : 0);
  weft_value_t value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &reader));
  weft_value_release(value);
  const weft_frame_t* join =
      weft_peer_kit_expect(&scene->kit, 3, 1, WEFT_FRAME_CHANNEL);
  const weft_frame_t answer = {.type = WEFT_FRAME_REPLY, .id = join->id};
  const weft_value_t word = weft_int64(0);
  weft_peer_kit_tell_scalars(&scene->kit, 3, 1, &answer, &word, 1);
  return reader;
}

static void open_scene(scene_t* scene, bool is_static) {
  memset(scene, 0, sizeof(*scene));
  weft_travel_open(&scene->kit);
  scene->reader = open_reader(scene, 0, is_static);
}

static void close_scene(scene_t* scene) {
  weft_reader_release(scene->reader);
  weft_peer_kit_run(&scene->kit);
  weft_travel_close(&scene->kit);
}

// --- Values: [n, int8[4], int8[4]] ------------------------------------------

static weft_value_t make_tensor(int64_t size, int8_t first) {
  const int8_t data[] = {first, 2, 3, 4, 5, 6, 7, 8};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      weft_tensor_from_data(NULL, WEFT_INT8, 1, &size, data, &tensor));
  return weft_tensor_into_value(tensor);
}

static weft_value_t make_value(int64_t n, int64_t second_size) {
  const weft_value_t parts[] = {weft_int64(n), make_tensor(4, (int8_t)n),
                                make_tensor(second_size, (int8_t)n)};
  return weft_value_kit_list(parts, 3);
}

// The frame of the next value, with what it needs beside it.
static void fill(const scene_t* scene, room_t* room, bool is_bare,
                 const weft_encoder_t* encoder, uint32_t attachment_count) {
  *room = (room_t){.head = {.type = WEFT_FRAME_SLOT,
                            .flags = is_bare ? WEFT_FRAME_BARE : 0,
                            .id = scene->next,
                            .target_index = weft_holder_make(3, 1),
                            .target_generation = NUMBER,
                            .sender = 1,
                            .timeout_ns = INT64_MAX,
                            .value_count = 1,
                            .attachment_count = (uint16_t)attachment_count,
                            .kinds = (uint32_t)encoder->size_bytes}};
  weft_frame_places_t places = weft_frame_places(&room->head);
  uint8_t* bytes = (uint8_t*)room;
  memcpy(bytes + places.payload, encoder->data, encoder->size_bytes);
  for (uint32_t i = 0; i < attachment_count; i++) {
    const weft_encoder_bytes_t* from = &encoder->attachments[i];
    const weft_attachment_t attachment = {.kind = WEFT_ATTACHMENT_INLINE,
                                          .offset_bytes = places.rest,
                                          .size_bytes = from->size_bytes};
    weft_attachment_write(
        bytes + places.attachments + (size_t)i * WEFT_ATTACHMENT_BYTES,
        &attachment);
    memcpy(bytes + places.rest, from->data, from->size_bytes);
    places.rest += (from->size_bytes + 7) & ~(size_t)7;
  }
  room->head.size_bytes = (uint32_t)places.rest;
}

static void encode(weft_encoder_t* encoder, bool is_bare, weft_value_t value) {
  weft_encoder_init(encoder, NULL, NULL, NULL);
  weft_kit_assert_ok(is_bare ? weft_encode_data(encoder, "value", value)
                             : weft_encode_value(encoder, "value", value));
}

static void make_sound(const scene_t* scene, room_t* room, bool is_bare) {
  weft_encoder_t encoder;
  weft_value_t value = make_value((int64_t)scene->next, 4);
  encode(&encoder, is_bare, value);
  fill(scene, room, is_bare, &encoder, encoder.attachment_count);
  weft_encoder_deinit(&encoder);
  weft_value_release(value);
}

static weft_lease_t take(scene_t* scene) {
  weft_lease_t lease;
  weft_kit_assert_ok(weft_reader_read(scene->reader, WEFT_TIME_NOW, &lease));
  assert_int_equal(lease.sequence, scene->next);
  scene->next++;
  return lease;
}

static void give_back(scene_t* scene, weft_lease_t* lease) {
  weft_lease_release(lease);
  weft_peer_kit_run(&scene->kit);
}

static void expect_sound(scene_t* scene, bool is_bare) {
  room_t room;
  int64_t n = (int64_t)scene->next;
  const weft_value_t* parts;
  size_t count;
  make_sound(scene, &room, is_bare);
  post(scene, &room);
  weft_lease_t lease = take(scene);
  weft_kit_assert_ok(weft_status_retain(lease.status));
  weft_kit_assert_ok(weft_value_as_list(lease.value, &parts, &count));
  assert_int_equal(count, 3);
  assert_true(weft_value_equal(parts[0], weft_int64(n)));
  for (size_t i = 1; i < 3; i++) {
    const weft_tensor_t* tensor;
    weft_kit_assert_ok(weft_value_as_tensor(parts[i], &tensor));
    weft_kit_assert_ok(weft_tensor_expect(tensor, WEFT_INT8, 1, four));
    assert_int_equal(*(const int8_t*)weft_tensor_data(tensor), (int8_t)n);
  }
  give_back(scene, &lease);
}

static void expect_error(scene_t* scene, const room_t* room, const char* says) {
  post(scene, room);
  weft_lease_t lease = take(scene);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, says,
                              weft_status_retain(lease.status));
  assert_int_equal(weft_value_kind(lease.value), WEFT_KIND_NONE);
  give_back(scene, &lease);
}

// --- Placeholders -----------------------------------------------------------

// Where the numbers of attachments stand in a body: the elements of a list of
// three begin behind its first byte, then an int64 of one, then extensions of
// 3 + 24 bytes.
#define FIRST_NUMBER (1 + 1 + 3)
#define SECOND_NUMBER (FIRST_NUMBER + 24 + 3)

static void every_placeholder_is_filled_once(void** state) {
  static const struct {
    size_t at;
    uint8_t number;
    const char* says;
  } cases[] = {
      {FIRST_NUMBER, 1, "named before"}, {SECOND_NUMBER, 0, "named before"},
      {FIRST_NUMBER, 2, "not there"},    {SECOND_NUMBER, 200, "not there"},
      {FIRST_NUMBER, 63, "not there"},
  };
  scene_t scene;
  room_t room;
  (void)state;
  for (int is_static = 0; is_static < 2; is_static++) {
    open_scene(&scene, is_static != 0);
    expect_sound(&scene, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
      make_sound(&scene, &room, false);
      weft_frame_places_t places = weft_frame_places(&room.head);
      uint8_t* number = (uint8_t*)&room + places.payload + cases[i].at;
      assert_int_equal(*number, cases[i].at == FIRST_NUMBER ? 0 : 1);
      *number = cases[i].number;
      expect_error(&scene, &room, cases[i].says);
      expect_sound(&scene, false);
    }
    assert_false(weft_peer_kit_is_closed(&scene.kit, 3, 1));
    close_scene(&scene);
  }
}

// An announced dtype or shape that what came does not fill.
static void tensors_are_what_was_announced(void** state) {
  scene_t scene;
  room_t room;
  (void)state;
  open_scene(&scene, false);
  make_sound(&scene, &room, false);
  uint8_t* body = (uint8_t*)&room + weft_frame_places(&room.head).payload;
  // The size, behind 16 bytes.
  body[FIRST_NUMBER + 16] = 5;
  expect_error(&scene, &room, "no such value");
  make_sound(&scene, &room, false);
  body = (uint8_t*)&room + weft_frame_places(&room.head).payload;
  // The bits of its dtype.
  body[FIRST_NUMBER + 5] = 64;
  expect_error(&scene, &room, "no such value");
  expect_sound(&scene, false);
  close_scene(&scene);
}

// --- Without structure ------------------------------------------------------

static void data_without_a_structure_is_an_error(void** state) {
  scene_t scene;
  room_t room;
  (void)state;
  for (int is_static = 0; is_static < 2; is_static++) {
    open_scene(&scene, is_static != 0);
    make_sound(&scene, &room, true);
    expect_error(&scene, &room, "is not known here");
    expect_sound(&scene, false);
    if (is_static == 0) {
      make_sound(&scene, &room, true);
      expect_error(&scene, &room, "is not known here");
    } else {
      expect_sound(&scene, true);
    }
    close_scene(&scene);
  }
}

// Data of a value, of which a part is left out, or too much.
static void refuse_data(scene_t* scene, weft_value_t value,
                        uint32_t attachment_count, size_t body_bytes,
                        const char* says) {
  weft_encoder_t encoder;
  room_t room;
  encode(&encoder, true, value);
  encoder.attachments[2] = encoder.attachments[1];
  encoder.size_bytes = body_bytes;
  fill(scene, &room, true, &encoder, attachment_count);
  expect_error(scene, &room, says);
  weft_encoder_deinit(&encoder);
  weft_value_release(value);
  expect_sound(scene, true);
}

static void data_is_of_the_structure_that_was_agreed(void** state) {
  scene_t scene;
  room_t room;
  weft_encoder_t encoder;
  (void)state;
  open_scene(&scene, true);
  expect_sound(&scene, false);
  expect_sound(&scene, true);
  refuse_data(&scene, make_value(1, 4), 0, 1, "value: [1]: byte 1 of 1");
  refuse_data(&scene, make_value(1, 4), 1, 1, "value: [2]: byte 1 of 1");
  refuse_data(&scene, make_value(1, 4), 3, 1, "named by no value");
  refuse_data(&scene, make_value(1, 4), 2, 0, "value: [0]");
  refuse_data(&scene, make_value(1, 4), 2, 2, "end at byte 1 of 2");
  refuse_data(&scene, make_value(1, 3), 2, 1, "no such value");
  refuse_data(&scene, make_value(1, 5), 2, 1, "larger than the tensor");
  // A value of another structure, whole.
  weft_value_t other = make_value(1, 5);
  encode(&encoder, false, other);
  fill(&scene, &room, false, &encoder, encoder.attachment_count);
  expect_error(&scene, &room, "with another structure");
  weft_encoder_deinit(&encoder);
  weft_value_release(other);
  expect_sound(&scene, true);
  expect_sound(&scene, false);
  assert_false(weft_peer_kit_is_closed(&scene.kit, 3, 1));
  close_scene(&scene);
}

static int count_agreed(scene_t* scene) {
  int agreed = 0;
  const weft_frame_t* frame;
  while ((frame = weft_peer_kit_take(&scene->kit, 3, 1)) != NULL) {
    agreed += frame->endpoint == WEFT_CHANNEL_AGREED ? 1 : 0;
  }
  return agreed;
}

// It is told once, and once more when another reader joins; a part whose
// channel is not static never says it.
static void the_structure_is_acknowledged_once(void** state) {
  scene_t scene;
  (void)state;
  for (int is_static = 0; is_static < 2; is_static++) {
    open_scene(&scene, is_static != 0);
    for (int i = 0; i < 4; i++) {
      expect_sound(&scene, false);
    }
    assert_int_equal(count_agreed(&scene), is_static);
    weft_reader_t* other = open_reader(&scene, 1, is_static != 0);
    assert_int_equal(count_agreed(&scene), is_static);
    weft_reader_release(other);
    close_scene(&scene);
  }
}

// Rank 2 has nothing to do with the channel.
static void only_the_hub_tells_a_structure(void** state) {
  scene_t scene;
  room_t room;
  (void)state;
  open_scene(&scene, true);
  weft_peer_kit_connect(&scene.kit, 1, 2);
  weft_encoder_t encoder;
  encode(&encoder, false, weft_int64(5));
  fill(&scene, &room, false, &encoder, 0);
  weft_encoder_deinit(&encoder);
  weft_peer_kit_write(&scene.kit, 2, 1, &room, room.head.size_bytes);
  weft_peer_kit_run(&scene.kit);
  expect_sound(&scene, false);
  expect_sound(&scene, true);
  close_scene(&scene);
}

// --- Damage -----------------------------------------------------------------

// Any byte behind what names the value may be another.
static void damage(weft_kit_random_t* random, void* user) {
  scene_t scene;
  room_t room;
  weft_lease_t lease;
  (void)user;
  open_scene(&scene, true);
  expect_sound(&scene, false);
  for (int i = 0; i < 20; i++) {
    make_sound(&scene, &room, weft_kit_random_below(random, 2) == 0);
    size_t from = offsetof(weft_frame_t, value_count);
    for (uint64_t k = weft_kit_random_below(random, 3) + 1; k > 0; k--) {
      size_t at =
          from + weft_kit_random_below(random, room.head.size_bytes - from);
      ((uint8_t*)&room)[at] = (uint8_t)weft_kit_random_next(random);
    }
    post(&scene, &room);
    if (weft_peer_kit_is_closed(&scene.kit, 3, 1)) {
      break;
    }
    weft_kit_assert_ok(weft_reader_read(scene.reader, WEFT_TIME_NOW, &lease));
    scene.next++;
    give_back(&scene, &lease);
  }
  if (!weft_peer_kit_is_closed(&scene.kit, 3, 1)) {
    expect_sound(&scene, true);
  }
  close_scene(&scene);
}

static void damaged_frames_are_errors(void** state) {
  (void)state;
  weft_kit_for_seeds(damage, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_placeholder_is_filled_once),
      cmocka_unit_test(tensors_are_what_was_announced),
      cmocka_unit_test(data_without_a_structure_is_an_error),
      cmocka_unit_test(data_is_of_the_structure_that_was_agreed),
      cmocka_unit_test(the_structure_is_acknowledged_once),
      cmocka_unit_test(only_the_hub_tells_a_structure),
      cmocka_unit_test(damaged_frames_are_errors),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
