// SPDX-License-Identifier: Apache-2.0
//
// A graph of futures that chance builds, and what is known of each: how it was
// made, what was done to it, and how it ended. Sources of a node have lower
// numbers, so the graph has no circles. The model (model.c) says which
// outcomes a node may have, given the outcomes of its sources.

#ifndef WEFT_TESTS_SIM_GRAPH_H_
#define WEFT_TESTS_SIM_GRAPH_H_

#include "kit/kit.h"
#include "weft/weft.h"

enum {
  GRAPH_NODES = 40,
  GRAPH_SOURCES = 4,
  GRAPH_WAITERS = 3,
};

typedef enum graph_kind {
  GRAPH_PROMISE,
  GRAPH_VALUE,
  GRAPH_ERROR,
  GRAPH_THEN,
  GRAPH_MAP,
  GRAPH_FLATTEN,
  GRAPH_ALL,
  GRAPH_JOIN,
  GRAPH_ANY,
  GRAPH_MERGE,
  GRAPH_DEADLINE,
  GRAPH_AWAIT,
  GRAPH_FORK,
  GRAPH_KIND_COUNT,
} graph_kind_t;

// What completes a promise.
typedef enum graph_end {
  GRAPH_END_SET,
  GRAPH_END_PUBLISH,
  GRAPH_END_FAIL,
  GRAPH_END_DROP,
  // With a future as its value.
  GRAPH_END_INNER,
  GRAPH_END_FORWARD,
  GRAPH_END_COUNT,
} graph_end_t;

// What a function does: then, map, awaits and forks have one.
typedef enum graph_function {
  // The sum of the whole numbers that it is given, and 1.
  GRAPH_FUNCTION_ADD,
  GRAPH_FUNCTION_FAIL,
  // Gives a future as its value.
  GRAPH_FUNCTION_INNER,
  // Waits for another future, and ends as that does; awaits and forks only.
  GRAPH_FUNCTION_WAIT,
  GRAPH_FUNCTION_COUNT,
} graph_function_t;

typedef struct graph graph_t;
typedef struct graph_node graph_node_t;

typedef struct graph_waiter {
  weft_waiter_t waiter;
  graph_node_t* node;
  // Which registration of its node it was, from 1; 0 means unused.
  uint32_t place;
  uint32_t calls;
  bool is_removed;
} graph_waiter_t;

struct graph_node {
  graph_t* graph;
  uint32_t index;
  graph_kind_t kind;
  uint32_t sources[GRAPH_SOURCES];
  uint32_t source_count;
  // The test's reference; NULL once it is dropped.
  weft_future_t* future;
  weft_promise_t* promise;
  graph_end_t end;
  graph_function_t function;
  // Another future that the end or the function needs. Held until the graph
  // is over, so that its address is its own.
  graph_node_t* inner;
  bool is_pinned;
  // Of a GRAPH_DEADLINE; of the wait of a GRAPH_FUNCTION_WAIT.
  int64_t deadline_ns;
  int64_t created_at_ns;
  // Settles the promise at its time.
  weft_timer_t timer;
  bool has_timer;

  // What was done to it.
  bool is_cancelled;
  // Something followed it: a lazy one has been started.
  bool is_wanted;
  // Some function may wait for it.
  bool may_be_wanted;
  graph_waiter_t waiters[GRAPH_WAITERS];
  uint32_t registrations;
  uint32_t last_called;

  // What was seen of it.
  weft_hook_t hook;
  uint32_t ends;
  // Which end of all it was.
  uint32_t ended_as;
  int64_t ended_at_ns;
  weft_status_t status;
  weft_value_t value;
  // Calls of its function, and of the release of its user data.
  uint32_t runs;
  uint32_t releases;
};

struct graph {
  weft_kit_random_t* random;
  weft_runtime_t* runtime;
  graph_node_t nodes[GRAPH_NODES];
  uint32_t count;
  uint32_t ended_count;
  // The first thing that a callback found wrong; callbacks cannot assert.
  const char* wrong;
  // What has happened, in its order, as one number.
  uint64_t course;
};

// Notes an event in the course.
void graph_note(graph_t* graph, const char* what, uint64_t which);
void graph_must(graph_t* graph, bool holds, const char* what);
bool graph_must_ok(graph_t* graph, weft_status_t status);
// Less than `limit`, by chance.
uint32_t graph_below(graph_t* graph, uint32_t limit);

// Makes one more node, if there is room.
void graph_grow(graph_t* graph);
// Completes the promise of a node in the way that was chosen; nothing if that
// is done.
void graph_settle(graph_node_t* node);
// Does one thing by chance.
void graph_act(graph_t* graph);
// Completes what is open, without running anything.
void graph_settle_all(graph_t* graph);
// Releases everything that the graph holds.
void graph_release(graph_t* graph);

// --- The model --------------------------------------------------------------

// Fails the test unless all that has ended did so as it may, and everything
// has ended that nothing stands in the way of. All tasks have run.
void graph_check(const graph_t* graph);
// Fails the test unless every node has ended, but for lazy ones that nobody
// wanted, and every waiter was called that was not removed.
void graph_check_over(const graph_t* graph);
// After the graph is released: every future has ended, lazy ones too, and
// every function's user data was released, once.
void graph_check_released(const graph_t* graph);

#endif  // WEFT_TESTS_SIM_GRAPH_H_
