// SPDX-License-Identifier: Apache-2.0
//
// What is full or exhausted: windows, lanes, arenas, descriptors; a child that
// is forked; as many processes as one host may have; a tensor of 4 GB.

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "memory/memory.h"
#include "peer/peers.h"
#include "process/job.h"
#include "process/puppet.h"
#include "sys/sys.h"

#define PATIENT_NS INT64_C(100000000000)
static const weft_call_options_t patient = {.timeout_ns = PATIENT_NS};
static const weft_call_options_t hasty = {.try_only = true};

// --- Windows ----------------------------------------------------------------

// Sends until there is no room; how many there was room for.
static int64_t fill(weft_runtime_t* runtime, weft_actor_t actor) {
  int64_t count = 0;
  weft_status_t status = WEFT_OK;
  while (status == WEFT_OK) {
    status = weft_send(runtime, actor, PUPPET_NOTE,
                       WEFT_ARGUMENTS(weft_int64(count)), &hasty);
    count += status == WEFT_OK ? 1 : 0;
  }
  weft_kit_assert_status(WEFT_STATUS_WOULD_BLOCK, status);
  return count;
}

static size_t log_size(weft_runtime_t* runtime, weft_actor_t actor) {
  const weft_value_t* values;
  size_t count;
  weft_value_t log = puppet_ask(runtime, actor, PUPPET_LOG, NULL);
  weft_kit_assert_ok(weft_value_as_list(log, &values, &count));
  for (size_t i = 0; i < count; i++) {
    assert_int_equal(values[i].as.int64, i);
  }
  weft_value_release(log);
  return count;
}

static void a_slow_actor_stops_nobody_else(weft_runtime_t* runtime) {
  weft_actor_t slow = puppet_spawn(runtime, 1);
  weft_actor_t quick = puppet_spawn(runtime, 1);
  weft_actor_t other = puppet_spawn(runtime, 2);
  puppet_send(runtime, slow, PUPPET_GATE, NULL);
  int64_t sent = fill(runtime, slow);
  assert_true(sent >= 32 && sent <= 64);
  // With a deadline: it waits, and gives up.
  const weft_call_options_t soon = {.timeout_ns = 20000000};
  weft_kit_assert_status(WEFT_STATUS_DEADLINE_EXCEEDED,
                         weft_send(runtime, slow, PUPPET_NOTE,
                                   WEFT_ARGUMENTS(weft_int64(0)), &soon));
  // Others of that process answer, and it has room for others' messages.
  assert_int_equal(puppet_ask_int(runtime, quick, PUPPET_ADD,
                                  WEFT_ARGUMENTS(weft_int64(1), weft_int64(2))),
                   3);
  // In a handler without a deadline there is no waiting.
  weft_value_t list =
      puppet_ask(runtime, other, PUPPET_FLOOD,
                 WEFT_ARGUMENTS(weft_actor_value(slow), weft_int64(1000)));
  int64_t flooded = puppet_number_at(weft_value_retain(list), 0);
  assert_int_equal(puppet_number_at(list, 1), WEFT_STATUS_WOULD_BLOCK);
  assert_true(flooded >= 32 && flooded <= 64);
  puppet_tell(runtime, quick, PUPPET_OPEN, NULL);
  // This call waits for room.
  weft_value_t log;
  weft_future_t* future;
  const weft_value_t* values;
  size_t count = 0;
  weft_kit_assert_ok(
      weft_call(runtime, slow, PUPPET_LOG, NULL, &patient, &future));
  weft_kit_assert_ok(puppet_await(future, &log));
  weft_kit_assert_ok(weft_value_as_list(log, &values, &count));
  assert_true(count >= (size_t)sent);
  weft_value_release(log);
}

static void a_window_opens_again_and_again(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  int64_t total = process_is_slow() ? 2000 : 20000;
  for (int64_t i = 0; i < total; i++) {
    puppet_send(runtime, actor, PUPPET_NOTE, WEFT_ARGUMENTS(weft_int64(i)));
  }
  assert_int_equal(log_size(runtime, actor), total);
  // Ended actors and refused messages give their places back as well.
  puppet_tell(runtime, actor, PUPPET_STOP, WEFT_ARGUMENTS(weft_none()));
  puppet_expect_gone(runtime, actor);
  for (int i = 0; i < 500; i++) {
    weft_kit_assert_status(WEFT_STATUS_NOT_FOUND,
                           puppet_try(runtime, actor, PUPPET_NOTICES, NULL));
  }
}

// --- Both full --------------------------------------------------------------

typedef struct flooder {
  weft_runtime_t* runtime;
  weft_actor_t target;
  int64_t count;
  weft_value_t text;
} flooder_t;

// Threads that each send much to the same actor.
static void flood_from_thread(size_t index, void* user) {
  const flooder_t* flooder = user;
  for (int64_t i = 0; i < flooder->count; i++) {
    weft_status_t status = weft_send(
        flooder->runtime, flooder->target, PUPPET_ECHO,
        WEFT_ARGUMENTS(index % 2 == 0 ? flooder->text : weft_int64(i)),
        &patient);
    weft_kit_assert_ok(status);
  }
}

static void two_flood_each_other_from_handlers_and_threads(
    weft_runtime_t* runtime) {
  enum { PAIRS = 3 };
  int64_t count = process_is_slow() ? 300 : 3000;
  weft_actor_t here[PAIRS];
  weft_actor_t there[PAIRS];
  weft_future_t* floods[2 * PAIRS];
  for (size_t i = 0; i < PAIRS; i++) {
    here[i] = puppet_spawn(runtime, 0);
    there[i] = puppet_spawn(runtime, 1);
  }
  // Each of them sends to one that is itself in the middle of sending.
  for (size_t i = 0; i < PAIRS; i++) {
    weft_kit_assert_ok(
        weft_call(runtime, here[i], PUPPET_FLOOD,
                  WEFT_ARGUMENTS(weft_actor_value(there[(i + 1) % PAIRS]),
                                 weft_int64(count)),
                  NULL, &floods[2 * i]));
    weft_kit_assert_ok(
        weft_call(runtime, there[i], PUPPET_FLOOD,
                  WEFT_ARGUMENTS(weft_actor_value(here[i]), weft_int64(count)),
                  NULL, &floods[2 * i + 1]));
  }
  weft_actor_t echo = puppet_spawn(runtime, 1);
  flooder_t flooder = {runtime, echo, count, puppet_long_string(runtime, 5000)};
  weft_kit_run_threads(4, flood_from_thread, &flooder);
  weft_value_release(flooder.text);
  for (size_t i = 0; i < 2 * (size_t)PAIRS; i++) {
    weft_value_t list;
    weft_kit_assert_ok(puppet_await(floods[i], &list));
    // All, or as many as there was room for: a handler does not wait.
    int64_t sent = puppet_number_at(weft_value_retain(list), 0);
    int64_t code = puppet_number_at(list, 1);
    assert_true(sent == count || code == WEFT_STATUS_WOULD_BLOCK);
  }
  for (size_t i = 0; i < PAIRS; i++) {
    (void)log_size(runtime, here[i]);
    (void)log_size(runtime, there[i]);
  }
  puppet_expect_nothing_lent(runtime);
}

// Handlers that wait for room, each in the other process.
static void handlers_that_wait_for_each_others_room_do_not_lock(
    weft_runtime_t* runtime) {
  int64_t count = process_is_slow() ? 300 : 3000;
  weft_actor_t sink_here = puppet_spawn(runtime, 0);
  weft_actor_t sink_there = puppet_spawn(runtime, 1);
  weft_actor_t here = puppet_spawn(runtime, 0);
  weft_actor_t there = puppet_spawn(runtime, 1);
  weft_future_t* floods[2];
  weft_kit_assert_ok(
      weft_call(runtime, here, PUPPET_FLOOD,
                WEFT_ARGUMENTS(weft_actor_value(sink_there), weft_int64(count)),
                &patient, &floods[0]));
  weft_kit_assert_ok(
      weft_call(runtime, there, PUPPET_FLOOD,
                WEFT_ARGUMENTS(weft_actor_value(sink_here), weft_int64(count)),
                &patient, &floods[1]));
  for (int i = 0; i < 2; i++) {
    weft_value_t list;
    weft_kit_assert_ok(puppet_await(floods[i], &list));
    assert_int_equal(puppet_number_at(list, 0), count);
  }
  weft_value_t nothing;
  weft_kit_assert_ok(puppet_relay(runtime, here, sink_there, PUPPET_INIT,
                                  weft_none(), &nothing));
  weft_kit_assert_ok(puppet_relay(runtime, there, sink_here, PUPPET_INIT,
                                  weft_none(), &nothing));
  assert_int_equal(log_size(runtime, sink_here), count);
  assert_int_equal(log_size(runtime, sink_there), count);
}

// --- Exhausted --------------------------------------------------------------

#define ARENA_LIMIT (16 << 20)

static void limit_arena(weft_runtime_options_t* options) {
  options->arena_limit_bytes = ARENA_LIMIT;
}

static void an_arena_that_is_full_recovers(weft_runtime_t* runtime) {
  weft_actor_t actors[8];
  weft_value_t text = puppet_long_string(runtime, 3 << 20);
  weft_status_t status = WEFT_OK;
  int held = 0;
  // Each keeps a copy that lies in this arena.
  while (status == WEFT_OK && held < 8) {
    actors[held] = puppet_spawn(runtime, 1);
    weft_value_t tensor = puppet_tensor(runtime, 3 << 18, false);
    status =
        puppet_try(runtime, actors[held], PUPPET_KEEP, WEFT_ARGUMENTS(tensor));
    weft_value_release(tensor);
    held += status == WEFT_OK ? 1 : 0;
  }
  assert_true(held > 0 && held < 8);
  weft_kit_assert_status(WEFT_STATUS_RESOURCE_EXHAUSTED, status);
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      puppet_try(runtime, actors[0], PUPPET_ECHO, WEFT_ARGUMENTS(text)));
  // Small things need none of it.
  assert_int_equal(puppet_ask_int(runtime, actors[0], PUPPET_NOTICES, NULL), 0);
  // Results that find no room there are errors, too.
  weft_kit_assert_status(
      WEFT_STATUS_RESOURCE_EXHAUSTED,
      puppet_try(runtime, actors[0], PUPPET_TENSOR,
                 WEFT_ARGUMENTS(weft_int64(5 << 20), weft_bool(false))));
  for (int i = 0; i < held; i++) {
    puppet_tell(runtime, actors[i], PUPPET_FORGET, NULL);
  }
  puppet_expect_nothing_lent(runtime);
  weft_value_t back =
      puppet_ask(runtime, actors[0], PUPPET_ECHO, WEFT_ARGUMENTS(text));
  assert_true(weft_value_equal(back, text));
  weft_value_release(back);
  weft_value_release(text);
}

static void set_file_limit(rlim_t count) {
  struct rlimit limit;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = count;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void a_process_without_descriptors_goes_on(weft_runtime_t* runtime) {
  weft_actor_t known = puppet_spawn(runtime, 1);
  weft_value_t tensor = puppet_tensor(runtime, 5000, true);
  struct rlimit before;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
  // All that are open, and none more; then a few.
  int free_number = dup(0);
  assert_true(free_number >= 0);
  (void)close(free_number);
  weft_actor_t actor;
  weft_spawn_options_t options = {.place = 2};
  set_file_limit(3);
  for (rlim_t extra = 0; extra < 4; extra++) {
    weft_kit_assert_status_says(
        WEFT_STATUS_RESOURCE_EXHAUSTED, "(ulimit -n)",
        weft_spawn(runtime, &puppet_class, weft_none(), &options, &actor));
    set_file_limit((rlim_t)free_number + extra);
  }
  assert_int_equal(
      puppet_ask_int(runtime, known, PUPPET_SUM, WEFT_ARGUMENTS(tensor)),
      puppet_sum_of(5000));
  set_file_limit(before.rlim_cur);
  assert_int_equal(
      puppet_ask_int(runtime, known, PUPPET_SUM, WEFT_ARGUMENTS(tensor)),
      puppet_sum_of(5000));
  weft_value_release(tensor);
  weft_kit_assert_ok(
      weft_spawn(runtime, &puppet_class, weft_none(), &options, &actor));
}

// The limit of another process; what it was before is given.
static rlim_t change_file_limit(pid_t process, rlim_t count) {
  struct rlimit limit;
  assert_int_equal(prlimit(process, RLIMIT_NOFILE, NULL, &limit), 0);
  rlim_t before = limit.rlim_cur;
  limit.rlim_cur = count;
  assert_int_equal(prlimit(process, RLIMIT_NOFILE, &limit, NULL), 0);
  return before;
}

static void one_without_descriptors_is_out_of_reach_for_now(
    weft_runtime_t* runtime) {
  weft_actor_t poor = puppet_spawn(runtime, 1);
  weft_actor_t asker = puppet_spawn(runtime, 2);
  weft_value_t tensor = puppet_tensor(runtime, 5000, true);
  weft_value_t sum = weft_none();
  pid_t process = (pid_t)puppet_process(runtime, poor);
  rlim_t before = change_file_limit(process, 3);
  for (int i = 0; i < 3; i++) {
    weft_status_t status =
        puppet_relay(runtime, asker, poor, PUPPET_ECHO, weft_int64(i), &sum);
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED, "rank 1",
                                weft_status_retain(status));
    weft_kit_assert_status_says(WEFT_STATUS_RESOURCE_EXHAUSTED,
                                "raise its limit (ulimit -n)", status);
  }
  (void)change_file_limit(process, before);
  weft_kit_assert_ok(
      puppet_relay(runtime, asker, poor, PUPPET_SUM, tensor, &sum));
  weft_value_release(sum);
  weft_value_release(tensor);
}

// Rank 1 waits for what rank 0 never answers.
static void calls_that_wait_are_bounded_for_each_rank(weft_runtime_t* runtime) {
  enum { LIMIT = 4 };
  weft_future_t* calls[LIMIT];
  weft_actor_t holder = puppet_spawn(runtime, 0);
  weft_actor_t caller = puppet_spawn(runtime, 1);
  const weft_value_t ask[] = {weft_actor_value(holder), weft_int64(PUPPET_HOLD),
                              weft_none()};
  // Those that are on their way back are waited for.
  puppet_tell(runtime, caller, PUPPET_SPAWN, WEFT_ARGUMENTS(weft_int64(0)));
  weft_peers_of(runtime)->waiting_limit = LIMIT;
  for (int i = 0; i < LIMIT; i++) {
    calls[i] = puppet_call(runtime, caller, PUPPET_FORWARD,
                           WEFT_ARGUMENTS(ask[0], ask[1], ask[2]));
  }
  weft_kit_assert_status_says(
      WEFT_STATUS_RESOURCE_EXHAUSTED, "rank 1 has 4 calls here that wait",
      puppet_try(runtime, caller, PUPPET_FORWARD,
                 WEFT_ARGUMENTS(ask[0], ask[1], ask[2])));
  for (int i = 0; i < LIMIT; i++) {
    puppet_tell(runtime, holder, PUPPET_ANSWER, WEFT_ARGUMENTS(weft_int64(i)));
    weft_kit_assert_ok(puppet_end(calls[i]));
  }
  puppet_tell(runtime, caller, PUPPET_SPAWN, WEFT_ARGUMENTS(weft_int64(0)));
}

// Linked before, so only what is lent finds no room there.
static void a_loan_that_finds_no_descriptor_fails_alone(
    weft_runtime_t* runtime) {
  weft_actor_t poor = puppet_spawn(runtime, 1);
  pid_t process = (pid_t)puppet_process(runtime, poor);
  weft_value_t tensor = puppet_tensor(runtime, 5000, true);
  rlim_t before = change_file_limit(process, 3);
  for (int i = 0; i < 3; i++) {
    weft_kit_assert_status_says(
        WEFT_STATUS_RESOURCE_EXHAUSTED, "raise its limit (ulimit -n)",
        puppet_try(runtime, poor, PUPPET_SUM, WEFT_ARGUMENTS(tensor)));
    puppet_expect_nothing_lent(runtime);
  }
  (void)change_file_limit(process, before);
  assert_int_equal(
      puppet_ask_int(runtime, poor, PUPPET_SUM, WEFT_ARGUMENTS(tensor)),
      puppet_sum_of(5000));
  weft_value_release(tensor);
}

static void a_launcher_without_descriptors_refuses_for_now(
    weft_runtime_t* runtime) {
  weft_actor_t actor;
  weft_spawn_options_t options = {.place = 1};
  rlim_t before = change_file_limit(getppid(), 3);
  for (int i = 0; i < 3; i++) {
    weft_kit_assert_status_says(
        WEFT_STATUS_RESOURCE_EXHAUSTED, "raise the limit of open files",
        weft_spawn(runtime, &puppet_class, weft_none(), &options, &actor));
  }
  (void)change_file_limit(getppid(), before);
  weft_kit_assert_ok(
      weft_spawn(runtime, &puppet_class, weft_none(), &options, &actor));
}

// --- Forked -----------------------------------------------------------------

static void in_child(weft_runtime_t* runtime, weft_actor_t actor,
                     weft_value_t tensor) {
  weft_future_t* future = NULL;
  weft_status_t status =
      weft_call(runtime, actor, PUPPET_NOTICES, NULL, NULL, &future);
  if (status == WEFT_OK) {
    status = puppet_end(future);
  }
  weft_kit_assert_status(WEFT_STATUS_FORKED, status);
  weft_actor_t other;
  const weft_spawn_options_t options = {.place = 1};
  weft_kit_assert_status(
      WEFT_STATUS_FORKED,
      weft_spawn(runtime, &puppet_class, weft_none(), &options, &other));
  weft_value_release(tensor);
  weft_runtime_destroy(runtime);
}

// The allocator of the kit has a lock, which another thread may hold when this
// one forks.
static void use_heap(weft_runtime_options_t* options) {
  options->allocator = NULL;
}

static void a_forked_child_disturbs_nobody(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_value_t tensor =
      puppet_ask(runtime, actor, PUPPET_TENSOR,
                 WEFT_ARGUMENTS(weft_int64(5000), weft_bool(true)));
  weft_future_t* held = puppet_call(runtime, actor, PUPPET_HOLD, NULL);
  for (int i = 0; i < 3; i++) {
    (void)fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      if (i > 0) {
        in_child(runtime, actor, weft_value_retain(tensor));
      }
      // The last one leaves through the exit handlers; that of a sanitizer
      // takes for lost what only the parent's threads know of.
      if (i == 2 && !process_is_slow()) {
        exit(0);
      }
      _exit(0);
    }
    int how = 0;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    assert_int_equal(
        puppet_ask_int(runtime, actor, PUPPET_SUM, WEFT_ARGUMENTS(tensor)),
        puppet_sum_of(5000));
    assert_false(weft_future_is_done(held));
  }
  puppet_tell(runtime, actor, PUPPET_ANSWER, WEFT_ARGUMENTS(weft_int64(1)));
  weft_kit_assert_ok(puppet_end(held));
  weft_value_release(tensor);
}

// --- Large ------------------------------------------------------------------

static void all_of_many_processes_call_all(weft_runtime_t* runtime) {
  uint32_t size = weft_runtime_size(runtime);
  weft_actor_t actors[PROCESS_RANK_LIMIT];
  weft_future_t* calls[PROCESS_RANK_LIMIT];
  for (uint32_t i = 0; i < size; i++) {
    actors[i] = puppet_spawn(runtime, i);
  }
  // In every round each of them calls another one.
  for (uint32_t round = 1; round < size; round++) {
    for (uint32_t i = 0; i < size; i++) {
      calls[i] = puppet_call(
          runtime, actors[i], PUPPET_FORWARD,
          WEFT_ARGUMENTS(weft_actor_value(actors[(i + round) % size]),
                         weft_int64(PUPPET_ECHO), weft_int64(i)));
    }
    for (uint32_t i = 0; i < size; i++) {
      weft_value_t value;
      weft_kit_assert_ok(puppet_await(calls[i], &value));
      assert_true(weft_value_equal(value, weft_int64(i)));
    }
  }
}

// More than one has with a byte; each with its neighbours and with rank 0.
static void a_job_may_have_more_ranks_than_a_byte_counts(
    weft_runtime_t* runtime) {
  uint32_t size = weft_runtime_size(runtime);
  weft_actor_t actors[PROCESS_RANK_LIMIT];
  weft_future_t* calls[PROCESS_RANK_LIMIT];
  for (uint32_t i = 0; i < size; i++) {
    actors[i] = puppet_spawn(runtime, i);
  }
  for (uint32_t step = 0; step < 3; step++) {
    for (uint32_t i = 0; i < size; i++) {
      // Rank 0, the one before, the one behind.
      uint32_t to = step == 0 ? 0 : (i + (step == 1 ? size - 1 : 1)) % size;
      calls[i] =
          puppet_call(runtime, actors[i], PUPPET_FORWARD,
                      WEFT_ARGUMENTS(weft_actor_value(actors[to]),
                                     weft_int64(PUPPET_ECHO), weft_int64(i)));
    }
    for (uint32_t i = 0; i < size; i++) {
      weft_value_t value;
      weft_kit_assert_ok(puppet_await(calls[i], &value));
      assert_true(weft_value_equal(value, weft_int64(i)));
    }
  }
}

static void one_worker(weft_runtime_options_t* options) {
  options->worker_count = 1;
}

static void launch_unless_slow(const process_test_t* test) {
  if (process_is_slow()) {
    skip();
  }
  process_run(test, 0, NULL);
}

#define HUGE_BYTES (INT64_C(4) << 30)

static int64_t available_bytes(void) {
  FILE* file = fopen("/proc/meminfo", "re");
  char line[200];
  long long kib = 0;
  assert_non_null(file);
  while (fgets(line, sizeof(line), file) != NULL &&
         sscanf(line, "MemAvailable: %lld", &kib) != 1) {
  }
  (void)fclose(file);
  return kib * 1024;
}

static void launch_with_memory(const process_test_t* test) {
  if (process_is_slow() || available_bytes() < INT64_C(10) << 30) {
    skip();
  }
  process_run(test, 0, NULL);
}

static void take_large_arena(weft_runtime_options_t* options) {
  options->arena_limit_bytes = HUGE_BYTES + (1 << 30);
}

static void a_tensor_of_4_gb_is_lent(weft_runtime_t* runtime) {
  weft_actor_t actor = puppet_spawn(runtime, 1);
  weft_tensor_t* tensor;
  weft_tensor_t* end;
  void* data;
  const int64_t count = HUGE_BYTES / 4 + 10;
  weft_kit_assert_ok(
      weft_tensor_create_shared(runtime, WEFT_INT32, 1, &count, &tensor));
  weft_kit_assert_ok(weft_tensor_mutable_data(tensor, &data));
  for (int64_t i = count - 1000; i < count; i++) {
    ((int32_t*)data)[i] = 7;
  }
  weft_value_t whole = weft_tensor_into_value(tensor);
  puppet_tell(runtime, actor, PUPPET_KEEP, WEFT_ARGUMENTS(whole));
  weft_kit_assert_ok(weft_tensor_slice(tensor, 0, count - 1000, count, &end));
  weft_value_t view = weft_tensor_into_value(end);
  assert_int_equal(
      puppet_ask_int(runtime, actor, PUPPET_SUM, WEFT_ARGUMENTS(view)), 7000);
  assert_true(puppet_own_figures(runtime).of[FIGURE_LENT_BYTES] >= HUGE_BYTES);
  assert_int_equal(puppet_own_figures(runtime).of[FIGURE_BYTES_COPIED], 0);
  weft_value_t back = puppet_ask(runtime, actor, PUPPET_KEPT, NULL);
  const weft_tensor_t* came;
  weft_kit_assert_ok(weft_value_as_tensor(back, &came));
  assert_int_equal(weft_tensor_element_count(came), count);
  weft_value_release(back);
  puppet_tell(runtime, actor, PUPPET_FORGET, NULL);
  puppet_expect_nothing_lent(runtime);
  weft_value_release(view);
  weft_value_release(whole);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      PROCESS_TEST(a_slow_actor_stops_nobody_else, 3),
      PROCESS_TEST(a_window_opens_again_and_again, 2),
      PROCESS_TEST(two_flood_each_other_from_handlers_and_threads, 2),
      PROCESS_TEST(handlers_that_wait_for_each_others_room_do_not_lock, 2),
      {.name = "an_arena_that_is_full_recovers",
       .size = 2,
       .run = an_arena_that_is_full_recovers,
       .prepare = limit_arena},
      PROCESS_TEST(a_process_without_descriptors_goes_on, 3),
      PROCESS_TEST(one_without_descriptors_is_out_of_reach_for_now, 3),
      PROCESS_TEST(a_loan_that_finds_no_descriptor_fails_alone, 2),
      PROCESS_TEST(calls_that_wait_are_bounded_for_each_rank, 2),
      PROCESS_TEST(a_launcher_without_descriptors_refuses_for_now, 2),
      {.name = "a_forked_child_disturbs_nobody",
       .size = 2,
       .run = a_forked_child_disturbs_nobody,
       .prepare = use_heap},
      {.name = "all_of_many_processes_call_all",
       .size = 64,
       .run = all_of_many_processes_call_all,
       .prepare = one_worker,
       .launch = launch_unless_slow},
      {.name = "a_job_may_have_more_ranks_than_a_byte_counts",
       .size = PROCESS_RANK_LIMIT,
       .run = a_job_may_have_more_ranks_than_a_byte_counts,
       .prepare = one_worker,
       .launch = launch_unless_slow},
      {.name = "a_tensor_of_4_gb_is_lent",
       .size = 2,
       .run = a_tensor_of_4_gb_is_lent,
       .prepare = take_large_arena,
       .launch = launch_with_memory},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
