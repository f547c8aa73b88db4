// SPDX-License-Identifier: Apache-2.0
//
// Probes, as a peer sees them. Rank 0 is a runtime: what rank 1 waits for there
// waits for a future of rank 1. Rank 1 is played: it answers as it likes.

#include "peer/peer_kit.h"

enum { SERVED = 5, FUTURE = 7 };

// What rank 1 has sent; and what waits for it.
static weft_delivery_t delivery;
static weft_promise_t* promise;

static void take(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_kit_assert_ok(weft_delivery_read(peer, frame, &delivery));
}

typedef union room {
  weft_frame_t head;
  uint8_t bytes[1024];
} room_t;

// A frame of values by position.
static void make_frame(room_t* room, weft_frame_type_t type, uint64_t id,
                       const weft_value_t* values, uint8_t count) {
  weft_encoder_t encoder;
  weft_encoder_init(&encoder, NULL, NULL, NULL);
  for (uint8_t i = 0; i < count; i++) {
    weft_kit_assert_ok(weft_encode_value(&encoder, NULL, values[i]));
  }
  memset(room, 0, sizeof(*room));
  room->head.type = (uint8_t)type;
  room->head.id = id;
  room->head.timeout_ns = INT64_MAX;
  room->head.value_count = count;
  room->head.kinds = (uint32_t)encoder.size_bytes;
  assert_true(sizeof(room->head) + encoder.size_bytes + 8 <= sizeof(*room));
  memcpy(room->bytes + sizeof(room->head), encoder.data, encoder.size_bytes);
  room->head.size_bytes = (uint32_t)weft_frame_places(&room->head).rest;
  weft_encoder_deinit(&encoder);
}

// Rank 1 sends a future of its own in a message.
static void send_future(weft_peer_kit_t* kit) {
  room_t room = {.head = {.type = WEFT_FRAME_CALL, .value_count = 1}};
  uint8_t* body = room.bytes + sizeof(room.head);
  const uint64_t id = FUTURE;
  body[0] = 0xc7;
  body[1] = 24;
  body[2] = WEFT_EXTENSION_FUTURE;
  memcpy(body + 11, &id, sizeof(id));
  room.head.kinds = 27;
  room.head.timeout_ns = INT64_MAX;
  room.head.size_bytes = (uint32_t)weft_frame_places(&room.head).rest;
  weft_peer_kit_write(kit, 1, 0, &room, room.head.size_bytes);
  weft_peer_kit_run(kit);
}

static void send_reply(weft_waiter_t* waiter, weft_future_t* future) {
  (void)waiter;
  (void)future;
}

static void open_trail(weft_peer_kit_t* kit) {
  static weft_table_node_t node;
  static weft_waiter_t on_outcome;
  weft_future_t* imported = NULL;
  weft_peer_kit_open(kit, 1);
  kit->on_frame = take;
  weft_peer_kit_connect(kit, 0, 1);
  send_future(kit);
  weft_kit_assert_ok(weft_value_as_future(delivery.values[0], &imported));
  weft_kit_assert_ok(
      weft_promise_create(kit->members[0].runtime, &promise, &kit->served));
  kit->served_id = SERVED;
  // A call that is served: the kit gives it for its number.
  weft_peer_t* peer = weft_peer_kit_peer(kit, 0, 1);
  weft_table_insert(&peer->served, &node, SERVED);
  on_outcome = (weft_waiter_t){.callback = send_reply};
  weft_future_add_waiter(kit->served, &on_outcome);
  weft_kit_assert_ok(weft_promise_forward(promise, imported));
}

static void close_trail(weft_peer_kit_t* kit) {
  weft_peer_t* peer = weft_peer_kit_peer(kit, 0, 1);
  (void)weft_table_remove(&peer->served, SERVED);
  weft_promise_release(promise);
  weft_future_cancel(kit->served);
  weft_future_release(kit->served);
  kit->served = NULL;
  weft_delivery_deinit(peer, &delivery);
  weft_peer_kit_close(kit);
}

// --- As rank 1 --------------------------------------------------------------

// The next question that rank 1 has been asked, read.
static bool next_question(weft_peer_kit_t* kit, weft_delivery_t* out_values) {
  weft_peer_kit_line_t* line = &kit->members[1].lines[0];
  const weft_frame_t* frame = NULL;
  while (line->next < line->frame_count &&
         (frame == NULL || frame->type != WEFT_FRAME_PROBE)) {
    frame = line->frames[line->next++];
  }
  if (frame == NULL || frame->type != WEFT_FRAME_PROBE) {
    return false;
  }
  assert_int_equal(frame->id, FUTURE);
  weft_kit_assert_ok(
      weft_delivery_read(weft_peer_kit_peer(kit, 1, 0), frame, out_values));
  assert_int_equal(out_values->count, WEFT_PROBE_VALUES);
  return true;
}

static void write_probe(weft_peer_kit_t* kit, const weft_value_t* values) {
  room_t room;
  make_frame(&room, WEFT_FRAME_PROBE, SERVED, values, WEFT_PROBE_VALUES);
  weft_peer_kit_write(kit, 1, 0, &room, room.head.size_bytes);
}

// Sends a question back, as if it had come to what is served.
static void give_back(weft_peer_kit_t* kit, weft_delivery_t* values,
                      int64_t digest) {
  values->values[WEFT_PROBE_KIND] = weft_int64(WEFT_ORIGIN_CALL);
  values->values[WEFT_PROBE_DIGEST] = weft_int64(digest);
  write_probe(kit, values->values);
}

static void end_values(weft_peer_kit_t* kit, weft_delivery_t* values) {
  weft_delivery_deinit(weft_peer_kit_peer(kit, 1, 0), values);
}

// Runs one step after the other until rank 1 has been asked.
static bool await_question(weft_peer_kit_t* kit, weft_delivery_t* out_values) {
  while (!next_question(kit, out_values)) {
    if (weft_runtime_run(kit->host, 1) == 0) {
      return false;
    }
  }
  return true;
}

static weft_status_code_t outcome(weft_peer_kit_t* kit) {
  weft_value_t value;
  return weft_future_is_done(kit->served)
             ? weft_status_ignore(weft_future_result(kit->served, &value))
             : WEFT_STATUS_OK;
}

// Answers every question with one digest after the other, `count` times.
static weft_status_code_t answer_with(weft_peer_kit_t* kit,
                                      const int64_t* digests, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    weft_delivery_t values;
    if (!await_question(kit, &values)) {
      return outcome(kit);
    }
    give_back(kit, &values, digests[i]);
    end_values(kit, &values);
  }
  weft_peer_kit_run(kit);
  return outcome(kit);
}

// --- Tests ------------------------------------------------------------------

static void what_comes_back_twice_the_same_is_a_circle(void** state) {
  static const int64_t digests[] = {1, 1};
  weft_peer_kit_t kit;
  (void)state;
  open_trail(&kit);
  assert_int_equal(answer_with(&kit, digests, 2), WEFT_STATUS_DEADLOCK);
  weft_value_t value;
  weft_kit_assert_status_says(WEFT_STATUS_DEADLOCK, "future of rank 1",
                              weft_future_result(kit.served, &value));
  close_trail(&kit);
}

static void what_comes_back_another_way_each_time_is_none(void** state) {
  static const int64_t digests[] = {1, 2, 1, 2, 3, 4, 1, 2, 1, 2, 3};
  weft_peer_kit_t kit;
  (void)state;
  open_trail(&kit);
  assert_int_equal(answer_with(&kit, digests, 11), WEFT_STATUS_OK);
  assert_false(weft_future_is_done(kit.served));
  close_trail(&kit);
}

static void an_answer_to_an_old_question_is_none(void** state) {
  weft_peer_kit_t kit;
  weft_delivery_t values;
  (void)state;
  open_trail(&kit);
  assert_true(await_question(&kit, &values));
  for (int i = 0; i < 10; i++) {
    weft_delivery_t newer;
    give_back(&kit, &values, 1);
    if (await_question(&kit, &newer)) {
      end_values(&kit, &newer);
    }
  }
  weft_peer_kit_run(&kit);
  assert_false(weft_future_is_done(kit.served));
  end_values(&kit, &values);
  close_trail(&kit);
}

// Nobody has asked this. It goes its way as any other, until it may not.
static void a_probe_of_another_goes_on_as_far_as_it_may(void** state) {
  static const int64_t steps[] = {0, 1, WEFT_PROBE_STEPS};
  weft_peer_kit_t kit;
  (void)state;
  open_trail(&kit);
  weft_peer_kit_run(&kit);
  weft_delivery_t values;
  while (next_question(&kit, &values)) {
    end_values(&kit, &values);
  }
  for (uint32_t i = 0; i < 3; i++) {
    const weft_value_t probe[WEFT_PROBE_VALUES] = {
        [WEFT_PROBE_KIND] = weft_int64(WEFT_ORIGIN_CALL),
        [WEFT_PROBE_ASKER] = weft_int64(weft_holder_make(i == 1 ? 0 : 2, 1)),
        [WEFT_PROBE_QUESTION] = weft_int64(3),
        [WEFT_PROBE_TOKEN] = weft_int64(5),
        [WEFT_PROBE_GROUP] = weft_int64(0),
        [WEFT_PROBE_DIGEST] = weft_int64(4),
        [WEFT_PROBE_STEPS_LEFT] = weft_int64(steps[i]),
        [WEFT_PROBE_SHARE_LEFT] = weft_int64(1),
        [WEFT_PROBE_TURN] = weft_int64(0),
        [WEFT_PROBE_IS_OUTRANKED] = weft_bool(false),
        [WEFT_PROBE_TEXT] = weft_none(),
        [WEFT_PROBE_NAMES] = weft_none(),
    };
    weft_value_t copy[WEFT_PROBE_VALUES];
    memcpy(copy, probe, sizeof(copy));
    weft_kit_assert_ok(
        weft_bytes_create(NULL, "before", 6, &copy[WEFT_PROBE_TEXT]));
    weft_kit_assert_ok(
        weft_bytes_create(NULL, "nameless", 8, &copy[WEFT_PROBE_NAMES]));
    write_probe(&kit, copy);
    weft_value_release(copy[WEFT_PROBE_TEXT]);
    weft_value_release(copy[WEFT_PROBE_NAMES]);
    weft_peer_kit_run(&kit);
    assert_int_equal(next_question(&kit, &values), steps[i] > 0);
    if (steps[i] > 0) {
      assert_int_equal(values.values[WEFT_PROBE_STEPS_LEFT].as.int64,
                       steps[i] - 1);
      assert_int_equal(values.values[WEFT_PROBE_QUESTION].as.int64, 3);
      end_values(&kit, &values);
    }
  }
  assert_false(weft_future_is_done(kit.served));
  assert_false(weft_peer_kit_is_closed(&kit, 1, 0));
  close_trail(&kit);
}

static void a_probe_for_what_is_unknown_is_dropped(void** state) {
  weft_peer_kit_t kit;
  weft_delivery_t values;
  (void)state;
  open_trail(&kit);
  assert_true(await_question(&kit, &values));
  for (int64_t kind = 0; kind < 2; kind++) {
    room_t room;
    values.values[WEFT_PROBE_KIND] = weft_int64(kind);
    make_frame(&room, WEFT_FRAME_PROBE, 99, values.values, WEFT_PROBE_VALUES);
    weft_peer_kit_write(&kit, 1, 0, &room, room.head.size_bytes);
  }
  weft_peer_kit_run(&kit);
  assert_false(weft_peer_kit_is_closed(&kit, 1, 0));
  assert_false(weft_future_is_done(kit.served));
  end_values(&kit, &values);
  close_trail(&kit);
}

// One value is another; the peer is broken with.
static void refuse_with(uint32_t place, weft_value_t value, uint8_t count) {
  weft_peer_kit_t kit;
  weft_delivery_t values;
  room_t room;
  open_trail(&kit);
  assert_true(await_question(&kit, &values));
  weft_value_t all[WEFT_PROBE_VALUES];
  memcpy(all, values.values, sizeof(all));
  all[place] = value;
  make_frame(&room, WEFT_FRAME_PROBE, SERVED, all, count);
  weft_peer_kit_write(&kit, 1, 0, &room, room.head.size_bytes);
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  end_values(&kit, &values);
  close_trail(&kit);
}

static void probes_that_make_no_sense_end_the_link(void** state) {
  (void)state;
  for (uint32_t place = 0; place < WEFT_PROBE_VALUES; place++) {
    refuse_with(place, weft_none(), WEFT_PROBE_VALUES);
    refuse_with(place, weft_float64(1), WEFT_PROBE_VALUES);
    if (place < WEFT_PROBE_IS_OUTRANKED) {
      refuse_with(place, weft_int64(-1), WEFT_PROBE_VALUES);
    }
  }
  refuse_with(WEFT_PROBE_KIND, weft_int64(3), WEFT_PROBE_VALUES);
  refuse_with(WEFT_PROBE_ASKER, weft_int64(INT64_C(1) << 32),
              WEFT_PROBE_VALUES);
  refuse_with(WEFT_PROBE_STEPS_LEFT, weft_int64(WEFT_PROBE_STEPS + 1),
              WEFT_PROBE_VALUES);
  refuse_with(WEFT_PROBE_SHARE_LEFT, weft_int64(WEFT_PROBE_SHARE + 1),
              WEFT_PROBE_VALUES);
  refuse_with(0, weft_int64(0), WEFT_PROBE_VALUES - 1);
  static const uint8_t many[8 * (WEFT_PROBE_PASSED + 1)];
  static const size_t sizes[] = {7, sizeof(many)};
  for (uint32_t i = 0; i < 2; i++) {
    weft_value_t names;
    weft_kit_assert_ok(weft_bytes_create(NULL, many, sizes[i], &names));
    refuse_with(WEFT_PROBE_NAMES, names, WEFT_PROBE_VALUES);
    weft_value_release(names);
  }
}

static void a_probe_without_memory_is_dropped(void** state) {
  static const char text[700];
  weft_peer_kit_t kit;
  weft_delivery_t values;
  room_t room;
  (void)state;
  open_trail(&kit);
  assert_true(await_question(&kit, &values));
  weft_value_t kept = values.values[WEFT_PROBE_TEXT];
  weft_kit_assert_ok(weft_bytes_create(NULL, text, sizeof(text),
                                       &values.values[WEFT_PROBE_TEXT]));
  make_frame(&room, WEFT_FRAME_PROBE, SERVED, values.values, WEFT_PROBE_VALUES);
  weft_value_release(values.values[WEFT_PROBE_TEXT]);
  values.values[WEFT_PROBE_TEXT] = kept;
  weft_kit_allocator_fail(&kit.memory, 0, 1000);
  weft_probe_receive(weft_peer_kit_peer(&kit, 0, 1), &room.head);
  assert_true(kit.memory.failed > 0);
  weft_kit_allocator_fail(&kit.memory, 0, 0);
  assert_false(weft_peer_kit_is_closed(&kit, 1, 0));
  end_values(&kit, &values);
  close_trail(&kit);
}

// --- Fragments --------------------------------------------------------------

// What comes back of each question: a fragment at the edge, with part of the
// token, and one that has ended elsewhere, with another part.
typedef struct parts {
  bool has_edge;
  int64_t at_edge;
  bool has_elsewhere;
  // What is missing in the sum of both.
  int64_t missing;
  // The question is not divided.
  bool is_whole;
} parts_t;

static void send_parts(weft_peer_kit_t* kit, weft_delivery_t* values,
                       const parts_t* parts) {
  int64_t token = values->values[WEFT_PROBE_TOKEN].as.int64;
  values->values[WEFT_PROBE_GROUP] = weft_int64(parts->is_whole ? 0 : 9);
  values->values[WEFT_PROBE_DIGEST] = weft_int64(1);
  if (parts->has_elsewhere) {
    values->values[WEFT_PROBE_KIND] = weft_int64(WEFT_PROBE_IS_BACK);
    values->values[WEFT_PROBE_TOKEN] =
        weft_int64(token - parts->at_edge - parts->missing);
    write_probe(kit, values->values);
  }
  if (parts->has_edge) {
    values->values[WEFT_PROBE_KIND] = weft_int64(WEFT_ORIGIN_CALL);
    values->values[WEFT_PROBE_TOKEN] = weft_int64(parts->at_edge);
    write_probe(kit, values->values);
  }
}

static weft_status_code_t answer_in_parts(const parts_t* parts) {
  weft_peer_kit_t kit;
  weft_delivery_t values;
  open_trail(&kit);
  for (int i = 0; i < 10 && await_question(&kit, &values); i++) {
    send_parts(&kit, &values, parts);
    end_values(&kit, &values);
  }
  weft_peer_kit_run(&kit);
  assert_false(weft_peer_kit_is_closed(&kit, 1, 0));
  weft_status_code_t code = outcome(&kit);
  close_trail(&kit);
  return code;
}

static void fragments_that_add_up_are_a_circle(void** state) {
  const parts_t parts = {
      .has_edge = true, .at_edge = 1000, .has_elsewhere = true};
  (void)state;
  assert_int_equal(answer_in_parts(&parts), WEFT_STATUS_DEADLOCK);
}

// Nobody can answer for a fragment that it has not got, and what has not come
// to the edge is no circle through it.
static void fragments_that_do_not_add_up_are_none(void** state) {
  const parts_t wrong[] = {
      {.has_edge = true, .at_edge = 1000},
      {.has_edge = true, .at_edge = 1000, .is_whole = true},
      {.has_edge = true, .at_edge = 9, .has_elsewhere = true, .missing = 1},
      {.has_elsewhere = true},
      {.has_elsewhere = true, .is_whole = true},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    assert_int_equal(answer_in_parts(&wrong[i]), WEFT_STATUS_OK);
  }
}

// --- A flood ----------------------------------------------------------------

static uint32_t looked;

static weft_future_t* count_look(weft_peer_t* peer, uint64_t id) {
  (void)peer;
  (void)id;
  looked++;
  return NULL;
}

static void of_a_flood_some_are_looked_at(void** state) {
  weft_peer_kit_t kit;
  weft_delivery_t values;
  room_t room;
  (void)state;
  open_trail(&kit);
  assert_true(await_question(&kit, &values));
  weft_peers_t* peers = weft_peers_of(kit.members[0].runtime);
  weft_peer_events_t events = *peers->events;
  const weft_peer_events_t* before = peers->events;
  events.served = count_look;
  peers->events = &events;
  looked = 0;
  values.values[WEFT_PROBE_KIND] = weft_int64(WEFT_ORIGIN_CALL);
  make_frame(&room, WEFT_FRAME_PROBE, SERVED, values.values, WEFT_PROBE_VALUES);
  for (int i = 0; i < 10000; i++) {
    weft_probe_receive(weft_peer_kit_peer(&kit, 0, 1), &room.head);
  }
  assert_true(looked > 0 && looked <= 1000);
  peers->events = before;
  end_values(&kit, &values);
  close_trail(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_comes_back_twice_the_same_is_a_circle),
      cmocka_unit_test(what_comes_back_another_way_each_time_is_none),
      cmocka_unit_test(an_answer_to_an_old_question_is_none),
      cmocka_unit_test(a_probe_of_another_goes_on_as_far_as_it_may),
      cmocka_unit_test(a_probe_for_what_is_unknown_is_dropped),
      cmocka_unit_test(probes_that_make_no_sense_end_the_link),
      cmocka_unit_test(a_probe_without_memory_is_dropped),
      cmocka_unit_test(fragments_that_add_up_are_a_circle),
      cmocka_unit_test(fragments_that_do_not_add_up_are_none),
      cmocka_unit_test(of_a_flood_some_are_looked_at),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
