// SPDX-License-Identifier: Apache-2.0
//
// Plain threads that wait for another process: for the link, for room, until
// their deadlines, until its death.

#include "process/job.h"
#include "process/puppet.h"

#define THREADS 8
#define PATIENT_NS INT64_C(100000000000)

// What each thread does: sends numbers to an actor, and how that ends.
typedef struct crew {
  weft_runtime_t* runtime;
  weft_actor_t actor;
  int64_t count;
  int64_t timeout_ns;
  weft_status_code_t codes[THREADS];
  // Of those that were sent.
  int64_t sent[THREADS];
} crew_t;

// Thread 3 sends 3 * count, 3 * count + 1, ...
static void send_numbers(size_t index, void* user) {
  crew_t* crew = user;
  const weft_call_options_t options = {.timeout_ns = crew->timeout_ns};
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK && crew->sent[index] < crew->count) {
    int64_t number = (int64_t)index * crew->count + crew->sent[index];
    status = weft_send(crew->runtime, crew->actor, PUPPET_NOTE,
                       WEFT_ARGUMENTS(weft_int64(number)), &options);
    crew->sent[index] += status == WEFT_OK ? 1 : 0;
  }
  crew->codes[index] = weft_status_ignore(status);
}

static void open_crew(crew_t* crew, weft_runtime_t* runtime, int64_t count,
                      int64_t timeout_ns) {
  *crew = (crew_t){
      .runtime = runtime,
      .actor = puppet_spawn(runtime, 1),
      .count = count,
      .timeout_ns = timeout_ns,
  };
}

// What has come is all that was sent, of each thread in its order.
static void check_log(const crew_t* crew) {
  const weft_value_t* values;
  size_t count;
  int64_t next[THREADS] = {0};
  weft_value_t log = puppet_ask(crew->runtime, crew->actor, PUPPET_LOG, NULL);
  weft_kit_assert_ok(weft_value_as_list(log, &values, &count));
  for (size_t i = 0; i < count; i++) {
    int64_t index = values[i].as.int64 / crew->count;
    assert_in_range(index, 0, THREADS - 1);
    assert_int_equal(values[i].as.int64 % crew->count, next[index]++);
  }
  weft_value_release(log);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(next[i], crew->sent[i]);
  }
}

// Sends, while the actor stands still, until there is no room.
static void fill(const crew_t* crew) {
  const weft_call_options_t hasty = {.try_only = true};
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK) {
    status = weft_send(crew->runtime, crew->actor, PUPPET_INIT, NULL, &hasty);
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, status);
}

// One thread more lets the actor go on.
static void send_or_open(size_t index, void* user) {
  crew_t* crew = user;
  if (index < THREADS) {
    send_numbers(index, user);
  } else {
    fill(crew);
    puppet_tell(crew->runtime, puppet_spawn(crew->runtime, 1), PUPPET_OPEN,
                NULL);
  }
}

static void threads_that_wait_for_room_get_it(weft_runtime_t* runtime) {
  crew_t crew;
  open_crew(&crew, runtime, process_is_slow() ? 100 : 1000, PATIENT_NS);
  puppet_send(runtime, crew.actor, PUPPET_GATE, NULL);
  weft_kit_run_threads(THREADS + 1, send_or_open, &crew);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(crew.codes[i], WEFT_STATUS_OK);
  }
  check_log(&crew);
}

static void threads_that_wait_for_room_have_their_deadlines(
    weft_runtime_t* runtime) {
  crew_t crew;
  open_crew(&crew, runtime, 1000, INT64_C(20000000));
  puppet_send(runtime, crew.actor, PUPPET_GATE, NULL);
  fill(&crew);
  weft_kit_run_threads(THREADS, send_numbers, &crew);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(crew.codes[i], WEFT_STATUS_DEADLINE_EXCEEDED);
    assert_int_equal(crew.sent[i], 0);
  }
  puppet_tell(runtime, puppet_spawn(runtime, 1), PUPPET_OPEN, NULL);
  check_log(&crew);
}

// One thread more kills the process.
static void send_or_kill(size_t index, void* user) {
  crew_t* crew = user;
  if (index < THREADS) {
    send_numbers(index, user);
  } else {
    fill(crew);
    puppet_kill(crew->runtime, puppet_spawn(crew->runtime, 1));
  }
}

static void threads_that_wait_for_room_hear_of_the_death(
    weft_runtime_t* runtime) {
  crew_t crew;
  open_crew(&crew, runtime, 1000, PATIENT_NS);
  puppet_send(runtime, crew.actor, PUPPET_GATE, NULL);
  weft_kit_run_threads(THREADS + 1, send_or_kill, &crew);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(crew.codes[i], WEFT_STATUS_PEER_DIED);
  }
}

// All ranks at once, to none of which there is a link.
static void call_all(size_t index, void* user) {
  weft_runtime_t* runtime = user;
  for (uint32_t i = 0; i < weft_runtime_size(runtime); i++) {
    uint32_t place = (uint32_t)(i + index) % weft_runtime_size(runtime);
    assert_int_equal(
        puppet_ask_int(runtime, puppet_spawn(runtime, place), PUPPET_ADD,
                       WEFT_ARGUMENTS(weft_int64(1), weft_int64(2))),
        3);
  }
}

static void threads_wait_for_one_link_together(weft_runtime_t* runtime) {
  weft_kit_run_threads(THREADS, call_all, runtime);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(threads_that_wait_for_room_get_it, 2),
      PROCESS_TEST(threads_that_wait_for_room_have_their_deadlines, 2),
      PROCESS_TEST_OF_DEATH(threads_that_wait_for_room_hear_of_the_death, 2, 2),
      PROCESS_TEST(threads_wait_for_one_link_together, 6),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
