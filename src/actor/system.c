// SPDX-License-Identifier: Apache-2.0
//
// What a runtime does for others is done by an actor of its own, so requests
// have what all calls have: order, deadlines, cancelling, errors. It has a
// thread of its own and never waits in a handler, so a runtime whose workers
// are all busy still answers.
//
// Whoever asks may be hostile: what is asked is about actors of this runtime,
// so that this one waits for no other; never about the one that answers, which
// only ends with its runtime; and for nobody but who asks.

#include <stdio.h>

#include "actor/call.h"
#include "actor/context.h"
#include "actor/names.h"
#include "actor/registry.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "actor/spawn.h"
#include "async/future_internal.h"
#include "sys/crash_point.h"

// The first entry of a table, in its first use.
#define SYSTEM_INDEX 0
#define SYSTEM_GENERATION 1

weft_actor_t weft_system_actor(uint16_t rank, uint16_t incarnation) {
  weft_actor_t actor = {
      .rank = rank,
      .incarnation = incarnation,
      .index = SYSTEM_INDEX,
      .generation = SYSTEM_GENERATION,
  };
  return actor;
}

bool weft_actor_is_system(weft_actor_t actor) {
  return actor.index == SYSTEM_INDEX && actor.generation == SYSTEM_GENERATION;
}

weft_status_t weft_system_ask(weft_runtime_t* runtime, uint16_t rank,
                              uint32_t endpoint,
                              const weft_arguments_t* arguments,
                              weft_value_t* out_value) {
  weft_future_t* future = NULL;
  *out_value = weft_none();
  WEFT_RETURN_IF_ERROR(weft_call(runtime, weft_system_actor(rank, 0), endpoint,
                                 arguments, NULL, &future));
  weft_status_t status = weft_future_get(future, WEFT_TIME_INFINITE, out_value);
  weft_future_release(future);
  return status;
}

// --- What may be asked ------------------------------------------------------

static weft_status_t cannot_ask(const weft_context_t* context,
                                weft_actor_t actor, const char* why) {
  return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                          "rank %u was asked about actor #%u of rank %u, %s",
                          weft_runtime_rank(weft_context_runtime(context)),
                          actor.index, actor.rank, why);
}

// An actor of this runtime that others may end, watch and link. Whether it is
// there is seen later.
static weft_status_t check_own(const weft_context_t* context,
                               weft_actor_t actor) {
  if (weft_actor_is_remote(weft_context_runtime(context), actor)) {
    return cannot_ask(context, actor, "which is not here");
  }
  return weft_actor_is_system(actor)
             ? cannot_ask(context, actor, "which serves the runtime")
             : WEFT_OK;
}

// An actor of whoever asks.
static weft_status_t check_asker(const weft_context_t* context,
                                 weft_actor_t actor) {
  const weft_message_t* message = context->message;
  const weft_peer_t* peer = (message->flags & WEFT_MESSAGE_REMOTE) != 0
                                ? weft_message_peer(message)
                                : NULL;
  return peer == NULL || peer->rank != actor.rank ||
                 weft_peer_incarnation(peer) != actor.incarnation
             ? cannot_ask(context, actor, "for which another rank speaks")
             : WEFT_OK;
}

// Only one runtime of a job has its names.
static weft_status_t check_names(const weft_context_t* context) {
  uint32_t rank = weft_runtime_rank(weft_context_runtime(context));
  return rank == WEFT_NAMES_RANK
             ? WEFT_OK
             : weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                                "rank %u was asked for a name; rank %d has the "
                                "names of a job",
                                rank, WEFT_NAMES_RANK);
}

// --- Answers that come later ------------------------------------------------

// The reply is the outcome of a future, which is taken over.
static weft_status_t answer_with(weft_context_t* context,
                                 weft_future_t* future) {
  weft_promise_t* promise = NULL;
  weft_status_t status = weft_context_take_reply(context, &promise);
  if (status == WEFT_OK) {
    weft_status_t failure = weft_promise_forward(promise, future);
    if (failure != WEFT_OK) {
      // The reply is taken: what this returns would not be the answer. It may
      // have been cancelled.
      weft_status_release(weft_promise_fail(promise, failure));
    }
  }
  weft_promise_release(promise);
  weft_future_release(future);
  return status;
}

// --- Endpoints --------------------------------------------------------------

static weft_status_t handle_spawn(weft_context_t* context, void* state,
                                  const weft_value_t* arguments,
                                  weft_value_t* out_result) {
  weft_runtime_t* runtime = weft_context_runtime(context);
  const char* name;
  const weft_value_t* init;
  size_t count;
  weft_actor_t actor;
  (void)state;
  WEFT_RETURN_IF_ERROR(weft_value_as_string(arguments[0], &name, NULL));
  // In a list, so that a future in it is a future still.
  WEFT_RETURN_IF_ERROR(weft_value_as_list(arguments[4], &init, &count));
  const weft_class_t* actor_class =
      weft_registry_find(weft_actor_layer_of(runtime)->classes, name);
  if (actor_class == NULL || actor_class->version != arguments[1].as.int64 ||
      count != 1) {
    return weft_status_make(
        WEFT_STATUS_NOT_FOUND,
        "rank %u has no class %s of version %lld: start every process of a job "
        "from the same program",
        weft_runtime_rank(runtime), name, (long long)arguments[1].as.int64);
  }
  int64_t bound = arguments[2].as.int64;
  const weft_spawn_options_t options = {
      .place = weft_runtime_rank(runtime),
      .mailbox_bound =
          bound >= 0 && bound < UINT32_MAX ? (uint32_t)bound : UINT32_MAX,
      .own_thread = arguments[3].as.boolean,
  };
  WEFT_RETURN_IF_ERROR(
      weft_spawn(runtime, actor_class, init[0], &options, &actor));
  weft_crash_point("with an actor spawned");
  *out_result = weft_actor_value(actor);
  return WEFT_OK;
}

static weft_actor_t actor_of(weft_value_t value) {
  weft_actor_t actor;
  // The kind of the parameter was checked.
  weft_status_release(weft_value_as_actor(value, &actor));
  return actor;
}

static weft_status_t handle_stop(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  weft_status_t reason = WEFT_OK;
  (void)state;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(check_own(context, actor_of(arguments[0])));
  if (weft_value_kind(arguments[2]) == WEFT_KIND_STATUS) {
    WEFT_RETURN_IF_ERROR(weft_value_as_status(arguments[2], &reason));
  }
  return weft_actor_stop(weft_context_runtime(context), actor_of(arguments[0]),
                         arguments[1].as.int64 == WEFT_STOP_AFTER_QUEUE
                             ? WEFT_STOP_AFTER_QUEUE
                             : WEFT_STOP_NOW,
                         weft_status_retain(reason));
}

static weft_status_t handle_exited(weft_context_t* context, void* state,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  weft_future_t* exited = NULL;
  (void)state;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(check_own(context, actor_of(arguments[0])));
  WEFT_RETURN_IF_ERROR(weft_actor_exited(weft_context_runtime(context),
                                         actor_of(arguments[0]), &exited));
  return answer_with(context, exited);
}

// The first is an actor of this runtime, the second of another; its end is the
// third, in a list, so that a future is a future still.
static weft_status_t handle_link(weft_context_t* context, void* state,
                                 const weft_value_t* arguments,
                                 weft_value_t* out_result) {
  const weft_value_t* end;
  size_t count;
  weft_future_t* exited;
  (void)state;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(check_own(context, actor_of(arguments[0])));
  WEFT_RETURN_IF_ERROR(check_asker(context, actor_of(arguments[1])));
  WEFT_RETURN_IF_ERROR(weft_value_as_list(arguments[2], &end, &count));
  if (count != 1 || weft_value_kind(end[0]) != WEFT_KIND_FUTURE) {
    // It has ended, in order.
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(weft_value_as_future(end[0], &exited));
  return weft_distant_link_by(
      weft_actor_layer_of(weft_context_runtime(context)),
      actor_of(arguments[0]), actor_of(arguments[1]), exited);
}

static weft_status_t handle_unlink(weft_context_t* context, void* state,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  (void)state;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(check_asker(context, actor_of(arguments[1])));
  weft_distant_unwatch(weft_actor_layer_of(weft_context_runtime(context)),
                       WEFT_DISTANT_LINK, actor_of(arguments[0]),
                       actor_of(arguments[1]));
  return WEFT_OK;
}

static weft_status_t handle_register(weft_context_t* context, void* state,
                                     const weft_value_t* arguments,
                                     weft_value_t* out_result) {
  const char* name;
  (void)state;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(check_names(context));
  WEFT_RETURN_IF_ERROR(weft_value_as_string(arguments[0], &name, NULL));
  return weft_actor_register(weft_context_runtime(context), name,
                             actor_of(arguments[1]));
}

static weft_status_t handle_unregister(weft_context_t* context, void* state,
                                       const weft_value_t* arguments,
                                       weft_value_t* out_result) {
  const char* name;
  (void)state;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(check_names(context));
  WEFT_RETURN_IF_ERROR(weft_value_as_string(arguments[0], &name, NULL));
  return weft_actor_unregister(weft_context_runtime(context), name);
}

static weft_status_t handle_lookup(weft_context_t* context, void* state,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  const char* name;
  weft_future_t* found = NULL;
  (void)state;
  (void)out_result;
  WEFT_RETURN_IF_ERROR(check_names(context));
  WEFT_RETURN_IF_ERROR(weft_value_as_string(arguments[0], &name, NULL));
  WEFT_RETURN_IF_ERROR(weft_actor_lookup(weft_context_runtime(context), name,
                                         weft_context_deadline_ns(context),
                                         &found));
  return answer_with(context, found);
}

static weft_status_t handle_report(weft_context_t* context, void* state,
                                   const weft_value_t* arguments,
                                   weft_value_t* out_result) {
  (void)state;
  (void)arguments;
  return weft_report_make(weft_context_runtime(context), out_result);
}

static const weft_parameter_t spawn_parameters[] = {
    {"class", WEFT_KIND_STRING}, {"version", WEFT_KIND_INT64},
    {"bound", WEFT_KIND_INT64},  {"own_thread", WEFT_KIND_BOOL},
    {"init", WEFT_KIND_LIST},
};
static const weft_parameter_t stop_parameters[] = {
    {"actor", WEFT_KIND_ACTOR},
    {"mode", WEFT_KIND_INT64},
    {"reason", WEFT_KIND_ANY},
};
static const weft_parameter_t pair_parameters[] = {
    {"own", WEFT_KIND_ACTOR},
    {"other", WEFT_KIND_ACTOR},
    {"end", WEFT_KIND_LIST},
};
static const weft_parameter_t register_parameters[] = {
    {"name", WEFT_KIND_STRING},
    {"actor", WEFT_KIND_ACTOR},
};

static const weft_endpoint_t endpoints[WEFT_SYSTEM_ENDPOINTS] = {
    [WEFT_SYSTEM_SPAWN] = {"spawn", handle_spawn, spawn_parameters, 5},
    [WEFT_SYSTEM_STOP] = {"stop", handle_stop, stop_parameters, 3},
    [WEFT_SYSTEM_EXITED] = {"exited", handle_exited, pair_parameters, 1},
    [WEFT_SYSTEM_LINK] = {"link", handle_link, pair_parameters, 3},
    [WEFT_SYSTEM_UNLINK] = {"unlink", handle_unlink, pair_parameters, 2},
    [WEFT_SYSTEM_REGISTER] = {"register", handle_register, register_parameters,
                              2},
    [WEFT_SYSTEM_UNREGISTER] = {"unregister", handle_unregister,
                                register_parameters, 1},
    [WEFT_SYSTEM_LOOKUP] = {"lookup", handle_lookup, register_parameters, 1},
    [WEFT_SYSTEM_REPORT] = {"report", handle_report, NULL, 0},
};

const weft_class_t weft_system_class = {
    .name = "weft.system",
    .version = 1,
    .endpoints = endpoints,
    .endpoint_count = WEFT_SYSTEM_ENDPOINTS,
};

weft_status_t weft_system_create(weft_runtime_t* runtime) {
  const weft_spawn_options_t options = {
      .place = runtime->rank,
      .mailbox_bound = WEFT_MAILBOX_BOUND_LIMIT,
      .own_thread = true,
  };
  weft_actor_t actor;
  return weft_spawn_here(runtime, &weft_system_class, weft_none(), &options,
                         &actor);
}
