// SPDX-License-Identifier: Apache-2.0
//
// Peers that say nothing. Rank 0 is a runtime; the others are played, and
// answer no question. The clock is that of the simulation.

#include <stdio.h>

#include "peer/peer_kit.h"

#define TIMEOUT_NS INT64_C(1000000000)

// A call of rank 0 to rank 1 that is never answered.
static weft_pending_t pending;
static uint32_t completed;

static void complete(weft_pending_t* call, weft_status_t status,
                     weft_value_t value) {
  (void)call;
  completed++;
  weft_value_release(value);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, status);
}

static void describe_loss(const weft_pending_t* call, char* buffer,
                          size_t capacity) {
  (void)call;
  (void)snprintf(buffer, capacity, "the call has no answer");
}

static void call_rank_1(weft_peer_kit_t* kit) {
  uint64_t id = 0;
  pending =
      (weft_pending_t){.complete = complete, .describe_loss = describe_loss};
  completed = 0;
  weft_kit_assert_ok(
      weft_calls_add(weft_peer_kit_peer(kit, 0, 1), &pending, &id));
}

// What was reported.
static uint32_t report_count;
static int64_t first_silence_ns;
static int64_t last_silence_ns;

static void take_report(weft_connector_t* connector, uint16_t rank,
                        uint16_t incarnation, int64_t silence_ns) {
  (void)connector;
  assert_int_equal(rank, 1);
  assert_int_equal(incarnation, 1);
  first_silence_ns = report_count == 0 ? silence_ns : first_silence_ns;
  last_silence_ns = silence_ns;
  report_count++;
}

static void open_job(weft_peer_kit_t* kit, bool decides) {
  weft_peer_kit_open(kit, 1);
  report_count = 0;
  kit->members[0].connector.report_silent = decides ? take_report : NULL;
  weft_peer_kit_connect(kit, 0, 1);
  weft_peers_of(kit->members[0].runtime)->tick_ns = TIMEOUT_NS / 10;
}

static void one_that_says_nothing_is_lost_when_nobody_decides(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_job(&kit, false);
  call_rank_1(&kit);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
  weft_peer_kit_run(&kit);
  assert_int_equal(completed, 1);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED,
                              "rank 1 has said nothing for 1.0 s",
                              weft_status_retain(peer->reason));
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  weft_peer_kit_close(&kit);
}

static void one_that_says_nothing_to_this_rank_alone_is_lost_by_it(
    void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_job(&kit, true);
  call_rank_1(&kit);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
  weft_peer_kit_run(&kit);
  assert_true(first_silence_ns == TIMEOUT_NS);
  assert_true(last_silence_ns < TIMEOUT_NS + INT64_C(10000000000));
  assert_int_equal(report_count, 100);
  assert_int_equal(completed, 1);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED,
                              "rank 1 has said nothing for 11.0 s",
                              weft_status_retain(peer->reason));
  weft_peer_kit_close(&kit);
}

static void run_until_reported(weft_peer_kit_t* kit) {
  while (report_count == 0) {
    assert_int_equal(weft_runtime_run(kit->host, 1), 1);
  }
}

static void one_that_is_heard_again_is_kept(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_job(&kit, true);
  call_rank_1(&kit);
  run_until_reported(&kit);
  const weft_frame_t pong = {.type = WEFT_FRAME_PONG,
                             .size_bytes = sizeof(pong),
                             .timeout_ns = INT64_MAX};
  weft_peer_kit_write(&kit, 1, 0, &pong, sizeof(pong));
  weft_peer_kit_run(&kit);
  assert_int_equal(completed, 0);
  // Whoever waits anew counts from here.
  uint64_t id = 0;
  assert_true(weft_calls_take(&pending, &id));
  call_rank_1(&kit);
  report_count = 0;
  run_until_reported(&kit);
  assert_true(first_silence_ns == TIMEOUT_NS);
  assert_true(weft_calls_take(&pending, &id));
  weft_peer_kit_close(&kit);
}

static weft_status_t words(void) {
  return weft_status_make(WEFT_STATUS_PEER_DIED, "it was given up by all");
}

// How the end of the process becomes known: after its link has ended, or
// before that.
static void one_that_is_given_up_keeps_what_it_was_lent_until_it_is_gone(
    void** state) {
  (void)state;
  for (int is_early = 0; is_early < 2; is_early++) {
    weft_peer_kit_t kit;
    open_job(&kit, true);
    weft_runtime_t* runtime = kit.members[0].runtime;
    weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
    const int64_t shape[] = {5000};
    weft_tensor_t* tensor = NULL;
    weft_kit_assert_ok(
        weft_tensor_create_shared(runtime, WEFT_UINT8, 1, shape, &tensor));
    weft_value_t value = weft_tensor_into_value(tensor);
    weft_kit_assert_ok(weft_peer_kit_send(&kit, 0, 1, WEFT_ARGUMENTS(value)));
    weft_value_release(value);
    weft_peers_give_up(runtime, 1, 1, words());
    if (!is_early) {
      weft_peer_kit_run(&kit);
      assert_int_equal(weft_peer_state(peer), WEFT_PEER_DEAD);
      assert_int_equal(weft_peer_kit_arena(&kit, 0).loan_count, 1);
    }
    weft_peers_lose(runtime, 1, 1, words());
    weft_peer_kit_check_arena(&kit, 0);
    assert_int_equal(kit.members[0].died[1], 1);
    assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
    weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "given up by all",
                                weft_status_retain(peer->reason));
    weft_peer_kit_close(&kit);
  }
}

static void one_without_a_link_is_given_up_at_once(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* peer = NULL;
  (void)state;
  open_job(&kit, true);
  weft_runtime_t* runtime = kit.members[0].runtime;
  weft_peers_give_up(runtime, 2, 1, words());
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "rank 2 is gone",
                              weft_peers_find(runtime, 2, 1, &peer));
  assert_int_equal(kit.members[0].wanted[2], 0);
  assert_int_equal(kit.members[0].died[2], 1);
  weft_peer_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(one_that_says_nothing_is_lost_when_nobody_decides),
      cmocka_unit_test(one_that_says_nothing_to_this_rank_alone_is_lost_by_it),
      cmocka_unit_test(one_that_is_heard_again_is_kept),
      cmocka_unit_test(
          one_that_is_given_up_keeps_what_it_was_lent_until_it_is_gone),
      cmocka_unit_test(one_without_a_link_is_given_up_at_once),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
