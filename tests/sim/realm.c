// SPDX-License-Identifier: Apache-2.0

#include "sim/realm.h"

#include <stdlib.h>
#include <string.h>

// As many messages of a member one actor takes, when what it has dealt with is
// told by sixteens.
#define PROBES 49

// The one that is played: what crosses between members is numbers.
static realm_t* current;

static uint64_t below(realm_t* realm, uint64_t limit) {
  return weft_kit_random_below(realm->random, limit);
}

static bool chance(realm_t* realm, uint64_t one_in) {
  return below(realm, one_in) == 0;
}

static bool is_on(const realm_t* realm, uint32_t rank) {
  return !realm->is_over && !realm->job.members[rank].is_dead;
}

static life_t* any_life(realm_t* realm) {
  return &realm->lives[below(realm, REALM_LIVES)];
}

// --- Ties -------------------------------------------------------------------

static weft_status_t do_deed(weft_context_t* context, life_t* life,
                             const weft_value_t* arguments) {
  deed_t deed = (deed_t)arguments[0].as.int64;
  life_t* other = &life->realm->lives[arguments[1].as.int64];
  int act = (int)arguments[2].as.int64;
  tie_t* tie = &life->ties[other->index];
  switch (deed) {
    case DEED_LINK:
      tie->has_linked |= other != life;
      tie->is_settled = false;
      return weft_context_link(context, other->actor);
    case DEED_UNLINK:
      tie->has_unlinked = true;
      weft_context_unlink(context, other->actor);
      return WEFT_OK;
    case DEED_MONITOR:
      if (tie->has_watched) {
        return WEFT_OK;
      }
      tie->has_watched = true;
      return weft_context_monitor(context, other->actor, REALM_ENDPOINT_TOLD);
    case DEED_UNMONITOR:
      tie->has_unwatched = true;
      weft_context_unmonitor(context, other->actor);
      return WEFT_OK;
    case DEED_END_IN_ORDER:
      weft_context_stop(context, WEFT_OK);
      return WEFT_OK;
    default:
      weft_context_stop(context,
                        weft_status_make(WEFT_STATUS_FAILED, "act %d", act));
      return WEFT_OK;
  }
}

static weft_status_t obey(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  life_t* life = state;
  (void)out_result;
  if (!is_on(life->realm, life->rank)) {
    return WEFT_OK;
  }
  job_note(&life->realm->job, (uint64_t)arguments[2].as.int64);
  return do_deed(context, life, arguments);
}

static weft_status_t told(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  life_t* life = state;
  realm_t* realm = life->realm;
  weft_actor_t actor;
  weft_status_t reason = WEFT_OK;
  (void)context;
  (void)out_result;
  if (!is_on(realm, life->rank)) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &actor));
  if (weft_value_kind(arguments[1]) != WEFT_KIND_NONE) {
    WEFT_RETURN_IF_ERROR(weft_value_as_status(arguments[1], &reason));
  }
  bool is_known = false;
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    if (weft_actor_equal(realm->lives[i].actor, actor)) {
      is_known = true;
      ++life->ties[i].notices;
      life->ties[i].reason = realm_read_reason(reason);
      job_note(&realm->job, life->index << 8 | i);
    }
  }
  realm_must(life, is_known, "a notice of somebody unknown");
  return WEFT_OK;
}

// --- Work -------------------------------------------------------------------

static task_t* new_task(realm_t* realm, uint32_t rank) {
  if (realm->task_count == REALM_TASKS) {
    return NULL;
  }
  task_t* task = &realm->tasks[realm->task_count++];
  *task = (task_t){.realm = realm, .rank = rank};
  return task;
}

static weft_status_t call_life(realm_t* realm, uint32_t from, life_t* life,
                               int64_t depth, task_t** out_task,
                               weft_future_t** out_future) {
  const weft_call_options_t options = {
      .timeout_ns = chance(realm, 2) ? (int64_t)below(realm, 3000000) + 1
                                     : WEFT_TIME_INFINITE,
      .try_only = chance(realm, 2),
  };
  task_t* task = new_task(realm, life->rank);
  *out_task = task;
  *out_future = NULL;
  if (task == NULL) {
    return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
  }
  return weft_call(
      realm->job.members[from].runtime, life->actor, REALM_ENDPOINT_WORK,
      WEFT_ARGUMENTS(weft_int64(task - realm->tasks), weft_int64(depth)),
      &options, out_future);
}

static weft_status_t work_with_others(life_t* life, int64_t depth) {
  realm_t* realm = life->realm;
  for (uint64_t i = below(realm, 3); i > 0 && is_on(realm, life->rank); --i) {
    task_t* task = NULL;
    weft_future_t* future = NULL;
    weft_value_t value = weft_none();
    WEFT_RETURN_IF_ERROR(call_life(realm, life->rank, any_life(realm),
                                   depth - 1, &task, &future));
    weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, &value);
    weft_value_release(value);
    // It may wait for ever, when this has ended because of a circle.
    weft_future_cancel(future);
    weft_future_release(future);
    WEFT_RETURN_IF_ERROR(status);
  }
  return WEFT_OK;
}

static weft_status_t work_on(life_t* life, int64_t depth) {
  realm_t* realm = life->realm;
  if (depth > 0 && !chance(realm, 3)) {
    return work_with_others(life, depth);
  }
  return chance(realm, 2)
             ? weft_future_wait(realm->never[life->rank], WEFT_TIME_INFINITE)
             : WEFT_OK;
}

static weft_status_t work(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  life_t* life = state;
  realm_t* realm = life->realm;
  task_t* task = &realm->tasks[arguments[0].as.int64];
  (void)context;
  *out_result = arguments[0];
  if (!is_on(realm, life->rank)) {
    return WEFT_OK;
  }
  if (arguments[1].as.int64 < 0) {
    // A probe.
    return WEFT_OK;
  }
  realm_must(life, ++task->entered == 1, "a task came twice");
  job_note(&realm->job, (uint64_t)(task - realm->tasks));
  life->is_busy = true;
  weft_status_t status = work_on(life, arguments[1].as.int64);
  life->is_busy = false;
  ++task->left;
  return status;
}

static void task_ended(weft_waiter_t* waiter, weft_future_t* future) {
  task_t* task = waiter->user;
  (void)future;
  ++task->ended;
}

static void begin_work(realm_t* realm) {
  uint32_t rank = job_any(&realm->job)->rank;
  task_t* task = NULL;
  weft_future_t* future = NULL;
  weft_status_t status = call_life(realm, rank, any_life(realm),
                                   (int64_t)below(realm, 4), &task, &future);
  job_note(&realm->job, weft_status_code(status));
  if (status == WEFT_OK) {
    task->future = future;
    task->on_end = (weft_waiter_t){.callback = task_ended, .user = task};
    weft_future_add_waiter(future, &task->on_end);
  }
  weft_status_release(status);
}

static void cancel_some(realm_t* realm) {
  if (realm->task_count > 0) {
    const task_t* task = &realm->tasks[below(realm, realm->task_count)];
    if (task->future != NULL) {
      weft_future_cancel(task->future);
    }
  }
}

// --- The class --------------------------------------------------------------

static weft_status_t init(weft_context_t* context, weft_value_t init,
                          void** out_state) {
  (void)context;
  *out_state = &current->lives[init.as.int64];
  return WEFT_OK;
}

static void deinit(void* state) {
  life_t* life = state;
  ++life->deinits;
}

static const weft_parameter_t obey_parameters[] = {
    {"deed", WEFT_KIND_INT64},
    {"other", WEFT_KIND_INT64},
    {"act", WEFT_KIND_INT64},
};
static const weft_parameter_t told_parameters[] = {
    {"actor", WEFT_KIND_ACTOR},
    {"reason", WEFT_KIND_ANY},
};
static const weft_endpoint_t endpoints[] = {
    [REALM_ENDPOINT_OBEY] = {"obey", obey, obey_parameters, 3},
    [REALM_ENDPOINT_TOLD] = {"told", told, told_parameters, 2},
    [REALM_ENDPOINT_WORK] = {"work", work, obey_parameters, 2},
};
static const weft_class_t realm_class = {"life", 1, init, deinit, endpoints, 3};

// --- Acts -------------------------------------------------------------------

static void give_order(realm_t* realm) {
  life_t* life = any_life(realm);
  deed_t deed = chance(realm, 3) ? (deed_t)below(realm, DEED_COUNT)
                                 : (deed_t)below(realm, DEED_END_IN_ORDER);
  const weft_call_options_t options = {.try_only = true};
  realm->acts[realm->act] = life->index;
  weft_status_release(
      weft_send(job_any(&realm->job)->runtime, life->actor, REALM_ENDPOINT_OBEY,
                WEFT_ARGUMENTS(weft_int64(deed),
                               weft_int64((int64_t)any_life(realm)->index),
                               weft_int64(realm->act)),
                &options));
}

static void stop_one(realm_t* realm) {
  const life_t* life = any_life(realm);
  realm->acts[realm->act] = life->index;
  weft_status_release(weft_actor_stop(
      job_any(&realm->job)->runtime, life->actor,
      chance(realm, 2) ? WEFT_STOP_NOW : WEFT_STOP_AFTER_QUEUE,
      chance(realm, 2)
          ? WEFT_OK
          : weft_status_make(WEFT_STATUS_FAILED, "act %u", realm->act)));
}

static void harm(realm_t* realm) {
  job_t* job = &realm->job;
  uint32_t rank = job_any(job)->rank;
  switch (below(realm, 4)) {
    case 0:
      if (job->dead_count + 1 < job->size) {
        job_kill(job, rank);
      }
      break;
    case 1:
      job_delay(job, rank, (int64_t)below(realm, 3000000));
      break;
    default:
      job_stop(job, rank, (int64_t)below(realm, 3000000));
      break;
  }
}

void realm_act(realm_t* realm) {
  switch (below(realm, 20)) {
    case 0:
      if (chance(realm, 3)) {
        harm(realm);
      }
      break;
    case 1:
      if (chance(realm, 3)) {
        stop_one(realm);
      }
      break;
    case 2:
    case 3:
    case 4:
      cancel_some(realm);
      break;
    case 5:
    case 6:
    case 7:
    case 8:
    case 9:
    case 10:
    case 11:
      begin_work(realm);
      break;
    default:
      give_order(realm);
      break;
  }
  ++realm->act;
}

// --- The end ----------------------------------------------------------------

// All that live can be called by all, and as often as a window is wide.
static void probe(realm_t* realm, uint32_t rank, life_t* life) {
  static weft_future_t* futures[PROBES];
  const weft_call_options_t options = {.try_only = true};
  for (uint32_t i = 0; i < PROBES; ++i) {
    weft_kit_assert_ok(weft_call(
        realm->job.members[rank].runtime, life->actor, REALM_ENDPOINT_WORK,
        WEFT_ARGUMENTS(weft_int64(0), weft_int64(-1)), &options, &futures[i]));
  }
  for (uint32_t i = 0; i < PROBES; ++i) {
    weft_value_t value = weft_none();
    weft_kit_assert_ok(weft_future_get(futures[i], WEFT_TIME_INFINITE, &value));
    weft_future_release(futures[i]);
  }
}

static void probe_all(realm_t* realm) {
  for (uint32_t rank = 0; rank < realm->job.size; ++rank) {
    life_t* life = any_life(realm);
    if (!realm->job.members[rank].is_dead && realm_is_alive(life)) {
      // Again and again, so that one credit that is lost now and then shows.
      for (uint32_t i = chance(realm, 4) ? 8 : 1; i > 0; --i) {
        probe(realm, rank, life);
        // A credit may come later than the last answer.
        (void)job_run(&realm->job, UINT64_MAX);
      }
    }
  }
}

void realm_finish(realm_t* realm) {
  for (uint32_t i = 0; i < realm->task_count; ++i) {
    if (realm->tasks[i].future != NULL) {
      weft_future_cancel(realm->tasks[i].future);
    }
  }
  (void)job_run(&realm->job, UINT64_MAX);
  for (uint32_t i = 0; i < realm->task_count; ++i) {
    const task_t* task = &realm->tasks[i];
    assert_true(task->future == NULL || task->ended == 1);
    if (!realm->job.members[task->rank].is_dead) {
      assert_int_equal(task->entered, task->left);
    }
  }
}

// --- Life -------------------------------------------------------------------

static void has_exited(weft_waiter_t* waiter, weft_future_t* future) {
  life_t* life = waiter->user;
  weft_value_t nothing;
  weft_status_t reason = weft_future_result(future, &nothing);
  if (is_on(life->realm, life->rank)) {
    life->reason = realm_read_reason(reason);
    job_note(&life->realm->job, (uint64_t)life->reason << 8 | life->index);
  }
  weft_status_release(reason);
}

static void open_life(realm_t* realm, uint32_t index) {
  life_t* life = &realm->lives[index];
  *life = (life_t){
      .realm = realm,
      .index = index,
      .rank = (uint32_t)below(realm, realm->job.size),
      .reason = REALM_ALIVE,
      .on_exit = {.callback = has_exited, .user = life},
  };
  const weft_spawn_options_t options = {.place = life->rank};
  weft_kit_assert_ok(weft_spawn(job_any(&realm->job)->runtime, &realm_class,
                                weft_int64(index), &options, &life->actor));
  weft_kit_assert_ok(weft_actor_exited(realm->job.members[life->rank].runtime,
                                       life->actor, &life->exited));
  weft_future_add_waiter(life->exited, &life->on_exit);
}

void realm_open(realm_t* realm, weft_kit_random_t* random, uint32_t size) {
  static const weft_class_t* const classes[] = {&realm_class};
  const job_options_t options = {
      .size = size,
      .classes = classes,
      .class_count = 1,
  };
  memset(realm, 0, sizeof(*realm));
  realm->random = random;
  current = realm;
  job_open(&realm->job, random, &options);
  for (uint32_t rank = 0; rank < size; ++rank) {
    weft_kit_assert_ok(weft_promise_create(realm->job.members[rank].runtime,
                                           &realm->promises[rank],
                                           &realm->never[rank]));
  }
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    open_life(realm, i);
  }
}

void realm_close(realm_t* realm) {
  probe_all(realm);
  realm->is_over = true;
  for (uint32_t rank = 0; rank < realm->job.size; ++rank) {
    // Those of the dead still wait for it.
    weft_promise_release(realm->promises[rank]);
  }
  job_close(&realm->job);
  for (uint32_t rank = 0; rank < realm->job.size; ++rank) {
    weft_future_release(realm->never[rank]);
  }
  for (uint32_t i = 0; i < REALM_LIVES; ++i) {
    weft_future_release(realm->lives[i].exited);
  }
  for (uint32_t i = 0; i < realm->task_count; ++i) {
    assert_true(realm->tasks[i].future == NULL || realm->tasks[i].ended == 1);
    weft_future_release(realm->tasks[i].future);
  }
}
