// SPDX-License-Identifier: Apache-2.0

#include "async/simulation.h"

#include "async/async_internal.h"
#include "base/assert.h"
#include "base/container.h"
#include "base/memory.h"
#include "base/random.h"
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
  // Whose task or timer it runs; NULL between steps.
  weft_simulation_member_t* member;
  // Sleeps on it; 1 means it has the turn.
  _Atomic uint32_t turn;
} driver_t;

typedef struct lane {
  weft_task_t* first;
  weft_task_t* last;
} lane_t;

// Everything is guarded by the turn: it is handed over with release and taken
// with acquire, on the words that threads without it sleep on.
struct weft_simulation_member {
  weft_executor_t executor;
  weft_simulation_t* simulation;
  weft_runtime_t* runtime;
  weft_simulation_member_t* next;
  uint32_t thread_limit;
  lane_t lanes[LANES];
  // A bit for each lane that is not empty.
  uint64_t occupied;
  // Its tasks that have parked.
  uint32_t parked_count;
  bool is_frozen;
};

struct weft_simulation {
  // Who made it.
  weft_runtime_t* runtime;
  uint64_t random;
  int64_t now_ns;
  // In the order in which they joined.
  weft_simulation_member_t* members;
  uint32_t member_count;
  driver_t* drivers;
  driver_t* idle_drivers;
  uint32_t driver_count;
  uint32_t driver_limit;
  // The thread that has the turn.
  uint32_t holder;
  // The thread outside: what it sleeps on without the turn, the parker it
  // waits for if any, how far it lets the simulation run, and how far it got.
  _Atomic uint32_t outside_turn;
  weft_parker_t* outside_parker;
  int64_t until_ns;
  uint64_t step_limit;
  uint64_t steps;
  // The run ends when this member has no tasks; NULL: when nothing is left.
  const weft_simulation_member_t* stopping;
  bool is_ending;
};

// In a thread of a simulation: what it is there.
static _Thread_local driver_t* this_driver;

static const weft_executor_vtable_t member_vtable;

// --- Chance -----------------------------------------------------------------

// 0 to `bound` - 1; `bound` is small, so the bias does not matter.
static uint32_t choose(weft_simulation_t* simulation, uint32_t bound) {
  weft_assert(bound > 0);
  return (uint32_t)(weft_random_next(&simulation->random) >> 32) % bound;
}

// --- Tasks ------------------------------------------------------------------

static weft_simulation_member_t* member_of(weft_runtime_t* runtime) {
  return weft_async_of(runtime)->member;
}

static void post(weft_executor_t* executor, weft_task_t* task) {
  weft_simulation_member_t* member = (weft_simulation_member_t*)(void*)executor;
  weft_simulation_t* simulation = member->simulation;
  // Whoever posts has the turn: a simulation knows no other threads.
  weft_assert(simulation->holder == weft_sys_thread_id());
  uint32_t index = choose(simulation, LANES);
  lane_t* lane = &member->lanes[index];
  task->next = NULL;
  if (lane->last != NULL) {
    lane->last->next = task;
  } else {
    lane->first = task;
  }
  lane->last = task;
  member->occupied |= (uint64_t)1 << index;
}

static weft_task_t* take(weft_simulation_member_t* member, uint32_t index) {
  lane_t* lane = &member->lanes[index];
  weft_task_t* task = lane->first;
  lane->first = task->next;
  if (lane->first == NULL) {
    lane->last = NULL;
    member->occupied &= ~((uint64_t)1 << index);
  }
  return task;
}

static bool has_tasks(const weft_simulation_member_t* member) {
  return member->occupied != 0 || member->parked_count > 0;
}

// The number of the `n`th bit that is set.
static uint32_t nth_bit(uint64_t bits, uint32_t n) {
  while (n-- > 0) {
    bits &= bits - 1;
  }
  return (uint32_t)__builtin_ctzll(bits);
}

// --- Steps ------------------------------------------------------------------

static weft_timers_t* timers_of(const weft_simulation_member_t* member) {
  return &weft_async_of(member->runtime)->timers;
}

static uint32_t count_lanes(const weft_simulation_member_t* member) {
  return member->is_frozen ? 0
                           : (uint32_t)__builtin_popcountll(member->occupied);
}

static int64_t next_ns(const weft_simulation_member_t* member) {
  return member->is_frozen ? WEFT_TIME_INFINITE
                           : weft_timers_next_ns(timers_of(member));
}

// 1 when its first timer is due, else 0.
static uint32_t count_due(const weft_simulation_member_t* member) {
  return next_ns(member) <= member->simulation->now_ns ? 1 : 0;
}

// 1 when it has a timer that somebody waits for, else 0.
static uint32_t count_wanted(const weft_simulation_member_t* member) {
  return !member->is_frozen && weft_timers_are_wanted(timers_of(member)) ? 1
                                                                         : 0;
}

static uint32_t sum(const weft_simulation_t* simulation,
                    uint32_t (*count)(const weft_simulation_member_t* member)) {
  uint32_t total = 0;
  for (const weft_simulation_member_t* member = simulation->members;
       member != NULL; member = member->next) {
    total += count(member);
  }
  return total;
}

// The member that has the `*index`th of all that is counted; makes the index
// one among its own.
static weft_simulation_member_t* locate(
    const weft_simulation_t* simulation,
    uint32_t (*count)(const weft_simulation_member_t* member),
    uint32_t* index) {
  weft_simulation_member_t* member = simulation->members;
  uint32_t own;
  while (*index >= (own = count(member))) {
    *index -= own;
    member = member->next;
  }
  return member;
}

// Moves the clock to the next timer; false when there is none, or none that
// is due by the time that the thread outside allows.
static bool advance(weft_simulation_t* simulation) {
  int64_t first_ns = WEFT_TIME_INFINITE;
  for (weft_simulation_member_t* member = simulation->members; member != NULL;
       member = member->next) {
    int64_t own_ns = next_ns(member);
    first_ns = own_ns < first_ns ? own_ns : first_ns;
  }
  if (first_ns == WEFT_TIME_INFINITE || first_ns > simulation->until_ns ||
      sum(simulation, count_wanted) == 0) {
    return false;
  }
  if (first_ns > simulation->now_ns) {
    simulation->now_ns = first_ns;
  }
  return true;
}

// Runs the `index`th of the lanes that have tasks and the timers that are due.
static void run_chosen(weft_simulation_t* simulation, uint32_t index,
                       uint32_t lanes) {
  driver_t* driver = this_driver;
  if (index >= lanes) {
    index -= lanes;
    driver->member = locate(simulation, count_due, &index);
    weft_timers_run_one(timers_of(driver->member), simulation->now_ns);
  } else {
    weft_simulation_member_t* member = locate(simulation, count_lanes, &index);
    weft_task_t* task = take(member, nth_bit(member->occupied, index));
    driver->member = member;
    task->run(task);
  }
  if (driver->member != NULL) {
    weft_async_flush(weft_async_of(driver->member->runtime));
    driver->member = NULL;
  }
}

// Runs one task or timer; false when there is none. The timers that are due,
// one a member, take part in the draw.
static bool step(weft_simulation_t* simulation) {
  uint32_t lanes = sum(simulation, count_lanes);
  if (lanes == 0 && !advance(simulation)) {
    return false;
  }
  uint32_t due = sum(simulation, count_due);
  simulation->steps++;
  run_chosen(simulation, choose(simulation, lanes + due), lanes);
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

// True when the thread outside is to have the turn again in any case.
static bool is_over(const weft_simulation_t* simulation) {
  return simulation->steps >= simulation->step_limit ||
         (simulation->stopping != NULL && !has_tasks(simulation->stopping));
}

static void drive(void* user) {
  driver_t* driver = user;
  weft_simulation_t* simulation = driver->simulation;
  this_driver = driver;
  rest(driver);
  while (!simulation->is_ending) {
    if (!is_over(simulation) && step(simulation)) {
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
  if (simulation->driver_count >= simulation->driver_limit) {
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
  for (weft_simulation_member_t* member = simulation->members; member != NULL;
       member = member->next) {
    weft_async_flush(weft_async_of(member->runtime));
  }
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
  // When this returns, much may have happened: the member may be gone.
  driver->member = NULL;
  list_idle(driver);
  give_turn(&parker->turn);
  rest(driver);
}

void weft_simulation_unpark(weft_simulation_t* simulation,
                            weft_parker_t* parker) {
  (void)simulation;
  weft_timer_stop(&parker->timer);
  post(&member_of(parker->runtime)->executor, &parker->resume);
}

static void deadline_passed(weft_timer_t* timer, void* user) {
  weft_simulation_member_t* member = user;
  weft_parker_t* parker = WEFT_CONTAINER_OF(timer, weft_parker_t, timer);
  // Relaxed: guarded by the turn.
  atomic_store_explicit(&parker->word, WEFT_PARKER_LATE, memory_order_relaxed);
  post(&member->executor, &parker->resume);
}

// Prepares a parker for the sleep of its thread.
static void lie_down(weft_simulation_t* simulation, weft_parker_t* parker,
                     int64_t deadline_ns) {
  // Relaxed: guarded by the turn.
  atomic_store_explicit(&parker->word, WEFT_PARKER_ASLEEP,
                        memory_order_relaxed);
  parker->resume.run = resume;
  if (deadline_ns != WEFT_TIME_INFINITE) {
    weft_simulation_member_t* member = member_of(parker->runtime);
    weft_timers_start_internal(timers_of(member), &parker->timer, deadline_ns,
                               deadline_passed, member);
  }
  if (weft_simulation_is_inside(simulation)) {
    weft_simulation_member_t* own = this_driver->member;
    own->parked_count++;
    weft_async_flush(weft_async_of(own->runtime));
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
    this_driver->member->parked_count--;
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
  weft_count(parker->runtime, WEFT_COUNTER_waits_blocked, 1);
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

void weft_simulation_freeze(weft_simulation_member_t* member, bool is_frozen) {
  member->is_frozen = is_frozen;
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

weft_status_t weft_simulation_stop(weft_simulation_member_t* member,
                                   int64_t deadline_ns) {
  weft_simulation_t* simulation = member->simulation;
  if (has_tasks(member)) {
    simulation->stopping = member;
    weft_status_t status = run(simulation, deadline_ns, UINT64_MAX);
    simulation->stopping = NULL;
    WEFT_RETURN_IF_ERROR(status);
  }
  if (has_tasks(member)) {
    return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                            "the executor has not stopped: %u task%s",
                            member->parked_count,
                            member->parked_count == 1 ? " waits" : "s wait");
  }
  return WEFT_OK;
}

bool weft_simulation_is_inside(const weft_simulation_t* simulation) {
  return this_driver != NULL && this_driver->simulation == simulation;
}

// --- Life -------------------------------------------------------------------

weft_status_t weft_simulation_create(weft_runtime_t* runtime, uint64_t seed,
                                     weft_simulation_t** out_simulation) {
  weft_simulation_t* simulation =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*simulation));
  *out_simulation = simulation;
  if (simulation == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for the simulation");
  }
  simulation->runtime = runtime;
  simulation->random = seed;
  simulation->now_ns = START_NS;
  simulation->holder = weft_sys_thread_id();
  return WEFT_OK;
}

weft_status_t weft_simulation_join(weft_simulation_t* simulation,
                                   weft_runtime_t* runtime,
                                   uint32_t thread_limit,
                                   weft_simulation_member_t** out_member) {
  weft_assert(simulation->holder == weft_sys_thread_id());
  weft_simulation_member_t* member =
      weft_memory_allocate_zeroed(runtime->allocator, sizeof(*member));
  *out_member = member;
  if (member == NULL) {
    return weft_status_make(WEFT_STATUS_RESOURCE_EXHAUSTED,
                            "no memory for a member of the simulation");
  }
  member->executor.vtable = &member_vtable;
  member->simulation = simulation;
  member->runtime = runtime;
  member->thread_limit = thread_limit;
  weft_simulation_member_t** link = &simulation->members;
  while (*link != NULL) {
    link = &(*link)->next;
  }
  *link = member;
  simulation->member_count++;
  simulation->driver_limit += thread_limit;
  return WEFT_OK;
}

weft_executor_t* weft_simulation_executor(weft_simulation_member_t* member) {
  return &member->executor;
}

int64_t weft_simulation_now_ns(const weft_simulation_t* simulation) {
  return simulation->now_ns;
}

weft_runtime_t* weft_simulation_owner(const weft_simulation_t* simulation) {
  return simulation->runtime;
}

uint32_t weft_simulation_member_count(const weft_simulation_t* simulation) {
  return simulation->member_count;
}

void weft_simulation_leave(weft_simulation_member_t* member) {
  if (member == NULL) {
    return;
  }
  weft_simulation_t* simulation = member->simulation;
  while (member->occupied != 0) {
    weft_task_t* task = take(member, nth_bit(member->occupied, 0));
    task->run(task);
  }
  weft_simulation_member_t** link = &simulation->members;
  while (*link != member) {
    link = &(*link)->next;
  }
  *link = member->next;
  simulation->member_count--;
  simulation->driver_limit -= member->thread_limit;
  weft_memory_free(member->runtime->allocator, member, sizeof(*member));
}

void weft_simulation_destroy(weft_simulation_t* simulation) {
  if (simulation == NULL) {
    return;
  }
  weft_assert(simulation->members == NULL);
  const weft_allocator_t* allocator = simulation->runtime->allocator;
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

static const weft_executor_vtable_t member_vtable = {
    .post = post,
};
