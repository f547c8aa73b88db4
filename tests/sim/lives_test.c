// SPDX-License-Identifier: Apache-2.0
//
// How actors end, and who hears of it, against a model, in simulation. Chance
// spawns actors, links them, lets them watch each other, names them, and ends
// some, in order or with an error; the model (town.h) knows who has ended,
// because of what, and who was told.

#include "sim/town.h"

enum { ACTS = 90 };

static const char* const name_of[NAMES] = {"baker", "smith", "weaver"};

// --- What chance does -------------------------------------------------------

static uint32_t below(town_t* town, uint32_t limit) {
  return (uint32_t)weft_kit_random_below(town->random, limit);
}

static void run_all(town_t* town) {
  weft_runtime_run(town->runtime, UINT64_MAX);
}

static void spawn(town_t* town) {
  if (town->count == LIVES) {
    return;
  }
  life_t* life = &town->lives[town->count++];
  *life = (life_t){.town = town, .is_alive = true, .reason = town->act};
  life->has_state = below(town, 8) != 0;
  weft_value_t init = weft_none();
  weft_kit_assert_ok(weft_opaque_create(weft_runtime_allocator(town->runtime),
                                        &town_life_type, life, &init));
  weft_kit_assert_ok(
      weft_spawn(town->runtime, &town_class, init, NULL, &life->actor));
  weft_value_release(init);
  weft_kit_assert_ok(
      weft_actor_exited(town->runtime, life->actor, &life->exited));
  run_all(town);
  if (!life->has_state) {
    town_model_end(life, town->act);
  }
}

static void command(town_t* town, life_t* life, life_t* other) {
  if (life == other) {
    return;
  }
  command_t chosen = (command_t)below(town, COMMAND_COUNT);
  weft_future_t* reply = NULL;
  weft_status_t status = weft_call(
      town->runtime, life->actor, 0,
      WEFT_ARGUMENTS(weft_int64(chosen), weft_actor_value(other->actor)), NULL,
      &reply);
  if (!life->is_alive) {
    weft_kit_assert_status(WEFT_STATUS_NOT_FOUND, status);
    return;
  }
  weft_kit_assert_ok(status);
  run_all(town);
  weft_value_t value = weft_none();
  weft_kit_assert_status(
      chosen == COMMAND_FAIL ? WEFT_STATUS_FAILED : WEFT_STATUS_OK,
      weft_future_result(reply, &value));
  weft_future_release(reply);
  town_model_command(life, chosen, other);
}

static void stop(town_t* town, life_t* life) {
  bool is_bad = below(town, 2) == 0;
  weft_stop_mode_t mode =
      below(town, 2) == 0 ? WEFT_STOP_NOW : WEFT_STOP_AFTER_QUEUE;
  weft_status_t reason =
      is_bad ? weft_status_make(WEFT_STATUS_FAILED, "act %d", town->act)
             : WEFT_OK;
  weft_kit_assert_status(
      life->is_alive ? WEFT_STATUS_OK : WEFT_STATUS_NOT_FOUND,
      weft_actor_stop(town->runtime, life->actor, mode, reason));
  run_all(town);
  if (life->is_alive) {
    town_model_end(life, is_bad ? town->act : IN_ORDER);
  }
}

static void give_name(town_t* town, uint32_t name, life_t* life) {
  weft_status_t status =
      weft_actor_register(town->runtime, name_of[name], life->actor);
  weft_status_code_t code = weft_status_ignore(status);
  if (!life->is_alive) {
    assert_true(
        code == WEFT_STATUS_NOT_FOUND ||
        (code == WEFT_STATUS_ALREADY_EXISTS && town->names[name] != LIVES));
  } else if (town->names[name] != LIVES) {
    assert_int_equal(code, WEFT_STATUS_ALREADY_EXISTS);
  } else {
    assert_int_equal(code, WEFT_STATUS_OK);
    town_model_register(town, name, town_index_of(life));
  }
}

static void take_name(town_t* town, uint32_t name) {
  weft_kit_assert_status(
      town->names[name] != LIVES ? WEFT_STATUS_OK : WEFT_STATUS_NOT_FOUND,
      weft_actor_unregister(town->runtime, name_of[name]));
  town->names[name] = LIVES;
}

static void look_up(town_t* town, uint32_t name) {
  if (town->lookup_count == LOOKUPS) {
    return;
  }
  lookup_t* lookup = &town->lookups[town->lookup_count++];
  bool is_short = below(town, 2) == 0;
  *lookup = (lookup_t){.name = name, .found = town->names[name]};
  // Nobody takes the name before all timers have run.
  lookup->is_late = is_short && lookup->found == LIVES;
  weft_kit_assert_ok(weft_actor_lookup(
      town->runtime, name_of[name],
      is_short ? weft_deadline_after(town->runtime, 50) : WEFT_TIME_INFINITE,
      &lookup->future));
}

static void act(town_t* town) {
  uint32_t chance = below(town, 100);
  if (chance < 15 || town->count < 4) {
    spawn(town);
    return;
  }
  life_t* life = &town->lives[below(town, town->count)];
  life_t* other = &town->lives[below(town, town->count)];
  uint32_t name = below(town, NAMES);
  if (chance < 75) {
    command(town, life, other);
  } else if (chance < 79) {
    stop(town, life);
  } else if (chance < 86) {
    give_name(town, name, life);
  } else if (chance < 90) {
    take_name(town, name);
  } else {
    look_up(town, name);
  }
}

// --- Checks -----------------------------------------------------------------

static void check_exit(const life_t* life) {
  assert_int_equal(weft_future_is_done(life->exited), !life->is_alive);
  assert_int_equal(life->deinits, life->has_state && !life->is_alive ? 1 : 0);
  if (!life->is_alive) {
    weft_value_t value = weft_none();
    weft_status_t status = weft_future_result(life->exited, &value);
    assert_int_equal(town_read_reason(status), life->reason);
    weft_status_release(status);
  }
}

static void check_notices(const life_t* life) {
  for (uint32_t i = 0; i < life->town->count; ++i) {
    uint32_t more = life->notices[i] - life->notices_due[i];
    assert_true(more <= (life->may_have_heard[i] ? 1 : 0));
    if (life->notices[i] > 0) {
      assert_int_equal(life->reasons[i], life->reasons_due[i]);
    }
  }
}

static void check_lookup(const town_t* town, const lookup_t* lookup) {
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_result(lookup->future, &value);
  weft_status_code_t code = weft_status_ignore(status);
  if (lookup->is_late) {
    assert_int_equal(code, WEFT_STATUS_DEADLINE_EXCEEDED);
  } else if (lookup->found == LIVES) {
    assert_false(weft_future_is_done(lookup->future));
  } else {
    assert_int_equal(code, WEFT_STATUS_OK);
    weft_actor_t actor = {0};
    weft_kit_assert_ok(weft_value_as_actor(value, &actor));
    assert_true(weft_actor_equal(actor, town->lives[lookup->found].actor));
  }
}

static void check(const town_t* town) {
  for (uint32_t i = 0; i < town->count; ++i) {
    check_exit(&town->lives[i]);
    check_notices(&town->lives[i]);
  }
  for (uint32_t i = 0; i < town->lookup_count; ++i) {
    check_lookup(town, &town->lookups[i]);
  }
}

static void finish(town_t* town) {
  weft_kit_assert_ok(weft_runtime_stop(town->runtime, WEFT_TIME_INFINITE));
  for (uint32_t i = 0; i < town->count; ++i) {
    const life_t* life = &town->lives[i];
    assert_true(weft_future_is_done(life->exited));
    assert_int_equal(life->deinits, life->has_state ? 1 : 0);
    weft_future_release(life->exited);
  }
  for (uint32_t i = 0; i < town->lookup_count; ++i) {
    assert_true(weft_future_is_done(town->lookups[i].future));
    weft_future_release(town->lookups[i].future);
  }
}

static void ignore_warning(void* user, weft_status_t warning) {
  (void)user;
  (void)warning;
}

static void run_town(weft_kit_random_t* random, void* user) {
  (void)user;
  static const weft_class_t* const classes[] = {&town_class};
  weft_kit_allocator_t memory = {0};
  weft_kit_allocator_init(&memory);
  town_t town = {.random = random, .names = {LIVES, LIVES, LIVES}};
  const weft_runtime_options_t options = {
      .allocator = &memory.allocator,
      .classes = classes,
      .class_count = 1,
      .on_warning = ignore_warning,
      .simulate = true,
      .seed = weft_kit_random_next(random),
  };
  weft_kit_assert_ok(weft_runtime_create(&options, &town.runtime));
  for (town.act = 0; town.act < ACTS; ++town.act) {
    act(&town);
    run_all(&town);
    check(&town);
  }
  finish(&town);
  weft_runtime_destroy(town.runtime);
  weft_kit_allocator_deinit(&memory);
}

static void whoever_is_tied_to_an_end_ends_or_hears_of_it_and_nobody_else(
    void** state) {
  (void)state;
  weft_kit_for_some_seeds(500, run_town, NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(
          whoever_is_tied_to_an_end_ends_or_hears_of_it_and_nobody_else),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
