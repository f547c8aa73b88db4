// SPDX-License-Identifier: Apache-2.0

#include "sim/town.h"

#include <stdio.h>

const weft_opaque_type_t town_life_type = {"life", NULL};

// --- The actors -------------------------------------------------------------

static weft_status_t life_init(weft_context_t* context, weft_value_t init,
                               void** out_state) {
  (void)context;
  WEFT_RETURN_IF_ERROR(weft_value_as_opaque(init, &town_life_type, out_state));
  life_t* life = *out_state;
  return life->has_state
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_FAILED, "act %d", life->reason);
}

static void life_deinit(void* state) {
  life_t* life = state;
  ++life->deinits;
}

// Which act a reason goes back to.
int town_read_reason(weft_status_t reason) {
  weft_status_t root = weft_status_root(reason);
  int act = 0;
  if (weft_status_is_ok(reason)) {
    return IN_ORDER;
  }
  if (sscanf(weft_status_message(root), "act %d", &act) == 1) {
    return act;
  }
  return weft_status_code(root) == WEFT_STATUS_NOT_FOUND ? NOBODY : -3;
}

static weft_status_t told(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  life_t* life = state;
  weft_actor_t actor;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[0], &actor));
  weft_status_t reason = WEFT_OK;
  if (weft_value_kind(arguments[1]) != WEFT_KIND_NONE) {
    WEFT_RETURN_IF_ERROR(weft_value_as_status(arguments[1], &reason));
  }
  for (uint32_t i = 0; i < life->town->count; ++i) {
    if (weft_actor_equal(life->town->lives[i].actor, actor)) {
      ++life->notices[i];
      life->reasons[i] = town_read_reason(reason);
    }
  }
  return WEFT_OK;
}

static weft_status_t obey(weft_context_t* context, void* state,
                          const weft_value_t* arguments,
                          weft_value_t* out_result) {
  (void)out_result;
  const life_t* life = state;
  weft_actor_t other;
  int act = life->town->act;
  WEFT_RETURN_IF_ERROR(weft_value_as_actor(arguments[1], &other));
  switch ((command_t)arguments[0].as.int64) {
    case COMMAND_LINK:
      return weft_context_link(context, other);
    case COMMAND_UNLINK:
      weft_context_unlink(context, other);
      return WEFT_OK;
    case COMMAND_MONITOR:
      return weft_context_monitor(context, other, 1);
    case COMMAND_UNMONITOR:
      weft_context_unmonitor(context, other);
      return WEFT_OK;
    case COMMAND_END_IN_ORDER:
      weft_context_stop(context, WEFT_OK);
      return WEFT_OK;
    case COMMAND_END_BADLY:
      weft_context_stop(context,
                        weft_status_make(WEFT_STATUS_FAILED, "act %d", act));
      return WEFT_OK;
    default:
      return weft_status_make(WEFT_STATUS_FAILED, "refused in act %d", act);
  }
}

static const weft_parameter_t obey_parameters[] = {
    {"command", WEFT_KIND_INT64},
    {"other", WEFT_KIND_ACTOR},
};
static const weft_parameter_t told_parameters[] = {
    {"actor", WEFT_KIND_ACTOR},
    {"reason", WEFT_KIND_ANY},
};
static const weft_endpoint_t endpoints[] = {
    {"obey", obey, obey_parameters, 2},
    {"told", told, told_parameters, 2},
};
const weft_class_t town_class = {
    "life", 1, life_init, life_deinit, endpoints, 2,
};

// --- The model --------------------------------------------------------------

uint32_t town_index_of(const life_t* life) {
  return (uint32_t)(life - life->town->lives);
}

static void model_notice(life_t* watcher, uint32_t ended, int reason) {
  watcher->watches[ended] = false;
  ++watcher->notices_due[ended];
  watcher->reasons_due[ended] = reason;
}

static void model_forget(town_t* town, uint32_t ended) {
  for (uint32_t i = 0; i < NAMES; ++i) {
    if (town->names[i] == ended) {
      town->names[i] = LIVES;
    }
  }
}

// After some have ended: whether one that watches another hears of it. The
// dead watch nobody; who died just now may have heard of another before.
static void model_watch(life_t* watcher, const life_t* watched, int reason) {
  uint32_t index = town_index_of(watched);
  bool has_ended = watcher->watches[index] && !watched->is_alive;
  if (has_ended && watcher->is_alive) {
    model_notice(watcher, index, reason);
  } else if (has_ended) {
    watcher->may_have_heard[index] = true;
    watcher->reasons_due[index] = reason;
  }
  watcher->watches[index] &= watcher->is_alive;
}

// One life ends, and all that are linked to it unless it ends in order.
void town_model_end(life_t* life, int reason) {
  bool ends[LIVES] = {false};
  town_t* town = life->town;
  ends[town_index_of(life)] = true;
  // Each round ends those that were found in the round before.
  for (bool goes_on = true; goes_on;) {
    goes_on = false;
    for (uint32_t i = 0; i < town->count; ++i) {
      life_t* ended = &town->lives[i];
      if (!ends[i] || !ended->is_alive) {
        continue;
      }
      goes_on = true;
      ended->is_alive = false;
      ended->reason = reason;
      model_forget(town, i);
      for (uint32_t j = 0; j < town->count; ++j) {
        ends[j] |= ended->links[j] && reason != IN_ORDER;
        town->lives[j].links[i] = false;
        ended->links[j] = false;
      }
    }
  }
  for (uint32_t i = 0; i < town->count; ++i) {
    for (uint32_t j = 0; j < town->count; ++j) {
      model_watch(&town->lives[j], &town->lives[i], reason);
    }
  }
}

// What whoever comes too late hears of the end: an error is still known.
static int late_reason(const life_t* ended) {
  return ended->reason != IN_ORDER ? ended->reason : NOBODY;
}

void town_model_command(life_t* life, command_t command, life_t* other) {
  uint32_t self = town_index_of(life);
  uint32_t target = town_index_of(other);
  switch (command) {
    case COMMAND_LINK:
      if (other->is_alive) {
        life->links[target] = true;
        other->links[self] = true;
      } else {
        town_model_end(life, late_reason(other));
      }
      return;
    case COMMAND_UNLINK:
      life->links[target] = false;
      other->links[self] = false;
      return;
    case COMMAND_MONITOR:
      if (other->is_alive) {
        life->watches[target] = true;
      } else {
        model_notice(life, target, late_reason(other));
      }
      return;
    case COMMAND_UNMONITOR:
      life->watches[target] = false;
      return;
    case COMMAND_END_IN_ORDER:
      town_model_end(life, IN_ORDER);
      return;
    case COMMAND_END_BADLY:
      town_model_end(life, life->town->act);
      return;
    default:
      return;
  }
}

void town_model_register(town_t* town, uint32_t name, uint32_t life) {
  town->names[name] = life;
  for (uint32_t i = 0; i < town->lookup_count; ++i) {
    lookup_t* lookup = &town->lookups[i];
    if (lookup->name == name && lookup->found == LIVES && !lookup->is_late) {
      lookup->found = life;
    }
  }
}
