// SPDX-License-Identifier: Apache-2.0
//
// Who is there: connecting, the outbox, room, death, and lives of a rank. Rank
// 0 is a runtime; the others are played.

#include "peer/peer_kit.h"

// --- What goes out ----------------------------------------------------------

// A frame that notes when it was over.
typedef struct letter {
  weft_outgoing_t outgoing;
  uint64_t id;
  size_t payload_bytes;
  // How often it was over, and as the how many of all.
  uint32_t end_count;
  uint32_t place;
} letter_t;

static uint32_t ended;

static weft_status_t write_letter(weft_outgoing_t* outgoing,
                                  weft_peer_t* peer) {
  static const char payload[16000] = {0};
  const letter_t* letter = (const letter_t*)(const void*)outgoing;
  // A body of bytes, which nobody reads here.
  weft_frame_t frame = {
      .type = WEFT_FRAME_CALL,
      .id = letter->id,
      .kinds = (uint32_t)letter->payload_bytes,
  };
  return weft_peer_write_locked(peer, &frame, payload, letter->payload_bytes,
                                WEFT_LINK_ORDINARY);
}

static void end_letter(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  letter_t* letter = WEFT_CONTAINER_OF(outgoing, letter_t, outgoing);
  (void)peer;
  letter->end_count++;
  letter->place = ended++;
}

static void init_letters(letter_t* letters, uint32_t count,
                         size_t payload_bytes) {
  ended = 0;
  for (uint32_t i = 0; i < count; i++) {
    letters[i] = (letter_t){
        .outgoing = {.write = write_letter, .end = end_letter},
        .id = i,
        .payload_bytes = payload_bytes,
    };
  }
}

static void send_letters(weft_peer_t* peer, letter_t* letters, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    weft_peer_send(peer, &letters[i].outgoing);
  }
}

static void check_ended(const letter_t* letters, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    assert_int_equal(letters[i].end_count, 1);
    assert_int_equal(letters[i].place, i);
  }
}

enum { LETTERS = 40, LARGE = 16000 };

// All of them come, in order, and end.
static void expect_letters(weft_peer_kit_t* kit, const letter_t* letters) {
  for (uint32_t i = 0; i < LETTERS; i++) {
    assert_int_equal(weft_peer_kit_expect(kit, 1, 0, WEFT_FRAME_CALL)->id, i);
  }
  check_ended(letters, LETTERS);
}

// Rank 1, to which rank 0 has a link.
static weft_peer_t* open_peer(weft_peer_kit_t* kit) {
  weft_peer_kit_open(kit, 1);
  weft_peer_kit_connect(kit, 0, 1);
  return weft_peer_kit_peer(kit, 0, 1);
}

static void what_waits_for_the_link_goes_out_in_order(void** state) {
  weft_peer_kit_t kit;
  letter_t letters[LETTERS];
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
  init_letters(letters, LETTERS, 8);
  send_letters(peer, letters, LETTERS - 1);
  assert_int_equal(ended, 0);
  weft_peer_kit_connect(&kit, 0, 1);
  send_letters(peer, &letters[LETTERS - 1], 1);
  expect_letters(&kit, letters);
  weft_peer_kit_close(&kit);
}

// A small one does not overtake the large ones.
static void what_waits_for_room_goes_out_in_order(void** state) {
  weft_peer_kit_t kit;
  letter_t letters[LETTERS];
  (void)state;
  weft_peer_t* peer = open_peer(&kit);
  init_letters(letters, LETTERS, LARGE);
  letters[LETTERS - 1].payload_bytes = 0;
  send_letters(peer, letters, LETTERS);
  assert_in_range(ended, 1, LETTERS - 2);
  expect_letters(&kit, letters);
  weft_peer_kit_close(&kit);
}

static void the_dead_drop_what_waits(void** state) {
  weft_peer_kit_t kit;
  letter_t letters[LETTERS];
  (void)state;
  weft_peer_t* peer = open_peer(&kit);
  init_letters(letters, LETTERS, LARGE);
  send_letters(peer, letters, LETTERS - 1);
  assert_true(ended < LETTERS - 1);
  weft_peer_kit_kill(&kit, 1);
  assert_int_equal(ended, LETTERS - 1);
  // Afterwards it is over at once.
  send_letters(peer, &letters[LETTERS - 1], 1);
  check_ended(letters, LETTERS);
  assert_int_equal(kit.members[0].died[1], 1);
  assert_int_equal(weft_peer_state(peer), WEFT_PEER_DEAD);
  weft_peer_kit_close(&kit);
}

static void what_was_never_linked_drops_what_waits(void** state) {
  weft_peer_kit_t kit;
  letter_t letters[3];
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
  init_letters(letters, 3, 0);
  send_letters(peer, letters, 3);
  weft_peers_lose(kit.members[0].runtime, 1, 1,
                  weft_status_make(WEFT_STATUS_PEER_DIED, "it never came"));
  check_ended(letters, 3);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED,
                              "all is lost: rank 1 is gone",
                              weft_peer_death(peer, "all is lost"));
  weft_peer_kit_close(&kit);
}

static bool refuse(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  (void)outgoing;
  (void)peer;
  return false;
}

static void what_is_not_claimed_is_not_sent(void** state) {
  weft_peer_kit_t kit;
  letter_t letter;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_peer_kit_connect(&kit, 0, 1);
  init_letters(&letter, 1, 0);
  assert_false(weft_peer_send_if(weft_peer_kit_peer(&kit, 0, 1),
                                 &letter.outgoing, refuse));
  assert_int_equal(letter.end_count, 0);
  assert_null(weft_peer_kit_take(&kit, 1, 0));
  weft_peer_kit_close(&kit);
}

// --- Finding ----------------------------------------------------------------

static void a_rank_is_connected_once_when_it_is_first_wanted(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* peer = NULL;
  weft_peer_t* again = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_runtime_t* runtime = kit.members[0].runtime;
  weft_kit_assert_ok(weft_peers_expect(runtime, 2, 0, &peer));
  assert_int_equal(kit.members[0].wanted[2], 0);
  weft_kit_assert_ok(weft_peers_find(runtime, 2, 0, &again));
  assert_ptr_equal(peer, again);
  weft_kit_assert_ok(weft_peers_reach(runtime, 2, &again));
  assert_int_equal(kit.members[0].wanted[2], 1);
  weft_peer_kit_connect(&kit, 0, 2);
  weft_kit_assert_ok(weft_peers_find(runtime, 2, 1, &again));
  assert_int_equal(kit.members[0].wanted[2], 1);
  weft_kit_assert_status_says(WEFT_STATUS_NOT_FOUND, "it is in life 1",
                              weft_peers_find(runtime, 2, 2, &again));
  assert_null(again);
  weft_peer_kit_close(&kit);
}

static void a_rank_that_cannot_be_is_not_found(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* peer = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_runtime_t* runtime = kit.members[0].runtime;
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_peers_expect(runtime, 0, 0, &peer));
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_peers_expect(runtime, UINT16_MAX, 0, &peer));
  weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                         weft_peers_find(runtime, UINT16_MAX, 0, &peer));
  assert_null(peer);
  weft_peer_kit_close(&kit);
}

static void without_memory_there_is_no_peer(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* peer = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_kit_allocator_fail(&kit.memory, 0, 1);
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED,
                         weft_peers_find(kit.members[0].runtime, 1, 0, &peer));
  assert_null(peer);
  weft_kit_assert_ok(weft_peers_find(kit.members[0].runtime, 1, 0, &peer));
  assert_non_null(peer);
  weft_peer_kit_close(&kit);
}

// --- Death ------------------------------------------------------------------

static void who_tells_deaths_is_waited_for(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  for (int is_told = 0; is_told < 3; is_told++) {
    weft_peer_kit_open(&kit, 1);
    kit.members[0].connector.tells_deaths = true;
    weft_peer_kit_connect(&kit, 0, 1);
    weft_peer_t* peer = weft_peer_kit_peer(&kit, 0, 1);
    weft_status_t word =
        weft_status_make(WEFT_STATUS_PEER_DIED, "it fell over");
    if (is_told == 1) {
      // Before the link knows.
      weft_peers_lose(kit.members[0].runtime, 1, 1, weft_status_retain(word));
    }
    weft_sim_kill(kit.net, kit.members[1].runtime);
    if (is_told == 2) {
      // Afterwards.
      while (!weft_peer_is_dying_locked(peer)) {
        (void)weft_runtime_run(kit.host, 1);
      }
      weft_peers_lose(kit.members[0].runtime, 1, 1, weft_status_retain(word));
      assert_int_equal(weft_peer_state(peer), WEFT_PEER_DEAD);
    }
    weft_peer_kit_run(&kit);
    assert_int_equal(weft_peer_state(peer), WEFT_PEER_DEAD);
    assert_int_equal(kit.members[0].died[1], 1);
    bool is_known =
        strcmp(weft_status_message(peer->reason), "it fell over") == 0;
    assert_int_equal(is_known, is_told != 0);
    weft_status_release(word);
    weft_peer_kit_close(&kit);
  }
}

// --- Refusal ----------------------------------------------------------------

static void refuse_link(weft_runtime_t* runtime) {
  weft_peers_refuse(
      runtime, 1,
      weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no more files"));
}

static void one_that_was_refused_can_be_asked_for_again(void** state) {
  weft_peer_kit_t kit;
  letter_t letter;
  weft_peer_t* peer = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_runtime_t* runtime = kit.members[0].runtime;
  for (uint32_t i = 1; i < 4; i++) {
    weft_kit_assert_ok(weft_peers_reach(runtime, 1, &peer));
    assert_false(weft_peer_is_refused(peer));
    assert_int_equal(kit.members[0].wanted[1], i);
    refuse_link(runtime);
    assert_true(weft_peer_is_refused(peer));
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "nothing goes: rank 1 cannot be reached now",
                                weft_peer_death(peer, "nothing goes"));
  }
  assert_int_equal(kit.members[0].died[1], 0);
  // What waits for no answer goes out when there is a link.
  init_letters(&letter, 1, 0);
  send_letters(peer, &letter, 1);
  weft_kit_assert_ok(weft_peers_find(runtime, 1, 0, &peer));
  weft_peer_kit_connect(&kit, 0, 1);
  assert_int_equal(weft_peer_state(peer), WEFT_PEER_UP);
  assert_true(peer->reason == WEFT_OK);
  (void)weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_CALL);
  check_ended(&letter, 1);
  weft_peer_kit_close(&kit);
}

// Its end of the link finds no room there. It hangs up before that is said, or
// afterwards.
static void one_that_declines_can_be_asked_for_again(void** state) {
  weft_peer_kit_t kit;
  letter_t letters[LETTERS];
  weft_peer_t* peer = NULL;
  (void)state;
  for (int is_late = 0; is_late < 2; is_late++) {
    weft_peer_kit_open(&kit, 1);
    weft_runtime_t* runtime = kit.members[0].runtime;
    kit.members[0].connector.tells_deaths = true;
    weft_kit_assert_ok(weft_peers_reach(runtime, 1, &peer));
    weft_peer_kit_connect(&kit, 0, 1);
    init_letters(letters, LETTERS, LARGE);
    send_letters(peer, letters, LETTERS);
    assert_true(ended < LETTERS);
    if (is_late == 0) {
      refuse_link(runtime);
    }
    weft_link_close(kit.members[1].lines[0].link, WEFT_OK);
    while (is_late == 1 && !weft_peer_is_dying_locked(peer)) {
      (void)weft_runtime_run(kit.host, 1);
    }
    if (is_late == 1) {
      refuse_link(runtime);
    }
    weft_peer_kit_run(&kit);
    check_ended(letters, LETTERS);
    assert_int_equal(kit.members[0].died[1], 1);
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "no answer: rank 1 is gone",
                                weft_peer_death(peer, "no answer"));
    peer = weft_peer_kit_peer(&kit, 0, 1);
    assert_true(weft_peer_is_refused(peer));
    weft_peer_kit_hang_up(&kit, 1, 0);
    weft_kit_assert_ok(weft_peers_find(runtime, 1, 1, &peer));
    assert_int_equal(kit.members[0].wanted[1], 2);
    weft_peer_kit_connect(&kit, 0, 1);
    init_letters(letters, 1, 0);
    send_letters(peer, letters, 1);
    check_ended(letters, 1);
    weft_peer_kit_close(&kit);
  }
}

static void one_that_was_refused_can_die(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* peer = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_runtime_t* runtime = kit.members[0].runtime;
  // Nobody has asked for it.
  refuse_link(runtime);
  weft_kit_assert_ok(weft_peers_reach(runtime, 1, &peer));
  refuse_link(runtime);
  weft_peers_lose(runtime, 1, 0, weft_status_make(WEFT_STATUS_PEER_DIED, "it"));
  assert_false(weft_peer_is_refused(peer));
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "rank 1 is gone",
                              weft_peers_find(runtime, 1, 0, &peer));
  assert_int_equal(kit.members[0].died[1], 1);
  assert_int_equal(kit.members[0].wanted[1], 1);
  weft_peer_kit_close(&kit);
}

// A child of the dead may hold the link open for ever.
static void one_that_is_said_to_be_dead_is_read_to_its_end(void** state) {
  weft_peer_kit_t kit;
  const weft_frame_t call = {.type = WEFT_FRAME_CALL,
                             .size_bytes = sizeof(call),
                             .timeout_ns = INT64_MAX};
  (void)state;
  weft_peer_t* peer = open_peer(&kit);
  kit.members[0].connector.tells_deaths = true;
  weft_peer_kit_write(&kit, 1, 0, &call, sizeof(call));
  weft_peer_kit_write(&kit, 1, 0, &call, sizeof(call));
  assert_int_equal(kit.members[0].frame_count, 0);
  weft_peers_lose(kit.members[0].runtime, 1, 1,
                  weft_status_make(WEFT_STATUS_PEER_DIED, "it fell over"));
  assert_int_equal(weft_peer_state(peer), WEFT_PEER_UP);
  // Whoever writes to it meanwhile hears the same.
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "it fell over",
      weft_peer_kit_post(&kit, 0, 1, WEFT_ARGUMENTS(weft_int64(1))));
  weft_peer_kit_run(&kit);
  assert_int_equal(kit.members[0].frame_count, 2);
  assert_int_equal(kit.members[0].died[1], 1);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "it fell over",
                              weft_status_retain(peer->reason));
  weft_peer_kit_close(&kit);
}

// Only how a life ended ends it: that it cannot be connected says nothing of
// one that is.
static void one_that_cannot_be_reached_again_stays(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_peer_t* peer = open_peer(&kit);
  weft_peers_lose(kit.members[0].runtime, 1, 0,
                  weft_status_make(WEFT_STATUS_FAILED_PRECONDITION, "twice"));
  weft_peer_kit_run(&kit);
  assert_int_equal(weft_peer_state(peer), WEFT_PEER_UP);
  weft_peer_kit_close(&kit);
}

static void the_end_of_the_job_ends_all(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* peer = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_peer_kit_connect(&kit, 0, 1);
  weft_kit_assert_ok(weft_peers_reach(kit.members[0].runtime, 2, &peer));
  weft_peers_end(kit.members[0].runtime,
                 weft_status_make(WEFT_STATUS_CLOSED, "the job is over"));
  assert_int_equal(weft_peer_state(peer), WEFT_PEER_DEAD);
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  assert_int_equal(kit.members[0].died[1], 1);
  assert_int_equal(kit.members[0].died[2], 1);
  weft_kit_assert_status_says(
      WEFT_STATUS_CLOSED, "the job is over",
      weft_peers_find(kit.members[0].runtime, 3, 0, &peer));
  assert_null(peer);
  weft_peer_kit_close(&kit);
}

static void a_link_to_the_dead_is_closed(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_peer_kit_peer(&kit, 0, 1);
  weft_peers_lose(kit.members[0].runtime, 1, 1,
                  weft_status_make(WEFT_STATUS_PEER_DIED, "as others say"));
  weft_peer_kit_connect(&kit, 0, 1);
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  assert_int_equal(kit.members[0].died[1], 1);
  weft_peer_kit_close(&kit);
}

// --- Lives ------------------------------------------------------------------

static void each_life_of_a_rank_is_another_peer(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* second = NULL;
  weft_peer_t* found = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_runtime_t* runtime = kit.members[0].runtime;
  weft_peers_t* peers = weft_peers_of(runtime);
  weft_peer_kit_connect(&kit, 0, 1);
  weft_peer_t* first = weft_peer_kit_peer(&kit, 0, 1);
  weft_peer_kit_kill(&kit, 1);
  weft_peers_renew(runtime, 1, 2);
  weft_kit_assert_ok(weft_peers_find(runtime, 1, 0, &second));
  assert_ptr_not_equal(first, second);
  assert_int_equal(kit.members[0].wanted[1], 1);
  // It is that of life 2, whoever says so first.
  weft_kit_assert_ok(weft_peers_expect(runtime, 1, 2, &found));
  assert_ptr_equal(found, second);
  weft_kit_assert_ok(weft_peers_expect(runtime, 1, 1, &found));
  assert_ptr_equal(found, first);
  assert_ptr_equal(weft_peers_life(peers, weft_holder_make(1, 1)), first);
  assert_ptr_equal(weft_peers_life(peers, weft_holder_make(1, 2)), second);
  assert_null(weft_peers_life(peers, weft_holder_make(1, 3)));
  // The death of the first is not that of the second.
  weft_peers_lose(runtime, 1, 1,
                  weft_status_make(WEFT_STATUS_PEER_DIED, "long ago"));
  assert_int_equal(weft_peer_state(second), WEFT_PEER_CONNECTING);
  weft_peers_lose(runtime, 1, 2,
                  weft_status_make(WEFT_STATUS_PEER_DIED, "now"));
  assert_int_equal(weft_peer_state(second), WEFT_PEER_DEAD);
  assert_int_equal(kit.members[0].died[1], 2);
  weft_peer_kit_close(&kit);
}

enum { LIVES = 200, ACTORS = 300 };

// One that is restarted for ever must not take memory for all that it once had.
static void a_life_that_is_over_keeps_its_name_alone(void** state) {
  weft_peer_kit_t kit;
  size_t bytes = 0;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_runtime_t* runtime = kit.members[0].runtime;
  for (uint32_t life = 1; life <= LIVES; life++) {
    weft_peer_t* peer = NULL;
    weft_kit_assert_ok(weft_peers_expect(runtime, 1, (uint16_t)life, &peer));
    weft_mutex_lock(&peer->lock);
    for (uint32_t i = 1; i <= ACTORS; i++) {
      weft_kit_assert_ok(weft_window_take_locked(
          peer, (weft_actor_t){1, (uint16_t)life, i, 1}));
    }
    weft_mutex_unlock(&peer->lock);
    weft_peers_lose(runtime, 1, (uint16_t)life,
                    weft_status_make(WEFT_STATUS_PEER_DIED, "again"));
    // What the slab keeps at hand is there after the first.
    bytes = life == 1 ? kit.memory.bytes_in_use : bytes;
  }
  assert_true(kit.memory.bytes_in_use - bytes <
              LIVES * (sizeof(weft_peer_t) + 1024));
  weft_peer_kit_close(&kit);
}

static void a_life_that_was_skipped_is_over(void** state) {
  weft_peer_kit_t kit;
  weft_peer_t* peer = NULL;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_runtime_t* runtime = kit.members[0].runtime;
  weft_kit_assert_ok(weft_peers_expect(runtime, 1, 5, &peer));
  weft_kit_assert_status_says(WEFT_STATUS_NOT_FOUND, "life 4 of rank 1 is over",
                              weft_peers_expect(runtime, 1, 4, &peer));
  assert_null(peer);
  assert_int_equal(weft_peers_rank_limit(runtime), WEFT_PEER_KIT_RANKS);
  weft_peers_renew(runtime, 9, 1);
  assert_int_equal(weft_peers_rank_limit(runtime), 10);
  weft_peer_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_waits_for_the_link_goes_out_in_order),
      cmocka_unit_test(what_waits_for_room_goes_out_in_order),
      cmocka_unit_test(the_dead_drop_what_waits),
      cmocka_unit_test(what_was_never_linked_drops_what_waits),
      cmocka_unit_test(what_is_not_claimed_is_not_sent),
      cmocka_unit_test(a_rank_is_connected_once_when_it_is_first_wanted),
      cmocka_unit_test(a_rank_that_cannot_be_is_not_found),
      cmocka_unit_test(without_memory_there_is_no_peer),
      cmocka_unit_test(who_tells_deaths_is_waited_for),
      cmocka_unit_test(one_that_was_refused_can_be_asked_for_again),
      cmocka_unit_test(one_that_declines_can_be_asked_for_again),
      cmocka_unit_test(one_that_was_refused_can_die),
      cmocka_unit_test(one_that_is_said_to_be_dead_is_read_to_its_end),
      cmocka_unit_test(one_that_cannot_be_reached_again_stays),
      cmocka_unit_test(the_end_of_the_job_ends_all),
      cmocka_unit_test(a_link_to_the_dead_is_closed),
      cmocka_unit_test(each_life_of_a_rank_is_another_peer),
      cmocka_unit_test(a_life_that_is_over_keeps_its_name_alone),
      cmocka_unit_test(a_life_that_was_skipped_is_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
