// SPDX-License-Identifier: Apache-2.0

#include "async/async.h"

#include "async/async_internal.h"
#include "base/assert.h"
#include "base/memory.h"
#include "weft/runtime.h"

#define SPARE_THREAD_LIMIT_DEFAULT 64

static weft_status_t find_simulation(weft_async_t* async,
                                     const weft_async_options_t* options) {
  if (options->simulate_with == NULL) {
    return weft_simulation_create(async->runtime, options->seed,
                                  &async->simulation);
  }
  async->simulation = weft_async_of(options->simulate_with)->simulation;
  return async->simulation != NULL
             ? WEFT_OK
             : weft_status_make(
                   WEFT_STATUS_INVALID_ARGUMENT,
                   "%s is no simulation, so no other runtime can take part in "
                   "it: create it with `simulate`",
                   options->simulate_with->name);
}

static weft_status_t create_executor(weft_async_t* async,
                                     const weft_async_options_t* options) {
  uint32_t spare_thread_limit = options->spare_thread_limit > 0
                                    ? options->spare_thread_limit
                                    : SPARE_THREAD_LIMIT_DEFAULT;
  if (async->timers.is_simulated) {
    WEFT_RETURN_IF_ERROR(find_simulation(async, options));
    WEFT_RETURN_IF_ERROR(weft_simulation_join(async->simulation, async->runtime,
                                              spare_thread_limit + 1,
                                              &async->member));
    async->executor = weft_simulation_executor(async->member);
    return WEFT_OK;
  }
  uint32_t worker_count =
      options->worker_count > 0 ? options->worker_count : weft_sys_core_count();
  WEFT_RETURN_IF_ERROR(weft_pool_create(async->runtime, worker_count,
                                        spare_thread_limit, &async->pool));
  async->executor = &async->pool->executor;
  return WEFT_OK;
}

weft_status_t weft_async_create(weft_runtime_t* runtime,
                                const weft_async_options_t* options) {
  weft_async_t* async =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*async));
  if (async == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the runtime");
  }
  runtime->slots[WEFT_SLOT_ASYNC] = async;
  async->runtime = runtime;
  async->process = weft_sys_process_id();
  weft_mutex_init(&async->graph_lock);
  weft_timers_init(&async->timers, runtime,
                   options->is_simulation || options->simulate_with != NULL);
  weft_progress_init(async);
  return create_executor(async, options);
}

weft_status_t weft_async_stop(weft_runtime_t* runtime, int64_t deadline_ns) {
  weft_async_t* async = weft_async_of(runtime);
  WEFT_RETURN_IF_ERROR(weft_timers_close(&async->timers, deadline_ns));
  WEFT_RETURN_IF_ERROR(async->simulation != NULL
                           ? weft_simulation_stop(async->member, deadline_ns)
                           : weft_pool_stop(async->pool, deadline_ns));
  return weft_progress_end(async, deadline_ns);
}

void weft_async_destroy(weft_runtime_t* runtime) {
  weft_async_t* async = weft_async_of(runtime);
  if (async == NULL) {
    return;
  }
  // A create that failed half-way was not stopped.
  weft_status_t status = weft_timers_close(&async->timers, WEFT_TIME_INFINITE);
  weft_assert(status == WEFT_OK);
  weft_pool_destroy(async->pool);
  weft_simulation_leave(async->member);
  if (async->simulation != NULL &&
      weft_simulation_owner(async->simulation) == runtime) {
    weft_simulation_destroy(async->simulation);
  }
  weft_progress_deinit(async);
  weft_timers_deinit(&async->timers);
  weft_mutex_deinit(&async->graph_lock);
  runtime->slots[WEFT_SLOT_ASYNC] = NULL;
  weft_memory_free(runtime->allocator, async, sizeof(*async));
}

weft_mutex_t* weft_async_graph_lock(weft_runtime_t* runtime) {
  return &weft_async_of(runtime)->graph_lock;
}

void weft_async_set_crossing(weft_runtime_t* runtime, weft_crossing_fn_t told) {
  // Release: pairs with the acquire in `weft_circle_notice`.
  atomic_store_explicit(&weft_async_of(runtime)->on_crossing, told,
                        memory_order_release);
}

uint32_t weft_async_worker_count(weft_runtime_t* runtime) {
  const weft_pool_t* pool = weft_async_of(runtime)->pool;
  return pool != NULL ? pool->worker_count : 0;
}

weft_status_t weft_async_check_destroy(weft_runtime_t* runtime) {
  const weft_simulation_t* simulation = weft_async_of(runtime)->simulation;
  if (simulation == NULL || weft_simulation_owner(simulation) != runtime ||
      weft_simulation_member_count(simulation) == 1) {
    return WEFT_OK;
  }
  return weft_status_make(
      WEFT_STATUS_FAILED_PRECONDITION,
      "%u other runtimes take part in the simulation of %s: destroy them first",
      weft_simulation_member_count(simulation) - 1, runtime->name);
}

bool weft_async_is_simulated(weft_runtime_t* runtime) {
  return weft_async_of(runtime)->simulation != NULL;
}

bool weft_async_is_task(weft_runtime_t* runtime) {
  weft_async_t* async = weft_async_of(runtime);
  if (async->simulation != NULL) {
    return weft_simulation_is_inside(async->simulation);
  }
  const weft_pool_thread_t* thread = weft_thread_self.pool_thread;
  return (thread != NULL && thread->pool == async->pool) ||
         weft_timers_is_service(&async->timers);
}

weft_status_t weft_async_check_process(weft_runtime_t* runtime) {
  if (weft_async_of(runtime)->process == weft_sys_process_id()) {
    return WEFT_OK;
  }
  return weft_status_make(
      WEFT_STATUS_FORKED,
      "the runtime was made by process %u and its threads are there; this is "
      "a forked child: create a runtime here",
      weft_async_of(runtime)->process);
}

weft_executor_t* weft_runtime_executor(weft_runtime_t* runtime) {
  return weft_async_of(runtime)->executor;
}

int64_t weft_runtime_now_ns(weft_runtime_t* runtime) {
  const weft_async_t* async = weft_async_of(runtime);
  return async->simulation != NULL ? weft_simulation_now_ns(async->simulation)
                                   : weft_sys_now_ns();
}

int64_t weft_deadline_after(weft_runtime_t* runtime, int64_t timeout_ns) {
  if (timeout_ns == WEFT_TIME_INFINITE) {
    return WEFT_TIME_INFINITE;
  }
  int64_t deadline_ns;
  if (__builtin_add_overflow(weft_runtime_now_ns(runtime), timeout_ns,
                             &deadline_ns)) {
    return timeout_ns > 0 ? WEFT_TIME_INFINITE : 0;
  }
  return deadline_ns;
}

uint64_t weft_runtime_run(weft_runtime_t* runtime, uint64_t step_limit) {
  weft_async_t* async = weft_async_of(runtime);
  return async->simulation != NULL
             ? weft_simulation_run(async->simulation, step_limit)
             : 0;
}
