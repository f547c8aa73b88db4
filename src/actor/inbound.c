// SPDX-License-Identifier: Apache-2.0
//
// Messages of other runtimes. A frame is read and put into its mailbox at
// once, whatever the mailbox holds: the sender's window bounds it. So frames
// never wait here, and an actor that is slow holds nobody else back.

#include "actor/call.h"
#include "actor/context.h"
#include "actor/remote.h"
#include "actor/roster.h"
#include "channel/channel.h"
#include "peer/outcome.h"
#include "sys/crash_point.h"

// --- Calls that are served --------------------------------------------------

// The reply of a call, to be sent back. 384 bytes at most.
typedef struct inbound {
  weft_future_t future;
  weft_waiter_t on_outcome;
  weft_outcome_t outcome;
  weft_peer_t* peer;
  // Among the peer's calls, by the caller's number; guarded by its lock.
  weft_table_node_t node;
} inbound_t;

_Static_assert(sizeof(inbound_t) <= WEFT_SLAB_BLOCK_LIMIT,
               "a call that is served takes a block of the slab");

static const weft_future_class_t inbound_class = {
    .name = "call of another process",
    .size_bytes = sizeof(inbound_t),
};

static void reply_sent(weft_outcome_t* outcome) {
  weft_future_release(&WEFT_CONTAINER_OF(outcome, inbound_t, outcome)->future);
}

// Takes a call off by its number; NULL when it is not there. The reference of
// whoever sends the reply goes with it.
static inbound_t* take_call(weft_peer_t* peer, uint64_t id) {
  weft_mutex_lock(&peer->lock);
  weft_table_node_t* node = weft_table_remove(&peer->served, id);
  weft_mutex_unlock(&peer->lock);
  return node != NULL ? WEFT_CONTAINER_OF(node, inbound_t, node) : NULL;
}

// Takes the call off before its reply is sent; false when somebody else has,
// and nobody waits for the reply any more. The lock is held.
static bool reply_claimed(weft_outcome_t* outcome, weft_peer_t* peer) {
  const inbound_t* inbound = WEFT_CONTAINER_OF(outcome, inbound_t, outcome);
  uint64_t id = inbound->node.key;
  // The peer may have given its number to another call meanwhile.
  return weft_table_find(&peer->served, id) == &inbound->node &&
         weft_table_remove(&peer->served, id) != NULL;
}

static void outcome_came(weft_waiter_t* waiter, weft_future_t* future) {
  inbound_t* inbound = WEFT_CONTAINER_OF(waiter, inbound_t, on_outcome);
  weft_crash_point("before a reply is sent");
  weft_frame_t head = {
      .type = WEFT_FRAME_REPLY,
      .id = inbound->node.key,
      .timeout_ns = INT64_MAX,
  };
  weft_outcome_send(&inbound->outcome, inbound->peer, &head, future,
                    reply_claimed, reply_sent);
}

// Makes the reply of a call. References: for the message, and for whoever
// sends the reply. Errors: RESOURCE_EXHAUSTED; DATA_LOSS for a number that is
// in use.
static weft_status_t create_call(weft_peer_t* peer, uint64_t id,
                                 weft_activity_t* producer,
                                 inbound_t** out_inbound) {
  weft_future_t* future =
      weft_future_allocate(peer->runtime, &inbound_class, 2);
  *out_inbound = NULL;
  if (future == NULL) {
    return weft_future_no_memory("call");
  }
  inbound_t* inbound = (inbound_t*)(void*)future;
  inbound->peer = peer;
  // Before it is listed, where others follow who waits for whom.
  future->producer = producer;
  inbound->on_outcome = (weft_waiter_t){.callback = outcome_came};
  weft_mutex_lock(&peer->lock);
  bool is_new = weft_table_find(&peer->served, id) == NULL;
  if (is_new) {
    weft_table_insert(&peer->served, &inbound->node, id);
  }
  weft_mutex_unlock(&peer->lock);
  if (!is_new) {
    weft_future_free_unshared(future);
    return weft_status_make(WEFT_STATUS_DATA_LOSS,
                            "rank %u gave two calls one number", peer->rank);
  }
  *out_inbound = inbound;
  return WEFT_OK;
}

// Nobody waits for the reply any more: whoever works on it finds out.
static void cancel_call(inbound_t* inbound) {
  weft_future_cancel(&inbound->future);
  weft_future_release(&inbound->future);
}

static void receive_cancel(weft_peer_t* peer, const weft_frame_t* frame) {
  inbound_t* inbound = take_call(peer, frame->id);
  if (inbound != NULL) {
    cancel_call(inbound);
  }
}

// --- Replies without a message ----------------------------------------------

// Answers a call that has come to nothing, by way of a future that is done.
// Owns: takes `error` over.
static void refuse(weft_peer_t* peer, const weft_frame_t* frame,
                   weft_status_t error) {
  const weft_frame_t reply = {.type = WEFT_FRAME_REPLY, .id = frame->id};
  inbound_t* inbound = NULL;
  weft_status_t status =
      frame->id != 0 ? create_call(peer, frame->id, NULL, &inbound) : WEFT_OK;
  if (inbound != NULL) {
    weft_future_add_waiter(&inbound->future, &inbound->on_outcome);
    weft_future_complete_owned(&inbound->future, error, weft_none());
  } else if (weft_status_code(status) == WEFT_STATUS_RESOURCE_EXHAUSTED &&
             weft_outcome_send_code(peer, &reply, weft_status_code(error))) {
    weft_status_release(status);
    weft_status_release(error);
  } else if (status != WEFT_OK) {
    // The caller must not wait for ever.
    weft_status_release(error);
    weft_peer_break(peer, status);
  } else {
    weft_warn(peer->runtime, error);
  }
  weft_window_done(peer, frame->target_index, frame->target_generation, 1);
  weft_window_end(peer, frame->target_index, frame->target_generation);
}

// --- Messages ---------------------------------------------------------------

weft_actor_t weft_message_remote_sender(const weft_message_t* message) {
  weft_value_t sender = message->arguments[message->argument_count - 1];
  weft_actor_t actor = {0};
  if (weft_value_kind(sender) == WEFT_KIND_ACTOR) {
    actor.rank = sender.rank;
    actor.index = sender.index;
    actor.incarnation = (uint16_t)(sender.as.actor >> 32);
    actor.generation = (uint32_t)sender.as.actor;
  }
  return actor;
}

void weft_remote_settle(weft_context_t* context) {
  if (context->dealt_count > 0) {
    weft_window_done(context->dealt_peer, context->entry->index,
                     context->dealt_generation, context->dealt_count);
    context->dealt_count = 0;
  }
}

void weft_remote_finished(weft_context_t* context,
                          const weft_message_t* message) {
  weft_peer_t* peer = weft_message_peer(message);
  _Atomic uint32_t* finished = &context->entry->peers_finished;
  // Relaxed, both: the consumer alone writes it, for reports.
  atomic_store_explicit(
      finished, atomic_load_explicit(finished, memory_order_relaxed) + 1,
      memory_order_relaxed);
  if (context->dealt_peer != peer ||
      context->dealt_generation != message->generation) {
    weft_remote_settle(context);
    context->dealt_peer = peer;
    context->dealt_generation = message->generation;
  }
  // A sender must not wait for the end of a turn that waits itself.
  if (++context->dealt_count == WEFT_WINDOW_BATCH) {
    weft_remote_settle(context);
  }
}

// A sender of a peer, apart from all others: an actor by its index and the low
// bits of its generation, a thread by its number.
static uint64_t sender_of(const weft_peer_t* peer, uint64_t sender) {
  uint64_t who = (sender & WEFT_SENDER_THREAD) != 0
                     ? WEFT_SENDER_THREAD | (sender & UINT32_MAX)
                     : (sender >> 32 & 0xffffff) << 24 | (sender & 0xffffff);
  return WEFT_SENDER_REMOTE | (uint64_t)(peer->rank & 0x7ff) << 48 | who;
}

static void hide(const weft_peer_t* peer, const weft_frame_t* frame,
                 weft_message_t* message) {
  weft_value_t* hidden =
      &message->arguments[message->argument_count - WEFT_MESSAGE_HIDDEN];
  hidden[0] = weft_int64((int64_t)(uintptr_t)peer);
  hidden[0].index = frame->target_index;
  hidden[1] = weft_none();
  if ((frame->sender & WEFT_SENDER_THREAD) == 0) {
    weft_actor_t sender = {
        .rank = peer->rank,
        .incarnation = weft_peer_incarnation(peer),
        .index = (uint32_t)(frame->sender >> 32),
        .generation = (uint32_t)frame->sender,
    };
    hidden[1] = weft_actor_value(sender);
  }
}

static int64_t deadline_of(weft_runtime_t* runtime, const weft_frame_t* frame) {
  return frame->timeout_ns == INT64_MAX || frame->timeout_ns < 0
             ? WEFT_TIME_INFINITE
             : weft_deadline_after(runtime, frame->timeout_ns);
}

// Makes the message that a frame is. Errors: INVALID_ARGUMENT for arguments
// that do not fit; RESOURCE_EXHAUSTED.
static weft_status_t create_message(weft_peer_t* peer,
                                    const weft_frame_t* frame,
                                    const weft_class_t* actor_class,
                                    const weft_delivery_t* delivery,
                                    weft_message_t** out_message) {
  weft_runtime_t* runtime = peer->runtime;
  weft_named_value_t named[WEFT_PARAMETER_LIMIT];
  uint32_t positional_count = delivery->count - delivery->named_count;
  for (uint32_t i = 0; i < delivery->named_count; i++) {
    named[i].name = delivery->names[i];
    named[i].value = delivery->values[positional_count + i];
  }
  const weft_arguments_t arguments = {
      .positional = delivery->values,
      .positional_count = positional_count,
      .named = named,
      .named_count = delivery->named_count,
  };
  WEFT_RETURN_IF_ERROR(
      weft_message_create_hidden(runtime, actor_class, frame->endpoint,
                                 &arguments, WEFT_MESSAGE_HIDDEN, out_message));
  weft_message_t* message = *out_message;
  hide(peer, frame, message);
  message->flags |= WEFT_MESSAGE_REMOTE;
  message->sender = sender_of(peer, frame->sender);
  message->generation = frame->target_generation;
  message->deadline_ns = deadline_of(runtime, frame);
  message->flow = delivery->flow;
  return WEFT_OK;
}

static weft_actor_t target_of(const weft_peer_t* peer,
                              const weft_frame_t* frame) {
  return (weft_actor_t){
      .rank = (uint16_t)peer->runtime->rank,
      .incarnation = (uint16_t)peer->runtime->incarnation,
      .index = frame->target_index,
      .generation = frame->target_generation,
  };
}

// Why nobody is there for a frame. Owns: takes `status` over.
static weft_status_t nobody_there(const weft_peer_t* peer,
                                  weft_status_t status) {
  const weft_actor_layer_t* layer = weft_actor_layer_of(peer->runtime);
  // Relaxed: whoever sends while the layer stops may hear either.
  if (!atomic_load_explicit(&layer->is_stopping, memory_order_relaxed)) {
    return status;
  }
  return weft_status_make_caused(WEFT_STATUS_CLOSED, status,
                                 "the runtime of rank %u stops",
                                 peer->runtime->rank);
}

// Puts a message into its mailbox, with the reply of a call.
static weft_status_t put(weft_peer_t* peer, const weft_frame_t* frame,
                         weft_actor_entry_t* entry, weft_message_t* message) {
  inbound_t* inbound = NULL;
  if (frame->id != 0) {
    weft_mutex_lock(&peer->lock);
    weft_status_t status = weft_peer_check_served_locked(peer);
    weft_mutex_unlock(&peer->lock);
    WEFT_RETURN_IF_ERROR(status);
    WEFT_RETURN_IF_ERROR(
        create_call(peer, frame->id, &entry->activity, &inbound));
    message->reply = &inbound->future;
    weft_future_add_waiter(&inbound->future, &inbound->on_outcome);
  }
  // Relaxed, here and below: for reports.
  atomic_fetch_add_explicit(&entry->peers_put, 1, memory_order_relaxed);
  if (weft_entry_put(entry, message, true) <= WEFT_MAILBOX_PUSHED_FIRST) {
    return WEFT_OK;
  }
  atomic_fetch_sub_explicit(&entry->peers_put, 1, memory_order_relaxed);
  if (inbound != NULL) {
    message->reply = NULL;
    (void)take_call(peer, frame->id);
    weft_future_cancel(&inbound->future);
    weft_future_release(&inbound->future);
    weft_future_release(&inbound->future);
  }
  return nobody_there(peer,
                      weft_actor_not_found(weft_actor_layer_of(peer->runtime),
                                           target_of(peer, frame)));
}

static weft_status_t find(const weft_peer_t* peer, const weft_frame_t* frame,
                          weft_actor_entry_t** out_entry) {
  weft_runtime_t* runtime = peer->runtime;
  weft_actor_layer_t* layer = weft_actor_layer_of(runtime);
  weft_actor_t actor = target_of(peer, frame);
  *out_entry = weft_roster_find(layer, actor);
  if (*out_entry == NULL || weft_entry_class(*out_entry) == NULL) {
    return nobody_there(peer, weft_actor_not_found(layer, actor));
  }
  return WEFT_OK;
}

static weft_status_t deliver(weft_peer_t* peer, const weft_frame_t* frame,
                             const weft_delivery_t* delivery) {
  weft_actor_entry_t* entry;
  weft_message_t* message = NULL;
  WEFT_RETURN_IF_ERROR(find(peer, frame, &entry));
  WEFT_RETURN_IF_ERROR(
      create_message(peer, frame, weft_entry_class(entry), delivery, &message));
  weft_status_t status = put(peer, frame, entry, message);
  if (status != WEFT_OK) {
    weft_message_release_arguments(message);
    weft_message_free(peer->runtime, message);
  }
  return status;
}

static void receive_call(weft_peer_t* peer, const weft_frame_t* frame) {
  weft_delivery_t delivery;
  weft_status_t status =
      weft_window_receive(peer, frame->target_index, frame->target_generation);
  if (status != WEFT_OK) {
    weft_peer_break(peer, status);
    return;
  }
  status = weft_delivery_read(peer, frame, &delivery);
  weft_crash_point("with a call received");
  if (status == WEFT_OK) {
    status = deliver(peer, frame, &delivery);
    weft_delivery_deinit(peer, &delivery);
  }
  if (status != WEFT_OK) {
    refuse(peer, frame, status);
  }
}

// --- The table of this layer ------------------------------------------------

static void receive(weft_peer_t* peer, const weft_frame_t* frame) {
  switch (frame->type) {
    case WEFT_FRAME_CALL:
      receive_call(peer, frame);
      break;
    case WEFT_FRAME_CANCEL:
      receive_cancel(peer, frame);
      break;
    case WEFT_FRAME_CREDIT:
      weft_window_receive_credit(peer, frame);
      weft_distant_go_on(weft_actor_layer_of(peer->runtime), peer);
      break;
    case WEFT_FRAME_CHANNEL:
    case WEFT_FRAME_SLOT:
      weft_channels_receive(peer, frame);
      break;
    default:
      weft_peer_break(peer, weft_status_make(WEFT_STATUS_DATA_LOSS,
                                             "rank %u sent a frame of type %u",
                                             peer->rank, frame->type));
      break;
  }
}

static inbound_t* take_any_call(weft_peer_t* peer) {
  weft_mutex_lock(&peer->lock);
  weft_table_node_t* node = weft_table_take_any(&peer->served);
  weft_mutex_unlock(&peer->lock);
  return node != NULL ? WEFT_CONTAINER_OF(node, inbound_t, node) : NULL;
}

static void peer_died(weft_peer_t* peer, weft_status_t reason) {
  inbound_t* inbound;
  while ((inbound = take_any_call(peer)) != NULL) {
    // Others may have been given the future: they are told why.
    weft_future_cancel_with(&inbound->future, weft_status_retain(reason));
    weft_future_release(&inbound->future);
  }
  weft_channels_peer_died(peer, reason);
  weft_distant_go_on(weft_actor_layer_of(peer->runtime), peer);
}

static void room_came(weft_peer_t* peer) {
  weft_distant_go_on(weft_actor_layer_of(peer->runtime), peer);
}

static weft_future_t* served(weft_peer_t* peer, uint64_t id) {
  weft_mutex_lock(&peer->lock);
  weft_table_node_t* node = weft_table_find(&peer->served, id);
  weft_future_t* future =
      node != NULL ? weft_future_retain(
                         &WEFT_CONTAINER_OF(node, inbound_t, node)->future)
                   : NULL;
  weft_mutex_unlock(&peer->lock);
  return future;
}

const weft_peer_events_t weft_remote_events = {
    .frame = receive,
    .room = room_came,
    .died = peer_died,
    .origin = weft_remote_origin,
    .served = served,
    .encode_end = weft_channels_encode,
    .parcel_over = weft_channels_parcel_over,
    .decode_end = weft_channels_decode,
};
