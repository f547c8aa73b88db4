// SPDX-License-Identifier: Apache-2.0
//
// The state of this layer, and the blocks of threads: who has one, who gets
// one that a thread has left, and what they count in all.

#include "trace/trace.h"

#include <stdalign.h>
#include <string.h>

#include "base/memory.h"
#include "trace/flight.h"
#include "trace/trace_internal.h"

_Static_assert(WEFT_SYS_THREAD_NAME_CAPACITY == 2 * sizeof(uint64_t),
               "a name is kept in two words");
_Static_assert(offsetof(weft_trace_state_t, head) == 0,
               "the slot points to the head");

_Thread_local weft_trace_cache_t weft_trace_cache[WEFT_TRACE_CACHE_SIZE];

weft_trace_thread_t weft_trace_nowhere = {.is_shared = true};

// Bytes of a warning that is logged.
#define WARNING_CAPACITY 1400

// All states of this process, for threads that end. Taken before the lock of
// a state.
static weft_mutex_t live_lock = {PTHREAD_MUTEX_INITIALIZER};
static weft_trace_state_t* live_states;
static _Thread_local weft_sys_thread_exit_t exit_hook;

// --- Blocks -----------------------------------------------------------------

static weft_trace_thread_t* take_seen_block(weft_trace_state_t* state) {
  weft_mutex_lock(&state->lock);
  weft_trace_thread_t* block = weft_flight_take_block_locked(state);
  weft_mutex_unlock(&state->lock);
  return block;
}

static weft_trace_thread_t* allocate_block(weft_trace_state_t* state) {
  const weft_allocator_t* allocator = state->runtime->allocator;
  weft_flight_block_t* block = allocator->allocate(
      allocator->self, sizeof(*block), alignof(weft_flight_block_t));
  if (block == NULL) {
    return NULL;
  }
  memset(block, 0, sizeof(*block));
  block->thread.flight = block->events;
  return &block->thread;
}

// Where others see it, as long as there is room.
static weft_trace_thread_t* make_block(weft_trace_state_t* state) {
  weft_trace_thread_t* block = take_seen_block(state);
  if (block == NULL) {
    block = allocate_block(state);
  }
  if (block != NULL) {
    block->runtime = state->runtime;
    block->is_on = state->head.is_on;
    atomic_init(&block->flight_next, 1);
  }
  return block;
}

static void set_name(weft_trace_thread_t* block, const char* name) {
  char padded[WEFT_SYS_THREAD_NAME_CAPACITY] = {0};
  uint64_t words[2];
  memcpy(padded, name, strnlen(name, sizeof(padded) - 1));
  memcpy(words, padded, sizeof(words));
  // Relaxed: a dump that reads half of one name and half of another shows
  // that, and nothing else depends on it.
  atomic_store_explicit(&block->name[0], words[0], memory_order_relaxed);
  atomic_store_explicit(&block->name[1], words[1], memory_order_relaxed);
  block->is_named = false;
}

void weft_trace_thread_name(const weft_trace_thread_t* thread,
                            char out_name[WEFT_SYS_THREAD_NAME_CAPACITY]) {
  uint64_t words[2];
  // Relaxed: see `set_name`.
  words[0] = atomic_load_explicit(&thread->name[0], memory_order_relaxed);
  words[1] = atomic_load_explicit(&thread->name[1], memory_order_relaxed);
  memcpy(out_name, words, sizeof(words));
  out_name[WEFT_SYS_THREAD_NAME_CAPACITY - 1] = '\0';
}

// Flows of all ranks and threads differ: 12 bits of rank, 20 bits of thread,
// 32 bits of number. Those that meet again are far apart in time.
static uint64_t first_flow(const weft_runtime_t* runtime, uint32_t thread_id) {
  return (uint64_t)runtime->rank << 52 | (uint64_t)(thread_id & 0xfffff) << 32 |
         1;
}

// The thread takes the block over: what was counted stays, what happened on
// another thread does not belong to it.
static void take_block(weft_trace_thread_t* block, uint32_t thread_id) {
  char name[WEFT_SYS_THREAD_NAME_CAPACITY];
  weft_sys_thread_name(name);
  set_name(block, name);
  block->next_flow = first_flow(block->runtime, thread_id);
  // Relaxed: a dump that mixes the events of both owners shows too many.
  atomic_store_explicit(
      &block->flight_first,
      atomic_load_explicit(&block->flight_next, memory_order_relaxed),
      memory_order_relaxed);
  atomic_store_explicit(&block->owner, thread_id, memory_order_relaxed);
}

static weft_trace_thread_t* find_block_locked(const weft_trace_state_t* state,
                                              uint32_t owner) {
  weft_trace_thread_t* block = weft_trace_threads(state);
  // Relaxed: `owner` changes under the lock.
  while (block != NULL &&
         atomic_load_explicit(&block->owner, memory_order_relaxed) != owner) {
    block = block->next;
  }
  return block;
}

// The block that the thread has already, or one that another has left.
static weft_trace_thread_t* find_block(weft_trace_state_t* state,
                                       uint32_t thread_id) {
  weft_mutex_lock(&state->lock);
  weft_trace_thread_t* block = find_block_locked(state, thread_id);
  if (block == NULL) {
    block = find_block_locked(state, 0);
    if (block != NULL) {
      take_block(block, thread_id);
    }
  }
  weft_mutex_unlock(&state->lock);
  return block;
}

static weft_trace_thread_t* add_block(weft_trace_state_t* state,
                                      uint32_t thread_id) {
  weft_trace_thread_t* block = make_block(state);
  if (block == NULL) {
    return NULL;
  }
  take_block(block, thread_id);
  weft_mutex_lock(&state->lock);
  block->next = weft_trace_threads(state);
  // Release: pairs with the acquire in `weft_trace_threads`.
  atomic_store_explicit(&state->threads, block, memory_order_release);
  weft_mutex_unlock(&state->lock);
  return block;
}

// Gives up the block that the calling thread has in a runtime.
static void leave_block(weft_trace_state_t* state, uint32_t thread_id) {
  weft_mutex_lock(&state->lock);
  weft_trace_thread_t* block = find_block_locked(state, thread_id);
  weft_mutex_unlock(&state->lock);
  if (block == NULL) {
    return;
  }
  weft_trace_leave_chunk(block);
  weft_mutex_lock(&state->lock);
  // Relaxed: `owner` changes under the lock.
  atomic_store_explicit(&block->owner, 0, memory_order_relaxed);
  weft_mutex_unlock(&state->lock);
}

// Called on each thread that has had a block, when it ends.
static void thread_ended(void) {
  uint32_t thread_id = weft_sys_thread_id();
  memset(weft_trace_cache, 0, sizeof(weft_trace_cache));
  // The lock keeps the states: none is freed while it is held.
  weft_mutex_lock(&live_lock);
  for (weft_trace_state_t* state = live_states; state != NULL;
       state = state->next_live) {
    leave_block(state, thread_id);
  }
  weft_mutex_unlock(&live_lock);
}

weft_trace_thread_t* weft_trace_self_find(weft_runtime_t* runtime) {
  weft_trace_state_t* state = weft_trace_state(runtime);
  uint32_t thread_id = weft_sys_thread_id();
  weft_trace_thread_t* block = find_block(state, thread_id);
  if (block == NULL) {
    block = add_block(state, thread_id);
  }
  if (block == NULL) {
    // Not kept in the cache: there may be memory the next time.
    return &state->shared;
  }
  // Without a hook the block stays this thread's after its end: it costs
  // memory, and is freed with the runtime.
  (void)weft_sys_thread_at_exit(&exit_hook, thread_ended);
  weft_trace_cache[state->head.id % WEFT_TRACE_CACHE_SIZE] =
      (weft_trace_cache_t){.trace_id = state->head.id, .self = block};
  return block;
}

// --- Life -------------------------------------------------------------------

static void add_live(weft_trace_state_t* state) {
  weft_mutex_lock(&live_lock);
  state->next_live = live_states;
  live_states = state;
  weft_mutex_unlock(&live_lock);
}

static void remove_live(weft_trace_state_t* state) {
  weft_mutex_lock(&live_lock);
  weft_trace_state_t** link = &live_states;
  while (*link != state) {
    link = &(*link)->next_live;
  }
  *link = state->next_live;
  weft_mutex_unlock(&live_lock);
}

static uint64_t next_id(void) {
  static _Atomic uint64_t last_id;
  // Relaxed: the numbers only have to differ.
  return atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
}

// Spans are an aid: a file that cannot be had does not stop the program.
static void open_writer(weft_trace_state_t* state) {
  const char* path = weft_sys_environment("WEFT_TRACE");
  if (path == NULL || path[0] == '\0') {
    return;
  }
  weft_status_t status =
      weft_trace_writer_create(state->runtime, path, &state->writer);
  state->head.is_on = status == WEFT_OK;
  if (status != WEFT_OK) {
    weft_warn(state->runtime,
              weft_status_make_caused(
                  weft_status_code(status), status,
                  "WEFT_TRACE: spans stay off; name a file that can be "
                  "written"));
  }
}

weft_status_t weft_trace_create(weft_runtime_t* runtime,
                                weft_warning_fn_t on_warning,
                                void* warning_user) {
  const weft_allocator_t* allocator = runtime->allocator;
  weft_trace_state_t* state = allocator->allocate(
      allocator->self, sizeof(*state), alignof(weft_trace_state_t));
  if (state == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for counters and traces");
  }
  memset(state, 0, sizeof(*state));
  state->head.id = next_id();
  state->runtime = runtime;
  state->on_warning = on_warning;
  state->warning_user = warning_user;
  state->shared.runtime = runtime;
  state->shared.is_shared = true;
  state->flight_memory = (weft_memfd_t)WEFT_MEMFD_NONE;
  weft_mutex_init(&state->lock);
  runtime->slots[WEFT_SLOT_TRACE] = state;
  add_live(state);
  open_writer(state);
  return WEFT_OK;
}

static void free_blocks(weft_trace_state_t* state) {
  const weft_allocator_t* allocator = state->runtime->allocator;
  weft_trace_thread_t* block = weft_trace_threads(state);
  while (block != NULL) {
    weft_trace_thread_t* next = block->next;
    if (!weft_flight_is_seen(state, block)) {
      weft_memory_free(allocator, block, sizeof(weft_flight_block_t));
    }
    block = next;
  }
}

void weft_trace_destroy(weft_runtime_t* runtime) {
  weft_trace_state_t* state = weft_trace_state(runtime);
  if (state == NULL) {
    return;
  }
  weft_crash_handler_remove(runtime);
  // From here on no thread that ends looks for its block.
  remove_live(state);
  weft_trace_writer_destroy(state->writer);
  runtime->slots[WEFT_SLOT_TRACE] = NULL;
  free_blocks(state);
  weft_memfd_release(&state->flight_memory);
  weft_mutex_deinit(&state->lock);
  weft_memory_free(runtime->allocator, state, sizeof(*state));
}

// --- Counters and warnings --------------------------------------------------

static void add_counters(uint64_t* sums, const weft_trace_thread_t* block) {
  for (int i = 0; i < WEFT_COUNTER_COUNT; ++i) {
    // Relaxed: each count is a number of its own, and may lag behind.
    sums[i] += atomic_load_explicit(&block->counters[i], memory_order_relaxed);
  }
}

void weft_runtime_counters(weft_runtime_t* runtime,
                           weft_counters_t* out_counters) {
  uint64_t sums[WEFT_COUNTER_COUNT] = {0};
  const weft_trace_state_t* state = weft_trace_state(runtime);
  if (state != NULL) {
    add_counters(sums, &state->shared);
    for (const weft_trace_thread_t* block = weft_trace_threads(state);
         block != NULL; block = block->next) {
      add_counters(sums, block);
    }
  }
#define TAKE_COUNTER(identifier, unit, meaning) \
  out_counters->identifier = sums[WEFT_COUNTER_##identifier];
  WEFT_COUNTERS(TAKE_COUNTER)
#undef TAKE_COUNTER
}

void weft_warn(weft_runtime_t* runtime, weft_status_t warning) {
  if (warning == WEFT_OK) {
    return;
  }
  const weft_trace_state_t* state = weft_trace_state(runtime);
  weft_trace_thread_t* self = weft_trace_self(runtime);
  weft_status_code_t code = weft_status_code(warning);
  weft_trace_count(self, WEFT_COUNTER_warnings, 1);
  weft_flight_name(runtime, weft_status_code_name(code));
  weft_flight_record(self, WEFT_FLIGHT_WARNING, weft_status_code_name(code),
                     (uint64_t)code,
                     (uint64_t)weft_status_origin(warning).line);
  if (state != NULL && state->on_warning != NULL) {
    state->on_warning(state->warning_user, warning);
  } else {
    char text[WARNING_CAPACITY];
    weft_status_format(warning, text, sizeof(text));
    weft_log_warning("runtime", "%s", text);
  }
  weft_status_release(warning);
}
