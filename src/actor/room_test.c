// SPDX-License-Identifier: Apache-2.0
//
// Full mailboxes: who is refused, who waits, and how waiting ends.

#include <string.h>

#include "actor/actor_kit.h"
#include "sys/sys.h"

static weft_probe_t probe;
static weft_probe_t other;

static weft_actor_kit_t* kit_of(void** state) {
  memset(&probe, 0, sizeof(probe));
  memset(&other, 0, sizeof(other));
  return *state;
}

static const weft_call_options_t try_only = {.try_only = true};

static weft_status_t try_note(const weft_actor_kit_t* kit, weft_actor_t actor,
                              int64_t note) {
  return weft_send(kit->runtime, actor, WEFT_PROBE_NOTE,
                   WEFT_ARGUMENTS(weft_int64(note)), &try_only);
}

static weft_status_t wait_for(weft_context_t* context, weft_probe_t* self,
                              void* user, weft_value_t* out_result) {
  (void)context;
  weft_probe_note(self, -1);
  return weft_future_get(user, WEFT_TIME_INFINITE, out_result);
}

// An actor whose handler waits for `gate`, with a mailbox that is full but for
// `room` messages.
typedef struct stuffed {
  weft_actor_t actor;
  weft_probe_pair_t gate;
  weft_probe_act_t act;
  weft_future_t* busy;
} stuffed_t;

static void stuff(weft_actor_kit_t* kit, stuffed_t* stuffed, uint32_t bound,
                  uint32_t room) {
  const weft_spawn_options_t options = {.mailbox_bound = bound};
  stuffed->actor = weft_probe_spawn_with(kit, &probe, &options);
  stuffed->gate = weft_probe_pair(kit);
  stuffed->act = (weft_probe_act_t){wait_for, stuffed->gate.future};
  stuffed->busy = weft_probe_do(kit, stuffed->actor, &stuffed->act);
  // The message that runs counts until it has ended.
  while (weft_probe_notes(&probe) == 0) {
    weft_runtime_run(kit->runtime, 1);
    weft_sys_yield();
  }
  for (uint32_t i = 1; i < bound - room; i++) {
    weft_kit_assert_ok(try_note(kit, stuffed->actor, i));
  }
}

static void unstuff(stuffed_t* stuffed) {
  weft_probe_pair_keep(&stuffed->gate, weft_none());
  weft_expect_outcome(stuffed->busy, WEFT_STATUS_OK);
  weft_future_release(stuffed->gate.future);
}

// --- The bound --------------------------------------------------------------

static void a_mailbox_takes_as_many_as_its_bound(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const uint32_t bounds[] = {1, 2, 5, 64, 1024};
  for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
    memset(&probe, 0, sizeof(probe));
    stuffed_t stuffed;
    stuff(kit, &stuffed, bounds[i], 0);
    weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK,
                           try_note(kit, stuffed.actor, 0));
    unstuff(&stuffed);
    weft_expect_outcome(weft_probe_call_note(kit, stuffed.actor, 0),
                        WEFT_STATUS_OK);
    assert_int_equal(bounds[i] + 1, weft_probe_notes(&probe));
  }
}

static void the_default_bound_is_the_one_in_the_header(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn(kit, &probe);
  weft_actor_kit_run(kit);
  for (int i = 0; i < WEFT_MAILBOX_BOUND_DEFAULT; i++) {
    weft_kit_assert_ok(try_note(kit, actor, i));
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_note(kit, actor, 0));
}

static void held_messages_fill_the_mailbox(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_spawn_options_t options = {.mailbox_bound = 3};
  weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &options);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* reply = weft_probe_call_later(kit, actor, pair.future);
  weft_kit_assert_ok(try_note(kit, actor, 2));
  weft_kit_assert_ok(try_note(kit, actor, 3));
  weft_actor_kit_run(kit);
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, try_note(kit, actor, 4));
  weft_probe_pair_set(&pair, weft_int64(1));
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  weft_actor_kit_run(kit);
  weft_kit_assert_ok(try_note(kit, actor, 4));
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&probe, 1, 2, 3, 4);
}

static void an_answer_makes_room_at_once(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_spawn_options_t options = {.mailbox_bound = 1};
  weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &options);
  for (int i = 0; i < 100; i++) {
    weft_future_t* reply;
    weft_kit_assert_ok(weft_call(kit->runtime, actor, WEFT_PROBE_NOTE,
                                 WEFT_ARGUMENTS(weft_int64(i)), &try_only,
                                 &reply));
    weft_expect_int64(reply, i + 1);
  }
}

// --- Waiting ----------------------------------------------------------------

static void a_sender_outside_waits_for_room(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  enum { MESSAGES = 300 };
  const weft_spawn_options_t options = {.mailbox_bound = 4};
  weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &options);
  for (int i = 0; i < MESSAGES; i++) {
    weft_kit_assert_ok(weft_probe_send_note(kit->runtime, actor, i));
  }
  weft_expect_int64(weft_probe_call_note(kit, actor, MESSAGES), MESSAGES + 1);
  for (int i = 0; i <= MESSAGES; i++) {
    assert_int_equal(i, probe.notes[i]);
  }
}

static void waiting_for_room_ends_at_the_deadline(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  stuffed_t stuffed;
  stuff(kit, &stuffed, 2, 0);
  const weft_call_options_t options = {.timeout_ns = 5 * WEFT_MS};
  weft_future_t* reply;
  weft_kit_assert_status_says(
      WEFT_STATUS_DEADLINE_EXCEEDED, "mailbox of probe#0",
      weft_call(kit->runtime, stuffed.actor, WEFT_PROBE_NOTE,
                WEFT_ARGUMENTS(weft_int64(9)), &options, &reply));
  assert_null(reply);
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_send(kit->runtime, stuffed.actor, WEFT_PROBE_NOTE,
                                   WEFT_ARGUMENTS(weft_int64(9)), &options));
  unstuff(&stuffed);
  weft_expect_outcome(weft_probe_call_note(kit, stuffed.actor, 2),
                      WEFT_STATUS_OK);
  // Nothing of those that gave up was left behind.
  WEFT_EXPECT_NOTES(&probe, -1, 1, 2);
}

enum { CROWD = 6, CROWD_MESSAGES = 200 };

typedef struct crowd {
  weft_runtime_t* runtime;
  weft_actor_t actor;
  _Atomic uint32_t failures;
} crowd_t;

static void crowd_send(size_t index, void* user) {
  crowd_t* crowd = user;
  for (int i = 0; i < CROWD_MESSAGES; i++) {
    weft_status_t status = weft_probe_send_note(crowd->runtime, crowd->actor,
                                                (int64_t)index * 1000 + i);
    if (weft_status_ignore(status) != WEFT_STATUS_OK) {
      atomic_fetch_add_explicit(&crowd->failures, 1, memory_order_relaxed);
    }
  }
}

static void many_threads_wait_for_room_and_keep_their_order(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_spawn_options_t options = {.mailbox_bound = 2};
  crowd_t crowd = {kit->runtime, weft_probe_spawn_with(kit, &probe, &options),
                   0};
  weft_kit_run_threads(CROWD, crowd_send, &crowd);
  weft_expect_int64(weft_probe_call_note(kit, crowd.actor, -1),
                    CROWD * CROWD_MESSAGES + 1);
  assert_int_equal(0, crowd.failures);
  int64_t next[CROWD] = {0};
  for (int i = 0; i < CROWD * CROWD_MESSAGES; i++) {
    int64_t thread = probe.notes[i] / 1000;
    assert_int_equal(next[thread], probe.notes[i] % 1000);
    next[thread]++;
  }
}

typedef struct blocked {
  weft_actor_kit_t* kit;
  weft_actor_t actor;
  _Atomic bool is_sending;
  weft_status_code_t code;
} blocked_t;

static void send_or_stop(size_t index, void* user) {
  blocked_t* blocked = user;
  if (index == 0) {
    atomic_store_explicit(&blocked->is_sending, true, memory_order_release);
    blocked->code = weft_status_ignore(
        weft_probe_send_note(blocked->kit->runtime, blocked->actor, 7));
    return;
  }
  while (!atomic_load_explicit(&blocked->is_sending, memory_order_acquire)) {
    weft_sys_yield();
  }
  weft_status_ignore(weft_actor_stop(blocked->kit->runtime, blocked->actor,
                                     WEFT_STOP_NOW, WEFT_OK));
}

static void waiting_for_room_ends_when_the_actor_does(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  // Full of one message that waits for its argument.
  const weft_spawn_options_t options = {.mailbox_bound = 1};
  weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &options);
  weft_probe_pair_t pair = weft_probe_pair(kit);
  weft_future_t* held = weft_probe_call_later(kit, actor, pair.future);
  blocked_t blocked = {.kit = kit, .actor = actor};
  weft_kit_run_threads(2, send_or_stop, &blocked);
  assert_int_equal(WEFT_STATUS_NOT_FOUND, blocked.code);
  weft_expect_outcome(held, WEFT_STATUS_ACTOR_EXITED);
  weft_probe_pair_set(&pair, weft_int64(1));
}

// --- In a handler -----------------------------------------------------------

typedef struct push_plan {
  const weft_actor_kit_t* kit;
  weft_actor_t target;
  const weft_call_options_t* options;
  uint32_t count;
} push_plan_t;

// Sends until it fails; notes how many went in and why it failed.
static weft_status_t push(weft_context_t* context, weft_probe_t* self,
                          void* user, weft_value_t* out_result) {
  (void)out_result;
  const push_plan_t* plan = user;
  weft_status_t status = WEFT_OK;
  uint32_t sent = 0;
  while (status == WEFT_OK && sent < plan->count) {
    status =
        weft_send(weft_context_runtime(context), plan->target, WEFT_PROBE_NOTE,
                  WEFT_ARGUMENTS(weft_int64(0)), plan->options);
    sent += status == WEFT_OK ? 1 : 0;
  }
  weft_probe_note(self, sent);
  weft_probe_note(self, (int64_t)weft_status_ignore(status));
  return WEFT_OK;
}

static void a_handler_is_refused_at_once_without_a_deadline(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  stuffed_t stuffed;
  stuff(kit, &stuffed, 4, 2);
  weft_actor_t sender = weft_probe_spawn(kit, &other);
  push_plan_t plan = {kit, stuffed.actor, NULL, 10};
  weft_probe_act_t act = {push, &plan};
  weft_expect_outcome(weft_probe_do(kit, sender, &act), WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&other, 2, WEFT_STATUS_WOULD_BLOCK);
  unstuff(&stuffed);
}

static void a_handler_with_a_deadline_waits(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  stuffed_t stuffed;
  stuff(kit, &stuffed, 4, 2);
  weft_actor_t sender = weft_probe_spawn(kit, &other);
  const weft_call_options_t options = {.timeout_ns = WEFT_PATIENCE};
  push_plan_t plan = {kit, stuffed.actor, &options, 10};
  weft_probe_act_t act = {push, &plan};
  weft_future_t* reply = weft_probe_do(kit, sender, &act);
  unstuff(&stuffed);
  weft_expect_outcome(reply, WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&other, 10, WEFT_STATUS_OK);
}

static void a_handler_with_an_inherited_deadline_waits_until_then(
    void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  stuffed_t stuffed;
  stuff(kit, &stuffed, 4, 2);
  weft_actor_t sender = weft_probe_spawn(kit, &other);
  push_plan_t plan = {kit, stuffed.actor, NULL, 10};
  weft_probe_act_t act = {push, &plan};
  const weft_call_options_t options = {.timeout_ns = WEFT_MS};
  weft_future_t* reply;
  weft_kit_assert_ok(weft_probe_do_with(kit, sender, &act, &options, &reply));
  weft_expect_outcome(reply, WEFT_STATUS_DEADLINE_EXCEEDED);
  weft_actor_kit_run(kit);
  WEFT_EXPECT_NOTES(&other, 2, WEFT_STATUS_DEADLINE_EXCEEDED);
  unstuff(&stuffed);
}

static void an_actor_never_waits_for_room_in_its_own_mailbox(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  const weft_spawn_options_t spawn = {.mailbox_bound = 4};
  weft_actor_t actor = weft_probe_spawn_with(kit, &other, &spawn);
  const weft_call_options_t options = {.timeout_ns = WEFT_PATIENCE};
  push_plan_t plan = {kit, actor, &options, 10};
  weft_probe_act_t act = {push, &plan};
  weft_expect_outcome(weft_probe_do(kit, actor, &act), WEFT_STATUS_OK);
  weft_actor_kit_run(kit);
  // Its own message takes a place, too.
  WEFT_EXPECT_NOTES(&other, 3, WEFT_STATUS_WOULD_BLOCK, 0, 0, 0);
}

// --- Work that others may wait for ------------------------------------------

typedef struct fork_plan {
  weft_actor_t target;
  int64_t timeout_ns;
  _Atomic uint32_t sends;
} fork_plan_t;

// Sends until it may not any more; its outcome is why.
static weft_status_t send_on(weft_runtime_t* runtime, void* user,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  (void)arguments;
  (void)out_result;
  fork_plan_t* plan = user;
  const weft_call_options_t options = {.timeout_ns = plan->timeout_ns};
  for (;;) {
    WEFT_RETURN_IF_ERROR(weft_send(runtime, plan->target, WEFT_PROBE_NOTE,
                                   WEFT_ARGUMENTS(weft_int64(0)), &options));
    // Release: pairs with the acquire of the test.
    atomic_fetch_add_explicit(&plan->sends, 1, memory_order_release);
  }
}

static weft_future_t* fork_sender(weft_actor_kit_t* kit, fork_plan_t* plan) {
  const weft_function_t function = {
      .name = "send on", .run = send_on, .user = plan};
  weft_future_t* future = NULL;
  weft_kit_assert_ok(
      weft_async_run(kit->runtime, NULL, &function, NULL, &future));
  return future;
}

static void a_fork_is_refused_at_once_without_a_deadline(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  stuffed_t stuffed;
  stuff(kit, &stuffed, 4, 2);
  fork_plan_t plan = {.target = stuffed.actor};
  weft_expect_outcome(fork_sender(kit, &plan), WEFT_STATUS_WOULD_BLOCK);
  unstuff(&stuffed);
}

static weft_status_t start_and_push(weft_context_t* context, weft_probe_t* self,
                                    void* user, weft_value_t* out_result) {
  weft_probe_note(self, 7);
  return push(context, self, user, out_result);
}

// Whether it waits already, or is about to.
static void waiting_for_room_ends_when_the_work_is_cancelled(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  stuffed_t stuffed;
  stuff(kit, &stuffed, 4, 2);
  weft_actor_t sender = weft_probe_spawn(kit, &other);
  const weft_call_options_t options = {.timeout_ns = WEFT_PATIENCE};
  push_plan_t plan = {kit, stuffed.actor, &options, 10};
  weft_probe_act_t act = {start_and_push, &plan};
  weft_future_t* reply = weft_probe_do(kit, sender, &act);
  while (weft_probe_notes(&other) == 0) {
    weft_sys_yield();
  }
  weft_future_cancel(reply);
  weft_expect_outcome(reply, WEFT_STATUS_CANCELLED);
  // The sender handles messages again, though the mailbox is still full.
  weft_expect_outcome(weft_probe_call_note(kit, sender, 5), WEFT_STATUS_OK);
  WEFT_EXPECT_NOTES(&other, 7, 2, WEFT_STATUS_CANCELLED, 5);
  unstuff(&stuffed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_TEST(a_mailbox_takes_as_many_as_its_bound),
      WEFT_ACTOR_TEST(the_default_bound_is_the_one_in_the_header),
      WEFT_ACTOR_TEST(held_messages_fill_the_mailbox),
      WEFT_ACTOR_TEST(an_answer_makes_room_at_once),
      WEFT_ACTOR_THREADS_TEST(an_answer_makes_room_at_once),
      WEFT_ACTOR_TEST(a_sender_outside_waits_for_room),
      WEFT_ACTOR_THREADS_TEST(a_sender_outside_waits_for_room),
      WEFT_ACTOR_TEST(waiting_for_room_ends_at_the_deadline),
      WEFT_ACTOR_THREADS_TEST(waiting_for_room_ends_at_the_deadline),
      WEFT_ACTOR_THREADS_TEST(many_threads_wait_for_room_and_keep_their_order),
      WEFT_ACTOR_THREADS_TEST(waiting_for_room_ends_when_the_actor_does),
      WEFT_ACTOR_TEST(a_fork_is_refused_at_once_without_a_deadline),
      WEFT_ACTOR_THREADS_TEST(a_fork_is_refused_at_once_without_a_deadline),
      WEFT_ACTOR_THREADS_TEST(waiting_for_room_ends_when_the_work_is_cancelled),
      WEFT_ACTOR_TEST(a_handler_is_refused_at_once_without_a_deadline),
      WEFT_ACTOR_TEST(a_handler_with_a_deadline_waits),
      WEFT_ACTOR_TEST(a_handler_with_an_inherited_deadline_waits_until_then),
      WEFT_ACTOR_TEST(an_actor_never_waits_for_room_in_its_own_mailbox),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
