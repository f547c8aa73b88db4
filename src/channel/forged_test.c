// SPDX-License-Identifier: Apache-2.0
//
// What no peer may say of channels: it is refused, or the link ends, and what
// others have stays theirs. Ranks 0 and 1 are runtimes, rank 3 is played.

#include "channel/travel_kit.h"

#define SLOTS 2
#define OTHER_NUMBER 7
#define OTHER_KEY UINT64_C(0x1234567)

typedef struct scene {
  weft_peer_kit_t kit;
  // Rank 0 has made a channel with three readers, and writes; rank 1 has
  // reader 0 and a copy of reader 1; rank 3 has a copy of reader 2.
  weft_writer_t* writer;
  weft_reader_t* reader;
  weft_value_t unused;
  uint64_t key;
  int64_t next;
} scene_t;

// --- Ends as bytes ----------------------------------------------------------

// As it stands in a body.
typedef struct forged_end {
  uint8_t form;
  uint8_t size_bytes;
  uint8_t type;
  uint8_t passport[40];
} forged_end_t;

typedef struct words {
  uint32_t creator;
  uint32_t number;
  uint64_t key;
  uint32_t end;
  uint32_t reader_count;
  uint32_t slot_count;
  uint32_t name_bytes;
} words_t;

static void post_end(scene_t* scene, uint32_t to, const words_t* words,
                     uint8_t size_bytes) {
  struct {
    weft_frame_t head;
    uint8_t rest[64];
  } frame = {.head = {.type = WEFT_FRAME_CALL,
                      .timeout_ns = INT64_MAX,
                      .value_count = 1,
                      .kinds = (uint32_t)size_bytes + 3}};
  forged_end_t end = {0xc7, size_bytes, WEFT_EXTENSION_CHANNEL_END, {0}};
  memcpy(end.passport, words, sizeof(*words));
  memcpy(end.passport + sizeof(*words), "forged!", 8);
  weft_frame_places_t places = weft_frame_places(&frame.head);
  memcpy((uint8_t*)&frame + places.payload, &end, (size_t)size_bytes + 3);
  frame.head.size_bytes = (uint32_t)places.rest;
  weft_peer_kit_write(&scene->kit, 3, to, &frame, frame.head.size_bytes);
  weft_peer_kit_run(&scene->kit);
}

// The key in the end that rank 3 was sent.
static uint64_t read_key(scene_t* scene) {
  const weft_frame_t* frame =
      weft_peer_kit_expect(&scene->kit, 3, 0, WEFT_FRAME_CALL);
  words_t words;
  weft_frame_places_t places = weft_frame_places(frame);
  memcpy(&words, (const uint8_t*)frame + places.payload + 3, sizeof(words));
  assert_int_equal(words.creator, weft_holder_make(0, 1));
  assert_int_equal(words.number, 1);
  assert_int_equal(words.end, 2);
  return words.key;
}

// --- The scene --------------------------------------------------------------

static void send_end(scene_t* scene, uint32_t to, weft_reader_t* reader) {
  weft_value_t value = weft_reader_value(reader);
  weft_reader_release(reader);
  weft_kit_assert_ok(
      weft_peer_kit_send(&scene->kit, 0, to, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
}

static void open_scene(scene_t* scene) {
  const weft_channel_options_t options = {.name = "tested",
                                          .reader_count = 3,
                                          .slot_count = SLOTS,
                                          .slot_bytes = WEFT_CHANNEL_NO_RING};
  weft_reader_t* readers[3];
  memset(scene, 0, sizeof(*scene));
  weft_travel_open(&scene->kit);
  weft_kit_assert_ok(weft_channel_create(scene->kit.members[0].runtime,
                                         &options, &scene->writer, readers));
  send_end(scene, 3, readers[2]);
  scene->key = read_key(scene);
  send_end(scene, 1, readers[1]);
  scene->unused = weft_travel_take();
  send_end(scene, 1, readers[0]);
  weft_value_t value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &scene->reader));
  weft_value_release(value);
  weft_peer_kit_run(&scene->kit);
}

static void close_scene(scene_t* scene) {
  weft_reader_release(scene->reader);
  weft_value_release(scene->unused);
  weft_writer_release(scene->writer);
  weft_peer_kit_run(&scene->kit);
  weft_travel_close(&scene->kit);
}

static weft_frame_t head_about(uint16_t subject) {
  return weft_channel_head(weft_holder_make(0, 1), 1, subject);
}

static void say(scene_t* scene, uint32_t to, const weft_frame_t* head,
                uint64_t first, uint64_t second, uint64_t third) {
  const weft_value_t words[] = {weft_int64((int64_t)first),
                                weft_int64((int64_t)second),
                                weft_int64((int64_t)third)};
  uint32_t count = head->endpoint == WEFT_CHANNEL_PASS ? 3 : 2;
  if (head->endpoint == WEFT_CHANNEL_LEAVE ||
      head->endpoint == WEFT_CHANNEL_MOVED) {
    count = 1;
  }
  weft_peer_kit_tell_scalars(&scene->kit, 3, to, head, words, count);
}

static void join(scene_t* scene, uint64_t end, uint64_t key) {
  weft_frame_t head = head_about(WEFT_CHANNEL_JOIN);
  head.id = 5;
  say(scene, 0, &head, end, key, 0);
}

// The answer of rank 0; true for an error.
static bool is_refused(scene_t* scene) {
  const weft_frame_t* frame =
      weft_peer_kit_expect(&scene->kit, 3, 0, WEFT_FRAME_REPLY);
  assert_int_equal(frame->id, 5);
  return (frame->flags & WEFT_FRAME_ERROR) != 0;
}

static void write_one(scene_t* scene, weft_status_code_t code) {
  weft_kit_assert_status(
      code,
      weft_writer_write(scene->writer, weft_int64(scene->next), WEFT_TIME_NOW));
  scene->next += code == WEFT_STATUS_OK ? 1 : 0;
  weft_peer_kit_run(&scene->kit);
}

static void expect_number(scene_t* scene, weft_reader_t* reader,
                          int64_t number) {
  weft_lease_t lease;
  weft_kit_assert_ok(weft_reader_read(reader, WEFT_TIME_NOW, &lease));
  assert_true(weft_value_equal(lease.value, weft_int64(number)));
  weft_lease_release(&lease);
  weft_peer_kit_run(&scene->kit);
}

// Reader 0 gets all, and so does reader 1, which is opened now.
static void expect_others_whole(scene_t* scene) {
  weft_reader_t* late;
  for (int64_t n = 0; n < scene->next; n++) {
    expect_number(scene, scene->reader, n);
  }
  weft_kit_assert_ok(weft_reader_open(scene->unused, &late));
  weft_peer_kit_run(&scene->kit);
  for (int64_t n = 0; n < scene->next; n++) {
    expect_number(scene, late, n);
  }
  weft_reader_release(late);
}

// --- Joining ----------------------------------------------------------------

static void who_has_no_key_joins_nothing(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  join(&scene, 2, scene.key + 1);
  assert_true(is_refused(&scene));
  join(&scene, 1, scene.key);
  assert_true(is_refused(&scene));
  join(&scene, WEFT_END_WRITER, scene.key);
  assert_true(is_refused(&scene));
  join(&scene, 0, 0);
  assert_true(is_refused(&scene));
  // A channel that there is not.
  weft_frame_t head =
      weft_channel_head(weft_holder_make(0, 1), 99, WEFT_CHANNEL_JOIN);
  head.id = 5;
  say(&scene, 0, &head, 2, scene.key, 0);
  assert_true(is_refused(&scene));
  write_one(&scene, WEFT_STATUS_OK);
  write_one(&scene, WEFT_STATUS_OK);
  expect_others_whole(&scene);
  close_scene(&scene);
}

static void an_end_is_joined_once(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  join(&scene, 2, scene.key);
  assert_false(is_refused(&scene));
  join(&scene, 2, scene.key);
  assert_true(is_refused(&scene));
  write_one(&scene, WEFT_STATUS_OK);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&scene.kit, 3, 0, WEFT_FRAME_SLOT);
  assert_int_equal(frame->sender, 4);
  assert_null(weft_peer_kit_take(&scene.kit, 3, 0));
  expect_others_whole(&scene);
  close_scene(&scene);
}

static void words_that_make_no_sense_close_the_link(void** state) {
  static const struct {
    uint16_t subject;
    uint64_t first;
  } cases[] = {
      {WEFT_CHANNEL_JOIN, 3},
      {WEFT_CHANNEL_JOIN, 63},
      {WEFT_CHANNEL_JOIN, 65},
      {WEFT_CHANNEL_JOIN, UINT64_MAX},
      {WEFT_CHANNEL_RETURN, 3},
      {WEFT_CHANNEL_PASS, 1000},
      {WEFT_CHANNEL_PASS, 1u << 31},
      {0, 0},
      {9, 0},
      {UINT16_MAX, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    scene_t scene;
    open_scene(&scene);
    weft_frame_t head = head_about(cases[i].subject);
    say(&scene, 0, &head, cases[i].first, scene.key, scene.key);
    assert_true(weft_peer_kit_is_closed(&scene.kit, 3, 0));
    close_scene(&scene);
  }
}

// Rank 2 reads nothing: there is no link to it so far.
static void who_does_not_read_may_not_ask_for_ever(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  weft_peers_of(scene.kit.members[0].runtime)->outbox_limit = 3;
  weft_peer_t* peer = weft_peer_kit_peer(&scene.kit, 0, 2);
  const weft_value_t words[] = {weft_int64(2), weft_int64(0)};
  struct {
    weft_frame_t head;
    uint64_t words[2];
  } frame = {.head = head_about(WEFT_CHANNEL_JOIN)};
  frame.head.size_bytes = sizeof(frame);
  weft_frame_put_scalars(&frame.head, frame.words, words, 2);
  for (int i = 0; i < 1000; i++) {
    weft_channels_receive(peer, &frame.head);
  }
  assert_int_equal(peer->outbox_count, 3);
  close_scene(&scene);
}

// --- Releasing and leaving --------------------------------------------------

static void what_others_hold_is_not_a_liars_to_release(void** state) {
  static const uint64_t sequences[] = {0,         1, 2, 1000, UINT64_MAX - 1,
                                       UINT64_MAX};
  scene_t scene;
  (void)state;
  open_scene(&scene);
  weft_frame_t release = head_about(WEFT_CHANNEL_RELEASE);
  weft_frame_t leave = head_about(WEFT_CHANNEL_LEAVE);
  // Before it has joined, and afterwards.
  for (int round = 0; round < 2; round++) {
    write_one(&scene, WEFT_STATUS_OK);
    for (size_t i = 0; i < sizeof(sequences) / sizeof(sequences[0]); i++) {
      say(&scene, 0, &release, sequences[i], UINT64_MAX, 0);
    }
    if (round == 0) {
      say(&scene, 0, &leave, UINT64_MAX, 0, 0);
      join(&scene, 2, scene.key);
      assert_false(is_refused(&scene));
    }
  }
  write_one(&scene, WEFT_STATUS_WOULD_BLOCK);
  say(&scene, 0, &leave, UINT64_MAX, 0, 0);
  write_one(&scene, WEFT_STATUS_WOULD_BLOCK);
  expect_others_whole(&scene);
  assert_false(weft_peer_kit_is_closed(&scene.kit, 3, 0));
  close_scene(&scene);
}

static void copies_of_others_are_not_a_liars_to_count(void** state) {
  scene_t scene;
  (void)state;
  open_scene(&scene);
  weft_frame_t give_back = head_about(WEFT_CHANNEL_RETURN);
  weft_frame_t pass = head_about(WEFT_CHANNEL_PASS);
  uint64_t victim = (uint64_t)weft_holder_make(1, 1) << 32;
  for (int i = 0; i < 100; i++) {
    say(&scene, 0, &give_back, 1, 1000, 0);
    say(&scene, 0, &pass, 1, victim, scene.key);
    say(&scene, 0, &pass, 1, victim, 0);
    say(&scene, 0, &pass, 0, victim | 1, scene.key);
    say(&scene, 0, &pass, WEFT_END_WRITER, UINT64_MAX, scene.key);
    say(&scene, 0, &pass, 2, UINT64_MAX, scene.key);
    say(&scene, 0, &give_back, 1, UINT64_MAX, 0);
  }
  write_one(&scene, WEFT_STATUS_OK);
  write_one(&scene, WEFT_STATUS_OK);
  expect_others_whole(&scene);
  assert_false(weft_peer_kit_is_closed(&scene.kit, 3, 0));
  close_scene(&scene);
}

// --- Values -----------------------------------------------------------------

static void tell_slot(scene_t* scene, uint32_t to, const weft_frame_t* about,
                      int64_t number) {
  const weft_value_t word = weft_int64(number);
  weft_peer_kit_tell_scalars(&scene->kit, 3, to, about, &word, 1);
}

static weft_frame_t slot_of(uint32_t creator, uint32_t number, uint64_t id,
                            uint16_t kind) {
  return (weft_frame_t){
      .type = WEFT_FRAME_SLOT,
      .endpoint = kind,
      .id = id,
      .target_index = creator,
      .target_generation = number,
      .sender = UINT64_MAX,
  };
}

static void only_the_hub_gives_values_and_ends(void** state) {
  scene_t scene;
  weft_lease_t lease;
  (void)state;
  open_scene(&scene);
  weft_frame_t moved = head_about(WEFT_CHANNEL_MOVED);
  for (uint32_t to = 0; to < 2; to++) {
    for (uint16_t kind = 0; kind < 4; kind++) {
      weft_frame_t slot = slot_of(weft_holder_make(0, 1), 1, 0, kind);
      tell_slot(&scene, to, &slot, 99);
    }
    say(&scene, to, &moved, weft_holder_make(3, 1), 0, 0);
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                         weft_reader_read(scene.reader, WEFT_TIME_NOW, &lease));
  write_one(&scene, WEFT_STATUS_OK);
  expect_others_whole(&scene);
  close_scene(&scene);
}

// Rank 1 opens a reader of a channel that rank 3 says it has made.
static weft_reader_t* open_others(scene_t* scene) {
  const words_t words = {
      weft_holder_make(3, 1), OTHER_NUMBER, OTHER_KEY, 1, 2, SLOTS, 8};
  weft_reader_t* reader;
  post_end(scene, 1, &words, 40);
  weft_value_t value = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(value, &reader));
  weft_value_release(value);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&scene->kit, 3, 1, WEFT_FRAME_CHANNEL);
  assert_int_equal(frame->endpoint, WEFT_CHANNEL_JOIN);
  const weft_frame_t answer = {.type = WEFT_FRAME_REPLY, .id = frame->id};
  tell_slot(scene, 1, &answer, 0);
  return reader;
}

static void values_that_cannot_be_end_the_channel_and_the_link(void** state) {
  // Out of order; twice; for a slot in use; much later.
  static const uint64_t cases[][4] = {
      {1, 0, 2, 3}, {0, 0, 1, 2}, {0, 1, 2, 3}, {0, UINT64_MAX, 1, 2}};
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    scene_t scene;
    weft_lease_t lease;
    open_scene(&scene);
    weft_reader_t* reader = open_others(&scene);
    for (size_t k = 0; k < 4 && !weft_peer_kit_is_closed(&scene.kit, 3, 1);
         k++) {
      weft_frame_t slot = slot_of(weft_holder_make(3, 1), OTHER_NUMBER,
                                  cases[i][k], WEFT_SLOT_VALUE);
      tell_slot(&scene, 1, &slot, (int64_t)k);
    }
    assert_true(weft_peer_kit_is_closed(&scene.kit, 3, 1));
    weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                           weft_reader_read(reader, WEFT_TIME_NOW, &lease));
    weft_reader_release(reader);
    close_scene(&scene);
  }
}

static void a_writer_that_moves_to_nobody_ends_the_channel(void** state) {
  static const uint32_t hubs[] = {0x10001, 0x10002, 0x20001, 0xffff0001, 1, 0};
  (void)state;
  for (size_t i = 0; i < sizeof(hubs) / sizeof(hubs[0]); i++) {
    scene_t scene;
    weft_lease_t lease;
    open_scene(&scene);
    weft_reader_t* reader = open_others(&scene);
    weft_frame_t moved = weft_channel_head(weft_holder_make(3, 1), OTHER_NUMBER,
                                           WEFT_CHANNEL_MOVED);
    say(&scene, 1, &moved, hubs[i], 0, 0);
    say(&scene, 1, &moved, hubs[i], 0, 0);
    weft_peer_kit_run(&scene.kit);
    // Rank 2 is there, and may still be reached.
    weft_status_code_t code =
        weft_status_ignore(weft_reader_read(reader, WEFT_TIME_NOW, &lease));
    assert_true(code != WEFT_STATUS_OK);
    weft_reader_release(reader);
    close_scene(&scene);
  }
}

// --- Ends -------------------------------------------------------------------

static void ends_that_cannot_be_are_errors(void** state) {
  static const uint32_t self = 0x10001;
  const struct {
    words_t words;
    uint8_t size_bytes;
  } cases[] = {
      // Too short, too long, a name that is not as long as it says.
      {{0x30001, 9, 1, 0, 1, 1, 0}, 0},
      {{0x30001, 9, 1, 0, 1, 1, 0}, 31},
      {{0x30001, 9, 1, 0, 1, 1, 0}, 33},
      {{0x30001, 9, 1, 0, 1, 1, 9}, 40},
      {{0x30001, 9, 1, 0, 1, 1, UINT32_MAX}, 40},
      // No such end, too many or too few readers and slots, no name at all.
      {{0x30001, 9, 1, 1, 1, 1, 8}, 40},
      {{0x30001, 9, 1, 65, 2, 1, 8}, 40},
      {{0x30001, 9, 1, UINT32_MAX, 2, 1, 8}, 40},
      {{0x30001, 9, 1, 0, 0, 1, 8}, 40},
      {{0x30001, 9, 1, 0, 65, 1, 8}, 40},
      {{0x30001, 9, 1, 0, 1, 0, 8}, 40},
      {{0x30001, 9, 1, 0, 1, 65537, 8}, 40},
      {{0, 9, 1, 0, 1, 1, 8}, 40},
      {{0x30001, 0, 1, 0, 1, 1, 8}, 40},
      // Another shape than the channel has that is known, or no such channel.
      {{0x00001, 1, 1, 0, 2, SLOTS, 8}, 40},
      {{0x00001, 1, 1, 0, 3, SLOTS + 1, 8}, 40},
      {{self, 1, 1, 0, 1, 1, 8}, 40},
  };
  scene_t scene;
  (void)state;
  open_scene(&scene);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    post_end(&scene, 1, &cases[i].words, cases[i].size_bytes);
    weft_status_code_t code = weft_status_code(weft_travel_status);
    assert_int_equal(code, cases[i].words.creator == self
                               ? WEFT_STATUS_OK
                               : WEFT_STATUS_DATA_LOSS);
  }
  write_one(&scene, WEFT_STATUS_OK);
  expect_others_whole(&scene);
  assert_false(weft_peer_kit_is_closed(&scene.kit, 3, 1));
  close_scene(&scene);
}

static void an_end_comes_home_with_its_key_alone(void** state) {
  scene_t scene;
  words_t words = {weft_holder_make(0, 1), 1, 0, 1, 3, SLOTS, 8};
  (void)state;
  open_scene(&scene);
  words.key = scene.key;
  post_end(&scene, 0, &words, 40);
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, weft_travel_status);
  weft_travel_status = WEFT_OK;
  words.end = 2;
  post_end(&scene, 0, &words, 40);
  weft_value_release(weft_travel_take());
  write_one(&scene, WEFT_STATUS_OK);
  expect_others_whole(&scene);
  close_scene(&scene);
}

static void a_false_key_does_not_take_the_true_one(void** state) {
  scene_t scene;
  const words_t words = {weft_holder_make(0, 1), 1, 77, 1, 3, SLOTS, 8};
  (void)state;
  open_scene(&scene);
  for (int i = 0; i < 1000; i++) {
    post_end(&scene, 1, &words, 40);
    weft_value_release(weft_travel_take());
  }
  write_one(&scene, WEFT_STATUS_OK);
  expect_others_whole(&scene);
  close_scene(&scene);
}

// The liar is first here; the end's creator is believed nevertheless.
static void a_creator_knows_its_keys_best(void** state) {
  scene_t scene;
  words_t words = {weft_holder_make(0, 1), 2, 77, 0, 1, SLOTS, 8};
  const weft_channel_options_t options = {.name = "second",
                                          .slot_count = SLOTS};
  weft_writer_t* writer;
  weft_reader_t* reader;
  (void)state;
  open_scene(&scene);
  post_end(&scene, 1, &words, 40);
  weft_value_t false_end = weft_travel_take();
  weft_kit_assert_ok(weft_channel_create(scene.kit.members[0].runtime, &options,
                                         &writer, &reader));
  send_end(&scene, 1, reader);
  weft_value_t true_end = weft_travel_take();
  weft_kit_assert_ok(weft_reader_open(true_end, &reader));
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_ok(weft_writer_write(writer, weft_int64(4), WEFT_TIME_NOW));
  weft_peer_kit_run(&scene.kit);
  expect_number(&scene, reader, 4);
  weft_value_release(false_end);
  weft_value_release(true_end);
  weft_reader_release(reader);
  weft_writer_release(writer);
  close_scene(&scene);
}

// Rank 3 says that rank 1 is the hub of its channel, which has one reader.
static void answer_writer(scene_t* scene, uint64_t id, uint64_t present,
                          uint64_t key) {
  const uint64_t words[3] = {present, key, WEFT_CHANNEL_NO_RING};
  struct {
    weft_frame_t head;
    uint8_t body[32];
  } frame = {.head = {.type = WEFT_FRAME_REPLY,
                      .id = id,
                      .timeout_ns = INT64_MAX,
                      .value_count = 1,
                      .kinds = 26,
                      .size_bytes = sizeof(frame)},
             .body = {0xc4, sizeof(words)}};
  memcpy(frame.body + 2, words, sizeof(words));
  weft_peer_kit_write(&scene->kit, 3, 1, &frame, sizeof(frame));
}

// Rank 1 opens the writer of a channel of rank 3; before it has the answer,
// rank 2 asks for the reader without its key, and rank 3 with it.
static void a_liar_that_is_early_keeps_nobody_out(void** state) {
  scene_t scene;
  weft_writer_t* writer;
  const words_t words = {weft_holder_make(3, 1),
                         OTHER_NUMBER,
                         OTHER_KEY,
                         WEFT_END_WRITER,
                         1,
                         SLOTS,
                         8};
  weft_frame_t head = weft_channel_head(weft_holder_make(3, 1), OTHER_NUMBER,
                                        WEFT_CHANNEL_JOIN);
  (void)state;
  open_scene(&scene);
  weft_peer_kit_connect(&scene.kit, 1, 2);
  post_end(&scene, 1, &words, 40);
  weft_value_t end = weft_travel_take();
  weft_kit_assert_ok(weft_writer_open(end, &writer));
  weft_value_release(end);
  uint64_t id = weft_peer_kit_expect(&scene.kit, 3, 1, WEFT_FRAME_CHANNEL)->id;
  head.id = 6;
  const weft_value_t joins[] = {weft_int64(0), weft_int64(OTHER_KEY),
                                weft_int64(OTHER_KEY + 1)};
  weft_peer_kit_tell_scalars(&scene.kit, 2, 1, &head, joins, 2);
  say(&scene, 1, &head, 0, OTHER_KEY + 1, 0);
  answer_writer(&scene, id, 1, OTHER_KEY + 1);
  const weft_frame_t* reply =
      weft_peer_kit_expect(&scene.kit, 2, 1, WEFT_FRAME_REPLY);
  assert_int_not_equal(reply->flags & WEFT_FRAME_ERROR, 0);
  reply = weft_peer_kit_expect(&scene.kit, 3, 1, WEFT_FRAME_REPLY);
  assert_int_equal(reply->flags & WEFT_FRAME_ERROR, 0);
  weft_kit_assert_ok(weft_writer_write(writer, weft_int64(1), WEFT_TIME_NOW));
  (void)weft_peer_kit_expect(&scene.kit, 3, 1, WEFT_FRAME_SLOT);
  weft_writer_release(writer);
  close_scene(&scene);
}

// Opens an end of a channel of rank 3 at rank 1; gives the number of the JOIN.
static uint64_t open_end(scene_t* scene, uint32_t end, weft_value_t* out_end) {
  const words_t words = {
      weft_holder_make(3, 1), OTHER_NUMBER, OTHER_KEY, end, 2, SLOTS, 8};
  weft_writer_t* writer;
  weft_reader_t* reader;
  post_end(scene, 1, &words, 40);
  *out_end = weft_travel_take();
  if (end == WEFT_END_WRITER) {
    weft_kit_assert_ok(weft_writer_open(*out_end, &writer));
    weft_writer_release(writer);
  } else {
    weft_kit_assert_ok(weft_reader_open(*out_end, &reader));
    weft_reader_release(reader);
  }
  weft_peer_kit_run(&scene->kit);
  return weft_peer_kit_expect(&scene->kit, 3, 1, WEFT_FRAME_CHANNEL)->id;
}

// Rank 3 answers with a code alone.
static void refuse_join(scene_t* scene, uint64_t id) {
  weft_frame_t head = {.type = WEFT_FRAME_REPLY,
                       .flags = WEFT_FRAME_ERROR,
                       .id = id,
                       .timeout_ns = INT64_MAX};
  const weft_value_t code = weft_int64(WEFT_STATUS_CLOSED);
  weft_peer_kit_tell_scalars(&scene->kit, 3, 1, &head, &code, 1);
}

// Only what is said of the writer answers whoever is early.
static void who_is_early_waits_for_the_writer_alone(void** state) {
  scene_t scene;
  weft_value_t ends[2];
  weft_frame_t join = weft_channel_head(weft_holder_make(3, 1), OTHER_NUMBER,
                                        WEFT_CHANNEL_JOIN);
  (void)state;
  open_scene(&scene);
  (void)open_end(&scene, WEFT_END_WRITER, &ends[0]);
  uint64_t id = open_end(&scene, 0, &ends[1]);
  join.id = 6;
  say(&scene, 1, &join, 1, OTHER_KEY, 0);
  refuse_join(&scene, id);
  weft_value_release(ends[0]);
  weft_value_release(ends[1]);
  close_scene(&scene);
}

// Its last copy was lost when the creator had written its answer, and not sent
// it yet.
static void a_reader_that_leaves_ahead_of_the_answer_stays_away(void** state) {
  scene_t scene;
  weft_value_t end;
  weft_writer_t* writer;
  const words_t words = {weft_holder_make(3, 1),
                         OTHER_NUMBER,
                         OTHER_KEY,
                         WEFT_END_WRITER,
                         1,
                         SLOTS,
                         8};
  weft_frame_t leave = weft_channel_head(weft_holder_make(3, 1), OTHER_NUMBER,
                                         WEFT_CHANNEL_LEAVE);
  (void)state;
  open_scene(&scene);
  post_end(&scene, 1, &words, 40);
  end = weft_travel_take();
  weft_kit_assert_ok(weft_writer_open(end, &writer));
  weft_value_release(end);
  uint64_t id = weft_peer_kit_expect(&scene.kit, 3, 1, WEFT_FRAME_CHANNEL)->id;
  say(&scene, 1, &leave, 1, 0, 0);
  answer_writer(&scene, id, 1, OTHER_KEY + 1);
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_status_says(
      WEFT_STATUS_CLOSED, "no reader is left",
      weft_writer_write(writer, weft_int64(1), WEFT_TIME_NOW));
  weft_writer_release(writer);
  close_scene(&scene);
}

// Rank 3 has told rank 2 to join rank 1, and dies.
static void who_comes_after_the_death_of_the_creator_hears_of_it(void** state) {
  scene_t scene;
  weft_writer_t* writer;
  weft_status_t status;
  weft_value_t value;
  const words_t of_writer = {weft_holder_make(3, 1),
                             OTHER_NUMBER,
                             OTHER_KEY,
                             WEFT_END_WRITER,
                             1,
                             SLOTS,
                             8};
  weft_frame_t head = weft_channel_head(weft_holder_make(3, 1), OTHER_NUMBER,
                                        WEFT_CHANNEL_JOIN);
  const weft_value_t words[] = {weft_int64(0), weft_int64(OTHER_KEY + 1)};
  (void)state;
  open_scene(&scene);
  weft_peer_kit_connect(&scene.kit, 1, 2);
  post_end(&scene, 1, &of_writer, 40);
  weft_value_t end = weft_travel_take();
  weft_kit_assert_ok(weft_writer_open(end, &writer));
  weft_value_release(end);
  uint64_t id = weft_peer_kit_expect(&scene.kit, 3, 1, WEFT_FRAME_CHANNEL)->id;
  answer_writer(&scene, id, 1, OTHER_KEY + 1);
  weft_peer_kit_run(&scene.kit);
  weft_peer_kit_kill(&scene.kit, 3);
  head.id = 6;
  weft_peer_kit_tell_scalars(&scene.kit, 2, 1, &head, words, 2);
  const weft_frame_t* reply =
      weft_peer_kit_expect(&scene.kit, 2, 1, WEFT_FRAME_REPLY);
  weft_delivery_read_outcome(weft_peer_kit_peer(&scene.kit, 1, 2), reply,
                             &status, &value);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, status);
  weft_value_release(value);
  weft_writer_release(writer);
  close_scene(&scene);
}

// A copy of it is still here when it has been used elsewhere, and has left.
static void a_reader_that_has_left_leaves_no_copy_behind(void** state) {
  scene_t scene;
  weft_value_t ends[2];
  weft_writer_t* writer;
  const words_t words = {
      weft_holder_make(3, 1), OTHER_NUMBER, OTHER_KEY, 0, 1, SLOTS, 8};
  words_t of_writer = words;
  weft_frame_t leave = weft_channel_head(weft_holder_make(3, 1), OTHER_NUMBER,
                                         WEFT_CHANNEL_LEAVE);
  of_writer.end = WEFT_END_WRITER;
  (void)state;
  open_scene(&scene);
  post_end(&scene, 1, &words, 40);
  ends[0] = weft_travel_take();
  post_end(&scene, 1, &of_writer, 40);
  ends[1] = weft_travel_take();
  weft_kit_assert_ok(weft_writer_open(ends[1], &writer));
  uint64_t id = weft_peer_kit_expect(&scene.kit, 3, 1, WEFT_FRAME_CHANNEL)->id;
  answer_writer(&scene, id, 1, OTHER_KEY);
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_ok(weft_writer_write(writer, weft_int64(1), WEFT_TIME_NOW));
  say(&scene, 1, &leave, 1, 0, 0);
  weft_value_release(ends[0]);
  weft_value_release(ends[1]);
  weft_peer_kit_run(&scene.kit);
  weft_kit_assert_status_says(
      WEFT_STATUS_CLOSED, "no reader is left",
      weft_writer_write(writer, weft_int64(1), WEFT_TIME_NOW));
  weft_writer_release(writer);
  close_scene(&scene);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_has_no_key_joins_nothing),
      cmocka_unit_test(an_end_is_joined_once),
      cmocka_unit_test(words_that_make_no_sense_close_the_link),
      cmocka_unit_test(who_does_not_read_may_not_ask_for_ever),
      cmocka_unit_test(what_others_hold_is_not_a_liars_to_release),
      cmocka_unit_test(copies_of_others_are_not_a_liars_to_count),
      cmocka_unit_test(only_the_hub_gives_values_and_ends),
      cmocka_unit_test(values_that_cannot_be_end_the_channel_and_the_link),
      cmocka_unit_test(a_writer_that_moves_to_nobody_ends_the_channel),
      cmocka_unit_test(ends_that_cannot_be_are_errors),
      cmocka_unit_test(an_end_comes_home_with_its_key_alone),
      cmocka_unit_test(a_false_key_does_not_take_the_true_one),
      cmocka_unit_test(a_creator_knows_its_keys_best),
      cmocka_unit_test(a_liar_that_is_early_keeps_nobody_out),
      cmocka_unit_test(who_is_early_waits_for_the_writer_alone),
      cmocka_unit_test(a_reader_that_leaves_ahead_of_the_answer_stays_away),
      cmocka_unit_test(a_reader_that_has_left_leaves_no_copy_behind),
      cmocka_unit_test(who_comes_after_the_death_of_the_creator_hears_of_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
