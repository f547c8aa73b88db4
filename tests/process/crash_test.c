// SPDX-License-Identifier: Apache-2.0
//
// Processes that are killed: at each step that others can see, while they are
// called, and while they call. The survivors go on, nothing hangs, and what was
// the dead one's is given back.

#include <signal.h>
#include <stdlib.h>

#include "process/job.h"
#include "process/puppet.h"
#include "sys/crash_point.h"
#include "sys/sys.h"

#define COUNT 5000

// --- What is waited for after a death ---------------------------------------

// Waits until a process has the descriptors and mappings that it had.
static void expect_figures(weft_runtime_t* runtime, weft_actor_t actor,
                           const puppet_figures_t* before) {
  puppet_figures_t now;
  do {
    weft_sys_yield();
    now = puppet_figures(runtime, actor);
  } while (now.of[FIGURE_DESCRIPTORS] != before->of[FIGURE_DESCRIPTORS] ||
           now.of[FIGURE_MAPPINGS] != before->of[FIGURE_MAPPINGS]);
}

// A process that dies after it has told an owner that it lends memory on, and
// before it does, leaves a loan that ends with the one it was meant for.
static void expect_loans_to_end(weft_runtime_t* runtime, weft_actor_t third) {
  // Whatever else gives something back has done so before it answers.
  for (int i = 0; i < 100; i++) {
    (void)puppet_figures(runtime, third);
  }
  if (puppet_own_figures(runtime).of[FIGURE_LENT_BYTES] != 0) {
    puppet_kill(runtime, third);
  }
  puppet_expect_nothing_lent(runtime);
}

// Those who survive: a puppet at ranks 0, 2 and 3, connected with each other.
#define SURVIVORS 3
typedef struct survivors {
  weft_runtime_t* runtime;
  weft_actor_t actors[SURVIVORS];
  puppet_figures_t before[SURVIVORS];
  weft_value_t tensor;
} survivors_t;

static void check_among(const survivors_t* survivors, weft_actor_t from,
                        weft_actor_t to) {
  weft_value_t sum = weft_none();
  weft_kit_assert_ok(puppet_relay(survivors->runtime, from, to, PUPPET_SUM,
                                  survivors->tensor, &sum));
  assert_int_equal(sum.as.int64, puppet_sum_of(COUNT));
}

static void init_survivors(survivors_t* survivors, weft_runtime_t* runtime) {
  static const uint32_t ranks[SURVIVORS] = {0, 2, 3};
  survivors->runtime = runtime;
  survivors->tensor = puppet_tensor(runtime, COUNT, true);
  for (int i = 0; i < SURVIVORS; i++) {
    survivors->actors[i] = puppet_spawn(runtime, ranks[i]);
  }
  for (int i = 0; i < SURVIVORS; i++) {
    for (int j = 0; j < SURVIVORS; j++) {
      if (i != j) {
        check_among(survivors, survivors->actors[i], survivors->actors[j]);
      }
    }
  }
  for (int i = 0; i < SURVIVORS; i++) {
    survivors->before[i] = puppet_figures(runtime, survivors->actors[i]);
  }
}

// They have heard of the death: what one holds at the dead one ends.
static void await_death(const survivors_t* survivors, weft_actor_t dead) {
  for (int i = 0; i < SURVIVORS; i++) {
    weft_value_t nothing;
    weft_kit_assert_status(
        WEFT_STATUS_PEER_DIED,
        puppet_relay(survivors->runtime, survivors->actors[i], dead,
                     PUPPET_HOLD, weft_none(), &nothing));
  }
}

// All is as before, but for the dead one.
static void check_survivors(survivors_t* survivors) {
  weft_runtime_t* runtime = survivors->runtime;
  for (int i = 0; i < SURVIVORS; i++) {
    weft_actor_t actor = survivors->actors[i];
    weft_actor_t next = survivors->actors[(i + 1) % SURVIVORS];
    puppet_tell(runtime, actor, PUPPET_FORGET, NULL);
    check_among(survivors, actor, next);
    weft_value_t spawned;
    weft_actor_t fresh;
    weft_kit_assert_ok(puppet_relay(runtime, actor, next, PUPPET_SPAWN,
                                    weft_int64(actor.rank), &spawned));
    weft_kit_assert_ok(weft_value_as_actor(spawned, &fresh));
    check_among(survivors, next, fresh);
  }
  weft_value_release(survivors->tensor);
  for (int i = 0; i < SURVIVORS; i++) {
    expect_figures(runtime, survivors->actors[i], &survivors->before[i]);
    if (i > 0) {
      assert_int_equal(
          puppet_figures(runtime, survivors->actors[i]).of[FIGURE_LENT_BYTES],
          0);
    }
  }
  expect_loans_to_end(runtime, survivors->actors[1]);
}

// --- At every step ----------------------------------------------------------

static void arm(weft_runtime_options_t* options) {
  (void)options;
  if (process_rank() == 1) {
    weft_crash_point_arm(process_argument());
  }
}

// Calls; releases the value. Errors: those of the call.
static weft_status_t ask(const survivors_t* survivors, weft_actor_t actor,
                         uint32_t endpoint, const weft_arguments_t* arguments) {
  return puppet_try(survivors->runtime, actor, endpoint, arguments);
}

static weft_status_t use_values(const survivors_t* survivors,
                                weft_actor_t victim) {
  weft_runtime_t* runtime = survivors->runtime;
  WEFT_RETURN_IF_ERROR(ask(survivors, victim, PUPPET_ADD,
                           WEFT_ARGUMENTS(weft_int64(1), weft_int64(2))));
  weft_value_t text = puppet_long_string(runtime, 100000);
  weft_status_t status =
      ask(survivors, victim, PUPPET_ECHO, WEFT_ARGUMENTS(text));
  weft_value_release(text);
  WEFT_RETURN_IF_ERROR(status);
  return ask(survivors, victim, PUPPET_ECHO, WEFT_ARGUMENTS(survivors->tensor));
}

// Memory of each lent to others and passed on.
static weft_status_t use_loans(const survivors_t* survivors,
                               weft_actor_t victim) {
  weft_runtime_t* runtime = survivors->runtime;
  weft_actor_t other = survivors->actors[1];
  weft_future_t* future;
  weft_value_t made;
  WEFT_RETURN_IF_ERROR(
      ask(survivors, victim, PUPPET_KEEP, WEFT_ARGUMENTS(survivors->tensor)));
  WEFT_RETURN_IF_ERROR(
      ask(survivors, victim, PUPPET_RELAY,
          WEFT_ARGUMENTS(weft_actor_value(other), weft_int64(PUPPET_KEEP),
                         survivors->tensor)));
  WEFT_RETURN_IF_ERROR(weft_call(
      runtime, victim, PUPPET_TENSOR,
      WEFT_ARGUMENTS(weft_int64(COUNT), weft_bool(true)), NULL, &future));
  WEFT_RETURN_IF_ERROR(puppet_await(future, &made));
  weft_status_t status =
      ask(survivors, survivors->actors[2], PUPPET_KEEP, WEFT_ARGUMENTS(made));
  if (status == WEFT_OK) {
    status = ask(survivors, victim, PUPPET_SUM, WEFT_ARGUMENTS(made));
  }
  weft_value_release(made);
  WEFT_RETURN_IF_ERROR(status);
  return ask(survivors, victim, PUPPET_FORGET, NULL);
}

static weft_status_t use_lives(const survivors_t* survivors,
                               weft_actor_t victim) {
  weft_runtime_t* runtime = survivors->runtime;
  weft_future_t* held;
  WEFT_RETURN_IF_ERROR(
      weft_call(runtime, victim, PUPPET_HOLD, NULL, NULL, &held));
  // A future of the victim's, waited for by a third.
  weft_future_t* used = puppet_call(runtime, survivors->actors[1], PUPPET_ECHO,
                                    WEFT_ARGUMENTS(weft_future_lend(held)));
  weft_status_t status =
      ask(survivors, victim, PUPPET_ANSWER, WEFT_ARGUMENTS(survivors->tensor));
  weft_status_t used_status = puppet_end(used);
  weft_future_release(held);
  status = status != WEFT_OK ? status : weft_status_retain(used_status);
  weft_status_release(used_status);
  WEFT_RETURN_IF_ERROR(status);
  WEFT_RETURN_IF_ERROR(ask(survivors, survivors->actors[2], PUPPET_MONITOR,
                           WEFT_ARGUMENTS(weft_actor_value(victim))));
  WEFT_RETURN_IF_ERROR(
      ask(survivors, victim, PUPPET_SPAWN, WEFT_ARGUMENTS(weft_int64(3))));
  WEFT_RETURN_IF_ERROR(weft_actor_register(runtime, "victim", victim));
  return ask(survivors, victim, PUPPET_STOP, WEFT_ARGUMENTS(weft_none()));
}

static weft_status_t use_victim(const survivors_t* survivors,
                                weft_actor_t* out_victim) {
  const weft_spawn_options_t options = {.place = 1};
  WEFT_RETURN_IF_ERROR(weft_spawn(survivors->runtime, &puppet_class,
                                  weft_none(), &options, out_victim));
  WEFT_RETURN_IF_ERROR(use_values(survivors, *out_victim));
  WEFT_RETURN_IF_ERROR(use_loans(survivors, *out_victim));
  return use_lives(survivors, *out_victim);
}

static void use_one_that_dies(weft_runtime_t* runtime) {
  survivors_t survivors;
  weft_actor_t victim = {0};
  init_survivors(&survivors, runtime);
  weft_status_t status = use_victim(&survivors, &victim);
  if (status == WEFT_OK) {
    // It lives, or dies when nobody looks any more.
    weft_value_release(survivors.tensor);
    return;
  }
  weft_status_code_t code = weft_status_code(weft_status_root(status));
  if (code != WEFT_STATUS_PEER_DIED && code != WEFT_STATUS_ABANDONED) {
    weft_kit_assert_ok(status);
  }
  weft_status_release(status);
  victim = weft_actor_is_none(victim) ? (weft_actor_t){1, 1, 1, 1} : victim;
  await_death(&survivors, victim);
  check_survivors(&survivors);
}

static void sweep(const process_test_t* test) {
  process_endings_t endings;
  const char* only = getenv("WEFT_TEST_SEED");
  if (only != NULL) {
    process_run(test, strtoull(only, NULL, 10), NULL);
    return;
  }
  uint64_t step = process_is_slow() ? 17 : 1;
  uint64_t runs = 0;
  do {
    process_run(test, 1 + runs * step, &endings);
    runs++;
  } while (endings.of_rank[1].signal_number == SIGKILL);
  // So many steps there are, at least; else something is not reached any more.
  assert_true(runs * step >= 60);
  weft_kit_say_amount("crash_points", runs);
}

// --- At certain moments -----------------------------------------------------

typedef struct scene {
  survivors_t survivors;
  weft_actor_t victim;
  weft_actor_t helper;
  pid_t process;
} scene_t;

static void init_scene(scene_t* scene, weft_runtime_t* runtime) {
  init_survivors(&scene->survivors, runtime);
  scene->victim = puppet_spawn(runtime, 1);
  scene->helper = puppet_spawn(runtime, 1);
  scene->process = (pid_t)puppet_process(runtime, scene->victim);
}

static void kill_victim(scene_t* scene) {
  assert_int_equal(kill(scene->process, SIGKILL), 0);
}

static void end_scene(scene_t* scene) {
  await_death(&scene->survivors, scene->victim);
  check_survivors(&scene->survivors);
}

static void a_callee_dies_while_it_computes(weft_runtime_t* runtime) {
  scene_t scene;
  init_scene(&scene, runtime);
  weft_future_t* running =
      puppet_call(runtime, scene.victim, PUPPET_UNTIL_CANCELLED, NULL);
  weft_future_t* behind = puppet_call(runtime, scene.victim, PUPPET_ECHO,
                                      WEFT_ARGUMENTS(scene.survivors.tensor));
  puppet_expect(runtime, scene.helper, PUPPET_STARTED, 1);
  kill_victim(&scene);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "rank 1",
                              puppet_end(running));
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, puppet_end(behind));
  end_scene(&scene);
}

static void a_callee_dies_while_it_waits_for_another(weft_runtime_t* runtime) {
  scene_t scene;
  init_scene(&scene, runtime);
  weft_actor_t third = scene.survivors.actors[1];
  weft_future_t* waiting = puppet_call(
      runtime, scene.victim, PUPPET_RELAY,
      WEFT_ARGUMENTS(weft_actor_value(third),
                     weft_int64(PUPPET_UNTIL_CANCELLED), weft_none()));
  weft_actor_t witness = puppet_spawn(runtime, 2);
  puppet_expect(runtime, witness, PUPPET_STARTED, 1);
  kill_victim(&scene);
  weft_kit_assert_status(WEFT_STATUS_PEER_DIED, puppet_end(waiting));
  // What it had called is cancelled.
  puppet_expect(runtime, witness, PUPPET_CANCELLED, 1);
  end_scene(&scene);
}

static void a_callee_dies_between_calls(weft_runtime_t* runtime) {
  scene_t scene;
  init_scene(&scene, runtime);
  puppet_tell(runtime, scene.victim, PUPPET_KEEP,
              WEFT_ARGUMENTS(scene.survivors.tensor));
  kill_victim(&scene);
  // Nobody waits: the next call finds out, or the one after.
  while (weft_status_ignore(puppet_try(runtime, scene.victim, PUPPET_NOTICES,
                                       NULL)) != WEFT_STATUS_PEER_DIED) {
  }
  end_scene(&scene);
}

static void one_dies_by_its_own_handler(weft_runtime_t* runtime) {
  scene_t scene;
  init_scene(&scene, runtime);
  weft_kit_assert_status_says(
      WEFT_STATUS_PEER_DIED, "rank 1",
      puppet_try(runtime, scene.victim, PUPPET_DIE, NULL));
  end_scene(&scene);
}

// The child has all sockets of the dead one open: none of them hangs up.
static void one_dies_whose_child_lives_on(weft_runtime_t* runtime) {
  scene_t scene;
  init_scene(&scene, runtime);
  pid_t child = (pid_t)puppet_ask_int(runtime, scene.victim, PUPPET_FORK, NULL);
  puppet_tell(runtime, scene.victim, PUPPET_KEEP,
              WEFT_ARGUMENTS(scene.survivors.tensor));
  weft_future_t* held = puppet_call(runtime, scene.victim, PUPPET_HOLD, NULL);
  kill_victim(&scene);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "signal 9",
                              puppet_end(held));
  end_scene(&scene);
  assert_int_equal(kill(child, SIGKILL), 0);
}

static void the_reason_says_how_it_died(weft_runtime_t* runtime) {
  // Never connected with it: what the launcher saw is all there is.
  weft_value_t nothing;
  weft_actor_t there = puppet_spawn(runtime, 2);
  weft_actor_t victim = puppet_spawn(runtime, 1);
  puppet_kill(runtime, victim);
  weft_status_t status = puppet_relay(runtime, there, victim, PUPPET_NOTICES,
                                      weft_none(), &nothing);
  weft_kit_assert_status_says(WEFT_STATUS_PEER_DIED, "signal 9", status);
}

#define MORTAL_1 2
#define MORTAL_2 4

int main(int argument_count, char** arguments) {
  static const process_test_t tests[] = {
      {.name = "one_dies_at_each_step",
       .size = 4,
       .run = use_one_that_dies,
       .prepare = arm,
       .launch = sweep,
       .may_die = MORTAL_1 | MORTAL_2},
      PROCESS_TEST_OF_DEATH(a_callee_dies_while_it_computes, 4, MORTAL_1),
      PROCESS_TEST_OF_DEATH(a_callee_dies_while_it_waits_for_another, 4,
                            MORTAL_1),
      PROCESS_TEST_OF_DEATH(a_callee_dies_between_calls, 4, MORTAL_1),
      PROCESS_TEST_OF_DEATH(one_dies_by_its_own_handler, 4, MORTAL_1),
      PROCESS_TEST_OF_DEATH(one_dies_whose_child_lives_on, 4, MORTAL_1),
      PROCESS_TEST_OF_DEATH(the_reason_says_how_it_died, 3, MORTAL_1),
  };
  return process_main(argument_count, arguments, tests,
                      sizeof(tests) / sizeof(tests[0]));
}
