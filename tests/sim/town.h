// SPDX-License-Identifier: Apache-2.0
//
// Actors that are linked, watch each other and have names, and the model that
// knows who of them lives, why the others ended, and who was told.

#ifndef WEFT_TESTS_SIM_TOWN_H_
#define WEFT_TESTS_SIM_TOWN_H_

#include "kit/kit.h"
#include "weft/weft.h"

enum {
  LIVES = 24,
  NAMES = 3,
  LOOKUPS = 12,
};

// Why an actor ended, beside the number of the act that caused it.
enum {
  IN_ORDER = -1,
  // It was linked to one that was gone, or watched one.
  NOBODY = -2,
};

typedef enum command {
  COMMAND_LINK,
  COMMAND_UNLINK,
  COMMAND_MONITOR,
  COMMAND_UNMONITOR,
  COMMAND_END_IN_ORDER,
  COMMAND_END_BADLY,
  // An error of a handler ends nobody.
  COMMAND_FAIL,
  COMMAND_COUNT,
} command_t;

typedef struct town town_t;

typedef struct life {
  town_t* town;
  weft_actor_t actor;
  weft_future_t* exited;
  // What the model says.
  bool is_alive;
  int reason;
  bool has_state;
  bool links[LIVES];
  bool watches[LIVES];
  uint32_t notices_due[LIVES];
  int reasons_due[LIVES];
  // It ended because of the same as one that it watched: it may have heard of
  // that before.
  bool may_have_heard[LIVES];
  // What was seen.
  uint32_t deinits;
  uint32_t notices[LIVES];
  int reasons[LIVES];
} life_t;

typedef struct lookup {
  weft_future_t* future;
  uint32_t name;
  // What the model says: the life that has the name, or LIVES while nobody
  // has.
  uint32_t found;
  bool is_late;
} lookup_t;

struct town {
  weft_kit_random_t* random;
  weft_runtime_t* runtime;
  life_t lives[LIVES];
  uint32_t count;
  // Whose the names are; LIVES: nobody's.
  uint32_t names[NAMES];
  lookup_t lookups[LOOKUPS];
  uint32_t lookup_count;
  int act;
};

// What the actors are; init takes a life as an opaque value.
extern const weft_class_t town_class;
extern const weft_opaque_type_t town_life_type;

// Which act a reason goes back to.
int town_read_reason(weft_status_t reason);

// --- The model --------------------------------------------------------------

uint32_t town_index_of(const life_t* life);
// One life ends, and all that are linked to it unless it ends in order.
void town_model_end(life_t* life, int reason);
void town_model_command(life_t* life, command_t command, life_t* other);
void town_model_register(town_t* town, uint32_t name, uint32_t life);

#endif  // WEFT_TESTS_SIM_TOWN_H_
