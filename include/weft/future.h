// SPDX-License-Identifier: Apache-2.0
//
// A value that is not here yet. A *future* is read by anybody and completed
// exactly once: with a value, with an error, or as cancelled. A *promise* is
// the end that completes it. An *await* is a lazy future: a function and its
// arguments, run by whoever waits first. A *chain* is a future of nothing,
// which orders work without carrying data.
//
// Every future completes: a promise that is dropped fails its future with
// ABANDONED. Dropping a future cancels nothing. Values and errors are shared,
// not consumed: every waiter sees the same outcome, as often as it looks.
//
// Ownership: functions that create a future hand over one reference.
// Thread: everything here may be called from any thread, unless it says
// otherwise. Callbacks run with no lock held.
// Blocking: only `weft_future_wait` and `weft_future_get` block.
// Sources of the ideas: the futures of PyTorch RPC, TorchScript's Await,
// the async values and chains of TFRT.

#ifndef WEFT_FUTURE_H_
#define WEFT_FUTURE_H_

#include "weft/executor.h"
#include "weft/value.h"

WEFT_BEGIN_DECLS

typedef struct weft_future weft_future_t;
typedef struct weft_promise weft_promise_t;

typedef enum weft_future_state {
  WEFT_FUTURE_PENDING = 0,
  // A lazy future nobody has waited for yet.
  WEFT_FUTURE_LAZY = 1,
  // Its function runs.
  WEFT_FUTURE_RUNNING = 2,
  // Final states.
  WEFT_FUTURE_READY = 3,
  WEFT_FUTURE_FAILED = 4,
  WEFT_FUTURE_CANCELLED = 5
} weft_future_state_t;

// Another reference to the same future.
WEFT_API weft_future_t* weft_future_retain(weft_future_t* future);
// Gives a reference back; NULL is fine.
WEFT_API void weft_future_release(weft_future_t* future);

// A future as a value; retains it.
WEFT_API weft_value_t weft_future_value(weft_future_t* future);
// A future as an argument: lent, for as long as the future is held.
static inline weft_value_t weft_future_lend(weft_future_t* future) {
  weft_value_t value = weft_none();
  value.kind = WEFT_KIND_FUTURE;
  // A future begins with the head of every counted object.
  value.as.object = (weft_object_t*)(void*)future;
  return value;
}
// Lends the future inside a value. Errors: INVALID_ARGUMENT.
WEFT_API WEFT_MUST_USE weft_status_t
weft_value_as_future(weft_value_t value, weft_future_t** out_future);

// --- Promises ---------------------------------------------------------------

// A pair: the promise completes the future. Both ends are handed over. A
// promise has one owner; it may complete on any thread.
WEFT_API WEFT_MUST_USE weft_status_t
weft_promise_create(weft_runtime_t* runtime, weft_promise_t** out_promise,
                    weft_future_t** out_future);

// Completes with a value. Owns: takes `value` over, also on failure.
// Errors: ALREADY_EXISTS when it has an outcome (the future was cancelled,
// say); nothing is changed then.
WEFT_API WEFT_MUST_USE weft_status_t weft_promise_set(weft_promise_t* promise,
                                                      weft_value_t value);

// Completes with an error, which is not OK. A status of code CANCELLED makes
// the state CANCELLED. Owns: takes `status` over, also on failure.
WEFT_API WEFT_MUST_USE weft_status_t weft_promise_fail(weft_promise_t* promise,
                                                       weft_status_t status);

// Lends the place where the value will stand, to be filled before `publish`
// makes it visible: building in place. The cell starts as none; after an
// outcome (by cancel, say) what was built is released with the promise.
WEFT_API weft_value_t* weft_promise_slot(weft_promise_t* promise);
// Completes with what stands in the slot. Errors: as `weft_promise_set`.
WEFT_API WEFT_MUST_USE weft_status_t
weft_promise_publish(weft_promise_t* promise);

// Promises the outcome of another future, whenever it comes. The promise has
// done its duty: only `release` is left. Errors: ALREADY_EXISTS; DEADLOCK
// when `source` leads back to this future, through other processes later and
// as the outcome; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_promise_forward(weft_promise_t* promise, weft_future_t* source);

// True when somebody cancelled the future: the work is not wanted any more.
WEFT_API bool weft_promise_is_cancelled(const weft_promise_t* promise);

// Drops the promise; an incomplete future fails with ABANDONED. NULL is fine.
WEFT_API void weft_promise_release(weft_promise_t* promise);

// --- Futures that are complete ----------------------------------------------

// Owns: both take their argument over, also on failure. Errors:
// RESOURCE_EXHAUSTED; INVALID_ARGUMENT for a status that is OK.
WEFT_API WEFT_MUST_USE weft_status_t weft_future_from_value(
    weft_runtime_t* runtime, weft_value_t value, weft_future_t** out_future);
WEFT_API WEFT_MUST_USE weft_status_t weft_future_from_status(
    weft_runtime_t* runtime, weft_status_t status, weft_future_t** out_future);

// A ready chain. Owns: hands over a reference.
WEFT_API WEFT_MUST_USE weft_status_t
weft_chain_ready(weft_runtime_t* runtime, weft_future_t** out_chain);

// --- Functions and arguments ------------------------------------------------

// One declared parameter of a function or endpoint.
typedef struct weft_parameter {
  const char* name;
  // What is accepted; WEFT_KIND_ANY for everything. A future is accepted for
  // any kind, and what it holds is checked when it is there.
  weft_kind_t kind;
} weft_parameter_t;

typedef struct weft_named_value {
  const char* name;
  weft_value_t value;
} weft_named_value_t;

// Arguments as a caller gives them: positions first, then names. Borrowed for
// the length of the call that takes them; what is kept is retained. NULL in
// place of arguments means none.
typedef struct weft_arguments {
  const weft_value_t* positional;
  size_t positional_count;
  const weft_named_value_t* named;
  size_t named_count;
} weft_arguments_t;

#ifndef __cplusplus
// Positional arguments in place: WEFT_ARGUMENTS(weft_int64(1), tensor).
#define WEFT_ARGUMENTS(...)                              \
  (&(const weft_arguments_t){                            \
      .positional = (const weft_value_t[]){__VA_ARGS__}, \
      .positional_count =                                \
          sizeof((const weft_value_t[]){__VA_ARGS__}) / sizeof(weft_value_t)})
#endif

// The most parameters that a function or endpoint may have.
#define WEFT_PARAMETER_LIMIT 32

// Runs with its arguments in declared order, futures among them replaced by
// what they hold. `out_result` is none at entry; what is stored there is
// handed over. It may wait. An error becomes the outcome.
typedef weft_status_t (*weft_function_fn_t)(weft_runtime_t* runtime, void* user,
                                            const weft_value_t* arguments,
                                            weft_value_t* out_result);

// A function that can be awaited or forked. Usually static; what is passed to
// `weft_await_create` is copied, the strings and tables it points to are not.
typedef struct weft_function {
  // For messages and traces.
  const char* name;
  weft_function_fn_t run;
  // Passed to `run`, and to `release` once when it is no longer needed; both
  // may be NULL.
  void* user;
  void (*release)(void* user);
  const weft_parameter_t* parameters;
  uint32_t parameter_count;
} weft_function_t;

// A lazy future: nothing starts. The first wait runs the function on the
// waiting thread; `then`, a combinator, or passing the future to an actor
// counts as a wait and starts it on the runtime's executor. It runs once;
// value or error is kept; function and arguments are released when it ends.
// Others who wait meanwhile wait for that run, each with its own deadline.
// Owns: retains the arguments. Takes `function->user` over on success only.
// Errors: INVALID_ARGUMENT for arguments that do not fit the declaration (the
// message names the parameter); RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_await_create(
    weft_runtime_t* runtime, const weft_function_t* function,
    const weft_arguments_t* arguments, weft_future_t** out_future);

// The eager twin, a fork: runs as soon as its arguments are there, on
// `executor` (NULL: the runtime's). Errors and ownership as above.
WEFT_API WEFT_MUST_USE weft_status_t
weft_async_run(weft_runtime_t* runtime, weft_executor_t* executor,
               const weft_function_t* function,
               const weft_arguments_t* arguments, weft_future_t** out_future);

// --- Looking and waiting ----------------------------------------------------

// The state at this moment; a final one stays.
WEFT_API weft_future_state_t weft_future_state(const weft_future_t* future);
// True in a final state.
WEFT_API bool weft_future_is_done(const weft_future_t* future);

// The outcome, without waiting: OK and the value, lent for as long as the
// future is held; or the error, as a reference of the caller's own.
// Errors: FAILED_PRECONDITION when it is not done; a lazy one is not started.
WEFT_API WEFT_MUST_USE weft_status_t
weft_future_result(weft_future_t* future, weft_value_t* out_value);

// Waits until the future is done, whatever its outcome.
// Errors, all of the wait and none of the future, which goes on: DEADLINE_
// EXCEEDED; CANCELLED when the work that waits was cancelled itself; DEADLOCK
// when the wait would close a circle, whose parts the message names;
// RESOURCE_EXHAUSTED when a handler waits and no spare thread is left; CLOSED
// when the runtime was destroyed; FORKED in a child process.
// A circle through other processes is found a little later: a call of it, or a
// future that came from another process, then has the outcome DEADLOCK. Where
// any of several futures could open it (a value that of `any`, an error that of
// `join` or `merge`) it is one when all that are left lead back.
// In a handler the deadline is cut to what is left of the handler's own.
// The worker's place goes to a spare thread meanwhile; no other handler runs
// on this stack.
WEFT_API WEFT_MUST_USE weft_status_t weft_future_wait(weft_future_t* future,
                                                      int64_t deadline_ns);

// Waits, then gives the outcome: `weft_future_wait` and `weft_future_result`.
// The value is a reference of the caller's own.
WEFT_API WEFT_MUST_USE weft_status_t weft_future_get(weft_future_t* future,
                                                     int64_t deadline_ns,
                                                     weft_value_t* out_value);

// Completes the future as CANCELLED for all its holders and tells whoever
// works on it: a call reaches its callee, a function finds out by
// `weft_work_is_cancelled`, one that has not started never does. A result
// that comes later is dropped. True when it was this call that completed it.
WEFT_API bool weft_future_cancel(weft_future_t* future);

// The deadline of the work that the calling thread does (a handler, an
// awaited function); WEFT_TIME_INFINITE when there is none.
WEFT_API int64_t weft_work_deadline_ns(void);
// True when that work was cancelled: finish soon.
WEFT_API bool weft_work_is_cancelled(void);

// --- Waiters ----------------------------------------------------------------

typedef struct weft_waiter weft_waiter_t;
// Runs inline on the thread that completes the future: short code only. The
// node belongs to its owner again when this is called, and may be freed here.
typedef void (*weft_waiter_fn_t)(weft_waiter_t* waiter, weft_future_t* future);

// A caller-owned node. Fill `callback` and `user`; the rest is private. It
// must stay until its callback runs or it was removed.
struct weft_waiter {
  weft_waiter_t* next;
  weft_waiter_t* previous;
  weft_waiter_fn_t callback;
  void* user;
};

// Registers a waiter; callbacks run in the order of registration. On a future
// that is done the callback runs before this returns, or, inside a callback of
// this thread, behind those that this thread still has to call. A callback
// that completes another future does not run that one's waiters: they follow
// when it has returned, so chains of any length need no stack. A lazy future
// is started on the runtime's executor. Allocates nothing.
WEFT_API void weft_future_add_waiter(weft_future_t* future,
                                     weft_waiter_t* waiter);

// Takes a waiter back. True when its callback will never run. False when it
// has run: if it runs now on another thread, this waits until it is over;
// from inside the callback it returns at once.
WEFT_API bool weft_future_remove_waiter(weft_future_t* future,
                                        weft_waiter_t* waiter);

typedef struct weft_hook weft_hook_t;
// Sees the outcome before anybody else; both are lent.
typedef void (*weft_hook_fn_t)(weft_hook_t* hook, weft_status_t status,
                               weft_value_t value);

// A caller-owned node, as a waiter.
struct weft_hook {
  weft_hook_t* next;
  weft_hook_fn_t callback;
  void* user;
};

// Registers an end-callback: the future is not done until it has returned
// (profilers need this). Hooks run in order of registration. True when it was
// registered; false when the outcome was there already, and it never runs. On
// a lazy future that is released before anybody waited it sees ABANDONED.
WEFT_API bool weft_future_add_hook(weft_future_t* future, weft_hook_t* hook);

// --- Combinators ------------------------------------------------------------
// Each makes a new future; cancelling that one leaves its sources alone, and
// takes back at once what it has registered with them. Lazy sources are
// started. Errors: RESOURCE_EXHAUSTED, and what is said there;
// INVALID_ARGUMENT for a continuation without `run`, or a future that is NULL.

// Sees an outcome, makes the next: either status is an error or value is
// there; both are lent. What it stores in `out_value` is handed over.
typedef weft_status_t (*weft_then_fn_t)(void* user, weft_status_t status,
                                        weft_value_t value,
                                        weft_value_t* out_value);

typedef struct weft_continuation {
  weft_then_fn_t run;
  void* user;
  // Called once with `user` after `run`, or instead of it; may be NULL.
  void (*release)(void* user);
  // Where to run; NULL means inline on the completing thread, for short code.
  weft_executor_t* executor;
} weft_continuation_t;

// What follows an outcome, success or error. Owns: takes `user` over on
// success only.
WEFT_API WEFT_MUST_USE weft_status_t
weft_future_then(weft_future_t* future, const weft_continuation_t* next,
                 weft_future_t** out_future);

// What follows a value; an error passes by unchanged.
WEFT_API WEFT_MUST_USE weft_status_t
weft_future_map(weft_future_t* future, const weft_continuation_t* next,
                weft_future_t** out_future);

// A future of a future becomes a future of the inner value, to any depth. It
// fails with DEADLOCK when the inner futures lead back to it.
WEFT_API WEFT_MUST_USE weft_status_t
weft_future_flatten(weft_future_t* future, weft_future_t** out_future);

// Waits for all and keeps every outcome: a list with, for each, its value or
// its error as a status value. No futures: an empty list, at once.
WEFT_API WEFT_MUST_USE weft_status_t
weft_future_all(weft_runtime_t* runtime, weft_future_t* const* futures,
                size_t count, weft_future_t** out_future);

// A list of all values, or the first error as soon as it comes.
WEFT_API WEFT_MUST_USE weft_status_t
weft_future_join(weft_runtime_t* runtime, weft_future_t* const* futures,
                 size_t count, weft_future_t** out_future);

// The first value. When all fail: the first error. Errors: INVALID_ARGUMENT
// for no futures. As `join` and `merge` it fails with DEADLOCK when nothing is
// left to end it but futures that wait for it themselves; this is found while
// at most 8 are left, and through at most 8 futures of several sources.
WEFT_API WEFT_MUST_USE weft_status_t
weft_future_any(weft_runtime_t* runtime, weft_future_t* const* futures,
                size_t count, weft_future_t** out_future);

// A chain that is ready when all are; the first error fails it.
WEFT_API WEFT_MUST_USE weft_status_t
weft_chain_merge(weft_runtime_t* runtime, weft_future_t* const* futures,
                 size_t count, weft_future_t** out_chain);

// The same outcome if it comes by the deadline, else DEADLINE_EXCEEDED, or
// CLOSED when the runtime stops before either; the source goes on.
WEFT_API WEFT_MUST_USE weft_status_t weft_future_with_deadline(
    weft_future_t* future, int64_t deadline_ns, weft_future_t** out_future);

WEFT_END_DECLS

#endif  // WEFT_FUTURE_H_
