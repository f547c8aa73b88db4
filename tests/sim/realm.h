// SPDX-License-Identifier: Apache-2.0
//
// Actors of several members of a job, which link and watch each other, are
// stopped, and work for each other with deadlines that end and calls that are
// cancelled, while members are killed. What passes between members takes time,
// so the model says what must hold once nothing is on its way any more, and
// what may have caused what:
//
// - a monitor gives one notice if the other has ended, none if it has not;
// - of two that are linked none lives when the other has ended badly, and who
//   ends has a cause: its own act, or that of somebody it was linked to;
// - all work ends, at the latest when it is cancelled;
// - whoever lives can be called, by everybody, as often as a window is wide.

#ifndef WEFT_TESTS_SIM_REALM_H_
#define WEFT_TESTS_SIM_REALM_H_

#include "sim/job.h"

enum {
  REALM_LIVES = 16,
  REALM_TASKS = 800,
  REALM_ACTS = 150,
};

enum {
  REALM_ENDPOINT_OBEY,
  REALM_ENDPOINT_TOLD,
  REALM_ENDPOINT_WORK,
};

// Why one has ended, beside the number of the act that caused it.
enum {
  // It has not.
  REALM_ALIVE = -1,
  REALM_IN_ORDER = -2,
  // It was linked to one that was gone.
  REALM_NOBODY = -3,
  // It was linked to one whose member died.
  REALM_DEATH = -4,
  REALM_UNKNOWN = -5,
};

typedef enum deed {
  DEED_LINK,
  DEED_UNLINK,
  DEED_MONITOR,
  DEED_UNMONITOR,
  DEED_END_IN_ORDER,
  DEED_END_BADLY,
  DEED_COUNT,
} deed_t;

typedef struct realm realm_t;

// What one has done about another.
typedef struct tie {
  bool has_linked;
  // Both were alive when nothing was on its way.
  bool is_settled;
  bool has_unlinked;
  bool has_watched;
  bool has_unwatched;
  uint32_t notices;
  int reason;
} tie_t;

typedef struct life {
  realm_t* realm;
  uint32_t index;
  uint32_t rank;
  weft_actor_t actor;
  weft_future_t* exited;
  // What its own member says of its end.
  weft_waiter_t on_exit;
  int reason;
  uint32_t deinits;
  // It is in a handler, which waits if nothing is on its way.
  bool is_busy;
  tie_t ties[REALM_LIVES];
} life_t;

typedef struct task {
  realm_t* realm;
  // The member on which it runs, and where its caller is.
  uint32_t rank;
  uint32_t entered;
  uint32_t left;
  // Of those that are called from outside.
  weft_future_t* future;
  weft_waiter_t on_end;
  uint32_t ended;
} task_t;

struct realm {
  job_t job;
  weft_kit_random_t* random;
  life_t lives[REALM_LIVES];
  task_t tasks[REALM_TASKS];
  uint32_t task_count;
  // Whose act it was; a life for each act.
  uint32_t acts[REALM_ACTS];
  uint32_t act;
  // Of each member: what never comes.
  weft_promise_t* promises[JOB_MEMBERS];
  weft_future_t* never[JOB_MEMBERS];
  bool is_over;
};

void realm_open(realm_t* realm, weft_kit_random_t* random, uint32_t size);
// One thing, by chance.
void realm_act(realm_t* realm);
// Nothing is on its way: what must hold then.
void realm_check(realm_t* realm);
// All work is cancelled, and has ended.
void realm_finish(realm_t* realm);
void realm_close(realm_t* realm);

// --- The model: realm_model.c -----------------------------------------------

void realm_must(const life_t* life, bool holds, const char* what);
bool realm_is_alive(const life_t* life);
// Which act an error goes back to.
int realm_read_reason(weft_status_t reason);

#endif  // WEFT_TESTS_SIM_REALM_H_
