// SPDX-License-Identifier: Apache-2.0
//
// Where work runs, and when. An executor takes tasks and runs each once; the
// runtime's own is a pool of workers that share what there is to do (or, in a
// simulation, one seeded thread). A timer calls back at a point in time, once
// or again and again. Tasks and timers are nodes that the caller owns, so
// posting and starting allocate nothing and cannot fail.

#ifndef WEFT_EXECUTOR_H_
#define WEFT_EXECUTOR_H_

#include "weft/status.h"

WEFT_BEGIN_DECLS

// One piece of work, embedded in whatever it works on. The executor owns the
// node from `post` until it calls `run`, which may free it.
typedef struct weft_task weft_task_t;
struct weft_task {
  weft_task_t* next;  // Private to the executor.
  void (*run)(weft_task_t* task);
};

// An executor of one's own embeds this first; weft calls its table.
typedef struct weft_executor weft_executor_t;
typedef struct weft_executor_vtable {
  // Takes a task and runs it once, later, at any time and on any thread: an
  // executor promises no order between tasks, so what must be ordered waits
  // in a queue of its own, with one task for the queue.
  // Called from any thread, with no lock held. Never runs the task before it
  // returns, never waits for one, cannot fail.
  void (*post)(weft_executor_t* executor, weft_task_t* task);
} weft_executor_vtable_t;
struct weft_executor {
  const weft_executor_vtable_t* vtable;
};

// Hands a task to an executor. Thread: any; to the executor of a simulation
// only the thread that made the runtime and its tasks post. Blocks: no.
static inline void weft_executor_post(weft_executor_t* executor,
                                      weft_task_t* task) {
  executor->vtable->post(executor, task);
}

// The runtime's worker pool; lives as long as the runtime. A task that is
// posted after the runtime stopped runs when the runtime is destroyed.
WEFT_API weft_executor_t* weft_runtime_executor(weft_runtime_t* runtime);

// The runtime's clock: nanoseconds, monotonic, from an arbitrary start. In a
// simulation it is virtual and moves only when nothing else can.
// Thread: any. Costs about 20 ns.
WEFT_API int64_t weft_runtime_now_ns(weft_runtime_t* runtime);

// `timeout_ns` from now as a deadline; saturates at WEFT_TIME_INFINITE.
WEFT_API int64_t weft_deadline_after(weft_runtime_t* runtime,
                                     int64_t timeout_ns);

// --- Timers -----------------------------------------------------------------

typedef struct weft_timer weft_timer_t;
// Runs on the runtime's service thread: short, and never waiting. It may
// start and stop timers, its own among them.
typedef void (*weft_timer_fn_t)(weft_timer_t* timer, void* user);

// A place in a heap. Private.
typedef struct weft_heap_node weft_heap_node_t;
struct weft_heap_node {
  weft_heap_node_t* child;
  weft_heap_node_t* sibling;
  weft_heap_node_t* previous;
};

// A caller-owned node. Zero it before its first use; all fields are private.
struct weft_timer {
  weft_runtime_t* runtime;
  weft_timer_fn_t callback;
  void* user;
  int64_t deadline_ns;
  int64_t period_ns;
  // In the heap of timers.
  weft_heap_node_t node;
  uint32_t state;
  uint32_t sequence;
};

// Arranges `callback(timer, user)` at `deadline_ns`, and every `period_ns`
// after that unless the period is 0. A period that was missed is skipped, not
// made up for. Timers of one deadline run in the order they were started.
// Thread: any. Blocks: no. Owns: the node must stay until it has run for the
// last time or `weft_timer_stop` has returned.
// Errors: FAILED_PRECONDITION when it is started already; INVALID_ARGUMENT
// for a negative period; RESOURCE_EXHAUSTED when the service thread cannot be
// started; CLOSED when the runtime has stopped.
WEFT_API WEFT_MUST_USE weft_status_t weft_timer_start(
    weft_runtime_t* runtime, weft_timer_t* timer, int64_t deadline_ns,
    int64_t period_ns, weft_timer_fn_t callback, void* user);

// Takes a timer back. True when a call of its callback was taken back; false
// when there was none to come. Either way the callback neither runs nor will
// run when this returns: it waits for one that runs on another thread, and
// returns at once from inside the callback itself. The runtime is still there.
WEFT_API bool weft_timer_stop(weft_timer_t* timer);

WEFT_END_DECLS

#endif  // WEFT_EXECUTOR_H_
