// SPDX-License-Identifier: Apache-2.0
//
// Contract 2: a message takes its place when it is sent. From one sender to
// one actor, handlers run in the order of sending, whether or not arguments
// are ready. A message that waits holds back later ones of its own sender and
// of nobody else. Init comes first. A failed argument is delivered as its turn.

#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "conform/stage.h"

enum { THREADS = 8, MESSAGES = 120, SETTLERS = 2 };

typedef enum argument {
  ARGUMENT_PLAIN,
  ARGUMENT_LATE,
  ARGUMENT_FAILING,
  ARGUMENT_COUNT,
} argument_t;

// One message: who completes its argument, and what came back.
typedef struct letter {
  argument_t argument;
  weft_promise_t* promise;
  weft_future_t* reply;
} letter_t;

typedef struct office {
  stage_t stage;
  weft_actor_t actor;
  letter_t letters[THREADS][MESSAGES];
  // Letters that are sent, for those who complete arguments.
  _Atomic uint32_t sent[THREADS];
  // The actor's own: the last number of each sender, and whether all was well.
  int64_t last[THREADS];
  uint32_t handled;
  bool is_out_of_order;
  bool is_initialized;
} office_t;

static weft_status_t receive(weft_context_t* context, void* state,
                             const weft_value_t* arguments,
                             weft_value_t* out_result) {
  (void)context;
  office_t* office = state;
  int64_t sender = arguments[0].as.int64;
  int64_t number = arguments[1].as.int64;
  office->is_out_of_order |= number <= office->last[sender];
  office->last[sender] = number;
  ++office->handled;
  *out_result = weft_int64(number);
  return WEFT_OK;
}

static const weft_parameter_t parameters[] = {
    {"sender", WEFT_KIND_INT64},
    {"number", WEFT_KIND_INT64},
};
static const weft_endpoint_t endpoints[] = {
    {"receive", receive, parameters, 2},
};
static const weft_class_t office_class = {
    "office", 1, stage_init, NULL, endpoints, 1,
};

static weft_status_t send_letter(office_t* office, size_t sender,
                                 size_t number) {
  letter_t* letter = &office->letters[sender][number];
  weft_value_t value = weft_int64((int64_t)number);
  weft_future_t* future = NULL;
  // Each thread has its own mixture.
  letter->argument =
      (argument_t)((number * (sender + 3) / 2 + number) % ARGUMENT_COUNT);
  if (letter->argument != ARGUMENT_PLAIN) {
    WEFT_RETURN_IF_ERROR(
        weft_promise_create(office->stage.runtime, &letter->promise, &future));
    value = weft_future_lend(future);
  }
  weft_status_t status = weft_call(
      office->stage.runtime, office->actor, 0,
      WEFT_ARGUMENTS(weft_int64((int64_t)sender), value), NULL, &letter->reply);
  weft_future_release(future);
  return status;
}

static void settle_letter(letter_t* letter, size_t number) {
  if (letter->argument == ARGUMENT_LATE) {
    weft_status_ignore(
        weft_promise_set(letter->promise, weft_int64((int64_t)number)));
  } else if (letter->argument == ARGUMENT_FAILING) {
    weft_status_ignore(weft_promise_fail(
        letter->promise,
        weft_status_make(WEFT_STATUS_DATA_LOSS, "letter %zu", number)));
  }
  weft_promise_release(letter->promise);
}

// Completes the arguments of every second sender, last letters first as far
// as they are sent.
static void settle_letters(office_t* office, size_t settler) {
  for (size_t sender = settler; sender < THREADS; sender += SETTLERS) {
    size_t settled = 0;
    while (settled < MESSAGES) {
      // Acquire: pairs with the release in `take_part`.
      size_t sent =
          atomic_load_explicit(&office->sent[sender], memory_order_acquire);
      for (size_t i = sent; i > settled; --i) {
        settle_letter(&office->letters[sender][i - 1], i - 1);
      }
      settled = sent;
      sched_yield();
    }
  }
}

static void take_part(size_t index, void* user) {
  office_t* office = user;
  if (index >= THREADS) {
    settle_letters(office, index - THREADS);
    return;
  }
  for (size_t i = 0; i < MESSAGES; ++i) {
    weft_status_ignore(send_letter(office, index, i));
    // Release: pairs with the acquire in `settle_letters`.
    atomic_store_explicit(&office->sent[index], (uint32_t)i + 1,
                          memory_order_release);
  }
}

// A letter whose argument failed ends with that failure, and with no other.
static void check_letter(const letter_t* letter, size_t number) {
  char text[32];
  weft_value_t value = weft_none();
  assert_non_null(letter->reply);
  weft_status_t status =
      weft_future_get(letter->reply, WEFT_TIME_INFINITE, &value);
  if (letter->argument == ARGUMENT_FAILING) {
    snprintf(text, sizeof(text), "letter %zu", number);
    weft_kit_assert_status_says(WEFT_STATUS_DATA_LOSS, text, status);
  } else {
    weft_kit_assert_ok(status);
    assert_int_equal(value.as.int64, number);
  }
  weft_future_release(letter->reply);
}

static void open_office(office_t* office) {
  memset(office, 0, sizeof(*office));
  for (uint32_t i = 0; i < THREADS; ++i) {
    office->last[i] = -1;
  }
  stage_open(&office->stage, &office_class);
  office->actor = stage_spawn(&office->stage, &office_class, office, NULL);
}

static void handlers_run_in_the_order_of_sending_whenever_arguments_come(
    void** state) {
  (void)state;
  static office_t office;
  for (uint64_t round = 0; round < weft_kit_amount(100); ++round) {
    open_office(&office);
    weft_kit_run_threads(THREADS + SETTLERS, take_part, &office);
    uint32_t expected = 0;
    for (size_t sender = 0; sender < THREADS; ++sender) {
      for (size_t i = 0; i < MESSAGES; ++i) {
        const letter_t* letter = &office.letters[sender][i];
        expected += letter->argument != ARGUMENT_FAILING ? 1 : 0;
        check_letter(letter, i);
      }
    }
    weft_kit_assert_ok(
        weft_runtime_stop(office.stage.runtime, WEFT_TIME_INFINITE));
    assert_false(office.is_out_of_order);
    assert_int_equal(office.handled, expected);
    stage_close(&office.stage);
  }
}

// --- Nobody else is held back -----------------------------------------------

static void ask_at_once(size_t index, void* user) {
  office_t* office = user;
  letter_t* letter = &office->letters[index][0];
  weft_status_ignore(
      weft_call(office->stage.runtime, office->actor, 0,
                WEFT_ARGUMENTS(weft_int64((int64_t)index), weft_int64(1)), NULL,
                &letter->reply));
  weft_status_ignore(weft_future_wait(letter->reply, WEFT_TIME_INFINITE));
}

static void a_message_that_waits_holds_back_its_own_sender_alone(void** state) {
  (void)state;
  static office_t office;
  open_office(&office);
  weft_promise_t* promise = NULL;
  weft_future_t* late = NULL;
  weft_future_t* first = NULL;
  weft_future_t* second = NULL;
  weft_kit_assert_ok(
      weft_promise_create(office.stage.runtime, &promise, &late));
  weft_kit_assert_ok(weft_call(
      office.stage.runtime, office.actor, 0,
      WEFT_ARGUMENTS(weft_int64(0), weft_future_lend(late)), NULL, &first));
  weft_kit_assert_ok(weft_call(office.stage.runtime, office.actor, 0,
                               WEFT_ARGUMENTS(weft_int64(0), weft_int64(7)),
                               NULL, &second));
  // All others are answered while the first message waits.
  weft_kit_run_threads(THREADS, ask_at_once, &office);
  assert_false(weft_future_is_done(first));
  assert_false(weft_future_is_done(second));
  office.last[0] = -1;
  weft_kit_assert_ok(weft_promise_set(promise, weft_int64(6)));
  weft_promise_release(promise);
  weft_future_release(late);
  assert_int_equal(stage_code_of(second), WEFT_STATUS_OK);
  assert_true(weft_future_is_done(first));
  assert_false(office.is_out_of_order);
  for (size_t i = 0; i < THREADS; ++i) {
    assert_int_equal(stage_code_of(office.letters[i][0].reply), WEFT_STATUS_OK);
    weft_future_release(office.letters[i][0].reply);
  }
  weft_future_release(first);
  weft_future_release(second);
  stage_close(&office.stage);
}

// --- Init -------------------------------------------------------------------

static weft_status_t late_init(weft_context_t* context, weft_value_t init,
                               void** out_state) {
  (void)context;
  void* pointer = NULL;
  const weft_value_t* values = NULL;
  size_t count = 0;
  if (weft_value_kind(init) != WEFT_KIND_LIST) {
    return weft_status_make(WEFT_STATUS_FAILED, "no office today");
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_list(init, &values, &count));
  WEFT_RETURN_IF_ERROR(stage_init(context, values[0], &pointer));
  office_t* office = pointer;
  office->is_initialized = true;
  *out_state = office;
  return WEFT_OK;
}

static weft_status_t read_init(weft_context_t* context, void* state,
                               const weft_value_t* arguments,
                               weft_value_t* out_result) {
  (void)context;
  (void)arguments;
  const office_t* office = state;
  *out_result = weft_bool(office->is_initialized);
  return WEFT_OK;
}

static const weft_endpoint_t late_endpoints[] = {
    {"read_init", read_init, NULL, 0},
};
static const weft_class_t late_class = {
    "late", 1, late_init, NULL, late_endpoints, 1,
};

static void call_new_actor(size_t index, void* user) {
  office_t* office = user;
  weft_status_ignore(weft_call(office->stage.runtime, office->actor, 0, NULL,
                               NULL, &office->letters[index][0].reply));
}

// Spawns with an init value that is not there yet, and calls at once from all
// sides.
static void spawn_late(office_t* office, weft_promise_t** out_promise) {
  weft_future_t* init = NULL;
  memset(office, 0, sizeof(*office));
  stage_open(&office->stage, &late_class);
  weft_kit_assert_ok(
      weft_promise_create(office->stage.runtime, out_promise, &init));
  weft_kit_assert_ok(weft_spawn(office->stage.runtime, &late_class,
                                weft_future_lend(init), NULL, &office->actor));
  weft_future_release(init);
  weft_kit_run_threads(THREADS, call_new_actor, office);
  for (size_t i = 0; i < THREADS; ++i) {
    assert_false(weft_future_is_done(office->letters[i][0].reply));
  }
}

static void a_new_actor_handles_its_init_first_even_if_that_is_late(
    void** state) {
  (void)state;
  static office_t office;
  weft_promise_t* promise = NULL;
  weft_value_t opaque = weft_none();
  weft_value_t list = weft_none();
  spawn_late(&office, &promise);
  const weft_allocator_t* allocator = &office.stage.memory.allocator;
  weft_kit_assert_ok(stage_state(&office.stage, &office, &opaque));
  weft_kit_assert_ok(weft_list_create(allocator, &opaque, 1, &list));
  weft_value_release(opaque);
  weft_kit_assert_ok(weft_promise_set(promise, list));
  weft_promise_release(promise);
  for (size_t i = 0; i < THREADS; ++i) {
    weft_future_t* reply = office.letters[i][0].reply;
    weft_value_t value = weft_none();
    weft_kit_assert_ok(weft_future_get(reply, WEFT_TIME_INFINITE, &value));
    assert_true(value.as.boolean);
    weft_future_release(reply);
  }
  stage_close(&office.stage);
}

static void an_init_that_fails_is_the_cause_that_all_callers_see(void** state) {
  (void)state;
  static office_t office;
  weft_promise_t* promise = NULL;
  spawn_late(&office, &promise);
  weft_kit_assert_ok(weft_promise_set(promise, weft_int64(1)));
  weft_promise_release(promise);
  for (size_t i = 0; i < THREADS; ++i) {
    weft_future_t* reply = office.letters[i][0].reply;
    weft_value_t value = weft_none();
    weft_kit_assert_status_says(
        WEFT_STATUS_ACTOR_EXITED, "no office today",
        weft_future_get(reply, WEFT_TIME_INFINITE, &value));
    weft_future_release(reply);
  }
  stage_close(&office.stage);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(
          handlers_run_in_the_order_of_sending_whenever_arguments_come),
      cmocka_unit_test(a_message_that_waits_holds_back_its_own_sender_alone),
      cmocka_unit_test(a_new_actor_handles_its_init_first_even_if_that_is_late),
      cmocka_unit_test(an_init_that_fails_is_the_cause_that_all_callers_see),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
