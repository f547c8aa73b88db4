// SPDX-License-Identifier: Apache-2.0

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

static const weft_spawn_options_t own = {.own_thread = true};

static weft_status_t note_thread(weft_context_t* context, weft_probe_t* self,
                                 void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  (void)user;
  *out_result = weft_int64(weft_sys_thread_id());
  return WEFT_OK;
}

static int64_t thread_of(const weft_actor_kit_t* kit, weft_actor_t actor) {
  weft_probe_act_t act = {note_thread, NULL};
  weft_future_t* reply = weft_probe_do(kit, actor, &act);
  weft_value_t value;
  int64_t thread = 0;
  weft_kit_assert_ok(weft_future_get(reply, WEFT_TIME_INFINITE, &value));
  weft_kit_assert_ok(weft_value_as_int64(value, &thread));
  weft_future_release(reply);
  return thread;
}

static void each_such_actor_has_one_thread_of_its_own(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t a = weft_probe_spawn_with(kit, &probe, &own);
  weft_actor_t b = weft_probe_spawn_with(kit, &other, &own);
  int64_t thread_a = thread_of(kit, a);
  int64_t thread_b = thread_of(kit, b);
  assert_int_not_equal(thread_a, thread_b);
  for (int i = 0; i < 50; i++) {
    assert_int_equal(thread_a, thread_of(kit, a));
    assert_int_equal(thread_b, thread_of(kit, b));
  }
}

typedef struct gate {
  _Atomic uint32_t word;
} gate_t;

// Blocks on something that weft knows nothing of.
static weft_status_t block(weft_context_t* context, weft_probe_t* self,
                           void* user, weft_value_t* out_result) {
  (void)context;
  (void)self;
  (void)out_result;
  gate_t* gate = user;
  while (atomic_load_explicit(&gate->word, memory_order_acquire) == 0) {
    weft_futex_wait(&gate->word, 0, WEFT_TIME_INFINITE);
  }
  return WEFT_OK;
}

static void handlers_that_block_leave_the_workers_free(void** state) {
  enum { BLOCKED = 4 };
  weft_actor_kit_t* kit = kit_of(state);
  gate_t gate = {0};
  weft_probe_act_t act = {block, &gate};
  weft_future_t* replies[BLOCKED];
  // More than there are workers.
  for (int i = 0; i < BLOCKED; i++) {
    weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &own);
    replies[i] = weft_probe_do(kit, actor, &act);
  }
  weft_actor_t plain = weft_probe_spawn(kit, &other);
  weft_expect_outcome(weft_probe_call_note(kit, plain, 1), WEFT_STATUS_OK);
  atomic_store_explicit(&gate.word, 1, memory_order_release);
  weft_futex_wake(&gate.word, UINT32_MAX);
  for (int i = 0; i < BLOCKED; i++) {
    weft_expect_outcome(replies[i], WEFT_STATUS_OK);
  }
}

static void threads_end_with_their_actors(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  size_t bytes = 0;
  for (int i = 0; i < 50; i++) {
    weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &own);
    weft_expect_outcome(weft_probe_call_note(kit, actor, i), WEFT_STATUS_OK);
    weft_probe_end(kit, actor);
    if (i == 5) {
      bytes = weft_actor_kit_bytes(kit);
    }
  }
  // One or two may still be about to end; each has more than 10 KiB.
  assert_true(weft_actor_kit_bytes(kit) <= bytes + 100000);
  assert_int_equal(50, probe.deinit_count);
}

static void an_entry_is_used_with_and_without_a_thread(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  for (int i = 0; i < 20; i++) {
    weft_actor_t actor =
        weft_probe_spawn_with(kit, &probe, i % 2 == 0 ? &own : NULL);
    // Those before may be just about to give their entries back.
    assert_true(actor.index < 10);
    weft_expect_outcome(weft_probe_call_note(kit, actor, i), WEFT_STATUS_OK);
    weft_probe_end(kit, actor);
  }
}

static void an_init_that_fails_ends_the_thread(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  probe.init_code = WEFT_STATUS_FAILED;
  weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &own);
  weft_future_t* exited;
  weft_status_t status = weft_actor_exited(kit->runtime, actor, &exited);
  if (status == WEFT_OK) {
    weft_expect_outcome(exited, WEFT_STATUS_FAILED);
  } else {
    weft_kit_assert_status(WEFT_STATUS_NOT_FOUND, status);
  }
}

typedef struct flood {
  const weft_actor_kit_t* kit;
  weft_actor_t actor;
} flood_t;

static void send_many(size_t index, void* user) {
  const flood_t* flood = user;
  for (int i = 0; i < 500; i++) {
    weft_status_ignore(weft_probe_send_note(flood->kit->runtime, flood->actor,
                                            (int64_t)index * 1000 + i));
  }
}

static void many_threads_send_to_one_in_order(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  flood_t flood = {kit, weft_probe_spawn_with(kit, &probe, &own)};
  weft_kit_run_threads(4, send_many, &flood);
  weft_expect_int64(weft_probe_call_note(kit, flood.actor, -1), 2001);
  int64_t next[4] = {0};
  for (int i = 0; i < 2000; i++) {
    int64_t thread = probe.notes[i] / 1000;
    assert_int_equal(next[thread]++, probe.notes[i] % 1000);
  }
}

static void in_a_simulation_they_run_as_all_others_do(void** state) {
  weft_actor_kit_t* kit = kit_of(state);
  weft_actor_t actor = weft_probe_spawn_with(kit, &probe, &own);
  weft_expect_int64(weft_probe_call_note(kit, actor, 1), 1);
  weft_probe_end(kit, actor);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      WEFT_ACTOR_THREADS_TEST(each_such_actor_has_one_thread_of_its_own),
      WEFT_ACTOR_THREADS_TEST(handlers_that_block_leave_the_workers_free),
      WEFT_ACTOR_THREADS_TEST(threads_end_with_their_actors),
      WEFT_ACTOR_THREADS_TEST(an_entry_is_used_with_and_without_a_thread),
      WEFT_ACTOR_THREADS_TEST(an_init_that_fails_ends_the_thread),
      WEFT_ACTOR_THREADS_TEST(many_threads_send_to_one_in_order),
      WEFT_ACTOR_TEST(in_a_simulation_they_run_as_all_others_do),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
