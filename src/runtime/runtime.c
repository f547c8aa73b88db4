// SPDX-License-Identifier: Apache-2.0

#include "runtime/runtime_internal.h"

#include <string.h>

#include "actor/actor_layer.h"
#include "actor/remote.h"
#include "async/async.h"
#include "base/memory.h"
#include "channel/channel.h"
#include "memory/memory.h"
#include "peer/peer.h"
#include "runtime/member.h"
#include "sys/slab.h"
#include "trace/trace.h"

// What the slot of this layer holds.
typedef struct state {
  // NULL when the runtime is alone.
  weft_member_t* member;
  // A thread is in `weft_runtime_stop`.
  _Atomic bool is_stopping;
  bool is_stopped;
} state_t;

// --- Create -----------------------------------------------------------------

static weft_status_t copy_name(weft_runtime_t* runtime, const char* name) {
  size_t size_bytes = strlen(name) + 1;
  char* copy = weft_memory_allocate(runtime->allocator, size_bytes);
  if (copy == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the name of the runtime");
  }
  memcpy(copy, name, size_bytes);
  runtime->name = copy;
  return WEFT_OK;
}

// Makes what all layers use.
static weft_status_t create_base(weft_runtime_t* runtime,
                                 const weft_runtime_options_t* options) {
  runtime->size = 1;
  runtime->incarnation = 1;
  WEFT_RETURN_IF_ERROR(copy_name(runtime, options->name != NULL
                                              ? options->name
                                              : weft_sys_program_name()));
  runtime->slots[WEFT_SLOT_RUNTIME] =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(state_t));
  runtime->slab = weft_slab_create(runtime->allocator);
  if (runtime->slots[WEFT_SLOT_RUNTIME] == NULL || runtime->slab == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the runtime");
  }
  return WEFT_OK;
}

// Takes a place in a job, if there is one; before the layers, which want to
// know it.
static weft_status_t join_job(weft_runtime_t* runtime,
                              const weft_runtime_options_t* options,
                              const weft_runtime_place_t* place) {
  state_t* state = runtime->slots[WEFT_SLOT_RUNTIME];
  if (place != NULL) {
    runtime->rank = place->rank;
    runtime->size = place->size;
    runtime->incarnation = place->incarnation;
    return WEFT_OK;
  }
  return options->simulate || options->simulate_with != NULL
             ? WEFT_OK
             : weft_member_join(runtime, &state->member);
}

static weft_status_t create_layers(weft_runtime_t* runtime,
                                   const weft_runtime_options_t* options,
                                   const weft_runtime_place_t* place) {
  WEFT_RETURN_IF_ERROR(create_base(runtime, options));
  WEFT_RETURN_IF_ERROR(join_job(runtime, options, place));
  WEFT_RETURN_IF_ERROR(
      weft_trace_create(runtime, options->on_warning, options->warning_user));
  const state_t* state = runtime->slots[WEFT_SLOT_RUNTIME];
  weft_member_show(state->member);
  const weft_async_options_t async_options = {
      .worker_count = options->worker_count,
      .spare_thread_limit = options->spare_thread_limit,
      .is_simulation = options->simulate,
      .seed = options->seed,
      .simulate_with = options->simulate_with,
  };
  WEFT_RETURN_IF_ERROR(weft_async_create(runtime, &async_options));
  WEFT_RETURN_IF_ERROR(weft_memory_create(runtime, options->arena_limit_bytes));
  const weft_actor_layer_options_t actor_options = {
      .classes = options->classes,
      .class_count = options->class_count,
      .default_timeout_ns = options->default_timeout_ns,
  };
  WEFT_RETURN_IF_ERROR(weft_peers_create(runtime, &weft_remote_events));
  WEFT_RETURN_IF_ERROR(weft_channels_create(runtime));
  return weft_actor_layer_create(runtime, &actor_options);
}

// The runtime is complete: other members of the job may see it.
static weft_status_t enter_job(weft_runtime_t* runtime,
                               const weft_runtime_place_t* place) {
  const state_t* state = runtime->slots[WEFT_SLOT_RUNTIME];
  if (state->member == NULL) {
    return place != NULL ? weft_actor_layer_open(runtime) : WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_actor_layer_open(runtime));
  return weft_member_start(state->member);
}

// --- Destroy ----------------------------------------------------------------

static void free_runtime(void* user) {
  weft_runtime_t* runtime = user;
  const weft_allocator_t* allocator = runtime->allocator;
  if (runtime->name != NULL) {
    // The name is const for readers; the block is this runtime's own.
    char* name = (char*)(uintptr_t)runtime->name;
    weft_memory_free(allocator, name, strlen(name) + 1);
  }
  weft_memory_free(allocator, runtime, sizeof(*runtime));
}

// Frees the layers, as far as there are any, and then the runtime: at once, or
// when the last future that somebody still holds is released.
static void destroy_layers(weft_runtime_t* runtime) {
  const state_t* state = runtime->slots[WEFT_SLOT_RUNTIME];
  weft_member_t* member = state != NULL ? state->member : NULL;
  // What was created by half has not been stopped.
  weft_member_stop(member);
  weft_peers_stop(runtime);
  weft_actor_layer_destroy(runtime);
  weft_channels_destroy(runtime);
  weft_peers_destroy(runtime);
  weft_memory_destroy(runtime);
  weft_async_destroy(runtime);
  weft_member_destroy(member);
  weft_trace_destroy(runtime);
  weft_memory_free(runtime->allocator, runtime->slots[WEFT_SLOT_RUNTIME],
                   sizeof(state_t));
  runtime->slots[WEFT_SLOT_RUNTIME] = NULL;
  if (runtime->slab != NULL) {
    weft_slab_retire(runtime->slab, free_runtime, runtime);
  } else {
    free_runtime(runtime);
  }
}

// --- The public functions ---------------------------------------------------

static void log_start(weft_runtime_t* runtime, size_t class_count) {
  if (weft_async_is_simulated(runtime)) {
    weft_log_info("runtime", "%s started: a simulation, classes: %zu",
                  runtime->name, class_count);
  } else {
    weft_log_info("runtime", "%s started: workers: %u, classes: %zu",
                  runtime->name, weft_async_worker_count(runtime), class_count);
  }
}

weft_status_t weft_runtime_create(const weft_runtime_options_t* options,
                                  weft_runtime_t** out_runtime) {
  return weft_runtime_create_at(options, NULL, out_runtime);
}

weft_status_t weft_runtime_create_at(const weft_runtime_options_t* options,
                                     const weft_runtime_place_t* place,
                                     weft_runtime_t** out_runtime) {
  static const weft_runtime_options_t defaults = {0};
  *out_runtime = NULL;
  if (options == NULL) {
    options = &defaults;
  }
  const weft_allocator_t* allocator =
      weft_allocator_or_system(options->allocator);
  weft_runtime_t* runtime =
      weft_memory_allocate_zeroed(allocator, sizeof(*runtime));
  if (runtime == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the runtime");
  }
  runtime->allocator = allocator;
  weft_status_t status = create_layers(runtime, options, place);
  if (status == WEFT_OK) {
    status = enter_job(runtime, place);
  }
  if (status == WEFT_OK) {
    *out_runtime = runtime;
    log_start(runtime, options->class_count);
  } else {
    destroy_layers(runtime);
  }
  return status;
}

static weft_status_t stop_layers(weft_runtime_t* runtime, int64_t deadline_ns) {
  const state_t* state = runtime->slots[WEFT_SLOT_RUNTIME];
  // First: a handler may wait for one.
  weft_channels_stop(runtime);
  WEFT_RETURN_IF_ERROR(weft_actor_layer_stop(runtime, deadline_ns));
  weft_member_stop(state->member);
  weft_peers_stop(runtime);
  return weft_async_stop(runtime, deadline_ns);
}

weft_status_t weft_runtime_stop(weft_runtime_t* runtime, int64_t deadline_ns) {
  state_t* state = runtime->slots[WEFT_SLOT_RUNTIME];
  WEFT_RETURN_IF_ERROR(weft_async_check_process(runtime));
  if (weft_async_is_task(runtime)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "a handler cannot stop its own runtime, which "
                            "waits for the handler: stop it from outside");
  }
  // Acquire: pairs with the release below; one thread stops after another.
  if (atomic_exchange_explicit(&state->is_stopping, true,
                               memory_order_acquire)) {
    return weft_status_make(WEFT_STATUS_FAILED_PRECONDITION,
                            "another thread is stopping this runtime");
  }
  weft_status_t status =
      state->is_stopped ? WEFT_OK : stop_layers(runtime, deadline_ns);
  if (status == WEFT_OK && !state->is_stopped) {
    state->is_stopped = true;
    weft_log_info("runtime", "%s stopped", runtime->name);
  }
  // Release: pairs with the exchange above.
  atomic_store_explicit(&state->is_stopping, false, memory_order_release);
  return status;
}

void weft_runtime_destroy(weft_runtime_t* runtime) {
  if (runtime == NULL) {
    return;
  }
  weft_status_t status = weft_async_check_destroy(runtime);
  if (status == WEFT_OK) {
    status = weft_runtime_stop(runtime, WEFT_TIME_INFINITE);
  }
  if (status == WEFT_OK) {
    destroy_layers(runtime);
    return;
  }
  if (weft_status_code(status) == WEFT_STATUS_FORKED) {
    // The threads that must end first are not in this process, and a lock may
    // be held by one of them for ever: the copied memory is left alone.
    weft_status_release(status);
    return;
  }
  // A handler destroys its own runtime, or others take part in its simulation:
  // the caller is told so, and nothing happens.
  weft_warn(runtime, status);
}

weft_status_t weft_runtime_serve(weft_runtime_t* runtime) {
  const state_t* state = runtime->slots[WEFT_SLOT_RUNTIME];
  if (state->member == NULL || runtime->rank == 0) {
    return weft_status_make(
        WEFT_STATUS_FAILED_PRECONDITION,
        "rank %u runs the program of its job; only other ranks serve",
        runtime->rank);
  }
  return weft_member_serve(state->member);
}

uint32_t weft_runtime_rank(const weft_runtime_t* runtime) {
  return runtime->rank;
}

uint32_t weft_runtime_size(const weft_runtime_t* runtime) {
  return runtime->size;
}

const weft_allocator_t* weft_runtime_allocator(const weft_runtime_t* runtime) {
  return runtime->allocator;
}
