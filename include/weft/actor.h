// SPDX-License-Identifier: Apache-2.0
//
// An actor is state, a mailbox, and endpoints: named handlers that run one at
// a time, to the end. A call returns a future at once; a send returns
// nothing. A message takes its place when it is sent: from one sender to one
// actor, handlers run in the order of sending, also while arguments are still
// being computed. A message that waits for an argument holds back later
// messages of its own sender and of nobody else.
//
// The sender is the actor whose handler sends, else the calling thread.
//
// Classes are static tables, known to every runtime of a job, so a class is
// code by name and never by value.
//
// Actors of other processes of the job are used in the same way. Arguments and
// results are packed when they are sent: a tensor in shared memory is lent,
// another is copied there once, a future goes as itself and its value follows
// from where it is made; an opaque object cannot go (UNIMPLEMENTED). What the
// other process alone can know comes later than it would at home: that the
// actor has ended, or that arguments do not fit, through the future of a call,
// and for a send as a warning of the runtime that holds the actor.
//
// Thread: everything may be called from any thread. A context belongs to the
// handler it was given to, and to that thread.
// Errors, of every function that takes a handle: NOT_FOUND for a handle that
// names nobody (any more); PEER_DIED, with rank, process and what became of it,
// when the process is gone, also through futures; CLOSED when it has left in
// order.
// Blocks: the first message to a process waits until it is connected, whatever
// the options say; it fails if the process ends before that.

#ifndef WEFT_ACTOR_H_
#define WEFT_ACTOR_H_

#include "weft/future.h"

WEFT_BEGIN_DECLS

// What a handler knows about the message it handles.
typedef struct weft_context weft_context_t;

// Handles one message. `arguments` are lent, in declared order, futures
// replaced by what they hold. `out_result` is none at entry; what is stored
// there is handed over. An error becomes the caller's error; without a caller
// it goes to the runtime's warnings. The actor lives on either way.
typedef weft_status_t (*weft_handler_fn_t)(weft_context_t* context, void* state,
                                           const weft_value_t* arguments,
                                           weft_value_t* out_result);

typedef struct weft_endpoint {
  const char* name;
  weft_handler_fn_t handler;
  const weft_parameter_t* parameters;
  uint32_t parameter_count;
} weft_endpoint_t;

typedef struct weft_class {
  const char* name;
  // A job runs one version of a class.
  uint32_t version;
  // Makes the state from the value given to spawn (lent). It is the actor's
  // first message, whatever else arrives. An error ends the actor, and is the
  // cause that its callers see. NULL: the state is NULL.
  weft_status_t (*init)(weft_context_t* context, weft_value_t init,
                        void** out_state);
  // Frees the state, after the last handler, whatever the reason. Called once
  // if init succeeded. NULL: nothing to free.
  void (*deinit)(void* state);
  // Indexed by the numbers that callers use; name them in an enum.
  const weft_endpoint_t* endpoints;
  uint32_t endpoint_count;
} weft_class_t;

// The number of an endpoint by name. Errors: NOT_FOUND.
WEFT_API WEFT_MUST_USE weft_status_t weft_class_find_endpoint(
    const weft_class_t* actor_class, const char* name, uint32_t* out_endpoint);

// True when both name the same actor.
static inline bool weft_actor_equal(weft_actor_t a, weft_actor_t b) {
  return a.rank == b.rank && a.incarnation == b.incarnation &&
         a.index == b.index && a.generation == b.generation;
}

// True for a handle of zeros, which names nobody.
static inline bool weft_actor_is_none(weft_actor_t actor) {
  return actor.generation == 0;
}

// --- Spawning ---------------------------------------------------------------

// Messages that a mailbox takes before it is full, unless spawn says else.
#define WEFT_MAILBOX_BOUND_DEFAULT 1024

// The runtime that spawns, as a place.
#define WEFT_PLACE_HERE UINT32_MAX

typedef struct weft_spawn_options {
  // The rank that will hold the actor, or WEFT_PLACE_HERE. Options that do not
  // set it mean rank 0, whoever spawns; in one process that is here, but not
  // in a handler of another rank.
  uint32_t place;
  // Messages that may be in the mailbox or held for an argument before senders
  // wait, at most 131 072; 0 means the default. The actor counts what it has
  // finished by the quarter, so a mailbox may be full at three quarters.
  uint32_t mailbox_bound;
  // Run on a thread of its own, for handlers that block on other things than
  // futures.
  bool own_thread;
} weft_spawn_options_t;

// Makes an actor; the handle is good at once, init runs as its first message.
// Owns: retains `init`. `options` may be NULL: here, with the defaults.
// Blocks: for another place, until that runtime has answered, as long as the
// work at hand may wait.
// Errors: NOT_FOUND when the class was not given to the runtime, the place does
// not exist, or the program there has no such class of this version;
// INVALID_ARGUMENT for a bound that is too large; RESOURCE_EXHAUSTED; CLOSED
// when the runtime stops; for another place also those of `weft_call` and
// `weft_future_get`.
WEFT_API WEFT_MUST_USE weft_status_t weft_spawn(
    weft_runtime_t* runtime, const weft_class_t* actor_class, weft_value_t init,
    const weft_spawn_options_t* options, weft_actor_t* out_actor);

// --- Messages ---------------------------------------------------------------

typedef struct weft_call_options {
  // How long the message may take to be handled and answered, from now. 0:
  // what is left of the deadline of the handler that sends, else the
  // runtime's default. WEFT_TIME_INFINITE: no limit but the handler's.
  int64_t timeout_ns;
  // Say WOULD_BLOCK rather than wait when the mailbox is full.
  bool try_only;
} weft_call_options_t;

// Sends a message and promises its result. The deadline travels with the
// message; cancelling the future reaches the callee, and what the callee
// calls in turn.
// Blocks: only while the mailbox is full, until the deadline; that of another
// process counts as full when 64 messages of this one are with the actor, or
// the memory between the two is. Where others may
// wait for the work at hand, in a handler, a fork, an await or a continuation,
// a full mailbox is WOULD_BLOCK at once unless the call has a deadline; and
// always when the target is the sender itself.
// Owns: retains the arguments. `arguments` and `options` may be NULL.
// Errors: INVALID_ARGUMENT for arguments that do not fit (the message names
// class, endpoint and parameter); NOT_FOUND; WOULD_BLOCK; DEADLINE_EXCEEDED;
// CANCELLED when the work that waits for room was; CLOSED when the runtime
// stops; RESOURCE_EXHAUSTED. The future fails with ACTOR_EXITED when the actor
// ends before it answers, with the reason as cause.
WEFT_API WEFT_MUST_USE weft_status_t
weft_call(weft_runtime_t* runtime, weft_actor_t actor, uint32_t endpoint,
          const weft_arguments_t* arguments, const weft_call_options_t* options,
          weft_future_t** out_future);

// As `weft_call` without an answer. An error of the handler, or an argument
// that fails, goes to the runtime's warnings.
WEFT_API WEFT_MUST_USE weft_status_t weft_send(
    weft_runtime_t* runtime, weft_actor_t actor, uint32_t endpoint,
    const weft_arguments_t* arguments, const weft_call_options_t* options);

typedef struct weft_schedule weft_schedule_t;

// When messages are sent that are sent later.
typedef struct weft_schedule_options {
  // From now until the first.
  int64_t delay_ns;
  // From each to the next; 0: there is but one.
  int64_t period_ns;
} weft_schedule_options_t;

// Sends a message later, once or again and again. One that finds the mailbox
// full is left out and counted. The schedule ends by itself when it is over or
// the actor is gone; for an actor of another process, when that is gone, with a
// warning. Its time is kept here, and each message is packed when it is sent.
// Blocks: for an actor of another process, until that is connected.
// Owns: retains the arguments; hands over a schedule, to be released; that does
// not stop it. `out_schedule` may be NULL.
// Errors: INVALID_ARGUMENT for arguments that do not fit, and for a negative
// delay or period; NOT_FOUND; CLOSED when the runtime stops;
// RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_send_later(
    weft_runtime_t* runtime, weft_actor_t actor, uint32_t endpoint,
    const weft_arguments_t* arguments, const weft_schedule_options_t* when,
    weft_schedule_t** out_schedule);

// No message is sent after this returns. NULL is fine.
WEFT_API void weft_schedule_stop(weft_schedule_t* schedule);
WEFT_API void weft_schedule_release(weft_schedule_t* schedule);

// --- In a handler -----------------------------------------------------------

// The runtime that the actor lives in.
WEFT_API weft_runtime_t* weft_context_runtime(const weft_context_t* context);
// The actor that handles the message.
WEFT_API weft_actor_t weft_context_self(const weft_context_t* context);
// The sending actor; none when a plain thread sent the message.
WEFT_API weft_actor_t weft_context_sender(const weft_context_t* context);
// When the answer is due; WEFT_TIME_INFINITE when never.
WEFT_API int64_t weft_context_deadline_ns(const weft_context_t* context);
// True when the caller has cancelled: what is computed will be dropped.
WEFT_API bool weft_context_is_cancelled(const weft_context_t* context);

// Takes the reply: the handler returns without answering, and whoever holds
// the promise answers later. The next message does not wait for that. A
// message that was sent, not called, gives a promise that nobody waits for.
// Errors: FAILED_PRECONDITION when it was taken before; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t
weft_context_take_reply(weft_context_t* context, weft_promise_t** out_promise);

// Ends the actor after this handler, with the reason that links, monitors and
// callers see; WEFT_OK is an orderly end. Owns: takes `reason` over.
WEFT_API void weft_context_stop(weft_context_t* context, weft_status_t reason);

// Watches another actor: when it ends, `endpoint` of this one gets a message
// with two arguments, the actor that ended and its reason as a status value
// (none for an orderly end). If it is gone already the message comes at once;
// the death of its process is an end, too, with PEER_DIED.
// It has reserved room and is never lost to a full mailbox. Watching twice
// gives one message.
// Errors: INVALID_ARGUMENT when the endpoint does not take those two;
// RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_context_monitor(
    weft_context_t* context, weft_actor_t actor, uint32_t endpoint);
WEFT_API void weft_context_unmonitor(weft_context_t* context,
                                     weft_actor_t actor);

// Ties two lives: when one ends with an error the other ends too, with that
// as its cause. An orderly end leaves the other alone. Linking to an actor
// that is gone, or whose process is, ends this one. Errors: RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_context_link(weft_context_t* context,
                                                       weft_actor_t actor);
WEFT_API void weft_context_unlink(weft_context_t* context, weft_actor_t actor);

// --- From outside -----------------------------------------------------------

typedef enum weft_stop_mode {
  // After the handler that runs now; messages that wait fail.
  WEFT_STOP_NOW = 0,
  // In turn: after what is in the mailbox when this is called.
  WEFT_STOP_AFTER_QUEUE = 1
} weft_stop_mode_t;

// Asks an actor to end. Blocks: no, but for one of another process as
// `weft_send`; `weft_actor_exited` tells when it has.
// Owns: takes `reason` over; WEFT_OK is an orderly end.
WEFT_API WEFT_MUST_USE weft_status_t weft_actor_stop(weft_runtime_t* runtime,
                                                     weft_actor_t actor,
                                                     weft_stop_mode_t mode,
                                                     weft_status_t reason);

// A chain that is ready when the actor has ended in order, and fails with the
// reason else. An actor that is gone already: NOT_FOUND, from the call, or from
// the future if it was of another process.
WEFT_API WEFT_MUST_USE weft_status_t weft_actor_exited(
    weft_runtime_t* runtime, weft_actor_t actor, weft_future_t** out_exited);

// --- Names ------------------------------------------------------------------

// Rank 0 keeps the names of the job; the functions here wait for its answer on
// other ranks (but a look-up gives its future), with the errors of `weft_call`
// and `weft_future_get`.

// Gives an actor a name of the job. It is free again when the actor ends.
// Errors: ALREADY_EXISTS; NOT_FOUND; INVALID_ARGUMENT when the name is empty
// or longer than 255 bytes; RESOURCE_EXHAUSTED.
WEFT_API WEFT_MUST_USE weft_status_t weft_actor_register(
    weft_runtime_t* runtime, const char* name, weft_actor_t actor);
// Errors: NOT_FOUND.
WEFT_API WEFT_MUST_USE weft_status_t
weft_actor_unregister(weft_runtime_t* runtime, const char* name);

// A future of the handle; if nobody has the name yet, until somebody
// registers it or the deadline passes (DEADLINE_EXCEEDED).
WEFT_API WEFT_MUST_USE weft_status_t
weft_actor_lookup(weft_runtime_t* runtime, const char* name,
                  int64_t deadline_ns, weft_future_t** out_future);

WEFT_END_DECLS

#endif  // WEFT_ACTOR_H_
