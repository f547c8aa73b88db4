// SPDX-License-Identifier: Apache-2.0
//
// The reference model of futures: given how the sources of a node ended, how
// may it have ended itself, and must it have?

#include <stdio.h>
#include <string.h>

#include "sim/graph.h"

// How something ended, as far as it has.
typedef struct outcome {
  bool is_there;
  weft_status_t status;
  weft_value_t value;
} outcome_t;

static outcome_t outcome_of(const graph_node_t* node) {
  return (outcome_t){node->ends > 0, node->status, node->value};
}

static bool is_error(outcome_t outcome) {
  return outcome.is_there && !weft_status_is_ok(outcome.status);
}

static bool is_value(outcome_t outcome) {
  return outcome.is_there && weft_status_is_ok(outcome.status);
}

// --- Comparing --------------------------------------------------------------

// The same failure: code, message, place and all causes.
static bool same_error(weft_status_t a, weft_status_t b) {
  while (!weft_status_is_ok(a) && !weft_status_is_ok(b)) {
    weft_status_origin_t from_a = weft_status_origin(a);
    weft_status_origin_t from_b = weft_status_origin(b);
    if (weft_status_code(a) != weft_status_code(b) ||
        strcmp(weft_status_message(a), weft_status_message(b)) != 0 ||
        from_a.line != from_b.line || from_a.file != from_b.file) {
      return false;
    }
    a = weft_status_cause(a);
    b = weft_status_cause(b);
  }
  return weft_status_is_ok(a) && weft_status_is_ok(b);
}

static bool same(outcome_t a, outcome_t b) {
  if (!a.is_there || !b.is_there) {
    return false;
  }
  if (!weft_status_is_ok(a.status) || !weft_status_is_ok(b.status)) {
    return same_error(a.status, b.status);
  }
  return weft_value_equal(a.value, b.value);
}

static bool is_int(outcome_t outcome, int64_t wanted) {
  return is_value(outcome) &&
         weft_value_equal(outcome.value, weft_int64(wanted));
}

static bool is_root(outcome_t outcome, uint32_t index) {
  char text[32];
  snprintf(text, sizeof(text), "root %u", index);
  return is_error(outcome) &&
         weft_status_code(outcome.status) == WEFT_STATUS_DATA_LOSS &&
         strcmp(weft_status_message(outcome.status), text) == 0;
}

static bool has_code(outcome_t outcome, weft_status_code_t code) {
  return outcome.is_there && weft_status_code(outcome.status) == code;
}

static bool is_inner(outcome_t outcome, const graph_node_t* inner) {
  return is_value(outcome) &&
         weft_value_equal(outcome.value, weft_future_lend(inner->future));
}

// The outcome of the future that a value is. It is pinned, so it is among the
// nodes.
static outcome_t outcome_in(const graph_t* graph, weft_value_t value) {
  for (uint32_t i = 0; i < graph->count; ++i) {
    const graph_node_t* node = &graph->nodes[i];
    if (node->future != NULL &&
        weft_value_equal(value, weft_future_lend(node->future))) {
      return outcome_of(node);
    }
  }
  fail_msg("a value is a future that nobody made");
  return (outcome_t){0};
}

// What stands at the end when futures hold futures.
static outcome_t resolve(const graph_node_t* node) {
  outcome_t outcome = outcome_of(node);
  while (is_value(outcome) &&
         weft_value_kind(outcome.value) == WEFT_KIND_FUTURE) {
    outcome = outcome_in(node->graph, outcome.value);
  }
  return outcome;
}

// --- Kind by kind: how may it have ended? -----------------------------------

static const graph_node_t* source_of(const graph_node_t* node, uint32_t i) {
  return &node->graph->nodes[node->sources[i]];
}

// Errors among the sources, of those that ended before the node did.
static bool is_error_of_a_source(const graph_node_t* node) {
  bool is_found = false;
  for (uint32_t i = 0; i < node->source_count && !is_found; ++i) {
    const graph_node_t* source = source_of(node, i);
    outcome_t outcome = outcome_of(source);
    is_found = is_error(outcome) && source->ended_as < node->ended_as &&
               same(outcome_of(node), outcome);
  }
  return is_found;
}

static uint32_t count_values(const graph_node_t* node) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < node->source_count; ++i) {
    count += is_value(outcome_of(source_of(node, i))) ? 1 : 0;
  }
  return count;
}

static uint32_t count_errors(const graph_node_t* node) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < node->source_count; ++i) {
    count += is_error(outcome_of(source_of(node, i))) ? 1 : 0;
  }
  return count;
}

static bool element_fits(weft_value_t element, outcome_t source) {
  weft_status_t error = WEFT_OK;
  if (is_value(source)) {
    return weft_value_equal(element, source.value);
  }
  weft_status_t status = weft_value_as_status(element, &error);
  return weft_status_ignore(status) == WEFT_STATUS_OK && is_error(source) &&
         same_error(error, source.status);
}

// A list of what all sources hold.
static bool is_list_of_sources(const graph_node_t* node) {
  const weft_value_t* values = NULL;
  size_t count = 0;
  weft_status_t status = weft_value_as_list(node->value, &values, &count);
  bool fits = weft_status_ignore(status) == WEFT_STATUS_OK &&
              count == node->source_count;
  for (uint32_t i = 0; i < node->source_count && fits; ++i) {
    fits = element_fits(values[i], outcome_of(source_of(node, i)));
  }
  return fits;
}

static bool join_fits(const graph_node_t* node) {
  if (!weft_status_is_ok(node->status)) {
    return is_error_of_a_source(node);
  }
  return count_values(node) == node->source_count &&
         (node->kind == GRAPH_MERGE
              ? weft_value_kind(node->value) == WEFT_KIND_NONE
              : is_list_of_sources(node));
}

static bool any_fits(const graph_node_t* node) {
  if (node->source_count == 0) {
    return false;
  }
  if (!weft_status_is_ok(node->status)) {
    return count_errors(node) == node->source_count &&
           is_error_of_a_source(node);
  }
  bool is_found = false;
  for (uint32_t i = 0; i < node->source_count; ++i) {
    const graph_node_t* source = source_of(node, i);
    is_found |= source->ended_as < node->ended_as &&
                same(outcome_of(node), outcome_of(source));
  }
  return is_found;
}

// The source if it came in time; else the deadline, at the very moment.
static bool deadline_fits(const graph_node_t* node) {
  const graph_node_t* source = source_of(node, 0);
  int64_t due_ns = node->deadline_ns > node->created_at_ns
                       ? node->deadline_ns
                       : node->created_at_ns;
  if (source->ends > 0 && source->ended_as < node->ended_as &&
      same(outcome_of(node), outcome_of(source))) {
    return source->ended_at_ns <= due_ns;
  }
  return has_code(outcome_of(node), WEFT_STATUS_DEADLINE_EXCEEDED) &&
         node->ended_at_ns == due_ns &&
         (source->ends == 0 || source->ended_at_ns >= due_ns);
}

static bool promise_fits(const graph_node_t* node) {
  outcome_t outcome = outcome_of(node);
  if (node->promise != NULL) {
    // Nobody has completed it yet.
    return false;
  }
  switch (node->end) {
    case GRAPH_END_FAIL:
      return is_root(outcome, node->index);
    case GRAPH_END_DROP:
      return has_code(outcome, WEFT_STATUS_ABANDONED);
    case GRAPH_END_INNER:
      return is_inner(outcome, node->inner);
    case GRAPH_END_FORWARD:
      return same(outcome, outcome_of(node->inner));
    default:
      return is_int(outcome, node->index);
  }
}

// A function that waits under somebody's deadline may find that too short.
static bool wait_fits(const graph_node_t* node) {
  return same(outcome_of(node), outcome_of(node->inner)) ||
         has_code(outcome_of(node), WEFT_STATUS_DEADLINE_EXCEEDED);
}

static bool function_fits(const graph_node_t* node, int64_t sum) {
  outcome_t outcome = outcome_of(node);
  if (node->runs != 1) {
    return false;
  }
  switch (node->function) {
    case GRAPH_FUNCTION_FAIL:
      return is_root(outcome, node->index);
    case GRAPH_FUNCTION_INNER:
      return is_inner(outcome, node->inner);
    case GRAPH_FUNCTION_WAIT:
      return wait_fits(node);
    default:
      return is_int(outcome, sum + 1);
  }
}

static int64_t number_in(outcome_t outcome) {
  return is_value(outcome) && weft_value_kind(outcome.value) == WEFT_KIND_INT64
             ? outcome.value.as.int64
             : 0;
}

static bool next_fits(const graph_node_t* node) {
  outcome_t source = outcome_of(source_of(node, 0));
  if (is_error(source)) {
    bool passes = node->kind == GRAPH_MAP || node->index % 2 == 0;
    return passes ? same(outcome_of(node), source) &&
                        node->runs == (node->kind == GRAPH_MAP ? 0 : 1)
                  : function_fits(node, 0);
  }
  return source.is_there && function_fits(node, number_in(source));
}

static bool await_fits(const graph_node_t* node) {
  if (node->future == NULL && !node->is_wanted && node->runs == 0 &&
      has_code(outcome_of(node), WEFT_STATUS_ABANDONED)) {
    // The last reference went before anybody waited.
    return true;
  }
  int64_t sum = 0;
  bool is_failing = false;
  for (uint32_t i = 0; i < node->source_count; ++i) {
    outcome_t argument = resolve(source_of(node, i));
    if (is_error(argument)) {
      is_failing = true;
      if (node->runs == 0 && same(outcome_of(node), argument)) {
        return true;
      }
    }
    sum += number_in(argument);
  }
  return !is_failing && function_fits(node, sum);
}

static bool fits(const graph_node_t* node) {
  switch (node->kind) {
    case GRAPH_PROMISE:
      return promise_fits(node);
    case GRAPH_VALUE:
      return is_int(outcome_of(node), node->index);
    case GRAPH_ERROR:
      return is_root(outcome_of(node), node->index);
    case GRAPH_THEN:
    case GRAPH_MAP:
      return next_fits(node);
    case GRAPH_FLATTEN:
      return same(outcome_of(node), resolve(source_of(node, 0)));
    case GRAPH_ALL:
      return is_value(outcome_of(node)) && is_list_of_sources(node);
    case GRAPH_JOIN:
    case GRAPH_MERGE:
      return join_fits(node);
    case GRAPH_ANY:
      return any_fits(node);
    case GRAPH_DEADLINE:
      return deadline_fits(node);
    default:
      return await_fits(node);
  }
}

// --- Kind by kind: must it have ended? --------------------------------------

static bool function_must_end(const graph_node_t* node) {
  if (node->kind == GRAPH_AWAIT && !node->is_wanted) {
    return false;
  }
  for (uint32_t i = 0; i < node->source_count; ++i) {
    if (!resolve(source_of(node, i)).is_there) {
      return false;
    }
  }
  // Timers have all run, so a deadline has passed.
  return node->function != GRAPH_FUNCTION_WAIT || node->inner->ends > 0 ||
         node->deadline_ns != WEFT_TIME_INFINITE;
}

static bool gathering_must_end(const graph_node_t* node) {
  uint32_t values = count_values(node);
  uint32_t errors = count_errors(node);
  bool all = values + errors == node->source_count;
  switch (node->kind) {
    case GRAPH_ALL:
      return all;
    case GRAPH_ANY:
      return all || values > 0;
    default:
      return all || errors > 0;
  }
}

static bool must_end(const graph_node_t* node) {
  switch (node->kind) {
    case GRAPH_PROMISE:
      return node->promise == NULL &&
             (node->end != GRAPH_END_FORWARD || node->inner->ends > 0);
    case GRAPH_VALUE:
    case GRAPH_ERROR:
      return true;
    case GRAPH_THEN:
    case GRAPH_MAP:
      return source_of(node, 0)->ends > 0;
    case GRAPH_DEADLINE:
      return source_of(node, 0)->ends > 0 ||
             node->deadline_ns != WEFT_TIME_INFINITE;
    case GRAPH_FLATTEN:
      return resolve(source_of(node, 0)).is_there;
    case GRAPH_AWAIT:
    case GRAPH_FORK:
      return function_must_end(node);
    default:
      return gathering_must_end(node);
  }
}

// --- The checks -------------------------------------------------------------

static void fail_node(const graph_node_t* node, const char* what) {
  char text[256];
  weft_status_format(node->status, text, sizeof(text));
  fail_msg(
      "node %u of kind %d %s: state %d, %s", node->index, (int)node->kind, what,
      node->future != NULL ? (int)weft_future_state(node->future) : -1, text);
}

static void check_node(const graph_node_t* node) {
  if (node->ends == 0) {
    if (must_end(node)) {
      fail_node(node, "has not ended");
    }
  } else if (node->is_cancelled) {
    if (!has_code(outcome_of(node), WEFT_STATUS_CANCELLED)) {
      fail_node(node, "was cancelled");
    }
  } else if (!fits(node)) {
    fail_node(node, "ended as it may not");
  }
  assert_true(node->runs <= 1);
  if (node->kind == GRAPH_AWAIT && !node->is_wanted && !node->may_be_wanted) {
    assert_int_equal(node->runs, 0);
  }
}

void graph_check(const graph_t* graph) {
  if (graph->wrong != NULL) {
    fail_msg("%s", graph->wrong);
  }
  for (uint32_t i = 0; i < graph->count; ++i) {
    check_node(&graph->nodes[i]);
  }
}

static void check_waiters(const graph_node_t* node) {
  for (uint32_t i = 0; i < node->registrations; ++i) {
    const graph_waiter_t* waiter = &node->waiters[i];
    assert_int_equal(waiter->calls, waiter->is_removed ? 0 : 1);
  }
}

void graph_check_over(const graph_t* graph) {
  graph_check(graph);
  for (uint32_t i = 0; i < graph->count; ++i) {
    const graph_node_t* node = &graph->nodes[i];
    if (node->ends == 0) {
      // It may be held by an argument, or as a value, after it was dropped.
      bool is_lazy = node->kind == GRAPH_AWAIT && !node->is_wanted &&
                     (node->future == NULL ||
                      weft_future_state(node->future) == WEFT_FUTURE_LAZY);
      if (!is_lazy) {
        fail_node(node, "has never ended");
      }
    }
    check_waiters(node);
  }
}

void graph_check_released(const graph_t* graph) {
  for (uint32_t i = 0; i < graph->count; ++i) {
    const graph_node_t* node = &graph->nodes[i];
    bool has_function = node->kind == GRAPH_THEN || node->kind == GRAPH_MAP ||
                        node->kind == GRAPH_AWAIT || node->kind == GRAPH_FORK;
    assert_int_equal(node->releases, has_function ? 1 : 0);
    assert_int_equal(node->ends, 1);
  }
}
