// SPDX-License-Identifier: Apache-2.0
//
// Tasks that are calls to actors, whose handlers call for further tasks: what
// each is to do, and what was seen of it.

#ifndef WEFT_TESTS_SIM_ERRAND_H_
#define WEFT_TESTS_SIM_ERRAND_H_

#include "kit/kit.h"
#include "weft/weft.h"

enum {
  ACTORS = 5,
  TASKS = 32,
  CHILDREN = 3,
  NOBODY = TASKS,
};

typedef enum deed {
  // Waits for each child before it calls the next.
  DEED_ONE_BY_ONE,
  // Calls all, then waits for each.
  DEED_AT_ONCE,
  // Takes the reply and forwards it.
  DEED_DEFER,
  DEED_FAIL,
  // Waits for a while for what never comes, then answers.
  DEED_NAP,
  // Waits for what never comes until it is cancelled or late.
  DEED_SLEEP,
  DEED_COUNT,
} deed_t;

typedef struct errand errand_t;

typedef struct task {
  errand_t* errand;
  uint32_t parent;
  uint32_t children[CHILDREN];
  uint32_t child_count;
  uint32_t actor;
  deed_t deed;
  // Of the call; 0: what the caller has left.
  int64_t timeout_ns;
  // When the handler must see that it is due.
  int64_t due_ns;
  uint32_t entered;
  uint32_t left;
} task_t;

struct errand {
  weft_kit_random_t* random;
  weft_runtime_t* runtime;
  weft_actor_t actors[ACTORS];
  // Any task may call any actor, so there may be circles.
  bool is_wild;
  task_t tasks[TASKS];
  uint32_t count;
  // A future that nobody completes before all is over.
  weft_promise_t* never_promise;
  weft_future_t* never;
  bool is_over;
  const char* wrong;
};

// What the actors are; init takes the errand as an opaque value.
extern const weft_class_t errand_class;
extern const weft_opaque_type_t errand_type;

// Calls for a task. The caller has until `caller_due_ns` itself.
weft_status_t errand_call(task_t* task, int64_t caller_due_ns,
                          weft_future_t** out_future);

#endif  // WEFT_TESTS_SIM_ERRAND_H_
