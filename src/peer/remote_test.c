// SPDX-License-Identifier: Apache-2.0
//
// Futures of others, in each order in which things may come. Rank 0 is a
// runtime and waits; the others are played: rank 1 owns the future, rank 2
// makes its value.

#include "peer/peer_kit.h"
#include "peer/unnamed.h"

// What rank 1 calls it.
enum { ID = 7 };

// The future, once it was named; see `read_call`.
static weft_future_t* named;

static void read_call(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_delivery_t delivery;
  weft_kit_assert_ok(weft_delivery_read(peer, frame, &delivery));
  assert_int_equal(delivery.count, 1);
  weft_future_t* future = NULL;
  weft_kit_assert_ok(weft_value_as_future(delivery.values[0], &future));
  named = weft_future_retain(future);
  weft_delivery_deinit(peer, &delivery);
}

static void open_links(weft_peer_kit_t* kit) {
  named = NULL;
  weft_peer_kit_open_linked(kit);
  kit->on_frame = read_call;
}

static size_t import_count(weft_peer_kit_t* kit) {
  size_t count = 0;
  for (uint32_t rank = 1; rank < WEFT_PEER_KIT_RANKS; rank++) {
    count += weft_peer_kit_peer(kit, 0, rank)->imports.count;
  }
  return count;
}

// --- What the others say ----------------------------------------------------

// Rank 1 sends a call with its future, which rank `maker` makes.
static void tell_name_of(weft_peer_kit_t* kit, uint8_t maker) {
  struct {
    weft_frame_t head;
    uint8_t body[32];
  } frame = {
      .head = {.size_bytes = sizeof(frame),
               .type = WEFT_FRAME_CALL,
               .value_count = 1,
               .kinds = 27,
               .timeout_ns = INT64_MAX},
      .body = {0xc7, 24,
               WEFT_EXTENSION_FUTURE, [11] = ID, [19] = 1, [21] = maker},
  };
  weft_peer_kit_write(kit, 1, 0, &frame, sizeof(frame));
  weft_peer_kit_run(kit);
}

static void tell_name(weft_peer_kit_t* kit) {
  tell_name_of(kit, 2);
}

// A value, or a code with ERROR among the flags.
static void tell_outcome(weft_peer_kit_t* kit, uint32_t from, uint8_t flags,
                         int64_t number) {
  const weft_frame_t head = {
      .type = WEFT_FRAME_VALUE,
      .flags = flags,
      .id = ID,
      .target_index = weft_holder_make(1, 1),
  };
  const weft_value_t value = weft_int64(number);
  weft_peer_kit_tell_scalars(kit, from, 0, &head, &value, 1);
}

static void tell_follows(weft_peer_kit_t* kit, weft_holder_t maker) {
  const weft_frame_t head = {
      .type = WEFT_FRAME_FOLLOWS, .id = ID, .target_index = maker};
  weft_peer_kit_tell(kit, 1, 0, &head);
}

// One step. The owner: names the future (C), sends a value (v: 1), an error
// (e), an error after which more comes (m), says that the maker sends it (f) or
// nobody does (0), dies (O). The maker: sends a value (V: 2), dies (M). Rank 0
// drops what was named (D).
static void step(weft_peer_kit_t* kit, char letter) {
  enum { MORE = WEFT_FRAME_ERROR | WEFT_FRAME_MORE };
  switch (letter) {
    case 'C':
      tell_name(kit);
      break;
    case 'v':
      tell_outcome(kit, 1, 0, 1);
      break;
    case 'e':
      tell_outcome(kit, 1, WEFT_FRAME_ERROR, WEFT_STATUS_NOT_FOUND);
      break;
    case 'm':
      tell_outcome(kit, 1, MORE, WEFT_STATUS_NOT_FOUND);
      break;
    case 'f':
      tell_follows(kit, weft_holder_make(2, 1));
      break;
    case '0':
      tell_follows(kit, 0);
      break;
    case 'O':
      weft_peer_kit_kill(kit, 1);
      break;
    case 'V':
      tell_outcome(kit, 2, 0, 2);
      break;
    case 'M':
      weft_peer_kit_kill(kit, 2);
      break;
    default:
      weft_future_release(named);
      named = NULL;
      break;
  }
  weft_peer_kit_run(kit);
}

// --- What becomes of it -----------------------------------------------------

// A code, or OK and this number; nothing is known of a future that was dropped.
typedef struct course {
  const char* steps;
  weft_status_code_t code;
  int64_t number;
} course_t;

static void check(const course_t* course) {
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_result(named, &value);
  weft_status_code_t code = weft_status_ignore(status);
  if (code != course->code ||
      (code == WEFT_STATUS_OK && value.as.int64 != course->number)) {
    fail_msg("%s: %s, %lld", course->steps, weft_status_code_name(code),
             (long long)value.as.int64);
  }
}

static void play(const course_t* course) {
  weft_peer_kit_t kit;
  open_links(&kit);
  for (const char* letter = course->steps; *letter != '\0'; letter++) {
    step(&kit, *letter);
  }
  if (named != NULL) {
    check(course);
  }
  if (import_count(&kit) != 0) {
    fail_msg("%s: something is left", course->steps);
  }
  weft_future_release(named);
  named = NULL;
  assert_false(weft_peer_kit_is_closed(&kit, 3, 0));
  weft_peer_kit_close(&kit);
}

static void each_order_ends_the_future_once(void** state) {
  static const course_t courses[] = {
      // The owner makes the value.
      {"Cv", WEFT_STATUS_OK, 1},
      {"Cvv", WEFT_STATUS_OK, 1},
      {"Ce", WEFT_STATUS_NOT_FOUND, 0},
      {"CO", WEFT_STATUS_PEER_DIED, 0},
      {"CvO", WEFT_STATUS_OK, 1},
      {"CDv", WEFT_STATUS_OK, 0},
      {"CDO", WEFT_STATUS_OK, 0},
      // The maker sends it: before, between and after what the owner says.
      {"CfV", WEFT_STATUS_OK, 2},
      {"CVf", WEFT_STATUS_OK, 2},
      {"VCf", WEFT_STATUS_OK, 2},
      {"CDVf", WEFT_STATUS_OK, 0},
      {"VCDf", WEFT_STATUS_OK, 0},
      // The owner has failed; the first outcome stays.
      {"CmfV", WEFT_STATUS_NOT_FOUND, 0},
      {"CmVf", WEFT_STATUS_NOT_FOUND, 0},
      {"CVmf", WEFT_STATUS_OK, 2},
      {"VCmf", WEFT_STATUS_OK, 2},
      {"Cm0", WEFT_STATUS_NOT_FOUND, 0},
      {"C0", WEFT_STATUS_ABANDONED, 0},
      // The maker dies.
      {"CfM", WEFT_STATUS_PEER_DIED, 0},
      {"CMf", WEFT_STATUS_PEER_DIED, 0},
      {"MCf", WEFT_STATUS_PEER_DIED, 0},
      {"CVMf", WEFT_STATUS_OK, 2},
      // What it said of what nobody has named is lost with it.
      {"VMCf", WEFT_STATUS_PEER_DIED, 0},
      {"CMv", WEFT_STATUS_OK, 1},
      {"CMm0", WEFT_STATUS_NOT_FOUND, 0},
      {"CmfM", WEFT_STATUS_NOT_FOUND, 0},
      // The owner dies: it is the maker that counts once it was named.
      {"CfOV", WEFT_STATUS_OK, 2},
      {"CfOM", WEFT_STATUS_PEER_DIED, 0},
      {"COV", WEFT_STATUS_PEER_DIED, 0},
      {"CMO", WEFT_STATUS_PEER_DIED, 0},
      {"CVO", WEFT_STATUS_OK, 2},
      {"VCO", WEFT_STATUS_OK, 2},
      {"CmO", WEFT_STATUS_NOT_FOUND, 0},
      {"CmOV", WEFT_STATUS_NOT_FOUND, 0},
      {"CmfOV", WEFT_STATUS_NOT_FOUND, 0},
      // What is never named.
      {"VO", WEFT_STATUS_OK, 0},
      {"VVO", WEFT_STATUS_OK, 0},
      {"OV", WEFT_STATUS_OK, 0},
      {"v", WEFT_STATUS_OK, 0},
      {"m0", WEFT_STATUS_OK, 0},
      {"f", WEFT_STATUS_OK, 0},
  };
  (void)state;
  for (size_t i = 0; i < sizeof(courses) / sizeof(courses[0]); i++) {
    play(&courses[i]);
  }
}

static void the_same_number_of_another_owner_is_another_future(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  tell_name(&kit);
  weft_peer_kit_run(&kit);
  const weft_frame_t head = {
      .type = WEFT_FRAME_VALUE,
      .id = ID,
      .target_index = weft_holder_make(3, 1),
  };
  const weft_value_t value = weft_int64(9);
  weft_peer_kit_tell_scalars(&kit, 3, 0, &head, &value, 1);
  assert_false(weft_future_is_done(named));
  step(&kit, 'v');
  assert_true(weft_future_is_done(named));
  weft_future_release(named);
  assert_int_equal(import_count(&kit), 0);
  weft_peer_kit_close(&kit);
}

// Of a rank that cannot be, and of this runtime itself.
static void outcomes_of_nobodys_futures_are_dropped(void** state) {
  static const weft_holder_t owners[] = {UINT32_MAX, 0,
                                         (UINT32_C(9000) << 16) | 1, 1};
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
    const weft_frame_t head = {
        .type = WEFT_FRAME_VALUE, .id = ID, .target_index = owners[i]};
    const weft_value_t value = weft_int64(9);
    weft_peer_kit_tell_scalars(&kit, 2, 0, &head, &value, 1);
    const weft_frame_t follows = {
        .type = WEFT_FRAME_FOLLOWS, .id = ID, .target_index = owners[i]};
    weft_peer_kit_tell(&kit, 2, 0, &follows);
  }
  assert_int_equal(import_count(&kit), 0);
  weft_peer_kit_close(&kit);
}

// What is made here, and was subscribed to by its owner for this runtime. It
// is named before, in the same lane; else it is nothing.
static void what_is_made_here_ends_here(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  for (int is_named = 0; is_named < 2; is_named++) {
    weft_promise_t* promise = NULL;
    open_links(&kit);
    weft_kit_assert_ok(
        weft_promise_create(kit.members[0].runtime, &promise, &kit.served));
    kit.served_id = 99;
    if (is_named) {
      tell_name_of(&kit, 0);
    }
    const weft_frame_t head = {.type = WEFT_FRAME_SUBSCRIBE, .id = 99};
    const weft_value_t values[] = {
        weft_int64(WEFT_ORIGIN_CALL), weft_int64(weft_holder_make(0, 1)),
        weft_int64(weft_holder_make(1, 1)), weft_int64(ID)};
    weft_peer_kit_tell_scalars(&kit, 1, 0, &head, values, 4);
    assert_int_equal(
        weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_ACCEPT)->endpoint,
        WEFT_ACCEPT_YES);
    weft_kit_assert_ok(weft_promise_set(promise, weft_int64(2)));
    tell_follows(&kit, weft_holder_make(0, 1));
    if (is_named) {
      const course_t course = {"made here", WEFT_STATUS_OK, 2};
      check(&course);
    }
    assert_null(weft_peer_kit_take(&kit, 1, 0));
    assert_int_equal(import_count(&kit), 0);
    weft_future_release(named);
    weft_promise_release(promise);
    weft_future_release(kit.served);
    weft_peer_kit_close(&kit);
  }
}

// --- Those who do not make it -----------------------------------------------

// Rank 3 sends outcomes of rank 1's future, which rank 2 makes: before it is
// named, and afterwards.
static void only_who_makes_a_value_sends_it(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  for (int is_named_first = 0; is_named_first < 2; is_named_first++) {
    open_links(&kit);
    if (is_named_first) {
      tell_name(&kit);
    }
    tell_outcome(&kit, 3, 0, 3);
    if (!is_named_first) {
      tell_name(&kit);
    }
    assert_false(weft_future_is_done(named));
    // It may have been asked to by rank 1.
    assert_false(weft_peer_kit_is_closed(&kit, 3, 0));
    step(&kit, 'V');
    step(&kit, 'f');
    const course_t course = {"of the maker", WEFT_STATUS_OK, 2};
    check(&course);
    assert_int_equal(import_count(&kit), 0);
    weft_future_release(named);
    weft_peer_kit_close(&kit);
  }
}

static void an_owner_does_not_change_its_mind_about_the_maker(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  tell_name(&kit);
  tell_follows(&kit, weft_holder_make(3, 1));
  assert_true(weft_peer_kit_is_closed(&kit, 1, 0));
  assert_true(weft_future_is_done(named));
  weft_future_release(named);
  assert_int_equal(import_count(&kit), 0);
  weft_peer_kit_close(&kit);
}

// An outcome of number `id` of a rank's future, whose payload is large.
static void tell_early(weft_peer_kit_t* kit, weft_holder_t owner, uint64_t id) {
  static struct {
    weft_frame_t head;
    uint8_t body[8192];
  } frame;
  weft_peer_t* maker = weft_peer_kit_peer(kit, 0, 2);
  frame.head = (weft_frame_t){.size_bytes = sizeof(frame),
                              .type = WEFT_FRAME_VALUE,
                              .id = id,
                              .target_index = owner,
                              .timeout_ns = INT64_MAX,
                              .value_count = 1,
                              .kinds = 8192};
  // Bytes.
  const uint8_t begin[] = {0xc5, 0x1f, 0xfd};
  memcpy(frame.body, begin, sizeof(begin));
  maker->sink.vtable->frame(&maker->sink, &frame, sizeof(frame));
}

// What of many there are was lost: it is named, and has failed.
static void expect_lost(weft_peer_kit_t* kit) {
  const course_t course = {"flooded", WEFT_STATUS_RESOURCE_EXHAUSTED, 0};
  step(kit, 'C');
  check(&course);
}

// Nothing is waited for when the owner has said its last word.
static void expect_ended(weft_peer_kit_t* kit) {
  weft_future_release(named);
  assert_int_equal(import_count(kit), 0);
  for (uint32_t rank = 1; rank < WEFT_PEER_KIT_RANKS; rank++) {
    assert_int_equal(weft_peer_kit_peer(kit, 0, rank)->awaited_count, 0);
  }
}

// Rank 2 floods; it may have been asked to by rank 1, so rank 1's futures are
// lost, and nobody else's.
static void early_outcomes_of_one_owner_are_bounded(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  const weft_peer_t* maker = weft_peer_kit_peer(&kit, 0, 2);
  for (uint64_t id = 100; id < 2000; id++) {
    tell_early(&kit, weft_holder_make(1, 1), id);
    assert_true(maker->unnamed_bytes <= (size_t)5 << 20);
  }
  assert_false(weft_peer_kit_is_closed(&kit, 2, 0));
  assert_int_equal(maker->unnamed_bytes, 0);
  tell_early(&kit, weft_holder_make(3, 1), 100);
  assert_int_not_equal(maker->unnamed_bytes, 0);
  expect_lost(&kit);
  step(&kit, '0');
  expect_ended(&kit);
  // What was thrown away comes no more.
  expect_lost(&kit);
  step(&kit, 'f');
  expect_ended(&kit);
  weft_peer_kit_kill(&kit, 3);
  assert_int_equal(maker->unnamed_bytes, 0);
  weft_peer_kit_close(&kit);
}

// An outcome that is early holds a future of its sender, whose value comes at
// once: it is known by then.
static void what_an_early_outcome_names_is_known(void** state) {
  enum { INNER = 9 };
  weft_peer_kit_t kit;
  struct {
    weft_frame_t head;
    uint8_t body[32];
  } outer = {
      .head = {.size_bytes = sizeof(outer),
               .type = WEFT_FRAME_VALUE,
               .id = ID,
               .target_index = weft_holder_make(1, 1),
               .value_count = 1,
               .kinds = 27,
               .timeout_ns = INT64_MAX},
      .body = {0xc7, 24,
               WEFT_EXTENSION_FUTURE, [11] = INNER, [19] = 1, [21] = 2},
  };
  const weft_frame_t inner = {
      .type = WEFT_FRAME_VALUE,
      .id = INNER,
      .target_index = weft_holder_make(2, 1),
  };
  const weft_value_t five = weft_int64(5);
  weft_value_t value = weft_none();
  weft_future_t* future = NULL;
  int64_t number = 0;
  (void)state;
  open_links(&kit);
  weft_peer_kit_write(&kit, 2, 0, &outer, sizeof(outer));
  weft_peer_kit_tell_scalars(&kit, 2, 0, &inner, &five, 1);
  weft_peer_kit_run(&kit);
  step(&kit, 'C');
  step(&kit, 'f');
  weft_kit_assert_ok(weft_future_result(named, &value));
  weft_kit_assert_ok(weft_value_as_future(value, &future));
  assert_true(weft_future_is_done(future));
  weft_kit_assert_ok(weft_future_result(future, &value));
  weft_kit_assert_ok(weft_value_as_int64(value, &number));
  assert_int_equal(number, 5);
  expect_ended(&kit);
  weft_peer_kit_close(&kit);
}

static void early_outcomes_of_many_owners_end_their_sender(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  const weft_peer_t* maker = weft_peer_kit_peer(&kit, 0, 2);
  for (uint32_t id = 0; !maker->is_closing; id++) {
    tell_early(&kit, weft_holder_make((uint16_t)(50 + id % 1000), 1), id);
    assert_true(id < 3000);
  }
  assert_true(weft_peer_kit_is_closed(&kit, 2, 0));
  assert_int_equal(maker->unnamed_bytes, 0);
  weft_peer_kit_close(&kit);
}

// A peer is buried on any thread.
static void* strike_off(void* user) {
  weft_peer_t* owner = user;
  for (int i = 0; i < 20000; i++) {
    weft_unnamed_strike_off(owner);
  }
  return NULL;
}

static void what_is_early_is_counted_while_its_owner_is_buried(void** state) {
  weft_peer_kit_t kit;
  pthread_t thread;
  (void)state;
  open_links(&kit);
  weft_peer_t* owner = weft_peer_kit_peer(&kit, 0, 1);
  const weft_peer_t* maker = weft_peer_kit_peer(&kit, 0, 2);
  assert_int_equal(pthread_create(&thread, NULL, strike_off, owner), 0);
  for (uint64_t id = 100; id < 20100; id++) {
    tell_early(&kit, weft_holder_make(1, 1), id);
  }
  assert_int_equal(pthread_join(thread, NULL), 0);
  weft_unnamed_strike_off(owner);
  assert_int_equal(maker->unnamed_bytes, 0);
  assert_false(maker->is_closing);
  weft_peer_kit_close(&kit);
}

// Rank 2 says that life 9 of rank 1 has a future.
static void what_is_said_of_a_life_makes_it_not_known(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  const weft_peer_t* before =
      weft_peers_at(weft_peers_of(kit.members[0].runtime), 1);
  tell_early(&kit, weft_holder_make(1, 9), ID);
  assert_ptr_equal(weft_peers_at(weft_peers_of(kit.members[0].runtime), 1),
                   before);
  step(&kit, 'C');
  step(&kit, 'v');
  const course_t course = {"of the owner", WEFT_STATUS_OK, 1};
  check(&course);
  weft_future_release(named);
  weft_peer_kit_close(&kit);
}

// What was imported is shared in turn: its maker is asked.
static void what_is_shared_again_is_asked_for_where_it_is_made(void** state) {
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  step(&kit, 'C');
  weft_kit_assert_ok(
      weft_peer_kit_send(&kit, 0, 3, WEFT_ARGUMENTS(weft_future_lend(named))));
  const weft_frame_t* frame =
      weft_peer_kit_expect(&kit, 1, 0, WEFT_FRAME_SUBSCRIBE);
  const int64_t* words = (const int64_t*)(const void*)(frame + 1);
  assert_int_equal(frame->id, ID);
  assert_int_equal(words[0], WEFT_ORIGIN_EXPORT);
  assert_int_equal(words[1], weft_holder_make(3, 1));
  const weft_frame_t head = {.type = WEFT_FRAME_ACCEPT,
                             .endpoint = WEFT_ACCEPT_YES,
                             .id = (uint64_t)words[3]};
  weft_peer_kit_tell(&kit, 1, 0, &head);
  step(&kit, 'v');
  weft_peer_kit_expect(&kit, 3, 0, WEFT_FRAME_CALL);
  frame = weft_peer_kit_expect(&kit, 3, 0, WEFT_FRAME_FOLLOWS);
  assert_int_equal(frame->target_index, weft_holder_make(1, 1));
  weft_future_release(named);
  assert_int_equal(import_count(&kit), 0);
  weft_peer_kit_close(&kit);
}

// Nobody waits for a maker that cannot be reached for now.
static void a_maker_to_which_there_is_no_link_ends_it(void** state) {
  weft_peer_kit_t kit;
  weft_value_t value;
  (void)state;
  weft_peer_kit_open(&kit, 1);
  weft_peer_kit_connect(&kit, 0, 1);
  named = NULL;
  kit.on_frame = read_call;
  step(&kit, 'C');
  step(&kit, 'f');
  assert_int_equal(kit.members[0].wanted[2], 1);
  assert_false(weft_future_is_done(named));
  weft_peers_refuse(
      kit.members[0].runtime, 2,
      weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no more files"));
  assert_true(weft_future_is_done(named));
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "rank 2 cannot be reached now",
                              weft_future_result(named, &value));
  weft_future_release(named);
  weft_peer_kit_close(&kit);
}

// A number as the outcome of a future of rank 1.
typedef struct outcome_frame {
  weft_frame_t head;
  int64_t number;
} outcome_frame_t;

static outcome_frame_t make_outcome(uint64_t id) {
  outcome_frame_t frame = {
      .head = {.size_bytes = sizeof(frame),
               .type = WEFT_FRAME_VALUE,
               .flags = WEFT_FRAME_SCALARS,
               .id = id,
               .target_index = weft_holder_make(1, 1),
               .timeout_ns = INT64_MAX,
               .value_count = 1,
               .kinds = WEFT_KIND_INT64},
      .number = 2,
  };
  return frame;
}

// An outcome that comes early and finds no room: its maker is given up, so that
// whoever is told to wait for it does not wait for ever.
static void an_early_outcome_without_memory_ends_its_maker(void** state) {
  outcome_frame_t frame = make_outcome(0);
  weft_peer_kit_t kit;
  (void)state;
  open_links(&kit);
  weft_peer_t* maker = weft_peer_kit_peer(&kit, 0, 2);
  weft_kit_allocator_fail(&kit.memory, 0, UINT64_MAX);
  while (!maker->is_closing) {
    frame.head.id++;
    maker->sink.vtable->frame(&maker->sink, &frame, sizeof(frame));
    assert_true(frame.head.id < 100000);
  }
  weft_kit_allocator_fail(&kit.memory, 0, 0);
  assert_true(weft_peer_kit_is_closed(&kit, 2, 0));
  step(&kit, 'O');
  assert_int_equal(import_count(&kit), 0);
  weft_peer_kit_close(&kit);
}

// One is lost, and its future fails; the others of its maker do not.
static void an_early_outcome_without_memory_fails_its_future(void** state) {
  weft_peer_kit_t kit;
  weft_value_t value;
  (void)state;
  open_links(&kit);
  weft_peer_t* maker = weft_peer_kit_peer(&kit, 0, 2);
  outcome_frame_t frame = make_outcome(ID);
  // What the slab has at hand is used up by others, which are kept.
  weft_kit_allocator_fail(&kit.memory, 0, UINT64_MAX);
  while (maker->unnamed_lost_count == 0) {
    frame.head.id++;
    maker->sink.vtable->frame(&maker->sink, &frame, sizeof(frame));
    assert_true(frame.head.id < 100000);
  }
  frame.head.id = ID;
  maker->sink.vtable->frame(&maker->sink, &frame, sizeof(frame));
  weft_kit_allocator_fail(&kit.memory, 0, 0);
  step(&kit, 'C');
  weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                              "no memory for this one",
                              weft_future_result(named, &value));
  assert_false(weft_peer_kit_is_closed(&kit, 2, 0));
  assert_int_equal(maker->unnamed_lost_count, 1);
  step(&kit, 'D');
  step(&kit, 'O');
  assert_int_equal(maker->unnamed_lost_count, 0);
  weft_peer_kit_close(&kit);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(each_order_ends_the_future_once),
      cmocka_unit_test(the_same_number_of_another_owner_is_another_future),
      cmocka_unit_test(outcomes_of_nobodys_futures_are_dropped),
      cmocka_unit_test(what_is_made_here_ends_here),
      cmocka_unit_test(only_who_makes_a_value_sends_it),
      cmocka_unit_test(an_owner_does_not_change_its_mind_about_the_maker),
      cmocka_unit_test(early_outcomes_of_one_owner_are_bounded),
      cmocka_unit_test(what_an_early_outcome_names_is_known),
      cmocka_unit_test(early_outcomes_of_many_owners_end_their_sender),
      cmocka_unit_test(what_is_early_is_counted_while_its_owner_is_buried),
      cmocka_unit_test(what_is_said_of_a_life_makes_it_not_known),
      cmocka_unit_test(what_is_shared_again_is_asked_for_where_it_is_made),
      cmocka_unit_test(a_maker_to_which_there_is_no_link_ends_it),
      cmocka_unit_test(an_early_outcome_without_memory_fails_its_future),
      cmocka_unit_test(an_early_outcome_without_memory_ends_its_maker),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
