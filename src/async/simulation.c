// SPDX-License-Identifier: Apache-2.0

#include "async/simulation.h"

#include "async/async_internal.h"
#include "base/assert.h"
#include "base/container.h"
#include "base/memory.h"
#include "trace/trace.h"

// Lanes that waiting tasks are spread over: a bit each in a word.
#define LANES 64
// Where the clock starts: so that 0, the deadline that asks not to wait, has
// passed.
#define START_NS 1000000000

typedef struct driver {
  weft_sys_thread_t thread;
  weft_simulation_t* simulation;
  struct driver* next;
  struct driver* next_idle;
  // Sleeps on it; 1 means it has the turn.
  _Atomic uint32_t turn;
} driver_t;

typedef struct lane {
  weft_task_t* first;
  weft_task_t* last;
} lane_t;

// Everything is guarded by the turn: it is handed over with release and taken
// with acquire, on the words that threads without it sleep on.
struct weft_simulation {
  weft_executor_t executor;
  weft_runtime_t* runtime;
  uint64_t random;
  int64_t now_ns;
  lane_t lanes[LANES];
  // A bit for each lane that is not empty.
  uint64_t occupied;
  driver_t* drivers;
  driver_t* idle_drivers;
  uint32_t driver_count;
  uint32_t driver_limit;
  // Tasks that have parked.
  uint32_t parked_count;
  // The thread that has the turn.
  uint32_t holder;
  // The thread outside: what it sleeps on without the turn, the parker it
  // waits for if any, how far it lets the simulation run, and how far it got.
  _Atomic uint32_t outside_turn;
  weft_parker_t* outside_parker;
  int64_t until_ns;
  uint64_t step_limit;
  uint64_t steps;
  bool is_ending;
};

// In a thread of a simulation: what it is there.
static _Thread_local driver_t* this_driver;

static const weft_executor_vtable_t simulation_vtable;

// --- Chance -----------------------------------------------------------------

// Source: Steele, Lea, Flood, Fast splittable pseudorandom number generators,
// 2014 (SplitMix64).
static uint64_t next_random(weft_simulation_t* simulation) {
  simulation->random += 0x9e3779b97f4a7c15u;
  uint64_t z = simulation->random;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// 0 to `bound` - 1; `bound` is small, so the bias does not matter.
static uint32_t choose(weft_simulation_t* simulation, uint32_t bound) {
  return (uint32_t)(next_random(simulation) >> 32) % bound;
}

// --- Tasks ------------------------------------------------------------------

static void post(weft_executor_t* executor, weft_task_t* task) {
  weft_simulation_t* simulation = (weft_simulation_t*)(void*)executor;
  // Whoever posts has the turn: a simulation knows no other threads.
  weft_assert(simulation->holder == weft_sys_thread_id());
  uint32_t index = choose(simulation, LANES);
  lane_t* lane = &simulation->lanes[index];
  task->next = NULL;
  if (lane->last != NULL) {
    lane->last->next = task;
  } else {
    lane->first = task;
  }
  lane->last = task;
  simulation->occupied |= (uint64_t)1 << index;
}

static weft_task_t* take(weft_simulation_t* simulation, uint32_t index) {
  lane_t* lane = &simulation->lanes[index];
  weft_task_t* task = lane->first;
  lane->first = task->next;
  if (lane->first == NULL) {
    lane->last = NULL;
    simulation->occupied &= ~((uint64_t)1 << index);
  }
  return task;
}

// The number of the `n`th bit that is set.
static uint32_t nth_bit(uint64_t bits, uint32_t n) {
  while (n-- > 0) {
    bits &= bits - 1;
  }
  return (uint32_t)__builtin_ctzll(bits);
}

// --- Steps ------------------------------------------------------------------

// Moves the clock to the next timer; false when there is none, or none that
// is due by the time that the thread outside allows.
static bool advance(weft_simulation_t* simulation, weft_timers_t* timers) {
  int64_t next_ns = weft_timers_next_ns(timers);
  if (next_ns == WEFT_TIME_INFINITE || next_ns > simulation->until_ns) {
    return false;
  }
  if (next_ns > simulation->now_ns) {
    simulation->now_ns = next_ns;
  }
  return true;
}

// Runs one task or timer; false when there is none. A timer that is due takes
// part in the draw.
static bool step(weft_simulation_t* simulation) {
  weft_timers_t* timers = &weft_async_of(simulation->runtime)->timers;
  if (simulation->occupied == 0 && !advance(simulation, timers)) {
    return false;
  }
  uint32_t lanes = (uint32_t)__builtin_popcountll(simulation->occupied);
  bool is_due = weft_timers_next_ns(timers) <= simulation->now_ns;
  uint32_t chosen = choose(simulation, lanes + (is_due ? 1 : 0));
  simulation->steps++;
  if (chosen == lanes) {
    return weft_timers_run_one(timers, simulation->now_ns);
  }
  weft_task_t* task = take(simulation, nth_bit(simulation->occupied, chosen));
  task->run(task);
  return true;
}

// --- The turn ---------------------------------------------------------------

static void give_turn(_Atomic uint32_t* turn) {
  // Release: pairs with the acquire in `await_turn`.
  atomic_store_explicit(turn, 1, memory_order_release);
  weft_futex_wake(turn, 1);
}

static void await_turn(weft_simulation_t* simulation, _Atomic uint32_t* turn) {
  // Acquire: pairs with the release in `give_turn`; what all others did with
  // the turn happened before.
  while (atomic_load_explicit(turn, memory_order_acquire) == 0) {
    weft_futex_wait(turn, 0, WEFT_TIME_INFINITE);
  }
  // Relaxed: nobody gives the turn to a thread that has it.
  atomic_store_explicit(turn, 0, memory_order_relaxed);
  simulation->holder = weft_sys_thread_id();
}

// The thread outside has the turn again: it is over, or it was woken.
static void give_turn_outside(weft_simulation_t* simulation) {
  weft_parker_t* parker = simulation->outside_parker;
  simulation->outside_parker = NULL;
  give_turn(parker != NULL ? &parker->turn : &simulation->outside_turn);
}

// The driver has no turn until it is given one again.
static void rest(driver_t* driver) {
  await_turn(driver->simulation, &driver->turn);
}

static void list_idle(driver_t* driver) {
  driver->next_idle = driver->simulation->idle_drivers;
  driver->simulation->idle_drivers = driver;
}

static void drive(void* user) {
  driver_t* driver = user;
  weft_simulation_t* simulation = driver->simulation;
  this_driver = driver;
  rest(driver);
  while (!simulation->is_ending) {
    if (simulation->steps < simulation->step_limit && step(simulation)) {
      continue;
    }
    list_idle(driver);
    give_turn_outside(simulation);
    rest(driver);
  }
}

// A driver that can be given the turn. Errors: RESOURCE_EXHAUSTED.
static weft_status_t take_driver(weft_simulation_t* simulation,
                                 driver_t** out_driver) {
  *out_driver = simulation->idle_drivers;
  if (*out_driver != NULL) {
    simulation->idle_drivers = (*out_driver)->next_idle;
    return WEFT_OK;
  }
  if (simulation->driver_count == simulation->driver_limit) {
    return weft_status_make(
        WEFT_STATUS_RESOURCE_EXHAUSTED,
        "all %u threads of the simulation wait: let fewer handlers wait at a "
        "time, or raise spare_thread_limit",
        simulation->driver_limit);
  }
  const weft_allocator_t* allocator = simulation->runtime->allocator;
  driver_t* driver = weft_memory_allocate_zeroed(allocator, sizeof(*driver));
  if (driver == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a thread of the simulation");
  }
  driver->simulation = simulation;
  weft_status_t status =
      weft_sys_thread_start(&driver->thread, "weft-sim", drive, driver);
  if (status != WEFT_OK) {
    weft_memory_free(allocator, driver, sizeof(*driver));
    return status;
  }
  driver->next = simulation->drivers;
  simulation->drivers = driver;
  simulation->driver_count++;
  *out_driver = driver;
  return WEFT_OK;
}

// --- Parking ----------------------------------------------------------------

// The thread outside lets the simulation run so far.
static void begin_run(weft_simulation_t* simulation, int64_t until_ns,
                      uint64_t step_limit) {
  simulation->until_ns = until_ns;
  simulation->step_limit = step_limit;
  simulation->steps = 0;
}

// The step that gives a parked thread its turn back.
static void resume(weft_task_t* task) {
  weft_parker_t* parker = WEFT_CONTAINER_OF(task, weft_parker_t, resume);
  driver_t* driver = this_driver;
  if (driver->simulation->outside_parker == parker) {
    driver->simulation->outside_parker = NULL;
  }
  list_idle(driver);
  give_turn(&parker->turn);
  rest(driver);
}

void weft_simulation_unpark(weft_simulation_t* simulation,
                            weft_parker_t* parker) {
  weft_timer_stop(&parker->timer);
  post(&simulation->executor, &parker->resume);
}

static void deadline_passed(weft_timer_t* timer, void* user) {
  weft_simulation_t* simulation = user;
  weft_parker_t* parker = WEFT_CONTAINER_OF(timer, weft_parker_t, timer);
  // Relaxed: guarded by the turn.
  atomic_store_explicit(&parker->word, WEFT_PARKER_LATE, memory_order_relaxed);
  post(&simulation->executor, &parker->resume);
}

// Prepares a parker for the sleep of its thread.
static void lie_down(weft_simulation_t* simulation, weft_parker_t* parker,
                     int64_t deadline_ns) {
  // Relaxed: guarded by the turn.
  atomic_store_explicit(&parker->word, WEFT_PARKER_ASLEEP,
                        memory_order_relaxed);
  parker->resume.run = resume;
  if (deadline_ns != WEFT_TIME_INFINITE) {
    weft_timers_start_internal(&weft_async_of(simulation->runtime)->timers,
                               &parker->timer, deadline_ns, deadline_passed,
                               simulation);
  }
  if (weft_simulation_is_inside(simulation)) {
    simulation->parked_count++;
  } else {
    simulation->outside_parker = parker;
    begin_run(simulation, WEFT_TIME_INFINITE, UINT64_MAX);
  }
}

// Empties the parker of a thread that has the turn again; tells how the wait
// ended.
static weft_status_t get_up(weft_simulation_t* simulation,
                            weft_parker_t* parker) {
  if (weft_simulation_is_inside(simulation)) {
    simulation->parked_count--;
  }
  // Relaxed: guarded by the turn.
  switch (atomic_exchange_explicit(&parker->word, WEFT_PARKER_EMPTY,
                                   memory_order_relaxed)) {
    case WEFT_PARKER_WOKEN:
      return WEFT_OK;
    case WEFT_PARKER_LATE:
      return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                              "the deadline passed");
    default:
      return weft_status_make(
          WEFT_STATUS_DEADLOCK,
          "the wait has no deadline, and nothing is left in the simulation "
          "that could end it");
  }
}

weft_status_t weft_simulation_park(weft_simulation_t* simulation,
                                   weft_parker_t* parker, int64_t deadline_ns) {
  weft_assert(simulation->holder == weft_sys_thread_id());
  if (deadline_ns <= simulation->now_ns) {
    return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                            "the deadline passed before the wait");
  }
  driver_t* driver;
  WEFT_RETURN_IF_ERROR(take_driver(simulation, &driver));
  lie_down(simulation, parker, deadline_ns);
  weft_count(simulation->runtime, WEFT_COUNTER_waits_blocked, 1);
  give_turn(&driver->turn);
  await_turn(simulation, &parker->turn);
  return get_up(simulation, parker);
}

// --- From outside -----------------------------------------------------------

// Lets the simulation run and waits until the turn comes back.
static weft_status_t run(weft_simulation_t* simulation, int64_t until_ns,
                         uint64_t step_limit) {
  weft_assert(simulation->holder == weft_sys_thread_id());
  driver_t* driver;
  WEFT_RETURN_IF_ERROR(take_driver(simulation, &driver));
  begin_run(simulation, until_ns, step_limit);
  give_turn(&driver->turn);
  await_turn(simulation, &simulation->outside_turn);
  return WEFT_OK;
}

uint64_t weft_simulation_run(weft_simulation_t* simulation,
                             uint64_t step_limit) {
  if (weft_simulation_is_inside(simulation)) {
    return 0;
  }
  weft_status_t status = run(simulation, WEFT_TIME_INFINITE, step_limit);
  if (status != WEFT_OK) {
    weft_warn(simulation->runtime, status);
    return 0;
  }
  return simulation->steps;
}

weft_status_t weft_simulation_stop(weft_simulation_t* simulation,
                                   int64_t deadline_ns) {
  if (simulation->occupied != 0 || simulation->parked_count > 0) {
    WEFT_RETURN_IF_ERROR(run(simulation, deadline_ns, UINT64_MAX));
  }
  if (simulation->parked_count > 0) {
    return weft_status_make(
        WEFT_STATUS_DEADLINE_EXCEEDED,
        "the executor has not stopped: %u task%s", simulation->parked_count,
        simulation->parked_count == 1 ? " waits" : "s wait");
  }
  return WEFT_OK;
}

bool weft_simulation_is_inside(const weft_simulation_t* simulation) {
  return this_driver != NULL && this_driver->simulation == simulation;
}

// --- Life -------------------------------------------------------------------

weft_status_t weft_simulation_create(weft_runtime_t* runtime,
                                     uint32_t thread_limit, uint64_t seed,
                                     weft_simulation_t** out_simulation) {
  weft_simulation_t* simulation =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*simulation));
  *out_simulation = simulation;
  if (simulation == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the simulation");
  }
  simulation->executor.vtable = &simulation_vtable;
  simulation->runtime = runtime;
  simulation->random = seed;
  simulation->now_ns = START_NS;
  simulation->driver_limit = thread_limit;
  simulation->holder = weft_sys_thread_id();
  return WEFT_OK;
}

weft_executor_t* weft_simulation_executor(weft_simulation_t* simulation) {
  return &simulation->executor;
}

int64_t weft_simulation_now_ns(const weft_simulation_t* simulation) {
  return simulation->now_ns;
}

void weft_simulation_destroy(weft_simulation_t* simulation) {
  if (simulation == NULL) {
    return;
  }
  const weft_allocator_t* allocator = simulation->runtime->allocator;
  while (simulation->occupied != 0) {
    weft_task_t* task = take(simulation, nth_bit(simulation->occupied, 0));
    task->run(task);
  }
  simulation->is_ending = true;
  while (simulation->drivers != NULL) {
    driver_t* driver = simulation->drivers;
    simulation->drivers = driver->next;
    give_turn(&driver->turn);
    weft_sys_thread_join(&driver->thread);
    weft_memory_free(allocator, driver, sizeof(*driver));
  }
  weft_memory_free(allocator, simulation, sizeof(*simulation));
}

static const weft_executor_vtable_t simulation_vtable = {
    .post = post,
};
