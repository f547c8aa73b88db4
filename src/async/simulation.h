// SPDX-License-Identifier: Apache-2.0
//
// A runtime in which one thread runs at a time, in an order that a seed
// decides, on a clock that moves only when nothing else can. The same seed
// and inputs give the same run, step by step.
//
// One thread holds the *turn*. The thread that made the runtime, the one
// outside, holds it to begin with and whenever it runs; only it may use the
// runtime. When it parks, or asks to run the simulation, it passes the turn
// to a thread of the simulation, which takes steps: it picks a task that can
// run, or a timer that is due, and runs it. A task that parks passes the turn
// on to another such thread, so each task keeps its own stack; the step that
// wakes it hands the turn back to its thread.
//
//   outside --park--> driver 1 --task parks--> driver 2 --resume--> driver 1
//      ^--------------- nothing is left to do, or it is woken ---------'
//
// Tasks wait in lanes, each in order; a post chooses a lane by chance and so
// does each step. With fewer tasks than lanes nearly every order can happen,
// and every step takes the same time however many tasks wait.
//
// Several runtimes can be *members* of one simulation: they share the turn, the
// seed and the clock, and each has lanes and timers of its own. Members come
// and go; the runtime that made the simulation goes last.

#ifndef WEFT_ASYNC_SIMULATION_H_
#define WEFT_ASYNC_SIMULATION_H_

#include "async/async.h"

typedef struct weft_simulation weft_simulation_t;
typedef struct weft_simulation_member weft_simulation_member_t;

// Makes a simulation, of `runtime`, without members. Errors:
// RESOURCE_EXHAUSTED.
weft_status_t weft_simulation_create(weft_runtime_t* runtime, uint64_t seed,
                                     weft_simulation_t** out_simulation);
// Makes the runtime a member. The thread limits of the members bound together
// the threads that are started, one when something first runs and one for each
// task that parks. Thread: the one that has the turn.
// Errors: RESOURCE_EXHAUSTED.
weft_status_t weft_simulation_join(weft_simulation_t* simulation,
                                   weft_runtime_t* runtime,
                                   uint32_t thread_limit,
                                   weft_simulation_member_t** out_member);
weft_executor_t* weft_simulation_executor(weft_simulation_member_t* member);
int64_t weft_simulation_now_ns(const weft_simulation_t* simulation);
// The runtime that made it.
weft_runtime_t* weft_simulation_owner(const weft_simulation_t* simulation);
uint32_t weft_simulation_member_count(const weft_simulation_t* simulation);

// True when the calling thread takes steps of this simulation.
bool weft_simulation_is_inside(const weft_simulation_t* simulation);

// As `weft_park` and `weft_unpark`, which have dealt with a parker that was
// woken already. The calling thread has the turn.
weft_status_t weft_simulation_park(weft_simulation_t* simulation,
                                   weft_parker_t* parker, int64_t deadline_ns);
void weft_simulation_unpark(weft_simulation_t* simulation,
                            weft_parker_t* parker);

// A member that is frozen takes no step, as a process that was stopped or
// killed: its tasks and timers stay where they are, and do not keep the
// simulation running, until it is thawed. Thread: the one that has the turn.
void weft_simulation_freeze(weft_simulation_member_t* member, bool is_frozen);

// Takes steps until nothing is left to do or the limit is reached; returns
// their number. From inside: 0.
uint64_t weft_simulation_run(weft_simulation_t* simulation,
                             uint64_t step_limit);

// Runs until the member has no tasks; the others go on meanwhile. Errors:
// DEADLINE_EXCEEDED when tasks are left that wait for ever, or beyond the
// deadline.
weft_status_t weft_simulation_stop(weft_simulation_member_t* member,
                                   int64_t deadline_ns);
// Runs the tasks that were posted since, on the calling thread, which has the
// turn, and frees the member; NULL is fine. After a stop that succeeded.
void weft_simulation_leave(weft_simulation_member_t* member);
// Ends the threads and frees, when all have left; NULL is fine.
void weft_simulation_destroy(weft_simulation_t* simulation);

#endif  // WEFT_ASYNC_SIMULATION_H_
