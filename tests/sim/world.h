// SPDX-License-Identifier: Apache-2.0
//
// Senders, receivers, and a list of every message that went between them: how
// it was sent, how its argument comes, what its handler does, and what became
// of it. The model (world_model.c) says how each must have ended.

#ifndef WEFT_TESTS_SIM_WORLD_H_
#define WEFT_TESTS_SIM_WORLD_H_

#include "kit/kit.h"
#include "weft/weft.h"

enum {
  WORLD_ACTORS = 3,
  // Actors that send, and the thread outside.
  WORLD_SENDERS = 4,
  WORLD_OUTSIDE = 3,
  WORLD_RECEIVERS = 3,
  WORLD_MESSAGES = 96,
};

// How the argument of a message comes to its value.
typedef enum world_source {
  WORLD_PLAIN,
  WORLD_LATE,
  WORLD_FAILING,
  WORLD_DROPPED,
  WORLD_SOURCE_COUNT,
} world_source_t;

// What the handler does with the message.
typedef enum world_deed {
  WORLD_ANSWERS,
  // Takes the reply; the test answers later.
  WORLD_DEFERS,
  WORLD_FAILS,
  WORLD_DEED_COUNT,
} world_deed_t;

typedef struct world world_t;

typedef struct world_message {
  world_t* world;
  uint32_t index;
  uint32_t sender;
  uint32_t receiver;
  world_source_t source;
  world_deed_t deed;
  // Whether the sender wants an answer, and when at the latest.
  bool is_call;
  bool is_try;
  int64_t timeout_ns;
  int64_t sent_at_ns;
  // What completes the argument, until it has; NULL for WORLD_PLAIN.
  weft_promise_t* promise;
  // What completes a deferred reply, until it has.
  weft_promise_t* answer;
  weft_future_t* reply;
  // True when it was accepted; what sending it said.
  bool is_sent;
  weft_status_code_t sent_code;
  // The test cancelled it before it had an outcome.
  bool is_cancelled;
  // How often its handler ran, and as which of all.
  uint32_t runs;
  uint32_t turn;
  // Warnings that spoke of it.
  uint32_t warnings;
  weft_hook_t hook;
  uint32_t ends;
  int64_t ended_at_ns;
} world_message_t;

struct world {
  weft_kit_allocator_t memory;
  weft_kit_random_t* random;
  weft_runtime_t* runtime;
  weft_actor_t senders[WORLD_ACTORS];
  weft_actor_t receivers[WORLD_RECEIVERS];
  // Somebody asked it to end.
  bool is_stopped[WORLD_RECEIVERS];
  // The runtime was asked to.
  bool is_closing;
  world_message_t messages[WORLD_MESSAGES];
  uint32_t count;
  uint32_t turns;
  // The first thing that a handler found wrong; handlers cannot assert.
  const char* wrong;
  // What has happened, in its order, as one number.
  uint64_t course;
};

// Makes runtime and actors. `shift` is added to the seed of the runtime alone.
void world_open(world_t* world, weft_kit_random_t* random, uint64_t shift);
// Does one thing by chance, without running anything.
void world_act(world_t* world);
// Completes every argument and every deferred reply.
void world_settle_all(world_t* world);
void world_close(world_t* world);

void world_must(world_t* world, bool holds, const char* what);
void world_must_ok(world_t* world, weft_status_t status);

// Fails the test unless all that has ended did so as it may, handlers ran in
// the order of sending, and nothing waits that nothing holds back. All tasks
// have run.
void world_check(const world_t* world);
// Fails the test unless, besides, everything has ended.
void world_check_over(const world_t* world);

#endif  // WEFT_TESTS_SIM_WORLD_H_
