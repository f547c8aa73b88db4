// SPDX-License-Identifier: Apache-2.0
//
// Contract 6: everything is bounded, and no bound can deadlock. A full mailbox
// makes the caller wait until its deadline, or says WOULD_BLOCK; inside a
// handler it is WOULD_BLOCK unless the call carries a deadline, and always so
// to oneself. Replies have reserved room. Nothing grows with a slow consumer.

#include <string.h>

#include "conform/stage.h"

enum { BOUND = 4, THREADS = 4, MESSAGES = 400 };
#define MS INT64_C(1000000)

// Endpoints.
enum { BLOCK, COUNT, FILL, FILL_SELF, ENDPOINTS };

typedef struct inn {
  stage_t stage;
  weft_actor_t actor;
  weft_actor_t other;
  // Handlers of BLOCK meet the test here.
  latch_t blocked;
  latch_t go_on;
  _Atomic uint32_t handled;
  _Atomic uint32_t refused;
} inn_t;

static weft_status_t block(weft_context_t* context, void* state,
                           const weft_value_t* arguments,
                           weft_value_t* out_result) {
  (void)context;
  (void)arguments;
  (void)out_result;
  inn_t* inn = state;
  latch_count(&inn->blocked);
  latch_await(&inn->go_on, 1);
  return WEFT_OK;
}

static weft_status_t count(weft_context_t* context, void* state,
                           const weft_value_t* arguments,
                           weft_value_t* out_result) {
  (void)context;
  (void)arguments;
  inn_t* inn = state;
  // Relaxed: read when the runtime has stopped.
  atomic_fetch_add_explicit(&inn->handled, 1, memory_order_relaxed);
  *out_result = weft_int64(1);
  return WEFT_OK;
}

// Sends until one is refused; the result is the code and how many were taken.
static weft_status_t fill_from(weft_runtime_t* runtime, weft_actor_t actor,
                               const weft_call_options_t* options,
                               weft_value_t* out_result) {
  weft_status_code_t code = WEFT_STATUS_OK;
  int64_t taken = 0;
  while (code == WEFT_STATUS_OK && taken < 100000) {
    code = weft_status_ignore(weft_send(runtime, actor, COUNT, NULL, options));
    taken += code == WEFT_STATUS_OK ? 1 : 0;
  }
  *out_result = weft_int64(code * INT64_C(1000000) + taken);
  return WEFT_OK;
}

static weft_status_t fill(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  inn_t* inn = state;
  const weft_call_options_t options = {.timeout_ns = arguments[0].as.int64};
  return fill_from(weft_context_runtime(context), inn->actor, &options,
                   out_result);
}

// A deadline does not help against oneself.
static weft_status_t fill_self(weft_context_t* context, void* state,
                               const weft_value_t* arguments,
                               weft_value_t* out_result) {
  (void)state;
  const weft_call_options_t options = {.timeout_ns = arguments[0].as.int64};
  return fill_from(weft_context_runtime(context), weft_context_self(context),
                   &options, out_result);
}

static const weft_parameter_t parameters[] = {{"timeout", WEFT_KIND_INT64}};
static const weft_endpoint_t endpoints[ENDPOINTS] = {
    [BLOCK] = {"block", block, NULL, 0},
    [COUNT] = {"count", count, NULL, 0},
    [FILL] = {"fill", fill, parameters, 1},
    [FILL_SELF] = {"fill_self", fill_self, parameters, 1},
};
static const weft_class_t inn_class = {
    "inn", 1, stage_init, NULL, endpoints, ENDPOINTS,
};

static void open_inn(inn_t* inn) {
  const weft_spawn_options_t options = {.mailbox_bound = BOUND};
  memset(inn, 0, sizeof(*inn));
  latch_init(&inn->blocked);
  latch_init(&inn->go_on);
  stage_open(&inn->stage, &inn_class);
  inn->actor = stage_spawn(&inn->stage, &inn_class, inn, &options);
  inn->other = stage_spawn(&inn->stage, &inn_class, inn, &options);
}

static void close_inn(inn_t* inn) {
  stage_close(&inn->stage);
  latch_deinit(&inn->blocked);
  latch_deinit(&inn->go_on);
}

// Makes the actor busy until the test counts `go_on`.
static void make_busy(inn_t* inn, weft_actor_t actor) {
  uint32_t before = inn->blocked.count;
  weft_kit_assert_ok(weft_send(inn->stage.runtime, actor, BLOCK, NULL, NULL));
  latch_await(&inn->blocked, before + 1);
}

static weft_status_code_t code_in(int64_t result) {
  return (weft_status_code_t)(result / 1000000);
}

static void check_taken(int64_t result) {
  int64_t taken = result % 1000000;
  assert_true(taken >= BOUND - 1 && taken <= BOUND + 1);
}

static void a_full_mailbox_makes_a_thread_wait_until_its_deadline(
    void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  make_busy(&inn, inn.actor);
  weft_value_t result = weft_none();
  const weft_call_options_t options = {.timeout_ns = 2 * MS};
  int64_t start_ns = weft_runtime_now_ns(inn.stage.runtime);
  weft_kit_assert_ok(
      fill_from(inn.stage.runtime, inn.actor, &options, &result));
  assert_true(weft_runtime_now_ns(inn.stage.runtime) >= start_ns + 2 * MS);
  assert_int_equal(code_in(result.as.int64), WEFT_STATUS_DEADLINE_EXCEEDED);
  check_taken(result.as.int64);
  latch_count(&inn.go_on);
  close_inn(&inn);
}

static void a_full_mailbox_says_would_block_to_who_will_not_wait(void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  make_busy(&inn, inn.actor);
  weft_value_t result = weft_none();
  const weft_call_options_t options = {.timeout_ns = WEFT_TIME_INFINITE,
                                       .try_only = true};
  weft_kit_assert_ok(
      fill_from(inn.stage.runtime, inn.actor, &options, &result));
  assert_int_equal(code_in(result.as.int64), WEFT_STATUS_WOULD_BLOCK);
  check_taken(result.as.int64);
  latch_count(&inn.go_on);
  close_inn(&inn);
}

static void in_a_handler_a_full_mailbox_is_would_block_without_a_deadline(
    void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  make_busy(&inn, inn.actor);
  weft_value_t result = weft_none();
  weft_kit_assert_ok(stage_ask(&inn.stage, inn.other, FILL,
                               WEFT_ARGUMENTS(weft_int64(0)), &result));
  assert_int_equal(code_in(result.as.int64), WEFT_STATUS_WOULD_BLOCK);
  check_taken(result.as.int64);
  latch_count(&inn.go_on);
  close_inn(&inn);
}

static void in_a_handler_a_call_with_a_deadline_waits_until_then(void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  make_busy(&inn, inn.actor);
  weft_value_t result = weft_none();
  weft_kit_assert_ok(stage_ask(&inn.stage, inn.other, FILL,
                               WEFT_ARGUMENTS(weft_int64(2 * MS)), &result));
  assert_int_equal(code_in(result.as.int64), WEFT_STATUS_DEADLINE_EXCEEDED);
  check_taken(result.as.int64);
  latch_count(&inn.go_on);
  close_inn(&inn);
}

static void ones_own_full_mailbox_is_would_block_whatever_the_deadline(
    void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  const int64_t timeouts_ns[] = {0, INT64_C(3600000) * MS};
  for (uint32_t i = 0; i < 2; ++i) {
    weft_value_t result = weft_none();
    weft_kit_assert_ok(stage_ask(&inn.stage, inn.other, FILL_SELF,
                                 WEFT_ARGUMENTS(weft_int64(timeouts_ns[i])),
                                 &result));
    assert_int_equal(code_in(result.as.int64), WEFT_STATUS_WOULD_BLOCK);
  }
  close_inn(&inn);
}

// --- Replies ----------------------------------------------------------------

static void a_reply_finds_room_though_all_mailboxes_are_full(void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  weft_future_t* reply = NULL;
  weft_value_t result = weft_none();
  // `other` fills the mailbox of `actor` and then answers, while its own
  // mailbox is full as well.
  make_busy(&inn, inn.actor);
  make_busy(&inn, inn.other);
  weft_kit_assert_ok(weft_call(inn.stage.runtime, inn.other, FILL,
                               WEFT_ARGUMENTS(weft_int64(0)), NULL, &reply));
  const weft_call_options_t try_it = {.try_only = true};
  weft_kit_assert_ok(fill_from(inn.stage.runtime, inn.other, &try_it, &result));
  weft_kit_assert_ok(fill_from(inn.stage.runtime, inn.actor, &try_it, &result));
  latch_count(&inn.go_on);
  assert_int_equal(stage_code_of(reply), WEFT_STATUS_OK);
  weft_future_release(reply);
  close_inn(&inn);
}

// --- Two that fill each other -----------------------------------------------

// Handlers of each send to the other, with a deadline, from full mailboxes.
static void two_actors_that_fill_each_other_go_on(void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  inn_t mirror;
  memset(&mirror, 0, sizeof(mirror));
  const weft_spawn_options_t options = {.mailbox_bound = BOUND};
  weft_actor_t a = stage_spawn(&inn.stage, &inn_class, &mirror, &options);
  weft_actor_t b = stage_spawn(&inn.stage, &inn_class, &inn, &options);
  // FILL of `a` sends to `b`, and the other way round.
  mirror.actor = b;
  inn.actor = a;
  weft_future_t* replies[2] = {NULL};
  weft_kit_assert_ok(weft_call(inn.stage.runtime, a, FILL,
                               WEFT_ARGUMENTS(weft_int64(5 * MS)), NULL,
                               &replies[0]));
  weft_kit_assert_ok(weft_call(inn.stage.runtime, b, FILL,
                               WEFT_ARGUMENTS(weft_int64(5 * MS)), NULL,
                               &replies[1]));
  for (uint32_t i = 0; i < 2; ++i) {
    assert_int_equal(stage_code_of(replies[i]), WEFT_STATUS_OK);
    weft_future_release(replies[i]);
  }
  close_inn(&inn);
}

// --- A slow consumer --------------------------------------------------------

static void send_many(size_t index, void* user) {
  (void)index;
  inn_t* inn = user;
  for (uint32_t i = 0; i < MESSAGES; ++i) {
    weft_status_t status =
        weft_send(inn->stage.runtime, inn->actor, COUNT, NULL, NULL);
    // Relaxed: read when the threads have joined.
    atomic_fetch_add_explicit(&inn->refused, status == WEFT_OK ? 0 : 1,
                              memory_order_relaxed);
    weft_status_release(status);
  }
}

static void senders_wait_for_a_slow_consumer_and_nothing_is_lost(void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  weft_kit_run_threads(THREADS, send_many, &inn);
  weft_kit_assert_ok(weft_actor_stop(inn.stage.runtime, inn.actor,
                                     WEFT_STOP_AFTER_QUEUE, WEFT_OK));
  weft_future_t* exited = NULL;
  weft_status_t status =
      weft_actor_exited(inn.stage.runtime, inn.actor, &exited);
  if (weft_status_ignore(status) == WEFT_STATUS_OK) {
    assert_int_equal(stage_code_of(exited), WEFT_STATUS_OK);
    weft_future_release(exited);
  }
  assert_int_equal(inn.refused, 0);
  assert_int_equal(inn.handled, THREADS * MESSAGES);
  close_inn(&inn);
}

static void try_many(size_t index, void* user) {
  (void)index;
  inn_t* inn = user;
  const weft_call_options_t options = {.try_only = true};
  for (uint32_t i = 0; i < 10 * MESSAGES; ++i) {
    weft_status_ignore(
        weft_send(inn->stage.runtime, inn->actor, COUNT, NULL, &options));
  }
}

static size_t bytes_in_use(inn_t* inn) {
  pthread_mutex_lock(&inn->stage.memory.lock);
  size_t bytes = inn->stage.memory.bytes_in_use;
  pthread_mutex_unlock(&inn->stage.memory.lock);
  return bytes;
}

static void memory_does_not_grow_with_what_a_slow_consumer_is_sent(
    void** state) {
  (void)state;
  inn_t inn;
  open_inn(&inn);
  make_busy(&inn, inn.actor);
  weft_kit_run_threads(THREADS, try_many, &inn);
  // A message is some 200 bytes: what was refused takes no room.
  size_t full_bytes = bytes_in_use(&inn);
  weft_kit_run_threads(THREADS, try_many, &inn);
  weft_kit_run_threads(THREADS, try_many, &inn);
  assert_true(bytes_in_use(&inn) <=
              full_bytes + (size_t)THREADS * 10 * MESSAGES * 16);
  latch_count(&inn.go_on);
  weft_kit_assert_ok(weft_runtime_stop(inn.stage.runtime, WEFT_TIME_INFINITE));
  assert_true(inn.handled <= BOUND + THREADS);
  close_inn(&inn);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_full_mailbox_makes_a_thread_wait_until_its_deadline),
      cmocka_unit_test(a_full_mailbox_says_would_block_to_who_will_not_wait),
      cmocka_unit_test(
          in_a_handler_a_full_mailbox_is_would_block_without_a_deadline),
      cmocka_unit_test(in_a_handler_a_call_with_a_deadline_waits_until_then),
      cmocka_unit_test(
          ones_own_full_mailbox_is_would_block_whatever_the_deadline),
      cmocka_unit_test(a_reply_finds_room_though_all_mailboxes_are_full),
      cmocka_unit_test(two_actors_that_fill_each_other_go_on),
      cmocka_unit_test(senders_wait_for_a_slow_consumer_and_nothing_is_lost),
      cmocka_unit_test(memory_does_not_grow_with_what_a_slow_consumer_is_sent),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
