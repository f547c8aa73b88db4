// SPDX-License-Identifier: Apache-2.0
//
// Frames that no peer may send: an error, or the end of the link, and nothing
// is left. Rank 3 is played: it sends rank 1 what it likes.

#include "peer/delivery_kit.h"

typedef struct forged {
  weft_frame_t head;
  uint8_t rest[1024];
} forged_t;

// A call with values by position whose body is these bytes; `attachments` are
// written behind them.
static void forge(forged_t* forged, uint8_t value_count, const void* body,
                  size_t body_bytes, const weft_attachment_t* attachments,
                  uint16_t attachment_count) {
  memset(forged, 0, sizeof(*forged));
  forged->head = (weft_frame_t){
      .type = WEFT_FRAME_CALL,
      .timeout_ns = INT64_MAX,
      .value_count = value_count,
      .attachment_count = attachment_count,
      .kinds = (uint32_t)body_bytes,
  };
  weft_frame_places_t places = weft_frame_places(&forged->head);
  memcpy(forged->rest, body, body_bytes);
  for (uint16_t i = 0; i < attachment_count; i++) {
    weft_attachment_write((uint8_t*)forged + places.attachments +
                              (size_t)i * WEFT_ATTACHMENT_BYTES,
                          &attachments[i]);
  }
  forged->head.size_bytes = (uint32_t)places.rest;
}

static void open_forger(weft_peer_kit_t* kit) {
  weft_inbox_open(kit);
  weft_peer_kit_connect(kit, 3, 1);
}

// Sends it; reading fails, and says so.
static void expect_refused(weft_peer_kit_t* kit, const forged_t* forged,
                           weft_status_code_t code, const char* part) {
  uint32_t count = weft_inbox.count;
  weft_peer_kit_write(kit, 3, 1, forged, forged->head.size_bytes);
  weft_peer_kit_run(kit);
  assert_int_equal(weft_inbox.count, count + 1);
  weft_status_t status = weft_inbox.status;
  weft_inbox.status = WEFT_OK;
  weft_kit_assert_status_says(code, part, status);
}

#define REFUSE_BODY(kit, values, body, part)                        \
  do {                                                              \
    forged_t forged_;                                               \
    forge(&forged_, (values), (body), sizeof(body), NULL, 0);       \
    expect_refused((kit), &forged_, WEFT_STATUS_DATA_LOSS, (part)); \
  } while (false)

static void a_body_that_makes_no_sense_is_an_error(void** state) {
  static const uint8_t unknown[] = {0xd4, 17, 0};
  static const uint8_t trailing[] = {1, 2};
  static const uint8_t cut[] = {0xcd, 1};
  static const uint8_t unnamed[] = {0xd5, 3, 0, 0};
  uint8_t nils[WEFT_PARAMETER_LIMIT + 1];
  weft_peer_kit_t kit;
  (void)state;
  open_forger(&kit);
  memset(nils, 0xc0, sizeof(nils));
  REFUSE_BODY(&kit, 1, unknown, "extension type 17");
  REFUSE_BODY(&kit, 1, trailing, "");
  REFUSE_BODY(&kit, 1, cut, "");
  REFUSE_BODY(&kit, 1, unnamed, "");
  REFUSE_BODY(&kit, WEFT_PARAMETER_LIMIT + 1, nils, "33 arguments");
  // The link goes on.
  assert_false(weft_peer_kit_is_closed(&kit, 3, 1));
  weft_inbox_close(&kit);
}

static void names_that_make_no_sense_are_errors(void** state) {
  static const uint8_t no_name[] = {1, 1};
  static const uint8_t no_text[] = {0xa2, 0xc3, 0x28, 1};
  static const uint8_t no_value[] = {0xa2, 'a', 'b'};
  static const struct {
    const uint8_t* body;
    size_t size_bytes;
  } cases[] = {
      {no_name, sizeof(no_name)},
      {no_text, sizeof(no_text)},
      {no_value, sizeof(no_value)},
  };
  weft_peer_kit_t kit;
  (void)state;
  open_forger(&kit);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    forged_t forged;
    forge(&forged, 0, cases[i].body, cases[i].size_bytes, NULL, 0);
    forged.head.named_count = 1;
    expect_refused(&kit, &forged, WEFT_STATUS_DATA_LOSS, "");
  }
  weft_inbox_close(&kit);
}

// The bytes of a pending future, as they stand in a body.
enum { FUTURE_BYTES = 27 };

static void put_future(uint8_t* place, uint64_t id) {
  memset(place, 0, FUTURE_BYTES);
  place[0] = 0xc7;
  place[1] = 24;
  place[2] = WEFT_EXTENSION_FUTURE;
  memcpy(place + 11, &id, sizeof(id));
}

static void a_future_that_is_sent_twice_is_an_error(void** state) {
  weft_peer_kit_t kit;
  uint8_t body[2 * FUTURE_BYTES];
  (void)state;
  open_forger(&kit);
  put_future(body, 5);
  put_future(body + FUTURE_BYTES, 5);
  REFUSE_BODY(&kit, 2, body, "rank 3 sent one future twice");
  weft_inbox_close(&kit);
}

// Named, and never finished.
static void more_futures_than_may_wait_are_refused(void** state) {
  enum { LIMIT = 3 };
  weft_peer_kit_t kit;
  uint8_t body[(LIMIT + 1) * FUTURE_BYTES];
  (void)state;
  open_forger(&kit);
  weft_peers_of(kit.members[1].runtime)->waiting_limit = LIMIT;
  for (size_t i = 0; i <= LIMIT; i++) {
    put_future(body + i * FUTURE_BYTES, (uint8_t)(5 + i));
  }
  forged_t forged;
  forge(&forged, LIMIT + 1, body, sizeof(body), NULL, 0);
  expect_refused(&kit, &forged, WEFT_STATUS_RESOURCE_EXHAUSTED,
                 "rank 3 has named 3 futures");
  assert_int_equal(weft_peer_kit_peer(&kit, 1, 3)->imports.count, LIMIT);
  assert_int_equal(weft_peer_state(weft_peer_kit_peer(&kit, 1, 3)),
                   WEFT_PEER_UP);
  weft_inbox_close(&kit);
}

static void a_future_of_no_known_form_is_an_error(void** state) {
  static const uint8_t mode[] = {0xd4, WEFT_EXTENSION_FUTURE, 2};
  static const uint8_t kind[] = {0xd4, WEFT_EXTENSION_FUTURE, 0xc0};
  static const uint8_t short_one[] = {0xd5, WEFT_EXTENSION_FUTURE, 1, 0xc0};
  // A future in place of the form, and an attachment that there is not.
  static const uint8_t nested[] = {
      0xd6, WEFT_EXTENSION_FUTURE, 0xd5, WEFT_EXTENSION_FUTURE, 0, 0};
  static const uint8_t beside[] = {
      0xd6, WEFT_EXTENSION_FUTURE, 0xd5, WEFT_EXTENSION_BYTES, 0, 0};
  weft_peer_kit_t kit;
  (void)state;
  open_forger(&kit);
  REFUSE_BODY(&kit, 1, mode, "unknown form");
  REFUSE_BODY(&kit, 1, kind, "unknown form");
  REFUSE_BODY(&kit, 1, short_one, "");
  REFUSE_BODY(&kit, 1, nested, "");
  REFUSE_BODY(&kit, 1, beside, "");
  weft_inbox_close(&kit);
}

static void attachments_that_cannot_be_are_errors(void** state) {
  static const uint8_t nil[] = {0xc0};
  static const weft_attachment_t cases[] = {
      {.kind = 3},
      // In the head; behind the frame; not aligned.
      {.kind = WEFT_ATTACHMENT_INLINE, .offset_bytes = 0, .size_bytes = 8},
      {.kind = WEFT_ATTACHMENT_INLINE, .offset_bytes = 96, .size_bytes = 8},
      {.kind = WEFT_ATTACHMENT_INLINE, .offset_bytes = 1, .size_bytes = 0},
      {.kind = WEFT_ATTACHMENT_INLINE, .offset_bytes = UINT64_MAX - 7},
      // Sound, and used by nobody.
      {.kind = WEFT_ATTACHMENT_INLINE, .offset_bytes = 96},
      // Larger than its segment.
      {.kind = WEFT_ATTACHMENT_LOAN,
       .owner_rank = 3,
       .owner_incarnation = 1,
       .size_bytes = 2,
       .segment_bytes = 1},
      // Never lent by whom it goes home to.
      {.kind = WEFT_ATTACHMENT_LOAN,
       .owner_rank = 1,
       .owner_incarnation = 1,
       .segment = 1,
       .size_bytes = 64,
       .segment_bytes = 4096},
  };
  weft_peer_kit_t kit;
  (void)state;
  open_forger(&kit);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    forged_t forged;
    forge(&forged, 1, nil, sizeof(nil), &cases[i], 1);
    expect_refused(&kit, &forged, WEFT_STATUS_DATA_LOSS, "");
    forge(&forged, 1, nil, 0, &cases[i], 1);
    forged.head.flags = WEFT_FRAME_BODY_ATTACHED;
    if (cases[i].offset_bytes != 96 || cases[i].size_bytes != 0) {
      expect_refused(&kit, &forged, WEFT_STATUS_DATA_LOSS, "");
    }
  }
  weft_inbox_close(&kit);
}

// The peer counts it as lent, so it is told that it is not held.
static void a_loan_in_a_segment_that_was_never_shown_is_given_back(
    void** state) {
  static const uint8_t nil[] = {0xc0};
  const weft_attachment_t attachment = {
      .kind = WEFT_ATTACHMENT_LOAN,
      .owner_rank = 3,
      .owner_incarnation = 1,
      .segment = 9,
      .generation = 4,
      .offset_bytes = 64,
      .size_bytes = 128,
      .segment_bytes = 4096,
  };
  weft_peer_kit_t kit;
  forged_t forged;
  (void)state;
  open_forger(&kit);
  forge(&forged, 1, nil, sizeof(nil), &attachment, 1);
  expect_refused(&kit, &forged, WEFT_STATUS_NOT_FOUND, "");
  const weft_frame_t* frame =
      weft_peer_kit_expect(&kit, 3, 1, WEFT_FRAME_RELEASE);
  const weft_frame_loan_t* loan =
      (const weft_frame_loan_t*)(const void*)(frame + 1);
  assert_int_equal(frame->id, 1);
  assert_int_equal(loan->segment, 9);
  assert_int_equal(loan->offset_bytes, 64);
  assert_int_equal(loan->other, weft_holder_make(3, 1));
  weft_inbox_close(&kit);
}

static void a_head_that_cannot_be_closes_the_link(void** state) {
  static const weft_frame_t cases[] = {
      // Another size than it has; a type and flags that there are not.
      {.size_bytes = 56, .type = WEFT_FRAME_PING},
      {.size_bytes = 48, .type = 0},
      {.size_bytes = 48, .type = 200},
      {.size_bytes = 48, .type = WEFT_FRAME_PING, .flags = 128},
      // An outcome without a value; loans that are not there; no sound words.
      {.size_bytes = 48, .type = WEFT_FRAME_REPLY, .flags = WEFT_FRAME_SCALARS},
      {.size_bytes = 48, .type = WEFT_FRAME_RELEASE, .id = 1},
      {.size_bytes = 48,
       .type = WEFT_FRAME_SUBSCRIBE,
       .flags = WEFT_FRAME_SCALARS},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    weft_peer_kit_t kit;
    open_forger(&kit);
    weft_peer_kit_write(&kit, 3, 1, &cases[i], sizeof(cases[i]));
    assert_true(weft_peer_kit_is_closed(&kit, 3, 1));
    assert_int_equal(kit.members[1].died[3], 1);
    const weft_peer_t* peer = weft_peer_kit_peer(&kit, 1, 3);
    assert_int_equal(weft_status_code(peer->reason), WEFT_STATUS_DATA_LOSS);
    assert_int_equal(kit.members[1].frame_count, 0);
    weft_inbox_close(&kit);
  }
}

static void less_than_a_head_closes_the_link(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_forger(&kit);
  weft_peer_kit_write(&kit, 3, 1, "short", 5);
  assert_true(weft_peer_kit_is_closed(&kit, 3, 1));
  weft_inbox_close(&kit);
}

typedef struct forged_loan {
  weft_frame_t head;
  weft_frame_loan_t loan;
} forged_loan_t;

static void tell_loan(weft_peer_kit_t* kit, uint16_t to, weft_frame_type_t type,
                      const weft_frame_loan_t* loan) {
  const forged_loan_t frame = {
      .head = {.size_bytes = sizeof(frame),
               .type = (uint8_t)type,
               .id = 1,
               .timeout_ns = INT64_MAX},
      .loan = *loan,
  };
  weft_peer_kit_write(kit, 3, to, &frame, sizeof(frame));
  weft_peer_kit_run(kit);
}

// Of what the owner never lent; to the owner itself.
static void loans_that_cannot_be_close_the_link(void** state) {
  static const weft_frame_type_t types[] = {WEFT_FRAME_RELEASE, WEFT_FRAME_LEND,
                                            WEFT_FRAME_UNLEND};
  const weft_frame_loan_t loan = {
      .segment = 77,
      .size_bytes = 64,
      .segment_bytes = 4096,
      .other = weft_holder_make(1, 1),
      .count = 1,
  };
  (void)state;
  for (int i = 0; i < 3; i++) {
    weft_peer_kit_t kit;
    open_forger(&kit);
    tell_loan(&kit, 1, types[i], &loan);
    assert_true(weft_peer_kit_is_closed(&kit, 3, 1));
    weft_inbox_close(&kit);
  }
}

static bool is_up(weft_peer_kit_t* kit, uint32_t rank, uint32_t other) {
  weft_peer_kit_run(kit);
  return weft_peer_state(weft_peer_kit_peer(kit, rank, other)) == WEFT_PEER_UP;
}

// Rank 1 has a tensor of rank 0, in shared memory.
static weft_value_t receive_tensor(weft_peer_kit_t* kit,
                                   weft_borrowed_t* out_borrowed) {
  const int64_t shape[] = {1000};
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(weft_tensor_create_shared(kit->members[0].runtime,
                                               WEFT_UINT8, 1, shape, &tensor));
  weft_value_t value = weft_tensor_value(tensor);
  weft_tensor_release(tensor);
  weft_kit_assert_ok(weft_peer_kit_send(kit, 0, 1, WEFT_ARGUMENTS(value)));
  weft_value_release(value);
  value = weft_value_retain(weft_inbox.delivery.values[0]);
  const weft_tensor_t* received = NULL;
  weft_inbox_empty(kit, 0);
  weft_kit_assert_ok(weft_value_as_tensor(value, &received));
  assert_true(weft_imports_find(weft_memory_imports(kit->members[1].runtime),
                                weft_tensor_storage(received), out_borrowed));
  return value;
}

// Rank 3 says to rank 1 that it lends it a block of rank 0, which rank 1
// believes, and gives back.
static void lie_to_borrower(weft_peer_kit_t* kit,
                            const weft_borrowed_t* borrowed) {
  static const uint8_t nil[] = {0xc0};
  const weft_attachment_t attachment = {
      .kind = WEFT_ATTACHMENT_LOAN,
      .owner_rank = (uint16_t)(borrowed->owner >> 16),
      .owner_incarnation = (uint16_t)borrowed->owner,
      .segment = borrowed->name.segment,
      .generation = borrowed->name.generation,
      .offset_bytes = borrowed->name.offset_bytes,
      .size_bytes = borrowed->name.size_bytes,
      .segment_bytes = borrowed->name.segment_bytes,
  };
  forged_t forged;
  forge(&forged, 1, nil, sizeof(nil), &attachment, 1);
  weft_peer_kit_write(kit, 3, 1, &forged, forged.head.size_bytes);
  weft_peer_kit_run(kit);
  weft_inbox_empty(kit, 3);
}

static void who_believes_in_a_loan_is_not_to_blame(void** state) {
  weft_peer_kit_t kit;
  weft_borrowed_t borrowed;
  (void)state;
  open_forger(&kit);
  weft_value_t value = receive_tensor(&kit, &borrowed);
  lie_to_borrower(&kit, &borrowed);
  assert_true(is_up(&kit, 0, 1));
  // What rank 1 really has stays.
  assert_int_not_equal(weft_peer_kit_arena(&kit, 0).lent_bytes, 0);
  weft_value_release(value);
  weft_peer_kit_check_arena(&kit, 0);
  // There is no such block any more.
  lie_to_borrower(&kit, &borrowed);
  assert_true(is_up(&kit, 0, 1));
  weft_inbox_close(&kit);
}

static void what_others_hold_is_not_a_liars_to_end_or_keep(void** state) {
  weft_peer_kit_t kit;
  weft_borrowed_t borrowed;
  (void)state;
  open_forger(&kit);
  weft_peer_kit_connect(&kit, 3, 0);
  weft_value_t value = receive_tensor(&kit, &borrowed);
  weft_frame_loan_t loan = {
      .segment = borrowed.name.segment,
      .generation = borrowed.name.generation,
      .offset_bytes = borrowed.name.offset_bytes,
      .size_bytes = borrowed.name.size_bytes,
      .segment_bytes = borrowed.name.segment_bytes,
      .other = weft_holder_make(1, 1),
      .count = 1,
  };
  tell_loan(&kit, 0, WEFT_FRAME_RELEASE, &loan);
  tell_loan(&kit, 0, WEFT_FRAME_UNLEND, &loan);
  assert_int_not_equal(weft_peer_kit_arena(&kit, 0).lent_bytes, 0);
  tell_loan(&kit, 0, WEFT_FRAME_LEND, &loan);
  loan.other = weft_holder_make(2, 1);
  tell_loan(&kit, 0, WEFT_FRAME_LEND, &loan);
  weft_value_release(value);
  weft_peer_kit_check_arena(&kit, 0);
  // Rank 0 knows that it lent the liar nothing.
  loan.other = weft_holder_make(0, 1);
  assert_true(is_up(&kit, 0, 1));
  tell_loan(&kit, 0, WEFT_FRAME_RELEASE, &loan);
  assert_true(weft_peer_kit_is_closed(&kit, 3, 0));
  weft_inbox_close(&kit);
}

static void loans_of_a_life_that_is_not_known_leave_nothing(void** state) {
  weft_peer_kit_t kit;
  weft_borrowed_t borrowed;
  (void)state;
  open_forger(&kit);
  weft_value_t value = receive_tensor(&kit, &borrowed);
  const weft_peer_t* owner = weft_peer_kit_peer(&kit, 1, 0);
  uint32_t count = owner->loan_count;
  borrowed.owner = weft_holder_make(0, 7);
  for (int i = 0; i < 100; i++) {
    lie_to_borrower(&kit, &borrowed);
  }
  assert_int_equal(owner->loan_count, count);
  // Nor do those of one that is dead.
  borrowed.owner = weft_holder_make(0, 1);
  weft_value_release(value);
  weft_peer_kit_check_arena(&kit, 0);
  weft_peer_kit_kill(&kit, 0);
  for (int i = 0; i < 100; i++) {
    lie_to_borrower(&kit, &borrowed);
  }
  assert_int_equal(owner->loan_count, 0);
  weft_inbox_close(&kit);
}

static void memory_of_a_life_makes_it_not_known(void** state) {
  weft_peer_kit_t kit;
  weft_borrowed_t borrowed;
  (void)state;
  open_forger(&kit);
  weft_value_t value = receive_tensor(&kit, &borrowed);
  weft_arena_t* arena = weft_memory_arena(kit.members[0].runtime);
  weft_peer_t* forger = weft_peer_kit_peer(&kit, 1, 3);
  uint64_t tag = (uint64_t)weft_holder_make(0, 9) << 32 | 1;
  forger->sink.vtable->descriptor(
      &forger->sink, tag,
      dup(weft_arena_descriptor(arena, borrowed.name.segment)));
  weft_peer_kit_run(&kit);
  // Rank 0 is still who it was.
  weft_peer_t* found = NULL;
  weft_kit_assert_ok(weft_peers_find(kit.members[1].runtime, 0, 1, &found));
  assert_int_equal(weft_peer_state(found), WEFT_PEER_UP);
  weft_value_release(value);
  weft_inbox_close(&kit);
}

// Rank 3 says so to the owner, and to the reader, who goes on to read.
static void a_segment_of_another_is_not_a_liars_to_drop(void** state) {
  weft_peer_kit_t kit;
  weft_borrowed_t borrowed;
  (void)state;
  open_forger(&kit);
  weft_value_t value = receive_tensor(&kit, &borrowed);
  const weft_table_t* shown = &weft_peer_kit_peer(&kit, 0, 1)->segments;
  const weft_frame_t frame = {
      .size_bytes = sizeof(frame),
      .type = WEFT_FRAME_DROP,
      .id = borrowed.name.segment,
      .target_index = weft_holder_make(0, 1),
      .timeout_ns = INT64_MAX,
  };
  size_t count = shown->count;
  assert_int_not_equal(count, 0);
  for (uint32_t rank = 0; rank < 2; rank++) {
    weft_peer_t* forger = weft_peer_kit_peer(&kit, rank, 3);
    forger->sink.vtable->frame(&forger->sink, &frame, sizeof(frame));
    weft_peer_kit_run(&kit);
  }
  assert_int_equal(shown->count, count);
  weft_value_release(value);
  value = receive_tensor(&kit, &borrowed);
  weft_value_release(value);
  weft_inbox_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_body_that_makes_no_sense_is_an_error),
      cmocka_unit_test(names_that_make_no_sense_are_errors),
      cmocka_unit_test(a_future_that_is_sent_twice_is_an_error),
      cmocka_unit_test(more_futures_than_may_wait_are_refused),
      cmocka_unit_test(a_future_of_no_known_form_is_an_error),
      cmocka_unit_test(attachments_that_cannot_be_are_errors),
      cmocka_unit_test(a_loan_in_a_segment_that_was_never_shown_is_given_back),
      cmocka_unit_test(a_head_that_cannot_be_closes_the_link),
      cmocka_unit_test(less_than_a_head_closes_the_link),
      cmocka_unit_test(loans_that_cannot_be_close_the_link),
      cmocka_unit_test(who_believes_in_a_loan_is_not_to_blame),
      cmocka_unit_test(what_others_hold_is_not_a_liars_to_end_or_keep),
      cmocka_unit_test(loans_of_a_life_that_is_not_known_leave_nothing),
      cmocka_unit_test(a_segment_of_another_is_not_a_liars_to_drop),
      cmocka_unit_test(memory_of_a_life_makes_it_not_known),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
