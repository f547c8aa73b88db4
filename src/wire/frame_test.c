// SPDX-License-Identifier: Apache-2.0
//
// Heads of frames, sound and spoiled; scalars; tables of attachments.

#include "wire/frame.h"

#include "wire/codec_kit.h"

#define ROOM_BYTES 4096

// A frame and what follows its head.
typedef union frame_room {
  weft_frame_t frame;
  uint8_t bytes[ROOM_BYTES];
  uint64_t words[ROOM_BYTES / 8];
} frame_room_t;

// A call without arguments.
static frame_room_t make_frame(weft_frame_type_t type) {
  frame_room_t room = {.frame = {
                           .size_bytes = WEFT_FRAME_HEAD_BYTES,
                           .type = (uint8_t)type,
                           .timeout_ns = INT64_MAX,
                       }};
  return room;
}

// Gives a frame a body, and room for a table of attachments.
static void set_body(frame_room_t* room, uint32_t body_bytes,
                     uint16_t attachment_count) {
  room->frame.kinds = body_bytes;
  room->frame.attachment_count = attachment_count;
  room->frame.size_bytes = (uint32_t)weft_frame_places(&room->frame).rest;
}

static void accept(const frame_room_t* room) {
  weft_kit_assert_ok(weft_frame_check(&room->frame, room->frame.size_bytes));
}

static void refuse(const frame_room_t* room, const char* says) {
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, says,
      weft_frame_check(&room->frame, room->frame.size_bytes));
}

// --- Scalars ----------------------------------------------------------------

static const weft_value_t scalars[] = {
    {.kind = WEFT_KIND_INT64, .as.int64 = -5},
    {.kind = WEFT_KIND_FLOAT64, .as.float64 = 0.5},
    {.kind = WEFT_KIND_BOOL, .as.int64 = 1},
    {.kind = WEFT_KIND_NONE},
    {.kind = WEFT_KIND_BOOL},
    {.kind = WEFT_KIND_INT64, .as.int64 = INT64_MIN},
    {.kind = WEFT_KIND_FLOAT64, .as.float64 = -0.0},
    {.kind = WEFT_KIND_INT64, .as.int64 = INT64_MAX},
};

static frame_room_t make_scalars(uint32_t count) {
  frame_room_t room = make_frame(WEFT_FRAME_CALL);
  weft_frame_put_scalars(&room.frame, room.words + 6, scalars, count);
  room.frame.size_bytes = WEFT_FRAME_HEAD_BYTES + 8 * count;
  return room;
}

static void scalars_need_no_body(void** state) {
  (void)state;
  for (uint32_t count = 0; count <= WEFT_FRAME_SCALAR_LIMIT; ++count) {
    frame_room_t room = make_scalars(count);
    weft_payload_t payload;
    weft_value_t back[WEFT_FRAME_SCALAR_LIMIT];
    accept(&room);
    weft_kit_assert_ok(weft_frame_payload(&room.frame, &payload));
    assert_ptr_equal(payload.scalars, room.bytes + 48);
    assert_null(payload.body);
    weft_kit_assert_ok(
        weft_frame_get_scalars(&room.frame, payload.scalars, back));
    for (uint32_t i = 0; i < count; ++i) {
      weft_codec_kit_assert_equal(scalars[i], back[i]);
      assert_int_equal(back[i].rank, 0);
      assert_int_equal(back[i].index, 0);
    }
  }
}

static void a_call_of_two_scalars_is_a_line_of_64_bytes(void** state) {
  (void)state;
  assert_int_equal(make_scalars(2).frame.size_bytes, 64);
}

static void what_does_not_fit_8_bytes_is_no_scalar(void** state) {
  (void)state;
  weft_value_t values[WEFT_FRAME_SCALAR_LIMIT + 1] = {{0}};
  assert_true(weft_values_are_scalars(scalars, 8));
  assert_true(weft_values_are_scalars(values, 0));
  assert_true(weft_values_are_scalars(values, WEFT_FRAME_SCALAR_LIMIT));
  assert_false(weft_values_are_scalars(values, WEFT_FRAME_SCALAR_LIMIT + 1));
  values[3] = weft_actor_value((weft_actor_t){1, 2, 3, 4});
  assert_true(weft_values_are_scalars(values, 3));
  assert_false(weft_values_are_scalars(values, 4));
}

static void a_scalar_that_is_none_of_its_kind_is_refused(void** state) {
  (void)state;
  // The third is a bool, the fourth is none, the first's kind is spoiled.
  frame_room_t room = make_scalars(4);
  weft_value_t values[4] = {weft_int64(1), weft_int64(1)};
  room.words[6 + 2] = 2;
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, "none of its kind",
      weft_frame_get_scalars(&room.frame, room.words + 6, values));
  room = make_scalars(4);
  room.words[6 + 3] = 1;
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_frame_get_scalars(&room.frame, room.words + 6, values));
  room = make_scalars(4);
  room.frame.kinds = (room.frame.kinds & ~0xfu) | WEFT_KIND_STRING;
  weft_kit_assert_status(
      WEFT_STATUS_DATA_LOSS,
      weft_frame_get_scalars(&room.frame, room.words + 6, values));
  refuse(&room, "a kind that is no scalar");
  room.frame.kinds = (room.frame.kinds & ~0xfu) | WEFT_KIND_ACTOR;
  refuse(&room, "a kind that is no scalar");
}

static void scalars_must_agree_with_their_frame(void** state) {
  (void)state;
  frame_room_t room = make_scalars(3);
  room.frame.value_count = 4;
  refuse(&room, "has not the size of its parts");
  room.frame.value_count = 2;
  refuse(&room, "a kind that is no scalar");
  room = make_scalars(8);
  room.frame.value_count = 9;
  refuse(&room, "more than the few scalars");
  room = make_scalars(3);
  room.frame.named_count = 1;
  refuse(&room, "more than the few scalars");
  room = make_scalars(3);
  room.frame.attachment_count = 1;
  refuse(&room, "more than the few scalars");
  room = make_scalars(3);
  room.frame.flags |= WEFT_FRAME_BODY_ATTACHED;
  refuse(&room, "more than the few scalars");
  room = make_scalars(3);
  room.frame.size_bytes += 8;
  refuse(&room, "has not the size of its parts");
}

// --- Heads ------------------------------------------------------------------

static void every_type_has_a_name_and_a_payload_of_its_kind(void** state) {
  (void)state;
#define CHECK_NAME(identifier, number, name)               \
  assert_string_equal(weft_frame_type_name(number), name); \
  assert_int_equal(weft_frame_type_name(number)[0], (name)[0]);
  WEFT_FRAME_TYPES(CHECK_NAME)
#undef CHECK_NAME
  static const weft_frame_type_t empty[] = {
      WEFT_FRAME_CANCEL, WEFT_FRAME_CREDIT, WEFT_FRAME_PING,
      WEFT_FRAME_PONG,   WEFT_FRAME_ACCEPT, WEFT_FRAME_FOLLOWS,
      WEFT_FRAME_DROP,   WEFT_FRAME_MISSED};
  static const weft_frame_type_t outcomes[] = {
      WEFT_FRAME_REPLY, WEFT_FRAME_VALUE, WEFT_FRAME_SLOT};
  static const weft_frame_type_t others[] = {
      WEFT_FRAME_CALL, WEFT_FRAME_SUBSCRIBE, WEFT_FRAME_CHANNEL};
  for (size_t i = 0; i < 8; ++i) {
    frame_room_t room = make_frame(empty[i]);
    accept(&room);
    set_body(&room, 1, 0);
    refuse(&room, "its type has none");
  }
  for (size_t i = 0; i < 3; ++i) {
    frame_room_t room = make_frame(others[i]);
    accept(&room);
    room.frame.value_count = 1;
    set_body(&room, 1, 2);
    accept(&room);
    room.frame.value_count = 0;
    set_body(&room, 0, 1);
    accept(&room);
    set_body(&room, 1, 0);
    room.frame.flags = WEFT_FRAME_ERROR;
    refuse(&room, "cannot be an error");
  }
  for (size_t i = 0; i < 3; ++i) {
    frame_room_t room = make_frame(outcomes[i]);
    refuse(&room, "has not one value");
    room.frame.value_count = 1;
    set_body(&room, 1, 0);
    accept(&room);
    room.frame.flags = WEFT_FRAME_ERROR;
    refuse(&room, "too small for its values");
    set_body(&room, 2, 0);
    refuse(&room, "has not one value");
    room.frame.value_count = 0;
    accept(&room);
    set_body(&room, 0, 0);
    refuse(&room, "too small for its values");
  }
}

static void loans_are_entries_and_nothing_else(void** state) {
  (void)state;
  static const weft_frame_type_t types[] = {WEFT_FRAME_LEND,
                                            WEFT_FRAME_RELEASE};
  for (size_t i = 0; i < 2; ++i) {
    frame_room_t room = make_frame(types[i]);
    accept(&room);
    room.frame.id = 3;
    refuse(&room, "not as many loans as it says");
    room.frame.size_bytes += 3 * WEFT_FRAME_LOAN_BYTES;
    accept(&room);
    room.frame.value_count = 1;
    set_body(&room, 1, 0);
    refuse(&room, "not as many loans as it says");
    room = make_frame(types[i]);
    room.frame.id = WEFT_FRAME_LOAN_LIMIT + 1;
    room.frame.size_bytes +=
        (WEFT_FRAME_LOAN_LIMIT + 1) * WEFT_FRAME_LOAN_BYTES;
    refuse(&room, "not as many loans as it says");
    room.frame.id = UINT64_MAX;
    refuse(&room, "not as many loans as it says");
  }
}

static void an_error_may_be_a_code_alone(void** state) {
  (void)state;
  frame_room_t room = make_scalars(1);
  room.frame.type = WEFT_FRAME_REPLY;
  room.frame.flags |= WEFT_FRAME_ERROR;
  accept(&room);
  room.frame.type = WEFT_FRAME_CALL;
  refuse(&room, "cannot be an error");
  room = make_scalars(2);
  room.frame.type = WEFT_FRAME_REPLY;
  room.frame.flags |= WEFT_FRAME_ERROR;
  refuse(&room, "has not one value");
}

static void only_a_value_says_that_more_comes(void** state) {
  (void)state;
  frame_room_t room = make_scalars(1);
  room.frame.type = WEFT_FRAME_VALUE;
  room.frame.flags |= WEFT_FRAME_MORE;
  accept(&room);
  room.frame.type = WEFT_FRAME_REPLY;
  refuse(&room, "its type never does");
}

static void what_means_nothing_is_refused(void** state) {
  (void)state;
  frame_room_t room = make_frame(WEFT_FRAME_CALL);
  room.frame.type = 0;
  refuse(&room, "a type that means nothing");
  room.frame.type = WEFT_FRAME_MISSED + 1;
  refuse(&room, "a type that means nothing");
  room.frame.type = 255;
  refuse(&room, "type 255 (unknown)");
  room = make_frame(WEFT_FRAME_CALL);
  room.frame.flags = 64;
  refuse(&room, "flags that mean nothing");
}

static void only_a_value_of_a_channel_may_lack_its_structure(void** state) {
  (void)state;
  frame_room_t room = make_frame(WEFT_FRAME_SLOT);
  room.frame.flags = WEFT_FRAME_BARE;
  room.frame.value_count = 1;
  // Tensors alone have no body.
  accept(&room);
  room.frame.type = WEFT_FRAME_VALUE;
  refuse(&room, "no structure to do without");
  room.frame.type = WEFT_FRAME_SLOT;
  room.frame.flags |= WEFT_FRAME_ERROR;
  room.frame.value_count = 0;
  refuse(&room, "no structure to do without");
  room = make_scalars(1);
  room.frame.type = WEFT_FRAME_SLOT;
  room.frame.flags |= WEFT_FRAME_BARE;
  refuse(&room, "no structure to do without");
}

static void the_size_must_be_that_of_the_parts(void** state) {
  (void)state;
  frame_room_t room = make_frame(WEFT_FRAME_CALL);
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "its head has 48",
                              weft_frame_check(&room.frame, 47));
  weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "says another size",
                              weft_frame_check(&room.frame, 56));
  room.frame.value_count = 2;
  room.frame.named_count = 3;
  set_body(&room, 7, 0);
  refuse(&room, "too small for its values");
  set_body(&room, 9, 0);
  assert_int_equal(room.frame.size_bytes, 48 + 16);
  accept(&room);
  room.frame.size_bytes -= 1;
  refuse(&room, "not the size of its parts");
  room.frame.size_bytes += 2;
  refuse(&room, "not the size of its parts");
  room.frame.kinds = UINT32_MAX;
  refuse(&room, "or too large");
}

static void attachments_are_few_and_there(void** state) {
  (void)state;
  frame_room_t room = make_frame(WEFT_FRAME_CALL);
  set_body(&room, 8, WEFT_WIRE_ATTACHMENT_LIMIT);
  assert_int_equal(room.frame.size_bytes, 48 + 8 + 64 * 40);
  accept(&room);
  room.frame.size_bytes -= 40;
  refuse(&room, "not the size of its parts");
  set_body(&room, 8, WEFT_WIRE_ATTACHMENT_LIMIT + 1);
  refuse(&room, "too many attachments");
  // The body itself is one more.
  room.frame.flags = WEFT_FRAME_BODY_ATTACHED;
  set_body(&room, 0, WEFT_WIRE_ATTACHMENT_LIMIT + 1);
  accept(&room);
  set_body(&room, 0, WEFT_WIRE_ATTACHMENT_LIMIT + 2);
  refuse(&room, "too many attachments");
  set_body(&room, 0, 0);
  refuse(&room, "has its body in an attachment, but");
  set_body(&room, 0, 1);
  room.frame.kinds = 8;
  refuse(&room, "has its body in an attachment, but");
}

// --- Parts ------------------------------------------------------------------

static void the_parts_follow_each_other(void** state) {
  (void)state;
  frame_room_t room = make_frame(WEFT_FRAME_CALL);
  const uint64_t flow = UINT64_C(0x0123456789abcdef);
  weft_payload_t payload;
  room.frame.flags = WEFT_FRAME_FLOW;
  room.frame.value_count = 1;
  set_body(&room, 9, 2);
  memcpy(room.bytes + 48, &flow, 8);
  accept(&room);
  weft_kit_assert_ok(weft_frame_payload(&room.frame, &payload));
  assert_true(payload.flow == flow);
  assert_ptr_equal(payload.body, room.bytes + 56);
  assert_int_equal(payload.body_bytes, 9);
  assert_null(payload.scalars);
  assert_ptr_equal(payload.attachments, room.bytes + 56 + 16);
  assert_int_equal(weft_frame_places(&room.frame).rest, 56 + 16 + 80);
  room.frame.flags = WEFT_FRAME_BODY_ATTACHED;
  set_body(&room, 0, 2);
  weft_kit_assert_ok(weft_frame_payload(&room.frame, &payload));
  assert_null(payload.body);
  assert_int_equal(payload.body_bytes, 0);
  assert_ptr_equal(payload.attachments, room.bytes + 48);
  assert_true(payload.flow == 0);
  room.frame.size_bytes = 48;
  weft_kit_assert_status(WEFT_STATUS_DATA_LOSS,
                         weft_frame_payload(&room.frame, &payload));
}

static const weft_attachment_t loan = {
    .kind = WEFT_ATTACHMENT_LOAN,
    .owner_rank = 1,
    .owner_incarnation = 2,
    .segment = 3,
    .generation = 4,
    .offset_bytes = 65,
    .size_bytes = 35,
    .segment_bytes = 100,
};

// A frame of 48 + 8 bytes, a table of 2, and 100 bytes more.
static frame_room_t make_attached(const weft_attachment_t* attachment) {
  frame_room_t room = make_frame(WEFT_FRAME_CALL);
  room.frame.value_count = 1;
  set_body(&room, 1, 2);
  weft_attachment_write(room.bytes + 56, &loan);
  weft_attachment_write(room.bytes + 96, attachment);
  room.frame.size_bytes += 100;
  return room;
}

// Reads the second attachment.
static weft_status_t read(const frame_room_t* room,
                          weft_attachment_t* out_attachment) {
  weft_payload_t payload;
  weft_kit_assert_ok(weft_frame_payload(&room->frame, &payload));
  return weft_attachment_read(&room->frame, &payload, 1, out_attachment);
}

static void check_attachment(weft_attachment_t attachment,
                             weft_status_code_t code) {
  frame_room_t room = make_attached(&attachment);
  weft_attachment_t back;
  weft_kit_assert_status(code, read(&room, &back));
  if (code == WEFT_STATUS_OK) {
    assert_int_equal(back.kind, attachment.kind);
    assert_int_equal(back.owner_rank, attachment.owner_rank);
    assert_int_equal(back.owner_incarnation, attachment.owner_incarnation);
    assert_int_equal(back.segment, attachment.segment);
    assert_int_equal(back.generation, attachment.generation);
    assert_int_equal(back.offset_bytes, attachment.offset_bytes);
    assert_int_equal(back.size_bytes, attachment.size_bytes);
    assert_int_equal(back.segment_bytes, attachment.segment_bytes);
  } else {
    assert_int_equal(back.kind, 0);
  }
}

static void a_loan_lies_within_its_segment(void** state) {
  (void)state;
  weft_attachment_t bad = loan;
  check_attachment(loan, WEFT_STATUS_OK);
  bad.size_bytes = 36;
  check_attachment(bad, WEFT_STATUS_DATA_LOSS);
  bad.size_bytes = 0;
  check_attachment(bad, WEFT_STATUS_DATA_LOSS);
  bad.size_bytes = UINT64_MAX;
  check_attachment(bad, WEFT_STATUS_DATA_LOSS);
  bad = loan;
  bad.offset_bytes = 101;
  check_attachment(bad, WEFT_STATUS_DATA_LOSS);
  bad.offset_bytes = UINT64_MAX;
  check_attachment(bad, WEFT_STATUS_DATA_LOSS);
  bad = loan;
  bad.segment_bytes = UINT64_MAX;
  check_attachment(bad, WEFT_STATUS_DATA_LOSS);
}

static void inline_bytes_lie_within_the_frame_behind_the_table(void** state) {
  (void)state;
  weft_attachment_t inside = {
      .kind = WEFT_ATTACHMENT_INLINE, .offset_bytes = 136, .size_bytes = 100};
  check_attachment(inside, WEFT_STATUS_OK);
  inside.size_bytes = 101;
  check_attachment(inside, WEFT_STATUS_DATA_LOSS);
  inside.size_bytes = UINT64_MAX - 100;
  check_attachment(inside, WEFT_STATUS_DATA_LOSS);
  inside.size_bytes = 0;
  check_attachment(inside, WEFT_STATUS_OK);
  inside.offset_bytes = 128;
  check_attachment(inside, WEFT_STATUS_DATA_LOSS);
  inside.offset_bytes = 137;
  check_attachment(inside, WEFT_STATUS_DATA_LOSS);
  inside.offset_bytes = 240;
  check_attachment(inside, WEFT_STATUS_DATA_LOSS);
  inside.offset_bytes = 0;
  check_attachment(inside, WEFT_STATUS_DATA_LOSS);
}

static void what_means_nothing_in_an_entry_is_refused(void** state) {
  (void)state;
  // Kind, and the bytes that are zero: always, and of an inline attachment.
  static const size_t of_all[] = {0, 1, 6};
  static const size_t of_inline[] = {0, 1, 2, 4, 6, 8, 12, 32};
  const weft_attachment_t inside = {
      .kind = WEFT_ATTACHMENT_INLINE, .offset_bytes = 136, .size_bytes = 8};
  weft_attachment_t back;
  for (size_t i = 0; i < 3; ++i) {
    frame_room_t room = make_attached(&loan);
    room.bytes[96 + of_all[i]] = 7;
    weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, read(&room, &back));
  }
  for (size_t i = 0; i < 8; ++i) {
    frame_room_t room = make_attached(&inside);
    room.bytes[96 + of_inline[i]] = 7;
    weft_kit_assert_status(WEFT_STATUS_DATA_LOSS, read(&room, &back));
  }
}

static void an_entry_that_is_not_there_is_refused(void** state) {
  (void)state;
  frame_room_t room = make_attached(&loan);
  weft_payload_t payload;
  weft_attachment_t back;
  weft_kit_assert_ok(weft_frame_payload(&room.frame, &payload));
  weft_kit_assert_status_says(
      WEFT_STATUS_DATA_LOSS, "not so many attachments",
      weft_attachment_read(&room.frame, &payload, 2, &back));
}

static void a_body_beside_the_frame_is_not_larger_than_another(void** state) {
  (void)state;
  weft_attachment_t body = loan;
  body.segment_bytes = UINT32_MAX;
  body.size_bytes = WEFT_WIRE_BODY_LIMIT;
  for (uint64_t more = 0; more < 2; ++more) {
    frame_room_t room = make_frame(WEFT_FRAME_CALL);
    weft_payload_t payload;
    weft_attachment_t back;
    room.frame.value_count = 1;
    room.frame.flags = WEFT_FRAME_BODY_ATTACHED;
    set_body(&room, 0, 1);
    body.size_bytes += more;
    weft_attachment_write(room.bytes + 48, &body);
    accept(&room);
    weft_kit_assert_ok(weft_frame_payload(&room.frame, &payload));
    weft_kit_assert_status(
        more == 0 ? WEFT_STATUS_OK : WEFT_STATUS_DATA_LOSS,
        weft_attachment_read(&room.frame, &payload, 0, &back));
  }
}

// --- Any bytes --------------------------------------------------------------

static void any_head_is_checked(weft_kit_random_t* random, void* user) {
  (void)user;
  frame_room_t room;
  weft_payload_t payload;
  weft_attachment_t attachment;
  weft_value_t values[WEFT_FRAME_SCALAR_LIMIT];
  for (size_t i = 0; i < ROOM_BYTES / 8; ++i) {
    room.words[i] = weft_kit_random_next(random);
  }
  // Mostly near to what is sound.
  room.frame.type = (uint8_t)weft_kit_random_below(random, 12);
  room.frame.flags = (uint8_t)weft_kit_random_below(random, 64);
  room.frame.value_count = (uint8_t)weft_kit_random_below(random, 10);
  room.frame.named_count = (uint8_t)weft_kit_random_below(random, 2);
  room.frame.attachment_count = (uint16_t)weft_kit_random_below(random, 4);
  room.frame.kinds = (uint32_t)weft_kit_random_below(random, 100);
  room.frame.size_bytes = (uint32_t)(weft_frame_places(&room.frame).rest +
                                     weft_kit_random_below(random, 2) * 64);
  if (weft_status_ignore(weft_frame_check(
          &room.frame, room.frame.size_bytes)) != WEFT_STATUS_OK) {
    return;
  }
  weft_kit_assert_ok(weft_frame_payload(&room.frame, &payload));
  if (payload.scalars != NULL) {
    (void)weft_status_ignore(
        weft_frame_get_scalars(&room.frame, payload.scalars, values));
  }
  for (uint32_t i = 0; i < room.frame.attachment_count; ++i) {
    (void)weft_status_ignore(
        weft_attachment_read(&room.frame, &payload, i, &attachment));
  }
}

static void random_heads_do_no_harm(void** state) {
  (void)state;
  weft_kit_for_seeds(any_head_is_checked, NULL);
}

static void the_format_has_its_sizes(void** state) {
  (void)state;
  assert_int_equal(offsetof(weft_frame_t, size_bytes), 0);
  assert_int_equal(offsetof(weft_frame_t, type), 4);
  assert_int_equal(offsetof(weft_frame_t, flags), 5);
  assert_int_equal(offsetof(weft_frame_t, endpoint), 6);
  assert_int_equal(offsetof(weft_frame_t, id), 8);
  assert_int_equal(offsetof(weft_frame_t, target_index), 16);
  assert_int_equal(offsetof(weft_frame_t, target_generation), 20);
  assert_int_equal(offsetof(weft_frame_t, sender), 24);
  assert_int_equal(offsetof(weft_frame_t, timeout_ns), 32);
  assert_int_equal(offsetof(weft_frame_t, value_count), 40);
  assert_int_equal(offsetof(weft_frame_t, named_count), 41);
  assert_int_equal(offsetof(weft_frame_t, attachment_count), 42);
  assert_int_equal(offsetof(weft_frame_t, kinds), 44);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(scalars_need_no_body),
      cmocka_unit_test(a_call_of_two_scalars_is_a_line_of_64_bytes),
      cmocka_unit_test(what_does_not_fit_8_bytes_is_no_scalar),
      cmocka_unit_test(a_scalar_that_is_none_of_its_kind_is_refused),
      cmocka_unit_test(scalars_must_agree_with_their_frame),
      cmocka_unit_test(every_type_has_a_name_and_a_payload_of_its_kind),
      cmocka_unit_test(loans_are_entries_and_nothing_else),
      cmocka_unit_test(an_error_may_be_a_code_alone),
      cmocka_unit_test(only_a_value_says_that_more_comes),
      cmocka_unit_test(what_means_nothing_is_refused),
      cmocka_unit_test(only_a_value_of_a_channel_may_lack_its_structure),
      cmocka_unit_test(the_size_must_be_that_of_the_parts),
      cmocka_unit_test(attachments_are_few_and_there),
      cmocka_unit_test(the_parts_follow_each_other),
      cmocka_unit_test(a_loan_lies_within_its_segment),
      cmocka_unit_test(inline_bytes_lie_within_the_frame_behind_the_table),
      cmocka_unit_test(what_means_nothing_in_an_entry_is_refused),
      cmocka_unit_test(an_entry_that_is_not_there_is_refused),
      cmocka_unit_test(a_body_beside_the_frame_is_not_larger_than_another),
      cmocka_unit_test(random_heads_do_no_harm),
      cmocka_unit_test(the_format_has_its_sizes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
