// SPDX-License-Identifier: Apache-2.0
//
// What chance does to a graph of futures.

#include "sim/graph.h"

// --- Promises ---------------------------------------------------------------

static weft_status_t complete(graph_node_t* node, weft_promise_t* promise) {
  switch (node->end) {
    case GRAPH_END_SET:
      return weft_promise_set(promise, weft_int64(node->index));
    case GRAPH_END_PUBLISH:
      *weft_promise_slot(promise) = weft_int64(node->index);
      return weft_promise_publish(promise);
    case GRAPH_END_FAIL:
      return weft_promise_fail(
          promise,
          weft_status_make(WEFT_STATUS_DATA_LOSS, "root %u", node->index));
    case GRAPH_END_INNER:
      return weft_promise_set(promise, weft_future_value(node->inner->future));
    case GRAPH_END_FORWARD:
      node->inner->is_wanted |= !node->is_cancelled;
      return weft_promise_forward(promise, node->inner->future);
    default:
      return WEFT_OK;
  }
}

// A promise that has an outcome takes no other, and changes nothing.
static void complete_again(graph_node_t* node, weft_promise_t* promise) {
  weft_status_t status = weft_promise_set(promise, weft_int64(-1));
  graph_must(node->graph,
             weft_status_code(status) == WEFT_STATUS_ALREADY_EXISTS,
             "a promise was completed twice");
  weft_status_release(status);
}

void graph_settle(graph_node_t* node) {
  weft_promise_t* promise = node->promise;
  if (promise == NULL) {
    return;
  }
  graph_t* graph = node->graph;
  node->promise = NULL;
  bool was_cancelled = weft_promise_is_cancelled(promise);
  graph_must(graph, was_cancelled == node->is_cancelled,
             "a promise does not know whether its future was cancelled");
  weft_status_t status = complete(node, promise);
  if (was_cancelled && node->end != GRAPH_END_DROP) {
    graph_must(graph, weft_status_code(status) == WEFT_STATUS_ALREADY_EXISTS,
               "a cancelled promise was completed");
    weft_status_release(status);
  } else {
    graph_must_ok(graph, status);
  }
  if (node->end != GRAPH_END_DROP) {
    complete_again(node, promise);
  }
  weft_promise_release(promise);
}

static void on_time(weft_timer_t* timer, void* user) {
  (void)timer;
  graph_node_t* node = user;
  graph_note(node->graph, "timer", node->index);
  graph_settle(node);
}

static void settle_later(graph_node_t* node) {
  graph_t* graph = node->graph;
  if (node->promise == NULL || node->has_timer) {
    return;
  }
  int64_t deadline_ns =
      weft_deadline_after(graph->runtime, graph_below(graph, 100));
  node->has_timer =
      graph_must_ok(graph, weft_timer_start(graph->runtime, &node->timer,
                                            deadline_ns, 0, on_time, node));
}

void graph_settle_all(graph_t* graph) {
  for (uint32_t i = 0; i < graph->count; ++i) {
    graph_settle(&graph->nodes[i]);
  }
}

// --- Waiters ----------------------------------------------------------------

static void on_called(weft_waiter_t* waiter, weft_future_t* future) {
  graph_waiter_t* called = waiter->user;
  graph_node_t* node = called->node;
  graph_t* graph = node->graph;
  ++called->calls;
  graph_must(graph, called->calls == 1, "a waiter was called twice");
  graph_must(graph, !called->is_removed, "a removed waiter was called");
  graph_must(graph, called->place > node->last_called,
             "waiters were not called in order of registration");
  graph_must(graph, weft_future_is_done(future) && node->ends == 1,
             "a waiter was called before the end");
  node->last_called = called->place;
  graph_note(graph, "waiter", node->index);
}

static void add_waiter(graph_node_t* node) {
  uint32_t used = node->registrations;
  if (node->future == NULL || used == GRAPH_WAITERS) {
    return;
  }
  graph_waiter_t* waiter = &node->waiters[used];
  ++node->registrations;
  *waiter = (graph_waiter_t){
      .waiter = {.callback = on_called, .user = waiter},
      .node = node,
      .place = node->registrations,
  };
  node->is_wanted = true;
  weft_future_add_waiter(node->future, &waiter->waiter);
  graph_must(node->graph, waiter->calls == (node->ends > 0 ? 1 : 0),
             "a waiter for a finished future was not called at once");
}

static void remove_waiter(graph_node_t* node) {
  if (node->future == NULL || node->registrations == 0) {
    return;
  }
  graph_waiter_t* waiter =
      &node->waiters[graph_below(node->graph, node->registrations)];
  if (waiter->is_removed) {
    return;
  }
  bool is_taken = weft_future_remove_waiter(node->future, &waiter->waiter);
  graph_must(node->graph, is_taken == (waiter->calls == 0),
             "removing a waiter did not tell whether it was called");
  waiter->is_removed = is_taken;
}

// --- Cancelling, dropping, waiting ------------------------------------------

static void cancel(graph_node_t* node) {
  if (node->future == NULL) {
    return;
  }
  bool was_done = node->ends > 0;
  bool is_mine = weft_future_cancel(node->future);
  graph_must(node->graph, is_mine == !was_done,
             "cancelling did not tell who completed the future");
  node->is_cancelled |= is_mine;
  graph_must(node->graph, node->ends == 1, "a cancelled future went on");
}

static void drop(graph_node_t* node) {
  if (!node->is_pinned && node->future != NULL) {
    weft_future_release(node->future);
    node->future = NULL;
  }
}

// A wait from outside. That it was too short loses nothing: the node ends
// later as if nobody had waited.
static void wait_a_while(graph_node_t* node) {
  graph_t* graph = node->graph;
  if (node->future == NULL) {
    return;
  }
  node->may_be_wanted = true;
  int64_t deadline_ns =
      weft_deadline_after(graph->runtime, graph_below(graph, 40));
  weft_status_t status = weft_future_wait(node->future, deadline_ns);
  weft_status_code_t code = weft_status_ignore(status);
  if (code == WEFT_STATUS_OK) {
    graph_must(graph, node->ends == 1, "a wait ended before its future");
    return;
  }
  graph_must(graph, code == WEFT_STATUS_DEADLINE_EXCEEDED,
             "a wait failed for an unknown reason");
  graph_must(graph, node->ends == 0, "a wait missed that its future ended");
  graph_must(graph, weft_runtime_now_ns(graph->runtime) >= deadline_ns,
             "a wait ended before its deadline");
}

void graph_act(graph_t* graph) {
  if (graph->count == 0 || graph_below(graph, 100) < 40) {
    graph_grow(graph);
    return;
  }
  graph_node_t* node = &graph->nodes[graph_below(graph, graph->count)];
  uint32_t chance = graph_below(graph, 100);
  if (chance < 25) {
    graph_settle(node);
  } else if (chance < 45) {
    settle_later(node);
  } else if (chance < 60) {
    add_waiter(node);
  } else if (chance < 70) {
    remove_waiter(node);
  } else if (chance < 78) {
    cancel(node);
  } else if (chance < 90) {
    drop(node);
  } else {
    wait_a_while(node);
  }
}

void graph_release(graph_t* graph) {
  for (uint32_t i = 0; i < graph->count; ++i) {
    weft_future_release(graph->nodes[i].future);
    graph->nodes[i].future = NULL;
  }
  // A lazy one may end now, with the last value that held it.
  for (uint32_t i = 0; i < graph->count; ++i) {
    weft_value_release(graph->nodes[i].value);
    graph->nodes[i].value = weft_none();
  }
  for (uint32_t i = 0; i < graph->count; ++i) {
    weft_status_release(graph->nodes[i].status);
    graph->nodes[i].status = WEFT_OK;
  }
}
