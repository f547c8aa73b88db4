// SPDX-License-Identifier: Apache-2.0
//
// Two processes that fill each other's lanes, in both directions, while
// allocations fail in both. What fails says so; everything ends; and when there
// is memory again all goes on.

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "process/job.h"
#include "process/puppet.h"
#include "sys/sys.h"

#define FLOODERS 4
#define BATCH 50
static const weft_call_options_t patient = {.timeout_ns =
                                                INT64_C(100000000000)};

// --- Memory that fails ------------------------------------------------------

static weft_kit_allocator_t* own_memory;
static pthread_t starver;
static _Atomic bool is_fed;

static void note_memory(weft_runtime_options_t* options) {
  own_memory = options->allocator->self;
}

static uint64_t failed_count(void) {
  pthread_mutex_lock(&own_memory->lock);
  uint64_t count = own_memory->failed;
  pthread_mutex_unlock(&own_memory->lock);
  return count;
}

// Some allocations fail, one or many at a time.
static void* starve(void* user) {
  weft_kit_random_t random;
  (void)user;
  weft_kit_random_init(&random, process_rank());
  // Relaxed: nothing is handed over.
  uint64_t wanted = 0;
  while (!atomic_load_explicit(&is_fed, memory_order_relaxed)) {
    if (failed_count() >= wanted) {
      wanted = 1 + weft_kit_random_below(&random, 50);
      weft_kit_allocator_fail(own_memory, weft_kit_random_below(&random, 50),
                              wanted);
    }
    weft_sys_yield();
  }
  weft_kit_allocator_fail(own_memory, 0, 0);
  return NULL;
}

static void begin_starving(void) {
  weft_kit_allocator_fail(own_memory, 10, 20);
  assert_int_equal(pthread_create(&starver, NULL, starve, NULL), 0);
}

static void end_starving(void) {
  // Relaxed: nothing is handed over.
  atomic_store_explicit(&is_fed, true, memory_order_relaxed);
  assert_int_equal(pthread_join(starver, NULL), 0);
}

// --- The flood --------------------------------------------------------------

typedef struct flood {
  weft_runtime_t* runtime;
  weft_actor_t target;
  weft_value_t text;
  weft_value_t tensor;
  int64_t rounds;
} flood_t;

// What failed.
static _Atomic uint64_t starved_count;

static void expect_starved(weft_status_t status) {
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  if (code == WEFT_STATUS_RESOURCE_EXHAUSTED) {
    // Relaxed: a count.
    atomic_fetch_add_explicit(&starved_count, 1, memory_order_relaxed);
  } else {
    weft_kit_assert_ok(weft_status_retain(status));
  }
  weft_status_release(status);
}

static void flood_from_thread(size_t index, void* user) {
  const flood_t* flood = user;
  const weft_value_t values[] = {flood->text, weft_int64(7), flood->tensor};
  weft_future_t* calls[BATCH];
  for (int64_t round = 0; round < flood->rounds; round++) {
    int count = 0;
    for (size_t i = 0; i < BATCH; i++) {
      weft_status_t status = weft_call(
          flood->runtime, flood->target, PUPPET_ECHO,
          WEFT_ARGUMENTS(values[(i + index) % 3]), &patient, &calls[count]);
      count += status == WEFT_OK ? 1 : 0;
      expect_starved(status);
    }
    while (count > 0) {
      expect_starved(puppet_end(calls[--count]));
    }
  }
}

// Makes what is sent. The segments of each other are known from then on: who
// finds no memory to note a new one closes the link.
static void open_flood(flood_t* flood, weft_runtime_t* runtime,
                       weft_actor_t target) {
  *flood = (flood_t){
      .runtime = runtime,
      .target = target,
      .text = puppet_long_string(runtime, 5000),
      .tensor = puppet_tensor(runtime, 5000, true),
      .rounds = process_is_slow() ? 2 : 20,
  };
  puppet_tell(runtime, target, PUPPET_ECHO, WEFT_ARGUMENTS(flood->text));
  puppet_tell(runtime, target, PUPPET_ECHO, WEFT_ARGUMENTS(flood->tensor));
}

static void play_flood(flood_t* flood) {
  begin_starving();
  weft_kit_run_threads(FLOODERS, flood_from_thread, flood);
  end_starving();
  // Relaxed: the threads have ended.
  assert_true(atomic_load_explicit(&starved_count, memory_order_relaxed) > 0);
  weft_value_release(flood->text);
  weft_value_release(flood->tensor);
}

// --- The ranks --------------------------------------------------------------

static bool was_starved(weft_status_t status) {
  bool is_so = weft_status_code(weft_status_root(status)) ==
               WEFT_STATUS_RESOURCE_EXHAUSTED;
  if (is_so) {
    weft_status_release(status);
  }
  return is_so;
}

// The other one may still be without memory.
static weft_actor_t await_name(weft_runtime_t* runtime, const char* name) {
  weft_future_t* found;
  weft_value_t value = weft_none();
  weft_actor_t actor;
  weft_status_t status;
  do {
    status = weft_actor_lookup(runtime, name, WEFT_TIME_INFINITE, &found);
    status = status == WEFT_OK ? puppet_await(found, &value) : status;
  } while (was_starved(status));
  weft_kit_assert_ok(status);
  weft_kit_assert_ok(weft_value_as_actor(value, &actor));
  return actor;
}

// The same. The answer may be what is lost.
static void register_at_last(weft_runtime_t* runtime, const char* name,
                             weft_actor_t actor) {
  weft_status_t status = weft_actor_register(runtime, name, actor);
  bool may_be_named = false;
  while (was_starved(status)) {
    may_be_named = true;
    status = weft_actor_register(runtime, name, actor);
  }
  if (may_be_named && weft_status_code(status) == WEFT_STATUS_ALREADY_EXISTS) {
    weft_status_release(status);
    status = WEFT_OK;
  }
  weft_kit_assert_ok(status);
}

static void two_that_are_full_outlive_a_lack_of_memory(
    weft_runtime_t* runtime) {
  flood_t flood;
  weft_actor_t there = puppet_spawn(runtime, 1);
  open_flood(&flood, runtime, there);
  weft_actor_t here = puppet_spawn(runtime, 0);
  weft_kit_assert_ok(weft_actor_register(runtime, "flooded", here));
  (void)await_name(runtime, "ready");
  play_flood(&flood);
  (void)await_name(runtime, "done");
  for (int i = 0; i < 100; i++) {
    assert_int_equal(
        puppet_ask_int(runtime, there, PUPPET_ADD,
                       WEFT_ARGUMENTS(weft_int64(1), weft_int64(2))),
        3);
  }
  puppet_expect_nothing_lent(runtime);
}

static void flood_and_serve(weft_runtime_t* runtime) {
  flood_t flood;
  weft_actor_t own = puppet_spawn(runtime, 1);
  open_flood(&flood, runtime, await_name(runtime, "flooded"));
  weft_kit_assert_ok(weft_actor_register(runtime, "ready", own));
  play_flood(&flood);
  register_at_last(runtime, "done", own);
  weft_kit_assert_ok(weft_runtime_serve(runtime));
}

// --- Ends of actors of one without memory -----------------------------------

#define ACTORS 200

static void spawn_actors(weft_runtime_t* runtime, weft_actor_t actors[ACTORS]) {
  for (int i = 0; i < ACTORS; i++) {
    actors[i] = puppet_spawn(runtime, 1);
  }
}

static void name_of(int64_t number, char text[32]) {
  (void)snprintf(text, 32, "name %lld", (long long)number);
}

static void expect_named(weft_runtime_t* runtime, const char* name,
                         weft_actor_t actor) {
  weft_actor_t found = await_name(runtime, name);
  assert_int_equal(found.rank, actor.rank);
  assert_int_equal(found.index, actor.index);
}

// Each allocation of registering fails once.
static void register_without(weft_runtime_t* runtime, weft_actor_t actor) {
  bool has_failed = true;
  for (uint64_t after = 0; has_failed; after++) {
    weft_kit_allocator_fail(own_memory, after, 1);
    weft_status_t status = weft_actor_register(runtime, "lean", actor);
    has_failed = failed_count() > 0;
    weft_kit_allocator_fail(own_memory, 0, 0);
    if (was_starved(status)) {
      status = weft_actor_register(runtime, "lean", actor);
    }
    weft_kit_assert_ok(status);
    expect_named(runtime, "lean", actor);
    weft_kit_assert_ok(weft_actor_unregister(runtime, "lean"));
  }
}

// What was said to be registered is, whoever had no memory meanwhile.
static void a_name_without_memory_is_refused_or_holds(weft_runtime_t* runtime) {
  bool is_named[ACTORS];
  weft_actor_t named[ACTORS];
  char text[32];
  spawn_actors(runtime, named);
  register_without(runtime, named[0]);
  weft_kit_assert_ok(weft_actor_register(runtime, "spawned", named[0]));
  (void)await_name(runtime, "starving");
  for (int64_t i = 0; i < ACTORS; i++) {
    name_of(i, text);
    weft_status_t status = weft_actor_register(runtime, text, named[i]);
    is_named[i] = !was_starved(status);
    weft_kit_assert_ok(is_named[i] ? status : WEFT_OK);
  }
  weft_kit_assert_ok(weft_actor_register(runtime, "fed", named[0]));
  (void)await_name(runtime, "done");
  for (int64_t i = 0; i < ACTORS; i++) {
    name_of(i, text);
    if (is_named[i]) {
      expect_named(runtime, text, named[i]);
    }
  }
}

// A puppet keeps so many notices.
#define WATCHERS (ACTORS / 50)

// Watching needs memory there, too: who has none has not seen an end.
static void who_is_watched_without_memory_lives(weft_runtime_t* runtime) {
  weft_actor_t watched[ACTORS];
  weft_actor_t watchers[WATCHERS];
  int64_t counts[WATCHERS] = {0};
  spawn_actors(runtime, watched);
  for (int i = 0; i < WATCHERS; i++) {
    watchers[i] = puppet_spawn(runtime, 0);
  }
  weft_kit_assert_ok(weft_actor_register(runtime, "spawned", watchers[0]));
  (void)await_name(runtime, "starving");
  for (int i = 0; i < ACTORS; i++) {
    weft_status_t status =
        puppet_try(runtime, watchers[i % WATCHERS], PUPPET_MONITOR,
                   WEFT_ARGUMENTS(weft_actor_value(watched[i])));
    bool is_watched = !was_starved(status);
    weft_kit_assert_ok(is_watched ? status : WEFT_OK);
    counts[i % WATCHERS] += is_watched;
  }
  weft_kit_assert_ok(weft_actor_register(runtime, "fed", watchers[0]));
  (void)await_name(runtime, "done");
  for (int i = 0; i < WATCHERS; i++) {
    assert_int_equal(puppet_ask_int(runtime, watchers[i], PUPPET_NOTICES, NULL),
                     0);
  }
  for (int i = 0; i < ACTORS; i++) {
    weft_kit_assert_ok(
        weft_actor_stop(runtime, watched[i], WEFT_STOP_NOW, WEFT_OK));
  }
  for (int i = 0; i < WATCHERS; i++) {
    puppet_expect(runtime, watchers[i], PUPPET_NOTICES, counts[i]);
  }
}

static void starve_and_serve(weft_runtime_t* runtime) {
  weft_actor_t own = puppet_spawn(runtime, 1);
  (void)await_name(runtime, "spawned");
  weft_kit_assert_ok(weft_actor_register(runtime, "starving", own));
  begin_starving();
  (void)await_name(runtime, "fed");
  end_starving();
  weft_kit_assert_ok(weft_actor_register(runtime, "done", own));
  weft_kit_assert_ok(weft_runtime_serve(runtime));
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "two_that_are_full_outlive_a_lack_of_memory",
       .size = 2,
       .run = two_that_are_full_outlive_a_lack_of_memory,
       .serve = flood_and_serve,
       .prepare = note_memory},
      {.name = "a_name_without_memory_is_refused_or_holds",
       .size = 2,
       .run = a_name_without_memory_is_refused_or_holds,
       .serve = starve_and_serve,
       .prepare = note_memory},
      {.name = "who_is_watched_without_memory_lives",
       .size = 2,
       .run = who_is_watched_without_memory_lives,
       .serve = starve_and_serve,
       .prepare = note_memory},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
