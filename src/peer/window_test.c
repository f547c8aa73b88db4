// SPDX-License-Identifier: Apache-2.0
//
// How many messages may be out. Rank 0 is a runtime, rank 1 is played.

#include "peer/peer_kit.h"

typedef struct place {
  weft_peer_kit_t kit;
  weft_peer_t* peer;
} place_t;

static const weft_actor_t theirs = {.index = 5, .generation = 2, .rank = 1};

static void open_place(place_t* place) {
  weft_peer_kit_open(&place->kit, 1);
  weft_peer_kit_connect(&place->kit, 0, 1);
  place->peer = weft_peer_kit_peer(&place->kit, 0, 1);
}

static weft_status_code_t take(place_t* place, weft_actor_t target) {
  weft_mutex_lock(&place->peer->lock);
  weft_status_t status = weft_window_take_locked(place->peer, target);
  weft_mutex_unlock(&place->peer->lock);
  return weft_status_ignore(status);
}

static weft_status_code_t probe(place_t* place, weft_actor_t target) {
  weft_mutex_lock(&place->peer->lock);
  weft_status_t status = weft_window_probe_locked(place->peer, target);
  weft_mutex_unlock(&place->peer->lock);
  return weft_status_ignore(status);
}

static void untake(place_t* place, weft_actor_t target) {
  weft_mutex_lock(&place->peer->lock);
  weft_window_untake_locked(place->peer, target);
  weft_mutex_unlock(&place->peer->lock);
}

static void credit(place_t* place, weft_actor_t target, uint64_t count) {
  const weft_frame_t frame = {
      .type = WEFT_FRAME_CREDIT,
      .id = count,
      .target_index = target.index,
      .target_generation = target.generation,
  };
  weft_window_receive_credit(place->peer, &frame);
}

static void fill(place_t* place, weft_actor_t target) {
  while (take(place, target) == WEFT_STATUS_OK) {
  }
}

static size_t window_count(const place_t* place) {
  return place->peer->windows.count;
}

// --- Sending ----------------------------------------------------------------

static void a_window_has_so_many_places_and_no_more(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  assert_int_equal(probe(&place, theirs), WEFT_STATUS_OK);
  assert_int_equal(window_count(&place), 0);
  for (int i = 0; i < WEFT_WINDOW_MESSAGES; i++) {
    assert_int_equal(probe(&place, theirs), WEFT_STATUS_OK);
    assert_int_equal(take(&place, theirs), WEFT_STATUS_OK);
  }
  assert_int_equal(probe(&place, theirs), WEFT_STATUS_WOULD_BLOCK);
  assert_int_equal(take(&place, theirs), WEFT_STATUS_WOULD_BLOCK);
  assert_int_equal(take(&place, theirs), WEFT_STATUS_WOULD_BLOCK);
  weft_peer_kit_close(&place.kit);
}

static void each_actor_has_a_window_of_its_own(void** state) {
  const weft_actor_t other = {.index = 6, .generation = 2, .rank = 1};
  const weft_actor_t later = {.index = 5, .generation = 3, .rank = 1};
  place_t place;
  (void)state;
  open_place(&place);
  fill(&place, theirs);
  assert_int_equal(take(&place, other), WEFT_STATUS_OK);
  assert_int_equal(take(&place, later), WEFT_STATUS_OK);
  assert_int_equal(window_count(&place), 3);
  weft_peer_kit_close(&place.kit);
}

static void credit_gives_as_many_places_as_it_says(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  fill(&place, theirs);
  credit(&place, theirs, WEFT_WINDOW_BATCH);
  for (int i = 0; i < WEFT_WINDOW_BATCH; i++) {
    assert_int_equal(take(&place, theirs), WEFT_STATUS_OK);
  }
  assert_int_equal(take(&place, theirs), WEFT_STATUS_WOULD_BLOCK);
  weft_peer_kit_close(&place.kit);
}

static void a_window_is_freed_when_nothing_is_out(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  assert_int_equal(take(&place, theirs), WEFT_STATUS_OK);
  assert_int_equal(take(&place, theirs), WEFT_STATUS_OK);
  assert_int_equal(window_count(&place), 1);
  untake(&place, theirs);
  assert_int_equal(window_count(&place), 1);
  credit(&place, theirs, 1);
  assert_int_equal(window_count(&place), 0);
  weft_peer_kit_close(&place.kit);
}

// A peer cannot make a window larger than it is.
static void credit_for_what_was_never_sent_is_nothing(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  credit(&place, theirs, 1);
  assert_int_equal(window_count(&place), 0);
  fill(&place, theirs);
  credit(&place, theirs, UINT64_MAX);
  assert_int_equal(window_count(&place), 0);
  for (int i = 0; i < WEFT_WINDOW_MESSAGES; i++) {
    assert_int_equal(take(&place, theirs), WEFT_STATUS_OK);
  }
  assert_int_equal(take(&place, theirs), WEFT_STATUS_WOULD_BLOCK);
  weft_peer_kit_close(&place.kit);
}

// --- Receiving --------------------------------------------------------------

static void messages_are_told_a_batch_at_a_time(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  for (int i = 1; i < WEFT_WINDOW_BATCH; i++) {
    weft_window_done(place.peer, 9, 4, 1);
  }
  assert_null(weft_peer_kit_take(&place.kit, 1, 0));
  assert_int_equal(window_count(&place), 1);
  weft_window_done(place.peer, 9, 4, 1);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, WEFT_WINDOW_BATCH);
  assert_int_equal(frame->target_index, 9);
  assert_int_equal(frame->target_generation, 4);
  assert_int_equal(window_count(&place), 0);
  // Several at a time are told together.
  weft_window_done(place.peer, 9, 4, WEFT_WINDOW_BATCH - 1);
  weft_window_done(place.peer, 9, 4, 7);
  frame = weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, WEFT_WINDOW_BATCH + 6);
  assert_null(weft_peer_kit_take(&place.kit, 1, 0));
  weft_peer_kit_close(&place.kit);
}

// An actor here may have the number of one there.
static void both_directions_count_for_themselves(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  fill(&place, theirs);
  weft_window_done(place.peer, theirs.index, theirs.generation,
                   WEFT_WINDOW_BATCH - 1);
  assert_int_equal(window_count(&place), 2);
  assert_int_equal(take(&place, theirs), WEFT_STATUS_WOULD_BLOCK);
  weft_window_done(place.peer, theirs.index, theirs.generation, 1);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, WEFT_WINDOW_BATCH);
  assert_int_equal(window_count(&place), 1);
  assert_int_equal(take(&place, theirs), WEFT_STATUS_WOULD_BLOCK);
  weft_peer_kit_close(&place.kit);
}

// Of all that is done, though it is no batch.
static void the_end_of_an_actor_is_the_end_of_its_window(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  fill(&place, theirs);
  weft_window_done(place.peer, theirs.index, theirs.generation, 3);
  weft_window_done(place.peer, 9, 4, 2);
  weft_windows_end(place.peer->peers, theirs.index, theirs.generation);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, 3);
  assert_int_equal(frame->target_index, theirs.index);
  // What goes to the peer's actor of this number is another matter.
  assert_int_equal(window_count(&place), 2);
  weft_window_end(place.peer, 9, 4);
  frame = weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, 2);
  assert_int_equal(window_count(&place), 1);
  // One that never was.
  weft_window_end(place.peer, 9, 4);
  assert_null(weft_peer_kit_take(&place.kit, 1, 0));
  weft_peer_kit_close(&place.kit);
}

// What is done meanwhile goes with it.
static void credit_waits_for_the_link(void** state) {
  place_t place;
  (void)state;
  weft_peer_kit_open(&place.kit, 1);
  place.peer = weft_peer_kit_peer(&place.kit, 0, 1);
  for (int i = 0; i < 3 * WEFT_WINDOW_BATCH; i++) {
    weft_window_done(place.peer, 9, 4, 1);
  }
  weft_peer_kit_connect(&place.kit, 0, 1);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, 3 * WEFT_WINDOW_BATCH);
  assert_null(weft_peer_kit_take(&place.kit, 1, 0));
  assert_int_equal(window_count(&place), 0);
  weft_peer_kit_close(&place.kit);
}

static void (*end_credit)(weft_outgoing_t* outgoing, weft_peer_t* peer);

// As another thread may, between the frame and the end of its sending.
static void end_late(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  weft_window_done(peer, 9, 4, 3);
  weft_windows_end(peer->peers, 9, 4);
  end_credit(outgoing, peer);
}

static void what_is_done_while_credit_goes_out_is_told_too(void** state) {
  place_t place;
  (void)state;
  weft_peer_kit_open(&place.kit, 1);
  place.peer = weft_peer_kit_peer(&place.kit, 0, 1);
  weft_window_done(place.peer, 9, 4, WEFT_WINDOW_BATCH);
  weft_dlist_node_t* node = weft_dlist_first(&place.peer->outbox);
  assert_non_null(node);
  if (node != NULL) {
    weft_outgoing_t* credit = WEFT_CONTAINER_OF(node, weft_outgoing_t, node);
    end_credit = credit->end;
    credit->end = end_late;
  }
  weft_peer_kit_connect(&place.kit, 0, 1);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, WEFT_WINDOW_BATCH);
  frame = weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, 3);
  assert_int_equal(window_count(&place), 0);
  weft_peer_kit_close(&place.kit);
}

static void credit_that_is_due_ends_with_the_peer(void** state) {
  place_t place;
  (void)state;
  weft_peer_kit_open(&place.kit, 1);
  place.peer = weft_peer_kit_peer(&place.kit, 0, 1);
  weft_window_done(place.peer, 9, 4, WEFT_WINDOW_BATCH);
  weft_windows_end(place.peer->peers, 9, 4);
  weft_peers_lose(place.kit.members[0].runtime, 1, 1,
                  weft_status_from_code(WEFT_STATUS_PEER_DIED));
  weft_peer_kit_run(&place.kit);
  assert_int_equal(place.kit.members[0].died[1], 1);
  assert_true(weft_dlist_is_empty(&place.peer->outbox));
  weft_peer_kit_close(&place.kit);
}

static void the_dead_are_told_nothing(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  weft_peer_kit_kill(&place.kit, 1);
  weft_window_done(place.peer, 9, 4, WEFT_WINDOW_BATCH);
  assert_int_equal(window_count(&place), 0);
  assert_int_equal(place.kit.members[0].died[1], 1);
  weft_peer_kit_close(&place.kit);
}

// The peer is told at once, or its window would stay smaller for ever.
static void without_memory_there_is_no_window(void** state) {
  place_t place;
  bool is_exhausted = false;
  uint32_t index = 0;
  (void)state;
  open_place(&place);
  weft_kit_allocator_fail(&place.kit.memory, 0, UINT64_MAX);
  while (!is_exhausted) {
    const weft_actor_t actor = {.index = index, .generation = 1, .rank = 1};
    is_exhausted = take(&place, actor) == WEFT_STATUS_RESOURCE_EXHAUSTED;
    assert_int_equal(window_count(&place), is_exhausted ? index : index + 1);
    index++;
  }
  weft_window_done(place.peer, 9, 4, 1);
  assert_int_equal(window_count(&place), index - 1);
  weft_kit_allocator_fail(&place.kit.memory, 0, 0);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  assert_int_equal(frame->id, 1);
  assert_int_equal(frame->target_index, 9);
  assert_int_equal(frame->target_generation, 4);
  assert_null(weft_peer_kit_take(&place.kit, 1, 0));
  weft_peer_kit_close(&place.kit);
}

// Of the messages that have come there is a record of the same form.
static void credit_for_what_is_received_is_nothing(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  weft_window_done(place.peer, theirs.index, theirs.generation, 1);
  assert_int_equal(window_count(&place), 1);
  const weft_actor_t forged = {.index = theirs.index | UINT32_C(1) << 31,
                               .generation = theirs.generation};
  credit(&place, forged, 1);
  assert_int_equal(window_count(&place), 1);
  weft_window_end(place.peer, theirs.index, theirs.generation);
  assert_int_equal(
      weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT)->id, 1);
  weft_peer_kit_close(&place.kit);
}

static weft_status_t receive(place_t* place) {
  return weft_window_receive(place->peer, theirs.index, theirs.generation);
}

static void no_more_comes_than_a_window_has_places(void** state) {
  place_t place;
  (void)state;
  open_place(&place);
  for (int round = 0; round < 3; round++) {
    uint32_t left = round == 0 ? WEFT_WINDOW_MESSAGES : WEFT_WINDOW_BATCH;
    for (uint32_t i = 0; i < left; i++) {
      weft_kit_assert_ok(receive(&place));
    }
    weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, "more than 64 messages",
                                receive(&place));
    weft_kit_assert_ok(weft_window_receive(place.peer, 6, 1));
    weft_window_done(place.peer, theirs.index, theirs.generation,
                     WEFT_WINDOW_BATCH);
    weft_peer_kit_expect(&place.kit, 1, 0, WEFT_FRAME_CREDIT);
  }
  weft_peer_kit_close(&place.kit);
}

static void who_does_not_read_may_not_ask(void** state) {
  place_t place;
  (void)state;
  weft_peer_kit_open(&place.kit, 1);
  place.peer = weft_peer_kit_peer(&place.kit, 0, 1);
  weft_peers_of(place.kit.members[0].runtime)->outbox_limit = 3;
  for (uint32_t i = 0; i < 3; i++) {
    weft_kit_assert_ok(receive(&place));
    weft_window_done(place.peer, 10 + i, 1, WEFT_WINDOW_BATCH);
  }
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "asks for more while 3 answers", receive(&place));
  weft_peer_kit_connect(&place.kit, 0, 1);
  weft_peer_kit_run(&place.kit);
  weft_kit_assert_ok(receive(&place));
  weft_peer_kit_close(&place.kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_window_has_so_many_places_and_no_more),
      cmocka_unit_test(each_actor_has_a_window_of_its_own),
      cmocka_unit_test(credit_gives_as_many_places_as_it_says),
      cmocka_unit_test(a_window_is_freed_when_nothing_is_out),
      cmocka_unit_test(credit_for_what_was_never_sent_is_nothing),
      cmocka_unit_test(credit_for_what_is_received_is_nothing),
      cmocka_unit_test(no_more_comes_than_a_window_has_places),
      cmocka_unit_test(who_does_not_read_may_not_ask),
      cmocka_unit_test(messages_are_told_a_batch_at_a_time),
      cmocka_unit_test(both_directions_count_for_themselves),
      cmocka_unit_test(the_end_of_an_actor_is_the_end_of_its_window),
      cmocka_unit_test(credit_waits_for_the_link),
      cmocka_unit_test(what_is_done_while_credit_goes_out_is_told_too),
      cmocka_unit_test(credit_that_is_due_ends_with_the_peer),
      cmocka_unit_test(the_dead_are_told_nothing),
      cmocka_unit_test(without_memory_there_is_no_window),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
