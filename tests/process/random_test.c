// SPDX-License-Identifier: Apache-2.0
//
// Processes that are killed at random, while all of them call each other. What
// has nothing to do with the dead comes out as it should; everything else ends,
// with the death as its cause; nothing is left of the dead in the end.
//
//   WEFT_TEST_SEED=N  this job alone

#include <signal.h>
#include <stdio.h>

#include "process/job.h"
#include "process/puppet.h"
#include "sys/sys.h"

#define RANKS 12
// Rank 0, and two more that call each other in the end.
#define SURVIVORS 3
#define KILLS_A_JOB (RANKS - SURVIVORS)
#define KILLS 500
// Acts between two kills, at most.
#define ACTS 40
#define OPEN_LIMIT 32

// A call that is out, and the ranks that its outcome depends on.
typedef struct open_call {
  weft_future_t* future;
  uint32_t ranks;
  int64_t sum;
} open_call_t;

typedef struct world {
  weft_runtime_t* runtime;
  weft_kit_random_t random;
  // At each rank one that calls others and does not wait, and one that is
  // called.
  weft_actor_t front[RANKS];
  weft_actor_t leaf[RANKS];
  pid_t process[RANKS];
  uint32_t dead;
  uint32_t dead_count;
  weft_value_t tensors[2];
  open_call_t open[OPEN_LIMIT];
  uint32_t open_count;
} world_t;

static uint32_t random_below(world_t* world, uint32_t limit) {
  return (uint32_t)weft_kit_random_below(&world->random, limit);
}

static void check_error(const world_t* world, weft_status_t status,
                        uint32_t ranks) {
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  if ((ranks & world->dead) == 0 || code != WEFT_STATUS_PEER_DIED) {
    char text[3000];
    (void)weft_status_format(status, text, sizeof(text));
    fprintf(stderr, "ranks %x, of which %x are dead: %s\n", ranks, world->dead,
            text);
    weft_kit_assert_status(WEFT_STATUS_OK, status);
  }
  weft_status_release(status);
}

static void end_call(world_t* world, uint32_t at) {
  open_call_t call = world->open[at];
  weft_value_t value;
  world->open[at] = world->open[--world->open_count];
  weft_status_t status = puppet_await(call.future, &value);
  if (status != WEFT_OK) {
    check_error(world, status, call.ranks);
    return;
  }
  if (call.sum >= 0) {
    assert_true(weft_value_equal(value, weft_int64(call.sum)));
  }
  weft_value_release(value);
}

// Keeps a call until it is looked at; `sum` is what it gives, -1: anything.
static void keep_call(world_t* world, weft_status_t status,
                      weft_future_t* future, uint32_t ranks, int64_t sum) {
  if (status != WEFT_OK) {
    check_error(world, status, ranks);
    return;
  }
  if (world->open_count == OPEN_LIMIT) {
    end_call(world, random_below(world, OPEN_LIMIT));
  }
  world->open[world->open_count++] = (open_call_t){future, ranks, sum};
}

// --- Acts -------------------------------------------------------------------

static void call_with_number(world_t* world, uint32_t a, uint32_t b) {
  weft_future_t* future = NULL;
  int64_t number = random_below(world, 1000);
  weft_status_t status =
      weft_call(world->runtime, world->front[a], PUPPET_FORWARD,
                WEFT_ARGUMENTS(weft_actor_value(world->leaf[b]),
                               weft_int64(PUPPET_ECHO), weft_int64(number)),
                NULL, &future);
  keep_call(world, status, future, 1u << a | 1u << b, number);
}

static void call_with_tensor(world_t* world, uint32_t a, uint32_t b) {
  weft_future_t* future = NULL;
  weft_value_t tensor = world->tensors[random_below(world, 2)];
  weft_status_t status =
      weft_call(world->runtime, world->front[a], PUPPET_FORWARD,
                WEFT_ARGUMENTS(weft_actor_value(world->leaf[b]),
                               weft_int64(PUPPET_SUM), tensor),
                NULL, &future);
  keep_call(world, status, future, 1u << a | 1u << b, puppet_sum_of(5000));
}

// A tensor of one, made later, for another, by way of rank 0 as a future.
static void call_with_future(world_t* world, uint32_t a, uint32_t b) {
  weft_future_t* made = NULL;
  weft_future_t* used = NULL;
  weft_status_t status = weft_call(
      world->runtime, world->leaf[a], PUPPET_TENSOR,
      WEFT_ARGUMENTS(weft_int64(3000), weft_bool(random_below(world, 2) == 0)),
      NULL, &made);
  if (status != WEFT_OK) {
    check_error(world, status, 1u << a);
    return;
  }
  status = weft_call(world->runtime, world->leaf[b], PUPPET_SUM,
                     WEFT_ARGUMENTS(weft_future_lend(made)), NULL, &used);
  weft_future_release(made);
  keep_call(world, status, used, 1u << a | 1u << b, puppet_sum_of(3000));
}

static void keep_tensor(world_t* world, uint32_t a, uint32_t b) {
  weft_future_t* future = NULL;
  weft_status_t status =
      weft_call(world->runtime, world->front[a], PUPPET_FORWARD,
                WEFT_ARGUMENTS(weft_actor_value(world->leaf[b]),
                               weft_int64(PUPPET_KEEP), world->tensors[0]),
                NULL, &future);
  keep_call(world, status, future, 1u << a | 1u << b, -1);
}

static void spawn_another(world_t* world, uint32_t a, uint32_t b) {
  weft_future_t* future = NULL;
  weft_status_t status =
      weft_call(world->runtime, world->front[a], PUPPET_SPAWN,
                WEFT_ARGUMENTS(weft_int64(b)), NULL, &future);
  keep_call(world, status, future, 1u << a | 1u << b, -1);
}

static void watch(world_t* world, uint32_t a, uint32_t b) {
  weft_future_t* future = NULL;
  weft_status_t status = weft_call(
      world->runtime, world->leaf[a], PUPPET_MONITOR,
      WEFT_ARGUMENTS(weft_actor_value(world->leaf[b])), NULL, &future);
  keep_call(world, status, future, 1u << a, -1);
}

static void cancel_one(world_t* world, uint32_t a, uint32_t b) {
  weft_future_t* future = NULL;
  weft_status_t status =
      weft_call(world->runtime, world->front[a], PUPPET_FORWARD,
                WEFT_ARGUMENTS(weft_actor_value(world->leaf[b]),
                               weft_int64(PUPPET_ECHO), world->tensors[1]),
                NULL, &future);
  if (status != WEFT_OK) {
    check_error(world, status, 1u << a);
    return;
  }
  weft_future_cancel(future);
  weft_future_release(future);
}

static void act(world_t* world) {
  static void (*const acts[])(world_t * world, uint32_t a, uint32_t b) = {
      call_with_number, call_with_tensor, call_with_future,
      keep_tensor,      spawn_another,    watch,
      cancel_one,
  };
  uint32_t a = random_below(world, RANKS);
  uint32_t b = random_below(world, RANKS);
  acts[random_below(world, sizeof(acts) / sizeof(acts[0]))](world, a, b);
}

// --- The run ----------------------------------------------------------------

static uint32_t choose_victim(world_t* world) {
  uint32_t rank;
  do {
    rank = 1 + random_below(world, RANKS - 1);
  } while ((world->dead >> rank & 1) != 0);
  world->dead |= 1u << rank;
  world->dead_count++;
  return rank;
}

static void kill_one(const world_t* world, uint32_t rank) {
  assert_int_equal(kill(world->process[rank], SIGKILL), 0);
}

// Kills one that owes an answer and has been lent memory, and waits for both.
static void kill_and_wait(world_t* world, uint32_t rank) {
  weft_runtime_t* runtime = world->runtime;
  const int64_t count = 1000;
  weft_tensor_t* tensor;
  weft_kit_assert_ok(
      weft_tensor_create_shared(runtime, WEFT_INT32, 1, &count, &tensor));
  weft_value_t lent = weft_tensor_into_value(weft_tensor_retain(tensor));
  puppet_tell(runtime, world->leaf[rank], PUPPET_KEEP, WEFT_ARGUMENTS(lent));
  weft_value_release(lent);
  weft_future_t* held =
      puppet_call(runtime, world->leaf[rank], PUPPET_HOLD, NULL);
  int64_t begun_ns = weft_sys_now_ns();
  kill_one(world, rank);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, puppet_end(held));
  weft_kit_say_time("noticed", weft_sys_now_ns() - begun_ns);
  // It is this one's alone when nobody else holds it any more.
  void* data;
  while (weft_status_ignore(weft_tensor_mutable_data(tensor, &data)) !=
         WEFT_STATUS_OK) {
    weft_sys_yield();
  }
  weft_kit_say_time("reclaimed", weft_sys_now_ns() - begun_ns);
  weft_tensor_release(tensor);
}

static void init_world(world_t* world, weft_runtime_t* runtime) {
  world->runtime = runtime;
  weft_kit_random_init(&world->random, process_argument());
  world->tensors[0] = puppet_tensor(runtime, 5000, true);
  world->tensors[1] = puppet_tensor(runtime, 5000, false);
  for (uint32_t rank = 0; rank < RANKS; rank++) {
    world->front[rank] = puppet_spawn(runtime, rank);
    world->leaf[rank] = puppet_spawn(runtime, rank);
    world->process[rank] = (pid_t)puppet_process(runtime, world->leaf[rank]);
  }
}

static void check_survivors(world_t* world) {
  weft_runtime_t* runtime = world->runtime;
  for (uint32_t a = 0; a < RANKS; a++) {
    for (uint32_t b = 0; b < RANKS && (world->dead >> a & 1) == 0; b++) {
      weft_value_t sum = weft_none();
      weft_status_t status =
          puppet_relay(runtime, world->front[a], world->leaf[b], PUPPET_SUM,
                       world->tensors[0], &sum);
      if (status != WEFT_OK) {
        check_error(world, status, 1u << b);
      } else {
        assert_true((world->dead >> b & 1) == 0);
        assert_int_equal(sum.as.int64, puppet_sum_of(5000));
      }
    }
  }
  for (uint32_t a = 0; a < RANKS; a++) {
    if ((world->dead >> a & 1) == 0) {
      puppet_tell(runtime, world->leaf[a], PUPPET_FORGET, NULL);
    }
  }
}

static void some_die_at_random(weft_runtime_t* runtime) {
  static world_t world;
  init_world(&world, runtime);
  while (world.dead_count < KILLS_A_JOB) {
    uint32_t acts = random_below(&world, ACTS);
    for (uint32_t i = 0; i < acts; i++) {
      act(&world);
    }
    uint32_t rank = choose_victim(&world);
    if (random_below(&world, 2) == 0) {
      kill_one(&world, rank);
    } else {
      kill_and_wait(&world, rank);
    }
  }
  while (world.open_count > 0) {
    end_call(&world, world.open_count - 1);
  }
  check_survivors(&world);
  weft_value_release(world.tensors[0]);
  weft_value_release(world.tensors[1]);
}

static void launch_all(const process_test_t* test) {
  process_run_seeds(test, (KILLS - 1) / KILLS_A_JOB + 1, "kills", KILLS_A_JOB);
}

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "some_die_at_random",
       .size = RANKS,
       .run = some_die_at_random,
       .launch = launch_all,
       .may_die = ~UINT64_C(1)},
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
