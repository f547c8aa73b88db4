// SPDX-License-Identifier: Apache-2.0
//
// Who is asked whether it is there. Rank 0 is a runtime and looks each second;
// the others are played, so they answer when the test does. Whoever waits for
// one has called it.

#include <stdio.h>

#include "peer/peer_kit.h"

#define TICK_NS INT64_C(1000000000)

typedef struct call {
  weft_pending_t pending;
  uint64_t id;
  weft_status_code_t code;
  bool is_over;
} call_t;

static void complete(weft_pending_t* pending, weft_status_t status,
                     weft_value_t value) {
  call_t* call = WEFT_CONTAINER_OF(pending, call_t, pending);
  weft_value_release(value);
  call->code = weft_status_ignore(status);
  call->is_over = true;
}

static void describe_loss(const weft_pending_t* pending, char* buffer,
                          size_t capacity) {
  (void)pending;
  (void)snprintf(buffer, capacity, "the call will not return");
}

static void open_links(weft_peer_kit_t* kit) {
  weft_peer_kit_open_linked(kit);
  weft_peers_of(kit->members[0].runtime)->tick_ns = TICK_NS;
}

static void add(weft_peer_kit_t* kit, uint32_t rank, call_t* call) {
  *call = (call_t){
      .pending = {.complete = complete, .describe_loss = describe_loss}};
  weft_kit_assert_ok(weft_calls_add(weft_peer_kit_peer(kit, 0, rank),
                                    &call->pending, &call->id));
}

static void end(call_t* call) {
  uint64_t id = 0;
  if (!call->is_over) {
    assert_true(weft_calls_take(&call->pending, &id));
  }
}

static uint32_t frame_count(const weft_peer_kit_t* kit, uint32_t rank,
                            weft_frame_type_t type) {
  const weft_peer_kit_line_t* line = &kit->members[rank].lines[0];
  uint32_t count = 0;
  for (uint32_t i = 0; i < line->frame_count; i++) {
    count += line->frames[i]->type == type ? 1 : 0;
  }
  return count;
}

// A frame of a rank, which need not have arrived yet.
static void say(weft_peer_kit_t* kit, uint32_t rank, weft_frame_type_t type) {
  const weft_frame_t frame = {.size_bytes = sizeof(frame),
                              .type = (uint8_t)type,
                              .timeout_ns = INT64_MAX};
  weft_peer_kit_write(kit, rank, 0, &frame, sizeof(frame));
}

static void ring(weft_timer_t* timer, void* user) {
  (void)timer;
  *(bool*)user = true;
}

// Lets time pass, for so many looks.
static void pass_ticks(weft_peer_kit_t* kit, int64_t count) {
  bool is_over = false;
  weft_timer_t timer = {0};
  weft_kit_assert_ok(weft_timer_start(
      kit->host, &timer, weft_runtime_now_ns(kit->host) + count * TICK_NS, 0,
      ring, &is_over));
  while (!is_over) {
    (void)weft_runtime_run(kit->host, 1);
  }
}

static weft_peer_state_t state_of(weft_peer_kit_t* kit, uint32_t rank) {
  return weft_peer_state(weft_peer_kit_peer(kit, 0, rank));
}

static void who_is_not_waited_for_is_not_asked(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  pass_ticks(&kit, 100);
  for (uint32_t rank = 1; rank < WEFT_PEER_KIT_RANKS; rank++) {
    assert_int_equal(kit.members[rank].lines[0].frame_count, 0);
    assert_int_equal(state_of(&kit, rank), WEFT_PEER_UP);
  }
  weft_peer_kit_close(&kit);
}

static void who_says_nothing_is_asked_and_then_given_up(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  open_links(&kit);
  add(&kit, 1, &call);
  pass_ticks(&kit, 9);
  assert_in_range(frame_count(&kit, 1, WEFT_FRAME_PING), 7, 9);
  assert_int_equal(state_of(&kit, 1), WEFT_PEER_UP);
  assert_false(call.is_over);
  pass_ticks(&kit, 3);
  assert_int_equal(state_of(&kit, 1), WEFT_PEER_DEAD);
  assert_true(call.is_over);
  assert_int_equal(call.code, WEFT_STATUS_PEER_DIED);
  assert_int_equal(kit.members[0].died[1], 1);
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "rank 1 has said nothing for 10.0 s",
      weft_peer_death(weft_peer_kit_peer(&kit, 0, 1), "it is over"));
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  // Nobody waited for the others.
  assert_int_equal(state_of(&kit, 2), WEFT_PEER_UP);
  assert_int_equal(kit.members[2].lines[0].frame_count, 0);
  pass_ticks(&kit, 100);
  weft_peer_kit_close(&kit);
}

// Whatever it says: that it lives, or something else.
static void who_answers_in_time_is_not_given_up(void** state) {
  static const weft_frame_type_t answers[] = {WEFT_FRAME_PONG, WEFT_FRAME_PING,
                                              WEFT_FRAME_CALL};
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
    open_links(&kit);
    add(&kit, 1, &call);
    for (int round = 0; round < 5; round++) {
      pass_ticks(&kit, 8);
      say(&kit, 1, answers[i]);
    }
    assert_int_equal(state_of(&kit, 1), WEFT_PEER_UP);
    assert_false(call.is_over);
    end(&call);
    weft_peer_kit_close(&kit);
  }
}

static void once_nobody_waits_nobody_asks(void** state) {
  weft_peer_kit_t kit;
  call_t calls[2];
  (void)state;
  open_links(&kit);
  for (int round = 0; round < 2; round++) {
    add(&kit, 1, &calls[0]);
    add(&kit, 1, &calls[1]);
    pass_ticks(&kit, 5);
    end(&calls[0]);
    pass_ticks(&kit, 2);
    end(&calls[1]);
    // What is on its way arrives.
    pass_ticks(&kit, 1);
    uint32_t asked = frame_count(&kit, 1, WEFT_FRAME_PING);
    assert_in_range(asked, 1, 14);
    pass_ticks(&kit, 100);
    assert_int_equal(frame_count(&kit, 1, WEFT_FRAME_PING), asked);
    assert_int_equal(state_of(&kit, 1), WEFT_PEER_UP);
  }
  weft_peer_kit_close(&kit);
}

static void each_is_looked_at_by_itself(void** state) {
  weft_peer_kit_t kit;
  call_t calls[2];
  (void)state;
  open_links(&kit);
  add(&kit, 1, &calls[0]);
  add(&kit, 2, &calls[1]);
  for (int tick = 0; tick < 30; tick++) {
    pass_ticks(&kit, 1);
    say(&kit, 2, WEFT_FRAME_PONG);
  }
  assert_int_equal(state_of(&kit, 1), WEFT_PEER_DEAD);
  assert_int_equal(calls[0].code, WEFT_STATUS_PEER_DIED);
  assert_int_equal(state_of(&kit, 2), WEFT_PEER_UP);
  assert_false(calls[1].is_over);
  end(&calls[1]);
  weft_peer_kit_close(&kit);
}

static void who_asks_is_answered(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  say(&kit, 1, WEFT_FRAME_PING);
  weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_PONG);
  say(&kit, 1, WEFT_FRAME_PONG);
  assert_null(weft_peer_kit_take(&kit, 1, 0));
  weft_peer_kit_close(&kit);
}

static void a_timeout_of_zero_asks_nobody(void** state) {
  weft_peer_kit_t kit;
  call_t call;
  (void)state;
  open_links(&kit);
  weft_peers_of(kit.members[0].runtime)->tick_ns = 0;
  add(&kit, 1, &call);
  pass_ticks(&kit, 100);
  assert_int_equal(kit.members[1].lines[0].frame_count, 0);
  assert_int_equal(state_of(&kit, 1), WEFT_PEER_UP);
  end(&call);
  weft_peer_kit_close(&kit);
}

static void the_environment_says_how_long_silence_may_be(void** state) {
  // A tenth of the timeout, which is 7 s unless it is set.
  const int64_t usual_ns = INT64_C(700000000);
  const struct {
    const char* text;
    int64_t tick_ns;
  } cases[] = {
      {NULL, usual_ns},      {"2", TICK_NS / 5},
      {"0.5", TICK_NS / 20}, {"0", 0},
      {"", usual_ns},        {"soon", usual_ns},
      {"3 s", usual_ns},     {"-1", usual_ns},
      {"nan", usual_ns},     {"1e300", usual_ns},
  };
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  weft_peers_t* peers = weft_peers_of(kit.members[0].runtime);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    (void)(cases[i].text != NULL ? setenv("WEFT_PEER_TIMEOUT", cases[i].text, 1)
                                 : unsetenv("WEFT_PEER_TIMEOUT"));
    peers->tick_ns = -1;
    weft_heartbeat_init(peers);
    assert_int_equal(peers->tick_ns, cases[i].tick_ns);
  }
  weft_peer_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(who_is_not_waited_for_is_not_asked),
      cmocka_unit_test(who_says_nothing_is_asked_and_then_given_up),
      cmocka_unit_test(who_answers_in_time_is_not_given_up),
      cmocka_unit_test(once_nobody_waits_nobody_asks),
      cmocka_unit_test(each_is_looked_at_by_itself),
      cmocka_unit_test(who_asks_is_answered),
      cmocka_unit_test(a_timeout_of_zero_asks_nobody),
      cmocka_unit_test(the_environment_says_how_long_silence_may_be),
  };
  // Those that are taken for suspects, and times that make no sense, are
  // warned of.
  (void)setenv("WEFT_LOG", "error", 0);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
