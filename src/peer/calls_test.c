// SPDX-License-Identifier: Apache-2.0
//
// Replies to come. Rank 0 is a runtime; the others are played.

#include <stdio.h>

#include "peer/peer_kit.h"

// A call that notes how it ended.
typedef struct call {
  weft_pending_t pending;
  uint64_t id;
  uint32_t count;
  weft_status_t status;
  weft_value_t value;
} call_t;

static void complete(weft_pending_t* pending, weft_status_t status,
                     weft_value_t value) {
  call_t* call = WEFT_CONTAINER_OF(pending, call_t, pending);
  call->count++;
  weft_status_release(call->status);
  weft_value_release(call->value);
  call->status = status;
  call->value = value;
}

static void describe_loss(const weft_pending_t* pending, char* buffer,
                          size_t capacity) {
  (void)pending;
  (void)snprintf(buffer, capacity, "the call has no answer");
}

static void init_call(call_t* call) {
  *call = (call_t){
      .pending = {.complete = complete, .describe_loss = describe_loss},
      .value = weft_none(),
  };
}

static void add(weft_peer_kit_t* kit, uint32_t rank, call_t* call) {
  init_call(call);
  weft_kit_assert_ok(weft_calls_add(weft_peer_kit_peer(kit, 0, rank),
                                    &call->pending, &call->id));
  assert_int_not_equal(call->id, 0);
}

static void end(call_t* call) {
  weft_status_release(call->status);
  weft_value_release(call->value);
}

static void reply(weft_peer_kit_t* kit, uint32_t from, uint64_t id,
                  int64_t number) {
  const weft_frame_t head = {.type = WEFT_FRAME_REPLY, .id = id};
  const weft_value_t value = weft_int64(number);
  weft_peer_kit_tell_scalars(kit, from, 0, &head, &value, 1);
}

static void replies_find_their_calls_in_any_order(void** state) {
  enum { CALLS = 50 };
  weft_peer_kit_t kit;
  call_t calls[CALLS];
  (void)state;
  weft_peer_kit_open_linked(&kit);
  for (int i = 0; i < CALLS; i++) {
    add(&kit, 1 + (unsigned)i % 2, &calls[i]);
    for (int j = 0; j < i; j++) {
      assert_int_not_equal(calls[i].id, calls[j].id);
    }
  }
  for (int i = CALLS - 1; i >= 0; i--) {
    reply(&kit, 1 + (unsigned)i % 2, calls[i].id, i);
  }
  for (int i = 0; i < CALLS; i++) {
    assert_int_equal(calls[i].count, 1);
    assert_int_equal(calls[i].value.as.int64, i);
    end(&calls[i]);
  }
  assert_int_equal(weft_peers_of(kit.members[0].runtime)->calls.used, 0);
  weft_peer_kit_close(&kit);
}

static void an_error_may_be_a_code_alone(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  static const int64_t sent[] = {WEFT_STATUS_NOT_FOUND, 0, -1, 100000};
  static const weft_status_code_t expected[] = {
      WEFT_STATUS_NOT_FOUND, WEFT_STATUS_DATA_LOSS, WEFT_STATUS_DATA_LOSS,
      WEFT_STATUS_DATA_LOSS};
  for (int i = 0; i < 4; i++) {
    add(&kit, 1, &call);
    const weft_frame_t head = {
        .type = WEFT_FRAME_REPLY, .flags = WEFT_FRAME_ERROR, .id = call.id};
    const weft_value_t code = weft_int64(sent[i]);
    weft_peer_kit_tell_scalars(&kit, 1, 0, &head, &code, 1);
    assert_int_equal(call.count, 1);
    assert_int_equal(weft_status_code(call.status), expected[i]);
    end(&call);
  }
  weft_peer_kit_close(&kit);
}

// What cannot be read is the outcome, too.
static void a_reply_that_makes_no_sense_is_an_error(void** state) {
  struct {
    weft_frame_t head;
    uint8_t body[8];
  } frame = {
      .head = {.size_bytes = sizeof(frame),
               .type = WEFT_FRAME_REPLY,
               .value_count = 1,
               .kinds = 2,
               .timeout_ns = INT64_MAX},
      .body = {0xcd, 1},
  };
  (void)state;
  for (int is_error = 0; is_error < 2; is_error++) {
    weft_peer_kit_t kit;
    call_t call;
    weft_peer_kit_open_linked(&kit);
    add(&kit, 1, &call);
    frame.head.id = call.id;
    frame.head.flags = is_error ? WEFT_FRAME_ERROR : 0;
    frame.head.value_count = is_error ? 0 : 1;
    weft_peer_kit_write(&kit, 1, 0, &frame, sizeof(frame));
    weft_peer_kit_run(&kit);
    assert_int_equal(call.count, 1);
    assert_int_equal(weft_status_code(call.status), WEFT_STATUS_DATA_LOSS);
    end(&call);
    weft_peer_kit_close(&kit);
  }
}

static void a_late_reply_is_nobodys(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  call_t next;
  uint64_t id;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  add(&kit, 1, &call);
  assert_true(weft_calls_take(&call.pending, &id));
  assert_int_equal(id, call.id);
  assert_false(weft_calls_take(&call.pending, &id));
  assert_int_equal(id, 0);
  // The next call may have the place of the first, but not its number.
  add(&kit, 1, &next);
  reply(&kit, 1, call.id, 5);
  assert_int_equal(call.count, 0);
  assert_int_equal(next.count, 0);
  reply(&kit, 1, next.id, 6);
  reply(&kit, 1, next.id, 7);
  assert_int_equal(next.count, 1);
  assert_int_equal(next.value.as.int64, 6);
  reply(&kit, 1, 0, 8);
  reply(&kit, 1, UINT64_MAX, 8);
  assert_false(weft_peer_kit_is_closed(&kit, 1, 0));
  end(&next);
  weft_peer_kit_close(&kit);
}

static void only_who_was_called_may_answer(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  add(&kit, 1, &call);
  reply(&kit, 2, call.id, 5);
  assert_int_equal(call.count, 0);
  reply(&kit, 1, call.id, 6);
  assert_int_equal(call.count, 1);
  assert_int_equal(call.value.as.int64, 6);
  end(&call);
  weft_peer_kit_close(&kit);
}

static void death_ends_the_calls_to_the_dead_each_once(void** state) {
  enum { CALLS = 5 };
  weft_peer_kit_t kit;
  call_t calls[CALLS];
  call_t other;
  uint64_t id;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  for (int i = 0; i < CALLS; i++) {
    add(&kit, 1, &calls[i]);
  }
  add(&kit, 2, &other);
  assert_true(weft_calls_take(&calls[2].pending, &id));
  reply(&kit, 1, calls[3].id, 7);
  weft_peer_kit_kill(&kit, 1);
  for (int i = 0; i < CALLS; i++) {
    assert_int_equal(calls[i].count, i == 2 ? 0 : 1);
    assert_false(weft_calls_take(&calls[i].pending, &id));
    weft_status_t status = weft_status_retain(calls[i].status);
    if (i == 2 || i == 3) {
      weft_kit_assert_ok(status);
    } else {
      weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED,
                                  "the call has no answer: rank 1 is gone",
                                  status);
    }
    end(&calls[i]);
  }
  assert_int_equal(other.count, 0);
  reply(&kit, 2, other.id, 1);
  assert_int_equal(other.count, 1);
  end(&other);
  weft_peer_kit_close(&kit);
}

static void the_dead_cannot_be_called(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  weft_peer_kit_kill(&kit, 1);
  init_call(&call);
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "nothing can be called",
      weft_calls_add(weft_peer_kit_peer(&kit, 0, 1), &call.pending, &call.id));
  assert_int_equal(call.id, 0);
  assert_int_equal(call.count, 0);
  weft_peer_kit_close(&kit);
}

static void without_memory_there_is_no_call(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  init_call(&call);
  weft_kit_allocator_fail(&kit.memory, 0, UINT64_MAX);
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      weft_calls_add(weft_peer_kit_peer(&kit, 0, 1), &call.pending, &call.id));
  weft_kit_allocator_fail(&kit.memory, 0, 0);
  assert_int_equal(call.id, 0);
  assert_int_equal(call.count, 0);
  weft_peer_kit_close(&kit);
}

static void the_end_of_the_runtime_ends_calls(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  add(&kit, 1, &call);
  weft_peers_stop(kit.members[0].runtime);
  assert_int_equal(call.count, 1);
  assert_int_equal(weft_status_code(call.status), WEFT_STATUS_CLOSED);
  end(&call);
  weft_peer_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(replies_find_their_calls_in_any_order),
      cmocka_unit_test(an_error_may_be_a_code_alone),
      cmocka_unit_test(a_reply_that_makes_no_sense_is_an_error),
      cmocka_unit_test(a_late_reply_is_nobodys),
      cmocka_unit_test(only_who_was_called_may_answer),
      cmocka_unit_test(death_ends_the_calls_to_the_dead_each_once),
      cmocka_unit_test(the_dead_cannot_be_called),
      cmocka_unit_test(without_memory_there_is_no_call),
      cmocka_unit_test(the_end_of_the_runtime_ends_calls),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
