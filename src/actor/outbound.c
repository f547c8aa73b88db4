// SPDX-License-Identifier: Apache-2.0
//
// Sending to actors of other runtimes. A message needs three things: a link
// to its peer, a place in the window of its actor, and room in the lane; it
// waits for each as it would for room in a mailbox.

#include <stdio.h>

#include "actor/call.h"
#include "actor/context.h"
#include "actor/remote.h"
#include "actor/reply.h"
#include "actor/roster.h"
#include "actor/timed.h"
#include "base/assert.h"

// Names of parties in messages. Units: bytes.
#define NAME_BYTES 96

// --- Who is meant -----------------------------------------------------------

static void format_callee(weft_runtime_t* runtime, weft_actor_t actor,
                          uint32_t endpoint, char name[NAME_BYTES]) {
  (void)weft_known_format(&weft_actor_layer_of(runtime)->known, actor, endpoint,
                          name, NAME_BYTES);
}

// Who sends: "model#0 of rank 0".
static void format_caller(weft_runtime_t* runtime, uint64_t sender,
                          char name[NAME_BYTES]) {
  weft_actor_t actor = {
      .rank = (uint16_t)runtime->rank,
      .incarnation = (uint16_t)runtime->incarnation,
      .index = (uint32_t)(sender >> 32),
      .generation = (uint32_t)sender,
  };
  const weft_actor_entry_t* entry =
      (sender & WEFT_SENDER_THREAD) == 0
          ? weft_roster_find(weft_actor_layer_of(runtime), actor)
          : NULL;
  char self[NAME_BYTES / 2] = "a thread";
  if (entry != NULL) {
    (void)weft_entry_format(entry, self, sizeof(self));
  }
  (void)snprintf(name, NAME_BYTES, "%s of rank %u", self, runtime->rank);
}

// --- The future of a call ---------------------------------------------------

typedef struct remote_reply {
  weft_future_t future;
  // Holds a reference while it is listed.
  weft_pending_t pending;
  // Takes it off when there is another outcome than the reply.
  weft_waiter_t on_outcome;
  // Tells the callee, with the reference of `pending`.
  weft_outgoing_t cancel;
  uint64_t cancelled_id;
  // The outcome is the reply.
  _Atomic bool has_come;
  weft_timed_t timed;
  uint64_t id;
  uint64_t sender;
  weft_actor_t actor;
  uint32_t endpoint;
} remote_reply_t;

_Static_assert(sizeof(remote_reply_t) <= WEFT_SLAB_BLOCK_LIMIT,
               "a call to another process takes a block of the slab");

static size_t describe(const weft_future_t* future, char* buffer,
                       size_t capacity) {
  const remote_reply_t* reply = (const remote_reply_t*)(const void*)future;
  char callee[NAME_BYTES];
  format_callee(future->runtime, reply->actor, reply->endpoint, callee);
  return (size_t)snprintf(buffer, capacity, "call to %s of rank %u", callee,
                          reply->actor.rank);
}

static const weft_future_class_t remote_reply_class = {
    .name = "call to another process",
    .size_bytes = sizeof(remote_reply_t),
    .is_elsewhere = true,
    .describe = describe,
};

static void reply_came(weft_pending_t* pending, weft_status_t status,
                       weft_value_t value) {
  remote_reply_t* reply = WEFT_CONTAINER_OF(pending, remote_reply_t, pending);
  // Relaxed: for `outcome_came`, which this thread runs; on another one, that
  // completed the future first, either answer will do.
  atomic_store_explicit(&reply->has_come, true, memory_order_relaxed);
  weft_future_complete_owned(&reply->future, status, value);
}

static void describe_loss(const weft_pending_t* pending, char* buffer,
                          size_t capacity) {
  const remote_reply_t* reply =
      WEFT_CONST_CONTAINER_OF(pending, remote_reply_t, pending);
  weft_runtime_t* runtime = reply->future.runtime;
  char callee[NAME_BYTES];
  char caller[NAME_BYTES];
  format_callee(runtime, reply->actor, reply->endpoint, callee);
  format_caller(runtime, reply->sender, caller);
  (void)snprintf(buffer, capacity, "%s waited for %s", caller, callee);
}

static weft_status_t write_cancel(weft_outgoing_t* outgoing,
                                  weft_peer_t* peer) {
  const remote_reply_t* reply =
      WEFT_CONTAINER_OF(outgoing, remote_reply_t, cancel);
  weft_frame_t frame = {
      .type = WEFT_FRAME_CANCEL,
      .id = reply->cancelled_id,
      .timeout_ns = INT64_MAX,
  };
  return weft_peer_write_locked(peer, &frame, NULL, 0, WEFT_LINK_RESERVED);
}

static void end_cancel(weft_outgoing_t* outgoing, weft_peer_t* peer) {
  (void)peer;
  weft_future_release(
      &WEFT_CONTAINER_OF(outgoing, remote_reply_t, cancel)->future);
}

// There is an outcome. Unless it is the reply the callee may stop.
static void outcome_came(weft_waiter_t* waiter, weft_future_t* future) {
  remote_reply_t* reply = (remote_reply_t*)(void*)future;
  (void)waiter;
  // Relaxed: see `reply_came`. It is off the list then.
  if (atomic_load_explicit(&reply->has_come, memory_order_relaxed)) {
    return;
  }
  if (weft_calls_take(&reply->pending, &reply->cancelled_id)) {
    reply->cancel = (weft_outgoing_t){.write = write_cancel, .end = end_cancel};
    weft_peer_send(reply->pending.peer, &reply->cancel);
  }
}

static weft_status_t no_answer(const weft_timed_t* timed) {
  const remote_reply_t* reply =
      WEFT_CONST_CONTAINER_OF(timed, remote_reply_t, timed);
  char callee[NAME_BYTES];
  format_callee(reply->future.runtime, reply->actor, reply->endpoint, callee);
  return weft_status_make(WEFT_STATUS_DEADLINE_EXCEEDED,
                          "no answer from %s of rank %u within %.3f ms", callee,
                          reply->actor.rank, (double)timed->timeout_ns / 1e6);
}

// Takes back a call that was not sent.
static void discard(remote_reply_t* reply) {
  uint64_t id;
  if (weft_calls_take(&reply->pending, &id)) {
    weft_future_release(&reply->future);
  }
  // Ends the timer, and what ties it to a parent.
  weft_future_cancel(&reply->future);
  weft_future_release(&reply->future);
}

// What can fail after the call has been listed.
static weft_status_t equip(remote_reply_t* reply, int64_t deadline_ns) {
  const weft_activity_t* activity = weft_thread_self.activity;
  weft_future_t* parent = activity != NULL ? activity->serving : NULL;
  weft_future_add_waiter(&reply->future, &reply->on_outcome);
  if (deadline_ns != WEFT_TIME_INFINITE) {
    WEFT_RETURN_IF_ERROR(weft_timed_start(&reply->timed, &reply->future,
                                          deadline_ns, no_answer));
  }
  return parent != NULL ? weft_reply_follow(&reply->future, parent) : WEFT_OK;
}

static weft_status_t create_reply(weft_peer_t* peer, weft_actor_t actor,
                                  uint32_t endpoint, int64_t deadline_ns,
                                  remote_reply_t** out_reply) {
  // For the caller, and the list of calls.
  weft_future_t* future =
      weft_future_allocate(peer->runtime, &remote_reply_class, 2);
  *out_reply = NULL;
  if (future == NULL) {
    return weft_future_no_memory("call");
  }
  remote_reply_t* reply = (remote_reply_t*)(void*)future;
  reply->pending = (weft_pending_t){
      .complete = reply_came,
      .describe_loss = describe_loss,
  };
  reply->on_outcome = (weft_waiter_t){.callback = outcome_came};
  atomic_init(&reply->has_come, false);
  reply->sender = weft_sender_self(weft_actor_layer_of(peer->runtime));
  reply->actor = actor;
  reply->endpoint = endpoint;
  weft_status_t status = weft_calls_add(peer, &reply->pending, &reply->id);
  if (status != WEFT_OK) {
    weft_future_free_unshared(future);
    return status;
  }
  status = equip(reply, deadline_ns);
  if (status != WEFT_OK) {
    discard(reply);
    return status;
  }
  *out_reply = reply;
  return WEFT_OK;
}

bool weft_remote_origin(weft_future_t* future, weft_origin_name_t* out_origin) {
  if (future->class != &remote_reply_class) {
    return false;
  }
  const remote_reply_t* reply = (const remote_reply_t*)(const void*)future;
  *out_origin = (weft_origin_name_t){
      .peer = reply->pending.peer,
      .kind = WEFT_ORIGIN_CALL,
      .id = reply->id,
  };
  return true;
}

// --- Writing ----------------------------------------------------------------

// One message on its way.
typedef struct outbound {
  weft_runtime_t* runtime;
  weft_peer_t* peer;
  weft_actor_t actor;
  const weft_call_options_t* options;
  // On a thread that others need, for what was asked for before.
  bool never_waits;
  int64_t deadline_ns;
  // Of a call; NULL for a send.
  remote_reply_t* reply;
  weft_parcel_t parcel;
} outbound_t;

// Whether this message may wait; see `weft_call`.
static bool may_wait(const outbound_t* outbound) {
  const weft_thread_t* self = &weft_thread_self;
  if (outbound->never_waits ||
      (outbound->options != NULL && outbound->options->try_only)) {
    return false;
  }
  // A system actor never waits, so its room comes soon.
  if (weft_actor_is_system(outbound->actor)) {
    return true;
  }
  return (self->activity == NULL && self->pool_thread == NULL) ||
         outbound->deadline_ns != WEFT_TIME_INFINITE;
}

static weft_status_t probe_locked(outbound_t* outbound) {
  WEFT_RETURN_IF_ERROR(
      weft_window_probe_locked(outbound->peer, outbound->actor));
  return weft_parcel_probe_locked(&outbound->parcel, outbound->peer,
                                  WEFT_LINK_ORDINARY);
}

// Takes a place in the window and writes the frame; both, or neither.
static weft_status_t write_locked(outbound_t* outbound) {
  weft_peer_t* peer = outbound->peer;
  weft_future_t* future =
      outbound->reply != NULL ? &outbound->reply->future : NULL;
  if (future != NULL && weft_future_is_done(future)) {
    // It has ended meanwhile, and the callee was told before it knew of it.
    // Whoever ends it from here on tells the callee after this, which has the
    // lock.
    weft_value_t nothing;
    return weft_future_result(future, &nothing);
  }
  WEFT_RETURN_IF_ERROR(weft_window_take_locked(peer, outbound->actor));
  weft_status_t status =
      weft_parcel_write_locked(&outbound->parcel, peer, WEFT_LINK_ORDINARY);
  if (status == WEFT_OK) {
    weft_peer_flush_locked(peer);
  } else {
    weft_window_untake_locked(peer, outbound->actor);
  }
  return status;
}

static weft_status_t stayed_full(const outbound_t* outbound,
                                 weft_status_t cause) {
  return weft_status_make_caused(
      weft_status_code(cause), cause,
      "actor #%u of rank %u has %d messages of this process to deal with, or "
      "the lane to it is full",
      outbound->actor.index, outbound->actor.rank, WEFT_WINDOW_MESSAGES);
}

// Whether the peer's end is on its way: then it is soon known how it died. The
// lock is held.
static bool is_dying_locked(weft_peer_t* peer, weft_status_t status) {
  void* place = NULL;
  weft_status_code_t code = weft_status_code(status);
  if (weft_peer_is_dying_locked(peer)) {
    return true;
  }
  if (peer->link == NULL || weft_peer_state(peer) == WEFT_PEER_DEAD ||
      (code != WEFT_STATUS_PEER_DIED && code != WEFT_STATUS_CLOSED)) {
    return false;
  }
  // It may be an owner of what is lent that died. Nothing can be written to a
  // link that has ended, and the peer will hear of that.
  return weft_status_ignore(weft_link_reserve(peer->link, sizeof(weft_frame_t),
                                              WEFT_LINK_RESERVED, &place)) ==
         code;
}

// Does one of the two when everything that it needs is there.
static weft_status_t do_or_wait(outbound_t* outbound,
                                weft_status_t (*step)(outbound_t* outbound)) {
  weft_peer_t* peer = outbound->peer;
  for (;;) {
    weft_peer_waiter_t waiter;
    weft_mutex_lock(&peer->lock);
    weft_status_t status = peer->reason != WEFT_OK
                               ? weft_status_retain(peer->reason)
                               : step(outbound);
    bool is_full = weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK;
    // A link that is being made is there soon, or never; and how a peer died
    // is known soon.
    bool is_dying = is_dying_locked(peer, status);
    bool waits =
        !outbound->never_waits &&
        ((is_full && (may_wait(outbound) || peer->link == NULL)) || is_dying);
    if (waits) {
      weft_peer_join_locked(peer, &waiter);
    }
    weft_mutex_unlock(&peer->lock);
    if (!waits && !is_dying) {
      return status;
    }
    weft_status_release(status);
    if (!waits) {
      return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
    }
    status = weft_peer_wait(peer, &waiter, outbound->deadline_ns);
    if (status != WEFT_OK) {
      return stayed_full(outbound, status);
    }
  }
}

// Waits for the link: what is lent is lent to a life of the peer.
static weft_status_t await_link(outbound_t* outbound) {
  weft_peer_t* peer = outbound->peer;
  while (weft_peer_state(peer) == WEFT_PEER_CONNECTING) {
    weft_peer_waiter_t waiter;
    if (outbound->never_waits) {
      return weft_status_from_code(WEFT_STATUS_WOULD_BLOCK);
    }
    weft_mutex_lock(&peer->lock);
    bool is_refused = weft_peer_is_refused(peer);
    bool waits = !is_refused && weft_peer_state(peer) == WEFT_PEER_CONNECTING;
    if (waits) {
      weft_peer_join_locked(peer, &waiter);
    }
    weft_mutex_unlock(&peer->lock);
    if (is_refused) {
      return weft_peer_death(peer, "nothing can be sent");
    }
    weft_status_t status =
        waits ? weft_peer_wait(peer, &waiter, outbound->deadline_ns) : WEFT_OK;
    if (status != WEFT_OK) {
      return weft_status_make_caused(
          weft_status_code(status), status,
          "there is no link to rank %u so far: its process has made no "
          "runtime, or the launcher is busy",
          peer->rank);
    }
  }
  return weft_peer_state(peer) == WEFT_PEER_DEAD
             ? weft_peer_death(peer, "nothing can be sent")
             : WEFT_OK;
}

// Waits for room in the lane to an owner of what is lent, and tries again.
static weft_status_t prepare_later(outbound_t* outbound, weft_peer_t* owner) {
  weft_peer_waiter_t waiter;
  weft_peer_t* full;
  weft_mutex_lock(&owner->lock);
  weft_peer_join_locked(owner, &waiter);
  weft_mutex_unlock(&owner->lock);
  // Once more, now that whoever makes room wakes this.
  weft_status_t status =
      weft_parcel_prepare(&outbound->parcel, outbound->peer, &full);
  bool waits =
      weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK && full == owner;
  weft_status_t waited = weft_peer_wait(
      owner, &waiter, waits ? outbound->deadline_ns : WEFT_TIME_NOW);
  if (waits && waited != WEFT_OK) {
    weft_status_release(status);
    return stayed_full(outbound, waited);
  }
  weft_status_release(waited);
  return status;
}

// Tells the owners of what is lent, once there is room for the frame: from then
// on they keep it for the peer.
static weft_status_t prepare(outbound_t* outbound) {
  weft_peer_t* full;
  if (outbound->parcel.cargo == NULL) {
    return WEFT_OK;
  }
  WEFT_RETURN_IF_ERROR(do_or_wait(outbound, probe_locked));
  weft_status_t status =
      weft_parcel_prepare(&outbound->parcel, outbound->peer, &full);
  while (weft_status_code(status) == WEFT_STATUS_WOULD_BLOCK && full != NULL &&
         may_wait(outbound)) {
    weft_status_release(status);
    status = prepare_later(outbound, full);
  }
  return status;
}

const char weft_remote_event[] = "remote";

static void note(const outbound_t* outbound,
                 const weft_arguments_t* arguments) {
  weft_trace_thread_t* trace = weft_trace_self(outbound->runtime);
  uint64_t bytes = 0;
  for (size_t i = 0; arguments != NULL && i < arguments->positional_count;
       i++) {
    bytes += weft_value_tensor_bytes(arguments->positional[i]);
  }
  weft_flight_record(trace, WEFT_FLIGHT_SEND, weft_remote_event,
                     outbound->actor.index, outbound->actor.rank);
  weft_trace_count(trace, WEFT_COUNTER_messages_sent, 1);
  weft_trace_count(trace, WEFT_COUNTER_bytes_passed, bytes);
}

static weft_status_t try_send(outbound_t* outbound,
                              const weft_arguments_t* arguments) {
  weft_status_t status =
      weft_parcel_pack(&outbound->parcel, outbound->peer, arguments);
  if (status == WEFT_OK) {
    status = prepare(outbound);
  }
  if (status == WEFT_OK) {
    status = do_or_wait(outbound, write_locked);
  }
  weft_parcel_deinit(&outbound->parcel, outbound->peer);
  return status;
}

static weft_status_t send_parcel(outbound_t* outbound,
                                 const weft_arguments_t* arguments) {
  const weft_frame_t head = outbound->parcel.head;
  weft_status_t status = try_send(outbound, arguments);
  if (weft_status_code(status) == WEFT_STATUS_PEER_DIED &&
      weft_peer_state(outbound->peer) == WEFT_PEER_UP) {
    // The owner of a tensor has died while it was lent on: a copy goes.
    weft_status_release(status);
    outbound->parcel.head = head;
    weft_parcel_clear(&outbound->parcel);
    outbound->parcel.copies_loans = true;
    status = try_send(outbound, arguments);
  }
  if (status == WEFT_OK) {
    note(outbound, arguments);
  }
  return status;
}

// --- Submitting -------------------------------------------------------------

static int64_t timeout_of(weft_runtime_t* runtime, int64_t deadline_ns) {
  if (deadline_ns == WEFT_TIME_INFINITE) {
    return INT64_MAX;
  }
  int64_t left_ns = deadline_ns - weft_runtime_now_ns(runtime);
  return left_ns > 0 ? left_ns : 0;
}

static weft_status_t init(outbound_t* outbound, weft_runtime_t* runtime,
                          weft_actor_t actor, uint32_t endpoint,
                          const weft_call_options_t* options) {
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  outbound->runtime = runtime;
  outbound->peer = NULL;
  outbound->reply = NULL;
  outbound->actor = actor;
  outbound->options = options;
  outbound->deadline_ns = weft_work_deadline_ns();
  // Relaxed: whoever sends while the layer stops may find either.
  if (atomic_load_explicit(&layer->is_stopping, memory_order_relaxed)) {
    return weft_actor_closed(layer, "nothing can be sent");
  }
  if (endpoint > UINT16_MAX) {
    return weft_status_make(WEFT_STATUS_INVALID_ARGUMENT,
                            "no class has an endpoint of number %u", endpoint);
  }
  WEFT_RETURN_IF_ERROR(
      weft_call_cut_deadline(layer, options, &outbound->deadline_ns));
  WEFT_RETURN_IF_ERROR(weft_peers_reach(runtime, actor.rank, &outbound->peer));
  WEFT_RETURN_IF_ERROR(weft_peer_check(outbound->peer, actor.incarnation));
  WEFT_RETURN_IF_ERROR(await_link(outbound));
  const weft_frame_t head = {
      .type = WEFT_FRAME_CALL,
      .endpoint = (uint16_t)endpoint,
      .target_index = actor.index,
      .target_generation = actor.generation,
      .sender = weft_sender_self(layer),
      .timeout_ns = timeout_of(runtime, outbound->deadline_ns),
  };
  weft_parcel_init(&outbound->parcel, &head);
  return WEFT_OK;
}

// What failed because the peer is lost says who wanted what of it. Owns: takes
// `status` over.
static weft_status_t explain(const outbound_t* outbound, uint32_t endpoint,
                             weft_status_t status) {
  if (weft_status_code(status) != WEFT_STATUS_PEER_DIED ||
      outbound->peer == NULL || !weft_peer_is_lost(outbound->peer)) {
    return status;
  }
  char callee[NAME_BYTES];
  char caller[NAME_BYTES];
  char loss[WEFT_LOSS_BYTES];
  format_callee(outbound->runtime, outbound->actor, endpoint, callee);
  format_caller(outbound->runtime,
                weft_sender_self(weft_actor_layer_of(outbound->runtime)),
                caller);
  (void)snprintf(loss, sizeof(loss), "%s cannot reach %s", caller, callee);
  weft_status_release(status);
  return weft_peer_death(outbound->peer, loss);
}

static weft_status_t submit(outbound_t* outbound, uint32_t endpoint,
                            const weft_arguments_t* arguments,
                            weft_future_t** out_future) {
  weft_runtime_t* runtime = outbound->runtime;
  remote_reply_t* reply = NULL;
  if (out_future != NULL) {
    WEFT_RETURN_IF_ERROR(create_reply(outbound->peer, outbound->actor, endpoint,
                                      outbound->deadline_ns, &reply));
    weft_assert(reply != NULL);
    outbound->reply = reply;
    outbound->parcel.head.id = reply->id;
  }
  weft_trace_thread_t* trace = weft_trace_self(runtime);
  if (trace->is_on) {
    outbound->parcel.flow = weft_trace_send(trace, "remote");
  }
  weft_status_t status = send_parcel(outbound, arguments);
  if (status != WEFT_OK) {
    if (reply != NULL) {
      discard(reply);
    }
    return status;
  }
  if (reply != NULL) {
    *out_future = &reply->future;
  }
  return WEFT_OK;
}

static weft_status_t submit_by(outbound_t* outbound, weft_actor_t actor,
                               uint32_t endpoint,
                               const weft_arguments_t* arguments,
                               weft_future_t** out_future) {
  weft_runtime_t* runtime = outbound->runtime;
  // The lanes of a forked child are its parent's.
  WEFT_RETURN_IF_ERROR(weft_async_check_process(runtime));
  weft_status_t status =
      init(outbound, runtime, actor, endpoint, outbound->options);
  if (status == WEFT_OK) {
    status = submit(outbound, endpoint, arguments, out_future);
  }
  return status == WEFT_OK ? WEFT_OK : explain(outbound, endpoint, status);
}

weft_status_t weft_remote_submit(weft_runtime_t* runtime, weft_actor_t actor,
                                 uint32_t endpoint,
                                 const weft_arguments_t* arguments,
                                 const weft_call_options_t* options,
                                 weft_future_t** out_future) {
  outbound_t outbound;
  outbound.runtime = runtime;
  outbound.options = options;
  outbound.never_waits = false;
  return submit_by(&outbound, actor, endpoint, arguments, out_future);
}

weft_status_t weft_remote_call_due(weft_runtime_t* runtime, weft_actor_t actor,
                                   uint32_t endpoint,
                                   const weft_arguments_t* arguments,
                                   const weft_call_options_t* options,
                                   weft_future_t** out_future) {
  outbound_t outbound;
  outbound.runtime = runtime;
  outbound.options = options;
  outbound.never_waits = true;
  return submit_by(&outbound, actor, endpoint, arguments, out_future);
}

weft_status_t weft_remote_await(weft_runtime_t* runtime, weft_actor_t actor,
                                uint32_t endpoint) {
  outbound_t outbound;
  outbound.never_waits = false;
  WEFT_RETURN_IF_ERROR(weft_async_check_process(runtime));
  weft_status_t status = init(&outbound, runtime, actor, endpoint, NULL);
  return status == WEFT_OK ? WEFT_OK : explain(&outbound, endpoint, status);
}

weft_status_t weft_remote_send_due(weft_runtime_t* runtime, weft_actor_t actor,
                                   uint32_t endpoint,
                                   const weft_arguments_t* arguments,
                                   uint64_t sender) {
  outbound_t outbound;
  outbound.never_waits = true;
  weft_status_t status = init(&outbound, runtime, actor, endpoint, NULL);
  if (status == WEFT_OK) {
    outbound.parcel.head.sender = sender;
    status = submit(&outbound, endpoint, arguments, NULL);
  }
  return status == WEFT_OK ? WEFT_OK : explain(&outbound, endpoint, status);
}
