// SPDX-License-Identifier: Apache-2.0
//
// One member of a job: workers, timers, actors, and what they know of each
// other. There are no globals: a process may hold several runtimes. Every
// member of a job runs the same `main`: it creates the runtime with the same
// classes; rank 0 runs the program, the others serve.
//
// `weft run -n 4 PROGRAM` starts four processes as one job, and the first
// runtime of each takes the place that it is given. A process that was started
// in another way is a job by itself, of rank 0 and size 1.
//
// The job ends when rank 0 does. When another rank dies, whatever waits for it
// fails with PEER_DIED, and the others go on; when rank 0 or the launcher dies,
// or somebody presses Ctrl-C, everything that waits fails and they end.
//
// A process that is stopped does not die, and nobody can tell but by asking.
// One of which another has heard nothing for 7 s, while it waits for it, is
// asked by the launcher. If it answers, only the link between the two is given
// up, 10 s later. If it does nothing for 2 s, the job gives it up: all members
// hear PEER_DIED, with who found it, and lose it at the same time, and `weft
// run` says so, kills it with SIGKILL after --grace, and fails. Should it wake
// before that, it has no way back: whatever waits in it fails with PEER_DIED,
// what is asked of its runtime afterwards with CLOSED because of that,
// `weft_runtime_serve` returns that PEER_DIED, and so it ends. A runtime that
// had joined the job is treated alike, but for the kill.

#ifndef WEFT_RUNTIME_H_
#define WEFT_RUNTIME_H_

#include "weft/actor.h"

WEFT_BEGIN_DECLS

// Something went wrong that no caller waits for. `warning` is lent. Called on
// any thread with no lock held; it must not wait.
typedef void (*weft_warning_fn_t)(void* user, weft_status_t warning);

typedef struct weft_runtime_options {
  // For messages, traces and lists; copied. NULL: the program's name.
  const char* name;
  // Everything the runtime allocates. NULL: the C heap.
  const weft_allocator_t* allocator;
  // The classes of the job: static tables, not copied.
  const weft_class_t* const* classes;
  size_t class_count;
  // Threads that run handlers; 0: one a core that this process may use.
  uint32_t worker_count;
  // Threads that stand in for workers whose handlers wait; 0: 64.
  uint32_t spare_thread_limit;
  // The most memory that other processes can read, for shared tensors; 0: half
  // of what this host, or container, has. It is taken as it is needed.
  uint64_t arena_limit_bytes;
  // The deadline of calls that name none and inherit none, as a timeout; 0:
  // none.
  int64_t default_timeout_ns;
  // Takes warnings; NULL writes them to the log.
  weft_warning_fn_t on_warning;
  void* warning_user;
  // Simulation: one thread at a time, chosen by `seed`, and a virtual clock.
  // A run with the same seed and inputs takes the same course. Tasks run only
  // while the thread that made the runtime waits, or asks for it with
  // `weft_runtime_run`; no other thread outside may use the runtime.
  bool simulate;
  uint64_t seed;
  // Another runtime that is a simulation: this one takes part in it, with one
  // scheduler, one clock and the seed of that one. It must be destroyed before
  // that one. NULL: none; then `simulate` and `seed` count.
  weft_runtime_t* simulate_with;
} weft_runtime_options_t;

// Makes a runtime and starts its workers. `options` may be NULL.
// Blocks: in a job, until the launcher has answered, for 30 s at most.
// Environment: WEFT_LOG, WEFT_TRACE: see trace.h.
//   WEFT_JOB=NAME  joins a job of this user that runs already, by its name or
//     id, with a rank behind those that were started.
//   WEFT_JOB_FD, WEFT_STARTED_NS  set by `weft run`: the place, and when the
//     launcher was started, on CLOCK_MONOTONIC. So are RANK, WORLD_SIZE,
//     LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, for others.
//   WEFT_PEER_TIMEOUT=SECONDS  how long another process of the job may say
//     nothing, while this one waits for it, before the launcher is to find out
//     whether it lives: it is stopped, or its host overloaded. 7 by default;
//     0: for ever, which all ranks should have where one is looked at with a
//     debugger. A handler that runs for long is no silence.
//   WEFT_SPIN=0  threads sleep at once, where else they look for some
//     microseconds first if that paid lately.
// Errors: INVALID_ARGUMENT for a class table that is not sound (two classes
// of one name, a missing handler, too many parameters), and when
// `simulate_with` is no simulation, or WEFT_JOB_FD is junk; RESOURCE_EXHAUSTED.
// In a job also NOT_FOUND when there is none of that name, PERMISSION_DENIED
// when it is another user's, FAILED_PRECONDITION when its launcher is of
// another version, PEER_DIED, CANCELLED and CLOSED when it has ended,
// DEADLINE_EXCEEDED.
WEFT_API WEFT_MUST_USE weft_status_t weft_runtime_create(
    const weft_runtime_options_t* options, weft_runtime_t** out_runtime);

// Ends the runtime in order: spawning and calling fail with CLOSED, actors end
// after the handler they run, messages that wait fail, threads are joined. The
// job hears that this rank has left.
// Thread: any but those of the runtime; others may go on calling meanwhile.
// Blocks: until the deadline. Errors: DEADLINE_EXCEEDED, with a message that
// names what did not stop and what it waits for; then it may be called again.
// FAILED_PRECONDITION in a task of this runtime, and while another thread stops
// it.
WEFT_API WEFT_MUST_USE weft_status_t weft_runtime_stop(weft_runtime_t* runtime,
                                                       int64_t deadline_ns);

// Stops without a limit if it has not stopped, then frees. Futures that are
// still held stay valid, and so do their outcomes, until they are released.
// Thread: the last call on this runtime: no other thread uses it, or waits for
// one of its futures, any more. In one of its own tasks, and while others take
// part in its simulation, it gives a warning and does nothing.
// NULL is fine.
WEFT_API void weft_runtime_destroy(weft_runtime_t* runtime);

// Serves until the job ends: what runtimes other than rank 0 do in `main`. It
// is WEFT_OK also when rank 0 failed or the job was cancelled: the launcher
// says why, once.
// Errors: PEER_DIED when the launcher is gone, or when this process did not
// answer and was given up; FAILED_PRECONDITION, at once, at rank 0.
WEFT_API WEFT_MUST_USE weft_status_t
weft_runtime_serve(weft_runtime_t* runtime);

// The whole `main` of a program: makes the runtime, runs `run(runtime, user)`
// at rank 0 and serves elsewhere, destroys the runtime, reports the error, if
// any, with `weft_status_report`. Returns what `main` should.
WEFT_API int weft_runtime_main(const weft_runtime_options_t* options,
                               weft_status_t (*run)(weft_runtime_t* runtime,
                                                    void* user),
                               void* user);

// The place of this runtime in its job: 0 <= rank < size, but for one that
// joined later, whose rank is higher.
WEFT_API uint32_t weft_runtime_rank(const weft_runtime_t* runtime);
WEFT_API uint32_t weft_runtime_size(const weft_runtime_t* runtime);
// What a runtime of the job has and does, as a map: name, rank, process, actors
// (class, messages in the mailbox, what it runs, what it waits for), counters.
// It is answered also while all workers there are busy.
// Blocks, Errors: as `weft_call`; NOT_FOUND for a rank that is not there.
WEFT_API WEFT_MUST_USE weft_status_t weft_runtime_report(
    weft_runtime_t* runtime, uint32_t rank, weft_future_t** out_report);

// The allocator it was created with; never NULL.
WEFT_API const weft_allocator_t* weft_runtime_allocator(
    const weft_runtime_t* runtime);

// In a simulation: runs until nothing is left to run and no timer is started,
// or `step_limit` steps were made: tasks run and timers called back. Returns
// the number of steps. A timer that repeats goes on until the limit.
// Thread: the one that made the runtime; anywhere else, and without a
// simulation, it returns 0 at once.
WEFT_API uint64_t weft_runtime_run(weft_runtime_t* runtime,
                                   uint64_t step_limit);

WEFT_END_DECLS

#endif  // WEFT_RUNTIME_H_
