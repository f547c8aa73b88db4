// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the contracts share: a runtime with real threads on an
// allocator that finds leaks, and a latch to make threads meet without
// sleeping.

#ifndef WEFT_TESTS_CONFORM_STAGE_H_
#define WEFT_TESTS_CONFORM_STAGE_H_

#include <stdatomic.h>

#include "kit/kit.h"
#include "weft/weft.h"

typedef struct stage {
  weft_kit_allocator_t memory;
  weft_runtime_t* runtime;
  // Warnings given out so far.
  _Atomic uint32_t warnings;
} stage_t;

// One class is enough for a test; `actor_class` may be NULL.
void stage_open(stage_t* stage, const weft_class_t* actor_class);
// Stops the runtime and checks that nothing leaked.
void stage_close(stage_t* stage);

// A pointer as the value that `stage_init` takes.
weft_status_t stage_state(stage_t* stage, void* state, weft_value_t* out_value);
// Spawns an actor of the class, whose init is given `state` as an opaque
// value; see `stage_init`.
weft_actor_t stage_spawn(stage_t* stage, const weft_class_t* actor_class,
                         void* state, const weft_spawn_options_t* options);
// An init for classes whose state is what spawn was given.
weft_status_t stage_init(weft_context_t* context, weft_value_t init,
                         void** out_state);

// Calls and waits without a limit. The value is the caller's.
weft_status_t stage_ask(stage_t* stage, weft_actor_t actor, uint32_t endpoint,
                        const weft_arguments_t* arguments,
                        weft_value_t* out_value);

// The code of what a future came to, after a wait without a limit.
weft_status_code_t stage_code_of(weft_future_t* future);

// --- Meeting ----------------------------------------------------------------

// Counts events and lets threads wait for a number of them. Zeroed it is a
// latch of no events, after `latch_init`.
typedef struct latch {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint32_t count;
} latch_t;

void latch_init(latch_t* latch);
void latch_deinit(latch_t* latch);
void latch_count(latch_t* latch);
// Waits until at least `count` events were counted.
void latch_await(latch_t* latch, uint32_t count);

#endif  // WEFT_TESTS_CONFORM_STAGE_H_
