// SPDX-License-Identifier: Apache-2.0
//
// Outcomes on their way to a peer while memory runs out. Rank 0 is a runtime
// and sends, rank 1 is one whose memory it has been lent, rank 2 is played and
// waits.

#include "peer/outcome.h"

#include "peer/peer_kit.h"

enum { ID = 7, ELEMENTS = 5000 };

typedef struct sent {
  weft_outcome_t outcome;
  uint32_t count;
} sent_t;

static void count_sent(weft_outcome_t* outcome) {
  WEFT_CONTAINER_OF(outcome, sent_t, outcome)->count++;
}

// --- What futures hold ------------------------------------------------------

static weft_future_t* future_of(weft_peer_kit_t* kit, weft_value_t value) {
  weft_future_t* future = NULL;
  weft_kit_assert_ok(
      weft_future_from_value(kit->members[0].runtime, value, &future));
  return future;
}

static weft_value_t text_of(weft_peer_kit_t* kit) {
  static const char text[] = "more than stands in the head of a frame";
  weft_value_t value;
  weft_kit_assert_ok(weft_string_create(&kit->memory.allocator, text,
                                        sizeof(text) - 1, &value));
  return value;
}

static weft_future_t* hold_number(weft_peer_kit_t* kit) {
  return future_of(kit, weft_int64(41));
}

static weft_future_t* hold_list(weft_peer_kit_t* kit) {
  weft_value_t list;
  const weft_value_t parts[] = {text_of(kit), weft_int64(1)};
  weft_kit_assert_ok(weft_list_create(&kit->memory.allocator, parts, 2, &list));
  weft_value_release(parts[0]);
  return future_of(kit, list);
}

static weft_value_t tensor_of(weft_peer_kit_t* kit, uint32_t rank,
                              bool is_shared) {
  static const int64_t shape = ELEMENTS;
  weft_tensor_t* tensor = NULL;
  weft_kit_assert_ok(
      is_shared ? weft_tensor_create_shared(kit->members[rank].runtime,
                                            WEFT_INT32, 1, &shape, &tensor)
                : weft_tensor_create(&kit->memory.allocator, NULL, WEFT_INT32,
                                     1, &shape, &tensor));
  return weft_tensor_into_value(tensor);
}

static weft_future_t* hold_shared(weft_peer_kit_t* kit) {
  return future_of(kit, tensor_of(kit, 0, true));
}

static weft_future_t* hold_private(weft_peer_kit_t* kit) {
  return future_of(kit, tensor_of(kit, 0, false));
}

// What rank 1 has sent.
static weft_value_t lent;

static void read_call(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_delivery_t delivery;
  weft_kit_assert_ok(weft_delivery_read(peer, frame, &delivery));
  assert_int_equal(delivery.count, 1);
  lent = weft_value_retain(delivery.values[0]);
  weft_delivery_deinit(peer, &delivery);
}

static weft_future_t* hold_lent(weft_peer_kit_t* kit) {
  weft_value_t tensor = tensor_of(kit, 1, true);
  weft_kit_assert_ok(weft_peer_kit_send(kit, 1, 0, WEFT_ARGUMENTS(tensor)));
  weft_value_release(tensor);
  return future_of(kit, lent);
}

static weft_future_t* hold_error(weft_peer_kit_t* kit) {
  weft_future_t* future = NULL;
  weft_kit_assert_ok(weft_future_from_status(
      kit->members[0].runtime,
      weft_status_make(WEFT_STATUS_NOT_FOUND, "no such thing"), &future));
  return future;
}

// --- The sweep --------------------------------------------------------------

// One frame comes: what the future holds or, without memory, an error or its
// code alone; an error stays what it is.
static void check_frame(weft_peer_kit_t* kit, bool is_error, bool has_failed) {
  const weft_frame_t* frame = weft_peer_kit_expect(kit, 2, 0, WEFT_FRAME_REPLY);
  assert_int_equal(frame->id, ID);
  bool says_error = (frame->flags & WEFT_FRAME_ERROR) != 0;
  assert_true(says_error == is_error || has_failed);
  if (says_error && (frame->flags & WEFT_FRAME_SCALARS) != 0) {
    assert_true(has_failed);
    assert_int_equal(
        *(const int64_t*)(const void*)(frame + 1),
        is_error ? WEFT_STATUS_NOT_FOUND : WEFT_STATUS_RESOURCE_EXHAUSTED);
  } else {
    assert_true(says_error || !is_error);
  }
  assert_null(weft_peer_kit_take(kit, 2, 0));
}

// Sends once, while `count` allocations fail after the first `after`; true
// when none did.
static bool send_once(weft_future_t* (*hold)(weft_peer_kit_t* kit),
                      bool is_connected, uint64_t after, uint64_t count) {
  const weft_frame_t head = {
      .type = WEFT_FRAME_REPLY, .id = ID, .timeout_ns = INT64_MAX};
  weft_peer_kit_t kit;
  sent_t sent = {.count = 0};
  weft_peer_kit_open(&kit, 2);
  kit.on_frame = read_call;
  weft_peer_kit_connect(&kit, 0, 1);
  if (is_connected) {
    weft_peer_kit_connect(&kit, 0, 2);
  }
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 2);
  weft_future_t* future = hold(&kit);
  weft_kit_allocator_fail(&kit.memory, after, count);
  weft_outcome_send(&sent.outcome, peer, &head, future, NULL, count_sent);
  uint64_t failed = kit.memory.failed;
  weft_kit_allocator_fail(&kit.memory, 0, 0);
  if (!is_connected) {
    assert_int_equal(sent.count, 0);
    weft_peer_kit_connect(&kit, 0, 2);
  }
  weft_peer_kit_run(&kit);
  check_frame(&kit, hold == hold_error, failed > 0);
  assert_int_equal(sent.count, 1);
  weft_future_release(future);
  weft_peer_kit_close(&kit);
  return failed == 0;
}

static void sweep(bool is_connected) {
  static weft_future_t* (*const holds[])(weft_peer_kit_t * kit) = {
      hold_number, hold_list, hold_shared, hold_private, hold_lent, hold_error,
  };
  uint64_t steps = 0;
  for (size_t i = 0; i < sizeof(holds) / sizeof(holds[0]); i++) {
    for (uint64_t after = 0; !send_once(holds[i], is_connected, after, 1);
         after++) {
      (void)send_once(holds[i], is_connected, after, UINT64_MAX);
      steps++;
    }
  }
  assert_true(steps > 0);
}

static void an_outcome_always_goes_out(void** state) {
  (void)state;
  sweep(true);
}

static void an_outcome_goes_out_when_there_is_a_link(void** state) {
  (void)state;
  sweep(false);
}

// Of what could not even be kept.
static void a_code_goes_out_without_memory(void** state) {
  const weft_frame_t head = {.type = WEFT_FRAME_REPLY, .id = ID};
  weft_peer_kit_t kit;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_peer_kit_connect(&kit, 0, 2);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 2);
  weft_kit_allocator_fail(&kit.memory, 0, UINT64_MAX);
  assert_true(weft_outcome_send_code(peer, &head, WEFT_STATUS_NOT_FOUND));
  assert_int_equal(kit.memory.failed, 0);
  weft_kit_allocator_fail(&kit.memory, 0, 0);
  check_frame(&kit, true, true);
  // Without a link there is no room.
  assert_false(weft_outcome_send_code(weft_peer_kit_peer(&kit, 0, 1), &head,
                                      WEFT_STATUS_NOT_FOUND));
  weft_peer_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(an_outcome_always_goes_out),
      cmocka_unit_test(a_code_goes_out_without_memory),
      cmocka_unit_test(an_outcome_goes_out_when_there_is_a_link),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
