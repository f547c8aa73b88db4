// SPDX-License-Identifier: Apache-2.0
//
// actor / skynet: an actor spawns ten, each of them ten, and so on down to
// the leaves. A leaf sends its number to its parent and ends; a parent sends
// the sum of its ten to its own parent and ends. Timed from the spawn of the
// root to the last end. Source: the benchmark "skynet" of A. Temerev.

#include <sched.h>
#include <stdlib.h>

#include "bench/actor.h"
#include "bench/world.h"

#define CHILDREN 10
#define PATIENCE_NS INT64_C(60000000000)
// Sizes and numbers are below this, so that both fit into one int64.
#define SIZE_LIMIT (INT64_C(1) << 21)

enum { CUSTOMER };

// What a node starts from: its first leaf's number, and how many leaves.
typedef struct span {
  int64_t first;
  int64_t size;
} span_t;

static weft_value_t pack(span_t span) {
  return weft_int64(span.first * SIZE_LIMIT + span.size);
}

static weft_status_t unpack(weft_value_t value, span_t* out_span) {
  int64_t packed = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(value, &packed));
  out_span->first = packed / SIZE_LIMIT;
  out_span->size = packed % SIZE_LIMIT;
  return WEFT_OK;
}

// --- Nodes ------------------------------------------------------------------

enum { NODE_SUM };

// Of a node that has children; leaves have no state.
typedef struct node {
  weft_actor_t parent;
  int64_t sum;
  int missing;
} node_t;

static const weft_class_t node_class;

// Reports to the parent and ends.
static weft_status_t finish(weft_context_t* context, weft_actor_t parent,
                            int64_t sum) {
  weft_context_stop(context, WEFT_OK);
  return weft_bench_send(weft_context_runtime(context), parent, NODE_SUM, sum);
}

static weft_status_t spawn_children(weft_context_t* context, span_t span) {
  int64_t size = span.size / CHILDREN;
  for (int i = 0; i < CHILDREN; i++) {
    span_t child = {span.first + i * size, size};
    weft_actor_t actor;
    WEFT_RETURN_IF_ERROR(weft_spawn(weft_context_runtime(context), &node_class,
                                    pack(child), NULL, &actor));
  }
  return WEFT_OK;
}

static weft_status_t node_init(weft_context_t* context, weft_value_t init,
                               void** out_state) {
  span_t span;
  WEFT_RETURN_IF_ERROR(unpack(init, &span));
  weft_actor_t parent = weft_context_sender(context);
  if (span.size < CHILDREN) {
    return finish(context, parent, span.first);
  }
  node_t* node = malloc(sizeof(*node));
  if (node == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
  }
  *node = (node_t){.parent = parent, .missing = CHILDREN};
  weft_status_t status = spawn_children(context, span);
  if (status != WEFT_OK) {
    free(node);
    return status;
  }
  *out_state = node;
  return WEFT_OK;
}

static weft_status_t node_sum(weft_context_t* context, void* state,
                              const weft_value_t* arguments,
                              weft_value_t* out_result) {
  (void)out_result;
  node_t* node = state;
  int64_t sum = 0;
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &sum));
  node->sum += sum;
  node->missing--;
  return node->missing > 0 ? WEFT_OK : finish(context, node->parent, node->sum);
}

static const weft_parameter_t sum_parameter = {"sum", WEFT_KIND_INT64};
static const weft_endpoint_t node_endpoints[] = {
    [NODE_SUM] = {"sum", node_sum, &sum_parameter, 1},
};
static const weft_class_t node_class = {
    .name = "node",
    .version = 1,
    .init = node_init,
    .deinit = free,
    .endpoints = node_endpoints,
    .endpoint_count = sizeof(node_endpoints) / sizeof(node_endpoints[0]),
};

// --- The one who asks -------------------------------------------------------

// The first endpoint is that of a node, so that the root finds a parent.
enum { CUSTOMER_SUM = NODE_SUM, CUSTOMER_GROW };

typedef struct customer {
  weft_promise_t* reply;
} customer_t;

static weft_status_t customer_init(weft_context_t* context, weft_value_t init,
                                   void** out_state) {
  (void)context;
  (void)init;
  *out_state = calloc(1, sizeof(customer_t));
  return *out_state != NULL
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED, "no memory");
}

static void customer_deinit(void* state) {
  weft_promise_release(((customer_t*)state)->reply);
  free(state);
}

static weft_status_t customer_grow(weft_context_t* context, void* state,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  (void)out_result;
  customer_t* customer = state;
  span_t all = {.first = 0};
  WEFT_RETURN_IF_ERROR(weft_value_as_int64(arguments[0], &all.size));
  WEFT_RETURN_IF_ERROR(weft_context_take_reply(context, &customer->reply));
  weft_actor_t root;
  return weft_spawn(weft_context_runtime(context), &node_class, pack(all), NULL,
                    &root);
}

static weft_status_t customer_sum(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  (void)context;
  (void)out_result;
  customer_t* customer = state;
  weft_status_t status = weft_promise_set(customer->reply, arguments[0]);
  weft_promise_release(customer->reply);
  customer->reply = NULL;
  return status;
}

static const weft_parameter_t size_parameter = {"size", WEFT_KIND_INT64};
static const weft_endpoint_t customer_endpoints[] = {
    [CUSTOMER_SUM] = {"sum", customer_sum, &sum_parameter, 1},
    [CUSTOMER_GROW] = {"grow", customer_grow, &size_parameter, 1},
};
static const weft_class_t customer_class = {
    .name = "customer",
    .version = 1,
    .init = customer_init,
    .deinit = customer_deinit,
    .endpoints = customer_endpoints,
    .endpoint_count =
        sizeof(customer_endpoints) / sizeof(customer_endpoints[0]),
};
static const weft_class_t* const classes[] = {&node_class, &customer_class};

// --- The case ---------------------------------------------------------------

static weft_status_t create_skynet(uint32_t workers, void** out_state) {
  weft_bench_world_t* world = NULL;
  WEFT_RETURN_IF_ERROR(
      weft_bench_world_create(classes, 2, workers, NULL, &world));
  weft_status_t status =
      weft_bench_world_spawn(world, CUSTOMER, &customer_class, weft_none());
  if (status != WEFT_OK) {
    weft_bench_world_destroy(world);
    return status;
  }
  *out_state = world;
  return WEFT_OK;
}

// Waits until only the customer lives: sums travel ahead of the ends.
static weft_status_t wait_for_the_last(weft_runtime_t* runtime) {
  int64_t deadline_ns = weft_deadline_after(runtime, PATIENCE_NS);
  weft_counters_t counters;
  weft_runtime_counters(runtime, &counters);
  while (counters.actors_exited + 1 < counters.actors_spawned) {
    if (weft_runtime_now_ns(runtime) > deadline_ns) {
      return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                              "some actors do not end");
    }
    (void)sched_yield();
    weft_runtime_counters(runtime, &counters);
  }
  return WEFT_OK;
}

static weft_status_t run_skynet(void* state, uint64_t count) {
  weft_bench_world_t* world = state;
  int64_t leaves = (int64_t)count;
  int64_t sum = 0;
  WEFT_RETURN_IF_ERROR(weft_bench_ask(world->runtime, world->actors[CUSTOMER],
                                      CUSTOMER_GROW, leaves, &sum));
  WEFT_RETURN_IF_ERROR(wait_for_the_last(world->runtime));
  return weft_bench_expect("sum of the leaves", leaves * (leaves - 1) / 2, sum);
}

const weft_bench_subject_t weft_bench_skynet = {
    .create = create_skynet,
    .run = run_skynet,
    .destroy = weft_bench_world_destroy,
};
