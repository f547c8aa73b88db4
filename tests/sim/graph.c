// SPDX-License-Identifier: Apache-2.0

#include "sim/graph.h"

#include <stdio.h>
#include <string.h>

// --- What callbacks report --------------------------------------------------

// Source: the FNV-1a hash, by Fowler, Noll and Vo.
void graph_note(graph_t* graph, const char* what, uint64_t which) {
  const uint64_t prime = UINT64_C(0x100000001b3);
  for (const char* c = what; *c != '\0'; ++c) {
    graph->course = (graph->course ^ (unsigned char)*c) * prime;
  }
  graph->course = (graph->course ^ which) * prime;
  int64_t now_ns = weft_runtime_now_ns(graph->runtime);
  graph->course = (graph->course ^ (uint64_t)now_ns) * prime;
}

void graph_must(graph_t* graph, bool holds, const char* what) {
  if (!holds && graph->wrong == NULL) {
    graph->wrong = what;
  }
}

bool graph_must_ok(graph_t* graph, weft_status_t status) {
  bool is_ok = weft_status_is_ok(status);
  if (!is_ok) {
    char text[512];
    weft_status_format(status, text, sizeof(text));
    fprintf(stderr, "unexpected: %s\n", text);
  }
  weft_status_release(status);
  graph_must(graph, is_ok, "something failed that cannot");
  return is_ok;
}

uint32_t graph_below(graph_t* graph, uint32_t limit) {
  return (uint32_t)weft_kit_random_below(graph->random, limit);
}

static void see_outcome(graph_node_t* node, weft_status_t status,
                        weft_value_t value) {
  graph_t* graph = node->graph;
  graph_must(graph, node->ends == 0, "a future ended twice");
  ++node->ends;
  node->ended_as = ++graph->ended_count;
  node->ended_at_ns = weft_runtime_now_ns(graph->runtime);
  node->status = weft_status_retain(status);
  node->value = weft_value_retain(value);
  graph_note(graph, "end", node->index);
  graph_note(graph, weft_status_code_name(weft_status_code(status)),
             node->index);
}

static void on_end(weft_hook_t* hook, weft_status_t status,
                   weft_value_t value) {
  see_outcome(hook->user, status, value);
}

// Sees the end of a node, which may be there already.
static void watch(graph_node_t* node) {
  node->hook.callback = on_end;
  node->hook.user = node;
  if (weft_future_add_hook(node->future, &node->hook)) {
    return;
  }
  weft_value_t value = weft_none();
  weft_status_t status = weft_future_result(node->future, &value);
  see_outcome(node, status, value);
  weft_status_release(status);
}

// --- Functions --------------------------------------------------------------

static void on_release(void* user) {
  graph_node_t* node = user;
  ++node->releases;
}

static weft_status_t run_function(graph_node_t* node, int64_t sum,
                                  weft_value_t* out_value) {
  switch (node->function) {
    case GRAPH_FUNCTION_FAIL:
      return weft_status_make(WEFT_STATUS_DATA_LOSS, "root %u", node->index);
    case GRAPH_FUNCTION_INNER:
      *out_value = weft_future_value(node->inner->future);
      return WEFT_OK;
    case GRAPH_FUNCTION_WAIT:
      return weft_future_get(node->inner->future, node->deadline_ns, out_value);
    default:
      *out_value = weft_int64(sum + 1);
      return WEFT_OK;
  }
}

static int64_t number_of(weft_value_t value) {
  return weft_value_kind(value) == WEFT_KIND_INT64 ? value.as.int64 : 0;
}

static weft_status_t run_next(void* user, weft_status_t status,
                              weft_value_t value, weft_value_t* out_value) {
  graph_node_t* node = user;
  ++node->runs;
  graph_note(node->graph, "next", node->index);
  if (!weft_status_is_ok(status) && node->index % 2 == 0) {
    return weft_status_retain(status);
  }
  return run_function(node, number_of(value), out_value);
}

static weft_status_t run_await(weft_runtime_t* runtime, void* user,
                               const weft_value_t* arguments,
                               weft_value_t* out_result) {
  (void)runtime;
  graph_node_t* node = user;
  ++node->runs;
  graph_note(node->graph, "run", node->index);
  int64_t sum = 0;
  for (uint32_t i = 0; i < node->source_count; ++i) {
    graph_must(node->graph, weft_value_kind(arguments[i]) != WEFT_KIND_FUTURE,
               "a function saw a future in place of a value");
    sum += number_of(arguments[i]);
  }
  return run_function(node, sum, out_result);
}

static const weft_parameter_t parameters[GRAPH_SOURCES] = {
    {"a", WEFT_KIND_ANY},
    {"b", WEFT_KIND_ANY},
    {"c", WEFT_KIND_ANY},
    {"d", WEFT_KIND_ANY},
};

// --- Making nodes -----------------------------------------------------------

// A node before this one that the test still holds; NULL if chance finds none.
static graph_node_t* choose_before(graph_node_t* node) {
  graph_t* graph = node->graph;
  for (uint32_t i = 0; i < 8 && node->index > 0; ++i) {
    graph_node_t* chosen = &graph->nodes[graph_below(graph, node->index)];
    if (chosen->future != NULL) {
      return chosen;
    }
  }
  return NULL;
}

static void choose_sources(graph_node_t* node) {
  uint32_t wanted = 1;
  if (node->kind >= GRAPH_ALL && node->kind != GRAPH_DEADLINE) {
    wanted = graph_below(node->graph, GRAPH_SOURCES + 1);
  }
  while (node->source_count < wanted) {
    graph_node_t* source = choose_before(node);
    if (source == NULL) {
      return;
    }
    node->sources[node->source_count++] = source->index;
  }
}

static bool needs_inner(const graph_node_t* node) {
  if (node->kind == GRAPH_PROMISE) {
    return node->end == GRAPH_END_INNER || node->end == GRAPH_END_FORWARD;
  }
  return node->function == GRAPH_FUNCTION_INNER ||
         node->function == GRAPH_FUNCTION_WAIT;
}

// Chooses what the node will do in the end.
static void choose_deed(graph_node_t* node) {
  graph_t* graph = node->graph;
  bool can_wait = node->kind == GRAPH_AWAIT || node->kind == GRAPH_FORK;
  node->end = (graph_end_t)graph_below(graph, GRAPH_END_COUNT);
  node->function = (graph_function_t)graph_below(
      graph, can_wait ? GRAPH_FUNCTION_COUNT : GRAPH_FUNCTION_WAIT);
  int64_t now_ns = weft_runtime_now_ns(graph->runtime);
  node->created_at_ns = now_ns;
  node->deadline_ns = graph_below(graph, 3) == 0
                          ? WEFT_TIME_INFINITE
                          : now_ns + (int64_t)graph_below(graph, 100) - 10;
  if (!needs_inner(node)) {
    return;
  }
  node->inner = choose_before(node);
  if (node->inner == NULL) {
    node->end = GRAPH_END_SET;
    node->function = GRAPH_FUNCTION_ADD;
  } else {
    node->inner->is_pinned = true;
    node->inner->may_be_wanted = true;
  }
}

static weft_status_t make_leaf(graph_node_t* node) {
  weft_runtime_t* runtime = node->graph->runtime;
  switch (node->kind) {
    case GRAPH_VALUE:
      return weft_future_from_value(runtime, weft_int64(node->index),
                                    &node->future);
    case GRAPH_ERROR:
      return weft_future_from_status(
          runtime,
          weft_status_make(WEFT_STATUS_DATA_LOSS, "root %u", node->index),
          &node->future);
    default:
      return weft_promise_create(runtime, &node->promise, &node->future);
  }
}

static weft_status_t make_function(graph_node_t* node) {
  graph_t* graph = node->graph;
  weft_value_t values[GRAPH_SOURCES];
  for (uint32_t i = 0; i < node->source_count; ++i) {
    values[i] = weft_future_lend(graph->nodes[node->sources[i]].future);
  }
  const weft_arguments_t arguments = {
      .positional = values,
      .positional_count = node->source_count,
  };
  const weft_function_t function = {
      .name = "node",
      .run = run_await,
      .user = node,
      .release = on_release,
      .parameters = parameters,
      .parameter_count = node->source_count,
  };
  return node->kind == GRAPH_AWAIT
             ? weft_await_create(graph->runtime, &function, &arguments,
                                 &node->future)
             : weft_async_run(graph->runtime, NULL, &function, &arguments,
                              &node->future);
}

static weft_status_t make_next(graph_node_t* node, weft_future_t* source) {
  weft_runtime_t* runtime = node->graph->runtime;
  const weft_continuation_t next = {
      .run = run_next,
      .user = node,
      .release = on_release,
      .executor = graph_below(node->graph, 2) == 0
                      ? NULL
                      : weft_runtime_executor(runtime),
  };
  return node->kind == GRAPH_THEN
             ? weft_future_then(source, &next, &node->future)
             : weft_future_map(source, &next, &node->future);
}

static weft_status_t make_gathering(graph_node_t* node,
                                    weft_future_t* const* sources) {
  weft_runtime_t* runtime = node->graph->runtime;
  size_t count = node->source_count;
  switch (node->kind) {
    case GRAPH_ALL:
      return weft_future_all(runtime, sources, count, &node->future);
    case GRAPH_JOIN:
      return weft_future_join(runtime, sources, count, &node->future);
    case GRAPH_ANY:
      return weft_future_any(runtime, sources, count, &node->future);
    default:
      return weft_chain_merge(runtime, sources, count, &node->future);
  }
}

static weft_status_t make_combination(graph_node_t* node) {
  graph_t* graph = node->graph;
  weft_future_t* sources[GRAPH_SOURCES];
  for (uint32_t i = 0; i < node->source_count; ++i) {
    sources[i] = graph->nodes[node->sources[i]].future;
  }
  switch (node->kind) {
    case GRAPH_THEN:
    case GRAPH_MAP:
      return make_next(node, sources[0]);
    case GRAPH_FLATTEN:
      return weft_future_flatten(sources[0], &node->future);
    case GRAPH_DEADLINE:
      return weft_future_with_deadline(sources[0], node->deadline_ns,
                                       &node->future);
    default:
      return make_gathering(node, sources);
  }
}

// A combination that is not over has started its sources. One that found its
// end among the first of them may have left the rest alone.
static void want_sources(const graph_node_t* node) {
  for (uint32_t i = 0; i < node->source_count; ++i) {
    graph_node_t* source = &node->graph->nodes[node->sources[i]];
    source->may_be_wanted = true;
    source->is_wanted |= node->ends == 0 && node->kind != GRAPH_AWAIT;
  }
}

static bool needs_source(graph_kind_t kind) {
  return kind >= GRAPH_THEN && kind != GRAPH_ALL && kind != GRAPH_JOIN &&
         kind != GRAPH_MERGE && kind != GRAPH_AWAIT && kind != GRAPH_FORK;
}

void graph_grow(graph_t* graph) {
  if (graph->count == GRAPH_NODES) {
    return;
  }
  graph_node_t* node = &graph->nodes[graph->count];
  *node = (graph_node_t){.graph = graph, .index = graph->count};
  // Half of them are promises, or nothing would have to be waited for.
  uint32_t chance = graph_below(graph, 3 * GRAPH_KIND_COUNT / 2);
  node->kind = chance < GRAPH_KIND_COUNT ? (graph_kind_t)chance : GRAPH_PROMISE;
  if (node->kind >= GRAPH_THEN) {
    choose_sources(node);
  }
  if (needs_source(node->kind) && node->source_count == 0) {
    node->kind = GRAPH_PROMISE;
  }
  choose_deed(node);
  ++graph->count;
  weft_status_t status = WEFT_OK;
  if (node->kind <= GRAPH_ERROR) {
    status = make_leaf(node);
  } else if (node->kind >= GRAPH_AWAIT) {
    status = make_function(node);
  } else {
    status = make_combination(node);
  }
  if (graph_must_ok(graph, status)) {
    watch(node);
    want_sources(node);
  }
}
