// SPDX-License-Identifier: Apache-2.0
//
// Futures that other runtimes know, in each order in which things may come.
// Rank 0 is a runtime; the others are played: as a rule rank 1 waits, or owns,
// and rank 2 makes the value.

#include "peer/peer_kit.h"

enum { NUMBER = 41, CALL_ID = 99 };

// Nothing is left of any future.
static void close_links(weft_peer_kit_t* kit) {
  weft_peer_kit_run(kit);
  assert_int_equal(weft_peers_of(kit->members[0].runtime)->exports.used, 0);
  for (uint32_t rank = 1; rank < WEFT_PEER_KIT_RANKS; rank++) {
    assert_int_equal(weft_peer_kit_peer(kit, 0, rank)->imports.count, 0);
  }
  weft_peer_kit_close(kit);
}

static weft_holder_t holder_of(uint16_t rank) {
  return weft_holder_make(rank, 1);
}

// --- A future of this runtime -----------------------------------------------

typedef struct pair {
  weft_promise_t* promise;
  weft_future_t* future;
} pair_t;

static void make_pair(weft_peer_kit_t* kit, pair_t* pair) {
  weft_kit_assert_ok(weft_promise_create(kit->members[0].runtime,
                                         &pair->promise, &pair->future));
}

static void set(const pair_t* pair) {
  weft_kit_assert_ok(weft_promise_set(pair->promise, weft_int64(NUMBER)));
}

static void fail_with(const pair_t* pair) {
  weft_kit_assert_ok(weft_promise_fail(
      pair->promise, weft_status_make(WEFT_STATUS_NOT_FOUND, "no such thing")));
}

static void end_pair(const pair_t* pair) {
  weft_promise_release(pair->promise);
  weft_future_release(pair->future);
}

// Ranks that are linked, and a future of rank 0.
static void open_pair(weft_peer_kit_t* kit, pair_t* pair) {
  weft_peer_kit_open_linked(kit);
  make_pair(kit, pair);
}

static void close_pair(weft_peer_kit_t* kit, const pair_t* pair) {
  end_pair(pair);
  close_links(kit);
}

// Sends the future to rank 1; gives the number by which that knows it.
static uint64_t share(weft_peer_kit_t* kit, const pair_t* pair) {
  uint64_t id;
  weft_kit_assert_ok(weft_peer_kit_send(
      kit, 0, 1, WEFT_ARGUMENTS(weft_future_lend(pair->future))));
  const weft_frame_t* frame = weft_peer_kit_expect(kit, 1, 0, WEFT_FRAME_CALL);
  // Type and extension, and 0.
  memcpy(&id, (const char*)(frame + 1) + 11, sizeof(id));
  assert_int_not_equal(id, 0);
  return id;
}

static void a_value_is_sent_when_it_is_there(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  uint64_t id = share(&kit, &pair);
  assert_null(weft_peer_kit_take(&kit, 1, 0));
  set(&pair);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_VALUE);
  assert_int_equal(frame->id, id);
  assert_int_equal(frame->flags, WEFT_FRAME_SCALARS);
  assert_int_equal(frame->target_index, holder_of(0));
  assert_int_equal(*(const int64_t*)(const void*)(frame + 1), NUMBER);
  assert_null(weft_peer_kit_take(&kit, 1, 0));
  close_pair(&kit, &pair);
}

static void a_future_may_be_shared_more_than_once(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  uint64_t first = share(&kit, &pair);
  uint64_t second = share(&kit, &pair);
  assert_int_not_equal(first, second);
  fail_with(&pair);
  for (int i = 0; i < 2; i++) {
    const weft_frame_t* frame =
        weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_VALUE);
    assert_true(frame->id == first || frame->id == second);
    assert_int_equal(frame->flags, WEFT_FRAME_ERROR);
  }
  close_pair(&kit, &pair);
}

static void a_future_that_is_done_is_sent_as_what_it_holds(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  for (int is_error = 0; is_error < 2; is_error++) {
    pair_t pair;
    make_pair(&kit, &pair);
    (is_error ? fail_with : set)(&pair);
    weft_kit_assert_ok(weft_peer_kit_send(
        &kit, 0, 1, WEFT_ARGUMENTS(weft_future_lend(pair.future))));
    weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_CALL);
    assert_null(weft_peer_kit_take(&kit, 1, 0));
    end_pair(&pair);
  }
  close_links(&kit);
}

static void who_has_died_is_sent_nothing(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  share(&kit, &pair);
  weft_peer_kit_kill(&kit, 1);
  set(&pair);
  close_pair(&kit, &pair);
}

static void the_end_of_the_runtime_ends_what_was_shared(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  share(&kit, &pair);
  share(&kit, &pair);
  weft_peers_stop(kit.members[0].runtime);
  close_pair(&kit, &pair);
}

// --- A future whose value rank 2 makes --------------------------------------

static void answer(weft_peer_kit_t* kit, uint32_t from, uint64_t id,
                   uint16_t word) {
  const weft_frame_t frame = {
      .type = WEFT_FRAME_ACCEPT, .endpoint = word, .id = id};
  if (!weft_peer_kit_is_closed(kit, from, 0)) {
    weft_peer_kit_tell(kit, from, 0, &frame);
  }
}

// One step: the maker accepts or refuses; the future has a value or fails; the
// maker or the waiter dies; rank 3, who was not asked, accepts.
static void step_as_owner(weft_peer_kit_t* kit, const pair_t* pair, uint64_t id,
                          char step) {
  switch (step) {
    case 'Y':
      answer(kit, 2, id, WEFT_ACCEPT_YES);
      break;
    case 'N':
      answer(kit, 2, id, WEFT_ACCEPT_NO);
      break;
    case 'X':
      answer(kit, 3, id, WEFT_ACCEPT_YES);
      break;
    case 'V':
      set(pair);
      break;
    case 'F':
      fail_with(pair);
      break;
    case 'M':
      weft_peer_kit_kill(kit, 2);
      break;
    default:
      weft_peer_kit_kill(kit, 1);
      break;
  }
  weft_peer_kit_run(kit);
}

// What rank 1 was sent, in letters: a value, an error, an error after which
// more comes, that the maker sends it, that nobody does.
static void read_course(weft_peer_kit_t* kit, uint64_t id, char* course) {
  const weft_frame_t* frame;
  while ((frame = weft_peer_kit_take(kit, 1, 0)) != NULL) {
    assert_int_equal(frame->id, id);
    if (frame->type == WEFT_FRAME_FOLLOWS) {
      bool is_maker = frame->target_index != 0;
      assert_int_equal(frame->target_index, is_maker ? holder_of(2) : 0);
      *course++ = is_maker ? 'f' : '0';
    } else {
      assert_int_equal(frame->type, WEFT_FRAME_VALUE);
      *course++ = (frame->flags & WEFT_FRAME_MORE) != 0    ? 'm'
                  : (frame->flags & WEFT_FRAME_ERROR) != 0 ? 'e'
                                                           : 'v';
    }
  }
  *course = '\0';
}

static void play_owner(const char* steps, const char* expected) {
  weft_peer_kit_t kit;
  pair_t pair;
  char course[8];
  open_pair(&kit, &pair);
  kit.call = pair.future;
  kit.call_origin = (weft_origin_name_t){weft_peer_kit_peer(&kit, 0, 2),
                                         WEFT_ORIGIN_CALL, CALL_ID};
  uint64_t id = share(&kit, &pair);
  const weft_frame_t* frame =
      weft_peer_kit_expect(&kit, 2, 0, WEFT_FRAME_SUBSCRIBE);
  const int64_t* words = (const int64_t*)(const void*)(frame + 1);
  assert_int_equal(frame->id, CALL_ID);
  assert_int_equal(words[0], WEFT_ORIGIN_CALL);
  assert_int_equal(words[1], holder_of(1));
  assert_int_equal(words[2], holder_of(0));
  assert_int_equal(words[3], id);
  for (const char* step = steps; *step != '\0'; step++) {
    step_as_owner(&kit, &pair, id, *step);
  }
  read_course(&kit, id, course);
  if (strcmp(course, expected) != 0) {
    fail_msg("%s: %s, and not %s", steps, course, expected);
  }
  close_pair(&kit, &pair);
}

static void the_owner_says_who_sends_the_outcome(void** state) {
  static const char* const cases[][2] = {
      {"YV", "f"},  {"VY", "f"},  {"NV", "v"},   {"VN", "v"},   {"YF", "mf"},
      {"FY", "mf"}, {"NF", "e"},  {"FN", "m0"},  {"MV", "v"},   {"VM", "v"},
      {"MF", "e"},  {"FM", "m0"}, {"YMV", "f"},  {"YMF", "mf"}, {"NMV", "v"},
      {"NMF", "e"}, {"YNV", "f"}, {"NYV", "v"},  {"YVY", "f"},  {"FYY", "mf"},
      {"XYV", "f"}, {"XNV", "v"}, {"XFN", "m0"}, {"VXY", "f"},  {"WYV", ""},
      {"WVY", ""},  {"WFN", ""},  {"WMF", ""},   {"YWV", ""},   {"FWN", "m"},
      {"FWM", "m"}, {"MWV", ""},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    play_owner(cases[i][0], cases[i][1]);
  }
}

static void a_dead_maker_is_not_asked(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  char course[8];
  (void)state;
  open_pair(&kit, &pair);
  kit.call = pair.future;
  kit.call_origin = (weft_origin_name_t){weft_peer_kit_peer(&kit, 0, 2),
                                         WEFT_ORIGIN_CALL, CALL_ID};
  weft_peer_kit_kill(&kit, 2);
  uint64_t id = share(&kit, &pair);
  fail_with(&pair);
  read_course(&kit, id, course);
  assert_string_equal(course, "e");
  close_pair(&kit, &pair);
}

// --- As the maker -----------------------------------------------------------

// Rank 1 asks for something to be sent on, as its future 7.
static const weft_frame_t* ask(weft_peer_kit_t* kit, weft_origin_kind_t kind,
                               uint64_t id, weft_holder_t to) {
  const weft_frame_t head = {.type = WEFT_FRAME_SUBSCRIBE, .id = id};
  const weft_value_t values[] = {weft_int64(kind), weft_int64(to),
                                 weft_int64(holder_of(1)), weft_int64(7)};
  weft_peer_kit_tell_scalars(kit, 1, 0, &head, values, 4);
  const weft_frame_t* frame =
      weft_peer_kit_expect(kit, 1, 0, WEFT_FRAME_ACCEPT);
  assert_int_equal(frame->id, 7);
  return frame;
}

static void what_is_served_goes_to_whom_the_caller_says(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  for (int is_error = 0; is_error < 2; is_error++) {
    open_pair(&kit, &pair);
    kit.served = pair.future;
    kit.served_id = CALL_ID;
    const weft_frame_t* frame =
        ask(&kit, WEFT_ORIGIN_CALL, CALL_ID, holder_of(2));
    assert_int_equal(frame->endpoint, WEFT_ACCEPT_YES);
    (is_error ? fail_with : set)(&pair);
    frame = weft_peer_kit_expect(&kit, 2, 0, WEFT_FRAME_VALUE);
    assert_int_equal(frame->id, 7);
    assert_int_equal(frame->target_index, holder_of(1));
    assert_int_equal(frame->flags & WEFT_FRAME_MORE, 0);
    assert_null(weft_peer_kit_take(&kit, 2, 0));
    assert_null(weft_peer_kit_take(&kit, 1, 0));
    close_pair(&kit, &pair);
  }
}

static void what_was_shared_is_sent_on(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  uint64_t id = share(&kit, &pair);
  assert_int_equal(ask(&kit, WEFT_ORIGIN_EXPORT, id, holder_of(2))->endpoint,
                   WEFT_ACCEPT_YES);
  set(&pair);
  assert_int_equal(weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_VALUE)->id, id);
  assert_int_equal(weft_peer_kit_expect(&kit, 2, 0, WEFT_FRAME_VALUE)->id, 7);
  close_pair(&kit, &pair);
}

static void what_cannot_be_sent_on_is_refused(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  kit.served = pair.future;
  kit.served_id = CALL_ID;
  const struct {
    weft_origin_kind_t kind;
    uint64_t id;
    weft_holder_t to;
  } cases[] = {
      // Unknown; to nobody.
      {WEFT_ORIGIN_CALL, CALL_ID + 1, holder_of(2)},
      {WEFT_ORIGIN_EXPORT, 1, holder_of(2)},
      {WEFT_ORIGIN_EXPORT, UINT64_MAX, holder_of(2)},
      {WEFT_ORIGIN_CALL, CALL_ID, weft_holder_make(UINT16_MAX, 1)},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const weft_frame_t* frame =
        ask(&kit, cases[i].kind, cases[i].id, cases[i].to);
    assert_int_equal(frame->endpoint, WEFT_ACCEPT_NO);
  }
  // What is done already.
  set(&pair);
  assert_int_equal(ask(&kit, WEFT_ORIGIN_CALL, CALL_ID, holder_of(2))->endpoint,
                   WEFT_ACCEPT_NO);
  close_pair(&kit, &pair);
}

// What rank 3 knows is not rank 1's to ask for.
static void what_was_shared_with_others_is_refused(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  uint64_t id;
  (void)state;
  open_pair(&kit, &pair);
  weft_kit_assert_ok(weft_peer_kit_send(
      &kit, 0, 3, WEFT_ARGUMENTS(weft_future_lend(pair.future))));
  const weft_frame_t* frame = weft_peer_kit_expect(&kit, 3, 0, WEFT_FRAME_CALL);
  memcpy(&id, (const char*)(frame + 1) + 11, sizeof(id));
  assert_int_equal(ask(&kit, WEFT_ORIGIN_EXPORT, id, holder_of(2))->endpoint,
                   WEFT_ACCEPT_NO);
  end_pair(&pair);
  weft_peer_kit_expect(&kit, 3, 0, WEFT_FRAME_VALUE);
  close_links(&kit);
}

// Somebody else's future would be said to be made here.
static void asking_in_the_name_of_another_closes_the_link(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  kit.served = pair.future;
  kit.served_id = CALL_ID;
  const weft_frame_t head = {.type = WEFT_FRAME_SUBSCRIBE, .id = CALL_ID};
  const weft_value_t values[] = {weft_int64(WEFT_ORIGIN_CALL),
                                 weft_int64(holder_of(2)),
                                 weft_int64(holder_of(3)), weft_int64(7)};
  weft_peer_kit_tell_scalars(&kit, 1, 0, &head, values, 4);
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  set(&pair);
  assert_null(weft_peer_kit_take(&kit, 2, 0));
  close_pair(&kit, &pair);
}

// To another life of rank 2 than the one that is there, which stays.
static void what_is_asked_for_makes_no_life_known(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  (void)state;
  open_pair(&kit, &pair);
  kit.served = pair.future;
  kit.served_id = CALL_ID;
  const weft_peer_t* before =
      weft_peers_at(weft_peers_of(kit.members[0].runtime), 2);
  assert_int_equal(
      ask(&kit, WEFT_ORIGIN_CALL, CALL_ID, weft_holder_make(2, 9))->endpoint,
      WEFT_ACCEPT_NO);
  assert_ptr_equal(weft_peers_at(weft_peers_of(kit.members[0].runtime), 2),
                   before);
  close_pair(&kit, &pair);
}

static void what_one_peer_gives_away_is_bounded(void** state) {
  weft_peer_kit_t kit;
  pair_t pair;
  uint32_t accepted = 0;
  (void)state;
  open_pair(&kit, &pair);
  kit.served = pair.future;
  kit.served_id = CALL_ID;
  for (uint16_t answer = WEFT_ACCEPT_YES; answer == WEFT_ACCEPT_YES;) {
    answer = ask(&kit, WEFT_ORIGIN_CALL, CALL_ID, holder_of(0))->endpoint;
    accepted += answer;
    assert_true(accepted <= 4096);
    weft_peer_kit_forget(&kit, 1, 0);
  }
  assert_int_equal(accepted, 4096);
  set(&pair);
  close_pair(&kit, &pair);
}

static void asking_in_an_unknown_form_closes_the_link(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  weft_peer_kit_open_linked(&kit);
  const weft_frame_t head = {.type = WEFT_FRAME_SUBSCRIBE, .id = 1};
  const weft_value_t values[] = {weft_int64(0), weft_int64(0), weft_int64(0)};
  weft_peer_kit_tell_scalars(&kit, 1, 0, &head, values, 3);
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  assert_int_equal(kit.members[0].died[1], 1);
  close_links(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_value_is_sent_when_it_is_there),
      cmocka_unit_test(a_future_may_be_shared_more_than_once),
      cmocka_unit_test(a_future_that_is_done_is_sent_as_what_it_holds),
      cmocka_unit_test(who_has_died_is_sent_nothing),
      cmocka_unit_test(the_end_of_the_runtime_ends_what_was_shared),
      cmocka_unit_test(the_owner_says_who_sends_the_outcome),
      cmocka_unit_test(a_dead_maker_is_not_asked),
      cmocka_unit_test(what_is_served_goes_to_whom_the_caller_says),
      cmocka_unit_test(what_was_shared_is_sent_on),
      cmocka_unit_test(what_cannot_be_sent_on_is_refused),
      cmocka_unit_test(what_was_shared_with_others_is_refused),
      cmocka_unit_test(asking_in_the_name_of_another_closes_the_link),
      cmocka_unit_test(what_is_asked_for_makes_no_life_known),
      cmocka_unit_test(what_one_peer_gives_away_is_bounded),
      cmocka_unit_test(asking_in_an_unknown_form_closes_the_link),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
